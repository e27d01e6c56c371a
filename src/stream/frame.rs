//! What a subscriber gets: one published array, which stays as it is while the frame lives.

use crate::attachment::Attachment;
use crate::dtype::DType;
use crate::element::Element;
use crate::guard::Pin;
use crate::segment::{FrameHeader, Segment};
use crate::shape::{self, Order};
use crate::sys::copy::AlignedBytes;
use crate::sys::futex;
use crate::view;
use ndarray::{ArrayView, Dimension, IxDyn};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One published array whose dtype is known at run time.
///
/// The bytes stand in shared memory, pinned: the publisher passes their slot over while this value lives. A read-only
/// subscriber gets a private copy instead. It may be sent to another thread and outlive its subscriber.
///
/// # Forking
/// A child of fork must not read a frame that it inherited: the pin is its parent's, and may go at any time. See
/// [`is_inherited`](Self::is_inherited).
///
/// # Examples
/// ```
/// use ndarray::Ix1;
/// use sharray::{AnyPublisher, AnySubscriber, DType, Order};
/// use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let mut camera = AnyPublisher::builder().directory(&place).create("camera", &DType::F32, &[3])?;
/// let mut viewer = AnySubscriber::builder().directory(&place).attach("camera")?;
/// let mut loan = camera.loan()?;
/// loan.bytes_mut().fill(0);
/// loan.publish();
///
/// let frame = viewer.recv()?.expect("the stream is not closed");
/// assert_eq!((frame.dtype(), frame.shape(), frame.order()), (&DType::F32, &[3][..], Order::C));
/// assert_eq!(frame.view::<f32, Ix1>().expect("it is one of f32").sum(), 0.0);
/// assert_eq!((frame.bytes().len(), frame.strides()), (12, vec![4]));
/// assert_eq!((frame.sequence(), frame.missed(), frame.tags()), (1, 0, [0, 0]));
/// assert_eq!(frame.time(), frame.published(), "the publisher did not say when it was acquired");
/// assert!(frame.age() < Duration::from_secs(60));
/// assert!(!frame.is_copy() && !frame.is_inherited());
/// frame.check_whole()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AnyFrame {
    lease: Lease,
    sequence: u64,
    missed: u64,
    header: FrameHeader,
}

/// What keeps the bytes as they are.
#[derive(Debug)]
pub(super) enum Lease {
    /// They stand in their slot.
    Pin(Pin),
    /// They are ours.
    Copy { attachment: Arc<Attachment>, bytes: AlignedBytes },
}

impl AnyFrame {
    #[inline]
    pub(super) fn new(lease: Lease, sequence: u64, missed: u64, header: FrameHeader) -> Self {
        Self { lease, sequence, missed, header }
    }

    /// A frame that its publisher has just published, and keeps.
    pub(super) fn of_publisher(pin: Pin, sequence: u64, header: FrameHeader) -> Self {
        Self::new(Lease::Pin(pin), sequence, 0, header)
    }

    #[inline]
    fn segment(&self) -> &Segment {
        match &self.lease {
            Lease::Pin(pin) => pin.segment(),
            Lease::Copy { attachment, .. } => attachment.segment(),
        }
    }

    /// The items' dtype.
    pub fn dtype(&self) -> &DType {
        &self.segment().form().dtype
    }

    /// This frame's shape. It has as many dimensions as the stream declares, and no more bytes.
    pub fn shape(&self) -> &[usize] {
        self.header.shape.as_deref().unwrap_or(&self.segment().form().shape)
    }

    /// How the items stand in memory.
    pub fn order(&self) -> Order {
        self.segment().form().order
    }

    /// The distance in bytes from one item to the next along each dimension.
    pub fn strides(&self) -> Vec<usize> {
        // The shape was checked: it fits.
        shape::strides_bytes(self.shape(), self.dtype().itemsize(), self.order()).unwrap_or_default()
    }

    /// The items, packed in [`order`](Self::order).
    pub fn bytes(&self) -> &[u8] {
        let len = self.shape().iter().product::<usize>() * self.dtype().itemsize();
        match &self.lease {
            Lease::Copy { bytes, .. } => bytes.bytes().get(..len).unwrap_or_default(),
            Lease::Pin(pin) => pin.bytes(len),
        }
    }

    /// The array, if it is one of `T` with the dimensions of `D`.
    pub fn view<T: Element, D: Dimension>(&self) -> Option<ArrayView<'_, T, D>> {
        if *self.dtype() != T::dtype() {
            return None;
        }
        view::view(self.bytes(), self.shape(), self.order())
    }

    /// The number of this frame: 1 for the first of the stream, and one more for each that follows.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How many frames this subscriber lost between the one it received before and this one.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// When the frame was acquired, if the publisher said so, or else when it was published.
    pub fn time(&self) -> SystemTime {
        let ns = if self.header.acquired_ns == 0 { self.header.time_ns } else { self.header.acquired_ns };
        UNIX_EPOCH + Duration::from_nanos(ns)
    }

    /// When the frame was published.
    pub fn published(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.header.time_ns)
    }

    /// How long ago the frame was published, by the monotonic clock: right between processes of one machine.
    pub fn age(&self) -> Duration {
        Duration::from_nanos(futex::now_ns().saturating_sub(self.header.monotonic_ns))
    }

    /// The two numbers that the publisher attached to the frame; zeros if it did not.
    pub fn tags(&self) -> [u64; 2] {
        self.header.tags
    }

    /// Whether the bytes are a private copy, as they are for a read-only subscriber.
    pub fn is_copy(&self) -> bool {
        matches!(self.lease, Lease::Copy { .. })
    }

    /// Whether somebody cut the file short, and what was seen of the frame may be zeros: as
    /// [`AnyArray::check_whole`](crate::AnyArray::check_whole). A copy stays whole.
    ///
    /// # Errors
    /// [`Error::Truncated`](crate::Error::Truncated); [`Error::Io`](crate::Error::Io) if the file is long enough again, or its
    /// disk failed.
    pub fn check_whole(&self) -> crate::Result<()> {
        if self.is_copy() { Ok(()) } else { self.segment().check_whole() }
    }

    /// Whether this process inherited the frame over fork, and so must not read it.
    pub fn is_inherited(&self) -> bool {
        self.segment().is_inherited()
    }
}

impl fmt::Debug for AnyFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("stream", &self.segment().name())
            .field("sequence", &self.sequence)
            .field("dtype", self.dtype())
            .field("shape", &self.shape())
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}

/// One published array of `T` with the dimensions of `D`. See [`AnyFrame`], which it dereferences to.
///
/// # Examples
/// ```
/// use ndarray::{Ix1, array};
/// use sharray::{Publisher, Subscriber};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let first = array![1.0, 2.0, 3.0];
/// let log = Publisher::<f64, Ix1>::builder().directory(&place).create_from("log", &first)?;
/// let reader = Subscriber::<f64, Ix1>::builder().directory(&place).attach("log")?;
///
/// let frame = reader.latest()?.expect("a first frame was given");
/// drop((log, reader));                                // the frame stays
/// assert_eq!(frame.view(), first);
/// assert_eq!(frame.as_slice().iter().sum::<f64>(), 6.0);
/// assert_eq!(std::thread::spawn(move || frame.sequence()).join().unwrap(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Frame<T, D = IxDyn> {
    any: AnyFrame,
    item: PhantomData<fn() -> (T, D)>,
}

impl<T: Element, D: Dimension> Frame<T, D> {
    /// The caller checked the stream's dtype and dimensions.
    pub(super) fn new(any: AnyFrame) -> Self {
        Self { any, item: PhantomData }
    }

    /// The array. Costs no copy.
    ///
    /// # Panics
    /// Never: the stream's dtype and dimensions were checked when the subscriber attached.
    pub fn view(&self) -> ArrayView<'_, T, D> {
        view::view(self.any.bytes(), self.any.shape(), self.any.order()).expect("checked when the subscriber attached")
    }

    /// The items in memory order.
    ///
    /// # Panics
    /// Never, as for [`view`](Self::view).
    pub fn as_slice(&self) -> &[T] {
        bytemuck::cast_slice(self.any.bytes())
    }
}

impl<T, D> std::ops::Deref for Frame<T, D> {
    type Target = AnyFrame;

    fn deref(&self) -> &AnyFrame {
        &self.any
    }
}
