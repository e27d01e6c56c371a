//! The table that the tests use, and what must hold after any death of one of its users.

use super::words::Words;
use super::{Outcome, SOON, ensure, ensure_eq, stream};
use ndarray::{Array2, ArrayView2, Ix2};
use sharray::{Directory, Error, GrowableArray, GrowableBuilder};
use std::ops::Range;
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const NAME: &str = "samples";
/// Few, so that a record that is lost is missed.
const PARTICIPANTS: u32 = 4;
const WORDS: usize = 8;
/// Room enough for all tests, and few enough for a copy of the file.
const MAX_LEN: usize = 1 << 13;

pub(crate) type Table = GrowableArray<u64, Ix2>;

pub(crate) fn builder(place: &Directory) -> GrowableBuilder<Table> {
    Table::builder().directory(place).participants(PARTICIPANTS).max_len(MAX_LEN)
}

/// Rows that tell where they stand.
pub(crate) fn rows(range: Range<usize>) -> Array2<u64> {
    Array2::from_shape_fn((range.len(), WORDS), |(row, at)| stream::word((range.start + row) as u64, at))
}

/// Each row must be where it tells that it stands.
pub(crate) fn check(found: &ArrayView2<'_, u64>) -> Outcome<usize> {
    ensure!(*found == rows(0..found.nrows()), "rows that are not what was appended: {found:?}");
    Ok(found.nrows())
}

/// Those who were attached before the death.
pub(crate) struct Readers {
    folder: TempDir,
    pub(crate) place: Directory,
    pub(crate) table: Table,
    pub(crate) onlooker: Table,
}

impl Readers {
    /// Of a table that has so many rows.
    pub(crate) fn of(len: usize) -> Outcome<Self> {
        Self::with_room(len, MAX_LEN)
    }

    /// Of a table that has room for so many.
    pub(crate) fn with_room(len: usize, max_len: usize) -> Outcome<Self> {
        let folder = stream::fresh_folder()?;
        let place = Directory::open(folder.path())?;
        let table = builder(&place).max_len(max_len).create_from(NAME, &rows(0..len))?;
        let onlooker = builder(&place).read_only().attach(NAME)?;
        Ok(Self { folder, place, table, onlooker })
    }

    pub(crate) fn path(&self) -> Outcome<&str> {
        self.folder.path().to_str().ok_or_else(|| "the folder's path is not text".into())
    }

    fn owner(&self) -> Outcome<Option<u32>> {
        Ok(Words::of(&self.folder.path().join(NAME), PARTICIPANTS)?.blocks[0].owner())
    }

    /// All see the same whole rows; says how many.
    pub(crate) fn len(&self) -> Outcome<usize> {
        let newcomer = builder(&self.place).read_only().attach(NAME)?;
        for table in [&self.table, &self.onlooker, &newcomer] {
            ensure_eq!(check(&table.view()?)?, self.table.len(), "the rows that are seen");
        }
        Ok(self.table.len())
    }

    /// Whoever comes next appends at once, in a way that goes round, and so does the one after. What was there stays.
    pub(crate) fn go_on(self, round: u64, expected: &[usize]) -> Outcome {
        let len = self.len()?;
        ensure!(expected.contains(&len), "it has {len} rows, expected one of {expected:?}");
        let before = self.onlooker.view()?;
        let next = rows(len..len + 2);
        let placed = match round % 4 {
            0 => self.table.try_append(&next)?,
            1 => self.table.append_timeout(&next, SOON)?,
            2 => builder(&self.place).attach(NAME)?.try_append(&next)?,
            _ => {
                let late = self.onlooker.wait_len(len + 1, Duration::from_millis(1));
                ensure!(matches!(late, Err(Error::TimedOut { .. })), "nobody appended: {late:?}");
                self.table.append(&next)?
            }
        };
        ensure_eq!(placed, len..len + 2, "where the next one's rows are");
        ensure_eq!(self.table.try_append(&rows(len + 2..len + 3))?, len + 2..len + 3, "where the last row is");
        ensure_eq!(self.len()?, len + 3, "how many rows there are");
        ensure_eq!(check(&before)?, len, "rows that were looked at all the time");
        self.leave()
    }

    /// No word names the dead, and nothing is left when all are gone.
    fn leave(self) -> Outcome {
        ensure_eq!(self.owner()?, None, "who appends");
        let others =
            (1..PARTICIPANTS).map(|_| builder(&self.place).attach(NAME)).collect::<sharray::Result<Vec<_>>>()?;
        let full = builder(&self.place).attach(NAME).map(drop);
        ensure!(matches!(full, Err(Error::TooManyParticipants { .. })), "the table is full: {full:?}");
        let Self { folder, place, table, onlooker } = self;
        drop((others, table, onlooker));
        ensure!(place.inspect(NAME)?.participants.is_empty(), "all are gone");
        place.unlink(NAME)?;
        ensure_eq!(stream::leftovers(folder.path())?, Vec::<String>::new(), "what is left in the folder");
        Ok(())
    }
}
