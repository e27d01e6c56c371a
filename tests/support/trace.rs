//! A child that is stopped at each of its instructions or system calls, and killed at a chosen one.
//!
//! The child stops itself right before and right after the operation. In between the test lets it run from one stop to
//! the next, and counts them. The last few belong to the call that stops it.

use super::child::{Child, Task};
use super::{Outcome, ensure};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::process::Command;
use std::sync::OnceLock;

/// Where a child stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stops {
    /// Before each system call, and after it.
    Calls,
    /// After each instruction.
    Instructions,
}

/// The child's side: lets its parent stop it anywhere in the operation.
pub(crate) fn between_stops<R>(operation: impl FnOnce() -> R) -> Outcome<R> {
    let this = Pid::this();
    ptrace::traceme()?;
    kill(this, Signal::SIGSTOP)?;
    let result = operation();
    kill(this, Signal::SIGSTOP)?;
    Ok(result)
}

/// Kills the child at its `at`-th stop, or else at the end of the operation, and says then how many stops that has.
///
/// Only the thread that started the child can do this.
pub(crate) fn kill_at(child: &mut Child, stops: Stops, at: u64) -> Outcome<Option<u64>> {
    let pid = Pid::from_raw(i32::try_from(child.pid())?);
    let start = waitpid(pid, None)?;
    ensure!(start == WaitStatus::Stopped(pid, Signal::SIGSTOP), "the operation does not begin: {start:?}");
    ptrace::setoptions(pid, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL)?;
    let end = run_to(pid, stops, at)?;
    child.kill()?;
    Ok(end)
}

fn run_to(pid: Pid, stops: Stops, at: u64) -> Outcome<Option<u64>> {
    for done in 0..at {
        match stops {
            Stops::Calls => ptrace::syscall(pid, None)?,
            Stops::Instructions => ptrace::step(pid, None)?,
        }
        match waitpid(pid, None)? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) | WaitStatus::PtraceSyscall(_) => {}
            WaitStatus::Stopped(_, Signal::SIGSTOP) => return Ok(Some(done)),
            other => return Err(format!("after {done} stops the child did not go on: {other:?}").into()),
        }
    }
    Ok(None)
}

/// Says so where a process may not stop another one like that.
pub(crate) fn lacking() -> Option<String> {
    static LACKS: OnceLock<Option<String>> = OnceLock::new();
    // Children make a list of the tests, too, and need no answer.
    let is_child = Task::of_this_process().is_some();
    LACKS.get_or_init(|| if is_child { None } else { refused() }).clone()
}

fn refused() -> Option<String> {
    let mut sleeper = Command::new("sleep").arg("60").spawn().ok()?;
    let seized = i32::try_from(sleeper.id()).map(|pid| ptrace::seize(Pid::from_raw(pid), Options::empty()));
    _ = sleeper.kill();
    _ = sleeper.wait();
    match seized {
        Ok(Ok(())) => None,
        refused => Some(format!("permission to trace a process ({refused:?})")),
    }
}
