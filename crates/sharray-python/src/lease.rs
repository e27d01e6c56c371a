//! Leases on arrays in place, as context managers. Each is the base of the ndarray that it lends.

use crate::array::Handle;
use crate::error::{Result, closed, stale_view_warning};
use crate::part::Part;
use crate::view::{self, Placed};
use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyWeakrefMethods, PyWeakrefReference};
use sharray::{AnyArray, OwnedReadGuard, OwnedWriteGuard};
use std::sync::{Arc, Mutex, PoisonError};

/// Lends an array, or a part of one, to be read: what `Array.read` returns.
///
/// The lease ends with the ``with`` block, or when it and all views made from its array are gone.
///
/// Examples
/// --------
/// >>> field = sharray.create("field", data=[1, 2, 3], dir=folder)
/// >>> with field.read() as a:
/// ...     print(a)
/// [1 2 3]
#[pyclass(frozen, weakref, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Read {
    handle: Arc<Handle>,
    /// Its mapping is what the views show, also after the lease has ended.
    _array: Arc<AnyArray>,
    part: Part,
    /// How many bytes after the first item that the guard lends the part's first item is.
    offset: isize,
    guard: Mutex<Option<OwnedReadGuard>>,
    is_copy: bool,
}

/// Where a part starts in what a guard lends: whole blocks, from a certain row on.
fn offset_in(part: &Part, first_row: usize, strides: &[usize]) -> isize {
    part.offset() - (first_row * strides.first().copied().unwrap_or(0)) as isize
}

impl Read {
    pub(crate) fn new(handle: Arc<Handle>, array: Arc<AnyArray>, part: Part, guard: OwnedReadGuard) -> Self {
        let offset = offset_in(&part, guard.rows().start, &guard.strides());
        let is_copy = guard.is_copy();
        Self { handle, _array: array, part, offset, guard: Mutex::new(Some(guard)), is_copy }
    }

    /// The array.
    pub(crate) fn lend<'py>(slf: &Bound<'py, Self>) -> Result<Bound<'py, PyUntypedArray>> {
        let (py, this) = (slf.py(), slf.get());
        let guard = this.guard.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lent) = guard.as_ref() else { return Err(closed(py, this.handle.name()).into()) };
        let (shape, strides) = (this.part.shape(), this.part.strides());
        let base = lent.as_ptr().wrapping_offset(this.offset).cast_mut();
        let placed = Placed { base, shape: &shape, strides: &strides, is_writeable: false };
        // SAFETY: the part is inside what the guard lends: the mapping, which lives as long as the array that this has,
        // or a copy, which lives as long as the guard, which is then never given back. It is not writeable.
        #[allow(unsafe_code, reason = "the condition is this type's to keep")]
        Ok(unsafe { view::array(py, this.handle.dtype(py), placed, slf.clone().into_any()) }?)
    }

    /// Gives the lease back. A copy keeps nobody out, and views may show it for as long as they like.
    pub(crate) fn release(&self) {
        if !self.is_copy {
            drop(self.guard.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

#[pymethods]
impl Read {
    fn __enter__<'py>(slf: &Bound<'py, Self>) -> Result<Bound<'py, PyUntypedArray>> {
        Self::lend(slf)
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyTuple>) {
        self.release();
    }

    /// Whether a private copy is lent, because the file may only be read.
    #[getter]
    fn is_copy(&self) -> bool {
        self.is_copy
    }

    fn __repr__(&self) -> String {
        format!("<sharray.Read of {:?}>", self.handle.name())
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, pyo3::types::PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        class.py().import("types")?.getattr("GenericAlias")?.call1((class, item))
    }
}

/// Lends an array, or a part of one, to be written by nobody else: what `Array.write` returns.
///
/// The lease ends with the ``with`` block, or when it and all views made from its array are gone.
///
/// Examples
/// --------
/// Who may repair an array that a writer left half way:
///
/// >>> field = sharray.create("field", data=[1, 2, 3], dir=folder)
/// >>> try:
/// ...     with field.write() as a:
/// ...         a[0] = 1 / 0
/// ... except ZeroDivisionError:
/// ...     pass
/// >>> field.snapshot()
/// Traceback (most recent call last):
///     ...
/// sharray.Poisoned: ...
/// >>> write = field.write()
/// >>> with write as a:
/// ...     a[:] = 0
/// ...     write.clear_poison()
/// >>> field.snapshot()
/// array([0, 0, 0])
#[pyclass(frozen, weakref, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Write {
    handle: Arc<Handle>,
    /// Its mapping is what the views show, also after the lease has ended.
    _array: Arc<AnyArray>,
    part: Part,
    /// How many bytes after the first item that the guard lends the part's first item is.
    offset: isize,
    guard: Mutex<Option<OwnedWriteGuard>>,
    lent: Mutex<Option<Lent>>,
}

/// A writeable array that was lent, and by how many others it is looked through.
#[derive(Debug)]
pub(crate) struct Lent {
    /// The base of the array, and of all views made from it.
    root: Py<PyWeakrefReference>,
    array: Py<PyWeakrefReference>,
}

impl Lent {
    /// An array to give away: a view of `root`, whose base is the lease.
    pub(crate) fn new<'py>(root: &Bound<'py, PyUntypedArray>) -> PyResult<(Self, Bound<'py, PyUntypedArray>)> {
        let array = view::view_of(root)?;
        let lent =
            Self { root: PyWeakrefReference::new(root)?.unbind(), array: PyWeakrefReference::new(&array)?.unbind() };
        Ok((lent, array))
    }

    /// The array that was given away, while somebody has it.
    pub(crate) fn array<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyUntypedArray>> {
        self.array.bind(py).upgrade_as().ok().flatten()
    }

    /// The base of what was given away, while anything of it lives.
    pub(crate) fn root<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyUntypedArray>> {
        self.root.bind(py).upgrade_as().ok().flatten()
    }

    /// Makes the array that was given away read-only. Returns whether views made from it are still there: those nobody
    /// can find.
    pub(crate) fn take_back(&self, py: Python<'_>) -> bool {
        let array = self.array(py);
        if let Some(array) = &array {
            view::freeze(array);
        }
        let Some(root) = self.root(py) else { return false };
        view::freeze(&root);
        view::other_references(root.as_any()) > usize::from(array.is_some())
    }
}

impl Write {
    pub(crate) fn new(handle: Arc<Handle>, array: Arc<AnyArray>, part: Part, guard: OwnedWriteGuard) -> Self {
        let offset = offset_in(&part, guard.rows().start, &guard.strides());
        Self { handle, _array: array, part, offset, guard: Mutex::new(Some(guard)), lent: Mutex::new(None) }
    }

    /// The array. Asked again, it is the same one, as long as somebody has it.
    pub(crate) fn lend<'py>(slf: &Bound<'py, Self>) -> Result<Bound<'py, PyUntypedArray>> {
        let (py, this) = (slf.py(), slf.get());
        let mut guard = this.guard.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(writing) = guard.as_mut() else { return Err(closed(py, this.handle.name()).into()) };
        let mut lent = this.lent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(array) = lent.as_ref().and_then(|lent| lent.array(py)) {
            return Ok(array);
        }
        let root = match lent.as_ref().and_then(|lent| lent.root(py)) {
            Some(root) => root,
            None => {
                let (shape, strides) = (this.part.shape(), this.part.strides());
                let base = writing.as_mut_ptr().wrapping_offset(this.offset);
                let placed = Placed { base, shape: &shape, strides: &strides, is_writeable: true };
                // SAFETY: the part is inside the array, which is mapped as long as this lives. The guard keeps everybody
                // else out, and when it goes the arrays are frozen.
                #[allow(unsafe_code, reason = "the condition is this type's to keep")]
                unsafe { view::array(py, this.handle.dtype(py), placed, slf.clone().into_any()) }?
            }
        };
        let (made, array) = Lent::new(&root)?;
        *lent = Some(made);
        Ok(array)
    }

    /// Gives the lease back; if the write failed, the blocks are poisoned.
    pub(crate) fn release(&self, py: Python<'_>, has_failed: bool) -> PyResult<()> {
        let guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(guard) = guard else { return Ok(()) };
        let lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner).take();
        let is_stale = lent.is_some_and(|lent| lent.take_back(py));
        if has_failed {
            guard.fail();
        } else {
            drop(guard);
        }
        if is_stale {
            let name = self.handle.name();
            warn(
                py,
                &format!(
                    "a view of array {name:?} outlives the write() block that lent it: what is written \
                               through it is written without a lease"
                ),
            )?;
        }
        Ok(())
    }
}

/// Warns whoever left the block about a view.
pub(crate) fn warn(py: Python<'_>, message: &str) -> PyResult<()> {
    py.import("warnings")?.getattr("warn")?.call1((message, stale_view_warning(py)?, 1)).map(drop)
}

#[pymethods]
impl Write {
    fn __enter__<'py>(slf: &Bound<'py, Self>) -> Result<Bound<'py, PyUntypedArray>> {
        Self::lend(slf)
    }

    #[pyo3(signature = (*exception))]
    fn __exit__(&self, py: Python<'_>, exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        let has_failed = exception.get_item(0).is_ok_and(|class| !class.is_none());
        self.release(py, has_failed)
    }

    /// Whether whoever wrote the array last did not come to the end: readers get `Poisoned` until `clear_poison`.
    #[getter]
    fn is_poisoned(&self, py: Python<'_>) -> Result<bool> {
        let guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(guard.as_ref().ok_or_else(|| closed(py, self.handle.name()))?.is_poisoned())
    }

    /// Says that the items are whole again. Readers believe it.
    fn clear_poison(&self, py: Python<'_>) -> Result<()> {
        let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        guard.as_mut().ok_or_else(|| closed(py, self.handle.name()))?.clear_poison();
        Ok(())
    }

    fn __repr__(&self) -> String {
        format!("<sharray.Write of {:?}>", self.handle.name())
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, pyo3::types::PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        class.py().import("types")?.getattr("GenericAlias")?.call1((class, item))
    }
}
