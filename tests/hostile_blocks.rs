//! Locks that no writer of ours wrote: whatever stands in the words of blocks and of those who use them, every call
//! comes back with an answer or an error of its own kind. It does not panic, does not hang, and touches no byte outside
//! of the file. CI runs this file under `AddressSanitizer` too.

#[path = "support/bytes.rs"]
mod bytes;
#[path = "support/place.rs"]
mod place;

use bytes::{Dice, fix_crc, forge, get64, offset, put32, put64, region, write};
use ndarray::{Ix1, Ix2, IxDyn};
use place::{Outcome, PATIENCE, Place, Watchdog, refusal};
use sharray::{AnyArray, AnyCell, Error, Order, Result, SharedArray, SharedCell};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// What the calls below may wait.
const MOMENT: Duration = Duration::from_micros(200);
/// When a call is said to hang. The longest that any may take by itself is the ten seconds of an attach that meets a
/// file which somebody else is making valid.
const LIMIT: Duration = Duration::from_secs(25);

const ROWS: usize = 6;
const BLOCKS: usize = 3;
const PARTICIPANTS: usize = 5;
/// Where the participants' records start, how long they and the blocks' are, and where a record's own words are.
const RECORDS: usize = 16_384;
const LINE: usize = 128;
const HOLDS: usize = 64;
const PINS: usize = 80;

type Field = SharedArray<i32, Ix2>;

fn field(place: &Place) -> sharray::ArrayBuilder<Field> {
    Field::builder().directory(place).participants(PARTICIPANTS as u32)
}

/// An array while three processes were busy with it, as if all of them were killed at once: one in the middle of a write
/// of the last block, one with the first, one that reads the second block and has read the whole.
fn deserted_array(order: Order) -> std::result::Result<Vec<u8>, Box<dyn std::error::Error>> {
    let place = Place::new()?;
    let ours = field(&place).blocks(BLOCKS).order(order).create("a", [ROWS, 3])?;
    let (theirs, others) = (field(&place).attach("a")?, field(&place).attach("a")?);
    ours.write()?.fill(1);
    let _first = theirs.write_block(0)?;
    let _second = others.read_block(1)?;
    let _last = ours.write_block(2)?;
    Ok(fs::read(place.file("a"))?)
}

/// A cell whose writer was killed after three stores.
fn deserted_cell() -> std::result::Result<Vec<u8>, Box<dyn std::error::Error>> {
    let place = Place::new()?;
    let cell =
        SharedCell::<[i32; 5]>::builder().directory(&place).participants(PARTICIPANTS as u32).create("a", [1; 5])?;
    let mut writer = cell.writer()?;
    writer.store([2; 5]);
    writer.store([3; 5]);
    Ok(fs::read(place.file("a"))?)
}

/// No error comes from the system: whatever the bytes are, they were understood before it was asked for anything.
fn check<T>(result: Result<T>, label: &str) -> Option<T> {
    if let Err(error) = &result {
        let text = error.to_string();
        assert!(!matches!(error, Error::Io { .. }) && !text.contains('\n'), "{label}: {text}");
    }
    result.ok()
}

/// Does everything that can be done with a handle of an array.
fn use_array(array: &AnyArray, dog: &Watchdog, label: &str) {
    let told = |what: &str| format!("{what}, {label}");
    for span in [0..BLOCKS, 0..1, 1..2, 2..3, 1..3] {
        for timeout in [Duration::ZERO, MOMENT] {
            let lent = dog.call(|| told("read"), || array.read_blocks(span.clone(), Some(timeout)));
            if let Some(guard) = check(lent, label) {
                let view = guard.view::<i32, Ix2>().expect("it is what was attached");
                assert_eq!((view.nrows(), view.ncols()), (guard.rows().len(), 3), "{label}");
                std::hint::black_box(view.sum());
                dog.call(|| told("end a read"), || drop(guard));
            }
            let lent = dog.call(|| told("write"), || array.write_blocks(span.clone(), Some(timeout)));
            if let Some(mut guard) = check(lent, label) {
                guard.view_mut::<i32, Ix2>().expect("it is what was attached").fill(7);
                if timeout.is_zero() {
                    guard.clear_poison();
                }
                std::hint::black_box(guard.is_poisoned());
                dog.call(|| told("end a write"), || drop(guard));
            }
        }
    }
    let mut copy = vec![0; array.size_bytes()];
    check(dog.call(|| told("copy"), || array.try_read_into(&mut copy)), label);
    check(dog.call(|| told("copy in time"), || array.read_into_timeout(&mut copy, MOMENT)), label);
    let seen = dog.call(|| told("sequence"), || array.sequence());
    check(dog.call(|| told("wait"), || array.wait_changed(seen, MOMENT)), label);
    check(dog.call(|| told("flush"), || array.flush()), label);
    std::hint::black_box(array.is_retired());
}

fn use_cell(cell: &AnyCell, dog: &Watchdog, label: &str) {
    let told = |what: &str| format!("{what}, {label}");
    let mut value = [0; 20];
    check(dog.call(|| told("load"), || cell.load_into(&mut value)), label);
    check(dog.call(|| told("store"), || cell.try_store(&[9; 20])), label);
    if check(dog.call(|| told("store in time"), || cell.store_timeout(&[8; 20], MOMENT)), label).is_some() {
        check(dog.call(|| told("load"), || cell.load_into(&mut value)), label);
        assert_eq!(value, [8; 20], "{label}");
    }
    let seen = dog.call(|| told("sequence"), || cell.sequence());
    check(dog.call(|| told("wait"), || cell.wait_changed(seen, MOMENT)), label);
    if let Some(mut writer) = check(dog.call(|| told("writer"), || cell.writer_timeout(MOMENT)), label) {
        check(dog.call(|| told("store as the writer"), || writer.store(&[7; 20])), label);
    }
}

/// The same from attaching to unlinking, by two who take part and one who looks on.
fn exercise(place: &Place, dog: &Watchdog, label: &str) {
    let told = |what: &str| format!("{what}, {label}");
    check(dog.call(|| told("inspect"), || place.inspect("a")), label);
    check(dog.call(|| told("list"), || place.list()), label);
    for builder in [AnyArray::builder().read_only(), AnyArray::builder(), AnyArray::builder().read_only()] {
        let attached = dog.call(|| told("attach"), || builder.directory(place).attach("a"));
        if let Some(array) = check(attached, label) {
            use_array(&array, dog, label);
            dog.call(|| told("detach"), || drop(array));
        }
    }
    check(dog.call(|| told("collect garbage"), || place.collect_garbage()), label);
    check(dog.call(|| told("unlink"), || place.unlink("a")), label);
}

fn exercise_cell(place: &Place, dog: &Watchdog, label: &str) {
    let told = |what: &str| format!("{what}, {label}");
    check(dog.call(|| told("inspect"), || place.inspect("a")), label);
    for builder in [AnyCell::builder().read_only(), AnyCell::builder()] {
        let attached = dog.call(|| told("attach"), || builder.directory(place).attach("a"));
        if let Some(cell) = check(attached, label) {
            use_cell(&cell, dog, label);
            dog.call(|| told("detach"), || drop(cell));
        }
    }
    check(dog.call(|| told("unlink"), || place.unlink("a")), label);
}

// ---------------------------------------------------------------- the words

/// The places and sizes of all words that change while an array in place is used.
fn words(whole: &[u8]) -> Vec<(usize, usize)> {
    let mut words: Vec<_> = ["notify", "room", "retired", "prod"].map(|name| (offset("Control", name), 4)).to_vec();
    words.extend(["occupied", "intent", "head"].map(|name| (offset("Control", name), 8)));
    for record in (0..PARTICIPANTS).map(|index| RECORDS + LINE * index) {
        words.extend([(record, 8), (record + HOLDS, 4), (record + HOLDS + 4, 4), (record + HOLDS + 8, 8)]);
        words.extend((0..8).map(|pin| (record + PINS + 4 * pin, 4)));
    }
    for block in region(whole, "blocks").step_by(LINE) {
        words.extend([(block, 4), (block + 4, 4), (block + 8, 8), (block + 16, 4)]);
    }
    words
}

/// A word and what a hostile hand puts there; `old` is what stands there now.
fn change(words: &[(usize, usize)], dice: &mut Dice, old: impl Fn(usize) -> u64) -> (usize, Vec<u8>) {
    let (at, size) = words[dice.below(words.len())];
    let low = dice.roll() % 8;
    let value = match dice.below(10) {
        0 => 0,
        1 => u64::MAX - low,
        2 => dice.roll(),
        3 => low,
        // A role word: a participant that is here, one that cannot be; its generation; the flags.
        4 => low | (dice.roll() % 4) << 10 | (dice.roll() % 8) << 29,
        5 => (dice.roll() % 1024) | 1 << 10 | (dice.roll() % 8) << 29,
        // A pin: a block and how many follow it.
        6 => (low % 4) | (dice.roll() % 4) << 16,
        7 => low << 8 | 1,
        8 => (1 << 63) | low,
        _ => old(at & !7) ^ 1 << dice.below(64),
    };
    (at, value.to_le_bytes()[..size].to_vec())
}

fn rounds(default: usize) -> usize {
    std::env::var("SHARRAY_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Files with some or all of their words changed: attached, read, written, waited for, unlinked.
#[test]
fn random_words_before_attach_are_survived() -> Outcome {
    let (place, dog) = (Place::new()?, Watchdog::new(LIMIT));
    let files = [deserted_array(Order::C)?, deserted_array(Order::Fortran)?, deserted_cell()?];
    for (which, whole) in files.iter().enumerate() {
        let words = words(whole);
        for seed in 0..rounds(250) {
            let dice = &mut Dice((seed * 3 + which) as u64);
            let mut bytes = whole.clone();
            for _ in 0..if seed % 16 == 0 { 500 } else { 1 + dice.below(6) } {
                let (at, value) = change(&words, dice, |at| get64(whole, at));
                bytes[at..at + value.len()].copy_from_slice(&value);
            }
            forge(&place.file("a"), &bytes)?;
            let label = format!("file {which}, seed {seed}");
            if which == 2 { exercise_cell(&place, &dog, &label) } else { exercise(&place, &dog, &label) }
        }
    }
    Ok(())
}

/// The same while handles are attached and hold leases: between their calls, and under their leases, some words change.
#[test]
fn random_words_while_attached_are_survived() -> Outcome {
    let dog = Watchdog::new(LIMIT);
    for seed in 0..rounds(150) {
        let place = Place::new()?;
        let dice = &mut Dice(1000 + seed as u64);
        let label = format!("attached, seed {seed}");
        let ours = field(&place).blocks(BLOCKS).create("a", [ROWS, 3])?;
        let handles = [field(&place).attach("a")?, field(&place).read_only().attach("a")?];
        let whole = fs::read(place.file("a"))?;
        let words = words(&whole);
        let file = File::options().read(true).write(true).open(place.file("a"))?;
        let old = |at: usize| {
            let mut word = [0; 8];
            file.read_exact_at(&mut word, at as u64).map_or(0, |()| u64::from_le_bytes(word))
        };
        for round in 0..3 {
            let reading = check(ours.read_block_timeout(0, MOMENT), &label);
            let writing = check(ours.write_block_timeout(2, MOMENT), &label);
            for _ in 0..=dice.below(3) {
                let (at, value) = change(&words, dice, old);
                file.write_all_at(&value, at as u64)?;
            }
            for handle in &handles {
                use_array(handle, &dog, &label);
            }
            if round == 1 {
                // The order of a lease's end is nobody's business.
                dog.call(|| format!("end a read, {label}"), || drop(reading));
                dog.call(|| format!("end a write, {label}"), || drop(writing));
            } else {
                dog.call(|| format!("end a write, {label}"), || drop(writing));
                dog.call(|| format!("end a read, {label}"), || drop(reading));
            }
        }
        dog.call(|| format!("detach, {label}"), || drop((ours, handles)));
        exercise(&place, &dog, &label);
    }
    Ok(())
}

/// Each word alone at its extremes: random values rarely are exactly the largest.
#[test]
fn every_word_at_its_extremes_is_survived() -> Outcome {
    let (place, dog) = (Place::new()?, Watchdog::new(LIMIT));
    for (which, whole) in [deserted_array(Order::C)?, deserted_cell()?].iter().enumerate() {
        for (at, size) in words(whole) {
            for value in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 31) | 1, 1] {
                let mut bytes = whole.clone();
                bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
                forge(&place.file("a"), &bytes)?;
                let label = format!("file {which}, word {at} = {value:#x}");
                if which == 1 { exercise_cell(&place, &dog, &label) } else { exercise(&place, &dog, &label) }
            }
        }
    }
    Ok(())
}

/// The same words in a file that nobody used since it was copied, where they are made new.
#[test]
fn every_word_at_its_extremes_is_survived_in_a_copy() -> Outcome {
    let (place, dog) = (Place::new()?, Watchdog::new(LIMIT));
    let whole = deserted_array(Order::C)?;
    for (at, size) in words(&whole) {
        for value in [u64::MAX, u64::MAX - 1] {
            let mut bytes = whole.clone();
            bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
            write(&place.file("a"), &bytes)?;
            let array = dog.call(|| format!("attach, word {at}"), || field(&place).attach("a"))?;
            let read = array.try_read().map(drop);
            assert!(matches!(read, Err(Error::Poisoned { .. })), "word {at}: it was being written: {read:?}");
            array.try_write()?.fill(4);
            assert_eq!(array.try_read()?.sum(), 72, "word {at}: nobody is in a copy");
        }
    }
    Ok(())
}

// ---------------------------------------------------------------- forged owners and readers

/// An array that nobody uses, a handle of it, and its file to write words into.
fn attached(place: &Place) -> std::result::Result<(Field, File, Vec<u8>), Box<dyn std::error::Error>> {
    let array = field(place).blocks(BLOCKS).create("a", [ROWS, 3])?;
    let file = File::options().read(true).write(true).open(place.file("a"))?;
    Ok((array, file, fs::read(place.file("a"))?))
}

/// The word that names the participant at an index as an owner, by its record.
fn tag(whole: &[u8], index: usize) -> u32 {
    let state = get64(whole, RECORDS + LINE * index);
    (index as u32 + 1) | ((state >> 8) as u32 & 0x7_ffff) << 10
}

/// A block that names a participant that cannot be, or one that is not here, is corrupt, and no reason to wait.
#[test]
fn a_forged_owner_is_corrupt() -> Outcome {
    let place = Place::new()?;
    let (array, file, whole) = attached(&place)?;
    let wr = region(&whole, "blocks").start as u64 + LINE as u64;
    for forged in [PARTICIPANTS as u32 + 1, 1023, 2 | 7 << 10, 2, u32::MAX] {
        file.write_all_at(&forged.to_le_bytes(), wr)?;
        for error in [
            refusal(array.read()),
            refusal(array.write()),
            refusal(array.try_read()),
            refusal(array.try_write()),
            refusal(array.write_block(1)),
            refusal(array.wait_changed(100, PATIENCE)),
        ] {
            assert!(matches!(error, Error::Corrupt { .. }), "{forged:#x}: {error}");
        }
        // The other blocks are as good as ever, and a copy needs no lock.
        assert_eq!((array.read_block(0)?.len(), array.snapshot()?.sum()), (6, 0));
        array.write_block(2)?.fill(0);
    }
    file.write_all_at(&[0; 4], wr)?;
    array.write()?.fill(1);
    Ok(())
}

/// A word that names this very attach, which does not hold it, is nothing that anybody would ever give back.
#[test]
fn a_word_that_names_who_does_not_hold_it_is_not_waited_for() -> Outcome {
    let place = Place::new()?;
    let (array, file, whole) = attached(&place)?;
    let wr = region(&whole, "blocks").start as u64;
    for flags in [0, 7 << 29] {
        file.write_all_at(&(tag(&whole, 0) | flags).to_le_bytes(), wr)?;
        let dog = Watchdog::new(LIMIT);
        for error in [
            dog.call(|| "read".to_owned(), || refusal(array.read())),
            dog.call(|| "write".to_owned(), || refusal(array.write_block_timeout(0, PATIENCE))),
        ] {
            assert!(matches!(error, Error::Corrupt { .. }), "{error}");
        }
        assert!(matches!(refusal(array.try_write()), Error::Locked { .. }));
    }
    // Another knows that it lives, and no more: it waits for as long as it likes.
    let theirs = field(&place).attach("a")?;
    assert!(matches!(refusal(theirs.write_timeout(MOMENT)), Error::TimedOut { .. }));
    // When the one it names is gone, so is the lock.
    drop(array);
    theirs.write_timeout(PATIENCE)?.fill(1);
    Ok(())
}

/// A word that names an earlier owner of a record names nobody, though somebody lives who has the record now: whoever
/// waited for that one would wait for as long as it lives.
#[test]
fn an_earlier_owner_of_a_living_record_is_corrupt() -> Outcome {
    let (place, dog) = (Place::new()?, Watchdog::new(LIMIT));
    let (array, file, whole) = attached(&place)?;
    let (theirs, onlooker) = (field(&place).attach("a")?, field(&place).read_only().attach("a")?);
    let wr = region(&whole, "blocks").start as u64;
    for forged in [1 | 77 << 10, 2 | 77 << 10, 2 | 77 << 10 | 7 << 29] {
        file.write_all_at(&u32::to_le_bytes(forged), wr)?;
        for handle in [&array, &theirs] {
            for error in [
                dog.call(|| "read".to_owned(), || refusal(handle.read())),
                dog.call(|| "write".to_owned(), || refusal(handle.write())),
                dog.call(|| "wait".to_owned(), || refusal(handle.wait_changed(100, PATIENCE))),
            ] {
                assert!(matches!(error, Error::Corrupt { .. }), "{forged:#x}: {error}");
            }
        }
        file.write_all_at(&1_u64.to_le_bytes(), wr + 8)?;
        let error = dog.call(|| "copy".to_owned(), || refusal(onlooker.read()));
        assert!(matches!(error, Error::Poisoned { block: 0, .. }), "{forged:#x}: {error}");
        file.write_all_at(&[0; 16], wr)?;
        array.write()?.fill(1);
    }
    Ok(())
}

/// A record of the dead that owns and reads everything is one that died so, however many leases it tells.
#[test]
fn a_dead_record_that_holds_everything_is_recovered() -> Outcome {
    for (holds, pins) in [(u32::MAX, u32::MAX), (1, 0), (0, 1), (0, u32::MAX), (1 << 31, 2 | 1 << 16)] {
        let place = Place::new()?;
        let (array, _, _) = attached(&place)?;
        let theirs = field(&place).attach("a")?;
        let mut bytes = fs::read(place.file("a"))?;
        let owner = tag(&bytes, 1);
        let blocks = region(&bytes, "blocks");
        drop((array, theirs));
        put64(&mut bytes, RECORDS, 0);
        for pin in 0..8 {
            put32(&mut bytes, RECORDS + LINE + PINS + 4 * pin, pins);
        }
        put32(&mut bytes, RECORDS + LINE + HOLDS, holds);
        put64(&mut bytes, offset("Control", "occupied"), 2);
        put32(&mut bytes, blocks.start, owner | 3 << 30);
        put64(&mut bytes, blocks.start + 8, 5);
        forge(&place.file("a"), &bytes)?;
        let array = field(&place).attach("a")?;
        assert!(matches!(refusal(array.read()), Error::Poisoned { block: 0, .. }));
        let mut guard = array.write()?;
        assert!(guard.is_poisoned());
        guard.fill(1);
        drop(guard);
        assert_eq!((array.read()?.sum(), place.inspect("a")?.participants.len()), (18, 1));
    }
    Ok(())
}

/// A reader that lives and tells of leases that it has not keeps writers out for as long as they like to wait.
#[test]
fn forged_leases_of_the_living_only_cost_time() -> Outcome {
    let place = Place::new()?;
    let (array, file, _) = attached(&place)?;
    let theirs = field(&place).attach("a")?;
    for index in 0..2 {
        for (at, value) in [(HOLDS, u32::MAX), (HOLDS, 1), (PINS, u32::MAX), (PINS + 28, 1 | 2 << 16)] {
            let word = (RECORDS + LINE * index + at) as u64;
            file.write_all_at(&value.to_le_bytes(), word)?;
            for handle in [&array, &theirs] {
                assert!(matches!(handle.try_write().map(drop), Err(Error::Locked { .. }) | Ok(())), "{index} {at}");
                let late = handle.write_timeout(MOMENT).map(drop);
                assert!(matches!(late, Err(Error::TimedOut { .. }) | Ok(())), "{late:?}");
                drop((handle.read()?, handle.read_block(1)?, handle.snapshot()?));
            }
            file.write_all_at(&[0; 4], word)?;
            array.write_timeout(PATIENCE)?.fill(0);
        }
    }
    Ok(())
}

/// An odd number that nobody owns is a write that did not end: the next writer is told, and so is an onlooker.
#[test]
fn an_odd_number_without_an_owner_is_poison() -> Outcome {
    let place = Place::new()?;
    for odd in [1, 77, u64::MAX] {
        let (array, file, whole) = attached(&place)?;
        let onlooker = field(&place).read_only().attach("a")?;
        let seq = region(&whole, "blocks").start as u64 + 8;
        file.write_all_at(&odd.to_le_bytes(), seq)?;
        assert!(matches!(refusal(onlooker.read()), Error::Poisoned { block: 0, .. }), "{odd}");
        let mut guard = array.write()?;
        assert!(guard.is_poisoned(), "{odd}");
        guard.fill(1);
        drop(guard);
        assert_eq!((array.read()?.sum(), onlooker.read()?.sum(), array.sequence() % 2), (18, 18, 0), "{odd}");
        drop((array, onlooker));
        place.unlink("a")?;
    }
    Ok(())
}

/// Blocks without rows of their own would have items in common, which two could be lent to write at the same time.
#[test]
fn more_blocks_than_rows_are_corrupt() -> Outcome {
    let place = Place::new()?;
    for (name, rows) in [("scalar", None), ("none", Some(0)), ("one", Some(1)), ("three", Some(3))] {
        let shape: Vec<usize> = rows.into_iter().collect();
        let array = SharedArray::<u64, IxDyn>::builder().directory(&place).create(name, shape)?;
        drop(array);
        let most = rows.unwrap_or(1).max(1);
        for blocks in [most, most + 1] {
            let mut bytes = fs::read(place.file(name))?;
            let more = (LINE * blocks - region(&bytes, "blocks").len()) as u64;
            put32(&mut bytes, offset("Identity", "nblocks"), blocks as u32);
            put64(&mut bytes, offset("Identity", "blocks") + 8, (LINE * blocks) as u64);
            for part in ["ring_words", "slot_headers", "attributes"] {
                let at = offset("Identity", part);
                let moved = get64(&bytes, at) + more;
                put64(&mut bytes, at, moved);
            }
            fix_crc(&mut bytes);
            forge(&place.file(name), &bytes)?;
            let attached = SharedArray::<u64, IxDyn>::builder().directory(&place).attach(name);
            if blocks == most {
                assert_eq!(attached?.blocks(), blocks);
            } else {
                let text = refusal(attached).to_string();
                assert!(text.contains(&format!("{blocks} blocks, expected at most {most}")), "{text}");
            }
        }
    }
    Ok(())
}

/// Two files that say they are one array, one of them smaller: a lease on the one lends no byte of the other.
#[test]
fn files_of_one_identity_are_two_arrays() -> Outcome {
    let place = Place::new()?;
    let create = |name: &str, rows| SharedArray::<i32, Ix1>::builder().directory(&place).create(name, [rows]);
    let (small, large) = (create("small", 1)?, create("large", 100_000)?);
    let mut bytes = fs::read(place.file("large"))?;
    let uuid = offset("Identity", "uuid");
    bytes[uuid..uuid + 16].copy_from_slice(&place.inspect("small")?.generation);
    fix_crc(&mut bytes);
    drop(large);
    forge(&place.file("large"), &bytes)?;
    let large = SharedArray::<i32, Ix1>::builder().directory(&place).attach("large")?;
    large.write()?.fill(1);
    let (one, other) = (small.read()?, large.read()?);
    assert_eq!((one.sum(), other.sum()), (0, 100_000));
    drop(one);
    small.write()?.fill(3);
    Ok(())
}
