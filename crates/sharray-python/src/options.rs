//! What the functions that make and find arrays have in common: places, orders, attributes.

use crate::error::{Result, make};
use crate::place::Directory;
use crate::wait::Patience;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use sharray::Order;
use std::path::PathBuf;
use std::time::Duration;

/// Where to look: a `Directory`, a path, or nothing for the default place.
pub(crate) fn place_of(dir: Option<&Bound<'_, PyAny>>) -> Result<sharray::Directory> {
    let Some(dir) = dir else { return Ok(sharray::Directory::default_place()?) };
    if let Ok(directory) = dir.cast::<Directory>() {
        return Ok(directory.get().inner().clone());
    }
    Ok(sharray::Directory::open(dir.extract::<PathBuf>()?)?)
}

/// `"C"` or `"F"`.
pub(crate) fn order_of(order: &str) -> PyResult<Order> {
    match order {
        "C" => Ok(Order::C),
        "F" => Ok(Order::Fortran),
        _ => Err(PyValueError::new_err(format!("order is {order:?}, expected 'C' or 'F'"))),
    }
}

/// The letter of an order.
pub(crate) fn letter_of(order: Order) -> &'static str {
    match order {
        Order::C => "C",
        Order::Fortran => "F",
    }
}

/// `"r"` or `"r+"`: whether to attach read-only.
pub(crate) fn is_read_only(mode: &str) -> PyResult<bool> {
    match mode {
        "r" => Ok(true),
        "r+" => Ok(false),
        _ => Err(PyValueError::new_err(format!("mode is {mode:?}, expected 'r' or 'r+'"))),
    }
}

/// A shape: one length or a sequence of them.
pub(crate) fn shape_of(shape: &Bound<'_, PyAny>) -> PyResult<Vec<usize>> {
    let py = shape.py();
    let refuse = |error: PyErr| {
        if error.is_instance_of::<PyOverflowError>(py) {
            return make(py, "ShapeOverflow", (format!("shape is {shape}, expected what a process can address"),));
        }
        PyTypeError::new_err(format!("shape is {shape}, expected an integer or a sequence of integers"))
    };
    let lengths: Vec<isize> = match shape.extract::<isize>() {
        Ok(length) => vec![length],
        Err(error) if error.is_instance_of::<PyOverflowError>(py) => return Err(refuse(error)),
        Err(_) => shape.extract().map_err(refuse)?,
    };
    let lengths: std::result::Result<_, _> = lengths.into_iter().map(usize::try_from).collect();
    lengths.map_err(|_| PyValueError::new_err(format!("shape is {shape}, expected lengths that are not negative")))
}

/// Attaches; with `wait`, in seconds, until the name exists.
pub(crate) fn attach_within<R: Send>(
    py: Python<'_>,
    wait: Option<f64>,
    attach: impl Fn(Option<Duration>) -> sharray::Result<R> + Send,
) -> Result<R> {
    let Some(seconds) = wait else { return Ok(attach(None)?) };
    if Duration::try_from_secs_f64(seconds).is_err() {
        return Err(PyValueError::new_err(format!("wait is {seconds}, expected seconds")).into());
    }
    Patience::of(wait)?.wait(py, attach)
}

/// The facts to attach to a new array: what JSON can say.
pub(crate) fn attributes_of(attributes: Option<&Bound<'_, PyDict>>) -> Result<Vec<(String, serde_json::Value)>> {
    let Some(attributes) = attributes else { return Ok(Vec::new()) };
    let text = attributes.py().import("json")?.getattr("dumps")?.call1((attributes,))?;
    let parsed: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text.extract()?)
        .map_err(|error| PyValueError::new_err(format!("the attributes cannot be told in JSON: {error}")))?;
    Ok(parsed.into_iter().collect())
}

/// The attributes of an array, as a dictionary.
pub(crate) fn attributes_to_python<'py>(
    py: Python<'py>,
    attributes: &serde_json::Map<String, serde_json::Value>,
) -> PyResult<Bound<'py, PyAny>> {
    let text = serde_json::to_string(attributes).unwrap_or_default();
    py.import("json")?.getattr("loads")?.call1((text,))
}

/// Which incarnation of a name: sixteen bytes.
pub(crate) fn generation_to_python(py: Python<'_>, generation: [u8; 16]) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &generation)
}
