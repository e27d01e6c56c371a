//! Numbers in a row as a line, in braille: eight dots in each character.

use super::Canvas;
use super::pixels::{Pixels, Rgb, paint};
use super::reduce::{Column, envelope};
use super::scale::{Scale, odd_character, odd_colour, step, viridis};
use crate::items::Items;
use crate::text;
use std::ops::RangeInclusive;

/// A line higher than this says no more.
const HIGHEST: usize = 16;
const BACKGROUND: Rgb = [255, 255, 255];
const INK: Rgb = [49, 104, 142];
/// The dots of a braille character, by row and column.
const DOTS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// The line as text: the scale at its left, the first and the last index below.
pub(crate) fn lines(items: &Items, bytes: &[u8], scale: Scale, canvas: Canvas) -> Vec<String> {
    let label = |end| if scale.has_ends() { text::number(end) } else { String::new() };
    let labels = (label(scale.high), label(scale.low));
    let margin = labels.0.chars().count().max(labels.1.chars().count());
    let width = canvas.columns.saturating_sub(margin + 2).max(1);
    let height = canvas.rows.saturating_sub(2).clamp(1, HIGHEST);
    let columns = envelope(items, bytes, 2 * width);
    let dots = dots(&columns, scale, width, height);
    let label = |row: usize| match row {
        0 => labels.0.as_str(),
        row if row + 1 == height => labels.1.as_str(),
        _ => "",
    };
    let mut lines: Vec<String> = dots
        .chunks(width)
        .enumerate()
        .map(|(row, dots)| {
            let line: String = dots.iter().filter_map(|bits| char::from_u32(0x2800 + bits)).collect();
            let line = paint(&line, Some(viridis(0.75)), None, canvas.colours);
            format!("{:>margin$} ┤{line}", label(row))
        })
        .collect();
    let indent = " ".repeat(margin + 2);
    if let Some(marks) = marks(&columns, canvas) {
        lines.push(format!("{indent}{marks}"));
    }
    let last = items.shape()[0].saturating_sub(1).to_string();
    lines.push(format!("{indent}0{last:>rest$}", rest = width - 1));
    lines
}

fn dots(columns: &[Column], scale: Scale, width: usize, height: usize) -> Vec<u32> {
    let mut dots = vec![0; width * height];
    for (x, ink) in inked(columns, scale, 4 * height).enumerate() {
        for y in ink.into_iter().flatten() {
            dots[y / 4 * width + x / 2] |= DOTS[y % 4][x % 2];
        }
    }
    dots
}

/// Where something is not finite, below the line.
fn marks(columns: &[Column], canvas: Canvas) -> Option<String> {
    columns.iter().any(|column| column.odd.is_some()).then(|| {
        let mark = |two: &[Column]| match two.iter().find_map(|column| column.odd) {
            Some(odd) => paint(&odd_character(odd).to_string(), Some(odd_colour(odd)), None, canvas.colours),
            None => " ".to_owned(),
        };
        columns.chunks(2).map(mark).collect::<String>().trim_end().to_owned()
    })
}

/// The line as points, on white; a column with something that is not finite has its colour.
pub(crate) fn pixels(items: &Items, bytes: &[u8], scale: Scale, width: usize, height: usize) -> Pixels {
    let mut pixels = Pixels::filled(width, height, BACKGROUND);
    let columns = envelope(items, bytes, width);
    for (x, (ink, column)) in inked(&columns, scale, height).zip(&columns).enumerate() {
        if let Some(odd) = column.odd {
            (0..height).for_each(|y| pixels.set(x, y, odd_colour(odd)));
        }
        ink.into_iter().flatten().for_each(|y| pixels.set(x, y, INK));
    }
    pixels
}

/// The rows from the top that each column reaches over, on to where the column before has ended.
fn inked(columns: &[Column], scale: Scale, rows: usize) -> impl Iterator<Item = Option<RangeInclusive<usize>>> {
    let row = move |value| rows - 1 - step(scale.position(value), rows).unwrap_or(0);
    let mut before = None;
    columns.iter().map(move |column| {
        let ink = column.finite.map(|(min, max, first, last)| {
            let (top, bottom) = (row(max), row(min));
            let from = before.unwrap_or(row(first));
            before = Some(row(last));
            top.min(from)..=bottom.max(from)
        });
        if ink.is_none() {
            before = None;
        }
        ink
    })
}
