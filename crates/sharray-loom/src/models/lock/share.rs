//! Threads of one attach share its announcements: a count of holds, and pins that several guards use.
//!
//! What one thread takes back must not be what another stands on. A writer of another process looks at the shared words
//! alone and knows nothing of the threads behind them.

use super::{FIRST, FOREVER, Member, SECOND, TWO_BLOCKS, array};
use crate::models::{Outcomes, explore_with};
use crate::protocol::Fault;
use crate::protocol::lock::{Place, Span};
use crate::world::{Geometry, IN_PLACE};
use loom::thread;

/// Two blocks, and a pin for each of two threads.
const TWO_PINS: Geometry = Geometry { pins: 2, ..TWO_BLOCKS };

/// Reads a block if it can be had at once, and says what came of it.
fn try_read(reader: &Member, span: Span) -> String {
    match reader.local.read(reader.world(), reader.process.me, span, 0) {
        Ok(Some(place)) => {
            let seen = reader.look(span).expect("nobody died")[0];
            reader.end_read(span, place);
            format!("read {seen}")
        }
        Ok(None) => "refused".to_owned(),
        Err(Fault::PinsTaken) => "no pin".to_owned(),
        Err(fault) => panic!("{fault:?}"),
    }
}

/// One thread leaves an entry while another joins it and a writer comes: the pin stands as long as anybody needs it.
#[test]
fn a_thread_joins_an_entry_that_another_leaves() {
    explore_with(Some(2), &["read 0", "read 1", "refused"], |outcomes| {
        let [reader, writer] = array(TWO_PINS);
        let place = reader.begin_read(FIRST, 0).expect("nobody writes");
        let joiner = reader.clone();
        let joiner = thread::spawn(move || try_read(&joiner, FIRST));
        let writer = thread::spawn(move || writer.write(FIRST, 1));
        assert_eq!(reader.look(FIRST), Ok(vec![0]));
        reader.end_read(FIRST, place);
        writer.join().expect("no panic");
        outcomes.saw(joiner.join().expect("no panic"));
    });
}

/// Two threads ask for the same block at the same time while a writer comes. The one that joins does not know whether
/// the one that has the entry has stored the pin already.
#[test]
fn two_threads_announce_themselves_at_once() {
    let said = ["read 0", "read 1", "refused"];
    let pairs = said.iter().flat_map(|one| said.iter().map(move |other| format!("{one}, {other}")));
    let allowed: Vec<String> = pairs.collect();
    let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
    explore_with(Some(2), &allowed, |outcomes| {
        let [reader, writer] = array(TWO_BLOCKS);
        let threads = [(); 2].map(|()| {
            let reader = reader.clone();
            thread::spawn(move || try_read(&reader, FIRST))
        });
        if writer.begin_write(FIRST, 0) {
            writer.fill(FIRST, 1);
            writer.end_write(FIRST);
        }
        // There is one pin, which may be on its way out.
        let [one, other] = threads.map(|thread| thread.join().expect("no panic").replace("no pin", "refused"));
        outcomes.saw(format!("{one}, {other}"));
    });
}

/// A thread gives up the only entry while another takes it for the other block: it clears its own pin, not the other's.
#[test]
fn a_thread_takes_an_entry_that_another_leaves() {
    explore_with(Some(3), &["no pin", "read 0", "read 1", "refused"], |outcomes| {
        let [reader, writer] = array(TWO_BLOCKS);
        let place = reader.begin_read(FIRST, 0).expect("nobody writes");
        let taker = reader.clone();
        let taker = thread::spawn(move || try_read(&taker, SECOND));
        let writer = thread::spawn(move || writer.write(SECOND, 1));
        reader.end_read(FIRST, place);
        writer.join().expect("no panic");
        outcomes.saw(taker.join().expect("no panic"));
    });
}

/// One guard more on a lease that is held: the writer waits for both of them.
fn nested(outcomes: &Outcomes, geometry: Geometry, is_of: impl Fn(Place) -> bool) {
    let [reader, writer] = array(geometry);
    let place = reader.begin_read(FIRST, 0).expect("nobody writes");
    assert!(is_of(place));
    let writer = thread::spawn(move || writer.write(FIRST, 1));
    reader.local.nest(reader.world(), reader.process.me, place).expect("the place is good");
    reader.end_read(FIRST, place);
    assert_eq!(reader.look(FIRST), Ok(vec![0]));
    reader.end_read(FIRST, place);
    writer.join().expect("no panic");
    outcomes.saw("both");
}

#[test]
fn a_nested_guard_of_the_whole_is_waited_for() {
    explore_with(Some(3), &["both"], |outcomes| nested(outcomes, IN_PLACE, |place| place == Place::Whole));
}

#[test]
fn a_nested_guard_of_a_block_is_waited_for() {
    explore_with(Some(3), &["both"], |outcomes| nested(outcomes, TWO_BLOCKS, |place| place == Place::Entry(0)));
}

/// A reader and a writer are threads of one attach: its own record counts as anybody's.
#[test]
fn a_writer_waits_for_a_reader_of_the_same_attach() {
    explore_with(Some(3), &["0", "1"], |outcomes| {
        let [member] = array(IN_PLACE);
        let reader = member.clone();
        let reader = thread::spawn(move || reader.read_one(FIRST));
        member.write(FIRST, 1);
        outcomes.saw(reader.join().expect("no panic").to_string());
    });
}

/// So do two writers, and neither takes the other for dead or forged.
#[test]
fn two_writers_of_the_same_attach() {
    explore_with(Some(3), &["1", "2"], |outcomes| {
        let [member] = array(IN_PLACE);
        let other = member.clone();
        let other = thread::spawn(move || other.write(FIRST, 2));
        assert!(member.begin_write(FIRST, FOREVER));
        member.fill(FIRST, 1);
        member.end_write(FIRST);
        other.join().expect("no panic");
        outcomes.saw(member.read_one(FIRST).to_string());
    });
}
