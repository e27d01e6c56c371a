//! Small pictures for notebooks, which the Python package asks for.

use super::{Picture, Slice, png};
use crate::items::Items;
use sharray::{DType, Order};

/// An array as a small picture.
#[derive(Clone, Debug)]
pub struct Thumbnail {
    /// The picture, as a PNG file.
    pub png: Vec<u8>,
    /// How wide and how high it is, in points: one for each item.
    pub size: (usize, usize),
    /// The numbers at the ends of the scale of a heat map; an image of colours has none.
    pub range: Option<(f64, f64)>,
}

/// Draws the items of an array, which stand one after the other in C order, as `sharray show --png` does, but without the scale.
///
/// Two dimensions are a heat map, three of which the last is 3 or 4 long are an image. `None` for all else: other shapes, no items, a
/// dtype without numbers.
pub fn thumbnail(dtype: &DType, shape: &[usize], bytes: &[u8]) -> Option<Thumbnail> {
    let slice = Slice::new(Items::new(dtype, shape, Order::C, None).ok()?, &[]).ok()?;
    if shape.len() < 2 || slice.place.is_some() {
        return None;
    }
    let picture = Picture::new(&slice, bytes, None);
    let pixels = picture.pixels(shape[1], shape[0])?;
    let mut png = Vec::new();
    png::encode(&pixels, picture.range(), &mut png).ok()?;
    let size = (pixels.width, pixels.height());
    Some(Thumbnail { png, size, range: (picture.is_map() && picture.scale.has_ends()).then(|| picture.range()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_have_one() {
        for (dtype, shape, has_range) in [(DType::F32, vec![3, 4], true), (DType::U8, vec![3, 4, 3], false)] {
            let drawn = thumbnail(&dtype, &shape, &[0; 48]).expect("it is a picture");
            assert!(drawn.png.starts_with(b"\x89PNG") && drawn.range.is_some() == has_range, "{shape:?}");
            assert_eq!(drawn.size, (4, 3));
        }
    }

    /// What is no picture has none, and bytes that are too few are no trouble.
    #[test]
    fn all_else_has_none() {
        let text = DType::parse("S2").expect("it is a dtype");
        for shape in [&[] as &[usize], &[5], &[0, 3], &[3, 0], &[4, 4, 5], &[2, 2, 2, 3]] {
            assert!(thumbnail(&DType::U8, shape, &[0; 24]).is_none(), "{shape:?}");
        }
        assert!(thumbnail(&text, &[2, 2], &[0; 8]).is_none());
        assert!(thumbnail(&DType::F64, &[2, 2], &[]).is_some());
    }
}
