//! What can be told the kernel about the pages of a part of a mapped file.

#![allow(unsafe_code, reason = "giving pages back is safe for shared mappings only")]

use memmap2::{Advice, MmapRaw, UncheckedAdvice};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use std::fs::File;
use std::io;
use std::ops::Range;

/// A part of a mapping, and the file that it is of. Lends no bytes; ranges count from the first byte of the part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pages<'m> {
    pub(super) map: &'m MmapRaw,
    /// Where in the mapping it starts.
    pub(super) start: usize,
    pub(super) len: usize,
    /// Where in the file it starts.
    pub(super) offset: u64,
    pub(super) file: &'m File,
    /// Whether what is written goes into the file. Invariant, held by the modules beside this one: only if it is mapped so.
    pub(super) is_shared: bool,
}

impl Pages<'_> {
    pub(crate) fn advise(&self, advice: Advice, range: Range<usize>) -> io::Result<()> {
        let range = self.within(range);
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
        let range = self.within(range.start..range.end.saturating_sub(kept));
        // Private pages are nowhere else: they would be lost.
        if range.is_empty() || !self.is_shared {
            return;
        }
        // SAFETY: the mapping is shared, so its pages are those of the file, which keeps them: no byte changes.
        _ = unsafe { self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) };
    }

    /// Asks the kernel to keep a part of the file no longer in its cache, for anybody.
    pub(crate) fn uncache(&self, range: Range<usize>) {
        let (start, len) = (self.offset + range.start as u64, range.len() as u64);
        if let (Ok(start), Ok(len @ 1..)) = (i64::try_from(start), i64::try_from(len)) {
            _ = posix_fadvise(self.file, start, len, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        }
    }

    /// The same bytes, counted from the start of the mapping; none that are not inside.
    fn within(&self, range: Range<usize>) -> Range<usize> {
        self.start + range.start.min(self.len)..self.start + range.end.min(self.len)
    }
}

/// The bytes of a page.
pub(super) fn page_size() -> u64 {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or(4096)
}
