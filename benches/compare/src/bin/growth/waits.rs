//! Streams that are waited for at once, up to the 128 that the kernel takes.
//!
//! `ready`: the last of them has a frame already, so nobody sleeps. `asleep`: another process publishes to the last of
//! them when the one that waits sleeps, until that one has the frame.

use crate::readers::now;
use crate::{Place, places};
use ndarray::Ix1;
use sharray::{Directory, Publisher, Source, Subscriber, wait_any};
use sharray_compare::clock::{busy, median, per_call_ns};
use sharray_compare::memory::Folder;
use sharray_compare::{Child, Figure, Outcome, Part, Plan, cpu, role};
use std::time::Duration;

pub(crate) const ROLE: &str = "waker";
const STREAMS: [usize; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
const FRAMES: usize = 100;
/// Long enough for the one that waits to fall asleep.
const PAUSE: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn grow(plan: &mut Plan) -> Outcome {
    let turn = plan.turn(Duration::from_millis(30));
    for &x in places(plan, &STREAMS) {
        let (place, cpus) = (Place::new("wait_any", x), plan.cpus());
        plan.sample(&place.name(), || measure(&place, cpus, turn))?;
    }
    Ok(())
}

fn measure(place: &Place, cpus: [usize; 2], turn: Duration) -> Outcome<Vec<Figure>> {
    let folder = Folder::new()?;
    let directory = Directory::open(folder.path())?;
    let create =
        |stream: usize| Publisher::<u64, Ix1>::builder().directory(&directory).create(&stream.to_string(), [8]);
    let _publishers = (0..place.x - 1).map(create).collect::<Result<Vec<_>, _>>()?;
    cpu::keep(cpus[0])?;
    let mut waker = Child::start(&Part::new(ROLE, &(place.x - 1).to_string(), folder.path(), cpus[1], turn))?;
    waker.wait_until_ready()?;
    let attach = |stream: usize| Subscriber::<u64, Ix1>::builder().directory(&directory).attach(&stream.to_string());
    let mut subscribers = (0..place.x).map(attach).collect::<Result<Vec<_>, _>>()?;
    waker.go_on()?;
    let mut asleep = Vec::new();
    loop {
        wait_for_last(&subscribers)?;
        let Some(frame) = subscribers[place.x - 1].try_recv()? else { break };
        asleep.push(now().saturating_sub(frame.as_slice()[0]) as f64);
    }
    waker.finish()?;
    // The end of the last stream is news that stays.
    let ready = per_call_ns(turn, || _ = wait_for_last(&subscribers));
    Ok(vec![place.figure("ready", ready, "ns"), place.figure("asleep", median(&mut asleep), "ns")])
}

/// Waits for any of them: it is the last one that has news.
fn wait_for_last(subscribers: &[Subscriber<u64, Ix1>]) -> Outcome {
    let sources: Vec<&dyn Source> = subscribers.iter().map(|subscriber| subscriber as &dyn Source).collect();
    let ready = wait_any(&sources, Some(PATIENCE))?;
    if ready == [sources.len() - 1] { Ok(()) } else { Err(format!("{ready:?} have news").into()) }
}

pub(crate) fn play(part: &Part) -> Outcome {
    let directory = Directory::open(&part.folder)?;
    let mut publisher = Publisher::<u64, Ix1>::builder().directory(&directory).create(&part.case, [8])?;
    role::ready()?;
    for _ in 0..FRAMES {
        busy(PAUSE);
        let mut loan = publisher.loan()?;
        loan.as_mut_slice()[0] = now();
        loan.publish();
    }
    Ok(())
}
