//! The power is cut under a real file system, at random moments of real work.
//!
//! ext4 and XFS can be told to go down at once: what they have not given to their device by then they never will. A
//! process publishes, commits, flushes, leaves, comes back and creates, and says what it was told is done; the file
//! system goes down under it; mounted again, everything that was said must be true. `SHARRAY_CUTS` says how often:
//! `cargo xtask cuts`.
//!
//! Only the superuser can do this. What is missing is printed, and nothing is tried.

#![allow(unsafe_code, reason = "a file system is told to go down by a bare system call")]

mod support;

use ndarray::Ix1;
use nix::sys::signal::Signal;
use sharray::{Directory, Publisher, SharedArray, Subscriber};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;
use support::child::{Child, Task};
use support::stream::{self, Writer};
use support::{Outcome, Roles, Test, ensure, main as run, wait_until};

const ROLES: Roles = &[("work", work)];

const STREAM: &str = "stream";
const FIELD: &str = "field";
/// Several pages, so that they can be of different ages.
const ITEMS: usize = 5000;

fn main() -> ExitCode {
    let tests = vec![
        Test::new("the_power_is_cut_under_ext4", || cut_power("ext4", "64M")).within(36_000),
        Test::new("the_power_is_cut_under_xfs", || cut_power("xfs", "320M")).within(36_000),
    ];
    run(ROLES, tests)
}

/// A file system in a file. Dropping it unmounts it.
struct Mounted {
    folder: tempfile::TempDir,
    is_mounted: bool,
}

impl Mounted {
    /// `None`, and says what is missing, if this machine or this user cannot do it.
    fn new(kind: &str, size: &str) -> Outcome<Option<Self>> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let mut disk = Self { folder, is_mounted: false };
        std::fs::create_dir(disk.path())?;
        let image = disk.image();
        let steps = [
            Command::new("truncate").arg("--size").arg(size).arg(&image).output(),
            Command::new(format!("mkfs.{kind}")).arg("-q").arg(&image).output(),
            disk.mount_command().output(),
        ];
        for step in steps {
            let reason = match step {
                Ok(output) if output.status.success() => continue,
                Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
                Err(error) => error.to_string(),
            };
            eprintln!("not tried: needs the superuser, loop devices, mount and mkfs.{kind}: {reason}");
            return Ok(None);
        }
        disk.is_mounted = true;
        Ok(Some(disk))
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    fn mount_command(&self) -> Command {
        let mut command = Command::new("mount");
        command.args(["-o", "loop"]).arg(self.image()).arg(self.path());
        command
    }

    /// The file system takes nothing more, and gives nothing more to its device.
    fn go_down(&self) -> Outcome {
        const GOING_DOWN: libc::Ioctl = 0x8004_587d;
        let without_log: u32 = 2;
        let folder = File::open(self.path())?;
        let device = |path: &Path| std::fs::metadata(path).map(|meta| meta.dev());
        // What stands beneath is the machine's own.
        ensure!(folder.metadata()?.dev() != device(self.folder.path())?, "nothing is mounted here");
        // SAFETY: the request reads one number, which lives until it has.
        let done = unsafe { libc::ioctl(folder.as_raw_fd(), GOING_DOWN, &raw const without_log) };
        if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error().into()) }
    }

    /// The power comes again.
    fn come_up(&mut self) -> Outcome {
        let succeeds = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        // Who has made a namespace of mounts meanwhile keeps this one until it ends: what is mounted then is what went down.
        wait_until("the file system is mounted anew", || {
            if self.is_mounted && !succeeds(Command::new("umount").arg(self.path())) {
                return false;
            }
            self.is_mounted = succeeds(&mut self.mount_command());
            self.is_mounted && self.is_up()
        })
    }

    fn is_up(&self) -> bool {
        let probe = self.path().join("up");
        std::fs::write(&probe, b"").is_ok() && std::fs::remove_file(&probe).is_ok()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.is_mounted {
            _ = Command::new("umount").arg("--lazy").arg(self.path()).output();
        }
    }
}

/// What a worker was told is done.
#[derive(Debug, Default)]
struct Said {
    committed: u64,
    flushed: u64,
    begun: u64,
    created: Vec<String>,
}

impl Said {
    fn hear(&mut self, line: &str) -> Outcome {
        match line.split_once(' ').ok_or("two words")? {
            ("committed", number) => self.committed = number.parse()?,
            ("flushed", number) => self.flushed = number.parse()?,
            ("writing", number) => self.begun = number.parse()?,
            ("created", name) => self.created.push(name.to_owned()),
            other => return Err(format!("nobody says {other:?}").into()),
        }
        Ok(())
    }
}

/// Child: works until it is killed, or the file system fails it.
fn work(task: &Task) -> Outcome {
    let Err(error) = work_on(task) else { return Ok(()) };
    let is_down = match error.downcast_ref::<sharray::Error>() {
        Some(sharray::Error::Io { source, .. }) => {
            [Some(libc::EIO), Some(libc::EROFS)].contains(&source.raw_os_error())
        }
        Some(sharray::Error::DurabilityLost { .. }) => true,
        _ => false,
    };
    if is_down { Ok(()) } else { Err(error) }
}

fn work_on(task: &Task) -> Outcome {
    let (place, seed) = (Directory::open(task.arg(0)?)?, task.number(1)?);
    let open_field = || SharedArray::<u64, Ix1>::builder().directory(&place).open(FIELD, [ITEMS]);
    let mut field = open_field()?;
    let mut round = task.number(2)?;
    let mut writer = Some(stream::writer(&place).open(STREAM, [stream::WORDS])?);
    for step in 0.. {
        match stream::word(seed, step) % 12 {
            0..=5 => {
                let writer = match &mut writer {
                    Some(writer) => writer,
                    none => none.insert(stream::writer(&place).attach(STREAM)?),
                };
                stream::publish(writer)?;
            }
            6..=8 => {
                if let Some(writer) = &mut writer {
                    task.say(&format!("committed {}", writer.commit()?))?;
                }
            }
            9 => {
                round += 1;
                task.say(&format!("writing {round}"))?;
                let mut items = field.write()?;
                items.clear_poison();
                items.fill(round);
                drop(items);
                if round % 2 == 0 {
                    field.flush()?;
                } else {
                    // The last one to leave does the same.
                    drop(field);
                    field = open_field()?;
                }
                task.say(&format!("flushed {round}"))?;
            }
            10 => leave(task, &place, writer.take())?,
            _ => {
                let name = format!("new/{seed}-{step}");
                stream::writer(&place).create(&name, [stream::WORDS])?;
                task.say(&format!("created {name}"))?;
            }
        }
    }
    Ok(())
}

/// The last one to leave commits, and would say nothing if that failed: what it left is told from outside.
fn leave(task: &Task, place: &Directory, writer: Option<Writer>) -> Outcome {
    drop(writer);
    let committed = place.inspect(STREAM)?.committed;
    if committed > 0 { task.say(&format!("committed {committed}")) } else { Ok(()) }
}

/// After a loss of power the machine has another boot id. This one was not started anew, so each file is told that it is
/// from another boot.
fn start_anew(folder: &Path) -> Outcome {
    const BOOT_ID: u64 = 5120;
    for entry in std::fs::read_dir(folder)?.flatten() {
        let kind = entry.file_type()?;
        if kind.is_dir() {
            start_anew(&entry.path())?;
        } else if kind.is_file() {
            File::options().write(true).open(entry.path())?.write_all_at(&[0; 16], BOOT_ID)?;
        }
    }
    Ok(())
}

/// Everything that was said is true.
fn check(place: &Directory, said: &Said) -> Outcome {
    let reader = stream::reader(place).attach(STREAM);
    let found = match (&reader, said.committed) {
        (Ok(reader), _) => reader.latest()?.map_or(Ok(0), |frame| stream::check(&frame).map(|()| frame.sequence()))?,
        (Err(sharray::Error::NotFound { .. }), 0) => 0,
        (Err(error), _) => return Err(format!("the stream cannot be opened: {error}").into()),
    };
    ensure!(found >= said.committed, "frame {found} is found, and {} was confirmed", said.committed);
    if said.begun > 0 {
        let field = SharedArray::<u64, Ix1>::builder().directory(place).attach(FIELD)?;
        field.write()?.clear_poison();
        let items = field.snapshot()?;
        let is_right = |item: &u64| (said.flushed..=said.begun).contains(item);
        ensure!(items.iter().all(is_right), "items are not of rounds {} to {}", said.flushed, said.begun);
    }
    for name in &said.created {
        let attached = Publisher::<u64, Ix1>::builder().directory(place).attach(name);
        attached.map_err(|error| format!("{name:?} was created: {error}"))?;
    }
    // Whatever has a name is whole.
    for info in place.list()? {
        if info.kind == sharray::Kind::Stream {
            Subscriber::<u64, Ix1>::builder().directory(place).attach(&info.name)?;
        }
    }
    Ok(())
}

fn cut_power(kind: &str, size: &str) -> Outcome {
    let cuts: u64 = std::env::var("SHARRAY_CUTS").map_or(Ok(8), |text| text.parse())?;
    let Some(mut disk) = Mounted::new(kind, size)? else { return Ok(()) };
    let mut said = Said::default();
    let mut commits = 0;
    for cut in 1..=cuts {
        let path = disk.path();
        let arguments = [path.to_str().ok_or("the path is not text")?, &cut.to_string(), &said.begun.to_string()];
        let mut child = Child::start("work", arguments)?;
        let first = child.hear()?;
        said.hear(&first)?;
        // The moment is what is random here, so this wait is no condition's.
        std::thread::sleep(Duration::from_micros(stream::word(cut, 3) % 60_000));
        disk.go_down().map_err(|error| format!("{kind}, cut {cut}: it cannot go down: {error}"))?;
        child.signal(Signal::SIGKILL)?;
        while let Ok(line) = child.hear() {
            commits += u64::from(line.starts_with("committed"));
            said.hear(&line)?;
        }
        let status = child.wait()?;
        // What is mapped cannot be written any more, either.
        let ways = [Signal::SIGKILL as i32, Signal::SIGBUS as i32];
        let is_expected = status.success() || status.signal().is_some_and(|signal| ways.contains(&signal));
        ensure!(is_expected, "{kind}, cut {cut}: the worker ended with {status}");
        disk.come_up()?;
        start_anew(&path).map_err(|error| format!("{kind}, cut {cut}, after it came up: {error}"))?;
        let place = Directory::open(Path::new(&path))?;
        check(&place, &said).map_err(|error| format!("{kind}, cut {cut}, {said:?}: {error}"))?;
        for name in said.created.drain(..) {
            place.unlink(&name)?;
        }
    }
    eprintln!("{kind}: {cuts} cuts; what {commits} commits confirmed, and what was flushed and created, was there");
    Ok(())
}
