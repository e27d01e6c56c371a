//! What the protocol protects: the frames of a pool, the blocks of an array in place, the two copies of a cell.
//!
//! Each has a cell of loom's, which objects to anyone who writes while somebody else is there, and words that may race.

use super::word::lives;
use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// One number, twice, so that it can be found half written.
#[derive(Debug, Default)]
pub(super) struct Payload {
    /// Borrowed by whoever reads or writes in place; loom objects to two at a time.
    in_place: UnsafeCell<()>,
    content: [std::sync::atomic::AtomicU64; 2],
    /// The same bytes for those who copy them without a lease. Left out where no model copies, for loom's sake.
    words: Option<[AtomicU64; 2]>,
}

impl Payload {
    pub(super) fn new(copies: bool) -> Self {
        Self { words: copies.then(Default::default), ..Self::default() }
    }

    /// Writes in place, as far as the process lives to do it.
    pub(super) fn fill(&self, number: u64) {
        for half in 0..2 {
            if !lives() {
                return;
            }
            self.in_place.with_mut(|_| ());
            self.content[half].store(number, Relaxed);
            if let Some(words) = &self.words {
                words[half].store(number, Relaxed);
            }
        }
    }

    /// Looks at what is there, in place.
    pub(super) fn look(&self) -> [u64; 2] {
        self.in_place.with(|_| ());
        [0, 1].map(|half| self.content[half].load(Relaxed))
    }

    /// Writes where others may copy at the same time.
    pub(super) fn fill_words(&self, number: u64) {
        for word in self.words() {
            if lives() {
                word.store(number, Relaxed);
            }
        }
    }

    /// Copies what nobody protects.
    pub(super) fn copy(&self) -> [u64; 2] {
        self.words().each_ref().map(|word| word.load(Relaxed))
    }

    fn words(&self) -> &[AtomicU64; 2] {
        self.words.as_ref().expect("this world has no copies")
    }
}
