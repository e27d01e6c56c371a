//! What the simulations have in common: the command line, one command that starts all ranks, going on where a rank died,
//! and what is told at the end.

mod picture;

pub(crate) use picture::{Gradient, draw};

use indicatif::{ProgressBar, ProgressStyle};
use sharray::{Error, Team};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// The longest that ranks wait for each other: for one that is started again, too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A simulation, told twice: by one process, and by a team.
pub(crate) trait Simulation {
    const NAME: &str;
    /// What `--size` counts, and how many there are without it.
    const SIZE: (&str, usize);
    const STEPS: u64;

    /// What there is at the end.
    type State;

    fn new(size: usize) -> Outcome<Self>
    where
        Self: Sized;

    /// Makes all steps alone.
    fn serial(&self, steps: u64, progress: &ProgressBar) -> Self::State;

    /// Makes the steps that are left, as one rank of a team, and returns what there is then.
    fn parallel(&self, team: &Team, steps: u64, progress: &ProgressBar) -> sharray::Result<Self::State>;

    /// The state, bit for bit.
    fn bytes(state: &Self::State) -> Vec<u8>;

    fn picture(state: &Self::State) -> (Vec<f64>, [usize; 2], Gradient);
}

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Arguments {
    size: usize,
    steps: u64,
    ranks: u32,
    restarts: u32,
    name: Option<String>,
    png: Option<PathBuf>,
    is_serial: bool,
    with_check: bool,
}

/// The `main` of a simulation.
pub(crate) fn main<S: Simulation>() -> ExitCode {
    match start::<S>() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", S::NAME);
            match error.downcast_ref() {
                Some(Error::Interrupted { signal, .. }) => ExitCode::from(128 + *signal as u8),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn start<S: Simulation>() -> Outcome {
    let Some(arguments) = parse::<S>()? else {
        print!("{}", usage::<S>());
        return Ok(());
    };
    if let Some(team) = Team::spawned()? {
        return rank::<S>(&team, &arguments);
    }
    if arguments.is_serial {
        let simulation = S::new(arguments.size)?;
        let bar = bar(arguments.steps);
        let start = Instant::now();
        let state = simulation.serial(arguments.steps, &bar);
        bar.finish_and_clear();
        return report::<S>(&arguments, "alone", start.elapsed(), &state);
    }
    let launcher = Team::spawn(arguments.ranks).restarts(arguments.restarts);
    Ok(launcher.name(arguments.name.as_deref().unwrap_or(S::NAME)).run()?)
}

/// One rank: goes on after the death of another, from where the team was.
fn rank<S: Simulation>(team: &Team, arguments: &Arguments) -> Outcome {
    let simulation = S::new(arguments.size)?;
    let bar = if team.rank() == 0 { bar(arguments.steps) } else { ProgressBar::hidden() };
    let start = Instant::now();
    let state = loop {
        let ended = simulation.parallel(team, arguments.steps, &bar).and_then(|state| {
            // Nobody leaves before all have what they need.
            team.barrier(PATIENCE).map(|()| state)
        });
        match ended {
            Err(Error::PeerDied { .. }) if arguments.restarts > 0 => team.reset(PATIENCE)?,
            ended => break ended?,
        }
    };
    bar.finish_and_clear();
    if team.rank() > 0 {
        return Ok(());
    }
    report::<S>(arguments, &format!("with {} ranks", team.size()), start.elapsed(), &state)?;
    if arguments.with_check {
        let alone = simulation.serial(arguments.steps, &ProgressBar::hidden());
        if S::bytes(&alone) != S::bytes(&state) {
            return Err("the serial program comes to another result".into());
        }
        println!("the serial program comes to the same result, bit for bit");
    }
    Ok(())
}

fn report<S: Simulation>(arguments: &Arguments, how: &str, time: Duration, state: &S::State) -> Outcome {
    let (Arguments { size, steps, .. }, seconds) = (arguments, time.as_secs_f64());
    println!("{}: {size} {}, {steps} steps {how} in {seconds:.2} s", S::NAME, S::SIZE.0);
    println!("result: {:016x}", fnv(&S::bytes(state)));
    if let Some(png) = &arguments.png {
        let (numbers, shape, gradient) = S::picture(state);
        draw(png, &numbers, shape, &gradient)?;
        println!("picture: {}", png.display());
    }
    Ok(())
}

/// A number by which two results are told apart (FNV-1a).
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Drawn on a terminal only.
fn bar(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} steps, {per_sec}");
    ProgressBar::new(steps).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn usage<S: Simulation>() -> String {
    let (name, (what, size), steps) = (S::NAME, S::SIZE, S::STEPS);
    format!(
        "\
usage: {name} [--ranks N] [--size N] [--steps N] [--serial] [--check] [--png FILE] [--restarts N] [--name RUN]

  --ranks N     how many processes; without it 2
  --size N      how many {what}; without it {size}
  --steps N     how many steps; without it {steps}
  --serial      the same in one process, without a team
  --check       compare the result with that of the serial program, bit for bit
  --png FILE    draw the end
  --restarts N  start a rank that was killed again, so often
  --name RUN    the name of the run, by which viewers find it; without it {name}
"
    )
}

/// Reads the command line; `None` if it asks for help.
fn parse<S: Simulation>() -> Result<Option<Arguments>, lexopt::Error> {
    use lexopt::prelude::*;

    let mut arguments = Arguments {
        size: S::SIZE.1,
        steps: S::STEPS,
        ranks: 2,
        restarts: 0,
        name: None,
        png: None,
        is_serial: false,
        with_check: false,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Long("ranks") => arguments.ranks = parser.value()?.parse()?,
            Long("size") => arguments.size = parser.value()?.parse()?,
            Long("steps") => arguments.steps = parser.value()?.parse()?,
            Long("restarts") => arguments.restarts = parser.value()?.parse()?,
            Long("name") => arguments.name = Some(parser.value()?.string()?),
            Long("png") => arguments.png = Some(parser.value()?.into()),
            Long("serial") => arguments.is_serial = true,
            Long("check") => arguments.with_check = true,
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(arguments))
}
