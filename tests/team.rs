//! Teams when nobody is killed: all pass a barrier or none does, and what breaks one round is told to every rank.

#[path = "support/place.rs"]
mod place;

use ndarray::{Array1, Array2};
use place::{Outcome, PATIENCE, Place, refusal};
use sharray::{DType, Error, Kind, Patience, Reduction, Result, SharedArray, Team};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

fn join(place: &Place, rank: u32, size: u32) -> Result<Team> {
    Team::builder().directory(place).join("sim", rank, size)
}

/// Runs every rank of a team on a thread of its own, and returns what each came to.
fn with_ranks<R: Send>(place: &Place, size: u32, rank: impl Fn(Team) -> R + Sync) -> Result<Vec<R>> {
    thread::scope(|scope| {
        let ranks: Vec<_> = (0..size)
            .map(|index| {
                let rank = &rank;
                scope.spawn(move || join(place, index, size).map(rank))
            })
            .collect();
        ranks.into_iter().map(|rank| rank.join().expect("no rank panics")).collect()
    })
}

/// No rank passes a barrier before all have arrived: whoever passes sees what every rank counted before it.
#[test]
fn none_passes_before_all_have_arrived() -> Outcome {
    for size in 1..=8 {
        let place = Place::new()?;
        let counts: Vec<_> = (0..size).map(|_| AtomicU32::new(0)).collect();
        let passed = with_ranks(&place, size, |team| -> Result<()> {
            for round in 1..=200 {
                counts[team.rank() as usize].store(round, Relaxed);
                team.barrier(PATIENCE)?;
                for count in &counts {
                    let seen = count.load(Relaxed);
                    assert!(seen == round || seen == round + 1, "round {round} was passed with a rank in {seen}");
                }
                // Nobody begins the next one while others still look.
                team.barrier(PATIENCE)?;
            }
            Ok(())
        })?;
        for (rank, passed) in passed.into_iter().enumerate() {
            // A rank that is done leaves; the others have passed their last round by then.
            assert!(passed.is_ok(), "rank {rank} of {size}: {passed:?}");
        }
    }
    Ok(())
}

/// A rank that leaves breaks the round for those who wait, and they are told which one it was, again and again.
#[test]
fn who_leaves_is_named() -> Outcome {
    let place = Place::new()?;
    let told = with_ranks(&place, 3, |team| {
        team.barrier(PATIENCE).expect("all are here");
        if team.rank() == 1 { Vec::new() } else { vec![team.barrier(PATIENCE), team.barrier(PATIENCE)] }
    })?;
    for outcome in told.into_iter().flatten() {
        assert!(matches!(outcome, Err(Error::PeerDied { rank: 1, ref name }) if name == "sim"), "{outcome:?}");
    }
    Ok(())
}

/// After a rank has left, those who stay and another one under its number meet in a reset, and go on.
#[test]
fn a_reset_goes_on_with_another_under_the_same_number() -> Outcome {
    let place = Place::new()?;
    let (staying, leaving) = (join(&place, 0, 2)?, join(&place, 1, 2)?);
    drop(leaving);
    assert!(matches!(staying.barrier(PATIENCE), Err(Error::PeerDied { rank: 1, .. })));
    assert!(staying.is_broken());
    let alone = staying.reset(Duration::from_millis(30));
    assert!(matches!(alone, Err(Error::TimedOut { .. })), "nobody else is here: {alone:?}");
    thread::scope(|scope| -> Outcome {
        let other = scope.spawn(|| -> Result<()> {
            let team = join(&place, 1, 2)?;
            assert!(matches!(team.barrier(PATIENCE), Err(Error::PeerDied { rank: 1, .. })), "it was broken before");
            team.reset(PATIENCE)?;
            team.barrier(PATIENCE)
        });
        staying.reset(PATIENCE)?;
        assert!(!staying.is_broken());
        staying.barrier(PATIENCE)?;
        other.join().expect("it does not panic")?;
        Ok(())
    })
}

/// When all have left, those who come next find a team as good as new.
#[test]
fn a_fresh_set_of_ranks_begins_anew() -> Outcome {
    let place = Place::new()?;
    for _ in 0..3 {
        let passed = with_ranks(&place, 4, |team| team.barrier(PATIENCE))?;
        assert!(passed.iter().all(Result::is_ok), "{passed:?}");
    }
    Ok(())
}

/// A time that is over breaks the round for all ranks, also for one that comes later.
#[test]
fn a_time_that_is_over_is_over_for_all() -> Outcome {
    let place = Place::new()?;
    let (first, second) = (join(&place, 0, 2)?, join(&place, 1, 2)?);
    assert!(matches!(first.barrier(Duration::from_millis(20)), Err(Error::TimedOut { .. })));
    assert!(matches!(second.barrier(PATIENCE), Err(Error::TimedOut { .. })));
    thread::scope(|scope| {
        scope.spawn(|| second.reset(PATIENCE));
        first.reset(PATIENCE)
    })?;
    assert!(!first.is_broken() && !second.is_broken());
    Ok(())
}

/// Whoever asks to stop waiting is told so at once, and the others that this rank does not go on.
#[test]
fn who_gives_up_is_named_to_the_others() -> Outcome {
    let place = Place::new()?;
    let (first, second) = (join(&place, 0, 2)?, join(&place, 1, 2)?);
    let stopped = first.barrier(Patience::asking(PATIENCE, &mut || false));
    assert!(matches!(stopped, Err(Error::TimedOut { .. })), "{stopped:?}");
    assert!(matches!(second.barrier(PATIENCE), Err(Error::PeerDied { rank: 0, .. })));
    Ok(())
}

/// One rank is one attach at a time, a team has one size, and its name is no array's.
#[test]
fn what_cannot_be_joined_is_refused() -> Outcome {
    let place = Place::new()?;
    let _first = join(&place, 0, 2)?;
    let taken = join(&place, 0, 2).map(drop);
    let this = std::process::id();
    assert!(matches!(taken, Err(Error::RankTaken { rank: 0, pid, .. }) if pid == this), "{taken:?}");
    let other = join(&place, 1, 3).map(drop);
    assert!(matches!(other, Err(Error::Mismatch { .. })), "{other:?}");
    assert_eq!(refusal(other).to_string(), "array \"sim\" is a team of size 2, expected a team of size 3");
    for (rank, size) in [(0, 0), (2, 2), (0, 1023)] {
        assert!(matches!(join(&place, rank, size), Err(Error::InvalidArgument { .. })), "{rank} of {size}");
    }
    let array = SharedArray::<u8>::builder().directory(&place).attach("sim");
    assert!(matches!(array, Err(Error::Mismatch { .. })));
    SharedArray::<u8, ndarray::Ix1>::builder().directory(&place).create("array", [3])?;
    let team = Team::builder().directory(&place).join("array", 0, 1);
    assert!(matches!(team, Err(Error::Mismatch { .. })), "{team:?}");
    assert_eq!(place.inspect("sim")?.kind, Kind::Team);
    Ok(())
}

/// An unlinked team ends: those who wait are told, and those who come later.
#[test]
fn an_unlinked_team_is_retired() -> Outcome {
    let place = Place::new()?;
    let team = join(&place, 0, 2)?;
    thread::scope(|scope| -> Outcome {
        let waiting = scope.spawn(|| team.barrier(PATIENCE));
        thread::sleep(Duration::from_millis(30));
        place.unlink("sim")?;
        let outcome = waiting.join().expect("it does not panic");
        assert!(matches!(outcome, Err(Error::Retired { .. })), "{outcome:?}");
        Ok(())
    })?;
    assert!(matches!(team.barrier(PATIENCE), Err(Error::Retired { .. })));
    assert!(matches!(team.reset(PATIENCE), Err(Error::Retired { .. })));
    assert!(team.is_retired());
    Ok(())
}

/// All ranks get the same bits, those of adding up the ranks' items in the order of the ranks, in one piece or in many.
#[test]
fn reductions_are_the_same_in_every_rank() -> Outcome {
    for (size, len) in [(1, 3), (2, 1), (3, 0), (4, 5000), (8, 17)] {
        let place = Place::new()?;
        let scale = [1.0, 1e9, 1e18];
        let item =
            |rank: u32, i: usize| 1.0 / (f64::from(rank) + 3.0) + f64::from(i as u32).sqrt() * scale[rank as usize % 3];
        let of = |rank: u32| Array1::from_shape_fn(len, |i| item(rank, i));
        let fold = |compute: fn(f64, f64) -> f64| {
            Array1::from_shape_fn(len, |i| (1..size).fold(item(0, i), |sum, rank| compute(sum, item(rank, i))))
        };
        let found = with_ranks(&place, size, |team| -> Result<_> {
            let local = of(team.rank());
            let all = (team.sum(&local, PATIENCE)?, team.min(&local, PATIENCE)?, team.max(&local, PATIENCE)?);
            let stack = team.gather(&local, PATIENCE)?;
            team.barrier(PATIENCE)?;
            Ok((all, stack))
        })?;
        for rank in found {
            let ((sum, min, max), stack) = rank?;
            assert_eq!((sum, min, max), (fold(|a, b| a + b), fold(f64::min), fold(f64::max)));
            assert_eq!(stack.shape(), [size as usize, len]);
            for (rank, row) in (0..).zip(stack.outer_iter()) {
                assert_eq!(row, of(rank), "of rank {rank}");
            }
        }
    }
    Ok(())
}

/// Every rank has the root's array, whatever it had, and however it stands in memory.
#[test]
fn a_broadcast_reaches_every_rank() -> Outcome {
    let place = Place::new()?;
    let of = |rank: u32| Array2::from_shape_fn((70, 90), |(i, j)| rank + 10 * (i * 90 + j) as u32);
    let found = with_ranks(&place, 3, |team| -> Result<_> {
        let mut array = of(team.rank());
        if team.rank() == 2 {
            array = array.reversed_axes().as_standard_layout().reversed_axes().into_owned();
        }
        for root in [0, 2, 1] {
            let mut copy = array.clone();
            team.broadcast(root, &mut copy, PATIENCE)?;
            assert_eq!(copy, of(root), "rank {} of root {root}", team.rank());
        }
        team.barrier(PATIENCE)
    })?;
    found.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(())
}

/// Ranks that call different things, or one with different arrays, are told what the other does, all of them, and go on.
#[test]
fn ranks_that_differ_are_told() -> Outcome {
    let place = Place::new()?;
    with_ranks(&place, 2, |team| -> Result<()> {
        let me = team.rank();
        let told = |outcome: Error| assert!(matches!(outcome, Error::InvalidArgument { .. }), "{outcome}");
        let short = Array1::<f32>::zeros(3 + me as usize);
        let error = refusal(team.sum(&short, PATIENCE));
        let other = 1 - me;
        let expected = format!(
            "array \"sim\" cannot be used so: rank {other} calls sum of float32 [{}], and rank {me} calls sum of float32 [{}]",
            3 + other,
            3 + me
        );
        assert_eq!(error.to_string(), expected);
        let local = Array1::<i32>::ones(3);
        told(refusal(if me == 0 { team.min(&local, PATIENCE) } else { team.max(&local, PATIENCE) }));
        if me == 0 {
            let error = refusal(team.sum(&local, PATIENCE));
            assert!(error.to_string().contains("rank 1 calls a barrier"), "{error}");
        } else {
            team.barrier(PATIENCE)?;
        }
        assert_eq!(team.sum(&local, PATIENCE)?, local.clone() * 2);
        let few = team.reduce_bytes(Reduction::Sum, &DType::F64, &[2], &mut [0; 15], PATIENCE);
        told(refusal(few));
        told(refusal(team.broadcast(2, &mut local.clone(), PATIENCE)));
        team.barrier(PATIENCE)
    })?
    .into_iter()
    .collect::<Result<()>>()?;
    Ok(())
}

/// From outside, a team tells its size, its rounds, who is which rank, and whether it is broken.
#[test]
fn a_team_is_told_from_outside() -> Outcome {
    let place = Place::new()?;
    let teams = [join(&place, 0, 3)?, join(&place, 2, 3)?];
    let info = place.inspect("sim")?;
    assert_eq!((info.kind, info.slots, info.sequence, info.is_broken), (Kind::Team, 3, 0, false));
    let ranks: Vec<_> = info.participants.iter().map(|participant| (participant.rank, participant.pid)).collect();
    assert_eq!(ranks, [(Some(0), std::process::id()), (Some(2), std::process::id())]);
    drop(teams);
    let info = place.inspect("sim")?;
    assert!(info.is_broken && info.participants.is_empty());
    with_ranks(&place, 3, |team| team.barrier(PATIENCE))?;
    // One round to begin anew, and one barrier.
    assert_eq!(place.inspect("sim")?.sequence, 2);
    Ok(())
}
