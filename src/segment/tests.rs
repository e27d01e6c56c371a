//! Files of every kind against the golden files of version 1, and against sizes that no machine has.
//!
//! tests/golden/v1 holds a file of each kind and, beside it, what its identity says in words. Both were written by the
//! version of this library that fixed the format, and are never written again. With `SHARRAY_WRITE_GOLDEN=1` those that
//! are missing are made, and the others left alone: `cargo test --test format golden`, then
//! `cargo test --lib golden_files -- --test-threads=1`.

use super::*;
use crate::attachment::Attachment;
use crate::layout::{Superblock, flags};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

fn may_write() -> bool {
    std::env::var_os("SHARRAY_WRITE_GOLDEN").is_some()
}

fn spec(kind: Kind, descr: &str, shape: &[usize], order: Order) -> Result<Spec> {
    let form = Form { kind, dtype: DType::parse(descr)?, shape: shape.to_vec(), order };
    let (slots, ring, participants, blocks) = (1, 0, 4, 1);
    Ok(Spec { form, flags: 0, slots, ring, participants, blocks, huge_pages: false, attributes: Attributes::new() })
}

/// What streams cannot show: the other kinds, and arrays in a single slot.
fn specs() -> Result<Vec<(&'static str, Spec)>> {
    let in_place = |descr, shape: &[usize], order| spec(Kind::InPlace, descr, shape, order);
    let mut described = in_place("<f8", &[2], Order::C)?;
    described.attributes.insert("unit".to_owned(), "mm".into());
    Ok(vec![
        ("in-place-c", in_place("<f4", &[2, 3], Order::C)?),
        ("in-place-fortran", in_place("<f8", &[2, 3], Order::Fortran)?),
        ("in-place-structured", in_place("[('x', '<f4'), ('', '|V4'), ('y', '<f8', (2,))]", &[3], Order::C)?),
        ("in-place-scalar", in_place("<c16", &[], Order::C)?),
        ("in-place-empty", in_place("<f4", &[0, 3], Order::C)?),
        ("in-place-blocks", Spec { blocks: 3, ..in_place("|u1", &[6], Order::C)? }),
        ("in-place-durable", Spec { flags: flags::DURABLE, ..in_place("<i8", &[5], Order::C)? }),
        ("in-place-described", described),
        ("cell", Spec { slots: 2, ..spec(Kind::Cell, "[('x', '<f8'), ('y', '<f8')]", &[], Order::C)? }),
        ("growable", Spec { flags: flags::SPARSE, ..spec(Kind::Growable, "<i4", &[16, 2], Order::C)? }),
        ("team", Spec { slots: 2, blocks: 2, ..spec(Kind::Team, "<f8", &[4], Order::C)? }),
    ])
}

/// What the payloads of golden files hold: no byte is like its neighbours.
fn pattern(slot: u32, len: u64) -> Vec<u8> {
    (0..len).map(|at| ((at * 7 + u64::from(slot) * 31 + 3) % 251) as u8).collect()
}

fn write(file: &File, spec: &Spec) -> Result<()> {
    let segment = Segment::create("golden", file, spec)?;
    for slot in 0..spec.slots {
        let at = segment.identity.data_off + u64::from(slot) * segment.identity.slot_stride;
        file.write_all_at(&pattern(slot, segment.size_bytes), at)
            .map_err(|error| Error::io("write", "golden", error))?;
    }
    Ok(())
}

/// Everything that never changes, one line a field.
fn describe(file: &File, segment: &Segment) -> std::io::Result<String> {
    let Identity { magic, version, byte_order, header_len, file_len, uuid, data_off, slot_stride, .. } =
        segment.identity;
    let Identity { nslots, ring, nparts, nblocks, kind, flags, .. } = segment.identity;
    let Identity { blocks, ring_words, slot_headers, attributes, preamble, .. } = segment.identity;
    let Identity { max_bytes, created_ns, .. } = segment.identity;
    let mut page: IdentityPage = bytemuck::Zeroable::zeroed();
    file.read_exact_at(bytemuck::bytes_of_mut(&mut page), 0)?;
    let IdentityPage { text_crc, crc, .. } = page;
    let Form { dtype, shape, order, .. } = &segment.form;
    let mut text = String::new();
    macro_rules! lines {
        ($($name:literal: $value:expr),* $(,)?) => { $( _ = writeln!(text, "{} {}", $name, $value); )* };
    }
    lines! {
        "magic": format!("{magic:?}"), "version": version, "byte_order": format!("{byte_order:#x}"),
        "header_len": header_len, "file_len": file_len, "uuid": format!("{:032x}", u128::from_be_bytes(uuid)),
        "data_off": data_off, "slot_stride": slot_stride, "nslots": nslots, "ring": ring, "nparts": nparts,
        "nblocks": nblocks, "kind": kind, "flags": flags, "blocks": format!("{blocks:?}"),
        "ring_words": format!("{ring_words:?}"), "slot_headers": format!("{slot_headers:?}"),
        "attributes": format!("{attributes:?}"), "preamble": format!("{preamble:?}"), "max_bytes": max_bytes,
        "created_ns": created_ns, "text_crc": format!("{text_crc:#010x}"), "crc": format!("{crc:#010x}"),
        "dtype": dtype.descr(), "shape": format!("{shape:?}"), "order": format!("{order:?}"),
        "json": serde_json::Value::Object(segment.attributes.clone()),
    }
    Ok(text)
}

fn golden_files() -> std::io::Result<Vec<PathBuf>> {
    let mut paths: Vec<_> =
        fs::read_dir(folder())?.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.extension().is_none());
    paths.sort();
    Ok(paths)
}

/// Files of today's writer and the golden files of the same input are the same, but for what no two files share.
#[test]
fn golden_files_are_what_is_written_today() -> Outcome {
    for (name, spec) in specs()? {
        let mut made = tempfile::tempfile()?;
        write(&made, &spec)?;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut made, &mut bytes)?;
        let path = folder().join(name);
        if may_write() && !path.exists() {
            File::create_new(&path)?.write_all(&bytes)?;
        }
        let mut golden = fs::read(&path)?;
        for bytes in [&mut golden, &mut bytes] {
            let stamps = CONTROL_OFF as usize + offset_of!(Control, boot_id);
            for (at, len) in [
                (offset_of!(Identity, uuid), 16),
                (offset_of!(Identity, created_ns), 8),
                (offset_of!(IdentityPage, crc), 4),
                (stamps, 32),
            ] {
                bytes[at..at + len].fill(0);
            }
        }
        assert!(
            golden == bytes,
            "{name} differs first at byte {:?}",
            golden.iter().zip(&bytes).position(|(a, b)| a != b)
        );
    }
    Ok(())
}

/// Golden files of all kinds are opened, and their identity is what it was when they were written, field by field.
#[test]
fn golden_files_say_what_they_said() -> Outcome {
    let paths = golden_files()?;
    assert!(paths.len() > 20, "{paths:?}");
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("a name in UTF-8")?;
        let file = File::open(&path)?;
        let segment = Segment::open(name, &file, false)?;
        let told = path.with_extension("txt");
        if may_write() && !told.exists() {
            fs::write(&told, describe(&file, &segment)?)?;
        }
        assert_eq!(describe(&file, &segment)?, fs::read_to_string(&told)?, "{name}");
    }
    Ok(())
}

/// A copy of a golden file is attached as after a reboot, and its payload stays as it is. A reader that may not write
/// asks for someone who may.
#[test]
fn golden_files_are_attached_and_keep_their_payload() -> Outcome {
    for path in golden_files()? {
        let name = path.display().to_string();
        let golden = fs::read(&path)?;
        let mut copy = tempfile::tempfile()?;
        copy.write_all(&golden)?;
        let refused = Attachment::join(Segment::open(&name, &copy, false)?);
        assert!(matches!(refused, Err(Error::NeedsRecovery { .. })), "{name}: {refused:?}");
        drop(Attachment::join(Segment::open(&name, &copy, true)?)?);
        let segment = Segment::open(&name, &copy, false)?;
        assert!(segment.is_current(), "{name}");
        for slot in 0..segment.identity.nslots {
            let payload = segment.copy_payload(slot, segment.size_bytes, &|| true).ok_or("the slot is there")?;
            let payload = &payload.bytes()[..segment.size_bytes as usize];
            let at = (segment.identity.data_off + u64::from(slot) * segment.identity.slot_stride) as usize;
            assert_eq!(payload, &golden[at..at + payload.len()], "{name}, slot {slot}");
            if specs()?.iter().any(|(name, _)| path.ends_with(name)) {
                assert_eq!(payload, pattern(slot, segment.size_bytes), "{name}, slot {slot}");
            }
        }
    }
    Ok(())
}

/// Between the two times that an attach opens a name, the name may come to mean another file. Locks on that would tell nobody
/// of this attach, and others would bury it alive.
#[test]
fn locks_are_those_of_the_file_that_is_mapped() -> Outcome {
    let spec = spec(Kind::InPlace, "<f8", &[4], Order::C)?;
    let (mapped, other) = (tempfile::tempfile()?, tempfile::tempfile()?);
    for file in [&mapped, &other] {
        Segment::create("field", file, &spec)?;
    }
    for second in [Some(other), None] {
        let segment = Segment::open_examined("field", &mapped, &mapped.metadata()?, true, || second)?;
        assert_eq!(segment.lock_file().metadata()?.ino(), mapped.metadata()?.ino());
        assert_eq!(segment.file().1, mapped.metadata()?.ino());
    }
    Ok(())
}

/// A copy may have holes. The first who attaches to it makes sure that every byte can be written.
#[test]
fn the_holes_of_a_copy_are_filled() -> Outcome {
    let blocks = |file: &File| file.metadata().map(|meta| meta.blocks() * 512);
    let mut large = spec(Kind::InPlace, "|u1", &[1 << 20], Order::C)?;
    for is_sparse in [false, true] {
        large.flags = if is_sparse { flags::SPARSE } else { 0 };
        let original = tempfile::tempfile()?;
        let header_len = Segment::create("original", &original, &large)?.identity.header_len;
        let copy = tempfile::tempfile()?;
        let mut header = vec![0; header_len as usize];
        original.read_exact_at(&mut header, 0)?;
        copy.write_all_at(&header, 0)?;
        copy.set_len(original.metadata()?.len())?;
        assert!(blocks(&copy)? < 1 << 20);
        drop(Attachment::join(Segment::open("copy", &copy, true)?)?);
        assert_eq!(blocks(&copy)? < 1 << 20, is_sparse);
    }
    Ok(())
}

/// A file can be longer than memory: what does not fit is an error, not the end of the process.
#[test]
fn a_copy_that_does_not_fit_is_none() -> Outcome {
    let file = tempfile::tempfile()?;
    // Of 128 TiB that a process can address, 90 are the mapping and leave no room for 45.
    let mut huge = spec(Kind::Stream, "|u1", &[45 << 40], Order::C)?;
    (huge.flags, huge.slots, huge.ring, huge.blocks) = (flags::SPARSE, 2, 2, 0);
    match Segment::create("huge", &file, &huge) {
        Ok(segment) => {
            assert!(segment.copy_payload(0, segment.size_bytes, &|| true).is_none());
            assert_eq!(
                segment.copy_payload(1, 16, &|| true).map(|copy| copy.bytes()[..16].to_vec()),
                Some(vec![0; 16])
            );
        }
        // The file system has no files so long.
        Err(Error::Io { .. }) => eprintln!("not tried: no file can be so long in {}", std::env::temp_dir().display()),
        Err(other) => return Err(other.into()),
    }
    Ok(())
}

/// Superblocks are written by durable commits alone: in a file that saw none they are zero, and take a page each. The tables saw
/// one.
#[test]
fn superblocks_are_empty_at_first() -> Outcome {
    for path in golden_files()? {
        let bytes = fs::read(&path)?;
        let pages = &bytes[2 * PAGE as usize..2 * PAGE as usize + 2 * size_of::<Superblock>()];
        let saw_none = !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("table"));
        assert_eq!(pages.iter().all(|&byte| byte == 0), saw_none, "{}", path.display());
    }
    Ok(())
}
