//! Publishing: taking the role, filling frames, giving up.

use super::{Operation, operation};
use crate::Outcome;
use crate::arrays::{STREAMS, Stream, fleeting};
use crate::errors::Kind;
use crate::journal::{Event, Journal};
use crate::payload;
use crate::sabotage::Sabotage;
use crate::worker::{HeldPublisher, Worker};
use ndarray::{Array1, Ix1};
use sharray::{AnyPublisher, Backpressure, Loan};
use std::time::Duration;

pub(super) const OPERATIONS: &[Operation] = &[
    operation("publisher: take over", 30, 5, take_over),
    operation("publisher: open", 15, 5, open),
    operation("publisher: create", 15, 0, create),
    operation("publisher: create from", 10, 0, create_from),
    operation("publisher: publish", 120, 30, publish),
    operation("publisher: publish many", 30, 60, publish_many),
    operation("publisher: linger in a loan", 20, 35, linger),
    operation("publisher: abort", 15, 30, abort),
    operation("publisher: dtype at run time", 10, 35, any),
    operation("publisher: commit", 25, 0, commit),
    operation("publisher: close", 25, 0, close),
];

/// How many roles a worker holds at most.
const MOST: usize = 3;

/// What `loan` may answer when it has to wait.
const NO_LOAN: &[Kind] = &[Kind::TimedOut, Kind::NoFreeSlot];

/// What attaching may answer.
pub(super) fn attaching(stream: &Stream) -> Vec<Kind> {
    let mut kinds = Vec::new();
    if stream.may_be_full() {
        kinds.push(Kind::TooManyParticipants);
    }
    if !stream.is_lasting {
        kinds.push(Kind::NotFound);
    }
    kinds
}

fn loaning(stream: &Stream) -> Vec<Kind> {
    let retired = (!stream.is_lasting).then_some(Kind::Retired);
    NO_LOAN.iter().copied().chain(retired).collect()
}

fn backpressure(worker: &mut Worker, stream: &Stream) -> Backpressure {
    match worker.rng.u32(..3) {
        0 if stream.may_evict => Backpressure::Evict,
        1 => Backpressure::Error,
        _ => Backpressure::Block,
    }
}

/// A stream that is there or may be there.
fn any_stream(worker: &mut Worker) -> usize {
    worker.rng.usize(..STREAMS.len())
}

fn any_fleeting(worker: &mut Worker) -> usize {
    let fleeting = fleeting();
    fleeting[worker.rng.usize(..fleeting.len())]
}

fn take_over(worker: &mut Worker) -> Outcome {
    let at = any_stream(worker);
    let stream = &STREAMS[at];
    worker.journal.note(format_args!("{}", stream.name));
    let before = worker.journal.mark(at);
    let builder = stream.writer(&worker.place).backpressure(backpressure(worker, stream));
    let mut kinds = attaching(stream);
    kinds.push(Kind::ProducerPresent);
    let Some(handle) = worker.journal.allow(builder.attach(stream.name), &kinds)? else { return Ok(()) };
    let newest = handle.sequence();
    if stream.is_lasting && newest < before {
        return Err(format!("{} goes on after {newest}, but {before} was seen", stream.name));
    }
    if newest > 0 {
        worker.journal.count(Event::TakeOver);
    }
    keep(worker, HeldPublisher { stream: at, handle, newest });
    Ok(())
}

/// Keeps a publisher; closes another if there are too many.
fn keep(worker: &mut Worker, publisher: HeldPublisher) {
    let publishers = &mut worker.held.publishers;
    if publishers.len() >= MOST {
        publishers.swap_remove(worker.rng.usize(..MOST));
    }
    publishers.push(publisher);
}

fn open(worker: &mut Worker) -> Outcome {
    let at = any_stream(worker);
    let stream = &STREAMS[at];
    worker.journal.note(format_args!("{}", stream.name));
    let builder = stream.writer(&worker.place).backpressure(backpressure(worker, stream));
    let mut kinds = vec![Kind::ProducerPresent];
    if stream.may_be_full() {
        kinds.push(Kind::TooManyParticipants);
    }
    let opened = worker.journal.allow(builder.open(stream.name, [stream.words]), &kinds)?;
    if let Some(handle) = opened {
        let newest = handle.sequence();
        keep(worker, HeldPublisher { stream: at, handle, newest });
    }
    Ok(())
}

fn create(worker: &mut Worker) -> Outcome {
    let at = any_fleeting(worker);
    let stream = &STREAMS[at];
    worker.journal.note(format_args!("{}", stream.name));
    let created = stream.writer(&worker.place).create(stream.name, [stream.words]);
    if let Some(handle) = worker.journal.allow(created, &[Kind::AlreadyExists])? {
        if handle.sequence() != 0 {
            return Err(format!("{} is new and has frame {}", stream.name, handle.sequence()));
        }
        keep(worker, HeldPublisher { stream: at, handle, newest: 0 });
    }
    Ok(())
}

fn create_from(worker: &mut Worker) -> Outcome {
    let at = any_fleeting(worker);
    let stream = &STREAMS[at];
    worker.journal.note(format_args!("{}", stream.name));
    let mut first = Array1::zeros(stream.words);
    if let Some(words) = first.as_slice_mut() {
        stream.key().part(1).fill(words, payload::FIRST);
    }
    let created = stream.writer(&worker.place).create_from(stream.name, &first);
    if let Some(handle) = worker.journal.allow(created, &[Kind::AlreadyExists])? {
        if handle.sequence() != 1 {
            return Err(format!("{} was created with a first frame and has {}", stream.name, handle.sequence()));
        }
        keep(worker, HeldPublisher { stream: at, handle, newest: 1 });
    }
    Ok(())
}

/// Chooses one of the publishers that the worker holds.
fn choose(worker: &mut Worker) -> Option<usize> {
    let count = worker.held.publishers.len();
    (count > 0).then(|| worker.rng.usize(..count))
}

fn publish(worker: &mut Worker) -> Outcome {
    let Some(which) = choose(worker) else { return Ok(()) };
    let timeout = worker.timeout(30);
    publish_one(worker, which, timeout, Duration::ZERO).map(drop)
}

fn publish_many(worker: &mut Worker) -> Outcome {
    let Some(which) = choose(worker) else { return Ok(()) };
    for _ in 0..worker.rng.u32(1..30) {
        if !publish_one(worker, which, Duration::from_millis(2), Duration::ZERO)? {
            break;
        }
    }
    Ok(())
}

/// Sleeps with a half filled frame, so that death and stops come in the middle of it.
fn linger(worker: &mut Worker) -> Outcome {
    let Some(which) = choose(worker) else { return Ok(()) };
    let pause = Duration::from_micros(worker.rng.u64(..5000));
    publish_one(worker, which, Duration::from_millis(30), pause).map(drop)
}

/// Publishes one frame; `false` if there was no slot for it.
fn publish_one(worker: &mut Worker, which: usize, timeout: Duration, pause: Duration) -> Outcome<bool> {
    let salt = worker.rng.u64(..);
    let is_torn = worker.sabotages(Sabotage::Torn);
    let Worker { held, journal, .. } = worker;
    let HeldPublisher { stream: at, handle, newest } = &mut held.publishers[which];
    let stream = &STREAMS[*at];
    let Some(mut loan) = journal.allow(handle.loan_timeout(timeout), &loaning(stream))? else { return Ok(false) };
    let sequence = loan.sequence();
    journal.note(format_args!("{} {sequence}", stream.name));
    check_next(stream, sequence, *newest)?;
    fill(stream, &mut loan, salt, pause)?;
    if is_torn {
        loan.as_mut_slice()[0] ^= 1;
    }
    let published = loan.publish();
    if published != sequence {
        return Err(format!("{}: published {published} instead of {sequence}", stream.name));
    }
    *newest = sequence;
    saw(journal, *at, sequence);
    Ok(true)
}

/// Whoever has the role is alone: the next frame is the one after its own last.
fn check_next(stream: &Stream, sequence: u64, newest: u64) -> Outcome {
    if sequence == newest + 1 {
        return Ok(());
    }
    Err(format!("{}: the next frame is {sequence}, but the last one was {newest}", stream.name))
}

/// Remembers the newest frame of a stream that lasts.
pub(super) fn saw(journal: &mut Journal, at: usize, sequence: u64) {
    if STREAMS[at].is_lasting {
        journal.raise_mark(at, sequence);
    }
}

fn fill(stream: &Stream, loan: &mut Loan<'_, u64, Ix1>, salt: u64, pause: Duration) -> Outcome {
    let key = stream.key().part(loan.sequence());
    loan.set_shape(&[payload::len(salt, stream.words)]).map_err(|error| error.to_string())?;
    loan.set_tags([salt, key.word(salt, usize::MAX)]);
    let words = loan.as_mut_slice();
    let half = words.len() / 2;
    key.fill(&mut words[..half], salt);
    if !pause.is_zero() {
        std::thread::sleep(pause);
    }
    key.fill_from(&mut words[half..], salt, half);
    // Nobody else writes there, before or after a pause.
    key.check(words, salt)
}

/// Fills a frame and gives it back.
fn abort(worker: &mut Worker) -> Outcome {
    let Some(which) = choose(worker) else { return Ok(()) };
    let (salt, timeout) = (worker.rng.u64(..), worker.timeout(30));
    let Worker { held, journal, .. } = worker;
    let HeldPublisher { stream: at, handle, newest } = &mut held.publishers[which];
    let stream = &STREAMS[*at];
    if let Some(mut loan) = journal.allow(handle.loan_timeout(timeout), &loaning(stream))? {
        check_next(stream, loan.sequence(), *newest)?;
        fill(stream, &mut loan, salt, Duration::ZERO)?;
    }
    if handle.sequence() != *newest {
        return Err(format!("{}: it has published {}, last was {newest}", stream.name, handle.sequence()));
    }
    Ok(())
}

/// Makes the newest frame durable, and finishes what a dead publisher began.
fn commit(worker: &mut Worker) -> Outcome {
    let Some(which) = choose(worker) else { return Ok(()) };
    let Worker { held, journal, .. } = worker;
    let HeldPublisher { stream: at, handle, newest } = &mut held.publishers[which];
    let stream = &STREAMS[*at];
    journal.note(format_args!("{} {newest}", stream.name));
    match journal.allow(handle.commit(), &[])? {
        Some(committed) if committed != *newest => {
            Err(format!("{}: it has committed {committed}, last was {newest}", stream.name))
        }
        _ => Ok(()),
    }
}

/// Takes a stream over without knowing its type, publishes a frame and closes.
fn any(worker: &mut Worker) -> Outcome {
    let at = any_stream(worker);
    let (stream, salt) = (&STREAMS[at], worker.rng.u64(..));
    worker.journal.note(format_args!("{}", stream.name));
    let mut kinds = attaching(stream);
    kinds.push(Kind::ProducerPresent);
    let attached = AnyPublisher::builder().directory(&worker.place).attach(stream.name);
    let Some(mut handle) = worker.journal.allow(attached, &kinds)? else { return Ok(()) };
    let loan = handle.loan_timeout(Duration::from_millis(20));
    let Some(mut loan) = worker.journal.allow(loan, &loaning(stream))? else { return Ok(()) };
    let key = stream.key().part(loan.sequence());
    loan.set_shape(&[payload::len(salt, stream.words)]).map_err(|error| error.to_string())?;
    loan.set_tags([salt, key.word(salt, usize::MAX)]);
    let mut view = loan.view_mut::<u64, Ix1>().ok_or("a stream of u64 cannot be seen as one")?;
    key.fill(view.as_slice_mut().ok_or("it is not in order")?, salt);
    let sequence = loan.publish();
    saw(&mut worker.journal, at, sequence);
    Ok(())
}

fn close(worker: &mut Worker) -> Outcome {
    let Some(which) = choose(worker) else { return Ok(()) };
    let publisher = worker.held.publishers.swap_remove(which);
    let stream = &STREAMS[publisher.stream];
    worker.journal.note(format_args!("{}", stream.name));
    if publisher.handle.sequence() == publisher.newest {
        return Ok(());
    }
    Err(format!("{}: it has published {}, last was {}", stream.name, publisher.handle.sequence(), publisher.newest))
}
