//! The C library's barrier in shared memory.

use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;

/// A `pthread_barrier_t` with the attribute `PTHREAD_PROCESS_SHARED`, alone in a file.
#[derive(Debug)]
pub(crate) struct SharedBarrier(MmapRaw);

impl SharedBarrier {
    /// Makes one for so many processes.
    pub(crate) fn create(path: &Path, size: u32) -> io::Result<Self> {
        let barrier = Self::map(path)?;
        let mut attributes = MaybeUninit::<libc::pthread_barrierattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: the attributes are this function's own.
        check(unsafe { libc::pthread_barrierattr_init(attributes) })?;
        // SAFETY: they were initialised just now.
        check(unsafe { libc::pthread_barrierattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED) })?;
        // SAFETY: the mapping has room for a barrier, is aligned, and nobody else knows it yet.
        check(unsafe { libc::pthread_barrier_init(barrier.get(), attributes, size) })?;
        Ok(barrier)
    }

    /// Opens one that was created.
    pub(crate) fn map(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        file.set_len(4096)?;
        Ok(Self(MmapOptions::new().len(4096).map_raw(&file)?))
    }

    pub(crate) fn wait(&self) {
        // SAFETY: the barrier was initialised by whoever created it, and the mapping lives as long as `self`.
        let outcome = unsafe { libc::pthread_barrier_wait(self.get()) };
        assert!(outcome == 0 || outcome == libc::PTHREAD_BARRIER_SERIAL_THREAD);
    }

    fn get(&self) -> *mut libc::pthread_barrier_t {
        self.0.as_mut_ptr().cast()
    }
}

fn check(error: libc::c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}
