//! A name stands for a whole array or for none, whoever died making it, taking it away or opening it.
//!
//! A creator that is killed leaves no name, or an array that is whole and waits for its next producer. What was to go
//! and did not quite is finished by whoever comes next: the name can be used again at once, and nothing is left in the
//! folder, neither a file nor an empty folder in which nobody could create an array of that name.

mod support;

use ndarray::Array1;
use sharray::{Directory, Error};
use std::process::ExitCode;
use support::child::{Child, Task};
use support::steps::{Point, Point::Step, die_within};
use support::stream::{self, NAME};
use support::survivors::Survivors;
use support::{Outcome, Roles, SOON, Test, ensure, ensure_eq, main as run};

const ROLES: Roles = &[("name", name), ("collect", collect)];

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("killed_at_each_step_of_create", || killed_creating(Step, "create")),
            Test::new("killed_at_each_step_of_create_from", || killed_creating(Step, "create from")),
            Test::new("killed_at_each_step_of_unlink_then_created_again", || killed_unlinking(Step, Next::Create)),
            Test::new("killed_at_each_step_of_unlink_then_attached", || killed_unlinking(Step, Next::Attach)),
            Test::new("killed_at_each_step_of_unlink_then_collected", || killed_unlinking(Step, Next::Collect)),
            Test::new("killed_at_each_step_of_collecting_garbage", || killed_collecting(Step)),
            Test::new("killed_at_each_step_of_a_cold_open", || killed_opening_cold(Step)),
            Test::traced("killed_at_each_system_call_of_create", || killed_creating(Point::Call, "create")),
            Test::traced("killed_at_each_system_call_of_create_from", || killed_creating(Point::Call, "create from")),
            Test::traced("killed_at_each_system_call_of_unlink_then_created_again", || {
                killed_unlinking(Point::Call, Next::Create)
            }),
            Test::traced("killed_at_each_system_call_of_unlink_then_attached", || {
                killed_unlinking(Point::Call, Next::Attach)
            }),
            Test::traced("killed_at_each_system_call_of_unlink_then_collected", || {
                killed_unlinking(Point::Call, Next::Collect)
            }),
            Test::traced("killed_at_each_system_call_of_collecting_garbage", || killed_collecting(Point::Call)),
            Test::traced("killed_at_each_system_call_of_a_cold_open", || killed_opening_cold(Point::Call)),
            Test::new("temporary_files_of_the_dead_are_garbage", temporary_files),
        ],
    )
}

/// Child: does one thing with the name, and dies before the step that it is told.
fn name(task: &Task) -> Outcome {
    let (path, operation) = (task.arg(1)?, task.arg(2)?);
    let place = Directory::open(path)?;
    match operation {
        "create" => die_within(task, || stream::writer(&place).create(NAME, [stream::WORDS])),
        "create from" => {
            let first = Array1::from(stream::contents(1));
            die_within(task, || stream::writer(&place).create_from(NAME, &first))
        }
        "unlink" => die_within(task, || place.unlink(NAME)),
        "collect" => {
            let place = Directory::default_place()?;
            die_within(task, || place.collect_garbage())
        }
        "read" => die_within(task, || stream::reader(&place).attach(NAME)),
        other => Err(format!("nobody can {other}").into()),
    }
}

/// The array is not there, or it is there whole: the next one creates it, or takes it over.
fn killed_creating(point: Point, operation: &str) -> Outcome {
    let (mut found, mut missing) = (0, 0);
    let counts = std::sync::Mutex::new((&mut found, &mut missing));
    point.at_each(operation, |kill| {
        let folder = stream::fresh_folder()?;
        let path = folder.path().to_str().ok_or("the path is not text")?;
        kill.child("name", &[path, operation])?;
        let place = Directory::open(folder.path())?;
        let is_there = place.inspect(NAME).is_ok();
        if let Ok(mut counts) = counts.lock() {
            *(if is_there { &mut *counts.0 } else { &mut *counts.1 }) += 1;
        }
        ensure!(is_there || !kill.is_past_end(), "a created array has its name");
        let mut writer = if is_there {
            let reader = stream::reader(&place).from_oldest().attach(NAME)?;
            match (operation, reader.latest()?) {
                ("create", None) => {}
                ("create from", Some(frame)) => {
                    ensure_eq!(frame.as_slice(), stream::contents(1).as_slice(), "the first frame");
                }
                (_, frame) => return Err(format!("it is not whole: {frame:?}").into()),
            }
            stream::writer(&place).attach(NAME)?
        } else {
            ensure!(matches!(stream::reader(&place).attach(NAME), Err(Error::NotFound { .. })), "no name, no array");
            if kill.at % 2 == 0 {
                collect_all(path)?;
            }
            stream::writer(&place).create(NAME, [stream::WORDS])?
        };
        let newest = u64::from(is_there && operation == "create from");
        ensure_eq!(writer.sequence(), newest, "the sequence goes on");
        let mut reader = stream::reader(&place).lossless().attach(NAME)?;
        for sequence in newest + 1..newest + 8 {
            stream::publish(&mut writer)?;
            let frame = reader.try_recv()?.ok_or("the frame is there")?;
            stream::check(&frame)?;
            ensure_eq!(frame.sequence(), sequence, "the number of a frame");
        }
        drop((reader, writer));
        place.unlink(NAME)?;
        ensure_eq!(stream::leftovers(folder.path())?, Vec::<String>::new(), "what is left in the folder");
        Ok(())
    })?;
    ensure!(found > 0 && missing > 0, "killed before and after the name: {missing}, {found}");
    Ok(())
}

/// Who comes after a process that died unlinking a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Create,
    Attach,
    Collect,
}

/// The name is whole or gone. In between it is finished by whoever comes next, whatever that one wants.
fn killed_unlinking(point: Point, next: Next) -> Outcome {
    point.at_each(&format!("unlink, then {next:?}"), |kill| {
        let mut survivors = Survivors::new()?;
        let mut writer = survivors.writer()?;
        kill.child("name", &[survivors.path()?, "unlink"])?;
        let place = survivors.place().clone();
        let is_whole = place.inspect(NAME).is_ok_and(|info| !info.is_retired);
        if is_whole {
            return survivors.go_on(writer);
        }
        // Who is attached can go on, and learns that nobody new will come.
        stream::publish(&mut writer)?;
        survivors.read_all()?;
        ensure!(writer.is_retired(), "the publisher knows");
        ensure!(matches!(survivors.wait_on(), Err(Error::Retired { .. })), "whoever waits is told");
        match next {
            Next::Create => {}
            Next::Attach => {
                let attached = stream::reader(&place).attach(NAME);
                ensure!(matches!(attached, Err(Error::NotFound { .. })), "it is gone: {attached:?}");
            }
            Next::Collect => collect_all(survivors.path()?)?,
        }
        let mut again = stream::writer(&place).create(NAME, [stream::WORDS])?;
        ensure_eq!(stream::publish(&mut again)?, 1, "the first frame of a new array");
        drop((again, writer));
        place.unlink(NAME)?;
        ensure_eq!(stream::leftovers(survivors.path()?.as_ref())?, Vec::<String>::new(), "what is left in the folder");
        Ok(())
    })
}

/// Two deserted streams and an empty folder: whoever collects them may die, the next one
/// collects the rest. A stream that is there at all is whole.
fn killed_collecting(point: Point) -> Outcome {
    point.at_each("collect", |kill| {
        let folder = stream::fresh_folder()?;
        let path = folder.path().to_str().ok_or("the path is not text")?;
        let place = Directory::open(path)?;
        std::fs::create_dir_all(folder.path().join("empty/folder"))?;
        for name in ["a/deserted", NAME] {
            let mut writer = stream::writer(&place).create(name, [stream::WORDS])?;
            stream::publish(&mut writer)?;
        }
        kill.end(Child::start_with_place(path, "name", kill.args(&[path, "collect"]))?)?;
        for name in ["a/deserted", NAME] {
            match stream::reader(&place).attach(name) {
                Ok(reader) => stream::check(&reader.latest()?.ok_or("its frame is there")?)?,
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        collect_all(path)
    })
}

/// What a collector leaves where nothing is whole or used: nothing.
fn collect_all(path: &str) -> Outcome {
    // The default place is this folder, so another process collects.
    Child::start_with_place(path, "collect", [path])?.succeed()?;
    ensure_eq!(stream::leftovers(path.as_ref())?, Vec::<String>::new(), "what is left in the folder");
    Ok(())
}

/// Child: collects the garbage of the default place.
fn collect(_: &Task) -> Outcome {
    Directory::default_place()?.collect_garbage()?;
    Ok(())
}

/// A copied file's control words describe another file's processes. Whoever opens it first makes them anew, and may die
/// of it; the next one begins again.
fn killed_opening_cold(point: Point) -> Outcome {
    point.at_each("cold open", |kill| {
        let folder = stream::fresh_folder()?;
        let path = folder.path().to_str().ok_or("the path is not text")?;
        let place = Directory::open(path)?;
        let mut writer = stream::writer(&place).create("original", [stream::WORDS])?;
        for _ in 0..5 {
            stream::publish(&mut writer)?;
        }
        let _held = stream::reader(&place).lossless().attach("original")?.latest()?;
        std::fs::create_dir(folder.path().join("sim"))?;
        std::fs::copy(folder.path().join("original"), folder.path().join(NAME))?;
        drop(writer);
        kill.child("name", &[path, "read"])?;
        // The copy has nobody's frames, pins or producer.
        let mut reader = stream::reader(&place).lossless().from_oldest().attach(NAME)?;
        ensure_eq!(reader.sequence(), 0, "frames of a copy");
        let mut writer = stream::writer(&place).attach(NAME)?;
        for sequence in 1..8 {
            stream::publish(&mut writer)?;
            let frame = reader.recv_timeout(SOON)?.ok_or("the stream is not over")?;
            stream::check(&frame)?;
            ensure_eq!(frame.sequence(), sequence, "the number of a frame");
        }
        let info = place.inspect(NAME)?;
        ensure!(info.participants.iter().filter(|participant| participant.is_alive).count() == 2, "{info:?}");
        drop((reader, writer));
        place.unlink(NAME)?;
        place.unlink("original")?;
        ensure_eq!(stream::leftovers(folder.path())?, Vec::<String>::new(), "what is left in the folder");
        Ok(())
    })
}

/// Where the file system has no nameless files, a creator that dies leaves one with a name that no array can have.
fn temporary_files() -> Outcome {
    let folder = stream::fresh_folder()?;
    let place = Directory::open(folder.path())?;
    std::fs::write(folder.path().join(".sharray-dead"), b"half made")?;
    ensure_eq!(place.list()?.len(), 0, "arrays in the folder");
    ensure_eq!(place.collect_garbage()?, vec![".sharray-dead".to_owned()], "garbage");
    ensure_eq!(stream::leftovers(folder.path())?, Vec::<String>::new(), "what is left in the folder");
    Ok(())
}
