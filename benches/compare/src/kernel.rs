//! What the kernel offers to processes that want to talk.

use nix::errno::Errno;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::fs::File;
use std::io;
use std::path::Path;

/// Opens one end of a named pipe, which it makes if it is not there. Waits until the other end is opened.
///
/// # Errors
/// The kernel's.
pub fn fifo(path: &Path, writes: bool) -> io::Result<File> {
    match mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) | Err(Errno::EEXIST) => File::options().read(!writes).write(writes).open(path),
        Err(error) => Err(error.into()),
    }
}
