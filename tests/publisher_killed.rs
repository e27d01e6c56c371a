//! A publisher killed at any point of its work leaves a stream that goes on.
//!
//! A frame is out or it is not: who reads sees it whole or not at all, also when the publisher died between the stores
//! that make it public. Its successor goes on with the next number, so that a reader who must see every number once
//! neither waits for one that never comes nor sees one twice. What the dead held, the role, a slot half filled, its
//! record, is free again for those who live.

mod support;

use sharray::{Backpressure, Directory};
use std::process::ExitCode;
use support::child::{Child, Task};
use support::steps::{Kill, Point, Point::Step, at_each_step, die_within};
use support::stream::{self, NAME};
use support::survivors::{FINDERS, Survivors};
use support::{Outcome, Roles, SOON, Test, main as run};

const ROLES: Roles = &[("publish", publish), ("fill", fill_and_die)];

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("killed_in_a_loan_half_filled", half_filled),
            Test::new("killed_at_each_step_of_a_loan", || killed_in(Step, "loan", 5)),
            Test::new("killed_at_each_step_of_a_publish", || killed_in(Step, "publish", 6)),
            Test::new("killed_at_each_step_of_a_loan_and_publish", || killed_in(Step, "loan and publish", 6)),
            Test::new("killed_at_each_step_of_giving_a_loan_back", || killed_in(Step, "abort", 5)),
            Test::new("killed_at_each_step_of_attaching", || killed_in(Step, "attach", 4)),
            Test::new("killed_at_each_step_of_closing", || killed_in(Step, "close", 5)),
            Test::traced("killed_at_each_system_call_of_attaching", || killed_in(Point::Call, "attach", 4)),
            Test::traced("killed_at_each_system_call_of_closing", || killed_in(Point::Call, "close", 5)),
            Test::new("killed_at_each_step_of_evicting", evicting),
            Test::new("killed_at_each_step_of_taking_over_from_each_step_of_a_publish", taking_over).within(300),
        ],
    )
}

/// Child: does one thing, and dies before the step that it is told.
fn publish(task: &Task) -> Outcome {
    let (place, operation) = (Directory::open(task.arg(1)?)?, task.arg(2)?);
    let mut builder = stream::writer(&place);
    if operation == "attach" {
        return die_within(task, || builder.attach(NAME));
    }
    if operation == "evict" {
        builder = builder.backpressure(Backpressure::Evict);
    }
    let mut writer = builder.attach(NAME)?;
    stream::publish(&mut writer)?;
    match operation {
        "loan" => die_within(task, || writer.loan().map(std::mem::forget)),
        "publish" => {
            let mut loan = writer.loan_timeout(SOON)?;
            stream::fill(&mut loan);
            die_within(task, || loan.publish())
        }
        "loan and publish" => die_within(task, || stream::publish(&mut writer)),
        "abort" => {
            let mut loan = writer.loan_timeout(SOON)?;
            stream::fill(&mut loan);
            die_within(task, || drop(loan))
        }
        "close" => die_within(task, || drop(writer)),
        "evict" => {
            stream::publish(&mut writer)?;
            stream::publish(&mut writer)?;
            die_within(task, || stream::publish(&mut writer))
        }
        other => Err(format!("nobody can {other}").into()),
    }
}

/// Kills publishers of frame 6 and lets others go on; frame 5 is out, unless the dead never came so far.
fn killed_in(point: Point, operation: &str, most: u64) -> Outcome {
    let least = most.min(5);
    for finder in FINDERS {
        point.at_each(&format!("{operation}, found by a {finder:?}"), |kill| {
            let survivors = Survivors::new()?;
            kill.child("publish", &[survivors.path()?, operation])?;
            let least = if kill.is_past_end() { most } else { least };
            survivors.producer_died(finder, least, most)
        })?;
    }
    Ok(())
}

/// Child: dies with half a frame written.
fn fill_and_die(task: &Task) -> Outcome {
    let mut writer = stream::writer(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    stream::publish(&mut writer)?;
    let mut loan = writer.loan_timeout(SOON)?;
    let sequence = loan.sequence();
    for (at, item) in loan.as_mut_slice().iter_mut().take(stream::WORDS / 2).enumerate() {
        *item = stream::word(sequence, at);
    }
    task.die()
}

/// Nobody ever sees half a frame, and its number is used again for a whole one.
fn half_filled() -> Outcome {
    for finder in FINDERS {
        let survivors = Survivors::new()?;
        Child::start("fill", [survivors.path()?])?.died()?;
        survivors.producer_died(finder, 5, 5)?;
    }
    Ok(())
}

/// A publisher that evicts a slow lossless reader, and dies meanwhile: the reader learns exactly how many it lost, or
/// was not evicted and lost none.
fn evicting() -> Outcome {
    for finder in FINDERS {
        at_each_step(&format!("evict, found by a {finder:?}"), |kill| {
            // The reader has read up to 4; frame 8 needs the place of frame 5.
            let mut survivors = Survivors::new()?;
            survivors.may_lag = true;
            kill.child("publish", &[survivors.path()?, "evict"])?;
            survivors.producer_died(finder, if kill.is_past_end() { 8 } else { 7 }, 8)
        })?;
    }
    Ok(())
}

/// The successor is killed in turn, at each step of taking over and of its own first publish, and so for each step of
/// the publish that its predecessor died in. The third one still goes on with the right number.
fn taking_over() -> Outcome {
    let mut tried = 0;
    for first_death in 1.. {
        let first = Kill::at(first_death);
        for second_death in 1.. {
            let survivors = Survivors::new()?;
            let path = survivors.path()?;
            first.child("publish", &[path, "publish"])?;
            let second = Kill::at(second_death);
            second.child("publish", &[path, "attach"])?;
            let least = if first.is_past_end() { 6 } else { 5 };
            let told = |error| format!("the first died before step {first_death}, then {second_death}: {error}");
            survivors.producer_died(FINDERS[tried % FINDERS.len()], least, 6).map_err(told)?;
            tried += 1;
            if second.is_past_end() {
                break;
            }
        }
        if first.is_past_end() {
            break;
        }
    }
    eprintln!("take over: {tried} pairs of deaths");
    Ok(())
}
