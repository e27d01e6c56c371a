//! Arrays as pictures: in any terminal, in a pipe, as a file.
//!
//! `slice` says what of an array is drawn and as what, `reduce` makes it as small as the picture, `scale` gives numbers
//! their colours. `heat` and `line` draw, on `pixels` or as text; `png` writes files, `thumbnail` small ones for notebooks.

mod heat;
mod line;
mod pixels;
pub(crate) mod png;
mod reduce;
mod scale;
mod slice;
pub(crate) mod thumbnail;

pub(crate) use pixels::{Pixels, Rgb, nearest};
pub(crate) use slice::Slice;

use crate::items::Summary;
use crate::screen::Colours;
use crate::text;
use scale::Scale;
use slice::Form;

/// Numbers to draw, and how.
#[derive(Debug)]
pub(crate) struct Picture<'a> {
    slice: &'a Slice,
    bytes: &'a [u8],
    summary: Summary,
    scale: Scale,
}

/// How much room there is, in characters, and which colours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Canvas {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    pub(crate) colours: Colours,
}

impl<'a> Picture<'a> {
    /// A picture of a slice, on a scale from the least to the greatest of its numbers, unless another is given.
    pub(crate) fn new(slice: &'a Slice, bytes: &'a [u8], range: Option<(f64, f64)>) -> Self {
        let summary = Summary::of(&slice.items, bytes);
        let scale = match range {
            Some((low, high)) => Scale { low, high },
            None if slice.is_image_of_bytes() => Scale { low: 0.0, high: 255.0 },
            None => Scale { low: summary.min, high: summary.max },
        };
        Self { slice, bytes, summary, scale }
    }

    /// The picture as lines of text, with a legend.
    pub(crate) fn lines(&self, canvas: Canvas) -> Vec<String> {
        let items = &self.slice.items;
        // Below the picture stands its legend.
        let rows = canvas.rows.saturating_sub(2).max(1);
        let mut lines = match self.slice.form {
            _ if items.shape().contains(&0) => vec!["there are no items".to_owned()],
            Form::Number => vec![text::number(items.get(self.bytes, &[]))],
            Form::Line => line::lines(items, self.bytes, self.scale, Canvas { rows, ..canvas }),
            Form::Plane | Form::Image if canvas.colours == Colours::None => {
                heat::characters(&self.grid(canvas.columns, 2 * rows), self.scale)
            }
            Form::Plane | Form::Image => self.flat(canvas.columns, 2 * rows).half_blocks(canvas.colours),
        };
        lines.extend(self.legend(canvas));
        lines
    }

    /// The picture as pixels, at most so wide and high. Nothing, if there are no items.
    pub(crate) fn pixels(&self, width: usize, height: usize) -> Option<Pixels> {
        let items = &self.slice.items;
        if items.shape().contains(&0) {
            return None;
        }
        Some(match self.slice.form {
            Form::Number => Pixels::filled(1, 1, self.scale.colour(items.get(self.bytes, &[]))),
            Form::Line => line::pixels(items, self.bytes, self.scale, width, height),
            Form::Plane | Form::Image => self.flat(width, height),
        })
    }

    /// The same with a point for each item, unless that is more than `most` on a side.
    pub(crate) fn pixels_of_items(&self, most: usize) -> Option<Pixels> {
        let side = |axis: usize| self.slice.items.shape().get(axis).copied().unwrap_or(1).min(most);
        self.pixels(side(1), side(0))
    }

    /// Whether it is best as text: a number, or a line, which has more dots as one.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.slice.form, Form::Number | Form::Line)
    }

    pub(crate) fn is_line(&self) -> bool {
        self.slice.form == Form::Line
    }

    /// Whether its colours stand for numbers.
    pub(crate) fn is_map(&self) -> bool {
        self.slice.form == Form::Plane
    }

    /// The scale, for what is drawn in colours that stand for numbers.
    pub(crate) fn bar(&self, height: usize) -> Option<Pixels> {
        self.is_map().then(|| heat::bar(height))
    }

    pub(crate) fn range(&self) -> (f64, f64) {
        (self.scale.low, self.scale.high)
    }

    fn flat(&self, width: usize, height: usize) -> Pixels {
        let (items, bytes) = (&self.slice.items, self.bytes);
        let (width, height) = reduce::fit(items.shape()[1], items.shape()[0], width, height);
        match self.slice.form {
            Form::Image => heat::image(items, bytes, self.scale, width, height),
            _ => heat::map(&reduce::greatest(items, bytes, width, height), self.scale),
        }
    }

    /// What stands in the place of colours: brightness, for images.
    fn grid(&self, width: usize, height: usize) -> reduce::Grid {
        let (items, bytes) = (&self.slice.items, self.bytes);
        let (width, height) = reduce::fit(items.shape()[1], items.shape()[0], width, height);
        match self.slice.form {
            Form::Image => reduce::means(items, bytes, width, height),
            _ => reduce::greatest(items, bytes, width, height),
        }
    }

    /// What the colours mean, and what is not on the scale.
    fn legend(&self, canvas: Canvas) -> Vec<String> {
        let items = &self.slice.items;
        let mut parts = Vec::new();
        if items.shape().contains(&0) {
            return parts;
        }
        if self.slice.form == Form::Plane && self.scale.has_ends() {
            parts.push(self.scale.legend(canvas.colours));
        }
        if matches!(self.slice.form, Form::Plane | Form::Image) {
            let (columns, rows) = (items.shape()[1], items.shape()[0]);
            let (width, height) = reduce::fit(columns, rows, canvas.columns, 2 * canvas.rows.saturating_sub(2).max(1));
            let what = if self.slice.form == Form::Image { "mean" } else { "greatest" };
            if width < columns || height < rows {
                let (x, y) = (columns.div_ceil(width), rows.div_ceil(height));
                parts.push(format!("each cell the {what} of {y} x {x}"));
            }
        }
        if let Some(steps) = &self.slice.every {
            parts.push(format!("of every {}", steps.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ")));
        }
        parts.extend(Scale::oddities(&self.summary, canvas.colours));
        if parts.is_empty() { Vec::new() } else { vec![parts.join("   ")] }
    }
}
