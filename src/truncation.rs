//! What happens to whoever uses a file that somebody else cuts short.

use crate::error::{Error, Result};
use crate::sys::sigbus;

/// Makes this process survive it when somebody cuts short a file that it has mapped: [`Error::Truncated`] instead of death.
///
/// Nobody who follows the protocol ever makes a file shorter, but anything that may write it can: `cp` onto it, an editor,
/// `np.memmap(..., mode="w+")`. The bytes that are gone cannot be touched any more, and by itself the kernel ends whoever does
/// (SIGBUS). After this call they read as zeros, and what is written there goes nowhere. Every call that returns a
/// [`Result`] and used such bytes, and every later one on that handle, answers [`Error::Truncated`]; what a view or guard
/// showed in the meantime is to be asked about with `check_whole`, of [`AnyArray`](crate::AnyArray::check_whole),
/// [`AnyFrame`](crate::AnyFrame::check_whole), [`AnyCell`](crate::AnyCell::check_whole) or
/// [`AnyMemmap`](crate::AnyMemmap::check_whole). Where bytes could not be had for another reason, because the disk failed, it is
/// [`Error::Io`]. Attaching anew works again once the file is whole.
///
/// It is for maps of this library alone, those that are there and those to come. It installs a handler for SIGBUS, which stays
/// until the process ends, and passes every other fault on to the handler that was there: of Rust's runtime, a crash
/// reporter, Python's faulthandler. If one that is installed later stands in front, the next attach puts ours in front again;
/// until then that one is asked first, and it is enough that it passes on, or puts back what was there and raises the signal
/// again. Forked children inherit all of it; another program that is executed does not.
///
/// It is a choice because a handler for a signal is the whole process's business; the Python package makes it when it is
/// imported. It costs one system call at each attach, and nothing else until a file is cut; then some 10 us for each such
/// file, or, where a disk fails, page. Calling it again does nothing.
///
/// # Errors
/// [`Error::Io`] if the system refuses to tell who handles the signal, which only a sandbox does.
///
/// # Examples
/// ```
/// use ndarray::Ix1;
/// use sharray::{Error, SharedArray};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// sharray::survive_truncation()?;
/// let field = SharedArray::<f64, Ix1>::builder().directory(&place).create("field", [100_000])?;
///
/// // Somebody else, by mistake:
/// std::fs::File::create(place.path().join("field"))?;
///
/// assert!(matches!(field.snapshot(), Err(Error::Truncated { found: 0, .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn survive_truncation() -> Result<()> {
    sigbus::install().map_err(|error| Error::io("handle", "SIGBUS", error))
}
