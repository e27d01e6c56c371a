//! Writers of one array, each a process that takes the lock, counts, and lets it go, without pause.
//!
//! `turn` is the time that one turn takes, whoever has it; `slowest` is the share of the writer that had the fewest turns
//! in what would be an even one.

use crate::{Place, places};
use ndarray::Ix1;
use sharray::{Directory, SharedArray};
use sharray_compare::clock::nanoseconds;
use sharray_compare::memory::Folder;
use sharray_compare::{Child, Figure, Outcome, Part, Plan, role};
use std::time::{Duration, Instant};

pub(crate) const ROLE: &str = "writer";
const WRITERS: [usize; 4] = [2, 4, 8, 16];
const NAME: &str = "counter";

pub(crate) fn grow(plan: &mut Plan) -> Outcome {
    let turn = plan.turn(Duration::from_millis(500));
    for &x in places(plan, &WRITERS) {
        let (place, cpus) = (Place::new("writers", x), plan.cpus());
        plan.sample(&place.name(), || measure(&place, cpus, turn))?;
    }
    Ok(())
}

fn measure(place: &Place, cpus: [usize; 2], turn: Duration) -> Outcome<Vec<Figure>> {
    let folder = Folder::new()?;
    let directory = Directory::open(folder.path())?;
    let array = SharedArray::<u64, Ix1>::builder().directory(&directory).create(NAME, [8])?;
    let start = |writer: usize| Child::start(&Part::new(ROLE, NAME, folder.path(), cpus[writer % 2], turn));
    let mut writers = (0..place.x).map(start).collect::<Outcome<Vec<_>>>()?;
    role::meet(&mut writers)?;
    let counts = writers.into_iter().map(|writer| Ok(writer.finish()?.trim().parse()?));
    let counts = counts.collect::<Outcome<Vec<u64>>>()?;
    let all: u64 = counts.iter().sum();
    if array.read()?[0] != all {
        return Err(format!("{} turns were counted, expected {all}", array.read()?[0]).into());
    }
    let fewest = counts.into_iter().min().unwrap_or_default() as f64;
    let even = all as f64 / place.x as f64;
    Ok(vec![place.figure("turn", nanoseconds(turn) / all as f64, "ns"), place.figure("slowest", fewest / even, "of 1")])
}

pub(crate) fn play(part: &Part) -> Outcome {
    let directory = Directory::open(&part.folder)?;
    let array = SharedArray::<u64, Ix1>::builder().directory(&directory).attach(NAME)?;
    role::ready()?;
    let end = Instant::now() + part.turn;
    let mut count: u64 = 0;
    while Instant::now() < end {
        array.write()?[0] += 1;
        count += 1;
    }
    println!("{count}");
    Ok(())
}
