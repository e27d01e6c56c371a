//! Whoever recovers a dead writer may die of it, at any point: the next one begins again, with the same result.
//!
//! The dead had several blocks. In one it had begun to write, and that one must be poisoned by whoever frees it; the
//! others it only held, and they must not be, however often somebody dies between the poison, the number and the word.

mod support;

use sharray::Directory;
use std::process::ExitCode;
use std::sync::OnceLock;
use support::child::{Child, Task};
use support::field::{self, BLOCKS, NAME, PARTICIPANTS};
use support::heirs::{FINDERS, Heirs, NEW};
use support::steps::{Kill, Point, Point::Step, at_each_step, at_the_last_steps, die_within};
use support::{Outcome, Roles, SOON, Test, ensure, ensure_eq, main as run};

const ROLES: Roles = &[("begin", begin), ("hold", hold), ("crowd", crowd), ("recover", recover)];

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("killed_at_each_step_of_a_blocks_write_that_recovers", || killed_in(Step, "write block")),
            Test::new("killed_at_each_step_of_a_read_that_recovers", by_a_read),
            Test::new("killed_at_each_step_of_trying_what_recovers", || killed_in(Step, "try")),
            Test::new("killed_at_each_step_of_a_wait_for_a_change_that_recovers", by_a_watch),
            Test::new("killed_at_each_step_of_an_attach_that_recovers", || by_an_attach(Step)),
            Test::traced("killed_at_each_system_call_of_a_blocks_write_that_recovers", || {
                killed_in(Point::Call, "write block")
            }),
            Test::traced("killed_at_each_system_call_of_trying_what_recovers", || killed_in(Point::Call, "try")),
            Test::traced("killed_at_each_system_call_of_a_read_that_recovers", || killed_in(Point::Call, "read")),
            Test::traced("killed_at_each_system_call_of_an_attach_that_recovers", || by_an_attach(Point::Call)),
            Test::new("killed_one_after_the_other", chain),
        ],
    )
}

/// Child: reads block 0, and dies before the step that it is told of taking the others.
fn begin(task: &Task) -> Outcome {
    let field = field::builder(&Directory::open(task.arg(1)?)?).attach(NAME)?;
    let held = field.read_block(0)?;
    die_within(task, || std::mem::forget((held, field.write_blocks(1..BLOCKS))))
}

/// Child: dies reading block 0.
fn hold(task: &Task) -> Outcome {
    let field = field::builder(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    let held = field.read_block(0)?;
    task.die()?;
    drop(held);
    Ok(())
}

/// Child: takes all records that are free, and dies.
fn crowd(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let all = (0..task.number(1)?).map(|_| field::builder(&place).attach(NAME)).collect::<sharray::Result<Vec<_>>>()?;
    task.die()?;
    drop(all);
    Ok(())
}

/// The step of taking three blocks before which one of them says that it is written, and the others do not yet.
fn first_of_three() -> Outcome<u64> {
    static STEP: OnceLock<u64> = OnceLock::new();
    if let Some(step) = STEP.get() {
        return Ok(*step);
    }
    let all = Kill::at(10_000);
    all.child("begin", &[Heirs::new()?.path()?])?;
    for step in (1..=all.points()?).rev() {
        let heirs = Heirs::new()?;
        Kill::at(step).child("begin", &[heirs.path()?])?;
        if heirs.words()?.blocks.iter().map(|block| block.seq % 2).eq([0, 1, 0, 0]) {
            return Ok(*STEP.get_or_init(|| step));
        }
    }
    Err("it writes all blocks at once".into())
}

/// An array whose writer died: it read block 0, wrote block 1, and had just got the others. Two readers of block 0 died
/// too, and somebody long ago who wrote block 3.
fn scene() -> Outcome<Heirs> {
    let heirs = Heirs::with_poison(3..4)?;
    Kill::at(first_of_three()?).child("begin", &[heirs.path()?])?;
    for _ in 0..2 {
        Child::start("hold", [heirs.path()?])?.died()?;
    }
    let words = heirs.words()?;
    ensure!(
        words.blocks.iter().map(|block| (block.seq % 2, block.poison)).eq([(0, 0), (1, 0), (0, 0), (0, 1)]),
        "{words:?}"
    );
    ensure_eq!(words.blocks.iter().filter(|block| block.owner() == Some(1)).count(), 3, "the dead one's blocks");
    ensure_eq!(words.records.iter().filter(|record| record.reads()).count(), 3, "records that read: {words:?}");
    Ok(heirs)
}

/// Child: does one thing for which it has to recover the dead, and dies before the step that it is told.
fn recover(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(1)?)?;
    if task.arg(2)? == "attach" {
        return die_within(task, || field::builder(&place).attach(NAME));
    }
    let field = field::builder(&place).attach(NAME)?;
    match task.arg(2)? {
        "write block" => {
            die_within(task, || field.write_block_timeout(2, SOON).map(|mut it| field::fill(&mut it, NEW)))
        }
        "try" => die_within(task, || field.try_write().map(|mut guard| field::fill(&mut guard, NEW))),
        "read" => die_within(task, || field.read_timeout(SOON).map(drop)),
        "watch" => {
            let since = field.sequence();
            die_within(task, || field.wait_changed(since, SOON))
        }
        other => Err(format!("nobody can {other}").into()),
    }
}

/// What is left is found by the next one, and all that the first dead one did is told.
fn end(heirs: Heirs, kill: &Kill) -> Outcome {
    let left = heirs.words()?.blocks;
    ensure!(left[1].is_half_written() && left[3].is_half_written(), "what was half written is forgotten: {left:?}");
    heirs.go_on(FINDERS[kill.at as usize % FINDERS.len()], 0..BLOCKS)
}

fn killed_in(point: Point, operation: &str) -> Outcome {
    point.at_each(&format!("{operation}, recovering"), |kill| {
        let heirs = scene()?;
        kill.child("recover", &[heirs.path()?, operation])?;
        end(heirs, kill)
    })
}

/// A read looks at the writer for a while before it asks who died.
fn by_a_read() -> Outcome {
    at_the_last_steps(120, "read, recovering", |kill| {
        let heirs = scene()?;
        kill.child("recover", &[heirs.path()?, "read"])?;
        end(heirs, kill)
    })
}

/// So does a wait for a change.
fn by_a_watch() -> Outcome {
    at_the_last_steps(120, "watch, recovering", |kill| {
        let heirs = scene()?;
        kill.child("recover", &[heirs.path()?, "watch"])?;
        end(heirs, kill)
    })
}

/// A table full of the dead has room: the next one takes the writer's record over.
fn by_an_attach(point: Point) -> Outcome {
    point.at_each("an attach that recovers", |kill| {
        let heirs = scene()?;
        let here = heirs.place().inspect(NAME)?.participants.len();
        Child::start("crowd", [heirs.path()?, &(PARTICIPANTS as usize - here).to_string()])?.died()?;
        kill.child("recover", &[heirs.path()?, "attach"])?;
        end(heirs, kill)
    })
}

/// The second one dies of what the first one left, at another step, doing another thing. The third one finishes.
fn chain() -> Outcome {
    const SECOND: [&str; 3] = ["try", "write block", "read"];
    at_each_step("try, recovering, and then another", |kill| {
        let heirs = scene()?;
        kill.child("recover", &[heirs.path()?, "try"])?;
        let second = Kill::at(1 + kill.at * 89 % 250);
        second.child("recover", &[heirs.path()?, SECOND[kill.at as usize % SECOND.len()]])?;
        let told = |error| format!("the second one died before step {}: {error}", second.at);
        end(heirs, kill).map_err(|error| told(error).into())
    })
}
