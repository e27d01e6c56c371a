//! Cold open: what a file is worth after a reboot, a crash of the machine or a copy.
//!
//! Control words describe living processes, and the kernel writes pages back in any order, so nothing in them can be
//! believed once the machine has started anew or the bytes have moved to another file. The stamps of boot, inode and
//! device in the control page tell that this is so. Whoever is alone with such a file makes it new.

use crate::error::{Error, Result};
use crate::layout::LOCK_MEMBERS;
use crate::protocol::World;
use crate::protocol::participant::Tag;
use crate::protocol::word::Word;
use crate::segment::Segment;
use crate::sys::byte_lock::{self, Mode};
use crate::sys::futex;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How long an attach waits for another process that is opening the same file for the first time.
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
pub(crate) fn leave_members(segment: &Segment) -> std::io::Result<()> {
    byte_lock::unlock(segment.lock_file(), LOCK_MEMBERS)
}

fn lock_writable(segment: &Segment, lock: &impl Fn(Mode) -> Result<bool>) -> Result<bool> {
    if segment.is_writable() { lock(Mode::Exclusive) } else { Ok(false) }
}

/// Makes a file that nobody uses new. The payload stays as it was found.
///
/// A copy may have holes where the original had zeros, so its space is reserved anew. The stamps are written last: a
/// crash before leaves a file that is opened cold once more.
fn reset(segment: &Segment) -> Result<()> {
    segment.reserve()?;
    segment.clear_control();
    // Whoever filled a stream has ended, and nobody is told of a death that was not seen.
    Word::store(segment.prod(), Tag::CLOSED.to_bits(), Relaxed);
    segment.stamp();
    Ok(())
}
