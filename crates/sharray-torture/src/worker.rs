//! A worker: draws operations and runs them until it is told to end, or killed.

mod held;

pub(crate) use held::{
    Held, HeldCell, HeldField, HeldFrame, HeldPublisher, HeldSubscriber, HeldTable, Reading, check_frame, check_parts,
    keep,
};

use crate::journal::{Event, Journal};
use crate::namespace::die_with_parent;
use crate::operations;
use crate::options::Duty;
use crate::sabotage::Sabotage;
use crate::{FOUND, Outcome};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sharray::Directory;
use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Everything that an operation may use.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) rng: fastrand::Rng,
    pub(crate) place: Directory,
    pub(crate) journal: Journal,
    pub(crate) held: Held,
    pub(crate) memory: Memory,
    pub(crate) sabotage: Option<Sabotage>,
    /// How many leases stand around the operation in progress: it must not wait for them.
    pub(crate) nested: u32,
    /// Processes that were forked from this one and may live.
    pub(crate) children: Vec<nix::unistd::Pid>,
    /// What the process had open before it held anything; `None` in a forked child.
    pub(crate) baseline: Option<operations::quiet::Open>,
    /// When a forked child ends.
    until: Option<Instant>,
}

/// What the worker remembers of the versions that it has seen: a sequence has one content, whoever reads it.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    salts: HashMap<(usize, u64), u64>,
}

impl Memory {
    /// Fails if this sequence of this array was seen with another content.
    pub(crate) fn compare(&mut self, array: usize, sequence: u64, salt: u64) -> Outcome {
        if self.salts.len() > 10_000 {
            self.salts.clear();
        }
        let first = *self.salts.entry((array, sequence)).or_insert(salt);
        if first == salt { Ok(()) } else { Err(format!("sequence {sequence} has two contents: {first:#x}, {salt:#x}")) }
    }
}

/// The worker's `main`.
pub(crate) fn run(duty: &Duty) -> Outcome<ExitCode> {
    die_with_parent()?;
    let mut worker = Worker::new(duty)?;
    let outcome = catch_unwind(AssertUnwindSafe(|| worker.work()));
    if let Err(trouble) = outcome.unwrap_or_else(|panic| Err(format!("it panicked: {}", words(&*panic)))) {
        worker.journal.fail(&trouble);
        // What it holds stays as it is: another process can look at it.
        std::process::exit(i32::from(FOUND));
    }
    Ok(ExitCode::SUCCESS)
}

/// What a panic said.
pub(crate) fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("something")
}

impl Worker {
    fn new(duty: &Duty) -> Outcome<Self> {
        let place = Directory::default_place().map_err(|error| error.to_string())?;
        Ok(Self {
            rng: fastrand::Rng::with_seed(duty.seed),
            place,
            journal: Journal::create(&duty.journal)?,
            held: Held::default(),
            memory: Memory::default(),
            sabotage: duty.sabotage,
            nested: 0,
            children: Vec::new(),
            baseline: None,
            until: None,
        })
    }

    /// Runs operations until the supervisor closes the pipe, or is gone.
    fn work(&mut self) -> Outcome {
        operations::quiet::warm_up(self)?;
        while !self.is_over() {
            self.one()?;
        }
        operations::forks::reap_all(self)
    }

    /// Runs one operation.
    pub(crate) fn one(&mut self) -> Outcome {
        let at = operations::draw(&mut self.rng);
        let operation = &operations::all()[at];
        let sleeps = self.interfere(at, operation.name);
        self.sabotage();
        let outcome = (operation.run)(self);
        // What is set is taken back when the step comes.
        if sharray::steps_left() == u64::MAX && sleeps {
            self.journal.count(Event::Pause);
        }
        outcome.map_err(|trouble| format!("{}: {trouble}", operation.name))?;
        self.journal.end(at);
        Ok(())
    }

    /// Runs one that can stand inside another, whose leases are held meanwhile.
    pub(crate) fn one_inside(&mut self) -> Outcome {
        let operation = &operations::all()[operations::draw(&mut self.rng)];
        if self.nested > 0 || !operation.can_nest {
            return Ok(());
        }
        self.journal.note(format_args!("[{}", operation.name));
        self.nested += 1;
        let outcome = (operation.run)(self);
        self.nested -= 1;
        self.journal.note(format_args!("]"));
        outcome.map_err(|trouble| format!("inside a lease: {}: {trouble}", operation.name))
    }

    /// Draws whether the process dies in the operation that begins, or falls asleep in the middle of it. Says whether
    /// the latter.
    fn interfere(&mut self, at: usize, name: &str) -> bool {
        match self.rng.u32(..150) {
            0 => {
                let steps = self.steps();
                self.journal.begin(at, name, steps);
                sharray::kill_after(steps);
                false
            }
            1..=20 => {
                let (steps, pause) = (self.steps(), Duration::from_micros(1 << self.rng.u32(3..15)));
                self.journal.begin(at, name, 0);
                self.journal.note(format_args!("(sleeps within {steps} steps for {pause:?})"));
                sharray::pause_after(steps, pause);
                true
            }
            _ => {
                self.journal.begin(at, name, 0);
                false
            }
        }
    }

    /// Few steps more often than many: most operations have some dozens.
    fn steps(&mut self) -> u64 {
        let most = 1 << self.rng.u32(2..11);
        self.rng.u64(1..=most)
    }

    /// Becomes a forked child, with nothing of its own yet and not long to live.
    pub(crate) fn begin_as_fork(&mut self, life: Duration) -> Held {
        sharray::steps_left();
        self.journal.fall_silent();
        self.baseline = None;
        self.children.clear();
        self.until = Some(Instant::now() + life);
        std::mem::take(&mut self.held)
    }

    /// Whether the supervisor has closed the pipe, or a forked child's time is over.
    pub(crate) fn is_over(&self) -> bool {
        let input = io::stdin();
        let mut fds = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
        let is_closed = poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0);
        is_closed || self.until.is_some_and(|until| Instant::now() > until)
    }

    /// Whether this process was forked from a worker.
    pub(crate) fn is_fork(&self) -> bool {
        self.until.is_some()
    }

    /// Does what makes no sense in the middle of an operation.
    fn sabotage(&mut self) {
        if self.sabotages(Sabotage::Hang) {
            loop {
                std::thread::park();
            }
        }
        assert!(!self.sabotages(Sabotage::Panic), "it was told to panic");
    }

    /// Whether to do something wrong now, on purpose.
    pub(crate) fn sabotages(&mut self, kind: Sabotage) -> bool {
        self.sabotage == Some(kind) && self.rng.u32(..20) == 0
    }

    /// A time-out: none, or up to so many milliseconds.
    pub(crate) fn timeout(&mut self, most_ms: u64) -> Duration {
        if self.rng.bool() { Duration::ZERO } else { Duration::from_micros(self.rng.u64(..most_ms * 1000)) }
    }
}
