//! The writing side of a stream: take the role, loan a slot, publish it.
//!
//! A stream is a ring of the newest H frames over a pool of N slots. The producer fills a free slot in place, where
//! nobody looks, and then names it in the ring and in `head`. A reader pins the slot that it looks at; the producer
//! passes over pinned slots. So neither waits for the other while N is large enough:
//! N >= H + the frames pinned after they left the ring.
//!
//! ```text
//! EMPTY 0 -> WRITING 2s-1 -> COMPLETE 2s -> named in the ring -> left the ring, perhaps still pinned -> WRITING ...
//! ```
//!
//! Killed while WRITING or COMPLETE, the frame is invisible and its successor takes the slot again. Killed between the
//! ring's entry and `head`, the successor finishes the publish. Killed after `head`, the frame is out.

use super::participant::{self, Participant, Tag};
use super::word::{Record, Word};
use super::{Descriptor, Fault, LAST_SEQ, Result, World, complete, notify, writing};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// A lossless consumer's cursor: what it reads next, and whether the producer waits for it.
pub(crate) mod cursor {
    pub(crate) const ACTIVE: u64 = 1;
    pub(crate) const EVICTED: u64 = 2;

    pub(crate) fn active(next: u64) -> u64 {
        next << 2 | ACTIVE
    }

    pub(crate) fn next(bits: u64) -> u64 {
        bits >> 2
    }
}

const BAD_SLOT: Fault = Fault::Corrupt("a word names a slot that cannot be");

/// Who fills a stream, and what it remembers of it.
#[derive(Debug)]
pub(crate) struct Producer {
    me: Participant,
    /// The newest frame that was published.
    newest: u64,
    /// The slot of each frame that is still in the ring, by sequence modulo its length.
    ring: Vec<Option<u32>>,
    /// The slots outside the ring; the one that left it last is at the end, and most likely in the cache.
    free: Vec<u32>,
}

impl Producer {
    /// Takes the producer's role, from nobody or from a dead producer, and brings its last publish to an end.
    pub(crate) fn claim<W: World>(world: &W, me: Participant) -> Result<Self> {
        let vacancy = loop {
            let owner = Tag::from_bits(world.prod().load(Acquire));
            if let Some(index) = owner.participant() {
                if !participant::recover_owner(world, world.prod(), owner)? {
                    return Err(Fault::ProducerPresent(index));
                }
            } else if world.prod().compare_exchange(owner.to_bits(), me.tag().to_bits(), AcqRel, Relaxed).is_ok() {
                break owner;
            }
        };
        Self::take_over(world, me).inspect_err(|_| {
            _ = world.prod().compare_exchange(me.tag().to_bits(), vacancy.to_bits(), AcqRel, Relaxed);
        })
    }

    /// Goes on where the last producer stopped. The caller owns the role.
    pub(crate) fn take_over<W: World>(world: &W, me: Participant) -> Result<Self> {
        let mut newest = Descriptor::from_bits(world.head().load(Acquire)).seq;
        let next = Descriptor::from_bits(world.desc(newest + 1).load(Acquire));
        if next.seq == newest + 1 && ver(world, next.slot)?.load(Acquire) == complete(next.seq) {
            world.head().store(next.to_bits(), Release);
            newest = next.seq;
        }
        let ring_len = world.ring_len();
        let mut ring = vec![None; ring_len as usize];
        let mut is_in_ring = vec![false; world.slots() as usize];
        for seq in newest.saturating_sub(ring_len - 1).max(1)..=newest {
            let entry = Descriptor::from_bits(world.desc(seq).load(Acquire));
            if entry.seq == seq && ver(world, entry.slot)?.load(Acquire) == complete(seq) {
                ring[(seq % ring_len) as usize] = Some(entry.slot);
                is_in_ring[entry.slot as usize] = true;
            }
        }
        let mut free = Vec::with_capacity(world.slots() as usize);
        for slot in (0..world.slots()).filter(|slot| !is_in_ring[*slot as usize]) {
            let ver = ver(world, slot)?;
            let mut seen = ver.load(Acquire);
            if seen > complete(newest) {
                // A frame that the dead producer did not announce: nobody may take it for ours of the same number.
                ver.store(0, Release);
                seen = 0;
            }
            free.push((seen, slot));
        }
        free.sort_unstable();
        let free = free.into_iter().map(|(_, slot)| slot).collect();
        // A consumer that waits for a producer, or for the frame announced above, looks again.
        notify::notify(world, world.notify());
        Ok(Self { me, newest, ring, free })
    }

    /// The newest frame's sequence; 0 before the first.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// The slots that the next frame can have, unless they are pinned: after [`Fault::AllPinned`], all of them were.
    pub(crate) fn candidates(&self) -> &[u32] {
        &self.free
    }

    /// Takes a free slot for the next frame. It is the producer's alone until [`publish`](Self::publish) or
    /// [`abort`](Self::abort). Does not wait.
    ///
    /// `evict` says what to do with a lossless consumer that has not read what this frame overwrites.
    ///
    /// # Ordering
    /// Two store-to-load pairs. `intent` is stored before the cursors are read, and a consumer that joins stores its
    /// cursor before it reads `intent`: one of them sees the other. `ver` becomes odd before the pins are read, and a
    /// reader stores its pin before it reads `ver`: the same. The acquire half of each pin's load meets the release
    /// store that unpins: the reader's last look at the slot is over before the first new byte is written.
    pub(crate) fn loan<W: World>(&mut self, world: &W, evict: bool) -> Result<u32> {
        let seq = self.make_way(world, evict)?;
        for place in (0..self.free.len()).rev() {
            let slot = self.free[place];
            if take(world, slot, seq)? {
                self.free.remove(place);
                return Ok(slot);
            }
        }
        Err(Fault::AllPinned)
    }

    /// Lets the oldest frame leave the ring, and returns the sequence of the one that may be published now.
    pub(crate) fn make_way<W: World>(&mut self, world: &W, evict: bool) -> Result<u64> {
        let seq = self.newest + 1;
        if seq > LAST_SEQ {
            return Err(Fault::Corrupt("its sequences are used up"));
        }
        world.intent().store(seq, SeqCst);
        pass_gate(world, seq, evict)?;
        let leaving = (seq % world.ring_len()) as usize;
        if let Some(slot) = self.ring[leaving].take() {
            self.free.push(slot);
        }
        Ok(seq)
    }

    /// Keeps the loaned slot by an entry of the own record, whatever is loaned and published meanwhile: it is free again
    /// once that entry is cleared.
    ///
    /// # Ordering
    /// Relaxed: the producer alone takes slots, and whoever succeeds it meets the release of the role.
    pub(crate) fn keep<W: World>(&mut self, world: &W, slot: u32, entry: usize) -> Result<()> {
        let record = self.me.record(world)?;
        record.pins.get(entry).ok_or(Fault::Corrupt("no such pin"))?.store(slot + 1, Relaxed);
        self.free.push(slot);
        Ok(())
    }

    /// Makes a slot that was kept the newest frame. The caller has made way for it, and its payload and header are
    /// complete. The entry that keeps it is from now on an ordinary pin.
    pub(crate) fn publish_kept<W: World>(&mut self, world: &W, slot: u32) -> Result<u64> {
        let place = self.free.iter().rposition(|it| *it == slot).ok_or(BAD_SLOT)?;
        self.free.remove(place);
        self.publish(world, slot)
    }

    /// Makes the loaned slot the newest frame. Its payload and header are complete.
    ///
    /// # Ordering
    /// The release store of `ver` meets the acquire load of whoever pins or copies the frame, that of `head` the load
    /// that looks for news: they see the bytes written before.
    pub(crate) fn publish<W: World>(&mut self, world: &W, slot: u32) -> Result<u64> {
        let seq = self.newest + 1;
        let frame = Descriptor { seq, slot }.to_bits();
        ver(world, slot)?.store(complete(seq), Release);
        world.desc(seq).store(frame, Release);
        world.head().store(frame, Release);
        notify::notify(world, world.notify());
        self.newest = seq;
        self.ring[(seq % world.ring_len()) as usize] = Some(slot);
        Ok(seq)
    }

    /// Gives the loaned slot back; nothing was published.
    pub(crate) fn abort<W: World>(&mut self, world: &W, slot: u32) -> Result<()> {
        self.free.push(slot);
        ver(world, slot)?.store(0, Release);
        Ok(())
    }

    /// Gives the role up: consumers see the end of the stream, or, with `Tag::FREE`, a producer that failed.
    pub(crate) fn leave<W: World>(&self, world: &W, last_word: Tag) {
        let mine = self.me.tag().to_bits();
        _ = world.prod().compare_exchange(mine, last_word.to_bits(), AcqRel, Relaxed);
        notify::notify(world, world.notify());
    }
}

fn ver<W: World>(world: &W, slot: u32) -> Result<&W::U64> {
    world.ver(slot).ok_or(BAD_SLOT)
}

/// Refuses while a lossless consumer still needs the frame that `seq` pushes out of the ring, or evicts it.
fn pass_gate<W: World>(world: &W, seq: u64, evict: bool) -> Result<()> {
    let Some(pushed_out) = seq.checked_sub(world.ring_len()) else {
        return Ok(());
    };
    let mut blocker = None;
    participant::scan(world, |index, record| {
        let seen = record.cursor.load(SeqCst);
        let waits = seen & cursor::ACTIVE != 0 && cursor::next(seen) <= pushed_out;
        if waits {
            let evicted = seen & !cursor::ACTIVE | cursor::EVICTED;
            if !evict || record.cursor.compare_exchange(seen, evicted, SeqCst, SeqCst).is_err() {
                blocker = Some(index);
            }
        }
    });
    blocker.map_or(Ok(()), |index| Err(Fault::Behind(index)))
}

/// Makes a slot the producer's own, unless somebody looks at it or a durable commit needs it.
fn take<W: World>(world: &W, slot: u32, seq: u64) -> Result<bool> {
    if is_held(world, slot) {
        return Ok(false);
    }
    let ver = ver(world, slot)?;
    let old = ver.load(Relaxed);
    ver.store(writing(seq), SeqCst);
    if is_held(world, slot) {
        // A dead producer's odd version means nothing; a complete one is still somebody's frame.
        ver.store(if old % 2 == 0 { old } else { 0 }, Release);
        return Ok(false);
    }
    // Whoever copies without a lease and sees one of the bytes written from here on sees the odd version as well.
    W::fence(Release);
    Ok(true)
}

/// Whether somebody pins the slot, or a commit names it.
///
/// # Ordering
/// A commit is pinned, then pending, then durable, and leaves each of these for the next: looking in that order, one
/// cannot miss it by looking everywhere just before or after it was there. Whoever finishes another's commit pins
/// nothing.
fn is_held<W: World>(world: &W, slot: u32) -> bool {
    let pins_it = |_, record: &Record<'_, W>| record.pins.iter().any(|pin| pin.load(SeqCst) == slot + 1);
    let held = participant::find(world, pins_it).is_some();
    held || [world.pending(), world.durable()].into_iter().any(|word| {
        let commit = Descriptor::from_bits(word.load(Acquire));
        commit.seq != 0 && commit.slot == slot
    })
}

/// What the role's word says of the stream's producer. That it is present may be out of date: see
/// [`participant::recover_owner`].
///
/// # Ordering
/// Load and fence meet the release half of what gave the role up: every frame published before is visible.
pub(crate) fn state<W: World>(world: &W) -> State {
    let owner = Tag::from_bits(world.prod().load(Relaxed));
    W::fence(Acquire);
    match owner {
        Tag::CLOSED => State::Closed,
        owner if owner.participant().is_some() => State::Present(owner),
        _ => State::Dead,
    }
}

/// What became of a stream's producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Present(Tag),
    Closed,
    Dead,
}
