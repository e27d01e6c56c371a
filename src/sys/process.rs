//! Who this process is, as a person or another process would name it. For reading only: nothing is decided by it.

use super::fork::{Epoch, Shared};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

/// A process as it sees itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// The inode of its PID namespace.
    pub(crate) pid_namespace: u64,
    /// When it started, in clock ticks since the machine did: tells it from a later process of the same number.
    pub(crate) start_time: u64,
}

/// This process. What /proc does not tell is zero.
pub(crate) fn current() -> Process {
    static KNOWN: Shared<Option<(Epoch, Process)>> = Shared::new(None);
    if let Some((_, process)) = KNOWN.with(|known| known.filter(|(epoch, _)| !epoch.is_over())) {
        return process;
    }
    let process = Process {
        pid: std::process::id(),
        pid_namespace: fs::metadata("/proc/self/ns/pid").map_or(0, |meta| meta.ino()),
        start_time: fs::read_to_string("/proc/self/stat").ok().and_then(|stat| start_time(&stat)).unwrap_or(0),
    };
    let epoch = Epoch::current().ok();
    KNOWN.with(|known| *known = epoch.map(|epoch| (epoch, process)));
    process
}

/// Field 22 of /proc/self/stat. The second field may hold spaces and parentheses, so counting starts after its end.
fn start_time(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// The random number that the kernel drew when it started.
pub(crate) fn boot_id() -> [u64; 2] {
    static BOOT: OnceLock<[u64; 2]> = OnceLock::new();
    if let Some(known) = BOOT.get() {
        return *known;
    }
    // Read before it is set: a child that is forked meanwhile would wait for a thread that it does not have.
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let half = |range| digits.get(range).and_then(|part| u64::from_str_radix(part, 16).ok()).unwrap_or(0);
    *BOOT.get_or_init(|| [half(0..16), half(16..32)])
}
