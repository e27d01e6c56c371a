//! Options for a table that grows.

use super::{AnyGrowable, GrowableArray};
use crate::commit;
use crate::directory::{Access, Creation};
use crate::dtype::DType;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::expect::{check_alignment, check_dtype, check_item, check_kind, check_table};
use crate::kind::Kind;
use crate::layout::flags::SPARSE;
use crate::options::{Options, attach_or_create};
use crate::protocol::LAST_SEQ;
use crate::segment::{Form, Spec};
use crate::shape::{self, Order};
use ndarray::{ArrayRef, Dimension, IntoDimension};
use std::marker::PhantomData;
use std::time::Duration;

/// The bytes that a table has room for unless told otherwise. They are addresses; neither disk nor memory.
const DEFAULT_BYTES: usize = 64 << 30;

/// Options for a table that grows and its handle.
///
/// # Examples
/// ```
/// use ndarray::Ix1;
/// use sharray::GrowableArray;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let log = GrowableArray::<f64, Ix1>::builder()
///     .directory(&place)
///     .max_len(4_000_000_000)
///     .attribute("unit", "K")
///     .create("log", [0])?;
/// assert_eq!((log.len(), log.max_len()), (0, 4_000_000_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct GrowableBuilder<G> {
    options: Options,
    max_len: Option<usize>,
    access: Access,
    wait: Option<Duration>,
    table: PhantomData<fn() -> G>,
}

// Derived, it would ask that the handle can be cloned.
impl<G> Clone for GrowableBuilder<G> {
    fn clone(&self) -> Self {
        Self { options: self.options.clone(), ..*self }
    }
}

impl<G> GrowableBuilder<G> {
    pub(super) fn new() -> Self {
        Self { options: Options::default(), max_len: None, access: Access::Any, wait: None, table: PhantomData }
    }

    common_options!("table");

    /// How many rows there can ever be. Default: as many as have 64 GiB. For a new table.
    ///
    /// The file has that length from the start, with holes, and is mapped whole, so that it never moves; space is taken as
    /// rows come. Billions of rows cost nothing. Most processors let a process map 128 TiB in all, and ext4 has files
    /// of 16 TiB at most. Programs that copy the file without looking for holes write zeros in their place.
    #[must_use]
    pub fn max_len(mut self, rows: usize) -> Self {
        self.max_len = Some(rows);
        self
    }

    /// Takes no part: writes nothing into the file. Happens by itself where the file may only be read. For attaching.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.access = Access::ReadOnly;
        self
    }

    /// Waits at most so long until the table exists. For `attach`; what is not there, `open` creates at once.
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// use sharray::{Error, GrowableArray};
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let builder = GrowableArray::<f64, Ix1>::builder().directory(&place);
    /// let late = builder.clone().wait(Duration::from_millis(2)).attach("log");
    /// assert!(matches!(late, Err(Error::TimedOut { .. })));
    /// builder.create("log", [0])?;
    /// assert!(builder.wait(Duration::from_secs(1)).attach("log")?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn wait(mut self, patience: Duration) -> Self {
        self.wait = Some(patience);
        self
    }

    /// What a table of these rows is to be: its shape is that of all the rows it has room for.
    fn form(&self, name: &str, dtype: &DType, row: &[usize]) -> Result<Form> {
        check_dtype(dtype)?;
        let row_bytes = shape::checked_size_bytes(row, dtype.itemsize())?;
        let max_len = self.max_len.unwrap_or_else(|| (DEFAULT_BYTES / row_bytes.max(1)).max(1));
        if !(1..=LAST_SEQ).contains(&(max_len as u64)) {
            let reason = format!("it has room for {max_len} rows, expected 1 to {LAST_SEQ}");
            return Err(Error::invalid(name, reason));
        }
        let shape = [&[max_len], row].concat();
        Ok(Form { kind: Kind::Growable, dtype: dtype.clone(), shape, order: Order::C })
    }

    fn create_any(&self, name: &str, form: Form, fill: impl FnOnce(&AnyGrowable) -> Result<()>) -> Result<AnyGrowable> {
        self.options.check(name)?;
        let spec = Spec {
            form,
            flags: SPARSE,
            slots: 1,
            ring: 0,
            participants: self.options.participants,
            blocks: 1,
            huge_pages: false,
            attributes: self.options.attributes.clone(),
        };
        let creation = Creation { spec: &spec, permissions: self.options.permissions };
        self.options.place()?.create(name, &creation, |attachment| {
            let table = AnyGrowable::new(attachment);
            fill(&table)?;
            Ok(table)
        })
    }

    fn attach_any(
        &self,
        name: &str,
        wait: Option<Duration>,
        check: impl FnOnce(&Form) -> Result<()>,
    ) -> Result<AnyGrowable> {
        let attachment = self.options.place()?.attach_within(name, self.access, wait)?;
        check_kind(name, attachment.segment().form(), Kind::Growable)?;
        check(attachment.segment().form())?;
        Ok(AnyGrowable::new(attachment))
    }

    fn open_any(&self, name: &str, dtype: &DType, shape: &[usize]) -> Result<AnyGrowable> {
        let form = self.form(name, dtype, row_of(name, shape)?)?;
        attach_or_create(
            name,
            || self.attach_any(name, None, |found| check_table(name, found, &form)),
            || self.create_any(name, form.clone(), |_| Ok(())),
        )
    }
}

/// The shape of a row of an empty table of this shape.
fn row_of<'s>(name: &str, shape: &'s [usize]) -> Result<&'s [usize]> {
    match shape {
        [0, row @ ..] => Ok(row),
        _ => {
            Err(Error::invalid(name, format!("a table begins without rows: its shape is {shape:?}, expected [0, ...]")))
        }
    }
}

impl<T: Element, D: Dimension> GrowableBuilder<GrowableArray<T, D>> {
    /// Creates the table, without rows. The first number of `shape` is 0, the others are the shape of a row.
    ///
    /// # Errors
    /// As for [`GrowableArray::create`]; [`Error::InvalidArgument`] for options out of range.
    pub fn create(&self, name: &str, shape: impl IntoDimension<Dim = D>) -> Result<GrowableArray<T, D>> {
        check_alignment::<T>()?;
        let form = self.form(name, &T::dtype(), row_of(name, shape.into_dimension().slice())?)?;
        GrowableArray::new(self.create_any(name, form, |_| Ok(()))?)
    }

    /// Creates the table with these rows: nobody ever attaches to fewer. On a disk they are durable.
    ///
    /// # Errors
    /// As for [`create`](Self::create); [`Error::TableFull`] if they are more than `max_len`.
    pub fn create_from(&self, name: &str, rows: &ArrayRef<T, D>) -> Result<GrowableArray<T, D>> {
        check_alignment::<T>()?;
        let Some((_, row)) = rows.shape().split_first() else {
            return Err(Error::invalid(name, "an array without dimensions has no rows to begin with"));
        };
        let fill = |table: &AnyGrowable| {
            super::append(table, rows, 0)?;
            if table.segment().is_on_disk() { commit::commit_rows(table.segment()).map(drop) } else { Ok(()) }
        };
        GrowableArray::new(self.create_any(name, self.form(name, &T::dtype(), row)?, fill)?)
    }

    /// Attaches to the table.
    ///
    /// # Errors
    /// As for [`GrowableArray::attach`]; [`Error::TimedOut`] if it did not appear in time; [`Error::NeedsRecovery`] for a
    /// read-only handle to a file that nobody used since the machine started.
    pub fn attach(&self, name: &str) -> Result<GrowableArray<T, D>> {
        let check = |form: &Form| check_item::<T, D>(name, form, Kind::Growable);
        GrowableArray::new(self.attach_any(name, self.wait, check)?)
    }

    /// Attaches to the table, however many rows it has and has room for, or creates it.
    ///
    /// # Errors
    /// As for [`GrowableArray::open`].
    pub fn open(&self, name: &str, shape: impl IntoDimension<Dim = D>) -> Result<GrowableArray<T, D>> {
        check_alignment::<T>()?;
        GrowableArray::new(self.open_any(name, &T::dtype(), shape.into_dimension().slice())?)
    }
}

impl GrowableBuilder<AnyGrowable> {
    /// Creates a table of this dtype, without rows. The first number of `shape` is 0.
    ///
    /// # Errors
    /// As for [`GrowableArray::create`].
    pub fn create(&self, name: &str, dtype: &DType, shape: &[usize]) -> Result<AnyGrowable> {
        self.create_any(name, self.form(name, dtype, row_of(name, shape)?)?, |_| Ok(()))
    }

    /// Attaches to the table, whatever its dtype and shape are.
    ///
    /// # Errors
    /// As for [`GrowableArray::attach`].
    pub fn attach(&self, name: &str) -> Result<AnyGrowable> {
        self.attach_any(name, self.wait, |_| Ok(()))
    }

    /// Attaches to the table, however many rows it has and has room for, or creates it.
    ///
    /// # Errors
    /// As for [`GrowableArray::open`].
    pub fn open(&self, name: &str, dtype: &DType, shape: &[usize]) -> Result<AnyGrowable> {
        self.open_any(name, dtype, shape)
    }
}
