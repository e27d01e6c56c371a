//! From files to named arrays and back.

use crate::error::Result;
use pyo3::prelude::*;

/// Tells an object like `tqdm`'s bars of the bytes that are done: calls its `update`, and sets its `total` if that is None.
///
/// What it raises is kept: the copy is the kernel's and goes on to its end.
pub(crate) struct Progress {
    bar: Option<Py<PyAny>>,
    done: u64,
    raised: Option<PyErr>,
}

impl Progress {
    pub(crate) fn of(bar: Option<&Bound<'_, PyAny>>) -> Self {
        Self { bar: bar.map(|bar| bar.clone().unbind()), done: 0, raised: None }
    }

    pub(crate) fn tell(&mut self, done: u64, all: u64) {
        let Some(bar) = &self.bar else { return };
        let told = Python::attach(|py| {
            py.check_signals()?;
            py.import("sharray._progress")?.getattr("tell")?.call1((bar, done - self.done, all)).map(drop)
        });
        self.done = done;
        if let Err(error) = told {
            self.raised = Some(error);
            self.bar = None;
        }
    }

    /// Raises what was raised meanwhile, if all else went well.
    pub(crate) fn end<T>(self, done: sharray::Result<T>) -> Result<T> {
        let done = done?;
        self.raised.map_or(Ok(done), |error| Err(error.into()))
    }
}
