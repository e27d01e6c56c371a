//! The cell that the tests use, and what must hold after any death of one of its users.

use super::words::Words;
use super::{Outcome, SOON, ensure, ensure_eq, stream};
use sharray::{CellBuilder, Directory, Error, SharedCell};
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const NAME: &str = "robot/pose";
/// Few, so that a record that is lost is missed.
const PARTICIPANTS: u32 = 4;

/// Each word of a value tells its version, which is the number of its store.
pub(crate) type Value = [u64; 12];
pub(crate) type Cell = SharedCell<Value>;

pub(crate) fn builder(place: &Directory) -> CellBuilder<Cell> {
    Cell::builder().directory(place).participants(PARTICIPANTS)
}

pub(crate) fn value(version: u64) -> Value {
    std::array::from_fn(|at| if at == 0 { version } else { stream::word(version, at) })
}

/// The version of a value, which must be whole.
pub(crate) fn version(found: &Value) -> Outcome<u64> {
    ensure_eq!(*found, value(found[0]), "a value");
    Ok(found[0])
}

/// Those who were attached before the death.
pub(crate) struct Readers {
    folder: TempDir,
    pub(crate) place: Directory,
    pub(crate) cell: Cell,
    pub(crate) onlooker: Cell,
}

impl Readers {
    pub(crate) fn new() -> Outcome<Self> {
        let folder = stream::fresh_folder()?;
        let place = Directory::open(folder.path())?;
        let cell = builder(&place).create(NAME, value(1))?;
        let onlooker = builder(&place).read_only().attach(NAME)?;
        Ok(Self { folder, place, cell, onlooker })
    }

    pub(crate) fn path(&self) -> Outcome<&str> {
        self.folder.path().to_str().ok_or_else(|| "the folder's path is not text".into())
    }

    fn words(&self) -> Outcome<Words> {
        Words::of(&self.folder.path().join(NAME), PARTICIPANTS)
    }

    /// All see the same whole value; says which.
    pub(crate) fn load(&self) -> Outcome<u64> {
        let sequence = self.cell.sequence();
        let newcomer = builder(&self.place).read_only().attach(NAME)?;
        for cell in [&self.cell, &self.onlooker, &newcomer] {
            ensure_eq!(version(&cell.load())?, sequence, "the version that is the newest");
        }
        Ok(sequence)
    }

    /// Whoever comes next stores at once, in a way that goes round, and so does the one after.
    pub(crate) fn go_on(self, round: u64, least: u64, most: u64) -> Outcome {
        let newest = self.load()?;
        ensure!((least..=most).contains(&newest), "it holds version {newest}, expected {least} to {most}");
        match round % 4 {
            0 => self.cell.try_writer()?.store(value(newest + 1)),
            1 => self.cell.store_timeout(value(newest + 1), SOON)?,
            2 => builder(&self.place).attach(NAME)?.try_store(value(newest + 1))?,
            _ => {
                let waited = self.cell.wait_changed(newest, Duration::from_millis(1));
                ensure!(matches!(waited, Err(Error::TimedOut { .. })), "nobody stored: {waited:?}");
                ensure_eq!(self.words()?.blocks[0].owner(), None, "the writer, once somebody looked");
                self.cell.try_store(value(newest + 1))?;
            }
        }
        ensure_eq!(self.load()?, newest + 1, "what the next one stored");
        self.cell.try_store(value(newest + 2))?;
        ensure_eq!(self.load()?, newest + 2, "what the one after stored");
        self.leave()
    }

    /// No word names the dead, and nothing is left when all are gone.
    fn leave(self) -> Outcome {
        let words = self.words()?;
        ensure_eq!((words.blocks[0].owner(), words.blocks[0].poison), (None, 0), "the writer, and the poison");
        let others =
            (1..PARTICIPANTS).map(|_| builder(&self.place).attach(NAME)).collect::<sharray::Result<Vec<_>>>()?;
        let full = builder(&self.place).attach(NAME).map(drop);
        ensure!(matches!(full, Err(Error::TooManyParticipants { .. })), "the table is full: {full:?}");
        let Self { folder, place, cell, onlooker } = self;
        drop((others, cell, onlooker));
        ensure!(place.inspect(NAME)?.participants.is_empty(), "all are gone");
        place.unlink(NAME)?;
        ensure_eq!(stream::leftovers(folder.path())?, Vec::<String>::new(), "what is left in the folder");
        Ok(())
    }
}
