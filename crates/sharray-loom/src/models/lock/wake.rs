//! Who waits at a block is woken: a reader or a writer by the writer that leaves, a writer by the reader that leaves.
//!
//! Nothing ends a sleep here but a wake, so a lost one is a deadlock, and loom says so.

use super::{BOTH, FIRST, FOREVER, Member, SECOND, TWO_BLOCKS, array, block};
use crate::models::{explore, explore_with};
use crate::protocol::lock::{self, Place, Span};
use crate::protocol::notify::{self, Slices};
use crate::protocol::word::Word;
use crate::protocol::{World, participant};
use crate::world::{Geometry, IN_PLACE, LoomWorld};
use loom::thread;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering::Relaxed;

/// A process that holds a read lease, and others.
fn held<const N: usize>(geometry: Geometry, span: Span) -> ([Member; N], Place) {
    let members: [Member; N] = array(geometry);
    let place = members[1].begin_read(span, 0).expect("nobody writes");
    (members, place)
}

/// The words of every block are free, and nobody waits there.
fn assert_quiet(world: &LoomWorld) {
    for n in 0..world.blocks() {
        assert_eq!(block(world, n).wr.load(Relaxed), 0, "block {n}");
    }
}

/// A writer waits for a reader of the whole, which leaves.
#[test]
fn a_reader_that_leaves_wakes_the_writer() {
    explore(&["written"], |outcomes| {
        let ([writer, reader], place) = held(IN_PLACE, FIRST);
        let world = writer.world().clone();
        let writer = thread::spawn(move || writer.write(FIRST, 1));
        assert_eq!(reader.look(FIRST), Ok(vec![0]));
        reader.end_read(FIRST, place);
        writer.join().expect("no panic");
        assert_quiet(&world);
        outcomes.saw("written");
    });
}

/// A writer of the whole waits for a reader of its second block, which leaves.
#[test]
fn a_reader_of_a_block_that_leaves_wakes_the_writer() {
    explore_with(Some(4), &["written"], |outcomes| {
        let ([writer, reader], place) = held(TWO_BLOCKS, SECOND);
        let world = writer.world().clone();
        let writer = thread::spawn(move || writer.write(BOTH, 1));
        assert_eq!(reader.look(SECOND), Ok(vec![0]));
        reader.end_read(SECOND, place);
        writer.join().expect("no panic");
        assert_quiet(&world);
        outcomes.saw("written");
    });
}

/// A writer waits for two readers, and the last one wakes it.
#[test]
fn the_last_of_two_readers_wakes_the_writer() {
    explore_with(Some(3), &["written"], |outcomes| {
        let ([writer, reader, other], place) = held(IN_PLACE, FIRST);
        let others = other.begin_read(FIRST, 0).expect("nobody writes");
        let writer = thread::spawn(move || writer.write(FIRST, 1));
        let other = thread::spawn(move || other.end_read(FIRST, others));
        reader.end_read(FIRST, place);
        writer.join().expect("no panic");
        other.join().expect("no panic");
        outcomes.saw("written");
    });
}

/// A reader waits for a writer, which leaves.
#[test]
fn a_writer_that_leaves_wakes_the_reader() {
    explore(&["1"], |outcomes| {
        let [writer, reader] = array(IN_PLACE);
        assert!(writer.begin_write(FIRST, 0));
        let reader = thread::spawn(move || reader.read_one(FIRST));
        writer.fill(FIRST, 1);
        writer.end_write(FIRST);
        outcomes.saw(reader.join().expect("no panic").to_string());
    });
}

/// A reader and a writer wait for a writer: it wakes both, not one of them.
#[test]
fn a_writer_that_leaves_wakes_everyone() {
    explore_with(Some(3), &["1", "2"], |outcomes| {
        let [writer, reader, other] = array(IN_PLACE);
        assert!(writer.begin_write(FIRST, 0));
        let reader = thread::spawn(move || reader.read_one(FIRST));
        let other = thread::spawn(move || other.write(FIRST, 2));
        writer.fill(FIRST, 1);
        writer.end_write(FIRST);
        outcomes.saw(reader.join().expect("no panic").to_string());
        other.join().expect("no panic");
    });
}

/// A reader that is only looking steps back before a writer that already waits for it, and wakes it.
#[test]
fn a_reader_that_steps_back_wakes_the_writer() {
    explore_with(Some(3), &["read", "refused"], |outcomes| {
        let [writer, reader] = array(IN_PLACE);
        let writer = thread::spawn(move || writer.write(FIRST, 1));
        let place = reader.begin_read(FIRST, 0);
        outcomes.saw(if place.is_some() { "read" } else { "refused" });
        if let Some(place) = place {
            reader.end_read(FIRST, place);
        }
        writer.join().expect("no panic");
    });
}

/// A writer waits for a reader that is killed, and a third process buries the reader: whoever wipes the announcement
/// wakes the writer.
#[test]
fn burying_a_reader_wakes_the_writer() {
    explore_with(Some(3), &["written"], |outcomes| {
        let ([writer, reader, witness], _) = held(IN_PLACE, FIRST);
        reader.world().die();
        let witness = thread::spawn(move || participant::recover_dead(witness.world(), witness.process.me));
        writer.write(FIRST, 1);
        witness.join().expect("no panic").expect("the records are sound");
        outcomes.saw("written");
    });
}

/// The same of a reader that names its block in a pin.
#[test]
fn burying_a_reader_of_a_block_wakes_the_writer() {
    explore_with(Some(3), &["written"], |outcomes| {
        let ([writer, reader, witness], _) = held(TWO_BLOCKS, SECOND);
        reader.world().die();
        let witness = thread::spawn(move || participant::recover_dead(witness.world(), witness.process.me));
        writer.write(SECOND, 1);
        witness.join().expect("no panic").expect("the records are sound");
        outcomes.saw("written");
    });
}

/// So does a process that detaches with a guard that was never dropped.
#[test]
fn detaching_wakes_the_writer() {
    explore_with(Some(3), &["written"], |outcomes| {
        let ([writer, reader], _) = held(IN_PLACE, FIRST);
        let reader = thread::spawn(move || participant::detach(reader.world(), reader.process.me));
        writer.write(FIRST, 1);
        reader.join().expect("no panic").expect("the record is sound");
        outcomes.saw("written");
    });
}

/// A reader waits for a writer that is killed, and a third process buries the writer.
#[test]
fn burying_a_writer_wakes_the_reader() {
    explore_with(Some(3), &["poisoned"], |outcomes| {
        let [writer, reader, witness] = array(IN_PLACE);
        assert!(writer.begin_write(FIRST, 0));
        writer.world().die();
        let witness = thread::spawn(move || participant::recover_dead(witness.world(), witness.process.me));
        assert!(reader.read(FIRST).is_err(), "the writer did not come to the end");
        witness.join().expect("no panic").expect("the records are sound");
        outcomes.saw("poisoned");
    });
}

/// Waits until the sequence of the array is `number`.
fn wait_for(world: &LoomWorld, number: u64) {
    let check =
        |_| if lock::latest_sequence(world) == number { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    notify::wait(world, world.notify(), FOREVER, Slices::CHANGE, check).expect("the wait has no end but its answer");
}

/// One waits for a change, one writes: between the end of the write and the look for those who wait stands the swap
/// that frees the block.
#[test]
fn a_write_wakes_who_waits_for_a_change() {
    explore_with(Some(4), &["woken"], |outcomes| {
        let [writer, waiter] = array(IN_PLACE);
        assert!(writer.begin_write(FIRST, 0));
        let waiter = thread::spawn(move || wait_for(waiter.world(), 2));
        writer.end_write(FIRST);
        waiter.join().expect("no panic");
        outcomes.saw("woken");
    });
}
