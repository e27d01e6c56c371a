//! Ranks of a team, of which some are killed.

use super::{LATEST_DEATH, draw, explore};
use crate::protocol::barrier;
use crate::protocol::participant::{self, Participant};
use crate::protocol::{Fault, World};
use crate::world::{Geometry, ShuttleWorld};
use std::sync::{Arc, Mutex};

const SIZE: u32 = 5;
const ROUNDS: usize = 3;
const TEAM: Geometry = Geometry { participants: SIZE, slots: 0, ring: 1, blocks: SIZE, is_cell: false, rows: 0 };
const SLICE_NS: u64 = 10_000_000;

/// How each round came out for the first who knew.
type Told = Arc<Mutex<[Option<Result<(), Fault>>; ROUNDS]>>;

fn barrier(world: &ShuttleWorld, me: Participant) -> Result<(), Fault> {
    let round = barrier::coming(world)?;
    barrier::arrive(world, me, round)?;
    while !barrier::wait(world, me, round, world.now_ns() + SLICE_NS)? {}
    Ok(())
}

/// Goes through all rounds, or up to the first that is broken. The other ranks see what it did before each.
fn go(world: &ShuttleWorld, me: Participant, told: &Told) {
    for round in 0..ROUNDS {
        world.content(me.index).fill_words(round as u64);
        let outcome = barrier(world, me);
        let first = *told.lock().expect("no panic")[round].get_or_insert(outcome);
        assert_eq!(outcome, first, "what a rank is told of round {round}");
        if outcome.is_err() {
            break;
        }
        // It may be at the next round's already.
        let seen = world.content(draw(SIZE)).copy();
        assert!(
            seen.iter().all(|&seen| seen >= round as u64),
            "a rank passed before another one had arrived: {seen:?}"
        );
    }
    participant::detach(world, me).expect("the words are sound");
}

/// Whoever is killed of five ranks, each of the others goes through all rounds, or is told of it, all of the same.
#[test]
fn teams_survive() {
    explore(|| {
        let world = ShuttleWorld::new(TEAM);
        let told = Told::default();
        let ranks = (0..SIZE).map(|rank| {
            let world = world.other(rank);
            let me = participant::attach_as(&world, rank).expect("the words are sound").expect("nobody has it");
            barrier::join(&world, me).expect("the words are sound");
            (world, me)
        });
        let ranks: Vec<_> = ranks.collect();
        let tasks = ranks.into_iter().map(|(world, me)| {
            let told = told.clone();
            let accesses = if me.index % 2 == 0 { u32::MAX } else { 1 + draw(LATEST_DEATH / 2) };
            shuttle::thread::spawn(move || _ = world.doomed(accesses, || go(&world, me, &told)))
        });
        for task in tasks.collect::<Vec<_>>() {
            task.join().expect("no panic");
        }
        for outcome in told.lock().expect("no panic").iter().flatten() {
            assert!(matches!(outcome, Ok(()) | Err(Fault::PeerDied(1 | 3))), "{outcome:?}");
        }
    });
}
