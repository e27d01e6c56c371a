//! The kinds of array: the one place of the command that tells them apart. A new kind is an arm in each `match` here.

use crate::failure::{Failure, Outcome};
use sharray::{AnyArray, AnyCell, AnyFrame, AnyGrowable, AnySubscriber, DType, Directory, Error, Info, Kind, Order};
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

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
    /// With the sequence that was seen last.
    Array(AnyArray, u64),
    Cell(AnyCell, u64),
    /// With the rows that were seen. The next value of a table is the rows that are new, and its sequence is how many there are.
    Table(AnyGrowable, usize),
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

/// The bytes of a value: in their slot, or our own.
#[derive(Debug)]
pub(crate) enum Bytes {
    Frame(AnyFrame),
    Copy(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Frame(frame) => frame.bytes(),
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
                Self::Table(table, seen)
            }
            Kind::InPlace => {
                let builder = AnyArray::builder().directory(place);
                let array = if looks { builder.read_only() } else { builder }.attach(name)?;
                let seen = array.sequence();
                Self::Array(array, seen)
            }
            _ => return Ok(None),
        }))
    }

    /// The newest value; `None` for a stream without one. Waits at most `timeout` for whoever writes in place.
    pub(crate) fn newest(&mut self, timeout: Duration) -> Result<Option<Value>, Error> {
        match self {
            Self::Stream(subscriber) => Ok(subscriber.latest()?.map(of_frame)),
            Self::Array(array, seen) => copy_array(array, seen, timeout).map(Some),
            Self::Cell(cell, seen) => copy_cell(cell, seen).map(Some),
            Self::Table(table, seen) => copy_rows(table, seen, 0).map(Some),
        }
    }

    /// The value after the one that was read last; `None` at the end of a stream, or of a table that is full.
    ///
    /// # Errors
    /// `TimedOut`, if nothing came in time.
    pub(crate) fn next(&mut self, timeout: Duration) -> Result<Option<Value>, Error> {
        match self {
            Self::Stream(subscriber) => Ok(subscriber.recv_timeout(timeout)?.map(of_frame)),
            Self::Array(array, seen) => {
                array.wait_changed(*seen, timeout)?;
                copy_array(array, seen, timeout).map(Some)
            }
            Self::Cell(cell, seen) => {
                cell.wait_changed(*seen, timeout)?;
                copy_cell(cell, seen).map(Some)
            }
            Self::Table(table, seen) if *seen == table.max_len() => Ok(None),
            Self::Table(table, seen) => {
                let first = *seen;
                table.wait_len(first + 1, timeout)?;
                copy_rows(table, seen, first).map(Some)
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
    // What was written since is newer than the copy, or is in it: either way the next wait ends at once.
    let missed = missed(*seen, before, 2);
    *seen = before & !1;
    Ok(Value {
        bytes: Bytes::Copy(bytes),
        dtype: array.dtype().clone(),
        shape: array.shape().to_vec(),
        order: array.order(),
        sequence: before,
        missed,
        time: SystemTime::now(),
    })
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

/// The rows from `first` on that are there.
fn copy_rows(table: &AnyGrowable, seen: &mut usize, first: usize) -> Result<Value, Error> {
    let len = table.len();
    let rows = table.bytes(first..len)?;
    let mut bytes = room(rows.len(), table.name())?;
    bytes.copy_from_slice(rows);
    table.check_whole()?;
    *seen = len;
    Ok(Value {
        bytes: Bytes::Copy(bytes),
        dtype: table.dtype().clone(),
        shape: [&[len - first], table.row_shape()].concat(),
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
