//! Copying without a hold (section 6): every sequence, the bytes, poison, every sequence again.

use super::memory::{after, bits, first, owner};
use super::process::Step;
use super::{Fault, Lock, Mutant, State};

impl Lock {
    pub(super) fn copy(&self, s: &mut State, p: usize) -> Step {
        let span = self.span(p);
        match s.threads[p].step {
            Step::First { block } => {
                s.threads[p].seqs[usize::from(block)] = s.mem.seq[usize::from(block)];
                if s.mem.odd(block) && self.mutant != Mutant::CopyOdd {
                    return Step::OddOwner { block };
                }
                self.looked_after(p, block)
                    .map_or(Step::Copy { block: first(span), half: 0 }, |block| Step::First { block })
            }
            Step::Copy { block, half } => {
                let value = s.mem.data[usize::from(block)][usize::from(half)];
                s.threads[p].got[usize::from(block)][usize::from(half)] = value;
                match (half, after(span, block)) {
                    (0, _) => Step::Copy { block, half: 1 },
                    (_, Some(block)) => Step::Copy { block, half: 0 },
                    _ if matches!(self.mutant, Mutant::CopyPoisonFirst | Mutant::CopyIgnoresPoison) => {
                        self.second(s, p)
                    }
                    _ => Step::CopyPoison { block: first(span) },
                }
            }
            Step::CopyPoison { block } => {
                s.threads[p].poison |= s.mem.poison & 1 << block;
                match after(span, block) {
                    Some(block) => Step::CopyPoison { block },
                    None if self.mutant == Mutant::CopyPoisonFirst => Step::First { block: first(span) },
                    None => self.second(s, p),
                }
            }
            Step::Second { block } if s.mem.seq[usize::from(block)] == s.threads[p].seqs[usize::from(block)] => {
                match self.looked_after(p, block) {
                    Some(block) => Step::Second { block },
                    None => self.accept(s, p),
                }
            }
            Step::Second { .. } => self.copy_again(s, p),
            _ => self.ask(s, p),
        }
    }

    fn second(&self, s: &mut State, p: usize) -> Step {
        if self.mutant == Mutant::CopyWithoutSecondLook {
            return self.accept(s, p);
        }
        Step::Second { block: first(self.span(p)) }
    }

    fn copy_again(&self, s: &mut State, p: usize) -> Step {
        let todo = s.threads[p].todo;
        s.threads[p] = super::Thread::at(Step::Done, todo);
        self.begin_look(p)
    }

    /// A sequence was odd. Whether its writer is dead, a read-only attachment may ask the kernel, and no more.
    fn ask(&self, s: &mut State, p: usize) -> Step {
        match s.threads[p].step {
            Step::OddOwner { block } => match owner(s.mem.word(block)) {
                Some((index, _)) => Step::OddByte { block, index },
                None => self.copy_again(s, p),
            },
            Step::OddByte { block, index } if !s.mem.byte_free(index) => Step::OddOwner { block },
            Step::OddByte { block, .. } if self.mutant == Mutant::AlarmAtOnce => self.alarm(s, p, block),
            Step::OddByte { block, .. } => Step::OddAgain { block },
            Step::OddAgain { block } if s.mem.seq[usize::from(block)] == s.threads[p].seqs[usize::from(block)] => {
                self.alarm(s, p, block)
            }
            Step::OddAgain { .. } => self.copy_again(s, p),
            other => unreachable!("{other:?} is no step of a copier"),
        }
    }

    /// Says that the block is poisoned though nobody has written so yet.
    fn alarm(&self, s: &mut State, p: usize, block: u8) -> Step {
        s.ghost.alarms = true;
        if s.ghost.broken & 1 << block == 0 {
            s.fault(Fault::FalseAlarm);
        }
        self.finish(s, p)
    }

    /// Whether who found `seq` odd has something to do.
    pub(super) fn odd_helps(s: &State, block: u8, seen: u8) -> bool {
        let dead = owner(s.mem.word(block)).is_none_or(|(index, _)| s.mem.byte_free(index));
        s.mem.seq[usize::from(block)] != seen || dead
    }

    /// The copy is given to the caller: each block one write, whole, and all of them as they once stood together.
    fn accept(&self, s: &mut State, p: usize) -> Step {
        let me = &s.threads[p];
        if me.poison == 0 {
            let whole = bits(self.span(p)).all(|b| {
                let [a, b] = me.got[usize::from(b)];
                a == b && s.ghost.committed & 1 << a != 0
            });
            let together = self.span(p) != 3 || s.ghost.stood_together(me.got[0][0], me.got[1][0]);
            s.ghost.copies = true;
            if !whole || !together {
                s.fault(Fault::Torn);
            }
        }
        self.finish(s, p)
    }
}

impl super::Ghost {
    /// Whether there was a moment at which these two writes were the last of their blocks.
    fn stood_together(&self, a: u8, b: u8) -> bool {
        let beside = |id: u8, other: u8| id != 0 && self.beside[usize::from(id)] == other;
        a == b || beside(a, b) || beside(b, a)
    }
}
