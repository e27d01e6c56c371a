//! The command `sharray`: looks at shared arrays, shows them, moves them from and to files, and tidies up.
//!
//! `main.rs` calls [`run`], and so does the Python package, which brings the command along, and draws pictures for notebooks by
//! [`thumbnail`]. Everything is made of the
//! library's public API. One file of `commands/` is one verb; what several of them need stands beside:
//!
//! | file | has |
//! |---|---|
//! | `args` | what can be typed |
//! | `failure` | exit codes, and what to do next |
//! | `kinds` | the kinds of array: the one place that tells them apart |
//! | `items`, `float8` | numbers out of bytes of any dtype |
//! | `text`, `table`, `json` | what is printed, none of it able to speak to the terminal |
//! | `who`, `rates` | who takes part; how fast it goes |
//! | `interrupt`, `progress` | Ctrl-C; bars |
//! | `screen`, `spool`, `save` | what is printed on; standard input and output as files; files that are written whole |
//! | `picture/` | arrays as pictures: in a terminal, as a file |

mod args;
mod commands;
mod failure;
mod float8;
mod interrupt;
mod items;
mod json;
mod kinds;
mod picture;
mod progress;
mod rates;
mod save;
mod screen;
mod spool;
mod table;
mod text;
mod who;

pub use picture::thumbnail::{Thumbnail, thumbnail};

use args::Args;
use clap::Parser;
use failure::{Code, Failure};
use std::ffi::OsString;
use std::io::Write;

/// Runs the command with its arguments, of which the first is its own name. Returns the exit code, which `sharray help`
/// explains.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    // Others may cut short the files that are looked at. Where a sandbox forbids it, it is as it is without.
    _ = sharray::survive_truncation();
    let outcome = match Args::try_parse_from(arguments) {
        Ok(args) => commands::run(&args),
        Err(error) => {
            let code = if error.use_stderr() { Code::Usage } else { Code::Fine };
            // A closed pipe is no error, and nobody is there to be told of another.
            _ = error.print();
            Err(Failure::Silent(code))
        }
    };
    // What cannot be written any more is a closed pipe, or was said when it was written.
    _ = std::io::stdout().flush();
    outcome.map_or_else(Failure::report, |()| Code::Fine) as u8
}
