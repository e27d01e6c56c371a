//! Numbers out of the bytes of any dtype: where they are, and what they say.

use crate::failure::{Failure, Outcome};
use crate::{float8, text};
use half::{bf16, f16};
use sharray::{ByteOrder, DType, DTypeKind, Field, Number, Order};

/// How many fields are named where one has to be chosen.
const FEW: usize = 16;
/// How many are looked at.
const MANY: usize = 256;

/// The numbers of an array, or of one field of it, as `f64`: complex ones by their magnitude, times by their count.
#[derive(Clone, Debug)]
pub(crate) struct Items {
    shape: Vec<usize>,
    strides: Vec<usize>,
    offset: usize,
    itemsize: usize,
    decode: Decode,
}

/// Reads one number; `true` says that its first byte is its last.
#[derive(Clone, Copy, Debug)]
struct Decode {
    number: Scalar,
    is_big: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scalar {
    Number(Number),
    /// A count of time, of which the least is no time.
    Time,
}

impl Items {
    /// The numbers of arrays of this dtype and shape; of a structured one, `field` says which: `pose.x` is a field of a
    /// field.
    pub(crate) fn new(dtype: &DType, shape: &[usize], order: Order, field: Option<&str>) -> Outcome<Self> {
        let (mut shape, mut strides) = (shape.to_vec(), strides(shape, dtype.itemsize(), order));
        let (whole, mut dtype, mut offset, mut path) = (dtype, dtype, 0, field);
        while let Some(rest) = path {
            let (found, rest) = field_of(dtype, rest)?;
            path = rest;
            offset += found.offset();
            dtype = found.dtype();
            if let DTypeKind::Subarray(parts) = dtype.kind() {
                strides.extend(self::strides(parts.shape(), parts.base().itemsize(), Order::C));
                shape.extend(parts.shape());
                dtype = parts.base();
            }
        }
        let number = match dtype.kind() {
            DTypeKind::Number(number) => Scalar::Number(*number),
            DTypeKind::Datetime64(_) | DTypeKind::Timedelta64(_) => Scalar::Time,
            DTypeKind::Struct(_) => {
                return Err(Failure::usage(format!(
                    "dtype {dtype} has fields: choose one with --field: {}",
                    choices(whole)
                )));
            }
            _ => return Err(Failure::new(format!("dtype {dtype} has no numbers; `sharray get` writes it to a file"))),
        };
        let decode = Decode { number, is_big: dtype.byte_order() == ByteOrder::Big };
        Ok(Self { shape, strides, offset, itemsize: dtype.itemsize(), decode })
    }

    /// The same of whatever has numbers: of a structured dtype it is the first field that has some, whose path comes with them.
    pub(crate) fn of_any(dtype: &DType, shape: &[usize], order: Order) -> Outcome<(Self, Option<String>)> {
        let field = paths(dtype).into_iter().find(|path| Self::new(dtype, &[], order, Some(path)).is_ok());
        Self::new(dtype, shape, order, field.as_deref()).map(|items| (items, field))
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Whether the numbers are bytes, which is what pictures are made of.
    pub(crate) fn are_bytes(&self) -> bool {
        self.decode.number == Scalar::Number(Number::U8)
    }

    /// The numbers for one index along the first axis.
    pub(crate) fn at(&self, index: usize) -> Self {
        let offset = self.offset + index * self.strides.first().copied().unwrap_or(0);
        let rest = |list: &[usize]| list.get(1..).unwrap_or_default().to_vec();
        Self { shape: rest(&self.shape), strides: rest(&self.strides), offset, ..self.clone() }
    }

    /// Every so many of the numbers along the first axes.
    pub(crate) fn every(&self, steps: &[usize]) -> Self {
        let mut thin = self.clone();
        for ((len, stride), step) in thin.shape.iter_mut().zip(&mut thin.strides).zip(steps) {
            *len = len.div_ceil(*step);
            *stride *= step;
        }
        thin
    }

    /// The number at an index, which has to be one of the array's; what is outside of `bytes` is no number.
    pub(crate) fn get(&self, bytes: &[u8], index: &[usize]) -> f64 {
        let start = self.offset + index.iter().zip(&self.strides).map(|(at, stride)| at * stride).sum::<usize>();
        bytes.get(start..start + self.itemsize).map_or(f64::NAN, |item| self.decode.read(item))
    }

    /// Calls `visit` with every number.
    pub(crate) fn each(&self, bytes: &[u8], visit: &mut impl FnMut(f64)) {
        match self.shape.split_first() {
            // However many times there would be none.
            _ if self.shape.contains(&0) => {}
            None => visit(self.get(bytes, &[])),
            Some((&len, [])) => (0..len).for_each(|at| visit(self.get(bytes, &[at]))),
            Some((&len, _)) => (0..len).for_each(|at| self.at(at).each(bytes, visit)),
        }
    }
}

/// What is known of numbers at a glance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    /// Of those that are finite.
    pub(crate) min: f64,
    pub(crate) mean: f64,
    pub(crate) max: f64,
    /// How many are no numbers.
    pub(crate) nans: usize,
    /// How many are infinite.
    pub(crate) infinities: usize,
}

impl Summary {
    pub(crate) fn of(items: &Items, bytes: &[u8]) -> Self {
        let mut summary = Self { min: f64::NAN, mean: f64::NAN, max: f64::NAN, nans: 0, infinities: 0 };
        let (mut sum, mut count) = (0.0, 0.0);
        items.each(bytes, &mut |value| {
            if value.is_finite() {
                // The other one, if this is none yet.
                summary.min = summary.min.min(value);
                summary.max = summary.max.max(value);
                sum += value;
                count += 1.0;
            } else if value.is_nan() {
                summary.nans += 1;
            } else {
                summary.infinities += 1;
            }
        });
        summary.mean = sum / count;
        summary
    }
}

impl Decode {
    fn read(self, item: &[u8]) -> f64 {
        let Scalar::Number(number) = self.number else { return time(i64::from_le_bytes(self.bytes(item))) };
        match number {
            Number::Bool | Number::U8 => u8::from_le_bytes(self.bytes(item)).into(),
            Number::I8 => i8::from_le_bytes(self.bytes(item)).into(),
            Number::I16 => i16::from_le_bytes(self.bytes(item)).into(),
            Number::I32 => i32::from_le_bytes(self.bytes(item)).into(),
            Number::I64 => rounded(i64::from_le_bytes(self.bytes(item)).into()),
            Number::U16 => u16::from_le_bytes(self.bytes(item)).into(),
            Number::U32 => u32::from_le_bytes(self.bytes(item)).into(),
            Number::U64 => rounded(u64::from_le_bytes(self.bytes(item)).into()),
            Number::F16 => f16::from_le_bytes(self.bytes(item)).into(),
            Number::BFloat16 => bf16::from_le_bytes(self.bytes(item)).into(),
            Number::F32 => f32::from_le_bytes(self.bytes(item)).into(),
            Number::F64 => f64::from_le_bytes(self.bytes(item)),
            Number::C64 => {
                let (re, im) = item.split_at(item.len() / 2);
                magnitude(f32::from_le_bytes(self.bytes(re)).into(), f32::from_le_bytes(self.bytes(im)).into())
            }
            Number::C128 => {
                let (re, im) = item.split_at(item.len() / 2);
                magnitude(f64::from_le_bytes(self.bytes(re)), f64::from_le_bytes(self.bytes(im)))
            }
            // What the library may have one day is no number yet.
            other => item.first().and_then(|byte| float8::value(other, *byte)).unwrap_or(f64::NAN),
        }
    }

    /// The bytes of one number, the least first. Zeros, if there are not so many.
    fn bytes<const N: usize>(self, item: &[u8]) -> [u8; N] {
        let mut bytes = item.try_into().unwrap_or([0; N]);
        if self.is_big {
            bytes.reverse();
        }
        bytes
    }
}

/// Of a complex number, without overflow on the way. With `hypot` it would be the one thing here for which a program that was
/// built on a newer system needs a C library as new (2.35).
fn magnitude(re: f64, im: f64) -> f64 {
    let (long, short) = if re.abs() > im.abs() { (re.abs(), im.abs()) } else { (im.abs(), re.abs()) };
    if long == 0.0 || !long.is_finite() || short.is_nan() {
        long + short
    } else {
        long * (1.0 + (short / long).powi(2)).sqrt()
    }
}

fn time(count: i64) -> f64 {
    if count == i64::MIN { f64::NAN } else { rounded(count.into()) }
}

/// Past 2^53 not every integer is an `f64`, and the nearest one is what is shown.
#[allow(clippy::cast_precision_loss, reason = "it is what this is for")]
fn rounded(value: i128) -> f64 {
    value as f64
}

/// The field that a path begins with, and what is left of the path. A name may have points in it.
fn field_of<'d, 'p>(dtype: &'d DType, path: &'p str) -> Outcome<(&'d Field, Option<&'p str>)> {
    let DTypeKind::Struct(parts) = dtype.kind() else {
        return Err(Failure::usage(format!("dtype {dtype} has no fields: leave --field away")));
    };
    let whole = parts.fields().iter().find(|field| field.name() == path).map(|field| (field, None));
    let first = || {
        let rest = |field: &Field| path.strip_prefix(field.name())?.strip_prefix('.');
        parts.fields().iter().find_map(|field| rest(field).map(|rest| (field, Some(rest))))
    };
    whole
        .or_else(first)
        .ok_or_else(|| Failure::usage(format!("dtype {dtype} has no field {path:?}: there are {}", choices(dtype))))
}

/// What can be chosen from, in a few words.
fn choices(dtype: &DType) -> String {
    let paths = paths(dtype);
    let more = if paths.len() > FEW { ", ..." } else { "" };
    format!("{}{more}", text::list(paths.iter().take(FEW)))
}

/// The paths of the fields that are not made of others; not all, if they are very many.
fn paths(dtype: &DType) -> Vec<String> {
    let DTypeKind::Struct(parts) = dtype.kind() else { return Vec::new() };
    let mut found = Vec::new();
    for field in parts.fields().iter().take(MANY) {
        let base = match field.dtype().kind() {
            DTypeKind::Subarray(parts) => parts.base(),
            _ => field.dtype(),
        };
        match base.kind() {
            DTypeKind::Struct(_) if found.len() < MANY => {
                found.extend(paths(base).iter().map(|path| format!("{}.{path}", field.name())));
            }
            _ => found.push(field.name().to_owned()),
        }
    }
    found.truncate(MANY);
    found
}

/// The distance in bytes from one item to the next along each axis.
fn strides(shape: &[usize], itemsize: usize, order: Order) -> Vec<usize> {
    let mut strides = vec![itemsize; shape.len()];
    let mut next = itemsize;
    let axes: Vec<usize> =
        if order == Order::C { (0..shape.len()).rev().collect() } else { (0..shape.len()).collect() };
    for axis in axes {
        strides[axis] = next;
        // No more than the array has bytes, or zero.
        next = next.saturating_mul(shape[axis]);
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(dtype: &str, bytes: &[u8]) -> Vec<f64> {
        let dtype = DType::parse(dtype).expect("it is a dtype");
        let items = Items::new(&dtype, &[bytes.len() / dtype.itemsize()], Order::C, None).expect("it has numbers");
        let mut found = Vec::new();
        items.each(bytes, &mut |value| found.push(value));
        found
    }

    /// Every dtype that has numbers says the ones that NumPy would say, in either byte order.
    #[test]
    fn every_number_is_read() {
        assert_eq!(numbers("?", &[0, 1]), [0.0, 1.0]);
        assert_eq!(numbers("i1", &[255, 128]), [-1.0, -128.0]);
        assert_eq!(numbers("<i2", &[1, 2]), [513.0]);
        assert_eq!(numbers(">i2", &[1, 2]), [258.0]);
        assert_eq!(numbers("u8", &u64::MAX.to_le_bytes()), [18_446_744_073_709_551_615.0]);
        assert_eq!(numbers("f2", &f16::from_f64(1.5).to_le_bytes()), [1.5]);
        assert_eq!(numbers("bfloat16", &bf16::from_f64(-2.5).to_le_bytes()), [-2.5]);
        assert_eq!(numbers(">f4", &1.25_f32.to_be_bytes()), [1.25]);
        assert_eq!(numbers("<c8", &[3.0_f32.to_le_bytes(), 4.0_f32.to_le_bytes()].concat()), [5.0]);
        assert_eq!(numbers(">c16", &[6.0_f64.to_be_bytes(), 8.0_f64.to_be_bytes()].concat()), [10.0]);
        for (re, im, size) in [(0.0, 0.0, 0.0), (-1e300, 0.0, 1e300), (f64::NEG_INFINITY, 1.0, f64::INFINITY)] {
            assert_eq!(magnitude(re, im).to_bits(), f64::to_bits(size));
        }
        assert!(magnitude(f64::NAN, 1.0).is_nan() && magnitude(1e308, 1e308).is_finite());
        assert_eq!(numbers("M8[s]", &7_i64.to_le_bytes()), [7.0]);
        assert!(numbers("m8[s]", &i64::MIN.to_le_bytes())[0].is_nan());
    }

    /// A field of a field, a sub-array among them, in an array that stands in Fortran order.
    #[test]
    fn fields_are_found() {
        let point = DType::structured([("x", DType::U8), ("y", DType::subarray(DType::U8, &[2]).expect("it fits"))]);
        let dtype = DType::structured([("id", DType::U16), ("at", point.expect("it is one"))]).expect("it is one");
        let items = Items::new(&dtype, &[2, 3], Order::Fortran, Some("at.y")).expect("there is such a field");
        assert_eq!(items.shape(), [2, 3, 2]);
        let bytes: Vec<u8> = (0..30).collect();
        assert_eq!(items.get(&bytes, &[1, 2, 1]).to_bits(), 29.0_f64.to_bits());
        assert_eq!(items.get(&bytes, &[1, 0, 0]).to_bits(), 8.0_f64.to_bits());
        assert!(Items::new(&dtype, &[1], Order::C, None).is_err());
        assert!(Items::new(&dtype, &[1], Order::C, Some("id.x")).is_err());
        assert_eq!(paths(&dtype), ["id", "at.x", "at.y"]);
    }

    /// Where nobody has chosen, it is the first field with numbers; and a name is found that has points in it.
    #[test]
    fn some_field_is_found() {
        let inner = DType::structured([("p.q", DType::U8), ("p", DType::U8)]).expect("it is one");
        let text = DType::parse("S3").expect("it is one");
        let dtype = DType::structured([("text", text.clone()), ("in", inner)]).expect("it is one");
        let (_, field) = Items::of_any(&dtype, &[2], Order::C).expect("there is one");
        assert_eq!(field.as_deref(), Some("in.p.q"));
        assert!(Items::new(&dtype, &[1], Order::C, Some("in.p")).is_ok());
        assert!(Items::of_any(&text, &[2], Order::C).is_err());
        let (_, none) = Items::of_any(&DType::U8, &[2], Order::C).expect("it has numbers");
        assert_eq!(none, None);
    }

    #[test]
    fn a_summary_is_of_what_is_finite() {
        let bytes = [1.0, f64::NAN, f64::INFINITY, -3.0].map(f64::to_le_bytes).concat();
        let items = Items::new(&DType::F64, &[4], Order::C, None).expect("it has numbers");
        let expected = Summary { min: -3.0, mean: -1.0, max: 1.0, nans: 1, infinities: 1 };
        assert_eq!(Summary::of(&items, &bytes), expected);
    }
}
