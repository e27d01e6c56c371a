//! A forked child has its parent's handles, and none of its parent's rights.
//!
//! The parent's pins, role and locks are the parent's. If the child could use them, they might go at any time under its
//! hands; if it could drop them, they would go under the parent's; and if it kept them alive, nobody would ever learn
//! that the parent died.

#![allow(unsafe_code, reason = "fork is what this is about")]

mod support;

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use sharray::{Directory, Error};
use std::process::ExitCode;
use support::child::{Child, Task};
use support::stream::{self, NAME};
use support::survivors::Survivors;
use support::{Outcome, Roles, Test, ensure, ensure_eq, main as run, wait_until};

const ROLES: Roles = &[
    ("refuse", refuse),
    ("drop all", drop_all),
    ("outlive", outlive),
    ("attach anew", attach_anew),
    ("become a daemon", become_a_daemon),
    ("detach", detach),
    ("fork meanwhile", fork_meanwhile),
];

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("inherited_handles_say_that_they_are", || in_parent("refuse")),
            Test::new("dropping_what_was_inherited_does_nothing", || in_parent("drop all")),
            Test::new("a_child_can_attach_for_itself", || in_parent("attach anew")),
            Test::new("a_daemon_that_closes_all_it_inherited_takes_nothing_from_its_parent", || {
                in_parent("become a daemon")
            }),
            Test::new("who_detached_is_gone_although_a_clone_has_its_descriptors", detached),
            Test::new("the_parents_death_is_seen_although_the_child_lives", parents_death),
            Test::new("a_fork_in_the_middle_of_an_attach_keeps_nobody_alive", fork_in_attach),
        ],
    )
}

/// Runs a role that forks.
fn in_parent(role: &str) -> Outcome {
    let survivors = Survivors::new()?;
    Child::start(role, [survivors.path()?])?.succeed()?;
    let writer = survivors.writer()?;
    ensure_eq!(survivors.place().inspect(NAME)?.participants.len(), 3, "participants after all are gone");
    survivors.go_on(writer)
}

/// Runs `act` in a forked child, and fails if it does. The process has one thread, so the child may do anything.
fn forked(act: impl FnOnce() -> Outcome) -> Outcome {
    // SAFETY: this process has no other thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let failure = act().err();
            if let Some(failure) = &failure {
                eprintln!("forked: {failure}");
            }
            // SAFETY: ends the process without running what the parent registered; takes nothing by reference.
            unsafe { libc::_exit(i32::from(failure.is_some())) }
        }
        ForkResult::Parent { child } => {
            let status = waitpid(child, None)?;
            ensure!(matches!(status, WaitStatus::Exited(_, 0)), "a forked child failed: {status:?}");
            Ok(())
        }
    }
}

macro_rules! ensure_forked {
    ($call:expr) => {
        match $call.map(drop) {
            Err(Error::Forked { .. }) => {}
            other => return Err(format!("{} answers {other:?}", stringify!($call)).into()),
        }
    };
}

/// Child: every call on what a forked child inherited answers `Forked`, and changes nothing.
fn refuse(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let mut writer = stream::writer(&place).attach(NAME)?;
    let mut lossless = stream::reader(&place).lossless().attach(NAME)?;
    let mut reader = stream::reader(&place).attach(NAME)?;
    stream::publish(&mut writer)?;
    let frame = reader.latest()?.ok_or("nothing was published")?;
    forked(|| {
        ensure_forked!(writer.loan());
        ensure_forked!(writer.try_loan());
        ensure_forked!(reader.latest());
        ensure_forked!(reader.try_recv());
        ensure_forked!(reader.recv());
        ensure_forked!(lossless.recv());
        ensure_forked!(sharray::wait_any(&[&reader], None));
        ensure!(frame.is_inherited(), "the frame knows that it is the parent's");
        Ok(())
    })?;
    let mut loan = writer.try_loan()?;
    stream::fill(&mut loan);
    // A loan that the child publishes is not published.
    forked(|| {
        ensure_eq!(loan.publish(), 0, "what a forked child publishes");
        Ok(())
    })?;
    ensure_eq!(writer.sequence(), 5, "the parent's sequence");
    for sequence in 5..7 {
        stream::check(&lossless.try_recv()?.ok_or("the frame is there")?)?;
        stream::check(&reader.try_recv()?.ok_or("the frame is there")?)?;
        if sequence == 5 {
            stream::publish(&mut writer)?;
        }
    }
    stream::check(&frame)
}

/// Child: a forked child drops the publisher, the subscribers and the frame. The parent's stay what they were.
fn drop_all(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let name = "own";
    let mut writer = stream::writer(&place).create(name, [stream::WORDS])?;
    let lossless = stream::reader(&place).lossless().attach(name)?;
    stream::publish(&mut writer)?;
    let frame = lossless.latest()?.ok_or("nothing was published")?;
    let mut all = Some((writer, lossless, frame));
    forked(|| {
        drop(all.take());
        Ok(())
    })?;
    let (mut writer, mut lossless, frame) = all.take().ok_or("the parent's are there")?;
    let info = place.inspect(name)?;
    let pid = std::process::id();
    ensure_eq!(info.producer().map(|producer| producer.pid), Some(pid), "the producer");
    ensure!(!info.is_closed, "the stream is not closed");
    let mine: Vec<_> = info.participants.iter().filter(|participant| participant.pid == pid).collect();
    ensure!(mine.len() == 2 && mine.iter().all(|participant| participant.is_alive), "both live: {mine:?}");
    ensure!(mine.iter().any(|participant| participant.pins == 1 && participant.is_lossless), "the pin: {mine:?}");
    // The frame's slot is passed over, and the lossless reader is waited for.
    for _ in 0..10 {
        stream::check(&lossless.try_recv()?.ok_or("the frame is there")?)?;
        stream::publish(&mut writer)?;
        stream::check(&frame)?;
    }
    Ok(place.unlink(name)?)
}

/// Child: what a forked child attaches for itself is its own.
fn attach_anew(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let mut writer = stream::writer(&place).attach(NAME)?;
    stream::publish(&mut writer)?;
    forked(|| {
        let present = stream::writer(&place).attach(NAME).map(drop);
        ensure!(matches!(present, Err(Error::ProducerPresent { .. })), "the parent lives: {present:?}");
        let frame = stream::reader(&place).attach(NAME)?.latest()?.ok_or("nothing was published")?;
        let pid = std::process::id();
        let info = place.inspect(NAME)?;
        ensure!(info.participants.iter().any(|participant| participant.pid == pid), "it is {pid}: {info:?}");
        // A child of the child has nothing of either.
        forked(|| {
            ensure!(frame.is_inherited(), "the frame is its parent's");
            drop(frame);
            ensure_forked!(writer.loan());
            stream::check(&stream::reader(&place).attach(NAME)?.latest()?.ok_or("nothing was published")?)
        })
    })?;
    stream::publish(&mut writer).map(drop)
}

/// Child: holds everything, and starts processes as a daemon does: in a session of its own, every descriptor closed, by an
/// ordinary fork and by a raw `clone`. What it holds stays its own, and what the daemon attaches is the daemon's.
fn become_a_daemon(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let name = "own";
    let mut writer = stream::writer(&place).create(name, [stream::WORDS])?;
    let mut reader = stream::reader(&place).lossless().attach(name)?;
    stream::publish(&mut writer)?;
    let frame = reader.recv()?.ok_or("the stream is not over")?;
    let pid = std::process::id();
    let daemon = || -> Outcome {
        nix::unistd::setsid()?;
        // SAFETY: what this process has inherited it neither uses nor drops from here on, but by calls that refuse it.
        ensure_eq!(unsafe { libc::close_range(3, libc::c_uint::MAX, 0) }, 0, "what close_range says");
        let place = Directory::open(task.arg(0)?)?;
        let present = stream::writer(&place).attach(name).map(drop);
        ensure!(matches!(present, Err(Error::ProducerPresent { .. })), "the parent lives: {present:?}");
        stream::check(&stream::reader(&place).attach(name)?.latest()?.ok_or("nothing was published")?)?;
        let info = place.inspect(name)?;
        let alive = info.participants.iter().filter(|who| who.pid == pid && who.is_alive).count();
        ensure_eq!(alive, 2, "what lives of the parent");
        Ok(())
    };
    let refuses = || -> Outcome {
        ensure!(frame.is_inherited(), "the frame is the parent's");
        Ok(())
    };
    forked(|| refuses().and_then(|()| daemon()))?;
    // SAFETY: without a stack and flags it is what fork does, without its handlers; this process has no other thread.
    let clone = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    if clone == 0 {
        let failure = refuses().and_then(|()| daemon()).err();
        if let Some(failure) = &failure {
            eprintln!("cloned: {failure}");
        }
        // SAFETY: ends the process without running what the parent registered; takes nothing by reference.
        unsafe { libc::_exit(i32::from(failure.is_some())) }
    }
    let status = waitpid(Pid::from_raw(i32::try_from(clone)?), None)?;
    ensure!(matches!(status, WaitStatus::Exited(_, 0)), "a clone failed: {status:?}");
    // The slot of the frame is passed over, the lossless reader is waited for, and the role is still had.
    for _ in 0..10 {
        stream::publish(&mut writer)?;
        stream::check(&reader.try_recv()?.ok_or("the frame is there")?)?;
        stream::check(&frame)?;
    }
    Ok(place.unlink(name)?)
}

/// Child: holds everything, forks a child that has it all too, and is killed. The forked one lives on.
fn outlive(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let mut writer = stream::writer(&place).attach(NAME)?;
    let reader = stream::reader(&place).lossless().attach(NAME)?;
    stream::publish(&mut writer)?;
    let frame = reader.latest()?;
    let loan = writer.try_loan()?;
    // SAFETY: this process has no other thread.
    match unsafe { fork() }? {
        ForkResult::Parent { .. } => {
            task.listen()?;
            drop((loan, frame));
            Ok(())
        }
        ForkResult::Child => {
            task.say("forked")?;
            while task.listen()? == "alive?" {
                task.say("alive")?;
            }
            task.say("gone")
        }
    }
}

/// The role, the pin and the place in the stream of a killed parent are free at once: its child, which has copies of
/// all descriptors and mappings, does not stand for it.
fn parents_death() -> Outcome {
    for _ in 0..20 {
        let survivors = Survivors::new()?;
        let mut parent = Child::start("outlive", [survivors.path()?])?;
        parent.expect("forked")?;
        parent.kill()?;
        let writer = survivors.writer()?;
        ensure_eq!(writer.sequence(), 5, "the parent's last frame");
        // Both wait for the same words, so the one that is left hears them.
        parent.tell("alive?")?;
        parent.expect("alive")?;
        survivors.go_on(writer)?;
        parent.tell("end")?;
        parent.expect("gone")?;
    }
    Ok(())
}

/// Child: detaches while a process lives that was cloned from it behind the back of the C library, and so has all its
/// descriptors; then collects what nobody has attached.
fn detach(task: &Task) -> Outcome {
    let place = Directory::default_place()?;
    let writer = stream::writer(&place).create(NAME, [stream::WORDS])?;
    let reader = stream::reader(&place).read_only().attach(NAME)?;
    // SAFETY: without a stack and flags it is what fork does, without its handlers; this process has no other thread.
    let clone = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    if clone == 0 {
        nix::unistd::pause();
        return Ok(());
    }
    drop((writer, reader));
    let collected = place.collect_garbage();
    let clone = nix::unistd::Pid::from_raw(i32::try_from(clone)?);
    nix::sys::signal::kill(clone, nix::sys::signal::Signal::SIGKILL)?;
    waitpid(clone, None)?;
    ensure!(collected?.contains(&NAME.to_owned()), "nobody has {NAME} attached");
    task.say("collected")
}

/// A clone, or a process that is just being started, is not taken for the one that has gone.
fn detached() -> Outcome {
    let folder = stream::fresh_folder()?;
    let mut child = Child::start_with_place(folder.path().to_str().ok_or("the path is not text")?, "detach", [""; 0])?;
    child.expect("collected")?;
    child.succeed()?;
    ensure_eq!(stream::leftovers(folder.path())?, Vec::<String>::new(), "what is left in the folder");
    Ok(())
}

/// Child: attaches over and over in one thread while another forks children that live on for a while.
fn fork_meanwhile(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    // A group of its own, by which those who outlive it are ended.
    let own = Pid::from_raw(0);
    nix::unistd::setpgid(own, own)?;
    let forks = std::thread::spawn(|| {
        for _ in 0..150 {
            // SAFETY: the child makes only calls that are allowed after a fork of a process with threads.
            if matches!(unsafe { fork() }, Ok(ForkResult::Child)) {
                // It keeps no pipe open that somebody waits for the end of.
                for pipe in 0..3 {
                    // SAFETY: the number is one that every process begins with; nothing of the child uses it.
                    unsafe { libc::close(pipe) };
                }
                // SAFETY: takes a number, and is over after that many seconds.
                unsafe { libc::sleep(60) };
                // SAFETY: ends the child without running what the parent registered.
                unsafe { libc::_exit(0) }
            }
        }
    });
    let mut attached = stream::reader(&place).attach(NAME)?;
    while !forks.is_finished() {
        attached = stream::reader(&place).attach(NAME)?;
    }
    ensure_eq!(attached.name(), NAME, "it is attached");
    task.say("ready")?;
    task.await_line("never")
}

/// A child of a fork that came between the opening of a lock's descriptor and its mark kept that descriptor, and with it
/// the parent's life: its records stayed for as long as the child lived.
fn fork_in_attach() -> Outcome {
    let survivors = Survivors::new()?;
    let mut parent = Child::start("fork meanwhile", [survivors.path()?])?;
    parent.expect("ready")?;
    let pid = parent.pid();
    parent.kill()?;
    let seen = wait_until("the parent's records are those of a dead process", || {
        let info = survivors.place().inspect(NAME);
        info.is_ok_and(|info| !info.participants.iter().any(|who| who.pid == pid && who.is_alive))
    });
    killpg(Pid::from_raw(i32::try_from(pid)?), Signal::SIGKILL)?;
    seen
}
