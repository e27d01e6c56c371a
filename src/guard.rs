//! The leases a caller holds, and what they lend: bytes as a slice, and the slice as an array.

#![allow(unsafe_code, reason = "a lease is what makes shared bytes borrowable")]

mod any;
mod array;
mod block;
mod rows;

pub use any::{AnyReadGuard, AnyWriteGuard, OwnedReadGuard, OwnedWriteGuard};
pub(crate) use array::Items;
pub use array::{ReadGuard, WriteGuard};
pub(crate) use block::{Here, Hold, Lender, Reading, Role, Writing, with_role};
pub(crate) use rows::{Rows, Space};

use crate::attachment::Attachment;
use crate::error::Result;
use crate::protocol::{self, Descriptor};
use crate::segment::Segment;
use std::slice;
use std::sync::Arc;

/// A pinned slot: its bytes stay as they are while this lives.
///
/// Invariants, held by the only constructor and by privacy:
/// 1. entry `entry` of the own record names the slot, and the protocol validated that pin: the slot is complete, or it is
///    one that this attach's producer keeps to fill;
/// 2. only dropping this value clears that entry, so the producer passes the slot over until then.
#[derive(Debug)]
pub(crate) struct Pin {
    attachment: Arc<Attachment>,
    slot: u32,
    entry: usize,
}

impl Pin {
    /// Reserves an entry of the attach's record and pins with it the frame that `get` finds.
    ///
    /// `get` is one of the functions of the protocol that pin: what it returns must be pinned by that entry.
    #[inline]
    pub(crate) fn acquire(
        attachment: &Arc<Attachment>,
        get: impl FnOnce(usize) -> protocol::Result<Option<Descriptor>>,
    ) -> Result<Option<(Self, u64)>> {
        let entry = attachment.take_pin()?;
        let found = get(entry);
        if let Ok(Some(frame)) = found {
            let pin = Self { attachment: Arc::clone(attachment), slot: frame.slot, entry };
            return Ok(Some((pin, frame.seq)));
        }
        attachment.return_pin(entry);
        found.map(|_| None).map_err(|fault| attachment.explain(fault))
    }

    /// A slot that the protocol has just loaned to this attach's producer, which keeps it by `entry`.
    pub(crate) fn of_kept(attachment: &Arc<Attachment>, slot: u32, entry: usize) -> Self {
        Self { attachment: Arc::clone(attachment), slot, entry }
    }

    pub(crate) fn slot(&self) -> u32 {
        self.slot
    }

    pub(crate) fn attachment(&self) -> &Arc<Attachment> {
        &self.attachment
    }

    pub(crate) fn segment(&self) -> &Segment {
        self.attachment.segment()
    }

    /// The first `len` bytes of the slot, or all of them if it has fewer.
    pub(crate) fn bytes(&self, len: usize) -> &[u8] {
        let segment = self.attachment.segment();
        let len = len.min(segment.size_bytes() as usize);
        let Some(payload) = segment.payload(self.slot) else { return &[] };
        // SAFETY: `payload` checked that the slot's bytes, of which these are no more, are inside the mapping, which
        // lives as long as the attachment; by the invariants nobody writes them while `self` is borrowed.
        unsafe { slice::from_raw_parts(payload, len) }
    }
}

impl Drop for Pin {
    #[inline]
    fn drop(&mut self) {
        self.attachment.unpin(self.entry);
    }
}

/// A slot that its producer has taken to fill: nobody else reads or writes its bytes while this lives.
///
/// Invariant, held by whoever makes one: the protocol has just loaned this slot to the producer of this attach, which
/// neither publishes it nor gives it back before this value is gone.
#[derive(Debug)]
pub(crate) struct LoanedSlot<'p> {
    segment: &'p Segment,
    slot: u32,
}

impl<'p> LoanedSlot<'p> {
    pub(crate) fn new(segment: &'p Segment, slot: u32) -> Self {
        Self { segment, slot }
    }

    pub(crate) fn slot(&self) -> u32 {
        self.slot
    }

    /// The first `len` bytes of the slot, or all of them if it has fewer.
    pub(crate) fn bytes(&self, len: usize) -> &[u8] {
        let Some((payload, len)) = self.range(len) else { return &[] };
        // SAFETY: `range` checked it; by the invariant nobody writes these bytes but through `&mut self`.
        unsafe { slice::from_raw_parts(payload, len) }
    }

    /// The same bytes, to fill.
    pub(crate) fn bytes_mut(&mut self, len: usize) -> &mut [u8] {
        let Some((payload, len)) = self.range(len) else { return &mut [] };
        // SAFETY: `range` checked it; by the invariant nobody else touches these bytes, and `self` is borrowed alone.
        unsafe { slice::from_raw_parts_mut(payload, len) }
    }

    #[inline]
    fn range(&self, len: usize) -> Option<(*mut u8, usize)> {
        Some((self.segment.payload(self.slot)?, len.min(self.segment.size_bytes() as usize)))
    }
}
