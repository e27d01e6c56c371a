//! One step of the reaction, for some of the rows: the same lines for one process and for a team. Each edge meets the opposite one.

use ndarray::{ArrayRef2, Axis};
use std::ops::Range;

/// How fast each substance spreads, how fast the first is fed and both flow off, and how fast the second decays besides: these make
/// spots that divide.
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
    let Some(last) = u.len().checked_sub(1) else { return };
    for (left, at, right) in [(last, 0, 1.min(last)), (last.saturating_sub(1), last, 0)] {
        let five = |[above, here, below]: [&[f32]; 3]| [above[at], below[at], here[left], here[right], here[at]];
        (u[at], v[at]) = item(five(old_u), five(old_v));
    }
    if last > 1 {
        inner_items(five_rows(old_u), five_rows(old_v), &mut u[1..last], &mut v[1..last]);
    }
}

/// What is above, below, left and right of the inner items of a row, and they themselves.
fn five_rows([above, here, below]: [&[f32]; 3]) -> [&[f32]; 5] {
    let last = here.len() - 1;
    [&above[1..last], &below[1..last], &here[..last - 1], &here[2..], &here[1..last]]
}

/// Slices of one length, known to be so, become vector instructions.
fn inner_items(old_u: [&[f32]; 5], old_v: [&[f32]; 5], u: &mut [f32], v: &mut [f32]) {
    let len = u.len();
    let (old_u, old_v) = (old_u.map(|row| &row[..len]), old_v.map(|row| &row[..len]));
    let v = &mut v[..len];
    for at in 0..len {
        (u[at], v[at]) = item(old_u.map(|row| row[at]), old_v.map(|row| row[at]));
    }
}

/// One item of each substance from its neighbours and itself.
fn item([above, below, left, right, u]: [f32; 5], [v_above, v_below, v_left, v_right, v]: [f32; 5]) -> (f32, f32) {
    let more_u = (above + below) + (left + right) - 4.0 * u;
    let more_v = (v_above + v_below) + (v_left + v_right) - 4.0 * v;
    let reaction = u * v * v;
    (u + (SPREAD[0] * more_u - reaction + FEED * (1.0 - u)), v + (SPREAD[1] * more_v + reaction - (FEED + TAKE) * v))
}
