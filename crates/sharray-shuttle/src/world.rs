//! Shared memory and a kernel made of shuttle's parts.
//!
//! A process dies at a step drawn for it: the access unwinds its task, none of its later ones is made, and then the kernel
//! releases its byte locks. Sleeps end by themselves, as slices do, and each moves the clock of who slept to its end: so
//! waits run out, and sleepers look who died.

mod payload;
mod word;

use crate::protocol::word::{Block, Record};
use crate::protocol::{Descriptor, World};
use payload::Payload;
use shuttle::sync::atomic::AtomicU32;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{self, Relaxed, SeqCst};
pub(crate) use word::{U32, U64};

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

#[derive(Debug)]
struct BlockWords {
    wr: U32,
    drain: U32,
    seq: U64,
    poison: U32,
    payload: Payload,
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
    slots: Vec<(U64, Payload)>,
    blocks: Vec<BlockWords>,
    /// The two copies of a cell's value.
    copies: [Payload; 2],
    /// The rows that a table has room for.
    rows: Vec<Payload>,
}

/// How large a world is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(crate) participants: u32,
    pub(crate) slots: u32,
    pub(crate) ring: u64,
    pub(crate) blocks: u32,
    pub(crate) is_cell: bool,
    pub(crate) rows: usize,
}

/// Frames or blocks that one process can tell of.
const PINS: usize = 2;

/// The shared memory and kernel, as one attached process sees them.
#[derive(Clone, Debug)]
pub(crate) struct ShuttleWorld {
    memory: Arc<Memory>,
    attach: u32,
    is_cell: bool,
    clock: Arc<AtomicU64>,
}

impl ShuttleWorld {
    pub(crate) fn new(geometry: Geometry) -> Self {
        let Geometry { participants, slots, ring, blocks, is_cell, rows } = geometry;
        let record = |_| RecordWords {
            state: U64::shared(),
            holds: U32::shared(),
            arrived: U32::shared(),
            cursor: U64::shared(),
            pins: (0..PINS).map(|_| U32::shared()).collect(),
            byte: AtomicU32::new(0),
        };
        let block = |_| BlockWords {
            wr: U32::shared(),
            drain: U32::shared(),
            seq: U64::shared(),
            poison: U32::shared(),
            payload: Payload::default(),
        };
        let memory = Memory {
            prod: U32::shared(),
            head: U64::shared(),
            intent: U64::shared(),
            notify: U32::shared(),
            room: U32::shared(),
            bar: U32::shared(),
            durable: U64::shared(),
            pending: U64::shared(),
            len: U64::shared(),
            cap_bytes: U64::shared(),
            occupied: U64::shared(),
            records: (0..participants).map(record).collect(),
            ring: (0..ring).map(|_| U64::shared()).collect(),
            slots: (0..slots).map(|_| (U64::shared(), Payload::default())).collect(),
            blocks: (0..blocks).map(block).collect(),
            copies: Default::default(),
            rows: (0..rows).map(|_| Payload::default()).collect(),
        };
        Self { memory: Arc::new(memory), attach: 0, is_cell, clock: Arc::default() }
    }

    /// The same memory as another attach sees it, which has no lock yet.
    pub(crate) fn other(&self, attach: u32) -> Self {
        Self { attach, clock: Arc::default(), ..self.clone() }
    }

    /// Runs `act` as a process that is killed after `accesses` of them. `None`: it was.
    pub(crate) fn doomed<R>(&self, accesses: u32, act: impl FnOnce() -> R) -> Option<R> {
        let outcome = word::doomed(accesses, act);
        if outcome.is_none() {
            for record in &self.memory.records {
                _ = record.byte.compare_exchange(self.attach + 1, 0, SeqCst, SeqCst);
            }
        }
        outcome
    }

    /// A slot's payload.
    pub(crate) fn frame(&self, slot: u32) -> &Payload {
        &self.memory.slots[slot as usize].1
    }

    /// A block's payload.
    pub(crate) fn content(&self, block: u32) -> &Payload {
        &self.memory.blocks[block as usize].payload
    }

    /// A row of a table.
    pub(crate) fn row(&self, row: u64) -> &Payload {
        &self.memory.rows[row as usize]
    }

    /// One of a cell's two copies.
    pub(crate) fn copy(&self, copy: u32) -> &Payload {
        &self.memory.copies[copy as usize]
    }

    /// Whether nothing tells of the record's owner, and the record of no lease. It may still say LIVE: who died on the way
    /// out, when nothing but that was left to do, is in nobody's way.
    pub(crate) fn is_clean(&self, participant: u32) -> bool {
        let record = &self.memory.records[participant as usize];
        let words = [record.holds.peek(), record.pins[0].peek(), record.pins[1].peek()];
        let is_unowned = |word: &U32| word.peek() & 0x3ff != participant + 1;
        words == [0; 3]
            && record.cursor.peek() == 0
            && self.memory.occupied.peek() >> participant & 1 == 0
            && is_unowned(&self.memory.prod)
            && self.memory.blocks.iter().all(|block| is_unowned(&block.wr))
    }

    fn try_byte(&self, participant: u32) -> bool {
        let byte = &self.memory.records[participant as usize].byte;
        byte.compare_exchange(0, self.attach + 1, SeqCst, SeqCst).is_ok()
    }
}

impl World for ShuttleWorld {
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
        self.is_cell
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
        self.memory.slots.get(slot as usize).map(|(ver, _)| ver)
    }

    fn block(&self, block: u32) -> Option<Block<'_, Self>> {
        let BlockWords { wr, drain, seq, poison, .. } = self.memory.blocks.get(block as usize)?;
        Some(Block { wr, drain, seq, poison })
    }

    fn desc(&self, seq: u64) -> &U64 {
        &self.memory.ring[(seq % self.ring_len()) as usize]
    }

    /// All accesses are sequentially consistent.
    fn fence(_: Ordering) {}

    fn now_ns(&self) -> u64 {
        self.clock.load(Relaxed)
    }

    fn sleep(&self, _: &U32, _: u32, until_ns: u64) {
        shuttle::thread::yield_now();
        self.clock.fetch_max(until_ns, Relaxed);
    }

    /// Sleepers wake by themselves.
    fn wake_all(&self, _: &U32) {}

    fn pause(&self, _: u32) -> bool {
        false
    }

    fn lock(&self, participant: u32) -> bool {
        self.try_byte(participant)
    }

    fn unlock(&self, participant: u32) {
        self.memory.records[participant as usize].byte.store(0, SeqCst);
    }

    fn prove_dead<R>(&self, participant: u32, act: impl FnOnce() -> R) -> Option<R> {
        let is_own = self.memory.records[participant as usize].byte.load(SeqCst) == self.attach + 1;
        if is_own || !self.try_byte(participant) {
            return None;
        }
        let outcome = act();
        self.unlock(participant);
        Some(outcome)
    }

    fn describe(&self, _: u32) {}
}

/// What was published of a frame that somebody holds: its number, whole.
pub(crate) fn check_frame(world: &ShuttleWorld, frame: Descriptor) {
    assert_eq!(world.frame(frame.slot).look(), [frame.seq; 2], "the slot holds another frame");
}
