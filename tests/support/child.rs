//! Processes that play a role in a test.
//!
//! A child is this very program, started anew. It and the test talk in lines over pipes, so nothing is ever left to a
//! sleep. A child that is still there after a minute kills itself, and one whose test is over is killed.

#![allow(clippy::unused_self, reason = "only who has a task speaks as a child")]

use super::{Outcome, Roles, SOON};
use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::{Pid, alarm};
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::str::FromStr;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

/// The first argument of a process that plays a role.
const MARK: &str = "child";

/// Seconds after which a child ends by itself.
const ALARM: u32 = 60;

/// The role of a process that only starts another one: the first process of a PID namespace cannot kill itself.
const NANNY: &str = "nanny";

/// What a child was told to do.
pub(crate) struct Task {
    role: String,
    args: Vec<String>,
}

impl Task {
    pub(super) fn of_this_process() -> Option<Self> {
        let mut args = std::env::args().skip(1);
        let role = args.next().filter(|mark| mark == MARK).and_then(|_| args.next())?;
        Some(Self { role, args: args.collect() })
    }

    pub(super) fn play(&self, roles: Roles) -> ExitCode {
        alarm::set(ALARM);
        let outcome = match roles.iter().find(|(name, _)| *name == self.role) {
            Some((_, play)) => play(self),
            None if self.role == NANNY => return self.look_after(),
            None => Err("nobody knows this role".into()),
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("child {} {:?}: {error}", self.role, self.args);
                ExitCode::FAILURE
            }
        }
    }

    /// The argument at a position.
    pub(crate) fn arg(&self, at: usize) -> Outcome<&str> {
        self.args.get(at).map(String::as_str).ok_or_else(|| format!("argument {at} is missing").into())
    }

    /// The number at a position.
    pub(crate) fn number(&self, at: usize) -> Outcome<u64> {
        Ok(u64::from_str(self.arg(at)?)?)
    }

    /// Says a line to the test.
    pub(crate) fn say(&self, line: &str) -> Outcome {
        let mut out = io::stdout().lock();
        writeln!(out, "{line}")?;
        Ok(out.flush()?)
    }

    /// Waits until the test says this line.
    pub(crate) fn await_line(&self, expected: &str) -> Outcome {
        let heard = self.listen()?;
        if heard == expected { Ok(()) } else { Err(format!("heard {heard:?}, expected {expected:?}").into()) }
    }

    /// Waits for the test's next line; at the end of the test it is empty.
    pub(crate) fn listen(&self) -> Outcome<String> {
        let mut line = String::new();
        // One byte at a time: a process that is forked from this one reads on where this one stopped.
        loop {
            let mut byte = [0];
            if nix::unistd::read(io::stdin(), &mut byte)? == 0 || byte[0] == b'\n' {
                break;
            }
            line.push(char::from(byte[0]));
        }
        Ok(line)
    }

    /// Dies as if by `kill -9`, in the middle of whatever it holds.
    pub(crate) fn die(&self) -> Outcome {
        raise(Signal::SIGKILL)?;
        Err("it survived SIGKILL".into())
    }

    fn look_after(&self) -> ExitCode {
        let exe = std::env::current_exe();
        let status = exe.and_then(|exe| Command::new(exe).arg(MARK).args(&self.args).status());
        let code = status.ok().and_then(|status| status.code().or_else(|| status.signal().map(|signal| 128 + signal)));
        ExitCode::from(u8::try_from(code.unwrap_or(255)).unwrap_or(255))
    }
}

/// A process that plays a role, as the test sees it. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
    lines: Receiver<String>,
    is_over: bool,
}

impl Child {
    /// Starts a process with this role and these arguments.
    pub(crate) fn start<A: AsRef<OsStr>>(role: &str, args: impl IntoIterator<Item = A>) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(MARK).arg(role).args(args);
        Self::of(command)
    }

    /// The same, in an environment where the default place is this folder.
    pub(crate) fn start_with_place<A: AsRef<OsStr>>(
        folder: &str,
        role: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env("SHARRAY_DIR", folder).arg(MARK).arg(role).args(args);
        Self::of(command)
    }

    /// The same as the second process of a new PID namespace, if `unshare` with these arguments can make one.
    pub(crate) fn start_in_namespace<A: AsRef<OsStr>>(
        unshare: &[&str],
        role: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Outcome<Self> {
        let mut command = Command::new("unshare");
        command.args(unshare).arg(std::env::current_exe()?).args([MARK, NANNY, role]).args(args);
        Self::of(command)
    }

    fn of(mut command: Command) -> Outcome<Self> {
        super::hygiene::tell(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let stdout = process.stdout.take().ok_or("it has no stdout")?;
        let (heard, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if heard.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { process, lines, is_over: false })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits for the child's next line.
    pub(crate) fn hear(&self) -> Outcome<String> {
        self.lines.recv_timeout(SOON).map_err(|error| format!("the child says nothing: {error}").into())
    }

    /// Waits until the child says this line.
    pub(crate) fn expect(&self, expected: &str) -> Outcome {
        let heard = self.hear()?;
        if heard == expected { Ok(()) } else { Err(format!("heard {heard:?}, expected {expected:?}").into()) }
    }

    /// A line that it has said already, if there is one.
    pub(crate) fn heard(&self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// Says a line to the child.
    pub(crate) fn tell(&mut self, line: &str) -> Outcome {
        let stdin = self.process.stdin.as_mut().ok_or("it has no stdin")?;
        Ok(writeln!(stdin, "{line}")?)
    }

    /// Waits until it sleeps in a system call.
    pub(crate) fn sleeps(&self) -> Outcome {
        thread_is(&format!("/proc/{}", self.pid()), 'S')
    }

    /// Stops it, and waits until it is. SIGCONT lets it go on.
    pub(crate) fn stop(&self) -> Outcome {
        self.signal(Signal::SIGSTOP)?;
        thread_is(&format!("/proc/{}", self.pid()), 'T')
    }

    pub(crate) fn signal(&self, signal: Signal) -> Outcome {
        Ok(kill(Pid::from_raw(i32::try_from(self.pid())?), signal)?)
    }

    /// Kills it, and waits until it is gone: its locks are free then.
    pub(crate) fn kill(&mut self) -> Outcome {
        self.signal(Signal::SIGKILL)?;
        self.wait().map(drop)
    }

    /// Waits until it ends, and says how.
    pub(crate) fn wait(&mut self) -> Outcome<ExitStatus> {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = self.process.try_wait()? {
                self.is_over = true;
                return Ok(status);
            }
            if Instant::now() > deadline {
                return Err(format!("process {} still runs after {SOON:?}", self.pid()).into());
            }
            thread::sleep(std::time::Duration::from_micros(200));
        }
    }

    /// Waits until it ends as it should.
    pub(crate) fn succeed(&mut self) -> Outcome {
        let status = self.wait()?;
        if status.success() { Ok(()) } else { Err(format!("a child failed: {status}").into()) }
    }

    /// Waits until it dies of SIGKILL.
    pub(crate) fn died(&mut self) -> Outcome {
        let status = self.wait()?;
        let killed = Signal::SIGKILL as i32;
        if status.signal() == Some(killed) || status.code() == Some(128 + killed) {
            Ok(())
        } else {
            Err(format!("a child was to be killed, but: {status}").into())
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.is_over {
            _ = self.process.kill();
            _ = self.process.wait();
        }
    }
}

/// Waits until the state of a process or a thread is this, as its folder in /proc tells it.
pub(crate) fn thread_is(folder: &str, state: char) -> Outcome {
    super::wait_until(&format!("{folder} is in state {state}"), || {
        let text = std::fs::read_to_string(format!("{folder}/stat")).unwrap_or_default();
        text.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with(state))
    })
}
