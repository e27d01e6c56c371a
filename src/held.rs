//! What the current thread holds of arrays in place, through whatever handle.
//!
//! A thread that waits for a block that it holds itself waits for ever, and so may two threads that take blocks in
//! different orders. So the blocks of one array are taken in rising order, and a thread that already reads a block may
//! read it again: that adds to the lease it has.

use crate::attachment::{Attachment, FileId};
use crate::protocol::lock::{Place, Span};
use std::cell::RefCell;
use std::sync::{Arc, Weak};

/// One lease of this thread.
#[derive(Debug)]
struct Held {
    number: u64,
    file: FileId,
    attach: u64,
    span: Span,
    /// Where it is announced; `None` for a writer.
    place: Option<Place>,
    /// Of a lease that may end on another thread: dead once it has.
    lives: Option<Weak<()>>,
}

thread_local! {
    static HELD: RefCell<(u64, Vec<Held>)> = const { RefCell::new((0, Vec::new())) };
}

/// What stands in the way of another lease of this thread.
#[derive(Debug)]
pub(crate) enum Answer {
    Nothing,
    /// It holds a lease on all of it already: of the attach with this number, on these blocks, at this place.
    Nested(u64, Span, Place),
    /// It would wait for itself, or others and it for each other.
    Deadlock(&'static str),
}

/// Looks whether this thread may wait for blocks of an array.
#[inline]
pub(crate) fn ask(attachment: &Attachment, span: Span, reads: bool) -> Answer {
    let is_free = HELD.try_with(|held| held.borrow().1.is_empty());
    // A thread that is ending has no leases to speak of.
    if is_free.unwrap_or(true) { Answer::Nothing } else { ask_those_held(attachment, span, reads) }
}

#[cold]
fn ask_those_held(attachment: &Attachment, span: Span, reads: bool) -> Answer {
    let file = attachment.file();
    let answer = HELD.try_with(|held| {
        let (_, held) = &mut *held.borrow_mut();
        // A guard that was never dropped, of a handle that was; or a lease of the process that this one was forked from.
        let is_stale = |it: &Held| it.attach != attachment.number() && Attachment::find(it.attach).is_none();
        held.retain(|it| !it.has_ended() && (it.file != file || !is_stale(it)));
        let mut same = held.iter().filter(|it| it.file == file);
        let nested = same
            .clone()
            .find_map(|it| it.place.filter(|_| it.span.covers(span)).map(|place| (it.attach, it.span, place)));
        match nested {
            Some((attach, span, place)) if reads => Answer::Nested(attach, span, place),
            _ if same.any(|it| span.first < it.span.blocks().end) => {
                Answer::Deadlock("this thread holds it, or a later block of it, already")
            }
            _ => Answer::Nothing,
        }
    });
    answer.unwrap_or(Answer::Nothing)
}

impl Held {
    fn has_ended(&self) -> bool {
        self.lives.as_ref().is_some_and(|lives| lives.strong_count() == 0)
    }
}

/// Remembers a lease as long as it lives.
#[derive(Debug)]
pub(crate) enum Note {
    /// Of a lease that ends on its thread: its number there.
    OfThread(u64),
    /// Of a lease that may end on any thread; its own thread finds out when it next looks.
    OfAnywhere(Arc<()>),
}

impl Note {
    #[inline]
    pub(crate) fn of_thread(attachment: &Attachment, span: Span, place: Option<Place>) -> Self {
        Self::OfThread(remember(attachment, span, place, None))
    }

    pub(crate) fn of_anywhere(attachment: &Attachment, span: Span, place: Option<Place>) -> Self {
        let lives = Arc::new(());
        remember(attachment, span, place, Some(Arc::downgrade(&lives)));
        Self::OfAnywhere(lives)
    }

    fn is_of(&self, held: &Held) -> bool {
        match self {
            Self::OfThread(number) => held.number == *number,
            Self::OfAnywhere(lives) => held.lives.as_ref().is_some_and(|it| it.as_ptr() == Arc::as_ptr(lives)),
        }
    }
}

#[inline]
fn remember(attachment: &Attachment, span: Span, place: Option<Place>, lives: Option<Weak<()>>) -> u64 {
    let (file, attach) = (attachment.file(), attachment.number());
    let number = HELD.try_with(|held| {
        let (last, held) = &mut *held.borrow_mut();
        *last += 1;
        held.push(Held { number: *last, file, attach, span, place, lives });
        *last
    });
    number.unwrap_or(0)
}

impl Drop for Note {
    #[inline]
    fn drop(&mut self) {
        _ = HELD.try_with(|held| {
            let (_, held) = &mut *held.borrow_mut();
            if let Some(at) = held.iter().rposition(|it| self.is_of(it)) {
                held.swap_remove(at);
            }
        });
    }
}
