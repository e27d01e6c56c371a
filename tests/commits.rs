//! Commits: what a stream is after the machine has stopped, and what an array in place is then.
//!
//! A copy of a file is opened as the file itself is after a reboot: nothing of its control words is believed. So copies
//! show here what is found then; what a disk may have in the middle of a commit is shown by `power.rs`.

#![allow(unsafe_code, reason = "a filter for system calls lets a sync fail")]

#[path = "support/place.rs"]
mod place;

use ndarray::{Array1, Ix1};
use place::{Outcome, Place, in_child, is_child, refusal, run};
use sharray::{Directory, Error, Publisher, PublisherBuilder, SharedArray, Subscriber};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

type Writer = Publisher<u64, Ix1>;

/// Where the superblocks stand, and what is in them: docs/format.md.
const SUPERBLOCKS: [usize; 2] = [8192, 12288];
const COMMIT_NO: usize = 24;
const SEQ: usize = 32;
const SLOT: usize = 40;
const LEN: usize = 48;
const SHAPE: usize = 96;
const CRC: usize = 4092;

fn writers(place: &Directory) -> PublisherBuilder<Writer> {
    Writer::builder().directory(place).history(2).slots(4).participants(4)
}

fn contents(sequence: u64) -> Array1<u64> {
    Array1::from_iter((0..100).map(|at| sequence * 1000 + at))
}

fn publish(writer: &mut Writer) -> sharray::Result<u64> {
    let mut loan = writer.loan()?;
    let sequence = loan.sequence();
    loan.view_mut().assign(&contents(sequence));
    loan.set_tags([sequence, 7]);
    loan.set_time(UNIX_EPOCH + Duration::from_secs(sequence));
    Ok(loan.publish())
}

/// The newest frame of a stream, checked; 0 if it has none.
fn newest(place: &Directory, name: &str) -> Result<u64, Box<dyn std::error::Error>> {
    let reader = Subscriber::<u64, Ix1>::builder().directory(place).attach(name)?;
    let Some(frame) = reader.latest()? else { return Ok(0) };
    assert_eq!(frame.view(), contents(frame.sequence()));
    assert_eq!(frame.tags(), [frame.sequence(), 7]);
    assert_eq!(frame.time(), UNIX_EPOCH + Duration::from_secs(frame.sequence()));
    Ok(frame.sequence())
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

/// What was committed is there, whole, with all that was said of it, and the stream goes on after it. What was published
/// later is gone, though its bytes are in the file.
#[test]
fn a_commit_outlives_the_machine() -> Outcome {
    let place = Place::new()?;
    let mut writer = writers(&place).create("a", [100])?;
    assert_eq!(writer.commit()?, 0, "nothing was published");
    for _ in 0..3 {
        publish(&mut writer)?;
    }
    assert_eq!((writer.commit()?, writer.commit()?), (3, 3));
    assert_eq!(place.inspect("a")?.committed, 3);
    publish(&mut writer)?;
    fs::copy(place.file("a"), place.file("b"))?;
    assert_eq!(newest(&place, "b")?, 3);
    assert_eq!((place.inspect("b")?.committed, place.inspect("b")?.is_closed), (3, true));

    let mut heir = writers(&place).attach("b")?;
    assert_eq!(heir.sequence(), 3);
    let mut late = Subscriber::<u64, Ix1>::builder().directory(&place).lossless().from_oldest().attach("b")?;
    assert_eq!(late.try_recv()?.map(|frame| frame.sequence()), Some(3));
    assert_eq!(publish(&mut heir)?, 4);
    assert_eq!(late.try_recv()?.map(|frame| frame.sequence()), Some(4));
    assert_eq!(heir.commit()?, 4);
    fs::copy(place.file("b"), place.file("c"))?;
    assert_eq!(newest(&place, "c")?, 4);
    Ok(())
}

/// The slot of a frame that was committed is not taken, however many are published after it, or who publishes them.
#[test]
fn what_is_durable_is_not_overwritten() -> Outcome {
    let place = Place::new()?;
    let mut writer = writers(&place).create("a", [100])?;
    for round in 1..6_u64 {
        publish(&mut writer)?;
        let committed = writer.commit()?;
        for _ in 0..10 {
            publish(&mut writer)?;
            fs::copy(place.file("a"), place.file("copy"))?;
            assert_eq!(newest(&place, "copy")?, committed);
            fs::remove_file(place.file("copy"))?;
        }
        if round % 2 == 0 {
            drop(writer);
            writer = writers(&place).attach("a")?;
        }
    }
    Ok(())
}

/// Smaller frames, and frames without an item, are what they were.
#[test]
fn shapes_are_kept() -> Outcome {
    let place = Place::new()?;
    for len in [7, 0] {
        let name = format!("a{len}");
        let mut writer = writers(&place).create(&name, [100])?;
        let mut loan = writer.loan()?;
        loan.set_shape(&[len])?;
        loan.view_mut().fill(5);
        loan.publish();
        writer.commit()?;
        fs::copy(place.file(&name), place.file("copy"))?;
        let reader = Subscriber::<u64, Ix1>::builder().directory(&place).attach("copy")?;
        assert_eq!(reader.latest()?.ok_or("it is there")?.view(), Array1::from_elem(len, 5));
        drop(reader);
        fs::remove_file(place.file("copy"))?;
    }
    Ok(())
}

/// A stream that leaves no slot free for a commit would make its publisher wait for the disk.
#[test]
fn a_commit_needs_two_slots() -> Outcome {
    let place = Place::new()?;
    let mut writer = writers(&place).slots(3).create("a", [100])?;
    publish(&mut writer)?;
    let error = refusal(writer.commit());
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
    assert!(error.to_string().contains("3 slots, a commit needs 4"), "{error}");
    Ok(())
}

/// The last one to leave a stream on a disk commits it: a subscriber, if the publisher left before. In memory there is
/// nobody to do it for.
#[test]
fn the_last_one_commits() -> Outcome {
    let memory = Place::new()?;
    if memory.path().starts_with("/dev/shm") {
        let mut writer = writers(&memory).create("a", [100])?;
        publish(&mut writer)?;
        drop(writer);
        assert_eq!(memory.inspect("a")?.committed, 0);
    }
    let Some(place) = on_disk()? else { return Ok(()) };
    let mut writer = writers(&place).create("a", [100])?;
    publish(&mut writer)?;
    drop(writer);
    assert_eq!(place.inspect("a")?.committed, 1);

    let mut writer = writers(&place).attach("a")?;
    let reader = Subscriber::<u64, Ix1>::builder().directory(&place).attach("a")?;
    publish(&mut writer)?;
    drop(writer);
    assert_eq!(place.inspect("a")?.committed, 1, "it was not the last one");
    drop(reader);
    assert_eq!(place.inspect("a")?.committed, 2);
    fs::copy(place.file("a"), place.file("b"))?;
    assert_eq!(newest(&place, "b")?, 2);
    Ok(())
}

/// Two frames were committed, 1 and 2, and then the file was changed as a disk may do it.
fn damaged(place: &Place, damage: impl FnOnce(&mut Vec<u8>, usize)) -> Outcome {
    let mut writer = writers(place).create("a", [100])?;
    for _ in 0..2 {
        publish(&mut writer)?;
        writer.commit()?;
    }
    drop(writer);
    let mut bytes = fs::read(place.file("a"))?;
    let newer = *SUPERBLOCKS.iter().max_by_key(|at| number(&bytes, **at + COMMIT_NO)).ok_or("there are two")?;
    assert_eq!(number(&bytes, newer + SEQ), 2);
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

/// A superblock that is torn, or whose frame is not what it says, is passed over for the other one. It is gone then: once
/// its slot has another frame, nobody may choose it again.
#[test]
fn the_other_superblock_is_there() -> Outcome {
    type Damage = fn(&mut Vec<u8>, usize);
    let damages: [(&str, Damage); 3] = [
        ("torn", |bytes, newer| bytes[newer + 512..newer + 1024].fill(1)),
        ("another file's", |bytes, newer| {
            bytes[newer + 8] ^= 1;
            seal(bytes, newer);
        }),
        ("without its payload", |bytes, newer| {
            let (data, stride) = (number(bytes, 48), number(bytes, 56));
            let slot = number(bytes, newer + SLOT) & 0xffff;
            bytes[(data + slot * stride) as usize + 400] ^= 1;
        }),
    ];
    for (what, damage) in damages {
        let place = Place::new()?;
        damaged(&place, damage)?;
        assert_eq!(newest(&place, "b")?, 1, "{what}");
        let bytes = fs::read(place.file("b"))?;
        let left = SUPERBLOCKS.iter().filter(|at| number(&bytes, **at) != 0).count();
        assert_eq!(left, 1, "{what}: superblocks that are left");
        let mut writer = writers(&place).attach("b")?;
        assert_eq!(publish(&mut writer)?, 2);
        assert_eq!(writer.commit()?, 2);
        fs::copy(place.file("b"), place.file("c"))?;
        assert_eq!(newest(&place, "c")?, 2, "{what}");
    }
    Ok(())
}

/// A superblock is not believed more than it can be: whoever writes the checksum can write anything.
#[test]
fn a_hostile_superblock_is_no_frame() -> Outcome {
    let lies: [(usize, u64); 8] = [
        (COMMIT_NO, u64::MAX),
        (SEQ, 0),
        (SEQ, 1 << 48),
        (SLOT, 4),
        (SLOT, u64::from(u32::MAX)),
        (LEN, u64::MAX),
        (SHAPE, 101),
        (SHAPE, u64::MAX),
    ];
    for (field, value) in lies {
        let place = Place::new()?;
        damaged(&place, |bytes, newer| {
            set(bytes, newer + field, value);
            seal(bytes, newer);
        })?;
        assert_eq!(newest(&place, "b")?, 1, "{value} at {field}");
    }
    Ok(())
}

/// An array in place that was found is said to be: nobody knows what the machine did with it. One that was made is not.
#[test]
fn an_array_in_place_is_as_it_is_found() -> Outcome {
    let place = Place::new()?;
    let arrays = || SharedArray::<u64, Ix1>::builder().directory(&place);
    let array = arrays().create_from("a", &contents(1))?;
    array.flush()?;
    assert!(!array.is_unverified());
    fs::copy(place.file("a"), place.file("b"))?;
    for _ in 0..2 {
        let copy = arrays().attach("b")?;
        assert!(copy.is_unverified() && !array.is_unverified());
        assert_eq!(copy.snapshot()?, contents(1));
    }
    Ok(())
}

/// Where [`syncs_fail`] finds the stream.
const FOLDER: &str = "SHARRAY_TEST_FOLDER";

/// A sync that failed is not tried again, by anyone: the second attempt would be called a success, and the bytes would not
/// be on the disk. A copy of the file is another one.
#[test]
fn a_failed_sync_is_for_good() -> Outcome {
    let place = Place::new()?;
    let mut writer = writers(&place).create("a", [100])?;
    publish(&mut writer)?;
    writer.commit()?;
    publish(&mut writer)?;
    drop(writer);
    let array = SharedArray::<u64, Ix1>::builder().directory(&place).create_from("array", &contents(1))?;
    run(in_child("syncs_fail")?.env(FOLDER, place.path()))?;

    // Here they succeed.
    let mut writer = writers(&place).attach("a")?;
    assert!(matches!(refusal(writer.commit()), Error::DurabilityLost { .. }));
    publish(&mut writer)?;
    let error = refusal(writer.commit());
    assert!(matches!(error, Error::DurabilityLost { .. }) && error.to_string().contains("\"a\""), "{error}");
    assert_eq!(place.inspect("a")?.committed, 1);
    assert!(matches!(refusal(array.flush()), Error::DurabilityLost { .. }));

    fs::copy(place.file("a"), place.file("b"))?;
    assert_eq!(newest(&place, "b")?, 1);
    let mut writer = writers(&place).attach("b")?;
    publish(&mut writer)?;
    assert_eq!(writer.commit()?, 2);
    Ok(())
}

#[test]
#[ignore = "a part of a_failed_sync_is_for_good"]
fn syncs_fail() -> Outcome {
    if !is_child() {
        return Ok(());
    }
    let place = Directory::open(Path::new(&std::env::var_os(FOLDER).ok_or("which folder?")?))?;
    let mut writer = writers(&place).attach("a")?;
    let array = SharedArray::<u64, Ix1>::builder().directory(&place).attach("array")?;
    let_sync_fail()?;
    for call in [writer.commit().map(drop), array.flush()] {
        let error = refusal(call);
        assert!(matches!(&error, Error::Io { source, .. } if source.raw_os_error() == Some(libc::EIO)), "{error}");
    }
    assert!(matches!(refusal(writer.commit()), Error::DurabilityLost { .. }));
    assert!(matches!(refusal(array.flush()), Error::DurabilityLost { .. }));
    Ok(())
}

/// From now on `msync` answers EIO in this process, for ever.
fn let_sync_fail() -> Outcome {
    let code = |class: u32, jt, jf, k| libc::sock_filter { code: class as u16, jt, jf, k };
    let mut filter = [
        code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_msync as u32),
        code(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EIO as u32),
        code(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: it only forbids this process to gain privileges.
    let first = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    // SAFETY: the program is valid while the kernel copies it. It applies to all threads by the flag.
    let second = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const program,
        )
    };
    if first != 0 || second != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(())
}
