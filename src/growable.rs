//! Tables that grow: rows are appended, and never change.

mod any;
mod builder;
mod follow;

pub use any::AnyGrowable;
pub use builder::GrowableBuilder;
pub use follow::{AnyFollow, Follow};

use crate::element::Element;
use crate::error::{Error, Result};
use crate::guard::Items;
use crate::shape::Order;
use crate::sys::futex::deadline_ns;
use crate::view;
use ndarray::{ArrayRef, ArrayView, Dimension, IntoDimension, IxDyn};
use std::ops::{Deref, Range};
use std::time::Duration;

/// A table of `T` that any number of processes append rows to, and any number read while it grows.
///
/// Rows stand along the first axis. A row that is there never changes and never moves, so readers look at all of them in
/// place, without a lease and without a copy, and nobody waits for them. Rows cannot be changed or taken away.
///
/// An append is all or nothing: other processes see all of its rows or none, also if its process is killed in the middle. One
/// process appends at a time; the others wait for the time of its copy. If it dies, the next one goes on at once.
///
/// The table has [`max_len`](GrowableBuilder::max_len) rows of addresses from the start, billions if need be, and takes
/// space as it grows. On a disk, [`commit`](Self::commit) says up to where it survives a loss of power.
///
/// It dereferences to [`AnyGrowable`], which knows its name, dtype, length and shape. A handle can be shared by threads.
///
/// # Examples
/// ```
/// use ndarray::{Ix1, arr1};
/// use sharray::{Element, GrowableArray};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
///
/// #[derive(Clone, Copy, Element)]
/// #[repr(C)]
/// struct Sample {
///     time: f64,
///     value: f64,
/// }
///
/// let log = GrowableArray::<Sample, Ix1>::builder().directory(&place).max_len(1 << 30).create("log", [0])?;
/// log.append(&arr1(&[Sample { time: 0.0, value: 1.5 }, Sample { time: 0.1, value: 2.5 }]))?;
///
/// // In another process:
/// let log = GrowableArray::<Sample, Ix1>::builder().directory(&place).attach("log")?;
/// assert_eq!(log.len(), 2);
/// assert_eq!(log.view()?[1].value, 2.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct GrowableArray<T, D = IxDyn> {
    any: AnyGrowable,
    items: Items<T, D>,
}

impl<T: Element, D: Dimension> GrowableArray<T, D> {
    /// Options for a new table, or for attaching to one.
    pub fn builder() -> GrowableBuilder<Self> {
        GrowableBuilder::new()
    }

    /// Creates a table in the default place, without rows. The first number of `shape` is 0, the others are the shape of a
    /// row.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if the name is taken; [`Error::InvalidArgument`] if the first number of `shape` is not 0, or
    /// there is none; [`Error::InvalidName`], [`Error::NoSpace`], [`Error::ShapeOverflow`], [`Error::UnsupportedDtype`],
    /// [`Error::Untrusted`], [`Error::Io`].
    pub fn create(name: &str, shape: impl IntoDimension<Dim = D>) -> Result<Self> {
        Self::builder().create(name, shape)
    }

    /// Creates a table in the default place with these rows, which are there when its name appears.
    ///
    /// # Errors
    /// As for [`create`](Self::create); [`Error::TableFull`] if they are more than it has room for.
    pub fn create_from(name: &str, rows: &ArrayRef<T, D>) -> Result<Self> {
        Self::builder().create_from(name, rows)
    }

    /// Attaches to a table of the default place.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Mismatch`] if it is not a table of `T` with the dimensions of `D`;
    /// [`Error::TooManyParticipants`]; the errors of files that are not whole; [`Error::Untrusted`]; [`Error::Io`].
    pub fn attach(name: &str) -> Result<Self> {
        Self::builder().attach(name)
    }

    /// Attaches to a table of such rows if it is there, however many it has, or else creates it.
    ///
    /// # Errors
    /// Those of [`attach`](Self::attach), but for `NotFound`, and of [`create`](Self::create), but for `AlreadyExists`.
    pub fn open(name: &str, shape: impl IntoDimension<Dim = D>) -> Result<Self> {
        Self::builder().open(name, shape)
    }

    fn new(any: AnyGrowable) -> Result<Self> {
        let items = Items::of(any.segment()).ok_or_else(|| any.segment().corrupt("it is not what was checked"))?;
        Ok(Self { any, items })
    }

    /// Appends rows, all or none of them, and returns which they are; waits without limit while others append.
    ///
    /// Costs the copy, two compare-and-swaps and a store. A system call only if somebody waits, or when more space has to be
    /// taken: each time as much as there is, from 1 MiB up to 64 MiB, which in memory the kernel fills with zeros then.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if they are not rows of this table's shape; [`Error::TableFull`] if there is no room for all
    /// of them; [`Error::NoSpace`] if the file system is full: in each case nothing was appended. [`Error::ReadOnly`];
    /// [`Error::WouldDeadlock`] from within another append of this thread; [`Error::Forked`]; [`Error::Corrupt`].
    ///
    /// # Ordering
    /// Whoever sees the new length sees the rows, and what this process did before.
    ///
    /// # Examples
    /// ```
    /// use ndarray::{Ix2, array};
    /// use sharray::{Error, GrowableArray};
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let points = GrowableArray::<f32, Ix2>::builder().directory(&place).max_len(4).create("points", [0, 2])?;
    /// assert_eq!(points.append(&array![[0.0, 1.0], [2.0, 3.0]])?, 0..2);
    /// assert_eq!(points.try_append(&array![[4.0, 5.0]])?, 2..3);
    /// assert_eq!(points.append_timeout(&array![[6.0, 7.0]], Duration::from_secs(1))?, 3..4);
    /// assert!(matches!(points.append(&array![[8.0, 9.0]]), Err(Error::TableFull { len: 4, .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append(&self, rows: &ArrayRef<T, D>) -> Result<Range<usize>> {
        append(&self.any, rows, u64::MAX)
    }

    /// Appends rows; does not wait.
    ///
    /// # Errors
    /// [`Error::Locked`] if somebody else is appending; and those of [`append`](Self::append), but for `WouldDeadlock`.
    pub fn try_append(&self, rows: &ArrayRef<T, D>) -> Result<Range<usize>> {
        append(&self.any, rows, 0)
    }

    /// Appends rows; waits for others at most `timeout`, on the monotonic clock.
    ///
    /// # Errors
    /// [`Error::TimedOut`], or [`Error::Locked`] if `timeout` is zero; and those of [`append`](Self::append).
    pub fn append_timeout(&self, rows: &ArrayRef<T, D>, timeout: Duration) -> Result<Range<usize>> {
        append(&self.any, rows, deadline_ns(Some(timeout)))
    }

    /// All rows that are there, in place and without a copy.
    ///
    /// Costs a load. They never change; the view stays as long as it is, so ask again for those that came later.
    ///
    /// # Errors
    /// [`Error::Truncated`] if somebody cut the file short; [`Error::Forked`]; [`Error::Corrupt`].
    ///
    /// # Ordering
    /// What their process did before it appended them is visible.
    ///
    /// # Examples
    /// ```
    /// use ndarray::{Ix1, arr1};
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let log = sharray::GrowableArray::<i64, Ix1>::builder().directory(&place).create_from("log", &arr1(&[1, 2, 3]))?;
    /// let rows = log.view()?;
    /// log.append(&arr1(&[4]))?;
    /// assert_eq!((rows.len(), log.view()?.len()), (3, 4));
    /// assert_eq!(log.rows(1..4)?.sum(), 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn view(&self) -> Result<ArrayView<'_, T, D>> {
        Ok(self.any.there()?.view(&self.items))
    }

    /// Some of the rows that are there, as [`view`](Self::view) lends all.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if not all of them are there; and those of [`view`](Self::view).
    pub fn rows(&self, rows: Range<usize>) -> Result<ArrayView<'_, T, D>> {
        Ok(self.any.there()?.part(rows)?.view(&self.items))
    }

    /// Waits until there are at least `len` rows, at most `timeout`; returns how many there are.
    ///
    /// It sleeps until whoever appends wakes it.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; [`Error::Retired`] if the table was unlinked, and has fewer; [`Error::InvalidArgument`] if it can
    /// never have so many; [`Error::Forked`]; [`Error::Corrupt`].
    ///
    /// # Examples
    /// ```
    /// use ndarray::{Ix1, arr1};
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let log = sharray::GrowableArray::<i64, Ix1>::builder().directory(&place).create("log", [0])?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| log.append(&arr1(&[1, 2, 3])));
    ///     assert_eq!(log.wait_len(2, Duration::from_secs(10))?, 3);
    ///     Ok::<(), sharray::Error>(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_len(&self, len: usize, timeout: Duration) -> Result<usize> {
        self.any.wait_len(len, timeout)
    }

    /// Goes through the rows as they come: an iterator over all that are new each time, one view.
    ///
    /// It begins with the first row to come, or with [`from_row`](Follow::from_row). It loses none, and never makes anybody
    /// wait: the rows stay where they are. It waits without limit, or [as long as it is told](Follow::timeout), and
    /// ends when the table is unlinked or full.
    ///
    /// # Examples
    /// ```
    /// use ndarray::{Ix1, arr1};
    /// use sharray::GrowableArray;
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let log = GrowableArray::<f64, Ix1>::builder().directory(&place).create("log", [0])?;
    /// log.append(&arr1(&[1.0, 2.0]))?;
    /// log.append(&arr1(&[3.0]))?;
    /// place.unlink("log")?;
    /// let mut sum = 0.0;
    /// for rows in log.follow().from_row(0).timeout(Duration::from_secs(1)) {
    ///     sum += rows?.sum();
    /// }
    /// assert_eq!(sum, 6.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn follow(&self) -> Follow<'_, T, D> {
        Follow::new(self.any.follow(), &self.items)
    }

    /// Makes all rows durable that there are, and returns how many are by now.
    ///
    /// Once this has returned, the table that is found after a loss of power or a crash of the machine has these rows, and
    /// perhaps more that were committed later; the next ones are appended after them. Rows that were appended since are lost
    /// with the machine; the death of a process loses nothing.
    ///
    /// The last one who detaches from a table on a disk commits it, but nobody is told if that fails. Nobody else waits meanwhile,
    /// but for another commit. Written to the disk are the rows since the last commit, and then a page that counts them: two
    /// waits for the disk. In memory (`/dev/shm`) there is nothing to wait for; a copy of the file that is made
    /// afterwards, from its start to its end, has the rows.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk fails, and from then on [`Error::DurabilityLost`]: the system would call a second attempt
    /// a success with nothing done. [`Error::ReadOnly`]; [`Error::TimedOut`] if another process commits for ten seconds;
    /// [`Error::Forked`]; [`Error::Corrupt`].
    ///
    /// # Examples
    /// ```
    /// use ndarray::{Ix1, arr1};
    /// use sharray::GrowableArray;
    /// # let folder = tempfile::tempdir()?;
    /// # let disk = sharray::Directory::open(folder.path())?;
    /// let log = GrowableArray::<i32, Ix1>::builder().directory(&disk).create("log", [0])?;
    /// log.append(&arr1(&[7; 1000]))?;
    /// assert_eq!(log.commit()?, 1000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn commit(&self) -> Result<usize> {
        self.any.commit()
    }
}

impl<T, D> Deref for GrowableArray<T, D> {
    type Target = AnyGrowable;

    fn deref(&self) -> &AnyGrowable {
        &self.any
    }
}

/// Appends rows of `T`, which is what the table has.
fn append<T: Element, D: Dimension>(table: &AnyGrowable, rows: &ArrayRef<T, D>, until_ns: u64) -> Result<Range<usize>> {
    let count = match rows.shape() {
        [count, row @ ..] if row == table.row_shape() => *count,
        other => {
            let reason = format!("rows of shape {other:?} were given, expected [_, {:?}]", table.row_shape());
            return Err(Error::invalid(table.name(), reason));
        }
    };
    table.append_until(count, until_ns, |bytes| {
        let target = view::view_mut::<T, D>(bytes, rows.shape(), Order::C);
        target.ok_or_else(|| table.segment().corrupt("it is not what was checked"))?.assign(rows);
        Ok(())
    })
}
