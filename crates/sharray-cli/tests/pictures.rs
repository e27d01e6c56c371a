//! Pictures as files, compared with those that a person has looked at, within a tolerance.
//!
//! `SNAPSHOTS=overwrite cargo test -p sharray-cli` writes them anew.

mod support;

use half::f16;
use ndarray::{Array1, Array2, Array3};
use num_complex::Complex64;
use png::{Decoder, Transformations};
use sharray::{AnyArray, DType, SharedArray};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use support::{Outcome, Place};

/// By how much one channel of a point may differ: what rounding does.
const TOLERANCE: u8 = 2;

struct Picture {
    width: u32,
    height: u32,
    points: Vec<u8>,
    texts: Vec<(String, String)>,
}

fn read(path: &Path) -> Outcome<Picture> {
    let mut decoder = Decoder::new(BufReader::new(File::open(path)?));
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info()?;
    let mut points = vec![0; reader.output_buffer_size().ok_or("it is too large")?];
    let frame = reader.next_frame(&mut points)?;
    let texts = &reader.info().uncompressed_latin1_text;
    let texts = texts.iter().map(|text| (text.keyword.clone(), text.text.clone())).collect();
    Ok(Picture { width: frame.width, height: frame.height, points, texts })
}

/// Draws an array, and compares the picture with the one that is kept.
fn check(place: &Place, name: &str, options: &[&str]) -> Outcome<Picture> {
    let file = format!("{name}.png");
    let output = place.run([&["show", name, "--png", &file], options].concat())?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let kept = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/pictures").join(&file);
    let drawn = place.file(&file);
    if std::env::var("SNAPSHOTS").is_ok_and(|wish| wish == "overwrite") {
        std::fs::copy(&drawn, &kept)?;
    }
    let (drawn, kept) = (read(&drawn)?, read(&kept)?);
    assert_eq!((drawn.width, drawn.height), (kept.width, kept.height), "{name}");
    let worst = drawn.points.iter().zip(&kept.points).map(|(one, other)| one.abs_diff(*other)).max();
    assert!(worst.unwrap_or(0) <= TOLERANCE, "{name} differs by {worst:?}");
    Ok(drawn)
}

fn value(picture: &Picture, key: &str) -> Option<String> {
    picture.texts.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
}

#[test]
fn a_plane_is_a_heat_map_with_its_scale() -> Outcome {
    let place = Place::new()?;
    let mut contents = Array2::from_shape_fn((40, 60), |(row, column)| {
        f32::from(u8::try_from(row).unwrap_or(0)).sin() + f32::from(u8::try_from(column).unwrap_or(0)) / 30.0
    });
    contents[[5, 5]] = f32::NAN;
    contents[[5, 50]] = f32::INFINITY;
    contents[[35, 50]] = f32::NEG_INFINITY;
    drop(SharedArray::builder().directory(&place.arrays).create_from("plane", &contents)?);
    let picture = check(&place, "plane", &[])?;
    // Four points for each item's side, and the scale beside it.
    assert_eq!((picture.width, picture.height), (60 * 4 + 24, 40 * 4));
    assert_eq!(value(&picture, "low").as_deref(), Some("-1"));
    Ok(())
}

#[test]
fn a_line_is_a_line() -> Outcome {
    let place = Place::new()?;
    let mut contents = Array1::linspace(0.0, 50.0, 2000).mapv(f64::sin);
    contents[700] = f64::NAN;
    drop(SharedArray::builder().directory(&place.arrays).create_from("line", &contents)?);
    check(&place, "line", &[]).map(drop)
}

#[test]
fn three_channels_are_an_image() -> Outcome {
    let place = Place::new()?;
    let contents = Array3::from_shape_fn((64, 64, 3), |(row, column, channel)| match channel {
        0 => u8::try_from(row * 4).unwrap_or(0),
        1 => u8::try_from(column * 4).unwrap_or(0),
        _ => 64,
    });
    drop(SharedArray::builder().directory(&place.arrays).create_from("image", &contents)?);
    let picture = check(&place, "image", &[])?;
    assert_eq!((picture.width, picture.height), (256, 256));
    assert_eq!(picture.points[..3], [0, 0, 64]);
    Ok(())
}

/// Every kind of number that has a picture has the same one.
#[test]
fn dtypes_are_alike() -> Outcome {
    let place = Place::new()?;
    let numbers = || (0..24_u8).map(|at| at % 2);
    let shape = [4, 6];
    let create = |name: &str, dtype: &DType, bytes: Vec<u8>| -> Outcome {
        let path = place.file(name);
        std::fs::write(&path, bytes)?;
        AnyArray::builder().directory(&place.arrays).import_raw(name, path, 0, dtype, &shape, |_, _| {})?;
        Ok(())
    };
    create("bool", &DType::BOOL, numbers().collect())?;
    create("u8", &DType::U8, numbers().collect())?;
    create("i16", &DType::parse(">i2")?, numbers().flat_map(|it| i16::from(it).to_be_bytes()).collect())?;
    create("f16", &DType::F16, numbers().flat_map(|it| f16::from(it).to_le_bytes()).collect())?;
    let complex = |it: u8| Complex64::new(0.0, -f64::from(it));
    create(
        "c16",
        &DType::C128,
        numbers().map(complex).flat_map(|it| [it.re.to_le_bytes(), it.im.to_le_bytes()].concat()).collect(),
    )?;
    let pair = DType::structured([("other", DType::U8), ("it", DType::U8)])?;
    create("pair", &pair, numbers().flat_map(|it| [9, it]).collect())?;
    let draw = |name: &str, options: &[&str]| -> Outcome<Vec<u8>> {
        let file = format!("{name}.png");
        assert!(place.run([&["show", name, "--png", &file], options].concat())?.status.success(), "{name}");
        Ok(read(&place.file(&file))?.points)
    };
    let expected = draw("u8", &[])?;
    for name in ["bool", "i16", "f16", "c16"] {
        assert!(draw(name, &[])? == expected, "{name}");
    }
    assert!(draw("pair", &["--field", "it"])? == expected);
    Ok(())
}
