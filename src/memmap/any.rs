//! A plain file as an array, dtype known at run time; the typed one is a thin cover over it.

use super::mode::AnyMode;
use super::{Advice, AnyMemmapBuilder};
use crate::dtype::DType;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::npy::Preamble as Form;
use crate::scan::{Extent, Scan};
use crate::shape::{self, Order};
use crate::sys::plain::{Access, PlainMap};
use crate::view;
use ndarray::{Array, ArrayView, ArrayViewMut, Dimension};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A plain file as an array, with a dtype known at run time. See [`Memmap`](crate::Memmap).
///
/// Nothing is private to one thread in it: it is `Send` and `Sync`.
///
/// # Examples
/// ```
/// use ndarray::{Ix2, array};
/// use sharray::{AnyMemmap, DType, Mode};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data.dat");
/// let mut m = AnyMemmap::builder(&path).mode(Mode::Write).dtype(DType::I32).shape(&[2, 2]).open()?;
/// m.view_mut::<i32, Ix2>()?.assign(&array![[1, 2], [3, 4]]);
/// m.flush()?;
///
/// // What NumPy says where it is told nothing: bytes, and as many as there are.
/// let m = AnyMemmap::builder(&path).open()?;
/// assert_eq!((m.dtype(), m.shape()), (&DType::U8, &[16][..]));
/// assert_eq!(m.bytes()[4], 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AnyMemmap {
    map: PlainMap,
    path: PathBuf,
    mode: AnyMode,
    offset: u64,
    form: Form,
    strides: Vec<usize>,
}

impl AnyMemmap {
    /// Options for mapping the file at `path`.
    pub fn builder(path: impl AsRef<Path>) -> AnyMemmapBuilder {
        AnyMemmapBuilder::new(path.as_ref())
    }

    pub(super) fn new(map: PlainMap, path: &Path, mode: AnyMode, offset: u64, form: Form) -> Result<Self> {
        let strides = shape::strides_bytes(&form.shape, form.dtype.itemsize(), form.order)?;
        Ok(Self { map, path: path.to_owned(), mode, offset, form, strides })
    }

    /// The path that was given.
    ///
    /// # Examples
    /// ```
    /// use sharray::{AnyMemmap, AnyMode, DType, Mode, Order};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("data.dat");
    /// let builder = AnyMemmap::builder(&path).offset(8).dtype(DType::U16).shape(&[2, 3]).order(Order::Fortran);
    /// let m = builder.mode(Mode::Write).open()?;
    /// assert_eq!((m.path(), m.mode(), m.is_writable()), (path.as_path(), AnyMode::Write, true));
    /// assert_eq!((m.offset(), m.size_bytes()), (8, 12));
    /// assert_eq!((m.order(), m.strides()), (Order::Fortran, &[2, 4][..]));
    /// assert_eq!(m.file().metadata()?.len(), 20);
    /// m.check_whole()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it was opened.
    pub fn mode(&self) -> AnyMode {
        self.mode
    }

    /// Whether it may be written: in every mode but [`AnyMode::Read`].
    pub fn is_writable(&self) -> bool {
        self.map.access() != Access::Read
    }

    /// Where the first item is in the file, in bytes. In a .npy file, behind the header.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The items' dtype.
    pub fn dtype(&self) -> &DType {
        &self.form.dtype
    }

    /// The array's shape.
    pub fn shape(&self) -> &[usize] {
        &self.form.shape
    }

    /// How the items stand in the file.
    pub fn order(&self) -> Order {
        self.form.order
    }

    /// The distance in bytes from one item to the next along each dimension; all zero if there are no items.
    pub fn strides(&self) -> &[usize] {
        &self.strides
    }

    /// The bytes of all items.
    pub fn size_bytes(&self) -> usize {
        self.map.len()
    }

    /// Where the first item is in memory. There are [`size_bytes`](Self::size_bytes) bytes, aligned as the offset in the file is.
    ///
    /// # Examples
    /// ```
    /// use sharray::{AnyMemmap, DType, Mode};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("data.dat");
    /// let m = AnyMemmap::builder(&path).mode(Mode::Write).dtype(DType::F64).shape(&[100]).open()?;
    /// let first = m.as_mut_ptr().expect("it may be written").cast::<f64>();
    /// // SAFETY: it points to 100 items, of which nobody else has a view.
    /// unsafe { first.write(0.5) };
    /// // SAFETY: as above.
    /// assert_eq!(unsafe { m.as_ptr().cast::<f64>().read() }, 0.5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn as_ptr(&self) -> *const u8 {
        self.map.base()
    }

    /// The same, to be written through; `None` if it may only be read.
    ///
    /// Writing through it while a view is borrowed, from this value or another thread, is the caller's to prevent.
    pub fn as_mut_ptr(&self) -> Option<*mut u8> {
        self.is_writable().then(|| self.map.base())
    }

    /// The file, for what only a descriptor can do.
    pub fn file(&self) -> &File {
        self.map.file()
    }

    /// The bytes of all items, in the file's order.
    pub fn bytes(&self) -> &[u8] {
        self.map.bytes()
    }

    /// The same, to be written.
    ///
    /// # Errors
    /// [`Error::ReadOnly`].
    ///
    /// # Examples
    /// ```
    /// use sharray::{AnyMemmap, Error, Mode};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("data.dat");
    /// std::fs::write(&path, b"plain bytes")?;
    /// let mut m = AnyMemmap::builder(&path).mode(Mode::ReadWrite).open()?;
    /// m.bytes_mut()?[0] = b'P';
    /// m.flush_range(0..1)?;
    /// assert_eq!(std::fs::read(&path)?, b"Plain bytes");
    ///
    /// let mut m = AnyMemmap::builder(&path).open()?;
    /// assert!(matches!(m.bytes_mut(), Err(Error::ReadOnly { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bytes_mut(&mut self) -> Result<&mut [u8]> {
        self.map.bytes_mut().ok_or_else(|| Error::ReadOnly { name: name_of(&self.path) })
    }

    /// The array, without a copy.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if it is not one of `T` with the dimensions of `D`; [`Error::InvalidArgument`] if its items are not
    /// aligned as `T` has to be: [`to_array`](Self::to_array) copies them to where they are.
    pub fn view<T: Element, D: Dimension>(&self) -> Result<ArrayView<'_, T, D>> {
        self.check::<T, D>()?;
        let view = view::view(self.bytes(), &self.form.shape, self.form.order);
        view.ok_or_else(|| self.unaligned(align_of::<T>()))
    }

    /// The array, to be written.
    ///
    /// # Errors
    /// [`Error::ReadOnly`]; and those of [`view`](Self::view).
    pub fn view_mut<T: Element, D: Dimension>(&mut self) -> Result<ArrayViewMut<'_, T, D>> {
        self.check::<T, D>()?;
        if !self.is_aligned(align_of::<T>()) {
            return Err(self.unaligned(align_of::<T>()));
        }
        let bytes = self.map.bytes_mut().ok_or_else(|| Error::ReadOnly { name: name_of(&self.path) })?;
        let view = view::view_mut(bytes, &self.form.shape, self.form.order);
        view.ok_or_else(|| Error::corrupt(&name_of(&self.path), "it is not what was checked"))
    }

    /// Whether somebody cut the file short while it was used: then what was gone reads as zeros, and what is written there
    /// goes nowhere. Views cannot say so; every call that returns a `Result` and this one do. See
    /// [`survive_truncation`](crate::survive_truncation), without which nobody lives to ask.
    ///
    /// # Errors
    /// [`Error::Truncated`]; [`Error::Io`] if the file is long enough again, or its disk failed, or is full and the file
    /// sparse.
    pub fn check_whole(&self) -> Result<()> {
        let expected = self.offset + self.size_bytes() as u64;
        match self.map.loss() {
            None => Ok(()),
            Some(loss) => Err(loss.explain(&name_of(&self.path), expected)),
        }
    }

    /// A private copy of the array, wherever its items stand in the file.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if it is not one of `T` with the dimensions of `D`; [`Error::Io`] if there is not so much memory.
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// use sharray::{AnyMemmap, DType, Error};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("data.dat");
    /// std::fs::write(&path, [9, 1, 0, 2, 0])?;            // numbers of two bytes, behind a header of one
    /// let m = AnyMemmap::builder(&path).offset(1).dtype(DType::U16).open()?;
    /// assert!(matches!(m.view::<u16, Ix1>(), Err(Error::InvalidArgument { .. })), "they stand at an odd address");
    /// assert_eq!(m.to_array::<u16, Ix1>()?.to_vec(), [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_array<T: Element, D: Dimension>(&self) -> Result<Array<T, D>> {
        self.check::<T, D>()?;
        let no_memory = |()| Error::io("copy", &self.path, std::io::ErrorKind::OutOfMemory);
        let mut items: Vec<T> =
            bytemuck::allocation::try_zeroed_vec(self.size_bytes() / size_of::<T>()).map_err(no_memory)?;
        bytemuck::cast_slice_mut(&mut items).copy_from_slice(self.bytes());
        self.check_whole()?;
        view::strided::<D>(&self.form.shape, self.form.order)
            .and_then(|shape| Array::from_shape_vec(shape, items).ok())
            .ok_or_else(|| Error::corrupt(&name_of(&self.path), "it is not what was checked"))
    }

    /// Asks the kernel to write what was changed to the disk, and waits until it is there.
    ///
    /// A map that may only be read, or copied on write, has nothing for the file: then this does nothing.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk fails.
    pub fn flush(&self) -> Result<()> {
        self.flush_range(0..self.size_bytes())
    }

    /// The same for a range of bytes, counted from the first item; whole pages are written.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if there are no such bytes; [`Error::Io`].
    pub fn flush_range(&self, bytes: Range<usize>) -> Result<()> {
        self.flush_bytes(bytes, true)
    }

    /// Asks for the writing, and does not wait for it.
    ///
    /// # Errors
    /// [`Error::Io`].
    ///
    /// # Examples
    /// ```
    /// use sharray::{AnyMemmap, DType, Mode};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("data.dat");
    /// let mut m = AnyMemmap::builder(&path).mode(Mode::Write).dtype(DType::U8).shape(&[1 << 16]).open()?;
    /// m.bytes_mut()?.fill(1);
    /// m.flush_async_range(0..4096)?;
    /// m.flush_async()?;
    /// m.flush()?;                                         // waits until all of it is there
    /// m.close();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush_async(&self) -> Result<()> {
        self.flush_bytes(0..self.size_bytes(), false)
    }

    /// The same for a range of bytes.
    ///
    /// # Errors
    /// As [`flush_range`](Self::flush_range).
    pub fn flush_async_range(&self, bytes: Range<usize>) -> Result<()> {
        self.flush_bytes(bytes, false)
    }

    fn flush_bytes(&self, bytes: Range<usize>, wait: bool) -> Result<()> {
        self.check_range(&bytes)?;
        let written = self.map.mapped().flush(bytes, wait);
        self.check_whole()?;
        written.map_err(|error| Error::io("write to the disk", &self.path, error))
    }

    /// Tells the kernel how the array will be used.
    ///
    /// # Errors
    /// [`Error::Io`] if the kernel cannot do so with this file.
    pub fn advise(&self, advice: Advice) -> Result<()> {
        self.advise_range(advice, 0..self.size_bytes())
    }

    /// The same for a range of bytes, counted from the first item.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if there are no such bytes; [`Error::Io`].
    pub fn advise_range(&self, advice: Advice, bytes: Range<usize>) -> Result<()> {
        self.check_range(&bytes)?;
        self.map
            .mapped()
            .pages()
            .advise(advice.to_kernel(), bytes)
            .map_err(|error| Error::io("advise on", &self.path, error))
    }

    /// Scans the first axis, `rows` at a time: an iterator over ranges of rows that reads ahead and drops what is behind, as
    /// [`Memmap::chunks`](crate::Memmap::chunks) does.
    ///
    /// It borrows nothing, and keeps the file mapped while it lives.
    ///
    /// # Panics
    /// If `rows` is zero, or the array has no dimensions.
    ///
    /// # Examples
    /// ```
    /// use sharray::{AnyMemmap, DType, Mode};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("data.dat");
    /// # AnyMemmap::builder(&path).mode(Mode::Write).dtype(DType::F32).shape(&[1000, 10]).open()?;
    /// let m = AnyMemmap::builder(&path).dtype(DType::F32).shape(&[1000, 10]).open()?;
    /// let row_bytes = m.size_bytes() / 1000;
    /// let mut sum = 0;
    /// for rows in m.scan(64) {
    ///     sum += m.bytes()[rows.start * row_bytes..rows.end * row_bytes].iter().map(|&byte| u64::from(byte)).sum::<u64>();
    /// }
    /// assert_eq!(sum, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scan(&self, rows: usize) -> Scan {
        let Form { dtype, shape, order } = &self.form;
        let extent = Extent::whole(shape.clone(), dtype.itemsize(), *order);
        let pages = Arc::clone(self.map.mapped());
        Scan::new(Some(pages), extent, rows)
    }

    /// Gives the map back. Nothing is waited for: what was written goes to the disk in the kernel's own time.
    ///
    /// Dropping it does the same.
    pub fn close(self) {
        drop(self);
    }

    /// Refuses a type that this is not an array of.
    pub(super) fn check<T: Element, D: Dimension>(&self) -> Result<()> {
        let Form { dtype, shape, .. } = &self.form;
        if *dtype == T::dtype() && D::NDIM.is_none_or(|ndim| ndim == shape.len()) {
            return Ok(());
        }
        let dimensions =
            D::NDIM.map_or_else(|| "any number of dimensions".to_owned(), |ndim| format!("{ndim} dimensions"));
        let expected = format!("{} with {dimensions}", T::dtype());
        Err(Error::Mismatch { name: name_of(&self.path), expected, found: self.form.describe() })
    }

    pub(super) fn is_aligned(&self, align: usize) -> bool {
        self.map.len() == 0 || self.map.base().addr() % align == 0
    }

    /// The bytes that hold some rows; all of them in Fortran order.
    pub(super) fn bytes_of(&self, rows: Range<usize>) -> Result<Range<usize>> {
        let all = self.form.shape.first().copied().unwrap_or(1);
        if rows.start > rows.end || rows.end > all {
            let reason = format!("it has no rows {rows:?}, expected some of the {all} there are");
            return Err(Error::invalid(&name_of(&self.path), reason));
        }
        // Below two dimensions both orders are one.
        if self.form.order == Order::Fortran && self.form.shape.len() > 1 {
            return Ok(0..self.size_bytes());
        }
        let row_bytes = self.size_bytes() / all.max(1);
        Ok(rows.start * row_bytes..rows.end * row_bytes)
    }

    /// The array, of which `check` has seen that it is one of `T`.
    pub(super) fn view_checked<T: Element, D: Dimension>(&self) -> Option<ArrayView<'_, T, D>> {
        view::view(self.bytes(), &self.form.shape, self.form.order)
    }

    /// The same, to be written.
    pub(super) fn view_mut_checked<T: Element, D: Dimension>(&mut self) -> Option<ArrayViewMut<'_, T, D>> {
        view::view_mut(self.map.bytes_mut()?, &self.form.shape, self.form.order)
    }

    fn unaligned(&self, align: usize) -> Error {
        unaligned(&self.path, self.offset, align)
    }

    fn check_range(&self, bytes: &Range<usize>) -> Result<()> {
        if bytes.start <= bytes.end && bytes.end <= self.size_bytes() {
            return Ok(());
        }
        let reason = format!("it has no bytes {bytes:?}, expected some of the {} there are", self.size_bytes());
        Err(Error::invalid(&name_of(&self.path), reason))
    }
}

pub(super) fn unaligned(path: &Path, offset: u64, align: usize) -> Error {
    let reason = format!(
        "its items start at byte {offset}, expected a multiple of {align}; `AnyMemmap::to_array` copies them from anywhere"
    );
    Error::invalid(&name_of(path), reason)
}

/// How an error names a file.
pub(super) fn name_of(path: &Path) -> String {
    path.display().to_string()
}
