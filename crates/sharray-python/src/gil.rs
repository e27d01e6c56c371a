//! What only the thread that has the interpreter touches: its lock is a mutex for all of it, and taken already.

#![allow(unsafe_code, reason = "the interpreter's lock is one that the compiler does not see")]

use pyo3::prelude::*;
use std::cell::UnsafeCell;
use std::fmt;

/// A value behind the interpreter's lock. A mutex of its own would cost more than most of what is done to it.
///
/// Nothing is lent: values are moved in and out. So no code of others runs while one is touched, and none comes back here.
pub(crate) struct GilCell<T>(UnsafeCell<T>);

// SAFETY: every access has a token of the interpreter's lock, which one thread has at a time: the stable interface that this
// crate is built for is that of interpreters with such a lock.
unsafe impl<T: Send> Sync for GilCell<T> {}

impl<T> GilCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    pub(crate) fn replace(&self, _py: Python<'_>, value: T) -> T {
        // SAFETY: this thread has the interpreter, and nothing refers to the value while another function runs.
        unsafe { std::mem::replace(&mut *self.0.get(), value) }
    }

    pub(crate) fn set(&self, py: Python<'_>, value: T) {
        drop(self.replace(py, value));
    }
}

impl<T: Default> GilCell<T> {
    pub(crate) fn take(&self, py: Python<'_>) -> T {
        self.replace(py, T::default())
    }
}

impl<T: Copy> GilCell<T> {
    pub(crate) fn get(&self, _py: Python<'_>) -> T {
        // SAFETY: as in `replace`.
        unsafe { *self.0.get() }
    }
}

impl<T> GilCell<Option<T>> {
    pub(crate) fn is_some(&self, _py: Python<'_>) -> bool {
        // SAFETY: as in `replace`.
        unsafe { &*self.0.get() }.is_some()
    }
}

impl<T> GilCell<Option<Py<T>>> {
    /// Whether it is this object.
    pub(crate) fn holds(&self, _py: Python<'_>, other: &Py<T>) -> bool {
        // SAFETY: as in `replace`.
        unsafe { &*self.0.get() }.as_ref().is_some_and(|object| object.is(other))
    }

    /// One more reference to the object.
    pub(crate) fn share(&self, py: Python<'_>) -> Option<Py<T>> {
        // SAFETY: as in `replace`; counting a reference runs no code of others.
        unsafe { &*self.0.get() }.as_ref().map(|object| object.clone_ref(py))
    }
}

impl<T> fmt::Debug for GilCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GilCell").finish_non_exhaustive()
    }
}
