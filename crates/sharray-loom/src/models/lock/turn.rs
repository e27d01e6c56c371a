//! Who starved asks for a turn, and newcomers let it go first. It is a hint: whoever sees it may take the block all the
//! same, and whoever leaves it behind does no harm.

use super::{FIRST, FOREVER, Member, array, block};
use crate::models::explore_with;
use crate::protocol::word::Word;
use crate::world::{IN_PLACE, LoomWorld};
use loom::thread;
use std::sync::atomic::Ordering::Relaxed;

const MS: u64 = 1_000_000;
const TURN: u32 = 1 << 29;

fn wr(world: &LoomWorld) -> u32 {
    block(world, 0).wr.load(Relaxed)
}

/// A writer starves and gives up; the one that has the block leaves it with the turn of somebody who is gone.
fn left_turn() -> [Member; 2] {
    let [one, other] = array(IN_PLACE);
    assert!(one.begin_write(FIRST, 0));
    assert!(!other.sliced(2 * MS).begin_write(FIRST, 5 * MS), "the block is taken");
    one.end_write(FIRST);
    assert_eq!(wr(one.world()), TURN, "who starved asked for a turn");
    [one, other]
}

/// A turn that nobody takes any more keeps nobody out, and the next writer takes it away.
#[test]
fn a_turn_left_behind_keeps_nobody_out() {
    explore_with(None, &["in"], |outcomes| {
        let [one, other] = left_turn();
        assert_eq!(other.read_one(FIRST), 0);
        one.write(FIRST, 1);
        assert_eq!(wr(one.world()), 0);
        outcomes.saw("in");
    });
}

/// A reader that starved takes its turn back when it is in. One that is in before the turn is even there leaves it
/// behind, which does no harm.
#[test]
fn a_reader_takes_its_turn_back() {
    explore_with(Some(3), &["left behind", "none", "taken back"], |outcomes| {
        let [writer, reader] = array(IN_PLACE);
        assert!(writer.begin_write(FIRST, 0));
        let reader = thread::spawn(move || reader.sliced(2 * MS).read_one(FIRST));
        writer.fill(FIRST, 1);
        writer.end_write(FIRST);
        let before = wr(writer.world());
        assert_eq!(reader.join().expect("no panic"), 1);
        outcomes.saw(match (before, wr(writer.world())) {
            (TURN, 0) => "taken back",
            (_, TURN) => "left behind",
            (_, 0) => "none",
            (_, word) => panic!("{word:x}"),
        });
    });
}

/// A writer that starves and a newcomer come to a block that is given up. One has it after the other, whoever's turn it
/// is.
#[test]
fn a_newcomer_and_a_writer_that_starves() {
    explore_with(Some(2), &["[2, 3]", "[3, 2]"], |outcomes| {
        let [one, starving, newcomer] = array(IN_PLACE);
        assert!(one.begin_write(FIRST, 0));
        let last = one.clone();
        let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let writers = [(starving.sliced(2 * MS), 2), (newcomer, 3)].map(|(writer, number)| {
            let order = order.clone();
            thread::spawn(move || {
                assert!(writer.begin_write(FIRST, FOREVER));
                order.lock().expect("not poisoned").push(number);
                writer.fill(FIRST, number);
                writer.end_write(FIRST);
            })
        });
        one.end_write(FIRST);
        for writer in writers {
            writer.join().expect("no panic");
        }
        let order = order.lock().expect("not poisoned").clone();
        assert_eq!(last.read_one(FIRST), order[1]);
        outcomes.saw(format!("{order:?}"));
    });
}
