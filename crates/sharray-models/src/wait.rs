//! Wait and notify (section 9): one word, `(n << 1) | W`, and a futex.
//!
//! What may go wrong is a lost wake-up: the waiter finds its condition false, the notifier makes it true and wakes
//! nobody, the waiter goes to sleep. Sleeps are sliced, so in truth such a loss costs one slice; here a sleep has no
//! end, so that the loss is seen. Any process may be killed before any step, once.

use stateright::{Model, Property};

/// No waiter sleeps while its condition holds and every notifier has finished.
pub const NO_LOST_WAKE_UP: &str = "A13: no wake-up is lost";
/// Somebody slept and was woken: the model is not empty.
const SLEPT: &str = "a sleeper was woken";

/// Ways to get it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slip {
    /// Nothing: the protocol.
    None,
    /// The notifier bumps the word, then makes the condition true.
    NotifyBeforeStore,
    /// The waiter checks its condition, then loads the word.
    CheckBeforeLoad,
    /// The waiter sleeps whatever the word is (a condition variable without its mutex).
    SleepWithoutCompare,
}

/// Waiters that each wait for the condition to reach a value, and notifiers that each raise it by one.
#[derive(Clone, Debug)]
pub struct Wait {
    /// What each waiter waits for.
    pub waiters: Vec<u8>,
    /// How many notifiers.
    pub notifiers: u8,
    /// Deaths.
    pub crashes: u8,
    /// What is wrong, if anything.
    pub slip: Slip,
}

impl Default for Wait {
    fn default() -> Self {
        Self { waiters: vec![1, 2, 3], notifiers: 3, crashes: 1, slip: Slip::None }
    }
}

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Waiter: load the word.
    Load,
    /// Waiter: look at the condition.
    Check(u8),
    /// Waiter: CAS the W bit in.
    Mark(u8),
    /// Waiter: ask the kernel to sleep if the word is still this.
    Sleep(u8),
    /// Waiter: in the kernel.
    Asleep,
    /// Notifier: make the condition true.
    Store,
    /// Notifier: load the word.
    Read,
    /// Notifier: CAS to the next number without W.
    Bump(u8),
    /// Notifier: wake all.
    Wake,
    /// Finished.
    Done,
    /// Killed.
    Dead,
}

/// One state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    word: u8,
    condition: u8,
    steps: Vec<Step>,
    crashes: u8,
    woken: bool,
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A process takes its next step.
    Step(usize),
    /// SIGKILL.
    Crash(usize),
}

impl Wait {
    fn advance(&self, s: &mut State, p: usize) {
        let check_first = self.slip == Slip::CheckBeforeLoad;
        let again = if check_first { Step::Check(0) } else { Step::Load };
        s.steps[p] = match s.steps[p] {
            Step::Load if check_first => marked(s.word),
            Step::Load => Step::Check(s.word),
            Step::Check(_) if s.condition >= self.waiters[p] => Step::Done,
            Step::Check(_) if check_first => Step::Load,
            Step::Check(word) => marked(word),
            Step::Mark(word) if s.word == word => {
                s.word |= 1;
                Step::Sleep(word | 1)
            }
            Step::Sleep(word) if s.word == word || self.slip == Slip::SleepWithoutCompare => Step::Asleep,
            Step::Mark(_) | Step::Sleep(_) => again,
            Step::Store => {
                s.condition += 1;
                if self.slip == Slip::NotifyBeforeStore { Step::Done } else { Step::Read }
            }
            Step::Read => Step::Bump(s.word),
            Step::Bump(word) if s.word == word => {
                s.word = ((word >> 1) + 1) << 1;
                if word & 1 == 1 { Step::Wake } else { self.notified() }
            }
            Step::Bump(_) => Step::Read,
            Step::Wake => {
                for step in &mut s.steps {
                    if *step == Step::Asleep {
                        *step = again;
                        s.woken = true;
                    }
                }
                self.notified()
            }
            other => other,
        };
    }

    fn notified(&self) -> Step {
        if self.slip == Slip::NotifyBeforeStore { Step::Store } else { Step::Done }
    }
}

/// The next step of a waiter that found its condition false under `word`.
fn marked(word: u8) -> Step {
    if word & 1 == 1 { Step::Sleep(word) } else { Step::Mark(word) }
}

impl Model for Wait {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let first = if self.slip == Slip::CheckBeforeLoad { Step::Check(0) } else { Step::Load };
        let notify = if self.slip == Slip::NotifyBeforeStore { Step::Read } else { Step::Store };
        let mut steps = vec![first; self.waiters.len()];
        steps.extend((0..self.notifiers).map(|_| notify));
        vec![State { word: 0, condition: 0, steps, crashes: 0, woken: false }]
    }

    fn actions(&self, s: &State, actions: &mut Vec<Action>) {
        for (p, step) in s.steps.iter().enumerate() {
            if matches!(step, Step::Done | Step::Dead) {
                continue;
            }
            if s.crashes < self.crashes {
                actions.push(Action::Crash(p));
            }
            if *step != Step::Asleep {
                actions.push(Action::Step(p));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Step(p) => self.advance(&mut s, p),
            Action::Crash(p) => {
                s.crashes += 1;
                s.steps[p] = Step::Dead;
            }
        }
        Some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NO_LOST_WAKE_UP, |model: &Self, s: &State| {
                let (waiters, notifiers) = s.steps.split_at(model.waiters.len());
                let finished = notifiers.iter().all(|step| *step == Step::Done);
                let lost = |(step, wants): (&Step, &u8)| *step == Step::Asleep && s.condition >= *wants;
                !finished || !waiters.iter().zip(&model.waiters).any(lost)
            }),
            Property::sometimes(SLEPT, |_, s: &State| s.woken),
        ]
    }
}
