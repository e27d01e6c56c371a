//! What the current thread holds of arrays in place, through whatever handle.
//!
//! A thread that waits for a block that it holds itself waits for ever, and so may two threads that take blocks in
//! different orders. So the blocks of one array are taken in rising order, and a thread that already reads a block may
//! read it again: that adds to the lease it has.

use crate::attachment::{Attachment, FileId};
use crate::protocol::lock::{Place, Span};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::MutexGuard;

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
        held.retain(|it| it.file != file || !is_stale(it));
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

/// Remembers a lease as long as it lives. It cannot leave its thread.
#[derive(Debug)]
pub(crate) struct Note {
    number: u64,
    /// Not `Send`, but `Sync`.
    thread: PhantomData<MutexGuard<'static, ()>>,
}

impl Note {
    #[inline]
    pub(crate) fn new(attachment: &Attachment, span: Span, place: Option<Place>) -> Self {
        let (file, attach) = (attachment.file(), attachment.number());
        let number = HELD.try_with(|held| {
            let (last, held) = &mut *held.borrow_mut();
            *last += 1;
            held.push(Held { number: *last, file, attach, span, place });
            *last
        });
        Self { number: number.unwrap_or(0), thread: PhantomData }
    }
}

impl Drop for Note {
    #[inline]
    fn drop(&mut self) {
        _ = HELD.try_with(|held| {
            let (_, held) = &mut *held.borrow_mut();
            if let Some(at) = held.iter().rposition(|it| it.number == self.number) {
                held.swap_remove(at);
            }
        });
    }
}
