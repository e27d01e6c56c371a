//! The file of an array as bytes: where its words stand, and files made of bytes that no writer of ours wrote.
//!
//! The offsets come from the table that the library prints, so they are its own.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The identity page's two checksums: of the texts, and of the page itself.
const TEXT_CRC: usize = 4088;
const CRC: usize = 4092;

/// Where a field stands, by the table that the library prints. `record` is how its title begins.
pub(crate) fn offset(record: &str, field: &str) -> usize {
    let table = sharray::format_table();
    let part = table.split("### ").find(|part| part.starts_with(record)).expect("the table has this record");
    let row = part.lines().find(|line| line.contains(&format!("| `{field}` |"))).expect("the record has this field");
    row.split('|').nth(1).and_then(|cell| cell.trim().parse().ok()).expect("rows start with an offset")
}

pub(crate) fn get64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

pub(crate) fn put64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// A part of the file that the identity page tells.
pub(crate) fn region(bytes: &[u8], name: &str) -> Range<usize> {
    let at = offset("Identity", name);
    let (start, len) = (get64(bytes, at) as usize, get64(bytes, at + 8) as usize);
    start..start + len
}

/// Where the payload starts.
pub(crate) fn data_off(bytes: &[u8]) -> usize {
    get64(bytes, offset("Identity", "data_off")) as usize
}

/// Makes the page's own checksum right.
pub(crate) fn fix_crc(bytes: &mut [u8]) {
    let crc = crc32c::crc32c(&bytes[..CRC]);
    put32(bytes, CRC, crc);
}

/// Makes both checksums right.
pub(crate) fn fix_text_crc(bytes: &mut [u8]) {
    let crc = crc32c::crc32c(&bytes[region(bytes, "preamble")]);
    let crc = crc32c::crc32c_append(crc, &bytes[region(bytes, "attributes")]);
    put32(bytes, TEXT_CRC, crc);
    fix_crc(bytes);
}

/// Writes a new file of these bytes, for this user alone.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<File> {
    _ = fs::remove_file(path);
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all_at(bytes, 0)?;
    Ok(file)
}

/// Writes a new file whose control words count as valid: of this boot, and of this very file.
pub(crate) fn forge(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let file = write(path, bytes)?;
    let meta = file.metadata()?;
    let [high, low] = boot_id()?;
    let stamps = [("boot_id", [high, low].to_vec()), ("ino", vec![meta.ino()]), ("dev", vec![meta.dev()])];
    for (field, words) in stamps {
        for (index, word) in words.iter().enumerate() {
            file.write_all_at(&word.to_le_bytes(), (offset("Control", field) + 8 * index) as u64)?;
        }
    }
    Ok(file)
}

fn boot_id() -> io::Result<[u64; 2]> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?.replace('-', "");
    let half = |range| u64::from_str_radix(&text[range], 16).map_err(io::Error::other);
    Ok([half(0..16)?, half(16..32)?])
}

/// Numbers that look random and are the same in every run of one seed (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit as u64) as usize
    }
}
