//! A forked child has its parent's leases in its memory, and none of them in truth.
//!
//! What it inherited says so, and when it drops it the parent's leases stay. It can attach for itself, and is another
//! process then: it waits for what its parent holds, although its thread remembers holding it. And it does not stand
//! for its parent when that dies.

#![allow(unsafe_code, reason = "fork is what this is about")]

mod support;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use sharray::{Directory, Error, SharedCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use support::child::{Child, Task};
use support::field::{self, Field, HEIGHT, NAME};
use support::heirs::{FINDERS, Heirs, NEW, OLD};
use support::{Outcome, Roles, SOON, Test, ensure, ensure_eq, main as run, wait_until};

const ROLES: Roles = &[
    ("refuse", refuse),
    ("drop all", drop_all),
    ("attach anew", attach_anew),
    ("with threads", with_threads),
    ("attach meanwhile", attach_meanwhile),
    ("outlive", outlive),
];

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("inherited_handles_say_that_they_are", || in_parent("refuse")),
            Test::new("dropping_inherited_leases_does_nothing", || in_parent("drop all")),
            Test::new("a_child_that_attaches_waits_for_its_parent", || in_parent("attach anew")),
            Test::new("a_fork_among_threads_that_read_and_write", || in_parent("with threads")),
            Test::new("a_child_of_a_fork_among_threads_that_attach_can_attach", || in_parent("attach meanwhile")),
            Test::new("the_parents_death_is_seen_although_the_child_lives", parents_death),
        ],
    )
}

/// Forks at a moment that is left to chance.
const FORKS: u32 = 1000;
/// A few slices.
const NAPS: Duration = Duration::from_millis(30);

/// Runs a role that forks.
fn in_parent(role: &str) -> Outcome {
    let heirs = Heirs::new()?;
    Child::start(role, [heirs.path()?])?.succeed()?;
    heirs.words()?.ensure_idle()?;
    ensure_eq!(heirs.place().inspect(NAME)?.participants.len(), 1, "participants after all are gone");
    heirs.repair()?;
    heirs.leave()
}

/// Runs `act` in a forked child, and fails if it does. What it calls must be allowed in a child of this process.
fn forked(act: impl FnOnce() -> Outcome) -> Outcome {
    // SAFETY: `act` takes no lock that another thread of this process may have had.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let failure = act().err();
            if let Some(failure) = &failure {
                eprintln!("forked: {failure}");
            }
            // SAFETY: ends the process without running what the parent registered; takes nothing by reference.
            unsafe { libc::_exit(i32::from(failure.is_some())) }
        }
        ForkResult::Parent { child } => {
            let status = waitpid(child, None)?;
            ensure!(matches!(status, WaitStatus::Exited(_, 0)), "a forked child failed: {status:?}");
            Ok(())
        }
    }
}

macro_rules! ensure_refused {
    ($call:expr, $error:ident) => {
        match $call.map(drop) {
            Err(Error::$error { .. }) => {}
            other => return Err(format!("{} answers {other:?}", stringify!($call)).into()),
        }
    };
}

/// Child: every call on what a forked child inherited answers `Forked`, whatever its parent holds.
fn refuse(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let field = field::builder(&place).attach(NAME)?;
    let onlooker = field::builder(&place).read_only().attach(NAME)?;
    let cell = SharedCell::<u64>::builder().directory(&place).create("cell", 1)?;
    let mut writer = cell.writer()?;
    let mut target = field::contents(OLD);
    let mut all_answer_forked = || -> Outcome {
        ensure_refused!(field.read(), Forked);
        ensure_refused!(field.try_read(), Forked);
        ensure_refused!(field.read_block(1), Forked);
        ensure_refused!(field.read_blocks(1..3), Forked);
        ensure_refused!(field.write(), Forked);
        ensure_refused!(field.try_write(), Forked);
        ensure_refused!(field.write_block(1), Forked);
        ensure_refused!(field.snapshot(), Forked);
        ensure_refused!(field.read_into(&mut target), Forked);
        ensure_refused!(field.wait_changed(0, SOON), Forked);
        ensure_refused!(field.flush(), Forked);
        ensure_refused!(onlooker.snapshot(), Forked);
        ensure_refused!(onlooker.read(), Forked);
        ensure_refused!(cell.store(7), Forked);
        ensure_refused!(cell.try_writer(), Forked);
        ensure_refused!(cell.wait_changed(0, SOON), Forked);
        Ok(())
    };
    forked(&mut all_answer_forked)?;
    let held = field.read_block(1)?;
    forked(&mut all_answer_forked)?;
    drop(held);
    let held = field.write_block(1)?;
    forked(&mut all_answer_forked)?;
    drop(held);
    let panics = || field.write_block(1).map(|_guard| resume_unwind(Box::new("in the middle")));
    ensure!(catch_unwind(AssertUnwindSafe(panics)).is_err(), "it did not panic");
    let mut held = field.write_block(1)?;
    forked(|| {
        held.clear_poison();
        Ok(())
    })?;
    ensure!(held.is_poisoned(), "whether the block is whole is the parent's to say");
    drop(held);
    // A cell can be loaded by anyone, but the role is the parent's.
    forked(|| {
        writer.store(5);
        ensure_eq!(cell.load(), 1, "a cell that a forked child stored");
        Ok(())
    })?;
    ensure_eq!((cell.load(), cell.sequence()), (1, 1), "the parent's cell");
    writer.store(2);
    ensure_eq!(cell.load(), 2, "what the parent stored");
    drop(writer);
    drop(cell);
    Ok(place.unlink("cell")?)
}

/// Child: a forked child drops its parent's handles and leases, also while panicking. The parent's stay what they were.
fn drop_all(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let (field, other) = (field::builder(&place).attach(NAME)?, field::builder(&place).attach(NAME)?);
    let cell = SharedCell::<u64>::builder().directory(&place).create("cell", 1)?;
    let mut all = Some((field.read_block(0)?, field.write_block(1)?, field.write_blocks(2..4)?, cell.writer()?));
    let mut other = Some(other);
    forked(|| {
        drop(all.take());
        drop(other.take());
        Ok(())
    })?;
    forked(|| {
        let taken = all.take();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _taken = taken;
            std::panic::resume_unwind(Box::new("with leases"));
        }));
        ensure!(panicked.is_err(), "it panics");
        Ok(())
    })?;
    // Another process has to wait for each of them still.
    let stranger = field::builder(&place).attach(NAME)?;
    ensure_refused!(stranger.try_write_block(0), Locked);
    for block in 1..4 {
        ensure_refused!(stranger.try_read_block(block), Locked);
    }
    drop(stranger.try_read_block(0)?);
    let taken = SharedCell::<u64>::builder().directory(&place).attach("cell")?.try_store(9);
    ensure_refused!(taken, Locked);
    let (_, block, blocks, writer) = all.as_mut().ok_or("the parent's are there")?;
    field::fill(block, NEW);
    field::fill(blocks, NEW);
    writer.store(2);
    ensure!(!block.is_poisoned() && !blocks.is_poisoned(), "nobody failed");
    drop(all);
    ensure_eq!(field::versions(&field.try_read()?, 0)?, [OLD, NEW, NEW, NEW], "what the parent wrote");
    ensure_eq!(cell.load(), 2, "what the parent stored");
    drop(cell);
    Ok(place.unlink("cell")?)
}

/// Child: a forked child attaches for itself. Its thread holds nothing, whatever the memory of it says: it waits for its
/// parent's leases as anybody would, takes blocks in any order, and gives back its own.
fn attach_anew(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let field = field::builder(&place).attach(NAME)?;
    let reading = field.read_block(0)?;
    let mut writing = field.write_block(2)?;
    forked(|| {
        let mine = field::builder(&place).attach(NAME)?;
        ensure_refused!(mine.read_timeout(NAPS), TimedOut);
        ensure_refused!(mine.read_block_timeout(2, NAPS), TimedOut);
        ensure_refused!(mine.write_block_timeout(2, NAPS), TimedOut);
        ensure_refused!(mine.write_timeout(NAPS), TimedOut);
        ensure_refused!(mine.write_block_timeout(0, NAPS), TimedOut);
        ensure_refused!(mine.snapshot_timeout(NAPS), TimedOut);
        ensure_refused!(mine.try_write_block(0), Locked);
        ensure_eq!(field::versions(&mine.read_block_timeout(0, SOON)?, 0)?, [OLD], "block 0, which the parent reads");
        let mut guard = mine.write_block_timeout(1, SOON)?;
        field::fill(&mut guard, NEW);
        // What it holds itself counts.
        ensure_refused!(mine.write_block_timeout(1, NAPS), WouldDeadlock);
        drop(guard);
        // A child of the child holds nothing of either.
        let guard = mine.read_block(1)?;
        forked(|| {
            let mine = field::builder(&place).attach(NAME)?;
            ensure_refused!(guard_of(&mine), TimedOut);
            drop(mine.write_block_timeout(3, SOON)?);
            Ok(())
        })?;
        drop(guard);
        Ok(())
    })?;
    field::fill(&mut writing, NEW);
    drop((writing, reading));
    ensure_eq!(field::versions(&field.read()?, 0)?, [OLD, NEW, NEW, OLD], "what both wrote");
    // The parent lets go while the child waits.
    let mut writing = Some(field.write_block(2)?);
    // SAFETY: this process has no other thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let outcome = (|| -> Outcome {
                let mine = field::builder(&place).attach(NAME)?;
                ensure_eq!(field::versions(&mine.read_block_timeout(2, SOON)?, 2 * HEIGHT)?, [OLD], "block 2");
                Ok(())
            })();
            // SAFETY: ends the process without running what the parent registered.
            unsafe { libc::_exit(i32::from(outcome.is_err())) }
        }
        ForkResult::Parent { child } => {
            // The test's, ours, and the child's, who stays until it has read.
            wait_until("the child is attached", || place.inspect(NAME).is_ok_and(|info| info.participants.len() == 3))?;
            if let Some(guard) = &mut writing {
                field::fill(guard, OLD);
            }
            drop(writing);
            let status = waitpid(child, None)?;
            ensure!(matches!(status, WaitStatus::Exited(_, 0)), "the child read: {status:?}");
        }
    }
    Ok(())
}

fn guard_of(field: &Field) -> sharray::Result<()> {
    field.write_block_timeout(1, NAPS).map(drop)
}

/// Child: threads read and write without pause, and forks come at any moment of that: in each child everything
/// inherited answers, and the parent is not disturbed.
fn with_threads(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let field = field::builder(&place).attach(NAME)?;
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let work = |block: usize| {
            let (field, is_over) = (&field, &is_over);
            move || -> Outcome<u64> {
                let mut rounds = 0;
                while !is_over.load(Relaxed) {
                    let mut guard = field.write_block_timeout(block, SOON)?;
                    ensure!(!guard.is_poisoned(), "nobody died");
                    field::fill(&mut guard, 10 + rounds);
                    drop(guard);
                    field::versions(&field.read_timeout(SOON)?, 0)?;
                    rounds += 1;
                }
                Ok(rounds)
            }
        };
        let workers = [0, 1, 1].map(|block| scope.spawn(work(block)));
        let held = field.read_block(3)?;
        let outcome = (0..60).try_for_each(|_| {
            // The allocator's locks are the C library's, which sees to them at a fork.
            forked(|| {
                let answer = field.try_write_block(2);
                let is_forked = matches!(&answer, Err(Error::Forked { .. }));
                std::mem::forget(answer);
                // SAFETY: ends the child without freeing anything.
                unsafe { libc::_exit(i32::from(!is_forked)) }
            })
        });
        drop(held);
        is_over.store(true, Relaxed);
        for worker in workers {
            ensure!(worker.join().map_err(|_| "it panicked")?? > 0, "it made rounds");
        }
        outcome
    })
}

/// Child: threads attach and detach without pause, and forks come at any moment of that: each child can attach, too, and
/// no lock of the library's own that a thread of its parent had keeps it waiting for ever.
fn attach_meanwhile(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let attach_on = || -> Outcome {
            while !is_over.load(Relaxed) {
                let field = field::builder(&place).attach(NAME)?;
                drop((field.read_block(0)?, field.try_read_block(0)?));
            }
            Ok(())
        };
        let workers: Vec<_> = (0..3).map(|_| scope.spawn(attach_on)).collect();
        let outcome = (0..FORKS).try_for_each(|_| {
            forked(|| {
                // If it hangs, this ends it.
                nix::unistd::alarm::set(10);
                drop(field::builder(&place).attach(NAME)?.read_block(0)?);
                Ok(())
            })
        });
        is_over.store(true, Relaxed);
        for worker in workers {
            worker.join().map_err(|_| "it panicked")??;
        }
        outcome
    })
}

/// Child: holds all that can be held, forks a child that has it all too, and is killed. The forked one lives on.
fn outlive(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let field = field::builder(&place).attach(NAME)?;
    let reading = field.read_block(0)?;
    let mut writing = field.write_blocks(1..3)?;
    field::fill(&mut writing, NEW);
    // SAFETY: this process has no other thread.
    match unsafe { fork() }? {
        ForkResult::Parent { .. } => {
            task.listen()?;
            drop((reading, writing));
            Ok(())
        }
        ForkResult::Child => {
            task.say("forked")?;
            while task.listen()? == "alive?" {
                task.say("alive")?;
            }
            // Its drops do nothing to those who have the blocks by now.
            drop((reading, writing));
            task.say("gone")
        }
    }
}

/// Its blocks are poisoned and free at once: the child, which has copies of all descriptors and mappings, does not stand
/// for it.
fn parents_death() -> Outcome {
    for round in 0..18 {
        let heirs = Heirs::new()?;
        let mut parent = Child::start("outlive", [heirs.path()?])?;
        parent.expect("forked")?;
        parent.kill()?;
        let start = Instant::now();
        let left = heirs.words()?.blocks;
        ensure!(left.iter().map(|block| block.is_half_written()).eq([false, true, true, false]), "{left:?}");
        if round % 3 == 0 {
            let guard = heirs.field.try_write()?;
            ensure!(guard.is_poisoned(), "it died in the middle of its write");
            parent.tell("end")?;
            parent.expect("gone")?;
            ensure_eq!(heirs.words()?.blocks.iter().filter(|block| block.owner() == Some(0)).count(), 4, "ours");
            drop(guard);
            heirs.repair()?;
            heirs.leave()?;
            continue;
        }
        // Both wait for the same words, so the one that is left hears them.
        parent.tell("alive?")?;
        parent.expect("alive")?;
        heirs.go_on(FINDERS[round % FINDERS.len()], 0..3)?;
        ensure!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
        parent.tell("end")?;
        parent.expect("gone")?;
    }
    Ok(())
}
