//! Durable commits (section "Commits"): what a loss of power leaves, at any moment of any commit.
//!
//! The kernel may write any page that was changed to the disk at any time, and need not until a sync asks for it. So each
//! page has a content in memory and one on the disk, and a step of its own that brings the one to the other. The one
//! property that matters is asked of every state: were the power lost now, a cold open would find a version that is
//! whole and no older than the last one that was confirmed. A scenario also loses it and goes on.
//!
//! A producer fills slots, and processes commit one after another, as the kernel's lock lets them. Each may be killed
//! before any of its steps. What a payload is written as in between is one value, torn; a superblock likewise. The ring
//! is left out: the producer passes over the newest frame's slot alone.

mod flusher;
mod producer;

use self::flusher::Flusher;
use self::producer::Producer;
use stateright::{Model, Property};

/// The one that commits are for.
pub const WHOLE: &str = "A16: a loss of power leaves a whole version, no older than the last confirmed";
const CONFIRMED: &str = "two versions are confirmed";
const FINISHED: &str = "a commit is finished by another process";
const WENT_ON: &str = "a version is confirmed after a loss of power";
const REUSED: &str = "a slot that was durable is filled again";

/// Slots: the newest, the durable and the pending. While there are three of these, the producer waits.
const SLOTS: usize = 3;
/// Processes that commit.
const FLUSHERS: usize = 2;

/// Ways to get it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slip {
    /// Nothing: the protocol.
    None,
    /// The superblock is chosen by the parity of the sequence.
    Parity,
    /// There is one superblock.
    OneSuperblock,
    /// Payload and superblock go to the disk in one sync, in whatever order.
    OneSync,
    /// The slot is not pinned while it is committed.
    NoPin,
    /// The producer takes slots that are durable, or being made so.
    EarlyReuse,
    /// The producer passes over the durable slot, not the pending one.
    OnlyDurable,
    /// The producer passes over what the superblocks named when it began to look.
    CachedSuperblock,
    /// The producer looks at the words before it looks at the pins.
    WordsBeforePins,
    /// The producer looks at `durable` before it looks at `pending`.
    DurableBeforePending,
    /// A commit that was cut short is forgotten.
    NoRollForward,
    /// A commit that was cut short is forgotten if the slot's version is odd.
    RollForwardByVersion,
    /// `pending` is set when the superblock is on the disk.
    PendingLate,
    /// `durable` is set before the superblock is on the disk.
    DurableEarly,
    /// `pending` is cleared before `durable` is set.
    PendingClearedFirst,
    /// A frame is committed although a newer one is durable.
    OlderAgain,
    /// A sync that failed is tried again.
    Retry,
    /// A cold open leaves the superblock that it passed over. Harmless: the next commit overwrites it.
    OtherSuperblockStays,
    /// A cold open believes a superblock without bringing its payload to the disk.
    ColdWithoutSync,
    /// A cold open believes a superblock without looking at its payload.
    ColdWithoutHash,
}

/// A scenario.
#[derive(Clone, Debug)]
pub struct Durable {
    /// The highest sequence.
    pub last: u8,
    /// Commits that each process makes.
    pub commits: [u8; FLUSHERS],
    /// Processes that are killed.
    pub crashes: u8,
    /// Losses of power.
    pub cuts: u8,
    /// Syncs that fail.
    pub failures: u8,
    /// Begin with the copy of a file of which nothing is on the disk.
    pub copied: bool,
    /// What is wrong, if anything.
    pub slip: Slip,
}

impl Default for Durable {
    fn default() -> Self {
        Self { last: 3, commits: [2, 1], crashes: 1, cuts: 0, failures: 0, copied: false, slip: Slip::None }
    }
}

/// A frame: its sequence, its slot, and which filling it is, for sequences come again after a loss of power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Frame {
    seq: u8,
    slot: u8,
    filling: u8,
}

/// Not there.
const NONE: Frame = Frame { seq: 0, slot: 0, filling: 0 };

/// What a superblock says: the number of its commit, 0 for none or torn, and the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Superblock {
    number: u8,
    frame: Frame,
}

/// The pages of the file that a disk can have, in memory or on it. A payload is a filling, 0 when torn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Pages {
    payloads: [u8; SLOTS],
    superblocks: [Superblock; 2],
}

/// A page, as a bit of what was changed.
fn payload(slot: u8) -> u8 {
    1 << slot
}

fn superblock(page: usize) -> u8 {
    1 << (SLOTS + page)
}

impl Pages {
    /// Whether the payload is there that a superblock names.
    fn has(&self, frame: Frame) -> bool {
        self.payloads[usize::from(frame.slot)] == frame.filling
    }

    fn write_back(&mut self, from: &Self, pages: u8) {
        for slot in 0..SLOTS {
            if pages & 1 << slot != 0 {
                self.payloads[slot] = from.payloads[slot];
            }
        }
        for page in 0..2 {
            if pages & superblock(page) != 0 {
                self.superblocks[page] = from.superblocks[page];
            }
        }
    }
}

/// Who opens the file after a loss of power, before anybody else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Opener {
    Choose,
    Invalidate { kept: Option<usize> },
    Sync { kept: Option<usize> },
    Done,
}

/// One state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    memory: Pages,
    disk: Pages,
    /// Pages that were changed since they were last on the disk.
    dirty: u8,
    head: Frame,
    durable: Frame,
    pending: Frame,
    /// `ver`: twice the sequence, less one while it is being filled.
    versions: [u8; SLOTS],
    /// Slot plus one that each flusher pins.
    pins: [u8; FLUSHERS],
    /// The flusher that has the kernel's lock, plus one.
    lock: u8,
    lost: bool,
    opener: Opener,
    producer: Producer,
    flushers: [Flusher; FLUSHERS],
    /// The newest sequence that anybody was told is durable.
    confirmed: u8,
    fillings: u8,
    crashes: u8,
    cuts: u8,
    failures: u8,
    happened: Happened,
}

/// What must happen somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Happened {
    finished: bool,
    went_on: bool,
    reused: bool,
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The producer takes its next step; to begin with, it tries this slot.
    Produce(u8),
    /// A flusher takes its next step.
    Flush(usize),
    /// A sync fails: what was to be written is forgotten.
    Fail(usize),
    /// The producer is killed.
    CrashProducer,
    /// A flusher is killed.
    CrashFlusher(usize),
    /// The kernel writes a page back.
    WriteBack(u8),
    /// The power goes.
    Cut,
    /// The next step of a cold open.
    Open,
}

impl State {
    fn store_superblock(&mut self, page: usize, value: Superblock) {
        self.memory.superblocks[page] = value;
        self.dirty |= superblock(page);
    }

    fn sync(&mut self, pages: u8) {
        self.disk.write_back(&self.memory, pages & self.dirty);
        self.dirty &= !pages;
    }

    /// The power goes and comes again: what was not on the disk never was, and nobody is there.
    fn cut(&mut self) {
        self.memory = self.disk;
        (self.dirty, self.lost, self.lock) = (0, false, 0);
        (self.head, self.durable, self.pending) = (NONE, NONE, NONE);
        (self.versions, self.pins) = ([0; SLOTS], [0; FLUSHERS]);
        self.producer = Producer::Idle;
        for flusher in &mut self.flushers {
            flusher.restart();
        }
        self.opener = Opener::Choose;
        self.cuts += 1;
    }
}

impl Durable {
    /// What a cold open chooses. In a copy the kernel wrote pages back before anybody kept an order, so there it counts
    /// that the payload's hash is looked at; elsewhere the order of the steps has to do without.
    fn newest(&self, pages: &Pages) -> Option<usize> {
        let hashes = self.copied && self.slip != Slip::ColdWithoutHash;
        let is_good = |it: Superblock| it.number > 0 && (!hashes || pages.has(it.frame));
        (0..2).filter(|page| is_good(pages.superblocks[*page])).max_by_key(|page| pages.superblocks[*page].number)
    }

    /// Whether a loss of power would leave a version that is whole and new enough, or nothing where nothing was promised.
    fn is_recoverable(&self, s: &State) -> bool {
        let found = self.newest(&s.disk).map(|page| s.disk.superblocks[page].frame);
        found.map_or(s.confirmed == 0, |frame| s.disk.has(frame) && frame.seq >= s.confirmed)
    }

    fn open(&self, s: &mut State) {
        s.opener = match s.opener {
            Opener::Choose => {
                let kept = self.newest(&s.memory);
                let is_stale = (0..2).any(|page| Some(page) != kept && s.memory.superblocks[page].number > 0);
                let invalidates = is_stale && self.slip != Slip::OtherSuperblockStays;
                if invalidates { Opener::Invalidate { kept } } else { Opener::Sync { kept } }
            }
            Opener::Invalidate { kept } => {
                for page in (0..2).filter(|page| Some(*page) != kept) {
                    s.store_superblock(page, Superblock::default());
                }
                Opener::Sync { kept }
            }
            Opener::Sync { kept } => {
                if self.slip != Slip::ColdWithoutSync {
                    s.sync(u8::MAX);
                }
                let frame = kept.map_or(NONE, |page| s.memory.superblocks[page].frame);
                (s.head, s.durable) = (frame, frame);
                s.versions[usize::from(frame.slot)] = 2 * frame.seq;
                Opener::Done
            }
            Opener::Done => Opener::Done,
        };
    }
}

impl Model for Durable {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut state = State {
            memory: Pages::default(),
            disk: Pages::default(),
            dirty: 0,
            head: NONE,
            durable: NONE,
            pending: NONE,
            versions: [0; SLOTS],
            pins: [0; FLUSHERS],
            lock: 0,
            lost: false,
            opener: Opener::Done,
            producer: Producer::Idle,
            flushers: self.commits.map(Flusher::new),
            confirmed: 0,
            fillings: 0,
            crashes: 0,
            cuts: 0,
            failures: 0,
            happened: Happened::default(),
        };
        if self.copied {
            let frame = Frame { seq: 1, slot: 0, filling: 1 };
            state.memory.payloads[0] = 1;
            state.memory.superblocks[0] = Superblock { number: 1, frame };
            state.dirty = payload(0) | superblock(0);
            (state.fillings, state.opener) = (1, Opener::Choose);
        }
        vec![state]
    }

    fn actions(&self, s: &State, actions: &mut Vec<Action>) {
        if !self.is_recoverable(s) {
            return;
        }
        actions.extend((0..SLOTS + 2).map(|page| 1 << page).filter(|page| s.dirty & page != 0).map(Action::WriteBack));
        if s.cuts < self.cuts {
            actions.push(Action::Cut);
        }
        if s.opener != Opener::Done {
            actions.push(Action::Open);
            return;
        }
        match s.producer {
            Producer::Idle if s.head.seq >= self.last => {}
            Producer::Idle => {
                let slots = (0..SLOTS as u8).filter(|slot| s.head.seq == 0 || *slot != s.head.slot);
                actions.extend(slots.map(Action::Produce));
            }
            _ => actions.push(Action::Produce(0)),
        }
        let may_crash = s.crashes < self.crashes;
        if may_crash && s.producer != Producer::Idle {
            actions.push(Action::CrashProducer);
        }
        for f in 0..FLUSHERS {
            if !s.flushers[f].may_step(s) {
                continue;
            }
            actions.push(Action::Flush(f));
            if may_crash && s.flushers[f].has_begun() {
                actions.push(Action::CrashFlusher(f));
            }
            if s.failures < self.failures && s.flushers[f].is_syncing() {
                actions.push(Action::Fail(f));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Produce(slot) => self.produce(&mut s, slot),
            Action::Flush(f) => self.flush(&mut s, f),
            Action::Fail(f) => Self::fail(&mut s, f),
            Action::CrashProducer => {
                s.crashes += 1;
                producer::crash(&mut s);
            }
            Action::CrashFlusher(f) => {
                s.crashes += 1;
                // The pin goes when somebody recovers it: at once is the worst moment.
                s.pins[f] = 0;
                s.lock = if usize::from(s.lock) == f + 1 { 0 } else { s.lock };
                s.flushers[f].die();
            }
            Action::WriteBack(page) => s.sync(page),
            Action::Cut => s.cut(),
            Action::Open => self.open(&mut s),
        }
        (s != *last).then_some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(WHOLE, |model: &Self, s: &State| model.is_recoverable(s)),
            Property::sometimes(CONFIRMED, |_, s: &State| s.confirmed >= 2),
        ];
        if self.crashes > 0 {
            properties.push(Property::sometimes(FINISHED, |_, s: &State| s.happened.finished));
        }
        if self.last > 2 {
            properties.push(Property::sometimes(REUSED, |_, s: &State| s.happened.reused));
        }
        if self.cuts > 0 {
            properties.push(Property::sometimes(WENT_ON, |_, s: &State| s.happened.went_on));
        }
        properties
    }
}
