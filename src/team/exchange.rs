//! What the ranks tell each other in a round.
//!
//! Each rank has a slot that it alone writes, in two halves: one for rounds of even number, one for the others. It fills a
//! half before it arrives, and all read it when the round has passed. Nobody arrives in the next round before it has read, so
//! a half is not written again before all have: one round for each exchange is enough.
//!
//! ```text
//! 0    u64 round     the number of the round plus one
//! 8    u64 call      xxh3 of the text
//! 16   u64 length    of the text
//! 24   text          which call this is, for messages, cut off at byte 256
//! 256  payload       up to the end of the half
//! ```

use super::{Patience, SLOT_BYTES, Team};
use crate::error::{Error, Result};
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_64;

const HALF: usize = SLOT_BYTES / 2;
const HEADER: usize = 256;
const TEXT: usize = 24;
/// The most bytes that one round carries from each rank. A multiple of every number's size.
const PIECE: usize = HALF - HEADER;

/// A collective call that carries bytes: its name and what it is about, which must be the same in all ranks.
#[derive(Debug)]
pub(super) struct Call {
    text: String,
    digest: u64,
}

impl Call {
    pub(super) fn new(text: String) -> Self {
        let digest = xxh3_64(text.as_bytes());
        Self { text, digest }
    }

    /// The head of a half, with which the call begins in this round.
    fn header(&self, round: u64) -> ([u8; HEADER], usize) {
        let mut header = [0; HEADER];
        let text = self.text.as_bytes();
        let text = &text[..text.len().min(HEADER - TEXT)];
        for (place, value) in header.chunks_exact_mut(8).zip([round, self.digest, text.len() as u64]) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        header[TEXT..TEXT + text.len()].copy_from_slice(text);
        (header, TEXT + text.len())
    }
}

/// The pieces of so many bytes, one for each round: one at least, since ranks meet for nothing as well.
pub(super) fn pieces(len: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len.div_ceil(PIECE).max(1)).map(move |piece| piece * PIECE..(piece * PIECE + PIECE).min(len))
}

/// A round in which all ranks have shown something, up to the next one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    half: u64,
}

impl Team {
    /// Shows a piece to all ranks, and waits until all have shown theirs. The caller holds the turn until it has read.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if another rank is in another call; it is the same in all that are in calls like this.
    pub(super) fn show(&self, call: &Call, piece: &[u8], patience: &mut Patience<'_>) -> Result<Shown> {
        let round = self.coming()?;
        let half = u64::from(round.generation() % 2) * HALF as u64;
        let (header, len) = call.header(u64::from(round.generation()) + 1);
        self.segment().copy_in(self.rank(), half, &header[..len]);
        self.segment().copy_in(self.rank(), half + HEADER as u64, piece);
        self.meet(round, patience)?;
        let other = (0..self.size()).find(|&rank| self.header::<16>(rank, half) != header[..16]);
        let Some(rank) = other else { return Ok(Shown { half }) };
        let found: [u8; HEADER] = self.header(rank, half);
        let word = |at: usize| found[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let is_now = found[..8] == header[..8];
        let text = &found[TEXT..HEADER.min(TEXT.saturating_add(word(16) as usize))];
        let theirs = if is_now { String::from_utf8_lossy(text) } else { "a barrier".into() };
        let reason = format!("rank {rank} calls {theirs}, and rank {} calls {}", self.rank(), call.text);
        Err(Error::invalid(self.name(), reason))
    }

    fn header<const N: usize>(&self, rank: u32, half: u64) -> [u8; N] {
        let mut header = [0; N];
        // Fails only for a rank that is not there.
        _ = self.segment().copy_out(rank, half, &mut header, &|| true);
        header
    }

    /// Reads what a rank has shown.
    pub(super) fn read(&self, rank: u32, shown: Shown, piece: &mut [u8]) {
        _ = self.segment().copy_out(rank, shown.half + HEADER as u64, piece, &|| true);
    }
}

#[cfg(test)]
mod tests {
    use super::{PIECE, pieces};

    /// They follow each other, are all of it, and there is one for nothing.
    #[test]
    fn pieces_are_all_of_it() {
        for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 10 * PIECE + 7] {
            let all: Vec<_> = pieces(len).collect();
            assert_eq!((all[0].start, all[all.len() - 1].end), (0, len));
            assert!(all.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].len() == PIECE));
        }
        assert_eq!(PIECE % 16, 0);
    }
}
