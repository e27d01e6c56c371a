//! Names: unlinking, listing and collecting while others create and attach.

use super::{Operation, operation};
use crate::Outcome;
use crate::arrays::{STREAMS, Stream, fleeting};
use crate::errors::Kind;
use crate::journal::Event;
use crate::worker::Worker;
use sharray::Info;

pub(super) const OPERATIONS: &[Operation] = &[
    operation("names: unlink", 25, 0, unlink),
    operation("names: list", 8, 0, list),
    operation("names: inspect", 20, 0, inspect),
    operation("names: collect garbage", 6, 0, collect),
];

fn unlink(worker: &mut Worker) -> Outcome {
    let fleeting = fleeting();
    let name = STREAMS[fleeting[worker.rng.usize(..fleeting.len())]].name;
    worker.journal.note(format_args!("{name}"));
    let unlinked = worker.place.unlink(name);
    worker.journal.allow(unlinked, &[Kind::NotFound]).map(drop)
}

/// What lasts is always there, and nothing is there that nobody made.
fn list(worker: &mut Worker) -> Outcome {
    let Some(found) = worker.journal.allow(worker.place.list(), &[])? else { return Ok(()) };
    for (at, stream) in STREAMS.iter().enumerate().filter(|(_, stream)| stream.is_lasting) {
        let info = found.iter().find(|info| info.name == stream.name);
        look(worker, at, info.ok_or_else(|| format!("{} is not listed", stream.name))?)?;
    }
    let stranger = found.iter().find(|info| !STREAMS.iter().any(|stream| stream.name == info.name));
    stranger.map_or(Ok(()), |info| Err(format!("{} is listed, which nobody made", info.name)))
}

fn inspect(worker: &mut Worker) -> Outcome {
    let at = worker.rng.usize(..STREAMS.len());
    let stream = &STREAMS[at];
    worker.journal.note(format_args!("{}", stream.name));
    let kinds: &[Kind] = if stream.is_lasting { &[] } else { &[Kind::NotFound] };
    let Some(info) = worker.journal.allow(worker.place.inspect(stream.name), kinds)? else { return Ok(()) };
    look(worker, at, &info)
}

/// What can be told of a stream from outside, whatever goes on with it.
fn look(worker: &mut Worker, at: usize, info: &Info) -> Outcome {
    let stream: &Stream = &STREAMS[at];
    let told = |what: &str| Err(format!("{}: {what}: {info:?}", stream.name));
    if info.shape != [stream.words] || info.slots != stream.slots || info.history != stream.history {
        return told("it is another array");
    }
    if info.participants.len() > stream.participants as usize {
        return told("it has more participants than it has room for");
    }
    let dead = info.participants.iter().filter(|participant| !participant.is_alive).count();
    worker.journal.add(Event::DeadRecord, dead as u64);
    if stream.is_lasting && info.is_retired {
        return told("it was retired");
    }
    if stream.is_lasting && info.sequence < worker.journal.mark(at) {
        return told(&format!("frame {} was seen", worker.journal.mark(at)));
    }
    Ok(())
}

/// Never takes what somebody has attached: the supervisor has all that lasts.
fn collect(worker: &mut Worker) -> Outcome {
    let Some(gone) = worker.journal.allow(worker.place.collect_garbage(), &[])? else { return Ok(()) };
    worker.journal.note(format_args!("{gone:?}"));
    let lasting = STREAMS.iter().find(|stream| stream.is_lasting && gone.iter().any(|name| name == stream.name));
    lasting.map_or(Ok(()), |stream| Err(format!("{} was collected", stream.name)))
}
