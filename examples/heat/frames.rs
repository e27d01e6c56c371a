//! What is shown while the simulation runs: a stream of small pictures, which costs nothing if nobody looks.

use ndarray::Ix2;
use sharray::{Publisher, Result, TeamArray};
use std::time::{Duration, Instant};

/// The most rows and columns that are shown.
const MOST: usize = 512;

/// How often a frame is published.
const PAUSE: Duration = Duration::from_millis(100);

/// Rank 0's stream `frames`: every so many rows and columns of the field, as it is between two steps.
pub(crate) struct Frames {
    stream: Publisher<f32, Ix2>,
    stride: usize,
    next: Instant,
}

impl Frames {
    /// Takes the stream over if an earlier rank 0 was killed.
    pub(crate) fn open(size: usize) -> Result<Self> {
        let stride = size.div_ceil(MOST);
        let shape = [size.div_ceil(stride); 2];
        Ok(Self { stream: Publisher::open("frames", shape)?, stride, next: Instant::now() })
    }

    /// Publishes the field if it is time. Nobody writes it before this rank's next swap.
    pub(crate) fn show(&mut self, heat: &TeamArray<f64, Ix2>) -> Result<()> {
        if Instant::now() < self.next {
            return Ok(());
        }
        self.next = Instant::now() + PAUSE;
        let whole = heat.current().read()?;
        let mut frame = self.stream.loan()?;
        for ((row, column), shown) in frame.view_mut().indexed_iter_mut() {
            *shown = whole[[row * self.stride, column * self.stride]] as f32;
        }
        frame.publish();
        Ok(())
    }
}
