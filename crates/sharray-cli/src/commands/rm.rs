//! `sharray rm`: names go.

use crate::args::Rm;
use crate::failure::Outcome;
use crate::screen::Out;
use crate::text;
use sharray::Directory;
use std::io::Write;

/// Removes all that can be; the first that cannot is the error.
pub(crate) fn run(args: &Rm, place: &Directory, out: &mut Out) -> Outcome {
    let mut outcome = Ok(());
    for name in &args.names {
        let removed = remove(name, place, out);
        outcome = match (outcome, removed) {
            (Err(first), Err(other)) => {
                other.report();
                Err(first)
            }
            (first, removed) => first.and(removed),
        };
    }
    outcome
}

/// Says who goes on with an array that has no name any more.
fn remove(name: &str, place: &Directory, out: &mut Out) -> Outcome {
    // What is corrupt can be removed, too.
    let here = place.inspect(name).map_or(0, |info| info.participants.iter().filter(|one| one.is_alive).count());
    place.unlink(name)?;
    if here > 0 {
        let participants = text::count(here, "participant");
        writeln!(out, "removed {name}; who has it attached keeps it and is told: {participants}")?;
    }
    Ok(())
}
