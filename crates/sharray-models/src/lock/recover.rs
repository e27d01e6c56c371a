//! Recovery (section 4): proof of death, then every word that names the dead one, then its record, then the byte.
//!
//! Whoever recovers may die too, after any store. The next one starts from the beginning, so each stage must be
//! repeatable and nothing may still name the record once it is FREE: nobody would ever look at it again. Its wakes are
//! one with the stores they follow: since somebody died, everyone's slices are there to make up for a lost one.
//!
//! A thread holds its process's mutex from the probe to the release of the byte, because the kernel's lock does not
//! keep the threads of one attach apart.

use super::memory::{Memory, Record, mark};
use super::process::{Process, Resume, Role, Step, Thread};
use super::{Lock, Mutant, State};

/// One store of recover(i).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    Poison(u8),
    Even(u8),
    Free(u8),
    Holds,
    Wakes,
    Unregister,
    FreeRecord,
}

use Store::{Even, Free, FreeRecord, Holds, Poison, Unregister, Wakes};

const ORDER: [Store; 10] =
    [Poison(0), Even(0), Free(0), Poison(1), Even(1), Free(1), Holds, Wakes, Unregister, FreeRecord];
const FREE_BEFORE_POISON: [Store; 10] =
    [Free(0), Poison(0), Even(0), Free(1), Poison(1), Even(1), Holds, Wakes, Unregister, FreeRecord];
const EVEN_BEFORE_POISON: [Store; 10] =
    [Even(0), Poison(0), Free(0), Even(1), Poison(1), Free(1), Holds, Wakes, Unregister, FreeRecord];
const RECORD_FIRST: [Store; 10] =
    [Unregister, FreeRecord, Poison(0), Even(0), Free(0), Poison(1), Even(1), Free(1), Holds, Wakes];

impl Lock {
    fn stores(&self) -> &'static [Store; 10] {
        match self.mutant {
            Mutant::FreeBeforePoison => &FREE_BEFORE_POISON,
            Mutant::EvenBeforePoison => &EVEN_BEFORE_POISON,
            Mutant::RecordFirst => &RECORD_FIRST,
            _ => &ORDER,
        }
    }

    /// Whether a store changes anything. What the dead one owned, nobody else changes, so this may be asked beforehand.
    ///
    /// `next`: the store before it was just made. A mutant in another order remembers from there on what it saw, and
    /// whoever begins again after its death does not.
    fn applies(&self, mem: &Memory, index: u8, store: Store, next: bool) -> bool {
        match (store, self.mutant) {
            (Poison(b) | Even(b) | Free(b), _) if b >= self.blocks => false,
            (Poison(_), Mutant::NoPoison) | (Even(_), Mutant::NeverEven) | (Holds, Mutant::KeepHolds) => false,
            (Free(b), _) | (Poison(b), Mutant::PoisonAlways) => mem.owned_by(b, index),
            (Poison(_), Mutant::EvenBeforePoison) => next,
            (Poison(b) | Even(b), Mutant::FreeBeforePoison) => next && mem.odd(b),
            (Poison(b) | Even(b), _) => mem.odd(b) && mem.owned_by(b, index),
            (Holds | Wakes | Unregister | FreeRecord, _) => true,
        }
    }

    /// The next store from `stage` on that changes anything.
    fn stage(&self, mem: &Memory, index: u8, stage: u8) -> Option<u8> {
        let stores = self.stores();
        (stage..10).find(|k| self.applies(mem, index, stores[usize::from(*k)], *k == stage && stage > 0))
    }

    fn apply(mem: &mut Memory, index: u8, store: Store) {
        match store {
            Poison(b) => mem.poison |= 1 << b,
            Even(b) => mem.seq[usize::from(b)] += 1,
            Free(b) => *mem.word_mut(b) = 0,
            Holds => {
                let Record { generation, live, .. } = *mem.record(index);
                *mem.record_mut(index) = Record { generation, live, ..Record::default() };
            }
            Wakes => mem.waiting = false,
            Unregister => mem.occupied &= !(1 << index),
            FreeRecord => mem.record_mut(index).live = false,
        }
    }

    pub(super) fn recover(&self, s: &mut State, p: usize) -> Step {
        let process = self.process(p);
        match s.threads[p].step {
            Step::Probe { index, resume } => {
                let byte = &mut s.mem.bytes[usize::from(index)];
                if *byte == 0 || *byte == mark(process) {
                    *byte = mark(process);
                } else if self.mutant != Mutant::FalseDeath {
                    return Self::resumed(resume);
                }
                s.processes[process].reaping = true;
                Step::Reread { index, resume }
            }
            Step::Reread { index, resume } if s.mem.record(index).live => self.recover_from(s, index, 0, resume),
            Step::Reread { index, resume } => Step::Unlock { index, resume },
            Step::Recover { index, stage, resume } => {
                let store = self.stores()[usize::from(stage)];
                Self::apply(&mut s.mem, index, store);
                match store {
                    _ if self.mutant == Mutant::Silent => {}
                    Free(block) => s.wake(|step| step == Step::Asleep { block }, false),
                    Wakes => {
                        (0..self.blocks).for_each(|block| s.bump_drain(block));
                        s.bump_notify();
                    }
                    _ => {}
                }
                self.recover_from(s, index, stage + 1, resume)
            }
            Step::Unlock { index, resume } => {
                if s.mem.bytes[usize::from(index)] == mark(process) {
                    s.mem.bytes[usize::from(index)] = 0;
                }
                s.processes[process].reaping = false;
                if resume == Resume::Detach {
                    s.processes[process] = Process::default();
                    return Step::Done;
                }
                Self::resumed(resume)
            }
            other => unreachable!("{other:?} is no step of recovery"),
        }
    }

    fn recover_from(&self, s: &State, index: u8, stage: u8, resume: Resume) -> Step {
        match self.stage(&s.mem, index, stage) {
            Some(stage) => Step::Recover { index, stage, resume },
            None if resume == Resume::Attach => Step::Register { index },
            None => Step::Unlock { index, resume },
        }
    }

    /// A detach does for itself what others would do for the dead.
    pub(super) fn forget(&self, s: &mut State, p: usize) -> Step {
        let index = s.processes[self.process(p)].index.expect("only who is attached detaches");
        if self.mutant == Mutant::ForgottenKept {
            return Step::Unregister;
        }
        self.recover_from(s, index, 0, Resume::Detach)
    }

    fn resumed(resume: Resume) -> Step {
        match resume {
            Resume::Attach | Resume::Detach => unreachable!("they keep the byte"),
            Resume::Wait(block) => Step::WaitLook { block },
            Resume::Drain(block) => Step::ScanBits { block, again: false },
            Resume::Watch => Step::WatchLoad,
        }
    }

    /// A9: whoever goes on from `stage`, and whoever starts again after a death there, leaves the same memory, but for
    /// the bit that says that somebody sleeps: a wake may be repeated.
    pub(super) fn repeats(&self, s: &State) -> bool {
        s.threads.iter().all(|thread| match thread.step {
            Step::Recover { index, stage, .. } => {
                let mut on = s.mem.clone();
                self.run(&mut on, index, stage);
                let mut again = s.mem.clone();
                if again.record(index).live {
                    self.run(&mut again, index, 0);
                }
                (on.waiting, again.waiting) = (false, false);
                on == again
            }
            _ => true,
        })
    }

    fn run(&self, mem: &mut Memory, index: u8, from: u8) {
        let mut stage = self.stage(mem, index, from);
        while let Some(k) = stage {
            Self::apply(mem, index, self.stores()[usize::from(k)]);
            stage = self.stage(mem, index, k + 1);
        }
    }

    /// SIGKILL: the threads are gone, the kernel releases the bytes, the words stay.
    pub(super) fn kill(&self, s: &mut State, process: usize) {
        s.ghost.crashes += 1;
        for p in 0..self.threads.len() {
            if self.process(p) != process {
                continue;
            }
            if let Step::Recover { index, .. } = s.threads[p].step {
                s.ghost.interrupted |= 1 << index;
            }
            s.ghost.broken |= (0..self.blocks)
                .filter(|b| s.threads[p].begun & 1 << b != 0 && s.mem.odd(*b))
                .fold(0, |m, b| m | 1 << b);
            s.threads[p] = Thread::at(Step::Dead, 0);
        }
        s.processes[process] = Process::default();
        s.mem.release_bytes(process);
    }

    /// Whether a process has a record, and so something to recover.
    pub(super) fn has_record(&self, process: usize) -> bool {
        (0..self.threads.len()).any(|p| self.process(p) == process && !matches!(self.role(p), Role::Copy(_)))
    }
}
