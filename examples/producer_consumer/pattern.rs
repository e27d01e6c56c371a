//! How a frame differs from every other: its number is woven into each eight of its bytes.

use sharray::{ByteOrder, DType, DTypeKind, Number};

/// So many bytes are worked on at a time, which compilers turn into vector instructions.
const LANES: usize = 64;

/// What changes each eight bytes of one frame, by exclusive or.
///
/// It spreads the frame's number over the bits that may change. Two frames less than 65536 numbers apart so differ in
/// every eight bytes, and a mixture of them is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    key: [u8; LANES],
}

impl Pattern {
    /// The pattern of one frame; `bits` are those that may change.
    pub(crate) fn new(number: u64, bits: [u8; 8]) -> Self {
        // An odd factor: numbers that follow each other then differ in many bits, and those that differ still do.
        let mut rest = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut key = [0; LANES];
        for (at, bit) in (0..64).map(|at| (at / 8, 1 << (at % 8))) {
            if bits[at] & bit != 0 {
                key[at] |= if rest & 1 == 1 { bit } else { 0 };
                rest >>= 1;
            }
        }
        for at in 8..LANES {
            key[at] = key[at % 8];
        }
        Self { key }
    }

    /// Writes the frame that `original` becomes.
    pub(crate) fn fill(&self, original: &[u8], frame: &mut [u8]) {
        let mut to = frame.chunks_exact_mut(LANES);
        let mut from = original.chunks_exact(LANES);
        for (to, from) in to.by_ref().zip(from.by_ref()) {
            for lane in 0..LANES {
                to[lane] = from[lane] ^ self.key[lane];
            }
        }
        for ((to, from), key) in to.into_remainder().iter_mut().zip(from.remainder()).zip(self.key) {
            *to = from ^ key;
        }
    }

    /// Whether `frame` is, in every byte, what `original` becomes.
    pub(crate) fn is_in(&self, original: &[u8], frame: &[u8]) -> bool {
        let (frames, originals) = (frame.chunks_exact(LANES), original.chunks_exact(LANES));
        let rests = frames.remainder().iter().zip(originals.remainder()).zip(self.key);
        let rest_differs = rests.fold(0, |differs, ((seen, from), key)| differs | (seen ^ from ^ key));
        let mut differs = [0; LANES];
        for (seen, from) in frames.zip(originals) {
            for lane in 0..LANES {
                differs[lane] |= seen[lane] ^ from[lane] ^ self.key[lane];
            }
        }
        frame.len() == original.len() && differs == [0; LANES] && rest_differs == 0
    }
}

/// Which bits of each eight bytes may change: the lowest of each number, so that a picture stays one.
pub(crate) fn low_bits(dtype: &DType) -> [u8; 8] {
    let mut item: Vec<u8> = match (dtype.kind(), dtype.itemsize()) {
        (DTypeKind::Number(Number::Bool), _) => vec![0x01],
        (DTypeKind::Number(_), 1) => vec![0x07],
        (DTypeKind::Number(_), 2) => vec![0x0f, 0],
        (DTypeKind::Number(_), 4) => vec![0xff, 0, 0, 0],
        (DTypeKind::Number(_), _) => vec![0xff, 0xff, 0, 0, 0, 0, 0, 0],
        _ => vec![0xff],
    };
    if dtype.byte_order() == ByteOrder::Big {
        item.reverse();
    }
    std::array::from_fn(|at| item[at % item.len()])
}
