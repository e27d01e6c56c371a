//! Who gets in, how often: counted over a second in which several processes want the same array without a pause.
//!
//! Nobody is kept out for ever by those who come and go: not a writer by readers who overlap, not a reader by writers who
//! take turns. And nobody is kept out at all by the users of another block, or by those of another array.

mod support;

use ndarray::Ix1;
use sharray::{Directory, SharedArray};
use std::io::BufRead;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use support::child::{Child, Task};
use support::stream::fresh_folder;
use support::{Outcome, Roles, Test, ensure, ensure_eq, main as run};

const ROLES: Roles = &[("use", use_it), ("keep", keep)];

const NAME: &str = "sim/field";
const ROWS: usize = 64;
/// How long they are counted.
const SECOND: Duration = Duration::from_secs(1);
/// Who is let in less often than this has been starved: a fair share is in the thousands, and a process that waits for
/// the processor as well as for the array still has some.
const ENOUGH: u64 = 20;

/// One crowd at a time: they need the processors for themselves.
static ALONE: Mutex<()> = Mutex::new(());

type Field = SharedArray<u64, Ix1>;

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("readers_of_one_block_do_not_wait_for_the_writer_of_another", independence),
            Test::new("a_writer_gets_through_readers_who_make_no_pause", || {
                together("one writer, three readers", &["write", "read", "read", "read"])
            }),
            Test::new("a_reader_gets_through_writers_who_make_no_pause", || {
                together("one reader, two writers", &["read", "write", "write"])
            }),
            Test::new("writers_of_all_and_of_parts_take_turns", || {
                together("all, parts, and copies", &["write", "write block", "read block", "snapshot"])
            }),
            Test::new("threads_of_one_handle_take_turns_with_others", || {
                together("threads", &["write by two threads", "read by two threads", "write"])
            }),
        ],
    )
}

fn start(path: &str, how: &[&str]) -> Outcome<Vec<Child>> {
    let children = how.iter().map(|how| Child::start("use", [path, how])).collect::<Outcome<Vec<_>>>()?;
    children.iter().try_for_each(|child| child.expect("ready"))?;
    Ok(children)
}

/// Lets them go for a second, and hears how often each got in.
fn counts(children: &mut [Child]) -> Outcome<Vec<u64>> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    children.iter_mut().try_for_each(|child| child.tell("go"))?;
    thread::sleep(SECOND);
    children.iter_mut().try_for_each(|child| child.tell("end"))?;
    let told = children.iter().map(|child| Ok(child.hear()?.parse()?)).collect::<Outcome<Vec<_>>>()?;
    children.iter_mut().try_for_each(Child::succeed)?;
    Ok(told)
}

fn independence() -> Outcome {
    let folder = fresh_folder()?;
    let path = folder.path().to_str().ok_or("the path is not text")?;
    let place = Directory::open(path)?;
    let field = Field::builder().directory(&place).blocks(2).create(NAME, [ROWS])?;
    let mut keeper = Child::start("keep", [path])?;
    keeper.expect("kept")?;
    let how = ["read block", "read block", "write block"];
    let told = counts(&mut start(path, &how)?)?;
    eprintln!("beside a writer of another block that never ends: {:?}", how.iter().zip(&told).collect::<Vec<_>>());
    ensure!(told.iter().all(|count| *count >= ENOUGH), "{told:?}");
    // The block was written all the while, as whoever would read it is told.
    let read = field.try_read_block(0);
    ensure!(matches!(read, Err(sharray::Error::Locked { .. })), "{read:?}");
    keeper.tell("end")?;
    keeper.succeed()?;
    ensure_eq!(field.read_block(0)?.sum(), 0, "what the writer wrote");
    Ok(())
}

fn together(what: &str, how: &[&str]) -> Outcome {
    let folder = fresh_folder()?;
    let path = folder.path().to_str().ok_or("the path is not text")?;
    let place = Directory::open(path)?;
    let field = Field::builder().directory(&place).blocks(2).create(NAME, [ROWS])?;
    let told = counts(&mut start(path, how)?)?;
    let told: Vec<_> = how.iter().zip(told).collect();
    eprintln!("{what}: {told:?}");
    ensure!(told.iter().all(|(_, count)| *count >= ENOUGH), "{told:?}");
    // Each write added one to each item of its block: that none was lost is why they had to wait.
    let all = told.iter().filter(|(how, _)| how.starts_with("write")).map(|(_, count)| count).sum::<u64>();
    let parts = told.iter().filter(|(how, _)| **how == "write block").map(|(_, count)| count).sum::<u64>();
    ensure_eq!((field.read()?[0], field.read()?[ROWS - 1]), (all - parts, all), "what was counted in the array");
    ensure_eq!(field.sequence(), 2 * (2 * all - parts), "writes");
    Ok(())
}

/// Child: writes one block and never ends, until the test does.
fn keep(task: &Task) -> Outcome {
    let field = Field::builder().directory(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    let _guard = field.write_block(0)?;
    task.say("kept")?;
    task.await_line("end")
}

/// Child: uses the array without a pause, and says how often it got in.
fn use_it(task: &Task) -> Outcome {
    let field = Field::builder().directory(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    let how = task.arg(1)?;
    let threads = if how.ends_with("by two threads") { 2 } else { 1 };
    task.say("ready")?;
    task.await_line("go")?;
    let is_over = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&is_over);
    thread::spawn(move || {
        _ = std::io::stdin().lock().read_line(&mut String::new());
        ends.store(true, Relaxed);
    });
    let work = || -> Outcome<u64> {
        let mut count = 0;
        while !is_over.load(Relaxed) {
            once(&field, how)?;
            count += 1;
        }
        Ok(count)
    };
    let counts = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?).collect::<Outcome<Vec<_>>>()
    })?;
    ensure!(counts.iter().all(|count| *count > 0), "one thread kept the other out: {counts:?}");
    task.say(&counts.iter().sum::<u64>().to_string())
}

/// Gets in once. A write adds one to each item; what is read is the same in all items of a block.
fn once(field: &Field, how: &str) -> Outcome {
    match how.split_once(" by").map_or(how, |(how, _)| how) {
        "write" => *field.write()? += 1,
        "write block" => *field.write_block(1)? += 1,
        "read" => is_whole(field.read()?.as_slice().ok_or("it is in one piece")?)?,
        "read block" => is_whole(field.read_block(1)?.as_slice().ok_or("it is in one piece")?)?,
        "snapshot" => is_whole(field.snapshot()?.as_slice().ok_or("it is in one piece")?)?,
        other => return Err(format!("nobody knows how to {other}").into()),
    }
    Ok(())
}

fn is_whole(items: &[u64]) -> Outcome {
    let is_whole = items.chunks(ROWS / 2).all(|block| block.iter().all(|item| *item == block[0]));
    ensure!(is_whole, "items of several writes: {items:?}");
    Ok(())
}
