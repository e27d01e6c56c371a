//! Whoever changes what others sleep on wakes them at once, and does not leave it to their next look around.
//!
//! Everybody who waits looks around every ten milliseconds, which hides a wake-up that was forgotten from all who only
//! look whether waiting ends. So somebody else sleeps here, in the kernel, on the very word, and does nothing by
//! itself; the one who waits in truth, and so has said that somebody sleeps, is stopped meanwhile.

#![allow(unsafe_code, reason = "the C library has no wrapper for the sleep on a word")]

mod support;

use memmap2::{MmapOptions, MmapRaw};
use nix::sys::signal::Signal;
use nix::unistd::gettid;
use sharray::Directory;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;
use support::child::{Child, Task, thread_is};
use support::field::{self, NAME};
use support::heirs::Heirs;
use support::words::{DRAIN, WAITERS, place_of, place_of_notify};
use support::{Outcome, Roles, SOON, Test, ensure, ensure_eq, main as run, wait_until};

const ROLES: Roles = &[("hold", hold), ("await", await_turn)];

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("the_end_of_a_write_wakes_those_who_wait_for_the_block", end_of_write),
            Test::new("the_end_of_a_write_wakes_those_who_wait_for_a_change", change),
            Test::new("the_last_reader_wakes_the_writer", end_of_read),
            Test::new("the_last_of_nested_readers_wakes_the_writer", end_of_nested_read),
            Test::new("a_reader_that_steps_back_wakes_the_writer", step_back),
            Test::new("recovering_a_writer_wakes_those_who_wait_for_its_blocks", recovered_writer),
            Test::new("recovering_a_writer_wakes_those_who_wait_for_a_change", recovered_change),
            Test::new("recovering_a_reader_wakes_the_writers_of_other_blocks", recovered_reader),
        ],
    )
}

/// The words of a file, to sleep on.
struct Futexes {
    file: PathBuf,
    map: MmapRaw,
}

impl Futexes {
    fn of(heirs: &Heirs) -> Outcome<Self> {
        let file = Path::new(heirs.path()?).join(NAME);
        let map = MmapOptions::new().map_raw(&File::options().read(true).write(true).open(&file)?)?;
        Ok(Self { file, map })
    }

    fn word(&self, at: usize) -> &AtomicU32 {
        assert!(at % 4 == 0 && at + 4 <= self.map.len(), "the word is in the file");
        // SAFETY: the word is inside the mapping, aligned, and only accessed through atomics while `self` lives.
        unsafe { AtomicU32::from_ptr(self.map.as_mut_ptr().wrapping_add(at).cast()) }
    }

    fn of_block(&self, block: usize, field: &str) -> Outcome<&AtomicU32> {
        Ok(self.word(place_of(&self.file, block, field)?))
    }
}

/// Runs `act` while another thread sleeps on the word, and fails unless that is woken through it.
fn wakes(word: &AtomicU32, act: impl FnOnce() -> Outcome) -> Outcome {
    thread::scope(|scope| {
        let (here, thread_id) = mpsc::channel();
        let sleeper = scope.spawn(move || -> Outcome<bool> {
            let seen = word.load(SeqCst);
            let span = libc::timespec { tv_sec: i64::try_from(SOON.as_secs())?, tv_nsec: 0 };
            here.send(gettid())?;
            // SAFETY: the word and the span outlive the call; the kernel only reads them.
            let woken =
                unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, seen, &raw const span) };
            Ok(woken == 0)
        });
        thread_is(&format!("/proc/self/task/{}", thread_id.recv_timeout(SOON)?), 'S')?;
        act()?;
        ensure!(sleeper.join().map_err(|_| "it panicked")??, "nobody woke those who sleep on the word");
        Ok(())
    })
}

/// Child: holds what it is told, until it is told to let go of it.
fn hold(task: &Task) -> Outcome {
    let field = field::builder(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    let held = match task.arg(1)? {
        "read" => (Some(field.read()?), None),
        _ => (None, Some(field.write_blocks(1..3)?)),
    };
    task.say("ready")?;
    task.await_line("never")?;
    drop(held);
    Ok(())
}

/// Child: waits for as long as it takes.
fn await_turn(task: &Task) -> Outcome {
    let field = field::builder(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    let since = field.sequence();
    match task.arg(1)? {
        "write" => drop(field.write_block_timeout(1, SOON)?),
        _ => drop(field.wait_changed(since, SOON)?),
    }
    task.say("had it")
}

/// Starts somebody who waits, and stops it once it has said in the word that it sleeps.
fn stopped_waiter(heirs: &Heirs, operation: &str, word: &AtomicU32, flag: u32) -> Outcome<Child> {
    let waiter = Child::start("await", [heirs.path()?, operation])?;
    wait_until("it says that it waits", || word.load(SeqCst) & flag != 0)?;
    waiter.stop()?;
    ensure!(word.load(SeqCst) & flag != 0, "it does not wait any more");
    Ok(waiter)
}

/// Lets the stopped one have what it waited for.
fn end(heirs: Heirs, mut waiter: Child) -> Outcome {
    waiter.signal(Signal::SIGCONT)?;
    waiter.expect("had it")?;
    waiter.succeed()?;
    heirs.repair()?;
    heirs.leave()
}

fn end_of_write() -> Outcome {
    let heirs = Heirs::new()?;
    let futexes = Futexes::of(&heirs)?;
    let word = futexes.of_block(1, "wr")?;
    let guard = heirs.field.write()?;
    let waiter = stopped_waiter(&heirs, "write", word, WAITERS)?;
    wakes(word, || {
        drop(guard);
        Ok(())
    })?;
    end(heirs, waiter)
}

fn change() -> Outcome {
    let heirs = Heirs::new()?;
    let futexes = Futexes::of(&heirs)?;
    let word = futexes.word(place_of_notify());
    let waiter = stopped_waiter(&heirs, "watch", word, 1)?;
    wakes(word, || {
        drop(heirs.field.write_block(3)?);
        Ok(())
    })?;
    end(heirs, waiter)
}

fn end_of_read() -> Outcome {
    for part in [0..4, 1..2, 0..3] {
        let heirs = Heirs::new()?;
        let futexes = Futexes::of(&heirs)?;
        let guard = heirs.field.read_blocks(part)?;
        let waiter = stopped_waiter(&heirs, "write", futexes.of_block(1, "wr")?, DRAIN)?;
        wakes(futexes.of_block(1, "drain")?, || {
            drop(guard);
            Ok(())
        })?;
        end(heirs, waiter)?;
    }
    Ok(())
}

/// The first lease covers the writer's block, the one that was added to it and ends last covers another.
fn end_of_nested_read() -> Outcome {
    for part in [0..4, 0..3] {
        let heirs = Heirs::new()?;
        let futexes = Futexes::of(&heirs)?;
        let outer = heirs.field.read_blocks(part)?;
        let inner = heirs.field.read_block(0)?;
        drop(outer);
        let waiter = stopped_waiter(&heirs, "write", futexes.of_block(1, "wr")?, DRAIN)?;
        wakes(futexes.of_block(1, "drain")?, || {
            drop(inner);
            Ok(())
        })?;
        end(heirs, waiter)?;
    }
    Ok(())
}

/// It was announced for a moment, which the writer may have seen.
fn step_back() -> Outcome {
    let heirs = Heirs::new()?;
    let futexes = Futexes::of(&heirs)?;
    let guard = heirs.field.read_block(1)?;
    let waiter = stopped_waiter(&heirs, "write", futexes.of_block(1, "wr")?, DRAIN)?;
    let other = field::builder(heirs.place()).attach(NAME)?;
    wakes(futexes.of_block(1, "drain")?, || {
        support::heirs::elsewhere(|| {
            ensure!(other.try_read().is_err(), "a writer has the block");
            Ok(())
        })
    })?;
    drop((guard, other));
    end(heirs, waiter)
}

/// A dead writer of blocks 1 and 2 is found by somebody who wants block 2.
fn recovered_writer() -> Outcome {
    let heirs = Heirs::new()?;
    let futexes = Futexes::of(&heirs)?;
    let mut victim = Child::start("hold", [heirs.path()?, "write"])?;
    victim.expect("ready")?;
    let word = futexes.of_block(1, "wr")?;
    let waiter = stopped_waiter(&heirs, "write", word, WAITERS)?;
    wakes(word, || {
        victim.kill()?;
        drop(heirs.field.try_write_block(2)?);
        Ok(())
    })?;
    end(heirs, waiter)
}

fn recovered_change() -> Outcome {
    let heirs = Heirs::new()?;
    let futexes = Futexes::of(&heirs)?;
    let mut victim = Child::start("hold", [heirs.path()?, "write"])?;
    victim.expect("ready")?;
    let word = futexes.word(place_of_notify());
    let waiter = stopped_waiter(&heirs, "watch", word, 1)?;
    wakes(word, || {
        victim.kill()?;
        ensure!(heirs.field.try_read_block(2).is_err(), "it is poisoned");
        Ok(())
    })?;
    end(heirs, waiter)
}

/// A dead reader of all is found by the writer of block 2, and the one of block 1 has waited for it too.
fn recovered_reader() -> Outcome {
    let heirs = Heirs::new()?;
    let futexes = Futexes::of(&heirs)?;
    let mut victim = Child::start("hold", [heirs.path()?, "read"])?;
    victim.expect("ready")?;
    let waiter = stopped_waiter(&heirs, "write", futexes.of_block(1, "wr")?, DRAIN)?;
    let drain = futexes.of_block(1, "drain")?;
    let before = drain.load(SeqCst);
    wakes(drain, || {
        victim.kill()?;
        drop(heirs.field.try_write_block(2)?);
        Ok(())
    })?;
    ensure_eq!(drain.load(SeqCst), before + 1, "the count of readers that left");
    end(heirs, waiter)
}
