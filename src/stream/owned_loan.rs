//! A loan that does not borrow its publisher.

use super::any_publisher::{set_shape, set_time};
use crate::dtype::DType;
use crate::error::Result;
use crate::guard::Pin;
use crate::segment::{FrameHeader, Segment};
use crate::shape::{self, Order};
use std::time::SystemTime;

/// A slot that is the publisher's alone, like [`AnyLoan`](crate::AnyLoan), until it is given to
/// [`publish_owned`](crate::AnyPublisher::publish_owned) or dropped. Dropping it publishes nothing.
///
/// Its own pin keeps it, so it may be sent to another thread and outlive the publisher.
///
/// # Examples
/// ```
/// use sharray::{AnyPublisher, DType, Order};
/// use std::time::SystemTime;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let mut camera = AnyPublisher::builder().directory(&place).create("camera", &DType::U16, &[480, 640])?;
/// let mut loan = camera.loan_owned(None)?;
/// loan.set_shape(&[2, 3])?;
/// loan.set_time(SystemTime::now());
/// loan.set_tags([17, 0]);
/// assert_eq!((loan.dtype(), loan.shape(), loan.order()), (&DType::U16, &[2, 3][..], Order::C));
/// assert_eq!(loan.strides(), [6, 2]);
/// assert!(!loan.is_inherited());
///
/// let first = loan.as_mut_ptr().cast::<u16>();
/// // SAFETY: it points to six items, which nobody else reads or writes while the loan lives.
/// unsafe { first.write(1000) };
///
/// let frame = camera.publish_owned(loan, None)?;
/// assert_eq!(frame.view::<u16, ndarray::Ix2>().expect("it is one of u16")[[0, 0]], 1000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OwnedLoan {
    pin: Pin,
    header: FrameHeader,
    /// What it would be, were it the next to be published.
    sequence: u64,
}

impl OwnedLoan {
    pub(super) fn new(pin: Pin, sequence: u64) -> Self {
        Self { pin, header: FrameHeader::default(), sequence }
    }

    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(super) fn pin(&self) -> &Pin {
        &self.pin
    }

    pub(super) fn header(&self) -> &FrameHeader {
        &self.header
    }

    pub(super) fn header_mut(&mut self) -> &mut FrameHeader {
        &mut self.header
    }

    pub(super) fn into_parts(self) -> (Pin, FrameHeader) {
        (self.pin, self.header)
    }

    fn segment(&self) -> &Segment {
        self.pin.segment()
    }

    /// The items' dtype.
    pub fn dtype(&self) -> &DType {
        &self.segment().form().dtype
    }

    /// The frame's shape: the declared one, until [`set_shape`](Self::set_shape).
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

    /// Makes the frame smaller than declared. It is packed: the items stand without gaps at the slot's start.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) if the number of dimensions differs, or if it would need
    /// more bytes than declared.
    pub fn set_shape(&mut self, shape: &[usize]) -> Result<()> {
        let Self { pin, header, .. } = self;
        set_shape(header, pin.segment(), shape)
    }

    /// Says when the frame was acquired: what [`Frame::time`](crate::AnyFrame::time) answers. Times before 1970 are 1970.
    pub fn set_time(&mut self, time: SystemTime) {
        set_time(&mut self.header, time);
    }

    /// Attaches two numbers to the frame: a position, an exposure, an index; their meaning is the caller's.
    pub fn set_tags(&mut self, tags: [u64; 2]) {
        self.header.tags = tags;
    }

    /// Where the first item is. While this lives, the items may be read and written, each at its
    /// [`strides`](Self::strides), and nobody else does.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        // The slot was checked when it was loaned. A frame without bytes may be anywhere.
        self.segment().payload(self.pin.slot()).unwrap_or(std::ptr::dangling_mut::<u128>().cast())
    }

    /// Whether this process inherited the loan over fork, and so must not touch its bytes.
    pub fn is_inherited(&self) -> bool {
        self.segment().is_inherited()
    }
}
