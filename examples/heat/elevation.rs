//! The initial field: a digital elevation model of the Jacksboro fault in Tennessee, in metres (USGS; public domain).

use crate::Outcome;
use ndarray::{Array2, ArrayRef2, Ix2};
use std::path::Path;

pub(crate) struct Elevation(Array2<f64>);

impl Elevation {
    pub(crate) fn read() -> Outcome<Self> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/elevation.npy");
        let metres = sharray::open_npy::<i16, Ix2>(&file)?;
        Ok(Self(metres.view().mapv(f64::from)))
    }

    /// Spreads the hills over a field of another size. Between the measured points it is linear.
    pub(crate) fn spread(&self, field: &mut ArrayRef2<f64>) {
        let scale = |to: usize, from: usize| (from - 1) as f64 / (to.max(2) - 1) as f64;
        let [down, right] = [0, 1].map(|axis| scale(field.shape()[axis], self.0.shape()[axis]));
        for ((row, column), metres) in field.indexed_iter_mut() {
            *metres = self.at(row as f64 * down, column as f64 * right);
        }
    }

    fn at(&self, row: f64, column: f64) -> f64 {
        let corner = |at: f64, len: usize| (at as usize).min(len - 2);
        let (top, left) = (corner(row, self.0.nrows()), corner(column, self.0.ncols()));
        let (down, right) = (row - top as f64, column - left as f64);
        let across = |row| self.0[[row, left]] * (1.0 - right) + self.0[[row, left + 1]] * right;
        across(top) * (1.0 - down) + across(top + 1) * down
    }
}
