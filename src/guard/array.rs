//! What lends an array in place, or some of its blocks, to be read or written, with its dtype in its type.

use super::block::{Here, Reading, Writing};
use crate::element::Element;
use crate::scan::Chunks;
use crate::segment::{Part, Segment};
use crate::shape;
use ndarray::{ArrayRef, ArrayView, ArrayViewMut, Dimension, IxDyn, ShapeBuilder, StrideShape};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Range};

/// Where the items of an array in place are: its shape, and its distances in items.
///
/// Invariant, held by the only constructor and by privacy: both are those of a segment's payload, whose items are `T`s. They
/// fit every part of that segment, with the part's number of rows.
#[derive(Clone, Debug)]
pub(crate) struct Items<T, D> {
    shape: D,
    strides: D,
    item: PhantomData<fn() -> T>,
}

impl<T: Element, D: Dimension> Items<T, D> {
    /// `None` if its items are none of `T`, or its dimensions not those of `D`.
    pub(crate) fn of(segment: &Segment) -> Option<Self> {
        let form = segment.form();
        if form.dtype != T::dtype() || align_of::<T>() as u64 > crate::layout::LINE {
            return None;
        }
        let bytes = shape::strides_bytes(&form.shape, form.dtype.itemsize(), form.order).ok()?;
        let items: Vec<usize> = bytes.iter().map(|stride| stride / form.dtype.itemsize()).collect();
        let shape = D::from_dimension(&IxDyn(&form.shape))?;
        Some(Self { shape, strides: D::from_dimension(&IxDyn(&items))?, item: PhantomData })
    }

    /// Whether another array has its items where this one does.
    pub(crate) fn stand_as(&self, other: &ArrayRef<T, D>) -> bool {
        let ours = self.strides.slice().iter().map(|stride| isize::try_from(*stride).ok());
        ours.eq(other.strides().iter().map(|stride| Some(*stride)))
    }

    fn placed(&self, part: &Part) -> StrideShape<D> {
        let mut shape = self.shape.clone();
        if let Some(rows) = shape.slice_mut().first_mut() {
            *rows = part.rows.len();
        }
        // Without items there are no distances, and ndarray takes zeros for items in one place.
        if shape.size() == 0 { shape.into() } else { shape.strides(self.strides.clone()) }
    }

    /// The part's items, for as long as the caller's lease on it lasts.
    ///
    /// # Safety
    /// `base` is where the part starts, in the payload of the segment that this is of or in a copy of it, and for `'l` nobody
    /// writes the part's bytes.
    pub(super) unsafe fn view<'l>(&self, part: &Part, base: *const u8) -> ArrayView<'l, T, D> {
        // SAFETY: by the invariant every item of the part is inside the payload, and by the caller's word nobody writes it.
        // Payloads and copies start on lines, and items stand at multiples of their size from there.
        unsafe { ArrayView::from_shape_ptr(self.placed(part), base.cast()) }
    }

    /// The same, to be written.
    ///
    /// # Safety
    /// As for [`view`](Self::view), and for `'l` nobody but the view reads or writes the part's bytes.
    pub(super) unsafe fn view_mut<'l>(&self, part: &Part, base: *mut u8) -> ArrayViewMut<'l, T, D> {
        // SAFETY: as in `view`; no two items share bytes, since the distances are those of a packed array.
        unsafe { ArrayViewMut::from_shape_ptr(self.placed(part), base.cast()) }
    }
}

/// Lends an array of `T`, or some of its blocks, to be read. It dereferences to [`ndarray::ArrayRef`].
///
/// It stays on its thread. Dropping it lets writers in; leaking it (`mem::forget`) keeps them out until the handle is
/// dropped, or, if it was added to a lease that the thread had through another handle, until the process ends.
///
/// ```compile_fail,E0277
/// # fn field() -> sharray::SharedArray<f64> { unimplemented!() }
/// let field = field();
/// let guard = field.read().unwrap();
/// std::thread::scope(|scope| {
///     scope.spawn(move || drop(guard)); // the thread that took it gives it back
/// });
/// ```
///
/// # Examples
/// ```
/// use ndarray::{ArrayRef2, Ix2};
/// use sharray::SharedArray;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let field = SharedArray::<f64, Ix2>::builder().directory(&place).blocks(2).create("field", [10, 3])?;
/// fn mean(rows: &ArrayRef2<f64>) -> Option<f64> {
///     rows.mean()
/// }
/// let guard = field.read_block(1)?;
/// assert_eq!(mean(&guard), Some(0.0));
/// assert_eq!((guard.rows(), guard[[0, 2]], guard.is_copy()), (5..10, 0.0, false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ReadGuard<'a, T, D = IxDyn> {
    /// Never lent but by reference: it must not outlive the lease.
    view: ArrayView<'a, T, D>,
    rows: Range<usize>,
    reading: Reading<Here<'a>>,
}

impl<'a, T: Element, D: Dimension> ReadGuard<'a, T, D> {
    /// The lease and the items are of the same segment.
    #[inline]
    pub(crate) fn new(reading: Reading<Here<'a>>, part: Part, items: &Items<T, D>) -> Self {
        // SAFETY: the lease goes where the view goes, and ends with it.
        let view = unsafe { items.view(&part, reading.base(&part)) };
        Self { view, rows: part.rows, reading }
    }

    /// The rows of the array that are lent.
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// What is lent in chunks of `rows` along its first axis, the last one with what is left: for arrays on a disk that are larger
    /// than memory.
    ///
    /// It is one lease, so all chunks are of one state of the array. On a disk the kernel is told to read ahead, and what is
    /// behind is dropped from this process's memory, as [`Memmap::chunks`](crate::Memmap::chunks) does; it stays what it
    /// is, and comes back when it is touched. In memory (`/dev/shm`), and of a [copy](Self::is_copy), there is nothing to fetch or to
    /// drop: then these are slices.
    ///
    /// # Panics
    /// If `rows` is zero, or the array has no dimensions.
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix2;
    /// use sharray::SharedArray;
    /// # let folder = tempfile::tempdir()?;
    /// let place = sharray::Directory::open(folder.path())?;
    /// let field = SharedArray::<f64, Ix2>::builder().directory(&place).create("field", [1000, 10])?;
    /// field.write()?.fill(0.5);
    /// let sum: f64 = field.read()?.chunks(64).map(|rows| rows.sum()).sum();
    /// assert_eq!(sum, 5000.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn chunks(&self, rows: usize) -> Chunks<'_, T, D> {
        Chunks::new(self.view(), self.reading.scan(self.rows(), rows))
    }

    /// The same chunks for the threads of rayon's pool, handed out in order, so that the disk is read in order.
    ///
    /// # Panics
    /// As for [`chunks`](Self::chunks).
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix2;
    /// use rayon::iter::ParallelIterator;
    /// use sharray::SharedArray;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let field = SharedArray::<f64, Ix2>::builder().directory(&place).create("field", [1000, 10])?;
    /// field.write()?.fill(0.5);
    /// let sum: f64 = field.read()?.par_chunks(64).map(|rows| rows.sum()).sum();
    /// assert_eq!(sum, 5000.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "rayon")]
    pub fn par_chunks(&self, rows: usize) -> rayon::iter::IterBridge<Chunks<'_, T, D>> {
        self.chunks(rows).in_parallel()
    }

    /// Whether it lends a private copy, because the file may only be read.
    pub fn is_copy(&self) -> bool {
        matches!(self.reading, Reading::Copy(..))
    }
}

impl<T, D: Dimension> Deref for ReadGuard<'_, T, D> {
    type Target = ArrayRef<T, D>;

    fn deref(&self) -> &ArrayRef<T, D> {
        &self.view
    }
}

/// Lends an array of `T`, or some of its blocks, to be written by nobody else. It dereferences to
/// [`ndarray::ArrayRef`].
///
/// It stays on its thread. Dropping it ends the write. Dropped by a panic, it leaves its blocks poisoned, and so does
/// leaking it (`mem::forget`), once the handle is dropped.
///
/// ```compile_fail,E0277
/// # fn field() -> sharray::SharedArray<f64> { unimplemented!() }
/// let field = field();
/// let guard = field.write().unwrap();
/// std::thread::scope(|scope| {
///     scope.spawn(move || drop(guard)); // the thread that took it gives it back
/// });
/// ```
///
/// # Examples
/// ```
/// use ndarray::{Ix2, array};
/// use sharray::{Error, SharedArray};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let field = SharedArray::<f64, Ix2>::builder().directory(&place).create("field", [2, 2])?;
/// field.write()?.assign(&array![[1.0, 2.0], [3.0, 4.0]]);
/// field.write()?.row_mut(0).fill(0.0);
///
/// // Whoever dies half way leaves poison. The next one puts it right, and says so.
/// # std::panic::set_hook(Box::new(|_| {}));
/// std::thread::scope(|scope| {
///     let writer = scope.spawn(|| {
///         let mut guard = field.write().unwrap();
///         guard[[0, 0]] = -1.0;
///         panic!("half way");
///     });
///     assert!(writer.join().is_err());
/// });
/// assert!(matches!(field.read(), Err(Error::Poisoned { block: 0, .. })));
/// let mut guard = field.write()?;
/// assert_eq!((guard.is_poisoned(), guard.rows()), (true, 0..2));
/// guard[[0, 0]] = 0.0;
/// guard.clear_poison();
/// drop(guard);
/// field.write()?.fill(1.0);                           // so does overwriting all of it
/// assert_eq!(field.read()?.sum(), 4.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WriteGuard<'a, T, D = IxDyn> {
    /// Never lent but by reference: it must not outlive the lease.
    view: ArrayViewMut<'a, T, D>,
    /// How many items are lent. The view has fewer where the caller narrowed it in place.
    len: usize,
    rows: Range<usize>,
    writing: Writing<Here<'a>>,
}

impl<'a, T: Element, D: Dimension> WriteGuard<'a, T, D> {
    /// The lease and the items are of the same segment.
    #[inline]
    pub(crate) fn new(mut writing: Writing<Here<'a>>, part: Part, items: &Items<T, D>) -> Self {
        // SAFETY: the lease goes where the view goes, and ends with it; nobody else is lent the bytes meanwhile.
        let view = unsafe { items.view_mut(&part, writing.base(&part)) };
        Self { len: view.len(), view, rows: part.rows, writing }
    }

    /// The rows of the array that are lent.
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// Whether one of the blocks is poisoned: whoever wrote it last did not come to the end, and readers get
    /// [`Error::Poisoned`](crate::Error::Poisoned).
    pub fn is_poisoned(&self) -> bool {
        self.writing.is_poisoned()
    }

    /// Says that the blocks are whole again. Readers believe it.
    pub fn clear_poison(&mut self) {
        self.writing.clear_poison();
    }

    /// Overwrites all that is lent with the items of another array of the same shape, or one that broadcasts to it, and
    /// so clears the poison. Where the guard was narrowed in place (`slice_collapse`), it overwrites what is left, and clears
    /// nothing.
    ///
    /// # Panics
    /// If the shapes do not fit, as [`ndarray::ArrayRef::assign`] does. The blocks are poisoned then.
    pub fn assign<E: Dimension>(&mut self, other: &ArrayRef<T, E>) {
        self.view.assign(other);
        self.clear_poison_of_all();
    }

    /// Overwrites all that is lent with one item, and so clears the poison, as [`assign`](Self::assign) does.
    pub fn fill(&mut self, item: T) {
        self.view.fill(item);
        self.clear_poison_of_all();
    }

    /// Clears the poison after the view was overwritten, if that is all that is lent.
    fn clear_poison_of_all(&mut self) {
        if self.view.len() == self.len {
            self.clear_poison();
        }
    }
}

impl<T, D> WriteGuard<'_, T, D> {
    /// Makes the end of this write leave its blocks poisoned, as a panic does.
    pub(crate) fn fail(&mut self) {
        self.writing.fail();
    }
}

impl<T, D: Dimension> Deref for WriteGuard<'_, T, D> {
    type Target = ArrayRef<T, D>;

    fn deref(&self) -> &ArrayRef<T, D> {
        &self.view
    }
}

impl<T, D: Dimension> DerefMut for WriteGuard<'_, T, D> {
    fn deref_mut(&mut self) -> &mut ArrayRef<T, D> {
        &mut self.view
    }
}

impl<T: fmt::Debug, D: Dimension> fmt::Debug for ReadGuard<'_, T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view.fmt(f)
    }
}

impl<T: fmt::Debug, D: Dimension> fmt::Debug for WriteGuard<'_, T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view.fmt(f)
    }
}
