//! Copies out of bytes that another process may be writing: the only place that makes them.
//!
//! Reading such bytes through a reference is undefined behaviour even if the result is thrown away. Here they are read
//! by one machine instruction that Rust does not see into, or word by word through relaxed atomics.

#![allow(unsafe_code, reason = "live bytes are read through raw pointers")]

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

/// Copies `target.len()` words from shared memory into private memory.
///
/// What arrives may be a mixture of old and new: the caller decides afterwards whether to believe it.
///
/// # Safety
/// `source` is valid for reads of that many words and aligned to 8 bytes.
pub(crate) unsafe fn copy_words(source: *const u64, target: &mut [u64]) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller vouches for the source; the target is a live slice of as many bytes. The direction flag is
    // clear at function entry by the ABI, and the instruction touches nothing but the registers named here.
    unsafe {
        std::arch::asm!(
            "rep movsb",
            inout("rcx") size_of_val(target) => _,
            inout("rsi") source => _,
            inout("rdi") target.as_mut_ptr() => _,
            options(nostack, preserves_flags)
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    for (i, word) in target.iter_mut().enumerate() {
        // SAFETY: `i` is below the number of words that the caller vouches for.
        let at = unsafe { source.add(i) };
        // SAFETY: aligned and valid by the caller's word, and only ever written through atomics of this width.
        *word =
            unsafe { std::sync::atomic::AtomicU64::from_ptr(at.cast_mut()) }.load(std::sync::atomic::Ordering::Relaxed);
    }
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

    #[test]
    fn more_than_there_can_be_is_none() {
        assert!(AlignedBytes::zeroed(u64::MAX).is_none());
        assert!(AlignedBytes::zeroed(i64::MAX as u64).is_none());
        assert!(AlignedBytes::zeroed(1 << 47).is_none());
    }
}
