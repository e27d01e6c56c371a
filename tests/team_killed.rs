//! A rank that is killed at any step leaves a team that goes on: the others are told of it, all the same, and meet another
//! one under its number.

mod support;

use sharray::Directory;
use std::process::ExitCode;
use std::time::Duration;
use support::child::Task;
use support::crew::{self, Crew, MORTAL, Told};
use support::steps::{Kill, at_each_step, at_the_last_steps, die_within};
use support::{Outcome, Roles, SOON, Test, ensure, main as run};

const ROLES: Roles = &[("rank", rank)];

/// Long enough to sleep several times.
const NAPS: Duration = Duration::from_millis(25);
/// Long enough for those who are there to meet.
const PATIENCE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("killed_at_each_step_of_joining", joining),
            Test::new("killed_at_each_step_of_joining_after_a_death", joining_after_a_death),
            Test::new("killed_at_each_step_of_a_barrier", || together("barrier")),
            Test::new("killed_at_each_step_of_a_sum", || together("sum")),
            Test::new("killed_while_it_waits_in_a_barrier", waiting),
            Test::new("killed_at_each_step_of_a_reset", resetting),
            Test::new("killed_at_each_step_of_leaving", leaving),
        ],
    )
}

/// Child: does one thing as the mortal rank, and dies before the step that it is told.
fn rank(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(1)?)?;
    let operation = task.arg(2)?;
    if operation == "join" {
        return die_within(task, || crew::join(&place, MORTAL));
    }
    let team = crew::join(&place, MORTAL)?;
    match operation {
        "barrier" => die_within(task, || team.barrier(SOON)),
        "sum" => die_within(task, || crew::sum(&team)),
        "wait" => die_within(task, || team.barrier(NAPS)),
        "reset" => die_within(task, || team.reset(SOON)),
        "leave" => die_within(task, || drop(team)),
        other => Err(format!("nobody can {other}").into()),
    }
}

/// Whether it was a member by then or not, its number is free at once.
fn joining() -> Outcome {
    at_each_step("join", |kill| {
        let crew = Crew::new()?;
        kill.child("rank", &[crew.path()?, "join"])?;
        crew.go_on()
    })
}

/// Its predecessor was killed, and it is itself, while it recovers that one.
fn joining_after_a_death() -> Outcome {
    at_each_step("join after a death", |kill| {
        let crew = Crew::new()?;
        Kill::at(1).child("rank", &[crew.path()?, "barrier"])?;
        kill.child("rank", &[crew.path()?, "join"])?;
        crew.are_told()?;
        crew.go_on()
    })
}

/// The others wait for it. They pass, all of them, or none does; if they do, the next round tells them.
fn together(operation: &'static str) -> Outcome {
    at_each_step(operation, |kill| {
        let crew = Crew::new()?;
        let dies = || kill.child("rank", &[crew.path()?, operation]);
        let told = match operation {
            "sum" => Told::by(&crew.all(crew::sum, dies)?)?,
            _ => Told::by(&crew.all(|team| team.barrier(SOON), dies)?)?,
        };
        ensure!(told == Told::Passed || !kill.is_past_end(), "it came through, and the others did not");
        crew.are_told()?;
        crew.go_on()
    })
}

/// It has arrived and sleeps, or gives up: the others hear the same of that, whenever they come.
fn waiting() -> Outcome {
    at_the_last_steps(30, "a wait in a barrier", |kill: &Kill| {
        let crew = Crew::new()?;
        kill.child("rank", &[crew.path()?, "wait"])?;
        if crew.barrier()? == Told::Passed {
            crew.are_told()?;
        }
        crew.go_on()
    })
}

/// The others are in the reset already, and it dies in it: another one comes, and the reset ends for all.
fn resetting() -> Outcome {
    at_each_step("reset", |kill| {
        let crew = Crew::new()?;
        crew.break_team()?;
        let comes_again = || -> Outcome {
            kill.child("rank", &[crew.path()?, "reset"])?;
            // If the dead one was the last to arrive the others have gone on, and nobody meets this one.
            _ = crew.join()?.reset(PATIENCE);
            Ok(())
        };
        let told = crew.all(|team| team.reset(SOON), comes_again)?;
        ensure!(told.iter().all(Result::is_ok), "all were in the reset: {told:?}");
        crew.go_on()
    })
}

/// It is gone, however far it came, and the others are told so.
fn leaving() -> Outcome {
    at_each_step("leave", |kill| {
        let crew = Crew::new()?;
        kill.child("rank", &[crew.path()?, "leave"])?;
        crew.are_told()?;
        crew.go_on()
    })
}
