//! Which frame a superblock names, and whether that frame is there. A table's rows are one frame, whose sequence is their
//! number.

use super::rows;
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::layout::{SUPERBLOCK_MAGIC, Superblock};
use crate::protocol::commit::{Disk, durable};
use crate::protocol::word::Word;
use crate::protocol::{Descriptor, LAST_SEQ, World, complete};
use crate::segment::{FrameHeader, Segment};
use bytemuck::Zeroable;
use std::cmp::Reverse;
use std::sync::atomic::Ordering::Relaxed;

/// The two superblocks of a stream or a table.
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
        if self.is_of_table() {
            return rows::sync(self.0, durable(self.0), frame);
        }
        let header = self.0.read_header(frame.slot)?;
        self.0.sync_payload(frame.slot, 0..self.0.frame_len(&header))
    }

    fn record(&self, frame: Descriptor, durable: Descriptor) -> Result<()> {
        let (page, commit_no) = self.next(durable)?;
        let told = if self.is_of_table() { rows::tell(self.0, frame) } else { self.tell(frame)? };
        let named = Superblock {
            magic: SUPERBLOCK_MAGIC,
            uuid: self.0.identity().uuid,
            commit_no,
            seq: frame.seq,
            slot: frame.slot,
            ..told
        };
        self.0.write_superblock(page, &Superblock { crc: named.checksum(), ..named })
    }
}

impl Superblocks<'_> {
    fn is_of_table(&self) -> bool {
        self.0.form().kind == Kind::Growable
    }

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

    /// What a superblock tells of a frame, beside its name.
    fn tell(&self, frame: Descriptor) -> Result<Superblock> {
        let segment = self.0;
        let header = segment.read_header(frame.slot)?;
        let len = segment.frame_len(&header);
        let hash = segment.payload_hash(frame.slot, len);
        let mut superblock = Superblock {
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
        if self.is_of_table() {
            let frame = Descriptor { seq: superblock.seq, slot: superblock.slot };
            let is_valid = is_whole && can_be && rows::can_be(segment, &superblock);
            return is_valid.then(|| Found { page, superblock, frame, header: FrameHeader::default() });
        }
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
            if self.is_of_table() {
                return true;
            }
            let hash = self.0.payload_hash(found.frame.slot, found.superblock.len);
            hash == Some(found.superblock.data_xxh3)
        })
    }

    /// Makes the newest frame that was committed the only one of the stream, or the rows up to there those of the table, whose control words are zero. The caller is
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
        if self.is_of_table() {
            rows::restore(segment, frame);
            return Ok(());
        }
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
