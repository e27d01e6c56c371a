//! What a worker may do: a table of operations. Each is a function that does one small thing and checks what it sees.

mod cells;
mod fields;
pub(crate) mod forks;
mod names;
mod publishing;
pub(crate) mod quiet;
mod subscribing;
mod tables;
mod threads;

pub(crate) use fields::versions;

use crate::Outcome;
use crate::worker::Worker;
use std::sync::OnceLock;
use std::time::Duration;

/// How long waiting for a name takes at most: the kernel needs its time to end the watch of a folder, and much of it when
/// it has to do that for many processes.
const WATCH_MS: u64 = 4000;

/// Something that a worker does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// How often it is drawn, compared with the others.
    pub(crate) weight: u32,
    /// How long it waits by itself.
    pub(crate) waits: Duration,
    pub(crate) run: fn(&mut Worker) -> Outcome,
    /// Whether it can stand inside another, whose leases are held meanwhile.
    pub(crate) can_nest: bool,
}

impl Operation {
    const fn alone(self) -> Self {
        Self { can_nest: false, ..self }
    }
}

/// An operation that waits at most so many milliseconds by itself.
const fn operation(name: &'static str, weight: u32, waits_ms: u64, run: fn(&mut Worker) -> Outcome) -> Operation {
    Operation { name, weight, waits: Duration::from_millis(waits_ms), run, can_nest: true }
}

/// All operations. Their positions here are those of their counts in a journal.
pub(crate) fn all() -> &'static [Operation] {
    static ALL: OnceLock<Vec<Operation>> = OnceLock::new();
    ALL.get_or_init(|| {
        let [handles, writing, reading, owned] = fields::OPERATIONS;
        let parts = [
            publishing::OPERATIONS,
            subscribing::OPERATIONS,
            handles,
            writing,
            reading,
            owned,
            cells::OPERATIONS,
            tables::OPERATIONS,
            names::OPERATIONS,
            threads::OPERATIONS,
            forks::OPERATIONS,
            quiet::OPERATIONS,
        ];
        parts.concat()
    })
}

/// Draws one, by weight.
pub(crate) fn draw(rng: &mut fastrand::Rng) -> usize {
    let total: u32 = all().iter().map(|operation| operation.weight).sum();
    let mut left = rng.u32(..total);
    for (at, operation) in all().iter().enumerate() {
        match left.checked_sub(operation.weight) {
            Some(rest) => left = rest,
            None => return at,
        }
    }
    0
}
