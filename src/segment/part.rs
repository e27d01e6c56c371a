//! A part of an array in place: some of its blocks, and so some of its rows.

use super::{Form, Segment};
use crate::error::{Error, Result};
use crate::protocol::lock::Span;
use crate::shape::Order;
use std::ops::Range;

/// Some blocks in a row, and where their items are.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) span: Span,
    pub(crate) rows: Range<usize>,
    /// The first item's place in the payload, in bytes.
    pub(crate) offset: usize,
}

/// The rows of an array of `rows` rows that the blocks of a span have. Blocks have as many rows as each other, or one
/// more: those that do come first, as in `numpy.array_split`.
fn rows_of(rows: usize, blocks: u32, span: Span) -> Range<usize> {
    let (each, more) = (rows / blocks.max(1) as usize, rows % blocks.max(1) as usize);
    let start = |block: u32| block as usize * each + (block as usize).min(more);
    start(span.first)..start(span.first + span.count)
}

/// The block that a row is in.
fn block_of(rows: usize, blocks: u32, row: usize) -> usize {
    let (each, more) = (rows / blocks.max(1) as usize, rows % blocks.max(1) as usize);
    let longer = more * (each + 1);
    if row < longer { row / (each + 1) } else { more + (row - longer) / each.max(1) }
}

impl Segment {
    /// All of it.
    #[inline]
    pub(crate) fn whole(&self) -> Part {
        let span = Span { first: 0, count: self.identity.nblocks };
        Part { span, rows: 0..self.form.shape.first().copied().unwrap_or(1), offset: 0 }
    }

    /// Some blocks, if there are such.
    pub(crate) fn part(&self, blocks: Range<usize>) -> Result<Part> {
        let count = self.identity.nblocks;
        if blocks.start >= blocks.end || blocks.end > count as usize {
            let reason =
                format!("it has no blocks {blocks:?}, expected some of the {count} there are, and at least one");
            return Err(Error::invalid(&self.name, reason));
        }
        let span = Span { first: blocks.start as u32, count: (blocks.end - blocks.start) as u32 };
        if span.count == count {
            return Ok(self.whole());
        }
        let Form { dtype, shape, order, .. } = &self.form;
        let all = shape.first().copied().unwrap_or(1);
        let rows = rows_of(all, count, span);
        let stride = match order {
            Order::C => self.size_bytes as usize / all.max(1),
            Order::Fortran => dtype.itemsize(),
        };
        Ok(Part { span, offset: rows.start * stride, rows })
    }

    /// The blocks that some rows are in: one at least.
    pub(crate) fn blocks_of(&self, rows: Range<usize>) -> Result<Range<usize>> {
        let count = self.form.shape.first().copied().unwrap_or(1);
        if rows.start > rows.end || rows.end > count {
            let reason = format!("it has no rows {rows:?}, expected some of the {count} there are");
            return Err(Error::invalid(&self.name, reason));
        }
        let block = |row| block_of(count, self.identity.nblocks, row).min(self.identity.nblocks as usize - 1);
        Ok(block(rows.start)..block(rows.end.saturating_sub(1).max(rows.start)) + 1)
    }

    /// The shape of a part.
    pub(crate) fn shape_of(&self, part: &Part) -> Vec<usize> {
        let mut shape = self.form.shape.clone();
        if let Some(rows) = shape.first_mut() {
            *rows = part.rows.len();
        }
        shape
    }

    /// The bytes of the payload that hold a part. In Fortran order, those of all others too.
    pub(crate) fn bytes_of(&self, part: &Part) -> Range<usize> {
        let all = self.size_bytes as usize;
        let rows = self.form.shape.first().copied().unwrap_or(1);
        if part.rows.len() == rows || self.form.order == Order::Fortran {
            return 0..all;
        }
        // No rows, no bytes; and no division by them.
        let len = all / rows.max(1) * part.rows.len();
        part.offset..part.offset + len
    }
}

#[cfg(test)]
mod tests {
    use super::{Span, block_of, rows_of};

    /// Every row is in one block, and no block is more than one row longer than another.
    #[test]
    fn blocks_share_the_rows() {
        for (rows, blocks) in [(1, 1), (10, 3), (3, 3), (7, 7), (1000, 64), (65_535, 65_535)] {
            let each: Vec<_> = (0..blocks).map(|first| rows_of(rows, blocks, Span { first, count: 1 })).collect();
            assert_eq!(each[0].start, 0);
            assert!(each.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].len() - pair[1].len() <= 1));
            assert_eq!(each.last().map(|last| last.end), Some(rows));
            for (block, part) in each.into_iter().enumerate() {
                assert!(part.clone().all(|row| block_of(rows, blocks, row) == block), "{part:?} of {rows} in {blocks}");
            }
        }
        assert_eq!(rows_of(10, 3, Span { first: 0, count: 2 }), 0..7);
    }
}
