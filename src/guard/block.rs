//! Leases on the blocks of an array in place.

use crate::attachment::Attachment;
use crate::error::{Error, Result};
use crate::held::{self, Answer, Note};
use crate::protocol::lock::{self, Place, Span};
use crate::protocol::participant::Participant;
use crate::segment::{Part, Segment};
use crate::sys::copy::AlignedBytes;
use std::ops::Deref;
use std::sync::Arc;
use std::thread::panicking;

/// The attach that a lease belongs to: the handle's own, or that of another handle of this thread.
#[derive(Debug)]
enum Owner<'a> {
    Handle(&'a Attachment),
    Other(Arc<Attachment>),
}

impl Deref for Owner<'_> {
    type Target = Attachment;

    fn deref(&self) -> &Attachment {
        match self {
            Self::Handle(attachment) => attachment,
            Self::Other(attachment) => attachment,
        }
    }
}

/// A read lease: the part's bytes stay as they are while this lives.
///
/// Invariants, held by the only constructor and by privacy:
/// 1. the protocol let this attach in as a reader of the part's blocks, announced at `place`;
/// 2. only dropping this value takes that announcement back, so no writer enters those blocks until then.
#[derive(Debug)]
pub(crate) struct Hold<'a> {
    owner: Owner<'a>,
    me: Participant,
    part: Part,
    place: Place,
    _note: Note,
}

impl<'a> Hold<'a> {
    /// Waits for the part's writers; with `until_ns` of zero it does not wait.
    pub(crate) fn acquire(attachment: &'a Attachment, part: Part, until_ns: u64) -> Result<Self> {
        attachment.enter()?;
        let explain = |fault| attachment.explain(fault);
        let (owner, place) = match held::ask(attachment, part.span, true) {
            Answer::Nested(attach, place) if attach == attachment.number() => (Owner::Handle(attachment), Some(place)),
            Answer::Nested(attach, place) => match Attachment::find(attach) {
                Some(other) => (Owner::Other(other), Some(place)),
                None => (Owner::Handle(attachment), None),
            },
            Answer::Deadlock(reason) if until_ns > 0 => return Err(would_deadlock(attachment, reason)),
            Answer::Deadlock(_) | Answer::Nothing => (Owner::Handle(attachment), None),
        };
        let me = owner.writer()?;
        let (local, segment) = (owner.local(), owner.segment());
        let place = match place {
            Some(place) => local.nest(segment, me, place).map(|()| Some(place)),
            None => local.read(segment, me, part.span, until_ns),
        };
        let Some(place) = place.map_err(explain)? else {
            return Err(not_in_time(attachment, part.span, until_ns));
        };
        let note = Note::new(&owner, part.span, Some(place));
        let hold = Self { owner, me, part, place, _note: note };
        let poisoned = lock::poisoned(hold.owner.segment(), hold.part.span).map_err(explain)?;
        poisoned.map_or(Ok(hold), |block| Err(Error::Poisoned { name: attachment.name().to_owned(), block }))
    }

    /// Where the part starts. Its bytes stay as they are, and may be read, while this lives.
    pub(crate) fn base(&self) -> *const u8 {
        start_of(self.owner.segment(), &self.part)
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if !self.owner.segment().is_inherited() {
            // Fails only for what cannot be, and this was checked when it was taken.
            _ = self.owner.local().end_read(self.owner.segment(), self.me, self.part.span, self.place);
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
    /// Where the part starts. Its bytes stay as they are, and may be read, while this lives.
    pub(crate) fn base(&self) -> *const u8 {
        match self {
            Self::Hold(hold) => hold.base(),
            Self::Copy(bytes, offset) => bytes.bytes().as_ptr().wrapping_add(*offset),
        }
    }
}

/// A write lease: nobody else reads or writes the part's bytes while this lives.
///
/// Invariants, held by the only constructor and by privacy:
/// 1. the protocol gave this attach the part's blocks to write, and all readers had left them;
/// 2. only dropping this value gives them back.
#[derive(Debug)]
pub(crate) struct Writing<'a> {
    attachment: &'a Attachment,
    part: Part,
    was_panicking: bool,
    _note: Note,
}

impl<'a> Writing<'a> {
    /// Waits for the part's readers and writers; with `until_ns` of zero it does not wait.
    pub(crate) fn acquire(attachment: &'a Attachment, part: Part, until_ns: u64) -> Result<Self> {
        attachment.enter()?;
        let me = attachment.writer()?;
        match held::ask(attachment, part.span, false) {
            Answer::Deadlock(reason) if until_ns > 0 => return Err(would_deadlock(attachment, reason)),
            _ => {}
        }
        let taken = attachment.local().write(attachment.segment(), me, part.span, until_ns);
        if !taken.map_err(|fault| attachment.explain(fault))? {
            return Err(not_in_time(attachment, part.span, until_ns));
        }
        let note = Note::new(attachment, part.span, None);
        Ok(Self { attachment, part, was_panicking: panicking(), _note: note })
    }

    /// Where the part starts. Its bytes are this value's alone while it lives.
    pub(crate) fn base(&mut self) -> *mut u8 {
        start_of(self.attachment.segment(), &self.part)
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        lock::poisoned(self.attachment.segment(), self.part.span).is_ok_and(|block| block.is_some())
    }

    pub(crate) fn clear_poison(&mut self) {
        lock::clear_poison(self.attachment.segment(), self.part.span);
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.attachment.segment().is_inherited() {
            let has_failed = panicking() && !self.was_panicking;
            // Fails only for what cannot be, and this was checked when it was taken.
            _ = self.attachment.local().end_write(self.attachment.segment(), self.part.span, has_failed);
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
    fn drop(&mut self) {
        if !self.attachment.segment().is_inherited() {
            // Every cell has the one block that this names.
            _ = self.attachment.local().release(self.attachment.segment(), 0);
        }
    }
}

fn start_of(segment: &Segment, part: &Part) -> *mut u8 {
    // Every array in place has slot 0. A part without bytes may be anywhere.
    segment.payload(0).unwrap_or(std::ptr::dangling_mut::<u128>().cast()).wrapping_add(part.offset)
}

fn would_deadlock(attachment: &Attachment, reason: &'static str) -> Error {
    Error::WouldDeadlock { name: attachment.name().to_owned(), reason }
}

fn not_in_time(attachment: &Attachment, span: Span, until_ns: u64) -> Error {
    let name = attachment.name().to_owned();
    if until_ns == 0 {
        Error::Locked { name, holders: attachment.lock_holders(span) }
    } else {
        Error::TimedOut { name }
    }
}
