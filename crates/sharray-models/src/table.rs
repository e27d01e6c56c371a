//! Tables that grow: rows below the length never change, and those that were committed outlive a loss of power.
//!
//! Who may append is the lock's business, and its model shows it: here `wr` is taken in one step, and taken over in one
//! step from a process that is dead. The disk is that of [`durable`](crate::durable): the kernel may write any page back at
//! any time, and a row is a page. In every state two questions are asked: is each row below the length the one that was
//! appended, and would a cold open, were the power lost now, find all rows that were confirmed and none that is torn.
//!
//! Looking at rows takes no step here, since whoever looks changes nothing: the first question is theirs.

mod steps;

use stateright::{Model, Property};
use steps::Step;

/// Readers need no lease.
pub const FIXED: &str = "a row below the length is the one that was appended";
/// What commits are for.
pub const WHOLE: &str = "A16: a loss of power leaves all rows that were confirmed, and none that is torn";
/// Writing a row cannot fail.
pub const ROOM: &str = "a row is filled where space was reserved";
const APPENDED: &str = "rows are appended after a death in the middle of an append";
const RESERVED: &str = "space is reserved again that the dead had reserved";
const FINISHED: &str = "a commit is finished by another process";
const WENT_ON: &str = "rows are confirmed after a loss of power";

/// How many rows there can be.
const ROWS: usize = 4;
/// A row that is half filled.
const TORN: u8 = u8::MAX;

/// Ways to get it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slip {
    /// Nothing: the protocol.
    None,
    /// The length moves before the rows are filled.
    LenFirst,
    /// The role is given back before the length moves.
    RoleBeforeLen,
    /// The role can be taken from a process that lives.
    FalseDeath,
    /// It is said that space is reserved before it is.
    CapFirst,
    /// The superblock goes to the disk before the rows.
    SuperblockFirst,
    /// Rows and superblock go to the disk in one sync, in whatever order.
    OneSync,
    /// There is one superblock.
    OneSuperblock,
    /// The superblock is chosen by the parity of the length.
    Parity,
    /// `durable` is set before the superblock is on the disk.
    DurableEarly,
    /// Fewer rows are committed although more are durable.
    FewerAgain,
    /// A cold open believes the length that the disk has of the control words.
    ColdBelievesLen,
    /// A commit that was cut short is forgotten. Harmless: no row is ever filled again that a superblock may count.
    NoRollForward,
    /// The length moves before it is said that space is reserved. Harmless: rows that are there are not filled again.
    CapLast,
}

/// A scenario.
#[derive(Clone, Debug)]
pub struct Table {
    /// How many rows each append has, of each process that appends.
    pub appends: Vec<Vec<u8>>,
    /// How often each process commits that does.
    pub commits: Vec<u8>,
    /// Processes that are killed.
    pub crashes: u8,
    /// Losses of power.
    pub cuts: u8,
    /// What is wrong, if anything.
    pub slip: Slip,
}

impl Default for Table {
    fn default() -> Self {
        Self { appends: vec![vec![2], vec![1]], commits: vec![1, 1], crashes: 1, cuts: 0, slip: Slip::None }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Superblock {
    /// 0: none, or torn.
    number: u8,
    len: u8,
}

/// What a disk can have, in memory or on it. A row is its filling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Pages {
    rows: [u8; ROWS],
    superblocks: [Superblock; 2],
    /// The control word.
    len: u8,
}

fn superblock(page: usize) -> u8 {
    1 << (ROWS + page)
}

/// The page of the control words.
const CONTROL: u8 = 1 << (ROWS + 2);

impl Pages {
    fn write_back(&mut self, from: &Self, pages: u8) {
        for row in (0..ROWS).filter(|row| pages & 1 << row != 0) {
            self.rows[row] = from.rows[row];
        }
        for page in (0..2).filter(|page| pages & superblock(*page) != 0) {
            self.superblocks[page] = from.superblocks[page];
        }
        if pages & CONTROL != 0 {
            self.len = from.len;
        }
    }

    /// What a cold open chooses.
    fn newest(&self) -> Option<usize> {
        (0..2).filter(|page| self.superblocks[*page].number > 0).max_by_key(|page| self.superblocks[*page].number)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Process {
    step: Step,
    /// The appends, or one for each commit, that are left.
    todo: Vec<u8>,
    appends: bool,
}

/// One state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    memory: Pages,
    disk: Pages,
    dirty: u8,
    /// How many rows are said to be reserved, and how many are.
    cap: u8,
    space: u8,
    /// The process that appends, plus one, and the one that commits.
    wr: u8,
    lock: u8,
    durable: u8,
    pending: u8,
    processes: Vec<Process>,
    /// What was appended, of the rows below the length.
    appended: [u8; ROWS],
    confirmed: u8,
    fillings: u8,
    crashes: u8,
    cuts: u8,
    no_room: bool,
    cut_short: bool,
    happened: Happened,
}

/// What must happen somewhere.
#[allow(clippy::struct_excessive_bools, reason = "each is a property of its own")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Happened {
    appended: bool,
    reserved: bool,
    finished: bool,
    went_on: bool,
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A process takes its next step.
    Step(usize),
    /// SIGKILL.
    Crash(usize),
    /// The kernel writes a page back.
    WriteBack(u8),
    /// The power goes and comes again, and somebody opens the file.
    Cut,
}

impl State {
    fn store_row(&mut self, row: u8, filling: u8) {
        self.no_room |= row >= self.space;
        self.memory.rows[usize::from(row)] = filling;
        self.dirty |= 1 << row;
    }

    fn store_superblock(&mut self, page: usize, value: Superblock) {
        self.memory.superblocks[page] = value;
        self.dirty |= superblock(page);
    }

    fn store_len(&mut self, len: u8, filling: u8) {
        for row in self.memory.len..len {
            self.appended[usize::from(row)] = filling;
        }
        self.memory.len = len;
        self.dirty |= CONTROL;
    }

    fn sync(&mut self, pages: u8) {
        self.disk.write_back(&self.memory, pages & self.dirty);
        self.dirty &= !pages;
    }
}

impl Table {
    /// Whether a loss of power would leave what was promised.
    fn is_recoverable(s: &State) -> bool {
        let Some(page) = s.disk.newest() else { return s.confirmed == 0 };
        let len = s.disk.superblocks[page].len;
        len >= s.confirmed && (0..usize::from(len)).all(|row| s.disk.rows[row] == s.appended[row])
    }

    fn is_fixed(s: &State) -> bool {
        (0..usize::from(s.memory.len)).all(|row| s.memory.rows[row] == s.appended[row])
    }

    /// The power goes: what was not on the disk never was. Somebody opens the file, alone, and all begin again.
    fn cut(&self, s: &mut State) {
        s.memory = s.disk;
        let kept = s.memory.newest();
        for page in (0..2).filter(|page| Some(*page) != kept) {
            s.memory.superblocks[page] = Superblock::default();
        }
        s.disk.superblocks = s.memory.superblocks;
        let found = kept.map_or(0, |page| s.memory.superblocks[page].len);
        s.memory.len = if self.slip == Slip::ColdBelievesLen { s.disk.len } else { found };
        (s.durable, s.dirty) = (found, CONTROL);
        // Space that holds no row may have gone with the power.
        (s.cap, s.space, s.wr, s.lock, s.pending) = (0, found, 0, 0, 0);
        for row in usize::from(found)..ROWS {
            s.appended[row] = 0;
        }
        for process in &mut s.processes {
            process.step = steps::begin(process.appends, &process.todo);
        }
        s.cuts += 1;
    }
}

impl Model for Table {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let process = |appends, todo: Vec<u8>| Process { step: steps::begin(appends, &todo), todo, appends };
        let appenders = self.appends.iter().map(|todo| process(true, todo.clone()));
        let committers = self.commits.iter().map(|commits| process(false, vec![1; usize::from(*commits)]));
        vec![State {
            memory: Pages::default(),
            disk: Pages::default(),
            dirty: 0,
            cap: 0,
            space: 0,
            wr: 0,
            lock: 0,
            durable: 0,
            pending: 0,
            processes: appenders.chain(committers).collect(),
            appended: [0; ROWS],
            confirmed: 0,
            fillings: 0,
            crashes: 0,
            cuts: 0,
            no_room: false,
            cut_short: false,
            happened: Happened::default(),
        }]
    }

    fn actions(&self, s: &State, actions: &mut Vec<Action>) {
        if s.no_room || !Self::is_fixed(s) || !Self::is_recoverable(s) {
            return;
        }
        actions.extend((0..ROWS + 3).map(|page| 1 << page).filter(|page| s.dirty & page != 0).map(Action::WriteBack));
        if s.cuts < self.cuts {
            actions.push(Action::Cut);
        }
        for (p, process) in s.processes.iter().enumerate() {
            if matches!(process.step, Step::Done) || !self.may_step(s, p) {
                continue;
            }
            actions.push(Action::Step(p));
            if s.crashes < self.crashes && process.step != steps::begin(process.appends, &process.todo) {
                actions.push(Action::Crash(p));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Step(p) => {
                let next = if s.processes[p].appends { self.append(&mut s, p) } else { self.commit(&mut s, p) };
                s.processes[p].step = next;
            }
            Action::Crash(p) => {
                s.crashes += 1;
                s.cut_short |= matches!(s.processes[p].step, Step::Fill { .. } | Step::Publish { .. });
                s.lock = if usize::from(s.lock) == p + 1 { 0 } else { s.lock };
                s.processes[p].step = Step::Done;
            }
            Action::WriteBack(page) => s.sync(page),
            Action::Cut => self.cut(&mut s),
        }
        (s != *last).then_some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(FIXED, |_, s: &State| Self::is_fixed(s)),
            Property::always(WHOLE, |_, s: &State| Self::is_recoverable(s)),
            Property::always(ROOM, |_, s: &State| !s.no_room),
        ];
        if self.crashes > 0 {
            properties.push(Property::sometimes(APPENDED, |_, s: &State| s.happened.appended));
            properties.push(Property::sometimes(RESERVED, |_, s: &State| s.happened.reserved));
            properties.push(Property::sometimes(FINISHED, |_, s: &State| s.happened.finished));
        }
        if self.cuts > 0 {
            properties.push(Property::sometimes(WENT_ON, |_, s: &State| s.happened.went_on));
        }
        properties
    }
}
