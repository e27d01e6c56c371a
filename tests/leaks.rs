//! Attaching and detaching leaves nothing behind in the process: no descriptor, no mapping.
//!
//! A viewer that attaches to whatever there is, again and again, must not run out of descriptors after a day.

mod support;

use sharray::{Directory, Error};
use std::process::ExitCode;
use support::child::{Child, Task};
use support::stream::{self, NAME};
use support::{Outcome, Roles, Test, ensure, ensure_eq, main as run};

const ROLES: Roles = &[("cycle", cycle)];

fn main() -> ExitCode {
    run(ROLES, vec![Test::new("descriptors_and_mappings_are_given_back", given_back)])
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

fn given_back() -> Outcome {
    let folder = stream::fresh_folder()?;
    let path = folder.path().to_str().ok_or("the path is not text")?;
    // In a process of its own: nobody else opens anything there.
    Child::start("cycle", [path])?.succeed()?;
    ensure_eq!(stream::leftovers(folder.path())?, Vec::<String>::new(), "what is left in the folder");
    Ok(())
}
