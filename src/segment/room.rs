//! The space that a file has on its file system: all of it from the start, or, of a table, piece by piece.

use super::Segment;
use crate::error::{Error, Result};
use crate::layout::{Identity, flags, kind};
use crate::sys::file;
use nix::errno::Errno;
use std::fs::File;
use std::ops::Range;

/// A table's first piece of room. Each piece is as long as what there is, so a row costs the same however many there are.
const LEAST_PIECE: u64 = 1 << 20;
/// But no longer than this: it is taken from the file system, and in memory filled with zeros, all at once.
const LARGEST_PIECE: u64 = 64 << 20;

impl Segment {
    /// Makes sure that writing the array later cannot fail, unless it was created to be sparse. A table makes sure of its
    /// rows as they come.
    pub(crate) fn reserve(&self) -> Result<()> {
        reserve(&self.name, self.lock_file(), &self.identity)
    }

    /// Reserves bytes of the payload, and more if the file system has more; returns where what is reserved ends.
    ///
    /// The file stays as long as it is, and no byte changes. The caller has the role, and nobody's rows are there.
    pub(crate) fn grow(&self, lacking: Range<u64>) -> Result<u64> {
        let piece = lacking.start.clamp(LEAST_PIECE, LARGEST_PIECE);
        let generous = lacking.start.saturating_add(piece).min(self.size_bytes);
        let reserve = |end| {
            let from = self.identity.data_off + lacking.start;
            file::fill_holes(self.lock_file(), from, end - lacking.start).map(|()| end)
        };
        let reserved = match reserve(generous.max(lacking.end)) {
            Err(Errno::ENOSPC | Errno::EDQUOT) => reserve(lacking.end),
            done => done,
        };
        let end = reserved.map_err(|errno| no_space(&self.name, errno, lacking.end - lacking.start))?;
        self.check_length()?;
        Ok(end)
    }

    /// Makes sure that nobody cut the file short, so that there is a place for what is reserved.
    fn check_length(&self) -> Result<()> {
        let found = self.lock_file().metadata().map_err(|error| Error::io("examine", &self.name, error))?.len();
        let expected = self.identity.file_len;
        let name = || self.name.clone();
        if found == expected { Ok(()) } else { Err(Error::Truncated { name: name(), found, expected }) }
    }
}

/// Gives a new file its length, and what has to be there from the start its space.
pub(super) fn make(name: &str, file: &File, identity: &Identity) -> Result<()> {
    if reserved_len(identity) < identity.file_len {
        file.set_len(identity.file_len).map_err(|error| Error::io("set the length of", name, error))?;
    }
    reserve(name, file, identity)
}

fn reserve(name: &str, file: &File, identity: &Identity) -> Result<()> {
    match reserved_len(identity) {
        0 => Ok(()),
        len => file::reserve(file, len).map_err(|errno| no_space(name, errno, len)),
    }
}

/// How many bytes have their space from the start: all of them, but for a table's rows.
fn reserved_len(identity: &Identity) -> u64 {
    match identity.kind {
        kind::GROWABLE => identity.data_off,
        _ if identity.flags & flags::SPARSE != 0 => 0,
        _ => identity.file_len,
    }
}

fn no_space(name: &str, errno: Errno, bytes: u64) -> Error {
    match errno {
        Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG => Error::NoSpace { name: name.to_owned(), bytes },
        other => Error::io("reserve space for", name, other),
    }
}
