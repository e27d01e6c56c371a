//! What the supervisor prints.

use super::Trouble;
use super::life::Life;
use super::totals::Totals;
use crate::errors::Kind;
use crate::journal::Event;
use crate::operations;
use crate::options::Plan;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// How many operations of the one that has trouble are shown, and of the others.
const LINES: usize = 30;
const OTHERS: usize = 4;

/// What a worker did last, and what the others did.
pub(crate) fn history(life: &Life, lives: &[Life]) -> Vec<String> {
    let last = |life: &Life, most: usize| {
        let lines = life.history();
        let skipped = lines.len().saturating_sub(most);
        let title = format!("worker {}:", life.number);
        std::iter::once(title).chain(lines.into_iter().skip(skipped)).collect::<Vec<_>>()
    };
    let mut lines = last(life, LINES);
    for other in lives.iter().filter(|other| other.number != life.number) {
        lines.extend(last(other, OTHERS));
    }
    lines
}

/// What went wrong, how to do it again, and where to look.
pub(crate) fn trouble(trouble: &Trouble, plan: Plan, folder: &Path) -> String {
    let mut text = format!("TROUBLE with seed {}: {}\n", plan.seed, trouble.text);
    for line in &trouble.history {
        _ = writeln!(text, "  {line}");
    }
    _ = writeln!(text, "Again: cargo xtask torture --seed {} --workers {}", plan.seed, plan.workers);
    _ = writeln!(text, "Everything is left in {}", folder.display());
    text
}

/// What the run came to.
pub(crate) fn totals(totals: &Totals, time: Duration) -> String {
    let mut text = String::new();
    let mut line = |value: u64, what: &str| _ = writeln!(text, "{value:>12}  {what}");
    line(time.as_secs(), "seconds");
    line(totals.lives, "workers, of which");
    line(totals.killed, "  killed at a random moment");
    line(totals.killed_at_step, "  killed at a random step");
    line(totals.asked, "  ended in good order");
    line(totals.namespaces, "  lived in a PID namespace of their own");
    line(totals.stops, "stops");
    line(totals.dead, "dead participants seen in a table");
    line(totals.recovered, "  of which recovered when next looked at");
    for (count, name) in totals.events.iter().zip(Event::NAMES) {
        line(*count, name);
    }
    line(totals.arrays, "arrays in order at the end");
    line(totals.operations.iter().sum(), "operations; each with the longest it was seen to take beyond stops");
    for (at, operation) in operations::all().iter().enumerate() {
        let longest = totals.longest.get(at).copied().unwrap_or_default();
        let count = totals.operations.get(at).copied().unwrap_or(0);
        line(count, &format!("  {:<36} {:>6} ms", operation.name, longest.as_millis()));
    }
    line(totals.errors.iter().sum(), "errors, all of them expected");
    for (count, kind) in totals.errors.iter().zip(Kind::NAMES).filter(|(count, _)| **count > 0) {
        line(*count, &format!("  {kind}"));
    }
    text
}
