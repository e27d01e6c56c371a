//! Waiting: for the owner of a block, for a change, and what wakes a sleeper.
//!
//! A sleep ends by a wake, or by its slice. Slices go by only once somebody was killed, unless the scenario asks for
//! them, so that a wake that was lost among the living is seen; and only where the look that follows would find
//! something, because looking in vain changes nothing.

use super::memory::{TURN, WAITERS, after, first, owner};
use super::process::{Resume, Role, Seen, Step};
use super::{Lock, Mutant, State};

impl Lock {
    /// Whether a probe of `index` by thread `p` would be worth the system call. Nobody probes its own byte.
    pub(super) fn looks_dead(&self, s: &State, p: usize, index: u8) -> bool {
        let own = s.processes[self.process(p)].index == Some(index);
        if own {
            return self.mutant == Mutant::ProbeOwn;
        }
        s.mem.byte_free(index) || self.mutant == Mutant::FalseDeath
    }

    /// Where a wait for `block` begins again.
    fn retry(&self, s: &State, p: usize, block: u8) -> Step {
        match self.mutant {
            _ if !self.reads(p) => self.take_step(block),
            Mutant::KeepAnnounced => Step::Check { block },
            _ => self.begin_read(s, p),
        }
    }

    pub(super) fn wait(&self, s: &mut State, p: usize, choice: u8) -> Step {
        match s.threads[p].step {
            Step::WaitLook { block } => self.look_at_owner(s, p, block),
            Step::WaitMark { block, word } => {
                s.threads[p].starving |= choice == 1;
                let flags = if s.threads[p].starving { WAITERS | TURN } else { WAITERS };
                let by_or = self.mutant == Mutant::MarkByOr;
                if s.mem.word(block) != word && !by_or {
                    return Step::WaitLook { block };
                }
                *s.mem.word_mut(block) |= flags;
                Step::WaitSleep { block, word: if by_or { s.mem.word(block) } else { word | flags } }
            }
            Step::WaitSleep { block, word } => {
                if s.mem.word(block) == word || self.mutant == Mutant::SleepWithoutCompare {
                    Step::Asleep { block }
                } else {
                    Step::WaitLook { block }
                }
            }
            Step::Asleep { block } => Step::WaitLook { block },
            other => unreachable!("{other:?} waits for no owner"),
        }
    }

    fn look_at_owner(&self, s: &State, p: usize, block: u8) -> Step {
        let word = s.mem.word(block);
        let Some((index, _)) = owner(word) else {
            return self.retry(s, p, block);
        };
        if self.mutant != Mutant::WaitIgnoresDeath && self.looks_dead(s, p, index) {
            return Step::Probe { index, resume: Resume::Wait(block) };
        }
        let marked = word & WAITERS != 0 && (!s.threads[p].starving || word & TURN != 0);
        if marked && (s.threads[p].starving || !self.turns) {
            Step::WaitSleep { block, word }
        } else {
            Step::WaitMark { block, word }
        }
    }

    pub(super) fn watch(&self, s: &mut State, p: usize) -> Step {
        let armed_first = self.mutant != Mutant::ArmAfterCheck;
        let fresh = s.threads[p].seen == Seen::Notify;
        match s.threads[p].step {
            Step::WatchLoad => {
                s.threads[p].seen = Seen::Notify;
                if armed_first { Step::WatchArm } else { Step::WatchCheck }
            }
            Step::WatchArm if fresh => {
                s.mem.waiting = true;
                if armed_first { Step::WatchCheck } else { Step::WatchSleep }
            }
            Step::WatchCheck if s.mem.seq[0] >= 2 => self.finish(s, p),
            Step::WatchCheck if armed_first => Step::WatchSleep,
            Step::WatchCheck => Step::WatchArm,
            Step::WatchSleep if fresh => Step::Watching,
            Step::WatchArm | Step::WatchSleep => Step::WatchLoad,
            Step::Watching => {
                s.threads[p].seen = Seen::Stale;
                match owner(s.mem.word(0)) {
                    Some((index, _)) if s.mem.odd(0) && self.looks_dead(s, p, index) => {
                        Step::Probe { index, resume: Resume::Watch }
                    }
                    _ => Step::WatchLoad,
                }
            }
            other => unreachable!("{other:?} waits for no change"),
        }
    }

    /// Whether the look at the end of a slice would find something.
    fn slice_helps(&self, s: &State, p: usize) -> bool {
        let gone = |block: u8| match owner(s.mem.word(block)) {
            Some((index, _)) => self.mutant != Mutant::WaitIgnoresDeath && self.looks_dead(s, p, index),
            None => self.mutant != Mutant::TurnIsOwner || s.mem.word(block) & TURN == 0,
        };
        match s.threads[p].step {
            Step::Asleep { block } => gone(block),
            Step::Drained { block } => {
                let mut readers = self.announced_by(s, block).peekable();
                readers.peek().is_none()
                    || (self.mutant != Mutant::DrainIgnoresDeath && readers.any(|i| self.looks_dead(s, p, i)))
            }
            Step::Watching => s.mem.seq[0] >= 2 || (s.mem.odd(0) && gone(0)),
            _ => true,
        }
    }

    /// Whether the next step of a running thread is enabled.
    pub(super) fn wakes(&self, s: &State, p: usize) -> bool {
        let me = &s.threads[p];
        if me.sleeps() {
            return (self.slices || s.ghost.crashes > 0) && self.slice_helps(s, p);
        }
        match me.step {
            Step::Seek => s.mem.bytes[..usize::from(self.records)].contains(&0),
            Step::Begin => s.processes[self.process(p)].index.is_some(),
            Step::Claim => self.find_entry(s, p).is_some(),
            Step::Probe { .. } => self.mutant == Mutant::NoReapMutex || !s.processes[self.process(p)].reaping,
            Step::Take { block } => self.may_take(s, p, block),
            // A mutant that takes a free word with TURN for a taken one waits here.
            Step::WaitLook { block } if self.mutant == Mutant::TurnIsOwner => s.mem.word(block) != TURN,
            Step::OddOwner { block } => Self::odd_helps(s, block, me.seqs[usize::from(block)]),
            _ => true,
        }
    }

    /// Whether it is in vain that a thread waits, when nobody else has anything to do.
    pub(super) fn waits_rightly(&self, s: &State, p: usize) -> bool {
        match self.role(p) {
            Role::Watch => s.threads[p].step == Step::Watching && s.mem.seq[0] == 0,
            _ => false,
        }
    }

    /// The first step of whoever copies or waits for a change.
    pub(super) fn begin_look(&self, p: usize) -> Step {
        let block = first(self.span(p));
        match (self.role(p), self.mutant) {
            (Role::Copy(_), Mutant::CopyPoisonFirst) => Step::CopyPoison { block },
            (Role::Copy(_), _) => Step::First { block },
            _ => Step::WatchLoad,
        }
    }

    /// The block of a copier's second look after `block`.
    pub(super) fn looked_after(&self, p: usize, block: u8) -> Option<u8> {
        after(self.span(p), block).filter(|_| self.mutant != Mutant::CopyFirstOnly)
    }
}

impl State {
    /// Wakes who sleeps at `asleep`; the first of them only, where a mutant would.
    pub(super) fn wake(&mut self, asleep: impl Fn(Step) -> bool, one: bool) {
        let sleepers = self.threads.iter_mut().filter(|thread| asleep(thread.step));
        for thread in sleepers.take(if one { 1 } else { usize::MAX }) {
            thread.seen = Seen::Stale;
            thread.step = match thread.step {
                Step::Asleep { block } => Step::WaitLook { block },
                Step::Drained { block } => Step::ScanBits { block, again: false },
                _ => Step::WatchLoad,
            };
        }
    }

    /// Counts `drain` up and wakes.
    pub(super) fn bump_drain(&mut self, block: u8) {
        self.outdate(Seen::Drain(block));
        self.wake(|step| step == Step::Drained { block }, false);
    }

    /// Counts `notify` up, clears its waiting bit and wakes.
    pub(super) fn bump_notify(&mut self) {
        self.outdate(Seen::Notify);
        self.mem.waiting = false;
        self.wake(|step| step == Step::Watching, false);
    }

    fn outdate(&mut self, word: Seen) {
        for thread in self.threads.iter_mut().filter(|thread| thread.seen == word) {
            thread.seen = Seen::Stale;
        }
    }
}
