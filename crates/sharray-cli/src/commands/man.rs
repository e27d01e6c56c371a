//! `sharray man`: the manual.

use crate::args::{self, Args};
use crate::failure::{Failure, Outcome};
use crate::screen::Out;
use clap::CommandFactory;
use clap_mangen::Man;
use std::io::Write;

pub(crate) fn run(args: &args::Man, out: &mut Out) -> Outcome {
    let mut command = Args::command();
    command.build();
    let command = match &args.verb {
        None => command,
        Some(verb) => command
            .find_subcommand(verb)
            .cloned()
            .ok_or_else(|| Failure::usage(format!("there is no verb {verb:?}; `sharray --help` lists them")))?,
    };
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    out.write_all(&page)?;
    Ok(())
}
