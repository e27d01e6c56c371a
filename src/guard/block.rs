//! Leases on the blocks of an array in place.

use crate::attachment::Attachment;
use crate::error::{Error, Result};
use crate::held::{self, Answer, Note};
use crate::protocol::Fault;
use crate::protocol::lock::{self, Place, Span};
use crate::scan::{Extent, Mapped, Scan};
use crate::segment::{Part, Segment};
use crate::sys::copy::AlignedBytes;
use crate::sys::pages::Pages;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::{Arc, MutexGuard};
use std::thread::panicking;

/// A borrowed attach. What is leased through it stays on its thread: it is not `Send`, but `Sync`.
///
/// A lease through an `Arc<Attachment>` may go anywhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here<'a>(&'a Attachment, PhantomData<MutexGuard<'static, ()>>);

impl<'a> Here<'a> {
    #[inline]
    pub(crate) fn new(attachment: &'a Attachment) -> Self {
        Self(attachment, PhantomData)
    }
}

/// How a lease has the attach that it is of.
pub(crate) trait Lender {
    fn attachment(&self) -> &Attachment;

    /// Remembers a lease on the thread that took it.
    fn note(attachment: &Attachment, span: Span, place: Option<Place>) -> Note;
}

impl Lender for Here<'_> {
    #[inline]
    fn attachment(&self) -> &Attachment {
        self.0
    }

    #[inline]
    fn note(attachment: &Attachment, span: Span, place: Option<Place>) -> Note {
        Note::of_thread(attachment, span, place)
    }
}

impl Lender for Arc<Attachment> {
    fn attachment(&self) -> &Attachment {
        self
    }

    fn note(attachment: &Attachment, span: Span, place: Option<Place>) -> Note {
        Note::of_anywhere(attachment, span, place)
    }
}

/// A read lease: its blocks' bytes stay as they are while this lives.
///
/// Invariants, held by the only constructor and by privacy:
/// 1. the protocol let this attach in as a reader of the span's blocks, announced at `place`;
/// 2. only dropping this value takes that announcement back, so no writer enters those blocks until then.
#[derive(Debug)]
pub(crate) struct Hold<L: Lender> {
    /// The handle's attach: its bytes are lent.
    lender: L,
    /// The attach that the lease belongs to, if it is that of another handle of this thread.
    other: Option<Arc<Attachment>>,
    span: Span,
    place: Place,
    _note: Note,
}

impl<L: Lender> Hold<L> {
    /// Waits for the blocks' writers; with `until_ns` of zero it does not wait.
    #[inline]
    pub(crate) fn acquire(lender: L, span: Span, until_ns: u64) -> Result<Self> {
        let (other, span, place) = let_in(lender.attachment(), span, until_ns)?;
        let note = L::note(other.as_deref().unwrap_or(lender.attachment()), span, Some(place));
        Ok(Self { lender, other, span, place, _note: note })
    }

    #[inline]
    fn owner(&self) -> &Attachment {
        self.other.as_deref().unwrap_or(self.lender.attachment())
    }

    /// Where a part of these blocks starts. Its bytes stay as they are, and may be read, while this lives.
    #[inline]
    pub(crate) fn base(&self, part: &Part) -> *const u8 {
        start_of(self.lender.attachment().segment(), part)
    }
}

impl<L: Lender> Drop for Hold<L> {
    #[inline]
    fn drop(&mut self) {
        let owner = self.owner();
        if let (Some(me), false) = (owner.participant(), owner.segment().is_inherited()) {
            // Fails only for what cannot be, and this was checked when it was taken.
            _ = owner.local().end_read(owner.segment(), me, self.span, self.place);
        }
    }
}

/// What lends a part to be read: a lease, or a private copy.
#[derive(Debug)]
pub(crate) enum Reading<L: Lender> {
    Hold(Hold<L>),
    /// The copy, and where the part starts in it.
    Copy(L, AlignedBytes, usize),
}

impl<L: Lender> Reading<L> {
    /// The handle's attach.
    pub(crate) fn attachment(&self) -> &Attachment {
        match self {
            Self::Hold(hold) => hold.lender.attachment(),
            Self::Copy(lender, ..) => lender.attachment(),
        }
    }

    /// Where the part that was leased starts. Its bytes stay as they are, and may be read, while this lives.
    #[inline]
    pub(crate) fn base(&self, part: &Part) -> *const u8 {
        match self {
            Self::Hold(hold) => hold.base(part),
            Self::Copy(_, bytes, offset) => bytes.bytes().as_ptr().wrapping_add(*offset),
        }
    }

    /// A scan of the rows that were leased, so many at a time. Only a lease on a file that is on a disk has anything to fetch and to drop.
    pub(crate) fn scan(&self, leased: Range<usize>, rows: usize) -> Scan {
        let segment = self.attachment().segment();
        let form = segment.form();
        let (shape, itemsize, order) = (form.shape.clone(), form.dtype.itemsize(), form.order);
        let extent = Extent { shape, itemsize, order, rows: leased };
        let mapped = match self {
            Self::Hold(_) if segment.is_on_disk() => Attachment::find(self.attachment().number()),
            Self::Hold(_) | Self::Copy(..) => None,
        };
        Scan::new(mapped.map(|mapped| mapped as Arc<dyn Mapped>), extent, rows)
    }
}

impl Mapped for Attachment {
    fn pages(&self) -> Pages<'_> {
        self.segment().pages()
    }
}

/// A write lease: nobody else reads or writes its blocks' bytes while this lives.
///
/// Invariants, held by the only constructor and by privacy:
/// 1. the protocol gave this attach the span's blocks to write, and all readers had left them;
/// 2. only dropping this value gives them back.
#[derive(Debug)]
pub(crate) struct Writing<L: Lender> {
    lender: L,
    span: Span,
    was_panicking: bool,
    has_failed: bool,
    _note: Note,
}

impl<L: Lender> Writing<L> {
    /// Waits for the blocks' readers and writers; with `until_ns` of zero it does not wait.
    #[inline]
    pub(crate) fn acquire(lender: L, span: Span, until_ns: u64) -> Result<Self> {
        take_blocks(lender.attachment(), span, until_ns)?;
        let was_panicking = panicking();
        let note = L::note(lender.attachment(), span, None);
        Ok(Self { lender, span, was_panicking, has_failed: false, _note: note })
    }

    /// The handle's attach.
    pub(crate) fn attachment(&self) -> &Attachment {
        self.lender.attachment()
    }

    #[inline]
    fn segment(&self) -> &Segment {
        self.attachment().segment()
    }

    /// Makes the end of this write leave its blocks poisoned, as a panic does.
    pub(crate) fn fail(&mut self) {
        self.has_failed = true;
    }

    /// Where the part that was leased starts. Its bytes are this value's alone while it lives.
    #[inline]
    pub(crate) fn base(&mut self, part: &Part) -> *mut u8 {
        start_of(self.segment(), part)
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        lock::poisoned(self.segment(), self.span).is_ok_and(|block| block.is_some())
    }

    /// In a forked child it does nothing: the lease is its parent's.
    pub(crate) fn clear_poison(&mut self) {
        if !self.segment().is_inherited() {
            lock::clear_poison(self.segment(), self.span);
        }
    }
}

impl<L: Lender> Drop for Writing<L> {
    #[inline]
    fn drop(&mut self) {
        if !self.segment().is_inherited() {
            // What was written into a file that was cut short is nowhere.
            let is_lost = !self.segment().is_whole();
            let has_failed = self.has_failed || is_lost || (panicking() && !self.was_panicking);
            // Fails only for what cannot be, and this was checked when it was taken.
            _ = self.lender.attachment().local().end_write(self.segment(), self.span, has_failed);
        }
    }
}

/// The role of a cell's writer, or of whoever appends to a table: nobody else does while this lives.
#[derive(Debug)]
pub(crate) struct Role<L: Lender> {
    lender: L,
    was_given_up: bool,
    _note: Note,
}

impl<L: Lender> Role<L> {
    /// Waits for whoever has the role; with `until_ns` of zero it does not wait.
    #[inline]
    pub(crate) fn acquire(lender: L, until_ns: u64) -> Result<Self> {
        take_role(lender.attachment(), until_ns)?;
        let note = L::note(lender.attachment(), ONLY, None);
        Ok(Self { lender, was_given_up: false, _note: note })
    }

    pub(crate) fn attachment(&self) -> &Attachment {
        self.lender.attachment()
    }

    pub(crate) fn segment(&self) -> &Segment {
        self.attachment().segment()
    }

    /// Ends it by `act`, which gives the role up.
    #[inline]
    pub(crate) fn end_by<R>(mut self, act: impl FnOnce(&Attachment) -> R) -> R {
        self.was_given_up = true;
        act(self.attachment())
    }
}

impl<L: Lender> Drop for Role<L> {
    #[inline]
    fn drop(&mut self) {
        if !self.was_given_up && !self.segment().is_inherited() {
            // Every cell and every table has the one block that this names.
            _ = self.lender.attachment().local().release(self.segment(), 0);
        }
    }
}

/// The one block of a cell or of a table.
const ONLY: Span = Span { first: 0, count: 1 };

/// Lets this attach in as a reader. Answers where it is announced for which blocks, and of which attach, if it is another one.
///
/// Here, and in the two that follow, stands all that can fail: leases are then made in the place where they are wanted. They
/// are no generic functions, so that they are compiled here, in one piece, and not in every program.
fn let_in(attachment: &Attachment, span: Span, until_ns: u64) -> Result<(Option<Arc<Attachment>>, Span, Place)> {
    attachment.enter()?;
    let me = attachment.writer()?;
    match held::ask(attachment, span, true) {
        Answer::Nested(owner, span, place) => {
            let is_own = owner == attachment.number();
            let other = if is_own { None } else { Attachment::find(owner) };
            if is_own || other.is_some() {
                nest(other.as_deref().unwrap_or(attachment), place)?;
                return Ok((other, span, place));
            }
        }
        Answer::Deadlock(reason) if until_ns > 0 => return Err(would_deadlock(attachment, reason)),
        Answer::Nothing | Answer::Deadlock(_) => {}
    }
    let segment = attachment.segment();
    let place = match attachment.local().read(segment, me, span, until_ns) {
        Ok(Some(place)) => place,
        Ok(None) => return Err(not_in_time(attachment, span, until_ns)),
        Err(fault) => return Err(attachment.explain(fault)),
    };
    if let Err(error) = check_sound(attachment, span) {
        _ = attachment.local().end_read(segment, me, span, place);
        return Err(error);
    }
    Ok((None, span, place))
}

/// Adds to the lease that this thread has through the same attach, or another one.
///
/// What is announced stays announced until the last of them ends, so each is a lease on all of its span: writers of any
/// of its blocks wait for it, and this thread must not wait for them.
#[cold]
fn nest(owner: &Attachment, place: Place) -> Result<()> {
    let nested = owner.local().nest(owner.segment(), owner.writer()?, place);
    nested.map_err(|fault| owner.explain(fault))
}

/// Takes blocks to write.
fn take_blocks(attachment: &Attachment, span: Span, until_ns: u64) -> Result<()> {
    attachment.enter()?;
    let me = attachment.writer()?;
    match held::ask(attachment, span, false) {
        Answer::Deadlock(reason) if until_ns > 0 => return Err(would_deadlock(attachment, reason)),
        _ => {}
    }
    match attachment.local().write(attachment.segment(), me, span, until_ns) {
        Ok(true) => {}
        Ok(false) => return Err(not_in_time(attachment, span, until_ns)),
        Err(fault) => return Err(attachment.explain(fault)),
    }
    if !attachment.segment().is_whole() {
        // Given back as a failed write is.
        _ = attachment.local().end_write(attachment.segment(), span, true);
        return attachment.segment().check_whole();
    }
    Ok(())
}

/// Takes the role of whoever writes a cell, or appends to a table.
fn take_role(attachment: &Attachment, until_ns: u64) -> Result<()> {
    attachment.enter()?;
    let me = attachment.writer()?;
    match held::ask(attachment, ONLY, false) {
        Answer::Deadlock(reason) if until_ns > 0 => return Err(would_deadlock(attachment, reason)),
        _ => {}
    }
    match attachment.local().take_role(attachment.segment(), me, 0, until_ns) {
        Ok(true) => {}
        Ok(false) => return Err(not_in_time(attachment, ONLY, until_ns)),
        Err(fault) => return Err(attachment.explain(fault)),
    }
    if !attachment.segment().is_whole() {
        _ = attachment.local().release(attachment.segment(), 0);
        return attachment.segment().check_whole();
    }
    Ok(())
}

/// A lease is of no use to a reader where a writer did not come to the end, or where the file does not.
#[inline]
fn check_sound(attachment: &Attachment, span: Span) -> Result<()> {
    let poisoned = lock::poisoned(attachment.segment(), span);
    attachment.segment().check_whole()?;
    match poisoned {
        Ok(None) => Ok(()),
        Ok(Some(block)) => Err(attachment.explain(Fault::Poisoned(block))),
        Err(fault) => Err(attachment.explain(fault)),
    }
}

/// Has the role of a cell's writer for one store, which must not come back here: nothing else of this thread can meet it, so
/// the thread need not remember it.
#[inline]
pub(crate) fn with_role(attachment: &Attachment, until_ns: u64, store: impl FnOnce(&Segment)) -> Result<()> {
    take_role(attachment, until_ns)?;
    store(attachment.segment());
    attachment.local().release(attachment.segment(), 0).map_err(|fault| attachment.explain(fault))
}

#[inline]
fn start_of(segment: &Segment, part: &Part) -> *mut u8 {
    // Every array in place has slot 0. A part without bytes may be anywhere.
    segment.payload(0).unwrap_or(std::ptr::dangling_mut::<u128>().cast()).wrapping_add(part.offset)
}

#[cold]
fn would_deadlock(attachment: &Attachment, reason: &'static str) -> Error {
    Error::WouldDeadlock { name: attachment.name().to_owned(), reason }
}

#[cold]
fn not_in_time(attachment: &Attachment, span: Span, until_ns: u64) -> Error {
    let name = attachment.name().to_owned();
    if until_ns == 0 {
        Error::Locked { name, holders: attachment.lock_holders(span) }
    } else {
        Error::TimedOut { name }
    }
}
