//! Running other programs, and saying which one failed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What went wrong, in one line.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// A program with its arguments, to be run in the project's root.
#[derive(Debug)]
pub(crate) struct Step(Command);

/// The Cargo that runs this command.
pub(crate) fn cargo(arguments: &[&str]) -> Step {
    program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), arguments)
}

/// Any program.
pub(crate) fn program(name: impl AsRef<OsStr>, arguments: &[impl AsRef<OsStr>]) -> Step {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root());
    Step(command)
}

impl Step {
    pub(crate) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(key, value);
        self
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    /// Runs it to its end; an error if that is not a success.
    pub(crate) fn run(mut self) -> Outcome {
        let line = self.line();
        eprintln!("$ {line}");
        let status = self.0.status().map_err(|error| format!("cannot run {line}: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("{line}: {status}")) }
    }

    fn line(&self) -> String {
        let words = std::iter::once(self.0.get_program()).chain(self.0.get_args());
        words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
    }
}

/// What a program prints, without the end of the line; an error if it cannot be run or fails. It is not shown.
pub(crate) fn output(name: &Path, arguments: &[&str]) -> Outcome<String> {
    let failed = |what: &dyn std::fmt::Display| format!("{}: {what}", name.display());
    let ran = Command::new(name).args(arguments).current_dir(root()).output().map_err(|error| failed(&error))?;
    if !ran.status.success() {
        return Err(failed(&ran.status));
    }
    Ok(String::from_utf8_lossy(&ran.stdout).trim_end().to_owned())
}

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The folder that Cargo builds into.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The names of the files in a folder of the project, in order, without what comes after the dot.
pub(crate) fn names_in(folder: &str) -> Outcome<Vec<String>> {
    let folder = root().join(folder);
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let files = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file());
    let mut names: Vec<String> = files.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}
