//! Two galaxies that meet: bodies that attract each other, each moved by the pull of all, by a team of processes.
//!
//! A step is as long as the fastest body permits, so the ranks agree on it by a reduction. [`Bodies::parallel`] is all that a rank
//! does, [`Bodies::serial`] the same program for one process. `body.rs` has the laws of motion, and `../simulation` starts the ranks
//! and tells how it went.

#![allow(clippy::print_stdout, reason = "it is a program: what it prints is what it is for")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures and pictures are for people to look at"
)]

mod body;
#[path = "../simulation/mod.rs"]
mod simulation;

use body::{Body, fastest, galaxies, pulled, time_step};
use indicatif::ProgressBar;
use ndarray::{Array1, Ix1, arr0};
use sharray::{Result, Team};
use simulation::{Gradient, Outcome, PATIENCE, Simulation};
use std::process::ExitCode;

/// The picture's rows and columns.
const PICTURE: usize = 256;

struct Bodies {
    count: usize,
}

impl Simulation for Bodies {
    const NAME: &str = "nbody";
    const SIZE: (&str, usize) = ("bodies", 1500);
    const STEPS: u64 = 500;

    type State = Array1<Body>;

    fn new(count: usize) -> Outcome<Self> {
        Ok(Self { count })
    }

    fn parallel(&self, team: &Team, steps: u64, progress: &ProgressBar) -> Result<Array1<Body>> {
        let bodies = team.array::<Body, Ix1>("bodies", [self.count], PATIENCE, galaxies)?;
        while team.step() < steps {
            let mut block = team.block(&bodies)?;
            let rows = block.rows();
            let (old, new) = block.views();
            let own = fastest(old.iter().skip(rows.start).take(rows.len()));
            let all = team.max(&arr0(own), PATIENCE)?;
            let dt = time_step(all.into_scalar());
            for (row, new) in rows.zip(new.iter_mut()) {
                *new = pulled(row, old, dt);
            }
            block.finish();
            team.swap(PATIENCE)?;
            progress.set_position(team.step());
        }
        bodies.current().snapshot()
    }

    fn serial(&self, steps: u64, progress: &ProgressBar) -> Array1<Body> {
        let mut old = Array1::from_elem(self.count, Body::default());
        let mut new = old.clone();
        galaxies(&mut old);
        for _ in 0..steps {
            let dt = time_step(fastest(old.iter()));
            for (row, new) in new.iter_mut().enumerate() {
                *new = pulled(row, &old, dt);
            }
            std::mem::swap(&mut old, &mut new);
            progress.inc(1);
        }
        old
    }

    fn bytes(state: &Array1<Body>) -> Vec<u8> {
        state.iter().flat_map(Body::numbers).flat_map(f64::to_le_bytes).collect()
    }

    fn picture(state: &Array1<Body>) -> (Vec<f64>, [usize; 2], Gradient) {
        let mut light = vec![0.0; PICTURE * PICTURE];
        for body in state {
            let [column, row] = [0, 1].map(|axis| (body.place[axis] / 5.0 + 0.5) * PICTURE as f64);
            if (0.0..PICTURE as f64).contains(&row) && (0.0..PICTURE as f64).contains(&column) {
                light[row as usize * PICTURE + column as usize] += 1.0;
            }
        }
        // The eye sees ratios.
        let light = light.into_iter().map(f64::ln_1p).collect();
        (light, [PICTURE, PICTURE], vec![[4, 4, 16], [120, 140, 220], [255, 250, 230], [255, 255, 255]])
    }
}

fn main() -> ExitCode {
    simulation::main::<Bodies>()
}
