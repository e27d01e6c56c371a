//! Bytes that no writer of ours wrote: whatever a file holds, every call answers with an error of its own kind or with a
//! correct result. It does not panic, does not hang, and touches no byte outside of the file. CI runs this file under
//! `AddressSanitizer` too.

#[path = "support/bytes.rs"]
mod bytes;
#[path = "support/place.rs"]
mod place;

use bytes::{Dice, data_off, fix_crc, fix_text_crc, forge, get64, offset, put32, put64, region, write};
use ndarray::Ix2;
use place::{Outcome, Place, Watchdog, refusal};
use sharray::{AnyFrame, AnyPublisher, AnySubscriber, Backpressure, DType, Error, Publisher, Subscriber};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// What the calls below may wait.
const MOMENT: Duration = Duration::from_micros(300);
/// When a call is said to hang. The longest that any may take by itself is the ten seconds of an attach that meets a
/// file which somebody else is making valid.
const LIMIT: Duration = Duration::from_secs(25);

const SHAPE: [usize; 2] = [5, 3];

/// A stream with five frames behind it, one of them smaller, and attributes; its publisher has closed it.
fn closed_stream() -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let place = Place::new()?;
    let mut publisher = builder(&place).create("stream", SHAPE)?;
    for value in 1..=5 {
        publish(&mut publisher, value)?;
    }
    drop(publisher);
    Ok(fs::read(place.file("stream"))?)
}

/// The same while five processes were busy with it: a producer in the middle of a frame, three subscribers that pin
/// frames, a lossless one among them, and an onlooker. As if all of them were killed at once.
fn deserted_stream() -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let place = Place::new()?;
    let mut publisher = builder(&place).create("stream", SHAPE)?;
    let subscribe = || Subscriber::<i32, Ix2>::builder().directory(&place);
    let mut lossless = subscribe().lossless().attach("stream")?;
    let mut lossy = subscribe().attach("stream")?;
    for value in 1..=3 {
        publish(&mut publisher, value)?;
    }
    let _held = (lossless.recv()?, lossy.recv()?, subscribe().attach("stream")?.latest()?);
    let _loan = publisher.loan()?;
    Ok(fs::read(place.file("stream"))?)
}

fn builder(place: &Place) -> sharray::PublisherBuilder<Publisher<i32, Ix2>> {
    Publisher::builder().directory(place).history(3).slots(5).participants(6).attribute("unit", "mm")
}

fn publish(publisher: &mut Publisher<i32, Ix2>, value: i32) -> Outcome {
    let mut loan = publisher.loan()?;
    if value == 4 {
        loan.set_shape(&[2, 2])?;
    }
    loan.view_mut().fill(value);
    loan.set_tags([1, value.unsigned_abs().into()]);
    loan.publish();
    Ok(())
}

/// Does everything that can be done with an array. Panics where an answer is neither an error nor correct.
fn exercise(place: &Place, name: &str, dog: &Watchdog, label: &str) {
    let told = |what: &str| format!("{what}, {label}");
    let subscribe = || AnySubscriber::builder().directory(place);
    _ = dog.call(|| told("inspect"), || place.inspect(name));
    _ = dog.call(|| told("list"), || place.list());
    let mut held = Vec::new();
    for (what, builder) in [
        ("read-only", subscribe().read_only()),
        ("read-only from the oldest", subscribe().read_only().from_oldest()),
        ("lossy", subscribe()),
        ("lossy from the oldest", subscribe().from_oldest()),
        ("lossless", subscribe().lossless()),
        ("lossless from the oldest", subscribe().lossless().from_oldest()),
    ] {
        match dog.call(|| told(&format!("attach {what}")), || builder.attach(name)) {
            Ok(mut subscriber) => held.extend(receive(&mut subscriber, dog, &told(what))),
            Err(error) => check_error(&error, label),
        }
    }
    let publisher = AnyPublisher::builder().directory(place).backpressure(Backpressure::Evict);
    match dog.call(|| told("take over"), || publisher.attach(name)) {
        Ok(mut publisher) => {
            let reader = dog.call(|| told("attach a reader"), || subscribe().attach(name));
            fill(place, &mut publisher, reader.ok(), dog, label);
            commit(&mut publisher, dog, label);
        }
        Err(error) => check_error(&error, label),
    }
    for frame in &held {
        check_frame(frame, label);
    }
    dog.call(|| told("drop frames"), || drop(held));
    _ = dog.call(|| told("collect garbage"), || place.collect_garbage());
    if let Err(error) = dog.call(|| told("unlink"), || place.unlink(name)) {
        check_error(&error, label);
    }
}

/// Every way to get a frame.
fn receive(subscriber: &mut AnySubscriber, dog: &Watchdog, label: &str) -> Vec<AnyFrame> {
    let told = |what: &str| format!("{what}, {label}");
    let mut held = Vec::new();
    let mut take = |got: sharray::Result<Option<AnyFrame>>| match got {
        Ok(Some(frame)) => held.push(frame),
        Ok(None) => {}
        Err(error) => check_error(&error, label),
    };
    take(dog.call(|| told("latest"), || subscriber.latest()));
    take(dog.call(|| told("try_recv"), || subscriber.try_recv()));
    take(dog.call(|| told("recv_timeout"), || subscriber.recv_timeout(MOMENT)));
    for _ in 0..3 {
        match dog.call(|| told("frames"), || subscriber.frames().timeout(MOMENT).next()) {
            Some(got) => take(got.map(Some)),
            None => break,
        }
    }
    if let Err(error) = dog.call(|| told("wait_any"), || sharray::wait_any(&[&*subscriber], Some(MOMENT))) {
        check_error(&error, label);
    }
    for frame in &held {
        check_frame(frame, label);
    }
    held
}

/// A publisher that was let in has to be one: the frame that it publishes is the frame that is there.
fn fill(
    place: &Place,
    publisher: &mut AnyPublisher,
    reader: Option<AnySubscriber>,
    dog: &Watchdog,
    label: &str,
) -> Option<u64> {
    let told = |what: &str| format!("{what}, {label}");
    let name = publisher.name().to_owned();
    for tag in 7..9 {
        let loaned = if tag == 7 {
            dog.call(|| told("try_loan"), || publisher.try_loan())
        } else {
            dog.call(|| told("loan_timeout"), || publisher.loan_timeout(MOMENT))
        };
        let mut loan = match loaned {
            Ok(loan) => loan,
            Err(error) => {
                check_error(&error, label);
                continue;
            }
        };
        loan.bytes_mut().fill(0x5a);
        loan.set_tags([tag, tag]);
        if tag == 7 {
            dog.call(|| told("drop a loan"), || drop(loan));
            continue;
        }
        let sequence = dog.call(|| told("publish"), || loan.publish());
        let reader = reader.or_else(|| AnySubscriber::builder().directory(place).attach(&name).ok())?;
        match dog.call(|| told("latest after publish"), || reader.latest()) {
            Ok(frame) => {
                let frame = frame.unwrap_or_else(|| panic!("nothing is there after a publish, {label}"));
                assert_eq!((frame.sequence(), frame.tags()), (sequence, [tag, tag]), "{label}");
                assert!(frame.bytes().iter().all(|&byte| byte == 0x5a), "{label}");
            }
            Err(error) => check_error(&error, label),
        }
        return Some(sequence);
    }
    None
}

/// What any frame is, whoever wrote the words that led to it. Reads every byte.
fn check_frame(frame: &AnyFrame, label: &str) {
    let declared: usize = SHAPE.iter().product::<usize>() * 4;
    let len = frame.shape().iter().product::<usize>() * frame.dtype().itemsize();
    assert_eq!((frame.bytes().len(), frame.shape().len()), (len, 2), "{label}");
    assert!(len <= declared && frame.sequence() > 0, "{label}: {frame:?}");
    std::hint::black_box(frame.bytes().iter().map(|&byte| u64::from(byte)).sum::<u64>());
    std::hint::black_box((frame.time(), frame.published(), frame.age(), frame.tags(), frame.strides()));
    assert_eq!(frame.view::<i32, Ix2>().map(|view| view.len() * 4), Some(len), "{label}");
}

/// A commit comes back, whatever it finds begun.
fn commit(publisher: &mut AnyPublisher, dog: &Watchdog, label: &str) {
    if let Err(error) = dog.call(|| format!("commit, {label}"), || publisher.commit()) {
        check_error(&error, label);
    }
}

/// No error comes from the system: whatever the bytes are, they were understood before it was asked for anything.
fn check_error(error: &Error, label: &str) {
    assert!(!matches!(error, Error::Io { .. }), "{label}: {error}");
    assert!(!error.to_string().contains('\n'), "{label}: {error}");
}

// ---------------------------------------------------------------- the identity page

/// A changed byte of the identity page is found by its checksum, magic or version, whichever byte it is.
#[test]
fn every_changed_byte_of_the_identity_page_is_refused() -> Outcome {
    let whole = closed_stream()?;
    let place = Place::new()?;
    let file = forge(&place.file("stream"), &whole)?;
    for (at, &byte) in whole.iter().enumerate().take(4096) {
        // Every bit where there are words, and three patterns where all is reserved.
        let patterns: &[u8] =
            if (192..4088).contains(&at) { &[1, 128, 255] } else { &[1, 2, 4, 8, 16, 32, 64, 128, 255] };
        for pattern in patterns {
            file.write_all_at(&[byte ^ pattern], at as u64)?;
            let error = refusal(place.inspect("stream"));
            let is_right = match at {
                0..8 | 12..16 => matches!(error, Error::NotAnArray { .. }),
                8..12 => matches!(error, Error::UnsupportedFormat { what: "version", .. }),
                _ => matches!(error, Error::Corrupt { .. }),
            };
            assert!(is_right && error.to_string().contains("stream"), "byte {at} ^ {pattern}: {error}");
        }
        file.write_all_at(&[byte], at as u64)?;
    }
    place.inspect("stream")?;
    Ok(())
}

/// Behind the checksum every byte is either free by design, and then the array works, or it is checked.
#[test]
fn every_changed_byte_behind_the_checksum_is_refused_or_free() -> Outcome {
    let whole = closed_stream()?;
    let (place, dog) = (Place::new()?, Watchdog::new(LIMIT));
    let free: [Range<usize>; 2] = [field("uuid", 16), field("created_ns", 8)];
    let flags = field("flags", 4);
    let file = forge(&place.file("stream"), &whole)?;
    let mut accepted = BTreeSet::new();
    for at in 0..4092 {
        let patterns: &[u8] = if at < 192 { &[1, 2, 4, 8, 16, 32, 64, 128, 255] } else { &[1, 128, 255] };
        for pattern in patterns {
            let mut page = whole[..4096].to_vec();
            page[at] ^= pattern;
            fix_crc(&mut page);
            file.write_all_at(&page, 0)?;
            match place.inspect("stream") {
                Ok(_) => {
                    accepted.insert(at);
                    assert!(
                        free.iter().any(|range| range.contains(&at)) || (at == flags.start && *pattern < 8),
                        "byte {at} ^ {pattern} was taken"
                    );
                    if *pattern == 1 {
                        let subscriber = AnySubscriber::builder().directory(&place).from_oldest().attach("stream");
                        receive(&mut subscriber?, &dog, &format!("byte {at}"));
                    }
                }
                Err(error) => {
                    let is_right = matches!(
                        (at, &error),
                        (0..8 | 12..16, Error::NotAnArray { .. })
                            | (8..12, Error::UnsupportedFormat { what: "version", .. })
                            | (84..88, Error::UnsupportedFormat { what: "flags", .. } | Error::Corrupt { .. })
                            | (24..32, Error::Truncated { .. })
                            | (_, Error::Corrupt { .. })
                    );
                    assert!(is_right, "byte {at} ^ {pattern}: {error}");
                }
            }
        }
    }
    assert!(free.iter().all(|range| range.clone().all(|at| accepted.contains(&at))), "{accepted:?}");
    Ok(())
}

fn field(name: &str, len: usize) -> Range<usize> {
    let at = offset("Identity", name);
    at..at + len
}

/// The errors of a newer version and of unknown flags name the array and both numbers.
#[test]
fn newer_versions_and_unknown_flags_are_told_with_both_numbers() -> Outcome {
    let place = Place::new()?;
    let mut newer = closed_stream()?;
    put32(&mut newer, offset("Identity", "version"), 7);
    write(&place.file("newer"), &newer)?;
    let error = refusal(AnySubscriber::builder().directory(&place).attach("newer"));
    assert_eq!(error.to_string(), "array \"newer\" has format version 7, this library knows 1");
    assert!(refusal(place.unlink("newer")).to_string().contains("version 7"));

    let mut flagged = closed_stream()?;
    put32(&mut flagged, offset("Identity", "flags"), 1 << 9);
    fix_crc(&mut flagged);
    write(&place.file("flagged"), &flagged)?;
    let error = refusal(AnyPublisher::builder().directory(&place).attach("flagged"));
    assert_eq!(error.to_string(), "array \"flagged\" has format flags 512, this library knows 7");
    Ok(())
}

/// A header whose numbers are random, but whose checksums are right, is refused without a wait or a large allocation.
#[test]
fn random_identities_with_right_checksums_are_refused() -> Outcome {
    let whole = closed_stream()?;
    let place = Place::new()?;
    let dice = &mut Dice(1);
    let words: Vec<usize> = (16..192).step_by(8).filter(|at| ![32, 40, 184].contains(at)).collect();
    let start = Instant::now();
    let file = write(&place.file("stream"), &whole)?;
    let mut refused = 0;
    for _ in 0..5000 {
        let mut page = whole[..4096].to_vec();
        for _ in 0..=dice.below(3) {
            let at = words[dice.below(words.len())];
            let value = match dice.below(6) {
                0 => u64::MAX - dice.roll() % 300,
                1 => dice.roll(),
                2 => dice.roll() % 8,
                3 => 1 << dice.below(64),
                4 => i64::MAX as u64 - 20_480 - dice.roll() % 8,
                _ => get64(&page, words[dice.below(words.len())]),
            };
            put64(&mut page, at, value);
        }
        fix_crc(&mut page);
        file.write_all_at(&page, 0)?;
        match place.inspect("stream") {
            Ok(info) => assert_eq!((info.shape.as_slice(), info.slots), (&SHAPE[..], 5)),
            Err(error) => {
                refused += 1;
                check_error(&error, "random identity");
            }
        }
    }
    assert!(refused > 3000 && start.elapsed() < LIMIT, "{refused} refused in {:?}", start.elapsed());
    Ok(())
}

/// The attributes and the .npy header are checked as texts too, once their checksum is right.
#[test]
fn changed_texts_are_refused_or_understood() -> Outcome {
    let whole = closed_stream()?;
    let (place, dog) = (Place::new()?, Watchdog::new(LIMIT));
    let dice = &mut Dice(2);
    let texts: Vec<usize> = region(&whole, "attributes").chain(region(&whole, "preamble")).collect();
    let file = forge(&place.file("stream"), &whole)?;
    for (index, &at) in texts.iter().enumerate() {
        let mut bytes = whole[..data_off(&whole)].to_vec();
        bytes[at] ^= 1 << dice.below(8);
        write_parts(&file, &bytes, at)?;
        assert!(matches!(refusal(place.inspect("stream")), Error::Corrupt { .. }), "byte {at}");
        // Now with the checksum right, and with more changes.
        for _ in 0..dice.below(3) {
            let other = texts[dice.below(texts.len())];
            bytes[other] = b"{}[](),:'\"0123456789<>|fuiSUVM\\ "[dice.below(32)];
        }
        fix_text_crc(&mut bytes);
        file.write_all_at(&bytes, 0)?;
        let told = || format!("text {index}");
        match dog.call(told, || place.inspect("stream")) {
            Ok(info) => {
                let len: usize = info.shape.iter().product::<usize>() * info.dtype.itemsize();
                assert!(len as u64 * u64::from(info.slots) <= info.file_len);
                assert_eq!(len.next_multiple_of(128), 128, "{info:?}");
            }
            Err(error) => assert!(matches!(error, Error::Corrupt { .. }), "{error}"),
        }
        file.write_all_at(&whole[..bytes.len()], 0)?;
    }
    Ok(())
}

fn write_parts(file: &File, bytes: &[u8], at: usize) -> std::io::Result<()> {
    file.write_all_at(&bytes[at..=at], at as u64)
}

/// A file of any other length than its header tells is refused, before any of it is mapped.
#[test]
fn every_other_length_is_refused() -> Outcome {
    let whole = closed_stream()?;
    let place = Place::new()?;
    let mut lens: BTreeSet<usize> = (0..whole.len() + 5000).step_by(61).collect();
    let mut bounds = vec![0, 4096, 8192, 12_288, 16_384, data_off(&whole), whole.len()];
    for name in ["ring_words", "slot_headers", "attributes", "preamble"] {
        let range = region(&whole, name);
        bounds.extend([range.start, range.end]);
    }
    for at in bounds {
        lens.extend([at.saturating_sub(1), at, at + 1]);
    }
    lens.remove(&whole.len());
    for len in lens {
        let mut bytes = whole.clone();
        bytes.resize(len, 0);
        forge_len(&place, &bytes, &whole)?;
        for error in [
            refusal(place.inspect("stream")),
            refusal(AnySubscriber::builder().directory(&place).attach("stream")),
            refusal(AnyPublisher::builder().directory(&place).attach("stream")),
        ] {
            let numbers = [len.to_string(), whole.len().min(if len < 4096 { 4096 } else { usize::MAX }).to_string()];
            let text = error.to_string();
            assert!(numbers.iter().all(|number| text.contains(number)) && text.contains("stream"), "{len}: {text}");
            match error {
                Error::NotAnArray { .. } => assert!(len < 4096),
                Error::Truncated { found, expected, .. } => {
                    assert_eq!((found, expected), (len as u64, whole.len() as u64));
                }
                other => panic!("{len} bytes: {other}"),
            }
        }
    }
    // The length is the name's only fault, so the name can be had again.
    place.unlink("stream")?;
    Ok(())
}

fn forge_len(place: &Place, bytes: &[u8], whole: &[u8]) -> Outcome {
    // The stamps would make the file longer than it is to be.
    if bytes.len() > 8192 {
        forge(&place.file("stream"), bytes)?
    } else {
        write(&place.file("stream"), bytes)?
    };
    assert_eq!(fs::metadata(place.file("stream"))?.len(), bytes.len() as u64);
    assert_ne!(bytes.len(), whole.len());
    Ok(())
}

// ---------------------------------------------------------------- the words

/// The places of all words that change while an array is used.
struct Words {
    control: Vec<(usize, usize)>,
    tables: [Range<usize>; 3],
}

impl Words {
    fn of(whole: &[u8]) -> Self {
        let wide = ["head", "intent", "durable", "pending", "len", "cap_bytes", "occupied"];
        let narrow = ["prod", "notify", "room", "bar", "durability_lost", "retired"];
        let sized = |names: &[&str], size: usize| -> Vec<_> {
            names.iter().map(|name| (offset("Control", name), size)).collect()
        };
        let ring = region(whole, "ring_words");
        Self {
            control: [sized(&wide, 8), sized(&narrow, 4)].concat(),
            tables: [16_384..16_384 + 6 * 128, ring, region(whole, "slot_headers")],
        }
    }

    /// A word and what a hostile hand puts there; `old` is what stands there now.
    fn change(&self, dice: &mut Dice, old: impl Fn(usize) -> u64) -> (usize, Vec<u8>) {
        let (at, size) = match dice.below(10) {
            0..4 => self.control[dice.below(self.control.len())],
            pick => {
                let table = &self.tables[[0, 0, 0, 1, 2, 2][pick - 4]];
                (table.start + 8 * dice.below(table.len() / 8), 8)
            }
        };
        let low = dice.roll() % 8;
        let value = match dice.below(13) {
            0 => 0,
            1 => u64::MAX - low,
            2 => dice.roll(),
            3 => low,
            // A frame and its slot; one near the end of all sequences; the same as a slot's version.
            4 => (low << 16) | (dice.roll() % 6),
            5 => (((1 << 48) - 1 - low) << 16) | (dice.roll() % 6),
            6 => 2 * ((1 << 48) - 1 - low),
            7 => 2 * low + dice.roll() % 2,
            // A role word, a record's state, a cursor.
            8 => (dice.roll() % 8) | (dice.roll() % 4) << 10 | (dice.roll() % 8) << 29,
            9 => low << 8 | 1,
            10 => (low << 2) | (dice.roll() % 4),
            11 => (((1 << 48) + low) << 2) | (dice.roll() % 4),
            _ => old(at) ^ 1 << dice.below(64),
        };
        (at, value.to_le_bytes()[..size].to_vec())
    }
}

fn rounds(default: usize) -> usize {
    std::env::var("SHARRAY_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Thousands of files with some or all of their words changed: attached, read, taken over, filled, unlinked.
#[test]
fn random_words_before_attach_are_survived() -> Outcome {
    let place = Place::new()?;
    let dog = Watchdog::new(LIMIT);
    for (which, whole) in [closed_stream()?, deserted_stream()?].into_iter().enumerate() {
        let words = Words::of(&whole);
        for seed in 0..rounds(600) {
            let dice = &mut Dice((seed * 2 + which) as u64);
            let mut bytes = whole.clone();
            let changes = if seed % 16 == 0 { 2000 } else { 1 + dice.below(8) };
            for _ in 0..changes {
                let (at, value) = words.change(dice, |at| get64(&whole, at & !7));
                bytes[at..at + value.len()].copy_from_slice(&value);
            }
            forge(&place.file("stream"), &bytes)?;
            exercise(&place, "stream", &dog, &format!("stream {which}, seed {seed}"));
        }
    }
    Ok(())
}

/// The same while a publisher and subscribers are attached and hold frames: between their calls some words change.
#[test]
fn random_words_while_attached_are_survived() -> Outcome {
    let dog = Watchdog::new(LIMIT);
    for seed in 0..rounds(400) {
        let place = Place::new()?;
        let dice = &mut Dice(1000 + seed as u64);
        let label = format!("attached, seed {seed}");
        let mut publisher = builder(&place).backpressure(Backpressure::Evict).create("stream", SHAPE)?;
        let subscribe = || AnySubscriber::builder().directory(&place);
        let mut subscribers = [
            subscribe().attach("stream")?,
            subscribe().lossless().attach("stream")?,
            subscribe().read_only().attach("stream")?,
        ];
        for value in 1..3 {
            publish(&mut publisher, value)?;
        }
        let whole = fs::read(place.file("stream"))?;
        let words = Words::of(&whole);
        let file = File::options().write(true).open(place.file("stream"))?;
        for _ in 0..4 {
            for _ in 0..=dice.below(3) {
                let (at, value) = words.change(dice, |at| get64(&whole, at & !7));
                file.write_all_at(&value, at as u64)?;
            }
            for subscriber in &mut subscribers {
                receive(subscriber, &dog, &label);
            }
            match dog.call(|| format!("loan, {label}"), || publisher.loan_timeout(MOMENT)) {
                Ok(mut loan) => {
                    loan.view_mut().fill(3);
                    dog.call(|| format!("publish, {label}"), || loan.publish());
                }
                Err(error) => check_error(&error, &label),
            }
            if let Err(error) = dog.call(|| format!("commit, {label}"), || publisher.commit()) {
                check_error(&error, &label);
            }
        }
        dog.call(|| format!("drop the publisher, {label}"), || drop(publisher));
        dog.call(|| format!("drop the subscribers, {label}"), || drop(subscribers));
        exercise(&place, "stream", &dog, &label);
    }
    Ok(())
}

/// Each word alone at its extremes: random values rarely are exactly the largest.
#[test]
fn every_word_at_its_extremes_is_survived() -> Outcome {
    let whole = deserted_stream()?;
    let (place, dog) = (Place::new()?, Watchdog::new(LIMIT));
    let words = Words::of(&whole);
    let tables = words.tables.iter().flat_map(|table| table.clone().step_by(8).map(|at| (at, 8)));
    // The first two records and slots stand for all of them.
    let places: Vec<_> = words.control.iter().copied().chain(tables.filter(|(at, _)| at % 1024 < 384)).collect();
    for (at, size) in places {
        for value in [u64::MAX, ((1 << 48) - 1) << 16 | 1, 1 << 63, 1] {
            let mut bytes = whole.clone();
            bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
            forge(&place.file("stream"), &bytes)?;
            exercise(&place, "stream", &dog, &format!("word {at} = {value:#x}"));
        }
    }
    Ok(())
}

/// The last sequences that 48 bits can count: publishing past them is an error, not a frame that nobody can see.
#[test]
fn the_last_sequence_is_not_passed() -> Outcome {
    let mut whole = closed_stream()?;
    let (place, dog) = (Place::new()?, Watchdog::new(LIMIT));
    for left in 0..3 {
        let last = (1_u64 << 48) - 1 - left;
        let (ring, headers) = (region(&whole, "ring_words"), region(&whole, "slot_headers"));
        put64(&mut whole, offset("Control", "head"), last << 16);
        put64(&mut whole, ring.start + 8 * (last % 3) as usize, last << 16);
        put64(&mut whole, headers.start, 2 * last);
        forge(&place.file("stream"), &whole)?;
        let mut publisher = AnyPublisher::builder().directory(&place).attach("stream")?;
        let mut published = Vec::new();
        while let Some(sequence) = fill(&place, &mut publisher, None, &dog, "at the end of sequences") {
            published.push(sequence);
        }
        assert_eq!(published, (last + 1..1 << 48).collect::<Vec<_>>());
        assert!(matches!(refusal(publisher.try_loan()), Error::Corrupt { .. }));
    }
    Ok(())
}

// ---------------------------------------------------------------- other things in the place of an array

/// Whatever else has the name of an array is told from one, by kind of error and by name, and left as it is.
#[test]
fn other_files_are_not_arrays() -> Outcome {
    let place = Place::new()?;
    let dog = Watchdog::new(LIMIT);
    let npy = {
        let whole = closed_stream()?;
        whole[region(&whole, "preamble").start..].to_vec()
    };
    let mut foreign = closed_stream()?;
    foreign[..8].copy_from_slice(b"SHARRAY\x01");
    let mut swapped = closed_stream()?;
    swapped[12..16].reverse();
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("one-byte", vec![0]),
        ("text", b"not an array\n".repeat(1000)),
        ("zeros", vec![0; 20_000]),
        ("frame.npy", npy),
        ("wrong-magic", foreign),
        ("big-endian", swapped),
    ] {
        write(&place.file(name), &bytes)?;
        is_not_an_array(&place, name, &dog);
        assert_eq!(fs::read(place.file(name))?, bytes, "{name} was changed");
    }
    assert!(place.list()?.is_empty());
    assert!(place.collect_garbage()?.is_empty());
    Ok(())
}

/// A FIFO must not block whoever opens it, a link must not lead anywhere, a device must not be read.
#[test]
fn things_that_are_no_files_are_not_arrays() -> Outcome {
    let place = Place::new()?;
    let dog = Watchdog::new(LIMIT);
    let mut real = builder(&place).create("real", SHAPE)?;
    publish(&mut real, 1)?;
    nix::unistd::mkfifo(&place.file("fifo"), nix::sys::stat::Mode::S_IRWXU)?;
    std::os::unix::fs::symlink("real", place.file("link"))?;
    std::os::unix::fs::symlink("nowhere", place.file("dangling"))?;
    let _socket = std::os::unix::net::UnixListener::bind(place.file("socket"))?;
    let mut names = vec!["fifo", "link", "dangling", "socket"];
    let zero = nix::sys::stat::makedev(1, 5);
    let (kind, mode) = (nix::sys::stat::SFlag::S_IFCHR, nix::sys::stat::Mode::S_IRWXU);
    match nix::sys::stat::mknod(&place.file("device"), kind, mode, zero) {
        Ok(()) => names.push("device"),
        Err(reason) => eprintln!("no device node was tried: {reason}"),
    }
    for name in names {
        is_not_an_array(&place, name, &dog);
        assert!(fs::symlink_metadata(place.file(name)).is_ok(), "{name} is gone");
    }
    assert_eq!(place.names()?, ["real"]);
    assert!(place.collect_garbage()?.is_empty());

    fs::create_dir(place.file("folder"))?;
    for error in errors(&place, "folder", &dog) {
        assert_eq!(error.to_string(), "\"folder\" cannot name an array: it is a folder of arrays");
    }
    Ok(())
}

fn is_not_an_array(place: &Place, name: &str, dog: &Watchdog) {
    for error in errors(place, name, dog) {
        let text = error.to_string();
        let is_right = matches!(error, Error::NotAnArray { .. } | Error::AlreadyExists { .. });
        assert!(is_right && text.contains(name), "{name}: {text}");
    }
}

/// The answers of every call that takes a name, each of which has to be an error.
fn errors(place: &Place, name: &str, dog: &Watchdog) -> [Error; 6] {
    let told = |what: &'static str| move || format!("{what} {name}");
    let subscribe = || AnySubscriber::builder().directory(place);
    let publisher = || AnyPublisher::builder().directory(place);
    [
        refusal(dog.call(told("inspect"), || place.inspect(name))),
        refusal(dog.call(told("attach to"), || subscribe().attach(name))),
        refusal(dog.call(told("look at"), || subscribe().read_only().attach(name))),
        refusal(dog.call(told("take over"), || publisher().attach(name))),
        refusal(dog.call(told("create"), || publisher().create(name, &DType::U8, &[4]))),
        refusal(dog.call(told("unlink"), || place.unlink(name))),
    ]
}

/// The shape in a slot's header decides how long a frame is, and only if it fits; the length beside it decides nothing.
#[test]
fn frames_of_a_hostile_length_word_are_as_long_as_their_shape() -> Outcome {
    let mut whole = closed_stream()?;
    let place = Place::new()?;
    let headers = region(&whole, "slot_headers");
    let stride = (headers.len()) / 5;
    for slot in 0..5 {
        put64(&mut whole, headers.start + slot * stride + offset("Slot header", "len"), u64::MAX);
        for (axis, dim) in [1_u64 << 40, 0].into_iter().enumerate() {
            put64(&mut whole, headers.start + slot * stride + 64 + 8 * axis, dim);
        }
    }
    forge(&place.file("stream"), &whole)?;
    let subscriber = Subscriber::<i32, Ix2>::builder().directory(&place).attach("stream")?;
    let newest = subscriber.latest()?.ok_or("five frames were published")?;
    // No items, so no bytes: a shape that fits, however long its first axis is.
    assert_eq!((newest.shape(), newest.bytes().len(), newest.view().len()), (&[1 << 40, 0][..], 0, 0));
    Ok(())
}

/// Attaching costs time in proportion to the table, not to its square: the longest ring there is takes a moment.
#[test]
fn the_longest_ring_is_taken_over_in_a_moment() -> Outcome {
    let place = Place::new()?;
    let builder = AnyPublisher::builder().directory(&place).history(65_534).slots(65_535).participants(2);
    let mut publisher = builder.create("long", &DType::U8, &[1])?;
    for _ in 0..65_534 {
        publisher.loan()?.publish();
    }
    drop(publisher);
    let start = Instant::now();
    assert_eq!(builder.attach("long")?.sequence(), 65_534);
    // In proportion it is some milliseconds, squared some ten seconds.
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    Ok(())
}
