//! Who waits is told that the producer died, however short it waits and however little it may do.
//!
//! A death leaves no trace in the file until somebody asks the kernel. Waiters ask at the end of a slice of ten
//! milliseconds; a loop of shorter waits never came to that end, and so never learned of it. An onlooker cannot write down
//! what it learned, and so told the same death again and again.

mod support;

use sharray::{Directory, Error, wait_any};
use std::process::ExitCode;
use std::time::Duration;
use support::child::{Child, Task};
use support::stream::{self, NAME};
use support::survivors::Survivors;
use support::{Outcome, Roles, Test, ensure, main as run};

const ROLES: Roles = &[("publish", publish)];

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("a_loop_of_short_waits_learns_of_a_death", short_waits),
            Test::new("a_loop_of_short_waits_for_several_learns_of_a_death", short_waits_for_several),
            Test::new("an_onlooker_is_told_of_a_death_once", onlooker),
        ],
    )
}

/// Child: has the producer's role until it is killed.
fn publish(task: &Task) -> Outcome {
    let _writer = stream::writer(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    task.say("ready")?;
    task.await_line("never")
}

/// A stream whose producer is alive; it dies when the child is killed.
fn begin() -> Outcome<(Survivors, Child)> {
    let survivors = Survivors::new()?;
    let child = Child::start("publish", [survivors.path()?])?;
    child.expect("ready")?;
    Ok((survivors, child))
}

/// Each wait looks around at its own end, so the first one after the death answers.
fn short_waits() -> Outcome {
    let (survivors, mut child) = begin()?;
    let mut reader = stream::reader(survivors.place()).attach(NAME)?;
    let waited = reader.recv_timeout(Duration::from_millis(1));
    ensure!(matches!(waited, Err(Error::TimedOut { .. })), "before the death: {waited:?}");
    child.kill()?;
    let waited = reader.recv_timeout(Duration::from_millis(1));
    ensure!(matches!(waited, Err(Error::ProducerDied { .. })), "after the death: {waited:?}");
    Ok(())
}

fn short_waits_for_several() -> Outcome {
    let (survivors, mut child) = begin()?;
    let reader = stream::reader(survivors.place()).attach(NAME)?;
    child.kill()?;
    let waited = wait_any(&[&reader], Some(Duration::from_millis(1)));
    ensure!(waited.is_ok(), "after the death: {waited:?}");
    Ok(())
}

/// Said once; whoever goes on waiting waits for a successor.
fn onlooker() -> Outcome {
    let (survivors, mut child) = begin()?;
    let mut reader = stream::reader(survivors.place()).read_only().attach(NAME)?;
    child.kill()?;
    let told = reader.recv_timeout(Duration::from_secs(10));
    ensure!(matches!(told, Err(Error::ProducerDied { .. })), "the death: {told:?}");
    for _ in 0..5 {
        let waited = reader.recv_timeout(Duration::from_millis(30));
        ensure!(matches!(waited, Err(Error::TimedOut { .. })), "after it was told: {waited:?}");
    }
    Ok(())
}
