//! How processes coordinate over words that they share: who is here, who is dead, who may write, what is new.
//!
//! Nothing here knows a file, an array or an operating system. The words and the few services of a kernel come through
//! the trait [`World`], so the model checkers run this very source over memory of their own.
//!
//! | module | decides |
//! |---|---|
//! | [`word`] | what shared memory is, and what a kernel must do |
//! | [`participant`] | attach, detach, recover |
//! | [`producer`] | takeover, loan, publish |
//! | [`consumer`] | pin, unpin, cursors, copies |
//! | [`barrier`] | the rounds of a team |
//! | [`commit`] | which frame survives a loss of power |
//! | [`lock`] | who writes and who reads the blocks of an array in place |
//! | [`seqlock`] | copies without a lease, cells |
//! | [`growable`] | rows that are appended |
//! | [`notify`] | wait and wake |
//!
//! Rules that hold everywhere: the word that takes a resource names its owner; a process is dead when its kernel lock
//! could be had, and for no other reason; recovering the dead can be repeated from any point; an index read from
//! shared memory is checked against private counts at each use. docs/protocol.md gives the reasons.

pub(crate) mod barrier;
pub(crate) mod commit;
pub(crate) mod consumer;
pub(crate) mod growable;
pub(crate) mod lock;
pub(crate) mod notify;
pub(crate) mod participant;
pub(crate) mod producer;
pub(crate) mod seqlock;
pub(crate) mod word;

pub(crate) use word::World;

/// Why a step of the protocol could not be taken. The layers above say it of an array by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A word holds what no participant could have written there.
    Corrupt(&'static str),
    /// Every participant's record is taken by a living process.
    Full,
    /// The producer's role is held by this living participant.
    ProducerPresent(u32),
    /// No slot is free: all that could be used are pinned.
    AllPinned,
    /// A lossless consumer has not read the frame that the next one would overwrite.
    Behind(u32),
    /// A lossless consumer was evicted and lost so many frames.
    Lagged(u64),
    /// Every pin of the record tells another span of blocks.
    PinsTaken,
    /// A writer of this block died in the middle.
    Poisoned(u32),
    /// This rank died, left, or gave the round up.
    PeerDied(u32),
    /// A rank waited for as long as it wanted to.
    TimedOut,
    /// A table with so many rows has no room for as many more as were given.
    TableFull(u64),
}

pub(crate) type Result<T> = std::result::Result<T, Fault>;

/// A published frame as `head` and the ring name it: its sequence (48 bits) over its slot (16 bits). Zero: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) seq: u64,
    pub(crate) slot: u32,
}

impl Descriptor {
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self { seq: bits >> 16, slot: (bits & 0xffff) as u32 }
    }

    pub(crate) fn to_bits(self) -> u64 {
        (self.seq << 16) | u64::from(self.slot)
    }
}

/// The last frame that a stream can have: a descriptor has 48 bits for its sequence.
pub(crate) const LAST_SEQ: u64 = (1 << 48) - 1;

/// `ver` of a slot whose frame `seq` is complete.
pub(crate) fn complete(seq: u64) -> u64 {
    2 * seq
}

/// `ver` of a slot that is being filled for frame `seq`.
pub(crate) fn writing(seq: u64) -> u64 {
    2 * seq - 1
}
