//! A process killed at any point of a commit, of a cold open or of leaving as the last one loses nothing that was
//! confirmed, and stops nobody.
//!
//! A copy of the file is opened as the file itself would be after the machine had stopped at that moment with everything
//! written. It has the frame that was confirmed last, or the one whose commit was under way. Who goes on finishes that
//! commit, and may die of it. (What a disk may have that did not write everything is shown by `power.rs`.)

mod support;

use ndarray::Ix2;
use sharray::{Directory, Publisher, SharedArray};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use support::child::Task;
use support::field;
use support::steps::{Kill, Point, Point::Step, at_each_step, die_within};
use support::stream::{self, SLOTS, Writer};
use support::{Outcome, Roles, Test, ensure, ensure_eq, main as run};
use tempfile::TempDir;

const ROLES: Roles = &[("commit", commit), ("flush", flush)];

/// Its file stands in the folder itself, to be copied.
const NAME: &str = "field";
const COPY: &str = "copy";

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("killed_at_each_step_of_the_first_commit", || killed_committing(Step, "first", 0)),
            Test::new("killed_at_each_step_of_a_commit", || killed_committing(Step, "next", 1)),
            Test::new("killed_at_each_step_of_finishing_a_commit", killed_finishing).within(120),
            Test::new("killed_at_each_step_of_a_cold_open", || killed_opening(Step, false)),
            Test::new("killed_at_each_step_of_a_cold_open_that_passes_a_superblock_over", || {
                killed_opening(Step, true)
            }),
            Test::new("killed_at_each_step_of_leaving_as_the_last_one", || killed_leaving(Step))
                .lacking(no_disk())
                .within(120),
            Test::traced("killed_at_each_system_call_of_the_first_commit", || {
                killed_committing(Point::Call, "first", 0)
            }),
            Test::traced("killed_at_each_system_call_of_a_commit", || killed_committing(Point::Call, "next", 1)),
            Test::traced("killed_at_each_system_call_of_a_cold_open", || killed_opening(Point::Call, false)),
            Test::traced("killed_at_each_system_call_of_a_cold_open_that_passes_a_superblock_over", || {
                killed_opening(Point::Call, true)
            }),
            Test::traced("killed_at_each_system_call_of_leaving_as_the_last_one", || killed_leaving(Point::Call))
                .lacking(no_disk()),
            Test::traced("killed_at_each_system_call_of_flushing_an_array", killed_flushing).lacking(no_disk()),
        ],
    )
}

/// Child: does one thing, and dies before the step that it is told.
fn commit(task: &Task) -> Outcome {
    let (place, operation) = (Directory::open(task.arg(1)?)?, task.arg(2)?);
    match operation {
        "open" => return die_within(task, || stream::reader(&place).attach(COPY)),
        "finish" => {
            let mut writer = stream::writer(&place).attach(NAME)?;
            return die_within(task, || writer.commit());
        }
        _ => {}
    }
    let mut writer = stream::writer(&place).attach(NAME)?;
    if operation == "next" {
        stream::publish(&mut writer)?;
        writer.commit()?;
    }
    stream::publish(&mut writer)?;
    stream::publish(&mut writer)?;
    match operation {
        "leave" => die_within(task, move || drop(writer)),
        _ => die_within(task, || writer.commit()),
    }
}

fn folder() -> Outcome<(TempDir, Directory)> {
    let folder = stream::fresh_folder()?;
    let place = Directory::open(folder.path())?;
    stream::writer(&place).create(NAME, [stream::WORDS])?;
    Ok((folder, place))
}

/// What would be found after a reboot; 0 if nothing.
fn found(place: &Directory) -> Outcome<u64> {
    std::fs::copy(place.path().join(NAME), place.path().join(COPY))?;
    let sequence = newest(place, COPY)?;
    place.unlink(COPY)?;
    Ok(sequence)
}

fn newest(place: &Directory, name: &str) -> Outcome<u64> {
    let reader = stream::reader(place).attach(name)?;
    let Some(frame) = reader.latest()? else { return Ok(0) };
    stream::check(&frame)?;
    Ok(frame.sequence())
}

/// A successor publishes without waiting, though slots are kept for what was committed and what is pending, and loses none
/// of them; then it commits.
fn go_on(place: &Directory, name: &str, confirmed: u64) -> Outcome {
    let mut writer: Writer = stream::writer(place).attach(name)?;
    for _ in 0..2 * SLOTS {
        let mut loan = writer.try_loan()?;
        stream::fill(&mut loan);
        loan.publish();
        let found = found_of(place, name)?;
        ensure!(found >= confirmed, "frame {found} is found, and {confirmed} was confirmed");
    }
    let sequence = writer.sequence();
    ensure_eq!(writer.commit()?, sequence, "what is committed");
    ensure_eq!(found_of(place, name)?, sequence, "what is found after a commit");
    ensure_eq!(place.inspect(name)?.committed, sequence, "what is told from outside");
    stream::publish(&mut writer)?;
    ensure_eq!(writer.commit()?, sequence + 1, "the next commit");
    Ok(())
}

fn found_of(place: &Directory, name: &str) -> Outcome<u64> {
    std::fs::copy(place.path().join(name), place.path().join("found"))?;
    let sequence = newest(place, "found")?;
    std::fs::remove_file(place.path().join("found"))?;
    Ok(sequence)
}

/// `confirmed` frames were committed before, and the newest is two further on.
fn killed_committing(point: Point, operation: &str, confirmed: u64) -> Outcome {
    point.at_each(&format!("{operation} commit"), |kill| {
        let (folder, place) = folder()?;
        kill.child("commit", &[folder.path().to_str().ok_or("the path is not text")?, operation])?;
        let expected = [confirmed, confirmed + 2];
        let found = found(&place)?;
        ensure!(expected.contains(&found), "frame {found} is found, expected one of {expected:?}");
        ensure!(!kill.is_past_end() || found == confirmed + 2, "a commit that was confirmed is found");
        go_on(&place, NAME, found)
    })
}

/// One dies in the middle of a commit, in various places, and the next one in the middle of finishing it.
fn killed_finishing() -> Outcome {
    for first in (1..).step_by(7) {
        let was_done = std::cell::Cell::new(false);
        at_each_step(&format!("a commit after one that was cut short before step {first}"), |kill| {
            let (folder, place) = folder()?;
            let path = folder.path().to_str().ok_or("the path is not text")?;
            let before = Kill::at(first);
            before.child("commit", &[path, "next"])?;
            was_done.set(before.is_past_end());
            kill.child("commit", &[path, "finish"])?;
            let found = found(&place)?;
            ensure!([1, 3].contains(&found), "frame {found} is found, expected 1 or 3");
            ensure!(!kill.is_past_end() || found == 3, "a commit that was confirmed is found");
            go_on(&place, NAME, found)
        })?;
        if was_done.get() {
            break;
        }
    }
    Ok(())
}

/// Whoever opens a copy first chooses a superblock and puts the stream right; the next one begins again. With the payload
/// of the newer one spoilt, the older one is chosen, however often.
fn killed_opening(point: Point, is_spoilt: bool) -> Outcome {
    point.at_each("cold open", |kill| {
        let (folder, place) = folder()?;
        let mut writer = stream::writer(&place).attach(NAME)?;
        for _ in 0..2 {
            stream::publish(&mut writer)?;
            writer.commit()?;
        }
        stream::publish(&mut writer)?;
        let mut bytes = std::fs::read(folder.path().join(NAME))?;
        if is_spoilt {
            // The last word of frame 2.
            let word = stream::word(2, stream::WORDS - 1).to_le_bytes();
            let at = bytes.windows(8).position(|found| found == word).ok_or("frame 2 is in the file")?;
            bytes[at] ^= 1;
        }
        std::fs::write(folder.path().join(COPY), bytes)?;
        kill.child("commit", &[folder.path().to_str().ok_or("the path is not text")?, "open"])?;
        let expected = if is_spoilt { 1 } else { 2 };
        ensure_eq!(newest(&place, COPY)?, expected, "the newest frame of the copy");
        go_on(&place, COPY, expected)
    })
}

/// A folder on a disk, in the folder of the build.
fn disk() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

fn no_disk() -> Option<String> {
    let kind = nix::sys::statfs::statfs(Path::new(&disk())).ok()?.filesystem_type();
    (kind == nix::sys::statfs::TMPFS_MAGIC).then(|| "a folder of the build on a disk".to_owned())
}

/// Who leaves as the last one commits the newest frame, or died before it did.
fn killed_leaving(point: Point) -> Outcome {
    point.at_each("leave as the last one", |kill| {
        let folder = tempfile::tempdir_in(disk())?;
        let place = Directory::open(folder.path())?;
        let mut writer: Publisher<_, _> = stream::writer(&place).create(NAME, [stream::WORDS])?;
        stream::publish(&mut writer)?;
        drop(writer);
        ensure_eq!(found(&place)?, 1, "what its creator left");
        kill.child("commit", &[folder.path().to_str().ok_or("the path is not text")?, "leave"])?;
        let found = found(&place)?;
        ensure!([1, 3].contains(&found), "frame {found} is found, expected 1 or 3");
        ensure!(!kill.is_past_end() || found == 3, "the last one committed");
        go_on(&place, NAME, found)
    })
}

/// Child: writes an array in place, and dies while it brings it to the disk.
fn flush(task: &Task) -> Outcome {
    let array = field::builder(&Directory::open(task.arg(1)?)?).attach(NAME)?;
    field::fill(&mut array.write()?, 2);
    die_within(task, || array.flush())
}

/// A flush that nobody ended is begun again: it holds nothing that the next one waits for, and changes nothing.
fn killed_flushing() -> Outcome {
    Point::Call.at_each("flush", |kill| {
        let folder = tempfile::tempdir_in(disk())?;
        let place = Directory::open(folder.path())?;
        let array: SharedArray<u64, Ix2> = field::builder(&place).create_from(NAME, &field::contents(1))?;
        kill.child("flush", &[folder.path().to_str().ok_or("the path is not text")?])?;
        array.flush()?;
        ensure_eq!(field::version(&array.try_read()?, 0)?, 2, "what was written before the flush");
        let mut guard = array.try_write()?;
        ensure!(!guard.is_poisoned(), "the write had ended");
        field::fill(&mut guard, 3);
        drop(guard);
        Ok(array.flush()?)
    })
}
