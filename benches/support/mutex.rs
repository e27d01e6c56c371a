//! The C library's mutex that survives its holder, in shared memory: what processes lock with today.

use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;

/// A `pthread_mutex_t` with the attributes `PTHREAD_PROCESS_SHARED` and `PTHREAD_MUTEX_ROBUST`, alone in a file.
#[derive(Debug)]
pub(crate) struct RobustMutex(MmapRaw);

impl RobustMutex {
    /// Makes one that nobody uses yet.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mutex = Self::map(path)?;
        let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: the attributes are this function's own.
        check(unsafe { libc::pthread_mutexattr_init(attributes) })?;
        // SAFETY: they were initialised just now.
        check(unsafe { libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED) })?;
        // SAFETY: as above.
        check(unsafe { libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST) })?;
        // SAFETY: the mapping has room for a mutex, is aligned, and nobody else knows it yet.
        check(unsafe { libc::pthread_mutex_init(mutex.get(), attributes) })?;
        Ok(mutex)
    }

    /// Opens one that was created.
    pub(crate) fn map(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        file.set_len(4096)?;
        Ok(Self(MmapOptions::new().len(4096).map_raw(&file)?))
    }

    pub(crate) fn lock(&self) {
        // SAFETY: the mutex was initialised by whoever created it, and the mapping lives as long as `self`.
        assert_eq!(unsafe { libc::pthread_mutex_lock(self.get()) }, 0);
    }

    pub(crate) fn unlock(&self) {
        // SAFETY: as for `lock`.
        assert_eq!(unsafe { libc::pthread_mutex_unlock(self.get()) }, 0);
    }

    fn get(&self) -> *mut libc::pthread_mutex_t {
        self.0.as_mut_ptr().cast()
    }
}

fn check(error: libc::c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}
