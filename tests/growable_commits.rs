//! Commits of tables: which rows are there after the machine has stopped.
//!
//! A copy of a file is opened as the file itself is after a reboot: nothing of its control words is believed. So copies
//! show here what is found then; what a disk may have in the middle of a commit is shown by `power.rs`.

#[path = "support/place.rs"]
mod place;

use ndarray::{Array1, Ix1};
use place::{Outcome, Place, refusal};
use sharray::{Directory, Error, GrowableArray, GrowableBuilder};
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

type Log = GrowableArray<u64, Ix1>;

/// Where the superblocks stand, and what is in them: docs/format.md.
const SUPERBLOCKS: [usize; 2] = [8192, 12288];
const COMMIT_NO: usize = 24;
const SEQ: usize = 32;
const SLOT: usize = 40;
const LEN: usize = 48;
const SHAPE: usize = 96;
const CRC: usize = 4092;
const MAX_LEN: usize = 10_000;

fn logs(place: &Directory) -> GrowableBuilder<Log> {
    Log::builder().directory(place).max_len(MAX_LEN).participants(4)
}

fn rows(range: Range<u64>) -> Array1<u64> {
    range.map(|row| row * 1000 + 7).collect()
}

/// How many rows a table has, which must be what they were appended as.
fn len(place: &Directory, name: &str) -> Result<u64, Box<dyn std::error::Error>> {
    let log = logs(place).attach(name)?;
    assert_eq!(log.view()?, rows(0..log.len() as u64));
    assert_eq!(log.committed(), log.len(), "what was found is what is durable");
    Ok(log.len() as u64)
}

/// A folder on a disk, if this machine has one.
fn on_disk() -> Result<Option<Place>, Box<dyn std::error::Error>> {
    let place = Place::within(PathBuf::from(env!("CARGO_TARGET_TMPDIR")))?;
    let kind = nix::sys::statfs::statfs(place.path())?.filesystem_type();
    let is_memory = kind == nix::sys::statfs::TMPFS_MAGIC;
    if is_memory {
        eprintln!("not tried: the folder of the build is in memory");
    }
    Ok((!is_memory).then_some(place))
}

/// The rows that were committed are there, and the table goes on after them. Those that were appended later are gone, though
/// their bytes are in the file.
#[test]
fn a_commit_outlives_the_machine() -> Outcome {
    let place = Place::new()?;
    let log = logs(&place).create("a", [0])?;
    assert_eq!((log.commit()?, log.committed()), (0, 0));
    fs::copy(place.file("a"), place.file("empty"))?;
    assert_eq!(len(&place, "empty")?, 0);
    log.append(&rows(0..3))?;
    fs::copy(place.file("a"), place.file("never"))?;
    assert_eq!(len(&place, "never")?, 0, "nothing was committed");
    assert_eq!((log.commit()?, log.commit()?), (3, 3));
    assert_eq!(place.inspect("a")?.committed, 3);
    log.append(&rows(3..5))?;
    assert_eq!((log.len(), log.committed()), (5, 3));
    fs::copy(place.file("a"), place.file("b"))?;
    assert_eq!(place.inspect("b")?.shape, [0], "before anybody has opened it");
    assert_eq!(len(&place, "b")?, 3);

    let heir = logs(&place).attach("b")?;
    assert_eq!(heir.append(&rows(3..9000))?, 3..9000);
    assert_eq!(heir.commit()?, 9000);
    fs::copy(place.file("b"), place.file("c"))?;
    assert_eq!(len(&place, "c")?, 9000);
    Ok(())
}

/// Commits take turns at the two superblocks, whoever makes them: after each the newest is found.
#[test]
fn every_commit_is_found() -> Outcome {
    let place = Place::new()?;
    let logs: [Log; 2] = [logs(&place).create("a", [0])?, logs(&place).attach("a")?];
    let mut committed = 0;
    for round in 0..20_u64 {
        logs[(round % 3 / 2) as usize].append(&rows(round * 7..round * 7 + 7))?;
        if round % 2 == 0 {
            committed = logs[(round / 2 % 2) as usize].commit()? as u64;
            assert_eq!(committed, round * 7 + 7);
        }
        fs::copy(place.file("a"), place.file("copy"))?;
        assert_eq!(len(&place, "copy")?, committed);
        fs::remove_file(place.file("copy"))?;
    }
    Ok(())
}

/// The last one to leave a table on a disk commits it, whoever appended; rows that it was created with are durable at once. In
/// memory there is nobody to do it for.
#[test]
fn the_last_one_commits() -> Outcome {
    let memory = Place::new()?;
    if memory.path().starts_with("/dev/shm") {
        drop(logs(&memory).create_from("a", &rows(0..3))?);
        assert_eq!(memory.inspect("a")?.committed, 0);
    }
    let Some(place) = on_disk()? else { return Ok(()) };
    let log = logs(&place).create_from("a", &rows(0..3))?;
    assert_eq!((log.committed(), place.inspect("a")?.committed), (3, 3));
    let reader = logs(&place).attach("a")?;
    log.append(&rows(3..5))?;
    drop(log);
    assert_eq!(reader.committed(), 3, "it was not the last one");
    drop(reader);
    assert_eq!(place.inspect("a")?.committed, 5);
    fs::copy(place.file("a"), place.file("b"))?;
    assert_eq!(len(&place, "b")?, 5);
    Ok(())
}

/// An onlooker writes nothing, and so commits nothing.
#[test]
fn an_onlooker_cannot_commit() -> Outcome {
    let place = Place::new()?;
    let _log = logs(&place).create_from("a", &rows(0..3))?;
    let error = refusal(logs(&place).read_only().attach("a")?.commit());
    assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
    Ok(())
}

/// Three rows were committed, then five, and then the file was changed as a disk or an enemy may do it.
fn damaged(place: &Place, damage: impl FnOnce(&mut Vec<u8>, usize)) -> Outcome {
    let log = logs(place).create_from("a", &rows(0..3))?;
    log.commit()?;
    log.append(&rows(3..5))?;
    log.commit()?;
    drop(log);
    let mut bytes = fs::read(place.file("a"))?;
    let newer = *SUPERBLOCKS.iter().max_by_key(|at| number(&bytes, **at + COMMIT_NO)).ok_or("there are two")?;
    assert_eq!((number(&bytes, newer + SEQ), number(&bytes, newer + LEN)), (5, 5));
    damage(&mut bytes, newer);
    Ok(fs::write(place.file("b"), bytes)?)
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn set(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// Says the checksum of a superblock that was changed.
fn seal(bytes: &mut [u8], start: usize) {
    let crc = crc32c::crc32c(&bytes[start..start + CRC]);
    bytes[start + CRC..start + CRC + 4].copy_from_slice(&crc.to_le_bytes());
}

/// A superblock that is torn is passed over for the other one, and is gone then.
#[test]
fn the_other_superblock_is_there() -> Outcome {
    let place = Place::new()?;
    damaged(&place, |bytes, newer| bytes[newer + 512..newer + 1024].fill(1))?;
    assert_eq!(len(&place, "b")?, 3);
    let bytes = fs::read(place.file("b"))?;
    assert_eq!(SUPERBLOCKS.iter().filter(|at| number(&bytes, **at) != 0).count(), 1, "superblocks that are left");
    let log = logs(&place).attach("b")?;
    log.append(&rows(3..4))?;
    assert_eq!(log.commit()?, 4);
    fs::copy(place.file("b"), place.file("c"))?;
    assert_eq!(len(&place, "c")?, 4);
    Ok(())
}

/// A superblock is not believed more than it can be: whoever writes the checksum can write anything.
#[test]
fn a_hostile_superblock_counts_no_rows() -> Outcome {
    let lies: [(usize, u64); 9] = [
        (COMMIT_NO, u64::MAX),
        (SEQ, 0),
        (SEQ, 4),
        (SEQ, 1 << 48),
        (SLOT, 1),
        (LEN, 4),
        (LEN, u64::MAX),
        (SHAPE, 4),
        (SHAPE + 8, 1),
    ];
    for (field, value) in lies {
        let place = Place::new()?;
        damaged(&place, |bytes, newer| {
            set(bytes, newer + field, value);
            seal(bytes, newer);
        })?;
        assert_eq!(len(&place, "b")?, 3, "{value} at {field}");
    }
    // All of it agrees, and is more than there can be.
    let place = Place::new()?;
    damaged(&place, |bytes, newer| {
        for field in [SEQ, LEN, SHAPE] {
            set(bytes, newer + field, MAX_LEN as u64 + 1);
        }
        seal(bytes, newer);
    })?;
    assert_eq!(len(&place, "b")?, 3);
    Ok(())
}
