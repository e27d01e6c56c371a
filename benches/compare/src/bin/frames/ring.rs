//! A ring of slots written by hand: the least that handing over takes. Nothing in it survives the death of a side.

use crate::work::{Consumer, Producer};
use sharray_compare::memory::Shared;
use sharray_compare::{Outcome, Part};
use std::hint;
use std::slice;
use std::sync::atomic::Ordering::{Acquire, Release};

/// Bytes before the first slot: the counts of frames that were put and of those that were taken, each in a line of its own.
const BEFORE: usize = 4096;
const PUT: usize = 0;
const TAKEN: usize = 16;

/// One side of a ring of so many slots.
pub(crate) struct End<const SLOTS: usize> {
    ring: Shared,
    words: usize,
    /// Frames that this side has put or taken.
    done: u64,
}

impl<const SLOTS: usize> End<SLOTS> {
    pub(crate) fn open(part: &Part, words: usize) -> Outcome<Self> {
        let ring = Shared::open(&part.folder.join("ring"), BEFORE + SLOTS * words * 8)?;
        Ok(Self { ring, words, done: 0 })
    }

    /// The slot of the frame that is to be put or taken next.
    fn slot(&self) -> *mut u64 {
        let words: *mut u64 = self.ring.as_mut_ptr().cast();
        words.wrapping_add(BEFORE / 8 + self.done as usize % SLOTS * self.words)
    }

    fn wait(&self, count: usize, least: u64) {
        while self.ring.word64(count).load(Acquire) < least {
            hint::spin_loop();
        }
    }

    fn count(&mut self, count: usize) {
        self.done += 1;
        self.ring.word64(count).store(self.done, Release);
    }
}

impl<const SLOTS: usize> Producer for End<SLOTS> {
    fn put(&mut self, fill: &mut dyn FnMut(&mut [u64])) -> Outcome {
        self.wait(TAKEN, (self.done + 1).saturating_sub(SLOTS as u64));
        // SAFETY: the slot is inside the mapping and aligned, and the consumer has let it go.
        fill(unsafe { slice::from_raw_parts_mut(self.slot(), self.words) });
        self.count(PUT);
        Ok(())
    }
}

impl<const SLOTS: usize> Consumer for End<SLOTS> {
    fn take(&mut self, look: &mut dyn FnMut(&[u64]) -> Outcome) -> Outcome {
        self.wait(PUT, self.done + 1);
        // SAFETY: the slot is inside the mapping and aligned, and its producer waits until it is counted as taken.
        look(unsafe { slice::from_raw_parts(self.slot(), self.words) })?;
        self.count(TAKEN);
        Ok(())
    }
}
