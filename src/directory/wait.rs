//! Waiting for a name that is not there yet.

use super::{Access, Directory};
use crate::attachment::Attachment;
use crate::error::{Error, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long to sleep where the kernel has no watch to spare, or the folder to watch was replaced.
const SLICE: Duration = Duration::from_millis(50);

impl Directory {
    /// Attaches to an array, waiting until it exists. The kernel tells when something appears in its folder.
    pub(crate) fn attach_within(&self, name: &str, access: Access, patience: Option<Duration>) -> Result<Attachment> {
        let Some(patience) = patience else {
            return self.attach(name, access);
        };
        let deadline = Instant::now().checked_add(patience);
        // Mostly it is there already. The kernel takes ten milliseconds and more to end a watch.
        let found = self.attach(name, access);
        if patience.is_zero() || !matches!(found, Err(Error::NotFound { .. })) {
            return found.map_err(|error| in_time(name, error));
        }
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok();
        loop {
            // Watch first, look second: what appears in between is seen or told.
            let watch = inotify.as_ref().filter(|inotify| self.watch(inotify, name));
            match self.attach(name, access) {
                Err(Error::NotFound { .. }) => {}
                done => return done,
            }
            let left = deadline.map_or(SLICE, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(Error::TimedOut { name: name.to_owned() });
            }
            sleep(watch, left);
        }
    }

    /// Watches the innermost folder of the name that exists; one that is watched already is no trouble.
    fn watch(&self, inotify: &Inotify, name: &str) -> bool {
        let news = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_DELETE_SELF;
        let path = self.path().join(name);
        let mut watched = path.ancestors().skip(1).take_while(|folder| folder.starts_with(self.path()));
        watched.any(|folder: &Path| inotify.add_watch(folder, news).is_ok())
    }
}

/// What an attach that was to wait answers where the name is not there.
fn in_time(name: &str, error: Error) -> Error {
    if matches!(error, Error::NotFound { .. }) { Error::TimedOut { name: name.to_owned() } } else { error }
}

fn sleep(watch: Option<&Inotify>, left: Duration) {
    match watch {
        Some(watch) => {
            // A slice bounds what a folder that is removed and made again could hide.
            let timeout = PollTimeout::try_from(left.min(SLICE * 4)).unwrap_or(PollTimeout::ZERO);
            _ = poll(&mut [PollFd::new(watch.as_fd(), PollFlags::POLLIN)], timeout);
            // What it has to tell was told.
            while watch.read_events().is_ok_and(|events| !events.is_empty()) {}
        }
        None => std::thread::sleep(left.min(SLICE)),
    }
}
