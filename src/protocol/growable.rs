//! Tables that grow: rows are appended by one at a time, and whoever sees that they are there may read them for ever.
//!
//! `len` says how many rows there are. It only ever rises, and rows below it never change, so readers take no lease and
//! nobody waits for them. Whoever appends has the role that the writer of a block has: it fills the rows past `len`, and
//! then moves `len` in one store. If it dies before that store, what it filled is nobody's, and is written over.
//!
//! The file has its full length from the start, with holes; `cap_bytes` tells how much of the payload is reserved. It is
//! moved after the space is there, by the owner of the role: whoever finds it too small reserves once more what the dead
//! had reserved, which changes nothing.

use super::lock::{self, Local};
use super::word::Word;
use super::{Fault, Result, World};
use std::ops::Range;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

/// How many rows a table can have, and of how many bytes: private copies, checked when the file was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) max_len: u64,
    pub(crate) row_bytes: u64,
}

impl Extent {
    fn bytes(self, rows: u64) -> u64 {
        // `rows` is at most `max_len`, and the bytes of those fit a file.
        rows * self.row_bytes
    }
}

/// Where the next rows go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) rows: Range<u64>,
    /// The bytes of the payload that have to be reserved before they are filled.
    pub(crate) lacking: Option<Range<u64>>,
}

/// How many rows there are.
///
/// # Ordering
/// The fence and the load before it meet the release store in [`publish`]: the bytes of the rows below are visible. An
/// acquire load is not promised to work on memory that is mapped read-only.
#[inline]
pub(crate) fn len<W: World>(world: &W, extent: Extent) -> Result<u64> {
    let len = world.len().load(Relaxed);
    W::fence(Acquire);
    if len <= extent.max_len { Ok(len) } else { Err(Fault::Corrupt("it has more rows than it has room for")) }
}

/// The same for one who has just said that it waits for rows. It may be asked of writable memory only.
///
/// # Ordering
/// As for [`lock::latest_sequence`]: the load of the role's word meets the `SeqCst` swap between the store of `len` and
/// the look for those who wait.
pub(crate) fn latest_len<W: World>(world: &W, extent: Extent) -> Result<u64> {
    lock::words(world, 0)?.wr.load(SeqCst);
    len(world, extent)
}

/// Finds the place of `count` rows. The caller has the role.
pub(crate) fn next<W: World>(world: &W, extent: Extent, count: u64) -> Result<Place> {
    let start = len(world, extent)?;
    let end = start.checked_add(count).filter(|end| *end <= extent.max_len).ok_or(Fault::TableFull(start))?;
    let reserved = world.cap_bytes().load(Relaxed);
    if reserved > extent.bytes(extent.max_len) {
        return Err(Fault::Corrupt("more of it is reserved than it has room for"));
    }
    // Rows that are there are not written again, whether the disk has kept room for them or not.
    let (from, to) = (reserved.max(extent.bytes(start)), extent.bytes(end));
    Ok(Place { rows: start..end, lacking: (from < to).then_some(from..to) })
}

/// Says that the bytes of the payload up to `end` are reserved. The caller has the role.
pub(crate) fn reserved<W: World>(world: &W, end: u64) {
    world.cap_bytes().store(end, Release);
}

/// Makes the rows up to `len`, which the caller has filled, be there; and gives the role back.
///
/// # Ordering
/// The release store makes the rows' bytes visible to whoever sees the new length. It comes before the swap that frees
/// the role, so the next one to append finds it; and that swap comes before the look for those who wait, so none of them
/// sleeps on: see [`latest_len`].
pub(crate) fn publish<W: World>(world: &W, local: &Local<W>, len: u64) -> Result<()> {
    world.len().store(len, Release);
    local.release(world, 0)?;
    lock::changed(world);
    Ok(())
}
