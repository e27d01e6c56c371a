//! The floats of one byte that the Python package `ml_dtypes` has.

use sharray::Number;

/// What stands in the place of the greatest numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Specials {
    /// As in IEEE 754: with the greatest exponent, infinities and NaNs.
    Ieee,
    /// One NaN, of which all bits are set.
    Finite,
    /// One NaN, where the negative zero would be.
    OneZero,
}

/// The number that a byte stands for; `None`, if numbers of this kind are not floats of one byte.
pub(crate) fn value(number: Number, byte: u8) -> Option<f64> {
    let (mantissa, bias, specials) = match number {
        Number::Float8E4M3Fn => (3, 7, Specials::Finite),
        Number::Float8E5M2 => (2, 15, Specials::Ieee),
        Number::Float8E4M3Fnuz => (3, 8, Specials::OneZero),
        Number::Float8E5M2Fnuz => (2, 16, Specials::OneZero),
        Number::Float8E4M3B11Fnuz => (3, 11, Specials::OneZero),
        Number::Float8E3M4 => (4, 3, Specials::Ieee),
        Number::Float8E4M3 => (3, 7, Specials::Ieee),
        Number::Float8E8M0Fnu => return Some(if byte == 0xff { f64::NAN } else { two_to(i32::from(byte) - 127) }),
        _ => return None,
    };
    let (sign, bits) = (if byte & 0x80 == 0 { 1.0 } else { -1.0 }, byte & 0x7f);
    let size = match specials {
        Specials::Finite if bits == 0x7f => f64::NAN,
        Specials::OneZero if byte == 0x80 => f64::NAN,
        Specials::Ieee if bits >> mantissa == 0x7f >> mantissa => infinite(bits, mantissa),
        _ => finite(bits, mantissa, bias),
    };
    Some(sign * size)
}

fn finite(bits: u8, mantissa: u8, bias: i32) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> mantissa), f64::from(bits & ((1 << mantissa) - 1)));
    let steps = two_to(i32::from(mantissa));
    // The least exponent has no hidden bit.
    let hidden = if exponent == 0 { 0.0 } else { steps };
    (hidden + fraction) / steps * two_to(exponent.max(1) - bias)
}

fn infinite(bits: u8, mantissa: u8) -> f64 {
    if bits & ((1 << mantissa) - 1) == 0 { f64::INFINITY } else { f64::NAN }
}

/// Exact: these powers are far from the ends of `f64`.
fn two_to(exponent: i32) -> f64 {
    2.0_f64.powi(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The greatest number of each kind, the least above zero, and what its last byte is, as the kind's authors say them. A test in
    /// Python compares all bytes with what `ml_dtypes` says.
    #[test]
    fn each_kind_has_its_ends() {
        for (number, greatest, least) in [
            (Number::Float8E4M3Fn, (0x7e, 448.0), 2.0_f64.powi(-9)),
            (Number::Float8E5M2, (0x7b, 57344.0), 2.0_f64.powi(-16)),
            (Number::Float8E4M3Fnuz, (0x7f, 240.0), 2.0_f64.powi(-10)),
            (Number::Float8E5M2Fnuz, (0x7f, 57344.0), 2.0_f64.powi(-17)),
            (Number::Float8E4M3B11Fnuz, (0x7f, 30.0), 2.0_f64.powi(-13)),
            (Number::Float8E3M4, (0x6f, 15.5), 2.0_f64.powi(-6)),
            (Number::Float8E4M3, (0x77, 240.0), 2.0_f64.powi(-9)),
        ] {
            assert_eq!(value(number, greatest.0), Some(greatest.1), "{number:?}");
            assert_eq!(value(number, greatest.0 | 0x80), Some(-greatest.1), "{number:?}");
            assert_eq!(value(number, 1), Some(least), "{number:?}");
            assert_eq!(value(number, 0), Some(0.0), "{number:?}");
            assert!(value(number, 0xff).is_some_and(|last| !last.is_finite() || last <= -greatest.1), "{number:?}");
        }
        assert_eq!(value(Number::Float8E8M0Fnu, 128), Some(2.0));
        assert_eq!(value(Number::Float8E5M2, 0xfc), Some(f64::NEG_INFINITY));
        assert_eq!(value(Number::U8, 1), None);
    }
}
