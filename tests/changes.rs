//! Waiting for a change of an array in place, or of a cell, that another process makes.

mod support;

use ndarray::Ix1;
use sharray::{AnyArray, AnyCell, Directory, Error, Result, SharedArray, SharedCell};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};
use support::child::{Child, Task};
use support::stream::fresh_folder;
use support::{Outcome, Roles, SOON, Test, ensure, ensure_eq, main as run};

const ROLES: Roles = &[("wait", wait), ("answer", answer)];

const ASKED: &str = "asked";
const ANSWERED: &str = "answered";

type Field = SharedArray<u64, Ix1>;

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("a_change_wakes_who_waits_for_it", woken),
            Test::new("a_wait_lasts_as_long_as_its_limit", limits),
            Test::new("a_change_that_was_not_seen_is_not_waited_for", not_waited_for),
            Test::new("unlinking_wakes_who_waits_for_a_change", unlinked),
            Test::new("who_waits_for_an_array_is_woken_at_once", || at_once("array")),
            Test::new("who_waits_for_a_cell_is_woken_at_once", || at_once("cell")),
        ],
    )
}

/// What is waited on: the two kinds have the same calls.
enum Handle {
    Array(AnyArray),
    Cell(AnyCell),
}

impl Handle {
    fn attach(place: &Directory, kind: &str, name: &str) -> Result<Self> {
        Ok(match kind {
            "cell" => Self::Cell(AnyCell::builder().directory(place).attach(name)?),
            "onlooker" => Self::Array(AnyArray::builder().directory(place).read_only().attach(name)?),
            "onlooker of a cell" => Self::Cell(AnyCell::builder().directory(place).read_only().attach(name)?),
            _ => Self::Array(AnyArray::builder().directory(place).attach(name)?),
        })
    }

    fn sequence(&self) -> u64 {
        match self {
            Self::Array(array) => array.sequence(),
            Self::Cell(cell) => cell.sequence(),
        }
    }

    fn wait_changed(&self, since: u64, timeout: Duration) -> Result<u64> {
        match self {
            Self::Array(array) => array.wait_changed(since, timeout),
            Self::Cell(cell) => cell.wait_changed(since, timeout),
        }
    }

    fn change(&self) -> Result<()> {
        match self {
            Self::Array(array) => array.write().map(drop),
            Self::Cell(cell) => cell.store(&[1; 8]),
        }
    }
}

fn create(place: &Directory, kind: &str, name: &str) -> Outcome {
    if kind.contains("cell") {
        SharedCell::<u64>::builder().directory(place).create(name, 0)?;
    } else {
        Field::builder().directory(place).blocks(3).create(name, [3])?;
    }
    Ok(())
}

const KINDS: [&str; 4] = ["array", "cell", "onlooker", "onlooker of a cell"];

/// Child: says what it hears of the array, from what it finds on.
fn wait(task: &Task) -> Outcome {
    let handle = Handle::attach(&Directory::open(task.arg(0)?)?, task.arg(1)?, ASKED)?;
    let mut seen = handle.sequence();
    task.say("waiting")?;
    loop {
        match handle.wait_changed(seen, SOON) {
            Ok(now) => {
                ensure!(now > seen, "{now} is no news after {seen}");
                seen = now;
                task.say(&now.to_string())?;
            }
            Err(Error::Retired { .. }) => return task.say("retired"),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The sequence after a change is what it waits for: neither a wake-up without one, nor one change for another.
fn woken() -> Outcome {
    let folder = fresh_folder()?;
    let path = folder.path().to_str().ok_or("the path is not text")?;
    let place = Directory::open(path)?;
    for kind in KINDS {
        create(&place, kind, ASKED)?;
        let ours = Handle::attach(&place, kind.split_once(" of a ").map_or("array", |_| "cell"), ASKED);
        let ours = if kind == "cell" { Handle::attach(&place, kind, ASKED) } else { ours }?;
        let child = Child::start("wait", [path, kind])?;
        child.expect("waiting")?;
        for _ in 0..20 {
            child.sleeps()?;
            ours.change()?;
            let told: u64 = child.hear()?.parse()?;
            // Three blocks are three writes, which end one after the other.
            let mut last = told;
            while last < ours.sequence() {
                last = child.hear()?.parse()?;
            }
            ensure_eq!(last, ours.sequence(), "what the {kind} is told");
        }
        ensure_eq!(child.heard(), None, "after the last change");
        place.unlink(ASKED)?;
        child.expect("retired")?;
    }
    Ok(())
}

fn limits() -> Outcome {
    let folder = fresh_folder()?;
    let place = Directory::open(folder.path())?;
    for kind in KINDS {
        create(&place, kind, ASKED)?;
        let handle = Handle::attach(&place, kind, ASKED)?;
        for span in [Duration::ZERO, Duration::from_micros(50), Duration::from_millis(30)] {
            let start = Instant::now();
            let late = handle.wait_changed(handle.sequence(), span);
            let took = start.elapsed();
            ensure!(matches!(late, Err(Error::TimedOut { .. })), "nothing has changed: {late:?}");
            ensure!(took >= span && took < span + SOON, "it waited {took:?} instead of {span:?}");
        }
        place.unlink(ASKED)?;
    }
    Ok(())
}

/// What has changed already is told at once, also by a call that does not wait; a write under way is none yet.
fn not_waited_for() -> Outcome {
    let folder = fresh_folder()?;
    let place = Directory::open(folder.path())?;
    let field = Field::builder().directory(&place).blocks(3).create(ASKED, [3])?;
    let onlooker = Field::builder().directory(&place).read_only().attach(ASKED)?;
    field.write()?.fill(1);
    for handle in [&field, &onlooker] {
        ensure_eq!(handle.wait_changed(0, Duration::ZERO)?, 6, "three blocks");
        ensure_eq!(handle.wait_changed(5, Duration::ZERO)?, 6, "since a write was under way");
    }
    let writing = field.write_block(1)?;
    for handle in [&field, &onlooker] {
        ensure_eq!(handle.wait_changed(4, Duration::ZERO)?, 7, "one has ended, and one is under way");
        let late = handle.wait_changed(7, Duration::from_millis(5));
        ensure!(matches!(late, Err(Error::TimedOut { .. })), "it has not ended: {late:?}");
    }
    drop(writing);
    ensure_eq!(field.wait_changed(7, Duration::ZERO)?, 8, "it has ended");
    Ok(())
}

fn unlinked() -> Outcome {
    let folder = fresh_folder()?;
    let path = folder.path().to_str().ok_or("the path is not text")?;
    let place = Directory::open(path)?;
    for kind in KINDS {
        create(&place, kind, ASKED)?;
        let child = Child::start("wait", [path, kind])?;
        child.expect("waiting")?;
        child.sleeps()?;
        place.unlink(ASKED)?;
        child.expect("retired")?;
        create(&place, kind, ASKED)?;
        // By something that cleans up files, which tells nobody.
        let child = Child::start("wait", [path, kind])?;
        child.expect("waiting")?;
        child.sleeps()?;
        std::fs::remove_file(folder.path().join(ASKED))?;
        child.expect("retired")?;
    }
    Ok(())
}

/// Child: changes the one whenever the other has changed.
fn answer(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let asked = Handle::attach(&place, task.arg(1)?, ASKED)?;
    let answered = Handle::attach(&place, task.arg(1)?, ANSWERED)?;
    let mut seen = asked.sequence();
    task.say("ready")?;
    loop {
        match asked.wait_changed(seen, SOON) {
            Ok(now) => seen = now,
            Err(Error::Retired { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        answered.change()?;
    }
}

/// Two processes that answer each other, each asleep while the other works. Were they not woken, each would sleep its
/// ten milliseconds out, and they could not answer each other a hundred times in a second. A second in which a busy
/// machine lets neither of them run proves nothing, so there are some.
fn at_once(kind: &str) -> Outcome {
    const ENOUGH: u32 = 300;
    let folder = fresh_folder()?;
    let path = folder.path().to_str().ok_or("the path is not text")?;
    let place = Directory::open(path)?;
    for name in [ASKED, ANSWERED] {
        if kind == "cell" {
            create(&place, kind, name)?;
        } else {
            Field::builder().directory(&place).create(name, [3])?;
        }
    }
    let child = Child::start("answer", [path, kind])?;
    child.expect("ready")?;
    let (asked, answered) = (Handle::attach(&place, kind, ASKED)?, Handle::attach(&place, kind, ANSWERED)?);
    let mut seen = answered.sequence();
    let mut counts = Vec::new();
    while counts.len() < 10 && counts.iter().all(|count| *count < ENOUGH) {
        let end = Instant::now() + Duration::from_secs(1);
        let mut count = 0;
        while Instant::now() < end {
            // Long enough for the other to have fallen asleep.
            thread::sleep(Duration::from_micros(500));
            asked.change()?;
            seen = answered.wait_changed(seen, SOON)?;
            count += 1;
        }
        counts.push(count);
    }
    eprintln!("answers in a second by a {kind}: {counts:?}");
    ensure!(counts.iter().any(|count| *count >= ENOUGH), "answers in a second: {counts:?}");
    place.unlink(ASKED)?;
    Ok(())
}
