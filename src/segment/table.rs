//! A table that grows: what it can be, and how many rows it has.

use super::{Form, Segment};
use crate::kind::Kind;
use crate::protocol::growable::Extent;
use crate::protocol::{LAST_SEQ, Result as ProtocolResult, growable};
use crate::shape::Order;

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
}
