//! Tables when nobody dies: what is appended is there for all, in order, and stays as it is.

#[path = "support/place.rs"]
mod place;

use ndarray::{Array1, Array2, Array3, Ix0, Ix1, Ix2, IxDyn, arr0, arr1, arr2, s};
use place::{Outcome, PATIENCE, Place, refusal, takes_at_least};
use sharray::{AnyGrowable, DType, Element, Error, GrowableArray, GrowableBuilder, Kind, SharedArray};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(30);

type Log = GrowableArray<u64, Ix1>;

fn logs(place: &Place) -> GrowableBuilder<Log> {
    Log::builder().directory(place).participants(8).max_len(1000)
}

fn grids(place: &Place) -> GrowableBuilder<GrowableArray<f64, Ix2>> {
    GrowableArray::builder().directory(place).participants(8).max_len(1000)
}

fn anys(place: &Place) -> GrowableBuilder<AnyGrowable> {
    AnyGrowable::builder().directory(place).participants(8).max_len(1000)
}

fn numbers(rows: std::ops::Range<u64>) -> Array1<u64> {
    rows.collect()
}

/// What one handle appends every handle sees, an onlooker's too, and a view that was lent before stays as it was.
#[test]
fn rows_are_seen_by_all() -> Outcome {
    let place = Place::new()?;
    let ours = logs(&place).create("log", [0])?;
    let theirs = logs(&place).attach("log")?;
    let onlooker = logs(&place).read_only().attach("log")?;
    assert!(ours.is_empty() && ours.view()?.is_empty());
    assert_eq!(ours.append(&numbers(0..3))?, 0..3);
    let before = onlooker.view()?;
    assert_eq!(theirs.append(&numbers(3..10))?, 3..10);
    assert_eq!(theirs.append(&numbers(0..0))?, 10..10, "no rows are none");
    for log in [&ours, &theirs, &onlooker] {
        assert_eq!((log.len(), log.shape(), log.max_len()), (10, vec![10], 1000));
        assert_eq!(log.view()?, numbers(0..10));
        assert_eq!(log.rows(2..5)?, numbers(2..5));
    }
    assert_eq!(before, numbers(0..3));
    assert_eq!(before.as_ptr(), onlooker.view()?.as_ptr(), "it does not move");
    assert!(matches!(refusal(onlooker.append(&numbers(0..1))), Error::ReadOnly { .. }));
    drop((ours, theirs));
    assert_eq!(onlooker.len(), 10, "it stays when nobody else has it");
    Ok(())
}

/// Rows of any shape and of any Rust type, given in any order in memory, stand one after the other.
#[test]
fn rows_have_a_shape() -> Outcome {
    #[derive(Clone, Copy, Debug, PartialEq, Element)]
    #[repr(C)]
    struct Sample {
        time: f64,
        value: [f32; 2],
    }
    let place = Place::new()?;
    let grid = grids(&place).create("grid", [0, 3])?;
    let rows = arr2(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    grid.append(&rows)?;
    grid.append(&arr2(&[[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]).reversed_axes())?;
    grid.append(&rows.slice(s![..;-1, ..]))?;
    assert_eq!(grid.shape(), [6, 3]);
    assert_eq!((grid.row_shape(), grid.row_bytes(), grid.strides()), (&[3][..], 24, vec![24, 8]));
    assert_eq!(grid.view()?.slice(s![2..4, ..]), rows);
    assert_eq!(grid.rows(4..5)?, arr2(&[[4.0, 5.0, 6.0]]));
    assert!(grid.view()?.is_standard_layout());

    let samples = GrowableArray::<Sample, Ix1>::builder().directory(&place).create("samples", [0])?;
    let sample = |time| Sample { time, value: [1.0, 2.0] };
    samples.append(&arr1(&[sample(0.5), sample(1.5)]))?;
    assert_eq!(samples.view()?[1], sample(1.5));

    let cubes = GrowableArray::<u8, IxDyn>::builder().directory(&place).create("cubes", IxDyn(&[0, 2, 2]))?;
    cubes.append(&Array3::from_elem((5, 2, 2), 7_u8).into_dyn())?;
    assert_eq!(cubes.view()?, Array3::from_elem((5, 2, 2), 7).into_dyn());

    let nothings = GrowableArray::<u8, Ix2>::builder().directory(&place).max_len(9).create("nothings", [0, 0])?;
    assert_eq!(nothings.append(&Array2::zeros((5, 0)))?, 0..5);
    assert_eq!((nothings.view()?.shape(), nothings.len()), (&[5, 0][..], 5));
    Ok(())
}

/// The three ways to a name, as for every kind: `open` takes a table however long it is.
#[test]
fn three_ways_to_a_name() -> Outcome {
    let place = Place::new()?;
    assert!(matches!(refusal(logs(&place).attach("log")), Error::NotFound { .. }));
    let first = logs(&place).create_from("log", &numbers(0..5))?;
    assert!(matches!(refusal(logs(&place).create("log", [0])), Error::AlreadyExists { .. }));
    let opened = logs(&place).max_len(77).open("log", [0])?;
    assert_eq!((opened.len(), opened.max_len(), opened.generation()), (5, 1000, first.generation()));
    assert_eq!(logs(&place).open("another", [0])?.len(), 0);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| logs(&place).wait(PATIENCE).attach("late").map(|log| log.len()));
        let _late = logs(&place).create_from("late", &numbers(0..2))?;
        assert_eq!(waiter.join().expect("no panic")?, 2);
        Ok(())
    })
}

/// What is no table of these rows is told by name, with what was found and what was expected; nothing was changed.
#[test]
fn another_form_is_refused() -> Outcome {
    let place = Place::new()?;
    let _log = logs(&place).create_from("log", &numbers(0..5))?;
    let _array = SharedArray::<u64, Ix1>::builder().directory(&place).create("array", [5])?;
    let floats = GrowableArray::<f64, Ix1>::builder().directory(&place).attach("log");
    let planes = GrowableArray::<u64, Ix2>::builder().directory(&place).open("log", [0, 1]);
    for error in [refusal(floats), refusal(planes), refusal(logs(&place).attach("array"))] {
        assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    }
    let error = refusal(grids(&place).open("log", [0, 3]));
    let text = error.to_string();
    assert!(text.contains("growable array of uint64, each row of shape []"), "{text}");
    assert!(text.contains("expected a growable array of float64, each row of shape [3]"), "{text}");
    assert!(matches!(
        refusal(SharedArray::<u64, Ix1>::builder().directory(&place).attach("log")),
        Error::Mismatch { .. }
    ));
    Ok(())
}

/// Shapes that no table can have, and numbers of rows that none can have room for.
#[test]
fn impossible_tables_are_refused() -> Outcome {
    let place = Place::new()?;
    let scalar = GrowableArray::<u64, Ix0>::builder().directory(&place).create("a", ());
    assert!(matches!(refusal(scalar), Error::InvalidArgument { .. }));
    let from_scalar = GrowableArray::<u64, Ix0>::builder().directory(&place).create_from("a", &arr0(1));
    assert!(matches!(refusal(from_scalar), Error::InvalidArgument { .. }));
    let begun = refusal(logs(&place).create("a", [3]));
    assert!(begun.to_string().contains("its shape is [3], expected [0, ...]"), "{begun}");
    for max_len in [0, 1 << 48] {
        let error = refusal(logs(&place).max_len(max_len).create("a", [0]));
        assert!(matches!(error, Error::InvalidArgument { .. }), "{max_len}: {error}");
    }
    let wide = grids(&place).max_len(1 << 40).create("a", [0, 1 << 40]);
    assert!(matches!(refusal(wide), Error::ShapeOverflow { .. }));
    assert!(matches!(refusal(grids(&place).create("a", [0, usize::MAX])), Error::ShapeOverflow { .. }));
    let parts = anys(&place).create("a", &DType::parse("('<f4', (3,))")?, &[0]);
    assert!(matches!(refusal(parts), Error::UnsupportedDtype { .. }));
    assert!(place.names()?.is_empty());
    Ok(())
}

/// The last row fits, and one more does not: then nothing of what was given is there, and what was there is.
#[test]
fn a_full_table_takes_all_or_nothing() -> Outcome {
    let place = Place::new()?;
    let log = logs(&place).max_len(10).create("log", [0])?;
    log.append(&numbers(0..8))?;
    let error = refusal(log.append(&numbers(8..11)));
    assert!(matches!(error, Error::TableFull { len: 8, max_len: 10, .. }), "{error}");
    assert!(error.to_string().contains("table \"log\" has 8 of at most 10 rows"), "{error}");
    assert_eq!(log.append(&numbers(8..10))?, 8..10);
    assert_eq!(log.append(&numbers(0..0))?, 10..10);
    assert!(matches!(refusal(log.append(&numbers(0..1))), Error::TableFull { len: 10, .. }));
    assert_eq!(log.view()?, numbers(0..10));
    assert_eq!(log.follow().from_row(0).count(), 1, "nothing can come after the last row");
    let more = logs(&place).max_len(2).create_from("more", &numbers(0..3));
    assert!(matches!(refusal(more), Error::TableFull { .. }));
    assert_eq!(place.names()?, ["log"]);
    Ok(())
}

/// Rows of another shape, and rows that are not there, are errors that say so.
#[test]
fn rows_that_cannot_be_are_refused() -> Outcome {
    let place = Place::new()?;
    let grid = grids(&place).create("grid", [0, 3])?;
    let error = refusal(grid.append(&Array2::zeros((2, 4))));
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
    assert!(error.to_string().contains("rows of shape [2, 4] were given, expected [_, [3]]"), "{error}");
    grid.append(&Array2::zeros((2, 3)))?;
    #[allow(clippy::reversed_empty_ranges, reason = "it is what is tried")]
    for rows in [0..3, 3..3, 2..1, usize::MAX..usize::MAX] {
        let error = refusal(grid.rows(rows.clone()).map(drop));
        assert!(error.to_string().contains("expected some of the 2 there are"), "{rows:?}: {error}");
    }
    assert_eq!(grid.rows(2..2)?.shape(), [0, 3]);
    let error = refusal(grid.wait_len(1001, PATIENCE));
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
    Ok(())
}

/// Whoever fills rows in place and fails, or panics, has appended nothing, and others go on.
#[test]
fn rows_that_were_not_filled_are_not_there() -> Outcome {
    let place = Place::new()?;
    let log = anys(&place).create("log", &DType::U64, &[0])?;
    let failed = log.append_with(2, None, |bytes| {
        bytes.fill(1);
        Err(Error::InvalidArgument { name: "mine".to_owned(), reason: "no more".to_owned() })
    });
    assert!(matches!(failed, Err(Error::InvalidArgument { name, .. }) if name == "mine"));
    let panics = std::panic::AssertUnwindSafe(|| {
        log.append_with(2, None, |_| -> sharray::Result<()> { panic!("in the middle") })
    });
    assert!(std::panic::catch_unwind(panics).is_err());
    assert_eq!(log.len(), 0);
    let inner = log.append_with(1, None, |_| log.append_with(1, None, |_| Ok::<_, Error>(())).map(drop));
    assert!(matches!(inner, Err(Error::WouldDeadlock { .. })), "{inner:?}");
    let rows = log.append_with(2, Some(Duration::ZERO), |bytes| {
        bytes.copy_from_slice(&[[7, 0, 0, 0, 0, 0, 0, 0], [8, 0, 0, 0, 0, 0, 0, 0]].concat());
        Ok::<_, Error>(())
    })?;
    assert_eq!(rows, 0..2);
    assert_eq!(log.view::<u64, Ix1>()?, arr1(&[7, 8]));
    assert!(matches!(refusal(log.view::<f64, Ix1>().map(drop)), Error::Mismatch { .. }));
    Ok(())
}

/// One appends at a time: who does not want to wait is told who is at it, and who waits a while is told when it is over.
#[test]
fn one_appends_at_a_time() -> Outcome {
    let place = Place::new()?;
    let log = logs(&place).create("log", [0])?;
    let other = logs(&place).attach("log")?;
    let rows = log.append_with(1, None, |bytes| {
        thread::scope(|scope| {
            let tries = scope.spawn(|| {
                let error = refusal(other.try_append(&numbers(0..1)));
                let me = std::process::id();
                assert!(matches!(&error, Error::Locked { holders, .. } if *holders == [me]), "{error}");
                let late = takes_at_least(MOMENT, || other.append_timeout(&numbers(0..1), MOMENT));
                assert!(matches!(refusal(late), Error::TimedOut { .. }));
            });
            tries.join().expect("no panic");
        });
        assert_eq!(other.len(), 0, "not before it is filled");
        bytes.fill(0);
        Ok::<_, Error>(())
    })?;
    assert_eq!(rows, 0..1);
    assert_eq!(other.append(&numbers(5..6))?, 1..2);
    Ok(())
}

/// Whoever waits is woken by the append that makes it enough, at once, and finds the rows; an onlooker as well.
#[test]
fn waiting_for_rows() -> Outcome {
    let place = Place::new()?;
    let log = logs(&place).create("log", [0])?;
    let onlooker = logs(&place).read_only().attach("log")?;
    let late = takes_at_least(MOMENT, || log.wait_len(1, MOMENT));
    assert!(matches!(refusal(late), Error::TimedOut { .. }));
    assert_eq!(log.wait_len(0, Duration::ZERO)?, 0);
    thread::scope(|scope| {
        let waiters: Vec<_> = [&log, &onlooker, &log]
            .map(|log| {
                scope.spawn(|| log.wait_len(10, PATIENCE).map(|len| (len, log.rows(0..10).map(|rows| rows.sum()))))
            })
            .into();
        for row in 0..10 {
            log.append(&numbers(row..row + 1))?;
        }
        for waiter in waiters {
            let (len, sum) = waiter.join().expect("no panic")?;
            assert_eq!((len, sum?), (10, 45));
        }
        Ok(())
    })
}

/// An unlinked table ends waits, though not for rows that are there; whoever has it goes on.
#[test]
fn a_retired_table_ends_waits() -> Outcome {
    let place = Place::new()?;
    let log = logs(&place).create_from("log", &numbers(0..3))?;
    thread::scope(|scope| {
        let waiter = scope.spawn(|| log.wait_len(4, PATIENCE));
        let follower =
            scope.spawn(|| log.follow().from_row(1).map(|rows| rows.map(|rows| rows.to_vec())).collect::<Vec<_>>());
        place.unlink("log")?;
        assert!(matches!(refusal(waiter.join().expect("no panic")), Error::Retired { .. }));
        let followed = follower.join().expect("no panic");
        assert_eq!(followed.into_iter().collect::<sharray::Result<Vec<_>>>()?, [[1, 2]]);
        Outcome::Ok(())
    })?;
    assert!(log.is_retired());
    assert_eq!(log.wait_len(3, Duration::ZERO)?, 3);
    assert_eq!(log.append(&numbers(3..4))?, 3..4);
    assert_eq!(log.view()?, numbers(0..4));
    Ok(())
}

/// Followers get each row once, in order, in batches that are never empty; from now on, or from where they say.
#[test]
fn followers_get_every_row_once() -> Outcome {
    let place = Place::new()?;
    let log = logs(&place).create_from("log", &numbers(0..3))?;
    let mut from_now = log.follow().timeout(Duration::ZERO);
    let mut from_two = log.follow().from_row(2).timeout(Duration::ZERO);
    assert!(matches!(from_now.next(), Some(Err(Error::TimedOut { .. }))));
    assert_eq!(from_two.next().ok_or("a row")??, numbers(2..3));
    log.append(&numbers(3..4))?;
    log.append(&numbers(4..6))?;
    for follower in [&mut from_now, &mut from_two] {
        assert_eq!(follower.next_row(), 3);
        assert_eq!(follower.next().ok_or("rows")??, numbers(3..6), "after a time-out it goes on");
        assert!(matches!(follower.next(), Some(Err(Error::TimedOut { .. }))));
    }
    let ahead = log.follow().from_row(5000).timeout(Duration::ZERO).next();
    assert!(matches!(ahead, Some(Err(Error::InvalidArgument { .. }))));

    let rows = 900_u64;
    thread::scope(|scope| {
        let follower = scope.spawn(|| -> sharray::Result<u64> {
            let mut next = 6;
            for batch in log.follow().from_row(6).timeout(PATIENCE) {
                let batch = batch?;
                assert!(!batch.is_empty() && batch.iter().copied().eq(next..next + batch.len() as u64));
                next += batch.len() as u64;
                if next == rows {
                    break;
                }
            }
            Ok(next)
        });
        for row in 6..rows {
            log.append(&numbers(row..row + 1))?;
        }
        assert_eq!(follower.join().expect("no panic")?, rows);
        Ok(())
    })
}

/// Threads of one handle and of several append at once: each append is whole and in one piece, none is lost, and readers see
/// nothing else meanwhile.
#[test]
fn many_append_at_once() -> Outcome {
    const EACH: u64 = 300;
    const BATCH: usize = 3;
    let place = Place::new()?;
    let logs = GrowableArray::<u64, Ix2>::builder().directory(&place).participants(8).max_len(1 << 20);
    let shared = logs.create("log", [0, 2])?;
    let (barrier, is_over) = (Barrier::new(5), AtomicBool::new(false));
    let check = |rows: ndarray::ArrayView2<'_, u64>| {
        assert_eq!(rows.nrows() % BATCH, 0, "half an append is there");
        let mut next = [0; 4];
        for batch in rows.axis_chunks_iter(ndarray::Axis(0), BATCH) {
            let writer = batch[[0, 0]] as usize;
            for row in batch.rows() {
                assert_eq!([row[0], row[1]], [writer as u64, next[writer]]);
            }
            next[writer] += 1;
        }
        next
    };
    thread::scope(|scope| {
        let writers: Vec<_> = (0..4_u64)
            .map(|writer| {
                let (barrier, shared, logs) = (&barrier, &shared, &logs);
                scope.spawn(move || -> sharray::Result<()> {
                    let own = logs.attach("log")?;
                    let log = if writer % 2 == 0 { shared } else { &own };
                    barrier.wait();
                    for number in 0..EACH {
                        log.append(&Array2::from_shape_fn((BATCH, 2), |(_, at)| [writer, number][at]))?;
                    }
                    Ok(())
                })
            })
            .collect();
        let reader = scope.spawn(|| -> sharray::Result<()> {
            barrier.wait();
            while !is_over.load(Relaxed) {
                check(shared.view()?);
            }
            Ok(())
        });
        for writer in writers {
            writer.join().expect("no panic")?;
        }
        is_over.store(true, Relaxed);
        reader.join().expect("no panic")?;
        Outcome::Ok(())
    })?;
    assert_eq!(check(shared.view()?), [EACH; 4]);
    Ok(())
}

/// A table of billions of rows takes neither disk nor memory before it has them, and grows without moving.
#[test]
fn billions_of_rows_cost_nothing() -> Outcome {
    let place = Place::new()?;
    let log = logs(&place).max_len(4_000_000_000).create("log", [0])?;
    let on_disk = || fs::metadata(place.file("log")).map(|meta| (meta.len() > 32_000_000_000, meta.blocks() * 512));
    let (has_its_length, bytes) = on_disk()?;
    assert!(has_its_length && bytes < 1 << 17, "{bytes} bytes of an empty table");
    let first = log.view()?.as_ptr();
    let rows = numbers(0..100_000);
    for round in 0..30 {
        assert_eq!(log.append(&rows)?.start, round * 100_000);
    }
    let (_, bytes) = on_disk()?;
    assert!((24_000_000..70_000_000).contains(&bytes), "{bytes} bytes for 24 million");
    let view = log.view()?;
    assert_eq!((view.len(), view.as_ptr()), (3_000_000, first));
    assert!(view.exact_chunks(100_000).into_iter().all(|chunk| chunk == rows));
    assert_eq!(Log::builder().directory(&place).create("default", [0])?.max_len(), 8 << 30);
    Ok(())
}

/// What is told from outside: the kind, how many rows there are and can be. It is never garbage.
#[test]
fn it_is_told_from_outside() -> Outcome {
    let place = Place::new()?;
    let grid = grids(&place).attribute("unit", "K").create("grid", [0, 3])?;
    grid.append(&Array2::zeros((7, 3)))?;
    let info = place.inspect("grid")?;
    assert_eq!((info.kind, info.shape, info.max_len), (Kind::Growable, vec![7, 3], Some(1000)));
    assert_eq!((info.dtype, info.committed, info.blocks), (DType::F64, 0, 1));
    assert_eq!(info.attributes["unit"], "K");
    grid.append_with(1, None, |_| {
        let info = place.inspect("grid")?;
        assert_eq!(info.participants.iter().map(|one| one.writes).collect::<Vec<_>>(), [1]);
        Ok::<_, Error>(())
    })?;
    drop(grid);
    assert!(place.collect_garbage()?.is_empty());
    assert_eq!(place.list()?[0].shape, [8, 3]);
    Ok(())
}

/// NumPy's own header tells the capacity, which the file has, and the rows stand where it says.
#[test]
fn the_file_ends_as_a_npy_file() -> Outcome {
    let place = Place::new()?;
    let _log = logs(&place).max_len(10).create_from("log", &numbers(1..4))?;
    let info = place.inspect("log")?;
    let bytes = fs::read(&info.path)?;
    let header = String::from_utf8_lossy(&bytes[info.npy_offset as usize..info.data_offset as usize]).into_owned();
    assert!(header.contains("'shape': (10,)"), "{header}");
    let rows: Vec<u64> = bytemuck::pod_collect_to_vec(&bytes[info.data_offset as usize..]);
    assert_eq!((rows.len(), &rows[..3]), (10, &[1, 2, 3][..]));
    Ok(())
}
