//! How cost grows: samples `growth.SUBJECT.LINE.x=N`, and the line that is expected of them.

use crate::samples::{Figure, Samples};
use crate::units::bytes;
use Expected::{Constant, Linear};

/// What grows, and how a person reads it.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What stands along the horizontal axis.
    pub(crate) axis: &'static str,
    pub(crate) text: &'static str,
    /// For each line its name and what is expected of it.
    pub(crate) lines: &'static [(&'static str, Expected)],
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Expected {
    Constant,
    /// A part that is always there, and one for each of those that are counted.
    Linear,
}

impl Expected {
    pub(crate) fn text(self, axis: &str) -> String {
        match self {
            Self::Constant => "constant".to_owned(),
            Self::Linear => format!("linear in {axis}"),
        }
    }
}

pub(crate) const SUBJECTS: &[Subject] = &[
    Subject {
        name: "readers",
        title: "Readers of one stream",
        axis: "readers",
        text: "Each reader is a process that sleeps until a frame comes. `publish`: what publishing takes, which wakes them \
               all. `last`: from then on, until the last of them has the frame.",
        lines: &[("publish", Linear), ("last", Linear)],
    },
    Subject {
        name: "writers",
        title: "Writers that want one lock",
        axis: "writers",
        text: "Each writer is a process that takes the lock and lets it go without pause. `turn`: the time that a turn of \
               any of them takes, over all of them. `slowest`: the turns of the writer that had the fewest, of what \
               would be an even share.",
        lines: &[("turn", Constant), ("slowest", Constant)],
    },
    Subject {
        name: "frames",
        title: "The size of a frame",
        axis: "bytes",
        text: "`hand_over`: a slot is loaned, one word written, the frame published, received and let go. `copy`: the same, \
               with all words written, which costs more a word where the slots outgrow a cache.",
        lines: &[("hand_over", Constant), ("copy", Linear)],
    },
    Subject {
        name: "arrays",
        title: "Arrays in one place",
        axis: "arrays",
        text: "`list`: finding all of them and telling what they are. `attach`: attaching to one of them.",
        lines: &[("list", Linear), ("attach", Constant)],
    },
    Subject {
        name: "wait_any",
        title: "Streams that are waited for at once",
        axis: "streams",
        text: "`ready`: a frame is there already, in the last of them. `asleep`: until a frame that comes to the last of \
               them has woken who waits.",
        lines: &[("ready", Linear), ("asleep", Linear)],
    },
    Subject {
        name: "participants",
        title: "Participants of one stream",
        axis: "participants",
        text: "They are attached and look at nothing. `publish`: publishing a frame, which looks what each of them has pinned. \
               `attach`: one more attaches. `recover`: all of them were killed, and are put right.",
        lines: &[("publish", Linear), ("attach", Linear), ("recover", Linear)],
    },
    Subject {
        name: "blocks",
        title: "Blocks of one array",
        axis: "blocks",
        text: "The array has the same size throughout. `one`: taking the write lock of one block and letting it go. `all`: \
               the same of the whole array. `read`: taking the read lock of the whole array and letting it go.",
        lines: &[("one", Constant), ("all", Linear), ("read", Linear)],
    },
];

/// A place along the axis, as a person reads it.
pub(crate) fn place_text(axis: &str, x: f64) -> String {
    if axis == "bytes" { bytes(x) } else { x.to_string() }
}

/// One line of a plot: what was measured, and what is expected.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) name: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) expected: Expected,
    pub(crate) points: Vec<(f64, Figure)>,
}

impl Line<'_> {
    /// The expected line through the points: the one from which they depart least, as shares of themselves.
    pub(crate) fn fitted(&self) -> impl Fn(f64) -> f64 + use<> {
        let (fixed, each) = match self.expected {
            Expected::Constant => (self.constant(), 0.0),
            Expected::Linear => self.linear().unwrap_or((self.constant(), 0.0)),
        };
        move |x| fixed + each * x
    }

    /// The largest factor between a point and the expected line.
    pub(crate) fn departure(&self) -> f64 {
        let fitted = self.fitted();
        let factor = |(x, figure): &(f64, Figure)| {
            let ratio = figure.median / fitted(*x);
            ratio.max(1.0 / ratio)
        };
        self.points.iter().map(factor).fold(1.0, f64::max)
    }

    fn constant(&self) -> f64 {
        let logarithms: f64 = self.points.iter().map(|(_, figure)| figure.median.ln()).sum();
        (logarithms / self.points.len() as f64).exp()
    }

    /// Least squares with each point weighed by its own size; neither part may be negative, for costs are not.
    fn linear(&self) -> Option<(f64, f64)> {
        let [mut one, mut x1, mut x2, mut y1, mut xy] = [0.0; 5];
        for (x, figure) in &self.points {
            let weight = 1.0 / (figure.median * figure.median);
            one += weight;
            x1 += weight * x;
            x2 += weight * x * x;
            y1 += weight * figure.median;
            xy += weight * x * figure.median;
        }
        let determinant = one * x2 - x1 * x1;
        let (fixed, each) = ((x2 * y1 - x1 * xy) / determinant, (one * xy - x1 * y1) / determinant);
        match (fixed >= 0.0, each >= 0.0) {
            (true, true) => Some((fixed, each)),
            (false, _) => Some((0.0, xy / x2)),
            // A single point, or a line that falls.
            _ => None,
        }
    }
}

/// The lines of a subject that were measured.
pub(crate) fn lines<'a>(samples: &'a Samples, subject: &'a Subject) -> Vec<Line<'a>> {
    let line = |&(name, expected): &'a (&'static str, Expected)| {
        let mut points: Vec<(f64, Figure)> = Vec::new();
        let mut unit = "";
        for sample in samples.names() {
            let Some(x) = place(sample, subject.name, name) else { continue };
            if let (Some(figure), Some(known)) = (samples.figure(sample), samples.unit(sample)) {
                points.push((x, figure));
                unit = known;
            }
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        (!points.is_empty()).then_some(Line { name, unit, expected, points })
    };
    subject.lines.iter().filter_map(line).collect()
}

/// Where along the axis a sample stands, if it is one of this line.
fn place(sample: &str, subject: &str, line: &str) -> Option<f64> {
    let rest = sample.strip_prefix("growth.")?.strip_prefix(subject)?.strip_prefix('.')?;
    rest.strip_prefix(line)?.strip_prefix(".x=")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(expected: Expected, points: &[(f64, f64)]) -> Line<'static> {
        let point = |&(x, median): &(f64, f64)| (x, Figure { median, low: median, high: median });
        Line { name: "a", unit: "ns", expected, points: points.iter().map(point).collect() }
    }

    #[test]
    fn a_line_without_noise_is_found_again() {
        let fitted = line(Expected::Linear, &[(1.0, 13.0), (10.0, 40.0), (100.0, 310.0)]).fitted();
        assert!((fitted(0.0) - 10.0).abs() < 1e-6 && (fitted(1000.0) - 3010.0).abs() < 1e-6);
        assert!((line(Expected::Linear, &[(1.0, 13.0), (10.0, 40.0)]).departure() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_constant_lies_in_the_middle_of_the_factors() {
        let line = line(Expected::Constant, &[(1.0, 50.0), (2.0, 200.0)]);
        assert!((line.fitted()(7.0) - 100.0).abs() < 1e-9);
        assert!((line.departure() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn no_cost_is_negative() {
        // These fit best to a line that begins below zero, these to one that falls, and one point to none.
        for points in [&[(1.0, 1.0), (2.0, 4.0), (3.0, 9.0)][..], &[(1.0, 9.0), (3.0, 1.0)], &[(1.0, 5.0)]] {
            let fitted = line(Expected::Linear, points).fitted();
            assert!(fitted(0.0) >= 0.0 && fitted(10.0) > 0.0);
        }
    }

    #[test]
    fn samples_find_their_line() {
        const SUBJECT: Subject = Subject {
            name: "readers",
            title: "",
            axis: "readers",
            text: "",
            lines: &[("publish", Expected::Linear), ("last", Expected::Linear), ("none", Expected::Constant)],
        };
        let mut samples = Samples::default();
        let text = "growth.readers.publish.x=16 9 ns\ngrowth.readers.publish.x=2 3 ns\ngrowth.readers.last.x=2 70 us\na.b 1 ns";
        samples.add(1, text).expect("the lines are samples");
        let lines = lines(&samples, &SUBJECT);
        let seen: Vec<_> =
            lines.iter().map(|it| (it.name, it.unit, it.points.iter().map(|it| it.0).collect())).collect();
        assert_eq!(seen, [("publish", "ns", vec![2.0, 16.0]), ("last", "us", vec![2.0])]);
    }
}
