//! Arrays in place: attaching to them, leases within leases, and what every look at one must find.

mod owned;
mod reading;
mod writing;

use super::{Operation, WATCH_MS, operation};
use crate::Outcome;
use crate::arrays::{FIELDS, Field, FieldHandle, block_mark, sequence_mark};
use crate::errors::Kind;
use crate::journal::{Event, Journal};
use crate::payload::Version;
use crate::worker::{HeldField, Memory, Worker, keep};
use ndarray::{ArrayD, Ix1, Ix2, IxDyn};
use sharray::{AnyArray, Error};
use std::ops::Range;
use std::time::Duration;
use writing::{lease, rewrite};

/// The parts of the table.
pub(super) const OPERATIONS: [&[Operation]; 4] = [HANDLES, writing::OPERATIONS, reading::OPERATIONS, owned::OPERATIONS];

const HANDLES: &[Operation] = &[
    operation("array: attach", 30, WATCH_MS, attach),
    operation("array: open or create", 10, 0, open),
    operation("array: hold a lease and do something else", 15, WATCH_MS + 150, nest).alone(),
    operation("array: wait for oneself", 5, 30, deadlock).alone(),
    operation("array: dtype at run time", 10, 20, any),
    operation("array: detach", 15, 0, detach),
];

/// What waiting for a lease may answer.
const NO_LEASE: &[Kind] = &[Kind::TimedOut, Kind::Locked];

/// What attaching may answer.
fn attaching(field: &Field) -> Vec<Kind> {
    let full = field.may_be_full().then_some(Kind::TooManyParticipants);
    full.into_iter().chain((!field.is_lasting).then_some(Kind::NotFound)).collect()
}

/// What taking a lease may answer: whoever holds one already must not wait for itself.
fn leasing(worker: &Worker, more: &[Kind]) -> Vec<Kind> {
    let own = (worker.nested > 0).then_some(Kind::WouldDeadlock);
    NO_LEASE.iter().chain(more).copied().chain(own).collect()
}

fn attach(worker: &mut Worker) -> Outcome {
    let at = worker.rng.usize(..FIELDS.len());
    let field = &FIELDS[at];
    worker.journal.note(format_args!("{}", field.name));
    let mut builder = field.builder(&worker.place);
    let mut kinds = attaching(field);
    if worker.rng.u32(..4) == 0 {
        builder = builder.read_only();
    }
    if worker.rng.bool() {
        builder = builder.wait(worker.timeout(10));
        kinds.push(Kind::TimedOut);
    }
    let Some(handle) = worker.journal.allow(builder.attach(field.name), &kinds)? else { return Ok(()) };
    keep(&mut worker.held.fields, HeldField { field: at, handle }, &mut worker.rng);
    Ok(())
}

/// What comes and goes is created, with contents or without.
fn open(worker: &mut Worker) -> Outcome {
    let at = worker.rng.usize(..FIELDS.len());
    let field = &FIELDS[at];
    worker.journal.note(format_args!("{}", field.name));
    let builder = field.builder(&worker.place);
    let full = field.may_be_full().then_some(Kind::TooManyParticipants);
    let (result, kinds) = match worker.rng.u32(..3) {
        0 if !field.is_lasting => (builder.create(field.name, IxDyn(field.shape)), vec![Kind::AlreadyExists]),
        1 if !field.is_lasting => {
            let zeros = ArrayD::zeros(IxDyn(field.shape));
            (builder.create_from(field.name, &zeros), vec![Kind::AlreadyExists])
        }
        _ => (builder.open(field.name, IxDyn(field.shape)), full.into_iter().collect()),
    };
    let Some(handle) = worker.journal.allow(result, &kinds)? else { return Ok(()) };
    keep(&mut worker.held.fields, HeldField { field: at, handle }, &mut worker.rng);
    Ok(())
}

/// Takes one of the handles that the worker holds.
fn take(worker: &mut Worker) -> Option<HeldField> {
    let count = worker.held.fields.len();
    (count > 0).then(|| worker.held.fields.swap_remove(worker.rng.usize(..count)))
}

/// Does something with one of the handles that the worker holds.
fn with_one(worker: &mut Worker, act: impl FnOnce(&mut Worker, usize, &FieldHandle) -> Outcome) -> Outcome {
    let Some(held) = take(worker) else { return Ok(()) };
    worker.journal.note(format_args!("{}", FIELDS[held.field].name));
    let outcome = act(worker, held.field, &held.handle).map_err(|text| format!("{}: {text}", FIELDS[held.field].name));
    worker.held.fields.push(held);
    outcome
}

/// A run of blocks that may be written at a time.
fn some_blocks(worker: &mut Worker, field: &Field) -> Range<usize> {
    if field.is_united {
        return 0..field.blocks;
    }
    let first = worker.rng.usize(..field.blocks);
    first..worker.rng.usize(first + 1..=field.blocks)
}

/// What a version that was read must be: whole, and no older than any that was seen.
fn saw(journal: &mut Journal, memory: &mut Memory, at: usize, versions: &[(usize, Version)]) -> Outcome {
    for (block, version) in versions {
        journal.count(Event::Version);
        if FIELDS[at].is_lasting {
            let mark = block_mark(at, *block);
            let seen = journal.mark(mark);
            if version.count < seen {
                return Err(format!("block {block} has version {}, but {seen} was seen", version.count));
            }
            journal.raise_mark(mark, version.count);
            memory.compare(mark, version.count, version.salt)?;
        }
    }
    let first = versions.first().map(|(_, version)| *version);
    let is_one = versions.iter().all(|(_, version)| Some(*version) == first);
    if FIELDS[at].is_united && !is_one {
        Err(format!("torn: blocks of several versions: {versions:?}"))
    } else {
        Ok(())
    }
}

/// The versions of the blocks in a part of the array that begins at word `start`.
pub(crate) fn versions(at: usize, handle: &AnyArray, start: usize, words: &[u64]) -> Outcome<Vec<(usize, Version)>> {
    let mut found = Vec::new();
    for block in 0..FIELDS[at].blocks {
        let range = FIELDS[at].words(handle, block)?;
        if range.start >= start && range.end <= start + words.len() {
            let words = &words[range.start - start..range.end - start];
            let version = FIELDS[at].key(block).check_version(words);
            found.push((block, version.map_err(|text| format!("block {block}: {text}"))?));
        }
    }
    Ok(found)
}

/// Counts what a reader was refused because somebody died.
fn count_poison(journal: &mut Journal, error: Option<&Error>) {
    if let Some(Error::Poisoned { .. }) = error {
        journal.count(Event::Poison);
    }
}

/// The sequence of an array never goes back.
fn sequence_went_on(worker: &mut Worker, at: usize, handle: &FieldHandle) -> Outcome {
    if !FIELDS[at].is_lasting {
        return Ok(());
    }
    let (sequence, seen) = (handle.sequence(), worker.journal.mark(sequence_mark(at)));
    if sequence < seen {
        return Err(format!("its sequence is {sequence}, but {seen} was seen"));
    }
    worker.journal.raise_mark(sequence_mark(at), sequence);
    Ok(())
}

/// Holds a lease while it does something else, with other arrays or with the same.
fn nest(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| {
        if worker.rng.bool() {
            let blocks = some_blocks(worker, &FIELDS[at]);
            let Some(mut guard) = lease(worker, at, handle, &blocks)? else { return Ok(()) };
            worker.one_inside()?;
            rewrite(worker, at, handle, &mut guard, Duration::ZERO)?;
            return Ok(());
        }
        let result = handle.read_timeout(Duration::from_millis(20));
        count_poison(&mut worker.journal, result.as_ref().err());
        let kinds = leasing(worker, &[Kind::Poisoned]);
        let Some(guard) = worker.journal.allow(result, &kinds)? else { return Ok(()) };
        let words = guard.as_slice().ok_or("its items are not in order")?;
        let before = versions(at, handle, 0, words)?;
        worker.one_inside()?;
        let after = versions(at, handle, 0, words)?;
        if before == after { Ok(()) } else { Err(format!("it changed while it was held: {before:?}, {after:?}")) }
    })
}

/// Waiting for a lease of this very thread is an error at once; reading once more is not.
fn deadlock(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| {
        let block = FIELDS[at].blocks - 1;
        let result = handle.read_block_timeout(block, Duration::from_millis(20));
        count_poison(&mut worker.journal, result.as_ref().err());
        let Some(guard) = worker.journal.allow(result, &[Kind::TimedOut, Kind::Poisoned])? else { return Ok(()) };
        if handle.is_read_only() {
            return Ok(());
        }
        let again = handle.read_block_timeout(block, Duration::from_millis(1)).map(drop);
        worker.journal.allow(again, &[])?;
        let long = Duration::from_secs(60);
        for blocks in [handle.write_timeout(long).map(drop), handle.write_block_timeout(block, long).map(drop)] {
            if worker.journal.allow(blocks, &[Kind::WouldDeadlock])?.is_some() {
                return Err("it is written by who reads it".to_owned());
            }
        }
        drop(guard);
        Ok(())
    })
}

/// Attaches without knowing the type, and as something that it is not.
fn any(worker: &mut Worker) -> Outcome {
    let at = worker.rng.usize(..FIELDS.len());
    let field = &FIELDS[at];
    worker.journal.note(format_args!("{}", field.name));
    let attached = AnyArray::builder().directory(&worker.place).attach(field.name);
    let Some(handle) = worker.journal.allow(attached, &attaching(field))? else { return Ok(()) };
    let result = handle.read_blocks(0..field.blocks, Some(Duration::from_millis(20)));
    count_poison(&mut worker.journal, result.as_ref().err());
    let kinds = leasing(worker, &[Kind::Poisoned]);
    let Some(guard) = worker.journal.allow(result, &kinds)? else { return Ok(()) };
    let flat = guard.view::<u64, Ix1>().and_then(|view| view.to_slice().map(<[u64]>::to_vec));
    let square = guard.view::<u64, Ix2>().and_then(|view| view.to_slice().map(<[u64]>::to_vec));
    let words = flat.xor(square).ok_or("it has one dimension or two")?;
    saw(&mut worker.journal, &mut worker.memory, at, &versions(at, &handle, 0, &words)?)
}

fn detach(worker: &mut Worker) -> Outcome {
    let Some(held) = take(worker) else { return Ok(()) };
    let is_gone = FIELDS[held.field].is_lasting && held.handle.is_retired();
    if is_gone { Err(format!("{} was retired", held.handle.name())) } else { Ok(()) }
}
