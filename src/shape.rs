//! Shapes, orders and strides: every size that is computed from a shape is computed here, and checked.

use crate::error::{Error, Result};

/// The most dimensions that an array can have: what every version of NumPy can read.
///
/// # Examples
/// ```
/// use sharray::{AnyArray, DType, Error, MAX_NDIM};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let builder = AnyArray::builder().directory(&place);
/// assert!(builder.create("most", &DType::U8, &[1; MAX_NDIM]).is_ok());
/// let more = builder.create("more", &DType::U8, &[1; MAX_NDIM + 1]);
/// assert!(matches!(more, Err(Error::TooManyDimensions { ndim: 33, limit: 32 })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub const MAX_NDIM: usize = 32;

/// Which index of an array runs fastest in memory, in NumPy's words.
///
/// # Examples
/// ```
/// use ndarray::Ix2;
/// use sharray::{Order, SharedArray};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let builder = SharedArray::<f32, Ix2>::builder().directory(&place);
/// assert_eq!(builder.create("c", [2, 3])?.strides(), [12, 4]);
/// assert_eq!(builder.order(Order::Fortran).create("fortran", [2, 3])?.strides(), [4, 8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// The last index runs fastest, as in C: "row major".
    #[default]
    C,
    /// The first index runs fastest, as in Fortran: "column major".
    Fortran,
}

/// Returns the bytes of a contiguous array of this shape.
///
/// # Errors
/// [`Error::TooManyDimensions`] past [`MAX_NDIM`]; [`Error::ShapeOverflow`] if the bytes exceed `isize::MAX`. A zero
/// dimension makes them zero, but the product of the others has to fit all the same: NumPy and ndarray refuse the shape
/// otherwise.
pub(crate) fn checked_size_bytes(shape: &[usize], itemsize: usize) -> Result<usize> {
    checked_size_bytes_within(MAX_NDIM, shape, itemsize)
}

/// As [`checked_size_bytes`] with another limit of dimensions: a file's slots add one to those of its frames.
pub(crate) fn checked_size_bytes_within(max_ndim: usize, shape: &[usize], itemsize: usize) -> Result<usize> {
    if shape.len() > max_ndim {
        return Err(Error::TooManyDimensions { ndim: shape.len(), limit: max_ndim });
    }
    match checked_product(shape, itemsize) {
        None => Err(Error::ShapeOverflow { shape: shape.to_vec(), itemsize }),
        Some(_) if shape.contains(&0) => Ok(0),
        Some(bytes) => Ok(bytes),
    }
}

/// Returns how many bytes lie between neighbours along each axis of a contiguous array.
///
/// They are all zero for an array of no items, as NumPy and ndarray have it.
///
/// # Errors
/// As [`checked_size_bytes`].
pub(crate) fn strides_bytes(shape: &[usize], itemsize: usize, order: Order) -> Result<Vec<usize>> {
    let size_bytes = checked_size_bytes(shape, itemsize)?;
    let mut strides = vec![0; shape.len()];
    if size_bytes == 0 {
        return Ok(strides);
    }
    let mut stride = itemsize;
    let mut place = |axis: usize| {
        strides[axis] = stride;
        stride *= shape[axis];
    };
    match order {
        Order::C => (0..shape.len()).rev().for_each(&mut place),
        Order::Fortran => (0..shape.len()).for_each(&mut place),
    }
    Ok(strides)
}

/// The product of `itemsize` and the dimensions that are not zero, if it fits `isize`.
fn checked_product(shape: &[usize], itemsize: usize) -> Option<usize> {
    let product = shape.iter().filter(|&&n| n != 0).try_fold(itemsize, |product, &n| product.checked_mul(n))?;
    isize::try_from(product).is_ok().then_some(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_has_one_item_and_a_zero_dimension_none() {
        assert_eq!(checked_size_bytes(&[], 8).ok(), Some(8));
        assert_eq!(checked_size_bytes(&[4, 0], 8).ok(), Some(0));
    }

    #[test]
    fn sizes_past_isize_are_refused_even_beside_a_zero() {
        let largest = usize::MAX / 2;
        assert_eq!(checked_size_bytes(&[largest], 1).ok(), Some(largest));
        assert!(checked_size_bytes(&[largest + 1], 1).is_err());
        assert!(checked_size_bytes(&[usize::MAX, 0, usize::MAX], 1).is_err());
        assert!(matches!(
            checked_size_bytes(&[1 << 61, 0], 8),
            Err(Error::ShapeOverflow { shape, itemsize: 8 }) if shape == [1 << 61, 0]
        ));
        assert_eq!(checked_size_bytes(&[1 << 62, 0], 1).ok(), Some(0));
    }

    #[test]
    fn dimensions_are_limited() {
        assert_eq!(checked_size_bytes(&[1; MAX_NDIM], 4).ok(), Some(4));
        assert!(matches!(
            checked_size_bytes(&[1; MAX_NDIM + 1], 4),
            Err(Error::TooManyDimensions { ndim: 33, limit: 32 })
        ));
    }

    #[test]
    fn strides_follow_the_order() -> Result<()> {
        assert_eq!(strides_bytes(&[2, 3, 4], 8, Order::C)?, [96, 32, 8]);
        assert_eq!(strides_bytes(&[2, 3, 4], 8, Order::Fortran)?, [8, 16, 48]);
        assert_eq!(strides_bytes(&[3, 0, 2], 8, Order::C)?, [0, 0, 0]);
        assert_eq!(strides_bytes(&[], 8, Order::C)?, [0; 0]);
        assert!(strides_bytes(&[usize::MAX, 2], 8, Order::C).is_err());
        Ok(())
    }

    #[test]
    fn strides_agree_with_ndarray() -> Result<()> {
        for (shape, order) in [([5, 3, 2], Order::C), ([5, 3, 2], Order::Fortran), ([5, 0, 2], Order::C)] {
            let array = match order {
                Order::C => ndarray::Array3::<f32>::zeros(shape),
                Order::Fortran => ndarray::Array3::<f32>::zeros(ndarray::ShapeBuilder::f(shape)),
            };
            let ours: Vec<_> = strides_bytes(&shape, 4, order)?.iter().map(|s| s / 4).collect();
            let theirs: Vec<_> = array.strides().iter().map(|&s| s.unsigned_abs()).collect();
            assert_eq!(theirs, ours);
        }
        Ok(())
    }
}
