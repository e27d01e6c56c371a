//! Recovery (section 4): proof of death, then every word that names the dead one, then its record, then the byte.
//!
//! Whoever recovers may die too, after any store. The next one starts from the beginning, so each stage must be
//! repeatable and nothing may still name the record once it is FREE: nobody would ever look at it again.

use super::attach::mark;
use super::memory::{Memory, tag};
use super::process::{Resume, Step};
use super::{Mutant, State, Stream};

/// The stores of recover(i), in their order.
const WORDS_FIRST: [fn(&mut Memory, u8); 5] = [producer, pin, cursor, unregister, free];
/// What a hasty author would write: a mutant.
const RECORD_FIRST: [fn(&mut Memory, u8); 5] = [unregister, free, producer, pin, cursor];

fn producer(mem: &mut Memory, index: u8) {
    if mem.prod == tag(index, mem.record(index).generation) {
        mem.prod = 0;
    }
}

fn pin(mem: &mut Memory, index: u8) {
    mem.record_mut(index).pin = 0;
}

fn cursor(mem: &mut Memory, index: u8) {
    mem.record_mut(index).cursor = 0;
}

fn unregister(mem: &mut Memory, index: u8) {
    mem.occupied &= !(1 << index);
}

fn free(mem: &mut Memory, index: u8) {
    mem.record_mut(index).live = false;
}

impl Stream {
    fn stages(&self) -> &'static [fn(&mut Memory, u8); 5] {
        if self.mutant == Mutant::RecordBeforeWords { &RECORD_FIRST } else { &WORDS_FIRST }
    }

    pub(super) fn recover(&self, s: &mut State, p: usize) -> Step {
        match s.procs[p].step {
            Step::Probe { index, resume } => {
                let byte = &mut s.mem.bytes[usize::from(index)];
                if *byte == 0 {
                    *byte = mark(p);
                } else if self.mutant != Mutant::FalseDeath {
                    return resumed(resume);
                }
                Step::Reread { index, resume }
            }
            Step::Reread { index, resume } if s.mem.record(index).live => Step::Recover { index, stage: 0, resume },
            Step::Reread { index, resume } => Step::Unlock { index, resume },
            Step::Recover { index, stage, resume } => {
                let stages = self.stages();
                stages[usize::from(stage)](&mut s.mem, index);
                if usize::from(stage) + 1 < stages.len() {
                    Step::Recover { index, stage: stage + 1, resume }
                } else if resume == Resume::Attach {
                    Step::Register { index }
                } else {
                    Step::Unlock { index, resume }
                }
            }
            Step::Unlock { index, resume } => {
                let byte = &mut s.mem.bytes[usize::from(index)];
                if *byte == mark(p) {
                    *byte = 0;
                }
                resumed(resume)
            }
            other => unreachable!("{other:?} is no step of recovery"),
        }
    }

    /// A9: whoever goes on from `stage`, and whoever starts again after a death there, leaves the same memory.
    ///
    /// Starting again is what the next one would do: it looks at `state` first.
    pub(super) fn repeats(&self, s: &State) -> bool {
        s.procs.iter().all(|process| match process.step {
            Step::Recover { index, stage, .. } => {
                let mut on = s.mem.clone();
                for store in &self.stages()[usize::from(stage)..] {
                    store(&mut on, index);
                }
                let mut again = s.mem.clone();
                if again.record(index).live {
                    for store in self.stages() {
                        store(&mut again, index);
                    }
                }
                on == again
            }
            _ => true,
        })
    }
}

fn resumed(resume: Resume) -> Step {
    match resume {
        Resume::Attach => unreachable!("an attach keeps the byte"),
        Resume::Claim => Step::Claim,
        Resume::Gate => Step::GateOccupied,
        Resume::Choose => Step::Choose { tried: 0 },
    }
}
