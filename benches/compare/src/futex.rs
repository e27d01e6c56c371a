//! The kernel's sleep on a word, and the lock that is usually made of it.

use std::ptr;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Sleeps while `word` holds `expected`; may return early.
pub fn wait(word: &AtomicU32, expected: u32) {
    // SAFETY: the word outlives the call; without a time limit the kernel reads nothing else.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, expected, ptr::null::<libc::timespec>()) };
}

/// Wakes one of those who sleep on `word`.
pub fn wake(word: &AtomicU32) {
    // SAFETY: the kernel only takes the word's address.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
}

const FREE: u32 = 0;
const HELD: u32 = 1;
const WANTED: u32 = 2;

/// Takes the lock: one compare-and-swap if it is free. Nothing frees it when its holder dies.
pub fn lock(word: &AtomicU32) {
    if word.compare_exchange(FREE, HELD, Acquire, Relaxed).is_err() {
        while word.swap(WANTED, Acquire) != FREE {
            wait(word, WANTED);
        }
    }
}

/// Gives the lock back: one swap if nobody waits.
pub fn unlock(word: &AtomicU32) {
    if word.swap(FREE, Release) == WANTED {
        wake(word);
    }
}
