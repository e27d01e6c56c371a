//! What the protocol stands on: words of shared memory, and what only a kernel can do.
//!
//! Every access to shared memory is a method of [`Word`], every wait, wake and proof of death one of [`World`]. In
//! production the words are `AtomicU32` and `AtomicU64` inside a mapped file; under loom they are loom's.
//!
//! # Ordering
//! Some places need a store to be visible before a later load is made: the pin, the join of a lossless consumer, the two
//! scans of a producer, and a reader and a writer of a block that announce themselves and then look for each other.
//! There both the store and the load are `SeqCst`, on both sides: on x86 that is one exchange, where a fence between
//! them would be a full `mfence`. Loom treats such accesses as acquire and release only, so its words stand beside
//! a second atomic that keeps the one order of all of them.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// One word of shared memory. Always accessed in its full width, always through these.
pub(crate) trait Word<V> {
    fn load(&self, order: Ordering) -> V;
    fn store(&self, value: V, order: Ordering);
    fn fetch_or(&self, bits: V, order: Ordering) -> V;
    fn fetch_and(&self, bits: V, order: Ordering) -> V;
    fn fetch_add(&self, value: V, order: Ordering) -> V;
    fn fetch_sub(&self, value: V, order: Ordering) -> V;
    fn swap(&self, value: V, order: Ordering) -> V;
    fn compare_exchange(&self, current: V, new: V, success: Ordering, failure: Ordering) -> Result<V, V>;
}

macro_rules! real_word {
    ($atomic:ty, $value:ty) => {
        impl Word<$value> for $atomic {
            #[inline]
            fn load(&self, order: Ordering) -> $value {
                step!();
                <$atomic>::load(self, order)
            }
            #[inline]
            fn store(&self, value: $value, order: Ordering) {
                step!();
                <$atomic>::store(self, value, order);
            }
            #[inline]
            fn fetch_or(&self, bits: $value, order: Ordering) -> $value {
                step!();
                <$atomic>::fetch_or(self, bits, order)
            }
            #[inline]
            fn fetch_and(&self, bits: $value, order: Ordering) -> $value {
                step!();
                <$atomic>::fetch_and(self, bits, order)
            }
            #[inline]
            fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                step!();
                <$atomic>::fetch_add(self, value, order)
            }
            #[inline]
            fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                step!();
                <$atomic>::fetch_sub(self, value, order)
            }
            #[inline]
            fn swap(&self, value: $value, order: Ordering) -> $value {
                step!();
                <$atomic>::swap(self, value, order)
            }
            #[inline]
            fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                step!();
                <$atomic>::compare_exchange(self, current, new, success, failure)
            }
        }
    };
}
real_word!(AtomicU32, u32);
real_word!(AtomicU64, u64);

/// The words of one participant's record.
pub(crate) struct Record<'w, W: World + ?Sized> {
    /// `generation << 8 | LIVE`.
    pub(crate) state: &'w W::U64,
    /// Whole-array holds.
    pub(crate) holds: &'w W::U32,
    /// Of a rank of a team: the mark of the round in which it arrived, or that it is here.
    pub(crate) arrived: &'w W::U32,
    /// `next << 2 | EVICTED | ACTIVE` of a lossless consumer.
    pub(crate) cursor: &'w W::U64,
    /// Slot plus one of each frame that it reads in place; in an array in place, a span of blocks.
    pub(crate) pins: &'w [W::U32],
}

/// The words of one block's lock.
pub(crate) struct Block<'w, W: World + ?Sized> {
    /// Who writes it: a tag and flags.
    pub(crate) wr: &'w W::U32,
    /// Counts readers that left while a writer waited for them.
    pub(crate) drain: &'w W::U32,
    /// Odd while it is being written. In a cell: how often it was stored.
    pub(crate) seq: &'w W::U64,
    /// Not zero: a writer died in the middle of it.
    pub(crate) poison: &'w W::U32,
}

/// One array's shared words as one attached process sees them, and its kernel.
///
/// The counts are private copies, checked when the file was opened. A method that takes an index answers `None` past
/// them, so no index from shared memory is ever used unchecked.
pub(crate) trait World {
    type U32: Word<u32>;
    type U64: Word<u64> + Default;

    fn participants(&self) -> u32;
    fn slots(&self) -> u32;
    fn blocks(&self) -> u32;
    /// Whether the array is a cell, whose readers never wait and whose value is never half written.
    fn is_cell(&self) -> bool;
    /// How many of the newest frames the ring names.
    fn ring_len(&self) -> u64;

    fn prod(&self) -> &Self::U32;
    fn head(&self) -> &Self::U64;
    fn intent(&self) -> &Self::U64;
    fn notify(&self) -> &Self::U32;
    fn room(&self) -> &Self::U32;
    /// The rounds of a team.
    fn bar(&self) -> &Self::U32;
    fn durable(&self) -> &Self::U64;
    fn pending(&self) -> &Self::U64;
    /// How many rows a table has.
    fn len(&self) -> &Self::U64;
    /// How many bytes of its payload are reserved.
    fn cap_bytes(&self) -> &Self::U64;
    /// The bitmap of participants, 64 to a word; `word` counts modulo 16.
    fn occupied(&self, word: u32) -> &Self::U64;
    fn record(&self, participant: u32) -> Option<Record<'_, Self>>;
    fn ver(&self, slot: u32) -> Option<&Self::U64>;
    fn block(&self, block: u32) -> Option<Block<'_, Self>>;
    /// The ring's entry for this sequence.
    fn desc(&self, seq: u64) -> &Self::U64;

    /// Orders accesses as `std::sync::atomic::fence` does.
    fn fence(order: Ordering);
    /// Nanoseconds on the monotonic clock.
    fn now_ns(&self) -> u64;
    /// Sleeps until woken through `word`, unless it no longer holds `expected`; no longer than to `until_ns`.
    fn sleep(&self, word: &Self::U32, expected: u32, until_ns: u64);
    fn wake_all(&self, word: &Self::U32);
    /// Lets a moment pass between two looks at what may change at once; `false` after enough of them: time to sleep.
    fn pause(&self, looks: u32) -> bool;
    /// The same for a word that others want, too: looks become rare, since each takes its cache line from the owner.
    fn back_off(&self, looks: u32) -> bool {
        self.pause(looks)
    }
    /// Takes the kernel lock of a record for this attach, if nobody has it, and keeps it.
    fn lock(&self, participant: u32) -> bool;
    fn unlock(&self, participant: u32);
    /// Runs `act` holding the kernel lock of another's record, which proves that its owner is dead; `None` if it lives.
    ///
    /// One thread of an attach at a time, and never on the attach's own record: its lock would always be had.
    fn prove_dead<R>(&self, participant: u32, act: impl FnOnce() -> R) -> Option<R>;
    /// Writes down who owns the record, for people to read.
    fn describe(&self, participant: u32);
}
