//! Files to begin with: those that every version is held to read, and arrays as they are left when all who use them are
//! killed at once. And the edits that the fuzzer makes in them.
#![allow(dead_code, reason = "each target uses a part of it")]

use crate::bytes::region;
use crate::place::Place;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use sharray::{AnyArray, AnyCell, AnyGrowable, AnyPublisher, AnySubscriber, DType, Order, Team};
use std::fs;
use std::ops::Range;
use std::path::Path;

type Made = std::result::Result<Vec<u8>, Box<dyn std::error::Error>>;

/// The golden files, in the order of their names.
pub(crate) fn golden() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/v1");
    let entries = fs::read_dir(folder).expect("the golden files are here").flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.extension().is_none()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("it can be read")).collect()
}

/// One of each kind, in the middle of everything.
pub(crate) fn deserted() -> Vec<Vec<u8>> {
    [stream(), array(Order::C), array(Order::Fortran), cell(), table(), team()]
        .map(|made| made.expect("room for a small file"))
        .into()
}

/// A producer that loans, three subscribers that pin, a frame that was committed.
fn stream() -> Made {
    let place = Place::new()?;
    let builder = AnyPublisher::builder().directory(&place).history(3).slots(6).participants(6).attribute("unit", "mm");
    let mut publisher = builder.create("a", &DType::I32, &[5, 3])?;
    let subscribe = || AnySubscriber::builder().directory(&place);
    let (mut lossless, mut lossy) = (subscribe().lossless().attach("a")?, subscribe().attach("a")?);
    for value in 1..=4 {
        let mut loan = publisher.loan()?;
        if value == 4 {
            loan.set_shape(&[2, 2])?;
        }
        loan.bytes_mut().fill(value);
        loan.publish();
        if value == 2 {
            publisher.commit()?;
            lossless.recv()?;
        }
    }
    let _held = (lossless.recv()?, lossy.try_recv(), subscribe().attach("a")?.latest()?);
    let _loan = publisher.loan_timeout(std::time::Duration::ZERO);
    Ok(fs::read(place.file("a"))?)
}

/// Four processes: one in the middle of a write, one with a block, readers of a block and of the whole.
fn array(order: Order) -> Made {
    let place = Place::new()?;
    let field = || AnyArray::builder().directory(&place).participants(5);
    let ours = field().blocks(3).order(order).create("a", &DType::I32, &[6, 3])?;
    let (theirs, others) = (field().attach("a")?, field().attach("a")?);
    let _first = theirs.write_owned(0..1, None)?;
    let _second = others.read_owned(1..2, None)?;
    let _last = ours.write_owned(2..3, None)?;
    Ok(fs::read(place.file("a"))?)
}

fn cell() -> Made {
    let place = Place::new()?;
    let cell = AnyCell::builder().directory(&place).participants(5).create("a", &DType::I32, &[5], &[1; 20])?;
    let mut writer = cell.writer_owned(None)?;
    writer.store(&[2; 20])?;
    Ok(fs::read(place.file("a"))?)
}

/// Two rows that were committed, a third, and somebody in the middle of the next.
fn table() -> Made {
    let place = Place::new()?;
    let table =
        AnyGrowable::builder().directory(&place).participants(5).max_len(50).create("a", &DType::I32, &[0, 3])?;
    let append = |count: usize| {
        table.append_with(count, None, |bytes| {
            bytes.fill(1);
            Ok::<_, sharray::Error>(())
        })
    };
    append(2)?;
    table.commit()?;
    append(1)?;
    let mut file = Vec::new();
    table.append_with(2, None, |_| -> sharray::Result<()> {
        file = fs::read(place.file("a")).unwrap_or_default();
        Ok(())
    })?;
    Ok(file)
}

/// Two ranks of three, and the third one left.
fn team() -> Made {
    let place = Place::new()?;
    let join = |rank| Team::builder().directory(&place).join("a", rank, 3);
    let _here = (join(0)?, join(2)?);
    drop(join(1)?);
    Ok(fs::read(place.file("a"))?)
}

/// Where words stand that change while an array is used.
pub(crate) fn volatile(whole: &[u8]) -> Vec<Range<usize>> {
    // The control page up to the stamps of boot and file, which tell whether the rest counts; its bitmaps; the superblocks.
    let mut parts = vec![4096..4096 + 0x400, 4096 + 0x600..4096 + 0x700, 8192..16_384];
    let tables = ["blocks", "ring_words", "slot_headers"].map(|name| region(whole, name));
    let end = tables.iter().filter(|table| !table.is_empty()).map(|table| table.start).min().unwrap_or(whole.len());
    parts.push(16_384..end);
    parts.extend(tables);
    parts.retain(|part| !part.is_empty());
    parts
}

/// One edit of a word in one of the parts: where, and what stands there then.
pub(crate) fn word(whole: &[u8], parts: &[Range<usize>], input: &mut Unstructured<'_>) -> Result<(usize, u64)> {
    let part = input.choose(parts)?;
    // Words stand on lines, so most of a part is empty: a line and a word of it finds them sooner.
    let lines = part.len().div_ceil(128);
    let at = part.start + 128 * input.choose_index(lines)? + 4 * input.choose_index(32)?;
    let at = at.min(part.end - 8);
    let low = u64::from(input.arbitrary::<u8>()?);
    let old = crate::bytes::get64(whole, at);
    let value = match input.int_in_range(0..=9)? {
        0 => input.arbitrary()?,
        1 => low,
        2 => u64::MAX - low,
        3 => old ^ 1 << (low % 64),
        4 => old.wrapping_add(low),
        5 => old.wrapping_sub(low),
        // A descriptor, near the first and near the last; a role word; a record's state, or a cursor.
        6 => (low & 15) << 16 | low >> 4,
        7 => ((1 << 48) - 1 - (low & 15)) << 16 | low >> 4,
        8 => (low & 7) | (low >> 3 & 3) << 10 | (low >> 5) << 29,
        _ => low << 8 | 1,
    };
    Ok((at, value))
}
