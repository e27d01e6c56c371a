//! The header of a .npy file that is on a disk.

use crate::error::{Error, Result};
use crate::npy::Preamble;
use crate::shape::checked_size_bytes;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// So much is read at first. Nearly every header is shorter.
const FIRST_BYTES: usize = 4 << 10;
/// No header that is accepted is longer than this, so no more is ever read of one.
const MOST_BYTES: usize = 1 << 20;

/// Reads the header that starts at `offset`; also returns its length.
///
/// Whatever the file holds, it takes two reads of 1 MiB at most, and time and memory in proportion.
pub(crate) fn read_header(file: &File, path: &Path, offset: u64) -> Result<(Preamble, u64)> {
    let start = read_up_to(file, offset, FIRST_BYTES).map_err(|error| Error::io("read", path, error))?;
    let parsed = match Preamble::parse(&start) {
        Err(_) if start.len() == FIRST_BYTES => {
            let more = read_up_to(file, offset, MOST_BYTES).map_err(|error| Error::io("read", path, error))?;
            Preamble::parse(&more)
        }
        done => done,
    };
    // A preamble may tell of one dimension more than an array can have, for slots.
    let checked = parsed.and_then(|(preamble, len)| {
        checked_size_bytes(&preamble.shape, preamble.dtype.itemsize()).map(|_| (preamble, len as u64))
    });
    checked.map_err(|error| in_file(error, path))
}

/// The header of a new file, byte for byte what NumPy would write.
pub(crate) fn header_of(preamble: &Preamble) -> Result<Vec<u8>> {
    checked_size_bytes(&preamble.shape, preamble.dtype.itemsize())?;
    preamble.to_bytes(preamble.numpy_len())
}

/// Reads what there is, `most` bytes at most.
fn read_up_to(file: &File, offset: u64, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; most];
    let mut len = 0;
    while len < most {
        match file.read_at(&mut bytes[len..], offset + len as u64) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(len);
    Ok(bytes)
}

/// Says in which file it was found.
fn in_file(error: Error, path: &Path) -> Error {
    let path = path.display();
    match error {
        Error::InvalidPreamble { reason } => Error::InvalidPreamble { reason: format!("{path}: {reason}") },
        Error::UnsupportedDtype { dtype, reason } => {
            Error::UnsupportedDtype { dtype, reason: format!("{path}: {reason}") }
        }
        error @ (Error::ShapeOverflow { .. } | Error::TooManyDimensions { .. }) => {
            Error::InvalidPreamble { reason: format!("{path}: {error}") }
        }
        error => error,
    }
}
