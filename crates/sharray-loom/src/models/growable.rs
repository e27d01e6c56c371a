//! A table that grows: what stands below its length is there for everyone, for ever; and it has one writer at a time, who
//! may die.

use super::lock::{FOREVER, Member, array, block};
use super::{at_each_access, explore, explore_with};
use crate::protocol::growable::{self, Extent};
use crate::protocol::notify::{self, Slices};
use crate::protocol::word::Word;
use crate::protocol::{Fault, World};
use crate::world::{Geometry, IN_PLACE, LoomWorld};
use loom::thread;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering::Relaxed;

const ROWS: usize = 3;
const TABLE: Geometry = Geometry { rows: ROWS, ..IN_PLACE };
const EXTENT: Extent = Extent { max_len: ROWS as u64, row_bytes: 1 };

/// Appends rows, as the library does. A process that is killed meanwhile is not heard of again.
fn append(member: &Member, numbers: &[u64]) {
    let world = member.world();
    if !member.local.take_role(world, member.process.me, 0, FOREVER).expect("the words are sound") {
        return;
    }
    let place = growable::next(world, EXTENT, numbers.len() as u64).expect("there is room");
    if let Some(lacking) = place.lacking {
        world.grow(lacking.end);
        growable::reserved(world, lacking.end);
    }
    for (row, number) in place.rows.clone().zip(numbers) {
        world.fill_row(row, *number);
    }
    growable::publish(world, &member.local, place.rows.end).expect("the words are sound");
}

/// All rows that are there.
fn rows(world: &LoomWorld) -> Vec<u64> {
    let len = growable::len(world, EXTENT).expect("the words are sound");
    (0..len).map(|row| world.look_at_row(row)).collect()
}

/// Sleeps until there are so many rows.
fn wait_len(world: &LoomWorld, len: u64) {
    let check = |_| match growable::latest_len(world, EXTENT).expect("the words are sound") {
        now if now >= len => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    notify::wait(world, world.notify(), FOREVER, Slices::CHANGE, check).expect("the wait has no end but its answer");
}

/// Whoever looks meanwhile finds the rows that are there, and none of those that are being filled.
#[test]
fn rows_below_the_length_are_there() {
    explore(&["[]", "[7, 8]", "[7, 8, 9]"], |outcomes| {
        let [writer, reader] = array(TABLE);
        let reader = thread::spawn(move || rows(reader.world()));
        append(&writer, &[7, 8]);
        append(&writer, &[9]);
        outcomes.saw(format!("{:?}", reader.join().expect("no panic")));
    });
}

/// Two append at once: neither overwrites the other's row, and whoever looks meanwhile finds the row of who came first.
#[test]
fn two_append_in_turn() {
    explore_with(
        Some(3),
        &["[7, 8] after 0", "[7, 8] after 1", "[7, 8] after 2", "[8, 7] after 0", "[8, 7] after 1", "[8, 7] after 2"],
        |outcomes| {
            let [one, other, reader] = array(TABLE);
            let last = reader.clone();
            let reader = thread::spawn(move || rows(reader.world()));
            let other = thread::spawn(move || append(&other, &[8]));
            append(&one, &[7]);
            other.join().expect("no panic");
            let (seen, all) = (reader.join().expect("no panic"), rows(last.world()));
            assert!(all.starts_with(&seen), "what was seen changed");
            outcomes.saw(format!("{all:?} after {}", seen.len()));
        },
    );
}

/// Killed at each access: its row is there or it is not. The next one finds room for what it appends, and no row that was seen
/// changes.
#[test]
fn an_appender_is_killed() {
    at_each_access(&["[1, 7, 8] after 1", "[1, 7, 8] after 2", "[1, 8] after 1"], |accesses| {
        let [victim, reader, next] = array(TABLE);
        append(&next, &[1]);
        let reader = thread::spawn(move || rows(reader.world()));
        let lived = victim.world().doomed(accesses, || append(&victim, &[7]));
        let next = next.sliced(0);
        append(&next, &[8]);
        let (seen, all) = (reader.join().expect("no panic"), rows(next.world()));
        assert!(all.starts_with(&seen), "what was seen changed");
        assert_eq!(block(next.world(), 0).wr.load(Relaxed) & 0x3ff, 0, "the role is free");
        // It may have looked late.
        (lived, format!("{all:?} after {}", seen.len().min(all.len() - 1)))
    });
}

/// The one that makes it enough wakes whoever waits, and nothing else does.
#[test]
fn an_append_wakes_who_waits_for_it() {
    explore_with(Some(3), &["woken"], |outcomes| {
        let [writer, waiter] = array(TABLE);
        let waiter = thread::spawn(move || {
            wait_len(waiter.world(), 1);
            assert_eq!(rows(waiter.world()), [7]);
        });
        append(&writer, &[7]);
        waiter.join().expect("no panic");
        outcomes.saw("woken");
    });
}

/// Rows of two processes, of which the waiter needs both.
#[test]
fn two_appends_wake_who_waits_for_both() {
    explore_with(Some(2), &["woken"], |outcomes| {
        let [one, other, waiter] = array(TABLE);
        let waiter = thread::spawn(move || wait_len(waiter.world(), 2));
        let other = thread::spawn(move || append(&other, &[8]));
        append(&one, &[7]);
        other.join().expect("no panic");
        waiter.join().expect("no panic");
        outcomes.saw("woken");
    });
}

/// What cannot be is refused, and nothing past the room is written.
#[test]
fn lengths_that_cannot_be_are_refused() {
    explore(&["refused"], |outcomes| {
        let [one] = array(TABLE);
        append(&one, &[1, 2, 3]);
        let world = one.world();
        assert_eq!(growable::next(world, EXTENT, 1), Err(Fault::TableFull(3)));
        assert_eq!(growable::next(world, EXTENT, u64::MAX), Err(Fault::TableFull(3)));
        world.cap_bytes().store(4, Relaxed);
        assert!(matches!(growable::next(world, EXTENT, 0), Err(Fault::Corrupt(_))));
        world.len().store(4, Relaxed);
        assert!(matches!(growable::len(world, EXTENT), Err(Fault::Corrupt(_))));
        outcomes.saw("refused");
    });
}
