//! Which frame a superblock names, and whether that frame is there.

use crate::error::{Error, Result};
use crate::layout::{SUPERBLOCK_MAGIC, Superblock};
use crate::protocol::commit::Disk;
use crate::protocol::word::Word;
use crate::protocol::{Descriptor, LAST_SEQ, World, complete};
use crate::segment::{FrameHeader, Segment};
use bytemuck::Zeroable;
use std::cmp::Reverse;
use std::sync::atomic::Ordering::Relaxed;

/// The two superblocks of a stream.
pub(super) struct Superblocks<'s>(pub(super) &'s Segment);

/// What a superblock says that is whole.
struct Found {
    page: usize,
    superblock: Superblock,
    frame: Descriptor,
    header: FrameHeader,
}

impl Disk for Superblocks<'_> {
    type Error = Error;

    fn sync_payload(&self, frame: Descriptor) -> Result<()> {
        let header = self.0.read_header(frame.slot)?;
        self.0.sync_payload(frame.slot, self.0.frame_len(&header))
    }

    fn record(&self, frame: Descriptor, durable: Descriptor) -> Result<()> {
        let (page, commit_no) = self.next(durable)?;
        let superblock = self.compose(frame, commit_no)?;
        self.0.write_superblock(page, &superblock)
    }
}

impl Superblocks<'_> {
    /// The superblock that may be overwritten, and the number of the commit that does: the other one names `durable`.
    ///
    /// Never by turns: who died in the middle of a commit had its turn, or had not.
    fn next(&self, durable: Descriptor) -> Result<(usize, u64)> {
        if durable.seq == 0 {
            return Ok((0, 1));
        }
        let named = self.whole().find(|found| found.frame == durable);
        let named = named.ok_or_else(|| self.0.corrupt("no superblock names the frame that was committed last"))?;
        Ok((1 - named.page, named.superblock.commit_no + 1))
    }

    fn compose(&self, frame: Descriptor, commit_no: u64) -> Result<Superblock> {
        let segment = self.0;
        let header = segment.read_header(frame.slot)?;
        let len = segment.frame_len(&header);
        let hash = segment.payload_hash(frame.slot, len);
        let mut superblock = Superblock {
            magic: SUPERBLOCK_MAGIC,
            uuid: segment.identity().uuid,
            commit_no,
            seq: frame.seq,
            slot: frame.slot,
            len,
            time_ns: header.time_ns,
            acquired_ns: header.acquired_ns,
            tags: header.tags,
            data_xxh3: hash.ok_or_else(|| segment.corrupt("a word names a slot that cannot be"))?,
            ..Superblock::zeroed()
        };
        let shape = header.shape.as_deref().unwrap_or(&segment.form().shape);
        for (place, dim) in superblock.shape.iter_mut().zip(shape) {
            *place = *dim as u64;
        }
        superblock.crc = superblock.checksum();
        Ok(superblock)
    }

    /// The superblocks that were written to their end, for this array, and name a frame that can be.
    fn whole(&self) -> impl Iterator<Item = Found> {
        [0, 1].into_iter().filter_map(|page| self.read(page))
    }

    fn read(&self, page: usize) -> Option<Found> {
        let segment = self.0;
        let superblock = segment.superblock(page);
        let is_whole = superblock.magic == SUPERBLOCK_MAGIC
            && superblock.crc == superblock.checksum()
            && superblock.uuid == segment.identity().uuid;
        let can_be = (1..u64::MAX).contains(&superblock.commit_no)
            && (1..=LAST_SEQ).contains(&superblock.seq)
            && superblock.slot < segment.slots();
        let declared = &segment.form().shape;
        let shape: Vec<usize> = superblock.shape.iter().take(declared.len()).map(|dim| *dim as usize).collect();
        if !is_whole || !can_be || !segment.fits(&shape) {
            return None;
        }
        let Superblock { seq, slot, time_ns, acquired_ns, tags, .. } = superblock;
        let shape = (shape != *declared).then(|| shape.into_boxed_slice());
        let header = FrameHeader { shape, monotonic_ns: 0, time_ns, acquired_ns, tags };
        let is_sized = superblock.len == segment.frame_len(&header);
        is_sized.then_some(Found { page, superblock, frame: Descriptor { seq, slot }, header })
    }

    /// The newest frame that was committed and whose payload is there. Of a file that was copied while it was used, the
    /// copy may have a superblock and not what it names.
    fn newest(&self) -> Option<Found> {
        let mut found: Vec<_> = self.whole().collect();
        found.sort_by_key(|found| Reverse(found.superblock.commit_no));
        found.into_iter().find(|found| {
            let hash = self.0.payload_hash(found.frame.slot, found.superblock.len);
            hash == Some(found.superblock.data_xxh3)
        })
    }

    /// Makes the newest frame that was committed the only one of the stream, whose control words are zero. The caller is
    /// alone with the file.
    ///
    /// A superblock that was passed over goes, so that it is never chosen later, when the slot it names has another
    /// frame. What was chosen may be the copy of a file, and not on the disk yet.
    pub(super) fn restore(&self) -> Result<()> {
        let segment = self.0;
        let newest = self.newest();
        let kept = newest.as_ref().map(|found| found.page);
        for page in [0, 1].into_iter().filter(|page| Some(*page) != kept) {
            if segment.superblock(page) != Superblock::zeroed() {
                segment.write_superblock(page, &Superblock::zeroed())?;
            }
        }
        let Some(Found { frame, header, .. }) = newest else { return Ok(()) };
        segment.sync_all()?;
        // Both can fail only for a slot that cannot be.
        _ = segment.write_header(frame.slot, &header);
        if let Some(ver) = segment.ver(frame.slot) {
            Word::store(ver, complete(frame.seq), Relaxed);
        }
        Word::store(segment.intent(), frame.seq, Relaxed);
        for word in [segment.desc(frame.seq), segment.head(), segment.durable()] {
            Word::store(word, frame.to_bits(), Relaxed);
        }
        Ok(())
    }
}
