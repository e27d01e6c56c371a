//! The words of the file and the kernel's bytes: all that outlives a process.

/// The longest ring a scenario may ask for.
pub(super) const MAX_RING: usize = 3;
/// The most slots a scenario may ask for.
pub(super) const MAX_SLOTS: usize = 5;
/// The most participant records, and the most processes.
pub(super) const MAX_RECORDS: usize = 4;

/// `prod` after a clean end.
pub(super) const CLOSED: u8 = 0x80;
/// The bit of a cursor that makes the producer's gate heed it.
pub(super) const ACTIVE: u8 = 1;
/// The bit by which the producer takes a cursor away.
pub(super) const EVICTED: u8 = 2;

/// A sequence number and the slot that holds it; `head` and every ring entry have this form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Frame {
    /// 0 means that nothing was published yet.
    pub seq: u8,
    /// Index into `ver` and `payload`.
    pub slot: u8,
}

/// One participant record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Record {
    /// Generation: one more at every attach.
    pub generation: u8,
    /// LIVE or FREE.
    pub live: bool,
    /// slot+1, or 0.
    pub pin: u8,
    /// `next << 2 | EVICTED | ACTIVE`, or 0.
    pub cursor: u8,
}

/// What is shared. Everything here survives the death of any process, save for `bytes`, which the kernel clears.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Memory {
    /// The producer's role word: 0, [`CLOSED`] or a [`tag`].
    pub prod: u8,
    /// The newest published frame.
    pub head: Frame,
    /// The sequence about to be published.
    pub intent: u8,
    /// How often a cursor has been joined: what lets a producer keep the least cursor it saw.
    pub joins: u8,
    /// The ring.
    pub desc: [Frame; MAX_RING],
    /// 0 empty, 2s-1 being written for s, 2s complete.
    pub ver: [u8; MAX_SLOTS],
    /// Each slot's bytes as two halves, each naming the loan that wrote it, so that a torn frame can be told.
    pub payload: [[u8; 2]; MAX_SLOTS],
    /// Bitmap of participants.
    pub occupied: u8,
    /// The participant table.
    pub records: [Record; MAX_RECORDS],
    /// The kernel's lock bytes: process+1 that holds the byte of each record, or 0.
    pub bytes: [u8; MAX_RECORDS],
}

/// The role word of participant `index` in `generation`.
pub(super) fn tag(index: u8, generation: u8) -> u8 {
    debug_assert!(generation < 16);
    generation << 3 | (index + 1)
}

/// The participant that a role word names.
pub(super) fn owner(word: u8) -> Option<u8> {
    (word != 0 && word != CLOSED).then(|| (word & 7) - 1)
}

/// The participants in a bitmap, lowest first.
pub(super) fn bits(mask: u8) -> impl Iterator<Item = u8> {
    (0..8).filter(move |i| mask & (1 << i) != 0)
}

impl Memory {
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
            if usize::from(*byte) == process + 1 {
                *byte = 0;
            }
        }
    }

    /// The ring's entry for `seq`.
    pub(super) fn entry(&self, seq: u8, ring: u8) -> Frame {
        self.desc[usize::from(seq % ring)]
    }

    /// The version of `slot`.
    pub(super) fn version(&self, slot: u8) -> u8 {
        self.ver[usize::from(slot)]
    }
}
