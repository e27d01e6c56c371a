//! Pictures as files.

use super::{Picture, Pixels};
use crate::failure::{Failure, Outcome};
use crate::{save, text};
use png::{BitDepth, ColorType, Encoder};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// No side of a picture is longer than this.
const LARGEST: usize = 4096;
/// What is smaller is enlarged, or drawn so large.
const SMALLEST: usize = 256;
/// How large a line is drawn.
const LINE: (usize, usize) = (1024, 256);

/// Writes a picture, beside it its scale, which the texts `low` and `high` in the file give numbers to.
///
/// The file takes its place when it is whole.
pub(crate) fn write(picture: &Picture<'_>, path: &Path) -> Outcome {
    let nothing = || Failure::new("there are no items to draw");
    let pixels = if picture.is_line() { picture.pixels(LINE.0, LINE.1) } else { picture.pixels_of_items(LARGEST) };
    let pixels = pixels.ok_or_else(nothing)?;
    let times = (SMALLEST / pixels.width.max(pixels.height())).max(1);
    let pixels = pixels.enlarged(times);
    let whole = picture.bar(pixels.height()).map_or_else(|| pixels.clone(), |bar| pixels.beside(&bar));
    save::whole(path, |file| encode(&whole, picture.range(), BufWriter::new(file)))
}

pub(super) fn encode(pixels: &Pixels, (low, high): (f64, f64), out: impl Write) -> io::Result<()> {
    let side = |len: usize| u32::try_from(len).map_err(io::Error::other);
    let mut encoder = Encoder::new(out, side(pixels.width)?, side(pixels.height())?);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.add_text_chunk("low".to_owned(), text::number(low)).map_err(io::Error::other)?;
    encoder.add_text_chunk("high".to_owned(), text::number(high)).map_err(io::Error::other)?;
    let mut writer = encoder.write_header().map_err(io::Error::other)?;
    writer.write_image_data(pixels.points.as_flattened()).map_err(io::Error::other)?;
    writer.finish().map_err(io::Error::other)
}
