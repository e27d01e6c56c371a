//! The last look: after all workers are gone, one attach puts everything right, and nothing is left of the dead.

use super::in_place::{self, meet_nobody};
use super::place::Place;
use super::totals::Totals;
use crate::Outcome;
use crate::arrays::{Picture, Reader, STREAMS, Stream, Writer};
use crate::namespace::again;
use crate::options::Duty;
use crate::payload;
use crate::worker::check_frame;
use sharray::{Directory, Error};
use std::path::Path;

/// Looks at everything, and removes it.
pub(crate) fn look(place: &mut Place, totals: &mut Totals) -> Outcome {
    let keepers = std::mem::take(&mut place.keepers);
    drop(keepers);
    for (at, stream) in STREAMS.iter().enumerate().filter(|(_, stream)| stream.is_lasting) {
        let seen = totals.marks.get(at).copied().unwrap_or(0);
        Last { at, stream, place: &place.directory }.look(seen).map_err(|trouble| format!("at the end, {trouble}"))?;
        totals.arrays += 1;
    }
    let directory = &place.directory;
    totals.arrays += in_place::look(directory, &totals.marks).map_err(|trouble| format!("at the end, {trouble}"))?;
    for info in directory.list().map_err(|error| format!("at the end: {error}"))? {
        directory.unlink(&info.name).map_err(|error| format!("at the end: {error}"))?;
    }
    sweep(place).map_err(|error| format!("at the end, collecting the garbage: {error}"))?;
    let left = leftovers(place.directory.path()).map_err(|error| format!("at the end: {error}"))?;
    if left.is_empty() { Ok(()) } else { Err(format!("at the end there are {left:?}")) }
}

/// Collects the garbage in a process whose default place this is: only there are empty folders removed.
fn sweep(place: &Place) -> Outcome {
    let duty = Duty { folder: place.arrays(), journal: place.journal(0), seed: 0, sabotage: None };
    let output = again("sweep", &duty)?.env("SHARRAY_DIR", place.arrays()).output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Whatever is in a folder: files, and folders too.
fn leftovers(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        found.push(entry.path().display().to_string());
        if entry.file_type()?.is_dir() {
            found.extend(leftovers(&entry.path())?);
        }
    }
    Ok(found)
}

/// A stream after the end.
struct Last<'p> {
    at: usize,
    stream: &'p Stream,
    place: &'p Directory,
}

impl Last<'_> {
    fn look(&self, seen: u64) -> Outcome {
        let name = self.stream.name;
        let told = |error: Error| format!("{name}: {error}");
        let mut writer = self.stream.writer(self.place).attach(name).map_err(told)?;
        if writer.sequence() < seen {
            return Err(format!("{name} goes on after {}, but {seen} was seen", writer.sequence()));
        }
        let reader = self.attach()?;
        self.use_all_slots(&mut writer, &reader)?;
        meet_nobody(self.place, name, 2)?;
        self.use_all_records()?;
        drop((writer, reader));
        meet_nobody(self.place, name, 0)?;
        self.place.unlink(name).map_err(told)
    }

    fn attach(&self) -> Outcome<Reader> {
        let attached = Stream::reader(self.place).attach(self.stream.name);
        attached.map_err(|error| format!("{}: {error}", self.stream.name))
    }

    fn publish(&self, writer: &mut Writer) -> Outcome {
        let name = self.stream.name;
        let mut loan = writer.try_loan().map_err(|error| format!("{name}: {error}"))?;
        let key = self.stream.key().part(loan.sequence());
        let salt = payload::FIRST;
        loan.set_tags([salt, key.word(salt, usize::MAX)]);
        key.fill(loan.as_mut_slice(), salt);
        loan.publish();
        Ok(())
    }

    /// With as many frames held as there are slots to spare the publisher never has to wait; with one more it must. One
    /// slot is kept for what is committed, and none for the commits of the dead.
    fn use_all_slots(&self, writer: &mut Writer, reader: &Reader) -> Outcome {
        let committed = writer.commit().map_err(|error| format!("{}: {error}", self.stream.name))?;
        let spare = self.stream.slots - self.stream.history - u32::from(committed > 0);
        let mut held = Vec::new();
        let mut readers = Vec::new();
        for _ in 0..spare {
            self.publish(writer)?;
            // One subscriber holds no more than eight.
            if held.len() % 8 == 0 {
                readers.push(self.attach()?);
            }
            held.push(self.newest(readers.last().unwrap_or(reader))?);
        }
        for _ in 0..2 * self.stream.slots {
            self.publish(writer)?;
        }
        let one_more = self.newest(reader)?;
        for _ in 1..self.stream.history {
            self.publish(writer)?;
        }
        let full = writer.try_loan().map(drop);
        if !matches!(full, Err(Error::NoFreeSlot { .. })) {
            return Err(format!("{}: all slots are held, and a loan answers {full:?}", self.stream.name));
        }
        held.iter().chain([&one_more]).try_for_each(|frame| check_frame(self.at, frame).map(drop))
    }

    fn newest(&self, reader: &Reader) -> Outcome<Picture> {
        let newest = reader.latest().map_err(|error| format!("{}: {error}", self.stream.name))?;
        newest.ok_or_else(|| format!("{} has no newest frame", self.stream.name))
    }

    /// As many can attach as the table has room for.
    fn use_all_records(&self) -> Outcome {
        let mut all = Vec::new();
        for _ in 2..self.stream.participants {
            all.push(self.attach()?);
        }
        match Stream::reader(self.place).attach(self.stream.name).map(drop) {
            Err(Error::TooManyParticipants { .. }) => Ok(()),
            other => Err(format!("{}: the table is full, and attaching answers {other:?}", self.stream.name)),
        }
    }
}
