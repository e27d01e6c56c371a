//! How much others use the machine while something is measured.

use nix::sys::resource::{UsageWho, getrusage};
use std::fs;
use std::time::{Duration, Instant};

/// A span of time, and what all processes and this one with its children had used when it began.
#[derive(Debug)]
pub struct Noise {
    start: Instant,
    all: Duration,
    own: Duration,
}

impl Noise {
    /// Begins. All children have to be gone by then, and again at the end, for those that live are not counted as own.
    pub fn begin() -> Self {
        Self { start: Instant::now(), all: all(), own: own() }
    }

    /// The percentage of one CPU that other processes have used since the beginning.
    pub fn percent(&self) -> f64 {
        let others = all().saturating_sub(self.all).saturating_sub(own().saturating_sub(self.own));
        100.0 * others.as_secs_f64() / self.start.elapsed().as_secs_f64()
    }
}

/// The CPU time of this process and of its children that are gone.
fn own() -> Duration {
    [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN]
        .into_iter()
        .filter_map(|who| getrusage(who).ok())
        .flat_map(|usage| [usage.user_time(), usage.system_time()])
        .map(|time| {
            Duration::from_secs(time.tv_sec().unsigned_abs()) + Duration::from_micros(time.tv_usec().unsigned_abs())
        })
        .sum()
}

/// The CPU time of all processes: to the nanosecond from the control groups, or else in the kernel's ticks of 10 ms.
fn all() -> Duration {
    let exact =
        fs::read_to_string("/sys/fs/cgroup/cpuacct/cpuacct.usage").ok().and_then(|text| text.trim().parse().ok());
    exact.map_or_else(|| Duration::from_millis(ticks() * 10), Duration::from_nanos)
}

/// Of the times since the machine started: user, nice, system, interrupts and what the hypervisor took; not idle, not
/// waiting for disks.
fn ticks() -> u64 {
    const BUSY: [usize; 6] = [0, 1, 2, 5, 6, 7];
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let times: Vec<u64> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .filter_map(|time| time.parse().ok())
        .collect();
    BUSY.iter().filter_map(|&at| times.get(at)).sum()
}
