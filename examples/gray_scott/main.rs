//! Spots that grow and divide: two substances that react and spread (Gray and Scott, 1983), by a team of processes.
//!
//! [`GrayScott::parallel`] is all that a rank does, [`GrayScott::serial`] the same program for one process. `kernel.rs` is the step that
//! both make, and `../simulation` starts the ranks and tells how it went.

#![allow(clippy::print_stdout, reason = "it is a program: what it prints is what it is for")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures and pictures are for people to look at"
)]

mod kernel;
#[path = "../simulation/mod.rs"]
mod simulation;

use indicatif::ProgressBar;
use ndarray::{Array2, ArrayRef2, Ix2, s};
use sharray::{Result, Team};
use simulation::{Gradient, Outcome, PATIENCE, Simulation};
use std::process::ExitCode;

struct GrayScott {
    size: usize,
}

impl GrayScott {
    /// Drops of the second substance, here and there in the first.
    fn pour(&self, array: &mut ArrayRef2<f32>, elsewhere: f32, in_drops: f32) {
        array.fill(elsewhere);
        let drop = (self.size / 16).max(1);
        for (row, column) in [(3, 3), (9, 5), (6, 11), (12, 12)] {
            let (top, left) = (row * self.size / 16, column * self.size / 16);
            array.slice_mut(s![top..(top + drop).min(self.size), left..(left + drop).min(self.size)]).fill(in_drops);
        }
    }
}

impl Simulation for GrayScott {
    const NAME: &str = "gray_scott";
    const SIZE: (&str, usize) = ("rows and columns", 256);
    const STEPS: u64 = 6000;

    /// How much there is of each.
    type State = (Array2<f32>, Array2<f32>);

    fn new(size: usize) -> Outcome<Self> {
        Ok(Self { size })
    }

    fn parallel(&self, team: &Team, steps: u64, progress: &ProgressBar) -> Result<Self::State> {
        let shape = [self.size, self.size];
        let u = team.array::<f32, Ix2>("u", shape, PATIENCE, |u| self.pour(u, 1.0, 0.5))?;
        let v = team.array::<f32, Ix2>("v", shape, PATIENCE, |v| self.pour(v, 0.0, 0.25))?;
        while team.step() < steps {
            let (mut block_u, mut block_v) = (team.block(&u)?, team.block(&v)?);
            let rows = block_u.rows();
            let ((old_u, new_u), (old_v, new_v)) = (block_u.views(), block_v.views());
            kernel::step([old_u, old_v], rows, [new_u, new_v]);
            block_u.finish();
            block_v.finish();
            team.swap(PATIENCE)?; // both at once
            progress.set_position(team.step());
        }
        // Of one step: nobody writes them before this rank swaps again.
        Ok((u.current().snapshot()?, v.current().snapshot()?))
    }

    fn serial(&self, steps: u64, progress: &ProgressBar) -> Self::State {
        let shape = (self.size, self.size);
        let (mut u, mut v) = (Array2::zeros(shape), Array2::zeros(shape));
        let (mut new_u, mut new_v) = (u.clone(), v.clone());
        self.pour(&mut u, 1.0, 0.5);
        self.pour(&mut v, 0.0, 0.25);
        for _ in 0..steps {
            kernel::step([&u, &v], 0..self.size, [&mut new_u, &mut new_v]);
            std::mem::swap(&mut u, &mut new_u);
            std::mem::swap(&mut v, &mut new_v);
            progress.inc(1);
        }
        (u, v)
    }

    fn bytes((u, v): &Self::State) -> Vec<u8> {
        u.iter().chain(v).flat_map(|number| number.to_le_bytes()).collect()
    }

    fn picture((_, v): &Self::State) -> (Vec<f64>, [usize; 2], Gradient) {
        let colors = vec![[8, 8, 40], [20, 80, 140], [80, 190, 170], [250, 230, 120], [250, 120, 60]];
        (v.iter().copied().map(f64::from).collect(), [v.nrows(), v.ncols()], colors)
    }
}

fn main() -> ExitCode {
    simulation::main::<GrayScott>()
}
