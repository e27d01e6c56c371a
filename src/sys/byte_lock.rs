//! Locks on single bytes of a file, owned by an open file description.
//!
//! The kernel drops them when the last descriptor of the description closes, and so when the process dies, however it
//! dies. Unlike the older POSIX locks they survive the closing of other descriptors of the same file, and two
//! descriptions of one process exclude each other. The bytes need not exist.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use std::io;
use std::os::fd::AsFd;

/// Who else may lock the byte at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Others that share it. A read-only descriptor can take no more than this.
    Shared,
    /// Nobody.
    Exclusive,
}

/// Takes the lock, or turns the one that is held into the other mode; `false` if somebody else's is in the way.
pub(crate) fn try_lock(file: impl AsFd, byte: i64, mode: Mode) -> io::Result<bool> {
    step!();
    let kind = match mode {
        Mode::Shared => libc::F_RDLCK,
        Mode::Exclusive => libc::F_WRLCK,
    };
    loop {
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&request(byte, kind))) {
            Ok(_) => return Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => return Ok(false),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

pub(crate) fn unlock(file: impl AsFd, byte: i64) -> io::Result<()> {
    step!();
    Ok(fcntl(file, FcntlArg::F_OFD_SETLK(&request(byte, libc::F_UNLCK))).map(drop)?)
}

/// Whether another description holds any lock on the byte. Takes nothing, so nobody is disturbed.
pub(crate) fn is_held(file: impl AsFd, byte: i64) -> io::Result<bool> {
    let mut probe = request(byte, libc::F_WRLCK);
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut probe))?;
    Ok(i32::from(probe.l_type) != libc::F_UNLCK)
}

fn request(byte: i64, kind: i32) -> libc::flock {
    libc::flock {
        // The constants are small: they fit the narrow fields of the C struct.
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        // Required to be zero for locks of descriptions.
        l_pid: 0,
    }
}
