//! The words of the file and the kernel's bytes: all that outlives a process.

/// The most blocks a scenario may ask for.
pub(super) const MAX_BLOCKS: usize = 2;
/// The most participant records, and the most processes.
pub(super) const MAX_RECORDS: usize = 3;
/// The most pins a record has.
pub(super) const MAX_PINS: usize = 2;

/// Bit of `wr`: somebody starved.
pub(super) const TURN: u8 = 1 << 5;
/// Bit of `wr`: the writer waits for readers to go.
pub(super) const DRAIN: u8 = 1 << 6;
/// Bit of `wr`: somebody sleeps on it.
pub(super) const WAITERS: u8 = 1 << 7;

/// One participant record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Record {
    /// Generation: one more at every attach.
    pub generation: u8,
    /// LIVE or FREE.
    pub live: bool,
    /// Holds of the whole.
    pub rd: u8,
    /// Spans of blocks that are read, as bitmaps; 0: free.
    pub pins: [u8; MAX_PINS],
}

/// What is shared. Everything here survives the death of any process, save for `bytes`, which the kernel clears.
///
/// Two futex words have no number here: `drain` and the count in `notify` are only ever compared with what a process
/// loaded from them before, so each process knows whether its value is still the current one, and that is all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Memory {
    /// Each block's role word: a [`tag`] and flags.
    pub wr: [u8; MAX_BLOCKS],
    /// Each block's sequence: odd while it is written.
    pub seq: [u8; MAX_BLOCKS],
    /// Bitmap of poisoned blocks.
    pub poison: u8,
    /// Each block's bytes as two halves, each naming the write that stored it, so that a torn block can be told.
    pub data: [[u8; 2]; MAX_BLOCKS],
    /// The waiting bit of `notify`.
    pub waiting: bool,
    /// Bitmap of participants.
    pub occupied: u8,
    /// The participant table.
    pub records: [Record; MAX_RECORDS],
    /// The kernel's lock bytes: process+1 that holds the byte of each record, or 0.
    pub bytes: [u8; MAX_RECORDS],
}

/// The role word of participant `index` in `generation`.
pub(super) fn tag(index: u8, generation: u8) -> u8 {
    debug_assert!(generation < 8 && index < 3);
    generation << 2 | (index + 1)
}

/// The participant that a role word names, and its generation.
pub(super) fn owner(word: u8) -> Option<(u8, u8)> {
    let bits = word & !(TURN | DRAIN | WAITERS);
    (bits != 0).then(|| ((bits & 3) - 1, bits >> 2))
}

/// How the kernel's byte names a process.
pub(super) fn mark(process: usize) -> u8 {
    u8::try_from(process + 1).expect("a handful of processes")
}

/// The numbers in a bitmap, lowest first.
pub(super) fn bits(mask: u8) -> impl Iterator<Item = u8> {
    (0..8).filter(move |i| mask & (1 << i) != 0)
}

/// The lowest block of a span.
pub(super) fn first(span: u8) -> u8 {
    bits(span).next().expect("a span has a block")
}

/// The block of a span after `block`.
pub(super) fn after(span: u8, block: u8) -> Option<u8> {
    bits(span).find(|b| *b > block)
}

impl Memory {
    /// Nobody was here yet.
    pub(super) fn new() -> Self {
        Self {
            wr: [0; MAX_BLOCKS],
            seq: [0; MAX_BLOCKS],
            poison: 0,
            data: [[0; 2]; MAX_BLOCKS],
            waiting: false,
            occupied: 0,
            records: [Record::default(); MAX_RECORDS],
            bytes: [0; MAX_RECORDS],
        }
    }

    /// Record `index`.
    pub(super) fn record(&self, index: u8) -> &Record {
        &self.records[usize::from(index)]
    }

    /// Record `index`, to be changed.
    pub(super) fn record_mut(&mut self, index: u8) -> &mut Record {
        &mut self.records[usize::from(index)]
    }

    /// Whether nobody holds the kernel byte of `index`: whoever registered there is dead.
    pub(super) fn byte_free(&self, index: u8) -> bool {
        self.bytes[usize::from(index)] == 0
    }

    /// The kernel releases all that a dead process held.
    pub(super) fn release_bytes(&mut self, process: usize) {
        for byte in &mut self.bytes {
            if *byte == mark(process) {
                *byte = 0;
            }
        }
    }

    /// The role word of `block`.
    pub(super) fn word(&self, block: u8) -> u8 {
        self.wr[usize::from(block)]
    }

    /// The role word of `block`, to be changed.
    pub(super) fn word_mut(&mut self, block: u8) -> &mut u8 {
        &mut self.wr[usize::from(block)]
    }

    /// Whether `block` is owned by the `index` that lives, or last lived, under that number.
    pub(super) fn owned_by(&self, block: u8, index: u8) -> bool {
        owner(self.word(block)) == Some((index, self.record(index).generation))
    }

    /// Whether a write of `block` has begun and not ended.
    pub(super) fn odd(&self, block: u8) -> bool {
        self.seq[usize::from(block)] % 2 == 1
    }
}
