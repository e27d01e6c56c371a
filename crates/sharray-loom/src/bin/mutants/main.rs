//! Breaks the protocol in one place after another, and shows which model notices.
//!
//! A barrier that no model misses is a barrier that nobody needs, or a model that is missing. Each entry of the tables
//! under `table.rs` is one rule of docs/protocol.md undone in the source, and the model that must fail then.
//!
//! ```text
//! mutants              runs them all
//! mutants NAME...      runs those whose names contain one of these
//! mutants --list       prints the names
//! ```
//!
//! One line for each: `caught`, the mutant, the model, the seconds, and what the model said. `spared`: a change that
//! the table says is harmless, and that its models pass. `SURVIVED`, `HARMFUL`, `STALE` (its text is no longer in
//! the source exactly once) and `BROKEN` (it does not compile) are failures.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};
use table::{Expect, Mutant};

/// A model that runs longer than this has lost its way. The slowest takes a tenth of it.
const LONGEST: Duration = Duration::from_secs(120);

fn main() -> io::Result<ExitCode> {
    let mut wanted = env::args().skip(1).peekable();
    if wanted.next_if(|arg| arg == "--list").is_some() {
        for mutant in table::all() {
            println!("{}", mutant.name);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let wanted: Vec<String> = wanted.collect();
    let is_wanted = |mutant: &&Mutant| wanted.is_empty() || wanted.iter().any(|part| mutant.name.contains(part));
    let mutants: Vec<&Mutant> = table::all().filter(is_wanted).collect();
    let scratch = Scratch::new()?;

    let mut models: Vec<&str> = mutants.iter().flat_map(|mutant| mutant.expect.models()).copied().collect();
    models.sort_unstable();
    models.dedup();
    let Some(sound) = scratch.build()? else {
        println!("BROKEN    the models do not compile");
        return Ok(ExitCode::FAILURE);
    };
    for model in models {
        if let Some(complaint) = fails(&sound, model)? {
            println!("BROKEN    {model} fails, and nothing was changed: {complaint}");
            return Ok(ExitCode::FAILURE);
        }
    }
    let mut failures = 0;
    for mutant in &mutants {
        failures += u32::from(!scratch.run(mutant)?);
    }
    println!("{} mutants, {failures} failures", mutants.len());
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A copy of the models and of the protocol under them, to be changed and built at will.
struct Scratch {
    root: PathBuf,
    /// The protocol as it is.
    protocol: PathBuf,
}

impl Scratch {
    fn new() -> io::Result<Self> {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workspace = package.join("../..");
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
        let scratch = Self { root: target.join("mutants"), protocol: workspace.join("src/protocol") };
        let copy = scratch.root.join("crates/sharray-loom");
        // The copied sources go, the compiled ones stay.
        for old in ["src", "crates"] {
            match fs::remove_dir_all(scratch.root.join(old)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        copy_tree(&scratch.protocol, &scratch.root.join("src/protocol"))?;
        copy_tree(&package.join("src"), &copy.join("src"))?;
        fs::remove_dir_all(copy.join("src/bin"))?;
        let loom = include_str!("../../../Cargo.toml").lines().find(|line| line.starts_with("loom ="));
        let manifest = format!(
            "[package]\nname = \"mutant\"\nedition = \"2024\"\n\n[dependencies]\n{}\n\n[workspace]\n\n\
             [profile.dev]\nopt-level = 0\ndebug = false\n\n[profile.dev.package.\"*\"]\nopt-level = 3\n",
            loom.ok_or_else(|| io::Error::other("Cargo.toml has no loom"))?
        );
        fs::write(copy.join("Cargo.toml"), manifest)?;
        fs::copy(workspace.join("Cargo.lock"), copy.join("Cargo.lock"))?;
        Ok(scratch)
    }

    /// The program of the models; `None` if it does not compile.
    fn build(&self) -> io::Result<Option<PathBuf>> {
        let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["test", "--lib", "--no-run", "--quiet", "--message-format=json", "-j2"])
            .current_dir(self.root.join("crates/sharray-loom"))
            .env("CARGO_TARGET_DIR", self.root.join("target"))
            .stderr(Stdio::null())
            .output()?;
        let messages = String::from_utf8_lossy(&output.stdout);
        let executable = messages.split("\"executable\":\"").nth(1).and_then(|rest| rest.split('"').next());
        Ok(executable.filter(|_| output.status.success()).map(PathBuf::from))
    }

    /// Whether the mutant met its fate.
    fn run(&self, mutant: &Mutant) -> io::Result<bool> {
        let name = mutant.name;
        let file = self.root.join("src/protocol").join(mutant.file);
        let sound = fs::read_to_string(self.protocol.join(mutant.file))?;
        let mut source = sound.clone();
        for (from, to) in mutant.edits {
            if source.matches(from).count() != 1 {
                println!("STALE     {name}: found {} times: {from:?}", source.matches(from).count());
                return Ok(false);
            }
            source = source.replace(from, to);
        }
        fs::write(&file, source)?;
        let started = Instant::now();
        let built = self.build();
        fs::write(&file, sound)?;
        let Some(program) = built? else {
            println!("BROKEN    {name} does not compile");
            return Ok(false);
        };
        let mut is_met = true;
        for model in mutant.expect.models() {
            let complaint = fails(&program, model)?;
            let seconds = started.elapsed().as_secs_f32();
            match (&mutant.expect, complaint) {
                (Expect::Caught(_), Some(complaint)) => {
                    println!("caught    {name:<34} {model:<58} {seconds:4.1}  {complaint}");
                }
                (Expect::Caught(_), None) => {
                    println!("SURVIVED  {name:<34} {model:<58} {seconds:4.1}  {}", mutant.why);
                    is_met = false;
                }
                (Expect::Spared(_), None) => {
                    println!("spared    {name:<34} {model:<58} {seconds:4.1}");
                }
                (Expect::Spared(_), Some(complaint)) => {
                    println!("HARMFUL   {name:<34} {model:<58} {seconds:4.1}  {complaint}");
                    is_met = false;
                }
            }
        }
        Ok(is_met)
    }
}

/// What the model complains of; `None` if it passes.
fn fails(program: &Path, model: &str) -> io::Result<Option<String>> {
    let said = program.with_extension("said");
    let mut child = Command::new(program)
        .args(["--exact", "--nocapture", &format!("models::{model}")])
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::null())
        .stderr(fs::File::create(&said)?)
        .spawn()?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > LONGEST {
            child.kill()?;
            child.wait()?;
            return Ok(Some("does not come to an end".to_owned()));
        }
        thread::sleep(Duration::from_millis(5));
    };
    let said = fs::read_to_string(said)?;
    let message = said.split_once("panicked at").and_then(|(_, rest)| rest.lines().nth(1));
    Ok((!status.success()).then(|| message.unwrap_or("killed").trim().to_owned()))
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
