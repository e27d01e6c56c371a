//! Leases that own what they need: they outlive what was done on their thread, and end on another.

use super::writing::{remember, rewrite};
use super::{count_poison, leasing, saw, sequence_went_on, some_blocks, versions, with_one};
use crate::Outcome;
use crate::arrays::FIELDS;
use crate::errors::Kind;
use crate::operations::{Operation, operation};
use crate::worker::Worker;
use ndarray::{Ix1, Ix2};
use std::thread;
use std::time::Duration;

pub(super) const OPERATIONS: &[Operation] = &[
    operation("array: read by an owned lease", 20, 30, read),
    operation("array: write by an owned lease", 20, 30, write),
];

/// Ends a lease on a thread that did not take it.
fn end_elsewhere<L: Send>(lease: L) {
    thread::scope(|scope| _ = scope.spawn(move || drop(lease)));
}

fn read(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| {
        let blocks = some_blocks(worker, &FIELDS[at]);
        let result = handle.read_owned(blocks, Some(worker.timeout(30)));
        count_poison(&mut worker.journal, result.as_ref().err());
        let kinds = leasing(worker, &[Kind::Poisoned]);
        let Some(lease) = worker.journal.allow(result, &kinds)? else { return Ok(()) };
        let flat = lease.view::<u64, Ix1>().and_then(|view| view.to_slice());
        let words = flat.or_else(|| lease.view::<u64, Ix2>()?.to_slice()).ok_or("its items are not in order")?;
        let start = lease.rows().start * FIELDS[at].row_len();
        saw(&mut worker.journal, &mut worker.memory, at, &versions(at, handle, start, words)?)?;
        end_elsewhere(lease);
        sequence_went_on(worker, at, handle)
    })
}

fn write(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| {
        let blocks = some_blocks(worker, &FIELDS[at]);
        let result = handle.write_owned(blocks, Some(worker.timeout(30)));
        let kinds = if handle.is_read_only() { vec![Kind::ReadOnly] } else { leasing(worker, &[]) };
        let Some(mut lease) = worker.journal.allow(result, &kinds)? else { return Ok(()) };
        let written = rewrite(worker, at, handle, &mut lease, Duration::ZERO)?;
        end_elsewhere(lease);
        remember(worker, at, &written)?;
        sequence_went_on(worker, at, handle)
    })
}
