//! What sharray is to reach against what else could be taken, and whether it does. The figures alone decide.

use crate::samples::{Figure, Samples};
use crate::units::{is_rate, nanoseconds, shown, times};

/// One goal: a piece of work, whom it is compared with, and how near or far it has to be.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    pub(crate) work: String,
    /// sharray's own names for it, of which the best counts.
    pub(crate) ours: Vec<String>,
    pub(crate) against: Against,
    pub(crate) bound: Bound,
}

/// What a figure is held against.
#[derive(Clone, Debug)]
pub(crate) enum Against {
    /// The best of these: how many times its figure, within each pass.
    Best(Vec<String>),
    /// The best of these: how many times as fast, within each pass.
    Faster(Vec<String>),
    /// What is left when this is taken off within each pass; the bound is in milliseconds.
    Beyond(String),
    /// Nothing: it is the median itself.
    Alone,
    /// Nothing, and the worst sample counts; the bound is in milliseconds.
    Worst,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// What was measured, and whether that is enough.
#[derive(Debug, PartialEq)]
pub(crate) struct Verdict {
    /// Which of sharray's names it was, and which of the others'.
    pub(crate) ours: String,
    pub(crate) against: String,
    pub(crate) measured: String,
    pub(crate) is_reached: Option<bool>,
}

impl Goal {
    pub(crate) fn new(work: impl Into<String>, ours: &[&str], against: Against, bound: Bound) -> Self {
        Self { work: work.into(), ours: owned(ours), against, bound }
    }

    /// The bound as a person reads it.
    pub(crate) fn wanted(&self) -> String {
        let (word, value) = match self.bound {
            Bound::AtMost(value) => ("at most", value),
            Bound::AtLeast(value) => ("at least", value),
        };
        let shown = match self.against {
            Against::Best(_) => format!("{value}×"),
            Against::Faster(_) => format!("{value}× as fast"),
            Against::Beyond(_) => format!("{value} ms more"),
            Against::Worst => format!("{value} ms, the worst"),
            Against::Alone => value.to_string(),
        };
        format!("{word} {shown}")
    }

    pub(crate) fn verdict(&self, samples: &Samples) -> Verdict {
        self.judged(samples).unwrap_or_else(|| Verdict {
            ours: self.ours.join(", "),
            against: self.peers().join(", "),
            measured: "not measured".to_owned(),
            is_reached: None,
        })
    }

    fn judged(&self, samples: &Samples) -> Option<Verdict> {
        let ours = best(samples, &self.ours)?;
        let milliseconds = nanoseconds(samples.unit(ours)?).map(|factor| factor / 1e6);
        let verdict = |against: &str, measured: String, value: f64| {
            let is_reached = match self.bound {
                Bound::AtMost(most) => value <= most,
                Bound::AtLeast(least) => value >= least,
            };
            Verdict { ours: ours.to_owned(), against: against.to_owned(), measured, is_reached: Some(is_reached) }
        };
        Some(match &self.against {
            Against::Best(theirs) => {
                let theirs = best(samples, theirs)?;
                let ratio = samples.ratio(ours, theirs)?;
                verdict(theirs, with_spread(ratio, times), ratio.median)
            }
            Against::Faster(theirs) => {
                let theirs = best(samples, theirs)?;
                let ratio = samples.ratio(theirs, ours)?;
                verdict(theirs, with_spread(ratio, times), ratio.median)
            }
            Against::Beyond(other) => {
                let difference = samples.difference(ours, other)?;
                let unit = samples.unit(ours)?;
                let measured = with_spread(difference, |value| shown(value, unit));
                verdict(other, measured, difference.median * milliseconds?)
            }
            Against::Worst => {
                let worst = samples.worst(ours)?;
                verdict("", shown(worst, samples.unit(ours)?), worst * milliseconds?)
            }
            Against::Alone => {
                let (figure, unit) = (samples.figure(ours)?, samples.unit(ours)?);
                verdict("", with_spread(figure, |value| shown(value, unit)), figure.median)
            }
        })
    }

    fn peers(&self) -> Vec<String> {
        match &self.against {
            Against::Best(theirs) | Against::Faster(theirs) => theirs.clone(),
            Against::Beyond(other) => vec![other.clone()],
            Against::Alone | Against::Worst => Vec::new(),
        }
    }
}

/// A median, and between what bounds half of the passes lie.
pub(crate) fn with_spread(figure: Figure, show: impl Fn(f64) -> String) -> String {
    let [median, low, high] = [figure.median, figure.low, figure.high].map(show);
    if low == high { median } else { format!("{median} ({low} to {high})") }
}

/// Which of those names that were measured has the best median.
fn best<'a>(samples: &Samples, names: &'a [String]) -> Option<&'a str> {
    let median = |name: &&str| {
        let value = samples.figure(name).map_or(f64::INFINITY, |figure| figure.median);
        if samples.unit(name).is_some_and(is_rate) { -value } else { value }
    };
    let known = names.iter().map(String::as_str).filter(|name| samples.figure(name).is_some());
    known.min_by(|a, b| median(a).total_cmp(&median(b)))
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

impl Against {
    pub(crate) fn best(names: &[&str]) -> Self {
        Self::Best(owned(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two passes; the second is slower for all.
    fn samples() -> Samples {
        let mut samples = Samples::default();
        for (pass, text) in [
            (
                1,
                "a.ours 12 ns\na.theirs 10 ns\na.slow 30 ns\nb.ours 9 GB/s\nb.good 10 GB/s\nb.bad 3 GB/s\nd.ours 4 ms\nd.kernel 1 ms",
            ),
            (
                2,
                "a.ours 24 ns\na.theirs 20 ns\na.slow 60 ns\nb.ours 9 GB/s\nb.good 10 GB/s\nb.bad 3 GB/s\nd.ours 90 ms\nd.kernel 80 ms",
            ),
        ] {
            samples.add(pass, text).expect("the lines are samples");
        }
        samples
    }

    fn reached(ours: &str, against: Against, bound: Bound) -> Option<bool> {
        Goal::new("work", &[ours], against, bound).verdict(&samples()).is_reached
    }

    #[test]
    fn a_goal_is_reached_or_not_by_the_ratio_to_the_best_peer() {
        let peers = || Against::best(&["a.slow", "a.theirs"]);
        assert_eq!(reached("a.ours", peers(), Bound::AtMost(1.2)), Some(true));
        assert_eq!(reached("a.ours", peers(), Bound::AtMost(1.19)), Some(false));
        let faster = || Against::Faster(vec!["a.slow".to_owned()]);
        assert_eq!(reached("a.ours", faster(), Bound::AtLeast(2.5)), Some(true));
        assert_eq!(reached("a.ours", faster(), Bound::AtLeast(2.6)), Some(false));
        // Of rates the best is the largest.
        let peers = || Against::best(&["b.bad", "b.good"]);
        assert_eq!(reached("b.ours", peers(), Bound::AtLeast(0.9)), Some(true));
        assert_eq!(reached("b.ours", peers(), Bound::AtLeast(1.0)), Some(false));
    }

    #[test]
    fn what_the_kernel_takes_is_taken_off_within_each_pass() {
        let beyond = || Against::Beyond("d.kernel".to_owned());
        assert_eq!(reached("d.ours", beyond(), Bound::AtMost(6.5)), Some(true));
        assert_eq!(reached("d.ours", beyond(), Bound::AtMost(6.4)), Some(false));
        assert_eq!(reached("d.ours", Against::Worst, Bound::AtMost(89.0)), Some(false));
    }

    #[test]
    fn a_goal_that_nobody_measured_is_neither_reached_nor_missed() {
        let verdict = Goal::new("work", &["x"], Against::best(&["a.theirs"]), Bound::AtMost(1.0)).verdict(&samples());
        let expected = ("not measured", None);
        assert_eq!((verdict.measured.as_str(), verdict.is_reached), expected);
        assert_eq!(reached("a.ours", Against::best(&["x"]), Bound::AtMost(1.0)), None);
    }

    #[test]
    fn the_text_names_the_peer_and_the_spread() {
        let goal = Goal::new("work", &["a.ours"], Against::best(&["a.slow", "a.theirs"]), Bound::AtMost(1.15));
        assert_eq!(goal.wanted(), "at most 1.15×");
        let verdict = goal.verdict(&samples());
        assert_eq!((verdict.against.as_str(), verdict.measured.as_str()), ("a.theirs", "1.20×"));
        let goal = Goal::new("work", &["d.ours"], Against::Alone, Bound::AtMost(50.0));
        assert_eq!(goal.verdict(&samples()).measured, "47.0 ms (25.5 ms to 68.5 ms)");
    }
}
