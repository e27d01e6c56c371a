//! Subscribing: joining, receiving, holding frames, waiting.

use super::publishing::{attaching, saw};
use super::{Operation, WATCH_MS, operation};
use crate::Outcome;
use crate::arrays::{Picture, STREAMS, Stream};
use crate::errors::Kind;
use crate::journal::{Event, Journal};
use crate::sabotage::Sabotage;
use crate::worker::{HeldFrame, HeldSubscriber, Memory, Reading, Worker, check_frame, check_parts};
use ndarray::{Ix1, Ix3};
use sharray::{AnySubscriber, Error, Source, Subscriber, wait_any};
use std::time::Duration;

pub(super) const OPERATIONS: &[Operation] = &[
    operation("subscriber: attach", 40, WATCH_MS, attach),
    operation("subscriber: try to receive", 100, 0, try_receive),
    operation("subscriber: receive", 60, 40, receive),
    operation("subscriber: iterate", 20, 60, iterate),
    operation("subscriber: newest", 60, 0, newest),
    operation("subscriber: hold the newest", 30, 0, hold),
    operation("subscriber: look at what is held", 30, 0, look_again),
    operation("subscriber: let go of a frame", 50, 0, let_go),
    operation("subscriber: wait for any", 20, 30, wait_for_any),
    operation("subscriber: dtype at run time", 15, 20, any),
    operation("subscriber: another type", 5, 0, another_type),
    operation("subscriber: detach", 25, 0, detach),
];

fn attach(worker: &mut Worker) -> Outcome {
    let at = worker.rng.usize(..STREAMS.len());
    let stream = &STREAMS[at];
    let (reading, from_oldest) = (reading(worker), worker.rng.u32(..4) == 0);
    worker.journal.note(format_args!("{} {reading:?}", stream.name));
    let mut builder = Stream::reader(&worker.place);
    let mut kinds = attaching(stream);
    if worker.rng.bool() {
        builder = builder.wait(worker.timeout(10));
        kinds.push(Kind::TimedOut);
    }
    if from_oldest {
        builder = builder.from_oldest();
    }
    builder = match reading {
        Reading::Lossy => builder,
        Reading::Lossless => builder.lossless(),
        Reading::Onlooker => builder.read_only(),
    };
    let before = if from_oldest || !stream.is_lasting { 0 } else { worker.journal.mark(at) };
    let Some(handle) = worker.journal.allow(builder.attach(stream.name), &kinds)? else { return Ok(()) };
    let newest = (before, handle.sequence());
    if newest.1 < newest.0 {
        return Err(format!("{} has frame {}, but {} was seen", stream.name, newest.1, newest.0));
    }
    saw(&mut worker.journal, at, newest.1);
    if worker.sabotages(Sabotage::Leak) {
        std::mem::forget(handle);
        return Ok(());
    }
    worker.held.keep_subscriber(HeldSubscriber::new(at, handle, reading, newest), &mut worker.rng);
    Ok(())
}

fn reading(worker: &mut Worker) -> Reading {
    match worker.rng.u32(..4) {
        0 => Reading::Lossless,
        1 => Reading::Onlooker,
        _ => Reading::Lossy,
    }
}

/// Chooses one of the subscribers that the worker holds.
pub(super) fn choose(worker: &mut Worker) -> Option<usize> {
    let count = worker.held.subscribers.len();
    (count > 0).then(|| worker.rng.usize(..count))
}

/// Checks a frame of a stream, and that whoever reads the same sequence sees the same.
pub(super) fn check(journal: &mut Journal, memory: &mut Memory, at: usize, frame: &Picture) -> Outcome {
    let salt = check_frame(at, frame)?;
    journal.count(Event::Frame);
    saw(journal, at, frame.sequence());
    if STREAMS[at].is_lasting { memory.compare(at, frame.sequence(), salt) } else { Ok(()) }
}

/// What a receive gave. Says whether it makes sense to go on.
fn received(worker: &mut Worker, which: usize, result: sharray::Result<Option<Picture>>) -> Outcome<bool> {
    let skips = worker.sabotages(Sabotage::Skip);
    let Worker { held, journal, memory, rng, .. } = worker;
    let subscriber = &mut held.subscribers[which];
    let stream = &STREAMS[subscriber.stream];
    match result {
        Ok(Some(frame)) => {
            check(journal, memory, subscriber.stream, &frame)?;
            journal.add(Event::Missed, frame.missed());
            if !skips {
                subscriber.account(frame.sequence(), frame.missed())?;
            }
            if rng.u32(..20) == 0 {
                let stream = subscriber.stream;
                held.keep_frame(HeldFrame { stream, frame }, rng);
            }
            Ok(true)
        }
        Ok(None) => Ok(false),
        Err(error) => troubled(journal, stream, subscriber, &error),
    }
}

/// An error in place of a frame. Says whether it makes sense to go on.
fn troubled(journal: &mut Journal, stream: &Stream, subscriber: &mut HeldSubscriber, error: &Error) -> Outcome<bool> {
    let mut kinds = vec![Kind::TimedOut, Kind::ProducerDied];
    if !stream.is_lasting {
        kinds.push(Kind::Retired);
    }
    if stream.may_evict && subscriber.reading == Reading::Lossless {
        kinds.push(Kind::Lagged);
    }
    journal.forgive(error, &kinds)?;
    match error {
        Error::Lagged { missed, .. } => {
            journal.count(Event::Eviction);
            subscriber.lag(*missed)?;
            Ok(true)
        }
        Error::ProducerDied { .. } => {
            journal.count(Event::Death);
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn try_receive(worker: &mut Worker) -> Outcome {
    let Some(which) = choose(worker) else { return Ok(()) };
    for _ in 0..worker.rng.u32(1..20) {
        let result = worker.held.subscribers[which].handle.try_recv();
        if matches!(result, Err(Error::TimedOut { .. } | Error::ProducerDied { .. } | Error::Retired { .. })) {
            return Err(format!("without waiting it answers {result:?}"));
        }
        if !received(worker, which, result)? {
            break;
        }
    }
    Ok(())
}

fn receive(worker: &mut Worker) -> Outcome {
    let Some(which) = choose(worker) else { return Ok(()) };
    let timeout = worker.timeout(40);
    let result = worker.held.subscribers[which].handle.recv_timeout(timeout);
    received(worker, which, result).map(drop)
}

fn iterate(worker: &mut Worker) -> Outcome {
    let Some(which) = choose(worker) else { return Ok(()) };
    for _ in 0..worker.rng.u32(1..10) {
        let handle = &mut worker.held.subscribers[which].handle;
        let Some(result) = handle.frames().timeout(Duration::from_millis(6)).next() else { break };
        if !received(worker, which, result.map(Some))? {
            break;
        }
    }
    Ok(())
}

/// The newest frame is no older than any that this worker has seen.
fn newest(worker: &mut Worker) -> Outcome {
    let Some(which) = choose(worker) else { return Ok(()) };
    for _ in 0..worker.rng.u32(1..10) {
        latest(worker, which)?;
    }
    Ok(())
}

fn hold(worker: &mut Worker) -> Outcome {
    let Some(which) = choose(worker) else { return Ok(()) };
    let stream = worker.held.subscribers[which].stream;
    if let Some(frame) = latest(worker, which)? {
        worker.held.keep_frame(HeldFrame { stream, frame }, &mut worker.rng);
    }
    Ok(())
}

fn latest(worker: &mut Worker, which: usize) -> Outcome<Option<Picture>> {
    let Worker { held, journal, memory, .. } = worker;
    let subscriber = &held.subscribers[which];
    let (at, is_copy) = (subscriber.stream, subscriber.reading == Reading::Onlooker);
    let before = if STREAMS[at].is_lasting { journal.mark(at) } else { 0 };
    // An onlooker cannot keep a producer from overtaking it, and gives up in the end.
    let kinds: &[Kind] = if is_copy { &[Kind::TimedOut] } else { &[] };
    let Some(newest) = journal.allow(subscriber.handle.latest(), kinds)? else { return Ok(None) };
    let sequence = newest.as_ref().map_or(0, |frame| frame.sequence());
    if sequence < before {
        return Err(format!("{}: the newest frame is {sequence}, but {before} was seen", STREAMS[at].name));
    }
    if let Some(frame) = &newest {
        if frame.is_copy() != is_copy {
            return Err(format!("frame {sequence} is a copy: {}", frame.is_copy()));
        }
        check(journal, memory, at, frame)?;
    }
    let role = held.publishers.iter().find(|publisher| publisher.stream == at && STREAMS[at].is_lasting);
    if let Some(publisher) = role.filter(|publisher| publisher.newest != sequence) {
        return Err(format!("we published {} last, but the newest frame is {sequence}", publisher.newest));
    }
    Ok(newest)
}

/// A frame stays as it is while it is held.
fn look_again(worker: &mut Worker) -> Outcome {
    for held in &worker.held.frames {
        held.check().map_err(|trouble| format!("a frame that was held: {trouble}"))?;
    }
    Ok(())
}

fn let_go(worker: &mut Worker) -> Outcome {
    let count = worker.held.frames.len();
    if count > 0 {
        let frame = worker.held.frames.swap_remove(worker.rng.usize(..count));
        frame.check().map_err(|trouble| format!("a frame that was held: {trouble}"))?;
    }
    Ok(())
}

fn wait_for_any(worker: &mut Worker) -> Outcome {
    let timeout = worker.timeout(30);
    let Worker { held, journal, .. } = worker;
    let sources: Vec<&dyn Source> = held.subscribers.iter().map(|held| &held.handle as &dyn Source).collect();
    if sources.is_empty() {
        return Ok(());
    }
    let Some(ready) = journal.allow(wait_any(&sources, Some(timeout)), &[Kind::TimedOut])? else { return Ok(()) };
    for which in ready {
        let result = worker.held.subscribers[which].handle.recv_timeout(Duration::ZERO);
        received(worker, which, result)?;
    }
    Ok(())
}

/// Receives without knowing the type.
fn any(worker: &mut Worker) -> Outcome {
    let at = worker.rng.usize(..STREAMS.len());
    let stream = &STREAMS[at];
    worker.journal.note(format_args!("{}", stream.name));
    let attached = AnySubscriber::builder().directory(&worker.place).from_oldest().attach(stream.name);
    let Some(mut handle) = worker.journal.allow(attached, &attaching(stream))? else { return Ok(()) };
    let mut kinds = vec![Kind::TimedOut, Kind::ProducerDied];
    if !stream.is_lasting {
        kinds.push(Kind::Retired);
    }
    for _ in 0..4 {
        let received = worker.journal.allow(handle.recv_timeout(Duration::from_millis(5)), &kinds)?;
        let Some(Some(frame)) = received else { break };
        let view = frame.view::<u64, Ix1>().ok_or("a frame of u64 cannot be seen as one")?;
        check_parts(at, frame.sequence(), frame.tags(), view.as_slice().ok_or("it is not in order")?)?;
        worker.journal.count(Event::Frame);
    }
    Ok(())
}

/// An array of other items or dimensions is refused, whatever goes on with it.
fn another_type(worker: &mut Worker) -> Outcome {
    let stream = &STREAMS[worker.rng.usize(..STREAMS.len())];
    let refused = Subscriber::<f32, Ix3>::builder().directory(&worker.place).attach(stream.name);
    let mut kinds = attaching(stream);
    kinds.push(Kind::Mismatch);
    match worker.journal.allow(refused, &kinds)? {
        None => Ok(()),
        Some(_) => Err(format!("{} is attached as an array of f32 with three dimensions", stream.name)),
    }
}

fn detach(worker: &mut Worker) -> Outcome {
    let Some(which) = choose(worker) else { return Ok(()) };
    let subscriber = worker.held.subscribers.swap_remove(which);
    let is_gone = STREAMS[subscriber.stream].is_lasting && subscriber.handle.is_retired();
    if is_gone { Err(format!("{} was retired", subscriber.handle.name())) } else { Ok(()) }
}
