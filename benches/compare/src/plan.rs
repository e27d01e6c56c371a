//! What the command line asks for, and samples taken on a machine that others use too.

use crate::noise::Noise;
use crate::role::Part;
use crate::{Outcome, cpu};
use lexopt::Arg::Long;
use lexopt::ValueExt;
use std::io::{self, Write};
use std::ops::Range;
use std::thread;
use std::time::Duration;

/// The percentage of a CPU that others may use during a sample.
const QUIET: f64 = 10.0;
/// How often a noisy sample is taken again.
const RETAKES: u32 = 6;

/// One sample of one quantity.
#[derive(Debug, Clone)]
pub struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
}

impl Figure {
    /// A value with its full name.
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit }
    }
}

/// Which comparisons to make, and how often.
#[derive(Debug)]
pub struct Plan {
    rounds: u32,
    only: Option<Vec<String>>,
    is_quick: bool,
    cpus: [usize; 2],
    failures: u32,
}

/// Whether a program was started by a person or by itself.
pub(crate) enum Asked {
    Compare(Plan),
    Play(Part),
}

pub(crate) fn command_line() -> Outcome<Asked> {
    let mut plan = Plan { rounds: 0, only: None, is_quick: false, cpus: cpu::two()?, failures: 0 };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("rounds") => plan.rounds = parser.value()?.parse()?,
            Long("only") => plan.only = Some(parser.value()?.string()?.split(',').map(str::to_owned).collect()),
            Long("quick") => plan.is_quick = true,
            Long("role") => return Ok(Asked::Play(Part::parse(&mut parser)?)),
            other => return Err(other.unexpected().into()),
        }
    }
    if plan.rounds == 0 {
        plan.rounds = if plan.is_quick { 1 } else { 7 };
    }
    Ok(Asked::Compare(plan))
}

impl Plan {
    /// The rounds, in each of which every contender has its turn.
    pub fn rounds(&self) -> Range<u32> {
        0..self.rounds
    }

    /// Whether it is only to be seen that everything works.
    pub fn is_quick(&self) -> bool {
        self.is_quick
    }

    /// How long one contender's turn takes.
    pub fn turn(&self, full: Duration) -> Duration {
        if self.is_quick { full / 10 } else { full }
    }

    /// The CPU of who asks or consumes, and that of who answers or produces.
    pub fn cpus(&self) -> [usize; 2] {
        self.cpus
    }

    /// Whether what has this name was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|parts| parts.iter().any(|part| name.contains(part.as_str())))
    }

    /// Takes a sample, if `name` was asked for, and prints it. One during which others used the machine is taken again;
    /// if all were noisy the least noisy one is printed, after a note.
    ///
    /// A contender that fails does not end the comparison; the program tells by its exit status.
    ///
    /// # Errors
    /// Only if nobody listens.
    pub fn sample(&mut self, name: &str, mut measure: impl FnMut() -> Outcome<Vec<Figure>>) -> Outcome {
        if !self.wants(name) {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        match self.least_noisy(&mut measure) {
            Ok((percent, figures)) => {
                if percent > QUIET {
                    writeln!(
                        out,
                        "# noisy: others used {percent:.0} % of a CPU during the next {} lines",
                        figures.len()
                    )?;
                }
                for Figure { name, value, unit } in figures {
                    writeln!(out, "{name} {value:.4} {unit}")?;
                }
            }
            Err(error) => {
                writeln!(out, "# {name} failed: {error}")?;
                self.failures += 1;
            }
        }
        Ok(out.flush()?)
    }

    fn least_noisy(&self, measure: &mut impl FnMut() -> Outcome<Vec<Figure>>) -> Outcome<(f64, Vec<Figure>)> {
        let mut take = || {
            let noise = Noise::begin();
            let figures = measure()?;
            Outcome::Ok((noise.percent(), figures))
        };
        let mut best = take()?;
        let retakes = if self.is_quick { 0 } else { RETAKES };
        for retake in 0..retakes {
            if best.0 <= QUIET {
                break;
            }
            thread::sleep(Duration::from_millis(50 << retake.min(5)));
            let next = take()?;
            if next.0 < best.0 {
                best = next;
            }
        }
        Ok(best)
    }

    /// Whether all contenders did what they should.
    pub(crate) fn end(&self) -> Outcome {
        if self.failures == 0 { Ok(()) } else { Err(format!("{} samples failed", self.failures).into()) }
    }
}
