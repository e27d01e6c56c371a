//! Coloured points, and how a terminal shows two of them in each character.

use crate::screen::Colours;
use anstyle::{Ansi256Color, Color, RgbColor, Style};
use std::fmt::Write as _;

pub(crate) type Rgb = [u8; 3];

/// Points in rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pixels {
    pub(crate) width: usize,
    pub(crate) points: Vec<Rgb>,
}

impl Pixels {
    pub(crate) fn filled(width: usize, height: usize, colour: Rgb) -> Self {
        Self { width, points: vec![colour; width * height] }
    }

    pub(crate) fn height(&self) -> usize {
        self.points.len() / self.width.max(1)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &[Rgb]> {
        self.points.chunks(self.width.max(1))
    }

    pub(crate) fn set(&mut self, x: usize, y: usize, colour: Rgb) {
        if let Some(point) = self.points.get_mut(y * self.width + x) {
            *point = colour;
        }
    }

    /// Each point so many times as wide and high.
    pub(crate) fn enlarged(&self, times: usize) -> Self {
        let wide = |row: &[Rgb]| row.iter().flat_map(|point| std::iter::repeat_n(*point, times)).collect::<Vec<_>>();
        let points = self.rows().flat_map(|row| std::iter::repeat_n(wide(row), times)).flatten().collect();
        Self { width: self.width * times, points }
    }

    /// With another picture of the same height at its right.
    pub(crate) fn beside(&self, other: &Self) -> Self {
        let points = self.rows().zip(other.rows()).flat_map(|(one, other)| [one, other].concat()).collect();
        Self { width: self.width + other.width, points }
    }

    /// Pairs of points, one above the other: what a character shows. Below the last row may be nothing.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = impl Iterator<Item = (Rgb, Option<Rgb>)>> {
        self.points.chunks(2 * self.width.max(1)).map(|two| {
            let (above, below) = two.split_at(self.width.min(two.len()));
            above.iter().enumerate().map(|(x, point)| (*point, below.get(x).copied()))
        })
    }

    pub(crate) fn half_blocks(&self, colours: Colours) -> Vec<String> {
        let line = |pairs: &mut dyn Iterator<Item = (Rgb, Option<Rgb>)>| {
            pairs.map(|(above, below)| paint("▀", Some(above), below, colours)).collect()
        };
        self.pairs().map(|mut pairs| line(&mut pairs)).collect()
    }
}

/// A text in colours, which end with it.
pub(crate) fn paint(text: &str, front: Option<Rgb>, back: Option<Rgb>, colours: Colours) -> String {
    let colour = |rgb: Rgb| match colours {
        Colours::None => None,
        Colours::Palette => Some(Color::Ansi256(Ansi256Color(nearest(rgb)))),
        Colours::True => Some(Color::Rgb(RgbColor(rgb[0], rgb[1], rgb[2]))),
    };
    let style = Style::new().fg_color(front.and_then(colour)).bg_color(back.and_then(colour));
    let mut painted = String::new();
    // Writing to a string cannot fail.
    _ = write!(painted, "{style}{text}{style:#}");
    painted
}

/// The nearest colour of the palette: one of a cube of 6 levels a side, or of 24 shades of grey.
pub(crate) fn nearest(rgb: Rgb) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let level = |value: u8| (0..6_u8).min_by_key(|at| LEVELS[usize::from(*at)].abs_diff(value)).unwrap_or(0);
    let cube = rgb.map(level);
    let mean = rgb.iter().map(|value| u32::from(*value)).sum::<u32>() / 3;
    let grey = u8::try_from(mean.saturating_sub(3) / 10).unwrap_or(0).min(23);
    let distance =
        |other: Rgb| -> u32 { rgb.iter().zip(other).map(|(one, other)| u32::from(one.abs_diff(other)).pow(2)).sum() };
    let of_cube = distance(cube.map(|at| LEVELS[usize::from(at)]));
    if distance([8 + 10 * grey; 3]) < of_cube { 232 + grey } else { 16 + 36 * cube[0] + 6 * cube[1] + cube[2] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_palette_has_what_is_nearest() {
        assert_eq!(nearest([0, 0, 0]), 16);
        assert_eq!(nearest([255, 255, 255]), 231);
        assert_eq!(nearest([255, 0, 255]), 201);
        assert_eq!(nearest([128, 128, 128]), 244);
        assert_eq!(nearest([253, 231, 37]), 220);
    }

    #[test]
    fn an_odd_row_has_nothing_below() {
        let pixels = Pixels { width: 1, points: vec![[1; 3], [2; 3], [3; 3]] };
        let pairs: Vec<Vec<_>> = pixels.pairs().map(Iterator::collect).collect();
        assert_eq!(pairs, [vec![([1; 3], Some([2; 3]))], vec![([3; 3], None)]]);
        assert_eq!(pixels.enlarged(2).points.len(), 12);
    }
}
