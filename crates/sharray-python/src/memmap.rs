//! Plain files: the maps under `sharray.memmap`, which is made of them in Python, and .npy files written whole.

use crate::dtype;
use crate::error::{Result, exception};
use crate::options::{letter_of, order_of};
use crate::view::{self, Placed, Strides};
use numpy::PyArrayDescr;
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyEllipsis, PyTuple};
use sharray::{Advice, AnyMemmap, AnyMemmapBuilder, AnyMode, DType, Error, Mode};
use std::ffi::c_int;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// A mapped file: what a `sharray.memmap` has for its base. It lends its bytes as a buffer.
#[pyclass(frozen, weakref, module = "sharray._sharray", name = "_Map")]
#[derive(Debug)]
pub(crate) struct Map {
    map: AnyMemmap,
    is_closed: AtomicBool,
}

impl Map {
    fn new(map: AnyMemmap) -> Self {
        Self { map, is_closed: AtomicBool::new(false) }
    }

    fn check_open(&self, py: Python<'_>) -> Result<()> {
        if !self.closed() {
            return Ok(());
        }
        let name = self.map.path().display().to_string();
        Err(exception(py, "Closed", &name, &format!("{name:?} was closed")).into())
    }
}

#[pymethods]
impl Map {
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDescr>> {
        dtype::to_python(py, self.map.dtype())
    }

    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.map.shape())
    }

    #[getter]
    fn order(&self) -> &'static str {
        letter_of(self.map.order())
    }

    #[getter]
    fn mode(&self) -> &'static str {
        self.map.mode().letters()
    }

    #[getter]
    fn offset(&self) -> u64 {
        self.map.offset()
    }

    #[getter]
    fn closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// It stands for an `mmap.mmap`: joblib looks for one under an array to find out that a file is mapped.
    #[getter]
    #[allow(clippy::unused_self, reason = "what Python calls is a method")]
    fn __class__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("mmap")?.getattr("mmap")
    }

    fn __len__(&self) -> usize {
        self.map.size_bytes()
    }

    #[pyo3(signature = (wait = true))]
    fn flush(&self, py: Python<'_>, wait: bool) -> Result<()> {
        self.check_open(py)?;
        Ok(py.detach(|| if wait { self.map.flush() } else { self.map.flush_async() })?)
    }

    fn advise(&self, py: Python<'_>, advice: &str) -> Result<()> {
        self.check_open(py)?;
        Ok(self.map.advise(advice_of(advice)?)?)
    }

    fn scan(&self, py: Python<'_>, rows: usize, uncached: bool) -> Result<Scan> {
        self.check_open(py)?;
        Ok(Scan::new(self.map.scan(rows), uncached))
    }

    fn check_whole(&self) -> Result<()> {
        Ok(self.map.check_whole()?)
    }

    /// From now on nothing of it can be had that may be written. It is unmapped when the last view is gone.
    fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    #[allow(unsafe_code, reason = "the interpreter's own interface")]
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        py: Python<'_>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let this = slf.get();
        let (base, len, is_writeable) =
            (this.map.as_ptr(), this.map.size_bytes(), this.map.is_writable() && !this.closed());
        // SAFETY: the interpreter gives what it asks to be filled; the bytes are mapped as long as the object lives, which
        // the buffer sees to. Others may change them, as with any map of a file.
        unsafe { view::lend_bytes(py, slf.as_any(), (base, len), is_writeable, view, flags) }
    }

    fn __repr__(&self) -> String {
        format!("<sharray._Map of '{}', mode {}>", self.map.path().display(), self.map.mode())
    }
}

fn advice_of(advice: &str) -> PyResult<Advice> {
    match advice {
        "normal" => Ok(Advice::Normal),
        "sequential" => Ok(Advice::Sequential),
        "random" => Ok(Advice::Random),
        "will-need" => Ok(Advice::WillNeed),
        "huge-pages" => Ok(Advice::HugePages),
        "small-pages" => Ok(Advice::SmallPages),
        _ => Err(PyValueError::new_err(format!(
            "advice is {advice:?}, expected 'normal', 'sequential', 'random', 'will-need', 'huge-pages' or 'small-pages'"
        ))),
    }
}

/// The rows of one block after the other, which the kernel brings and drops in time.
#[pyclass(frozen, module = "sharray._sharray", name = "_Scan")]
#[derive(Debug)]
pub(crate) struct Scan {
    inner: Mutex<sharray::Scan>,
}

impl Scan {
    pub(crate) fn new(scan: sharray::Scan, uncached: bool) -> Self {
        Self { inner: Mutex::new(if uncached { scan.uncached() } else { scan }) }
    }
}

#[pymethods]
impl Scan {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self) -> Option<(usize, usize)> {
        let mut scan = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        scan.next().map(|rows| (rows.start, rows.end))
    }
}

/// Maps a file without a header. What its items mean is told to NumPy alone; here they are so many bytes.
#[pyfunction]
#[pyo3(name = "_map_file", signature = (path, descriptor, mode, itemsize, offset, shape, order, sparse))]
#[allow(clippy::too_many_arguments, reason = "it is called in one place")]
pub(crate) fn map_file(
    py: Python<'_>,
    path: PathBuf,
    descriptor: Option<i32>,
    mode: &str,
    itemsize: usize,
    offset: u64,
    shape: Option<Vec<usize>>,
    order: &str,
    sparse: bool,
) -> Result<Map> {
    let dtype = DType::parse(&format!("|V{itemsize}"))?;
    let builder = AnyMemmap::builder(path).dtype(dtype).offset(offset).sparse(sparse).order(order_of(order)?);
    let builder = shaped(builder.mode(mode_of(mode)?), shape.as_deref());
    let file = descriptor.map(duplicate).transpose()?;
    let map = py.detach(|| match file {
        Some(file) => builder.open_in(file),
        None => builder.open(),
    });
    Ok(Map::new(map?))
}

/// The caller's file under a descriptor of our own.
fn duplicate(descriptor: i32) -> PyResult<File> {
    if descriptor < 0 {
        return Err(PyValueError::new_err(format!("descriptor is {descriptor}, expected that of an open file")));
    }
    // SAFETY: the caller has the file object that told the descriptor, and holds it during the call.
    #[allow(unsafe_code, reason = "a descriptor comes from Python as a number")]
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    Ok(File::from(borrowed.try_clone_to_owned()?))
}

/// Maps a .npy file.
#[pyfunction]
#[pyo3(name = "_map_npy", signature = (path, mode, dtype, offset, shape, order, sparse))]
#[allow(clippy::too_many_arguments, reason = "it is called in one place")]
pub(crate) fn map_npy(
    py: Python<'_>,
    path: PathBuf,
    mode: &str,
    dtype: Option<&Bound<'_, PyAny>>,
    offset: u64,
    shape: Option<Vec<usize>>,
    order: Option<&str>,
    sparse: bool,
) -> Result<Map> {
    let mut builder =
        shaped(AnyMemmap::builder(path).offset(offset).sparse(sparse).mode(mode_of(mode)?), shape.as_deref());
    if let Some(order) = order {
        builder = builder.order(order_of(order)?);
    }
    if let Some(dtype) = dtype {
        builder = builder.dtype(dtype::from_python(dtype)?);
    }
    Ok(Map::new(py.detach(|| builder.open_npy())?))
}

fn shaped(builder: AnyMemmapBuilder, shape: Option<&[usize]>) -> AnyMemmapBuilder {
    match shape {
        Some(shape) => builder.shape(shape),
        None => builder,
    }
}

fn mode_of(mode: &str) -> PyResult<AnyMode> {
    AnyMode::from_letters(mode)
        .ok_or_else(|| PyValueError::new_err(format!("mode is {mode:?}, expected 'r', 'r+', 'w+' or 'c'")))
}

/// Writes an array as a .npy file, byte for byte as `numpy.save` does.
///
/// The file is built beside the path and takes its place when it is whole: a reader finds the old file or the new one, and
/// those who have the old one mapped keep it.
///
/// Parameters
/// ----------
/// path : path-like
///     The file. Nothing is added to its name.
/// array : array_like
///     The array.
///
/// Raises
/// ------
/// UnsupportedDtype
///     If its items are objects, or others that a file cannot hold.
/// NoSpace
///     If the disk is full. What was at the path stays there.
///
/// Examples
/// --------
/// >>> folder.mkdir()
/// >>> sharray.save_npy(folder / "eye.npy", np.eye(3))
/// >>> np.load(folder / "eye.npy").sum()
/// np.float64(3.0)
#[pyfunction]
pub(crate) fn save_npy(py: Python<'_>, path: PathBuf, array: &Bound<'_, PyAny>) -> Result<()> {
    let array = py.import("numpy")?.getattr("asanyarray")?.call1((array,))?;
    let flags = array.getattr("flags")?;
    let order = if flags.getattr("fnc")?.is_truthy()? { "F" } else { "C" };
    let dtype = dtype::from_python(&array.getattr("dtype")?)?;
    let (descr, shape) = (dtype::to_python(py, &dtype)?, array.getattr("shape")?.extract::<Vec<usize>>()?);
    let builder = AnyMemmap::builder(&path).mode(Mode::Write).dtype(dtype).shape(&shape).order(order_of(order)?);
    let mut raised = None;
    let done = builder.create_npy_with(|map| {
        let strides: Vec<isize> = map.strides().iter().map(|stride| *stride as isize).collect();
        let base = map.as_ptr().cast_mut();
        let placed = Placed { base, shape: &shape, strides: Strides::Given(&strides), is_writeable: true };
        // SAFETY: it is a map of a new file, to be written, and lent to this closure alone. The view is dropped before it, and
        // nobody else sees it: an assignment keeps no reference to where it copies.
        #[allow(unsafe_code, reason = "NumPy writes the items")]
        let target = unsafe { view::array(py, &descr, placed, py.None().into_bound(py)) };
        let copied = target.and_then(|target| target.set_item(PyEllipsis::get(py), &array));
        copied.map_err(|error| {
            raised = Some(error);
            Error::InvalidArgument { name: path.display().to_string(), reason: "its items cannot be copied".to_owned() }
        })
    });
    match raised {
        Some(error) => Err(error.into()),
        None => Ok(done.map(drop)?),
    }
}
