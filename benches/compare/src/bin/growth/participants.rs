//! Participants of one stream, up to the 1022 that there can be.
//!
//! `publish`: a frame is published, while they are attached and look at nothing. `attach`: one more attaches and is let go.
//! `recover`: all but two were killed, and are put right.

use crate::{Place, places};
use ndarray::Ix1;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sharray::{Directory, Publisher, Subscriber};
use sharray_compare::clock::{nanoseconds, per_call_ns};
use sharray_compare::memory::Folder;
use sharray_compare::{Child, Figure, Outcome, Part, Plan, cpu, role};
use std::time::{Duration, Instant};

pub(crate) const ROLE: &str = "crowd";
/// The publisher among them, and who attaches last.
const PARTICIPANTS: [usize; 6] = [2, 4, 16, 64, 256, 1022];
const NAME: &str = "frames";

pub(crate) fn grow(plan: &mut Plan) -> Outcome {
    let turn = plan.turn(Duration::from_millis(30));
    for &x in places(plan, &PARTICIPANTS) {
        let (place, cpus) = (Place::new("participants", x), plan.cpus());
        plan.sample(&place.name(), || measure(&place, cpus, turn))?;
    }
    Ok(())
}

fn measure(place: &Place, cpus: [usize; 2], turn: Duration) -> Outcome<Vec<Figure>> {
    let folder = Folder::new()?;
    let directory = Directory::open(folder.path())?;
    let mut publisher = Publisher::<u64, Ix1>::builder().directory(&directory).participants(1022).create(NAME, [8])?;
    let crowd_size = place.x - 2;
    let mut crowd = Child::start(&Part::new(ROLE, &crowd_size.to_string(), folder.path(), cpus[1], turn))?;
    crowd.wait_until_ready()?;
    cpu::keep(cpus[0])?;
    let builder = Subscriber::<u64, Ix1>::builder().directory(&directory);
    let attach = per_call_ns(turn, || drop(builder.attach(NAME).expect("there is room for one more")));
    let last = builder.attach(NAME)?;
    let publish = per_call_ns(turn, || _ = publisher.loan().expect("slots are free").publish());
    crowd.kill()?;
    let start = Instant::now();
    let recovered = directory.recover(NAME)?.len();
    let recover = nanoseconds(start.elapsed());
    drop(last);
    if recovered != crowd_size {
        return Err(format!("{recovered} participants were put right, expected {crowd_size}").into());
    }
    let figures = [("publish", publish), ("attach", attach), ("recover", recover)];
    Ok(figures.map(|(line, value)| place.figure(line, value, "ns")).into())
}

pub(crate) fn play(part: &Part) -> Outcome {
    // Each has descriptors of its own.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let directory = Directory::open(&part.folder)?;
    let attach = |_| Subscriber::<u64, Ix1>::builder().directory(&directory).attach(NAME);
    let crowd = (0..part.case.parse()?).map(attach).collect::<Result<Vec<_>, _>>()?;
    role::ready()?;
    role::hold();
    drop(crowd);
    Ok(())
}
