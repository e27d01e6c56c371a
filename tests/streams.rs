//! What a stream does when nobody dies and nothing is damaged: every kind of item, every order of events, every answer.

#[path = "support/bytes.rs"]
mod bytes;
#[path = "support/place.rs"]
mod place;

use half::{bf16, f16};
use ndarray::{Array1, Array2, ArrayD, Dimension, Ix0, Ix1, Ix2, IxDyn, array};
use num_complex::Complex;
use place::{Outcome, PATIENCE, Place, eventually, in_child, is_child, refusal, run, takes_at_least};
use sharray::{
    AnyFrame, AnyFrames, AnyPublisher, AnySubscriber, Backpressure, Bool, DType, Directory, Element, Error, Frame,
    Frames, Loan, Order, Publisher, PublisherBuilder, Subscriber, SubscriberBuilder, wait_any,
};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SOON: Duration = Duration::from_millis(30);

fn publishes<T: Element, D: Dimension>(place: &Place) -> PublisherBuilder<Publisher<T, D>> {
    Publisher::builder().directory(place).participants(16)
}

fn subscribes<T: Element, D: Dimension>(place: &Place) -> SubscriberBuilder<Subscriber<T, D>> {
    Subscriber::builder().directory(place)
}

/// Publishes one frame whose only item is its sequence, and returns that.
fn publish(publisher: &mut Publisher<u64, Ix0>) -> Result<u64, Error> {
    let mut loan = publisher.loan_timeout(PATIENCE)?;
    let sequence = loan.sequence();
    loan.view_mut().fill(sequence);
    assert_eq!(loan.publish(), sequence);
    Ok(sequence)
}

fn pid() -> u32 {
    std::process::id()
}

// ---------------------------------------------------------------- items and shapes

/// Every dtype of the format, in both orders and with no, some and zero dimensions, arrives as it was sent.
#[test]
fn every_dtype_arrives() -> Outcome {
    let place = Place::new()?;
    let mut dtypes: Vec<String> =
        "? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16 M8 M8[ns] M8[7D] m8 m8[25s] S1 S10 U1 U7 V1 V16"
            .split(' ')
            .map(str::to_owned)
            .collect();
    dtypes.extend(">i2 >i4 >i8 >u2 >u4 >u8 >f2 >f4 >f8 >c8 >c16 >M8[us] >m8[D] >U7".split(' ').map(str::to_owned));
    dtypes.extend(
        "bfloat16 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e4m3b11fnuz float8_e3m4 float8_e4m3 \
         float8_e8m0fnu"
            .split(' ')
            .map(str::to_owned),
    );
    dtypes.extend([
        "[('x', '<f4'), ('y', '>f4')]".to_owned(),
        "[('a', '|u1'), ('', '|V7'), ('b', '<f8'), ('', '|V8')]".to_owned(),
        "[('a', '<f4', (2, 3)), ('b', [('c', '<U3'), ('d', '<M8[ns]')], (2,))]".to_owned(),
        "[('w', 'bfloat16'), ('n', '<i2')]".to_owned(),
    ]);
    for (index, text) in dtypes.iter().enumerate() {
        let dtype = DType::parse(text)?;
        for (order, shape) in
            [(Order::C, &[2, 3][..]), (Order::Fortran, &[3, 2]), (Order::C, &[]), (Order::Fortran, &[4, 0])]
        {
            let builder = AnyPublisher::builder().directory(&place).order(order).participants(2).history(2).slots(3);
            let mut publisher = builder.create("any", &dtype, shape)?;
            let mut subscriber = AnySubscriber::builder().directory(&place).attach("any")?;
            assert_eq!((subscriber.dtype(), subscriber.shape(), subscriber.order()), (&dtype, shape, order), "{text}");
            let mut loan = publisher.loan()?;
            let len = shape.iter().product::<usize>() * dtype.itemsize();
            let bytes: Vec<u8> = (0..len).map(|at| (at * 7 + index) as u8).collect();
            loan.bytes_mut().copy_from_slice(&bytes);
            loan.publish();
            let frame = subscriber.recv_timeout(PATIENCE)?.ok_or("a frame was published")?;
            assert_eq!((frame.dtype(), frame.shape(), frame.bytes()), (&dtype, shape, &bytes[..]), "{text}");
            let strides = match (shape, order) {
                ([2, 3], _) => vec![3 * dtype.itemsize(), dtype.itemsize()],
                ([3, 2], _) => vec![dtype.itemsize(), 3 * dtype.itemsize()],
                _ => vec![0; shape.len()],
            };
            assert_eq!(frame.strides(), strides, "{text}");
            drop((publisher, subscriber, frame));
            place.unlink("any")?;
        }
    }
    Ok(())
}

fn round_trip<T: Element + PartialEq + std::fmt::Debug>(place: &Place, items: &[T]) -> Outcome {
    let name = std::any::type_name::<T>().replace(['<', '>', ':', ' ', '[', ']', ';', ',', '(', ')'], "-");
    let mut publisher = publishes::<T, Ix1>(place).create_from(&name, &Array1::from(items.to_vec()))?;
    let subscriber = subscribes::<T, Ix1>(place).attach(&name)?;
    let first = subscriber.latest()?.ok_or("the first frame comes with the name")?;
    assert_eq!((first.as_slice(), first.sequence()), (items, 1));
    let mut loan = publisher.loan()?;
    loan.as_mut_slice().copy_from_slice(items);
    loan.as_mut_slice().reverse();
    assert_eq!(loan.view()[0], items[items.len() - 1]);
    loan.publish();
    let second = subscriber.latest()?.ok_or("two frames were published")?;
    assert!(second.view().iter().eq(items.iter().rev()));
    assert_eq!(first.as_slice(), items, "a frame that is held does not change");
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Element)]
#[repr(C)]
struct Sample {
    time: f64,
    position: [f32; 3],
    channel: u32,
}

/// Every Rust type that is an item.
#[test]
fn every_element_arrives() -> Outcome {
    let place = Place::new()?;
    round_trip(&place, &[i8::MIN, 0, i8::MAX])?;
    round_trip(&place, &[i16::MIN, 0, i16::MAX])?;
    round_trip(&place, &[i32::MIN, 0, i32::MAX])?;
    round_trip(&place, &[i64::MIN, 0, i64::MAX])?;
    round_trip(&place, &[isize::MIN, 0, isize::MAX])?;
    round_trip(&place, &[0, u8::MAX])?;
    round_trip(&place, &[0, u16::MAX])?;
    round_trip(&place, &[0, u32::MAX])?;
    round_trip(&place, &[0, u64::MAX])?;
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

/// The same array in either order reads the same by index.
#[test]
fn orders_differ_in_memory_alone() -> Outcome {
    let place = Place::new()?;
    for order in [Order::C, Order::Fortran] {
        let name = format!("{order:?}");
        let mut publisher = publishes::<i16, Ix2>(&place).order(order).create(&name, [2, 3])?;
        let mut loan = publisher.loan()?;
        loan.view_mut().assign(&array![[1, 2, 3], [4, 5, 6]]);
        loan.publish();
        let frame = subscribes::<i16, Ix2>(&place).attach(&name)?.latest()?.ok_or("a frame was published")?;
        assert_eq!(frame.view(), array![[1, 2, 3], [4, 5, 6]]);
        let in_memory: &[i16] = if order == Order::C { &[1, 2, 3, 4, 5, 6] } else { &[1, 4, 2, 5, 3, 6] };
        assert_eq!((frame.as_slice(), frame.order()), (in_memory, order));
    }
    Ok(())
}

/// An array of no dimensions has one item; one with a zero dimension has none, and its frames still count.
#[test]
fn scalars_and_empty_arrays_are_frames() -> Outcome {
    let place = Place::new()?;
    let mut scalar = publishes::<f64, Ix0>(&place).create("scalar", ())?;
    let mut loan = scalar.loan()?;
    loan.view_mut().fill(2.5);
    loan.publish();
    let frame = subscribes::<f64, Ix0>(&place).attach("scalar")?.latest()?.ok_or("a frame was published")?;
    assert_eq!((frame.view().into_scalar(), frame.shape()), (&2.5, &[][..]));

    let mut empty = publishes::<f64, Ix2>(&place).create("empty", [3, 0])?;
    for read_only in [false, true] {
        let builder = subscribes::<f64, Ix2>(&place);
        let mut subscriber = if read_only { builder.read_only() } else { builder }.attach("empty")?;
        empty.loan()?.publish();
        let frame = subscriber.recv_timeout(PATIENCE)?.ok_or("a frame was published")?;
        assert_eq!((frame.view().shape(), frame.as_slice().len(), frame.missed()), (&[3, 0][..], 0, 0));
    }
    Ok(())
}

/// Frames may be smaller than declared, packed at the slot's start, and each has its own shape.
#[test]
fn frames_may_be_smaller() -> Outcome {
    let place = Place::new()?;
    for order in [Order::C, Order::Fortran] {
        let name = format!("{order:?}");
        let mut publisher = publishes::<i32, Ix2>(&place).order(order).create(&name, [4, 6])?;
        let mut pinned = subscribes::<i32, Ix2>(&place).attach(&name)?;
        let mut copied = subscribes::<i32, Ix2>(&place).read_only().attach(&name)?;
        for shape in [[2, 3], [4, 6], [1, 24], [24, 1], [0, 9], [4, 0]] {
            let mut loan = publisher.loan()?;
            loan.set_shape(&shape)?;
            assert_eq!(loan.shape(), shape);
            let content = Array2::from_shape_fn(shape, |(i, j)| i32::try_from(100 * i + j).unwrap_or(-1));
            loan.view_mut().assign(&content);
            loan.publish();
            for subscriber in [&mut pinned, &mut copied] {
                let frame = subscriber.recv_timeout(PATIENCE)?.ok_or("a frame was published")?;
                assert_eq!((frame.shape(), frame.as_slice().len()), (&shape[..], shape[0] * shape[1]));
                assert_eq!(frame.view(), content);
            }
        }
        let mut loan = publisher.loan()?;
        for shape in [&[5, 5][..], &[25], &[1, 2, 3], &[], &[usize::MAX, 2], &[1 << 62, 1]] {
            let error = refusal(loan.set_shape(shape));
            assert!(matches!(error, Error::InvalidArgument { .. }) && error.to_string().contains("[4, 6]"), "{error}");
        }
        // A shape that was refused changes nothing, and a new loan starts with the declared one.
        assert_eq!(loan.shape(), [4, 6]);
        loan.set_shape(&[1, 1])?;
        drop(loan);
        assert_eq!(publisher.loan()?.shape(), [4, 6]);
    }
    Ok(())
}

/// Items aligned to a line can be borrowed from slots and from private copies alike; stricter ones are refused.
#[test]
fn aligned_items_can_be_borrowed() -> Outcome {
    #[derive(Clone, Copy, Debug, PartialEq, Element)]
    #[repr(C, align(128))]
    struct Line {
        words: [u64; 16],
    }
    #[derive(Clone, Copy, Debug, PartialEq, Element)]
    #[repr(C, align(8192))]
    struct Pages {
        words: [u64; 1024],
    }

    const SEVENS: Line = Line { words: [7; 16] };
    let place = Place::new()?;
    let mut publisher = publishes::<Line, Ix1>(&place).create("lines", [3])?;
    let mut eyes = [
        subscribes::<Line, Ix1>(&place).attach("lines")?,
        subscribes::<Line, Ix1>(&place).read_only().attach("lines")?,
    ];
    for len in [3, 0, 1] {
        let mut loan = publisher.loan()?;
        loan.set_shape(&[len])?;
        loan.view_mut().fill(SEVENS);
        loan.publish();
        for eye in &mut eyes {
            let frame = eye.recv_timeout(PATIENCE)?.ok_or("a frame was published")?;
            assert_eq!((frame.view().to_vec(), frame.as_slice().len()), (vec![SEVENS; len], len));
        }
    }
    for error in [
        refusal(publishes::<Pages, Ix1>(&place).create("pages", [1])),
        refusal(publishes::<Pages, Ix1>(&place).open("pages", [1])),
        refusal(publishes::<Pages, Ix1>(&place).attach("lines")),
    ] {
        assert!(matches!(error, Error::UnsupportedDtype { .. }) && error.to_string().contains("8192"), "{error}");
    }
    assert_eq!(place.names()?, ["lines"]);
    Ok(())
}

// ---------------------------------------------------------------- what is refused

/// A handle of another dtype, number of dimensions or order is refused, and the error says both.
#[test]
fn mismatches_say_what_is_there_and_what_was_expected() -> Outcome {
    let place = Place::new()?;
    let told = |error: Error, parts: &[&str]| {
        let text = error.to_string();
        assert!(matches!(error, Error::Mismatch { .. }), "{text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    };
    drop(publishes::<f32, Ix2>(&place).create("s", [4, 5])?);
    told(refusal(subscribes::<f64, Ix2>(&place).attach("s")), &["\"s\"", "float32", "float64"]);
    told(refusal(subscribes::<f32, Ix1>(&place).attach("s")), &["[4, 5]", "1 dimensions"]);
    told(refusal(publishes::<i32, Ix2>(&place).attach("s")), &["float32", "int32"]);
    told(refusal(publishes::<f32, Ix2>(&place).open("s", [5, 4])), &["[4, 5]", "[5, 4]"]);
    told(refusal(publishes::<f32, Ix2>(&place).order(Order::Fortran).open("s", [4, 5])), &["Fortran", "order C"]);
    told(refusal(publishes::<f64, Ix2>(&place).open("s", [4, 5])), &["float32", "float64"]);
    told(
        refusal(AnyPublisher::builder().directory(&place).open("s", &DType::F32, &[20])),
        &["float32 [4, 5]", "float32 [20]"],
    );
    assert_eq!(subscribes::<f32, IxDyn>(&place).attach("s")?.shape(), [4, 5]);
    assert_eq!(publishes::<f32, Ix2>(&place).open("s", [4, 5])?.sequence(), 0);
    Ok(())
}

/// A handle that is refused leaves no trace: it does not end the stream for those who wait for a successor.
#[test]
fn a_mismatch_does_not_close_the_stream() -> Outcome {
    let place = Place::new()?;
    let mut publisher = publishes::<u64, Ix0>(&place).create("s", ())?;
    let mut subscriber = subscribes::<u64, Ix0>(&place).attach("s")?;
    publish(&mut publisher)?;
    die(publisher);
    refusal(publishes::<f32, Ix0>(&place).attach("s"));
    refusal(publishes::<u64, Ix1>(&place).open("s", [1]));
    assert_eq!(subscriber.recv_timeout(PATIENCE)?.map(|frame| frame.sequence()), Some(1));
    assert!(matches!(refusal(subscriber.recv_timeout(PATIENCE)), Error::ProducerDied { .. }));
    Ok(())
}

/// A publisher that is dropped by a panic counts as dead.
fn die<T: Send + 'static>(publisher: T) {
    let panicked = thread::Builder::new().name("dies on purpose".into()).spawn(move || {
        let _publisher = publisher;
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(panicked.is_ok_and(|thread| thread.join().is_err()));
}

/// Items of the other byte order are nobody's Rust type, and are there for who asks for bytes.
#[test]
fn big_endian_items_are_refused_by_type_and_readable_as_bytes() -> Outcome {
    let place = Place::new()?;
    let mut publisher = AnyPublisher::builder().directory(&place).create("big", &DType::parse(">f4")?, &[2])?;
    let mut loan = publisher.loan()?;
    assert!(loan.view::<f32, Ix1>().is_none() && loan.view_mut::<f32, Ix1>().is_none());
    for (item, value) in loan.bytes_mut().chunks_exact_mut(4).zip([1.5_f32, -2.0]) {
        item.copy_from_slice(&value.to_be_bytes());
    }
    loan.publish();
    let error = refusal(subscribes::<f32, Ix1>(&place).attach("big"));
    assert!(matches!(&error, Error::Mismatch { .. }), "{error}");
    assert!(error.to_string().contains(">f4") && error.to_string().contains("float32"), "{error}");
    let subscriber = AnySubscriber::builder().directory(&place).attach("big")?;
    assert!(!subscriber.dtype().is_native());
    let frame = subscriber.latest()?.ok_or("a frame was published")?;
    assert!(frame.view::<f32, Ix1>().is_none());
    assert_eq!(frame.bytes(), [1.5_f32.to_be_bytes(), (-2_f32).to_be_bytes()].concat());
    Ok(())
}

/// Options and shapes that cannot be are refused by kind, and nothing is left behind.
#[test]
fn what_cannot_be_created_is_refused() -> Outcome {
    let place = Place::new()?;
    let any = || AnyPublisher::builder().directory(&place);
    let create = |builder: PublisherBuilder<AnyPublisher>| refusal(builder.create("s", &DType::U8, &[4]));
    for (builder, told) in [
        (any().history(0), "0 frames"),
        (any().history(1), "1 frames, expected at least 2"),
        (any().history(4).slots(4), "4 slots"),
        (any().slots(65_536), "65536 slots"),
        (any().history(u32::MAX), "slots"),
        (any().participants(0), "0 participants"),
        (any().participants(1023), "1023 participants, expected 1 to 1022"),
        (any().attribute("dtype", "float64"), "'dtype'"),
        (any().attribute("long", "x".repeat(1 << 20)), "too long"),
    ] {
        let error = create(builder);
        assert!(matches!(error, Error::InvalidArgument { .. }) && error.to_string().contains(told), "{error}");
    }
    let shape = |shape: &[usize]| refusal(any().create("s", &DType::F64, shape));
    assert!(matches!(shape(&[1 << 60, 8]), Error::ShapeOverflow { itemsize: 8, .. }));
    assert!(matches!(shape(&[1 << 60, 0, 8]), Error::ShapeOverflow { .. }));
    assert!(matches!(shape(&[1 << 59]), Error::ShapeOverflow { .. }), "one frame fits, the slots do not");
    assert!(matches!(shape(&[1; 33]), Error::TooManyDimensions { ndim: 33, limit: 32 }));
    assert!(matches!(shape(&[1 << 40]), Error::NoSpace { bytes, .. } if bytes > 1 << 43));
    let part = DType::subarray(DType::F32, &[3])?;
    assert!(matches!(refusal(any().create("s", &part, &[4])), Error::UnsupportedDtype { .. }));
    assert!(matches!(refusal(publishes::<[f32; 3], Ix1>(&place).create("s", [4])), Error::UnsupportedDtype { .. }));
    for text in ["O", "S0", "U0", "V0", "T", "[('a', 'O')]"] {
        assert!(matches!(refusal(DType::parse(text)), Error::UnsupportedDtype { .. }), "{text}");
    }
    // A frame with padding behind it is one item for NumPy, which cannot be as wide as this.
    let error = refusal(any().create("s", &DType::U8, &[(2 << 30) + 1]));
    assert!(matches!(error, Error::UnsupportedDtype { .. }), "{error}");
    assert_eq!(fs::read_dir(place.path())?.count(), 0, "something was left behind");
    Ok(())
}

/// Attributes are there for ever, and the format's own is told beside the caller's.
#[test]
fn attributes_come_with_the_stream() -> Outcome {
    let place = Place::new()?;
    let builder = publishes::<bf16, Ix1>(&place).attribute("unit", "mm").attribute("gain", 2.5).huge_pages(true);
    let publisher = builder.create("s", [4])?;
    let subscriber = subscribes::<bf16, Ix1>(&place).attach("s")?;
    let mut told: Vec<_> = subscriber.attributes().iter().map(|(key, value)| format!("{key}={value}")).collect();
    told.sort();
    assert_eq!(told, ["dtype=\"bfloat16\"", "gain=2.5", "unit=\"mm\""]);
    let info = place.inspect("s")?;
    assert_eq!((&info.attributes, info.data_offset % (2 << 20)), (subscriber.attributes(), 0));
    assert_eq!((info.dtype, info.history, info.slots), (DType::BFLOAT16, 4, 8));
    // What one array says of itself can be given to another of the same dtype.
    let again = publishes::<bf16, Ix1>(&place).attribute("dtype", subscriber.attributes()["dtype"].clone());
    again.create("again", [4])?;
    drop(publisher);
    Ok(())
}

// ---------------------------------------------------------------- sequences

/// Sequences count from 1, tags and times are the caller's, and a loan that is dropped publishes nothing.
#[test]
fn frames_tell_when_and_what() -> Outcome {
    let place = Place::new()?;
    let mut publisher = publishes::<u64, Ix0>(&place).create("s", ())?;
    let mut subscriber = subscribes::<u64, Ix0>(&place).attach("s")?;
    assert!(subscriber.latest()?.is_none());
    assert_eq!((publisher.sequence(), subscriber.sequence()), (0, 0));
    let before = SystemTime::now();
    drop(publisher.loan()?);
    assert!(subscriber.try_recv()?.is_none());
    let acquired = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
    let mut loan = publisher.loan()?;
    assert_eq!(loan.sequence(), 1);
    loan.set_time(acquired);
    loan.set_tags([7, u64::MAX]);
    assert_eq!(loan.publish(), 1);
    assert_eq!(publish(&mut publisher)?, 2);
    let first = subscriber.recv_timeout(PATIENCE)?.ok_or("a frame was published")?;
    assert_eq!((first.time(), first.tags(), first.sequence()), (acquired, [7, u64::MAX], 1));
    assert!(first.published() >= before && first.published() <= SystemTime::now());
    assert!(first.age() < PATIENCE);
    // The next loan starts without them.
    let second = subscriber.recv_timeout(PATIENCE)?.ok_or("two frames were published")?;
    assert_eq!((second.tags(), second.time()), ([0, 0], second.published()));
    let mut early = publisher.loan()?;
    early.set_time(UNIX_EPOCH - Duration::from_secs(5));
    early.publish();
    let third = subscriber.recv_timeout(PATIENCE)?.ok_or("three frames were published")?;
    assert!(third.time() <= third.published());
    Ok(())
}

/// What a slow subscriber loses is counted exactly: of H frames in the ring it may have all but the oldest, which a
/// loan in progress may be filling anew.
#[test]
fn missed_frames_are_counted_exactly() -> Outcome {
    let place = Place::new()?;
    for history in 2..6 {
        for read_only in [false, true] {
            let name = format!("s{history}{read_only}");
            let mut publisher = publishes::<u64, Ix0>(&place).history(history).create(&name, ())?;
            let builder = subscribes::<u64, Ix0>(&place);
            let mut subscriber = if read_only { builder.read_only() } else { builder }.attach(&name)?;
            let history = u64::from(history);
            let (mut next, mut published) = (1, 0);
            for burst in [0, 1, 2, 3, 4, 5, 1, 7, 0, 23] {
                for _ in 0..burst {
                    published = publish(&mut publisher)?;
                }
                while let Some(frame) = subscriber.try_recv()? {
                    let expected = next.max((published + 2).saturating_sub(history));
                    assert_eq!((frame.sequence(), frame.missed()), (expected, expected - next));
                    assert_eq!(frame.view().into_scalar(), &expected);
                    next = expected + 1;
                }
                assert_eq!(next, published + 1);
            }
        }
    }
    Ok(())
}

/// While a publisher never stops, what is received and what is missed still make up all that was published.
#[test]
fn received_and_missed_make_up_all() -> Outcome {
    let place = Place::new()?;
    let mut publisher = publishes::<u64, Ix0>(&place).history(3).create("s", ())?;
    let subscriber = || subscribes::<u64, Ix0>(&place);
    let subscribers = [subscriber().attach("s")?, subscriber().read_only().attach("s")?];
    thread::scope(|scope| -> Outcome {
        let counts = subscribers.map(|mut subscriber| {
            scope.spawn(move || {
                let (mut all, mut last) = (0, 0);
                for frame in subscriber.frames().timeout(PATIENCE) {
                    let frame = frame?;
                    assert_eq!(frame.view().into_scalar(), &frame.sequence());
                    assert_eq!(frame.sequence(), last + 1 + frame.missed());
                    last = frame.sequence();
                    all += 1 + frame.missed();
                }
                Ok::<_, Error>(all)
            })
        });
        for _ in 0..3000 {
            publish(&mut publisher)?;
        }
        drop(publisher);
        for count in counts {
            // What was lost after the last frame that was had is not told by any frame: here that is nothing.
            assert_eq!(count.join().expect("it did not panic")?, 3000);
        }
        Ok(())
    })
}

/// A subscriber starts from now, or from the oldest frame that is sure to stay; `latest` goes by neither.
#[test]
fn subscribers_start_from_now_or_from_the_oldest() -> Outcome {
    let place = Place::new()?;
    let mut publisher = publishes::<u64, Ix0>(&place).history(4).create("s", ())?;
    let early = subscribes::<u64, Ix0>(&place).from_oldest().attach("s")?;
    for _ in 0..6 {
        publish(&mut publisher)?;
    }
    let sequences = |mut subscriber: Subscriber<u64, Ix0>| -> Result<Vec<u64>, Error> {
        let mut found = Vec::new();
        while let Some(frame) = subscriber.try_recv()? {
            found.push(frame.sequence());
        }
        Ok(found)
    };
    let mut now = subscribes::<u64, Ix0>(&place).attach("s")?;
    assert_eq!(now.latest()?.map(|frame| frame.sequence()), Some(6));
    assert!(now.try_recv()?.is_none());
    for builder in [subscribes(&place), subscribes(&place).lossless(), subscribes(&place).read_only()] {
        let subscriber = builder.from_oldest().attach("s")?;
        let found = sequences(subscriber)?;
        assert!(found == [4, 5, 6] || found == [3, 4, 5, 6], "{found:?}");
    }
    assert_eq!(sequences(early)?, [4, 5, 6]);
    publish(&mut publisher)?;
    let frame = now.recv_timeout(PATIENCE)?.ok_or("a frame was published")?;
    assert_eq!((frame.sequence(), frame.missed()), (7, 0));
    Ok(())
}

// ---------------------------------------------------------------- lossless

/// A lossless subscriber sees every frame, because the publisher waits for it.
#[test]
fn a_blocking_publisher_waits_for_a_lossless_subscriber() -> Outcome {
    let place = Place::new()?;
    let mut publisher = publishes::<u64, Ix0>(&place).history(4).create("s", ())?;
    let mut subscriber = subscribes::<u64, Ix0>(&place).lossless().attach("s")?;
    for _ in 0..4 {
        publish(&mut publisher)?;
    }
    // The fifth would push the first out of the ring.
    let error = takes_at_least(SOON, || refusal(publisher.loan_timeout(SOON)));
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    match refusal(publisher.try_loan()) {
        Error::NoFreeSlot { slots: 8, holders, .. } => assert_eq!(holders, [pid()]),
        other => panic!("{other}"),
    }
    // One frame that was received makes room for one more, though it is still held.
    let held = subscriber.recv_timeout(PATIENCE)?.ok_or("four frames were published")?;
    assert_eq!(publish(&mut publisher)?, 5);
    assert!(publisher.try_loan().is_err());
    drop(held);
    let consumer = thread::spawn(move || {
        let sequences = subscriber.frames().timeout(PATIENCE).map(|frame| frame.map(|frame| frame.sequence()));
        sequences.collect::<Result<Vec<_>, Error>>()
    });
    for _ in 5..1000 {
        publish(&mut publisher)?;
    }
    drop(publisher);
    let seen = consumer.join().expect("it did not panic")?;
    assert_eq!(seen, (2..=1000).collect::<Vec<_>>());
    Ok(())
}

/// A lossless subscriber that goes away stops nobody.
#[test]
fn a_lossless_subscriber_that_leaves_makes_room() -> Outcome {
    let place = Place::new()?;
    let mut publisher = publishes::<u64, Ix0>(&place).history(2).create("s", ())?;
    let subscriber = subscribes::<u64, Ix0>(&place).lossless().attach("s")?;
    publish(&mut publisher)?;
    publish(&mut publisher)?;
    assert!(publisher.try_loan().is_err());
    let waits = thread::spawn(move || publish(&mut publisher).map(|_| publisher));
    thread::sleep(SOON);
    assert!(!waits.is_finished());
    drop(subscriber);
    assert_eq!(waits.join().expect("it did not panic")?.sequence(), 3);
    Ok(())
}

/// An evicted subscriber is told once how many frames it lost, exactly, and goes on with what is still there.
#[test]
fn an_evicted_subscriber_is_told_what_it_lost() -> Outcome {
    let place = Place::new()?;
    let builder = publishes::<u64, Ix0>(&place).history(4).backpressure(Backpressure::Evict);
    let mut publisher = builder.create("s", ())?;
    let mut subscriber = subscribes::<u64, Ix0>(&place).lossless().attach("s")?;
    let (mut next, mut published) = (1, 0);
    for burst in [4, 5, 9, 3, 17] {
        for _ in 0..burst {
            published = publish(&mut publisher)?;
        }
        loop {
            match subscriber.try_recv() {
                Ok(Some(frame)) => {
                    assert_eq!((frame.sequence(), frame.missed()), (next, 0));
                    next += 1;
                }
                Ok(None) => break,
                Err(Error::Lagged { missed, .. }) => {
                    assert!(missed > 0 && published >= next + 4, "evicted at {next} of {published}");
                    next += missed;
                }
                Err(other) => return Err(other.into()),
            }
        }
        assert_eq!(next, published + 1);
    }
    Ok(())
}

/// With `Backpressure::Error` a loan does not wait for a subscriber that is behind, only for slots.
#[test]
fn a_publisher_may_prefer_an_error() -> Outcome {
    let place = Place::new()?;
    let builder = publishes::<u64, Ix0>(&place).history(2).backpressure(Backpressure::Error);
    let mut publisher = builder.create("s", ())?;
    let mut subscriber = subscribes::<u64, Ix0>(&place).lossless().attach("s")?;
    publish(&mut publisher)?;
    publish(&mut publisher)?;
    for error in [refusal(publisher.loan()), refusal(publisher.loan_timeout(PATIENCE)), refusal(publisher.try_loan())] {
        match error {
            Error::NoFreeSlot { slots: 6, holders, .. } => assert_eq!(holders, [pid()]),
            other => panic!("{other}"),
        }
    }
    drop(subscriber.recv_timeout(PATIENCE)?);
    assert_eq!(publish(&mut publisher)?, 3);
    Ok(())
}

// ---------------------------------------------------------------- the end, and who comes after

/// A clean close is the end for everyone, once; whoever waits on sees the successor go on with the next sequence.
#[test]
fn a_stream_ends_and_goes_on_with_a_successor() -> Outcome {
    let place = Place::new()?;
    for (index, builder) in
        [subscribes(&place), subscribes(&place).lossless(), subscribes(&place).read_only()].into_iter().enumerate()
    {
        let name = format!("s{index}");
        let mut publisher = publishes::<u64, Ix0>(&place).create(&name, ())?;
        let mut subscriber: Subscriber<u64, Ix0> = builder.attach(&name)?;
        publish(&mut publisher)?;
        publish(&mut publisher)?;
        drop(publisher);
        assert!(place.inspect(&name)?.is_closed);
        // What was published before comes first.
        let mut frames = subscriber.frames().timeout(PATIENCE);
        let mut sequence = || frames.next().transpose().map(|frame| frame.map(|frame| frame.sequence()));
        assert_eq!((sequence()?, sequence()?, sequence()?, sequence()?), (Some(1), Some(2), None, None));
        assert!(matches!(refusal(subscriber.recv_timeout(SOON)), Error::TimedOut { .. }));
        // One who attaches now learns of the end too.
        let mut late = subscribes::<u64, Ix0>(&place).from_oldest().attach(&name)?;
        assert_eq!(late.frames().timeout(PATIENCE).count(), 2);

        let mut successor = publishes::<u64, Ix0>(&place).attach(&name)?;
        assert_eq!(successor.sequence(), 2);
        assert_eq!(publish(&mut successor)?, 3);
        let frame = subscriber.recv_timeout(PATIENCE)?.ok_or("a frame was published")?;
        assert_eq!((frame.sequence(), frame.missed()), (3, 0));
        drop(successor);
        assert!(subscriber.recv_timeout(PATIENCE)?.is_none());
    }
    Ok(())
}

/// A producer that did not close the stream died: an error, said once, after all its frames.
#[test]
fn a_death_is_said_once_after_the_last_frame() -> Outcome {
    let place = Place::new()?;
    let mut publisher = publishes::<u64, Ix0>(&place).create("s", ())?;
    let subscriber = || subscribes::<u64, Ix0>(&place);
    let mut eyes =
        [subscriber().attach("s")?, subscriber().lossless().attach("s")?, subscriber().read_only().attach("s")?];
    publish(&mut publisher)?;
    die(publisher);
    for eye in &mut eyes {
        assert_eq!(eye.recv_timeout(PATIENCE)?.map(|frame| frame.sequence()), Some(1));
        assert!(matches!(refusal(eye.recv_timeout(PATIENCE)), Error::ProducerDied { .. }));
        assert!(matches!(refusal(eye.recv_timeout(SOON)), Error::TimedOut { .. }));
    }
    let mut successor = publishes::<u64, Ix0>(&place).open("s", ())?;
    assert_eq!(publish(&mut successor)?, 2);
    for eye in &mut eyes {
        assert_eq!(eye.recv_timeout(PATIENCE)?.map(|frame| frame.sequence()), Some(2));
    }
    Ok(())
}

/// There is one producer at a time, and the error says which process it is.
#[test]
fn a_second_producer_is_refused() -> Outcome {
    let place = Place::new()?;
    let first = publishes::<u64, Ix0>(&place).create("s", ())?;
    for error in [
        refusal(publishes::<u64, Ix0>(&place).attach("s")),
        refusal(publishes::<u64, Ix0>(&place).open("s", ())),
        refusal(AnyPublisher::builder().directory(&place).attach("s")),
    ] {
        assert!(matches!(error, Error::ProducerPresent { pid: found, .. } if found == pid()), "{error}");
    }
    drop(first);
    publishes::<u64, Ix0>(&place).attach("s")?;
    Ok(())
}

// ---------------------------------------------------------------- leases

/// A subscriber holds eight frames; the ninth is an error, and one that is dropped makes room again.
#[test]
fn the_ninth_pin_is_refused() -> Outcome {
    let place = Place::new()?;
    let mut publisher = publishes::<u64, Ix0>(&place).history(12).create("s", ())?;
    let mut subscriber = subscribes::<u64, Ix0>(&place).attach("s")?;
    let mut held = Vec::new();
    for _ in 0..8 {
        publish(&mut publisher)?;
        held.extend(subscriber.recv_timeout(PATIENCE)?);
    }
    publish(&mut publisher)?;
    for error in
        [refusal(subscriber.try_recv()), refusal(subscriber.recv_timeout(PATIENCE)), refusal(subscriber.latest())]
    {
        assert!(matches!(error, Error::TooManyPins { limit: 8, .. }), "{error}");
    }
    assert_eq!(place.inspect("s")?.participants.iter().map(|one| one.pins).sum::<usize>(), 8);
    // Nothing was lost by asking: the frame comes when there is room.
    held.remove(3);
    let ninth = subscriber.recv_timeout(PATIENCE)?.ok_or("nine frames were published")?;
    assert_eq!((ninth.sequence(), ninth.missed()), (9, 0));
    // Another attach has room of its own, and a copy needs none.
    assert!(subscribes::<u64, Ix0>(&place).attach("s")?.latest()?.is_some());
    let onlooker = subscribes::<u64, Ix0>(&place).read_only().attach("s")?;
    let copies: Vec<_> = (0..20).map(|_| onlooker.latest()).collect::<Result<_, _>>()?;
    assert!(copies.iter().flatten().all(|frame| frame.is_copy() && frame.sequence() == 9));
    assert!(held.iter().all(|frame| frame.view().into_scalar() == &frame.sequence() && !frame.is_copy()));
    Ok(())
}

/// The table of participants has an end; who leaves makes room. Onlookers take none.
#[test]
fn one_participant_too_many_is_refused() -> Outcome {
    let place = Place::new()?;
    let publisher = publishes::<u64, Ix0>(&place).participants(3).create("s", ())?;
    let subscriber = || subscribes::<u64, Ix0>(&place);
    let two = (subscriber().attach("s")?, subscriber().lossless().attach("s")?);
    let error = refusal(subscriber().attach("s"));
    assert!(matches!(error, Error::TooManyParticipants { limit: 3, .. }), "{error}");
    let _onlookers = (subscriber().read_only().attach("s")?, subscriber().read_only().attach("s")?);
    assert_eq!(place.inspect("s")?.participants.len(), 3);
    drop(two.0);
    let _again = subscriber().attach("s")?;
    assert!(subscriber().attach("s").is_err());
    drop(publisher);
    publishes::<u64, Ix0>(&place).attach("s")?;
    Ok(())
}

/// Frames that are held keep their slots. When none is left the error names the holders, and whoever would wait for
/// itself is told so.
#[test]
fn held_frames_use_slots_up() -> Outcome {
    let place = Place::new()?;
    let mut publisher = publishes::<u64, Ix0>(&place).history(2).slots(4).create("s", ())?;
    let mut subscriber = subscribes::<u64, Ix0>(&place).attach("s")?;
    let mut held = Vec::new();
    for _ in 0..4 {
        publish(&mut publisher)?;
        held.extend(subscriber.recv_timeout(PATIENCE)?);
    }
    match refusal(publisher.try_loan()) {
        Error::NoFreeSlot { slots: 4, holders, .. } => assert_eq!(holders, [pid()]),
        other => panic!("{other}"),
    }
    assert!(matches!(refusal(publisher.loan()), Error::WouldDeadlock { .. }));
    let error = takes_at_least(SOON, || refusal(publisher.loan_timeout(SOON)));
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    // A loan with a deadline is content with a frame that another thread lets go of.
    let frame = held.remove(0);
    let drops = thread::spawn(move || {
        thread::sleep(SOON);
        drop(frame);
    });
    assert_eq!(publish(&mut publisher)?, 5);
    drops.join().expect("it did not panic");
    assert_eq!(held.iter().map(|frame| *frame.view().into_scalar()).collect::<Vec<_>>(), [2, 3, 4]);
    Ok(())
}

/// When no slot is free but this process holds none of them, waiting is right: only waiting for oneself is an error.
#[test]
fn slots_that_nobody_here_holds_are_waited_for() -> Outcome {
    let place = Place::new()?;
    let mut publisher = publishes::<u64, Ix0>(&place).history(2).slots(3).create("s", ())?;
    publish(&mut publisher)?;
    publish(&mut publisher)?;
    // A durable commit in progress protects two slots: those that the next frame could have.
    let file = File::options().write(true).open(place.file("s"))?;
    let commit = |values: [u64; 2]| {
        for (field, value) in ["durable", "pending"].into_iter().zip(values) {
            file.write_all_at(&value.to_le_bytes(), bytes::offset("Control", field) as u64)?;
        }
        Ok::<_, std::io::Error>(())
    };
    let whole = fs::read(place.file("s"))?;
    let newest = bytes::get64(&whole, bytes::offset("Control", "head")) & 0xffff;
    let others: Vec<u64> = (0..3).filter(|slot| *slot != newest).collect();
    commit([1 << 16 | others[0], 1 << 16 | others[1]])?;
    let waits = thread::spawn(move || publisher.loan().map(Loan::publish));
    thread::sleep(SOON);
    assert!(!waits.is_finished());
    commit([0, 0])?;
    assert_eq!(waits.join().expect("it did not panic")?, 3);
    Ok(())
}

/// A frame needs neither its subscriber nor its publisher, not even the stream's name.
#[test]
fn frames_outlive_their_subscriber() -> Outcome {
    let place = Place::new()?;
    let mut publisher = publishes::<u64, Ix1>(&place).history(2).create("s", [1000])?;
    let mut subscriber = subscribes::<u64, Ix1>(&place).lossless().attach("s")?;
    let mut loan = publisher.loan()?;
    loan.view_mut().fill(42);
    loan.publish();
    let frame = subscriber.recv_timeout(PATIENCE)?.ok_or("a frame was published")?;
    drop(subscriber);
    for value in 0..20 {
        let mut loan = publisher.loan()?;
        loan.view_mut().fill(value);
        loan.publish();
    }
    drop(publisher);
    place.unlink("s")?;
    drop(place);
    let sum = thread::spawn(move || frame.view().sum()).join().expect("it did not panic");
    assert_eq!(sum, 42_000);
    Ok(())
}

// ---------------------------------------------------------------- waiting

/// No wait ends before its time, by the monotonic clock, nor much later; waits of zero do not wait.
#[test]
fn time_outs_are_kept() -> Outcome {
    let place = Place::new()?;
    let publisher = publishes::<u64, Ix0>(&place).create("s", ())?;
    let mut eyes =
        [subscribes::<u64, Ix0>(&place).attach("s")?, subscribes::<u64, Ix0>(&place).read_only().attach("s")?];
    for millis in [0, 1, 3, 25, 70] {
        let span = Duration::from_millis(millis);
        for eye in &mut eyes {
            let error = takes_at_least(span, || refusal(eye.recv_timeout(span)));
            assert!(matches!(error, Error::TimedOut { .. }), "{error}");
            let error = takes_at_least(span, || eye.frames().timeout(span).next().map(refusal));
            assert!(matches!(error, Some(Error::TimedOut { .. })));
            let error = takes_at_least(span, || refusal(wait_any(&[&*eye], Some(span))));
            assert!(matches!(error, Error::TimedOut { .. }), "{error}");
        }
        let builder = subscribes::<u64, Ix0>(&place).wait(span);
        let error = takes_at_least(span, || refusal(builder.attach("not-there")));
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    }
    // A span that no clock can count is no limit.
    let waits = thread::spawn(move || {
        let [mut eye, _] = eyes;
        eye.recv_timeout(Duration::MAX).map(|frame| frame.is_none())
    });
    thread::sleep(SOON);
    assert!(!waits.is_finished());
    drop(publisher);
    assert!(waits.join().expect("it did not panic")?);
    Ok(())
}

/// Whoever waits is woken by a frame, long before it would look around by itself.
#[test]
fn a_frame_wakes_who_waits() -> Outcome {
    let place = Place::new()?;
    let mut publisher = publishes::<u64, Ix0>(&place).create("s", ())?;
    let mut subscriber = subscribes::<u64, Ix0>(&place).attach("s")?;
    let waits = thread::spawn(move || -> Result<Duration, Error> {
        let mut ages = Vec::new();
        for frame in subscriber.frames().timeout(PATIENCE) {
            ages.push(frame?.age());
        }
        ages.sort();
        Ok(ages[ages.len() / 2])
    });
    for _ in 0..9 {
        // So long that it sleeps in its longest slices: whoever is not woken sees the frame up to 50 ms later.
        thread::sleep(Duration::from_millis(90));
        publish(&mut publisher)?;
    }
    drop(publisher);
    // The median: one late wake is the machine's affair.
    let median = waits.join().expect("it did not panic")?;
    assert!(median < Duration::from_millis(15), "{median:?}");
    Ok(())
}

/// Of several streams those with news are named: frames, an end, a death, an unlinked name.
#[test]
fn several_streams_are_waited_for_at_once() -> Outcome {
    let place = Place::new()?;
    let create = |name: &str| publishes::<u64, Ix0>(&place).create(name, ());
    let mut publishers = vec![create("a")?, create("b")?, create("c")?, create("d")?];
    let attach = |name: &str| subscribes::<u64, Ix0>(&place).attach(name);
    let onlooker = AnySubscriber::builder().directory(&place).read_only().attach("d")?;
    let mut eyes = [attach("a")?, attach("b")?, attach("c")?];
    let wait =
        |eyes: &[Subscriber<u64, Ix0>; 3], span| wait_any(&[&eyes[0], &eyes[1], &eyes[2], &onlooker], Some(span));
    assert!(matches!(refusal(takes_at_least(SOON, || wait(&eyes, SOON))), Error::TimedOut { .. }));
    publish(&mut publishers[1])?;
    assert_eq!(wait(&eyes, PATIENCE)?, [1]);
    assert_eq!(wait(&eyes, Duration::ZERO)?, [1], "asking receives nothing");
    publish(&mut publishers[0])?;
    assert_eq!(wait(&eyes, PATIENCE)?, [0, 1]);
    for eye in &mut eyes[..2] {
        assert!(eye.try_recv()?.is_some());
    }
    // News that come while it sleeps, from a stream that it can only look at.
    let mut last = publishers.pop().ok_or("there are four")?;
    let later = thread::spawn(move || {
        thread::sleep(SOON);
        publish(&mut last).map(|_| last)
    });
    assert_eq!(wait(&eyes, PATIENCE)?, [3]);
    let _last = later.join().expect("it did not panic")?;
    let eyes_alone = |eyes: &[Subscriber<u64, Ix0>; 3]| wait_any(&[&eyes[0], &eyes[1], &eyes[2]], Some(PATIENCE));
    die(publishers.remove(0));
    assert_eq!(eyes_alone(&eyes)?, [0]);
    assert!(matches!(refusal(eyes[0].recv_timeout(PATIENCE)), Error::ProducerDied { .. }));
    drop(publishers.remove(0));
    assert_eq!(eyes_alone(&eyes)?, [1]);
    assert!(eyes[1].recv_timeout(PATIENCE)?.is_none());
    place.unlink("c")?;
    assert_eq!(eyes_alone(&eyes)?, [2]);
    assert!(matches!(refusal(eyes[2].recv_timeout(PATIENCE)), Error::Retired { .. }));

    assert!(matches!(refusal(wait_any(&[], None)), Error::InvalidArgument { .. }));
    let one: &dyn sharray::Source = &eyes[0];
    let error = refusal(wait_any(&vec![one; 129], None));
    assert!(error.to_string().contains("129") && error.to_string().contains("128"), "{error}");
    Ok(())
}

// ---------------------------------------------------------------- only looking

/// A read-only subscriber reads, waits and drops without changing one byte of the file.
#[test]
fn an_onlooker_writes_nothing() -> Outcome {
    let place = Place::new()?;
    let mut publisher = publishes::<u64, Ix1>(&place).create("s", [100])?;
    let mut onlooker = subscribes::<u64, Ix1>(&place).read_only().attach("s")?;
    assert!(onlooker.is_read_only());
    for value in 1..4 {
        let mut loan = publisher.loan()?;
        loan.view_mut().fill(value);
        loan.publish();
    }
    let (before, times) = (fs::read(place.file("s"))?, fs::metadata(place.file("s"))?);
    let other = subscribes::<u64, Ix1>(&place).read_only().from_oldest().attach("s")?;
    let mut held = Vec::new();
    for value in 1..4 {
        let frame = onlooker.recv_timeout(PATIENCE)?.ok_or("three frames were published")?;
        assert_eq!((frame.sequence(), frame.is_copy()), (value, true));
        assert!(frame.view().iter().all(|item| *item == value));
        held.push(frame);
    }
    assert!(matches!(refusal(onlooker.recv_timeout(SOON)), Error::TimedOut { .. }));
    assert_eq!(wait_any(&[&onlooker, &other], Some(Duration::ZERO))?, [1]);
    assert!(matches!(refusal(wait_any(&[&onlooker], Some(SOON))), Error::TimedOut { .. }));
    assert_eq!(other.latest()?.map(|frame| frame.view()[99]), Some(3));
    place.inspect("s")?;
    place.list()?;
    drop((held, other, onlooker));
    assert!(fs::read(place.file("s"))? == before, "an onlooker changed the file");
    assert_eq!(fs::metadata(place.file("s"))?.mtime_nsec(), times.mtime_nsec());

    let error = refusal(subscribes::<u64, Ix1>(&place).read_only().lossless().attach("s"));
    assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
    Ok(())
}

/// The environment variable that tells a child where the stream is.
const FOLDER: &str = "SHARRAY_TEST_FOLDER";

/// A file that this user may only read is looked at by itself, without asking for it. The superuser may write any file,
/// so there the reader is a process of another user.
#[test]
fn a_file_that_may_only_be_read_is_only_read() -> Outcome {
    let place = Place::new()?;
    let mut publisher = publishes::<u64, Ix0>(&place).permissions(0o644).create("s", ())?;
    publish(&mut publisher)?;
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755))?;
    let mut child = in_child("looks_at_the_stream_of_its_parent")?;
    child.env(FOLDER, place.path());
    if nix::unistd::geteuid().is_root() {
        std::os::unix::process::CommandExt::uid(&mut child, 65_534);
    } else {
        fs::set_permissions(place.file("s"), fs::Permissions::from_mode(0o400))?;
    }
    let before = fs::read(place.file("s"))?;
    match run(&mut child) {
        Err(reason) if reason.is::<std::io::Error>() => {
            eprintln!("not tried: nobody else can run this program: {reason}");
        }
        done => done?,
    }
    assert!(fs::read(place.file("s"))? == before);
    Ok(())
}

#[test]
#[ignore = "a part of another test, which runs it in a process of its own"]
fn looks_at_the_stream_of_its_parent() -> Outcome {
    let Some(folder) = std::env::var_os(FOLDER).filter(|_| is_child()) else { return Ok(()) };
    let directory = Directory::open_trusting_others(folder)?;
    let subscriber = Subscriber::<u64, Ix0>::builder().directory(&directory).attach("s")?;
    assert!(subscriber.is_read_only());
    assert_eq!(subscriber.latest()?.map(|frame| (frame.sequence(), frame.is_copy())), Some((1, true)));
    let error = refusal(Publisher::<u64, Ix0>::builder().directory(&directory).attach("s"));
    assert!(matches!(&error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied));
    assert_eq!(directory.list()?.len(), 1);
    Ok(())
}

// ---------------------------------------------------------------- sizes and types

/// Three frames of one and a half gigabytes: every offset is counted in 64 bits.
#[test]
fn streams_may_be_larger_than_four_gigabytes() -> Outcome {
    const LEN: usize = 3 << 29;
    let above = std::env::temp_dir();
    let space = nix::sys::statvfs::statvfs(&above)?;
    if space.blocks_available() * space.fragment_size() < 12 << 30 {
        eprintln!("not tried: fewer than 12 GiB are free in {}", above.display());
        return Ok(());
    }
    let place = Place::within(above)?;
    let builder = publishes::<u8, Ix1>(&place).history(2).slots(3);
    let mut publisher = match builder.create("large", [LEN]) {
        Err(Error::NoSpace { .. }) => {
            eprintln!("not tried: this user may not fill so much");
            return Ok(());
        }
        made => made?,
    };
    let info = place.inspect("large")?;
    assert_eq!((info.file_len - info.data_offset, info.slots), (3 * LEN as u64, 3));
    let mut subscriber = subscribes::<u8, Ix1>(&place).attach("large")?;
    let mut held = Vec::new();
    for value in 1..=3 {
        let mut loan = publisher.loan()?;
        let mut view = loan.view_mut();
        (view[0], view[LEN - 1]) = (value, value + 100);
        loan.publish();
        held.extend(subscriber.recv_timeout(PATIENCE)?);
    }
    for (frame, value) in held.iter().zip(1..) {
        let view = frame.view();
        assert_eq!((view.len(), view[0], view[LEN - 1]), (LEN, value, value + 100));
    }
    // The last byte of the file is the last item of the last slot.
    let mut last = [0];
    File::open(place.file("large"))?.read_exact_at(&mut last, info.file_len - 1)?;
    assert!((101..=103).contains(&last[0]));
    Ok(())
}

/// Handles and frames can be shared and sent between threads, whatever their items are.
#[test]
fn handles_and_frames_are_send_and_sync() {
    fn both<T: Send + Sync>() {}
    both::<AnyPublisher>();
    both::<Publisher<Sample, Ix2>>();
    both::<AnySubscriber>();
    both::<Subscriber<Sample, Ix2>>();
    both::<AnyFrame>();
    both::<Frame<Sample, Ix2>>();
    both::<AnyFrames<'_>>();
    both::<Frames<'_, Sample, Ix2>>();
    both::<Loan<'_, Sample, Ix2>>();
    both::<Directory>();
    both::<Error>();
    both::<PublisherBuilder<Publisher<Sample>>>();
    both::<SubscriberBuilder<Subscriber<Sample>>>();
}

/// What a handle shows of itself can be read, in a failed test or a log.
#[test]
fn handles_show_what_they_are_in_a_few_words() -> Outcome {
    let place = Place::new()?;
    let mut publisher = publishes::<f32, Ix2>(&place).create("camera", [480, 640])?;
    let subscriber = subscribes::<f32, Ix2>(&place).attach("camera")?;
    publisher.loan()?.publish();
    let frame = subscriber.latest()?.ok_or("a frame was published")?;
    for shown in [format!("{publisher:?}"), format!("{subscriber:?}"), format!("{frame:?}")] {
        assert!(shown.contains("camera") && (shown.contains("float32") || shown.contains("F32")), "{shown}");
        assert!(shown.contains("480") && shown.len() < 1000, "{shown}");
    }
    Ok(())
}

/// Threads that share a subscriber get every frame once between them, and `latest` from all sides at once.
#[test]
fn threads_share_a_subscriber() -> Outcome {
    let place = Place::new()?;
    let mut publisher = publishes::<u64, Ix1>(&place).history(4).slots(16).create("s", [64])?;
    let subscriber = subscribes::<u64, Ix1>(&place).attach("s")?;
    let done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| -> Outcome {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = 0;
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        if let Some(frame) = subscriber.latest().expect("three threads hold three frames") {
                            let view = frame.view();
                            assert!(view.iter().all(|item| *item == frame.sequence()), "a torn frame");
                            assert!(frame.sequence() >= seen);
                            seen = frame.sequence();
                        }
                    }
                })
            })
            .collect();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(300) {
            let mut loan = publisher.loan()?;
            let sequence = loan.sequence();
            loan.view_mut().fill(sequence);
            loan.publish();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for reader in readers {
            reader.join().expect("it did not panic");
        }
        Ok(())
    })?;
    // All pins were given back.
    eventually("no pins are left", || {
        place.inspect("s").is_ok_and(|info| info.participants.iter().all(|one| one.pins == 0))
    });
    let whole = ArrayD::<u64>::from_elem(IxDyn(&[64]), publisher.sequence());
    assert_eq!(subscriber.latest()?.map(|frame| frame.view().into_dyn().to_owned()), Some(whole));
    Ok(())
}

/// A process whose other thread lets go of frames does not wait for itself: `loan` must not say so.
#[test]
fn a_thread_that_lets_go_of_frames_makes_room() -> Outcome {
    let place = Place::new()?;
    let mut publisher = publishes::<u64, Ix0>(&place).create("room", ())?;
    let mut reader = subscribes::<u64, Ix0>(&place).attach("room")?;
    let keeper = thread::spawn(move || -> Result<usize, Error> {
        let mut kept = std::collections::VecDeque::new();
        let mut received = 0;
        for frame in reader.frames().timeout(PATIENCE) {
            kept.push_back(frame?);
            received += 1;
            if kept.len() == 7 {
                kept.pop_front();
                thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(received)
    });
    for _ in 0..300 {
        publisher.loan()?.publish();
    }
    drop(publisher);
    let received = keeper.join().map_err(|_| "the keeper panicked")??;
    assert!(received > 0, "it received frames while it kept some");
    Ok(())
}

/// 1970 itself is a time like others, not the answer that none was given.
#[test]
fn the_oldest_time_is_kept() -> Outcome {
    let place = Place::new()?;
    let mut publisher = publishes::<u64, Ix0>(&place).create("old", ())?;
    let reader = subscribes::<u64, Ix0>(&place).attach("old")?;
    let mut loan = publisher.loan()?;
    loan.set_time(UNIX_EPOCH - Duration::from_secs(5));
    loan.publish();
    let frame = reader.latest()?.ok_or("one was published")?;
    assert!(frame.time() < UNIX_EPOCH + Duration::from_micros(1), "{:?}", frame.time());
    assert!(frame.published() > UNIX_EPOCH + Duration::from_secs(1));
    Ok(())
}
