//! A table that grows: where its rows are, and the room for them.

use super::{Form, Segment, no_space};
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::protocol::growable::Extent;
use crate::protocol::{LAST_SEQ, Result as ProtocolResult, growable};
use crate::shape::Order;
use crate::sys::file;
use nix::errno::Errno;
use std::ops::Range;

/// A table's first piece of room. Each piece is as long as what there is, so a row costs the same however many there are.
const LEAST_PIECE: u64 = 1 << 20;
/// But no longer than this: it is taken from the file system, and in memory filled with zeros, all at once.
const LARGEST_PIECE: u64 = 64 << 20;

impl Form {
    /// Refuses what a table cannot be, which others may have written into a file.
    pub(super) fn check_table(&self) -> Result<(), String> {
        if self.kind != Kind::Growable {
            return Ok(());
        }
        match self.shape.first() {
            None => Err("it has no axis to grow along".to_owned()),
            Some(max_len) if *max_len as u64 > LAST_SEQ => {
                Err(format!("it has room for {max_len} rows, expected at most {LAST_SEQ}"))
            }
            _ if self.shape.len() > 1 && self.order == Order::Fortran => {
                Err("its rows stand in Fortran order, and would not stand one after the other".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl Segment {
    /// How many rows it can have, and of how many bytes.
    #[inline]
    pub(crate) fn extent(&self) -> Extent {
        let max_len = self.form.shape.first().copied().unwrap_or(0) as u64;
        Extent { max_len, row_bytes: self.size_bytes.checked_div(max_len).unwrap_or(0) }
    }

    /// How many rows it has.
    #[inline]
    pub(crate) fn rows(&self) -> ProtocolResult<u64> {
        growable::len(self, self.extent())
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
