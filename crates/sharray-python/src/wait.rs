//! Waiting: without the interpreter's lock, in slices short enough for Ctrl-C.

use crate::error::{Raised, Result};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use sharray::Error;
use std::time::{Duration, Instant};

/// How long Python does not look for signals.
const SLICE: Duration = Duration::from_millis(50);

/// How long a caller is willing to wait: `timeout` of Python, in seconds. `None` is without limit, zero not at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience(Option<Duration>);

impl Patience {
    pub(crate) fn of(timeout: Option<f64>) -> Result<Self> {
        let Some(seconds) = timeout else { return Ok(Self(None)) };
        if seconds.is_nan() || seconds < 0.0 {
            return Err(PyValueError::new_err(format!("timeout is {seconds}, expected seconds or None")).into());
        }
        // Longer than any machine runs is without limit.
        Ok(Self(Duration::try_from_secs_f64(seconds).ok()))
    }

    pub(crate) fn is_none_at_all(self) -> bool {
        self.0 == Some(Duration::ZERO)
    }

    /// Calls `attempt` with no patience, and then, if that did not do, with slices of it, while other threads run Python.
    ///
    /// `attempt` answers an error that says to wait if it was called too early.
    pub(crate) fn wait<R: Send>(
        self,
        py: Python<'_>,
        attempt: impl FnMut(Option<Duration>) -> sharray::Result<R> + Send,
    ) -> Result<R> {
        self.wait_while(py, || Ok(()), attempt)
    }

    /// The same, and asks before each slice whether there is still something to wait for: another thread may have closed
    /// the handle.
    pub(crate) fn wait_while<R: Send>(
        self,
        py: Python<'_>,
        check: impl Fn() -> Result<()>,
        mut attempt: impl FnMut(Option<Duration>) -> sharray::Result<R> + Send,
    ) -> Result<R> {
        match attempt(Some(Duration::ZERO)) {
            Err(error) if says_to_wait(&error) && !self.is_none_at_all() => {}
            done => return Ok(done?),
        }
        self.go_on_while(py, check, attempt)
    }

    /// The same, for who has tried already: with slices from the start.
    pub(crate) fn go_on_while<R: Send>(
        self,
        py: Python<'_>,
        check: impl Fn() -> Result<()>,
        mut attempt: impl FnMut(Option<Duration>) -> sharray::Result<R> + Send,
    ) -> Result<R> {
        let end = self.0.and_then(|patience| Instant::now().checked_add(patience));
        loop {
            py.check_signals()?;
            check()?;
            let rest = end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
            let slice = rest.min(SLICE);
            // With nothing left this is the last look, and its error the answer.
            match py.detach(|| attempt(Some(slice.max(Duration::from_nanos(1))))) {
                Err(Error::TimedOut { .. }) if rest > slice => {}
                done => return done.map_err(Raised::from),
            }
        }
    }
}

fn says_to_wait(error: &Error) -> bool {
    matches!(error, Error::TimedOut { .. } | Error::Locked { .. } | Error::NoFreeSlot { .. })
}
