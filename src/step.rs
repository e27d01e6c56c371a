//! `step!()` marks every access to shared memory and every step of creating a file.
//!
//! It compiles to nothing unless the feature `step` is on. With it the process counts its steps and kills itself with
//! SIGKILL at a chosen one: the project's crash tests try them all, one after the other. It can also fall asleep there,
//! so that others get in between two accesses that otherwise follow at once. And a test can look at the file before each
//! step of its own thread, and learn what is on the disk: what a loss of power may leave follows from that.

macro_rules! step {
    () => {
        #[cfg(feature = "step")]
        crate::step::hit();
    };
    // These bytes are on the disk, as they were when the sync began.
    (synced $offset:expr, $len:expr) => {
        #[cfg(feature = "step")]
        crate::step::synced($offset, $len);
    };
}

#[cfg(feature = "step")]
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
#[cfg(feature = "step")]
use std::{cell::RefCell, ops::Range, time::Duration};

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

/// What looks at the steps of a thread: before each step it is told nothing, and after a sync the bytes of the file that
/// are on the disk now. It must not use the library.
#[cfg(feature = "step")]
pub type Watcher = Box<dyn FnMut(Option<Range<u64>>)>;

#[cfg(feature = "step")]
thread_local! {
    static WATCHER: RefCell<Option<Watcher>> = const { RefCell::new(None) };
}

/// Lets `watcher` look at the steps of this thread from now on, or nobody.
#[cfg(feature = "step")]
pub fn watch(watcher: Option<Watcher>) {
    WATCHER.with(|place| *place.borrow_mut() = watcher);
}

#[cfg(feature = "step")]
fn show(synced: Option<Range<u64>>) {
    // While the thread ends nobody looks any more.
    _ = WATCHER.try_with(|place| {
        if let Some(watcher) = place.borrow_mut().as_mut() {
            watcher(synced);
        }
    });
}

#[cfg(feature = "step")]
pub(crate) fn synced(offset: u64, len: u64) {
    show(Some(offset..offset.saturating_add(len)));
}

#[cfg(feature = "step")]
pub(crate) fn hit() {
    show(None);
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
