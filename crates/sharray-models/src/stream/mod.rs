//! A stream: records, pool and ring in one model, of which a scenario takes what it needs.
//!
//! Memory is sequentially consistent and one action is one shared access, so what is explored is every interleaving
//! of the protocol's own steps, with a death before any of them. The orderings below that, which fence makes which
//! load see which store, are loom's to check on the real source.
//!
//! Two things are folded together without loss: a load of a word that only the process itself writes belongs to its
//! next step, and a wait is a step that is not enabled until what it waits for has come (a sliced wait that looks in
//! vain changes nothing).
//!
//! A death releases the kernel's bytes at once. That it takes milliseconds in truth is the same as dying later.

mod attach;
mod memory;
mod mutant;
mod process;
mod producer;
pub mod properties;
mod reader;
mod recover;

use stateright::{Model, Property};

use self::memory::Memory;
use self::process::{Process, Step};

pub use self::mutant::Mutant;
pub use self::process::Role;

/// The highest sequence number a scenario may reach, plus one.
const MAX_SEQS: usize = 8;

/// What a producer does about a lossless consumer that stands in its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Waits for it; recovers it if it is dead.
    Block,
    /// Takes its cursor away.
    Evict,
}

/// When a lossless consumer moves its cursor on. All three hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// Once the pin is validated: the pin keeps the slot, the cursor only ever kept the ring's entry.
    AfterPin,
    /// Once the frame was used: a slow consumer holds the producer up for no reason.
    AfterUse,
    /// In place of validation: a CAS that succeeds proves that nobody evicted the cursor, and as long as it stood
    /// the entry could not be overwritten; whoever sees it moved sees the pin, which was stored before.
    ForValidation,
}

/// A scenario: who takes part, and how much of everything there is.
#[derive(Clone, Debug)]
pub struct Stream {
    /// One process each.
    pub roles: Vec<Role>,
    /// Frames each of them publishes or reads in one life.
    pub todo: Vec<u8>,
    /// H.
    pub ring: u8,
    /// N.
    pub slots: u8,
    /// Participant records.
    pub records: u8,
    /// No producer goes beyond this sequence.
    pub last: u8,
    /// Processes that may be killed.
    pub crashes: u8,
    /// Killed processes that may be started again.
    pub respawns: u8,
    /// Begin with everyone attached, and so with fewer states; a respawned process attaches step by step.
    pub attached: bool,
    /// Consumers join at the oldest frame still there.
    pub from_oldest: bool,
    /// When lossless consumers move their cursor.
    pub advance: Advance,
    /// The producer remembers the least cursor for as long as `joins` stands still.
    pub count_joins: bool,
    /// What the gate does.
    pub policy: Policy,
    /// What is wrong, if anything.
    pub mutant: Mutant,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            roles: Vec::new(),
            todo: Vec::new(),
            ring: 2,
            slots: 3,
            records: 3,
            last: 4,
            crashes: 1,
            respawns: 0,
            attached: true,
            from_oldest: true,
            advance: Advance::AfterPin,
            count_joins: false,
            policy: Policy::Block,
            mutant: Mutant::None,
        }
    }
}

/// An access that must not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fault {
    /// A payload store while another process looks at the slot.
    StoreUnderPin,
    /// A delivered or announced payload is torn, or differs from what was seen before under the same sequence.
    Payload,
    /// `head` did not increase by one, or a reader saw it go back.
    HeadJumps,
    /// A lossless consumer that nobody evicted found its frame gone.
    LosslessMissed,
}

/// What only the checker knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Ghost {
    /// The loan whose payload each sequence has, from the moment anybody could know.
    truth: [u8; MAX_SEQS],
    /// Payloads begun so far; each has a name of its own.
    loans: u8,
    /// Deaths so far.
    crashes: u8,
    /// Respawns so far.
    respawns: u8,
}

/// One state of the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What is shared.
    mem: Memory,
    /// What each process keeps to itself.
    procs: [Process; memory::MAX_RECORDS],
    /// What only the checker knows.
    ghost: Ghost,
    /// The first thing that went wrong.
    fault: Option<Fault>,
}

impl State {
    fn failed(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn fault(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Somebody learned the payload of `seq`: whole, and the same as ever.
    fn settle(&mut self, seq: u8, first: u8, second: u8) {
        let truth = &mut self.ghost.truth[usize::from(seq)];
        if *truth == 0 {
            *truth = first;
        }
        if first != second || *truth != first {
            self.fault(Fault::Payload);
        }
    }
}

/// What may happen next. Processes are named by their position in [`Stream::roles`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Process `0` takes its next step; where it has a choice (the slot of a loan), it takes `1`.
    Step(usize, u8),
    /// SIGKILL.
    Crash(usize),
    /// Somebody starts it again.
    Respawn(usize),
}

impl Stream {
    /// Whether the next step of a running process is enabled.
    fn wakes(&self, s: &State, p: usize) -> bool {
        match s.procs[p].step {
            Step::Full => self.may_attach(s),
            Step::Lock { index, .. } if self.mutant == Mutant::RegisterBeforeLock => s.mem.byte_free(index),
            Step::Claim | Step::Starved | Step::Blocked { .. } => self.producer_wakes(s, p),
            Step::Await => self.reader_wakes(s, p),
            _ => true,
        }
    }

    fn step(&self, s: &mut State, p: usize, choice: u8) {
        let next = match s.procs[p].step {
            Step::Dead | Step::Done => return,
            Step::Seek { .. }
            | Step::Lock { .. }
            | Step::Full
            | Step::Inspect { .. }
            | Step::Register { .. }
            | Step::Enliven { .. } => self.attach(s, p),
            Step::Probe { .. } | Step::Reread { .. } | Step::Recover { .. } | Step::Unlock { .. } => self.recover(s, p),
            Step::LeaveRing | Step::Unregister | Step::Free | Step::Release => Self::detach(s, p),
            Step::JoinHead
            | Step::JoinStore
            | Step::JoinCount
            | Step::JoinCheck
            | Step::Await
            | Step::Entry
            | Step::Pin
            | Step::Validate
            | Step::Advance
            | Step::Read { .. }
            | Step::Revalidate
            | Step::Unpin { .. }
            | Step::AmEvicted => self.read(s, p),
            _ => self.produce(s, p, choice),
        };
        s.procs[p].step = next;
    }

    /// Every record's index, as processes that begin attached have them.
    fn first_state(&self) -> State {
        assert!(usize::from(self.ring) <= memory::MAX_RING && usize::from(self.slots) <= memory::MAX_SLOTS);
        assert!(usize::from(self.records) <= memory::MAX_RECORDS && self.roles.len() <= memory::MAX_RECORDS);
        assert!(usize::from(self.last) < MAX_SEQS && self.roles.len() == self.todo.len());
        let mut s = State {
            mem: Memory {
                prod: 0,
                head: memory::Frame::default(),
                intent: 0,
                joins: 0,
                desc: [memory::Frame::default(); memory::MAX_RING],
                ver: [0; memory::MAX_SLOTS],
                payload: [[0; 2]; memory::MAX_SLOTS],
                occupied: 0,
                records: [memory::Record::default(); memory::MAX_RECORDS],
                bytes: [0; memory::MAX_RECORDS],
            },
            procs: [Process::at(Step::Done, None, 0); memory::MAX_RECORDS],
            ghost: Ghost::default(),
            fault: None,
        };
        for p in 0..self.roles.len() {
            s.procs[p] = self.start(p);
            if self.attached {
                let index = attach::mark(p) - 1;
                s.mem.bytes[p] = attach::mark(p);
                s.mem.occupied |= 1 << index;
                s.mem.records[p] = memory::Record { generation: 1, live: true, pin: 0, cursor: 0 };
                s.procs[p].index = Some(index);
                s.procs[p].step = self.begin(&mut s, p);
            }
        }
        s
    }
}

impl Model for Stream {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.first_state()]
    }

    fn actions(&self, s: &State, actions: &mut Vec<Action>) {
        if s.fault.is_some() {
            return;
        }
        for p in 0..self.roles.len() {
            let me = &s.procs[p];
            if me.step == Step::Dead && s.ghost.respawns < self.respawns {
                actions.push(Action::Respawn(p));
            }
            if !me.runs() {
                continue;
            }
            if s.ghost.crashes < self.crashes {
                actions.push(Action::Crash(p));
            }
            if !self.wakes(s, p) {
                continue;
            }
            match me.step {
                Step::Choose { tried } if self.slot_choices(s, p, tried) != 0 => {
                    actions.extend(memory::bits(self.slot_choices(s, p, tried)).map(|slot| Action::Step(p, slot)));
                }
                _ => actions.push(Action::Step(p, 0)),
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Step(p, choice) => self.step(&mut s, p, choice),
            Action::Crash(p) => {
                s.ghost.crashes += 1;
                s.procs[p] = Process::at(Step::Dead, None, 0);
                s.mem.release_bytes(p);
            }
            Action::Respawn(p) => {
                s.ghost.respawns += 1;
                s.procs[p] = self.start(p);
            }
        }
        Some(s)
    }

    fn format_step(&self, last: &State, action: Action) -> Option<String> {
        Some(match action {
            Action::Step(p, choice) => match last.procs[p].step {
                Step::Choose { .. } => format!("{:?} {p}: choose slot {choice}", self.roles[p]),
                step => format!("{:?} {p}: {step:?}", self.roles[p]),
            },
            Action::Crash(p) => format!("{:?} {p} is killed", self.roles[p]),
            Action::Respawn(p) => format!("{:?} {p} is started again", self.roles[p]),
        })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.all_properties()
    }
}
