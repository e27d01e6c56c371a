//! A process is killed after any number of accesses, and somebody else goes on: with what was there before, with what
//! was written, or with the knowledge that it is neither.

use super::{BOTH, FIRST, FOREVER, Member, SECOND, TWO_BLOCKS, array, block};
use crate::models::{at_each_access, explore_with};
use crate::protocol::lock;
use crate::protocol::word::Word;
use crate::protocol::{Fault, World, participant};
use crate::world::{IN_PLACE, LoomWorld};
use loom::thread;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

/// What somebody who waits finds in the array.
fn said(seen: &Result<Vec<u64>, Fault>) -> String {
    match seen {
        Ok(numbers) => format!("{numbers:?}"),
        Err(Fault::Poisoned(block)) => format!("block {block} poisoned"),
        Err(fault) => panic!("{fault:?}"),
    }
}

/// Nobody writes, and nobody says that he does.
fn assert_free(world: &LoomWorld) {
    for n in 0..world.blocks() {
        let block = block(world, n);
        assert_eq!((block.wr.load(Relaxed), block.seq.load(Relaxed) % 2), (0, 0), "block {n}");
    }
}

/// A writer is killed at each access. A reader finds the old number, the new one, or poison, and never half of it.
#[test]
fn a_writer_is_killed_and_a_reader_comes() {
    at_each_access(&["[0, 0]", "[1, 1]", "block 0 poisoned", "block 1 poisoned"], |accesses| {
        let [writer, reader] = array(TWO_BLOCKS);
        let lived = writer.world().doomed(accesses, || writer.write(BOTH, 1));
        let seen = reader.read(BOTH);
        assert_free(reader.world());
        (lived, said(&seen))
    });
}

/// The same while the reader is already there and waits: here slices end the sleeps, for a process that is killed
/// wakes nobody.
#[test]
fn a_writer_is_killed_while_a_reader_waits() {
    at_each_access(&["[0]", "[1]", "block 0 poisoned"], |accesses| {
        let [writer, reader] = array(IN_PLACE);
        let reader = reader.sliced(0);
        let reader = thread::spawn(move || reader.read(FIRST));
        let lived = writer.world().doomed(accesses, || writer.write(FIRST, 1));
        (lived, said(&reader.join().expect("no panic")))
    });
}

/// The next is a writer. What it finds poisoned stays so, whatever it writes.
#[test]
fn a_writer_is_killed_and_a_writer_comes() {
    at_each_access(&["[2]", "block 0 poisoned"], |accesses| {
        let [writer, next] = array(IN_PLACE);
        let lived = writer.world().doomed(accesses, || writer.write(FIRST, 1));
        next.write(FIRST, 2);
        assert_free(next.world());
        assert_eq!(next.world().look_at_block(0), [2, 2]);
        let seen = next.read(FIRST);
        (lived, said(&seen))
    });
}

/// A writer is killed at each access of a write that failed: the half that it wrote is never taken for whole.
#[test]
fn a_writer_is_killed_while_it_fails() {
    at_each_access(&["[0]", "block 0 poisoned"], |accesses| {
        let [writer, reader] = array(IN_PLACE);
        let lived = writer.world().doomed(accesses, || {
            if writer.begin_write(FIRST, FOREVER) {
                writer.world().fill_block(0, 1);
                writer.local.end_write(writer.world(), FIRST, true).expect("the words are sound");
            }
        });
        let seen = reader.read(FIRST);
        (lived, said(&seen))
    });
}

/// A reader is killed at each access, and the writer goes on.
#[test]
fn a_reader_is_killed_and_a_writer_comes() {
    for (geometry, span) in [(IN_PLACE, FIRST), (TWO_BLOCKS, SECOND)] {
        at_each_access(&["written"], move |accesses| {
            let [writer, reader] = array(geometry);
            let lived = reader.world().doomed(accesses, || {
                if let Some(place) = reader.begin_read(span, FOREVER) {
                    reader.end_read(span, place);
                }
            });
            writer.write(span, 1);
            assert_free(writer.world());
            (lived, "written".to_owned())
        });
    }
}

/// The same while a writer waits for it.
#[test]
fn a_reader_is_killed_while_a_writer_waits() {
    at_each_access(&["written"], |accesses| {
        let [writer, reader] = array(IN_PLACE);
        let writer = writer.sliced(0);
        let writer = thread::spawn(move || writer.write(FIRST, 1));
        let lived = reader.world().doomed(accesses, || {
            if let Some(place) = reader.begin_read(FIRST, FOREVER) {
                reader.end_read(FIRST, place);
            }
        });
        writer.join().expect("no panic");
        (lived, "written".to_owned())
    });
}

/// A process that was killed in the middle of a write, with a lease on the other block.
fn corpse() -> [Member; 3] {
    let [one, victim, other] = array(TWO_BLOCKS);
    victim.begin_read(SECOND, 0).expect("nobody writes");
    assert!(victim.begin_write(FIRST, 0));
    victim.world().doomed(1, || victim.fill(FIRST, 1));
    victim.world().die();
    [one, victim, other]
}

/// Buries a process.
fn bury(world: &LoomWorld, victim: &Member) {
    let index = victim.process.me.index;
    world.prove_dead(index, || participant::recover(world, index).expect("the record is sound"));
}

/// Whoever buries a writer is killed at each access, and so is the next one. Whoever comes then finds the block
/// poisoned, and the other one free.
#[test]
fn survivors_are_killed_while_they_bury_a_writer() {
    for first in 0..500 {
        let alive = Arc::new(Mutex::new(false));
        let seen = alive.clone();
        at_each_access(&["block 0 poisoned"], move |second| {
            let [one, victim, other] = corpse();
            let world = one.world().other(7);
            *seen.lock().expect("not poisoned") = world.doomed(first, || bury(&world, &victim));
            let world = one.world().other(8);
            let lived = world.doomed(second, || bury(&world, &victim));
            assert_eq!(other.read(FIRST), Err(Fault::Poisoned(0)), "half a write can be read");
            other.write(SECOND, 2);
            assert_free(other.world());
            (lived, said(&other.read(FIRST)))
        });
        if *alive.lock().expect("not poisoned") {
            return;
        }
    }
    panic!("burying does not come to an end");
}

/// Two readers wait at a dead writer's block. Whichever buries it, both are told.
#[test]
fn two_readers_meet_at_a_dead_writer() {
    explore_with(Some(3), &["poisoned"], |outcomes| {
        let [one, _, other] = corpse();
        let other = thread::spawn(move || other.sliced(0).read(FIRST));
        assert_eq!(one.sliced(0).read(FIRST), Err(Fault::Poisoned(0)));
        assert_eq!(other.join().expect("no panic"), Err(Fault::Poisoned(0)));
        assert_free(one.world());
        outcomes.saw("poisoned");
    });
}

/// Burying one process leaves the others what they have.
#[test]
fn burying_one_leaves_the_others_their_blocks() {
    loom::model(|| {
        let [one, victim, other] = corpse();
        let place = other.begin_read(SECOND, 0).expect("nobody writes it");
        bury(one.world(), &victim);
        assert!(!one.begin_write(SECOND, 0), "a living reader was forgotten");
        other.end_read(SECOND, place);
        assert!(one.begin_write(SECOND, 0));
        let next = Member::attach(one.world(), 7);
        assert_eq!(next.process.me.index, victim.process.me.index);
        assert!(next.begin_write(FIRST, 0));
        next.world().die();
        assert_eq!(other.read(FIRST), Err(Fault::Poisoned(0)));
        assert_eq!(block(one.world(), 1).wr.load(Relaxed), one.process.me.tag().to_bits());
        assert_eq!(lock::poisoned(one.world(), SECOND), Ok(None));
    });
}

/// A process detaches with a guard that was never dropped: what it was writing is poisoned, and free.
#[test]
fn who_detaches_in_the_middle_of_a_write_leaves_poison() {
    loom::model(|| {
        let [one, other] = array(TWO_BLOCKS);
        assert!(one.begin_write(FIRST, 0));
        participant::detach(one.world(), one.process.me).expect("the record is sound");
        assert_eq!(other.read(FIRST), Err(Fault::Poisoned(0)));
        assert_eq!(other.read(SECOND), Ok(vec![0]));
        assert_free(other.world());
    });
}
