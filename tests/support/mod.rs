//! What the tests with real processes share.
//!
//! A test file is a program of its own: run plainly it is a list of tests, run as `child ROLE ...` it plays one part in
//! a test of another process. So a test has real processes to kill, and all of its code stands in one file.
//!
//! | module | has |
//! |---|---|
//! | [`child`] | processes that play a role: handshakes over pipes, deadlines, how they ended |
//! | [`stream`] | the stream that most tests use, and frames that check themselves |
//! | [`survivors`] | what must hold after any death of a user of that stream |
//! | [`field`] | the array in place that most tests use, and items that check themselves |
//! | [`heirs`] | what must hold after any death of a user of that array |
//! | [`hygiene`] | what the tests of a file must not leave behind |
//! | [`words`] | the shared words of such an array, read from its file |
//! | [`crew`] | the team that the tests use, and what must hold after any death of a rank |
//! | [`cell`] | the cell that the tests use, and what must hold after any death of its user |
//! | [`table`] | the table that the tests use, and what must hold after any death of its user |
//! | [`steps`] | death at each point of an operation: steps (feature `step`), system calls, instructions |
//! | [`trace`] | a child that is stopped at each of its system calls or instructions |

#![allow(dead_code, reason = "each test file uses a part of this")]

pub(crate) mod bytes;
pub(crate) mod cell;
pub(crate) mod child;
pub(crate) mod crew;
pub(crate) mod field;
pub(crate) mod heirs;
pub(crate) mod hygiene;
pub(crate) mod steps;
pub(crate) mod stream;
pub(crate) mod survivors;
pub(crate) mod table;
pub(crate) mod trace;
pub(crate) mod words;

use child::Task;
use libtest_mimic::{Arguments, Failed, Trial};
use std::error::Error;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// What a test or a child's part comes to.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long anything may take that should happen at once. Far more than it takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The parts that children can play, by name.
pub(crate) type Roles = &'static [(&'static str, fn(&Task) -> Outcome)];

/// One test: its name, what it must be done in, and what it needs that not every machine has.
pub(crate) struct Test {
    name: &'static str,
    deadline: Duration,
    lacks: Option<String>,
    run: fn() -> Outcome,
}

impl Test {
    pub(crate) fn new(name: &'static str, run: fn() -> Outcome) -> Self {
        Self { name, deadline: Duration::from_secs(60), lacks: None, run }
    }

    /// One in which children are stopped at every turn, which takes its time, and is not permitted everywhere.
    pub(crate) fn traced(name: &'static str, run: fn() -> Outcome) -> Self {
        Self::new(name, run).within(120).lacking(trace::lacking())
    }

    pub(crate) fn within(mut self, seconds: u64) -> Self {
        self.deadline = Duration::from_secs(seconds);
        self
    }

    /// Says what the machine does not have that the test needs. On the CI that is a failure, elsewhere it is ignored.
    pub(crate) fn lacking(mut self, lacks: Option<String>) -> Self {
        self.lacks = self.lacks.or(lacks);
        self
    }

    fn into_trial(self) -> Trial {
        let Self { name, deadline, lacks, run } = self;
        let kind = lacks.as_ref().map_or_else(String::new, |lacks| format!("needs {lacks}"));
        let is_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        let is_ignored = lacks.is_some() && !is_ci;
        let body = move || match lacks {
            Some(lacks) => Err(Failed::from(format!("this machine lacks {lacks}"))),
            None => within(deadline, run),
        };
        Trial::test(name, body).with_kind(kind).with_ignored_flag(is_ignored)
    }
}

/// The `main` of a test file.
pub(crate) fn main(roles: Roles, tests: Vec<Test>) -> ExitCode {
    if let Some(task) = Task::of_this_process() {
        return task.play(roles);
    }
    let mut arguments = Arguments::from_args();
    // Most of their time is spent waiting for processes, so a few more threads than cores do no harm.
    arguments.test_threads = arguments.test_threads.or(Some(4));
    let trials = tests.into_iter().map(Test::into_trial).collect();
    let conclude = || -> Outcome<ExitCode> {
        let before = hygiene::Before::the_tests()?;
        let conclusion = libtest_mimic::run(&arguments, trials);
        // A test that failed may have left anything.
        if !conclusion.has_failed() {
            before.check()?;
        }
        Ok(conclusion.exit_code())
    };
    conclude().unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

/// Runs a test, and gives up on it after the deadline: a hang is a failure like any other.
fn within(deadline: Duration, run: fn() -> Outcome) -> Result<(), Failed> {
    let (done, outcome) = mpsc::channel();
    let runner = thread::spawn(move || done.send(run()));
    match outcome.recv_timeout(deadline) {
        Ok(outcome) => outcome.map_err(|error| error.to_string().into()),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("it is not done after {deadline:?}").into()),
        Err(mpsc::RecvTimeoutError::Disconnected) => match runner.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(_) => Err("it ended without an outcome".into()),
        },
    }
}

/// Waits until `condition` holds, looking every millisecond.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) -> Outcome {
    let deadline = Instant::now() + SOON;
    while !condition() {
        if Instant::now() > deadline {
            return Err(format!("{what}: not so after {SOON:?}").into());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Fails with a message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+).into());
        }
    };
}
pub(crate) use ensure;

/// Fails with both values unless they are equal.
macro_rules! ensure_eq {
    ($found:expr, $expected:expr, $($message:tt)+) => {
        match (&$found, &$expected) {
            (found, expected) => {
                if found != expected {
                    return Err(format!("{}: found {found:?}, expected {expected:?}", format!($($message)+)).into());
                }
            }
        }
    };
}
pub(crate) use ensure_eq;
