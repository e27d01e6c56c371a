//! The page itself: everything on it but the notes comes from the samples and from what is fixed here.

use crate::goals::{Goal, with_spread};
use crate::groups::{self, Contender, Group};
use crate::growth::{self, Line};
use crate::machine::Fact;
use crate::samples::Samples;
use crate::subjects::{self, Subject};
use crate::units::{shown, times};
use std::fmt::Write as _;

/// What the page is made from.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    pub(crate) samples: &'a Samples,
    pub(crate) subjects: &'a [Subject],
    pub(crate) growth: &'a [growth::Subject],
    pub(crate) goals: &'a [Goal],
    pub(crate) machine: &'a [Fact],
    /// The day of the newest sample.
    pub(crate) date: String,
    /// What was written by hand, with the marks around it.
    pub(crate) notes: String,
}

/// Where the pictures are, seen from the page.
pub(crate) const PICTURES: &str = "pictures/benchmarks";

const OPENING: &str = "\
# Benchmarks

sharray beside what else could be taken for the same work, and beside what the machine itself allows. `cargo xtask compare`
measures all of it again and writes this page; only the notes are written by hand.
";

const METHOD: &str = "\
Each program is run once in every pass, and in a pass each of its contenders has its turn, one after the other: what slows
the machine for a while slows all of them. A figure is the median of the passes' own medians; in brackets is between what
bounds half of the passes lie. A ratio is made within each pass, and its median is shown, so that passes that were slow as a
whole do not count. \"Against sharray\" says how many times the figure of sharray (of its best in the same table) a figure is, and
\"against the limit\" how many times the figure of the bare operation that is named: of times less is better, of rates more.

The two sides of a comparison are two processes, each kept on a CPU of its own unless it says `same_core`. Every payload is
written by one side, and read and checked by the other.
";

const GROWTH: &str = "\
Both axes of these plots are logarithmic. The dashed line is what is expected, laid through the points such that they depart
from it as little as can be; \"farthest from it\" is the largest factor between a point and that line. Where there are more
processes than CPUs they take turns, and a cost that is told for all of them has the waiting for a turn in it.
";

/// The whole page, in Markdown.
pub(crate) fn page(contents: &Contents) -> String {
    let mut page = OPENING.to_owned();
    section(&mut page, "What is to be reached", &goals(contents));
    section(&mut page, "Notes", &format!("{}\n", contents.notes));
    section(&mut page, "The machine", &machine(contents));
    section(&mut page, "How it was measured", &method(contents));
    for subject in contents.subjects {
        let groups = groups::of(contents.samples, subject.name);
        if !groups.is_empty() {
            section(&mut page, subject.title, &comparison(contents.samples, subject, &groups));
        }
    }
    let grown: String = contents.growth.iter().filter_map(|subject| growing(contents.samples, subject)).collect();
    if !grown.is_empty() {
        section(&mut page, "How cost grows", &format!("{GROWTH}\n{grown}"));
    }
    page
}

fn section(page: &mut String, title: &str, text: &str) {
    add(page, format_args!("\n## {title}\n\n{text}"));
}

fn add(page: &mut String, text: std::fmt::Arguments) {
    // Writing into a string does not fail.
    _ = page.write_fmt(text);
}

fn goals(contents: &Contents) -> String {
    let mut text = String::from("| work | sharray | against | to reach | measured | |\n|---|---|---|---|---|---|\n");
    let mut counts = [0; 3];
    for goal in contents.goals {
        let verdict = goal.verdict(contents.samples);
        let (at, word) = match verdict.is_reached {
            Some(true) => (0, "reached"),
            Some(false) => (1, "**not reached**"),
            None => (2, "not measured"),
        };
        counts[at] += 1;
        let measured = if verdict.is_reached.is_some() { verdict.measured.as_str() } else { "" };
        let [ours, against] = [&verdict.ours, &verdict.against].map(|names| contenders(names));
        add(
            &mut text,
            format_args!("| {} | {ours} | {against} | {} | {measured} | {word} |\n", goal.work, goal.wanted()),
        );
    }
    let [reached, missed, unknown] = counts;
    add(&mut text, format_args!("\n{reached} reached, {missed} not reached, {unknown} not measured.\n"));
    text
}

/// The contenders alone of names with commas between.
fn contenders(names: &str) -> String {
    names.split(", ").map(groups::contender).collect::<Vec<_>>().join(", ")
}

fn machine(contents: &Contents) -> String {
    let mut text = String::from("| | |\n|---|---|\n");
    for (name, value) in contents.machine {
        add(&mut text, format_args!("| {name} | {value} |\n"));
    }
    add(&mut text, format_args!("| Date | {} |\n", contents.date));
    text
}

fn method(contents: &Contents) -> String {
    let (count, noisy) = contents.samples.counts();
    let passes = contents.samples.passes();
    let mut text = format!("{METHOD}\nThere were {passes} passes with {count} samples.");
    add(
        &mut text,
        format_args!(
            " Others used more than a tenth of a CPU during {noisy} of them, however often they were taken.\n"
        ),
    );
    if !contents.samples.failures().is_empty() {
        text.push_str("\nNot measured:\n\n");
        for failure in contents.samples.failures() {
            add(&mut text, format_args!("- {failure}\n"));
        }
    }
    text
}

fn comparison(samples: &Samples, subject: &Subject, groups: &[Group]) -> String {
    let mut text = format!("{}\n\n![{}]({PICTURES}/{}.svg)\n", subject.text, subject.title, subject.name);
    for group in groups {
        table(&mut text, samples, group);
    }
    text
}

/// A table has only the columns that something stands in.
fn table(text: &mut String, samples: &Samples, group: &Group) {
    let limit = subjects::limit(group.name).filter(|limit| samples.figure(limit).is_some());
    let sharray = group.sharray().filter(|_| group.contenders.len() > 1);
    add(text, format_args!("\n| `{}` | median (half of the passes) |", group.name));
    let mut columns = Vec::new();
    let details = group.details();
    columns.extend(details.iter().map(|at| groups::DETAILS[*at].to_owned()));
    columns.extend(sharray.map(|_| "against sharray".to_owned()));
    columns.extend(limit.as_ref().map(|limit| format!("against `{limit}`")));
    for column in &columns {
        add(text, format_args!(" {column} |"));
    }
    add(text, format_args!("\n|---|{}\n", "--:|".repeat(columns.len() + 1)));
    for contender in &group.contenders {
        let emphasis = if contender.is_sharray() { "**" } else { "" };
        let figure = with_spread(contender.figure, |value| shown(value, group.unit));
        add(text, format_args!("| {emphasis}{}{emphasis} | {figure} |", contender.who));
        for at in &details {
            add(text, format_args!(" {} |", detail(samples, contender.details[*at])));
        }
        let against = sharray.map(|it| it.name).into_iter().chain(limit.as_deref());
        against.for_each(|other| add(text, format_args!(" {} |", ratio(samples, contender, other))));
        text.push('\n');
    }
}

fn detail(samples: &Samples, name: Option<&str>) -> String {
    let known = name.and_then(|name| samples.figure(name).zip(samples.unit(name)));
    known.map(|(figure, unit)| shown(figure.median, unit)).unwrap_or_default()
}

fn ratio(samples: &Samples, contender: &Contender, other: &str) -> String {
    samples.ratio(contender.name, other).map(|ratio| times(ratio.median)).unwrap_or_default()
}

fn growing(samples: &Samples, subject: &growth::Subject) -> Option<String> {
    let lines = growth::lines(samples, subject);
    if lines.is_empty() {
        return None;
    }
    let mut places: Vec<f64> = lines.iter().flat_map(|line| line.points.iter().map(|(x, _)| *x)).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let (title, name) = (subject.title, subject.name);
    let mut text = format!("### {title}\n\n{}\n\n![{title}]({PICTURES}/growth-{name}.svg)\n\n", subject.text);
    row(&mut text, subject.axis, &lines, |line| line.name.to_owned());
    add(&mut text, format_args!("|--:|{}\n", "--:|".repeat(lines.len())));
    for x in places {
        row(&mut text, &growth::place_text(subject.axis, x), &lines, |line| {
            let point = line.points.iter().find(|(at, _)| at.total_cmp(&x).is_eq());
            point.map(|(_, figure)| with_spread(*figure, |value| shown(value, line.unit))).unwrap_or_default()
        });
    }
    row(&mut text, "expected", &lines, |line| line.expected.text(subject.axis));
    row(&mut text, "farthest from it", &lines, |line| times(line.departure()));
    text.push('\n');
    Some(text)
}

/// A row of a table, with a cell for each line.
fn row(text: &mut String, head: &str, lines: &[Line], cell: impl Fn(&Line) -> String) {
    add(text, format_args!("| {head} |"));
    for line in lines {
        add(text, format_args!(" {} |", cell(line)));
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goals::{Against, Bound};
    use crate::growth::Expected;
    use crate::notes;
    use std::path::Path;

    const SUBJECTS: &[Subject] = &[
        Subject { name: "latency64", title: "64 bytes", text: "One way." },
        Subject { name: "frames", title: "Frames", text: "Handed over and summed." },
        Subject { name: "absent", title: "Not measured", text: "Leaves no section." },
    ];
    const GROWTH: &[growth::Subject] = &[growth::Subject {
        name: "frames",
        title: "Frames",
        axis: "bytes",
        text: "From small to large.",
        lines: &[("copy", Expected::Linear), ("hand_over", Expected::Constant)],
    }];
    /// The second pass is slower for all, and one contender is missing from it.
    const PASSES: [&str; 2] = [
        "latency64.spin.by_hand 200 ns\nlatency64.spin.sharray_cell 220 ns\nlatency64.spin.sharray_cell.p99 300 ns\n\
         latency64.spin.pipe 44000 ns\nframes.1MiB.iceoryx2 14 GB/s\nframes.1MiB.sharray 13 GB/s\n\
         growth.frames.copy.x=64 10 ns\ngrowth.frames.copy.x=1048576 100 us\n\
         growth.frames.hand_over.x=64 50 ns\ngrowth.frames.hand_over.x=1048576 50 ns\n",
        "latency64.spin.by_hand 400 ns\nlatency64.spin.sharray_cell 480 ns\nlatency64.spin.sharray_cell.p99 500 ns\n\
         # latency64.spin.pipe failed: it did not end in time\n\
         # noisy: others used 20 % of a CPU during the next 1 samples\n\
         frames.1MiB.iceoryx2 7 GB/s\nframes.1MiB.sharray 7 GB/s\n",
    ];

    #[test]
    fn a_small_run_gives_this_page() {
        let mut samples = Samples::default();
        for (pass, text) in (1..).zip(PASSES) {
            samples.add(pass, text).expect("the lines are samples");
        }
        let cell = &["latency64.spin.sharray_cell"];
        let goals = [
            Goal::new("64 bytes", cell, Against::best(&["latency64.spin.by_hand"]), Bound::AtMost(1.15)),
            Goal::new("64 bytes", cell, Against::best(&["latency64.spin.pipe"]), Bound::AtMost(1.0)),
            Goal::new("attach", &["attach.sharray"], Against::best(&["attach.by_hand"]), Bound::AtMost(2.0)),
        ];
        let contents = Contents {
            samples: &samples,
            subjects: SUBJECTS,
            growth: GROWTH,
            goals: &goals,
            machine: &[("Processor".to_owned(), "a fast one".to_owned())],
            date: "2026-01-02".to_owned(),
            notes: notes::kept(""),
        };
        let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page.md");
        snapbox::assert_data_eq!(page(&contents), snapbox::Data::read_from(&expected, None).raw());
    }
}
