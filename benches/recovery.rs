//! How long after the death of a lock's holder the next one has it.
//!
//! The holder is killed while it writes and another one waits for the lock. `write`: until that one has it, with the blocks
//! poisoned. `byte_lock`: until a plain lock of the kernel's, which the dead one held too, comes to who sleeps for it; sooner nobody
//! can know. `pidfd`: until the kernel says that the process is gone. The kernel takes a process's memory apart before it
//! drops its locks, so the same is measured with a holder that has used a GiB.

mod support;

use ndarray::Ix1;
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sharray::{Directory, SharedArray};
use std::fs::File;
use std::hint::black_box;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use support::{Figures, Options, Outcome, Partner};

type Field = SharedArray<u64, Ix1>;

/// What the holders have used of memory.
const HOLDERS: [(&str, usize); 2] = [("", 0), ("_gib", 1 << 30)];

/// Until the waiters sleep, whatever else goes on.
const PAUSE: Duration = Duration::from_millis(30);

fn main() -> Outcome {
    let options = Options::from_args();
    support::die_after(600);
    if let Some(folder) = options.value("--hold") {
        let used = options.value("--use").ok_or("it is not said how much to use")?.parse()?;
        return hold(Path::new(folder), used);
    }
    let mut figures = Figures::default();
    for _ in 0..options.rounds(101) {
        for (name, used) in HOLDERS {
            // A glance needs no memory that the machine may not have.
            let used = if options.is_quick() { used >> 6 } else { used };
            for (what, took) in recover(used)? {
                figures.add(format!("{what}{name}"), took.as_secs_f64() * 1e3);
            }
        }
    }
    figures.print_exactly("ms");
    figures.print_worst("ms");
    figures.print_ratio("write", "byte_lock");
    figures.print_ratio("write_gib", "byte_lock_gib");
    Ok(())
}

/// The holder: takes both locks, and lives until it is killed.
fn hold(folder: &Path, used: usize) -> Outcome {
    let memory = black_box(vec![1_u8; used]);
    let file = File::options().read(true).write(true).open(folder.join("plain"))?;
    fcntl(&file, FcntlArg::F_OFD_SETLK(&first_byte()))?;
    let array = Field::builder().directory(&Directory::open(folder)?).attach("array")?;
    let guard = array.write()?;
    support::say_ready();
    thread::sleep(Duration::from_secs(600));
    drop((guard, memory));
    Ok(())
}

/// What each of those who wait waited for, from the kill on.
fn recover(used: usize) -> Outcome<[(&'static str, Duration); 3]> {
    let folder = support::folder()?;
    let array = Field::builder().directory(&Directory::open(folder.path())?).create("array", [512])?;
    let file = File::create_new(folder.path().join("plain"))?;
    let path = folder.path().to_str().ok_or("the folder has no printable name")?;
    let mut holder = Partner::start(&[("--hold", path), ("--use", &used.to_string())])?;
    holder.wait_until_ready()?;
    let pid = Pid::from_raw(i32::try_from(holder.pid())?);
    let gone = support::process(pid)?;
    thread::scope(|scope| {
        let write = scope.spawn(|| array.write().map(|guard| (Instant::now(), guard.is_poisoned())));
        let byte_lock = scope.spawn(|| lock(&file));
        let pidfd = scope.spawn(|| wait_for(&gone));
        thread::sleep(PAUSE);
        let start = Instant::now();
        kill(pid, Signal::SIGKILL)?;
        let panicked = |_| "a waiter panicked";
        let (write, is_poisoned) = write.join().map_err(panicked)??;
        assert!(is_poisoned, "the holder died in the middle");
        let byte_lock = byte_lock.join().map_err(panicked)??;
        let pidfd = pidfd.join().map_err(panicked)??;
        Ok([("write", write - start), ("byte_lock", byte_lock - start), ("pidfd", pidfd - start)])
    })
}

fn lock(file: &File) -> io::Result<Instant> {
    fcntl(file, FcntlArg::F_OFD_SETLKW(&first_byte()))?;
    Ok(Instant::now())
}

fn wait_for(gone: &OwnedFd) -> io::Result<Instant> {
    poll(&mut [PollFd::new(gone.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
    Ok(Instant::now())
}

fn first_byte() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    }
}
