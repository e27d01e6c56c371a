//! A cell, dtype known at run time; the typed one is a thin cover over it.

use super::builder::CellBuilder;
use crate::array::wait_changed;
use crate::attachment::Attachment;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::guard::{Here, Role};
use crate::protocol::{lock, seqlock};
use crate::segment::{Form, Segment};
use crate::shape::Order;
use crate::sys::futex::deadline_ns;
use std::sync::Arc;
use std::time::Duration;

/// A small value whose dtype is known at run time. See [`SharedCell`](crate::SharedCell).
///
/// # Examples
/// ```
/// use sharray::{AnyCell, DType, SharedCell};
/// use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let gain = SharedCell::<f64>::builder().directory(&place).attribute("unit", "V").create("gain", 1.0)?;
///
/// let any = AnyCell::builder().directory(&place).attach("gain")?;
/// assert_eq!((any.name(), any.dtype(), any.shape()), ("gain", &DType::F64, &[][..]));
/// assert_eq!((any.size_bytes(), any.attributes()["unit"].as_str()), (8, Some("V")));
/// assert_eq!((any.order(), any.generation()), (gain.order(), gain.generation()));
/// assert!(!any.is_read_only() && !any.is_retired() && !any.is_inherited());
///
/// let seen = any.sequence();
/// any.store(&2.0_f64.to_le_bytes())?;
/// any.try_store(&3.0_f64.to_le_bytes())?;
/// any.store_timeout(&4.0_f64.to_le_bytes(), Duration::from_secs(1))?;
/// assert_eq!(any.wait_changed(seen, Duration::from_secs(1))?, seen + 3);
///
/// let mut value = [0; 8];
/// any.load_into(&mut value)?;
/// assert_eq!(f64::from_le_bytes(value), 4.0);
/// any.check_whole()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AnyCell {
    attachment: Arc<Attachment>,
}

impl AnyCell {
    /// Options for a new cell, or for attaching to one.
    pub fn builder() -> CellBuilder<Self> {
        CellBuilder::new()
    }

    pub(super) fn new(attachment: Attachment) -> Self {
        Self { attachment: attachment.share() }
    }

    /// The cell's name.
    pub fn name(&self) -> &str {
        self.attachment.name()
    }

    /// The dtype of its items.
    pub fn dtype(&self) -> &DType {
        &self.form().dtype
    }

    /// Its shape: none, for one item.
    pub fn shape(&self) -> &[usize] {
        &self.form().shape
    }

    /// How its items stand in memory.
    pub fn order(&self) -> Order {
        self.form().order
    }

    /// The bytes of its value.
    pub fn size_bytes(&self) -> usize {
        self.segment().size_bytes() as usize
    }

    /// The attributes that it was created with.
    pub fn attributes(&self) -> &serde_json::Map<String, serde_json::Value> {
        self.segment().attributes()
    }

    /// Whether it can only be loaded, because the file may only be read.
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

    /// Whether it was unlinked: those who are attached go on, nobody else can attach.
    pub fn is_retired(&self) -> bool {
        self.segment().is_retired()
    }

    /// How often it was stored; the value given at creation counts.
    pub fn sequence(&self) -> u64 {
        lock::sequence(self.segment())
    }

    /// Whether somebody cut the file short while it was used: as [`AnyArray::check_whole`](crate::AnyArray::check_whole).
    ///
    /// # Errors
    /// [`Error::Truncated`]; [`Error::Io`] if the file is long enough again, or its disk failed.
    pub fn check_whole(&self) -> Result<()> {
        self.segment().check_whole()
    }

    fn form(&self) -> &Form {
        self.segment().form()
    }

    fn segment(&self) -> &Segment {
        self.attachment.segment()
    }

    /// Copies the newest value that was stored into `target`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `target` has another length; [`Error::Truncated`] if somebody cut the file short.
    pub fn load_into(&self, target: &mut [u8]) -> Result<()> {
        self.check_len(target.len())?;
        self.load_bytes(target);
        self.check_whole()
    }

    /// The length was checked.
    #[inline]
    pub(super) fn load_bytes(&self, target: &mut [u8]) {
        // Every cell has the one block that this asks for.
        _ = seqlock::load(self.segment(), |copy| self.segment().load_copy(copy, target));
    }

    /// Takes the writer's role for one store; waits without limit if somebody has it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `value` has another length; and as [`SharedCell::store`](crate::SharedCell::store).
    pub fn store(&self, value: &[u8]) -> Result<()> {
        self.store_until(value, u64::MAX)
    }

    /// Takes the writer's role for one store; does not wait.
    ///
    /// # Errors
    /// [`Error::Locked`] if somebody has the role; and those of [`store`](Self::store).
    pub fn try_store(&self, value: &[u8]) -> Result<()> {
        self.store_until(value, 0)
    }

    /// Takes the writer's role for one store; waits for it at most `timeout`.
    ///
    /// # Errors
    /// [`Error::TimedOut`], or [`Error::Locked`] if `timeout` is zero; and those of [`store`](Self::store).
    pub fn store_timeout(&self, value: &[u8], timeout: Duration) -> Result<()> {
        self.store_until(value, deadline_ns(Some(timeout)))
    }

    #[inline]
    pub(super) fn store_until(&self, value: &[u8], until_ns: u64) -> Result<()> {
        self.check_len(value.len())?;
        self.writer_until(until_ns)?.store_bytes(value);
        self.check_whole()
    }

    /// Takes the writer's role and keeps it; waits without limit if somebody has it.
    ///
    /// # Errors
    /// As [`SharedCell::writer`](crate::SharedCell::writer).
    pub fn writer(&self) -> Result<AnyCellWriter<'_>> {
        self.writer_until(u64::MAX)
    }

    /// Takes the writer's role and keeps it; does not wait.
    ///
    /// # Errors
    /// [`Error::Locked`] if somebody has the role; and those of [`writer`](Self::writer).
    pub fn try_writer(&self) -> Result<AnyCellWriter<'_>> {
        self.writer_until(0)
    }

    /// Takes the writer's role and keeps it; waits for it at most `timeout`.
    ///
    /// # Errors
    /// [`Error::TimedOut`], or [`Error::Locked`] if `timeout` is zero; and those of [`writer`](Self::writer).
    pub fn writer_timeout(&self, timeout: Duration) -> Result<AnyCellWriter<'_>> {
        self.writer_until(deadline_ns(Some(timeout)))
    }

    /// Takes the writer's role and keeps it, with a writer that keeps the cell attached itself. `timeout` bounds the wait;
    /// of zero, it does not wait.
    ///
    /// # Errors
    /// Those of [`writer_timeout`](Self::writer_timeout) and [`try_writer`](Self::try_writer).
    pub fn writer_owned(&self, timeout: Option<Duration>) -> Result<OwnedCellWriter> {
        Ok(OwnedCellWriter { role: Role::acquire(Arc::clone(&self.attachment), deadline_ns(timeout))? })
    }

    #[inline]
    fn writer_until(&self, until_ns: u64) -> Result<AnyCellWriter<'_>> {
        Ok(AnyCellWriter { role: Role::acquire(Here::new(&self.attachment), until_ns)? })
    }

    #[inline]
    fn check_len(&self, len: usize) -> Result<()> {
        if len == self.size_bytes() {
            return Ok(());
        }
        Err(Error::invalid(self.name(), format!("a value of {len} bytes was given, expected {}", self.size_bytes())))
    }

    /// Waits until the cell was stored after it had the [`sequence`](Self::sequence) `since`, at most `timeout`; returns
    /// the sequence it has then.
    ///
    /// It sleeps until the writer wakes it; if the two just miss each other it looks again after 10 ms.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; [`Error::Retired`]; [`Error::Forked`]; [`Error::Corrupt`].
    pub fn wait_changed(&self, since: u64, timeout: Duration) -> Result<u64> {
        wait_changed(&self.attachment, since, deadline_ns(Some(timeout)))
    }
}

/// The writer of a cell whose dtype is known at run time. It stays on its thread.
///
/// # Examples
/// ```
/// use sharray::{AnyCell, DType};
/// use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let count = AnyCell::builder().directory(&place).create("count", &DType::U32, &[], &[0; 4])?;
/// let mut writer = count.writer()?;
/// writer.store(&1_u32.to_le_bytes())?;
/// writer.store(&2_u32.to_le_bytes())?;
/// drop(writer);
/// count.try_writer()?.store(&3_u32.to_le_bytes())?;
/// count.writer_timeout(Duration::from_secs(1))?.store(&4_u32.to_le_bytes())?;
/// assert_eq!(count.sequence(), 5, "the first value counts");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AnyCellWriter<'c> {
    role: Role<Here<'c>>,
}

/// The writer of a cell that keeps it attached itself: for those who cannot borrow, as bindings to other languages and
/// futures cannot. It may be sent to another thread.
///
/// # Examples
/// ```
/// use sharray::{AnyCell, DType};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let count = AnyCell::builder().directory(&place).create("count", &DType::U32, &[], &[0; 4])?;
/// let mut writer = count.writer_owned(None)?;
/// std::thread::spawn(move || writer.store(&1_u32.to_le_bytes())).join().unwrap()?;
/// assert_eq!(count.sequence(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OwnedCellWriter {
    role: Role<Arc<Attachment>>,
}

macro_rules! writer {
    ($writer:ty) => {
        impl $writer {
            /// Stores a value.
            ///
            /// # Errors
            /// [`Error::InvalidArgument`] if it has another length; [`Error::Forked`]; [`Error::Truncated`].
            pub fn store(&mut self, value: &[u8]) -> Result<()> {
                let segment = self.role.segment();
                if value.len() as u64 != segment.size_bytes() {
                    let expected = segment.size_bytes();
                    let reason = format!("a value of {} bytes was given, expected {expected}", value.len());
                    return Err(Error::invalid(segment.name(), reason));
                }
                if segment.is_inherited() {
                    return Err(Error::Forked { name: segment.name().to_owned() });
                }
                store(segment, value);
                segment.check_whole()
            }
        }
    };
}
writer!(AnyCellWriter<'_>);
writer!(OwnedCellWriter);

impl AnyCellWriter<'_> {
    /// The length was checked.
    #[inline]
    pub(super) fn store_bytes(&mut self, value: &[u8]) {
        let segment = self.role.segment();
        if !segment.is_inherited() {
            store(segment, value);
        }
    }
}

/// The caller has the writer's role.
#[inline]
fn store(segment: &Segment, value: &[u8]) {
    // Every cell has the one block that this asks for.
    _ = seqlock::store(segment, |copy| segment.copy_in(copy, 0, value));
}
