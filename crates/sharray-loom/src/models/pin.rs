//! A reader looks at a frame while the producer looks for a slot to overwrite.
//!
//! The reader says which slot it is about to read and then checks that the slot still holds its frame. The producer
//! says that it is about to overwrite the slot and then checks that nobody reads it. Each is a store followed by a load
//! of what the other stores; if both loads could miss the other's store, the frame would change under the reader's
//! eyes. A copy without a lease may race, so it must notice afterwards.

use super::{Process, explore, explore_with, stream};
use crate::protocol::World;
use crate::protocol::participant;
use crate::protocol::word::Word;
use crate::protocol::{Descriptor, consumer};
use crate::world::{Geometry, LoomWorld, TIGHT};
use loom::thread;
use std::sync::atomic::Ordering::Relaxed;

const COPIED: Geometry = Geometry { copies: true, ..TIGHT };

/// Pins frame `seq` through the ring, looks at it, and gives it back.
fn look_at(reader: &Process, seq: u64) -> bool {
    let frame = consumer::pin_at(&reader.world, reader.me, 0, seq).expect("the ring is sound");
    if let Some(frame) = frame {
        reader.world.look(frame);
        consumer::unpin(&reader.world, reader.me, 0).expect("the record is sound");
    }
    frame.is_some()
}

/// The frame that is about to leave the ring is pinned while the producer takes its slot for the next one. Either it is
/// not to be had any more, or the producer passes the slot over, or the reader was done before the first new byte.
/// Both may give way, never neither.
#[test]
fn a_slot_is_pinned_or_overwritten() {
    let allowed = ["lapped, passed over", "lapped, written", "pinned, passed over", "pinned, written"];
    explore(&allowed, |outcomes| {
        let (writer, mut producer, reader) = stream(TIGHT, 2);
        let reader = thread::spawn(move || look_at(&reader, 1));
        let written = writer.loan(&mut producer).is_some();
        let pinned = reader.join().expect("no panic");
        let reader = if pinned { "pinned" } else { "lapped" };
        outcomes.saw(format!("{reader}, {}", if written { "written" } else { "passed over" }));
    });
}

/// A slot that was passed over keeps its version: it still holds a frame that others may read in place.
#[test]
fn a_slot_passed_over_keeps_its_frame() {
    explore(&["pinned, passed over", "lapped, written"], |outcomes| {
        let (writer, mut producer, reader) = stream(TIGHT, 2);
        let reader = thread::spawn(move || {
            let frame = consumer::pin_at(&reader.world, reader.me, 0, 1).expect("the ring is sound")?;
            reader.world.look(frame);
            Some(frame)
        });
        let written = writer.loan(&mut producer).is_some();
        let pinned = reader.join().expect("no panic");
        if let Some(frame) = pinned {
            assert!(!written, "a pinned slot was given out");
            writer.world.look(frame);
            assert!(look_at(&writer, 1), "the frame is intact, but its version says otherwise");
        }
        outcomes.saw(if written { "lapped, written" } else { "pinned, passed over" });
    });
}

/// The newest frame is always to be had: a reader that is overtaken by the producer finds a newer one.
#[test]
fn the_newest_frame_is_always_there() {
    explore(&["2", "3"], |outcomes| {
        let (writer, mut producer, reader) = stream(TIGHT, 2);
        let loan = writer.loan(&mut producer).expect("a slot is free");
        let reader = thread::spawn(move || {
            let frame = consumer::pin_newest(&reader.world, reader.me, 0).expect("the ring is sound");
            let frame = frame.expect("there was one before");
            reader.world.look(frame);
            consumer::unpin(&reader.world, reader.me, 0).expect("the record is sound");
            frame.seq
        });
        producer.publish(&writer.world, loan).expect("the slot is good");
        writer.loan(&mut producer);
        let seq = reader.join().expect("no panic");
        outcomes.saw(seq.to_string());
    });
}

/// A frame that is published while somebody asks for it: its bytes come with it.
#[test]
fn a_frame_comes_with_its_bytes() {
    explore(&["not yet", "newest", "by number"], |outcomes| {
        let (writer, mut producer, reader) = stream(TIGHT, 0);
        let loan = producer.loan(&writer.world, false).expect("a slot is free");
        let writer = thread::spawn(move || {
            writer.world.fill(loan, 1);
            producer.publish(&writer.world, loan).expect("the slot is good")
        });
        if look_at(&reader, 1) {
            outcomes.saw("by number");
        } else if consumer::pin_newest(&reader.world, reader.me, 0).expect("the ring is sound").is_some() {
            reader.world.look(Descriptor { seq: 1, slot: loan });
            outcomes.saw("newest");
        } else {
            outcomes.saw("not yet");
        }
        writer.join().expect("no panic");
    });
}

/// A process attaches and pins while the producer looks through the records: it is seen, or it sees.
#[test]
fn who_attaches_and_pins_is_seen() {
    explore_with(Some(5), &["lapped", "pinned"], |outcomes| {
        let world = LoomWorld::new(TIGHT);
        let writer = Process::attach(&world, 0);
        let mut producer = writer.claim();
        writer.publish(&mut producer);
        writer.publish(&mut producer);
        let reader = thread::spawn(move || look_at(&Process::attach(&world, 1), 1));
        writer.loan(&mut producer);
        outcomes.saw(if reader.join().expect("no panic") { "pinned" } else { "lapped" });
    });
}

/// A reader is killed with a frame in its hand, and somebody else proves it dead. The producer may have the slot then,
/// but what it writes must come after the dead one's last look.
#[test]
fn the_slot_of_a_dead_reader_is_written_after_its_last_look() {
    explore(&["held", "free"], |outcomes| {
        let world = LoomWorld::new(Geometry { participants: 3, ..TIGHT });
        let writer = Process::attach(&world, 0);
        let mut producer = writer.claim();
        writer.publish(&mut producer);
        writer.publish(&mut producer);
        let victim = Process::attach(&world, 1);
        let frame = consumer::pin_at(&victim.world, victim.me, 0, 1).expect("the ring is sound").expect("it is there");
        let witness = Process::attach(&world, 2);
        let victim = thread::spawn(move || {
            victim.world.look(frame);
            victim.world.die();
        });
        let witness = thread::spawn(move || participant::recover_dead(&witness.world, witness.me));
        outcomes.saw(if writer.loan(&mut producer).is_some() { "free" } else { "held" });
        victim.join().expect("no panic");
        witness.join().expect("no panic").expect("the records are sound");
        assert_eq!(world.prod().load(Relaxed), writer.me.tag().to_bits(), "the role was taken from the living");
    });
}

/// A copy without a lease of the frame that is being overwritten: it is had whole or not at all.
#[test]
fn a_copy_is_whole_or_none() {
    explore(&["whole", "none"], |outcomes| {
        let (writer, mut producer, reader) = stream(COPIED, 2);
        let reader = thread::spawn(move || {
            let world = &reader.world;
            let copied = consumer::copy_at(world, 1, |slot, _| world.copy(slot)).expect("the ring is sound");
            assert!(copied.is_none_or(|words| words == [1, 1]), "torn: {copied:?}");
            copied.is_some()
        });
        writer.loan(&mut producer);
        outcomes.saw(if reader.join().expect("no panic") { "whole" } else { "none" });
    });
}

/// A copy of the newest frame while it is published: `head` is read first, as an onlooker does.
#[test]
fn a_copy_of_the_newest_has_its_bytes() {
    explore(&["1", "nothing yet"], |outcomes| {
        let (writer, mut producer, reader) = stream(COPIED, 0);
        let loan = producer.loan(&writer.world, false).expect("a slot is free");
        let writer = thread::spawn(move || {
            writer.world.fill(loan, 1);
            producer.publish(&writer.world, loan).expect("the slot is good")
        });
        let world = &reader.world;
        if let Some(frame) = consumer::newest(world) {
            let copied = consumer::copy_at(world, frame.seq, |slot, _| world.copy(slot)).expect("the ring is sound");
            assert_eq!(copied, Some([1, 1]), "head names a frame whose bytes are not there");
            outcomes.saw("1");
        } else {
            outcomes.saw("nothing yet");
        }
        writer.join().expect("no panic");
    });
}

/// The same by number, which an onlooker does who knows what comes next.
#[test]
fn a_copy_by_number_has_its_bytes() {
    explore(&["1", "nothing yet"], |outcomes| {
        let (writer, mut producer, reader) = stream(COPIED, 0);
        let loan = producer.loan(&writer.world, false).expect("a slot is free");
        let writer = thread::spawn(move || {
            writer.world.fill(loan, 1);
            producer.publish(&writer.world, loan).expect("the slot is good")
        });
        let world = &reader.world;
        let copied = consumer::copy_at(world, 1, |slot, _| world.copy(slot)).expect("the ring is sound");
        assert!(copied.is_none_or(|words| words == [1, 1]), "torn: {copied:?}");
        outcomes.saw(if copied.is_some() { "1" } else { "nothing yet" });
        writer.join().expect("no panic");
    });
}
