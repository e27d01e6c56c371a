//! How fast large arrays go from one process to another.
//!
//! - `fill`: the producer writes every word of each frame, and the consumer sums them all; `stamp`: the producer writes the
//!   first word alone. In GB/s of frames: the median over chunks of them; `.mean` is over all.
//! - `hand_over`: the producer writes the first word, and the consumer reads it alone. In ns a frame, for those that do not copy.
//!
//! Every frame is checked, and none is lost. Where frames are copied, the producer fills memory of its own first.

mod iceoryx;
mod kernel;
mod mapped;
mod ours;
mod ring;
mod work;

use sharray_compare::memory::Folder;
use sharray_compare::{Child, Figure, Outcome, Part, Plan, role};
use std::time::Duration;
use work::{Consumer, Producer, Work};

const SIZES: [(&str, usize); 4] = [("64KiB", 64 << 10), ("1MiB", 1 << 20), ("8MiB", 8 << 20), ("64MiB", 64 << 20)];
const ALL: [&str; 8] =
    ["sharray_stream", "sharray_stream_spin", "ring_of_4", "ring_of_2", "iceoryx2", "mmap_sync", "unix_socket", "pipe"];
/// Those that hand over a place in memory.
const COPYLESS: [&str; 5] = ["sharray_stream", "sharray_stream_spin", "ring_of_4", "ring_of_2", "iceoryx2"];
const MODES: [(&str, &[&str]); 3] = [("fill", &ALL), ("stamp", &ALL), ("hand_over", &COPYLESS)];

fn main() -> Outcome {
    sharray_compare::main(compare, play)
}

fn compare(plan: &mut Plan) -> Outcome {
    for _ in plan.rounds() {
        for (size, bytes) in SIZES {
            for (mode, contenders) in MODES {
                let frames = Work::frames(mode, bytes, plan.is_quick());
                for contender in contenders {
                    let (name, cpus) = (format!("frames.{size}.{mode}.{contender}"), plan.cpus());
                    plan.sample(&name, || measure(&name, frames, cpus))?;
                }
            }
        }
    }
    Ok(())
}

fn measure(name: &str, frames: usize, cpus: [usize; 2]) -> Outcome<Vec<Figure>> {
    let folder = Folder::new()?;
    let case = format!("{name} {frames}");
    let start = |role, cpu| Child::start(&Part::new(role, &case, folder.path(), cpu, Duration::ZERO));
    let mut children = [start("produce", cpus[1])?, start("consume", cpus[0])?];
    role::meet(&mut children)?;
    let [producer, consumer] = children;
    let said = role::numbers(&consumer.finish()?)?;
    producer.finish()?;
    let unit = if name.contains(".hand_over.") { "ns" } else { "GB/s" };
    let names = ["", ".mean"].map(|what| format!("{name}{what}"));
    Ok(names.into_iter().zip(said).map(|(name, value)| Figure::new(name, value, unit)).collect())
}

fn play(part: &Part) -> Outcome {
    let (name, frames) = part.case.split_once(' ').ok_or("it is not said how many frames")?;
    let ["frames", size, mode, contender] = name.split('.').collect::<Vec<_>>()[..] else {
        return Err(format!("there is no case {name:?}").into());
    };
    let (_, bytes) = SIZES.iter().find(|(known, _)| *known == size).ok_or("there is no such size")?;
    let work = Work::new(mode, bytes / 8, frames.parse()?);
    if part.role == "produce" {
        work.produce(&mut *producer(contender, part, work.words)?)
    } else {
        work.consume(&mut *consumer(contender, part, work.words)?)
    }
}

fn producer(contender: &str, part: &Part, words: usize) -> Outcome<Box<dyn Producer>> {
    Ok(match contender {
        "sharray_stream" => Box::new(ours::Out::create(part, words)?),
        "sharray_stream_spin" => Box::new(ours::SpinningOut(ours::Out::create(part, words)?)),
        "ring_of_4" => Box::new(ring::End::<4>::open(part, words)?),
        "ring_of_2" => Box::new(ring::End::<2>::open(part, words)?),
        "iceoryx2" => Box::new(iceoryx::Out::open(part, words)?),
        "mmap_sync" => mapped::producer(part, words)?,
        "unix_socket" => Box::new(kernel::socket_out(part, words)?),
        "pipe" => Box::new(kernel::pipe_out(part, words)?),
        _ => return Err(format!("there is no contender {contender:?}").into()),
    })
}

fn consumer(contender: &str, part: &Part, words: usize) -> Outcome<Box<dyn Consumer>> {
    Ok(match contender {
        "sharray_stream" => Box::new(ours::Back::attach(part)?),
        "sharray_stream_spin" => Box::new(ours::SpinningBack(ours::Back::attach(part)?)),
        "ring_of_4" => Box::new(ring::End::<4>::open(part, words)?),
        "ring_of_2" => Box::new(ring::End::<2>::open(part, words)?),
        "iceoryx2" => Box::new(iceoryx::Back::open(part)?),
        "mmap_sync" => mapped::consumer(part, words)?,
        "unix_socket" => Box::new(kernel::socket_back(part, words)?),
        "pipe" => Box::new(kernel::pipe_back(part, words)?),
        _ => return Err(format!("there is no contender {contender:?}").into()),
    })
}
