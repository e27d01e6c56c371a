//! One thread: what it is for, where it stands, and what it keeps to itself (lost when its process dies).

use super::memory::{MAX_BLOCKS, MAX_PINS};

/// What a thread does once its process is attached. A span is a bitmap of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Holds the whole for reading, by `rd`.
    ReadWhole,
    /// Holds a span for reading, by a pin.
    Read(u8),
    /// Writes a span.
    Write(u8),
    /// Writes a span over, and clears its poison.
    Mend(u8),
    /// Takes a span as a writer, and clears its poison: what is there is good enough.
    Clear(u8),
    /// Panics in the middle of writing a span.
    Panic(u8),
    /// Begins to write a span, loses the guard, and detaches.
    Forget(u8),
    /// Copies a span without a hold and without a record, as a read-only attachment does.
    Copy(u8),
    /// Waits for the first write of block 0 to end.
    Watch,
}

/// How a hold ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum End {
    /// The data was read.
    Used,
    /// The caller was told of poison.
    Told,
    /// It was never had: somebody owns this block.
    Blocked(u8),
}

/// Where to go on after a probe of another's byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Resume {
    /// An attach that keeps the byte.
    Attach,
    /// A wait for the owner of a block.
    Wait(u8),
    /// A writer that looks for readers of a block.
    Drain(u8),
    /// A wait for a change.
    Watch,
    /// A detach that recovers itself.
    Detach,
}

/// The next shared access of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// Killed.
    Dead,
    /// Finished.
    Done,

    /// Attach: take a free byte.
    Seek,
    /// Attach: load `state` under the byte.
    Inspect { index: u8 },
    /// Attach: set the bit in `occupied`.
    Register { index: u8 },
    /// Attach: `state` becomes LIVE.
    Enliven { index: u8 },
    /// Wait for another thread to attach.
    Begin,

    /// Try the byte of another participant.
    Probe { index: u8, resume: Resume },
    /// Re-read its `state` under the byte.
    Reread { index: u8, resume: Resume },
    /// Recover it; `stage` counts the stores of recover(i).
    Recover { index: u8, stage: u8, resume: Resume },
    /// Release its byte.
    Unlock { index: u8, resume: Resume },

    /// Read: find an entry of the process's own table.
    Claim,
    /// Read: store the pin, or count `rd` up.
    Announce,
    /// Read: load `wr`.
    Check { block: u8 },
    /// Starving reader that is in: CAS TURN to 0.
    ClearTurn { block: u8 },
    /// Read: load `poison`.
    Poisoned { block: u8 },
    /// Read: load one half of a block.
    Load { block: u8, half: u8 },
    /// Count `rd` down, or leave the entry of the table.
    Leave { end: End },
    /// Clear the pin.
    ClearPin { end: End },
    /// Free the entry of the table.
    FreeEntry { end: End },
    /// Load `wr`: does somebody wait for readers?
    Look { block: u8, end: End },
    /// Count `drain` up and wake.
    Bump { block: u8, end: End },

    /// Load `wr`: who owns the block?
    WaitLook { block: u8 },
    /// CAS WAITERS, and TURN if starving, into the word loaded.
    WaitMark { block: u8, word: u8 },
    /// Ask the kernel to sleep if the word is still this.
    WaitSleep { block: u8, word: u8 },
    /// In the kernel, on `wr`.
    Asleep { block: u8 },

    /// Mutant: load `occupied` too early.
    Bits { block: u8 },
    /// Write: CAS `wr` from free to the own tag.
    Take { block: u8 },
    /// Write: load `occupied`; `again`: DRAIN is set.
    ScanBits { block: u8, again: bool },
    /// Write: load one word of one record, `rd` or a pin.
    Scan { block: u8, left: u8, word: u8, again: bool },
    /// Write: set DRAIN.
    Mark { block: u8 },
    /// Write: load `drain`.
    Counter { block: u8 },
    /// Write: ask the kernel to sleep if `drain` is still that.
    DrainSleep { block: u8 },
    /// In the kernel, on `drain`.
    Drained { block: u8 },
    /// Write: clear DRAIN.
    Unmark { block: u8 },
    /// Write: `seq` becomes odd.
    Odd { block: u8 },
    /// Write: store one half of a block.
    Store { block: u8, half: u8 },
    /// Write: poison, in a panic.
    Poison { block: u8 },
    /// Mutant: look at what is poisoned without taking it.
    Accept { block: u8 },
    /// Write: clear the poison.
    Cleanse { block: u8 },
    /// Write: `seq` becomes even.
    Even { block: u8 },
    /// Write: swap `wr` with 0.
    Release { block: u8 },
    /// Write: CAS TURN into the free word.
    TurnBack { block: u8 },
    /// Write: wake all who sleep on `wr`.
    Wake { block: u8 },
    /// Write: does anybody wait for a change?
    NotifyLook,
    /// Write: count `notify` up and wake.
    Notify,

    /// Watch: load `notify`.
    WatchLoad,
    /// Watch: set its waiting bit.
    WatchArm,
    /// Watch: load `seq`.
    WatchCheck,
    /// Watch: ask the kernel to sleep if `notify` is still that.
    WatchSleep,
    /// In the kernel, on `notify`.
    Watching,

    /// Copy: load `seq`.
    First { block: u8 },
    /// Copy: load one half of a block.
    Copy { block: u8, half: u8 },
    /// Copy: load `poison`.
    CopyPoison { block: u8 },
    /// Copy: load `seq` again.
    Second { block: u8 },
    /// Copy: `seq` was odd; load `wr`.
    OddOwner { block: u8 },
    /// Copy: ask the kernel for the owner's byte.
    OddByte { block: u8, index: u8 },
    /// Copy: the owner is dead; load `seq` again.
    OddAgain { block: u8 },

    /// Detach: clear the bit in `occupied`.
    Unregister,
    /// Detach: `state` becomes FREE.
    Free,
    /// Detach: release the byte.
    ReleaseByte,
}

/// A futex word whose value a thread knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Seen {
    /// None, or it has changed since.
    Stale,
    /// `drain` of a block.
    Drain(u8),
    /// `notify`.
    Notify,
}

/// The private memory of one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Thread {
    /// The next shared access.
    pub step: Step,
    /// Reads or writes yet to do.
    pub todo: u8,
    /// Reader: its entry in the table of pins.
    pub entry: u8,
    /// Reader: the blocks it may look at.
    pub holds: u8,
    /// Writer: the blocks whose `wr` it took.
    pub owns: u8,
    /// Writer: those of them that no reader holds any more.
    pub drained: u8,
    /// Writer: those of them that it made odd.
    pub begun: u8,
    /// Writer: the name of its write.
    pub id: u8,
    /// Writer: gave up waiting.
    pub quits: bool,
    /// Has waited long.
    pub starving: bool,
    /// What it would sleep on.
    pub seen: Seen,
    /// Copier: what `seq` was. Mutant: what `occupied` was.
    pub seqs: [u8; MAX_BLOCKS],
    /// Copier: blocks found poisoned.
    pub poison: u8,
    /// The two halves of each block, as read.
    pub got: [[u8; 2]; MAX_BLOCKS],
}

impl Thread {
    /// A thread that has nothing in hand.
    pub(super) fn at(step: Step, todo: u8) -> Self {
        Self {
            step,
            todo,
            entry: 0,
            holds: 0,
            owns: 0,
            drained: 0,
            begun: 0,
            id: 0,
            quits: false,
            starving: false,
            seen: Seen::Stale,
            seqs: [0; MAX_BLOCKS],
            poison: 0,
            got: [[0; 2]; MAX_BLOCKS],
        }
    }

    /// Whether it still runs.
    pub(super) fn runs(&self) -> bool {
        !matches!(self.step, Step::Dead | Step::Done)
    }

    /// Whether it is in the kernel.
    pub(super) fn sleeps(&self) -> bool {
        matches!(self.step, Step::Asleep { .. } | Step::Drained { .. } | Step::Watching)
    }
}

/// One entry of a process's own table of pins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Entry {
    /// Nobody's.
    #[default]
    Free,
    /// So many guards of this span use it.
    Used { span: u8, guards: u8 },
    /// The last of them is clearing the pin.
    Closing,
}

/// What the threads of one process share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Process {
    /// Its record, once attached.
    pub index: Option<u8>,
    /// How many guards use each pin.
    pub entries: [Entry; MAX_PINS],
    /// One of its threads is looking for the dead.
    pub reaping: bool,
}
