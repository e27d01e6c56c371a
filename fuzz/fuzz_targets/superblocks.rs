//! Superblocks of any bytes, in a file that nobody has used since the machine started: whoever attaches first finds a frame
//! that one of them names and whose payload is there, or an empty stream.
#![no_main]

#[path = "../../tests/support/bytes.rs"]
mod bytes;
#[path = "../support/exercise.rs"]
mod exercise;
#[path = "../../tests/support/place.rs"]
mod place;

use bytes::{get64, offset, put32, put64};
use exercise::check;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use place::Place;
use sharray::{AnyPublisher, AnySubscriber, DType};
use std::fs;
use std::sync::LazyLock;

const SUPERBLOCKS: [usize; 2] = [8192, 12_288];
const CRC: usize = 4092;

/// A stream of which the second and the fourth of four frames were committed.
static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let make = || {
        let place = Place::new()?;
        let builder = AnyPublisher::builder().directory(&place).history(3).slots(6).participants(4);
        let mut publisher = builder.create("a", &DType::U8, &[5, 3])?;
        for sequence in 1..=4 {
            let mut loan = publisher.loan()?;
            if sequence == 4 {
                loan.set_shape(&[2, 2])?;
            }
            loan.bytes_mut().fill(sequence);
            loan.publish();
            if sequence % 2 == 0 {
                publisher.commit()?;
            }
        }
        drop(publisher);
        Ok::<_, Box<dyn std::error::Error>>(fs::read(place.file("a"))?)
    };
    make().expect("room for a small file")
});

/// The fields of a superblock, and how long they are.
static FIELDS: LazyLock<Vec<(usize, usize)>> = LazyLock::new(|| {
    let words = ["magic", "commit_no", "seq", "len", "time_ns", "acquired_ns", "tags", "data_xxh3", "shape"];
    let wide = words.map(|name| (offset("Superblock", name), 8));
    let shape = offset("Superblock", "shape");
    let more = [(shape + 8, 8), (shape + 16, 8), (offset("Superblock", "uuid"), 8), (offset("Superblock", "slot"), 4)];
    [&wide[..], &more].concat()
});

thread_local! {
    static PLACE: Place = Place::new().expect("a folder in memory");
}

fuzz_target!(|input: &[u8]| {
    let mut input = Unstructured::new(input);
    if let Ok(bytes) = changed(&mut input) {
        PLACE.with(|place| {
            bytes::write(&place.file("a"), &bytes).expect("room for a small file");
            open(place, &bytes);
            exercise::everything(place, "a");
        });
    }
});

fn open(place: &Place, bytes: &[u8]) {
    let builder = AnySubscriber::builder().directory(place);
    let subscriber = check("attach", || builder.attach("a")).expect("nothing is wrong but its superblocks");
    if let Some(frame) = check("latest", || subscriber.latest()).flatten() {
        exercise::frame(&frame);
        let told = SUPERBLOCKS.map(|start| get64(bytes, start + offset("Superblock", "seq")));
        assert!(told.contains(&frame.sequence()), "frame {} of {told:?}", frame.sequence());
    }
}

fn changed(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut bytes = FILE.clone();
    for start in SUPERBLOCKS {
        for _ in 0..input.int_in_range(0..=4)? {
            let (field, len) = *input.choose(&FIELDS)?;
            let old = get64(&bytes, start + field);
            let value = match input.int_in_range(0..=4)? {
                0 => input.arbitrary()?,
                1 => u64::from(input.arbitrary::<u8>()?),
                2 => u64::MAX - u64::from(input.arbitrary::<u8>()?),
                3 => old ^ 1 << input.int_in_range(0..=63)?,
                // What the other one says.
                _ => get64(&bytes, SUPERBLOCKS[usize::from(start == SUPERBLOCKS[0])] + field),
            };
            bytes[start + field..][..len].copy_from_slice(&value.to_le_bytes()[..len]);
        }
        if input.ratio(1, 8)? {
            let at = start + input.choose_index(4096)?;
            bytes[at] ^= 1 << input.int_in_range(0..=7)?;
        }
        if input.ratio(7, 8)? {
            let crc = crc32c::crc32c(&bytes[start..start + CRC]);
            put32(&mut bytes, start + CRC, crc);
        }
    }
    if input.ratio(1, 4)? {
        let at = input.choose_index(bytes.len() / 8)? * 8;
        // Control words are garbage by now, whatever they say.
        if (4096..8192).contains(&at) {
            put64(&mut bytes, at, input.arbitrary()?);
        }
    }
    Ok(bytes)
}
