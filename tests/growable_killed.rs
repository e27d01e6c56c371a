//! A process killed at any point of appending to a table, or of committing it, has appended all of its rows or none of them, and
//! stops nobody.
//!
//! Everyone finds the rows that were there before, and either those of the dead or none; the next one appends after
//! them. What was confirmed as durable is found after a reboot: a copy of the file is opened as the file itself would be then.

mod support;

use sharray::Directory;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;
use support::child::{Child, Task};
use support::steps::{Kill, Point, Point::Step, at_each_step, at_the_last_steps, die_within};
use support::stream;
use support::table::{self, NAME, Readers, builder, rows};
use support::{Outcome, Roles, SOON, Test, ensure, ensure_eq, main as run, wait_until};
use tempfile::TempDir;

const ROLES: Roles = &[("append", append), ("append on", append_on), ("commit", commit)];

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("killed_at_each_step_of_the_first_append", || killed_in("once", 0, 3, Step)),
            Test::new("killed_at_each_step_of_an_append", || killed_in("once", 2, 3, Step)),
            Test::new("killed_at_each_step_of_two_appends", || killed_in("twice", 2, 3, Step)),
            Test::new("killed_at_each_step_of_an_append_from_the_dead", from_the_dead),
            Test::new("killed_while_it_waits_to_append", waiting),
            Test::new("killed_while_it_waits_for_rows", watching),
            Test::new("killed_at_any_moment_of_appending_without_pause", at_any_moment),
            Test::new("killed_at_each_step_of_the_first_commit", || killed_committing(Step, "first", 0)),
            Test::new("killed_at_each_step_of_a_commit", || killed_committing(Step, "next", 3)),
            Test::new("killed_at_each_step_of_finishing_a_commit", killed_finishing).within(120),
            Test::new("killed_at_each_step_of_a_cold_open", || killed_opening(Step)),
            Test::new("killed_at_each_step_of_leaving_as_the_last_one", || killed_leaving(Step))
                .lacking(no_disk())
                .within(120),
            Test::traced("killed_at_each_system_call_of_the_first_append", || killed_in("once", 0, 3, Point::Call)),
            Test::traced("killed_at_each_system_call_of_a_commit", || killed_committing(Point::Call, "next", 3)),
            Test::traced("killed_at_each_system_call_of_a_cold_open", || killed_opening(Point::Call)),
        ],
    )
}

/// Long enough to sleep several times, and to be starving.
const NAPS: Duration = Duration::from_millis(25);

/// Child: appends, and dies before the step that it is told.
fn append(task: &Task) -> Outcome {
    let table = builder(&Directory::open(task.arg(1)?)?).attach(NAME)?;
    let (len, count) = (table.len(), task.number(3)? as usize);
    let (one, two) = (rows(len..len + count), rows(len + count..len + 2 * count));
    match task.arg(2)? {
        "once" => die_within(task, || table.append(&one)),
        "twice" => die_within(task, || (table.append(&one), table.append(&two))),
        "wait" => die_within(task, || table.append_timeout(&one, NAPS)),
        "watch" => die_within(task, || table.wait_len(len + 1, Duration::from_millis(9))),
        other => Err(format!("nobody can {other}").into()),
    }
}

/// Kills those who append so many rows to a table that has `len`. The first rows of a table need space.
fn killed_in(operation: &str, len: usize, count: usize, point: Point) -> Outcome {
    let rounds = if point == Step { 4 } else { 1 };
    for round in 0..rounds {
        point.at_each(&format!("{operation}, round {round}"), |kill| {
            let readers = Readers::of(len)?;
            kill.child("append", &[readers.path()?, operation, &count.to_string()])?;
            let all = [len, len + count, len + 2 * count];
            let possible = match (operation, kill.is_past_end()) {
                ("once", false) => &all[..2],
                ("once", true) => &all[1..2],
                (_, false) => &all[..],
                (_, true) => &all[2..],
            };
            readers.go_on(round, possible)
        })?;
    }
    Ok(())
}

/// An appender died with the role, its rows half filled or filled, and its successor does, at each step: the third one goes on.
fn from_the_dead() -> Outcome {
    for first in [3, 5, 6] {
        at_each_step(&format!("from the dead of step {first}"), |kill| {
            let readers = Readers::of(2)?;
            Kill::at(first).child("append", &[readers.path()?, "once", "4"])?;
            let len = readers.len()?;
            kill.child("append", &[readers.path()?, "once", "3"])?;
            let all = [len, len + 3];
            readers.go_on(kill.at, if kill.is_past_end() { &all[1..] } else { &all })
        })?;
    }
    Ok(())
}

/// It waits for a living appender, who is not disturbed.
fn waiting() -> Outcome {
    at_the_last_steps(30, "a wait for the role", |kill: &Kill| {
        let readers = Readers::of(2)?;
        readers.table.append_with(1, None, |bytes| -> Outcome {
            kill.child("append", &[readers.path()?, "wait", "3"])?;
            bytes.copy_from_slice(bytemuck::cast_slice(rows(2..3).as_slice().ok_or("in one piece")?));
            Ok(())
        })?;
        readers.go_on(kill.at, &[3])
    })
}

/// Whoever waits beside it is woken by the next append as if it had never been there.
fn watching() -> Outcome {
    at_the_last_steps(20, "a wait for rows", |kill: &Kill| {
        let readers = Readers::of(2)?;
        kill.child("append", &[readers.path()?, "watch", "0"])?;
        thread::scope(|scope| {
            let watcher = scope.spawn(|| readers.table.wait_len(3, SOON));
            readers.table.append(&rows(2..3))?;
            ensure_eq!(watcher.join().map_err(|_| "it panicked")??, 3, "how many rows the waiter finds");
            Outcome::Ok(())
        })?;
        readers.go_on(kill.at, &[3])
    })
}

/// Room for as many rows as two processes append in a while.
const ROOM: usize = 1 << 17;

/// Child: appends two rows after the other until it is killed, wherever others have left off.
fn append_on(task: &Task) -> Outcome {
    let table = builder(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    // Room is left for those who go on.
    while table.len() + 16 < table.max_len() {
        // The role keeps the length as it is.
        table.append_with(2, None, |bytes| -> Outcome {
            let len = table.len();
            bytes.copy_from_slice(bytemuck::cast_slice(rows(len..len + 2).as_slice().ok_or("in one piece")?));
            Ok(())
        })?;
    }
    Ok(())
}

/// Two append at a time, one is killed and then the other, at moments of which nobody knows what they are at. A reader never sees
/// anything but whole rows, never fewer than before, and whoever is left goes on.
fn at_any_moment() -> Outcome {
    for round in 0..30 {
        let readers = Readers::with_room(0, ROOM)?;
        let (is_over, newest) = (AtomicBool::new(false), AtomicUsize::new(0));
        let read_on = || -> Outcome {
            while !is_over.load(Relaxed) {
                let seen = newest.load(Relaxed);
                let found = readers.onlooker.view()?.nrows();
                ensure!(found >= seen && found % 2 == 0, "{found} rows came after {seen}");
                ensure!(
                    readers.onlooker.rows(seen..found)? == rows(seen..found),
                    "rows that are not what was appended"
                );
                newest.store(found, Relaxed);
            }
            Ok(())
        };
        thread::scope(|scope| {
            let reader = scope.spawn(read_on);
            let come = |rows: usize| {
                wait_until("rows come", || reader.is_finished() || newest.load(Relaxed) >= rows.min(ROOM - 16))
            };
            let kill_both = || -> Outcome {
                let path = readers.path()?;
                let mut pair = [Child::start("append on", [path])?, Child::start("append on", [path])?];
                come(2 + 37 * round)?;
                pair[0].kill()?;
                come(newest.load(Relaxed) + 2)?;
                pair[1].kill()
            };
            let killed = kill_both();
            is_over.store(true, Relaxed);
            reader.join().map_err(|_| "it panicked")??;
            killed
        })?;
        let len = readers.len()?;
        readers.go_on(round as u64, &[len])?;
    }
    Ok(())
}

const COPY: &str = "copy";

/// Child: does one thing, and dies before the step that it is told.
fn commit(task: &Task) -> Outcome {
    let (place, operation) = (Directory::open(task.arg(1)?)?, task.arg(2)?);
    if operation == "open" {
        return die_within(task, || builder(&place).attach(COPY));
    }
    let table = builder(&place).attach(NAME)?;
    if operation == "finish" {
        return die_within(task, || table.commit());
    }
    if operation == "next" {
        table.append(&rows(0..3))?;
        table.commit()?;
    }
    let len = table.len();
    table.append(&rows(len..len + 2))?;
    match operation {
        "leave" => die_within(task, move || drop(table)),
        _ => die_within(task, || table.commit()),
    }
}

fn folder() -> Outcome<(TempDir, Directory)> {
    let folder = stream::fresh_folder()?;
    let place = Directory::open(folder.path())?;
    drop(builder(&place).create(NAME, [0, 8])?);
    Ok((folder, place))
}

/// How many rows would be found after a reboot.
fn found(place: &Directory) -> Outcome<usize> {
    std::fs::copy(place.path().join(NAME), place.path().join(COPY))?;
    let copy = builder(place).attach(COPY)?;
    let len = table::check(&copy.view()?)?;
    place.unlink(COPY)?;
    Ok(len)
}

/// A successor appends and commits, and loses nothing.
fn go_on(place: &Directory, name: &str, confirmed: usize) -> Outcome {
    let table = builder(place).attach(name)?;
    let len = table::check(&table.view()?)?;
    ensure!(len >= confirmed, "{len} rows are there, and {confirmed} were confirmed");
    ensure_eq!(table.append(&rows(len..len + 5))?, len..len + 5, "where the next rows are");
    ensure_eq!(table.commit()?, len + 5, "what is committed");
    ensure_eq!(place.inspect(name)?.committed, len as u64 + 5, "what is told from outside");
    std::fs::copy(place.path().join(name), place.path().join("last"))?;
    ensure_eq!(table::check(&builder(place).attach("last")?.view()?)?, len + 5, "what is found after a commit");
    Ok(())
}

/// Five rows were appended, three of them committed before where it is the `next` commit that dies.
fn killed_committing(point: Point, operation: &str, confirmed: usize) -> Outcome {
    point.at_each(&format!("the {operation} commit"), |kill| {
        let (folder, place) = folder()?;
        kill.child("commit", &[path_of(folder.path())?, operation])?;
        let all = [confirmed, confirmed + 2];
        let possible = if kill.is_past_end() { &all[1..] } else { &all[..] };
        let now = found(&place)?;
        ensure!(possible.contains(&now), "{now} rows are found, expected one of {possible:?}");
        go_on(&place, NAME, now)
    })
}

/// Somebody died in the middle of a commit, and whoever finishes that dies of it, at each step.
fn killed_finishing() -> Outcome {
    for first in 1..40 {
        let is_over = std::cell::Cell::new(false);
        at_each_step(&format!("finishing a commit that ended at step {first}"), |kill| {
            let (folder, place) = folder()?;
            let path = path_of(folder.path())?;
            let dead = Kill::at(first);
            dead.child("commit", &[path, "next"])?;
            is_over.set(dead.is_past_end());
            let before = found(&place)?;
            kill.child("commit", &[path, "finish"])?;
            let now = found(&place)?;
            ensure!(now >= before && [3, 5].contains(&now), "{now} rows are found after {before}");
            ensure!(!kill.is_past_end() || now == 5, "{now} rows are found, and 5 were confirmed");
            go_on(&place, NAME, now)
        })?;
        if is_over.get() {
            return Ok(());
        }
    }
    Err("a commit has more than 40 steps".into())
}

/// Whoever opens a file after a reboot dies of it: the next one finds the same rows.
fn killed_opening(point: Point) -> Outcome {
    point.at_each("a cold open", |kill| {
        let (folder, place) = folder()?;
        let table = builder(&place).attach(NAME)?;
        table.append(&rows(0..3))?;
        table.commit()?;
        table.append(&rows(3..4))?;
        std::fs::copy(place.path().join(NAME), place.path().join(COPY))?;
        kill.child("commit", &[path_of(folder.path())?, "open"])?;
        ensure_eq!(builder(&place).attach(COPY)?.len(), 3, "how many rows are found");
        go_on(&place, COPY, 3)
    })
}

/// The last one to leave commits, and dies of it.
fn killed_leaving(point: Point) -> Outcome {
    point.at_each("leaving", |kill| {
        let folder = tempfile::Builder::new().prefix("sharray-test-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let place = Directory::open(folder.path())?;
        drop(builder(&place).create(NAME, [0, 8])?);
        kill.child("commit", &[path_of(folder.path())?, "leave"])?;
        let now = found(&place)?;
        ensure!([0, 2].contains(&now), "{now} rows are found");
        ensure!(!kill.is_past_end() || now == 2, "{now} rows are found, and it was the last one");
        go_on(&place, NAME, now)
    })
}

fn path_of(folder: &Path) -> Outcome<&str> {
    folder.to_str().ok_or_else(|| "the folder's path is not text".into())
}

fn no_disk() -> Option<String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let is_memory =
        nix::sys::statfs::statfs(&folder).is_ok_and(|found| found.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC);
    is_memory.then(|| "a folder of the build on a disk".to_owned())
}
