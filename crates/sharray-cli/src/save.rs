//! New files for what this command writes itself.

use crate::failure::{Failure, Outcome};
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Lets `write` fill a file that takes its place when it is whole. Half of one goes with an error.
///
/// A link stays one, and its file is replaced. What is no file, such as a device, is nobody's to replace.
pub(crate) fn whole(path: &Path, write: impl FnOnce(&File) -> io::Result<()>) -> Outcome {
    let target = path.canonicalize();
    let path = target.as_deref().unwrap_or(path);
    if path.metadata().is_ok_and(|it| !it.is_file()) {
        return Err(Failure::new(format!("cannot replace {}: it is not a regular file", path.display())));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let save = || -> io::Result<()> {
        let mut builder = tempfile::Builder::new();
        // As for any file: the umask takes away from this.
        let file = builder.prefix(".").permissions(Permissions::from_mode(0o666)).tempfile_in(folder)?;
        write(file.as_file())?;
        file.persist(path).map(drop).map_err(|error| error.error)
    };
    save().map_err(|error| Failure::io("write", path, &error))
}
