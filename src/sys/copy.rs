//! Copies out of bytes that another process may be writing: the only place that makes them.
//!
//! Reading such bytes through a reference is undefined behaviour even if the result is thrown away. Here they are read
//! by one machine instruction that Rust does not see into, or word by word through relaxed atomics.

#![allow(unsafe_code, reason = "live bytes are read through raw pointers")]

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Copies start on multiples of so many bytes.
pub(crate) const ALIGN: usize = 128;

/// Private bytes that start on a line, as slots do: what can be borrowed from a slot can be borrowed from its copy.
#[derive(Debug)]
pub(crate) struct AlignedBytes {
    /// With room to begin at `start`, which is on a line wherever the allocator put them.
    words: Box<[u64]>,
    start: usize,
}

impl AlignedBytes {
    /// At least `len` bytes, all zero; `None` if there is not so much memory.
    pub(crate) fn zeroed(len: u64) -> Option<Self> {
        let room = ALIGN / size_of::<u64>();
        let words = usize::try_from(len.div_ceil(8)).ok()?.checked_add(room)?;
        let words: Box<[u64]> = bytemuck::allocation::try_zeroed_slice_box(words).ok()?;
        let start = words.as_ptr().align_offset(ALIGN).min(room);
        Some(Self { words, start })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self.words.get(self.start..).unwrap_or_default())
    }

    /// Exactly the words that hold `len` bytes; none if there are fewer.
    pub(crate) fn words_mut(&mut self, len: u64) -> &mut [u64] {
        let end = self.start + len.div_ceil(8) as usize;
        self.words.get_mut(self.start..end).unwrap_or_default()
    }
}

/// Up to here the words are copied one by one: the machine's own copy takes its time to start.
const SMALL: usize = 256;

/// Copies bytes from shared memory, from `offset` on, into private memory.
///
/// What arrives may be a mixture of old and new: the caller decides afterwards whether to believe it.
///
/// # Safety
/// `source` is aligned to 8 bytes, and valid for reads up to the end of the word that holds the last byte.
#[inline]
pub(crate) unsafe fn copy_out(source: *const u64, offset: usize, target: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if target.len() > SMALL || offset % 8 != 0 {
        let source = source.wrapping_byte_add(offset);
        // SAFETY: the caller vouches for the source; the target is a live slice of as many bytes. The direction flag is
        // clear at function entry by the ABI, and the instruction touches nothing but the registers named here.
        unsafe {
            std::arch::asm!(
                "rep movsb",
                inout("rcx") target.len() => _,
                inout("rsi") source => _,
                inout("rdi") target.as_mut_ptr() => _,
                options(nostack, preserves_flags)
            );
        }
        return;
    }
    let mut word = source.wrapping_add(offset / 8);
    let skip = offset % 8;
    let (first, rest) = target.split_at_mut(if skip == 0 { 0 } else { target.len().min(8 - skip) });
    let mut next = || {
        // SAFETY: the word holds one of the bytes that the caller vouches for, and is aligned.
        let value = unsafe { shared_word(word) }.load(Relaxed).to_ne_bytes();
        word = word.wrapping_add(1);
        value
    };
    if !first.is_empty() {
        first.copy_from_slice(&next()[skip..skip + first.len()]);
    }
    let mut whole = rest.chunks_exact_mut(8);
    whole.by_ref().for_each(|bytes| bytes.copy_from_slice(&next()));
    let last = whole.into_remainder();
    if !last.is_empty() {
        last.copy_from_slice(&next()[..last.len()]);
    }
}

/// Copies private bytes into shared memory, word by word; the last word is filled up with zeros.
///
/// # Safety
/// `target` is aligned to 8 bytes, and valid for writes up to the end of the word that holds the last byte; everyone
/// who accesses it meanwhile does so through relaxed atomics of this width, or through [`copy_out`].
#[inline]
pub(crate) unsafe fn copy_in(source: &[u8], target: *mut u64) {
    for (i, bytes) in source.chunks(8).enumerate() {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        step!();
        // SAFETY: the word is one of those that the caller vouches for.
        unsafe { shared_word(target.wrapping_add(i)) }.store(u64::from_ne_bytes(word), Relaxed);
    }
}

/// # Safety
/// The word is aligned and lives as long as the reference.
#[inline]
unsafe fn shared_word<'a>(word: *const u64) -> &'a AtomicU64 {
    // SAFETY: by the caller's word; it is accessed through atomics of this width only, or not by Rust.
    unsafe { AtomicU64::from_ptr(word.cast_mut()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_start_on_a_line_and_have_their_length() {
        for len in [0, 1, 8, 9, 127, 128, 129, 4095, 4096, 1 << 20] {
            let mut copy = AlignedBytes::zeroed(len).expect("this much memory is there");
            assert_eq!(copy.words_mut(len).len() as u64, len.div_ceil(8));
            assert_eq!(copy.words_mut(len).as_ptr().align_offset(ALIGN), 0, "{len}");
            assert_eq!(copy.bytes().as_ptr().align_offset(ALIGN), 0, "{len}");
            assert!(copy.bytes().len() as u64 >= len);
        }
    }

    /// From any place and of any length, through the words and through the machine's instruction.
    #[test]
    fn what_is_copied_in_is_copied_out() {
        let bytes: Vec<u8> = (0..1000_u32).map(|i| (i * 7 % 251) as u8).collect();
        let mut shared = vec![0_u64; 130];
        for len in [0, 1, 7, 8, 9, 64, 255, 256, 257, 1000] {
            shared.fill(u64::MAX);
            // SAFETY: there are 1040 bytes, and nobody else sees them.
            unsafe { copy_in(&bytes[..len], shared.as_mut_ptr()) };
            for offset in (0..len).step_by(3) {
                let mut back = vec![0; len - offset];
                // SAFETY: as above.
                unsafe { copy_out(shared.as_ptr(), offset, &mut back) };
                assert_eq!(back, bytes[offset..len], "{len} from {offset}");
            }
        }
    }

    #[test]
    fn more_than_there_can_be_is_none() {
        assert!(AlignedBytes::zeroed(u64::MAX).is_none());
        assert!(AlignedBytes::zeroed(i64::MAX as u64).is_none());
        assert!(AlignedBytes::zeroed(1 << 47).is_none());
    }
}
