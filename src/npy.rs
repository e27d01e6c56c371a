//! The .npy preamble: NumPy's own description of an array, before the array's bytes.
//!
//! ```text
//! 0    \x93NUMPY
//! 6    version: 1.0, 2.0 or 3.0
//! 8    length of the header: u16 in version 1.0, u32 in the others
//!      header: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }, spaces, a newline
//! ```
//!
//! Version 1.0 is written where it can be, 2.0 for a header past 65535 bytes, 3.0 for names of fields that are not
//! Latin-1. Source: numpy.lib.format, and NEP 1.

use crate::dtype::literal::Literal;
use crate::dtype::{DType, Field, Kind, tuple};
use crate::error::{Error, Result};
use crate::shape::{MAX_NDIM, Order, checked_size_bytes, checked_size_bytes_within};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Magic and version; the header's length follows.
const VERSION_END: usize = 8;
/// NumPy ends its preambles on multiples of this, and so do we.
const ALIGN: usize = 64;
/// The longest header that is read or written, so that the longest preamble is 1 MiB: a thousand fields with names of a
/// thousand characters.
const MAX_HEADER_LEN: usize = (1 << 20) - 12;
/// The name of the field that holds a frame where slots have padding behind them.
const FRAME: &str = "frame";

/// An array as a .npy file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Preamble {
    pub(crate) dtype: DType,
    pub(crate) order: Order,
    pub(crate) shape: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
    V3,
}

impl Version {
    /// The bytes before the header.
    fn prefix_len(self) -> usize {
        VERSION_END + if self == Self::V1 { 2 } else { 4 }
    }

    /// The longest header whose length can be written.
    fn max_header_len(self) -> usize {
        if self == Self::V1 { usize::from(u16::MAX) } else { MAX_HEADER_LEN }
    }
}

impl Preamble {
    /// Returns the fewest bytes that the preamble takes, a multiple of 64.
    ///
    /// Write it in so many and start it that long before the payload. Spaces count as header, and NumPy refuses to
    /// read a header past 10000 characters unless it is told `max_header_size`, so a preamble should not fill a page or more.
    pub(crate) fn min_len(&self) -> usize {
        self.len_with(0)
    }

    fn len_with(&self, room: usize) -> usize {
        let text = self.header_text();
        let fits = |version: Version, encoded: usize| {
            // One byte more for the newline.
            let len = (version.prefix_len() + encoded + room + 1).next_multiple_of(ALIGN);
            (len - version.prefix_len() <= version.max_header_len()).then_some(len)
        };
        let latin1_len = is_latin1(&text).then(|| text.chars().count());
        latin1_len
            .and_then(|len| fits(Version::V1, len).or_else(|| fits(Version::V2, len)))
            .unwrap_or_else(|| (Version::V3.prefix_len() + text.len() + room + 1).next_multiple_of(ALIGN))
    }

    /// Returns the length that NumPy gives the preamble of a file: it leaves room for the axis that may grow to take 21
    /// digits. With it, [`to_bytes`](Self::to_bytes) writes the very bytes that NumPy would.
    pub(crate) fn numpy_len(&self) -> usize {
        const GROWN_DIGITS: usize = 21;
        let growing = if self.order == Order::C { self.shape.first() } else { self.shape.last() };
        let room = growing.map_or(0, |n| GROWN_DIGITS.saturating_sub(n.to_string().len()));
        // One more: where the text ends on a multiple of 64, NumPy adds another 64.
        self.len_with(room + 1)
    }

    /// Writes the preamble in exactly `len` bytes, of which [`min_len`](Self::min_len) is the least.
    ///
    /// # Errors
    /// What the dtype and the shape fail: [`Error::UnsupportedDtype`], also for a sub-array, [`Error::ShapeOverflow`],
    /// [`Error::TooManyDimensions`]. [`Error::InvalidPreamble`] if `len` is too short, or longer than a header can be.
    pub(crate) fn to_bytes(&self, len: usize) -> Result<Vec<u8>> {
        self.check()?;
        let text = self.header_text();
        let short = |version: Version| len.saturating_sub(version.prefix_len()) <= version.max_header_len();
        let version = match (is_latin1(&text), short(Version::V1)) {
            (true, true) => Version::V1,
            (true, false) => Version::V2,
            (false, _) => Version::V3,
        };
        let encoded = if version == Version::V3 { text.into_bytes() } else { text.chars().map(latin1).collect() };
        let prefix_len = version.prefix_len();
        if len <= prefix_len + encoded.len() || !short(version) {
            return invalid(format!("{} bytes of text do not make a preamble of {len}", encoded.len()));
        }
        let header_len = u32::try_from(len - prefix_len).unwrap_or(u32::MAX).to_le_bytes();
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[version as u8 + 1, 0]);
        bytes.extend_from_slice(&header_len[..prefix_len - VERSION_END]);
        bytes.extend_from_slice(&encoded);
        bytes.resize(len - 1, b' ');
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads the preamble at the start of `bytes`; also returns its length: the payload starts there.
    ///
    /// Keys may come in any order, with space and commas where Python allows them. Time and memory are bounded by the
    /// header's length, and that by 1 MiB. The shape may have one dimension more than an array can have, for slots:
    /// [`to_frame`](Self::to_frame) takes it off.
    ///
    /// # Errors
    /// [`Error::InvalidPreamble`]; [`Error::UnsupportedDtype`], also for a sub-array; [`Error::ShapeOverflow`],
    /// [`Error::TooManyDimensions`].
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Self, usize)> {
        let (version, header_start, header_len) = read_prefix(bytes)?;
        if header_len > MAX_HEADER_LEN {
            return invalid(format!("its length is {header_len} bytes, the most is {MAX_HEADER_LEN}"));
        }
        let len = header_start + header_len;
        let Some(header) = bytes.get(header_start..len) else {
            return invalid(format!("it ends at byte {len}, but there are {} bytes", bytes.len()));
        };
        let text = match version {
            Version::V1 | Version::V2 => header.iter().map(|&byte| char::from(byte)).collect(),
            Version::V3 => match String::from_utf8(header.to_vec()) {
                Ok(text) => text,
                Err(error) => return invalid(error.to_string()),
            },
        };
        let preamble = Self::from_header_text(&text)?;
        preamble.check()?;
        Ok((preamble, len))
    }

    /// Describes `nslots` arrays like this one, of which each starts `stride_bytes` after the one before.
    ///
    /// - One slot: the array itself.
    /// - Slots without padding: one dimension more, which runs slowest: the first in C order, the last in Fortran order.
    /// - Slots with padding: items with one field `frame` and padding, in the shape `(nslots,)`. The field is a
    ///   sub-array, which NumPy always takes in C order, so in Fortran order its shape is reversed; the order is told by
    ///   `fortran_order`, which means nothing else where there is one dimension.
    ///
    /// An array of no dimensions whose own dtype looks like those items is described as if there was padding.
    ///
    /// # Errors
    /// As [`to_bytes`](Self::to_bytes); [`Error::InvalidPreamble`] if there are no slots or they overlap.
    /// [`Error::UnsupportedDtype`] for a slot with padding that is wider than NumPy's items can be, 2 GiB.
    pub(crate) fn of_slots(&self, nslots: usize, stride_bytes: usize) -> Result<Self> {
        self.check()?;
        let size_bytes = checked_size_bytes(&self.shape, self.dtype.itemsize())?;
        if nslots == 0 || stride_bytes < size_bytes {
            return invalid(format!(
                "{nslots} slots every {stride_bytes} bytes do not hold arrays of {size_bytes} bytes"
            ));
        }
        if nslots == 1 {
            return Ok(self.clone());
        }
        let mut shape = self.shape.clone();
        shape.insert(if self.order == Order::C { 0 } else { shape.len() }, nslots);
        let plain = Self { shape, ..self.clone() };
        let slots = if stride_bytes == size_bytes && plain.frame_field(nslots).is_none() {
            plain
        } else {
            Self { dtype: self.padded(stride_bytes)?, order: self.order, shape: vec![nslots] }
        };
        slots.check()?;
        Ok(slots)
    }

    /// The item that a slot with padding is.
    fn padded(&self, stride_bytes: usize) -> Result<DType> {
        let frame = DType::subarray(self.dtype.clone(), &in_c_order(self.order, &self.shape))?;
        DType::structured_at(vec![Field::new(FRAME, frame, 0)], stride_bytes)
    }

    /// Returns the array of one slot: the inverse of [`of_slots`](Self::of_slots).
    ///
    /// # Errors
    /// [`Error::InvalidPreamble`] if [`of_slots`](Self::of_slots) makes this description of no array.
    pub(crate) fn to_frame(&self, nslots: usize, stride_bytes: usize) -> Result<Self> {
        let frame = self.frame_candidate(nslots);
        match frame.of_slots(nslots, stride_bytes) {
            Ok(slots) if slots == *self => Ok(frame),
            Err(error @ Error::TooManyDimensions { .. }) => Err(error),
            _ => invalid(format!(
                "{} of shape {:?} is not {nslots} slots every {stride_bytes} bytes",
                self.dtype, self.shape
            )),
        }
    }

    /// What the frame is if this describes slots.
    fn frame_candidate(&self, nslots: usize) -> Self {
        let mut frame = self.clone();
        if nslots == 1 {
            return frame;
        }
        if let Some(field) = self.frame_field(nslots) {
            (frame.dtype, frame.shape) = match field.kind() {
                Kind::Subarray(parts) => (parts.base().clone(), in_c_order(self.order, parts.shape())),
                _ => (field.clone(), Vec::new()),
            };
        } else if self.order == Order::C {
            frame.shape = self.shape.iter().skip(1).copied().collect();
        } else {
            frame.shape.pop();
        }
        frame
    }

    /// The dtype of the field `frame`, if this looks like the description of slots with padding.
    fn frame_field(&self, nslots: usize) -> Option<&DType> {
        match self.dtype.kind() {
            Kind::Struct(parts) if self.shape == [nslots] => match parts.fields() {
                [only] if only.name() == FRAME && only.title().is_none() && only.offset() == 0 => Some(only.dtype()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Takes the dtype that a caller expects if a header cannot tell it from this one: the small floats look like opaque bytes.
    pub(crate) fn seen_as(mut self, expected: &DType) -> Self {
        let named = expected.npy_attribute().and_then(|name| self.dtype.with_npy_attribute(&name).ok());
        self.dtype = named.unwrap_or(self.dtype);
        self
    }

    /// As an error message names it.
    pub(crate) fn describe(&self) -> String {
        let order = if self.shape.len() > 1 { format!(", order {:?}", self.order) } else { String::new() };
        format!("{} {:?}{order}", self.dtype, self.shape)
    }

    fn check(&self) -> Result<()> {
        self.dtype.check()?;
        if self.dtype.is_subarray() {
            let reason = "a sub-array is the dtype of a field: give the array more dimensions instead".to_owned();
            return Err(Error::UnsupportedDtype { dtype: self.dtype.to_string(), reason });
        }
        checked_size_bytes_within(MAX_NDIM + 1, &self.shape, self.dtype.itemsize()).map(|_| ())
    }

    /// The header without its padding, as NumPy writes it.
    fn header_text(&self) -> String {
        let fortran_order = if self.order == Order::Fortran { "True" } else { "False" };
        let (descr, shape) = (self.dtype.descr(), tuple(&self.shape));
        format!("{{'descr': {descr}, 'fortran_order': {fortran_order}, 'shape': {shape}, }}")
    }

    fn from_header_text(text: &str) -> Result<Self> {
        let items = match Literal::parse(text) {
            Ok(Literal::Dict(items)) => items,
            Ok(_) => return invalid("it is not a dictionary"),
            Err(error) => return invalid(error.to_string()),
        };
        let (mut descr, mut order, mut shape) = (None, None, None);
        for (key, value) in items {
            let twin = match (key.as_str(), value) {
                ("descr", value) => descr.replace(DType::from_literal(&value)?).is_some(),
                ("fortran_order", Literal::Bool(true)) => order.replace(Order::Fortran).is_some(),
                ("fortran_order", Literal::Bool(false)) => order.replace(Order::C).is_some(),
                ("shape", Literal::Tuple(dims)) => match dims.iter().map(Literal::as_int).collect() {
                    Some(dims) => shape.replace(dims).is_some(),
                    None => return invalid("'shape' is not a tuple of whole numbers"),
                },
                ("fortran_order", _) => return invalid("'fortran_order' is neither True nor False"),
                ("shape", _) => return invalid("'shape' is not a tuple"),
                _ => return invalid("it has a key that is not 'descr', 'fortran_order' or 'shape'"),
            };
            if twin {
                return invalid(format!("'{key}' is told twice"));
            }
        }
        match (descr, order, shape) {
            (Some(dtype), Some(order), Some(shape)) => Ok(Self { dtype, order, shape }),
            _ => invalid("one of 'descr', 'fortran_order' and 'shape' is missing"),
        }
    }
}

/// The version, where the header starts, and its length.
fn read_prefix(bytes: &[u8]) -> Result<(Version, usize, usize)> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return invalid("it does not start with \\x93NUMPY");
    };
    let (version, header_len) = match *rest {
        [1, 0, a, b, ..] => (Version::V1, u32::from(u16::from_le_bytes([a, b]))),
        [2, 0, a, b, c, d, ..] => (Version::V2, u32::from_le_bytes([a, b, c, d])),
        [3, 0, a, b, c, d, ..] => (Version::V3, u32::from_le_bytes([a, b, c, d])),
        [1..=3, 0, ..] | [] | [_] => return invalid("it ends before its length"),
        [major, minor, ..] => return invalid(format!("version is {major}.{minor}, expected 1.0, 2.0 or 3.0")),
    };
    Ok((version, version.prefix_len(), header_len as usize))
}

/// The shape with the axis that runs fastest last; its own inverse.
fn in_c_order(order: Order, shape: &[usize]) -> Vec<usize> {
    match order {
        Order::C => shape.to_vec(),
        Order::Fortran => shape.iter().rev().copied().collect(),
    }
}

fn is_latin1(text: &str) -> bool {
    text.chars().all(|c| c <= '\u{ff}')
}

/// The byte of a character that [`is_latin1`] let through.
fn latin1(c: char) -> u8 {
    u8::try_from(c).unwrap_or(b'?')
}

fn invalid<T>(reason: impl Into<String>) -> Result<T> {
    Err(Error::InvalidPreamble { reason: reason.into() })
}

#[cfg(test)]
mod tests;
