//! Attach and detach (section 4): lock first, register second; on leaving, the words first and the byte last.

use super::memory::bits;
use super::process::{Process, Resume, Role, Step};
use super::{Mutant, State, Stream};

impl Stream {
    /// The record an attach tries next: the clear bits first, then the set ones, whose owners may be dead.
    fn candidate(&self, s: &State, tried: u8) -> Option<u8> {
        let all = (1 << self.records) - 1;
        let clear = bits(all & !tried & !s.mem.occupied).next();
        if self.mutant == Mutant::AttachClearBitsOnly {
            return clear;
        }
        clear.or_else(|| bits(all & !tried).next())
    }

    /// Whether a full table may have room by now.
    pub(super) fn may_attach(&self, s: &State) -> bool {
        (0..self.records)
            .any(|i| s.mem.byte_free(i) && (self.mutant != Mutant::AttachClearBitsOnly || s.mem.occupied & 1 << i == 0))
    }

    /// The first step of a process that has just been started.
    pub(super) fn start(&self, process: usize) -> Process {
        Process::at(Step::Seek { tried: 0 }, None, self.todo[process])
    }

    pub(super) fn attach(&self, s: &mut State, p: usize) -> Step {
        let register_first = self.mutant == Mutant::RegisterBeforeLock;
        match s.procs[p].step {
            Step::Seek { tried } => match self.candidate(s, tried) {
                Some(index) if register_first => Step::Register { index },
                Some(index) => Step::Lock { index, tried },
                None => Step::Full,
            },
            Step::Lock { index, tried } => {
                if s.mem.byte_free(index) {
                    s.mem.bytes[usize::from(index)] = mark(p);
                    if register_first { self.attached(s, p, index) } else { Step::Inspect { index } }
                } else {
                    Step::Seek { tried: tried | 1 << index }
                }
            }
            Step::Full => Step::Seek { tried: 0 },
            Step::Inspect { index } if s.mem.record(index).live => {
                Step::Recover { index, stage: 0, resume: Resume::Attach }
            }
            Step::Inspect { index } => Step::Register { index },
            Step::Register { index } => {
                s.mem.occupied |= 1 << index;
                Step::Enliven { index }
            }
            Step::Enliven { index } => {
                let record = s.mem.record_mut(index);
                record.live = true;
                record.generation += 1;
                if register_first { Step::Lock { index, tried: 0 } } else { self.attached(s, p, index) }
            }
            other => unreachable!("{other:?} is no step of attach"),
        }
    }

    fn attached(&self, s: &mut State, p: usize, index: u8) -> Step {
        s.procs[p].index = Some(index);
        self.begin(s, p)
    }

    /// The first step of a role, once attached.
    pub(super) fn begin(&self, s: &mut State, p: usize) -> Step {
        match self.roles[p] {
            Role::Producer => Step::Claim,
            Role::Lossy | Role::Lossless => Step::JoinHead,
            Role::Newest => Step::Await,
            Role::Eager | Role::Copier => {
                s.procs[p].seq = 1;
                Step::Await
            }
        }
    }

    pub(super) fn detach(s: &mut State, p: usize) -> Step {
        let index = s.procs[p].index.expect("only who is attached detaches");
        match s.procs[p].step {
            Step::LeaveRing => {
                s.mem.record_mut(index).cursor = 0;
                Step::Unregister
            }
            Step::Unregister => {
                s.mem.occupied &= !(1 << index);
                Step::Free
            }
            Step::Free => {
                s.mem.record_mut(index).live = false;
                Step::Release
            }
            Step::Release => {
                s.mem.release_bytes(p);
                s.procs[p] = Process::at(Step::Done, None, 0);
                Step::Done
            }
            other => unreachable!("{other:?} is no step of detach"),
        }
    }
}

/// How the kernel's byte names a process.
pub(super) fn mark(process: usize) -> u8 {
    u8::try_from(process + 1).expect("a handful of processes")
}
