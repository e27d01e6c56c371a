//! A frame is made durable while the producer looks for a slot to overwrite.
//!
//! What is on the disk names a slot, so that slot must stay as it is. It is pinned first, then pending, then durable, and
//! the producer, which looks at all three one after another, must not find it gone from each just before it looks, or
//! not there yet. Whoever finishes the commit of a dead process pins nothing.

use super::{Process, explore_with, stream};
use crate::protocol::commit::{self, Disk};
use crate::protocol::producer::Producer;
use crate::protocol::word::Word;
use crate::protocol::{Descriptor, World, consumer};
use crate::world::{Geometry, LoomWorld, TIGHT};
use loom::thread;
use std::sync::atomic::Ordering::Acquire;

/// One slot more than the ring has, so each loan has two to choose from.
const SPARE: Geometry = Geometry { slots: 3, ..TIGHT };

/// A disk that looks at what it is to keep.
struct Looking<'w>(&'w LoomWorld);

impl Disk for Looking<'_> {
    type Error = std::convert::Infallible;

    fn sync_payload(&self, frame: Descriptor) -> Result<(), Self::Error> {
        self.0.look(frame);
        Ok(())
    }

    fn record(&self, frame: Descriptor, _: Descriptor) -> Result<(), Self::Error> {
        self.0.look(frame);
        Ok(())
    }
}

/// Commits the newest frame, as a process that has pinned it.
fn commit_newest(process: &Process) -> Descriptor {
    let world = &process.world;
    let frame = consumer::pin_newest(world, process.me, 0).expect("the ring is sound").expect("it was published");
    let Ok(()) = commit::commit(world, frame, &Looking(world));
    consumer::unpin(world, process.me, 0).expect("the record is sound");
    frame
}

/// Publishes until the frames that there were are out of the ring. Says whether frame `kept` is where it was: nobody
/// else writes into its slot.
fn publish_on(writer: &Process, producer: &mut Producer, times: u32) {
    for _ in 0..times {
        if let Some(slot) = writer.loan(producer) {
            producer.publish(&writer.world, slot).expect("the slot is good");
        }
    }
}

/// What is durable in the end is still there, and the disk found all the time what it was told to keep.
#[test]
fn what_is_committed_stays() {
    explore_with(Some(3), &["2", "3", "4"], |outcomes| {
        let (writer, mut producer, flusher) = stream(SPARE, 2);
        let world = writer.world.clone();
        let flusher = thread::spawn(move || commit_newest(&flusher));
        publish_on(&writer, &mut producer, 2);
        let committed = flusher.join().expect("no panic");
        assert_eq!(commit::durable(&world), committed);
        world.look(committed);
        publish_on(&writer, &mut producer, 3);
        world.look(committed);
        outcomes.saw(committed.seq.to_string());
    });
}

/// The same where a process died with its frame pending, and was recovered: whoever commits next finishes that first.
#[test]
fn what_was_pending_stays() {
    explore_with(Some(3), &["finished"], |outcomes| {
        let (writer, mut producer, flusher) = stream(SPARE, 2);
        let world = writer.world.clone();
        let pending = consumer::newest(&world).expect("two were published");
        world.pending().store(pending.to_bits(), std::sync::atomic::Ordering::Release);
        let flusher = thread::spawn(move || {
            // As one who is alone but for the producer would: nothing is pinned.
            let Ok(()) = commit::commit(&flusher.world, pending, &Looking(&flusher.world));
        });
        publish_on(&writer, &mut producer, 3);
        flusher.join().expect("no panic");
        assert_eq!((commit::durable(&world), world.pending().load(Acquire)), (pending, 0));
        world.look(pending);
        publish_on(&writer, &mut producer, 2);
        world.look(pending);
        outcomes.saw("finished");
    });
}
