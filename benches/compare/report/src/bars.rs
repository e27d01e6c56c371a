//! Bars for the groups of a subject, a panel each: sharray's in one colour, all others in another, and a whisker between
//! the bounds of half of the passes.

use crate::groups::Group;
use crate::picture::{Area, FAINT, HEAD, INK, OTHER, SHARRAY, drawing, head, text, write};
use crate::samples::Outcome;
use crate::units::{is_rate, shown};
use plotters::prelude::*;
use std::path::Path;

const LEGEND: &str = "blue: sharray; whiskers: between what bounds half of the passes lie";
const BAR: i32 = 22;
/// Where the bars begin, below the names, and where the longest one ends, before its figure.
const LEFT: i32 = 260;
const RIGHT: i32 = 730;
/// A panel's largest bar may be so many times as long as its smallest before the axis turns logarithmic.
const LINEAR: f64 = 30.0;

/// Draws the groups one below the other.
pub(crate) fn draw(path: &Path, title: &str, groups: &[Group]) -> Outcome {
    let heights: Vec<i32> = groups.iter().map(|group| height(group)).collect();
    let total = HEAD + heights.iter().sum::<i32>();
    write(path, total.unsigned_abs(), |card| {
        head(card, title, LEGEND)?;
        let mut top = HEAD;
        for (group, height) in groups.iter().zip(heights) {
            panel(card, group, top)?;
            top += height;
        }
        Ok(())
    })
}

fn height(group: &Group) -> i32 {
    i32::try_from(group.contenders.len()).unwrap_or(0) * BAR + 40
}

fn panel(card: &Area, group: &Group, top: i32) -> Outcome {
    let scale = Scale::of(group);
    let better = if is_rate(group.unit) { "more is better" } else { "less is better" };
    let axis = if scale.is_logarithmic { ", logarithmic" } else { "" };
    text(card, &format!("{} ({better}{axis})", group.name), (12, top + 12), 14, false)?;
    let bottom = top + height(group) - 12;
    for x in scale.marks() {
        let line = PathElement::new(vec![(x, top + 24), (x, bottom)], FAINT.stroke_width(1));
        card.draw(&line).map_err(drawing)?;
    }
    for (contender, at) in group.contenders.iter().zip(0..) {
        let middle = top + 24 + at * BAR + BAR / 2;
        text(card, contender.who, (LEFT - 8, middle), 13, true)?;
        let figure = contender.figure;
        let end = scale.place(figure.median);
        let colour = if contender.is_sharray() { SHARRAY } else { OTHER };
        let bar = Rectangle::new([(LEFT, middle - 7), (end, middle + 7)], colour.filled());
        card.draw(&bar).map_err(drawing)?;
        whisker(card, [scale.place(figure.low), scale.place(figure.high)], middle)?;
        text(card, &shown(figure.median, group.unit), (scale.place(figure.high) + 8, middle), 13, false)?;
    }
    Ok(())
}

fn whisker(card: &Area, [low, high]: [i32; 2], middle: i32) -> Outcome {
    let stroke = || INK.stroke_width(1);
    let mut lines = vec![vec![(low, middle), (high, middle)]];
    lines.extend([low, high].map(|x| vec![(x, middle - 3), (x, middle + 3)]));
    lines.into_iter().try_for_each(|line| card.draw(&PathElement::new(line, stroke())).map_err(drawing))
}

/// Where along the axis a figure stands.
struct Scale {
    low: f64,
    high: f64,
    is_logarithmic: bool,
}

impl Scale {
    fn of(group: &Group) -> Self {
        let finite = |of: fn(&crate::samples::Figure) -> f64| {
            group.contenders.iter().map(move |it| of(&it.figure)).filter(|value| value.is_finite() && *value > 0.0)
        };
        let high = finite(|it| it.high).fold(0.0, f64::max);
        let low = finite(|it| it.low).fold(high, f64::min);
        let is_logarithmic = low > 0.0 && high > LINEAR * low;
        // The shortest bar of a logarithmic axis has a length, too.
        let low = if is_logarithmic { 10_f64.powf((low / 2.0).log10().floor()) } else { 0.0 };
        Self { low, high, is_logarithmic }
    }

    fn place(&self, value: f64) -> i32 {
        let share = if self.is_logarithmic {
            (value / self.low).log10() / (self.high / self.low).log10()
        } else {
            value / self.high
        };
        // What never ended goes as far as there is room; what took nothing has no bar.
        let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        LEFT + (share * f64::from(RIGHT - LEFT)).round() as i32
    }

    /// Faint lines: at each power of ten, or at each quarter.
    fn marks(&self) -> Vec<i32> {
        if !self.is_logarithmic {
            return (0..=4).map(|quarter| LEFT + (RIGHT - LEFT) * quarter / 4).collect();
        }
        let powers = (0..).map(|power| self.low * 10_f64.powi(power)).take_while(|value| *value <= self.high);
        powers.map(|value| self.place(value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups;
    use crate::samples::Samples;

    fn scale(text: &str) -> Scale {
        let mut samples = Samples::default();
        samples.add(1, text).expect("the lines are samples");
        Scale::of(&groups::of(&samples, "a")[0])
    }

    #[test]
    fn lengths_are_true_where_the_figures_are_near_each_other() {
        let scale = scale("a.x 100 ns\na.y 50 ns");
        assert!(!scale.is_logarithmic);
        assert_eq!([0.0, 50.0, 100.0].map(|value| scale.place(value)), [LEFT, i32::midpoint(LEFT, RIGHT), RIGHT]);
    }

    #[test]
    fn far_figures_stand_on_a_logarithmic_axis() {
        let scale = scale("a.x 100 ns\na.y 100000 ns");
        assert!(scale.is_logarithmic);
        // The axis begins at 10, so that the least bar is to be seen.
        assert_eq!(scale.place(100.0), LEFT + (RIGHT - LEFT) / 4 + 1);
        assert_eq!(scale.marks().len(), 5);
    }

    #[test]
    fn a_picture_has_a_bar_for_each_contender_on_an_opaque_card() {
        let mut samples = Samples::default();
        samples.add(1, "a.b.sharray 1 ns\na.b.pipe 2 ns\na.c.sharray 3 ns").expect("the lines are samples");
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("a.svg");
        draw(&path, "Work", &groups::of(&samples, "a")).expect("it can be drawn");
        let svg = std::fs::read_to_string(path).expect("it was drawn");
        assert!(svg.contains("opacity=\"1\" fill=\"#FFFFFF\""), "{svg}");
        let bars = |colour: &str| svg.matches(&format!("fill=\"{colour}\"")).count();
        assert_eq!((bars("#0072B2"), bars("#E69F00")), (2, 1));
        for words in ["Work", "a.b (less is better)", "pipe", "2.00 ns", "a.c (less is better)", "3.00 ns"] {
            assert!(svg.contains(words), "{words}: {svg}");
        }
    }

    #[test]
    fn no_figure_leaves_the_picture() {
        for text in ["a.x inf s\na.y 1 s", "a.x 0 s\na.y 0 s", "a.x inf s", "a.x -1 s\na.y 1 s"] {
            let scale = scale(text);
            for value in [0.0, -1.0, 1.0, f64::INFINITY] {
                assert!((LEFT..=RIGHT).contains(&scale.place(value)), "{text}: {value}");
            }
        }
    }
}
