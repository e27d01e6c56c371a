//! Wait until something changed, without polling and without a system call where nobody waits.
//!
//! A word counts changes above one bit that says whether anyone sleeps. The waiter reads the word, then checks its
//! condition, then sets the bit by compare-and-swap: a change in between makes that fail. The notifier makes the
//! condition true, then counts, and calls the kernel only if the bit was set. A waiter that is killed costs at most one
//! needless wake; a notifier killed before it counts is made up for by the slices in which everyone sleeps.

use super::World;
use super::word::Word;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};

/// Somebody sleeps on the word.
pub(crate) const WAITING: u32 = 1;

/// How long one sleep may take before the sleeper looks around: who died, what was unlinked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slices {
    pub(crate) first_ns: u64,
    pub(crate) longest_ns: u64,
    /// Whether the sleeper says that it sleeps. One that may not write cannot: it looks more often instead.
    pub(crate) arms: bool,
    /// Whether the word is counted only when somebody has said that it sleeps: then it looks again after saying so.
    pub(crate) looks_again: bool,
}

impl Slices {
    /// For what a living process will soon give back: always 10 ms.
    pub(crate) const ROOM: Self = Self { first_ns: 10_000_000, longest_ns: 10_000_000, arms: true, looks_again: false };
    /// For news that may be long in coming: 10 ms, growing to 50.
    pub(crate) const NEWS: Self = Self { first_ns: 10_000_000, longest_ns: 50_000_000, arms: true, looks_again: false };
    /// For an onlooker, whom nobody wakes: 1 ms, growing to 10.
    pub(crate) const LOOK: Self = Self { first_ns: 1_000_000, longest_ns: 10_000_000, arms: false, looks_again: false };
    /// For a change of an array in place: always 10 ms.
    pub(crate) const CHANGE: Self =
        Self { first_ns: 10_000_000, longest_ns: 10_000_000, arms: true, looks_again: true };
}

/// Says that what `word` stands for has changed. The change itself must have been stored before.
///
/// Costs one compare-and-swap; a system call only if someone sleeps.
///
/// # Ordering
/// The release half meets the acquire load in [`wait`]: who sees the new count sees the change.
pub(crate) fn notify<W: World>(world: &W, word: &W::U32) {
    let mut seen = word.load(Relaxed);
    while let Err(now) = word.compare_exchange(seen, counted(seen), AcqRel, Relaxed) {
        seen = now;
    }
    if seen & WAITING != 0 {
        world.wake_all(word);
    }
}

/// The next count, nobody sleeping.
fn counted(seen: u32) -> u32 {
    (seen >> 1).wrapping_add(1) << 1
}

/// Sets the waiting bit in a word that was read as `seen`, and returns what to sleep on; `None` if it has changed.
pub(crate) fn arm<W: World>(word: &W::U32, seen: u32) -> Option<u32> {
    let armed = seen | WAITING;
    if seen == armed || word.compare_exchange(seen, armed, SeqCst, Relaxed).is_ok() { Some(armed) } else { None }
}

/// Waits on `word` until `check` breaks with an answer; `None` when `until_ns` passes first.
///
/// `check` is given `true` when a slice went by without news, and at the end of the wait, however short it was: the time
/// to see who died.
pub(crate) fn wait<W: World, R>(
    world: &W,
    word: &W::U32,
    until_ns: u64,
    slices: Slices,
    mut check: impl FnMut(bool) -> ControlFlow<R>,
) -> Option<R> {
    let mut looks = 0;
    while world.pause(looks) {
        if let ControlFlow::Break(answer) = check(false) {
            return Some(answer);
        }
        // A look may be long: it may have copied a large frame in vain.
        if until_ns != u64::MAX && world.now_ns() >= until_ns {
            return check(true).break_value();
        }
        looks += 1;
    }
    let mut slice_ns = slices.first_ns;
    let mut look_around = false;
    loop {
        // Load and fence meet the release in `notify`: a change counted in `seen` is visible to `check`.
        let seen = word.load(Relaxed);
        W::fence(Acquire);
        if let ControlFlow::Break(answer) = check(look_around) {
            return Some(answer);
        }
        let now_ns = world.now_ns();
        if now_ns >= until_ns {
            return check(true).break_value();
        }
        let slice_end_ns = now_ns.saturating_add(slice_ns);
        let expected = if slices.arms { arm::<W>(word, seen) } else { Some(seen) };
        if let Some(expected) = expected {
            if slices.looks_again {
                if let ControlFlow::Break(answer) = check(false) {
                    return Some(answer);
                }
            }
            world.sleep(word, expected, slice_end_ns.min(until_ns));
        }
        look_around = world.now_ns() >= slice_end_ns;
        if look_around {
            slice_ns = (slice_ns * 2).min(slices.longest_ns);
        }
    }
}
