//! How long after the death of its holder a lock is had by who waits for it, in ms; -1: not within three seconds.
//!
//! The holder is killed while another process sleeps for the lock. `process_gone` is how long it takes until the kernel says that
//! the holder is gone: sooner nobody can know. `mmap_sync_reader`: the holder reads, and a writer waits for it; that
//! one waits for a second in any case, which began when it did.

use mmap_sync::synchronizer::Synchronizer;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sharray_compare::clock::now_ns;
use sharray_compare::locks::{self, Job, Lock};
use sharray_compare::memory::Folder;
use sharray_compare::{Child, Figure, Outcome, Part, Plan, role};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;
use std::{fs, io, thread};

const CONTENDERS: [&str; 8] = [
    "process_gone",
    "sharray_write",
    "pthread_robust",
    "flock",
    "raw_sync_mutex",
    "pthread",
    "futex",
    "mmap_sync_reader",
];
/// Until the waiter sleeps, whatever else goes on.
const PAUSE: Duration = Duration::from_millis(100);
/// Who waits for longer waits for ever.
const LIMIT: Duration = Duration::from_secs(3);
/// How long mmap-sync's writer waits for readers, as in its own examples.
const GRACE: Duration = Duration::from_secs(1);
/// Deaths in one sample of a contender that survives them.
const DEATHS: usize = 5;

fn main() -> Outcome {
    sharray_compare::main(compare, play)
}

fn compare(plan: &mut Plan) -> Outcome {
    let (cpus, deaths) = (plan.cpus(), if plan.is_quick() { 1 } else { DEATHS });
    // Those that hang are seen to hang sooner.
    let limit = if plan.is_quick() { GRACE + PAUSE * 2 } else { LIMIT };
    for _ in plan.rounds() {
        for contender in CONTENDERS {
            let name = format!("death.{contender}");
            plan.sample(&name, || {
                let mut figures = Vec::new();
                for _ in 0..deaths {
                    let took = kill_one(contender, cpus, limit)?;
                    figures.push(Figure::new(&name, took.unwrap_or(-1.0), "ms"));
                    if took.is_none() {
                        break;
                    }
                }
                Ok(figures)
            })?;
        }
    }
    Ok(())
}

/// The milliseconds from the death of the holder until the waiter has the lock.
fn kill_one(contender: &str, cpus: [usize; 2], limit: Duration) -> Outcome<Option<f64>> {
    let folder = Folder::new()?;
    let start = |role, cpu| Child::start(&Part::new(role, contender, folder.path(), cpu, Duration::ZERO));
    let mut holder = start("hold", cpus[1])?;
    holder.wait_until_ready()?;
    fs::write(folder.path().join("pid"), holder.pid().to_string())?;
    let mut waiter = start("wait", cpus[0])?;
    waiter.wait_until_ready()?;
    waiter.go_on()?;
    thread::sleep(PAUSE);
    let killed = now_ns()?;
    holder.kill()?;
    let Some(said) = waiter.finish_within(limit)? else { return Ok(None) };
    let had: u64 = said.trim().parse()?;
    let took = had.checked_sub(killed).ok_or("it had the lock while its holder lived")?;
    Ok(Some(Duration::from_nanos(took).as_secs_f64() * 1e3))
}

fn play(part: &Part) -> Outcome {
    let holds = part.role == "hold";
    match (part.case.as_str(), holds) {
        // It holds nothing but its life.
        ("process_gone", true) => role::ready(),
        ("process_gone", false) => wait_until_gone(&part.folder),
        ("mmap_sync_reader", true) => read(&part.folder),
        ("mmap_sync_reader", false) => write(&part.folder),
        (lock, _) => locks::with(lock, Hold { folder: &part.folder, holds }),
    }
}

struct Hold<'f> {
    folder: &'f Path,
    holds: bool,
}

impl Job for Hold<'_> {
    fn with<L: Lock>(self) -> Outcome {
        let lock = L::open(self.folder, self.holds)?;
        let mut outcome = Ok(());
        if self.holds {
            // Nobody lets it go on, so it is killed there.
            lock.hold(|| outcome = role::ready())?;
        } else {
            role::ready()?;
            lock.hold(|| outcome = tell())?;
        }
        outcome
    }
}

/// Says that this process has the lock now.
fn tell() -> Outcome {
    println!("{}", now_ns()?);
    Ok(())
}

fn wait_until_gone(folder: &Path) -> Outcome {
    let pid: libc::pid_t = fs::read_to_string(folder.join("pid"))?.parse()?;
    // SAFETY: the call takes two numbers.
    let found = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    let found = i32::try_from(found).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it for this process, and nobody else knows it.
    let process = unsafe { OwnedFd::from_raw_fd(found) };
    role::ready()?;
    poll(&mut [PollFd::new(process.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
    tell()
}

/// Reads and does not let go.
fn read(folder: &Path) -> Outcome {
    let prefix = folder.join("value");
    Synchronizer::new(prefix.as_os_str()).write_raw::<u64>(&[1; 8], GRACE)?;
    let mut reader = Synchronizer::new(prefix.as_os_str());
    // SAFETY: nobody looks at what is read.
    let _guard = unsafe { reader.read::<u64>(false) }?;
    role::ready()
}

/// Writes twice, for there are two places: the second is the one that is read.
fn write(folder: &Path) -> Outcome {
    let mut writer = Synchronizer::new(folder.join("value").as_os_str());
    writer.write_raw::<u64>(&[2; 8], GRACE)?;
    role::ready()?;
    writer.write_raw::<u64>(&[3; 8], GRACE)?;
    tell()
}
