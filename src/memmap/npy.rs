//! .npy files: opened in place, and written whole.

use super::{Memmap, memmap};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::npy::Preamble;
use crate::npy_file;
use crate::shape::Order;
use crate::sys::replace::Replacement;
use ndarray::{ArrayRef, Dimension};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Maps a .npy file to look at, as `np.load(mmap_mode="r")` does.
///
/// The other modes are those of the builder: `memmap::<f64>(path).mode(Mode::ReadWrite).open_npy::<Ix2>()`.
///
/// # Errors
/// As [`MemmapBuilder::open_npy`](crate::MemmapBuilder::open_npy).
///
/// # Examples
/// ```
/// use ndarray::{Array2, Ix2};
/// use sharray::{Mode, memmap, open_npy, save_npy};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("ones.npy");
/// save_npy(&path, &Array2::<f64>::ones((3, 4)))?;
/// assert_eq!(open_npy::<f64, Ix2>(&path)?.view().sum(), 12.0);
///
/// let mut m = memmap::<f64>(&path).mode(Mode::ReadWrite).open_npy::<Ix2>()?;
/// m.view_mut()[[0, 0]] = 0.0;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn open_npy<T: Element, D: Dimension>(path: impl AsRef<Path>) -> Result<Memmap<T, D>> {
    memmap::<T>(path).open_npy()
}

/// Writes an array as a .npy file, byte for byte as `np.save` does: in Fortran order if it stands so in memory, else in C
/// order.
///
/// The file is built beside the path and takes its place when it is whole, as [`Mode::Write`](crate::Mode::Write) has it: a
/// reader finds the old file or the new one, and those who have the old one mapped keep it.
///
/// # Errors
/// [`Error::Io`]; [`Error::NoSpace`]; [`Error::UnsupportedDtype`].
///
/// # Examples
/// ```
/// use ndarray::array;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("matrix.npy");
/// sharray::save_npy(&path, &array![[1_i16, 2], [3, 4]])?;
/// let file = std::fs::read(&path)?;
/// assert!(file.starts_with(b"\x93NUMPY") && file.ends_with(&[1, 0, 2, 0, 3, 0, 4, 0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn save_npy<T: Element, D: Dimension>(path: impl AsRef<Path>, array: &ArrayRef<T, D>) -> Result<()> {
    let path = path.as_ref();
    let is_fortran = !array.is_standard_layout() && array.t().is_standard_layout();
    let order = if is_fortran { Order::Fortran } else { Order::C };
    let header = npy_file::header_of(&Preamble { dtype: T::dtype(), shape: array.shape().to_vec(), order })?;
    let write = || {
        let new = Replacement::new(path)?;
        let mut out = BufWriter::with_capacity(1 << 20, new.file());
        out.write_all(&header)?;
        // The items in memory's order, which is one of the two.
        let items = if is_fortran { array.t() } else { array.view() };
        write_items(&mut out, items.as_slice(), items.iter())?;
        out.flush()?;
        drop(out);
        new.finish().map(drop)
    };
    write().map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            let bytes = (header.len() + array.len() * size_of::<T>()) as u64;
            Error::NoSpace { name: path.display().to_string(), bytes }
        }
        _ => Error::io("replace", path, error),
    })
}

fn write_items<'a, T: Element>(
    out: &mut impl Write,
    slice: Option<&[T]>,
    mut items: impl Iterator<Item = &'a T>,
) -> io::Result<()> {
    match slice {
        Some(slice) => out.write_all(bytemuck::cast_slice(slice)),
        None => items.try_for_each(|item| out.write_all(bytemuck::bytes_of(item))),
    }
}
