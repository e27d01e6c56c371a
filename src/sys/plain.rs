//! A part of a plain file in this process: a file that is nobody's own, and that anybody may change.

#![allow(unsafe_code, reason = "the bytes of a plain file are borrowed as they are; see `PlainMap`")]

use super::sigbus::{Loss, Mapped, Watch};
use memmap2::{Advice, MmapMut, MmapOptions, MmapRaw, UncheckedAdvice};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
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
pub(crate) struct PlainMap(Arc<Pages>);

/// The pages of a [`PlainMap`]: what can be told the kernel about them. Lends no bytes.
#[derive(Debug)]
pub(crate) struct Pages {
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
        Ok(Self(Arc::new(Pages { watch, map, len, offset, access, file })))
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

    /// Its pages, which stay mapped as long as somebody has them.
    pub(crate) fn pages(&self) -> &Arc<Pages> {
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

impl Pages {
    /// Writes what was changed to the disk; waits until it is there, or only asks for it.
    pub(crate) fn flush(&self, range: Range<usize>, wait: bool) -> io::Result<()> {
        match (self.access, range.is_empty()) {
            (Access::Shared, false) if wait => self.map.flush_range(range.start, range.len()),
            (Access::Shared, false) => self.map.flush_async_range(range.start, range.len()),
            _ => Ok(()),
        }
    }

    pub(crate) fn advise(&self, advice: Advice, range: Range<usize>) -> io::Result<()> {
        if range.is_empty() { Ok(()) } else { self.map.advise_range(advice, range.start, range.len()) }
    }

    /// Says that it will be read from the start to the end, or no longer.
    pub(crate) fn read_in_order(&self, yes: bool) {
        // Without it the bytes come all the same, only slower.
        _ = self.advise(if yes { Advice::Sequential } else { Advice::Normal }, 0..self.len);
    }

    /// Brings bytes now, as if they were read one after the other.
    pub(crate) fn touch(&self, range: Range<usize>) {
        // Kernels before 5.14 do not know it: the bytes then come when they are touched.
        _ = self.advise(Advice::PopulateRead, range);
    }

    /// Gives back the memory of bytes that will not be needed soon, but for the page that the next byte is on. They stay what
    /// they are, and come back from the file when they are touched.
    pub(crate) fn release(&self, range: Range<usize>) {
        let page_end = self.offset + range.end as u64;
        let kept = if range.end == self.len { 0 } else { (page_end % page_size()) as usize };
        let len = range.len().saturating_sub(kept);
        // Private pages are nowhere else: they would be lost.
        if len == 0 || self.access == Access::Private {
            return;
        }
        // SAFETY: the mapping is shared, so its pages are those of the file, which keeps them: no byte changes.
        _ = unsafe { self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, len) };
    }

    /// Asks the kernel to keep a part of the file no longer in its cache, for anybody.
    pub(crate) fn uncache(&self, range: Range<usize>) {
        let (start, len) = (self.offset + range.start as u64, range.len() as u64);
        if let (Ok(start), Ok(len @ 1..)) = (i64::try_from(start), i64::try_from(len)) {
            _ = posix_fadvise(&self.file, start, len, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        }
    }
}

fn private(options: &MmapOptions, file: &File) -> io::Result<MmapMut> {
    // SAFETY: nothing is borrowed from it but by `PlainMap`, which says what that is worth.
    unsafe { options.map_copy(file) }
}

/// The bytes of a page.
pub(crate) fn page_size() -> u64 {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or(4096)
}
