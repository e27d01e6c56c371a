//! The sum of a file that is larger than the memory there is: chunk by chunk of a map, in Rust and in Python, against
//! `np.memmap`'s plain `.sum()`, and against `read` into one buffer.
//!
//! The file has 8 GiB, the memory is bounded to 512 MiB by a control group, which counts the kernel's cache of the file too. Before
//! each pass that cache is emptied; `from_disk` is the part of the file that the pass then had read from the disk. Each pass is a
//! process of its own: time is that of the scan alone, of all threads for `processor`; `resident` is the most that
//! the process ever had in memory, the interpreter with it. `--folder` says on what disk, `PYTHON` which interpreter.

#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]
#![allow(clippy::cast_precision_loss, reason = "figures need no more than a double has")]

mod support;

use ndarray::{Array1, ArrayView1};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise, posix_fallocate};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use sharray::memmap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use support::limit::Limit;
use support::{Figures, Options, Outcome};

/// What is read, and what is looked at, at a time. With `read` the fastest of 256 KiB to 8 MiB.
const CHUNK_BYTES: usize = 1 << 20;
const ITEMS: usize = CHUNK_BYTES / size_of::<f64>();
/// Whole numbers below this follow each other, so that sums are exact in any order.
const PERIOD: u32 = 1000;
/// The unit in which the kernel counts what it reads from a disk.
const BLOCK_BYTES: f64 = 512.0;

const RUST: [&str; 2] = ["chunks", "read"];
const PYTHON: [&str; 3] = ["python_blocks", "python_memmap", "python_read"];
/// A scan, and what it stands against.
const RATIOS: [(&str, &str); 5] = [
    ("chunks", "read"),
    ("chunks", "python_memmap"),
    ("python_blocks", "python_memmap"),
    ("python_blocks", "python_read"),
    ("python_blocks", "read"),
];

fn main() -> Outcome {
    let options = Options::from_args();
    if let (Some(name), Some(path)) = (options.value("--pass"), options.value("--file")) {
        return pass(name, Path::new(path));
    }
    let (len, memory): (u64, u64) = if options.is_quick() { (256 << 20, 128 << 20) } else { (8 << 30, 512 << 20) };
    let folder = options.value("--folder").unwrap_or(env!("CARGO_TARGET_TMPDIR"));
    let file = tempfile::Builder::new().prefix("scan-").tempfile_in(folder)?;
    let expected = fill(file.as_file(), len)?;
    let _limit = match Limit::enter(memory) {
        Ok(limit) => {
            println!("# a file of {} MiB, memory bounded to {} MiB by a control group", len >> 20, memory >> 20);
            Some(limit)
        }
        Err(error) => {
            println!("# a file of {} MiB; memory is NOT bounded, because {error}", len >> 20);
            None
        }
    };
    let mut names: Vec<&str> = RUST.iter().chain(python_passes()).copied().collect();
    let mut table = Table::default();
    for _ in 0..options.rounds(9) {
        for name in &names {
            posix_fadvise(file.as_file(), 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
            table.add(name, &run(name, file.path())?, len, expected)?;
        }
        // What one leaves behind, the next finds: each is to follow each.
        names.rotate_left(1);
    }
    table.print(&names);
    Ok(())
}

/// Writes the file, and waits until it is on the disk: the kernel's cache drops nothing else. Returns its sum.
fn fill(mut file: &File, len: u64) -> Outcome<f64> {
    posix_fallocate(file, 0, i64::try_from(len)?)?;
    let items: Vec<f64> = (0..PERIOD << 10).map(|item| f64::from(item % PERIOD)).collect();
    let (bytes, mut left) = (bytemuck::cast_slice::<f64, u8>(&items), usize::try_from(len)?);
    while left > 0 {
        let part = &bytes[..bytes.len().min(left)];
        file.write_all(part)?;
        left -= part.len();
    }
    file.sync_all()?;
    let (count, period) = (len / 8, u64::from(PERIOD));
    let up_to = |end: u64| end * end.saturating_sub(1) / 2;
    Ok((count / period * up_to(period) + up_to(count % period)) as f64)
}

/// The scans in Python, if there is one that can.
fn python_passes() -> &'static [&'static str] {
    let can = |module: &str| {
        let done = Command::new(python()).args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success())
    };
    let passes = match (can("numpy"), can("sharray")) {
        (true, true) => &PYTHON[..],
        (true, false) => &PYTHON[1..],
        _ => &[],
    };
    for name in &PYTHON[..PYTHON.len() - passes.len()] {
        println!("# {name} is NOT measured: {} has not what it imports (PYTHON=...)", python().to_string_lossy());
    }
    passes
}

fn python() -> OsString {
    std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into())
}

/// What a pass says of itself.
struct Said {
    wall_s: f64,
    processor_s: f64,
    resident_kib: f64,
    blocks_read: f64,
    sum: f64,
}

/// Lets a process of its own make a pass.
fn run(name: &str, file: &Path) -> Outcome<Said> {
    let mut command = if PYTHON.contains(&name) {
        let mut command = Command::new(python());
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/scan.py")).arg(name).arg(file);
        command
    } else {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--pass", name, "--file"]).arg(file);
        command
    };
    let output = command.stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [wall_s, processor_s, resident_kib, blocks_read, sum] = numbers[..] else {
        return Err(format!("{name} ended with {} and said {text:?}", output.status).into());
    };
    Ok(Said { wall_s, processor_s, resident_kib, blocks_read, sum })
}

/// The figures of all passes, by unit.
#[derive(Default)]
struct Table {
    seconds: Figures,
    mebibytes: Figures,
    percent: Figures,
}

impl Table {
    fn add(&mut self, name: &str, said: &Said, len: u64, expected: f64) -> Outcome {
        if said.sum.to_bits() != expected.to_bits() {
            return Err(format!("{name} came to {}, expected {expected}", said.sum).into());
        }
        self.seconds.add(format!("{name}_wall"), said.wall_s);
        self.seconds.add(format!("{name}_processor"), said.processor_s);
        self.mebibytes.add(format!("{name}_resident"), said.resident_kib / 1024.0);
        self.percent.add(format!("{name}_from_disk"), said.blocks_read * BLOCK_BYTES / len as f64 * 100.0);
        Ok(())
    }

    fn print(&self, names: &[&str]) {
        self.seconds.print_exactly("s");
        self.mebibytes.print("MiB");
        self.percent.print("%");
        for (name, peer) in RATIOS {
            if names.contains(&name) && names.contains(&peer) {
                for what in ["wall", "processor"] {
                    self.seconds.print_ratio(&format!("{name}_{what}"), &format!("{peer}_{what}"));
                }
            }
        }
    }
}

/// One pass, in the process that was started for it.
fn pass(name: &str, path: &Path) -> Outcome {
    let (start, before) = (Instant::now(), getrusage(UsageWho::RUSAGE_SELF)?);
    let sum = match name {
        "chunks" => memmap::<f64>(path).open()?.chunks(ITEMS).map(|chunk| chunk.sum()).sum::<f64>(),
        "read" => sum_by_reading(path)?,
        _ => return Err(format!("there is no pass {name}").into()),
    };
    let (wall, after) = (start.elapsed(), getrusage(UsageWho::RUSAGE_SELF)?);
    let processor = [after.user_time() - before.user_time(), after.system_time() - before.system_time()];
    let processor_s: f64 = processor.iter().map(|time| time.num_microseconds() as f64 * 1e-6).sum();
    let blocks = after.block_reads() - before.block_reads();
    println!("{} {processor_s} {} {blocks} {sum}", wall.as_secs_f64(), most_resident_kib()?);
    Ok(())
}

fn sum_by_reading(path: &Path) -> Outcome<f64> {
    let (mut file, mut buffer, mut sum) = (File::open(path)?, Array1::<f64>::zeros(ITEMS), 0.0);
    let items = buffer.as_slice_mut().ok_or("it is packed")?;
    loop {
        // A regular file gives all that is asked for, but at its end.
        let len = file.read(bytemuck::cast_slice_mut(items))?;
        if len == 0 {
            return Ok(sum);
        }
        sum += ArrayView1::from(&items[..len / size_of::<f64>()]).sum();
    }
}

/// The most that this process had in memory, in KiB. What `getrusage` tells includes the process that started it.
fn most_resident_kib() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("the kernel does not tell")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
