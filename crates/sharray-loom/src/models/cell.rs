//! A cell has two copies of its value: its writer fills the one that nobody is sent to, so a value is always there, and
//! always whole.

use super::lock::{FIRST, FOREVER, Member, array, block};
use super::{at_each_access, explore, explore_with};
use crate::protocol::lock::{self, sequence};
use crate::protocol::notify::{self, Slices};
use crate::protocol::seqlock;
use crate::protocol::word::Word;
use crate::world::{Geometry, IN_PLACE, LoomWorld};
use loom::thread;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering::Relaxed;

const CELL: Geometry = Geometry { is_cell: true, ..IN_PLACE };

/// Stores a number. The caller has the role.
fn store(writer: &Member, number: u64) {
    let world = writer.world();
    seqlock::store(world, |copy| world.fill_cell(copy, number)).expect("there is a block");
}

fn load(world: &LoomWorld) -> u64 {
    let [first, second] = seqlock::load(world, |copy| world.copy_cell(copy)).expect("there is a block");
    assert_eq!(first, second, "torn");
    first
}

fn take_role(writer: &Member) -> bool {
    writer.local.take_role(writer.world(), writer.process.me, 0, FOREVER).expect("the words are sound")
}

/// Takes the writer's role, stores, and gives it back.
fn store_once(writer: &Member, number: u64) {
    if take_role(writer) {
        store(writer, number);
        writer.local.release(writer.world(), 0).expect("there is a block");
    }
}

/// A value is loaded while two are stored: the second goes into the copy that the reader may have been sent to.
#[test]
fn a_value_is_loaded_whole() {
    explore(&["0", "1", "2"], |outcomes| {
        let [writer, reader] = array(CELL);
        assert!(take_role(&writer));
        let reader = thread::spawn(move || load(reader.world()));
        store(&writer, 1);
        store(&writer, 2);
        outcomes.saw(reader.join().expect("no panic").to_string());
    });
}

/// Two writers store one after the other, and the second one knows which copy the first one filled.
#[test]
fn two_writers_take_the_role_in_turn() {
    explore_with(Some(3), &["0 then 1", "0 then 2", "1 then 1", "1 then 2", "2 then 1", "2 then 2"], |outcomes| {
        let [one, other, reader] = array(CELL);
        let last = reader.clone();
        let reader = thread::spawn(move || load(reader.world()));
        let other = thread::spawn(move || store_once(&other, 2));
        store_once(&one, 1);
        other.join().expect("no panic");
        let seen = reader.join().expect("no panic");
        assert_eq!(sequence(last.world()), 2);
        outcomes.saw(format!("{seen} then {}", load(last.world())));
    });
}

/// A writer is killed at each access while somebody loads. The value is the old one or the new one, and no poison; the
/// next writer goes on.
#[test]
fn a_writer_is_killed_and_the_value_stays_whole() {
    at_each_access(&["0 then 0", "0 then 1", "1 then 1"], |accesses| {
        let [writer, reader, next] = array(CELL);
        let reader = thread::spawn(move || load(reader.world()));
        let lived = writer.world().doomed(accesses, || store_once(&writer, 1));
        let seen = load(next.world());
        store_once(&next, 2);
        assert_eq!(load(next.world()), 2);
        assert_eq!(lock::poisoned(next.world(), FIRST), Ok(None), "a cell is never poisoned");
        assert_eq!(block(next.world(), 0).wr.load(Relaxed), 0);
        let before = reader.join().expect("no panic");
        (lived, if before == 2 { "0 then 0".to_owned() } else { format!("{before} then {seen}") })
    });
}

/// Who stores into a cell tests for those who wait without a barrier, and may overlook one. A slice makes up for that.
#[test]
fn a_slice_makes_up_for_an_overlooked_waiter() {
    explore(&["woken"], |outcomes| {
        let [writer, waiter] = array(CELL);
        assert!(take_role(&writer));
        let waiter = thread::spawn(move || {
            let world = waiter.world().sliced();
            let check = |_| if sequence(&world) == 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            notify::wait(&world, crate::protocol::World::notify(&world), FOREVER, Slices::CHANGE, check);
            assert_eq!(load(&world), 1);
        });
        store(&writer, 1);
        waiter.join().expect("no panic");
        outcomes.saw("woken");
    });
}
