//! File systems that are full, that may only be read, or that cannot hold shared arrays: each is an error of its own kind, and
//! nothing that was there is damaged.
//!
//! A file system is judged by what it does. So there is one here of our own (FUSE), which serves one array to a process that
//! would attach, and whose locks are wrong in one way after another. All mounts are made in namespaces of child processes, and
//! go with these, however they end.

mod support;

use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyLock, ReplyOpen, ReplyWrite,
    Request, WriteFlags,
};
use ndarray::{Array1, Ix1};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use sharray::{AnyMemmap, Directory, Error, GrowableArray, Mode, SharedArray, save_npy, survive_truncation};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};
use support::child::{Child, Task};
use support::stream;
use support::{Outcome, Roles, Test, ensure, ensure_eq, main as run};

const ROLES: Roles = &[("full", full), ("read only", read_only), ("serve", serve), ("use", use_served)];

fn main() -> ExitCode {
    let fuse = || lacks_mounts().or_else(|| (!Path::new("/dev/fuse").exists()).then(|| "/dev/fuse".to_owned()));
    run(
        ROLES,
        vec![
            Test::new("a_full_file_system", || on_a_mount("full", [""; 0])).lacking(lacks_mounts()),
            Test::new("a_file_system_that_may_only_be_read", || on_a_mount("read only", [""; 0]))
                .lacking(lacks_mounts()),
            Test::new("locks_that_exclude_nobody", || served("exclude nobody")).lacking(fuse()),
            Test::new("locks_that_any_close_drops", || served("any close")).lacking(fuse()),
            Test::new("locks_that_no_close_drops", || served("no close")).lacking(fuse()),
            Test::new("no_locks", || served("no locks")).lacking(fuse()),
            Test::new("no_maps", || served("no maps")).lacking(fuse()),
            Test::new("what_does_all_that_is_needed_is_used_whatever_it_is_called", || served("good")).lacking(fuse()),
        ],
    )
}

/// What a process needs to mount something where nobody else sees it. Tried in a thread, whose namespace is its own.
fn lacks_mounts() -> Option<String> {
    let tried = std::thread::spawn(|| unshare(CloneFlags::CLONE_NEWNS).is_ok()).join();
    (!matches!(tried, Ok(true))).then(|| "the right to mount".to_owned())
}

fn on_a_mount<const N: usize>(role: &str, args: [&str; N]) -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().to_str().ok_or("the path is not text")?;
    Child::start(role, [path].into_iter().chain(args))?.succeed()
}

/// Leaves the namespace of everybody else.
fn be_alone() -> Outcome {
    unshare(CloneFlags::CLONE_NEWNS)?;
    Ok(mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?)
}

fn mount_memory(path: &Path, options: &str) -> Outcome {
    Ok(mount(Some("none"), path, Some("tmpfs"), MsFlags::empty(), Some(options))?)
}

type Field = SharedArray<u64, Ix1>;

const WORDS: usize = 100;
/// More than the small file system has.
const MANY: usize = 1 << 18;

macro_rules! ensure_no_space {
    ($call:expr) => {
        match $call.map(drop) {
            Err(Error::NoSpace { bytes, .. }) => ensure!(bytes > 0, "{}: it says how much", stringify!($call)),
            other => return Err(format!("{} answers {other:?}", stringify!($call)).into()),
        }
    };
}

/// Child: everything that makes a file or makes one longer, on a file system of one megabyte.
fn full(task: &Task) -> Outcome {
    be_alone()?;
    let folder = Path::new(task.arg(0)?);
    mount_memory(folder, "size=1m,mode=0700")?;
    let place = Directory::open(folder)?;
    let array = Field::builder().directory(&place).create_from("small", &ndarray::Array1::from_elem(WORDS, 7))?;
    let before = stream::leftovers(folder)?;
    ensure_no_space!(Field::builder().directory(&place).create("a/large", [MANY]));
    ensure_no_space!(Field::builder().directory(&place).open("large", [MANY]));
    ensure_no_space!(stream::writer(&place).create("large", [MANY]));
    let path = folder.join("data");
    fs::write(&path, [1; 8 * WORDS])?;
    ensure_no_space!(sharray::memmap::<u64>(&path).mode(Mode::Write).shape([MANY]).open());
    ensure_no_space!(sharray::memmap::<u64>(&path).mode(Mode::ReadWrite).shape([MANY]).open());
    ensure_no_space!(save_npy(&path, &ndarray::Array1::<u64>::zeros(MANY)));
    ensure_eq!(fs::read(&path)?, [1; 8 * WORDS], "the file that was there");
    fs::remove_file(&path)?;
    ensure_eq!(stream::leftovers(folder)?, before, "what is left behind");
    full_table(&place)?;
    // What was there goes on, and there is room for what fits.
    ensure_eq!(array.snapshot()?.sum(), 7 * WORDS as u64, "the array that was there");
    place.unlink("small")?;
    drop(array);
    Field::builder().directory(&place).create("small", [MANY / 4])?;
    place.unlink("small")?;

    // A sparse file finds out when it is written. That is a fault, too.
    survive_truncation()?;
    let mut map = sharray::memmap::<u64>(&path).mode(Mode::Write).shape([MANY]).sparse(true).open()?;
    map.view_mut().fill(3);
    match map.flush() {
        Err(Error::Io { source, .. }) => ensure!(source.to_string().contains("full"), "it says why: {source}"),
        other => return Err(format!("flush of a sparse file on a full disk answers {other:?}").into()),
    }
    Ok(())
}

/// A table takes rows until nothing is left of the file system, and has all of them or none; when there is room, it goes on.
fn full_table(place: &Directory) -> Outcome {
    let log = GrowableArray::<u64, Ix1>::builder().directory(place).max_len(1 << 40).create("log", [0])?;
    let other = Field::builder().directory(place).create("other", [MANY / 4])?;
    // One page, and then no more.
    let rows = Array1::from_elem(512, 9);
    let mut len = 0;
    let full = loop {
        match log.append(&rows) {
            Ok(rows) => len = rows.end,
            Err(error) => break error,
        }
    };
    ensure!(matches!(full, Error::NoSpace { bytes: 4096, .. }), "a full file system answers {full:?}");
    ensure!(len > 0 && len < MANY, "{len} rows were appended before");
    ensure_no_space!(log.append(&Array1::from_elem(MANY, 8)));
    ensure!(log.len() == len && log.view()?.iter().all(|row| *row == 9), "the rows that were there");
    place.unlink("other")?;
    drop(other);
    ensure_eq!(log.append(&rows)?, len..len + 512, "where rows are appended once there is room");
    ensure!(log.view()?.iter().all(|row| *row == 9), "the rows that were there");
    place.unlink("log")?;
    Ok(())
}

/// Child: a file system that was made read-only. What is there can be looked at, and nothing can be made or taken away.
fn read_only(task: &Task) -> Outcome {
    be_alone()?;
    let folder = Path::new(task.arg(0)?);
    mount_memory(folder, "size=4m,mode=0700")?;
    let place = Directory::open(folder)?;
    drop(Field::builder().directory(&place).create_from("a", &ndarray::Array1::from_elem(WORDS, 7))?);
    let mut writer = stream::writer(&place).create("s", [stream::WORDS])?;
    stream::publish(&mut writer)?;
    drop(writer);
    fs::write(folder.join("data"), [1; 8 * WORDS])?;
    mount(Some("none"), folder, Some("tmpfs"), MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, None::<&str>)?;

    let array = Field::builder().directory(&place).attach("a")?;
    ensure!(array.is_read_only(), "it may only be read");
    ensure_eq!(array.snapshot()?.sum(), 7 * WORDS as u64, "its sum");
    ensure!(matches!(array.write().map(drop), Err(Error::ReadOnly { .. })), "it cannot be written");
    let frame = stream::reader(&place).attach("s")?.latest()?.ok_or("nothing was published")?;
    stream::check(&frame)?;
    ensure_eq!(place.list()?.len(), 2, "arrays that are listed");
    let io = |outcome: sharray::Result<()>| matches!(outcome, Err(Error::Io { source, .. }) if source.raw_os_error() == Some(libc::EROFS));
    ensure!(io(Field::builder().directory(&place).create("b", [1]).map(drop)), "nothing can be created");
    ensure!(io(Field::builder().directory(&place).create("sub/b", [1]).map(drop)), "nor below a new folder");
    ensure!(io(stream::writer(&place).attach("s").map(drop)), "nor published");
    ensure!(io(place.unlink("a")), "nor unlinked");
    ensure!(place.collect_garbage()?.is_empty(), "nor collected");
    let path = folder.join("data");
    ensure_eq!(sharray::memmap::<u8>(&path).open()?.view()[3], 1, "a plain file");
    ensure!(io(AnyMemmap::builder(&path).mode(Mode::ReadWrite).open().map(drop)), "a plain file to be changed");
    ensure!(io(AnyMemmap::builder(&path).mode(Mode::Write).shape(&[1]).open().map(drop)), "a plain file to be made");
    let mut private = sharray::memmap::<u8>(&path).mode(Mode::CopyOnWrite).open()?;
    private.view_mut()[0] = 9;
    ensure_eq!(fs::read(&path)?[0], 1, "the file beneath a private map");
    Ok(())
}

/// A file system with one file, which holds an array, and with locks of its own.
struct Served {
    kind: String,
    bytes: Mutex<Vec<u8>>,
    locks: Mutex<Vec<(LockOwner, u64)>>,
}

const FILE: INodeNo = INodeNo(2);
const FOREVER: Duration = Duration::from_secs(3600);

impl Served {
    fn attributes(&self, node: INodeNo) -> FileAttr {
        let is_root = node == INodeNo::ROOT;
        let size = lock(&self.bytes).len() as u64;
        FileAttr {
            ino: node,
            size: if is_root { 0 } else { size },
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if is_root { FileType::Directory } else { FileType::RegularFile },
            perm: if is_root { 0o700 } else { 0o600 },
            nlink: if is_root { 2 } else { 1 },
            uid: nix::unistd::geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Filesystem for Served {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        // Else the kernel keeps the locks itself, and does so as it should.
        let own = !["good", "no maps"].contains(&self.kind.as_str());
        if own && config.add_capabilities(InitFlags::FUSE_POSIX_LOCKS).is_err() {
            return Err(std::io::ErrorKind::Unsupported.into());
        }
        Ok(())
    }

    fn lookup(&self, _request: &Request, _parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == "a" {
            reply.entry(&FOREVER, &self.attributes(FILE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _request: &Request, node: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&FOREVER, &self.attributes(node));
    }

    fn open(&self, _request: &Request, _node: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let no_maps = self.kind == "no maps";
        reply.opened(FileHandle(0), if no_maps { FopenFlags::FOPEN_DIRECT_IO } else { FopenFlags::FOPEN_KEEP_CACHE });
    }

    fn read(
        &self,
        _request: &Request,
        _node: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let bytes = lock(&self.bytes);
        let start = (offset as usize).min(bytes.len());
        reply.data(&bytes[start..(start + size as usize).min(bytes.len())]);
    }

    fn write(
        &self,
        _request: &Request,
        _node: INodeNo,
        _handle: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match lock(&self.bytes).get_mut(offset as usize..offset as usize + data.len()) {
            Some(place) => {
                place.copy_from_slice(data);
                reply.written(data.len() as u32);
            }
            None => reply.error(Errno::ENOSPC),
        }
    }

    fn flush(&self, _request: &Request, _node: INodeNo, _handle: FileHandle, _owner: LockOwner, reply: ReplyEmpty) {
        if self.kind == "any close" {
            lock(&self.locks).clear();
        }
        reply.ok();
    }

    fn getlk(
        &self,
        _request: &Request,
        _node: INodeNo,
        _handle: FileHandle,
        owner: LockOwner,
        start: u64,
        end: u64,
        kind: i32,
        pid: u32,
        reply: ReplyLock,
    ) {
        let is_held = lock(&self.locks).iter().any(|(other, at)| *other != owner && (start..=end).contains(at));
        let found = if is_held { kind } else { i32::from(libc::F_UNLCK as i16) };
        reply.locked(start, end, found, pid);
    }

    fn setlk(
        &self,
        _request: &Request,
        _node: INodeNo,
        _handle: FileHandle,
        owner: LockOwner,
        start: u64,
        end: u64,
        kind: i32,
        _pid: u32,
        _sleep: bool,
        reply: ReplyEmpty,
    ) {
        let mut locks = lock(&self.locks);
        match self.kind.as_str() {
            "no locks" => return reply.error(Errno::ENOLCK),
            "exclude nobody" => {}
            _ if kind == libc::F_UNLCK => locks.retain(|(other, at)| *other != owner || !(start..=end).contains(at)),
            _ => locks.push((owner, start)),
        }
        reply.ok();
    }
}

fn served(kind: &str) -> Outcome {
    on_a_mount("serve", [kind])
}

/// Child: serves an array to a child of its own, in whose eyes alone it is mounted.
fn serve(task: &Task) -> Outcome {
    be_alone()?;
    let (folder, kind) = (task.arg(0)?, task.arg(1)?);
    let source = stream::fresh_folder()?;
    let place = Directory::open(source.path())?;
    drop(Field::builder().directory(&place).create_from("a", &ndarray::Array1::from_elem(WORDS, 7))?);
    let bytes = Mutex::new(fs::read(source.path().join("a"))?);
    let served = Served { kind: kind.to_owned(), bytes, locks: Mutex::default() };
    let session = fuser::spawn_mount(served, folder, &Config::default())?;
    let outcome = Child::start("use", [folder, kind])?.succeed();
    session.umount_and_join()?;
    outcome
}

/// Child of that child: attaches.
fn use_served(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let attached = Field::builder().directory(&place).attach("a");
    let expected = match task.arg(1)? {
        "good" => {
            let field = attached?;
            ensure_eq!(field.snapshot()?.sum(), 7 * WORDS as u64, "the sum");
            field.write()?.fill(8);
            let other = Field::builder().directory(&place).attach("a")?;
            ensure_eq!(other.snapshot()?.sum(), 8 * WORDS as u64, "the sum of what was written");
            return Ok(());
        }
        "exclude nobody" => "two descriptors of one process do not exclude each other",
        "any close" => "closing one descriptor drops the locks of another",
        "no close" => "closing a descriptor does not drop its locks",
        "no locks" => "it has no locks of open file descriptions",
        "no maps" => "its files cannot be mapped by several processes",
        other => return Err(format!("nobody knows {other}").into()),
    };
    match attached.map(drop) {
        Err(Error::UnsupportedFilesystem { reason, .. }) => ensure_eq!(reason, expected, "why it is refused"),
        other => return Err(format!("attaching answers {other:?}, expected: {expected}").into()),
    }
    // Looking needs no locks, and no map that is shared; but it takes the same care.
    let looked = place.inspect("a").map(drop);
    ensure!(matches!(looked, Ok(()) | Err(Error::UnsupportedFilesystem { .. })), "inspecting answers {looked:?}");
    Ok(())
}
