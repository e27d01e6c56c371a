//! The arrays that a team steps, and a rank's part of a step.

use crate::array::Array;
use crate::error::Result;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PySlice;
use sharray::{AnyArray, AnyTeamArray, Directory};
use std::sync::{Mutex, PoisonError};

/// An array that the ranks of a team step together: what it is now, and what it will be after the step.
///
/// Made by `Team.array`. It is two arrays in place, ``NAME/even`` and ``NAME/odd``: what there is after an even number of steps
/// is in one, what there is after an odd number in the other.
#[pyclass(frozen, weakref, module = "sharray")]
#[derive(Debug)]
pub(crate) struct TeamArray {
    name: String,
    opened: AnyTeamArray,
    arrays: [Py<Array>; 2],
}

impl TeamArray {
    pub(crate) fn new(py: Python<'_>, name: &str, place: &Directory, opened: AnyTeamArray) -> Result<Self> {
        let attach = |which: &str| {
            let array = AnyArray::builder().directory(place).attach(&format!("{name}/{which}"))?;
            Array::new(py, place.clone(), array).and_then(|array| Ok(Py::new(py, array)?))
        };
        Ok(Self { name: name.to_owned(), arrays: [attach("even")?, attach("odd")?], opened })
    }

    pub(crate) fn opened(&self) -> &AnyTeamArray {
        &self.opened
    }

    fn handle(&self, py: Python<'_>, which: &AnyArray) -> Py<Array> {
        self.arrays[usize::from(which.name().ends_with("/odd"))].clone_ref(py)
    }
}

#[pymethods]
impl TeamArray {
    /// The array as it is now, which nobody writes until this rank swaps: what is read of this and of other arrays of the team is
    /// of one step.
    #[getter]
    fn current(&self, py: Python<'_>) -> Py<Array> {
        self.handle(py, self.opened.current())
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    fn __repr__(&self) -> String {
        format!(
            "<sharray.TeamArray {:?}: {} {:?}>",
            self.name,
            self.opened.current().dtype(),
            self.opened.current().shape()
        )
    }
}

/// A rank's part of a step: what `Team.block` returns.
#[pyclass(frozen, weakref, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Block {
    array: Py<TeamArray>,
    rows: Py<PySlice>,
    read: Py<PyAny>,
    write: Py<PyAny>,
    /// The old array and the new rows, inside the ``with`` block.
    views: Mutex<Option<(Py<PyAny>, Py<PyAny>)>>,
}

impl Block {
    /// Leases the whole old array, and the new one's block of this number.
    pub(crate) fn of(array: &Bound<'_, TeamArray>, block: usize) -> Result<Self> {
        let (py, inner) = (array.py(), array.get());
        let (current, next) = (inner.opened.current(), inner.opened.next());
        let rows = next.rows(block..block + 1)?;
        let rows = PySlice::new(py, rows.start as isize, rows.end as isize, 1);
        let read = inner.handle(py, current).call_method0(py, "read")?;
        let write = inner.handle(py, next).bind(py).get_item(&rows)?.call_method0("write")?.unbind();
        inner.opened.begin();
        Ok(Self { array: array.clone().unbind(), rows: rows.unbind(), read, write, views: Mutex::new(None) })
    }

    fn views(&self, py: Python<'_>) -> Result<(Py<PyAny>, Py<PyAny>)> {
        let views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        let views = views.as_ref().map(|(old, new)| (old.clone_ref(py), new.clone_ref(py)));
        Ok(views.ok_or_else(|| PyTypeError::new_err("the views of a block are there inside its `with`"))?)
    }

    fn set_views(&self, views: Option<(Py<PyAny>, Py<PyAny>)>) {
        let before = std::mem::replace(&mut *self.views.lock().unwrap_or_else(PoisonError::into_inner), views);
        drop(before);
    }
}

#[pymethods]
impl Block {
    fn __enter__(slf: Bound<'_, Self>) -> Result<Bound<'_, Self>> {
        let (py, block) = (slf.py(), slf.get());
        let views = (block.read.call_method0(py, "__enter__")?, block.write.call_method0(py, "__enter__")?);
        block.set_views(Some(views));
        Ok(slf)
    }

    #[pyo3(signature = (class = None, value = None, traceback = None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        class: Option<&Bound<'_, PyAny>>,
        value: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> Result<()> {
        self.set_views(None);
        if class.is_none() {
            self.write.call_method0(py, "clear_poison")?;
        }
        let ended = self.write.call_method1(py, "__exit__", (class, value, traceback));
        self.read.call_method1(py, "__exit__", (class, value, traceback))?;
        ended?;
        if class.is_none() {
            self.array.get().opened.finish();
        }
        Ok(())
    }

    /// The whole old array, read-only.
    #[getter]
    fn old(&self, py: Python<'_>) -> Result<Py<PyAny>> {
        Ok(self.views(py)?.0)
    }

    /// This rank's rows of the new array, to be written, all of them: they hold what was there two steps ago.
    #[getter(new)]
    fn new_rows(&self, py: Python<'_>) -> Result<Py<PyAny>> {
        Ok(self.views(py)?.1)
    }

    /// Which rows of the array are this rank's.
    #[getter]
    fn rows(&self, py: Python<'_>) -> Py<PySlice> {
        self.rows.clone_ref(py)
    }

    fn __repr__(&self) -> String {
        format!("<sharray.Block of {:?}>", self.array.get().name)
    }
}
