//! How long it takes from no file to one whose every word is written, in ms; a GiB of it.
//!
//! `memory`: in `/dev/shm`. `huge_pages`: in a file system in memory that has them, which takes root to mount. `by_hand`
//! reserves the space, maps it and fills it. Each is made twice, for what the machine has not used for a while may take
//! the hypervisor's time too: `.cold` is the first.

use ndarray::Ix1;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use sharray::{Directory, SharedArray};
use sharray_compare::memory::{Folder, Shared};
use sharray_compare::{Child, Figure, Outcome, Part, Plan, role};
use std::any::Any;
use std::fs::{self, File};
use std::path::Path;
use std::slice;
use std::time::{Duration, Instant};

const CASES: [&str; 4] = ["memory.by_hand", "memory.sharray", "huge_pages.by_hand", "huge_pages.sharray"];
const FILL: u64 = 7;

fn main() -> Outcome {
    sharray_compare::main(compare, play)
}

fn compare(plan: &mut Plan) -> Outcome {
    let size = if plan.is_quick() { "64MiB" } else { "1GiB" };
    let cpu = plan.cpus()[0];
    if !has_huge_pages() {
        println!("# create.{size}.huge_pages is not run: it takes root, and a kernel with huge pages in memory");
    }
    for _ in plan.rounds() {
        for case in CASES.iter().filter(|case| case.starts_with("memory") || has_huge_pages()) {
            let name = format!("create.{size}.{case}");
            plan.sample(&name, || {
                let folder = Folder::new()?;
                let mut child = Child::start(&Part::new("create", &name, folder.path(), cpu, Duration::ZERO))?;
                child.wait_until_ready()?;
                child.go_on()?;
                let said = role::numbers(&child.finish()?)?;
                let names = [format!("{name}.cold"), name.clone()];
                Ok(names.into_iter().zip(said).map(|(name, value)| Figure::new(name, value, "ms")).collect())
            })?;
        }
    }
    Ok(())
}

/// Whether this process may mount, and there is something to mount.
fn has_huge_pages() -> bool {
    nix::unistd::geteuid().is_root() && Path::new("/sys/kernel/mm/transparent_hugepage/shmem_enabled").exists()
}

fn play(part: &Part) -> Outcome {
    let ["create", size, place, contender] = part.case.split('.').collect::<Vec<_>>()[..] else {
        return Err(format!("there is no case {:?}", part.case).into());
    };
    let bytes = if size == "1GiB" { 1 << 30 } else { 64 << 20 };
    let is_huge = place == "huge_pages";
    if is_huge {
        mount_huge_pages(&part.folder)?;
    }
    role::ready()?;
    for _ in 0..2 {
        let start = Instant::now();
        let array =
            if contender == "sharray" { ours(&part.folder, bytes, is_huge)? } else { by_hand(&part.folder, bytes)? };
        print!("{} ", start.elapsed().as_secs_f64() * 1e3);
        // Letting it go is not timed.
        drop(array);
        fs::remove_file(part.folder.join("array"))?;
    }
    println!();
    Ok(())
}

/// A file system in memory with huge pages, over the folder; only this process sees it.
fn mount_huge_pages(folder: &Path) -> Outcome {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    Ok(mount(Some("none"), folder, Some("tmpfs"), MsFlags::empty(), Some("huge=always,size=2g,mode=0700"))?)
}

fn by_hand(folder: &Path, bytes: usize) -> Outcome<Box<dyn Any>> {
    let file = File::options().read(true).write(true).create_new(true).open(folder.join("array"))?;
    nix::fcntl::posix_fallocate(&file, 0, i64::try_from(bytes)?)?;
    let array = Shared::of(&file)?;
    let words: *mut u64 = array.as_mut_ptr().cast();
    // SAFETY: the mapping has so many bytes, it starts at a page, and nobody else knows it.
    unsafe { slice::from_raw_parts_mut(words, bytes / 8) }.fill(FILL);
    Ok(Box::new(array))
}

fn ours(folder: &Path, bytes: usize, is_huge: bool) -> Outcome<Box<dyn Any>> {
    let place = Directory::open(folder)?;
    let builder = SharedArray::<u64, Ix1>::builder().directory(&place).huge_pages(is_huge);
    let array = builder.create("array", [bytes / 8])?;
    array.write()?.as_slice_mut().ok_or("it is contiguous")?.fill(FILL);
    Ok(Box::new(array))
}
