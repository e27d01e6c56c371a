//! Times of single calls and of chunks of calls, and what of them is told.

use crate::Outcome;
use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// The value below which such a share of them lies. Sorts; NaN if there are none.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[allow(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "an index of a list that is in memory")]
    let at = (values.len().saturating_sub(1) as f64 * share).round() as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// The middle one of the values.
pub fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

/// A span of time as the number of nanoseconds.
pub fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

/// What one call takes, in nanoseconds: the median over chunks of some 100 µs, or of one call that takes longer, so that
/// losing the CPU now and then does not count.
pub fn per_call_ns(turn: Duration, mut call: impl FnMut()) -> f64 {
    const CHUNK: Duration = Duration::from_micros(100);
    let mut time = |calls: u32| {
        let start = Instant::now();
        for _ in 0..calls {
            call();
        }
        start.elapsed()
    };
    let mut calls = 1;
    while time(calls) < CHUNK {
        calls *= 2;
    }
    let end = Instant::now() + turn;
    let mut chunks = Vec::new();
    while chunks.len() < 3 || Instant::now() < end {
        chunks.push(nanoseconds(time(calls)) / f64::from(calls));
    }
    median(&mut chunks)
}

/// Keeps the CPU busy for a while: going idle and waking up would be measured too.
pub fn busy(span: Duration) {
    let start = Instant::now();
    while start.elapsed() < span {
        std::hint::spin_loop();
    }
}

/// What the clock shows that all processes share, in nanoseconds.
///
/// # Errors
/// The kernel's.
pub fn now_ns() -> Outcome<u64> {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
    Ok(u64::try_from(now.as_nanos())?)
}
