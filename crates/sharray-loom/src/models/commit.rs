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
use std::cell::RefCell;
use std::sync::atomic::Ordering::{Acquire, Release};

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

/// A process that commits dies with its frame pending, and is recovered. Whoever finishes the commit pins nothing, and the
/// producer may have looked for the first time before all of that.
#[test]
fn what_was_pending_stays() {
    explore_with(Some(4), &["gone", "finished"], |outcomes| {
        let (writer, mut producer, flusher) = stream(SPARE, 2);
        let world = writer.world.clone();
        let flusher = thread::spawn(move || {
            let Process { world, me } = flusher;
            let pending = consumer::pin_at(&world, me, 0, 1).expect("the ring is sound")?;
            world.pending().store(pending.to_bits(), Release);
            consumer::unpin(&world, me, 0).expect("the record is sound");
            let Ok(()) = commit::commit(&world, pending, &Looking(&world));
            Some(pending)
        });
        publish_on(&writer, &mut producer, 1);
        let Some(committed) = flusher.join().expect("no panic") else { return outcomes.saw("gone") };
        assert_eq!((commit::durable(&world), world.pending().load(Acquire)), (committed, 0));
        world.look(committed);
        publish_on(&writer, &mut producer, 2);
        world.look(committed);
        outcomes.saw("finished");
    });
}

/// A disk that remembers in which order it was told of frames.
#[derive(Default)]
struct Remembering(RefCell<Vec<u64>>);

impl Disk for Remembering {
    type Error = std::convert::Infallible;

    fn sync_payload(&self, _: Descriptor) -> Result<(), Self::Error> {
        Ok(())
    }

    fn record(&self, frame: Descriptor, _: Descriptor) -> Result<(), Self::Error> {
        self.0.borrow_mut().push(frame.seq);
        Ok(())
    }
}

/// What a dead process began is finished before anything else is, and what is older than that is left.
#[test]
fn what_was_begun_is_finished_first() {
    explore_with(None, &["1 then 2"], |outcomes| {
        let (writer, _, _) = stream(SPARE, 2);
        let world = &writer.world;
        let frames = [1, 2].map(|seq| Descriptor::from_bits(world.desc(seq).load(Acquire)));
        world.pending().store(frames[0].to_bits(), Release);
        let disk = Remembering::default();
        for frame in [frames[1], frames[1], frames[0]] {
            let Ok(()) = commit::commit(world, frame, &disk);
        }
        assert_eq!(disk.0.take(), [1, 2]);
        assert_eq!((commit::durable(world), world.pending().load(Acquire)), (frames[1], 0));
        outcomes.saw("1 then 2");
    });
}
