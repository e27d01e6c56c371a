//! A process that is stopped is not dead, however long it takes.
//!
//! Stopped by SIGSTOP, by a debugger or with its whole machine, a process goes on later where it was, with what it held.
//! So time proves nothing: nobody takes the role, a pinned slot or a place in a lossless stream from it.

mod support;

use nix::sys::signal::Signal;
use sharray::{Directory, Error};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::child::{Child, Task};
use support::stream::{self, HISTORY, NAME, SPARE};
use support::survivors::Survivors;
use support::{Outcome, Roles, SOON, Test, ensure, ensure_eq, main as run};

const ROLES: Roles = &[("publish", publish), ("hold", hold), ("receive", receive)];

/// Many times what a wait sleeps before it looks who died.
const LONG: Duration = Duration::from_millis(2500);

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("a_stopped_publisher_keeps_its_role", publisher),
            Test::new("a_stopped_reader_keeps_its_pins", reader),
            Test::new("a_stopped_lossless_reader_keeps_its_place", lossless_reader),
        ],
    )
}

/// Child: takes the role, is stopped in a loan half filled, and publishes it when it goes on.
fn publish(task: &Task) -> Outcome {
    let mut writer = stream::writer(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    let mut loan = writer.loan_timeout(SOON)?;
    let sequence = loan.sequence();
    loan.as_mut_slice()[0] = stream::word(sequence, 0);
    task.say("ready")?;
    task.await_line("go")?;
    stream::fill(&mut loan);
    loan.publish();
    task.say("published")?;
    task.await_line("end")
}

/// Nobody has its role, and whoever waits is not told that it died. It goes on with its frame.
fn publisher() -> Outcome {
    let survivors = Survivors::new()?;
    let mut child = Child::start("publish", [survivors.path()?])?;
    child.expect("ready")?;
    child.stop()?;
    let mut reader = stream::reader(survivors.place()).attach(NAME)?;
    let end = Instant::now() + LONG;
    while Instant::now() < end {
        let taken = survivors.writer();
        ensure!(taken.is_err_and(|error| error.to_string().contains("has a producer")), "its role was taken");
        let waited = reader.recv_timeout(LONG / 8);
        ensure!(matches!(waited, Err(Error::TimedOut { .. })), "it is not dead: {waited:?}");
    }
    let info = survivors.place().inspect(NAME)?;
    ensure_eq!(info.producer().map(|producer| producer.pid), Some(child.pid()), "the producer");
    child.signal(Signal::SIGCONT)?;
    child.tell("go")?;
    child.expect("published")?;
    let frame = reader.recv_timeout(SOON)?.ok_or("the stream is not over")?;
    ensure_eq!(frame.sequence(), 5, "its frame's number");
    stream::check(&frame)?;
    drop((frame, reader));
    child.tell("end")?;
    child.succeed()?;
    let writer = survivors.writer()?;
    survivors.go_on(writer)
}

/// Child: holds the newest frame, and checks it after it was stopped.
fn hold(task: &Task) -> Outcome {
    let reader = stream::reader(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    let frame = reader.latest()?.ok_or("nothing was published")?;
    stream::check(&frame)?;
    task.say("holding")?;
    task.await_line("go")?;
    stream::check(&frame)?;
    drop(frame);
    task.say("whole")?;
    task.await_line("end")
}

/// Its slots are not used again; the publisher, who lacks them, waits, and gets them when it goes on.
fn reader() -> Outcome {
    let mut survivors = Survivors::new()?;
    survivors.let_go();
    let mut writer = survivors.writer()?;
    let mut children = Vec::new();
    for _ in 0..=SPARE {
        let child = Child::start("hold", [survivors.path()?])?;
        child.expect("holding")?;
        child.stop()?;
        children.push(child);
        stream::publish(&mut writer)?;
        survivors.read_all()?;
    }
    for _ in 1..HISTORY - 1 {
        stream::publish(&mut writer)?;
        survivors.read_all()?;
    }
    let waited = writer.loan_timeout(LONG).map(drop);
    ensure!(matches!(waited, Err(Error::TimedOut { .. })), "all that is free is held: {waited:?}");
    for child in &mut children {
        child.signal(Signal::SIGCONT)?;
        child.tell("go")?;
        child.expect("whole")?;
    }
    stream::publish(&mut writer)?;
    survivors.read_all()?;
    for child in &mut children {
        child.tell("end")?;
        child.succeed()?;
    }
    survivors.go_on(writer)
}

/// Child: receives all frames, one at each word of the test.
fn receive(task: &Task) -> Outcome {
    let mut reader = stream::reader(&Directory::open(task.arg(0)?)?).lossless().attach(NAME)?;
    task.say("ready")?;
    task.await_line("go")?;
    while let Some(frame) = reader.recv_timeout(SOON)? {
        stream::check(&frame)?;
        task.say(&frame.sequence().to_string())?;
    }
    Ok(())
}

/// The publisher waits for it, and it loses nothing.
fn lossless_reader() -> Outcome {
    let mut survivors = Survivors::new()?;
    let mut writer = survivors.writer()?;
    let mut child = Child::start("receive", [survivors.path()?])?;
    child.expect("ready")?;
    child.stop()?;
    for _ in 0..HISTORY {
        stream::publish(&mut writer)?;
        survivors.read_all()?;
    }
    let waited = writer.loan_timeout(LONG).map(drop);
    ensure!(matches!(waited, Err(Error::TimedOut { .. })), "it has not read on: {waited:?}");
    child.signal(Signal::SIGCONT)?;
    child.tell("go")?;
    for _ in 0..10 {
        stream::publish(&mut writer)?;
        survivors.read_all()?;
    }
    let newest = writer.sequence();
    drop(writer);
    for sequence in 5..=newest {
        child.expect(&sequence.to_string())?;
    }
    child.succeed()?;
    let writer = survivors.writer()?;
    survivors.go_on(writer)
}
