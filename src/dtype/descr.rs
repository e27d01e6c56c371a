//! dtypes as text: what `np.dtype` takes, and what .npy headers say under `descr`.

use super::literal::{Literal, repr};
use super::{ByteOrder, DType, Field, Kind, Number, TimeUnit, unsupported};
use crate::error::Result;

impl DType {
    /// Reads a dtype as one would give it to NumPy: `f8`, `<f8`, `>i4`, `?`, `float64`, `M8[ns]`, `datetime64[25s]`, `S10`,
    /// `U7`, `V3`, `bfloat16`; or, for structured dtypes, a list of fields as in a .npy header:
    /// `[('x', '<f4'), ('y', '<f4', (3,))]`.
    ///
    /// Two of NumPy's short notations are not read: counts before a code (`3f4`) and codes in a row (`f4,i4`).
    ///
    /// # Errors
    /// [`Error::UnsupportedDtype`](crate::Error::UnsupportedDtype) for a text that is no dtype, and for dtypes that
    /// cannot be shared: objects, `StringDType`, long doubles, items of no width, fields that overlap.
    pub fn parse(text: &str) -> Result<Self> {
        if !text.starts_with(['[', '(']) {
            return Self::parse_code(text);
        }
        let literal = Literal::parse(text).map_err(|error| unsupported(text, error.to_string()))?;
        Self::from_literal(&literal)
    }

    /// Writes the dtype as `np.save` does under `descr`: a string in quotes, or a list of fields with padding as void
    /// fields without a name. The text is exactly NumPy's.
    ///
    /// Small floats are opaque bytes here: see [`npy_attribute`](Self::npy_attribute). Sub-arrays, which are not dtypes of
    /// arrays, are a tuple of their dtype and shape.
    pub fn descr(&self) -> String {
        self.write_descr(|dtype| repr(&dtype.code()))
    }

    /// As [`descr`](Self::descr), with the names of small floats.
    pub(super) fn descr_with_names(&self) -> String {
        self.write_descr(|dtype| match dtype.kind {
            Kind::Number(number) if number.is_foreign() => repr(number.name()),
            _ => repr(&dtype.code()),
        })
    }

    fn write_descr(&self, leaf: fn(&Self) -> String) -> String {
        match &self.kind {
            Kind::Subarray(parts) => format!("({}, {})", parts.base.write_descr(leaf), tuple(&parts.shape)),
            Kind::Struct(parts) => {
                let mut items = Vec::new();
                for (gap, field) in parts.padded_fields() {
                    if gap > 0 {
                        items.push(format!("('', '|V{gap}')"));
                    }
                    items.extend(field.map(|field| field.write_descr(leaf)));
                }
                format!("[{}]", items.join(", "))
            }
            _ => leaf(self),
        }
    }

    /// The dtype without parts as NumPy's `dtype.str`: `<f8`, `|S10`.
    pub(super) fn code(&self) -> String {
        let order = match (&self.kind, self.order) {
            (Kind::Bytes(_) | Kind::Void(_), _) => '|',
            (Kind::Number(number), _) if number.itemsize() == 1 && !number.is_foreign() => '|',
            (_, ByteOrder::Little) => '<',
            (_, ByteOrder::Big) => '>',
        };
        match &self.kind {
            Kind::Number(number) => format!("{order}{}", number.code()),
            Kind::Datetime64(unit) => format!("{order}M8{unit}"),
            Kind::Timedelta64(unit) => format!("{order}m8{unit}"),
            Kind::Bytes(width) => format!("{order}S{width}"),
            Kind::Str(chars) => format!("{order}U{chars}"),
            Kind::Void(width) => format!("{order}V{width}"),
            Kind::Struct(_) | Kind::Subarray(_) => format!("{order}V{}", self.itemsize()),
        }
    }

    /// Reads the value of `descr` as NumPy's `descr_to_dtype` does: void fields without a name are padding.
    pub(crate) fn from_literal(literal: &Literal) -> Result<Self> {
        match literal {
            Literal::Str(text) => Self::parse_code(text),
            Literal::List(fields) => Self::from_fields(fields),
            Literal::Tuple(parts) => match parts.as_slice() {
                [base, shape] => Self::from_subarray(base, shape),
                _ => Err(unsupported("(...)", "a tuple that is not a dtype and a shape")),
            },
            Literal::Dict(_) => Err(unsupported("{...}", "a .npy file cannot tell a dtype that takes a dictionary")),
            Literal::Int(_) | Literal::Bool(_) => Err(unsupported(&format!("{literal:?}"), "a number is not a dtype")),
        }
    }

    fn from_fields(literals: &[Literal]) -> Result<Self> {
        let mut fields = Vec::new();
        let mut offset: usize = 0;
        for literal in literals {
            let (title, name, dtype) = field_parts(literal)?;
            let next = offset.saturating_add(dtype.itemsize());
            let is_padding = name.is_empty() && matches!(dtype.kind, Kind::Void(_) | Kind::Subarray(_));
            if !is_padding {
                fields.push(Field { title, ..Field::new(name, dtype, offset) });
            }
            offset = next;
        }
        Self::structured_at(fields, offset)
    }

    fn from_subarray(base: &Literal, shape: &Literal) -> Result<Self> {
        let base = Self::from_literal(base)?;
        let dims: Option<Vec<_>> = match shape {
            Literal::Int(len) => Some(vec![*len]),
            Literal::Tuple(dims) | Literal::List(dims) => dims.iter().map(Literal::as_int).collect(),
            _ => None,
        };
        match dims {
            Some(dims) => Self::subarray(base, &dims),
            None => Err(unsupported(&base.to_string(), "the shape of a sub-array is not a tuple of whole numbers")),
        }
    }

    /// Reads one word: a name or a code with or without byte order.
    fn parse_code(text: &str) -> Result<Self> {
        if let Some(dtype) =
            Number::from_name(text).map(Self::number).or_else(|| time(text, "datetime64", "timedelta64"))
        {
            return Ok(dtype);
        }
        let (order, code) = match text.as_bytes().first() {
            Some(b'>') => (ByteOrder::Big, &text[1..]),
            Some(b'<' | b'=' | b'|') => (ByteOrder::Little, &text[1..]),
            _ => (ByteOrder::Little, text),
        };
        let dtype = Number::from_code(code).map(Self::number).or_else(|| time(code, "M8", "m8"));
        match dtype.or_else(|| flexible(code)) {
            Some(dtype) if dtype.has_order() => Self { order, ..dtype }.checked(),
            Some(dtype) => dtype.checked(),
            None => Err(unsupported(text, why_not(code))),
        }
    }

    pub(super) fn has_order(&self) -> bool {
        match self.kind {
            Kind::Number(number) => number.itemsize() > 1,
            Kind::Datetime64(_) | Kind::Timedelta64(_) | Kind::Str(_) => true,
            _ => false,
        }
    }
}

impl Field {
    fn write_descr(&self, leaf: fn(&DType) -> String) -> String {
        let name = match &self.title {
            Some(title) => format!("({}, {})", repr(title), repr(&self.name)),
            None => repr(&self.name),
        };
        match &self.dtype.kind {
            Kind::Subarray(parts) => format!("({name}, {}, {})", parts.base.write_descr(leaf), tuple(&parts.shape)),
            _ => format!("({name}, {})", self.dtype.write_descr(leaf)),
        }
    }
}

/// Title, name and dtype of a field.
fn field_parts(literal: &Literal) -> Result<(Option<String>, String, DType)> {
    let (name, dtype) = match literal {
        Literal::Tuple(parts) | Literal::List(parts) => match parts.as_slice() {
            [name, dtype] => (name, DType::from_literal(dtype)?),
            [name, base, shape] => (name, DType::from_subarray(base, shape)?),
            _ => return Err(unsupported("[...]", "a field is not a name, a dtype and perhaps a shape")),
        },
        _ => return Err(unsupported("[...]", "a field is not a tuple")),
    };
    let (title, name) = match name {
        Literal::Tuple(pair) => match pair.as_slice() {
            [Literal::Str(title), Literal::Str(name)] => (Some(title), Some(name)),
            _ => (None, None),
        },
        Literal::Str(name) => (None, Some(name)),
        _ => (None, None),
    };
    match name {
        Some(name) => Ok((title.cloned(), name.clone(), dtype)),
        None => Err(unsupported("[...]", "the name of a field is neither a string nor a title and a name")),
    }
}

/// Reads a kind of time that starts with one of two words, and its unit in brackets.
fn time(text: &str, point: &str, span: &str) -> Option<DType> {
    let (rest, dtype): (_, fn(TimeUnit) -> DType) = match (text.strip_prefix(point), text.strip_prefix(span)) {
        (Some(rest), _) => (rest, DType::datetime64),
        (_, Some(rest)) => (rest, DType::timedelta64),
        _ => return None,
    };
    match rest {
        "" => Some(dtype(TimeUnit::GENERIC)),
        unit => TimeUnit::parse(unit.strip_prefix('[')?.strip_suffix(']')?).map(dtype),
    }
}

/// Reads a kind that has its width behind it.
fn flexible(code: &str) -> Option<DType> {
    let kind: fn(usize) -> Kind = match code.as_bytes().first()? {
        b'S' => Kind::Bytes,
        b'U' => Kind::Str,
        b'V' => Kind::Void,
        _ => return None,
    };
    match &code[1..] {
        "" => Some(DType::native(kind(0))),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(DType::native(kind(digits.parse().ok()?))),
        _ => None,
    }
}

fn why_not(code: &str) -> &'static str {
    match code {
        "O" | "O8" | "object" => "an object is an address in one process",
        "T" | "StringDType()" => "a StringDType keeps its text outside the array: use U with a width",
        "g" | "G" | "f16" | "c32" | "longdouble" | "clongdouble" => "a long double is not the same on all machines",
        "str" | "bytes" | "void" => "an item is zero bytes wide: give a width, as in S10",
        _ => "not a dtype that NumPy or ml_dtypes knows by this name",
    }
}

/// Writes a shape as Python writes a tuple.
pub(crate) fn tuple(shape: &[usize]) -> String {
    match shape {
        [only] => format!("({only},)"),
        _ => format!("({})", shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}
