//! What attaching by name costs, to an array of 1 MiB or to a value of 64 bytes that another process made and filled: from
//! nothing but the name until the first word was read, in µs; `.detach` is letting go again.
//!
//! `open_fstat_mmap` is the least that the kernel asks for a file whose length is not known. iceoryx2's subscriber gets the newest
//! sample out of the history as soon as the publisher looks, which here it does all the time; `iceoryx2_subscriber` has
//! its node and its service before, `iceoryx2_node_and_subscriber` has nothing.

use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::port::update_connections::UpdateConnections;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;
use mmap_sync::synchronizer::Synchronizer;
use ndarray::Ix1;
use shared_memory::ShmemConf;
use sharray::{Directory, Publisher, SharedArray, SharedCell, Subscriber as StreamSubscriber};
use sharray_compare::clock::{median, nanoseconds};
use sharray_compare::memory::{Folder, Shared};
use sharray_compare::peers::{self, Iceoryx, Node};
use sharray_compare::{Child, Figure, Outcome, Part, Plan, cpu, role};
use std::fs::{self, File};
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

const BYTES: usize = 1 << 20;
const WORDS: usize = BYTES / 8;
type Value = [u64; 8];
const FULL: Value = [7; 8];

fn main() -> Outcome {
    sharray_compare::main(compare, play)
}

/// Attaches again and again for a turn, and says what attaching and letting go took.
type Measure = fn(&Path, Duration) -> Outcome<[f64; 2]>;

const CONTENDERS: [(&str, Measure); 9] = [
    ("open_fstat_mmap", |folder, turn| come_and_go(turn, || open_fstat_mmap(&folder.join("plain")))),
    ("sharray_array", array),
    ("sharray_cell", cell),
    ("sharray_stream", stream),
    ("memmap2", |folder, turn| come_and_go(turn, || memmap(&folder.join("plain")))),
    ("shared_memory", shmem),
    ("mmap_sync", mmap_sync),
    ("iceoryx2_subscriber", subscriber),
    ("iceoryx2_node_and_subscriber", |folder, turn| come_and_go(turn, || node_and_subscriber(folder))),
];

fn compare(plan: &mut Plan) -> Outcome {
    let [here, there] = plan.cpus();
    cpu::keep(here)?;
    let turn = plan.turn(Duration::from_millis(100));
    for _ in plan.rounds() {
        for (contender, measure) in CONTENDERS {
            let name = format!("attach.{contender}");
            plan.sample(&name, || {
                let folder = Folder::new()?;
                let mut holder = Child::start(&Part::new("hold", &name, folder.path(), there, turn))?;
                holder.wait_until_ready()?;
                holder.go_on()?;
                let [come, go] = measure(folder.path(), turn)?;
                holder.finish()?;
                let figure = |name, took| Figure::new(name, took / 1e3, "us");
                Ok(vec![figure(name.clone(), come), figure(format!("{name}.detach"), go)])
            })?;
        }
    }
    Ok(())
}

/// The medians of what coming and going take, each call timed by itself.
fn come_and_go<T>(turn: Duration, mut come: impl FnMut() -> Outcome<T>) -> Outcome<[f64; 2]> {
    let (mut coming, mut going) = (Vec::new(), Vec::new());
    let end = Instant::now() + turn;
    while coming.len() < 3 || Instant::now() < end {
        let start = Instant::now();
        let held = black_box(come()?);
        let between = Instant::now();
        drop(held);
        going.push(nanoseconds(between.elapsed()));
        coming.push(nanoseconds(between - start));
    }
    Ok([median(&mut coming), median(&mut going)])
}

fn open_fstat_mmap(path: &Path) -> Outcome<Shared> {
    let mapped = Shared::of(&File::options().read(true).write(true).open(path)?)?;
    black_box(mapped.word64(0).load(Relaxed));
    Ok(mapped)
}

fn memmap(path: &Path) -> Outcome<memmap2::Mmap> {
    // SAFETY: nobody writes the file or cuts it short.
    let mapped = unsafe { memmap2::Mmap::map(&File::open(path)?) }?;
    black_box(mapped[0]);
    Ok(mapped)
}

fn array(folder: &Path, turn: Duration) -> Outcome<[f64; 2]> {
    let place = Directory::open(folder)?;
    let builder = SharedArray::<u64, Ix1>::builder().directory(&place);
    come_and_go(turn, || {
        let array = builder.attach("array")?;
        black_box(array.read()?[0]);
        Ok(array)
    })
}

fn cell(folder: &Path, turn: Duration) -> Outcome<[f64; 2]> {
    let place = Directory::open(folder)?;
    let builder = SharedCell::<Value>::builder().directory(&place);
    come_and_go(turn, || {
        let cell = builder.attach("cell")?;
        black_box(cell.load());
        Ok(cell)
    })
}

fn stream(folder: &Path, turn: Duration) -> Outcome<[f64; 2]> {
    let place = Directory::open(folder)?;
    let builder = StreamSubscriber::<u64, Ix1>::builder().directory(&place);
    come_and_go(turn, || {
        let subscriber = builder.attach("stream")?;
        black_box(subscriber.latest()?.ok_or("nothing was published")?.as_slice()[0]);
        Ok(subscriber)
    })
}

fn shmem(folder: &Path, turn: Duration) -> Outcome<[f64; 2]> {
    let name = shmem_name(folder);
    come_and_go(turn, || {
        let shmem = ShmemConf::new().os_id(&name).open()?;
        // SAFETY: nobody writes it.
        black_box(unsafe { shmem.as_slice() }[0]);
        Ok(shmem)
    })
}

/// It stands beside the folder.
fn shmem_name(folder: &Path) -> String {
    format!("/{}-shmem", folder.file_name().unwrap_or_default().to_string_lossy())
}

fn mmap_sync(folder: &Path, turn: Duration) -> Outcome<[f64; 2]> {
    let prefix = folder.join("value");
    come_and_go(turn, || {
        let mut synchronizer = Synchronizer::new(prefix.as_os_str());
        // SAFETY: the value is read at once, and nobody writes it.
        black_box(*unsafe { synchronizer.read::<Value>(false) }?);
        Ok(synchronizer)
    })
}

fn subscriber(folder: &Path, turn: Duration) -> Outcome<[f64; 2]> {
    let service = service(&peers::node(folder)?)?;
    come_and_go(turn, || first_sample(&service))
}

type Service = PortFactory<Iceoryx, [u64], ()>;
type Sliced = Subscriber<Iceoryx, [u64], ()>;

fn node_and_subscriber(folder: &Path) -> Outcome<(Sliced, Service, Node)> {
    let node = peers::node(folder)?;
    let service = service(&node)?;
    Ok((first_sample(&service)?, service, node))
}

fn service(node: &Node) -> Outcome<Service> {
    let builder = node.service_builder(&peers::service("samples")?).publish_subscribe::<[u64]>();
    Ok(builder.history_size(1).subscriber_max_buffer_size(1).open_or_create()?)
}

fn first_sample(service: &Service) -> Outcome<Sliced> {
    let subscriber = service.subscriber_builder().create()?;
    loop {
        if let Some(sample) = subscriber.receive()? {
            black_box(sample.payload()[0]);
            return Ok(subscriber);
        }
    }
}

/// Makes and fills what is attached to, and keeps it.
fn play(part: &Part) -> Outcome {
    let folder = &part.folder;
    match part.case.trim_start_matches("attach.") {
        "open_fstat_mmap" | "memmap2" => {
            fs::write(folder.join("plain"), vec![7; BYTES])?;
            keep()
        }
        "sharray_array" => {
            let place = Directory::open(folder)?;
            let array = SharedArray::<u64, Ix1>::builder().directory(&place).create("array", [WORDS])?;
            array.write()?.fill(7);
            keep()
        }
        "sharray_cell" => {
            let _cell = SharedCell::<Value>::builder().directory(&Directory::open(folder)?).create("cell", FULL)?;
            keep()
        }
        "sharray_stream" => {
            let place = Directory::open(folder)?;
            let mut publisher = Publisher::<u64, Ix1>::builder().directory(&place).create("stream", [WORDS])?;
            let mut loan = publisher.loan()?;
            loan.as_mut_slice().fill(7);
            loan.publish();
            keep()
        }
        "shared_memory" => {
            let mut shmem = ShmemConf::new().os_id(shmem_name(folder)).size(BYTES).create()?;
            // SAFETY: nobody else has it yet.
            unsafe { shmem.as_slice_mut() }.fill(7);
            keep()
        }
        "mmap_sync" => {
            let mut synchronizer = Synchronizer::new(folder.join("value").as_os_str());
            synchronizer.write_raw::<Value>(bytemuck::cast_slice(&FULL), peers::GRACE)?;
            keep()
        }
        _ => publish(folder),
    }
}

fn keep() -> Outcome {
    role::ready()?;
    role::hold();
    Ok(())
}

/// A publisher that looks for new subscribers all the time.
fn publish(folder: &Path) -> Outcome {
    let publisher = service(&peers::node(folder)?)?.publisher_builder().initial_max_slice_len(WORDS).create()?;
    let mut loan = publisher.loan_slice(WORDS)?;
    loan.payload_mut().fill(7);
    loan.send()?;
    role::ready()?;
    let held = std::thread::spawn(role::hold);
    while !held.is_finished() {
        publisher.update_connections()?;
    }
    Ok(())
}
