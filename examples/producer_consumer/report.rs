//! What a consumer counts, and the table of it.

use crate::Outcome;
use indicatif::HumanCount;
use serde_json::{Value, json};
use sharray::AnyFrame;
use std::fmt;
use std::time::{Duration, Instant};

/// What one consumer has seen so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    received: u64,
    missed: u64,
    pub(crate) torn: u64,
    bytes: u64,
    newest: Option<u64>,
    latencies: Vec<Duration>,
    /// When the first frame was published, and when the last one was received.
    span: Option<(Instant, Instant)>,
}

impl Tally {
    /// Counts a frame. Its number must be the one that the frames before and the missed ones leave to it.
    pub(crate) fn add(&mut self, frame: &AnyFrame, latency: Duration, is_whole: bool) -> Outcome {
        let expected = self.newest.map_or(frame.sequence(), |newest| newest + frame.missed() + 1);
        if frame.sequence() != expected {
            return Err(format!("received frame {}, expected {expected}", frame.sequence()).into());
        }
        let now = Instant::now();
        let start = self.span.map_or_else(|| now.checked_sub(latency).unwrap_or(now), |(start, _)| start);
        self.span = Some((start, now));
        self.newest = Some(expected);
        self.received += 1;
        self.missed += frame.missed();
        self.torn += u64::from(!is_whole);
        self.bytes += frame.bytes().len() as u64;
        self.latencies.push(latency);
        Ok(())
    }

    /// All of it, for the parent. `drawn`: whether the last frame was a picture.
    pub(crate) fn finish(&mut self, drawn: Option<&bool>) -> Value {
        self.latencies.sort_unstable();
        let seconds = self.span.map_or(f64::NAN, |(start, end)| (end - start).as_secs_f64());
        json!({
            "event": "done",
            "received": self.received,
            "missed": self.missed,
            "torn": self.torn,
            "frames_per_s": self.received as f64 / seconds,
            "gb_per_s": self.bytes as f64 / 1e9 / seconds,
            "p50_us": self.percentile_us(500),
            "p99_us": self.percentile_us(990),
            "p999_us": self.percentile_us(999),
            "drawn": drawn,
        })
    }

    /// The latency that so many of a thousand frames do not exceed.
    fn percentile_us(&self, per_mille: usize) -> Option<f64> {
        let rank = (self.latencies.len() * per_mille).div_ceil(1000).checked_sub(1)?;
        self.latencies.get(rank).map(|latency| latency.as_secs_f64() * 1e6)
    }
}

/// What all consumers have seen.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) published: u64,
    pub(crate) consumers: Vec<(String, Value)>,
}

impl Report {
    fn torn(&self) -> u64 {
        self.consumers.iter().map(|(_, seen)| number(seen, "torn")).sum()
    }

    /// Refuses torn frames, and frames that were neither received nor counted as missed.
    pub(crate) fn check(&self) -> Outcome {
        if self.torn() > 0 {
            return Err(format!("{} frames were torn", self.torn()).into());
        }
        for (who, seen) in &self.consumers {
            let (received, missed) = (number(seen, "received"), number(seen, "missed"));
            if received + missed != self.published {
                let published = self.published;
                return Err(format!("{who}: {received} received and {missed} missed are not {published}").into());
            }
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "                                        latency from publish to receipt")?;
        writeln!(f, "            frames/s     GB/s seen         p50         p99       p99.9    received      missed")?;
        for (who, seen) in &self.consumers {
            let rate = HumanCount(float(seen, "frames_per_s").round() as u64).to_string();
            let [p50, p99, p999] = ["p50_us", "p99_us", "p999_us"].map(|key| time(float(seen, key)));
            let [received, missed] = ["received", "missed"].map(|key| HumanCount(number(seen, key)).to_string());
            let seen = float(seen, "gb_per_s");
            writeln!(f, "{who:<8}{rate:>12}{seen:>14.2}{p50:>12}{p99:>12}{p999:>12}{received:>12}{missed:>12}")?;
        }
        writeln!(f)?;
        for (who, seen) in &self.consumers {
            let (received, missed) = (number(seen, "received"), number(seen, "missed"));
            writeln!(f, "{who}: {received} received + {missed} missed = {} published", self.published)?;
        }
        write!(f, "torn {}", self.torn())
    }
}

fn number(seen: &Value, key: &str) -> u64 {
    seen[key].as_u64().unwrap_or_default()
}

fn float(seen: &Value, key: &str) -> f64 {
    seen[key].as_f64().unwrap_or(f64::NAN)
}

/// Microseconds in a unit that suits them.
fn time(us: f64) -> String {
    if us < 1000.0 { format!("{us:.0} us") } else { format!("{:.1} ms", us / 1000.0) }
}
