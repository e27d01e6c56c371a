//! A process that is stopped holds its locks for as long as it takes, and goes on with them.
//!
//! Those who need what it holds wait, or give up after the time they chose; nobody is given its lock, and nothing is
//! poisoned. What it does not hold goes on. Only a cell lets nobody wait: its readers have the old value.

mod support;

use nix::sys::signal::Signal;
use sharray::{Directory, Error, SharedCell};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::child::{Child, Task};
use support::field::{self, BLOCKS, HEIGHT, NAME};
use support::heirs::{Heirs, NEW, OLD};
use support::{Outcome, Roles, SOON, Test, ensure, ensure_eq, main as run, stream, wait_until};

const ROLES: Roles = &[("write", write), ("read", read), ("await", await_turn), ("store", store)];

/// Many times what a wait sleeps before it looks who died.
const LONG: Duration = Duration::from_millis(1200);
/// A few slices.
const NAPS: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("a_stopped_writer_keeps_its_lock", writer),
            Test::new("a_stopped_reader_keeps_its_lease", reader),
            Test::new("a_stopped_waiter_is_not_waited_for", waiter),
            Test::new("a_stopped_writer_of_a_cell_keeps_its_role_and_nobody_waiting", cell_writer),
        ],
    )
}

/// Stops a child, and waits until it is.
fn stop(child: &Child) -> Outcome {
    child.signal(Signal::SIGSTOP)?;
    let stat = format!("/proc/{}/stat", child.pid());
    wait_until("the child is stopped", || {
        let text = std::fs::read_to_string(&stat).unwrap_or_default();
        text.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
    })
}

macro_rules! ensure_refused {
    ($call:expr, $error:ident) => {
        match $call.map(drop) {
            Err(Error::$error { .. }) => {}
            other => return Err(format!("{} answers {other:?}", stringify!($call)).into()),
        }
    };
}

/// Child: writes half of block 1, is stopped, and writes the rest when it goes on.
fn write(task: &Task) -> Outcome {
    let field = field::builder(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    let mut guard = field.write_block(1)?;
    let new = field::part(NEW, 1..2);
    guard.row_mut(0).assign(&new.row(0));
    task.say("ready")?;
    task.await_line("go")?;
    ensure!(!guard.is_poisoned(), "nobody recovered the living");
    guard.row_mut(1).assign(&new.row(1));
    drop(guard);
    task.say("written")?;
    task.await_line("end")
}

/// Child: waits for as long as it takes, and says what came of it.
fn await_turn(task: &Task) -> Outcome {
    let field = field::builder(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    let since = field.sequence();
    task.say("ready")?;
    match task.arg(1)? {
        "write" => ensure!(!field.write_block(1)?.is_poisoned(), "nobody died"),
        "read" => ensure_eq!(field::versions(&field.read_block(1)?, HEIGHT)?, [NEW], "what is read"),
        "copy" => ensure_eq!(field::versions(&field.snapshot()?, 0)?[1], NEW, "what is copied"),
        "watch" => ensure!(field.wait_changed(since, SOON)? > since, "something changed"),
        other => return Err(format!("nobody can await {other}").into()),
    }
    task.say("had it")
}

fn start_waiters(heirs: &Heirs, operations: &[&str]) -> Outcome<Vec<Child>> {
    let mut waiters = Vec::new();
    for operation in operations {
        let waiter = Child::start("await", [heirs.path()?, operation])?;
        waiter.expect("ready")?;
        waiter.sleeps()?;
        waiters.push(waiter);
    }
    Ok(waiters)
}

fn end_all(waiters: &mut [Child]) -> Outcome {
    waiters.iter_mut().try_for_each(|waiter| {
        waiter.expect("had it")?;
        waiter.succeed()
    })
}

/// Nobody gets its block, and everybody the others. It goes on, and so do all who waited, with what it wrote.
fn writer() -> Outcome {
    let mut heirs = Heirs::new()?;
    let mut child = Child::start("write", [heirs.path()?])?;
    child.expect("ready")?;
    stop(&child)?;
    let mut waiters = start_waiters(&heirs, &["write", "read", "copy", "watch"])?;
    let end = Instant::now() + LONG;
    while Instant::now() < end {
        let field = &heirs.field;
        ensure_refused!(field.read_block_timeout(1, NAPS), TimedOut);
        ensure_refused!(field.read_timeout(NAPS), TimedOut);
        ensure_refused!(field.write_block_timeout(1, NAPS), TimedOut);
        ensure_refused!(field.write_timeout(NAPS), TimedOut);
        ensure_refused!(field.snapshot_timeout(NAPS), TimedOut);
        ensure_refused!(field.try_read_block(1), Locked);
        ensure_refused!(field.try_snapshot(), Locked);
        heirs.others_go_on(&(1..2))?;
    }
    match heirs.field.try_write_block(1).map(drop) {
        Err(Error::Locked { holders, .. }) => ensure_eq!(holders, [child.pid()], "who writes block 1"),
        other => return Err(format!("it lives: {other:?}").into()),
    }
    let words = heirs.words()?.blocks;
    ensure!(words[1].seq % 2 == 1 && words.iter().all(|block| block.poison == 0), "nothing is poisoned: {words:?}");
    ensure!(waiters.iter().take(3).all(|waiter| waiter.heard().is_none()), "nobody has the lock of the living");
    child.signal(Signal::SIGCONT)?;
    child.tell("go")?;
    child.expect("written")?;
    end_all(&mut waiters)?;
    ensure_eq!(field::versions(&heirs.field.read()?, 0)?, [OLD, NEW, OLD, OLD], "the versions of all");
    child.tell("end")?;
    child.succeed()?;
    heirs.repair()?;
    heirs.leave()
}

/// Child: reads block 1, and looks at it again after it was stopped.
fn read(task: &Task) -> Outcome {
    let field = field::builder(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    let guard = field.read_block(1)?;
    ensure_eq!(field::versions(&guard, HEIGHT)?, [OLD], "what it reads at first");
    task.say("ready")?;
    task.await_line("go")?;
    ensure_eq!(field::versions(&guard, HEIGHT)?, [OLD], "what it reads in the end");
    drop(guard);
    task.say("whole")?;
    task.await_line("end")
}

/// The writer waits, and what the reader looks at does not change. Other readers, and the other blocks, go on.
fn reader() -> Outcome {
    let mut heirs = Heirs::new()?;
    let mut child = Child::start("read", [heirs.path()?])?;
    child.expect("ready")?;
    stop(&child)?;
    let end = Instant::now() + LONG;
    while Instant::now() < end {
        let field = &heirs.field;
        ensure_refused!(field.write_block_timeout(1, NAPS), TimedOut);
        ensure_refused!(field.write_timeout(NAPS), TimedOut);
        ensure_refused!(field.try_write(), Locked);
        ensure_eq!(field::versions(&field.read_timeout(SOON)?, 0)?, [OLD; BLOCKS], "what others read");
        heirs.others_go_on(&(1..2))?;
    }
    match heirs.field.try_write_block(1).map(drop) {
        Err(Error::Locked { holders, .. }) => ensure_eq!(holders, [child.pid()], "who reads block 1"),
        other => return Err(format!("it lives: {other:?}").into()),
    }
    let mut waiters = start_waiters(&heirs, &["write"])?;
    child.signal(Signal::SIGCONT)?;
    child.tell("go")?;
    child.expect("whole")?;
    end_all(&mut waiters)?;
    child.tell("end")?;
    child.succeed()?;
    heirs.repair()?;
    heirs.leave()
}

/// One that is stopped while it waits has nothing, and has asked for a turn perhaps: all others go on without it, and it
/// has its lock when it goes on itself.
fn waiter() -> Outcome {
    let heirs = Heirs::new()?;
    let mut held = heirs.field.write_block(1)?;
    let mut waiters = start_waiters(&heirs, &["write", "read"])?;
    waiters.iter().try_for_each(stop)?;
    field::fill(&mut held, NEW);
    drop(held);
    for _ in 0..100 {
        let mut guard = heirs.field.write_block_timeout(1, SOON)?;
        field::fill(&mut guard, NEW);
        drop(guard);
        ensure_eq!(field::versions(&heirs.field.read_block_timeout(1, SOON)?, HEIGHT)?, [NEW], "what is read");
    }
    waiters.iter().try_for_each(|waiter| waiter.signal(Signal::SIGCONT))?;
    end_all(&mut waiters)?;
    heirs.repair()?;
    heirs.leave()
}

/// Child: keeps the role of a cell's writer, and stores when it is told.
fn store(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let cell = SharedCell::<[u64; 4]>::builder().directory(&place).attach("cell")?;
    let mut writer = cell.writer()?;
    writer.store([2; 4]);
    task.say("ready")?;
    task.await_line("go")?;
    writer.store([3; 4]);
    drop(writer);
    task.say("stored")?;
    task.await_line("end")
}

/// Its role is not taken, and readers find what it stored last.
fn cell_writer() -> Outcome {
    let folder = stream::fresh_folder()?;
    let place = Directory::open(folder.path())?;
    let cell = SharedCell::<[u64; 4]>::builder().directory(&place).create("cell", [1; 4])?;
    let mut child = Child::start("store", [folder.path().to_str().ok_or("the path is not text")?])?;
    child.expect("ready")?;
    stop(&child)?;
    let end = Instant::now() + LONG;
    while Instant::now() < end {
        ensure_eq!((cell.load(), cell.sequence()), ([2; 4], 2), "what is loaded meanwhile");
        ensure_refused!(cell.store_timeout([9; 4], NAPS), TimedOut);
        ensure_refused!(cell.try_writer(), Locked);
        ensure_refused!(cell.wait_changed(2, NAPS), TimedOut);
    }
    child.signal(Signal::SIGCONT)?;
    child.tell("go")?;
    child.expect("stored")?;
    ensure_eq!((cell.load(), cell.sequence()), ([3; 4], 3), "what is loaded then");
    cell.try_store([4; 4])?;
    child.tell("end")?;
    child.succeed()
}
