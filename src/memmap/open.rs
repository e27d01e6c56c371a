//! From a path and what is wanted of it to a map: what is there, what is missing, what has to be made.

use super::any::{AnyMemmap, name_of, unaligned};
use super::mode::AnyMode;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::npy::Preamble as Form;
use crate::npy_file;
use crate::shape::{self, Order};
use crate::sys::file::grow;
use crate::sys::plain::{Access, PlainMap};
use crate::sys::replace::{Replacement, open_plain};
use nix::errno::Errno;
use std::fs::File;
use std::path::{Path, PathBuf};

/// What a caller wants of a file.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) path: PathBuf,
    pub(super) mode: AnyMode,
    pub(super) offset: u64,
    pub(super) dtype: Option<DType>,
    pub(super) shape: Option<Vec<usize>>,
    pub(super) order: Option<Order>,
    /// What the first item's place has to be a multiple of.
    pub(super) align: usize,
    pub(super) sparse: bool,
}

impl Plan {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            mode: AnyMode::Read,
            offset: 0,
            dtype: None,
            shape: None,
            order: None,
            align: 1,
            sparse: false,
        }
    }

    /// Maps a file without a header.
    pub(super) fn open(&self) -> Result<AnyMemmap> {
        self.check_dtype()?;
        if self.mode == AnyMode::Write {
            return self.create(&[], self.new_form()?, |_| Ok(()));
        }
        self.open_in(self.open_file()?)
    }

    /// Maps a file without a header that is open already. It has no other name to take, so nothing is replaced.
    pub(super) fn open_in(&self, file: File) -> Result<AnyMemmap> {
        self.check_dtype()?;
        let found = self.len_of(&file)?;
        let shape = match &self.shape {
            Some(shape) => shape.clone(),
            None if self.mode == AnyMode::Write => return Err(self.shapeless()),
            None => vec![self.items_in(found)?],
        };
        let form = Form { dtype: self.dtype_or(DType::U8), shape, order: self.order.unwrap_or_default() };
        let end = end_of(self.offset, &form)?;
        self.check_aligned(self.offset, &form)?;
        if found < end {
            match self.mode {
                AnyMode::ReadWrite | AnyMode::Write => self.extend(&file, found, end)?,
                AnyMode::Read | AnyMode::CopyOnWrite => return Err(self.truncated(found, end)),
            }
        }
        self.map(file, self.offset, form)
    }

    /// Maps a .npy file, which starts at the offset.
    pub(super) fn open_npy(&self) -> Result<AnyMemmap> {
        self.check_dtype()?;
        if self.mode == AnyMode::Write {
            return self.create_npy(|_| Ok(()));
        }
        let file = self.open_file()?;
        let (told, header_len) = npy_file::read_header(&file, &self.path, self.offset)?;
        let form = self.expected_of(&told)?;
        let offset = self.offset + header_len;
        let (found, end) = (self.len_of(&file)?, end_of(offset, &form)?);
        self.check_aligned(offset, &form)?;
        // A .npy file says how long it is: one that is shorter lost something, and is not for growing.
        if found < end {
            return Err(self.truncated(found, end));
        }
        self.map(file, offset, form)
    }

    /// Makes a new .npy file, which has its name once `fill` is done.
    pub(super) fn create_npy(&self, fill: impl FnOnce(&mut AnyMemmap) -> Result<()>) -> Result<AnyMemmap> {
        self.check_dtype()?;
        if self.offset != 0 {
            return Err(self.invalid(format!("a new .npy file starts at byte 0, not at {}", self.offset)));
        }
        let form = self.new_form()?;
        let header = npy_file::header_of(&form)?;
        Self { offset: header.len() as u64, ..self.clone() }.create(&header, form, fill)
    }

    /// What a new file holds.
    fn new_form(&self) -> Result<Form> {
        let shape = self.shape.clone().ok_or_else(|| self.shapeless())?;
        Ok(Form { dtype: self.dtype_or(DType::U8), shape, order: self.order.unwrap_or_default() })
    }

    /// Makes a file beside the old one, with room for everything, maps and fills it, and only then lets it take the old one's
    /// place.
    fn create(&self, header: &[u8], form: Form, fill: impl FnOnce(&mut AnyMemmap) -> Result<()>) -> Result<AnyMemmap> {
        let end = end_of(self.offset, &form)?;
        self.check_aligned(self.offset, &form)?;
        let io = |error| Error::io("replace", &self.path, error);
        let new = Replacement::new(&self.path).map_err(io)?;
        self.extend(new.file(), 0, end)?;
        std::os::unix::fs::FileExt::write_all_at(new.file(), header, 0).map_err(io)?;
        let mut map = self.map(new.file().try_clone().map_err(io)?, self.offset, form)?;
        fill(&mut map)?;
        new.finish().map_err(io)?;
        Ok(map)
    }

    fn map(&self, file: File, offset: u64, form: Form) -> Result<AnyMemmap> {
        let access = match self.mode {
            AnyMode::Read => Access::Read,
            AnyMode::ReadWrite | AnyMode::Write => Access::Shared,
            AnyMode::CopyOnWrite => Access::Private,
        };
        let len = size_bytes(&form)? as usize;
        let map = PlainMap::new(file, offset, len, access).map_err(|error| Error::io("map", &self.path, error))?;
        AnyMemmap::new(map, &self.path, self.mode, offset, form)
    }

    fn open_file(&self) -> Result<File> {
        open_plain(&self.path, self.mode == AnyMode::ReadWrite).map_err(|error| Error::io("open", &self.path, error))
    }

    fn len_of(&self, file: &File) -> Result<u64> {
        file.metadata().map(|meta| meta.len()).map_err(|error| Error::io("examine", &self.path, error))
    }

    /// Gives the file `end` bytes, and room on the disk for those that are new.
    fn extend(&self, file: &File, found: u64, end: u64) -> Result<()> {
        if end == found {
            return Ok(());
        }
        if self.sparse {
            return file.set_len(end).map_err(|error| Error::io("extend", &self.path, error));
        }
        grow(file, found, end).map_err(|errno| match errno {
            Errno::ENOSPC | Errno::EDQUOT => Error::NoSpace { name: name_of(&self.path), bytes: end - found },
            errno => Error::io("extend", &self.path, errno),
        })
    }

    /// How many items there are from the offset to the end of the file.
    fn items_in(&self, found: u64) -> Result<usize> {
        let itemsize = self.dtype_or(DType::U8).itemsize() as u64;
        let bytes = found.checked_sub(self.offset).ok_or_else(|| self.truncated(found, self.offset))?;
        if bytes % itemsize != 0 {
            let reason = format!(
                "it has {bytes} bytes from byte {} on, expected a multiple of the {itemsize} of an item, or a shape",
                self.offset
            );
            return Err(self.invalid(reason));
        }
        Ok((bytes / itemsize) as usize)
    }

    /// The form that a header tells, if it is the one that is wanted.
    fn expected_of(&self, told: &Form) -> Result<Form> {
        let found = self.dtype.as_ref().map_or_else(|| told.clone(), |dtype| told.clone().seen_as(dtype));
        let is_wanted = self.dtype.as_ref().is_none_or(|dtype| *dtype == found.dtype)
            && self.shape.as_ref().is_none_or(|shape| *shape == found.shape)
            && self.order.is_none_or(|order| order == found.order || found.shape.len() < 2);
        if is_wanted {
            return Ok(found);
        }
        let dtype = self.dtype.as_ref().map_or_else(|| "any dtype".to_owned(), ToString::to_string);
        let shape = self.shape.as_ref().map_or_else(|| "of any shape".to_owned(), |shape| format!("{shape:?}"));
        let order = self.order.map_or_else(String::new, |order| format!(", order {order:?}"));
        let expected = format!("{dtype} {shape}{order}");
        Err(Error::Mismatch { name: name_of(&self.path), expected, found: found.describe() })
    }

    fn check_aligned(&self, offset: u64, form: &Form) -> Result<()> {
        // Maps start on pages, so what holds of the place in the file holds of the place in memory.
        if offset % self.align as u64 == 0 || form.shape.contains(&0) {
            return Ok(());
        }
        Err(unaligned(&self.path, offset, self.align))
    }

    fn check_dtype(&self) -> Result<()> {
        let Some(dtype) = &self.dtype else { return Ok(()) };
        dtype.check()?;
        if dtype.is_subarray() {
            let reason = "a sub-array can only be a field; give the shape another dimension instead".to_owned();
            return Err(Error::UnsupportedDtype { dtype: dtype.to_string(), reason });
        }
        Ok(())
    }

    fn dtype_or(&self, default: DType) -> DType {
        self.dtype.clone().unwrap_or(default)
    }

    /// For a shape that has other dimensions than the caller's type.
    pub(super) fn wrong_dimensions(&self, expected: usize) -> Error {
        let found = format!("of {} dimensions", self.shape.as_deref().unwrap_or_default().len());
        Error::Mismatch { name: name_of(&self.path), expected: format!("{expected} dimensions"), found }
    }

    fn shapeless(&self) -> Error {
        self.invalid("a new file has to be given a shape".to_owned())
    }

    fn truncated(&self, found: u64, expected: u64) -> Error {
        Error::Truncated { name: name_of(&self.path), found, expected }
    }

    fn invalid(&self, reason: String) -> Error {
        Error::invalid(&name_of(&self.path), reason)
    }
}

fn size_bytes(form: &Form) -> Result<u64> {
    shape::checked_size_bytes(&form.shape, form.dtype.itemsize()).map(|bytes| bytes as u64)
}

/// Where the array ends in the file.
fn end_of(offset: u64, form: &Form) -> Result<u64> {
    let too_large = || Error::ShapeOverflow { shape: form.shape.clone(), itemsize: form.dtype.itemsize() };
    offset.checked_add(size_bytes(form)?).filter(|end| i64::try_from(*end).is_ok()).ok_or_else(too_large)
}
