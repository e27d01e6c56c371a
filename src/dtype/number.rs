//! The kinds of items that have no parts: numbers, and units of time. Tables of NumPy's names for them.

use std::fmt;
use std::num::NonZeroU32;

/// A boolean or a number, of either byte order.
///
/// # Examples
/// ```
/// use sharray::{DType, Number};
///
/// assert_eq!((Number::F16.name(), Number::F16.itemsize()), ("float16", 2));
/// assert_eq!(DType::number(Number::Float8E4M3Fn).to_string(), "float8_e4m3fn");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Number {
    /// One byte, zero or one.
    Bool,
    /// Signed, 8 bits.
    I8,
    /// Signed, 16 bits.
    I16,
    /// Signed, 32 bits.
    I32,
    /// Signed, 64 bits.
    I64,
    /// Unsigned, 8 bits.
    U8,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 32 bits.
    U32,
    /// Unsigned, 64 bits.
    U64,
    /// IEEE 754 half precision.
    F16,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 double precision.
    F64,
    /// Two `F32`: real and imaginary part.
    C64,
    /// Two `F64`: real and imaginary part.
    C128,
    /// The upper half of an `F32`; `ml_dtypes` names it, and those below.
    BFloat16,
    /// 4 bits of exponent, 3 of mantissa, finite.
    Float8E4M3Fn,
    /// 5 bits of exponent, 2 of mantissa.
    Float8E5M2,
    /// 4 bits of exponent, 3 of mantissa, finite, one zero.
    Float8E4M3Fnuz,
    /// 5 bits of exponent, 2 of mantissa, finite, one zero.
    Float8E5M2Fnuz,
    /// 4 bits of exponent with a bias of 11, 3 of mantissa, finite, one zero.
    Float8E4M3B11Fnuz,
    /// 3 bits of exponent, 4 of mantissa.
    Float8E3M4,
    /// 4 bits of exponent, 3 of mantissa.
    Float8E4M3,
    /// A power of two: 8 bits of exponent, no sign.
    Float8E8M0Fnu,
}

impl Number {
    pub(super) const ALL: [Self; 23] = [
        Self::Bool,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::F16,
        Self::F32,
        Self::F64,
        Self::C64,
        Self::C128,
        Self::BFloat16,
        Self::Float8E4M3Fn,
        Self::Float8E5M2,
        Self::Float8E4M3Fnuz,
        Self::Float8E5M2Fnuz,
        Self::Float8E4M3B11Fnuz,
        Self::Float8E3M4,
        Self::Float8E4M3,
        Self::Float8E8M0Fnu,
    ];

    /// The bytes of one, its code in .npy files and its name: those of NumPy, or of `ml_dtypes`.
    const fn row(self) -> (usize, &'static str, &'static str) {
        match self {
            Self::Bool => (1, "b1", "bool"),
            Self::I8 => (1, "i1", "int8"),
            Self::I16 => (2, "i2", "int16"),
            Self::I32 => (4, "i4", "int32"),
            Self::I64 => (8, "i8", "int64"),
            Self::U8 => (1, "u1", "uint8"),
            Self::U16 => (2, "u2", "uint16"),
            Self::U32 => (4, "u4", "uint32"),
            Self::U64 => (8, "u8", "uint64"),
            Self::F16 => (2, "f2", "float16"),
            Self::F32 => (4, "f4", "float32"),
            Self::F64 => (8, "f8", "float64"),
            Self::C64 => (8, "c8", "complex64"),
            Self::C128 => (16, "c16", "complex128"),
            Self::BFloat16 => (2, "V2", "bfloat16"),
            Self::Float8E4M3Fn => (1, "V1", "float8_e4m3fn"),
            // np.save writes `<f1` for this one, which np.load refuses.
            Self::Float8E5M2 => (1, "V1", "float8_e5m2"),
            Self::Float8E4M3Fnuz => (1, "V1", "float8_e4m3fnuz"),
            Self::Float8E5M2Fnuz => (1, "V1", "float8_e5m2fnuz"),
            Self::Float8E4M3B11Fnuz => (1, "V1", "float8_e4m3b11fnuz"),
            Self::Float8E3M4 => (1, "V1", "float8_e3m4"),
            Self::Float8E4M3 => (1, "V1", "float8_e4m3"),
            Self::Float8E8M0Fnu => (1, "V1", "float8_e8m0fnu"),
        }
    }

    /// The bytes of one.
    pub const fn itemsize(self) -> usize {
        self.row().0
    }

    /// NumPy's name, such as `float64`; for the kinds of `ml_dtypes`, the name there.
    pub const fn name(self) -> &'static str {
        self.row().2
    }

    pub(super) const fn code(self) -> &'static str {
        self.row().1
    }

    /// Whether NumPy alone does not know this kind, so that a .npy file holds it as opaque bytes.
    pub(super) fn is_foreign(self) -> bool {
        self.code().starts_with('V')
    }

    /// Looks up a code without its byte order: `f8`, `?`, or the one letter of C's types as NumPy names them.
    pub(super) fn from_code(code: &str) -> Option<Self> {
        let by_letter = match code {
            "?" => Self::Bool,
            "b" => Self::I8,
            "h" => Self::I16,
            "i" => Self::I32,
            "l" | "q" | "p" => Self::I64,
            "B" => Self::U8,
            "H" => Self::U16,
            "I" => Self::U32,
            "L" | "Q" | "P" => Self::U64,
            "e" => Self::F16,
            "f" => Self::F32,
            "d" => Self::F64,
            "F" => Self::C64,
            "D" => Self::C128,
            _ => return Self::ALL.into_iter().find(|number| number.code() == code && !number.is_foreign()),
        };
        Some(by_letter)
    }

    /// Looks up a name: `float64`, `bfloat16`, or one of Python's and C's that NumPy takes.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let by_alias = match name {
            "int" | "intp" => Self::I64,
            "uintp" => Self::U64,
            "half" => Self::F16,
            "single" => Self::F32,
            "float" | "double" => Self::F64,
            "complex" => Self::C128,
            _ => return Self::ALL.into_iter().find(|number| number.name() == name),
        };
        Some(by_alias)
    }
}

/// What a `datetime64` or `timedelta64` counts: `25s`, `ns`, or nothing in particular.
///
/// # Examples
/// ```
/// use sharray::{DType, TimeUnit};
///
/// let unit = TimeUnit::new(25, "s").expect("s is a unit");
/// assert_eq!((unit.count(), unit.symbol(), unit.to_string().as_str()), (Some(25), Some("s"), "[25s]"));
/// assert_eq!(DType::datetime64(unit), DType::parse("M8[25s]")?);
/// assert_eq!(TimeUnit::GENERIC.count(), None);
/// # Ok::<(), sharray::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeUnit(Option<(NonZeroU32, &'static str)>);

impl TimeUnit {
    /// No unit: numbers that only other times give a meaning to.
    pub const GENERIC: Self = Self(None);
    /// Seconds.
    pub const SECONDS: Self = Self(Some((NonZeroU32::MIN, "s")));
    /// Nanoseconds.
    pub const NANOSECONDS: Self = Self(Some((NonZeroU32::MIN, "ns")));

    const SYMBOLS: [&str; 13] = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"];

    /// Returns the unit of `count` times what the symbol says: `Y`, `M`, `W`, `D`, `h`, `m`, `s`, `ms`, `us`, `ns`, `ps`,
    /// `fs` or `as`. `None` for another symbol, and for a count of zero or past `i32::MAX`.
    pub fn new(count: u32, symbol: &str) -> Option<Self> {
        let symbol = Self::SYMBOLS.into_iter().find(|&known| known == symbol)?;
        let count = NonZeroU32::new(count).filter(|_| i32::try_from(count).is_ok())?;
        Some(Self(Some((count, symbol))))
    }

    /// Reads what stands between the brackets of `M8[25s]`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (count, symbol) = text.split_at(digits);
        match (count, symbol) {
            ("", "generic") => Some(Self::GENERIC),
            ("", symbol) => Self::new(1, symbol),
            (count, symbol) => Self::new(count.parse().ok()?, symbol),
        }
    }

    /// How many of its symbol the unit is: 25 in `25s`. `None` for a generic unit.
    pub fn count(&self) -> Option<u32> {
        self.0.map(|(count, _)| count.get())
    }

    /// The unit's symbol: `s` in `25s`. `None` for a generic unit.
    pub fn symbol(&self) -> Option<&'static str> {
        self.0.map(|(_, symbol)| symbol)
    }
}

impl fmt::Display for TimeUnit {
    /// Writes the unit in brackets, as it follows `M8`; a generic unit is nothing at all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some((NonZeroU32::MIN, symbol)) => write!(f, "[{symbol}]"),
            Some((count, symbol)) => write!(f, "[{count}{symbol}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_found_by_its_code_and_its_name() {
        for number in Number::ALL {
            assert_eq!(Number::from_name(number.name()), Some(number));
            assert_eq!(Number::from_code(number.code()), (!number.is_foreign()).then_some(number));
        }
        assert_eq!(Number::from_code("f16"), None);
    }

    #[test]
    fn units_are_a_count_and_a_symbol() {
        for (text, written) in [("ns", "[ns]"), ("25s", "[25s]"), ("1D", "[D]"), ("2147483647as", "[2147483647as]")] {
            assert_eq!(TimeUnit::parse(text).map(|unit| unit.to_string()).as_deref(), Some(written));
        }
        assert_eq!(TimeUnit::parse("generic"), Some(TimeUnit::GENERIC));
        for text in ["", "0ns", "2147483648s", "99999999999s", "s2", "parsec", "25", "25generic", "h/60", " s"] {
            assert_eq!(TimeUnit::parse(text), None, "{text}");
        }
    }
}
