//! The command `sharray`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(sharray_cli::run(std::env::args_os()))
}
