//! Words of shuttle's atomics, and how long the process lives that makes an access to one.

use crate::protocol::word::Word;
use shuttle::sync::atomic::{AtomicU32, AtomicU64};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::{self, SeqCst};

shuttle::thread_local! {
    /// The accesses that the task's process still makes before it dies; `None`: it does not.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// What unwinds a process that is killed.
struct Killed;

/// Takes note of an access to shared memory. Does not come back if the process does not live to make it.
pub(super) fn step() {
    LEFT.with(|left| match left.get() {
        Some(0) => resume_unwind(Box::new(Killed)),
        Some(n) => left.set(Some(n - 1)),
        None => {}
    });
}

/// Runs `act`, which is cut off after so many accesses. `None`: it was.
pub(super) fn doomed<R>(accesses: u32, act: impl FnOnce() -> R) -> Option<R> {
    LEFT.with(|left| left.set(Some(accesses)));
    let outcome = catch_unwind(AssertUnwindSafe(act));
    LEFT.with(|left| left.set(None));
    match outcome {
        Ok(outcome) => Some(outcome),
        Err(panic) if panic.is::<Killed>() => None,
        Err(panic) => resume_unwind(panic),
    }
}

macro_rules! shuttle_word {
    ($name:ident, $atomic:ty, $value:ty) => {
        #[derive(Debug)]
        pub(crate) struct $name {
            value: $atomic,
            /// Not in shared memory: nobody dies there.
            is_private: bool,
        }

        impl Default for $name {
            fn default() -> Self {
                Self { is_private: true, ..Self::shared() }
            }
        }

        impl $name {
            pub(super) fn shared() -> Self {
                Self { value: <$atomic>::new(0), is_private: false }
            }

            /// What stands there, for who is not a process.
            pub(super) fn peek(&self) -> $value {
                self.value.load(SeqCst)
            }

            fn access(&self) -> &$atomic {
                if !self.is_private {
                    step();
                }
                &self.value
            }
        }

        impl Word<$value> for $name {
            fn load(&self, _: Ordering) -> $value {
                self.access().load(SeqCst)
            }

            fn store(&self, value: $value, _: Ordering) {
                self.access().store(value, SeqCst);
            }

            fn fetch_or(&self, bits: $value, _: Ordering) -> $value {
                self.access().fetch_or(bits, SeqCst)
            }

            fn fetch_and(&self, bits: $value, _: Ordering) -> $value {
                self.access().fetch_and(bits, SeqCst)
            }

            fn fetch_add(&self, value: $value, _: Ordering) -> $value {
                self.access().fetch_add(value, SeqCst)
            }

            fn fetch_sub(&self, value: $value, _: Ordering) -> $value {
                self.access().fetch_sub(value, SeqCst)
            }

            fn swap(&self, value: $value, _: Ordering) -> $value {
                self.access().swap(value, SeqCst)
            }

            fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                _: Ordering,
                _: Ordering,
            ) -> Result<$value, $value> {
                self.access().compare_exchange(current, new, SeqCst, SeqCst)
            }
        }
    };
}
shuttle_word!(U32, AtomicU32, u32);
shuttle_word!(U64, AtomicU64, u64);
