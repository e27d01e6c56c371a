//! A writer has a block to itself, and readers have it together.
//!
//! Who comes in says so first and then looks for others: a store followed by a load of what the other stores. If both
//! loads could miss the other's store, a reader would look at a block while it is written.

use super::{BOTH, FIRST, FOREVER, Member, SECOND, TWO_BLOCKS, array};
use crate::models::{Process, explore, explore_with};
use crate::protocol::lock::{self, Span};
use crate::protocol::participant::register;
use crate::protocol::{Fault, World};
use crate::world::{Geometry, IN_PLACE, LoomWorld};
use loom::thread;

/// Reads if nobody writes at this moment.
fn try_read(reader: &Member, span: Span) -> Option<u64> {
    let place = reader.begin_read(span, 0)?;
    let seen = reader.look(span).expect("nobody died");
    reader.end_read(span, place);
    Some(seen[0])
}

fn said(seen: Option<u64>) -> String {
    seen.map_or("refused".to_owned(), |number| format!("read {number}"))
}

/// A writer and a reader of the whole array that do not wait: the one sees the other, or was done before. Both may give
/// way, never neither.
#[test]
fn a_reader_of_the_whole_or_a_writer() {
    let allowed = ["read 0, gave way", "read 0, written", "read 1, written", "refused, gave way", "refused, written"];
    explore_with(Some(4), &allowed, |outcomes| {
        let [writer, reader] = array(IN_PLACE);
        let reader = thread::spawn(move || said(try_read(&reader, FIRST)));
        let written = writer.begin_write(FIRST, 0);
        if written {
            writer.fill(FIRST, 1);
            writer.end_write(FIRST);
        }
        let reader = reader.join().expect("no panic");
        outcomes.saw(format!("{reader}, {}", if written { "written" } else { "gave way" }));
    });
}

/// The same of one block of two, which the reader names in a pin.
#[test]
fn a_reader_of_a_block_or_a_writer() {
    let allowed = ["read 0, gave way", "read 0, written", "read 1, written", "refused, gave way", "refused, written"];
    explore_with(Some(4), &allowed, |outcomes| {
        let [writer, reader] = array(TWO_BLOCKS);
        let reader = thread::spawn(move || said(try_read(&reader, SECOND)));
        let written = writer.begin_write(SECOND, 0);
        if written {
            writer.fill(SECOND, 1);
            writer.end_write(SECOND);
        }
        let reader = reader.join().expect("no panic");
        outcomes.saw(format!("{reader}, {}", if written { "written" } else { "gave way" }));
    });
}

/// A newcomer takes the block while another writer asks for it, and so asks whether its owner is here.
#[test]
fn a_newcomer_that_writes_is_not_called_corrupt() {
    explore(&["gave way", "written"], |outcomes| {
        let world = LoomWorld::new(Geometry { participants: 2, ..IN_PLACE });
        let writer = Member::attach(&world, 0);
        let newcomer = thread::spawn(move || {
            let world = world.other(1);
            assert!(world.lock(1), "nobody else has the record");
            let me = register(&world, 1).expect("the record is sound");
            let newcomer = Member::of(Process { world, me });
            if newcomer.begin_write(FIRST, 0) {
                newcomer.end_write(FIRST);
            }
        });
        let written = writer.begin_write(FIRST, 0);
        if written {
            writer.end_write(FIRST);
        }
        outcomes.saw(if written { "written" } else { "gave way" });
        newcomer.join().expect("no panic");
    });
}

/// Who waits gets in: the reader before or after the writer, and nothing in between.
#[test]
fn a_reader_and_a_writer_both_get_in() {
    explore_with(Some(4), &["0", "1"], |outcomes| {
        let [writer, reader] = array(IN_PLACE);
        let reader = thread::spawn(move || reader.read_one(FIRST));
        writer.write(FIRST, 1);
        outcomes.saw(reader.join().expect("no panic").to_string());
    });
}

/// Two writers come one after the other, and what stands there is the second one's.
#[test]
fn two_writers_come_one_after_the_other() {
    explore(&["1", "2"], |outcomes| {
        let [one, other] = array(IN_PLACE);
        let reader = one.clone();
        let other = thread::spawn(move || other.write(FIRST, 2));
        one.write(FIRST, 1);
        other.join().expect("no panic");
        outcomes.saw(reader.read_one(FIRST).to_string());
    });
}

/// Two readers and a writer: each reader sees the whole write or nothing of it.
#[test]
fn two_readers_and_a_writer() {
    explore_with(Some(2), &["[0, 0]", "[0, 1]", "[1, 0]", "[1, 1]"], |outcomes| {
        let [writer, one, other] = array(IN_PLACE);
        let readers = [one, other].map(|reader| thread::spawn(move || reader.read_one(FIRST)));
        writer.write(FIRST, 1);
        let seen = readers.map(|reader| reader.join().expect("no panic"));
        outcomes.saw(format!("{seen:?}"));
    });
}

/// A writer of the whole and a reader of one block, which does not meet the writer's first block at all.
#[test]
fn a_writer_of_the_whole_and_a_reader_of_a_block() {
    explore_with(Some(4), &["0", "1"], |outcomes| {
        let [writer, reader] = array(TWO_BLOCKS);
        let reader = thread::spawn(move || reader.read_one(SECOND));
        writer.write(BOTH, 1);
        outcomes.saw(reader.join().expect("no panic").to_string());
    });
}

/// A reader of the whole and a writer of one block: the reader sees the write in that block, or does not.
#[test]
fn a_reader_of_the_whole_and_a_writer_of_a_block() {
    explore_with(Some(3), &["[0, 0]", "[0, 1]"], |outcomes| {
        let [writer, reader] = array(TWO_BLOCKS);
        let reader = thread::spawn(move || reader.read(BOTH).expect("nobody died"));
        writer.write(SECOND, 1);
        outcomes.saw(format!("{:?}", reader.join().expect("no panic")));
    });
}

/// A writer of the whole and a writer of a block. They take blocks in rising order, so none waits for the other in a
/// circle.
#[test]
fn a_writer_of_the_whole_and_a_writer_of_a_block() {
    explore_with(Some(3), &["[1, 1]", "[1, 2]"], |outcomes| {
        let [one, other] = array(TWO_BLOCKS);
        let reader = one.clone();
        let other = thread::spawn(move || other.write(SECOND, 2));
        one.write(BOTH, 1);
        other.join().expect("no panic");
        outcomes.saw(format!("{:?}", reader.read(BOTH).expect("nobody died")));
    });
}

/// A write that failed: whoever comes in afterwards sees the poison.
#[test]
fn a_failed_write_is_poisoned_for_the_next() {
    explore_with(Some(4), &["0", "poisoned"], |outcomes| {
        let [writer, reader] = array(IN_PLACE);
        let reader = thread::spawn(move || reader.read(FIRST));
        assert!(writer.begin_write(FIRST, FOREVER));
        writer.world().fill_block(0, 1);
        writer.local.end_write(writer.world(), FIRST, true).expect("the words are sound");
        match reader.join().expect("no panic") {
            Ok(seen) => outcomes.saw(seen[0].to_string()),
            Err(fault) => {
                assert_eq!(fault, Fault::Poisoned(0));
                outcomes.saw("poisoned");
            }
        }
        assert_eq!(lock::poisoned(writer.world(), FIRST), Ok(Some(0)));
    });
}

/// A writer that gives up while it waits for readers has touched nothing, and leaves nothing behind: not even in the
/// block that it had already.
#[test]
fn a_writer_that_gives_up_leaves_nothing() {
    explore(&["gave up"], |outcomes| {
        let [writer, reader] = array(TWO_BLOCKS);
        let place = reader.begin_read(SECOND, 0).expect("nobody writes");
        assert!(!writer.begin_write(BOTH, 0));
        for block in [0, 1].map(|n| super::block(writer.world(), n)) {
            use crate::protocol::word::Word;
            use std::sync::atomic::Ordering::Relaxed;
            assert_eq!((block.wr.load(Relaxed), block.seq.load(Relaxed), block.poison.load(Relaxed)), (0, 0, 0));
        }
        reader.end_read(SECOND, place);
        outcomes.saw("gave up");
    });
}
