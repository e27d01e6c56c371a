//! What the tests of the command share: fresh places, the command with a deadline, transcripts of what it says.

#![allow(dead_code, reason = "each test file uses a part of this")]

pub(crate) mod terminal;

use ndarray::{Array1, Array2, Ix1, Ix2};
use sharray::{Directory, Publisher, SharedArray};
use std::error::Error;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Far more than anything takes that should happen at once.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A folder with a place for arrays, and room for files beside it. It goes with this value.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) arrays: Directory,
}

impl Place {
    pub(crate) fn new() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let arrays = Directory::open(folder.path().join("arrays"))?;
        Ok(Self { folder, arrays })
    }

    /// A path beside the arrays.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A stream of four frames' history of bytes, 4 by 6, of which each publishes what it is told.
    pub(crate) fn camera(&self) -> Outcome<Publisher<u8, Ix2>> {
        Ok(Publisher::builder().directory(&self.arrays).create("camera", [4, 6])?)
    }

    /// An array in place, in which each item says where it is.
    pub(crate) fn field(&self) -> Outcome<SharedArray<f64, Ix2>> {
        let contents =
            Array2::from_shape_fn((3, 4), |(row, column)| f64::from(u8::try_from(row * 4 + column).unwrap_or(0)));
        Ok(SharedArray::builder().directory(&self.arrays).blocks(3).create_from("sim/field", &contents)?)
    }

    /// The numbers from 0 to 1, and some that are none.
    pub(crate) fn line(&self) -> Outcome<SharedArray<f32, Ix1>> {
        let mut contents = Array1::linspace(0.0, 1.0, 100);
        contents[20] = f32::NAN;
        contents[70] = f32::INFINITY;
        Ok(SharedArray::builder().directory(&self.arrays).create_from("line", &contents)?)
    }

    /// The command, told to use this place. It sees no terminal, and no wishes of who runs the tests.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sharray"));
        command.args(arguments).env("SHARRAY_DIR", self.arrays.path()).current_dir(self.folder.path());
        for wish in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLORTERM", "COLUMNS", "LINES"] {
            command.env_remove(wish);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the command to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome<Output> {
        finish(self.command(arguments).spawn()?)
    }

    /// What happens when a line is typed: what comes by standard output, then the errors, then the exit code. What differs from
    /// run to run has a name in capitals.
    pub(crate) fn transcript(&self, line: &str) -> Outcome<String> {
        let output = self.run(line.split(' ').skip(1))?;
        let mut text = format!("$ {line}\n{}", String::from_utf8(output.stdout)?);
        text.push_str(&String::from_utf8(output.stderr)?);
        if output.status.code() != Some(0) {
            _ = writeln!(text, "[exit code {}]", output.status.code().ok_or("it was killed")?);
        }
        let pid = std::process::id().to_string();
        let place = self.arrays.path().to_str().ok_or("the place is not text")?;
        let folder = self.folder.path().to_str().ok_or("the folder is not text")?;
        // In a column of its own it has as many spaces behind it as it leaves room for.
        let text = text.replace(&format!("\n{pid:<7}"), "\nPID    ").replace(&pid, "PID");
        Ok(text.replace(place, "PLACE").replace(folder, "FOLDER"))
    }

    /// The transcripts of several lines, one after the other.
    pub(crate) fn transcripts(&self, lines: &[&str]) -> Outcome<String> {
        lines.iter().map(|line| self.transcript(line)).collect::<Outcome<Vec<_>>>().map(|all| all.join("\n"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Publishes a frame in which every item is `value`.
pub(crate) fn publish(camera: &mut Publisher<u8, Ix2>, value: u8) -> Outcome {
    let mut loan = camera.loan()?;
    loan.view_mut().fill(value);
    loan.publish();
    Ok(())
}

/// Waits for the command's end and for all it says, and kills it if that takes too long.
pub(crate) fn finish(mut child: Child) -> Outcome<Output> {
    let stdout = child.stdout.take().map(read_all);
    let stderr = child.stderr.take().map(read_all);
    let status = end(&mut child)?;
    let text = |reader: Option<thread::JoinHandle<Vec<u8>>>| {
        reader.map_or(Ok(Vec::new()), |reader| reader.join().map_err(|_| "the reader died"))
    };
    Ok(Output { status, stdout: text(stdout)?, stderr: text(stderr)? })
}

/// Waits for the command's end, and kills it if that takes too long.
pub(crate) fn end(child: &mut Child) -> Outcome<std::process::ExitStatus> {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Err(format!("it has not ended after {SOON:?}").into());
        }
        sleep(Duration::from_millis(2));
    }
}

fn read_all(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        _ = from.read_to_end(&mut all);
        all
    })
}

/// Runs the command with something to read.
pub(crate) fn feed(mut command: Command, bytes: &[u8]) -> Outcome<Output> {
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    child.stdin.take().ok_or("it has no standard input")?.write_all(bytes)?;
    finish(child)
}

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) -> Outcome {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        if Instant::now() > deadline {
            return Err(format!("{what}: not so after {SOON:?}").into());
        }
        sleep(Duration::from_millis(2));
    }
    Ok(())
}
