//! Names: where arrays are found, how they come to be and how they go.
//!
//! A name is the path of a file below a directory. A file gets its name when it is whole, by `linkat`, so a name only
//! ever refers to a finished array and two that create the same one are told apart by the kernel. A name goes under a
//! lock, after everyone attached was told.

mod default;
mod garbage;
mod info;
mod name;
mod recover;
mod wait;

pub use default::{collect_garbage, inspect, list, unlink};
pub use info::{Info, ParticipantInfo};

use crate::attachment::Attachment;
use crate::error::{Error, Result};
use crate::layout::LOCK_NAME;
use crate::protocol::word::Word;
use crate::protocol::{World, notify};
use crate::segment::{Segment, Spec};
use crate::sys::byte_lock::{self, Mode};
use crate::sys::file::{self, Nameless};
use name::Name;
use nix::errno::Errno;
use std::fs::{File, Metadata};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::{Duration, Instant};

/// How long `unlink` waits for another process that is changing the same name.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a name that keeps changing hands is looked up again.
const TRIES: u32 = 100;

/// A folder in which arrays are found by name.
///
/// The default place is `$SHARRAY_DIR`, or else `/dev/shm/sharray-<uid>`: memory, gone at the next reboot. A folder on
/// a disk holds arrays that outlive it. Cloning is cheap.
///
/// # Trust
/// Whoever may write to an array's file can change it under a reader's eyes, whatever the protocol says. So the folder
/// must belong to the user and nobody else may write to it, and the same holds for every file that is attached, and for the
/// folders that its name tells.
/// [`open_trusting_others`](Self::open_trusting_others) lifts that.
///
/// # Examples
/// ```
/// # let folder = tempfile::tempdir()?;
/// let place = sharray::Directory::open(folder.path())?;
/// let camera = sharray::Publisher::<u8, ndarray::Ix2>::builder().directory(&place).create("camera", [480, 640])?;
/// assert_eq!(place.list()?[0].name, "camera");
/// place.unlink("camera")?;
/// assert!(camera.is_retired());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Directory(Arc<Place>);

#[derive(Debug)]
struct Place {
    path: PathBuf,
    fd: OwnedFd,
    trusts_others: bool,
    is_default: bool,
}

/// What a new array is to be, and who may open it.
pub(crate) struct Creation<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) permissions: u32,
}

impl Directory {
    /// Opens the default place, and makes it if it is not there.
    ///
    /// # Errors
    /// [`Error::Untrusted`] if it belongs to someone else or others may write to it; [`Error::Io`].
    ///
    /// # Examples
    /// ```
    /// use sharray::Directory;
    /// # let folder = tempfile::tempdir()?;
    /// # // SAFETY: each example is a process of its own, and this is its only thread.
    /// # unsafe { std::env::set_var("SHARRAY_DIR", folder.path()) };
    /// let place = Directory::default_place()?;
    /// println!("arrays are in {}", place.path().display());
    /// # assert_eq!(place.path(), folder.path().canonicalize()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn default_place() -> Result<Self> {
        let path = std::env::var_os("SHARRAY_DIR")
            .filter(|path| !path.is_empty())
            .map_or_else(|| PathBuf::from(format!("/dev/shm/sharray-{}", nix::unistd::geteuid())), PathBuf::from);
        Self::new(&path, false, true)
    }

    /// Opens a folder of arrays, and makes it, mode 0700, if it is not there.
    ///
    /// # Errors
    /// [`Error::Untrusted`] if it belongs to someone else or others may write to it; [`Error::Io`].
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// use sharray::{Directory, Error, SharedArray};
    /// use std::os::unix::fs::PermissionsExt;
    /// # let folder = tempfile::tempdir()?;
    /// let disk = Directory::open(folder.path().join("results"))?;
    /// SharedArray::<f64, Ix1>::builder().directory(&disk).create("field", [100])?;
    /// assert!(disk.path().join("field").is_file() && !disk.trusts_others());
    ///
    /// std::fs::set_permissions(disk.path(), std::fs::Permissions::from_mode(0o777))?;
    /// assert!(matches!(Directory::open(disk.path()), Err(Error::Untrusted { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::new(path.as_ref(), false, false)
    }

    /// Opens a folder without asking whom it and its files belong to.
    ///
    /// For arrays shared between users. Everybody who may write there can make this process see anything: wrong
    /// numbers, arrays that change while they are read.
    ///
    /// # Errors
    /// [`Error::Io`].
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// use sharray::{Directory, SharedArray};
    /// # let folder = tempfile::tempdir()?;
    /// let ours = Directory::open_trusting_others(folder.path())?;
    /// SharedArray::<f64, Ix1>::builder().directory(&ours).permissions(0o660).create("field", [100])?;
    /// assert!(ours.trusts_others());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open_trusting_others(path: impl AsRef<Path>) -> Result<Self> {
        Self::new(path.as_ref(), true, false)
    }

    fn new(path: &Path, trusts_others: bool, is_default: bool) -> Result<Self> {
        // Whoever may write above could let a link lead to another of the user's folders. The path is looked at without
        // the slash that would follow it.
        let is_link = || std::fs::symlink_metadata(path.components().as_path()).is_ok_and(|meta| meta.is_symlink());
        if !trusts_others && is_link() {
            return Err(Error::Untrusted { path: path.to_owned(), reason: "it is a symbolic link".to_owned() });
        }
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(Error::io("create the folder", path, error));
            }
            _ => {}
        }
        let io = |error| Error::io("open the folder", path, error);
        let path = path.canonicalize().map_err(io)?;
        let folder = File::open(&path).map_err(io)?;
        let meta = folder.metadata().map_err(io)?;
        if !meta.is_dir() {
            return Err(io(std::io::Error::from(std::io::ErrorKind::NotADirectory)));
        }
        if !trusts_others {
            check_owner(&path, meta.uid(), meta.mode() & 0o7777)?;
        }
        Ok(Self(Arc::new(Place { path, fd: folder.into(), trusts_others, is_default })))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Whether it uses what other users may write to.
    pub fn trusts_others(&self) -> bool {
        self.0.trusts_others
    }

    /// Makes an array: `fill` attaches to it and fills it before it has its name.
    pub(crate) fn create<R>(
        &self,
        name: &str,
        creation: &Creation<'_>,
        fill: impl FnOnce(Attachment) -> Result<R>,
    ) -> Result<R> {
        let name = Name::parse(name)?;
        self.check_permissions(&name, creation.permissions)?;
        // An early look saves the work of building what cannot be named; linking decides.
        self.check_free(&name)?;
        self.build(&name, creation, fill).inspect_err(|_| self.remove_empty_parents(&name))
    }

    /// Refuses what cannot be the name of a folder that stands here.
    pub(crate) fn check_folder_name(&self, name: &str) -> Result<()> {
        if Name::parse(name)?.parents().next().is_none() {
            return Ok(());
        }
        let reason = format!("it has several parts, and names a folder of {}", self.0.path.display());
        Err(Error::InvalidName { name: name.to_owned(), reason })
    }

    /// Nobody could attach what others may write to, nor unlink it, in a folder that trusts nobody else.
    fn check_permissions(&self, name: &Name, mode: u32) -> Result<()> {
        if self.0.trusts_others || mode & 0o022 == 0 {
            return Ok(());
        }
        let reason = format!("others may write to it: its mode is {mode:04o}, expected at most 0755");
        Err(Error::Untrusted { path: self.0.path.join(name.as_str()), reason })
    }

    fn build<R>(&self, name: &Name, creation: &Creation<'_>, fill: impl FnOnce(Attachment) -> Result<R>) -> Result<R> {
        let mode = creation.permissions;
        let folder = self.0.path.join(name.parent());
        let (parent, file) = self.make_file(name, &folder, mode)?;
        // Tells a collector of garbage that somebody is at work on a file with a temporary name.
        byte_lock::try_lock(file.file(), LOCK_NAME, Mode::Exclusive)
            .map_err(|error| Error::io("lock a file in", &folder, error))?;
        let segment = Segment::create(name.as_str(), file.file(), creation.spec)?;
        let filled = fill(Attachment::join(segment)?)?;
        let io = |action| {
            let path = self.0.path.join(name.as_str());
            move |errno: Errno| Error::io(action, path, errno)
        };
        file::set_mode(file.file(), mode).map_err(io("set the permissions of"))?;
        let on_disk = !file::is_in_memory(file.file());
        if on_disk {
            file.file().sync_all().map_err(|error| Error::io("sync", &folder, error))?;
        }
        let parent = self.link(name, &file, parent, mode)?;
        // Dropping the file would not do: the mapping was made through it and keeps its lock.
        byte_lock::unlock(file.file(), LOCK_NAME).map_err(|error| Error::io("unlock a file in", &folder, error))?;
        if on_disk {
            File::from(parent).sync_all().map_err(|error| Error::io("sync", &folder, error))?;
        }
        Ok(filled)
    }

    /// Refuses a name that is taken. One whose array was retired, by a process that died before it took the name away,
    /// is taken away now.
    fn check_free(&self, name: &Name) -> Result<()> {
        let mut found = None;
        for _ in 0..TRIES {
            let Ok(meta) = std::fs::symlink_metadata(self.0.path.join(name.as_str())) else { return Ok(()) };
            found = Some(meta);
            let is_going = match self.open_file(name, Access::ReadWrite) {
                Ok(opened) => self.finish_retired(name, &opened.file)?,
                Err(Error::NotFound { .. }) => true,
                Err(_) => false,
            };
            if !is_going {
                break;
            }
            // If another process is taking it away, it needs a moment.
            std::thread::yield_now();
        }
        found.map_or(Ok(()), |meta| Err(self.taken(name, &meta)))
    }

    /// Makes the folders of a name and a file in the innermost.
    fn make_file(&self, name: &Name, folder: &Path, mode: u32) -> Result<(OwnedFd, Nameless)> {
        let mut tries = TRIES;
        loop {
            let parent = self.make_parents(name, mode)?;
            match Nameless::new(&parent, folder) {
                Ok(file) => return Ok((parent, file)),
                // Another process took the folder away with its last array. File systems say so in different ways.
                Err(_) if tries > 0 && file::is_removed(&parent) => tries -= 1,
                Err(error) => return Err(Error::io("create a file in", folder, error)),
            }
        }
    }

    fn link(&self, name: &Name, file: &Nameless, mut parent: OwnedFd, mode: u32) -> Result<OwnedFd> {
        for _ in 0..TRIES {
            match file.link(&parent, name.leaf()) {
                Ok(()) => return Ok(parent),
                Err(Errno::EEXIST) => {
                    let meta = std::fs::symlink_metadata(self.0.path.join(name.as_str()));
                    return Err(meta.map_or_else(|_| self.already_exists(name), |meta| self.taken(name, &meta)));
                }
                // The folder went with its last array while this one was being built.
                Err(Errno::ENOENT) => parent = self.make_parents(name, mode)?,
                Err(error) => return Err(Error::io("name", self.0.path.join(name.as_str()), error)),
            }
        }
        Err(Error::io("name", self.0.path.join(name.as_str()), Errno::ENOENT))
    }

    fn taken(&self, name: &Name, meta: &Metadata) -> Error {
        if meta.is_dir() { name.is_folder() } else { self.already_exists(name) }
    }

    fn already_exists(&self, name: &Name) -> Error {
        Error::AlreadyExists { name: name.as_str().to_owned(), directory: self.0.path.clone() }
    }

    fn not_found(&self, name: &Name) -> Error {
        Error::NotFound { name: name.as_str().to_owned(), directory: self.0.path.clone() }
    }

    /// Opens the folder that the name stands in; makes it and those above it first.
    fn make_parents(&self, name: &Name, mode: u32) -> Result<OwnedFd> {
        // Whoever may read the array may enter its folders.
        let mode = 0o700 | mode | (mode & 0o444) >> 2;
        for _ in 0..TRIES {
            match self.open_parents(name, mode & !0o022) {
                // Another process removed a folder, empty, between two steps of this walk.
                Err(Errno::ENOENT) => {}
                done => {
                    self.check_folders(name)?;
                    return done.map_err(|errno| self.explain(name, errno));
                }
            }
        }
        Err(Error::io("create the folder of", self.0.path.join(name.as_str()), Errno::ENOENT))
    }

    /// One walk down. Each folder is made in the one above, which is open: a link in the way is not followed.
    fn open_parents(&self, name: &Name, mode: u32) -> nix::Result<OwnedFd> {
        let mut above = file::open_folder_beneath(&self.0.fd, ".")?;
        for folder in name.parents() {
            let leaf = folder.rsplit('/').next().unwrap_or(folder);
            match file::make_folder(&above, leaf, mode) {
                Ok(()) => {
                    above = file::open_folder_beneath(&above, leaf)?;
                    // As the file itself, whatever the umask is.
                    file::set_mode(&above, mode)?;
                }
                Err(Errno::EEXIST) => above = file::open_folder_beneath(&above, leaf)?,
                Err(errno) => return Err(errno),
            }
        }
        Ok(above)
    }

    /// Attaches to an array that is there.
    pub(crate) fn attach(&self, name: &str, access: Access) -> Result<Attachment> {
        self.attach_by(name, access, Attachment::join)
    }

    /// The same, where `join` takes part in the file.
    pub(crate) fn attach_by(
        &self,
        name: &str,
        access: Access,
        join: impl FnOnce(Segment) -> Result<Attachment>,
    ) -> Result<Attachment> {
        let name = Name::parse(name)?;
        let Opened { file, meta, writable } = self.open_file(&name, access)?;
        let second = || file::open_apart(&self.0.fd, name.as_str(), writable).ok();
        let segment = Segment::open_examined(name.as_str(), &file, &meta, writable, second)?;
        let attachment = join(segment)?;
        if attachment.segment().was_retired() {
            // Unlinked while we were on our way, or by a process that died between saying so and doing so.
            self.finish_unlink(&name, attachment.segment())?;
            return Err(self.not_found(&name));
        }
        Ok(attachment)
    }

    /// Looks whom the folders belong to that the name stands in. The outermost first: where that is trusted, nobody else
    /// can put another one in the place of the next.
    fn check_folders(&self, name: &Name) -> Result<()> {
        if self.0.trusts_others {
            return Ok(());
        }
        for folder in name.parents() {
            match file::owner_of_folder(&self.0.fd, folder) {
                Ok((owner, mode)) => check_owner(&self.0.path.join(folder), owner, mode)?,
                // Whoever goes there says why that cannot be.
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Opens the file of an array and looks whom it belongs to.
    fn open_file(&self, name: &Name, access: Access) -> Result<Opened> {
        self.check_folders(name)?;
        let open = |writable| file::open_beneath(&self.0.fd, name.as_str(), writable).map(|file| (file, writable));
        let opened = match access {
            Access::ReadOnly => open(false),
            Access::ReadWrite => open(true),
            Access::Any => match open(true) {
                Err(Errno::EACCES | Errno::EROFS | Errno::EPERM) => open(false),
                done => done,
            },
        };
        let (file, writable) = opened.map_err(|errno| self.explain(name, errno))?;
        let path = self.0.path.join(name.as_str());
        let meta = file.metadata().map_err(|error| Error::io("examine", &path, error))?;
        if meta.is_dir() {
            return Err(name.is_folder());
        }
        if !meta.is_file() {
            return Err(Error::NotAnArray { path, reason: "it is not a regular file".to_owned() });
        }
        if !self.0.trusts_others {
            check_owner(&path, meta.uid(), meta.mode() & 0o7777)?;
        }
        Ok(Opened { file, meta, writable })
    }

    fn explain(&self, name: &Name, errno: Errno) -> Error {
        let path = self.0.path.join(name.as_str());
        match errno {
            Errno::ENOENT => self.not_found(name),
            Errno::EISDIR => name.is_folder(),
            Errno::ENOTDIR => name.is_below_array(),
            Errno::ELOOP | Errno::EXDEV => {
                Error::NotAnArray { path, reason: "it is a symbolic link or behind one".to_owned() }
            }
            Errno::ENXIO | Errno::ENODEV => Error::NotAnArray { path, reason: "it is not a regular file".to_owned() },
            errno => Error::io("open", path, errno),
        }
    }

    /// Removes a name. Those attached keep what they have and learn it: their waits answer [`Error::Retired`].
    ///
    /// The memory is freed when the last of them is gone. Folders that become empty go too.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotAnArray`] if something else has that name, which is left alone;
    /// [`Error::TimedOut`] if another process holds the name for ten seconds; [`Error::Io`].
    pub fn unlink(&self, name: &str) -> Result<()> {
        let name = Name::parse(name)?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let file = self.open_file(&name, Access::ReadWrite)?.file;
            if self.unlink_file(&name, &file, |_| Some(()))? {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(Error::TimedOut { name: name.as_str().to_owned() })
    }

    /// Removes the name of this very file, if `agree` does once nobody else can; what it answers lives until the name
    /// is gone. `false`: not now, or not this file.
    fn unlink_file<G>(&self, name: &Name, file: &File, agree: impl FnOnce(&File) -> Option<G>) -> Result<bool> {
        let io = |error| Error::io("lock the name of", self.0.path.join(name.as_str()), error);
        if !byte_lock::try_lock(file, LOCK_NAME, Mode::Exclusive).map_err(io)? {
            return Ok(false);
        }
        let is_this_file = |other: Opened| same_file(file, &other.file);
        if !self.open_file(name, Access::ReadOnly).is_ok_and(is_this_file) {
            return Ok(false);
        }
        let Some(_agreed) = agree(file) else { return Ok(false) };
        match Segment::open(name.as_str(), file, true) {
            Ok(segment) => {
                retire(&segment);
                // Where the folder may not be written the name stays, and so must the array.
                self.remove_name(name).inspect_err(|_| Word::store(segment.retired(), 0, Release))?;
            }
            // What cannot be attached has nobody to tell.
            Err(Error::Corrupt { .. } | Error::Truncated { .. }) => self.remove_name(name)?,
            Err(error) => return Err(error),
        }
        self.remove_empty_parents(name);
        Ok(true)
    }

    /// Takes the name away, if nobody else has yet.
    fn remove_name(&self, name: &Name) -> Result<()> {
        match file::remove(&self.0.fd, name.as_str()) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(Error::io("remove", self.0.path.join(name.as_str()), errno)),
        }
    }

    fn remove_empty_parents(&self, name: &Name) {
        for folder in name.parents().rev() {
            if file::remove_folder(&self.0.fd, folder).is_err() {
                break;
            }
        }
    }

    /// The same for a file that is not attached. Says whether it is retired.
    fn finish_retired(&self, name: &Name, file: &File) -> Result<bool> {
        let segment = Segment::open(name.as_str(), file, true).ok().filter(Segment::is_current);
        let is_retired = segment.is_some_and(|segment| Word::load(segment.retired(), Relaxed) != 0);
        if is_retired {
            match self.unlink_file(name, file, |_| Some(())) {
                Err(Error::NotFound { .. }) | Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(is_retired)
    }

    /// Does what a process left undone that died between retiring an array and removing its name.
    fn finish_unlink(&self, name: &Name, segment: &Segment) -> Result<()> {
        if !segment.is_writable() {
            return Ok(());
        }
        match self.open_file(name, Access::ReadWrite) {
            Ok(opened) if same_file(segment.lock_file(), &opened.file) => {
                self.unlink_file(name, &opened.file, |_| Some(())).map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// With which permission a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    ReadWrite,
    /// To write, if that is allowed.
    Any,
}

/// The file of an array, and what was true of it when it was opened.
struct Opened {
    file: File,
    meta: Metadata,
    writable: bool,
}

/// Tells everyone attached that nothing new will come, and wakes them.
fn retire(segment: &Segment) {
    Word::store(segment.retired(), 1, Release);
    notify::notify(segment, segment.notify());
    notify::notify(segment, segment.room());
    segment.wake_all(segment.bar());
}

fn same_file(one: &File, other: &File) -> bool {
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

fn check_owner(path: &Path, owner: u32, mode: u32) -> Result<()> {
    let me = nix::unistd::geteuid().as_raw();
    let untrusted = |reason| Err(Error::Untrusted { path: path.to_owned(), reason });
    if owner != me {
        return untrusted(format!("it belongs to user {owner}, expected {me}"));
    }
    if mode & 0o022 != 0 {
        return untrusted(format!("others may write to it: its mode is {mode:04o}, expected at most 0755"));
    }
    Ok(())
}
