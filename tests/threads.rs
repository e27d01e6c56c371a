//! Threads share handles, and one process may attach as often as it likes.
//!
//! Each attach is a participant of its own with a kernel lock of its own, so nothing about death may be decided by the
//! process that a lock belongs to: attaches of one process see each other live and go like those of different ones.

mod support;

use sharray::{Directory, Error};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};
use support::child::{Child, Task};
use support::stream::{self, NAME};
use support::{Outcome, Roles, SOON, Test, ensure, ensure_eq, main as run};

const ROLES: Roles = &[("look", look)];

/// For a race that may be lost a hundred thousand times in that time.
const LONG_ENOUGH: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("threads_share_a_subscriber_while_one_publishes", shared_subscriber),
            Test::new("several_attaches_of_one_process_are_as_many_participants", several_attaches),
            Test::new("lossless_readers_in_threads_see_every_frame", lossless_threads),
            Test::new("waiting_for_others_is_not_waiting_for_oneself", waiting_for_others),
            Test::new("waiting_for_oneself_is_refused", waiting_for_oneself),
        ],
    )
}

/// Eight threads look at the newest frame through one handle. None is ever torn, older than one that the same thread
/// saw before, or refused: a subscriber can hold eight.
fn shared_subscriber() -> Outcome {
    let folder = stream::fresh_folder()?;
    let place = Directory::open(folder.path())?;
    let mut writer = stream::writer(&place).slots(stream::HISTORY + 8).create(NAME, [stream::WORDS])?;
    stream::publish(&mut writer)?;
    let reader = stream::reader(&place).attach(NAME)?;
    let is_over = AtomicBool::new(false);
    let look = || -> Outcome {
        let mut newest = 0;
        while !is_over.load(Relaxed) {
            let frame = reader.latest()?.ok_or("nothing was published")?;
            stream::check(&frame)?;
            ensure!(frame.sequence() >= newest, "time runs backwards");
            newest = frame.sequence();
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(look)).collect();
        let mut outcome = Ok(());
        let end = Instant::now() + LONG_ENOUGH;
        while outcome.is_ok() && Instant::now() < end && !threads.iter().any(thread::ScopedJoinHandle::is_finished) {
            // Eight pins and a history: a slot is always free.
            outcome = writer.try_loan().map(|mut loan| {
                stream::fill(&mut loan);
                loan.publish();
            });
        }
        is_over.store(true, Relaxed);
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)?;
        Ok(outcome?)
    })
}

/// A publisher and readers in one process: none is taken for dead, and each goes by itself.
fn several_attaches() -> Outcome {
    let folder = stream::fresh_folder()?;
    let place = Directory::open(folder.path())?;
    let mut writer = stream::writer(&place).create(NAME, [stream::WORDS])?;
    let mut readers =
        (0..4).map(|_| stream::reader(&place).lossless().attach(NAME)).collect::<sharray::Result<Vec<_>>>()?;
    ensure!(matches!(stream::writer(&place).attach(NAME), Err(Error::ProducerPresent { .. })), "it lives");
    let waited = readers[0].recv_timeout(Duration::from_millis(100));
    ensure!(matches!(waited, Err(Error::TimedOut { .. })), "nobody died: {waited:?}");
    while let Some(mut reader) = readers.pop() {
        stream::publish(&mut writer)?;
        for reader in readers.iter_mut().chain([&mut reader]) {
            stream::check(&reader.try_recv()?.ok_or("the frame is there")?)?;
        }
        drop(reader);
        let info = place.inspect(NAME)?;
        ensure_eq!(info.participants.len(), readers.len() + 1, "participants");
        ensure!(info.participants.iter().all(|participant| participant.is_alive), "all live");
    }
    Ok(())
}

/// A publisher that waits for three lossless readers in threads, each with a handle of its own, of which one is slow.
fn lossless_threads() -> Outcome {
    const FRAMES: u64 = 2_000;
    let folder = stream::fresh_folder()?;
    let place = Directory::open(folder.path())?;
    let mut writer = stream::writer(&place).create(NAME, [stream::WORDS])?;
    let readers =
        (0..3).map(|_| stream::reader(&place).lossless().attach(NAME)).collect::<sharray::Result<Vec<_>>>()?;
    thread::scope(|scope| {
        let threads: Vec<_> = readers
            .into_iter()
            .enumerate()
            .map(|(number, mut reader)| {
                scope.spawn(move || -> Outcome {
                    let mut next = 1;
                    while let Some(frame) = reader.recv_timeout(SOON)? {
                        stream::check(&frame)?;
                        ensure_eq!(frame.sequence(), next, "the number of a frame");
                        next += 1;
                        if number == 0 && next % 64 == 0 {
                            thread::yield_now();
                        }
                    }
                    ensure_eq!(next, FRAMES + 1, "frames until the end");
                    Ok(())
                })
            })
            .collect();
        for _ in 0..FRAMES {
            stream::publish(&mut writer)?;
        }
        drop(writer);
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    })
}

/// Child: looks at one frame after the other, each for as long as the publisher can go on, until the test is over.
fn look(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let reader = stream::reader(&place).attach(NAME)?;
    let is_over = AtomicBool::new(false);
    task.say("ready")?;
    thread::scope(|scope| {
        let looker = scope.spawn(|| -> Outcome {
            while !is_over.load(Relaxed) {
                let frame = reader.latest()?.ok_or("nothing was published")?;
                // Two frames later the publisher lacks this one's slot.
                while reader.sequence() < frame.sequence() + 2 && !is_over.load(Relaxed) {
                    thread::yield_now();
                }
                stream::check(&frame)?;
            }
            Ok(())
        });
        task.listen()?;
        is_over.store(true, Relaxed);
        looker.join().map_err(|_| "a thread panicked")?
    })
}

/// Slots are short, and another process has what is missing. It gives it back at any moment, also between the
/// publisher's attempt to take it and its look at who has it: nobody is then no reason to say that it is the publisher.
fn waiting_for_others() -> Outcome {
    let folder = stream::fresh_folder()?;
    let path = folder.path().to_str().ok_or("the path is not text")?;
    let place = Directory::open(path)?;
    let mut writer = stream::writer(&place).slots(stream::HISTORY + 1).create(NAME, [stream::WORDS])?;
    stream::publish(&mut writer)?;
    // This process holds the one slot to spare, so it is a holder, but not of all that is missing.
    let mine = stream::reader(&place).attach(NAME)?.latest()?.ok_or("nothing was published")?;
    let mut child = Child::start("look", [path])?;
    child.expect("ready")?;
    let end = Instant::now() + LONG_ENOUGH;
    while Instant::now() < end {
        let mut loan = writer.loan()?;
        stream::fill(&mut loan);
        loan.publish();
    }
    child.tell("end")?;
    child.succeed()?;
    stream::check(&mine)
}

/// A process that holds all frames itself would wait for ever.
fn waiting_for_oneself() -> Outcome {
    let folder = stream::fresh_folder()?;
    let place = Directory::open(folder.path())?;
    let mut writer = stream::writer(&place).create(NAME, [stream::WORDS])?;
    let reader = stream::reader(&place).attach(NAME)?;
    let mut held = Vec::new();
    let refused = loop {
        match writer.loan() {
            Ok(mut loan) => {
                stream::fill(&mut loan);
                loan.publish();
                held.extend(reader.latest()?);
            }
            Err(error) => break error,
        }
    };
    ensure!(matches!(refused, Error::WouldDeadlock { .. }), "{refused}");
    held.iter().try_for_each(stream::check)?;
    held.clear();
    stream::publish(&mut writer).map(drop)
}
