//! Several threads over one handle.

use super::fields::versions;
use super::subscribing::choose;
use super::{Operation, operation};
use crate::Outcome;
use crate::arrays::{FieldHandle, Reader};
use crate::journal::Event;
use crate::worker::{HeldField, HeldFrame, HeldSubscriber, Reading, Worker, check_frame, words};
use sharray::Error;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

pub(super) const OPERATIONS: &[Operation] = &[
    operation("threads: read through one subscriber", 10, 0, read_together),
    operation("threads: hand a frame over", 10, 0, hand_over),
    operation("threads: attach together", 5, 0, attach_together),
    operation("threads: use one array", 15, 60, use_one_array),
];

/// How many threads.
const THREADS: usize = 2;

/// The first failure of some threads.
fn first(outcomes: impl IntoIterator<Item = thread::Result<Outcome<u64>>>) -> Outcome<u64> {
    let join = |outcome: thread::Result<Outcome<u64>>| {
        outcome.unwrap_or_else(|panic| Err(format!("a thread panicked: {}", words(&*panic))))
    };
    outcomes.into_iter().map(join).sum()
}

fn read_together(worker: &mut Worker) -> Outcome {
    let Some(which) = choose(worker) else { return Ok(()) };
    let subscriber = &worker.held.subscribers[which];
    let frames = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| read_on(subscriber))).collect();
        first(threads.into_iter().map(thread::ScopedJoinHandle::join))
    })?;
    worker.journal.add(Event::Frame, frames);
    Ok(())
}

/// The newest frames never go back.
fn read_on(subscriber: &HeldSubscriber) -> Outcome<u64> {
    let (mut newest, mut frames) = (0, 0);
    for _ in 0..20 {
        let frame = match subscriber.handle.latest() {
            Ok(Some(frame)) => frame,
            // The other thread and the frames that are held may have all pins.
            Ok(None) | Err(Error::TooManyPins { .. }) => continue,
            Err(Error::TimedOut { .. }) if subscriber.reading == Reading::Onlooker => continue,
            Err(error) => return Err(format!("a thread: {error}")),
        };
        check_frame(subscriber.stream, &frame)?;
        if frame.sequence() < newest {
            return Err(format!("{} came after {newest}", frame.sequence()));
        }
        newest = frame.sequence();
        frames += 1;
    }
    Ok(frames)
}

/// A frame is let go of by another thread than the one that got it.
fn hand_over(worker: &mut Worker) -> Outcome {
    let frames = std::mem::take(&mut worker.held.frames);
    let (give, take) = mpsc::channel::<HeldFrame>();
    let checked = thread::scope(|scope| {
        let taker = scope.spawn(move || take.iter().map(|frame| frame.check().map(|_| 1)).sum::<Outcome<u64>>());
        for frame in frames {
            if give.send(frame).is_err() {
                break;
            }
        }
        drop(give);
        first([taker.join()])
    })?;
    worker.journal.add(Event::Frame, checked);
    Ok(())
}

/// Two threads over one handle exclude each other as two processes do.
fn use_one_array(worker: &mut Worker) -> Outcome {
    let Some(HeldField { field: at, handle }) = worker.held.fields.first() else { return Ok(()) };
    let salts = [worker.rng.u64(..), worker.rng.u64(..)];
    let read = thread::scope(|scope| {
        let threads = salts.map(|salt| scope.spawn(move || use_on(*at, handle, salt)));
        first(threads.map(thread::ScopedJoinHandle::join))
    })?;
    worker.journal.add(Event::Version, read);
    Ok(())
}

/// Reads some times; the count of one block is the next one's at least.
fn use_on(at: usize, handle: &FieldHandle, salt: u64) -> Outcome<u64> {
    let (mut newest, mut read) = (0, 0);
    for turn in 0..6 {
        let soon = Duration::from_millis(4);
        if (salt >> turn) & 1 == 0 && !handle.is_read_only() {
            match handle.write_timeout(soon) {
                Ok(guard) if guard.is_poisoned() => {}
                Ok(guard) => {
                    let words = guard.as_slice().ok_or("its items are not in order")?;
                    newest = versions(at, handle, 0, words)?.first().map_or(0, |(_, version)| version.count);
                }
                Err(Error::TimedOut { .. } | Error::WouldDeadlock { .. }) => {}
                Err(error) => return Err(format!("a thread: {error}")),
            }
            continue;
        }
        match handle.read_timeout(soon) {
            Ok(guard) => {
                let words = guard.as_slice().ok_or("its items are not in order")?;
                let now = versions(at, handle, 0, words)?.first().map_or(0, |(_, version)| version.count);
                if now < newest {
                    return Err(format!("version {now} came after {newest}"));
                }
                (newest, read) = (now, read + 1);
            }
            Err(Error::TimedOut { .. } | Error::Poisoned { .. } | Error::WouldDeadlock { .. }) => {}
            Err(error) => return Err(format!("a thread: {error}")),
        }
    }
    Ok(read)
}

/// Attaches of one process are participants of their own, each with a lock of its own.
fn attach_together(worker: &mut Worker) -> Outcome {
    let place = &worker.place;
    let attach = || -> Outcome<u64> {
        for _ in 0..5 {
            let reader = Reader::builder().directory(place).lossless().attach("calm");
            let mut reader = reader.map_err(|error| error.to_string())?;
            match reader.recv_timeout(Duration::from_micros(200)) {
                Ok(_) | Err(Error::TimedOut { .. } | Error::ProducerDied { .. }) => {}
                Err(error) => return Err(format!("a thread: {error}")),
            }
        }
        Ok(0)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(attach)).collect();
        first(threads.into_iter().map(thread::ScopedJoinHandle::join))
    })
    .map(drop)
}
