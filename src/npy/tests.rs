//! Preambles against hostile bytes, there and back, and against NumPy itself where there is one.

use super::*;
use crate::dtype::tests::{NUMPY_DESCRS, any_dtype};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use std::fs;
use std::path::Path;
use std::process::Command;

fn preamble(descr: &str, order: Order, shape: &[usize]) -> Result<Preamble> {
    Ok(Preamble { dtype: DType::parse(descr)?, order, shape: shape.to_vec() })
}

fn v1(header: &str) -> Vec<u8> {
    let len = u16::try_from(header.len()).unwrap_or(u16::MAX).to_le_bytes();
    [MAGIC, &[1, 0], &len, header.as_bytes()].concat()
}

fn refusal(bytes: &[u8]) -> String {
    Preamble::parse(bytes).map_or_else(|error| error.to_string(), |found| format!("no error but {found:?}"))
}

fn any_order() -> impl Strategy<Value = Order> {
    prop_oneof![Just(Order::C), Just(Order::Fortran)]
}

fn any_preamble() -> impl Strategy<Value = Preamble> {
    (any_dtype(), any_order(), prop::collection::vec(0..5_usize, 0..5)).prop_map(|(dtype, order, shape)| Preamble {
        dtype,
        order,
        shape,
    })
}

/// A frame, a number of slots and a stride that holds it: none spare, a line, or as it comes.
fn any_slots() -> impl Strategy<Value = (Preamble, usize, usize)> {
    (any_preamble(), 1..5_usize, prop::sample::select(&[1, 128, 4096])).prop_map(|(frame, nslots, align)| {
        let size_bytes = checked_size_bytes(&frame.shape, frame.dtype.itemsize()).unwrap_or(0);
        (frame, nslots, size_bytes.next_multiple_of(align).max(if align == 128 { 128 } else { 0 }))
    })
}

/// What a header can tell of a frame: small floats are bytes in it.
fn as_header_says(frame: Preamble) -> Result<Preamble> {
    Ok(Preamble { dtype: DType::from_literal(&literal(&frame.dtype.descr())?)?, ..frame })
}

fn literal(text: &str) -> Result<Literal> {
    Literal::parse(text).map_err(|error| Error::InvalidPreamble { reason: error.to_string() })
}

#[test]
fn a_preamble_is_numpys_byte_for_byte() -> Result<()> {
    // As np.save writes it, but for the spaces that it leaves for an array to grow.
    let array = preamble("<f4", Order::C, &[2, 3])?;
    assert_eq!(array.min_len(), 128);
    let bytes = array.to_bytes(128)?;
    assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
    assert_eq!(bytes[10..].trim_ascii_end(), b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
    assert!(bytes.ends_with(b" \n"));
    Ok(())
}

#[test]
fn any_length_is_filled_and_read_back() -> Result<()> {
    let array = preamble("[('日', '<f4')]", Order::Fortran, &[7])?;
    let least = array.header_text().len() + 13;
    assert!(array.to_bytes(least - 1).is_err());
    for len in [least, least + 1, 4096, 70_000] {
        assert_eq!(Preamble::parse(&array.to_bytes(len)?)?, (array.clone(), len));
    }
    assert!(array.to_bytes(0).is_err());
    assert!(array.to_bytes(MAX_HEADER_LEN + 13).is_err());
    Ok(())
}

#[test]
fn the_version_is_the_oldest_that_can_tell_it() -> Result<()> {
    let named = |name: &str| {
        let array = preamble("u1", Order::C, &[1])?;
        let dtype = DType::structured([(name, DType::U8)])?;
        let array = Preamble { dtype, ..array };
        let bytes = array.to_bytes(array.min_len())?;
        assert_eq!(bytes.len() % 64, 0);
        assert_eq!(Preamble::parse(&bytes)?.0, array);
        Ok::<_, Error>(bytes[6])
    };
    assert_eq!(named("a")?, 1);
    assert_eq!(named("é")?, 1);
    assert_eq!(named(&"é".repeat(65_400))?, 1);
    assert_eq!(named(&"é".repeat(65_536))?, 2);
    assert_eq!(named("日")?, 3);
    // The text fits version 1.0 but its padding does not.
    for spare in (0..160).step_by(5) {
        named(&"a".repeat(65_535 - spare))?;
    }
    Ok(())
}

#[test]
fn what_python_allows_between_the_words_is_read() -> Result<()> {
    let expected = preamble("<f4", Order::Fortran, &[3])?;
    for header in [
        "{'descr': '<f4', 'fortran_order': True, 'shape': (3,), }\n",
        "{'shape':(3,),'fortran_order':True,'descr':'<f4'}",
        "  {\n\t\"shape\" : ( 3 , ) , 'descr' : ('<f4') , \"fortran_order\" : (True) , }  \n",
    ] {
        assert_eq!(Preamble::parse(&v1(header))?, (expected.clone(), 10 + header.len()));
    }
    Ok(())
}

/// NumPy has no name for the small floats of `ml_dtypes` in a header, but where that is imported it understands one.
#[test]
fn a_small_float_is_understood_by_name_and_written_as_its_bytes() -> Result<()> {
    for (named, written) in [("'bfloat16'", "'<V2'"), ("[('x', 'bfloat16')]", "[('x', '<V2')]")] {
        let header = |descr| format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (3,), }}");
        let (preamble, _) = Preamble::parse(&v1(&header(named)))?;
        assert!(preamble.dtype.npy_attribute().is_some(), "{named}");
        let (again, _) = Preamble::parse(&preamble.to_bytes(preamble.min_len())?)?;
        assert_eq!(again, Preamble::parse(&v1(&header(written)))?.0);
    }
    Ok(())
}

#[test]
fn anything_else_is_refused_with_a_reason() {
    for (header, reason) in [
        ("", "expected a value"),
        ("[]", "not a dictionary"),
        ("{}", "missing"),
        ("{'descr': '<f4', 'fortran_order': True}", "missing"),
        ("{'descr': '<f4', 'fortran_order': True, 'shape': (3,), 'more': 1}", "a key that is not"),
        ("{'descr': '<f4', 'fortran_order': 1, 'shape': (3,)}", "neither True nor False"),
        ("{'descr': '<f4', 'fortran_order': True, 'shape': 3}", "not a tuple"),
        ("{'descr': '<f4', 'fortran_order': True, 'shape': [3]}", "not a tuple"),
        ("{'descr': '<f4', 'fortran_order': True, 'shape': (True,)}", "whole numbers"),
        ("{'descr': '<f4', 'fortran_order': True, 'shape': (-3,)}", "expected a value"),
        ("{'descr': '<f4', 'fortran_order': True, 'shape': (3L,)}", "expected a whole number"),
        ("{'shape': (3,), 'descr': '<f4', 'shape': (3,), 'fortran_order': True}", "told twice"),
        ("{'descr': '|O', 'fortran_order': True, 'shape': (3,)}", "an object is an address"),
        ("{'descr': ('<f4', (2,)), 'fortran_order': True, 'shape': (3,)}", "a sub-array is the dtype of a field"),
        ("{'descr': '<f8', 'fortran_order': True, 'shape': (0, 2305843009213693952)}", "too large"),
        ("{'descr': '<f4', 'fortran_order': True, 'shape': (3,)}\0", "expected the end"),
    ] {
        let message = refusal(&v1(header));
        assert!(message.contains(reason), "{header}: {message}");
    }
    let dims = format!("{{'descr': '<f4', 'fortran_order': True, 'shape': ({})}}", "1, ".repeat(34));
    assert!(refusal(&v1(&dims)).contains("34 dimensions"));
}

#[test]
fn prefixes_that_are_not_npy_are_refused() {
    for (bytes, reason) in [
        (&b""[..], "does not start with"),
        (b"PK\x03\x04", "does not start with"),
        (b"\x93NUMPY", "ends before its length"),
        (b"\x93NUMPY\x01\x00\x10", "ends before its length"),
        (b"\x93NUMPY\x02\x00\x10\x00\x00", "ends before its length"),
        (b"\x93NUMPY\x04\x00\x10\x00\x00\x00", "version is 4.0, expected"),
        (b"\x93NUMPY\x01\x01\x10\x00", "version is 1.1, expected"),
        (b"\x93NUMPY\x01\x00\x10\x00{}", "ends at byte 26, but there are 12 bytes"),
        (b"\x93NUMPY\x03\x00\xff\xff\xff\xff", "the most is"),
        (b"\x93NUMPY\x03\x00\x01\x00\x00\x00\xff", "utf-8"),
    ] {
        let message = refusal(bytes);
        assert!(message.contains(reason), "{bytes:?}: {message}");
    }
}

#[test]
fn slots_are_told_in_three_ways() -> Result<()> {
    let told = |descr: &str, order, shape: &[usize], nslots, stride| {
        let slots = preamble(descr, order, shape)?.of_slots(nslots, stride)?;
        assert_eq!(slots.to_frame(nslots, stride)?, preamble(descr, order, shape)?);
        Ok::<_, Error>((slots.dtype.descr(), slots.shape))
    };
    let of = |descr: &str, shape: &[usize]| (descr.to_owned(), shape.to_vec());
    let (c, f) = (Order::C, Order::Fortran);

    assert_eq!(told("f4", c, &[2, 3], 1, 128)?, of("'<f4'", &[2, 3]));
    assert_eq!(told("f4", c, &[2, 32], 5, 256)?, of("'<f4'", &[5, 2, 32]));
    assert_eq!(told("f4", f, &[2, 32], 5, 256)?, of("'<f4'", &[2, 32, 5]));
    assert_eq!(told("f4", c, &[2, 3], 5, 128)?, of("[('frame', '<f4', (2, 3)), ('', '|V104')]", &[5]));
    assert_eq!(told("f4", f, &[2, 3], 5, 128)?, of("[('frame', '<f4', (3, 2)), ('', '|V104')]", &[5]));
    assert_eq!(told("f4", c, &[], 5, 128)?, of("[('frame', '<f4'), ('', '|V124')]", &[5]));
    assert_eq!(told("f4", c, &[2, 0], 5, 0)?, of("'<f4'", &[5, 2, 0]));
    assert_eq!(told("f4", f, &[2, 0], 5, 128)?, of("[('frame', '<f4', (0, 2)), ('', '|V128')]", &[5]));
    assert_eq!(
        told("[('x', '<f4'), ('y', '|u1')]", c, &[2], 5, 128)?,
        of("[('frame', [('x', '<f4'), ('y', '|u1')], (2,)), ('', '|V118')]", &[5])
    );
    Ok(())
}

#[test]
fn a_dtype_that_looks_like_a_padded_slot_is_still_recovered() -> Result<()> {
    let frame = preamble("[('frame', '<f4', (2,)), ('', '|V120')]", Order::C, &[])?;
    let slots = frame.of_slots(3, 128)?;
    assert_eq!(slots.dtype.descr(), "[('frame', [('frame', '<f4', (2,)), ('', '|V120')])]");
    assert_eq!(slots.to_frame(3, 128)?, frame);
    assert_eq!(frame.of_slots(1, 128)?.to_frame(1, 128)?, frame);
    Ok(())
}

#[test]
fn slots_that_do_not_fit_are_refused() -> Result<()> {
    let frame = preamble("f4", Order::C, &[2, 3])?;
    assert!(frame.of_slots(0, 128).is_err());
    assert!(frame.of_slots(2, 23).is_err());
    assert!(frame.of_slots(usize::MAX, 24).is_err());
    let slots = frame.of_slots(5, 128)?;
    for (nslots, stride) in [(4, 128), (5, 256), (5, 24), (1, 128), (0, 128), (0, 0), (5, 0)] {
        assert!(slots.to_frame(nslots, stride).is_err(), "{nslots} every {stride}");
    }
    let items = Preamble { dtype: DType::subarray(DType::F32, &[3])?, order: Order::C, shape: vec![2] };
    assert!(items.of_slots(2, 128).is_err());
    // One item of NumPy's is 2 GiB at most; slots without padding are not items.
    let large = preamble("u1", Order::C, &[3 << 30])?;
    assert!(large.of_slots(2, (3 << 30) + 128).is_err());
    assert!(large.of_slots(2, 3 << 30).is_ok());
    let many = preamble("u1", Order::C, &[1; MAX_NDIM])?;
    assert_eq!(many.of_slots(2, 1)?.to_frame(2, 1)?, many);
    assert!(many.of_slots(2, 1)?.to_frame(1, 2).is_err());
    Ok(())
}

proptest! {
    #[test]
    fn what_is_written_is_read(array in any_preamble(), spare in 0..300_usize) {
        let len = array.min_len() + spare;
        let (read, read_len) = Preamble::parse(&array.to_bytes(len)?)?;
        prop_assert_eq!(read_len, len);
        prop_assert_eq!(read, as_header_says(array)?);
    }

    #[test]
    fn frames_are_found_in_slots((frame, nslots, stride) in any_slots()) {
        let slots = frame.of_slots(nslots, stride)?;
        prop_assert_eq!(&slots.to_frame(nslots, stride)?, &frame);
        let (read, _) = Preamble::parse(&slots.to_bytes(slots.min_len())?)?;
        prop_assert_eq!(read.to_frame(nslots, stride)?, as_header_says(frame)?);
    }

    #[test]
    fn changed_bytes_never_panic(
        array in any_preamble(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        nslots in 0..4_usize,
    ) {
        let mut bytes = array.to_bytes(array.min_len())?;
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            // Half of the changes are made of the words that mean something here.
            bytes[index] = if byte < 128 { b"{}[](),:'\"\\0123456789<>|fuiSUVMmTFalse "[usize::from(byte) % 37] } else { byte };
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok((read, len)) = Preamble::parse(&bytes) {
            prop_assert!(len <= bytes.len());
            let again = Preamble::parse(&read.to_bytes(read.min_len())?)?;
            prop_assert_eq!(&again.0, &read);
            let _ = read.to_frame(nslots, 128);
        }
    }

    #[test]
    fn random_bytes_never_panic(version in 0..5_u8, rest in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Preamble::parse(&[MAGIC, &[version, 0], &rest].concat());
    }
}

/// Runs the script beside this file with the Python that `PYTHON` names.
fn python(verb: &str, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/npy_compare.py");
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let output = Command::new(python).arg(script).arg(verb).arg(folder).output()?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}

fn fresh_folder(name: &str) -> std::io::Result<std::path::PathBuf> {
    let folder = std::env::temp_dir().join(format!("sharray-npy-{name}-{}", std::process::id()));
    fs::create_dir(&folder)?;
    Ok(folder)
}

/// Every dtype of the table and a few hundred random ones, as frames in one slot or several: NumPy must find each frame's bytes.
#[test]
#[ignore = "needs Python with NumPy and ml_dtypes: PYTHON=..."]
fn numpy_reads_what_is_written() -> Result<(), Box<dyn std::error::Error>> {
    let mut cases = Vec::new();
    for (descr, _) in NUMPY_DESCRS {
        for (order, shape) in
            [(Order::C, &[][..]), (Order::C, &[2, 3]), (Order::Fortran, &[2, 3]), (Order::Fortran, &[4, 0])]
        {
            let frame = preamble(descr.trim_matches('\''), order, shape)?;
            let size = checked_size_bytes(shape, frame.dtype.itemsize())?;
            cases.extend(
                [(1, size), (3, size), (3, size + 128)].map(|(nslots, stride)| (frame.clone(), nslots, stride)),
            );
        }
    }
    let mut runner = TestRunner::deterministic();
    for _ in 0..300 {
        cases.push(any_slots().new_tree(&mut runner).map_err(|reason| reason.to_string())?.current());
    }

    let folder = fresh_folder("ours")?;
    let mut list = Vec::new();
    for (index, (frame, nslots, stride)) in cases.iter().enumerate() {
        let slots = frame.of_slots(*nslots, *stride)?;
        let mut bytes = slots.to_bytes(slots.min_len())?;
        bytes.extend((0..nslots * stride).map(|i| u8::try_from(i * i % 251).unwrap_or(0)));
        fs::write(folder.join(format!("{index}.npy")), bytes)?;
        let fortran = if frame.order == Order::Fortran { "True" } else { "False" };
        let (descr, shape) = (frame.dtype.descr(), tuple(&frame.shape));
        let attribute = frame.dtype.npy_attribute().map_or("None".into(), |text| crate::dtype::literal::repr(&text));
        list.push(format!("({index}, {descr}, {attribute}, {fortran}, {shape}, {nslots}, {stride})"));
    }
    fs::write(folder.join("cases"), list.join("\n"))?;
    python("check", &folder)?;
    Ok(fs::remove_dir_all(folder)?)
}

/// What `np.save` writes for the script's dtypes must be read, and be written again in the same words.
#[test]
#[ignore = "needs Python with NumPy and ml_dtypes: PYTHON=..."]
fn what_numpy_writes_is_read() -> Result<(), Box<dyn std::error::Error>> {
    let folder = fresh_folder("theirs")?;
    python("write", &folder)?;
    let mut files = 0;
    for entry in fs::read_dir(&folder)? {
        let bytes = fs::read(entry?.path())?;
        let (array, len) = Preamble::parse(&bytes)?;
        let ours = array.to_bytes(len)?;
        assert_eq!(String::from_utf8_lossy(&bytes[..len]), String::from_utf8_lossy(&ours), "{array:?}");
        files += 1;
    }
    assert!(files > 300, "{files} files");
    Ok(fs::remove_dir_all(folder)?)
}
