//! Consumers that go through the frames one by one, while the producer goes on.
//!
//! A lossless consumer and the producer must agree about every frame: either the producer sees the cursor and waits (or
//! evicts, and the consumer learns of it), or the consumer sees how far the producer is and begins later. A lossy one
//! waits for nobody and is waited for by nobody, but counts what it missed, exactly.

use super::{Process, explore, explore_with, stream};
use crate::protocol::Fault;
use crate::protocol::consumer::{self, Lossless, Lossy};
use crate::world::{Geometry, TIGHT};
use loom::thread;

/// The frame's number if the next one could be had, looked at and given back.
fn advance(consumer: &mut Lossless, reader: &Process) -> Result<Option<u64>, Fault> {
    let frame = consumer.advance(&reader.world, reader.me, 0)?;
    if let Some(frame) = frame {
        reader.world.look(frame);
        consumer::unpin(&reader.world, reader.me, 0)?;
    }
    Ok(frame.map(|frame| frame.seq))
}

/// A consumer joins at the frame that the producer is about to push out. Either the producer waits for it, or it begins
/// one later; what it is promised is there.
#[test]
fn the_gate_sees_the_consumer_or_it_sees_the_gate() {
    explore(&["from 1, producer waits", "from 2, producer waits", "from 2, written"], |outcomes| {
        let (writer, mut producer, reader) = stream(TIGHT, 2);
        let reader = thread::spawn(move || {
            let mut consumer = Lossless::join(&reader.world, reader.me, 1).expect("the ring is sound");
            let from = consumer.next;
            let frame = consumer.advance(&reader.world, reader.me, 0).expect("what was promised is there");
            let frame = frame.expect("it was published");
            reader.world.look(frame);
            assert_eq!(frame.seq, from);
            from
        });
        let written = writer.loan(&mut producer).is_some();
        let from = reader.join().expect("no panic");
        outcomes.saw(format!("from {from}, {}", if written { "written" } else { "producer waits" }));
    });
}

/// A joined consumer moves on from the frame that the producer waits to push out. Its cursor is free to move as soon as
/// the frame is pinned, and no sooner.
#[test]
fn a_consumer_moves_on_under_the_producers_eyes() {
    explore(&["passed over", "written"], |outcomes| {
        let (writer, mut producer, reader) = stream(TIGHT, 2);
        let mut consumer = Lossless::join(&reader.world, reader.me, 1).expect("the ring is sound");
        let reader = thread::spawn(move || {
            assert_eq!(advance(&mut consumer, &reader), Ok(Some(1)), "a lossless consumer lost a frame");
        });
        let written = writer.loan(&mut producer).is_some();
        reader.join().expect("no panic");
        outcomes.saw(if written { "written" } else { "passed over" });
    });
}

/// The same consumer, and a producer that evicts. It has the frame whole, or it is told that it lags; never a frame
/// that changes, and never a gap in silence.
#[test]
fn an_evicted_consumer_is_told() {
    explore(&["1", "lagged by 1"], |outcomes| {
        let (writer, mut producer, reader) = stream(Geometry { slots: 3, ..TIGHT }, 2);
        let mut consumer = Lossless::join(&reader.world, reader.me, 1).expect("the ring is sound");
        let reader = thread::spawn(move || match advance(&mut consumer, &reader) {
            Ok(Some(1)) => "1".to_owned(),
            Err(Fault::Lagged(lost)) => format!("lagged by {lost}"),
            other => panic!("{other:?}"),
        });
        // A consumer that moves on at the very moment of its eviction may cost the producer a second look, no more.
        let first = writer.loan_or_evict(&mut producer, true);
        first.or_else(|| writer.loan_or_evict(&mut producer, true)).expect("nobody can hold this producer up");
        outcomes.saw(reader.join().expect("no panic"));
    });
}

/// Frames are published while a lossless consumer goes through them: it has each of them.
#[test]
fn what_is_announced_is_there() {
    explore(&["1", "nothing yet"], |outcomes| {
        let (writer, mut producer, reader) = stream(TIGHT, 0);
        let mut consumer = Lossless::join(&reader.world, reader.me, 1).expect("the ring is sound");
        let loan = writer.loan(&mut producer).expect("a slot is free");
        let writer = thread::spawn(move || producer.publish(&writer.world, loan).expect("the slot is good"));
        let had = advance(&mut consumer, &reader).expect("what is announced is there");
        outcomes.saw(had.map_or("nothing yet".to_owned(), |seq| seq.to_string()));
        writer.join().expect("no panic");
    });
}

/// A lossy consumer, and a producer that only publishes: what it jumps over and what it has add up, and nothing that was
/// there to be had is counted as missed.
#[test]
fn a_lossy_consumer_has_what_is_there() {
    explore(&["2 after 1 missed", "2 and 3 after 1 missed", "3 after 2 missed"], |outcomes| {
        let (writer, mut producer, reader) = stream(Geometry { slots: 3, ..TIGHT }, 2);
        let loan = writer.loan(&mut producer).expect("a slot is free");
        let writer = thread::spawn(move || producer.publish(&writer.world, loan).expect("the slot is good"));
        let mut consumer = Lossy { next: 1, missed: 0 };
        let mut had = Vec::new();
        for _ in 0..2 {
            let pin = |seq| consumer::pin_at(&reader.world, reader.me, 0, seq);
            if let Some(frame) = consumer.advance(&reader.world, pin).expect("the ring is sound") {
                reader.world.look(frame);
                had.push(frame.seq.to_string());
            }
        }
        writer.join().expect("no panic");
        outcomes.saw(format!("{} after {} missed", had.join(" and "), consumer.missed));
    });
}

/// A lossy consumer that is lapped while it pins counts the frame once, and goes on behind it.
#[test]
fn a_lossy_consumer_counts_what_it_missed() {
    explore_with(Some(5), &["2 after 1", "3 after 2"], |outcomes| {
        let (writer, mut producer, reader) = stream(Geometry { slots: 3, ..TIGHT }, 2);
        let loan = writer.loan(&mut producer).expect("a slot is free");
        let reader = thread::spawn(move || {
            let mut consumer = Lossy { next: 1, missed: 0 };
            let pin = |seq| consumer::pin_at(&reader.world, reader.me, 0, seq);
            let frame = consumer.advance(&reader.world, pin).expect("the ring is sound").expect("there are some");
            reader.world.look(frame);
            assert_eq!(frame.seq, 1 + consumer.missed, "the frames had and the frames missed do not add up");
            assert_eq!(consumer.next, frame.seq + 1);
            format!("{} after {}", frame.seq, consumer.missed)
        });
        producer.publish(&writer.world, loan).expect("the slot is good");
        writer.loan(&mut producer);
        outcomes.saw(reader.join().expect("no panic"));
    });
}
