//! The dtypes that have parts: structs of named fields, and sub-arrays.

use super::DType;
use std::fmt;

/// One field of a structured dtype.
///
/// # Examples
/// ```
/// use sharray::{DType, Field};
///
/// let field = Field::new("t", DType::F64, 8).with_title("time in seconds");
/// assert_eq!((field.name(), field.title()), ("t", Some("time in seconds")));
/// assert_eq!((field.dtype(), field.offset()), (&DType::F64, 8));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    pub(super) name: String,
    pub(super) title: Option<String>,
    pub(super) dtype: DType,
    pub(super) offset: usize,
}

impl Field {
    /// A field that starts `offset` bytes into the item.
    pub fn new(name: impl Into<String>, dtype: DType, offset: usize) -> Self {
        Self { name: name.into(), title: None, dtype, offset }
    }

    /// Gives the field a second name, which NumPy calls its title.
    #[must_use]
    pub fn with_title(self, title: impl Into<String>) -> Self {
        Self { title: Some(title.into()), ..self }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its second name, if it has one.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// What it holds.
    pub fn dtype(&self) -> &DType {
        &self.dtype
    }

    /// How many bytes into the item it starts.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

/// A structured dtype: fields in the order of their offsets, which do not overlap but may leave bytes between them.
///
/// # Examples
/// ```
/// use sharray::{DType, DTypeKind};
///
/// let sample = DType::structured([("time", DType::F64), ("channel", DType::U16)])?;
/// let DTypeKind::Struct(parts) = sample.kind() else { panic!("it has fields") };
/// let names: Vec<&str> = parts.fields().iter().map(|field| field.name()).collect();
/// assert_eq!((names, parts.itemsize()), (vec!["time", "channel"], 10));
/// # Ok::<(), sharray::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Struct {
    pub(super) fields: Vec<Field>,
    pub(super) itemsize: usize,
}

impl Struct {
    /// The fields, at least one.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The bytes of one item, padding after the last field included.
    pub fn itemsize(&self) -> usize {
        self.itemsize
    }

    /// The fields, each after as many bytes of padding as lie before it; the padding at the end has no field. Sums
    /// saturate, because errors show structs that failed their check.
    pub(super) fn padded_fields(&self) -> impl Iterator<Item = (usize, Option<&Field>)> {
        let starts = self.fields.iter().map(|field| field.offset).chain([self.itemsize]);
        let ends = self.fields.iter().map(|field| field.offset.saturating_add(field.dtype.itemsize()));
        let gaps =
            starts.zip([0].into_iter().chain(ends)).map(|(start, end): (usize, usize)| start.saturating_sub(end));
        gaps.zip(self.fields.iter().map(Some).chain([None]))
    }
}

impl fmt::Display for Struct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        let mut separator = "";
        for (gap, field) in self.padded_fields() {
            if gap > 0 {
                write!(f, "{separator}_: V{gap}")?;
                separator = ", ";
            }
            if let Some(field) = field {
                write!(f, "{separator}{}: {}", field.name, field.dtype)?;
                separator = ", ";
            }
        }
        f.write_str("}")
    }
}

/// A sub-array: the dtype of a field that holds a small array in C order.
///
/// # Examples
/// ```
/// use sharray::{DType, DTypeKind};
///
/// let matrix = DType::subarray(DType::F32, &[3, 3])?;
/// let DTypeKind::Subarray(parts) = matrix.kind() else { panic!("it is an array") };
/// assert_eq!((parts.base(), parts.shape()), (&DType::F32, &[3, 3][..]));
/// # Ok::<(), sharray::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subarray {
    pub(super) base: Box<DType>,
    pub(super) shape: Vec<usize>,
    pub(super) itemsize: usize,
}

impl Subarray {
    /// What each item of the sub-array is, never a sub-array itself.
    pub fn base(&self) -> &DType {
        &self.base
    }

    /// The sub-array's shape, of at least one dimension.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }
}

impl fmt::Display for Subarray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.base, self.shape)
    }
}
