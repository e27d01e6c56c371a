//! Tables that grow: rows that are there never change, whoever dies appending, and each append is all or nothing.

use super::{Operation, WATCH_MS, operation};
use crate::Outcome;
use crate::arrays::{TABLES, TableHandle, table_mark};
use crate::errors::Kind;
use crate::journal::Event;
use crate::worker::{HeldTable, Worker, keep};
use std::time::Duration;

pub(super) const OPERATIONS: &[Operation] = &[
    operation("table: attach", 20, WATCH_MS, attach),
    operation("table: open or create", 10, 0, open),
    operation("table: look", 60, 0, look_around),
    operation("table: append", 40, 20, append),
    operation("table: wait for rows", 15, 30, wait),
    operation("table: commit", 5, 10_000, commit),
    operation("table: detach", 10, 0, detach),
];

fn attach(worker: &mut Worker) -> Outcome {
    let at = worker.rng.usize(..TABLES.len());
    let table = &TABLES[at];
    worker.journal.note(format_args!("{}", table.name));
    let mut builder = table.builder(&worker.place);
    let mut kinds = if table.is_lasting { Vec::new() } else { vec![Kind::NotFound] };
    if worker.rng.u32(..4) == 0 {
        builder = builder.read_only();
    }
    if worker.rng.bool() {
        builder = builder.wait(worker.timeout(10));
        kinds.push(Kind::TimedOut);
    }
    let Some(handle) = worker.journal.allow(builder.attach(table.name), &kinds)? else { return Ok(()) };
    keep(&mut worker.held.tables, HeldTable { table: at, handle }, &mut worker.rng);
    Ok(())
}

fn open(worker: &mut Worker) -> Outcome {
    let at = worker.rng.usize(..TABLES.len());
    let table = &TABLES[at];
    worker.journal.note(format_args!("{}", table.name));
    let (builder, shape) = (table.builder(&worker.place), [0, table.words]);
    let handle = if table.is_lasting || worker.rng.bool() {
        worker.journal.allow(builder.open(table.name, shape), &[])?
    } else {
        worker.journal.allow(builder.create(table.name, shape), &[Kind::AlreadyExists])?
    };
    let Some(handle) = handle else { return Ok(()) };
    keep(&mut worker.held.tables, HeldTable { table: at, handle }, &mut worker.rng);
    Ok(())
}

/// Does something with one of the handles that the worker holds.
fn with_one(worker: &mut Worker, act: impl FnOnce(&mut Worker, usize, &TableHandle) -> Outcome) -> Outcome {
    let count = worker.held.tables.len();
    if count == 0 {
        return Ok(());
    }
    let held = worker.held.tables.swap_remove(worker.rng.usize(..count));
    worker.journal.note(format_args!("{}", TABLES[held.table].name));
    let outcome = act(worker, held.table, &held.handle).map_err(|text| format!("{}: {text}", TABLES[held.table].name));
    worker.held.tables.push(held);
    outcome
}

/// The last rows, and some by chance, are whole and what they were; and there are no fewer than were seen.
fn look(worker: &mut Worker, at: usize, handle: &TableHandle) -> Outcome<usize> {
    let seen = worker.journal.mark(table_mark(at));
    let rows = handle.view().map_err(|error| error.to_string())?;
    let len = rows.nrows();
    if TABLES[at].is_lasting && (len as u64) < seen {
        return Err(format!("it has {len} rows, but {seen} were seen"));
    }
    let by_chance = (0..4.min(len)).map(|_| worker.rng.usize(..len));
    for row in (len.saturating_sub(4)..len).chain(by_chance.collect::<Vec<_>>()) {
        let salt = TABLES[at].check(row, &rows.row(row).to_vec())?;
        worker.journal.count(Event::Row);
        if TABLES[at].is_lasting {
            worker.memory.compare(table_mark(at), row as u64, salt)?;
        }
    }
    if TABLES[at].is_lasting {
        worker.journal.raise_mark(table_mark(at), len as u64);
    }
    Ok(len)
}

fn look_around(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| {
        for _ in 0..worker.rng.u32(1..10) {
            look(worker, at, handle)?;
        }
        Ok(())
    })
}

fn append(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| {
        let (count, salt, timeout) = (worker.rng.usize(..4), worker.rng.u64(..), worker.timeout(20));
        let mut kinds = vec![Kind::TimedOut, Kind::Locked, Kind::TableFull];
        if handle.is_read_only() {
            kinds = vec![Kind::ReadOnly];
        } else if worker.nested > 0 {
            kinds.push(Kind::WouldDeadlock);
        }
        let before = look(worker, at, handle)?;
        let mut start = 0;
        let appended = handle.append_with(count, Some(timeout), |bytes| {
            start = handle.len();
            for (row, bytes) in bytes.chunks_exact_mut(8 * TABLES[at].words).enumerate() {
                for (word, value) in bytes.chunks_exact_mut(8).zip(TABLES[at].row(start + row, salt)) {
                    word.copy_from_slice(&value.to_ne_bytes());
                }
            }
            Ok::<_, sharray::Error>(())
        });
        let Some(rows) = worker.journal.allow(appended, &kinds)? else { return Ok(()) };
        if rows != (start..start + count) || rows.start < before {
            return Err(format!("{count} rows were appended at {start}, and are {rows:?}"));
        }
        let now = look(worker, at, handle)?;
        if now < rows.end { Err(format!("rows {rows:?} were appended, and there are {now}")) } else { Ok(()) }
    })
}

fn wait(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| {
        let (len, timeout) = (look(worker, at, handle)?, worker.timeout(30));
        if len == handle.max_len() {
            return Ok(());
        }
        let kinds: &[Kind] = if TABLES[at].is_lasting { &[Kind::TimedOut] } else { &[Kind::TimedOut, Kind::Retired] };
        let waited = handle.follow().from_row(len).timeout(timeout).next();
        let Some(Some(rows)) = worker.journal.allow(waited.transpose(), kinds)? else { return Ok(()) };
        if rows.is_empty() { Err("no rows came".to_owned()) } else { Ok(()) }
    })
}

fn commit(worker: &mut Worker) -> Outcome {
    with_one(worker, |worker, at, handle| {
        let seen = handle.len();
        let kinds: &[Kind] = if handle.is_read_only() { &[Kind::ReadOnly] } else { &[] };
        let Some(durable) = worker.journal.allow(handle.commit(), kinds)? else { return Ok(()) };
        let told = |now: usize| format!("{seen} rows were there, {durable} are durable, and then {now} are there");
        let now = look(worker, at, handle)?;
        if durable < seen || now < durable { Err(told(now)) } else { Ok(()) }
    })
}

fn detach(worker: &mut Worker) -> Outcome {
    let count = worker.held.tables.len();
    if count > 0 {
        let held = worker.held.tables.swap_remove(worker.rng.usize(..count));
        if TABLES[held.table].is_lasting && held.handle.is_retired() {
            return Err(format!("{} was retired", held.handle.name()));
        }
    }
    Ok(())
}

/// For a forked child, to which nothing of the handle belongs.
pub(super) fn inherited(handle: &TableHandle) -> [sharray::Result<()>; 3] {
    let wait = handle.wait_len(0, Duration::from_millis(1));
    [handle.view().map(drop), wait.map(drop), handle.commit().map(drop)]
}
