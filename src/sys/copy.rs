//! Copies out of bytes that another process may be writing: the only place that makes them.
//!
//! Reading such bytes through a reference is undefined behaviour even if the result is thrown away. Here they are read
//! by one machine instruction that Rust does not see into, or word by word through relaxed atomics.

#![allow(unsafe_code, reason = "live bytes are read through raw pointers")]

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
