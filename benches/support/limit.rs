//! A bound on the memory of this process and its children, the kernel's cache of what they read included.

use super::Outcome;
use std::fs;
use std::path::{Path, PathBuf};

/// A control group that this process is in while the value lives.
#[derive(Debug)]
pub(crate) struct Limit {
    group: PathBuf,
    before: PathBuf,
}

impl Limit {
    /// Enters a new control group with so much memory. Children that are started from now on begin there too.
    pub(crate) fn enter(bytes: u64) -> Outcome<Self> {
        let (before, file) = present()?;
        let group = before.join(format!("sharray-bench-{}", std::process::id()));
        fs::create_dir(&group)?;
        let limit = Self { group, before };
        fs::write(limit.group.join(file), bytes.to_string())?;
        join(&limit.group)?;
        Ok(limit)
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        // An empty group that could not be removed limits nobody.
        _ = join(&self.before).and_then(|()| fs::remove_dir(&self.group));
    }
}

fn join(group: &Path) -> std::io::Result<()> {
    fs::write(group.join("cgroup.procs"), std::process::id().to_string())
}

/// The group that bounds this process's memory now, and the name of the file that says the bound.
fn present() -> Outcome<(PathBuf, &'static str)> {
    let groups = fs::read_to_string("/proc/self/cgroup")?;
    let of = |start: &str| groups.lines().find_map(|line| line.split_once(start)).map(|(_, path)| path.to_owned());
    if let Some(path) = of(":memory:/") {
        return Ok((Path::new("/sys/fs/cgroup/memory").join(path), "memory.limit_in_bytes"));
    }
    let path = of("0::/").ok_or("it is in no control group")?;
    let group = Path::new("/sys/fs/cgroup").join(path);
    // Version 2: children of a group are bounded only if the group hands the controller down.
    let handed_down = fs::read_to_string(group.join("cgroup.subtree_control"))?;
    if handed_down.split_whitespace().any(|controller| controller == "memory") {
        return Ok((group, "memory.max"));
    }
    Err(format!("{} hands no memory controller down", group.display()).into())
}
