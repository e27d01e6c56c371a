//! Watching that every worker gets on, and that no array goes back or stands still.

use super::life::Life;
use super::place::Place;
use super::totals::Totals;
use super::{Trouble, report};
use crate::arrays::{CELLS, FIELDS, STREAMS, TABLES, block_mark, cell_mark, table_mark};
use crate::operations;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// How long an operation may take beyond what it waits by itself and what stops explain. A lost wake would be seen in
/// the totals already; this is for what never comes back, on a machine that has much else to do.
const GRACE: Duration = Duration::from_secs(2);

/// How long the newest version of anything may stay the newest.
const STANDSTILL: Duration = Duration::from_secs(15);

/// How often workers are looked at, and arrays.
const LOOK: Duration = Duration::from_millis(10);
const INSPECT: Duration = Duration::from_millis(150);

/// What lasts and is written all the time, and where its newest version is marked.
fn marks_that_move() -> impl Iterator<Item = (&'static str, usize)> {
    let streams = STREAMS.iter().enumerate().filter(|(_, stream)| stream.is_lasting);
    let fields = FIELDS.iter().enumerate().filter(|(_, field)| field.is_lasting);
    let cells = CELLS.iter().enumerate().filter(|(_, cell)| cell.is_lasting);
    let blocks = fields.flat_map(|(at, field)| (0..field.blocks).map(move |block| (field.name, block_mark(at, block))));
    let streams = streams.map(|(at, stream)| (stream.name, at));
    let tables = TABLES.iter().enumerate().filter(|(_, table)| table.is_lasting);
    let tables = tables.map(|(at, table)| (table.name, table_mark(at)));
    streams.chain(blocks).chain(cells.map(|(at, cell)| (cell.name, cell_mark(at)))).chain(tables)
}

/// The supervisor's clocks, and what it saw when.
#[derive(Debug)]
pub(crate) struct Watch {
    before: Instant,
    looked: Instant,
    inspected: Instant,
    /// Time in which the supervisor itself got on: a machine that sleeps makes nobody late.
    awake: Duration,
    /// The part of it in which at least one worker was stopped.
    stopped: Duration,
    workers: HashMap<u64, Sight>,
    /// The newest version of everything that lasts, by its mark, and since when.
    newest: HashMap<usize, (u64, Duration)>,
    dead: Vec<HashSet<u32>>,
}

/// A worker when it was last seen to begin something.
#[derive(Clone, Copy, Debug)]
struct Sight {
    number: u64,
    awake: Duration,
    stopped: Duration,
}

impl Watch {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            before: now,
            looked: now,
            inspected: now,
            awake: Duration::ZERO,
            stopped: Duration::ZERO,
            workers: HashMap::new(),
            newest: HashMap::new(),
            dead: vec![HashSet::new(); STREAMS.len()],
        }
    }

    /// Moves the clocks on, and looks if it is time to.
    pub(crate) fn tick(&mut self, lives: &mut [Life], place: &mut Place, totals: &mut Totals) -> Result<(), Trouble> {
        let now = Instant::now();
        let passed = (now - self.before).min(Duration::from_millis(50));
        self.before = now;
        self.awake += passed;
        if lives.iter().any(Life::is_stopped) {
            self.stopped += passed;
        }
        if now - self.looked >= LOOK {
            self.looked = now;
            self.look(lives, totals)?;
        }
        if now - self.inspected >= INSPECT {
            self.inspected = now;
            self.inspect(lives, place, totals)?;
        }
        Ok(())
    }

    /// Whether everybody gets on.
    fn look(&mut self, lives: &[Life], totals: &mut Totals) -> Result<(), Trouble> {
        self.workers.retain(|number, _| lives.iter().any(|life| life.number == *number));
        for life in lives {
            let reading = life.reading();
            let fresh = Sight { number: reading.number(), awake: self.awake, stopped: self.stopped };
            let sight = self.workers.entry(life.number).or_insert(fresh);
            if sight.number != fresh.number {
                *sight = fresh;
            }
            let stopped = fresh.stopped.saturating_sub(sight.stopped);
            let took = fresh.awake.saturating_sub(sight.awake).saturating_sub(stopped);
            let operation = reading.operation().map(|at| &operations::all()[at]);
            if let Some(at) = reading.operation() {
                totals.took(at, took);
            }
            let waits = operation.map_or(Duration::ZERO, |operation| operation.waits);
            if took > waits + GRACE {
                let doing = operation.map_or("nothing", |operation| operation.name);
                let text = format!("worker {} hangs: {doing}, for {took:?}; {}", life.number, life.state());
                return Err(Trouble { text, history: report::history(life, lives) });
            }
        }
        Ok(())
    }

    /// Whether every stream that lasts has what anybody saw of it, and goes on.
    fn inspect(&mut self, lives: &[Life], place: &Place, totals: &mut Totals) -> Result<(), Trouble> {
        for life in lives {
            totals.raise(&life.reading());
        }
        for (at, stream) in STREAMS.iter().enumerate().filter(|(_, stream)| stream.is_lasting) {
            let told = |error: sharray::Error| format!("looking at {}: {error}", stream.name);
            let info = place.directory.inspect(stream.name).map_err(told)?;
            let seen = totals.marks.get(at).copied().unwrap_or(0);
            if info.sequence < seen {
                return Err(format!("{} has frame {}, but {seen} was seen", stream.name, info.sequence).into());
            }
            let dead = info.participants.iter().filter(|participant| !participant.is_alive);
            let dead: HashSet<u32> = dead.map(|participant| participant.pid).collect();
            totals.dead += dead.difference(&self.dead[at]).count() as u64;
            totals.recovered += self.dead[at].difference(&dead).count() as u64;
            self.dead[at] = dead;
        }
        self.moves(lives, place, &totals.marks)
    }

    /// Whether everything that lasts is still written.
    fn moves(&mut self, lives: &[Life], place: &Place, marks: &[u64]) -> Result<(), Trouble> {
        for (name, mark) in marks_that_move() {
            let value = marks.get(mark).copied().unwrap_or(0);
            let newest = self.newest.entry(mark).or_insert((value, self.awake));
            if newest.0 != value {
                *newest = (value, self.awake);
            }
            if self.awake.saturating_sub(newest.1) > STANDSTILL {
                let info = place.directory.inspect(name);
                let text = format!("{name} stands still at {value} (mark {mark}): {info:?}");
                let history = lives.first().map_or_else(Vec::new, |life| report::history(life, lives));
                return Err(Trouble { text, history });
            }
        }
        Ok(())
    }
}
