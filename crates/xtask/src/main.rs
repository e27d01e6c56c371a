//! The project's commands: `cargo xtask` lists them. Each is a few plain lines that a person could type.

mod command;
mod compare;
mod docs;
mod fuzz;
mod libclang;
mod package;
mod python;
mod sanitize;

use command::{Outcome, cargo};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

const USAGE: &str = "\
cargo xtask test              everything that must pass: check, all tests, the site, packages, models, a minute of
                              torture, a glance at the benches, the comparisons and the fuzz targets
cargo xtask check             formatting, lints and documentation; warnings are errors
cargo xtask bench [NAME..]    figures as `name value unit`, and ratios against bare operations of the same run
cargo xtask compare [--passes N] [--quick] [SUBJECT..]
                              sharray beside what else could be taken, into docs/benchmarks.md; in part or quickly
                              into target/compare/
cargo xtask torture [--seconds N] [--seed S] [--workers N]
                              processes that use arrays at random and are killed and stopped at random
cargo xtask fuzz [TARGET..] [--seconds N]
                              hostile bytes for whatever reads bytes that others wrote
cargo xtask power [--images N] [--seed S]
                              files that a loss of power could have left, opened one after the other
cargo xtask instructions      processes that are killed between any two machine instructions of an operation
cargo xtask cuts [N]          the power is cut under file systems in loop devices; for the superuser
cargo xtask wheel [--manylinux]
                              the Python package, into dist/; for older systems than this one, too
cargo xtask python            the Python package, built, installed in environments of its own and tested
cargo xtask package           all that is published, as a dry run: built from its packages; licences of what it depends on
cargo xtask docs              the site of all pages, with what rustdoc and the docstrings say, into target/site
cargo xtask pictures          docs/pictures, anew: what the command shows in a terminal
cargo xtask model             loom over the protocol's own source, and exhaustive models of its logic
cargo xtask schedules [N]     the protocol's own source in N random schedules of each model, with random deaths
cargo xtask sanitize address  all tests of the library, each access to memory looked at
cargo xtask sanitize thread   threads over one attach: each access to a payload has to be ordered
cargo xtask model --mutants   breaks each load-bearing step in turn; a model must catch every one
";

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["test"] => test(),
        ["check"] => check(),
        ["bench", names @ ..] => bench(names, &[]),
        ["compare", arguments @ ..] => compare::run(arguments),
        ["torture", options @ ..] => torture(options),
        ["fuzz", arguments @ ..] => fuzz::run(arguments),
        ["power"] => power("1000000", "1"),
        ["power", "--images", images] => power(images, "1"),
        ["power", "--images", images, "--seed", seed] => power(images, seed),
        ["instructions"] => instructions(),
        ["cuts"] => cuts("500"),
        ["cuts", times] => cuts(times),
        ["wheel"] => python::wheel().map(|wheel| eprintln!("{}", wheel.display())),
        ["wheel", "--manylinux"] => python::manylinux().map(|wheel| eprintln!("{}", wheel.display())),
        ["python"] => python::test(),
        ["package"] => package::run().map(|reasons| say_what_was_not_run(&reasons)),
        ["docs"] => docs::build(),
        ["pictures"] => pictures(),
        ["sanitize", "address"] => sanitize::address(),
        ["sanitize", "thread"] => sanitize::thread(),
        ["schedules"] => schedules("1000000"),
        ["schedules", times] => schedules(times),
        ["model"] => model(),
        ["model", "--mutants"] => mutants(),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn test() -> Outcome {
    check()?;
    let python = python::with_numpy()?;
    let folders = Folders::new()?;
    // The tests that need NumPy are marked as ignored, for those who run `cargo test` without this command.
    cargo(&[
        "test",
        "--workspace",
        "--all-features",
        "--exclude",
        "sharray-loom",
        "--exclude",
        "sharray-models",
        "--exclude",
        "sharray-shuttle",
        "--all-targets",
        "--",
        "--include-ignored",
    ])
    .env("PYTHON", &python)
    .env("TMPDIR", &folders.disk)
    .env("SHARRAY_TEST_MEMORY", &folders.memory)
    .run()?;
    folders.are_empty()?;
    cargo(&["test", "--workspace", "--all-features", "--doc"]).run()?;
    python::test()?;
    docs::build()?;
    let mut not_run = package::run()?;
    model()?;
    schedules("10000")?;
    mutants()?;
    torture(&["--seconds", "60"])?;
    bench(&[], &["--quick"])?;
    compare::test()?;
    not_run.extend(compare::glance()?);
    not_run.extend(fuzz::glance()?);
    say_what_was_not_run(&not_run);
    Ok(())
}

fn say_what_was_not_run(reasons: &[String]) {
    if !reasons.is_empty() {
        eprintln!("{} not run: {}", reasons.len(), reasons.join("; "));
    }
}

/// Where the tests make their files. What is there when they are over was left behind.
struct Folders {
    memory: PathBuf,
    disk: PathBuf,
}

impl Folders {
    fn new() -> Outcome<Self> {
        let disk = std::env::temp_dir();
        let memory = Some(PathBuf::from("/dev/shm")).filter(|memory| memory.is_dir()).unwrap_or_else(|| disk.clone());
        let [memory, disk] = [(memory, "memory"), (disk, "disk")]
            .map(|(above, kind)| above.join(format!("sharray-tests-{}-{kind}", std::process::id())));
        for folder in [&memory, &disk] {
            let cannot = |error| format!("cannot create {}: {error}", folder.display());
            std::fs::create_dir(folder).map_err(cannot)?;
            // As the folders above them: some tests go on as a user without rights.
            std::fs::set_permissions(folder, Permissions::from_mode(0o1777)).map_err(cannot)?;
        }
        Ok(Self { memory, disk })
    }

    /// Removes the folders, which works only if they are empty.
    fn are_empty(&self) -> Outcome {
        for folder in [&self.memory, &self.disk] {
            let left = || std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
            std::fs::remove_dir(folder).map_err(|error| {
                format!("the tests left {:?} in {}: {error}", left().collect::<Vec<_>>(), folder.display())
            })?;
        }
        Ok(())
    }
}

fn check() -> Outcome {
    cargo(&["fmt", "--all", "--check"]).run()?;
    cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]).run()?;
    cargo(&["fmt", "--manifest-path", "benches/compare/Cargo.toml", "--check"]).run()?;
    cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]).run()?;
    compare::check()?;
    cargo(&["doc", "--workspace", "--no-deps", "--document-private-items"]).env("RUSTDOCFLAGS", "-D warnings").run()
}

fn bench(names: &[&str], options: &[&str]) -> Outcome {
    let mut arguments = vec!["bench", "--package", "sharray"];
    if names.is_empty() {
        arguments.push("--benches");
    }
    arguments.extend(names.iter().flat_map(|name| ["--bench", name]));
    arguments.push("--");
    arguments.extend(options);
    // What is measured beside NumPy needs it, and the wheel: where the tests have made them, they are used.
    let bench = cargo(&arguments);
    match python::tested() {
        Some(python) => bench.env("PYTHON", python).run(),
        None => bench.run(),
    }
}

fn torture(options: &[&str]) -> Outcome {
    let mut arguments = vec!["run", "--release", "--package", "sharray-torture", "--"];
    arguments.extend(options);
    cargo(&arguments).run()
}

fn power(images: &str, seed: &str) -> Outcome {
    cargo(&["test", "--release", "--all-features", "--test", "power", "--", "--nocapture"])
        .env("SHARRAY_IMAGES", images)
        .env("SHARRAY_SEED", seed)
        .run()
}

/// Without the feature that marks steps: the instructions are those that users have.
fn instructions() -> Outcome {
    let test = ["test", "--release", "--test", "any_instruction", "--", "--nocapture"];
    cargo(&test).env("SHARRAY_INSTRUCTIONS", "all").run()
}

fn cuts(times: &str) -> Outcome {
    let test = ["test", "--release", "--all-features", "--test", "power_cut", "--", "--nocapture"];
    cargo(&test).env("SHARRAY_CUTS", times).run()
}

fn pictures() -> Outcome {
    cargo(&["run", "--package", "sharray-cli", "--example", "pictures"]).run()
}

fn model() -> Outcome {
    cargo(&["test", "--release", "--package", "sharray-loom", "--package", "sharray-models"]).run()
}

fn schedules(times: &str) -> Outcome {
    cargo(&["test", "--release", "--package", "sharray-shuttle"]).env("SHARRAY_ROUNDS", times).run()
}

fn mutants() -> Outcome {
    cargo(&["run", "--release", "--package", "sharray-models", "--bin", "exhaustive", "--", "--mutants"]).run()?;
    cargo(&["run", "--release", "--package", "sharray-loom", "--bin", "mutants"]).run()
}
