//! What sharray is compared with, and how: the kit that the programs in `src/bin/` share.
//!
//! Each program has a subject. It runs all contenders one after the other, then all of them again, round after round, so
//! that a machine that drifts slows all alike. A contender's two sides are two processes, each kept on a CPU of its own:
//! who asks or consumes on the first, who answers or produces on the second. Every message is written by one side, and read
//! and checked by the other.
//!
//! A line `name value unit` is one sample, with the name `SUBJECT.CASE.CONTENDER`; lines that begin with `#` are notes.
//! Every program takes `--rounds N`, `--only part,of,names` and `--quick`.

pub mod clock;
pub mod cpu;
pub mod futex;
pub mod kernel;
pub mod locks;
pub mod memory;
pub mod noise;
pub mod peers;
pub mod plan;
pub mod role;

/// A result whose error is for a person to read.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

pub use plan::{Figure, Plan};
pub use role::{Child, Part};

/// What each program does: compares, or plays the part in a comparison for which it was started.
///
/// # Errors
/// What was wrong on the command line, and what failed.
pub fn main(compare: impl FnOnce(&mut Plan) -> Outcome, play: impl FnOnce(&Part) -> Outcome) -> Outcome {
    match plan::command_line()? {
        plan::Asked::Compare(mut plan) => {
            compare(&mut plan)?;
            plan.end()
        }
        plan::Asked::Play(part) => {
            part.begin()?;
            play(&part)
        }
    }
}
