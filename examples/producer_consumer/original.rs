//! The array that all frames are made of: a photograph, or a .npy file.

use crate::Outcome;
use crate::pattern::{Pattern, low_bits};
use sharray::{AnySubscriber, DType, Order};
use std::path::Path;

/// Grace Hopper, 600 x 512 x 3 bytes; US Navy, public domain.
const PHOTOGRAPH: &[u8] = include_bytes!("portrait.npy");

/// An array as a .npy file holds it.
#[derive(Debug)]
pub(crate) struct Original {
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    pub(crate) order: Order,
    pub(crate) bytes: Vec<u8>,
    /// The bits that frames may change.
    low_bits: [u8; 8],
}

impl Original {
    /// Reads a .npy file; the photograph if there is none.
    pub(crate) fn load(file: Option<&Path>) -> Outcome<Self> {
        let Some(file) = file else { return Self::parse(PHOTOGRAPH) };
        let bytes = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        Self::parse(&bytes).map_err(|error| format!("{}: {error}", file.display()).into())
    }

    /// Reads what `np.save` writes.
    fn parse(npy: &[u8]) -> Outcome<Self> {
        let rest = npy.strip_prefix(b"\x93NUMPY").ok_or("not a .npy file")?;
        let (start, len) = match *rest {
            [1, 0, a, b, ..] => (4, usize::from(u16::from_le_bytes([a, b]))),
            [2 | 3, 0, a, b, c, d, ..] => (6, u32::from_le_bytes([a, b, c, d]) as usize),
            _ => return Err("not a .npy file of version 1, 2 or 3".into()),
        };
        let header = rest.get(start..start + len).ok_or("the .npy header ends early")?;
        // Latin-1, but for names of fields that are not.
        let header =
            String::from_utf8(header.to_vec()).unwrap_or_else(|_| header.iter().copied().map(char::from).collect());
        let (dtype, order, shape) = parse_header(&header).ok_or("unusual .npy header")?;
        let dtype = DType::parse(dtype)?;
        let shape = shape.split(',').map(str::trim).filter(|n| !n.is_empty()).map(str::parse);
        let shape = shape.collect::<Result<Vec<usize>, _>>()?;

        let size = shape.iter().try_fold(dtype.itemsize(), |size, &n| size.checked_mul(n)).ok_or("it is too large")?;
        let bytes = rest[start + len..].get(..size).ok_or("the file ends early")?.to_vec();
        let low_bits = low_bits(&dtype);
        Ok(Self { dtype, shape, order, bytes, low_bits })
    }

    /// What frame `number` changes.
    pub(crate) fn pattern(&self, number: u64) -> Pattern {
        Pattern::new(number, self.low_bits)
    }

    /// A few seconds' worth, for this program as it was compiled.
    pub(crate) fn default_frames(&self) -> u64 {
        let (total_bytes, most) = if cfg!(debug_assertions) { (100_000_000, 100) } else { (30_000_000_000, 30_000) };
        (total_bytes / (self.bytes.len() as u64).max(1)).clamp(20, most)
    }

    /// Refuses a stream of something else: its frames could not be compared.
    pub(crate) fn check_stream(&self, stream: &AnySubscriber) -> Outcome {
        if (stream.dtype(), stream.shape(), stream.order()) == (&self.dtype, &self.shape, self.order) {
            return Ok(());
        }
        Err(format!("stream {:?} holds {} {:?}, not this array", stream.name(), stream.dtype(), stream.shape()).into())
    }
}

impl std::fmt::Display for Original {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dims: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        let shape = if dims.is_empty() { "one item".to_owned() } else { dims.join(" x ") };
        write!(f, "{shape} of {}", self.dtype)
    }
}

/// Takes `{'descr': DTYPE, 'fortran_order': ORDER, 'shape': (SHAPE), }` apart. NumPy sorts the keys.
fn parse_header(header: &str) -> Option<(&str, Order, &str)> {
    let rest = header.trim().strip_prefix("{'descr': ")?;
    let (rest, shape) = rest.rsplit_once(", 'shape': (")?;
    let (dtype, order) = rest.rsplit_once(", 'fortran_order': ")?;
    let order = if order == "True" { Order::Fortran } else { Order::C };
    Some((dtype.trim_matches('\''), order, shape.split_once(')')?.0))
}
