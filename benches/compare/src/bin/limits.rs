//! What the machine itself allows.
//!
//! - `ping_pong`: one word and nothing else, from one CPU to another: one way, in ns.
//! - `futex.other_core`, `futex.same_core`: the same with a sleep and a wake-up each way.
//! - `memcpy`: a copy from memory to memory of the same process, in GB/s; `sum`: the sum of such memory.

use memmap2::{Advice, MmapMut};
use sharray_compare::clock::{median, nanoseconds, per_call_ns};
use sharray_compare::memory::{Folder, Shared};
use sharray_compare::{Child, Figure, Outcome, Part, Plan, cpu, futex, role};
use std::hint::{black_box, spin_loop};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};

const SIZES: [(&str, u32); 4] = [("64KiB", 64 << 10), ("1MiB", 1 << 20), ("8MiB", 8 << 20), ("64MiB", 64 << 20)];
/// Round trips that are timed together.
const CHUNK: u32 = 32;
/// What the last message says.
const STOP: u32 = u32::MAX;
/// Words of 32 bits from one direction to the other.
const APART: usize = 128;

fn main() -> Outcome {
    sharray_compare::main(compare, play)
}

fn compare(plan: &mut Plan) -> Outcome {
    let ([here, there], turn) = (plan.cpus(), plan.turn(Duration::from_millis(100)));
    cpu::keep(here)?;
    for _ in plan.rounds() {
        for (name, answers) in [("ping_pong", there), ("futex.other_core", there), ("futex.same_core", here)] {
            let name = format!("limits.{name}");
            plan.sample(&name, || Ok(vec![Figure::new(&name, one_way(&name, [here, answers], turn)?, "ns")]))?;
        }
        for (size, bytes) in SIZES {
            let [source, mut target] = [memory(bytes)?, memory(bytes)?];
            let name = format!("limits.memcpy.{size}");
            let copy = || black_box(&mut target).copy_from_slice(black_box(&source));
            let took = &mut per_call_of(turn, copy);
            plan.sample(&name, || Ok(vec![Figure::new(&name, f64::from(bytes) / took(), "GB/s")]))?;
            let name = format!("limits.sum.{size}");
            let took = &mut per_call_of(turn, || _ = black_box(sum(bytemuck::cast_slice(black_box(&source)))));
            plan.sample(&name, || Ok(vec![Figure::new(&name, f64::from(bytes) / took(), "GB/s")]))?;
        }
    }
    Ok(())
}

/// Measures again each time it is called.
fn per_call_of(turn: Duration, mut call: impl FnMut()) -> impl FnMut() -> f64 {
    move || per_call_ns(turn, &mut call)
}

/// Memory of this process alone, all of it there, with huge pages if it can have them.
fn memory(bytes: u32) -> Outcome<MmapMut> {
    let mut memory = MmapMut::map_anon(bytes as usize)?;
    // A kernel without them does without.
    _ = memory.advise(Advice::HugePage);
    memory.fill(7);
    Ok(memory)
}

#[inline(never)]
fn sum(words: &[u64]) -> u64 {
    words.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}

/// Half of what a round trip takes.
fn one_way(name: &str, cpus: [usize; 2], turn: Duration) -> Outcome<f64> {
    let folder = Folder::new()?;
    let start = |role, cpu| Child::start(&Part::new(role, name, folder.path(), cpu, turn));
    let mut children = [start("answer", cpus[1])?, start("ask", cpus[0])?];
    role::meet(&mut children)?;
    let [answerer, asker] = children;
    let said = asker.finish()?;
    answerer.finish()?;
    Ok(said.trim().parse()?)
}

fn play(part: &Part) -> Outcome {
    let page = Shared::open(&part.folder.join("page"), 4096)?;
    let sleeps = part.case.contains("futex");
    role::ready()?;
    if part.role == "ask" {
        println!("{}", ask(&Ends { page, out: 0, back: APART, sleeps }, part.turn));
    } else {
        answer(&Ends { page, out: APART, back: 0, sleeps });
    }
    Ok(())
}

/// A word for each direction.
struct Ends {
    page: Shared,
    out: usize,
    back: usize,
    sleeps: bool,
}

impl Ends {
    fn send(&self, number: u32) {
        let word = self.page.word32(self.out);
        word.store(number, Release);
        if self.sleeps {
            futex::wake(word);
        }
    }

    /// The message after the one with this number.
    fn receive(&self, last: u32) -> u32 {
        let word: &AtomicU32 = self.page.word32(self.back);
        loop {
            let number = word.load(Acquire);
            if number != last {
                return number;
            }
            if self.sleeps { futex::wait(word, last) } else { spin_loop() }
        }
    }
}

fn ask(ends: &Ends, turn: Duration) -> f64 {
    let end = Instant::now() + turn;
    let (mut number, mut chunks) = (0, Vec::new());
    while Instant::now() < end {
        let start = Instant::now();
        for _ in 0..CHUNK {
            ends.send(number + 1);
            number = ends.receive(number);
        }
        chunks.push(nanoseconds(start.elapsed()) / f64::from(2 * CHUNK));
    }
    ends.send(STOP);
    median(&mut chunks)
}

fn answer(ends: &Ends) {
    let mut number = 0;
    while number != STOP {
        number = ends.receive(number);
        ends.send(number);
    }
}
