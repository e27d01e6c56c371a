//! Teams: ranks that step together.

use crate::array::fill_from;
use crate::dtype;
use crate::error::{Result, closed};
use crate::launcher::Run;
use crate::options::{place_of, shape_of};
use crate::team_array::{Block, TeamArray};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyTuple};
use sharray::{Directory, Error, Patience, Reduction};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One rank of a team: so many processes that step together, and survive each other.
///
/// Made by `Team.join`, or by `Team.spawned` in a process that `Team.spawn` started. Every rank makes the same calls in the
/// same order. A context manager: leaving its block leaves the team, which those who wait for this rank are told by
/// `PeerDied`.
///
/// Examples
/// --------
/// >>> with sharray.Team.join("sim", 0, 1, dir=folder) as team:
/// ...     heat = team.array("heat", 4, data=[0.0, 8.0, 0.0, 0.0], timeout=10)
/// ...     while team.step < 2:
/// ...         with team.block(heat) as block:
/// ...             block.new[:] = (block.old[block.rows] + np.roll(block.old, 1)[block.rows]) / 2
/// ...         team.swap(timeout=10)
/// ...     heat.current.snapshot()
/// array([0., 2., 4., 2.])
#[pyclass(frozen, weakref, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Team {
    name: String,
    rank: u32,
    size: u32,
    place: Directory,
    team: Mutex<Option<Arc<sharray::Team>>>,
}

impl Team {
    fn new(team: sharray::Team, place: Directory) -> Self {
        let (name, rank, size) = (team.name().to_owned(), team.rank(), team.size());
        Self { name, rank, size, place, team: Mutex::new(Some(Arc::new(team))) }
    }

    fn team(&self, py: Python<'_>) -> Result<Arc<sharray::Team>> {
        let team = self.team.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(team.ok_or_else(|| closed(py, &self.name))?)
    }

    /// Makes a collective call without the interpreter's lock. Ctrl-C ends it, for all ranks: the others are told that this
    /// one gave up.
    fn collect<R: Send>(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        call: impl FnOnce(&sharray::Team, Patience<'_>) -> sharray::Result<R> + Send,
    ) -> Result<R> {
        let (team, timeout) = (self.team(py)?, duration_of(timeout)?);
        let mut raised = None;
        let done = py.detach(|| {
            let mut goes_on = || {
                raised = Python::attach(|py| py.check_signals().err());
                raised.is_none()
            };
            call(&team, Patience::asking(timeout, &mut goes_on))
        });
        match raised {
            Some(error) => Err(error.into()),
            None => Ok(done?),
        }
    }

    fn reduce<'py>(
        &self,
        local: &Bound<'py, PyAny>,
        timeout: Option<f64>,
        reduction: Reduction,
    ) -> Result<Bound<'py, PyAny>> {
        let local = Local::of(local)?;
        let mut bytes = local.bytes.clone();
        self.collect(local.array.py(), timeout, |team, patience| {
            team.reduce_bytes(reduction, &local.dtype, &local.shape, &mut bytes, patience)
        })?;
        local.like(&bytes, &local.shape)
    }
}

/// An array that this rank gives to the others: a copy of its items in C order.
struct Local<'py> {
    array: Bound<'py, PyAny>,
    dtype: sharray::DType,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl<'py> Local<'py> {
    fn of(value: &Bound<'py, PyAny>) -> Result<Self> {
        let array = value.py().import("numpy")?.getattr("asarray")?.call1((value,))?;
        let (dtype, shape) = (dtype::from_python(&array.getattr("dtype")?)?, shape_of(&array.getattr("shape")?)?);
        let bytes = array.call_method0("tobytes")?.extract()?;
        Ok(Self { array, dtype, shape, bytes })
    }

    /// An array of the same dtype; a scalar if it has no dimensions.
    fn like(&self, bytes: &[u8], shape: &[usize]) -> Result<Bound<'py, PyAny>> {
        let (py, numpy) = (self.array.py(), self.array.py().import("numpy")?);
        let copy = PyByteArray::new(py, bytes);
        let flat = numpy.getattr("frombuffer")?.call1((copy, self.array.getattr("dtype")?))?;
        let shaped = flat.call_method1("reshape", (PyTuple::new(py, shape)?,))?;
        if shape.is_empty() { Ok(shaped.get_item(PyTuple::empty(py))?) } else { Ok(shaped) }
    }
}

/// `timeout` in seconds; `None` is without limit.
fn duration_of(timeout: Option<f64>) -> Result<Duration> {
    let Some(seconds) = timeout else { return Ok(Duration::MAX) };
    if seconds.is_nan() || seconds < 0.0 {
        return Err(PyValueError::new_err(format!("timeout is {seconds}, expected seconds or None")).into());
    }
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

#[pymethods]
impl Team {
    /// Joins a team as one of its ranks, and creates it if it is not there. Waits for nobody: the first barrier does.
    ///
    /// Parameters
    /// ----------
    /// name : str
    ///     The team.
    /// rank : int
    ///     Which rank this process is, from zero.
    /// size : int
    ///     How many ranks the team has.
    /// dir : path-like or Directory, optional
    ///     The place. Default: ``$SHARRAY_DIR``, or else ``/dev/shm/sharray-<uid>``.
    ///
    /// Returns
    /// -------
    /// Team
    ///
    /// Raises
    /// ------
    /// RankTaken
    ///     If another process is this rank, and alive.
    /// Mismatch
    ///     If the team has another size.
    #[staticmethod]
    #[pyo3(signature = (name, rank, size, *, dir = None))]
    fn join(py: Python<'_>, name: &str, rank: u32, size: u32, dir: Option<&Bound<'_, PyAny>>) -> Result<Self> {
        let place = place_of(dir)?;
        let team = py.detach(|| sharray::Team::builder().directory(&place).join(name, rank, size))?;
        Ok(Self::new(team, place))
    }

    /// Joins the team that started this process; None if none did.
    ///
    /// To be asked early. If the launcher dies, the kernel ends this process by SIGTERM.
    ///
    /// Returns
    /// -------
    /// Team or None
    #[staticmethod]
    fn spawned(py: Python<'_>) -> Result<Option<Self>> {
        let Some(team) = py.detach(sharray::Team::spawned)? else { return Ok(None) };
        py.check_signals()?;
        Ok(Some(Self::new(team, Directory::default_place()?)))
    }

    /// Starts a team, each rank a process, and waits until all have ended.
    ///
    /// The ranks are this very program again, with the same arguments: a program asks `Team.spawned` first. They have a folder of
    /// arrays of their own, named after the run, which goes when the run ends: what a rank calls ``frames`` is ``RUN/frames`` for
    /// everybody else. To be called by the main thread.
    ///
    /// Parameters
    /// ----------
    /// size : int
    ///     How many ranks.
    /// name : str, optional
    ///     The run. Default: the program's name, with the lowest number behind it that is free if another run has it.
    /// restarts : int, optional
    ///     How often a rank that was killed by a signal is started again, all of them together.
    /// commands : dict, optional
    ///     Other programs for some ranks, in whatever language: lists of words, by rank.
    /// dir : path-like or Directory, optional
    ///     Where the run's folder shall be.
    ///
    /// Raises
    /// ------
    /// RankFailed
    ///     If a rank has failed: the first that did, and how. The others have ended, too.
    /// Interrupted
    ///     If a signal was to end this process: all ranks have ended. On Ctrl-C it is a KeyboardInterrupt instead.
    /// AlreadyExists
    ///     If a run of this name is alive, or other arrays are in its folder.
    #[staticmethod]
    #[pyo3(signature = (size, *, name = None, restarts = 0, commands = None, dir = None))]
    fn spawn(
        py: Python<'_>,
        size: u32,
        name: Option<&str>,
        restarts: u32,
        commands: Option<HashMap<u32, Vec<String>>>,
        dir: Option<&Bound<'_, PyAny>>,
    ) -> Result<()> {
        let run = Run { size, name, restarts, commands: commands.unwrap_or_default(), place: place_of(dir)? };
        run.start(py)
    }

    /// Waits until all ranks are here.
    ///
    /// Parameters
    /// ----------
    /// timeout : float, optional
    ///     How many seconds to wait. ``None``: without limit.
    ///
    /// Raises
    /// ------
    /// PeerDied
    ///     If a rank died, left or gave up, until the team is `reset`.
    /// TimedOut
    ///     If a rank waited for so long, be it this or another; until the team is `reset`.
    #[pyo3(signature = (timeout = None))]
    fn barrier(&self, py: Python<'_>, timeout: Option<f64>) -> Result<()> {
        self.collect(py, timeout, |team, patience| team.barrier(patience))
    }

    /// Goes on after a break: waits until all ranks are here and in this call. Arrays are opened anew behind it.
    ///
    /// Parameters
    /// ----------
    /// timeout : float, optional
    ///     How many seconds to wait. ``None``: without limit.
    ///
    /// Raises
    /// ------
    /// TimedOut
    ///     If they are not here in time; it can be called again.
    #[pyo3(signature = (timeout = None))]
    fn reset(&self, py: Python<'_>, timeout: Option<f64>) -> Result<()> {
        self.collect(py, timeout, |team, patience| team.reset(patience))
    }

    /// The sum of an array over all ranks, item by item, added in the order of the ranks: the same bits in each of them.
    ///
    /// Parameters
    /// ----------
    /// local : array_like
    ///     This rank's array; of the same dtype and shape in all.
    /// timeout : float, optional
    ///     How many seconds to wait.
    ///
    /// Returns
    /// -------
    /// numpy.ndarray or numpy.generic
    ///
    /// Examples
    /// --------
    /// >>> with sharray.Team.join("sim", 0, 1, dir=folder) as team:
    /// ...     team.sum([1.5, 2.5], timeout=10)
    /// array([1.5, 2.5])
    #[pyo3(signature = (local, timeout = None))]
    fn sum<'py>(&self, local: &Bound<'py, PyAny>, timeout: Option<f64>) -> Result<Bound<'py, PyAny>> {
        self.reduce(local, timeout, Reduction::Sum)
    }

    /// The least of each item over all ranks, as `numpy.minimum`.
    ///
    /// Parameters
    /// ----------
    /// local : array_like
    ///     This rank's array; of the same dtype and shape in all.
    /// timeout : float, optional
    ///     How many seconds to wait.
    ///
    /// Returns
    /// -------
    /// numpy.ndarray or numpy.generic
    #[pyo3(signature = (local, timeout = None))]
    fn min<'py>(&self, local: &Bound<'py, PyAny>, timeout: Option<f64>) -> Result<Bound<'py, PyAny>> {
        self.reduce(local, timeout, Reduction::Min)
    }

    /// The greatest of each item over all ranks, as `numpy.maximum`.
    ///
    /// Parameters
    /// ----------
    /// local : array_like
    ///     This rank's array; of the same dtype and shape in all.
    /// timeout : float, optional
    ///     How many seconds to wait.
    ///
    /// Returns
    /// -------
    /// numpy.ndarray or numpy.generic
    #[pyo3(signature = (local, timeout = None))]
    fn max<'py>(&self, local: &Bound<'py, PyAny>, timeout: Option<f64>) -> Result<Bound<'py, PyAny>> {
        self.reduce(local, timeout, Reduction::Max)
    }

    /// The arrays of all ranks, stacked along a new first axis.
    ///
    /// Parameters
    /// ----------
    /// local : array_like
    ///     This rank's array; of the same dtype and shape in all.
    /// timeout : float, optional
    ///     How many seconds to wait.
    ///
    /// Returns
    /// -------
    /// numpy.ndarray
    #[pyo3(signature = (local, timeout = None))]
    fn gather<'py>(&self, local: &Bound<'py, PyAny>, timeout: Option<f64>) -> Result<Bound<'py, PyAny>> {
        let local = Local::of(local)?;
        let mut all = vec![0; local.bytes.len() * self.size as usize];
        self.collect(local.array.py(), timeout, |team, patience| {
            team.gather_bytes(&local.dtype, &local.shape, &local.bytes, &mut all, patience)
        })?;
        let shape: Vec<usize> = std::iter::once(self.size as usize).chain(local.shape.iter().copied()).collect();
        local.like(&all, &shape)
    }

    /// The array of one rank, for all.
    ///
    /// Parameters
    /// ----------
    /// root : int
    ///     The rank whose array it is.
    /// local : array_like
    ///     The array; those of the other ranks tell its dtype and shape.
    /// timeout : float, optional
    ///     How many seconds to wait.
    ///
    /// Returns
    /// -------
    /// numpy.ndarray or numpy.generic
    #[pyo3(signature = (root, local, timeout = None))]
    fn broadcast<'py>(&self, root: u32, local: &Bound<'py, PyAny>, timeout: Option<f64>) -> Result<Bound<'py, PyAny>> {
        let local = Local::of(local)?;
        let mut bytes = local.bytes.clone();
        self.collect(local.array.py(), timeout, |team, patience| {
            team.broadcast_bytes(root, &local.dtype, &local.shape, &mut bytes, patience)
        })?;
        local.like(&bytes, &local.shape)
    }

    /// Opens an array that the team steps, or creates it. All ranks make this call.
    ///
    /// An array that is there goes on where it stands: `step` tells. So a rank that was started again, or a whole team, does what
    /// it did the first time.
    ///
    /// Parameters
    /// ----------
    /// name : str
    ///     The array.
    /// shape : int or tuple of int
    ///     Its shape. Its first axis is divided among the ranks.
    /// dtype : data-type, optional
    ///     Its dtype. Default: float64.
    /// data : array_like or callable, optional
    ///     What rank 0 creates it with, or a function without parameters that makes it, and is called only then. Default: zeros.
    /// timeout : float, optional
    ///     How many seconds to wait for the other ranks.
    ///
    /// Returns
    /// -------
    /// TeamArray
    #[pyo3(signature = (name, shape, dtype = None, *, data = None, timeout = None))]
    fn array(
        slf: &Bound<'_, Self>,
        name: &str,
        shape: &Bound<'_, PyAny>,
        dtype: Option<&Bound<'_, PyAny>>,
        data: Option<Py<PyAny>>,
        timeout: Option<f64>,
    ) -> Result<TeamArray> {
        let (py, team, shape) = (slf.py(), slf.get(), shape_of(shape)?);
        let dtype = dtype.map_or(Ok(sharray::DType::F64), dtype::from_python)?;
        let mut raised = None;
        let opened = team.collect(py, timeout, |inner, patience| {
            inner.any_array(name, &dtype, &shape, patience, |guard| {
                let Some(data) = &data else { return Ok(()) };
                Python::attach(|py| fill_from(py, guard, &made(data.bind(py))?)).map_err(|error| {
                    raised = Some(error);
                    Error::InvalidArgument { name: name.to_owned(), reason: "its contents do not fit".to_owned() }
                })
            })
        });
        if let Some(error) = raised {
            return Err(error.into());
        }
        TeamArray::new(py, name, &team.place, opened?)
    }

    /// This rank's part of the step.
    ///
    /// Parameters
    /// ----------
    /// array : TeamArray
    ///     What the step makes anew.
    ///
    /// Returns
    /// -------
    /// Block
    ///     A context manager. In its block ``old`` is the whole old array, and ``new`` this rank's rows of the new one, all of which
    ///     are to be written; ``rows`` tells which they are. Leaving it finishes the block; an exception leaves it poisoned, and the
    ///     rank can take it again.
    fn block(slf: &Bound<'_, Self>, array: &Bound<'_, TeamArray>) -> Result<Block> {
        let (py, team) = (slf.py(), slf.get());
        let (inner, opened) = (team.team(py)?, array.get().opened());
        // It waits for a swap of another thread, which looks for signals meanwhile.
        py.detach(|| inner.check_any_array(opened))?;
        Block::of(array, team.rank as usize)
    }

    /// Ends the step: waits until all ranks have left their blocks of all arrays, and makes the new arrays the old ones.
    ///
    /// Parameters
    /// ----------
    /// timeout : float, optional
    ///     How many seconds to wait.
    ///
    /// Raises
    /// ------
    /// InvalidArgument
    ///     If this rank has not finished its block of an array that it has open.
    /// PeerDied, TimedOut
    ///     As for `barrier`. The team is where it was then.
    #[pyo3(signature = (timeout = None))]
    fn swap(&self, py: Python<'_>, timeout: Option<f64>) -> Result<()> {
        self.collect(py, timeout, |team, patience| team.swap(patience))
    }

    /// How many steps the team has made, as far as this rank knows. Zero before it has opened an array.
    #[getter]
    fn step(&self, py: Python<'_>) -> Result<u64> {
        Ok(self.team(py)?.step())
    }

    /// The team's name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Which rank this is, from zero.
    #[getter]
    fn rank(&self) -> u32 {
        self.rank
    }

    /// How many ranks the team has.
    #[getter]
    fn size(&self) -> u32 {
        self.size
    }

    /// Whether a rank died or left, or a time was over, and the team has not been reset since.
    #[getter]
    fn is_broken(&self, py: Python<'_>) -> Result<bool> {
        Ok(self.team(py)?.is_broken())
    }

    /// Leaves the team: those who wait for this rank are told.
    fn close(&self) {
        drop(self.team.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyTuple>) {
        self.close();
    }

    fn __repr__(&self) -> String {
        format!("<sharray.Team {:?}: rank {} of {}>", self.name, self.rank, self.size)
    }
}

/// What an array is created with: what is given, or what a function makes.
fn made<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if data.is_callable() { data.call0() } else { Ok(data.clone()) }
}
