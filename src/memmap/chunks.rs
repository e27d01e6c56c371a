//! Scans of arrays larger than memory: chunk by chunk, reading ahead and dropping what is behind.

use crate::shape::Order;
use crate::sys::plain::Pages;
use ndarray::{ArrayView, ArrayViewMut, Axis, Dimension, Slice};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// So many bytes are given back at a time. Fewer cost more calls for the same speed, more cost memory.
const WINDOW_BYTES: usize = 4 << 20;
/// So many behind them are looked at again where several threads are at work.
const REVISITED_BYTES: usize = 128 << 20;

/// A scan of an array: the ranges of rows of its chunks, which the kernel is asked to bring and to drop in time.
#[derive(Clone, Debug)]
pub struct Scan {
    pages: Arc<Pages>,
    rows: usize,
    chunk_rows: usize,
    next: usize,
    /// The bytes of a row; zero where rows are no ranges of bytes, and so nothing is fetched or dropped.
    row_bytes: usize,
    /// How many chunks behind the one that is handed out are still in use.
    in_use: usize,
    uncache: bool,
    is_told: bool,
    dropped: usize,
}

impl Scan {
    pub(super) fn new(
        pages: Arc<Pages>,
        shape: &[usize],
        itemsize: usize,
        order: Order,
        axis: usize,
        chunk_rows: usize,
    ) -> Self {
        assert!(chunk_rows > 0, "chunks have at least one row");
        assert!(axis < shape.len(), "axis {axis} of an array of {} dimensions", shape.len());
        let slowest = if order == Order::C { 0 } else { shape.len() - 1 };
        let rest = shape.iter().enumerate().filter(|(other, _)| *other != axis).map(|(_, n)| n);
        let row_bytes = if axis == slowest { rest.product::<usize>() * itemsize } else { 0 };
        let rows = shape[axis];
        Self { pages, rows, chunk_rows, next: 0, row_bytes, in_use: 0, uncache: false, is_told: false, dropped: 0 }
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
    fn fetch(&mut self, rows: &Range<usize>) {
        if !self.is_told && self.row_bytes > 0 {
            self.pages.read_in_order(true);
            self.is_told = true;
        }
        if self.in_use > 0 {
            // Threads that touch several chunks at a time are no order to the kernel.
            self.pages.touch(rows.start * self.row_bytes..rows.end * self.row_bytes);
        }
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
        self.pages.release(from..behind);
        if self.uncache {
            self.pages.uncache(self.dropped..behind);
        }
        self.dropped = behind;
        if is_over {
            self.pages.read_in_order(false);
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
        self.fetch(&rows);
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
pub struct Chunks<'a, T, D> {
    view: ArrayView<'a, T, D>,
    axis: Axis,
    order: Order,
    scan: Scan,
    progress: Option<Progress<'a>>,
}

/// The chunks of an array, one after the other, to be written. See [`Memmap::chunks_mut`](crate::Memmap::chunks_mut).
pub struct ChunksMut<'a, T, D> {
    rest: Option<ArrayViewMut<'a, T, D>>,
    axis: Axis,
    order: Order,
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
            /// If there is no such axis.
            #[must_use]
            pub fn axis(mut self, axis: Axis) -> Self {
                let shape = self.shape().to_vec();
                let Scan { pages, chunk_rows, in_use, uncache, .. } = self.scan;
                let scan = Scan::new(pages, &shape, size_of::<T>(), self.order, axis.index(), chunk_rows);
                self.scan = Scan { in_use, uncache, ..scan };
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
    pub(super) fn new(view: ArrayView<'a, T, D>, order: Order, scan: Scan) -> Self {
        Self { view, axis: Axis(0), order, scan, progress: None }
    }

    fn shape(&self) -> &[usize] {
        self.view.shape()
    }

    /// Lets so many chunks be in use at a time: they are not dropped while a thread is at work on them.
    #[cfg(feature = "rayon")]
    pub(super) fn in_use(mut self, chunks: usize) -> Self {
        self.scan.in_use = chunks;
        self
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
    pub(super) fn new(view: ArrayViewMut<'a, T, D>, order: Order, scan: Scan) -> Self {
        Self { rest: Some(view), axis: Axis(0), order, scan, progress: None }
    }

    fn shape(&self) -> &[usize] {
        self.rest.as_ref().map_or(&[], |view| view.shape())
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
