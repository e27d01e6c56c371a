//! How long 64 bytes take from one process to another: half of a round trip.
//!
//! - `spin`: both sides look all the time, each on its own CPU; with the processor's pause between two looks where that makes
//!   the contender faster.
//! - `spin_then_sleep`: the answer comes at once, but a side that has looked for a while sleeps.
//! - `sleep.other_core`: the message comes when the other side sleeps for sure: its sender has kept the CPU busy for a
//!   while, which is taken off. `sleep.same_core`: both share one CPU, so that one of them always sleeps.
//!
//! The figure with the plain name is the median over chunks of round trips, or over single ones where sides sleep; those
//! with `.p50`, `.p99` and `.p99.9` are over single ones, and have what it takes to look at the clock in them.

mod by_hand;
mod iceoryx;
mod kernel;
mod mapped;
mod ours;
mod talk;

use sharray_compare::memory::Folder;
use sharray_compare::{Child, Figure, Outcome, Part, Plan, role};
use std::time::Duration;
use talk::{Side, Talk};

/// Whether and where the sides sleep, by the prefixes of names.
const SPIN: &str = "latency64.spin.";
const SPIN_THEN_SLEEP: &str = "latency64.spin_then_sleep.";
const OTHER_CORE: &str = "latency64.sleep.other_core.";
const SAME_CORE: &str = "latency64.sleep.same_core.";

const SPINNERS: [&str; 7] = [
    "by_hand",
    "sharray_cell",
    "sharray_stream",
    "iceoryx2_blackboard",
    "mmap_sync",
    "iceoryx2_publish_subscribe",
    "raw_sync_busy_event",
];
const SPINNING_SLEEPERS: [&str; 3] = ["futex", "sharray_stream", "sharray_cell"];
const SLEEPERS: [&str; 8] = [
    "futex",
    "sharray_stream",
    "sharray_cell",
    "sharray_array",
    "iceoryx2_event",
    "raw_sync_event",
    "pipe",
    "unix_socket",
];

/// Long enough for the other side to fall asleep.
const PAUSE: Duration = Duration::from_micros(200);
/// Looks before a sleep, where that is written by hand: for as long as two sleepers take to wake each other. With fewer, a
/// pair that once fell asleep never finds the other awake again.
const LOOKS: u32 = 4000;

fn main() -> Outcome {
    sharray_compare::main(compare, play)
}

fn compare(plan: &mut Plan) -> Outcome {
    let groups =
        [(SPIN, &SPINNERS[..]), (SPIN_THEN_SLEEP, &SPINNING_SLEEPERS), (OTHER_CORE, &SLEEPERS), (SAME_CORE, &SLEEPERS)];
    let [here, there] = plan.cpus();
    for _ in plan.rounds() {
        for (prefix, contenders) in groups {
            let cpus = if prefix == SAME_CORE { [here, here] } else { [here, there] };
            // The pauses take most of it, and one in a thousand is to be seen.
            let turn = plan.turn(Duration::from_millis(if prefix == OTHER_CORE { 750 } else { 250 }));
            for contender in contenders {
                let name = format!("{prefix}{contender}");
                plan.sample(&name, || measure(&name, cpus, turn))?;
            }
        }
    }
    Ok(())
}

fn measure(name: &str, cpus: [usize; 2], turn: Duration) -> Outcome<Vec<Figure>> {
    let folder = Folder::new()?;
    let start = |role, cpu| Child::start(&Part::new(role, name, folder.path(), cpu, turn));
    let mut children = [start("answer", cpus[1])?, start("ask", cpus[0])?];
    role::meet(&mut children)?;
    let [answerer, asker] = children;
    let said = role::numbers(&asker.finish()?)?;
    answerer.finish()?;
    let names = ["", ".p50", ".p99", ".p99.9"].map(|what| format!("{name}{what}"));
    Ok(names.into_iter().zip(said).map(|(name, value)| Figure::new(name, value, "ns")).collect())
}

fn play(part: &Part) -> Outcome {
    let pause = if part.case.starts_with(OTHER_CORE) { PAUSE } else { Duration::ZERO };
    let side = if part.role == "ask" { Side::Ask } else { Side::Answer };
    let talk = Talk::new(side, pause, part.turn);
    let contender = part.case.rsplit('.').next().unwrap_or_default();
    let sleeps = !part.case.starts_with(SPIN);
    match contender {
        "by_hand" => talk.over(by_hand::Spin::open(part, side)?),
        "futex" if part.case.starts_with(SPIN_THEN_SLEEP) => talk.over(by_hand::Sleep::open(part, side, LOOKS)?),
        "futex" => talk.over(by_hand::Sleep::open(part, side, 0)?),
        "sharray_cell" if sleeps => {
            ours::with_cells(part, side, |out, back| talk.over(ours::SleepingCells::new(out, back)?))
        }
        "sharray_cell" => ours::with_cells(part, side, |out, back| talk.over(ours::Cells::new(out, back)?)),
        "sharray_array" => talk.over(ours::Arrays::open(part, side)?),
        "sharray_stream" if sleeps => talk.over(ours::Streams::open(part, side)?),
        "sharray_stream" => talk.over_loans(ours::Streams::open(part, side)?),
        "iceoryx2_blackboard" => talk.over(iceoryx::Blackboards::open(part, side)?),
        "iceoryx2_publish_subscribe" => talk.over(iceoryx::Messages::open(part, side)?),
        "iceoryx2_event" => talk.over(iceoryx::Events::open(part, side)?),
        "mmap_sync" => talk.over(mapped::MmapSync::open(part, side)),
        "raw_sync_event" => talk.over(mapped::RawSync::open(part, side, true)?),
        "raw_sync_busy_event" => talk.over(mapped::RawSync::open(part, side, false)?),
        "pipe" => talk.over(kernel::pipe(part, side)?),
        "unix_socket" => talk.over(kernel::socket(part, side)?),
        _ => Err(format!("there is no contender {contender:?}").into()),
    }
}
