//! Writing arrays in place, whole and by blocks; dying and panicking in the middle.

use super::{leasing, saw, sequence_went_on, some_blocks, versions, with_one};
use crate::Outcome;
use crate::arrays::{FIELDS, FieldHandle, block_mark};
use crate::errors::Kind;
use crate::journal::Event;
use crate::operations::{Operation, operation};
use crate::payload::Version;
use crate::sabotage::Sabotage;
use crate::worker::Worker;
use ndarray::{Ix1, Ix2, IxDyn};
use sharray::{OwnedWriteGuard, WriteGuard};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

pub(super) const OPERATIONS: &[Operation] = &[
    operation("array: write", 60, 30, write),
    operation("array: write a block", 60, 30, write_block),
    operation("array: linger in a write", 25, 40, linger),
    operation("array: panic in a write", 4, 30, panic),
];

fn write(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| write_some(worker, at, handle, 0..FIELDS[at].blocks, Duration::ZERO))
}

fn write_block(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| {
        let blocks = some_blocks(worker, &FIELDS[at]);
        let one = if FIELDS[at].is_united { blocks } else { blocks.start..blocks.start + 1 };
        write_some(worker, at, handle, one, Duration::ZERO)
    })
}

/// Sleeps in the middle of a write, so that death and stops come there.
fn linger(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| {
        let blocks = some_blocks(worker, &FIELDS[at]);
        let pause = Duration::from_micros(worker.rng.u64(..3000));
        write_some(worker, at, handle, blocks, pause)
    })
}

/// Takes a lease to write these blocks: by whichever call can.
pub(super) fn lease<'h>(
    worker: &mut Worker,
    at: usize,
    handle: &'h FieldHandle,
    blocks: &Range<usize>,
) -> Outcome<Option<WriteGuard<'h, u64, IxDyn>>> {
    let timeout = worker.timeout(30);
    let is_whole = *blocks == (0..FIELDS[at].blocks);
    let result = match (is_whole, blocks.len()) {
        (true, _) if timeout.is_zero() => handle.try_write(),
        (true, _) => handle.write_timeout(timeout),
        (false, 1) if timeout.is_zero() => handle.try_write_block(blocks.start),
        (false, _) => handle.write_block_timeout(blocks.start, timeout),
    };
    if handle.is_read_only() {
        return worker.journal.allow(result, &[Kind::ReadOnly]);
    }
    let kinds = leasing(worker, &[]);
    worker.journal.allow(result, &kinds)
}

fn write_some(worker: &mut Worker, at: usize, handle: &FieldHandle, blocks: Range<usize>, pause: Duration) -> Outcome {
    let Some(mut guard) = lease(worker, at, handle, &blocks)? else { return Ok(()) };
    let is_torn = worker.sabotages(Sabotage::Torn);
    let written = rewrite(worker, at, handle, &mut guard, pause)?;
    if is_torn {
        if let Some(word) = guard.as_slice_mut().and_then(<[u64]>::last_mut) {
            *word ^= 1;
        }
    }
    drop(guard);
    remember(worker, at, &written)?;
    sequence_went_on(worker, at, handle)
}

/// What was written, and others may have written over since: no more than a lower bound.
pub(super) fn remember(worker: &mut Worker, at: usize, written: &[(usize, Version)]) -> Outcome {
    let Worker { journal, memory, .. } = worker;
    for (block, version) in written.iter().filter(|_| FIELDS[at].is_lasting) {
        journal.raise_mark(block_mark(at, *block), version.count);
        memory.compare(block_mark(at, *block), version.count, version.salt)?;
    }
    Ok(())
}

/// What a lease to write lends, borrowed from its handle or owned.
pub(super) trait Lent {
    fn first_row(&self) -> usize;
    fn words_mut(&mut self) -> Option<&mut [u64]>;
    fn is_poisoned(&self) -> bool;
    fn clear_poison(&mut self);
}

impl Lent for WriteGuard<'_, u64, IxDyn> {
    fn first_row(&self) -> usize {
        self.rows().start
    }
    fn words_mut(&mut self) -> Option<&mut [u64]> {
        self.as_slice_mut()
    }
    fn is_poisoned(&self) -> bool {
        Self::is_poisoned(self)
    }
    fn clear_poison(&mut self) {
        Self::clear_poison(self);
    }
}

impl Lent for OwnedWriteGuard {
    fn first_row(&self) -> usize {
        self.rows().start
    }
    fn words_mut(&mut self) -> Option<&mut [u64]> {
        match self.shape().len() {
            1 => self.view_mut::<u64, Ix1>()?.into_slice(),
            _ => self.view_mut::<u64, Ix2>()?.into_slice(),
        }
    }
    fn is_poisoned(&self) -> bool {
        Self::is_poisoned(self)
    }
    fn clear_poison(&mut self) {
        Self::clear_poison(self);
    }
}

/// Writes the next version of all that is lent. Only a writer that is told of poison may find something torn.
pub(super) fn rewrite(
    worker: &mut Worker,
    at: usize,
    handle: &FieldHandle,
    guard: &mut impl Lent,
    pause: Duration,
) -> Outcome<Vec<(usize, Version)>> {
    let (field, is_poisoned) = (&FIELDS[at], guard.is_poisoned());
    let start = guard.first_row() * field.row_len();
    let words = guard.words_mut().ok_or("its items are not in order")?;
    let next = if is_poisoned {
        worker.journal.count(Event::Poison);
        after_poison(worker, at, handle, start, words)?
    } else {
        let found = versions(at, handle, start, words).map_err(|text| format!("to a writer: {text}"))?;
        saw(&mut worker.journal, &mut worker.memory, at, &found)?;
        found
    };
    let salt = worker.rng.u64(..);
    let most = next.iter().map(|(_, version)| version.count).max().unwrap_or(0);
    let next = next.into_iter().map(|(block, Version { count, .. })| {
        (block, Version { count: if field.is_united { most } else { count } + 1, salt })
    });
    let next: Vec<(usize, Version)> = next.collect();
    for (block, version) in &next {
        let range = field.words(handle, *block)?;
        field.key(*block).fill_version(&mut words[range.start - start..range.end - start], *version, pause);
    }
    if is_poisoned && worker.rng.u32(..4) > 0 {
        guard.clear_poison();
        worker.journal.count(Event::Repair);
    }
    Ok(next)
}

/// What poisoned blocks held last: the count stands there, of the version that was being written or of the one before.
fn after_poison(
    worker: &Worker,
    at: usize,
    handle: &FieldHandle,
    start: usize,
    words: &[u64],
) -> Outcome<Vec<(usize, Version)>> {
    let field = &FIELDS[at];
    let mut found = Vec::new();
    for block in 0..field.blocks {
        let range = field.words(handle, block)?;
        if range.start >= start && range.end <= start + words.len() {
            let seen = if field.is_lasting { worker.journal.mark(block_mark(at, block)) } else { 0 };
            found.push((block, Version { count: words[range.start - start].max(seen), salt: 0 }));
        }
    }
    Ok(found)
}

/// Whoever panics in the middle of a write leaves it poisoned, as whoever dies.
fn panic(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| {
        let blocks = some_blocks(worker, &FIELDS[at]);
        let Some(mut guard) = lease(worker, at, handle, &blocks)? else { return Ok(()) };
        let salt = worker.rng.u64(..);
        let broken = catch_unwind(AssertUnwindSafe(move || {
            if let Some(word) = guard.as_slice_mut().and_then(<[u64]>::last_mut) {
                *word = salt;
            }
            // Without a word on the terminal.
            resume_unwind(Box::new(()));
        }));
        if broken.is_err() {
            worker.journal.count(Event::Broken);
        }
        Ok(())
    })
}
