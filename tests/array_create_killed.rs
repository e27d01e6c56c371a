//! An array in place, a cell or a table whose creator is killed is there, whole and with its contents, or it is not there.
//!
//! Nobody ever attaches to an array half filled, or finds a name that can neither be attached nor created. What the
//! creator had taken to fill it is free again, and no file is left of one that never got its name.

mod support;

use ndarray::Ix2;
use sharray::{Directory, Error, SharedArray, SharedCell};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use support::child::{Child, Task};
use support::field::{self, NAME};
use support::steps::{Point, Point::Step, die_within};
use support::table;
use support::{Outcome, Roles, Test, ensure, ensure_eq, main as run, stream};

const ROLES: Roles = &[("create", create), ("collect", collect)];

const CELL: &str = "robot/joint";

type Joint = [f64; 4];

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("killed_at_each_step_of_create", || killed_in(Step, "create", 0)),
            Test::new("killed_at_each_step_of_create_from", || killed_in(Step, "create from", 1)),
            Test::new("killed_at_each_step_of_open", || killed_in(Step, "open", 0)),
            Test::new("killed_at_each_step_of_creating_a_cell", || creating_a_cell(Step)),
            Test::new("killed_at_each_step_of_creating_a_table", || creating_a_table(Step)),
            Test::traced("killed_at_each_system_call_of_create", || killed_in(Point::Call, "create", 0)),
            Test::traced("killed_at_each_system_call_of_create_from", || killed_in(Point::Call, "create from", 1)),
            Test::traced("killed_at_each_system_call_of_open", || killed_in(Point::Call, "open", 0)),
            Test::traced("killed_at_each_system_call_of_creating_a_cell", || creating_a_cell(Point::Call)),
            Test::traced("killed_at_each_system_call_of_creating_a_table", || creating_a_table(Point::Call)),
        ],
    )
}

/// Child: creates something, and dies before the step that it is told.
fn create(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(1)?)?;
    let shape = [field::ROWS, field::COLUMNS];
    match task.arg(2)? {
        "create" => die_within(task, || field::builder(&place).create(NAME, shape)),
        "open" => die_within(task, || field::builder(&place).open(NAME, shape)),
        "create from" => {
            let contents = field::contents(1);
            die_within(task, || field::builder(&place).create_from(NAME, &contents))
        }
        "cell" => die_within(task, || SharedCell::<Joint>::builder().directory(&place).create(CELL, [1.5; 4])),
        "table" => {
            let rows = table::rows(0..3);
            die_within(task, || table::builder(&place).create_from(table::NAME, &rows))
        }
        other => Err(format!("nobody can {other}").into()),
    }
}

/// Child: collects the garbage of its default place.
fn collect(task: &Task) -> Outcome {
    let collected = Directory::default_place()?.collect_garbage()?;
    task.say(&format!("collected {}", collected.len()))
}

fn collect_all(path: &str) -> Outcome {
    Child::start_with_place(path, "collect", [""; 0])?.succeed()
}

/// Killed before and after the name appears, and never in between.
struct Counts {
    there: AtomicU32,
    missing: AtomicU32,
}

impl Counts {
    fn new() -> Self {
        Self { there: AtomicU32::new(0), missing: AtomicU32::new(0) }
    }

    fn count(&self, is_there: bool) {
        (if is_there { &self.there } else { &self.missing }).fetch_add(1, Relaxed);
    }

    fn ensure_both(&self) -> Outcome {
        let (there, missing) = (self.there.load(Relaxed), self.missing.load(Relaxed));
        ensure!(there > 0 && missing > 0, "{there} times it was there, {missing} times it was not");
        Ok(())
    }
}

fn killed_in(point: Point, operation: &str, version: u64) -> Outcome {
    let counts = Counts::new();
    point.at_each(operation, |kill| {
        let folder = stream::fresh_folder()?;
        let path = folder.path().to_str().ok_or("the path is not text")?;
        kill.child("create", &[path, operation])?;
        let place = Directory::open(folder.path())?;
        let is_there = place.inspect(NAME).is_ok();
        counts.count(is_there);
        ensure!(is_there || !kill.is_past_end(), "a created array has its name");
        let array = if is_there {
            field::builder(&place).attach(NAME)?
        } else {
            let missing = field::builder(&place).attach(NAME).map(drop);
            ensure!(matches!(missing, Err(Error::NotFound { .. })), "no name, no array: {missing:?}");
            if kill.at % 2 == 0 {
                collect_all(path)?;
            }
            match version {
                0 => field::builder(&place).create(NAME, [field::ROWS, field::COLUMNS])?,
                _ => field::builder(&place).create_from(NAME, &field::contents(version))?,
            }
        };
        check(&array, version)?;
        let mut guard = array.try_write()?;
        ensure!(!guard.is_poisoned(), "it is whole");
        field::fill(&mut guard, 2);
        drop(guard);
        check(&array, 2)?;
        drop(array);
        place.unlink(NAME)?;
        ensure_eq!(stream::leftovers(folder.path())?, Vec::<String>::new(), "what is left in the folder");
        Ok(())
    })?;
    counts.ensure_both()
}

/// It can be read, leased or copied, and holds a version, or zeros for none.
fn check(array: &SharedArray<u64, Ix2>, version: u64) -> Outcome {
    let copy = array.try_snapshot()?;
    ensure_eq!(*array.try_read()?, *copy, "what is read, and copied");
    if version == 0 {
        ensure!(copy.iter().all(|item| *item == 0), "it is all zero: {copy}");
    } else {
        ensure_eq!(field::version(&copy, 0)?, version, "the version");
    }
    Ok(())
}

fn creating_a_cell(point: Point) -> Outcome {
    let counts = Counts::new();
    point.at_each("create a cell", |kill| {
        let folder = stream::fresh_folder()?;
        let path = folder.path().to_str().ok_or("the path is not text")?;
        kill.child("create", &[path, "cell"])?;
        let place = Directory::open(folder.path())?;
        let is_there = place.inspect(CELL).is_ok();
        counts.count(is_there);
        ensure!(is_there || !kill.is_past_end(), "a created cell has its name");
        let builder = SharedCell::<Joint>::builder().directory(&place);
        let cell = if is_there { builder.attach(CELL)? } else { builder.create(CELL, [1.5; 4])? };
        ensure_eq!((cell.load(), cell.sequence()), ([1.5; 4], 1), "its first value");
        cell.try_store([2.5; 4])?;
        ensure_eq!((cell.load(), cell.sequence()), ([2.5; 4], 2), "its second value");
        drop(cell);
        place.unlink(CELL)?;
        ensure_eq!(stream::leftovers(folder.path())?, Vec::<String>::new(), "what is left in the folder");
        Ok(())
    })?;
    counts.ensure_both()
}

/// Nobody ever finds it with fewer rows than it was created with.
fn creating_a_table(point: Point) -> Outcome {
    let counts = Counts::new();
    point.at_each("create a table", |kill| {
        let folder = stream::fresh_folder()?;
        let path = folder.path().to_str().ok_or("the path is not text")?;
        kill.child("create", &[path, "table"])?;
        let place = Directory::open(folder.path())?;
        let is_there = place.inspect(table::NAME).is_ok();
        counts.count(is_there);
        ensure!(is_there || !kill.is_past_end(), "a created table has its name");
        let builder = table::builder(&place);
        let rows = table::rows(0..3);
        let found = if is_there { builder.attach(table::NAME)? } else { builder.create_from(table::NAME, &rows)? };
        ensure_eq!(table::check(&found.view()?)?, 3, "its first rows");
        ensure_eq!(found.try_append(&table::rows(3..5))?, 3..5, "where the next rows are");
        ensure_eq!(table::check(&found.view()?)?, 5, "all of its rows");
        drop(found);
        place.unlink(table::NAME)?;
        ensure_eq!(stream::leftovers(folder.path())?, Vec::<String>::new(), "what is left in the folder");
        Ok(())
    })?;
    counts.ensure_both()
}
