//! Arrays that a team steps, when nobody is killed: what a rank sees in a step, what may be swapped, and where a team goes on.

#[path = "support/place.rs"]
mod place;

use ndarray::{Array1, Ix1, Ix2};
use place::{Outcome, PATIENCE, Place, refusal};
use sharray::{Error, Result, SharedArray, Team, TeamArray};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const ROWS: usize = 11;

fn join(place: &Place, rank: u32, size: u32) -> Result<Team> {
    Team::builder().directory(place).join("sim", rank, size)
}

/// Runs every rank of a team on a thread of its own. All leave together, and each of them must come through.
fn with_ranks<R: Send>(place: &Place, size: u32, rank: impl Fn(&Team) -> Result<R> + Sync) -> Result<Vec<R>> {
    let one = |index| {
        let team = join(place, index, size)?;
        let done = rank(&team)?;
        team.barrier(PATIENCE).map(|()| done)
    };
    thread::scope(|scope| {
        let ranks: Vec<_> = (0..size).map(|index| scope.spawn(move || one(index))).collect();
        ranks.into_iter().map(|rank| rank.join().expect("no rank panics")).collect()
    })
}

fn numbers(team: &Team, name: &str) -> Result<TeamArray<u64, Ix1>> {
    team.array(name, [ROWS], PATIENCE, |numbers| numbers.iter_mut().zip(1..).for_each(|(item, row)| *item = row))
}

/// One step by one rank: each item is made from those before and behind it, around the corner.
fn step(team: &Team, numbers: &TeamArray<u64, Ix1>) -> Result<()> {
    let mut block = team.block(numbers)?;
    let rows = block.rows();
    let (old, new) = block.views();
    for (row, item) in rows.zip(new.iter_mut()) {
        *item = made(old[(row + ROWS - 1) % ROWS], old[row], old[(row + 1) % ROWS]);
    }
    block.finish();
    Ok(())
}

fn made(before: u64, here: u64, behind: u64) -> u64 {
    here.wrapping_mul(3).wrapping_add(before ^ behind)
}

/// The same by one program.
fn alone(steps: u64) -> Array1<u64> {
    (0..steps).fold((1..=ROWS as u64).collect(), |old: Array1<u64>, _| {
        (0..ROWS).map(|row| made(old[(row + ROWS - 1) % ROWS], old[row], old[(row + 1) % ROWS])).collect()
    })
}

/// Every rank makes its rows from the whole old array, whoever wrote it, and nobody from anything newer or older.
#[test]
fn a_team_comes_to_what_one_process_comes_to() -> Outcome {
    for size in 1..=8 {
        let place = Place::new()?;
        let ends = with_ranks(&place, size, |team| {
            let numbers = numbers(team, "numbers")?;
            while team.step() < 50 {
                step(team, &numbers)?;
                team.swap(PATIENCE)?;
                assert_eq!(*numbers.current().read()?, alone(team.step()), "step {}", team.step());
            }
            numbers.current().snapshot()
        })?;
        assert!(ends.iter().all(|end| *end == alone(50)), "{size} ranks: {ends:?}");
    }
    Ok(())
}

/// Blocks are the ranks' own: together they are the array.
#[test]
fn each_rank_has_rows_of_its_own() -> Outcome {
    let place = Place::new()?;
    let rows = with_ranks(&place, 3, |team| Ok(team.block(&numbers(team, "numbers")?)?.rows()))?;
    assert_eq!(rows.into_iter().flatten().collect::<Vec<_>>(), (0..ROWS).collect::<Vec<_>>());
    Ok(())
}

/// What is read of several arrays between two swaps is of one step, though other ranks are in the next one already.
#[test]
fn arrays_swap_together() -> Outcome {
    let place = Place::new()?;
    with_ranks(&place, 4, |team| {
        let [one, other] = ["one", "other"].map(|name| numbers(team, name));
        let (one, other) = (one?, other?);
        while team.step() < 200 {
            step(team, &one)?;
            step(team, &other)?;
            team.swap(PATIENCE)?;
            if team.rank() == 0 {
                let (one, other) = (one.current().read()?, other.current().read()?);
                assert_eq!((&*one, &*other), (&*alone(team.step()).view(), &*alone(team.step()).view()));
            }
        }
        Ok(())
    })?;
    Ok(())
}

/// A block that is dropped before it is finished cannot be swapped, and is poisoned until it is written.
#[test]
fn what_is_not_finished_is_not_swapped() -> Outcome {
    let place = Place::new()?;
    let team = join(&place, 0, 1)?;
    assert!(matches!(refusal(team.swap(PATIENCE)), Error::InvalidArgument { name, .. } if name == "sim"));
    let (one, other) = (numbers(&team, "one")?, numbers(&team, "other")?);
    step(&team, &one)?;
    team.block(&other)?.views().1.fill(7);
    let error = refusal(team.swap(PATIENCE));
    assert!(matches!(&error, Error::InvalidArgument { name, .. } if name == "other"), "{error:?}");
    assert!(!team.is_broken());
    let next = SharedArray::<u64, Ix1>::builder().directory(&place).attach("other/odd")?;
    assert!(matches!(next.read(), Err(Error::Poisoned { block: 0, .. })));

    step(&team, &other)?;
    team.swap(PATIENCE)?;
    assert_eq!(*next.read()?, alone(1));
    // An array that is closed is no longer waited for.
    drop(other);
    step(&team, &one)?;
    Ok(team.swap(PATIENCE)?)
}

/// A block lives on two leases: whoever holds it cannot take it again, and is told so.
#[test]
fn a_block_is_taken_once() -> Outcome {
    let place = Place::new()?;
    let team = join(&place, 0, 1)?;
    let numbers = numbers(&team, "numbers")?;
    let block = team.block(&numbers)?;
    assert!(matches!(refusal(team.block(&numbers)), Error::WouldDeadlock { .. }));
    block.finish();
    Ok(team.swap(PATIENCE)?)
}

/// A rank that takes its block again, after it was finished, writes it again: swapped meanwhile, it would be a block of the old
/// array, which nobody writes.
#[test]
fn a_block_that_is_taken_again_is_not_finished() -> Outcome {
    let place = Place::new()?;
    let team = join(&place, 0, 1)?;
    let numbers = numbers(&team, "numbers")?;
    step(&team, &numbers)?;
    let again = team.block(&numbers)?;
    assert!(matches!(refusal(team.swap(PATIENCE)), Error::InvalidArgument { name, .. } if name == "numbers"));
    again.finish();
    step(&team, &numbers)?;
    team.swap(PATIENCE)?;
    assert_eq!(*numbers.current().read()?, alone(1));
    Ok(())
}

/// What fills an array may open another one of the team, and read it.
#[test]
fn an_array_is_filled_from_another() -> Outcome {
    let place = Place::new()?;
    let (told, tells) = mpsc::channel();
    let dir = sharray::Directory::clone(&place);
    thread::spawn(move || {
        let filled = Team::builder().directory(&dir).join("sim", 0, 1).and_then(|team| {
            let copy = team.array::<u64, Ix1>("copy", [ROWS], PATIENCE, |copy| {
                let read =
                    self::numbers(&team, "numbers").and_then(|one| one.current().read().map(|one| copy.assign(&one)));
                assert!(read.is_ok(), "{read:?}");
            })?;
            let copy = copy.current().read()?;
            Ok(copy.to_owned())
        });
        told.send(filled)
    });
    // Not joined: it would never end if it waited for itself.
    assert_eq!(tells.recv_timeout(PATIENCE)??, alone(0));
    Ok(())
}

/// When all ranks are gone, those who come after them go on where they were: with the step that all have seen made.
#[test]
fn a_whole_team_goes_on() -> Outcome {
    let place = Place::new()?;
    for (begun, until) in [(0, 3), (3, 8), (8, 12)] {
        let ends = with_ranks(&place, 2, |team| {
            let numbers = numbers(team, "numbers")?;
            assert_eq!(team.step(), begun);
            while team.step() < until {
                step(team, &numbers)?;
                team.swap(PATIENCE)?;
            }
            // One step that is begun, and not swapped.
            step(team, &numbers)?;
            numbers.current().snapshot()
        })?;
        assert!(ends.iter().all(|end| *end == alone(until)), "{ends:?}");
    }
    Ok(())
}

/// An array that comes later begins at the step that the team is at.
#[test]
fn an_array_may_come_later() -> Outcome {
    let place = Place::new()?;
    let team = join(&place, 0, 1)?;
    let first = numbers(&team, "first")?;
    step(&team, &first)?;
    team.swap(PATIENCE)?;
    let second = numbers(&team, "second")?;
    assert_eq!(*second.current().read()?, alone(0));
    step(&team, &first)?;
    step(&team, &second)?;
    team.swap(PATIENCE)?;
    assert_eq!((first.current().snapshot()?, second.current().snapshot()?), (alone(2), alone(1)));
    Ok(())
}

/// After a reset the ranks may be at different places: arrays that were opened before it are refused, and opened anew.
#[test]
fn arrays_are_opened_anew_after_a_reset() -> Outcome {
    let place = Place::new()?;
    let (team, other) = (join(&place, 0, 2)?, join(&place, 1, 2)?);
    let opened = thread::scope(|scope| {
        let peer = scope.spawn(|| numbers(&other, "numbers").map(drop));
        let opened = numbers(&team, "numbers");
        peer.join().expect("no rank panics")?;
        opened
    })?;
    assert!(matches!(refusal(team.barrier(Duration::ZERO)), Error::TimedOut { .. }));
    thread::scope(|scope| {
        let peer = scope.spawn(|| other.reset(PATIENCE));
        team.reset(PATIENCE)?;
        peer.join().expect("no rank panics")
    })?;
    let error = refusal(team.block(&opened));
    assert!(matches!(&error, Error::InvalidArgument { reason, .. } if reason.contains("before a reset")), "{error:?}");
    Ok(())
}

/// Another form, another number of ranks, another team: each is an error that says so, and nothing is overwritten.
#[test]
fn what_does_not_fit_is_refused() -> Outcome {
    let place = Place::new()?;
    let team = join(&place, 0, 1)?;
    drop(numbers(&team, "numbers")?);
    let ignore = |_: &mut ndarray::ArrayRef<u64, Ix1>| {};
    for refused in [
        team.array::<u64, Ix1>("numbers", [ROWS + 1], PATIENCE, ignore).map(drop),
        team.array::<i64, Ix1>("numbers", [ROWS], PATIENCE, |_| {}).map(drop),
        team.array::<u64, Ix2>("numbers", [ROWS, 1], PATIENCE, |_| {}).map(drop),
    ] {
        let error = refusal(refused);
        assert!(matches!(&error, Error::Mismatch { name, .. } if name == "numbers/even"), "{error:?}");
    }
    let none = team.array::<u64, Ix1>("none", [0], PATIENCE, ignore);
    assert!(none.is_ok(), "an array without rows has one block for one rank: {none:?}");

    let alien = Team::builder().directory(&place).join("other", 0, 1)?;
    let mine = numbers(&team, "mine")?;
    assert!(matches!(refusal(alien.block(&mine)), Error::InvalidArgument { .. }));

    let pair = Team::builder().directory(&place).join("pair", 0, 2)?;
    let error = refusal(pair.array::<u64, Ix1>("few", [1], PATIENCE, ignore));
    assert!(matches!(&error, Error::InvalidArgument { .. }), "{error:?}");
    let error = refusal(pair.array::<u64, Ix1>("mine", [ROWS], PATIENCE, ignore));
    assert!(matches!(&error, Error::Mismatch { name, .. } if name == "mine/even"), "{error:?}");
    assert_eq!(mine.current().snapshot()?, alone(0));
    Ok(())
}
