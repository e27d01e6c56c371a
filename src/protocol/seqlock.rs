//! Copies without a lease: what was copied is believed only if nothing was written meanwhile.
//!
//! An array's `seq` is odd while it is written, so a copy is good if every `seq` was even before and is the same
//! afterwards. A cell has two copies of its value, and its `seq` says which one is current: its writer fills the other,
//! so a reader finds a whole value at any time, whatever the writer does or dies of.
//!
//! The method is the sequence lock of the Linux kernel; its orderings are those of Boehm, "Can Seqlocks Get Along With
//! Programming Language Memory Models?" (2012).

use super::lock::{Span, changed, poisoned, words};
use super::word::Word;
use super::{Fault, Result, World};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Copies blocks; `None` if one of them was being written.
///
/// `copy` may ask meanwhile whether going on is of any use. It must read through atomics only: it may race.
///
/// # Ordering
/// Relaxed loads with fences: an acquire load is not promised to work on memory that is mapped read-only. The first
/// fence meets the release store that makes `seq` even. The second orders the copy before the second look, and meets
/// the fence between the odd `seq` and the first new byte.
pub(crate) fn try_copy<W: World, R>(
    world: &W,
    span: Span,
    copy: impl FnOnce(&dyn Fn() -> bool) -> R,
) -> Result<Option<R>> {
    let mut before = 0_u64;
    for block in span.blocks() {
        let seq = words(world, block)?.seq.load(Relaxed);
        if seq % 2 == 1 {
            return Ok(None);
        }
        before = before.wrapping_add(seq);
    }
    W::fence(Acquire);
    let copied = copy(&|| total(world, span) == before);
    let poisoned = poisoned(world, span)?;
    W::fence(Acquire);
    if total(world, span) != before {
        return Ok(None);
    }
    poisoned.map_or(Ok(Some(copied)), |block| Err(Fault::Poisoned(block)))
}

/// The sum of the blocks' numbers. None of them ever falls, so the sum is the same only if they all are.
fn total<W: World>(world: &W, span: Span) -> u64 {
    let numbers = span.blocks().map_while(|block| world.block(block));
    numbers.fold(0, |sum, block| sum.wrapping_add(block.seq.load(Relaxed)))
}

/// Stores a cell's value: `fill` writes the copy, 0 or 1, that nobody is sent to. The caller has the writer's role.
///
/// # Ordering
/// The fence stands between the last store of `seq` and the bytes: who reads one of these sees that `seq` as well, and
/// so finds that the copy it was sent to is no longer current. The release store makes the bytes visible to whoever is sent to them.
#[inline]
pub(crate) fn store<W: World>(world: &W, fill: impl FnOnce(u32)) -> Result<()> {
    let seq = words(world, 0)?.seq;
    let next = seq.load(Relaxed).wrapping_add(1);
    W::fence(Release);
    fill((next % 2) as u32);
    seq.store(next, Release);
    changed(world);
    Ok(())
}

/// Loads a cell's value: `copy` reads the copy, 0 or 1, that it is sent to, through atomics. Repeats if a store came to its
/// end meanwhile: the writer may be filling that very copy by then.
///
/// # Ordering
/// As in [`try_copy`]; the writer's fence is in [`store`].
#[inline]
pub(crate) fn load<W: World, R>(world: &W, mut copy: impl FnMut(u32) -> R) -> Result<R> {
    let seq = words(world, 0)?.seq;
    loop {
        let before = seq.load(Relaxed);
        W::fence(Acquire);
        let copied = copy((before % 2) as u32);
        W::fence(Acquire);
        if seq.load(Relaxed) == before {
            return Ok(copied);
        }
    }
}
