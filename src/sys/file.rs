//! Files that come into being whole, and that are who they seem to be.

use nix::errno::Errno;
use nix::fcntl::{
    AT_FDCWD, AtFlags, FallocateFlags, FcntlArg, OFlag, OpenHow, ResolveFlag, fallocate, fcntl, openat, openat2,
    posix_fallocate,
};
use nix::sys::stat::{Mode, fchmod, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What temporary files are called where the file system has no nameless ones. No array's name starts with a dot.
pub(crate) const TEMPORARY_PREFIX: &str = ".sharray-";

/// How often a file is opened that the kernel says to try again.
const TRIES: u32 = 1000;

/// Descriptors that hold locks are moved up here, out of the way of programs that close everything below some number.
const HIGH_FD: i32 = 512;

/// Opens a file below `dir`. Neither a link nor `..` leads out of it, and opening a FIFO or a device does not block.
pub(crate) fn open_beneath(dir: impl AsFd, path: &str, writable: bool) -> nix::Result<File> {
    step!();
    let access = if writable { OFlag::O_RDWR } else { OFlag::O_RDONLY };
    let flags = access | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    beneath(dir, path, flags).map(File::from)
}

/// Opens the folder `path` below `dir`.
pub(crate) fn open_folder_beneath(dir: impl AsFd, path: &str) -> nix::Result<OwnedFd> {
    step!();
    beneath(dir, path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
}

fn beneath(dir: impl AsFd, path: &str, flags: OFlag) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let open = || openat2(&dir, path, OpenHow::new().flags(flags).resolve(resolve));
    // EAGAIN: a rename elsewhere made the walk uncertain. Or somebody has a lease on the file, which may last.
    for _ in 1..TRIES {
        match open() {
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            done => return done,
        }
    }
    open()
}

pub(crate) fn make_folder(dir: impl AsFd, path: &str, mode: u32) -> nix::Result<()> {
    step!();
    mkdirat(dir, path, Mode::from_bits_truncate(mode))
}

/// A second description of an open file, whatever became of its name: it shares no locks with the first.
pub(crate) fn reopen(file: &File, writable: bool) -> io::Result<File> {
    File::options().read(true).write(writable).open(proc_path(file)).map(apart)
}

/// A description of the file that has this name now. Half as dear as [`reopen`].
pub(crate) fn open_apart(dir: impl AsFd, path: &str, writable: bool) -> nix::Result<File> {
    open_beneath(dir, path, writable).map(apart)
}

fn apart(opened: File) -> File {
    match fcntl(&opened, FcntlArg::F_DUPFD_CLOEXEC(HIGH_FD)) {
        Ok(fd) => owned(fd),
        // The process may not have that many descriptors: a low number does as well.
        Err(_) => opened,
    }
}

#[allow(unsafe_code, reason = "nix returns the duplicate as a bare number")]
fn owned(fd: i32) -> File {
    // SAFETY: fcntl has just made this descriptor, and nobody else knows its number.
    unsafe { File::from_raw_fd(fd) }
}

fn proc_path(file: &impl AsRawFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// A file that has no array's name yet, and vanishes unless it gets one.
#[derive(Debug)]
pub(crate) enum Nameless {
    /// It has no name at all.
    Unlinked(File),
    /// The file system has no such files: it has a name that no array can have.
    Temporary(tempfile::NamedTempFile),
}

impl Nameless {
    /// Makes one in `folder`, which is open as `dir`.
    pub(crate) fn new(dir: impl AsFd, folder: &Path) -> io::Result<Self> {
        step!();
        let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        match openat(dir, ".", flags, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(fd) => Ok(Self::Unlinked(File::from(fd))),
            Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL) => {
                tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempfile_in(folder).map(Self::Temporary)
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn file(&self) -> &File {
        match self {
            Self::Unlinked(file) => file,
            Self::Temporary(file) => file.as_file(),
        }
    }

    /// Gives it the name `leaf` in `dir`, if nothing has that name: of many that try, one succeeds.
    pub(crate) fn link(&self, dir: impl AsFd, leaf: &str) -> nix::Result<()> {
        step!();
        match self {
            Self::Unlinked(file) => linkat(AT_FDCWD, &proc_path(file), dir, leaf, AtFlags::AT_SYMLINK_FOLLOW),
            Self::Temporary(file) => linkat(AT_FDCWD, file.path(), dir, leaf, AtFlags::empty()),
        }
    }
}

/// Makes sure that the file has `len` bytes and that the disk has room for them: writing them later cannot fail.
pub(crate) fn reserve(file: &File, len: u64) -> nix::Result<()> {
    step!();
    reserve_range(file, 0, len)
}

/// Makes sure of the `len` bytes from `offset` on. The file grows if it has to; it never shrinks, and no byte changes.
fn reserve_range(file: &File, offset: u64, len: u64) -> nix::Result<()> {
    in_pieces(offset, len, |offset, len| posix_fallocate(file, offset, len))
}

/// Makes sure of the `len` bytes from `offset` on of a file that has them, with holes. It never grows, and no byte changes. Where
/// there is not so much room, what could be had is given back: nobody uses those bytes yet.
pub(crate) fn fill_holes(file: &File, offset: u64, len: u64) -> nix::Result<()> {
    step!();
    let keeping_size = |how| move |offset, len| fallocate(file, how | FallocateFlags::FALLOC_FL_KEEP_SIZE, offset, len);
    match in_pieces(offset, len, keeping_size(FallocateFlags::empty())) {
        Err(Errno::EOPNOTSUPP) => reserve_range(file, offset, len),
        Err(errno) => {
            _ = in_pieces(offset, len, keeping_size(FallocateFlags::FALLOC_FL_PUNCH_HOLE));
            Err(errno)
        }
        Ok(()) => Ok(()),
    }
}

/// Does something with a range of a file, piece by piece if it is interrupted.
///
/// At a signal, older kernels undo what they have reserved in memory: under a timer that is faster than the whole it would
/// never be done. So each interruption halves the pieces, and what is done stays done.
fn in_pieces(offset: u64, len: u64, mut act: impl FnMut(i64, i64) -> nix::Result<()>) -> nix::Result<()> {
    const LEAST: i64 = 4096;
    let mut at = i64::try_from(offset).map_err(|_| Errno::EFBIG)?;
    let mut left = i64::try_from(len).map_err(|_| Errno::EFBIG)?;
    let mut piece = left;
    while left > 0 {
        let now = piece.min(left);
        match act(at, now) {
            Ok(()) => (at, left) = (at + now, left - now),
            Err(Errno::EINTR) => piece = (now / 2).max(LEAST),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Gives a file of `from` bytes `to` of them, with room on the disk for the new ones; where there is not so much room, it
/// stays as long as it is.
pub(crate) fn grow(file: &File, from: u64, to: u64) -> nix::Result<()> {
    // Some file systems leave what they could get at the end of the file, so the length comes second.
    let reserved = in_pieces(from, to.saturating_sub(from), |offset, len| {
        fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, offset, len)
    });
    match reserved {
        Ok(()) | Err(Errno::EOPNOTSUPP) => reserve_range(file, from, to - from),
        Err(errno) => {
            // The blocks behind the end go when the length is set. Not if somebody else has just moved it.
            if file.metadata().is_ok_and(|meta| meta.len() == from) {
                _ = file.set_len(from);
            }
            Err(errno)
        }
    }
}

pub(crate) fn set_mode(file: impl AsFd, mode: u32) -> nix::Result<()> {
    step!();
    fchmod(file, Mode::from_bits_truncate(mode))
}

pub(crate) fn remove(dir: impl AsFd, path: &str) -> nix::Result<()> {
    step!();
    unlinkat(dir, path, UnlinkatFlags::NoRemoveDir)
}

/// Removes a folder if nothing is in it.
pub(crate) fn remove_folder(dir: impl AsFd, path: &str) -> nix::Result<()> {
    step!();
    unlinkat(dir, path, UnlinkatFlags::RemoveDir)
}

/// Whom a folder below `dir` belongs to, and its mode; a link is not followed.
pub(crate) fn owner_of_folder(dir: impl AsFd, path: &str) -> nix::Result<(u32, u32)> {
    let stat = fstatat(dir, path, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let is_folder = stat.st_mode & libc::S_IFMT == libc::S_IFDIR;
    if is_folder { Ok((stat.st_uid, stat.st_mode & 0o7777)) } else { Err(Errno::ENOTDIR) }
}

/// Whether an open folder has no name any more.
pub(crate) fn is_removed(dir: impl AsFd) -> bool {
    fstat(dir).is_ok_and(|stat| stat.st_nlink == 0)
}

/// Whether the file lives in memory alone, so that no sync can make it more durable.
pub(crate) fn is_in_memory(file: &File) -> bool {
    nix::sys::statfs::fstatfs(file).is_ok_and(|fs| {
        let kind = fs.filesystem_type();
        kind == nix::sys::statfs::TMPFS_MAGIC || kind == nix::sys::statfs::HUGETLBFS_MAGIC
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However small the pieces have to be that come through between two signals, each byte is reserved, once and in order;
    /// and what is no interruption ends it.
    #[test]
    fn interruptions_do_not_keep_it_from_being_done() {
        for (largest, len) in [(1 << 30, 100_000), (50_000, 100_000), (4096, 1_000_003), (5000, 4097), (4096, 1)] {
            let (mut end, mut calls) = (77, 0);
            let done = in_pieces(77, len, |at, now| {
                calls += 1;
                if now > largest {
                    return Err(Errno::EINTR);
                }
                assert_eq!((at, now > 0), (end, true), "pieces follow each other");
                end += now;
                Ok(())
            });
            assert_eq!((done, end), (Ok(()), 77 + i64::try_from(len).unwrap_or(0)), "{largest} of {len}");
            assert!(calls < 1000, "{calls} calls for {len} bytes in pieces of {largest}");
        }
        assert_eq!(in_pieces(0, 9000, |_, _| Err(Errno::ENOSPC)), Err(Errno::ENOSPC));
        assert_eq!(in_pieces(u64::MAX, 1, |_, _| Ok(())), Err(Errno::EFBIG));
    }
}
