//! Which Rust types are items of shared arrays.
#![expect(unsafe_code, reason = "the traits promise things about bytes that the compiler cannot check")]

use crate::dtype::DType;
use bytemuck::{Pod, Zeroable};
use half::{bf16, f16};
use num_complex::Complex;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A Rust type whose values are the items of a dtype.
///
/// Integers and floats, [`half::f16`] and [`half::bf16`], complex numbers, and [`Bool`] in the place of `bool`. Structs are
/// elements by `#[derive(Element)]`: NumPy's structured dtypes. Arrays `[T; N]` are elements so that structs can have them as
/// fields; their dtype is a sub-array, which no array can have as its own, so creating an array of `[f32; 3]` is an
/// error: give the array one more dimension.
///
/// # Safety
/// [`dtype`](Self::dtype) is native and describes the bytes of every value, no more and no less:
/// `dtype().itemsize() == size_of::<Self>()`, and a field of the dtype stands where the field of the struct does. Bytes
/// that NumPy would write for any item of that dtype are a valid value, as are all others ([`Pod`]).
///
/// # Examples
/// ```
/// use sharray::{DType, Element};
///
/// #[derive(Clone, Copy, Element)]
/// #[repr(C)]
/// struct Sample {
///     time: f64,
///     position: [f32; 3],
///     channel: u32,
/// }
///
/// assert_eq!(Sample::dtype().descr(), "[('time', '<f8'), ('position', '<f4', (3,)), ('channel', '<u4')]");
/// assert_eq!(u16::dtype(), DType::U16);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an item of a shared array",
    note = "items are integers, floats, `f16`, `bf16`, `Complex`, `sharray::Bool` for `bool`, and arrays of them",
    note = "for a struct, add `#[derive(Clone, Copy, Element)]` and `#[repr(C)]`"
)]
pub unsafe trait Element: Pod + Send + Sync {
    /// The dtype of which this type's values are the items.
    fn dtype() -> DType;
}

macro_rules! elements {
    ($($element:ty => $dtype:ident),* $(,)?) => {$(
        // SAFETY: a type of this name is the same number in Rust and in NumPy: same size, and any bytes are a value.
        unsafe impl Element for $element {
            fn dtype() -> DType {
                DType::$dtype
            }
        }
    )*};
}

elements! {
    i8 => I8, i16 => I16, i32 => I32, i64 => I64, isize => I64,
    u8 => U8, u16 => U16, u32 => U32, u64 => U64, usize => U64,
    f16 => F16, bf16 => BFLOAT16, f32 => F32, f64 => F64,
    Complex<f32> => C64, Complex<f64> => C128,
    Bool => BOOL,
}

// SAFETY: an array is its items one after another, as a sub-array is.
unsafe impl<T: Element, const N: usize> Element for [T; N] {
    fn dtype() -> DType {
        DType::of_rust_array(T::dtype(), N, size_of::<Self>())
    }
}

/// A `bool` that may be shared.
///
/// A byte that is neither zero nor one is no `bool` in Rust, and another process can write one. This one is any byte, and
/// true unless it is zero, as in NumPy.
///
/// # Examples
/// ```
/// use sharray::Bool;
///
/// let seen: Bool = bytemuck::cast(2_u8);
/// assert!(seen.get());
/// assert_eq!(seen, Bool::from(true));
/// ```
#[derive(Clone, Copy, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Bool(u8);

impl Bool {
    /// Whether it is true.
    pub const fn get(self) -> bool {
        self.0 != 0
    }
}

impl From<bool> for Bool {
    fn from(value: bool) -> Self {
        Self(value.into())
    }
}

impl From<Bool> for bool {
    fn from(value: Bool) -> Self {
        value.get()
    }
}

impl PartialEq for Bool {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Bool {}

impl PartialEq<bool> for Bool {
    fn eq(&self, other: &bool) -> bool {
        self.get() == *other
    }
}

impl Hash for Bool {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.get().hash(state);
    }
}

impl fmt::Debug for Bool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl fmt::Display for Bool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits<T: Element>(descr: &str) {
        assert_eq!(T::dtype().descr(), descr);
        assert_eq!(T::dtype().itemsize(), size_of::<T>(), "{descr}");
        assert!(T::dtype().is_native());
        assert!(T::dtype().check().is_ok());
    }

    #[test]
    fn elements_have_the_size_of_their_dtype() {
        fits::<i8>("'|i1'");
        fits::<i16>("'<i2'");
        fits::<i32>("'<i4'");
        fits::<i64>("'<i8'");
        fits::<isize>("'<i8'");
        fits::<u8>("'|u1'");
        fits::<u16>("'<u2'");
        fits::<u32>("'<u4'");
        fits::<u64>("'<u8'");
        fits::<usize>("'<u8'");
        fits::<f16>("'<f2'");
        fits::<bf16>("'<V2'");
        fits::<f32>("'<f4'");
        fits::<f64>("'<f8'");
        fits::<Complex<f32>>("'<c8'");
        fits::<Complex<f64>>("'<c16'");
        fits::<Bool>("'|b1'");
    }

    #[test]
    fn arrays_are_sub_arrays_of_all_their_dimensions() {
        fits::<[f32; 3]>("('<f4', (3,))");
        fits::<[[u8; 2]; 3]>("('|u1', (3, 2))");
        fits::<[u64; 0]>("('<u8', (0,))");
        assert!(<[f32; 3]>::dtype().is_subarray());
        assert!(!f32::dtype().is_subarray());
    }

    #[test]
    fn limits_that_rust_types_exceed_are_found_by_the_check() {
        assert!(<[u8; 1 << 31]>::dtype().check().is_err());
        assert!(<[[u8; 1 << 20]; 1 << 20]>::dtype().check().is_err());
    }

    #[test]
    fn every_nonzero_byte_is_true() {
        for byte in 0..=u8::MAX {
            let value: Bool = bytemuck::cast(byte);
            assert_eq!(value.get(), byte != 0);
            assert_eq!(value, Bool::from(byte != 0));
            assert_eq!(value, byte != 0);
        }
        assert_eq!(format!("{:?} {}", Bool::from(true), Bool::default()), "true false");
    }
}
