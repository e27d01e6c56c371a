//! Who appends and who commits, step by step as `src/protocol/growable.rs` and `src/protocol/commit.rs` have them.

use super::{ROWS, Slip, State, Superblock, TORN, Table, superblock};

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Take,
    /// Where the rows go, and whether there is room.
    Look,
    Grow {
        start: u8,
        end: u8,
    },
    Reserved {
        start: u8,
        end: u8,
    },
    Fill {
        start: u8,
        end: u8,
        row: u8,
        half: u8,
    },
    Publish {
        start: u8,
        end: u8,
    },
    Free,
    Count,
    Lock {
        len: u8,
    },
    Pending {
        len: u8,
    },
    Settled {
        len: u8,
    },
    SyncRows {
        len: u8,
    },
    SetPending {
        len: u8,
    },
    /// From here on `of` rows are made durable: as many as there were, or as another was about to.
    Tear {
        len: u8,
        of: u8,
    },
    Write {
        len: u8,
        of: u8,
        page: usize,
    },
    SyncSuperblock {
        len: u8,
        of: u8,
        page: usize,
    },
    SetDurable {
        len: u8,
        of: u8,
    },
    ClearPending {
        len: u8,
        of: u8,
    },
    Unlock {
        len: u8,
    },
    Done,
}

pub(super) fn begin(appends: bool, todo: &[u8]) -> Step {
    match (todo, appends) {
        ([], _) => Step::Done,
        (_, true) => Step::Take,
        (_, false) => Step::Count,
    }
}

/// The pages of some rows.
fn rows(from: u8, to: u8) -> u8 {
    (from..to).fold(0, |pages, row| pages | 1 << row)
}

impl Table {
    pub(super) fn may_step(&self, s: &State, p: usize) -> bool {
        match s.processes[p].step {
            Step::Take => {
                let owner = s.wr.checked_sub(1).map(|owner| &s.processes[usize::from(owner)]);
                let is_dead = |step: Step| step == Step::Done;
                owner.is_none_or(|owner| is_dead(owner.step)) || self.slip == Slip::FalseDeath
            }
            // Nothing to be committed is no commit.
            Step::Count => s.memory.len > s.durable,
            Step::Lock { .. } => s.lock == 0,
            _ => true,
        }
    }

    pub(super) fn append(&self, s: &mut State, p: usize) -> Step {
        match s.processes[p].step {
            Step::Take => {
                s.wr = p as u8 + 1;
                Step::Look
            }
            Step::Look => self.look(s, p),
            Step::Grow { start, end } => {
                s.happened.reserved |= s.space >= end;
                s.space = s.space.max(end);
                match self.slip {
                    Slip::CapFirst | Slip::CapLast => self.fill(start, end),
                    _ => Step::Reserved { start, end },
                }
            }
            Step::Reserved { start, end } => {
                s.cap = end;
                match self.slip {
                    Slip::CapFirst => Step::Grow { start, end },
                    Slip::CapLast => Step::Free,
                    _ => self.fill(start, end),
                }
            }
            Step::Fill { start, end, row, half: 0 } => {
                s.store_row(row, TORN);
                Step::Fill { start, end, row, half: 1 }
            }
            Step::Fill { start, end, row, .. } => {
                s.store_row(row, s.fillings);
                if row + 1 < end {
                    return Step::Fill { start, end, row: row + 1, half: 0 };
                }
                match self.slip {
                    Slip::LenFirst => Step::Free,
                    Slip::RoleBeforeLen => {
                        s.wr = 0;
                        Step::Publish { start, end }
                    }
                    _ => Step::Publish { start, end },
                }
            }
            Step::Publish { start, end } => {
                s.happened.appended |= s.cut_short;
                s.store_len(end, s.fillings);
                match self.slip {
                    Slip::LenFirst => Step::Fill { start, end, row: start, half: 0 },
                    Slip::CapLast if s.cap < end => Step::Reserved { start, end },
                    _ => Step::Free,
                }
            }
            _ => {
                s.wr = if usize::from(s.wr) == p + 1 { 0 } else { s.wr };
                s.processes[p].todo.remove(0);
                begin(true, &s.processes[p].todo)
            }
        }
    }

    fn look(&self, s: &mut State, p: usize) -> Step {
        let start = s.memory.len;
        let end = start + s.processes[p].todo[0];
        if usize::from(end) > ROWS {
            return Step::Free;
        }
        s.fillings += 1;
        match self.slip {
            _ if s.cap.max(start) >= end => self.fill(start, end),
            Slip::CapFirst => Step::Reserved { start, end },
            _ => Step::Grow { start, end },
        }
    }

    fn fill(&self, start: u8, end: u8) -> Step {
        if self.slip == Slip::LenFirst {
            Step::Publish { start, end }
        } else {
            Step::Fill { start, end, row: start, half: 0 }
        }
    }

    pub(super) fn commit(&self, s: &mut State, p: usize) -> Step {
        match s.processes[p].step {
            Step::Count => Step::Lock { len: s.memory.len },
            Step::Lock { len } => {
                s.lock = p as u8 + 1;
                Step::Pending { len }
            }
            Step::Pending { len } => self.finish(s, len),
            Step::Settled { len } if s.durable >= len && self.slip != Slip::FewerAgain => Step::Unlock { len },
            Step::Settled { len } => match self.slip {
                Slip::OneSync | Slip::SuperblockFirst => Step::SetPending { len },
                _ => Step::SyncRows { len },
            },
            Step::SyncRows { len } => {
                s.sync(rows(s.durable.min(len), len));
                if self.slip == Slip::SuperblockFirst {
                    Step::SetDurable { len, of: len }
                } else {
                    Step::SetPending { len }
                }
            }
            Step::SetPending { len } => {
                s.pending = len;
                Step::Tear { len, of: len }
            }
            step => self.make_durable(s, p, step),
        }
    }

    fn finish(&self, s: &mut State, len: u8) -> Step {
        let of = s.pending;
        s.happened.finished |= of != 0 && of != s.durable;
        if of == 0 || of == s.durable || self.slip == Slip::NoRollForward {
            s.pending = 0;
            return Step::Settled { len };
        }
        Step::Tear { len, of }
    }

    fn make_durable(&self, s: &mut State, p: usize, step: Step) -> Step {
        match step {
            Step::Tear { len, of } => {
                let page = self.page(s, of);
                s.store_superblock(page, Superblock::default());
                Step::Write { len, of, page }
            }
            Step::Write { len, of, page } => {
                let number = s.memory.superblocks[1 - page].number + 1;
                s.store_superblock(page, Superblock { number, len: of });
                if self.slip == Slip::DurableEarly {
                    Step::SetDurable { len, of }
                } else {
                    Step::SyncSuperblock { len, of, page }
                }
            }
            Step::SyncSuperblock { len, of, page } => {
                s.sync(superblock(page) | if self.slip == Slip::OneSync { rows(0, of) } else { 0 });
                match self.slip {
                    Slip::DurableEarly => Step::ClearPending { len, of },
                    Slip::SuperblockFirst => Step::SyncRows { len },
                    _ => Step::SetDurable { len, of },
                }
            }
            Step::SetDurable { len, of } => {
                let page = self.page(s, of);
                s.durable = of;
                if self.slip == Slip::DurableEarly {
                    Step::SyncSuperblock { len, of, page }
                } else {
                    Step::ClearPending { len, of }
                }
            }
            Step::ClearPending { len, of } => {
                s.pending = 0;
                if len == of { Step::Unlock { len } } else { Step::Settled { len } }
            }
            Step::Unlock { len } => {
                s.lock = 0;
                s.happened.went_on |= s.cuts > 0 && len > s.confirmed;
                s.confirmed = s.confirmed.max(len);
                s.processes[p].todo.remove(0);
                begin(false, &s.processes[p].todo)
            }
            _ => Step::Done,
        }
    }

    /// The superblock to overwrite.
    fn page(&self, s: &State, of: u8) -> usize {
        match self.slip {
            Slip::Parity => usize::from(of % 2),
            Slip::OneSuperblock => 0,
            _ if s.durable == 0 => 0,
            _ => usize::from(s.memory.superblocks[0].number > 0 && s.memory.superblocks[0].len == s.durable),
        }
    }
}
