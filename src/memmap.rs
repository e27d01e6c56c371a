//! `np.memmap`'s twin: plain files as arrays. No header of ours, and nobody coordinates.

mod advice;
mod any;
mod builder;
pub mod mode;
mod npy;
mod open;

pub use advice::Advice;
pub use any::AnyMemmap;
pub use builder::{AnyMemmapBuilder, MemmapBuilder};
pub use mode::AnyMode;
pub use npy::{open_npy, save_npy};

use crate::element::Element;
use crate::error::Result;
use crate::scan::{Chunks, ChunksMut};
use mode::{Access, Read, Shared, Writable};
use ndarray::{ArrayView, ArrayViewMut, Dimension, IxDyn};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::path::Path;

/// Options for mapping a plain file as an array of `T`, as `np.memmap` does.
///
/// The file has no header of ours, or of anyone's, and whoever can read files can read it. See [`Memmap`].
///
/// # Examples
/// ```
/// use sharray::Mode;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data.dat");
/// let mut m = sharray::memmap::<f64>(&path).mode(Mode::Write).shape([100, 100]).open()?;
/// m.view_mut()[[12, 12]] = 5.5;
/// m.flush()?;
///
/// let m = sharray::memmap::<f64>(&path).shape([100, 100]).open()?;
/// assert_eq!(m.view().sum(), 5.5);
/// // Without a shape: as many items as there are.
/// assert_eq!(sharray::memmap::<f64>(&path).open()?.view().len(), 10_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn memmap<T: Element>(path: impl AsRef<Path>) -> MemmapBuilder<T> {
    MemmapBuilder::new(path.as_ref())
}

/// A plain file as an array of `T`, as `np.memmap` has it.
///
/// What may be done with it is in its type: only maps of a [writable](Writable) mode lend mutable views, and only those of a
/// [shared](Shared) one have anything to flush. [`Mode`](crate::Mode) lists the modes.
///
/// It dereferences to [`AnyMemmap`], which knows its dtype, shape, offset and path.
///
/// # Nobody coordinates
/// There is no lock: any program that may write the file can change what a view shows, at any time, as with `np.memmap`.
/// Items are of types for which any bytes are a value, so what one sees then is other numbers, or half of them. Rust assumes
/// that what is borrowed stays as it is, and a compiler may read an item once or twice: do not borrow a view where another
/// process writes at the same time and it matters; use a [`SharedArray`](crate::SharedArray), whose readers and writers take
/// turns. A program that makes the file shorter makes those who touch what is gone die of SIGBUS, unless they
/// [survive it](crate::survive_truncation); this library never does.
///
/// ```compile_fail,E0599
/// # let path = std::path::Path::new("data.dat");
/// let mut m = sharray::memmap::<f64>(path).open().unwrap();
/// m.view_mut(); // a map to look at has no mutable view
/// ```
///
/// # Examples
/// ```
/// use ndarray::Ix2;
/// use sharray::{Memmap, Mode};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data.dat");
/// let zeros: Memmap<i32, Ix2, Mode::Write> =
///     sharray::memmap(&path).mode(Mode::Write).shape([1000, 1000]).open()?;
/// let sum: i64 = zeros.chunks(100).map(|rows| rows.iter().map(|&i| i64::from(i)).sum::<i64>()).sum();
/// assert_eq!(sum, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Memmap<T, D = IxDyn, M = Read> {
    any: AnyMemmap,
    array: Marks<T, D, M>,
}

/// The types that only the compiler sees.
type Marks<T, D, M> = PhantomData<fn() -> (T, D, M)>;

impl<T: Element, D: Dimension, M: Access> Memmap<T, D, M> {
    /// Invariant, held by this only constructor and by privacy: it is an aligned array of `T` with the dimensions of `D`, mapped
    /// as `M` says.
    fn new(any: AnyMemmap) -> Result<Self> {
        any.view::<T, D>()?;
        Ok(Self { any, array: PhantomData })
    }

    /// The array, without a copy.
    ///
    /// See [above](Self#nobody-coordinates) for who else may change it.
    ///
    /// # Panics
    /// Never: dtype, dimensions and alignment were checked when it was opened.
    pub fn view(&self) -> ArrayView<'_, T, D> {
        self.any.view_checked().expect("checked when it was opened")
    }

    /// The array in chunks of `rows` along its first axis, the last one with what is left: for arrays larger than memory.
    ///
    /// The kernel is told to read ahead, and what is behind is dropped from this process's memory: a scan runs at the disk's
    /// speed with a chunk and some 4 MiB in memory. A chunk that is kept stays valid, and is read again when it is touched. In
    /// [`CopyOnWrite`](mode::CopyOnWrite) nothing is dropped: what was written is nowhere else. In Fortran order, see
    /// [`Chunks::axis`]. Takes the place of [`advise`](AnyMemmap::advise): when the chunks are
    /// dropped it is [`Advice::Normal`].
    ///
    /// # Panics
    /// If `rows` is zero, or the array has no dimensions.
    ///
    /// # Examples
    /// ```
    /// use sharray::{Mode, memmap};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("data.dat");
    /// # memmap::<f64>(&path).mode(Mode::Write).shape([1000, 10]).open()?.view_mut().fill(0.5);
    /// let m = memmap::<f64>(&path).shape([1000, 10]).open()?;
    /// let sum: f64 = m.chunks(64).map(|rows| rows.sum()).sum();
    /// assert_eq!(sum, 5000.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn chunks(&self, rows: usize) -> Chunks<'_, T, D> {
        Chunks::new(self.view(), self.scan(rows))
    }

    /// The same chunks for the threads of rayon's pool, handed out in order, so that the disk is read in order.
    ///
    /// # Panics
    /// As for [`chunks`](Self::chunks).
    ///
    /// # Examples
    /// ```
    /// use rayon::iter::ParallelIterator;
    /// # use sharray::Mode;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("data.dat");
    /// # sharray::memmap::<f64>(&path).mode(Mode::Write).shape([1000, 10]).open()?.view_mut().fill(0.5);
    /// let m = sharray::memmap::<f64>(&path).shape([1000, 10]).open()?;
    /// let sum: f64 = m.par_chunks(64).map(|rows| rows.sum()).sum();
    /// assert_eq!(sum, 5000.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "rayon")]
    pub fn par_chunks(&self, rows: usize) -> rayon::iter::IterBridge<Chunks<'_, T, D>> {
        self.chunks(rows).in_parallel()
    }

    /// Gives the map back, as dropping it does.
    pub fn close(self) {
        self.any.close();
    }

    /// The same with a dtype known at run time.
    ///
    /// # Examples
    /// ```
    /// use sharray::{DType, Mode, memmap};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("data.dat");
    /// memmap::<f64>(&path).mode(Mode::Write).shape([3]).open()?.close();
    /// let any = memmap::<f64>(&path).open()?.into_any();
    /// assert_eq!((any.dtype(), any.shape()), (&DType::F64, &[3][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_any(self) -> AnyMemmap {
        self.any
    }
}

impl<T: Element, D: Dimension, M: Writable> Memmap<T, D, M> {
    /// The array, to be written.
    ///
    /// # Panics
    /// Never, as for [`view`](Self::view).
    pub fn view_mut(&mut self) -> ArrayViewMut<'_, T, D> {
        self.any.view_mut_checked().expect("checked when it was opened")
    }

    /// The array in chunks to be written, as [`chunks`](Self::chunks). What was written and dropped from memory goes to the disk in the
    /// kernel's own time.
    ///
    /// # Panics
    /// If `rows` is zero, or the array has no dimensions.
    ///
    /// # Examples
    /// ```
    /// use sharray::{Mode, memmap};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("data.dat");
    /// let mut m = memmap::<f64>(&path).mode(Mode::Write).shape([1000, 10]).open()?;
    /// for (at, mut rows) in m.chunks_mut(64).enumerate() {
    ///     rows.fill(at as f64);
    /// }
    /// assert_eq!(m.view()[[999, 0]], 15.0);
    /// m.flush_rows(0..64)?;                               // these are on the disk now
    /// m.flush_async()?;                                   // and all others on their way
    /// m.flush()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn chunks_mut(&mut self, rows: usize) -> ChunksMut<'_, T, D> {
        let scan = self.scan(rows);
        ChunksMut::new(self.view_mut(), scan)
    }
}

impl<T: Element, D: Dimension, M: Shared> Memmap<T, D, M> {
    /// Asks the kernel to write what was changed to the disk, and waits until it is there.
    ///
    /// Other processes see every change at once; this is for when the machine stops.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the disk fails.
    pub fn flush(&self) -> Result<()> {
        self.any.flush()
    }

    /// The same for some rows; whole pages are written. In Fortran order, where rows are all over the file, it is the whole array.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) if there are no such rows;
    /// [`Error::Io`](crate::Error::Io).
    pub fn flush_rows(&self, rows: Range<usize>) -> Result<()> {
        self.any.flush_range(self.any.bytes_of(rows)?)
    }

    /// Asks for the writing, and does not wait for it.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    pub fn flush_async(&self) -> Result<()> {
        self.any.flush_async()
    }
}

impl<T, D, M> Deref for Memmap<T, D, M> {
    type Target = AnyMemmap;

    fn deref(&self) -> &AnyMemmap {
        &self.any
    }
}

impl<T, D, M> fmt::Debug for Memmap<T, D, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.any.fmt(f)
    }
}
