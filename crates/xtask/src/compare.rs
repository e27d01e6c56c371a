//! sharray beside what else could be taken: the programs of `benches/compare` and its Python half, pass by pass, and the page that
//! is made from what they measured.

use crate::command::{Outcome, cargo, program, root, target};
use crate::{libclang, python};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::{self, File};
use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const MANIFEST: &str = "benches/compare/Cargo.toml";
const RUST: &str = "benches/compare/src/bin";
const PYTHON: &str = "benches/compare/python";
/// Enough for a median and its bounds, and not more than some twenty minutes.
const PASSES: u32 = 5;
/// What a program may take in a pass, before it is taken to hang.
const PATIENCE: Duration = Duration::from_secs(600);

/// What to compare, and how thoroughly.
#[derive(Debug)]
struct Run<'a> {
    passes: u32,
    is_quick: bool,
    subjects: Vec<&'a str>,
}

/// A program, and what it is called with.
#[derive(Debug)]
struct Contest {
    name: String,
    command: Vec<PathBuf>,
}

/// A program that failed.
#[derive(Debug)]
struct Failure {
    told: String,
    /// It was the program's, or sharray's. Otherwise only that of another library, which it told and went on.
    is_own: bool,
}

/// Compares all subjects, or those that are named: `[--passes N] [--quick] [SUBJECT..]`.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let run = parse(arguments)?;
    libclang::ensure()?;
    said(compare(&run)?)
}

fn said(failures: Vec<Failure>) -> Outcome {
    let told: Vec<String> = failures.into_iter().map(|failure| failure.told).collect();
    if told.is_empty() { Ok(()) } else { Err(format!("not all could be measured:\n{}", told.join("\n"))) }
}

/// Measures, makes the page, and returns what could not be measured.
fn compare(run: &Run) -> Outcome<Vec<Failure>> {
    let (contests, interpreter) = build(run)?;
    let samples = target().join("compare").join(run.kind());
    if samples.is_dir() {
        fs::remove_dir_all(&samples).map_err(|error| format!("cannot empty {}: {error}", samples.display()))?;
    }
    fs::create_dir_all(&samples).map_err(|error| format!("cannot make {}: {error}", samples.display()))?;
    let failures = measure(run, &contests, &samples);
    report(run, &samples, &interpreter)?;
    Ok(failures)
}

/// Runs everything once and shortly, and says what did not run: other libraries that failed, or everything where libclang
/// cannot be had. That is an error where `CI` is set.
pub(crate) fn glance() -> Outcome<Option<String>> {
    match libclang::ensure() {
        Ok(()) => {}
        Err(error) if std::env::var_os("CI").is_some() => return Err(error),
        Err(error) => return Ok(Some(format!("compare: {error}"))),
    }
    let failures = compare(&parse(&["--quick"])?)?;
    let not_run: Vec<String> = failures.iter().map(|failure| failure.told.clone()).collect();
    if failures.iter().any(|failure| failure.is_own) {
        return said(failures).map(|()| None);
    }
    Ok((!not_run.is_empty()).then(|| format!("compare: {}", not_run.join(", "))))
}

/// Formatting and lints; without libclang those of the report alone.
pub(crate) fn check() -> Outcome {
    cargo(&["fmt", "--manifest-path", MANIFEST, "--all", "--check"]).run()?;
    built("clippy", &["--all-targets", "--", "-D", "warnings"])
}

/// The tests of the report and, with libclang, of what the programs share.
pub(crate) fn test() -> Outcome {
    built("test", &[])
}

/// A command of Cargo's for all packages there, or for the report alone, which needs no libclang.
fn built(command: &str, arguments: &[&str]) -> Outcome {
    let packages = if libclang::ensure().is_ok() { &["--workspace"][..] } else { &["--package", "sharray-report"] };
    let arguments = [&[command, "--manifest-path", MANIFEST], packages, arguments].concat();
    cargo(&arguments).env("CARGO_TARGET_DIR", target()).run()
}

fn parse<'a>(arguments: &[&'a str]) -> Outcome<Run<'a>> {
    let mut run = Run { passes: PASSES, is_quick: false, subjects: Vec::new() };
    let mut rest = arguments.iter();
    while let Some(&argument) = rest.next() {
        match argument {
            "--quick" => (run.is_quick, run.passes) = (true, 1),
            "--passes" => {
                let passes = rest.next().and_then(|passes| passes.parse().ok()).filter(|passes| *passes > 0);
                run.passes = passes.ok_or("--passes wants a number, at least 1")?;
            }
            _ if argument.starts_with('-') => return Err(format!("there is no option {argument}")),
            subject => run.subjects.push(subject),
        }
    }
    Ok(run)
}

impl Run<'_> {
    /// Only a full run is worth a page of the documentation.
    fn is_full(&self) -> bool {
        !self.is_quick && self.subjects.is_empty()
    }

    fn kind(&self) -> &'static str {
        match (self.is_full(), self.is_quick) {
            (true, _) => "full",
            (false, true) => "quick",
            (false, false) => "part",
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.subjects.is_empty() || self.subjects.contains(&name)
    }
}

/// Builds whatever runs: the programs in Rust, the wheel, and an environment with it and what it is compared with.
fn build(run: &Run) -> Outcome<(Vec<Contest>, PathBuf)> {
    let (rust, scripts) = (subjects(RUST)?, scripts()?);
    if let Some(unknown) = run.subjects.iter().find(|name| !rust.iter().chain(&scripts).any(|known| known == *name)) {
        return Err(format!("there is no subject {unknown}, expected one of: {}", rust.join(" ")));
    }
    cargo(&["build", "--release", "--workspace", "--manifest-path", MANIFEST])
        .env("CARGO_TARGET_DIR", target())
        .run()?;
    let interpreter = python::with_wheel("venv-compare", &format!("{PYTHON}/requirements.txt"))?;
    let rust = rust.into_iter().filter(|name| run.wants(name));
    let rust = rust.map(|name| Contest { command: vec![target().join("release").join(&name)], name });
    let scripts = scripts.into_iter().filter(|name| run.wants(name));
    let scripts = scripts.map(|name| Contest {
        command: vec![interpreter.clone(), root().join(PYTHON).join(format!("{name}.py"))],
        name: format!("python-{name}"),
    });
    Ok((rust.chain(scripts).collect(), interpreter))
}

/// Runs pass after pass, and returns what went wrong: a program that fails has measured what did not.
fn measure(run: &Run, contests: &[Contest], samples: &Path) -> Vec<Failure> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !is_root {
        eprintln!("huge pages are not measured: only the superuser can have a file system with them");
    }
    let bar = ProgressBar::new(u64::from(run.passes) * contests.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos} of {len}, {elapsed}") {
        bar.set_style(style);
    }
    let mut failed = Vec::new();
    for pass in 1..=run.passes {
        for contest in contests {
            let what = format!("pass {pass} of {}: {}", run.passes, contest.name);
            if std::io::stderr().is_terminal() {
                bar.set_message(what.clone());
            } else {
                eprintln!("{what}");
            }
            if let Err(error) = contest.play(run.is_quick, samples, pass, &bar) {
                bar.suspend(|| eprintln!("{what}: {error}"));
                let samples = fs::read_to_string(samples.join(format!("{}.{pass}.txt", contest.name)));
                let is_own = is_own(&samples.unwrap_or_default());
                failed.push(Failure { told: format!("{what}: {error}"), is_own });
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    failed
}

/// Whether a program that failed did so by itself or in a contender of sharray's, as the notes in its samples tell. How cost
/// grows is a matter of sharray's alone.
fn is_own(samples: &str) -> bool {
    let failed: Vec<&str> =
        samples.lines().filter(|line| line.starts_with("# ") && line.contains(" failed: ")).collect();
    failed.is_empty() || failed.iter().any(|line| line.contains("sharray") || line.contains("growth"))
}

impl Contest {
    /// Runs it once; what it prints goes into files of its own.
    fn play(&self, is_quick: bool, samples: &Path, pass: u32, bar: &ProgressBar) -> Outcome {
        let [said, complaints] = ["txt", "err"].map(|kind| samples.join(format!("{}.{pass}.{kind}", self.name)));
        let create =
            |path: &Path| File::create(path).map_err(|error| format!("cannot write {}: {error}", path.display()));
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).args(if is_quick { &["--quick"][..] } else { &["--rounds", "1"] });
        command.stdin(Stdio::null()).stdout(create(&said)?).stderr(create(&complaints)?);
        let mut child =
            command.spawn().map_err(|error| format!("cannot run {}: {error}", self.command[0].display()))?;
        let end = Instant::now() + PATIENCE;
        loop {
            match child.try_wait().map_err(|error| error.to_string())? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("{status}, see {}", complaints.display())),
                None if Instant::now() > end => break,
                None => thread::sleep(Duration::from_millis(100)),
            }
            bar.tick();
        }
        // Fails only if it has just ended; what it has started dies with it.
        _ = child.kill();
        _ = child.wait();
        Err(format!("it did not end within {} seconds", PATIENCE.as_secs()))
    }
}

/// Makes the page: a full run's is part of the documentation, the others' stay beside the samples.
fn report(run: &Run, samples: &Path, interpreter: &Path) -> Outcome {
    let docs = if run.is_full() { root().join("docs") } else { samples.to_owned() };
    let program_path = target().join("release/sharray-report");
    program(program_path, &[samples, &docs, Path::new("--python"), interpreter]).run()?;
    eprintln!("{}", docs.join("benchmarks.md").display());
    Ok(())
}

/// The programs in a folder: files, and folders with more than one.
fn subjects(folder: &str) -> Outcome<Vec<String>> {
    let folder = root().join(folder);
    let entries = fs::read_dir(&folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let stem = |path: PathBuf| Some(path.file_stem()?.to_str()?.to_owned());
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| stem(entry.path())).collect();
    names.sort();
    Ok(names)
}

/// The scripts that measure something; the others are what those share.
fn scripts() -> Outcome<Vec<String>> {
    let is_program = |name: &String| {
        let text = fs::read_to_string(root().join(PYTHON).join(format!("{name}.py"))).unwrap_or_default();
        text.contains("__main__")
    };
    Ok(subjects(PYTHON)?.into_iter().filter(is_program).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_ours_unless_another_library_alone_failed() {
        // A test must not pass because a program crashed, nor fail because of what others made.
        for (samples, is_ours) in [
            ("frames.pipe 1 GB/s\n", true),
            ("# frames.iceoryx2 failed: it hangs\nframes.pipe 1 GB/s\n", false),
            ("# frames.iceoryx2 failed: it hangs\n# frames.sharray_stream failed: it hangs\n", true),
            ("# growth.readers failed: it hangs\n", true),
        ] {
            assert_eq!(is_own(samples), is_ours, "{samples}");
        }
    }

    #[test]
    fn only_a_full_run_writes_into_the_documentation() {
        // A quick run, or one of some subjects, says nothing about the rest.
        for (arguments, kind, passes) in [
            (&[][..], "full", PASSES),
            (&["--passes", "9"], "full", 9),
            (&["--quick"], "quick", 1),
            (&["latency", "--passes", "2"], "part", 2),
            (&["--quick", "latency"], "quick", 1),
        ] {
            let run = parse(arguments).expect("the arguments are good");
            assert_eq!((run.kind(), run.is_full(), run.passes), (kind, kind == "full", passes), "{arguments:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for arguments in [&["--passes"][..], &["--passes", "0"], &["--passes", "x"], &["--fast"]] {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn helpers_are_no_subjects() {
        let scripts = scripts().expect("the scripts are there");
        assert!(!scripts.iter().any(|name| name == "common"), "{scripts:?}");
        assert!(subjects(RUST).expect("the programs are there").iter().any(|name| name == "latency"));
    }
}
