//! Torture: processes that use shared arrays at random, and are killed and stopped at random.
//!
//! A supervisor starts workers. Each of them draws one operation after the other from a table (`operations/`) and runs
//! it on a handful of arrays that all of them share, and that check themselves word by word (`payload`). The supervisor
//! kills them at random moments, they kill themselves at random steps of the library, they are stopped for a while, some
//! live in a PID namespace of their own, and whoever dies is replaced. Every operation has a deadline. At the end
//! everything that the dead held must be free again.
//!
//! All decisions follow from one seed. The kernel's scheduling does not, so the same seed gives the same lives but not
//! the same encounters; what a worker did last stands in its journal, which outlives it.

#![allow(clippy::print_stdout, reason = "it is a command: what it prints is what it is for")]

mod arrays;
mod errors;
mod journal;
mod namespace;
mod operations;
mod options;
mod payload;
mod sabotage;
mod supervisor;
mod worker;

use options::Role;
use std::process::ExitCode;

/// What went wrong, in a few words.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// The exit status of a worker that found something wrong.
pub(crate) const FOUND: u8 = 70;

fn main() -> ExitCode {
    let outcome = options::role().and_then(|role| match role {
        Role::Help => {
            print!("{}", options::USAGE);
            Ok(ExitCode::SUCCESS)
        }
        Role::Supervisor(plan) => supervisor::run(plan),
        Role::Worker(duty) => worker::run(&duty),
        Role::Probe(duty) => namespace::probe(&duty),
        Role::Sweep => sharray::collect_garbage().map(|_| ExitCode::SUCCESS).map_err(|error| error.to_string()),
        Role::Namespace(duty) => namespace::enter(&duty),
        Role::Init(duty) => namespace::init(&duty),
    });
    outcome.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}
