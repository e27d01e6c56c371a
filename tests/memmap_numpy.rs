//! The table in docs/memmap.md: each row is done by NumPy and by this library, on two copies of the same file, and has to say
//! what came of it. `UPDATE_DOCS=1` writes the table anew.

#[path = "support/place.rs"]
mod place;

use place::{Outcome, Place};
use sharray::{AnyMemmap, AnyMode, DType, Error, Order};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

const MODES: [AnyMode; 4] = [AnyMode::Read, AnyMode::ReadWrite, AnyMode::Write, AnyMode::CopyOnWrite];

/// One call, in each of the modes.
struct Case {
    what: &'static str,
    /// What the file holds; `None` if there is none.
    file: Option<Vec<u8>>,
    is_npy: bool,
    offset: u64,
    shape: Option<&'static [usize]>,
    order: Order,
}

fn raw(what: &'static str, len: Option<u8>, offset: u64, shape: Option<&'static [usize]>, order: Order) -> Case {
    Case { what, file: len.map(|len| (0..len).collect()), is_npy: false, offset, shape, order }
}

fn npy(what: &'static str, file: Vec<u8>) -> Case {
    Case { what, file: Some(file), is_npy: true, offset: 0, shape: None, order: Order::C }
}

/// A .npy file of float64.
fn npy_file(fortran: &str, descr: &str, shape: &str, payload: usize) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(format!("{header:117}\n").bytes());
    bytes.resize(128 + payload, 0);
    bytes
}

fn cases() -> Vec<Case> {
    use Order::{C, Fortran};
    vec![
        raw("no file, shape (3,)", None, 0, Some(&[3]), C),
        raw("empty file, shape (3,)", Some(0), 0, Some(&[3]), C),
        raw("8 bytes, shape (3,)", Some(8), 0, Some(&[3]), C),
        raw("24 bytes, shape (3,)", Some(24), 0, Some(&[3]), C),
        raw("48 bytes, shape (3,)", Some(48), 0, Some(&[3]), C),
        raw("no file, no shape", None, 0, None, C),
        raw("empty file, no shape", Some(0), 0, None, C),
        raw("20 bytes, no shape", Some(20), 0, None, C),
        raw("24 bytes, no shape", Some(24), 0, None, C),
        raw("48 bytes, offset 16, no shape", Some(48), 16, None, C),
        raw("48 bytes, offset 3, shape (2,)", Some(48), 3, Some(&[2]), C),
        raw("48 bytes, offset 48, no shape", Some(48), 48, None, C),
        raw("48 bytes, offset 64, no shape", Some(48), 64, None, C),
        raw("48 bytes, offset 64, shape (1,)", Some(48), 64, Some(&[1]), C),
        raw("48 bytes, shape (2, 3)", Some(48), 0, Some(&[2, 3]), C),
        raw("48 bytes, shape (2, 3), order F", Some(48), 0, Some(&[2, 3]), Fortran),
        raw("48 bytes, shape ()", Some(48), 0, Some(&[]), C),
        raw("48 bytes, shape (0, 4)", Some(48), 0, Some(&[0, 4]), C),
        raw("empty file, shape (0, 4)", Some(0), 0, Some(&[0, 4]), C),
        raw("empty file, shape (2**62, 4)", Some(0), 0, Some(&[1 << 62, 4]), C),
        npy(".npy of (2, 3)", npy_file("False", "<f8", "(2, 3)", 48)),
        npy(".npy of (2, 3) in order F", npy_file("True", "<f8", "(2, 3)", 48)),
        npy(".npy of (2, 3), longer than it says", npy_file("False", "<f8", "(2, 3)", 50)),
        npy(".npy of (2, 3), a byte too short", npy_file("False", "<f8", "(2, 3)", 47)),
        npy(".npy of (0, 3)", npy_file("False", "<f8", "(0, 3)", 0)),
        npy(".npy of objects", npy_file("False", "|O", "(2,)", 16)),
        npy(".npy with half a header", npy_file("False", "<f8", "(2, 3)", 0)[..60].to_vec()),
        npy("no .npy file", b"something else, and long enough".to_vec()),
    ]
}

/// Where the array ends in the file, as NumPy reckons.
fn end_of(case: &Case) -> u64 {
    let items = |shape: &[usize]| shape.iter().fold(8, |bytes: u64, n| bytes.wrapping_mul(*n as u64));
    match (case.shape, &case.file) {
        (Some(shape), _) => case.offset + items(shape),
        (None, Some(file)) => file.len() as u64,
        (None, None) => u64::MAX,
    }
}

/// As NumPy's `repr` of a tuple.
fn tuple(numbers: &[usize]) -> String {
    match numbers {
        [only] => format!("({only},)"),
        _ => format!("({})", numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// The name of its variant, and what the system said.
fn kind_of(error: &Error) -> String {
    match error {
        Error::Io { source, .. } => format!("`Io` ({:?})", source.kind()),
        other => {
            let text = format!("{other:?}");
            format!("`{}`", text.split([' ', '{', '(']).next().unwrap_or_default())
        }
    }
}

fn ours(case: &Case, mode: AnyMode, path: &Path) -> String {
    let mut builder = AnyMemmap::builder(path).mode(mode).offset(case.offset);
    if let Some(shape) = case.shape {
        builder = builder.shape(shape);
    }
    let opened = if case.is_npy { builder.open_npy() } else { builder.dtype(DType::F64).order(case.order).open() };
    let outcome = match opened {
        Ok(map) if map.shape().len() > 1 && map.size_bytes() > 0 => {
            format!("`{}`, strides `{}`", tuple(map.shape()), tuple(map.strides()))
        }
        Ok(map) => format!("`{}`", tuple(map.shape())),
        Err(error) => kind_of(&error),
    };
    fs::metadata(path).map_or_else(|_| outcome.clone(), |meta| format!("{outcome}; {}", meta.len()))
}

/// Does all cases in a fresh folder: for each and each mode, what NumPy came to and what we did.
fn outcomes(cases: &[Case]) -> Fallible<(String, Vec<[String; 2]>)> {
    let place = Place::new()?;
    let (mut lines, mut all_ours) = (String::new(), Vec::new());
    for (index, (case, mode)) in cases.iter().flat_map(|case| MODES.map(|mode| (case, mode))).enumerate() {
        let (theirs, own) = (place.file(&format!("{index}.numpy")), place.file(&format!("{index}.ours")));
        if let Some(bytes) = &case.file {
            fs::write(&theirs, bytes)?;
            fs::write(&own, bytes)?;
        }
        let kind = if case.is_npy { "npy" } else { "raw" };
        let order = if case.order == Order::C { "C" } else { "F" };
        let shape = case.shape.map_or_else(|| "None".to_owned(), tuple);
        writeln!(lines, "({index}, '{kind}', '{mode}', 'f8', {}, {shape}, '{order}')", case.offset)?;
        all_ours.push(ours(case, mode, &own));
    }
    fs::write(place.file("cases"), lines)?;
    let output = python().arg("table").arg(place.path()).stderr(Stdio::inherit()).output()?;
    let printed = String::from_utf8(output.stdout)?;
    let (version, theirs) = printed.split_once('\n').ok_or("it printed nothing")?;
    let theirs: Vec<_> = theirs.lines().map(str::to_owned).collect();
    assert_eq!(theirs.len(), all_ours.len(), "{printed}");
    Ok((version.to_owned(), theirs.into_iter().zip(all_ours).map(|(theirs, ours)| [theirs, ours]).collect()))
}

fn python() -> Command {
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/memmap_compare.py"));
    command
}

/// The rows of a case: modes in which both come to the same are in one.
fn rows(case: &Case, outcomes: &[[String; 2]]) -> String {
    let mut rows: Vec<(Vec<&str>, &[String; 2])> = Vec::new();
    for (mode, outcome) in MODES.iter().zip(outcomes) {
        match rows.iter_mut().find(|(_, other)| *other == outcome) {
            Some((modes, _)) => modes.push(mode.letters()),
            None => rows.push((vec![mode.letters()], outcome)),
        }
    }
    let row = |(modes, [theirs, ours]): (Vec<&str>, &[String; 2])| {
        let ours = if ours == theirs { "the same" } else { ours };
        format!("| {} | {} | {theirs} | {ours} |\n", case.what, modes.join(", "))
    };
    rows.into_iter().map(row).collect()
}

/// Every row of the table is what happens.
#[test]
#[ignore = "needs Python with NumPy: PYTHON=..."]
fn the_table_tells_what_happens() -> Outcome {
    const START: &str = "| file and call | mode | `np.memmap` | sharray |\n|---|---|---|---|\n";
    let cases = cases();
    let (version, outcomes) = outcomes(&cases)?;
    let table: String = cases.iter().zip(outcomes.chunks(MODES.len())).map(|(case, each)| rows(case, each)).collect();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/memmap.md");
    let text = fs::read_to_string(&path)?;
    let (before, rest) = text.split_once(START).ok_or("docs/memmap.md has no table")?;
    let end = rest.find("\n\n").map_or(rest.len(), |at| at + 1);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, [before, START, &table, &rest[end..]].concat())?;
        return Ok(());
    }
    let told = &rest[..end];
    let (major, minor) = version.split_once('.').ok_or("no version")?;
    if (major.parse::<u32>()?, minor.parse::<u32>()?) < (2, 3) {
        // NumPy learned to map nothing in 2.3: of that the table tells what newer ones do.
        let known = cases.iter().zip(outcomes.chunks(MODES.len())).filter(|(case, _)| end_of(case) > 0);
        for (case, each) in known {
            assert!(told.contains(&rows(case, each)), "{} with NumPy {version}: {each:?}", case.what);
        }
        return Ok(());
    }
    assert_eq!(told, table, "UPDATE_DOCS=1 writes the table anew");
    Ok(())
}

/// A process reads a file that it has mapped while it is replaced by a shorter one. Where NumPy replaces it, it dies of SIGBUS;
/// where we do, it goes on with the file it has.
#[test]
#[ignore = "needs Python with NumPy: PYTHON=..."]
fn numpy_kills_those_who_have_the_old_file() -> Outcome {
    const BYTES: usize = 1 << 20;
    let place = Place::new()?;
    let path = place.file("data.dat");
    let outcome = |replace: &dyn Fn() -> Outcome| -> Fallible<_> {
        fs::write(&path, vec![1; BYTES])?;
        let mut holder = python().arg("hold").arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(holder.stdout.take().ok_or("no stdout")?).lines();
        assert_eq!(lines.next().ok_or("it said nothing")??, "mapped");
        replace()?;
        writeln!(holder.stdin.take().ok_or("no stdin")?)?;
        let said = lines.next().transpose()?;
        Ok((said, holder.wait()?.signal()))
    };
    let by_numpy = outcome(&|| {
        let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
        let call = "import numpy, sys; numpy.memmap(sys.argv[1], 'u1', 'w+', shape=(10,))";
        place::run(Command::new(python).args(["-c", call]).arg(&path))
    })?;
    assert_eq!(by_numpy, (None, Some(7)), "SIGBUS");
    let by_us = outcome(&|| {
        drop(sharray::memmap::<u8>(&path).mode(sharray::Mode::Write).shape([10]).open()?);
        Ok(())
    })?;
    assert_eq!(by_us, (Some(format!("sum {BYTES}")), None));
    assert_eq!(fs::read(&path)?, [0; 10]);
    Ok(())
}
