//! Numbers as a picture.

use super::Outcome;
use png::{BitDepth, ColorType, Encoder};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// Colours from the least number to the greatest, at equal distances.
pub(crate) type Gradient = Vec<[u8; 3]>;

/// Writes a PNG of rows of numbers. What is not finite has the first colour.
pub(crate) fn draw(path: &Path, numbers: &[f64], [height, width]: [usize; 2], gradient: &Gradient) -> Outcome {
    let (least, greatest) = numbers
        .iter()
        .filter(|number| number.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, greatest), number| {
            (least.min(*number), greatest.max(*number))
        });
    let pixels: Vec<u8> =
        numbers.iter().flat_map(|number| color((number - least) / (greatest - least), gradient)).collect();
    let file = File::create(path).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    let mut encoder = Encoder::new(BufWriter::new(file), width.try_into()?, height.try_into()?);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    Ok(writer.finish()?)
}

/// The colour at a place between 0 and 1.
fn color(place: f64, gradient: &Gradient) -> [u8; 3] {
    let at = if place.is_finite() { place } else { 0.0 } * (gradient.len() - 1) as f64;
    // A conversion from float to integer saturates.
    let before = (at as usize).min(gradient.len() - 2);
    let part = at - before as f64;
    std::array::from_fn(|channel| {
        let [from, to] = [before, before + 1].map(|at| f64::from(gradient[at][channel]));
        (from + (to - from) * part).round() as u8
    })
}
