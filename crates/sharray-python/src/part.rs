//! Which items of an array a handle stands for: what basic indexing makes of the whole.

use numpy::PyUntypedArray;
use pyo3::exceptions::{PyIndexError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyEllipsis, PySlice, PySliceMethods, PyTuple};
use sharray::AnyArray;
use std::ops::Range;

/// One dimension of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Axis {
    len: usize,
    /// The distance in bytes from one item to the next.
    stride: isize,
    /// The distance in rows of the whole array.
    rows: isize,
}

/// Some items of an array: where the first is, and how the others follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Bytes from the array's first item.
    offset: isize,
    /// The row of the whole array in which the first item is.
    row: isize,
    axes: Vec<Axis>,
    /// The axes' lengths and strides, as NumPy takes them.
    shape: Vec<usize>,
    strides: Vec<isize>,
}

/// A part as a pickle tells it: its offset, its row, and length, stride and rows of each axis.
pub(crate) type Told = (isize, isize, Vec<(usize, isize, isize)>);

impl Part {
    /// All of an array.
    pub(crate) fn whole(shape: &[usize], strides: &[usize]) -> Self {
        let axes = shape.iter().zip(strides).enumerate();
        let axes = axes.map(|(at, (len, stride))| Axis {
            len: *len,
            // No array has more bytes than a process can address.
            stride: isize::try_from(*stride).unwrap_or(isize::MAX),
            rows: isize::from(at == 0),
        });
        Self::new(0, 0, axes.collect())
    }

    fn new(offset: isize, row: isize, axes: Vec<Axis>) -> Self {
        let shape = axes.iter().map(|axis| axis.len).collect();
        let strides = axes.iter().map(|axis| axis.stride).collect();
        Self { offset, row, axes, shape, strides }
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(crate) fn strides(&self) -> &[isize] {
        &self.strides
    }

    pub(crate) fn ndim(&self) -> usize {
        self.axes.len()
    }

    pub(crate) fn offset(&self) -> isize {
        self.offset
    }

    pub(crate) fn size(&self) -> usize {
        self.axes.iter().map(|axis| axis.len).product()
    }

    /// The blocks in which the items are.
    pub(crate) fn blocks(&self, array: &AnyArray) -> sharray::Result<Range<usize>> {
        let reach = |axis: &Axis| (axis.len as isize - 1) * axis.rows;
        let first = self.row + self.axes.iter().map(|axis| reach(axis).min(0)).sum::<isize>();
        let last = self.row + self.axes.iter().map(|axis| reach(axis).max(0)).sum::<isize>();
        let row = |at: isize| usize::try_from(at).unwrap_or(0);
        let rows = if self.size() == 0 { 0..0 } else { row(first)..row(last + 1) };
        array.blocks_of(rows)
    }

    /// What an index picks of it: integers, slices, `...` and `None`.
    pub(crate) fn pick(&self, index: &Bound<'_, PyAny>) -> PyResult<Self> {
        let indices: Vec<Bound<'_, PyAny>> = match index.cast::<PyTuple>() {
            Ok(tuple) => tuple.iter().collect(),
            Err(_) => vec![index.clone()],
        };
        let takes = |index: &&Bound<'_, PyAny>| !index.is_none() && !index.is_instance_of::<PyEllipsis>();
        let taken = indices.iter().filter(takes).count();
        let rest = self.axes.len().checked_sub(taken).ok_or_else(|| {
            let message =
                format!("too many indices: the array has {} dimensions, but {taken} are indexed", self.ndim());
            PyIndexError::new_err(message)
        })?;
        let mut picked = Picked { offset: self.offset, row: self.row, axes: Vec::with_capacity(self.axes.len()) };
        let mut axes = self.axes.iter();
        let mut is_filled = false;
        for index in &indices {
            if index.is_instance_of::<PyEllipsis>() {
                if std::mem::replace(&mut is_filled, true) {
                    return Err(PyIndexError::new_err("an index can only have a single ellipsis ('...')"));
                }
                picked.axes.extend(axes.by_ref().take(rest));
            } else if index.is_none() {
                picked.axes.push(Axis { len: 1, stride: 0, rows: 0 });
            } else if let Some(axis) = axes.next() {
                picked.take(*axis, index)?;
            }
        }
        picked.axes.extend(axes);
        Ok(Self::new(picked.offset, picked.row, picked.axes))
    }

    pub(crate) fn tell(&self) -> Told {
        let axes = self.axes.iter().map(|axis| (axis.len, axis.stride, axis.rows));
        (self.offset, self.row, axes.collect())
    }

    /// The part that was told, if all its items are inside an array of so many bytes.
    pub(crate) fn heard((offset, row, axes): Told, array: &AnyArray) -> PyResult<Self> {
        let axes: Vec<_> = axes.into_iter().map(|(len, stride, rows)| Axis { len, stride, rows }).collect();
        let part = Self::new(offset, row, axes);
        let is_inside = part.reach().is_some_and(|reach| {
            let end = reach.end.checked_add(array.dtype().itemsize() as i128);
            reach.start >= 0 && end.is_some_and(|end| end <= array.size_bytes() as i128)
        });
        if part.size_is_zero() || is_inside {
            return Ok(part);
        }
        Err(PyValueError::new_err(format!("the pickle tells of items that array {:?} has not", array.name())))
    }

    fn size_is_zero(&self) -> bool {
        self.axes.iter().any(|axis| axis.len == 0)
    }

    /// Where the lowest and the highest item start, in bytes.
    fn reach(&self) -> Option<Range<i128>> {
        let mut reach = i128::from(self.offset as i64)..i128::from(self.offset as i64);
        for axis in &self.axes {
            let span = (axis.len as i128).checked_sub(1)?.checked_mul(axis.stride as i128)?;
            reach.start = reach.start.checked_add(span.min(0))?;
            reach.end = reach.end.checked_add(span.max(0))?;
        }
        Some(reach)
    }
}

/// A part that is being picked.
struct Picked {
    offset: isize,
    row: isize,
    axes: Vec<Axis>,
}

impl Picked {
    fn take(&mut self, axis: Axis, index: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(slice) = index.cast::<PySlice>() {
            let slice = slice.indices(axis.len as isize)?;
            // An empty slice may start past the end.
            let start = if slice.slicelength == 0 { 0 } else { slice.start };
            self.step(axis, start);
            // The distance to the next item means nothing where there is none, and may be any.
            let step = if slice.slicelength < 2 { 1 } else { slice.step };
            let (stride, rows) = (axis.stride * step, axis.rows * step);
            self.axes.push(Axis { len: slice.slicelength, stride, rows });
            return Ok(());
        }
        let is_mask = index.is_instance_of::<pyo3::types::PyBool>() || index.is_instance_of::<PyUntypedArray>();
        let len = axis.len as isize;
        let out_of_bounds =
            || PyIndexError::new_err(format!("index {index} is out of bounds for an axis of length {len}"));
        let at: isize = match index.call_method0("__index__").and_then(|at| at.extract()) {
            Ok(at) if !is_mask => at,
            Err(error) if error.is_instance_of::<PyOverflowError>(index.py()) => return Err(out_of_bounds()),
            _ => {
                let class = index.get_type();
                let message = format!(
                    "a handle takes integers, slices, ... and None, not {class}: index what read() lends, or a snapshot()"
                );
                return Err(PyTypeError::new_err(message));
            }
        };
        if !(-len..len).contains(&at) {
            return Err(out_of_bounds());
        }
        self.step(axis, if at < 0 { at + len } else { at });
        Ok(())
    }

    fn step(&mut self, axis: Axis, by: isize) {
        self.offset += by * axis.stride;
        self.row += by * axis.rows;
    }
}
