//! What the dead held is undone by hand, and told.
//!
//! Nobody waits here for what a dead process holds, so nobody else would recover it: it has to be gone after one call, and
//! what the call answers is what the dead were.

mod support;

use ndarray::Ix1;
use sharray::{Directory, Error, SharedArray};
use std::process::ExitCode;
use support::child::{Child, Task};
use support::stream::{self, NAME};
use support::{Outcome, Roles, Test, ensure, main as run};

const ROLES: Roles = &[("publish", publish), ("read", read), ("write", write)];

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("a_dead_reader_and_a_dead_producer_are_recovered", reader_and_producer),
            Test::new("a_block_that_a_dead_process_wrote_is_poisoned", writer),
            Test::new("what_does_not_exist_is_not_made", nothing),
        ],
    )
}

/// Child: has the producer's role until it is killed.
fn publish(task: &Task) -> Outcome {
    let mut writer = stream::writer(&Directory::open(task.arg(0)?)?).create(NAME, [stream::WORDS])?;
    task.say("ready")?;
    while task.listen()? == "publish" {
        stream::publish(&mut writer)?;
        task.say("published")?;
    }
    Ok(())
}

/// Child: has received one frame and looks at it until it is killed.
fn read(task: &Task) -> Outcome {
    let mut reader = stream::reader(&Directory::open(task.arg(0)?)?).lossless().attach(NAME)?;
    task.say("ready")?;
    let _frame = reader.recv()?;
    task.say("received")?;
    task.await_line("never")
}

/// Child: is in the middle of a write until it is killed.
fn write(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let field = SharedArray::<u8, Ix1>::builder().directory(&place).blocks(2).create("field", [4])?;
    let _guard = field.write_block(1)?;
    task.say("ready")?;
    task.await_line("never")
}

/// The reader looks at the first of three frames, so it is two behind; the producer is killed after it.
fn reader_and_producer() -> Outcome {
    let folder = stream::fresh_folder()?;
    let place = Directory::open(folder.path())?;
    let mut producer = Child::start("publish", [folder.path()])?;
    producer.expect("ready")?;
    let mut reader = Child::start("read", [folder.path()])?;
    reader.expect("ready")?;
    for _ in 0..3 {
        producer.tell("publish")?;
        producer.expect("published")?;
    }
    reader.expect("received")?;
    let living = place.inspect(NAME)?.participants;
    ensure!(living.iter().any(|one| one.is_lossless && one.behind == 2), "the living: {living:?}");
    ensure!(place.recover(NAME)?.is_empty(), "the living were recovered");
    reader.kill()?;
    producer.kill()?;
    let mut dead = place.recover(NAME)?;
    dead.sort_by_key(|one| one.is_producer);
    let is_right = matches!(&dead[..], [one, other] if one.pins == 1 && one.behind == 2 && other.is_producer);
    ensure!(is_right, "the dead: {dead:?}");
    let left = place.inspect(NAME)?.participants;
    ensure!(left.is_empty(), "what is left: {left:?}");
    Ok(())
}

fn writer() -> Outcome {
    let folder = stream::fresh_folder()?;
    let place = Directory::open(folder.path())?;
    let mut child = Child::start("write", [folder.path()])?;
    child.expect("ready")?;
    child.kill()?;
    let dead = place.recover("field")?;
    ensure!(matches!(&dead[..], [one] if one.writes == 1), "the dead: {dead:?}");
    let poisoned = place.inspect("field")?.poisoned;
    ensure!(poisoned == [1], "the poisoned: {poisoned:?}");
    Ok(())
}

fn nothing() -> Outcome {
    let folder = stream::fresh_folder()?;
    let place = Directory::open(folder.path())?;
    let recovered = place.recover(NAME);
    ensure!(matches!(recovered, Err(Error::NotFound { .. })), "{recovered:?}");
    ensure!(place.list()?.is_empty(), "something was made");
    Ok(())
}
