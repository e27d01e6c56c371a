//! A writer of an array in place that is killed at any point leaves no lock behind, and no half of a write unsaid.
//!
//! Whoever comes next gets the lock in time, and learns that the blocks are poisoned exactly if the dead one was between
//! the beginning and the end of its write: a lock that was only held, or a write that had ended, takes nothing from
//! anybody. A reader has one whole version or an error. The blocks that the dead had not asked for go on all the while.

mod support;

use sharray::{Directory, Error};
use std::ops::Range;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;
use support::child::{Child, Task};
use support::field::{self, BLOCKS, NAME};
use support::heirs::{FINDERS, Heirs, NEW, OLD, elsewhere};
use support::steps::{Kill, at_each_step, at_the_last_steps, die_within};
use support::{Outcome, Roles, SOON, Test, ensure, ensure_eq, main as run};

const ROLES: Roles = &[("write", write), ("stay", stay), ("await", await_turn)];

const ALL: Range<usize> = 0..BLOCKS;

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("killed_at_each_step_of_writing_all", || killed_in("all", ALL)),
            Test::new("killed_at_each_step_of_writing_a_block", || killed_in("block", 1..2)),
            Test::new("killed_at_each_step_of_writing_some_blocks", || killed_in("blocks", 1..3)),
            Test::new("killed_at_each_step_of_trying_to_write", || killed_in("try", ALL)),
            Test::new("killed_at_each_step_of_the_end_of_a_write", || killed_in("end", ALL)),
            Test::new("killed_at_each_step_of_clearing_the_poison", || killed_in_repair("clear")),
            Test::new("killed_at_each_step_of_overwriting_what_is_poisoned", || killed_in_repair("assign")),
            Test::new("killed_at_each_step_of_a_write_that_others_wait_for", || waited_for("all", ALL)),
            Test::new("killed_at_each_step_of_a_blocks_write_that_others_wait_for", || waited_for("block", 1..2)),
            Test::new("killed_while_it_waits_for_readers", waiting_for_readers),
            Test::new("killed_while_it_waits_for_a_writer", waiting_for_a_writer),
            Test::new("killed_while_it_waits_for_a_change", waiting_for_a_change),
        ],
    )
}

/// Long enough to sleep once, and shorter than a slice: the count of steps is always the same.
const NAP: Duration = Duration::from_millis(9);
/// Long enough to sleep several times, and to be starving.
const NAPS: Duration = Duration::from_millis(25);

/// Child: does one thing, and dies before the step that it is told.
fn write(task: &Task) -> Outcome {
    let field = field::builder(&Directory::open(task.arg(1)?)?).attach(NAME)?;
    match task.arg(2)? {
        "all" => die_within(task, || field.write_timeout(SOON).map(|mut guard| field::fill(&mut guard, NEW))),
        "block" => die_within(task, || field.write_block(1).map(|mut guard| field::fill(&mut guard, NEW))),
        "blocks" => die_within(task, || field.write_blocks(1..3).map(|mut guard| field::fill(&mut guard, NEW))),
        "try" => die_within(task, || field.try_write().map(|mut guard| field::fill(&mut guard, NEW))),
        "end" => {
            let mut guard = field.write()?;
            field::fill(&mut guard, NEW);
            die_within(task, || drop(guard))
        }
        "clear" => {
            let mut guard = field.write()?;
            field::fill(&mut guard, NEW);
            die_within(task, || {
                guard.clear_poison();
                drop(guard);
            })
        }
        "assign" => {
            let new = field::contents(NEW);
            die_within(task, || field.write().map(|mut guard| guard.assign(&new)))
        }
        "wait" => die_within(task, || field.write_timeout(NAPS).map(drop)),
        "nap" => die_within(task, || field.write_timeout(NAP).map(drop)),
        "watch" => {
            let since = field.sequence();
            die_within(task, || field.wait_changed(since, NAP))
        }
        other => Err(format!("nobody can {other}").into()),
    }
}

/// Kills writers of these blocks, and lets each of the others be the first who meets them.
fn killed_in(operation: &str, blocks: Range<usize>) -> Outcome {
    for finder in FINDERS {
        at_each_step(&format!("{operation}, found by the {finder:?}"), |kill| {
            let heirs = Heirs::new()?;
            kill.child("write", &[heirs.path()?, operation])?;
            heirs.go_on(finder, blocks.clone())
        })?;
    }
    Ok(())
}

/// Blocks 1 and 2 are poisoned, and the one who puts them right dies of it: they are poisoned or whole.
fn killed_in_repair(operation: &str) -> Outcome {
    for finder in FINDERS {
        at_each_step(&format!("{operation}, found by the {finder:?}"), |kill| {
            let heirs = Heirs::with_poison(1..3)?;
            kill.child("write", &[heirs.path()?, operation])?;
            let left = heirs.words()?.blocks;
            ensure!(!kill.is_past_end() || left.iter().all(|block| block.poison == 0), "it was cleared: {left:?}");
            heirs.go_on(finder, ALL)
        })?;
    }
    Ok(())
}

/// Child: takes the lock, lets the others come, and dies before the step that it is told of writing and letting go.
fn stay(task: &Task) -> Outcome {
    let field = field::builder(&Directory::open(task.arg(1)?)?).attach(NAME)?;
    let mut guard = if task.arg(2)? == "all" { field.write()? } else { field.write_block(1)? };
    task.say("ready")?;
    task.await_line("go")?;
    die_within(task, || {
        field::fill(&mut guard, NEW);
        drop(guard);
    })
}

/// Child: waits for a lease or for a change, and says what came of it.
fn await_turn(task: &Task) -> Outcome {
    let field = field::builder(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    let since = field.sequence();
    task.say("ready")?;
    let answer = match task.arg(1)? {
        "write" => field.write_timeout(SOON)?.is_poisoned().to_string(),
        "read" => match field.read_timeout(SOON) {
            Ok(guard) => field::versions(&guard, 0).map(|_| "false".to_owned())?,
            Err(Error::Poisoned { .. }) => "true".to_owned(),
            Err(error) => return Err(error.into()),
        },
        "watch" => field.wait_changed(since, SOON).map(|_| "changed".to_owned())?,
        other => return Err(format!("nobody can await {other}").into()),
    };
    task.say(&answer)
}

/// Others sleep until the writer lets go, and it dies: each is woken, and all are told the same.
fn waited_for(operation: &str, blocks: Range<usize>) -> Outcome {
    at_each_step(&format!("{operation}, while others wait"), |kill| {
        let mut heirs = Heirs::new()?;
        let mut victim = Child::start("stay", kill.args(&[heirs.path()?, operation]))?;
        victim.expect("ready")?;
        heirs.others_go_on(&blocks)?;
        let path = heirs.path()?;
        let mut others = Vec::new();
        for role in ["write", "read", "watch"] {
            others.push(Child::start("await", [path, role])?);
        }
        for other in &others {
            other.expect("ready")?;
            other.sleeps()?;
        }
        victim.tell("go")?;
        kill.end(victim)?;
        let told = others[0].hear()?;
        ensure!(told == "false" || !kill.is_past_end(), "a write that has ended is whole");
        ensure_eq!(others[1].hear()?, told, "what the reader is told, and the writer was");
        others[2].expect("changed")?;
        others.iter_mut().try_for_each(Child::succeed)?;
        let left = heirs.words()?;
        left.ensure_idle()?;
        let is_poisoned = left.blocks.iter().any(|block| block.poison != 0);
        ensure_eq!(told, is_poisoned.to_string(), "whether a block is poisoned");
        ensure!(kill.at > 1 || is_poisoned, "it died in the middle");
        heirs.repair()?;
        heirs.leave()
    })
}

/// It has the lock and not begun to write: readers keep their leases, others get one, and nothing is poisoned.
fn waiting_for_readers() -> Outcome {
    at_the_last_steps(150, "a wait for readers", |kill: &Kill| {
        let heirs = Heirs::new()?;
        let held = heirs.field.read_block(2)?;
        kill.child("write", &[heirs.path()?, "nap"])?;
        let left = heirs.words()?.blocks;
        ensure!(left.iter().all(|block| !block.is_half_written()), "nobody wrote: {left:?}");
        elsewhere(|| {
            ensure_eq!(field::version(&heirs.field.read_timeout(SOON)?, 0)?, OLD, "what another reads");
            let locked = heirs.field.try_write_block(2).map(drop);
            ensure!(matches!(locked, Err(Error::Locked { .. })), "somebody reads it: {locked:?}");
            let locked = heirs.field.write_block_timeout(2, NAP).map(drop);
            ensure!(matches!(locked, Err(Error::TimedOut { .. })), "somebody still reads it: {locked:?}");
            Ok(())
        })?;
        ensure_eq!(field::versions(&held, 4)?, [OLD], "what is held");
        drop(held);
        heirs.go_on(FINDERS[kill.at as usize % FINDERS.len()], ALL)
    })
}

/// It has the blocks before the one that it waits for, and is starving: they come back, and so does its turn.
fn waiting_for_a_writer() -> Outcome {
    at_the_last_steps(60, "a wait for a writer", |kill: &Kill| {
        let heirs = Heirs::new()?;
        let mut held = heirs.field.write_block(2)?;
        kill.child("write", &[heirs.path()?, "wait"])?;
        elsewhere(|| {
            ensure_eq!(field::versions(&heirs.field.read_block_timeout(0, SOON)?, 0)?, [OLD], "block 0");
            let locked = heirs.field.try_read_block(2).map(drop);
            ensure!(matches!(locked, Err(Error::Locked { .. })), "somebody writes it: {locked:?}");
            Ok(drop(heirs.field.write_block_timeout(1, SOON)?))
        })?;
        field::fill(&mut held, OLD);
        drop(held);
        let left = heirs.words()?.blocks;
        ensure!(left.iter().all(|block| !block.is_half_written()), "all writes have ended: {left:?}");
        heirs.repair()?;
        heirs.leave()
    })
}

/// It holds nothing; whoever waits beside it is woken by the next write as if it had never been there.
fn waiting_for_a_change() -> Outcome {
    at_the_last_steps(40, "a wait for a change", |kill: &Kill| {
        let heirs = Heirs::new()?;
        kill.child("write", &[heirs.path()?, "watch"])?;
        let since = heirs.field.sequence();
        thread::scope(|scope| {
            let watcher = scope.spawn(|| heirs.field.wait_changed(since, SOON));
            field::fill(&mut heirs.field.write_block(0)?, OLD);
            let changed = watcher.join().map_err(|_| "it panicked")??;
            ensure_eq!(changed, since + 2, "the sequence after a change");
            Outcome::Ok(())
        })?;
        heirs.repair()?;
        heirs.leave()
    })
}
