//! A file that is cut short while it is mapped: whoever touches what is gone gets `Truncated`, and lives.
//!
//! Nobody who follows the protocol shortens a file, but `cp` does, and an editor, and `np.memmap(..., mode="w+")`. So each
//! operation is tried on files that were cut at each of their pages, the control words among them: it must come back, with
//! `Truncated` if anything it needs is gone. Nothing may hang, since the words that it waits for are zeros of its own by then,
//! and nothing may be published or called whole that others cannot see.

mod support;

use ndarray::{Ix1, Ix2};
use sharray::{AnyPublisher, Directory, Error, GrowableArray, Mode, SharedArray, SharedCell, survive_truncation};
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;
use support::child::{Child, Task};
use support::stream;
use support::{Outcome, Roles, Test, ensure, ensure_eq, main as run};
use tempfile::TempDir;

const ROLES: Roles = &[
    ("arrays", arrays),
    ("read-only arrays", read_only_arrays),
    ("cells", cells),
    ("tables", tables),
    ("streams", streams),
    ("onlookers", onlookers),
    ("waiters", waiters),
    ("guards", guards),
    ("plain files", plain_files),
    ("attach meanwhile", attach_meanwhile),
    ("unprotected", unprotected),
];

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("every_use_of_an_array_in_place", || in_child("arrays")),
            Test::new("every_use_of_an_array_that_may_only_be_read", || in_child("read-only arrays")),
            Test::new("every_use_of_a_cell", || in_child("cells")),
            Test::new("every_use_of_a_table", || in_child("tables")),
            Test::new("every_use_of_a_stream", || in_child("streams")),
            Test::new("every_use_of_a_stream_that_may_only_be_read", || in_child("onlookers")),
            Test::new("those_who_sleep_are_told", || in_child("waiters")),
            Test::new("what_was_lent_is_known_to_be_worthless", || in_child("guards")),
            Test::new("plain_files", || in_child("plain files")),
            Test::new("attaching_at_the_moment_of_the_cut", || in_child("attach meanwhile")),
            Test::new("who_does_not_ask_for_it_dies_as_ever", dies_as_ever),
        ],
    )
}

fn in_child(role: &str) -> Outcome {
    Child::start(role, [""; 0])?.succeed()
}

const NAME: &str = "a";
const PAGE: u64 = 4096;

/// A folder with one array in it.
struct Place {
    _folder: TempDir,
    directory: Directory,
}

impl Place {
    fn new() -> Outcome<Self> {
        let folder = stream::fresh_folder()?;
        Ok(Self { directory: Directory::open(folder.path())?, _folder: folder })
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(NAME)
    }

    fn len(&self) -> Outcome<u64> {
        Ok(self.path().metadata()?.len())
    }

    fn cut(&self, len: u64) -> Outcome {
        Ok(File::options().write(true).open(self.path())?.set_len(len)?)
    }
}

/// What a use of an array came to: it must be `Truncated` with the length that was left, if anything is.
fn check(outcome: sharray::Result<()>, what: &str, len: u64, whole: u64) -> Outcome<bool> {
    match outcome {
        Ok(()) => Ok(false),
        Err(Error::Truncated { found, expected, .. }) => {
            ensure_eq!((found, expected), (len, whole), "{what}: what the error tells");
            Ok(true)
        }
        Err(error) => Err(format!("{what}, cut to {len} bytes: {error}").into()),
    }
}

/// Tries a use on a new array that is cut to nothing, and to each number of whole pages. It must be told in the first case;
/// and once it was told, it is told for ever.
fn at_each_page<H>(
    what: &str,
    make: impl Fn(&Directory) -> Outcome<H>,
    mut act: impl FnMut(&mut H) -> sharray::Result<()>,
) -> Outcome {
    let mut told = 0;
    for page in 0.. {
        let place = Place::new()?;
        let mut handle = make(&place.directory)?;
        let whole = place.len()?;
        if page * PAGE >= whole {
            break;
        }
        place.cut(page * PAGE)?;
        let is_told = check(act(&mut handle), what, page * PAGE, whole)?;
        ensure!(is_told || page > 0, "{what}: nothing is left of the file, and nobody says so");
        if is_told {
            told += 1;
            ensure!(check(act(&mut handle), what, page * PAGE, whole)?, "{what}: it is said again");
        }
        drop(handle);
    }
    ensure!(told > 0, "{what}: it was told at least once");
    Ok(())
}

type Field = SharedArray<u64, Ix2>;

/// Three pages in three blocks.
fn field(place: &Directory) -> Outcome<Field> {
    let field = Field::builder().directory(place).participants(4).blocks(3).create(NAME, [3, 512])?;
    field.write()?.fill(1);
    Ok(field)
}

fn sum(guard: &ndarray::ArrayRef<u64, Ix2>) -> u64 {
    guard.iter().sum()
}

fn arrays(_task: &Task) -> Outcome {
    survive_truncation()?;
    at_each_page("snapshot", field, |field| field.snapshot().map(drop))?;
    at_each_page("read", field, |field| field.read().map(drop))?;
    at_each_page("read and look", field, |field| {
        let guard = field.read()?;
        std::hint::black_box(sum(&guard));
        field.check_whole()
    })?;
    at_each_page("read_block", field, |field| field.read_block(2).map(drop))?;
    at_each_page("write", field, |field| {
        field.write()?.fill(2);
        field.check_whole()
    })?;
    at_each_page("write_block", field, |field| {
        field.write_block(1)?.fill(2);
        field.check_whole()
    })?;
    at_each_page("try_write", field, |field| field.try_write().map(drop))?;
    at_each_page("read_into", field, |field| field.read_into(&mut ndarray::Array2::zeros([3, 512])))?;
    at_each_page("flush", field, |field| {
        field.write()?;
        field.flush()
    })?;
    at_each_page("wait_changed", field, |field| match field.wait_changed(1000, Duration::from_millis(1)) {
        Err(Error::TimedOut { .. }) => Ok(()),
        done => done.map(drop),
    })?;
    at_each_page("read_owned", field, |field| field.read_owned(0..3, None).map(drop))?;
    at_each_page("write_owned", field, |field| {
        drop(field.write_owned(0..2, None)?);
        field.check_whole()
    })
}

fn read_only_arrays(_task: &Task) -> Outcome {
    survive_truncation()?;
    let make = |place: &Directory| {
        drop(field(place)?);
        Ok(Field::builder().directory(place).read_only().attach(NAME)?)
    };
    at_each_page("snapshot", make, |field| field.snapshot().map(drop))?;
    at_each_page("read", make, |field| field.read().map(drop))?;
    at_each_page("read_block", make, |field| field.read_block(2).map(drop))?;
    at_each_page("wait_changed", make, |field| match field.wait_changed(1000, Duration::from_millis(1)) {
        Err(Error::TimedOut { .. }) => Ok(()),
        done => done.map(drop),
    })
}

fn cells(_task: &Task) -> Outcome {
    survive_truncation()?;
    let make = |place: &Directory| Ok(SharedCell::<[u64; 600]>::builder().directory(place).create(NAME, [7; 600])?);
    at_each_page("load", make, |cell| {
        std::hint::black_box(cell.load());
        cell.check_whole()
    })?;
    at_each_page("load_into", make, |cell| cell.load_into(&mut [0; 4800]))?;
    at_each_page("store", make, |cell| cell.store([8; 600]))?;
    at_each_page("writer", make, |cell| {
        cell.writer()?.store([8; 600]);
        cell.check_whole()
    })?;
    at_each_page("wait_changed", make, |cell| match cell.wait_changed(1000, Duration::from_millis(1)) {
        Err(Error::TimedOut { .. }) => Ok(()),
        done => done.map(drop),
    })
}

type Table = GrowableArray<u64, Ix2>;

/// Three pages of rows, and room for as many more.
fn table(place: &Directory) -> Outcome<Table> {
    let table = Table::builder().directory(place).participants(4).max_len(6).create(NAME, [0, 512])?;
    table.append(&ndarray::Array2::ones([3, 512]))?;
    Ok(table)
}

fn tables(_task: &Task) -> Outcome {
    survive_truncation()?;
    let look = |table: &mut Table| {
        std::hint::black_box(sum(&table.view()?));
        table.check_whole()
    };
    at_each_page("view", table, look)?;
    at_each_page("rows", table, |table| table.rows(1..2).map(drop))?;
    at_each_page("append", table, |table| table.append(&ndarray::Array2::ones([1, 512])).map(drop))?;
    at_each_page("commit", table, |table| table.commit().map(drop))?;
    at_each_page("wait_len", table, |table| match table.wait_len(4, Duration::from_millis(1)) {
        Err(Error::TimedOut { .. }) => Ok(()),
        done => done.map(drop),
    })?;
    let onlooker = |place: &Directory| {
        drop(table(place)?);
        Ok(Table::builder().directory(place).read_only().attach(NAME)?)
    };
    at_each_page("view of an onlooker", onlooker, look)?;
    the_rest_of_a_table()
}

/// Rows that are gone are zeros, and rows that would be nowhere are not appended: the file does not grow again for them.
fn the_rest_of_a_table() -> Outcome {
    let place = Place::new()?;
    let table = Table::builder().directory(&place.directory).max_len(1000).create(NAME, [0, 512])?;
    table.append(&ndarray::Array2::ones([200, 512]))?;
    let (whole, cut) = (place.len()?, place.len()? - 801 * PAGE);
    let view = table.view()?;
    place.cut(cut)?;
    let more = table.append(&ndarray::Array2::ones([500, 512])).map(drop);
    ensure!(check(more, "append", cut, whole)?, "no room is made behind the new end");
    ensure_eq!(place.len()?, cut, "the length of the file");
    ensure_eq!(sum(&view), 199 * 512, "what is left, with zeros for what is gone");
    ensure!(check(table.check_whole(), "check_whole", cut, whole)?, "it is known while the view lives");
    Ok(())
}

fn published(place: &Directory) -> Outcome<stream::Writer> {
    let mut writer = stream::writer(place).create(NAME, [stream::WORDS])?;
    for _ in 0..4 {
        stream::publish(&mut writer)?;
    }
    Ok(writer)
}

fn streams(_task: &Task) -> Outcome {
    survive_truncation()?;
    at_each_page("loan", published, |writer| writer.loan().map(drop))?;
    at_each_page("loan and fill", published, |writer| {
        let mut loan = writer.try_loan()?;
        stream::fill(&mut loan);
        match loan.publish() {
            // It was not published, and the next loan says why.
            0 => writer.try_loan().map(drop),
            _ => Ok(()),
        }
    })?;
    let any = |place: &Directory| {
        drop(published(place)?);
        Ok(AnyPublisher::builder().directory(place).attach(NAME)?)
    };
    at_each_page("publish_owned", any, |writer| {
        let mut loan = writer.loan_owned(None)?;
        // SAFETY: the loan has so many bytes, and lives.
        #[allow(unsafe_code, reason = "it is filled by address, as bindings do")]
        unsafe {
            loan.as_mut_ptr().write_bytes(1, 8 * stream::WORDS);
        }
        writer.publish_owned(loan, None).map(drop)
    })?;
    let reading = |place: &Directory| {
        let writer = published(place)?;
        Ok((stream::reader(place).from_oldest().attach(NAME)?, writer))
    };
    let lossless = |place: &Directory| {
        let writer = published(place)?;
        Ok((stream::reader(place).from_oldest().lossless().attach(NAME)?, writer))
    };
    at_each_page("latest", reading, |(reader, _)| match reader.latest()? {
        Some(frame) => {
            std::hint::black_box(frame.view().sum());
            frame.check_whole()
        }
        None => Ok(()),
    })?;
    at_each_page("try_recv", reading, |(reader, _)| reader.try_recv().map(drop))?;
    at_each_page("lossless try_recv", lossless, |(reader, _)| reader.try_recv().map(drop))?;
    at_each_page("recv", lossless, |(reader, _)| match reader.recv_timeout(Duration::from_millis(1)) {
        Err(Error::TimedOut { .. }) => Ok(()),
        done => done.map(drop),
    })
}

fn onlookers(_task: &Task) -> Outcome {
    survive_truncation()?;
    let make = |place: &Directory| {
        let writer = published(place)?;
        Ok((stream::reader(place).from_oldest().read_only().attach(NAME)?, writer))
    };
    at_each_page("latest", make, |(reader, _)| reader.latest().map(drop))?;
    at_each_page("try_recv", make, |(reader, _)| reader.try_recv().map(drop))
}

/// Child: waits without limit for what never comes, and is told when the file is cut: the words that it sleeps on are gone.
fn waiters(_task: &Task) -> Outcome {
    survive_truncation()?;
    for round in 0..5 {
        let place = Place::new()?;
        let writer = published(&place.directory)?;
        let whole = place.len()?;
        let mut waiting = Vec::new();
        for lossless in [false, true] {
            let builder = stream::reader(&place.directory);
            let mut reader = if lossless { builder.lossless() } else { builder }.attach(NAME)?;
            waiting.push(("recv", thread::spawn(move || reader.recv().map(drop))));
        }
        let mut onlooker = stream::reader(&place.directory).read_only().attach(NAME)?;
        waiting.push(("recv of an onlooker", thread::spawn(move || onlooker.recv().map(drop))));
        let many = [(); 2].map(|()| stream::reader(&place.directory).attach(NAME));
        let [one, other] = many;
        let (one, other) = (one?, other?);
        waiting.push(("wait_any", thread::spawn(move || sharray::wait_any(&[&one, &other], None).map(drop))));
        // Asleep, or about to.
        thread::sleep(Duration::from_millis(20 * round));
        place.cut(0)?;
        for (what, thread) in waiting {
            let outcome = thread.join().map_err(|_| "it panicked")?;
            ensure!(check(outcome, what, 0, whole)?, "{what}: it ends without an error");
        }
        drop(writer);
    }
    let place = Place::new()?;
    let cell = SharedCell::<u64>::builder().directory(&place.directory).create(NAME, 1)?;
    let whole = place.len()?;
    let waiter = SharedCell::<u64>::builder().directory(&place.directory).attach(NAME)?;
    let thread = thread::spawn(move || waiter.wait_changed(waiter.sequence(), Duration::MAX).map(drop));
    thread::sleep(Duration::from_millis(20));
    place.cut(0)?;
    let outcome = thread.join().map_err(|_| "it panicked")?;
    ensure!(check(outcome, "wait_changed", 0, whole)?, "wait_changed: it ends without an error");
    drop(cell);
    // A writer that has the lock is waited for; when it goes, the one who gets it is told.
    let place = Place::new()?;
    let (field, other) = (field(&place.directory)?, Field::builder().directory(&place.directory).attach(NAME)?);
    let whole = place.len()?;
    let guard = field.write()?;
    let thread = thread::spawn(move || other.read().map(drop));
    thread::sleep(Duration::from_millis(20));
    place.cut(whole - 2 * PAGE)?;
    drop(guard);
    let outcome = thread.join().map_err(|_| "it panicked")?;
    // Its control words are there, and it did not look at the items.
    check(outcome, "read", whole - 2 * PAGE, whole).map(drop)
}

/// Child: what a guard or a frame lends turns to zeros; the guard's array says so while it lives, and nobody else is told that
/// what was written is whole.
fn guards(_task: &Task) -> Outcome {
    survive_truncation()?;
    let place = Place::new()?;
    let mine = field(&place.directory)?;
    let other = Field::builder().directory(&place.directory).attach(NAME)?;
    let (whole, cut) = (place.len()?, place.len()? - PAGE);
    let guard = mine.read()?;
    ensure_eq!(sum(&guard), 1536, "the sum before");
    place.cut(cut)?;
    let seen = sum(&guard);
    ensure!(seen < 1536, "some of it is gone: {seen}");
    ensure!(check(mine.check_whole(), "check_whole", cut, whole)?, "it is known while the guard lives");
    drop(guard);
    // The other one has seen nothing of it yet. What it writes is lost, so it must not count as written.
    let mut guard = other.write()?;
    guard.fill(3);
    ensure!(check(other.check_whole(), "check_whole", cut, whole)?, "it is known of the other attach");
    drop(guard);
    let third = Field::builder().directory(&place.directory).attach(NAME).map(drop);
    ensure!(check(third, "attach", cut, whole)?, "nobody attaches to what is left");
    place.cut(whole)?;
    let third = Field::builder().directory(&place.directory).attach(NAME)?;
    let poisoned = third.read().map(drop);
    ensure!(
        matches!(poisoned, Err(Error::Poisoned { .. })),
        "the write was lost, so the block is poisoned: {poisoned:?}"
    );
    third.write()?.fill(4);
    ensure_eq!(third.snapshot()?.sum(), 6144, "the sum once it was mended");
    ensure!(check(mine.read().map(drop), "read", cut, whole)?, "who lost the file has to attach anew");
    drop((mine, other, third));

    let place = Place::new()?;
    let mut writer = published(&place.directory)?;
    let reader = stream::reader(&place.directory).attach(NAME)?;
    let frame = reader.latest()?.ok_or("nothing was published")?;
    let mut loan = writer.try_loan()?;
    let whole = place.len()?;
    place.cut(0)?;
    std::hint::black_box(frame.view().sum());
    ensure!(check(frame.check_whole(), "check_whole", 0, whole)?, "the frame knows");
    stream::fill(&mut loan);
    ensure_eq!(loan.publish(), 0, "what is published of a file that is gone");
    Ok(())
}

/// Child: maps of plain files, of each mode, from an offset that is none of a page's, read and written behind the new end.
fn plain_files(_task: &Task) -> Outcome {
    survive_truncation()?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("data");
    let fresh = || std::fs::write(&path, vec![1; 5 * 4096 + 8]);
    let cut = |len| File::options().write(true).open(&path).and_then(|file| file.set_len(len));
    let whole = 5 * PAGE + 8;
    for len in [0, 8, PAGE, 2 * PAGE + 1, 4 * PAGE] {
        fresh()?;
        let map = sharray::memmap::<u8>(&path).offset(8).open()?;
        cut(len)?;
        let seen: u64 = map.view().iter().map(|item| u64::from(*item)).sum();
        ensure_eq!(seen, len.saturating_sub(8), "the items that are left of {len} bytes");
        ensure!(check(map.check_whole(), "a map to look at", len, whole)?, "it is known");
        ensure!(check(map.to_array::<u8, Ix1>().map(drop), "to_array", len, whole)?, "a copy says so");

        // Further in than a page, where the file's place is not the map's.
        fresh()?;
        let map = sharray::memmap::<u8>(&path).offset(PAGE + 8).open()?;
        cut(len)?;
        let seen: u64 = map.view().iter().map(|item| u64::from(*item)).sum();
        ensure_eq!(seen, len.saturating_sub(PAGE + 8), "the items that are left of {len} bytes");
        ensure!(check(map.check_whole(), "a map of the rest", len, whole)?, "it is known");

        fresh()?;
        let mut map = sharray::memmap::<u64>(&path).mode(Mode::ReadWrite).offset(8).open()?;
        cut(len)?;
        map.view_mut().fill(2);
        ensure!(check(map.flush(), "flush", len, whole)?, "what was written is not on the disk, and flush says so");
        ensure_eq!(path.metadata()?.len(), len, "the file's length");

        fresh()?;
        let mut map = sharray::memmap::<u64>(&path).mode(Mode::CopyOnWrite).offset(8).open()?;
        map.view_mut()[0] = 5;
        cut(len)?;
        map.view_mut()[2560 - 1] = 6;
        ensure!(check(map.check_whole(), "a private map", len, whole)?, "it is known");

        fresh()?;
        let map = sharray::memmap::<u8>(&path).open()?;
        cut(len)?;
        // From the end, and by several threads: each fault replaces what is behind it.
        thread::scope(|scope| {
            for thread in 0..4 {
                let view = map.view();
                scope.spawn(move || (0..view.len()).rev().skip(thread).map(|at| u64::from(view[at])).sum::<u64>());
            }
        });
        ensure!(check(map.check_whole(), "a map of several threads", len, whole)?, "it is known");
    }
    // So many pages, each of them a fault, that the kernel would refuse a map for each.
    let pages = 70_000;
    File::create(&path)?.set_len(2 * pages * PAGE)?;
    let map = sharray::memmap::<u8>(&path).open()?;
    cut(0)?;
    let step = usize::try_from(2 * PAGE)?;
    ensure!(map.view().iter().rev().step_by(step).all(|item| *item == 0), "every page that is gone is zeros");
    // More than the table has room for at first, and each is its own.
    fresh()?;
    let maps = (0..300).map(|_| sharray::memmap::<u8>(&path).open()).collect::<sharray::Result<Vec<_>>>()?;
    cut(PAGE)?;
    for (at, map) in maps.iter().enumerate() {
        let seen = map.view()[if at % 2 == 0 { 0 } else { 4 * 4096 }];
        ensure_eq!((seen, map.check_whole().is_err()), ((at % 2 == 0).into(), at % 2 == 1), "map {at}");
    }
    Ok(())
}

/// Child: attaches over and over while another thread cuts the file and mends it. Every answer is one of those that a broken
/// file gives, whenever it was broken.
fn attach_meanwhile(_task: &Task) -> Outcome {
    survive_truncation()?;
    let place = Place::new()?;
    let field = field(&place.directory)?;
    let bytes = std::fs::read(place.path())?;
    let path = place.path();
    let vandal = thread::spawn(move || -> std::io::Result<()> {
        for round in 0..300 {
            File::options().write(true).open(&path)?.set_len(round % 12 * PAGE)?;
            std::fs::write(&path, &bytes)?;
        }
        Ok(())
    });
    while !vandal.is_finished() {
        let attached = Field::builder().directory(&place.directory).attach(NAME);
        match attached.and_then(|field| field.try_read().map(drop)) {
            // The bytes that are written back say that somebody had it then: he may seem to write, or to have died writing.
            Ok(())
            | Err(
                Error::Truncated { .. }
                | Error::NotAnArray { .. }
                | Error::Corrupt { .. }
                | Error::Io { .. }
                | Error::TooManyParticipants { .. }
                | Error::Locked { .. }
                | Error::Poisoned { .. },
            ) => {}
            Err(error) => return Err(error.into()),
        }
    }
    vandal.join().map_err(|_| "it panicked")??;
    drop(field);
    Ok(())
}

/// Child: the same without having asked to survive it.
fn unprotected(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let field = field(&place)?;
    File::create(place.path().join(NAME))?;
    _ = field.snapshot();
    Err("it lives".into())
}

/// The handler is a choice: without it the kernel ends whoever touches what is gone. It shows that the others are not spared by
/// chance.
fn dies_as_ever() -> Outcome {
    let place = Place::new()?;
    let mut child = Child::start("unprotected", [place.directory.path()])?;
    let status = child.wait()?;
    ensure_eq!(status.signal(), Some(libc::SIGBUS), "what it died of");
    Ok(())
}
