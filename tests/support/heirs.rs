//! What must hold after any death of a user of an array in place: the same checks whoever died, and wherever.

use super::field::{self, BLOCKS, Field, HEIGHT, NAME, PARTICIPANTS};
use super::words::{BlockWords, Words};
use super::{Outcome, SOON, ensure, ensure_eq, stream};
use sharray::{Directory, Error, Result};
use std::ops::Range;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// What the array holds before anybody dies.
pub(crate) const OLD: u64 = 1;
/// What those write who die of it.
pub(crate) const NEW: u64 = 2;
/// What is written over it when it is put right.
const REPAIRED: u64 = 3;

/// Who meets the dead first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finder {
    /// The next writer of all, who was attached before.
    Writer,
    /// The next writers of each block, who were attached before.
    BlockWriters,
    /// Somebody who attaches and writes all.
    Newcomer,
    /// A reader of all.
    Reader,
    /// Somebody who copies all.
    Copier,
    /// Somebody who waits for a change.
    Watcher,
}

pub(crate) const FINDERS: [Finder; 6] =
    [Finder::Writer, Finder::BlockWriters, Finder::Newcomer, Finder::Reader, Finder::Copier, Finder::Watcher];

/// Runs `act` in another thread: it has no part in the leases of this one.
pub(crate) fn elsewhere(act: impl FnOnce() -> Outcome + Send) -> Outcome {
    thread::scope(|scope| scope.spawn(act).join().unwrap_or_else(|_| Err("it panicked".into())))
}

/// Those who were attached before the death.
pub(crate) struct Heirs {
    folder: TempDir,
    place: Directory,
    pub(crate) field: Field,
    /// Has no record, writes nothing, and recovers nobody.
    onlooker: Field,
    /// The blocks before anybody died.
    before: Vec<BlockWords>,
}

impl Heirs {
    pub(crate) fn new() -> Outcome<Self> {
        let folder = stream::fresh_folder()?;
        let place = Directory::open(folder.path())?;
        let field = field::builder(&place).create_from(NAME, &field::contents(OLD))?;
        let onlooker = field::builder(&place).read_only().attach(NAME)?;
        let before = Words::of(&folder.path().join(NAME), PARTICIPANTS)?.blocks;
        Ok(Self { folder, place, field, onlooker, before })
    }

    /// The same, with these blocks poisoned: a writer has leaked its lease.
    pub(crate) fn with_poison(blocks: Range<usize>) -> Outcome<Self> {
        let mut heirs = Self::new()?;
        let sloppy = field::builder(&heirs.place).attach(NAME)?;
        std::mem::forget(sloppy.write_blocks(blocks.clone())?);
        drop(sloppy);
        heirs.before = heirs.words()?.blocks;
        ensure!(heirs.before[blocks].iter().all(|block| block.poison == 1), "a leaked write is poisoned");
        Ok(heirs)
    }

    pub(crate) fn place(&self) -> &Directory {
        &self.place
    }

    /// The folder's path, for children.
    pub(crate) fn path(&self) -> Outcome<&str> {
        self.folder.path().to_str().ok_or_else(|| "the folder's path is not text".into())
    }

    pub(crate) fn words(&self) -> Outcome<Words> {
        Words::of(&self.folder.path().join(NAME), PARTICIPANTS)
    }

    /// Somebody died who wrote [`NEW`] into some blocks, or meant to, or only read: what that left is found and put
    /// right, and everything goes on.
    pub(crate) fn go_on(mut self, finder: Finder, blocks: Range<usize>) -> Outcome {
        self.others_go_on(&blocks)?;
        let left = self.words()?.blocks;
        let told = |error| format!("found by the {finder:?}, left {left:?}: {error}");
        self.look_on(&left).map_err(told)?;
        self.meet(finder, &left).map_err(told)?;
        self.ensure_left(&left).map_err(told)?;
        self.repair().map_err(told)?;
        self.leave().map_err(|error| told(error).into())
    }

    /// Whatever becomes of these blocks, the others are written and read at once.
    pub(crate) fn others_go_on(&mut self, blocks: &Range<usize>) -> Outcome {
        for block in (0..BLOCKS).filter(|block| !blocks.contains(block)) {
            let mut guard = self.field.try_write_block(block)?;
            ensure!(!guard.is_poisoned(), "block {block} was not touched");
            field::fill(&mut guard, OLD);
            drop(guard);
            ensure_eq!(field::versions(&self.field.try_read_block(block)?, block * HEIGHT)?, [OLD], "block {block}");
            self.before[block].seq += 2;
        }
        Ok(())
    }

    /// Whoever may only look is told as much, although it can recover nothing.
    fn look_on(&self, left: &[BlockWords]) -> Outcome {
        self.ensure_readable(self.onlooker.snapshot_timeout(SOON).map(|copy| field::versions(&copy, 0)), left)
    }

    /// The finder comes first, and in time, and is told exactly if a write did not come to its end.
    fn meet(&self, finder: Finder, left: &[BlockWords]) -> Outcome {
        let is_half = left.iter().any(|block| block.is_half_written());
        match finder {
            Finder::Writer => {
                ensure_eq!(self.field.write_timeout(SOON)?.is_poisoned(), is_half, "whether all is poisoned");
            }
            Finder::BlockWriters => {
                for (block, words) in left.iter().enumerate() {
                    let guard = self.field.write_block_timeout(block, SOON)?;
                    ensure_eq!(guard.is_poisoned(), words.is_half_written(), "whether block {block} is poisoned");
                }
            }
            Finder::Newcomer => {
                let field = field::builder(&self.place).attach(NAME)?;
                ensure_eq!(field.write_timeout(SOON)?.is_poisoned(), is_half, "whether all is poisoned");
            }
            Finder::Reader => {
                let read = self.field.read_timeout(SOON).map(|guard| field::versions(&guard, 0));
                return self.ensure_readable(read, left);
            }
            Finder::Copier => {
                let read = self.field.snapshot_timeout(SOON).map(|copy| field::versions(&copy, 0));
                return self.ensure_readable(read, left);
            }
            Finder::Watcher => return self.watch(left),
        }
        Ok(())
    }

    /// Every write that was begun has ended, if not by its writer: there is a change until that is told.
    fn watch(&self, left: &[BlockWords]) -> Outcome {
        let ended = |blocks: &[BlockWords]| blocks.iter().map(|block| block.seq & !1).sum::<u64>();
        let all_ended = ended(left) + 2 * left.iter().filter(|block| block.seq % 2 == 1).count() as u64;
        let mut seen = ended(&self.before);
        loop {
            match self.field.wait_changed(seen, Duration::from_millis(5)) {
                Ok(sequence) => {
                    ensure!(seen + 2 <= sequence | 1, "{sequence} is no change after {seen}");
                    seen = sequence;
                }
                Err(Error::TimedOut { .. }) => break,
                Err(error) => return Err(error.into()),
            }
        }
        ensure_eq!(seen, all_ended, "the sequence when nothing changes any more");
        Ok(())
    }

    /// All of it is whole, or it is poisoned.
    fn ensure_readable(&self, read: Result<Outcome<Vec<u64>>>, left: &[BlockWords]) -> Outcome {
        let half = left.iter().position(|block| block.is_half_written());
        match read {
            Ok(found) => {
                ensure_eq!(half, None, "a block that is half written, and nobody is told");
                let expected = left.iter().enumerate().map(|(block, words)| self.expected_version(block, words));
                ensure_eq!(found?, expected.collect::<Vec<_>>(), "the versions of the blocks");
            }
            Err(Error::Poisoned { .. }) => ensure!(half.is_some(), "all is whole, but said to be poisoned"),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Each block is poisoned if a write of it was begun and not ended; else it is the old or the new version.
    fn ensure_left(&self, left: &[BlockWords]) -> Outcome {
        for (block, words) in left.iter().enumerate() {
            match self.field.read_block_timeout(block, SOON) {
                Ok(guard) => {
                    ensure!(!words.is_half_written(), "block {block} is half written, and nobody is told");
                    let expected = self.expected_version(block, words);
                    ensure_eq!(field::versions(&guard, block * HEIGHT)?, [expected], "the version of block {block}");
                }
                Err(Error::Poisoned { block: told, .. }) => {
                    ensure_eq!(told as usize, block, "the block that is poisoned");
                    ensure!(words.is_half_written(), "block {block} is whole, but said to be poisoned");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn expected_version(&self, block: usize, left: &BlockWords) -> u64 {
        if left.seq == self.before[block].seq { OLD } else { NEW }
    }

    /// Writes everything anew; readers believe it.
    pub(crate) fn repair(&self) -> Outcome {
        for block in 0..BLOCKS {
            let mut guard = self.field.write_block_timeout(block, SOON)?;
            if block % 2 == 0 {
                guard.assign(&field::part(REPAIRED, block..block + 1));
            } else {
                field::fill(&mut guard, REPAIRED);
                guard.clear_poison();
            }
            ensure!(!guard.is_poisoned(), "block {block} was put right");
        }
        ensure_eq!(field::version(&self.field.read_timeout(SOON)?, 0)?, REPAIRED, "what is read");
        ensure_eq!(field::version(&self.field.snapshot_timeout(SOON)?, 0)?, REPAIRED, "what is copied");
        ensure_eq!(field::version(&self.onlooker.snapshot_timeout(SOON)?, 0)?, REPAIRED, "what an onlooker copies");
        Ok(())
    }

    /// No word names the dead, as many can attach as there is room for, and nothing is left when all are gone.
    pub(crate) fn leave(self) -> Outcome {
        self.words()?.ensure_idle()?;
        self.use_all_records()?;
        let info = self.place.inspect(NAME)?;
        ensure_eq!(info.participants.len(), 1, "we are left alone by {:?}", info.participants);
        let Self { folder, place, field, onlooker, .. } = self;
        drop((field, onlooker));
        ensure!(place.inspect(NAME)?.participants.is_empty(), "all are gone");
        place.unlink(NAME)?;
        ensure_eq!(stream::leftovers(folder.path())?, Vec::<String>::new(), "what is left in the folder");
        Ok(())
    }

    /// In no record stands what the dead left there.
    fn use_all_records(&self) -> Outcome {
        let others = 1..PARTICIPANTS;
        let all: Vec<Field> = others.map(|_| field::builder(&self.place).attach(NAME)).collect::<Result<_>>()?;
        let full = field::builder(&self.place).attach(NAME).map(drop);
        ensure!(matches!(full, Err(Error::TooManyParticipants { .. })), "the table is full: {full:?}");
        let dead = self.place.inspect(NAME)?.participants.into_iter().find(|participant| !participant.is_alive);
        ensure!(dead.is_none(), "the dead still stand in the table: {dead:?}");
        drop(self.field.try_write()?);
        for (at, other) in all.iter().enumerate() {
            let guard = other.try_read_block(at % BLOCKS)?;
            let locked = self.field.try_write().map(drop);
            ensure!(matches!(locked, Err(Error::Locked { .. })), "another handle reads: {locked:?}");
            drop(guard);
            drop(self.field.try_write()?);
        }
        Ok(())
    }
}
