//! The file format: docs/format.md tells what the library does, and golden files are still read and still written.

#[path = "support/bytes.rs"]
mod bytes;
#[path = "support/place.rs"]
mod place;

use bytes::{offset, region};
use place::{Outcome, Place, refusal};
use sharray::{AnyGrowable, AnyPublisher, AnySubscriber, DType, Error, Kind, Order, Team};
use std::fs;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1").join(name)
}

/// The streams among the golden files: dtype, shape, order. Each has three slots, two of them published.
const STREAMS: &[(&str, &str, &[usize], Order)] = &[
    ("stream-c", "<f4", &[2, 3], Order::C),
    ("stream-fortran", "<f4", &[2, 3], Order::Fortran),
    ("stream-structured", "[('x', '<f4'), ('y', '<f8', (2,)), ('name', '|S3')]", &[2], Order::C),
    ("stream-scalar", "<i8", &[], Order::C),
    ("stream-empty", "<f4", &[3, 0], Order::C),
    ("stream-unpadded", "<f8", &[4, 4], Order::C),
    ("stream-unpadded-fortran", "<f8", &[2, 8], Order::Fortran),
    ("stream-big-endian", ">i4", &[5], Order::C),
    ("stream-bfloat16", "bfloat16", &[4], Order::C),
    ("stream-datetime", "<M8[ns]", &[3], Order::C),
    ("stream-text", "<U5", &[2], Order::C),
    ("stream-bool", "|b1", &[7], Order::Fortran),
];

/// The bytes of a frame: no byte is like its neighbours.
fn pattern(sequence: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|at| ((at * 7 + sequence * 31 + 3) % 251) as u8).collect()
}

/// Makes the stream of which a golden file exists, closes it, and returns its bytes.
fn make(
    place: &Place,
    name: &str,
    descr: &str,
    shape: &[usize],
    order: Order,
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let builder = AnyPublisher::builder().directory(place).history(2).slots(3).participants(4).order(order);
    let mut publisher = builder.attribute("unit", "mm").create(name, &DType::parse(descr)?, shape)?;
    for sequence in 1..=2 {
        let mut loan = publisher.loan()?;
        let len = loan.bytes().len();
        loan.bytes_mut().copy_from_slice(&pattern(sequence, len));
        loan.set_tags([sequence, 7]);
        loan.publish();
    }
    drop(publisher);
    Ok(fs::read(place.file(name))?)
}

/// docs/format.md shows the table that the library prints from the records that it uses.
#[test]
fn the_document_shows_the_librarys_table() -> Outcome {
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/format.md"))?;
    let (_, rest) = document.split_once("<!-- layout -->\n").ok_or("the document has a table")?;
    let (table, _) = rest.split_once("<!-- /layout -->").ok_or("the table has an end")?;
    assert_eq!(table.trim(), sharray::format_table().trim());
    Ok(())
}

/// The same input gives the same bytes as when the format was fixed, but for what no two files share: uuid, time of
/// creation and checksum over them, stamps of boot and inode, pids and times. Two counters in the control page only
/// say how often something changed.
#[test]
fn todays_streams_are_the_golden_ones() -> Outcome {
    let place = Place::new()?;
    for (name, descr, shape, order) in STREAMS {
        let mut made = make(&place, name, descr, shape, *order)?;
        if std::env::var_os("SHARRAY_WRITE_GOLDEN").is_some() && !golden(name).exists() {
            fs::write(golden(name), &made)?;
        }
        let mut golden = fs::read(golden(name))?;
        for bytes in [&mut golden, &mut made] {
            mask(bytes, shape.len());
        }
        let first = golden.iter().zip(&made).position(|(one, other)| one != other);
        assert!(golden == made, "{name} differs first at byte {first:?}");
    }
    Ok(())
}

/// A team of two, one of whom was here and left: the other one is told so.
#[test]
fn todays_team_is_the_golden_one() -> Outcome {
    let place = Place::new()?;
    drop(Team::builder().directory(&place).join("team", 1, 2)?);
    let mut made = fs::read(place.file("team"))?;
    if std::env::var_os("SHARRAY_WRITE_GOLDEN").is_some() && !golden("team").exists() {
        fs::write(golden("team"), &made)?;
    }
    let mut golden_team = fs::read(golden("team"))?;
    for bytes in [&mut golden_team, &mut made] {
        mask(bytes, 1);
    }
    let first = golden_team.iter().zip(&made).position(|(one, other)| one != other);
    assert!(golden_team == made, "it differs first at byte {first:?}");
    Ok(())
}

/// A copy of the golden team is opened cold: nobody has been here.
#[test]
fn a_golden_team_is_joined_cold() -> Outcome {
    let place = Place::new()?;
    bytes::write(&place.file("team"), &fs::read(golden("team"))?)?;
    let team = Team::builder().directory(&place).join("team", 0, 2)?;
    assert_eq!((team.is_broken(), place.inspect("team")?.sequence), (false, 0));
    Ok(())
}

fn mask(bytes: &mut [u8], ndim: usize) {
    let mut blank = |at: usize, len: usize| bytes[at..at + len].fill(0);
    for (field, len) in [("uuid", 16), ("created_ns", 8), ("crc", 4)] {
        blank(offset("Identity", field), len);
    }
    for (field, len) in [("boot_id", 16), ("ino", 8), ("dev", 8), ("notify", 4), ("room", 4)] {
        blank(offset("Control", field), len);
    }
    for participant in 0..4 {
        for field in ["pid", "pid_namespace", "start_time", "attached_ns"] {
            blank(16_384 + 128 * participant + offset("Participant", field), 8);
        }
    }
    let headers = region(bytes, "slot_headers");
    let stride = (64 + 8 * ndim).next_multiple_of(128);
    for at in headers.step_by(stride) {
        for field in ["monotonic_ns", "time_ns"] {
            let at = at + offset("Slot header", field);
            bytes[at..at + 8].fill(0);
        }
    }
}

/// A table with three rows, of which two are durable: (name, dtype, rows' shape).
const TABLES: &[(&str, &str, &[usize])] =
    &[("table", "<i4", &[2]), ("table-structured", "[('time', '<f8'), ('name', '|S3')]", &[])];

fn make_table(place: &Place, name: &str, descr: &str, row: &[usize]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let builder = AnyGrowable::builder().directory(place).participants(4).max_len(10).attribute("unit", "mm");
    let table = builder.create(name, &DType::parse(descr)?, &[&[0], row].concat())?;
    for (number, count) in [(1, 2), (2, 1)] {
        table.append_with(count, None, |bytes| {
            bytes.copy_from_slice(&pattern(number, bytes.len()));
            Ok::<_, Error>(())
        })?;
        if number == 1 {
            table.commit()?;
        }
    }
    drop(table);
    Ok(fs::read(place.file(name))?)
}

/// The same for tables; those that are kept have their two durable rows still.
#[test]
fn tables_are_the_golden_ones() -> Outcome {
    let place = Place::new()?;
    for (name, descr, row) in TABLES {
        let mut made = make_table(&place, name, descr, row)?;
        if std::env::var_os("SHARRAY_WRITE_GOLDEN").is_some() && !golden(name).exists() {
            fs::write(golden(name), &made)?;
        }
        let whole = fs::read(golden(name))?;
        let mut golden = whole.clone();
        for bytes in [&mut golden, &mut made] {
            mask(bytes, 0);
            // What of the superblock is another file's: its uuid, and the checksum over it.
            bytes[8192 + 8..8192 + 24].fill(0);
            bytes[8192 + 4092..8192 + 4096].fill(0);
        }
        let first = golden.iter().zip(&made).position(|(one, other)| one != other);
        assert!(golden == made, "{name} differs first at byte {first:?}");

        place.unlink(name)?;
        bytes::write(&place.file(name), &whole)?;
        let onlooker = AnyGrowable::builder().directory(&place).read_only();
        let error = refusal(onlooker.attach(name));
        assert!(matches!(error, Error::NeedsRecovery { .. }), "{error}");
        let table = AnyGrowable::builder().directory(&place).attach(name)?;
        let len = 2 * table.row_bytes();
        assert_eq!((table.len(), table.committed(), table.max_len(), table.row_shape()), (2, 2, 10, *row));
        assert_eq!(table.bytes(0..2)?, pattern(1, len), "{name}");
        assert_eq!(table.append_with(1, None, |_| Ok::<_, Error>(()))?, 2..3);
    }
    Ok(())
}

/// Golden files are told by `inspect` as what they are, straight from where they stand.
#[test]
fn golden_files_are_told() -> Outcome {
    let directory = sharray::Directory::open_trusting_others(golden(""))?;
    for (name, descr, shape, order) in STREAMS {
        let info = directory.inspect(name)?;
        assert_eq!(
            (info.kind, info.dtype, &info.shape[..], info.order),
            (Kind::Stream, DType::parse(descr)?, *shape, *order)
        );
        assert_eq!((info.slots, info.history, info.attributes["unit"].as_str()), (3, 2, Some("mm")));
        // Words of another boot are worth nothing.
        assert_eq!((info.sequence, info.participants.len(), info.is_closed), (0, 0, false));
    }
    for (name, kind, dtype, shape) in [
        ("in-place-c", Kind::InPlace, "<f4", &[2, 3][..]),
        ("in-place-fortran", Kind::InPlace, "<f8", &[2, 3]),
        ("in-place-structured", Kind::InPlace, "[('x', '<f4'), ('', '|V4'), ('y', '<f8', (2,))]", &[3]),
        ("in-place-scalar", Kind::InPlace, "<c16", &[]),
        ("in-place-empty", Kind::InPlace, "<f4", &[0, 3]),
        ("cell", Kind::Cell, "[('x', '<f8'), ('y', '<f8')]", &[]),
        // How many rows there are is told by words of another boot.
        ("growable", Kind::Growable, "<i4", &[0, 2]),
        ("team", Kind::Team, "<u1", &[32_768]),
    ] {
        let info = directory.inspect(name)?;
        assert_eq!((info.kind, info.dtype, &info.shape[..]), (kind, DType::parse(dtype)?, shape), "{name}");
    }
    Ok(())
}

/// A copy of a golden stream is opened cold: it is empty and closed, a successor can publish, and the payload is found
/// through the .npy stream at its end, before and after.
#[test]
fn golden_streams_are_opened_cold() -> Outcome {
    let place = Place::new()?;
    for (name, descr, shape, order) in STREAMS {
        let whole = fs::read(golden(name))?;
        bytes::write(&place.file(name), &whole)?;
        let onlooker = AnySubscriber::builder().directory(&place).read_only();
        let error = refusal(onlooker.attach(name));
        assert!(matches!(error, Error::NeedsRecovery { .. }), "{error}");

        let mut subscriber = AnySubscriber::builder().directory(&place).from_oldest().attach(name)?;
        assert_eq!((subscriber.dtype(), subscriber.shape()), (&DType::parse(descr)?, *shape));
        assert!(subscriber.latest()?.is_none() && subscriber.recv()?.is_none());
        let payload = bytes::data_off(&whole);
        assert!(fs::read(place.file(name))?[payload..] == whole[payload..], "{name}");
        // Both frames are in the payload, whichever slots they are in.
        let len = shape.iter().product::<usize>() * subscriber.dtype().itemsize();
        let slots = whole[payload..].chunks((whole.len() - payload).max(3) / 3);
        for sequence in 1..=2 {
            let is_there = len == 0 || slots.clone().any(|slot| slot[..len] == pattern(sequence, len));
            assert!(is_there, "{name}: frame {sequence}");
        }
        let mut successor = AnyPublisher::builder().directory(&place).order(*order).attach(name)?;
        assert_eq!(successor.loan()?.publish(), 1);
        let frame = subscriber.recv_timeout(place::PATIENCE)?.ok_or("a frame was published")?;
        assert_eq!((frame.sequence(), frame.missed(), frame.bytes().len()), (1, 0, len));
        assert!(onlooker.attach(name)?.latest()?.is_some());
    }
    Ok(())
}
