//! The command as a person runs it: what it says when all is well, when something is not, and when it is interrupted.
//!
//! Trouble is made on purpose: who cannot see it does not look.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Far more than ending takes.
const SOON: Duration = Duration::from_secs(20);

/// The command while it runs. Dropping it kills it and removes what it has left.
#[derive(Debug)]
struct Torture {
    process: Child,
    out: BufReader<ChildStdout>,
    err: ChildStderr,
    folder: PathBuf,
}

impl Torture {
    /// Starts it, and waits until it has said where its folder is.
    fn start(options: &[&str]) -> Outcome<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sharray-torture"));
        command.args(["--workers", "3"]).args(options).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let mut out = BufReader::new(process.stdout.take().ok_or("it has no output")?);
        let err = process.stderr.take().ok_or("it has no error output")?;
        let mut line = String::new();
        while !line.starts_with("seed ") {
            line.clear();
            if out.read_line(&mut line)? == 0 {
                return Err("it says nothing".into());
            }
        }
        let folder = line.trim().rsplit(' ').next().ok_or("it says where its folder is")?.into();
        Ok(Self { process, out, err, folder })
    }

    /// Waits for its end. Says its exit status and what it printed.
    ///
    /// All its processes have the same error output: when that ends, all of them have.
    fn end(&mut self) -> Outcome<(Option<i32>, String)> {
        let mut text = String::new();
        self.out.read_to_string(&mut text)?;
        let status = self.process.wait()?;
        self.err.read_to_string(&mut String::new())?;
        Ok((status.code(), text))
    }

    fn signal(&self, signal: Signal) -> Outcome {
        Ok(kill(Pid::from_raw(i32::try_from(self.process.id())?), signal)?)
    }

    /// Waits until some workers have begun.
    fn wait_for_workers(&self) -> Outcome {
        let end = Instant::now() + SOON;
        while self.folder.join("journals").read_dir()?.count() < 5 {
            if Instant::now() > end {
                return Err("it starts no workers".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Torture {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// All of its own, gone.
fn assert_nothing_left(folder: &Path) {
    assert!(!folder.exists(), "{} is left", folder.display());
}

#[test]
fn a_run_without_trouble_says_what_it_did_and_leaves_nothing() -> Outcome {
    let mut torture = Torture::start(&["--seconds", "3", "--seed", "7"])?;
    let (status, text) = torture.end()?;
    assert_eq!(status, Some(0), "{text}");
    for word in ["killed at a random moment", "killed at a random step", "arrays in order at the end", "frames checked"]
    {
        let line = text.lines().find(|line| line.contains(word)).unwrap_or_default();
        let count = line.split_whitespace().next().and_then(|count| count.parse::<u64>().ok());
        assert!(count.is_some_and(|count| count > 0), "{word}: {text}");
    }
    assert_nothing_left(&torture.folder);
    Ok(())
}

/// Breaks an operation on purpose, and looks whether the run says so.
fn caught(sabotage: &str, words: &str) -> Outcome {
    let mut torture = Torture::start(&["--seconds", "60", "--seed", "7", "--sabotage", sabotage])?;
    let (status, text) = torture.end()?;
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("TROUBLE with seed 7: worker"), "{text}");
    assert!(text.lines().next().is_some_and(|line| line.contains(words)), "{text}");
    assert!(text.contains("Again: cargo xtask torture --seed 7"), "{text}");
    assert!(text.lines().filter(|line| line.contains(" us ")).count() > 5, "it shows what was done last: {text}");
    assert!(torture.folder.join("arrays/calm").exists(), "the arrays are left to look at");
    Ok(())
}

#[test]
fn a_torn_frame_is_caught() -> Outcome {
    caught("torn", "torn: word 0 of")
}

#[test]
fn a_leaked_subscriber_is_caught() -> Outcome {
    caught("leak", "leaked: Open")
}

#[test]
fn an_operation_that_hangs_is_caught() -> Outcome {
    caught("hang", "hangs: ")
}

#[test]
fn a_frame_that_is_not_counted_is_caught() -> Outcome {
    caught("skip", "expected to go on after")
}

#[test]
fn a_panic_is_caught() -> Outcome {
    caught("panic", "it panicked: it was told to panic")
}

#[test]
fn an_interrupted_run_leaves_nothing() -> Outcome {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut torture = Torture::start(&["--seconds", "60"])?;
        torture.wait_for_workers()?;
        torture.signal(signal)?;
        let (status, text) = torture.end()?;
        assert_eq!(status, Some(130), "{text}");
        assert_nothing_left(&torture.folder);
    }
    Ok(())
}

/// Workers, and what they have forked, end with their supervisor.
#[test]
fn nobody_outlives_a_supervisor_that_is_killed() -> Outcome {
    for _ in 0..5 {
        let mut torture = Torture::start(&["--seconds", "60", "--workers", "6"])?;
        torture.wait_for_workers()?;
        torture.signal(Signal::SIGKILL)?;
        let start = Instant::now();
        torture.end()?;
        assert!(start.elapsed() < SOON, "they took {:?} to end", start.elapsed());
    }
    Ok(())
}

#[test]
fn wrong_options_are_explained() -> Outcome {
    for options in [&["--workers", "0"][..], &["--seconds", "soon"], &["--sabotage", "nothing"], &["what"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_sharray-torture")).args(options).output()?;
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("Usage: "));
    }
    Ok(())
}
