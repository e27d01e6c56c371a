//! What an array's items are, at run time: NumPy's dtypes.

mod descr;
pub(crate) mod literal;
mod number;
mod structured;

pub(crate) use descr::tuple;
pub use number::{Number, TimeUnit};
pub use structured::{Field, Struct, Subarray};

use crate::error::{Error, Result};
use crate::shape::{MAX_NDIM, checked_size_bytes};
use std::collections::HashSet;
use std::fmt;

/// The most bytes of one item: NumPy counts them in a C int, and fails past it in ways that are not always errors.
pub(crate) const MAX_ITEMSIZE: usize = i32::MAX as usize;
/// The most fields of one structured dtype.
pub(crate) const MAX_FIELDS: usize = 1024;
/// How deep structured dtypes may be nested.
const MAX_DEPTH: usize = 16;

/// What an array's items are: NumPy's dtype, at run time.
///
/// All of NumPy's kinds of a fixed width are here, in either byte order, structured dtypes and sub-arrays among them, and the
/// small floats of the Python package `ml_dtypes`. Whatever can be written into a .npy file and read back is a `DType`, and
/// nothing else is: objects, `StringDType`, items of no width, overlapping fields are refused where one is made.
///
/// An array's own dtype is never a sub-array, as in NumPy: those are the dtypes of fields.
///
/// # Examples
/// ```
/// use sharray::DType;
///
/// let point = DType::structured([("x", DType::F32), ("y", DType::F32)])?;
/// assert_eq!(point.to_string(), "{x: float32, y: float32}");
/// assert_eq!(point.descr(), "[('x', '<f4'), ('y', '<f4')]");
/// assert_eq!(DType::parse(&point.descr())?, point);
/// assert_eq!(DType::parse("f8")?, DType::F64);
/// # Ok::<(), sharray::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DType {
    kind: Kind,
    /// Little where order has no meaning, so that equal dtypes compare as such.
    order: ByteOrder,
}

/// What kind of dtype it is, and its parts.
///
/// # Examples
/// ```
/// use sharray::{DType, DTypeKind, Number};
///
/// fn describe(dtype: &DType) -> String {
///     match dtype.kind() {
///         DTypeKind::Number(number) => format!("a number of {} bytes", number.itemsize()),
///         DTypeKind::Struct(parts) => format!("{} fields", parts.fields().len()),
///         DTypeKind::Bytes(width) => format!("{width} bytes of text"),
///         other => format!("{other:?}"),
///     }
/// }
/// assert_eq!(describe(&DType::number(Number::F32)), "a number of 4 bytes");
/// assert_eq!(describe(&DType::bytes(3)?), "3 bytes of text");
/// # Ok::<(), sharray::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A boolean or a number.
    Number(Number),
    /// A point in time: 64 bits that count the unit since 1970.
    Datetime64(TimeUnit),
    /// A span of time: 64 bits that count the unit.
    Timedelta64(TimeUnit),
    /// A byte string of so many bytes, padded with zeros: NumPy's `S`.
    Bytes(usize),
    /// A text of so many characters of four bytes each, padded with zeros: NumPy's `U`.
    Str(usize),
    /// So many bytes that mean nothing here: NumPy's `V`.
    Void(usize),
    /// Named fields.
    Struct(Struct),
    /// A small array in the place of one item of a field.
    Subarray(Subarray),
}

/// Which byte of a number comes first.
///
/// # Examples
/// ```
/// use sharray::{ByteOrder, DType};
///
/// let big = DType::parse(">f8")?;
/// assert_eq!((big.byte_order(), big.is_native()), (ByteOrder::Big, false));
/// assert_eq!((DType::F64.byte_order(), DType::F64.is_native()), (ByteOrder::Little, true));
/// # Ok::<(), sharray::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// The least: this library's machines.
    Little,
    /// The greatest.
    Big,
}

#[expect(missing_docs, reason = "each constant is the number of the same name")]
impl DType {
    pub const BOOL: Self = Self::number(Number::Bool);
    pub const I8: Self = Self::number(Number::I8);
    pub const I16: Self = Self::number(Number::I16);
    pub const I32: Self = Self::number(Number::I32);
    pub const I64: Self = Self::number(Number::I64);
    pub const U8: Self = Self::number(Number::U8);
    pub const U16: Self = Self::number(Number::U16);
    pub const U32: Self = Self::number(Number::U32);
    pub const U64: Self = Self::number(Number::U64);
    pub const F16: Self = Self::number(Number::F16);
    pub const F32: Self = Self::number(Number::F32);
    pub const F64: Self = Self::number(Number::F64);
    pub const C64: Self = Self::number(Number::C64);
    pub const C128: Self = Self::number(Number::C128);
    pub const BFLOAT16: Self = Self::number(Number::BFloat16);
}

impl DType {
    /// A number in this machine's byte order.
    pub const fn number(number: Number) -> Self {
        Self::native(Kind::Number(number))
    }

    /// Points in time, counted in `unit` since 1970.
    ///
    /// # Examples
    /// ```
    /// use sharray::{DType, TimeUnit};
    ///
    /// assert_eq!(DType::datetime64(TimeUnit::NANOSECONDS), DType::parse("datetime64[ns]")?);
    /// assert_eq!(DType::timedelta64(TimeUnit::SECONDS).itemsize(), 8);
    /// # Ok::<(), sharray::Error>(())
    /// ```
    pub const fn datetime64(unit: TimeUnit) -> Self {
        Self::native(Kind::Datetime64(unit))
    }

    /// Spans of time, counted in `unit`.
    pub const fn timedelta64(unit: TimeUnit) -> Self {
        Self::native(Kind::Timedelta64(unit))
    }

    /// Byte strings of `width` bytes.
    ///
    /// # Errors
    /// [`Error::UnsupportedDtype`] if the width is zero or past `i32::MAX`.
    ///
    /// # Examples
    /// ```
    /// use sharray::{DType, Error};
    ///
    /// assert_eq!(DType::bytes(3)?, DType::parse("S3")?);
    /// assert_eq!(DType::str(3)?.itemsize(), 12);
    /// assert_eq!(DType::void(3)?.descr(), "'|V3'");
    /// assert!(matches!(DType::bytes(0), Err(Error::UnsupportedDtype { .. })));
    /// # Ok::<(), sharray::Error>(())
    /// ```
    pub fn bytes(width: usize) -> Result<Self> {
        Self::native(Kind::Bytes(width)).checked()
    }

    /// Texts of `chars` characters, which take four bytes each.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub fn str(chars: usize) -> Result<Self> {
        Self::native(Kind::Str(chars)).checked()
    }

    /// Opaque items of `width` bytes.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub fn void(width: usize) -> Result<Self> {
        Self::native(Kind::Void(width)).checked()
    }

    /// A structured dtype whose fields follow each other without padding.
    ///
    /// # Errors
    /// [`Error::UnsupportedDtype`] if there is no field or more than 1024, if a name is empty or occurs twice, if
    /// the whole is zero bytes wide or wider than `i32::MAX`, or nested more than 16 deep.
    pub fn structured<N: Into<String>>(fields: impl IntoIterator<Item = (N, Self)>) -> Result<Self> {
        let mut end: usize = 0;
        let place = |(name, dtype): (N, Self)| {
            let offset = end;
            // Every itemsize fits 31 bits, so a sum that saturates is one that the check refuses.
            end = end.saturating_add(dtype.itemsize());
            Field::new(name, dtype, offset)
        };
        let fields = fields.into_iter().map(place).collect();
        Self::structured_at(fields, end)
    }

    /// A structured dtype whose fields stand where they say, in items of `itemsize` bytes.
    ///
    /// # Errors
    /// As [`structured`](Self::structured), and if fields overlap, are not in the order of their offsets, or end
    /// after the item: a .npy file cannot tell such dtypes.
    ///
    /// # Examples
    /// ```
    /// use sharray::{DType, Field};
    ///
    /// let fields = vec![Field::new("flag", DType::BOOL, 0), Field::new("value", DType::F64, 8)];
    /// let padded = DType::structured_at(fields, 16)?;
    /// assert_eq!((padded.itemsize(), padded.to_string().as_str()), (16, "{flag: bool, _: V7, value: float64}"));
    /// # Ok::<(), sharray::Error>(())
    /// ```
    pub fn structured_at(fields: Vec<Field>, itemsize: usize) -> Result<Self> {
        Self::of_rust_struct(fields, itemsize).checked()
    }

    /// As [`structured_at`](Self::structured_at), for `derive(Element)`: the compiler laid the fields out. Limits that a Rust
    /// type can exceed are checked when an array is made.
    #[doc(hidden)]
    pub fn of_rust_struct(fields: Vec<Field>, itemsize: usize) -> Self {
        Self::native(Kind::Struct(Struct { fields, itemsize }))
    }

    /// A sub-array, the dtype of a field that holds an array of `base` in C order. A sub-array of sub-arrays is
    /// one of more dimensions, and one of no dimensions is `base` itself.
    ///
    /// # Errors
    /// [`Error::TooManyDimensions`], [`Error::ShapeOverflow`]; [`Error::UnsupportedDtype`] if it is wider than `i32::MAX`.
    ///
    /// # Examples
    /// ```
    /// use sharray::DType;
    ///
    /// let matrix = DType::subarray(DType::F32, &[3, 3])?;
    /// assert_eq!((matrix.itemsize(), matrix.is_subarray()), (36, true));
    /// assert_eq!(DType::structured([("rotation", matrix)])?.descr(), "[('rotation', '<f4', (3, 3))]");
    /// # Ok::<(), sharray::Error>(())
    /// ```
    pub fn subarray(base: Self, shape: &[usize]) -> Result<Self> {
        let itemsize = checked_size_bytes(shape, base.itemsize())?;
        Self::of_parts(base, shape, itemsize).checked()
    }

    /// The dtype of `[T; len]`, which takes `itemsize` bytes: the compiler knows that it fits.
    pub(crate) fn of_rust_array(base: Self, len: usize, itemsize: usize) -> Self {
        Self::of_parts(base, &[len], itemsize)
    }

    fn of_parts(base: Self, shape: &[usize], itemsize: usize) -> Self {
        let subarray = match base.kind {
            _ if shape.is_empty() => return base,
            Kind::Subarray(inner) => Subarray { shape: [shape, &inner.shape].concat(), itemsize, ..inner },
            _ => Subarray { base: Box::new(base), shape: shape.to_vec(), itemsize },
        };
        Self::native(Kind::Subarray(subarray))
    }

    const fn native(kind: Kind) -> Self {
        Self { kind, order: ByteOrder::Little }
    }

    /// Its kind and parts, for a `match`.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The order of bytes in a number; [`ByteOrder::Little`] where there is none. Fields have their own.
    pub fn byte_order(&self) -> ByteOrder {
        self.order
    }

    /// The bytes of one item. Zero only for a sub-array with a zero dimension.
    pub fn itemsize(&self) -> usize {
        match &self.kind {
            Kind::Number(number) => number.itemsize(),
            Kind::Datetime64(_) | Kind::Timedelta64(_) => 8,
            Kind::Bytes(width) | Kind::Void(width) => *width,
            Kind::Str(chars) => chars.saturating_mul(4),
            Kind::Struct(parts) => parts.itemsize,
            Kind::Subarray(parts) => parts.itemsize,
        }
    }

    /// Whether every number in it is in this machine's byte order. One byte is in any order.
    pub fn is_native(&self) -> bool {
        match &self.kind {
            Kind::Struct(parts) => parts.fields.iter().all(|field| field.dtype.is_native()),
            Kind::Subarray(parts) => parts.base.is_native(),
            _ => self.order == ByteOrder::Little,
        }
    }

    /// Whether it is a sub-array: the dtype of a field, never that of an array.
    pub fn is_subarray(&self) -> bool {
        matches!(self.kind, Kind::Subarray(_))
    }

    /// The value of the array's attribute `dtype`, for dtypes of which a .npy header alone does not tell all: the small floats of
    /// `ml_dtypes` look like opaque bytes there.
    ///
    /// It is a name such as `bfloat16`; for a structured dtype with such fields, the list of [`descr`](Self::descr) with those
    /// names in it. Where `ml_dtypes` is imported, NumPy's `descr_to_dtype` reads both.
    ///
    /// # Examples
    /// ```
    /// use sharray::DType;
    ///
    /// assert_eq!(DType::F32.npy_attribute(), None);
    /// let header = DType::void(2)?;                   // what NumPy alone sees
    /// let attribute = DType::BFLOAT16.npy_attribute().expect("a header does not tell it");
    /// assert_eq!(header.with_npy_attribute(&attribute)?, DType::BFLOAT16);
    /// # Ok::<(), sharray::Error>(())
    /// ```
    pub fn npy_attribute(&self) -> Option<String> {
        (self.without_foreign() != *self).then(|| match &self.kind {
            Kind::Number(number) => number.name().to_owned(),
            _ => self.descr_with_names(),
        })
    }

    /// Returns the dtype that a .npy header and the attribute `dtype` tell together: the inverse of
    /// [`npy_attribute`](Self::npy_attribute), where `self` comes from the header.
    ///
    /// # Errors
    /// [`Error::UnsupportedDtype`] if the attribute is no dtype, or not one that looks so in a header.
    pub fn with_npy_attribute(&self, attribute: &str) -> Result<Self> {
        let dtype = Self::parse(attribute)?;
        if dtype.without_foreign() == *self {
            Ok(dtype)
        } else {
            Err(unsupported(attribute, format!("the attribute contradicts the .npy header, which says {self}")))
        }
    }

    /// The dtype that NumPy alone sees in a header: small floats as opaque bytes.
    fn without_foreign(&self) -> Self {
        match &self.kind {
            Kind::Number(number) if number.is_foreign() => Self::native(Kind::Void(number.itemsize())),
            Kind::Struct(parts) => {
                let seen = |field: &Field| Field { dtype: field.dtype.without_foreign(), ..field.clone() };
                Self::of_rust_struct(parts.fields.iter().map(seen).collect(), parts.itemsize)
            }
            Kind::Subarray(parts) => Self::of_parts(parts.base.without_foreign(), &parts.shape, parts.itemsize),
            _ => self.clone(),
        }
    }

    fn checked(self) -> Result<Self> {
        self.check()?;
        Ok(self)
    }

    /// Checks what this type promises. Only dtypes that Rust types gave can fail it once they are made.
    pub(crate) fn check(&self) -> Result<()> {
        self.fault(0).map_or(Ok(()), |reason| Err(unsupported(&self.to_string(), reason)))
    }

    /// What is wrong with it, `depth` structs deep in another, if anything is.
    fn fault(&self, depth: usize) -> Option<&'static str> {
        if self.itemsize() > MAX_ITEMSIZE {
            return Some("an item is wider than 2147483647 bytes, the most that NumPy can describe");
        }
        match &self.kind {
            Kind::Struct(_) if depth == MAX_DEPTH => Some("structured dtypes are nested more than 16 deep"),
            Kind::Struct(parts) => {
                parts.fault().or_else(|| parts.fields.iter().find_map(|field| field.dtype.fault(depth + 1)))
            }
            Kind::Subarray(parts) if parts.shape.len() > MAX_NDIM => Some("a field has more than 32 dimensions"),
            Kind::Subarray(parts) => parts.base.fault(depth),
            _ => (self.itemsize() == 0).then_some("an item is zero bytes wide"),
        }
    }
}

impl Struct {
    fn fault(&self) -> Option<&'static str> {
        if self.fields.is_empty() {
            return Some("a structured dtype has no fields");
        }
        if self.fields.len() > MAX_FIELDS {
            return Some("a structured dtype has more than 1024 fields");
        }
        let ends = self.fields.iter().map(|field| field.offset.saturating_add(field.dtype.itemsize()));
        let starts = self.fields.iter().map(|field| field.offset).skip(1).chain([self.itemsize]);
        if ends.zip(starts).any(|(end, next)| end > next) {
            return Some("fields overlap, are out of order or end after the item, which a .npy file cannot tell");
        }
        // NumPy finds a field by its title too, so titles and names are one set.
        let mut names = HashSet::new();
        let mut all = self.fields.iter().flat_map(|field| field.title.iter().chain([&field.name]));
        if !all.all(|name| !name.is_empty() && names.insert(name.as_str())) {
            return Some("the name or title of a field is empty or occurs twice");
        }
        (self.itemsize == 0).then_some("an item is zero bytes wide")
    }
}

/// The longest text that an error repeats.
const EXCERPT_CHARS: usize = 80;

fn unsupported(dtype: &str, reason: impl Into<String>) -> Error {
    let mut excerpt: String = dtype.chars().take(EXCERPT_CHARS).flat_map(char::escape_debug).collect();
    if dtype.chars().nth(EXCERPT_CHARS).is_some() {
        excerpt.push_str("...");
    }
    Error::UnsupportedDtype { dtype: excerpt, reason: reason.into() }
}

impl fmt::Display for DType {
    /// Writes it as NumPy shows it, structured dtypes shorter: `float64`, `>f4`, `datetime64[ns]`, `{x: float32, _: V4}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Struct(parts) => parts.fmt(f),
            Kind::Subarray(parts) => parts.fmt(f),
            _ if self.order == ByteOrder::Big => write!(f, "{}", self.code()),
            Kind::Number(number) => f.write_str(number.name()),
            Kind::Datetime64(unit) => write!(f, "datetime64{unit}"),
            Kind::Timedelta64(unit) => write!(f, "timedelta64{unit}"),
            Kind::Bytes(width) => write!(f, "S{width}"),
            Kind::Str(chars) => write!(f, "U{chars}"),
            Kind::Void(width) => write!(f, "V{width}"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
