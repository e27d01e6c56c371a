//! Standard input and output as files: the library copies between files, and knows how long they are.

use crate::failure::{Failure, Outcome};
use crate::progress::Bar;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// What stands for standard input or output on the command line.
pub(crate) const STANDARD: &str = "-";

/// A file to read from: a path, or what came by standard input, in a file that has no name and goes with the process.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    _kept: Option<File>,
}

impl Input {
    pub(crate) fn new(path: &Path) -> Outcome<Self> {
        if path != Path::new(STANDARD) {
            return Ok(Self { path: path.to_owned(), _kept: None });
        }
        let file =
            tempfile::tempfile().map_err(|error| Failure::io("create a file in", &std::env::temp_dir(), &error))?;
        receive(&file).map_err(|error| Failure::io("copy", Path::new("standard input"), &error))?;
        Ok(Self { path: PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())), _kept: Some(file) })
    }
}

fn receive(mut file: &File) -> io::Result<()> {
    let (bar, mut stdin) = (Bar::of_a_pipe("reading"), io::stdin().lock());
    let (mut buffer, mut done) = (vec![0; 1 << 20], 0);
    loop {
        let read = match stdin.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        file.write_all(&buffer[..read])?;
        done += read as u64;
        bar.set(done);
    }
}

/// Sends what `write` leaves in a file to standard output.
pub(crate) fn send(write: impl FnOnce(&Path) -> Outcome) -> Outcome<File> {
    let folder =
        tempfile::tempdir().map_err(|error| Failure::io("create a folder in", &std::env::temp_dir(), &error))?;
    let path = folder.path().join("array");
    write(&path)?;
    // The folder goes, and the file with this value.
    File::open(&path).map_err(|error| Failure::io("open", &path, &error))
}
