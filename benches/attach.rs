//! Attaching to a stream by name and letting it go, against a bare open, fstat and mmap of the same file.
//!
//! The bare one looks at none of the pages that it maps. `touch` also reads the first word: that fault is most of what a
//! mapping costs, and nobody attaches without it.

mod support;

use memmap2::{MmapOptions, MmapRaw};
use ndarray::Ix1;
use sharray::{Directory, Publisher, Subscriber};
use std::fs::File;
use std::hint::black_box;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use support::{Figures, Options, Outcome, nanoseconds, percentile};

fn main() -> Outcome {
    let options = Options::from_args();
    let (rounds, turn) = (options.rounds(51), options.turn(Duration::from_millis(20)));
    support::run_on(support::cpus()?[0])?;

    let folder = support::folder()?;
    let place = Directory::open(folder.path())?;
    let mut publisher = Publisher::<u64, Ix1>::builder().directory(&place).create("frames", [1 << 17])?;
    publisher.loan()?.publish();
    let builder = Subscriber::<u64, Ix1>::builder().directory(&place);
    let path = folder.path().join("frames");

    let mut figures = Figures::default();
    for _ in 0..rounds {
        let mut add = |[come, go]: [&str; 2], times: [f64; 2]| {
            figures.add(come, times[0]);
            figures.add(go, times[1]);
            figures.add(format!("{come}+{go}"), times[0] + times[1]);
        };
        add(["open_fstat_mmap", "munmap_close"], come_and_go(turn, || map(&path))?);
        add(["open_fstat_mmap_touch", "munmap_close_touched"], come_and_go(turn, || map_and_touch(&path))?);
        add(["attach", "detach"], come_and_go(turn, || builder.attach("frames"))?);
    }
    figures.print("ns");
    figures.print_ratio("attach", "open_fstat_mmap");
    figures.print_ratio("attach", "open_fstat_mmap_touch");
    figures.print_ratio("detach", "munmap_close");
    figures.print_ratio("detach", "munmap_close_touched");
    figures.print_ratio("attach+detach", "open_fstat_mmap+munmap_close");
    figures.print_ratio("attach+detach", "open_fstat_mmap_touch+munmap_close_touched");
    Ok(())
}

/// The medians of what coming and going take, each call timed by itself.
fn come_and_go<T, E>(turn: Duration, come: impl Fn() -> Result<T, E>) -> Result<[f64; 2], E> {
    let (mut coming, mut going) = (Vec::new(), Vec::new());
    let end = Instant::now() + turn;
    loop {
        let start = Instant::now();
        let held = black_box(come()?);
        let between = Instant::now();
        drop(held);
        let stop = Instant::now();
        coming.push(nanoseconds(between - start));
        going.push(nanoseconds(stop - between));
        if stop > end {
            return Ok([percentile(&mut coming, 50), percentile(&mut going, 50)]);
        }
    }
}

fn map(path: &Path) -> io::Result<(MmapRaw, File)> {
    let file = File::options().read(true).write(true).open(path)?;
    let len = file.metadata()?.len();
    let map = MmapOptions::new().len(usize::try_from(len).map_err(io::Error::other)?).map_raw(&file)?;
    Ok((map, file))
}

fn map_and_touch(path: &Path) -> io::Result<(MmapRaw, File)> {
    let mapped = map(path)?;
    black_box(support::first_word(&mapped.0).load(Relaxed));
    Ok(mapped)
}
