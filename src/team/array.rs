//! Arrays that a team steps: each rank makes its block of the new one from the whole old one, and then they swap.

use super::steps::{Progress, Record};
use super::{Patience, Team};
use crate::array::{AnyArray, SharedArray};
use crate::directory::Directory;
use crate::dtype::DType;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::expect::check_alignment;
use crate::guard::{AnyWriteGuard, ReadGuard, WriteGuard};
use crate::layout::MAX_PARTICIPANTS;
use ndarray::{ArrayRef, Dimension, IntoDimension, IxDyn};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// An array that the ranks of a team step together: what it is now, and what it will be after the step.
///
/// It is two [`SharedArray`]s, `NAME/even` and `NAME/odd`, each with a [block](crate::ArrayBuilder::blocks) for each rank. What the
/// array is after an even number of steps is in one, what it is after an odd number is in the other. A step makes one from the other:
/// each rank [writes its block](Team::block) of the new one and reads the whole old one, and when all have done so
/// they [swap](Team::swap).
///
/// So the old array is a checkpoint. A rank that dies leaves its block of the new array poisoned, and nothing else: the
/// old one is whole, and the step is made again from there.
///
/// ```
/// use ndarray::Ix1;
/// use sharray::{Error, Team};
/// use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// const PATIENCE: Duration = Duration::from_secs(10);
///
/// fn simulate(team: &Team) -> sharray::Result<()> {
///     let waves = team.array::<f64, Ix1>("waves", [100], PATIENCE, |waves| waves[50] = 1.0)?;
///     while team.step() < 10 {
///         let mut block = team.block(&waves)?;
///         let rows = block.rows();
///         let (old, new) = block.views();
///         for (row, new) in rows.zip(new.iter_mut()) {
///             *new = (old[row] + old[(row + 1) % 100]) / 2.0;    // neighbours are rows of others, or not
///         }
///         block.finish();
///         team.swap(PATIENCE)?;
///     }
///     Ok(())
/// }
///
/// # let team = Team::builder().directory(&place).join("sim", 0, 1)?;
/// // Whoever gets another process for a rank that died goes on where they were:
/// while let Err(error) = simulate(&team) {
///     let Error::PeerDied { .. } = error else { return Err(error.into()) };
///     team.reset(Duration::from_secs(60))?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TeamArray<T, D = IxDyn> {
    /// After an even number of steps, and after an odd one.
    arrays: [SharedArray<T, D>; 2],
    progress: Arc<Progress>,
}

impl<T: Element, D: Dimension> TeamArray<T, D> {
    /// The array as it is now, which nobody writes until this rank swaps: what is read of this and of other arrays of the team is
    /// of one step.
    pub fn current(&self) -> &SharedArray<T, D> {
        &self.arrays[parity(self.progress.step())]
    }

    fn next(&self) -> &SharedArray<T, D> {
        &self.arrays[parity(self.progress.step() + 1)]
    }
}

/// An array that the ranks of a team step together, with a dtype known at run time: for those who take the leases of
/// [`TeamArray`]'s blocks by themselves, as bindings to other languages do.
///
/// Before each step they ask [`Team::check_any_array`]. Then they lease the [`current`](Self::current) array for reading and the block
/// of this rank's number of the [`next`](Self::next) one for writing, [`begin`](Self::begin), write all of it, clear its poison, give
/// both leases back, and [`finish`](Self::finish).
///
/// # Examples
/// ```
/// use sharray::{DType, Team};
/// use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let patience = Duration::from_secs(5);
/// let team = Team::builder().directory(&place).join("sim", 0, 1)?;
/// let waves = team.any_array("waves", &DType::U8, &[100], patience, |_zeros| Ok(()))?;
///
/// team.check_any_array(&waves)?;
/// let own = team.rank() as usize;
/// let (old, mut new) = (waves.current().read()?, waves.next().write_blocks(own..own + 1, None)?);
/// waves.begin();
/// let view = old.view::<u8, ndarray::Ix1>().expect("it is one of u8");
/// new.view_mut::<u8, ndarray::Ix1>().expect("it is one of u8").assign(&(&view + 1));
/// new.clear_poison();
/// drop((old, new));
/// waves.finish();
/// team.swap(patience)?;
/// assert_eq!((team.step(), waves.current().name()), (1, "waves/odd"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AnyTeamArray {
    arrays: [AnyArray; 2],
    progress: Arc<Progress>,
}

impl AnyTeamArray {
    /// The array as it is now: see [`TeamArray::current`].
    pub fn current(&self) -> &AnyArray {
        &self.arrays[parity(self.progress.step())]
    }

    /// What this step writes.
    pub fn next(&self) -> &AnyArray {
        &self.arrays[parity(self.progress.step() + 1)]
    }

    /// Says that this rank has its block to write: until that is finished it cannot [swap](Team::swap).
    pub fn begin(&self) {
        self.progress.begin();
    }

    /// Says that this rank's block is written: it can [swap](Team::swap).
    pub fn finish(&self) {
        self.progress.finish();
    }
}

/// A rank's part of a step: its own block of the new array, to write, and the whole old one.
///
/// Dropped before it is [finished](Self::finish), it leaves the block poisoned, and the rank can [take it](Team::block) again.
///
/// # Examples
/// ```
/// use ndarray::Ix2;
/// use sharray::Team;
/// use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let patience = Duration::from_secs(5);
/// let team = Team::builder().directory(&place).join("sim", 0, 1)?;
/// let field = team.array::<f64, Ix2>("field", [100, 3], patience, |field| field.fill(1.0))?;
///
/// let mut block = team.block(&field)?;
/// assert_eq!(block.rows(), 0..100);
/// let (old, new) = block.views();
/// new.assign(old);
/// new.row_mut(0).fill(0.0);
/// block.finish();
/// team.swap(patience)?;
/// assert_eq!(field.current().read()?.sum(), 297.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a block that is not finished cannot be swapped"]
pub struct Block<'a, T, D = IxDyn> {
    old: ReadGuard<'a, T, D>,
    new: WriteGuard<'a, T, D>,
    progress: &'a Progress,
    is_finished: bool,
}

impl<T: Element, D: Dimension> Block<'_, T, D> {
    /// Which rows of the array are this rank's.
    pub fn rows(&self) -> Range<usize> {
        self.new.rows()
    }

    /// The whole old array, and this rank's rows of the new one, in which row 0 is the first of [`rows`](Self::rows).
    ///
    /// Old rows have their numbers in the array, those of other ranks included. New ones hold what was there two steps ago:
    /// all of them are to be written.
    pub fn views(&mut self) -> (&ArrayRef<T, D>, &mut ArrayRef<T, D>) {
        (&self.old, &mut self.new)
    }

    /// Says that the block is written: this rank can [swap](Team::swap).
    pub fn finish(mut self) {
        if self.new.is_poisoned() {
            self.new.clear_poison();
        }
        self.progress.finish();
        self.is_finished = true;
    }
}

impl<T, D> fmt::Debug for Block<'_, T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("step", &self.progress.step()).finish_non_exhaustive()
    }
}

impl<T, D> Drop for Block<'_, T, D> {
    fn drop(&mut self) {
        if !self.is_finished {
            self.new.fail();
        }
    }
}

impl Team {
    /// Opens an array that the team steps, or creates it, filled by rank 0's `fill` from zeros. All ranks make this call, in
    /// the same order for each of their arrays.
    ///
    /// An array that is there goes on where it stands: [`step`](Self::step) tells. So a rank that was started again, or a whole
    /// team, does what it did the first time. For a new beginning unlink it, and `TEAM.steps` beside the team.
    ///
    /// After a [`reset`](Self::reset) arrays are opened anew.
    ///
    /// # Errors
    /// Those of [`barrier`](Self::barrier); [`Error::Mismatch`] if it is there with another dtype, shape, or number of ranks;
    /// [`Error::InvalidArgument`] if it has fewer rows than the team has ranks; and those of
    /// [`SharedArray::open`]. If rank 0 has one of these, the others wait until it has left.
    pub fn array<'p, T: Element, D: Dimension>(
        &self,
        name: &str,
        shape: impl IntoDimension<Dim = D>,
        patience: impl Into<Patience<'p>>,
        fill: impl FnOnce(&mut ArrayRef<T, D>),
    ) -> Result<TeamArray<T, D>> {
        let shape = shape.into_dimension();
        check_alignment::<T>()?;
        let fill = |guard: &mut AnyWriteGuard<'_>| {
            let view = guard.view_mut::<T, D>();
            fill(&mut view.ok_or_else(|| Error::corrupt(name, "it is not what was made"))?);
            Ok(())
        };
        let AnyTeamArray { arrays: [even, odd], progress } =
            self.any_array(name, &T::dtype(), shape.slice(), patience, fill)?;
        Ok(TeamArray { arrays: [SharedArray::new(even)?, SharedArray::new(odd)?], progress })
    }

    /// Opens an array that the team steps, or creates it, as [`array`](Self::array) does, with a dtype known at run time. If
    /// rank 0's `fill` fails no array is created.
    ///
    /// # Errors
    /// As for [`array`](Self::array), and those of `fill`.
    pub fn any_array<'p>(
        &self,
        name: &str,
        dtype: &DType,
        shape: &[usize],
        patience: impl Into<Patience<'p>>,
        fill: impl FnOnce(&mut AnyWriteGuard<'_>) -> Result<()>,
    ) -> Result<AnyTeamArray> {
        // Rank 0 goes ahead: what does not fit it finds before the others. No lock is held: `fill` may open other arrays.
        if self.rank() > 0 {
            self.barrier(patience)?;
            self.find_step(Record::attach)?;
            return self.opened(name, self.attach_pair(name, dtype, shape)?);
        }
        self.find_step(Record::open)?;
        self.create_pair(name, dtype, shape, fill)?;
        let arrays = self.attach_pair(name, dtype, shape)?;
        self.barrier(patience)?;
        self.opened(name, arrays)
    }

    /// One more array that this rank has to step.
    fn opened(&self, name: &str, arrays: [AnyArray; 2]) -> Result<AnyTeamArray> {
        let mut steps = self.lock_steps()?;
        let progress = steps.as_mut().ok_or_else(|| self.nothing_open())?.add(name);
        Ok(AnyTeamArray { arrays, progress })
    }

    fn nothing_open(&self) -> Error {
        Error::invalid(self.name(), "the team has no array open")
    }

    /// Finds where the team is, unless this rank knows: the record tells it, which nobody writes now.
    fn find_step(&self, record: impl FnOnce(&Directory, &str, u32, u32) -> Result<Record>) -> Result<()> {
        let mut steps = self.lock_steps()?;
        if steps.is_none() {
            let record = record(&self.place, self.name(), self.rank(), self.size())?;
            *steps = Some(self.steps.begin(record)?);
        }
        Ok(())
    }

    /// Makes what is missing of the two arrays. The one that is filled comes last: if it is there, both are.
    fn create_pair(
        &self,
        name: &str,
        dtype: &DType,
        shape: &[usize],
        fill: impl FnOnce(&mut AnyWriteGuard<'_>) -> Result<()>,
    ) -> Result<()> {
        let names = [format!("{name}/even"), format!("{name}/odd")];
        let (current, next) = (parity(self.step()), parity(self.step() + 1));
        let size = self.size() as usize;
        let builder = AnyArray::builder().directory(&self.place).participants(participants(size)).blocks(size);
        let made = builder.create(&names[next], dtype, shape);
        let is_new = made.is_ok();
        ignore_present(made)?;
        let filled = ignore_present(builder.create_with(&names[current], dtype, shape, fill));
        if filled.is_err() && is_new {
            // It would stand in the way of an array of another form.
            _ = self.place.unlink(&names[next]);
        }
        filled
    }

    fn attach_pair(&self, name: &str, dtype: &DType, shape: &[usize]) -> Result<[AnyArray; 2]> {
        let attach = |which: &str| {
            let array = AnyArray::builder().directory(&self.place).attach(&format!("{name}/{which}"))?;
            check_blocks(&array, self.size() as usize)?;
            let form = |dtype, shape| format!("an array of {dtype} of shape {shape:?}");
            let fits = array.dtype() == dtype && array.shape() == shape;
            refuse_unless(&array, fits, || (form(dtype, shape), form(array.dtype(), array.shape())))?;
            Ok(array)
        };
        Ok([attach("even")?, attach("odd")?])
    }

    /// How many steps the team has made, as far as this rank knows. Zero before it has opened an array.
    pub fn step(&self) -> u64 {
        self.steps.step()
    }

    /// This rank's part of the step: leases its block of the new array for writing, and the whole old one for reading.
    ///
    /// It waits for no other rank, since none writes the old array in this step or touches this block: only for somebody outside
    /// the team who reads what is to be written. Costs what the two leases cost.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the array is another team's, or was opened before the last reset;
    /// [`Error::WouldDeadlock`] if this thread holds the block already; and those of [`SharedArray::read`].
    pub fn block<'a, T: Element, D: Dimension>(&self, array: &'a TeamArray<T, D>) -> Result<Block<'a, T, D>> {
        self.check_open(array.current(), &array.progress)?;
        let old = array.current().read()?;
        let new = array.next().write_block(self.rank() as usize)?;
        array.progress.begin();
        Ok(Block { old, new, progress: &array.progress, is_finished: false })
    }

    /// Refuses an array that this rank cannot step.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if it is another team's, or was opened before the last reset.
    pub fn check_any_array(&self, array: &AnyTeamArray) -> Result<()> {
        self.check_open(array.current(), &array.progress)
    }

    fn check_open(&self, array: &AnyArray, progress: &Arc<Progress>) -> Result<()> {
        if self.lock_steps()?.as_ref().is_some_and(|open| open.has(progress)) {
            return Ok(());
        }
        let reason = format!("it is not open in team {:?}, or was opened before a reset", self.name());
        Err(Error::invalid(array.name(), reason))
    }

    /// Ends the step: waits until all ranks have written their blocks of all arrays, and makes the new arrays the old ones.
    ///
    /// Costs a [`barrier`](Self::barrier), and the write of one item that says how far the team is.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if this rank has not [finished](Block::finish) its block of one of the arrays that it has open,
    /// or has none; and those of [`barrier`](Self::barrier). Then the team is where it was, for every rank that goes on.
    pub fn swap<'p>(&self, patience: impl Into<Patience<'p>>) -> Result<()> {
        let mut steps = self.lock_steps()?;
        let open = steps.as_mut().ok_or_else(|| self.nothing_open())?;
        open.check_finished()?;
        self.barrier(patience)?;
        open.advance()
    }
}

fn parity(step: u64) -> usize {
    (step % 2) as usize
}

/// Room for the ranks, for those who take their places before it is known that they died, and for some who look on.
pub(super) fn participants(size: usize) -> u32 {
    (2 * size as u32 + 16).min(MAX_PARTICIPANTS)
}

fn ignore_present<R>(made: Result<R>) -> Result<()> {
    match made {
        Ok(_) | Err(Error::AlreadyExists { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Refuses an array that was made for another number of ranks.
pub(super) fn check_blocks(array: &AnyArray, blocks: usize) -> Result<()> {
    let of = |blocks| format!("an array of {blocks} blocks");
    refuse_unless(array, array.blocks() == blocks, || (of(blocks), of(array.blocks())))
}

fn refuse_unless(array: &AnyArray, fits: bool, describe: impl FnOnce() -> (String, String)) -> Result<()> {
    if fits {
        return Ok(());
    }
    let (expected, found) = describe();
    Err(Error::Mismatch { name: array.name().to_owned(), expected, found })
}
