//! The reading side of a stream.

use super::any_subscriber::{AnyFrames, AnySubscriber};
use super::frame::{AnyFrame, Frame};
use crate::directory::{Access, Directory};
use crate::element::Element;
use crate::error::Result;
use crate::expect::{check_item, check_kind};
use crate::kind::Kind;
use crate::segment::Form;
use ndarray::{Dimension, IxDyn};
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

/// A reader of a stream of arrays of `T`.
///
/// Frames stand in shared memory and are pinned while they are held: the publisher fills other slots meanwhile. So a
/// frame costs no copy, does not change, and nobody waits. A subscriber holds at most eight frames at a time.
///
/// It starts with the next frame that is published, and goes through all of them in order. If it is too slow, the
/// oldest are gone, and [`missed`](AnyFrame::missed) counts them exactly; a [lossless](SubscriberBuilder::lossless) one
/// makes the publisher wait instead. [`latest`](Self::latest) gives the newest frame, whatever was received before.
///
/// On a file that it may only read it takes consistent copies instead of pins, and looks for news by itself every few
/// milliseconds.
///
/// It dereferences to [`AnySubscriber`], which knows its name, dtype and shape.
///
/// # Examples
/// ```
/// use ndarray::{Ix1, array};
/// use sharray::{Publisher, Subscriber};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
///
/// let mut log = Publisher::<i64, Ix1>::builder().directory(&place).create("log", [2])?;
/// let mut reader = Subscriber::<i64, Ix1>::builder().directory(&place).attach("log")?;
/// for i in 0..3 {
///     let mut frame = log.loan()?;
///     frame.view_mut().assign(&array![i, i * i]);
///     frame.publish();
/// }
/// drop(log);
///
/// let mut sum = 0;
/// for frame in reader.frames() {
///     sum += frame?.view()[1];
/// }
/// assert_eq!(sum, 0 + 1 + 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Subscriber<T, D = IxDyn> {
    any: AnySubscriber,
    item: PhantomData<fn() -> (T, D)>,
}

impl<T: Element, D: Dimension> Subscriber<T, D> {
    /// Options for a subscriber.
    pub fn builder() -> SubscriberBuilder<Self> {
        SubscriberBuilder::new()
    }

    /// Attaches to a stream of the default place.
    ///
    /// # Errors
    /// [`NotFound`](crate::Error::NotFound); [`Mismatch`](crate::Error::Mismatch) if it is not a stream of `T` with the
    /// dimensions of `D`; [`TooManyParticipants`](crate::Error::TooManyParticipants); the errors of files that are not
    /// whole; [`Untrusted`](crate::Error::Untrusted); [`Io`](crate::Error::Io).
    pub fn attach(name: &str) -> Result<Self> {
        Self::builder().attach(name)
    }

    /// Pins the newest frame, whatever was received before; `None` if nothing was published yet. Does not wait.
    ///
    /// Costs one store, one barrier and two loads; no system call.
    ///
    /// # Errors
    /// [`TooManyPins`](crate::Error::TooManyPins) if this subscriber holds eight frames;
    /// [`Forked`](crate::Error::Forked); [`Corrupt`](crate::Error::Corrupt).
    ///
    /// # Ordering
    /// The load of the slot's version meets the release store in [`Loan::publish`](crate::Loan::publish): the frame's
    /// bytes written before it are visible here.
    ///
    /// # Examples
    /// ```
    /// use ndarray::{Ix1, arr1};
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// use sharray::{Publisher, Subscriber};
    ///
    /// let camera = Publisher::<u8, Ix1>::builder().directory(&place).create_from("camera", &arr1(&[1, 2]))?;
    /// let viewer = Subscriber::<u8, Ix1>::builder().directory(&place).attach("camera")?;
    /// if let Some(frame) = viewer.latest()? {
    ///     assert_eq!(frame.view().sum(), 3);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn latest(&self) -> Result<Option<Frame<T, D>>> {
        Ok(self.any.latest()?.map(Frame::new))
    }

    /// The next frame; waits for it without limit. `None`: the producer closed the stream.
    ///
    /// Looks a hundred times or so, giving the processor away in between, then sleeps; it is woken by the publisher, and looks around every 10 to 50 ms
    /// for a producer that died. After `None` or [`ProducerDied`](crate::Error::ProducerDied), which are said once and
    /// only when all frames were received, it may be called again: it waits for a successor.
    ///
    /// # Errors
    /// [`ProducerDied`](crate::Error::ProducerDied); [`Retired`](crate::Error::Retired) if it would have to wait and
    /// the stream was unlinked; [`Lagged`](crate::Error::Lagged) for a lossless subscriber that was evicted;
    /// [`TooManyPins`](crate::Error::TooManyPins); [`Forked`](crate::Error::Forked); [`Corrupt`](crate::Error::Corrupt).
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// use sharray::{Publisher, Subscriber};
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let mut camera = Publisher::<u8, Ix1>::builder().directory(&place).create("camera", [4])?;
    /// let mut viewer = Subscriber::<u8, Ix1>::builder().directory(&place).attach("camera")?;
    /// camera.loan()?.publish();
    /// drop(camera);
    /// while let Some(frame) = viewer.recv()? {
    ///     println!("frame {} of {:?}", frame.sequence(), frame.published());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv(&mut self) -> Result<Option<Frame<T, D>>> {
        Ok(self.any.recv()?.map(Frame::new))
    }

    /// The next frame, if it is there; does not wait, and does not say that the stream has ended.
    ///
    /// # Errors
    /// [`Lagged`](crate::Error::Lagged), [`TooManyPins`](crate::Error::TooManyPins), [`Forked`](crate::Error::Forked),
    /// [`Corrupt`](crate::Error::Corrupt).
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// use sharray::{Publisher, Subscriber};
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let mut camera = Publisher::<u8, Ix1>::builder().directory(&place).create("camera", [4])?;
    /// let mut viewer = Subscriber::<u8, Ix1>::builder().directory(&place).attach("camera")?;
    /// assert!(viewer.try_recv()?.is_none(), "nothing is there yet");
    /// camera.loan()?.publish();
    /// assert_eq!(viewer.try_recv()?.expect("one was published").sequence(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_recv(&mut self) -> Result<Option<Frame<T, D>>> {
        Ok(self.any.try_recv()?.map(Frame::new))
    }

    /// The next frame; waits for it at most `timeout`, on the monotonic clock. `None`: the producer closed the stream.
    ///
    /// # Errors
    /// [`TimedOut`](crate::Error::TimedOut); and those of [`recv`](Self::recv).
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// use sharray::{Error, Publisher, Subscriber};
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let camera = Publisher::<u8, Ix1>::builder().directory(&place).create("camera", [4])?;
    /// let mut viewer = Subscriber::<u8, Ix1>::builder().directory(&place).attach("camera")?;
    /// assert!(matches!(viewer.recv_timeout(Duration::from_millis(5)), Err(Error::TimedOut { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Frame<T, D>>> {
        Ok(self.any.recv_timeout(timeout)?.map(Frame::new))
    }

    /// The frames from now on, one after the other, until the producer closes the stream.
    pub fn frames(&mut self) -> Frames<'_, T, D> {
        Frames { any: self.any.frames(), item: PhantomData }
    }
}

impl<T, D> Deref for Subscriber<T, D> {
    type Target = AnySubscriber;

    fn deref(&self) -> &AnySubscriber {
        &self.any
    }
}

/// The frames of a stream, one after the other. Made by [`Subscriber::frames`].
///
/// It ends when the producer closes the stream. After an error it may be asked again: after a time-out for the same
/// frame, after [`ProducerDied`](crate::Error::ProducerDied) for a successor's.
///
/// # Examples
/// ```
/// use ndarray::Ix1;
/// use sharray::{Error, Publisher, Subscriber};
/// use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let mut camera = Publisher::<u8, Ix1>::builder().directory(&place).create("camera", [4])?;
/// let mut viewer = Subscriber::<u8, Ix1>::builder().directory(&place).attach("camera")?;
/// camera.loan()?.publish();
///
/// let mut frames = viewer.frames().timeout(Duration::from_millis(5));
/// assert_eq!(frames.next().expect("the stream is not closed")?.sequence(), 1);
/// assert!(matches!(frames.next(), Some(Err(Error::TimedOut { .. }))));
/// drop(camera);
/// assert!(frames.next().is_none(), "it is now");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Frames<'s, T, D = IxDyn> {
    any: AnyFrames<'s>,
    item: PhantomData<fn() -> (T, D)>,
}

impl<T, D> Frames<'_, T, D> {
    /// Waits for each frame at most so long.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.any = self.any.timeout(timeout);
        self
    }
}

impl<T: Element, D: Dimension> Iterator for Frames<'_, T, D> {
    type Item = Result<Frame<T, D>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.any.next().map(|frame: Result<AnyFrame>| frame.map(Frame::new))
    }
}

impl<T: Element, D: Dimension> FusedIterator for Frames<'_, T, D> {}

/// Options for a subscriber.
///
/// # Examples
/// ```
/// use ndarray::{Ix1, arr1};
/// use sharray::{Publisher, Subscriber};
/// use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let log = Publisher::<u8, Ix1>::builder().directory(&place).create_from("log", &arr1(&[1, 2]))?;
///
/// let builder = Subscriber::<u8, Ix1>::builder().directory(&place).wait(Duration::from_secs(10));
/// let mut reader = builder.clone().lossless().from_oldest().attach("log")?;
/// assert_eq!(reader.recv()?.expect("it is not closed").sequence(), 1);
///
/// let onlooker = builder.read_only().attach("log")?;
/// assert!(onlooker.latest()?.expect("a first frame was given").is_copy());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SubscriberBuilder<S> {
    directory: Option<Directory>,
    is_lossless: bool,
    from_oldest: bool,
    access: Access,
    wait: Option<Duration>,
    subscriber: PhantomData<fn() -> S>,
}

// Derived, it would ask that the subscriber can be cloned.
impl<S> Clone for SubscriberBuilder<S> {
    fn clone(&self) -> Self {
        Self { directory: self.directory.clone(), ..*self }
    }
}

impl<S> SubscriberBuilder<S> {
    pub(super) fn new() -> Self {
        Self {
            directory: None,
            is_lossless: false,
            from_oldest: false,
            access: Access::Any,
            wait: None,
            subscriber: PhantomData,
        }
    }

    /// Where the stream is. Default: [`Directory::default_place`].
    #[must_use]
    pub fn directory(mut self, directory: &Directory) -> Self {
        self.directory = Some(directory.clone());
        self
    }

    /// Loses nothing: the publisher waits for this subscriber, or does what its
    /// [`Backpressure`](crate::Backpressure) says. Needs write permission.
    #[must_use]
    pub fn lossless(mut self) -> Self {
        self.is_lossless = true;
        self
    }

    /// Starts with the oldest frame that is still there, not with the next one to be published.
    #[must_use]
    pub fn from_oldest(mut self) -> Self {
        self.from_oldest = true;
        self
    }

    /// Takes no part: writes nothing into the file, copies frames instead of pinning them. Happens by itself where the
    /// file may only be read.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.access = Access::ReadOnly;
        self
    }

    /// Waits at most so long until the stream exists.
    #[must_use]
    pub fn wait(mut self, patience: Duration) -> Self {
        self.wait = Some(patience);
        self
    }

    fn attach_any(&self, name: &str, check: impl FnOnce(&Form) -> Result<()>) -> Result<AnySubscriber> {
        let place = self.directory.clone().map_or_else(Directory::default_place, Ok)?;
        let attachment = place.attach_within(name, self.access, self.wait)?;
        check_kind(attachment.name(), attachment.segment().form(), Kind::Stream)?;
        check(attachment.segment().form())?;
        AnySubscriber::join(attachment, self.is_lossless, self.from_oldest)
    }
}

impl<T: Element, D: Dimension> SubscriberBuilder<Subscriber<T, D>> {
    /// Attaches to the stream.
    ///
    /// # Errors
    /// As for [`Subscriber::attach`]; [`TimedOut`](crate::Error::TimedOut) if it did not appear in time;
    /// [`ReadOnly`](crate::Error::ReadOnly) for a lossless one that may not write;
    /// [`NeedsRecovery`](crate::Error::NeedsRecovery) for a read-only one on a file that nobody used since the machine
    /// started.
    pub fn attach(&self, name: &str) -> Result<Subscriber<T, D>> {
        let any = self.attach_any(name, |form| check_item::<T, D>(name, form, Kind::Stream))?;
        Ok(Subscriber { any, item: PhantomData })
    }
}

impl SubscriberBuilder<AnySubscriber> {
    /// Attaches to the stream, whatever its dtype and shape are.
    ///
    /// # Errors
    /// As for the typed subscriber, but for `Mismatch` of dtype and dimensions.
    pub fn attach(&self, name: &str) -> Result<AnySubscriber> {
        self.attach_any(name, |_| Ok(()))
    }
}
