//! How often arrays change: sequences now and then, and the time between.

use crate::kinds;
use sharray::Info;
use std::collections::HashMap;
use std::time::Instant;

/// What was seen at the last look, by incarnation: a name that was created again starts anew.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    seen: HashMap<[u8; 16], (Instant, u64)>,
}

impl Rates {
    /// Looks at all arrays there are, and returns the changes per second of each since the last look: zero at its first.
    pub(crate) fn look(&mut self, infos: &[Info], now: Instant) -> Vec<f64> {
        let rates = infos.iter().map(|info| self.rate(info, now)).collect();
        self.seen = infos.iter().map(|info| (info.generation, (now, kinds::sequence(info)))).collect();
        rates
    }

    fn rate(&self, info: &Info, now: Instant) -> f64 {
        let Some((then, sequence)) = self.seen.get(&info.generation) else { return 0.0 };
        // Fewer than 2^32 changes come between two looks.
        let changes = u32::try_from(kinds::sequence(info).saturating_sub(*sequence)).unwrap_or(u32::MAX);
        let seconds = now.duration_since(*then).as_secs_f64();
        f64::from(changes) / f64::from(kinds::words(info.kind).step) / seconds.max(1e-3)
    }
}
