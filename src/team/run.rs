//! One run of a launcher: its folder and its processes.

use super::signals::Signals;
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::kind::Kind;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How long ranks may take to end when they have to.
const GRACE: Duration = Duration::from_secs(5);

/// How often a name is tried that comes and goes.
const TRIES: u32 = 100;

/// A folder that this run has for itself. Dropping it removes it, with all arrays in it.
#[derive(Debug)]
pub(super) struct Folder {
    name: String,
    own: Directory,
    /// Given back by the kernel when this process dies: then the folder is anybody's.
    _lock: Flock<File>,
}

impl Folder {
    /// The team's name in the folder.
    pub(super) const TEAM: &str = "team";

    /// Takes the folder of this name, and removes what a dead run has left there. `None` if it is somebody else's.
    pub(super) fn claim(place: &Directory, name: &str) -> Result<Option<Self>> {
        place.check_folder_name(name)?;
        for _ in 0..TRIES {
            let own = match Directory::open(place.path().join(name)) {
                // An array has the name.
                Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotADirectory => return Ok(None),
                opened => opened?,
            };
            let io = |error| Error::io("lock", own.path(), error);
            let file = File::open(own.path()).map_err(io)?;
            let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => lock,
                Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
                Err((_, errno)) => return Err(io(errno.into())),
            };
            // The run that had it may have removed it just now.
            if lock.metadata().map_err(io)?.nlink() > 0 {
                if !is_free(&own)? {
                    return Ok(None);
                }
                let folder = Self { name: name.to_owned(), own, _lock: lock };
                folder.empty();
                return Ok(Some(folder));
            }
        }
        Ok(None)
    }

    /// Takes the first free folder of the names `program`, `program-2`, and so on.
    pub(super) fn claim_any(place: &Directory, program: &Path) -> Result<Self> {
        let stem = program.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        let mut stem: String = stem.chars().map(|letter| if allowed(letter) { letter } else { '-' }).collect();
        if stem.is_empty() || stem.starts_with('.') {
            stem.insert_str(0, "team");
        }
        for number in 1.. {
            let name = if number == 1 { stem.clone() } else { format!("{stem}-{number}") };
            if let Some(folder) = Self::claim(place, &name)? {
                return Ok(folder);
            }
        }
        unreachable!("the loop has no end")
    }

    /// Unlinks all arrays, the team last: as long as it is there, the rest is known to be a run's.
    fn empty(&self) {
        let Ok(found) = self.own.list() else { return };
        let (team, others): (Vec<_>, Vec<_>) = found.iter().partition(|info| info.name == Self::TEAM);
        for info in others.into_iter().chain(team) {
            // What cannot be removed stays for the next run.
            _ = self.own.unlink(&info.name);
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn path(&self) -> &Path {
        self.own.path()
    }
}

/// Whether there is nothing in a folder but what a run has left, in which nobody is any more.
fn is_free(folder: &Directory) -> Result<bool> {
    let found = folder.list()?;
    let was_run = found.iter().any(|info| info.kind == Kind::Team && info.name == Folder::TEAM);
    let is_used = found.iter().flat_map(|info| &info.participants).any(|participant| participant.is_alive);
    Ok(found.is_empty() || was_run && !is_used)
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.empty();
        // Fails if somebody has put something else there.
        _ = std::fs::remove_dir(self.own.path());
    }
}

/// The processes of a run. Dropping it kills those that are left.
#[derive(Debug)]
pub(super) struct Ranks<'n> {
    name: &'n str,
    commands: Vec<Command>,
    children: Vec<Option<Child>>,
    restarts: u32,
    failed: Option<(u32, ExitStatus)>,
    interrupted: Option<Signal>,
    /// When those that still run are killed.
    deadline: Option<Instant>,
}

impl<'n> Ranks<'n> {
    pub(super) fn new(name: &'n str, commands: Vec<Command>, restarts: u32) -> Self {
        let children = commands.iter().map(|_| None).collect();
        Self { name, commands, children, restarts, failed: None, interrupted: None, deadline: None }
    }

    /// Starts all, and waits until all have ended.
    pub(super) fn run(mut self, mut signals: Signals) -> Result<()> {
        for rank in 0..self.commands.len() {
            self.start(rank)?;
        }
        while self.children.iter().any(Option::is_some) {
            signals.wait()?;
            // First of all: who was ended by Ctrl-C is not to be started again.
            if let Some(signal) = signals.next() {
                // On Ctrl-C the terminal has told all of them, and twice is too often for a rank that is cleaning up.
                if signal != Signal::SIGINT {
                    self.signal(signal);
                }
                self.interrupt(signal);
            }
            self.look()?;
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.signal(Signal::SIGKILL);
            }
        }
        let name = self.name.to_owned();
        match (self.interrupted, self.failed) {
            (Some(signal), _) => Err(Error::Interrupted { name, signal: signal as i32 }),
            (None, Some((rank, status))) => Err(Error::RankFailed { name, rank, status }),
            (None, None) => Ok(()),
        }
    }

    fn start(&mut self, rank: usize) -> Result<()> {
        let command = &mut self.commands[rank];
        let program = command.get_program().to_owned();
        self.children[rank] = Some(command.spawn().map_err(|error| Error::io("start", program, error))?);
        Ok(())
    }

    /// Looks who has ended since.
    fn look(&mut self) -> Result<()> {
        let mut ended = Vec::new();
        for (rank, slot) in self.children.iter_mut().enumerate() {
            let Some(child) = slot else { continue };
            if let Some(status) = child.try_wait().map_err(|error| Error::io("wait for a rank of", self.name, error))? {
                *slot = None;
                ended.push((rank, status));
            }
        }
        // Who was killed may be why another one has ended with an error.
        ended.sort_by_key(|(rank, status)| (status.signal().is_none(), *rank));
        for (rank, status) in ended.into_iter().filter(|(_, status)| !status.success()) {
            if status.signal().is_some() && self.restarts > 0 && self.deadline.is_none() {
                self.restarts -= 1;
                self.start(rank)?;
            } else {
                self.failed = self.failed.or(Some((rank as u32, status)));
                self.end_after(GRACE);
            }
        }
        Ok(())
    }

    /// The second time nobody wants to wait.
    fn interrupt(&mut self, signal: Signal) {
        self.end_after(if self.interrupted.is_some() { Duration::ZERO } else { GRACE });
        self.interrupted = self.interrupted.or(Some(signal));
    }

    fn end_after(&mut self, grace: Duration) {
        let deadline = Instant::now() + grace;
        self.deadline = Some(self.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
    }

    fn signal(&self, signal: Signal) {
        for child in self.children.iter().flatten() {
            // It has not been waited for, so its number is nobody else's; it may have ended.
            _ = i32::try_from(child.id()).map(|pid| kill(Pid::from_raw(pid), signal));
        }
    }
}

impl Drop for Ranks<'_> {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        for child in self.children.iter_mut().flatten() {
            _ = child.wait();
        }
    }
}
