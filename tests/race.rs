//! Many at once: whoever comes first wins, and everyone sees the same.
//!
//! Two hundred processes that create one name make one array, and all of them have it. Threads that attach at the same
//! moment do not take each other for signs of a broken file system. Folders that go with their last array do not take a
//! creator by surprise.

mod support;

use ndarray::Array1;
use sharray::{Directory, Error};
use std::process::{Command, ExitCode};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};
use support::child::{Child, Task};
use support::stream::{self, NAME};
use support::{Outcome, Roles, Test, ensure, ensure_eq, main as run};
use tempfile::TempDir;

const ROLES: Roles = &[
    ("create", create),
    ("threads", threads),
    ("spawner", spawner),
    ("churn", churn),
    ("publish", publish),
    ("mix", mix),
];

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("two_hundred_processes_create_one_name", two_hundred),
            Test::new("threads_attach_for_the_first_time_at_once", || in_fresh_processes("threads", 40)),
            Test::new("processes_are_started_while_one_attaches_for_the_first_time", || {
                in_fresh_processes("spawner", 10)
            }),
            Test::new("one_of_many_successors_takes_over", one_of_many),
            Test::new("one_name_is_created_attached_and_unlinked_by_many", || mixed(&stream::fresh_folder()?)),
            Test::new("one_name_is_created_attached_and_unlinked_by_many_on_disk", || mixed(&tempfile::tempdir()?)),
            Test::new("names_come_and_go_in_one_folder", || churned(&stream::fresh_folder()?)),
            // Where temporary files are on a disk, file systems differ: ext4 makes no file in a folder that was removed.
            Test::new("names_come_and_go_in_one_folder_on_disk", || churned(&tempfile::tempdir()?)),
        ],
    )
}

const CROWD: u32 = 200;
const BIG: usize = 10_000;

/// Child: creates the array with its own number in every item, or attaches; says who won and what is in the array.
fn create(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let mine = Array1::from_elem(BIG, task.number(1)?);
    task.say("ready")?;
    task.await_line("go")?;
    let created = stream::writer(&place).participants(CROWD + 1).create_from(NAME, &mine);
    let verdict = match &created {
        Ok(_) => "won",
        Err(Error::AlreadyExists { .. }) => "lost",
        Err(error) => return Err(error.to_string().into()),
    };
    let frame = stream::reader(&place).attach(NAME)?.latest()?.ok_or("nothing was published")?;
    ensure_eq!(frame.sequence(), 1, "the number of the first frame");
    let first = frame.as_slice()[0];
    ensure!(frame.as_slice().iter().all(|item| *item == first), "the contents are of several processes");
    task.say(&format!("{verdict} {first}"))?;
    // The winner's stream stays open until all have looked.
    task.await_line("end")
}

fn two_hundred() -> Outcome {
    let folder = stream::fresh_folder()?;
    let path = folder.path().to_str().ok_or("the path is not text")?;
    let mut crowd =
        (0..CROWD).map(|number| Child::start("create", [path, &number.to_string()])).collect::<Outcome<Vec<_>>>()?;
    crowd.iter().try_for_each(|child| child.expect("ready"))?;
    crowd.iter_mut().try_for_each(|child| child.tell("go"))?;
    let said = crowd.iter().map(Child::hear).collect::<Outcome<Vec<_>>>()?;
    let winners: Vec<_> = said.iter().enumerate().filter(|(_, line)| line.starts_with("won")).collect();
    ensure_eq!(winners.len(), 1, "winners");
    let (winner, _) = winners[0];
    for line in &said {
        ensure_eq!(line.split_once(' ').map(|(_, first)| first), Some(winner.to_string().as_str()), "what all see");
    }
    for child in &mut crowd {
        child.tell("end")?;
        child.succeed()?;
    }
    let place = Directory::open(path)?;
    let info = place.inspect(NAME)?;
    ensure!(info.participants.is_empty() && info.is_closed, "somebody is still there: {:?}", info.participants);
    place.unlink(NAME)?;
    ensure_eq!(stream::leftovers(folder.path())?, Vec::<String>::new(), "what is left in the folder");
    Ok(())
}

/// Runs a role in several processes, one after the other: what happens once in a process needs fresh ones.
fn in_fresh_processes(role: &str, times: u32) -> Outcome {
    let folder = stream::fresh_folder()?;
    let path = folder.path().to_str().ok_or("the path is not text")?;
    let place = Directory::open(path)?;
    let mut writer = stream::writer(&place).participants(64).create(NAME, [stream::WORDS])?;
    stream::publish(&mut writer)?;
    for _ in 0..times {
        Child::start(role, [path])?.succeed()?;
    }
    ensure_eq!(place.inspect(NAME)?.participants.len(), 1, "participants that are left");
    Ok(())
}

/// Child: sixteen threads attach at the same moment.
fn threads(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let start = Barrier::new(16);
    let attach = || {
        start.wait();
        let frame = stream::reader(&place).attach(NAME)?.latest()?.ok_or("nothing was published")?;
        stream::check(&frame)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(attach)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    })
}

/// Child: attaches while other threads start processes, which have all descriptors for a moment, until they execute.
fn spawner(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let is_over = AtomicBool::new(false);
    let start = Barrier::new(3);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                start.wait();
                while !is_over.load(Relaxed) {
                    _ = Command::new("true").status();
                }
            });
        }
        start.wait();
        // Long enough for the processes to come and go meanwhile.
        let end = Instant::now() + Duration::from_millis(20);
        let mut outcome = Ok(());
        while outcome.is_ok() && Instant::now() < end {
            outcome = stream::reader(&place).attach(NAME).map(drop);
        }
        is_over.store(true, Relaxed);
        Ok(outcome?)
    })
}

/// Child: creates and unlinks arrays of its own in one folder, which goes with the last of them.
fn churn(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let name = format!("deep/down/{}", task.arg(1)?);
    task.say("ready")?;
    task.await_line("go")?;
    for _ in 0..100 {
        let mut writer = stream::writer(&place).create(&name, [stream::WORDS])?;
        stream::publish(&mut writer)?;
        place.unlink(&name)?;
    }
    Ok(())
}

fn churned(folder: &TempDir) -> Outcome {
    let path = folder.path().to_str().ok_or("the path is not text")?;
    let mut crowd = ["a", "b", "c", "d"]
        .into_iter()
        .map(|name| Child::start("churn", [path, name]))
        .collect::<Outcome<Vec<_>>>()?;
    crowd.iter().try_for_each(|child| child.expect("ready"))?;
    crowd.iter_mut().try_for_each(|child| child.tell("go"))?;
    crowd.iter_mut().try_for_each(Child::succeed)?;
    ensure_eq!(stream::leftovers(folder.path())?, Vec::<String>::new(), "what is left in the folder");
    Ok(())
}

/// Child: publishes a frame and dies.
fn publish(task: &Task) -> Outcome {
    let mut writer = stream::writer(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    stream::publish(&mut writer)?;
    task.die()
}

/// Of many that come at once for the role of a dead publisher one has it, and the others are told of that one: nobody
/// is told that the dead one lives because somebody else was just looking.
fn one_of_many() -> Outcome {
    let folder = stream::fresh_folder()?;
    let path = folder.path().to_str().ok_or("the path is not text")?;
    let place = Directory::open(path)?;
    drop(stream::writer(&place).participants(64).create(NAME, [stream::WORDS])?);
    for round in 1..=100 {
        Child::start("publish", [path])?.died()?;
        let start = Barrier::new(8);
        let attach = || {
            start.wait();
            stream::writer(&place).attach(NAME)
        };
        let outcomes: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(attach)).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        let winners = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        ensure_eq!(winners, 1, "winners in round {round}: {outcomes:?}");
        for outcome in &outcomes {
            match outcome {
                Ok(writer) => ensure_eq!(writer.sequence(), round, "the sequence"),
                Err(Error::ProducerPresent { pid, .. }) => ensure_eq!(*pid, std::process::id(), "round {round}"),
                Err(error) => return Err(error.to_string().into()),
            }
        }
    }
    Ok(())
}

/// How many processes mix what they do with one name, and how often each does something.
const MIXERS: u64 = 8;
const TURNS: u64 = 400;

/// Child: creates, attaches to and unlinks one name, as chance has it. Whatever it is attached to is whole and goes on working
/// when its name is gone.
fn mix(task: &Task) -> Outcome {
    let (place, seed) = (Directory::open(task.arg(0)?)?, task.number(1)?);
    task.say("ready")?;
    task.await_line("go")?;
    let [mut created, mut attached, mut unlinked] = [0; 3];
    let mut had = None;
    for turn in 0..TURNS {
        let chance = stream::word(seed, turn as usize) % 4;
        let builder = Cell::builder().directory(&place);
        let outcome = match chance {
            0 => builder.create(NAME, [seed; 4]).map(|cell| {
                created += 1;
                had = Some(cell);
            }),
            1 => builder.attach(NAME).map(|cell| {
                attached += 1;
                had = Some(cell);
            }),
            2 => builder.open(NAME, [seed; 4]).map(|cell| had = Some(cell)),
            _ => place.unlink(NAME).map(|()| unlinked += 1),
        };
        match (chance, outcome) {
            (_, Ok(())) | (0, Err(Error::AlreadyExists { .. })) | (1 | 3, Err(Error::NotFound { .. })) => {}
            (chance, Err(error)) => return Err(format!("turn {turn}, operation {chance}: {error}").into()),
        }
        if let Some(cell) = &had {
            let value = cell.load();
            ensure!(value.iter().all(|item| *item == value[0]) && value[0] < MIXERS, "a value of nobody: {value:?}");
            cell.store([seed; 4])?;
        }
    }
    task.say(&format!("{created} {attached} {unlinked}"))
}

type Cell = sharray::SharedCell<[u64; 4]>;

/// A name is always that of one whole array or of none, whoever makes it and takes it away at the same time; and when all is
/// over nothing is left but the last one.
fn mixed(folder: &TempDir) -> Outcome {
    let path = folder.path().to_str().ok_or("the path is not text")?;
    let mut all =
        (0..MIXERS).map(|seed| Child::start("mix", [path, &seed.to_string()])).collect::<Outcome<Vec<_>>>()?;
    all.iter().try_for_each(|child| child.expect("ready"))?;
    all.iter_mut().try_for_each(|child| child.tell("go"))?;
    let mut done = [0; 3];
    for child in &mut all {
        let said = child.hear()?;
        for (sum, number) in done.iter_mut().zip(said.split(' ')) {
            *sum += number.parse::<u64>()?;
        }
        child.succeed()?;
    }
    ensure!(done.iter().all(|count| *count > MIXERS), "everything was done: {done:?}");
    let place = Directory::open(folder.path())?;
    match place.unlink(NAME) {
        Ok(()) | Err(Error::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    ensure_eq!(stream::leftovers(folder.path())?, Vec::<String>::new(), "what is left in the folder");
    Ok(())
}
