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
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

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
    /// Its own number; zero until it takes a lease that may end on another thread.
    number: u64,
}

thread_local! {
    static HELD: RefCell<Thread> = const { RefCell::new(Thread { last: 0, held: Vec::new(), number: 0 }) };
}

/// The threads that took leases which may end on others, by their numbers, and the numbers of those that did.
static THREADS: Shared<Vec<(u64, Vec<u64>)>> = Shared::new(Vec::new());

/// How many threads have been among them.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

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
        let Thread { held, number, .. } = &mut *thread.borrow_mut();
        let ended = ended_of(*number, std::mem::take).unwrap_or_default();
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

/// Does something with the numbers of a thread's leases that ended on others, if it is there.
fn ended_of<R>(thread: u64, act: impl FnOnce(&mut Vec<u64>) -> R) -> Option<R> {
    THREADS.with(|all| all.iter_mut().find(|(number, _)| *number == thread).map(|(_, ended)| act(ended)))
}

/// Remembers a lease as long as it lives.
#[derive(Debug)]
pub(crate) struct Note {
    /// Its number on its thread.
    number: u64,
    /// Of a lease that may end on another thread: the thread that took it. Else zero.
    thread: u64,
}

impl Note {
    /// Of a lease that ends on its thread.
    #[inline]
    pub(crate) fn of_thread(attachment: &Attachment, span: Span, place: Option<Place>) -> Self {
        let remembered = HELD.try_with(|thread| thread.borrow_mut().remember(attachment, span, place));
        Self { number: remembered.unwrap_or(0), thread: 0 }
    }

    /// Of a lease that may end on any thread. Its own thread finds out when it next looks.
    pub(crate) fn of_anywhere(attachment: &Attachment, span: Span, place: Option<Place>) -> Self {
        let remembered = HELD.try_with(|thread| {
            let thread = &mut *thread.borrow_mut();
            if thread.number == 0 {
                thread.enrol();
            }
            (thread.remember(attachment, span, place), thread.number)
        });
        let (number, thread) = remembered.unwrap_or((0, 0));
        Self { number, thread }
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

    #[cold]
    fn enrol(&mut self) {
        self.number = NUMBERS.fetch_add(1, Relaxed) + 1;
        THREADS.with(|all| all.push((self.number, Vec::new())));
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if self.number != 0 {
            THREADS.with(|all| all.retain(|(number, _)| *number != self.number));
        }
    }
}

impl Drop for Note {
    #[inline]
    fn drop(&mut self) {
        let is_done = HELD.try_with(|thread| {
            let Thread { held, number, .. } = &mut *thread.borrow_mut();
            let is_last = held.last().is_some_and(|last| last.number == self.number);
            if is_last && (self.thread == 0 || self.thread == *number) {
                held.pop();
                return true;
            }
            false
        });
        if is_done != Ok(true) {
            self.end_elsewhere();
        }
    }
}

impl Note {
    /// Ends a lease that is not the last of this thread, or is another's.
    #[cold]
    fn end_elsewhere(&self) {
        let is_here = HELD.try_with(|thread| {
            let Thread { held, number, .. } = &mut *thread.borrow_mut();
            let is_here = self.thread == 0 || self.thread == *number;
            if let Some(at) = held.iter().position(|it| is_here && it.number == self.number) {
                held.swap_remove(at);
            }
            is_here
        });
        if self.thread != 0 && is_here != Ok(true) {
            // A thread that is gone waits for nothing.
            _ = ended_of(self.thread, |ended| ended.push(self.number));
        }
    }
}
