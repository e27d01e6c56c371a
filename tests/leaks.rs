//! Attaching and detaching leaves nothing behind in the process: no descriptor, no mapping.
//!
//! A viewer that attaches to whatever there is, again and again, must not run out of descriptors after a day.

mod support;

use sharray::{Directory, Error, SharedCell};
use std::process::ExitCode;
use std::time::Duration;
use support::child::{Child, Task};
use support::field;
use support::heirs::elsewhere;
use support::stream::{self, NAME};
use support::{Outcome, Roles, Test, ensure, ensure_eq, main as run};

const ROLES: Roles = &[("cycle", cycle), ("cycle locks", cycle_locks)];

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("descriptors_and_mappings_are_given_back", || given_back("cycle")),
            Test::new("descriptors_mappings_and_threads_are_given_back_by_locks", || given_back("cycle locks")),
        ],
    )
}

/// What the process has open: descriptors, mappings of files below the folder, and mappings of anything.
fn open_things(folder: &str) -> Outcome<(usize, usize, usize)> {
    let descriptors = std::fs::read_dir("/proc/self/fd")?.count();
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let ours = maps.lines().filter(|line| line.contains(folder) || line.contains("(deleted)")).count();
    Ok((descriptors, ours, maps.lines().count()))
}

/// Everything that opens a file, and everything that fails after it did.
fn use_once(place: &Directory) -> Outcome {
    let mut writer = stream::writer(place).create(NAME, [stream::WORDS])?;
    let mut reader = stream::reader(place).lossless().attach(NAME)?;
    let onlooker = stream::reader(place).read_only().attach(NAME)?;
    stream::publish(&mut writer)?;
    let frame = reader.recv()?.ok_or("the stream is not over")?;
    // A frame that outlives its subscriber keeps what it needs, and no longer than it lives.
    drop(reader);
    stream::check(&frame)?;
    stream::check(&onlooker.latest()?.ok_or("nothing was published")?)?;
    ensure!(stream::writer(place).create(NAME, [1]).is_err(), "the name is taken");
    ensure!(stream::writer(place).attach(NAME).is_err(), "the role is taken");
    let other = sharray::Subscriber::<f32, ndarray::Ix3>::builder().directory(place).attach(NAME);
    ensure!(matches!(other, Err(Error::Mismatch { .. })), "it is another array");
    let mut all = Vec::new();
    let full = loop {
        match stream::reader(place).attach(NAME) {
            Ok(reader) => all.push(reader),
            Err(error) => break error,
        }
    };
    ensure!(matches!(full, Error::TooManyParticipants { .. }), "{full}");
    place.inspect(NAME)?;
    place.list()?;
    place.collect_garbage()?;
    drop(writer);
    drop(stream::writer(place).attach(NAME)?);
    place.unlink(NAME)?;
    ensure!(stream::reader(place).attach(NAME).is_err(), "the name is gone");
    Ok(())
}

/// Everything that an array in place and a cell can be used for, and everything that fails.
fn lock_once(place: &Directory) -> Outcome {
    const NAP: Duration = Duration::from_micros(300);
    let one = field::builder(place).create_from(field::NAME, &field::contents(1))?;
    let other = field::builder(place).attach(field::NAME)?;
    let onlooker = field::builder(place).read_only().attach(field::NAME)?;
    field::fill(&mut one.write()?, 2);
    {
        let _held = (one.read_block(0)?, one.read_blocks(1..3)?, other.read_block(2)?);
        elsewhere(|| {
            ensure!(matches!(other.write_timeout(NAP), Err(Error::TimedOut { .. })), "somebody reads");
            ensure!(matches!(other.try_write_block(2), Err(Error::Locked { .. })), "somebody reads");
            Ok(())
        })?;
        ensure!(matches!(one.write_block(1), Err(Error::WouldDeadlock { .. })), "it waits for itself");
    }
    {
        let _held = other.write_block(1)?;
        ensure!(matches!(one.read_timeout(NAP), Err(Error::WouldDeadlock { .. })), "it waits for itself");
        ensure!(matches!(one.try_snapshot(), Err(Error::Locked { .. })), "somebody writes");
        ensure!(matches!(onlooker.snapshot_timeout(NAP), Err(Error::WouldDeadlock { .. })), "it waits for itself");
        elsewhere(|| {
            ensure!(matches!(onlooker.snapshot_timeout(NAP), Err(Error::TimedOut { .. })), "somebody writes");
            Ok(())
        })?;
    }
    ensure_eq!(field::version(&one.snapshot()?, 0)?, 2, "what is copied");
    ensure_eq!(field::version(&onlooker.read()?, 0)?, 2, "what an onlooker reads");
    let since = one.sequence();
    ensure!(matches!(one.wait_changed(since, NAP), Err(Error::TimedOut { .. })), "nothing changed");
    ensure!(matches!(onlooker.wait_changed(since, NAP), Err(Error::TimedOut { .. })), "nothing changed");
    ensure!(matches!(onlooker.write(), Err(Error::ReadOnly { .. })), "it may only read");
    // Leases that are leaked go with their handle.
    std::mem::forget((other.read_block(0)?, other.write_block(2)?));
    drop(other);
    ensure!(matches!(one.read(), Err(Error::Poisoned { .. })), "a leaked write is poisoned");
    one.write()?.assign(&field::contents(3));
    let mut all = Vec::new();
    while let Ok(field) = field::builder(place).attach(field::NAME) {
        all.push(field);
    }
    ensure_eq!(all.len(), field::PARTICIPANTS as usize - 1, "handles beside the first");
    drop(all);
    ensure_eq!(place.inspect(field::NAME)?.participants.len(), 1, "participants");
    let cell = SharedCell::<[u64; 40]>::builder().directory(place).create("cell", [1; 40])?;
    cell.writer()?.store([2; 40]);
    ensure!(matches!(cell.wait_changed(2, NAP), Err(Error::TimedOut { .. })), "nothing changed");
    place.unlink("cell")?;
    place.unlink(field::NAME)?;
    ensure!(matches!(one.wait_changed(0, NAP), Ok(_) | Err(Error::Retired { .. })), "it was unlinked");
    field::fill(&mut one.write()?, 4);
    Ok(())
}

/// Child: counts after a first time, which may open what stays open, and again after many times.
fn cycle_locks(task: &Task) -> Outcome {
    let folder = task.arg(0)?;
    let place = Directory::open(folder)?;
    lock_once(&place)?;
    let threads = || std::fs::read_dir("/proc/self/task").map(Iterator::count);
    let (before, alone) = (open_things(folder)?, threads()?);
    for round in 0..300 {
        lock_once(&place).map_err(|error| format!("round {round}: {error}"))?;
    }
    let after = open_things(folder)?;
    ensure_eq!((after.0, after.1), (before.0, 0), "descriptors and mappings of arrays");
    ensure!(after.2 <= before.2 + 4, "there were {} mappings, now {}", before.2, after.2);
    support::wait_until("all threads are gone", || threads().is_ok_and(|now| now <= alone))?;
    ensure_eq!(stream::leftovers(folder.as_ref())?, Vec::<String>::new(), "what is left in the folder");
    Ok(())
}

/// Child: counts after a first time, which may open what stays open, and again after many times.
fn cycle(task: &Task) -> Outcome {
    let folder = task.arg(0)?;
    let place = Directory::open(folder)?;
    use_once(&place)?;
    let (descriptors, ours, maps) = open_things(folder)?;
    ensure_eq!(ours, 0, "mappings of arrays after the first time");
    for _ in 0..200 {
        use_once(&place)?;
    }
    let after = open_things(folder)?;
    ensure_eq!((after.0, after.1), (descriptors, 0), "descriptors and mappings of arrays");
    // The allocator may have split or joined a few of its own.
    ensure!(after.2 <= maps + 4, "there were {maps} mappings, now {}", after.2);
    Ok(())
}

fn given_back(role: &str) -> Outcome {
    let folder = stream::fresh_folder()?;
    let path = folder.path().to_str().ok_or("the path is not text")?;
    // In a process of its own: nobody else opens anything there.
    Child::start(role, [path])?.succeed()?;
    ensure_eq!(stream::leftovers(folder.path())?, Vec::<String>::new(), "what is left in the folder");
    Ok(())
}
