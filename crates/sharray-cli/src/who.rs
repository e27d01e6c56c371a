//! Who takes part in an array, in a few words.

use crate::kinds;
use crate::text;
use serde_json::{Value, json};
use sharray::{Info, ParticipantInfo};

/// How many of whom, as `ls` and `top` count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) writers: usize,
    pub(crate) readers: usize,
    pub(crate) pins: usize,
    pub(crate) dead: usize,
    /// How far the slowest of those is behind that the producer waits for.
    pub(crate) lag: u64,
}

impl Counts {
    pub(crate) fn of(info: &Info) -> Self {
        let mut counts = Self::default();
        for one in &info.participants {
            match (one.is_alive, one.is_producer || one.writes > 0) {
                (false, _) => counts.dead += 1,
                (true, true) => counts.writers += 1,
                (true, false) => counts.readers += 1,
            }
            counts.pins += one.pins + one.holds;
            counts.lag = counts.lag.max(one.behind);
        }
        counts
    }
}

/// Who is here, as one cell of a table.
pub(crate) fn summary(info: &Info) -> String {
    let (counts, words) = (Counts::of(info), kinds::words(info.kind));
    let writer = info.participants.iter().find(|one| one.is_alive && (one.is_producer || one.writes > 0));
    let mut parts = Vec::new();
    if let Some(writer) = writer {
        parts.push(format!("{} {}", words.writer, writer.pid));
    }
    if counts.readers > 0 {
        parts.push(text::count(counts.readers, words.other));
    }
    if counts.pins > 0 {
        parts.push(text::count(counts.pins, "pin"));
    }
    if counts.dead > 0 {
        parts.push(format!("{} dead", counts.dead));
    }
    if !info.poisoned.is_empty() {
        parts.push(format!("{} poisoned", info.poisoned.len()));
    }
    let states = [(info.is_closed, "closed"), (info.is_broken, "broken")];
    parts.extend(states.iter().filter(|(is_so, _)| *is_so).map(|(_, state)| (*state).to_owned()));
    if parts.is_empty() { "nobody".to_owned() } else { parts.join(", ") }
}

/// What one participant does.
pub(crate) fn role(one: &ParticipantInfo, info: &Info) -> String {
    let mut parts: Vec<String> = one.rank.map(|rank| format!("rank {rank}")).into_iter().collect();
    if one.is_producer {
        parts.push("producer".to_owned());
    }
    if one.is_lossless {
        parts.push("lossless".to_owned());
    }
    if one.writes > 0 {
        parts.push(kinds::words(info.kind).writer.to_owned());
    }
    if one.pins > 0 {
        parts.push(text::count(one.pins, "pin"));
    }
    if one.holds > 0 {
        parts.push("reads".to_owned());
    }
    if one.behind > 0 {
        parts.push(format!("{} behind", one.behind));
    }
    if parts.is_empty() { "attached".to_owned() } else { parts.join(", ") }
}

pub(crate) fn json(participants: &[ParticipantInfo]) -> Value {
    let one = |one: &ParticipantInfo| {
        json!({
            "pid": one.pid,
            "rank": one.rank,
            "is_alive": one.is_alive,
            "is_producer": one.is_producer,
            "is_lossless": one.is_lossless,
            "behind": one.behind,
            "pins": one.pins,
            "holds": one.holds,
            "writes": one.writes,
        })
    };
    participants.iter().map(one).collect()
}
