//! One step of the diffusion, for some of the rows: the same lines for one process and for a team.

use multiversion::multiversion;
use ndarray::{ArrayRef2, Axis};
use std::ops::Range;

/// How much of the difference to its neighbours an item gives away in a step. Above a quarter it would not be stable.
const RATE: f64 = 0.2;

/// So many items are a line of the cache.
const LINE: usize = 8;

/// Makes the rows `rows` of the state after `step` steps and one more, from the whole of that after `step`. The edge of the field
/// stays as it is.
///
/// Every other step begins with the last row: the cache still has what the step before made last. Rows stand in memory item
/// by item, in both.
pub(crate) fn step(step: u64, old: &ArrayRef2<f64>, rows: Range<usize>, new: &mut ArrayRef2<f64>) {
    let last = old.nrows().saturating_sub(1);
    let mut make = |row: usize| {
        let mut into = new.index_axis_mut(Axis(0), row - rows.start);
        let into = into.as_slice_mut().expect("rows are contiguous");
        let [above, here, below] = [row.saturating_sub(1), row, (row + 1).min(last)]
            .map(|row| old.index_axis(Axis(0), row).to_slice().expect("rows are contiguous"));
        if row == 0 || row == last { into.copy_from_slice(here) } else { inner_row(above, here, below, into) }
    };
    if step % 2 == 0 { rows.clone().for_each(&mut make) } else { rows.clone().rev().for_each(&mut make) }
}

/// The inner items up to the first that stands on a line, and the others: those are stored a whole line at a time.
fn inner_row(above: &[f64], here: &[f64], below: &[f64], into: &mut [f64]) {
    let Some(last) = into.len().checked_sub(1) else { return };
    (into[0], into[last]) = (here[0], here[last]);
    for items in [1..LINE.min(last), LINE.min(last)..last] {
        inner_items(above, here, below, into, items);
    }
}

/// Slices of one length, known to be so, become vector instructions: the widest that the machine has.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn inner_items(above: &[f64], here: &[f64], below: &[f64], into: &mut [f64], items: Range<usize>) {
    let n = items.len();
    let (left, right) = (&here[items.start - 1..][..n], &here[items.start + 1..][..n]);
    let [above, here, below] = [above, here, below].map(|row| &row[items.clone()][..n]);
    let into = &mut into[items][..n];
    for at in 0..n {
        let around = (above[at] + below[at]) + (left[at] + right[at]);
        into[at] = here[at] + RATE * (around - 4.0 * here[at]);
    }
}
