//! Random dtypes, shapes, orders, offsets and slices: what a map shows is what NumPy shows of the same file, and .npy files
//! that either writes are the same array for the other.

use half::f16;
use ndarray::{ArrayViewD, IxDyn, SliceInfoElem};
use num_complex::Complex;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseResult, TestRunner};
use sharray::{AnyMemmap, Element, Order, open_npy};
use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// A process that looks into the same folder with NumPy.
struct Numpy {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Numpy {
    fn start(folder: &Path) -> Outcome<Self> {
        let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/memmap_compare.py");
        let mut command = Command::new(python);
        command.arg(script).arg("slices").arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let questions = child.stdin.take().ok_or("no stdin")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        Ok(Self { child, questions, answers })
    }

    /// The shape and the items, in C order, of a slice of an array in a file.
    fn ask(&mut self, question: &str) -> Outcome<String> {
        writeln!(self.questions, "{question}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer.trim_end().to_owned())
    }
}

impl Drop for Numpy {
    fn drop(&mut self) {
        // Fails only if it has ended.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// A part of one axis: an index, or between where, and by what step; no further than the axis goes.
#[derive(Clone, Debug)]
enum Cut {
    At(isize),
    Between(isize, isize, isize),
}

#[derive(Clone, Debug)]
struct Case {
    dtype: usize,
    shape: Vec<usize>,
    order: Order,
    offset: usize,
    cuts: Vec<Cut>,
    seed: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let cut = prop_oneof![
        1 => (0_isize..6).prop_map(Cut::At),
        4 => (0_isize..7, 0_isize..7, prop_oneof![-3_isize..0, 1_isize..4])
            .prop_map(|(a, b, step)| Cut::Between(a, b, step)),
    ];
    let shape = prop::collection::vec(0_usize..7, 0..5);
    let cuts = prop::collection::vec(cut, 5);
    let offset = prop_oneof![0_usize..40, 4090_usize..4104];
    let order = prop_oneof![Just(Order::C), Just(Order::Fortran)];
    (0..CHECKS.len(), shape, order, offset, cuts, any::<u64>())
        .prop_map(|(dtype, shape, order, offset, cuts, seed)| Case { dtype, shape, order, offset, cuts, seed })
}

/// The same cuts for ndarray, and for NumPy.
fn parts(case: &Case) -> (Vec<SliceInfoElem>, String) {
    let (mut ours, mut theirs) = (Vec::new(), String::from("["));
    for (cut, len) in case.cuts.iter().zip(&case.shape) {
        let len = isize::try_from(*len).unwrap_or(isize::MAX);
        let (elem, text) = match *cut {
            Cut::At(index) if len > 0 => {
                (SliceInfoElem::Index(index.min(len - 1)), format!("{}, ", index.min(len - 1)))
            }
            Cut::At(_) => (SliceInfoElem::Slice { start: 0, end: None, step: 1 }, "(0, None, 1), ".to_owned()),
            Cut::Between(a, b, step) => {
                let (start, end) = (a.min(b).min(len), a.max(b).min(len));
                (SliceInfoElem::Slice { start, end: Some(end), step }, format!("({start}, {end}, {step}), "))
            }
        };
        ours.push(elem);
        theirs.push_str(&text);
    }
    (ours, theirs + "]")
}

fn tuple(shape: &[usize]) -> String {
    shape.iter().fold("(".to_owned(), |text, n| format!("{text}{n}, ")) + ")"
}

/// As NumPy answers.
fn answer<T: Element>(part: &ArrayViewD<'_, T>) -> String {
    let mut text = match part.shape() {
        [only] => format!("({only},)|"),
        shape => format!("({})|", shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    };
    for item in part {
        for byte in bytemuck::bytes_of(item) {
            _ = write!(text, "{byte:02x}");
        }
    }
    text
}

fn check<T: Element>(case: &Case, folder: &Path, numpy: &mut Numpy) -> Outcome {
    let path = folder.join("data");
    let count = case.shape.iter().product::<usize>() * size_of::<T>();
    // Any bytes are a value, and each is another one.
    let items =
        (0..count as u64).map(|at| (at.wrapping_add(case.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8);
    // NumPy maps nothing of an empty file.
    fs::write(&path, vec![0xee; case.offset].into_iter().chain(items).chain([0xee]).collect::<Vec<u8>>())?;

    let builder = AnyMemmap::builder(&path).dtype(T::dtype()).offset(case.offset as u64).shape(&case.shape);
    let map = builder.order(case.order).open()?;
    let (ours, theirs) = parts(case);
    let letter = if case.order == Order::C { 'C' } else { 'F' };
    let descr = T::dtype().descr();
    let question = format!("({descr}, {}, {}, '{letter}', {theirs})", case.offset, tuple(&case.shape));
    let expected = numpy.ask(&question)?;
    if case.offset % align_of::<T>() == 0 || count == 0 {
        assert_eq!(answer(&map.view::<T, IxDyn>()?.slice(&ours[..])), expected, "{question}");
    }
    let copy = map.to_array::<T, IxDyn>()?;
    assert_eq!(answer(&copy.slice(&ours[..])), expected, "{question}");

    let saved = folder.join("saved.npy");
    assert_eq!(answer(&open_npy::<T, IxDyn>(&saved)?.view().slice(&ours[..])), expected, "{question}");
    let numpys = fs::read(&saved)?;
    sharray::save_npy(&saved, &copy)?;
    assert_eq!(fs::read(&saved)?, numpys, "{question}");
    Ok(())
}

type Check = fn(&Case, &Path, &mut Numpy) -> Outcome;
const CHECKS: [Check; 8] = [
    check::<u8>,
    check::<i16>,
    check::<u32>,
    check::<i64>,
    check::<f16>,
    check::<f32>,
    check::<f64>,
    check::<Complex<f32>>,
];

#[test]
#[ignore = "needs Python with NumPy: PYTHON=..."]
fn slices_are_those_of_numpy() -> Outcome {
    let folder = tempfile::tempdir()?;
    let numpy = RefCell::new(Numpy::start(folder.path())?);
    let config = ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
    let once = |case: Case| -> TestCaseResult {
        let done = CHECKS[case.dtype](&case, folder.path(), &mut numpy.borrow_mut());
        done.map_err(|error| TestCaseError::fail(error.to_string()))
    };
    Ok(TestRunner::new(config).run(&cases(), once)?)
}
