//! An array in place, dtype known at run time; the typed one is a thin cover over it.

use super::builder::ArrayBuilder;
use crate::attachment::Attachment;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::guard::{
    AnyReadGuard, AnyWriteGuard, Here, Hold, Lender, OwnedReadGuard, OwnedWriteGuard, Reading, Writing,
};
use crate::held::{self, Answer};
use crate::layout::LOCK_PARTICIPANTS;
use crate::protocol::notify::{self, Slices};
use crate::protocol::participant::Tag;
use crate::protocol::word::Word;
use crate::protocol::{World as _, lock, seqlock};
use crate::segment::{Form, Part, Segment};
use crate::shape::{self, Order};
use crate::sys::byte_lock;
use crate::sys::copy::AlignedBytes;
use crate::sys::futex::deadline_ns;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;

/// Copies without a lease that are tried before a lease is taken.
const COPIES: u32 = 4;

/// One array that everyone sees change, with a dtype known at run time. See [`SharedArray`](crate::SharedArray).
///
/// # Examples
/// ```
/// use ndarray::Ix2;
/// use sharray::{AnyArray, DType, Order};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let field = AnyArray::builder()
///     .directory(&place)
///     .blocks(2)
///     .attribute("unit", "K")
///     .create("field", &DType::parse("<f4")?, &[4, 3])?;
/// assert_eq!((field.name(), field.dtype(), field.shape()), ("field", &DType::F32, &[4, 3][..]));
/// assert_eq!((field.order(), field.strides(), field.size_bytes()), (Order::C, vec![12, 4], 48));
/// assert_eq!(field.attributes()["unit"], "K");
/// assert_eq!((field.blocks(), field.rows(1..2)?, field.blocks_of(0..3)?), (2, 2..4, 0..2));
///
/// field.write()?.view_mut::<f32, Ix2>().expect("it is one of f32").fill(0.5);
/// assert_eq!(field.read()?.view::<f32, Ix2>().expect("it is one of f32").sum(), 6.0);
/// assert_eq!(field.sequence(), 4, "two for each block");
///
/// let other = AnyArray::builder().directory(&place).attach("field")?;
/// assert_eq!(other.generation(), field.generation());
/// assert!(!other.is_read_only() && !other.is_retired() && !other.is_inherited() && !other.is_unverified());
/// other.check_whole()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AnyArray {
    attachment: Arc<Attachment>,
}

impl AnyArray {
    /// Options for a new array, or for attaching to one.
    pub fn builder() -> ArrayBuilder<Self> {
        ArrayBuilder::new()
    }

    pub(super) fn new(attachment: Attachment) -> Self {
        Self { attachment: attachment.share() }
    }

    /// The array's name.
    pub fn name(&self) -> &str {
        self.attachment.name()
    }

    /// The items' dtype.
    pub fn dtype(&self) -> &DType {
        &self.form().dtype
    }

    /// The array's shape.
    pub fn shape(&self) -> &[usize] {
        &self.form().shape
    }

    /// How the items stand in memory.
    pub fn order(&self) -> Order {
        self.form().order
    }

    /// The distance in bytes from one item to the next along each dimension.
    pub fn strides(&self) -> Vec<usize> {
        // The shape was checked: it fits.
        shape::strides_bytes(self.shape(), self.dtype().itemsize(), self.order()).unwrap_or_default()
    }

    /// The bytes of all items.
    pub fn size_bytes(&self) -> usize {
        self.segment().size_bytes() as usize
    }

    /// How many blocks it is divided into, along its first axis.
    pub fn blocks(&self) -> usize {
        self.segment().blocks() as usize
    }

    /// The rows of some blocks. They are shared out as evenly as can be, as `numpy.array_split` does.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if there are no such blocks, or none are asked for.
    pub fn rows(&self, blocks: Range<usize>) -> Result<Range<usize>> {
        Ok(self.segment().part(blocks)?.rows)
    }

    /// The blocks that some rows are in; for no rows, the one in which they would be.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if there are no such rows.
    pub fn blocks_of(&self, rows: Range<usize>) -> Result<Range<usize>> {
        self.segment().blocks_of(rows)
    }

    /// The attributes that the array was created with.
    pub fn attributes(&self) -> &serde_json::Map<String, serde_json::Value> {
        self.segment().attributes()
    }

    /// Whether it can only be copied, because the file may only be read.
    pub fn is_read_only(&self) -> bool {
        !self.segment().is_writable()
    }

    /// Whether this process inherited the handle over fork: then it has to attach anew.
    pub fn is_inherited(&self) -> bool {
        self.segment().is_inherited()
    }

    /// Which incarnation of the name this is: unlinked and created again, an array has another one.
    pub fn generation(&self) -> [u8; 16] {
        self.attachment.segment().identity().uuid
    }

    /// Whether the array was unlinked: those who are attached go on, nobody else can attach.
    pub fn is_retired(&self) -> bool {
        self.segment().is_retired()
    }

    /// Whether the array was found and not written: it was last used before the machine started, or it is a copy of a file.
    /// It stays so until the machine stops.
    ///
    /// What the kernel wrote to the disk of its own accord may be of different ages, so if the machine lost its power while
    /// somebody wrote, the items are not what any write left. An array that was closed in good order before is whole.
    pub fn is_unverified(&self) -> bool {
        Word::load(self.segment().unverified(), Relaxed) != 0
    }

    /// Where the first item is, for looking on without a lease: anybody may be writing the items at any time, and nothing
    /// keeps them consistent. It is valid while a handle or a guard of this attach lives.
    ///
    /// Reading them is a race unless it is done with atomics or outside Rust; see [`read`](Self::read) for what is not.
    ///
    /// # Examples
    /// ```
    /// use sharray::{AnyArray, DType};
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let counts = AnyArray::builder().directory(&place).create("counts", &DType::U64, &[16])?;
    /// // SAFETY: an aligned u64 of the array, which is there while `counts` lives, and which others write with atomics as well.
    /// let first = unsafe { AtomicU64::from_ptr(counts.as_ptr().cast_mut().cast()) };
    /// assert_eq!(first.load(Ordering::Relaxed), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn as_ptr(&self) -> *const u8 {
        self.segment().payload(0).unwrap_or(std::ptr::dangling_mut::<u128>().cast())
    }

    /// Whether somebody cut the file short while it was used. What this process has seen and written since is worth
    /// nothing then, and every other call says so too; this one is for asking while a guard lives. See
    /// [`survive_truncation`](crate::survive_truncation), without which nobody lives to ask.
    ///
    /// # Errors
    /// [`Error::Truncated`]; [`Error::Io`] if the file is long enough again, or its disk failed.
    pub fn check_whole(&self) -> Result<()> {
        self.segment().check_whole()
    }

    /// Two for each write that has ended, and one more while any is under way. A block that is written counts for
    /// itself; contents given at creation count as one write.
    pub fn sequence(&self) -> u64 {
        lock::sequence(self.segment())
    }

    pub(super) fn form(&self) -> &Form {
        self.segment().form()
    }

    pub(super) fn segment(&self) -> &Segment {
        self.attachment.segment()
    }

    /// Leases the whole array for reading; waits without limit.
    ///
    /// # Errors
    /// As [`SharedArray::read`](crate::SharedArray::read).
    pub fn read(&self) -> Result<AnyReadGuard<'_>> {
        self.read_until(self.segment().whole(), u64::MAX)
    }

    /// Leases the whole array for reading; does not wait.
    ///
    /// # Errors
    /// As [`SharedArray::try_read`](crate::SharedArray::try_read).
    pub fn try_read(&self) -> Result<AnyReadGuard<'_>> {
        self.read_until(self.segment().whole(), 0)
    }

    /// Leases the whole array for reading; waits at most `timeout`.
    ///
    /// # Errors
    /// As [`SharedArray::read_timeout`](crate::SharedArray::read_timeout).
    pub fn read_timeout(&self, timeout: Duration) -> Result<AnyReadGuard<'_>> {
        self.read_until(self.segment().whole(), deadline_ns(Some(timeout)))
    }

    /// Leases some blocks for reading; waits without limit. `timeout` bounds the wait; of zero, it does not wait.
    ///
    /// # Errors
    /// As [`SharedArray::read_blocks`](crate::SharedArray::read_blocks).
    ///
    /// # Examples
    /// ```
    /// use sharray::{AnyArray, DType};
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let field = AnyArray::builder().directory(&place).blocks(4).create("field", &DType::F64, &[100, 3])?;
    /// field.write_blocks(0..2, None)?.clear_poison();
    /// assert_eq!(field.read_blocks(1..3, Some(Duration::from_secs(1)))?.rows(), 25..75);
    ///
    /// let at_once = Some(Duration::ZERO);
    /// assert_eq!(field.read_blocks(3..4, at_once)?.shape(), [25, 3]);
    /// assert_eq!(field.try_read()?.rows(), 0..100);
    /// assert_eq!(field.read_timeout(Duration::from_secs(1))?.rows(), 0..100);
    /// assert_eq!(field.try_write()?.rows(), 0..100);
    /// assert_eq!(field.write_timeout(Duration::from_secs(1))?.rows(), 0..100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_blocks(&self, blocks: Range<usize>, timeout: Option<Duration>) -> Result<AnyReadGuard<'_>> {
        self.read_until(self.segment().part(blocks)?, deadline_ns(timeout))
    }

    /// Leases the whole array for writing; waits without limit.
    ///
    /// # Errors
    /// As [`SharedArray::write`](crate::SharedArray::write).
    pub fn write(&self) -> Result<AnyWriteGuard<'_>> {
        self.write_until(self.segment().whole(), u64::MAX)
    }

    /// Leases the whole array for writing; does not wait.
    ///
    /// # Errors
    /// As [`SharedArray::try_write`](crate::SharedArray::try_write).
    pub fn try_write(&self) -> Result<AnyWriteGuard<'_>> {
        self.write_until(self.segment().whole(), 0)
    }

    /// Leases the whole array for writing; waits at most `timeout`.
    ///
    /// # Errors
    /// As [`SharedArray::write_timeout`](crate::SharedArray::write_timeout).
    pub fn write_timeout(&self, timeout: Duration) -> Result<AnyWriteGuard<'_>> {
        self.write_until(self.segment().whole(), deadline_ns(Some(timeout)))
    }

    /// Leases some blocks for writing; waits without limit. `timeout` bounds the wait; of zero, it does not wait.
    ///
    /// # Errors
    /// As [`SharedArray::write_blocks`](crate::SharedArray::write_blocks).
    pub fn write_blocks(&self, blocks: Range<usize>, timeout: Option<Duration>) -> Result<AnyWriteGuard<'_>> {
        self.write_until(self.segment().part(blocks)?, deadline_ns(timeout))
    }

    /// Leases some blocks for reading, with a guard that keeps the array attached itself and may end on another thread.
    /// `timeout` bounds the wait; of zero, it does not wait.
    ///
    /// # Errors
    /// As [`SharedArray::read_blocks`](crate::SharedArray::read_blocks).
    ///
    /// # Examples
    /// ```
    /// use sharray::{AnyArray, DType};
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let field = AnyArray::builder().directory(&place).blocks(2).create("field", &DType::F64, &[100])?;
    /// let (first, second) = (field.read_owned(0..1, None)?, field.write_owned(1..2, None)?);
    /// drop(field);
    /// std::thread::spawn(move || drop(second)).join().unwrap();
    /// assert_eq!(first.rows(), 0..50);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_owned(&self, blocks: Range<usize>, timeout: Option<Duration>) -> Result<OwnedReadGuard> {
        let part = self.segment().part(blocks)?;
        let lease = self.lease(Arc::clone(&self.attachment), &part, deadline_ns(timeout))?;
        Ok(OwnedReadGuard::new(part, lease))
    }

    /// Leases some blocks for writing, with a guard that keeps the array attached itself and may end on another thread.
    /// `timeout` bounds the wait; of zero, it does not wait.
    ///
    /// # Errors
    /// As [`SharedArray::write_blocks`](crate::SharedArray::write_blocks).
    pub fn write_owned(&self, blocks: Range<usize>, timeout: Option<Duration>) -> Result<OwnedWriteGuard> {
        let part = self.segment().part(blocks)?;
        let lease = Writing::acquire(Arc::clone(&self.attachment), part.span, deadline_ns(timeout))?;
        Ok(OwnedWriteGuard::new(part, lease))
    }

    fn read_until(&self, part: Part, until_ns: u64) -> Result<AnyReadGuard<'_>> {
        let lease = self.reading(&part, until_ns)?;
        Ok(AnyReadGuard::new(part, lease))
    }

    fn write_until(&self, part: Part, until_ns: u64) -> Result<AnyWriteGuard<'_>> {
        let lease = self.writing(&part, until_ns)?;
        Ok(AnyWriteGuard::new(part, lease))
    }

    #[inline]
    pub(super) fn reading(&self, part: &Part, until_ns: u64) -> Result<Reading<Here<'_>>> {
        self.lease(Here::new(&self.attachment), part, until_ns)
    }

    #[inline]
    pub(super) fn writing(&self, part: &Part, until_ns: u64) -> Result<Writing<Here<'_>>> {
        Writing::acquire(Here::new(&self.attachment), part.span, until_ns)
    }

    /// A lease on a part, or, on a file that may only be read, a copy of it.
    #[inline]
    fn lease<L: Lender>(&self, lender: L, part: &Part, until_ns: u64) -> Result<Reading<L>> {
        if self.segment().is_writable() {
            return Hold::acquire(lender, part.span, until_ns).map(Reading::Hold);
        }
        let (copy, offset) = self.copy_of(part, until_ns)?;
        Ok(Reading::Copy(lender, copy, offset))
    }

    /// A copy of a part, and where in it the part starts.
    #[cold]
    fn copy_of(&self, part: &Part, until_ns: u64) -> Result<(AlignedBytes, usize)> {
        let range = self.segment().bytes_of(part);
        let no_memory = || Error::io("copy", self.name(), std::io::ErrorKind::OutOfMemory);
        let mut copy = AlignedBytes::zeroed(range.len() as u64).ok_or_else(no_memory)?;
        let words: &mut [u8] = bytemuck::cast_slice_mut(copy.words_mut(range.len() as u64));
        // The rest of the last word belongs to the next block.
        let target = words.get_mut(..range.len()).unwrap_or_default();
        self.copy_until(part, target, until_ns)?;
        Ok((copy, part.offset - range.start))
    }

    /// Copies the whole array, consistent, into `target`; waits without limit until it can.
    ///
    /// The items stand in [`order`](Self::order). After an error `target` holds whatever was there or came.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `target` has another length; and as
    /// [`SharedArray::snapshot`](crate::SharedArray::snapshot).
    ///
    /// # Examples
    /// ```
    /// use sharray::{AnyArray, DType};
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let field = AnyArray::builder().directory(&place).create("field", &DType::U16, &[2, 3])?;
    /// let mut bytes = [1; 12];
    /// field.read_into(&mut bytes)?;
    /// assert_eq!(bytes, [0; 12]);
    /// field.try_read_into(&mut bytes)?;
    /// field.read_into_timeout(&mut bytes, Duration::from_secs(1))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_into(&self, target: &mut [u8]) -> Result<()> {
        self.read_bytes_until(target, u64::MAX)
    }

    /// The same; does not wait.
    ///
    /// # Errors
    /// [`Error::Locked`]; and as [`read_into`](Self::read_into).
    pub fn try_read_into(&self, target: &mut [u8]) -> Result<()> {
        self.read_bytes_until(target, 0)
    }

    /// The same; waits at most `timeout`.
    ///
    /// # Errors
    /// [`Error::TimedOut`], or [`Error::Locked`] if `timeout` is zero; and as [`read_into`](Self::read_into).
    pub fn read_into_timeout(&self, target: &mut [u8], timeout: Duration) -> Result<()> {
        self.read_bytes_until(target, deadline_ns(Some(timeout)))
    }

    pub(super) fn read_bytes_until(&self, target: &mut [u8], until_ns: u64) -> Result<()> {
        if target.len() != self.size_bytes() {
            let reason = format!("{} bytes were given to copy into, expected {}", target.len(), self.size_bytes());
            return Err(Error::invalid(self.name(), reason));
        }
        self.copy_until(&self.segment().whole(), target, until_ns)
    }

    /// Copies the bytes that hold a part: without a lease as long as that goes well, else under one, if the file may be
    /// written, or between two writes.
    fn copy_until(&self, part: &Part, target: &mut [u8], until_ns: u64) -> Result<()> {
        self.attachment.enter()?;
        for _ in 0..COPIES {
            if self.try_copy(part, target)? {
                return Ok(());
            }
        }
        let segment = self.segment();
        if segment.is_writable() {
            let _hold = Hold::acquire(Here::new(&self.attachment), part.span, until_ns)?;
            let whole = segment.copy_out(0, segment.bytes_of(part).start as u64, target, &|| true);
            return self.attachment.believe(whole.ok_or_else(|| segment.corrupt("it has no payload")));
        }
        if let (Answer::Deadlock(reason), true) = (held::ask(&self.attachment, part.span, true), until_ns > 0) {
            return Err(Error::WouldDeadlock { name: self.name().to_owned(), reason });
        }
        let look = |looks_around: bool| match self.try_copy(part, target) {
            Ok(true) => ControlFlow::Break(Ok(())),
            Ok(false) if looks_around => match self.dead_writer(part) {
                Some(block) => ControlFlow::Break(Err(Error::Poisoned { name: self.name().to_owned(), block })),
                None => ControlFlow::Continue(()),
            },
            Ok(false) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Err(error)),
        };
        let not_in_time = || match until_ns {
            0 => Error::Locked { name: self.name().to_owned(), holders: self.attachment.lock_holders(part.span) },
            _ => Error::TimedOut { name: self.name().to_owned() },
        };
        notify::wait(segment, segment.notify(), until_ns, Slices::LOOK, look).unwrap_or_else(|| Err(not_in_time()))
    }

    /// Copies without a lease; `false` if somebody wrote meanwhile.
    fn try_copy(&self, part: &Part, target: &mut [u8]) -> Result<bool> {
        let segment = self.segment();
        let start = segment.bytes_of(part).start as u64;
        let copied = seqlock::try_copy(segment, part.span, |is_of_use| segment.copy_out(0, start, target, is_of_use));
        match self.attachment.believe(copied.map_err(|fault| self.attachment.explain(fault)))? {
            Some(Some(())) => Ok(true),
            Some(None) => Err(segment.corrupt("it has no payload")),
            None => Ok(false),
        }
    }

    /// A block whose writer died in the middle. An onlooker may not recover, but it may ask the kernel.
    fn dead_writer(&self, part: &Part) -> Option<u32> {
        let segment = self.segment();
        part.span.blocks().find(|block| {
            let Some(block) = segment.block(*block) else { return false };
            let seq = Word::load(block.seq, Relaxed);
            if seq % 2 == 0 {
                return false;
            }
            // While `seq` stays odd the word names who writes; were it looked at alone, it could be free before the
            // write and free again after it.
            Segment::fence(Acquire);
            let owner = Tag::from_bits(Word::load(block.wr, Relaxed));
            Segment::fence(Acquire);
            // A word that names an earlier owner of a record names nobody, whoever has the record now.
            let is_here = |index| {
                segment.record(index).is_some_and(|record| owner.is_of(index, Word::load(record.state, Relaxed)))
            };
            let is_held = owner.participant().filter(|index| is_here(*index)).is_some_and(|index| {
                byte_lock::is_held(segment.lock_file(), LOCK_PARTICIPANTS + i64::from(index)).unwrap_or(true)
            });
            Segment::fence(Acquire);
            !is_held && Word::load(block.seq, Relaxed) == seq
        })
    }

    /// Waits until a write has ended after the array had the sequence `since`, at most `timeout`; returns the sequence.
    ///
    /// # Errors
    /// As [`SharedArray::wait_changed`](crate::SharedArray::wait_changed).
    ///
    /// # Examples
    /// ```
    /// use sharray::{AnyArray, DType};
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let state = AnyArray::builder().directory(&place).create("state", &DType::U8, &[4])?;
    /// let seen = state.sequence();
    /// state.write()?.clear_poison();
    /// assert_eq!(state.wait_changed(seen, Duration::from_secs(1))?, seen + 2);
    /// state.flush()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_changed(&self, since: u64, timeout: Duration) -> Result<u64> {
        wait_changed(&self.attachment, since, deadline_ns(Some(timeout)))
    }

    /// Asks the kernel to write the array to the disk, and waits until it is there.
    ///
    /// # Errors
    /// As [`SharedArray::flush`](crate::SharedArray::flush).
    pub fn flush(&self) -> Result<()> {
        self.attachment.enter()?;
        self.segment().flush()
    }
}

/// Waits until a write has ended, or a cell was stored, after `since`.
pub(crate) fn wait_changed(attachment: &Attachment, since: u64, until_ns: u64) -> Result<u64> {
    attachment.enter()?;
    let segment = attachment.segment();
    let under_way = u64::from(!segment.is_cell());
    let check = |look: bool| {
        if look && segment.is_writable() {
            if let Err(fault) = lock::recover_writers(segment) {
                return ControlFlow::Break(Err(attachment.explain(fault)));
            }
        }
        let now = if segment.is_writable() { lock::latest_sequence(segment) } else { lock::sequence(segment) };
        if let Err(error) = segment.check_whole() {
            return ControlFlow::Break(Err(error));
        }
        if now & !under_way > since {
            return ControlFlow::Break(Ok(now));
        }
        let is_retired = Word::load(segment.retired(), Relaxed) != 0 || (look && segment.is_retired());
        let retired = || Error::Retired { name: attachment.name().to_owned() };
        if is_retired { ControlFlow::Break(Err(retired())) } else { ControlFlow::Continue(()) }
    };
    let slices = if segment.is_writable() { Slices::CHANGE } else { Slices::LOOK };
    notify::wait(segment, segment.notify(), until_ns, slices, check)
        .unwrap_or_else(|| Err(Error::TimedOut { name: attachment.name().to_owned() }))
}
