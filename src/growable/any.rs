//! A table that grows, dtype known at run time; the typed one is a thin cover over it.

use super::builder::GrowableBuilder;
use super::follow::AnyFollow;
use crate::attachment::Attachment;
use crate::commit;
use crate::dtype::DType;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::expect::check_item;
use crate::guard::{Items, Rows, Space};
use crate::kind::Kind;
use crate::protocol::growable;
use crate::protocol::notify::{self, Slices};
use crate::protocol::word::Word;
use crate::protocol::{World as _, commit::durable};
use crate::segment::{Form, Segment};
use crate::shape;
use crate::sys::futex::deadline_ns;
use ndarray::{ArrayView, Dimension};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A table that rows are appended to, with a dtype known at run time. See [`GrowableArray`](crate::GrowableArray).
///
/// # Examples
/// ```
/// use ndarray::Ix2;
/// use sharray::{AnyGrowable, DType, Error};
/// use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let log = AnyGrowable::builder()
///     .directory(&place)
///     .max_len(1_000_000)
///     .attribute("unit", "K")
///     .create("log", &DType::U16, &[0, 3])?;
/// let rows = log.append_with(2, None, |bytes| {
///     bytes.fill(1);
///     Ok::<(), Error>(())
/// })?;
/// assert_eq!(rows, 0..2);
/// assert_eq!(log.view::<u16, Ix2>()?[[1, 2]], 0x0101);
/// assert_eq!(log.bytes(0..2)?.len(), 12);
///
/// assert_eq!((log.name(), log.dtype(), log.len(), log.is_empty()), ("log", &DType::U16, 2, false));
/// assert_eq!((log.shape(), log.row_shape(), log.row_bytes()), (vec![2, 3], &[3][..], 6));
/// assert_eq!((log.max_len(), log.strides()), (1_000_000, vec![6, 2]));
/// assert_eq!(log.attributes()["unit"], "K");
/// assert_eq!(log.wait_len(2, Duration::from_secs(1))?, 2);
/// assert_eq!((log.commit()?, log.committed()), (2, 2));
///
/// let other = AnyGrowable::builder().directory(&place).read_only().attach("log")?;
/// assert!(other.is_read_only() && !other.is_retired() && !other.is_inherited());
/// assert_eq!(other.generation(), log.generation());
/// other.check_whole()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AnyGrowable {
    attachment: Arc<Attachment>,
}

impl AnyGrowable {
    /// Options for a new table, or for attaching to one.
    pub fn builder() -> GrowableBuilder<Self> {
        GrowableBuilder::new()
    }

    pub(super) fn new(attachment: Attachment) -> Self {
        Self { attachment: attachment.share() }
    }

    /// The table's name.
    pub fn name(&self) -> &str {
        self.attachment.name()
    }

    /// The items' dtype.
    pub fn dtype(&self) -> &DType {
        &self.form().dtype
    }

    /// How many rows there are. It never falls.
    pub fn len(&self) -> usize {
        // A length that cannot be is an error wherever there is one to say it.
        self.segment().rows().unwrap_or(0) as usize
    }

    /// Whether there are no rows yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many rows there can be.
    pub fn max_len(&self) -> usize {
        self.segment().extent().max_len as usize
    }

    /// The table's shape: how many rows there are, and [a row's](Self::row_shape).
    pub fn shape(&self) -> Vec<usize> {
        [&[self.len()], self.row_shape()].concat()
    }

    /// The shape of one row.
    pub fn row_shape(&self) -> &[usize] {
        self.form().shape.get(1..).unwrap_or_default()
    }

    /// The bytes of one row.
    pub fn row_bytes(&self) -> usize {
        self.segment().extent().row_bytes as usize
    }

    /// The distance in bytes from one item to the next along each dimension.
    pub fn strides(&self) -> Vec<usize> {
        let Form { dtype, shape, order, .. } = self.form();
        // The shape was checked: it fits.
        shape::strides_bytes(shape, dtype.itemsize(), *order).unwrap_or_default()
    }

    /// The attributes that the table was created with.
    pub fn attributes(&self) -> &serde_json::Map<String, serde_json::Value> {
        self.segment().attributes()
    }

    /// Whether nothing can be appended through this handle, because the file may only be read.
    pub fn is_read_only(&self) -> bool {
        !self.segment().is_writable()
    }

    /// Whether this process inherited the handle over fork: then it has to attach anew.
    pub fn is_inherited(&self) -> bool {
        self.segment().is_inherited()
    }

    /// Which incarnation of the name this is: unlinked and created again, a table has another one.
    pub fn generation(&self) -> [u8; 16] {
        self.segment().identity().uuid
    }

    /// Whether the table was unlinked: those who are attached go on, nobody else can attach.
    pub fn is_retired(&self) -> bool {
        self.segment().is_retired()
    }

    /// Whether somebody cut the file short while it was used: as [`AnyArray::check_whole`](crate::AnyArray::check_whole). For asking
    /// after rows were looked at.
    ///
    /// # Errors
    /// [`Error::Truncated`]; [`Error::Io`] if the file is long enough again, or its disk failed.
    pub fn check_whole(&self) -> Result<()> {
        self.segment().check_whole()
    }

    /// Where the first row is. The rows below [`len`](Self::len) may be read as long as a handle of this attach lives; they
    /// never change.
    ///
    /// # Examples
    /// ```
    /// use ndarray::{Ix1, arr1};
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let log = sharray::GrowableArray::<i64, Ix1>::builder().directory(&place).create_from("log", &arr1(&[1, 2]))?;
    /// // SAFETY: two rows are there, and never change.
    /// assert_eq!(unsafe { log.as_ptr().cast::<i64>().add(1).read() }, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn as_ptr(&self) -> *const u8 {
        self.segment().payload(0).unwrap_or(std::ptr::dangling_mut::<u128>().cast())
    }

    fn form(&self) -> &Form {
        self.segment().form()
    }

    pub(super) fn segment(&self) -> &Segment {
        self.attachment.segment()
    }

    /// The rows that are there, in place.
    pub(super) fn there(&self) -> Result<Rows<'_>> {
        Rows::all(&self.attachment)
    }

    /// All rows that are there, in place and without a copy.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if the table is not one of `T` with the dimensions of `D`; and those of
    /// [`GrowableArray::view`](crate::GrowableArray::view).
    pub fn view<T: Element, D: Dimension>(&self) -> Result<ArrayView<'_, T, D>> {
        check_item::<T, D>(self.name(), self.form(), Kind::Growable)?;
        let items = Items::of(self.segment()).ok_or_else(|| self.segment().corrupt("it is not what was checked"))?;
        Ok(self.there()?.view(&items))
    }

    /// The bytes of some of the rows that are there, in place and without a copy.
    ///
    /// # Errors
    /// As for [`GrowableArray::rows`](crate::GrowableArray::rows).
    pub fn bytes(&self, rows: Range<usize>) -> Result<&[u8]> {
        Ok(self.there()?.part(rows)?.bytes())
    }

    /// Appends `count` rows that `fill` writes in place, all or none of them; waits without limit while others append. Returns
    /// which rows they are.
    ///
    /// `fill` gets the rows' bytes, C order, in which nothing of meaning stands; nobody sees them before it has
    /// returned. If it fails or panics, nothing was appended. `timeout` bounds the wait for others; of zero, it does not wait.
    ///
    /// # Errors
    /// Those of `fill`; [`Error::TimedOut`], or [`Error::Locked`] if `timeout` is zero; and those of
    /// [`GrowableArray::append`](crate::GrowableArray::append).
    pub fn append_with<E: From<Error>>(
        &self,
        count: usize,
        timeout: Option<Duration>,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Range<usize>, E> {
        self.append_until(count, deadline_ns(timeout), fill)
    }

    #[inline]
    pub(super) fn append_until<E: From<Error>>(
        &self,
        count: usize,
        until_ns: u64,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Range<usize>, E> {
        let mut space = Space::acquire(&self.attachment, count, until_ns)?;
        fill(space.bytes_mut())?;
        Ok(space.publish()?)
    }

    /// Waits until there are at least `len` rows, at most `timeout`; returns how many there are.
    ///
    /// # Errors
    /// As [`GrowableArray::wait_len`](crate::GrowableArray::wait_len).
    pub fn wait_len(&self, len: usize, timeout: Duration) -> Result<usize> {
        self.wait_until(len, deadline_ns(Some(timeout)))
    }

    pub(super) fn wait_until(&self, len: usize, until_ns: u64) -> Result<usize> {
        self.attachment.enter()?;
        let (segment, extent) = (self.segment(), self.segment().extent());
        if len as u64 > extent.max_len {
            let reason = format!("it was waited for {len} rows, and it can have {}", extent.max_len);
            return Err(Error::invalid(self.name(), reason));
        }
        let check = |look: bool| {
            let now = if segment.is_writable() { growable::latest_len(segment, extent) } else { segment.rows() };
            match self.attachment.believe(now.map_err(|fault| self.attachment.explain(fault))) {
                Ok(now) if now >= len as u64 => return ControlFlow::Break(Ok(now as usize)),
                Ok(_) => {}
                Err(error) => return ControlFlow::Break(Err(error)),
            }
            let is_retired = Word::load(segment.retired(), Relaxed) != 0 || (look && segment.is_retired());
            let retired = || Error::Retired { name: self.name().to_owned() };
            if is_retired { ControlFlow::Break(Err(retired())) } else { ControlFlow::Continue(()) }
        };
        let slices = if segment.is_writable() { Slices::CHANGE } else { Slices::LOOK };
        notify::wait(segment, segment.notify(), until_ns, slices, check)
            .unwrap_or_else(|| Err(Error::TimedOut { name: self.name().to_owned() }))
    }

    /// Goes through the rows as they come: an iterator over which rows are new. See
    /// [`GrowableArray::follow`](crate::GrowableArray::follow).
    pub fn follow(&self) -> AnyFollow<'_> {
        AnyFollow::new(self)
    }

    /// Makes all rows durable that there are; returns how many are by now.
    ///
    /// # Errors
    /// As [`GrowableArray::commit`](crate::GrowableArray::commit).
    pub fn commit(&self) -> Result<usize> {
        self.attachment.enter()?;
        self.attachment.writer()?;
        self.attachment.believe(commit::commit_rows(self.segment()).map(|rows| rows as usize))
    }

    /// How many rows the last commit made durable.
    pub fn committed(&self) -> usize {
        durable(self.segment()).seq.min(self.segment().extent().max_len) as usize
    }
}
