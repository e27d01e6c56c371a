//! Blocks of one array of a fixed size, up to 1024.
//!
//! `one`: the write lock of one block is taken and let go. `all`: that of the whole array. `read`: the read lock of the whole
//! array.

use crate::{Place, places};
use ndarray::Ix2;
use sharray::{Directory, SharedArray};
use sharray_compare::clock::per_call_ns;
use sharray_compare::memory::Folder;
use sharray_compare::{Figure, Outcome, Plan, cpu};
use std::time::Duration;

const BLOCKS: [usize; 6] = [1, 4, 16, 64, 256, 1024];

pub(crate) fn grow(plan: &mut Plan) -> Outcome {
    let turn = plan.turn(Duration::from_millis(30));
    cpu::keep(plan.cpus()[0])?;
    for &x in places(plan, &BLOCKS) {
        let place = Place::new("blocks", x);
        plan.sample(&place.name(), || measure(&place, turn))?;
    }
    Ok(())
}

fn measure(place: &Place, turn: Duration) -> Outcome<Vec<Figure>> {
    let folder = Folder::new()?;
    let directory = Directory::open(folder.path())?;
    let builder = SharedArray::<u64, Ix2>::builder().directory(&directory).blocks(place.x);
    let array = builder.create("field", [BLOCKS[BLOCKS.len() - 1], 8])?;
    let expect = "nobody else has a lock";
    let one = per_call_ns(turn, || drop(array.write_block(place.x - 1).expect(expect)));
    let all = per_call_ns(turn, || drop(array.write().expect(expect)));
    let read = per_call_ns(turn, || drop(array.read().expect(expect)));
    Ok([("one", one), ("all", all), ("read", read)].map(|(line, value)| place.figure(line, value, "ns")).into())
}
