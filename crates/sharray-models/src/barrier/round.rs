//! A round: arriving, waiting, giving up; and what must hold when it is over.

use super::{Bar, Barrier, Burial, Fault, GONE, History, MEMBER, Outcome, Round, Slip, State, Step, TIME};

impl Barrier {
    pub(super) fn go_round(&self, s: &mut State, p: usize) -> Step {
        let me = s.processes[p];
        match me.step {
            Step::Begin => self.begin(s, p),
            Step::Arrive => {
                s.arrived[p] = self.mark(me.round);
                let history = &mut s.history[usize::from(me.round.generation)];
                let place = if me.round.is_reset { &mut history.in_reset } else { &mut history.arrived };
                place[p] = s.incarnation[p];
                if self.slip == Slip::ScanFirst { Step::Check } else { self.scan(s, p) }
            }
            Step::Scan { at } => match self.other(p, at) {
                Some(other) if s.arrived[other] != self.mark(me.round) => self.scanned(Step::Check),
                Some(_) => Step::Scan { at: at + 1 },
                None => Step::Load,
            },
            Step::Load => {
                s.processes[p].seen = s.bar;
                match Self::outcome(me.round, s.bar) {
                    Some(_) if self.slip != Slip::BlindCount => Step::Check,
                    _ => Step::Count,
                }
            }
            Step::Count if s.bar != me.seen => Step::Load,
            Step::Count => {
                Self::count(s, me.round.is_reset);
                Step::Wake
            }
            Step::Wake => {
                self.wake_all(s, p);
                match self.slip {
                    Slip::NoConfirm => Step::Check,
                    _ if me.round.is_reset => Step::Confirm { at: 0 },
                    _ => Step::Check,
                }
            }
            Step::Confirm { at } => self.confirm(s, p, at),
            Step::Check => {
                s.processes[p].seen = s.bar;
                Self::outcome(me.round, s.bar).map_or(Step::Arm, |outcome| self.end(s, p, outcome))
            }
            Step::Arm => self.arm(s, p),
            Step::Sleep => {
                let is_as_expected = s.bar == Bar { waiting: true, ..me.seen };
                s.processes[p].woken = false;
                if is_as_expected { Step::Asleep } else { Step::Check }
            }
            Step::Asleep => Step::Check,
            Step::Around { at } => match self.other(p, at) {
                Some(other) => {
                    let is_missing = s.arrived[other] != self.mark(me.round) && s.arrived[other] != GONE;
                    if is_missing && self.slip != Slip::NoLookAround {
                        self.prove_dead(s, p, other);
                    }
                    Step::Around { at: at + 1 }
                }
                None if self.slip == Slip::NoRescan => Step::Check,
                None => self.scan(s, p),
            },
            Step::GiveUp => self.give_up(s, p),
            other => unreachable!("{other:?} is no step of a round"),
        }
    }

    /// With its mark set last, a rank is done when it has arrived.
    fn scanned(&self, step: Step) -> Step {
        if self.slip == Slip::ScanFirst { Step::Arrive } else { step }
    }

    fn scan(&self, s: &mut State, p: usize) -> Step {
        s.processes[p].members = s.incarnation;
        let is_here = |rank: usize| s.live[rank] || self.slip == Slip::AnyState;
        let waits_for_all = !s.processes[p].round.is_reset || (0..usize::from(self.ranks)).all(is_here);
        if waits_for_all { Step::Scan { at: 0 } } else { Step::Check }
    }

    fn begin(&self, s: &mut State, p: usize) -> Step {
        let Bar { generation, breach, .. } = s.bar;
        if breach != 0 && generation < self.rounds {
            Self::told(s, generation, breach);
        }
        if generation >= self.rounds || (breach != 0 && !self.respawns) {
            s.fresh = false;
            s.gone |= 1 << p;
            s.processes[p].burial = Some((u8::try_from(p).expect("a handful of processes"), Burial::Withdraw));
            return Step::Leave;
        }
        s.processes[p].round = Round { generation, is_reset: breach != 0 };
        if self.slip == Slip::ScanFirst { self.scan(s, p) } else { Step::Arrive }
    }

    fn outcome(round: Round, bar: Bar) -> Option<Outcome> {
        match bar.breach {
            _ if bar.generation != round.generation => Some(Outcome::Passed),
            0 => None,
            _ if round.is_reset => None,
            breach => Some(Outcome::Broken(breach)),
        }
    }

    /// The next generation, with nothing wrong.
    pub(super) fn count(s: &mut State, after_reset: bool) {
        s.bar = Bar { generation: s.bar.generation + 1, waiting: false, breach: 0 };
        let generation = usize::from(s.bar.generation);
        s.history.resize(generation + 1, History::default());
        s.history[generation].after_reset = after_reset;
    }

    fn confirm(&self, s: &mut State, p: usize, at: u8) -> Step {
        let Some(other) = self.other(p, at) else { return Step::Check };
        let is_other = s.incarnation[other] != s.processes[p].members[other] && self.slip != Slip::ConfirmMarks;
        let is_gone = matches!(s.arrived[other], GONE | MEMBER);
        if (is_gone || is_other) && s.bar.breach == 0 {
            // One step for load and compare-and-swap: nobody else can count this round.
            s.processes[p].seen = s.bar;
            Self::break_round(s, u8::try_from(other + 1).expect("a handful of processes"));
            self.wake_all(s, p);
        }
        Step::Confirm { at: at + 1 }
    }

    fn arm(&self, s: &mut State, p: usize) -> Step {
        let seen = s.processes[p].seen;
        if s.bar != seen && self.slip != Slip::BlindArm {
            return Step::Check;
        }
        s.bar = Bar { waiting: true, ..seen };
        Step::Sleep
    }

    /// Load and compare-and-swap in one step: they are tried until both see the same.
    fn give_up(&self, s: &mut State, p: usize) -> Step {
        let round = s.processes[p].round;
        s.processes[p].seen = s.bar;
        if round.is_reset {
            s.arrived[p] = MEMBER;
            s.gone |= 1 << p;
            // It asks again, as those do who have patience.
            return if s.bar.generation == round.generation { Step::Begin } else { Step::Check };
        }
        if Self::outcome(round, s.bar).is_none() || self.slip == Slip::BlindBreak {
            Self::break_round(s, TIME);
            self.wake_all(s, p);
        }
        Step::Check
    }

    /// A round is over for this process.
    fn end(&self, s: &mut State, p: usize, outcome: Outcome) -> Step {
        let round = s.processes[p].round;
        let history = s.history[usize::from(round.generation)];
        let ranks = usize::from(self.ranks);
        match outcome {
            Outcome::Passed if round.is_reset => {
                // Whoever gave the reset up, or died in it, will break what follows: that is seen there.
                if history.in_reset.iter().take(ranks).any(|&incarnation| incarnation == 0) {
                    s.fault = Some(Fault::Early);
                }
            }
            Outcome::Passed => {
                Self::same(s, round.generation, outcome);
                if history.arrived.iter().take(ranks).any(|&incarnation| incarnation == 0) {
                    s.fault = Some(Fault::Early);
                }
                let before = s.history[usize::from(round.generation).saturating_sub(1)].in_reset;
                if history.after_reset && history.arrived != before {
                    s.fault = Some(Fault::NotInReset);
                }
            }
            Outcome::Broken(breach) => Self::told(s, round.generation, breach),
        }
        Step::Begin
    }

    fn same(s: &mut State, generation: u8, outcome: Outcome) {
        let place = &mut s.history[usize::from(generation)].outcome;
        if *place.get_or_insert(outcome) != outcome {
            s.fault = Some(Fault::TwoOutcomes);
        }
    }

    /// A process is told what broke a round.
    fn told(s: &mut State, generation: u8, breach: u8) {
        Self::same(s, generation, Outcome::Broken(breach));
        if breach != TIME && s.gone >> (breach - 1) & 1 == 0 {
            s.fault = Some(Fault::WrongDeath);
        }
        if s.fresh {
            s.fault = Some(Fault::NotFresh);
        }
    }
}
