//! How long a rank waits for the others.

use crate::sys::futex;
use std::fmt;
use std::time::Duration;

/// How long a collective call of a [`Team`](crate::Team) waits for the other ranks: a [`Duration`], or one with a question
/// that is asked meanwhile.
///
/// # Examples
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
/// use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// static STOPPED: AtomicBool = AtomicBool::new(true); // a signal handler sets it
///
/// let team = sharray::Team::builder().directory(&place).join("sim", 0, 2)?;
/// let outcome = team.barrier(sharray::Patience::asking(Duration::from_secs(60), &mut || !STOPPED.load(Relaxed)));
/// assert!(matches!(outcome, Err(sharray::Error::TimedOut { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Patience<'a> {
    timeout: Duration,
    /// Set by the first wait: a call may have several.
    until_ns: Option<u64>,
    goes_on: Option<&'a mut dyn FnMut() -> bool>,
}

impl<'a> Patience<'a> {
    /// Waits at most `timeout`, and asks `goes_on` every ten milliseconds or so. When that answers `false` the call answers
    /// [`TimedOut`](crate::Error::TimedOut) at once, and the other ranks [`PeerDied`](crate::Error::PeerDied) with this rank's
    /// number.
    pub fn asking(timeout: Duration, goes_on: &'a mut dyn FnMut() -> bool) -> Self {
        Self { timeout, until_ns: None, goes_on: Some(goes_on) }
    }

    pub(super) fn deadline_ns(&mut self) -> u64 {
        *self.until_ns.get_or_insert_with(|| futex::deadline_ns(Some(self.timeout)))
    }

    pub(super) fn goes_on(&mut self) -> bool {
        self.goes_on.as_mut().is_none_or(|goes_on| goes_on())
    }
}

impl From<Duration> for Patience<'_> {
    fn from(timeout: Duration) -> Self {
        Self { timeout, until_ns: None, goes_on: None }
    }
}

impl fmt::Debug for Patience<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
