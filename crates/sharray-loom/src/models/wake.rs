//! Wake-ups that must not be lost.
//!
//! A sleeper that misses its wake-up sleeps on although what it waits for is there. In production a slice ends such a
//! sleep after some milliseconds, which hides the mistake and costs the milliseconds. Here nothing ends a sleep but a
//! wake, so a lost one is a deadlock, and loom says so.

use super::{Process, close, explore, explore_with, state, stream};
use crate::protocol::consumer::{self, Lossless};
use crate::protocol::notify::{self, Slices};
use crate::protocol::{World, participant};
use crate::world::{Geometry, LoomWorld, TIGHT};
use loom::sync::atomic::AtomicU32;
use loom::thread;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Waits until `check` has an answer.
fn wait<R>(world: &LoomWorld, word: &<LoomWorld as World>::U32, mut check: impl FnMut() -> Option<R>) -> R {
    let check = |_| check().map_or(ControlFlow::Continue(()), ControlFlow::Break);
    notify::wait(world, word, u64::MAX, Slices::NEWS, check).expect("the wait has no end but its answer")
}

/// One waits, one makes the condition true and says so. The condition itself is relaxed: that it is visible is the
/// doing of the word alone.
#[test]
fn a_change_wakes_who_waits_for_it() {
    explore(&["woken"], |outcomes| {
        let world = LoomWorld::new(TIGHT);
        let flag = Arc::new(AtomicU32::new(0));
        let (waiter, raised) = (world.clone(), flag.clone());
        let waiter = thread::spawn(move || {
            wait(&waiter, waiter.notify(), || (raised.load(Relaxed) == 1).then_some(()));
        });
        flag.store(1, Relaxed);
        notify::notify(&world, world.notify());
        waiter.join().expect("no panic");
        outcomes.saw("woken");
    });
}

/// Two changes, and the second is what the waiter waits for.
#[test]
fn the_second_change_wakes_as_well() {
    explore_with(Some(4), &["woken"], |outcomes| {
        let world = LoomWorld::new(TIGHT);
        let flag = Arc::new(AtomicU32::new(0));
        let (waiter, raised) = (world.clone(), flag.clone());
        let waiter = thread::spawn(move || {
            wait(&waiter, waiter.notify(), || (raised.load(Relaxed) == 2).then_some(()));
        });
        for change in 1..=2 {
            flag.store(change, Relaxed);
            notify::notify(&world, world.notify());
        }
        waiter.join().expect("no panic");
        outcomes.saw("woken");
    });
}

/// Two share the one bit that says that somebody sleeps: both are woken.
#[test]
fn a_change_wakes_everyone() {
    explore_with(Some(3), &["woken"], |outcomes| {
        let world = LoomWorld::new(TIGHT);
        let flag = Arc::new(AtomicU32::new(0));
        let waiters = [(); 2].map(|()| {
            let (waiter, raised) = (world.clone(), flag.clone());
            thread::spawn(move || {
                wait(&waiter, waiter.notify(), || (raised.load(Relaxed) == 1).then_some(()));
            })
        });
        flag.store(1, Relaxed);
        notify::notify(&world, world.notify());
        for waiter in waiters {
            waiter.join().expect("no panic");
        }
        outcomes.saw("woken");
    });
}

/// Two notify at the same time: no count is lost, so neither is a waiter.
#[test]
fn two_changes_at_once_wake_who_waits_for_both() {
    explore_with(Some(2), &["woken"], |outcomes| {
        let world = LoomWorld::new(TIGHT);
        let flags = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let others = [0, 1].map(|n: usize| {
            let (world, flags) = (world.clone(), flags.clone());
            thread::spawn(move || {
                flags[n].store(1, Relaxed);
                notify::notify(&world, world.notify());
            })
        });
        wait(&world, world.notify(), || flags.iter().all(|flag| flag.load(Relaxed) == 1).then_some(()));
        for other in others {
            other.join().expect("no panic");
        }
        outcomes.saw("woken");
    });
}

/// A consumer that waits for the first frame is woken by it, and can pin it.
#[test]
fn a_frame_wakes_its_consumer() {
    explore(&["woken"], |outcomes| {
        let (writer, mut producer, reader) = stream(TIGHT, 0);
        let loan = writer.loan(&mut producer).expect("a slot is free");
        let reader = thread::spawn(move || {
            let world = &reader.world;
            wait(world, world.notify(), || consumer::newest(world));
            let frame = consumer::pin_newest(world, reader.me, 0).expect("the ring is sound");
            world.look(frame.expect("it was announced"));
        });
        producer.publish(&writer.world, loan).expect("the slot is good");
        reader.join().expect("no panic");
        outcomes.saw("woken");
    });
}

/// A consumer that waits for the next frame learns of the end of the stream, and has what came before it.
#[test]
fn the_end_wakes_the_consumer() {
    explore_with(Some(4), &["closed after 1"], |outcomes| {
        let (writer, mut producer, reader) = stream(TIGHT, 0);
        let loan = writer.loan(&mut producer).expect("a slot is free");
        let reader = thread::spawn(move || {
            let world = &reader.world;
            wait(world, world.notify(), || (state(world) != "present").then_some(()));
            (state(world), consumer::newest(world).map(|frame| frame.seq))
        });
        producer.publish(&writer.world, loan).expect("the slot is good");
        close(&writer, &producer);
        assert_eq!(reader.join().expect("no panic"), ("closed", Some(1)));
        outcomes.saw("closed after 1");
    });
}

/// A producer that a lossless consumer holds up goes on when the consumer leaves.
#[test]
fn leaving_wakes_the_producer() {
    explore(&["written"], |outcomes| {
        let (writer, mut producer, reader) = stream(TIGHT, 2);
        Lossless::join(&reader.world, reader.me, 1).expect("the ring is sound");
        let reader = thread::spawn(move || Lossless::leave(&reader.world, reader.me).expect("the record is sound"));
        wait(&writer.world, writer.world.room(), || writer.loan(&mut producer));
        reader.join().expect("no panic");
        outcomes.saw("written");
    });
}

/// So it does when the consumer detaches, whatever it held.
#[test]
fn detaching_wakes_the_producer() {
    explore_with(Some(5), &["written"], |outcomes| {
        let (writer, mut producer, reader) = stream(TIGHT, 2);
        consumer::pin_at(&reader.world, reader.me, 0, 1).expect("the ring is sound").expect("it is there");
        let reader = thread::spawn(move || participant::detach(&reader.world, reader.me).expect("the record is sound"));
        wait(&writer.world, writer.world.room(), || writer.loan(&mut producer));
        reader.join().expect("no panic");
        outcomes.saw("written");
    });
}

/// A producer that waits for a dead reader's slot is woken by whoever buries the reader.
#[test]
fn burying_a_reader_wakes_the_producer() {
    explore_with(Some(4), &["written"], |outcomes| {
        let (writer, mut producer, reader) = stream(Geometry { participants: 3, ..TIGHT }, 2);
        consumer::pin_at(&reader.world, reader.me, 0, 1).expect("the ring is sound").expect("it is there");
        let witness = Process::attach(&writer.world, 2);
        reader.world.die();
        let witness = thread::spawn(move || participant::recover_dead(&witness.world, witness.me));
        wait(&writer.world, writer.world.room(), || writer.loan(&mut producer));
        witness.join().expect("no panic").expect("the records are sound");
        outcomes.saw("written");
    });
}

/// A consumer that waits for a dead producer's next frame is woken by whoever buries the producer.
#[test]
fn burying_a_producer_wakes_the_consumer() {
    explore_with(Some(4), &["dead"], |outcomes| {
        let (writer, _, reader) = stream(Geometry { participants: 3, ..TIGHT }, 1);
        let witness = Process::attach(&writer.world, 2);
        writer.world.die();
        let witness = thread::spawn(move || participant::recover_dead(&witness.world, witness.me));
        let world = &reader.world;
        wait(world, world.notify(), || (state(world) == "dead").then_some(()));
        witness.join().expect("no panic").expect("the records are sound");
        outcomes.saw("dead");
    });
}

/// A reader that unpins tests for waiters without a barrier and may overlook one. Slices make up for that, so here,
/// and only here, a sleep ends by itself: what is shown is that the producer gets the slot in the end, and when it does,
/// the reader's last look is over.
#[test]
fn a_slice_makes_up_for_an_overlooked_producer() {
    explore(&["written"], |outcomes| {
        let (writer, mut producer, reader) = stream(TIGHT, 2);
        let frame = consumer::pin_at(&reader.world, reader.me, 0, 1).expect("the ring is sound").expect("it is there");
        let reader = thread::spawn(move || {
            reader.world.look(frame);
            consumer::unpin(&reader.world, reader.me, 0).expect("the record is sound");
        });
        let sliced = Process { world: writer.world.sliced(), me: writer.me };
        wait(&sliced.world, sliced.world.room(), || sliced.loan(&mut producer));
        reader.join().expect("no panic");
        outcomes.saw("written");
    });
}
