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
//! way, the role's, the blocks' and those that are waited on, first takes a *turn* at it: a relaxed read-modify-write
//! of one more atomic, which synchronizes nothing. Any two of those are tried both ways.
//!
//! Nor does loom let a load see what is stored only after it, so the loads of one thread keep their order where the
//! first of them is relaxed and the second is `SeqCst`. An acquire that only keeps such a pair in order goes unmissed.
//!
//! # Death
//! A process dies when its thread calls [`LoomWorld::die`], or after as many accesses as
//! [`LoomWorld::doomed`] says: its later stores go nowhere, and the kernel drops its locks. Its clock runs out as well,
//! so it waits for nothing any more.
//!
//! # Time
//! The clock stands still, but where [`LoomWorld::aging`] lets it move on with each sleep.

mod payload;
mod word;

use crate::protocol::word::{Block, Record};
use crate::protocol::{Descriptor, World};
use loom::sync::atomic::AtomicU32;
use payload::Payload;
use std::sync::Arc;
use std::sync::atomic::Ordering::{self, Acquire, Relaxed, Release};
pub(crate) use word::{U32, U64};
use word::{is_dead, lives};

#[derive(Debug)]
struct RecordWords {
    state: U64,
    holds: U32,
    arrived: U32,
    cursor: U64,
    pins: Vec<U32>,
    /// The kernel's lock: the attach that has it plus one, 0 for none.
    byte: AtomicU32,
}

impl RecordWords {
    fn new(pins: usize) -> Self {
        Self {
            state: U64::new(),
            holds: U32::new(),
            arrived: U32::new(),
            cursor: U64::new(),
            pins: (0..pins).map(|_| U32::new()).collect(),
            byte: AtomicU32::new(0),
        }
    }
}

/// A slot of the pool. Its frame's content is the frame's sequence.
#[derive(Debug)]
struct Slot {
    ver: U64,
    frame: Payload,
}

#[derive(Debug)]
struct BlockWords {
    wr: U32,
    drain: U32,
    seq: U64,
    poison: U32,
    payload: Payload,
}

impl BlockWords {
    fn new(copies: bool) -> Self {
        Self {
            wr: U32::with_queue(),
            drain: U32::with_queue(),
            seq: U64::with_turns(),
            poison: U32::new(),
            payload: Payload::new(copies),
        }
    }
}

#[derive(Debug)]
struct Memory {
    prod: U32,
    head: U64,
    intent: U64,
    notify: U32,
    room: U32,
    bar: U32,
    durable: U64,
    pending: U64,
    len: U64,
    cap_bytes: U64,
    occupied: U64,
    records: Vec<RecordWords>,
    ring: Vec<U64>,
    slots: Vec<Slot>,
    blocks: Vec<BlockWords>,
    /// The two copies of a cell's value; none in other arrays.
    cell: Option<[Payload; 2]>,
    /// The rows that a table has room for, of one byte each.
    rows: Vec<Payload>,
    /// The kernel's: how many bytes of the payload the file system has reserved.
    space: std::sync::atomic::AtomicU64,
}

/// How large a world is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(crate) participants: u32,
    pub(crate) pins: usize,
    pub(crate) slots: u32,
    pub(crate) ring: u64,
    pub(crate) blocks: u32,
    pub(crate) is_cell: bool,
    pub(crate) rows: usize,
    pub(crate) copies: bool,
}

/// The usual stream: a ring of two, and no slot more than the ring has, so each loan takes the slot of the frame that
/// it pushes out.
pub(crate) const TIGHT: Geometry =
    Geometry { participants: 2, pins: 1, slots: 2, ring: 2, blocks: 0, is_cell: false, rows: 0, copies: false };

/// An array in place of one block.
pub(crate) const IN_PLACE: Geometry = Geometry { slots: 0, ring: 1, blocks: 1, ..TIGHT };

/// The shared memory and kernel, as one attached process sees them.
#[derive(Clone, Debug)]
pub(crate) struct LoomWorld {
    memory: Arc<Memory>,
    attach: u32,
    /// Whether sleeps end by themselves. Only where the protocol counts on that.
    slices: bool,
    /// How long each sleep takes by the process's own clock.
    sleep_ns: u64,
    clock: Arc<std::sync::atomic::AtomicU64>,
}

impl LoomWorld {
    #[allow(clippy::arc_with_non_send_sync, reason = "loom's threads take turns on one real thread")]
    pub(crate) fn new(geometry: Geometry) -> Self {
        let Geometry { participants, pins, slots, ring, blocks, is_cell, rows, copies } = geometry;
        let slot = |_| Slot { ver: U64::new(), frame: Payload::new(copies) };
        let memory = Memory {
            prod: U32::with_turns(),
            head: U64::new(),
            intent: U64::new(),
            notify: U32::with_queue(),
            room: U32::with_queue(),
            bar: U32::with_queue(),
            durable: U64::new(),
            pending: U64::new(),
            len: U64::new(),
            cap_bytes: U64::new(),
            occupied: U64::new(),
            records: (0..participants).map(|_| RecordWords::new(pins)).collect(),
            ring: (0..ring).map(|_| U64::new()).collect(),
            slots: (0..slots).map(slot).collect(),
            blocks: (0..blocks).map(|_| BlockWords::new(copies)).collect(),
            cell: is_cell.then(|| [(); 2].map(|()| Payload::new(true))),
            rows: (0..rows).map(|_| Payload::new(copies)).collect(),
            space: std::sync::atomic::AtomicU64::new(0),
        };
        Self { memory: Arc::new(memory), attach: 0, slices: false, sleep_ns: 0, clock: Arc::default() }
    }

    /// The same memory as another attach sees it, which has no lock yet.
    pub(crate) fn other(&self, attach: u32) -> Self {
        Self { attach, clock: Arc::default(), ..self.clone() }
    }

    /// Sleeps end by themselves, as slices do.
    pub(crate) fn sliced(&self) -> Self {
        Self { slices: true, ..self.clone() }
    }

    /// Each sleep takes so long.
    pub(crate) fn aging(&self, sleep_ns: u64) -> Self {
        Self { sleep_ns, ..self.clone() }
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
        let alive = word::doomed(accesses, act);
        if !alive {
            self.die();
        }
        alive
    }

    /// Fills a loaned slot, in place, with the frame `seq`.
    pub(crate) fn fill(&self, slot: u32, seq: u64) {
        self.memory.slots[slot as usize].frame.fill(seq);
    }

    /// Looks at a pinned frame in place.
    pub(crate) fn look(&self, frame: Descriptor) {
        let seen = self.memory.slots[frame.slot as usize].frame.look();
        assert_eq!(seen, [frame.seq; 2], "the slot holds another frame");
    }

    /// Copies a slot that nobody protects.
    pub(crate) fn copy(&self, slot: u32) -> [u64; 2] {
        self.memory.slots[slot as usize].frame.copy()
    }

    /// Writes a number into a block whose writer this is, both halves of it.
    pub(crate) fn fill_block(&self, block: u32, number: u64) {
        self.memory.blocks[block as usize].payload.fill(number);
    }

    /// Looks at a block under a lease.
    pub(crate) fn look_at_block(&self, block: u32) -> [u64; 2] {
        self.memory.blocks[block as usize].payload.look()
    }

    /// Copies a block that nobody protects.
    pub(crate) fn copy_block(&self, block: u32) -> [u64; 2] {
        self.memory.blocks[block as usize].payload.copy()
    }

    /// Writes one of a cell's two copies.
    pub(crate) fn fill_cell(&self, copy: u32, number: u64) {
        self.cell(copy).fill_words(number);
    }

    /// Copies one of a cell's two copies, which nobody protects.
    pub(crate) fn copy_cell(&self, copy: u32) -> [u64; 2] {
        self.cell(copy).copy()
    }

    fn cell(&self, copy: u32) -> &Payload {
        &self.memory.cell.as_ref().expect("this world is a cell")[copy as usize]
    }

    /// Reserves the bytes of a table's payload up to `end`, as far as the process lives to do it.
    pub(crate) fn grow(&self, end: u64) {
        if lives() {
            self.memory.space.fetch_max(end, Relaxed);
        }
    }

    /// Fills a row past the end of a table.
    pub(crate) fn fill_row(&self, row: u64, number: u64) {
        assert!(is_dead() || row < self.memory.space.load(Relaxed), "the file has no room for the row");
        self.memory.rows[row as usize].fill(number);
    }

    /// Looks at a row of a table in place.
    pub(crate) fn look_at_row(&self, row: u64) -> u64 {
        let [first, second] = self.memory.rows[row as usize].look();
        assert_eq!(first, second, "a row that is half filled can be read");
        first
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

    fn blocks(&self) -> u32 {
        self.memory.blocks.len() as u32
    }

    fn is_cell(&self) -> bool {
        self.memory.cell.is_some()
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

    fn bar(&self) -> &U32 {
        &self.memory.bar
    }

    fn durable(&self) -> &U64 {
        &self.memory.durable
    }

    fn pending(&self) -> &U64 {
        &self.memory.pending
    }

    fn len(&self) -> &U64 {
        &self.memory.len
    }

    fn cap_bytes(&self) -> &U64 {
        &self.memory.cap_bytes
    }

    fn occupied(&self, _: u32) -> &U64 {
        &self.memory.occupied
    }

    fn record(&self, participant: u32) -> Option<Record<'_, Self>> {
        let RecordWords { state, holds, arrived, cursor, pins, .. } = self.memory.records.get(participant as usize)?;
        Some(Record { state, holds, arrived, cursor, pins })
    }

    fn ver(&self, slot: u32) -> Option<&U64> {
        self.memory.slots.get(slot as usize).map(|slot| &slot.ver)
    }

    fn block(&self, block: u32) -> Option<Block<'_, Self>> {
        let BlockWords { wr, drain, seq, poison, .. } = self.memory.blocks.get(block as usize)?;
        Some(Block { wr, drain, seq, poison })
    }

    fn desc(&self, seq: u64) -> &U64 {
        &self.memory.ring[(seq % self.ring_len()) as usize]
    }

    fn fence(order: Ordering) {
        loom::sync::atomic::fence(order);
    }

    fn now_ns(&self) -> u64 {
        if is_dead() { u64::MAX } else { self.clock.load(Relaxed) }
    }

    fn sleep(&self, word: &U32, expected: u32, _: u64) {
        if is_dead() {
            return;
        }
        if self.slices {
            loom::thread::yield_now();
        } else {
            word.sleep(expected);
        }
        self.clock.fetch_add(self.sleep_ns, Relaxed);
    }

    fn wake_all(&self, word: &U32) {
        if !is_dead() {
            word.wake_all();
        }
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
        // Its own, or one that another thread of the same attach is proving.
        if self.holds_byte(participant) || !self.try_byte(participant) {
            return None;
        }
        let outcome = act();
        self.unlock(participant);
        Some(outcome)
    }

    fn describe(&self, _: u32) {}
}
