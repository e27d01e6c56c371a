//! Reading arrays in place, whole and by blocks; copying them; waiting for a change.

use super::{count_poison, leasing, saw, sequence_went_on, versions, with_one};
use crate::Outcome;
use crate::arrays::FIELDS;
use crate::errors::Kind;
use crate::operations::{Operation, operation};
use crate::worker::Worker;
use ndarray::{ArrayD, IxDyn};

pub(super) const OPERATIONS: &[Operation] = &[
    operation("array: read", 60, 30, read),
    operation("array: read a block", 60, 30, read_block),
    operation("array: copy", 40, 30, snapshot),
    operation("array: copy into", 15, 30, read_into),
    operation("array: wait for a change", 15, 30, wait_changed),
];

fn read(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| {
        let timeout = worker.timeout(30);
        let result = if timeout.is_zero() { handle.try_read() } else { handle.read_timeout(timeout) };
        count_poison(&mut worker.journal, result.as_ref().err());
        let kinds = leasing(worker, &[Kind::Poisoned]);
        let Some(guard) = worker.journal.allow(result, &kinds)? else { return Ok(()) };
        if guard.is_copy() != handle.is_read_only() {
            return Err(format!("it lends a copy: {}", guard.is_copy()));
        }
        let words = guard.as_slice().ok_or("its items are not in order")?;
        let Worker { journal, memory, .. } = worker;
        saw(journal, memory, at, &versions(at, handle, 0, words)?)?;
        // It stays as it is while it is held.
        saw(journal, memory, at, &versions(at, handle, 0, words)?)?;
        drop(guard);
        sequence_went_on(worker, at, handle)
    })
}

fn read_block(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| {
        let (block, timeout) = (worker.rng.usize(..FIELDS[at].blocks), worker.timeout(30));
        let result =
            if timeout.is_zero() { handle.try_read_block(block) } else { handle.read_block_timeout(block, timeout) };
        count_poison(&mut worker.journal, result.as_ref().err());
        let kinds = leasing(worker, &[Kind::Poisoned]);
        let Some(guard) = worker.journal.allow(result, &kinds)? else { return Ok(()) };
        let words = guard.as_slice().ok_or("its items are not in order")?;
        let start = guard.rows().start * FIELDS[at].row_len();
        let found = versions(at, handle, start, words)?;
        if found.len() != 1 || found[0].0 != block {
            return Err(format!("block {block} was asked for, but {:?} was lent", guard.rows()));
        }
        saw(&mut worker.journal, &mut worker.memory, at, &found)
    })
}

fn snapshot(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| {
        let timeout = worker.timeout(30);
        let result = if timeout.is_zero() { handle.try_snapshot() } else { handle.snapshot_timeout(timeout) };
        count_poison(&mut worker.journal, result.as_ref().err());
        let kinds = leasing(worker, &[Kind::Poisoned]);
        let Some(copy) = worker.journal.allow(result, &kinds)? else { return Ok(()) };
        let words = copy.as_slice().ok_or("its items are not in order")?;
        saw(&mut worker.journal, &mut worker.memory, at, &versions(at, handle, 0, words)?)
    })
}

fn read_into(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| {
        let mut copy = ArrayD::zeros(IxDyn(FIELDS[at].shape));
        let timeout = worker.timeout(30);
        let result = handle.read_into_timeout(&mut copy, timeout);
        count_poison(&mut worker.journal, result.as_ref().err());
        let kinds = leasing(worker, &[Kind::Poisoned]);
        if worker.journal.allow(result, &kinds)?.is_none() {
            return Ok(());
        }
        let words = copy.as_slice().ok_or("its items are not in order")?;
        saw(&mut worker.journal, &mut worker.memory, at, &versions(at, handle, 0, words)?)
    })
}

fn wait_changed(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| {
        let (since, timeout) = (handle.sequence(), worker.timeout(30));
        let mut kinds = vec![Kind::TimedOut];
        if !FIELDS[at].is_lasting {
            kinds.push(Kind::Retired);
        }
        let Some(now) = worker.journal.allow(handle.wait_changed(since, timeout), &kinds)? else { return Ok(()) };
        if now <= since { Err(format!("it changed from {since} to {now}")) } else { Ok(()) }
    })
}
