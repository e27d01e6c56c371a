//! What a superblock tells of a table: how many rows it has. A descriptor's sequence is that number here, its slot 0.
//!
//! There is no hash: rows below the length never change, and are on the disk before a superblock counts them.

use crate::error::Result;
use crate::layout::Superblock;
use crate::protocol::word::Word;
use crate::protocol::{Descriptor, World};
use crate::segment::Segment;
use bytemuck::Zeroable;
use std::sync::atomic::Ordering::Relaxed;

/// Brings the rows to the disk that are not durable yet.
pub(super) fn sync(segment: &Segment, durable: Descriptor, rows: Descriptor) -> Result<()> {
    let row_bytes = segment.extent().row_bytes;
    // What is said to be durable may be anything; what there is was checked.
    segment.sync_payload(0, durable.seq.min(rows.seq) * row_bytes..rows.seq * row_bytes)
}

pub(super) fn tell(segment: &Segment, rows: Descriptor) -> Superblock {
    let mut superblock = Superblock { len: rows.seq, ..Superblock::zeroed() };
    for (place, dim) in superblock.shape.iter_mut().zip(&segment.form().shape) {
        *place = *dim as u64;
    }
    superblock.shape[0] = rows.seq;
    superblock
}

/// Whether the table can have the rows of which a superblock tells.
pub(super) fn can_be(segment: &Segment, superblock: &Superblock) -> bool {
    let rows = Descriptor { seq: superblock.seq, slot: superblock.slot };
    let expected = tell(segment, rows);
    rows.seq <= segment.extent().max_len && (superblock.len, superblock.shape) == (expected.len, expected.shape)
}

/// Gives a table, whose control words are zero, the rows up to there.
pub(super) fn restore(segment: &Segment, rows: Descriptor) {
    Word::store(segment.len(), rows.seq, Relaxed);
    Word::store(segment.durable(), rows.to_bits(), Relaxed);
}
