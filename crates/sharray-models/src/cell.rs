//! The cell (section 6): two copies of one value, a writer at a time, readers that never wait.
//!
//! Who may write is the lock's business, and its model shows it: here `wr` is taken in one step, and taken over in one
//! step from a writer that is dead. What is shown is that neither a death nor a takeover at any point lets a reader
//! accept a mixture, or a value older than one that was accepted before. A reader has no step that waits, and goes
//! around again only if the count has moved, so only the progress of writers can keep it from its value.

use stateright::{Model, Property};

/// What is accepted is one store's value, whole, and no value but those that were stored.
pub const WHOLE: &str = "A6: a cell's value is one store's, whole";
/// Time does not run backwards, for one reader or for all of them together.
pub const NEVER_BACK: &str = "a cell never goes back";
/// A reader goes around again only if a value was stored meanwhile.
pub const NO_WAITING: &str = "a cell's reader waits for nobody";
/// A store that was cut short leaves the old value, and the next writer succeeds.
const SUCCEEDED: &str = "a value is stored after a death in the middle of one";
const READ_THROUGH: &str = "a value is read while a dead writer holds the cell";
const LAPPED: &str = "a reader is lapped";

/// Ways to get it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slip {
    /// Nothing: the protocol.
    None,
    /// There is one copy.
    OneCopy,
    /// The count moves before the copy is filled.
    CountFirst,
    /// The count moves when half of the copy is filled.
    CountInBetween,
    /// The copy that the count names is the one that is filled.
    FillCurrent,
    /// A reader does not load the count again.
    NoSecondLook,
    /// Recovery counts on, as it does to even the sequence of an array.
    RecoverCounts,
    /// A cell can be taken from a writer that lives.
    FalseDeath,
}

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Take,
    Fill { half: u8 },
    Count,
    Free,
    Load,
    Copy { half: u8 },
    Again,
    Dead,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Process {
    step: Step,
    todo: u8,
    /// The count: a writer's own, or the one loaded.
    n: u8,
    /// Writer: the name of its store.
    id: u8,
    /// Reader: what it copied.
    got: [u8; 2],
    /// Reader: the newest value accepted by anybody when it began.
    floor: u8,
    /// Reader: times it went around, and the count when it began.
    laps: u8,
    began: u8,
}

/// Writers and readers of one cell.
#[derive(Clone, Debug)]
pub struct Cell {
    /// What each writer stores before it frees the cell; the others read.
    pub writers: Vec<u8>,
    /// How many values each reader takes.
    pub readers: Vec<u8>,
    /// Deaths.
    pub crashes: u8,
    /// What is wrong, if anything.
    pub slip: Slip,
}

impl Default for Cell {
    fn default() -> Self {
        Self { writers: vec![2, 2], readers: vec![2], crashes: 2, slip: Slip::None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fault {
    Mixture,
    Back,
    Waited,
}

/// One state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The writer that owns the cell, plus one.
    wr: u8,
    /// `seq`.
    n: u8,
    copies: [[u8; 2]; 2],
    processes: Vec<Process>,
    /// Bitmap of the stores that were counted.
    stored: u16,
    ids: u8,
    /// The newest count under which a value was accepted.
    accepted: u8,
    crashes: u8,
    cut_short: bool,
    succeeded: bool,
    read_through: bool,
    fault: Option<Fault>,
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A process takes its next step.
    Step(usize),
    /// SIGKILL.
    Crash(usize),
}

impl Cell {
    fn copy(&self, n: u8) -> usize {
        if self.slip == Slip::OneCopy { 0 } else { usize::from(n & 1) }
    }

    /// Whether the cell can be had: it is free, or its owner is dead.
    fn may_take(&self, s: &State) -> bool {
        let owner = s.wr.checked_sub(1).map(|p| s.processes[usize::from(p)].step);
        owner.is_none_or(|step| step == Step::Dead) || self.slip == Slip::FalseDeath
    }

    fn write(&self, s: &mut State, p: usize) -> Step {
        let me = s.processes[p];
        let target = self.copy(if self.slip == Slip::FillCurrent { me.n } else { me.n + 1 });
        match me.step {
            Step::Take => {
                if s.wr != 0 && self.slip == Slip::RecoverCounts && s.cut_short {
                    s.n += 1;
                }
                s.wr = u8::try_from(p + 1).expect("a handful of processes");
                self.begin(s, p)
            }
            Step::Fill { half } => {
                s.copies[target][usize::from(half)] = me.id;
                match (self.slip, half) {
                    (Slip::CountInBetween, 0) => Step::Count,
                    (Slip::CountInBetween | Slip::CountFirst, 1) => self.stored(s, p),
                    (_, 0) => Step::Fill { half: 1 },
                    _ => Step::Count,
                }
            }
            Step::Count => {
                s.n = me.n + 1;
                s.stored |= 1 << me.id;
                s.succeeded |= s.cut_short;
                match self.slip {
                    Slip::CountFirst => Step::Fill { half: 0 },
                    Slip::CountInBetween => Step::Fill { half: 1 },
                    _ => self.stored(s, p),
                }
            }
            _ => {
                s.wr = 0;
                Step::Done
            }
        }
    }

    /// The first step of a store, under the cell's lock.
    fn begin(&self, s: &mut State, p: usize) -> Step {
        s.ids += 1;
        (s.processes[p].id, s.processes[p].n) = (s.ids, s.n);
        if self.slip == Slip::CountFirst { Step::Count } else { Step::Fill { half: 0 } }
    }

    fn stored(&self, s: &mut State, p: usize) -> Step {
        s.processes[p].todo -= 1;
        if s.processes[p].todo > 0 { self.begin(s, p) } else { Step::Free }
    }

    fn read(&self, s: &mut State, p: usize) -> Step {
        let me = s.processes[p];
        match me.step {
            Step::Load => {
                s.processes[p].n = s.n;
                if me.laps == 0 {
                    (s.processes[p].began, s.processes[p].floor) = (s.n, s.accepted);
                }
                Step::Copy { half: 0 }
            }
            Step::Copy { half } => {
                s.processes[p].got[usize::from(half)] = s.copies[self.copy(me.n)][usize::from(half)];
                match half {
                    0 => Step::Copy { half: 1 },
                    _ if self.slip == Slip::NoSecondLook => self.accept(s, p),
                    _ => Step::Again,
                }
            }
            Step::Again if s.n == me.n => self.accept(s, p),
            _ => {
                s.processes[p].laps += 1;
                if s.n >= me.began && s.processes[p].laps > s.n - me.began {
                    s.fault = Some(Fault::Waited);
                }
                Step::Load
            }
        }
    }

    fn accept(&self, s: &mut State, p: usize) -> Step {
        let me = s.processes[p];
        if me.got[0] != me.got[1] || s.stored & 1 << me.got[0] == 0 {
            s.fault = Some(Fault::Mixture);
        } else if me.n < me.floor {
            s.fault = Some(Fault::Back);
        }
        s.accepted = s.accepted.max(me.n);
        s.read_through |= s.wr != 0 && self.may_take(s);
        s.processes[p] = process(Step::Load, me.todo - 1);
        if me.todo > 1 { Step::Load } else { Step::Done }
    }
}

fn process(step: Step, todo: u8) -> Process {
    Process { step, todo, n: 0, id: 0, got: [0; 2], floor: 0, laps: 0, began: 0 }
}

impl Model for Cell {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let writers = self.writers.iter().map(|todo| process(Step::Take, *todo));
        let readers = self.readers.iter().map(|todo| process(Step::Load, *todo));
        vec![State {
            wr: 0,
            n: 0,
            copies: [[0; 2]; 2],
            processes: writers.chain(readers).collect(),
            stored: 1,
            ids: 0,
            accepted: 0,
            crashes: 0,
            cut_short: false,
            succeeded: false,
            read_through: false,
            fault: None,
        }]
    }

    fn actions(&self, s: &State, actions: &mut Vec<Action>) {
        if s.fault.is_some() {
            return;
        }
        for (p, process) in s.processes.iter().enumerate() {
            if matches!(process.step, Step::Dead | Step::Done) {
                continue;
            }
            if p < self.writers.len() && s.crashes < self.crashes {
                actions.push(Action::Crash(p));
            }
            if process.step != Step::Take || self.may_take(s) {
                actions.push(Action::Step(p));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Step(p) => {
                let writes = p < self.writers.len();
                s.processes[p].step = if writes { self.write(&mut s, p) } else { self.read(&mut s, p) };
            }
            Action::Crash(p) => {
                s.crashes += 1;
                s.cut_short |= matches!(s.processes[p].step, Step::Fill { half: 1 } | Step::Count);
                s.processes[p] = process(Step::Dead, 0);
            }
        }
        Some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(WHOLE, |_, s: &State| s.fault != Some(Fault::Mixture)),
            Property::always(NEVER_BACK, |_, s: &State| s.fault != Some(Fault::Back)),
            Property::always(NO_WAITING, |_, s: &State| s.fault != Some(Fault::Waited)),
            Property::sometimes(SUCCEEDED, |_, s: &State| s.succeeded),
            Property::sometimes(READ_THROUGH, |_, s: &State| s.read_through),
            Property::sometimes(LAPPED, |_, s: &State| s.processes.iter().any(|process| process.laps > 0)),
        ]
    }
}
