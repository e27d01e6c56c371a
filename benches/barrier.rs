//! A barrier that all come to at once, again and again: 2, 4 and 8 ranks, whatever the number of CPUs is.
//!
//! `team` is the library's, of processes. `std` is `std::sync::Barrier`, of threads of one process; `pthread` the C library's
//! barrier in shared memory, of processes; `mpi` is `MPI_Barrier` under `mpirun`, where there is one. What is told is the
//! time from one barrier to the next.

#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod support;

use sharray::{Directory, Team};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::{Duration, Instant};
use support::barrier::SharedBarrier;
use support::{Figures, Options, Outcome, Partner, SharedPage, nanoseconds};

const PATIENCE: Duration = Duration::from_secs(60);
/// How many ranks there are, and how many barriers they come to.
const SIZES: [(u32, u32); 3] = [(2, 40_000), (4, 8000), (8, 4000)];
/// What processes of this program do.
const CASES: [&str; 2] = ["team", "pthread"];

fn main() -> Outcome {
    let options = Options::from_args();
    support::die_after(600);
    if let Some(case) = options.value("--case") {
        return rank(case, &options);
    }
    let folder = support::folder()?;
    let mpi = build_mpi(&folder.path().join("barrier_mpi"));
    if let Err(reason) = &mpi {
        println!("# no figures of MPI: {reason}");
    }
    let mut figures = Figures::default();
    for _ in 0..options.rounds(15) {
        for (size, count) in SIZES {
            let count = if options.is_quick() { count / 100 } else { count };
            for case in CASES {
                figures.add(format!("{case}_{size}"), processes(case, size, count)?);
            }
            figures.add(format!("std_{size}"), threads(size, count));
            if let Ok(program) = &mpi {
                figures.add(format!("mpi_{size}"), over_mpi(program, size, count)?);
            }
        }
    }
    figures.print("ns");
    for (size, _) in SIZES {
        for other in ["std", "pthread", "mpi"] {
            figures.print_ratio(&format!("team_{size}"), &format!("{other}_{size}"));
        }
    }
    Ok(())
}

/// Comes to some barriers, and then to those that are timed.
fn time(count: u32, mut barrier: impl FnMut()) -> f64 {
    (0..=count / 10).for_each(|_| barrier());
    let start = Instant::now();
    (0..count).for_each(|_| barrier());
    nanoseconds(start.elapsed()) / f64::from(count)
}

/// What rank 0 of so many processes measures.
fn processes(case: &str, size: u32, count: u32) -> Outcome<f64> {
    let folder = support::folder()?;
    let path = folder.path().to_str().ok_or("the folder has no printable name")?;
    let page = SharedPage::open(&folder.path().join("page"))?;
    let _barrier = SharedBarrier::create(&folder.path().join("barrier"), size)?;
    let [size_text, count] = [size, count].map(|number| number.to_string());
    let start = |rank: u32| {
        let rank = rank.to_string();
        let args =
            [("--case", case), ("--folder", path), ("--size", &size_text), ("--count", &count), ("--rank", &rank)];
        Partner::start(&args)
    };
    let ranks = (0..size).map(start).collect::<Outcome<Vec<_>>>()?;
    ranks.into_iter().try_for_each(Partner::finish)?;
    Ok(f64::from_bits(page.word64(0).load(Acquire)))
}

/// Where there is a CPU for each rank, each stays on its own, as `mpirun` has it.
fn pin(rank: u32, size: u32) -> Outcome {
    let cpus = support::cpus()?;
    if size as usize <= cpus.len() { support::run_on(cpus[rank as usize]) } else { Ok(()) }
}

fn rank(case: &str, options: &Options) -> Outcome {
    let number = |key: &str| -> Outcome<u32> { Ok(options.value(key).ok_or("an argument is missing")?.parse()?) };
    let (rank, size, count) = (number("--rank")?, number("--size")?, number("--count")?);
    let folder = Path::new(options.value("--folder").ok_or("there is no folder")?);
    let taken = if case == CASES[0] {
        let place = Directory::open(folder.join("place"))?;
        let team = Team::builder().directory(&place).join("team", rank, size)?;
        pin(rank, size)?;
        time(count, || team.barrier(PATIENCE).expect("nobody dies"))
    } else {
        let barrier = SharedBarrier::map(&folder.join("barrier"))?;
        pin(rank, size)?;
        time(count, || barrier.wait())
    };
    if rank == 0 {
        SharedPage::open(&folder.join("page"))?.word64(0).store(taken.to_bits(), Relaxed);
    }
    Ok(())
}

fn threads(size: u32, count: u32) -> f64 {
    let barrier = Barrier::new(size as usize);
    let rank = |rank| {
        pin(rank, size).expect("a thread may choose among the CPUs of its process");
        time(count, || _ = barrier.wait())
    };
    std::thread::scope(|scope| {
        let rank = &rank;
        let ranks: Vec<_> = (0..size).map(|index| scope.spawn(move || rank(index))).collect();
        ranks.into_iter().map(|rank| rank.join().expect("no rank panics")).fold(f64::NAN, f64::max)
    })
}

fn build_mpi(program: &Path) -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/mpi/barrier.c");
    let mut compiler = Command::new("mpicc");
    compiler.args(["-std=c11", "-O2", "-o"]).arg(program).arg(source);
    match compiler.status() {
        Ok(status) if status.success() => Ok(program.to_owned()),
        Ok(status) => Err(format!("mpicc: {status}")),
        Err(error) => Err(format!("mpicc: {error}")),
    }
}

fn over_mpi(program: &Path, size: u32, count: u32) -> Outcome<f64> {
    let mut run = Command::new("mpirun");
    run.args(["--allow-run-as-root", "-np", &size.to_string(), "--bind-to"]);
    // Told that they are more than the CPUs, its ranks give way to each other.
    run.args(if size as usize > support::cpus()?.len() { &["none", "--oversubscribe"][..] } else { &["core"] });
    let output = run.arg(program).arg(count.to_string()).output()?;
    if !output.status.success() {
        return Err(format!("mpirun: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
