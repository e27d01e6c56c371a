//! Ctrl-C and its like, for verbs that hold something: they end in good order instead of at once.

use crate::failure::{Code, Failure, Outcome};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// How long a wait may go on before it looks whether somebody has had enough.
pub(crate) const SLICE: Duration = Duration::from_millis(100);

const SIGNALS: [(i32, Code); 3] = [(SIGINT, Code::Interrupted), (SIGTERM, Code::Terminated), (SIGHUP, Code::HangUp)];

/// Whether somebody wants the command to end. A second signal ends it at once.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt {
    signal: Arc<AtomicUsize>,
    dies_at_once: Arc<AtomicBool>,
}

/// What a panic carries that is no mistake, but ends a copy that has no other way out.
struct Stopped;

impl Interrupt {
    /// From now on signals are waited for by [`check`](Self::check).
    pub(crate) fn expect() -> Outcome<Self> {
        let interrupt = Self { signal: Arc::default(), dies_at_once: Arc::default() };
        for (signal, _) in SIGNALS {
            // In this order: no signal is lost in between, and the first one passes the condition before it makes it true.
            flag::register_usize(signal, Arc::clone(&interrupt.signal), signal.unsigned_abs() as usize)?;
            flag::register_conditional_default(signal, Arc::clone(&interrupt.dies_at_once))?;
            flag::register(signal, Arc::clone(&interrupt.dies_at_once))?;
        }
        Ok(interrupt)
    }

    /// From now on a signal ends the command at once again: nothing is held any more.
    pub(crate) fn no_longer(&self) -> Outcome {
        self.dies_at_once.store(true, Ordering::SeqCst);
        self.check()
    }

    /// Ends the verb, if that is what somebody wants.
    pub(crate) fn check(&self) -> Outcome {
        let signal = self.signal.load(Ordering::SeqCst);
        let wanted = SIGNALS.iter().find(|(number, _)| number.unsigned_abs() as usize == signal);
        wanted.map_or(Ok(()), |(_, code)| Err(Failure::Silent(*code)))
    }

    /// Runs what copies, and tells its progress to a function that cannot say no: a signal unwinds from there, so that
    /// leases and half a file go as they do at any error.
    pub(crate) fn guard<R>(&self, copy: impl FnOnce() -> R) -> Outcome<R> {
        match catch_unwind(AssertUnwindSafe(copy)) {
            Ok(done) => Ok(done),
            Err(panic) if panic.is::<Stopped>() => {
                self.check()?;
                Err(Failure::Silent(Code::Interrupted))
            }
            Err(panic) => resume_unwind(panic),
        }
    }

    /// To be called from within [`guard`](Self::guard).
    pub(crate) fn stop_here(&self) {
        if self.check().is_err() {
            // The hook is not called: nobody shall read of a panic.
            resume_unwind(Box::new(Stopped));
        }
    }
}
