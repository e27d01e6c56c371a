//! One step of the reaction, for some of the rows: the same lines for one process and for a team. Each edge meets the opposite one.

use ndarray::{ArrayRef2, Axis};
use std::ops::Range;

/// How fast each substance spreads, how fast the first is fed, and how fast the second is taken away: these make spots that divide.
const SPREAD: [f32; 2] = [0.16, 0.08];
const FEED: f32 = 0.0367;
const TAKE: f32 = 0.0649;

/// Makes the rows `rows` of both new states from the whole of both old ones.
///
/// Rows stand in memory item by item, in all of them.
pub(crate) fn step(old: [&ArrayRef2<f32>; 2], rows: Range<usize>, [u, v]: [&mut ArrayRef2<f32>; 2]) {
    let height = old[0].nrows();
    for ((row, mut u), mut v) in rows.zip(u.axis_iter_mut(Axis(0))).zip(v.axis_iter_mut(Axis(0))) {
        let around = [(row + height - 1) % height, row, (row + 1) % height];
        let [old_u, old_v] = old.map(|old| around.map(|row| slice_of(old, row)));
        let u = u.as_slice_mut().expect("rows are contiguous");
        let v = v.as_slice_mut().expect("rows are contiguous");
        one_row(old_u, old_v, u, v);
    }
}

fn slice_of(array: &ArrayRef2<f32>, row: usize) -> &[f32] {
    array.index_axis(Axis(0), row).to_slice().expect("rows are contiguous")
}

/// The row above, the row itself and the row below of each substance make a new row of each.
fn one_row(old_u: [&[f32]; 3], old_v: [&[f32]; 3], u: &mut [f32], v: &mut [f32]) {
    let width = u.len();
    let mut item = |left: usize, at: usize, right: usize| {
        let [spread_u, spread_v] = [old_u, old_v].map(|[above, here, below]| {
            (above[at] + below[at]) + (here[left] + here[right]) - 4.0 * here[at]
        });
        let (here_u, here_v) = (old_u[1][at], old_v[1][at]);
        let reaction = here_u * here_v * here_v;
        u[at] = here_u + (SPREAD[0] * spread_u - reaction + FEED * (1.0 - here_u));
        v[at] = here_v + (SPREAD[1] * spread_v + reaction - TAKE * here_v);
    };
    let (Some(last), inner) = (width.checked_sub(1), 1..width.saturating_sub(1)) else { return };
    item(last, 0, 1 % width);
    for at in inner {
        item(at - 1, at, at + 1);
    }
    item(last.saturating_sub(1), last, 0);
}
