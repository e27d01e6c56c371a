//! What producers and consumers do with frames, and what it takes.

use sharray_compare::clock::{median, nanoseconds};
use sharray_compare::{Outcome, role};
use std::time::Instant;

/// Hands frames over.
pub(crate) trait Producer {
    /// Lets `fill` write the next frame where it will be read, or into memory of its own first, and hands it over.
    fn put(&mut self, fill: &mut dyn FnMut(&mut [u64])) -> Outcome;
}

/// Takes frames.
pub(crate) trait Consumer {
    /// Shows the next frame to `look`.
    fn take(&mut self, look: &mut dyn FnMut(&[u64]) -> Outcome) -> Outcome;
}

/// Frames before the first that counts, unless fewer count: every slot that will be used is in memory then.
const WARM_UP: usize = 8;
/// Frames that are handed over without being looked at.
const HAND_OVERS: usize = 40_000;

pub(crate) struct Work {
    mode: Mode,
    /// Words of a frame.
    pub(crate) words: usize,
    frames: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Fill,
    Stamp,
    HandOver,
}

impl Work {
    /// How many frames to measure.
    pub(crate) fn frames(mode: &str, bytes: usize, is_quick: bool) -> usize {
        match (mode, is_quick) {
            ("hand_over", true) => HAND_OVERS / 100,
            ("hand_over", false) => HAND_OVERS,
            (_, true) => ((8 << 20) / bytes).max(1),
            (_, false) => ((512 << 20) / bytes).max(16),
        }
    }

    pub(crate) fn new(mode: &str, words: usize, frames: usize) -> Self {
        let mode = match mode {
            "fill" => Mode::Fill,
            "stamp" => Mode::Stamp,
            _ => Mode::HandOver,
        };
        Self { mode, words, frames }
    }

    pub(crate) fn produce(&self, producer: &mut dyn Producer) -> Outcome {
        role::ready()?;
        for number in 1..=self.warm_up() + self.frames {
            producer.put(&mut |frame| match self.mode {
                Mode::Fill => frame.fill(number as u64),
                _ if number <= self.warm_up() => {
                    frame.fill(0);
                    frame[0] = number as u64;
                }
                _ => frame[0] = number as u64,
            })?;
        }
        role::hold();
        Ok(())
    }

    /// Says the median over chunks and the mean: GB/s, or nanoseconds a frame.
    pub(crate) fn consume(&self, consumer: &mut dyn Consumer) -> Outcome {
        role::ready()?;
        let mut number = 0;
        let mut next = || {
            number += 1;
            consumer.take(&mut |frame| self.check(frame, number))
        };
        for _ in 0..self.warm_up() {
            next()?;
        }
        let chunk = self.chunk();
        let mut chunks = Vec::new();
        let start = Instant::now();
        for _ in 0..self.frames / chunk {
            let start = Instant::now();
            for _ in 0..chunk {
                next()?;
            }
            chunks.push(nanoseconds(start.elapsed()));
        }
        let mean = nanoseconds(start.elapsed()) / f64::from(u32::try_from(chunks.len())?);
        println!("{} {}", self.figure(median(&mut chunks)), self.figure(mean));
        Ok(())
    }

    fn warm_up(&self) -> usize {
        WARM_UP.min(self.frames)
    }

    /// Frames to a chunk: some 2 MiB, and a few where there are many.
    fn chunk(&self) -> usize {
        match self.mode {
            Mode::HandOver => 100,
            _ if self.frames >= 16 => ((2 << 20) / (self.words * 8)).max(4),
            _ => 1,
        }
    }

    /// What a chunk that took so many nanoseconds says.
    fn figure(&self, took_ns: f64) -> f64 {
        let chunk = self.chunk();
        #[allow(clippy::cast_precision_loss, reason = "they are not as large as that")]
        let (frames, bytes) = (chunk as f64, (chunk * self.words * 8) as f64);
        if self.mode == Mode::HandOver { took_ns / frames } else { bytes / took_ns }
    }

    fn check(&self, frame: &[u64], number: u64) -> Outcome {
        let expected = match self.mode {
            Mode::Fill => number.wrapping_mul(self.words as u64),
            Mode::Stamp | Mode::HandOver => number,
        };
        let found = if self.mode == Mode::HandOver { frame[0] } else { sum(frame) };
        if frame.len() == self.words && frame[0] == number && found == expected {
            return Ok(());
        }
        let (len, words, stamp) = (frame.len(), self.words, frame[0]);
        Err(format!("frame {number} has {len} words of {words}, the stamp {stamp}, the sum {found} for {expected}")
            .into())
    }
}

#[inline(never)]
fn sum(frame: &[u64]) -> u64 {
    frame.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}
