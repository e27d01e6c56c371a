//! A worker in a PID namespace of its own.
//!
//! Three processes: one that makes the namespace, the first one in it, which cannot kill itself and so only starts the
//! third, which is the worker. All of them are of one process group, by which the supervisor kills and stops them.

use crate::Outcome;
use crate::options::Duty;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{getegid, geteuid};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

/// Dies with its parent. A parent that died before this was called shows at the end of standard input.
pub(crate) fn die_with_parent() -> Outcome {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(|errno| format!("cannot ask to die with the parent: {errno}"))
}

/// Whether this machine lets us make PID namespaces: tries it in a process of its own.
pub(crate) fn is_possible(duty: &Duty) -> Outcome {
    let output = again("probe", duty)?.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}

/// Makes a namespace with a process that does nothing.
pub(crate) fn probe(duty: &Duty) -> Outcome<ExitCode> {
    make()?;
    let status = again("worker", duty)?.arg("--help").stdout(Stdio::null()).status();
    Ok(ExitCode::from(code(status.map_err(|error| format!("cannot start a process in it: {error}"))?)))
}

/// Makes a namespace and starts its first process.
pub(crate) fn enter(duty: &Duty) -> Outcome<ExitCode> {
    die_with_parent()?;
    make()?;
    look_after("init", duty)
}

/// The first process of the namespace: starts the worker.
pub(crate) fn init(duty: &Duty) -> Outcome<ExitCode> {
    die_with_parent()?;
    look_after("worker", duty)
}

/// A namespace for the next child; as a user without rights, in a user namespace.
fn make() -> Outcome {
    let (user, group) = (geteuid(), getegid());
    if unshare(CloneFlags::CLONE_NEWPID).is_ok() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID).map_err(|errno| format!("no namespaces: {errno}"))?;
    let files = [
        ("uid_map", format!("{user} {user} 1")),
        ("setgroups", "deny".to_owned()),
        ("gid_map", format!("{group} {group} 1")),
    ];
    for (file, text) in files {
        std::fs::write(format!("/proc/self/{file}"), text).map_err(|error| format!("cannot write {file}: {error}"))?;
    }
    Ok(())
}

fn look_after(role: &str, duty: &Duty) -> Outcome<ExitCode> {
    let status = again(role, duty)?.status().map_err(|error| format!("cannot start the {role}: {error}"))?;
    Ok(ExitCode::from(code(status)))
}

/// This program in another role.
pub(crate) fn again(role: &str, duty: &Duty) -> Outcome<Command> {
    let exe = std::env::current_exe().map_err(|error| format!("cannot find myself: {error}"))?;
    let mut command = Command::new(exe);
    command.args(duty.arguments(role));
    Ok(command)
}

/// How a process ended as one number, as shells do it.
pub(crate) fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
