//! What outlives a boot: durable commits, what the last one to leave writes, and cold open.
//!
//! Control words describe living processes, and the kernel writes pages back in any order, so nothing in them can be
//! believed once the machine has started anew or the bytes have moved to another file. The stamps of boot, inode and
//! device in the control page tell that this is so. Whoever is alone with such a file makes it new: a stream has then
//! the frame that was committed last, a table its rows up to the last commit, an array in place what is found.

mod rows;
mod superblock;

use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::layout::{LOCK_COMMIT, LOCK_MEMBERS};
use crate::protocol::participant::Tag;
use crate::protocol::word::Word;
use crate::protocol::{self, Descriptor, World, consumer, lock};
use crate::segment::Segment;
use crate::sys::byte_lock::{self, Mode};
use crate::sys::{file, futex};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use superblock::Superblocks;

/// How long an attach waits for another process that is opening the same file for the first time, or is writing it to the
/// disk as the last one; and a commit for another one.
const PATIENCE_NS: u64 = 10_000_000_000;

/// Becomes a member of those who have the file open, having made its control words valid if nobody has yet.
///
/// Members share a kernel lock for as long as they are attached, so holding it alone means being alone.
pub(crate) fn join_members(segment: &Segment) -> Result<()> {
    let lock = |mode| {
        byte_lock::try_lock(segment.lock_file(), LOCK_MEMBERS, mode)
            .map_err(|error| Error::io("lock", segment.name(), error))
    };
    let deadline_ns = futex::now_ns() + PATIENCE_NS;
    loop {
        if lock(Mode::Shared)? {
            if segment.is_current() {
                return Ok(());
            }
            if !segment.is_writable() {
                return Err(Error::NeedsRecovery { name: segment.name().to_owned() });
            }
            // Two that turn a shared lock into an exclusive one block each other: let go first.
            byte_lock::unlock(segment.lock_file(), LOCK_MEMBERS)
                .map_err(|error| Error::io("unlock", segment.name(), error))?;
        }
        if lock_writable(segment, &lock)? {
            if !segment.is_current() {
                reset(segment)?;
            }
            lock(Mode::Shared)?;
            return Ok(());
        }
        segment.check_whole()?;
        if futex::now_ns() > deadline_ns {
            return Err(Error::TimedOut { name: segment.name().to_owned() });
        }
        std::thread::sleep(Duration::from_micros(u64::from(std::process::id() % 8 + 1) * 100));
    }
}

/// Is a member no more. At once: a process that is being started has the descriptor for another moment.
///
/// The last one who could write a file on a disk makes durable what is there. Whoever attaches meanwhile waits, so most of
/// a large array is written before.
pub(crate) fn leave_members(segment: &Segment) -> Result<()> {
    let file = segment.lock_file();
    let lock_error = |error| Error::io("lock", segment.name(), error);
    let unlock = || byte_lock::unlock(file, LOCK_MEMBERS).map_err(lock_error);
    if !segment.is_writable() || file::is_in_memory(file) {
        return unlock();
    }
    let is_committed = has_commits(segment);
    let written = if is_committed || byte_lock::is_held(file, LOCK_MEMBERS).map_err(lock_error)? {
        Ok(())
    } else {
        flush_written(segment)
    };
    // Let go first: of two that leave at once, the later one is alone.
    written.and(unlock())?;
    if !byte_lock::try_lock(file, LOCK_MEMBERS, Mode::Exclusive).map_err(lock_error)? {
        return Ok(());
    }
    let kept = if is_committed { commit_newest(segment) } else { flush_written(segment) };
    kept.and(unlock())
}

/// Whether superblocks say what there is after a boot.
fn has_commits(segment: &Segment) -> bool {
    matches!(segment.form().kind, Kind::Stream | Kind::Growable)
}

/// Makes the newest frame, or all rows, durable. The caller is alone with the file.
fn commit_newest(segment: &Segment) -> Result<()> {
    if segment.is_retired() {
        return Ok(());
    }
    if segment.form().kind == Kind::Growable {
        return commit_rows(segment).map(drop);
    }
    consumer::newest(segment).map_or(Ok(()), |frame| commit(segment, frame))
}

/// Brings an array in place to the disk. Who only looked on shall not wait for a disk that has everything already.
fn flush_written(segment: &Segment) -> Result<()> {
    let mark = lock::sequence(segment).wrapping_add(1);
    if Word::load(segment.durable(), Relaxed) != mark && !segment.is_retired() {
        segment.flush()?;
        Word::store(segment.durable(), mark, Relaxed);
    }
    Ok(())
}

/// Makes a frame durable, which the caller has pinned, or is alone with. Waits for the disk.
pub(crate) fn commit(segment: &Segment, frame: Descriptor) -> Result<()> {
    let name = segment.name();
    // One for the frame that is durable and one for that which becomes it: the producer never has to wait for the disk.
    let (slots, expected) = (segment.slots(), segment.ring_len() + 2);
    if u64::from(slots) < expected {
        return Err(Error::invalid(
            name,
            format!("it has {slots} slots, a commit needs {expected}: its history and 2"),
        ));
    }
    commit_alone(segment, frame)
}

/// Makes all rows durable that a table has, and returns how many that are by now. Waits for the disk.
pub(crate) fn commit_rows(segment: &Segment) -> Result<u64> {
    let len = segment.rows().map_err(|_| segment.corrupt("it has more rows than it has room for"))?;
    commit_alone(segment, Descriptor { seq: len, slot: 0 })?;
    let durable = protocol::commit::durable(segment).seq;
    if durable <= segment.extent().max_len {
        Ok(durable)
    } else {
        Err(segment.corrupt("more rows are durable than can be"))
    }
}

/// Waits until nobody else commits, and does.
fn commit_alone(segment: &Segment, frame: Descriptor) -> Result<()> {
    let name = segment.name();
    segment.check_durability()?;
    let deadline_ns = futex::now_ns() + PATIENCE_NS;
    let try_lock = || byte_lock::try_lock(segment.lock_file(), LOCK_COMMIT, Mode::Exclusive);
    while !try_lock().map_err(|error| Error::io("lock", name, error))? {
        if futex::now_ns() > deadline_ns {
            return Err(Error::TimedOut { name: name.to_owned() });
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let committed = protocol::commit::commit(segment, frame, &Superblocks(segment));
    let unlocked = byte_lock::unlock(segment.lock_file(), LOCK_COMMIT);
    committed.and(unlocked.map_err(|error| Error::io("unlock", name, error)))
}

fn lock_writable(segment: &Segment, lock: &impl Fn(Mode) -> Result<bool>) -> Result<bool> {
    if segment.is_writable() { lock(Mode::Exclusive) } else { Ok(false) }
}

/// Makes a file that nobody uses new. No byte of the payload changes.
///
/// A copy may have holes where the original had zeros, so its space is reserved anew. The stamps are written last: a
/// crash before leaves a file that is opened cold once more.
fn reset(segment: &Segment) -> Result<()> {
    segment.reserve()?;
    segment.clear_control();
    if has_commits(segment) {
        Superblocks(segment).restore()?;
    } else {
        Word::store(segment.unverified(), 1, Relaxed);
    }
    // Whoever filled a stream has ended, and nobody is told of a death that was not seen.
    Word::store(segment.prod(), Tag::CLOSED.to_bits(), Relaxed);
    segment.stamp();
    Ok(())
}
