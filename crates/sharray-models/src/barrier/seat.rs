//! Joining a team, and being taken out of it: by oneself, or by who found one dead.

use super::{Barrier, Burial, GONE, MEMBER, Process, Slip, State, Step};

fn index(p: usize) -> u8 {
    u8::try_from(p).expect("a handful of processes")
}

impl Barrier {
    /// The steps of joining; those of a round otherwise.
    pub(super) fn step(&self, s: &mut State, p: usize) -> Step {
        let me = s.processes[p];
        let first_other = |step: Step| if self.ranks > 1 { step } else { Step::Look };
        match me.step {
            Step::Lock => {
                s.join = index(p) + 1;
                Step::Seat
            }
            Step::Seat => {
                s.byte[p] = index(p) + 1;
                if s.live[p] {
                    s.processes[p].burial = Some((index(p), Burial::Withdraw));
                }
                Step::Register
            }
            Step::Register => {
                s.live[p] = true;
                s.incarnation[p] += 1;
                if self.slip == Slip::JoinBesideDead { Step::Look } else { first_other(Step::Probe { at: 0 }) }
            }
            Step::Probe { at } => match self.other(p, at) {
                Some(other) => {
                    self.prove_dead(s, p, other);
                    Step::Probe { at: at + 1 }
                }
                None => Step::Look,
            },
            Step::Look => {
                s.processes[p].seen = s.bar;
                match s.bar.breach {
                    0 => Step::Enter,
                    _ if self.slip == Slip::AlwaysRenew => Step::Renew,
                    _ => Step::Members { at: 0 },
                }
            }
            Step::Members { at } => match self.other(p, at) {
                Some(other) if s.arrived[other] != GONE => Step::Enter,
                Some(_) => Step::Members { at: at + 1 },
                None => Step::Renew,
            },
            Step::Renew => {
                if s.bar == me.seen {
                    Self::count(s, false);
                    s.renewed = true;
                }
                Step::Enter
            }
            Step::Enter => {
                s.arrived[p] = MEMBER;
                Step::Unlock
            }
            Step::Unlock => {
                s.join = if s.join == index(p) + 1 { 0 } else { s.join };
                Step::Begin
            }
            Step::Leave => {
                s.byte[p] = 0;
                Step::Done
            }
            _ => self.go_round(s, p),
        }
    }

    /// Begins to recover another rank, if it is dead and has left something.
    pub(super) fn prove_dead(&self, s: &mut State, p: usize, other: usize) {
        if self.is_dead(s, other) && s.live[other] {
            s.byte[other] = index(p) + 1;
            s.processes[p].burial = Some((index(other), Burial::Withdraw));
        }
    }

    /// A step of taking a rank out of the team.
    pub(super) fn bury(&self, s: &mut State, p: usize) {
        let Some((rank, stage)) = s.processes[p].burial else { return };
        let i = usize::from(rank);
        let next = match stage {
            Burial::Withdraw if s.arrived[i] == GONE => Some(Burial::Free),
            Burial::Withdraw => {
                match self.slip {
                    Slip::NoWithdrawal => {}
                    Slip::GoneBeforeBreak => s.arrived[i] = GONE,
                    _ => s.arrived[i] = MEMBER,
                }
                Some(if self.slip == Slip::NoBreak { Burial::Forget } else { Burial::Look })
            }
            Burial::Look => {
                s.processes[p].seen = s.bar;
                Some(if s.bar.breach == 0 { Burial::Break } else { Burial::Forget })
            }
            Burial::Break if s.bar == s.processes[p].seen => {
                Self::break_round(s, rank + 1);
                Some(Burial::Wake)
            }
            Burial::Break => Some(Burial::Look),
            Burial::Wake => {
                self.wake_all(s, p);
                Some(Burial::Forget)
            }
            Burial::Forget => {
                s.arrived[i] = GONE;
                Some(Burial::Free)
            }
            Burial::Free => {
                s.live[i] = false;
                // The own lock stays, be it that of one who joins or of one who leaves.
                s.byte[i] = if i == p { index(p) + 1 } else { 0 };
                None
            }
        };
        s.processes[p].burial = next.map(|stage| (rank, stage));
    }

    pub(super) fn break_round(s: &mut State, breach: u8) {
        s.bar.breach = breach;
        s.bar.waiting = false;
    }

    /// Wakes who sleeps, if the word said that somebody does when it was changed.
    pub(super) fn wake_all(&self, s: &mut State, p: usize) {
        if s.processes[p].seen.waiting && self.slip != Slip::NoWake {
            for process in s.processes.iter_mut().filter(|process: &&mut Process| process.step == Step::Asleep) {
                process.woken = true;
            }
        }
    }
}
