//! Readers and writers of the blocks of an array in place.

use super::{draw, explore, run};
use crate::protocol::World;
use crate::protocol::lock::{self, Local, Span};
use crate::protocol::participant::Participant;
use crate::world::{Geometry, ShuttleWorld};

const TURNS: u32 = 3;
const TWO_BLOCKS: Geometry = Geometry { participants: 0, slots: 0, ring: 1, blocks: 2, is_cell: false, rows: 0 };
const WHOLE: Span = Span { first: 0, count: 2 };
const SPANS: [Span; 3] = [WHOLE, Span { first: 0, count: 1 }, Span { first: 1, count: 1 }];
/// A wait that ends after some sleeps, and one that does not.
const WAITS: [u64; 2] = [30_000_000, u64::MAX];

fn local(world: &ShuttleWorld) -> Local<ShuttleWorld> {
    Local::new(2, world.blocks())
}

fn until(world: &ShuttleWorld) -> u64 {
    world.now_ns().saturating_add(WAITS[draw(2) as usize])
}

fn write(world: &ShuttleWorld, me: Participant) {
    let local = local(world);
    for turn in 0..TURNS {
        let span = SPANS[draw(3) as usize];
        if local.write(world, me, span, until(world)).expect("the words are sound") {
            let number = u64::from(me.index) << 8 | u64::from(turn);
            span.blocks().for_each(|block| world.content(block).fill(number));
            lock::clear_poison(world, span);
            local.end_write(world, span, false).expect("the words are sound");
        }
    }
}

fn read(world: &ShuttleWorld, me: Participant) {
    let local = local(world);
    for _ in 0..TURNS {
        let span = SPANS[draw(3) as usize];
        if let Some(place) = local.read(world, me, span, until(world)).expect("the words are sound") {
            let is_poisoned = lock::poisoned(world, span).expect("the words are sound").is_some();
            for block in span.blocks() {
                let [first, second] = world.content(block).look();
                assert!(first == second || is_poisoned, "block {block} is half written, and nobody says so");
            }
            local.end_read(world, me, span, place).expect("the words are sound");
        }
    }
}

/// Whoever dies of three writers and three readers, nobody reads half of a write without being told, nobody waits for
/// ever, and a survivor gets everything.
#[test]
fn locks_survive() {
    explore(|| {
        let (world, me) = run(TWO_BLOCKS, vec![write, write, read, read, read, write]);
        let local = local(&world);
        assert!(local.write(&world, me, WHOLE, u64::MAX).expect("the words are sound"), "it is free");
        local.end_write(&world, WHOLE, false).expect("the words are sound");
    });
}
