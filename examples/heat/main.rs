//! Heat that spreads over a plane, or hills that wear down: 2-D diffusion of real elevations, by a team of processes.
//!
//! [`Heat::parallel`] is all that a rank does, [`Heat::serial`] is the same program for one process. `kernel.rs` is the step that
//! both make, `elevation.rs` reads the hills, `frames.rs` shows them to whoever looks on, and `../simulation` starts the ranks and
//! tells how it went.

#![allow(clippy::print_stdout, reason = "it is a program: what it prints is what it is for")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures and pictures are for people to look at"
)]

mod elevation;
mod frames;
mod kernel;
#[path = "../simulation/mod.rs"]
mod simulation;

use elevation::Elevation;
use frames::Frames;
use indicatif::ProgressBar;
use ndarray::{Array2, Ix2};
use sharray::{Result, Team};
use simulation::{Gradient, Outcome, PATIENCE, Simulation};
use std::process::ExitCode;

struct Heat {
    size: usize,
    elevation: Elevation,
}

impl Simulation for Heat {
    const NAME: &str = "heat";
    const SIZE: (&str, usize) = ("rows and columns", 2048);
    const STEPS: u64 = 500;

    type State = Array2<f64>;

    fn new(size: usize) -> Outcome<Self> {
        Ok(Self { size, elevation: Elevation::read()? })
    }

    fn parallel(&self, team: &Team, steps: u64, progress: &ProgressBar) -> Result<Array2<f64>> {
        let shape = [self.size, self.size];
        let heat = team.array::<f64, Ix2>("heat", shape, PATIENCE, |heat| self.elevation.spread(heat))?;
        let mut frames = if team.rank() == 0 { Some(Frames::open(self.size)?) } else { None };
        while team.step() < steps {
            let mut block = team.block(&heat)?;
            let rows = block.rows();
            let (old, new) = block.views();
            kernel::step(team.step(), old, rows, new);
            block.finish();
            team.swap(PATIENCE)?;
            if let Some(frames) = &mut frames {
                frames.show(&heat)?;
            }
            progress.set_position(team.step());
        }
        heat.current().snapshot()
    }

    fn serial(&self, steps: u64, progress: &ProgressBar) -> Array2<f64> {
        let mut old = Array2::zeros((self.size, self.size));
        let mut new = old.clone();
        self.elevation.spread(&mut old);
        for step in 0..steps {
            kernel::step(step, &old, 0..self.size, &mut new);
            std::mem::swap(&mut old, &mut new);
            progress.inc(1);
        }
        old
    }

    fn bytes(state: &Array2<f64>) -> Vec<u8> {
        state.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    fn picture(state: &Array2<f64>) -> (Vec<f64>, [usize; 2], Gradient) {
        // Valleys are green, slopes brown, and summits white.
        let colors = vec![[36, 84, 64], [108, 152, 84], [224, 208, 144], [152, 100, 60], [248, 248, 248]];
        (state.iter().copied().collect(), [state.nrows(), state.ncols()], colors)
    }
}

fn main() -> ExitCode {
    simulation::main::<Heat>()
}
