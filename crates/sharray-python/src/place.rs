//! Places and names: what there is, without attaching to it.

use crate::dtype;
use crate::error::Result;
use crate::options::{attributes_to_python, generation_to_python, letter_of, place_of};
use numpy::PyArrayDescr;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use sharray::Kind;
use std::ffi::OsString;
use std::path::PathBuf;

/// A folder in which arrays are found by name.
///
/// Parameters
/// ----------
/// path : path-like, optional
///     The folder; it is made if it is not there. Default: ``$SHARRAY_DIR``, or else ``/dev/shm/sharray-<uid>``.
/// trust_others : bool, optional
///     Whether to use a folder, and files in it, that other users may write to.
///
/// Examples
/// --------
/// >>> place = sharray.Directory(folder)
/// >>> field = sharray.create("field", (2, 3), "f8", dir=place)
/// >>> [info.name for info in place.list()]
/// ['field']
#[pyclass(frozen, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Directory {
    inner: sharray::Directory,
}

impl Directory {
    pub(crate) fn inner(&self) -> &sharray::Directory {
        &self.inner
    }
}

#[pymethods]
impl Directory {
    #[new]
    #[pyo3(signature = (path = None, *, trust_others = false))]
    fn new(path: Option<PathBuf>, trust_others: bool) -> Result<Self> {
        let inner = match path {
            None => sharray::Directory::default_place()?,
            Some(path) if trust_others => sharray::Directory::open_trusting_others(path)?,
            Some(path) => sharray::Directory::open(path)?,
        };
        Ok(Self { inner })
    }

    /// The folder.
    #[getter]
    fn path(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        path_to_python(py, self.inner.path())
    }

    /// Every array here, in the order of their names.
    ///
    /// Returns
    /// -------
    /// list of Info
    fn list(&self) -> Result<Vec<Info>> {
        Ok(self.inner.list()?.into_iter().map(Info::from).collect())
    }

    /// Tells about one array. Attaches nothing.
    ///
    /// Parameters
    /// ----------
    /// name : str
    ///     The array.
    ///
    /// Returns
    /// -------
    /// Info
    ///
    /// Raises
    /// ------
    /// NotFound
    ///     If there is no such array.
    fn inspect(&self, name: &str) -> Result<Info> {
        Ok(Info::from(self.inner.inspect(name)?))
    }

    /// Takes an array's name away. Those who are attached go on; nobody else can attach.
    ///
    /// Parameters
    /// ----------
    /// name : str
    ///     The array.
    ///
    /// Raises
    /// ------
    /// NotFound
    ///     If there is no such array.
    fn unlink(&self, name: &str) -> Result<()> {
        Ok(self.inner.unlink(name)?)
    }

    /// Removes what dead processes left behind; returns the names of the arrays that went.
    ///
    /// Returns
    /// -------
    /// list of str
    ///     The names of the arrays that went.
    fn collect_garbage(&self) -> Result<Vec<String>> {
        Ok(self.inner.collect_garbage()?)
    }

    fn __repr__(&self) -> String {
        format!("<sharray.Directory '{}'>", self.inner.path().display())
    }

    fn __fspath__(&self) -> OsString {
        self.inner.path().as_os_str().to_owned()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let inner = &slf.get().inner;
        let options = PyDict::new(py);
        options.set_item("trust_others", inner.trusts_others())?;
        let class = slf.get_type();
        let restore = py.import("functools")?.getattr("partial")?.call((class,), Some(&options))?;
        (restore, (inner.path().as_os_str(),)).into_pyobject(py)
    }
}

/// A `pathlib.Path`.
fn path_to_python(py: Python<'_>, path: &std::path::Path) -> PyResult<Py<PyAny>> {
    Ok(py.import("pathlib")?.getattr("Path")?.call1((path.as_os_str(),))?.unbind())
}

/// Every array of a place, in the order of their names.
///
/// Parameters
/// ----------
/// dir : path-like or Directory, optional
///     The place. Default: ``$SHARRAY_DIR``, or else ``/dev/shm/sharray-<uid>``.
///
/// Returns
/// -------
/// list of Info
///
/// Examples
/// --------
/// >>> field = sharray.create("sim/field", 3, dir=folder)
/// >>> speed = sharray.cell("sim/speed", 1.5, dir=folder)
/// >>> for info in sharray.list(dir=folder):
/// ...     print(info.name, info.kind, info.dtype, info.shape)
/// sim/field array float64 (3,)
/// sim/speed cell float64 ()
#[pyfunction]
#[pyo3(signature = (*, dir = None))]
pub(crate) fn list(dir: Option<&Bound<'_, PyAny>>) -> Result<Vec<Info>> {
    Ok(place_of(dir)?.list()?.into_iter().map(Info::from).collect())
}

/// Tells about one array. Attaches nothing, and needs no more than permission to read.
///
/// Parameters
/// ----------
/// name : str
///     The array.
/// dir : path-like or Directory, optional
///     The place.
///
/// Returns
/// -------
/// Info
///
/// Raises
/// ------
/// NotFound
///     If there is no such array.
///
/// Examples
/// --------
/// What opens the file without this library, as it is and without a lease:
///
/// >>> field = sharray.create("field", data=np.arange(6.0).reshape(2, 3), dir=folder)
/// >>> info = sharray.inspect("field", dir=folder)
/// >>> np.memmap(info.path, info.dtype, "r", info.data_offset, info.shape, info.order).sum()
/// np.float64(15.0)
#[pyfunction]
#[pyo3(signature = (name, *, dir = None))]
pub(crate) fn inspect(name: &str, dir: Option<&Bound<'_, PyAny>>) -> Result<Info> {
    Ok(Info::from(place_of(dir)?.inspect(name)?))
}

/// Takes an array's name away. Those who are attached go on; nobody else can attach.
///
/// Parameters
/// ----------
/// name : str
///     The array.
/// dir : path-like or Directory, optional
///     The place.
///
/// Raises
/// ------
/// NotFound
///     If there is no such array.
///
/// Examples
/// --------
/// >>> field = sharray.create("field", 3, dir=folder)
/// >>> sharray.unlink("field", dir=folder)
/// >>> field.is_retired
/// True
/// >>> field.snapshot()
/// array([0., 0., 0.])
#[pyfunction]
#[pyo3(signature = (name, *, dir = None))]
pub(crate) fn unlink(name: &str, dir: Option<&Bound<'_, PyAny>>) -> Result<()> {
    Ok(place_of(dir)?.unlink(name)?)
}

/// Removes what dead processes left behind.
///
/// Parameters
/// ----------
/// dir : path-like or Directory, optional
///     The place.
///
/// Returns
/// -------
/// list of str
///     The names of the arrays that went.
///
/// Examples
/// --------
/// What lives stays:
///
/// >>> field = sharray.create("field", 3, dir=folder)
/// >>> sharray.collect_garbage(dir=folder)
/// []
#[pyfunction]
#[pyo3(signature = (*, dir = None))]
pub(crate) fn collect_garbage(dir: Option<&Bound<'_, PyAny>>) -> Result<Vec<String>> {
    Ok(place_of(dir)?.collect_garbage()?)
}

/// Who takes part in an array.
#[pyclass(frozen, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Participant {
    inner: sharray::ParticipantInfo,
}

#[pymethods]
impl Participant {
    /// Its process id, as it sees itself.
    #[getter]
    fn pid(&self) -> u32 {
        self.inner.pid
    }

    /// Whether it lives. The dead stand here until somebody recovers what they held.
    #[getter]
    fn is_alive(&self) -> bool {
        self.inner.is_alive
    }

    /// Which rank of a team it is, or None.
    #[getter]
    fn rank(&self) -> Option<u32> {
        self.inner.rank
    }

    /// Whether it holds the producer's role.
    #[getter]
    fn is_producer(&self) -> bool {
        self.inner.is_producer
    }

    /// Whether the producer waits for it.
    #[getter]
    fn is_lossless(&self) -> bool {
        self.inner.is_lossless
    }

    /// How many published frames a lossless subscriber has not received yet; zero for everyone else.
    #[getter]
    fn behind(&self) -> u64 {
        self.inner.behind
    }

    /// How many frames it looks at, or parts of an array in place it reads.
    #[getter]
    fn pins(&self) -> usize {
        self.inner.pins
    }

    /// How many leases it has for reading all of an array in place, or waits for.
    #[getter]
    fn holds(&self) -> usize {
        self.inner.holds
    }

    /// How many blocks it writes.
    #[getter]
    fn writes(&self) -> usize {
        self.inner.writes
    }

    fn __repr__(&self) -> String {
        let state = if self.inner.is_alive { "alive" } else { "dead" };
        format!("<sharray.Participant {} {state}>", self.inner.pid)
    }
}

/// An array seen from outside: a snapshot that attaches nothing and disturbs nobody.
#[pyclass(frozen, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Info {
    inner: sharray::Info,
}

impl From<sharray::Info> for Info {
    fn from(inner: sharray::Info) -> Self {
        Self { inner }
    }
}

#[pymethods]
impl Info {
    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        &self.inner.name
    }

    /// Its file.
    #[getter]
    fn path(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        path_to_python(py, &self.inner.path)
    }

    /// ``'stream'``, ``'array'``, ``'cell'`` or ``'table'``; ``'team'`` for what other programs made.
    #[getter]
    fn kind(&self) -> &'static str {
        match self.inner.kind {
            Kind::InPlace => "array",
            Kind::Cell => "cell",
            Kind::Stream => "stream",
            Kind::Growable => "table",
            Kind::Team => "team",
            // The enum may grow.
            _ => "unknown",
        }
    }

    /// Its dtype.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDescr>> {
        dtype::to_python(py, &self.inner.dtype)
    }

    /// Its shape; for a stream, the largest that a frame may have; for a table, with as many rows as there are.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.inner.shape)
    }

    /// How many rows a table can have; None for other kinds.
    #[getter]
    fn max_len(&self) -> Option<usize> {
        self.inner.max_len
    }

    /// ``'C'`` or ``'F'``.
    #[getter]
    fn order(&self) -> &'static str {
        letter_of(self.inner.order)
    }

    /// The length of its file in bytes.
    #[getter]
    fn file_len(&self) -> u64 {
        self.inner.file_len
    }

    /// How many slots it has; of a team, its size.
    #[getter]
    fn slots(&self) -> u32 {
        self.inner.slots
    }

    /// How many of the newest frames a stream names.
    #[getter]
    fn history(&self) -> u32 {
        self.inner.history
    }

    /// The newest frame of a stream; what `sequence` of an array or a cell is; how many rounds of a team have passed.
    #[getter]
    fn sequence(&self) -> u64 {
        self.inner.sequence
    }

    /// How many blocks it has, each with a lock of its own.
    #[getter]
    fn blocks(&self) -> u32 {
        self.inner.blocks
    }

    /// The blocks whose last write did not come to the end.
    #[getter]
    fn poisoned(&self) -> Vec<u32> {
        self.inner.poisoned.clone()
    }

    /// The newest frame of a stream that was committed, or how many rows of a table were; zero if there are none, or if nobody has
    /// used it since the machine started.
    #[getter]
    fn committed(&self) -> u64 {
        self.inner.committed
    }

    /// When it was created, in seconds since 1970.
    #[getter]
    fn created(&self) -> f64 {
        self.inner.created.duration_since(std::time::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
    }

    /// Who takes part.
    #[getter]
    fn participants(&self) -> Vec<Participant> {
        self.inner.participants.iter().map(|inner| Participant { inner: inner.clone() }).collect()
    }

    /// Whether the stream's last producer closed it.
    #[getter]
    fn is_closed(&self) -> bool {
        self.inner.is_closed
    }

    /// Whether a rank of the team died or left, or a time was over, and it has not been reset since.
    #[getter]
    fn is_broken(&self) -> bool {
        self.inner.is_broken
    }

    /// Whether it was unlinked.
    #[getter]
    fn is_retired(&self) -> bool {
        self.inner.is_retired
    }

    /// Where its payload starts in the file.
    #[getter]
    fn data_offset(&self) -> u64 {
        self.inner.data_offset
    }

    /// Where the .npy stream starts that ends the file.
    #[getter]
    fn npy_offset(&self) -> u64 {
        self.inner.npy_offset
    }

    /// Which incarnation of the name this is: unlinked and created again, an array has another one.
    #[getter]
    fn generation<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        generation_to_python(py, self.inner.generation)
    }

    /// The facts that it was created with.
    #[getter]
    fn attributes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        attributes_to_python(py, &self.inner.attributes)
    }

    fn __repr__(&self) -> String {
        let Self { inner } = self;
        format!("<sharray.Info {:?}: {} {} {:?}>", inner.name, self.kind(), inner.dtype, inner.shape)
    }
}
