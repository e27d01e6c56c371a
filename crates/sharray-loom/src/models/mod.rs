//! The models, and how they are run.
//!
//! Each names the outcomes that it allows, and fails as well if one of them never comes about: a model in which nobody
//! ever meets anybody proves nothing.

mod barrier;
mod cell;
mod commit;
mod copy;
mod growable;
mod life;
mod lock;
mod order;
mod pin;
mod role;
mod wake;

use crate::protocol::participant::{self, Participant};
use crate::protocol::producer::{self, Producer};
use crate::world::{Geometry, LoomWorld};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// What came out of the executions so far.
#[derive(Clone, Debug, Default)]
struct Outcomes(Arc<Mutex<BTreeSet<String>>>);

impl Outcomes {
    fn saw(&self, outcome: impl Into<String>) {
        self.0.lock().expect("not poisoned").insert(outcome.into());
    }
}

/// Runs `model` in every order, and compares what came out with what may and must.
fn explore(allowed: &[&str], model: impl Fn(&Outcomes) + Sync + Send + 'static) {
    explore_with(None, allowed, model);
}

/// The same, taking the processor away from a thread at most so many times in one execution; for models that are too
/// large to be gone through without a bound.
fn explore_with(preemptions: Option<usize>, allowed: &[&str], model: impl Fn(&Outcomes) + Sync + Send + 'static) {
    let outcomes = Outcomes::default();
    let seen = outcomes.clone();
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 10_000;
    builder.preemption_bound = preemptions.or(builder.preemption_bound);
    builder.check(move || model(&outcomes));
    let seen = seen.0.lock().expect("not poisoned").clone();
    assert_eq!(seen, allowed.iter().map(ToString::to_string).collect(), "outcomes seen, and outcomes allowed");
}

/// Kills the process at each access in turn until it comes to its end alive: `model` is told how many it has left, and
/// says whether it did, and what came out. Every outcome allowed must come about.
fn at_each_access(allowed: &[&str], model: impl Fn(u32) -> (bool, String) + Clone + Sync + Send + 'static) {
    let outcomes = Arc::new(Mutex::new(BTreeSet::new()));
    for accesses in 0..500 {
        let alive = Arc::new(Mutex::new(false));
        let (seen, said, model) = (alive.clone(), outcomes.clone(), model.clone());
        let mut builder = loom::model::Builder::new();
        builder.max_branches = 10_000;
        builder.preemption_bound = Some(3);
        builder.check(move || {
            let (lived, outcome) = model(accesses);
            *seen.lock().expect("not poisoned") = lived;
            said.lock().expect("not poisoned").insert(outcome);
        });
        if *alive.lock().expect("not poisoned") {
            assert!(accesses > 0, "it takes more than no access");
            let outcomes = outcomes.lock().expect("not poisoned");
            assert_eq!(*outcomes, allowed.iter().map(ToString::to_string).collect(), "outcomes seen, and allowed");
            return;
        }
    }
    panic!("it does not come to an end");
}

/// One attached process: what it sees, and its record.
#[derive(Clone, Debug)]
struct Process {
    world: LoomWorld,
    me: Participant,
}

impl Process {
    /// The `n`th process of a world attaches.
    fn attach(world: &LoomWorld, n: u32) -> Self {
        let world = world.other(n);
        let me = participant::attach(&world).expect("there is a record");
        Self { world, me }
    }

    fn claim(&self) -> Producer {
        Producer::claim(&self.world, self.me).expect("the role is free")
    }

    /// Loans a slot, fills it and publishes it.
    fn publish(&self, producer: &mut Producer) -> u64 {
        let slot = self.loan(producer).expect("a slot is free");
        producer.publish(&self.world, slot).expect("the slot is good")
    }

    /// Loans a slot and fills it; `None` if all are pinned or a lossless consumer is behind.
    fn loan(&self, producer: &mut Producer) -> Option<u32> {
        self.loan_or_evict(producer, false)
    }

    fn loan_or_evict(&self, producer: &mut Producer, evict: bool) -> Option<u32> {
        let slot = refused_or(producer.loan(&self.world, evict))?;
        self.world.fill(slot, producer.newest() + 1);
        Some(slot)
    }
}

/// A loan that was refused for a reason that may be.
fn refused_or(loan: crate::protocol::Result<u32>) -> Option<u32> {
    use crate::protocol::Fault::{AllPinned, Behind};
    match loan {
        Ok(slot) => Some(slot),
        Err(AllPinned | Behind(_)) => None,
        Err(fault) => panic!("{fault:?}"),
    }
}

/// A producer that has published `frames` frames, and a process that has only attached.
fn stream(geometry: Geometry, frames: u64) -> (Process, Producer, Process) {
    let world = LoomWorld::new(geometry);
    let writer = Process::attach(&world, 0);
    let reader = Process::attach(&world, 1);
    let mut producer = writer.claim();
    for seq in 1..=frames {
        assert_eq!(writer.publish(&mut producer), seq);
    }
    (writer, producer, reader)
}

/// The producer gives the role up in good order.
fn close(process: &Process, producer: &Producer) {
    producer.leave(&process.world, participant::Tag::CLOSED);
}

/// What the role's word says, in a word.
fn state(world: &LoomWorld) -> &'static str {
    match producer::state(world) {
        producer::State::Present(_) => "present",
        producer::State::Closed => "closed",
        producer::State::Dead => "dead",
    }
}
