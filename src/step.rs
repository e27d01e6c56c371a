//! `step!()` marks every access to shared memory and every step of creating a file.
//!
//! It compiles to nothing unless the feature `step` is on. With it the process counts its steps and kills itself with
//! SIGKILL at a chosen one: the project's crash tests try them all, one after the other. It can also fall asleep there,
//! so that others get in between two accesses that otherwise follow at once.

macro_rules! step {
    () => {
        #[cfg(feature = "step")]
        crate::step::hit();
    };
}

#[cfg(feature = "step")]
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
#[cfg(feature = "step")]
use std::time::Duration;

#[cfg(feature = "step")]
const NEVER: u64 = u64::MAX;

#[cfg(feature = "step")]
static LEFT: AtomicU64 = AtomicU64::new(NEVER);

/// How long to sleep at the chosen step; zero: die.
#[cfg(feature = "step")]
static PAUSE_NS: AtomicU64 = AtomicU64::new(0);

/// Kills this process with SIGKILL just before its `steps`-th step from now, counted over all threads.
#[cfg(feature = "step")]
pub fn kill_after(steps: u64) {
    PAUSE_NS.store(0, Relaxed);
    LEFT.store(steps, Relaxed);
}

/// Lets the thread that comes to the `steps`-th step from now sleep before it, once.
#[cfg(feature = "step")]
pub fn pause_after(steps: u64, pause: Duration) {
    PAUSE_NS.store(u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX).max(1), Relaxed);
    LEFT.store(steps, Relaxed);
}

/// Takes back what [`kill_after`] or [`pause_after`] set, and says how many steps were left.
#[cfg(feature = "step")]
pub fn steps_left() -> u64 {
    LEFT.swap(NEVER, Relaxed)
}

#[cfg(feature = "step")]
pub(crate) fn hit() {
    if LEFT.load(Relaxed) != NEVER && LEFT.fetch_sub(1, Relaxed) <= 1 {
        match PAUSE_NS.load(Relaxed) {
            0 => _ = nix::sys::signal::raise(nix::sys::signal::SIGKILL),
            pause_ns => {
                LEFT.store(NEVER, Relaxed);
                std::thread::sleep(Duration::from_nanos(pause_ns));
            }
        }
    }
}
