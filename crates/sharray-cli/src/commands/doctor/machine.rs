//! Of the machine: its kernel, its memory for files, its large pages; and what this command is.

use super::{Finding, State};
use crate::text;
use nix::sys::stat::{major, minor};
use nix::sys::statvfs::statvfs;
use std::fs::read_to_string;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The oldest kernel that has all that the library asks for: `futex_waitv`.
const OLDEST: (u32, u32) = (5, 16);
/// Below so much of it free, memory for files is short.
const SCARCE_PERCENT: u64 = 10;

pub(super) fn look() -> Vec<Finding> {
    vec![versions(), kernel(), memory(), huge_pages()]
}

fn versions() -> Finding {
    let (command, format) = (env!("CARGO_PKG_VERSION"), sharray::FORMAT_VERSION);
    Finding::new("versions", State::Fit, format!("command and library {command}, files of format {format}"))
}

fn kernel() -> Finding {
    let release = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok());
    let (state, said) = match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST => (State::Fit, format!("Linux {release}")),
        (Some(_), Some(_)) => {
            let said = format!("Linux {release}: waiting for several streams at once needs {}.{}", OLDEST.0, OLDEST.1);
            (State::Unfit, said)
        }
        _ => (State::Note, format!("its version is not to be seen in {release:?}")),
    };
    Finding::new("kernel", state, said)
}

/// The memory that files of the default place are in.
fn memory() -> Finding {
    let path = Path::new("/dev/shm");
    let kind = kind_of(path).unwrap_or_else(|| "an unknown file system".to_owned());
    match room(path) {
        Ok((free, size)) => {
            let said = format!("{kind}, {} free of {}", text::bytes(free), text::bytes(size));
            if free * 100 / size.max(1) >= SCARCE_PERCENT {
                return Finding::new("/dev/shm", State::Fit, said);
            }
            Finding::new("/dev/shm", State::Note, format!("{said}; `sharray gc` and `sharray rm` free some"))
        }
        Err(error) => {
            Finding::new("/dev/shm", State::Unfit, format!("{error}: mount a tmpfs there, or set SHARRAY_DIR"))
        }
    }
}

/// What the kernel calls the file system that a file is on.
pub(super) fn kind_of(path: &Path) -> Option<String> {
    let device = path.metadata().ok()?.dev();
    let device = format!("{}:{}", major(device), minor(device));
    let mounts = read_to_string("/proc/self/mountinfo").ok()?;
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some(device.as_str()))?;
    mount.split_once(" - ")?.1.split(' ').next().map(str::to_owned)
}

/// The bytes that are free to this user in a file system, and those it has.
pub(super) fn room(path: &Path) -> nix::Result<(u64, u64)> {
    let found = statvfs(path)?;
    Ok((found.blocks_available() * found.fragment_size(), found.blocks() * found.fragment_size()))
}

fn huge_pages() -> Finding {
    let setting = read_to_string("/sys/kernel/mm/transparent_hugepage/shmem_enabled").unwrap_or_default();
    let chosen = setting.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(chosen, _)| chosen);
    match chosen {
        Some(chosen @ ("always" | "within_size" | "advise" | "force")) => {
            Finding::new("huge pages", State::Fit, format!("shmem_enabled is {chosen}"))
        }
        Some(chosen) => {
            let said = format!(
                "shmem_enabled is {chosen}: a mount with -o huge=advise, or `advise` there, gives large arrays some"
            );
            Finding::new("huge pages", State::Note, said)
        }
        None => Finding::new("huge pages", State::Note, "this kernel has none for shared memory"),
    }
}
