//! What a worker holds from one operation to the next, and what it must see through it.

use crate::Outcome;
use crate::arrays::{CellHandle, FieldHandle, Picture, Reader, STREAMS, TableHandle, Writer};
use crate::payload;

/// The most of each that a worker holds.
const MOST_SUBSCRIBERS: usize = 6;
const MOST_FRAMES: usize = 4;
const MOST_OTHERS: usize = 4;

/// All that a worker holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) publishers: Vec<HeldPublisher>,
    pub(crate) subscribers: Vec<HeldSubscriber>,
    pub(crate) frames: Vec<HeldFrame>,
    pub(crate) fields: Vec<HeldField>,
    pub(crate) cells: Vec<HeldCell>,
    pub(crate) tables: Vec<HeldTable>,
}

/// An array in place.
#[derive(Debug)]
pub(crate) struct HeldField {
    pub(crate) field: usize,
    pub(crate) handle: FieldHandle,
}

/// A cell.
#[derive(Debug)]
pub(crate) struct HeldCell {
    pub(crate) cell: usize,
    pub(crate) handle: CellHandle,
}

/// A table.
#[derive(Debug)]
pub(crate) struct HeldTable {
    pub(crate) table: usize,
    pub(crate) handle: TableHandle,
}

/// Keeps one more; lets go of another if there are too many.
pub(crate) fn keep<T>(held: &mut Vec<T>, new: T, rng: &mut fastrand::Rng) {
    if held.len() >= MOST_OTHERS {
        held.swap_remove(rng.usize(..held.len()));
    }
    held.push(new);
}

impl Held {
    /// Keeps a subscriber; lets go of another if there are too many.
    pub(crate) fn keep_subscriber(&mut self, subscriber: HeldSubscriber, rng: &mut fastrand::Rng) {
        if self.subscribers.len() >= MOST_SUBSCRIBERS {
            self.subscribers.swap_remove(rng.usize(..self.subscribers.len()));
        }
        self.subscribers.push(subscriber);
    }

    /// Keeps a frame; lets go of another if there are too many.
    pub(crate) fn keep_frame(&mut self, frame: HeldFrame, rng: &mut fastrand::Rng) {
        if self.frames.len() >= MOST_FRAMES {
            self.frames.swap_remove(rng.usize(..self.frames.len()));
        }
        self.frames.push(frame);
    }
}

/// The producer's role of a stream.
#[derive(Debug)]
pub(crate) struct HeldPublisher {
    pub(crate) stream: usize,
    pub(crate) handle: Writer,
    /// What it published last, or found.
    pub(crate) newest: u64,
}

/// How a subscriber reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Lossy,
    Lossless,
    /// Attached read-only: copies.
    Onlooker,
}

/// A subscriber, and what it must receive next.
#[derive(Debug)]
pub(crate) struct HeldSubscriber {
    pub(crate) stream: usize,
    pub(crate) handle: Reader,
    pub(crate) reading: Reading,
    place: Place,
}

/// The last sequence that was received or counted as missed.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Nothing was received yet: it began between two sequences.
    Between(u64, u64),
    At(u64),
}

impl HeldSubscriber {
    /// One that has just attached, when the newest sequence was between these two.
    pub(crate) fn new(stream: usize, handle: Reader, reading: Reading, newest: (u64, u64)) -> Self {
        Self { stream, handle, reading, place: Place::Between(newest.0, newest.1) }
    }

    /// Received and missed make all, and nothing comes twice.
    pub(crate) fn account(&mut self, sequence: u64, missed: u64) -> Outcome {
        let before = sequence.checked_sub(missed + 1).ok_or_else(|| format!("{missed} missed before {sequence}"))?;
        let is_right = match self.place {
            Place::Between(least, most) => (least..=most).contains(&before),
            Place::At(at) => at == before,
        };
        if !is_right {
            return Err(format!("received {sequence}, missed {missed}, expected to go on after {:?}", self.place));
        }
        if self.reading == Reading::Lossless && missed > 0 {
            return Err(format!("a lossless subscriber was not told that it lost {missed} before {sequence}"));
        }
        self.place = Place::At(sequence);
        Ok(())
    }

    /// A lossless subscriber was told that it lost some.
    pub(crate) fn lag(&mut self, lost: u64) -> Outcome {
        if lost == 0 {
            return Err("it is told that it lost nothing".to_owned());
        }
        self.place = match self.place {
            Place::Between(least, most) => Place::Between(least + lost, most + lost),
            Place::At(at) => Place::At(at + lost),
        };
        Ok(())
    }
}

/// A frame that stays as it is.
#[derive(Debug)]
pub(crate) struct HeldFrame {
    pub(crate) stream: usize,
    pub(crate) frame: Picture,
}

impl HeldFrame {
    /// Fails unless it is whole: one version of this stream, with the length and the tags of that version.
    pub(crate) fn check(&self) -> Outcome<u64> {
        check_frame(self.stream, &self.frame)
    }
}

/// Fails unless the frame is whole. Says which version it is.
pub(crate) fn check_frame(stream: usize, frame: &Picture) -> Outcome<u64> {
    check_parts(stream, frame.sequence(), frame.tags(), frame.as_slice())
}

/// The same for a frame in parts.
pub(crate) fn check_parts(stream: usize, sequence: u64, tags: [u64; 2], words: &[u64]) -> Outcome<u64> {
    let told = |trouble| format!("{}, frame {sequence}: {trouble}", STREAMS[stream].name);
    let [mut salt, proof] = tags;
    let key = STREAMS[stream].key().part(sequence);
    if tags == [0, 0] && sequence == 1 && !STREAMS[stream].is_lasting {
        salt = payload::FIRST;
    } else if proof != key.word(salt, usize::MAX) {
        return Err(told(format!("torn: its tags are {tags:#x?}")));
    }
    let len = payload::len(salt, STREAMS[stream].words);
    if words.len() != len {
        return Err(told(format!("torn: it has {} words, expected {len}", words.len())));
    }
    key.check(words, salt).map_err(told)?;
    Ok(salt)
}
