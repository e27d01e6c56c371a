//! The publishing side of a stream.

use crate::dtype;
use crate::error::{Raised, Result, closed, over};
use crate::gil::GilCell;
use crate::lease::{Again, Lent, Spare, warn};
use crate::options::{attributes_of, generation_to_python, letter_of, order_of, place_of, shape_of};
use crate::turns::{Held, Turns};
use crate::view::{self, Placed, Strides};
use crate::wait::Patience;
use numpy::{PyArrayDescr, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyException, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyEllipsis, PyTuple};
use sharray::{AnyFrame, AnyPublisher, Backpressure, Error, OwnedLoan};
use std::sync::Arc;
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
    name: Arc<str>,
    generation: [u8; 16],
    order: &'static str,
    shape: Vec<usize>,
    dtype: Py<PyArrayDescr>,
    publisher: Turns<AnyPublisher>,
    /// Without a publisher, so that they do not keep this one.
    spares: GilCell<Spare<Loan>>,
}

impl Publisher {
    fn new(py: Python<'_>, publisher: AnyPublisher) -> Result<Self> {
        Ok(Self {
            name: publisher.name().into(),
            generation: publisher.generation(),
            order: letter_of(publisher.order()),
            shape: publisher.shape().to_vec(),
            dtype: dtype::to_python(py, publisher.dtype())?.unbind(),
            publisher: Turns::new(publisher),
            spares: GilCell::new(Spare::default()),
        })
    }

    /// Does something with the publisher. With no time to wait, it does not wait for another thread either.
    fn with<R>(
        &self,
        timeout: Option<Duration>,
        act: impl FnOnce(&mut AnyPublisher) -> sharray::Result<R>,
    ) -> sharray::Result<R> {
        let timed_out = || Error::TimedOut { name: self.name.to_string() };
        let mut guard = if timeout.is_some_and(|timeout| timeout.is_zero()) {
            self.publisher.try_lock().ok_or_else(timed_out)?
        } else {
            self.publisher.lock()
        };
        // A publisher that was closed is told apart by the caller.
        act(guard.here_mut().ok_or_else(timed_out)?)
    }

    fn check_open(&self, py: Python<'_>) -> Result<()> {
        let held = self.publisher.try_lock();
        // Otherwise another thread uses it.
        let (is_closed, is_lost) =
            held.map_or((false, false), |held| (matches!(*held, Held::Closed), matches!(*held, Held::Lost)));
        if is_closed {
            return Err(closed(py, &self.name).into());
        }
        if is_lost { Err(Error::Forked { name: self.name.to_string() }.into()) } else { Ok(()) }
    }

    /// Keeps a loan that is over, to be used again: one of the declared shape.
    fn keep(&self, loan: &Bound<'_, Loan>) {
        if loan.get().lent.root(loan.py()).shape() == self.shape {
            Spare::keep(&self.spares, loan);
        }
    }

    /// Unpins what was published by loans that are over, if nobody has their arrays any more.
    fn let_go(&self, py: Python<'_>) {
        let spares = self.spares.take(py);
        spares.iter().for_each(|loan| loan.get().let_go(py));
        self.spares.set(py, spares);
    }

    /// Gives the publisher up, and what was kept to be used again. On a disk that waits for the disk.
    fn leave(&self, py: Python<'_>, has_failed: bool) {
        drop(self.spares.take(py));
        py.detach(|| {
            if let (Some(publisher), true) = (self.publisher.lock().take(), has_failed) {
                publisher.fail();
            }
        });
    }

    fn take_loan(&self, py: Python<'_>, patience: Patience) -> Result<OwnedLoan> {
        let loan = |timeout| self.with(timeout, |publisher| publisher.loan_owned(timeout));
        let loaned = patience.wait_while(py, || self.check_open(py), loan);
        loaned.or_else(|error| self.check_open(py).and(Err(error)))
    }

    /// Takes a free slot for a frame of this shape, or of the declared one, and lends it.
    fn lend<'py>(
        slf: &Bound<'py, Self>,
        timeout: Option<f64>,
        shape: Option<&[usize]>,
        facts: Facts,
    ) -> Result<Bound<'py, Loan>> {
        let (py, this, patience) = (slf.py(), slf.get(), Patience::of(timeout)?);
        facts.check()?;
        this.let_go(py);
        let mut loan = this.take_loan(py, patience)?;
        let terms = Terms { patience, facts, sequence: None };
        if let Some(shape) = shape {
            loan.set_shape(shape)?;
        }
        if loan.shape() != this.shape {
            return Loan::new(py, slf, loan, terms);
        }
        if let Some(spare) = Spare::take(&this.spares, py) {
            spare.get().again(slf, loan, terms);
            return Ok(spare.into_bound(py));
        }
        Loan::new(py, slf, loan, terms)
    }

    /// Publishes a loan. If it was not published it is still there: views may show its bytes.
    ///
    /// It waits only if others were published since it was taken.
    fn publish_loan(&self, py: Python<'_>, patience: Patience, loan: &mut Option<OwnedLoan>) -> Result<AnyFrame> {
        let publish = |timeout| self.with(timeout, |publisher| publisher.publish_from(loan, timeout));
        let published = patience.wait_while(py, || self.check_open(py), publish);
        published.or_else(|error| self.check_open(py).and(Err(error)))
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
    ///
    /// Examples
    /// --------
    /// >>> camera = sharray.publish("camera", (2, 3), "u1", dir=folder)
    /// >>> loan = camera.loan(timeout=1, shape=(1, 3), tags=(640, 480))
    /// >>> with loan as image:
    /// ...     image[...] = 7
    /// >>> loan.sequence
    /// 1
    #[pyo3(
        signature = (timeout = None, *, shape = None, time = None, tags = (0, 0)),
        text_signature = "($self, timeout=None, *, shape=None, time=None, tags=(0, 0))"
    )]
    fn loan<'py>(
        slf: &Bound<'py, Self>,
        timeout: Option<f64>,
        shape: Option<&Bound<'py, PyAny>>,
        time: Option<f64>,
        tags: (u64, u64),
    ) -> Result<Bound<'py, Loan>> {
        let shape = shape.map(shape_of).transpose()?;
        Self::lend(slf, timeout, shape.as_deref(), Facts { time, tags })
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
    ///
    /// Raises
    /// ------
    /// TimedOut, NoFreeSlot
    ///     As `loan`.
    ///
    /// Examples
    /// --------
    /// >>> camera = sharray.publish("camera", (2, 3), "u1", dir=folder)
    /// >>> camera.publish(np.ones((2, 3)))
    /// 1
    #[pyo3(
        signature = (array, timeout = None, *, time = None, tags = (0, 0)),
        text_signature = "($self, array, timeout=None, *, time=None, tags=(0, 0))"
    )]
    fn publish<'py>(
        slf: &Bound<'py, Self>,
        py: Python<'py>,
        array: &Bound<'py, PyAny>,
        timeout: Option<f64>,
        time: Option<f64>,
        tags: (u64, u64),
    ) -> Result<u64> {
        let array = view::as_array(array)?;
        let is_alike = array.ndim() == slf.get().shape.len();
        let loan = Self::lend(slf, timeout, is_alike.then(|| array.shape()), Facts { time, tags })?;
        let filled = loan.get().lend(py).and_then(|items| Ok(items.set_item(PyEllipsis::get(py), array)?));
        if let Err(error) = filled {
            Loan::abort(&loan);
            return Err(error);
        }
        Loan::publish(&loan)
    }

    /// Makes the newest frame durable, and returns its sequence; 0 if there is none yet.
    ///
    /// Once this has returned, the stream that is found after a loss of power has this frame or a newer one that was
    /// committed, whole. What was published since is lost with the machine; the death of a process loses nothing. It
    /// waits for the disk. The last one who closes a stream on a disk commits its newest frame, too.
    ///
    /// Raises
    /// ------
    /// IoError
    ///     The disk fails; from then on it is `DurabilityLost`, since the system would call a second attempt a success.
    /// InvalidArgument
    ///     The stream has not 2 slots more than its history.
    ///
    /// Examples
    /// --------
    /// >>> camera = sharray.publish("camera", (2, 3), "u1", dir=folder)
    /// >>> camera.publish(np.ones((2, 3)))
    /// 1
    /// >>> camera.commit()
    /// 1
    fn commit(&self, py: Python<'_>) -> Result<u64> {
        self.check_open(py)?;
        Ok(py.detach(|| self.with(None, AnyPublisher::commit))?)
    }

    /// Closes the stream: subscribers see the end. Views of what was published stay valid.
    fn close(&self, py: Python<'_>) {
        self.leave(py, false);
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*exception))]
    fn __exit__(&self, py: Python<'_>, exception: &Bound<'_, PyTuple>) {
        // Ctrl-C and the like are how programs are ended.
        let has_failed = exception.get_item(1).is_ok_and(|value| value.is_instance_of::<PyException>());
        self.leave(py, has_failed);
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
///
/// Examples
/// --------
/// >>> camera = sharray.publish("camera", 3, dir=folder)
/// >>> with camera.loan() as image:
/// ...     image[:] = 1, 2, 3
/// >>> image.flags.writeable
/// False
/// >>> image
/// array([1., 2., 3.])
#[pyclass(frozen, weakref, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Loan {
    name: Arc<str>,
    tether: Py<SlotTether>,
    lent: Lent,
    /// Until it is published or given back.
    publisher: GilCell<Option<Py<Publisher>>>,
    terms: GilCell<Terms>,
}

/// What a loan is told, and tells.
#[derive(Clone, Copy, Debug)]
struct Terms {
    patience: Patience,
    facts: Facts,
    sequence: Option<u64>,
}

/// Has the slot: the base of a loan's arrays.
#[pyclass(frozen, module = "sharray")]
#[derive(Debug)]
pub(crate) struct SlotTether(GilCell<Slot>);

#[derive(Debug, Default)]
enum Slot {
    /// To be filled, or, once the loan is over, never to be published: views of it may still be written through.
    Loan(OwnedLoan),
    /// It was published, and the array shows it.
    Published(#[allow(dead_code, reason = "it is kept, not used")] Box<AnyFrame>),
    #[default]
    Over,
}

impl SlotTether {
    /// The loan, if it is there: nothing else is left then.
    fn take_loan(&self, py: Python<'_>) -> Option<OwnedLoan> {
        match self.0.take(py) {
            Slot::Loan(loan) => Some(loan),
            other => {
                self.0.set(py, other);
                None
            }
        }
    }
}

/// What is over when a loan is.
const LOAN: &str = "the loan of a frame of";

impl Loan {
    fn new<'py>(
        py: Python<'py>,
        publisher: &Bound<'py, Publisher>,
        mut loan: OwnedLoan,
        terms: Terms,
    ) -> Result<Bound<'py, Self>> {
        let (base, shape) = (loan.as_mut_ptr(), loan.shape().to_vec());
        let strides = Strides::Packed(loan.order());
        let tether = Bound::new(py, SlotTether(GilCell::new(Slot::Loan(loan))))?;
        let placed = Placed { base, shape: &shape, strides, is_writeable: true };
        let dtype = publisher.get().dtype.bind(py);
        // SAFETY: the loan is this object's alone. The tether keeps it, published or not, as long as there is an array of
        // it; when it is published the arrays are frozen, or a copy is published in its place.
        #[allow(unsafe_code, reason = "the condition is this type's to keep")]
        let root = unsafe { view::array(py, dtype, placed, tether.clone().into_any()) }?;
        let name = Arc::clone(&publisher.get().name);
        let (publisher, terms) = (GilCell::new(Some(publisher.clone().unbind())), GilCell::new(terms));
        Ok(Bound::new(py, Self { name, tether: tether.unbind(), lent: Lent::new(root)?, publisher, terms })?)
    }

    /// Unpins what was published, if nobody has its array any more.
    fn let_go(&self, py: Python<'_>) {
        let slot = &self.tether.get().0;
        match slot.take(py) {
            Slot::Published(frame) if !self.lent.is_seen() => drop(frame),
            other => slot.set(py, other),
        }
    }

    /// Lends the same array again over another slot of the same shape. Nobody has it any more.
    fn again(&self, publisher: &Bound<'_, Publisher>, mut loan: OwnedLoan, terms: Terms) {
        let py = publisher.py();
        // SAFETY: as in `new`; loans of the declared shape alone are kept to be used again.
        #[allow(unsafe_code, reason = "the condition is this type's to keep")]
        unsafe {
            self.lent.place(py, loan.as_mut_ptr());
        }
        self.tether.get().0.set(py, Slot::Loan(loan));
        self.publisher.set(py, Some(publisher.clone().unbind()));
        self.terms.set(py, terms);
    }

    /// The array.
    fn lend<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyUntypedArray>> {
        if !self.publisher.is_some(py) {
            return Err(over(py, LOAN, &self.name).into());
        }
        Ok(self.lent.array(py))
    }

    /// Ends the loan: to whom it was to be published.
    fn end(&self, py: Python<'_>) -> Option<Py<Publisher>> {
        let publisher = self.publisher.take(py)?;
        self.lent.freeze(py);
        Some(publisher)
    }

    /// Changes what it tells.
    fn change(&self, py: Python<'_>, change: impl FnOnce(&mut Terms)) {
        let mut terms = self.terms.get(py);
        change(&mut terms);
        self.terms.set(py, terms);
    }

    /// Publishes the frame; returns its sequence.
    fn publish(slf: &Bound<'_, Self>) -> Result<u64> {
        let (py, this) = (slf.py(), slf.get());
        let publisher = this.end(py).ok_or_else(|| over(py, LOAN, &this.name))?;
        let (publisher, Terms { patience, facts, .. }) = (publisher.get(), this.terms.get(py));
        let is_stale = this.lent.has_views();
        let frame = if is_stale {
            // The slot stays with the tether, and so with the views.
            let mut copy = publisher.take_loan(py, patience)?;
            this.copy_into(py, publisher, &mut copy)?;
            facts.tell(&mut copy)?;
            publisher.publish_loan(py, patience, &mut Some(copy))?
        } else {
            let tether = this.tether.get();
            let mut loan = tether.take_loan(py).ok_or_else(|| over(py, LOAN, &this.name))?;
            let told = facts.tell(&mut loan).map_err(Raised::from);
            let mut loan = Some(loan);
            let published = told.and_then(|()| publisher.publish_loan(py, patience, &mut loan));
            if let (Some(loan), true) = (loan, this.lent.is_seen()) {
                // It was not published, and the array still shows the slot.
                tether.0.set(py, Slot::Loan(loan));
            }
            published?
        };
        let sequence = frame.sequence();
        this.change(py, |terms| terms.sequence = Some(sequence));
        if is_stale {
            let message = format!(
                "a view of a frame of {:?} outlives the loan() block that lent it: what was published is a copy",
                this.name
            );
            warn(py, &message)?;
        } else {
            if this.lent.is_seen() {
                this.tether.get().0.set(py, Slot::Published(Box::new(frame)));
            }
            publisher.keep(slf);
        }
        Ok(sequence)
    }

    fn copy_into(&self, py: Python<'_>, publisher: &Publisher, copy: &mut OwnedLoan) -> Result<()> {
        // The slot says what it holds: whoever has views may have given the array another shape.
        let tether = self.tether.get();
        let mut held = tether.take_loan(py).ok_or_else(|| over(py, LOAN, &self.name))?;
        let (items, shape) = (held.as_mut_ptr(), held.shape().to_vec());
        tether.0.set(py, Slot::Loan(held));
        copy.set_shape(&shape)?;
        let (base, dtype) = (copy.as_mut_ptr(), publisher.dtype.bind(py));
        let strides = Strides::Packed(copy.order());
        let items = Placed { base: items, shape: &shape, strides, is_writeable: false };
        let place = Placed { base, is_writeable: true, ..items };
        // SAFETY: the tether has the slot, whose frame has this shape; it is not writeable.
        #[allow(unsafe_code, reason = "the condition is this type's to keep")]
        let items = unsafe { view::array(py, dtype, items, self.tether.bind(py).clone().into_any()) }?;
        // SAFETY: the loan is ours and outlives the array, which nobody else sees: an assignment keeps no reference to it.
        #[allow(unsafe_code, reason = "the condition is kept here")]
        let target = unsafe { view::array(py, dtype, place, py.None().into_bound(py)) }?;
        Ok(target.set_item(PyEllipsis::get(py), items)?)
    }

    /// Publishes nothing.
    fn abort(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        let publisher = this.end(py);
        if let (Some(publisher), false) = (publisher, this.lent.is_seen()) {
            drop(this.tether.get().take_loan(py));
            publisher.get().keep(slf);
        }
    }
}

impl Again for Loan {
    fn is_free(py: Python<'_>, slf: &Py<Self>) -> bool {
        let Self { tether, lent, .. } = slf.get();
        if view::references(slf.as_any()) != 1 || lent.is_seen() || view::references(tether.as_any()) != 2 {
            return false;
        }
        let slot = tether.get().0.take(py);
        let is_over = matches!(slot, Slot::Over);
        tether.get().0.set(py, slot);
        is_over && lent.is_as_lent(py)
    }
}

#[pymethods]
impl Loan {
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
        if class.is_some() {
            Self::abort(slf);
            return Ok(());
        }
        // Aborted inside its block, there is nothing to publish.
        if slf.get().publisher.is_some(slf.py()) {
            Self::publish(slf)?;
        }
        Ok(())
    }

    /// Gives the slot back; nothing is published.
    #[pyo3(name = "abort")]
    fn abort_it(slf: &Bound<'_, Self>) {
        Self::abort(slf);
    }

    /// When the frame was acquired, in seconds since 1970; ``None`` for when it is published.
    #[getter]
    fn time(&self, py: Python<'_>) -> Option<f64> {
        self.terms.get(py).facts.time
    }

    #[setter]
    fn set_time(&self, py: Python<'_>, time: Option<f64>) -> PyResult<()> {
        Facts { time, ..self.terms.get(py).facts }.check()?;
        self.change(py, |terms| terms.facts.time = time);
        Ok(())
    }

    /// Two numbers to attach to the frame.
    #[getter]
    fn tags(&self, py: Python<'_>) -> (u64, u64) {
        self.terms.get(py).facts.tags
    }

    #[setter]
    fn set_tags(&self, py: Python<'_>, tags: (u64, u64)) {
        self.change(py, |terms| terms.facts.tags = tags);
    }

    /// The sequence that the frame was published with; ``None`` before, or if it was not.
    #[getter]
    fn sequence(&self, py: Python<'_>) -> Option<u64> {
        self.terms.get(py).sequence
    }

    fn __repr__(&self) -> String {
        format!("<sharray.Loan of {:?}>", self.name)
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, pyo3::types::PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        class.py().import("types")?.getattr("GenericAlias")?.call1((class, item))
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
///
/// Examples
/// --------
/// >>> with sharray.publish("camera", (480, 640), "u1", dir=folder, history=8) as camera:
/// ...     with camera.loan() as image:
/// ...         image[...] = 7
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
