//! Producers that follow each other, and readers of every kind.

use super::{draw, explore, rest, run};
use crate::protocol::Fault;
use crate::protocol::consumer::{self, Lossless};
use crate::protocol::participant::{Participant, Tag};
use crate::protocol::producer::Producer;
use crate::world::{Geometry, ShuttleWorld, check_frame};

const FRAMES: u32 = 4;
const LOOKS: u32 = 6;
/// Fewer slots than could be pinned: producers meet pins all the time.
const SMALL: Geometry = Geometry { participants: 0, slots: 4, ring: 2, blocks: 0, is_cell: false, rows: 0 };

/// Takes the role when it is free, publishes, and gives it up.
fn produce(world: &ShuttleWorld, me: Participant) {
    for _ in 0..LOOKS {
        match Producer::claim(world, me) {
            Ok(mut producer) => {
                (0..FRAMES).for_each(|_| publish(world, &mut producer));
                return producer.leave(world, Tag::CLOSED);
            }
            Err(Fault::ProducerPresent(_)) => rest(world),
            Err(fault) => panic!("{fault:?}"),
        }
    }
}

fn publish(world: &ShuttleWorld, producer: &mut Producer) {
    match producer.loan(world, draw(2) == 0) {
        Ok(slot) => {
            world.frame(slot).fill(producer.newest() + 1);
            if draw(4) == 0 {
                producer.abort(world, slot).expect("the slot is good");
            } else {
                producer.publish(world, slot).expect("the slot is good");
            }
        }
        Err(Fault::AllPinned | Fault::Behind(_)) => rest(world),
        Err(fault) => panic!("{fault:?}"),
    }
}

/// Looks at the newest frame, which never gets older.
fn look(world: &ShuttleWorld, me: Participant) {
    let mut newest = 0;
    for _ in 0..LOOKS {
        if let Some(frame) = consumer::pin_newest(world, me, 0).expect("the ring is sound") {
            check_frame(world, frame);
            assert!(frame.seq >= newest, "time runs backwards");
            newest = frame.seq;
            consumer::unpin(world, me, 0).expect("the record is good");
        }
        rest(world);
    }
}

/// Takes every frame in turn, or is told how many are lost.
fn follow(world: &ShuttleWorld, me: Participant) {
    let mut reader = Lossless::join(world, me, 1).expect("the ring is sound");
    for _ in 0..LOOKS {
        let expected = reader.next;
        match reader.advance(world, me, 1) {
            Ok(Some(frame)) => {
                assert_eq!(frame.seq, expected, "a frame was left out");
                check_frame(world, frame);
                consumer::unpin(world, me, 1).expect("the record is good");
            }
            Ok(None) => rest(world),
            Err(Fault::Lagged(missed)) => assert_eq!(reader.next, expected + missed),
            Err(fault) => panic!("{fault:?}"),
        }
    }
    Lossless::leave(world, me).expect("the record is good");
}

/// Whoever dies of two producers, three readers and two that take every frame, no frame is torn, none is left out, and a
/// survivor can go on.
#[test]
fn streams_survive() {
    explore(|| {
        let (world, me) = run(SMALL, vec![produce, produce, look, look, follow, follow, produce]);
        let before = consumer::newest(&world);
        if let Some(frame) = before {
            assert_eq!(world.frame(frame.slot).look(), [frame.seq; 2], "the newest frame is not whole");
        }
        let mut producer = Producer::claim(&world, me).expect("the role is free");
        let slot = producer.loan(&world, false).expect("nobody holds anything");
        world.frame(slot).fill(producer.newest() + 1);
        let seq = producer.publish(&world, slot).expect("the slot is good");
        assert!(before.is_none_or(|frame| seq > frame.seq), "a number came twice");
        assert_eq!(consumer::newest(&world).map(|frame| frame.seq), Some(seq));
    });
}
