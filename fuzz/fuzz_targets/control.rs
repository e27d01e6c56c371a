//! Words of any value where processes coordinate, in a file that is valid otherwise: every operation comes back soon, with
//! an answer or with an error of its own kind.
#![no_main]

#[path = "../../tests/support/bytes.rs"]
mod bytes;
#[path = "../support/exercise.rs"]
mod exercise;
#[path = "../support/files.rs"]
mod files;
#[path = "../../tests/support/place.rs"]
mod place;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use place::Place;
use std::sync::LazyLock;

/// The files, and where their words stand.
static FILES: LazyLock<Vec<(Vec<u8>, Vec<std::ops::Range<usize>>)>> = LazyLock::new(|| {
    let all = files::deserted().into_iter().chain(files::golden());
    all.map(|whole| (files::volatile(&whole), whole)).map(|(parts, whole)| (whole, parts)).collect()
});

thread_local! {
    /// In memory, and gone when the process ends.
    static PLACE: Place = Place::new().expect("a folder in memory");
}

fuzz_target!(|input: &[u8]| {
    let mut input = Unstructured::new(input);
    if let Ok(bytes) = changed(&mut input) {
        PLACE.with(|place| {
            bytes::forge(&place.file("a"), &bytes).expect("room for a small file");
            exercise::everything(place, "a");
        });
    }
});

fn changed(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let (whole, parts) = input.choose(&FILES)?;
    let mut bytes = whole.clone();
    while !input.is_empty() {
        let (at, value) = files::word(whole, parts, input)?;
        let len = if input.arbitrary()? { 8 } else { 4 };
        bytes[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
    }
    Ok(bytes)
}
