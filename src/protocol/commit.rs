//! Durable commits of a stream: in which order words and the disk change, so that a loss of power at any moment leaves a
//! frame that is whole and no older than the last one that was confirmed.
//!
//! Two superblocks name a frame each. A commit overwrites the one that the word `durable` does not name, so the other
//! one is whole on the disk at any time. The producer leaves the slots of `durable` and `pending` alone.
//!
//! ```text
//! F1 payload to the disk   F2 pending = frame   F3, F4 superblock to the disk   F5 durable = frame   F6 pending = 0
//! ```
//!
//! Killed before F2, nothing has happened. Killed after it, the superblock may or may not be on the disk: the slot stays
//! as it is until the next one to commit has finished this commit first.

use super::word::Word;
use super::{Descriptor, World};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// What a commit asks of the file. An error is for good: whether the disk has what was to be written is not known.
pub(crate) trait Disk {
    type Error;
    /// Writes the payload of a frame to the disk, and waits until it is there.
    fn sync_payload(&self, frame: Descriptor) -> Result<(), Self::Error>;
    /// Lets a superblock name `frame`, one that does not name `durable`, and waits until it is on the disk.
    fn record(&self, frame: Descriptor, durable: Descriptor) -> Result<(), Self::Error>;
}

/// The frame that the last commit made durable; its sequence is 0 if there is none.
///
/// # Ordering
/// A relaxed load and a fence: an acquire load is not promised to work on memory that is mapped read-only.
pub(crate) fn durable<W: World>(world: &W) -> Descriptor {
    let durable = Descriptor::from_bits(world.durable().load(Relaxed));
    W::fence(Acquire);
    durable
}

/// Makes a frame durable, or finds that it is, or a newer one. The caller has pinned it, or is alone with the array, and nobody else commits meanwhile.
///
/// # Ordering
/// The release stores of `pending` and `durable`, and the release of the pin after them, meet the acquire loads of a
/// producer that looks for a slot: if it does not find the pin any more, it finds one of the two words, as long as
/// these name the frame.
pub(crate) fn commit<W: World, D: Disk>(world: &W, frame: Descriptor, disk: &D) -> Result<(), D::Error> {
    finish(world, disk)?;
    // Somebody else may have committed a newer one since this one was pinned.
    if durable(world).seq >= frame.seq {
        return Ok(());
    }
    disk.sync_payload(frame)?;
    world.pending().store(frame.to_bits(), Release);
    make_durable(world, frame, disk)
}

/// Finishes the commit of a process that died in the middle of it. Nobody else commits meanwhile.
///
/// Its frame is whole: the slot was not loaned to anybody while `pending` named it, whatever its version says. The
/// version is odd for a moment when a producer tries the slot, and for longer if the producer dies of that.
fn finish<W: World, D: Disk>(world: &W, disk: &D) -> Result<(), D::Error> {
    let pending = Descriptor::from_bits(world.pending().load(Acquire));
    if pending.seq == 0 {
        return Ok(());
    }
    if pending == durable(world) {
        world.pending().store(0, Release);
        return Ok(());
    }
    make_durable(world, pending, disk)
}

fn make_durable<W: World, D: Disk>(world: &W, frame: Descriptor, disk: &D) -> Result<(), D::Error> {
    disk.record(frame, durable(world))?;
    world.durable().store(frame.to_bits(), Release);
    world.pending().store(0, Release);
    Ok(())
}
