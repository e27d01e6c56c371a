//! The verbs, one file each.

mod completions;
mod doctor;
mod gc;
mod get;
mod info;
mod ls;
mod man;
mod put;
mod recover;
mod rm;
mod show;
mod top;
mod watch;

use crate::args::{Args, Verb};
use crate::failure::Outcome;

/// Does what was asked for.
pub(crate) fn run(args: &Args) -> Outcome {
    let mut out = anstream::stdout();
    let place = || args.place.open(false);
    match &args.verb {
        Verb::Ls(args) => ls::run(args, &place()?, &mut out),
        Verb::Info(args) => info::run(args, &place()?, &mut out),
        Verb::Top(args) => top::run(args, &place()?),
        Verb::Watch(args) => watch::run(args, &place()?, &mut out),
        Verb::Show(args) => show::run(args, &place()?, &mut out),
        Verb::Put(verb) => put::run(verb, &args.place.open(true)?),
        Verb::Get(args) => get::run(args, &place()?),
        Verb::Rm(args) => rm::run(args, &place()?, &mut out),
        Verb::Gc(args) => gc::run(args, &place()?, &mut out),
        Verb::Recover(args) => recover::run(args, &place()?, &mut out),
        Verb::Doctor(verb) => doctor::run(verb, &args.place, &mut out),
        Verb::Completions(args) => completions::run(args, &mut out),
        Verb::Man(args) => man::run(args, &mut out),
    }
}
