//! NumPy arrays over shared bytes: the only file of this crate that speaks NumPy's C interface. Those that lend bytes give
//! it their places, and say beside each call why those stay what they are.

#![allow(unsafe_code, reason = "NumPy's C interface")]

use numpy::npyffi::{
    self, NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_F_CONTIGUOUS, NPY_ARRAY_WRITEABLE, NPY_TYPES, NpyTypes, PY_ARRAY_API,
    PyArrayObject,
};
use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;
use std::ffi::c_int;

/// Bytes that are mapped, and how their items stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'a> {
    pub(crate) base: *mut u8,
    pub(crate) shape: &'a [usize],
    pub(crate) strides: Strides<'a>,
    pub(crate) is_writeable: bool,
}

/// The distances in bytes from one item to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Strides<'a> {
    Given(&'a [isize]),
    /// One item follows the other, and NumPy works the distances out.
    Packed(sharray::Order),
}

/// A plain ndarray over mapped bytes. It keeps `owner` alive.
///
/// # Safety
/// `placed` describes items of `dtype` inside memory that is mapped as long as `owner` lives. If it is writeable, nobody
/// but the array and the views made from it accesses the memory until [`set_writeable`] says that it is not.
/// Otherwise the memory may change under the array's eyes: NumPy reads it as it would another thread's.
pub(crate) unsafe fn array<'py>(
    py: Python<'py>,
    dtype: &Bound<'py, PyArrayDescr>,
    placed: Placed<'_>,
    owner: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let ndim = placed.shape.len() as c_int;
    let (strides, order) = match placed.strides {
        Strides::Given(strides) => (strides.as_ptr(), 0),
        Strides::Packed(sharray::Order::C) => (std::ptr::null(), 0),
        Strides::Packed(sharray::Order::Fortran) => (std::ptr::null(), NPY_ARRAY_F_CONTIGUOUS),
    };
    let flags = order | if placed.is_writeable { NPY_ARRAY_WRITEABLE } else { 0 };
    // SAFETY: NumPy is imported once any of its types is asked for.
    let class = unsafe { npyffi::get_type_object(py, NpyTypes::PyArray_Type) };
    let descr = dtype.clone().into_ptr().cast();
    let (dims, strides) = (placed.shape.as_ptr().cast_mut().cast(), strides.cast_mut().cast());
    // SAFETY: the dtype is a new reference, which this takes; NumPy copies shape and strides, if there are any, and both have
    // the size of `npy_intp`. The caller vouches for the memory.
    let made = unsafe {
        PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            class,
            descr,
            ndim,
            dims,
            strides,
            placed.base.cast(),
            flags,
            std::ptr::null_mut(),
        )
    };
    // SAFETY: it is a new reference, or null with an exception set.
    let made = unsafe { Bound::from_owned_ptr_or_err(py, made) }?;
    // SAFETY: it is an array of ours without a base; the owner is a new reference, which this takes.
    let done = unsafe { PY_ARRAY_API.PyArray_SetBaseObject(py, made.as_ptr().cast(), owner.into_ptr()) };
    if done < 0 {
        return Err(PyErr::fetch(py));
    }
    Ok(made.cast_into::<PyUntypedArray>()?)
}

/// What a caller gives as an array, as NumPy takes it.
pub(crate) fn as_array<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyUntypedArray>> {
    static ASANYARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if let Ok(array) = value.cast::<PyUntypedArray>() {
        return Ok(array.clone());
    }
    Ok(ASANYARRAY.import(value.py(), "numpy", "asanyarray")?.call1((value,))?.cast_into()?)
}

/// A new array with whatever is in its memory, as `numpy.empty` makes it.
pub(crate) fn empty<'py>(
    dtype: &Bound<'py, PyArrayDescr>,
    shape: &[usize],
    order: sharray::Order,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let (py, ndim, dims) = (dtype.py(), shape.len() as c_int, shape.as_ptr().cast_mut().cast());
    let is_fortran = c_int::from(order == sharray::Order::Fortran);
    // SAFETY: the dtype is a new reference, which this takes; NumPy copies the shape, whose lengths have the size of
    // `npy_intp`.
    let made = unsafe { PY_ARRAY_API.PyArray_Empty(py, ndim, dims, dtype.clone().into_ptr().cast(), is_fortran) };
    // SAFETY: it is a new reference, or null with an exception set.
    let made = unsafe { Bound::from_owned_ptr_or_err(py, made) }?;
    Ok(made.cast_into::<PyUntypedArray>()?)
}

/// A view of all of `root`, as `root[...]` makes it: views that are made from it have `root` for their base, too.
pub(crate) fn view_of<'py>(root: &Bound<'py, PyUntypedArray>) -> PyResult<Bound<'py, PyUntypedArray>> {
    let py = root.py();
    let array: *mut PyArrayObject = root.as_ptr().cast();
    // SAFETY: `root` is an array and alive.
    let fields = unsafe { &(*array).fields };
    let descr: *mut ffi::PyObject = fields.descr.cast();
    // SAFETY: an array has a dtype; this borrows it, and the new reference is taken below.
    let descr = unsafe { Bound::from_borrowed_ptr(py, descr) };
    // SAFETY: NumPy is imported once any of its types is asked for.
    let class = unsafe { npyffi::get_type_object(py, NpyTypes::PyArray_Type) };
    // SAFETY: the new array has the memory of `root`, which it keeps alive below; NumPy copies shape and strides.
    let made = unsafe {
        PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            class,
            descr.into_ptr().cast(),
            fields.nd,
            fields.dimensions,
            fields.strides,
            fields.data.cast(),
            fields.flags & NPY_ARRAY_WRITEABLE,
            std::ptr::null_mut(),
        )
    };
    // SAFETY: it is a new reference, or null with an exception set.
    let made = unsafe { Bound::from_owned_ptr_or_err(py, made) }?;
    // SAFETY: it is an array of ours without a base; the reference to `root` is new, and this takes it.
    let done = unsafe { PY_ARRAY_API.PyArray_SetBaseObject(py, made.as_ptr().cast(), root.clone().into_ptr().cast()) };
    if done < 0 {
        return Err(PyErr::fetch(py));
    }
    Ok(made.cast_into::<PyUntypedArray>()?)
}

/// Says whether an array may be written through. Somebody who has it can make it writeable again only if its base is.
pub(crate) fn set_writeable(array: &Bound<'_, PyUntypedArray>, yes: bool) {
    let array: *mut PyArrayObject = array.as_ptr().cast();
    // SAFETY: it is an array and alive, and this thread has the interpreter.
    let flags = unsafe { &mut (*array).fields.flags };
    *flags = if yes { *flags | NPY_ARRAY_WRITEABLE } else { *flags & !NPY_ARRAY_WRITEABLE };
}

/// Moves an array to other bytes.
///
/// # Safety
/// As for [`array()`]; nobody else has the array, or a view of it.
pub(crate) unsafe fn set_base(array: &Bound<'_, PyUntypedArray>, base: *mut u8) {
    let array: *mut PyArrayObject = array.as_ptr().cast();
    // SAFETY: it is an array and alive, and this thread has the interpreter.
    unsafe { (*array).fields.data = base.cast() };
}

/// What whoever has an array can change of it, its items aside: its lengths and strides, its dtype, and what it shows.
#[derive(Debug)]
pub(crate) struct Form {
    shape: Vec<usize>,
    strides: Vec<isize>,
    dtype: usize,
    base: usize,
}

impl Form {
    pub(crate) fn of(array: &Bound<'_, PyUntypedArray>) -> Self {
        let (dtype, base) = dtype_and_base(array);
        Self { shape: array.shape().to_vec(), strides: array.strides().to_vec(), dtype, base }
    }

    /// Whether the array still has it.
    pub(crate) fn is_of(&self, array: &Bound<'_, PyUntypedArray>) -> bool {
        (self.dtype, self.base) == dtype_and_base(array)
            && self.shape == array.shape()
            && self.strides == array.strides()
    }
}

/// The addresses of an array's dtype and of what it keeps alive, which tell those from others as long as the array lives.
fn dtype_and_base(array: &Bound<'_, PyUntypedArray>) -> (usize, usize) {
    let array: *mut PyArrayObject = array.as_ptr().cast();
    // SAFETY: it is an array and alive, and this thread has the interpreter.
    let fields = unsafe { &(*array).fields };
    (fields.descr.addr(), fields.base.addr())
}

/// How many references there are to an object, the one given here among them.
pub(crate) fn references(object: &Py<PyAny>) -> usize {
    // SAFETY: the object is alive, and this thread has the interpreter: all types here are used under its lock.
    let count = unsafe { ffi::Py_REFCNT(object.as_ptr()) };
    usize::try_from(count).unwrap_or(0)
}

/// A copy of an array's bytes, if it has this dtype and shape and its items follow each other: no function of NumPy is asked.
pub(crate) fn bytes_of<'py>(
    array: &Bound<'py, PyUntypedArray>,
    dtype: &Bound<'py, PyArrayDescr>,
    shape: &[usize],
) -> Option<Bound<'py, PyBytes>> {
    let object: *mut PyArrayObject = array.as_ptr().cast();
    // SAFETY: it is an array and alive, and this thread has the interpreter.
    let fields = unsafe { &(*object).fields };
    let is_packed = fields.flags & NPY_ARRAY_C_CONTIGUOUS != 0;
    if !is_packed || fields.descr.addr() != dtype.as_ptr().addr() || array.shape() != shape {
        return None;
    }
    let len = array.len() * dtype.itemsize();
    // SAFETY: the array has so many bytes there. The interpreter copies them, as NumPy would: whoever writes them meanwhile, in
    // another process, is met by neither.
    Some(unsafe { PyBytes::from_ptr(array.py(), fields.data.cast(), len) })
}

/// The bytes of a new array that nobody else has seen yet, to fill.
///
/// # Safety
/// The array has just been made, owns its memory without gaps, and nothing else refers to it as long as this is borrowed.
pub(crate) unsafe fn bytes_of_new<'a>(array: &'a mut Bound<'_, PyUntypedArray>, len: usize) -> &'a mut [u8] {
    let object: *mut PyArrayObject = array.as_ptr().cast();
    // SAFETY: it is an array and alive.
    let data = unsafe { (*object).fields.data };
    // SAFETY: the caller vouches for it.
    unsafe { std::slice::from_raw_parts_mut(data.cast(), len) }
}

/// Lends an array's buffer, as its own `__buffer__` would.
///
/// NumPy asks for a buffer before it asks for `__array__`, and believes what that tells of the dtype. So there is none of
/// items that it cannot tell: opaque bytes, titles, gaps.
///
/// # Safety
/// `view` is what the interpreter gave to `__getbuffer__`.
pub(crate) unsafe fn lend_buffer(
    of: &Bound<'_, PyUntypedArray>,
    view: *mut ffi::Py_buffer,
    flags: c_int,
) -> PyResult<()> {
    let (py, dtype) = (of.py(), of.dtype());
    let is_plain =
        matches!(dtype.kind(), b'b' | b'i' | b'u' | b'f' | b'c') && dtype.num() < NPY_TYPES::NPY_OBJECT as c_int;
    if !is_plain && !py.import("sharray._numpy")?.getattr("is_told_by_buffers")?.call1((&dtype,))?.is_truthy()? {
        return Err(PyBufferError::new_err(format!("a buffer cannot tell the dtype {dtype}: ask for the array")));
    }
    // SAFETY: the caller vouches for `view`; the object is alive, and the buffer keeps it so.
    let done = unsafe { ffi::PyObject_GetBuffer(of.as_ptr(), view, flags) };
    if done < 0 { Err(PyErr::fetch(of.py())) } else { Ok(()) }
}

/// Lends bytes as a buffer.
///
/// # Safety
/// `view` is what the interpreter gave to `__getbuffer__` of `owner`; the bytes are mapped as long as the owner lives, and may be
/// written if `is_writeable` says so.
pub(crate) unsafe fn lend_bytes(
    py: Python<'_>,
    owner: &Bound<'_, PyAny>,
    (base, len): (*const u8, usize),
    is_writeable: bool,
    view: *mut ffi::Py_buffer,
    flags: c_int,
) -> PyResult<()> {
    let base = base.cast_mut().cast();
    let is_read_only = c_int::from(!is_writeable);
    // SAFETY: the caller vouches for all of it; the buffer takes a reference to the owner of its own.
    let done = unsafe { ffi::PyBuffer_FillInfo(view, owner.as_ptr(), base, len as isize, is_read_only, flags) };
    if done < 0 { Err(PyErr::fetch(py)) } else { Ok(()) }
}
