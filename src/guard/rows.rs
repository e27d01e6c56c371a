//! What lends the rows of a table: those that are there, which never change, and those that are being appended.

use super::array::Items;
use super::block::{Here, Role};
use crate::attachment::Attachment;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::protocol::growable;
use crate::protocol::lock::Span;
use crate::segment::{Part, Segment};
use ndarray::{ArrayView, Dimension};
use std::ops::Range;
use std::slice;

/// Rows of a table that are there. They stay as they are as long as the table is mapped, so there is no lease.
///
/// Invariant, held by the only constructor and by privacy: `rows` are below the length that the protocol answered.
#[derive(Clone, Debug)]
pub(crate) struct Rows<'a> {
    segment: &'a Segment,
    rows: Range<usize>,
}

impl<'a> Rows<'a> {
    /// Those that are there now.
    #[inline]
    pub(crate) fn all(attachment: &'a Attachment) -> Result<Self> {
        attachment.enter()?;
        let segment = attachment.segment();
        let len = attachment.believe(segment.rows().map_err(|fault| attachment.explain(fault)))?;
        Ok(Self { segment, rows: 0..len as usize })
    }

    /// Some of them.
    pub(crate) fn part(self, rows: Range<usize>) -> Result<Self> {
        if rows.start <= rows.end && rows.end <= self.rows.end {
            return Ok(Self { rows, ..self });
        }
        let reason = format!("it has no rows {rows:?}, expected some of the {} there are", self.rows.end);
        Err(Error::invalid(self.segment.name(), reason))
    }

    /// Their bytes.
    pub(crate) fn bytes(self) -> &'a [u8] {
        let part = part_of(self.segment, self.rows);
        let len = part.rows.len() * self.segment.extent().row_bytes as usize;
        // SAFETY: as in `view`.
        unsafe { slice::from_raw_parts(start_of(self.segment, part.offset), len) }
    }

    /// Their items. The table's are those that `items` tells of.
    #[inline]
    pub(crate) fn view<T: Element, D: Dimension>(self, items: &Items<T, D>) -> ArrayView<'a, T, D> {
        let part = part_of(self.segment, self.rows);
        // SAFETY: the rows are inside the payload, and by the invariant nobody ever writes them again; the mapping lives as long
        // as the attach, which is borrowed.
        unsafe { items.view(&part, start_of(self.segment, part.offset)) }
    }
}

/// Rows past the end of a table, to be filled: nobody else sees them or appends while this lives.
///
/// Invariants, held by the only constructor and by privacy:
/// 1. this attach has the role of whoever appends;
/// 2. the rows begin at the table's length, and their bytes are reserved.
#[derive(Debug)]
pub(crate) struct Space<'a> {
    role: Role<Here<'a>>,
    rows: Range<u64>,
}

impl<'a> Space<'a> {
    /// Waits for whoever appends; with `until_ns` of zero it does not wait.
    pub(crate) fn acquire(attachment: &'a Attachment, count: usize, until_ns: u64) -> Result<Self> {
        let role = Role::acquire(Here::new(attachment), until_ns)?;
        let segment = attachment.segment();
        let place = growable::next(segment, segment.extent(), count as u64);
        let place = attachment.believe(place.map_err(|fault| attachment.explain(fault)))?;
        if let Some(lacking) = place.lacking {
            growable::reserved(segment, segment.grow(lacking)?);
        }
        Ok(Self { role, rows: place.rows })
    }

    /// Their bytes. What stands there now is of no meaning.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let segment = self.role.segment();
        let row_bytes = segment.extent().row_bytes;
        let (offset, len) = (self.rows.start * row_bytes, (self.rows.end - self.rows.start) * row_bytes);
        let start = start_of(segment, offset as usize);
        // SAFETY: the rows are inside the payload, which is mapped as long as the attach is borrowed; by the invariants nobody
        // else writes them, and nobody reads what is past the length.
        unsafe { slice::from_raw_parts_mut(start, len as usize) }
    }

    /// Makes them be there.
    pub(crate) fn publish(self) -> Result<Range<usize>> {
        // A child that was forked meanwhile has not the role, and where the file was cut short the rows are nowhere.
        self.role.attachment().enter()?;
        let Self { role, rows } = self;
        role.end_by(|attachment| {
            let published = growable::publish(attachment.segment(), attachment.local(), rows.end);
            attachment.believe(published.map_err(|fault| attachment.explain(fault)))
        })?;
        Ok(rows.start as usize..rows.end as usize)
    }
}

fn part_of(segment: &Segment, rows: Range<usize>) -> Part {
    let offset = rows.start * segment.extent().row_bytes as usize;
    Part { span: Span { first: 0, count: 1 }, rows, offset }
}

/// A place in the payload. Without bytes it may be anywhere.
fn start_of(segment: &Segment, offset: usize) -> *mut u8 {
    segment.payload(0).unwrap_or(std::ptr::dangling_mut::<u128>().cast()).wrapping_add(offset)
}
