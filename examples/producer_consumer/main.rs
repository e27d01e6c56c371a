//! A producer and two consumers, each a process of its own, share a real picture thousands of times.
//!
//! Start with `producer.rs` and `consumer.rs`: they are all that a program needs to do. The rest reads the picture
//! (`original.rs`), changes it so that no two frames are alike (`pattern.rs`), starts the processes and listens to them
//! (`run.rs`, `crew.rs`), and says how it went (`report.rs`, `picture.rs`). README.md shows how to play the parts by hand.

#![allow(clippy::print_stdout, reason = "it is a program: what it prints is what it is for")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures and pictures are for people to look at"
)]

mod consumer;
mod crew;
mod original;
mod pattern;
mod picture;
mod producer;
mod report;
mod run;

use original::Original;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// The longest that anybody here waits for anybody else.
const PATIENCE: Duration = Duration::from_secs(30);

const USAGE: &str = "\
A producer and two consumers share an array, each a process of its own.

usage: producer_consumer [FILE.npy] [--frames N] [--kill] [--png OUT.png]
       producer_consumer produce NAME [FILE.npy] [--frames N] [--stop-in K]
       producer_consumer consume NAME [FILE.npy] [--lossless] [--png OUT.png]

  FILE.npy      the array to share; without it, a photograph
  --frames N    how many frames; without it 30000, or fewer if the array is large
  --kill        kill the producer in the middle of a frame, and let another take over
  --png OUT     where to draw the last frame; without it, beside this program

  produce       play the producer by hand: it begins when you press Enter,
  --stop-in K   and stops half way through frame K until it is killed
  consume       play a consumer by hand, with the same FILE.npy
  --lossless    make the producer wait for this consumer
";

/// What the command line says.
#[derive(Debug, Default)]
struct Arguments {
    role: Option<(Role, String)>,
    file: Option<PathBuf>,
    frames: Option<u64>,
    png: Option<PathBuf>,
    stop_in: Option<u64>,
    is_lossless: bool,
    with_kill: bool,
}

#[derive(Clone, Copy, Debug)]
enum Role {
    Produce,
    Consume,
}

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("producer_consumer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Outcome {
    let Some(arguments) = parse()? else {
        print!("{USAGE}");
        return Ok(());
    };
    let original = Original::load(arguments.file.as_deref())?;
    let frames = arguments.frames.unwrap_or_else(|| original.default_frames());
    match &arguments.role {
        None => run::run(&arguments, &original, frames),
        Some((Role::Produce, name)) => producer::produce(name, &original, frames, arguments.stop_in),
        Some((Role::Consume, name)) => {
            consumer::consume(name, &original, arguments.is_lossless, arguments.png.as_deref())
        }
    }
}

/// Reads the command line; `None` if it asks for help.
fn parse() -> Result<Option<Arguments>, lexopt::Error> {
    use lexopt::prelude::*;

    let mut arguments = Arguments::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        let is_first = arguments.role.is_none() && arguments.file.is_none();
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Long("frames") => arguments.frames = Some(parser.value()?.parse()?),
            Long("png") => arguments.png = Some(parser.value()?.into()),
            Long("stop-in") => arguments.stop_in = Some(parser.value()?.parse()?),
            Long("lossless") => arguments.is_lossless = true,
            Long("kill") => arguments.with_kill = true,
            Value(role) if is_first && role == "produce" => {
                arguments.role = Some((Role::Produce, parser.value()?.string()?));
            }
            Value(role) if is_first && role == "consume" => {
                arguments.role = Some((Role::Consume, parser.value()?.string()?));
            }
            Value(file) if arguments.file.is_none() => arguments.file = Some(file.into()),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(arguments))
}
