//! Calls in which the ranks tell each other something: reductions, gather, broadcast.

use super::exchange::{Call, pieces};
use super::reduce::fold_of;
use super::{Patience, Reduction, Team};
use crate::dtype::DType;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::shape;
use ndarray::{Array, ArrayRef, Axis, Dimension};

impl Team {
    /// The sum of an array over all ranks, item by item, as `numpy.add`: integers wrap around.
    ///
    /// The ranks' arrays are added in the order of the ranks, one after the other, so that all ranks get the same bits, and the
    /// same in each run. It costs one barrier and two copies for each 16 kB or part of it, so it is for small arrays.
    ///
    /// # Errors
    /// Those of [`barrier`](Self::barrier); [`Error::UnsupportedDtype`] if the items are no numbers;
    /// [`Error::InvalidArgument`] if another rank is in another call, or in this one with another dtype or shape.
    ///
    /// # Examples
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// use ndarray::{arr0, array};
    /// use std::time::Duration;
    ///
    /// let patience = Duration::from_secs(5);
    /// let rank = |rank: u32| -> sharray::Result<_> {
    ///     let team = sharray::Team::builder().directory(&place).join("sim", rank, 3)?;
    ///     let mass = team.sum(&array![1.5, f64::from(rank)], patience)?;
    ///     let slowest = team.max(&arr0(rank), patience)?;
    ///     Ok((mass, slowest.into_scalar()))
    /// };
    /// std::thread::scope(|scope| -> sharray::Result<()> {
    ///     let others = [scope.spawn(|| rank(1)), scope.spawn(|| rank(2))];
    ///     assert_eq!(rank(0)?, (array![4.5, 3.0], 2));
    ///     for other in others {
    ///         assert_eq!(other.join().unwrap()?, (array![4.5, 3.0], 2));
    ///     }
    ///     Ok(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sum<'p, T: Element, D: Dimension>(
        &self,
        local: &ArrayRef<T, D>,
        patience: impl Into<Patience<'p>>,
    ) -> Result<Array<T, D>> {
        self.reduce(Reduction::Sum, local, patience.into())
    }

    /// The least of each item over all ranks, as `numpy.minimum`: NaN, if one is. Otherwise as [`sum`](Self::sum).
    ///
    /// # Errors
    /// As for [`sum`](Self::sum).
    ///
    /// # Examples
    /// ```
    /// use ndarray::arr0;
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let team = sharray::Team::builder().directory(&place).join("sim", 0, 1)?;
    /// let step = team.min(&arr0(0.25), Duration::from_secs(5))?;         // the smallest that any rank can take
    /// assert_eq!(step.into_scalar(), 0.25);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn min<'p, T: Element, D: Dimension>(
        &self,
        local: &ArrayRef<T, D>,
        patience: impl Into<Patience<'p>>,
    ) -> Result<Array<T, D>> {
        self.reduce(Reduction::Min, local, patience.into())
    }

    /// The greatest of each item over all ranks, as `numpy.maximum`: NaN, if one is. Otherwise as [`sum`](Self::sum).
    ///
    /// # Errors
    /// As for [`sum`](Self::sum).
    pub fn max<'p, T: Element, D: Dimension>(
        &self,
        local: &ArrayRef<T, D>,
        patience: impl Into<Patience<'p>>,
    ) -> Result<Array<T, D>> {
        self.reduce(Reduction::Max, local, patience.into())
    }

    /// The arrays of all ranks, stacked: one more axis, the first, counts the ranks. Costs what [`sum`](Self::sum) does.
    ///
    /// # Errors
    /// Those of [`barrier`](Self::barrier); [`Error::InvalidArgument`] if another rank is in another call, or in this one with
    /// another dtype or shape.
    ///
    /// # Examples
    /// ```
    /// use ndarray::{Axis, arr1, array};
    /// use sharray::Team;
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let patience = Duration::from_secs(5);
    /// let rank = |rank: u32| -> sharray::Result<_> {
    ///     let team = Team::builder().directory(&place).join("sim", rank, 2)?;
    ///     let mut settings = arr1(&[f64::from(rank); 2]);
    ///     team.broadcast(0, &mut settings, patience)?;                    // those of rank 0
    ///     assert_eq!(settings, arr1(&[0.0, 0.0]));
    ///     team.gather(&arr1(&[rank, 7]), patience)
    /// };
    /// std::thread::scope(|scope| {
    ///     let other = scope.spawn(|| rank(1));
    ///     let all = rank(0)?;
    ///     assert_eq!(all, array![[0, 7], [1, 7]]);
    ///     assert_eq!(other.join().unwrap()?.index_axis(Axis(0), 1), all.row(1));
    ///     Ok::<(), sharray::Error>(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gather<'p, T: Element, D: Dimension>(
        &self,
        local: &ArrayRef<T, D>,
        patience: impl Into<Patience<'p>>,
    ) -> Result<Array<T, D::Larger>> {
        let mut shape = local.raw_dim().insert_axis(Axis(0));
        shape[0] = self.size() as usize;
        let items = items_of(local);
        let mut all = vec![T::zeroed(); items.len() * shape[0]];
        let bytes = bytemuck::cast_slice_mut(&mut all);
        self.gather_bytes(&T::dtype(), local.shape(), bytemuck::cast_slice(&items), bytes, patience)?;
        self.shaped(shape, all)
    }

    /// Gives the array of the rank `root` to all ranks, whose own is overwritten. Costs what [`sum`](Self::sum) does.
    ///
    /// # Errors
    /// As for [`gather`](Self::gather), and if there is no such rank. What is in the array then may be a part of it.
    pub fn broadcast<'p, T: Element, D: Dimension>(
        &self,
        root: u32,
        array: &mut ArrayRef<T, D>,
        patience: impl Into<Patience<'p>>,
    ) -> Result<()> {
        let mut items = items_of(array);
        self.broadcast_bytes(root, &T::dtype(), array.shape(), bytemuck::cast_slice_mut(&mut items), patience)?;
        for (place, item) in array.iter_mut().zip(items) {
            *place = item;
        }
        Ok(())
    }

    fn reduce<T: Element, D: Dimension>(
        &self,
        reduction: Reduction,
        local: &ArrayRef<T, D>,
        patience: Patience<'_>,
    ) -> Result<Array<T, D>> {
        let mut items = items_of(local);
        let bytes = bytemuck::cast_slice_mut(&mut items);
        self.reduce_bytes(reduction, &T::dtype(), local.shape(), bytes, patience)?;
        self.shaped(local.raw_dim(), items)
    }

    fn shaped<T, D: Dimension>(&self, shape: D, items: Vec<T>) -> Result<Array<T, D>> {
        Array::from_shape_vec(shape, items).map_err(|error| Error::invalid(self.name(), error.to_string()))
    }

    /// Puts the reduction over all ranks of an array of this dtype and shape in its place: [`sum`](Self::sum) and the like, where
    /// the dtype is known at run time. The bytes are in C order.
    ///
    /// # Errors
    /// As for [`sum`](Self::sum), and [`Error::InvalidArgument`] if there are more or fewer bytes. They may be reduced in part then.
    pub fn reduce_bytes<'p>(
        &self,
        reduction: Reduction,
        dtype: &DType,
        shape: &[usize],
        bytes: &mut [u8],
        patience: impl Into<Patience<'p>>,
    ) -> Result<()> {
        let (mut patience, fold) = (patience.into(), fold_of(reduction, dtype)?);
        self.check_len(dtype, shape, bytes.len())?;
        let _turn = self.enter()?;
        let call = Call::new(format!("{reduction} of {dtype} {shape:?}"));
        let mut theirs = Vec::new();
        for range in pieces(bytes.len()) {
            let piece = &mut bytes[range];
            let shown = self.show(&call, piece, &mut patience)?;
            theirs.resize(piece.len(), 0);
            self.read(0, shown, piece);
            for rank in 1..self.size() {
                self.read(rank, shown, &mut theirs);
                fold(piece, &theirs);
            }
        }
        self.segment().check_whole()
    }

    /// Copies the arrays of this dtype and shape of all ranks into `all`, in the order of the ranks: [`gather`](Self::gather),
    /// where the dtype is known at run time. The bytes are in C order.
    ///
    /// # Errors
    /// As for [`gather`](Self::gather), and [`Error::InvalidArgument`] if there are more or fewer bytes.
    ///
    /// # Examples
    /// ```
    /// use sharray::{DType, Team};
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let patience = Duration::from_secs(5);
    /// let team = Team::builder().directory(&place).join("sim", 0, 1)?;
    /// let (mut own, mut all) = ([1, 2], [0; 2]);
    /// team.broadcast_bytes(0, &DType::U8, &[2], &mut own, patience)?;
    /// team.gather_bytes(&DType::U8, &[2], &own, &mut all, patience)?;
    /// assert_eq!(all, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gather_bytes<'p>(
        &self,
        dtype: &DType,
        shape: &[usize],
        bytes: &[u8],
        all: &mut [u8],
        patience: impl Into<Patience<'p>>,
    ) -> Result<()> {
        self.check_len(dtype, shape, bytes.len())?;
        if all.len() != bytes.len() * self.size() as usize {
            let reason = format!("{} bytes of each of {} ranks do not fit {}", bytes.len(), self.size(), all.len());
            return Err(Error::invalid(self.name(), reason));
        }
        let mut patience = patience.into();
        let _turn = self.enter()?;
        let call = Call::new(format!("gather of {dtype} {shape:?}"));
        for range in pieces(bytes.len()) {
            let shown = self.show(&call, &bytes[range.clone()], &mut patience)?;
            // Of no bytes there are no parts, and all of them are here.
            for (rank, theirs) in (0..).zip(all.chunks_exact_mut(bytes.len().max(1))) {
                self.read(rank, shown, &mut theirs[range.clone()]);
            }
        }
        self.segment().check_whole()
    }

    /// Overwrites an array of this dtype and shape by that of the rank `root`: [`broadcast`](Self::broadcast), where the dtype is
    /// known at run time. The bytes are in C order.
    ///
    /// # Errors
    /// As for [`broadcast`](Self::broadcast), and [`Error::InvalidArgument`] if there are more or fewer bytes.
    pub fn broadcast_bytes<'p>(
        &self,
        root: u32,
        dtype: &DType,
        shape: &[usize],
        bytes: &mut [u8],
        patience: impl Into<Patience<'p>>,
    ) -> Result<()> {
        self.check_len(dtype, shape, bytes.len())?;
        if root >= self.size() {
            let reason = format!("it has no rank {root}, expected one below {}", self.size());
            return Err(Error::invalid(self.name(), reason));
        }
        let mut patience = patience.into();
        let _turn = self.enter()?;
        let call = Call::new(format!("broadcast from rank {root} of {dtype} {shape:?}"));
        for range in pieces(bytes.len()) {
            let piece = &mut bytes[range];
            let given: &[u8] = if root == self.rank() { piece } else { &[] };
            let shown = self.show(&call, given, &mut patience)?;
            self.read(root, shown, piece);
        }
        self.segment().check_whole()
    }

    fn check_len(&self, dtype: &DType, shape: &[usize], found: usize) -> Result<()> {
        let expected = shape::checked_size_bytes(shape, dtype.itemsize())?;
        if found == expected {
            return Ok(());
        }
        let reason = format!("{found} bytes are given, expected {expected} for {dtype} {shape:?}");
        Err(Error::invalid(self.name(), reason))
    }
}

/// The items in C order.
fn items_of<T: Element, D: Dimension>(array: &ArrayRef<T, D>) -> Vec<T> {
    array.iter().copied().collect()
}
