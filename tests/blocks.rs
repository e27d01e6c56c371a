//! Arrays divided into blocks: which rows are whose, what a lease on some of them lends, and who waits for whom.
//!
//! Blocks share out the rows as `numpy.array_split` does, in either order of items. A lease on one says nothing of the
//! others: neither is it kept out by their users, nor does it see or change their rows.

#[path = "support/place.rs"]
mod place;

use ndarray::{Array, Array2, Ix0, Ix1, Ix2, Ix3, s};
use place::{Outcome, PATIENCE, Place, refusal, takes_at_least};
use sharray::{AnyArray, ArrayBuilder, DType, Error, Order, Result, SharedArray};
use std::ops::Range;
use std::thread;
use std::time::Duration;

/// How long what is sure to time out may take.
const MOMENT: Duration = Duration::from_millis(30);

fn arrays<D: ndarray::Dimension>(place: &Place) -> ArrayBuilder<SharedArray<i64, D>> {
    SharedArray::builder().directory(place).participants(8)
}

/// Runs a call on a thread of its own, which holds nothing: nobody can say that it waits for itself.
fn elsewhere<R: Send>(call: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(call).join().expect("the call does not panic"))
}

/// As `numpy.array_split` shares them out: the first `rows % blocks` have one more.
fn split(rows: usize, blocks: usize) -> Vec<Range<usize>> {
    let mut start = 0;
    let mut take = |len| {
        start += len;
        start - len..start
    };
    (0..blocks).map(|block| take(rows / blocks + usize::from(block < rows % blocks))).collect()
}

// ---------------------------------------------------------------- which rows

/// A block for each row is the most there can be, and 65535; none is none. What has no rows has one block.
#[test]
fn there_are_no_more_blocks_than_rows() -> Outcome {
    let place = Place::new()?;
    for (rows, blocks, most) in
        [(5, 0, 5), (5, 6, 5), (0, 2, 1), (1, 2, 1), (70_000, 65_536, 65_535), (5, usize::MAX, 5)]
    {
        let error = refusal(arrays::<Ix2>(&place).blocks(blocks).create("a", [rows, 1]));
        let text = error.to_string();
        let is_right = matches!(error, Error::InvalidArgument { .. }) && text.contains(&format!("1 to {most}"));
        assert!(is_right && text.contains(&format!("{blocks} blocks")), "{text}");
    }
    assert!(matches!(refusal(arrays::<Ix0>(&place).blocks(2).create("a", ())), Error::InvalidArgument { .. }));
    assert!(place.names()?.is_empty());
    for (rows, blocks) in [(0, 1), (1, 1), (5, 5), (70_000, 65_535)] {
        let array = arrays::<Ix2>(&place).blocks(blocks).create("a", [rows, 1])?;
        assert_eq!((array.blocks(), array.rows(0..blocks)?), (blocks, 0..rows));
        array.write_block(blocks - 1)?.fill(1);
        assert_eq!(usize::try_from(array.read()?.sum())?, array.rows(blocks - 1..blocks)?.len());
        drop(array);
        place.unlink("a")?;
    }
    Ok(())
}

/// Every row is in one block; the rows of several are the rows of each.
#[test]
fn rows_are_shared_out_as_numpy_does() -> Outcome {
    let place = Place::new()?;
    for (rows, blocks) in [(10, 3), (3, 3), (100, 7), (64, 64), (65, 64), (1, 1)] {
        let array = arrays::<Ix1>(&place).blocks(blocks).create("a", [rows])?;
        let expected = split(rows, blocks);
        for first in 0..blocks {
            for end in first + 1..=blocks {
                assert_eq!(array.rows(first..end)?, expected[first].start..expected[end - 1].end);
            }
        }
        drop(array);
        place.unlink("a")?;
    }
    Ok(())
}

/// Blocks that are not there are refused by every call that names some, and so are none.
#[test]
fn blocks_that_are_not_there_are_refused() -> Outcome {
    let place = Place::new()?;
    let array = arrays::<Ix1>(&place).blocks(3).create("a", [9])?;
    #[allow(clippy::reversed_empty_ranges, reason = "that is what must be refused")]
    for blocks in [3..4, 0..4, 1..1, 2..1, 0..0, usize::MAX - 1..usize::MAX, 0..usize::MAX] {
        for error in [
            refusal(array.rows(blocks.clone())),
            refusal(array.read_blocks(blocks.clone())),
            refusal(array.write_blocks(blocks.clone())),
        ] {
            let text = error.to_string();
            assert!(matches!(error, Error::InvalidArgument { .. }) && text.contains("the 3 there are"), "{text}");
        }
    }
    for block in [3, usize::MAX] {
        for error in [
            refusal(array.read_block(block)),
            refusal(array.try_read_block(block)),
            refusal(array.read_block_timeout(block, MOMENT)),
            refusal(array.write_block(block)),
            refusal(array.try_write_block(block)),
            refusal(array.write_block_timeout(block, MOMENT)),
        ] {
            assert!(matches!(error, Error::InvalidArgument { .. }), "{block}: {error}");
        }
    }
    assert_eq!(array.sequence(), 0);
    Ok(())
}

// ---------------------------------------------------------------- what is lent

/// What is written through the view of some blocks is in their rows and nowhere else, in either order; what is read
/// through it is what slicing says.
#[test]
fn a_lease_on_blocks_lends_their_rows() -> Outcome {
    let place = Place::new()?;
    for order in [Order::C, Order::Fortran] {
        for (rows, blocks) in [(7, 3), (4, 4), (9, 2)] {
            let array = arrays::<Ix3>(&place).order(order).blocks(blocks).create("a", [rows, 3, 2])?;
            let theirs = arrays::<Ix3>(&place).attach("a")?;
            let mut expected = Array::zeros((rows, 3, 2));
            let mut value = 0;
            for first in 0..blocks {
                for end in first + 1..=blocks {
                    let mine = array.rows(first..end)?;
                    let mut guard = array.write_blocks(first..end)?;
                    assert_eq!((guard.rows(), guard.shape()), (mine.clone(), &[mine.len(), 3, 2][..]));
                    assert!(*guard == expected.slice(s![mine.clone(), .., ..]), "what was there is lent");
                    for item in guard.iter_mut() {
                        value += 1;
                        *item = value;
                    }
                    expected.slice_mut(s![mine.clone(), .., ..]).assign(&*guard);
                    drop(guard);
                    assert!(*theirs.read()? == expected && theirs.snapshot()? == expected, "{order:?} {first}..{end}");
                    let guard = theirs.read_blocks(first..end)?;
                    assert_eq!((guard.rows(), guard.is_copy()), (mine.clone(), false));
                    assert!(*guard == expected.slice(s![mine, .., ..]));
                }
            }
            drop((array, theirs));
            place.unlink("a")?;
        }
    }
    Ok(())
}

/// The same through a run-time dtype, whose guards tell shape, rows and strides: those of the whole array.
#[test]
fn a_lease_on_blocks_of_a_run_time_dtype() -> Outcome {
    let place = Place::new()?;
    for (order, strides) in [(Order::C, [16, 8]), (Order::Fortran, [8, 40])] {
        let builder = AnyArray::builder().directory(&place).order(order).blocks(2);
        let array = builder.create("a", &DType::parse("i8")?, &[5, 2])?;
        let mut guard = array.write_blocks(1..2, None)?;
        assert_eq!((guard.shape(), guard.rows(), guard.strides()), (vec![2, 2], 3..5, strides.to_vec()));
        guard.view_mut::<i64, Ix2>().ok_or("it is one")?.fill(1);
        drop(guard);
        assert_eq!(
            array.read()?.view::<i64, Ix2>().ok_or("it is one")?.sum_axis(ndarray::Axis(1)).to_vec(),
            [0, 0, 0, 2, 2]
        );
        let guard = array.read_blocks(0..1, None)?;
        assert_eq!((guard.shape(), guard.rows(), guard.strides()), (vec![3, 2], 0..3, strides.to_vec()));
        // Pointers start at the lease's first item.
        let whole = array.read_blocks(0..1, None)?.as_ptr();
        drop(guard);
        assert_eq!(array.read_blocks(1..2, None)?.as_ptr() as usize - whole as usize, 3 * strides[0]);
        drop(array);
        place.unlink("a")?;
    }
    Ok(())
}

/// Two writers of different blocks work at the same time and never touch each other's rows, whatever the order in memory.
#[test]
fn blocks_are_written_at_the_same_time() -> Outcome {
    let place = Place::new()?;
    for order in [Order::C, Order::Fortran] {
        let array = arrays::<Ix2>(&place).order(order).blocks(4).create("a", [13, 3])?;
        let (start, count) = (std::sync::Barrier::new(4), 2000);
        let work = |block| {
            let mut guard = array.write_block(block)?;
            start.wait();
            for _ in 0..count {
                *guard += 1;
            }
            Ok::<_, Error>(())
        };
        let work = &work;
        thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|block| scope.spawn(move || work(block))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect::<Result<Vec<()>>>()
        })?;
        assert_eq!((&*array.read()?, array.sequence()), (&*Array2::from_elem((13, 3), count), 8));
        drop(array);
        place.unlink("a")?;
    }
    Ok(())
}

// ---------------------------------------------------------------- who waits for whom

/// Every pair of leases: those that meet in a block and do not both read it exclude each other, all others do not.
#[test]
fn leases_exclude_each_other_where_they_meet() -> Outcome {
    let place = Place::new()?;
    let array = arrays::<Ix1>(&place).blocks(3).create("a", [3])?;
    let theirs = arrays::<Ix1>(&place).attach("a")?;
    let limit = |is_shut| if is_shut { Duration::from_millis(2) } else { PATIENCE };
    let spans = [0..1, 1..2, 2..3, 0..2, 1..3, 0..3];
    for held in &spans {
        for asked in &spans {
            let meets = held.start < asked.end && asked.start < held.end;
            for (writes_held, writes_asked) in [(false, false), (false, true), (true, false), (true, true)] {
                let _reading = if writes_held { None } else { Some(array.read_blocks(held.clone())?) };
                let _writing = if writes_held { Some(array.write_blocks(held.clone())?) } else { None };
                let is_shut = meets && (writes_held || writes_asked);
                let label = format!("{held:?} {writes_held}, {asked:?} {writes_asked}");
                // Through another handle, and through the same one on another thread.
                for handle in [&theirs, &array] {
                    let answer = elsewhere(|| {
                        match (writes_asked, asked.len()) {
                            (false, 1) => handle.try_read_block(asked.start).map(drop),
                            (true, 1) => handle.try_write_block(asked.start).map(drop),
                            (false, 3) => handle.try_read().map(drop),
                            (true, 3) => handle.try_write().map(drop),
                            // A part of a typed array has no such call.
                            (false, _) => AnyArray::read_blocks(handle, asked.clone(), Some(limit(is_shut))).map(drop),
                            (true, _) => AnyArray::write_blocks(handle, asked.clone(), Some(limit(is_shut))).map(drop),
                        }
                    });
                    match answer {
                        Ok(()) => assert!(!is_shut, "{label}: it got in"),
                        Err(Error::Locked { holders, .. }) => {
                            assert!(is_shut, "{label}: it was kept out");
                            assert_eq!(holders, [std::process::id()], "{label}");
                        }
                        Err(Error::TimedOut { .. }) => assert!(is_shut && asked.len() == 2, "{label}: timed out"),
                        Err(error) => panic!("{label}: {error}"),
                    }
                }
            }
        }
    }
    Ok(())
}

/// A call with a limit waits as long as that and says so; one without any does not wait and names who is in the way.
#[test]
fn waits_have_their_limits() -> Outcome {
    let place = Place::new()?;
    let array = arrays::<Ix1>(&place).blocks(2).create("a", [2])?;
    let theirs = arrays::<Ix1>(&place).attach("a")?;
    let (late, locked) = (
        |error: Error| assert!(matches!(error, Error::TimedOut { .. }) && error.to_string().contains('a'), "{error}"),
        |error: Error| match error {
            Error::Locked { name, holders } => {
                assert_eq!((name.as_str(), &holders[..]), ("a", &[std::process::id()][..]));
            }
            other => panic!("{other}"),
        },
    );
    let write = array.write_block(1)?;
    elsewhere(|| -> Result<()> {
        late(takes_at_least(MOMENT, || refusal(theirs.read_timeout(MOMENT))));
        late(takes_at_least(MOMENT, || refusal(theirs.write_timeout(MOMENT))));
        late(takes_at_least(MOMENT, || refusal(theirs.read_block_timeout(1, MOMENT))));
        late(takes_at_least(MOMENT, || refusal(theirs.write_block_timeout(1, MOMENT))));
        late(takes_at_least(MOMENT, || refusal(theirs.snapshot_timeout(MOMENT))));
        late(takes_at_least(MOMENT, || refusal(array.read_into_timeout(&mut ndarray::Array1::zeros(2), MOMENT))));
        locked(refusal(theirs.read_timeout(Duration::ZERO)));
        locked(refusal(theirs.try_read()));
        locked(refusal(theirs.try_write()));
        locked(refusal(theirs.try_read_block(1)));
        locked(refusal(theirs.try_write_block(1)));
        locked(refusal(theirs.try_snapshot()));
        locked(refusal(array.try_read_into(&mut ndarray::Array1::zeros(2))));
        // None of that was left behind: the other block is free to all.
        theirs.write_block_timeout(0, PATIENCE).map(drop)
    })?;
    drop(write);
    let read = theirs.read_block(0)?;
    elsewhere(|| -> Result<()> {
        late(takes_at_least(MOMENT, || refusal(array.write_timeout(MOMENT))));
        late(takes_at_least(MOMENT, || refusal(array.write_block_timeout(0, MOMENT))));
        locked(refusal(array.try_write()));
        locked(refusal(array.try_write_block(0)));
        array.read_timeout(PATIENCE).map(drop)?;
        array.snapshot_timeout(PATIENCE).map(drop)?;
        array.write_block_timeout(1, PATIENCE).map(drop)
    })?;
    drop(read);
    // A time that never ends is none.
    drop((array.write_timeout(Duration::MAX)?, 0));
    assert!(array.read_timeout(Duration::MAX)?.iter().all(|item| *item == 0));
    assert_eq!(array.sequence(), 10, "two blocks were written once and twice");
    Ok(())
}

/// One handle has room for eight different parts that are read; the whole array and a part that is read already take
/// no more of it, and what is given back is free.
#[test]
fn eight_parts_are_read_through_one_handle() -> Outcome {
    let place = Place::new()?;
    let array = arrays::<Ix1>(&place).blocks(20).create("a", [20])?;
    let theirs = arrays::<Ix1>(&place).attach("a")?;
    let mut held = (0..8).map(|block| array.read_block(block)).collect::<Result<Vec<_>>>()?;
    let error = refusal(array.read_block(8));
    assert!(matches!(error, Error::TooManyPins { limit: 8, .. }), "{error}");
    assert!(matches!(refusal(elsewhere(|| array.read_block(9).map(drop))), Error::TooManyPins { .. }));
    elsewhere(|| array.read().map(drop))?;
    elsewhere(|| array.read_block(3).map(drop))?;
    held.push(array.read_block(3)?);
    held.push(theirs.read_block(8)?);
    assert!(matches!(refusal(elsewhere(|| theirs.try_write_block(3).map(drop))), Error::Locked { .. }));
    held.remove(2);
    held.push(array.read_block(10)?);
    elsewhere(|| theirs.try_write_block(2).map(drop))?;
    held.clear();
    elsewhere(|| theirs.try_write().map(drop))?;
    assert_eq!(place.inspect("a")?.participants.iter().map(|one| one.pins + one.holds).sum::<usize>(), 0);
    Ok(())
}

/// The eighth part is one part for all threads that read it: none of them is refused because another is just leaving it.
#[test]
fn the_eighth_part_is_shared_by_threads() -> Outcome {
    let place = Place::new()?;
    let array = arrays::<Ix1>(&place).blocks(8).create("a", [8])?;
    let _held = (0..7).map(|block| array.read_block(block)).collect::<Result<Vec<_>>>()?;
    let read = || (0..50_000).try_for_each(|_| array.try_read_block(7).map(drop));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(read)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    })?;
    Ok(())
}
