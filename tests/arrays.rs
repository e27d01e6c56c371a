//! Arrays in place when nobody dies and nothing is damaged: every kind of item, every way to a name, what is told of
//! them, and what stays when they go.

#[path = "support/place.rs"]
mod place;

use half::{bf16, f16};
use ndarray::{Array, Array1, Array2, ArrayD, Dimension, Ix0, Ix1, Ix2, Ix3, IxDyn, array};
use num_complex::Complex;
use place::{Outcome, PATIENCE, Place, refusal};
use sharray::{
    AnyArray, ArrayBuilder, Bool, DType, Element, Error, Kind, Order, Publisher, SharedArray, SharedCell, Subscriber,
};
use std::fmt::Debug;
use std::fs;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

/// Handles are for all threads of a process. That guards are not is shown by the documentation of
/// [`sharray::ReadGuard`], which does not compile otherwise.
const _: () = {
    const fn shared_by_threads<T: Send + Sync>() {}
    const fn looked_at_by_threads<T: Sync>() {}
    shared_by_threads::<AnyArray>();
    shared_by_threads::<SharedArray<f64, Ix2>>();
    shared_by_threads::<SharedArray<Sample, IxDyn>>();
    shared_by_threads::<sharray::AnyCell>();
    shared_by_threads::<SharedCell<Sample>>();
    shared_by_threads::<ArrayBuilder<AnyArray>>();
    looked_at_by_threads::<sharray::ReadGuard<'static, f64, Ix2>>();
    looked_at_by_threads::<sharray::WriteGuard<'static, f64, Ix2>>();
};

fn arrays<T: Element, D: Dimension>(place: &Place) -> ArrayBuilder<SharedArray<T, D>> {
    SharedArray::builder().directory(place).participants(8)
}

fn any(place: &Place) -> ArrayBuilder<AnyArray> {
    AnyArray::builder().directory(place).participants(8)
}

fn pid() -> u32 {
    std::process::id()
}

// ---------------------------------------------------------------- items and shapes

#[derive(Clone, Copy, Debug, PartialEq, Element)]
#[repr(C)]
struct Sample {
    time: f64,
    position: [f32; 3],
    channel: u32,
}

/// What is written through one handle is read through another, and through the one that wrote it.
fn round_trip<T: Element + PartialEq + Debug>(place: &Place, items: &[T]) -> Outcome {
    let name = std::any::type_name::<T>().replace(['<', '>', ':', ' ', '[', ']', ';', ',', '(', ')'], "-");
    let ours = arrays::<T, Ix1>(place).create_from(&name, &Array1::from(items.to_vec()))?;
    let theirs = arrays::<T, Ix1>(place).attach(&name)?;
    assert_eq!((theirs.dtype(), theirs.shape(), theirs.sequence()), (&T::dtype(), &[items.len()][..], 2));
    assert_eq!(theirs.read()?.as_slice(), Some(items));
    ours.write()?.invert_axis(ndarray::Axis(0));
    assert_eq!(theirs.read()?.as_slice(), Some(items), "a view that is turned moves no item");
    let mut reversed = items.to_vec();
    reversed.reverse();
    theirs.write()?.assign(&Array1::from(reversed.clone()));
    assert_eq!((ours.read()?.to_vec(), ours.snapshot()?.to_vec()), (reversed.clone(), reversed));
    Ok(())
}

/// Every Rust type that is an item.
#[test]
fn every_element_is_shared() -> Outcome {
    let place = Place::new()?;
    round_trip(&place, &[i8::MIN, 0, i8::MAX])?;
    round_trip(&place, &[i16::MIN, 0, i16::MAX])?;
    round_trip(&place, &[i32::MIN, 0, i32::MAX])?;
    round_trip(&place, &[i64::MIN, 0, i64::MAX])?;
    round_trip(&place, &[0, u8::MAX])?;
    round_trip(&place, &[0, u16::MAX])?;
    round_trip(&place, &[0, u32::MAX])?;
    round_trip(&place, &[0, u64::MAX])?;
    round_trip(&place, &[isize::MIN, 0, isize::MAX])?;
    round_trip(&place, &[0, usize::MAX])?;
    round_trip(&place, &[f16::MIN, f16::ONE, f16::INFINITY])?;
    round_trip(&place, &[bf16::MIN, bf16::ONE, bf16::INFINITY])?;
    round_trip(&place, &[f32::MIN, -0.0, f32::INFINITY])?;
    round_trip(&place, &[f64::MIN, -0.0, f64::INFINITY])?;
    round_trip(&place, &[Complex::new(1_f32, -2.0), Complex::new(0.0, 1.0)])?;
    round_trip(&place, &[Complex::new(1_f64, -2.0), Complex::new(0.0, 1.0)])?;
    round_trip(&place, &[Bool::from(true), Bool::from(false)])?;
    let sample = Sample { time: 1.5, position: [1.0, 2.0, 3.0], channel: 7 };
    round_trip(&place, &[sample, Sample { channel: 8, ..sample }])
}

/// Every dtype that has no Rust type too, in both orders and with no, some and zero items: the bytes stand where the
/// strides say, and are copied in the order in which they stand.
#[test]
fn every_dtype_is_shared() -> Outcome {
    let place = Place::new()?;
    let texts = "? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16 M8 M8[ns] m8[25s] S1 S10 U7 V1 V16 >i2 >i8 >u4 >f2 >f8 >c16 \
                 >M8[us] >m8[D] >U7 bfloat16 float8_e4m3fn float8_e5m2";
    let mut dtypes: Vec<&str> = texts.split_whitespace().collect();
    dtypes.extend(["[('x', '<f4'), ('y', '>f4')]", "[('a', '<f4', (2, 3)), ('b', [('c', '<U3')], (2,))]"]);
    for (index, text) in dtypes.into_iter().enumerate() {
        let dtype = DType::parse(text)?;
        let size = dtype.itemsize();
        for (order, shape, strides) in [
            (Order::C, &[2, 3][..], vec![3 * size, size]),
            (Order::Fortran, &[2, 3], vec![size, 2 * size]),
            (Order::C, &[], vec![]),
            (Order::Fortran, &[4, 0], vec![0, 0]),
        ] {
            let ours = any(&place).order(order).create("any", &dtype, shape)?;
            let theirs = any(&place).attach("any")?;
            assert_eq!((theirs.dtype(), theirs.shape(), theirs.order()), (&dtype, shape, order), "{text}");
            let len = shape.iter().product::<usize>() * size;
            let bytes: Vec<u8> = (0..len).map(|at| (at * 7 + index) as u8).collect();
            put(&ours, &bytes)?;
            let guard = theirs.read()?;
            assert_eq!((guard.shape(), guard.dtype(), guard.order()), (shape.to_vec(), &dtype, order));
            assert!(len == 0 || guard.strides() == strides, "{text}: {:?} for {strides:?}", guard.strides());
            drop(guard);
            let mut copy = vec![0; len];
            theirs.read_into(&mut copy)?;
            assert!(copy == bytes && theirs.size_bytes() == len, "{text}");
            drop((ours, theirs));
            let info = place.inspect("any")?;
            let file = fs::read(place.file("any"))?;
            assert_eq!(&file[info.data_offset as usize..][..len], bytes, "{text}: the payload is the array");
            place.unlink("any")?;
        }
    }
    Ok(())
}

/// Fills an array of whatever dtype with bytes, in the order in which they stand.
fn put(array: &AnyArray, bytes: &[u8]) -> Outcome {
    assert_eq!(array.size_bytes(), bytes.len());
    let mut guard = array.write()?;
    let (start, len) = (guard.as_mut_ptr(), bytes.len());
    for (at, byte) in bytes.iter().enumerate() {
        assert!(at < len);
        // SAFETY: the guard lends that many bytes, from here on, and nobody else has them.
        #[allow(unsafe_code, reason = "an array without a Rust type has no other way")]
        unsafe {
            start.wrapping_add(at).write(*byte);
        }
    }
    Ok(())
}

/// Items of the other byte order have no Rust type: they are refused as one, and found as bytes.
#[test]
fn big_endian_items_are_bytes() -> Outcome {
    let place = Place::new()?;
    let dtype = DType::parse(">i4")?;
    let ours = any(&place).create("big", &dtype, &[2])?;
    put(&ours, &[0, 0, 0, 1, 0, 0, 1, 0])?;
    assert!(ours.read()?.view::<i32, Ix1>().is_none(), "they are no numbers of this machine");
    assert!(ours.write()?.view_mut::<i32, Ix1>().is_none());
    let error = refusal(arrays::<i32, Ix1>(&place).attach("big"));
    let text = error.to_string();
    assert!(matches!(error, Error::Mismatch { .. }) && text.contains(">i4") && text.contains("int32"), "{text}");
    let mut bytes = [0; 8];
    ours.read_into(&mut bytes)?;
    assert_eq!(bytes, [0, 0, 0, 1, 0, 0, 1, 0]);
    Ok(())
}

/// An array of a run-time dtype lends typed views where they fit, of the dtype and the dimensions.
#[test]
fn views_of_a_run_time_dtype_are_checked() -> Outcome {
    let place = Place::new()?;
    let array = any(&place).order(Order::Fortran).create("any", &DType::parse("<f4")?, &[2, 3])?;
    let mut guard = array.write()?;
    assert!(guard.view_mut::<f64, Ix2>().is_none() && guard.view_mut::<i32, Ix2>().is_none());
    assert!(guard.view_mut::<f32, Ix1>().is_none() && guard.view_mut::<f32, Ix3>().is_none());
    let mut view = guard.view_mut::<f32, Ix2>().ok_or("it is one")?;
    view.assign(&array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    drop(guard);
    let guard = array.read()?;
    let view = guard.view::<f32, IxDyn>().ok_or("any number of dimensions")?;
    assert_eq!((view.shape(), view[[1, 0]], view.strides()), (&[2, 3][..], 4.0, &[1, 2][..]));
    assert!(!guard.is_copy() && guard.view::<f32, Ix1>().is_none());
    Ok(())
}

/// No dimension is one item; a dimension of zero is none, however long the others are.
#[test]
fn arrays_of_one_item_and_of_none() -> Outcome {
    let place = Place::new()?;
    let one = arrays::<u64, Ix0>(&place).create("one", ())?;
    *one.write()?.first_mut().ok_or("one item")? = 7;
    assert_eq!((one.read()?.ndim(), one.snapshot()?.into_scalar(), one.blocks(), one.rows(0..1)?), (0, 7, 1, 0..1));

    for shape in [vec![0], vec![0, 3], vec![3, 0], vec![2, 0, 1 << 40]] {
        for order in [Order::C, Order::Fortran] {
            let none = arrays::<f64, IxDyn>(&place).order(order).create("none", shape.clone())?;
            none.write()?.fill(1.0);
            let theirs = arrays::<f64, IxDyn>(&place).attach("none")?;
            assert_eq!((theirs.read()?.shape(), theirs.read()?.len(), theirs.sequence()), (&shape[..], 0, 2));
            assert_eq!(theirs.snapshot()?.shape(), shape);
            theirs.read_into(&mut ArrayD::zeros(shape.clone()))?;
            drop((none, theirs));
            place.unlink("none")?;
        }
    }
    Ok(())
}

// ---------------------------------------------------------------- ways to a name

/// Contents in any layout arrive by index, in either order: nobody attaches to zeros.
#[test]
fn contents_come_with_the_name() -> Outcome {
    let place = Place::new()?;
    let contents = Array::from_shape_fn((3, 4, 5), |(i, j, k)| i32::try_from(100 * i + 10 * j + k).unwrap_or(-1));
    let mut strided = contents.clone();
    strided.invert_axis(ndarray::Axis(1));
    let turned = contents.clone().reversed_axes();
    for order in [Order::C, Order::Fortran] {
        for (name, given) in [("plain", &contents), ("strided", &strided), ("turned", &turned)] {
            let ours = arrays::<i32, Ix3>(&place).order(order).create_from(name, given)?;
            let theirs = arrays::<i32, Ix3>(&place).attach(name)?;
            assert!(*theirs.read()? == *given && theirs.snapshot()? == *given, "{name} in order {order:?}");
            assert_eq!((ours.sequence(), theirs.order()), (2, order), "contents count as a write");
            assert_eq!(theirs.read()?.t().is_standard_layout(), order == Order::Fortran);
            drop((ours, theirs));
            place.unlink(name)?;
        }
    }
    Ok(())
}

/// Creating never takes a name that is there, and leaves it as it is; attaching never makes one.
#[test]
fn create_attach_and_open_differ_in_what_must_be_there() -> Outcome {
    let place = Place::new()?;
    let error = refusal(arrays::<f64, Ix1>(&place).attach("sim/field"));
    assert!(matches!(error, Error::NotFound { .. }) && error.to_string().contains("sim/field"), "{error}");
    let opened = arrays::<f64, Ix1>(&place).open("sim/field", [3])?;
    opened.write()?[1] = 5.5;
    for error in [
        refusal(arrays::<f64, Ix1>(&place).create("sim/field", [3])),
        refusal(arrays::<f64, Ix1>(&place).create_from("sim/field", &array![1.0])),
        refusal(any(&place).create("sim/field", &DType::parse("f8")?, &[3])),
    ] {
        assert!(matches!(error, Error::AlreadyExists { .. }) && error.to_string().contains("sim/field"), "{error}");
    }
    let again = arrays::<f64, Ix1>(&place).open("sim/field", [3])?;
    assert_eq!(again.read()?.to_vec(), [0.0, 5.5, 0.0]);
    assert_eq!(any(&place).open("sim/field", &DType::parse("f8")?, &[3])?.sequence(), 2);
    drop((opened, again));
    assert_eq!(arrays::<f64, Ix1>(&place).attach("sim/field")?.read()?.to_vec(), [0.0, 5.5, 0.0], "it stays");
    Ok(())
}

/// What is not expected is named, and what was expected: kind, dtype, dimensions, shape, order.
#[test]
fn a_mismatch_names_what_was_found_and_what_was_expected() -> Outcome {
    let place = Place::new()?;
    let dtype = DType::parse("<f8")?;
    let _array = arrays::<f64, Ix2>(&place).create("field", [4, 5])?;
    let _stream = Publisher::<f64, Ix2>::builder().directory(&place).create("stream", [4, 5])?;
    let _cell = SharedCell::<f64>::builder().directory(&place).create("cell", 1.0)?;
    let cases = [
        (refusal(arrays::<f32, Ix2>(&place).attach("field")), ["float64", "float32"]),
        (refusal(arrays::<f64, Ix3>(&place).attach("field")), ["[4, 5]", "3 dimensions"]),
        (refusal(arrays::<f64, Ix2>(&place).open("field", [5, 4])), ["[4, 5]", "[5, 4]"]),
        (refusal(any(&place).open("field", &dtype, &[4, 5, 1])), ["[4, 5]", "[4, 5, 1]"]),
        (refusal(arrays::<f64, Ix2>(&place).order(Order::Fortran).open("field", [4, 5])), ["order C", "order Fortran"]),
        (refusal(arrays::<f64, Ix2>(&place).attach("stream")), ["a stream", "an array in place"]),
        (refusal(any(&place).attach("stream")), ["a stream", "an array in place"]),
        (refusal(any(&place).open("cell", &dtype, &[])), ["a cell", "an array in place"]),
        (refusal(SharedCell::<f64>::builder().directory(&place).attach("field")), ["an array in place", "a cell"]),
        (
            refusal(Subscriber::<f64, Ix2>::builder().directory(&place).attach("field")),
            ["an array in place", "a stream"],
        ),
    ];
    for (error, [found, expected]) in cases {
        let text = error.to_string();
        assert!(matches!(error, Error::Mismatch { .. }), "{text}");
        let (told, wanted) = text.split_once(", expected ").ok_or(text.clone())?;
        assert!(told.contains(found), "{text}: found {found}");
        assert!(wanted.contains(expected), "{text}: expected {expected}");
    }
    assert_eq!(place.names()?, ["cell", "field", "stream"]);
    Ok(())
}

/// What opens a name creates what is not there, however long an attach would have waited for it.
#[test]
fn who_opens_a_name_does_not_wait_for_it() -> Outcome {
    let place = Place::new()?;
    let builder = arrays::<f64, Ix1>(&place).wait(Duration::MAX);
    assert_eq!(builder.open("field", [3])?.read()?.len(), 3);
    assert_eq!(builder.attach("field")?.name(), "field");
    assert_eq!(any(&place).wait(Duration::MAX).open("any", &DType::F64, &[3])?.shape(), [3]);
    let cells = SharedCell::<f64>::builder().directory(&place).wait(Duration::MAX);
    assert_eq!((cells.open("cell", 1.5)?.load(), cells.attach("cell")?.load()), (1.5, 1.5));
    Ok(())
}

/// An order is nothing that an array of one dimension, or none, could differ in.
#[test]
fn one_dimension_has_no_order() -> Outcome {
    let place = Place::new()?;
    let _ours = arrays::<u8, Ix1>(&place).create("line", [5])?;
    arrays::<u8, Ix1>(&place).order(Order::Fortran).open("line", [5])?;
    Ok(())
}

/// However many open a name at once, one makes it, and all have the same: no write of anyone is lost.
#[test]
fn many_that_open_at_once_have_one_array() -> Outcome {
    let place = Place::new()?;
    for round in 0..50 {
        let name = format!("race-{round}");
        let start = Barrier::new(8);
        let open = |creates: bool| {
            start.wait();
            let builder = arrays::<u32, Ix1>(&place);
            let array = match if creates { builder.create(&name, [1]) } else { builder.open(&name, [1]) } {
                Err(Error::AlreadyExists { .. }) => builder.attach(&name),
                made => made,
            }?;
            array.write()?[0] += 1;
            Ok::<_, Error>(())
        };
        let done: Result<Vec<()>, Error> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|at| {
                    scope.spawn({
                        let open = &open;
                        move || open(at % 2 == 0)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
        });
        done?;
        let array = arrays::<u32, Ix1>(&place).attach(&name)?;
        assert_eq!((array.read()?[0], array.sequence()), (8, 16), "round {round}");
        assert_eq!(place.inspect(&name)?.participants.len(), 1, "the others are gone");
    }
    Ok(())
}

/// The table of participants is as long as it was made, and the names of what cannot be made are not taken.
#[test]
fn options_out_of_range_make_nothing() -> Outcome {
    let place = Place::new()?;
    let builder = || SharedArray::<u8, Ix1>::builder().directory(&place);
    for participants in [0, 1023] {
        assert!(matches!(
            refusal(builder().participants(participants).create("a", [1])),
            Error::InvalidArgument { .. }
        ));
    }
    assert!(matches!(refusal(any(&place).create("a", &DType::U8, &[usize::MAX, 2])), Error::ShapeOverflow { .. }));
    let subarray = DType::parse("(2,)f4");
    if let Ok(subarray) = subarray {
        assert!(matches!(refusal(any(&place).create("a", &subarray, &[1])), Error::UnsupportedDtype { .. }));
    }
    assert!(place.names()?.is_empty());
    let _first = builder().participants(1).create("a", [1])?;
    let error = refusal(builder().attach("a"));
    assert!(matches!(error, Error::TooManyParticipants { limit: 1, .. }), "{error}");
    Ok(())
}

// ---------------------------------------------------------------- what is told

/// What is told from outside is what a handle knows, and who does what at the moment.
#[test]
fn arrays_are_described() -> Outcome {
    let place = Place::new()?;
    let builder = arrays::<f64, Ix2>(&place).blocks(3).order(Order::Fortran);
    let array = builder.attribute("unit", "K").attribute("seen", 3).create("field", [7, 2])?;
    assert_eq!((array.name(), array.size_bytes(), array.blocks()), ("field", 112, 3));
    assert_eq!((array.attributes()["unit"].as_str(), array.attributes()["seen"].as_u64()), (Some("K"), Some(3)));
    assert!(!array.is_read_only() && !array.is_retired());

    let theirs = arrays::<f64, Ix2>(&place).attach("field")?;
    let reading = array.read_block(0)?;
    let writing = theirs.write_blocks(1..3)?;
    let info = place.inspect("field")?;
    assert_eq!((info.kind, &info.dtype, &info.shape[..]), (Kind::InPlace, &f64::dtype(), &[7, 2][..]));
    assert_eq!((info.order, info.slots, info.history, info.blocks), (Order::Fortran, 1, 0, 3));
    assert_eq!((info.sequence, array.sequence()), (1, 1), "a write is under way");
    assert_eq!(info.attributes["unit"].as_str(), Some("K"));
    assert!(info.producer().is_none() && !info.is_closed && !info.is_retired && info.poisoned.is_empty());
    let told: Vec<_> =
        info.participants.iter().map(|one| (one.pid, one.is_alive, one.pins, one.holds, one.writes)).collect();
    assert_eq!(told, [(pid(), true, 1, 0, 0), (pid(), true, 0, 0, 2)]);
    drop((reading, writing));

    let whole = (theirs.read()?, array.sequence());
    let info = place.inspect("field")?;
    let told: Vec<_> = info.participants.iter().map(|one| (one.pins, one.holds, one.writes)).collect();
    assert_eq!((told, info.sequence), (vec![(0, 0, 0), (0, 1, 0)], 4), "two blocks were written");
    drop(whole);
    assert_eq!(place.list()?.len(), 1);

    let cell = SharedCell::<[f32; 4]>::builder().directory(&place).create("cell", [1.0; 4])?;
    let writer = cell.writer()?;
    let info = place.inspect("cell")?;
    assert_eq!((info.kind, info.slots, info.blocks, info.sequence), (Kind::Cell, 2, 1, 1));
    assert_eq!(info.participants.iter().map(|one| one.writes).collect::<Vec<_>>(), [1]);
    drop(writer);
    assert_eq!(place.inspect("cell")?.participants[0].writes, 0);
    Ok(())
}

/// Odd while it is written and even when it is not, up by two for each write; reading does not count.
#[test]
fn the_sequence_counts_writes() -> Outcome {
    let place = Place::new()?;
    let array = arrays::<u8, Ix1>(&place).blocks(2).create("a", [4])?;
    let theirs = arrays::<u8, Ix1>(&place).attach("a")?;
    assert_eq!(array.sequence(), 0);
    for (write, ended) in [(0..1, 2), (1..2, 4), (0..2, 8)] {
        let guard = array.write_blocks(write)?;
        assert_eq!(theirs.sequence() % 2, 1);
        drop(guard);
        assert_eq!(theirs.sequence(), ended);
        drop((array.read()?, array.snapshot()?, theirs.read_block(1)?));
        assert_eq!(theirs.sequence(), ended);
    }
    // A write that waits for readers has not begun.
    let reading = theirs.read()?;
    assert!(matches!(refusal(array.try_write()), Error::Locked { .. }));
    assert!(matches!(
        refusal(thread::scope(|scope| scope
            .spawn(|| array.write_timeout(Duration::from_millis(5)).map(drop))
            .join()
            .expect("no panic"))),
        Error::TimedOut { .. }
    ));
    assert_eq!(theirs.sequence(), 8);
    drop(reading);
    Ok(())
}

// ---------------------------------------------------------------- the end

/// Who is attached goes on after the name is gone, and the name can be had anew: by another array, not by this one.
#[test]
fn what_is_unlinked_goes_on_for_those_who_have_it() -> Outcome {
    let place = Place::new()?;
    let array = arrays::<u32, Ix1>(&place).blocks(2).create("a", [2])?;
    let theirs = arrays::<u32, Ix1>(&place).attach("a")?;
    let guard = array.write_block(1)?;
    place.unlink("a")?;
    assert!(array.is_retired() && theirs.is_retired());
    drop(guard);
    theirs.write()?[0] = 3;
    assert_eq!((array.read()?[0], array.snapshot()?[0]), (3, 3));
    assert!(matches!(refusal(arrays::<u32, Ix1>(&place).attach("a")), Error::NotFound { .. }));
    assert!(matches!(refusal(place.unlink("a")), Error::NotFound { .. }));
    let new = arrays::<u32, Ix1>(&place).create("a", [2])?;
    new.write()?.fill(9);
    assert_eq!((array.read()?[0], new.read()?[0], new.is_retired()), (3, 9, false));
    // Changes that are there are told before the end is.
    assert_eq!(array.wait_changed(0, PATIENCE)?, array.sequence());
    assert!(matches!(refusal(array.wait_changed(array.sequence(), PATIENCE)), Error::Retired { .. }));
    Ok(())
}

/// In the default place arrays are not garbage when nobody has them: they hold what somebody wrote.
#[test]
fn what_nobody_has_is_not_garbage() -> Outcome {
    let place = Place::new()?;
    arrays::<u32, Ix1>(&place).create("a", [2])?.write()?[0] = 4;
    assert!(place.collect_garbage()?.is_empty());
    assert_eq!(arrays::<u32, Ix1>(&place).attach("a")?.read()?[0], 4);
    Ok(())
}

/// After a flush the file on the disk has the array, where the description says, for who knows nothing of this library.
#[test]
fn what_is_flushed_is_in_the_file() -> Outcome {
    let place = Place::within(std::env::temp_dir())?;
    let array = arrays::<u32, Ix2>(&place).create("disk", [300, 10])?;
    let contents = Array2::from_shape_fn((300, 10), |(i, j)| (10 * i + j) as u32);
    array.write()?.assign(&contents);
    array.flush()?;
    let info = place.inspect("disk")?;
    let bytes = fs::read(place.file("disk"))?;
    let words = bytes[info.data_offset as usize..].chunks_exact(4).map(|word| word.try_into().map(u32::from_le_bytes));
    let found: Vec<u32> = words.collect::<Result<_, _>>()?;
    assert_eq!(found, contents.into_raw_vec_and_offset().0);
    // Somebody writes: that is no reason not to.
    let guard = array.write()?;
    array.flush()?;
    drop(guard);
    arrays::<u32, Ix2>(&place).read_only().attach("disk")?.flush()?;
    let memory = Place::new()?;
    arrays::<u32, Ix1>(&memory).create("memory", [3])?.flush()?;
    Ok(())
}
