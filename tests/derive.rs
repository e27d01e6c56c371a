//! Structs as elements: what `derive(Element)` makes of them. It writes unsafe code that lints of the user do not see.
#![forbid(unsafe_code)]
#![deny(warnings, clippy::pedantic)]

use half::bf16;
use num_complex::Complex;
use sharray::{Bool, DType, Element, Error};

#[derive(Clone, Copy, Debug, PartialEq, Element)]
#[repr(C)]
struct Point {
    x: f32,
    y: f32,
}

#[derive(Clone, Copy, Element)]
#[repr(C)]
struct Everything {
    r#type: u64,
    path: [Point; 4],
    spectrum: [[Complex<f32>; 2]; 3],
    weight: bf16,
    valid: Bool,
    _padding: [u8; 5],
}

#[derive(Clone, Copy, Element)]
#[repr(C, packed)]
struct Packed {
    flag: u8,
    value: f64,
}

#[derive(Clone, Copy, Element)]
#[repr(C, align(16))]
struct Aligned {
    values: [f64; 2],
}

fn descr<T: Element>() -> Result<String, Error> {
    let dtype = T::dtype();
    assert_eq!(dtype.itemsize(), size_of::<T>());
    assert!(dtype.is_native());
    // What a header says is read back as the same dtype, small floats with the attribute.
    let seen = DType::parse(&dtype.descr())?;
    match dtype.npy_attribute() {
        Some(attribute) => assert_eq!(seen.with_npy_attribute(&attribute)?, dtype),
        None => assert_eq!(seen, dtype),
    }
    Ok(dtype.descr())
}

#[test]
fn structs_are_structured_dtypes() -> Result<(), Error> {
    assert_eq!(descr::<Point>()?, "[('x', '<f4'), ('y', '<f4')]");
    assert_eq!(descr::<Packed>()?, "[('flag', '|u1'), ('value', '<f8')]");
    assert_eq!(descr::<Aligned>()?, "[('values', '<f8', (2,))]");
    assert_eq!(
        descr::<Everything>()?,
        "[('type', '<u8'), ('path', [('x', '<f4'), ('y', '<f4')], (4,)), ('spectrum', '<c8', (3, 2)), \
         ('weight', '<V2'), ('valid', '|b1'), ('_padding', '|u1', (5,))]"
    );
    Ok(())
}

#[test]
fn structs_are_plain_data() {
    let bytes = [0, 0, 128, 63, 0, 0, 0, 64];
    let point: Point = bytemuck::pod_read_unaligned(&bytes);
    assert_eq!(point, Point { x: 1.0, y: 2.0 });
    assert_eq!(bytemuck::bytes_of(&point), bytes);
}
