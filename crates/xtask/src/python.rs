//! A virtual environment of the project's own, with the packages that its tests need.

use crate::command::{Outcome, program, root, target};
use std::fs;
use std::path::PathBuf;

/// The Python interpreter of an environment that has what requirements-dev.txt names; made when that file changes.
pub(crate) fn with_numpy() -> Outcome<PathBuf> {
    let wanted = fs::read_to_string(root().join("requirements-dev.txt"))
        .map_err(|error| format!("cannot read requirements-dev.txt: {error}"))?;
    let folder = target().join("venv");
    let (python, stamp) = (folder.join("bin/python"), folder.join("requirements-dev.txt"));
    if fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(python);
    }
    let base = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    program(base, &["-m".as_ref(), "venv".as_ref(), "--clear".as_ref(), folder.as_os_str()]).run()?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements-dev.txt"];
    program(&python, &install).run()?;
    fs::write(&stamp, wanted).map_err(|error| format!("cannot write {}: {error}", stamp.display()))?;
    Ok(python)
}
