//! .npy files, mapped, written whole, and carried into named arrays and back: what is in them is what comes out, and a
//! file that is no whole .npy file is refused before it is used.

#[path = "support/place.rs"]
mod place;

use ndarray::{Array1, Array2, Ix1, Ix2, Ix3, IxDyn, ShapeBuilder, array};
use place::{Outcome, Place, refusal};
use sharray::{AnyArray, AnyMemmap, AnyMode, DType, Error, Mode, Order, SharedArray, memmap, open_npy, save_npy};
use std::fs;
use std::time::{Duration, Instant};

/// A photograph of 600 x 512 pixels, as NumPy saved it.
const PORTRAIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/producer_consumer/portrait.npy");

fn item((i, j): (usize, usize)) -> f64 {
    u32::try_from(i * 10 + j).map_or(f64::NAN, f64::from)
}

/// What `save_npy` writes is what NumPy would have: the photograph comes out byte for byte.
#[test]
fn saved_files_are_those_of_numpy() -> Outcome {
    let place = Place::new()?;
    let path = place.file("portrait.npy");
    let portrait = open_npy::<u8, Ix3>(PORTRAIT)?;
    save_npy(&path, &portrait.view())?;
    assert!(fs::read(&path)? == fs::read(PORTRAIT)?);
    Ok(())
}

/// Arrays in either order, or in neither, come back as they were.
#[test]
fn arrays_come_back_as_they_were() -> Outcome {
    let place = Place::new()?;
    let path = place.file("array.npy");
    let c = Array2::from_shape_fn((3, 4), item);
    save_npy(&path, &c)?;
    assert_eq!((open_npy::<f64, Ix2>(&path)?.view(), open_npy::<f64, Ix2>(&path)?.order()), (c.view(), Order::C));
    let f = Array2::from_shape_fn((3, 4).f(), item);
    save_npy(&path, &f)?;
    assert_eq!(open_npy::<f64, Ix2>(&path)?.order(), Order::Fortran);
    assert_eq!(open_npy::<f64, IxDyn>(&path)?.view(), c.view().into_dyn());
    let every_other = c.slice(ndarray::s![.., ..;2]);
    save_npy(&path, &every_other)?;
    assert_eq!(open_npy::<f64, Ix2>(&path)?.view(), every_other);
    save_npy(&path, &ndarray::arr0(half::bf16::from_f32(1.5)))?;
    assert_eq!(open_npy::<half::bf16, IxDyn>(&path)?.view().first(), Some(&half::bf16::from_f32(1.5)));
    save_npy(&path, &Array2::<i16>::zeros((0, 3)))?;
    assert_eq!(open_npy::<i16, Ix2>(&path)?.view().dim(), (0, 3));
    Ok(())
}

/// Each mode does to a .npy file what it does to a plain one; a new one does not destroy the old for those who have it.
#[test]
fn every_mode_opens_npy_files() -> Outcome {
    let place = Place::new()?;
    let path = place.file("array.npy");
    let mut new = memmap::<i32>(&path).mode(Mode::Write).shape([2, 3]).order(Order::Fortran).open_npy::<Ix2>()?;
    new.view_mut().assign(&array![[1, 2, 3], [4, 5, 6]]);
    assert_eq!(open_npy::<i32, Ix2>(&path)?.view(), new.view());

    let mut edit = memmap::<i32>(&path).mode(Mode::ReadWrite).open_npy::<Ix2>()?;
    edit.view_mut()[[1, 2]] = 60;
    let mut copy = memmap::<i32>(&path).mode(Mode::CopyOnWrite).open_npy::<Ix2>()?;
    copy.view_mut().fill(0);
    assert_eq!(open_npy::<i32, Ix2>(&path)?.view()[[1, 2]], 60);

    let newer = memmap::<f32>(&path).mode(Mode::Write).shape([1]).open_npy::<Ix1>()?;
    assert_eq!(newer.view(), array![0.0]);
    assert_eq!(edit.view(), array![[1, 2, 3], [4, 5, 60]]);
    assert_eq!(AnyMemmap::builder(&path).open_npy()?.dtype(), &DType::F32);
    Ok(())
}

/// What the caller expects and the file is not is an error that tells both, and changes nothing.
#[test]
fn what_a_file_says_is_not_overruled() -> Outcome {
    let place = Place::new()?;
    let path = place.file("array.npy");
    save_npy(&path, &Array2::<f64>::zeros((3, 4)))?;
    let before = fs::read(&path)?;
    let error = refusal(open_npy::<f32, Ix2>(&path));
    assert!(error.to_string().ends_with("is float64 [3, 4], order C, expected float32 of any shape"), "{error}");
    for error in [
        refusal(open_npy::<f64, Ix1>(&path)),
        refusal(memmap::<f64>(&path).shape([4, 3]).open_npy::<Ix2>()),
        refusal(memmap::<f64>(&path).order(Order::Fortran).open_npy::<Ix2>()),
        refusal(memmap::<f64>(&path).shape([3, 4]).mode(Mode::Write).open_npy::<Ix1>()),
    ] {
        assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    }
    let any = || AnyMemmap::builder(&path).mode(AnyMode::Write).shape(&[2]);
    assert!(matches!(refusal(any().offset(64).open_npy()), Error::InvalidArgument { .. }));
    let pair = DType::subarray(DType::F32, &[2])?;
    assert!(matches!(refusal(any().dtype(pair).open_npy()), Error::UnsupportedDtype { .. }));
    assert_eq!(fs::read(&path)?, before);
    Ok(())
}

/// A reader finds the old file or the new one, never one that is being filled; a failure leaves the old one.
#[test]
fn a_new_file_has_its_name_when_it_is_filled() -> Outcome {
    let place = Place::new()?;
    let path = place.file("array.npy");
    save_npy(&path, &array![1.0, 2.0])?;
    let before = fs::read(&path)?;
    let builder = AnyMemmap::builder(&path).mode(Mode::Write).dtype(DType::U8).shape(&[3]);
    let failed = builder.create_npy_with(|m| {
        assert_eq!(fs::read(&path).ok().as_ref(), Some(&before));
        m.view::<f64, Ix1>().map(drop)
    });
    assert!(matches!(failed, Err(Error::Mismatch { .. })), "{failed:?}");
    assert_eq!(fs::read(&path)?, before);

    builder.create_npy_with(|m| m.bytes_mut().map(|bytes| bytes.fill(7)))?;
    assert_eq!(open_npy::<u8, Ix1>(&path)?.view(), array![7, 7, 7]);
    let in_place = builder.mode(Mode::ReadWrite).create_npy_with(|_| Ok(()));
    assert!(matches!(in_place, Err(Error::InvalidArgument { .. })), "{in_place:?}");
    Ok(())
}

/// A .npy file that lost its end is refused in every mode: in `r+` NumPy fills it up with zeros instead.
#[test]
fn truncated_files_are_refused() -> Outcome {
    let place = Place::new()?;
    let path = place.file("array.npy");
    save_npy(&path, &Array1::<f64>::ones(100))?;
    let whole = fs::read(&path)?;
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len])?;
        for mode in [AnyMode::Read, AnyMode::ReadWrite, AnyMode::CopyOnWrite] {
            let error = refusal(AnyMemmap::builder(&path).mode(mode).open_npy());
            let is_told = matches!(error, Error::Truncated { found, expected: 928, .. } if found == len as u64)
                || (len < 128 && matches!(error, Error::InvalidPreamble { .. }));
            assert!(is_told && error.to_string().contains("array.npy"), "{len}: {error}");
        }
        assert_eq!(fs::metadata(&path)?.len(), len as u64);
    }
    Ok(())
}

/// Headers that promise more than there is, or that nest without end, are refused at once and with little memory.
#[test]
fn hostile_headers_are_refused_at_once() -> Outcome {
    let place = Place::new()?;
    let path = place.file("hostile.npy");
    let with_header = |version: u8, len: u32, header: &[u8]| {
        let mut bytes = b"\x93NUMPY".to_vec();
        bytes.extend([version, 0]);
        bytes.extend(&len.to_le_bytes()[..if version == 1 { 2 } else { 4 }]);
        bytes.extend(header);
        bytes
    };
    let told = |descr: &str, shape: &str| {
        let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n");
        with_header(2, header.len() as u32, header.as_bytes())
    };
    let deep = |n: usize| format!("{}{}", "(".repeat(n), ")".repeat(n));
    let cases = [
        ("a header of 4 GiB", with_header(2, u32::MAX, &[b' '; 5000])),
        ("a header of 4 GiB in a long file", with_header(3, u32::MAX, &vec![b' '; 20 << 20])),
        ("a shape that overflows", told("'<f8'", "(4294967296, 4294967296, 4294967296)")),
        ("a shape that overflows beside a zero", told("'<f8'", "(0, 18446744073709551615, 9)")),
        ("a shape of 33 dimensions", told("'<f8'", &format!("({})", "1, ".repeat(33)))),
        ("a negative shape", told("'<f8'", "(-1,)")),
        ("an exabyte", told("'|u1'", "(1152921504606846976,)")),
        ("objects", told("'|O'", "(1,)")),
        ("items of no width", told("'|V0'", "(1,)")),
        ("nesting", told("'<f8'", &deep(500_000))),
        ("nesting in a short file", told("'<f8'", &deep(1000))),
        ("many fields", told(&format!("[{}]", "('a', '<f8'), ".repeat(60_000)), "(1,)")),
        ("no header", Vec::new()),
        ("something else", vec![b'x'; 100_000]),
    ];
    for (what, bytes) in cases {
        fs::write(&path, bytes)?;
        let start = Instant::now();
        for mode in [AnyMode::Read, AnyMode::ReadWrite, AnyMode::CopyOnWrite] {
            let error = refusal(AnyMemmap::builder(&path).mode(mode).open_npy());
            let is_kind = matches!(
                error,
                Error::InvalidPreamble { .. } | Error::UnsupportedDtype { .. } | Error::Truncated { .. }
            );
            assert!(is_kind && error.to_string().contains("hostile.npy"), "{what}: {error}");
            refusal(AnyArray::builder().directory(&place).import_npy("hostile", &path));
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{what} took {:?}", start.elapsed());
    }
    Ok(())
}

/// A .npy file becomes a named array and a .npy file again, byte for byte, with dtype, shape and order.
#[test]
fn named_arrays_come_from_files_and_go_to_files() -> Outcome {
    for place in [Place::new()?, Place::within(std::env::temp_dir())?] {
        let path = place.file("back.npy");
        let mut told = Vec::new();
        let any = AnyArray::builder().directory(&place).blocks(4);
        let any = any.import_npy_with("portrait", PORTRAIT, |done, all| told.push((done, all)))?;
        assert_eq!((any.dtype(), any.shape(), any.sequence()), (&DType::U8, &[600, 512, 3][..], 8));
        assert_eq!(told.last(), Some(&(921_600, 921_600)));
        any.export_npy(&path)?;
        assert!(fs::read(&path)? == fs::read(PORTRAIT)?);
        // Another process may export too, also one that may only read.
        let reader = AnyArray::builder().directory(&place).read_only().attach("portrait")?;
        reader.export_npy(&path)?;
        assert!(fs::read(&path)? == fs::read(PORTRAIT)?);
        let raw = place.file("back.raw");
        reader.export_raw(&raw, |_, _| {})?;
        assert!(fs::read(&raw)? == fs::read(PORTRAIT)?[128..]);

        let again = AnyArray::builder().directory(&place).order(Order::Fortran);
        let again = again.import_raw("raw", PORTRAIT, 128, &DType::U8, &[3, 512, 600], |_, _| {})?;
        let (ours, view) = (again.read()?, any.read()?);
        let ours = ours.view::<u8, Ix3>().ok_or("no view")?;
        assert_eq!(ours.t(), view.view::<u8, Ix3>().ok_or("no view")?);

        let f = Array2::from_shape_fn((3, 4).f(), item);
        save_npy(&path, &f)?;
        let field = SharedArray::<f64, Ix2>::builder().directory(&place).import_npy("field", &path)?;
        assert_eq!((field.order(), field.snapshot()?), (Order::Fortran, f));
        let import = || SharedArray::<f32, Ix2>::builder().directory(&place);
        assert!(matches!(refusal(import().import_npy("other", &path)), Error::Mismatch { .. }));
        assert!(matches!(refusal(import().import_npy("other", place.file("missing"))), Error::Io { .. }));
        let taken = SharedArray::<f64, Ix2>::builder().directory(&place).import_npy("field", &path);
        assert!(matches!(refusal(taken), Error::AlreadyExists { .. }));
        fs::write(&path, &fs::read(&path)?[..200])?;
        assert!(matches!(
            refusal(AnyArray::builder().directory(&place).import_npy("other", &path)),
            Error::Truncated { .. }
        ));
        assert_eq!(place.names()?, ["field", "portrait", "raw"]);
    }
    Ok(())
}

/// The end of an array's own file is a .npy stream: it opens where `Info` says, without this library's protocol.
#[test]
fn the_stream_at_the_end_of_an_array_opens_as_a_file() -> Outcome {
    let place = Place::new()?;
    let field = SharedArray::<f64, Ix2>::builder().directory(&place).create_from("field", &array![[1.0, 2.0]])?;
    let info = place.inspect("field")?;
    let m = memmap::<f64>(&info.path).offset(info.npy_offset).open_npy::<Ix2>()?;
    assert_eq!(m.view(), field.snapshot()?);
    Ok(())
}

/// Structured records with dates, elevations, pictures: through a named array, through a map to be filled, in blocks, they
/// come out byte for byte as NumPy wrote them.
#[test]
fn real_files_come_back_byte_for_byte() -> Outcome {
    let place = Place::new()?;
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let files = fs::read_dir(data)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "npy"));
    let (mut dtypes, back) = (Vec::new(), place.file("back.npy"));
    for path in files.chain([PORTRAIT.into()]) {
        let whole = fs::read(&path)?;
        let map = AnyMemmap::builder(&path).open_npy()?;
        dtypes.push(map.dtype().to_string());

        AnyArray::builder().directory(&place).import_npy("real", &path)?.export_npy(&back)?;
        assert!(fs::read(&back)? == whole, "{path:?}");
        place.unlink("real")?;

        let new = AnyMemmap::builder(&back).mode(AnyMode::Write).dtype(map.dtype().clone()).shape(map.shape());
        let mut new = new.order(map.order()).open_npy()?;
        let row_bytes = map.size_bytes() / map.shape()[0];
        for rows in map.scan(100) {
            let bytes = rows.start * row_bytes..rows.end * row_bytes;
            new.bytes_mut()?[bytes.clone()].copy_from_slice(&map.bytes()[bytes]);
        }
        assert!(fs::read(&back)? == whole, "{path:?}");
    }
    dtypes.sort();
    let prices = "{date: datetime64[D], open: float64, high: float64, low: float64, close: float64, volume: int64, \
                  adj_close: float64}";
    assert_eq!(dtypes, ["int16", "uint16", "uint8", prices]);
    Ok(())
}

/// Files that other programs write are opened as what they are, and come back through a named array with the same items; what
/// we write, they read.
#[test]
fn other_programs_write_and_read_the_same_files() -> Outcome {
    use ndarray_npy::{read_npy, write_npy};
    use npyz::WriterBuilder;

    let place = Place::new()?;
    let (theirs, ours) = (place.file("theirs.npy"), place.file("ours.npy"));
    let carry = || -> Outcome {
        let array = AnyArray::builder().directory(&place).import_npy("carried", &theirs)?;
        array.export_npy(&ours)?;
        let (before, after) = (AnyMemmap::builder(&theirs).open_npy()?, AnyMemmap::builder(&ours).open_npy()?);
        let form = |map: &AnyMemmap| (map.dtype().clone(), map.shape().to_vec(), map.order(), map.bytes().to_vec());
        assert_eq!(form(&before), form(&after));
        // Once in NumPy's own words, it stays byte for byte.
        let first = fs::read(&ours)?;
        place.unlink("carried")?;
        AnyArray::builder().directory(&place).import_npy("carried", &ours)?.export_npy(&theirs)?;
        assert!(fs::read(&theirs)? == first);
        Ok(place.unlink("carried")?)
    };
    for array in [Array2::from_shape_fn((3, 4), item), Array2::from_shape_fn((3, 4).f(), item)] {
        write_npy(&theirs, &array)?;
        assert_eq!(open_npy::<f64, Ix2>(&theirs)?.view(), array);
        carry()?;
        assert_eq!(read_npy::<_, Array2<f64>>(&ours)?, array);
    }
    for order in [npyz::Order::C, npyz::Order::Fortran] {
        let options = npyz::WriteOptions::new().default_dtype().shape(&[2, 3]).order(order);
        let mut writer = options.writer(fs::File::create(&theirs)?).begin_nd()?;
        writer.extend([1_i64, 2, 3, 4, 5, 6])?;
        writer.finish()?;
        let map = open_npy::<i64, Ix2>(&theirs)?;
        assert_eq!(map.order() == Order::C, order == npyz::Order::C);
        carry()?;
        let back = npyz::NpyFile::new(fs::File::open(&ours)?)?;
        assert_eq!((back.shape(), back.order()), (&[2, 3][..], order));
        assert_eq!(back.into_vec::<i64>()?, [1, 2, 3, 4, 5, 6]);
    }
    Ok(())
}
