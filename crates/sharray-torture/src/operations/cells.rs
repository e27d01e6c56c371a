//! Cells: values that are whole at any time, whoever dies storing one.

use super::{Operation, WATCH_MS, operation};
use crate::Outcome;
use crate::arrays::{CELLS, Cell, CellHandle, Value, cell_mark};
use crate::errors::Kind;
use crate::journal::Event;
use crate::payload::{Key, Version};
use crate::worker::{HeldCell, Worker, keep};
use std::time::Duration;

pub(super) const OPERATIONS: &[Operation] = &[
    operation("cell: attach", 20, WATCH_MS, attach),
    operation("cell: open or create", 10, 0, open),
    operation("cell: load", 80, 0, load),
    operation("cell: store as the writer", 40, 20, store_as_writer),
    operation("cell: keep the role and do something else", 6, WATCH_MS + 150, nest).alone(),
    operation("cell: wait for a change", 15, 30, wait_changed),
    operation("cell: detach", 10, 0, detach),
];

/// The value of a version.
fn value(key: Key, version: Version) -> Value {
    let mut value = Value::default();
    key.fill_version(&mut value, version, Duration::ZERO);
    value
}

fn attach(worker: &mut Worker) -> Outcome {
    let at = worker.rng.usize(..CELLS.len());
    let cell = &CELLS[at];
    worker.journal.note(format_args!("{}", cell.name));
    let mut builder = Cell::builder(&worker.place);
    let mut kinds = if cell.is_lasting { Vec::new() } else { vec![Kind::NotFound] };
    if worker.rng.u32(..4) == 0 {
        builder = builder.read_only();
    }
    if worker.rng.bool() {
        builder = builder.wait(worker.timeout(10));
        kinds.push(Kind::TimedOut);
    }
    let Some(handle) = worker.journal.allow(builder.attach(cell.name), &kinds)? else { return Ok(()) };
    keep(&mut worker.held.cells, HeldCell { cell: at, handle }, &mut worker.rng);
    Ok(())
}

fn open(worker: &mut Worker) -> Outcome {
    let at = worker.rng.usize(..CELLS.len());
    let cell = &CELLS[at];
    worker.journal.note(format_args!("{}", cell.name));
    let first = value(cell.key(), Version { count: 1, salt: worker.rng.u64(..) });
    let builder = Cell::builder(&worker.place);
    let handle = if cell.is_lasting || worker.rng.bool() {
        worker.journal.allow(builder.open(cell.name, first), &[])?
    } else {
        worker.journal.allow(builder.create(cell.name, first), &[Kind::AlreadyExists])?
    };
    let Some(handle) = handle else { return Ok(()) };
    keep(&mut worker.held.cells, HeldCell { cell: at, handle }, &mut worker.rng);
    Ok(())
}

/// Does something with one of the handles that the worker holds.
fn with_one(worker: &mut Worker, act: impl FnOnce(&mut Worker, usize, &CellHandle) -> Outcome) -> Outcome {
    let count = worker.held.cells.len();
    if count == 0 {
        return Ok(());
    }
    let held = worker.held.cells.swap_remove(worker.rng.usize(..count));
    worker.journal.note(format_args!("{}", CELLS[held.cell].name));
    let outcome = act(worker, held.cell, &held.handle).map_err(|text| format!("{}: {text}", CELLS[held.cell].name));
    worker.held.cells.push(held);
    outcome
}

/// The value is whole, and no older than any that was seen.
fn look(worker: &mut Worker, at: usize, handle: &CellHandle) -> Outcome<Version> {
    let seen = worker.journal.mark(cell_mark(at));
    let version = CELLS[at].key().check_version(&handle.load())?;
    worker.journal.count(Event::Version);
    if CELLS[at].is_lasting {
        if version.count < seen {
            return Err(format!("it has version {}, but {seen} was seen", version.count));
        }
        worker.journal.raise_mark(cell_mark(at), version.count);
        worker.memory.compare(cell_mark(at), version.count, version.salt)?;
    }
    Ok(version)
}

fn load(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| {
        for _ in 0..worker.rng.u32(1..30) {
            look(worker, at, handle)?;
        }
        Ok(())
    })
}

/// Who has the role is alone: it may read the version and store the next.
fn store_as_writer(worker: &mut Worker) -> Outcome {
    let rounds = worker.rng.u32(1..10);
    store(worker, rounds, |_| Ok(()))
}

fn nest(worker: &mut Worker) -> Outcome {
    store(worker, 1, Worker::one_inside)
}

fn store(worker: &mut Worker, rounds: u32, between: impl Fn(&mut Worker) -> Outcome) -> Outcome {
    with_one(worker, |worker, at, handle| {
        let timeout = worker.timeout(20);
        let role = if timeout.is_zero() { handle.try_writer() } else { handle.writer_timeout(timeout) };
        let mut kinds = vec![Kind::TimedOut, Kind::Locked];
        if handle.is_read_only() {
            kinds = vec![Kind::ReadOnly];
        } else if worker.nested > 0 {
            kinds.push(Kind::WouldDeadlock);
        }
        let Some(mut role) = worker.journal.allow(role, &kinds)? else { return Ok(()) };
        for _ in 0..rounds {
            let version = look(worker, at, handle)?;
            between(worker)?;
            let next = Version { count: version.count + 1, salt: worker.rng.u64(..) };
            role.store(value(CELLS[at].key(), next));
            let now = look(worker, at, handle)?;
            if now != next {
                return Err(format!("{next:?} was stored, and it is {now:?}"));
            }
        }
        Ok(())
    })
}

fn wait_changed(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| {
        let (since, timeout) = (handle.sequence(), worker.timeout(30));
        let kinds: &[Kind] = if CELLS[at].is_lasting { &[Kind::TimedOut] } else { &[Kind::TimedOut, Kind::Retired] };
        let Some(now) = worker.journal.allow(handle.wait_changed(since, timeout), kinds)? else { return Ok(()) };
        if now <= since { Err(format!("it changed from {since} to {now}")) } else { Ok(()) }
    })
}

fn detach(worker: &mut Worker) -> Outcome {
    let count = worker.held.cells.len();
    if count > 0 {
        let held = worker.held.cells.swap_remove(worker.rng.usize(..count));
        if CELLS[held.cell].is_lasting && held.handle.is_retired() {
            return Err(format!("{} was retired", held.handle.name()));
        }
    }
    Ok(())
}
