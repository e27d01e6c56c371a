//! Cells: small values with one writer at a time that readers never wait for.

use crate::dtype;
use crate::error::{Result, closed, exception, over};
use crate::options::{
    attach_within, attributes_of, attributes_to_python, generation_to_python, is_read_only, place_of,
};
use crate::view;
use crate::wait::Patience;
use numpy::PyArrayDescr;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use sharray::{AnyCell, Directory, OwnedCellWriter};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A small value that is loaded and stored whole. Nobody who loads it ever waits.
///
/// Made by `cell`. It pickles by name: unpickled, it attaches.
///
/// Examples
/// --------
/// >>> pose = sharray.cell("robot/pose", np.zeros(3), dir=folder)
/// >>> pose.store([1, 2, 3])
/// >>> pose.load()
/// array([1., 2., 3.])
#[pyclass(frozen, weakref, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Cell {
    name: String,
    place: Directory,
    is_read_only: bool,
    generation: [u8; 16],
    dtype: Py<PyArrayDescr>,
    shape: Vec<usize>,
    cell: Mutex<Option<Arc<AnyCell>>>,
}

impl Cell {
    fn new(py: Python<'_>, place: Directory, cell: AnyCell) -> Result<Self> {
        Ok(Self {
            name: cell.name().to_owned(),
            place,
            is_read_only: cell.is_read_only(),
            generation: cell.generation(),
            dtype: dtype::to_python(py, cell.dtype())?.unbind(),
            shape: cell.shape().to_vec(),
            cell: Mutex::new(Some(Arc::new(cell))),
        })
    }

    fn cell(&self, py: Python<'_>) -> Result<Arc<AnyCell>> {
        // What makes an error may run any Python, which may ask for this cell: not under the lock.
        let attached = self.lock().clone().ok_or_else(|| closed(py, &self.name))?;
        if !attached.is_inherited() {
            return Ok(attached);
        }
        let again = Arc::new(attach(py, &self.place, &self.name, self.is_read_only, self.generation)?);
        // Otherwise another thread has closed it.
        if let Some(attached) = self.lock().as_mut() {
            *attached = Arc::clone(&again);
        }
        Ok(again)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<AnyCell>>> {
        self.cell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as the handle is open.
    fn wait<R: Send>(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        attempt: impl FnMut(Option<Duration>) -> sharray::Result<R> + Send,
    ) -> Result<R> {
        let check = || if self.is_closed() { Err(closed(py, &self.name).into()) } else { Ok(()) };
        Patience::of(timeout)?.wait_while(py, check, attempt)
    }

    /// The bytes of a value.
    fn bytes<'py>(&self, py: Python<'py>, value: &Bound<'py, PyAny>) -> Result<Bound<'py, PyBytes>> {
        bytes_of(py, value, self.dtype.bind(py), &self.shape)
    }
}

/// The bytes of a value as an array of this dtype and shape.
fn bytes_of<'py>(
    py: Python<'py>,
    value: &Bound<'py, PyAny>,
    dtype: &Bound<'py, PyArrayDescr>,
    shape: &[usize],
) -> Result<Bound<'py, PyBytes>> {
    static ASARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let packed = |value: &Bound<'py, PyAny>| view::bytes_of(value.cast().ok()?, dtype, shape);
    if let Some(bytes) = packed(value) {
        return Ok(bytes);
    }
    let value = ASARRAY.import(py, "numpy", "asarray")?.call1((value, dtype))?;
    if let Some(bytes) = packed(&value) {
        return Ok(bytes);
    }
    let value = py.import("numpy")?.getattr("broadcast_to")?.call1((value, PyTuple::new(py, shape)?))?;
    Ok(value.call_method0("tobytes")?.cast_into().map_err(PyErr::from)?)
}

/// Attaches to one incarnation of a name.
fn attach(py: Python<'_>, place: &Directory, name: &str, is_read_only: bool, generation: [u8; 16]) -> Result<AnyCell> {
    let builder = AnyCell::builder().directory(place);
    let builder = if is_read_only { builder.read_only() } else { builder };
    let cell = builder.attach(name)?;
    if cell.generation() == generation {
        return Ok(cell);
    }
    Err(exception(py, "Replaced", name, &format!("cell {name:?} was unlinked, and another one has its name")).into())
}

#[pymethods]
impl Cell {
    /// The newest value that was stored.
    ///
    /// Returns
    /// -------
    /// numpy.ndarray or numpy.generic
    ///     A copy: an array, or a scalar if the cell has no dimensions.
    ///
    /// Examples
    /// --------
    /// >>> gain = sharray.cell("gain", 1.5, dir=folder)
    /// >>> gain.load()
    /// np.float64(1.5)
    fn load<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let cell = self.cell(py)?;
        let mut value = view::empty(self.dtype.bind(py), &self.shape, sharray::Order::C)?;
        // SAFETY: NumPy has just made it, packed and with as many items as the cell has; nobody else knows it.
        #[allow(unsafe_code, reason = "it is filled in place")]
        let bytes = unsafe { view::bytes_of_new(&mut value, cell.size_bytes()) };
        cell.load_into(bytes)?;
        if self.shape.is_empty() { Ok(value.get_item(PyTuple::empty(py))?) } else { Ok(value.into_any()) }
    }

    /// Takes the writer's role for one store.
    ///
    /// Parameters
    /// ----------
    /// value : array_like
    ///     What to store; it is broadcast to the cell's shape.
    /// timeout : float, optional
    ///     How many seconds to wait while somebody else has the role. ``None``: without limit; 0: not at all.
    ///
    /// Raises
    /// ------
    /// TimedOut, Locked
    ///     If somebody else keeps the role; `Locked` if the call was not to wait.
    /// ReadOnly
    ///     If it may only be read.
    #[pyo3(signature = (value, timeout = None))]
    fn store(&self, py: Python<'_>, value: &Bound<'_, PyAny>, timeout: Option<f64>) -> Result<()> {
        let (cell, bytes) = (self.cell(py)?, self.bytes(py, value)?);
        let bytes = bytes.as_bytes();
        self.wait(py, timeout, |timeout| match timeout {
            Some(timeout) if timeout.is_zero() => cell.try_store(bytes),
            Some(timeout) => cell.store_timeout(bytes, timeout),
            None => cell.store(bytes),
        })
    }

    /// Takes the writer's role and keeps it: a store costs nanoseconds then.
    ///
    /// Parameters
    /// ----------
    /// timeout : float, optional
    ///     How many seconds to wait while somebody else has the role. ``None``: without limit; 0: not at all.
    ///
    /// Returns
    /// -------
    /// CellWriter
    ///     A context manager; it gives the role back at the end of its block, or when it is gone.
    ///
    /// Examples
    /// --------
    /// >>> gain = sharray.cell("gain", 1.0, dir=folder)
    /// >>> with gain.writer() as writer:
    /// ...     for value in range(1000):
    /// ...         writer.store(value)
    /// >>> gain.load()
    /// np.float64(999.0)
    #[pyo3(signature = (timeout = None))]
    fn writer(slf: &Bound<'_, Self>, py: Python<'_>, timeout: Option<f64>) -> Result<CellWriter> {
        let cell = slf.get().cell(py)?;
        let writer = slf.get().wait(py, timeout, |timeout| cell.writer_owned(timeout))?;
        Ok(CellWriter { cell: slf.clone().unbind(), writer: Mutex::new(Some(writer)) })
    }

    /// Waits until the cell was stored since it had a certain sequence.
    ///
    /// Parameters
    /// ----------
    /// since : int, optional
    ///     What `sequence` was. Default: what it is now.
    /// timeout : float, optional
    ///     How many seconds to wait.
    ///
    /// Returns
    /// -------
    /// int
    ///     What `sequence` is then.
    ///
    /// Raises
    /// ------
    /// TimedOut
    ///     If nothing was stored in time.
    /// Retired
    ///     If the cell was unlinked meanwhile.
    #[pyo3(signature = (since = None, timeout = None))]
    fn wait_changed(&self, py: Python<'_>, since: Option<u64>, timeout: Option<f64>) -> Result<u64> {
        let cell = self.cell(py)?;
        let since = since.unwrap_or_else(|| cell.sequence());
        self.wait(py, timeout, |timeout| cell.wait_changed(since, timeout.unwrap_or(Duration::MAX)))
    }

    /// Detaches.
    fn close(&self) {
        *self.lock() = None;
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyTuple>) {
        self.close();
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// The dtype of its items.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> Bound<'py, PyArrayDescr> {
        self.dtype.bind(py).clone()
    }

    /// Its shape: none, for one item.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.shape)
    }

    /// How often it was stored; the value given at creation counts.
    #[getter]
    fn sequence(&self, py: Python<'_>) -> Result<u64> {
        Ok(self.cell(py)?.sequence())
    }

    /// The facts that it was created with.
    #[getter]
    fn attributes<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        Ok(attributes_to_python(py, self.cell(py)?.attributes())?)
    }

    /// Whether it can only be loaded, because the file may only be read.
    #[getter]
    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Whether it was unlinked: those who are attached go on, nobody else can attach.
    #[getter]
    fn is_retired(&self, py: Python<'_>) -> Result<bool> {
        Ok(self.cell(py)?.is_retired())
    }

    /// Whether this handle was closed.
    #[getter]
    fn is_closed(&self) -> bool {
        self.lock().is_none()
    }

    /// Which incarnation of the name this is.
    #[getter]
    fn generation<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        generation_to_python(py, self.generation)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let restore = py.import("sharray._sharray")?.getattr("_attach_cell")?;
        let generation = PyBytes::new(py, &self.generation);
        let (path, trusts) = (self.place.path().as_os_str(), self.place.trusts_others());
        (restore, (path, trusts, &self.name, self.is_read_only, generation)).into_pyobject(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (dtype, shape) = (self.dtype.bind(py).call_method0("__str__")?, self.shape(py)?.repr()?);
        let state = match (self.is_closed(), self.is_read_only) {
            (true, _) => ", closed",
            (false, true) => ", read-only",
            (false, false) => "",
        };
        Ok(format!("<sharray.Cell {:?}: {dtype} {shape}{state}>", self.name))
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, pyo3::types::PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        class.py().import("types")?.getattr("GenericAlias")?.call1((class, item))
    }
}

/// Keeps the role of a cell's writer: what `Cell.writer` returns.
#[pyclass(frozen, weakref, module = "sharray")]
#[derive(Debug)]
pub(crate) struct CellWriter {
    cell: Py<Cell>,
    writer: Mutex<Option<OwnedCellWriter>>,
}

#[pymethods]
impl CellWriter {
    /// Stores a value.
    ///
    /// Parameters
    /// ----------
    /// value : array_like
    ///     What to store; it is broadcast to the cell's shape.
    ///
    /// Raises
    /// ------
    /// Closed
    ///     If the role was given back.
    fn store(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> Result<()> {
        let cell = self.cell.get();
        let bytes = cell.bytes(py, value)?;
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = writer.as_mut().map(|writer| writer.store(bytes.as_bytes()));
        drop(writer);
        Ok(stored.ok_or_else(|| over(py, "the writer's role of cell", &cell.name))??)
    }

    /// Gives the role back.
    fn close(&self) {
        drop(self.writer.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyTuple>) {
        self.close();
    }

    fn __repr__(&self) -> String {
        format!("<sharray.CellWriter of {:?}>", self.cell.get().name)
    }
}

/// Attaches to a cell; if it is not there and a value is given, creates it.
///
/// Parameters
/// ----------
/// name : str
///     The cell.
/// value : array_like, optional
///     The value to create it with. One that is there keeps its own, and must have this dtype and shape.
/// dtype : data-type, optional
///     Its dtype. Default: that of `value`.
/// mode : {'r+', 'r'}, optional
///     ``'r'``: write nothing into the file.
/// wait : float, optional
///     How many seconds to wait until it exists; not for one with a value.
/// attributes : dict, optional
///     Facts to attach to a new one for ever; what JSON can say.
/// permissions : int, optional
///     The permissions of the file, as for ``chmod``.
/// dir : path-like or Directory, optional
///     The place. Default: ``$SHARRAY_DIR``, or else ``/dev/shm/sharray-<uid>``.
///
/// Returns
/// -------
/// Cell
///
/// Raises
/// ------
/// NotFound
///     If it is not there and no value is given.
/// Mismatch
///     If what is there is of another kind, dtype or shape.
///
/// Examples
/// --------
/// >>> target = sharray.cell("robot/target", np.zeros(3), dir=folder)
/// >>> sharray.cell("robot/target", mode="r", dir=folder).load()
/// array([0., 0., 0.])
#[pyfunction]
#[pyo3(signature = (
    name, value = None, dtype = None, *, mode = "r+", wait = None, attributes = None, permissions = 0o600, dir = None
))]
#[allow(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub(crate) fn cell(
    py: Python<'_>,
    name: &str,
    value: Option<&Bound<'_, PyAny>>,
    dtype: Option<&Bound<'_, PyAny>>,
    mode: &str,
    wait: Option<f64>,
    attributes: Option<&Bound<'_, PyDict>>,
    permissions: u32,
    dir: Option<&Bound<'_, PyAny>>,
) -> Result<Cell> {
    let place = place_of(dir)?;
    let mut builder = AnyCell::builder().directory(&place).permissions(permissions);
    for (key, value) in attributes_of(attributes)? {
        builder = builder.attribute(&key, value);
    }
    let read_only = is_read_only(mode)?;
    let Some(value) = value else {
        let builder = if read_only { builder.read_only() } else { builder };
        let attempt = |wait: Option<Duration>| {
            let builder = wait.map_or_else(|| builder.clone(), |wait| builder.clone().wait(wait));
            builder.attach(name)
        };
        return Cell::new(py, place, attach_within(py, wait, attempt)?);
    };
    if read_only {
        return Err(PyTypeError::new_err("a cell that may only be read takes no value").into());
    }
    let numpy = py.import("numpy")?;
    let descr = dtype.map(|dtype| PyArrayDescr::new(py, dtype.clone())).transpose()?;
    let value = numpy.getattr("asarray")?.call1((value, descr))?;
    let shape: Vec<usize> = value.getattr("shape")?.extract()?;
    let descr = value.getattr("dtype")?;
    let bytes = bytes_of(py, &value, descr.cast().map_err(PyErr::from)?, &shape)?;
    let cell = builder.open(name, &dtype::from_python(&descr)?, &shape, bytes.as_bytes())?;
    Cell::new(py, place, cell)
}

/// Unpickles a handle.
#[pyfunction]
#[pyo3(name = "_attach_cell")]
pub(crate) fn attach_cell_again(
    py: Python<'_>,
    path: std::path::PathBuf,
    trusts_others: bool,
    name: &str,
    is_read_only: bool,
    generation: [u8; 16],
) -> Result<Cell> {
    let place = if trusts_others { Directory::open_trusting_others(path)? } else { Directory::open(path)? };
    let cell = attach(py, &place, name, is_read_only, generation)?;
    Cell::new(py, place, cell)
}
