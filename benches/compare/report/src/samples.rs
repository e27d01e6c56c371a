//! What the programs measured: `name value unit` lines, a file for each program and pass.
//!
//! A pass runs every program once, so what slows a whole pass slows all contenders of it. A figure is therefore first a
//! median of its own pass, and a ratio is made within each pass before the passes are put together.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What went wrong, in one line.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// Everything that was measured, in the order in which the names first came up.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    names: Vec<String>,
    series: BTreeMap<String, Series>,
    passes: u32,
    noisy: u32,
    failures: Vec<String>,
}

#[derive(Debug)]
struct Series {
    unit: String,
    passes: BTreeMap<u32, Vec<f64>>,
}

/// A median, and between what bounds half of the passes lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Samples {
    /// Reads the files `PROGRAM.PASS.txt` of a folder.
    pub(crate) fn read(folder: &Path) -> Outcome<Self> {
        let mut samples = Self::default();
        for (path, pass) in files(folder)? {
            let text = fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            samples.add(pass, &text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(samples)
    }

    /// Takes in what a program printed in a pass. Lines that begin with `#` are notes.
    pub(crate) fn add(&mut self, pass: u32, text: &str) -> Outcome {
        for (at, line) in text.lines().enumerate() {
            match line.strip_prefix('#') {
                Some(note) => self.add_note(note.trim()),
                None if line.is_empty() => {}
                None => self.add_line(pass, line).map_err(|error| format!("line {}: {error}", at + 1))?,
            }
        }
        self.passes = self.passes.max(pass);
        Ok(())
    }

    /// Of the notes, those count that say what is wrong with samples: `noisy: .. during the next N lines`, `NAME: others used
    /// the processors in N of M rounds`, `NAME failed: ..`.
    fn add_note(&mut self, note: &str) {
        let last = || note.split_whitespace().filter_map(|word| word.parse::<u32>().ok()).next_back().unwrap_or(1);
        if note.starts_with("noisy:") {
            self.noisy += last();
        } else if note.contains(": others used the processors") {
            self.noisy += 1;
        } else if note.contains(" failed: ") && !self.failures.iter().any(|known| known == note) {
            self.failures.push(note.to_owned());
        }
    }

    fn add_line(&mut self, pass: u32, line: &str) -> Outcome {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        let [name, value, unit] = words[..] else {
            return Err(format!("found `{line}`, expected `name value unit`"));
        };
        let value: f64 = value.parse().map_err(|_| format!("found `{value}`, expected a number"))?;
        // Nothing takes less than no time: that is how programs say that it did not end within their patience.
        let value = if value < 0.0 { f64::INFINITY } else { value };
        if value.is_nan() {
            return Err(format!("{name} is not a number"));
        }
        let series = self.series.entry(name.to_owned()).or_insert_with(|| {
            self.names.push(name.to_owned());
            Series { unit: unit.to_owned(), passes: BTreeMap::new() }
        });
        if series.unit != unit {
            return Err(format!("{name} is in {unit}, and was in {}", series.unit));
        }
        series.passes.entry(pass).or_default().push(value);
        Ok(())
    }

    /// The names, in the order in which they first came up.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// How many passes there were.
    pub(crate) fn passes(&self) -> u32 {
        self.passes
    }

    /// How many samples there are, and during how many of them others used the machine.
    pub(crate) fn counts(&self) -> (usize, u32) {
        (self.series.values().flat_map(|series| series.passes.values()).map(Vec::len).sum(), self.noisy)
    }

    /// What could not be measured, and why.
    pub(crate) fn failures(&self) -> &[String] {
        &self.failures
    }

    pub(crate) fn unit(&self, name: &str) -> Option<&str> {
        self.series.get(name).map(|series| series.unit.as_str())
    }

    /// The median of the passes' medians.
    pub(crate) fn figure(&self, name: &str) -> Option<Figure> {
        Figure::of(self.per_pass(name)?.values().copied().collect())
    }

    /// The largest of all samples.
    pub(crate) fn worst(&self, name: &str) -> Option<f64> {
        self.series.get(name)?.passes.values().flatten().copied().max_by(f64::total_cmp)
    }

    /// How many times `other` it is, within each pass that has both.
    pub(crate) fn ratio(&self, name: &str, other: &str) -> Option<Figure> {
        self.combined(name, other, |value, other| value / other)
    }

    /// How much more than `other` it is, within each pass that has both.
    pub(crate) fn difference(&self, name: &str, other: &str) -> Option<Figure> {
        self.combined(name, other, |value, other| value - other)
    }

    fn combined(&self, name: &str, other: &str, combine: impl Fn(f64, f64) -> f64) -> Option<Figure> {
        let (values, others) = (self.per_pass(name)?, self.per_pass(other)?);
        let both = values.iter().filter_map(|(pass, value)| Some(combine(*value, *others.get(pass)?)));
        Figure::of(both.filter(|value| !value.is_nan()).collect())
    }

    fn per_pass(&self, name: &str) -> Option<BTreeMap<u32, f64>> {
        let passes = &self.series.get(name)?.passes;
        passes.iter().map(|(pass, values)| Some((*pass, Figure::of(values.clone())?.median))).collect()
    }
}

impl Figure {
    /// Of any number of values but none.
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let [low, median, high] = [1, 2, 3].map(|quarters| quantile(&values, quarters));
        Some(Self { median: median?, low: low?, high: high? })
    }
}

/// The value below which so many quarters of the sorted values lie, between two of them if need be.
fn quantile(sorted: &[f64], quarters: usize) -> Option<f64> {
    let place = sorted.len().checked_sub(1)? * quarters;
    let (below, above) = (*sorted.get(place / 4)?, *sorted.get(place.div_ceil(4))?);
    // Between values that never ended there is nothing.
    Some(if above.is_infinite() { above } else { below + (above - below) * (place % 4) as f64 / 4.0 })
}

/// The files of samples, and the pass of each, in order.
fn files(folder: &Path) -> Outcome<Vec<(PathBuf, u32)>> {
    let entries = fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut files: Vec<(u32, PathBuf)> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .filter_map(|path| Some((pass_of(&path)?, path)))
        .collect();
    if files.is_empty() {
        return Err(format!("there are no samples in {}, expected files PROGRAM.PASS.txt", folder.display()));
    }
    files.sort();
    Ok(files.into_iter().map(|(pass, path)| (path, pass)).collect())
}

fn pass_of(path: &Path) -> Option<u32> {
    path.file_stem()?.to_str()?.rsplit_once('.')?.1.parse().ok()
}

/// When the newest samples of a folder were written.
pub(crate) fn newest(folder: &Path) -> Outcome<std::time::SystemTime> {
    let times = files(folder)?.into_iter().filter_map(|(path, _)| path.metadata().ok()?.modified().ok());
    times.max().ok_or_else(|| format!("{} does not say when its files were written", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(passes: &[&str]) -> Samples {
        let mut samples = Samples::default();
        for (pass, text) in (1..).zip(passes) {
            samples.add(pass, text).expect("the lines are samples");
        }
        samples
    }

    #[test]
    fn a_figure_is_the_median_of_the_passes_own_medians() {
        // One pass has more samples than the others, and must not count for more.
        let samples = samples(&["a 1 ns\na 2 ns\na 9 ns", "a 4 ns", "# a note\n\na 6 ns"]);
        assert_eq!(samples.figure("a"), Some(Figure { median: 4.0, low: 3.0, high: 5.0 }));
        assert_eq!(samples.worst("a"), Some(9.0));
        assert_eq!((samples.unit("a"), samples.passes()), (Some("ns"), 3));
        assert_eq!(samples.figure("b"), None);
    }

    #[test]
    fn a_ratio_is_made_within_each_pass() {
        // The second pass was twice as slow for both, the third has but one of them.
        let samples = samples(&["a 10 ns\nb 5 ns", "a 20 ns\nb 10 ns", "a 1000 ns"]);
        assert_eq!(samples.ratio("a", "b").map(|it| it.median), Some(2.0));
        assert_eq!(samples.difference("a", "b").map(|it| it.median), Some(7.5));
        assert_eq!(samples.ratio("a", "c"), None);
    }

    #[test]
    fn what_never_ended_stays_infinite() {
        let samples = samples(&["a -1.0 s\nb 2 s", "a -1.0 s\nb 2 s", "a -1.0 s"]);
        assert_eq!(samples.figure("a").map(|it| it.median), Some(f64::INFINITY));
        assert_eq!(samples.ratio("b", "a").map(|it| it.median), Some(0.0));
    }

    #[test]
    fn a_line_that_is_no_sample_is_named() {
        for (text, error) in [
            ("a 1 ns\nb two ns", "line 2: found `two`, expected a number"),
            ("a 1", "line 1: found `a 1`, expected `name value unit`"),
            ("a NaN ns", "line 1: a is not a number"),
            ("a 1 ns\na 1 us", "line 2: a is in us, and was in ns"),
        ] {
            assert_eq!(Samples::default().add(1, text), Err(error.to_owned()));
        }
    }

    #[test]
    fn notes_say_what_is_wrong_with_samples() {
        let samples = samples(&[
            "# noisy: others used 31 % of a CPU during the next 3 lines\na 1 ns\na 2 ns\na 3 ns",
            "# b.c failed: no such service\n# d failed: x",
            "# b.c failed: no such service\n# a note\n# e.f: others used the processors in 1 of 1 rounds",
        ]);
        assert_eq!(samples.counts(), (3, 4));
        assert_eq!(samples.failures(), ["b.c failed: no such service", "d failed: x"]);
    }

    #[test]
    fn files_say_their_pass() {
        let folder = tempfile::tempdir().expect("there is room");
        let write = |name: &str, text| fs::write(folder.path().join(name), text).expect("the folder is ours");
        assert!(Samples::read(folder.path()).is_err(), "an empty folder is no measurement");
        write("locks.1.txt", "a 1 ns");
        write("locks.2.txt", "a 3 ns");
        write("locks.2.err", "not a sample");
        write("packages.txt", "iceoryx2==0.10");
        let samples = Samples::read(folder.path()).expect("the files are samples");
        assert_eq!(samples.figure("a").map(|it| it.median), Some(2.0));
    }
}
