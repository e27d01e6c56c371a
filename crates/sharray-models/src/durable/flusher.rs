//! Who commits, step by step as `src/protocol/commit.rs` has them.

use super::{Durable, Frame, NONE, Slip, State, Superblock, payload, superblock};

/// Where a flusher stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Begin,
    Pin {
        frame: Frame,
    },
    Validate {
        frame: Frame,
    },
    Lock {
        frame: Frame,
    },
    /// Finish what another left.
    Pending {
        frame: Frame,
    },
    Settled {
        frame: Frame,
    },
    SyncPayload {
        frame: Frame,
    },
    SetPending {
        frame: Frame,
    },
    /// From here on `of` is made durable: the own frame, or one that another left.
    Tear {
        frame: Frame,
        of: Frame,
    },
    Write {
        frame: Frame,
        of: Frame,
        page: usize,
    },
    SyncSuperblock {
        frame: Frame,
        of: Frame,
        page: usize,
    },
    SetDurable {
        frame: Frame,
        of: Frame,
    },
    ClearPending {
        frame: Frame,
        of: Frame,
    },
    Unlock {
        frame: Frame,
    },
    Unpin,
    Done,
}

/// A process that commits the newest frame a few times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flusher {
    step: Step,
    todo: u8,
}

impl Flusher {
    pub(super) fn new(todo: u8) -> Self {
        Self { step: if todo > 0 { Step::Begin } else { Step::Done }, todo }
    }

    /// The power came again: it starts anew.
    pub(super) fn restart(&mut self) {
        *self = Self::new(self.todo.max(1));
    }

    pub(super) fn die(&mut self) {
        // Another process takes its place, for what it has not begun.
        *self = Self::new(self.todo - 1);
    }

    pub(super) fn has_begun(&self) -> bool {
        !matches!(self.step, Step::Begin | Step::Done)
    }

    pub(super) fn may_step(&self, s: &State) -> bool {
        match self.step {
            Step::Done => false,
            Step::Begin => s.head != NONE,
            Step::Lock { .. } => s.lock == 0,
            _ => true,
        }
    }

    pub(super) fn is_syncing(&self) -> bool {
        matches!(self.step, Step::SyncPayload { .. } | Step::SyncSuperblock { .. })
    }

    fn next(&mut self) -> Step {
        self.todo -= 1;
        if self.todo > 0 { Step::Begin } else { Step::Done }
    }
}

impl Durable {
    pub(super) fn flush(&self, s: &mut State, f: usize) {
        let next = match s.flushers[f].step {
            Step::Begin => Step::Pin { frame: s.head },
            Step::Pin { frame } => {
                if self.slip != Slip::NoPin {
                    s.pins[f] = frame.slot + 1;
                }
                Step::Validate { frame }
            }
            Step::Validate { frame } if s.versions[usize::from(frame.slot)] == 2 * frame.seq => Step::Lock { frame },
            Step::Validate { .. } => {
                s.pins[f] = 0;
                Step::Begin
            }
            Step::Lock { frame } => {
                s.lock = f as u8 + 1;
                if s.lost && self.slip != Slip::Retry { Step::Unpin } else { Step::Pending { frame } }
            }
            Step::Pending { frame } => self.finish(s, frame),
            Step::Settled { frame } if self.is_durable(s, frame) => Step::Unlock { frame },
            Step::Settled { frame } if self.slip == Slip::OneSync => Step::SetPending { frame },
            Step::Settled { frame } => Step::SyncPayload { frame },
            Step::SyncPayload { frame } => {
                s.sync(payload(frame.slot));
                if self.slip == Slip::PendingLate {
                    Step::Tear { frame, of: frame }
                } else {
                    Step::SetPending { frame }
                }
            }
            Step::SetPending { frame } => {
                s.pending = frame;
                Step::Tear { frame, of: frame }
            }
            step => self.make_durable(s, f, step),
        };
        s.flushers[f].step = next;
    }

    fn finish(&self, s: &mut State, frame: Frame) -> Step {
        if s.pending == NONE {
            return Step::Settled { frame };
        }
        let of = s.pending;
        let is_odd = s.versions[usize::from(of.slot)] != 2 * of.seq;
        let forgets = match self.slip {
            Slip::NoRollForward => true,
            Slip::RollForwardByVersion => is_odd,
            _ => false,
        };
        if forgets || of == s.durable {
            s.pending = NONE;
            return Step::Settled { frame };
        }
        s.happened.finished = true;
        Step::Tear { frame, of }
    }

    fn make_durable(&self, s: &mut State, f: usize, step: Step) -> Step {
        match step {
            Step::Tear { frame, of } => {
                let page = self.page(s, of);
                s.store_superblock(page, Superblock::default());
                Step::Write { frame, of, page }
            }
            Step::Write { frame, of, page } => {
                let number = s.memory.superblocks[1 - page].number + 1;
                s.store_superblock(page, Superblock { number, frame: of });
                match self.slip {
                    Slip::DurableEarly => Step::SetDurable { frame, of },
                    _ => Step::SyncSuperblock { frame, of, page },
                }
            }
            Step::SyncSuperblock { frame, of, page } => {
                s.sync(superblock(page) | if self.slip == Slip::OneSync { payload(of.slot) } else { 0 });
                match self.slip {
                    Slip::DurableEarly | Slip::PendingClearedFirst => Step::ClearPending { frame, of },
                    _ => Step::SetDurable { frame, of },
                }
            }
            Step::SetDurable { frame, of } => {
                let page = self.page(s, of);
                if self.slip == Slip::PendingLate && s.pending != of {
                    s.pending = of;
                    return Step::SetDurable { frame, of };
                }
                s.durable = of;
                match self.slip {
                    Slip::DurableEarly => Step::SyncSuperblock { frame, of, page },
                    Slip::PendingClearedFirst => after(frame, of),
                    _ => Step::ClearPending { frame, of },
                }
            }
            Step::ClearPending { frame, of } => {
                s.pending = NONE;
                if self.slip == Slip::PendingClearedFirst { Step::SetDurable { frame, of } } else { after(frame, of) }
            }
            Step::Unlock { frame } => {
                s.lock = 0;
                s.happened.went_on |= s.cuts > 0 && frame.seq > s.confirmed;
                s.confirmed = s.confirmed.max(frame.seq);
                Step::Unpin
            }
            _ => {
                s.lock = if usize::from(s.lock) == f + 1 { 0 } else { s.lock };
                s.pins[f] = 0;
                s.flushers[f].next()
            }
        }
    }

    fn is_durable(&self, s: &State, frame: Frame) -> bool {
        if self.slip == Slip::OlderAgain { s.durable == frame } else { s.durable.seq >= frame.seq }
    }

    /// The superblock to overwrite.
    fn page(&self, s: &State, of: Frame) -> usize {
        match self.slip {
            Slip::Parity => usize::from(of.seq % 2),
            Slip::OneSuperblock => 0,
            _ if s.durable == NONE => 0,
            _ => usize::from(s.memory.superblocks[0].number > 0 && s.memory.superblocks[0].frame == s.durable),
        }
    }

    /// The kernel could not write, has said so once, and takes the pages for written.
    pub(super) fn fail(s: &mut State, f: usize) {
        let pages = match s.flushers[f].step {
            Step::SyncPayload { frame } => payload(frame.slot),
            Step::SyncSuperblock { page, .. } => superblock(page),
            _ => 0,
        };
        s.failures += 1;
        s.dirty &= !pages;
        s.lost = true;
        s.flushers[f].step = Step::Unpin;
    }
}

/// What comes after a frame is durable: one's own, if it was another's.
fn after(frame: Frame, of: Frame) -> Step {
    if frame == of { Step::Unlock { frame } } else { Step::Settled { frame } }
}
