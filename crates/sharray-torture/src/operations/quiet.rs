//! Quiet points: a worker that has let go of everything has nothing open that it did not have at its start.

use super::{Operation, operation};
use crate::Outcome;
use crate::arrays::Reader;
use crate::journal::Event;
use crate::worker::{Held, Worker};
use std::fs;

pub(super) const OPERATIONS: &[Operation] = &[operation("quiet: let go of everything", 4, 0, quiet).alone()];

/// The allocator splits and joins mappings of its own, and threads leave stacks.
const MORE_MAPPINGS: usize = 60;

/// What a process has open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    descriptors: usize,
    /// Mappings of arrays.
    arrays: usize,
    /// Mappings of anything.
    mappings: usize,
}

impl Open {
    fn now(worker: &Worker) -> Outcome<Self> {
        let told = |error: std::io::Error| format!("cannot look at what is open: {error}");
        let maps = fs::read_to_string("/proc/self/maps").map_err(told)?;
        let folder = worker.place.path().display().to_string();
        let ours = maps.lines().filter(|line| line.contains(&folder) || line.contains("(deleted)")).count();
        let descriptors = fs::read_dir("/proc/self/fd").map_err(told)?.count();
        Ok(Self { descriptors, arrays: ours, mappings: maps.lines().count() })
    }
}

/// Opens once what stays open, and remembers what that is.
pub(crate) fn warm_up(worker: &mut Worker) -> Outcome {
    let reader = Reader::builder().directory(&worker.place).attach("calm").map_err(|error| error.to_string())?;
    drop(reader);
    worker.baseline = Some(Open::now(worker)?);
    Ok(())
}

fn quiet(worker: &mut Worker) -> Outcome {
    worker.held = Held::default();
    let Some(baseline) = worker.baseline.clone() else { return Ok(()) };
    let now = Open::now(worker)?;
    let is_fine =
        now.descriptors == baseline.descriptors && now.arrays == 0 && now.mappings <= baseline.mappings + MORE_MAPPINGS;
    if !is_fine {
        return Err(format!("leaked: {now:?}, at the start {baseline:?}"));
    }
    worker.journal.count(Event::Quiet);
    Ok(())
}
