//! Process ids prove nothing: containers have their own, and the kernel uses them again.
//!
//! Two containers that share /dev/shm see each other's arrays, but not each other's processes: a number that is alive
//! in one is dead in the other, and both have a process 1. And where numbers are short, a new process soon has the
//! number of one that died. Whoever is alive is decided by kernel locks, which know neither.

mod support;

use sharray::{Directory, Error};
use std::process::{Command, ExitCode, Stdio};
use support::child::{Child, Task};
use support::field;
use support::heirs::{FINDERS as LOCK_FINDERS, Heirs, NEW};
use support::stream::{self, NAME};
use support::survivors::{FINDERS, Survivors};
use support::{Outcome, Roles, SOON, Test, ensure, ensure_eq, main as run};

const ROLES: Roles = &[("publish", publish), ("read", read), ("lock", lock), ("reuse", reuse), ("stand in", stand_in)];

/// What makes a PID namespace: as root, and as anyone who may have a user namespace.
const WAYS: [&[&str]; 2] = [&["-pf", "--mount-proc"], &["-Urpf", "--mount-proc"]];

fn main() -> ExitCode {
    let lacks_namespaces = way().is_none().then(|| "PID namespaces (root, or user namespaces)".to_owned());
    let lacks_numbers = lacks_namespaces.clone().or_else(|| {
        (!can_choose_numbers()).then(|| "a writable /proc/sys/kernel/ns_last_pid in a PID namespace".to_owned())
    });
    run(
        ROLES,
        vec![
            Test::new("two_namespaces_share_and_recover", share_and_recover).lacking(lacks_namespaces.clone()),
            Test::new("the_living_of_another_namespace_are_not_buried", not_buried).lacking(lacks_namespaces.clone()),
            Test::new("two_namespaces_share_a_lock_and_recover_it", share_a_lock).lacking(lacks_namespaces),
            Test::new("a_number_that_is_used_again_is_not_mistaken", used_again).lacking(lacks_numbers),
        ],
    )
}

fn way() -> Option<&'static [&'static str]> {
    WAYS.into_iter().find(|way| succeeds(Command::new("unshare").args(*way).arg("true")))
}

fn can_choose_numbers() -> bool {
    let script = "echo 1000 > /proc/sys/kernel/ns_last_pid";
    way().is_some_and(|way| succeeds(Command::new("unshare").args(way).args(["sh", "-c", script])))
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

fn start(role: &str, args: &[&str]) -> Outcome<Child> {
    Child::start_in_namespace(way().ok_or("there are no namespaces")?, role, args)
}

/// Child: takes the stream over and publishes as it is told.
fn publish(task: &Task) -> Outcome {
    let mut writer = stream::writer(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    task.say(&format!("pid {}", std::process::id()))?;
    loop {
        match task.listen()?.as_str() {
            "publish" => task.say(&stream::publish(&mut writer)?.to_string())?,
            "die in a loan" => {
                let loan = writer.try_loan()?;
                task.die()?;
                drop(loan);
            }
            "die" => return task.die(),
            _ => return Ok(()),
        }
    }
}

/// Child: a lossless reader that holds the newest frame and receives as it is told.
fn read(task: &Task) -> Outcome {
    let mut reader = stream::reader(&Directory::open(task.arg(0)?)?).lossless().attach(NAME)?;
    let held = reader.latest()?;
    task.say(&format!("pid {}", std::process::id()))?;
    loop {
        match task.listen()?.as_str() {
            "receive" => match reader.recv_timeout(SOON) {
                Ok(Some(frame)) => {
                    stream::check(&frame)?;
                    task.say(&frame.sequence().to_string())?;
                }
                Ok(None) => task.say("end")?,
                Err(Error::ProducerDied { .. }) => task.say("died")?,
                Err(error) => return Err(error.into()),
            },
            "die" => return task.die(),
            _ => break,
        }
    }
    held.iter().try_for_each(stream::check)
}

/// A publisher in one namespace and a reader in another, with the same process id, and survivors in ours. Each of the
/// two is killed, and recovered by those of the other namespaces.
fn share_and_recover() -> Outcome {
    for finder in FINDERS {
        let mut survivors = Survivors::new()?;
        let path = survivors.path()?.to_owned();
        let mut writer = start("publish", &[&path])?;
        let mut reader = start("read", &[&path])?;
        ensure_eq!(writer.hear()?, reader.hear()?, "the process ids, each in its own namespace");
        for sequence in 5..12 {
            writer.tell("publish")?;
            writer.expect(&sequence.to_string())?;
            reader.tell("receive")?;
            reader.expect(&sequence.to_string())?;
            survivors.read_all()?;
        }
        // The publisher dies, and the reader in the other namespace learns it.
        writer.tell("die in a loan")?;
        writer.died()?;
        reader.tell("receive")?;
        reader.expect("died")?;
        // A successor in a third namespace goes on; then the reader dies with its pin and its place in the stream.
        let mut writer = start("publish", &[&path])?;
        writer.hear()?;
        writer.tell("publish")?;
        writer.expect("12")?;
        reader.tell("receive")?;
        reader.expect("12")?;
        reader.tell("die")?;
        reader.died()?;
        for sequence in 13..25 {
            survivors.read_all()?;
            writer.tell("publish")?;
            writer.expect(&sequence.to_string())?;
        }
        writer.tell("die in a loan")?;
        writer.died()?;
        survivors.producer_died(finder, 24, 24)?;
    }
    Ok(())
}

/// Process 2 of a namespace is alive, whoever has that number here; nobody takes what it has.
fn not_buried() -> Outcome {
    let mut survivors = Survivors::new()?;
    let mut child = start("publish", &[survivors.path()?])?;
    let pid = child.hear()?;
    let pid: u32 = pid.strip_prefix("pid ").ok_or("it says its pid")?.parse()?;
    ensure!(pid < 10, "numbers are small in a new namespace: {pid}");
    match stream::writer(survivors.place()).attach(NAME) {
        Err(Error::ProducerPresent { pid: present, .. }) => ensure_eq!(present, pid, "the producer's pid"),
        other => return Err(format!("it lives: {other:?}").into()),
    }
    let waited = stream::reader(survivors.place()).attach(NAME)?.recv_timeout(std::time::Duration::from_millis(200));
    ensure!(matches!(waited, Err(Error::TimedOut { .. })), "it lives: {waited:?}");
    ensure!(survivors.place().inspect(NAME)?.producer().is_some(), "it lives");
    child.tell("publish")?;
    child.expect("5")?;
    survivors.read_all()?;
    child.tell("end")?;
    child.succeed()?;
    let writer = survivors.writer()?;
    survivors.go_on(writer)
}

/// Child: takes blocks of an array as it is told, and dies holding them.
fn lock(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let field = field::builder(&place).attach(field::NAME)?;
    task.say(&format!("pid {}", std::process::id()))?;
    let held = field.read_block(0)?;
    task.await_line("write")?;
    task.say("writing")?;
    let mut guard = field.write_blocks(1..3)?;
    field::fill(&mut guard, NEW);
    task.say(if guard.is_poisoned() { "poisoned" } else { "whole" })?;
    task.await_line("die")?;
    task.die()?;
    drop((guard, held));
    Ok(())
}

/// Two writers of the same blocks in two namespaces, with the same process id, and heirs in ours. The second waits for
/// the first, is given nothing while it lives and all when it died, and dies in turn.
fn share_a_lock() -> Outcome {
    for finder in LOCK_FINDERS {
        let mut heirs = Heirs::new()?;
        let (mut first, mut second) = (start("lock", &[heirs.path()?])?, start("lock", &[heirs.path()?])?);
        let pid = first.hear()?;
        ensure_eq!(second.hear()?, pid, "the process ids, each in its own namespace");
        first.tell("write")?;
        first.expect("writing")?;
        first.expect("whole")?;
        second.tell("write")?;
        second.expect("writing")?;
        for _ in 0..3 {
            let waited = heirs.field.write_timeout(std::time::Duration::from_millis(30)).map(drop);
            ensure!(matches!(waited, Err(Error::TimedOut { .. })), "they live: {waited:?}");
            let waited = heirs.field.read_timeout(std::time::Duration::from_millis(30)).map(drop);
            ensure!(matches!(waited, Err(Error::TimedOut { .. })), "they live: {waited:?}");
        }
        match heirs.field.try_read_block(2).map(drop) {
            Err(Error::Locked { holders, .. }) => ensure_eq!(format!("pid {}", holders[0]), pid, "who writes block 2"),
            other => return Err(format!("it lives: {other:?}").into()),
        }
        ensure!(second.heard().is_none(), "the first one lives");
        heirs.others_go_on(&(0..3))?;
        first.tell("die")?;
        first.died()?;
        second.expect("poisoned")?;
        second.tell("die")?;
        second.died()?;
        heirs.go_on(finder, 0..3)?;
    }
    Ok(())
}

/// Child, the second process of a namespace: a publisher dies, and a new process gets its number.
fn reuse(task: &Task) -> Outcome {
    let path = task.arg(0)?;
    let mut first = Child::start("publish", [path])?;
    let pid = first.pid();
    first.expect(&format!("pid {pid}"))?;
    first.tell("publish")?;
    first.expect("5")?;
    first.tell("die in a loan")?;
    first.died()?;
    // A stranger of that number lives, and is taken neither for the dead one nor for its heir.
    let mut stranger = start_as(pid, "stand in", path)?;
    stranger.expect("looking on")?;
    let mut second = Child::start("publish", [path])?;
    second.hear()?;
    second.tell("publish")?;
    second.expect("6")?;
    second.tell("die in a loan")?;
    second.died()?;
    stranger.tell("end")?;
    stranger.succeed()?;
    // The next one has the number of the first, which is still in the table if nobody needed its record.
    let mut third = start_as(pid, "publish", path)?;
    third.expect(&format!("pid {pid}"))?;
    third.tell("publish")?;
    third.expect("7")?;
    // The other way round: it lives, although processes of its number have died.
    let present = stream::writer(&Directory::open(path)?).attach(NAME).map(drop);
    ensure!(matches!(present, Err(Error::ProducerPresent { pid: found, .. }) if found == pid), "it lives: {present:?}");
    third.tell("die")?;
    third.died()
}

/// Starts a process with this number.
fn start_as(pid: u32, role: &str, path: &str) -> Outcome<Child> {
    for _ in 0..100 {
        std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string())?;
        let child = Child::start(role, [path])?;
        if child.pid() == pid {
            return Ok(child);
        }
    }
    Err(format!("no process got the number {pid}").into())
}

/// Child: attaches as a reader, and lives.
fn stand_in(task: &Task) -> Outcome {
    let reader = stream::reader(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    let frame = reader.latest()?.ok_or("nothing was published")?;
    task.say("looking on")?;
    task.await_line("end")?;
    stream::check(&frame)
}

/// The dead one's role, slot and record come back although its number lives, and the number's new owner keeps its own.
fn used_again() -> Outcome {
    for finder in FINDERS {
        let survivors = Survivors::new()?;
        start("reuse", &[survivors.path()?])?.succeed()?;
        survivors.producer_died(finder, 7, 7)?;
    }
    Ok(())
}
