//! Planes as heat maps, and images.

use super::pixels::{Pixels, Rgb};
use super::reduce::{Area, Grid, greater};
use super::scale::{Scale, odd_colour, step, viridis};
use crate::items::Items;

pub(crate) fn map(grid: &Grid, scale: Scale) -> Pixels {
    Pixels { width: grid.width, points: grid.values.iter().map(|value| scale.colour(*value)).collect() }
}

/// An image whose last axis is red, green and blue. A fourth channel is left out.
pub(crate) fn image(items: &Items, bytes: &[u8], scale: Scale, width: usize, height: usize) -> Pixels {
    let cells = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let colour = |(x, y)| {
        let area = Area::of(items, x, y, width, height);
        mix([0, 1, 2].map(|channel| area.mean(items, bytes, channel)), scale)
    };
    Pixels { width, points: cells.map(colour).collect() }
}

fn mix(channels: [f64; 3], scale: Scale) -> Rgb {
    match channels.into_iter().find(|value| !value.is_finite()) {
        Some(odd) => odd_colour(odd),
        None => channels.map(|value| level(scale.position(value))),
    }
}

fn level(place: f64) -> u8 {
    step(place, 256).and_then(|level| u8::try_from(level).ok()).unwrap_or(0)
}

/// The scale, the greatest at the top.
pub(crate) fn bar(height: usize) -> Pixels {
    const WIDTH: usize = 16;
    const GAP: usize = 8;
    let last = u32::try_from(height.saturating_sub(1)).unwrap_or(u32::MAX).max(1);
    let colour = |y: u32| viridis(1.0 - f64::from(y) / f64::from(last));
    let row = |y| [vec![[255; 3]; GAP], vec![colour(y); WIDTH]].concat();
    Pixels { width: GAP + WIDTH, points: (0..=last).take(height).flat_map(row).collect() }
}

/// The map where there are no colours. A character is twice as high as it is wide, and so stands for two cells.
pub(crate) fn characters(grid: &Grid, scale: Scale) -> Vec<String> {
    let pair = |rows: &[f64]| {
        let (above, below) = rows.split_at(grid.width.min(rows.len()));
        let cell = |(x, value): (usize, &f64)| below.get(x).map_or(*value, |other| greater(*value, *other));
        above.iter().enumerate().map(cell).map(|value| scale.character(value)).collect()
    };
    grid.values.chunks(2 * grid.width.max(1)).map(pair).collect()
}
