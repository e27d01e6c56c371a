//! What a test file must not leave behind: files, processes, threads, descriptors, mappings.
//!
//! Looked at when all of its tests are over, so that none has to do it. Files go into folders of this run, which must be empty
//! then; processes that lost their parent become children of this one, which must have none.

use super::{Outcome, SOON, ensure};
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Tells children and whoever runs all tests where folders in memory are made.
const MEMORY: &str = "SHARRAY_TEST_MEMORY";
/// The same for those on a disk, as everybody knows it.
const DISK: &str = "TMPDIR";

/// What there was before the first test.
pub(crate) struct Before {
    memory: TempDir,
    disk: TempDir,
    descriptors: usize,
    threads: usize,
}

/// The folders of this run, in memory and on a disk.
static FOLDERS: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();

/// Where folders in memory are made, where there is such a place.
pub(crate) fn memory() -> PathBuf {
    if let Some((memory, _)) = FOLDERS.get() {
        return memory.clone();
    }
    let told = std::env::var_os(MEMORY).map(PathBuf::from);
    let known = told.or_else(|| Some(PathBuf::from("/dev/shm"))).filter(|folder| folder.is_dir());
    known.unwrap_or_else(tempfile::env::temp_dir)
}

/// Lets a child make its folders where this process does.
pub(crate) fn tell(command: &mut Command) {
    if let Some((memory, disk)) = FOLDERS.get() {
        command.env(MEMORY, memory).env(DISK, disk);
    }
}

impl Before {
    pub(crate) fn the_tests() -> Outcome<Self> {
        nix::sys::prctl::set_child_subreaper(true)?;
        let (memory, disk) = (tempfile::tempdir_in(memory())?, tempfile::tempdir()?);
        _ = FOLDERS.set((memory.path().to_owned(), disk.path().to_owned()));
        tempfile::env::override_temp_dir(disk.path()).map_err(|_| "the folder for files was chosen before")?;
        // What the library keeps until the process ends, it has from here on.
        let place = sharray::Directory::open(memory.path())?;
        drop(sharray::SharedCell::builder().directory(&place).create("a", 0_u64)?);
        place.unlink("a")?;
        drop(place);
        Ok(Self { memory, disk, descriptors: count("/proc/self/fd")?, threads: count("/proc/self/task")? })
    }

    /// What is still there. Some of it may need a moment to go.
    pub(crate) fn check(self) -> Outcome {
        let deadline = Instant::now() + SOON;
        while let Err(left) = self.look() {
            if Instant::now() > deadline {
                return Err(format!("the tests left behind: {left}").into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn look(&self) -> Outcome {
        bury();
        let children = children();
        ensure!(children.is_empty(), "processes {children:?}");
        let threads = count("/proc/self/task")?;
        ensure!(threads <= self.threads, "{threads} threads, expected {}", self.threads);
        let descriptors = count("/proc/self/fd")?;
        ensure!(
            descriptors <= self.descriptors,
            "{descriptors} descriptors, expected {}: {:?}",
            self.descriptors,
            open()
        );
        let maps = std::fs::read_to_string("/proc/self/maps")?;
        for folder in [self.memory.path(), self.disk.path()] {
            let path = folder.to_str().ok_or("the path is not text")?;
            let mapped: Vec<_> = maps.lines().filter(|line| line.contains(path)).collect();
            ensure!(mapped.is_empty(), "mappings {mapped:?}");
            let files = super::stream::leftovers(folder)?;
            ensure!(files.is_empty(), "files {files:?}");
        }
        Ok(())
    }
}

/// Takes note of the deaths of processes that others left to this one.
fn bury() {
    while let Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {}
}

/// The processes whose parent this one is, as `pid (name)`.
fn children() -> Vec<String> {
    if waitpid(None, Some(WaitPidFlag::WNOHANG)) == Err(Errno::ECHILD) {
        return Vec::new();
    }
    let this = std::process::id().to_string();
    let stats = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = stats.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let is_child = |stat: &String| {
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.split_whitespace().nth(1) == Some(this.as_str()))
    };
    stats.filter(is_child).filter_map(|stat| Some(stat.split_once(") ")?.0.to_owned() + ")")).collect()
}

fn count(folder: impl AsRef<Path>) -> Outcome<usize> {
    Ok(std::fs::read_dir(folder)?.count())
}

/// What the descriptors of this process are of.
fn open() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    entries.filter_map(|entry| std::fs::read_link(entry.path()).ok()).collect()
}
