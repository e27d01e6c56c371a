//! Lines for what grows: both axes logarithmic, the measured points with whiskers, the expected line dashed beside them.

use crate::growth::{Line, Subject, place_text};
use crate::picture::{Area, FAINT, HEAD, INK, LINES, drawing, head, write};
use crate::samples::Outcome;
use crate::units::{nanoseconds, shown};
use plotters::prelude::*;
use std::path::Path;

const PANEL: i32 = 330;
const LEGEND: &str = "dots: measured, with the bounds of half of the passes; dashes: as expected";

/// Draws the lines of a subject: those of one kind of unit share a panel.
pub(crate) fn draw(path: &Path, subject: &Subject, lines: &[Line]) -> Outcome {
    let is_time = |line: &&Line| nanoseconds(line.unit).is_some();
    let (times, others): (Vec<&Line>, Vec<&Line>) = lines.iter().partition(is_time);
    let panels: Vec<Vec<&Line>> = [times, others].into_iter().filter(|lines| !lines.is_empty()).collect();
    let total = HEAD + PANEL * i32::try_from(panels.len()).unwrap_or(0);
    write(path, total.unsigned_abs(), |card| {
        head(card, subject.title, LEGEND)?;
        let (_, mut rest) = card.split_vertically(HEAD);
        for lines in panels {
            let (panel, below) = rest.split_vertically(PANEL);
            plot(&panel, subject, &lines)?;
            rest = below;
        }
        Ok(())
    })
}

fn plot(area: &Area, subject: &Subject, lines: &[&Line]) -> Outcome {
    let [x, y] = ranges(lines);
    // Labels at powers of a number that the points are made of.
    let base = if subject.axis == "bytes" {
        16.0
    } else if x.end < 200.0 {
        2.0
    } else {
        10.0
    };
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(72)
        .build_cartesian_2d(x.log_scale().base(base), y.log_scale())
        .map_err(drawing)?;
    let unit = if lines.iter().all(|line| nanoseconds(line.unit).is_some()) { "ns" } else { lines[0].unit };
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .label_style(("sans-serif", 13).into_font().color(&INK))
        .x_desc(subject.axis)
        .x_labels(8)
        .y_labels(6)
        .x_label_formatter(&|x| place_text(subject.axis, *x))
        .y_label_formatter(&|y| shown(*y, unit))
        .draw()
        .map_err(drawing)?;
    for (line, (colour, mark)) in lines.iter().zip(LINES.into_iter().zip(0..)) {
        let scale = nanoseconds(line.unit).unwrap_or(1.0);
        let fitted = line.fitted();
        let expected: Vec<(f64, f64)> = steps(line).map(|x| (x, fitted(x) * scale)).collect();
        let dashes = DashedLineSeries::new(expected, 6, 5, colour.stroke_width(1));
        chart.draw_series(dashes).map_err(drawing)?;
        let whiskers = line.points.iter().map(|(x, figure)| {
            PathElement::new(vec![(*x, figure.low * scale), (*x, figure.high * scale)], colour.stroke_width(1))
        });
        chart.draw_series(whiskers).map_err(drawing)?;
        let points = line.points.iter().map(|(x, figure)| (*x, figure.median * scale));
        let drawn = chart.draw_series(points.map(|point| marked(point, mark, colour))).map_err(drawing)?;
        drawn.label(label(line, subject)).legend(move |(x, y)| marked((x + 8, y), mark, colour));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(FAINT)
        .label_font(("sans-serif", 13).into_font().color(&INK))
        .draw()
        .map_err(drawing)
}

fn label(line: &Line, subject: &Subject) -> String {
    format!("{} (expected: {})", line.name, line.expected.text(subject.axis))
}

/// A dot, a triangle or a cross, for those who see no colours.
fn marked<'a, T: Clone + 'static>(at: T, mark: u32, colour: RGBColor) -> DynElement<'static, SVGBackend<'a>, T> {
    match mark {
        0 => Circle::new(at, 4, colour.filled()).into_dyn(),
        1 => TriangleMarker::new(at, 5, colour.filled()).into_dyn(),
        _ => Cross::new(at, 4, colour.stroke_width(2)).into_dyn(),
    }
}

/// A little more than what the points and the expected lines take.
fn ranges(lines: &[&Line]) -> [std::ops::Range<f64>; 2] {
    let (mut x, mut y) = (f64::INFINITY..0.0_f64, f64::INFINITY..0.0_f64);
    for line in lines {
        let (scale, fitted) = (nanoseconds(line.unit).unwrap_or(1.0), line.fitted());
        for (at, figure) in &line.points {
            x = x.start.min(*at)..x.end.max(*at);
            let values = [figure.low, figure.high, fitted(*at)].map(|value| value * scale);
            y = values.into_iter().filter(|it| *it > 0.0).fold(y, |y, it| y.start.min(it)..y.end.max(it));
        }
    }
    // What took no time at all has no place on this paper.
    let y = if y.start < y.end { y } else { 1.0..10.0 };
    // Room above for the names of the lines.
    [x.start * 0.8..x.end * 1.25, y.start * 0.6..y.end * 12.0]
}

/// Places along the axis, near enough to each other that a line which bends on this paper looks smooth.
fn steps(line: &Line) -> impl Iterator<Item = f64> {
    const STEPS: u32 = 60;
    let (first, last) = (line.points[0].0, line.points[line.points.len() - 1].0);
    (0..=STEPS).map(move |step| first * (last / first).powf(f64::from(step) / f64::from(STEPS)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::{Expected, lines};
    use crate::samples::Samples;

    const SUBJECT: Subject = Subject {
        name: "writers",
        title: "Writers",
        axis: "writers",
        text: "",
        lines: &[("turn", Expected::Linear), ("share", Expected::Constant)],
    };

    #[test]
    fn times_and_others_have_a_panel_each() {
        let mut samples = Samples::default();
        let text = "growth.writers.turn.x=2 9 ns\ngrowth.writers.turn.x=4 12 ns\ngrowth.writers.share.x=2 0.5 of 1";
        samples.add(1, text).expect("the lines are samples");
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("a.svg");
        draw(&path, &SUBJECT, &lines(&samples, &SUBJECT)).expect("it can be drawn");
        let svg = std::fs::read_to_string(path).expect("it was drawn");
        assert!(svg.contains(&format!("height=\"{}\"", HEAD + 2 * PANEL)), "{svg}");
        for words in ["Writers", "turn (expected: linear in writers)", "share (expected: constant)"] {
            assert!(svg.contains(words), "{words}: {svg}");
        }
        // Two points of the one line, one of the other, and a mark beside each name.
        assert_eq!(svg.matches("<circle").count(), 5);
    }

    #[test]
    fn a_line_of_nothing_can_be_drawn() {
        // A cost of zero, or a single point, has no place on logarithmic paper or makes no line.
        let mut samples = Samples::default();
        samples.add(1, "growth.writers.turn.x=2 0 ns\ngrowth.writers.share.x=1 1 of 1").expect("the lines are samples");
        let folder = tempfile::tempdir().expect("there is room");
        draw(&folder.path().join("a.svg"), &SUBJECT, &lines(&samples, &SUBJECT)).expect("it can be drawn");
    }
}
