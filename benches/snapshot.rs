//! A consistent copy of an array that nobody writes, against `memcpy` of as many bytes.
//!
//! `read_into` copies into memory that is there, as `memcpy` does; `snapshot` allocates its array each time, and stands against
//! a copy into a fresh vector.

mod support;

use ndarray::{Array1, Ix1};
use sharray::{Directory, SharedArray};
use std::hint::black_box;
use std::time::Duration;
use support::{Figures, Options, Outcome, per_call_ns};

const SIZES: [(&str, usize); 5] =
    [("64B", 64), ("4KiB", 4 << 10), ("64KiB", 64 << 10), ("1MiB", 1 << 20), ("64MiB", 64 << 20)];

fn main() -> Outcome {
    let options = Options::from_args();
    let (rounds, turn) = (options.rounds(21), options.turn(Duration::from_millis(10)));
    support::run_on(support::cpus()?[0])?;
    let folder = support::folder()?;
    let place = Directory::open(folder.path())?;
    let mut figures = Figures::default();
    for (size, bytes) in SIZES {
        let array = SharedArray::<u64, Ix1>::builder().directory(&place).create(size, [bytes / 8])?;
        array.write()?.fill(1);
        let source = Array1::<u64>::ones(bytes / 8);
        let mut target = Array1::<u64>::zeros(bytes / 8);
        for _ in 0..rounds {
            let source = source.as_slice().ok_or("it is contiguous")?;
            let words = target.as_slice_mut().ok_or("it is contiguous")?;
            figures.add(format!("memcpy_{size}"), per_call_ns(turn, || black_box(&mut *words).copy_from_slice(source)));
            let read_into = || assert!(array.read_into(black_box(&mut target)).is_ok());
            figures.add(format!("read_into_{size}"), per_call_ns(turn, read_into));
            figures.add(format!("to_vec_{size}"), per_call_ns(turn, || drop(black_box(source.to_vec()))));
            figures.add(format!("snapshot_{size}"), per_call_ns(turn, || drop(black_box(array.snapshot()))));
        }
        place.unlink(size)?;
    }
    figures.print("ns");
    for (size, _) in SIZES {
        figures.print_ratio(&format!("read_into_{size}"), &format!("memcpy_{size}"));
        figures.print_ratio(&format!("snapshot_{size}"), &format!("to_vec_{size}"));
    }
    Ok(())
}
