//! What lends an array in place, or some of its blocks, with a dtype known at run time.

use super::array::Items;
use super::block::{Here, Reading, Writing};
use crate::attachment::Attachment;
use crate::dtype::DType;
use crate::element::Element;
use crate::scan::Scan;
use crate::segment::{Part, Segment};
use crate::shape::{self, Order};
use ndarray::{ArrayView, ArrayViewMut, Dimension};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Lends an array of a run-time dtype, or some of its blocks, to be read.
///
/// It stays on its thread. Dropping it lets writers in.
///
/// # Examples
/// ```
/// use ndarray::Ix2;
/// use sharray::{AnyArray, DType, Order};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let field = AnyArray::builder().directory(&place).blocks(2).create("field", &DType::F64, &[10, 3])?;
/// let guard = field.read_blocks(1..2, None)?;
/// assert_eq!((guard.dtype(), guard.shape(), guard.rows()), (&DType::F64, vec![5, 3], 5..10));
/// assert_eq!((guard.order(), guard.strides(), guard.is_copy()), (Order::C, vec![24, 8], false));
/// assert_eq!(guard.view::<f64, Ix2>().expect("it is one of f64").sum(), 0.0);
/// assert!(guard.view::<u64, Ix2>().is_none(), "it is not one of u64");
/// assert_eq!(guard.scan(2).collect::<Vec<_>>(), [0..2, 2..4, 4..5]);
///
/// let first = guard.as_ptr().cast::<f64>();
/// // SAFETY: it points to 15 items, which nobody writes while the guard lives.
/// assert_eq!(unsafe { first.read() }, 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AnyReadGuard<'a> {
    part: Part,
    lease: Reading<Here<'a>>,
}

/// Lends an array of a run-time dtype, or some of its blocks, to be written by nobody else.
///
/// It stays on its thread. Dropping it ends the write; dropped by a panic, it leaves its blocks poisoned.
///
/// # Examples
/// ```
/// use ndarray::Ix2;
/// use sharray::{AnyArray, DType};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let field = AnyArray::builder().directory(&place).create("field", &DType::F64, &[10, 3])?;
/// let mut guard = field.write()?;
/// guard.view_mut::<f64, Ix2>().expect("it is one of f64").fill(0.5);
/// if guard.is_poisoned() {
///     guard.clear_poison();                           // all of it was written
/// }
/// let first = guard.as_mut_ptr().cast::<f64>();
/// // SAFETY: it points to 30 items, which nobody else reads or writes while the guard lives.
/// unsafe { first.write(1.0) };
/// drop(guard);
/// assert_eq!(field.read()?.view::<f64, Ix2>().expect("it is one of f64").sum(), 15.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AnyWriteGuard<'a> {
    part: Part,
    lease: Writing<Here<'a>>,
}

/// Lends an array to be read, like [`AnyReadGuard`], and keeps it attached itself: for those who cannot borrow, as
/// bindings to other languages and futures cannot.
///
/// It may be sent to and dropped on another thread. [`WouldDeadlock`](crate::Error::WouldDeadlock) speaks of the thread
/// that took it.
///
/// # Examples
/// ```
/// use ndarray::Ix1;
/// use sharray::{AnyArray, DType};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let field = AnyArray::builder().directory(&place).create("field", &DType::F64, &[100])?;
/// let guard = field.read_owned(0..1, None)?;
/// drop(field);                                        // the guard keeps it attached
/// let sum = std::thread::spawn(move || guard.view::<f64, Ix1>().expect("it is one of f64").sum());
/// assert_eq!(sum.join().unwrap(), 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct OwnedReadGuard {
    part: Part,
    lease: Reading<Arc<Attachment>>,
}

/// Lends an array to be written, like [`AnyWriteGuard`], and keeps it attached itself. See [`OwnedReadGuard`].
///
/// # Examples
/// ```
/// use ndarray::Ix1;
/// use sharray::{AnyArray, DType, Error};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let field = AnyArray::builder().directory(&place).create("field", &DType::F64, &[100])?;
/// let mut guard = field.write_owned(0..1, None)?;
/// guard.view_mut::<f64, Ix1>().expect("it is one of f64").fill(0.5);
/// std::thread::spawn(move || drop(guard)).join().unwrap();
/// assert!(field.read().is_ok());
///
/// field.write_owned(0..1, None)?.fail();              // as if it had panicked half way
/// assert!(matches!(field.read(), Err(Error::Poisoned { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct OwnedWriteGuard {
    part: Part,
    lease: Writing<Arc<Attachment>>,
}

macro_rules! guard {
    ($guard:ty, $lease:ty, $name:literal $(, $life:lifetime)?) => {
        impl$(<$life>)? $guard {
            pub(crate) fn new(part: Part, lease: $lease) -> Self {
                Self { part, lease }
            }

            fn segment(&self) -> &Segment {
                self.lease.attachment().segment()
            }

            /// The items' dtype.
            pub fn dtype(&self) -> &DType {
                &self.segment().form().dtype
            }

            /// The shape of what is lent: the array's, with fewer rows if it is not all blocks.
            pub fn shape(&self) -> Vec<usize> {
                self.segment().shape_of(&self.part)
            }

            /// The rows that are lent.
            pub fn rows(&self) -> Range<usize> {
                self.part.rows.clone()
            }

            /// How the items stand in memory.
            pub fn order(&self) -> Order {
                self.segment().form().order
            }

            /// The distance in bytes from one item to the next along each dimension: the whole array's, whatever is lent.
            pub fn strides(&self) -> Vec<usize> {
                let form = self.segment().form();
                // The shape was checked: it fits.
                shape::strides_bytes(&form.shape, form.dtype.itemsize(), form.order).unwrap_or_default()
            }
        }

        impl$(<$life>)? fmt::Debug for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name)
                    .field("array", &self.segment().name())
                    .field("dtype", self.dtype())
                    .field("rows", &self.part.rows)
                    .finish_non_exhaustive()
            }
        }
    };
}
guard!(AnyReadGuard<'a>, Reading<Here<'a>>, "AnyReadGuard", 'a);
guard!(AnyWriteGuard<'a>, Writing<Here<'a>>, "AnyWriteGuard", 'a);
guard!(OwnedReadGuard, Reading<Arc<Attachment>>, "OwnedReadGuard");
guard!(OwnedWriteGuard, Writing<Arc<Attachment>>, "OwnedWriteGuard");

macro_rules! read_guard {
    ($guard:ty) => {
        impl $guard {
            /// Where the first item is. The items may be read, each at its [`strides`](Self::strides), while the guard
            /// lives.
            pub fn as_ptr(&self) -> *const u8 {
                self.lease.base(&self.part)
            }

            /// The array, if it is one of `T` with the dimensions of `D`.
            pub fn view<T: Element, D: Dimension>(&self) -> Option<ArrayView<'_, T, D>> {
                let items = Items::<T, D>::of(self.segment())?;
                // SAFETY: the lease lives as long as `self` is borrowed.
                Some(unsafe { items.view(&self.part, self.lease.base(&self.part)) })
            }

            /// Scans the first axis of what is lent, `rows` at a time: an iterator over ranges of its rows that reads ahead and
            /// drops what is behind, as [`ReadGuard::chunks`](crate::ReadGuard::chunks) does.
            ///
            /// It borrows nothing, and keeps the file mapped while it lives; the lease is the guard's.
            ///
            /// # Panics
            /// If `rows` is zero, or the array has no dimensions.
            pub fn scan(&self, rows: usize) -> Scan {
                self.lease.scan(self.rows(), rows)
            }

            /// Whether it lends a private copy, because the file may only be read.
            pub fn is_copy(&self) -> bool {
                matches!(self.lease, Reading::Copy(..))
            }
        }
    };
}
read_guard!(AnyReadGuard<'_>);
read_guard!(OwnedReadGuard);

macro_rules! write_guard {
    ($guard:ty) => {
        impl $guard {
            /// Where the first item is. The items may be read and written, each at its [`strides`](Self::strides), while
            /// the guard lives.
            pub fn as_mut_ptr(&mut self) -> *mut u8 {
                self.lease.base(&self.part)
            }

            /// The array, if it is one of `T` with the dimensions of `D`.
            pub fn view_mut<T: Element, D: Dimension>(&mut self) -> Option<ArrayViewMut<'_, T, D>> {
                let items = Items::<T, D>::of(self.segment())?;
                // SAFETY: the lease lives as long as `self` is borrowed, by nobody else.
                Some(unsafe { items.view_mut(&self.part, self.lease.base(&self.part)) })
            }

            /// Whether one of the blocks is poisoned: whoever wrote it last did not come to the end.
            pub fn is_poisoned(&self) -> bool {
                self.lease.is_poisoned()
            }

            /// Says that the blocks are whole again. Readers believe it.
            pub fn clear_poison(&mut self) {
                self.lease.clear_poison();
            }
        }
    };
}
write_guard!(AnyWriteGuard<'_>);
write_guard!(OwnedWriteGuard);

impl OwnedWriteGuard {
    /// Ends the write as one that did not come to the end, as a panic would: the blocks are poisoned.
    pub fn fail(mut self) {
        self.lease.fail();
    }
}
