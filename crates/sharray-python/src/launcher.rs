//! Starting a team: this program again, or others, as its ranks.

use crate::error::Result;
use pyo3::exceptions::{PyKeyboardInterrupt, PyTypeError, PyValueError};
use pyo3::prelude::*;
use sharray::{Directory, Error, Launcher};
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

/// What is to be started.
pub(crate) struct Run<'a> {
    pub(crate) size: u32,
    pub(crate) name: Option<&'a str>,
    pub(crate) restarts: u32,
    /// Those of the ranks that are other programs.
    pub(crate) commands: HashMap<u32, Vec<String>>,
    pub(crate) place: Directory,
}

impl Run<'_> {
    /// Starts all ranks and waits until they have ended. Without a name it takes the first that is free.
    pub(crate) fn start(self, py: Python<'_>) -> Result<()> {
        let Self { size, name, restarts, commands, place } = self;
        let own = own_command(py)?;
        let launcher = |name: &str| -> Result<Launcher> {
            let mut launcher = sharray::Team::spawn(size).name(name).restarts(restarts).directory(&place);
            for rank in (0..size).chain(commands.keys().copied().filter(|rank| *rank >= size)) {
                let [program, words @ ..] = &commands.get(&rank).unwrap_or(&own)[..] else {
                    return Err(PyValueError::new_err(format!("the command of rank {rank} has no words")).into());
                };
                let mut command = Command::new(program);
                command.args(words);
                launcher = launcher.command(rank, command);
            }
            Ok(launcher)
        };
        let first = name.map_or_else(|| run_name(py), |name| Ok(name.to_owned()))?;
        let mut number = 1;
        loop {
            let tried = if number == 1 { first.clone() } else { format!("{first}-{number}") };
            let launcher = launcher(&tried)?;
            match py.detach(|| launcher.run()) {
                Err(Error::AlreadyExists { .. }) if name.is_none() => number += 1,
                Err(Error::Interrupted { signal: 2, .. }) => {
                    // Python's own handler has seen it, too.
                    py.check_signals()?;
                    return Err(PyKeyboardInterrupt::new_err(()).into());
                }
                done => return Ok(done?),
            }
        }
    }
}

/// What starts this program once more.
fn own_command(py: Python<'_>) -> Result<Vec<String>> {
    let sys = py.import("sys")?;
    let program: String = sys.getattr("executable")?.extract()?;
    let words: Vec<String> = sys.getattr("orig_argv")?.extract()?;
    if program.is_empty() || words.len() < 2 {
        return Err(PyTypeError::new_err("only a program can start itself again: give commands for all ranks").into());
    }
    Ok(std::iter::once(program).chain(words.into_iter().skip(1)).collect())
}

/// The program's name, as a run can have it.
fn run_name(py: Python<'_>) -> Result<String> {
    let words: Vec<String> = py.import("sys")?.getattr("argv")?.extract()?;
    let stem = words.first().and_then(|program| Path::new(program).file_stem()).unwrap_or_default();
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let name: String =
        stem.to_string_lossy().chars().map(|letter| if allowed(letter) { letter } else { '-' }).collect();
    Ok(if name.is_empty() || name.starts_with('.') { format!("team{name}") } else { name })
}
