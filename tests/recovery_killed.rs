//! Whoever recovers the dead may die of it, at any point: the next one begins again, with the same result.
//!
//! What a process held is found by its record, and the record is freed last. So a survivor that is killed half way
//! leaves to the next one exactly what it has not done, and nothing done twice does harm.

mod support;

use sharray::Directory;
use std::process::ExitCode;
use support::child::{Child, Task};
use support::steps::{Kill, Point, Point::Step, at_the_last_steps, die_within};
use support::stream::{self, NAME, PARTICIPANTS};
use support::survivors::{FINDERS, Finder, Survivors};
use support::{Outcome, Roles, SOON, Test, main as run};

const ROLES: Roles = &[("read", read), ("crowd", crowd), ("publish", publish), ("attach", attach), ("wait", wait)];

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("killed_at_each_step_of_a_loan_that_recovers_readers", || by_a_loan(Step)),
            Test::new("killed_at_each_step_of_an_attach_that_takes_a_dead_record", || by_an_attach(Step)),
            Test::new("killed_at_each_step_of_a_wait_that_recovers_the_producer", by_a_wait),
            Test::traced("killed_at_each_system_call_of_a_loan_that_recovers_readers", || by_a_loan(Point::Call)),
            Test::traced("killed_at_each_system_call_of_an_attach_that_takes_a_dead_record", || {
                by_an_attach(Point::Call)
            }),
            Test::traced("killed_at_each_system_call_of_a_wait_that_recovers_the_producer", || {
                FINDERS.into_iter().try_for_each(|finder| {
                    let what = format!("a wait that recovers, found by a {finder:?}");
                    Point::Call.at_each(&what, |kill| in_a_wait(kill, finder))
                })
            }),
        ],
    )
}

/// Child: a lossless reader that has read little, holds two frames, and dies.
fn read(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let mut reader = stream::reader(&place).lossless().from_oldest().attach(NAME)?;
    let held = (reader.try_recv()?, reader.latest()?);
    task.die()?;
    drop(held);
    Ok(())
}

/// Child: takes all records that are free, each with a pin and a place in the stream, and dies.
fn crowd(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let mut all = Vec::new();
    while all.len() < task.number(1)? as usize {
        let mut reader = stream::reader(&place).lossless().from_oldest().attach(NAME)?;
        let frame = reader.try_recv()?;
        all.push((reader, frame));
    }
    task.die()
}

/// Child: publishes two frames, and a third one for which it has to recover a reader; dies of that.
fn publish(task: &Task) -> Outcome {
    let mut writer = stream::writer(&Directory::open(task.arg(1)?)?).attach(NAME)?;
    stream::publish(&mut writer)?;
    stream::publish(&mut writer)?;
    die_within(task, || stream::publish(&mut writer))
}

/// A dead reader's place and pins are given up by the publisher that needs them. It is killed meanwhile.
fn by_a_loan(point: Point) -> Outcome {
    for finder in FINDERS {
        point.at_each(&format!("a loan that recovers, found by a {finder:?}"), |kill| {
            let survivors = Survivors::new()?;
            let path = survivors.path()?;
            Child::start("read", [path])?.died()?;
            kill.child("publish", &[path])?;
            survivors.producer_died(finder, if kill.is_past_end() { 7 } else { 6 }, 7)
        })?;
    }
    Ok(())
}

/// Child: attaches where only the dead have records, and dies.
fn attach(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(1)?)?;
    die_within(task, || stream::reader(&place).lossless().attach(NAME))
}

/// A table full of the dead has room: the next one takes a record over, and is killed meanwhile.
fn by_an_attach(point: Point) -> Outcome {
    point.at_each("an attach that recovers", |kill| {
        let survivors = Survivors::new()?;
        let writer = survivors.writer()?;
        let path = survivors.path()?;
        let here = survivors.place().inspect(NAME)?.participants.len();
        Child::start("crowd", [path, &(PARTICIPANTS as usize - here).to_string()])?.died()?;
        kill.child("attach", &[path])?;
        survivors.go_on(writer)
    })
}

/// Child: waits for the next frame, learns that the producer is dead, and dies of that.
fn wait(task: &Task) -> Outcome {
    let mut reader = stream::reader(&Directory::open(task.arg(1)?)?).attach(NAME)?;
    die_within(task, || reader.recv_timeout(SOON))
}

/// Whoever waits for the dead producer's next frame frees the role. It is killed meanwhile, and the next one too.
fn by_a_wait() -> Outcome {
    for finder in FINDERS {
        at_the_last_steps(50, &format!("a wait that recovers, found by a {finder:?}"), |kill| in_a_wait(kill, finder))?;
    }
    Ok(())
}

fn in_a_wait(kill: &Kill, finder: Finder) -> Outcome {
    let survivors = Survivors::new()?;
    let path = survivors.path()?;
    // Dies of its third frame, which this time needs nobody's place.
    Kill::at(1).child("publish", &[path])?;
    kill.child("wait", &[path])?;
    if finder == Finder::Waiter {
        Kill::at(kill.at).child("wait", &[path])?;
    }
    survivors.producer_died(finder, 6, 6)
}
