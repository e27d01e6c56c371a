//! Options for an array in place.

use super::{AnyArray, SharedArray};
use crate::directory::{Access, Creation};
use crate::dtype::DType;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::expect::{check_alignment, check_dtype, check_form, check_item, check_kind};
use crate::guard::AnyWriteGuard;
use crate::kind::Kind;
use crate::options::{Options, attach_or_create};
use crate::segment::{Form, Spec};
use ndarray::{ArrayRef, Dimension, IntoDimension};
use std::marker::PhantomData;
use std::time::Duration;

/// Options for an array in place and its handle.
///
/// # Examples
/// ```
/// use ndarray::Ix2;
/// use sharray::{Order, SharedArray};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let field = SharedArray::<f64, Ix2>::builder()
///     .directory(&place)
///     .blocks(4)
///     .order(Order::Fortran)
///     .attribute("unit", "K")
///     .create("field", [1000, 300])?;
/// assert_eq!(field.rows(3..4)?, 750..1000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ArrayBuilder<A> {
    options: Options,
    blocks: usize,
    access: Access,
    wait: Option<Duration>,
    array: PhantomData<fn() -> A>,
}

// Derived, it would ask that the handle can be cloned.
impl<A> Clone for ArrayBuilder<A> {
    fn clone(&self) -> Self {
        Self { options: self.options.clone(), ..*self }
    }
}

impl<A> ArrayBuilder<A> {
    pub(super) fn new() -> Self {
        Self { options: Options::default(), blocks: 1, access: Access::Any, wait: None, array: PhantomData }
    }

    common_options!("array");
    array_options!("array");

    /// Divides a new array along its first axis into so many blocks, each with a lock of its own. Default: 1.
    ///
    /// Processes may write different blocks at the same time, and readers of one do not wait for the writer of another.
    /// At most one for each row, and 65535.
    #[must_use]
    pub fn blocks(mut self, blocks: usize) -> Self {
        self.blocks = blocks;
        self
    }

    /// Takes no part: writes nothing into the file, and reads copies. Happens by itself where the file may only be
    /// read. For attaching.
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let builder = sharray::SharedArray::<f64, Ix1>::builder().directory(&place);
    /// builder.create("field", [100])?;
    /// let onlooker = builder.read_only().attach("field")?;
    /// assert!(onlooker.is_read_only() && onlooker.read()?.is_copy());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.access = Access::ReadOnly;
        self
    }

    /// Waits at most so long until the array exists. For `attach`; what is not there, `open` creates at once.
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// use sharray::SharedArray;
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let builder = SharedArray::<f64, Ix1>::builder().directory(&place);
    /// let waiting = builder.clone().wait(Duration::from_secs(10));
    /// std::thread::scope(|scope| {
    ///     let reader = scope.spawn(|| waiting.attach("field").map(|field| field.blocks()));
    ///     builder.create("field", [100])?;
    ///     assert_eq!(reader.join().unwrap()?, 1);
    ///     Ok::<(), sharray::Error>(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn wait(mut self, patience: Duration) -> Self {
        self.wait = Some(patience);
        self
    }

    pub(super) fn form(&self, dtype: DType, shape: &[usize]) -> Form {
        Form { kind: Kind::InPlace, dtype, shape: shape.to_vec(), order: self.options.order }
    }

    pub(super) fn create_any(
        &self,
        name: &str,
        form: Form,
        fill: impl FnOnce(&AnyArray) -> Result<()>,
    ) -> Result<AnyArray> {
        check_dtype(&form.dtype)?;
        self.options.check(name)?;
        let most = form.most_blocks() as usize;
        if !(1..=most).contains(&self.blocks) {
            let reason = format!("it has {} blocks, expected 1 to {most} for shape {:?}", self.blocks, form.shape);
            return Err(Error::invalid(name, reason));
        }
        let spec = Spec {
            form,
            flags: 0,
            slots: 1,
            ring: 0,
            participants: self.options.participants,
            blocks: self.blocks as u32,
            huge_pages: self.options.huge_pages,
            attributes: self.options.attributes.clone(),
        };
        let creation = Creation { spec: &spec, permissions: self.options.permissions };
        self.options.place()?.create(name, &creation, |attachment| {
            let array = AnyArray::new(attachment);
            fill(&array)?;
            Ok(array)
        })
    }

    fn attach_any(
        &self,
        name: &str,
        wait: Option<Duration>,
        check: impl FnOnce(&Form) -> Result<()>,
    ) -> Result<AnyArray> {
        let attachment = self.options.place()?.attach_within(name, self.access, wait)?;
        check_kind(name, attachment.segment().form(), Kind::InPlace)?;
        check(attachment.segment().form())?;
        Ok(AnyArray::new(attachment))
    }

    fn open_any(&self, name: &str, dtype: &DType, shape: &[usize]) -> Result<AnyArray> {
        let form = self.form(dtype.clone(), shape);
        attach_or_create(
            name,
            || self.attach_any(name, None, |found| check_form(name, found, &form)),
            || self.create_any(name, form.clone(), |_| Ok(())),
        )
    }
}

impl<T: Element, D: Dimension> ArrayBuilder<SharedArray<T, D>> {
    /// Creates the array, all zero.
    ///
    /// # Errors
    /// As for [`SharedArray::create`]; [`Error::InvalidArgument`] for options out of range.
    pub fn create(&self, name: &str, shape: impl IntoDimension<Dim = D>) -> Result<SharedArray<T, D>> {
        check_alignment::<T>()?;
        let form = self.form(T::dtype(), shape.into_dimension().slice());
        SharedArray::new(self.create_any(name, form, |_| Ok(()))?)
    }

    /// Creates the array with these contents: nobody ever attaches to zeros.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub fn create_from(&self, name: &str, contents: &ArrayRef<T, D>) -> Result<SharedArray<T, D>> {
        check_alignment::<T>()?;
        let fill = |array: &AnyArray| {
            let mut guard = array.write()?;
            let view = guard.view_mut::<T, D>();
            view.ok_or_else(|| Error::corrupt(name, "it is not what was made"))?.assign(contents);
            Ok(())
        };
        SharedArray::new(self.create_any(name, self.form(T::dtype(), contents.shape()), fill)?)
    }

    /// Attaches to the array.
    ///
    /// # Errors
    /// As for [`SharedArray::attach`]; [`Error::TimedOut`] if it did not appear in time; [`Error::NeedsRecovery`] for a
    /// read-only handle to a file that nobody used since the machine started.
    pub fn attach(&self, name: &str) -> Result<SharedArray<T, D>> {
        SharedArray::new(self.attach_any(name, self.wait, |form| check_item::<T, D>(name, form, Kind::InPlace))?)
    }

    /// Attaches to the array or creates it.
    ///
    /// # Errors
    /// As for [`SharedArray::open`].
    pub fn open(&self, name: &str, shape: impl IntoDimension<Dim = D>) -> Result<SharedArray<T, D>> {
        check_alignment::<T>()?;
        SharedArray::new(self.open_any(name, &T::dtype(), shape.into_dimension().slice())?)
    }
}

impl ArrayBuilder<AnyArray> {
    /// Creates an array of this dtype, all zero.
    ///
    /// # Errors
    /// As for [`SharedArray::create`]; [`Error::InvalidArgument`] for options out of range.
    pub fn create(&self, name: &str, dtype: &DType, shape: &[usize]) -> Result<AnyArray> {
        self.create_any(name, self.form(dtype.clone(), shape), |_| Ok(()))
    }

    /// Creates an array of this dtype, and lets `fill` write its contents before its name appears.
    ///
    /// # Errors
    /// As for [`create`](Self::create), and those of `fill`: then no array is created.
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// use sharray::{AnyArray, DType};
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let builder = AnyArray::builder().directory(&place).participants(8).permissions(0o640).huge_pages(false);
    /// let ones = builder.create_with("ones", &DType::F64, &[100], |guard| {
    ///     guard.view_mut::<f64, Ix1>().expect("it is one of f64").fill(1.0);
    ///     Ok(())
    /// })?;
    /// assert_eq!(builder.open("ones", &DType::F64, &[100])?.generation(), ones.generation());
    /// assert_eq!(builder.attach("ones")?.read()?.view::<f64, Ix1>().expect("it is one of f64").sum(), 100.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_with(
        &self,
        name: &str,
        dtype: &DType,
        shape: &[usize],
        fill: impl FnOnce(&mut AnyWriteGuard<'_>) -> Result<()>,
    ) -> Result<AnyArray> {
        self.create_any(name, self.form(dtype.clone(), shape), |array| fill(&mut array.write()?))
    }

    /// Attaches to the array, whatever its dtype and shape are.
    ///
    /// # Errors
    /// As for [`SharedArray::attach`].
    pub fn attach(&self, name: &str) -> Result<AnyArray> {
        self.attach_any(name, self.wait, |_| Ok(()))
    }

    /// Attaches to the array or creates it.
    ///
    /// # Errors
    /// As for [`SharedArray::open`].
    pub fn open(&self, name: &str, dtype: &DType, shape: &[usize]) -> Result<AnyArray> {
        self.open_any(name, dtype, shape)
    }
}
