//! What the current thread holds of arrays in place, through whatever handle.
//!
//! A thread that waits for a block that it holds itself waits for ever, and so may two threads that take blocks in
//! different orders. So the blocks of one array are taken in rising order, and a thread that already reads a block may
//! read it again: that adds to the lease it has.

use crate::attachment::Attachment;
use crate::protocol::lock::{Place, Span};
use crate::segment::FileId;
use crate::sys::fork::Shared;
use std::cell::RefCell;
use std::sync::Arc;

/// One lease of this thread.
#[derive(Clone, Copy, Debug)]
struct Held {
    number: u64,
    file: FileId,
    attach: u64,
    span: Span,
    /// Where it is announced; `None` for a writer.
    place: Option<Place>,
}

/// What a thread remembers.
#[derive(Debug, Default)]
struct Thread {
    last: u64,
    held: Vec<Held>,
    /// Made when it is needed first.
    ended: Option<Arc<Ended>>,
}

/// The leases of a thread that ended on other threads, by their numbers.
type Ended = Shared<Vec<u64>>;

thread_local! {
    static HELD: RefCell<Thread> = const { RefCell::new(Thread { last: 0, held: Vec::new(), ended: None }) };
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
    let is_free = HELD.try_with(|thread| thread.borrow().held.is_empty());
    // A thread that is ending has no leases to speak of.
    if is_free.unwrap_or(true) { Answer::Nothing } else { ask_those_held(attachment, span, reads) }
}

#[cold]
fn ask_those_held(attachment: &Attachment, span: Span, reads: bool) -> Answer {
    let file = attachment.file();
    let answer = HELD.try_with(|thread| {
        let Thread { held, ended, .. } = &mut *thread.borrow_mut();
        let ended: Vec<u64> = ended.as_deref().map(|ended| ended.with(std::mem::take)).unwrap_or_default();
        // A guard that was never dropped, of a handle that was; or a lease of the process that this one was forked from.
        let is_stale = |it: &Held| it.attach != attachment.number() && Attachment::find(it.attach).is_none();
        held.retain(|it| !ended.contains(&it.number) && (it.file != file || !is_stale(it)));
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

/// Remembers a lease as long as it lives.
#[derive(Debug)]
pub(crate) struct Note {
    /// Its number on its thread.
    number: u64,
    /// Of a lease that may end on another thread: where to say so.
    ended: Option<Arc<Ended>>,
}

impl Note {
    /// Of a lease that ends on its thread.
    #[inline]
    pub(crate) fn of_thread(attachment: &Attachment, span: Span, place: Option<Place>) -> Self {
        let number = HELD.try_with(|thread| thread.borrow_mut().remember(attachment, span, place));
        Self { number: number.unwrap_or(0), ended: None }
    }

    /// Of a lease that may end on any thread. Its own thread finds out when it next looks.
    pub(crate) fn of_anywhere(attachment: &Attachment, span: Span, place: Option<Place>) -> Self {
        let remembered = HELD.try_with(|thread| {
            let thread = &mut *thread.borrow_mut();
            (
                thread.remember(attachment, span, place),
                Arc::clone(thread.ended.get_or_insert_with(|| Arc::new(Shared::new(Vec::new())))),
            )
        });
        let (number, ended) = remembered.map_or((0, None), |(number, ended)| (number, Some(ended)));
        Self { number, ended }
    }
}

impl Thread {
    #[inline]
    fn remember(&mut self, attachment: &Attachment, span: Span, place: Option<Place>) -> u64 {
        self.last += 1;
        let (number, file, attach) = (self.last, attachment.file(), attachment.number());
        self.held.push(Held { number, file, attach, span, place });
        number
    }
}

impl Drop for Note {
    #[inline]
    fn drop(&mut self) {
        let is_here = HELD.try_with(|thread| {
            let Thread { held, ended, .. } = &mut *thread.borrow_mut();
            let is_here = match &self.ended {
                Some(theirs) => ended.as_ref().is_some_and(|ours| Arc::ptr_eq(ours, theirs)),
                None => true,
            };
            if let Some(at) = held.iter().rposition(|it| is_here && it.number == self.number) {
                held.swap_remove(at);
            }
            is_here
        });
        if let (Some(ended), Ok(false) | Err(_)) = (&self.ended, is_here) {
            ended.with(|ended| ended.push(self.number));
        }
    }
}
