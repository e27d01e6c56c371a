//! What a run came to, in numbers.

use crate::journal::Reading;
use std::time::Duration;

/// Sums over all lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) lives: u64,
    /// Of them: in a PID namespace of their own.
    pub(crate) namespaces: u64,
    /// How they ended.
    pub(crate) asked: u64,
    pub(crate) killed: u64,
    pub(crate) killed_at_step: u64,
    pub(crate) stops: u64,
    /// Participants that were seen dead in a table, and those of them that were seen to be gone later.
    pub(crate) dead: u64,
    pub(crate) recovered: u64,
    /// Arrays that the last look found in order.
    pub(crate) arrays: u64,
    pub(crate) operations: Vec<u64>,
    pub(crate) errors: Vec<u64>,
    pub(crate) events: Vec<u64>,
    /// The newest sequence that any worker saw of each array.
    pub(crate) marks: Vec<u64>,
    /// The longest that each operation was seen to take, without the time in which somebody was stopped.
    pub(crate) longest: Vec<Duration>,
}

impl Totals {
    /// Adds what stands in the journal of a worker that has ended.
    pub(crate) fn add(&mut self, reading: &Reading) {
        add(&mut self.operations, reading.operations());
        add(&mut self.errors, reading.errors());
        add(&mut self.events, reading.events());
        self.raise(reading);
    }

    /// Takes over what a worker has seen.
    pub(crate) fn raise(&mut self, reading: &Reading) {
        self.marks.resize(reading.marks().len(), 0);
        for (mark, seen) in self.marks.iter_mut().zip(reading.marks()) {
            *mark = (*seen).max(*mark);
        }
    }

    /// Takes note of how long an operation has taken by now.
    pub(crate) fn took(&mut self, operation: usize, time: Duration) {
        if self.longest.len() <= operation {
            self.longest.resize(operation + 1, Duration::ZERO);
        }
        self.longest[operation] = time.max(self.longest[operation]);
    }
}

fn add(sums: &mut Vec<u64>, more: &[u64]) {
    sums.resize(more.len().max(sums.len()), 0);
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}
