//! What the command is told, by a person and by itself.

use crate::Outcome;
use crate::sabotage::Sabotage;
use lexopt::{Arg, Parser, ValueExt};
use std::path::PathBuf;
use std::str::FromStr;

/// What `--help` says.
pub(crate) const USAGE: &str = "\
Processes that use shared arrays at random, and are killed and stopped at random; every word that they see is checked.

Usage: sharray-torture [--seconds N] [--seed S] [--workers N]

  --seconds N    how long, default 60
  --seed S       the number that all decisions follow from; printed at the start, default by chance
  --workers N    how many processes at a time, 1 to 32, default 6
";

/// What this process is to be.
#[derive(Debug)]
pub(crate) enum Role {
    /// Says how to use it.
    Help,
    /// Starts workers and kills them.
    Supervisor(Plan),
    /// Uses arrays.
    Worker(Duty),
    /// Looks whether there can be PID namespaces.
    Probe(Duty),
    /// Collects the garbage that is left at the end.
    Sweep,
    /// Makes a PID namespace with a worker in it.
    Namespace(Duty),
    /// The first process of a PID namespace: starts the worker.
    Init(Duty),
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seconds: u64,
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    pub(crate) sabotage: Option<Sabotage>,
}

/// One worker's life.
#[derive(Clone, Debug)]
pub(crate) struct Duty {
    /// The folder of the run.
    pub(crate) folder: PathBuf,
    /// Where the worker writes down what it does.
    pub(crate) journal: PathBuf,
    pub(crate) seed: u64,
    pub(crate) sabotage: Option<Sabotage>,
}

impl Duty {
    /// The arguments that say the same to another process.
    pub(crate) fn arguments(&self, role: &str) -> Vec<String> {
        let mut arguments = vec![
            role.to_owned(),
            "--folder".to_owned(),
            self.folder.display().to_string(),
            "--journal".to_owned(),
            self.journal.display().to_string(),
            "--seed".to_owned(),
            self.seed.to_string(),
        ];
        if let Some(sabotage) = self.sabotage {
            arguments.extend(["--sabotage".to_owned(), sabotage.name().to_owned()]);
        }
        arguments
    }
}

/// Reads the command line.
pub(crate) fn role() -> Outcome<Role> {
    parse(Parser::from_env()).map_err(|error| format!("{error}\n\n{USAGE}"))
}

fn parse(mut parser: Parser) -> Result<Role, lexopt::Error> {
    let mut role = None;
    let (mut seconds, mut seed, mut workers, mut sabotage) = (60, None, 6, None);
    let (mut folder, mut journal) = (PathBuf::new(), PathBuf::new());
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("seconds") => seconds = parser.value()?.parse()?,
            Arg::Long("seed") => seed = Some(parser.value()?.parse()?),
            Arg::Long("workers") => workers = parser.value()?.parse_with(a_few)?,
            // Not for people: the tests break an operation on purpose and look whether that is noticed.
            Arg::Long("sabotage") => sabotage = Some(parser.value()?.parse_with(Sabotage::from_str)?),
            // Not for people: what the supervisor tells the others.
            Arg::Long("folder") => folder = parser.value()?.into(),
            Arg::Long("journal") => journal = parser.value()?.into(),
            Arg::Value(value) if role.is_none() => role = Some(value.string()?),
            Arg::Long("help") | Arg::Short('h') => return Ok(Role::Help),
            other => return Err(other.unexpected()),
        }
    }
    let seed = seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    let duty = Duty { folder, journal, seed, sabotage };
    match role.as_deref() {
        None => Ok(Role::Supervisor(Plan { seconds, seed, workers, sabotage })),
        Some("worker") => Ok(Role::Worker(duty)),
        Some("probe") => Ok(Role::Probe(duty)),
        Some("sweep") => Ok(Role::Sweep),
        Some("namespace") => Ok(Role::Namespace(duty)),
        Some("init") => Ok(Role::Init(duty)),
        Some(other) => Err(lexopt::Error::UnexpectedArgument(other.into())),
    }
}

fn a_few(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| (1..=32).contains(count)).ok_or_else(|| "expected 1 to 32".to_owned())
}
