//! Options for a cell.

use super::{AnyCell, SharedCell};
use crate::directory::{Access, Creation};
use crate::dtype::{DType, Kind as DTypeKind};
use crate::element::Element;
#[allow(unused_imports, reason = "the documentation names it")]
use crate::error::{Error, Result};
use crate::expect::{check_alignment, check_dtype, check_form, check_kind};
use crate::kind::Kind;
use crate::options::{Options, attach_or_create};
use crate::segment::{Form, Spec};
use crate::shape::Order;
use std::marker::PhantomData;
use std::time::Duration;

/// Options for a cell and its handle.
///
/// # Examples
/// ```
/// use sharray::SharedCell;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let gains = SharedCell::<[f32; 4]>::builder().directory(&place).create("gains", [1.0; 4])?;
/// assert_eq!(gains.shape(), [4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CellBuilder<C> {
    options: Options,
    access: Access,
    wait: Option<Duration>,
    cell: PhantomData<fn() -> C>,
}

// Derived, it would ask that the handle can be cloned.
impl<C> Clone for CellBuilder<C> {
    fn clone(&self) -> Self {
        Self { options: self.options.clone(), ..*self }
    }
}

impl<C> CellBuilder<C> {
    pub(super) fn new() -> Self {
        Self { options: Options::default(), access: Access::Any, wait: None, cell: PhantomData }
    }

    common_options!("cell");

    /// Takes no part: writes nothing into the file. Happens by itself where the file may only be read. For attaching.
    ///
    /// # Examples
    /// ```
    /// use sharray::{Error, SharedCell};
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let builder = SharedCell::<f64>::builder().directory(&place);
    /// builder.create("gain", 1.0)?;
    /// let onlooker = builder.wait(Duration::from_secs(1)).read_only().attach("gain")?;
    /// assert_eq!(onlooker.load(), 1.0);
    /// assert!(matches!(onlooker.store(2.0), Err(Error::ReadOnly { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.access = Access::ReadOnly;
        self
    }

    /// Waits at most so long until the cell exists. For `attach`; what is not there, `open` creates at once.
    #[must_use]
    pub fn wait(mut self, patience: Duration) -> Self {
        self.wait = Some(patience);
        self
    }

    fn create_any(&self, name: &str, form: Form, value: &[u8]) -> Result<AnyCell> {
        check_dtype(&form.dtype)?;
        self.options.check(name)?;
        let spec = Spec {
            form,
            flags: 0,
            slots: 2,
            ring: 0,
            participants: self.options.participants,
            blocks: 1,
            huge_pages: false,
            attributes: self.options.attributes.clone(),
        };
        let creation = Creation { spec: &spec, permissions: self.options.permissions };
        self.options.place()?.create(name, &creation, |attachment| {
            let cell = AnyCell::new(attachment);
            cell.store(value)?;
            Ok(cell)
        })
    }

    fn attach_any(
        &self,
        name: &str,
        wait: Option<Duration>,
        check: impl FnOnce(&Form) -> Result<()>,
    ) -> Result<AnyCell> {
        let attachment = self.options.place()?.attach_within(name, self.access, wait)?;
        check_kind(name, attachment.segment().form(), Kind::Cell)?;
        check(attachment.segment().form())?;
        Ok(AnyCell::new(attachment))
    }

    fn open_any(&self, name: &str, form: &Form, value: &[u8]) -> Result<AnyCell> {
        attach_or_create(
            name,
            || self.attach_any(name, None, |found| check_form(name, found, form)),
            || self.create_any(name, form.clone(), value),
        )
    }
}

/// What a cell of this dtype is: an array of Rust is told as a shape, since no array has a sub-array for its dtype.
fn form_of(dtype: DType, shape: &[usize]) -> Form {
    let (dtype, shape) = match dtype.kind() {
        DTypeKind::Subarray(parts) => (parts.base().clone(), [shape, parts.shape()].concat()),
        _ => (dtype, shape.to_vec()),
    };
    Form { kind: Kind::Cell, dtype, shape, order: Order::C }
}

impl<T: Element> CellBuilder<SharedCell<T>> {
    /// Creates the cell with `value`.
    ///
    /// # Errors
    /// As for [`SharedCell::create`]; [`Error::InvalidArgument`] for options out of range.
    pub fn create(&self, name: &str, value: T) -> Result<SharedCell<T>> {
        check_alignment::<T>()?;
        self.create_any(name, form_of(T::dtype(), &[]), bytemuck::bytes_of(&value)).map(SharedCell::new)
    }

    /// Attaches to the cell.
    ///
    /// # Errors
    /// As for [`SharedCell::attach`]; [`Error::TimedOut`] if it did not appear in time; [`Error::NeedsRecovery`] for a
    /// read-only handle to a file that nobody used since the machine started.
    pub fn attach(&self, name: &str) -> Result<SharedCell<T>> {
        let form = form_of(T::dtype(), &[]);
        self.attach_any(name, self.wait, |found| check_form(name, found, &form)).map(SharedCell::new)
    }

    /// Attaches to the cell or creates it with `value`.
    ///
    /// # Errors
    /// As for [`SharedCell::open`].
    pub fn open(&self, name: &str, value: T) -> Result<SharedCell<T>> {
        check_alignment::<T>()?;
        self.open_any(name, &form_of(T::dtype(), &[]), bytemuck::bytes_of(&value)).map(SharedCell::new)
    }
}

impl CellBuilder<AnyCell> {
    /// Creates a cell of this dtype and shape with these bytes for its value.
    ///
    /// # Errors
    /// As for [`SharedCell::create`]; [`Error::InvalidArgument`] for options out of range, and if `value` has not the
    /// bytes of such an array.
    pub fn create(&self, name: &str, dtype: &DType, shape: &[usize], value: &[u8]) -> Result<AnyCell> {
        self.create_any(name, form_of(dtype.clone(), shape), value)
    }

    /// Attaches to the cell, whatever its dtype and shape are.
    ///
    /// # Errors
    /// As for [`SharedCell::attach`].
    pub fn attach(&self, name: &str) -> Result<AnyCell> {
        self.attach_any(name, self.wait, |_| Ok(()))
    }

    /// Attaches to the cell or creates it.
    ///
    /// # Errors
    /// As for [`SharedCell::open`].
    pub fn open(&self, name: &str, dtype: &DType, shape: &[usize], value: &[u8]) -> Result<AnyCell> {
        self.open_any(name, &form_of(dtype.clone(), shape), value)
    }
}
