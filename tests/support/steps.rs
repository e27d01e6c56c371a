//! Death at each point of an operation.
//!
//! The operation runs in a child that is killed at its first point, then another child at its second, and so on until one
//! comes through: so no place is left out, however many there are.

use super::Outcome;
use super::child::{Child, Task};
use super::trace::{self, Stops};
use std::cell::Cell;
use std::ops::RangeInclusive;

/// More than any operation has.
const MANY: u64 = 10_000_000;

/// Set to `all`: no instruction is left out.
const INSTRUCTIONS: &str = "SHARRAY_INSTRUCTIONS";

/// Where not all are tried, as many as can be reached with about so many stops: a build for tests has many instructions.
const STOPS: u64 = 150_000;

/// But no fewer and no more than these.
const SAMPLE: RangeInclusive<u64> = 6..=24;

/// What an operation is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// An access to shared memory, or one of the steps of making a file: the child counts them, and kills itself before
    /// one of them.
    #[cfg(feature = "step")]
    Step,
    /// The way into a system call, or out of it.
    Call,
    /// An instruction that was executed.
    Instruction,
}

impl Point {
    /// Tries `once` with a death at each point of the operation, and after the last.
    pub(crate) fn at_each(self, operation: &str, once: impl Fn(&Kill) -> Outcome) -> Outcome {
        let is_sampled = self == Self::Instruction && std::env::var_os(INSTRUCTIONS).is_none_or(|which| which != "all");
        if is_sampled { self.at_some(operation, once) } else { self.from(1, operation, once) }
    }

    /// A death here and there, and one after the last point.
    fn at_some(self, operation: &str, once: impl Fn(&Kill) -> Outcome) -> Outcome {
        let all = Kill::of(self, MANY);
        once(&all).map_err(|error| format!("{operation}, killed at the end: {error}"))?;
        let points = all.points()?;
        let tried = (STOPS * 2 / points.max(1)).clamp(*SAMPLE.start(), *SAMPLE.end()).min(points);
        for part in 0..tried {
            let kill = Kill::of(self, 1 + part * points / tried);
            once(&kill).map_err(|error| format!("{operation}, killed at {self:?} {}: {error}", kill.at))?;
        }
        eprintln!("{operation}: killed at {tried} of {points} points ({self:?}), and after the last");
        Ok(())
    }

    fn from(self, first: u64, operation: &str, once: impl Fn(&Kill) -> Outcome) -> Outcome {
        for at in first..MANY {
            let kill = Kill::of(self, at);
            once(&kill).map_err(|error| format!("{operation}, killed at {self:?} {at}: {error}"))?;
            if kill.is_past_end() {
                eprintln!("{operation}: killed at each point ({self:?}) from {first} to {}, and after", at - 1);
                return if at > first { Ok(()) } else { Err(NO_POINTS.into()) };
            }
        }
        Err(format!("{operation} has more than {MANY} points").into())
    }
}

const NO_POINTS: &str = "the operation has no points";

/// Where a child is to die.
#[derive(Debug)]
pub(crate) struct Kill {
    point: Point,
    /// At its `at`-th point.
    pub(crate) at: u64,
    /// How many points the operation has, once a child came through.
    points: Cell<Option<u64>>,
}

impl Kill {
    #[cfg(feature = "step")]
    pub(crate) fn at(step: u64) -> Self {
        Self::of(Point::Step, step)
    }

    fn of(point: Point, at: u64) -> Self {
        Self { point, at, points: Cell::new(None) }
    }

    /// Runs a child that dies on its way, or at the end of it. Its first argument says where.
    pub(crate) fn child(&self, role: &str, args: &[&str]) -> Outcome {
        self.end(Child::start(role, self.args(args))?)
    }

    /// The arguments of a child that is to die so.
    pub(crate) fn args(&self, args: &[&str]) -> Vec<String> {
        let place = match self.point {
            #[cfg(feature = "step")]
            Point::Step => self.at.to_string(),
            Point::Call | Point::Instruction => TRACED.to_owned(),
        };
        std::iter::once(place).chain(args.iter().map(|arg| (*arg).to_owned())).collect()
    }

    /// Waits until the child dies.
    pub(crate) fn end(&self, mut child: Child) -> Outcome {
        let stops = match self.point {
            #[cfg(feature = "step")]
            Point::Step => return self.end_itself(child),
            Point::Call => Stops::Calls,
            Point::Instruction => Stops::Instructions,
        };
        self.points.set(trace::kill_at(&mut child, stops, self.at)?);
        Ok(())
    }

    #[cfg(feature = "step")]
    fn end_itself(&self, mut child: Child) -> Outcome {
        child.died()?;
        while let Ok(line) = child.hear() {
            if let Some(steps) = line.strip_prefix("steps ") {
                self.points.set(Some(steps.parse()?));
            }
        }
        Ok(())
    }

    /// Whether the operation was done before the child died.
    pub(crate) fn is_past_end(&self) -> bool {
        self.points.get().is_some()
    }

    /// How many points the operation has.
    pub(crate) fn points(&self) -> Outcome<u64> {
        self.points.get().ok_or_else(|| "the child did not come through".into())
    }
}

/// The first argument of a child that is stopped by the test.
const TRACED: &str = "traced";

/// The child's side: runs the operation, and dies where its first argument says, or else after it.
pub(crate) fn die_within<R>(task: &Task, operation: impl FnOnce() -> R) -> Outcome {
    let result = match task.arg(0)? {
        TRACED => trace::between_stops(operation)?,
        #[cfg(feature = "step")]
        _ => count_steps(task, operation)?,
        #[cfg(not(feature = "step"))]
        other => return Err(format!("nobody can die at {other}").into()),
    };
    // Nothing that the operation gave is dropped: the next thing is death.
    std::mem::forget(result);
    task.die()
}

#[cfg(feature = "step")]
fn count_steps<R>(task: &Task, operation: impl FnOnce() -> R) -> Outcome<R> {
    let steps = task.number(0)?;
    sharray::kill_after(steps);
    let result = operation();
    let left = sharray::steps_left();
    task.say(&format!("steps {}", steps - left))?;
    Ok(result)
}

/// Tries `once` with a death before each step of the operation, and after the last.
#[cfg(feature = "step")]
pub(crate) fn at_each_step(operation: &str, once: impl Fn(&Kill) -> Outcome) -> Outcome {
    Point::Step.at_each(operation, once)
}

/// As [`at_each_step`], for the last `count` steps of an operation that begins with a long wait.
#[cfg(feature = "step")]
pub(crate) fn at_the_last_steps(count: u64, operation: &str, once: impl Fn(&Kill) -> Outcome) -> Outcome {
    // How often a wait looks before it sleeps depends on the clock: where the count was that of a longer one, it is
    // counted again.
    let mut outcome = Err("it was never counted".into());
    for _ in 0..5 {
        let all = Kill::at(MANY);
        once(&all).map_err(|error| format!("{operation}, killed at the end: {error}"))?;
        outcome = Point::Step.from(all.points()?.saturating_sub(count) + 1, operation, &once);
        if !matches!(&outcome, Err(error) if error.to_string() == NO_POINTS) {
            break;
        }
    }
    outcome
}
