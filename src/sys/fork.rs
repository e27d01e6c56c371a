//! What a forked child may not do: use its parent's leases, or keep its parent alive.
//!
//! A page that the kernel wipes at fork tells a child from its parent at the price of one load, raw `clone` included.
//! And since a kernel lock lives as long as any process has its descriptor, the child of an ordinary fork at once
//! replaces the descriptors that its parent locks with.

#![allow(unsafe_code, reason = "madvise, pthread_atfork and what a fork handler may call")]

use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Which process of a chain of forks this is; never zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epoch {
    number: u32,
    word: &'static AtomicU32,
}

/// The number of epochs that this process and those it was forked from have begun.
static EPOCHS: AtomicU32 = AtomicU32::new(0);

impl Epoch {
    /// This process's epoch.
    pub(crate) fn current() -> io::Result<Self> {
        let word = wiped_at_fork()?;
        let mut epoch = word.load(Relaxed);
        if epoch == 0 {
            let new = EPOCHS.fetch_add(1, Relaxed) + 1;
            epoch = word.compare_exchange(0, new, Relaxed, Relaxed).map_or_else(|now| now, |_| new);
        }
        Ok(Self { number: epoch, word })
    }

    /// Whether what was made in this epoch belongs to a parent of this process. One load.
    #[inline]
    pub(crate) fn is_over(self) -> bool {
        self.word.load(Relaxed) != self.number
    }
}

fn wiped_at_fork() -> io::Result<&'static AtomicU32> {
    static WORD: OnceLock<Word> = OnceLock::new();
    if let Some(word) = WORD.get() {
        return Ok(word.get());
    }
    // A thread that comes second makes a page for nothing, and drops it.
    let word = Word(MmapOptions::new().len(4096).map_anon()?.into());
    // SAFETY: the range is one whole page of private anonymous memory that this function owns.
    let done = unsafe { libc::madvise(word.0.as_mut_ptr().cast(), word.0.len(), libc::MADV_WIPEONFORK) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(WORD.get_or_init(|| word).get())
}

/// A page of which the first word is used.
struct Word(MmapRaw);

impl Word {
    fn get(&self) -> &AtomicU32 {
        // SAFETY: the page lives as long as `self`, is aligned, and is only accessed through this.
        unsafe { AtomicU32::from_ptr(self.0.as_mut_ptr().cast()) }
    }
}

/// Descriptors up to this number are replaced in a forked child. Those above are rare, and cost only a delay: the
/// parent's death is seen when the child ends.
const FDS: usize = 1 << 20;
static LOCK_FDS: [AtomicU64; FDS / 64] = [const { AtomicU64::new(0) }; FDS / 64];
/// One more than the highest word of [`LOCK_FDS`] that was ever used.
static WORDS_USED: AtomicU32 = AtomicU32::new(0);
/// What the descriptors are replaced by: it locks nothing.
static NOTHING: AtomicI32 = AtomicI32::new(-1);

/// A descriptor whose locks say that this process lives. A forked child does not keep it.
#[derive(Debug)]
pub(crate) struct LockFile(Option<File>);

impl LockFile {
    /// Takes the descriptor that `open` makes. No fork comes between its making and its mark.
    pub(crate) fn open(open: impl FnOnce() -> io::Result<File>) -> io::Result<Self> {
        install()?;
        let file = without_fork(|| open().inspect(|file| mark(file.as_raw_fd(), true)));
        file.map(|file| Self(Some(file)))
    }

    /// # Panics
    /// Never: the file is there until this is dropped.
    pub(crate) fn file(&self) -> &File {
        self.0.as_ref().expect("it goes only when this is dropped")
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if let Some(file) = self.0.take() {
            without_fork(|| {
                mark(file.as_raw_fd(), false);
                drop(file);
            });
        }
    }
}

/// Shut while a descriptor that locks is made or closed, and by a thread that forks: a child has either the mark and
/// the descriptor, or neither.
static GATE: AtomicU32 = AtomicU32::new(0);

/// Runs `act` while no thread of this process forks: a child finds what it changes either before or after.
///
/// It must be short, and must not panic.
pub(crate) fn without_fork<R>(act: impl FnOnce() -> R) -> R {
    shut_gate();
    let done = act();
    open_gate();
    done
}

/// What the threads of a process share, and a forked child can use as well: nobody forks while a thread has it. Behind a
/// plain mutex it might be had by a thread that the child does not have, for ever.
#[derive(Debug)]
pub(crate) struct Shared<T>(Mutex<T>);

impl<T> Shared<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// As for [`without_fork`], `act` must be short, must not panic, and must not come back here.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        without_fork(|| act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

extern "C" fn shut_gate() {
    while GATE.swap(1, Acquire) != 0 {
        std::thread::yield_now();
    }
}

extern "C" fn open_gate() {
    GATE.store(0, Release);
}

fn mark(fd: RawFd, used: bool) {
    let fd = usize::try_from(fd).unwrap_or(FDS);
    let Some(word) = LOCK_FDS.get(fd / 64) else { return };
    let bit = 1 << (fd % 64);
    if used {
        WORDS_USED.fetch_max((fd / 64 + 1) as u32, Relaxed);
        word.fetch_or(bit, Relaxed);
    } else {
        word.fetch_and(!bit, Relaxed);
    }
}

fn install() -> io::Result<()> {
    static DONE: OnceLock<()> = OnceLock::new();
    if DONE.get().is_some() {
        return Ok(());
    }
    let nothing = std::mem::ManuallyDrop::new(File::open("/dev/null")?);
    NOTHING.store(nothing.as_raw_fd(), Relaxed);
    DONE.get_or_init(|| {
        // SAFETY: the handlers are plain functions; that of the child only makes calls allowed after fork.
        _ = unsafe { libc::pthread_atfork(Some(shut_gate), Some(open_gate), Some(in_child)) };
    });
    Ok(())
}

/// Lets go of the parent's locks. The numbers stay taken, so whoever holds them can close them in peace.
extern "C" fn in_child() {
    open_gate();
    let nothing = NOTHING.load(Relaxed);
    let used = WORDS_USED.load(Relaxed) as usize;
    for (at, word) in LOCK_FDS.iter().enumerate().take(used) {
        let mut bits = word.swap(0, Relaxed);
        while bits != 0 {
            let fd = RawFd::try_from(at * 64 + bits.trailing_zeros() as usize).unwrap_or(-1);
            bits &= bits - 1;
            // SAFETY: dup3 may be called after fork, and both numbers are open descriptors of this library.
            _ = unsafe { libc::dup3(nothing, fd, libc::O_CLOEXEC) };
        }
    }
}
