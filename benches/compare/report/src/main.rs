//! Makes the page of benchmarks, and its pictures, from the samples of a run: `report SAMPLES DOCS [--python PYTHON]`.
//! `cargo xtask compare` calls it.

#![allow(clippy::cast_precision_loss, reason = "figures need no more than a double has")]

mod bars;
mod goals;
mod groups;
mod growth;
mod lines;
mod machine;
mod notes;
mod page;
mod picture;
mod reach;
mod samples;
mod subjects;
mod units;

use page::Contents;
use samples::{Outcome, Samples};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What the programs were built from, with the versions of all contenders.
const LOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");

fn main() -> ExitCode {
    match arguments().and_then(|arguments| report(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

struct Arguments {
    samples: PathBuf,
    docs: PathBuf,
    /// The interpreter that the Python programs ran in.
    python: Option<PathBuf>,
}

fn arguments() -> Outcome<Arguments> {
    parse(lexopt::Parser::from_env()).map_err(|error| format!("{error}\nusage: report SAMPLES DOCS [--python PYTHON]"))
}

fn parse(mut parser: lexopt::Parser) -> Result<Arguments, lexopt::Error> {
    use lexopt::Arg::{Long, Value};
    let (mut folders, mut python) = (Vec::new(), None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("python") => python = Some(parser.value()?.into()),
            Value(folder) => folders.push(PathBuf::from(folder)),
            other => return Err(other.unexpected()),
        }
    }
    match <[PathBuf; 2]>::try_from(folders) {
        Ok([samples, docs]) => Ok(Arguments { samples, docs, python }),
        Err(_) => Err("expected two folders".into()),
    }
}

fn report(arguments: &Arguments) -> Outcome {
    let samples = Samples::read(&arguments.samples)?;
    let path = arguments.docs.join("benchmarks.md");
    let pictures = arguments.docs.join(page::PICTURES);
    fs::create_dir_all(&pictures).map_err(|error| format!("cannot make {}: {error}", pictures.display()))?;
    draw(&samples, &pictures)?;
    let contents = Contents {
        samples: &samples,
        subjects: subjects::SUBJECTS,
        growth: growth::SUBJECTS,
        goals: &reach::goals(),
        machine: &machine::facts(Path::new(LOCK), arguments.python.as_deref()),
        date: date(&arguments.samples)?,
        notes: notes::kept(&fs::read_to_string(&path).unwrap_or_default()),
    };
    fs::write(&path, page::page(&contents)).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn draw(samples: &Samples, pictures: &Path) -> Outcome {
    for subject in subjects::SUBJECTS {
        let groups = groups::of(samples, subject.name);
        if !groups.is_empty() {
            bars::draw(&pictures.join(format!("{}.svg", subject.name)), subject.title, &groups)?;
        }
    }
    for subject in growth::SUBJECTS {
        let lines = growth::lines(samples, subject);
        if !lines.is_empty() {
            lines::draw(&pictures.join(format!("growth-{}.svg", subject.name)), subject, &lines)?;
        }
    }
    Ok(())
}

/// The day on which the newest sample was taken.
fn date(samples: &Path) -> Outcome<String> {
    let newest = jiff::Timestamp::try_from(samples::newest(samples)?);
    newest.map(|newest| newest.strftime("%Y-%m-%d").to_string()).map_err(|error| error.to_string())
}
