//! Virtual environments of the project's own, with the packages that its tests need, and the wheel in them.

use crate::command::{Outcome, cargo, output, program, root, target};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

/// What the tests need, from the Python Package Index.
const REQUIREMENTS: &str = "requirements-dev.txt";
pub(crate) const PACKAGE: &str = "crates/sharray-python";
/// The oldest NumPy that the wheel is for, and the Pythons that there are wheels of it for.
const OLDEST_NUMPY: &str = "numpy==2.0.*";
const OLDEST_NUMPY_ON: [&str; 2] = ["3.11", "3.12"];
/// The oldest Python that the wheel is for, and the newest that is looked for.
const VERSIONS: std::ops::RangeInclusive<u32> = 11..=15;

/// The interpreter of an environment that has what the requirements name; made when they change.
pub(crate) fn with_numpy() -> Outcome<PathBuf> {
    environment("venv", &base(), REQUIREMENTS)
}

/// The interpreter of an environment with the wheel, and with what the requirements name.
pub(crate) fn with_wheel(name: &str, requirements: &str) -> Outcome<PathBuf> {
    let wheel = wheel()?;
    let python = environment(name, &base(), requirements)?;
    install(&python, &wheel)?;
    Ok(python)
}

/// The Python that environments are made from.
fn base() -> OsString {
    std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into())
}

/// The same interpreter, if it is there.
pub(crate) fn tested() -> Option<PathBuf> {
    let python = target().join("venv/bin/python");
    python.is_file().then_some(python)
}

fn environment(name: &str, base: &OsStr, requirements: &str) -> Outcome<PathBuf> {
    let wanted = fs::read_to_string(root().join(requirements))
        .map_err(|error| format!("cannot read {requirements}: {error}"))?;
    let folder = target().join(name);
    let (python, stamp) = (folder.join("bin/python"), folder.join("requirements.txt"));
    if fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(python);
    }
    program(base, &["-m".as_ref(), "venv".as_ref(), "--clear".as_ref(), folder.as_os_str()]).run()?;
    run(&python, &["pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements])?;
    fs::write(&stamp, wanted).map_err(|error| format!("cannot write {}: {error}", stamp.display()))?;
    Ok(python)
}

/// Builds the wheel into `dist/`, and returns it. One is for every Python from 3.11 on.
pub(crate) fn wheel() -> Outcome<PathBuf> {
    wheel_with(&with_numpy()?, &[])
}

/// Builds the wheel so that it runs on older systems than this one, too: those with glibc 2.17 or newer.
pub(crate) fn manylinux() -> Outcome<PathBuf> {
    let python = with_numpy()?;
    // Zig's linker links against the C library of any year.
    run(&python, &["pip", "install", "--quiet", "--disable-pip-version-check", "ziglang"])?;
    wheel_with(&python, &["--zig", "--compatibility", "manylinux2014"])
}

fn wheel_with(python: &Path, options: &[&str]) -> Outcome<PathBuf> {
    let dist = root().join("dist");
    // What an earlier version left there is not what was built.
    if dist.is_dir() {
        fs::remove_dir_all(&dist).map_err(|error| format!("cannot empty {}: {error}", dist.display()))?;
    }
    let manifest = format!("{PACKAGE}/Cargo.toml");
    let arguments =
        ["-m", "maturin", "build", "--profile", "wheel", "--locked", "--manifest-path", &manifest, "--out", "dist"];
    program(python, &[&arguments, options].concat()).env("CARGO_TARGET_DIR", target()).run()?;
    wheel_in(&dist)
}

/// The wheel in a folder that maturin has built into.
pub(crate) fn wheel_in(dist: &Path) -> Outcome<PathBuf> {
    let built = fs::read_dir(dist).map_err(|error| format!("cannot read {}: {error}", dist.display()))?;
    let wheel = built.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|it| it == "whl"));
    wheel.ok_or_else(|| format!("maturin left no wheel in {}", dist.display()))
}

/// Tests the wheel on every Python that is here: on the first with all checkers, on the others with the tests alone.
pub(crate) fn test() -> Outcome {
    let wheel = wheel()?;
    let example = example()?;
    let python = with_numpy()?;
    install(&python, &wheel)?;
    pytest(&python, &example, &[])?;
    program(&python, &[&format!("{PACKAGE}/benches/costs.py"), "--quick"]).run()?;
    run(&python, &["mypy.stubtest", "sharray", "--allowlist", &format!("{PACKAGE}/stubtest-allowlist.txt")])?;
    let (settings, sources) = (format!("{PACKAGE}/pyproject.toml"), format!("{PACKAGE}/python"));
    run(&python, &["mypy", "--config-file", &settings, &sources, &format!("{PACKAGE}/tests/test_typing.py")])?;
    // It looks for NumPy in the environment that is active, and none is.
    let interpreter = python.to_str().ok_or("the path of the environment is not text")?;
    run(&python, &["pyright", "--pythonpath", interpreter, "--project", PACKAGE])?;
    let tested = version_of(&python)?;
    for (version, base) in interpreters() {
        if version != tested {
            let python = environment(&format!("venv-{version}"), base.as_os_str(), REQUIREMENTS)?;
            install(&python, &wheel)?;
            pytest(&python, &example, &[])?;
        }
    }
    test_with_oldest_numpy(&wheel, &example)
}

/// Tests the wheel with the oldest NumPy that it is for, on a Python that this NumPy was made for.
fn test_with_oldest_numpy(wheel: &Path, example: &Path) -> Outcome {
    let Some((_, base)) = interpreters().into_iter().find(|(version, _)| OLDEST_NUMPY_ON.contains(&version.as_str()))
    else {
        return Ok(());
    };
    let python = environment("venv-oldest-numpy", base.as_os_str(), REQUIREMENTS)?;
    run(&python, &["pip", "install", "--quiet", "--disable-pip-version-check", OLDEST_NUMPY])?;
    install(&python, wheel)?;
    // These use DLPack, through which NumPy hands no read-only array over before 2.1.
    let ignored = ["test_lifetimes.py", "test_numpy_protocols.py"].map(|it| format!("--ignore={PACKAGE}/tests/{it}"));
    pytest(&python, example, &ignored.each_ref().map(String::as_str))?;
    let tests = ["memmap_numpy", "memmap_slices"].map(|name| ["--test", name]).concat();
    let arguments = [&["test", "--workspace", "--all-features"], &tests[..], &["--", "--include-ignored"]].concat();
    cargo(&arguments).env("PYTHON", &python).run()
}

/// The Rust half of the example that is played in two languages.
fn example() -> Outcome<PathBuf> {
    cargo(&["build", "--release", "--example", "producer_consumer"]).env("CARGO_TARGET_DIR", target()).run()?;
    Ok(target().join("release/examples/producer_consumer"))
}

fn pytest(python: &Path, example: &Path, options: &[&str]) -> Outcome {
    program(python, &[&["-m", "pytest", PACKAGE], options].concat()).env("SHARRAY_EXAMPLE", example).run()
}

fn install(python: &Path, wheel: &Path) -> Outcome {
    let wheel = wheel.to_str().ok_or("the path of the wheel is not text")?;
    run(python, &["pip", "install", "--quiet", "--disable-pip-version-check", "--force-reinstall", "--no-deps", wheel])
}

/// Runs a module of Python.
fn run(python: &Path, arguments: &[&str]) -> Outcome {
    program(python, &[&["-m"], arguments].concat()).run()
}

/// The version of an interpreter, such as `3.11`.
fn version_of(python: &Path) -> Outcome<String> {
    output(python, &["-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
}

/// The Pythons of this machine, found by their names and where pyenv keeps them.
fn interpreters() -> Vec<(String, PathBuf)> {
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    let pyenv = output(Path::new("pyenv"), &["root"]).map(|root| PathBuf::from(root).join("versions"));
    let kept = pyenv.ok().and_then(|versions| fs::read_dir(versions).ok()).into_iter().flatten().flatten();
    let named = VERSIONS.map(|minor| PathBuf::from(format!("python3.{minor}")));
    for python in named.chain(kept.map(|entry| entry.path().join("bin/python"))) {
        let Ok(version) = version_of(&python) else { continue };
        let is_wanted = VERSIONS.map(|minor| format!("3.{minor}")).any(|wanted| wanted == version);
        if is_wanted && found.iter().all(|(other, _)| *other != version) {
            found.push((version, python));
        }
    }
    found
}
