//! Sums, least and greatest of numbers, as NumPy has them: item by item, the same bits wherever they are computed.

use crate::dtype::{DType, Kind, Number};
use crate::error::{Error, Result};
use bytemuck::{AnyBitPattern, NoUninit};
use half::{bf16, f16};
use num_complex::Complex;
use std::fmt;

/// How the items of all ranks become one.
///
/// # Examples
/// ```
/// use sharray::{DType, Reduction, Team};
/// use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let patience = Duration::from_secs(5);
/// let rank = |rank: u32| -> sharray::Result<_> {
///     let team = Team::builder().directory(&place).join("sim", rank, 2)?;
///     let mut bytes = [rank as u8 + 1, 10];
///     team.reduce_bytes(Reduction::Sum, &DType::U8, &[2], &mut bytes, patience)?;
///     Ok(bytes)
/// };
/// std::thread::scope(|scope| {
///     let other = scope.spawn(|| rank(1));
///     assert_eq!((rank(0)?, other.join().unwrap()?), ([3, 20], [3, 20]));
///     Ok::<(), sharray::Error>(())
/// })?;
/// assert_eq!(Reduction::Max.to_string(), "max");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reduction {
    /// Their sum, as `numpy.add`: integers wrap around.
    Sum,
    /// The least, as `numpy.minimum`: NaN, if one is.
    Min,
    /// The greatest, as `numpy.maximum`: NaN, if one is.
    Max,
}

impl fmt::Display for Reduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
        })
    }
}

/// Puts another rank's items into those of the ranks before it, as bytes of one dtype.
pub(super) type Fold = Box<dyn Fn(&mut [u8], &[u8])>;

/// An item that can be reduced.
trait Item: AnyBitPattern + NoUninit {
    fn sum(self, other: Self) -> Self;
    fn min(self, other: Self) -> Self;
    fn max(self, other: Self) -> Self;
}

macro_rules! integers {
    ($($int:ty),*) => {$(
        impl Item for $int {
            fn sum(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            fn min(self, other: Self) -> Self {
                Ord::min(self, other)
            }
            fn max(self, other: Self) -> Self {
                Ord::max(self, other)
            }
        }
    )*};
}
integers!(i8, i16, i32, i64, u8, u16, u32, u64);

macro_rules! floats {
    ($($float:ty),*) => {$(
        impl Item for $float {
            fn sum(self, other: Self) -> Self {
                self + other
            }
            // Not the methods of the same name: those pass over NaN.
            fn min(self, other: Self) -> Self {
                if self < other || self.is_nan() { self } else { other }
            }
            fn max(self, other: Self) -> Self {
                if self > other || self.is_nan() { self } else { other }
            }
        }
    )*};
}
floats!(f16, bf16, f32, f64);

/// The fold of this reduction for this dtype.
///
/// # Errors
/// [`Error::UnsupportedDtype`] for what are no numbers of this machine, and for what NumPy has no order of.
pub(super) fn fold_of(reduction: Reduction, dtype: &DType) -> Result<Fold> {
    let unsupported = |reason: &str| Error::UnsupportedDtype { dtype: dtype.to_string(), reason: reason.to_owned() };
    let Kind::Number(number) = dtype.kind() else {
        return Err(unsupported("it has no sum, least or greatest: expected a number"));
    };
    if !dtype.is_native() {
        return Err(unsupported("its bytes are not in the order of this machine"));
    }
    Ok(match number {
        // Zero or one: the sum is whether any is.
        Number::Bool if reduction == Reduction::Sum => fold::<u8>(Reduction::Max),
        Number::I8 => fold::<i8>(reduction),
        Number::I16 => fold::<i16>(reduction),
        Number::I32 => fold::<i32>(reduction),
        Number::I64 => fold::<i64>(reduction),
        Number::Bool | Number::U8 => fold::<u8>(reduction),
        Number::U16 => fold::<u16>(reduction),
        Number::U32 => fold::<u32>(reduction),
        Number::U64 => fold::<u64>(reduction),
        Number::F16 => fold::<f16>(reduction),
        Number::F32 => fold::<f32>(reduction),
        Number::F64 => fold::<f64>(reduction),
        Number::BFloat16 => fold::<bf16>(reduction),
        Number::C64 if reduction == Reduction::Sum => each(|one: Complex<f32>, other| one + other),
        Number::C128 if reduction == Reduction::Sum => each(|one: Complex<f64>, other| one + other),
        Number::C64 | Number::C128 => return Err(unsupported("complex numbers have no order")),
        _ => return Err(unsupported("this library does not compute with it")),
    })
}

fn fold<T: Item>(reduction: Reduction) -> Fold {
    match reduction {
        Reduction::Sum => each(T::sum),
        Reduction::Min => each(T::min),
        Reduction::Max => each(T::max),
    }
}

/// Computes item by item. The bytes may stand anywhere.
fn each<T: AnyBitPattern + NoUninit>(compute: impl Fn(T, T) -> T + 'static) -> Fold {
    Box::new(move |so_far, others| {
        for (one, other) in so_far.chunks_exact_mut(size_of::<T>()).zip(others.chunks_exact(size_of::<T>())) {
            let item = compute(bytemuck::pod_read_unaligned(one), bytemuck::pod_read_unaligned(other));
            one.copy_from_slice(bytemuck::bytes_of(&item));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::Element;

    fn reduced<T: Element>(reduction: Reduction, one: T, other: T) -> T {
        let mut bytes = bytemuck::bytes_of(&one).to_vec();
        fold_of(reduction, &T::dtype()).expect("it is a number")(&mut bytes, bytemuck::bytes_of(&other));
        bytemuck::pod_read_unaligned(&bytes)
    }

    #[test]
    fn integers_wrap_around() {
        assert_eq!(reduced(Reduction::Sum, i8::MAX, 1), i8::MIN);
        assert_eq!(reduced(Reduction::Sum, u64::MAX, 2), 1);
        assert_eq!(reduced(Reduction::Min, -3_i32, 2), -3);
        assert_eq!(reduced(Reduction::Max, 3_u16, 2), 3);
    }

    /// Whichever of the two is NaN. `f64::min` would answer the number.
    #[test]
    fn nan_spreads() {
        for (one, other) in [(f64::NAN, 1.0), (1.0, f64::NAN)] {
            for reduction in [Reduction::Sum, Reduction::Min, Reduction::Max] {
                assert!(reduced(reduction, one, other).is_nan(), "{reduction} of {one} and {other}");
                assert!(reduced(reduction, f16::from_f64(one), f16::from_f64(other)).is_nan());
            }
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for dtype in ["datetime64[s]", "S3", ">f8", "float8_e5m2"] {
            let dtype = DType::parse(dtype).expect("it is a dtype");
            assert!(matches!(fold_of(Reduction::Sum, &dtype), Err(Error::UnsupportedDtype { .. })), "{dtype}");
        }
        assert!(fold_of(Reduction::Sum, &DType::C64).is_ok() && fold_of(Reduction::Max, &DType::C64).is_err());
        assert_eq!(reduced(Reduction::Sum, crate::Bool::from(true), crate::Bool::from(true)), crate::Bool::from(true));
    }
}
