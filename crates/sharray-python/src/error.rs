//! One exception for each error: a class of the Python module `sharray._errors`, with what the message says as attributes.

use pyo3::IntoPyObjectExt;
use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use sharray::Error;
use std::io::ErrorKind;

/// What a Python exception cannot be made of directly, since neither type is ours.
pub(crate) struct Raised(PyErr);

impl From<PyErr> for Raised {
    fn from(error: PyErr) -> Self {
        Self(error)
    }
}

impl From<Error> for Raised {
    fn from(error: Error) -> Self {
        Self(Python::attach(|py| raise(py, &error)))
    }
}

impl From<Raised> for PyErr {
    fn from(raised: Raised) -> Self {
        raised.0
    }
}

/// What the functions of this crate return.
pub(crate) type Result<T> = std::result::Result<T, Raised>;

/// An exception of this class of `sharray._errors` about the array of this name, with this message.
pub(crate) fn exception(py: Python<'_>, class: &str, name: &str, message: &str) -> PyErr {
    let error = make(py, class, (message,));
    // An exception takes any attribute.
    _ = error.value(py).setattr("name", name);
    error
}

/// An exception of this class of `sharray._errors`, made of these arguments.
pub(crate) fn make<'py>(py: Python<'py>, class: &str, arguments: impl PyCallArgs<'py>) -> PyErr {
    match classes(py).and_then(|classes| classes.getattr(class)?.call1(arguments)) {
        Ok(value) => PyErr::from_value(value),
        Err(error) => error,
    }
}

/// The handle was closed.
pub(crate) fn closed(py: Python<'_>, name: &str) -> PyErr {
    exception(py, "Closed", name, &format!("array {name:?} was closed"))
}

/// A lease, or what else was lent of an array, is over.
pub(crate) fn over(py: Python<'_>, what: &str, name: &str) -> PyErr {
    exception(py, "Closed", name, &format!("{what} {name:?} is over"))
}

/// The class of warnings about views that outlive what lent them.
pub(crate) fn stale_view_warning(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    classes(py)?.getattr("StaleViewWarning")
}

fn classes(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    MODULE.get_or_try_init(py, || py.import("sharray._errors").map(Bound::unbind)).map(|module| module.bind(py))
}

/// The exception for an error.
fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let (class, message) = (class_of(error), error.to_string());
    let raised = match error {
        // What every OSError has, and takes with it when it is pickled.
        Error::Io { path, source, .. } => make(py, class, (number_of(py, source), message, path.as_os_str())),
        _ => make(py, class, (message,)),
    };
    // An exception takes any attribute.
    _ = set_attributes(raised.value(py), error);
    raised
}

/// The system's number of what it said, also where that was found out without asking it.
fn number_of<'py>(py: Python<'py>, source: &std::io::Error) -> Option<Bound<'py, PyAny>> {
    let name = match source.kind() {
        _ if source.raw_os_error().is_some() => return source.raw_os_error().into_bound_py_any(py).ok(),
        ErrorKind::NotFound => "ENOENT",
        ErrorKind::PermissionDenied => "EACCES",
        ErrorKind::IsADirectory => "EISDIR",
        ErrorKind::NotADirectory => "ENOTDIR",
        _ => return None,
    };
    py.import("errno").and_then(|errno| errno.getattr(name)).ok()
}

fn class_of(error: &Error) -> &'static str {
    match error {
        Error::NotFound { .. } => "NotFound",
        Error::AlreadyExists { .. } => "AlreadyExists",
        Error::InvalidName { .. } => "InvalidName",
        Error::Mismatch { .. } => "Mismatch",
        Error::NotAnArray { .. } => "NotAnArray",
        Error::UnsupportedFormat { .. } => "UnsupportedFormat",
        Error::Truncated { .. } => "Truncated",
        Error::Corrupt { .. } => "Corrupt",
        Error::NeedsRecovery { .. } => "NeedsRecovery",
        Error::DurabilityLost { .. } => "DurabilityLost",
        Error::UnsupportedFilesystem { .. } => "UnsupportedFilesystem",
        Error::Untrusted { .. } => "Untrusted",
        Error::NoSpace { .. } => "NoSpace",
        Error::TableFull { .. } => "TableFull",
        Error::ShapeOverflow { .. } => "ShapeOverflow",
        Error::TooManyDimensions { .. } => "TooManyDimensions",
        Error::InvalidArgument { .. } => "InvalidArgument",
        Error::UnsupportedDtype { .. } => "UnsupportedDtype",
        Error::InvalidPreamble { .. } => "InvalidPreamble",
        Error::TimedOut { .. } => "TimedOut",
        Error::Retired { .. } => "Retired",
        Error::ProducerPresent { .. } => "ProducerPresent",
        Error::ProducerDied { .. } => "ProducerDied",
        Error::PeerDied { .. } => "PeerDied",
        Error::RankTaken { .. } => "RankTaken",
        Error::RankFailed { .. } => "RankFailed",
        Error::Interrupted { .. } => "Interrupted",
        Error::Lagged { .. } => "Lagged",
        Error::NoFreeSlot { .. } => "NoFreeSlot",
        Error::TooManyPins { .. } => "TooManyPins",
        Error::Locked { .. } => "Locked",
        Error::Poisoned { .. } => "Poisoned",
        Error::TooManyParticipants { .. } => "TooManyParticipants",
        Error::WouldDeadlock { .. } => "WouldDeadlock",
        Error::Forked { .. } => "Forked",
        Error::ReadOnly { .. } => "ReadOnly",
        Error::Io { source, .. } => match source.kind() {
            ErrorKind::NotFound => "MissingFile",
            ErrorKind::PermissionDenied => "ForbiddenFile",
            ErrorKind::IsADirectory => "NotAFile",
            _ => "IoError",
        },
        // The enum may grow; a new kind is an error all the same.
        _ => "Error",
    }
}

fn set_attributes(raised: &Bound<'_, PyAny>, error: &Error) -> PyResult<()> {
    match error {
        Error::NotFound { name, directory } | Error::AlreadyExists { name, directory } => {
            raised.setattr("name", name)?;
            raised.setattr("directory", directory)
        }
        Error::Mismatch { name, expected, found } => {
            raised.setattr("name", name)?;
            raised.setattr("expected", expected)?;
            raised.setattr("found", found)
        }
        Error::UnsupportedFormat { name, found, expected, .. } => {
            raised.setattr("name", name)?;
            raised.setattr("expected", expected)?;
            raised.setattr("found", found)
        }
        Error::Truncated { name, found, expected } => {
            raised.setattr("name", name)?;
            raised.setattr("expected", expected)?;
            raised.setattr("found", found)
        }
        Error::NoFreeSlot { name, holders, .. } | Error::Locked { name, holders } => {
            raised.setattr("name", name)?;
            raised.setattr("holders", holders)
        }
        Error::ProducerPresent { name, pid } => {
            raised.setattr("name", name)?;
            raised.setattr("pid", pid)
        }
        Error::PeerDied { name, rank } | Error::RankFailed { name, rank, .. } => {
            raised.setattr("name", name)?;
            raised.setattr("rank", rank)
        }
        Error::RankTaken { name, rank, pid } => {
            raised.setattr("name", name)?;
            raised.setattr("rank", rank)?;
            raised.setattr("pid", pid)
        }
        Error::Interrupted { name, signal } => {
            raised.setattr("name", name)?;
            raised.setattr("signal", signal)
        }
        Error::Lagged { name, missed } => {
            raised.setattr("name", name)?;
            raised.setattr("missed", missed)
        }
        Error::Poisoned { name, block } => {
            raised.setattr("name", name)?;
            raised.setattr("block", block)
        }
        Error::TableFull { name, len, max_len } => {
            raised.setattr("name", name)?;
            raised.setattr("len", len)?;
            raised.setattr("max_len", max_len)
        }
        Error::NotAnArray { path, .. } | Error::UnsupportedFilesystem { path, .. } | Error::Untrusted { path, .. } => {
            raised.setattr("path", path)
        }
        Error::InvalidName { name, .. }
        | Error::Corrupt { name, .. }
        | Error::NeedsRecovery { name }
        | Error::DurabilityLost { name }
        | Error::NoSpace { name, .. }
        | Error::InvalidArgument { name, .. }
        | Error::TimedOut { name }
        | Error::Retired { name }
        | Error::ProducerDied { name }
        | Error::TooManyPins { name, .. }
        | Error::TooManyParticipants { name, .. }
        | Error::WouldDeadlock { name, .. }
        | Error::Forked { name }
        | Error::ReadOnly { name } => raised.setattr("name", name),
        _ => Ok(()),
    }
}
