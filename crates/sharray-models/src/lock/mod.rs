//! Arrays in place: the reader-writer lock over blocks, waiting, poison, and copies without a hold, in one model.
//!
//! As in the model of streams, memory is sequentially consistent, one action is one shared access, and a death may
//! come before any of them. A load of a word that only the process itself may change belongs to its next step. A
//! scenario says which threads there are, which of them share a process and so a record, and what each of them does.
//!
//! Starvation is a choice: any waiter may find that it has waited long enough to set TURN. That a newcomer gives way
//! for a while is not modelled, since it may take the word whenever it likes: what is shown is that TURN is a hint.

mod attach;
mod copier;
mod memory;
mod mutant;
mod process;
pub mod properties;
mod reader;
mod recover;
mod waiting;
mod writer;

use stateright::{Model, Property};

use self::memory::{Memory, Record};
use self::process::{Process, Step, Thread};

pub use self::mutant::Mutant;
pub use self::process::Role;

/// The most threads.
const MAX_THREADS: usize = 4;
/// The most writes in one history, plus one.
const MAX_WRITES: usize = 8;

/// A thread of a scenario.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Which process it belongs to. Threads of one process share its record.
    pub process: u8,
    /// What it does.
    pub role: Role,
    /// How often, in one life.
    pub todo: u8,
}

/// A scenario: who takes part, and how much of everything there is.
#[derive(Clone, Debug)]
pub struct Lock {
    /// Threads, those of process 0 first.
    pub threads: Vec<Member>,
    /// Blocks of the array.
    pub blocks: u8,
    /// Pins of a record.
    pub pins: u8,
    /// Participant records.
    pub records: u8,
    /// How many of the last threads are not attached at first.
    pub late: u8,
    /// Processes that may be killed.
    pub crashes: u8,
    /// Killed processes that may be started again.
    pub respawns: u8,
    /// How often a sleeper's deadline may pass.
    pub deadlines: u8,
    /// Slices go by though nobody was killed.
    pub slices: bool,
    /// Waiters may starve.
    pub turns: bool,
    /// Who has finished detaches.
    pub leaves: bool,
    /// What is wrong, if anything.
    pub mutant: Mutant,
}

impl Default for Lock {
    fn default() -> Self {
        Self {
            threads: Vec::new(),
            blocks: 1,
            pins: 1,
            records: 3,
            late: 0,
            crashes: 1,
            respawns: 0,
            deadlines: 0,
            slices: false,
            turns: false,
            leaves: false,
            mutant: Mutant::None,
        }
    }
}

/// An access that must not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fault {
    /// Something was read that is not a write, whole, or was overwritten before.
    Torn,
    /// A read-only attachment called a block poisoned that is not.
    FalseAlarm,
}

/// What only the checker knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Ghost {
    /// What each block holds when nobody is writing it: one write, or what somebody found good enough.
    truth: [[u8; 2]; memory::MAX_BLOCKS],
    /// Bitmap of the writes that were ended.
    committed: u8,
    /// The write that the other block held when this one was ended.
    beside: [u8; MAX_WRITES],
    /// Bitmap of blocks whose last write was cut short.
    broken: u8,
    /// Writes begun; each has a name of its own.
    writes: u8,
    /// Bitmap of records whose recovery was cut short.
    interrupted: u8,
    /// Deaths so far.
    crashes: u8,
    /// Respawns so far.
    respawns: u8,
    /// Deadlines passed so far.
    deadlines: u8,
    /// A copy was accepted.
    copies: bool,
    /// A copier asked the kernel and said that a block is poisoned.
    alarms: bool,
}

/// One state of the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What is shared.
    mem: Memory,
    /// What each thread keeps to itself.
    threads: [Thread; MAX_THREADS],
    /// What the threads of each process share.
    processes: [Process; memory::MAX_RECORDS],
    /// What only the checker knows.
    ghost: Ghost,
    /// The first thing that went wrong.
    fault: Option<Fault>,
}

impl State {
    fn fault(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// The record of a process that is attached.
    fn own_record(&mut self, process: usize) -> &mut Record {
        let index = self.processes[process].index.expect("it is attached");
        self.mem.record_mut(index)
    }
}

/// What may happen next. Threads are named by their position in [`Lock::threads`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A thread takes its next step; where it may find that it starves, 1 says that it does.
    Step(usize, u8),
    /// A sleeping thread's deadline passes.
    Quit(usize),
    /// SIGKILL for a process.
    Crash(usize),
    /// Somebody starts it again.
    Respawn(usize),
}

impl Lock {
    fn role(&self, p: usize) -> Role {
        self.threads[p].role
    }

    fn process(&self, p: usize) -> usize {
        usize::from(self.threads[p].process)
    }

    /// The blocks that a thread is about.
    fn span(&self, p: usize) -> u8 {
        match self.role(p) {
            Role::ReadWhole => (1 << self.blocks) - 1,
            Role::Watch => 1,
            Role::Read(span)
            | Role::Write(span)
            | Role::Mend(span)
            | Role::Clear(span)
            | Role::Panic(span)
            | Role::Forget(span)
            | Role::Copy(span) => span,
        }
    }

    /// Whether a thread reads under a hold.
    fn reads(&self, p: usize) -> bool {
        matches!(self.role(p), Role::ReadWhole | Role::Read(_))
    }

    /// Whether somebody waits for a change.
    fn watched(&self) -> bool {
        self.threads.iter().any(|thread| thread.role == Role::Watch)
    }

    /// Whether somebody copies both blocks at once.
    fn copies_all(&self) -> bool {
        self.threads.iter().any(|thread| thread.role == Role::Copy(3))
    }

    fn step(&self, s: &mut State, p: usize, choice: u8) {
        use Step::{
            Accept, Announce, Asleep, Begin, Bits, Bump, Check, Claim, Cleanse, ClearPin, ClearTurn, Copy, CopyPoison,
            Counter, Dead, Done, DrainSleep, Drained, Enliven, Even, First, Free, FreeEntry, Inspect, Leave, Load,
            Look, Mark, Notify, NotifyLook, Odd, OddAgain, OddByte, OddOwner, Poison, Poisoned, Probe, Recover,
            Register, Release, ReleaseByte, Reread, Scan, ScanBits, Second, Seek, Store, Take, TurnBack, Unlock,
            Unmark, Unregister, WaitLook, WaitMark, WaitSleep, Wake, WatchArm, WatchCheck, WatchLoad, WatchSleep,
            Watching,
        };
        s.threads[p].step = match s.threads[p].step {
            Dead | Done => return,
            Seek | Inspect { .. } | Register { .. } | Enliven { .. } | Begin => self.attach(s, p),
            Probe { .. } | Reread { .. } | Recover { .. } | Unlock { .. } => self.recover(s, p),
            Claim | Announce | Check { .. } | ClearTurn { .. } | Poisoned { .. } | Load { .. } => self.read(s, p),
            Leave { .. } | ClearPin { .. } | FreeEntry { .. } | Look { .. } | Bump { .. } => self.leave(s, p),
            WaitLook { .. } | WaitMark { .. } | WaitSleep { .. } | Asleep { .. } => self.wait(s, p, choice),
            Bits { .. } | Take { .. } => self.take(s, p),
            ScanBits { .. }
            | Scan { .. }
            | Mark { .. }
            | Counter { .. }
            | DrainSleep { .. }
            | Drained { .. }
            | Unmark { .. } => self.drain(s, p),
            Accept { .. } | Odd { .. } | Store { .. } | Poison { .. } | Cleanse { .. } | Even { .. } => {
                self.write(s, p)
            }
            Release { .. } | TurnBack { .. } | Wake { .. } => self.release(s, p),
            NotifyLook | Notify => self.notify(s, p),
            WatchLoad | WatchArm | WatchCheck | WatchSleep | Watching => self.watch(s, p),
            First { .. }
            | Copy { .. }
            | CopyPoison { .. }
            | Second { .. }
            | OddOwner { .. }
            | OddByte { .. }
            | OddAgain { .. } => self.copy(s, p),
            Unregister | Free | ReleaseByte => self.detach(s, p),
        };
    }

    fn thread_actions(&self, s: &State, p: usize, actions: &mut Vec<Action>) {
        let me = &s.threads[p];
        if me.sleeps() && s.ghost.deadlines < self.deadlines {
            actions.push(Action::Quit(p));
        }
        if !self.wakes(s, p) {
            return;
        }
        actions.push(Action::Step(p, 0));
        if self.turns && !me.starving && matches!(me.step, Step::WaitMark { .. }) {
            actions.push(Action::Step(p, 1));
        }
    }
}

impl Model for Lock {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.first_state()]
    }

    fn actions(&self, s: &State, actions: &mut Vec<Action>) {
        if s.fault.is_some() {
            return;
        }
        for p in 0..self.threads.len() {
            let process = self.process(p);
            let eldest = (0..p).all(|other| self.process(other) != process);
            let runs = |q: usize| self.process(q) == process && s.threads[q].runs();
            if eldest && s.threads[p].step == Step::Dead && s.ghost.respawns < self.respawns {
                actions.push(Action::Respawn(process));
            }
            if eldest && s.ghost.crashes < self.crashes && self.has_record(process) && (0..self.threads.len()).any(runs)
            {
                actions.push(Action::Crash(process));
            }
            if s.threads[p].runs() {
                self.thread_actions(s, p, actions);
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Step(p, choice) => self.step(&mut s, p, choice),
            Action::Quit(p) => {
                s.ghost.deadlines += 1;
                s.threads[p].step = if matches!(self.role(p), Role::Watch) || self.reads(p) {
                    self.finish(&mut s, p)
                } else {
                    self.quit(&mut s, p)
                };
            }
            Action::Crash(process) => self.kill(&mut s, process),
            Action::Respawn(process) => {
                s.ghost.respawns += 1;
                for p in (0..self.threads.len()).filter(|p| self.process(*p) == process) {
                    s.threads[p] = self.start(p);
                }
            }
        }
        Some(s)
    }

    fn format_step(&self, last: &State, action: Action) -> Option<String> {
        Some(match action {
            Action::Step(p, choice) => {
                let starves = if choice == 1 { ", starving" } else { "" };
                format!("{:?} {p}: {:?}{starves}", self.role(p), last.threads[p].step)
            }
            Action::Quit(p) => format!("{:?} {p} has waited long enough", self.role(p)),
            Action::Crash(process) => format!("process {process} is killed"),
            Action::Respawn(process) => format!("process {process} is started again"),
        })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.all_properties()
    }
}
