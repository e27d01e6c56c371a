//! What the benchmarks share: rounds that interleave the contenders, medians, CPUs, words of shared memory, and a
//! second process.
//!
//! Machines are shared and noisy, so no figure stands alone. In each round every contender has its turn, and a ratio is
//! the median of the rounds' own ratios: what slows a whole round slows both sides of it.

#![allow(dead_code, reason = "each benchmark uses a part")]
#![allow(unsafe_code, reason = "the hand-written contenders need words of shared memory, and the futex call")]
#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

pub(crate) mod barrier;
pub(crate) mod limit;
pub(crate) mod mutex;

use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::{Duration, Instant};

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// The command line: `--key value` pairs and flags.
#[derive(Debug)]
pub(crate) struct Options(Vec<String>);

impl Options {
    pub(crate) fn from_args() -> Self {
        Self(std::env::args().skip(1).collect())
    }

    pub(crate) fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|arg| arg == flag)
    }

    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        let at = self.0.iter().position(|arg| arg == key)?;
        self.0.get(at + 1).map(String::as_str)
    }

    /// Whether it is only to be seen that the benchmark works: asked for, or run as a test by `cargo test --benches`.
    pub(crate) fn is_quick(&self) -> bool {
        self.has("--quick") || !self.has("--bench")
    }

    pub(crate) fn rounds(&self, full: u32) -> u32 {
        if self.is_quick() { 2 } else { full }
    }

    /// How long one contender's turn takes.
    pub(crate) fn turn(&self, full: Duration) -> Duration {
        if self.is_quick() { full / 10 } else { full }
    }
}

/// What was measured: a figure from each round for each name.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<(String, Vec<f64>)>);

impl Figures {
    /// Writes down one round's figure.
    pub(crate) fn add(&mut self, name: impl Into<String>, value: f64) {
        let name = name.into();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => self.0.push((name, vec![value])),
        }
    }

    /// Prints the median of each name.
    pub(crate) fn print(&self, unit: &str) {
        for (name, values) in &self.0 {
            println!("{name} {:.1} {unit}", median(values));
        }
    }

    /// Prints the median of each name with two decimals.
    pub(crate) fn print_exactly(&self, unit: &str) {
        for (name, values) in &self.0 {
            println!("{name} {:.2} {unit}", median(values));
        }
    }

    /// Prints the largest of each name.
    pub(crate) fn print_worst(&self, unit: &str) {
        for (name, values) in &self.0 {
            println!("{name}_worst {:.2} {unit}", percentile(&mut values.clone(), 100));
        }
    }

    /// Prints how many times as long as `peer` it takes: the median of the rounds' ratios, and between what bounds half
    /// of them lie.
    pub(crate) fn print_ratio(&self, name: &str, peer: &str) {
        let of = |wanted| self.0.iter().find(|(known, _)| known == wanted).map_or(&[][..], |(_, values)| values);
        let mut ratios: Vec<f64> = of(name).iter().zip(of(peer)).map(|(value, peer)| value / peer).collect();
        let [low, middle, high] = [25, 50, 75].map(|percent| percentile(&mut ratios, percent));
        println!("{name}/{peer} {middle:.2} x");
        println!("# {name}/{peer}: half of {} rounds between {low:.2} and {high:.2}", ratios.len());
    }
}

fn median(values: &[f64]) -> f64 {
    percentile(&mut values.to_vec(), 50)
}

/// The value below which so many in a hundred lie. Sorts; NaN if there are none.
pub(crate) fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get((values.len().saturating_sub(1) * percent + 50) / 100).copied().unwrap_or(f64::NAN)
}

pub(crate) fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

/// What one call takes, in nanoseconds: the median over chunks of some 100 µs, so that losing the CPU now and then
/// does not count.
pub(crate) fn per_call_ns(turn: Duration, mut call: impl FnMut()) -> f64 {
    const CHUNK: Duration = Duration::from_micros(100);
    let mut time = |calls: u32| {
        let start = Instant::now();
        for _ in 0..calls {
            call();
        }
        start.elapsed()
    };
    let mut calls = 16;
    while time(calls) < CHUNK {
        calls *= 2;
    }
    let end = Instant::now() + turn;
    let mut chunks = Vec::new();
    while chunks.is_empty() || Instant::now() < end {
        chunks.push(nanoseconds(time(calls)) / f64::from(calls));
    }
    median(&chunks)
}

/// The CPUs that this process may use. To be asked before the first [`run_on`].
pub(crate) fn cpus() -> Outcome<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect())
}

/// Keeps this process on one CPU. Children begin there too.
pub(crate) fn run_on(cpu: usize) -> Outcome {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// A fresh folder in memory, removed when the value goes.
pub(crate) fn folder() -> io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("sharray-bench-");
    builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir())
}

/// A page that processes share by path, for what is written by hand.
#[derive(Debug)]
pub(crate) struct SharedPage(MmapRaw);

impl SharedPage {
    const LEN: usize = 4096;

    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        file.set_len(Self::LEN as u64)?;
        Ok(Self(MmapOptions::new().len(Self::LEN).map_raw(&file)?))
    }

    /// A word of 32 bits; `at` counts words.
    pub(crate) fn word32(&self, at: usize) -> &AtomicU32 {
        assert!(at < Self::LEN / 4, "it stands in the page");
        let words: *mut u32 = self.0.as_mut_ptr().cast();
        // SAFETY: inside the mapping, as was just checked, aligned, and only accessed through atomics of one width each.
        unsafe { AtomicU32::from_ptr(words.wrapping_add(at)) }
    }

    /// A word of 64 bits; `at` counts words.
    pub(crate) fn word64(&self, at: usize) -> &AtomicU64 {
        assert!(at < Self::LEN / 8, "it stands in the page");
        let words: *mut u64 = self.0.as_mut_ptr().cast();
        // SAFETY: as for `word32`.
        unsafe { AtomicU64::from_ptr(words.wrapping_add(at)) }
    }
}

/// The first word of a mapping that has one.
pub(crate) fn first_word(map: &MmapRaw) -> &AtomicU64 {
    // SAFETY: mappings start at a page, and live as long as what they are borrowed from.
    unsafe { AtomicU64::from_ptr(map.as_mut_ptr().cast()) }
}

/// Sleeps while `word` holds `expected`; may return early.
pub(crate) fn futex_wait(word: &AtomicU32, expected: u32) {
    // SAFETY: the word outlives the call; without a time limit the kernel reads nothing else.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, expected, ptr::null::<libc::timespec>()) };
}

pub(crate) fn futex_wake(word: &AtomicU32) {
    // SAFETY: the kernel only takes the word's address.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
}

/// A descriptor that can be read from once the process is gone.
pub(crate) fn process(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers.
    let found = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?;
    let found = i32::try_from(found).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it for this process, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(found) })
}

/// Ends this process if it is not done in time: it may wait for a partner that is gone.
pub(crate) fn die_after(seconds: u32) {
    nix::unistd::alarm::set(seconds);
}

/// Another process that runs this very program with other arguments. Killed when the value goes.
#[derive(Debug)]
pub(crate) struct Partner {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Partner {
    pub(crate) fn start(args: &[(&str, &str)]) -> Outcome<Self> {
        let program: PathBuf = std::env::current_exe()?;
        let args = args.iter().flat_map(|(key, value)| [key, value]);
        let mut child = Command::new(program).args(args).stdout(Stdio::piped()).spawn()?;
        let output = BufReader::new(child.stdout.take().ok_or("the partner has no output")?);
        Ok(Self { child, output })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn wait_until_ready(&mut self) -> Outcome {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.trim() == READY { Ok(()) } else { Err("the partner failed".into()) }
    }

    /// Waits until it has ended by itself.
    pub(crate) fn finish(mut self) -> Outcome {
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the partner ended with {status}").into()) }
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        // Fails only if it has ended.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

const READY: &str = "ready";

/// Tells the process that started this one to go on.
pub(crate) fn say_ready() {
    println!("{READY}");
}
