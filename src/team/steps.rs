//! How far a team is: which of the two arrays of each name is the old one, and what a rank has written of the new ones.

use crate::array::SharedArray;
use crate::directory::Directory;
use crate::error::{Error, Result};
use ndarray::Ix1;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What one rank knows of the steps.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// The step that the team is at.
    step: Arc<AtomicU64>,
    open: Mutex<Option<Open>>,
}

/// From the first array of the team that was opened to the next reset.
#[derive(Debug)]
pub(super) struct Open {
    record: Record,
    step: Arc<AtomicU64>,
    arrays: Vec<Weak<Progress>>,
}

/// What this rank has done for one array of the team.
#[derive(Debug)]
pub(super) struct Progress {
    name: String,
    /// How many steps are made, the one that this rank has finished its block for included.
    finished: AtomicU64,
    step: Arc<AtomicU64>,
}

impl Progress {
    /// The step that the team is at.
    pub(super) fn step(&self) -> u64 {
        self.step.load(Relaxed)
    }

    /// This rank has its block, perhaps again: it must not swap meanwhile, or the block would be one of the old array.
    pub(super) fn begin(&self) {
        self.finished.store(0, Relaxed);
    }

    /// This rank has written its block of what the step makes.
    pub(super) fn finish(&self) {
        self.finished.store(self.step() + 1, Relaxed);
    }
}

impl Steps {
    pub(super) fn step(&self) -> u64 {
        self.step.load(Relaxed)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what the ranks have written down, which nobody changes meanwhile, and begins from there.
    pub(super) fn begin(&self, record: Record) -> Result<Open> {
        self.step.store(record.newest()?, Relaxed);
        Ok(Open { record, step: Arc::clone(&self.step), arrays: Vec::new() })
    }
}

impl Open {
    /// One more array that every step has to write.
    pub(super) fn add(&mut self, name: &str) -> Arc<Progress> {
        let progress =
            Arc::new(Progress { name: name.to_owned(), finished: AtomicU64::new(0), step: Arc::clone(&self.step) });
        self.arrays.retain(|array| array.strong_count() > 0);
        self.arrays.push(Arc::downgrade(&progress));
        progress
    }

    pub(super) fn has(&self, progress: &Arc<Progress>) -> bool {
        self.arrays.iter().any(|array| array.as_ptr() == Arc::as_ptr(progress))
    }

    /// Refuses to swap an array that this rank has not written: its block would be that of two steps ago.
    pub(super) fn check_finished(&self) -> Result<()> {
        let step = self.step.load(Relaxed);
        let mut arrays = self.arrays.iter().filter_map(Weak::upgrade);
        let Some(array) = arrays.find(|array| array.finished.load(Relaxed) != step + 1) else { return Ok(()) };
        Err(Error::invalid(&array.name, format!("this rank has not finished its block in step {step}")))
    }

    /// All ranks have written all blocks: the new arrays are the old ones from now on.
    pub(super) fn advance(&mut self) -> Result<()> {
        let step = self.step.load(Relaxed) + 1;
        self.record.write(step)?;
        self.step.store(step, Relaxed);
        Ok(())
    }
}

/// The steps that the ranks have seen made, in an array beside the team.
///
/// A rank writes a step down after the barrier that ends it, and before it overwrites anything that the step was made from.
/// So where the newest step in the record is `k`, its arrays are whole; and if all ranks are killed, those who come after
/// them go on there. Each rank has two items, each a block, and writes them in turn: if it dies in the middle of one it is
/// poisoned, and the other one tells the step before, from which it had overwritten nothing yet.
#[derive(Debug)]
pub(super) struct Record {
    steps: SharedArray<u64, Ix1>,
    rank: usize,
}

impl Record {
    fn builder(place: &Directory, size: usize) -> crate::ArrayBuilder<SharedArray<u64, Ix1>> {
        SharedArray::builder().directory(place).participants(super::array::participants(size)).blocks(2 * size)
    }

    fn name(team: &str) -> String {
        format!("{team}.steps")
    }

    /// Creates it if it is not there.
    pub(super) fn open(place: &Directory, team: &str, rank: u32, size: u32) -> Result<Self> {
        let steps = Self::builder(place, size as usize).open(&Self::name(team), [2 * size as usize])?;
        Self::new(steps, rank, size)
    }

    pub(super) fn attach(place: &Directory, team: &str, rank: u32, size: u32) -> Result<Self> {
        Self::new(Self::builder(place, size as usize).attach(&Self::name(team))?, rank, size)
    }

    fn new(steps: SharedArray<u64, Ix1>, rank: u32, size: u32) -> Result<Self> {
        super::array::check_blocks(&steps, 2 * size as usize)?;
        Ok(Self { steps, rank: rank as usize })
    }

    fn newest(&self) -> Result<u64> {
        let mut newest = 0;
        for block in 0..self.steps.blocks() {
            match self.steps.read_block(block) {
                Ok(step) => newest = step.iter().copied().fold(newest, u64::max),
                Err(Error::Poisoned { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(newest)
    }

    fn write(&self, step: u64) -> Result<()> {
        self.steps.write_block(2 * self.rank + (step % 2) as usize)?.fill(step);
        Ok(())
    }
}
