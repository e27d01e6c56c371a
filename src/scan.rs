//! Scans of arrays larger than memory: chunk by chunk, reading ahead and dropping what is behind.

use crate::shape::Order;
use crate::sys::pages::Pages;
use crate::sys::plain::PlainPages;
use ndarray::{ArrayView, ArrayViewMut, Axis, Dimension, Slice};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// So many bytes are given back at a time. Fewer cost more calls for the same speed, more cost memory.
const WINDOW_BYTES: usize = 4 << 20;
/// So many behind them are looked at again where several threads are at work.
const REVISITED_BYTES: usize = 128 << 20;

/// What has a part of a file mapped as long as it lives: the items of one array.
pub(crate) trait Mapped: fmt::Debug + Send + Sync {
    fn pages(&self) -> Pages<'_>;
}

impl Mapped for PlainPages {
    fn pages(&self) -> Pages<'_> {
        self.pages()
    }
}

/// What of an array is scanned: some rows of its first axis.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    /// The whole array's.
    pub(crate) shape: Vec<usize>,
    pub(crate) itemsize: usize,
    pub(crate) order: Order,
    pub(crate) rows: Range<usize>,
}

impl Extent {
    pub(crate) fn whole(shape: Vec<usize>, itemsize: usize, order: Order) -> Self {
        let rows = 0..shape.first().copied().unwrap_or(1);
        Self { shape, itemsize, order, rows }
    }

    /// The rows along another axis: all there are.
    fn rows_of(&self, axis: usize) -> Range<usize> {
        if axis == 0 { self.rows.clone() } else { 0..self.shape[axis] }
    }

    /// The bytes of a row along an axis; zero where rows are no ranges of bytes.
    fn row_bytes(&self, axis: usize) -> usize {
        let slowest = if self.order == Order::C { 0 } else { self.shape.len() - 1 };
        let rest = self.shape.iter().enumerate().filter(|(other, _)| *other != axis).map(|(_, n)| n);
        if axis == slowest { rest.product::<usize>() * self.itemsize } else { 0 }
    }
}

/// A scan of an array: the ranges of rows of its chunks, which the kernel is asked to bring and to drop in time.
///
/// # Examples
/// ```
/// use sharray::{AnyMemmap, DType, Mode};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data.dat");
/// # AnyMemmap::builder(&path).mode(Mode::Write).dtype(DType::F32).shape(&[1000, 10]).open()?;
/// let m = AnyMemmap::builder(&path).dtype(DType::F32).shape(&[1000, 10]).open()?;
/// let mut scan = m.scan(400).uncached();
/// assert_eq!((scan.next(), scan.progress()), (Some(0..400), (400, 1000)));
/// assert_eq!(scan.collect::<Vec<_>>(), [400..800, 800..1000]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scan {
    /// `None` where nothing is to be fetched or dropped.
    mapped: Option<Arc<dyn Mapped>>,
    extent: Extent,
    rows: usize,
    chunk_rows: usize,
    next: usize,
    /// The bytes of a row; zero where rows are no ranges of bytes, and so nothing is fetched or dropped.
    row_bytes: usize,
    /// The bytes before the first row.
    first_byte: usize,
    /// How many chunks behind the one that is handed out are still in use.
    in_use: usize,
    uncache: bool,
    is_told: bool,
    dropped: usize,
}

impl Scan {
    pub(crate) fn new(mapped: Option<Arc<dyn Mapped>>, extent: Extent, chunk_rows: usize) -> Self {
        assert!(chunk_rows > 0, "chunks have at least one row");
        let new = Self {
            mapped,
            extent,
            rows: 0,
            chunk_rows,
            next: 0,
            row_bytes: 0,
            first_byte: 0,
            in_use: 0,
            uncache: false,
            is_told: false,
            dropped: 0,
        };
        new.along(0)
    }

    /// The same over another axis.
    fn along(mut self, axis: usize) -> Self {
        assert!(self.next == 0, "the axis is chosen before the first chunk is taken");
        let ndim = self.extent.shape.len();
        assert!(axis < ndim, "axis {axis} of an array of {ndim} dimensions");
        let rows = self.extent.rows_of(axis);
        self.rows = rows.len();
        self.row_bytes = if self.mapped.is_some() { self.extent.row_bytes(axis) } else { 0 };
        self.first_byte = rows.start * self.row_bytes;
        self
    }

    fn pages(&self) -> Option<Pages<'_>> {
        self.mapped.as_deref().map(Mapped::pages)
    }

    /// The bytes of some rows.
    fn bytes_of(&self, rows: Range<usize>) -> Range<usize> {
        self.first_byte + rows.start * self.row_bytes..self.first_byte + rows.end * self.row_bytes
    }

    /// Also drops what is behind from the kernel's cache, for everybody: for files that are read once and crowd out others.
    #[must_use]
    pub fn uncached(mut self) -> Self {
        self.uncache = true;
        self
    }

    /// How many rows were handed out, and how many there are.
    pub fn progress(&self) -> (usize, usize) {
        (self.next, self.rows)
    }

    /// In a map that is read in order the kernel itself reads ahead of what is touched, and in larger pieces than when it is
    /// asked for ranges (`MADV_WILLNEED`): measured, that takes a tenth of the processor's time, and less than `read`.
    fn fetch(&mut self, rows: Range<usize>) {
        if self.row_bytes == 0 {
            return;
        }
        let Some(pages) = self.pages() else { return };
        if !self.is_told {
            pages.read_in_order(true);
        }
        if self.in_use > 0 {
            // Threads that touch several chunks at a time are no order to the kernel.
            pages.touch(self.bytes_of(rows));
        }
        self.is_told = true;
    }

    fn drop_behind(&mut self, start: usize) {
        let is_over = start == self.rows;
        let in_use = if is_over { 0 } else { self.in_use.saturating_mul(self.chunk_rows) };
        let behind = start.saturating_sub(in_use) * self.row_bytes;
        if behind <= self.dropped || (!is_over && behind - self.dropped < WINDOW_BYTES) {
            return;
        }
        // A thread that was slow may have brought back what was dropped before.
        let revisited = if is_over { usize::MAX } else { REVISITED_BYTES };
        let from = if self.in_use > 0 { self.dropped.saturating_sub(revisited) } else { self.dropped };
        let at = |bytes: Range<usize>| self.first_byte + bytes.start..self.first_byte + bytes.end;
        if let Some(pages) = self.pages() {
            pages.release(at(from..behind));
            if self.uncache {
                pages.uncache(at(self.dropped..behind));
            }
        }
        self.dropped = behind;
    }
}

impl Drop for Scan {
    /// Whoever uses the map next may read it in any order.
    fn drop(&mut self) {
        if let (true, Some(pages)) = (self.is_told, self.pages()) {
            pages.read_in_order(false);
        }
    }
}

impl Iterator for Scan {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let rows = self.next..self.next.saturating_add(self.chunk_rows).min(self.rows);
        self.next = rows.end;
        self.drop_behind(rows.start);
        if rows.is_empty() {
            return None;
        }
        self.fetch(rows.clone());
        Some(rows)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.rows - self.next).div_ceil(self.chunk_rows);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Scan {}

/// Who is told how many rows are done, and of how many.
type Progress<'a> = Box<dyn FnMut(usize, usize) + Send + 'a>;

/// The chunks of an array, one after the other. See [`Memmap::chunks`](crate::Memmap::chunks).
///
/// # Examples
/// ```
/// use ndarray::Axis;
/// use sharray::{Mode, Order, memmap};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data.dat");
/// # memmap::<f64>(&path).mode(Mode::Write).shape([10, 1000]).open()?.view_mut().fill(0.5);
/// // In Fortran order, where columns are whole in the file:
/// let m = memmap::<f64>(&path).shape([10, 1000]).order(Order::Fortran).open()?;
/// let (mut done, mut sum) = (0, 0.0);
/// for columns in m.chunks(64).axis(Axis(1)).uncached().progress(|columns, _all| done = columns) {
///     sum += columns.sum();
/// }
/// assert_eq!((sum, done), (5000.0, 1000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Chunks<'a, T, D> {
    view: ArrayView<'a, T, D>,
    axis: Axis,
    scan: Scan,
    progress: Option<Progress<'a>>,
}

/// The chunks of an array, one after the other, to be written. See [`Memmap::chunks_mut`](crate::Memmap::chunks_mut).
///
/// # Examples
/// ```
/// use sharray::{Mode, memmap};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data.dat");
/// let mut m = memmap::<f64>(&path).mode(Mode::Write).shape([1000, 10]).open()?;
/// let chunks = m.chunks_mut(300).progress(|rows, all| println!("{rows} of {all} rows"));
/// assert_eq!(chunks.len(), 4);
/// chunks.for_each(|mut rows| rows.fill(0.5));
/// assert_eq!(m.view().sum(), 5000.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ChunksMut<'a, T, D> {
    rest: Option<ArrayViewMut<'a, T, D>>,
    axis: Axis,
    scan: Scan,
    progress: Option<Progress<'a>>,
}

macro_rules! chunk_options {
    ($chunks:ident) => {
        impl<'a, T, D: Dimension> $chunks<'a, T, D> {
            /// Runs over another axis. Only over the one whose rows are whole in the file is anything read ahead or dropped: the
            /// first in C order, the last in Fortran order.
            ///
            /// # Panics
            /// If there is no such axis, or a chunk was taken already.
            #[must_use]
            pub fn axis(mut self, axis: Axis) -> Self {
                self.scan = self.scan.along(axis.index());
                self.axis = axis;
                self
            }

            /// Also drops what is behind from the kernel's cache, for everybody: for files that are read once and crowd out others.
            #[must_use]
            pub fn uncached(mut self) -> Self {
                self.scan = self.scan.uncached();
                self
            }

            /// Calls `progress` before each chunk, and at the end, with the rows that are done and those there are.
            #[must_use]
            pub fn progress(mut self, progress: impl FnMut(usize, usize) + Send + 'a) -> Self {
                self.progress = Some(Box::new(progress));
                self
            }

            fn next_rows(&mut self) -> Option<Range<usize>> {
                let (done, all) = self.scan.progress();
                if let Some(progress) = &mut self.progress {
                    progress(done, all);
                }
                let rows = self.scan.next();
                if rows.is_none() {
                    self.progress = None;
                }
                rows
            }
        }

        impl<T, D: Dimension> ExactSizeIterator for $chunks<'_, T, D> {}

        impl<T, D> fmt::Debug for $chunks<'_, T, D> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($chunks)).field("scan", &self.scan).finish_non_exhaustive()
            }
        }
    };
}
chunk_options!(Chunks);
chunk_options!(ChunksMut);

impl<'a, T, D: Dimension> Chunks<'a, T, D> {
    /// The scan is of what is viewed.
    pub(crate) fn new(view: ArrayView<'a, T, D>, scan: Scan) -> Self {
        Self { view, axis: Axis(0), scan, progress: None }
    }

    /// Hands them to the threads of rayon's pool. What they are at work on is not dropped.
    #[cfg(feature = "rayon")]
    pub(crate) fn in_parallel(mut self) -> rayon::iter::IterBridge<Self>
    where
        T: Sync,
    {
        self.scan.in_use = rayon::current_num_threads();
        rayon::iter::ParallelBridge::par_bridge(self)
    }
}

impl<'a, T, D: Dimension> Iterator for Chunks<'a, T, D> {
    type Item = ArrayView<'a, T, D>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.next_rows()?;
        let mut chunk = self.view.clone();
        chunk.slice_axis_inplace(self.axis, Slice::from(rows));
        Some(chunk)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.scan.size_hint()
    }
}

impl<'a, T, D: Dimension> ChunksMut<'a, T, D> {
    /// The scan is of what is viewed.
    pub(crate) fn new(view: ArrayViewMut<'a, T, D>, scan: Scan) -> Self {
        Self { rest: Some(view), axis: Axis(0), scan, progress: None }
    }
}

impl<'a, T, D: Dimension> Iterator for ChunksMut<'a, T, D> {
    type Item = ArrayViewMut<'a, T, D>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.next_rows()?;
        let (chunk, rest) = self.rest.take()?.split_at(self.axis, rows.len());
        self.rest = Some(rest);
        Some(chunk)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.scan.size_hint()
    }
}
