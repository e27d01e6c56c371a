//! Leases on arrays in place, as context managers, and the ndarrays that they lend.
//!
//! The base of an array is a tether, which has the lease: so the lease lasts until its block ends, or until the context
//! manager and all views are gone. A context manager whose block has ended is kept, and used again once nobody else has it
//! or its array.

use crate::error::{Result, over, stale_view_warning};
use crate::gil::GilCell;
use crate::handle::{Handle, Mapped};
use crate::memmap::Scan;
use crate::part::Part;
use crate::view::{self, Form, Placed, Strides};
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use sharray::{OwnedReadGuard, OwnedWriteGuard};
use std::sync::Arc;

/// Has a lease for reading, and keeps its array mapped.
#[pyclass(frozen, module = "sharray")]
#[derive(Debug)]
pub(crate) struct ReadTether {
    mapped: Py<Mapped>,
    guard: GilCell<Option<OwnedReadGuard>>,
}

/// Has a lease for writing, and keeps its array mapped.
#[pyclass(frozen, module = "sharray")]
#[derive(Debug)]
pub(crate) struct WriteTether {
    mapped: Py<Mapped>,
    guard: GilCell<Option<OwnedWriteGuard>>,
}

/// Where a part starts in what a guard lends, which are whole blocks from a certain row on.
fn offset_in(part: &Part, first_row: usize, strides: impl FnOnce() -> Vec<usize>) -> isize {
    let before = if first_row == 0 { 0 } else { first_row * strides().first().copied().unwrap_or(0) };
    part.offset() - before as isize
}

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
    name: Arc<str>,
    /// While the lease lasts, where it is kept afterwards to be used again: nowhere, if it is of a part.
    home: GilCell<Option<Py<Handle>>>,
    tether: Py<ReadTether>,
    array: Py<PyUntypedArray>,
    form: Form,
    is_copy: bool,
}

impl Read {
    pub(crate) fn new<'py>(
        py: Python<'py>,
        handle: &Handle,
        home: Option<Py<Handle>>,
        mapped: Py<Mapped>,
        part: &Part,
        guard: OwnedReadGuard,
    ) -> Result<Bound<'py, Self>> {
        let (base, is_copy) = (guard.as_ptr(), guard.is_copy());
        let base = base.wrapping_offset(offset_in(part, guard.rows().start, || guard.strides())).cast_mut();
        let tether = Bound::new(py, ReadTether { mapped, guard: GilCell::new(Some(guard)) })?;
        let placed = Placed { base, shape: part.shape(), strides: Strides::Given(part.strides()), is_writeable: false };
        // SAFETY: the part is inside what the guard lends: the mapping, which lives as long as the array that the tether
        // has, or a copy, which lives as long as the guard, which is then not given back. It is not writeable.
        #[allow(unsafe_code, reason = "the condition is this type's to keep")]
        let array = unsafe { view::array(py, handle.dtype(py), placed, tether.clone().into_any()) }?;
        let (form, tether, array) = (Form::of(&array), tether.unbind(), array.unbind());
        let (name, home) = (Arc::clone(&handle.name), GilCell::new(home));
        Ok(Bound::new(py, Self { name, home, tether, array, form, is_copy })?)
    }

    /// Lends the same array again under another lease. Nobody has it any more.
    pub(crate) fn again(&self, py: Python<'_>, guard: OwnedReadGuard, home: Option<Py<Handle>>) {
        self.tether.get().guard.set(py, Some(guard));
        self.home.set(py, home);
    }

    /// The array.
    pub(crate) fn lend<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyUntypedArray>> {
        if !self.tether.get().guard.is_some(py) {
            return Err(over(py, "the lease of array", &self.name).into());
        }
        Ok(self.array.bind(py).clone())
    }

    /// A scan of what is leased, which is what is lent if that is no part of it.
    pub(crate) fn scan(&self, py: Python<'_>, rows: usize, uncached: bool) -> Result<Scan> {
        let cell = &self.tether.get().guard;
        let guard = cell.take(py).ok_or_else(|| over(py, "the lease of array", &self.name))?;
        let scan = guard.scan(rows);
        cell.set(py, Some(guard));
        Ok(Scan::new(scan, uncached))
    }

    /// Gives the lease back, and says if what was lent was gone: if somebody cut the file short. A copy keeps nobody out, and
    /// views may show it for as long as they like.
    pub(crate) fn release(slf: &Bound<'_, Self>) -> Result<()> {
        let (py, this) = (slf.py(), slf.get());
        if this.is_copy {
            return Ok(());
        }
        let tether = this.tether.get();
        let Some(guard) = tether.guard.take(py) else { return Ok(()) };
        drop(guard);
        let home = this.home.take(py);
        tether.mapped.get().array.check_whole()?;
        if let Some(home) = home {
            home.get().keep_read(slf, &tether.mapped);
        }
        Ok(())
    }
}

#[pymethods]
impl Read {
    fn __enter__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyUntypedArray>> {
        self.lend(py)
    }

    #[pyo3(signature = (class = None, _value = None, _traceback = None))]
    fn __exit__(
        slf: &Bound<'_, Self>,
        class: Option<&Bound<'_, PyAny>>,
        _value: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> Result<()> {
        let released = Self::release(slf);
        // What the block has raised says more.
        if class.is_some() { Ok(()) } else { released }
    }

    /// Whether a private copy is lent, because the file may only be read.
    #[getter]
    fn is_copy(&self) -> bool {
        self.is_copy
    }

    fn __repr__(&self) -> String {
        format!("<sharray.Read of {:?}>", self.name)
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, pyo3::types::PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        class.py().import("types")?.getattr("GenericAlias")?.call1((class, item))
    }
}

/// A writeable array that is lent: a view of `root`, so that views made from it, whose base is `root` as well, can be told
/// from others that have the array itself.
#[derive(Debug)]
pub(crate) struct Lent {
    root: Py<PyUntypedArray>,
    array: Py<PyUntypedArray>,
    /// What they were lent as.
    forms: [Form; 2],
    /// Whether an item is a record, which may be written through.
    has_records: bool,
}

impl Lent {
    /// `root` is new; its base is a tether.
    pub(crate) fn new(root: Bound<'_, PyUntypedArray>) -> PyResult<Self> {
        let array = view::view_of(&root)?;
        let forms = [Form::of(&root), Form::of(&array)];
        let has_records = root.dtype().has_fields();
        Ok(Self { root: root.unbind(), array: array.unbind(), forms, has_records })
    }

    pub(crate) fn array<'py>(&self, py: Python<'py>) -> Bound<'py, PyUntypedArray> {
        self.array.bind(py).clone()
    }

    pub(crate) fn root<'py>(&self, py: Python<'py>) -> &Bound<'py, PyUntypedArray> {
        self.root.bind(py)
    }

    /// Whether anybody else has the array, or views made from it.
    pub(crate) fn is_seen(&self) -> bool {
        view::references(self.array.as_any()) > 1 || self.has_views()
    }

    /// Whether there are views made from the array: nobody can find those.
    pub(crate) fn has_views(&self) -> bool {
        // One reference is ours, and one is the array's.
        let has_arrays = view::references(self.root.as_any()) > 2;
        // A record has the array itself, as its names do. One reference is ours, and one is the block's name for it.
        has_arrays || self.has_records && view::references(self.array.as_any()) > 2
    }

    /// Whether it is as it was lent: whoever had it may have given it another shape or dtype.
    pub(crate) fn is_as_lent(&self, py: Python<'_>) -> bool {
        self.forms[0].is_of(self.root.bind(py)) && self.forms[1].is_of(self.array.bind(py))
    }

    /// Makes the array read-only, so that it stays so.
    pub(crate) fn freeze(&self, py: Python<'_>) {
        view::set_writeable(self.array.bind(py), false);
        view::set_writeable(self.root.bind(py), false);
    }

    /// Makes the array writeable again, at another place if need be.
    ///
    /// # Safety
    /// As for [`view::array()`]; nobody else has the array.
    #[allow(unsafe_code, reason = "the caller keeps the condition")]
    pub(crate) unsafe fn place(&self, py: Python<'_>, base: *mut u8) {
        for array in [&self.root, &self.array] {
            // SAFETY: by the caller's word.
            unsafe { view::set_base(array.bind(py), base) };
            view::set_writeable(array.bind(py), true);
        }
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
    name: Arc<str>,
    /// While the lease lasts, where it is kept afterwards to be used again: nowhere, if it is of a part.
    home: GilCell<Option<Py<Handle>>>,
    tether: Py<WriteTether>,
    lent: Lent,
}

impl Write {
    pub(crate) fn new<'py>(
        py: Python<'py>,
        handle: &Handle,
        home: Option<Py<Handle>>,
        mapped: Py<Mapped>,
        part: &Part,
        mut guard: OwnedWriteGuard,
    ) -> Result<Bound<'py, Self>> {
        let base = guard.as_mut_ptr().wrapping_offset(offset_in(part, guard.rows().start, || guard.strides()));
        let tether = Bound::new(py, WriteTether { mapped, guard: GilCell::new(Some(guard)) })?;
        let placed = Placed { base, shape: part.shape(), strides: Strides::Given(part.strides()), is_writeable: true };
        // SAFETY: the part is inside the array, which is mapped as long as the tether lives. The guard keeps everybody else
        // out, and when it goes the arrays are frozen.
        #[allow(unsafe_code, reason = "the condition is this type's to keep")]
        let root = unsafe { view::array(py, handle.dtype(py), placed, tether.clone().into_any()) }?;
        let (name, home) = (Arc::clone(&handle.name), GilCell::new(home));
        Ok(Bound::new(py, Self { name, home, tether: tether.unbind(), lent: Lent::new(root)? })?)
    }

    /// Lends the same array again under another lease. Nobody has it any more.
    pub(crate) fn again(&self, py: Python<'_>, mut guard: OwnedWriteGuard, home: Option<Py<Handle>>) {
        // SAFETY: it is the array that it was of, the whole of it, mapped in the same place.
        #[allow(unsafe_code, reason = "the condition is this type's to keep")]
        unsafe {
            self.lent.place(py, guard.as_mut_ptr());
        }
        self.tether.get().guard.set(py, Some(guard));
        self.home.set(py, home);
    }

    /// The array.
    pub(crate) fn lend<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyUntypedArray>> {
        if !self.tether.get().guard.is_some(py) {
            return Err(over(py, "the lease of array", &self.name).into());
        }
        Ok(self.lent.array(py))
    }

    /// Does something with the lease, if it lasts.
    fn with_guard<R>(&self, py: Python<'_>, act: impl FnOnce(&mut OwnedWriteGuard) -> R) -> Result<R> {
        let cell = &self.tether.get().guard;
        let mut guard = cell.take(py).ok_or_else(|| over(py, "the lease of array", &self.name))?;
        let done = act(&mut guard);
        cell.set(py, Some(guard));
        Ok(done)
    }

    /// Gives the lease back; if the write failed, the blocks are poisoned. So they are if somebody cut the file short, which is
    /// said unless the write has failed for another reason.
    pub(crate) fn release(slf: &Bound<'_, Self>, has_failed: bool) -> Result<()> {
        let (py, this) = (slf.py(), slf.get());
        let Some(guard) = this.tether.get().guard.take(py) else { return Ok(()) };
        this.lent.freeze(py);
        let is_stale = this.lent.has_views();
        if has_failed {
            guard.fail();
        } else {
            drop(guard);
        }
        let home = this.home.take(py);
        if !has_failed {
            this.tether.get().mapped.get().array.check_whole()?;
        }
        if let Some(home) = home {
            home.get().keep_write(slf, &this.tether.get().mapped);
        }
        if is_stale {
            let message = format!(
                "a view of array {:?} outlives the write() block that lent it: what is written through it is written \
                 without a lease",
                this.name
            );
            warn(py, &message)?;
        }
        Ok(())
    }
}

/// Warns whoever left a block about a view.
pub(crate) fn warn(py: Python<'_>, message: &str) -> PyResult<()> {
    py.import("warnings")?.getattr("warn")?.call1((message, stale_view_warning(py)?, 1)).map(drop)
}

#[pymethods]
impl Write {
    fn __enter__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyUntypedArray>> {
        self.lend(py)
    }

    #[pyo3(signature = (class = None, _value = None, _traceback = None))]
    fn __exit__(
        slf: &Bound<'_, Self>,
        class: Option<&Bound<'_, PyAny>>,
        _value: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> Result<()> {
        Self::release(slf, class.is_some())
    }

    /// Whether whoever wrote the array last did not come to the end: readers get `Poisoned` until `clear_poison`.
    #[getter]
    fn is_poisoned(&self, py: Python<'_>) -> Result<bool> {
        self.with_guard(py, |guard| guard.is_poisoned())
    }

    /// Says that the items are whole again. Readers believe it.
    fn clear_poison(&self, py: Python<'_>) -> Result<()> {
        self.with_guard(py, OwnedWriteGuard::clear_poison)
    }

    fn __repr__(&self) -> String {
        format!("<sharray.Write of {:?}>", self.name)
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, pyo3::types::PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        class.py().import("types")?.getattr("GenericAlias")?.call1((class, item))
    }
}

/// A context manager that may be used again.
pub(crate) trait Again {
    /// Whether nobody has it, its array or a view of that any more, and the array is as it was. One reference to it is the
    /// spare's own.
    fn is_free(py: Python<'_>, slf: &Py<Self>) -> bool
    where
        Self: Sized;
}

impl Again for Read {
    fn is_free(py: Python<'_>, slf: &Py<Self>) -> bool {
        let Self { tether, array, form, .. } = slf.get();
        let is_unseen = view::references(slf.as_any()) == 1 && view::references(array.as_any()) == 1;
        // The array has one reference to the tether.
        let is_over = view::references(tether.as_any()) == 2 && !tether.get().guard.is_some(py);
        is_unseen && is_over && form.is_of(array.bind(py))
    }
}

impl Again for Write {
    fn is_free(py: Python<'_>, slf: &Py<Self>) -> bool {
        let Self { tether, lent, .. } = slf.get();
        let is_unseen = view::references(slf.as_any()) == 1 && !lent.is_seen();
        let is_over = view::references(tether.as_any()) == 2 && !tether.get().guard.is_some(py);
        is_unseen && is_over && lent.is_as_lent(py)
    }
}

/// Context managers whose blocks have ended: two, since a loop's variable has the array of the last iteration still when
/// the next one begins.
#[derive(Debug)]
pub(crate) struct Spare<T>([Option<Py<T>>; 2]);

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Self([None, None])
    }
}

impl<T> Spare<T> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Py<T>> {
        self.0.iter().flatten()
    }

    /// Keeps one more.
    pub(crate) fn keep(spares: &GilCell<Self>, one: &Bound<'_, T>) {
        let mut all = spares.take(one.py());
        all.0.rotate_right(1);
        let gone = all.0[0].replace(one.clone().unbind());
        spares.set(one.py(), all);
        // The one that has to go for it: dropping it may run Python.
        drop(gone);
    }
}

impl<T: Again> Spare<T> {
    /// One that may be used again.
    pub(crate) fn take(spares: &GilCell<Self>, py: Python<'_>) -> Option<Py<T>> {
        let mut all = spares.take(py);
        let is_free = |one: &Option<Py<T>>| one.as_ref().is_some_and(|one| T::is_free(py, one));
        let free = all.0.iter().position(is_free).and_then(|at| all.0[at].take());
        spares.set(py, all);
        free
    }
}
