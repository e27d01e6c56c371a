//! Shared memory and a kernel made of loom's parts.
//!
//! # Sequential consistency
//! Loom takes a `SeqCst` access for acquire or release. Its `SeqCst` fences in turn promise too much: they order all
//! accesses around them, so one that is `SeqCst` on each side would cover for a neighbour that should be and is not.
//! Each word here therefore has a second atomic beside it, the *roll*: a `SeqCst` store signs it after the value
//! is stored, with release, and a `SeqCst` load consults it before the value is loaded, with acquire. Both do so by
//! read-modify-write, of which loom always shows the newest. So the signing and consulting of all rolls happen in one
//! total order, a `SeqCst` load sees every `SeqCst` store of its word that was signed before, and an access
//! that is not `SeqCst` takes no part. Drop `SeqCst` from any one of the four accesses of a store-to-load pair, and
//! both loads may return what was there before.
//!
//! # What loom overlooks
//! Loom tries another order of two accesses when it comes to the second and finds that the first was the last
//! access to that atomic. Where a thread loads a word and then changes it, the last access is its own load,
//! and a third party's load before that is never tried after the change. So each access to a word that is changed that
//! way, the role's and the two that are waited on, first takes a *turn* at it: a relaxed read-modify-write of one
//! more atomic, which synchronizes nothing. Any two of those are tried both ways.
//!
//! # Death
//! A process dies when its thread calls [`LoomWorld::die`], or after as many accesses as
//! [`LoomWorld::doomed`] says: its later stores go nowhere, and the kernel drops its locks.

use crate::protocol::word::{Record, Word};
use crate::protocol::{Descriptor, World};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};
use loom::sync::{Condvar, Mutex};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};

loom::thread_local! {
    /// The accesses that the thread's process still makes before it dies; `None`: it does not.
    static LEFT: Cell<Option<u32>> = Cell::new(None);
}

/// Takes note of an access to shared memory; says whether the process lives to make it.
fn lives() -> bool {
    LEFT.with(|left| match left.get() {
        Some(0) => false,
        Some(n) => {
            left.set(Some(n - 1));
            true
        }
        None => true,
    })
}

/// Where processes sleep on a word.
#[derive(Debug)]
struct Queue {
    bucket: Mutex<()>,
    sleepers: Condvar,
}

macro_rules! loom_word {
    ($name:ident, $atomic:ty, $value:ty) => {
        #[derive(Debug)]
        pub(crate) struct $name {
            value: $atomic,
            roll: AtomicUsize,
            turn: Option<AtomicUsize>,
            #[allow(dead_code, reason = "nobody sleeps on a wide word")]
            queue: Option<Queue>,
        }

        impl $name {
            fn new(value: $value) -> Self {
                Self { value: <$atomic>::new(value), roll: AtomicUsize::new(0), turn: None, queue: None }
            }

            /// Takes a turn at the word; says whether the process lives to have it.
            fn turn(&self) -> bool {
                if let Some(turn) = &self.turn {
                    turn.fetch_add(1, Relaxed);
                }
                lives()
            }

            fn sign(&self, order: Ordering) {
                if order == SeqCst {
                    self.roll.fetch_add(1, Release);
                }
            }

            fn consult(&self, order: Ordering) {
                if order == SeqCst {
                    self.roll.fetch_add(0, Acquire);
                }
            }

            fn weak(order: Ordering, of_seq_cst: Ordering) -> Ordering {
                if order == SeqCst { of_seq_cst } else { order }
            }
        }

        impl Word<$value> for $name {
            fn load(&self, order: Ordering) -> $value {
                self.turn();
                self.consult(order);
                self.value.load(Self::weak(order, Acquire))
            }

            fn store(&self, value: $value, order: Ordering) {
                if self.turn() {
                    self.value.store(value, Self::weak(order, Release));
                    self.sign(order);
                }
            }

            fn fetch_or(&self, bits: $value, order: Ordering) -> $value {
                if !self.turn() {
                    return 0;
                }
                let old = self.value.fetch_or(bits, Self::weak(order, AcqRel));
                self.sign(order);
                old
            }

            fn fetch_and(&self, bits: $value, order: Ordering) -> $value {
                if !self.turn() {
                    return 0;
                }
                let old = self.value.fetch_and(bits, Self::weak(order, AcqRel));
                self.sign(order);
                old
            }

            fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                if !self.turn() {
                    return Ok(current);
                }
                let (won, lost) = (Self::weak(success, AcqRel), Self::weak(failure, Acquire));
                let outcome = self.value.compare_exchange(current, new, won, lost);
                if outcome.is_ok() {
                    self.sign(success);
                }
                outcome
            }
        }
    };
}
loom_word!(U32, AtomicU32, u32);
loom_word!(U64, AtomicU64, u64);

impl U32 {
    fn with_turns() -> Self {
        Self { turn: Some(AtomicUsize::new(0)), ..Self::new(0) }
    }

    fn with_queue() -> Self {
        let queue = Queue { bucket: Mutex::new(()), sleepers: Condvar::new() };
        Self { queue: Some(queue), ..Self::with_turns() }
    }
}

#[derive(Debug)]
struct RecordWords {
    state: U64,
    holds: U32,
    cursor: U64,
    pins: Vec<U32>,
    /// The kernel's lock: the attach that has it plus one, 0 for none.
    byte: AtomicU32,
}

/// A slot of the pool. Its frame's content is the frame's sequence, twice.
#[derive(Debug)]
struct Slot {
    ver: U64,
    /// Borrowed by whoever reads or writes in place; loom objects to two at a time.
    in_place: UnsafeCell<()>,
    content: std::sync::atomic::AtomicU64,
    /// The same bytes for those who copy them without a lease.
    words: [AtomicU64; 2],
}

#[derive(Debug)]
struct Memory {
    prod: U32,
    head: U64,
    intent: U64,
    notify: U32,
    room: U32,
    durable: U64,
    pending: U64,
    occupied: U64,
    records: Vec<RecordWords>,
    ring: Vec<U64>,
    slots: Vec<Slot>,
    /// The copies' words are left out where no model copies, for loom's sake.
    copies: bool,
}

/// How large a world is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(crate) participants: u32,
    pub(crate) slots: u32,
    pub(crate) ring: u64,
    pub(crate) copies: bool,
}

/// The usual world: a ring of two, and no slot more than the ring has, so each loan takes the slot of the frame that
/// it pushes out.
pub(crate) const TIGHT: Geometry = Geometry { participants: 2, slots: 2, ring: 2, copies: false };

/// The shared memory and kernel, as one attached process sees them.
#[derive(Clone, Debug)]
pub(crate) struct LoomWorld {
    memory: Arc<Memory>,
    attach: u32,
    /// Whether sleeps end by themselves. Only where the protocol counts on that.
    slices: bool,
}

impl LoomWorld {
    #[allow(clippy::arc_with_non_send_sync, reason = "loom's threads take turns on one real thread")]
    pub(crate) fn new(geometry: Geometry) -> Self {
        let record = |_| RecordWords {
            state: U64::new(0),
            holds: U32::new(0),
            cursor: U64::new(0),
            pins: vec![U32::new(0)],
            byte: AtomicU32::new(0),
        };
        let slot = |_| Slot {
            ver: U64::new(0),
            in_place: UnsafeCell::new(()),
            content: std::sync::atomic::AtomicU64::new(0),
            words: [AtomicU64::new(0), AtomicU64::new(0)],
        };
        let memory = Memory {
            prod: U32::with_turns(),
            head: U64::new(0),
            intent: U64::new(0),
            notify: U32::with_queue(),
            room: U32::with_queue(),
            durable: U64::new(0),
            pending: U64::new(0),
            occupied: U64::new(0),
            records: (0..geometry.participants).map(record).collect(),
            ring: (0..geometry.ring).map(|_| U64::new(0)).collect(),
            slots: (0..geometry.slots).map(slot).collect(),
            copies: geometry.copies,
        };
        Self { memory: Arc::new(memory), attach: 0, slices: false }
    }

    /// The same memory as another attach sees it, which has no lock yet.
    pub(crate) fn other(&self, attach: u32) -> Self {
        Self { attach, ..self.clone() }
    }

    /// Sleeps end by themselves, as slices do.
    pub(crate) fn sliced(&self) -> Self {
        Self { slices: true, ..self.clone() }
    }

    /// The process is killed: the kernel drops its locks, and nothing else happens.
    pub(crate) fn die(&self) {
        for record in &self.memory.records {
            if record.byte.load(Relaxed) == self.attach + 1 {
                record.byte.store(0, Release);
            }
        }
    }

    /// Runs `act` as a process that is killed after `accesses` of them. Says whether it came to the end alive.
    pub(crate) fn doomed(&self, accesses: u32, act: impl FnOnce()) -> bool {
        LEFT.with(|left| left.set(Some(accesses)));
        act();
        let alive = LEFT.with(|left| left.replace(None)) != Some(0);
        if !alive {
            self.die();
        }
        alive
    }

    /// Fills a loaned slot, in place, with the frame `seq`.
    pub(crate) fn fill(&self, slot: u32, seq: u64) {
        if !lives() {
            return;
        }
        let slot = &self.memory.slots[slot as usize];
        slot.in_place.with_mut(|_| ());
        slot.content.store(seq, Relaxed);
        if self.memory.copies {
            for word in &slot.words {
                word.store(seq, Relaxed);
            }
        }
    }

    /// Looks at a pinned frame in place.
    pub(crate) fn look(&self, frame: Descriptor) {
        let slot = &self.memory.slots[frame.slot as usize];
        slot.in_place.with(|_| ());
        assert_eq!(slot.content.load(Relaxed), frame.seq, "the slot holds another frame");
    }

    /// Copies a slot that nobody protects.
    pub(crate) fn copy(&self, slot: u32) -> [u64; 2] {
        let [first, second] = &self.memory.slots[slot as usize].words;
        [first.load(Relaxed), second.load(Relaxed)]
    }

    /// Whether this attach has the record's kernel lock.
    pub(crate) fn holds_byte(&self, participant: u32) -> bool {
        self.memory.records[participant as usize].byte.load(Relaxed) == self.attach + 1
    }

    fn try_byte(&self, participant: u32) -> bool {
        let byte = &self.memory.records[participant as usize].byte;
        lives() && byte.compare_exchange(0, self.attach + 1, Acquire, Relaxed).is_ok()
    }
}

impl World for LoomWorld {
    type U32 = U32;
    type U64 = U64;

    fn participants(&self) -> u32 {
        self.memory.records.len() as u32
    }

    fn slots(&self) -> u32 {
        self.memory.slots.len() as u32
    }

    fn ring_len(&self) -> u64 {
        self.memory.ring.len() as u64
    }

    fn prod(&self) -> &U32 {
        &self.memory.prod
    }

    fn head(&self) -> &U64 {
        &self.memory.head
    }

    fn intent(&self) -> &U64 {
        &self.memory.intent
    }

    fn notify(&self) -> &U32 {
        &self.memory.notify
    }

    fn room(&self) -> &U32 {
        &self.memory.room
    }

    fn durable(&self) -> &U64 {
        &self.memory.durable
    }

    fn pending(&self) -> &U64 {
        &self.memory.pending
    }

    fn occupied(&self, _: u32) -> &U64 {
        &self.memory.occupied
    }

    fn record(&self, participant: u32) -> Option<Record<'_, Self>> {
        let RecordWords { state, holds, cursor, pins, .. } = self.memory.records.get(participant as usize)?;
        Some(Record { state, holds, cursor, pins })
    }

    fn ver(&self, slot: u32) -> Option<&U64> {
        self.memory.slots.get(slot as usize).map(|slot| &slot.ver)
    }

    fn desc(&self, seq: u64) -> &U64 {
        &self.memory.ring[(seq % self.ring_len()) as usize]
    }

    fn fence(order: Ordering) {
        loom::sync::atomic::fence(order);
    }

    fn now_ns(&self) -> u64 {
        0
    }

    fn sleep(&self, word: &U32, expected: u32, _: u64) {
        if self.slices {
            loom::thread::yield_now();
            return;
        }
        let queue = word.queue.as_ref().expect("nobody sleeps on this word");
        let bucket = queue.bucket.lock().expect("not poisoned");
        if word.value.load(Relaxed) == expected {
            drop(queue.sleepers.wait(bucket).expect("not poisoned"));
        }
    }

    fn wake_all(&self, word: &U32) {
        let queue = word.queue.as_ref().expect("nobody sleeps on this word");
        let bucket = queue.bucket.lock().expect("not poisoned");
        queue.sleepers.notify_all();
        drop(bucket);
    }

    /// Nobody looks before the first sleep: that shortcut would only multiply the executions.
    fn pause(&self, _: u32) -> bool {
        false
    }

    fn lock(&self, participant: u32) -> bool {
        self.try_byte(participant)
    }

    fn unlock(&self, participant: u32) {
        if lives() {
            self.memory.records[participant as usize].byte.store(0, Release);
        }
    }

    fn prove_dead<R>(&self, participant: u32, act: impl FnOnce() -> R) -> Option<R> {
        assert!(!self.holds_byte(participant), "nobody may probe its own lock");
        if !self.try_byte(participant) {
            return None;
        }
        let outcome = act();
        self.unlock(participant);
        Some(outcome)
    }

    fn describe(&self, _: u32) {}
}
