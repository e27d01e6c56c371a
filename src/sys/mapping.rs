//! A file's bytes in this process.

use super::pages::Pages;
use super::sigbus::{Loss, Mapped, Watch};
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::io;

/// A shared mapping of a whole file. Lends no references: others write these bytes.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// First, since it goes before the map does.
    watch: Watch,
    map: MmapRaw,
    writable: bool,
}

impl Mapping {
    /// Maps the first `len` bytes. `kept` is the same file, by a descriptor that stays open as long as the map is there.
    pub(crate) fn new(file: &File, len: usize, writable: bool, kept: &File) -> io::Result<Self> {
        let mut options = MmapOptions::new();
        options.len(len);
        let map = if writable { options.map_raw(file)? } else { options.map_raw_read_only(file)? };
        let watch = Watch::new(Mapped { base: map.as_ptr(), len, offset: 0, writable }, kept);
        Ok(Self { watch, map, writable })
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.writable
    }

    /// What happened to the file, if a page was touched that it did not have. One load.
    #[inline]
    pub(crate) fn loss(&self) -> Option<Loss> {
        self.watch.loss()
    }

    /// Where it starts.
    #[inline]
    pub(crate) fn base(&self) -> *mut u8 {
        self.map.as_mut_ptr()
    }

    /// Writes a part that was changed to the disk, and waits until it is there.
    pub(crate) fn flush(&self, offset: u64, len: u64) -> io::Result<()> {
        self.map.flush_range(offset as usize, len as usize)
    }

    /// The pages of `len` bytes at `offset`, which `file` has there as well.
    pub(crate) fn pages<'m>(&'m self, offset: u64, len: u64, file: &'m File) -> Pages<'m> {
        Pages { map: &self.map, start: offset as usize, len: len as usize, offset, file, is_shared: true }
    }

    /// The place of `len` bytes at `offset`; `None` unless all of them are inside. Everyone calls this one check.
    #[inline]
    pub(crate) fn range(&self, offset: u64, len: u64) -> Option<*mut u8> {
        let end = offset.checked_add(len)?;
        if end > self.map.len() as u64 {
            return None;
        }
        // Below the length, so it fits.
        Some(self.map.as_mut_ptr().wrapping_add(offset as usize))
    }
}
