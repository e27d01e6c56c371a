//! The kinds of array: the one place of the command that tells them apart. A new kind is an arm in each `match` here.

use crate::failure::{Failure, Outcome};
use sharray::{
    AnyArray, AnyCell, AnyFrame, AnyGrowable, AnyMemmap, AnySubscriber, DType, Directory, Error, Info, Kind, Order,
};
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// What is larger than this many bytes is not copied to look at, and pictures of it are made of a sample.
pub(crate) const LARGE: usize = 256 << 20;

/// How a kind is spoken of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    /// The kind itself.
    pub(crate) kind: &'static str,
    /// Who changes it.
    pub(crate) writer: &'static str,
    /// Who else is there.
    pub(crate) other: &'static str,
    /// What one change of it is.
    pub(crate) change: &'static str,
    /// By how much the sequence grows with each.
    pub(crate) step: u32,
}

pub(crate) fn words(kind: Kind) -> Words {
    let words = |kind, writer, other, change, step| Words { kind, writer, other, change, step };
    match kind {
        Kind::InPlace => words("array", "writer", "reader", "write", 2),
        Kind::Cell => words("cell", "writer", "reader", "store", 1),
        Kind::Stream => words("stream", "producer", "reader", "frame", 1),
        Kind::Growable => words("table", "writer", "reader", "row", 1),
        Kind::Team => words("team", "member", "member", "round", 1),
        _ => words("other", "writer", "reader", "change", 1),
    }
}

/// How far it has come: of a table its rows, of all else its sequence.
pub(crate) fn sequence(info: &Info) -> u64 {
    match info.kind {
        Kind::Growable => info.shape.first().map_or(0, |rows| *rows as u64),
        _ => info.sequence,
    }
}

/// The bytes that it takes of its file system, which a table that can grow takes as it does.
pub(crate) fn size(info: &Info) -> u64 {
    info.path.metadata().map_or(info.file_len, |file| info.file_len.min(file.blocks() * 512))
}

/// How an array is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Looking on, which nobody notices: what is seen is copied.
    Look,
    /// Taking part, with leases.
    TakePart,
}

/// Something whose newest value can be read, and the next one waited for.
#[derive(Debug)]
pub(crate) enum Source {
    Stream(AnySubscriber),
    /// With the sequence that was seen last; and, to look at a large one, where its items are.
    Array(AnyArray, u64, Option<Place>),
    Cell(AnyCell, u64),
    /// With the rows that were seen. The next value of a table is the rows that are new, and its sequence is how many there are.
    Table(AnyGrowable, usize, Place),
}

/// Where items are in a file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    path: PathBuf,
    offset: u64,
}

impl Place {
    fn of(info: &Info) -> Self {
        Self { path: info.path.clone(), offset: info.data_offset }
    }

    /// The items where they are, of which nothing is read yet.
    fn map(&self, skipped: usize, dtype: &DType, shape: &[usize], order: Order) -> Result<Bytes, Error> {
        let builder = AnyMemmap::builder(&self.path).offset(self.offset + skipped as u64).order(order);
        builder.dtype(dtype.clone()).shape(shape).open().map(|map| Bytes::InPlace(Box::new(map)))
    }
}

/// One value of an array: a frame, a copy of what stands in place, what a cell holds.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) bytes: Bytes,
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    pub(crate) order: Order,
    pub(crate) sequence: u64,
    pub(crate) missed: u64,
    pub(crate) time: SystemTime,
}

/// The bytes of a value: in their slot, where others may write them, or our own.
#[derive(Debug)]
pub(crate) enum Bytes {
    Frame(AnyFrame),
    InPlace(Box<AnyMemmap>),
    Copy(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Frame(frame) => frame.bytes(),
            Self::InPlace(map) => map.bytes(),
            Self::Copy(bytes) => bytes,
        }
    }
}

impl Source {
    pub(crate) fn open(place: &Directory, info: &Info, access: Access) -> Outcome<Self> {
        let opened = match Self::attach(place, info, access) {
            // A file that nobody has used since the machine started has to be opened by somebody who may write.
            Err(Error::NeedsRecovery { .. }) => Self::attach(place, info, Access::TakePart)?,
            opened => opened?,
        };
        let no_values = || {
            format!(
                "array {:?} is {}, which has no values to read; `sharray info` tells about it",
                info.name, info.kind
            )
        };
        opened.ok_or_else(|| Failure::new(no_values()))
    }

    /// `None` for a kind without values: attaching to a team would take the place of one of its ranks.
    fn attach(place: &Directory, info: &Info, access: Access) -> Result<Option<Self>, Error> {
        let name = &info.name;
        let looks = access == Access::Look;
        Ok(Some(match info.kind {
            Kind::Stream => {
                let builder = AnySubscriber::builder().directory(place);
                Self::Stream(if looks { builder.read_only() } else { builder }.attach(name)?)
            }
            Kind::Cell => {
                let builder = AnyCell::builder().directory(place);
                let cell = if looks { builder.read_only() } else { builder }.attach(name)?;
                let seen = cell.sequence();
                Self::Cell(cell, seen)
            }
            Kind::Growable => {
                let builder = AnyGrowable::builder().directory(place);
                let table = if looks { builder.read_only() } else { builder }.attach(name)?;
                let seen = table.len();
                Self::Table(table, seen, Place::of(info))
            }
            Kind::InPlace => {
                let builder = AnyArray::builder().directory(place);
                let array = if looks { builder.read_only() } else { builder }.attach(name)?;
                let (seen, is_large) = (array.sequence(), looks && array.size_bytes() > LARGE);
                if let (true, Some(&block)) = (is_large, info.poisoned.first()) {
                    return Err(Error::Poisoned { name: name.clone(), block });
                }
                Self::Array(array, seen, is_large.then(|| Place::of(info)))
            }
            _ => return Ok(None),
        }))
    }

    /// The newest value; `None` for a stream without one. Waits at most `timeout` for whoever writes in place.
    pub(crate) fn newest(&mut self, timeout: Duration) -> Result<Option<Value>, Error> {
        match self {
            Self::Stream(subscriber) => Ok(subscriber.latest()?.map(of_frame)),
            Self::Array(array, seen, None) => copy_array(array, seen, timeout).map(Some),
            Self::Array(array, seen, Some(place)) => map_array(array, seen, place).map(Some),
            Self::Cell(cell, seen) => copy_cell(cell, seen).map(Some),
            Self::Table(table, seen, place) => rows(table, seen, 0, place).map(Some),
        }
    }

    /// The value after the one that was read last; `None` at the end of a stream, or of a table that is full.
    ///
    /// # Errors
    /// `TimedOut`, if nothing came in time.
    pub(crate) fn next(&mut self, timeout: Duration) -> Result<Option<Value>, Error> {
        match self {
            Self::Stream(subscriber) => Ok(subscriber.recv_timeout(timeout)?.map(of_frame)),
            Self::Array(array, seen, _) => {
                array.wait_changed(*seen, timeout)?;
                self.newest(timeout)
            }
            Self::Cell(cell, seen) => {
                cell.wait_changed(*seen, timeout)?;
                copy_cell(cell, seen).map(Some)
            }
            Self::Table(table, seen, _) if *seen == table.max_len() => Ok(None),
            Self::Table(table, seen, place) => {
                let first = *seen;
                table.wait_len(first + 1, timeout)?;
                rows(table, seen, first, place).map(Some)
            }
        }
    }
}

fn of_frame(frame: AnyFrame) -> Value {
    Value {
        dtype: frame.dtype().clone(),
        shape: frame.shape().to_vec(),
        order: frame.order(),
        sequence: frame.sequence(),
        missed: frame.missed(),
        time: frame.time(),
        bytes: Bytes::Frame(frame),
    }
}

fn copy_array(array: &AnyArray, seen: &mut u64, timeout: Duration) -> Result<Value, Error> {
    let before = array.sequence();
    let mut bytes = room(array.size_bytes(), array.name())?;
    array.read_into_timeout(&mut bytes, timeout)?;
    Ok(value_of(array, seen, before, Bytes::Copy(bytes)))
}

/// An array that is not copied: whoever looks at it may see it being written.
fn map_array(array: &AnyArray, seen: &mut u64, place: &Place) -> Result<Value, Error> {
    let before = array.sequence();
    array.check_whole()?;
    let bytes = place.map(0, array.dtype(), array.shape(), array.order())?;
    Ok(value_of(array, seen, before, bytes))
}

fn value_of(array: &AnyArray, seen: &mut u64, before: u64, bytes: Bytes) -> Value {
    // What was written since is newer than the copy, or is in it: either way the next wait ends at once.
    let missed = missed(*seen, before, 2);
    *seen = before & !1;
    Value {
        bytes,
        dtype: array.dtype().clone(),
        shape: array.shape().to_vec(),
        order: array.order(),
        sequence: before,
        missed,
        time: SystemTime::now(),
    }
}

fn copy_cell(cell: &AnyCell, seen: &mut u64) -> Result<Value, Error> {
    let before = cell.sequence();
    let mut bytes = room(cell.size_bytes(), cell.name())?;
    cell.load_into(&mut bytes)?;
    let missed = missed(*seen, before, 1);
    *seen = before;
    Ok(Value {
        bytes: Bytes::Copy(bytes),
        dtype: cell.dtype().clone(),
        shape: cell.shape().to_vec(),
        order: cell.order(),
        sequence: before,
        missed,
        time: SystemTime::now(),
    })
}

/// The rows from `first` on that are there. They never change: many of them are not copied.
fn rows(table: &AnyGrowable, seen: &mut usize, first: usize, place: &Place) -> Result<Value, Error> {
    let len = table.len();
    let shape = [&[len - first], table.row_shape()].concat();
    let rows = table.bytes(first..len)?;
    let bytes = if rows.len() > LARGE {
        place.map(first * table.row_bytes(), table.dtype(), &shape, Order::C)?
    } else {
        let mut bytes = room(rows.len(), table.name())?;
        bytes.copy_from_slice(rows);
        Bytes::Copy(bytes)
    };
    table.check_whole()?;
    *seen = len;
    Ok(Value {
        bytes,
        dtype: table.dtype().clone(),
        shape,
        order: Order::C,
        sequence: len as u64,
        missed: 0,
        time: SystemTime::now(),
    })
}

/// Memory for a copy. A file may say that it holds more than there is.
fn room(len: usize, name: &str) -> Result<Vec<u8>, Error> {
    let no_memory =
        |()| Error::Io { action: "copy", path: name.into(), source: std::io::ErrorKind::OutOfMemory.into() };
    bytemuck::allocation::try_zeroed_vec(len).map_err(no_memory)
}

/// How many changes came between two that were seen.
fn missed(seen: u64, now: u64, step: u64) -> u64 {
    (now.saturating_sub(seen) / step).saturating_sub(1)
}
