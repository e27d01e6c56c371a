//! Bytes shown as arrays, where size and alignment allow it.

use crate::element::Element;
use crate::shape::Order;
use ndarray::{ArrayView, ArrayViewMut, Dimension, IxDyn, ShapeBuilder, StrideShape};

/// Shows bytes as an array; `None` if they are not as many as the shape needs, or not aligned for `T`.
pub(crate) fn view<'a, T: Element, D: Dimension>(
    bytes: &'a [u8],
    shape: &[usize],
    order: Order,
) -> Option<ArrayView<'a, T, D>> {
    // Where there is no item, no byte stands anywhere.
    let items: &[T] = if bytes.is_empty() { &[] } else { bytemuck::try_cast_slice(bytes).ok()? };
    ArrayView::from_shape(strided::<D>(shape, order)?, items).ok()
}

/// Shows bytes as an array that may be written.
pub(crate) fn view_mut<'a, T: Element, D: Dimension>(
    bytes: &'a mut [u8],
    shape: &[usize],
    order: Order,
) -> Option<ArrayViewMut<'a, T, D>> {
    let items: &mut [T] = if bytes.is_empty() { &mut [] } else { bytemuck::try_cast_slice_mut(bytes).ok()? };
    ArrayViewMut::from_shape(strided::<D>(shape, order)?, items).ok()
}

pub(crate) fn strided<D: Dimension>(shape: &[usize], order: Order) -> Option<StrideShape<D>> {
    let shape = D::from_dimension(&IxDyn(shape))?;
    Some(shape.set_f(order == Order::Fortran).into())
}
