//! Who is here: attach, detach, and recovering what the dead held.
//!
//! A participant is one attach of one process. Its record stands in the file; its life stands in the kernel, as a lock
//! on one byte that nobody else can have while it lives and that the kernel drops when it dies. So a record that says
//! LIVE while its byte is free belongs to the dead, for ever: nothing is guessed from pids or clocks.

use super::word::{Record, Word};
use super::{Fault, Result, World, barrier, lock, notify};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

const LIVE: u64 = 1;
const KIND: u64 = 0xff;

/// Passes over a full table before saying so: a survivor that probes a free byte makes it look taken for a moment.
const PASSES: u32 = 16;

/// Who owns a role, as the word that grants the role says it: participant, generation and three flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(u32);

impl Tag {
    const INDEX: u32 = 0x3ff;
    const GENERATION_BITS: u32 = 19;
    const OWNER: u32 = (1 << 29) - 1;
    /// Nobody's: never taken, or its owner died.
    pub(crate) const FREE: Self = Self(0);
    /// Nobody's, given up in good order.
    pub(crate) const CLOSED: Self = Self(1 << 29);

    #[inline]
    pub(crate) fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    #[inline]
    pub(crate) fn to_bits(self) -> u32 {
        self.0
    }

    #[inline]
    fn new(participant: u32, generation: u64) -> Self {
        let generation = (generation & ((1 << Self::GENERATION_BITS) - 1)) as u32;
        Self((participant + 1) | generation << 10)
    }

    /// The owner's record; `None` if it has none.
    #[inline]
    pub(crate) fn participant(self) -> Option<u32> {
        (self.0 & Self::INDEX).checked_sub(1)
    }

    pub(crate) fn same_owner(self, other: Self) -> bool {
        self.0 & Self::OWNER == other.0 & Self::OWNER
    }

    /// Whether the record of this index is the owner's, and it is here, by the record's state.
    pub(crate) fn is_of(self, index: u32, state: u64) -> bool {
        is_live(state) && self.same_owner(Self::new(index, state >> 8))
    }
}

/// Whether a record of this state has an owner.
pub(crate) fn is_live(state: u64) -> bool {
    state & KIND == LIVE
}

/// This attach's own record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Participant {
    pub(crate) index: u32,
    generation: u64,
}

impl Participant {
    #[inline]
    pub(crate) fn tag(self) -> Tag {
        Tag::new(self.index, self.generation)
    }

    /// The own record. Its index was checked when it was taken.
    #[inline]
    pub(crate) fn record<W: World>(self, world: &W) -> Result<Record<'_, W>> {
        record(world, self.index)
    }
}

#[inline]
pub(crate) fn record<W: World>(world: &W, index: u32) -> Result<Record<'_, W>> {
    world.record(index).ok_or(Fault::Corrupt("a word names a participant that cannot be"))
}

/// Takes a record: the first that nobody uses, else one whose owner is dead.
///
/// The kernel lock is taken first and the record written second. The other way round, a survivor could meet a LIVE
/// record whose byte is not yet locked, and bury the living.
pub(crate) fn attach<W: World>(world: &W) -> Result<Participant> {
    for _ in 0..PASSES {
        let occupied = |index| world.occupied(index / 64).load(Relaxed) >> (index % 64) & 1 == 1;
        let all = 0..world.participants();
        for index in all.clone().filter(|&index| !occupied(index)).chain(all.filter(|&index| occupied(index))) {
            if world.lock(index) {
                return register(world, index).inspect_err(|_| world.unlock(index));
            }
        }
        std::thread::yield_now();
    }
    Err(Fault::Full)
}

/// Takes this very record; `None` if its owner lives. Probes make a free byte look taken for a moment, so ask again.
pub(crate) fn attach_as<W: World>(world: &W, index: u32) -> Result<Option<Participant>> {
    if !world.lock(index) {
        return Ok(None);
    }
    register(world, index).map(Some).inspect_err(|_| world.unlock(index))
}

/// Fills the record whose byte this attach holds.
pub(crate) fn register<W: World>(world: &W, index: u32) -> Result<Participant> {
    recover(world, index)?;
    let record = record(world, index)?;
    // Whatever it says that is not LIVE, and whoever wrote that.
    release_words(&record);
    let generation = (record.state.load(Relaxed) >> 8) + 1;
    world.describe(index);
    // Before LIVE: whoever is cut off here is found by the bit, and listed; a record that is LIVE without it is not.
    world.occupied(index / 64).fetch_or(bit(index), SeqCst);
    record.state.store(generation << 8 | LIVE, Release);
    Ok(Participant { index, generation })
}

/// Gives the record back. The caller holds no lease any more.
pub(crate) fn detach<W: World>(world: &W, me: Participant) -> Result<()> {
    let record = me.record(world)?;
    barrier::leave(world, me.index)?;
    // What a guard that was never dropped still holds: its write did not come to an end.
    lock::abandon(world, me.tag());
    release_words(&record);
    lock::wake_all_writers(world)?;
    free(world, me.index, &record);
    notify::notify(world, world.room());
    world.unlock(me.index);
    Ok(())
}

/// Undoes what the dead owner of a record held. The caller holds the record's kernel lock.
///
/// Every step can be repeated, and the record is freed last, so a survivor that dies here leaves work for the next one
/// and no harm.
pub(crate) fn recover<W: World>(world: &W, index: u32) -> Result<()> {
    let record = record(world, index)?;
    let state = record.state.load(Acquire);
    if !is_live(state) {
        // Its owner died on the way in, after the bit and before the record, and so holds nothing else.
        world.occupied(index / 64).fetch_and(!bit(index), SeqCst);
        return Ok(());
    }
    let dead = Tag::new(index, state >> 8);
    barrier::leave(world, index)?;
    lock::abandon(world, dead);
    let prod = Tag::from_bits(world.prod().load(Acquire));
    if prod.same_owner(dead) {
        // A frame it was filling stays odd, so nobody can see it; the successor takes that slot again.
        _ = world.prod().compare_exchange(prod.to_bits(), Tag::FREE.to_bits(), AcqRel, Relaxed);
    }
    release_words(&record);
    lock::wake_all_writers(world)?;
    notify::notify(world, world.room());
    notify::notify(world, world.notify());
    free(world, index, &record);
    Ok(())
}

/// Recovers the owner of `tag` if it is dead. Says whether the word that held the tag should be read again.
///
/// A tag of a record that somebody else has since is nobody's, and would be waited for as long as that one lives.
pub(crate) fn recover_owner<W: World>(world: &W, word: &W::U32, tag: Tag) -> Result<bool> {
    let Some(index) = tag.participant() else {
        return Ok(false);
    };
    let record = record(world, index)?;
    let recovered = world.prove_dead(index, || {
        if word.load(Acquire) != tag.to_bits() {
            return Ok(());
        }
        if tag.is_of(index, record.state.load(Acquire)) { recover(world, index) } else { Err(NOT_HERE) }
    });
    match recovered {
        Some(done) => done.map(|()| true),
        None => check_living(word, tag, index, &record).map(|()| false),
    }
}

/// Refuses a word that names somebody who is not the owner of the record, be it a living one's.
///
/// # Ordering
/// Who acquires the word sees its owner's record LIVE, or in a later state. An owner gives up all words before its
/// record, by release: who sees such a later state and still finds the old tag in the word does not look too early.
fn check_living<W: World>(word: &W::U32, tag: Tag, index: u32, record: &Record<'_, W>) -> Result<()> {
    let names_it = |order| Tag::from_bits(word.load(order)).same_owner(tag);
    let is_forged = names_it(Acquire) && !tag.is_of(index, record.state.load(Acquire)) && names_it(Relaxed);
    if is_forged { Err(NOT_HERE) } else { Ok(()) }
}

const NOT_HERE: Fault = Fault::Corrupt("a role is held by a participant that is not here");

/// Calls `visit` with the record of everyone who is here, and of who died and was not recovered yet.
///
/// # Ordering
/// The loads of the bitmap are `SeqCst`, as is the bit set in [`attach`] and the loads that visitors make: the scan is
/// the second half of a store-to-load pair.
#[inline]
pub(crate) fn scan<W: World>(world: &W, mut visit: impl FnMut(u32, &Record<'_, W>)) {
    find(world, |index, record| {
        visit(index, record);
        false
    });
}

/// The first of those whose records [`scan`] goes through that `is_wanted`.
#[inline]
pub(crate) fn find<W: World>(world: &W, mut is_wanted: impl FnMut(u32, &Record<'_, W>) -> bool) -> Option<u32> {
    for word in 0..world.participants().div_ceil(64) {
        let mut bits = world.occupied(word).load(SeqCst);
        while bits != 0 {
            let index = word * 64 + bits.trailing_zeros();
            bits &= bits - 1;
            if world.record(index).is_some_and(|record| is_wanted(index, &record)) {
                return Some(index);
            }
        }
    }
    None
}

/// Recovers everyone who died, but for oneself.
pub(crate) fn recover_dead<W: World>(world: &W, me: Participant) -> Result<()> {
    let mut outcome = Ok(());
    scan(world, |index, _| {
        if index != me.index {
            outcome = outcome.and(world.prove_dead(index, || recover(world, index)).unwrap_or(Ok(())));
        }
    });
    outcome
}

/// # Ordering
/// `SeqCst`, as in [`lock::Local::end_read`]: the look for writers that wait, in [`lock::wake_all_writers`], follows.
fn release_words<W: World>(record: &Record<'_, W>) {
    record.holds.store(0, SeqCst);
    for pin in record.pins {
        pin.store(0, SeqCst);
    }
    record.cursor.store(0, Release);
}

/// The participant's bit in its word of the bitmap.
fn bit(index: u32) -> u64 {
    1 << (index % 64)
}

fn free<W: World>(world: &W, index: u32, record: &Record<'_, W>) {
    world.occupied(index / 64).fetch_and(!bit(index), SeqCst);
    let generation = record.state.load(Relaxed) & !KIND;
    record.state.store(generation, Release);
}
