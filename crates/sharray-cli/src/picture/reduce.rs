//! Many numbers in few cells, so that nothing odd is lost from sight.

use crate::items::Items;
use std::ops::Range;

/// The least that an elongated array is squeezed to on its shorter side.
const NARROWEST: usize = 16;

/// Cells in rows, each with the number that stands for its part of the array.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grid {
    pub(crate) width: usize,
    pub(crate) values: Vec<f64>,
}

/// How large an array is drawn in at most `width` by `height`: with square items, enlarged a whole number of times or
/// made smaller; an elongated one keeps some breadth.
pub(crate) fn fit(columns: usize, rows: usize, width: usize, height: usize) -> (usize, usize) {
    let (width, height) = (width.max(1), height.max(1));
    let times = (width / columns.max(1)).min(height / rows.max(1));
    if times >= 1 {
        return (columns * times, rows * times);
    }
    let squeezed = |side: usize, room: usize, other: usize, other_room: usize| {
        // As the other side is squeezed, if that one is what does not fit.
        let alike = if other * room > side * other_room { side * other_room / other.max(1) } else { room };
        alike.max(NARROWEST.min(side)).min(room)
    };
    (squeezed(columns, width, rows, height), squeezed(rows, height, columns, width))
}

/// The greatest number of each part of a plane. What is not finite is greater than any: a NaN, then infinities.
pub(crate) fn greatest(items: &Items, bytes: &[u8], width: usize, height: usize) -> Grid {
    let (rows, columns) = (items.shape()[0], items.shape()[1]);
    let mut values = vec![None; width * height];
    for (y, line) in values.chunks_exact_mut(width.max(1)).enumerate() {
        for row in part(y, height, rows) {
            let row = items.at(row);
            for (x, cell) in line.iter_mut().enumerate() {
                for column in part(x, width, columns) {
                    let value = row.get(bytes, &[column]);
                    *cell = Some(cell.map_or(value, |so_far| greater(so_far, value)));
                }
            }
        }
    }
    Grid { width, values: values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect() }
}

pub(crate) fn greater(one: f64, other: f64) -> f64 {
    match (one.is_finite(), other.is_finite()) {
        (true, true) => one.max(other),
        (true, false) => other,
        (false, true) => one,
        (false, false) => {
            if one.is_nan() {
                one
            } else {
                other
            }
        }
    }
}

/// The mean of the first three of the last axis, over each part of the first two: the brightness of an image.
pub(crate) fn means(items: &Items, bytes: &[u8], width: usize, height: usize) -> Grid {
    let cells = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let values = cells.map(|(x, y)| {
        let (area, channels) = (Area::of(items, x, y, width, height), 0..3);
        channels.map(|channel| area.mean(items, bytes, channel)).sum::<f64>() / 3.0
    });
    Grid { width, values: values.collect() }
}

/// One cell's part of an image.
#[derive(Clone, Debug)]
pub(crate) struct Area {
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Area {
    pub(crate) fn of(items: &Items, x: usize, y: usize, width: usize, height: usize) -> Self {
        Self { rows: part(y, height, items.shape()[0]), columns: part(x, width, items.shape()[1]) }
    }

    /// The mean of one channel; no number, if one of them is none.
    pub(crate) fn mean(&self, items: &Items, bytes: &[u8], channel: usize) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for row in self.rows.clone() {
            for column in self.columns.clone() {
                sum += items.get(bytes, &[row, column, channel]);
                count += 1.0;
            }
        }
        sum / count
    }
}

/// A column of a line: all numbers of its part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Column {
    /// The least, the greatest, the first and the last of those that are finite, if any is.
    pub(crate) finite: Option<(f64, f64, f64, f64)>,
    /// One that is not finite: a NaN, if there is one.
    pub(crate) odd: Option<f64>,
}

/// The numbers of a line in so many columns. A column that no number is in repeats the one before.
pub(crate) fn envelope(items: &Items, bytes: &[u8], columns: usize) -> Vec<Column> {
    let len = items.shape()[0];
    (0..columns).map(|at| column(items, bytes, part(at, columns, len))).collect()
}

fn column(items: &Items, bytes: &[u8], part: Range<usize>) -> Column {
    let mut column = Column { finite: None, odd: None };
    for at in part {
        let value = items.get(bytes, &[at]);
        if value.is_finite() {
            let (min, max, first, _) = column.finite.unwrap_or((value, value, value, value));
            column.finite = Some((min.min(value), max.max(value), first, value));
        } else {
            column.odd = Some(column.odd.map_or(value, |so_far| greater(so_far, value)));
        }
    }
    column
}

/// The items that stand in the `at`th of `of` cells, which are not empty.
fn part(at: usize, of: usize, len: usize) -> Range<usize> {
    let start = at * len / of;
    start..((at + 1) * len / of).max(start + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sharray::{DType, Order};

    fn items(shape: &[usize]) -> Items {
        Items::new(&DType::F32, shape, Order::C, None).expect("it has numbers")
    }

    fn bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    /// One hot pixel of a million has to be seen.
    #[test]
    fn a_spike_survives() {
        let mut values = vec![0.0; 1000 * 1000];
        values[123_456] = 7.0;
        let grid = greatest(&items(&[1000, 1000]), &bytes(&values), 10, 10);
        assert_eq!(grid.values.iter().filter(|value| **value > 6.0).count(), 1);
        assert!(grid.values[14] > 6.0);
        let line = envelope(&items(&[1_000_000]), &bytes(&values), 10);
        assert_eq!(line[1].finite, Some((0.0, 7.0, 0.0, 0.0)));
    }

    #[test]
    fn what_is_no_number_survives() {
        let values = [1.0, f32::NAN, f32::INFINITY, 2.0, f32::NEG_INFINITY, f32::INFINITY, 5.0, 3.0];
        let grid = greatest(&items(&[2, 4]), &bytes(&values), 2, 2);
        assert!(grid.values[0].is_nan());
        assert!(grid.values[1] > f64::MAX && grid.values[2] > f64::MAX);
        assert_eq!(grid.values[3].to_bits(), 5.0_f64.to_bits());
        assert!(envelope(&items(&[8]), &bytes(&values), 1)[0].odd.is_some_and(f64::is_nan));
    }

    /// No item is left out and none is outside, whatever the two sizes are.
    #[test]
    fn parts_cover_everything() {
        for len in 1..40 {
            for of in 1..60 {
                let parts: Vec<_> = (0..of).map(|at| part(at, of, len)).collect();
                assert!(parts.iter().all(|part| !part.is_empty() && part.end <= len), "{len} {of}");
                assert!((0..len).all(|item| parts.iter().any(|part| part.contains(&item))), "{len} {of}");
            }
        }
    }

    #[test]
    fn pictures_fit() {
        assert_eq!(fit(4, 4, 80, 40), (40, 40));
        assert_eq!(fit(640, 480, 80, 40), (53, 40));
        assert_eq!(fit(480, 640, 80, 40), (30, 40));
        assert_eq!(fit(10_000, 3, 80, 40), (80, 3));
        assert_eq!(fit(10_000, 100, 80, 40), (80, 16));
        assert_eq!(fit(3, 10_000, 80, 40), (3, 40));
        assert_eq!(fit(1, 1, 0, 0), (1, 1));
    }
}
