//! The command `sharray`, which the package brings along.

use pyo3::prelude::*;
use std::ffi::OsString;

/// Runs the command with its arguments, of which the first is its own name, and returns the exit code.
///
/// The process is the command's: its signals and its standard streams are used as the command does.
#[pyfunction]
#[pyo3(name = "_command")]
pub(crate) fn command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| sharray_cli::run(arguments))
}
