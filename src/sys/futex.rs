//! Sleeping on words of shared memory, and the clock that says for how long.

#![allow(unsafe_code, reason = "the C library has no wrappers for these system calls")]

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use std::ptr;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// The most words one call can sleep on.
pub(crate) const MAX_WORDS: usize = 128;

/// Nanoseconds on the monotonic clock.
#[inline]
pub(crate) fn now_ns() -> u64 {
    nanoseconds(ClockId::CLOCK_MONOTONIC)
}

/// The end of a wait on the monotonic clock. No span, or one too long to count, is no limit; zero is before any time.
pub(crate) fn deadline_ns(timeout: Option<Duration>) -> u64 {
    let span = timeout.and_then(|timeout| u64::try_from(timeout.as_nanos()).ok());
    match span {
        Some(0) => 0,
        Some(span) => now_ns().saturating_add(span),
        None => u64::MAX,
    }
}

/// Nanoseconds since 1970.
pub(crate) fn wall_ns() -> u64 {
    nanoseconds(ClockId::CLOCK_REALTIME)
}

#[inline]
fn nanoseconds(clock: ClockId) -> u64 {
    // Neither clock can fail on Linux, and neither is negative in this century.
    clock_gettime(clock).map_or(0, |time| {
        let [seconds, nanoseconds] = [time.tv_sec(), time.tv_nsec()].map(|part| u64::try_from(part).unwrap_or(0));
        seconds * 1_000_000_000 + nanoseconds
    })
}

/// How long the distance of the two clocks is believed. They run alike, unless somebody sets one, or the machine sleeps.
const BELIEVED_NS: u64 = 1_000_000;
/// Two looks that are farther apart tell the distance too badly to go on with it.
const TOGETHER_NS: u64 = 1_000;

/// Tells both times by one look at a clock, most of the time.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    /// How far the time since 1970 is ahead of the monotonic clock.
    ahead_ns: u64,
    believed_until_ns: u64,
}

impl Clocks {
    /// Nanoseconds on the monotonic clock, and since 1970.
    pub(crate) fn now_ns(&mut self) -> (u64, u64) {
        let now_ns = now_ns();
        if now_ns >= self.believed_until_ns {
            let wall_ns = wall_ns();
            let is_known = self::now_ns() - now_ns < TOGETHER_NS;
            self.ahead_ns = wall_ns.wrapping_sub(now_ns);
            self.believed_until_ns = if is_known { now_ns + BELIEVED_NS } else { 0 };
        }
        (now_ns, now_ns.wrapping_add(self.ahead_ns))
    }
}

/// Sleeps until woken through `word`, unless it does not hold `expected`, and no longer than to `until_ns`.
///
/// May return for no reason at all: the caller looks again.
pub(crate) fn sleep(word: &AtomicU32, expected: u32, until_ns: u64) {
    step!();
    let until = timespec(until_ns);
    // SAFETY: the word outlives the call; FUTEX_WAIT_BITSET without FUTEX_PRIVATE reads it and the absolute time.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT_BITSET,
            expected,
            &raw const until,
            ptr::null::<u32>(),
            libc::FUTEX_BITSET_MATCH_ANY,
        );
    }
}

/// Wakes everyone who sleeps on `word`, in this process and others.
pub(crate) fn wake_all(word: &AtomicU32) {
    step!();
    // SAFETY: the word outlives the call; the kernel only takes its address.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX);
    }
}

/// Sleeps until woken through any of the words, unless one does not hold its expected value; to `until_ns` at most.
///
/// At most [`MAX_WORDS`]. Needs Linux 5.16.
pub(crate) fn sleep_any(words: &[(&AtomicU32, u32)], until_ns: u64) {
    let until = timespec(until_ns);
    let waiters: Vec<libc::futex_waitv> = words
        .iter()
        .map(|(word, expected)| {
            // SAFETY: the struct is plain numbers, for which all zeros is a value.
            let mut waiter: libc::futex_waitv = unsafe { std::mem::zeroed() };
            waiter.val = u64::from(*expected);
            waiter.uaddr = word.as_ptr() as u64;
            waiter.flags = FUTEX2_SIZE_U32;
            waiter
        })
        .collect();
    // SAFETY: the words and the list outlive the call, and the list has as many entries as it is said to have.
    unsafe {
        libc::syscall(
            libc::SYS_futex_waitv,
            waiters.as_ptr(),
            waiters.len(),
            0,
            &raw const until,
            libc::CLOCK_MONOTONIC,
        );
    }
}

/// 32-bit words, shared between processes (not yet in the libc crate).
const FUTEX2_SIZE_U32: u32 = 2;

fn timespec(ns: u64) -> libc::timespec {
    *TimeSpec::from_duration(Duration::from_nanos(ns)).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever it remembers, the monotonic time is the clock's own, and the other is right to the distance of two looks.
    #[test]
    fn both_times_are_told() {
        let mut clocks = Clocks::default();
        for _ in 0..100_000 {
            let (before, wall_before) = (now_ns(), wall_ns());
            let (now, wall) = clocks.now_ns();
            let (after, wall_after) = (now_ns(), wall_ns());
            assert!((before..=after).contains(&now), "{before} {now} {after}");
            let least = wall_before - TOGETHER_NS;
            assert!((least..=wall_after + TOGETHER_NS).contains(&wall), "{wall_before} {wall} {wall_after}");
        }
    }
}
