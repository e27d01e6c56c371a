//! Any sequence of operations on two names, with words of their files changed in between: each comes back soon, with an
//! answer or with an error of its own kind, and so does the end of whatever is held.
#![no_main]

#[path = "../../tests/support/bytes.rs"]
mod bytes;
#[path = "../support/exercise.rs"]
mod exercise;
#[path = "../support/files.rs"]
mod files;
#[path = "../../tests/support/place.rs"]
mod place;

use exercise::{MOMENT, check};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use place::Place;
use sharray::{
    AnyArray, AnyCell, AnyFrame, AnyPublisher, AnySubscriber, Backpressure, DType, Order, OwnedCellWriter, OwnedLoan,
    OwnedReadGuard, OwnedWriteGuard,
};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// No more operations than this: longer sequences find nothing that two shorter ones do not.
const MOST: usize = 60;
/// No more of anything than this is held at a time.
const ENOUGH: usize = 12;
const ITEMS: [usize; 2] = [4, 2];

#[derive(Clone, Copy, Debug)]
enum Operation {
    CreateStream { history: u8, slots: u8, participants: u8 },
    CreateArray { blocks: u8, order: Order },
    CreateCell,
    Publisher(u8),
    Subscriber(u8),
    Array { read_only: bool },
    Cell { read_only: bool },
    Loan,
    PublishLoan,
    Publish,
    Commit,
    Receive,
    Latest,
    Read { from: u8, len: u8 },
    Write { from: u8, len: u8, fail: bool },
    Copy,
    Store,
    Load,
    BeWriter,
    StoreAsWriter,
    Unlink,
    Look,
    Drop { what: u8, which: u8 },
    Change,
}

impl Operation {
    fn read(input: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match input.int_in_range(0..=24)? {
            0 => {
                let [history, slots, participants] = input.arbitrary()?;
                Self::CreateStream { history, slots, participants }
            }
            1 => {
                let order = if input.arbitrary()? { Order::Fortran } else { Order::C };
                Self::CreateArray { blocks: input.arbitrary()?, order }
            }
            2 => Self::CreateCell,
            3 => Self::Publisher(input.arbitrary()?),
            4 => Self::Subscriber(input.arbitrary()?),
            5 => Self::Array { read_only: input.ratio(1, 4)? },
            6 => Self::Cell { read_only: input.ratio(1, 4)? },
            7 => Self::Loan,
            8 => Self::PublishLoan,
            9 => Self::Publish,
            10 => Self::Commit,
            11 => Self::Receive,
            12 => Self::Latest,
            13 => Self::Read { from: input.arbitrary()?, len: input.arbitrary()? },
            14 => Self::Write { from: input.arbitrary()?, len: input.arbitrary()?, fail: input.arbitrary()? },
            15 => Self::Copy,
            16 => Self::Store,
            17 => Self::Load,
            18 => Self::BeWriter,
            19 => Self::StoreAsWriter,
            20 => Self::Unlink,
            21 => Self::Look,
            22 => Self::Drop { what: input.arbitrary()?, which: input.arbitrary()? },
            _ => Self::Change,
        })
    }
}

thread_local! {
    static PLACE: Place = Place::new().expect("a folder in memory");
}

fuzz_target!(|input: &[u8]| {
    let mut input = Unstructured::new(input);
    PLACE.with(|place| {
        _ = Scene::default().play(place, &mut input);
        for name in ["a", "b"] {
            exercise::everything(place, name);
            _ = fs::remove_file(place.file(name));
        }
    });
});

/// All that is held at a moment.
#[derive(Default)]
struct Scene {
    frames: Vec<AnyFrame>,
    loans: Vec<OwnedLoan>,
    reads: Vec<OwnedReadGuard>,
    writes: Vec<OwnedWriteGuard>,
    writers: Vec<OwnedCellWriter>,
    publishers: Vec<AnyPublisher>,
    subscribers: Vec<AnySubscriber>,
    arrays: Vec<AnyArray>,
    cells: Vec<AnyCell>,
}

impl Scene {
    fn play(&mut self, place: &Place, input: &mut Unstructured<'_>) -> Result<()> {
        for _ in 0..MOST {
            if input.is_empty() {
                break;
            }
            let name = if input.ratio(1, 4)? { "b" } else { "a" };
            let operation = Operation::read(input)?;
            if matches!(operation, Operation::Change) {
                change(place, name, input)?;
            }
            self.create_or_attach(place, name, operation);
            self.stream(operation);
            self.in_place(operation);
            self.other(place, name, operation);
        }
        Ok(())
    }

    fn create_or_attach(&mut self, place: &Place, name: &str, operation: Operation) {
        let policy = |bits: u8| [Backpressure::Block, Backpressure::Evict, Backpressure::Error][usize::from(bits % 3)];
        let publisher = || AnyPublisher::builder().directory(place);
        match operation {
            Operation::CreateStream { history, slots, participants } => {
                let builder = publisher().history((history % 5).into()).slots((slots % 9).into());
                let builder = builder.participants((participants % 6).into()).backpressure(policy(history));
                keep(&mut self.publishers, check("create", || builder.create(name, &DType::I32, &ITEMS)));
            }
            Operation::CreateArray { blocks, order } => {
                let builder = AnyArray::builder().directory(place).blocks((blocks % 6).into()).order(order);
                keep(&mut self.arrays, check("create", || builder.participants(5).create(name, &DType::I32, &ITEMS)));
            }
            Operation::CreateCell => {
                let builder = AnyCell::builder().directory(place).participants(4);
                keep(&mut self.cells, check("create", || builder.create(name, &DType::I32, &ITEMS, &[1; 32])));
            }
            Operation::Publisher(bits) => {
                let builder = publisher().backpressure(policy(bits));
                keep(&mut self.publishers, check("take over", || builder.attach(name)));
            }
            Operation::Subscriber(bits) => {
                let mut builder = AnySubscriber::builder().directory(place);
                builder = if bits & 1 == 0 { builder } else { builder.lossless() };
                builder = if bits & 2 == 0 { builder } else { builder.from_oldest() };
                builder = if bits & 12 == 12 { builder.read_only() } else { builder };
                keep(&mut self.subscribers, check("attach", || builder.attach(name)));
            }
            Operation::Array { read_only } => {
                let builder = AnyArray::builder().directory(place);
                let builder = if read_only { builder.read_only() } else { builder };
                keep(&mut self.arrays, check("attach", || builder.attach(name)));
            }
            Operation::Cell { read_only } => {
                let builder = AnyCell::builder().directory(place);
                let builder = if read_only { builder.read_only() } else { builder };
                keep(&mut self.cells, check("attach", || builder.attach(name)));
            }
            _ => {}
        }
    }

    fn stream(&mut self, operation: Operation) {
        match operation {
            Operation::Loan => {
                let Some(publisher) = self.publishers.last_mut() else { return };
                keep(&mut self.loans, check("loan", || publisher.loan_owned(Some(MOMENT))));
            }
            Operation::PublishLoan => {
                let (Some(publisher), Some(loan)) = (self.publishers.last_mut(), self.loans.pop()) else { return };
                keep(&mut self.frames, check("publish", || publisher.publish_owned(loan, Some(MOMENT))));
            }
            Operation::Publish => {
                let Some(publisher) = self.publishers.last_mut() else { return };
                if let Some(mut loan) = check("loan", || publisher.loan_timeout(MOMENT)) {
                    loan.bytes_mut().fill(7);
                    loan.publish();
                }
            }
            Operation::Commit => {
                let Some(publisher) = self.publishers.last_mut() else { return };
                check("commit", || publisher.commit());
            }
            Operation::Receive => {
                for subscriber in &mut self.subscribers {
                    keep(&mut self.frames, check("receive", || subscriber.recv_timeout(MOMENT)).flatten());
                }
            }
            Operation::Latest => {
                for subscriber in &self.subscribers {
                    keep(&mut self.frames, check("latest", || subscriber.latest()).flatten());
                }
            }
            _ => {}
        }
    }

    fn in_place(&mut self, operation: Operation) {
        let span = |from: u8, len: u8| usize::from(from % 5)..usize::from(from % 5) + usize::from(len % 5);
        let timeout = |bits: u8| Some(if bits & 128 == 0 { Duration::ZERO } else { MOMENT });
        let Some(array) = self.arrays.last() else { return };
        match operation {
            Operation::Read { from, len } => {
                let lease = check("read", || array.read_owned(span(from, len), timeout(len)));
                keep(&mut self.reads, lease);
            }
            Operation::Write { from, len, fail } => {
                match check("write", || array.write_owned(span(from, len), timeout(len))) {
                    Some(lease) if fail => lease.fail(),
                    lease => keep(&mut self.writes, lease),
                }
            }
            Operation::Copy => {
                let mut copy = vec![0; array.size_bytes()];
                check("copy", || array.read_into_timeout(&mut copy, MOMENT));
                check("wait", || array.wait_changed(array.sequence(), MOMENT));
                check("flush", || array.flush());
            }
            _ => {}
        }
    }

    fn other(&mut self, place: &Place, name: &str, operation: Operation) {
        let mut value = [3; 32];
        match operation {
            Operation::Store => _ = self.cells.last().map(|cell| check("store", || cell.store_timeout(&value, MOMENT))),
            Operation::Load => _ = self.cells.last().map(|cell| check("load", || cell.load_into(&mut value))),
            Operation::BeWriter => {
                let Some(cell) = self.cells.last() else { return };
                keep(&mut self.writers, check("be the writer", || cell.writer_owned(Some(MOMENT))));
            }
            Operation::StoreAsWriter => {
                let Some(writer) = self.writers.last_mut() else { return };
                check("store as the writer", || writer.store(&value));
            }
            Operation::Unlink => _ = check("unlink", || place.unlink(name)),
            Operation::Look => {
                check("inspect", || place.inspect(name));
                check("list", || place.list());
                check("collect garbage", || place.collect_garbage());
                self.frames.iter().for_each(exercise::frame);
            }
            Operation::Drop { what, which } => self.drop_one(what, which.into()),
            _ => {}
        }
    }

    fn drop_one(&mut self, what: u8, which: usize) {
        match what % 9 {
            0 => let_go(&mut self.frames, which),
            1 => let_go(&mut self.loans, which),
            2 => let_go(&mut self.reads, which),
            3 => let_go(&mut self.writes, which),
            4 => let_go(&mut self.writers, which),
            5 => let_go(&mut self.publishers, which),
            6 => let_go(&mut self.subscribers, which),
            7 => let_go(&mut self.arrays, which),
            _ => let_go(&mut self.cells, which),
        }
    }
}

fn keep<T>(all: &mut Vec<T>, one: Option<T>) {
    if all.len() < ENOUGH {
        all.extend(one);
    }
}

fn let_go<T>(all: &mut Vec<T>, which: usize) {
    if !all.is_empty() {
        drop(all.swap_remove(which % all.len()));
    }
}

/// Changes a word of the file where processes coordinate.
fn change(place: &Place, name: &str, input: &mut Unstructured<'_>) -> Result<()> {
    let Ok(whole) = fs::read(place.file(name)) else { return Ok(()) };
    let (at, value) = files::word(&whole, &files::volatile(&whole), input)?;
    if let Ok(file) = File::options().write(true).open(place.file(name)) {
        let len = if input.arbitrary()? { 8 } else { 4 };
        file.write_all_at(&value.to_le_bytes()[..len], at as u64).expect("there is room: it was read from there");
    }
    Ok(())
}
