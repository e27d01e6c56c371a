//! How fast a consistent copy of an array is made that nobody writes, beside a plain copy of as many bytes, in GB/s.
//!
//! `sharray_read_into` copies into memory that is there, as `memcpy` does; `sharray_snapshot` makes a new array each time, and
//! stands beside `memcpy_new`, a copy into a fresh vector.

use memmap2::MmapMut;
use ndarray::{Array1, Ix1};
use sharray::{Directory, SharedArray};
use sharray_compare::clock::per_call_ns;
use sharray_compare::memory::Folder;
use sharray_compare::{Figure, Outcome, Part, Plan, cpu};
use std::hint::black_box;
use std::time::Duration;

const SIZES: [(&str, u32); 3] = [("64KiB", 64 << 10), ("1MiB", 1 << 20), ("64MiB", 64 << 20)];

fn main() -> Outcome {
    sharray_compare::main(compare, play)
}

fn compare(plan: &mut Plan) -> Outcome {
    cpu::keep(plan.cpus()[0])?;
    let turn = plan.turn(Duration::from_millis(100));
    for _ in plan.rounds() {
        for (size, bytes) in SIZES {
            let folder = Folder::new()?;
            let words = bytes as usize / 8;
            let place = Directory::open(folder.path())?;
            let array = SharedArray::<u64, Ix1>::builder().directory(&place).create("array", [words])?;
            array.write()?.fill(7);
            // Aligned as the array is, for a copy's speed depends on that.
            let mut source = MmapMut::map_anon(bytes as usize)?;
            let source: &mut [u64] = bytemuck::cast_slice_mut(&mut source);
            source.fill(7);
            let source = &*source;
            let mut target = Array1::zeros(words);
            let mut sample = |contender, copy: &mut dyn FnMut()| {
                let name = format!("snapshot.{size}.{contender}");
                plan.sample(&name, || {
                    Ok(vec![Figure::new(&name, f64::from(bytes) / per_call_ns(turn, &mut *copy), "GB/s")])
                })
            };
            let into = target.as_slice_mut().ok_or("it is contiguous")?;
            sample("memcpy", &mut || black_box(&mut *into).copy_from_slice(black_box(source)))?;
            sample("sharray_read_into", &mut || array.read_into(&mut target).expect("nobody writes it"))?;
            sample("memcpy_new", &mut || drop(black_box(black_box(source).to_vec())))?;
            sample("sharray_snapshot", &mut || drop(black_box(array.snapshot().expect("nobody writes it"))))?;
            array.read_into(&mut target)?;
            if target.as_slice() != Some(source) || array.snapshot()? != target {
                return Err("a copy is another array".into());
            }
        }
    }
    Ok(())
}

fn play(part: &Part) -> Outcome {
    Err(format!("nobody plays {:?} here", part.role).into())
}
