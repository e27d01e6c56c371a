//! What stands on the disk: superblocks, and the one place that waits for it.

use super::Segment;
use crate::error::{Error, Result};
use crate::layout::{Control, SUPERBLOCKS_OFF, Superblock};
use crate::protocol::word::Word;
use bytemuck::Zeroable;
use std::io;
use std::mem::offset_of;
use std::ops::Range;
use std::slice;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use xxhash_rust::xxh3::Xxh3;

/// How much of a payload is taken into its hash at a time.
const PART_BYTES: u64 = 1 << 18;

impl Segment {
    /// A private copy of a superblock; torn if it is being written.
    pub(crate) fn superblock(&self, page: usize) -> Superblock {
        let mut superblock = Superblock::zeroed();
        let words: &mut [u64] = bytemuck::cast_slice_mut(slice::from_mut(&mut superblock));
        for (word, at) in words.iter_mut().zip((SUPERBLOCKS_OFF[page % 2]..).step_by(8)) {
            *word = self.word64(at).load(Relaxed);
        }
        superblock
    }

    /// Overwrites a superblock and waits until it is on the disk. The caller is the only one who does.
    pub(crate) fn write_superblock(&self, page: usize, superblock: &Superblock) -> Result<()> {
        // What it tells of the payload may be told of zeros, where somebody cut the file short.
        self.check_whole()?;
        let start = SUPERBLOCKS_OFF[page % 2];
        let words: &[u64] = bytemuck::cast_slice(slice::from_ref(superblock));
        for (value, at) in words.iter().zip((start..).step_by(8)) {
            let word = self.word64(at);
            if word.load(Relaxed) != *value {
                Word::store(word, *value, Relaxed);
            }
        }
        self.sync(start, size_of::<Superblock>() as u64)
    }

    /// Writes some bytes of a slot to the disk, and waits until they are there.
    pub(crate) fn sync_payload(&self, slot: u32, bytes: Range<u64>) -> Result<()> {
        let start = self.identity.data_off + u64::from(slot) * self.identity.slot_stride;
        self.sync(start + bytes.start, bytes.end.saturating_sub(bytes.start))
    }

    /// Writes the payload to the disk, and what blocks say of it, and waits until it is there.
    pub(crate) fn flush(&self) -> Result<()> {
        let start = self.identity.blocks.off;
        let written = self.sync(start, self.identity.file_len - start);
        self.check_whole()?;
        written
    }

    /// Writes all of the file to the disk, what was changed through other descriptors included.
    pub(crate) fn sync_all(&self) -> Result<()> {
        self.waiting_for_disk(|| self.lock_file().sync_all())?;
        step!(synced 0, u64::MAX);
        Ok(())
    }

    fn sync(&self, offset: u64, len: u64) -> Result<()> {
        if len == 0 {
            return Ok(());
        }
        self.waiting_for_disk(|| self.mapping.flush(offset, len))?;
        step!(synced offset, len);
        Ok(())
    }

    /// A system that could not write drops what it should have written, and says so once: the next attempt succeeds with
    /// nothing done. So after the first failure no attempt is made any more.
    fn waiting_for_disk(&self, sync: impl FnOnce() -> io::Result<()>) -> Result<()> {
        self.check_durability()?;
        step!();
        let synced = sync();
        self.check_whole()?;
        synced.map_err(|error| {
            if self.is_writable() {
                Word::store(self.durability_lost(), self.loss_mark(), Relaxed);
            }
            Error::io("write to the disk", &self.name, error)
        })
    }

    /// Refuses if a sync has failed in this boot.
    pub(crate) fn check_durability(&self) -> Result<()> {
        let mark = Word::load(self.durability_lost(), Relaxed);
        let is_lost = mark != 0 && mark == self.loss_mark();
        if is_lost { Err(Error::DurabilityLost { name: self.name.clone() }) } else { Ok(()) }
    }

    /// Tells a loss in this boot and in this file from one that was before a reboot, or befell the original of a copy.
    fn loss_mark(&self) -> u32 {
        crc32c::crc32c(bytemuck::bytes_of(&self.valid_stamps())) | 1
    }

    /// Not zero and the mark of this boot and file: a sync has failed.
    pub(crate) fn durability_lost(&self) -> &AtomicU32 {
        self.control32(offset_of!(Control, durability_lost))
    }

    /// Not zero: the payload of an array in place was found, not written, since the machine started.
    pub(crate) fn unverified(&self) -> &AtomicU32 {
        self.control32(offset_of!(Control, unverified))
    }

    /// Tells one content of a slot from others. `None` if the slot has not so many bytes.
    pub(crate) fn payload_hash(&self, slot: u32, len: u64) -> Option<u64> {
        let mut hash = Xxh3::new();
        let mut part = vec![0; PART_BYTES.min(len) as usize];
        for offset in (0..len).step_by(PART_BYTES as usize) {
            let part = &mut part[..PART_BYTES.min(len - offset) as usize];
            self.copy_out(slot, offset, part, &|| true)?;
            hash.update(part);
        }
        Some(hash.digest())
    }
}
