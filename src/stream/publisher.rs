//! The publishing side of a stream.

use super::any_publisher::{AnyLoan, AnyPublisher, Fill};
use crate::directory::{Access, Creation};
use crate::dtype::DType;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::expect::{check_alignment, check_form, check_item};
use crate::kind::Kind;
use crate::layout::MAX_SLOTS;
use crate::options::{Options, attach_or_create};
use crate::segment::{Form, Spec};
use ndarray::{ArrayRef, ArrayView, ArrayViewMut, Dimension, IntoDimension, IxDyn};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// Slots beyond the history: frames that subscribers may look at after they left the ring.
const SPARE_SLOTS: u32 = 4;

/// What happens when a lossless subscriber has not read the frame that the next one would push out.
///
/// # Examples
/// ```
/// use ndarray::Ix1;
/// use sharray::{Backpressure, Error, Publisher, Subscriber};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let mut log = Publisher::<u8, Ix1>::builder()
///     .directory(&place)
///     .history(2)
///     .backpressure(Backpressure::Error)
///     .create("log", [4])?;
/// let slow = Subscriber::<u8, Ix1>::builder().directory(&place).lossless().attach("log")?;
/// log.loan()?.publish();
/// log.loan()?.publish();
/// // It has not read the first frame, which the third one would push out:
/// assert!(matches!(log.loan(), Err(Error::NoFreeSlot { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backpressure {
    /// `loan` waits for the subscriber.
    #[default]
    Block,
    /// The subscriber is told that it lost frames ([`Error::Lagged`]), and the publisher goes on.
    Evict,
    /// `loan` answers [`Error::NoFreeSlot`] at once.
    Error,
}

/// The one process that fills a stream with arrays of `T`.
///
/// A stream holds the newest frames in slots of shared memory. The publisher takes a free slot, fills it in place and
/// publishes it: no copy, and no waiting for subscribers as long as slots are free. Any number of subscribers see it.
///
/// There is one publisher at a time. Dropping it closes the stream: subscribers see the end. If its process dies, they
/// get [`Error::ProducerDied`], and either way another may [`attach`](Self::attach) and go on with the next sequence.
/// A publisher that is dropped by a panic counts as dead.
///
/// It dereferences to [`AnyPublisher`], which knows its name, dtype and shape.
///
/// # Examples
/// ```
/// use ndarray::{Array2, Ix2};
/// use sharray::{Publisher, Subscriber};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
///
/// let mut camera = Publisher::<f32, Ix2>::builder().directory(&place).create("camera", [480, 640])?;
/// let mut viewer = Subscriber::<f32, Ix2>::builder().directory(&place).attach("camera")?;
///
/// let mut frame = camera.loan()?;
/// frame.view_mut().assign(&Array2::from_elem([480, 640], 0.5));
/// assert_eq!(frame.publish(), 1);
///
/// let newest = viewer.latest()?.expect("one frame was published");
/// assert_eq!(newest.view().sum(), 0.5 * 480.0 * 640.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Publisher<T, D = IxDyn> {
    any: AnyPublisher,
    item: PhantomData<fn() -> (T, D)>,
}

impl<T: Element, D: Dimension> Publisher<T, D> {
    /// Options for a new stream, or for taking one over.
    pub fn builder() -> PublisherBuilder<Self> {
        PublisherBuilder::new()
    }

    /// Creates a stream in the default place. Its memory is reserved before its name appears.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if the name is taken; [`Error::InvalidName`], [`Error::NoSpace`],
    /// [`Error::ShapeOverflow`], [`Error::UnsupportedDtype`], [`Error::Untrusted`], [`Error::Io`].
    pub fn create(name: &str, shape: impl IntoDimension<Dim = D>) -> Result<Self> {
        Self::builder().create(name, shape)
    }

    /// Creates a stream in the default place whose first frame, sequence 1, is there when its name appears.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub fn create_from(name: &str, first: &ArrayRef<T, D>) -> Result<Self> {
        Self::builder().create_from(name, first)
    }

    /// Takes over a stream of the default place whose producer has closed it or died, and goes on with its sequence.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::ProducerPresent`] if it has a living producer; [`Error::Mismatch`] if it is not a
    /// stream of `T` with the dimensions of `D`; the errors of files that are not whole; [`Error::Io`].
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// use sharray::{Error, Publisher};
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let camera = Publisher::<u8, Ix1>::builder().directory(&place).create("camera", [4])?;
    /// let successor = Publisher::<u8, Ix1>::builder().directory(&place).attach("camera");
    /// assert!(matches!(successor, Err(Error::ProducerPresent { .. })));
    ///
    /// drop(camera);
    /// let mut successor = Publisher::<u8, Ix1>::builder().directory(&place).attach("camera")?;
    /// assert_eq!(successor.loan()?.publish(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn attach(name: &str) -> Result<Self> {
        Self::builder().attach(name)
    }

    /// Takes a stream of this shape over if it is there, or else creates it.
    ///
    /// # Errors
    /// Those of [`attach`](Self::attach), but for `NotFound`, and of [`create`](Self::create), but for `AlreadyExists`.
    pub fn open(name: &str, shape: impl IntoDimension<Dim = D>) -> Result<Self> {
        Self::builder().open(name, shape)
    }

    /// Takes a free slot for the next frame. Waits without limit until there is one.
    ///
    /// Slots are free unless a subscriber looks at them; with slots to spare this never waits. It also waits for
    /// lossless subscribers, as [`Backpressure`] says. The slot that was freed last is taken first: it is in the cache.
    /// Costs two stores that order memory and a look at each participant's record; no system call unless it waits.
    ///
    /// # Errors
    /// [`Error::WouldDeadlock`] if this very process has held the frames that would have to go for a second;
    /// [`Error::Retired`] if it would have to wait and the stream was unlinked; [`Error::Forked`]; [`Error::Corrupt`].
    ///
    /// # Ordering
    /// What a reader did with the slot before happens before the loan's first write to it.
    pub fn loan(&mut self) -> Result<Loan<'_, T, D>> {
        self.any.loan().map(Loan::new)
    }

    /// Takes a free slot; does not wait.
    ///
    /// # Errors
    /// [`Error::NoFreeSlot`] with the processes that hold the slots; and those of [`loan`](Self::loan).
    ///
    /// # Examples
    /// ```
    /// use sharray::{Error, Publisher};
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let mut camera = Publisher::<u8, ndarray::Ix1>::builder().directory(&place).create("camera", [4])?;
    /// match camera.try_loan() {
    ///     Ok(mut frame) => {
    ///         frame.as_mut_slice().fill(1);
    ///         frame.publish();
    ///     }
    ///     Err(Error::NoFreeSlot { holders, .. }) => eprintln!("processes {holders:?} hold all slots"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// assert_eq!(camera.sequence(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_loan(&mut self) -> Result<Loan<'_, T, D>> {
        self.any.try_loan().map(Loan::new)
    }

    /// Takes a free slot; waits for one at most `timeout`, on the monotonic clock.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; and those of [`loan`](Self::loan).
    ///
    /// # Examples
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// use std::time::Duration;
    ///
    /// let mut camera = sharray::Publisher::<u8, ndarray::Ix1>::builder().directory(&place).create("camera", [4])?;
    /// assert_eq!(camera.loan_timeout(Duration::from_millis(20))?.publish(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn loan_timeout(&mut self, timeout: Duration) -> Result<Loan<'_, T, D>> {
        self.any.loan_timeout(timeout).map(Loan::new)
    }

    /// Makes the newest frame durable, and returns its sequence; 0 if there is none yet.
    ///
    /// Once this has returned, the stream that is found after a loss of power or a crash of the machine has this frame or
    /// a newer one that was committed, whole; it goes on with the next sequence. Until then it has the one that was
    /// committed before. What was published since a commit is lost with the machine; the death of a process loses nothing.
    ///
    /// The last one who detaches from a stream on a disk commits its newest frame, but nobody is told if that fails.
    /// Nobody else waits meanwhile: subscribers go on, and so does the publisher, once this has returned. The slot of the
    /// frame that is durable is kept, and during a commit one more. The frame is read once, for a checksum, and written to
    /// the disk, as is a page that names it: two waits for the disk. In memory (`/dev/shm`) there is nothing to wait for;
    /// a copy of the file that is made afterwards has the frame.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk fails, and from then on [`Error::DurabilityLost`]: the system would call a second attempt
    /// a success with nothing done. [`Error::InvalidArgument`] if the stream has not 2 slots more than its history;
    /// [`Error::TooManyPins`] with eight loans and frames of them; [`Error::TimedOut`] if another process commits for ten
    /// seconds; [`Error::Forked`]; [`Error::Corrupt`].
    ///
    /// # Examples
    /// ```
    /// use ndarray::{Array1, Ix1};
    /// use sharray::Publisher;
    /// # let folder = tempfile::tempdir()?;
    /// # let disk = sharray::Directory::open(folder.path())?;
    /// let first = Array1::from(vec![1.0, 2.0]);
    /// let mut states = Publisher::<f64, Ix1>::builder().directory(&disk).create_from("states", &first)?;
    /// assert_eq!(states.commit()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn commit(&mut self) -> Result<u64> {
        self.any.commit()
    }

    fn new(any: AnyPublisher) -> Self {
        Self { any, item: PhantomData }
    }
}

impl<T, D> Deref for Publisher<T, D> {
    type Target = AnyPublisher;

    fn deref(&self) -> &AnyPublisher {
        &self.any
    }
}

/// A slot that is the publisher's alone, until it is published or dropped.
///
/// Its items are at first whatever an earlier frame left there. Dropping it publishes nothing; leaking it
/// (`mem::forget`) loses the slot until another publisher takes over. It dereferences to
/// [`AnyLoan`], which sets the frame's shape, time and tags.
///
/// # Examples
/// ```
/// use ndarray::{Ix2, s};
/// use std::time::SystemTime;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let mut camera = sharray::Publisher::<u8, Ix2>::builder().directory(&place).create("camera", [480, 640])?;
/// let mut frame = camera.loan()?;
/// frame.view_mut().slice_mut(s![.., ..320]).fill(1);
/// frame.as_mut_slice()[0] = 7;                // the same items, in memory order
/// assert_eq!(frame.view()[[0, 0]], 7);
/// frame.set_time(SystemTime::now());
/// assert_eq!(frame.publish(), 1);
///
/// drop(camera.loan()?);                       // publishes nothing
/// assert_eq!(camera.sequence(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Loan<'p, T, D = IxDyn> {
    any: AnyLoan<'p>,
    item: PhantomData<fn() -> (T, D)>,
}

impl<'p, T: Element, D: Dimension> Loan<'p, T, D> {
    fn new(any: AnyLoan<'p>) -> Self {
        Self { any, item: PhantomData }
    }

    /// The array. Costs no copy.
    ///
    /// # Panics
    /// Never: the stream's dtype and dimensions were checked when the publisher was made.
    pub fn view(&self) -> ArrayView<'_, T, D> {
        self.any.view().expect("checked when the publisher was made")
    }

    /// The array, to fill.
    ///
    /// # Panics
    /// Never, as for [`view`](Self::view).
    pub fn view_mut(&mut self) -> ArrayViewMut<'_, T, D> {
        self.any.view_mut().expect("checked when the publisher was made")
    }

    /// The items in memory order, to fill.
    ///
    /// # Panics
    /// Never, as for [`view`](Self::view).
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(self.any.bytes_mut())
    }

    /// Makes the frame the stream's newest, wakes whoever waits for it, and returns its sequence.
    ///
    /// Costs four stores and a compare-and-swap; a system call only if a subscriber sleeps.
    ///
    /// # Ordering
    /// Everything written before is visible to whoever sees the frame.
    pub fn publish(self) -> u64 {
        self.any.publish()
    }
}

impl<'p, T, D> Deref for Loan<'p, T, D> {
    type Target = AnyLoan<'p>;

    fn deref(&self) -> &AnyLoan<'p> {
        &self.any
    }
}

impl<T, D> DerefMut for Loan<'_, T, D> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.any
    }
}

/// Options for a stream and its publisher.
///
/// # Examples
/// ```
/// use ndarray::Ix1;
/// use sharray::{Backpressure, Publisher};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let log = Publisher::<f64, Ix1>::builder()
///     .directory(&place)
///     .history(64)
///     .slots(72)                                      // 8 frames may be looked at after they left the history
///     .backpressure(Backpressure::Evict)
///     .create("log", [16])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PublisherBuilder<P> {
    options: Options,
    history: u32,
    slots: Option<u32>,
    backpressure: Backpressure,
    publisher: PhantomData<fn() -> P>,
}

// Derived, it would ask that the publisher can be cloned.
impl<P> Clone for PublisherBuilder<P> {
    fn clone(&self) -> Self {
        Self { options: self.options.clone(), ..*self }
    }
}

impl<P> PublisherBuilder<P> {
    pub(super) fn new() -> Self {
        Self {
            options: Options::default(),
            history: 4,
            slots: None,
            backpressure: Backpressure::default(),
            publisher: PhantomData,
        }
    }

    common_options!("stream");
    array_options!("stream");

    /// How many of the newest frames the stream names, from 2. Default: 4. For a new stream.
    ///
    /// While the next frame is being filled the oldest of them may be overwritten: a subscriber can be late by one less.
    #[must_use]
    pub fn history(mut self, frames: u32) -> Self {
        self.history = frames;
        self
    }

    /// How many slots the stream has: its history and the frames that subscribers may still look at after they left
    /// it. Default: the history and 4. For a new stream.
    #[must_use]
    pub fn slots(mut self, slots: u32) -> Self {
        self.slots = Some(slots);
        self
    }

    /// What to do about a lossless subscriber that is slow. Default: [`Backpressure::Block`].
    #[must_use]
    pub fn backpressure(mut self, backpressure: Backpressure) -> Self {
        self.backpressure = backpressure;
        self
    }

    fn create_any(&self, name: &str, dtype: DType, shape: &[usize], first: Option<Fill<'_>>) -> Result<AnyPublisher> {
        let slots = self.slots.unwrap_or_else(|| self.history.saturating_add(SPARE_SLOTS));
        let check = |is_right: bool, reason: String| if is_right { Ok(()) } else { Err(Error::invalid(name, reason)) };
        check(self.history >= 2, format!("the history has {} frames, expected at least 2", self.history))?;
        check(
            slots > self.history && slots <= MAX_SLOTS,
            format!("it has {slots} slots, expected more than its history of {} and at most {MAX_SLOTS}", self.history),
        )?;
        self.options.check(name)?;
        let spec = Spec {
            form: Form { kind: Kind::Stream, dtype, shape: shape.to_vec(), order: self.options.order },
            flags: 0,
            slots,
            ring: self.history,
            participants: self.options.participants,
            blocks: 0,
            huge_pages: self.options.huge_pages,
            attributes: self.options.attributes.clone(),
        };
        let creation = Creation { spec: &spec, permissions: self.options.permissions };
        AnyPublisher::create(&self.options.place()?, name, &creation, self.backpressure, first)
    }

    fn attach_any(&self, name: &str, check: impl FnOnce(&Form) -> Result<()>) -> Result<AnyPublisher> {
        AnyPublisher::attach(self.options.place()?.attach(name, Access::ReadWrite)?, self.backpressure, check)
    }

    fn open_any(&self, name: &str, dtype: &DType, shape: &[usize]) -> Result<AnyPublisher> {
        let form = Form { kind: Kind::Stream, dtype: dtype.clone(), shape: shape.to_vec(), order: self.options.order };
        attach_or_create(
            name,
            || self.attach_any(name, |found| check_form(name, found, &form)),
            || self.create_any(name, dtype.clone(), shape, None),
        )
    }
}

impl<T: Element, D: Dimension> PublisherBuilder<Publisher<T, D>> {
    /// Creates the stream.
    ///
    /// # Errors
    /// As for [`Publisher::create`]; [`Error::InvalidArgument`] for options out of range.
    pub fn create(&self, name: &str, shape: impl IntoDimension<Dim = D>) -> Result<Publisher<T, D>> {
        check_alignment::<T>()?;
        self.create_any(name, T::dtype(), shape.into_dimension().slice(), None).map(Publisher::new)
    }

    /// Creates the stream with its first frame.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub fn create_from(&self, name: &str, first: &ArrayRef<T, D>) -> Result<Publisher<T, D>> {
        let fill = |loan: &mut AnyLoan<'_>| {
            let mut view = loan.view_mut::<T, D>().ok_or_else(|| Error::corrupt(name, "it is not what was made"))?;
            view.assign(first);
            Ok(())
        };
        check_alignment::<T>()?;
        self.create_any(name, T::dtype(), first.shape(), Some(&fill)).map(Publisher::new)
    }

    /// Takes the stream over.
    ///
    /// # Errors
    /// As for [`Publisher::attach`].
    pub fn attach(&self, name: &str) -> Result<Publisher<T, D>> {
        self.attach_any(name, |form| check_item::<T, D>(name, form, Kind::Stream)).map(Publisher::new)
    }

    /// Takes the stream over or creates it.
    ///
    /// # Errors
    /// As for [`Publisher::open`].
    pub fn open(&self, name: &str, shape: impl IntoDimension<Dim = D>) -> Result<Publisher<T, D>> {
        check_alignment::<T>()?;
        self.open_any(name, &T::dtype(), shape.into_dimension().slice()).map(Publisher::new)
    }
}

impl PublisherBuilder<AnyPublisher> {
    /// Creates a stream of this dtype.
    ///
    /// # Errors
    /// As for [`Publisher::create`]; [`Error::InvalidArgument`] for options out of range.
    pub fn create(&self, name: &str, dtype: &DType, shape: &[usize]) -> Result<AnyPublisher> {
        self.create_any(name, dtype.clone(), shape, None)
    }

    /// Takes the stream over, whatever its dtype and shape are.
    ///
    /// # Errors
    /// As for [`Publisher::attach`].
    pub fn attach(&self, name: &str) -> Result<AnyPublisher> {
        self.attach_any(name, |_| Ok(()))
    }

    /// Takes the stream over or creates it.
    ///
    /// # Errors
    /// As for [`Publisher::open`].
    pub fn open(&self, name: &str, dtype: &DType, shape: &[usize]) -> Result<AnyPublisher> {
        self.open_any(name, dtype, shape)
    }
}
