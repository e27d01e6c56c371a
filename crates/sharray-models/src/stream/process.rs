//! One process: what it is for, where it stands, and what it keeps in its own memory (lost when it dies).

use super::memory::Frame;

/// What a process does once it is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Claims `prod`, takes over, publishes, closes.
    Producer,
    /// Pins the newest frame.
    Newest,
    /// Takes each frame that is still there, and counts the others.
    Lossy,
    /// Takes every frame, or is told that it lagged.
    Lossless,
    /// Like `Lossy`, but waits for the ring's entry itself and never looks at `head`.
    ///
    /// Nothing in the library reads so today. It is here because takeover's two rules are invisible to all others.
    Eager,
    /// Copies without a pin, like a read-only attachment; trusts the ring's entry as `Eager` does.
    Copier,
}

/// A slot on loan: its version before, and the slots given up so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Loan {
    /// The slot tried now.
    pub slot: u8,
    /// What an undo restores.
    pub old: u8,
    /// Bitmap of slots found pinned.
    pub tried: u8,
}

/// Where to go on after a probe of another's byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Resume {
    /// An attach that keeps the byte.
    Attach,
    /// A claim of `prod`.
    Claim,
    /// A loan, from the gate.
    Gate,
    /// A loan, from the choice of a slot.
    Choose,
}

/// The next shared access of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// Killed.
    Dead,
    /// Detached.
    Done,

    /// Attach: load `occupied`, choose a record.
    Seek { tried: u8 },
    /// Attach: try that record's byte.
    Lock { index: u8, tried: u8 },
    /// Attach: every byte was busy.
    Full,
    /// Attach: load `state` under the byte.
    Inspect { index: u8 },
    /// Attach: set the bit in `occupied`.
    Register { index: u8 },
    /// Attach: `state` becomes LIVE.
    Enliven { index: u8 },

    /// Try the byte of another participant.
    Probe { index: u8, resume: Resume },
    /// Re-read its `state` under the byte.
    Reread { index: u8, resume: Resume },
    /// Recover it; `stage` counts the stores of recover(i).
    Recover { index: u8, stage: u8, resume: Resume },
    /// Release its byte.
    Unlock { index: u8, resume: Resume },

    /// CAS `prod` from 0 or CLOSED.
    Claim,
    /// Takeover: announce what the dead producer had described.
    Finish,
    /// Takeover: zero a version newer than `head`.
    Reset { slot: u8 },
    /// Loan: `intent.store(s)`.
    Intent,
    /// Loan: load `joins`; is the least cursor seen last time still the least?
    GateJoins,
    /// Loan: load `occupied` for the gate.
    GateOccupied,
    /// Loan: load the cursors, one at a time.
    Gate { left: u8 },
    /// Loan: a cursor stands in the way.
    Blocked { by: u8, left: u8 },
    /// Loan: CAS that cursor to EVICTED.
    Evict { whom: u8, cursor: u8, left: u8 },
    /// Loan: choose a slot and make its version odd.
    Choose { tried: u8 },
    /// Loan: every slot outside the ring is pinned.
    Starved,
    /// Loan: load `occupied` for the pins.
    ScanOccupied { loan: Loan },
    /// Loan: load the pins, one at a time.
    Scan { loan: Loan, left: u8 },
    /// Loan: a pin names the slot: restore its version.
    Undo { loan: Loan },
    /// Store one half of the payload.
    Write { slot: u8, half: u8 },
    /// Publish: `ver = 2s`.
    Complete { slot: u8 },
    /// Publish: the ring's entry.
    Describe { slot: u8 },
    /// Publish: `head`.
    Announce { slot: u8 },
    /// Clean end: `prod` becomes CLOSED.
    Close,

    /// Join: load `head`.
    JoinHead,
    /// Join: store the cursor.
    JoinStore,
    /// Join: count it, for producers that remember the least cursor.
    JoinCount,
    /// Join: load `intent`; is the cursor far enough?
    JoinCheck,
    /// Load `head`: is there a frame for me?
    Await,
    /// Load the ring's entry.
    Entry,
    /// Store the pin.
    Pin,
    /// Load `ver`.
    Validate,
    /// CAS the cursor from c to c+1.
    Advance,
    /// Load one half of the payload.
    Read { half: u8 },
    /// Load `ver` again, after a copy.
    Revalidate,
    /// Withdraw the pin; `used` tells whether the frame was delivered.
    Unpin { used: bool },
    /// A frame was not there: load my cursor. EVICTED excuses it, nothing else does.
    AmEvicted,

    /// Detach: zero the cursor.
    LeaveRing,
    /// Detach: clear the bit in `occupied`.
    Unregister,
    /// Detach: `state` becomes FREE.
    Free,
    /// Detach: release the byte.
    Release,
}

/// The private memory of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Process {
    /// The next shared access.
    pub step: Step,
    /// My record, once attached.
    pub index: Option<u8>,
    /// A producer's newest sequence; a consumer's next one.
    pub seq: u8,
    /// Frames yet to publish or to read.
    pub todo: u8,
    /// The frame at hand.
    pub frame: Frame,
    /// The two halves of a payload, as read. A producer keeps the name of its write in the first.
    pub halves: [u8; 2],
    /// Lossy: where it began, plus the frames it received, plus those it counted as missed.
    pub told: u8,
    /// Producer: the least cursor seen at the last scan, and `joins` before it.
    pub least: Least,
}

/// What a producer remembers of the cursors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Least {
    /// The least ACTIVE cursor; 0: not scanned yet.
    pub cursor: u8,
    /// `joins` as loaded before the scan.
    pub joins: u8,
}

impl Process {
    /// A process that has nothing in hand.
    pub(super) fn at(step: Step, index: Option<u8>, todo: u8) -> Self {
        Self { step, index, seq: 0, todo, frame: Frame::default(), halves: [0; 2], told: 0, least: Least::default() }
    }

    /// Whether it still runs.
    pub(super) fn runs(&self) -> bool {
        !matches!(self.step, Step::Dead | Step::Done)
    }

    /// Whether it believes that it holds `prod`.
    pub(super) fn produces(&self) -> bool {
        use Step::{
            Announce, Blocked, Choose, Close, Complete, Describe, Evict, Finish, Gate, GateJoins, GateOccupied, Intent,
            Probe, Recover, Reread, Reset, Scan, ScanOccupied, Starved, Undo, Unlock, Write,
        };
        match self.step {
            Finish
            | Reset { .. }
            | Intent
            | GateJoins
            | GateOccupied
            | Gate { .. }
            | Blocked { .. }
            | Evict { .. }
            | Choose { .. }
            | Starved
            | ScanOccupied { .. }
            | Scan { .. }
            | Undo { .. }
            | Write { .. }
            | Complete { .. }
            | Describe { .. }
            | Announce { .. }
            | Close => true,
            Probe { resume, .. } | Reread { resume, .. } | Recover { resume, .. } | Unlock { resume, .. } => {
                matches!(resume, Resume::Gate | Resume::Choose)
            }
            _ => false,
        }
    }

    /// The slot whose bytes it looks at as `&[T]`: between a validated pin and its unpin.
    pub(super) fn leases(&self, role: Role) -> Option<u8> {
        let looking = match self.step {
            Step::Read { .. } => role != Role::Copier,
            Step::Unpin { used } => used,
            _ => false,
        };
        looking.then_some(self.frame.slot)
    }
}
