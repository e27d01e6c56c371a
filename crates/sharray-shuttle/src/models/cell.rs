//! Writers of a cell that follow each other, and readers that never wait.

use super::{draw, explore, run};
use crate::protocol::lock::Local;
use crate::protocol::participant::Participant;
use crate::protocol::{World, seqlock};
use crate::world::{Geometry, ShuttleWorld};

const TURNS: u32 = 4;
const CELL: Geometry = Geometry { participants: 0, slots: 0, ring: 1, blocks: 1, is_cell: true, rows: 0 };

/// Stores what is one more than what is there: no store is lost, as only one has the role.
fn store(world: &ShuttleWorld, me: Participant) {
    let local = Local::new(1, world.blocks());
    for _ in 0..TURNS {
        assert!(local.take_role(world, me, 0, u64::MAX).expect("the words are sound"));
        for _ in 0..=draw(2) {
            let before = load(world);
            seqlock::store(world, |copy| world.copy(copy).fill_words(before + 1)).expect("the words are sound");
        }
        local.release(world, 0).expect("the words are sound");
    }
}

fn load(world: &ShuttleWorld) -> u64 {
    let [first, second] = seqlock::load(world, |copy| world.copy(copy).copy()).expect("the words are sound");
    assert_eq!(first, second, "a value is half stored");
    first
}

fn watch(world: &ShuttleWorld, _: Participant) {
    let mut before = 0;
    for _ in 0..TURNS {
        let now = load(world);
        assert!(now >= before, "time runs backwards");
        before = now;
    }
}

/// Whoever dies of three writers and three readers, every value is whole, and as many stores are counted as were made.
#[test]
fn cells_survive() {
    explore(|| {
        let (world, me) = run(CELL, vec![store, store, watch, watch, store, watch]);
        let before = load(&world);
        let stores = world.block(0).expect("it is there").seq;
        assert_eq!(crate::protocol::word::Word::load(stores, std::sync::atomic::Ordering::Relaxed), before);
        store(&world, me);
        assert!(load(&world) >= before + u64::from(TURNS));
    });
}
