//! The models, and how they are run.

mod array;
mod cell;
mod growable;
mod stream;
mod team;

use crate::protocol::participant::{self, Participant};
use crate::protocol::{Fault, World};
use crate::world::{Geometry, ShuttleWorld};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

/// How many schedules, where nobody says so.
const SCHEDULES: usize = 4_000;
/// How often the order of tasks is turned about in one schedule of PCT.
const TURNS: usize = 3;
/// A process that is killed has done no more than so much before.
const LATEST_DEATH: u32 = 300;

/// Runs `model` in schedules drawn at random.
fn explore(model: impl Fn() + Send + Sync + Clone + 'static) {
    let told = std::env::var("SHARRAY_ROUNDS").ok().and_then(|text| text.parse().ok());
    let schedules = told.unwrap_or(SCHEDULES);
    let mut config = Config::new();
    // A process that is killed unwinds on its task's stack.
    config.stack_size = 1 << 17;
    config.silence_warnings = true;
    Runner::new(RandomScheduler::new(schedules / 2), config.clone()).run(model.clone());
    Runner::new(PctScheduler::new(TURNS, schedules / 2), config).run(model);
}

/// Runs each of `acts` as a process of its own. Every other one is killed at a step drawn at random, or comes to its end
/// before. Afterwards a survivor finds nothing of them, and the world is given to it.
fn run(geometry: Geometry, acts: Vec<fn(&ShuttleWorld, Participant)>) -> (ShuttleWorld, Participant) {
    let participants = acts.len() as u32 + 1;
    let world = ShuttleWorld::new(Geometry { participants, ..geometry });
    let tasks: Vec<_> = (1..).zip(acts).map(|(number, act)| start(world.other(number), act, number % 2 == 0)).collect();
    for task in tasks {
        task.join().expect("no panic");
    }
    let me = participant::attach(&world).expect("there is a record");
    participant::recover_dead(&world, me).expect("the words are sound");
    for index in (0..participants).filter(|index| *index != me.index) {
        assert!(world.is_clean(index), "something of a dead process is left in record {index}");
    }
    (world, me)
}

fn start(world: ShuttleWorld, act: fn(&ShuttleWorld, Participant), is_doomed: bool) -> shuttle::thread::JoinHandle<()> {
    shuttle::thread::spawn(move || {
        let accesses = if is_doomed { thread_rng().gen_range(1..LATEST_DEATH) } else { u32::MAX };
        world.doomed(accesses, || {
            // The table is full for a moment while others prove that somebody is dead.
            let me = loop {
                match participant::attach(&world) {
                    Ok(me) => break me,
                    Err(Fault::Full) => shuttle::thread::yield_now(),
                    Err(fault) => panic!("{fault:?}"),
                }
            };
            act(&world, me);
            participant::detach(&world, me).expect("the words are sound");
        });
    })
}

/// What `below` may be.
fn draw(below: u32) -> u32 {
    thread_rng().gen_range(0..below)
}

/// Waits a moment.
fn rest(world: &ShuttleWorld) {
    world.sleep(world.room(), 0, world.now_ns() + 1_000_000);
}
