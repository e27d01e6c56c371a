//! What nobody will ever need again.

use super::{Access, Directory, Name, Opened};
use crate::error::Result;
use crate::kind::Kind;
use crate::layout::{LOCK_MEMBERS, LOCK_NAME};
use crate::protocol::word::Word;
use crate::segment::Segment;
use crate::sys::byte_lock::{self, Mode};
use crate::sys::file::{self, TEMPORARY_PREFIX};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

impl Directory {
    /// Removes what nobody will ever need again, and returns the names and paths that are gone.
    ///
    /// Garbage is: files that died half made; arrays that were unlinked by a process that died before it was done; in the
    /// default place, where all folders are ours, empty ones; and, there and in memory only, streams that have no
    /// producer and that nobody has attached. An array in place, a table, and anything on a disk is never garbage.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the folder cannot be read. What cannot be removed stays and is not listed.
    pub fn collect_garbage(&self) -> Result<Vec<String>> {
        self.collect_garbage_with(|_, _| {})
    }

    /// The same; calls `progress` with the files that were looked at and those there are.
    ///
    /// # Errors
    /// As for [`collect_garbage`](Self::collect_garbage).
    ///
    /// # Examples
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let camera = sharray::Publisher::<u8, ndarray::Ix1>::builder().directory(&place).create("camera", [4])?;
    /// let mut looked_at = 0;
    /// let gone = place.collect_garbage_with(|done, _all| looked_at = done)?;
    /// assert_eq!((gone.len(), looked_at), (0, 1));
    /// assert!(place.collect_garbage()?.is_empty(), "its producer lives");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn collect_garbage_with(&self, mut progress: impl FnMut(u64, u64)) -> Result<Vec<String>> {
        let mut candidates = Vec::new();
        self.visit(self.path(), &mut |path| {
            candidates.extend(path.strip_prefix(self.path()).ok().and_then(Path::to_str).map(str::to_owned));
        })?;
        candidates.sort();
        let (mut done, all) = (0, candidates.len() as u64);
        candidates.retain(|path| {
            done += 1;
            progress(done, all);
            self.collect(path)
        });
        if self.0.is_default {
            self.collect_folders(self.path(), &mut candidates);
        }
        Ok(candidates)
    }

    /// Removes the empty folders that processes left that died creating or unlinking an array in them. Whoever is about
    /// to use one makes it again.
    fn collect_folders(&self, folder: &Path, gone: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            self.collect_folders(&path, gone);
            let below = path.strip_prefix(self.path()).ok().and_then(Path::to_str);
            let name = below.filter(|name| Name::parse(name).is_ok());
            gone.extend(name.filter(|name| file::remove_folder(&self.0.fd, name).is_ok()).map(str::to_owned));
        }
    }

    fn collect(&self, path: &str) -> bool {
        if path.split('/').any(|part| part.starts_with(TEMPORARY_PREFIX)) {
            return self.collect_temporary(path);
        }
        let Ok(name) = Name::parse(path) else { return false };
        let Ok(Opened { file, .. }) = self.open_file(&name, Access::ReadWrite) else { return false };
        let agree = |file: &File| self.garbage(&name, file);
        agree(&file).is_some() && self.unlink_file(&name, &file, agree).unwrap_or(false)
    }

    /// A file that never got its name, or is in a folder that has none, if its maker is dead; and then the folder.
    fn collect_temporary(&self, path: &str) -> bool {
        let Ok(file) = file::open_beneath(&self.0.fd, path, true) else { return false };
        let is_free = |byte| byte_lock::try_lock(&file, byte, Mode::Exclusive).unwrap_or(false);
        let is_gone = is_free(LOCK_NAME) && is_free(LOCK_MEMBERS) && file::remove(&self.0.fd, path).is_ok();
        let folder = path.rsplit_once('/').map(|(folder, _)| folder).filter(|folder| folder.contains(TEMPORARY_PREFIX));
        if let (true, Some(folder)) = (is_gone, folder) {
            // If others are in it, it goes with the last of them.
            _ = file::remove_folder(&self.0.fd, folder);
        }
        is_gone
    }

    /// The array, if it is garbage. While the value lives nobody can attach to it.
    fn garbage(&self, name: &Name<'_>, file: &File) -> Option<Segment> {
        let segment = Segment::open(name.as_str(), file, true).ok().filter(Segment::is_current)?;
        if Word::load(segment.retired(), Relaxed) != 0 {
            return Some(segment);
        }
        let may_go = segment.form().kind == Kind::Stream && self.0.is_default && file::is_in_memory(file);
        // Alone among the members: nobody is attached, and no producer lives, whatever its role says.
        let is_deserted = || byte_lock::try_lock(segment.lock_file(), LOCK_MEMBERS, Mode::Exclusive).unwrap_or(false);
        (may_go && is_deserted()).then_some(segment)
    }
}
