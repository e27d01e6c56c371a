//! Starting a team with one command, and ending it clean.

use super::Team;
use super::run::{Folder, Ranks};
use super::signals::Signals;
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::layout::MAX_PARTICIPANTS;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::{Pid, getppid};
use std::env;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;

/// What a rank finds in its environment.
const TEAM: &str = "SHARRAY_TEAM";
const RANK: &str = "SHARRAY_RANK";
const SIZE: &str = "SHARRAY_SIZE";
const LAUNCHER: &str = "SHARRAY_LAUNCHER";

/// Starts the ranks of a team, each a process, and waits for them. Made by [`Team::spawn`].
///
/// # Where a run has its arrays
/// Each run has a folder of its own, below the default place or the [given one](Self::directory), which is the default place of its
/// ranks. What a rank calls `frames` is `RUN/frames` for everybody else, so a viewer attaches by name while the simulation
/// runs, and two runs never meet. When the run is over its folder goes, with all arrays in it. What a run left
/// behind that was killed itself, the next one of its name removes.
///
/// # How it ends
/// When all ranks have ended. If one fails, the others are told by [`Error::PeerDied`] where they wait for it, and killed if they
/// have not ended five seconds later. On Ctrl-C the kernel tells all ranks of a terminal's foreground job; the launcher waits for them, kills
/// those that are still there after five seconds, and returns [`Error::Interrupted`]. SIGTERM and SIGHUP are passed on. If the launcher itself is killed, the kernel ends the ranks with SIGTERM.
///
/// # Examples
/// ```
/// use sharray::Error;
/// use std::process::Command;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// // Ranks are copies of this program, unless they are told to be something else. They find their team in their environment.
/// let mut rank = Command::new("sh");
/// rank.args(["-c", "test $SHARRAY_RANK = 0 -a $SHARRAY_SIZE = 1"]);
/// sharray::Team::spawn(1).directory(&place).name("one").command(0, rank).run()?;
///
/// let mut fails = Command::new("sh");
/// fails.args(["-c", "exit 3"]);
/// let run = sharray::Team::spawn(1).directory(&place).restarts(2).command(0, fails);
/// match run.run() {
///     Err(Error::RankFailed { rank: 0, status, .. }) => assert_eq!(status.code(), Some(3)),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Launcher {
    size: u32,
    name: Option<String>,
    directory: Option<Directory>,
    restarts: u32,
    commands: Vec<(u32, Command)>,
}

impl Team {
    /// Starts a team of so many ranks: copies of this very program, with the same arguments.
    ///
    /// In them [`spawned`](Self::spawned) answers the team, so a program asks that first.
    ///
    /// # Examples
    /// ```no_run
    /// use sharray::Team;
    /// use std::time::Duration;
    ///
    /// fn main() -> sharray::Result<()> {
    ///     let Some(team) = Team::spawned()? else {
    ///         return Team::spawn(4).name("hello").run();
    ///     };
    ///     println!("rank {} of {}", team.rank(), team.size());
    ///     team.barrier(Duration::from_secs(10))
    /// }
    /// ```
    pub fn spawn(size: u32) -> Launcher {
        Launcher { size, name: None, directory: None, restarts: 0, commands: Vec::new() }
    }

    /// Joins the team of the [`Launcher`] that started this process; `None` if none did.
    ///
    /// To be called early: it asks the kernel to end this process by SIGTERM when the launcher dies.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the environment does not say what a launcher says; and those of [`join`](Self::join).
    ///
    /// # Examples
    /// ```
    /// assert!(sharray::Team::spawned()?.is_none(), "no launcher started this process");
    /// # Ok::<(), sharray::Error>(())
    /// ```
    pub fn spawned() -> Result<Option<Self>> {
        let Some(name) = env::var_os(TEAM) else { return Ok(None) };
        let name = name.to_string_lossy();
        let (rank, size) = (number_in(&name, RANK)?, number_in(&name, SIZE)?);
        let launcher = Pid::from_raw(number_in(&name, LAUNCHER)?);
        let io = |errno| Error::io("ask for a signal in", &*name, errno);
        prctl::set_pdeathsig(Signal::SIGTERM).map_err(io)?;
        // It may have died before that. Its parent is another process if a shell stands between the two.
        if getppid() != launcher && kill(launcher, None).is_err() {
            raise(Signal::SIGTERM).map_err(io)?;
        }
        Self::join(&name, rank, size).map(Some)
    }
}

/// A number that the environment tells a rank of this team.
fn number_in<N: FromStr>(team: &str, key: &str) -> Result<N> {
    let text = env::var(key).unwrap_or_default();
    text.parse().map_err(|_| Error::invalid(team, format!("{key} is {text:?}, expected a number")))
}

impl Launcher {
    /// Names the run: an error if one of this name is there, and alive. Default: the program's name, with the lowest
    /// number behind it that is free if another run has it.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Where the run's folder shall be. Default: [`Directory::default_place`].
    #[must_use]
    pub fn directory(mut self, directory: &Directory) -> Self {
        self.directory = Some(directory.clone());
        self
    }

    /// How often a rank that was killed by a signal is started again, as the same rank; all of them together. Default: never.
    ///
    /// The others wait for it in [`Team::reset`].
    #[must_use]
    pub fn restarts(mut self, restarts: u32) -> Self {
        self.restarts = restarts;
        self
    }

    /// Starts another program as this rank, in whatever language: it finds its team by `Team::spawned`, too.
    #[must_use]
    pub fn command(mut self, rank: u32, command: Command) -> Self {
        self.commands.retain(|(other, _)| *other != rank);
        self.commands.push((rank, command));
        self
    }

    /// Starts the ranks and waits until all have ended.
    ///
    /// Until it returns, Ctrl-C and its like end the ranks, and then this call, and not the program.
    ///
    /// # Errors
    /// [`Error::RankFailed`] with the first rank that failed, and how; [`Error::Interrupted`]; [`Error::AlreadyExists`] if a run of this
    /// name is alive, or other arrays are in its folder; [`Error::InvalidArgument`] if there are no such ranks, or in a
    /// process that is a rank itself; [`Error::InvalidName`]; [`Error::Untrusted`]; [`Error::Io`]. Whatever it returns, no rank is left,
    /// and no array of the run.
    pub fn run(mut self) -> Result<()> {
        let program = env::current_exe().map_err(|error| Error::io("find", "/proc/self/exe", error))?;
        self.check(&program)?;
        let place = self.directory.clone().map_or_else(Directory::default_place, Ok)?;
        let signals = Signals::catch()?;
        let folder = match &self.name {
            Some(name) => Folder::claim(&place, name)?
                .ok_or_else(|| Error::AlreadyExists { name: name.clone(), directory: place.path().to_owned() })?,
            None => Folder::claim_any(&place, &program)?,
        };
        let mut commands: Vec<Command> = (0..self.size).map(|rank| self.command_of(rank, &program)).collect();
        for (rank, command) in (0..self.size).zip(&mut commands) {
            command.env(TEAM, Folder::TEAM).env(RANK, rank.to_string()).env(SIZE, self.size.to_string());
            command.env(LAUNCHER, std::process::id().to_string()).env("SHARRAY_DIR", folder.path());
        }
        Ranks::new(folder.name(), commands, self.restarts).run(signals)
    }

    fn check(&self, program: &Path) -> Result<()> {
        let name = self.name.clone().unwrap_or_else(|| program.to_string_lossy().into_owned());
        if env::var_os(TEAM).is_some() {
            return Err(Error::invalid(&name, "this process is a rank itself: Team::spawned joins its team"));
        }
        let wrong = self.commands.iter().map(|(rank, _)| *rank).find(|rank| *rank >= self.size);
        if let Some(rank) = wrong {
            return Err(Error::invalid(&name, format!("a command is for rank {rank}, and it has {} ranks", self.size)));
        }
        if (1..=MAX_PARTICIPANTS).contains(&self.size) {
            return Ok(());
        }
        Err(Error::invalid(&name, format!("it has {} ranks, expected 1 to {MAX_PARTICIPANTS}", self.size)))
    }

    /// What starts a rank.
    fn command_of(&mut self, rank: u32, program: &Path) -> Command {
        if let Some(at) = self.commands.iter().position(|(other, _)| *other == rank) {
            return self.commands.swap_remove(at).1;
        }
        let mut command = Command::new(program);
        command.args(env::args_os().skip(1));
        command
    }
}
