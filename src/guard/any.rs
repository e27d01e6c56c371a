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
pub struct AnyReadGuard<'a> {
    part: Part,
    lease: Reading<Here<'a>>,
}

/// Lends an array of a run-time dtype, or some of its blocks, to be written by nobody else.
///
/// It stays on its thread. Dropping it ends the write; dropped by a panic, it leaves its blocks poisoned.
pub struct AnyWriteGuard<'a> {
    part: Part,
    lease: Writing<Here<'a>>,
}

/// Lends an array to be read, like [`AnyReadGuard`], and keeps it attached itself: for those who cannot borrow, as
/// bindings to other languages and futures cannot.
///
/// It may be sent to and dropped on another thread. [`WouldDeadlock`](crate::Error::WouldDeadlock) speaks of the thread
/// that took it.
pub struct OwnedReadGuard {
    part: Part,
    lease: Reading<Arc<Attachment>>,
}

/// Lends an array to be written, like [`AnyWriteGuard`], and keeps it attached itself. See [`OwnedReadGuard`].
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
