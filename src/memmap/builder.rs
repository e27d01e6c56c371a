//! Options for mapping a plain file.

use super::any::{AnyMemmap, name_of};
use super::mode::{self, Access, AnyMode};
use super::open::Plan;
use super::{Marks, Memmap};
use crate::dtype::DType;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::shape::Order;
use ndarray::{Dimension, IntoDimension, Ix1};
use std::fs::File;
use std::marker::PhantomData;
use std::path::Path;

macro_rules! plan_options {
    () => {
        /// Where the first item is in the file, in bytes: behind a header of any length, which this library leaves alone. Default: 0.
        #[must_use]
        pub fn offset(mut self, offset: u64) -> Self {
            self.plan.offset = offset;
            self
        }

        /// How the items stand in the file. Default: [`Order::C`]; for a .npy file that is there, whatever it says.
        #[must_use]
        pub fn order(mut self, order: Order) -> Self {
            self.plan.order = Some(order);
            self
        }

        /// Does not reserve the disk's blocks for a new file, or for what a file grows by, as `np.memmap` does not.
        ///
        /// The file then takes no more of the disk than what is written, and writing dies of SIGBUS when the disk is full, or, in a
        /// process that [survives](crate::survive_truncation) such things, is lost, and `flush` says so.
        #[must_use]
        pub fn sparse(mut self, yes: bool) -> Self {
            self.plan.sparse = yes;
            self
        }
    };
}

/// Options for mapping a plain file as an array of `T`. [`memmap`](crate::memmap()) makes one.
///
/// Without a shape a file without a header is a vector of as many items as there are.
///
/// # Examples
/// ```
/// use sharray::{Mode, Order, memmap};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data.dat");
/// let mut m = memmap::<f32>(&path)
///     .mode(Mode::Write)
///     .offset(512)                                    // behind a header that something else writes
///     .shape([100, 200])
///     .order(Order::Fortran)
///     .sparse(true)
///     .open()?;
/// m.view_mut().fill(0.5);
/// assert_eq!(std::fs::metadata(&path)?.len(), 512 + 100 * 200 * 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemmapBuilder<T, D = Ix1, M = mode::Read> {
    plan: Plan,
    array: Marks<T, D, M>,
}

impl<T: Element> MemmapBuilder<T> {
    pub(super) fn new(path: &Path) -> Self {
        let plan = Plan { dtype: Some(T::dtype()), align: align_of::<T>(), ..Plan::new(path) };
        Self { plan, array: PhantomData }
    }
}

impl<T: Element, D: Dimension, M: Access> MemmapBuilder<T, D, M> {
    plan_options!();

    /// How it is mapped. Default: [`Read`](mode::Read).
    #[must_use]
    pub fn mode<N: Access>(mut self, _: N) -> MemmapBuilder<T, D, N> {
        self.plan.mode = N::MODE;
        MemmapBuilder { plan: self.plan, array: PhantomData }
    }

    /// The array's shape. Has to be given for a new file.
    #[must_use]
    pub fn shape<S: IntoDimension>(mut self, shape: S) -> MemmapBuilder<T, S::Dim, M> {
        self.plan.shape = Some(shape.into_dimension().slice().to_vec());
        MemmapBuilder { plan: self.plan, array: PhantomData }
    }

    /// Maps the file.
    ///
    /// A file that is longer than the array is left so. In [`ReadWrite`](mode::ReadWrite) a shorter one grows, by zeros. In
    /// [`Write`](mode::Write) the new file is whole before it takes the old one's place, and has its permissions; a link at
    /// the path stays one, and leads to the new file; other hard links keep the old one.
    ///
    /// # Errors
    /// [`Error::Io`] if there is no such file, or it may not be used so;
    /// [`Error::Truncated`] if it is too short;
    /// [`Error::InvalidArgument`] if its length is no multiple of an item's and there is no
    /// shape, if there is no shape for a new file, or if `T` cannot stand at the offset;
    /// [`Error::NoSpace`], [`Error::ShapeOverflow`],
    /// [`Error::TooManyDimensions`],
    /// [`Error::UnsupportedDtype`].
    pub fn open(self) -> Result<Memmap<T, D, M>> {
        Memmap::new(self.plan.open()?)
    }

    /// Maps a .npy file, which says itself what it holds; a shape or an order that was given has to be what it says.
    ///
    /// In [`Write`](mode::Write) it makes a new one, header and all. No other mode changes its length: a file that is shorter than its
    /// header says has lost something. With an [`offset`](Self::offset), the .npy stream starts there.
    ///
    /// # Errors
    /// [`Error::InvalidPreamble`] if it is no .npy file;
    /// [`Error::Mismatch`] if it is not an array of `T` with the dimensions of `E`, or not as asked for;
    /// and those of [`open`](Self::open). A hostile header takes no more than two reads of 1 MiB.
    ///
    /// # Examples
    /// ```
    /// use ndarray::{Array2, Ix2};
    /// use sharray::{Error, Mode, memmap, save_npy};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("ones.npy");
    /// save_npy(&path, &Array2::<f64>::ones((3, 4)))?;
    /// let mut m = memmap::<f64>(&path).mode(Mode::ReadWrite).open_npy::<Ix2>()?;
    /// m.view_mut()[[0, 0]] = 0.0;
    /// assert!(matches!(memmap::<f32>(&path).open_npy::<Ix2>(), Err(Error::Mismatch { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open_npy<E: Dimension>(self) -> Result<Memmap<T, E, M>> {
        let is_other = |shape: &Vec<usize>| E::NDIM.is_some_and(|ndim| ndim != shape.len());
        if self.plan.shape.as_ref().is_some_and(is_other) {
            return Err(self.plan.wrong_dimensions(E::NDIM.unwrap_or_default()));
        }
        Memmap::new(self.plan.open_npy()?)
    }
}

/// Options for mapping a plain file with a dtype known at run time. [`AnyMemmap::builder`] makes one.
///
/// Without a dtype the items of a file without a header are bytes, and without a shape they are as many as there are.
///
/// # Examples
/// ```
/// use sharray::{AnyMemmap, AnyMode, DType, Order};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data.dat");
/// let new = AnyMemmap::builder(&path).mode(AnyMode::Write).dtype(DType::parse("<f4")?).shape(&[2, 3]);
/// new.clone().offset(16).order(Order::C).sparse(true).open()?;
///
/// let file = std::fs::File::open(&path)?;
/// let m = AnyMemmap::builder(&path).offset(16).dtype(DType::F32).open_in(file)?;
/// assert_eq!((m.shape(), m.is_writable()), (&[6][..], false));
///
/// new.open_npy()?;                                    // header and all, in the place of the other
/// assert_eq!(AnyMemmap::builder(&path).open_npy()?.shape(), [2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct AnyMemmapBuilder {
    plan: Plan,
}

impl AnyMemmapBuilder {
    pub(super) fn new(path: &Path) -> Self {
        Self { plan: Plan::new(path) }
    }

    plan_options!();

    /// How it is mapped. Default: [`AnyMode::Read`].
    #[must_use]
    pub fn mode(mut self, mode: impl Into<AnyMode>) -> Self {
        self.plan.mode = mode.into();
        self
    }

    /// The items' dtype. Default: bytes; for a .npy file that is there, whatever it says.
    #[must_use]
    pub fn dtype(mut self, dtype: DType) -> Self {
        self.plan.dtype = Some(dtype);
        self
    }

    /// The array's shape. Has to be given for a new file.
    #[must_use]
    pub fn shape(mut self, shape: &[usize]) -> Self {
        self.plan.shape = Some(shape.to_vec());
        self
    }

    /// Maps the file.
    ///
    /// # Errors
    /// As [`MemmapBuilder::open`].
    pub fn open(&self) -> Result<AnyMemmap> {
        self.plan.open()
    }

    /// Maps a file that is open already, with the access that the mode needs; the path is only what errors name.
    ///
    /// In [`AnyMode::Write`] nothing is replaced, since nobody knows the file's name: the file keeps what it holds and grows, as
    /// `np.memmap` has it.
    ///
    /// # Errors
    /// As [`MemmapBuilder::open`].
    pub fn open_in(&self, file: File) -> Result<AnyMemmap> {
        self.plan.open_in(file)
    }

    /// Maps a .npy file.
    ///
    /// # Errors
    /// As [`MemmapBuilder::open_npy`].
    pub fn open_npy(&self) -> Result<AnyMemmap> {
        self.plan.open_npy()
    }

    /// Makes a new .npy file, which takes the path when `fill` is done: nobody finds it half filled. If `fill` fails, what was at the
    /// path stays there. The mode has to be [`AnyMode::Write`].
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if it is another mode; those of `fill`, and as
    /// [`MemmapBuilder::open_npy`].
    ///
    /// # Examples
    /// ```
    /// use sharray::{AnyMemmap, DType, Mode};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("twos.npy");
    /// let builder = AnyMemmap::builder(&path).mode(Mode::Write).dtype(DType::U8).shape(&[3]);
    /// builder.create_npy_with(|m| m.bytes_mut().map(|bytes| bytes.fill(2)))?;
    /// assert_eq!(AnyMemmap::builder(&path).open_npy()?.bytes(), [2, 2, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_npy_with(&self, fill: impl FnOnce(&mut AnyMemmap) -> Result<()>) -> Result<AnyMemmap> {
        if self.plan.mode != AnyMode::Write {
            let reason = format!("mode is {}, expected {} for a new file", self.plan.mode, AnyMode::Write);
            return Err(Error::invalid(&name_of(&self.plan.path), reason));
        }
        self.plan.create_npy(fill)
    }
}
