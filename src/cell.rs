//! Cells: small values that are read and written in nanoseconds.

mod any;
mod builder;

pub use any::{AnyCell, AnyCellWriter, OwnedCellWriter};
pub use builder::CellBuilder;

use crate::element::Element;
use crate::error::Result;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

/// A small value that any number of processes read, and one at a time writes; no reader ever waits for a writer.
///
/// The file holds two copies of the value. A writer fills the one that readers are not sent to, and then sends them
/// there. So a reader finds a whole value at any time, in the time of copying it, and a writer that is stopped or killed
/// leaves the old value.
///
/// The writer's role can be kept ([`writer`](Self::writer)) or taken for one store ([`store`](Self::store)). It is freed when its
/// process dies.
///
/// It dereferences to [`AnyCell`], which knows its name, dtype and sequence. A handle can be shared by threads.
///
/// # Examples
/// ```
/// use sharray::{Element, SharedCell};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
///
/// #[derive(Clone, Copy, Debug, Default, PartialEq, Element)]
/// #[repr(C)]
/// struct Pose {
///     position: [f64; 3],
///     angle: f64,
/// }
///
/// let pose = SharedCell::<Pose>::builder().directory(&place).create("robot/pose", Pose::default())?;
/// let mut writer = pose.writer()?;
/// writer.store(Pose { position: [1.0, 2.0, 0.0], angle: 0.5 });
///
/// // In another process:
/// let pose = SharedCell::<Pose>::builder().directory(&place).attach("robot/pose")?;
/// assert_eq!(pose.load().position, [1.0, 2.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SharedCell<T> {
    any: AnyCell,
    item: PhantomData<fn() -> T>,
}

impl<T: Element> SharedCell<T> {
    /// Options for a new cell, or for attaching to one.
    pub fn builder() -> CellBuilder<Self> {
        CellBuilder::new()
    }

    /// Creates a cell in the default place that holds `value`.
    ///
    /// # Errors
    /// As for [`SharedArray::create`](crate::SharedArray::create).
    pub fn create(name: &str, value: T) -> Result<Self> {
        Self::builder().create(name, value)
    }

    /// Attaches to a cell of the default place.
    ///
    /// # Errors
    /// As for [`SharedArray::attach`](crate::SharedArray::attach).
    pub fn attach(name: &str) -> Result<Self> {
        Self::builder().attach(name)
    }

    /// Attaches to a cell if it is there, or else creates it with `value`.
    ///
    /// # Errors
    /// As for [`SharedArray::open`](crate::SharedArray::open).
    pub fn open(name: &str, value: T) -> Result<Self> {
        Self::builder().open(name, value)
    }

    fn new(any: AnyCell) -> Self {
        Self { any, item: PhantomData }
    }

    /// The newest value that was stored.
    ///
    /// It never waits for a writer: it copies once more only if one stored a value in the time of the copy. Works in a forked
    /// child too. If somebody cut the file short and this process [survives](crate::survive_truncation) that, it is zeros, and
    /// [`check_whole`](AnyCell::check_whole) says so.
    ///
    /// # Ordering
    /// What its writer did before storing it is visible.
    #[inline]
    pub fn load(&self) -> T {
        let mut value = T::zeroed();
        self.any.load_bytes(bytemuck::bytes_of_mut(&mut value));
        value
    }

    /// Takes the writer's role for one store; waits without limit if somebody has it.
    ///
    /// # Errors
    /// [`ReadOnly`](crate::Error::ReadOnly); [`WouldDeadlock`](crate::Error::WouldDeadlock) if this thread keeps the role;
    /// [`Forked`](crate::Error::Forked); [`Corrupt`](crate::Error::Corrupt).
    ///
    /// # Examples
    /// ```
    /// use sharray::SharedCell;
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let gain = SharedCell::<f64>::builder().directory(&place).create("gain", 1.0)?;
    /// gain.store(2.0)?;
    /// gain.try_store(3.0)?;
    /// gain.store_timeout(4.0, Duration::from_secs(1))?;
    /// assert_eq!((gain.load(), gain.sequence()), (4.0, 4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn store(&self, value: T) -> Result<()> {
        self.any.store_until(bytemuck::bytes_of(&value), u64::MAX)
    }

    /// Takes the writer's role for one store; does not wait.
    ///
    /// # Errors
    /// [`Locked`](crate::Error::Locked) if somebody has the role; and those of [`store`](Self::store).
    pub fn try_store(&self, value: T) -> Result<()> {
        self.any.try_store(bytemuck::bytes_of(&value))
    }

    /// Takes the writer's role for one store; waits for it at most `timeout`.
    ///
    /// # Errors
    /// [`TimedOut`](crate::Error::TimedOut), or [`Locked`](crate::Error::Locked) if `timeout` is zero; and those of
    /// [`store`](Self::store).
    pub fn store_timeout(&self, value: T, timeout: Duration) -> Result<()> {
        self.any.store_timeout(bytemuck::bytes_of(&value), timeout)
    }

    /// Takes the writer's role and keeps it; waits without limit if somebody has it.
    ///
    /// # Errors
    /// As for [`store`](Self::store).
    ///
    /// # Examples
    /// ```
    /// use sharray::{Error, SharedCell};
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let gain = SharedCell::<f64>::builder().directory(&place).open("gain", 1.0)?;
    /// let other = SharedCell::<f64>::builder().directory(&place).attach("gain")?;
    /// let mut writer = gain.writer()?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         assert!(matches!(other.try_writer(), Err(Error::Locked { .. })));
    ///         assert!(matches!(other.writer_timeout(Duration::from_millis(2)), Err(Error::TimedOut { .. })));
    ///     });
    /// });
    /// writer.store(2.0);
    /// assert_eq!(other.load(), 2.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn writer(&self) -> Result<CellWriter<'_, T>> {
        Ok(CellWriter { any: self.any.writer()?, item: PhantomData })
    }

    /// Takes the writer's role and keeps it; does not wait.
    ///
    /// # Errors
    /// As for [`try_store`](Self::try_store).
    pub fn try_writer(&self) -> Result<CellWriter<'_, T>> {
        Ok(CellWriter { any: self.any.try_writer()?, item: PhantomData })
    }

    /// Takes the writer's role and keeps it; waits for it at most `timeout`.
    ///
    /// # Errors
    /// As for [`store_timeout`](Self::store_timeout).
    pub fn writer_timeout(&self, timeout: Duration) -> Result<CellWriter<'_, T>> {
        Ok(CellWriter { any: self.any.writer_timeout(timeout)?, item: PhantomData })
    }
}

impl<T> Deref for SharedCell<T> {
    type Target = AnyCell;

    fn deref(&self) -> &AnyCell {
        &self.any
    }
}

/// The writer of a cell: nobody else stores while it lives. It stays on its thread.
///
/// ```compile_fail,E0277
/// # fn pose() -> sharray::SharedCell<f64> { unimplemented!() }
/// let pose = pose();
/// let mut writer = pose.writer().unwrap();
/// std::thread::scope(|scope| {
///     scope.spawn(move || writer.store(1.0)); // the thread that took the role has it
/// });
/// ```
///
/// # Examples
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let time = sharray::SharedCell::<f64>::builder().directory(&place).create("time", 0.0)?;
/// let mut writer = time.writer()?;
/// for step in 1..=100 {
///     writer.store(f64::from(step) * 0.5);
/// }
/// assert_eq!(time.load(), 50.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CellWriter<'c, T> {
    any: AnyCellWriter<'c>,
    item: PhantomData<fn() -> T>,
}

impl<T: Element> CellWriter<'_, T> {
    /// Stores a value. Costs the copy and one store; no system call unless somebody waits for a change.
    ///
    /// In a forked child it does nothing: the role is its parent's.
    #[inline]
    pub fn store(&mut self, value: T) {
        self.any.store_bytes(bytemuck::bytes_of(&value));
    }
}
