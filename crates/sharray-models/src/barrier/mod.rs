//! The barrier of a team (section 10): rounds, deaths, resets, ranks that come again under the same number.
//!
//! Each rank joins, goes through rounds until so many have passed, and leaves. Where the team is broken it resets it, and a
//! killed rank comes again; or else it leaves, and nobody comes. So nobody may be left waiting when nothing more can happen. Sleeps end by being woken; by
//! themselves only once somebody has died, and then only if the sleeper finds something to do: so a lost wake-up and a
//! lost death are both a state in which somebody sleeps for ever.

mod round;
mod seat;

use stateright::{Model, Property};

/// Whoever passes a round finds that every rank has arrived in it.
pub const ALL: &str = "A14: none passes before all have arrived";
/// Two ranks that return from one round return the same.
pub const ONE: &str = "A14: a round has one outcome";
/// The first round after a reset passes only with those who were in the reset.
pub const RESET: &str = "A14: who goes on after a reset was in it";
/// When nothing more can happen, nobody sleeps.
pub const STUCK: &str = "A13: nobody waits for ever";
/// The rank that is named has been killed or has left.
pub const RIGHT: &str = "A2: who is said to be dead is gone";
/// Ranks that start after all others are gone are told of no death that they have not seen.
pub const FRESH: &str = "a fresh set of ranks begins anew";
const BROKEN: &str = "a round is broken by a death";
const GOES_ON: &str = "a round passes after a reset";
const RENEWED: &str = "a team is renewed";

/// Ways to get it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slip {
    /// Nothing: the protocol.
    None,
    /// Who slept for a slice does not look whether all have arrived.
    NoRescan,
    /// Who slept for a slice does not look who died.
    NoLookAround,
    /// A rank looks for the others' marks and then sets its own.
    ScanFirst,
    /// Marks of all rounds are alike.
    OneMark,
    /// The mark of a reset is that of the round that broke.
    ResetMark,
    /// The last one to arrive counts the round whatever has become of the word.
    BlindCount,
    /// Whoever gives up breaks the round whatever has become of the word.
    BlindBreak,
    /// A record says that its owner is no member, and then the round is broken.
    GoneBeforeBreak,
    /// Whoever leaves or is recovered does not break the round.
    NoBreak,
    /// A rank that is recovered keeps its mark until it is no member.
    NoWithdrawal,
    /// Whoever completes a reset does not look again.
    NoConfirm,
    /// Whoever completes a reset takes a rank that comes meanwhile for one that has been replaced.
    AnyState,
    /// Whoever completes a reset looks again at the marks alone.
    ConfirmMarks,
    /// Ranks join at the same time.
    NoJoinLock,
    /// Who joins does not recover the dead.
    JoinBesideDead,
    /// Who joins a broken team begins anew, whoever else is there.
    AlwaysRenew,
    /// Who counts or breaks a round wakes nobody.
    NoWake,
    /// Who is about to sleep does not say so by compare-and-swap.
    BlindArm,
    /// A living rank can be proved dead.
    FalseDeath,
}

/// Nobody is here under this number.
const GONE: u8 = 0;
/// Here, and not arrived.
const MEMBER: u8 = u8::MAX;
/// What broke a round that ran out of time.
const TIME: u8 = u8::MAX;

/// The team's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Bar {
    generation: u8,
    waiting: bool,
    /// A rank plus one, or [`TIME`].
    breach: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Round {
    generation: u8,
    is_reset: bool,
}

/// What a process does next. `at` counts the other ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Lock,
    Seat,
    Register,
    Probe { at: u8 },
    Look,
    Members { at: u8 },
    Renew,
    Enter,
    Unlock,
    Begin,
    Arrive,
    Scan { at: u8 },
    Load,
    Count,
    Wake,
    Confirm { at: u8 },
    Check,
    Arm,
    Sleep,
    Asleep,
    Around { at: u8 },
    GiveUp,
    Leave,
    Dead,
    Done,
}

/// Where a process is in taking a rank out of the team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Burial {
    Withdraw,
    Look,
    Break,
    Wake,
    Forget,
    Free,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Process {
    step: Step,
    /// The rank that it takes out of the team, and how far it has come.
    burial: Option<(u8, Burial)>,
    round: Round,
    /// The word as it was loaded last.
    seen: Bar,
    /// Who was each rank when it began to look for the marks.
    members: [u8; 3],
    /// Asleep, and about to wake.
    woken: bool,
}

const NEW: Process = Process {
    step: Step::Lock,
    burial: None,
    round: Round { generation: 0, is_reset: false },
    seen: Bar { generation: 0, waiting: false, breach: 0 },
    members: [0; 3],
    woken: false,
};

/// A team.
#[derive(Clone, Debug)]
pub struct Barrier {
    /// How many ranks, at most three.
    pub ranks: u8,
    /// Whether all have joined when it begins.
    pub seated: bool,
    /// All leave when so many rounds have passed.
    pub rounds: u8,
    /// Deaths.
    pub crashes: u8,
    /// Whether another process comes under the number of one that was killed.
    pub respawns: bool,
    /// Waits that run out of time.
    pub timeouts: u8,
    /// What is wrong, if anything.
    pub slip: Slip,
}

impl Default for Barrier {
    fn default() -> Self {
        Self { ranks: 2, seated: false, rounds: 2, crashes: 2, respawns: true, timeouts: 0, slip: Slip::None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fault {
    Early,
    TwoOutcomes,
    NotInReset,
    WrongDeath,
    NotFresh,
}

/// What a process found when a round was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Outcome {
    Passed,
    Broken(u8),
}

/// What is known of a round by looking at everybody at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct History {
    /// Which incarnation of each rank arrived in the round, and in the reset after it.
    arrived: [u8; 3],
    in_reset: [u8; 3],
    /// Whether it began with a reset of the one before.
    after_reset: bool,
    outcome: Option<Outcome>,
}

/// One state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    bar: Bar,
    arrived: [u8; 3],
    /// Whether the record is LIVE.
    live: [bool; 3],
    /// Who has the kernel lock of the record, plus one.
    byte: [u8; 3],
    /// Who joins, plus one.
    join: u8,
    processes: Vec<Process>,
    /// How many processes have been this rank.
    incarnation: [u8; 3],
    crashes: u8,
    timeouts: u8,
    history: Vec<History>,
    /// Bitmap of ranks that were ever killed, gave up or left.
    gone: u8,
    /// All were dead at once, and nothing has happened since that anybody should be told of.
    fresh: bool,
    renewed: bool,
    fault: Option<Fault>,
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A process takes its next step.
    Step(usize),
    /// SIGKILL.
    Crash(usize),
    /// Another process comes under the same number.
    Respawn(usize),
    /// A sleep ends by itself.
    Slice(usize),
    /// A wait runs out of time.
    Timeout(usize),
}

impl Barrier {
    fn mark(&self, round: Round) -> u8 {
        match self.slip {
            Slip::OneMark => 1,
            Slip::ResetMark => 2 * round.generation + 1,
            _ => 2 * round.generation + u8::from(round.is_reset) + 1,
        }
    }

    fn others(&self, p: usize) -> impl Iterator<Item = usize> {
        (0..usize::from(self.ranks)).filter(move |&rank| rank != p)
    }

    /// The rank that a scan looks at next, other than its own.
    fn other(&self, p: usize, at: u8) -> Option<usize> {
        self.others(p).nth(usize::from(at))
    }

    /// Whether the lock of a record can be had.
    fn is_dead(&self, s: &State, rank: usize) -> bool {
        s.byte[rank] == 0 || (self.slip == Slip::FalseDeath && usize::from(s.byte[rank]) == rank + 1)
    }

    /// Whether a slice that goes by finds something: one who died, or that all have arrived, or a wake-up that was lost
    /// with who should have made it.
    fn finds_something(&self, s: &State, p: usize) -> bool {
        let mark = self.mark(s.processes[p].round);
        let blocks = |&rank: &usize| s.arrived[rank] != mark && s.arrived[rank] != GONE && self.is_dead(s, rank);
        let finds_dead = self.slip != Slip::NoLookAround && self.others(p).any(|rank| blocks(&rank));
        let is_complete = s.arrived.iter().take(usize::from(self.ranks)).all(|&arrived| arrived == mark);
        let is_counted = s.bar != Bar { waiting: true, ..s.processes[p].seen };
        finds_dead || (is_complete && self.slip != Slip::NoRescan) || is_counted
    }

    fn can_step(&self, s: &State, p: usize) -> bool {
        let me = &s.processes[p];
        match me.step {
            Step::Dead | Step::Done => false,
            Step::Lock => s.join == 0 || self.slip == Slip::NoJoinLock,
            Step::Seat => s.byte[p] == 0,
            Step::Asleep => me.woken,
            _ => true,
        }
    }
}

impl Model for Barrier {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let seated = |rank: u8| self.seated && rank < self.ranks;
        vec![State {
            bar: Bar::default(),
            arrived: [0, 1, 2].map(|rank| if seated(rank) { MEMBER } else { GONE }),
            live: [0, 1, 2].map(seated),
            byte: [0, 1, 2].map(|rank| if seated(rank) { rank + 1 } else { 0 }),
            join: 0,
            processes: vec![
                Process { step: if self.seated { Step::Begin } else { Step::Lock }, ..NEW };
                usize::from(self.ranks)
            ],
            incarnation: [0, 1, 2].map(|rank| u8::from(seated(rank))),
            crashes: 0,
            timeouts: 0,
            history: vec![History::default()],
            gone: 0,
            fresh: false,
            renewed: false,
            fault: None,
        }]
    }

    fn actions(&self, s: &State, actions: &mut Vec<Action>) {
        if s.fault.is_some() {
            return;
        }
        for (p, process) in s.processes.iter().enumerate() {
            if process.step == Step::Dead {
                actions.extend(self.respawns.then_some(Action::Respawn(p)));
                continue;
            }
            if self.can_step(s, p) {
                actions.push(Action::Step(p));
            }
            if s.crashes < self.crashes && process.step != Step::Done {
                actions.push(Action::Crash(p));
            }
            if process.step == Step::Asleep && !process.woken {
                if s.crashes > 0 && self.finds_something(s, p) {
                    actions.push(Action::Slice(p));
                }
                if s.timeouts < self.timeouts {
                    actions.push(Action::Timeout(p));
                }
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Step(p) if s.processes[p].burial.is_some() => self.bury(&mut s, p),
            Action::Step(p) => s.processes[p].step = self.step(&mut s, p),
            Action::Crash(p) => {
                let holder = u8::try_from(p + 1).expect("a handful of processes");
                s.crashes += 1;
                s.gone |= 1 << p;
                s.byte.iter_mut().filter(|byte| **byte == holder).for_each(|byte| *byte = 0);
                s.join = if s.join == holder { 0 } else { s.join };
                s.processes[p] = Process { step: Step::Dead, ..NEW };
                s.fresh = s.processes.iter().all(|process| process.step == Step::Dead);
            }
            Action::Respawn(p) => s.processes[p] = NEW,
            Action::Slice(p) => s.processes[p].step = Step::Around { at: 0 },
            Action::Timeout(p) => {
                s.timeouts += 1;
                s.fresh = false;
                s.processes[p].step = Step::GiveUp;
            }
        }
        Some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(ALL, |_, s: &State| s.fault != Some(Fault::Early)),
            Property::always(ONE, |_, s: &State| s.fault != Some(Fault::TwoOutcomes)),
            Property::always(RESET, |_, s: &State| s.fault != Some(Fault::NotInReset)),
            Property::always(RIGHT, |_, s: &State| s.fault != Some(Fault::WrongDeath)),
            Property::always(FRESH, |_, s: &State| s.fault != Some(Fault::NotFresh)),
            Property::always(STUCK, |model: &Self, s: &State| {
                let mut actions = Vec::new();
                model.actions(s, &mut actions);
                let is_over = |process: &Process| matches!(process.step, Step::Done | Step::Dead);
                // Nobody may have to wait for a death, or for the end of patience.
                let goes_on = |action: &Action| !matches!(action, Action::Crash(_) | Action::Timeout(_));
                actions.iter().any(goes_on) || s.fault.is_some() || s.processes.iter().all(is_over)
            }),
        ];
        if self.crashes > 0 {
            properties.push(Property::sometimes(BROKEN, |_, s: &State| {
                s.history.iter().any(|round| matches!(round.outcome, Some(Outcome::Broken(rank)) if rank != TIME))
            }));
        }
        if self.crashes > 0 && self.respawns {
            properties.push(Property::sometimes(GOES_ON, |_, s: &State| {
                s.history.iter().any(|round| round.after_reset && round.outcome == Some(Outcome::Passed))
            }));
        }
        if self.crashes >= self.ranks && self.respawns {
            properties.push(Property::sometimes(RENEWED, |_, s: &State| s.renewed));
        }
        properties
    }
}
