//! Leases on the blocks of an array in place.

use crate::attachment::Attachment;
use crate::error::{Error, Result};
use crate::held::{self, Answer, Note};
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
        let attachment = lender.attachment();
        attachment.enter()?;
        let me = attachment.writer()?;
        match held::ask(attachment, span, true) {
            Answer::Nested(attach, span, place) => {
                let is_own = attach == attachment.number();
                let other = if is_own { None } else { Attachment::find(attach) };
                if is_own || other.is_some() {
                    return Self::nest(lender, other, span, place);
                }
            }
            Answer::Deadlock(reason) if until_ns > 0 => return Err(would_deadlock(attachment, reason)),
            Answer::Nothing | Answer::Deadlock(_) => {}
        }
        let segment = attachment.segment();
        let place = attachment.local().read(segment, me, span, until_ns).map_err(|fault| attachment.explain(fault))?;
        let Some(place) = place else {
            return Err(not_in_time(attachment, span, until_ns));
        };
        let note = L::note(attachment, span, Some(place));
        let hold = Self { lender, other: None, span, place, _note: note };
        hold.lender.attachment().believe(hold.check_poison())?;
        Ok(hold)
    }

    /// Adds to the lease that this thread has through the same attach, or another one.
    ///
    /// What is announced stays announced until the last of them ends, so each is a lease on all of `span`: writers of any
    /// of its blocks wait for it, and this thread must not wait for them.
    #[cold]
    fn nest(lender: L, other: Option<Arc<Attachment>>, span: Span, place: Place) -> Result<Self> {
        let attachment = lender.attachment();
        let owner = other.as_deref().unwrap_or(attachment);
        let nested = owner.local().nest(owner.segment(), owner.writer()?, place);
        nested.map_err(|fault| attachment.explain(fault))?;
        let note = L::note(owner, span, Some(place));
        Ok(Self { lender, other, span, place, _note: note })
    }

    #[inline]
    fn owner(&self) -> &Attachment {
        self.other.as_deref().unwrap_or(self.lender.attachment())
    }

    /// A lease is of no use to a reader where a writer did not come to the end.
    #[inline]
    fn check_poison(&self) -> Result<()> {
        let attachment = self.lender.attachment();
        let poisoned = lock::poisoned(attachment.segment(), self.span).map_err(|fault| attachment.explain(fault))?;
        let name = || attachment.name().to_owned();
        poisoned.map_or(Ok(()), |block| Err(Error::Poisoned { name: name(), block }))
    }

    /// Where a part of these blocks starts. Its bytes stay as they are, and may be read, while this lives.
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
        let attachment = lender.attachment();
        attachment.enter()?;
        let me = attachment.writer()?;
        match held::ask(attachment, span, false) {
            Answer::Deadlock(reason) if until_ns > 0 => return Err(would_deadlock(attachment, reason)),
            _ => {}
        }
        let taken = attachment.local().write(attachment.segment(), me, span, until_ns);
        if !taken.map_err(|fault| attachment.explain(fault))? {
            return Err(not_in_time(attachment, span, until_ns));
        }
        let note = L::note(attachment, span, None);
        let writing = Self { lender, span, was_panicking: panicking(), has_failed: false, _note: note };
        writing.segment().check_whole()?;
        Ok(writing)
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
            let is_lost = self.segment().check_whole().is_err();
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
        const ALL: Span = Span { first: 0, count: 1 };
        let attachment = lender.attachment();
        attachment.enter()?;
        let me = attachment.writer()?;
        match held::ask(attachment, ALL, false) {
            Answer::Deadlock(reason) if until_ns > 0 => return Err(would_deadlock(attachment, reason)),
            _ => {}
        }
        let taken = attachment.local().take_role(attachment.segment(), me, 0, until_ns);
        if !taken.map_err(|fault| attachment.explain(fault))? {
            return Err(not_in_time(attachment, ALL, until_ns));
        }
        let note = L::note(attachment, ALL, None);
        let role = Self { lender, was_given_up: false, _note: note };
        role.segment().check_whole()?;
        Ok(role)
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
