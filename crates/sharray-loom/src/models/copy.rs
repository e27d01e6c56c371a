//! Copies of an array that nobody protects: each is of one moment, or not believed.

use super::lock::{BOTH, FIRST, FOREVER, Member, SECOND, TWO_BLOCKS, array};
use super::{explore, explore_with};
use crate::protocol::lock::Span;
use crate::protocol::{Fault, participant, seqlock};
use crate::world::{Geometry, IN_PLACE, LoomWorld};
use loom::thread;

const COPIED: Geometry = Geometry { copies: true, ..IN_PLACE };
const TWO_COPIED: Geometry = Geometry { copies: true, ..TWO_BLOCKS };

/// Copies the blocks of a span word by word, and says what came of it: the number of each.
fn copy(world: &LoomWorld, span: Span) -> String {
    said(seqlock::try_copy(world, span, |_| span.blocks().flat_map(|block| world.copy_block(block)).collect()))
}

fn said(copied: Result<Option<Vec<u64>>, Fault>) -> String {
    match copied {
        Ok(Some(words)) => {
            let number = |block: &[u64]| {
                assert_eq!(block[0], block[1], "torn: {words:?}");
                block[0].to_string()
            };
            words.chunks(2).map(number).collect::<Vec<String>>().join(", ")
        }
        Ok(None) => "none".to_owned(),
        Err(fault) => format!("{fault:?}"),
    }
}

/// A copy while the array is written: of before, of after, or none.
#[test]
fn a_copy_is_of_one_moment() {
    explore(&["0", "1", "none"], |outcomes| {
        let [writer, reader] = array(COPIED);
        let reader = thread::spawn(move || copy(reader.world(), FIRST));
        writer.write(FIRST, 1);
        outcomes.saw(reader.join().expect("no panic"));
    });
}

/// A copy of two blocks, which become even one after the other.
#[test]
fn a_copy_of_two_blocks_is_of_one_moment() {
    explore_with(Some(3), &["0, 0", "1, 1", "none"], |outcomes| {
        let [writer, reader] = array(TWO_COPIED);
        let reader = thread::spawn(move || copy(reader.world(), BOTH));
        writer.write(BOTH, 1);
        outcomes.saw(reader.join().expect("no panic"));
    });
}

/// Only one of the blocks that are copied is written.
#[test]
fn a_copy_of_two_blocks_and_a_write_of_one() {
    explore_with(Some(3), &["0, 0", "0, 1", "none"], |outcomes| {
        let [writer, reader] = array(TWO_COPIED);
        let reader = thread::spawn(move || copy(reader.world(), BOTH));
        writer.write(SECOND, 1);
        outcomes.saw(reader.join().expect("no panic"));
    });
}

/// Only one of the blocks that are written is copied.
#[test]
fn a_copy_of_one_block_of_a_write_of_two() {
    explore_with(Some(3), &["0", "1", "none"], |outcomes| {
        let [writer, reader] = array(TWO_COPIED);
        let reader = thread::spawn(move || copy(reader.world(), SECOND));
        writer.write(BOTH, 1);
        outcomes.saw(reader.join().expect("no panic"));
    });
}

/// A copy that asks in the middle whether going on is of any use, and stops if it is not: what was broken off is not
/// believed.
#[test]
fn a_copy_that_is_broken_off_is_not_believed() {
    explore_with(Some(3), &["0", "1", "broken off", "none"], |outcomes| {
        let [writer, reader] = array(COPIED);
        let seen = outcomes.clone();
        let reader = thread::spawn(move || {
            let copied = seqlock::try_copy(reader.world(), FIRST, |is_of_use| {
                let is_of_use = is_of_use();
                if !is_of_use {
                    seen.saw("broken off");
                }
                is_of_use.then(|| reader.world().copy_block(0).to_vec())
            });
            said(copied.map(|copied| copied.map(|words| words.expect("what was broken off is believed"))))
        });
        writer.write(FIRST, 1);
        outcomes.saw(reader.join().expect("no panic"));
    });
}

/// A copy while a write fails: what the writer left is never believed.
#[test]
fn a_copy_of_a_failed_write_is_poisoned() {
    explore(&["Poisoned(0)", "none"], |outcomes| {
        let [writer, reader] = array(COPIED);
        assert!(writer.begin_write(FIRST, FOREVER));
        let reader = thread::spawn(move || copy(reader.world(), FIRST));
        writer.fill(FIRST, 1);
        writer.local.end_write(writer.world(), FIRST, true).expect("the words are sound");
        outcomes.saw(reader.join().expect("no panic"));
    });
}

/// A writer was killed halfway through, and is buried while somebody copies.
#[test]
fn a_copy_of_a_dead_writers_block_is_poisoned() {
    explore(&["Poisoned(0)", "none"], |outcomes| {
        let [victim, reader, witness]: [Member; 3] = array(COPIED);
        assert!(victim.begin_write(FIRST, FOREVER));
        victim.world().doomed(1, || victim.fill(FIRST, 1));
        let witness = thread::spawn(move || participant::recover_dead(witness.world(), witness.process.me));
        outcomes.saw(copy(reader.world(), FIRST));
        witness.join().expect("no panic").expect("the records are sound");
    });
}
