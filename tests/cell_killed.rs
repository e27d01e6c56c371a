//! A cell's writer that is killed at any point leaves a whole value: the old one, or the new one.
//!
//! Readers never wait for it and never see a mixture, also when it died in the middle of the copy that they are not sent
//! to. The writer's role is free for the next one at once, nothing is poisoned, and the number of stores goes on.

mod support;

use sharray::{Directory, Error};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;
use support::cell::{NAME, Readers, builder, value, version};
use support::child::{Child, Task};
use support::steps::{Kill, at_each_step, at_the_last_steps, die_within};
use support::{Outcome, Roles, SOON, Test, ensure, ensure_eq, main as run, wait_until};

const ROLES: Roles = &[("store", store), ("store on", store_on)];

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("killed_at_each_step_of_a_store_with_the_role_kept", || killed_in("kept")),
            Test::new("killed_at_each_step_of_two_stores_with_the_role_kept", || killed_in("twice")),
            Test::new("killed_at_each_step_of_a_store_that_takes_the_role", || killed_in("taken")),
            Test::new("killed_at_each_step_of_taking_the_role", || killed_in("role")),
            Test::new("killed_at_each_step_of_taking_the_role_from_the_dead", from_the_dead),
            Test::new("killed_while_it_waits_for_the_role", waiting),
            Test::new("killed_while_it_waits_for_a_change", watching),
            Test::new("killed_at_any_moment_of_storing_without_pause", at_any_moment),
        ],
    )
}

/// Long enough to sleep several times, and to be starving.
const NAPS: Duration = Duration::from_millis(25);

/// Child: does one thing, and dies before the step that it is told.
fn store(task: &Task) -> Outcome {
    let cell = builder(&Directory::open(task.arg(1)?)?).attach(NAME)?;
    match task.arg(2)? {
        "kept" => {
            let mut writer = cell.writer()?;
            die_within(task, || writer.store(value(2)))
        }
        "twice" => {
            let mut writer = cell.writer()?;
            die_within(task, || {
                writer.store(value(2));
                writer.store(value(3));
                drop(writer);
            })
        }
        "taken" => die_within(task, || cell.store(value(2))),
        "role" => die_within(task, || cell.try_writer().map(drop)),
        "wait" => die_within(task, || cell.store_timeout(value(2), NAPS)),
        "watch" => die_within(task, || cell.wait_changed(1, Duration::from_millis(9))),
        other => Err(format!("nobody can {other}").into()),
    }
}

/// Kills writers of version 2, and of 3 where they store twice.
fn killed_in(operation: &str) -> Outcome {
    let most = match operation {
        "role" => 1,
        "twice" => 3,
        _ => 2,
    };
    for round in 0..4 {
        at_each_step(&format!("{operation}, round {round}"), |kill| {
            let readers = Readers::new()?;
            kill.child("store", &[readers.path()?, operation])?;
            readers.go_on(round, if kill.is_past_end() { most } else { 1 }, most)
        })?;
    }
    Ok(())
}

/// A writer died in the middle of a copy, and its successor does, at each step: the third one goes on.
fn from_the_dead() -> Outcome {
    at_each_step("from the dead", |kill| {
        let readers = Readers::new()?;
        Kill::at(6).child("store", &[readers.path()?, "kept"])?;
        ensure_eq!(readers.load()?, 1, "the version, the first one having died early");
        kill.child("store", &[readers.path()?, "taken"])?;
        readers.go_on(kill.at, if kill.is_past_end() { 2 } else { 1 }, 2)
    })
}

/// It waits for a living writer, who is not disturbed and keeps the role.
fn waiting() -> Outcome {
    at_the_last_steps(30, "a wait for the role", |kill: &Kill| {
        let readers = Readers::new()?;
        let mut writer = readers.cell.writer()?;
        kill.child("store", &[readers.path()?, "wait"])?;
        let taken = builder(&readers.place).attach(NAME)?.try_store(value(9));
        ensure!(matches!(taken, Err(Error::Locked { .. })), "its writer lives: {taken:?}");
        writer.store(value(2));
        drop(writer);
        readers.go_on(kill.at, 2, 2)
    })
}

/// Whoever waits beside it is woken by the next store as if it had never been there.
fn watching() -> Outcome {
    at_the_last_steps(20, "a wait for a change", |kill: &Kill| {
        let readers = Readers::new()?;
        kill.child("store", &[readers.path()?, "watch"])?;
        thread::scope(|scope| {
            let watcher = scope.spawn(|| readers.cell.wait_changed(1, SOON));
            readers.cell.store(value(2))?;
            ensure_eq!(watcher.join().map_err(|_| "it panicked")??, 2, "the sequence after a change");
            Outcome::Ok(())
        })?;
        readers.go_on(kill.at, 2, 2)
    })
}

/// Child: takes the role and stores one version after the other until it is killed.
fn store_on(task: &Task) -> Outcome {
    let cell = builder(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    let mut writer = cell.try_writer()?;
    let mut next = cell.sequence() + 1;
    loop {
        writer.store(value(next));
        next += 1;
    }
}

/// Many writers, one after the other, and a reader that never sees anything but whole values, none older than the last.
fn at_any_moment() -> Outcome {
    let readers = Readers::new()?;
    let (is_over, newest) = (AtomicBool::new(false), AtomicU64::new(0));
    let read_on = || -> Outcome<u64> {
        let (mut last, mut loads) = (0, 0);
        while !is_over.load(Relaxed) {
            let found = version(&readers.onlooker.load())?;
            ensure!(found >= last, "version {found} came after version {last}");
            newest.store(found, Relaxed);
            (last, loads) = (found, loads + 1);
        }
        Ok(loads)
    };
    thread::scope(|scope| {
        let reader = scope.spawn(read_on);
        let kill_many = || -> Outcome {
            for round in 0..30 {
                let start = newest.load(Relaxed);
                let mut writer = Child::start("store on", [readers.path()?])?;
                wait_until("it stores", || reader.is_finished() || newest.load(Relaxed) > start + round * 17)?;
                writer.kill()?;
            }
            Ok(())
        };
        let killed = kill_many();
        is_over.store(true, Relaxed);
        let loads = reader.join().map_err(|_| "it panicked")??;
        eprintln!("{} versions of 30 writers, loaded {loads} times", newest.load(Relaxed));
        killed
    })?;
    let newest = readers.load()?;
    readers.go_on(0, newest, newest)
}
