//! The command `sharray`, which the package brings along, and its pictures.

use crate::dtype;
use crate::error::Result;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::ffi::OsString;

/// Runs the command with its arguments, of which the first is its own name, and returns the exit code.
///
/// The process is the command's: its signals and its standard streams are used as the command does.
#[pyfunction]
#[pyo3(name = "_command")]
pub(crate) fn command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| sharray_cli::run(arguments))
}

/// What a notebook is told of a picture: the PNG, how wide and high it is, and the ends of its scale.
type Drawn<'py> = (Bound<'py, PyBytes>, (usize, usize), Option<(f64, f64)>);

/// Draws an array's items, which come as bytes in C order. ``None``: it is no picture.
#[pyfunction]
#[pyo3(name = "_thumbnail")]
pub(crate) fn thumbnail<'py>(
    py: Python<'py>,
    dtype: &Bound<'py, PyAny>,
    shape: Vec<usize>,
    items: &[u8],
) -> Result<Option<Drawn<'py>>> {
    let dtype = dtype::from_python(dtype)?;
    let drawn = py.detach(|| sharray_cli::thumbnail(&dtype, &shape, items));
    Ok(drawn.map(|drawn| (PyBytes::new(py, &drawn.png), drawn.size, drawn.range)))
}
