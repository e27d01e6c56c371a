//! The rows of a table as they come.

use crate::error::Result;
use crate::gil::GilCell;
use crate::table::Table;
use pyo3::prelude::*;
use std::time::Duration;

/// The rows of a table as they come: what `Table.follow` returns.
///
/// It keeps nothing of the table but the handle. After `TimedOut` it goes on where it was.
///
/// Examples
/// --------
/// >>> log = sharray.grow("log", 0, dir=folder)
/// >>> new = log.follow(timeout=1)
/// >>> log.append([1.5])
/// range(0, 1)
/// >>> next(new)
/// array([1.5])
#[pyclass(frozen, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Follower {
    table: Py<Table>,
    next: GilCell<usize>,
    timeout: Option<f64>,
}

impl Follower {
    pub(crate) fn new(table: Py<Table>, start: usize, timeout: Option<f64>) -> Self {
        Self { table, next: GilCell::new(start), timeout }
    }
}

#[pymethods]
impl Follower {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        self.next_rows(py, self.timeout)
    }

    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__<'py>(slf: &Bound<'py, Self>, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("sharray._aio")?.getattr("next_rows")?.call1((slf, slf.get().timeout))
    }

    /// Waits for rows at most so many seconds; None at the end.
    #[pyo3(name = "_next", signature = (timeout))]
    fn next_rows<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> Result<Option<Bound<'py, PyAny>>> {
        let (table, next) = (self.table.get(), self.next.get(py));
        let mapped = table.mapped(py)?;
        if next == mapped.get().table.max_len() {
            return Ok(None);
        }
        let rows = &mapped.get().table;
        let waited = table.wait_for(py, timeout, |timeout| {
            match rows.wait_len(next.saturating_add(1), timeout.unwrap_or(Duration::MAX)) {
                Err(sharray::Error::Retired { .. }) => Ok(None),
                other => other.map(Some),
            }
        })?;
        let Some(len) = waited else { return Ok(None) };
        let slice = pyo3::types::PySlice::new(py, next as isize, len as isize, 1);
        let rows = table.rows_of(py, mapped.clone_ref(py), len)?.get_item(slice)?;
        self.next.set(py, len);
        Ok(Some(rows))
    }

    /// The handle that it follows.
    #[getter]
    fn table(&self, py: Python<'_>) -> Py<Table> {
        self.table.clone_ref(py)
    }

    /// The row that comes next: where to start again later.
    #[getter]
    fn next_row(&self, py: Python<'_>) -> usize {
        self.next.get(py)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("<sharray.Follower of {:?} at row {}>", self.table.get().name, self.next.get(py))
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, pyo3::types::PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        class.py().import("types")?.getattr("GenericAlias")?.call1((class, item))
    }
}
