//! The reading side of a stream: pin a frame in place, go through the frames in order, or copy one without a lease.

use super::participant::Participant;
use super::producer::cursor;
use super::word::{Record, Word};
use super::{Descriptor, Fault, LAST_SEQ, Result, World, complete, notify};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

/// How often a reader starts again before the stream must be deemed broken: each time, the producer overtook it.
const TRIES: u32 = 1 << 20;
/// Frames that a lossy reader may lose in a row before its caller looks at the clock.
const CHASES: u32 = 8;
const RUNS_AWAY: Fault = Fault::Corrupt("its sequence runs away from its readers");

const BAD_SLOT: Fault = Fault::Corrupt("a word names a slot that cannot be");

/// The newest frame, if there is one yet.
///
/// # Ordering
/// Load and fence meet the release store in `Producer::publish`. An acquire load would do, but it is not promised to
/// work on memory that is mapped read-only, and onlookers come here too.
#[inline]
pub(crate) fn newest<W: World>(world: &W) -> Option<Descriptor> {
    let head = Descriptor::from_bits(world.head().load(Relaxed));
    W::fence(Acquire);
    (head.seq != 0).then_some(head)
}

/// Pins the newest frame with entry `entry` of the own record: the producer passes its slot over until [`unpin`].
///
/// Repeats only if the producer lapped it in between. Costs a load, a store and a load; no system call.
#[inline]
pub(crate) fn pin_newest<W: World>(world: &W, me: Participant, entry: usize) -> Result<Option<Descriptor>> {
    let record = me.record(world)?;
    for _ in 0..TRIES {
        let Some(frame) = newest(world) else {
            return Ok(None);
        };
        if pin(world, &record, entry, frame)? {
            return Ok(Some(frame));
        }
        // Whoever was lapped finds a newer one: the slot is taken again only after that was published.
        if newest(world) == Some(frame) {
            break;
        }
    }
    Err(RUNS_AWAY)
}

/// Pins frame `seq` through the ring; `None` if it has left the ring.
pub(crate) fn pin_at<W: World>(world: &W, me: Participant, entry: usize, seq: u64) -> Result<Option<Descriptor>> {
    let frame = Descriptor::from_bits(world.desc(seq).load(Acquire));
    let pinned = frame.seq == seq && pin(world, &me.record(world)?, entry, frame)?;
    Ok(pinned.then_some(frame))
}

/// Stores the pin and then looks whether the frame is still there.
///
/// # Ordering
/// The store and the load are both `SeqCst`, as are the producer's store of `ver` and its scan of the pins: either it
/// sees the pin, or this sees its odd version. The load meets the release store of `ver` in `Producer::publish`, so the
/// frame's bytes are visible.
#[inline]
fn pin<W: World>(world: &W, record: &Record<'_, W>, entry: usize, frame: Descriptor) -> Result<bool> {
    let ver = world.ver(frame.slot).ok_or(BAD_SLOT)?;
    let pin = record.pins.get(entry).ok_or(Fault::Corrupt("no such pin"))?;
    pin.store(frame.slot + 1, SeqCst);
    if ver.load(SeqCst) == complete(frame.seq) {
        return Ok(true);
    }
    unpin_word(world, pin);
    Ok(false)
}

/// Gives a pinned frame back, and wakes a producer that waits for a slot.
#[inline]
pub(crate) fn unpin<W: World>(world: &W, me: Participant, entry: usize) -> Result<()> {
    if let Some(pin) = me.record(world)?.pins.get(entry) {
        unpin_word(world, pin);
    }
    Ok(())
}

/// # Ordering
/// The release store meets the producer's load of the pin: our last look is over before it writes. Whether someone
/// waits for room is read without a barrier, so a wake may be missed; the producer's slice makes up for it, and the
/// common case stays one plain store.
#[inline]
fn unpin_word<W: World>(world: &W, pin: &W::U32) {
    pin.store(0, Release);
    if world.room().load(Relaxed) & notify::WAITING != 0 {
        notify::notify(world, world.room());
    }
}

/// The frame to begin with: the oldest that is sure to be there, or the first one that is not there yet.
pub(crate) fn start<W: World>(world: &W, from_oldest: bool) -> u64 {
    let head = newest(world).map_or(0, |frame| frame.seq);
    if from_oldest { oldest_safe(world, head) } else { head + 1 }
}

/// Whether a frame that was published is not in the ring: a producer died filling its slot, or the file was opened anew
/// after a reboot.
fn is_gone<W: World>(world: &W, seq: u64) -> Result<bool> {
    if newest(world).is_none_or(|head| head.seq < seq) {
        return Ok(false);
    }
    let frame = Descriptor::from_bits(world.desc(seq).load(Acquire));
    let ver = world.ver(frame.slot).ok_or(BAD_SLOT)?;
    Ok(frame.seq != seq || ver.load(Acquire) != complete(seq))
}

/// The oldest frame that no loan in progress can own: that of `head - H + 1` may already be overwritten.
fn oldest_safe<W: World>(world: &W, head: u64) -> u64 {
    (head + 2).saturating_sub(world.ring_len()).max(1)
}

/// Goes through a stream in order and jumps over what it came too late for, counting it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lossy {
    pub(crate) next: u64,
    /// Frames gone past since the last one that was had.
    pub(crate) missed: u64,
}

impl Lossy {
    /// Tries the frames from the next one on with `get`, until one can be had; `None` if all that are published were
    /// tried, or if the producer was faster some times in a row.
    ///
    /// A frame that could not be had is lost for good: it is counted, and never tried again.
    pub(crate) fn advance<W: World, R>(
        &mut self,
        world: &W,
        mut get: impl FnMut(u64) -> Result<Option<R>>,
    ) -> Result<Option<R>> {
        for _ in 0..CHASES {
            let Some(head) = newest(world).filter(|head| head.seq >= self.next) else {
                break;
            };
            let safe = oldest_safe(world, head.seq).max(self.next);
            self.missed += safe - self.next;
            self.next = safe + 1;
            if let Some(frame) = get(safe)? {
                return Ok(Some(frame));
            }
            self.missed += 1;
        }
        Ok(None)
    }
}

/// Goes through a stream in order; the producer waits for it, or evicts it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lossless {
    pub(crate) next: u64,
}

impl Lossless {
    /// Joins at `next`, or at the oldest frame from there on that will stay until it is read.
    ///
    /// # Ordering
    /// The cursor is stored before `intent` is read, both `SeqCst`, and the producer does the reverse: either its scan
    /// sees the cursor, or this sees that the producer is already past it.
    pub(crate) fn join<W: World>(world: &W, me: Participant, mut next: u64) -> Result<Self> {
        let record = me.record(world)?;
        for _ in 0..TRIES {
            record.cursor.store(cursor::active(next), SeqCst);
            let intent = world.intent().load(SeqCst);
            match intent.checked_sub(world.ring_len()) {
                _ if intent > LAST_SEQ => break,
                Some(pushed_out) if pushed_out >= next => next = pushed_out + 1,
                _ if is_gone(world, next)? => next += 1,
                _ => return Ok(Self { next }),
            }
            notify::notify(world, world.room());
        }
        Self::leave(world, me)?;
        Err(RUNS_AWAY)
    }

    /// Pins the next frame if it is published, and lets the producer go on.
    ///
    /// The cursor moves as soon as the frame is pinned: from then on the pin protects it.
    ///
    /// # Errors
    /// [`Fault::Lagged`] if the producer evicted this consumer. It has joined again, at the oldest frame still there.
    pub(crate) fn advance<W: World>(&mut self, world: &W, me: Participant, entry: usize) -> Result<Option<Descriptor>> {
        if newest(world).is_none_or(|head| head.seq < self.next) {
            return Ok(None);
        }
        let record = me.record(world)?;
        let pinned = pin_at(world, me, entry, self.next)?;
        let moved = pinned.is_some()
            && record
                .cursor
                .compare_exchange(cursor::active(self.next), cursor::active(self.next + 1), SeqCst, SeqCst)
                .is_ok();
        if moved {
            self.next += 1;
            if world.room().load(Relaxed) & notify::WAITING != 0 {
                notify::notify(world, world.room());
            }
            return Ok(pinned);
        }
        if pinned.is_some() {
            unpin(world, me, entry)?;
        }
        if record.cursor.load(Acquire) & cursor::EVICTED == 0 {
            return Err(Fault::Corrupt("a frame is gone that a lossless consumer has not read"));
        }
        let expected = self.next;
        *self = Self::join(world, me, start(world, true))?;
        Err(Fault::Lagged(self.next.saturating_sub(expected)))
    }

    pub(crate) fn leave<W: World>(world: &W, me: Participant) -> Result<()> {
        me.record(world)?.cursor.store(0, Release);
        notify::notify(world, world.room());
        Ok(())
    }
}

/// Copies frame `seq` out of the ring without a lease; `None` if it left the ring before the copy was done.
///
/// For attachments that may not write, so cannot pin. `copy` gets the slot, and may ask meanwhile whether going on is
/// of any use. It must read the slot through atomics only: it may race.
///
/// # Ordering
/// Relaxed loads with fences, as in [`newest`]. The first fence meets the release store of `ver` in `Producer::publish`. The second orders the copy before the second
/// look at `ver`, and meets the producer's store of the odd version, which comes before its first new byte.
pub(crate) fn copy_at<W: World, R>(
    world: &W,
    seq: u64,
    copy: impl FnOnce(u32, &dyn Fn() -> bool) -> R,
) -> Result<Option<R>> {
    let frame = Descriptor::from_bits(world.desc(seq).load(Relaxed));
    if frame.seq != seq {
        return Ok(None);
    }
    let ver = world.ver(frame.slot).ok_or(BAD_SLOT)?;
    if ver.load(Relaxed) != complete(seq) {
        return Ok(None);
    }
    W::fence(Acquire);
    let copied = copy(frame.slot, &|| ver.load(Relaxed) == complete(seq));
    W::fence(Acquire);
    Ok((ver.load(Relaxed) == complete(seq)).then_some(copied))
}
