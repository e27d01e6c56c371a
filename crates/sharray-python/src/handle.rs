//! What a handle of an array in place and its parts have in common: one attach, and what can be used again.

use crate::dtype;
use crate::error::{Result, closed, exception};
use crate::gil::GilCell;
use crate::lease::{Read, Spare, Write};
use crate::wait::Patience;
use numpy::PyArrayDescr;
use pyo3::prelude::*;
use sharray::{AnyArray, Directory};
use std::sync::Arc;
use std::time::Duration;

/// Keeps an attach, and so its mapping, alive: the base of live views.
#[pyclass(frozen, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Mapped {
    pub(crate) array: AnyArray,
}

/// One attach, until it is closed.
#[pyclass(frozen, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) name: Arc<str>,
    pub(crate) place: Directory,
    pub(crate) is_read_only: bool,
    pub(crate) generation: [u8; 16],
    dtype: Py<PyArrayDescr>,
    mapped: GilCell<Option<Py<Mapped>>>,
    reads: GilCell<Spare<Read>>,
    writes: GilCell<Spare<Write>>,
}

impl Handle {
    pub(crate) fn new(py: Python<'_>, place: Directory, array: AnyArray) -> Result<Self> {
        Ok(Self {
            name: array.name().into(),
            place,
            is_read_only: array.is_read_only(),
            generation: array.generation(),
            dtype: dtype::to_python(py, array.dtype())?.unbind(),
            mapped: GilCell::new(Some(Py::new(py, Mapped { array })?)),
            reads: GilCell::new(Spare::default()),
            writes: GilCell::new(Spare::default()),
        })
    }

    /// The attach; in a forked child, one of its own.
    pub(crate) fn mapped(&self, py: Python<'_>) -> Result<Py<Mapped>> {
        let mapped = self.mapped.share(py).ok_or_else(|| closed(py, &self.name))?;
        if !mapped.get().array.is_inherited() {
            return Ok(mapped);
        }
        let array = attach(py, &self.place, &self.name, self.is_read_only, self.generation)?;
        let own = Py::new(py, Mapped { array })?;
        // Otherwise another thread was first, or has closed it.
        if self.is_at(py, &mapped) {
            self.close(py);
            self.mapped.set(py, Some(own));
        }
        self.mapped(py)
    }

    /// Waits as long as the handle is open.
    pub(crate) fn wait<R: Send>(
        &self,
        py: Python<'_>,
        patience: Patience,
        attempt: impl FnMut(Option<Duration>) -> sharray::Result<R> + Send,
    ) -> Result<R> {
        let check_open = || if self.is_closed(py) { Err(closed(py, &self.name).into()) } else { Ok(()) };
        patience.wait_while(py, check_open, attempt)
    }

    /// A context manager of an attach whose block has ended.
    pub(crate) fn spare_read(&self, py: Python<'_>, of: &Py<Mapped>) -> Option<Py<Read>> {
        if self.is_at(py, of) { Spare::take(&self.reads, py) } else { None }
    }

    /// A context manager of an attach whose block has ended.
    pub(crate) fn spare_write(&self, py: Python<'_>, of: &Py<Mapped>) -> Option<Py<Write>> {
        if self.is_at(py, of) { Spare::take(&self.writes, py) } else { None }
    }

    /// Keeps a context manager of this attach to be used again.
    pub(crate) fn keep_read(&self, read: &Bound<'_, Read>, of: &Py<Mapped>) {
        if self.is_at(read.py(), of) {
            Spare::keep(&self.reads, read);
        }
    }

    /// Keeps a context manager of this attach to be used again.
    pub(crate) fn keep_write(&self, write: &Bound<'_, Write>, of: &Py<Mapped>) {
        if self.is_at(write.py(), of) {
            Spare::keep(&self.writes, write);
        }
    }

    fn is_at(&self, py: Python<'_>, mapped: &Py<Mapped>) -> bool {
        self.mapped.holds(py, mapped)
    }

    pub(crate) fn is_closed(&self, py: Python<'_>) -> bool {
        !self.mapped.is_some(py)
    }

    pub(crate) fn close(&self, py: Python<'_>) {
        drop((self.mapped.take(py), self.reads.take(py), self.writes.take(py)));
    }

    pub(crate) fn dtype<'py>(&self, py: Python<'py>) -> &Bound<'py, PyArrayDescr> {
        self.dtype.bind(py)
    }
}

/// Attaches to one incarnation of a name.
pub(crate) fn attach(
    py: Python<'_>,
    place: &Directory,
    name: &str,
    is_read_only: bool,
    generation: [u8; 16],
) -> Result<AnyArray> {
    let builder = AnyArray::builder().directory(place);
    let builder = if is_read_only { builder.read_only() } else { builder };
    let array = builder.attach(name)?;
    if array.generation() == generation {
        return Ok(array);
    }
    Err(exception(py, "Replaced", name, &format!("array {name:?} was unlinked, and another one has its name")).into())
}
