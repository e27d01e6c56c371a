//! Fuzzing: bytes that others wrote, as hostile as libFuzzer finds them. A target is a file in `fuzz/fuzz_targets`.

use crate::command::{Outcome, cargo, names_in, output, program, target};
use std::fs;
use std::path::{Path, PathBuf};

/// How long each target runs when all tests do.
const GLANCE_SECONDS: &str = "8";
const SECONDS: &str = "300";
/// What one input may take of time and memory, and how long it may be: headers are bounded, whatever they say.
const BOUNDS: [&str; 4] = ["-timeout=10", "-malloc_limit_mb=64", "-rss_limit_mb=2048", "-max_len=16384"];

/// Fuzzes the targets that are named, or all, each so long: `[TARGET..] [--seconds N]`.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let (names, seconds) = match arguments {
        [names @ .., "--seconds", seconds] => (names, *seconds),
        names => (names, SECONDS),
    };
    fuzz(names, seconds, &tool()?)
}

/// Fuzzes every target for a short time. Says why not where the tool cannot be had; that is an error where `CI` is set.
pub(crate) fn glance() -> Outcome<Option<String>> {
    match tool() {
        Ok(tool) => fuzz(&[], GLANCE_SECONDS, &tool).map(|()| None),
        Err(error) if std::env::var_os("CI").is_some() => Err(error),
        Err(error) => Ok(Some(format!("fuzz: {error}"))),
    }
}

fn fuzz(names: &[&str], seconds: &str, tool: &Path) -> Outcome {
    let all = names_in("fuzz/fuzz_targets")?;
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|known| known == *name)) {
        return Err(format!("there is no target {unknown}, expected one of: {}", all.join(" ")));
    }
    let built = target().join("fuzz");
    for name in all.iter().filter(|name| names.is_empty() || names.contains(&name.as_str())) {
        // What it finds worth keeping goes into the first folder; the second is only read.
        let found = built.join("corpus").join(name);
        fs::create_dir_all(&found).map_err(|error| format!("cannot make {}: {error}", found.display()))?;
        let (built, found) = (built.display().to_string(), found.display().to_string());
        let (corpus, time) = (format!("fuzz/corpus/{name}"), format!("-max_total_time={seconds}"));
        let mut words = vec!["fuzz", "run", "--fuzz-dir", "fuzz", "--target-dir", &built, name, &found, &corpus, "--"];
        words.push(&time);
        words.extend(BOUNDS);
        // Sanitizers are in every compiler, but for the time being behind a door.
        program(tool, &words).env("RUSTC_BOOTSTRAP", "1").run()?;
    }
    Ok(())
}

/// cargo-fuzz: the one that is here, or else one of our own, which is made once.
fn tool() -> Outcome<PathBuf> {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    output(Path::new(&compiler), &["--version"]).map_err(|error| format!("libFuzzer is built by {error}"))?;
    let folder = target().join("tools");
    let own = folder.join("bin/cargo-fuzz");
    let works = |tool: &PathBuf| output(tool, &["fuzz", "--version"]).is_ok();
    if let Some(tool) = [PathBuf::from("cargo-fuzz"), own.clone()].into_iter().find(works) {
        return Ok(tool);
    }
    let root = folder.display().to_string();
    cargo(&["install", "--locked", "--quiet", "cargo-fuzz", "--root", &root]).run().map(|()| own)
}
