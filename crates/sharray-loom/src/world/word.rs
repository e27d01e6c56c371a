//! Words of loom's atomics, and how long the process lives that makes an access to one.

use crate::protocol::word::Word;
use loom::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};
use loom::sync::{Condvar, Mutex};
use std::cell::Cell;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};

loom::thread_local! {
    /// The accesses that the thread's process still makes before it dies; `None`: it does not.
    static LEFT: Cell<Option<u32>> = Cell::new(None);
}

/// Takes note of an access to shared memory; says whether the process lives to make it.
pub(super) fn lives() -> bool {
    LEFT.with(|left| match left.get() {
        Some(0) => false,
        Some(n) => {
            left.set(Some(n - 1));
            true
        }
        None => true,
    })
}

/// Whether the thread's process has been killed.
pub(super) fn is_dead() -> bool {
    LEFT.with(Cell::get) == Some(0)
}

/// Runs `act`, which is cut off after so many accesses. Says whether it came to the end alive.
pub(super) fn doomed(accesses: u32, act: impl FnOnce()) -> bool {
    LEFT.with(|left| left.set(Some(accesses)));
    act();
    LEFT.with(|left| left.replace(None)) != Some(0)
}

/// Where processes sleep on a word.
#[derive(Debug)]
struct Queue {
    bucket: Mutex<()>,
    sleepers: Condvar,
}

macro_rules! loom_word {
    ($name:ident, $atomic:ty, $value:ty) => {
        #[derive(Debug)]
        pub(crate) struct $name {
            value: $atomic,
            roll: AtomicUsize,
            turn: Option<AtomicUsize>,
            #[allow(dead_code, reason = "nobody sleeps on a wide word")]
            queue: Option<Queue>,
            /// Not in shared memory: what becomes of it when its process is killed, nobody sees.
            is_private: bool,
        }

        impl Default for $name {
            fn default() -> Self {
                Self { is_private: true, ..Self::new() }
            }
        }

        impl $name {
            pub(super) fn new() -> Self {
                Self { value: <$atomic>::new(0), roll: AtomicUsize::new(0), turn: None, queue: None, is_private: false }
            }

            pub(super) fn with_turns() -> Self {
                Self { turn: Some(AtomicUsize::new(0)), ..Self::new() }
            }

            /// Takes a turn at the word; says whether the process lives to have it.
            fn turn(&self) -> bool {
                if let Some(turn) = &self.turn {
                    turn.fetch_add(1, Relaxed);
                }
                self.is_private || lives()
            }

            fn sign(&self, order: Ordering) {
                if order == SeqCst {
                    self.roll.fetch_add(1, Release);
                }
            }

            fn consult(&self, order: Ordering) {
                if order == SeqCst {
                    self.roll.fetch_add(0, Acquire);
                }
            }

            fn weak(order: Ordering, of_seq_cst: Ordering) -> Ordering {
                if order == SeqCst { of_seq_cst } else { order }
            }

            /// A read-modify-write that cannot fail. What the dead get to see does not matter.
            fn change(&self, order: Ordering, change: impl FnOnce(&$atomic, Ordering) -> $value) -> $value {
                if !self.turn() {
                    return 0;
                }
                let old = change(&self.value, Self::weak(order, AcqRel));
                self.sign(order);
                old
            }
        }

        impl Word<$value> for $name {
            fn load(&self, order: Ordering) -> $value {
                self.turn();
                self.consult(order);
                self.value.load(Self::weak(order, Acquire))
            }

            fn store(&self, value: $value, order: Ordering) {
                if self.turn() {
                    self.value.store(value, Self::weak(order, Release));
                    self.sign(order);
                }
            }

            fn fetch_or(&self, bits: $value, order: Ordering) -> $value {
                self.change(order, |word, order| word.fetch_or(bits, order))
            }

            fn fetch_and(&self, bits: $value, order: Ordering) -> $value {
                self.change(order, |word, order| word.fetch_and(bits, order))
            }

            fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                self.change(order, |word, order| word.fetch_add(value, order))
            }

            fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                self.change(order, |word, order| word.fetch_sub(value, order))
            }

            fn swap(&self, value: $value, order: Ordering) -> $value {
                self.change(order, |word, order| word.swap(value, order))
            }

            fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                if !self.turn() {
                    return Ok(current);
                }
                let (won, lost) = (Self::weak(success, AcqRel), Self::weak(failure, Acquire));
                let outcome = self.value.compare_exchange(current, new, won, lost);
                if outcome.is_ok() {
                    self.sign(success);
                }
                outcome
            }
        }
    };
}
loom_word!(U32, AtomicU32, u32);
loom_word!(U64, AtomicU64, u64);

impl U32 {
    pub(super) fn with_queue() -> Self {
        let queue = Queue { bucket: Mutex::new(()), sleepers: Condvar::new() };
        Self { queue: Some(queue), ..Self::with_turns() }
    }

    fn queue(&self) -> &Queue {
        self.queue.as_ref().expect("nobody sleeps on this word")
    }

    /// Sleeps until somebody wakes those who sleep here, unless the word has changed.
    pub(super) fn sleep(&self, expected: u32) {
        let queue = self.queue();
        let bucket = queue.bucket.lock().expect("not poisoned");
        if self.value.load(Relaxed) == expected {
            drop(queue.sleepers.wait(bucket).expect("not poisoned"));
        }
    }

    pub(super) fn wake_all(&self) {
        let queue = self.queue();
        let bucket = queue.bucket.lock().expect("not poisoned");
        queue.sleepers.notify_all();
        drop(bucket);
    }
}
