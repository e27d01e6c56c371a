//! How many instructions the operations take that programs do millions of times, counted one by one.
//!
//! Times tell little on a machine that does other things too; counts are the same each time. Those in `counts.txt` are
//! what each operation took when it was last looked at, with the compiler named there. An operation that takes more, or fewer, by
//! more than [`TOLERANCE`] is a failure: what got slower is to be mended, and what got faster is to be written down
//! (`cargo xtask counts --renew`). Counts say nothing of what an instruction waits for; the other benchmarks do.
//!
//! A second process does the operations, and this one lets it go on by one machine instruction at a time. A system call
//! is one. So much time passes between two publishes that each looks at both clocks; others look at one.

#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod support;

use ndarray::{Ix1, arr1};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use sharray::{Directory, GrowableArray, Publisher, SharedArray, SharedCell, Subscriber, Team};
use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::{Options, Outcome};

/// By how many hundredths of itself a count may differ.
const TOLERANCE: u64 = 3;
/// Each operation is done so often. The first one binds symbols, and touches pages.
const TIMES: usize = 4;
const BEGIN: Signal = Signal::SIGUSR1;
const END: Signal = Signal::SIGUSR2;

fn main() -> Outcome {
    let options = Options::from_args();
    if let Some(folder) = options.value("--work") {
        ptrace::traceme()?;
        raise(Signal::SIGSTOP)?;
        return operations(Path::new(folder), |_, act| (0..TIMES).try_for_each(|_| marked(act)).expect("it can stop"));
    }
    let folder = support::folder()?;
    if options.is_quick() {
        return operations(folder.path(), |_, act| act());
    }
    let Some(counts) = count(folder.path())? else {
        println!("1 not run: counts: permission to trace a process");
        return Ok(());
    };
    for (name, count) in &counts {
        println!("{name} {count} instructions");
    }
    if options.has("--renew") { Ok(fs::write(references(), told(&counts)?)?) } else { compare(&counts) }
}

/// Stops before and after `act`, for whoever counts.
fn marked(act: &mut dyn FnMut()) -> Outcome {
    raise(BEGIN)?;
    act();
    Ok(raise(END)?)
}

/// Calls `each` with every operation and its name, in an order that stays the same.
fn operations(folder: &Path, mut each: impl FnMut(&'static str, &mut dyn FnMut())) -> Outcome {
    fs::create_dir_all(folder)?;
    each("nothing", &mut || ());
    let place = Directory::open(folder.join("place"))?;
    arrays(&place, &mut each)?;
    cells(&place, &mut each)?;
    streams(&place, &mut each)?;
    others(folder, &place, &mut each)
}

fn arrays(place: &Directory, each: &mut impl FnMut(&'static str, &mut dyn FnMut())) -> Outcome {
    let array = SharedArray::<u64, Ix1>::builder().directory(place).create("array", [512])?;
    let blocks = SharedArray::<u64, Ix1>::builder().directory(place).blocks(8).create("blocks", [512])?;
    let small = SharedArray::<u64, Ix1>::builder().directory(place).create("small", [8])?;
    let mut target = ndarray::Array1::zeros(8);
    each("write", &mut || drop(black_box(array.write())));
    each("try_write", &mut || drop(black_box(array.try_write())));
    each("read", &mut || drop(black_box(array.read())));
    each("write_block", &mut || drop(black_box(blocks.write_block(3))));
    each("read_block", &mut || drop(black_box(blocks.read_block(3))));
    each("snapshot_64B", &mut || drop(black_box(small.snapshot())));
    each("read_into_64B", &mut || assert!(small.read_into(black_box(&mut target)).is_ok()));
    ["array", "blocks", "small"].into_iter().try_for_each(|name| Ok(place.unlink(name)?))
}

fn cells(place: &Directory, each: &mut impl FnMut(&'static str, &mut dyn FnMut())) -> Outcome {
    let cell = SharedCell::<[u64; 8]>::builder().directory(place).create("cell", [0; 8])?;
    let value = black_box([7; 8]);
    each("cell_store", &mut || assert!(cell.store(black_box(value)).is_ok()));
    each("cell_load", &mut || _ = black_box(cell.load()));
    let mut writer = cell.writer()?;
    each("cell_store_kept", &mut || writer.store(black_box(value)));
    drop(writer);
    Ok(place.unlink("cell")?)
}

fn streams(place: &Directory, each: &mut impl FnMut(&'static str, &mut dyn FnMut())) -> Outcome {
    let mut publisher = Publisher::<u64, Ix1>::builder().directory(place).create("frames", [8])?;
    let mut subscriber = Subscriber::<u64, Ix1>::builder().directory(place).attach("frames")?;
    each("publish", &mut || {
        let mut loan = publisher.loan().expect("slots are free");
        loan.as_mut_slice().fill(7);
        loan.publish();
    });
    each("latest", &mut || drop(black_box(subscriber.latest())));
    // The frames that it goes through were published by the first of these; a lossy subscriber begins near the newest.
    each("next_frame", &mut || drop(black_box(subscriber.try_recv())));
    each("no_frame", &mut || while black_box(subscriber.try_recv()).expect("it may pin").is_some() {});
    Ok(place.unlink("frames")?)
}

fn others(folder: &Path, place: &Directory, each: &mut impl FnMut(&'static str, &mut dyn FnMut())) -> Outcome {
    let table = GrowableArray::<u64, Ix1>::builder().directory(place).create("table", [0])?;
    let row = arr1(&[7, 8]);
    each("append", &mut || assert!(table.append(black_box(&row)).is_ok()));
    each("view_rows", &mut || _ = black_box(table.view().is_ok()));
    place.unlink("table")?;

    let team = Team::builder().directory(place).join("team", 0, 1)?;
    each("barrier", &mut || assert!(team.barrier(Duration::from_secs(1)).is_ok()));
    drop(team);
    place.unlink("team")?;

    let alone = Directory::open(folder.join("alone"))?;
    let builder = SharedArray::<u64, Ix1>::builder().directory(&alone);
    let kept = builder.create("array", [8])?;
    each("attach_detach", &mut || assert!(builder.attach("array").is_ok()));
    each("list_1", &mut || assert!(alone.list().is_ok_and(|all| all.len() == 1)));
    drop(kept);
    Ok(alone.unlink("array")?)
}

/// Counts the instructions of each operation, but for those of a mark; `None` where a process may not be traced.
fn count(folder: &Path) -> Outcome<Option<BTreeMap<&'static str, u64>>> {
    let mut names = Vec::new();
    operations(&folder.join("names"), |name, _| names.push(name))?;
    let child = Command::new(std::env::current_exe()?).args([Path::new("--work"), &folder.join("work")]).spawn()?;
    let child = Pid::from_raw(i32::try_from(child.id())?);
    if waitpid(child, None)? != WaitStatus::Stopped(child, Signal::SIGSTOP) {
        return Ok(None);
    }
    let mut all = Vec::new();
    while runs_to(child, BEGIN)? {
        let mut count = 0_u64;
        ptrace::step(child, None)?;
        while waitpid(child, None)? != WaitStatus::Stopped(child, END) {
            count += 1;
            ptrace::step(child, None)?;
        }
        all.push(count);
    }
    // The clock's memory may change under a reader of it, who then looks again: the fewest are what it takes.
    let mut fewest = all.chunks(TIMES).map(|times| times.iter().copied().min().unwrap_or_default());
    let mark = fewest.next().ok_or("nothing was counted")?;
    Ok(Some(names.into_iter().skip(1).zip(fewest.map(|count| count - mark)).collect()))
}

/// Lets the child go on to a mark; `false` if it came to its end before.
fn runs_to(child: Pid, mark: Signal) -> Outcome<bool> {
    loop {
        ptrace::cont(child, None)?;
        match waitpid(child, None)? {
            WaitStatus::Stopped(_, signal) if signal == mark => return Ok(true),
            WaitStatus::Exited(_, 0) => return Ok(false),
            WaitStatus::Stopped(..) => {}
            other => return Err(format!("what was counted ended with {other:?}").into()),
        }
    }
}

fn references() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/counts.txt")
}

/// The compiler, as far as its code may differ.
fn compiler() -> Outcome<String> {
    let said = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("--version").output()?;
    let said = String::from_utf8(said.stdout)?;
    let version = said.split_whitespace().nth(1).and_then(|version| version.rsplit_once('.'));
    Ok(format!("rustc {} {}", version.ok_or("rustc tells no version")?.0, std::env::consts::ARCH))
}

/// The counts as `counts.txt` has them.
fn told(counts: &BTreeMap<&str, u64>) -> Outcome<String> {
    let lines = counts.iter().map(|(name, count)| format!("{name} {count}\n"));
    Ok(std::iter::once(format!("{}\n", compiler()?)).chain(lines).collect())
}

/// Fails if an operation takes more or fewer instructions than is written down.
fn compare(counts: &BTreeMap<&str, u64>) -> Outcome {
    let written = fs::read_to_string(references())?;
    let (of, lines) = written.split_once('\n').ok_or("counts.txt is empty")?;
    let this = compiler()?;
    if of != this {
        println!("# not compared: counts.txt is of {of}, and this is {this}");
        return Ok(());
    }
    let known: BTreeMap<&str, u64> = lines
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, count)| Ok((name, count.parse()?)))
        .collect::<Outcome<_>>()?;
    let mut different: Vec<String> = Vec::new();
    for name in counts.keys().chain(known.keys()).collect::<std::collections::BTreeSet<_>>() {
        let [now, then] = [counts, &known].map(|of| of.get(name).copied().unwrap_or_default());
        if now.abs_diff(then) * 100 > then * TOLERANCE {
            different.push(format!("{name} takes {now} instructions, and took {then}"));
        }
    }
    if different.is_empty() {
        return Ok(());
    }
    let all = different.join("; ");
    Err(format!("{all}. What is slower is to be mended; else write the counts down: cargo xtask counts --renew").into())
}
