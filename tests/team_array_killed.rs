//! A rank that is killed at any point of a step leaves its team at a step that was made, whole.
//!
//! It dies while it opens an array, takes its block, writes it, finishes it, or swaps; and so does the one that comes after it, at its
//! first step. Whoever comes then goes on, and comes to what a program comes to that nobody has killed. The team has one rank, so
//! nobody else knows where it was: what the dead have left must tell it.

mod support;

use ndarray::{Array1, Ix1};
use sharray::{Directory, Result, Team, TeamArray};
use std::process::ExitCode;
use support::child::Task;
use support::steps::{Kill, at_each_step, die_within};
use support::stream::fresh_folder;
use support::{Outcome, Roles, SOON, Test, ensure_eq, main as run};

const ROLES: Roles = &[("step", step), ("open", open)];

const ROWS: usize = 5;
/// The one who is killed begins after so many steps, of which one leaves `odd` the newer array.
const BEFORE: [u64; 2] = [2, 3];
const END: u64 = 7;

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("killed_at_each_step_of_a_step", killed_in_a_step),
            Test::new("killed_at_each_step_of_the_step_after_a_death", killed_again),
            Test::new("killed_at_each_step_of_opening", killed_in_opening).within(120),
        ],
    )
}

fn join(place: &Directory) -> Result<Team> {
    Team::builder().directory(place).join("sim", 0, 1)
}

/// Both arrays of the team: they swap together.
fn arrays(team: &Team) -> Result<[TeamArray<u64, Ix1>; 2]> {
    let open = |name, first: u64| {
        team.array(name, [ROWS], SOON, |items| items.iter_mut().zip(first..).for_each(|(item, number)| *item = number))
    };
    Ok([open("one", 1)?, open("other", 100)?])
}

/// A step that shows whether it was made from what it had to be, and once.
fn make(team: &Team, arrays: &[TeamArray<u64, Ix1>; 2]) -> Result<()> {
    for array in arrays {
        let mut block = team.block(array)?;
        let (old, new) = block.views();
        for row in 0..ROWS {
            new[row] = made(old[(row + 1) % ROWS], old[row]);
        }
        block.finish();
    }
    team.swap(SOON)
}

fn made(behind: u64, here: u64) -> u64 {
    here.wrapping_mul(31).wrapping_add(behind)
}

fn advance(team: &Team, until: u64) -> Result<[TeamArray<u64, Ix1>; 2]> {
    let arrays = arrays(team)?;
    while team.step() < until {
        make(team, &arrays)?;
    }
    Ok(arrays)
}

/// Goes on to the end, and looks what came of it.
fn check_heir(place: &Directory) -> Outcome {
    let team = join(place)?;
    let arrays = advance(&team, END)?;
    for (array, first) in arrays.iter().zip([1, 100]) {
        let begin: Array1<u64> = (first..first + ROWS as u64).collect();
        let expected =
            (0..END).fold(begin, |old, _| (0..ROWS).map(|row| made(old[(row + 1) % ROWS], old[row])).collect());
        ensure_eq!(array.current().snapshot()?, expected, "{} at the end", array.current().name());
    }
    Ok(())
}

/// Child: makes steps up to the one that it is told, and dies in that.
fn step(task: &Task) -> Outcome {
    let team = join(&Directory::open(task.arg(1)?)?)?;
    let arrays = advance(&team, task.number(2)?)?;
    die_within(task, || make(&team, &arrays))
}

/// Child: dies while it opens the arrays.
fn open(task: &Task) -> Outcome {
    let team = join(&Directory::open(task.arg(1)?)?)?;
    die_within(task, || arrays(&team))
}

/// Runs a child to its death, on the arrays of a folder.
fn kill_in(kill: &Kill, role: &str, place: &Directory, begin: u64) -> Outcome {
    let path = place.path().to_str().ok_or("its path is text")?;
    kill.child(role, &[path, &begin.to_string()])
}

fn killed_in_a_step() -> Outcome {
    for begin in BEFORE {
        at_each_step(&format!("step {begin}"), |kill| {
            let folder = fresh_folder()?;
            let place = Directory::open(folder.path())?;
            kill_in(kill, "step", &place, begin)?;
            check_heir(&place)
        })?;
    }
    Ok(())
}

/// The first one dies in the middle of its writing: its blocks are poisoned when the second one takes them.
fn killed_again() -> Outcome {
    for begin in BEFORE {
        at_each_step(&format!("step {begin}, after a death"), |kill| {
            let folder = fresh_folder()?;
            let place = Directory::open(folder.path())?;
            {
                let team = join(&place)?;
                let arrays = advance(&team, begin)?;
                drop(team.block(&arrays[1])?);
            }
            kill_in(kill, "step", &place, begin)?;
            check_heir(&place)
        })?;
    }
    Ok(())
}

fn killed_in_opening() -> Outcome {
    at_each_step("opening what is not there", |kill| {
        let folder = fresh_folder()?;
        let place = Directory::open(folder.path())?;
        kill_in(kill, "open", &place, 0)?;
        check_heir(&place)
    })?;
    at_each_step("opening what is there", |kill| {
        let folder = fresh_folder()?;
        let place = Directory::open(folder.path())?;
        advance(&join(&place)?, BEFORE[1])?;
        kill_in(kill, "open", &place, 0)?;
        check_heir(&place)
    })
}
