//! The arrays that the workers share.
//!
//! Some are there from the beginning to the end: their sequences must never go back, whoever died. Others come and go,
//! as the workers create and unlink them.

use crate::Outcome;
use crate::payload::Key;
use ndarray::{Ix1, Ix2, IxDyn};
use sharray::{ArrayBuilder, CellBuilder, Directory, Frame, Publisher, PublisherBuilder, SharedArray, SharedCell};
use sharray::{GrowableArray, GrowableBuilder};
use sharray::{Subscriber, SubscriberBuilder};
use std::ops::Range;

pub(crate) type Writer = Publisher<u64, Ix1>;
pub(crate) type Reader = Subscriber<u64, Ix1>;
pub(crate) type Picture = Frame<u64, Ix1>;
pub(crate) type FieldHandle = SharedArray<u64, IxDyn>;
/// A cell's value: as a block of an array in place.
pub(crate) type Value = [u64; 16];
pub(crate) type CellHandle = SharedCell<Value>;
pub(crate) type TableHandle = GrowableArray<u64, Ix2>;

/// More than all workers and their children ever need.
pub(crate) const PARTICIPANTS: u32 = 200;

/// A stream: how it is made, and what may happen to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    pub(crate) name: &'static str,
    /// The most items of a frame.
    pub(crate) words: usize,
    pub(crate) history: u32,
    pub(crate) slots: u32,
    pub(crate) participants: u32,
    /// Whether publishers may evict lossless subscribers from it.
    pub(crate) may_evict: bool,
    /// Whether it is there from the beginning to the end.
    pub(crate) is_lasting: bool,
}

impl Stream {
    const LASTING: Self = Self {
        name: "calm",
        words: 64,
        history: 8,
        slots: 16,
        participants: PARTICIPANTS,
        may_evict: false,
        is_lasting: true,
    };
    const FLEETING: Self = Self { is_lasting: false, may_evict: true, slots: 12, ..Self::LASTING };

    /// Whether its table of participants may be full at times.
    pub(crate) fn may_be_full(&self) -> bool {
        self.participants < PARTICIPANTS
    }

    pub(crate) fn key(&self) -> Key {
        Key::of(self.name)
    }

    pub(crate) fn writer(&self, place: &Directory) -> PublisherBuilder<Writer> {
        let builder = Writer::builder().directory(place).history(self.history).slots(self.slots);
        builder.participants(self.participants)
    }

    pub(crate) fn reader(place: &Directory) -> SubscriberBuilder<Reader> {
        Reader::builder().directory(place)
    }
}

/// All streams. Their positions here are those of their marks in a journal.
pub(crate) const STREAMS: [Stream; 7] = [
    Stream::LASTING,
    // As few slots as can be, in a folder of its own, and hardly room for everybody.
    Stream { name: "in/two/tight", history: 2, slots: 4, participants: 10, ..Stream::LASTING },
    Stream { name: "evicting", history: 3, slots: 8, may_evict: true, ..Stream::LASTING },
    // Long enough that most deaths come in the middle of a frame.
    Stream { name: "in/large", words: 40_000, history: 3, slots: 9, may_evict: true, ..Stream::LASTING },
    Stream { name: "fleeting", ..Stream::FLEETING },
    Stream { name: "folder/fleeting", history: 2, ..Stream::FLEETING },
    Stream { name: "folder/of/one", history: 3, words: 1000, ..Stream::FLEETING },
];

/// An array in place: how it is made, and what may happen to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: &'static [usize],
    pub(crate) blocks: usize,
    pub(crate) participants: u32,
    /// Whether all blocks are always written together, and so must always be of the same version.
    pub(crate) is_united: bool,
    pub(crate) is_lasting: bool,
}

impl Field {
    const LASTING: Self =
        Self { name: "plain", shape: &[64], blocks: 1, participants: PARTICIPANTS, is_united: false, is_lasting: true };

    pub(crate) fn may_be_full(&self) -> bool {
        self.participants < PARTICIPANTS
    }

    pub(crate) fn builder(&self, place: &Directory) -> ArrayBuilder<FieldHandle> {
        FieldHandle::builder().directory(place).blocks(self.blocks).participants(self.participants)
    }

    /// What tells the words of one block from all others.
    pub(crate) fn key(&self, block: usize) -> Key {
        Key::of(self.name).part(block as u64)
    }

    /// How many words a row has.
    pub(crate) fn row_len(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// Where the words of a block are in the whole array.
    pub(crate) fn words(&self, handle: &sharray::AnyArray, block: usize) -> Result<Range<usize>, String> {
        let rows = handle.rows(block..block + 1).map_err(|error| error.to_string())?;
        Ok(rows.start * self.row_len()..rows.end * self.row_len())
    }
}

/// All arrays in place.
pub(crate) const FIELDS: [Field; 6] = [
    Field::LASTING,
    Field { name: "in/blocks", shape: &[600], blocks: 5, ..Field::LASTING },
    Field { name: "in/united", shape: &[20, 30], blocks: 4, is_united: true, participants: 16, ..Field::LASTING },
    // Long enough that most deaths come in the middle of a write.
    Field { name: "wide", shape: &[6, 8000], blocks: 3, ..Field::LASTING },
    Field { name: "passing", shape: &[100], is_lasting: false, ..Field::LASTING },
    Field { name: "folder/passing", shape: &[40, 7], blocks: 2, is_lasting: false, ..Field::LASTING },
];

/// A cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) name: &'static str,
    pub(crate) is_lasting: bool,
}

impl Cell {
    pub(crate) fn builder(place: &Directory) -> CellBuilder<CellHandle> {
        CellHandle::builder().directory(place).participants(PARTICIPANTS)
    }

    pub(crate) fn key(&self) -> Key {
        Key::of(self.name)
    }
}

/// All cells.
pub(crate) const CELLS: [Cell; 2] =
    [Cell { name: "cell", is_lasting: true }, Cell { name: "folder/cell", is_lasting: false }];

/// A table that grows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Words of a row.
    pub(crate) words: usize,
    pub(crate) max_len: usize,
    pub(crate) is_lasting: bool,
}

impl Table {
    pub(crate) fn builder(&self, place: &Directory) -> GrowableBuilder<TableHandle> {
        TableHandle::builder().directory(place).participants(PARTICIPANTS).max_len(self.max_len)
    }

    /// The words of a row, which tell where it stands. The first is the salt of whoever appended it.
    pub(crate) fn row(&self, row: usize, salt: u64) -> Vec<u64> {
        let mut words = vec![0; self.words];
        Key::of(self.name).part(row as u64).fill(&mut words, salt);
        words[0] = salt;
        words
    }

    /// Fails unless this is that row, whole. Says its salt.
    pub(crate) fn check(&self, row: usize, words: &[u64]) -> Outcome<u64> {
        let salt = words[0];
        if words == self.row(row, salt) { Ok(salt) } else { Err(format!("torn: row {row} is {words:#x?}")) }
    }
}

/// All tables. What lasts has room for more rows than a long run appends in a day, and takes space for those it has.
pub(crate) const TABLES: [Table; 2] = [
    Table { name: "table", words: 6, max_len: 1 << 30, is_lasting: true },
    // Full soon, and unlinked again and again.
    Table { name: "folder/table", words: 1000, max_len: 500, is_lasting: false },
];

/// Where a journal has the most rows of a table that were seen.
pub(crate) fn table_mark(table: usize) -> usize {
    80 + table
}

/// Where a journal has the newest version of a block that was seen, and the newest sequence of an array in place.
pub(crate) fn block_mark(field: usize, block: usize) -> usize {
    16 + 8 * field + block
}

pub(crate) fn sequence_mark(field: usize) -> usize {
    64 + field
}

/// The same for a cell.
pub(crate) fn cell_mark(cell: usize) -> usize {
    72 + cell
}

/// Every name, and whether it is there from the beginning to the end.
pub(crate) fn names() -> impl Iterator<Item = (&'static str, bool)> {
    let streams = STREAMS.iter().map(|stream| (stream.name, stream.is_lasting));
    let fields = FIELDS.iter().map(|field| (field.name, field.is_lasting));
    let cells = CELLS.iter().map(|cell| (cell.name, cell.is_lasting));
    streams.chain(fields).chain(cells).chain(TABLES.iter().map(|table| (table.name, table.is_lasting)))
}

/// The positions of the streams that come and go.
pub(crate) fn fleeting() -> Vec<usize> {
    (0..STREAMS.len()).filter(|at| !STREAMS[*at].is_lasting).collect()
}
