//! Leases on the blocks of an array in place.

use crate::attachment::Attachment;
use crate::error::{Error, Result};
use crate::held::{self, Answer, Note};
use crate::protocol::lock::{self, Place, Span};
use crate::segment::{Part, Segment};
use crate::sys::copy::AlignedBytes;
use std::sync::Arc;
use std::thread::panicking;

/// A read lease: its blocks' bytes stay as they are while this lives.
///
/// Invariants, held by the only constructor and by privacy:
/// 1. the protocol let this attach in as a reader of the span's blocks, announced at `place`;
/// 2. only dropping this value takes that announcement back, so no writer enters those blocks until then.
#[derive(Debug)]
pub(crate) struct Hold<'a> {
    /// The handle's attach: its bytes are lent.
    attachment: &'a Attachment,
    /// The attach that the lease belongs to, if it is that of another handle of this thread.
    other: Option<Arc<Attachment>>,
    span: Span,
    place: Place,
    _note: Note,
}

impl<'a> Hold<'a> {
    /// Waits for the blocks' writers; with `until_ns` of zero it does not wait.
    #[inline]
    pub(crate) fn acquire(attachment: &'a Attachment, span: Span, until_ns: u64) -> Result<Self> {
        attachment.enter()?;
        let me = attachment.writer()?;
        match held::ask(attachment, span, true) {
            Answer::Nested(attach, span, place) => {
                if let Some(hold) = Self::nest(attachment, attach, span, place) {
                    return hold;
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
        let hold = Self { attachment, other: None, span, place, _note: Note::new(attachment, span, Some(place)) };
        hold.check_poison()?;
        Ok(hold)
    }

    /// Adds to the lease that this thread has through the attach of this number; `None` if that is gone.
    ///
    /// What is announced stays announced until the last of them ends, so each is a lease on all of `span`: writers of any
    /// of its blocks wait for it, and this thread must not wait for them.
    #[cold]
    fn nest(attachment: &'a Attachment, attach: u64, span: Span, place: Place) -> Option<Result<Self>> {
        let other = if attach == attachment.number() { None } else { Some(Attachment::find(attach)?) };
        let owner = other.as_deref().unwrap_or(attachment);
        let nested = owner.local().nest(owner.segment(), owner.participant()?, place);
        let note = Note::new(owner, span, Some(place));
        let lease = nested.map_err(|fault| attachment.explain(fault));
        Some(lease.map(|()| Self { attachment, other, span, place, _note: note }))
    }

    #[inline]
    fn owner(&self) -> &Attachment {
        self.other.as_deref().unwrap_or(self.attachment)
    }

    /// A lease is of no use to a reader where a writer did not come to the end.
    #[inline]
    fn check_poison(&self) -> Result<()> {
        let poisoned = lock::poisoned(self.attachment.segment(), self.span);
        let poisoned = poisoned.map_err(|fault| self.attachment.explain(fault))?;
        let name = || self.attachment.name().to_owned();
        poisoned.map_or(Ok(()), |block| Err(Error::Poisoned { name: name(), block }))
    }

    /// Where a part of these blocks starts. Its bytes stay as they are, and may be read, while this lives.
    pub(crate) fn base(&self, part: &Part) -> *const u8 {
        start_of(self.attachment.segment(), part)
    }
}

impl Drop for Hold<'_> {
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
pub(crate) enum Reading<'a> {
    Hold(Hold<'a>),
    /// The copy, and where the part starts in it.
    Copy(AlignedBytes, usize),
}

impl Reading<'_> {
    /// Where the part that was leased starts. Its bytes stay as they are, and may be read, while this lives.
    #[inline]
    pub(crate) fn base(&self, part: &Part) -> *const u8 {
        match self {
            Self::Hold(hold) => hold.base(part),
            Self::Copy(bytes, offset) => bytes.bytes().as_ptr().wrapping_add(*offset),
        }
    }
}

/// A write lease: nobody else reads or writes its blocks' bytes while this lives.
///
/// Invariants, held by the only constructor and by privacy:
/// 1. the protocol gave this attach the span's blocks to write, and all readers had left them;
/// 2. only dropping this value gives them back.
#[derive(Debug)]
pub(crate) struct Writing<'a> {
    attachment: &'a Attachment,
    span: Span,
    was_panicking: bool,
    _note: Note,
}

impl<'a> Writing<'a> {
    /// Waits for the blocks' readers and writers; with `until_ns` of zero it does not wait.
    #[inline]
    pub(crate) fn acquire(attachment: &'a Attachment, span: Span, until_ns: u64) -> Result<Self> {
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
        let note = Note::new(attachment, span, None);
        Ok(Self { attachment, span, was_panicking: panicking(), _note: note })
    }

    /// Where the part that was leased starts. Its bytes are this value's alone while it lives.
    #[inline]
    pub(crate) fn base(&mut self, part: &Part) -> *mut u8 {
        start_of(self.attachment.segment(), part)
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        lock::poisoned(self.attachment.segment(), self.span).is_ok_and(|block| block.is_some())
    }

    /// In a forked child it does nothing: the lease is its parent's.
    pub(crate) fn clear_poison(&mut self) {
        if !self.attachment.segment().is_inherited() {
            lock::clear_poison(self.attachment.segment(), self.span);
        }
    }
}

impl Drop for Writing<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.attachment.segment().is_inherited() {
            let has_failed = panicking() && !self.was_panicking;
            // Fails only for what cannot be, and this was checked when it was taken.
            _ = self.attachment.local().end_write(self.attachment.segment(), self.span, has_failed);
        }
    }
}

/// The role of a cell's writer: nobody else stores while this lives.
#[derive(Debug)]
pub(crate) struct Role<'a> {
    attachment: &'a Attachment,
    _note: Note,
}

impl<'a> Role<'a> {
    /// Waits for whoever has the role; with `until_ns` of zero it does not wait.
    #[inline]
    pub(crate) fn acquire(attachment: &'a Attachment, until_ns: u64) -> Result<Self> {
        const ALL: Span = Span { first: 0, count: 1 };
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
        Ok(Self { attachment, _note: Note::new(attachment, ALL, None) })
    }

    pub(crate) fn segment(&self) -> &'a Segment {
        self.attachment.segment()
    }
}

impl Drop for Role<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.attachment.segment().is_inherited() {
            // Every cell has the one block that this names.
            _ = self.attachment.local().release(self.attachment.segment(), 0);
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
