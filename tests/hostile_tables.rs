//! Tables that no appender of ours wrote: whatever stands in their words, every call comes back with an answer or an error of its
//! own kind. It does not panic, does not hang, and touches no byte outside of the file.

#[path = "support/bytes.rs"]
mod bytes;
#[path = "support/place.rs"]
mod place;

use bytes::{Dice, fix_text_crc, forge, offset, put32, region, write};
use ndarray::{Array2, Ix2};
use place::{Outcome, PATIENCE, Place, Watchdog, refusal};
use sharray::{Error, GrowableArray, GrowableBuilder, Result};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// What the calls below may wait.
const MOMENT: Duration = Duration::from_micros(200);
/// When a call is said to hang.
const LIMIT: Duration = Duration::from_secs(25);
const MAX_LEN: usize = 40;
const PARTICIPANTS: usize = 4;

type Table = GrowableArray<i32, Ix2>;

fn tables(place: &Place) -> GrowableBuilder<Table> {
    Table::builder().directory(place).participants(PARTICIPANTS as u32).max_len(MAX_LEN)
}

/// A table whose third append was killed in the middle; two were committed.
fn deserted() -> std::result::Result<Vec<u8>, Box<dyn std::error::Error>> {
    let place = Place::new()?;
    let table = tables(&place).create_from("a", &Array2::ones((2, 3)))?;
    table.commit()?;
    table.append(&Array2::ones((1, 3)))?;
    let mut file = Vec::new();
    table
        .append_with(2, None, |_| -> Outcome {
            file = fs::read(place.file("a"))?;
            Ok(())
        })
        .map(drop)?;
    Ok(file)
}

/// No error comes from the system: whatever the bytes are, they were understood before it was asked for anything.
fn check<T>(result: Result<T>, label: &str) -> Option<T> {
    if let Err(error) = &result {
        let text = error.to_string();
        assert!(!matches!(error, Error::Io { .. }) && !text.contains('\n'), "{label}: {text}");
    }
    result.ok()
}

/// Does everything that can be done with a handle of a table.
fn use_table(table: &Table, dog: &Watchdog, label: &str) {
    let told = |what: &str| format!("{what}, {label}");
    assert!(table.len() <= MAX_LEN && table.committed() <= MAX_LEN, "{label}");
    for count in [0, 1, 5, MAX_LEN + 1] {
        let rows = Array2::from_elem((count, 3), 7);
        let appended = dog.call(|| told("append"), || table.append_timeout(&rows, MOMENT));
        if let Some(placed) = check(appended, label) {
            assert!(placed.len() == count && placed.end <= MAX_LEN, "{label}: {placed:?}");
        }
    }
    if let Some(rows) = check(dog.call(|| told("view"), || table.view()), label) {
        assert!(rows.nrows() <= MAX_LEN && rows.ncols() == 3, "{label}");
        std::hint::black_box(rows.fold(0_i32, |sum, row| sum.wrapping_add(*row)));
    }
    check(dog.call(|| told("rows"), || table.rows(1..2)), label);
    check(dog.call(|| told("wait"), || table.wait_len(MAX_LEN, MOMENT)), label);
    for rows in table.follow().from_row(1).timeout(MOMENT).take(2) {
        check(rows, label);
    }
    check(dog.call(|| told("commit"), || table.commit()), label);
}

/// The same from attaching to unlinking, by two who take part and one who looks on.
fn exercise(place: &Place, dog: &Watchdog, label: &str) {
    let told = |what: &str| format!("{what}, {label}");
    if let Some(info) = check(dog.call(|| told("inspect"), || place.inspect("a")), label) {
        assert!(info.shape[0] <= MAX_LEN && info.max_len == Some(MAX_LEN), "{label}: {info:?}");
    }
    for builder in [tables(place).read_only(), tables(place), tables(place).read_only()] {
        let attached = dog.call(|| told("attach"), || builder.attach("a"));
        if let Some(table) = check(attached, label) {
            use_table(&table, dog, label);
            dog.call(|| told("detach"), || drop(table));
        }
    }
    check(dog.call(|| told("unlink"), || place.unlink("a")), label);
}

/// The places and sizes of all words that change while a table is used.
fn words(whole: &[u8]) -> Vec<(usize, usize)> {
    let mut words: Vec<_> = ["notify", "retired", "durability_lost"].map(|name| (offset("Control", name), 4)).to_vec();
    words.extend(["len", "cap_bytes", "durable", "pending", "occupied"].map(|name| (offset("Control", name), 8)));
    words.extend((0..PARTICIPANTS).map(|index| (16_384 + 128 * index, 8)));
    let block = region(whole, "blocks").start;
    words.extend([(block, 4), (block + 8, 8), (block + 16, 4)]);
    words
}

const EXTREMES: [u64; 9] =
    [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 31) | 1, 1, MAX_LEN as u64, MAX_LEN as u64 + 1, 1 << 16, (1 << 48) - 1];

/// Each word alone at its extremes, and some at once by chance, before anybody attaches.
#[test]
fn words_before_attach_are_survived() -> Outcome {
    let (place, dog) = (Place::new()?, Watchdog::new(LIMIT));
    let whole = deserted()?;
    let words = words(&whole);
    for (at, size) in &words {
        for value in EXTREMES {
            let mut bytes = whole.clone();
            bytes[*at..at + size].copy_from_slice(&value.to_le_bytes()[..*size]);
            forge(&place.file("a"), &bytes)?;
            exercise(&place, &dog, &format!("word {at} = {value:#x}"));
        }
    }
    for seed in 0..300 {
        let dice = &mut Dice(seed);
        let mut bytes = whole.clone();
        for _ in 0..=dice.below(6) {
            let (at, value) = change(&words, dice);
            bytes[at..at + value.len()].copy_from_slice(&value);
        }
        forge(&place.file("a"), &bytes)?;
        exercise(&place, &dog, &format!("seed {seed}"));
    }
    Ok(())
}

fn change(words: &[(usize, usize)], dice: &mut Dice) -> (usize, Vec<u8>) {
    let (at, size) = words[dice.below(words.len())];
    let value = match dice.below(4) {
        0 => EXTREMES[dice.below(EXTREMES.len())],
        1 => dice.roll() % 64,
        2 => (dice.roll() % 8) | (dice.roll() % 4) << 10 | (dice.roll() % 8) << 29,
        _ => dice.roll(),
    };
    (at, value.to_le_bytes()[..size].to_vec())
}

/// The same while handles are attached: between their calls some words change.
#[test]
fn words_while_attached_are_survived() -> Outcome {
    let dog = Watchdog::new(LIMIT);
    for seed in 0..150 {
        let place = Place::new()?;
        let dice = &mut Dice(1000 + seed);
        let label = format!("attached, seed {seed}");
        let ours = tables(&place).create_from("a", &Array2::ones((2, 3)))?;
        let handles = [tables(&place).attach("a")?, tables(&place).read_only().attach("a")?];
        let words = words(&fs::read(place.file("a"))?);
        let file = File::options().read(true).write(true).open(place.file("a"))?;
        for _ in 0..3 {
            for _ in 0..=dice.below(3) {
                let (at, value) = change(&words, dice);
                file.write_all_at(&value, at as u64)?;
            }
            for handle in &handles {
                use_table(handle, &dog, &label);
            }
        }
        dog.call(|| format!("detach, {label}"), || drop((ours, handles)));
        exercise(&place, &dog, &label);
    }
    Ok(())
}

/// A length that cannot be is corrupt, and says so wherever it would be believed.
#[test]
fn a_length_past_the_room_is_corrupt() -> Outcome {
    let place = Place::new()?;
    let table = tables(&place).create_from("a", &Array2::ones((2, 3)))?;
    let file = File::options().write(true).open(place.file("a"))?;
    file.write_all_at(&(MAX_LEN as u64 + 1).to_le_bytes(), offset("Control", "len") as u64)?;
    let errors = [
        refusal(table.view().map(drop)),
        refusal(table.append(&Array2::ones((1, 3)))),
        refusal(table.wait_len(1, PATIENCE)),
        refusal(table.commit()),
    ];
    for error in errors {
        assert!(error.to_string().contains("more rows than it has room for"), "{error}");
    }
    assert_eq!((table.len(), place.inspect("a")?.shape), (0, vec![0, 3]));
    Ok(())
}

/// What no table can be is refused, though all checksums are right: several blocks, and rows in Fortran order.
#[test]
fn impossible_headers_are_corrupt() -> Outcome {
    let place = Place::new()?;
    drop(tables(&place).create("a", [0, 3])?);
    let whole = fs::read(place.file("a"))?;
    let mut blocks = whole.clone();
    put32(&mut blocks, offset("Identity", "nblocks"), 2);
    let preamble = region(&whole, "preamble");
    let at = whole[preamble.clone()].windows(5).position(|word| word == b"False").ok_or("an order")?;
    let mut fortran = whole.clone();
    fortran[preamble.start + at..preamble.start + at + 5].copy_from_slice(b"True ");
    for mut bytes in [blocks, fortran] {
        fix_text_crc(&mut bytes);
        write(&place.file("b"), &bytes)?;
        let error = refusal(tables(&place).attach("b"));
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    }
    Ok(())
}
