//! What a worker leaves behind when it is killed: what it did last, how often it did what, and what it knows.
//!
//! A journal is a file that the worker writes and the supervisor reads. A write that lies within one page is done or
//! not when the writer is killed, so nothing here is ever half a number.
//!
//! | page | has |
//! |---|---|
//! | 0 | words: the operation in progress, counts, marks |
//! | 1 | text: what went wrong |
//! | 2.. | text: the last operations, a line of 128 bytes each, in turn |

use crate::Outcome;
use crate::errors::Kind;
use sharray::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

const PAGE: usize = 4096;
const WORDS: usize = PAGE / 8;
const LINE: usize = 128;
const LINES: u64 = 128;

/// Where the words of page 0 stand: how many operations were begun, which one is in progress (counted from one), within
/// how many steps it will die.
const NUMBER: usize = 0;
const OPERATION: usize = 1;
const ARMED: usize = 2;
/// Counts of operations, of errors by kind, of events; and the newest sequence that was seen of each array.
const OPERATIONS: Table = Table { first: 16, len: 96 };
const ERRORS: Table = Table { first: 112, len: 48 };
const EVENTS: Table = Table { first: 160, len: 32 };
const MARKS: Table = Table { first: 192, len: 96 };

/// A run of words.
#[derive(Clone, Copy, Debug)]
struct Table {
    first: usize,
    len: usize,
}

impl Table {
    fn of(self, page: &[u64; WORDS]) -> &[u64] {
        &page[self.first..self.first + self.len]
    }

    fn at(self, index: usize) -> usize {
        self.first + index.min(self.len - 1)
    }
}

/// Things that happen to a worker and are worth counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Fork,
    ForkKilled,
    TakeOver,
    Eviction,
    Death,
    DeadRecord,
    Missed,
    Frame,
    Quiet,
    Version,
    Row,
    Poison,
    Repair,
    Broken,
    Pause,
}

impl Event {
    /// What they are called in the totals, in order.
    pub(crate) const NAMES: &[&str] = &[
        "forked children",
        "forked children killed at a step",
        "streams taken over",
        "evictions told to a lossless subscriber",
        "deaths of a producer told to a subscriber",
        "records of the dead seen from outside",
        "frames missed and counted",
        "frames checked",
        "quiet points without a leak",
        "versions of arrays in place and of cells checked",
        "rows of tables checked",
        "poisons met",
        "poisons repaired",
        "arrays poisoned by a panic",
        "sleeps between two steps",
    ];
}

/// The worker's side.
#[derive(Debug)]
pub(crate) struct Journal {
    /// `None` in a forked child: the counts are its parent's.
    counts: Option<File>,
    failures: File,
    page: [u64; WORDS],
    line: String,
    started: Instant,
}

impl Journal {
    pub(crate) fn create(path: &Path) -> Outcome<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path);
        let file = file.map_err(|error| format!("cannot create {}: {error}", path.display()))?;
        let failures = file.try_clone().map_err(|error| format!("cannot share a descriptor: {error}"))?;
        Ok(Self { counts: Some(file), failures, page: [0; WORDS], line: String::new(), started: Instant::now() })
    }

    /// Becomes that of a forked child: it says what goes wrong, and nothing else.
    pub(crate) fn fall_silent(&mut self) {
        self.counts = None;
    }

    /// Says that an operation begins.
    pub(crate) fn begin(&mut self, operation: usize, name: &str, armed: u64) {
        self.page[NUMBER] += 1;
        self.page[OPERATION] = operation as u64 + 1;
        self.page[ARMED] = armed;
        self.line = format!("{:>7} {:>9} us {name}", self.page[NUMBER], self.started.elapsed().as_micros());
        if armed > 0 {
            self.note(format_args!("(dies within {armed} steps)"));
        }
        self.write();
    }

    /// Adds to the line of the operation in progress.
    pub(crate) fn note(&mut self, words: std::fmt::Arguments<'_>) {
        use std::fmt::Write as _;
        _ = write!(self.line, " {words}");
    }

    /// Says that it is done.
    pub(crate) fn end(&mut self, operation: usize) {
        self.page[OPERATIONS.at(operation)] += 1;
        self.page[OPERATION] = 0;
        self.page[ARMED] = 0;
        self.note(format_args!("- done at {} us", self.started.elapsed().as_micros()));
        self.write();
    }

    /// Says what went wrong. The first to say it is believed.
    pub(crate) fn fail(&mut self, trouble: &str) {
        let mut before = [0];
        if self.failures.read_at(&mut before, PAGE as u64).unwrap_or(0) == 0 || before[0] == 0 {
            let text = &trouble.as_bytes()[..trouble.len().min(PAGE - 1)];
            _ = self.failures.write_all_at(text, PAGE as u64);
        }
        self.note(format_args!("- {trouble}"));
        self.write();
    }

    pub(crate) fn count(&mut self, event: Event) {
        self.add(event, 1);
    }

    pub(crate) fn add(&mut self, event: Event, times: u64) {
        self.page[EVENTS.at(event as usize)] += times;
    }

    /// Passes on what a call gave. Errors of these kinds are counted and noted; any other is trouble.
    pub(crate) fn allow<T>(&mut self, result: sharray::Result<T>, kinds: &[Kind]) -> Outcome<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) => self.forgive(&error, kinds).map(|()| None),
        }
    }

    /// Counts an error of one of these kinds; any other is trouble.
    pub(crate) fn forgive(&mut self, error: &Error, kinds: &[Kind]) -> Outcome {
        let kind = Kind::of(error);
        if !kinds.contains(&kind) {
            return Err(format!("unexpected {kind:?}: {error}"));
        }
        self.page[ERRORS.at(kind as usize)] += 1;
        self.note(format_args!("{kind:?}"));
        Ok(())
    }

    /// The newest sequence that this worker has seen of an array.
    pub(crate) fn mark(&self, array: usize) -> u64 {
        self.page[MARKS.at(array)]
    }

    /// Remembers that a sequence was seen.
    pub(crate) fn raise_mark(&mut self, array: usize, sequence: u64) {
        let mark = &mut self.page[MARKS.at(array)];
        *mark = sequence.max(*mark);
    }

    fn write(&self) {
        let Some(file) = &self.counts else { return };
        let bytes: Vec<u8> = self.page.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut line = [b' '; LINE];
        for (to, from) in line.iter_mut().zip(self.line.bytes()) {
            *to = from;
        }
        let at = 2 * PAGE as u64 + (self.page[NUMBER] % LINES) * LINE as u64;
        // A journal that cannot be written shows as a worker without progress.
        _ = file.write_all_at(&line, at).and_then(|()| file.write_all_at(&bytes, 0));
    }
}

/// The supervisor's side: what stands in a journal.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    page: [u64; WORDS],
}

impl Reading {
    /// Reads page 0; all zeros where the worker has not written yet.
    pub(crate) fn of(file: &File) -> Self {
        let mut bytes = [0; PAGE];
        let mut page = [0; WORDS];
        if file.read_exact_at(&mut bytes, 0).is_ok() {
            for (word, bytes) in page.iter_mut().zip(bytes.chunks_exact(8)) {
                *word = bytes.try_into().map_or(0, u64::from_le_bytes);
            }
        }
        Self { page }
    }

    /// How many operations were begun.
    pub(crate) fn number(&self) -> u64 {
        self.page[NUMBER]
    }

    /// The operation in progress, by its position in the table.
    pub(crate) fn operation(&self) -> Option<usize> {
        self.page[OPERATION].checked_sub(1).map(|index| index as usize)
    }

    /// Whether the worker was to die in this operation.
    pub(crate) fn is_armed(&self) -> bool {
        self.page[ARMED] != 0
    }

    pub(crate) fn operations(&self) -> &[u64] {
        OPERATIONS.of(&self.page)
    }

    pub(crate) fn errors(&self) -> &[u64] {
        ERRORS.of(&self.page)
    }

    pub(crate) fn events(&self) -> &[u64] {
        EVENTS.of(&self.page)
    }

    pub(crate) fn marks(&self) -> &[u64] {
        MARKS.of(&self.page)
    }
}

/// What the worker says went wrong, if anything did.
pub(crate) fn failure(file: &File) -> Option<String> {
    let mut bytes = vec![0; PAGE];
    let len = file.read_at(&mut bytes, PAGE as u64).ok()?;
    let text = bytes[..len].split(|byte| *byte == 0).next()?;
    (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
}

/// The last operations, oldest first.
pub(crate) fn history(file: &File) -> Vec<String> {
    let last = Reading::of(file).number();
    let mut lines = Vec::new();
    for number in (last + 1).saturating_sub(LINES).max(1)..=last {
        let mut line = [0; LINE];
        if file.read_exact_at(&mut line, 2 * PAGE as u64 + (number % LINES) * LINE as u64).is_ok() {
            lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
    }
    lines
}
