//! The mapped file as the protocol sees it.

#![allow(unsafe_code, reason = "a row of words is seen as a slice")]

use super::Segment;
use crate::kind::Kind;
use crate::layout::{
    self, BITMAP_WORDS, Control, LINE, LOCK_PARTICIPANTS, PARTICIPANTS_OFF, PINS, Participant, SlotHeader,
};
use crate::protocol::word::{Block, Record, Word, World};
use crate::sys::byte_lock::{self, Mode};
use crate::sys::{futex, process};
use std::mem::offset_of;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::{self, Relaxed};
use std::sync::atomic::{AtomicU32, AtomicU64};

/// Looks at a word before the first sleep, with a pause of the processor in between: some 2 µs where a pause takes 40 ns.
const SPINS: u32 = 50;
/// Looks after that, giving the processor to others in between. Two processes that answer each other at once stay awake
/// by these, and where both share one processor nothing is lost; spinning longer instead cost them twenty times as much.
const YIELDS: u32 = 100;
/// Looks at a lock that somebody has, before the processor is given to others in between...
const BACK_OFFS: u32 = 12;
/// ... with twice as many pauses each time, but no more than two to the power of this.
const DOUBLINGS: u32 = 7;

impl World for Segment {
    type U32 = AtomicU32;
    type U64 = AtomicU64;

    #[inline]
    fn participants(&self) -> u32 {
        self.identity.nparts
    }
    #[inline]
    fn slots(&self) -> u32 {
        self.identity.nslots
    }
    #[inline]
    fn blocks(&self) -> u32 {
        self.identity.nblocks
    }
    #[inline]
    fn is_cell(&self) -> bool {
        self.form.kind == Kind::Cell
    }
    #[inline]
    fn ring_len(&self) -> u64 {
        // Two or more in every stream; the ring of another kind is never asked for, and must not divide by zero.
        u64::from(self.identity.ring.max(1))
    }
    #[inline]
    fn prod(&self) -> &AtomicU32 {
        self.control32(offset_of!(Control, prod))
    }
    #[inline]
    fn head(&self) -> &AtomicU64 {
        self.control64(offset_of!(Control, head))
    }
    #[inline]
    fn intent(&self) -> &AtomicU64 {
        self.control64(offset_of!(Control, intent))
    }
    #[inline]
    fn notify(&self) -> &AtomicU32 {
        self.control32(offset_of!(Control, notify))
    }
    #[inline]
    fn room(&self) -> &AtomicU32 {
        self.control32(offset_of!(Control, room))
    }
    #[inline]
    fn bar(&self) -> &AtomicU32 {
        self.control32(offset_of!(Control, bar))
    }
    #[inline]
    fn durable(&self) -> &AtomicU64 {
        self.control64(offset_of!(Control, durable))
    }
    #[inline]
    fn pending(&self) -> &AtomicU64 {
        self.control64(offset_of!(Control, pending))
    }
    #[inline]
    fn len(&self) -> &AtomicU64 {
        self.control64(offset_of!(Control, len))
    }
    #[inline]
    fn cap_bytes(&self) -> &AtomicU64 {
        self.control64(offset_of!(Control, cap_bytes))
    }
    #[inline]
    fn occupied(&self, word: u32) -> &AtomicU64 {
        self.control64(offset_of!(Control, occupied) + 8 * (word % BITMAP_WORDS) as usize)
    }
    #[inline]
    fn record(&self, participant: u32) -> Option<Record<'_, Self>> {
        if participant >= self.identity.nparts {
            return None;
        }
        let base = PARTICIPANTS_OFF + u64::from(participant) * LINE;
        let pins: *const AtomicU32 = self.word32(base + offset_of!(Participant, pin) as u64);
        Some(Record {
            state: self.word64(base + offset_of!(Participant, state) as u64),
            holds: self.word32(base + offset_of!(Participant, rd) as u64),
            arrived: self.word32(base + offset_of!(Participant, bar_arr) as u64),
            cursor: self.word64(base + offset_of!(Participant, cursor) as u64),
            // SAFETY: the record is inside the mapping, and its pins are eight words in a row, accessed as `word32`.
            pins: unsafe { std::slice::from_raw_parts(pins.cast_mut(), PINS as usize) },
        })
    }
    #[inline]
    fn ver(&self, slot: u32) -> Option<&AtomicU64> {
        self.slot_words(slot)?.get(offset_of!(SlotHeader, ver) / 8)
    }
    #[inline]
    fn block(&self, block: u32) -> Option<Block<'_, Self>> {
        if block >= self.identity.nblocks {
            return None;
        }
        let base = self.identity.blocks.off + u64::from(block) * LINE;
        Some(Block {
            wr: self.word32(base + offset_of!(layout::Block, wr) as u64),
            drain: self.word32(base + offset_of!(layout::Block, drain) as u64),
            seq: self.word64(base + offset_of!(layout::Block, seq) as u64),
            poison: self.word32(base + offset_of!(layout::Block, poison) as u64),
        })
    }
    #[inline]
    fn desc(&self, seq: u64) -> &AtomicU64 {
        self.word64(self.identity.ring_words.off + 8 * (seq % self.ring_len()))
    }

    #[inline]
    fn fence(order: Ordering) {
        std::sync::atomic::fence(order);
    }
    #[inline]
    fn now_ns(&self) -> u64 {
        futex::now_ns()
    }
    fn sleep(&self, word: &AtomicU32, expected: u32, until_ns: u64) {
        futex::sleep(word, expected, until_ns);
    }
    fn wake_all(&self, word: &AtomicU32) {
        futex::wake_all(word);
    }
    #[inline]
    fn pause(&self, looks: u32) -> bool {
        match looks {
            0 => {}
            1..=SPINS => std::hint::spin_loop(),
            _ if looks <= SPINS + YIELDS => std::thread::yield_now(),
            _ => return false,
        }
        true
    }
    fn back_off(&self, looks: u32) -> bool {
        if looks > BACK_OFFS {
            return self.pause(looks - BACK_OFFS + SPINS);
        }
        (0..1 << looks.min(DOUBLINGS)).for_each(|_| std::hint::spin_loop());
        true
    }
    fn lock(&self, participant: u32) -> bool {
        let byte = LOCK_PARTICIPANTS + i64::from(participant);
        byte_lock::try_lock(self.lock_file(), byte, Mode::Exclusive).unwrap_or(false)
    }
    fn unlock(&self, participant: u32) {
        _ = byte_lock::unlock(self.lock_file(), LOCK_PARTICIPANTS + i64::from(participant));
    }
    fn prove_dead<R>(&self, participant: u32, act: impl FnOnce() -> R) -> Option<R> {
        if self.own.get() == Some(&participant) {
            return None;
        }
        let _one_thread = self.recovering.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.lock(participant) {
            return None;
        }
        let done = act();
        self.unlock(participant);
        Some(done)
    }
    fn describe(&self, participant: u32) {
        let process = process::current();
        let values = [u64::from(process.pid), process.pid_namespace, process.start_time];
        for (word, value) in self.description(participant).into_iter().zip(values) {
            Word::store(word, value, Relaxed);
        }
        let base = PARTICIPANTS_OFF + u64::from(participant.min(self.identity.nparts - 1)) * LINE;
        let attached = self.word64(base + offset_of!(Participant, attached_ns) as u64);
        Word::store(attached, futex::wall_ns(), Relaxed);
    }
}
