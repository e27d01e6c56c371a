//! Fresh folders, conditions with deadlines, and a dog that barks when a call hangs.
#![allow(dead_code, reason = "each test file uses a part of it")]

use sharray::Directory;
use std::error::Error;
use std::fmt::Debug;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What a test returns.
pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// Far longer than anything here takes on a machine that does nothing else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A folder of arrays that is removed at the end of the test.
#[derive(Debug)]
pub(crate) struct Place {
    folder: tempfile::TempDir,
    directory: Directory,
}

impl Place {
    /// One in memory, where there is such a place.
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        // Whoever runs all tests says where, to see whether anything is left there.
        let told = std::env::var_os("SHARRAY_TEST_MEMORY").map_or_else(|| PathBuf::from("/dev/shm"), PathBuf::from);
        Self::within(if told.is_dir() { told } else { std::env::temp_dir() })
    }

    pub(crate) fn within(above: PathBuf) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::Builder::new().prefix("sharray-test-").tempdir_in(above)?;
        let directory = Directory::open(folder.path())?;
        Ok(Self { folder, directory })
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The names that `list` finds, in its order.
    pub(crate) fn names(&self) -> Result<Vec<String>, sharray::Error> {
        Ok(self.list()?.into_iter().map(|info| info.name).collect())
    }
}

impl Deref for Place {
    type Target = Directory;

    fn deref(&self) -> &Directory {
        &self.directory
    }
}

/// Waits until `condition` holds, and fails the test if it does not within [`PATIENCE`].
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Runs `call` and fails if it came back before `least` or not soon after.
pub(crate) fn takes_at_least<R>(least: Duration, call: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let done = call();
    let took = start.elapsed();
    assert!(took >= least, "it waited {took:?}, shorter than {least:?}");
    assert!(took < least + PATIENCE, "it waited {took:?} instead of {least:?}");
    done
}

/// The error of a call that must fail; fails the test, with what it returned, if it did not.
pub(crate) fn refusal<T: Debug>(result: Result<T, sharray::Error>) -> sharray::Error {
    result.expect_err("this call has to fail")
}

/// Aborts the process, and says in which call, when a call does not come back. A test that hangs would say nothing.
#[derive(Clone, Debug)]
pub(crate) struct Watchdog(Arc<Mutex<Option<(Instant, String)>>>);

impl Watchdog {
    pub(crate) fn new(limit: Duration) -> Self {
        let call: Arc<Mutex<Option<(Instant, String)>>> = Arc::default();
        let watched = Arc::downgrade(&call);
        thread::spawn(move || {
            while let Some(call) = watched.upgrade() {
                if let Ok(Some((since, what))) = call.lock().as_deref() {
                    if since.elapsed() > limit {
                        eprintln!("hangs for more than {limit:?}: {what}");
                        std::process::abort();
                    }
                }
                drop(call);
                thread::sleep(Duration::from_millis(50));
            }
        });
        Self(call)
    }

    /// Runs a call that has to come back.
    pub(crate) fn call<R>(&self, what: impl FnOnce() -> String, call: impl FnOnce() -> R) -> R {
        self.set(Some((Instant::now(), what())));
        let done = call();
        self.set(None);
        done
    }

    fn set(&self, call: Option<(Instant, String)>) {
        *self.0.lock().expect("nobody panics while holding it") = call;
    }
}

/// Set in a process that [`in_child`] started.
const CHILD: &str = "SHARRAY_TEST_CHILD";

/// Whether this process was started by [`in_child`]. Parts of other tests do nothing where it was not.
pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// A command that runs one test of this very program in a process of its own. The test is to be ignored otherwise.
pub(crate) fn in_child(test: &str) -> Result<Command, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env(CHILD, "1").args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"]);
    Ok(command)
}

/// Runs the command to its end, and fails with what it printed if it fails.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(format!("{command:?} ended with {}:\n{}", output.status, String::from_utf8_lossy(&text)).into())
}
