//! Writing: take the blocks in rising order, wait for each one's readers to go, write, and give them back.
//!
//! `seq` and the data of a block have one writer, the owner of its `wr`, so its loads of them belong to its next store.
//! A count of `drain` or `notify` and the wake that follows are one step: a sleeper cannot tell them apart, and who is
//! killed between the two leaves the sleepers to their slices, as who is killed before them does.

use super::memory::{DRAIN, TURN, WAITERS, after, bits, first, owner, tag};
use super::process::{Resume, Role, Seen, Step};
use super::{Lock, Mutant, State};

impl Lock {
    /// The first step of a write.
    pub(super) fn begin_write(&self, p: usize) -> Step {
        if self.mutant == Mutant::ClearUnlocked && matches!(self.role(p), Role::Clear(_)) {
            return Step::Accept { block: first(self.span(p)) };
        }
        self.take_step(self.lowest(p))
    }

    pub(super) fn take_step(&self, block: u8) -> Step {
        if self.mutant == Mutant::BitsBeforeTake { Step::Bits { block } } else { Step::Take { block } }
    }

    /// The block that is taken first.
    fn lowest(&self, p: usize) -> u8 {
        let span = self.span(p);
        if self.falls(p) { bits(span).last().expect("a span has a block") } else { first(span) }
    }

    /// The block that is taken after `block`.
    fn next(&self, p: usize, block: u8) -> Option<u8> {
        if self.falls(p) { bits(self.span(p)).filter(|b| *b < block).last() } else { after(self.span(p), block) }
    }

    /// One of the writers takes its blocks in falling order: a mutant.
    fn falls(&self, p: usize) -> bool {
        self.mutant == Mutant::FallingOrder && p == 0
    }

    /// Whether a free word may be taken.
    pub(super) fn may_take(&self, s: &State, p: usize, block: u8) -> bool {
        let gives_way = self.mutant == Mutant::GiveWayForEver && !s.threads[p].starving;
        !gives_way || s.mem.word(block) & TURN == 0 || owner(s.mem.word(block)).is_some()
    }

    pub(super) fn take(&self, s: &mut State, p: usize) -> Step {
        match s.threads[p].step {
            Step::Bits { block } => {
                s.threads[p].seqs[0] = s.mem.occupied;
                Step::Take { block }
            }
            Step::Take { block } => {
                let index = s.processes[self.process(p)].index.expect("a writer is attached");
                let word = s.mem.word(block);
                if owner(word).is_some() || (self.mutant == Mutant::TurnIsOwner && word & TURN != 0) {
                    return Step::WaitLook { block };
                }
                *s.mem.word_mut(block) = tag(index, s.mem.record(index).generation);
                s.threads[p].owns |= 1 << block;
                s.threads[p].starving = false;
                match self.mutant {
                    Mutant::NoDrain => self.drained(s, p, block),
                    Mutant::BitsBeforeTake => {
                        let left = std::mem::take(&mut s.threads[p].seqs[0]);
                        self.scan_on(s, p, block, left, 0, false)
                    }
                    _ => Step::ScanBits { block, again: false },
                }
            }
            other => unreachable!("{other:?} takes nothing"),
        }
    }

    pub(super) fn drain(&self, s: &mut State, p: usize) -> Step {
        match s.threads[p].step {
            Step::ScanBits { block, again } => {
                let mut left = s.mem.occupied;
                if let (Mutant::DrainSkipsOwn, Some(own)) = (self.mutant, s.processes[self.process(p)].index) {
                    left &= !(1 << own);
                }
                self.scan_on(s, p, block, left, 0, again)
            }
            Step::Scan { block, left, word, again } => {
                let index = first(left);
                if Self::announces(s, index, word, block) {
                    return self.found(s, p, block, index, again);
                }
                self.scan_on(s, p, block, left, word + 1, again)
            }
            Step::Mark { block } => {
                *s.mem.word_mut(block) |= DRAIN;
                match self.mutant {
                    Mutant::CounterAfterScan => Step::ScanBits { block, again: true },
                    _ => Step::Counter { block },
                }
            }
            Step::Counter { block } => {
                s.threads[p].seen = Seen::Drain(block);
                match self.mutant {
                    Mutant::CounterAfterScan | Mutant::DrainWithoutRescan => Step::DrainSleep { block },
                    _ => Step::ScanBits { block, again: true },
                }
            }
            Step::DrainSleep { block } if s.threads[p].seen == Seen::Drain(block) => Step::Drained { block },
            Step::DrainSleep { block } | Step::Drained { block } => Self::rescan(s, p, block),
            Step::Unmark { block } => {
                let keeps = if self.mutant == Mutant::UnmarkByStore { !(DRAIN | WAITERS | TURN) } else { !DRAIN };
                *s.mem.word_mut(block) &= keeps;
                self.drained(s, p, block)
            }
            other => unreachable!("{other:?} waits for no reader"),
        }
    }

    /// The sleep is over.
    pub(super) fn rescan(s: &mut State, p: usize, block: u8) -> Step {
        s.threads[p].seen = Seen::Stale;
        Step::ScanBits { block, again: false }
    }

    /// The next word to look at, from word `word` of the lowest record in `left`.
    fn scan_on(&self, s: &mut State, p: usize, block: u8, left: u8, word: u8, again: bool) -> Step {
        let words = self.scanned_words();
        if let (Some(_), Some(word)) = (bits(left).next(), bits(words).find(|w| *w >= word)) {
            return Step::Scan { block, left, word, again };
        }
        let left = left & left.saturating_sub(1);
        match bits(words).next() {
            Some(word) if left != 0 => Step::Scan { block, left, word, again },
            _ => {
                s.threads[p].seen = Seen::Stale;
                let marked = s.mem.word(block) & DRAIN != 0 && self.mutant != Mutant::KeepDrain;
                if marked { Step::Unmark { block } } else { self.drained(s, p, block) }
            }
        }
    }

    /// Somebody reads the block.
    fn found(&self, s: &mut State, p: usize, block: u8, index: u8, again: bool) -> Step {
        if self.mutant != Mutant::DrainIgnoresDeath && self.looks_dead(s, p, index) {
            s.threads[p].seen = Seen::Stale;
            return Step::Probe { index, resume: Resume::Drain(block) };
        }
        match (again, self.mutant) {
            (true, Mutant::CounterAfterScan) => Step::Counter { block },
            (true, _) => Step::DrainSleep { block },
            (false, _) => Step::Mark { block },
        }
    }

    /// Nobody reads the block any more.
    fn drained(&self, s: &mut State, p: usize, block: u8) -> Step {
        s.threads[p].drained |= 1 << block;
        match self.next(p, block) {
            _ if self.mutant == Mutant::OddEarly => Step::Odd { block },
            Some(block) => self.take_step(block),
            None if matches!(self.role(p), Role::Clear(_)) => Step::Cleanse { block: first(self.span(p)) },
            None => Step::Odd { block: first(self.span(p)) },
        }
    }

    /// The deadline has passed: what was taken is given back. Nothing was written, so nothing is poisoned.
    pub(super) fn quit(&self, s: &mut State, p: usize) -> Step {
        s.threads[p].seen = Seen::Stale;
        let owns = s.threads[p].owns;
        if owns == 0 || self.mutant == Mutant::QuitKeeps {
            return self.finish(s, p);
        }
        s.threads[p].quits = true;
        Step::Release { block: first(owns) }
    }

    pub(super) fn write(&self, s: &mut State, p: usize) -> Step {
        let span = self.span(p);
        match s.threads[p].step {
            Step::Odd { block } => {
                if s.threads[p].id == 0 {
                    s.ghost.writes += 1;
                    s.threads[p].id = s.ghost.writes;
                }
                let seq = &mut s.mem.seq[usize::from(block)];
                *seq = (*seq & !1) + 1;
                s.threads[p].begun |= 1 << block;
                match after(span, block) {
                    Some(block) if self.mutant == Mutant::OddEarly => self.take_step(block),
                    Some(block) => Step::Odd { block },
                    None => Step::Store { block: first(span), half: 0 },
                }
            }
            Step::Store { block, half } => {
                s.mem.data[usize::from(block)][usize::from(half)] = s.threads[p].id;
                self.stored(s, p, block, half)
            }
            Step::Poison { block } => {
                s.mem.poison |= 1 << block;
                if self.mutant == Mutant::PanicPoisonsLate { self.freed(s, p, block) } else { Step::Even { block } }
            }
            Step::Accept { block } => {
                s.threads[p].got[usize::from(block)] = s.mem.data[usize::from(block)];
                if s.mem.poison & 1 << block == 0 { self.finish(s, p) } else { Step::Cleanse { block } }
            }
            Step::Cleanse { block } if matches!(self.role(p), Role::Clear(_)) => self.clear(s, p, block),
            Step::Cleanse { block } => {
                s.mem.poison &= !(1 << block);
                s.ghost.broken &= !(1 << block);
                if self.mutant == Mutant::CleanseAfterRelease { self.freed(s, p, block) } else { Step::Even { block } }
            }
            Step::Even { block } => {
                self.commit(s, p, block);
                s.mem.seq[usize::from(block)] = (s.mem.seq[usize::from(block)] | 1) + 1;
                if self.mutant == Mutant::ReleaseBeforeEven { self.freed(s, p, block) } else { Step::Release { block } }
            }
            other => unreachable!("{other:?} writes nothing"),
        }
    }

    fn stored(&self, s: &mut State, p: usize, block: u8, half: u8) -> Step {
        let span = self.span(p);
        match (self.role(p), half, after(span, block)) {
            (Role::Panic(_), ..) => {
                s.ghost.broken |= span;
                self.end_write(s, p, first(span))
            }
            (Role::Forget(_), ..) => {
                s.ghost.broken |= span;
                s.threads[p] = super::Thread::at(s.threads[p].step, 0);
                self.forget(s, p)
            }
            (_, 0, _) => Step::Store { block, half: 1 },
            (_, _, Some(block)) => Step::Store { block, half: 0 },
            _ if self.mutant == Mutant::NotifyBeforeEven => Step::NotifyLook,
            _ => self.end_write(s, p, first(span)),
        }
    }

    /// The first step of the end of one block's write.
    pub(super) fn end_write(&self, s: &State, p: usize, block: u8) -> Step {
        let poisoned = s.mem.poison & 1 << block != 0;
        match (self.role(p), self.mutant) {
            (Role::Clear(_), _) => Step::Cleanse { block },
            (_, Mutant::ReleaseBeforeEven) => Step::Release { block },
            (Role::Panic(_), Mutant::PanicPoisonsLate | Mutant::PanicWithoutPoison) => Step::Even { block },
            (Role::Panic(_), _) => Step::Poison { block },
            (Role::Mend(_), mutant) if poisoned && mutant != Mutant::CleanseAfterRelease => Step::Cleanse { block },
            _ => Step::Even { block },
        }
    }

    /// What is there was looked at, and is good enough.
    fn clear(&self, s: &mut State, p: usize, block: u8) -> Step {
        if s.mem.poison & 1 << block != 0 {
            let unlocked = self.mutant == Mutant::ClearUnlocked;
            let seen = if unlocked { s.threads[p].got } else { s.mem.data }[usize::from(block)];
            s.ghost.truth[usize::from(block)] = seen;
            s.mem.poison &= !(1 << block);
            s.ghost.broken &= !(1 << block);
            if unlocked {
                return self.finish(s, p);
            }
        }
        Step::Release { block }
    }

    /// From the first sequence that is even again, the write is one that was made.
    fn commit(&self, s: &mut State, p: usize, block: u8) {
        let span = self.span(p);
        if block != first(span) || matches!(self.role(p), Role::Panic(_)) {
            return;
        }
        let id = s.threads[p].id;
        s.ghost.committed |= 1 << id;
        for b in bits(span) {
            s.ghost.truth[usize::from(b)] = [id; 2];
        }
        if self.copies_all() {
            let [other, _] = s.ghost.truth[usize::from(block ^ 1)];
            s.ghost.beside[usize::from(id)] = other;
        }
    }

    pub(super) fn release(&self, s: &mut State, p: usize) -> Step {
        match s.threads[p].step {
            Step::Release { block } => {
                let old = std::mem::take(s.mem.word_mut(block));
                let me = &mut s.threads[p];
                (me.owns, me.drained, me.begun) =
                    (me.owns & !(1 << block), me.drained & !(1 << block), me.begun & !(1 << block));
                match (old & WAITERS != 0 && self.mutant != Mutant::IgnoreWaiters, old & TURN != 0) {
                    (true, true) => Step::TurnBack { block },
                    (true, false) => Step::Wake { block },
                    _ => self.released(s, p, block),
                }
            }
            Step::TurnBack { block } => {
                if s.mem.word(block) == 0 || self.mutant == Mutant::TurnStored {
                    *s.mem.word_mut(block) = TURN;
                }
                Step::Wake { block }
            }
            Step::Wake { block } => {
                s.wake(|step| step == Step::Asleep { block }, self.mutant == Mutant::WakeOne);
                self.released(s, p, block)
            }
            other => unreachable!("{other:?} releases nothing"),
        }
    }

    /// A block is free and its waiters are awake.
    fn released(&self, s: &mut State, p: usize, block: u8) -> Step {
        let poisoned = s.mem.poison & 1 << block != 0;
        match (self.role(p), self.mutant) {
            (_, Mutant::ReleaseBeforeEven) if !s.threads[p].quits => {
                let next = after(self.span(p), block);
                next.map_or(Step::Even { block: first(self.span(p)) }, |block| Step::Release { block })
            }
            (Role::Mend(_), Mutant::CleanseAfterRelease) if poisoned => Step::Cleanse { block },
            (Role::Panic(_), Mutant::PanicPoisonsLate) => Step::Poison { block },
            _ => self.freed(s, p, block),
        }
    }

    fn freed(&self, s: &mut State, p: usize, block: u8) -> Step {
        if s.threads[p].quits {
            let owns = s.threads[p].owns;
            return bits(owns).next().map_or_else(|| self.finish(s, p), |block| Step::Release { block });
        }
        match after(self.span(p), block) {
            Some(block) if self.mutant == Mutant::ReleaseBeforeEven => Step::Even { block },
            Some(block) => self.end_write(s, p, block),
            None if self.mutant == Mutant::NotifyBeforeEven || !self.watched() => self.finish(s, p),
            None => Step::NotifyLook,
        }
    }

    pub(super) fn notify(&self, s: &mut State, p: usize) -> Step {
        let bumps = s.threads[p].step == Step::Notify;
        if !bumps && s.mem.waiting {
            return Step::Notify;
        }
        if bumps {
            s.bump_notify();
        }
        if self.mutant == Mutant::NotifyBeforeEven {
            self.end_write(s, p, first(self.span(p)))
        } else {
            self.finish(s, p)
        }
    }
}
