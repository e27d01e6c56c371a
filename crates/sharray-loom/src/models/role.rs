//! The producer's role: taken by one, given up in good order or by death, taken over.
//!
//! Whoever has the role goes on with the next sequence, so it must know the last one, and it writes into slots that the
//! last one wrote. Both are plain facts to it only if taking the role comes after giving it up.

use super::{Process, close, explore, explore_with, state, stream};
use crate::protocol::Fault;
use crate::protocol::consumer;
use crate::protocol::participant;
use crate::protocol::producer::Producer;
use crate::world::{Geometry, LoomWorld, TIGHT};
use loom::thread;

const THREE: Geometry = Geometry { participants: 3, ..TIGHT };

/// The role, or who has it.
fn try_claim(process: &Process) -> Result<Producer, u32> {
    match Producer::claim(&process.world, process.me) {
        Ok(producer) => Ok(producer),
        Err(Fault::ProducerPresent(index)) => Err(index),
        Err(fault) => panic!("{fault:?}"),
    }
}

/// Two want the role: one has it, and the other is told who.
#[test]
fn one_of_two_has_the_role() {
    explore(&["the first", "the second"], |outcomes| {
        let world = LoomWorld::new(TIGHT);
        let processes = [0, 1].map(|n| Process::attach(&world, n));
        let [one, other] = processes;
        let other = thread::spawn(move || try_claim(&other).map(|mut producer| other.publish(&mut producer)));
        let claimed = try_claim(&one).map(|mut producer| one.publish(&mut producer));
        match (claimed, other.join().expect("no panic")) {
            (Ok(1), Err(0)) => outcomes.saw("the first"),
            (Err(1), Ok(1)) => outcomes.saw("the second"),
            outcome => panic!("{outcome:?}"),
        }
    });
}

/// A producer publishes and closes while another waits for the role. The successor knows the last frame, and the slots
/// it writes into are its own.
#[test]
fn the_successor_knows_what_came_before() {
    explore(&["frame 4", "not yet"], |outcomes| {
        let (writer, mut producer, successor) = stream(TIGHT, 2);
        let writer = thread::spawn(move || {
            assert_eq!(writer.publish(&mut producer), 3);
            close(&writer, &producer);
        });
        if let Ok(mut producer) = try_claim(&successor) {
            outcomes.saw(format!("frame {}", successor.publish(&mut producer)));
        } else {
            outcomes.saw("not yet");
        }
        writer.join().expect("no panic");
    });
}

/// The stream is closed, and two take the role one after the other, the second perhaps by a word that it read before the
/// first: closed then and closed now look the same.
#[test]
fn closed_again_is_not_closed_before() {
    explore_with(Some(4), &["frame 2", "frame 1", "not yet"], |outcomes| {
        let world = LoomWorld::new(THREE);
        let [one, other, gone] = [0, 1, 2].map(|n| Process::attach(&world, n));
        close(&gone, &gone.claim());
        let other = thread::spawn(move || {
            let mut producer = try_claim(&other)?;
            let seq = other.publish(&mut producer);
            close(&other, &producer);
            Ok(seq)
        });
        let published = try_claim(&one).map(|mut producer| one.publish(&mut producer));
        let before: Result<u64, u32> = other.join().expect("no panic");
        assert_ne!(published.ok(), before.ok(), "two frames of one number, or nobody had the role");
        outcomes.saw(published.map_or("not yet".to_owned(), |seq| format!("frame {seq}")));
    });
}

/// A producer publishes its last frame and closes. Who sees the end sees the last frame.
#[test]
fn the_end_comes_with_the_last_frame() {
    explore(&["present", "closed"], |outcomes| {
        let (writer, mut producer, reader) = stream(TIGHT, 0);
        let loan = writer.loan(&mut producer).expect("a slot is free");
        let writer = thread::spawn(move || {
            producer.publish(&writer.world, loan).expect("the slot is good");
            close(&writer, &producer);
        });
        let state = state(&reader.world);
        if state == "closed" {
            let frame = consumer::pin_newest(&reader.world, reader.me, 0).expect("the ring is sound");
            reader.world.look(frame.expect("the last frame is visible with the end"));
        }
        outcomes.saw(state);
        writer.join().expect("no panic");
    });
}

/// A producer dies and somebody else buries it. Who learns of its death sees its last frame, and a successor that
/// finds the role free writes after the dead one's last byte.
#[test]
fn death_comes_with_the_last_frame() {
    explore(&["present", "dead"], |outcomes| {
        let world = LoomWorld::new(THREE);
        let [victim, witness, reader] = [0, 1, 2].map(|n| Process::attach(&world, n));
        let mut producer = victim.claim();
        let loan = victim.loan(&mut producer).expect("a slot is free");
        let victim = thread::spawn(move || {
            producer.publish(&victim.world, loan).expect("the slot is good");
            victim.world.die();
        });
        let witness = thread::spawn(move || participant::recover_dead(&witness.world, witness.me));
        let state = state(&reader.world);
        if state == "dead" {
            let frame = consumer::newest(&reader.world).expect("the last frame is visible with the death");
            assert_eq!(frame.seq, 1);
            reader.world.look(frame);
        }
        outcomes.saw(state);
        victim.join().expect("no panic");
        witness.join().expect("no panic").expect("the records are sound");
    });
}

/// The producer is killed after any number of accesses while it fills and publishes its second frame. Its successor
/// goes on with the next sequence: the frame is out, whole, or it never was.
#[test]
fn a_publish_is_finished_or_never_was() {
    for accesses in 0.. {
        let alive = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = alive.clone();
        loom::model(move || {
            let (writer, mut producer, successor) = stream(Geometry { slots: 3, ..TIGHT }, 1);
            let lived = writer.world.doomed(accesses, || {
                if let Some(slot) = writer.loan(&mut producer) {
                    producer.publish(&writer.world, slot).expect("the slot is good");
                }
            });
            seen.store(lived, std::sync::atomic::Ordering::Relaxed);
            if lived {
                writer.world.die();
            }
            // Somebody who knows the next number may have it out of the ring already.
            let known = consumer::pin_at(&successor.world, successor.me, 0, 2).expect("the ring is sound");
            consumer::unpin(&successor.world, successor.me, 0).expect("the record is sound");
            let mut producer = successor.claim();
            assert!(known.is_none() || producer.newest() == 2, "a frame that was read is taken back");
            let newest = producer.newest();
            assert!(newest == 2 || newest == 1 && !lived);
            for seq in newest + 1..=newest + 3 {
                let slot = successor.loan(&mut producer).expect("a slot is free");
                let head = consumer::newest(&successor.world).map(|head| head.seq);
                assert_eq!(head, Some(seq - 1));
                let frame = consumer::pin_at(&successor.world, successor.me, 0, seq - 1).expect("the ring is sound");
                let frame = frame.expect("the newest frame is in the ring, whole");
                successor.world.look(frame);
                consumer::unpin(&successor.world, successor.me, 0).expect("the record is sound");
                assert_eq!(producer.publish(&successor.world, slot), Ok(seq));
            }
        });
        if alive.load(std::sync::atomic::Ordering::Relaxed) {
            assert!(accesses > 10, "a publish takes more than a few accesses");
            return;
        }
    }
}
