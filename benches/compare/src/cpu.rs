//! Which CPU a process runs on.

use crate::Outcome;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The first two CPUs that this process may use; twice the same if it has one. To be asked before the first [`keep`].
///
/// # Errors
/// The kernel's.
pub fn two() -> Outcome<[usize; 2]> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    let mut may = (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false));
    let first = may.next().ok_or("this process may use no CPU")?;
    Ok([first, may.next().unwrap_or(first)])
}

/// Keeps this thread on one CPU.
///
/// # Errors
/// The kernel's.
pub fn keep(cpu: usize) -> Outcome {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}
