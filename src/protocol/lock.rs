//! The lock of an array in place: each block has one writer or any number of readers, and either may die at any time.
//!
//! A writer names itself in the block's own word, by the compare-and-swap that takes it. A reader announces itself in
//! its own record, which no other process writes to, and then looks whether a writer is there: readers never contend.
//! A writer that has its word looks for announced readers and waits until they are gone. So whoever comes second sees
//! the other, and since readers step back, writers get through any number of them.
//!
//! `seq` is odd while a block is written. A writer that dies leaves it odd, and whoever recovers the dead poisons the
//! block before anybody else can enter it.
//!
//! A word that is free may carry [`TURN`]: somebody starved, and those who have just come let it go first.

use super::notify;
use super::participant::{self, Participant, Tag};
use super::word::{Block, Record, Word};
use super::{Fault, Result, World};
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// In a free word: someone has waited for long, and newcomers give way. In an owned one: leave it so when you go.
const TURN: u32 = 1 << 29;
/// The owner waits for readers to leave.
const DRAIN: u32 = 1 << 30;
/// Somebody sleeps on the word.
const WAITERS: u32 = 1 << 31;

/// How long one sleep may take before the sleeper looks who died.
const SLICE_NS: u64 = 10_000_000;
/// How long one waits before asking for a turn.
const STARVING_NS: u64 = 1_000_000;
/// How long newcomers give way: as long as a process may need to wake up.
const GIVE_WAY_NS: u64 = 200_000;
/// How long a word may name this attach, which holds no such lock, before the file is deemed corrupt.
const STRANGE_NS: u64 = 1_000_000_000;

/// Blocks in a row, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

impl Span {
    /// As a pin tells it: the first block plus one, and how many follow it.
    fn to_bits(self) -> u32 {
        (self.first + 1) | (self.count - 1) << 16
    }

    /// Whether a pin covers a block.
    fn bits_cover(bits: u32, block: u32) -> bool {
        let first = bits & 0xffff;
        // Most pins tell nothing, and are looked at most often.
        bits != 0 && first != 0 && first <= block + 1 && block + 1 - first <= bits >> 16
    }

    pub(crate) fn blocks(self) -> Range<u32> {
        self.first..self.first + self.count
    }

    pub(crate) fn covers(self, other: Self) -> bool {
        self.first <= other.first && other.blocks().end <= self.blocks().end
    }
}

/// Where a reader is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the record's count of holds, which covers every block.
    Whole,
    /// In one of the record's pins. Small, because leases are moved about.
    Entry(u8),
}

/// What one attach knows of its own leases. Its threads share it; no other process sees it.
pub(crate) struct Local<W: World> {
    /// For each pin of the record: the span it tells over the number of guards that use it. A span with no guards is
    /// being cleared, and nobody may join it.
    entries: Box<[W::U64]>,
    /// For each block, whether a thread of this attach writes it.
    writes: Box<[AtomicBool]>,
}

impl<W: World> std::fmt::Debug for Local<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").finish_non_exhaustive()
    }
}

/// How long a caller waits, and what it has been through, if it had to.
struct Patience {
    until_ns: u64,
    trials: Option<Trials>,
}

/// What a caller that waits has been through.
#[derive(Default)]
struct Trials {
    /// When the first wait began.
    since_ns: Option<u64>,
    is_starving: bool,
    looks: u32,
    gives_way_until_ns: Option<u64>,
    strange_since_ns: Option<u64>,
}

impl Patience {
    #[inline]
    fn until(until_ns: u64) -> Self {
        Self { until_ns, trials: None }
    }

    #[inline]
    fn is_starving(&self) -> bool {
        self.trials.as_ref().is_some_and(|trials| trials.is_starving)
    }

    fn trials(&mut self) -> &mut Trials {
        self.trials.get_or_insert_default()
    }

    /// Lets somebody who starved go first, for a moment. `false`: long enough.
    fn gives_way<W: World>(&mut self, world: &W) -> bool {
        let (now_ns, until_ns) = (world.now_ns(), self.until_ns);
        let trials = self.trials();
        let end_ns = *trials.gives_way_until_ns.get_or_insert(now_ns.saturating_add(GIVE_WAY_NS));
        trials.looks += 1;
        !trials.is_starving && now_ns < end_ns.min(until_ns) && world.pause(trials.looks % 100)
    }
}

impl<W: World> Local<W> {
    pub(crate) fn new(entries: usize, blocks: u32) -> Self {
        Self {
            entries: (0..entries).map(|_| W::U64::default()).collect(),
            writes: (0..blocks).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    /// Takes a read lease; `None` if `until_ns` passes first. With zero it does not wait, but still recovers the dead.
    ///
    /// # Ordering
    /// The announcement and the look at the writer's word are `SeqCst`, as are the writer's taking of its word and its
    /// look at the announcements: one of them sees the other. The load of a free word meets the swap in
    /// [`Local::release`]: what the last writer wrote is visible.
    #[inline]
    pub(crate) fn read(&self, world: &W, me: Participant, span: Span, until_ns: u64) -> Result<Option<Place>> {
        let record = me.record(world)?;
        let mut patience = Patience::until(until_ns);
        loop {
            let place = self.announce(world, &record, span)?;
            let Some(busy) = first_writer(world, span)? else {
                if patience.is_starving() {
                    had_turn(world, span)?;
                }
                return Ok(Some(place));
            };
            self.end_read(world, me, span, place)?;
            if !self.wait_for_writer(world, me, busy, &mut patience)? {
                return Ok(None);
            }
        }
    }

    /// Adds a guard to a lease that is held: it needs no look at the writer, who waits for the one as for the other.
    pub(crate) fn nest(&self, world: &W, me: Participant, place: Place) -> Result<()> {
        match place {
            Place::Whole => _ = me.record(world)?.holds.fetch_add(1, Relaxed),
            Place::Entry(entry) => _ = self.entry(entry.into())?.fetch_add(1, Relaxed),
        }
        Ok(())
    }

    /// Gives a read lease back, and wakes the writers that wait for it.
    ///
    /// # Ordering
    /// The release half of the change meets the writer's load of the announcement: our last look at the block is over
    /// before it writes. That the change and the look for [`DRAIN`] are `SeqCst`, as are the writer's setting of it and its next
    /// look, lets no wake-up be lost.
    #[inline]
    pub(crate) fn end_read(&self, world: &W, me: Participant, span: Span, place: Place) -> Result<()> {
        let record = me.record(world)?;
        let is_gone = match place {
            Place::Whole => {
                record.holds.fetch_sub(1, SeqCst);
                true
            }
            Place::Entry(entry) => self.leave(&record, entry.into())?,
        };
        if is_gone { wake_writers(world, span) } else { Ok(()) }
    }

    #[inline]
    fn announce(&self, world: &W, record: &Record<'_, W>, span: Span) -> Result<Place> {
        if span.count == world.blocks() {
            record.holds.fetch_add(1, SeqCst);
            return Ok(Place::Whole);
        }
        let entry = self.join(world, span)?;
        // Whoever joins an entry stores it too: the one who had it first may not have come to it yet.
        record.pins.get(entry).ok_or(NO_ENTRY)?.store(span.to_bits(), SeqCst);
        u8::try_from(entry).map(Place::Entry).map_err(|_| NO_ENTRY)
    }

    /// Finds an entry that tells this span already, or a free one.
    fn join(&self, world: &W, span: Span) -> Result<usize> {
        let told = u64::from(span.to_bits()) << 32;
        let take = |word: &W::U64| word.compare_exchange(0, told + 1, AcqRel, Relaxed).is_ok();
        // Other threads are clearing it, or have just taken it for this span: in a moment it is of use.
        let is_changing = |word: &W::U64| {
            let seen = word.load(Relaxed);
            seen as u32 == 0 || seen >> 32 == told >> 32
        };
        let mut looks = 0;
        loop {
            for (entry, word) in self.entries.iter().enumerate() {
                let mut seen = word.load(Relaxed);
                while seen > told && seen >> 32 == told >> 32 {
                    match word.compare_exchange(seen, seen + 1, AcqRel, Relaxed) {
                        Ok(_) => return Ok(entry),
                        Err(now) => seen = now,
                    }
                }
            }
            if let Some(entry) = self.entries.iter().position(take) {
                return Ok(entry);
            }
            if !world.pause(looks % 100) || !self.entries.iter().any(is_changing) {
                return Err(Fault::PinsTaken);
            }
            looks += 1;
        }
    }

    /// Takes a guard off an entry; says whether it was the last.
    fn leave(&self, record: &Record<'_, W>, entry: usize) -> Result<bool> {
        let word = self.entry(entry)?;
        let mut seen = word.load(Relaxed);
        while let Err(now) = word.compare_exchange(seen, seen - 1, AcqRel, Relaxed) {
            seen = now;
        }
        let is_last = seen & 0xffff_ffff == 1;
        if is_last {
            // Nobody joins a span without guards, so nobody counts on what is cleared here.
            record.pins.get(entry).ok_or(NO_ENTRY)?.store(0, SeqCst);
            word.store(0, Release);
        }
        Ok(is_last)
    }

    fn entry(&self, entry: usize) -> Result<&W::U64> {
        self.entries.get(entry).ok_or(NO_ENTRY)
    }

    /// Takes the blocks for writing, in rising order, and says so in their `seq`; `false` if `until_ns` passes first.
    #[inline]
    pub(crate) fn write(&self, world: &W, me: Participant, span: Span, until_ns: u64) -> Result<bool> {
        let mut patience = Patience::until(until_ns);
        for block in span.blocks() {
            let taken = self.take(world, me, block, &mut patience);
            if !matches!(taken, Ok(true)) {
                (span.first..block).try_for_each(|block| self.release(world, block))?;
                return taken;
            }
        }
        for block in span.blocks() {
            begin(&words(world, block)?);
        }
        // Whoever copies without a lease and sees one of the bytes written from here on sees the odd numbers as well.
        W::fence(Release);
        Ok(true)
    }

    /// Ends a write: what was written becomes visible, or, if it failed, poisoned.
    ///
    /// # Ordering
    /// The blocks' bytes are stored before `seq` is even, by release. The poison is set before, so nobody enters and misses it.
    #[inline]
    pub(crate) fn end_write(&self, world: &W, span: Span, has_failed: bool) -> Result<()> {
        for block in span.blocks() {
            let Block { seq, poison, .. } = words(world, block)?;
            if has_failed {
                poison.store(1, Relaxed);
            }
            seq.store(seq.load(Relaxed).wrapping_add(1), Release);
            self.release(world, block)?;
        }
        changed(world);
        Ok(())
    }

    /// Takes the writer's role of a block; `false` if `until_ns` passes first. The role of a cell's writer is this alone.
    #[inline]
    pub(crate) fn take_role(&self, world: &W, me: Participant, block: u32, until_ns: u64) -> Result<bool> {
        self.take_word(world, me, block, &mut Patience::until(until_ns))
    }

    /// Takes the block's word and waits until its readers are gone.
    #[inline]
    fn take(&self, world: &W, me: Participant, block: u32, patience: &mut Patience) -> Result<bool> {
        if !self.take_word(world, me, block, patience)? {
            return Ok(false);
        }
        let drained = drain(world, me, block, patience.until_ns);
        if !matches!(drained, Ok(true)) {
            self.release(world, block)?;
        }
        drained
    }

    #[inline]
    fn take_word(&self, world: &W, me: Participant, block: u32, patience: &mut Patience) -> Result<bool> {
        let wr = words(world, block)?.wr;
        let mut free = 0;
        while let Err(seen) = wr.compare_exchange(free, me.tag().to_bits(), SeqCst, Relaxed) {
            match self.wait_for_word(world, me, block, seen, patience)? {
                Some(now) => free = now,
                None => return Ok(false),
            }
        }
        self.set_writes(block, true);
        Ok(true)
    }

    /// Waits until a word may be had that was found as `seen`, and says with what in it; `None` if the time is over.
    #[cold]
    fn wait_for_word(
        &self,
        world: &W,
        me: Participant,
        block: u32,
        seen: u32,
        patience: &mut Patience,
    ) -> Result<Option<u32>> {
        if !is_free(seen) {
            return Ok(self.wait_for_writer(world, me, block, patience)?.then_some(0));
        }
        Ok(Some(if patience.gives_way(world) { 0 } else { seen }))
    }

    /// Gives a block's word up, and wakes those who wait for it.
    ///
    /// # Ordering
    /// The swap releases what was written to whoever finds the word free. It is `SeqCst`, so that the look in [`changed`] comes after the stores before it.
    #[inline]
    pub(crate) fn release(&self, world: &W, block: u32) -> Result<()> {
        let wr = words(world, block)?.wr;
        self.set_writes(block, false);
        let old = wr.swap(0, SeqCst);
        if old & WAITERS != 0 {
            wake_waiters(world, wr, old);
        }
        Ok(())
    }

    #[inline]
    fn set_writes(&self, block: u32, yes: bool) {
        if let Some(writes) = self.writes.get(block as usize) {
            writes.store(yes, Relaxed);
        }
    }

    /// Waits until a block may be free; `false` if the time is over. Recovers its owner if that is dead.
    #[cold]
    fn wait_for_writer(&self, world: &W, me: Participant, block: u32, patience: &mut Patience) -> Result<bool> {
        let wr = words(world, block)?.wr;
        let mut looks = 0;
        loop {
            let seen = wr.load(Relaxed);
            if is_free(seen) {
                return Ok(true);
            }
            if patience.until_ns > 0 && world.back_off(looks) {
                looks += 1;
                continue;
            }
            let now_ns = world.now_ns();
            let owner = Tag::from_bits(seen);
            if participant::recover_owner(world, wr, owner)? {
                continue;
            }
            if now_ns >= patience.until_ns {
                return Ok(false);
            }
            if owner.same_owner(me.tag()) {
                self.check_own(block, now_ns, patience)?;
            }
            let trials = patience.trials();
            trials.is_starving = now_ns - *trials.since_ns.get_or_insert(now_ns) >= STARVING_NS;
            let armed = seen | WAITERS | if trials.is_starving { TURN } else { 0 };
            if seen == armed || wr.compare_exchange(seen, armed, Relaxed, Relaxed).is_ok() {
                world.sleep(wr, armed, (now_ns + SLICE_NS).min(patience.until_ns));
            }
        }
    }

    /// Refuses to wait for ever for a word that names this attach, if no thread of it has that lock.
    fn check_own(&self, block: u32, now_ns: u64, patience: &mut Patience) -> Result<()> {
        if self.writes.get(block as usize).is_none_or(|writes| writes.load(Relaxed)) {
            patience.trials().strange_since_ns = None;
            return Ok(());
        }
        let since_ns = *patience.trials().strange_since_ns.get_or_insert(now_ns);
        let is_forged = now_ns - since_ns >= STRANGE_NS;
        if is_forged { Err(Fault::Corrupt("a block is held by this attach, which does not hold it")) } else { Ok(()) }
    }
}

const NO_ENTRY: Fault = Fault::Corrupt("no such pin");

/// Wakes those who wait for a word that held `old` and is free now. Whoever starved is let in first.
#[cold]
fn wake_waiters<W: World>(world: &W, wr: &W::U32, old: u32) {
    if old & TURN != 0 {
        _ = wr.compare_exchange(0, TURN, Relaxed, Relaxed);
    }
    world.wake_all(wr);
}

/// The words of a block whose index the caller checked or took from a span.
#[inline]
pub(crate) fn words<W: World>(world: &W, block: u32) -> Result<Block<'_, W>> {
    world.block(block).ok_or(Fault::Corrupt("a word names a block that cannot be"))
}

#[inline]
fn is_free(bits: u32) -> bool {
    Tag::from_bits(bits).participant().is_none()
}

/// The first block of a span that has a writer.
#[inline]
fn first_writer<W: World>(world: &W, span: Span) -> Result<Option<u32>> {
    for block in span.blocks() {
        if !is_free(words(world, block)?.wr.load(SeqCst)) {
            return Ok(Some(block));
        }
    }
    Ok(None)
}

/// Whoever starved and got in takes back that newcomers give way.
#[cold]
fn had_turn<W: World>(world: &W, span: Span) -> Result<()> {
    for block in span.blocks() {
        _ = words(world, block)?.wr.compare_exchange(TURN, 0, Relaxed, Relaxed);
    }
    Ok(())
}

/// Wakes the writers of these blocks that wait for readers to leave.
#[inline]
fn wake_writers<W: World>(world: &W, span: Span) -> Result<()> {
    for block in span.blocks() {
        let block = words(world, block)?;
        if block.wr.load(SeqCst) & DRAIN != 0 {
            wake_writer(world, &block);
        }
    }
    Ok(())
}

#[cold]
fn wake_writer<W: World>(world: &W, block: &Block<'_, W>) {
    block.drain.fetch_add(1, Release);
    world.wake_all(block.drain);
}

/// Waits until nobody reads a block whose word this attach has; `false` if the time is over. Recovers dead readers.
#[inline]
fn drain<W: World>(world: &W, me: Participant, block: u32, until_ns: u64) -> Result<bool> {
    if reader_of(world, block).is_none() { Ok(true) } else { drain_readers(world, me, block, until_ns) }
}

#[cold]
fn drain_readers<W: World>(world: &W, me: Participant, block: u32, until_ns: u64) -> Result<bool> {
    let Block { wr, drain, .. } = words(world, block)?;
    let mut looks = 0;
    let mut is_armed = false;
    let is_drained = loop {
        let Some(reader) = reader_of(world, block) else { break true };
        if until_ns > 0 && world.pause(looks) {
            looks += 1;
            continue;
        }
        let now_ns = world.now_ns();
        let is_dead = reader != me.index && world.prove_dead(reader, || participant::recover(world, reader)).is_some();
        if is_dead {
            continue;
        }
        if now_ns >= until_ns {
            break false;
        }
        wr.fetch_or(DRAIN, SeqCst);
        is_armed = true;
        let seen = drain.load(Acquire);
        // Once more: one that left before it could see the flag wakes nobody.
        if reader_of(world, block).is_some() {
            world.sleep(drain, seen, (now_ns + SLICE_NS).min(until_ns));
        }
    };
    if is_armed {
        wr.fetch_and(!DRAIN, Relaxed);
    }
    Ok(is_drained)
}

/// Somebody who reads the block, or wants to.
#[inline]
fn reader_of<W: World>(world: &W, block: u32) -> Option<u32> {
    participant::find(world, |_, record| reads(world, record, block))
}

/// Calls `visit` with everybody who reads one of the blocks, or wants to.
pub(crate) fn visit_readers<W: World>(world: &W, span: Span, mut visit: impl FnMut(u32)) {
    participant::scan(world, |index, record| {
        if span.blocks().any(|block| reads(world, record, block)) {
            visit(index);
        }
    });
}

#[inline]
fn reads<W: World>(world: &W, record: &Record<'_, W>, block: u32) -> bool {
    record.holds.load(SeqCst) != 0 || (world.blocks() > 1 && pins_cover(record, block))
}

fn pins_cover<W: World>(record: &Record<'_, W>, block: u32) -> bool {
    record.pins.iter().any(|pin| Span::bits_cover(pin.load(SeqCst), block))
}

/// Makes `seq` odd. If it was odd, whoever wrote last did not come to the end, and nobody has said so.
#[inline]
fn begin<W: World>(block: &Block<'_, W>) {
    let seq = block.seq.load(Relaxed);
    if seq % 2 == 1 {
        block.poison.store(1, Relaxed);
    }
    block.seq.store(seq | 1, Relaxed);
}

/// Gives up every block that `owner` writes; one that it was in the middle of is poisoned.
///
/// The poison comes first, so that nobody can enter and miss it, and the word last, so that whoever repeats this finds
/// the rest to be done.
pub(crate) fn abandon<W: World>(world: &W, owner: Tag) {
    for block in (0..world.blocks()).map_while(|block| world.block(block)) {
        if !Tag::from_bits(block.wr.load(Acquire)).same_owner(owner) {
            continue;
        }
        let seq = block.seq.load(Relaxed);
        if seq % 2 == 1 && !world.is_cell() {
            block.poison.store(1, Relaxed);
            block.seq.store(seq.wrapping_add(1), Release);
        }
        block.wr.swap(0, Release);
        world.wake_all(block.wr);
    }
}

/// Wakes every writer that may have waited for a reader that is gone.
pub(crate) fn wake_all_writers<W: World>(world: &W) -> Result<()> {
    match world.blocks() {
        0 => Ok(()),
        count => wake_writers(world, Span { first: 0, count }),
    }
}

/// Tells those who wait for a change, if there are any.
///
/// # Ordering
/// Whoever waits says so first and looks once more, by [`latest_sequence`]; here `seq` is stored first. Without a lock's
/// swap between, as in a cell, a wake-up may be missed, and the waiter's slice makes up for it: the common case stays
/// one load.
#[inline]
pub(crate) fn changed<W: World>(world: &W) {
    if world.notify().load(SeqCst) & notify::WAITING != 0 {
        notify::notify(world, world.notify());
    }
}

/// The first poisoned block of a span.
#[inline]
pub(crate) fn poisoned<W: World>(world: &W, span: Span) -> Result<Option<u32>> {
    for block in span.blocks() {
        if words(world, block)?.poison.load(Relaxed) != 0 {
            return Ok(Some(block));
        }
    }
    Ok(None)
}

/// Says that the blocks, which the caller writes, are whole again.
pub(crate) fn clear_poison<W: World>(world: &W, span: Span) {
    for block in span.blocks().map_while(|block| world.block(block)) {
        block.poison.store(0, Relaxed);
    }
}

/// Two for each write that has ended, and one more while any is under way. In a cell: how often it was stored.
///
/// # Ordering
/// Relaxed loads and a fence meet the release stores of `seq`: an acquire load is not promised to work on memory that
/// is mapped read-only.
pub(crate) fn sequence<W: World>(world: &W) -> u64 {
    let (mut ended, mut is_odd) = (0_u64, 0);
    for block in (0..world.blocks()).map_while(|block| world.block(block)) {
        let seq = block.seq.load(Relaxed);
        if world.is_cell() {
            ended = seq;
        } else {
            ended = ended.wrapping_add(seq & !1);
            is_odd |= seq & 1;
        }
    }
    W::fence(Acquire);
    ended | is_odd
}

/// The same for one who has just said that it waits for a change. It may be asked of writable memory only.
///
/// # Ordering
/// Between the end of a write and its look for those who wait, in [`changed`], stands the `SeqCst` swap that frees the
/// block. The waiter says that it waits, `SeqCst`, and loads the same word: either after the swap, which it then meets,
/// so it sees the new number; or before, and then the writer sees that somebody waits.
pub(crate) fn latest_sequence<W: World>(world: &W) -> u64 {
    for block in (0..world.blocks()).map_while(|block| world.block(block)) {
        block.wr.load(SeqCst);
    }
    sequence(world)
}

/// Recovers whoever died while writing.
pub(crate) fn recover_writers<W: World>(world: &W) -> Result<()> {
    for block in (0..world.blocks()).map_while(|block| world.block(block)) {
        participant::recover_owner(world, block.wr, Tag::from_bits(block.wr.load(Relaxed)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Span;

    /// A pin tells exactly the blocks of its span, up to the last that can be.
    #[test]
    fn pins_tell_spans() {
        for (first, count) in [(0, 1), (0, 3), (7, 1), (5, 65_530), (65_534, 1), (0, 65_535)] {
            let span = Span { first, count };
            for block in [0, 1, 2, 3, 4, 5, 6, 7, 8, 65_533, 65_534] {
                assert_eq!(Span::bits_cover(span.to_bits(), block), span.blocks().contains(&block), "{span:?} {block}");
            }
        }
        assert!(!Span::bits_cover(0, 0));
    }
}
