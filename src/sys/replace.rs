//! New contents for a file's name: built beside it, then put in its place by one rename.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// How many symbolic links the kernel itself follows.
const MAX_LINKS: u32 = 40;

/// A file that is not there yet. Unless it is [put in place](Self::finish) nothing happens to what has its name.
#[derive(Debug)]
pub(crate) struct Replacement {
    file: NamedTempFile,
    target: PathBuf,
}

impl Replacement {
    /// Makes an empty file beside `path`, or beside the file that it is a link to.
    ///
    /// It has the permissions of the file that is there, and else those that the umask leaves. A file that this process may
    /// not write is not replaced, though the folder would allow it.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        let target = follow(path)?;
        let permissions = match open_plain(&target, true) {
            Ok(old) => Some(old.metadata()?.permissions()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut builder = tempfile::Builder::new();
        // The umask takes away from this.
        builder.prefix(super::file::TEMPORARY_PREFIX).permissions(Permissions::from_mode(0o666));
        let file = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
        if let Some(permissions) = permissions {
            file.as_file().set_permissions(permissions)?;
        }
        Ok(Self { file, target })
    }

    pub(crate) fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Puts it in place. Whoever has the old file open or mapped keeps that one.
    pub(crate) fn finish(self) -> io::Result<File> {
        self.file.persist(self.target).map_err(|error| error.error)
    }
}

/// Opens a file that is neither a folder nor a device, without waiting for the other end of a pipe.
pub(crate) fn open_plain(path: &Path, writable: bool) -> io::Result<File> {
    let flags = (nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_NOCTTY).bits();
    let file = File::options().read(true).write(writable).custom_flags(flags).open(path)?;
    let kind = file.metadata()?.file_type();
    match () {
        () if kind.is_file() => Ok(file),
        () if kind.is_dir() => Err(nix::errno::Errno::EISDIR.into()),
        () => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
    }
}

/// The place that a path leads to, whether there is something or not.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match path.read_link() {
            // A relative one starts at the link; `join` takes an absolute one as it is.
            Ok(next) => path = path.parent().unwrap_or(Path::new("")).join(next),
            Err(_) => return Ok(path),
        }
    }
    Err(nix::errno::Errno::ELOOP.into())
}
