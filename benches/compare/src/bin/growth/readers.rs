//! Readers of one stream, each a process that sleeps until a frame comes.
//!
//! `publish` is what the call takes, which wakes all of them; `last` is from before it until the last one has the frame.

use crate::{Place, places};
use ndarray::Ix1;
use nix::time::{ClockId, clock_gettime};
use sharray::{Directory, Publisher, Subscriber};
use sharray_compare::clock::{median, nanoseconds};
use sharray_compare::memory::{Folder, Shared};
use sharray_compare::{Child, Figure, Outcome, Part, Plan, cpu, role};
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const ROLE: &str = "reader";
const READERS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
const FRAMES: usize = 40;
/// Until all readers that have a frame sleep again, for each of them.
const PAUSE: Duration = Duration::from_micros(200);
const PATIENCE: Duration = Duration::from_secs(30);

/// Each reader has a cache line in the file: the sequence that it has seen, and when it saw it.
const LINE: usize = 16;

pub(crate) fn grow(plan: &mut Plan) -> Outcome {
    let frames = if plan.is_quick() { 3 } else { FRAMES };
    for &x in places(plan, &READERS) {
        let (place, cpus) = (Place::new("readers", x), plan.cpus());
        plan.sample(&place.name(), || measure(&place, cpus, frames))?;
    }
    Ok(())
}

fn measure(place: &Place, cpus: [usize; 2], frames: usize) -> Outcome<Vec<Figure>> {
    let folder = Folder::new()?;
    let directory = Directory::open(folder.path())?;
    let mut publisher =
        Publisher::<u64, Ix1>::builder().directory(&directory).participants(128).create("frames", [8])?;
    let seen = Shared::open(&folder.path().join(".seen"), READERS[READERS.len() - 1] * LINE * 8)?;
    cpu::keep(cpus[0])?;
    // The first reader has a CPU of its own.
    let start = |reader: usize| {
        Child::start(&Part::new(ROLE, &reader.to_string(), folder.path(), cpus[(reader + 1) % 2], Duration::ZERO))
    };
    let mut readers = (0..place.x).map(start).collect::<Outcome<Vec<_>>>()?;
    role::meet(&mut readers)?;
    let (mut publishing, mut last) = (Vec::new(), Vec::new());
    for _ in 0..frames {
        thread::sleep(PAUSE * u32::try_from(place.x)? + Duration::from_millis(1));
        let loan = publisher.loan()?;
        let (start, clock) = (now(), Instant::now());
        let sequence = loan.publish();
        publishing.push(nanoseconds(clock.elapsed()));
        last.push((wait_for_all(&seen, place.x, sequence)? - start) as f64);
    }
    // The end of the stream is the end of its readers.
    drop(publisher);
    for reader in readers {
        reader.finish()?;
    }
    Ok(vec![place.figure("publish", median(&mut publishing), "ns"), place.figure("last", median(&mut last), "ns")])
}

/// When the last reader had the frame.
fn wait_for_all(seen: &Shared, readers: usize, sequence: u64) -> Outcome<u64> {
    let end = Instant::now() + PATIENCE;
    while (0..readers).any(|reader| seen.word64(reader * LINE).load(Acquire) < sequence) {
        if Instant::now() > end {
            return Err("a reader has not got its frame".into());
        }
        thread::sleep(Duration::from_micros(100));
    }
    Ok((0..readers).map(|reader| seen.word64(reader * LINE + 1).load(Acquire)).max().unwrap_or_default())
}

pub(crate) fn play(part: &Part) -> Outcome {
    let directory = Directory::open(&part.folder)?;
    let line = part.case.parse::<usize>()? * LINE;
    let seen = Shared::open(&part.folder.join(".seen"), READERS[READERS.len() - 1] * LINE * 8)?;
    let mut subscriber = Subscriber::<u64, Ix1>::builder().directory(&directory).attach("frames")?;
    role::ready()?;
    while let Some(frame) = subscriber.recv()? {
        seen.word64(line + 1).store(now(), Release);
        seen.word64(line).store(frame.sequence(), Release);
    }
    Ok(())
}

/// The same clock for all processes, in nanoseconds.
pub(crate) fn now() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |time| time.tv_sec().unsigned_abs() * 1_000_000_000 + time.tv_nsec().unsigned_abs())
}
