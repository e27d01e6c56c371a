//! What a subscriber gives out: one published array, pinned while anything shows it.

use crate::error::{Result, exception, over};
use crate::view::{self, Placed};
use numpy::{PyArrayDescr, PyUntypedArray};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use sharray::AnyFrame;
use std::ffi::c_int;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// One published array: what `Subscriber.latest` and `Subscriber.recv` return.
///
/// Its items stand in shared memory and stay as they are while it lives, or any view made from its array does.
///
/// Examples
/// --------
/// >>> camera = sharray.publish("camera", (2, 3), "u1", dir=folder)
/// >>> viewer = sharray.subscribe("camera", dir=folder)
/// >>> _ = camera.publish(7, time=1700000000.5, tags=(640, 480))
/// >>> with viewer.recv(timeout=1) as frame:
/// ...     print(frame.sequence, frame.missed, frame.time, frame.tags, frame.shape)
/// 1 0 1700000000.5 (640, 480) (2, 3)
#[pyclass(frozen, weakref, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Frame {
    stream: Arc<Stream>,
    frame: Mutex<Pinned>,
    sequence: u64,
    missed: u64,
    time: SystemTime,
    published: SystemTime,
    tags: [u64; 2],
}

/// What the frames of a stream have in common.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) dtype: Py<PyArrayDescr>,
}

/// Who has the pin.
#[derive(Debug)]
enum Pinned {
    /// The frame itself, as long as nobody asked for its array.
    Frame(Arc<AnyFrame>),
    /// The base of its arrays.
    Base(Py<Pin>),
    Released,
}

/// The base of a frame's arrays: when the last of them is gone, so is the pin.
#[pyclass(frozen, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Pin {
    frame: Arc<AnyFrame>,
}

impl Frame {
    pub(crate) fn new(stream: Arc<Stream>, frame: AnyFrame) -> Self {
        Self {
            stream,
            sequence: frame.sequence(),
            missed: frame.missed(),
            time: frame.time(),
            published: frame.published(),
            tags: frame.tags(),
            frame: Mutex::new(Pinned::Frame(Arc::new(frame))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pinned> {
        self.frame.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The frame, and the base of its arrays if there is one.
    ///
    /// Nothing of Python is made under the lock: that may collect garbage, which may run any code and let other threads
    /// run, and those may ask for this frame.
    fn pinned<'py>(&self, py: Python<'py>) -> Result<(Arc<AnyFrame>, Option<Bound<'py, Pin>>)> {
        let pinned = match &*self.lock() {
            Pinned::Frame(frame) => Some((Arc::clone(frame), None)),
            Pinned::Base(base) => Some((Arc::clone(&base.get().frame), Some(base.bind(py).clone()))),
            Pinned::Released => None,
        };
        Ok(pinned.ok_or_else(|| over(py, "the lease of a frame of", &self.stream.name))?)
    }

    /// The base of the frame's arrays.
    fn base<'py>(&self, py: Python<'py>) -> Result<Bound<'py, Pin>> {
        let (frame, base) = self.pinned(py)?;
        let base = match base {
            Some(base) => base,
            None => self.keep(Bound::new(py, Pin { frame })?),
        };
        if base.get().frame.is_inherited() {
            let message = format!("a frame of {:?} was received before fork: it is the parent's", self.stream.name);
            return Err(exception(py, "Forked", &self.stream.name, &message).into());
        }
        Ok(base)
    }

    /// Keeps a new base, unless another thread was first or has closed the frame.
    fn keep<'py>(&self, base: Bound<'py, Pin>) -> Bound<'py, Pin> {
        let mut pinned = self.lock();
        match &*pinned {
            Pinned::Frame(_) => *pinned = Pinned::Base(base.clone().unbind()),
            Pinned::Base(theirs) => return theirs.bind(base.py()).clone(),
            Pinned::Released => {}
        }
        base
    }

    fn lend<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyUntypedArray>> {
        let base = self.base(py)?;
        let frame = &base.get().frame;
        let strides: Vec<isize> = frame.strides().iter().map(|stride| *stride as isize).collect();
        let (bytes, shape) = (frame.bytes(), frame.shape());
        let placed = Placed { base: bytes.as_ptr().cast_mut(), shape, strides: &strides, is_writeable: false };
        // SAFETY: the frame's bytes are pinned, or a copy, as long as the base lives; it is not writeable.
        #[allow(unsafe_code, reason = "the condition is this type's to keep")]
        Ok(unsafe { view::array(py, self.stream.dtype.bind(py), placed, base.clone().into_any()) }?)
    }
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[pymethods]
impl Frame {
    /// The items, as a read-only ndarray. Costs no copy.
    ///
    /// It may outlive the frame and the subscriber: the frame stays pinned until its last view is gone.
    #[getter]
    fn array<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyUntypedArray>> {
        self.lend(py)
    }

    /// The number of this frame: 1 for the first of the stream, and one more for each that follows.
    #[getter]
    fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How many frames the subscriber lost between the one it received before and this one; 0 in what `latest` returns.
    #[getter]
    fn missed(&self) -> u64 {
        self.missed
    }

    /// When the frame was acquired, if the publisher said so, or else when it was published: seconds since 1970.
    #[getter]
    fn time(&self) -> f64 {
        seconds(self.time)
    }

    /// The same in nanoseconds.
    #[getter]
    fn time_ns(&self) -> u128 {
        self.time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
    }

    /// When the frame was published: seconds since 1970.
    #[getter]
    fn published(&self) -> f64 {
        seconds(self.published)
    }

    /// The two numbers that the publisher attached to the frame; zeros if it did not.
    #[getter]
    fn tags(&self) -> (u64, u64) {
        (self.tags[0], self.tags[1])
    }

    /// The items' dtype.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> Bound<'py, PyArrayDescr> {
        self.stream.dtype.bind(py).clone()
    }

    /// This frame's shape.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyTuple>> {
        let (frame, _) = self.pinned(py)?;
        Ok(PyTuple::new(py, frame.shape())?)
    }

    /// Raises if somebody cut the stream's file short, and the items may have been zeros instead.
    ///
    /// The end of a ``with`` block says so too.
    ///
    /// Raises
    /// ------
    /// Truncated
    ///     If so.
    /// IoError
    ///     If a page could not be had though the file is long enough: it was cut for a moment, or its disk failed.
    fn check_whole(&self) -> Result<()> {
        match &*self.frame.lock().unwrap_or_else(PoisonError::into_inner) {
            Pinned::Frame(frame) => Ok(frame.check_whole()?),
            Pinned::Base(base) => Ok(base.get().frame.check_whole()?),
            Pinned::Released => Ok(()),
        }
    }

    /// Lets go of the frame. It stays pinned while views of its array live.
    fn close(&self) {
        // What is dropped with it may run Python.
        let had = std::mem::replace(&mut *self.lock(), Pinned::Released);
        drop(had);
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*exception))]
    fn __exit__(&self, exception: &Bound<'_, PyTuple>) -> Result<()> {
        let has_failed = exception.get_item(0).is_ok_and(|class| !class.is_none());
        let whole = self.check_whole();
        self.close();
        // What the block has raised says more.
        if has_failed { Ok(()) } else { whole }
    }

    #[pyo3(signature = (dtype = None, copy = None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> Result<Bound<'py, PyAny>> {
        let options = PyDict::new(py);
        options.set_item("dtype", dtype)?;
        options.set_item("copy", copy)?;
        Ok(py.import("numpy")?.getattr("array")?.call((self.lend(py)?,), Some(&options))?)
    }

    #[allow(unsafe_code, reason = "the interpreter's own interface")]
    unsafe fn __getbuffer__(&self, py: Python<'_>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let array = self.lend(py)?;
        // SAFETY: the interpreter gives what it asks to be filled.
        unsafe { view::lend_buffer(&array, view, flags) }
    }

    /// The items, read-only, for another library.
    #[pyo3(signature = (**options))]
    fn __dlpack__<'py>(&self, py: Python<'py>, options: Option<&Bound<'py, PyDict>>) -> Result<Bound<'py, PyAny>> {
        Ok(self.lend(py)?.call_method("__dlpack__", (), options)?)
    }

    fn __dlpack_device__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        Ok(self.lend(py)?.call_method0("__dlpack_device__")?)
    }

    #[allow(clippy::unused_self, reason = "a method of Python")]
    fn __reduce__(&self) -> PyResult<()> {
        let message =
            "a frame belongs to its subscriber and is not pickled: pickle frame.array, which copies the items";
        Err(pyo3::exceptions::PyTypeError::new_err(message))
    }

    fn _repr_html_<'py>(slf: Bound<'py, Self>, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("sharray._html")?.getattr("of_frame")?.call1((slf,))
    }

    fn __repr__(&self) -> String {
        format!("<sharray.Frame {} of {:?}>", self.sequence, self.stream.name)
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, pyo3::types::PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        class.py().import("types")?.getattr("GenericAlias")?.call1((class, item))
    }
}
