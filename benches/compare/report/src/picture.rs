//! What the pictures share: an opaque card, so that they read on light and on dark pages, and colours that the
//! colour-blind can tell apart (those of Okabe and Ito).

use crate::samples::Outcome;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::path::Path;

pub(crate) const SHARRAY: RGBColor = RGBColor(0, 114, 178);
pub(crate) const OTHER: RGBColor = RGBColor(230, 159, 0);
pub(crate) const INK: RGBColor = RGBColor(40, 40, 40);
pub(crate) const FAINT: RGBColor = RGBColor(221, 221, 221);
/// For the lines of one plot, one after the other; each has a mark of its own, too.
pub(crate) const LINES: [RGBColor; 4] = [SHARRAY, OTHER, RGBColor(0, 158, 115), RGBColor(204, 121, 167)];

pub(crate) const WIDTH: u32 = 860;
/// Where the title and the line below it end.
pub(crate) const HEAD: i32 = 56;

pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Writes a picture of such a height.
pub(crate) fn write(path: &Path, height: u32, draw: impl FnOnce(&Area) -> Outcome) -> Outcome {
    let cannot = |error: &dyn std::fmt::Display| format!("cannot write {}: {error}", path.display());
    let card = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    card.fill(&WHITE).map_err(|error| cannot(&error))?;
    draw(&card)?;
    card.present().map_err(|error| cannot(&error))
}

/// The title, and below it how to read the picture.
pub(crate) fn head(area: &Area, title: &str, legend: &str) -> Outcome {
    text(area, title, (12, 18), 17, false)?;
    text(area, legend, (12, 42), 13, false)
}

/// Text whose left edge, or with `end` right edge, is at a place.
pub(crate) fn text(area: &Area, words: &str, (x, y): (i32, i32), size: i32, is_end: bool) -> Outcome {
    use plotters::style::text_anchor::{HPos, Pos, VPos};
    let side = if is_end { HPos::Right } else { HPos::Left };
    let style = ("sans-serif", size).into_font().color(&INK).pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(words.to_owned(), (x, y), style)).map_err(drawing)
}

/// An error of the drawing itself, in words.
pub(crate) fn drawing(error: impl std::fmt::Display) -> String {
    format!("cannot draw: {error}")
}
