//! What a thread holds, and what it may ask for besides: a thread that waits for itself is told so at once.
//!
//! A thread takes the blocks of one array in rising order, and may read again what it reads. That is so whichever handle
//! of the array it uses. A call that does not wait can wait for nobody, so it is never told this.

#[path = "support/place.rs"]
mod place;

use ndarray::{Ix1, array};
use place::{Outcome, PATIENCE, Place, eventually, refusal, takes_at_least};
use sharray::{Error, ReadGuard, Result, SharedArray, SharedCell};
use std::mem::forget;
use std::ops::Range;
use std::thread;
use std::time::Duration;

type Field = SharedArray<i32, Ix1>;

const MOMENT: Duration = Duration::from_millis(20);

/// Four blocks of one row.
fn field(place: &Place) -> Result<Field> {
    Field::builder().directory(place).participants(8).blocks(4).open("field", [4])
}

fn elsewhere<R: Send>(call: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(call).join().expect("the call does not panic"))
}

fn is_refused<T: std::fmt::Debug>(result: Result<T>, label: &str) {
    let error = refusal(result);
    let text = error.to_string();
    assert!(matches!(error, Error::WouldDeadlock { .. }) && text.contains("field"), "{label}: {text}");
}

/// Every pair of a lease and a second one of the same thread, through one handle and through two. Let in is what comes
/// after all that is held, and what is read again; all else is refused, with a limit as without.
#[test]
fn a_thread_takes_blocks_in_rising_order() -> Outcome {
    let place = Place::new()?;
    let (ours, theirs) = (field(&place)?, field(&place)?);
    let spans: Vec<Range<usize>> = (0..4).flat_map(|first| (first + 1..5).map(move |end| first..end)).collect();
    for held in &spans {
        for asked in &spans {
            for (writes, then_writes) in [(false, false), (false, true), (true, false), (true, true)] {
                let _reading = if writes { None } else { Some(ours.read_blocks(held.clone())?) };
                let _writing = if writes { Some(ours.write_blocks(held.clone())?) } else { None };
                let nests = !writes && !then_writes && held.start <= asked.start && asked.end <= held.end;
                let rises = asked.start >= held.end;
                for (handle, second) in [(&ours, "the same handle"), (&theirs, "another handle")] {
                    let label = format!("{held:?} written {writes}, then {asked:?} written {then_writes} by {second}");
                    if nests || rises {
                        if then_writes {
                            handle.write_blocks(asked.clone()).expect(&label);
                        } else {
                            handle.read_blocks(asked.clone()).expect(&label);
                        }
                    } else if then_writes {
                        is_refused(handle.write_blocks(asked.clone()), &label);
                    } else {
                        is_refused(handle.read_blocks(asked.clone()), &label);
                    }
                    // Whoever does not wait is answered by what is so: these are refused only where they meet.
                    let meets = held.start < asked.end && asked.start < held.end;
                    if asked.len() == 1 {
                        let first = asked.start;
                        let answer = if then_writes {
                            handle.try_write_block(first).map(drop)
                        } else {
                            handle.try_read_block(first).map(drop)
                        };
                        match answer {
                            Ok(()) => assert!(!meets || (!writes && !then_writes), "{label}: let in"),
                            Err(Error::Locked { .. }) => assert!(meets && (writes || then_writes), "{label}: locked"),
                            Err(error) => panic!("{label}: {error}"),
                        }
                    }
                }
            }
        }
    }
    assert!(place.inspect("field")?.participants.iter().all(|one| one.pins + one.holds + one.writes == 0));
    Ok(())
}

/// Every call that can wait says it at once, however long it may wait; none that cannot does.
#[test]
fn every_call_that_waits_tells_it() -> Outcome {
    let place = Place::new()?;
    let (ours, theirs) = (field(&place)?, field(&place)?);
    let writing = ours.write_block(2)?;
    for handle in [&ours, &theirs] {
        is_refused(handle.read(), "read");
        is_refused(handle.write(), "write");
        is_refused(handle.read_timeout(PATIENCE), "read_timeout");
        is_refused(handle.write_timeout(PATIENCE), "write_timeout");
        is_refused(handle.read_block_timeout(2, PATIENCE), "read_block_timeout");
        is_refused(handle.write_block_timeout(1, PATIENCE), "write_block_timeout");
        is_refused(handle.snapshot(), "snapshot");
        is_refused(handle.snapshot_timeout(PATIENCE), "snapshot_timeout");
        is_refused(handle.read_into(&mut array![0, 0, 0, 0]), "read_into");
        is_refused(handle.read_into_timeout(&mut array![0, 0, 0, 0], PATIENCE), "read_into_timeout");
        for error in [
            refusal(handle.try_read()),
            refusal(handle.try_write()),
            refusal(handle.try_read_block(2)),
            refusal(handle.try_write_block(2)),
            refusal(handle.try_snapshot()),
            refusal(handle.try_read_into(&mut array![0, 0, 0, 0])),
        ] {
            let me = std::process::id();
            assert!(matches!(&error, Error::Locked { holders, .. } if *holders == [me]), "{error}");
        }
    }
    drop(writing);
    // Beside what this thread reads, a copy is nothing to wait for.
    let _reading = ours.read_block(2)?;
    drop((ours.snapshot()?, theirs.snapshot()?, theirs.try_read()?));
    Ok(())
}

/// Who may only look on waits for writers too, and so for itself.
#[test]
fn an_onlooker_is_told_that_it_waits_for_itself() -> Outcome {
    let place = Place::new()?;
    let ours = field(&place)?;
    let onlooker = Field::builder().directory(&place).read_only().attach("field")?;
    let writing = ours.write_block(2)?;
    is_refused(onlooker.read_timeout(PATIENCE), "read");
    is_refused(onlooker.read_block_timeout(2, PATIENCE), "read_block");
    is_refused(onlooker.snapshot_timeout(PATIENCE), "snapshot");
    assert!(matches!(refusal(onlooker.try_read()), Error::Locked { .. }));
    drop((onlooker.read_block_timeout(1, PATIENCE)?, onlooker.read_block_timeout(3, PATIENCE)?));
    drop(writing);
    let _reading = ours.read()?;
    drop((onlooker.read()?, onlooker.snapshot()?));
    Ok(())
}

/// A cell's role is one thing that a thread can have or not; loading is never in the way.
#[test]
fn a_cell_has_one_writer_of_a_thread() -> Outcome {
    let place = Place::new()?;
    let cells = || SharedCell::<i32>::builder().directory(&place);
    let (ours, theirs) = (cells().create("field", 1)?, cells().attach("field")?);
    let mut writer = ours.writer()?;
    for cell in [&ours, &theirs] {
        is_refused(cell.store(2), "store");
        is_refused(cell.store_timeout(2, PATIENCE), "store_timeout");
        is_refused(cell.writer(), "writer");
        is_refused(cell.writer_timeout(PATIENCE), "writer_timeout");
        let me = std::process::id();
        assert!(matches!(refusal(cell.try_store(2)), Error::Locked { holders, .. } if holders == [me]));
        assert!(matches!(refusal(cell.try_writer()), Error::Locked { .. }));
        assert_eq!(cell.load(), 1);
    }
    writer.store(3);
    drop(writer);
    theirs.store(ours.load() + 1)?;
    assert_eq!((ours.load(), ours.sequence()), (4, 3));
    Ok(())
}

/// Other arrays are no concern, and neither is what other threads hold.
#[test]
fn what_is_not_held_by_this_thread_is_waited_for() -> Outcome {
    let place = Place::new()?;
    let ours = field(&place)?;
    let other = Field::builder().directory(&place).create("other", [1])?;
    let writing = ours.write()?;
    other.write()?.fill(1);
    assert_eq!(other.read()?[0], 1);
    thread::scope(|scope| {
        let late = scope.spawn(|| takes_at_least(MOMENT, || refusal(ours.write_timeout(MOMENT))));
        assert!(matches!(late.join().expect("no panic"), Error::TimedOut { .. }));
        let waiting = scope.spawn(|| ours.read_timeout(PATIENCE).map(|guard| guard[0]));
        eventually("somebody waits", || place.inspect("field").is_ok_and(|info| info.participants[0].writes == 4));
        drop(writing);
        assert_eq!(waiting.join().expect("no panic")?, 0);
        Ok::<_, Error>(())
    })?;
    Ok(())
}

/// A name that was unlinked and made anew is another array, whose blocks have nothing to do with the old one's.
#[test]
fn a_new_array_of_the_old_name_is_another() -> Outcome {
    let place = Place::new()?;
    let old = field(&place)?;
    let _writing = old.write()?;
    place.unlink("field")?;
    let new = field(&place)?;
    new.write()?.fill(1);
    assert_eq!(new.read()?.sum(), 4);
    Ok(())
}

// ---------------------------------------------------------------- nesting

type Take = fn(&Field) -> Result<ReadGuard<'_, i32, Ix1>>;

fn is_held(other: &Field) -> bool {
    elsewhere(|| matches!(other.try_write().map(drop), Err(Error::Locked { .. })))
}

/// A lease that was nested counts for itself: writers are kept out until the last is dropped, in any order, through
/// whatever handles, and when the handle of the first is gone.
#[test]
fn nested_reads_end_in_any_order() -> Outcome {
    let place = Place::new()?;
    let writer = field(&place)?;
    let takes: [Take; 3] = [Field::read, |field| field.read_block(1), |field| field.read_blocks(1..3)];
    for outer in takes {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let (ours, theirs) = (field(&place)?, field(&place)?);
            let mut held = [Some(outer(&ours)?), Some(ours.read_block(1)?), Some(theirs.read_block(1)?)];
            for at in order {
                assert!(is_held(&writer));
                held[at] = None;
            }
            assert!(!is_held(&writer), "{order:?}");
        }
    }
    let (ours, theirs) = (field(&place)?, field(&place)?);
    let first = ours.read()?;
    let second = theirs.read_block(2)?;
    drop(first);
    drop(ours);
    assert!(is_held(&writer), "the second lease stands on the first one's handle");
    assert_eq!(second[0], 0);
    drop(second);
    assert!(!is_held(&writer));
    drop(theirs);
    assert_eq!(place.inspect("field")?.participants.len(), 1);
    Ok(())
}

/// A writer that waits keeps newcomers out, but not who is in already: that one would wait for itself.
#[test]
fn who_reads_already_reads_again_past_a_writer_that_waits() -> Outcome {
    let place = Place::new()?;
    let (ours, theirs) = (field(&place)?, field(&place)?);
    let first = ours.read()?;
    thread::scope(|scope| {
        let writer = scope.spawn(|| theirs.write_timeout(PATIENCE).map(|mut guard| guard.fill(1)));
        let writes =
            || place.inspect("field").map(|info| info.participants.iter().map(|one| one.writes).sum::<usize>());
        eventually("the writer waits for readers", || writes().is_ok_and(|writes| writes > 0));
        assert!(elsewhere(|| matches!(ours.try_read().map(drop), Err(Error::Locked { .. }))), "it goes first");
        for handle in [&ours, &theirs] {
            drop((handle.read()?, handle.read_block(3)?, handle.read_blocks(0..2)?));
        }
        assert_eq!(first.sum(), 0);
        drop(first);
        writer.join().expect("no panic")
    })?;
    assert_eq!(ours.read()?.sum(), 4);
    Ok(())
}

/// A lease that was nested is one on all that it was added to, and so the thread must not wait for a writer of any of it.
#[test]
fn what_is_left_of_nested_reads_is_all_of_the_first() -> Outcome {
    let place = Place::new()?;
    let (ours, theirs) = (field(&place)?, field(&place)?);
    for (first, second) in [(0..4, 0..1), (0..4, 2..3), (1..4, 1..2)] {
        for nested in [&ours, &theirs] {
            let outer = ours.read_blocks(first.clone())?;
            let inner = nested.read_blocks(second.clone())?;
            drop(outer);
            for handle in [&ours, &theirs] {
                is_refused(handle.write_block_timeout(3, PATIENCE), "it is held");
                is_refused(handle.write_timeout(PATIENCE), "some of it is held");
                assert!(matches!(refusal(handle.try_write_block(3)), Error::Locked { .. }));
                // Reading adds to it, wherever a writer stands.
                drop((handle.read_block(3)?, handle.read_blocks(first.clone())?));
            }
            drop(inner);
            theirs.write_timeout(PATIENCE)?.fill(1);
        }
    }
    Ok(())
}

// ---------------------------------------------------------------- guards that are never dropped

/// A forgotten read lease keeps writers out, and lets its thread read, until its handle is dropped.
#[test]
fn a_forgotten_read_lasts_as_long_as_its_handle() -> Outcome {
    let place = Place::new()?;
    let (ours, theirs) = (field(&place)?, field(&place)?);
    forget(ours.read_block(1)?);
    is_refused(ours.write(), "this thread holds it still");
    is_refused(theirs.write(), "through whatever handle");
    assert!(is_held(&theirs));
    drop((ours.read_block(1)?, theirs.read_block(1)?, theirs.write_block(3)?));
    assert!(matches!(elsewhere(|| refusal(theirs.write_timeout(MOMENT))), Error::TimedOut { .. }));
    drop(ours);
    assert!(!is_held(&theirs));
    // The thread knows that it holds nothing now.
    theirs.write()?.fill(2);
    assert_eq!(theirs.read()?.sum(), 8);
    assert!(!theirs.write()?.is_poisoned());
    Ok(())
}

/// A forgotten write lease keeps all out until its handle is dropped; what it was in the middle of is poisoned then.
#[test]
fn a_forgotten_write_is_one_that_did_not_end() -> Outcome {
    let place = Place::new()?;
    let (ours, theirs) = (field(&place)?, field(&place)?);
    forget(ours.write_block(1)?);
    is_refused(ours.read(), "this thread holds it still");
    is_refused(theirs.read_block(0), "and so no earlier block");
    theirs.write_block(2)?[0] = 5;
    assert!(matches!(elsewhere(|| refusal(ours.read_timeout(MOMENT))), Error::TimedOut { .. }));
    drop(ours);
    assert!(matches!(refusal(theirs.read()), Error::Poisoned { block: 1, .. }));
    assert!(matches!(refusal(theirs.read_block(1)), Error::Poisoned { block: 1, .. }));
    assert_eq!((theirs.read_block(2)?[0], place.inspect("field")?.poisoned), (5, vec![1]));
    let mut guard = theirs.write()?;
    assert!(guard.is_poisoned());
    guard.clear_poison();
    drop(guard);
    assert_eq!(theirs.read()?.sum(), 5);
    Ok(())
}

/// A thread that ends leaves the leases that it forgot: others wait for them as for any, until the handle is dropped.
#[test]
fn what_a_thread_forgot_outlives_it() -> Outcome {
    let place = Place::new()?;
    let (ours, theirs) = (field(&place)?, field(&place)?);
    elsewhere(|| ours.read_block(0).map(forget))?;
    elsewhere(|| ours.write_block(3).map(forget))?;
    // This thread holds nothing, so it is not itself that it would wait for.
    for handle in [&ours, &theirs] {
        assert!(matches!(refusal(handle.write_block_timeout(0, MOMENT)), Error::TimedOut { .. }));
        assert!(matches!(refusal(handle.read_block_timeout(3, MOMENT)), Error::TimedOut { .. }));
        drop((handle.read_block(0)?, handle.write_block(1)?));
    }
    let cell = SharedCell::<i32>::builder().directory(&place).create("cell", 1)?;
    elsewhere(|| cell.writer().map(forget))?;
    assert!(matches!(refusal(cell.store_timeout(2, MOMENT)), Error::TimedOut { .. }));
    assert_eq!(cell.load(), 1);
    drop(cell);
    let cell = SharedCell::<i32>::builder().directory(&place).attach("cell")?;
    cell.store(2)?;
    assert_eq!(cell.load(), 2);
    drop(ours);
    assert!(matches!(refusal(theirs.read_block(3)), Error::Poisoned { block: 3, .. }));
    theirs.write_block(0)?.fill(1);
    Ok(())
}

/// Guards that outlive what its thread remembers of itself, in the values of a thread that are dropped last, are as good.
#[test]
fn a_guard_may_be_dropped_when_its_thread_ends() -> Outcome {
    thread_local! {
        static LAST: std::cell::RefCell<Vec<ReadGuard<'static, i32, Ix1>>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    let place = Place::new()?;
    let ours: &'static Field = Box::leak(Box::new(field(&place)?));
    let theirs = field(&place)?;
    thread::spawn(|| {
        LAST.with(|last| last.borrow_mut().extend(ours.read()));
        drop(ours.read_block(1));
    })
    .join()
    .map_err(|_| "it panicked")?;
    theirs.write_timeout(PATIENCE)?.fill(1);
    Ok(())
}
