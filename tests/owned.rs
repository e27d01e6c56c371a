//! Leases that keep their array attached themselves: those of bindings and of futures, which cannot borrow a handle.
//!
//! They may end on another thread, after their handle, and in any order. What they promise meanwhile is what the
//! borrowed ones do.

#[path = "support/place.rs"]
mod place;

use ndarray::{Ix1, array};
use place::{Outcome, Place, refusal};
use sharray::{AnyArray, AnyCell, AnyPublisher, AnySubscriber, Backpressure, DType, Error, OwnedLoan, Result};
use sharray::{SharedArray, Subscriber};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const NOW: Option<Duration> = Some(Duration::ZERO);
const MOMENT: Option<Duration> = Some(Duration::from_millis(20));

fn elsewhere<R: Send>(call: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(call).join().expect("the call does not panic"))
}

fn field(place: &Place) -> Result<AnyArray> {
    AnyArray::builder().directory(place).blocks(4).open("field", &DType::F64, &[4])
}

/// A lease outlives its handle, and keeps out whom it has to keep out until it is dropped on whatever thread.
#[test]
fn leases_outlive_their_handle_and_end_anywhere() -> Outcome {
    let place = Place::new()?;
    let (ours, theirs) = (field(&place)?, field(&place)?);
    let reading = ours.read_owned(0..2, None)?;
    let mut writing = ours.write_owned(2..4, None)?;
    drop(ours);
    writing.view_mut::<f64, Ix1>().ok_or("it is of f64")?[0] = 5.5;
    assert!(matches!(refusal(theirs.read_owned(2..3, NOW)), Error::Locked { .. }));
    assert!(matches!(refusal(theirs.write_owned(1..2, NOW)), Error::Locked { .. }));
    assert_eq!(reading.view::<f64, Ix1>().ok_or("it is of f64")?, array![0.0, 0.0]);
    elsewhere(|| drop((reading, writing)));
    assert_eq!(theirs.read_owned(2..3, NOW)?.view::<f64, Ix1>().ok_or("it is of f64")?, array![5.5]);
    theirs.write_owned(0..4, NOW)?;
    Ok(())
}

/// The thread that took a lease is told that it would wait for itself; once the lease has ended elsewhere it is not.
#[test]
fn a_lease_that_ended_elsewhere_is_not_waited_for() -> Outcome {
    let place = Place::new()?;
    let field = field(&place)?;
    for writes in [false, true] {
        let (tell, told) = mpsc::channel();
        let lease: Box<dyn Send> =
            if writes { Box::new(field.write_owned(0..4, None)?) } else { Box::new(field.read_owned(0..4, None)?) };
        assert!(matches!(refusal(field.write()), Error::WouldDeadlock { .. }), "{writes}");
        elsewhere(|| {
            drop(lease);
            tell.send(())
        })?;
        told.recv()?;
        field.write_timeout(Duration::from_secs(10))?;
        field.read_timeout(Duration::from_secs(10))?;
    }
    Ok(())
}

/// A thread that reads may read again, whichever of the two leases goes first, borrowed or owned.
#[test]
fn leases_nest() -> Outcome {
    let place = Place::new()?;
    let field = field(&place)?;
    let (first, second) = (field.read_owned(0..4, None)?, field.read()?);
    drop(first);
    let third = field.read_owned(1..2, None)?;
    drop(second);
    assert!(matches!(refusal(field.write_owned(1..2, NOW)), Error::Locked { .. }));
    elsewhere(|| drop(third));
    field.write_owned(0..4, None)?;
    Ok(())
}

/// A write that is said to have failed leaves what a panic leaves.
#[test]
fn a_write_can_fail() -> Outcome {
    let place = Place::new()?;
    let field = field(&place)?;
    field.write_owned(1..3, None)?.fail();
    assert!(matches!(refusal(field.read()), Error::Poisoned { block: 1, .. }));
    field.read_owned(0..1, None)?;
    let mut mended = field.write_owned(1..3, None)?;
    assert!(mended.is_poisoned());
    mended.clear_poison();
    drop(mended);
    field.read()?;
    Ok(())
}

/// What may only be read lends copies, and they outlive the handle too.
#[test]
fn a_read_only_handle_lends_copies() -> Outcome {
    let place = Place::new()?;
    let kept = field(&place)?;
    let onlooker = AnyArray::builder().directory(&place).read_only().attach("field")?;
    let copy = onlooker.read_owned(0..4, None)?;
    drop(onlooker);
    assert!(copy.is_copy());
    kept.write()?;
    assert_eq!(copy.view::<f64, Ix1>().ok_or("it is of f64")?.len(), 4);
    Ok(())
}

/// Contents that are given at creation are there when the name is; if they cannot be made, neither is the array.
#[test]
fn contents_come_before_the_name() -> Outcome {
    let place = Place::new()?;
    let make = |fails: bool| {
        AnyArray::builder().directory(&place).create_with("made", &DType::I32, &[3], |guard| {
            assert!(matches!(refusal(place.inspect("made")), Error::NotFound { .. }));
            guard.view_mut::<i32, Ix1>().ok_or("it is of i32").expect("it is").assign(&array![1, 2, 3]);
            if fails { Err(Error::NeedsRecovery { name: "no".into() }) } else { Ok(()) }
        })
    };
    assert!(matches!(refusal(make(true)), Error::NeedsRecovery { .. }));
    assert!(matches!(refusal(place.inspect("made")), Error::NotFound { .. }));
    let _made = make(false)?;
    let found = SharedArray::<i32, Ix1>::builder().directory(&place).attach("made")?;
    assert_eq!(found.snapshot()?, array![1, 2, 3]);
    Ok(())
}

/// The role of a cell's writer is kept by its owned writer, wherever that is.
#[test]
fn a_cells_writer_outlives_its_handle() -> Outcome {
    let place = Place::new()?;
    let builder = AnyCell::builder().directory(&place);
    let (ours, theirs) = (builder.create("cell", &DType::U8, &[], &[1])?, builder.attach("cell")?);
    let mut writer = ours.writer_owned(None)?;
    drop(ours);
    assert!(matches!(refusal(theirs.try_store(&[2])), Error::Locked { .. }));
    elsewhere(|| writer.store(&[3]).map(|()| drop(writer)))?;
    let mut value = [0];
    theirs.load_into(&mut value)?;
    assert_eq!(value, [3]);
    theirs.try_store(&[4])?;
    Ok(())
}

fn stream(place: &Place) -> Result<AnyPublisher> {
    AnyPublisher::builder().directory(place).history(2).slots(5).create("stream", &DType::U8, &[3])
}

fn fill(loan: &mut OwnedLoan, value: u8) {
    // SAFETY: the loan has three bytes, and nobody else touches them while it lives.
    #[allow(unsafe_code, reason = "what a binding does")]
    unsafe {
        loan.as_mut_ptr().write_bytes(value, 3);
    }
}

/// Several loans are out at a time; each is published when it is its turn, and the frame keeps its slot.
#[test]
fn loans_are_published_in_any_order() -> Outcome {
    let place = Place::new()?;
    let mut publisher = stream(&place)?;
    let subscriber = AnySubscriber::builder().directory(&place).attach("stream")?;
    let mut loans = [publisher.loan_owned(NOW)?, publisher.loan_owned(NOW)?, publisher.loan_owned(NOW)?];
    for (loan, value) in loans.iter_mut().zip(1..) {
        fill(loan, value);
    }
    let [one, two, three] = loans;
    let first = publisher.publish_owned(two, NOW)?;
    assert_eq!((first.sequence(), first.bytes()), (1, &[2; 3][..]));
    drop(one);
    let second = elsewhere(move || publisher.publish_owned(three, NOW).map(|frame| (publisher, frame)))?;
    let (mut publisher, second) = second;
    assert_eq!((second.sequence(), second.bytes()), (2, &[3; 3][..]));
    assert_eq!(subscriber.latest()?.ok_or("two were published")?.bytes(), &[3; 3]);
    for value in 10..30 {
        let mut loan = publisher.loan_owned(NOW)?;
        fill(&mut loan, value);
        publisher.publish_owned(loan, NOW)?;
    }
    assert_eq!((first.bytes(), second.bytes()), (&[2; 3][..], &[3; 3][..]));
    Ok(())
}

/// A loan that is dropped gives its slot back, before its publisher goes and after; until then nobody has it, not even a
/// successor.
#[test]
fn a_loan_keeps_its_slot_until_it_is_dropped() -> Outcome {
    let place = Place::new()?;
    let mut publisher = stream(&place)?;
    for _ in 0..20 {
        let (mut kept, mut other) = (publisher.loan_owned(NOW)?, publisher.loan_owned(NOW)?);
        fill(&mut kept, 1);
        fill(&mut other, 2);
        assert_ne!(kept.as_mut_ptr(), other.as_mut_ptr());
        drop(kept);
        publisher.publish_owned(other, NOW)?;
    }
    let mut kept = publisher.loan_owned(NOW)?;
    fill(&mut kept, 77);
    drop(publisher);
    let mut successor = AnyPublisher::builder().directory(&place).attach("stream")?;
    for value in 0..20 {
        let mut frame = successor.loan()?;
        frame.bytes_mut().fill(value);
        frame.publish();
    }
    // SAFETY: as in `fill`.
    #[allow(unsafe_code, reason = "what a binding does")]
    let bytes = unsafe { std::slice::from_raw_parts(kept.as_mut_ptr(), 3) };
    assert_eq!(bytes, [77; 3]);
    // There are five slots, and the newest frame has one of them: with this one three more are to be had.
    let before: Vec<_> = (0..3).map(|_| successor.loan_owned(NOW)).collect::<Result<_>>()?;
    assert!(matches!(refusal(successor.loan_owned(NOW)), Error::NoFreeSlot { .. }));
    drop(kept);
    successor.loan_owned(NOW)?;
    drop(before);
    Ok(())
}

/// What could not be published is given back: whoever has a pointer to its bytes can keep them.
#[test]
fn a_refused_loan_is_given_back() -> Outcome {
    let place = Place::new()?;
    let builder = AnyPublisher::builder().directory(&place).history(2).slots(8).backpressure(Backpressure::Error);
    let mut publisher = builder.create("stream", &DType::U8, &[3])?;
    let mut reader = Subscriber::<u8, Ix1>::builder().directory(&place).lossless().attach("stream")?;
    let mut late = Some(publisher.loan_owned(NOW)?);
    let (one, two) = (publisher.loan_owned(NOW)?, publisher.loan_owned(NOW)?);
    publisher.publish_owned(one, NOW)?;
    publisher.publish_owned(two, NOW)?;
    assert!(matches!(refusal(publisher.publish_from(&mut late, NOW)), Error::NoFreeSlot { .. }));
    assert!(late.is_some());
    assert_eq!(reader.recv()?.ok_or("it was published")?.sequence(), 1);
    assert_eq!(publisher.publish_from(&mut late, NOW)?.sequence(), 3);
    assert!(late.is_none());
    assert!(matches!(refusal(publisher.publish_from(&mut late, NOW)), Error::InvalidArgument { .. }));
    Ok(())
}

/// A loan is published by its own publisher, which waits for lossless subscribers if others came first.
#[test]
fn a_late_loan_waits_its_turn() -> Outcome {
    let place = Place::new()?;
    let builder = AnyPublisher::builder().directory(&place).history(2).slots(8).backpressure(Backpressure::Error);
    let mut publisher = builder.create("stream", &DType::U8, &[3])?;
    let mut other = builder.create("other", &DType::U8, &[3])?;
    let error = refusal(publisher.publish_owned(other.loan_owned(NOW)?, NOW));
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
    let mut reader = Subscriber::<u8, Ix1>::builder().directory(&place).lossless().attach("stream")?;
    let loans: Vec<_> = (0..4).map(|_| publisher.loan_owned(NOW)).collect::<Result<_>>()?;
    let mut loans = loans.into_iter();
    let mut next = || loans.next().ok_or("there were four");
    publisher.publish_owned(next()?, NOW)?;
    publisher.publish_owned(next()?, NOW)?;
    assert!(matches!(refusal(publisher.publish_owned(next()?, MOMENT)), Error::NoFreeSlot { .. }));
    assert_eq!(reader.recv()?.ok_or("it was published")?.sequence(), 1);
    assert_eq!(publisher.publish_owned(next()?, NOW)?.sequence(), 3);
    assert_eq!(reader.recv()?.ok_or("it was published")?.sequence(), 2);
    assert_eq!(reader.recv()?.ok_or("it was published")?.sequence(), 3);
    Ok(())
}
