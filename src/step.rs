//! `step!()` marks every access to shared memory and every step of creating a file.
//!
//! It compiles to nothing unless the feature `step` is on. With it the process counts its steps and kills itself with
//! SIGKILL at a chosen one: the project's crash tests try them all, one after the other.

macro_rules! step {
    () => {
        #[cfg(feature = "step")]
        crate::step::hit();
    };
}

#[cfg(feature = "step")]
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[cfg(feature = "step")]
const NEVER: u64 = u64::MAX;

#[cfg(feature = "step")]
static LEFT: AtomicU64 = AtomicU64::new(NEVER);

/// Kills this process with SIGKILL just before its `steps`-th step from now, counted over all threads.
#[cfg(feature = "step")]
pub fn kill_after(steps: u64) {
    LEFT.store(steps, Relaxed);
}

/// Takes back what [`kill_after`] set, and says how many steps were left.
#[cfg(feature = "step")]
pub fn steps_left() -> u64 {
    LEFT.swap(NEVER, Relaxed)
}

#[cfg(feature = "step")]
pub(crate) fn hit() {
    if LEFT.load(Relaxed) != NEVER && LEFT.fetch_sub(1, Relaxed) <= 1 {
        _ = nix::sys::signal::raise(nix::sys::signal::SIGKILL);
    }
}
