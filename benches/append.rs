//! Appending to a table in one process, against copying the same bytes to the next place of a plain mapped file and a
//! release store of the length.
//!
//! Both reserve their space and write fresh pages, which the kernel maps at their first touch: the plain file reserves all at
//! once, the table as it grows. That is counted in. `view` looks at the length and makes an array of the
//! rows; it stands against one acquire load.

mod support;

use ndarray::{Array1, Ix1};
use sharray::{Directory, GrowableArray, Mode};
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};
use support::{Figures, Options, Outcome, SharedPage, per_call_ns};

type Log = GrowableArray<u64, Ix1>;

/// A plain file that is appended to by hand.
fn by_hand(path: &Path, len: &AtomicU64, rows: &[u64], times: u32) -> Result<f64, Box<dyn std::error::Error>> {
    let start = Instant::now();
    let mut map = sharray::memmap::<u64>(path).mode(Mode::Write).shape([rows.len() * times as usize]).open()?;
    let mut view = map.view_mut();
    let all = view.as_slice_mut().ok_or("one dimension stands in one piece")?;
    for (time, place) in all.chunks_exact_mut(rows.len()).enumerate() {
        place.copy_from_slice(black_box(rows));
        len.store(time as u64, Release);
    }
    let took = start.elapsed();
    std::fs::remove_file(path)?;
    Ok(support::nanoseconds(took) / f64::from(times))
}

fn appended(place: &Directory, rows: &Array1<u64>, times: u32) -> sharray::Result<f64> {
    let log = Log::builder().directory(place).create("log", [0])?;
    let start = Instant::now();
    for _ in 0..times {
        log.append(black_box(rows))?;
    }
    let took = start.elapsed();
    place.unlink("log")?;
    Ok(support::nanoseconds(took) / f64::from(times))
}

fn main() -> Outcome {
    let options = Options::from_args();
    let (rounds, turn) = (options.rounds(21), options.turn(Duration::from_millis(10)));
    support::run_on(support::cpus()?[0])?;

    let folder = support::folder()?;
    let place = Directory::open(folder.path().join("place"))?;
    let page = SharedPage::open(&folder.path().join("page"))?;
    let (plain, len) = (folder.path().join("plain"), page.word64(0));
    // Sixteen bytes, as a time and a value have.
    let row = ndarray::arr1(&[7, 8]);
    let mib = Array1::from_elem(1 << 17, 7);
    let seen = Log::builder().directory(&place).create_from("seen", &mib)?;

    let mut figures = Figures::default();
    for _ in 0..rounds {
        for (what, rows, times) in [("row", &row, 100_000), ("mib", &mib, 100)] {
            let slice = rows.as_slice().ok_or("it is in one piece")?;
            figures.add(format!("copy_{what}"), by_hand(&plain, len, slice, times)?);
            figures.add(format!("append_{what}"), appended(&place, rows, times)?);
        }
        figures.add("load", per_call_ns(turn, || _ = black_box(len.load(Acquire))));
        figures.add("view", per_call_ns(turn, || _ = black_box(seen.view().is_ok())));
    }
    figures.print("ns");
    figures.print_ratio("append_row", "copy_row");
    figures.print_ratio("append_mib", "copy_mib");
    Ok(())
}
