//! A file of any bytes is an array or an error of its own kind, soon and in little memory, for whoever looks at it, attaches
//! to it and uses it. Checksums are made right, or the fuzzer would never get past them.
#![no_main]

#[path = "../../tests/support/bytes.rs"]
mod bytes;
#[path = "../support/exercise.rs"]
mod exercise;
#[path = "../support/files.rs"]
mod files;
#[path = "../../tests/support/place.rs"]
mod place;

use bytes::{data_off, fix_crc, fix_text_crc, get64, offset, put64, region};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use place::Place;
use std::sync::LazyLock;

static FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(files::golden);

thread_local! {
    static PLACE: Place = Place::new().expect("a folder in memory");
}

fuzz_target!(|input: &[u8]| {
    let mut input = Unstructured::new(input);
    if let Ok(bytes) = file(&mut input) {
        PLACE.with(|place| {
            // Of this boot, or one that nobody has used since: that is made new when somebody attaches.
            let is_current = input.arbitrary().unwrap_or(true) && bytes.len() > 8192;
            let write = if is_current { bytes::forge } else { bytes::write };
            write(&place.file("a"), &bytes).expect("room for a small file");
            exercise::everything(place, "a");
        });
    }
});

fn file(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    if input.ratio(1, 8)? {
        return Ok(input.bytes(input.len())?.to_vec());
    }
    let mut bytes = input.choose(&FILES)?.clone();
    let header = data_off(&bytes);
    let texts = region(&bytes, "attributes").chain(region(&bytes, "preamble")).collect::<Vec<_>>();
    for _ in 0..input.int_in_range(0..=5)? {
        match input.int_in_range(0..=4)? {
            // A word of the identity: what another one says, or anything.
            0 => {
                let at = 8 * input.choose_index(24)?;
                let other = get64(&bytes, 8 * input.choose_index(24)?);
                let value = if input.arbitrary()? { input.arbitrary()? } else { other };
                put64(&mut bytes, at, value);
            }
            1 => {
                let at = 4 * input.choose_index(48)?;
                let value: u16 = input.arbitrary()?;
                bytes::put32(&mut bytes, at, value.into());
            }
            2 => {
                let at = *input.choose(&texts)?;
                bytes[at] = input.arbitrary()?;
            }
            // A piece of text, as it is in a header.
            3 => {
                let at = *input.choose(&texts)?;
                let len = input.int_in_range(1..=32)?.min(header - at);
                let piece = input.bytes(len.min(input.len()))?;
                bytes[at..at + piece.len()].copy_from_slice(piece);
            }
            _ => {
                let at = input.choose_index(header)?;
                bytes[at] ^= 1 << input.int_in_range(0..=7)?;
            }
        }
    }
    if input.ratio(1, 4)? {
        let len = input.choose_index(bytes.len() + 4096)?;
        bytes.resize(len, 0);
    }
    if input.ratio(7, 8)? {
        make_right(&mut bytes, input.arbitrary()?);
    }
    Ok(bytes)
}

/// The checksums, and on demand the length, as far as there is room for them.
fn make_right(bytes: &mut [u8], length: bool) {
    if bytes.len() < 4096 {
        return;
    }
    if length {
        let len = bytes.len() as u64;
        put64(bytes, offset("Identity", "file_len"), len);
    }
    let inside = |name| {
        let at = offset("Identity", name);
        let end = get64(bytes, at).checked_add(get64(bytes, at + 8));
        end.is_some_and(|end| end <= bytes.len() as u64)
    };
    if inside("preamble") && inside("attributes") { fix_text_crc(bytes) } else { fix_crc(bytes) }
}
