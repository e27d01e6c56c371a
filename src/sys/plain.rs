//! A part of a plain file in this process: a file that is nobody's own, and that anybody may change.

#![allow(unsafe_code, reason = "the bytes of a plain file are borrowed as they are; see `PlainMap`")]

use super::pages::Pages;
use super::sigbus::{Loss, Mapped, Watch};
use memmap2::{MmapMut, MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::slice;
use std::sync::Arc;

/// Where what is written goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing can be written.
    Read,
    /// Into the file.
    Shared,
    /// Into pages of this process's own.
    Private,
}

/// Some bytes of a file, mapped.
///
/// # Who else writes them
/// Whoever may write the file, whenever they like: there is no lock and no lease. A reference to such bytes is sound only
/// as long as nobody does, which Rust cannot know and this type does not check: as with any file, what other programs do to
/// it is outside of what a program can promise. What it lends is bytes, and items for which any bytes are a value, so what
/// a careless neighbour causes is numbers that change under one's eyes. One that makes the file shorter causes SIGBUS,
/// or zeros and a [mark](Self::loss).
///
/// Invariants, held by the only constructor and by privacy:
/// 1. the pages are valid for reads of `len` bytes, and for writes unless `access` is [`Access::Read`], while this lives;
/// 2. no other value of this process lends bytes of this address range.
#[derive(Debug)]
pub(crate) struct PlainMap(Arc<PlainPages>);

/// What a [`PlainMap`] has mapped. Lends no bytes.
#[derive(Debug)]
pub(crate) struct PlainPages {
    /// First, since it goes before the map does.
    watch: Watch,
    map: MmapRaw,
    /// As many as were asked for; `map` itself is never of no length.
    len: usize,
    /// Where in the file it starts.
    offset: u64,
    access: Access,
    file: File,
}

impl PlainMap {
    /// Maps `len` bytes from `offset` on, which the file must have.
    pub(crate) fn new(file: File, offset: u64, len: usize, access: Access) -> io::Result<Self> {
        let mut options = MmapOptions::new();
        // An offset past the end is as good as any for no bytes.
        options.len(len).offset(if len == 0 { 0 } else { offset });
        let map = match access {
            Access::Read => options.map_raw_read_only(&file)?,
            Access::Shared => options.map_raw(&file)?,
            Access::Private => MmapRaw::from(private(&options, &file)?),
        };
        let watch = Watch::new(Mapped { base: map.as_ptr(), len, offset, writable: access != Access::Read }, &file);
        Ok(Self(Arc::new(PlainPages { watch, map, len, offset, access, file })))
    }

    pub(crate) fn access(&self) -> Access {
        self.0.access
    }

    pub(crate) fn file(&self) -> &File {
        &self.0.file
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len
    }

    /// What happened to the file, if a page was touched that it did not have.
    pub(crate) fn loss(&self) -> Option<Loss> {
        self.0.watch.loss()
    }

    /// What is mapped, and stays so as long as somebody has it.
    pub(crate) fn mapped(&self) -> &Arc<PlainPages> {
        &self.0
    }

    /// Where it starts in memory.
    #[inline]
    pub(crate) fn base(&self) -> *mut u8 {
        self.0.map.as_mut_ptr()
    }

    /// The bytes as they are now. See the type for what that is worth.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: by the first invariant they may be read; that nobody writes them is up to the users of the file, as the
        // type says.
        unsafe { slice::from_raw_parts(self.base(), self.len()) }
    }

    /// The bytes, to be written; `None` if they can only be read.
    #[inline]
    pub(crate) fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        if self.access() == Access::Read {
            return None;
        }
        // SAFETY: by the first invariant they may be written, by the second nobody in this process borrows them while `self`
        // is borrowed alone; for others see the type.
        Some(unsafe { slice::from_raw_parts_mut(self.base(), self.len()) })
    }
}

impl PlainPages {
    /// Writes what was changed to the disk; waits until it is there, or only asks for it.
    pub(crate) fn flush(&self, range: Range<usize>, wait: bool) -> io::Result<()> {
        match (self.access, range.is_empty()) {
            (Access::Shared, false) if wait => self.map.flush_range(range.start, range.len()),
            (Access::Shared, false) => self.map.flush_async_range(range.start, range.len()),
            _ => Ok(()),
        }
    }

    pub(crate) fn pages(&self) -> Pages<'_> {
        let Self { map, len, offset, file, access, .. } = self;
        Pages { map, start: 0, len: *len, offset: *offset, file, is_shared: *access != Access::Private }
    }
}

fn private(options: &MmapOptions, file: &File) -> io::Result<MmapMut> {
    // SAFETY: nothing is borrowed from it but by `PlainMap`, which says what that is worth.
    unsafe { options.map_copy(file) }
}
