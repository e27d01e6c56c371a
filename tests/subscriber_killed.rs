//! A subscriber killed at any point of its work holds nothing for longer than the publisher needs to look.
//!
//! What it pinned is free again when the publisher runs out of slots. The place that it kept in a lossless stream is
//! given up when the publisher waits for it. Its record is there for the next one. And whoever slept beside it is woken
//! by the next frame as if it had never been there.

mod support;

use sharray::{Backpressure, Directory, Error};
use std::process::ExitCode;
use support::child::{Child, Task};
use support::steps::{Kill, Point, Point::Step, at_the_last_steps, die_within};
use support::stream::{self, HISTORY, NAME, SPARE};
use support::survivors::Survivors;
use support::{Outcome, Roles, SOON, Test, ensure, main as run};

const ROLES: Roles = &[("read", read), ("hold", hold), ("wait", wait), ("report", report)];

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("killed_with_pins", with_pins),
            Test::new("killed_with_pins_of_an_unlinked_stream", with_pins_of_an_unlinked_stream),
            Test::new("killed_at_each_step_of_attaching", || killed_in(Step, "attach")),
            Test::new("killed_at_each_step_of_joining_lossless", || killed_in(Step, "join")),
            Test::new("killed_at_each_step_of_pinning_and_unpinning_the_newest", || killed_in(Step, "latest")),
            Test::new("killed_at_each_step_of_receiving", || killed_in(Step, "receive")),
            Test::new("killed_at_each_step_of_receiving_lossless", || killed_in(Step, "receive lossless")),
            Test::new("killed_at_each_step_of_receiving_too_late", || killed_in(Step, "receive late")),
            Test::new("killed_at_each_step_of_learning_of_its_eviction", || killed_in(Step, "lag")),
            Test::new("killed_at_each_step_of_detaching", || killed_in(Step, "detach")),
            Test::new("killed_at_each_step_of_detaching_lossless", || killed_in(Step, "detach lossless")),
            Test::new("killed_at_each_step_of_detaching_before_its_frame", || killed_in(Step, "detach first")),
            Test::traced("killed_at_each_system_call_of_attaching", || killed_in(Point::Call, "attach")),
            Test::traced("killed_at_each_system_call_of_joining_lossless", || killed_in(Point::Call, "join")),
            Test::traced("killed_at_each_system_call_of_detaching", || killed_in(Point::Call, "detach")),
            Test::traced("killed_at_each_system_call_of_detaching_lossless", || {
                killed_in(Point::Call, "detach lossless")
            }),
            Test::new("killed_at_each_step_of_falling_asleep", falling_asleep),
            Test::new("killed_in_its_sleep", in_its_sleep),
        ],
    )
}

/// Child: attaches, lets the test publish, does one thing, and dies before the step that it is told.
fn read(task: &Task) -> Outcome {
    let (place, operation) = (Directory::open(task.arg(1)?)?, task.arg(2)?);
    let from_oldest = stream::reader(&place).from_oldest();
    if let "attach" | "join" = operation {
        task.say("ready")?;
        task.await_line("go")?;
        let builder = if operation == "join" { from_oldest.lossless() } else { from_oldest };
        return die_within(task, || builder.attach(NAME));
    }
    let is_lossless = matches!(operation, "receive lossless" | "lag" | "detach lossless");
    let builder = if is_lossless { from_oldest.lossless() } else { from_oldest };
    let mut reader = builder.attach(NAME)?;
    task.say("ready")?;
    task.await_line("go")?;
    match operation {
        "latest" => die_within(task, || reader.latest().map(drop)),
        "receive" | "receive lossless" | "receive late" => die_within(task, || reader.try_recv().map(drop)),
        "lag" => die_within(task, || {
            let lagged = reader.try_recv().map(drop);
            (lagged, reader.try_recv().map(drop))
        }),
        "detach" | "detach lossless" => die_within(task, || drop(reader)),
        "detach first" => {
            let frame = reader.latest()?;
            die_within(task, || drop((reader, frame)))
        }
        other => Err(format!("nobody can {other}").into()),
    }
}

fn killed_in(point: Point, operation: &str) -> Outcome {
    // The lossless ones read nothing, so the publisher may not get far while they live, unless it evicts them.
    let (policy, frames) = match operation {
        "lag" => (Backpressure::Evict, 4),
        "receive late" => (Backpressure::Block, 4),
        _ => (Backpressure::Block, 1),
    };
    point.at_each(operation, |kill| {
        let mut survivors = Survivors::new()?;
        let mut child = Child::start("read", kill.args(&[survivors.path()?, operation]))?;
        child.expect("ready")?;
        let mut writer = stream::writer(survivors.place()).backpressure(policy).attach(NAME)?;
        for _ in 0..frames {
            stream::publish(&mut writer)?;
            survivors.read_all()?;
        }
        child.tell("go")?;
        kill.end(child)?;
        survivors.go_on(writer)
    })
}

/// Child: holds as many frames as it is told, and lives until it is killed.
fn hold(task: &Task) -> Outcome {
    let name = task.arg(2).unwrap_or(NAME);
    let reader = stream::reader(&Directory::open(task.arg(0)?)?).attach(name)?;
    let mut held = Vec::new();
    for _ in 0..task.number(1)? {
        task.say("ready")?;
        task.await_line("pin")?;
        held.push(reader.latest()?);
    }
    task.say("holding")?;
    task.listen().map(drop)
}

/// The publisher cannot have the slots of a living reader, and says who that is; it has those of a dead one at once.
fn with_pins() -> Outcome {
    let mut survivors = Survivors::new()?;
    let mut writer = survivors.writer()?;
    let pins = SPARE + 1;
    let mut child = Child::start("hold", [survivors.path()?, &pins.to_string()])?;
    for _ in 0..pins {
        child.expect("ready")?;
        stream::publish(&mut writer)?;
        survivors.read_all()?;
        child.tell("pin")?;
    }
    child.expect("holding")?;
    survivors.let_go();
    let mut published = 0;
    let holders = loop {
        match writer.try_loan() {
            Ok(mut loan) => {
                stream::fill(&mut loan);
                loan.publish();
                survivors.read_all()?;
                published += 1;
                ensure!(published < 10, "pinned slots were used");
            }
            Err(Error::NoFreeSlot { holders, .. }) => break holders,
            Err(error) => return Err(error.into()),
        }
    };
    ensure!(holders == [child.pid()], "the holders are {holders:?}, expected {}", child.pid());
    child.kill()?;
    drop(writer.try_loan()?);
    survivors.go_on(writer)
}

/// The same where the name is gone: the publisher may still publish to those who are attached, and slots come back.
fn with_pins_of_an_unlinked_stream() -> Outcome {
    let survivors = Survivors::new()?;
    let mut writer = stream::writer(survivors.place()).slots(HISTORY + 1).create("other", [stream::WORDS])?;
    let mut children = Vec::new();
    for _ in 0..2 {
        stream::publish(&mut writer)?;
        let mut child = Child::start("hold", [survivors.path()?, "1", "other"])?;
        child.expect("ready")?;
        child.tell("pin")?;
        child.expect("holding")?;
        children.push(child);
    }
    for _ in 1..HISTORY {
        stream::publish(&mut writer)?;
    }
    survivors.place().unlink("other")?;
    let refused = writer.try_loan().map(drop);
    ensure!(matches!(refused, Err(Error::NoFreeSlot { .. })), "they live: {refused:?}");
    children.iter_mut().try_for_each(Child::kill)?;
    writer.try_loan()?.publish();
    Ok(())
}

/// Child: waits for a frame that does not come, and dies before the step that it is told.
fn wait(task: &Task) -> Outcome {
    let mut reader = stream::reader(&Directory::open(task.arg(1)?)?).attach(NAME)?;
    // Long enough for all the looks before the first sleep, and shorter than that sleep may be.
    die_within(task, || reader.recv_timeout(std::time::Duration::from_millis(9)))
}

/// The steps of the wait's end are those of setting the bit that says that somebody sleeps, and of sleeping.
fn falling_asleep() -> Outcome {
    at_the_last_steps(30, "wait", |kill: &Kill| {
        let survivors = Survivors::new()?;
        let writer = survivors.writer()?;
        kill.child("wait", &[survivors.path()?])?;
        survivors.go_on(writer)
    })
}

/// Child: says how old each frame is when it is received, in microseconds.
fn report(task: &Task) -> Outcome {
    let mut reader = stream::reader(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    task.say("ready")?;
    while let Some(frame) = reader.recv_timeout(SOON)? {
        let age = frame.age();
        stream::check(&frame)?;
        task.say(&age.as_micros().to_string())?;
    }
    Ok(())
}

/// Three sleep, one is killed: the others are woken by the next frame, and not only when they look around after 10 to
/// 50 ms.
///
/// The machine may be busy, so a single wake may be late; most of them are not.
fn in_its_sleep() -> Outcome {
    let mut survivors = Survivors::new()?;
    let mut writer = survivors.writer()?;
    let path = survivors.path()?.to_owned();
    let start = || {
        let child = Child::start("report", [&path])?;
        child.expect("ready")?;
        Outcome::Ok(child)
    };
    let mut witnesses = [start()?, start()?];
    let mut ages = Vec::new();
    for _ in 0..21 {
        let mut victim = start()?;
        victim.sleeps()?;
        witnesses.iter().try_for_each(Child::sleeps)?;
        victim.kill()?;
        stream::publish(&mut writer)?;
        survivors.read_all()?;
        let told = witnesses.iter().map(|child| Ok(child.hear()?.parse::<u64>()?)).collect::<Outcome<Vec<_>>>()?;
        ages.extend(told.into_iter().max());
    }
    witnesses.iter_mut().try_for_each(Child::kill)?;
    ages.sort_unstable();
    let median = ages[ages.len() / 2];
    ensure!(median < 5_000, "the median wake takes {median} us: {ages:?}");
    survivors.go_on(writer)
}
