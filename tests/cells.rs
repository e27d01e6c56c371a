//! Cells when nobody dies: what is stored is what is loaded, whole, and nobody who loads ever waits.

#[path = "support/place.rs"]
mod place;

use half::f16;
use num_complex::Complex;
use place::{Outcome, PATIENCE, Place, refusal, takes_at_least};
use sharray::{AnyCell, CellBuilder, DType, Element, Error, Kind, Order, Result, SharedArray, SharedCell};
use std::fmt::Debug;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(30);

fn cells<T: Element>(place: &Place) -> CellBuilder<SharedCell<T>> {
    SharedCell::builder().directory(place).participants(8)
}

fn any(place: &Place) -> CellBuilder<AnyCell> {
    AnyCell::builder().directory(place).participants(8)
}

fn elsewhere<R: Send>(call: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(call).join().expect("the call does not panic"))
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Element)]
#[repr(C)]
struct Pose {
    position: [f64; 3],
    angle: f32,
    frame: u32,
}

/// What is stored through one handle is loaded through all, and each store counts.
fn round_trip<T: Element + PartialEq + Debug>(place: &Place, values: [T; 3]) -> Outcome {
    let [first, second, third] = values;
    let ours = cells::<T>(place).create("cell", first)?;
    let theirs = cells::<T>(place).attach("cell")?;
    let onlooker = cells::<T>(place).read_only().attach("cell")?;
    assert_eq!((ours.load(), theirs.load(), onlooker.load(), ours.sequence()), (first, first, first, 1));
    theirs.store(second)?;
    assert_eq!((ours.load(), theirs.load(), onlooker.load(), onlooker.sequence()), (second, second, second, 2));
    let mut writer = ours.writer()?;
    for value in [third, first, third] {
        writer.store(value);
        assert_eq!((ours.load(), theirs.load(), onlooker.load()), (value, value, value));
    }
    drop(writer);
    assert_eq!(ours.sequence(), 5);
    drop((ours, theirs, onlooker));
    assert_eq!(cells::<T>(place).attach("cell")?.load(), third, "it stays when nobody has it");
    place.unlink("cell")?;
    Ok(())
}

/// Values of one byte and of many, of sizes that are no multiple of a word as well.
#[test]
fn every_value_is_shared() -> Outcome {
    let place = Place::new()?;
    round_trip(&place, [0_u8, 1, u8::MAX])?;
    round_trip(&place, [0, i16::MIN, i16::MAX])?;
    round_trip(&place, [0.0, f32::INFINITY, -1.5])?;
    round_trip(&place, [u64::MAX, 0, 1])?;
    round_trip(&place, [f16::ONE, f16::ZERO, f16::INFINITY])?;
    round_trip(&place, [Complex::new(1.0, 2.0), Complex::new(0.0, -1.0), Complex::new(3.0, 0.5)])?;
    round_trip(&place, [[1_u8; 3], [2; 3], [3; 3]])?;
    round_trip(&place, [[1_i32; 5], [2; 5], [3; 5]])?;
    round_trip(&place, [[[1.0_f32; 3]; 2], [[2.0; 3]; 2], [[3.0; 3]; 2]])?;
    round_trip(&place, [[1_u64; 512], [2; 512], [3; 512]])?;
    let pose = |angle| Pose { position: [1.0, 2.0, 3.0], angle, frame: 7 };
    round_trip(&place, [pose(0.0), pose(1.0), pose(2.0)])
}

/// A cell of a run-time dtype takes and gives bytes, as many as it has, of any dtype and shape.
#[test]
fn values_of_a_run_time_dtype_are_bytes() -> Outcome {
    let place = Place::new()?;
    for (text, shape, len) in
        [(">i4", &[][..], 4), ("S3", &[2, 2], 12), ("<f8", &[3], 24), ("V7", &[], 7), ("u1", &[0], 0)]
    {
        let dtype = DType::parse(text)?;
        let value = |seed: u8| (0..len).map(|at| seed.wrapping_mul(at + 1)).collect::<Vec<u8>>();
        let ours = any(&place).create("cell", &dtype, shape, &value(3))?;
        let theirs = any(&place).attach("cell")?;
        assert_eq!((theirs.dtype(), theirs.shape(), theirs.size_bytes()), (&dtype, shape, usize::from(len)));
        let mut found = value(0);
        theirs.load_into(&mut found)?;
        assert_eq!(found, value(3), "{text}");
        theirs.store(&value(5))?;
        theirs.try_store(&value(6))?;
        theirs.store_timeout(&value(7), MOMENT)?;
        ours.load_into(&mut found)?;
        assert_eq!((found, ours.sequence()), (value(7), 4), "{text}");
        let wrong = vec![0; usize::from(len) + 1];
        for error in [
            refusal(theirs.store(&wrong)),
            refusal(theirs.try_store(&wrong)),
            refusal(theirs.writer()?.store(&wrong)),
            refusal(theirs.load_into(&mut wrong.clone())),
        ] {
            let text = error.to_string();
            assert!(
                matches!(error, Error::InvalidArgument { .. }) && text.contains(&format!("{} bytes", len + 1)),
                "{text}"
            );
        }
        assert_eq!(ours.sequence(), 4, "what is refused changes nothing");
        drop((ours, theirs));
        place.unlink("cell")?;
        let made = any(&place).create("cell", &dtype, shape, &wrong);
        assert!(matches!(refusal(made), Error::InvalidArgument { .. }));
        assert!(place.names()?.is_empty(), "what cannot be made has no name");
    }
    Ok(())
}

/// An array of Rust is told by its shape, so that those who know its dtype alone find it, and the other way round.
#[test]
fn arrays_of_rust_are_shapes() -> Outcome {
    let place = Place::new()?;
    let ours = cells::<[f32; 4]>(&place).attribute("unit", "m").create("gains", [1.0; 4])?;
    assert_eq!((ours.dtype(), ours.shape(), ours.order()), (&f32::dtype(), &[4][..], Order::C));
    assert_eq!((ours.name(), ours.attributes()["unit"].as_str()), ("gains", Some("m")));
    let info = place.inspect("gains")?;
    assert_eq!((info.kind, &info.dtype, &info.shape[..]), (Kind::Cell, &f32::dtype(), &[4][..]));
    any(&place).open("gains", &f32::dtype(), &[4], &[0; 16])?;
    assert_eq!(ours.load().map(f32::to_bits), [1.0_f32; 4].map(f32::to_bits), "what is there is left as it is");
    Ok(())
}

/// Creating never takes a name that is there; opening takes it if it is the same, and only then.
#[test]
fn create_attach_and_open_differ_in_what_must_be_there() -> Outcome {
    let place = Place::new()?;
    assert!(matches!(refusal(cells::<u32>(&place).attach("cell")), Error::NotFound { .. }));
    let ours = cells::<u32>(&place).open("cell", 4)?;
    assert!(matches!(refusal(cells::<u32>(&place).create("cell", 5)), Error::AlreadyExists { .. }));
    assert_eq!((cells::<u32>(&place).open("cell", 6)?.load(), ours.sequence()), (4, 1));
    for (error, expected) in [
        (refusal(cells::<f32>(&place).attach("cell")), "float32"),
        (refusal(cells::<[u32; 2]>(&place).open("cell", [1; 2])), "[2]"),
        (refusal(any(&place).open("cell", &DType::U8, &[4], &[0; 4])), "uint8"),
        (refusal(SharedArray::<u32, ndarray::Ix0>::builder().directory(&place).open("cell", ())), "an array in place"),
    ] {
        let text = error.to_string();
        let (found, wanted) = text.split_once(", expected ").ok_or(text.clone())?;
        assert!(matches!(error, Error::Mismatch { .. }) && found.contains("a cell of uint32 []"), "{text}");
        assert!(wanted.contains(expected), "{text}: expected {expected}");
    }
    place.unlink("cell")?;
    assert!(ours.is_retired() && !ours.is_read_only());
    ours.store(9)?;
    assert_eq!(ours.load(), 9, "who is attached goes on");
    Ok(())
}

/// However many open a name at once, one value is the first, and no count of anyone is lost.
#[test]
fn many_that_open_at_once_have_one_cell() -> Outcome {
    let place = Place::new()?;
    for round in 0..50 {
        let name = format!("race-{round}");
        let start = Barrier::new(6);
        let open = || {
            start.wait();
            let cell = cells::<u32>(&place).open(&name, 100)?;
            // Loading and storing are one step for who has the role.
            let mut writer = cell.writer()?;
            writer.store(cell.load() + 1);
            Ok::<_, Error>(())
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect::<Result<Vec<()>>>()
        })?;
        let cell = cells::<u32>(&place).attach(&name)?;
        assert_eq!((cell.load(), cell.sequence()), (106, 7), "round {round}");
    }
    Ok(())
}

/// One at a time stores, and who has the role is named; nobody who loads is kept waiting.
#[test]
fn one_writer_at_a_time() -> Outcome {
    let place = Place::new()?;
    let ours = cells::<u32>(&place).create("cell", 1)?;
    let theirs = cells::<u32>(&place).attach("cell")?;
    let me = std::process::id();
    let writer = ours.writer()?;
    for handle in [&ours, &theirs] {
        elsewhere(|| {
            assert!(matches!(refusal(handle.try_store(2)), Error::Locked { holders, .. } if holders == [me]));
            assert!(matches!(refusal(handle.try_writer()), Error::Locked { holders, .. } if holders == [me]));
            assert!(matches!(
                takes_at_least(MOMENT, || refusal(handle.store_timeout(2, MOMENT))),
                Error::TimedOut { .. }
            ));
            assert!(matches!(
                takes_at_least(MOMENT, || refusal(handle.writer_timeout(MOMENT))),
                Error::TimedOut { .. }
            ));
            assert_eq!((handle.load(), handle.sequence()), (1, 1));
        });
    }
    thread::scope(|scope| {
        let waiting = scope.spawn(|| theirs.store_timeout(3, PATIENCE));
        drop(writer);
        waiting.join().expect("no panic")
    })?;
    assert_eq!((ours.load(), ours.writer_timeout(MOMENT).map(drop).is_ok()), (3, true));
    Ok(())
}
