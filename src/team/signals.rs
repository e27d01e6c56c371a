//! The signals that end a program, and the one that says that a child has ended, told to a launcher while it runs.

use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use signal_hook::SigId;
use signal_hook::flag::{register_conditional_default, register_usize};
use signal_hook::low_level::{pipe, unregister};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, OnceLock};

/// Those that end a program.
const ENDING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// How often one looks, whether a signal came or not.
const GLANCE_MS: u8 = 100;

/// How many launchers run in this process.
static RUNS: AtomicUsize = AtomicUsize::new(0);

/// Whether none does: then a signal does what it did before.
static IDLE: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Catches the signals in whatever thread they arrive. Dropping it lets them do what they did before.
#[derive(Debug)]
pub(super) struct Signals {
    wakes: UnixStream,
    newest: Arc<AtomicUsize>,
    actions: Vec<SigId>,
}

impl Signals {
    pub(super) fn catch() -> Result<Self> {
        Self::new().map_err(failed)
    }

    fn new() -> io::Result<Self> {
        let (wakes, writer) = UnixStream::pair()?;
        wakes.set_nonblocking(true)?;
        let idle = idle()?;
        let mut signals = Self { wakes, newest: Arc::default(), actions: Vec::new() };
        RUNS.fetch_add(1, SeqCst);
        idle.store(false, SeqCst);
        let ignored = handled("SigIgn:")?;
        // What is ignored, as in a job in the background of some shells, stays so.
        for signal in ENDING.into_iter().filter(|signal| !has(ignored, *signal)) {
            let number = signal as i32;
            signals.actions.push(register_usize(number, Arc::clone(&signals.newest), signal as usize)?);
            signals.actions.push(pipe::register(number, writer.try_clone()?)?);
        }
        signals.actions.push(pipe::register(Signal::SIGCHLD as i32, writer)?);
        Ok(signals)
    }

    /// Until there is a signal, or it is time to look anyway.
    pub(super) fn wait(&mut self) -> Result<()> {
        match poll(&mut [PollFd::new(self.wakes.as_fd(), PollFlags::POLLIN)], PollTimeout::from(GLANCE_MS)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(failed(errno.into())),
        }
        let mut bytes = [0; 64];
        while self.wakes.read(&mut bytes).is_ok_and(|len| len == bytes.len()) {}
        Ok(())
    }

    /// The signal that came since, if it was one that ends a program.
    pub(super) fn next(&self) -> Option<Signal> {
        let number = self.newest.swap(0, SeqCst);
        ENDING.into_iter().find(|signal| *signal as usize == number)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        if RUNS.fetch_sub(1, SeqCst) == 1 {
            if let Some(idle) = IDLE.get() {
                idle.store(true, SeqCst);
            }
        }
        for action in self.actions.drain(..) {
            unregister(action);
        }
    }
}

/// A handler that was installed once stays: where there was none before, it has to end the program when no launcher runs.
fn idle() -> io::Result<Arc<AtomicBool>> {
    if let Some(idle) = IDLE.get() {
        return Ok(Arc::clone(idle));
    }
    let idle = Arc::new(AtomicBool::new(false));
    let handled = handled("SigCgt:")? | handled("SigIgn:")?;
    for signal in ENDING.into_iter().filter(|signal| !has(handled, *signal)) {
        register_conditional_default(signal as i32, Arc::clone(&idle))?;
    }
    Ok(Arc::clone(IDLE.get_or_init(|| idle)))
}

/// A set of signals, as the kernel tells it of this process.
fn handled(set: &str) -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(set));
    line.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn has(set: u64, signal: Signal) -> bool {
    set >> (signal as i32 - 1) & 1 == 1
}

fn failed(error: io::Error) -> Error {
    Error::io("catch signals in", "/proc/self", error)
}
