//! Reading under a hold: announce, look at `wr` again, read, take the announcement back.
//!
//! The table of pins is the process's own: its entries are accessed one step at a time like shared words, because the
//! threads of one attach race for them.

use super::memory::{DRAIN, TURN, after, bits, first, owner};
use super::process::{End, Entry, Role, Step};
use super::{Fault, Lock, Mutant, State};

impl Lock {
    /// The first step of a read.
    pub(super) fn begin_read(&self, s: &State, p: usize) -> Step {
        let block = first(self.span(p));
        match self.mutant {
            Mutant::NoRecheck => Step::Check { block },
            Mutant::PoisonBeforeIn if s.threads[p].poison == 0 => Step::Poisoned { block },
            _ => self.announce(p),
        }
    }

    fn announce(&self, p: usize) -> Step {
        if self.role(p) == Role::ReadWhole { Step::Announce } else { Step::Claim }
    }

    /// Whether a thread finds an entry: one of the same span that is in use, or a free one.
    pub(super) fn find_entry(&self, s: &State, p: usize) -> Option<usize> {
        let span = self.span(p);
        let entries = &s.processes[self.process(p)].entries[..usize::from(self.pins)];
        let joins = |entry: &Entry| match entry {
            Entry::Used { span: other, .. } => *other == span,
            Entry::Closing => self.mutant == Mutant::JoinClosing,
            Entry::Free => false,
        };
        entries.iter().position(joins).or_else(|| entries.iter().position(|entry| *entry == Entry::Free))
    }

    pub(super) fn read(&self, s: &mut State, p: usize) -> Step {
        let span = self.span(p);
        match s.threads[p].step {
            Step::Claim => {
                let k = self.find_entry(s, p).expect("only enabled if there is one");
                let entry = &mut s.processes[self.process(p)].entries[k];
                let guards = if let Entry::Used { guards, .. } = *entry { guards + 1 } else { 1 };
                *entry = Entry::Used { span, guards };
                s.threads[p].entry = u8::try_from(k).expect("few pins");
                let stores = guards == 1 || self.mutant != Mutant::JoinWithoutStore;
                if stores { Step::Announce } else { Step::Check { block: first(span) } }
            }
            Step::Announce => {
                self.announced(s, p);
                if self.mutant == Mutant::NoRecheck { self.enter(s, p) } else { Step::Check { block: first(span) } }
            }
            Step::Check { block } => self.check(s, p, block),
            Step::ClearTurn { block } => {
                let word = s.mem.word_mut(block);
                if *word == TURN || self.mutant == Mutant::TurnClearedByStore {
                    *word = 0;
                }
                after(span, block).map_or_else(|| self.look_for_poison(p), |block| Step::ClearTurn { block })
            }
            Step::Poisoned { block } => self.poisoned(s, p, block),
            Step::Load { block, half } => self.load(s, p, block, half),
            other => unreachable!("{other:?} is no step of a reader"),
        }
    }

    fn announced(&self, s: &mut State, p: usize) {
        let (span, entry) = (self.span(p), usize::from(s.threads[p].entry));
        let record = s.own_record(self.process(p));
        if self.role(p) != Role::ReadWhole {
            record.pins[entry] = span;
        } else if self.mutant == Mutant::HoldStored {
            record.rd = 1;
        } else {
            record.rd += 1;
        }
    }

    fn check(&self, s: &mut State, p: usize, block: u8) -> Step {
        let word = s.mem.word(block);
        let taken = owner(word).is_some() || (self.mutant == Mutant::TurnIsOwner && word & TURN != 0);
        if taken && matches!(self.mutant, Mutant::NoRecheck | Mutant::KeepAnnounced) {
            return Step::WaitLook { block };
        }
        if taken {
            return self.take_back(p, End::Blocked(block));
        }
        match after(self.span(p), block) {
            Some(block) if self.mutant != Mutant::CheckFirstOnly => Step::Check { block },
            _ if self.mutant == Mutant::NoRecheck => self.announce(p),
            _ => self.enter(s, p),
        }
    }

    /// The hold is had.
    fn enter(&self, s: &mut State, p: usize) -> Step {
        let me = &mut s.threads[p];
        me.holds = self.span(p);
        me.poison = 0;
        if std::mem::take(&mut me.starving) {
            return Step::ClearTurn { block: first(me.holds) };
        }
        self.look_for_poison(p)
    }

    fn look_for_poison(&self, p: usize) -> Step {
        let block = first(self.span(p));
        if self.mutant == Mutant::PoisonBeforeIn { Step::Load { block, half: 0 } } else { Step::Poisoned { block } }
    }

    fn poisoned(&self, s: &mut State, p: usize, block: u8) -> Step {
        let early = self.mutant == Mutant::PoisonBeforeIn;
        if s.mem.poison & 1 << block != 0 {
            return if early { self.finish(s, p) } else { self.take_back(p, End::Told) };
        }
        match after(self.span(p), block) {
            Some(block) => Step::Poisoned { block },
            None if early => {
                s.threads[p].poison = 0x80;
                self.announce(p)
            }
            None => Step::Load { block: first(self.span(p)), half: 0 },
        }
    }

    /// A hold lends bytes: what is read is whole, and it is what was last written.
    fn load(&self, s: &mut State, p: usize, block: u8, half: u8) -> Step {
        let value = s.mem.data[usize::from(block)][usize::from(half)];
        if value != s.ghost.truth[usize::from(block)][usize::from(half)] {
            s.fault(Fault::Torn);
        }
        match (half, after(self.span(p), block)) {
            (0, _) => Step::Load { block, half: 1 },
            (_, Some(block)) => Step::Load { block, half: 0 },
            _ => self.take_back(p, End::Used),
        }
    }

    /// The first step of every end.
    fn take_back(&self, p: usize, end: End) -> Step {
        if self.mutant == Mutant::LookBeforeLeave {
            Step::Look { block: first(self.span(p)), end }
        } else {
            Step::Leave { end }
        }
    }

    pub(super) fn leave(&self, s: &mut State, p: usize) -> Step {
        let entry = usize::from(s.threads[p].entry);
        let process = self.process(p);
        match s.threads[p].step {
            Step::Leave { end } => {
                s.threads[p].holds = 0;
                if self.role(p) == Role::ReadWhole {
                    let rd = &mut s.own_record(process).rd;
                    *rd = rd.saturating_sub(1);
                    return self.left(s, p, end);
                }
                match &mut s.processes[process].entries[entry] {
                    Entry::Used { guards, .. } if *guards > 1 => {
                        *guards -= 1;
                        if self.mutant == Mutant::ClearSharedPin {
                            s.own_record(process).pins[entry] = 0;
                        }
                        self.left(s, p, end)
                    }
                    last if self.mutant == Mutant::FreeEntryFirst => {
                        *last = Entry::Free;
                        Step::ClearPin { end }
                    }
                    last => {
                        *last = Entry::Closing;
                        Step::ClearPin { end }
                    }
                }
            }
            Step::ClearPin { end } => {
                s.own_record(process).pins[entry] = 0;
                if self.mutant == Mutant::FreeEntryFirst { self.left(s, p, end) } else { Step::FreeEntry { end } }
            }
            Step::FreeEntry { end } => {
                s.processes[process].entries[entry] = Entry::Free;
                self.left(s, p, end)
            }
            Step::Look { block, end } => {
                let waits = s.mem.word(block) & DRAIN != 0;
                let silent = match self.mutant {
                    Mutant::NoDrainWake => true,
                    Mutant::NoDrainWakeOnRetreat => matches!(end, End::Blocked(_)),
                    _ => false,
                };
                if waits && !silent { Step::Bump { block, end } } else { self.looked(s, p, block, end) }
            }
            Step::Bump { block, end } => {
                s.bump_drain(block);
                self.looked(s, p, block, end)
            }
            other => unreachable!("{other:?} does not end a read"),
        }
    }

    /// The announcement is gone.
    fn left(&self, s: &mut State, p: usize, end: End) -> Step {
        s.threads[p].entry = 0;
        if self.mutant == Mutant::LookBeforeLeave {
            return self.ended(s, p, end);
        }
        Step::Look { block: first(self.span(p)), end }
    }

    fn looked(&self, s: &mut State, p: usize, block: u8, end: End) -> Step {
        match after(self.span(p), block) {
            Some(block) if self.mutant != Mutant::LookFirstOnly => Step::Look { block, end },
            _ if self.mutant == Mutant::LookBeforeLeave => Step::Leave { end },
            _ => self.ended(s, p, end),
        }
    }

    fn ended(&self, s: &mut State, p: usize, end: End) -> Step {
        match end {
            End::Blocked(block) => Step::WaitLook { block },
            End::Used | End::Told => self.finish(s, p),
        }
    }

    /// Whether record `index` reads `block`, by the scan's word number: 0 is `rd`, the others are pins.
    pub(super) fn announces(s: &State, index: u8, word: u8, block: u8) -> bool {
        let record = s.mem.record(index);
        match word {
            0 => record.rd != 0,
            pin => record.pins[usize::from(pin) - 1] & 1 << block != 0,
        }
    }

    /// The words of a record that this scenario's readers use.
    pub(super) fn scanned_words(&self) -> u8 {
        let whole = self.threads.iter().any(|thread| thread.role == Role::ReadWhole);
        let pins = self.threads.iter().any(|thread| matches!(thread.role, Role::Read(_)));
        let pins = if pins && self.mutant != Mutant::DrainIgnoresPins { ((1 << self.pins) - 1) << 1 } else { 0 };
        pins | u8::from(whole)
    }

    /// Whether somebody's announcement keeps a writer of `block` out.
    pub(super) fn announced_by(&self, s: &State, block: u8) -> impl Iterator<Item = u8> {
        let words = self.scanned_words();
        bits(s.mem.occupied).filter(move |i| bits(words).any(|word| Self::announces(s, *i, word, block)))
    }
}
