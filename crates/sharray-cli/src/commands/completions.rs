//! `sharray completions`: for the shell.

use crate::args::{Args, Completions};
use crate::failure::Outcome;
use crate::screen::Out;
use clap::CommandFactory;
use std::io::Write;

pub(crate) fn run(args: &Completions, out: &mut Out) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "sharray", &mut script);
    out.write_all(&script)?;
    Ok(())
}
