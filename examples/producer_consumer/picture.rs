//! A frame as a PNG, if it is a picture.

use crate::Outcome;
use half::{bf16, f16};
use ndarray::{ArrayView2, Ix2, Ix3};
use png::{BitDepth, ColorType, Encoder};
use sharray::{AnyFrame, Bool, Element};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// Writes the frame, if it is a picture, and says whether it was.
///
/// Bytes with two dimensions are grey, with a third of three or four colours are colours. Other numbers with two dimensions
/// are made grey, from the least, black, to the greatest, white.
pub(crate) fn draw(frame: &AnyFrame, path: &Path) -> Outcome<bool> {
    let Some((color, pixels)) = pixels(frame).filter(|(_, pixels)| !pixels.is_empty()) else { return Ok(false) };
    let (height, width) = (u32::try_from(frame.shape()[0])?, u32::try_from(frame.shape()[1])?);
    let file = File::create(path).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    let mut encoder = Encoder::new(BufWriter::new(file), width, height);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(true)
}

fn pixels(frame: &AnyFrame) -> Option<(ColorType, Vec<u8>)> {
    if let Some(image) = frame.view::<u8, Ix3>() {
        let color = match image.dim().2 {
            1 => ColorType::Grayscale,
            3 => ColorType::Rgb,
            4 => ColorType::Rgba,
            _ => return None,
        };
        return Some((color, image.iter().copied().collect()));
    }
    if let Some(image) = frame.view::<u8, Ix2>() {
        return Some((ColorType::Grayscale, image.iter().copied().collect()));
    }
    numbers(frame).map(|numbers| (ColorType::Grayscale, grey(&numbers)))
}

/// The numbers of a frame of two dimensions, row by row.
fn numbers(frame: &AnyFrame) -> Option<Vec<f64>> {
    fn read<T: Element>(frame: &AnyFrame, to_f64: impl Fn(T) -> f64) -> Option<Vec<f64>> {
        frame.view().map(|image: ArrayView2<'_, T>| image.iter().map(|&number| to_f64(number)).collect())
    }
    None.or_else(|| read::<Bool>(frame, |truth| f64::from(u8::from(truth.get()))))
        .or_else(|| read::<i8>(frame, f64::from))
        .or_else(|| read::<i16>(frame, f64::from))
        .or_else(|| read::<u16>(frame, f64::from))
        .or_else(|| read::<i32>(frame, f64::from))
        .or_else(|| read::<u32>(frame, f64::from))
        .or_else(|| read::<i64>(frame, |number| number as f64))
        .or_else(|| read::<u64>(frame, |number| number as f64))
        .or_else(|| read::<f16>(frame, f64::from))
        .or_else(|| read::<bf16>(frame, f64::from))
        .or_else(|| read::<f32>(frame, f64::from))
        .or_else(|| read::<f64>(frame, |number| number))
}

/// Scales numbers to bytes. What is not finite is black.
fn grey(numbers: &[f64]) -> Vec<u8> {
    let finite = || numbers.iter().copied().filter(|number| number.is_finite());
    let (least, greatest) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    // A conversion from float to integer saturates, and makes zero of NaN.
    numbers.iter().map(|number| ((number - least) / (greatest - least) * 255.0).round() as u8).collect()
}
