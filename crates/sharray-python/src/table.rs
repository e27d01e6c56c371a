//! Tables that grow: rows are appended, and read in place without a lease.

use crate::dtype;
use crate::error::{Result, closed, exception};
use crate::follower::Follower;
use crate::gil::GilCell;
use crate::options::{attributes_of, attributes_to_python, generation_to_python, place_of, shape_of};
use crate::view::{self, Placed};
use crate::wait::Patience;
use numpy::{PyArrayDescr, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyRange, PyTuple};
use sharray::{AnyGrowable, Directory};
use std::ffi::c_int;
use std::path::PathBuf;
use std::time::Duration;

/// Keeps an attach, and so its mapping, alive: the base of its rows.
#[pyclass(frozen, module = "sharray")]
#[derive(Debug)]
pub(crate) struct MappedTable {
    pub(crate) table: AnyGrowable,
}

/// A table that rows are appended to. Rows that are there never change.
///
/// Made by `grow` and `attach`. Indexing it gives plain read-only ndarrays over the shared rows: no lease, no copy, and nobody
/// waits for whoever looks. It pickles by name: unpickled, it attaches.
///
/// Examples
/// --------
/// >>> log = sharray.grow("log", (0, 2), "f8", dir=folder)
/// >>> log.append([[0.0, 1.5], [0.1, 2.5]])
/// range(0, 2)
/// >>> log[:, 1].max()
/// np.float64(2.5)
/// >>> len(log), log.shape
/// (2, (2, 2))
#[pyclass(frozen, weakref, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    place: Directory,
    is_read_only: bool,
    generation: [u8; 16],
    dtype: Py<PyArrayDescr>,
    mapped: GilCell<Option<Py<MappedTable>>>,
}

impl Table {
    pub(crate) fn new(py: Python<'_>, place: Directory, table: AnyGrowable) -> Result<Self> {
        Ok(Self {
            name: table.name().to_owned(),
            place,
            is_read_only: table.is_read_only(),
            generation: table.generation(),
            dtype: dtype::to_python(py, table.dtype())?.unbind(),
            mapped: GilCell::new(Some(Py::new(py, MappedTable { table })?)),
        })
    }

    /// The attach; in a forked child, one of its own.
    pub(crate) fn mapped(&self, py: Python<'_>) -> Result<Py<MappedTable>> {
        let mapped = self.mapped.share(py).ok_or_else(|| closed(py, &self.name))?;
        if !mapped.get().table.is_inherited() {
            return Ok(mapped);
        }
        let table = attach(py, &self.place, &self.name, self.is_read_only, self.generation)?;
        let own = Py::new(py, MappedTable { table })?;
        // Otherwise another thread was first, or has closed it.
        if self.mapped.share(py).is_some_and(|now| now.is(&mapped)) {
            self.mapped.set(py, Some(own));
        }
        self.mapped(py)
    }

    /// The rows that are there.
    fn rows<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyUntypedArray>> {
        let mapped = self.mapped(py)?;
        let len = mapped.get().table.wait_len(0, Duration::ZERO)?;
        self.rows_of(py, mapped, len)
    }

    /// The first rows, which are there.
    pub(crate) fn rows_of<'py>(
        &self,
        py: Python<'py>,
        mapped: Py<MappedTable>,
        len: usize,
    ) -> Result<Bound<'py, PyUntypedArray>> {
        let table = &mapped.get().table;
        let shape = [&[len], table.row_shape()].concat();
        let strides: Vec<isize> = table.strides().into_iter().map(|stride| stride as isize).collect();
        let base = table.as_ptr().cast_mut();
        let placed = Placed { base, shape: &shape, strides: &strides, is_writeable: false };
        let owner = mapped.into_bound(py).into_any();
        // SAFETY: these rows are inside the payload, which is mapped as long as the owner lives; they are not writeable.
        #[allow(unsafe_code, reason = "the condition is this type's to keep")]
        Ok(unsafe { view::array(py, self.dtype.bind(py), placed, owner) }?)
    }

    /// Waits as long as the handle is open.
    pub(crate) fn wait_for<R: Send>(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        attempt: impl FnMut(Option<Duration>) -> sharray::Result<R> + Send,
    ) -> Result<R> {
        let check = || if self.is_closed(py) { Err(closed(py, &self.name).into()) } else { Ok(()) };
        Patience::of(timeout)?.wait_while(py, check, attempt)
    }

    /// Copies rows to where they are to be. NumPy does it, and lets other threads run meanwhile if they are many.
    fn fill(
        &self,
        py: Python<'_>,
        mapped: &Py<MappedTable>,
        rows: &Bound<'_, PyUntypedArray>,
        bytes: &mut [u8],
    ) -> PyResult<()> {
        let strides: Vec<isize> = mapped.get().table.strides().into_iter().map(|stride| stride as isize).collect();
        let placed = Placed { base: bytes.as_mut_ptr(), shape: rows.shape(), strides: &strides, is_writeable: true };
        let owner = mapped.clone_ref(py).into_bound(py).into_any();
        // SAFETY: the bytes are in the payload, which is mapped as long as the owner lives, and nobody else's while they are
        // borrowed; the array is gone before that.
        #[allow(unsafe_code, reason = "the condition is this function's to keep")]
        let target = unsafe { view::array(py, self.dtype.bind(py), placed, owner) }?;
        py.import("numpy")?.getattr("copyto")?.call1((&target, rows)).map(drop)
    }
}

/// Attaches to one incarnation of a name.
fn attach(
    py: Python<'_>,
    place: &Directory,
    name: &str,
    is_read_only: bool,
    generation: [u8; 16],
) -> Result<AnyGrowable> {
    let builder = AnyGrowable::builder().directory(place);
    let builder = if is_read_only { builder.read_only() } else { builder };
    let table = builder.attach(name)?;
    if table.generation() == generation {
        return Ok(table);
    }
    Err(exception(py, "Replaced", name, &format!("table {name:?} was unlinked, and another one has its name")).into())
}

/// What an append comes to that fails while the rows are copied.
enum Failed {
    Shared(sharray::Error),
    Python(PyErr),
}

impl From<sharray::Error> for Failed {
    fn from(error: sharray::Error) -> Self {
        Self::Shared(error)
    }
}

#[pymethods]
impl Table {
    /// Appends rows: all of them or, after an exception, none.
    ///
    /// Parameters
    /// ----------
    /// rows : array_like
    ///     One or more rows: an array of one dimension more than a row has.
    /// timeout : float, optional
    ///     How many seconds to wait while somebody else appends. ``None``: without limit; 0: not at all.
    ///
    /// Returns
    /// -------
    /// range
    ///     Which rows they are.
    ///
    /// Raises
    /// ------
    /// InvalidArgument
    ///     If they are not rows of this table's shape.
    /// TableFull
    ///     If there is no room for all of them.
    /// NoSpace
    ///     If the file system is full.
    /// TimedOut, Locked
    ///     If others append all the time; `Locked` if the call was not to wait.
    /// ReadOnly
    ///     If it may only be read.
    ///
    /// Examples
    /// --------
    /// >>> log = sharray.grow("log", 0, [("time", "f8"), ("event", "U8")], dir=folder)
    /// >>> log.append([(0.5, "start"), (1.5, "stop")])
    /// range(0, 2)
    /// >>> log["event"]
    /// array(['start', 'stop'], dtype='<U8')
    #[pyo3(signature = (rows, timeout = None))]
    fn append<'py>(
        &self,
        py: Python<'py>,
        rows: &Bound<'py, PyAny>,
        timeout: Option<f64>,
    ) -> Result<Bound<'py, PyRange>> {
        let mapped = self.mapped(py)?;
        let table = &mapped.get().table;
        let rows = py.import("numpy")?.getattr("asarray")?.call1((rows, self.dtype.bind(py)))?;
        let rows = rows.cast_into::<PyUntypedArray>().map_err(PyErr::from)?;
        let count = match rows.shape() {
            [count, row @ ..] if row == table.row_shape() => *count,
            other => {
                let (name, row) = (self.name.clone(), table.row_shape());
                let reason = format!("rows of shape {other:?} were given, expected [_, {row:?}]");
                return Err(sharray::Error::InvalidArgument { name, reason }.into());
            }
        };
        let rows = rows.unbind();
        let mut failed = None;
        let placed = self.wait_for(py, timeout, |timeout| {
            let fill = |bytes: &mut [u8]| {
                Python::attach(|py| self.fill(py, &mapped, rows.bind(py), bytes)).map_err(Failed::Python)
            };
            match table.append_with(count, timeout, fill) {
                Ok(placed) => Ok(placed),
                Err(Failed::Shared(error)) => Err(error),
                Err(Failed::Python(error)) => {
                    failed = Some(error);
                    Ok(0..0)
                }
            }
        })?;
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(PyRange::new(py, placed.start as isize, placed.end as isize)?),
        }
    }

    /// Waits until there are at least so many rows.
    ///
    /// Parameters
    /// ----------
    /// len : int
    ///     How many.
    /// timeout : float, optional
    ///     How many seconds to wait.
    ///
    /// Returns
    /// -------
    /// int
    ///     How many there are.
    ///
    /// Raises
    /// ------
    /// TimedOut
    ///     If there are fewer after that time.
    /// Retired
    ///     If the table was unlinked meanwhile.
    /// InvalidArgument
    ///     If it can never have so many.
    ///
    /// Examples
    /// --------
    /// >>> log = sharray.grow("log", 0, dir=folder)
    /// >>> log.append([1.0, 2.0])
    /// range(0, 2)
    /// >>> log.wait(2, timeout=1)
    /// 2
    #[pyo3(signature = (len, timeout = None))]
    fn wait(&self, py: Python<'_>, len: usize, timeout: Option<f64>) -> Result<usize> {
        let mapped = self.mapped(py)?;
        let table = &mapped.get().table;
        self.wait_for(py, timeout, |timeout| table.wait_len(len, timeout.unwrap_or(Duration::MAX)))
    }

    /// Goes through the rows as they come.
    ///
    /// Parameters
    /// ----------
    /// start : int, optional
    ///     The first row; 0 is the beginning. Default: the first one to come.
    /// timeout : float, optional
    ///     How many seconds to wait for new rows. After `TimedOut` the iterator may be asked again.
    ///
    /// Returns
    /// -------
    /// Follower
    ///     An iterator over all that are new each time, one ndarray, for ``for`` and ``async for``. It loses none, makes nobody
    ///     wait, and ends when the table is unlinked or full.
    ///
    /// Examples
    /// --------
    /// >>> log = sharray.grow("log", 0, "i4", max_len=3, dir=folder)
    /// >>> log.append([1, 2])
    /// range(0, 2)
    /// >>> log.append([3])
    /// range(2, 3)
    /// >>> for rows in log.follow(0, timeout=1):
    /// ...     print(rows)
    /// [1 2 3]
    #[pyo3(signature = (start = None, timeout = None))]
    fn follow(slf: &Bound<'_, Self>, start: Option<usize>, timeout: Option<f64>) -> Result<Follower> {
        let py = slf.py();
        Patience::of(timeout)?;
        let start = start.map_or_else(|| slf.get().__len__(py), Ok)?;
        Ok(Follower::new(slf.clone().unbind(), start, timeout))
    }

    /// Makes all rows durable that there are: they survive a loss of power.
    ///
    /// Returns
    /// -------
    /// int
    ///     How many rows are durable by now.
    ///
    /// Raises
    /// ------
    /// IoError, DurabilityLost
    ///     If the disk fails, and from then on.
    /// ReadOnly
    ///     If it may only be read.
    ///
    /// Notes
    /// -----
    /// Rows that were appended since the last commit are lost if the machine stops; the death of a process loses nothing. The last
    /// one who detaches from a table on a disk commits it. In memory there is nothing to wait for.
    ///
    /// Examples
    /// --------
    /// >>> log = sharray.grow("log", 0, dir=folder)
    /// >>> log.append(np.arange(1000.0))
    /// range(0, 1000)
    /// >>> log.commit()
    /// 1000
    fn commit(&self, py: Python<'_>) -> Result<usize> {
        let mapped = self.mapped(py)?;
        let table = &mapped.get().table;
        Ok(py.detach(|| table.commit())?)
    }

    /// Detaches. Rows that were looked at before stay valid; the handle does not.
    fn close(&self, py: Python<'_>) {
        drop(self.mapped.take(py));
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) {
        self.close(py);
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

    /// How many rows there are, and the shape of one.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyTuple>> {
        Ok(PyTuple::new(py, self.rows(py)?.shape())?)
    }

    /// How many dimensions it has.
    #[getter]
    fn ndim(&self, py: Python<'_>) -> Result<usize> {
        Ok(self.mapped(py)?.get().table.row_shape().len() + 1)
    }

    /// How many items its rows have.
    #[getter]
    fn size(&self, py: Python<'_>) -> Result<usize> {
        Ok(self.rows(py)?.shape().iter().product())
    }

    /// The bytes of its rows.
    #[getter]
    fn nbytes(&self, py: Python<'_>) -> Result<usize> {
        Ok(self.__len__(py)? * self.mapped(py)?.get().table.row_bytes())
    }

    /// How many rows there can be.
    #[getter]
    fn max_len(&self, py: Python<'_>) -> Result<usize> {
        Ok(self.mapped(py)?.get().table.max_len())
    }

    /// How many rows the last commit made durable.
    #[getter]
    fn committed(&self, py: Python<'_>) -> Result<usize> {
        Ok(self.mapped(py)?.get().table.committed())
    }

    /// The facts that it was created with.
    #[getter]
    fn attributes<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        Ok(attributes_to_python(py, self.mapped(py)?.get().table.attributes())?)
    }

    /// Whether nothing can be appended through this handle, because the file may only be read.
    #[getter]
    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Whether it was unlinked: those who are attached go on, nobody else can attach.
    #[getter]
    fn is_retired(&self, py: Python<'_>) -> Result<bool> {
        Ok(self.mapped(py)?.get().table.is_retired())
    }

    /// Whether this handle was closed.
    #[getter]
    fn is_closed(&self, py: Python<'_>) -> bool {
        !self.mapped.is_some(py)
    }

    /// Which incarnation of the name this is.
    #[getter]
    fn generation<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        generation_to_python(py, self.generation)
    }

    /// Raises if somebody cut the file short while it was mapped: what is gone reads as zeros in rows that were looked at.
    ///
    /// Raises
    /// ------
    /// Truncated
    ///     If so. The handle is of no more use; a new one is, once the file is whole.
    /// IoError
    ///     If a page could not be had though the file is long enough.
    fn check_whole(&self, py: Python<'_>) -> Result<()> {
        Ok(self.mapped(py)?.get().table.check_whole()?)
    }

    fn __len__(&self, py: Python<'_>) -> Result<usize> {
        Ok(self.mapped(py)?.get().table.wait_len(0, Duration::ZERO)?)
    }

    /// Of the rows that are there, as NumPy indexes them: read-only ndarrays over the shared rows, without a copy.
    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
        Ok(self.rows(py)?.get_item(index)?)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        Ok(self.rows(py)?.call_method0("__iter__")?)
    }

    /// The rows that are there, read-only; a copy if `copy` says so or the dtype differs.
    #[pyo3(signature = (dtype = None, copy = None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> Result<Bound<'py, PyAny>> {
        let rows = self.rows(py)?;
        let wanted = dtype.map(|dtype| PyArrayDescr::new(py, dtype.clone())).transpose()?;
        match wanted.filter(|wanted| !wanted.eq(self.dtype.bind(py)).unwrap_or(false)) {
            Some(_) if copy == Some(false) => {
                let message = "the table has another dtype: it cannot be had without a copy";
                Err(PyValueError::new_err(message).into())
            }
            Some(wanted) => Ok(rows.call_method1("astype", (wanted,))?),
            None if copy == Some(true) => Ok(rows.call_method0("copy")?),
            None => Ok(rows.into_any()),
        }
    }

    #[allow(unsafe_code, reason = "the interpreter's own interface")]
    unsafe fn __getbuffer__(&self, py: Python<'_>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let rows = self.rows(py)?;
        // SAFETY: the interpreter gives what it asks to be filled.
        unsafe { view::lend_buffer(&rows, view, flags) }
    }

    /// The rows that are there, read-only, for another library.
    #[pyo3(signature = (**options))]
    fn __dlpack__<'py>(&self, py: Python<'py>, options: Option<&Bound<'py, PyDict>>) -> Result<Bound<'py, PyAny>> {
        Ok(self.rows(py)?.call_method("__dlpack__", (), options)?)
    }

    fn __dlpack_device__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        Ok(self.rows(py)?.call_method0("__dlpack_device__")?)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let restore = py.import("sharray._sharray")?.getattr("_attach_table")?;
        let generation = PyBytes::new(py, &self.generation);
        let (path, trusts) = (self.place.path().as_os_str(), self.place.trusts_others());
        (restore, (path, trusts, &self.name, self.is_read_only, generation)).into_pyobject(py)
    }

    /// What tells dask whether two handles show the same rows.
    fn __dask_tokenize__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyTuple>> {
        let generation = PyBytes::new(py, &self.generation);
        Ok(("sharray.Table", generation, self.__len__(py)?).into_pyobject(py)?)
    }

    fn __repr__(&self, py: Python<'_>) -> Result<String> {
        let dtype = self.dtype.bind(py).call_method0("__str__")?;
        if self.is_closed(py) {
            return Ok(format!("<sharray.Table {:?}: {dtype}, closed>", self.name));
        }
        let (shape, state) = (self.shape(py)?.repr()?, if self.is_read_only { ", read-only" } else { "" });
        Ok(format!("<sharray.Table {:?}: {dtype} {shape}{state}>", self.name))
    }

    fn _repr_html_<'py>(slf: Bound<'py, Self>, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("sharray._html")?.getattr("of_table")?.call1((slf,))
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, pyo3::types::PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        class.py().import("types")?.getattr("GenericAlias")?.call1((class, item))
    }
}

/// Attaches to a table that grows if it is there, or else creates it, without rows.
///
/// Parameters
/// ----------
/// name : str
///     The table.
/// shape : int or tuple of int
///     Its shape without rows: 0, or 0 and the shape of a row. One that is there must have such rows.
/// dtype : data-type, optional
///     Its dtype. Default: float64. One that is there must have it.
/// max_len : int, optional
///     How many rows there can ever be. Billions cost nothing: space is taken as rows come. Default: as many as have 64 GiB. One that
///     is there keeps its own, and so of the rest.
/// attributes : dict, optional
///     Facts to attach to it for ever; what JSON can say.
/// participants : int, optional
///     How many handles can be attached at a time.
/// permissions : int, optional
///     The permissions of the file, as for ``chmod``.
/// dir : path-like or Directory, optional
///     The place. Default: ``$SHARRAY_DIR``, or else ``/dev/shm/sharray-<uid>``.
///
/// Returns
/// -------
/// Table
///
/// Raises
/// ------
/// Mismatch
///     If what is there is of another kind or dtype, or has rows of another shape.
/// InvalidArgument, UnsupportedDtype, ShapeOverflow, InvalidName, NoSpace
///
/// Examples
/// --------
/// >>> log = sharray.grow("log", (0, 3), "f4", max_len=4_000_000_000, dir=folder)
/// >>> log.append(np.ones((2, 3)))
/// range(0, 2)
/// >>> sharray.attach("log", mode="r", dir=folder)
/// <sharray.Table "log": float32 (2, 3), read-only>
#[pyfunction]
#[pyo3(signature = (
    name, shape, dtype = None, *, max_len = None, attributes = None, participants = 64, permissions = 0o600, dir = None
))]
#[allow(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub(crate) fn grow(
    py: Python<'_>,
    name: &str,
    shape: &Bound<'_, PyAny>,
    dtype: Option<&Bound<'_, PyAny>>,
    max_len: Option<usize>,
    attributes: Option<&Bound<'_, PyDict>>,
    participants: u32,
    permissions: u32,
    dir: Option<&Bound<'_, PyAny>>,
) -> Result<Table> {
    let place = place_of(dir)?;
    let mut builder = AnyGrowable::builder().directory(&place).participants(participants).permissions(permissions);
    for (key, value) in attributes_of(attributes)? {
        builder = builder.attribute(&key, value);
    }
    if let Some(max_len) = max_len {
        builder = builder.max_len(max_len);
    }
    let dtype = dtype.map_or(Ok(sharray::DType::F64), dtype::from_python)?;
    let table = builder.open(name, &dtype, &shape_of(shape)?)?;
    Table::new(py, place, table)
}

/// Unpickles a handle.
#[pyfunction]
#[pyo3(name = "_attach_table")]
pub(crate) fn attach_table_again(
    py: Python<'_>,
    path: PathBuf,
    trusts_others: bool,
    name: &str,
    is_read_only: bool,
    generation: [u8; 16],
) -> Result<Table> {
    let place = if trusts_others { Directory::open_trusting_others(path)? } else { Directory::open(path)? };
    let table = attach(py, &place, name, is_read_only, generation)?;
    Table::new(py, place, table)
}
