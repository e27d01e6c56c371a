//! Whatever is read is one write, whole, however it is read and however often it is written meanwhile.
//!
//! One process rewrites 256 KiB without a pause, each time with one number in all items, and three others read them in
//! the three ways there are. An item that differs from the first is another write's. The same processes with a flag
//! that says "ready", over the same bytes, show that the test would see it.

#![allow(unsafe_code, reason = "who does without the library maps the file himself")]

mod support;

use memmap2::{MmapMut, MmapOptions};
use ndarray::{ArrayRef, Ix1};
use sharray::{Directory, Error, SharedArray, SharedCell};
use std::fs::File;
use std::process::ExitCode;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use support::child::{Child, Task};
use support::stream::fresh_folder;
use support::{Outcome, Roles, SOON, Test, ensure, main as run};
use tempfile::TempDir;

const ROLES: Roles = &[
    ("rewrite", rewrite),
    ("hold", hold),
    ("snapshot", snapshot),
    ("look on", look_on),
    ("naively rewrite", naively_rewrite),
    ("naively read", naively_read),
    ("store", store),
    ("load", load),
    ("load on", load_on),
];

const NAME: &str = "sim/field";
const ITEMS: usize = (256 << 10) / 8;
/// How long they race. On a machine where a reader had no luck in that time they race once more.
const LONG_ENOUGH: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;

/// One race at a time: they need the processors for themselves.
static TRACK: Mutex<()> = Mutex::new(());

type Field = SharedArray<u64, Ix1>;
/// Large enough that a store takes longer than any one instruction, small enough for what a cell is for.
type Cell = SharedCell<[u64; 512]>;

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("no_read_of_an_array_in_four_blocks_is_torn", || arrays(4)).within(120),
            Test::new("no_read_of_an_array_in_one_block_is_torn", || arrays(1)).within(120),
            Test::new("no_load_of_a_cell_is_torn", cells).within(120),
            Test::new("reads_behind_a_flag_are_torn", naive).within(120),
        ],
    )
}

fn arrays(blocks: usize) -> Outcome {
    let folder = fresh_folder()?;
    let place = Directory::open(folder.path())?;
    let _field = Field::builder().directory(&place).blocks(blocks).create(NAME, [ITEMS])?;
    none_is_torn(&folder, "rewrite", &["hold", "snapshot", "look on"], 10)
}

fn cells() -> Outcome {
    let folder = fresh_folder()?;
    let place = Directory::open(folder.path())?;
    let _cell = Cell::builder().directory(&place).create(NAME, [0; 512])?;
    none_is_torn(&folder, "store", &["load", "load on"], 1000)
}

/// Lets them race until each reader has read often enough for the test to mean anything.
fn none_is_torn(folder: &TempDir, writer: &str, readers: &[&str], enough: u64) -> Outcome {
    let mut counts = vec![0; readers.len()];
    for _ in 0..ROUNDS {
        for ((who, [reads, torn]), count) in race(folder, writer, readers)?.into_iter().zip(&mut counts) {
            ensure!(torn == 0, "{torn} of {reads} reads are torn: {who}");
            *count += reads;
        }
        if counts.iter().all(|count| *count >= enough) {
            return Ok(());
        }
    }
    Err(format!("{counts:?} reads by {readers:?}, expected {enough} at least").into())
}

/// The proof that the machine tears, and that this is seen: nobody is excluded by anything but luck.
fn naive() -> Outcome {
    let folder = fresh_folder()?;
    let place = Directory::open(folder.path())?;
    drop(Field::builder().directory(&place).create(NAME, [ITEMS])?);
    for _ in 0..ROUNDS {
        let told = race(&folder, "naively rewrite", &["naively read", "naively read", "naively read"])?;
        if told.iter().any(|(_, [_, torn])| *torn > 0) {
            return Ok(());
        }
    }
    Err("nothing was torn".into())
}

/// Runs a writer and readers for a while; how often each reader read, and how often that was torn.
fn race(folder: &TempDir, writer: &str, readers: &[&str]) -> Outcome<Vec<(String, [u64; 2])>> {
    let _alone = TRACK.lock().unwrap_or_else(PoisonError::into_inner);
    let path = folder.path().to_str().ok_or("the path is not text")?;
    let mut writer = Child::start(writer, [path])?;
    writer.expect("ready")?;
    let mut children = readers.iter().map(|role| Child::start(role, [path])).collect::<Outcome<Vec<_>>>()?;
    children.iter().try_for_each(|child| child.expect("ready"))?;
    thread::sleep(LONG_ENOUGH);
    children.iter_mut().try_for_each(|child| child.tell("end"))?;
    let mut told = Vec::new();
    for (child, role) in children.iter_mut().zip(readers) {
        let line = child.hear()?;
        let (reads, torn) = line.split_once(' ').ok_or("two numbers")?;
        told.push(((*role).to_owned(), [reads.parse()?, torn.parse()?]));
        child.succeed()?;
    }
    writer.tell("end")?;
    let writes = writer.hear()?;
    writer.succeed()?;
    eprintln!("{writes} writes; reads, and how many of them torn: {told:?}");
    ensure!(writes.parse::<u64>()? > 0, "nothing was written");
    Ok(told)
}

/// Hears when the test says that it is over.
fn over(task: &Task) -> Outcome<impl FnMut() -> bool> {
    let (tell, told): (_, Receiver<()>) = mpsc::channel();
    thread::spawn(move || {
        _ = std::io::stdin().read_line(&mut String::new());
        _ = tell.send(());
    });
    task.say("ready")?;
    let end = Instant::now() + LONG_ENOUGH + SOON;
    Ok(move || told.try_recv().is_ok() || Instant::now() > end)
}

fn is_torn<'a>(items: impl IntoIterator<Item = &'a u64>) -> bool {
    let mut items = items.into_iter();
    let first = items.next();
    items.any(|item| Some(item) != first)
}

/// Reads until it is over, and says how often it read, and how often that was torn.
fn count(task: &Task, mut read: impl FnMut() -> Outcome<bool>) -> Outcome {
    count_some(task, || read().map(Some))
}

/// The same for one that does not get to read each time.
fn count_some(task: &Task, mut read: impl FnMut() -> Outcome<Option<bool>>) -> Outcome {
    let (mut reads, mut torn) = (0, 0);
    let mut is_over = over(task)?;
    while !is_over() {
        if let Some(is_torn) = read()? {
            reads += 1;
            torn += u64::from(is_torn);
        }
    }
    task.say(&format!("{reads} {torn}"))
}

// ---------------------------------------------------------------- with the library

fn attach(task: &Task) -> Outcome<sharray::ArrayBuilder<Field>> {
    Ok(Field::builder().directory(&Directory::open(task.arg(0)?)?))
}

/// Child: writes one number after the other into all items.
fn rewrite(task: &Task) -> Outcome {
    let field = attach(task)?.attach(NAME)?;
    let (mut writes, mut is_over) = (0_u64, over(task)?);
    while !is_over() {
        writes += 1;
        let mut guard = field.write()?;
        // Item by item, the last ones first every other time: a read can be torn in either direction.
        let items: &mut ArrayRef<u64, Ix1> = &mut guard;
        if writes % 2 == 0 {
            items.iter_mut().for_each(|item| *item = writes);
        } else {
            items.iter_mut().rev().for_each(|item| *item = writes);
        }
    }
    task.say(&writes.to_string())
}

/// Child: reads in place.
fn hold(task: &Task) -> Outcome {
    let field = attach(task)?.attach(NAME)?;
    count(task, || Ok(is_torn(&*field.read()?)))
}

/// Child: copies.
fn snapshot(task: &Task) -> Outcome {
    let field = attach(task)?.attach(NAME)?;
    count(task, || Ok(is_torn(&field.snapshot()?)))
}

/// Child: copies without taking part, as whoever may only read the file has to. No writer waits for it: once the other
/// readers are done, one that makes no pause leaves it no moment to copy in.
fn look_on(task: &Task) -> Outcome {
    const A_WHILE: Duration = Duration::from_millis(100);
    let field = attach(task)?.read_only().attach(NAME)?;
    count_some(task, || match field.read_timeout(A_WHILE) {
        Ok(copy) => Ok(Some(is_torn(&*copy))),
        Err(Error::TimedOut { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    })
}

/// Child: stores one number after the other.
fn store(task: &Task) -> Outcome {
    let cell = Cell::builder().directory(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    let (mut stores, mut is_over) = (0_u64, over(task)?);
    let mut writer = cell.writer()?;
    while !is_over() {
        stores += 1;
        writer.store([stores; 512]);
    }
    task.say(&stores.to_string())
}

/// Child: loads.
fn load(task: &Task) -> Outcome {
    let cell = Cell::builder().directory(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    count(task, || Ok(is_torn(&cell.load())))
}

/// Child: loads without taking part.
fn load_on(task: &Task) -> Outcome {
    let cell = Cell::builder().directory(&Directory::open(task.arg(0)?)?).read_only().attach(NAME)?;
    count(task, || Ok(is_torn(&cell.load())))
}

// ---------------------------------------------------------------- without it

/// The payload of the same file, as `np.memmap` has it, and a word that says whether it is ready.
struct Naive {
    payload: MmapMut,
    flag: MmapMut,
}

impl Naive {
    fn open(task: &Task) -> Outcome<Self> {
        let place = Directory::open(task.arg(0)?)?;
        let info = place.inspect(NAME)?;
        let open = |path| File::options().read(true).write(true).create(true).truncate(false).open(path);
        let (file, flag) = (open(info.path.clone())?, open(info.path.with_extension("ready"))?);
        flag.set_len(8)?;
        // SAFETY: the files keep their lengths while the test runs, and their words are accessed through atomics alone.
        let payload = unsafe { MmapOptions::new().offset(info.data_offset).len(8 * ITEMS).map_mut(&file) }?;
        // SAFETY: as above.
        let flag = unsafe { MmapOptions::new().map_mut(&flag) }?;
        Ok(Self { payload, flag })
    }

    fn items(&self) -> &[AtomicU64] {
        words(&self.payload)
    }

    fn is_ready(&self) -> &AtomicU64 {
        &words(&self.flag)[0]
    }
}

fn words(map: &MmapMut) -> &[AtomicU64] {
    // SAFETY: mappings start on pages, and are borrowed as long as the words.
    unsafe { std::slice::from_raw_parts(map.as_ptr().cast(), map.len() / 8) }
}

/// Child: says that it is not ready, writes, and says that it is.
fn naively_rewrite(task: &Task) -> Outcome {
    let naive = Naive::open(task)?;
    let (mut writes, mut is_over) = (0, over(task)?);
    while !is_over() {
        writes += 1;
        naive.is_ready().store(0, Release);
        naive.items().iter().for_each(|item| item.store(writes, Relaxed));
        naive.is_ready().store(1, Release);
        // For a moment, in which they can begin to read: what goes wrong is that nobody knows when they end.
        (0..10).for_each(|_| thread::yield_now());
    }
    task.say(&writes.to_string())
}

/// Child: waits until it is ready, and reads.
fn naively_read(task: &Task) -> Outcome {
    let naive = Naive::open(task)?;
    let mut copy = vec![0; ITEMS];
    count(task, || {
        while naive.is_ready().load(Acquire) == 0 {
            thread::yield_now();
        }
        copy.iter_mut().zip(naive.items()).for_each(|(to, from)| *to = from.load(Relaxed));
        Ok(is_torn(&copy))
    })
}
