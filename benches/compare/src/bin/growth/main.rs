//! How sharray's cost grows: with readers, writers, sizes, arrays, participants, blocks.
//!
//! A line is `growth.SUBJECT.LINE.x=N value unit`: what it takes when there are N of them. Where a subject needs more
//! processes than there are CPUs they take turns on the two that are used.

mod arrays;
mod blocks;
mod frames;
mod participants;
mod readers;
mod waits;
mod writers;

use sharray_compare::{Figure, Outcome, Part, Plan};

fn main() -> Outcome {
    sharray_compare::main(compare, play)
}

fn compare(plan: &mut Plan) -> Outcome {
    for _ in plan.rounds() {
        readers::grow(plan)?;
        writers::grow(plan)?;
        frames::grow(plan)?;
        arrays::grow(plan)?;
        waits::grow(plan)?;
        participants::grow(plan)?;
        blocks::grow(plan)?;
    }
    Ok(())
}

fn play(part: &Part) -> Outcome {
    match part.role.as_str() {
        readers::ROLE => readers::play(part),
        writers::ROLE => writers::play(part),
        waits::ROLE => waits::play(part),
        participants::ROLE => participants::play(part),
        role => Err(format!("nobody plays {role:?} here").into()),
    }
}

/// What is measured at one place along an axis.
struct Place {
    /// `growth.SUBJECT`.
    subject: String,
    x: usize,
}

impl Place {
    fn new(subject: &str, x: usize) -> Self {
        Self { subject: format!("growth.{subject}"), x }
    }

    /// What `--only` is held against.
    fn name(&self) -> String {
        format!("{}.x={}", self.subject, self.x)
    }

    fn figure(&self, line: &str, value: f64, unit: &'static str) -> Figure {
        Figure::new(format!("{}.{line}.x={}", self.subject, self.x), value, unit)
    }
}

/// The places along an axis; a glance sees the first two.
fn places<'p>(plan: &Plan, all: &'p [usize]) -> &'p [usize] {
    if plan.is_quick() { &all[..2] } else { all }
}
