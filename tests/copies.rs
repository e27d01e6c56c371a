//! Copies: of a whole array at one moment, into whatever the caller has; and reading where only copies can be had.
//!
//! Whoever may not write a file takes no part in its lock: its reads are copies made between two writes. It writes
//! nothing into the file, never keeps anyone out, and still sees what happens.

#[path = "support/place.rs"]
mod place;

use ndarray::{Array, Array1, Array2, Array3, Axis, Dimension, Ix0, Ix1, Ix2, Ix3, IxDyn, ShapeBuilder, s};
use place::{Outcome, PATIENCE, Place, in_child, is_child, refusal, run, takes_at_least};
use sharray::{AnyArray, ArrayBuilder, Directory, Element, Error, Order, Result, SharedArray, SharedCell};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(30);

fn arrays<T: Element, D: Dimension>(place: &Place) -> ArrayBuilder<SharedArray<T, D>> {
    SharedArray::builder().directory(place).participants(8)
}

fn numbers<D: Dimension, Sh: ShapeBuilder<Dim = D>>(shape: Sh) -> Array<i32, D> {
    let mut next = 0;
    Array::from_shape_simple_fn(shape, || {
        next += 1;
        next
    })
}

fn elsewhere<R: Send>(call: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(call).join().expect("the call does not panic"))
}

/// A copy is the array by index, whatever the order of either: in new memory, in memory that stands as the array does,
/// turned, reversed, and with gaps that are left alone.
#[test]
fn copies_arrive_by_index() -> Outcome {
    let place = Place::new()?;
    let contents = numbers((4, 3, 5));
    for order in [Order::C, Order::Fortran] {
        let ours = arrays::<i32, Ix3>(&place).order(order).blocks(2).create_from("a", &contents)?;
        let onlooker = arrays::<i32, Ix3>(&place).read_only().attach("a")?;
        for array in [&ours, &onlooker] {
            assert_eq!(array.snapshot()?, contents);
            assert_eq!(
                array.try_snapshot()?.t().is_standard_layout(),
                order == Order::Fortran,
                "it stands as the array"
            );
            assert_eq!(array.snapshot_timeout(MOMENT)?, contents);
            for mut target in [Array3::zeros((4, 3, 5)), Array3::zeros((4, 3, 5).f())] {
                array.read_into(&mut target)?;
                assert_eq!(target, contents);
                target.invert_axis(Axis(1));
                array.try_read_into(&mut target)?;
                assert_eq!(target, contents);
            }
            let mut turned = Array3::zeros((5, 3, 4)).reversed_axes();
            array.read_into_timeout(&mut turned, MOMENT)?;
            assert_eq!(turned, contents);
            let mut large = Array3::from_elem((8, 4, 5), -1);
            array.read_into(&mut large.slice_mut(s![..;2, 1.., ..]))?;
            assert_eq!((large.slice(s![..;2, 1.., ..]), large[[1, 1, 0]], large[[0, 0, 4]]), (contents.view(), -1, -1));
            for wrong in [(3, 4, 5), (4, 3, 6), (0, 0, 0)] {
                let text = refusal(array.read_into(&mut Array3::zeros(wrong))).to_string();
                assert!(text.contains("[4, 3, 5]") && text.contains(&format!("[{}, ", wrong.0)), "{text}");
            }
        }
        drop((ours, onlooker));
        place.unlink("a")?;
    }
    Ok(())
}

/// The bytes of a run-time dtype come in the order in which they stand, and are as many as they are.
#[test]
fn bytes_are_copied_as_they_stand() -> Outcome {
    let place = Place::new()?;
    let ours = arrays::<u16, Ix2>(&place).order(Order::Fortran).create("a", [2, 3])?;
    ours.write()?.assign(&Array2::from_shape_fn((2, 3), |(i, j)| (10 * i + j) as u16));
    let any = AnyArray::builder().directory(&place).attach("a")?;
    let mut bytes = [0; 12];
    any.read_into(&mut bytes)?;
    assert_eq!(bytes, [0, 0, 10, 0, 1, 0, 11, 0, 2, 0, 12, 0]);
    any.try_read_into(&mut bytes)?;
    any.read_into_timeout(&mut bytes, MOMENT)?;
    for len in [0, 11, 13] {
        let text = refusal(any.read_into(&mut vec![0; len])).to_string();
        assert!(text.contains(&format!("{len} bytes")) && text.contains("expected 12"), "{text}");
    }
    Ok(())
}

/// Copies need no lease: they are made beside readers, and whoever copies keeps nobody out.
#[test]
fn copies_are_made_beside_readers() -> Outcome {
    let place = Place::new()?;
    let ours = arrays::<i32, Ix1>(&place).create_from("a", &numbers(100))?;
    let reading = ours.read()?;
    assert_eq!(ours.try_snapshot()?, *reading);
    elsewhere(|| ours.try_snapshot())?;
    Ok(())
}

// ---------------------------------------------------------------- who may only read

/// What an onlooker reads are copies of its own: of all or of some blocks, in either order, of items of every size.
#[test]
fn an_onlooker_reads_copies() -> Outcome {
    fn look<T: Element + PartialEq + std::fmt::Debug>(place: &Place, item: impl Fn(u8) -> T) -> Outcome {
        for order in [Order::C, Order::Fortran] {
            for rows in [1, 5, 9] {
                let contents = Array2::from_shape_fn((rows, 3), |(i, j)| item((10 * i + j) as u8));
                let blocks = rows.min(4);
                let ours = arrays::<T, Ix2>(place).order(order).blocks(blocks).create_from("a", &contents)?;
                let theirs = arrays::<T, Ix2>(place).read_only().attach("a")?;
                assert!(theirs.is_read_only() && !ours.is_read_only());
                let whole = theirs.read()?;
                assert!(whole.is_copy() && *whole == contents, "{order:?} {rows}");
                for first in 0..blocks {
                    for end in first + 1..=blocks {
                        let rows = ours.rows(first..end)?;
                        let part = theirs.read_blocks(first..end)?;
                        assert_eq!((part.rows(), &*part), (rows.clone(), &*contents.slice(s![rows.clone(), ..])));
                        let any = AnyArray::read_blocks(&theirs, first..end, None)?;
                        assert_eq!(any.view::<T, Ix2>(), Some(contents.slice(s![rows, ..])));
                        assert!(part.is_copy() && any.is_copy());
                    }
                }
                // A copy stays as it is, and keeps nobody out.
                ours.try_write()?.fill(item(200));
                assert_eq!((&*whole, theirs.read()?[[0, 2]]), (&*contents, item(200)));
                drop(whole);
                drop((ours, theirs));
                place.unlink("a")?;
            }
        }
        Ok(())
    }
    let place = Place::new()?;
    look(&place, |value| value)?;
    look(&place, u16::from)?;
    look(&place, f32::from)?;
    look(&place, f64::from)?;
    look(&place, |value| num_complex::Complex::new(f64::from(value), 1.0))?;
    Ok(())
}

/// It is refused whatever would write, by name, and its reads have the same answers as those of others.
#[test]
fn an_onlooker_writes_nothing() -> Outcome {
    let place = Place::new()?;
    let ours = arrays::<i32, Ix1>(&place).blocks(2).create_from("a", &numbers(4))?;
    let theirs = arrays::<i32, Ix1>(&place).read_only().attach("a")?;
    let cell = SharedCell::<i32>::builder().directory(&place).create("cell", 5)?;
    let looked = SharedCell::<i32>::builder().directory(&place).read_only().attach("cell")?;
    let before = (fs::read(place.file("a"))?, fs::read(place.file("cell"))?);
    for error in [
        refusal(theirs.write()),
        refusal(theirs.try_write()),
        refusal(theirs.write_timeout(MOMENT)),
        refusal(theirs.write_block(0)),
        refusal(theirs.try_write_block(1)),
        refusal(theirs.write_blocks(0..2)),
        refusal(AnyArray::write(&theirs)),
        refusal(looked.store(1)),
        refusal(looked.try_store(1)),
        refusal(looked.writer()),
        refusal(looked.writer_timeout(MOMENT)),
    ] {
        let text = error.to_string();
        assert!(matches!(error, Error::ReadOnly { .. }), "{text}");
    }
    drop((theirs.read()?, theirs.snapshot()?, theirs.sequence(), looked.load(), looked.sequence()));
    assert!(matches!(refusal(theirs.wait_changed(theirs.sequence(), MOMENT)), Error::TimedOut { .. }));
    assert!((fs::read(place.file("a"))?, fs::read(place.file("cell"))?) == before, "a byte of the file was written");
    assert_eq!(place.inspect("a")?.participants.len(), 1, "it takes no part");

    let writing = ours.write_block(0)?;
    let me = std::process::id();
    elsewhere(|| {
        assert!(matches!(refusal(theirs.try_read()), Error::Locked { holders, .. } if holders == [me]));
        assert!(matches!(refusal(theirs.try_snapshot()), Error::Locked { .. }));
        assert!(matches!(takes_at_least(MOMENT, || refusal(theirs.read_timeout(MOMENT))), Error::TimedOut { .. }));
        assert!(matches!(takes_at_least(MOMENT, || refusal(theirs.snapshot_timeout(MOMENT))), Error::TimedOut { .. }));
        assert_eq!(theirs.try_read_block(1)?.to_vec(), [3, 4]);
        Ok::<_, Error>(())
    })?;
    drop(writing);
    assert_eq!((theirs.read()?.sum(), looked.load(), cell.load()), (10, 5, 5));
    Ok(())
}

/// It waits as others do, though nobody can wake it.
#[test]
fn an_onlooker_waits() -> Outcome {
    let place = Place::new()?;
    let ours = arrays::<u64, Ix0>(&place).create("a", ())?;
    let theirs = arrays::<u64, Ix0>(&place).read_only().attach("a")?;
    thread::scope(|scope| {
        let follows = scope.spawn(|| -> Result<u64> {
            let mut seen = 0;
            while seen < 20 {
                seen = theirs.wait_changed(seen, PATIENCE)?;
                assert!(theirs.read()?.first().is_some_and(|item| *item >= seen / 2), "what was waited for is there");
            }
            Ok(seen)
        });
        for value in 1..=10 {
            // Each is seen before the next: all it waits for is news.
            ours.write()?.fill(value);
        }
        assert_eq!(follows.join().expect("no panic")?, 20);
        let reads = scope.spawn(|| theirs.read_timeout(PATIENCE).map(|guard| guard.first().copied()));
        drop(ours.write()?);
        assert_eq!(reads.join().expect("no panic")?, Some(10));
        place.unlink("a")?;
        assert!(matches!(refusal(theirs.wait_changed(22, PATIENCE)), Error::Retired { .. }));
        Ok(())
    })
}

/// A file that nobody used since it was copied may hold anything: who may not write cannot make it good.
#[test]
fn an_onlooker_makes_nothing_good() -> Outcome {
    let place = Place::new()?;
    drop(arrays::<i32, Ix1>(&place).create_from("a", &numbers(4))?);
    fs::copy(place.file("a"), place.file("b"))?;
    let error = refusal(arrays::<i32, Ix1>(&place).read_only().attach("b"));
    assert!(matches!(error, Error::NeedsRecovery { .. }) && error.to_string().contains("\"b\""), "{error}");
    let _writer = arrays::<i32, Ix1>(&place).attach("b")?;
    assert_eq!(arrays::<i32, Ix1>(&place).read_only().attach("b")?.read()?.sum(), 10);
    Ok(())
}

/// The environment variable that tells a child where the arrays are.
const FOLDER: &str = "SHARRAY_TEST_FOLDER";

/// A file that this user may only read is looked at by itself, without asking for it. The superuser may write any file,
/// so there the reader is a process of another user.
#[test]
fn a_file_that_may_only_be_read_is_only_read() -> Outcome {
    let place = Place::new()?;
    let _ours = arrays::<i32, Ix1>(&place).permissions(0o644).create_from("a", &numbers(4))?;
    let _cell = SharedCell::<i32>::builder().directory(&place).permissions(0o644).create("cell", 5)?;
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755))?;
    let mut child = in_child("looks_at_the_arrays_of_its_parent")?;
    child.env(FOLDER, place.path());
    if nix::unistd::geteuid().is_root() {
        std::os::unix::process::CommandExt::uid(&mut child, 65_534);
    } else {
        fs::set_permissions(place.file("a"), fs::Permissions::from_mode(0o400))?;
        fs::set_permissions(place.file("cell"), fs::Permissions::from_mode(0o400))?;
    }
    let before = fs::read(place.file("a"))?;
    match run(&mut child) {
        Err(reason) if reason.is::<std::io::Error>() => {
            eprintln!("not tried: nobody else can run this program: {reason}");
        }
        done => done?,
    }
    assert!(fs::read(place.file("a"))? == before);
    Ok(())
}

#[test]
#[ignore = "a part of another test, which runs it in a process of its own"]
fn looks_at_the_arrays_of_its_parent() -> Outcome {
    let Some(folder) = std::env::var_os(FOLDER).filter(|_| is_child()) else { return Ok(()) };
    let directory = Directory::open_trusting_others(folder)?;
    let array = SharedArray::<i32, IxDyn>::builder().directory(&directory).attach("a")?;
    assert!(array.is_read_only() && array.read()?.is_copy());
    assert_eq!((array.read()?.sum(), array.snapshot()?.len(), array.sequence()), (10, 4, 2));
    assert!(matches!(refusal(array.write()), Error::ReadOnly { .. }));
    let cell = SharedCell::<i32>::builder().directory(&directory).attach("cell")?;
    assert_eq!((cell.load(), cell.is_read_only()), (5, true));
    let opened = SharedArray::<i32, Ix1>::builder().directory(&directory).open("a", [4])?;
    assert!(opened.is_read_only());
    let _: Array1<i32> = opened.snapshot()?;
    Ok(())
}
