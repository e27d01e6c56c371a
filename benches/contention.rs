//! Two processes, each on a CPU of its own, that lock, count and unlock without pause.
//!
//! The figures are the time from one lock to the next, whoever has it, and the share of the process that gets it less
//! often: 0.5 is even. `pthread_robust` is the C library's mutex that survives its holder.

mod support;

use ndarray::Ix1;
use sharray::{Directory, SharedArray};
use std::path::Path;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};
use support::mutex::RobustMutex;
use support::{Figures, Options, Outcome, Partner, SharedPage, nanoseconds};

const CASES: [&str; 2] = ["pthread_robust", "write"];
/// Words of the page, each on a line of its own.
const GO: usize = 0;
const COUNT: usize = 32;

fn main() -> Outcome {
    let options = Options::from_args();
    let turn = options.turn(Duration::from_secs(1));
    if let Some(case) = options.value("--work") {
        return partner(case, Path::new(options.value("--folder").ok_or("there is no folder")?), turn);
    }
    let cpus = support::cpus()?;
    let mut times = Figures::default();
    let mut shares = Figures::default();
    for _ in 0..options.rounds(11) {
        for case in CASES {
            let (one, other) = meet(case, [cpus[0], *cpus.get(1).unwrap_or(&cpus[0])], turn)?;
            let all = f64::from(one + other);
            times.add(case, nanoseconds(turn) / all);
            shares.add(format!("{case}_share"), f64::from(one.min(other)) / all);
        }
    }
    times.print("ns");
    shares.print_exactly("of 1");
    times.print_ratio("write", "pthread_robust");
    Ok(())
}

/// How often each of two processes got the lock.
fn meet(case: &str, cpus: [usize; 2], turn: Duration) -> Outcome<(u32, u32)> {
    let folder = support::folder()?;
    support::die_after(60);
    let work = Work::new(case, folder.path(), true)?;
    let page = SharedPage::open(&folder.path().join("page"))?;
    support::run_on(cpus[1])?;
    let path = folder.path().to_str().ok_or("the folder has no printable name")?;
    let quick = if turn < Duration::from_secs(1) { "--quick" } else { "--bench" };
    let mut partner = Partner::start(&[("--work", case), ("--folder", path), (quick, quick)])?;
    support::run_on(cpus[0])?;
    partner.wait_until_ready()?;
    page.word32(GO).store(1, Release);
    let mine = work.run(turn)?;
    partner.finish()?;
    Ok((mine, page.word32(COUNT).load(Acquire)))
}

fn partner(case: &str, folder: &Path, turn: Duration) -> Outcome {
    support::die_after(60);
    let work = Work::new(case, folder, false)?;
    let page = SharedPage::open(&folder.join("page"))?;
    support::say_ready();
    while page.word32(GO).load(Acquire) == 0 {
        std::hint::spin_loop();
    }
    page.word32(COUNT).store(work.run(turn)?, Release);
    Ok(())
}

enum Work {
    Robust(RobustMutex, SharedPage),
    Write(SharedArray<u64, Ix1>),
}

impl Work {
    fn new(case: &str, folder: &Path, is_first: bool) -> Outcome<Self> {
        if case == CASES[0] {
            let path = folder.join("mutex");
            let mutex = if is_first { RobustMutex::create(&path)? } else { RobustMutex::map(&path)? };
            return Ok(Self::Robust(mutex, SharedPage::open(&folder.join("count"))?));
        }
        let place = Directory::open(folder.join("place"))?;
        Ok(Self::Write(SharedArray::<u64, Ix1>::builder().directory(&place).open("array", [8])?))
    }

    fn run(&self, turn: Duration) -> Outcome<u32> {
        match self {
            Self::Robust(mutex, page) => {
                let count = page.word64(0);
                Ok(repeat(turn, || {
                    mutex.lock();
                    count.store(count.load(Relaxed) + 1, Relaxed);
                    mutex.unlock();
                }))
            }
            Self::Write(array) => {
                let mut outcome = Ok(());
                let count = repeat(turn, || match array.write() {
                    Ok(mut guard) => guard[0] += 1,
                    Err(error) => outcome = Err(error),
                });
                outcome?;
                Ok(count)
            }
        }
    }
}

/// Calls `act` for a while; says how often.
fn repeat(turn: Duration, mut act: impl FnMut()) -> u32 {
    const CHUNK: u32 = 64;
    let end = Instant::now() + turn;
    let mut count = 0;
    while Instant::now() < end {
        for _ in 0..CHUNK {
            act();
        }
        count += CHUNK;
    }
    count
}
