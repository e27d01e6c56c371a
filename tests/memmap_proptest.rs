//! Random shapes, orders, offsets and slices: a mapped file shows what ndarray shows of the same bytes.

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, ShapeBuilder, Slice};
use proptest::prelude::*;
use sharray::{AnyMemmap, AnyMode, DType, Element, Mode, Order, memmap, open_npy, save_npy};
use std::fs;

type Outcome = Result<(), TestCaseError>;

fn failed(error: impl std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

/// Few dimensions with few items each, zero and one among them.
fn shapes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0_usize..6, 0..5)
}

fn orders() -> impl Strategy<Value = Order> {
    prop_oneof![Just(Order::C), Just(Order::Fortran)]
}

/// The array that ndarray makes of the same items.
fn model<T: Element>(items: &[T], shape: &[usize], order: Order) -> ArrayD<T> {
    ArrayD::from_shape_vec(IxDyn(shape).set_f(order == Order::Fortran), items.to_vec())
        .expect("as many items as places")
}

fn items<T: Element>(bytes: &[u8], count: usize) -> Vec<T> {
    bytemuck::pod_collect_to_vec(&bytes[..count * size_of::<T>()])
}

/// Writes a header of `offset` bytes and the items, and compares every way to look at them with ndarray's.
fn check<T: Element + PartialEq>(shape: &[usize], order: Order, offset: usize, bytes: &[u8]) -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("data");
    let count = shape.iter().product::<usize>();
    let expected = model::<T>(&items(bytes, count), shape, order);
    fs::write(&path, [&vec![0xee; offset], &bytes[..count * size_of::<T>()]].concat())?;

    let any = AnyMemmap::builder(&path).dtype(T::dtype()).offset(offset as u64).shape(shape).order(order);
    let map = any.open().map_err(failed)?;
    prop_assert_eq!(map.shape(), shape);
    let is_same = |view: ArrayViewD<'_, T>| view == expected;
    prop_assert!(is_same(map.to_array::<T, IxDyn>().map_err(failed)?.view()));
    let typed = memmap::<T>(&path).offset(offset as u64).order(order).shape(shape.to_vec()).open();
    let is_aligned = offset % align_of::<T>() == 0 || count == 0;
    prop_assert_eq!(typed.is_ok(), is_aligned, "{:?}", typed.err());
    if !is_aligned {
        return Ok(());
    }
    prop_assert!(is_same(map.view().map_err(failed)?));
    if count > 0 {
        let view = map.view::<T, IxDyn>().map_err(failed)?;
        let strides: Vec<usize> = view.strides().iter().map(|stride| stride.unsigned_abs() * size_of::<T>()).collect();
        prop_assert_eq!(&strides, map.strides());
        prop_assert_eq!(view.strides(), expected.strides());
    }
    check_slices(&map, &expected)?;
    check_npy(&path, &expected)
}

/// Any part of the view is the same part of ndarray's array, and the chunks are what ndarray's chunks are.
fn check_slices<T: Element + PartialEq>(map: &AnyMemmap, expected: &ArrayD<T>) -> Outcome {
    let view = map.view::<T, IxDyn>().map_err(failed)?;
    for (axis, &len) in expected.shape().iter().enumerate() {
        for slice in [Slice::from(0..len / 2), Slice::from(..).step_by(2), Slice::from(..).step_by(-1)] {
            prop_assert!(view.slice_axis(Axis(axis), slice) == expected.slice_axis(Axis(axis), slice));
        }
    }
    if !expected.shape().is_empty() {
        let rows: Vec<usize> = map.scan(2).flatten().collect();
        prop_assert_eq!(rows, (0..expected.len_of(Axis(0))).collect::<Vec<_>>());
    }
    Ok(())
}

/// Saved, mapped in each mode, and saved again, it is the same file.
fn check_npy<T: Element + PartialEq>(path: &std::path::Path, expected: &ArrayD<T>) -> Outcome {
    save_npy(path, expected).map_err(failed)?;
    let saved = fs::read(path)?;
    prop_assert!(open_npy::<T, IxDyn>(path).map_err(failed)?.view() == *expected);
    for mode in [AnyMode::ReadWrite, AnyMode::CopyOnWrite] {
        let mut map = AnyMemmap::builder(path).mode(mode).open_npy().map_err(failed)?;
        let mut view = map.view_mut::<T, IxDyn>().map_err(failed)?;
        prop_assert!(view == *expected);
        view.fill(T::zeroed());
        view.assign(expected);
        prop_assert!(fs::read(path)? == saved);
    }
    let mut new = memmap::<T>(path)
        .mode(Mode::Write)
        .shape(expected.shape().to_vec())
        .order(if expected.is_standard_layout() { Order::C } else { Order::Fortran })
        .open_npy::<IxDyn>()
        .map_err(failed)?;
    new.view_mut().assign(expected);
    prop_assert!(fs::read(path)? == saved);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn maps_show_what_ndarray_shows(
        shape in shapes(),
        order in orders(),
        offset in prop_oneof![0_usize..64, 4090_usize..4104],
        bytes in prop::collection::vec(any::<u8>(), 625 * 4..=625 * 4),
    ) {
        check::<u8>(&shape, order, offset, &bytes)?;
        check::<i16>(&shape, order, offset, &bytes)?;
        check::<u32>(&shape, order, offset, &bytes)?;
    }

    /// Whatever the bytes of a .npy header are: an array or an error, never a panic; and what is accepted is in the file.
    #[test]
    fn any_bytes_are_an_array_or_an_error(
        start in prop_oneof![Just(&b"\x93NUMPY\x01\x00"[..]), Just(&b"\x93NUMPY\x02\x00"[..]), Just(&b""[..])],
        text in "[ -~]{0,80}",
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("any.npy");
        fs::write(&path, [start, &[80, 0, 0], text.as_bytes(), &bytes].concat())?;
        if let Ok(map) = AnyMemmap::builder(&path).open_npy() {
            prop_assert_eq!(map.bytes().len(), map.size_bytes());
        }
        let raw = AnyMemmap::builder(&path).dtype(DType::F64).offset(3).open();
        prop_assert_eq!(raw.is_ok(), (fs::metadata(&path)?.len() - 3) % 8 == 0);
    }
}
