//! Maps whose files are cut short by others: zeros and a mark in the place of death.
//!
//! Touching a mapped page that its file does not have any more is SIGBUS, which nobody can foresee and no lock prevents.
//! Every map is known to a table here. The handler puts empty private pages where the file's were, marks the map, and the
//! instruction goes on; whoever used the map looks at the mark and believes nothing that it saw. A fault anywhere else is
//! passed on to whoever handled them before.
//!
//! What the handler does is allowed in one: loads and stores of the table, which is never locked and never freed, and the
//! system calls `fstat`, `mmap`, `sigaction`, `sigpending`, `gettid`, `getpid` and `raise`.

#![allow(unsafe_code, reason = "signals, and pages that are put in the place of others")]

use super::fork::Shared;
use super::pages::page_size;
use crate::error::Error;
use libc::{c_int, c_void, siginfo_t};
use nix::errno::Errno;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, AtomicUsize, fence};

/// What became of a map's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It was found to have so few bytes.
    Cut(u64),
    /// It was long enough when the kernel was asked, and still a page could not be had: it was cut and grew again, or the
    /// disk failed, or it is sparse and the disk is full.
    Unreadable,
}

impl Loss {
    /// As an error of the array or file of this name, which should have so many bytes.
    #[cold]
    pub(crate) fn explain(self, name: &str, expected: u64) -> Error {
        match self {
            Self::Cut(found) => Error::Truncated { name: name.to_owned(), found, expected },
            Self::Unreadable => Error::io("use the mapped bytes of", name, io::Error::other(UNREADABLE_REASON)),
        }
    }
}

const UNREADABLE_REASON: &str =
    "a page could not be had: the file was cut short for a moment, or its disk failed or is full";

/// A map that the table knows, as long as this lives. To be dropped before the map goes.
#[derive(Debug)]
pub(crate) struct Watch(&'static Entry);

/// The bytes of a map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapped {
    pub(crate) base: *const u8,
    pub(crate) len: usize,
    /// Where in the file the first of them is.
    pub(crate) offset: u64,
    pub(crate) writable: bool,
}

impl Watch {
    /// `file` is the mapped one, and stays open as long as the map is there.
    pub(crate) fn new(mapped: Mapped, file: impl AsFd) -> Self {
        if IS_ON.load(Relaxed) {
            // Somebody may have put a handler in front of ours. If this fails theirs stays, as if it had come later.
            _ = stand_in_front();
        }
        Self(fill_entry(mapped, file.as_fd().as_raw_fd()))
    }

    /// What happened to the file, if a page was touched that it did not have.
    ///
    /// # Ordering
    /// Asked after the bytes were used: the fence keeps the look behind their loads. The mark is set before the pages are
    /// replaced, so whoever has seen a replaced page sees the mark.
    #[inline]
    pub(crate) fn loss(&self) -> Option<Loss> {
        fence(Acquire);
        match self.0.found.load(Relaxed) {
            WHOLE => None,
            UNREADABLE => Some(Loss::Unreadable),
            len => Some(Loss::Cut(len)),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let state = self.0.state.load(Relaxed);
        self.0.state.store(state & !KIND | FREE, Release);
    }
}

const FREE: usize = 0;
const FILLING: usize = 1;
const LIVE: usize = 2;
const KIND: usize = 3;
/// Counts how often an entry was taken.
const TAKEN: usize = 4;

const WHOLE: u64 = u64::MAX;
const UNREADABLE: u64 = u64::MAX - 1;

/// One map. `state` is counted on whenever the entry is taken, so that the handler can tell that what it read belongs
/// together, as with a sequence lock.
#[derive(Debug)]
struct Entry {
    state: AtomicUsize,
    start: AtomicUsize,
    end: AtomicUsize,
    /// The place of `start` in the file.
    offset: AtomicU64,
    fd: AtomicI32,
    writable: AtomicBool,
    /// The length that the file was found to have; `WHOLE` as long as nothing was amiss.
    found: AtomicU64,
}

impl Entry {
    const fn new() -> Self {
        Self {
            state: AtomicUsize::new(FREE),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            offset: AtomicU64::new(0),
            fd: AtomicI32::new(-1),
            writable: AtomicBool::new(false),
            found: AtomicU64::new(WHOLE),
        }
    }

    fn take(&self) -> bool {
        let seen = self.state.load(Relaxed);
        let taken = (seen & !KIND).wrapping_add(TAKEN) | FILLING;
        seen & KIND == FREE && self.state.compare_exchange(seen, taken, Acquire, Relaxed).is_ok()
    }

    /// Whether the address is in the map.
    fn has(&self, address: usize) -> bool {
        let seen = self.state.load(Acquire);
        let is_inside = self.start.load(Relaxed) <= address && address < self.end.load(Relaxed);
        fence(Acquire);
        seen & KIND == LIVE && is_inside && self.state.load(Relaxed) == seen
    }
}

/// So many maps in one piece of the table.
const PIECE: usize = 64;

/// A piece of the table. Another one is added when all are full, and none ever goes, so the table has room for any number of
/// maps, and the handler can walk through it at any time.
struct Piece {
    entries: [Entry; PIECE],
    next: AtomicPtr<Piece>,
}

impl Piece {
    const fn new() -> Self {
        Self { entries: [const { Entry::new() }; PIECE], next: AtomicPtr::new(ptr::null_mut()) }
    }

    fn next(&self) -> Option<&'static Piece> {
        // SAFETY: it is null or a piece that was leaked.
        unsafe { self.next.load(Acquire).as_ref() }
    }

    fn next_or_new(&self) -> &'static Piece {
        if let Some(next) = self.next() {
            return next;
        }
        let new = Box::into_raw(Box::new(Self::new()));
        if let Err(other) = self.next.compare_exchange(ptr::null_mut(), new, AcqRel, Acquire) {
            // SAFETY: it was made above, and nobody else has seen it.
            drop(unsafe { Box::from_raw(new) });
            // SAFETY: not null, and so a piece that another thread has leaked.
            return unsafe { &*other };
        }
        // SAFETY: from here on it is leaked.
        unsafe { &*new }
    }
}

static TABLE: Piece = Piece::new();

fn pieces() -> impl Iterator<Item = &'static Piece> {
    std::iter::successors(Some(&TABLE), |piece| piece.next())
}

fn fill_entry(mapped: Mapped, fd: i32) -> &'static Entry {
    let mut piece = &TABLE;
    let entry = loop {
        match piece.entries.iter().find(|entry| entry.take()) {
            Some(entry) => break entry,
            None => piece = piece.next_or_new(),
        }
    };
    // The handler must not take the new numbers for those of the old state.
    fence(Release);
    let page = page_size() as usize;
    let base = mapped.base.addr();
    let before = base % page;
    entry.start.store(base - before, Relaxed);
    entry.end.store((base + mapped.len).next_multiple_of(page), Relaxed);
    entry.offset.store(mapped.offset.saturating_sub(before as u64), Relaxed);
    entry.fd.store(fd, Relaxed);
    entry.writable.store(mapped.writable, Relaxed);
    entry.found.store(WHOLE, Relaxed);
    let state = entry.state.load(Relaxed);
    entry.state.store(state & !KIND | LIVE, Release);
    entry
}

/// Whether this process wants its maps to survive.
static IS_ON: AtomicBool = AtomicBool::new(false);
/// Who handled SIGBUS before: an action that was leaked.
static PREVIOUS: AtomicPtr<libc::sigaction> = AtomicPtr::new(ptr::null_mut());
/// The thread of which a signal that it sent to itself was let go by.
static LET_GO: AtomicI32 = AtomicI32::new(0);

/// Makes the maps of this process survive, those there are and those to come.
pub(crate) fn install() -> io::Result<()> {
    stand_in_front()?;
    IS_ON.store(true, Relaxed);
    Ok(())
}

/// Puts our handler before all others, and keeps who was there to pass on to.
fn stand_in_front() -> io::Result<()> {
    static ONE: Shared<()> = Shared::new(());
    ONE.with(|()| {
        let now = action(None)?;
        if now.sa_sigaction == handler() {
            return Ok(());
        }
        // Before ours is there: it may be called at once. What stood here before is not freed: a handler may be using it.
        PREVIOUS.store(Box::into_raw(Box::new(now)), Release);
        action(Some(&ours())).map(drop)
    })
}

fn ours() -> libc::sigaction {
    // SAFETY: the struct is plain numbers, for which all zeros is a value.
    let mut ours: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    ours.sa_sigaction = handler();
    // On the thread's other stack where it has one. That may be no larger than one signal needs, so the next one waits until
    // we are done.
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    ours
}

fn handler() -> libc::sighandler_t {
    on_sigbus as extern "C" fn(c_int, *mut siginfo_t, *mut c_void) as libc::sighandler_t
}

/// Who handles SIGBUS. Sets another handler, if one is given.
fn action(new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let mut old = MaybeUninit::uninit();
    let new = new.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the new action is null or a whole one, and there is room for the old one.
    if unsafe { libc::sigaction(libc::SIGBUS, new, old.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has filled it.
    Ok(unsafe { old.assume_init() })
}

extern "C" fn on_sigbus(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let errno = Errno::last_raw();
    // SAFETY: the kernel has given it.
    let about = unsafe { &*info };
    if about.si_code == libc::BUS_ADRERR && survives(about) {
        LET_GO.store(0, Relaxed);
    } else {
        pass_on(signal, info, context);
    }
    Errno::set_raw(errno);
}

/// Replaces the page of one of our maps that was touched in vain.
fn survives(about: &siginfo_t) -> bool {
    // SAFETY: a fault has an address.
    let address = unsafe { about.si_addr() }.addr();
    let entry = pieces().flat_map(|piece| &piece.entries).find(|entry| entry.has(address));
    entry.is_some_and(|entry| replace(entry, address))
}

fn replace(entry: &Entry, address: usize) -> bool {
    let (start, end) = (entry.start.load(Relaxed), entry.end.load(Relaxed));
    let mut stat = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: there is room for what it tells.
    let is_told = unsafe { libc::fstat(entry.fd.load(Relaxed), stat.as_mut_ptr()) } == 0;
    // SAFETY: it is plain numbers, for which all zeros is a value.
    let stat = unsafe { stat.assume_init() };
    let len = u64::try_from(stat.st_size).unwrap_or(0);
    let page = page_size() as usize;
    let place = entry.offset.load(Relaxed) + (address / page * page - start) as u64;
    let is_cut = is_told && place >= len;
    // Before the pages: whoever sees one of them sees this.
    _ = entry.found.compare_exchange(WHOLE, if is_cut { len } else { UNREADABLE }, Release, Relaxed);
    // Behind the end of a file that was cut nothing is left: one call replaces it all, and no number of faults makes a
    // number of maps that the kernel refuses.
    let until = |from: usize, page: usize| if is_cut { end.next_multiple_of(page) } else { from + page };
    let writable = entry.writable.load(Relaxed);
    // Huge pages, of the size that such a file system tells, go as a whole or not at all.
    [page, usize::try_from(stat.st_blksize).unwrap_or(0).max(page)].into_iter().any(|page| {
        let from = address / page * page;
        from >= start && map_empty(from, until(from, page), writable)
    })
}

fn map_empty(from: usize, until: usize, writable: bool) -> bool {
    let protection = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE;
    let place = ptr::with_exposed_provenance_mut(from);
    // SAFETY: these are pages of a map in the table, which somebody is just using, so it stays. Their bytes change, as those of
    // a file do that others write: the type of each map says what its borrows are worth then.
    unsafe { libc::mmap(place, until - from, protection, flags, -1, 0) != libc::MAP_FAILED }
}

/// Leaves a signal that has nothing to do with our maps to whoever handled it before.
fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel has given it.
    let about = unsafe { &*info };
    let is_fault = about.si_code > 0;
    let thread = nix::unistd::gettid().as_raw();
    if comes_again(about, context) && LET_GO.swap(thread, Relaxed) != thread {
        return;
    }
    let previous = PREVIOUS.load(Acquire);
    // SAFETY: it is null or an action that was leaked.
    let Some(previous) = (unsafe { previous.as_ref() }) else { return die(is_fault) };
    match previous.sa_sigaction {
        libc::SIG_DFL => die(is_fault),
        // The kernel itself lets nobody ignore a fault.
        libc::SIG_IGN if is_fault => die(is_fault),
        libc::SIG_IGN => {}
        function => call(function, previous.sa_flags, (signal, info, context)),
    }
    let Ok(now) = action(None) else { return };
    if now.sa_sigaction == handler() && is_pending() {
        // It was raised again, for whoever stands behind that handler: by what it knows, that is us. There is nobody left.
        die(is_fault);
    } else if now.sa_sigaction == libc::SIG_DFL && !is_fault && !is_pending() {
        // A handler that takes itself out takes out whoever is there: us. If a fault made it do so, that fault ends the
        // process in a moment; what was sent has left it alive.
        reinstate();
    }
}

/// Whether the signal waits until this handler is done.
fn is_pending() -> bool {
    let mut pending = MaybeUninit::uninit();
    // SAFETY: there is room for the set.
    if unsafe { libc::sigpending(pending.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: the call has filled it.
    unsafe { libc::sigismember(pending.as_ptr(), libc::SIGBUS) == 1 }
}

/// Whether this was raised by a handler that stood before ours, has put us back, and would have us end the process, as
/// Python's faulthandler does. If it was called for a fault of one of our maps, that fault comes once more, and to us.
///
/// Handlers run on the thread's other stack, if it has one; a thread that raises it of its own accord does not. Where there is
/// no other stack the two look alike; then the first one is let go by.
fn comes_again(about: &siginfo_t, context: *mut c_void) -> bool {
    // SAFETY: what a thread sends to itself has a sender.
    let is_own = about.si_code == libc::SI_TKILL && unsafe { about.si_pid() } == nix::unistd::getpid().as_raw();
    // SAFETY: the kernel has given the context.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    let stack = &context.uc_stack;
    let has_other = stack.ss_flags & libc::SS_DISABLE == 0 && stack.ss_size > 0;
    let start = stack.ss_sp.addr();
    let is_on_it = |pointer: usize| (start..=start + stack.ss_size).contains(&pointer);
    is_own && (!has_other || stack_pointer(context).is_none_or(is_on_it))
}

/// Where the stack of the code ended that was interrupted; `None` on machines of which we do not know where it is told.
fn stack_pointer(context: &libc::ucontext_t) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    return usize::try_from(context.uc_mcontext.gregs[libc::REG_RSP as usize]).ok();
    #[cfg(target_arch = "aarch64")]
    return usize::try_from(context.uc_mcontext.sp).ok();
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        _ = context;
        None
    }
}

/// Ends the process, as if nobody had handled the signal.
fn die(is_fault: bool) {
    // SAFETY: the struct is plain numbers; zero is the default action.
    let default: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    _ = action(Some(&default));
    if !is_fault {
        // A fault comes again when we return, with its own address for whoever reads the core.
        _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGBUS);
    }
}

/// Puts our handler back; there is nobody to pass on to any more.
fn reinstate() {
    static DEFAULT: MaybeUninit<libc::sigaction> = MaybeUninit::zeroed();
    PREVIOUS.store(DEFAULT.as_ptr().cast_mut(), Release);
    _ = action(Some(&ours()));
}

/// Calls a handler as the kernel would.
fn call(function: libc::sighandler_t, flags: c_int, (signal, info, context): (c_int, *mut siginfo_t, *mut c_void)) {
    if flags & libc::SA_SIGINFO == 0 {
        // SAFETY: whoever installed it without this flag gave a function of this type.
        let function: extern "C" fn(c_int) = unsafe { std::mem::transmute(function) };
        function(signal);
    } else {
        // SAFETY: whoever installed it with this flag gave a function of this type.
        let function: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = unsafe { std::mem::transmute(function) };
        function(signal, info, context);
    }
}
