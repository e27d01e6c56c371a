//! Locks that processes share, each with its state in a folder.

use crate::Outcome;
use crate::futex;
use crate::memory::Shared;
use ndarray::Ix1;
use raw_sync::locks::{LockImpl, LockInit, Mutex};
use sharray::{Directory, SharedArray};
use std::fs::File;
use std::mem::MaybeUninit;
use std::path::Path;
use std::{io, ptr};

/// A lock, of which each process has one value.
pub trait Lock: Sized {
    /// Makes it, if this process `is_first`, or else opens the one that was made.
    ///
    /// # Errors
    /// Of the kernel or the library.
    fn open(folder: &Path, is_first: bool) -> Outcome<Self>;

    /// Takes it, acts, and gives it back.
    ///
    /// # Errors
    /// Of the kernel or the library.
    fn hold(&self, act: impl FnOnce()) -> Outcome;
}

/// What is to be done with a lock of whichever kind.
pub trait Job {
    /// Does it with this kind.
    ///
    /// # Errors
    /// Its own.
    fn with<L: Lock>(self) -> Outcome;
}

/// Does the job with the kind of lock of this name.
///
/// # Errors
/// The job's, and that there is no such kind.
pub fn with(name: &str, job: impl Job) -> Outcome {
    match name {
        "sharray_write" => job.with::<Write>(),
        "sharray_read" => job.with::<Read>(),
        "futex" => job.with::<Futex>(),
        "pthread" => job.with::<Pthread<false>>(),
        "pthread_robust" => job.with::<Pthread<true>>(),
        "raw_sync_mutex" => job.with::<RawSync>(),
        "flock" => job.with::<Flock>(),
        _ => Err(format!("there is no lock {name:?}").into()),
    }
}

type Array = SharedArray<u64, Ix1>;

fn array(folder: &Path) -> Outcome<Array> {
    Ok(Array::builder().directory(&Directory::open(folder)?).open("array", [8])?)
}

/// The write lease of an array of sharray's.
#[derive(Debug)]
struct Write(Array);

impl Lock for Write {
    fn open(folder: &Path, _is_first: bool) -> Outcome<Self> {
        array(folder).map(Self)
    }

    #[inline]
    fn hold(&self, act: impl FnOnce()) -> Outcome {
        let guard = self.0.write()?;
        act();
        drop(guard);
        Ok(())
    }
}

/// The read lease of an array of sharray's.
#[derive(Debug)]
struct Read(Array);

impl Lock for Read {
    fn open(folder: &Path, _is_first: bool) -> Outcome<Self> {
        array(folder).map(Self)
    }

    #[inline]
    fn hold(&self, act: impl FnOnce()) -> Outcome {
        let guard = self.0.read()?;
        act();
        drop(guard);
        Ok(())
    }
}

/// The usual lock over a futex, taken by compare-and-swap and given back by a swap.
#[derive(Debug)]
struct Futex(Shared);

impl Lock for Futex {
    fn open(folder: &Path, _is_first: bool) -> Outcome<Self> {
        Ok(Self(Shared::open(&folder.join("futex"), 4096)?))
    }

    #[inline]
    fn hold(&self, act: impl FnOnce()) -> Outcome {
        futex::lock(self.0.word32(0));
        act();
        futex::unlock(self.0.word32(0));
        Ok(())
    }
}

/// The C library's mutex between processes; a robust one survives its holder.
#[derive(Debug)]
struct Pthread<const ROBUST: bool>(Shared);

impl<const ROBUST: bool> Pthread<ROBUST> {
    fn get(&self) -> *mut libc::pthread_mutex_t {
        self.0.as_mut_ptr().cast()
    }

    fn init(&self) -> io::Result<()> {
        let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: the attributes are this function's own.
        check(unsafe { libc::pthread_mutexattr_init(attributes) })?;
        // SAFETY: they were initialised just now.
        check(unsafe { libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED) })?;
        let robust = if ROBUST { libc::PTHREAD_MUTEX_ROBUST } else { libc::PTHREAD_MUTEX_STALLED };
        // SAFETY: as above.
        check(unsafe { libc::pthread_mutexattr_setrobust(attributes, robust) })?;
        // SAFETY: the mapping has room for a mutex, is aligned, and nobody else knows it yet.
        check(unsafe { libc::pthread_mutex_init(self.get(), attributes) })
    }
}

impl<const ROBUST: bool> Lock for Pthread<ROBUST> {
    fn open(folder: &Path, is_first: bool) -> Outcome<Self> {
        let mutex = Self(Shared::open(&folder.join("pthread"), 4096)?);
        if is_first {
            mutex.init()?;
        }
        Ok(mutex)
    }

    #[inline]
    fn hold(&self, act: impl FnOnce()) -> Outcome {
        // SAFETY: the mutex was initialised by whoever was first, and the mapping lives as long as `self`.
        let locked = unsafe { libc::pthread_mutex_lock(self.get()) };
        if locked == libc::EOWNERDEAD {
            // SAFETY: as above; this thread has the mutex.
            check(unsafe { libc::pthread_mutex_consistent(self.get()) })?;
        } else {
            check(locked)?;
        }
        act();
        // SAFETY: as above; this thread has the mutex.
        Ok(check(unsafe { libc::pthread_mutex_unlock(self.get()) })?)
    }
}

fn check(error: libc::c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// `raw_sync`'s mutex.
struct RawSync {
    mutex: Box<dyn LockImpl>,
    _page: Shared,
}

impl Lock for RawSync {
    fn open(folder: &Path, is_first: bool) -> Outcome<Self> {
        let page = Shared::open(&folder.join("raw_sync"), 4096)?;
        let memory = page.as_mut_ptr();
        let mutex = if is_first {
            // SAFETY: the page has room for a mutex, and nobody else knows it yet. What the mutex is to protect is elsewhere.
            unsafe { Mutex::new(memory, ptr::null_mut()) }
        } else {
            // SAFETY: whoever was first made one there.
            unsafe { Mutex::from_existing(memory, ptr::null_mut()) }
        };
        Ok(Self { mutex: mutex?.0, _page: page })
    }

    #[inline]
    fn hold(&self, act: impl FnOnce()) -> Outcome {
        let guard = self.mutex.lock()?;
        act();
        drop(guard);
        Ok(())
    }
}

/// The kernel's lock of a whole file.
#[derive(Debug)]
struct Flock(File);

impl Lock for Flock {
    fn open(folder: &Path, _is_first: bool) -> Outcome<Self> {
        Ok(Self(File::options().append(true).create(true).open(folder.join("flock"))?))
    }

    #[inline]
    fn hold(&self, act: impl FnOnce()) -> Outcome {
        self.0.lock()?;
        act();
        Ok(self.0.unlock()?)
    }
}
