//! A reader of an array in place that is killed at any point keeps no writer waiting for longer than it takes to look.
//!
//! What it read, the whole, some blocks, several parts by several threads, is given back by the writer that waits for
//! it. Nothing is poisoned by a reader, and its record is there for the next one with nothing left in it.

mod support;

use sharray::{Directory, Error};
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;
use support::child::{Child, Task};
use support::field::{self, BLOCKS, Field, HEIGHT, NAME};
use support::heirs::{FINDERS, Heirs, OLD, elsewhere};
use support::steps::{Kill, Point, Point::Step, at_each_step, at_the_last_steps, die_within};
use support::{Outcome, Roles, SOON, Test, ensure, ensure_eq, main as run};

const ROLES: Roles = &[("read", read), ("hold", hold), ("await", await_readers)];

const ALL: Range<usize> = 0..BLOCKS;

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("killed_at_each_step_of_reading_all", || killed_in(Step, "all")),
            Test::new("killed_at_each_step_of_reading_a_block", || killed_in(Step, "block")),
            Test::new("killed_at_each_step_of_reading_some_blocks", || killed_in(Step, "blocks")),
            Test::new("killed_at_each_step_of_reading_what_it_reads_already", || killed_in(Step, "nested")),
            Test::new("killed_at_each_step_of_reading_with_several_handles", || killed_in(Step, "handles")),
            Test::new("killed_at_each_step_of_reading_with_several_threads", || killed_in(Step, "threads")),
            Test::new("killed_at_each_step_of_attaching", || killed_in(Step, "attach")),
            Test::new("killed_at_each_step_of_detaching", || killed_in(Step, "detach")),
            Test::traced("killed_at_each_system_call_of_attaching", || killed_in(Point::Call, "attach")),
            Test::traced("killed_at_each_system_call_of_detaching", || killed_in(Point::Call, "detach")),
            Test::new("killed_at_each_step_of_copying", || killed_in(Step, "copy")),
            Test::new("killed_at_each_step_of_reading_what_is_poisoned", reading_poison),
            Test::new("killed_at_each_step_of_letting_a_writer_in", letting_in),
            Test::new("killed_holding_what_writers_wait_for", holding),
            Test::new("killed_while_it_waits_for_a_writer", waiting),
            Test::new("killed_while_it_waits_to_copy", waiting_to_copy),
        ],
    )
}

/// Long enough to sleep several times, and to be starving.
const NAPS: Duration = Duration::from_millis(25);

/// Child: does one thing, and dies before the step that it is told.
fn read(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(1)?)?;
    if task.arg(2)? == "attach" {
        return die_within(task, || field::builder(&place).attach(NAME));
    }
    let field = field::builder(&place).attach(NAME)?;
    match task.arg(2)? {
        "detach" => die_within(task, || drop(field)),
        "all" => die_within(task, || field.read().map(drop)),
        "block" => die_within(task, || field.read_block(1).map(drop)),
        "blocks" => die_within(task, || field.read_blocks(1..3).map(drop)),
        "nested" => die_within(task, || -> sharray::Result<()> {
            let outer = (field.read_block(0)?, field.read_blocks(1..4)?);
            let inner = (field.read_block(2)?, field.read_blocks(1..3)?);
            drop(outer);
            drop(inner);
            Ok(())
        }),
        "handles" => {
            let other = field::builder(&place).attach(NAME)?;
            die_within(task, || -> sharray::Result<()> {
                let outer = field.read()?;
                let inner = (other.read_block(1)?, other.read()?);
                drop(outer);
                drop(inner);
                Ok(())
            })
        }
        "threads" => die_within(task, || in_threads(&field)),
        "copy" => die_within(task, || field.snapshot()),
        "wait" => die_within(task, || field.read_timeout(NAPS).map(drop)),
        "wait to copy" => die_within(task, || field.snapshot_timeout(NAPS)),
        other => Err(format!("nobody can {other}").into()),
    }
}

/// Three threads read at the same time, two of them the same, and let go in the other order.
fn in_threads(field: &Field) {
    let together = Barrier::new(3);
    thread::scope(|scope| {
        for blocks in [ALL, 1..3, 1..3] {
            let together = &together;
            scope.spawn(move || {
                let guard = field.read_blocks(blocks);
                together.wait();
                guard.map(drop)
            });
        }
    });
}

fn killed_in(point: Point, operation: &str) -> Outcome {
    for finder in FINDERS {
        point.at_each(&format!("{operation}, found by the {finder:?}"), |kill| {
            let heirs = Heirs::new()?;
            kill.child("read", &[heirs.path()?, operation])?;
            ensure!(heirs.words()?.blocks.iter().all(|block| block.owner().is_none()), "a reader writes no block");
            heirs.go_on(finder, ALL)
        })?;
    }
    Ok(())
}

/// A lease is taken and given back before the error is said.
fn reading_poison() -> Outcome {
    for finder in FINDERS {
        at_each_step(&format!("poisoned, found by the {finder:?}"), |kill| {
            let heirs = Heirs::with_poison(2..3)?;
            kill.child("read", &[heirs.path()?, "all"])?;
            heirs.go_on(finder, ALL)
        })?;
    }
    Ok(())
}

/// Child: reads with as many threads and in as many ways as it is told, and lets go or lives until it is killed.
fn hold(task: &Task) -> Outcome {
    let field = field::builder(&Directory::open(task.arg(1)?)?).attach(NAME)?;
    let together = &Barrier::new(5);
    match task.arg(2)? {
        "all" => {
            let guard = field.read()?;
            task.say("ready")?;
            task.await_line("go")?;
            die_within(task, || drop(guard))
        }
        "block" => {
            let guard = field.read_block(1)?;
            task.say("ready")?;
            task.await_line("go")?;
            die_within(task, || drop(guard))
        }
        "threads" => thread::scope(|scope| {
            for blocks in [0..1, 1..3, 2..4, ALL] {
                let field = &field;
                scope.spawn(move || {
                    let read = |part: &Range<usize>| field.read_blocks(part.clone());
                    let (one, other) = (read(&blocks), read(&blocks));
                    together.wait();
                    together.wait();
                    drop(one);
                    // One that reads all would hide from the writers what the others do.
                    let held = other.ok().filter(|_| blocks != ALL);
                    together.wait();
                    // Until death.
                    together.wait();
                    drop(held);
                });
            }
            together.wait();
            task.say("ready")?;
            task.await_line("less")?;
            together.wait();
            together.wait();
            task.say("less")?;
            task.await_line("never")
        }),
        other => Err(format!("nobody can hold {other}").into()),
    }
}

/// Child: writes all as soon as it can, and says so.
fn await_readers(task: &Task) -> Outcome {
    let field = field::builder(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    task.say("ready")?;
    let poisoned = match task.arg(1)? {
        "all" => field.write_timeout(SOON)?.is_poisoned(),
        _ => field.write_block_timeout(1, SOON)?.is_poisoned(),
    };
    ensure!(!poisoned, "nobody wrote");
    task.say("written")
}

/// Starts writers, and waits until they sleep.
fn waiting_writers(heirs: &Heirs) -> Outcome<Vec<Child>> {
    let mut writers = Vec::new();
    for part in ["all", "block"] {
        let writer = Child::start("await", [heirs.path()?, part])?;
        writer.expect("ready")?;
        writer.sleeps()?;
        writers.push(writer);
    }
    Ok(writers)
}

/// The last reader dies while it lets go: whether it came to waking the writers or not, they go on.
fn letting_in() -> Outcome {
    for part in ["all", "block"] {
        at_each_step(&format!("letting go of {part}"), |kill| {
            let heirs = Heirs::new()?;
            let mut victim = Child::start("hold", kill.args(&[heirs.path()?, part]))?;
            victim.expect("ready")?;
            let mut writers = waiting_writers(&heirs)?;
            victim.tell("go")?;
            kill.end(victim)?;
            for writer in &mut writers {
                writer.expect("written")?;
                writer.succeed()?;
            }
            heirs.repair()?;
            heirs.leave()
        })?;
    }
    Ok(())
}

/// Four threads hold two leases each, in one record, and give back one of them: a writer waits for the living, and has
/// all of it after the death.
fn holding() -> Outcome {
    for round in 0..10 {
        let heirs = Heirs::new()?;
        let mut victim = Child::start("hold", ["0", heirs.path()?, "threads"])?;
        victim.expect("ready")?;
        let locked = heirs.field.write_timeout(NAPS).map(drop);
        ensure!(matches!(locked, Err(Error::TimedOut { .. })), "it lives: {locked:?}");
        victim.tell("less")?;
        victim.expect("less")?;
        for block in ALL {
            match heirs.field.try_write_block(block).map(drop) {
                Err(Error::Locked { holders, .. }) => ensure_eq!(holders, [victim.pid()], "who reads block {block}"),
                other => return Err(format!("it lives, and reads block {block}: {other:?}").into()),
            }
        }
        let others = if round % 2 == 0 { waiting_writers(&heirs)? } else { Vec::new() };
        victim.kill()?;
        for mut writer in others {
            writer.expect("written")?;
            writer.succeed()?;
        }
        if round % 2 == 1 {
            ensure!(!heirs.field.try_write()?.is_poisoned(), "nobody wrote");
        }
        heirs.repair()?;
        heirs.leave()?;
    }
    Ok(())
}

/// It waits for a writer, announced or not, and starving: neither that writer nor the others are disturbed.
fn waiting() -> Outcome {
    at_the_last_steps(80, "a wait for a writer", |kill: &Kill| {
        let heirs = Heirs::new()?;
        let mut held = heirs.field.write_block(2)?;
        kill.child("read", &[heirs.path()?, "wait"])?;
        elsewhere(|| {
            ensure_eq!(field::versions(&heirs.field.read_block_timeout(1, SOON)?, HEIGHT)?, [OLD], "block 1");
            drop(heirs.field.write_block_timeout(3, SOON)?);
            Ok(())
        })?;
        field::fill(&mut held, OLD);
        drop(held);
        let left = heirs.words()?.blocks;
        ensure!(left.iter().all(|block| !block.is_half_written()), "all writes have ended: {left:?}");
        drop(heirs.field.write_timeout(SOON)?);
        heirs.repair()?;
        heirs.leave()
    })
}

/// The same for one that copies: at first it holds nothing, and then it waits for a lease.
fn waiting_to_copy() -> Outcome {
    at_the_last_steps(80, "a wait to copy", |kill: &Kill| {
        let heirs = Heirs::new()?;
        let held = heirs.field.write_block(2)?;
        kill.child("read", &[heirs.path()?, "wait to copy"])?;
        elsewhere(|| {
            drop(heirs.field.write_block_timeout(0, SOON)?);
            Ok(())
        })?;
        drop(held);
        drop(heirs.field.write_timeout(SOON)?);
        heirs.repair()?;
        heirs.leave()
    })
}
