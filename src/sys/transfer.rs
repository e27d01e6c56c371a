//! Bytes from one file into another, by the kernel where it can.

use nix::errno::Errno;
use nix::fcntl::copy_file_range;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// So many bytes at a time, between which somebody is told.
const STEP_BYTES: u64 = 32 << 20;
/// And so many where they pass through this process.
const BUFFER_BYTES: u64 = 4 << 20;

/// Where the kernel's copies go, and how far they have come.
#[derive(Debug)]
pub(crate) struct Transfer<'a> {
    pub(crate) source: &'a File,
    pub(crate) source_offset: u64,
    pub(crate) target: &'a File,
    pub(crate) target_offset: u64,
    pub(crate) len: u64,
}

impl Transfer<'_> {
    /// Copies everything. Calls `progress` with the bytes that are done.
    ///
    /// # Errors
    /// `UnexpectedEof` if the source ends before.
    pub(crate) fn run(&self, progress: &mut dyn FnMut(u64)) -> io::Result<()> {
        let mut done = self.by_kernel(progress)?;
        let mut buffer = vec![0; BUFFER_BYTES.min(self.len - done) as usize];
        while done < self.len {
            let step = &mut buffer[..BUFFER_BYTES.min(self.len - done) as usize];
            self.source.read_exact_at(step, self.source_offset + done)?;
            self.target.write_all_at(step, self.target_offset + done)?;
            done += step.len() as u64;
            progress(done);
        }
        Ok(())
    }

    /// Lets the kernel copy: a file system that can share blocks does that, others copy without a detour through this
    /// process. Calls `progress` with the bytes that are done. Returns how many are: fewer if the kernel cannot do this for
    /// these files, or if the source has ended.
    fn by_kernel(&self, progress: &mut dyn FnMut(u64)) -> io::Result<u64> {
        let offset = |offset: u64| i64::try_from(offset).map_err(|_| io::Error::from(Errno::EFBIG));
        let (mut from, mut to) = (offset(self.source_offset)?, offset(self.target_offset)?);
        let mut done = 0;
        while done < self.len {
            let len = (self.len - done).min(STEP_BYTES) as usize;
            match copy_file_range(self.source, Some(&mut from), self.target, Some(&mut to), len) {
                Ok(0) => break,
                Ok(n) => done += n as u64,
                Err(Errno::EINTR) => continue,
                // It cannot between these two; what it has copied is copied.
                Err(Errno::EXDEV | Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EPERM | Errno::EBADF) => {
                    break;
                }
                Err(errno) => return Err(errno.into()),
            }
            progress(done);
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Between files of one file system and of two, from any place to any other.
    #[test]
    fn what_is_copied_arrives_where_it_should() -> io::Result<()> {
        let bytes: Vec<u8> = (0..9_000_000_u32).map(|i| (i * 7 % 251) as u8).collect();
        let other = if Path::new("/dev/shm").is_dir() { "/dev/shm".into() } else { std::env::temp_dir() };
        for folder in [std::env::temp_dir(), other] {
            let (source, target) = (tempfile::tempfile()?, tempfile::tempfile_in(folder)?);
            source.write_all_at(&bytes, 0)?;
            let transfer =
                Transfer { source: &source, source_offset: 100, target: &target, target_offset: 4096, len: 8_000_000 };
            let mut told = Vec::new();
            transfer.run(&mut |done| told.push(done))?;
            let mut back = vec![0; 8_000_000];
            target.read_exact_at(&mut back, 4096)?;
            assert!(back == bytes[100..8_000_100]);
            assert_eq!(target.metadata()?.len(), 4096 + 8_000_000);
            assert!(told.is_sorted() && told.last() == Some(&8_000_000), "{told:?}");
            let short = Transfer { len: 9_000_000, ..transfer }.run(&mut |_| {});
            assert_eq!(short.map_err(|error| error.kind()), Err(io::ErrorKind::UnexpectedEof));
        }
        Ok(())
    }
}
