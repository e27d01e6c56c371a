//! One attach of this process to one array: its place in the table of participants, and the pins that it lends out.

use crate::commit;
use crate::error::{Error, Result};
use crate::layout::{LOCK_TRIALS, PINS};
use crate::protocol::consumer;
use crate::protocol::lock::{self, Local, Span};
use crate::protocol::participant::{self, Participant, Tag};
use crate::protocol::word::Word;
use crate::protocol::{Fault, World};
use crate::segment::{FileId, Segment};
use crate::sys::byte_lock::{self, Mode};
use crate::sys::fork::{LockFile, Shared};
use crate::sys::{file, futex, process};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long a lock whose owner was closed may live on before the file system is to blame.
const PATIENCE_NS: u64 = 2_000_000_000;

/// How long a process holds all slots before it is told that it waits for itself.
const STUCK_NS: u64 = 1_000_000_000;

/// A segment with a record of its own, or, read-only, without one. Dropping it detaches.
#[derive(Debug)]
pub(crate) struct Attachment {
    segment: Segment,
    me: Option<Participant>,
    /// The record's pins that no frame uses, one bit each. Private to this process.
    free_pins: AtomicU32,
    /// The leases on blocks of an array in place.
    local: Local<Segment>,
    /// Tells this attach from all others that the process ever makes.
    number: u64,
}

/// How many attaches this process has made.
static ATTACHES: AtomicU64 = AtomicU64::new(0);

/// The attaches of this process whose leases a thread may share through another handle.
static SHARED: Shared<Vec<(u64, Weak<Attachment>)>> = Shared::new(Vec::new());

impl Attachment {
    /// Takes part in a file that was opened: with a record if it may be written, as an onlooker otherwise.
    pub(crate) fn join(segment: Segment) -> Result<Self> {
        Self::join_by(segment, |segment| participant::attach(segment).map_err(|fault| explain(segment, fault)))
    }

    /// The same, where `register` says which record a writer has.
    pub(crate) fn join_by(segment: Segment, register: impl FnOnce(&Segment) -> Result<Participant>) -> Result<Self> {
        try_locks_of_filesystem(&segment)?;
        commit::join_members(&segment)?;
        let me = if segment.is_writable() {
            let me = register(&segment)?;
            segment.set_own(me.index);
            Some(me)
        } else {
            None
        };
        segment.check_whole()?;
        let local = Local::new(PINS as usize, segment.blocks());
        let number = ATTACHES.fetch_add(1, Relaxed);
        let free_pins = AtomicU32::new((1 << PINS) - 1);
        Ok(Self { segment, me, free_pins, local, number })
    }

    /// Lets [`find`](Self::find) find it.
    pub(crate) fn share(self) -> Arc<Self> {
        let shared = Arc::new(self);
        SHARED.with(|all| all.push((shared.number, Arc::downgrade(&shared))));
        shared
    }

    /// The attach of this number, if it lives and this process made it.
    pub(crate) fn find(number: u64) -> Option<Arc<Self>> {
        // Found under the lock, looked at outside: it may be the last to hold it, and drop it.
        let found = SHARED.with(|all| all.iter().find(|(other, _)| *other == number).and_then(|(_, it)| it.upgrade()));
        found.filter(|it| !it.segment.is_inherited())
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn file(&self) -> FileId {
        self.segment.file()
    }

    #[inline]
    pub(crate) fn local(&self) -> &Local<Segment> {
        &self.local
    }

    #[inline]
    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    pub(crate) fn name(&self) -> &str {
        self.segment.name()
    }

    /// The own record; `None` if this attach only looks on.
    #[inline]
    pub(crate) fn participant(&self) -> Option<Participant> {
        self.me
    }

    /// The own record, or the error that a writer's call deserves.
    #[inline]
    pub(crate) fn writer(&self) -> Result<Participant> {
        match self.me {
            Some(me) => Ok(me),
            None => Err(self.read_only()),
        }
    }

    #[cold]
    fn read_only(&self) -> Error {
        Error::ReadOnly { name: self.name().to_owned() }
    }

    #[cold]
    fn forked(&self) -> Error {
        Error::Forked { name: self.name().to_owned() }
    }

    /// To be called first by whatever touches the array through a handle.
    #[inline]
    pub(crate) fn enter(&self) -> Result<()> {
        if self.segment.is_inherited() {
            return Err(self.forked());
        }
        self.segment.check_whole()
    }

    /// To be asked last by whatever used the mapped bytes: nothing that they said is believed if some were none.
    #[inline]
    pub(crate) fn believe<R>(&self, outcome: Result<R>) -> Result<R> {
        self.segment.check_whole()?;
        outcome
    }

    /// Reserves an entry of the own record for one frame.
    #[inline]
    pub(crate) fn take_pin(&self) -> Result<usize> {
        let mut free = self.free_pins.load(Relaxed);
        while free != 0 {
            let entry = free.trailing_zeros();
            // Acquire: the frame that used the entry before has let go of it.
            match self.free_pins.compare_exchange_weak(free, free & !(1 << entry), Acquire, Relaxed) {
                Ok(_) => return Ok(entry as usize),
                Err(now) => free = now,
            }
        }
        Err(Error::TooManyPins { name: self.name().to_owned(), limit: PINS })
    }

    #[inline]
    pub(crate) fn return_pin(&self, entry: usize) {
        self.free_pins.fetch_or(1 << entry, Release);
    }

    /// Unpins a frame and returns its entry. In a forked child it does nothing: the pin is the parent's.
    #[inline]
    pub(crate) fn unpin(&self, entry: usize) {
        if let (Some(me), false) = (self.me, self.segment.is_inherited()) {
            // Fails only for a record that cannot be, and this one was checked when it was taken.
            _ = consumer::unpin(&self.segment, me, entry);
            self.return_pin(entry);
        }
    }

    /// Says a fault of the protocol in the words of the public error.
    #[cold]
    pub(crate) fn explain(&self, fault: Fault) -> Error {
        explain(&self.segment, fault)
    }

    /// The processes that write one of these blocks; if nobody does, those that read one.
    pub(crate) fn lock_holders(&self, span: Span) -> Vec<u32> {
        let writers = span.blocks().filter_map(|block| {
            let owner = Tag::from_bits(Word::load(self.segment.block(block)?.wr, Relaxed));
            owner.participant()
        });
        let mut holders: Vec<u32> = writers.map(|index| self.segment.process(index).pid).collect();
        if holders.is_empty() {
            lock::visit_readers(&self.segment, span, |index| holders.push(self.segment.process(index).pid));
        }
        holders.sort_unstable();
        holders.dedup();
        holders
    }

    /// The processes that pin a slot now, or that a lossless stream waits for; without repetitions.
    pub(crate) fn holders(&self, fault: Fault) -> Vec<process::Process> {
        let mut holders = Vec::new();
        participant::scan(&self.segment, |index, record| {
            let pins = fault == Fault::AllPinned && record.pins.iter().any(|pin| Word::load(pin, Relaxed) != 0);
            let process = self.segment.process(index);
            if (pins || fault == Fault::Behind(index)) && !holders.contains(&process) {
                holders.push(process);
            }
        });
        holders
    }
}

/// The slots that this process itself pins, through whatever attach, and since when these.
#[derive(Debug, Default)]
pub(crate) struct OwnPins {
    pins: Vec<u32>,
    since_ns: u64,
}

impl OwnPins {
    /// Whether this process has pinned all of `slots` for a while without letting go of any. Another thread may be about
    /// to; one that waits for itself never will.
    pub(crate) fn are_stuck(&mut self, segment: &Segment, slots: &[u32]) -> bool {
        let this = process::current();
        let mut pins = Vec::new();
        participant::scan(segment, |index, record| {
            if segment.process(index) == this {
                pins.extend(record.pins.iter().map(|pin| Word::load(pin, Relaxed)));
            }
        });
        let now_ns = segment.now_ns();
        if pins != self.pins {
            *self = Self { pins, since_ns: now_ns };
        }
        let holds_all = !slots.is_empty() && slots.iter().all(|slot| self.pins.contains(&(slot + 1)));
        holds_all && now_ns - self.since_ns >= STUCK_NS
    }
}

/// Says a fault of the protocol in the words of the public error.
pub(crate) fn explain(segment: &Segment, fault: Fault) -> Error {
    if let Err(error) = segment.check_whole() {
        return error;
    }
    let name = segment.name().to_owned();
    match fault {
        Fault::Corrupt(reason) => Error::corrupt(&name, reason),
        Fault::Full => Error::TooManyParticipants { name, limit: segment.participants() },
        Fault::ProducerPresent(index) => Error::ProducerPresent { name, pid: segment.process(index).pid },
        Fault::AllPinned | Fault::Behind(_) => Error::NoFreeSlot { name, slots: segment.slots(), holders: Vec::new() },
        Fault::Lagged(missed) => Error::Lagged { name, missed },
        Fault::PinsTaken => Error::TooManyPins { name, limit: PINS },
        Fault::Poisoned(block) => Error::Poisoned { name, block },
        Fault::PeerDied(rank) => Error::PeerDied { name, rank },
        Fault::TimedOut => Error::TimedOut { name },
        Fault::TableFull(len) => {
            let max_len = segment.extent().max_len as usize;
            Error::TableFull { name, len: len as usize, max_len }
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        SHARED.with(|all| all.retain(|(number, _)| *number != self.number));
        if self.segment.is_inherited() {
            return;
        }
        // Closing the lock file frees the kernel locks in any case; others recover what is left.
        if let Some(me) = self.me {
            _ = participant::detach(&self.segment, me);
        }
        _ = commit::leave_members(&self.segment);
    }
}

/// Tries, once for each device, whether its locks tell the living from the dead.
///
/// Three things must hold: two descriptions of one process exclude each other, closing one of them leaves the other's
/// lock, and closing the owner frees it. Where a file system treats these locks as the older POSIX ones, or does not
/// know them, processes could bury the living.
fn try_locks_of_filesystem(segment: &Segment) -> Result<()> {
    static TRIED: Shared<Vec<u64>> = Shared::new(Vec::new());
    let name = segment.name();
    let io = |error| Error::io("try the locks of", name, error);
    let (device, _) = segment.file();
    if TRIED.with(|tried| tried.contains(&device)) {
        return Ok(());
    }
    let mode = if segment.is_writable() { Mode::Exclusive } else { Mode::Shared };
    // By chance, since several processes and threads may be trying, and not all of them see the same process ids.
    let chance = getrandom::u64().map_err(|error| io(std::io::Error::other(error)))?;
    let byte = LOCK_TRIALS + i64::try_from(chance >> 4).unwrap_or(0);
    let reopen = || file::reopen(segment.lock_file(), segment.is_writable()).map_err(io);
    let owner = LockFile::open(|| file::reopen(segment.lock_file(), segment.is_writable())).map_err(io)?;
    let (closed, witness) = (reopen()?, reopen()?);
    let refuse = |reason| Err(Error::UnsupportedFilesystem { path: name.into(), reason });
    match byte_lock::try_lock(owner.file(), byte, mode) {
        Ok(true) => {}
        Ok(false) => return refuse("a byte that nobody has cannot be locked"),
        Err(error) => match error.raw_os_error() {
            Some(libc::ENOSYS | libc::EOPNOTSUPP | libc::ENOLCK | libc::EINVAL) => {
                return refuse("it has no locks of open file descriptions");
            }
            _ => return Err(io(error)),
        },
    }
    if !byte_lock::is_held(&closed, byte).map_err(io)? {
        return refuse("two descriptors of one process do not exclude each other");
    }
    drop(closed);
    if !byte_lock::is_held(&witness, byte).map_err(io)? {
        return refuse("closing one descriptor drops the locks of another");
    }
    drop(owner);
    // Another thread may be starting a process: that has all descriptors until it executes its program.
    let deadline_ns = futex::now_ns() + PATIENCE_NS;
    while byte_lock::is_held(&witness, byte).map_err(io)? {
        if futex::now_ns() > deadline_ns {
            return refuse("closing a descriptor does not drop its locks");
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    TRIED.with(|tried| tried.push(device));
    Ok(())
}
