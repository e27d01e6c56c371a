//! The publishing side of a stream.

use crate::dtype;
use crate::error::{Raised, Result, closed};
use crate::lease::{Lent, warn};
use crate::options::{attributes_of, generation_to_python, letter_of, order_of, place_of, shape_of};
use crate::turns::{Held, Turns};
use crate::view::{self, Placed};
use crate::wait::Patience;
use numpy::{PyArrayDescr, PyUntypedArray};
use pyo3::exceptions::{PyException, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyEllipsis, PyTuple};
use sharray::{AnyFrame, AnyPublisher, Backpressure, Error, OwnedLoan};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The one process that fills a stream with arrays.
///
/// Made by `publish`. Leaving its ``with`` block closes the stream: subscribers see the end. If the block ends by an
/// error, or the process dies, they get `ProducerDied`.
///
/// Examples
/// --------
/// >>> with sharray.publish("camera", (2, 3), "u1", dir=folder) as camera:
/// ...     with camera.loan() as image:
/// ...         image[...] = 7
/// ...     camera.sequence
/// 1
#[pyclass(frozen, weakref, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Publisher {
    name: String,
    generation: [u8; 16],
    order: &'static str,
    shape: Vec<usize>,
    dtype: Py<PyArrayDescr>,
    publisher: Turns<AnyPublisher>,
}

impl Publisher {
    fn new(py: Python<'_>, publisher: AnyPublisher) -> Result<Self> {
        Ok(Self {
            name: publisher.name().to_owned(),
            generation: publisher.generation(),
            order: letter_of(publisher.order()),
            shape: publisher.shape().to_vec(),
            dtype: dtype::to_python(py, publisher.dtype())?.unbind(),
            publisher: Turns::new(publisher),
        })
    }

    /// Does something with the publisher. With no time to wait, it does not wait for another thread either.
    fn with<R>(
        &self,
        timeout: Option<Duration>,
        act: impl FnOnce(&mut AnyPublisher) -> sharray::Result<R>,
    ) -> sharray::Result<R> {
        let timed_out = || Error::TimedOut { name: self.name.clone() };
        let mut guard = if timeout.is_some_and(|timeout| timeout.is_zero()) {
            self.publisher.try_lock().ok_or_else(timed_out)?
        } else {
            self.publisher.lock()
        };
        // A publisher that was closed is told apart by the caller.
        act(guard.here_mut().ok_or_else(timed_out)?)
    }

    fn check_open(&self, py: Python<'_>) -> Result<()> {
        // Otherwise another thread uses it.
        match self.publisher.try_lock().as_deref() {
            Some(Held::Closed) => Err(closed(py, &self.name).into()),
            Some(Held::Lost) => Err(Error::Forked { name: self.name.clone() }.into()),
            Some(Held::Here(_)) | None => Ok(()),
        }
    }

    fn take_loan(&self, py: Python<'_>, patience: Patience) -> Result<OwnedLoan> {
        self.check_open(py)?;
        let loan = |timeout| self.with(timeout, |publisher| publisher.loan_owned(timeout));
        patience.wait_while(py, || self.check_open(py), loan)
    }

    /// Publishes a loan. If it was not published it is still there: views may show its bytes.
    ///
    /// It waits only if others were published since it was taken.
    fn publish_loan(&self, py: Python<'_>, patience: Patience, loan: &Mutex<Option<OwnedLoan>>) -> Result<AnyFrame> {
        self.check_open(py)?;
        patience.wait_while(
            py,
            || self.check_open(py),
            |timeout| {
                let mut loan = loan.lock().unwrap_or_else(PoisonError::into_inner);
                self.with(timeout, |publisher| publisher.publish_from(&mut loan, timeout))
            },
        )
    }
}

#[pymethods]
impl Publisher {
    /// Takes a free slot for the next frame.
    ///
    /// Parameters
    /// ----------
    /// timeout : float, optional
    ///     How many seconds to wait for one. ``None``: without limit; 0: not at all.
    /// shape : int or tuple of int, optional
    ///     The frame's shape, if it is smaller than the stream's.
    /// time : float, optional
    ///     When the frame was acquired, in seconds since 1970.
    /// tags : tuple of int, optional
    ///     Two numbers to attach to it.
    ///
    /// Returns
    /// -------
    /// Loan
    ///     A context manager that lends a writeable ndarray over the slot. Leaving the block publishes it; an exception
    ///     publishes nothing. Its items are at first whatever an earlier frame left there.
    ///
    /// Raises
    /// ------
    /// TimedOut, NoFreeSlot
    ///     If subscribers look at all the slots all the time; `NoFreeSlot` if the call was not to wait.
    #[pyo3(signature = (timeout = None, *, shape = None, time = None, tags = (0, 0)))]
    fn loan(
        slf: &Bound<'_, Self>,
        py: Python<'_>,
        timeout: Option<f64>,
        shape: Option<&Bound<'_, PyAny>>,
        time: Option<f64>,
        tags: (u64, u64),
    ) -> Result<Loan> {
        let patience = Patience::of(timeout)?;
        let mut loan = slf.get().take_loan(py, patience)?;
        if let Some(shape) = shape {
            loan.set_shape(&shape_of(shape)?)?;
        }
        let facts = Facts { time, tags };
        facts.check()?;
        Ok(Loan {
            publisher: slf.clone().unbind(),
            patience,
            facts: Mutex::new(facts),
            state: Mutex::new(State::Loan(loan)),
            lent: Mutex::new(None),
            published: Mutex::new(None),
        })
    }

    /// Publishes a copy of an array.
    ///
    /// Parameters
    /// ----------
    /// array : array_like
    ///     What to publish. Its shape is the frame's, if it has as many dimensions as the stream; else it is broadcast.
    /// timeout : float, optional
    ///     How many seconds to wait for a free slot.
    /// time : float, optional
    ///     When it was acquired, in seconds since 1970.
    /// tags : tuple of int, optional
    ///     Two numbers to attach to it.
    ///
    /// Returns
    /// -------
    /// int
    ///     The frame's sequence.
    #[pyo3(signature = (array, timeout = None, *, time = None, tags = (0, 0)))]
    fn publish(
        slf: &Bound<'_, Self>,
        py: Python<'_>,
        array: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        time: Option<f64>,
        tags: (u64, u64),
    ) -> Result<u64> {
        let array = py.import("numpy")?.getattr("asanyarray")?.call1((array,))?;
        let shape = array.getattr("shape")?;
        let is_alike = shape.len()? == slf.get().shape.len();
        let loan = Bound::new(py, Self::loan(slf, py, timeout, is_alike.then_some(&shape), time, tags)?)?;
        Loan::lend(&loan)?.set_item(PyEllipsis::get(py), array)?;
        loan.get().publish(py)
    }

    /// Closes the stream: subscribers see the end. Views of what was published stay valid.
    fn close(&self, py: Python<'_>) {
        let publisher = py.detach(|| self.publisher.lock().take());
        drop(publisher);
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*exception))]
    fn __exit__(&self, py: Python<'_>, exception: &Bound<'_, PyTuple>) {
        // Ctrl-C and the like are how programs are ended.
        let has_failed = exception.get_item(1).is_ok_and(|value| value.is_instance_of::<PyException>());
        let publisher = py.detach(|| self.publisher.lock().take());
        if let (Some(publisher), true) = (publisher, has_failed) {
            publisher.fail();
        }
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// The items' dtype.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> Bound<'py, PyArrayDescr> {
        self.dtype.bind(py).clone()
    }

    /// The declared shape: the largest that a frame may have.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.shape)
    }

    /// ``'C'`` or ``'F'``.
    #[getter]
    fn order(&self) -> &'static str {
        self.order
    }

    /// The newest frame's sequence; 0 before the first.
    #[getter]
    fn sequence(&self, py: Python<'_>) -> Result<u64> {
        self.check_open(py)?;
        Ok(py.detach(|| self.with(None, |publisher| Ok(publisher.sequence())))?)
    }

    /// Whether the stream was unlinked.
    #[getter]
    fn is_retired(&self, py: Python<'_>) -> Result<bool> {
        self.check_open(py)?;
        Ok(py.detach(|| self.with(None, |publisher| Ok(publisher.is_retired())))?)
    }

    /// Whether this publisher was closed.
    #[getter]
    fn is_closed(&self) -> bool {
        self.publisher.try_lock().is_some_and(|held| matches!(*held, Held::Closed))
    }

    /// Which incarnation of the name this is.
    #[getter]
    fn generation<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        generation_to_python(py, self.generation)
    }

    fn __reduce__(&self) -> PyResult<()> {
        let message = format!("there is one publisher of {:?} at a time: it is not pickled", self.name);
        Err(PyTypeError::new_err(message))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (dtype, shape) = (self.dtype.bind(py).call_method0("__str__")?, self.shape(py)?.repr()?);
        let state = if self.is_closed() { ", closed" } else { "" };
        Ok(format!("<sharray.Publisher {:?}: {dtype} {shape}{state}>", self.name))
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, pyo3::types::PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        class.py().import("types")?.getattr("GenericAlias")?.call1((class, item))
    }
}

/// What a frame tells beside its items.
#[derive(Clone, Copy, Debug)]
struct Facts {
    time: Option<f64>,
    tags: (u64, u64),
}

impl Facts {
    fn check(self) -> PyResult<()> {
        self.acquired().map(drop)
    }

    fn acquired(self) -> PyResult<Option<SystemTime>> {
        let Some(seconds) = self.time else { return Ok(None) };
        let time = Duration::try_from_secs_f64(seconds).ok().and_then(|since| UNIX_EPOCH.checked_add(since));
        time.map(Some).ok_or_else(|| PyValueError::new_err(format!("time is {seconds}, expected seconds since 1970")))
    }

    fn tell(self, loan: &mut OwnedLoan) -> PyResult<()> {
        if let Some(time) = self.acquired()? {
            loan.set_time(time);
        }
        loan.set_tags([self.tags.0, self.tags.1]);
        Ok(())
    }
}

/// A free slot, lent to be filled: what `Publisher.loan` returns.
///
/// Leaving its ``with`` block publishes the frame. The array turns read-only then and shows what was published; as long
/// as somebody has it, the frame stays as it is. If views made from it are still there, nobody could keep those from being
/// written through: what is published then is a copy in another slot, and a `StaleViewWarning` says so.
#[pyclass(frozen, weakref, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Loan {
    publisher: Py<Publisher>,
    patience: Patience,
    facts: Mutex<Facts>,
    state: Mutex<State>,
    lent: Mutex<Option<Lent>>,
    published: Mutex<Option<u64>>,
}

/// What keeps the slot.
#[derive(Debug)]
enum State {
    Loan(OwnedLoan),
    /// Views may still show the slot, or be written through: it is nobody else's while they live.
    Stale(#[allow(dead_code, reason = "it is kept, not used")] OwnedLoan),
    /// It was published, and the array shows it.
    Published(#[allow(dead_code, reason = "it is kept, not used")] Box<AnyFrame>),
    Over,
}

impl Loan {
    /// The array. Asked again, it is the same one, as long as somebody has it.
    fn lend<'py>(slf: &Bound<'py, Self>) -> Result<Bound<'py, PyUntypedArray>> {
        let (py, this) = (slf.py(), slf.get());
        let publisher = this.publisher.get();
        let mut state = this.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Loan(loan) = &mut *state else { return Err(closed(py, &publisher.name).into()) };
        let mut lent = this.lent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(array) = lent.as_ref().and_then(|lent| lent.array(py)) {
            return Ok(array);
        }
        let root = match lent.as_ref().and_then(|lent| lent.root(py)) {
            Some(root) => root,
            None => array_of(py, publisher.dtype.bind(py), loan, slf.clone().into_any())?,
        };
        let (made, array) = Lent::new(&root)?;
        *lent = Some(made);
        Ok(array)
    }

    /// Publishes the frame; returns its sequence.
    fn publish(&self, py: Python<'_>) -> Result<u64> {
        let publisher = self.publisher.get();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Loan(mut loan) = std::mem::replace(&mut *state, State::Over) else {
            return Err(closed(py, &publisher.name).into());
        };
        let facts = *self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner).take();
        let is_stale = lent.as_ref().is_some_and(|lent| lent.take_back(py));
        let is_shown = lent.as_ref().is_some_and(|lent| lent.root(py).is_some());
        let frame = if is_stale {
            let root = lent.as_ref().and_then(|lent| lent.root(py));
            *state = State::Stale(loan);
            drop(state);
            let mut copy = publisher.take_loan(py, self.patience)?;
            if let Some(root) = root {
                copy.set_shape(crate::part::shape_of(&root))?;
                let target = array_of(py, publisher.dtype.bind(py), &mut copy, py.None().into_bound(py))?;
                py.import("numpy")?.getattr("copyto")?.call1((target, root))?;
            }
            facts.tell(&mut copy)?;
            publisher.publish_loan(py, self.patience, &Mutex::new(Some(copy)))?
        } else {
            drop(state);
            let told = facts.tell(&mut loan);
            let loan = Mutex::new(Some(loan));
            let published = told.map_err(Raised::from).and_then(|()| publisher.publish_loan(py, self.patience, &loan));
            let frame = match published {
                Ok(frame) => frame,
                Err(error) => {
                    // The array still shows the slot.
                    let loan = loan.into_inner().unwrap_or_else(PoisonError::into_inner);
                    if let (true, Some(loan)) = (is_shown, loan) {
                        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Stale(loan);
                    }
                    return Err(error);
                }
            };
            if is_shown {
                let sequence = frame.sequence();
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                *state = State::Published(Box::new(frame));
                *self.published.lock().unwrap_or_else(PoisonError::into_inner) = Some(sequence);
                return Ok(sequence);
            }
            frame
        };
        let sequence = frame.sequence();
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = Some(sequence);
        if is_stale {
            let name = &publisher.name;
            warn(
                py,
                &format!(
                    "a view of a frame of {name:?} outlives the loan() block that lent it: what was \
                               published is a copy"
                ),
            )?;
        }
        Ok(sequence)
    }

    /// Publishes nothing.
    fn abort(&self, py: Python<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Loan(loan) = std::mem::replace(&mut *state, State::Over) else { return };
        let lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner).take();
        if lent.as_ref().is_some_and(|lent| {
            lent.take_back(py);
            lent.root(py).is_some()
        }) {
            *state = State::Stale(loan);
        }
    }
}

/// An array over a loaned slot.
fn array_of<'py>(
    py: Python<'py>,
    dtype: &Bound<'py, PyArrayDescr>,
    loan: &mut OwnedLoan,
    owner: Bound<'py, PyAny>,
) -> Result<Bound<'py, PyUntypedArray>> {
    let strides: Vec<isize> = loan.strides().iter().map(|stride| *stride as isize).collect();
    let base = loan.as_mut_ptr();
    let placed = Placed { base, shape: loan.shape(), strides: &strides, is_writeable: true };
    // SAFETY: the loan is this object's alone. It is kept, published or not, as long as the array's owner lives; when it
    // is published the arrays are frozen, or a copy is published in its place.
    #[allow(unsafe_code, reason = "the condition is this type's to keep")]
    Ok(unsafe { view::array(py, dtype, placed, owner) }?)
}

#[pymethods]
impl Loan {
    fn __enter__<'py>(slf: &Bound<'py, Self>) -> Result<Bound<'py, PyUntypedArray>> {
        Self::lend(slf)
    }

    #[pyo3(signature = (*exception))]
    fn __exit__(&self, py: Python<'_>, exception: &Bound<'_, PyTuple>) -> Result<()> {
        if exception.get_item(0).is_ok_and(|class| !class.is_none()) {
            self.abort(py);
            return Ok(());
        }
        // Aborted inside its block, there is nothing to publish.
        if matches!(*self.state.lock().unwrap_or_else(PoisonError::into_inner), State::Loan(_)) {
            self.publish(py)?;
        }
        Ok(())
    }

    /// Gives the slot back; nothing is published.
    #[pyo3(name = "abort")]
    fn abort_it(&self, py: Python<'_>) {
        self.abort(py);
    }

    /// When the frame was acquired, in seconds since 1970; ``None`` for when it is published.
    #[getter]
    fn time(&self) -> Option<f64> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).time
    }

    #[setter]
    fn set_time(&self, time: Option<f64>) -> PyResult<()> {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        Facts { time, ..*facts }.check()?;
        facts.time = time;
        Ok(())
    }

    /// Two numbers to attach to the frame.
    #[getter]
    fn tags(&self) -> (u64, u64) {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).tags
    }

    #[setter]
    fn set_tags(&self, tags: (u64, u64)) {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).tags = tags;
    }

    /// The sequence that the frame was published with; ``None`` before, or if it was not.
    #[getter]
    fn sequence(&self) -> Option<u64> {
        *self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn __repr__(&self) -> String {
        format!("<sharray.Loan of {:?}>", self.publisher.get().name)
    }
}

/// Becomes the publisher of a stream: takes it over if it is there and its producer is gone, or else creates it.
///
/// Parameters
/// ----------
/// name : str
///     The stream.
/// shape : int or tuple of int, optional
///     The largest shape that a frame may have. Without one the stream must be there.
/// dtype : data-type, optional
///     Its dtype. Default: float64.
/// order : {'C', 'F'}, optional
///     How the items stand in memory.
/// history : int, optional
///     How many of the newest frames the stream names, from 2.
/// slots : int, optional
///     How many frames it has room for: its history, and those that subscribers still look at. Default: 4 more than its
///     history.
/// backpressure : {'block', 'evict', 'error'}, optional
///     What to do about a lossless subscriber that is slow: wait for it, tell it that it lost frames, or raise
///     `NoFreeSlot`.
/// attributes : dict, optional
///     Facts to attach to a new one for ever; what JSON can say.
/// participants : int, optional
///     How many handles can be attached at a time.
/// permissions : int, optional
///     The permissions of the file, as for ``chmod``.
/// huge_pages : bool, optional
///     Whether to align the items so that the kernel can use pages of 2 MiB.
/// dir : path-like or Directory, optional
///     The place. Default: ``$SHARRAY_DIR``, or else ``/dev/shm/sharray-<uid>``.
///
/// Returns
/// -------
/// Publisher
///
/// Raises
/// ------
/// ProducerPresent
///     If it has a living producer.
/// Mismatch
///     If what is there is of another kind, dtype, shape or order.
/// NotFound
///     If it is not there and no shape is given.
#[pyfunction]
#[pyo3(signature = (
    name, shape = None, dtype = None, *, order = "C", history = 4, slots = None, backpressure = "block",
    attributes = None, participants = 64, permissions = 0o600, huge_pages = false, dir = None
))]
#[allow(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub(crate) fn publish(
    py: Python<'_>,
    name: &str,
    shape: Option<&Bound<'_, PyAny>>,
    dtype: Option<&Bound<'_, PyAny>>,
    order: &str,
    history: u32,
    slots: Option<u32>,
    backpressure: &str,
    attributes: Option<&Bound<'_, PyDict>>,
    participants: u32,
    permissions: u32,
    huge_pages: bool,
    dir: Option<&Bound<'_, PyAny>>,
) -> Result<Publisher> {
    let backpressure = match backpressure {
        "block" => Backpressure::Block,
        "evict" => Backpressure::Evict,
        "error" => Backpressure::Error,
        _ => {
            let message = format!("backpressure is {backpressure:?}, expected 'block', 'evict' or 'error'");
            return Err(PyValueError::new_err(message).into());
        }
    };
    let mut builder = AnyPublisher::builder()
        .directory(&place_of(dir)?)
        .order(order_of(order)?)
        .history(history)
        .backpressure(backpressure)
        .participants(participants)
        .permissions(permissions)
        .huge_pages(huge_pages);
    if let Some(slots) = slots {
        builder = builder.slots(slots);
    }
    for (key, value) in attributes_of(attributes)? {
        builder = builder.attribute(&key, value);
    }
    let publisher = match shape {
        None => builder.attach(name)?,
        Some(shape) => {
            let dtype = dtype.map_or(Ok(sharray::DType::F64), dtype::from_python)?;
            builder.open(name, &dtype, &shape_of(shape)?)?
        }
    };
    Publisher::new(py, publisher)
}
