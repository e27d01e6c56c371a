//! The stream that most tests use, and frames that check themselves.

use super::{Outcome, ensure, ensure_eq};
use ndarray::Ix1;
use sharray::{Directory, Frame, Loan, Publisher, PublisherBuilder, Subscriber, SubscriberBuilder};
use std::path::Path;
use tempfile::TempDir;

/// Its name stands in a folder, which has to come and to go with it.
pub(crate) const NAME: &str = "sim/field";
/// How many frames stay readable.
pub(crate) const HISTORY: u32 = 3;
/// Frames that may be pinned besides.
pub(crate) const SPARE: u32 = 2;
/// No slot more than it needs: one that is lost is missed.
pub(crate) const SLOTS: u32 = HISTORY + SPARE;
/// Few, so that a record that is lost is missed.
pub(crate) const PARTICIPANTS: u32 = 8;
/// Words in a frame.
pub(crate) const WORDS: usize = 64;

pub(crate) type Writer = Publisher<u64, Ix1>;
pub(crate) type Reader = Subscriber<u64, Ix1>;
pub(crate) type Picture = Frame<u64, Ix1>;

/// A fresh folder for arrays: in memory where there is one.
pub(crate) fn fresh_folder() -> Outcome<TempDir> {
    Ok(tempfile::tempdir_in(super::hygiene::memory())?)
}

pub(crate) fn writer(place: &Directory) -> PublisherBuilder<Writer> {
    Writer::builder().directory(place).history(HISTORY).slots(SLOTS).participants(PARTICIPANTS)
}

pub(crate) fn reader(place: &Directory) -> SubscriberBuilder<Reader> {
    Reader::builder().directory(place)
}

/// What word `at` of frame `sequence` is: every word of it tells the whole frame apart from all others.
pub(crate) fn word(sequence: u64, at: usize) -> u64 {
    let mut x = sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (at as u64).wrapping_mul(0xd1b5_4a32_d192_ed03);
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ (x >> 32)
}

/// The contents of a frame.
pub(crate) fn contents(sequence: u64) -> Vec<u64> {
    (0..WORDS).map(|at| word(sequence, at)).collect()
}

/// Fills a loan with what its frame must hold.
pub(crate) fn fill(loan: &mut Loan<'_, u64, Ix1>) {
    let sequence = loan.sequence();
    for (at, item) in loan.as_mut_slice().iter_mut().enumerate() {
        *item = word(sequence, at);
    }
    loan.set_tags([sequence, !sequence]);
}

/// Publishes the next frame, waiting for a slot if need be.
pub(crate) fn publish(writer: &mut Writer) -> Outcome<u64> {
    let mut loan = writer.loan_timeout(super::SOON)?;
    fill(&mut loan);
    Ok(loan.publish())
}

/// Checks that a frame is whole.
pub(crate) fn check(frame: &Picture) -> Outcome {
    let sequence = frame.sequence();
    ensure_eq!(frame.shape(), [WORDS], "the shape of frame {sequence}");
    for (at, item) in frame.as_slice().iter().enumerate() {
        ensure!(*item == word(sequence, at), "word {at} of frame {sequence} is another frame's");
    }
    ensure_eq!(frame.tags(), [sequence, !sequence], "the tags of frame {sequence}");
    Ok(())
}

/// Whatever is in a folder: files, and folders too.
pub(crate) fn leftovers(folder: &Path) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        found.push(entry.path().display().to_string());
        if entry.file_type()?.is_dir() {
            found.extend(leftovers(&entry.path())?);
        }
    }
    Ok(found)
}
