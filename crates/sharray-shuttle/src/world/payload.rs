//! What the protocol protects: one number, twice, so that it can be found half written, and a note of who is at it.

use super::word::step;
use shuttle::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

#[derive(Debug, Default)]
pub(crate) struct Payload {
    halves: [AtomicU64; 2],
    /// How many look at it in place; less than zero: somebody writes. The dead are not counted.
    guests: AtomicI32,
}

/// Somebody who is at it, until it is gone: in good order or as a killed process.
struct Guest<'p>(&'p AtomicI32, i32);

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Relaxed);
    }
}

impl Payload {
    fn enter(&self, weight: i32) -> Guest<'_> {
        let before = self.guests.fetch_add(weight, Relaxed);
        let guest = Guest(&self.guests, weight);
        assert!(before == 0 || (before > 0 && weight > 0), "somebody else is there who must not be: {before}");
        guest
    }

    /// Writes in place, where nobody else may be.
    pub(crate) fn fill(&self, number: u64) {
        let _guest = self.enter(-1000);
        self.fill_words(number);
    }

    /// Looks at what is there in place, where nobody may write.
    pub(crate) fn look(&self) -> [u64; 2] {
        let _guest = self.enter(1);
        self.copy()
    }

    /// Writes where others may copy at the same time.
    pub(crate) fn fill_words(&self, number: u64) {
        for half in &self.halves {
            step();
            half.store(number, SeqCst);
        }
    }

    /// Copies what nobody protects.
    pub(crate) fn copy(&self) -> [u64; 2] {
        [&self.halves[0], &self.halves[1]].map(|half| {
            step();
            half.load(SeqCst)
        })
    }
}
