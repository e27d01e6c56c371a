//! The array in place that most tests use, and items that check themselves.

use super::{Outcome, ensure, ensure_eq, stream};
use ndarray::{Array2, ArrayRef, Ix2};
use sharray::{ArrayBuilder, Directory, SharedArray, WriteGuard};
use std::ops::Range;

/// Its name stands in a folder, which has to come and to go with it.
pub(crate) const NAME: &str = "sim/ground";
pub(crate) const BLOCKS: usize = 4;
/// Rows of a block.
pub(crate) const HEIGHT: usize = 2;
pub(crate) const ROWS: usize = BLOCKS * HEIGHT;
pub(crate) const COLUMNS: usize = 6;
/// Few, so that a record that is lost is missed.
pub(crate) const PARTICIPANTS: u32 = 8;

pub(crate) type Field = SharedArray<u64, Ix2>;

pub(crate) fn builder(place: &Directory) -> ArrayBuilder<Field> {
    Field::builder().directory(place).blocks(BLOCKS).participants(PARTICIPANTS)
}

/// An item of a version of the array: the first of a row says the version, and each tells it from all others.
fn item(version: u64, row: usize, column: usize) -> u64 {
    if column == 0 { version } else { stream::word(version, row * COLUMNS + column) }
}

pub(crate) fn contents(version: u64) -> Array2<u64> {
    Array2::from_shape_fn((ROWS, COLUMNS), |(row, column)| item(version, row, column))
}

/// The rows of some blocks.
pub(crate) fn part(version: u64, blocks: Range<usize>) -> Array2<u64> {
    Array2::from_shape_fn((blocks.len() * HEIGHT, COLUMNS), |(row, column)| {
        item(version, blocks.start * HEIGHT + row, column)
    })
}

/// Overwrites what is lent with a version. It asks for the poison in the middle of each row: that is an access to shared
/// memory, and so a step before which a child can die with half a row written.
pub(crate) fn fill(guard: &mut WriteGuard<'_, u64, Ix2>, version: u64) {
    for (at, row) in guard.rows().enumerate() {
        for column in 0..COLUMNS {
            if column == COLUMNS / 2 {
                _ = guard.is_poisoned();
            }
            guard[[at, column]] = item(version, row, column);
        }
    }
}

/// The versions of blocks that were read, each of which must be whole.
pub(crate) fn versions(items: &ArrayRef<u64, Ix2>, first_row: usize) -> Outcome<Vec<u64>> {
    let mut found = Vec::new();
    for (at, row) in items.outer_iter().enumerate() {
        let (version, at) = (row[0], first_row + at);
        for (column, value) in row.iter().enumerate() {
            ensure!(*value == item(version, at, column), "item {at}, {column} is not of version {version}: {row}");
        }
        if at % HEIGHT == 0 {
            found.push(version);
        }
        ensure_eq!(found.last(), Some(&version), "the version of row {at}, in the middle of a block");
    }
    Ok(found)
}

/// The version of blocks that were written together.
pub(crate) fn version(items: &ArrayRef<u64, Ix2>, first_row: usize) -> Outcome<u64> {
    let all = versions(items, first_row)?;
    let first = all.first().copied().ok_or("there are no blocks")?;
    ensure!(all.iter().all(|version| *version == first), "blocks that are written together are of versions {all:?}");
    Ok(first)
}
