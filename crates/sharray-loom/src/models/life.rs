//! Who is here: attach, detach, and several survivors at one corpse.
//!
//! The living are never buried and the dead are buried once, however many survivors come at the same time, and however
//! many of them die at it.

use super::{Process, explore, stream};
use crate::protocol::consumer::{self, Lossless};
use crate::protocol::participant::{self, register};
use crate::protocol::producer::Producer;
use crate::protocol::word::Word;
use crate::protocol::{Fault, World};
use crate::world::{Geometry, LoomWorld, TIGHT};
use loom::thread;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

const THREE: Geometry = Geometry { participants: 3, ..TIGHT };

/// Whether the record belongs to somebody alive, and everything says so.
fn is_here(process: &Process) -> bool {
    let index = process.me.index;
    let record = process.me.record(&process.world).expect("the index is good");
    let state = record.state.load(Acquire);
    let generation = process.me.tag().to_bits() >> 10;
    let is_live = state & 0xff == 1 && state >> 8 == u64::from(generation);
    let is_listed = process.world.occupied(0).load(Acquire) >> index & 1 == 1;
    is_live && is_listed && process.world.holds_byte(index)
}

/// Nothing in a record that nobody has, and nothing that names it.
fn is_clean(world: &LoomWorld, index: u32) -> bool {
    let record = world.record(index).expect("the index is good");
    let kind = record.state.load(Acquire) & 0xff;
    kind == 0
        && world.occupied(0).load(Acquire) >> index & 1 == 0
        && record.holds.load(Acquire) == 0
        && record.cursor.load(Acquire) == 0
        && record.pins.iter().all(|pin| pin.load(Acquire) == 0)
        && participant::Tag::from_bits(world.prod().load(Acquire)).participant() != Some(index)
}

/// A process that was killed as a producer, a lossless consumer and a reader with a frame in its hand, all in one.
fn corpse(world: &LoomWorld, n: u32) -> Process {
    let victim = Process::attach(world, n);
    let mut producer = victim.claim();
    victim.publish(&mut producer);
    Lossless::join(&victim.world, victim.me, 1).expect("the ring is sound");
    consumer::pin_newest(&victim.world, victim.me, 0).expect("the ring is sound").expect("it is there");
    victim.world.die();
    victim
}

/// Two attach at the same time: each has a record, not the same.
#[test]
fn two_attach_at_once() {
    explore(&["0 and 1", "1 and 0"], |outcomes| {
        let world = LoomWorld::new(TIGHT);
        let other = world.clone();
        let other = thread::spawn(move || Process::attach(&other, 1));
        let one = Process::attach(&world, 0);
        let other = other.join().expect("no panic");
        assert!(is_here(&one) && is_here(&other));
        outcomes.saw(format!("{} and {}", one.me.index, other.me.index));
    });
}

/// Two attach at the same time, and one of the two records is a dead process's: whoever gets it cleans it first.
#[test]
fn two_attach_over_one_corpse() {
    explore(&["0 and 1", "1 and 0"], |outcomes| {
        let world = LoomWorld::new(TIGHT);
        corpse(&world, 9);
        let other = world.clone();
        let other = thread::spawn(move || Process::attach(&other, 1));
        let one = Process::attach(&world, 0);
        let other = other.join().expect("no panic");
        for process in [&one, &other] {
            assert!(is_here(process));
            let record = process.me.record(&process.world).expect("the index is good");
            assert_eq!(record.pins[0].load(Relaxed), 0, "a dead process's pin was inherited");
            assert_eq!(record.cursor.load(Relaxed), 0, "a dead process's cursor was inherited");
        }
        outcomes.saw(format!("{} and {}", one.me.index, other.me.index));
    });
}

/// Someone attaches while another looks for the dead. A record that is LIVE has its lock, so the newcomer is never taken
/// for dead, and its pin stays.
#[test]
fn who_attaches_is_not_buried() {
    explore(&["here"], |outcomes| {
        let world = LoomWorld::new(TIGHT);
        let writer = Process::attach(&world, 0);
        let mut producer = writer.claim();
        writer.publish(&mut producer);
        let other = world.clone();
        let other = thread::spawn(move || {
            let reader = Process::attach(&other, 1);
            let frame = consumer::pin_newest(&reader.world, reader.me, 0).expect("the ring is sound");
            (reader, frame.expect("it was published"))
        });
        participant::recover_dead(&writer.world, writer.me).expect("the records are sound");
        let (reader, frame) = other.join().expect("no panic");
        assert!(is_here(&reader), "a living process was buried");
        assert_eq!(reader.me.record(&world).expect("the index is good").pins[0].load(Acquire), frame.slot + 1);
        outcomes.saw("here");
    });
}

/// Two survivors look for the dead at the same time. One buries, the other finds nothing to do.
#[test]
fn two_survivors_bury_once() {
    explore(&["clean"], |outcomes| {
        let world = LoomWorld::new(THREE);
        let one = Process::attach(&world, 0);
        let other = Process::attach(&world, 1);
        let victim = corpse(&world, 2);
        let other = thread::spawn(move || participant::recover_dead(&other.world, other.me));
        participant::recover_dead(&one.world, one.me).expect("the records are sound");
        other.join().expect("no panic").expect("the records are sound");
        // Each may have met the other's probe of the lock, so the last word is had with nobody else about.
        participant::recover_dead(&one.world, one.me).expect("the records are sound");
        assert!(is_clean(&world, victim.me.index));
        outcomes.saw("clean");
    });
}

/// One survivor looks for the dead while another attaches, and there is no record but the corpse's.
#[test]
fn a_newcomer_in_a_dead_mans_record_is_not_buried() {
    explore(&["attached", "full for a moment"], |outcomes| {
        let world = LoomWorld::new(TIGHT);
        let survivor = Process::attach(&world, 0);
        let victim = corpse(&world, 9);
        let newcomer = world.other(1);
        let newcomer = thread::spawn(move || {
            // One pass of `attach`, which makes sixteen.
            newcomer.lock(1).then(|| {
                let me = register(&newcomer, 1).expect("the record is sound");
                let process = Process { world: newcomer, me };
                consumer::pin_newest(&process.world, me, 0).expect("the ring is sound").expect("it is there");
                process
            })
        });
        participant::recover_dead(&survivor.world, survivor.me).expect("the records are sound");
        if let Some(newcomer) = newcomer.join().expect("no panic") {
            assert!(is_here(&newcomer), "a living process was buried");
            assert_ne!(newcomer.me.tag(), victim.me.tag());
            assert_ne!(newcomer.me.record(&world).expect("the index is good").pins[0].load(Acquire), 0);
            outcomes.saw("attached");
        } else {
            assert!(is_clean(&world, victim.me.index));
            outcomes.saw("full for a moment");
        }
    });
}

/// One survivor takes the dead producer's role while another buries it. The role goes to the living and stays there.
#[test]
fn a_dead_producers_role_goes_to_one_survivor() {
    explore(&["claimed", "busy for a moment"], |outcomes| {
        let world = LoomWorld::new(THREE);
        let one = Process::attach(&world, 0);
        let other = Process::attach(&world, 1);
        let victim = corpse(&world, 2);
        let other = thread::spawn(move || participant::recover_dead(&other.world, other.me));
        match Producer::claim(&one.world, one.me) {
            Ok(producer) => {
                assert_eq!(producer.newest(), 1);
                other.join().expect("no panic").expect("the records are sound");
                assert_eq!(world.prod().load(Acquire), one.me.tag().to_bits(), "the role was taken from the living");
                assert!(is_clean(&world, victim.me.index));
                outcomes.saw("claimed");
            }
            // The other survivor's probe makes the dead look alive for as long as it takes.
            Err(Fault::ProducerPresent(2)) => {
                other.join().expect("no panic").expect("the records are sound");
                assert!(is_clean(&world, victim.me.index));
                outcomes.saw("busy for a moment");
            }
            Err(fault) => panic!("{fault:?}"),
        }
    });
}

/// A producer gives its role up and detaches while another asks whether its owner lives. That the owner's lock could be
/// had says nothing about a role that it gave up before.
#[test]
fn who_left_in_good_order_is_not_called_corrupt() {
    explore(&["claimed", "present"], |outcomes| {
        let (writer, producer, other) = stream(TIGHT, 0);
        let writer = thread::spawn(move || {
            super::close(&writer, &producer);
            participant::detach(&writer.world, writer.me).expect("the record is sound");
        });
        match Producer::claim(&other.world, other.me) {
            Ok(_) => outcomes.saw("claimed"),
            Err(Fault::ProducerPresent(0)) => outcomes.saw("present"),
            Err(fault) => panic!("{fault:?}"),
        }
        writer.join().expect("no panic");
    });
}

/// A producer attaches and takes the role while another asks whether the owner of the role is here.
#[test]
fn who_has_just_come_is_not_called_corrupt() {
    explore(&["claimed", "present"], |outcomes| {
        let world = LoomWorld::new(TIGHT);
        let other = Process::attach(&world, 0);
        let newcomer = world.other(1);
        let newcomer = thread::spawn(move || {
            assert!(newcomer.lock(1), "nobody else has the record");
            let me = register(&newcomer, 1).expect("the record is sound");
            let claimed = Producer::claim(&newcomer, me);
            assert!(matches!(claimed, Ok(_) | Err(Fault::ProducerPresent(0))), "{claimed:?}");
        });
        match Producer::claim(&other.world, other.me) {
            Ok(_) => outcomes.saw("claimed"),
            Err(Fault::ProducerPresent(1)) => outcomes.saw("present"),
            Err(fault) => panic!("{fault:?}"),
        }
        newcomer.join().expect("no panic");
    });
}

/// A process leaves while another attaches in its record. What the one wipes it wipes before the other writes.
#[test]
fn who_takes_over_a_record_keeps_it() {
    explore(&["attached", "not yet"], |outcomes| {
        let world = LoomWorld::new(TIGHT);
        let leaver = Process::attach(&world, 0);
        let newcomer = world.other(1);
        let newcomer = thread::spawn(move || {
            // One pass of `attach`, which makes sixteen, over the one record.
            newcomer.lock(0).then(|| {
                let me = register(&newcomer, 0).expect("the record is sound");
                Process { world: newcomer, me }
            })
        });
        participant::detach(&leaver.world, leaver.me).expect("the record is sound");
        if let Some(newcomer) = newcomer.join().expect("no panic") {
            assert!(is_here(&newcomer), "a living process was wiped away");
            outcomes.saw("attached");
        } else {
            assert!(is_clean(&world, leaver.me.index));
            outcomes.saw("not yet");
        }
    });
}

/// A process is killed after any number of accesses while it attaches. Whoever comes next has the record, and nothing is
/// left in it.
#[test]
fn attaching_can_be_cut_off_at_any_point() {
    for accesses in 0..100 {
        let alive = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = alive.clone();
        loom::model(move || {
            let world = LoomWorld::new(THREE);
            let survivor = Process::attach(&world, 0);
            let newcomer = world.other(1);
            seen.store(newcomer.doomed(accesses, || _ = participant::attach(&newcomer)), Relaxed);
            newcomer.die();
            participant::recover_dead(&survivor.world, survivor.me).expect("the records are sound");
            assert!(is_clean(&world, 1), "a dead newcomer is left in the records");
            let next = Process { world: world.other(2), me: attach_at(&world.other(2), 1) };
            assert!(is_here(&next));
            participant::detach(&next.world, next.me).expect("the record is sound");
            assert!(is_clean(&world, 1));
        });
        if alive.load(Relaxed) {
            assert!(accesses > 5, "attaching takes more than a few accesses");
            return;
        }
    }
    panic!("attaching does not come to an end");
}

/// A survivor is killed after any number of accesses while it buries the dead, and so is the next one. The third does it
/// all. Nobody is left over, and a newcomer inherits nothing.
#[test]
fn burying_can_be_repeated_from_any_point() {
    let mut lasts = (0, 0);
    for first in 0.. {
        for second in 0.. {
            let alive = killed_survivors(first, second);
            lasts = (first, second);
            if alive.1 {
                break;
            }
        }
        if killed_survivors(first, 0).0 {
            break;
        }
    }
    assert!(lasts.0 > 10, "burying takes more than a few accesses");
}

/// Whether each of the two came to its end alive.
fn killed_survivors(first: u32, second: u32) -> (bool, bool) {
    let alive = std::sync::Arc::new(std::sync::Mutex::new((false, false)));
    let seen = alive.clone();
    loom::model(move || {
        let world = LoomWorld::new(THREE);
        let corpse = corpse(&world, 9);
        let one = world.other(0);
        let other = world.other(1);
        let bury = |world: &LoomWorld| {
            let bury = || participant::recover(world, corpse.me.index).expect("the record is sound");
            world.prove_dead(corpse.me.index, bury);
        };
        let first_lived = one.doomed(first, || bury(&one));
        let second_lived = other.doomed(second, || bury(&other));
        *seen.lock().expect("not poisoned") = (first_lived, second_lived);
        // The next process attaches into the very record, which is how a corpse is found that no scan sees any more.
        let last = Process { world: world.other(3), me: attach_at(&world.other(3), corpse.me.index) };
        assert!(is_here(&last));
        let record = last.me.record(&world).expect("the index is good");
        assert_eq!(record.pins[0].load(Relaxed), 0, "a dead process's pin outlived its record");
        assert_eq!(record.cursor.load(Relaxed), 0, "a dead process's cursor outlived its record");
        assert_ne!(world.prod().load(Relaxed), corpse.me.tag().to_bits(), "a dead process still has the role");
        assert!(last.claim().newest() == 1);
    });
    *alive.lock().expect("not poisoned")
}

fn attach_at(world: &LoomWorld, index: u32) -> participant::Participant {
    assert!(world.lock(index), "the kernel drops a dead process's locks");
    register(world, index).expect("the record is sound")
}
