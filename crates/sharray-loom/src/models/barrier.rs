//! Rounds: all pass or none does, whoever passes sees what the others did before, and nobody sleeps on.

use super::{at_each_access, explore, explore_with};
use crate::protocol::barrier::{self, Blame, Round};
use crate::protocol::participant::{self, Participant};
use crate::protocol::{Fault, World};
use crate::world::{Geometry, IN_PLACE, LoomWorld};
use loom::thread;

/// One rank; its own block is what it does before a round, and the others see after it.
#[derive(Clone, Debug)]
struct Rank {
    world: LoomWorld,
    me: Participant,
}

/// A team whose ranks have all joined.
fn team<const N: usize>() -> [Rank; N] {
    let size = N as u32;
    let world = LoomWorld::new(Geometry { participants: size, blocks: size, ..IN_PLACE });
    let mut ranks = (0..size).map(|rank| {
        let world = world.other(rank);
        let me = participant::attach_as(&world, rank).expect("the record is sound").expect("nobody has it");
        barrier::join(&world, me).expect("the records are sound");
        Rank { world, me }
    });
    [(); N].map(|()| ranks.next().expect("there are so many"))
}

impl Rank {
    /// Slices end its sleeps.
    fn sliced(&self) -> Self {
        Self { world: self.world.sliced().aging(1), me: self.me }
    }

    fn do_something(&self, number: u64) {
        self.world.fill_block(self.me.index, number);
    }

    fn look_at(&self, rank: u32) -> u64 {
        let seen = self.world.look_at_block(rank);
        assert_eq!(seen[0], seen[1], "half of it is missing");
        seen[0]
    }

    fn wait(&self, round: Round) -> Result<(), Fault> {
        loop {
            let slice_end_ns = self.world.now_ns().saturating_add(1);
            // For one who is dead the clock has run out.
            if slice_end_ns == u64::MAX || barrier::wait(&self.world, self.me, round, slice_end_ns)? {
                return Ok(());
            }
        }
    }

    fn barrier(&self) -> Result<(), Fault> {
        let round = barrier::coming(&self.world)?;
        barrier::arrive(&self.world, self.me, round)?;
        self.wait(round)
    }

    fn reset(&self) -> Result<(), Fault> {
        let Some(round) = barrier::reset(&self.world) else { return Ok(()) };
        barrier::arrive(&self.world, self.me, round)?;
        self.wait(round)
    }

    /// The team was broken by a time that was over.
    fn break_by_time(&self) {
        let round = barrier::coming(&self.world).expect("it is not broken");
        barrier::arrive(&self.world, self.me, round).expect("the record is sound");
        assert_eq!(barrier::give_up(&self.world, self.me, round, Blame::Time), Err(Fault::TimedOut));
    }
}

/// Each rank does this on a thread of its own.
fn each<const N: usize>(ranks: [Rank; N], act: fn(&Rank)) {
    for rank in ranks.map(|rank| thread::spawn(move || act(&rank))) {
        rank.join().expect("no panic");
    }
}

fn said(outcome: &Result<(), Fault>) -> String {
    match outcome {
        Ok(()) => "passed".to_owned(),
        Err(fault) => format!("{fault:?}"),
    }
}

#[test]
fn what_was_done_before_is_seen_after() {
    explore_with(Some(3), &["passed"], |outcomes| {
        let ranks = team::<2>();
        each(ranks, |rank| {
            rank.do_something(7);
            rank.barrier().expect("all are here");
            assert_eq!(rank.look_at(1 - rank.me.index), 7);
        });
        outcomes.saw("passed");
    });
}

/// After the second round what all have looked at may be changed.
#[test]
fn two_rounds_follow_each_other() {
    explore_with(Some(2), &["passed"], |outcomes| {
        let ranks = team::<2>();
        each(ranks, |rank| {
            for number in 1..=2 {
                rank.do_something(number);
                rank.barrier().expect("all are here");
                assert_eq!(rank.look_at(1 - rank.me.index), number);
                rank.barrier().expect("all are here");
            }
        });
        outcomes.saw("passed");
    });
}

/// Two may sleep, and both are woken.
#[test]
fn the_last_of_three_wakes_both_others() {
    explore_with(Some(2), &["passed"], |outcomes| {
        let ranks = team::<3>();
        each(ranks, |rank| {
            rank.do_something(7);
            rank.barrier().expect("all are here");
            assert_eq!(rank.look_at((rank.me.index + 1) % 3), 7);
        });
        outcomes.saw("passed");
    });
}

/// Whoever waits is woken by one who leaves.
#[test]
fn who_leaves_wakes_who_waits() {
    explore(&["PeerDied(1)"], |outcomes| {
        let [staying, leaving] = team();
        let staying = thread::spawn(move || staying.barrier());
        participant::detach(&leaving.world, leaving.me).expect("the record is sound");
        outcomes.saw(said(&staying.join().expect("no panic")));
    });
}

/// A rank is killed at each access of a barrier. The other one passes, or is told.
#[test]
fn a_rank_is_killed_in_a_barrier() {
    at_each_access(&["PeerDied(1)", "passed"], |accesses| {
        let [staying, dying] = team();
        let staying = staying.sliced();
        let staying = thread::spawn(move || staying.barrier());
        let lived = dying.world.doomed(accesses, || _ = dying.barrier());
        (lived, said(&staying.join().expect("no panic")))
    });
}

/// A rank is killed at each access of leaving. The other one is told, though its record may say no more that it was here.
#[test]
fn a_rank_is_killed_while_it_leaves() {
    at_each_access(&["PeerDied(1)"], |accesses| {
        let [staying, dying] = team();
        let lived = dying.world.doomed(accesses, || _ = participant::detach(&dying.world, dying.me));
        (lived, said(&staying.sliced().barrier()))
    });
}

/// One gives up at the moment at which the last one arrives: both pass, or neither does.
#[test]
fn a_time_that_is_over_is_over_for_both() {
    explore_with(Some(3), &["passed", "TimedOut"], |outcomes| {
        let [late, hasty] = team();
        let late = thread::spawn(move || late.barrier());
        let round = barrier::coming(&hasty.world).expect("it is not broken");
        barrier::arrive(&hasty.world, hasty.me, round).expect("the record is sound");
        let given_up = barrier::give_up(&hasty.world, hasty.me, round, Blame::Time).map(|passed| assert!(passed));
        assert_eq!(late.join().expect("no panic"), given_up);
        outcomes.saw(said(&given_up));
    });
}

/// A reset is a round: what was done before is seen after.
#[test]
fn a_reset_lets_all_go_on() {
    explore_with(Some(2), &["passed"], |outcomes| {
        let ranks = team::<2>();
        ranks[0].break_by_time();
        each(ranks, |rank| {
            rank.do_something(7);
            rank.reset().expect("all are here");
            assert_eq!(rank.look_at(1 - rank.me.index), 7);
            rank.barrier().expect("all are here");
        });
        outcomes.saw("passed");
    });
}

/// One that had arrived in a reset is dead, and is recovered while the last one arrives: the team stays broken, or is broken
/// again, and never waits for one of whom nobody tells.
#[test]
fn who_died_in_a_reset_is_told_of() {
    explore_with(Some(3), &["broken again", "still broken"], |outcomes| {
        let [last, dead, witness] = team::<3>();
        last.break_by_time();
        let round = barrier::reset(&last.world).expect("it is broken");
        for rank in [&dead, &witness] {
            barrier::arrive(&rank.world, rank.me, round).expect("the record is sound");
        }
        dead.world.die();
        let recover = thread::spawn(move || {
            let world = &witness.world;
            world.prove_dead(1, || participant::recover(world, 1)).expect("it is dead").expect("its record is sound");
        });
        barrier::arrive(&last.world, last.me, round).expect("the record is sound");
        recover.join().expect("no panic");
        outcomes.saw(match barrier::breach(&last.world) {
            Some(Fault::TimedOut) => "still broken",
            Some(Fault::PeerDied(1)) => "broken again",
            other => panic!("{other:?}"),
        });
    });
}
