//! Attach and detach, in the order that the model of streams has: lock first, register second.
//!
//! That model shows what attaching needs, so the search for a record is one step here: the first record whose byte can
//! be had, those with a clear bit before the others.

use super::memory::{Memory, Record, mark};
use super::process::{Process, Resume, Role, Step, Thread};
use super::{Ghost, Lock, MAX_THREADS, State};

impl Lock {
    /// The first step of a thread of a process that has just been started.
    pub(super) fn start(&self, p: usize) -> Thread {
        let process = self.process(p);
        let eldest = (0..p).all(|other| self.process(other) != process);
        let step = match self.role(p) {
            Role::Copy(_) => self.begin_look(p),
            _ if eldest => Step::Seek,
            _ => Step::Begin,
        };
        Thread::at(step, self.threads[p].todo)
    }

    pub(super) fn first_state(&self) -> State {
        let mut s = State {
            mem: Memory::new(),
            threads: [Thread::at(Step::Done, 0); MAX_THREADS],
            processes: [Process::default(); super::memory::MAX_RECORDS],
            ghost: Ghost::default(),
            fault: None,
        };
        s.ghost.committed = 1;
        for p in 0..self.threads.len() {
            s.threads[p] = self.start(p);
            let process = self.process(p);
            let late = p + usize::from(self.late) >= self.threads.len();
            if matches!(self.role(p), Role::Copy(_)) || late {
                continue;
            }
            let index = mark(process) - 1;
            s.mem.bytes[process] = mark(process);
            s.mem.occupied |= 1 << index;
            s.mem.records[process] = Record { generation: 1, live: true, ..Record::default() };
            s.processes[process].index = Some(index);
            s.threads[p].step = self.begin(&s, p);
        }
        s
    }

    /// The first step of a role, once attached.
    pub(super) fn begin(&self, s: &State, p: usize) -> Step {
        match self.role(p) {
            Role::ReadWhole | Role::Read(_) => self.begin_read(s, p),
            Role::Copy(_) | Role::Watch => self.begin_look(p),
            _ => self.begin_write(p),
        }
    }

    /// One read or write is over.
    pub(super) fn finish(&self, s: &mut State, p: usize) -> Step {
        let todo = s.threads[p].todo - 1;
        s.threads[p] = Thread::at(Step::Done, todo);
        match self.role(p) {
            _ if todo > 0 => self.begin(s, p),
            Role::Copy(_) => Step::Done,
            _ if self.leaves && self.siblings(p) == 1 => Step::Unregister,
            _ => Step::Done,
        }
    }

    fn siblings(&self, p: usize) -> usize {
        (0..self.threads.len()).filter(|other| self.process(*other) == self.process(p)).count()
    }

    pub(super) fn attach(&self, s: &mut State, p: usize) -> Step {
        let process = self.process(p);
        match s.threads[p].step {
            Step::Seek => {
                let free = || (0..self.records).filter(|i| s.mem.byte_free(*i));
                let clear = free().find(|i| s.mem.occupied & 1 << i == 0);
                let index = clear.or_else(|| free().next()).expect("only enabled if there is one");
                s.mem.bytes[usize::from(index)] = mark(process);
                Step::Inspect { index }
            }
            Step::Inspect { index } if s.mem.record(index).live => Step::Reread { index, resume: Resume::Attach },
            Step::Inspect { index } => Step::Register { index },
            Step::Register { index } => {
                s.mem.occupied |= 1 << index;
                Step::Enliven { index }
            }
            Step::Enliven { index } => {
                let record = s.mem.record_mut(index);
                record.live = true;
                record.generation += 1;
                s.processes[process].index = Some(index);
                self.begin(s, p)
            }
            Step::Begin => self.begin(s, p),
            other => unreachable!("{other:?} is no step of attach"),
        }
    }

    pub(super) fn detach(&self, s: &mut State, p: usize) -> Step {
        let process = self.process(p);
        let index = s.processes[process].index.expect("only who is attached detaches");
        match s.threads[p].step {
            Step::Unregister => {
                s.mem.occupied &= !(1 << index);
                Step::Free
            }
            Step::Free => {
                s.mem.record_mut(index).live = false;
                Step::ReleaseByte
            }
            _ => {
                s.mem.release_bytes(process);
                s.processes[process] = Process::default();
                Step::Done
            }
        }
    }
}
