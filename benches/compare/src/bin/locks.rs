//! What a lock costs, alone and contended by two processes.
//!
//! - `uncontended`: taken and given back in one process, in ns.
//! - `contended`: two processes, each on a CPU of its own, take it, count and give it back without pause: how often in a
//!   second, both together. `.share` is the part of the one that gets it less often: 0.5 is even.

use sharray_compare::clock::per_call_ns;
use sharray_compare::locks::{self, Job, Lock};
use sharray_compare::memory::{Folder, Shared};
use sharray_compare::{Child, Figure, Outcome, Part, Plan, cpu, role};
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

const UNCONTENDED: [&str; 6] = ["sharray_write", "sharray_read", "futex", "pthread_robust", "raw_sync_mutex", "flock"];
const CONTENDED: [&str; 5] = ["sharray_write", "futex", "pthread_robust", "raw_sync_mutex", "flock"];

fn main() -> Outcome {
    sharray_compare::main(compare, play)
}

fn compare(plan: &mut Plan) -> Outcome {
    cpu::keep(plan.cpus()[0])?;
    let turn = plan.turn(Duration::from_millis(100));
    let second = plan.turn(Duration::from_secs(1));
    let cpus = plan.cpus();
    for _ in plan.rounds() {
        for contender in UNCONTENDED {
            let name = format!("locks.uncontended.{contender}");
            plan.sample(&name, || {
                let mut took = 0.0;
                locks::with(contender, Alone { turn, took: &mut took })?;
                Ok(vec![Figure::new(&name, took, "ns")])
            })?;
        }
        for contender in CONTENDED {
            let name = format!("locks.contended.{contender}");
            plan.sample(&name, || meet(&name, cpus, second))?;
        }
    }
    Ok(())
}

struct Alone<'t> {
    turn: Duration,
    took: &'t mut f64,
}

impl Job for Alone<'_> {
    fn with<L: Lock>(self) -> Outcome {
        let folder = Folder::new()?;
        let lock = L::open(folder.path(), true)?;
        let mut outcome = Ok(());
        *self.took = per_call_ns(self.turn, || {
            if let Err(error) = black_box(&lock).hold(|| ()) {
                outcome = Err(error);
            }
        });
        outcome
    }
}

fn meet(name: &str, cpus: [usize; 2], turn: Duration) -> Outcome<Vec<Figure>> {
    let folder = Folder::new()?;
    let start = |role, cpu| Child::start(&Part::new(role, name, folder.path(), cpu, turn));
    let mut first = start("first", cpus[0])?;
    first.wait_until_ready()?;
    let mut second = start("second", cpus[1])?;
    second.wait_until_ready()?;
    first.go_on()?;
    second.go_on()?;
    let counts: Vec<f64> =
        [first, second].into_iter().map(|child| role::numbers(&child.finish()?)).collect::<Outcome<Vec<_>>>()?.concat();
    let all: f64 = counts.iter().sum();
    #[allow(clippy::cast_precision_loss, reason = "they are not as many as that")]
    let counted = count(folder.path())?.word64(0).load(Relaxed) as f64;
    #[allow(clippy::float_cmp, reason = "both are whole numbers")]
    if counted != all {
        return Err(format!("of {all} holders {counted} were alone").into());
    }
    let share = counts.into_iter().fold(all, f64::min) / all;
    Ok(vec![Figure::new(name, all / turn.as_secs_f64(), "ops/s"), Figure::new(format!("{name}.share"), share, "of 1")])
}

/// What the holders count in, which is not atomic but for the lock.
fn count(folder: &Path) -> Outcome<Shared> {
    Ok(Shared::open(&folder.join("count"), 4096)?)
}

fn play(part: &Part) -> Outcome {
    locks::with(part.case.rsplit('.').next().unwrap_or_default(), Together(part))
}

struct Together<'p>(&'p Part);

impl Job for Together<'_> {
    fn with<L: Lock>(self) -> Outcome {
        const CHUNK: u32 = 64;
        let part = self.0;
        let (lock, page) = (L::open(&part.folder, part.role == "first")?, count(&part.folder)?);
        let count = page.word64(0);
        role::ready()?;
        let end = Instant::now() + part.turn;
        let mut own = 0;
        while Instant::now() < end {
            for _ in 0..CHUNK {
                lock.hold(|| count.store(count.load(Relaxed) + 1, Relaxed))?;
            }
            own += CHUNK;
        }
        println!("{own}");
        Ok(())
    }
}
