//! The library that bindgen reads C headers with: iceoryx2, which sharray is compared with, is built with it.

use crate::command::{Outcome, output, program};
use std::fs;
use std::path::{Path, PathBuf};

/// Says what is missing if it is not here; where `CI` is set it is installed if need be.
pub(crate) fn ensure() -> Outcome {
    if is_there() {
        return Ok(());
    }
    if std::env::var_os("CI").is_some() {
        program("apt-get", &["update"]).run()?;
        program("apt-get", &["install", "--yes", "--no-install-recommends", "libclang-dev"]).run()?;
    }
    if is_there() {
        Ok(())
    } else {
        Err("needs libclang: iceoryx2 is built with it (apt-get install libclang-dev)".to_owned())
    }
}

/// Where bindgen looks: in the folder of `LIBCLANG_PATH`, in that of LLVM, and where libraries are.
fn is_there() -> bool {
    let named = std::env::var_os("LIBCLANG_PATH").map(PathBuf::from);
    let llvm = output(Path::new("llvm-config"), &["--libdir"]).ok().map(PathBuf::from);
    let mut folders: Vec<PathBuf> = named.into_iter().chain(llvm).collect();
    for place in ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from) {
        let below = fs::read_dir(&place).into_iter().flatten().flatten().map(|entry| entry.path());
        folders.extend(below.flat_map(|folder| [folder.join("lib"), folder]));
        folders.push(place);
    }
    let is_libclang = |name: &str| {
        let rest = name.strip_prefix("libclang").filter(|rest| !rest.starts_with("-cpp"));
        rest.is_some_and(|rest| rest.starts_with(['.', '-']) && rest.contains(".so"))
    };
    folders.iter().any(|folder| {
        // It may also be the library itself.
        let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        entries
            .chain([folder.clone()])
            .any(|path| path.is_file() && path.file_name().and_then(|name| name.to_str()).is_some_and(is_libclang))
    })
}
