//! Everything that can be done with a name, whatever stands behind it: each call comes back soon, with an answer or with
//! an error of its own kind, and the bytes that it lends can be read.
#![allow(dead_code, reason = "each target uses a part of it")]

use sharray::{
    AnyArray, AnyCell, AnyFrame, AnyGrowable, AnyPublisher, AnySubscriber, Backpressure, DType, Directory, Error, Kind,
    Reduction, Result, Team, wait_any,
};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// What a call may wait where it can be told so. As short as can be: most words that are changed make somebody wait.
pub(crate) const MOMENT: Duration = Duration::from_micros(20);
/// When a call is said to hang. No word is worth a wait of a second, and machines are slow at times.
const LIMIT: Duration = Duration::from_secs(5);

/// Checks a call's answer, and how long it took. No error comes from the system: whatever the bytes are, they were
/// understood before it was asked for anything.
pub(crate) fn check<T>(what: &str, call: impl FnOnce() -> Result<T>) -> Option<T> {
    let start = Instant::now();
    let answer = call();
    let took = start.elapsed();
    assert!(took < LIMIT, "{what} took {took:?}");
    if let Err(error) = &answer {
        let text = error.to_string();
        assert!(!matches!(error, Error::Io { .. }) && !text.contains('\n'), "{what}: {text}");
    }
    answer.ok()
}

/// From looking at it to unlinking it.
pub(crate) fn everything(place: &Directory, name: &str) {
    check("list", || place.list());
    // What cannot be told what it is, is tried as everything.
    let info = check("inspect", || place.inspect(name));
    let kind = info.as_ref().map(|info| info.kind);
    let is = |one| kind.is_none_or(|kind| kind == one);
    if is(Kind::InPlace) {
        for builder in [AnyArray::builder().read_only(), AnyArray::builder()] {
            if let Some(handle) = check("attach an array", || builder.directory(place).attach(name)) {
                array(&handle);
            }
        }
    }
    if is(Kind::Cell) {
        for builder in [AnyCell::builder().read_only(), AnyCell::builder()] {
            if let Some(handle) = check("attach a cell", || builder.directory(place).attach(name)) {
                cell(&handle);
            }
        }
    }
    if is(Kind::Growable) {
        for builder in [AnyGrowable::builder().read_only(), AnyGrowable::builder()] {
            if let Some(handle) = check("attach a table", || builder.directory(place).attach(name)) {
                table(&handle);
            }
        }
    }
    if is(Kind::Team) {
        let size = info.map_or(1, |info| info.slots);
        for rank in [0, size - 1] {
            if let Some(handle) = check("join", || Team::builder().directory(place).join(name, rank, size)) {
                team(&handle);
            }
        }
    }
    if !matches!(kind, Some(Kind::InPlace | Kind::Cell | Kind::Growable | Kind::Team)) {
        stream(place, name);
    }
    check("collect garbage", || place.collect_garbage());
    check("unlink", || place.unlink(name));
}

fn stream(place: &Directory, name: &str) {
    let subscribe = || AnySubscriber::builder().directory(place);
    let all = [subscribe().read_only().from_oldest(), subscribe(), subscribe().lossless().from_oldest()];
    let mut subscribers = all.map(|builder| check("attach a subscriber", || builder.attach(name)));
    let mut held: Vec<_> = subscribers.iter_mut().flatten().flat_map(subscriber).collect();
    let builder = AnyPublisher::builder().directory(place).backpressure(Backpressure::Evict);
    if let Some(mut handle) = check("take over", || builder.attach(name)) {
        publisher(&mut handle);
        held.extend(subscribers.iter_mut().flatten().flat_map(subscriber));
    }
    held.iter().for_each(frame);
}

pub(crate) fn array(array: &AnyArray) {
    let blocks = array.blocks();
    for span in [0..blocks, 0..1.min(blocks), blocks.saturating_sub(1)..blocks] {
        for timeout in [Duration::ZERO, MOMENT] {
            if let Some(guard) = check("read", || array.read_owned(span.clone(), Some(timeout))) {
                black_box(check("copy what is read", || Ok(guard.rows())));
            }
            if let Some(mut guard) = check("write", || array.write_owned(span.clone(), Some(timeout))) {
                black_box(guard.is_poisoned());
                if timeout.is_zero() {
                    guard.clear_poison();
                }
            }
        }
    }
    let mut copy = vec![0; array.size_bytes()];
    check("copy", || array.try_read_into(&mut copy));
    check("copy in time", || array.read_into_timeout(&mut copy, MOMENT));
    let seen = array.sequence();
    check("wait", || array.wait_changed(seen, MOMENT));
    check("flush", || array.flush());
    black_box((array.is_retired(), array.is_unverified(), array.attributes()));
}

pub(crate) fn cell(cell: &AnyCell) {
    let mut value = vec![0; cell.size_bytes()];
    check("load", || cell.load_into(&mut value));
    let stored = vec![9; cell.size_bytes()];
    check("store", || cell.try_store(&stored));
    if check("store in time", || cell.store_timeout(&stored, MOMENT)).is_some() {
        check("load what was stored", || cell.load_into(&mut value));
        assert_eq!(value, stored);
    }
    let seen = cell.sequence();
    check("wait", || cell.wait_changed(seen, MOMENT));
    if let Some(mut writer) = check("be the writer", || cell.writer_owned(Some(MOMENT))) {
        check("store as the writer", || writer.store(&stored));
    }
}

/// Appends, and sees what is there through a handle of its own. Reads the first rows.
pub(crate) fn table(table: &AnyGrowable) {
    let len = table.len();
    assert!(len <= table.max_len());
    for count in [0, 1, 3, usize::MAX] {
        let rows = check("append", || {
            table.append_with(count, Some(MOMENT), |bytes| {
                bytes.fill(0x5a);
                Ok::<_, Error>(())
            })
        });
        assert!(rows.is_none_or(|rows| rows.len() == count && rows.end <= table.max_len()));
    }
    check("wait", || table.wait_len(len.saturating_add(1), MOMENT));
    for rows in table.follow().from_row(len.saturating_sub(2)).timeout(MOMENT).take(2) {
        check("follow", || rows);
    }
    if let Some(bytes) = check("look at rows", || table.bytes(0..table.len().min(100))) {
        black_box(bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>());
    }
    check("commit", || table.commit());
    black_box((table.is_retired(), table.committed(), table.attributes(), table.shape()));
}

/// Every collective call, twice: others may be waited for, and then the team is broken.
pub(crate) fn team(team: &Team) {
    for _ in 0..2 {
        check("barrier", || team.barrier(MOMENT));
        let mut bytes = [1; 8];
        check("sum", || team.reduce_bytes(Reduction::Sum, &DType::F64, &[], &mut bytes, MOMENT));
        check("broadcast", || team.broadcast_bytes(team.size() - 1, &DType::F64, &[], &mut bytes, MOMENT));
        check("reset", || team.reset(MOMENT));
        black_box(team.is_broken());
    }
}

/// Publishes, and sees what is published by a pin of its own.
pub(crate) fn publisher(publisher: &mut AnyPublisher) {
    if let Some(loan) = check("try_loan", || publisher.try_loan()) {
        drop(loan);
    }
    if let Some(mut loan) = check("loan", || publisher.loan_timeout(MOMENT)) {
        loan.bytes_mut().fill(0x5a);
        loan.set_tags([1, 2]);
        let sequence = loan.publish();
        assert!(sequence > 0);
    }
    if let Some(loan) = check("loan for keeps", || publisher.loan_owned(Some(MOMENT))) {
        if let Some(published) = check("publish what was kept", || publisher.publish_owned(loan, Some(MOMENT))) {
            frame(&published);
        }
    }
    check("commit", || publisher.commit());
}

/// Every way to get a frame.
pub(crate) fn subscriber(subscriber: &mut AnySubscriber) -> Vec<AnyFrame> {
    let mut held = Vec::new();
    held.extend(check("latest", || subscriber.latest()).flatten());
    held.extend(check("try_recv", || subscriber.try_recv()).flatten());
    held.extend(check("recv", || subscriber.recv_timeout(MOMENT)).flatten());
    check("wait for any", || wait_any(&[&*subscriber], Some(MOMENT)));
    held.iter().for_each(frame);
    held
}

/// What any frame is, whoever wrote the words that led to it. Reads every byte.
pub(crate) fn frame(frame: &AnyFrame) {
    let len = frame.shape().iter().product::<usize>() * frame.dtype().itemsize();
    assert_eq!(frame.bytes().len(), len);
    assert!(frame.sequence() > 0);
    black_box(frame.bytes().iter().map(|&byte| u64::from(byte)).sum::<u64>());
    black_box((frame.time(), frame.published(), frame.age(), frame.tags(), frame.strides()));
}
