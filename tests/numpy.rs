//! Whole files read with NumPy alone, which knows nothing of this library: through the .npy stream at their end, and
//! mapped with `np.memmap`.

#[path = "support/place.rs"]
mod place;

use ndarray::{Ix0, Ix1, Ix2};
use num_complex::Complex;
use place::{Outcome, Place, run};
use sharray::{AnySubscriber, DType, Directory, Element, Info, Kind, Order, Publisher};
use std::fs;
use std::path::Path;
use std::process::Command;

#[derive(Clone, Copy, Element)]
#[repr(C)]
struct Sample {
    time: f64,
    position: [f32; 2],
    channel: u16,
    _spare: [u8; 6],
}

/// The elements of each frame: a base, and the index in C order; parts of a struct are told apart by hundreds and tens.
fn sample(value: u16) -> Sample {
    let position = [f32::from(value + 100), f32::from(value + 110)];
    Sample { time: value.into(), position, channel: value + 200, _spare: [0; 6] }
}

/// Publishes `slots` frames, so that every slot holds one, whose elements are `item(base + index)`.
fn stream<T: Element>(
    place: &Place,
    name: &str,
    order: Order,
    shape: [usize; 2],
    slots: u32,
    item: impl Fn(u16) -> T,
) -> Outcome {
    let builder = Publisher::<T, Ix2>::builder().directory(place).participants(2);
    let mut publisher = builder.order(order).history(slots - 1).slots(slots).create(name, shape)?;
    // Held, frames keep their slots: the slot that was freed last would be taken again.
    let subscriber = AnySubscriber::builder().directory(place).attach(name)?;
    let mut held = Vec::new();
    for frame in 1..=slots {
        let mut loan = publisher.loan()?;
        for ((i, j), element) in loan.view_mut().indexed_iter_mut() {
            *element = item(u16::try_from(1000 * frame as usize + i * shape[1] + j)?);
        }
        loan.publish();
        held.push(subscriber.latest()?);
    }
    Ok(())
}

/// One line for the script: where things are, what they are, and what they hold.
fn case(info: &Info, holds_values: bool) -> String {
    let fortran = if info.order == Order::Fortran { "True" } else { "False" };
    let slots = u64::from(info.slots);
    let stride = (info.file_len - info.data_offset) / slots;
    let bases: Vec<u64> = (1..=slots).map(|slot| 1000 * slot).collect();
    let bases = if holds_values { format!("{bases:?}") } else { "None".to_owned() };
    let (path, descr) = (info.path.display().to_string(), info.dtype.descr());
    // NumPy is told of all the rows that a table has room for.
    let mut shape = info.shape.clone();
    if let Some(max_len) = info.max_len {
        shape[0] = max_len;
    }
    format!(
        "({path:?}, {}, {}, {descr}, {fortran}, {:?}, {slots}, {stride}, {bases})",
        info.npy_offset, info.data_offset, shape
    )
}

/// Streams of several slots, padded and not, in both orders, and golden files of one slot: NumPy alone finds every
/// element where it should be.
#[test]
#[ignore = "needs Python with NumPy and ml_dtypes: PYTHON=..."]
fn numpy_alone_reads_our_files() -> Outcome {
    let place = Place::new()?;
    for order in [Order::C, Order::Fortran] {
        let name = |what: &str| format!("{what}-{order:?}");
        stream(&place, &name("padded"), order, [3, 5], 4, f32::from)?;
        stream(&place, &name("unpadded"), order, [4, 8], 4, f32::from)?;
        stream(&place, &name("pages"), order, [32, 32], 3, i32::from)?;
        stream(&place, &name("past-a-page"), order, [33, 32], 3, i32::from)?;
        stream(&place, &name("complex"), order, [2, 3], 3, |value| Complex::new(f64::from(value), 0.0))?;
        stream(&place, &name("structured"), order, [2, 2], 3, sample)?;
        stream(&place, &name("structured-unpadded"), order, [4, 4], 3, sample)?;
        stream(&place, &name("empty"), order, [3, 0], 3, f32::from)?;
        stream(&place, &name("row"), order, [1, 7], 3, |value| value)?;
    }
    let mut scalar = Publisher::<f64, Ix0>::builder().directory(&place).history(2).slots(3).create("scalar", ())?;
    let mut vector = Publisher::<i64, Ix1>::builder().directory(&place).history(2).slots(3).create("vector", [16])?;
    let subscribe = |name: &str| AnySubscriber::builder().directory(&place).attach(name);
    let (subscribers, mut held) = ([subscribe("scalar")?, subscribe("vector")?], Vec::new());
    for frame in 1..=3 {
        let mut loan = scalar.loan()?;
        loan.view_mut().fill(1000.0 * f64::from(frame));
        loan.publish();
        let mut loan = vector.loan()?;
        loan.as_mut_slice().iter_mut().zip(0..).for_each(|(item, index)| *item = 1000 * i64::from(frame) + index);
        loan.publish();
        held.push((subscribers[0].latest()?, subscribers[1].latest()?));
    }
    let huge = Publisher::<u8, Ix1>::builder().directory(&place).history(2).slots(3).huge_pages(true);
    drop(huge.create("huge/pages", [5])?);

    let mut cases: Vec<String> = place.list()?.iter().map(|info| case(info, info.name != "huge/pages")).collect();
    assert_eq!(cases.len(), 21);
    let golden = Directory::open_trusting_others(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1"))?;
    let kinds: Vec<_> = golden.list()?.iter().map(|info| info.kind).collect();
    assert!(
        [Kind::InPlace, Kind::Cell, Kind::Stream, Kind::Growable, Kind::Team].iter().all(|kind| kinds.contains(kind))
    );
    cases.extend(golden.list()?.iter().map(|info| case(info, false)));
    fs::write(place.file("cases"), cases.join("\n"))?;

    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/npy_compare.py");
    run(Command::new(python).arg(script).arg("open").arg(place.path()))
}

/// A frame wider than NumPy's items can be is refused where it would need padding, and told plainly where it does not.
#[test]
fn frames_too_wide_for_numpy_need_no_padding() -> Outcome {
    let place = Place::new()?;
    let wide = |len: usize| {
        let builder = sharray::AnyPublisher::builder().directory(&place).history(2).slots(3);
        builder.create("wide", &DType::U8, &[len])
    };
    let error = place::refusal(wide((1 << 31) + 1));
    assert!(
        matches!(error, sharray::Error::UnsupportedDtype { .. }) && error.to_string().contains("2147483647"),
        "{error}"
    );
    // Whether there is room for one without padding is another matter.
    if let Err(error) = wide(1 << 50) {
        assert!(matches!(error, sharray::Error::NoSpace { .. }), "{error}");
    }
    Ok(())
}
