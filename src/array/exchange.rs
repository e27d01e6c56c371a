//! From files to named arrays and back: .npy and plain binary ones.

use super::builder::ArrayBuilder;
use super::{AnyArray, SharedArray};
use crate::dtype::DType;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::expect::{check_alignment, check_item};
use crate::kind::Kind;
use crate::npy::Preamble;
use crate::npy_file;
use crate::segment::Form;
use crate::shape::checked_size_bytes;
use crate::sys::replace::{Replacement, open_plain};
use crate::sys::transfer::Transfer;
use ndarray::Dimension;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Who is told how many bytes are done, and of how many.
type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// The items of an array in a file.
struct Source<'a> {
    path: &'a Path,
    file: File,
    offset: u64,
    form: Preamble,
}

impl<'a> Source<'a> {
    fn npy(path: &'a Path, expected: Option<&DType>) -> Result<Self> {
        let file = open_plain(path, false).map_err(|error| Error::io("open", path, error))?;
        let (told, offset) = npy_file::read_header(&file, path, 0)?;
        let form = match expected {
            Some(dtype) => told.seen_as(dtype),
            None => told,
        };
        Self { path, file, offset, form }.checked()
    }

    fn raw(path: &'a Path, offset: u64, form: Preamble) -> Result<Self> {
        let file = open_plain(path, false).map_err(|error| Error::io("open", path, error))?;
        Self { path, file, offset, form }.checked()
    }

    /// Refuses a file that has not all the items.
    fn checked(self) -> Result<Self> {
        let expected = self.offset.saturating_add(self.size_bytes()?);
        let found = self.file.metadata().map_err(|error| Error::io("examine", self.path, error))?.len();
        if found < expected {
            return Err(Error::Truncated { name: self.path.display().to_string(), found, expected });
        }
        Ok(self)
    }

    fn size_bytes(&self) -> Result<u64> {
        checked_size_bytes(&self.form.shape, self.form.dtype.itemsize()).map(|bytes| bytes as u64)
    }

    /// Fills a new array, which nobody else knows yet.
    fn fill(&self, array: &AnyArray, progress: Progress<'_>) -> Result<()> {
        let len = self.size_bytes()?;
        let _writing = array.write()?;
        let segment = array.segment();
        let transfer = Transfer {
            source: &self.file,
            source_offset: self.offset,
            target: segment.lock_file(),
            target_offset: segment.identity().data_off,
            len,
        };
        transfer.run(&mut |done| progress(done, len)).map_err(|error| Error::io("read", self.path, error))
    }
}

impl<A> ArrayBuilder<A> {
    fn import(&self, name: &str, source: &Source<'_>, progress: Progress<'_>) -> Result<AnyArray> {
        let Preamble { dtype, shape, order } = source.form.clone();
        let form = Form { kind: Kind::InPlace, dtype, shape, order };
        self.create_any(name, form, |array| source.fill(array, progress))
    }
}

impl ArrayBuilder<AnyArray> {
    /// Creates the array from a .npy file: dtype, shape and order are what the file says, the contents are there when the
    /// name appears.
    ///
    /// The kernel copies, and shares the disk's blocks where the file system can.
    ///
    /// # Errors
    /// As for [`create`](Self::create); [`Error::InvalidPreamble`] if it is no .npy file; [`Error::Truncated`] if it ends
    /// too early; [`Error::Io`].
    pub fn import_npy(&self, name: &str, path: impl AsRef<Path>) -> Result<AnyArray> {
        self.import_npy_with(name, path, |_, _| {})
    }

    /// The same; calls `progress` with the bytes that are done and those there are.
    ///
    /// # Errors
    /// As for [`import_npy`](Self::import_npy).
    pub fn import_npy_with(
        &self,
        name: &str,
        path: impl AsRef<Path>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<AnyArray> {
        self.import(name, &Source::npy(path.as_ref(), None)?, &mut progress)
    }

    /// Creates the array from a file without a header, whose first item is at byte `offset`, in the builder's order.
    ///
    /// # Errors
    /// As for [`import_npy`](Self::import_npy).
    ///
    /// # Examples
    /// ```
    /// use sharray::{AnyArray, DType};
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path().join("arrays"))?;
    /// # let path = folder.path().join("data.dat");
    /// std::fs::write(&path, [9, 9, 1, 2, 3, 4, 5, 6])?;   // a header of two bytes, and the items
    /// let mut done = 0;
    /// let progress = |bytes, _all| done = bytes;
    /// let field = AnyArray::builder().directory(&place).import_raw("field", &path, 2, &DType::U8, &[2, 3], progress)?;
    /// assert_eq!((field.shape(), done), (&[2, 3][..], 6));
    ///
    /// field.export_raw(&path, |_, _| {})?;
    /// assert_eq!(std::fs::read(&path)?, [1, 2, 3, 4, 5, 6]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn import_raw(
        &self,
        name: &str,
        path: impl AsRef<Path>,
        offset: u64,
        dtype: &DType,
        shape: &[usize],
        mut progress: impl FnMut(u64, u64),
    ) -> Result<AnyArray> {
        let Form { dtype, shape, order, .. } = self.form(dtype.clone(), shape);
        let source = Source::raw(path.as_ref(), offset, Preamble { dtype, order, shape })?;
        self.import(name, &source, &mut progress)
    }
}

impl<T: Element, D: Dimension> ArrayBuilder<SharedArray<T, D>> {
    /// Creates the array from a .npy file, which has to hold items of `T` in as many dimensions as `D` has.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if it does not; and as for [`ArrayBuilder<AnyArray>::import_npy`](Self#method.import_npy-1).
    ///
    /// # Examples
    /// ```
    /// use ndarray::{Array2, Ix2};
    /// use sharray::{SharedArray, save_npy};
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path().join("arrays"))?;
    /// # let (path, copy) = (folder.path().join("ones.npy"), folder.path().join("copy.npy"));
    /// save_npy(&path, &Array2::<f64>::ones((3, 4)))?;
    /// let field = SharedArray::<f64, Ix2>::builder().directory(&place).import_npy("field", &path)?;
    /// assert_eq!(field.read()?.sum(), 12.0);
    /// field.export_npy(&copy)?;
    /// assert_eq!(std::fs::read(copy)?, std::fs::read(path)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn import_npy(&self, name: &str, path: impl AsRef<Path>) -> Result<SharedArray<T, D>> {
        self.import_npy_with(name, path, |_, _| {})
    }

    /// The same; calls `progress` with the bytes that are done and those there are.
    ///
    /// # Errors
    /// As for [`import_npy`](Self::import_npy).
    pub fn import_npy_with(
        &self,
        name: &str,
        path: impl AsRef<Path>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<SharedArray<T, D>> {
        check_alignment::<T>()?;
        let path = path.as_ref();
        let source = Source::npy(path, Some(&T::dtype()))?;
        let Preamble { dtype, shape, order } = source.form.clone();
        let found = Form { kind: Kind::InPlace, dtype, shape, order };
        check_item::<T, D>(&path.display().to_string(), &found, Kind::InPlace)?;
        SharedArray::new(self.import(name, &source, &mut progress)?)
    }
}

impl AnyArray {
    /// Writes the array into a .npy file, byte for byte as `np.save` would; waits without limit for whoever writes the array.
    ///
    /// The file is built beside the path and takes its place when it is whole. The array is leased for reading meanwhile, and
    /// the kernel copies it. On a file that may only be read, it is a [`snapshot`](crate::SharedArray::snapshot) that is written.
    ///
    /// # Errors
    /// [`Error::NoSpace`]; [`Error::Io`]; and as for [`read`](Self::read).
    pub fn export_npy(&self, path: impl AsRef<Path>) -> Result<()> {
        self.export_npy_with(path, |_, _| {})
    }

    /// The same; calls `progress` with the bytes that are done and those there are.
    ///
    /// # Errors
    /// As for [`export_npy`](Self::export_npy).
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// use sharray::{AnyArray, SharedArray};
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path().join("arrays"))?;
    /// # let path = folder.path().join("field.npy");
    /// let field = SharedArray::<f64, Ix1>::builder().directory(&place).create("field", [100])?;
    /// let progress = |done, all| println!("{done} of {all} bytes");
    /// field.export_npy_with(&path, progress)?;
    ///
    /// let typed = SharedArray::<f64, Ix1>::builder().directory(&place).import_npy_with("typed", &path, progress)?;
    /// let any = AnyArray::builder().directory(&place).import_npy_with("any", &path, progress)?;
    /// assert_eq!((typed.shape(), any.shape()), (&[100][..], &[100][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn export_npy_with(&self, path: impl AsRef<Path>, mut progress: impl FnMut(u64, u64)) -> Result<()> {
        let Form { dtype, shape, order, .. } = self.form().clone();
        let header = npy_file::header_of(&Preamble { dtype, order, shape })?;
        self.export(path.as_ref(), &header, &mut progress)
    }

    /// Writes the items alone, in [`order`](Self::order), into a file without a header.
    ///
    /// # Errors
    /// As for [`export_npy`](Self::export_npy).
    pub fn export_raw(&self, path: impl AsRef<Path>, mut progress: impl FnMut(u64, u64)) -> Result<()> {
        self.export(path.as_ref(), &[], &mut progress)
    }

    fn export(&self, path: &Path, header: &[u8], progress: Progress<'_>) -> Result<()> {
        let len = self.size_bytes() as u64;
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::NoSpace { name: path.display().to_string(), bytes: header.len() as u64 + len }
            }
            _ => Error::io("replace", path, error),
        };
        let new = Replacement::new(path).map_err(failed)?;
        new.file().write_all_at(header, 0).map_err(failed)?;
        if self.is_read_only() {
            let mut items = bytemuck::allocation::try_zeroed_vec(self.size_bytes())
                .map_err(|()| Error::io("copy", self.name(), io::ErrorKind::OutOfMemory))?;
            self.read_into(&mut items)?;
            new.file().write_all_at(&items, header.len() as u64).map_err(failed)?;
            progress(len, len);
        } else {
            let _reading = self.read()?;
            let transfer = Transfer {
                source: self.segment().lock_file(),
                source_offset: self.segment().identity().data_off,
                target: new.file(),
                target_offset: header.len() as u64,
                len,
            };
            transfer.run(&mut |done| progress(done, len)).map_err(failed)?;
        }
        new.finish().map(drop).map_err(failed)
    }
}
