//! Whoever waits for a lock is told in time that its holder died: after the kernel's own time to end a process, and one
//! slice of a sleeper's at most.
//!
//! Nobody wakes a waiter for the dead, so each looks around every ten milliseconds. How long it took is printed; what is
//! asserted is only that it is nothing like a hang, since the machine may be busy.

mod support;

use nix::unistd::gettid;
use sharray::{Directory, Error, SharedCell};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use support::child::{Child, Task, thread_is};
use support::field::{self, Field, NAME};
use support::heirs::{Heirs, NEW};
use support::{Outcome, Roles, SOON, Test, ensure, main as run, stream};

const ROLES: Roles = &[("hold", hold), ("hold role", hold_role)];

/// How often each wait is measured.
const ROUNDS: usize = 15;
/// A slice is ten milliseconds, and the end of a small process takes less.
const MEDIAN: Duration = Duration::from_millis(300);
/// Memory whose release takes the kernel a while.
const MUCH: usize = 64 << 20;

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("a_reader_is_told", || told("write", "read", 0, |field| is_poisoned(field.read_timeout(SOON)))),
            Test::new("a_writer_is_told", || told("write", "write", 0, write)),
            Test::new("a_copier_is_told", || {
                told("write", "copy", 0, |field| is_poisoned(field.snapshot_timeout(SOON)))
            }),
            Test::new("a_waiter_for_a_change_is_told", || told("write", "watch", 0, watch)),
            Test::new("a_writer_that_waits_for_readers_is_told", || told("read", "write", 0, write_whole)),
            Test::new("a_reader_of_what_a_large_process_holds_is_told", || {
                told("write", "read, a large holder", MUCH, |field| is_poisoned(field.read_timeout(SOON)))
            }),
            Test::new("an_onlooker_is_told", onlooker),
            Test::new("a_waiter_for_a_cells_role_is_told", cell),
        ],
    )
}

/// Child: holds all of the array until it is killed.
fn hold(task: &Task) -> Outcome {
    let field = field::builder(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    let memory = vec![1_u8; task.number(2)? as usize];
    let held = if task.arg(1)? == "read" {
        (Some(field.read()?), None)
    } else {
        let mut guard = field.write()?;
        field::fill(&mut guard, NEW);
        (None, Some(guard))
    };
    task.say("ready")?;
    task.await_line("never")?;
    drop((held, memory));
    Ok(())
}

fn is_poisoned<T>(read: sharray::Result<T>) -> Outcome {
    match read.map(drop) {
        Err(Error::Poisoned { .. }) => Ok(()),
        other => Err(format!("it died in the middle of its write: {other:?}").into()),
    }
}

fn write(field: &Field) -> Outcome {
    ensure!(field.write_timeout(SOON)?.is_poisoned(), "it died in the middle of its write");
    Ok(())
}

fn write_whole(field: &Field) -> Outcome {
    ensure!(!field.write_timeout(SOON)?.is_poisoned(), "it only read");
    Ok(())
}

fn watch(field: &Field) -> Outcome {
    Ok(field.wait_changed(field.sequence(), SOON).map(drop)?)
}

/// Kills the child while `wait` sleeps in another thread; says how long it slept on after the kill, and after the child
/// had ended altogether.
fn measure(mut child: Child, wait: impl FnOnce() -> Outcome + Send) -> Outcome<(Duration, Duration)> {
    thread::scope(|scope| {
        let (here, thread_id) = mpsc::channel();
        let waiter = scope.spawn(move || {
            here.send(gettid())?;
            wait().map(|()| Instant::now())
        });
        thread_is(&format!("/proc/self/task/{}", thread_id.recv_timeout(SOON)?), 'S')?;
        ensure!(!waiter.is_finished(), "it does not wait for the living");
        let killed = Instant::now();
        child.kill()?;
        let ended = Instant::now();
        let told = waiter.join().map_err(|_| "it panicked")??;
        Ok((told - killed, told.saturating_duration_since(ended)))
    })
}

/// Prints what was measured, and looks whether it is anything like it should be.
fn judge(what: &str, mut times: Vec<(Duration, Duration)>) -> Outcome {
    times.sort_unstable();
    let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
    let after_end = times.iter().map(|(_, after_end)| *after_end).max();
    eprintln!("{what}: told after {:?} (median), {:?} (most); after the end {after_end:?} (most)", median.0, most.0);
    ensure!(median.0 < MEDIAN, "the median is {median:?}");
    Ok(())
}

fn told(holder: &str, what: &str, memory: usize, wait: fn(&Field) -> Outcome) -> Outcome {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let heirs = Heirs::new()?;
        let child = Child::start("hold", [heirs.path()?, holder, &memory.to_string()])?;
        child.expect("ready")?;
        times.push(measure(child, || wait(&heirs.field))?);
        heirs.repair()?;
        heirs.leave()?;
    }
    judge(&format!("{what}, while another held it to {holder}"), times)
}

/// It cannot recover anybody; it asks the kernel, and says what it found.
fn onlooker() -> Outcome {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let heirs = Heirs::new()?;
        let child = Child::start("hold", [heirs.path()?, "write", "0"])?;
        child.expect("ready")?;
        let onlooker = field::builder(heirs.place()).read_only().attach(NAME)?;
        times.push(measure(child, || is_poisoned(onlooker.snapshot_timeout(SOON)))?);
        let left = heirs.words()?.blocks;
        ensure!(left.iter().all(|block| block.seq % 2 == 1), "an onlooker changes nothing: {left:?}");
        drop(onlooker);
        heirs.repair()?;
        heirs.leave()?;
    }
    judge("copy of an onlooker", times)
}

/// Child: has the role of a cell's writer until it is killed.
fn hold_role(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let cell = SharedCell::<u64>::builder().directory(&place).attach("cell")?;
    let _writer = cell.writer()?;
    task.say("ready")?;
    task.await_line("never")
}

fn cell() -> Outcome {
    let folder = stream::fresh_folder()?;
    let place = Directory::open(folder.path())?;
    let cell = SharedCell::<u64>::builder().directory(&place).create("cell", 1)?;
    let mut times = Vec::new();
    for round in 0..ROUNDS as u64 {
        let child = Child::start("hold role", [folder.path().to_str().ok_or("the path is not text")?])?;
        child.expect("ready")?;
        times.push(measure(child, || Ok(cell.store_timeout(round, SOON)?))?);
    }
    judge("role of a cell", times)
}
