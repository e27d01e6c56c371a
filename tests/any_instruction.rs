//! Whoever is killed between any two machine instructions leaves to the others what they can go on with.
//!
//! The other tests of this kind kill before each access to shared memory, as the source has them. Here the processor's own
//! instructions are counted, those of the compiler, of the C library and of copies included: nothing is left out that a
//! real `kill -9` could hit. Who survives is asked the same as there.
//!
//! All of them are tried by `cargo xtask instructions`, in a build as users have it; otherwise a few of each operation.

mod support;

use sharray::{Backpressure, Directory};
use std::process::ExitCode;
use support::cell::{self, Readers};
use support::child::{Child, Task};
use support::crew::{self, Crew, MORTAL, Told};
use support::field::{self, BLOCKS};
use support::heirs::{self, Heirs, NEW};
use support::steps::{Point, die_within};
use support::stream::{self, Picture};
use support::survivors::{self, Survivors};
use support::table::{self, rows};
use support::{Outcome, Roles, SOON, Test, ensure, main as run};

const ROLES: Roles = &[
    ("nothing", nothing),
    ("lock", lock),
    ("recover", recover),
    ("publish", publish),
    ("read", read),
    ("store", store),
    ("arrive", arrive),
    ("append", append),
];

/// Instructions are many, and a machine may be busy.
const SECONDS: u64 = 3600;

fn main() -> ExitCode {
    let test = |name, run| Test::traced(name, run).within(SECONDS);
    run(
        ROLES,
        vec![
            test("killed_at_any_instruction_between_the_marks", of_nothing),
            test("killed_at_any_instruction_of_a_lock", || of_a_lock("lock")),
            test("killed_at_any_instruction_of_an_unlock", || of_a_lock("unlock")),
            test("killed_at_any_instruction_of_a_write", || of_a_lock("write")),
            test("killed_at_any_instruction_of_a_read", || of_a_lock("read")),
            test("killed_at_any_instruction_of_a_copy", || of_a_lock("copy")),
            test("killed_at_any_instruction_of_a_recovery", of_a_recovery),
            test("killed_at_any_instruction_of_a_loan", || of_a_publisher("loan", 5)),
            test("killed_at_any_instruction_of_a_publish", || of_a_publisher("publish", 6)),
            test("killed_at_any_instruction_of_giving_a_loan_back", || of_a_publisher("abort", 5)),
            test("killed_at_any_instruction_of_a_pin", || of_a_subscriber("pin")),
            test("killed_at_any_instruction_of_an_unpin", || of_a_subscriber("unpin")),
            test("killed_at_any_instruction_of_joining", || of_a_subscriber("join")),
            test("killed_at_any_instruction_of_consuming", || of_a_subscriber("consume")),
            test("killed_at_any_instruction_of_a_store", || of_a_store("store", 2)),
            test("killed_at_any_instruction_of_a_store_that_takes_the_role", || of_a_store("take and store", 2)),
            test("killed_at_any_instruction_of_a_load", || of_a_store("load", 1)),
            test("killed_at_any_instruction_of_arriving", of_arriving),
            test("killed_at_any_instruction_of_an_append", || of_an_append("append", 2)),
            test("killed_at_any_instruction_of_the_first_append", || of_an_append("append", 0)),
            test("killed_at_any_instruction_of_looking_at_rows", || of_an_append("look", 2)),
        ],
    )
}

/// Child: dies of nothing.
fn nothing(task: &Task) -> Outcome {
    die_within(task, || ())
}

/// How many of the instructions of each operation are those of the calls that mark its beginning and its end.
fn of_nothing() -> Outcome {
    Point::Instruction.at_each("nothing", |kill| kill.child("nothing", &[]))
}

/// Child: locks an array in place, whole, or lets it go.
fn lock(task: &Task) -> Outcome {
    let field = field::builder(&Directory::open(task.arg(1)?)?).attach(field::NAME)?;
    match task.arg(2)? {
        "lock" => die_within(task, || field.write_timeout(SOON)),
        "unlock" => {
            let mut guard = field.write_timeout(SOON)?;
            field::fill(&mut guard, NEW);
            die_within(task, || drop(guard))
        }
        "write" => die_within(task, || field.write_timeout(SOON).map(|mut guard| field::fill(&mut guard, NEW))),
        "read" => die_within(task, || field.read_timeout(SOON).map(drop)),
        "copy" => die_within(task, || field.snapshot_timeout(SOON)),
        other => Err(format!("nobody can {other}").into()),
    }
}

fn of_a_lock(operation: &str) -> Outcome {
    Point::Instruction.at_each(operation, |kill| {
        let heirs = Heirs::new()?;
        kill.child("lock", &[heirs.path()?, operation])?;
        let is_read = matches!(operation, "read" | "copy");
        ensure!(!is_read || heirs.words()?.blocks.iter().all(|block| block.wr == 0), "a reader writes no block");
        heirs.go_on(heirs::FINDERS[kill.at as usize % heirs::FINDERS.len()], 0..BLOCKS)
    })
}

/// Child: takes a block from a dead writer, or dies with half of all written.
fn recover(task: &Task) -> Outcome {
    let field = field::builder(&Directory::open(task.arg(1)?)?).attach(field::NAME)?;
    if task.arg(2)? == "before" {
        let mut guard = field.write_timeout(SOON)?;
        guard.rows().next().ok_or("it has rows")?;
        guard[[0, 0]] = NEW;
        return task.die();
    }
    die_within(task, || field.try_write_block(2).map(|guard| guard.is_poisoned()))
}

/// The writer of all blocks died, and whoever puts that right for the sake of one block does, too.
fn of_a_recovery() -> Outcome {
    Point::Instruction.at_each("recovery", |kill| {
        let heirs = Heirs::new()?;
        Child::start("recover", ["", heirs.path()?, "before"])?.died()?;
        kill.child("recover", &[heirs.path()?, "now"])?;
        let left = heirs.words()?.blocks;
        ensure!(left.iter().all(|block| block.is_half_written()), "what was half written is forgotten: {left:?}");
        heirs.go_on(heirs::FINDERS[kill.at as usize % heirs::FINDERS.len()], 0..BLOCKS)
    })
}

/// Child: publishes frame 5, and dies of frame 6.
fn publish(task: &Task) -> Outcome {
    let mut writer = stream::writer(&Directory::open(task.arg(1)?)?).attach(stream::NAME)?;
    stream::publish(&mut writer)?;
    if task.arg(2)? == "loan" {
        return die_within(task, || writer.loan_timeout(SOON).map(std::mem::forget));
    }
    let mut loan = writer.loan_timeout(SOON)?;
    stream::fill(&mut loan);
    match task.arg(2)? {
        "publish" => die_within(task, || loan.publish()),
        "abort" => die_within(task, || drop(loan)),
        other => Err(format!("nobody can {other}").into()),
    }
}

fn of_a_publisher(operation: &str, most: u64) -> Outcome {
    Point::Instruction.at_each(operation, |kill| {
        let survivors = Survivors::new()?;
        kill.child("publish", &[survivors.path()?, operation])?;
        let finder = survivors::FINDERS[kill.at as usize % survivors::FINDERS.len()];
        survivors.producer_died(finder, if kill.is_past_end() { most } else { 5 }, most)
    })
}

/// Child: attaches, lets the test publish, and does one thing with a frame.
fn read(task: &Task) -> Outcome {
    let (place, operation) = (Directory::open(task.arg(1)?)?, task.arg(2)?);
    let mut reader = stream::reader(&place).from_oldest().lossless().attach(stream::NAME)?;
    task.say("ready")?;
    task.await_line("go")?;
    match operation {
        "pin" => die_within(task, || reader.latest()),
        "unpin" => {
            let frame: Option<Picture> = reader.latest()?;
            die_within(task, || drop(frame))
        }
        // It was evicted meanwhile, is told so, and has joined again.
        "join" => die_within(task, || reader.try_recv().map(drop)),
        "consume" => die_within(task, || reader.try_recv().map(drop)),
        other => Err(format!("nobody can {other}").into()),
    }
}

fn of_a_subscriber(operation: &str) -> Outcome {
    let (policy, frames) = match operation {
        "join" => (Backpressure::Evict, 4),
        _ => (Backpressure::Block, 1),
    };
    Point::Instruction.at_each(operation, |kill| {
        let mut survivors = Survivors::new()?;
        let mut child = Child::start("read", kill.args(&[survivors.path()?, operation]))?;
        child.expect("ready")?;
        let mut writer = stream::writer(survivors.place()).backpressure(policy).attach(stream::NAME)?;
        for _ in 0..frames {
            stream::publish(&mut writer)?;
            survivors.read_all()?;
        }
        child.tell("go")?;
        kill.end(child)?;
        survivors.go_on(writer)
    })
}

/// Child: stores version 2, or loads what is there.
fn store(task: &Task) -> Outcome {
    let cell = cell::builder(&Directory::open(task.arg(1)?)?).attach(cell::NAME)?;
    match task.arg(2)? {
        "store" => {
            let mut writer = cell.writer()?;
            die_within(task, || writer.store(cell::value(2)))
        }
        "take and store" => die_within(task, || cell.store(cell::value(2))),
        "load" => die_within(task, || cell.load()),
        other => Err(format!("nobody can {other}").into()),
    }
}

fn of_a_store(operation: &str, most: u64) -> Outcome {
    Point::Instruction.at_each(operation, |kill| {
        let readers = Readers::new()?;
        kill.child("store", &[readers.path()?, operation])?;
        readers.go_on(kill.at, if kill.is_past_end() { most } else { 1 }, most)
    })
}

/// Child: arrives in a barrier, as the last one or before.
fn arrive(task: &Task) -> Outcome {
    let team = crew::join(&Directory::open(task.arg(1)?)?, MORTAL)?;
    die_within(task, || team.barrier(SOON))
}

fn of_arriving() -> Outcome {
    Point::Instruction.at_each("arriving", |kill| {
        let crew = Crew::new()?;
        let told = crew.all(|team| team.barrier(SOON), || kill.child("arrive", &[crew.path()?]))?;
        let passed = Told::by(&told)? == Told::Passed;
        ensure!(passed || !kill.is_past_end(), "it came through, and the others did not");
        crew.are_told()?;
        crew.go_on()
    })
}

/// Child: appends three rows, or looks at those that are there.
fn append(task: &Task) -> Outcome {
    let table = table::builder(&Directory::open(task.arg(1)?)?).attach(table::NAME)?;
    let new = rows(table.len()..table.len() + 3);
    match task.arg(2)? {
        "append" => die_within(task, || table.append(&new)),
        "look" => die_within(task, || table.view().map(|rows| rows.nrows())),
        other => Err(format!("nobody can {other}").into()),
    }
}

/// The first rows of a table need space.
fn of_an_append(operation: &str, len: usize) -> Outcome {
    let all = if operation == "append" { [len, len + 3] } else { [len, len] };
    Point::Instruction.at_each(operation, |kill| {
        let readers = table::Readers::of(len)?;
        kill.child("append", &[readers.path()?, operation])?;
        readers.go_on(kill.at, if kill.is_past_end() { &all[1..] } else { &all })
    })
}
