//! Death at each step of an operation.
//!
//! A step is an access to shared memory or one of the steps of making a file. The operation runs in a child that kills
//! itself before its first step, then another child before its second, and so on until one comes through: so no place
//! is left out, however many there are.

use super::Outcome;
use super::child::{Child, Task};
use std::cell::Cell;

/// More than any operation has.
const MANY: u64 = 100_000;

/// Where a child is to die.
#[derive(Debug)]
pub(crate) struct Kill {
    /// Before its `at`-th step.
    pub(crate) at: u64,
    /// How many steps the operation has, once a child came through.
    steps: Cell<Option<u64>>,
}

impl Kill {
    pub(crate) fn at(step: u64) -> Self {
        Self { at: step, steps: Cell::new(None) }
    }

    /// Runs a child that dies on its way, or at the end of it. Its first argument is the number of the step.
    pub(crate) fn child(&self, role: &str, args: &[&str]) -> Outcome {
        self.end(Child::start(role, self.args(args))?)
    }

    /// The arguments of a child that is to die so.
    pub(crate) fn args(&self, args: &[&str]) -> Vec<String> {
        std::iter::once(self.at.to_string()).chain(args.iter().map(|arg| (*arg).to_owned())).collect()
    }

    /// Waits until the child dies.
    pub(crate) fn end(&self, mut child: Child) -> Outcome {
        child.died()?;
        while let Ok(line) = child.hear() {
            if let Some(steps) = line.strip_prefix("steps ") {
                self.steps.set(Some(steps.parse()?));
            }
        }
        Ok(())
    }

    /// Whether the operation was done before the child died.
    pub(crate) fn is_past_end(&self) -> bool {
        self.steps.get().is_some()
    }

    /// How many steps the operation has.
    pub(crate) fn steps(&self) -> Outcome<u64> {
        self.steps.get().ok_or_else(|| "the child did not come through".into())
    }
}

/// The child's side: runs the operation, dies before the step that its first argument names, or else after the last.
pub(crate) fn die_within<R>(task: &Task, operation: impl FnOnce() -> R) -> Outcome {
    let steps = task.number(0)?;
    sharray::kill_after(steps);
    let result = operation();
    let left = sharray::steps_left();
    task.say(&format!("steps {}", steps - left))?;
    // Nothing that the operation gave is dropped: the next thing is death.
    std::mem::forget(result);
    task.die()
}

/// Tries `once` with a death before each step of the operation, and after the last. Says how many steps there were.
pub(crate) fn at_each_step(operation: &str, once: impl Fn(&Kill) -> Outcome) -> Outcome {
    from_step(1, operation, once)
}

/// As [`at_each_step`], for the last `count` steps of an operation that begins with a long wait.
pub(crate) fn at_the_last_steps(count: u64, operation: &str, once: impl Fn(&Kill) -> Outcome) -> Outcome {
    // How often a wait looks before it sleeps depends on the clock: where the count was that of a longer one, it is
    // counted again.
    let mut outcome = Err("it was never counted".into());
    for _ in 0..5 {
        let all = Kill::at(MANY);
        once(&all).map_err(|error| format!("{operation}, killed at the end: {error}"))?;
        outcome = from_step(all.steps()?.saturating_sub(count) + 1, operation, &once);
        if !matches!(&outcome, Err(error) if error.to_string() == NO_STEPS) {
            break;
        }
    }
    outcome
}

const NO_STEPS: &str = "the operation has no steps";

fn from_step(first: u64, operation: &str, once: impl Fn(&Kill) -> Outcome) -> Outcome {
    for step in first..MANY {
        let kill = Kill::at(step);
        once(&kill).map_err(|error| format!("{operation}, killed before step {step}: {error}"))?;
        if kill.is_past_end() {
            eprintln!("{operation}: killed before each of the steps {first} to {} and after", step - 1);
            return if step > first { Ok(()) } else { Err(NO_STEPS.into()) };
        }
    }
    Err(format!("{operation} has more than {MANY} steps").into())
}
