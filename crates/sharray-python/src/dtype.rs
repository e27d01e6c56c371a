//! NumPy's dtypes and ours. Which is which is told in NumPy's own words, by the Python module `sharray._dtype`.

use crate::error::Result;
use numpy::PyArrayDescr;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use sharray::{DType, DTypeKind};

/// Our dtype for what a Python user gives as one: `"f8"`, `np.float64`, `np.dtype([...])`, ...
pub(crate) fn from_python(dtype: &Bound<'_, PyAny>) -> Result<DType> {
    let text: String = module(dtype.py())?.getattr("describe")?.call1((dtype,))?.extract()?;
    Ok(DType::parse(&text)?)
}

/// NumPy's dtype for ours.
pub(crate) fn to_python<'py>(py: Python<'py>, dtype: &DType) -> PyResult<Bound<'py, PyArrayDescr>> {
    if let (DTypeKind::Number(_), None) = (dtype.kind(), dtype.npy_attribute()) {
        // The common case, without a detour: a code in quotes.
        return PyArrayDescr::new(py, dtype.descr().trim_matches('\''));
    }
    let made = module(py)?.getattr("restore")?.call1((dtype.descr(), dtype.npy_attribute()))?;
    Ok(made.cast_into()?)
}

fn module(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    MODULE.get_or_try_init(py, || py.import("sharray._dtype").map(Bound::unbind)).map(|module| module.bind(py))
}
