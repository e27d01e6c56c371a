//! Arrays in place: one array that everyone sees change.

mod any;
mod builder;
mod exchange;

pub use any::AnyArray;
pub(crate) use any::wait_changed;
pub use builder::ArrayBuilder;

use crate::element::Element;
use crate::error::{Error, Result};
use crate::guard::{Items, ReadGuard, WriteGuard};
use crate::segment::Part;
use crate::shape::Order;
use crate::sys::futex::deadline_ns;
use ndarray::{Array, ArrayRef, Dimension, IntoDimension, IxDyn, ShapeBuilder};
use std::ops::{Deref, Range};
use std::time::Duration;

/// One array of `T` that any number of processes read and write in place.
///
/// A write is exclusive, reads are shared, and a reader never sees half a write. The lock is in the array's own file and
/// robust: if a writer is killed, the next one gets the array and is told that it is poisoned, and readers get
/// [`Error::Poisoned`] until somebody has put it right; if a reader is killed, writers go on. A process that is stopped
/// (SIGSTOP, a debugger) is not dead: those who need what it holds wait until it goes on.
///
/// Writers go first: a reader that comes while a writer waits comes after it. Whoever has waited for a millisecond is
/// let in before newcomers.
///
/// An array may be divided along its first axis into [blocks](ArrayBuilder::blocks), each with a lock of its own. A thread takes
/// the blocks of one array in rising order. It may read again what it reads already: that adds a guard to the lease it has,
/// and each of them keeps all that was leased. Whatever else would be waiting for itself is [`Error::WouldDeadlock`].
///
/// On a file that it may only read, a handle reads consistent copies, and writes nothing at all.
///
/// It dereferences to [`AnyArray`], which knows its name, dtype, shape and sequence. A handle can be shared by threads.
///
/// # Examples
/// ```
/// use ndarray::{Array2, Ix2, s};
/// use sharray::SharedArray;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
///
/// let field = SharedArray::<f64, Ix2>::builder().directory(&place).create("sim/field", [100, 100])?;
/// field.write()?.slice_mut(s![10..15, 10..15]).fill(5.5);
///
/// // In another process:
/// let field = SharedArray::<f64, Ix2>::builder().directory(&place).attach("sim/field")?;
/// assert_eq!(field.read()?.sum(), 137.5);
/// let copy: Array2<f64> = field.snapshot()?;
/// assert_eq!(copy[[12, 12]], 5.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SharedArray<T, D = IxDyn> {
    any: AnyArray,
    items: Items<T, D>,
}

impl<T: Element, D: Dimension> SharedArray<T, D> {
    /// Options for a new array, or for attaching to one.
    pub fn builder() -> ArrayBuilder<Self> {
        ArrayBuilder::new()
    }

    /// Creates an array in the default place, all zero. Its memory is reserved before its name appears.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if the name is taken; [`Error::InvalidName`], [`Error::NoSpace`],
    /// [`Error::ShapeOverflow`], [`Error::UnsupportedDtype`], [`Error::Untrusted`], [`Error::Io`].
    pub fn create(name: &str, shape: impl IntoDimension<Dim = D>) -> Result<Self> {
        Self::builder().create(name, shape)
    }

    /// Creates an array in the default place with these contents, which are there when its name appears.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    ///
    /// # Examples
    /// ```
    /// use ndarray::{Ix2, array};
    /// use sharray::SharedArray;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let matrix = array![[1.0, 2.0], [3.0, 4.0]];
    /// let shared = SharedArray::<f64, Ix2>::builder().directory(&place).create_from("matrix", &matrix)?;
    /// assert_eq!(shared.snapshot()?, matrix);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_from(name: &str, contents: &ArrayRef<T, D>) -> Result<Self> {
        Self::builder().create_from(name, contents)
    }

    /// Attaches to an array of the default place.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Mismatch`] if it is not an array in place of `T` with the dimensions of `D`;
    /// [`Error::TooManyParticipants`]; the errors of files that are not whole; [`Error::Untrusted`]; [`Error::Io`].
    ///
    /// # Examples
    /// ```
    /// use ndarray::{Ix1, Ix2};
    /// use sharray::{Error, SharedArray};
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let field = SharedArray::<f64, Ix2>::builder().directory(&place).create("field", [10, 10])?;
    ///
    /// let as_ints = SharedArray::<i32, Ix1>::builder().directory(&place).attach("field");
    /// assert!(matches!(as_ints, Err(Error::Mismatch { .. })));
    /// let missing = SharedArray::<f64, Ix2>::builder().directory(&place).attach("fields");
    /// assert!(matches!(missing, Err(Error::NotFound { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn attach(name: &str) -> Result<Self> {
        Self::builder().attach(name)
    }

    /// Attaches to an array of this shape if it is there, or else creates it, all zero.
    ///
    /// # Errors
    /// Those of [`attach`](Self::attach), but for `NotFound`, and of [`create`](Self::create), but for `AlreadyExists`.
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix2;
    /// use sharray::SharedArray;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// // Whoever comes first creates it; the other one finds it.
    /// let builder = SharedArray::<f64, Ix2>::builder().directory(&place);
    /// let (first, second) = (builder.open("field", [10, 10])?, builder.open("field", [10, 10])?);
    /// assert_eq!(first.generation(), second.generation());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(name: &str, shape: impl IntoDimension<Dim = D>) -> Result<Self> {
        Self::builder().open(name, shape)
    }

    pub(crate) fn new(any: AnyArray) -> Result<Self> {
        let items = Items::of(any.segment()).ok_or_else(|| any.segment().corrupt("it is not what was checked"))?;
        Ok(Self { any, items })
    }

    /// Leases the whole array for reading, in place and without a copy; waits without limit for whoever writes it.
    ///
    /// Costs two atomic additions to a word of this process's own and a look at each block; no system call unless it
    /// waits. Readers do not disturb each other.
    ///
    /// # Errors
    /// [`Error::Poisoned`] if somebody died while writing it; [`Error::WouldDeadlock`] if this thread holds some of it for
    /// writing, or some blocks but not all; [`Error::Forked`]; [`Error::Corrupt`].
    ///
    /// # Ordering
    /// Everything that was written before is visible, and this reader's last look happens before the next write.
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let field = sharray::SharedArray::<f64, Ix1>::builder().directory(&place).create("field", [100])?;
    /// let guard = field.read()?;
    /// assert_eq!((guard.sum(), guard[7], guard.len()), (0.0, 0.0, 100));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(&self) -> Result<ReadGuard<'_, T, D>> {
        self.read_until(self.whole(), u64::MAX)
    }

    /// Leases the whole array for reading; does not wait.
    ///
    /// # Errors
    /// [`Error::Locked`] if somebody writes it; and those of [`read`](Self::read), but for `WouldDeadlock`.
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// use sharray::{Error, SharedArray};
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let field = SharedArray::<f64, Ix1>::builder().directory(&place).create("field", [100])?;
    /// let other = SharedArray::<f64, Ix1>::builder().directory(&place).attach("field")?;
    /// let writing = other.write()?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         assert!(matches!(field.try_read(), Err(Error::Locked { .. })));
    ///         assert!(matches!(field.read_timeout(Duration::from_millis(2)), Err(Error::TimedOut { .. })));
    ///     });
    /// });
    /// drop(writing);
    /// assert_eq!(field.try_read()?.sum(), 0.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_read(&self) -> Result<ReadGuard<'_, T, D>> {
        self.read_until(self.whole(), 0)
    }

    /// Leases the whole array for reading; waits at most `timeout`, on the monotonic clock.
    ///
    /// # Errors
    /// [`Error::TimedOut`], or [`Error::Locked`] if `timeout` is zero; and those of [`read`](Self::read).
    pub fn read_timeout(&self, timeout: Duration) -> Result<ReadGuard<'_, T, D>> {
        self.read_until(self.whole(), deadline_ns(Some(timeout)))
    }

    /// Leases the whole array for writing; waits without limit for whoever reads or writes it.
    ///
    /// The [`sequence`](AnyArray::sequence) is odd until the guard is dropped. Costs two compare-and-swaps for each block and a look at
    /// each participant's record; no system call unless somebody waits.
    ///
    /// # Errors
    /// [`Error::ReadOnly`]; [`Error::WouldDeadlock`] if this thread holds any of it; [`Error::Forked`];
    /// [`Error::Corrupt`]. That it is poisoned is no error here: the guard says so.
    ///
    /// # Ordering
    /// As for [`read`](Self::read).
    ///
    /// # Examples
    /// ```
    /// use ndarray::{Ix2, s};
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let field = sharray::SharedArray::<f64, Ix2>::builder().directory(&place).create("field", [100, 100])?;
    /// let mut guard = field.write()?;
    /// guard[[12, 12]] = 5.5;
    /// guard.slice_mut(s![0, ..]).fill(1.0);
    /// drop(guard);                                        // the write ends here
    /// assert_eq!((field.sequence(), field.read()?.sum()), (2, 105.5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(&self) -> Result<WriteGuard<'_, T, D>> {
        self.write_until(self.whole(), u64::MAX)
    }

    /// Leases the whole array for writing; does not wait.
    ///
    /// # Errors
    /// [`Error::Locked`] if somebody reads or writes it; and those of [`write`](Self::write), but for `WouldDeadlock`.
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// use sharray::{Error, SharedArray};
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let field = SharedArray::<f64, Ix1>::builder().directory(&place).create("field", [100])?;
    /// let reading = field.read()?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         assert!(matches!(field.try_write(), Err(Error::Locked { .. })));
    ///         assert!(matches!(field.write_timeout(Duration::from_millis(2)), Err(Error::TimedOut { .. })));
    ///     });
    /// });
    /// drop(reading);
    /// field.try_write()?.fill(1.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_write(&self) -> Result<WriteGuard<'_, T, D>> {
        self.write_until(self.whole(), 0)
    }

    /// Leases the whole array for writing; waits at most `timeout`, on the monotonic clock.
    ///
    /// # Errors
    /// [`Error::TimedOut`], or [`Error::Locked`] if `timeout` is zero; and those of [`write`](Self::write).
    pub fn write_timeout(&self, timeout: Duration) -> Result<WriteGuard<'_, T, D>> {
        self.write_until(self.whole(), deadline_ns(Some(timeout)))
    }

    /// Leases one block for reading; waits without limit for whoever writes it, and for nobody else.
    ///
    /// # Errors
    /// As for [`read_blocks`](Self::read_blocks).
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix2;
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let field = sharray::SharedArray::<f64, Ix2>::builder().directory(&place).blocks(4).create("field", [100, 3])?;
    /// assert_eq!(field.read_block(3)?.rows(), 75..100);
    /// assert_eq!(field.try_read_block(0)?.shape(), [25, 3]);
    /// assert_eq!(field.read_block_timeout(1, Duration::from_secs(1))?.sum(), 0.0);
    /// assert_eq!(field.read_blocks(1..3)?.shape(), [50, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_block(&self, block: usize) -> Result<ReadGuard<'_, T, D>> {
        self.read_blocks(block..block.saturating_add(1))
    }

    /// Leases one block for reading; does not wait.
    ///
    /// # Errors
    /// [`Error::Locked`]; and those of [`read_blocks`](Self::read_blocks), but for `WouldDeadlock`.
    pub fn try_read_block(&self, block: usize) -> Result<ReadGuard<'_, T, D>> {
        self.read_until(self.part(block..block.saturating_add(1))?, 0)
    }

    /// Leases one block for reading; waits at most `timeout`.
    ///
    /// # Errors
    /// [`Error::TimedOut`], or [`Error::Locked`] if `timeout` is zero; and those of [`read_blocks`](Self::read_blocks).
    pub fn read_block_timeout(&self, block: usize, timeout: Duration) -> Result<ReadGuard<'_, T, D>> {
        self.read_until(self.part(block..block.saturating_add(1))?, deadline_ns(Some(timeout)))
    }

    /// Leases blocks in a row for reading, as one array; waits without limit for whoever writes one of them.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if there are no such blocks; [`Error::TooManyPins`] if the threads of this process hold
    /// eight other parts through this handle; [`Error::WouldDeadlock`] if this thread holds one of them for writing, some
    /// of them but not all, or a later one; and those of [`read`](Self::read).
    pub fn read_blocks(&self, blocks: Range<usize>) -> Result<ReadGuard<'_, T, D>> {
        self.read_until(self.part(blocks)?, u64::MAX)
    }

    /// Leases one block for writing; waits without limit for whoever reads or writes it, and for nobody else.
    ///
    /// # Errors
    /// As for [`write_blocks`](Self::write_blocks).
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix2;
    /// use sharray::SharedArray;
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let field = SharedArray::<f64, Ix2>::builder().directory(&place).blocks(4).create("field", [100, 3])?;
    /// // Each writes a block of its own, at the same time.
    /// std::thread::scope(|scope| {
    ///     for block in 0..4 {
    ///         let field = &field;
    ///         scope.spawn(move || field.write_block(block).map(|mut guard| guard.fill(block as f64)));
    ///     }
    /// });
    /// assert_eq!(field.read()?.sum(), 75.0 * (0.0 + 1.0 + 2.0 + 3.0));
    ///
    /// field.try_write_block(0)?.fill(1.0);
    /// field.write_block_timeout(1, Duration::from_secs(1))?.fill(1.0);
    /// field.write_blocks(2..4)?.fill(1.0);
    /// assert_eq!(field.read()?.sum(), 300.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_block(&self, block: usize) -> Result<WriteGuard<'_, T, D>> {
        self.write_blocks(block..block.saturating_add(1))
    }

    /// Leases one block for writing; does not wait.
    ///
    /// # Errors
    /// [`Error::Locked`]; and those of [`write_blocks`](Self::write_blocks), but for `WouldDeadlock`.
    pub fn try_write_block(&self, block: usize) -> Result<WriteGuard<'_, T, D>> {
        self.write_until(self.part(block..block.saturating_add(1))?, 0)
    }

    /// Leases one block for writing; waits at most `timeout`.
    ///
    /// # Errors
    /// [`Error::TimedOut`], or [`Error::Locked`] if `timeout` is zero; and those of [`write_blocks`](Self::write_blocks).
    pub fn write_block_timeout(&self, block: usize, timeout: Duration) -> Result<WriteGuard<'_, T, D>> {
        self.write_until(self.part(block..block.saturating_add(1))?, deadline_ns(Some(timeout)))
    }

    /// Leases blocks in a row for writing, as one array; waits without limit for whoever reads or writes one of them.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if there are no such blocks; [`Error::WouldDeadlock`] if this thread holds one of them,
    /// or a later one; and those of [`write`](Self::write).
    pub fn write_blocks(&self, blocks: Range<usize>) -> Result<WriteGuard<'_, T, D>> {
        self.write_until(self.part(blocks)?, u64::MAX)
    }

    /// Copies the array, consistent, into memory of this process; waits without limit until it can.
    ///
    /// It copies without a lease at first, which disturbs nobody, and takes one if writers come between too often. On a file that may
    /// only be read it copies between two writes, and so waits for ever for a writer that makes no pause as long as a copy.
    ///
    /// # Errors
    /// As for [`read`](Self::read); [`Error::Io`] if there is not so much memory.
    ///
    /// # Examples
    /// ```
    /// use ndarray::{Array1, Ix1};
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let field = sharray::SharedArray::<f64, Ix1>::builder().directory(&place).create("field", [100])?;
    /// let mut copy: Array1<f64> = field.snapshot()?;
    /// copy += 1.0;                                        // it is private
    /// assert_eq!(field.try_snapshot()?.sum(), 0.0);
    /// assert_eq!(field.snapshot_timeout(Duration::from_secs(1))?.sum(), 0.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn snapshot(&self) -> Result<Array<T, D>> {
        self.snapshot_until(u64::MAX)
    }

    /// Copies the array; does not wait.
    ///
    /// # Errors
    /// [`Error::Locked`] if somebody writes it; and those of [`snapshot`](Self::snapshot), but for `WouldDeadlock`.
    pub fn try_snapshot(&self) -> Result<Array<T, D>> {
        self.snapshot_until(0)
    }

    /// Copies the array; waits at most `timeout` until it can.
    ///
    /// # Errors
    /// [`Error::TimedOut`], or [`Error::Locked`] if `timeout` is zero; and those of [`snapshot`](Self::snapshot).
    pub fn snapshot_timeout(&self, timeout: Duration) -> Result<Array<T, D>> {
        self.snapshot_until(deadline_ns(Some(timeout)))
    }

    /// Copies the array as [`snapshot`](Self::snapshot) does, into an array that is there.
    ///
    /// In one go if `target` stands in memory as this array does. After an error it holds whatever was there or came.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `target` has another shape; and those of [`snapshot`](Self::snapshot).
    ///
    /// # Examples
    /// ```
    /// use ndarray::{Array1, Ix1};
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let field = sharray::SharedArray::<f64, Ix1>::builder().directory(&place).create("field", [100])?;
    /// let mut copy = Array1::ones(100);
    /// field.read_into(&mut copy)?;                        // takes no new memory, however often it is done
    /// assert_eq!(copy.sum(), 0.0);
    /// field.try_read_into(&mut copy)?;
    /// field.read_into_timeout(&mut copy, Duration::from_secs(1))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_into(&self, target: &mut ArrayRef<T, D>) -> Result<()> {
        self.read_into_until(target, u64::MAX)
    }

    /// The same; does not wait.
    ///
    /// # Errors
    /// [`Error::Locked`] if somebody writes the array; and those of [`read_into`](Self::read_into), but for `WouldDeadlock`.
    pub fn try_read_into(&self, target: &mut ArrayRef<T, D>) -> Result<()> {
        self.read_into_until(target, 0)
    }

    /// The same; waits at most `timeout` until it can.
    ///
    /// # Errors
    /// [`Error::TimedOut`], or [`Error::Locked`] if `timeout` is zero; and those of [`read_into`](Self::read_into).
    pub fn read_into_timeout(&self, target: &mut ArrayRef<T, D>, timeout: Duration) -> Result<()> {
        self.read_into_until(target, deadline_ns(Some(timeout)))
    }

    /// Waits until a write has ended after the array had the [`sequence`](AnyArray::sequence) `since`, at most
    /// `timeout`; returns the sequence it has then.
    ///
    /// It sleeps until the writer wakes it. Writes in between are not counted: it is the newest state that matters.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; [`Error::Retired`] if the array was unlinked, and so nobody new will write it;
    /// [`Error::Forked`]; [`Error::Corrupt`].
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// use sharray::SharedArray;
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let state = SharedArray::<i32, Ix1>::builder().directory(&place).create("state", [1])?;
    /// let seen = state.sequence();
    /// state.write()?[0] = 42;
    /// assert_eq!(state.wait_changed(seen, Duration::from_secs(1))?, seen + 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_changed(&self, since: u64, timeout: Duration) -> Result<u64> {
        self.any.wait_changed(since, timeout)
    }

    /// Asks the kernel to write the array to the disk, and waits until it is there, as `np.memmap.flush` does.
    ///
    /// It promises that, and no more: what had been written when it was called survives a loss of power, unless it is
    /// written over. The kernel also writes of its own accord, at any time and in any order, so if the machine stops while
    /// somebody writes, or between a write and the next flush, the disk may have some pages of the old array and some of
    /// the new, and nobody is told. Who needs the whole or nothing publishes a stream and
    /// [commits](crate::Publisher::commit) it. The last one who detaches from an array on a disk flushes it, but nobody is
    /// told if that fails. For an array in memory (`/dev/shm`) it does nothing.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk fails, and from then on [`Error::DurabilityLost`]: the system would call a second attempt a
    /// success with nothing done. [`Error::Forked`].
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// # let folder = tempfile::tempdir()?;
    /// # let disk = sharray::Directory::open(folder.path())?;
    /// let field = sharray::SharedArray::<f64, Ix1>::builder().directory(&disk).create("field", [100])?;
    /// field.write()?.fill(0.5);
    /// field.flush()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush(&self) -> Result<()> {
        self.any.flush()
    }

    fn whole(&self) -> Part {
        self.any.segment().whole()
    }

    fn part(&self, blocks: Range<usize>) -> Result<Part> {
        self.any.segment().part(blocks)
    }

    #[inline]
    fn read_until(&self, part: Part, until_ns: u64) -> Result<ReadGuard<'_, T, D>> {
        Ok(ReadGuard::new(self.any.reading(&part, until_ns)?, part, &self.items))
    }

    #[inline]
    fn write_until(&self, part: Part, until_ns: u64) -> Result<WriteGuard<'_, T, D>> {
        Ok(WriteGuard::new(self.any.writing(&part, until_ns)?, part, &self.items))
    }

    fn snapshot_until(&self, until_ns: u64) -> Result<Array<T, D>> {
        let no_memory = || Error::io("copy", self.name(), std::io::ErrorKind::OutOfMemory);
        let count = self.size_bytes() / size_of::<T>();
        let mut items: Vec<T> = bytemuck::allocation::try_zeroed_vec(count).map_err(|()| no_memory())?;
        self.any.read_bytes_until(bytemuck::cast_slice_mut(&mut items), until_ns)?;
        let shape = D::from_dimension(&IxDyn(self.shape())).map(|shape| shape.set_f(self.order() == Order::Fortran));
        let array = shape.and_then(|shape| Array::from_shape_vec(shape, items).ok());
        array.ok_or_else(|| self.any.segment().corrupt("it is not what was checked"))
    }

    fn read_into_until(&self, target: &mut ArrayRef<T, D>, until_ns: u64) -> Result<()> {
        if target.shape() != self.shape() {
            let reason =
                format!("an array of shape {:?} was given to copy into, expected {:?}", target.shape(), self.shape());
            return Err(Error::invalid(self.name(), reason));
        }
        if self.items.stand_as(target) {
            if let Some(items) = target.as_slice_memory_order_mut() {
                return self.any.read_bytes_until(bytemuck::cast_slice_mut(items), until_ns);
            }
        }
        target.assign(&self.snapshot_until(until_ns)?);
        Ok(())
    }
}

impl<T, D> Deref for SharedArray<T, D> {
    type Target = AnyArray;

    fn deref(&self) -> &AnyArray {
        &self.any
    }
}
