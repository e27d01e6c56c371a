//! Arrays in one place, from 1 to 10,000.
//!
//! `list`: all of them are found, opened, and described. `attach`: one is attached and let go.

use crate::{Place, places};
use ndarray::Ix1;
use sharray::{Directory, SharedArray};
use sharray_compare::clock::per_call_ns;
use sharray_compare::memory::Folder;
use sharray_compare::{Figure, Outcome, Plan, cpu};
use std::time::Duration;

const ARRAYS: [usize; 5] = [1, 10, 100, 1000, 10_000];

pub(crate) fn grow(plan: &mut Plan) -> Outcome {
    let turn = plan.turn(Duration::from_millis(50));
    if !ARRAYS.iter().any(|&x| plan.wants(&Place::new("arrays", x).name())) {
        return Ok(());
    }
    cpu::keep(plan.cpus()[0])?;
    let folder = Folder::new()?;
    let directory = Directory::open(folder.path())?;
    let mut made = 0;
    for &x in places(plan, &ARRAYS) {
        for array in made..x {
            SharedArray::<u64, Ix1>::builder().directory(&directory).create(&format!("array-{array}"), [8])?;
        }
        made = x;
        let place = Place::new("arrays", x);
        plan.sample(&place.name(), || measure(&place, &directory, turn))?;
    }
    Ok(())
}

fn measure(place: &Place, directory: &Directory, turn: Duration) -> Outcome<Vec<Figure>> {
    let found = directory.list()?.len();
    if found != place.x {
        return Err(format!("{found} arrays were listed, expected {}", place.x).into());
    }
    let list = per_call_ns(turn, || drop(directory.list()));
    let builder = SharedArray::<u64, Ix1>::builder().directory(directory);
    let attach = per_call_ns(turn, || drop(builder.attach("array-0")));
    Ok(vec![place.figure("list", list, "ns"), place.figure("attach", attach, "ns")])
}
