//! Names: unlinking, listing and collecting while others create and attach.

use super::{Operation, operation};
use crate::Outcome;
use crate::arrays::{FIELDS, STREAMS, Stream, TABLES, names};
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
    let fleeting: Vec<&str> = names().filter(|(_, is_lasting)| !is_lasting).map(|(name, _)| name).collect();
    let name = fleeting[worker.rng.usize(..fleeting.len())];
    worker.journal.note(format_args!("{name}"));
    let unlinked = worker.place.unlink(name);
    worker.journal.allow(unlinked, &[Kind::NotFound]).map(drop)
}

/// What lasts is always there, and nothing is there that nobody made.
fn list(worker: &mut Worker) -> Outcome {
    let Some(found) = worker.journal.allow(worker.place.list(), &[])? else { return Ok(()) };
    for (name, _) in names().filter(|(_, is_lasting)| *is_lasting) {
        let info = found.iter().find(|info| info.name == name);
        look(worker, info.ok_or_else(|| format!("{name} is not listed"))?)?;
    }
    let stranger = found.iter().find(|info| !names().any(|(name, _)| name == info.name));
    stranger.map_or(Ok(()), |info| Err(format!("{} is listed, which nobody made", info.name)))
}

fn inspect(worker: &mut Worker) -> Outcome {
    let all: Vec<(&str, bool)> = names().collect();
    let (name, is_lasting) = all[worker.rng.usize(..all.len())];
    worker.journal.note(format_args!("{name}"));
    let kinds: &[Kind] = if is_lasting { &[] } else { &[Kind::NotFound] };
    let Some(info) = worker.journal.allow(worker.place.inspect(name), kinds)? else { return Ok(()) };
    look(worker, &info)
}

/// What can be told of an array from outside, whatever goes on with it.
fn look(worker: &mut Worker, info: &Info) -> Outcome {
    let told = |what: &str| Err(format!("{}: {what}: {info:?}", info.name));
    let dead = info.participants.iter().filter(|participant| !participant.is_alive).count();
    worker.journal.add(Event::DeadRecord, dead as u64);
    if info.is_retired && names().any(|(name, is_lasting)| name == info.name && is_lasting) {
        return told("it was retired");
    }
    if let Some(at) = STREAMS.iter().position(|stream| stream.name == info.name) {
        return look_at_stream(worker, at, info);
    }
    if let Some(table) = TABLES.iter().find(|table| table.name == info.name) {
        let is_right = info.shape[1..] == [table.words] && info.max_len == Some(table.max_len);
        let durable_is_there = info.committed <= info.shape[0] as u64;
        return if is_right && durable_is_there { Ok(()) } else { told("it is another table") };
    }
    let field = FIELDS.iter().find(|field| field.name == info.name);
    let is_right = match field {
        Some(field) => info.kind == sharray::Kind::InPlace && info.shape == field.shape,
        None => info.kind == sharray::Kind::Cell && info.shape == [16],
    };
    if is_right { Ok(()) } else { told("it is another array") }
}

fn look_at_stream(worker: &mut Worker, at: usize, info: &Info) -> Outcome {
    let stream: &Stream = &STREAMS[at];
    let told = |what: &str| Err(format!("{}: {what}: {info:?}", stream.name));
    if info.shape != [stream.words] || info.slots != stream.slots || info.history != stream.history {
        return told("it is another array");
    }
    if info.participants.len() > stream.participants as usize {
        return told("it has more participants than it has room for");
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
    let lasting = names().find(|(name, is_lasting)| *is_lasting && gone.iter().any(|gone| gone == name));
    lasting.map_or(Ok(()), |(name, _)| Err(format!("{name} was collected")))
}
