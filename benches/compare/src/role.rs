//! The two sides of a comparison: processes that run this very program.

use crate::{Outcome, cpu};
use lexopt::Arg::Long;
use lexopt::ValueExt;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child as Process, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a process may take, before it and the sample are given up.
const PATIENCE: Duration = Duration::from_secs(60);
const READY: &str = "ready";

/// What a process was started for.
#[derive(Debug, Clone)]
pub struct Part {
    /// The side that it plays.
    pub role: String,
    /// What is compared: the name of the figure.
    pub case: String,
    /// Where both sides find their files.
    pub folder: PathBuf,
    /// The CPU that it is kept on.
    pub cpu: usize,
    /// How long to measure.
    pub turn: Duration,
}

impl Part {
    /// A part of a comparison.
    pub fn new(role: &str, case: &str, folder: &Path, cpu: usize, turn: Duration) -> Self {
        Self { role: role.to_owned(), case: case.to_owned(), folder: folder.to_owned(), cpu, turn }
    }

    /// The rest of a command line that began with `--role`.
    pub(crate) fn parse(parser: &mut lexopt::Parser) -> Outcome<Self> {
        let mut part = Self::new(&parser.value()?.string()?, "", Path::new(""), 0, Duration::ZERO);
        while let Some(arg) = parser.next()? {
            match arg {
                Long("case") => part.case = parser.value()?.string()?,
                Long("folder") => part.folder = parser.value()?.into(),
                Long("cpu") => part.cpu = parser.value()?.parse()?,
                Long("turn-us") => part.turn = Duration::from_micros(parser.value()?.parse()?),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(part)
    }

    /// Goes to the CPU, and dies with who started it, or when the other side keeps it waiting.
    pub(crate) fn begin(&self) -> Outcome {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        nix::unistd::alarm::set(u32::try_from(PATIENCE.as_secs())?);
        cpu::keep(self.cpu)
    }
}

/// A process that plays a part. Killed when the value goes.
#[derive(Debug)]
pub struct Child {
    process: Process,
    output: BufReader<ChildStdout>,
}

impl Child {
    /// Starts it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn start(part: &Part) -> Outcome<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--role", &part.role, "--case", &part.case, "--cpu", &part.cpu.to_string()])
            .args(["--turn-us", &part.turn.as_micros().to_string(), "--folder"])
            .arg(&part.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(process.stdout.take().ok_or("the child has no output")?);
        Ok(Self { process, output })
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it is [`ready`] to go on.
    ///
    /// # Errors
    /// If it ended, or said something else.
    pub fn wait_until_ready(&mut self) -> Outcome {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.trim() == READY { Ok(()) } else { Err(format!("instead of being ready it said {line:?}").into()) }
    }

    /// Lets one that is ready go on.
    ///
    /// # Errors
    /// If it is gone.
    pub fn go_on(&mut self) -> Outcome {
        let mut input = self.process.stdin.as_ref().ok_or("it was told to end")?;
        Ok(input.write_all(b"\n")?)
    }

    /// Tells it that it may end, and waits until it has; what it said since it was ready.
    ///
    /// # Errors
    /// If it failed, or did not end in time.
    pub fn finish(self) -> Outcome<String> {
        self.finish_within(PATIENCE)?.ok_or_else(|| "it did not end in time".into())
    }

    /// As [`finish`](Self::finish), with another limit; `None` if it did not end in time.
    ///
    /// # Errors
    /// If it failed.
    pub fn finish_within(mut self, limit: Duration) -> Outcome<Option<String>> {
        drop(self.process.stdin.take());
        let end = Instant::now() + limit;
        let status = loop {
            match self.process.try_wait()? {
                Some(status) => break status,
                None if Instant::now() > end => return Ok(None),
                None => thread::sleep(Duration::from_millis(2)),
            }
        };
        let mut said = String::new();
        self.output.read_to_string(&mut said)?;
        if status.success() { Ok(Some(said)) } else { Err(format!("it ended with {status}").into()) }
    }

    /// Kills it at once, and waits until it is gone.
    ///
    /// # Errors
    /// The kernel's.
    pub fn kill(mut self) -> io::Result<()> {
        self.process.kill()?;
        self.process.wait().map(drop)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Fails only if it has ended.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Waits until all are ready, and lets them go on.
///
/// # Errors
/// If one of them ended, or said something else.
pub fn meet(children: &mut [Child]) -> Outcome {
    children.iter_mut().try_for_each(Child::wait_until_ready)?;
    children.iter_mut().try_for_each(Child::go_on)
}

/// Says that this side is ready, and waits until it may go on.
///
/// # Errors
/// If the process that started this one is gone.
pub fn ready() -> Outcome {
    println!("{READY}");
    let read = io::stdin().read(&mut [0])?;
    if read == 1 { Ok(()) } else { Err("nobody let it go on".into()) }
}

/// Waits until the process that started this one says that it may end.
pub fn hold() {
    // An error is an end too.
    _ = io::copy(&mut io::stdin(), &mut io::sink());
}

/// Tries until it succeeds: what the other side makes may not be there yet.
///
/// # Errors
/// The last one, when it took too long.
pub fn retry<T, E>(mut attempt: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        match attempt() {
            Err(_) if Instant::now() < end => thread::sleep(Duration::from_millis(1)),
            outcome => return outcome,
        }
    }
}

/// Numbers that a child said, in one line.
///
/// # Errors
/// If they are no numbers.
pub fn numbers(said: &str) -> Outcome<Vec<f64>> {
    said.split_whitespace().map(|number| Ok(number.parse()?)).collect()
}
