//! What threads use one after the other, also those of a forked child.

use pyo3::prelude::*;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

/// How many forks lie between this process and the one that imported the module.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// Tells a forked child that it is one.
#[pyfunction]
#[pyo3(name = "_after_fork")]
pub(crate) fn after_fork() {
    FORKS.fetch_add(1, Relaxed);
}

/// What turns are taken at.
#[derive(Debug)]
pub(crate) enum Held<T> {
    Here(T),
    /// A thread of the parent was at it when this process was forked: that thread is not here, and its turn never ends.
    Lost,
    Closed,
}

impl<T> Held<T> {
    pub(crate) fn here(&self) -> Option<&T> {
        if let Self::Here(it) = self { Some(it) } else { None }
    }

    pub(crate) fn here_mut(&mut self) -> Option<&mut T> {
        if let Self::Here(it) = self { Some(it) } else { None }
    }

    /// Closes it.
    pub(crate) fn take(&mut self) -> Option<T> {
        if let Self::Here(it) = std::mem::replace(self, Self::Closed) { Some(it) } else { None }
    }
}

/// A mutex that a child does not inherit locked.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    forks: u64,
    held: Mutex<Held<T>>,
    /// What the child, or its child, uses instead.
    in_child: OnceLock<Box<Self>>,
}

impl<T> Turns<T> {
    pub(crate) fn new(it: T) -> Self {
        Self::of(Held::Here(it))
    }

    fn of(held: Held<T>) -> Self {
        Self { forks: FORKS.load(Relaxed), held: Mutex::new(held), in_child: OnceLock::new() }
    }

    fn mutex(&self) -> &Mutex<Held<T>> {
        let mut turns = self;
        while turns.forks != FORKS.load(Relaxed) {
            turns = turns.in_child.get_or_init(|| {
                // Free now, it was free when the process was forked: since then nobody asked for it.
                let held = match turns.held.try_lock() {
                    Ok(mut held) => std::mem::replace(&mut *held, Held::Closed),
                    Err(TryLockError::Poisoned(held)) => std::mem::replace(&mut *held.into_inner(), Held::Closed),
                    Err(TryLockError::WouldBlock) => Held::Lost,
                };
                Box::new(Self::of(held))
            });
        }
        &turns.held
    }

    /// Waits for its turn.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Held<T>> {
        self.mutex().lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes its turn, if no other thread has it.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, Held<T>>> {
        match self.mutex().try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
