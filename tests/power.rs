//! A loss of power at any moment leaves a frame that is whole and no older than the last one that was confirmed; of a table, all
//! rows that were confirmed.
//!
//! Between two syncs the kernel writes what was changed whenever it likes and in any order, or not at all, and a disk
//! writes sectors. So a run of a stream or a table is recorded: each sector of its file whenever it changes, and each sync. From
//! that follow all files that a loss of power could have left at any point of the run, far too many to try: at every
//! point those where nothing, everything, all but one sector and just one sector was written, and others by chance.
//! Each is opened as it would be after the reboot. Some of them go on from there, with a cold open that is recorded like
//! the rest, to the next loss of power.
//!
//! `SHARRAY_IMAGES` says how many files, `SHARRAY_SEED` which ones: `cargo xtask power`.

mod support;

use ndarray::{Ix1, Ix2};
use sharray::{Directory, Error, Frame, GrowableArray, GrowableBuilder, Publisher, PublisherBuilder, Subscriber};
use std::cell::RefCell;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use support::{Outcome, Test, ensure, main as run, stream};

type Writer = Publisher<u64, Ix1>;

/// What a disk writes at a time.
const SECTOR: usize = 512;
const NAME: &str = "stream";
/// Losses of power one after another.
const GENERATIONS: usize = 3;

fn main() -> ExitCode {
    run(
        &[],
        vec![
            // Slots that share sectors, and slots that start on pages.
            Test::new("power_is_lost_under_small_frames", || lose_power(&stream_of::<100>())).within(36_000),
            Test::new("power_is_lost_under_large_frames", || lose_power(&stream_of::<1100>())).within(36_000),
            // Rows that share sectors with those that are durable.
            Test::new("power_is_lost_under_a_table", || lose_power(&TABLE)).within(36_000),
        ],
    )
}

fn number(variable: &str, default: u64) -> Outcome<u64> {
    std::env::var(variable).map_or(Ok(default), |text| Ok(text.parse()?))
}

/// Numbers by chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(1);
        (stream::word(self.0, 7) % end as u64) as usize
    }
}

/// What became of a file: what each sector held since it was last synced, the oldest of which is on the disk for sure.
struct Recorder {
    file: File,
    len: usize,
    sectors: Vec<Vec<Rc<[u8; SECTOR]>>>,
    /// At each step: which sectors could hold what, and what had been confirmed by then.
    points: Vec<Point>,
    confirmed: u64,
    written: bool,
}

/// One moment of the run: what may be in each sector.
#[derive(Clone)]
struct Point {
    len: usize,
    sectors: Vec<Vec<Rc<[u8; SECTOR]>>>,
    confirmed: u64,
}

impl Recorder {
    fn new(path: &Path, confirmed: u64) -> Outcome<Rc<RefCell<Self>>> {
        let file = File::open(path)?;
        let len = file.metadata()?.len() as usize;
        let sectors = vec![Vec::new(); len.div_ceil(SECTOR)];
        let mut recorder = Self { file, len, sectors, points: Vec::new(), confirmed, written: true };
        recorder.look();
        Ok(Rc::new(RefCell::new(recorder)))
    }

    /// Looks at the file, and remembers what changed.
    fn look(&mut self) {
        let mut bytes = vec![0; self.sectors.len() * SECTOR];
        let len = self.file.read_at(&mut bytes, 0).expect("a file in memory can be read");
        assert_eq!(len, self.len, "the file is as long as it was");
        for (sector, bytes) in self.sectors.iter_mut().zip(bytes.chunks_exact(SECTOR)) {
            if sector.last().is_none_or(|last| last[..] != *bytes) {
                sector.push(Rc::new(bytes.try_into().expect("a sector")));
                self.written = true;
            }
        }
        if std::mem::take(&mut self.written) {
            self.points.push(Point { len: self.len, sectors: self.sectors.clone(), confirmed: self.confirmed });
        }
    }

    fn synced(&mut self, range: &Range<u64>) {
        self.look();
        for (at, sector) in self.sectors.iter_mut().enumerate() {
            let start = (at * SECTOR) as u64;
            if range.start < start + SECTOR as u64 && start < range.end {
                sector.drain(..sector.len() - 1);
            }
        }
        self.written = true;
        self.look();
    }

    fn confirm(&mut self, sequence: u64) {
        self.confirmed = sequence;
        self.written = true;
        self.look();
    }
}

/// What is recorded.
struct Subject {
    what: &'static str,
    create: fn(&Directory) -> Outcome,
    /// What is found: it is checked, and its number returned.
    find: fn(&Directory, u64) -> Outcome<u64>,
    /// Uses it by chance.
    work: fn(&Directory, &Rc<RefCell<Recorder>>, &mut Chance) -> Outcome,
}

fn stream_of<const LEN: usize>() -> Subject {
    Subject {
        what: if LEN < 512 { "small frames" } else { "large frames" },
        create: |place| {
            writers(place).create(NAME, [LEN])?;
            Ok(())
        },
        find: |place, confirmed| {
            let found = newest(&Subscriber::<u64, Ix1>::builder().directory(place).attach(NAME)?)?;
            ensure!(found >= confirmed, "frame {found} is found, and {confirmed} was confirmed");
            Ok(found)
        },
        work,
    }
}

/// Runs `act` while each step of this thread is recorded.
fn recording<R>(recorder: &Rc<RefCell<Recorder>>, act: impl FnOnce() -> R) -> R {
    let watching = Rc::clone(recorder);
    sharray::watch(Some(Box::new(move |synced| match synced {
        Some(range) => watching.borrow_mut().synced(&range),
        None => watching.borrow_mut().look(),
    })));
    let done = act();
    sharray::watch(None);
    done
}

fn writers(place: &Directory) -> PublisherBuilder<Writer> {
    Writer::builder().directory(place).history(2).slots(5).participants(4)
}

/// Tells one filling of a frame from all others: sequences come again after a loss of power.
static FILLINGS: AtomicU64 = AtomicU64::new(0);

fn publish(writer: &mut Writer, recorder: &RefCell<Recorder>) -> Outcome {
    let filling = FILLINGS.fetch_add(1, Relaxed) + 1;
    let mut loan = match writer.try_loan() {
        Ok(loan) => loan,
        Err(Error::NoFreeSlot { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let sequence = loan.sequence();
    loan.set_tags([sequence, filling]);
    let len = loan.as_mut_slice().len();
    for part in [0..len / 2, len / 2..len] {
        for at in part {
            loan.as_mut_slice()[at] = stream::word(filling, at);
        }
        recorder.borrow_mut().look();
    }
    loan.publish();
    Ok(())
}

fn check(frame: &Frame<u64, Ix1>) -> Outcome {
    let [sequence, filling] = frame.tags();
    ensure!(sequence == frame.sequence(), "frame {} has the tags of frame {sequence}", frame.sequence());
    for (at, word) in frame.as_slice().iter().enumerate() {
        ensure!(*word == stream::word(filling, at), "word {at} of frame {sequence} is another frame's");
    }
    Ok(())
}

/// The newest frame of a stream that was opened; 0 if it has none.
fn newest(reader: &Subscriber<u64, Ix1>) -> Outcome<u64> {
    let Some(frame) = reader.latest()? else { return Ok(0) };
    check(&frame)?;
    Ok(frame.sequence())
}

/// Publishes, commits, holds frames, gives up and goes on, by chance.
fn work(place: &Directory, recorder: &Rc<RefCell<Recorder>>, chance: &mut Chance) -> Outcome {
    let reader = Subscriber::<u64, Ix1>::builder().directory(place).attach(NAME)?;
    let mut writer = Some(writers(place).attach(NAME)?);
    let mut held = Vec::new();
    for _ in 0..20 {
        let writer = match &mut writer {
            Some(writer) => writer,
            none => none.insert(writers(place).attach(NAME)?),
        };
        match chance.below(10) {
            0..=5 => publish(writer, recorder)?,
            6..=7 => {
                let sequence = writer.commit()?;
                let confirmed = recorder.borrow().confirmed;
                ensure!(sequence >= confirmed, "frame {sequence} is confirmed after frame {confirmed}");
                recorder.borrow_mut().confirm(sequence);
            }
            8 => {
                held.truncate(1);
                held.extend(reader.latest()?);
            }
            _ => drop(writer.try_loan()),
        }
    }
    held.iter().try_for_each(check)
}

/// Opens the file that is left, as after a reboot. Returns what it found.
fn open(subject: &Subject, path: &Path, image: &[u8], confirmed: u64) -> Outcome<u64> {
    fs::write(path, image)?;
    let place = Directory::open(path.parent().ok_or("it is in a folder")?)?;
    let found = (subject.find)(&place, confirmed)?;
    fs::remove_file(path)?;
    Ok(found)
}

/// Rows of odd sizes. The table is refilled after each loss of power, so each row tells its filling.
const TABLE: Subject = Subject {
    what: "a table",
    create: |place| {
        FILLED.take();
        tables(place).create(NAME, [0, ROW])?;
        Ok(())
    },
    find: |place, confirmed| find_rows(&tables(place).attach(NAME)?, confirmed),
    work: append_on,
};

const ROW: usize = 7;

thread_local! {
    /// The fillings of the rows that were found or confirmed last.
    static FILLED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

type Table = GrowableArray<u64, Ix2>;

fn tables(place: &Directory) -> GrowableBuilder<Table> {
    Table::builder().directory(place).participants(4).max_len(400)
}

/// The rows of a table that was opened are whole, and of those that were confirmed none is missing and none another.
fn find_rows(table: &Table, confirmed: u64) -> Outcome<u64> {
    let rows = table.view()?;
    ensure!(rows.nrows() as u64 >= confirmed, "{} rows are found, and {confirmed} were confirmed", rows.nrows());
    for (at, row) in rows.rows().into_iter().enumerate() {
        ensure!(row.iter().enumerate().all(|(i, word)| *word == row_word(row[0], i)), "row {at} is half another");
        let filling = FILLED.with_borrow(|filled| filled.get(at).copied());
        ensure!(
            at as u64 >= confirmed || filling == Some(row[0]),
            "row {at} is of filling {}, not {filling:?}",
            row[0]
        );
    }
    Ok(rows.nrows() as u64)
}

fn row_word(filling: u64, at: usize) -> u64 {
    if at == 0 { filling } else { stream::word(filling, at) }
}

/// Appends, commits, gives up and goes on, by chance.
fn append_on(place: &Directory, recorder: &Rc<RefCell<Recorder>>, chance: &mut Chance) -> Outcome {
    let confirm = |table: &Table, len: u64| -> Outcome {
        let rows = table.rows(0..len as usize)?;
        FILLED.set(rows.column(0).to_vec());
        recorder.borrow_mut().confirm(len);
        Ok(())
    };
    let mut table = tables(place).attach(NAME)?;
    // What was found is as good as confirmed.
    let found = recorder.borrow().confirmed;
    confirm(&table, found)?;
    for _ in 0..20 {
        match chance.below(10) {
            0..=5 => {
                let count = chance.below(9);
                table.append_with(count, None, |bytes| -> Outcome {
                    for row in bytes.chunks_exact_mut(8 * ROW) {
                        let filling = FILLINGS.fetch_add(1, Relaxed) + 1;
                        for (at, word) in row.chunks_exact_mut(8).enumerate() {
                            word.copy_from_slice(&row_word(filling, at).to_ne_bytes());
                        }
                        recorder.borrow_mut().look();
                    }
                    Ok(())
                })?;
            }
            6..=8 => {
                let len = table.commit()? as u64;
                ensure!(len == table.len() as u64, "{len} rows are confirmed of {}", table.len());
                confirm(&table, len)?;
            }
            _ => table = tables(place).attach(NAME)?,
        }
    }
    Ok(())
}

/// What was written of what could be.
#[derive(Clone, Copy, Debug)]
enum Written {
    Nothing,
    Everything,
    AllBut(usize),
    Just(usize),
    ByChance,
}

fn image(point: &Point, written: Written, chance: &mut Chance) -> Vec<u8> {
    let mut image = Vec::with_capacity(point.sectors.len() * SECTOR);
    for (at, versions) in point.sectors.iter().enumerate() {
        let last = versions.len() - 1;
        let version = match written {
            Written::Nothing => 0,
            Written::Everything => last,
            Written::AllBut(sector) => {
                if at == sector {
                    0
                } else {
                    last
                }
            }
            Written::Just(sector) => {
                if at == sector {
                    last
                } else {
                    0
                }
            }
            Written::ByChance => chance.below(versions.len()),
        };
        image.extend_from_slice(&versions[version][..]);
    }
    image.truncate(point.len);
    image
}

/// Tries what can be left at one point. Returns one of the files.
fn try_point(subject: &Subject, path: &Path, point: &Point, chance: &mut Chance) -> Outcome<(Vec<u8>, u64)> {
    let open_sectors: Vec<usize> = (0..point.sectors.len()).filter(|at| point.sectors[*at].len() > 1).collect();
    let mut all = vec![Written::Nothing, Written::Everything];
    for _ in 0..2 {
        if !open_sectors.is_empty() {
            let sector = |chance: &mut Chance| open_sectors[chance.below(open_sectors.len())];
            all.extend([Written::AllBut(sector(chance)), Written::Just(sector(chance))]);
        }
    }
    all.extend((0..4).map(|_| Written::ByChance));
    let mut left = (Vec::new(), 0);
    for written in all {
        let image = image(point, written, chance);
        open(subject, path, &image, point.confirmed).map_err(|error| format!("{written:?}: {error}"))?;
        left = (image, point.confirmed);
    }
    Ok(left)
}

/// A fresh file, or what a loss of power left, is opened and worked with, and the power is lost again.
fn generation(subject: &Subject, left: Option<&(Vec<u8>, u64)>, seed: u64) -> Outcome<(u64, (Vec<u8>, u64))> {
    let mut chance = Chance(seed.wrapping_mul(1 << 32));
    let folder = stream::fresh_folder()?;
    let place = Directory::open(folder.path())?;
    let path = folder.path().join(NAME);
    let confirmed = left.map_or(0, |(_, confirmed)| *confirmed);
    match left {
        Some((image, _)) => fs::write(&path, image)?,
        None => (subject.create)(&place)?,
    }
    let recorder = Recorder::new(&path, confirmed)?;
    recording(&recorder, || {
        // What is found is as good as confirmed: whoever found it will not find less.
        let found = (subject.find)(&place, confirmed)?;
        recorder.borrow_mut().confirm(found);
        (subject.work)(&place, &recorder, &mut chance)
    })?;
    let points = std::mem::take(&mut recorder.borrow_mut().points);
    let elsewhere = folder.path().join("after");
    fs::create_dir(&elsewhere)?;
    let after: PathBuf = elsewhere.join(NAME);
    let kept = chance.below(points.len());
    let (mut images, mut next) = (0, None);
    for (at, point) in points.iter().enumerate() {
        let opened = try_point(subject, &after, point, &mut chance)
            .map_err(|error| format!("seed {seed}, point {at} of {}: {error}", points.len()))?;
        images += 10;
        if at == kept {
            next = Some(opened);
        }
    }
    Ok((images, next.ok_or("there was a point")?))
}

fn lose_power(subject: &Subject) -> Outcome {
    let (wanted, first) = (number("SHARRAY_IMAGES", 5_000)?, number("SHARRAY_SEED", 1)?);
    let (mut images, mut seed) = (0, first);
    while images < wanted {
        let mut left = None;
        for _ in 0..GENERATIONS {
            let (tried, next) = generation(subject, left.as_ref(), seed)?;
            images += tried;
            seed += 1;
            left = Some(next);
        }
    }
    eprintln!("{}: {images} files opened, in {} runs from seed {first}", subject.what, seed - first);
    Ok(())
}
