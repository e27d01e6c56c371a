//! Writes that did not come to the end: by a panic, a death, a guard that was never dropped, a copy made meanwhile.
//!
//! Whoever would read what may be half old and half new gets an error instead, for as long as nobody has put it right;
//! whoever writes is told. Blocks that were not being written are as good as before, and so is every cell: its writer
//! leaves the old value.

mod support;

use ndarray::{Array1, Axis, Ix1, s};
use sharray::{ArrayBuilder, Directory, Error, Result, SharedArray, SharedCell};
use std::fs;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::time::Duration;
use support::child::{Child, Task};
use support::{Outcome, Roles, SOON, Test, ensure, ensure_eq, main as run, stream::fresh_folder, wait_until};
use tempfile::TempDir;

const ROLES: Roles = &[("write", write), ("read", read), ("store", store)];

const NAME: &str = "sim/field";
const ROWS: usize = 8;
const BLOCKS: usize = 4;

type Field = SharedArray<u64, Ix1>;

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("a_panic_poisons_what_was_written", a_panic),
            Test::new("a_write_beside_a_panic_is_whole", beside_a_panic),
            Test::new("a_failed_assignment_poisons", a_failed_assignment),
            Test::new("everyone_is_told_of_poison", everyone_is_told),
            Test::new("poison_is_cleared_by_whoever_puts_it_right", clearing),
            Test::new("overwriting_a_part_clears_nothing", overwriting_a_part),
            Test::new("a_killed_writer_poisons_its_blocks", a_killed_writer),
            Test::new("an_onlooker_sees_the_death_that_nobody_has_found_out", an_onlooker),
            Test::new("who_waits_for_a_change_is_woken_by_a_death", waiting_for_the_dead),
            Test::new("a_writer_that_is_killed_while_it_waits_poisons_nothing", killed_while_waiting),
            Test::new("a_killed_reader_lets_writers_in", a_killed_reader),
            Test::new("whoever_is_in_the_way_is_named", all_holders),
            Test::new("poison_survives_a_copy", copied_poison),
            Test::new("a_copy_made_during_a_write_is_poisoned", copied_write),
            Test::new("a_cell_is_never_poisoned", cells),
        ],
    )
}

struct Place {
    folder: TempDir,
    directory: Directory,
}

fn place() -> Outcome<Place> {
    let folder = fresh_folder()?;
    let directory = Directory::open(folder.path())?;
    Ok(Place { folder, directory })
}

impl Place {
    fn path(&self) -> Outcome<&str> {
        Ok(self.folder.path().to_str().ok_or("the path is not text")?)
    }

    /// An array whose items are all 1, in blocks of two rows.
    fn field(&self) -> Outcome<Field> {
        let builder = builder(&self.directory).blocks(BLOCKS).participants(8);
        Ok(builder.create_from(NAME, &Array1::from_elem(ROWS, 1))?)
    }

    fn attach(&self) -> Outcome<Field> {
        Ok(builder(&self.directory).attach(NAME)?)
    }

    fn onlooker(&self) -> Outcome<Field> {
        Ok(builder(&self.directory).read_only().attach(NAME)?)
    }

    fn poisoned(&self, name: &str) -> Outcome<Vec<u32>> {
        Ok(self.directory.inspect(name)?.poisoned)
    }

    /// Copies the file as `cp` does.
    fn copy(&self, name: &str) -> Outcome {
        fs::copy(self.folder.path().join(NAME), self.folder.path().join(name))?;
        Ok(())
    }
}

fn builder(directory: &Directory) -> ArrayBuilder<Field> {
    Field::builder().directory(directory)
}

/// Writes half of some blocks, and panics.
fn panic_in(field: &Field, blocks: std::ops::Range<usize>) -> Outcome {
    let panics = || -> Result<()> {
        let mut guard = field.write_blocks(blocks)?;
        guard[0] = 9;
        resume_unwind(Box::new("in the middle"))
    };
    ensure!(catch_unwind(AssertUnwindSafe(panics)).is_err(), "it did not panic");
    Ok(())
}

fn is_poisoned<T>(result: Result<T>, block: u32) -> bool {
    matches!(result, Err(Error::Poisoned { block: found, name }) if found == block && name == NAME)
}

fn a_panic() -> Outcome {
    let place = place()?;
    let (ours, theirs) = (place.field()?, place.attach()?);
    panic_in(&ours, 1..3)?;
    ensure_eq!(place.poisoned(NAME)?, [1, 2], "poisoned blocks");
    ensure_eq!(ours.sequence() % 2, 0, "the write is over");
    for field in [&ours, &theirs] {
        for block in 0..BLOCKS {
            let read = field.read_block(block).map(drop);
            ensure_eq!(is_poisoned(read, block as u32), block == 1 || block == 2, "block {block}");
            let guard = field.write_block(block)?;
            ensure_eq!(guard.is_poisoned(), block == 1 || block == 2, "what the writer of block {block} is told");
        }
    }
    // Nobody has said that it is right: a write alone is no proof.
    ensure_eq!(place.poisoned(NAME)?, [1, 2], "poisoned blocks");
    Ok(())
}

/// What is written while a panic goes on, from its beginning to its end, by whatever cleans up, is whole.
fn beside_a_panic() -> Outcome {
    struct WritesLast<'a>(&'a Field);
    impl Drop for WritesLast<'_> {
        fn drop(&mut self) {
            if let Ok(mut guard) = self.0.write_block(0) {
                guard.fill(7);
            }
        }
    }
    let place = place()?;
    let field = place.field()?;
    let panics = || {
        let _last = WritesLast(&field);
        resume_unwind(Box::new("outside of any write"))
    };
    ensure!(catch_unwind(AssertUnwindSafe(panics)).is_err(), "it did not panic");
    ensure_eq!((field.read_block(0)?.to_vec(), place.poisoned(NAME)?), (vec![7, 7], vec![]), "what was written");
    // A reader's panic is no half write.
    let panics = || {
        let _reading = field.read();
        resume_unwind(Box::new("in a read"))
    };
    ensure!(catch_unwind(AssertUnwindSafe(panics)).is_err(), "it did not panic");
    field.write()?.fill(2);
    ensure_eq!((field.read()?.sum(), place.poisoned(NAME)?), (2 * ROWS as u64, vec![]), "after a reader's panic");
    Ok(())
}

fn a_failed_assignment() -> Outcome {
    let place = place()?;
    let field = place.field()?;
    let panics = || field.write().map(|mut guard| guard.assign(&Array1::zeros(ROWS + 1)));
    ensure!(catch_unwind(AssertUnwindSafe(panics)).is_err(), "shapes do not fit");
    ensure!(is_poisoned(field.read(), 0), "it is poisoned");
    Ok(())
}

fn everyone_is_told() -> Outcome {
    let place = place()?;
    let (ours, theirs, onlooker) = (place.field()?, place.attach()?, place.onlooker()?);
    panic_in(&theirs, 2..3)?;
    let patience = Duration::from_millis(50);
    for (who, field) in [("who saw it", &theirs), ("another", &ours), ("an onlooker", &onlooker)] {
        ensure!(is_poisoned(field.read(), 2), "{who} reads");
        ensure!(is_poisoned(field.try_read(), 2), "{who} reads without a wait");
        ensure!(is_poisoned(field.read_timeout(patience), 2), "{who} reads within a time");
        ensure!(is_poisoned(field.read_block(2), 2), "{who} reads the block");
        ensure!(is_poisoned(field.read_blocks(1..4), 2), "{who} reads blocks");
        ensure!(is_poisoned(field.snapshot(), 2), "{who} copies");
        ensure!(is_poisoned(field.try_snapshot(), 2), "{who} copies without a wait");
        ensure!(is_poisoned(field.read_into(&mut Array1::zeros(ROWS)), 2), "{who} copies into an array");
        ensure!(is_poisoned(sharray::AnyArray::read(field), 2), "{who} reads bytes");
        ensure_eq!(field.read_blocks(0..2)?.sum(), 4, "what {who} reads of the rest");
        ensure_eq!(field.read_block(3)?.sum(), 2, "what {who} reads of the rest");
    }
    let told = place.attach()?.read().map(drop);
    let text = told.err().ok_or("newcomers are told")?.to_string();
    ensure!(text.contains("block 2") && text.contains(NAME), "{text}");
    // Those who got an error hold nothing.
    ours.try_write()?.fill(1);
    ensure_eq!(onlooker.read()?.sum(), ROWS as u64, "all is well again");
    Ok(())
}

fn clearing() -> Outcome {
    let place = place()?;
    let (ours, theirs) = (place.field()?, place.attach()?);
    panic_in(&ours, 0..BLOCKS)?;
    let mut guard = theirs.write_block(0)?;
    guard.clear_poison();
    ensure!(!guard.is_poisoned(), "it was said to be right");
    drop(guard);
    ensure_eq!(place.poisoned(NAME)?, [1, 2, 3], "the other blocks");
    theirs.write_block(1)?.fill(3);
    theirs.write_block(2)?.assign(&Array1::from_elem(2, 4));
    ensure_eq!(place.poisoned(NAME)?, [3], "the last block");
    ensure!(theirs.write_blocks(2..4)?.is_poisoned(), "one of two");
    ensure!(!theirs.write_blocks(0..3)?.is_poisoned(), "none of three");
    let mut guard = sharray::AnyArray::write(&theirs)?;
    ensure!(guard.is_poisoned(), "it is poisoned for all");
    guard.clear_poison();
    drop(guard);
    ensure_eq!(ours.read()?.to_vec(), [9, 1, 3, 3, 4, 4, 1, 1], "what was put right, and what was said to be");
    // Somebody who clears it and then panics has not put it right.
    let panics = || -> Result<()> {
        ours.write()?.clear_poison();
        let mut guard = ours.write_block(1)?;
        guard.fill(1);
        resume_unwind(Box::new("after all"))
    };
    ensure!(catch_unwind(AssertUnwindSafe(panics)).is_err(), "it did not panic");
    ensure_eq!(place.poisoned(NAME)?, [1], "poisoned blocks");
    Ok(())
}

/// A guard can be made to show less of what it lends; what it does not show is as poisoned as before.
fn overwriting_a_part() -> Outcome {
    let place = place()?;
    let field = place.field()?;
    panic_in(&field, 0..BLOCKS)?;
    let mut guard = field.write()?;
    guard.slice_collapse(s![2..4]);
    guard.fill(5);
    guard.assign(&Array1::from_elem(2, 6));
    ensure!(guard.is_poisoned(), "most of it was not overwritten");
    drop(guard);
    ensure_eq!(place.poisoned(NAME)?, [0, 1, 2, 3], "poisoned blocks");
    let mut guard = field.write()?;
    guard.invert_axis(Axis(0));
    guard.assign(&Array1::from_iter(0..8));
    drop(guard);
    ensure_eq!(field.read()?.to_vec(), [7, 6, 5, 4, 3, 2, 1, 0], "all of it was overwritten, from behind");
    Ok(())
}

// ---------------------------------------------------------------- deaths

/// Child: writes half of some blocks, and waits to be killed.
fn write(task: &Task) -> Outcome {
    let field = builder(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    let mut guard = field.write_blocks(task.number(1)? as usize..task.number(2)? as usize)?;
    guard[0] = 9;
    task.say("writing")?;
    task.listen().map(drop)
}

/// Child: reads the whole and two parts, and waits to be killed.
fn read(task: &Task) -> Outcome {
    let field = builder(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    let _held = (field.read()?, field.read_block(1)?);
    forget(field.read_blocks(1..3)?);
    task.say("reading")?;
    task.listen().map(drop)
}

fn start_writing(place: &Place, blocks: [&str; 2]) -> Outcome<Child> {
    let child = Child::start("write", [place.path()?, blocks[0], blocks[1]])?;
    child.expect("writing")?;
    Ok(child)
}

/// Whoever comes first finds it out, whatever he came for, and in time: a call that does not wait as well.
fn a_killed_writer() -> Outcome {
    type Look = fn(&Field) -> Result<()>;
    let looks: [(&str, Look); 5] = [
        ("reads", |field| field.read().map(drop)),
        ("tries to read", |field| field.try_read().map(drop)),
        ("reads one block", |field| field.read_block(1).map(drop)),
        ("copies", |field| field.snapshot().map(drop)),
        ("tries to copy", |field| field.try_snapshot().map(drop)),
    ];
    for (what, look) in looks {
        let place = place()?;
        let field = place.field()?;
        let mut child = start_writing(&place, ["1", "3"])?;
        ensure!(matches!(field.try_read(), Err(Error::Locked { holders, .. }) if holders == [child.pid()]), "{what}");
        ensure_eq!(field.read_block(0)?.sum(), 2, "a block that nobody writes");
        child.kill()?;
        let told = look(&field);
        ensure!(is_poisoned(look(&field), 1), "who {what}: {told:?}");
        ensure!(is_poisoned(told, 1), "who {what} first");
        ensure_eq!((place.poisoned(NAME)?, field.sequence()), (vec![1, 2], 12), "blocks, {what}");
        ensure_eq!(place.directory.inspect(NAME)?.participants.len(), 1, "who is left, {what}");
    }
    let writes: [(&str, Look); 3] = [
        ("writes", |field| field.write().map(|mut guard| guard.clear_poison())),
        ("tries to write", |field| field.try_write().map(|mut guard| guard.clear_poison())),
        ("writes in time", |field| field.write_timeout(SOON).map(|mut guard| guard.clear_poison())),
    ];
    for (what, write) in writes {
        let place = place()?;
        let field = place.field()?;
        start_writing(&place, ["0", "2"])?.kill()?;
        write(&field)?;
        ensure_eq!(field.read()?.sum(), ROWS as u64 + 8, "what is there after somebody {what}");
    }
    Ok(())
}

/// It may not recover anybody, and nobody else is there to do it. It asks the kernel who lives.
fn an_onlooker() -> Outcome {
    let place = place()?;
    drop(place.field()?);
    let mut child = start_writing(&place, ["1", "2"])?;
    let onlooker = place.onlooker()?;
    let told = onlooker.read_timeout(Duration::from_millis(50));
    ensure!(matches!(told, Err(Error::TimedOut { .. })), "it lives: {told:?}");
    let info = place.directory.inspect(NAME)?;
    let told: Vec<_> = info.participants.iter().map(|one| (one.pid, one.is_alive, one.writes)).collect();
    ensure_eq!(told, [(child.pid(), true, 1)], "who writes");
    child.kill()?;
    ensure!(is_poisoned(onlooker.read(), 1), "it is dead");
    ensure!(is_poisoned(onlooker.read_timeout(SOON), 1), "it is dead");
    ensure!(is_poisoned(onlooker.snapshot(), 1), "it is dead");
    ensure!(is_poisoned(onlooker.read_block(1), 1), "it is dead");
    ensure_eq!(onlooker.read_block(2)?.sum(), 2, "a block that nobody writes");
    let info = place.directory.inspect(NAME)?;
    let told: Vec<_> = info.participants.iter().map(|one| (one.pid, one.is_alive, one.writes)).collect();
    ensure_eq!(told, [(child.pid(), false, 1)], "who died");
    place.attach()?.write()?.fill(1);
    ensure_eq!(onlooker.read()?.sum(), ROWS as u64, "what somebody has put right");
    Ok(())
}

fn waiting_for_the_dead() -> Outcome {
    let place = place()?;
    let field = place.field()?;
    let mut child = start_writing(&place, ["3", "4"])?;
    let seen = field.sequence();
    ensure_eq!(seen, 9, "a write is under way");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| field.wait_changed(seen, SOON));
        child.kill()?;
        let woken = waits.join().map_err(|_| "it panicked")?;
        ensure_eq!(woken?, 10, "the sequence: the write is over, though it did not come to the end");
        ensure!(is_poisoned(field.read(), 3), "as whoever reads is told");
        Ok(())
    })
}

fn killed_while_waiting() -> Outcome {
    let place = place()?;
    let field = place.field()?;
    let reading = field.read_block(2)?;
    let mut child = Child::start("write", [place.path()?, "1", "3"])?;
    wait_until("it waits for the reader", || {
        place.directory.inspect(NAME).is_ok_and(|info| info.participants.iter().any(|one| one.writes == 2))
    })?;
    child.sleeps()?;
    child.kill()?;
    ensure_eq!(
        std::thread::scope(|scope| scope.spawn(|| field.read().map(|all| all.sum())).join().map_err(|_| "panic"))??,
        ROWS as u64,
        "nothing was written"
    );
    drop(reading);
    let guard = field.write()?;
    ensure!(!guard.is_poisoned(), "nothing was written");
    drop(guard);
    ensure_eq!((place.poisoned(NAME)?, field.sequence()), (vec![], 16), "no block");
    Ok(())
}

fn a_killed_reader() -> Outcome {
    type Write = fn(&Field) -> Result<()>;
    let writes: [Write; 3] = [
        |field| field.write().map(drop),
        |field| field.try_write().map(drop),
        |field| field.write_block_timeout(2, SOON).map(drop),
    ];
    for write in writes {
        let place = place()?;
        let field = place.field()?;
        let mut child = Child::start("read", [place.path()?])?;
        child.expect("reading")?;
        ensure!(
            matches!(field.try_write(), Err(Error::Locked { holders, .. }) if holders == [child.pid()]),
            "it reads"
        );
        let told: Vec<_> =
            place.directory.inspect(NAME)?.participants.iter().map(|one| (one.pins, one.holds)).collect();
        ensure_eq!(told, [(0, 0), (0, 3)], "leases");
        child.kill()?;
        write(&field)?;
        ensure_eq!(field.read()?.sum(), ROWS as u64, "nothing was written");
    }
    Ok(())
}

/// A writer has to wait for every reader, and a reader for every writer, so each of them is named, once.
fn all_holders() -> Outcome {
    let place = place()?;
    let field = place.field()?;
    let readers = [Child::start("read", [place.path()?])?, Child::start("read", [place.path()?])?];
    readers.iter().try_for_each(|child| child.expect("reading"))?;
    let mut pids = readers.each_ref().map(Child::pid);
    pids.sort_unstable();
    let locked = field.try_write().map(drop);
    ensure!(matches!(&locked, Err(Error::Locked { holders, .. }) if *holders == pids), "{locked:?} for {pids:?}");
    drop(readers);
    let writers =
        [start_writing(&place, ["0", "1"])?, start_writing(&place, ["1", "2"])?, start_writing(&place, ["2", "4"])?];
    let mut pids = writers.each_ref().map(Child::pid);
    pids.sort_unstable();
    let locked = field.try_read().map(drop);
    ensure!(matches!(&locked, Err(Error::Locked { holders, .. }) if *holders == pids), "{locked:?} for {pids:?}");
    let locked = field.try_write_block(1).map(drop);
    ensure!(matches!(&locked, Err(Error::Locked { holders, .. }) if *holders == [writers[1].pid()]), "{locked:?}");
    Ok(())
}

// ---------------------------------------------------------------- copies of the file

fn copied_poison() -> Outcome {
    let place = place()?;
    let field = place.field()?;
    panic_in(&field, 1..2)?;
    place.copy("copy")?;
    field.write_block(1)?.clear_poison();
    ensure_eq!(place.poisoned("copy")?, [1], "what is told of the copy before anybody opens it");
    let copy = builder(&place.directory).attach("copy")?;
    ensure!(matches!(copy.read(), Err(Error::Poisoned { block: 1, .. })), "it is poisoned");
    ensure_eq!((copy.read_block(0)?.sum(), copy.sequence()), (2, field.sequence() - 2), "the rest of the copy");
    copy.write()?.fill(5);
    drop(copy);
    let copy = builder(&place.directory).attach("copy")?;
    ensure_eq!((copy.read()?.sum(), field.read()?[2]), (40, 9), "each has its own");
    Ok(())
}

fn copied_write() -> Outcome {
    let place = place()?;
    let field = place.field()?;
    let (writing, reading) = (field.write_blocks(2..4)?, ());
    place.copy("copy")?;
    drop(writing);
    let reading_too = (field.read()?, reading);
    place.copy("whole")?;
    ensure_eq!(place.directory.inspect("copy")?.participants.len(), 0, "nobody of the original is in the copy");
    let copy = builder(&place.directory).attach("copy")?;
    ensure!(matches!(copy.read(), Err(Error::Poisoned { block: 2, .. })), "half of it may be written");
    ensure_eq!((place.poisoned("copy")?, copy.sequence()), (vec![2, 3], 12), "the copy");
    let mut guard = copy.write()?;
    ensure!(guard.is_poisoned(), "the writer is told");
    guard.clear_poison();
    drop(guard);
    ensure_eq!(copy.read()?.sum(), ROWS as u64, "the copy");
    // Readers of the original keep nobody out of the copy.
    let whole = builder(&place.directory).attach("whole")?;
    whole.try_write()?.fill(3);
    ensure_eq!((whole.read()?.sum(), reading_too.0.sum()), (3 * ROWS as u64, ROWS as u64), "each has its own");
    Ok(())
}

// ---------------------------------------------------------------- cells

/// Child: has the role of a cell's writer, stores one value, and waits to be killed.
fn store(task: &Task) -> Outcome {
    let cell = SharedCell::<[u64; 9]>::builder().directory(&Directory::open(task.arg(0)?)?).attach(NAME)?;
    let mut writer = cell.writer()?;
    writer.store([7; 9]);
    task.say("stored")?;
    task.listen().map(drop)
}

fn cells() -> Outcome {
    let place = place()?;
    let cells = || SharedCell::<[u64; 9]>::builder().directory(&place.directory);
    let cell = cells().create(NAME, [1; 9])?;
    for stores in 2..5 {
        let panics = || -> Result<()> {
            let mut writer = cell.writer()?;
            writer.store([stores; 9]);
            resume_unwind(Box::new("with the role"))
        };
        ensure!(catch_unwind(AssertUnwindSafe(panics)).is_err(), "it did not panic");
        ensure_eq!((cell.load(), cell.sequence()), ([stores; 9], stores), "a panic changes nothing");
        // With an odd sequence as with an even one: a copy has the newest value.
        let name = format!("copy-{stores}");
        place.copy(&name)?;
        let copy = cells().attach(&name)?;
        ensure_eq!((copy.load(), copy.sequence()), ([stores; 9], stores), "the copy");
        copy.store([0; 9])?;
        ensure_eq!((copy.load(), cell.load()), ([0; 9], [stores; 9]), "each has its own");
    }
    let mut child = Child::start("store", [place.path()?])?;
    child.expect("stored")?;
    let held = cell.try_store([8; 9]);
    ensure!(
        matches!(&held, Err(Error::Locked { holders, .. }) if *holders == [child.pid()]),
        "it has the role: {held:?}"
    );
    let late = cell.store_timeout([8; 9], Duration::from_millis(50));
    ensure!(matches!(late, Err(Error::TimedOut { .. })), "it has the role: {late:?}");
    place.copy("held")?;
    let copy = cells().attach("held")?;
    copy.try_store([6; 9])?;
    ensure_eq!(copy.load(), [6; 9], "nobody of the original has the copy's role");
    child.kill()?;
    ensure_eq!(cell.load(), [7; 9], "what it left");
    cell.try_store([8; 9])?;
    ensure_eq!((cell.load(), cell.sequence(), place.poisoned(NAME)?), ([8; 9], 6, vec![]), "the role is free");
    Ok(())
}
