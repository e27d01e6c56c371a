//! Forking: what was inherited is the parent's, and a child that attaches for itself is a process like any other.

#![allow(unsafe_code, reason = "fork is what this is about")]

use super::{Operation, operation};
use crate::arrays::CELLS;
use crate::errors::Kind;
use crate::journal::Event;
use crate::worker::{Held, Worker, words};
use crate::{FOUND, Outcome};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, alarm, fork};
use sharray::{Error, wait_any};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

pub(super) const OPERATIONS: &[Operation] = &[
    operation("fork: a child that only looks", 3, 500, look).alone(),
    operation("fork: a child that lives on", 3, 0, live_on).alone(),
    operation("fork: see who ended", 10, 0, reap),
];

/// Seconds after which a forked child ends whatever it does.
const ALARM: u32 = 20;

/// The most children at a time.
const MOST: usize = 2;

/// Forks. The child runs `act` and ends; it never returns.
fn split(worker: &mut Worker, act: impl FnOnce(&mut Worker) -> Outcome) -> Outcome<Pid> {
    worker.journal.count(Event::Fork);
    // SAFETY: this process has no other thread now: those of other operations have ended with them.
    match unsafe { fork() }.map_err(|errno| format!("cannot fork: {errno}"))? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            alarm::set(ALARM);
            let outcome = catch_unwind(AssertUnwindSafe(|| act(worker)));
            let trouble = match outcome {
                Ok(Ok(())) => end(0),
                Ok(Err(trouble)) => trouble,
                Err(panic) => format!("it panicked: {}", words(&*panic)),
            };
            worker.journal.fail(&format!("in a forked child: {trouble}"));
            end(i32::from(FOUND))
        }
    }
}

/// Ends a forked child, and runs nothing of what its parent has registered.
fn end(status: i32) -> ! {
    // SAFETY: takes a number, and does not return.
    unsafe { nix::libc::_exit(status) }
}

/// The child tries what it has inherited and ends. The parent waits for it.
fn look(worker: &mut Worker) -> Outcome {
    if worker.is_fork() {
        return Ok(());
    }
    let child = split(worker, |worker| {
        let mut inherited = worker.begin_as_fork(Duration::ZERO);
        refuse(&mut inherited)?;
        // Dropping does nothing; ending without dropping does nothing either.
        if worker.rng.bool() {
            drop(inherited);
        } else {
            std::mem::forget(inherited);
        }
        Ok(())
    })?;
    let status = waitpid(child, None).map_err(|errno| format!("cannot wait for a child: {errno}"))?;
    judge(worker, status)
}

/// The child lets go of what it has inherited and becomes a worker for a while, which may be longer than its parent
/// lives: then the parent's death must be seen all the same.
fn live_on(worker: &mut Worker) -> Outcome {
    if worker.is_fork() || worker.children.len() >= MOST {
        return Ok(());
    }
    let (seed, life) = (worker.rng.u64(..), Duration::from_millis(worker.rng.u64(1..200)));
    let child = split(worker, |worker| {
        let mut inherited = worker.begin_as_fork(life);
        worker.rng = fastrand::Rng::with_seed(seed);
        refuse(&mut inherited)?;
        if worker.rng.bool() {
            drop(inherited);
        } else {
            std::mem::forget(inherited);
        }
        while !worker.is_over() {
            worker.one()?;
        }
        // All that it attached is given back in good order, or left to others.
        if worker.rng.bool() {
            worker.held = Held::default();
        }
        Ok(())
    })?;
    worker.children.push(child);
    Ok(())
}

fn is_forked<T>(what: &str, result: sharray::Result<T>) -> Outcome {
    match result {
        Err(Error::Forked { .. }) => Ok(()),
        Err(error) => Err(format!("{what} that was inherited answers {:?}: {error}", Kind::of(&error))),
        Ok(_) => Err(format!("{what} that was inherited can be used")),
    }
}

/// Every call on what was inherited answers `Forked`.
fn refuse(inherited: &mut Held) -> Outcome {
    for publisher in &mut inherited.publishers {
        is_forked("a publisher", publisher.handle.try_loan())?;
        is_forked("a publisher", publisher.handle.loan_timeout(Duration::from_millis(1)))?;
    }
    for subscriber in &mut inherited.subscribers {
        is_forked("a subscriber", subscriber.handle.latest())?;
        is_forked("a subscriber", subscriber.handle.try_recv())?;
        is_forked("a subscriber", subscriber.handle.recv())?;
        is_forked("a subscriber", wait_any(&[&subscriber.handle], None))?;
    }
    for field in &inherited.fields {
        let (handle, soon) = (&field.handle, Duration::from_millis(1));
        is_forked("an array", handle.try_read())?;
        is_forked("an array", handle.read_timeout(soon))?;
        is_forked("an array", handle.snapshot_timeout(soon))?;
        is_forked("an array", handle.wait_changed(0, soon))?;
        if !handle.is_read_only() {
            is_forked("an array", handle.try_write())?;
            is_forked("an array", handle.write_block_timeout(0, soon))?;
        }
    }
    for cell in &inherited.cells {
        // A cell can still be looked at.
        CELLS[cell.cell].key().check_version(&cell.handle.load())?;
        if !cell.handle.is_read_only() {
            is_forked("a cell", cell.handle.try_store([0; 16]))?;
            is_forked("a cell", cell.handle.try_writer())?;
        }
    }
    for table in &inherited.tables {
        for answer in super::tables::inherited(&table.handle) {
            is_forked("a table", answer)?;
        }
    }
    let all_know = inherited.frames.iter().all(|frame| frame.frame.is_inherited());
    if all_know { Ok(()) } else { Err("a frame that was inherited does not know it".to_owned()) }
}

fn reap(worker: &mut Worker) -> Outcome {
    let children = std::mem::take(&mut worker.children);
    for child in children {
        match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => worker.children.push(child),
            Ok(status) => judge(worker, status)?,
            Err(errno) => return Err(format!("cannot wait for a child: {errno}")),
        }
    }
    Ok(())
}

/// At the end of a worker its children end too.
pub(crate) fn reap_all(worker: &mut Worker) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !worker.children.is_empty() {
        reap(worker)?;
        if Instant::now() > deadline {
            return Err("a forked child does not end".to_owned());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn judge(worker: &mut Worker, status: WaitStatus) -> Outcome {
    match status {
        WaitStatus::Exited(_, 0) => Ok(()),
        // At a step of its own.
        WaitStatus::Signaled(_, Signal::SIGKILL, _) => {
            worker.journal.count(Event::ForkKilled);
            Ok(())
        }
        other => Err(format!("a forked child ended with {other:?}")),
    }
}
