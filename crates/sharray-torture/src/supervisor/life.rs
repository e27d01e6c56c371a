//! One worker from its start to its end: what shall happen to it and when, and what became of it.

use super::totals::Totals;
use crate::journal::{self, Reading};
use crate::namespace::{self, again};
use crate::options::Duty;
use crate::{FOUND, Outcome};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What a process that was killed says of itself to the one that looks after it.
const KILLED: u8 = 128 + 9;

/// How a life is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By SIGKILL to the worker: processes that it has forked live on.
    Kill,
    /// By SIGKILL to the worker and all that it has forked.
    KillAll,
    /// In good order.
    Ask,
}

/// A worker.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) number: u64,
    process: Child,
    /// All processes of this life: the worker, those that it forked, those of its namespace.
    group: Pid,
    /// Ends when the last process of this life ends.
    last_breath: ChildStdout,
    journal: File,
    duty: Duty,
    in_namespace: bool,
    end: End,
    end_at: Instant,
    /// When it was told or made to end.
    ended_at: Option<Instant>,
    is_killed: bool,
    next_stop: Instant,
    stopped_until: Option<Instant>,
    status: Option<ExitStatus>,
}

impl Life {
    /// Starts a worker, and draws what shall become of it.
    pub(crate) fn start(number: u64, duty: Duty, in_namespace: bool, rng: &mut fastrand::Rng) -> Outcome<Self> {
        let told = |error: std::io::Error| format!("cannot start a worker: {error}");
        let create = File::options().read(true).write(true).create(true).truncate(true).open(&duty.journal);
        let mut command = again(if in_namespace { "namespace" } else { "worker" }, &duty)?;
        command.env("SHARRAY_DIR", &duty.folder).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(told)?;
        let group = i32::try_from(process.id()).map_err(|error| error.to_string())?;
        let last_breath = process.stdout.take().ok_or("a worker has no output")?;
        let now = Instant::now();
        Ok(Self {
            number,
            process,
            group: Pid::from_raw(group),
            last_breath,
            journal: create.map_err(told)?,
            duty,
            in_namespace,
            end: draw_end(rng),
            end_at: now + draw_life(rng),
            ended_at: None,
            is_killed: false,
            next_stop: now + Duration::from_micros(rng.u64(1000..1_000_000)),
            stopped_until: None,
            status: None,
        })
    }

    /// When the next thing is to happen to it.
    pub(crate) fn due(&self) -> Instant {
        let end = if self.ended_at.is_some() { self.next_stop } else { self.end_at };
        self.stopped_until.unwrap_or_else(|| end.min(self.next_stop))
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped_until.is_some()
    }

    /// Does to it what is due.
    pub(crate) fn act(&mut self, now: Instant, rng: &mut fastrand::Rng, totals: &mut Totals) -> Outcome {
        if self.status.is_some() {
            return Ok(());
        }
        if self.stopped_until.is_some_and(|until| now >= until) {
            self.signal_group(Signal::SIGCONT)?;
            self.stopped_until = None;
        }
        if self.ended_at.is_none() && now >= self.end_at {
            self.carry_out();
        }
        if now >= self.next_stop && self.stopped_until.is_none() {
            self.signal_group(Signal::SIGSTOP)?;
            totals.stops += 1;
            self.stopped_until = Some(now + Duration::from_micros(1 << rng.u32(6..18)));
            self.next_stop = now + Duration::from_micros(rng.u64(50_000..1_500_000));
        }
        Ok(())
    }

    /// Ends it so, now.
    pub(crate) fn end_now(&mut self, end: End) {
        if self.ended_at.is_none() {
            self.end = end;
            self.carry_out();
        }
    }

    fn carry_out(&mut self) {
        self.ended_at = Some(Instant::now());
        match self.end {
            End::Ask => drop(self.process.stdin.take()),
            // In a namespace the first process has to go, and takes all others along.
            End::Kill if !self.in_namespace => {
                self.is_killed = true;
                _ = kill(self.group, Signal::SIGKILL);
            }
            End::Kill | End::KillAll => self.kill_group(),
        }
    }

    /// Kills all its processes.
    pub(crate) fn kill_group(&mut self) {
        self.is_killed = true;
        self.ended_at.get_or_insert_with(Instant::now);
        // Nobody is left if this fails. The number is not anybody else's: some process of the group was there when the
        // pipe was last looked at, or the worker is not yet waited for.
        _ = killpg(self.group, Signal::SIGKILL);
    }

    fn signal_group(&self, signal: Signal) -> Outcome {
        killpg(self.group, signal).map_err(|errno| format!("cannot send {signal} to worker {}: {errno}", self.number))
    }

    /// Whether the worker has ended.
    pub(crate) fn has_ended(&mut self) -> Outcome<bool> {
        if self.status.is_none() {
            self.status = self.process.try_wait().map_err(|error| format!("cannot wait for a worker: {error}"))?;
            if self.status.is_some() {
                self.ended_at.get_or_insert_with(Instant::now);
                // Those whom it forked, and who were stopped with it, go on and see that the pipe is closed.
                drop(self.process.stdin.take());
                if self.stopped_until.take().is_some() {
                    _ = killpg(self.group, Signal::SIGCONT);
                }
            }
        }
        Ok(self.status.is_some())
    }

    /// Whether all processes of this life have ended.
    pub(crate) fn is_gone(&self) -> bool {
        let mut fds = [PollFd::new(self.last_breath.as_fd(), PollFlags::POLLIN)];
        _ = poll(&mut fds, PollTimeout::ZERO);
        fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
    }

    /// Whether it ended longer ago than this.
    pub(crate) fn is_late(&self, patience: Duration) -> bool {
        self.ended_at.is_some_and(|at| at.elapsed() > patience)
    }

    /// Looks how it ended; an error if it should not have ended so.
    pub(crate) fn verdict(&self, totals: &mut Totals) -> Outcome {
        totals.lives += 1;
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        let reading = self.reading();
        match self.status.map(namespace::code) {
            Some(0) if self.end == End::Ask && self.ended_at.is_some() => totals.asked += 1,
            Some(KILLED) if self.is_killed => totals.killed += 1,
            Some(KILLED) if reading.is_armed() => totals.killed_at_step += 1,
            Some(FOUND) => return Err("it found something wrong and could not say what".to_owned()),
            _ => return Err(format!("it ended with {:?}, which nobody wanted", self.status)),
        }
        Ok(())
    }

    pub(crate) fn reading(&self) -> Reading {
        Reading::of(&self.journal)
    }

    /// What it, or a process that it forked, found wrong.
    pub(crate) fn failure(&self) -> Option<String> {
        journal::failure(&self.journal)
    }

    /// What it did last.
    pub(crate) fn history(&self) -> Vec<String> {
        journal::history(&self.journal)
    }

    /// Where its processes stand, for whoever wants to know why it hangs.
    pub(crate) fn state(&self) -> String {
        let read = |what: &str| std::fs::read_to_string(format!("/proc/{}/{what}", self.group)).unwrap_or_default();
        let state = read("status").lines().find(|line| line.starts_with("State")).unwrap_or_default().to_owned();
        format!("{state}, in {}, system call {}", read("wchan"), read("syscall").trim())
    }

    /// Removes its journal: nobody asks any more.
    pub(crate) fn forget(self) {
        _ = std::fs::remove_file(&self.duty.journal);
    }
}

fn draw_end(rng: &mut fastrand::Rng) -> End {
    match rng.u32(..10) {
        0 | 1 => End::Ask,
        2..=4 => End::KillAll,
        _ => End::Kill,
    }
}

/// Short lives more often than long ones: from a millisecond, before anything is done, to eight seconds.
fn draw_life(rng: &mut fastrand::Rng) -> Duration {
    let most = 1000 << rng.u32(0..14);
    Duration::from_micros(1000 + rng.u64(..most))
}
