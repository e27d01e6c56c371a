//! The last look at arrays in place, at cells and at tables: nothing is locked, and whatever poison is left can be put right.

use crate::Outcome;
use crate::arrays::{CELLS, Cell, FIELDS, Field, PARTICIPANTS, TABLES, Table, block_mark, cell_mark, table_mark};
use crate::operations::versions;
use crate::payload::Version;
use ndarray::{Array2, IxDyn};
use sharray::{Directory, Error, WriteGuard};
use std::time::Duration;

/// Looks at all of them that last, and removes them. Says how many there were.
pub(crate) fn look(place: &Directory, marks: &[u64]) -> Outcome<u64> {
    let mut count = 0;
    for (at, field) in FIELDS.iter().enumerate().filter(|(_, field)| field.is_lasting) {
        look_at_field(place, at, marks).map_err(|text| format!("{}: {text}", field.name))?;
        count += 1;
    }
    for (at, cell) in CELLS.iter().enumerate().filter(|(_, cell)| cell.is_lasting) {
        look_at_cell(place, at, marks).map_err(|text| format!("{}: {text}", cell.name))?;
        count += 1;
    }
    for (at, table) in TABLES.iter().enumerate().filter(|(_, table)| table.is_lasting) {
        let told = |text| format!("{}: {text}", table.name);
        look_at_table(place, table, seen(marks, table_mark(at))).map_err(told)?;
        count += 1;
    }
    Ok(count)
}

fn look_at_field(place: &Directory, at: usize, marks: &[u64]) -> Outcome {
    let field = &FIELDS[at];
    let told = |error: Error| error.to_string();
    let handle = field.builder(place).attach(field.name).map_err(told)?;
    // One by one, and all at once: none of it waits.
    for block in 0..field.blocks {
        drop(handle.try_write_block(block).map_err(told)?);
    }
    let mut guard = handle.try_write().map_err(told)?;
    if guard.is_poisoned() {
        repair(field, &handle, &mut guard, at, marks)?;
    }
    drop(guard);
    let guard = handle.try_read().map_err(told)?;
    let words = guard.as_slice().ok_or("its items are not in order")?;
    for (block, version) in versions(at, &handle, 0, words)? {
        let seen = seen(marks, block_mark(at, block));
        if version.count < seen {
            return Err(format!("block {block} has version {}, but {seen} was seen", version.count));
        }
    }
    drop(guard);
    // The dead who held nothing stay in the table until their records are needed.
    let mut all = Vec::new();
    for _ in 1..field.participants {
        all.push(field.builder(place).attach(field.name).map_err(told)?);
    }
    match field.builder(place).attach(field.name).map(drop) {
        Err(Error::TooManyParticipants { .. }) => {}
        other => return Err(format!("the table is full, and attaching answers {other:?}")),
    }
    drop(all);
    meet_nobody(place, field.name, 1)?;
    drop(handle);
    meet_nobody(place, field.name, 0)?;
    place.unlink(field.name).map_err(told)
}

fn seen(marks: &[u64], mark: usize) -> u64 {
    marks.get(mark).copied().unwrap_or(0)
}

fn repair(
    field: &Field,
    handle: &sharray::AnyArray,
    guard: &mut WriteGuard<'_, u64, IxDyn>,
    at: usize,
    marks: &[u64],
) -> Outcome {
    let words = guard.as_slice_mut().ok_or("its items are not in order")?;
    let newest = (0..field.blocks).map(|block| seen(marks, block_mark(at, block))).max().unwrap_or(0);
    for block in 0..field.blocks {
        let range = field.words(handle, block)?;
        let version = Version { count: newest + 1, salt: 0 };
        field.key(block).fill_version(&mut words[range], version, Duration::ZERO);
    }
    guard.clear_poison();
    Ok(())
}

fn look_at_cell(place: &Directory, at: usize, marks: &[u64]) -> Outcome {
    let cell = &CELLS[at];
    let told = |error: Error| error.to_string();
    let handle = Cell::builder(place).attach(cell.name).map_err(told)?;
    let version = cell.key().check_version(&handle.load())?;
    let seen = seen(marks, cell_mark(at));
    if version.count < seen {
        return Err(format!("it has version {}, but {seen} was seen", version.count));
    }
    handle.try_writer().map_err(told)?.store([0; 16]);
    let attach = |_| Cell::builder(place).attach(cell.name).map_err(told);
    drop((1..PARTICIPANTS).map(attach).collect::<Outcome<Vec<_>>>()?);
    meet_nobody(place, cell.name, 1)?;
    drop(handle);
    meet_nobody(place, cell.name, 0)?;
    place.unlink(cell.name).map_err(told)
}

/// All rows, from the first to the last; and one more can be appended at once.
fn look_at_table(place: &Directory, table: &Table, seen: u64) -> Outcome {
    let told = |error: Error| error.to_string();
    let handle = table.builder(place).attach(table.name).map_err(told)?;
    let rows = handle.view().map_err(told)?;
    for (at, row) in rows.rows().into_iter().enumerate() {
        table.check(at, &row.to_vec())?;
    }
    if (rows.nrows() as u64) < seen {
        return Err(format!("it has {} rows, but {seen} were seen", rows.nrows()));
    }
    handle.try_append(&Array2::zeros((1, table.words))).map_err(told)?;
    let attach = |_| table.builder(place).attach(table.name).map_err(told);
    drop((1..PARTICIPANTS).map(attach).collect::<Outcome<Vec<_>>>()?);
    meet_nobody(place, table.name, 1)?;
    drop(handle);
    meet_nobody(place, table.name, 0)?;
    place.unlink(table.name).map_err(told)
}

/// Nobody is in the table but we.
pub(crate) fn meet_nobody(place: &Directory, name: &str, ours: usize) -> Outcome {
    let info = place.inspect(name).map_err(|error| error.to_string())?;
    if info.participants.len() == ours && info.participants.iter().all(|participant| participant.is_alive) {
        return Ok(());
    }
    Err(format!("{name}: {ours} participants are ours, but there are {:?}", info.participants))
}
