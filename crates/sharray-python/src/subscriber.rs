//! The reading side of a stream.

use crate::dtype;
use crate::error::{Result, closed, exception};
use crate::frame::{Frame, Stream};
use crate::options::{attach_within, attributes_to_python, generation_to_python, is_read_only, letter_of, place_of};
use crate::turns::{Held, Turns};
use crate::wait::Patience;
use numpy::PyArrayDescr;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use sharray::{AnySubscriber, Directory, Error, Source};
use std::sync::Arc;
use std::time::Duration;

/// How long to wait before looking again whether another thread is done with a subscriber.
const LOOK: Duration = Duration::from_millis(2);

/// How a subscriber was asked to go through its stream.
#[derive(Clone, Copy, Debug)]
struct Wishes {
    is_lossless: bool,
    from_oldest: bool,
    is_read_only: bool,
}

/// A reader of a stream.
///
/// Made by `subscribe`. Iterating over it gives the frames from now on, one after the other, until the producer closes
/// the stream; ``async for`` does the same. It pickles by name: unpickled, it subscribes anew.
///
/// Examples
/// --------
/// >>> camera = sharray.publish("camera", (2, 3), "u1", dir=folder)
/// >>> viewer = sharray.subscribe("camera", dir=folder)
/// >>> for value in range(3):
/// ...     _ = camera.publish(np.full((2, 3), value, "u1"))
/// >>> camera.close()
/// >>> [int(frame.array.sum()) for frame in viewer]
/// [0, 6, 12]
#[pyclass(frozen, weakref, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Subscriber {
    place: Directory,
    wishes: Wishes,
    generation: [u8; 16],
    order: &'static str,
    shape: Vec<usize>,
    stream: Arc<Stream>,
    subscriber: Turns<AnySubscriber>,
}

impl Subscriber {
    fn new(py: Python<'_>, place: Directory, wishes: Wishes, subscriber: AnySubscriber) -> Result<Self> {
        let dtype = dtype::to_python(py, subscriber.dtype())?.unbind();
        Ok(Self {
            place,
            wishes,
            generation: subscriber.generation(),
            order: letter_of(subscriber.order()),
            shape: subscriber.shape().to_vec(),
            stream: Arc::new(Stream { name: subscriber.name().to_owned(), dtype }),
            subscriber: Turns::new(subscriber),
        })
    }

    fn name(&self) -> &str {
        &self.stream.name
    }

    /// Sees that the subscriber is there; in a forked child, subscribes again.
    fn check_open(&self, py: Python<'_>) -> Result<()> {
        // Another thread uses it.
        let Some(guard) = self.subscriber.try_lock() else { return Ok(()) };
        let (is_closed, is_inherited) = (matches!(*guard, Held::Closed), is_of_parent(&guard));
        // What makes an error may run any Python, which may ask for this subscriber.
        drop(guard);
        if is_closed {
            return Err(closed(py, self.name()).into());
        }
        if is_inherited {
            let again = attach(py, &self.place, self.name(), self.wishes, Some(self.generation), None)?;
            // Otherwise another thread was first.
            if let Some(mut guard) = self.subscriber.try_lock().filter(|guard| is_of_parent(guard)) {
                *guard = Held::Here(again);
            }
        }
        Ok(())
    }

    /// Does something with the subscriber. With no time to wait, it does not wait for another thread either.
    fn with<R>(
        &self,
        timeout: Option<Duration>,
        act: impl FnOnce(&mut AnySubscriber) -> sharray::Result<R>,
    ) -> sharray::Result<R> {
        let timed_out = || Error::TimedOut { name: self.name().to_owned() };
        let mut guard = if timeout.is_some_and(|timeout| timeout.is_zero()) {
            self.subscriber.try_lock().ok_or_else(timed_out)?
        } else {
            self.subscriber.lock()
        };
        // One that was closed meanwhile is found out at the next look.
        act(guard.here_mut().ok_or_else(timed_out)?)
    }

    fn receive(&self, py: Python<'_>, timeout: Option<f64>) -> Result<Option<Frame>> {
        let patience = Patience::of(timeout)?;
        self.check_open(py)?;
        let receive = |timeout| {
            self.with(timeout, |subscriber| match timeout {
                Some(timeout) => subscriber.recv_timeout(timeout),
                None => subscriber.recv(),
            })
        };
        let received = patience.wait_while(py, || self.check_open(py), receive)?;
        Ok(received.map(|frame| Frame::new(Arc::clone(&self.stream), frame)))
    }
}

/// Whether it was inherited over fork.
fn is_of_parent(held: &Held<AnySubscriber>) -> bool {
    match held {
        Held::Here(subscriber) => subscriber.is_inherited(),
        Held::Lost => true,
        Held::Closed => false,
    }
}

/// Subscribes to a stream, or to one incarnation of its name.
fn attach(
    py: Python<'_>,
    place: &Directory,
    name: &str,
    wishes: Wishes,
    generation: Option<[u8; 16]>,
    wait: Option<f64>,
) -> Result<AnySubscriber> {
    let mut builder = AnySubscriber::builder().directory(place);
    if wishes.is_lossless {
        builder = builder.lossless();
    }
    if wishes.from_oldest {
        builder = builder.from_oldest();
    }
    if wishes.is_read_only {
        builder = builder.read_only();
    }
    let attempt = |wait: Option<Duration>| {
        let builder = wait.map_or_else(|| builder.clone(), |wait| builder.clone().wait(wait));
        builder.attach(name)
    };
    let subscriber = attach_within(py, wait, attempt)?;
    if generation.is_none_or(|generation| subscriber.generation() == generation) {
        return Ok(subscriber);
    }
    Err(exception(py, "Replaced", name, &format!("stream {name:?} was unlinked, and another one has its name")).into())
}

#[pymethods]
impl Subscriber {
    /// The newest frame, whatever was received before. Does not wait.
    ///
    /// It leaves `recv` where it is, and counts nothing as missed.
    ///
    /// Returns
    /// -------
    /// Frame or None
    ///     ``None`` if nothing was published yet.
    ///
    /// Raises
    /// ------
    /// TooManyPins
    ///     If this subscriber's frames are held too many at a time: eight.
    ///
    /// Examples
    /// --------
    /// >>> camera = sharray.publish("camera", 3, dir=folder)
    /// >>> viewer = sharray.subscribe("camera", dir=folder)
    /// >>> for value in range(5):
    /// ...     _ = camera.publish(value)
    /// >>> frame = viewer.latest()
    /// >>> frame.array, frame.sequence, frame.missed
    /// (array([4., 4., 4.]), 5, 0)
    fn latest(&self, py: Python<'_>) -> Result<Option<Frame>> {
        self.check_open(py)?;
        let newest = self.with(Some(Duration::ZERO), |subscriber| subscriber.latest());
        let newest = match newest {
            // Another thread waits with it.
            Err(Error::TimedOut { .. }) => py.detach(|| self.with(None, |subscriber| subscriber.latest())),
            done => done,
        };
        Ok(newest?.map(|frame| Frame::new(Arc::clone(&self.stream), frame)))
    }

    /// The next frame; waits for it.
    ///
    /// Parameters
    /// ----------
    /// timeout : float, optional
    ///     How many seconds to wait. ``None``: without limit; 0: not at all.
    ///
    /// Returns
    /// -------
    /// Frame or None
    ///     ``None`` if the producer closed the stream.
    ///
    /// Raises
    /// ------
    /// TimedOut
    ///     If none came in time.
    /// ProducerDied
    ///     If the producer ended without closing the stream. Said once; waiting again waits for a successor.
    /// Lagged
    ///     If a lossless subscriber was evicted and lost frames.
    /// Retired
    ///     If the stream was unlinked.
    ///
    /// Examples
    /// --------
    /// >>> camera = sharray.publish("camera", 3, dir=folder)
    /// >>> viewer = sharray.subscribe("camera", dir=folder)
    /// >>> _ = camera.publish(7)
    /// >>> viewer.recv(timeout=1).array
    /// array([7., 7., 7.])
    /// >>> viewer.recv(timeout=0)
    /// Traceback (most recent call last):
    ///     ...
    /// sharray.TimedOut: ...
    #[pyo3(signature = (timeout = None))]
    fn recv(&self, py: Python<'_>, timeout: Option<f64>) -> Result<Option<Frame>> {
        self.receive(py, timeout)
    }

    /// The frames from now on, one after the other, until the producer closes the stream.
    ///
    /// Parameters
    /// ----------
    /// timeout : float, optional
    ///     How many seconds to wait for each. After `TimedOut` the iterator may be asked again.
    ///
    /// Returns
    /// -------
    /// iterator of Frame
    ///
    /// Raises
    /// ------
    /// TimedOut, ProducerDied, Lagged, Retired
    ///     As `recv`, each time that the iterator is asked.
    ///
    /// Examples
    /// --------
    /// >>> camera = sharray.publish("camera", 3, dir=folder)
    /// >>> viewer = sharray.subscribe("camera", dir=folder)
    /// >>> _ = camera.publish(7)
    /// >>> camera.close()
    /// >>> for frame in viewer.frames(timeout=1):
    /// ...     print(frame)
    /// <sharray.Frame 1 of "camera">
    #[pyo3(signature = (timeout = None))]
    fn frames<'py>(slf: &Bound<'py, Self>, py: Python<'py>, timeout: Option<f64>) -> Result<Bound<'py, PyAny>> {
        Patience::of(timeout)?;
        let options = PyDict::new(py);
        options.set_item("timeout", timeout)?;
        let recv = py.import("functools")?.getattr("partial")?.call((slf.getattr("recv")?,), Some(&options))?;
        Ok(py.import("builtins")?.getattr("iter")?.call1((recv, py.None()))?)
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> Result<Option<Frame>> {
        self.receive(py, None)
    }

    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__<'py>(slf: &Bound<'py, Self>, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("sharray._aio")?.getattr("next_frame")?.call1((slf,))
    }

    /// Detaches. Frames that were received stay valid.
    fn close(&self, py: Python<'_>) {
        let subscriber = py.detach(|| self.subscriber.lock().take());
        drop(subscriber);
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
    #[pyo3(name = "name")]
    fn its_name(&self) -> &str {
        self.name()
    }

    /// The items' dtype.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> Bound<'py, PyArrayDescr> {
        self.stream.dtype.bind(py).clone()
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
        Ok(py.detach(|| self.with(None, |subscriber| Ok(subscriber.sequence())))?)
    }

    /// The facts that the stream was created with.
    #[getter]
    fn attributes<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        self.check_open(py)?;
        let attributes = py.detach(|| self.with(None, |subscriber| Ok(subscriber.attributes().clone())))?;
        Ok(attributes_to_python(py, &attributes)?)
    }

    /// Whether frames are copied instead of pinned, because the file may only be read.
    #[getter]
    fn is_read_only(&self, py: Python<'_>) -> Result<bool> {
        self.check_open(py)?;
        Ok(py.detach(|| self.with(None, |subscriber| Ok(subscriber.is_read_only())))?)
    }

    /// Whether the stream was unlinked.
    #[getter]
    fn is_retired(&self, py: Python<'_>) -> Result<bool> {
        self.check_open(py)?;
        Ok(py.detach(|| self.with(None, |subscriber| Ok(subscriber.is_retired())))?)
    }

    /// Whether this subscriber was closed.
    #[getter]
    fn is_closed(&self) -> bool {
        self.subscriber.try_lock().is_some_and(|guard| matches!(*guard, Held::Closed))
    }

    /// Which incarnation of the name this is.
    #[getter]
    fn generation<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        generation_to_python(py, self.generation)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let restore = py.import("sharray._sharray")?.getattr("_subscribe_again")?;
        let Wishes { is_lossless, from_oldest, is_read_only } = self.wishes;
        let generation = PyBytes::new(py, &self.generation);
        let (path, trusts) = (self.place.path().as_os_str(), self.place.trusts_others());
        let told = (path, trusts, self.name(), (is_lossless, from_oldest, is_read_only), generation);
        (restore, told).into_pyobject(py)
    }

    fn _repr_html_<'py>(slf: Bound<'py, Self>, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("sharray._html")?.getattr("of_subscriber")?.call1((slf,))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (dtype, shape) = (self.stream.dtype.bind(py).call_method0("__str__")?, self.shape(py)?.repr()?);
        let state = if self.is_closed() { ", closed" } else { "" };
        Ok(format!("<sharray.Subscriber of {:?}: {dtype} {shape}{state}>", self.name()))
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, pyo3::types::PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        class.py().import("types")?.getattr("GenericAlias")?.call1((class, item))
    }
}

/// Subscribes to a stream.
///
/// Parameters
/// ----------
/// name : str
///     The stream.
/// wait : float, optional
///     How many seconds to wait until it exists.
/// lossless : bool, optional
///     Whether to lose nothing: the publisher waits for this subscriber, or does what its `backpressure` says.
/// from_oldest : bool, optional
///     Whether to start with the oldest frame that is still there, not with the next one.
/// mode : {'r+', 'r'}, optional
///     ``'r'``: take no part, write nothing into the file, and copy frames instead of pinning them.
/// dir : path-like or Directory, optional
///     The place. Default: ``$SHARRAY_DIR``, or else ``/dev/shm/sharray-<uid>``.
///
/// Returns
/// -------
/// Subscriber
///
/// Raises
/// ------
/// NotFound
///     If there is no such stream.
/// Mismatch
///     If the name is that of an array or a cell.
/// TimedOut
///     If it did not appear in time.
///
/// Examples
/// --------
/// >>> camera = sharray.publish("camera", (480, 640), "u1", dir=folder)
/// >>> recorder = sharray.subscribe("camera", wait=10, lossless=True, dir=folder)
/// >>> recorder
/// <sharray.Subscriber of "camera": uint8 (480, 640)>
#[pyfunction]
#[pyo3(signature = (name, *, wait = None, lossless = false, from_oldest = false, mode = "r+", dir = None))]
pub(crate) fn subscribe(
    py: Python<'_>,
    name: &str,
    wait: Option<f64>,
    lossless: bool,
    from_oldest: bool,
    mode: &str,
    dir: Option<&Bound<'_, PyAny>>,
) -> Result<Subscriber> {
    let place = place_of(dir)?;
    let wishes = Wishes { is_lossless: lossless, from_oldest, is_read_only: is_read_only(mode)? };
    let subscriber = attach(py, &place, name, wishes, None, wait)?;
    Subscriber::new(py, place, wishes, subscriber)
}

/// Unpickles a subscriber.
#[pyfunction]
#[pyo3(name = "_subscribe_again")]
pub(crate) fn subscribe_again(
    py: Python<'_>,
    path: std::path::PathBuf,
    trusts_others: bool,
    name: &str,
    wishes: (bool, bool, bool),
    generation: [u8; 16],
) -> Result<Subscriber> {
    let place = if trusts_others { Directory::open_trusting_others(path)? } else { Directory::open(path)? };
    let (is_lossless, from_oldest, is_read_only) = wishes;
    let wishes = Wishes { is_lossless, from_oldest, is_read_only };
    let subscriber = attach(py, &place, name, wishes, Some(generation), None)?;
    Subscriber::new(py, place, wishes, subscriber)
}

/// Waits until at least one of several subscribers has news: a frame, the end of its stream, a producer's death.
///
/// Parameters
/// ----------
/// subscribers : sequence of Subscriber
///     Up to 128 of them.
/// timeout : float, optional
///     How many seconds to wait. ``None``: without limit; 0: not at all.
///
/// Returns
/// -------
/// list of Subscriber
///     Those whose `recv` would return at once.
///
/// Raises
/// ------
/// TimedOut
///     If nothing came in time.
///
/// Examples
/// --------
/// >>> left, right = (sharray.publish(name, 3, dir=folder) for name in ("left", "right"))
/// >>> eyes = [sharray.subscribe(name, dir=folder) for name in ("left", "right")]
/// >>> _ = right.publish(7)
/// >>> [eye.name for eye in sharray.wait_any(eyes, timeout=1)]
/// ['right']
#[pyfunction]
#[pyo3(signature = (subscribers, timeout = None))]
pub(crate) fn wait_any<'py>(
    py: Python<'py>,
    subscribers: Vec<Bound<'py, Subscriber>>,
    timeout: Option<f64>,
) -> Result<Vec<Bound<'py, Subscriber>>> {
    let check = || subscribers.iter().try_for_each(|subscriber| subscriber.get().check_open(py));
    check()?;
    let all: Vec<&Subscriber> = subscribers.iter().map(Bound::get).collect();
    let ready = Patience::of(timeout)?.wait_while(py, check, |timeout| {
        // Each is locked only while it is waited for, and once, though it may be given twice.
        let mut guards: Vec<(&Subscriber, _)> = Vec::with_capacity(all.len());
        for subscriber in &all {
            if guards.iter().any(|(locked, _)| std::ptr::eq(*locked, *subscriber)) {
                continue;
            }
            let Some(guard) = subscriber.subscriber.try_lock() else {
                // Another thread waits with it: look again, but not without pause.
                std::thread::sleep(timeout.unwrap_or(LOOK).min(LOOK));
                return Err(Error::TimedOut { name: subscriber.name().to_owned() });
            };
            guards.push((subscriber, guard));
        }
        let open: Vec<_> = guards.iter().filter_map(|(it, guard)| Some((*it, guard.here()?))).collect();
        if let Some((closed, _)) = guards.iter().find(|(_, guard)| guard.here().is_none()) {
            // By another thread, since it was asked: the next look says so.
            return Err(Error::TimedOut { name: closed.name().to_owned() });
        }
        let sources: Vec<&dyn Source> = open.iter().map(|(_, source)| *source as &dyn Source).collect();
        let ready = sharray::wait_any(&sources, timeout)?;
        let is_ready = |it: &Subscriber| ready.iter().any(|at| std::ptr::eq(open[*at].0, it));
        Ok((0..all.len()).filter(|at| is_ready(all[*at])).collect::<Vec<_>>())
    });
    let ready = ready.or_else(|error| check().and(Err(error)))?;
    Ok(ready.into_iter().filter_map(|at| subscribers.get(at).cloned()).collect())
}
