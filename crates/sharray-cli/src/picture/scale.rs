//! What colour a number has: Viridis, whose brightness rises evenly, and three colours that are not in it.

use super::pixels::{Rgb, paint};
use crate::items::Summary;
use crate::screen::Colours;
use crate::text;
use std::sync::LazyLock;

const NAN: Rgb = [255, 0, 255];
const INFINITE: Rgb = [255, 255, 255];
const MINUS_INFINITE: Rgb = [0, 0, 0];
/// Where there are no colours, from nothing to full.
const RAMP: &[u8; 10] = b" .:-=+*#%@";
/// How long the scale of a legend is.
const LEGEND: u8 = 24;

/// The numbers at both ends of the colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Scale {
    /// Where on the scale a number is, from 0 to 1; one that is off is at the end. In the middle, if all are one.
    pub(crate) fn position(self, value: f64) -> f64 {
        // Halves, since the whole may be more than the greatest number there is.
        let (span, above) = (self.high / 2.0 - self.low / 2.0, value / 2.0 - self.low / 2.0);
        if span == 0.0 { 0.5 } else { (above / span).clamp(0.0, 1.0) }
    }

    /// Whether there is a scale: not if there is no number to make one of.
    pub(crate) fn has_ends(self) -> bool {
        self.low.is_finite() && self.high.is_finite()
    }

    pub(crate) fn colour(self, value: f64) -> Rgb {
        if value.is_finite() { viridis(self.position(value)) } else { odd_colour(value) }
    }

    /// The character that stands for a number where there are no colours.
    pub(crate) fn character(self, value: f64) -> char {
        if value.is_finite() {
            step(self.position(value), RAMP.len()).and_then(|step| RAMP.get(step)).map_or('?', |byte| char::from(*byte))
        } else {
            odd_character(value)
        }
    }

    /// The scale from end to end.
    pub(crate) fn legend(self, colours: Colours) -> String {
        let (low, high) = (text::number(self.low), text::number(self.high));
        if colours == Colours::None {
            return format!("{low} [{}] {high}", String::from_utf8_lossy(RAMP));
        }
        let steps = (0..LEGEND).map(|at| viridis(f64::from(at) / f64::from(LEGEND - 1)));
        let bar: String = steps.map(|colour| paint("█", Some(colour), None, colours)).collect();
        format!("{low} {bar} {high}")
    }

    /// What there is that is not on the scale, with how it is drawn.
    pub(crate) fn oddities(summary: &Summary, colours: Colours) -> Vec<String> {
        let sign = |value: f64| match colours {
            Colours::None => odd_character(value).to_string(),
            _ => paint("■", Some(odd_colour(value)), None, colours),
        };
        let mut found = Vec::new();
        if summary.nans > 0 {
            found.push(format!("{} NaN: {}", sign(f64::NAN), summary.nans));
        }
        if summary.infinities > 0 {
            let both = (sign(f64::INFINITY), sign(f64::NEG_INFINITY));
            found.push(format!("{} inf, {} -inf: {}", both.0, both.1, summary.infinities));
        }
        found
    }
}

pub(crate) fn odd_colour(value: f64) -> Rgb {
    match value {
        value if value.is_nan() => NAN,
        value if value > 0.0 => INFINITE,
        _ => MINUS_INFINITE,
    }
}

pub(crate) fn odd_character(value: f64) -> char {
    match value {
        value if value.is_nan() => 'x',
        value if value > 0.0 => '^',
        _ => 'v',
    }
}

/// All colours that are used: to work one out takes longer than all else that is done with an item.
static VIRIDIS: LazyLock<[Rgb; 256]> =
    LazyLock::new(|| std::array::from_fn(|at| colorous::VIRIDIS.eval_rational(at, 256).as_array()));

/// The colour at a place from 0 to 1.
pub(crate) fn viridis(place: f64) -> Rgb {
    step(place, VIRIDIS.len()).and_then(|step| VIRIDIS.get(step)).copied().unwrap_or(NAN)
}

/// Which of so many steps a place from 0 to 1 is on.
#[allow(
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "there are few steps, and places are not negative"
)]
pub(crate) fn step(place: f64, steps: usize) -> Option<usize> {
    place.is_finite().then(|| ((place * steps as f64) as usize).min(steps - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_ends() {
        let scale = Scale { low: -1.0, high: 3.0 };
        assert_eq!([-9.0, -1.0, 1.0, 3.0, 9.0].map(|value| scale.character(value)), [' ', ' ', '+', '@', '@']);
        assert_eq!(scale.colour(-1.0), [68, 1, 84]);
        assert_eq!(scale.colour(3.0), [253, 231, 37]);
    }

    /// Nothing is divided by zero, and nothing is lost in a span that no number can tell.
    #[test]
    fn a_scale_without_a_span_has_a_middle() {
        assert_eq!(Scale { low: 2.0, high: 2.0 }.character(2.0), '+');
        let widest = Scale { low: f64::MIN, high: f64::MAX };
        assert_eq!([f64::MIN, 0.0, f64::MAX].map(|value| widest.character(value)), [' ', '+', '@']);
        assert_eq!(Scale { low: f64::NAN, high: f64::NAN }.character(f64::NAN), 'x');
    }
}
