//! What can go wrong, one variant per kind of answer that a caller may want to give.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// The result of every call that can fail.
///
/// # Examples
/// ```
/// use ndarray::Ix1;
/// use sharray::{Result, SharedArray};
///
/// fn mean(name: &str) -> Result<Option<f64>> {
///     let field = SharedArray::<f64, Ix1>::attach(name)?;
///     Ok(field.read()?.mean())
/// }
/// assert!(mean("not a name").is_err());
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed: which array, what was found, what was expected.
///
/// Every message is one line in lower case that names the array or the path it is about, or, where it is about none, the
/// shape, the dtype or the text that was given. New kinds may be added, so a `match` needs a wildcard arm.
///
/// # Examples
/// ```
/// use ndarray::Ix2;
/// use sharray::{Error, SharedArray};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let builder = SharedArray::<f32, Ix2>::builder().directory(&place);
/// let field = match builder.attach("field") {
///     Err(Error::NotFound { .. }) => builder.create("field", [480, 640])?,
///     other => other?,
/// };
///
/// let doubles = SharedArray::<f64, Ix2>::builder().directory(&place).attach("field");
/// match doubles {
///     Err(Error::Mismatch { found, expected, .. }) => println!("it is {found}, and was to be {expected}"),
///     other => panic!("{other:?}"),
/// }
/// assert_eq!(
///     builder.attach("camera/left").unwrap_err().to_string(),
///     format!("no array named \"camera/left\" in {}", place.path().display()),
/// );
/// # assert_eq!(field.name(), "field");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No array has this name.
    #[error("no array named {name:?} in {}", directory.display())]
    NotFound {
        /// The name asked for.
        name: String,
        /// The place that was searched.
        directory: PathBuf,
    },
    /// `create` found an array of this name; it was left as it is.
    #[error("an array named {name:?} exists already in {}", directory.display())]
    AlreadyExists {
        /// The name asked for.
        name: String,
        /// The place where it stands.
        directory: PathBuf,
    },
    /// The text is not a name, or the name is taken by something that is not an array.
    #[error("{name:?} cannot name an array: {reason}")]
    InvalidName {
        /// The text given.
        name: String,
        /// Which rule it breaks.
        reason: String,
    },
    /// The array exists, but is not of the kind, dtype, shape or order that the caller expects.
    #[error("array {name:?} is {found}, expected {expected}")]
    Mismatch {
        /// The array.
        name: String,
        /// What the caller asked for.
        expected: String,
        /// What the file says.
        found: String,
    },
    /// The file is not one of ours.
    #[error("{} is not a shared array: {reason}", path.display())]
    NotAnArray {
        /// The file.
        path: PathBuf,
        /// What gave it away.
        reason: String,
    },
    /// The file was written by a newer version of the format, or uses a feature this version does not know.
    #[error("array {name:?} has format {what} {found}, this library knows {expected}")]
    UnsupportedFormat {
        /// The array.
        name: String,
        /// `version` or `flags`.
        what: &'static str,
        /// What the file says.
        found: u32,
        /// What this library can read.
        expected: u32,
    },
    /// The file is shorter or longer than its header says, or was cut short by somebody while it was used: see
    /// [`survive_truncation`](crate::survive_truncation).
    #[error("array {name:?} is {found} bytes long, expected {expected}")]
    Truncated {
        /// The array.
        name: String,
        /// The length of the file.
        found: u64,
        /// The length that the header names.
        expected: u64,
    },
    /// The file contradicts itself. Nothing was changed.
    #[error("array {name:?} is corrupt: {reason}")]
    Corrupt {
        /// The array.
        name: String,
        /// What was found.
        reason: String,
    },
    /// A read-only attach met a file that was last used before a reboot or was copied: a writer has to open it first.
    #[error("array {name:?} was not used since the machine started: attach it once with write permission")]
    NeedsRecovery {
        /// The array.
        name: String,
    },
    /// Writing the array to the disk has failed before. What the disk has of it is not known, and the system would call a
    /// second attempt a success. A copy of the file, made now, is another array that can be made durable.
    #[error("array {name:?} could not be written to the disk before: what the disk has of it is not known")]
    DurabilityLost {
        /// The array.
        name: String,
    },
    /// The file system cannot tell living processes from dead ones, or has no files that processes can map together.
    #[error("the file system of {} cannot hold shared arrays: {reason}", path.display())]
    UnsupportedFilesystem {
        /// A file on it.
        path: PathBuf,
        /// What it does not do.
        reason: &'static str,
    },
    /// Somebody else could change the file or its folder.
    #[error("{} is not trusted: {reason}", path.display())]
    Untrusted {
        /// The file or folder.
        path: PathBuf,
        /// Who could do what.
        reason: String,
    },
    /// The file system is full: the array was not created, or the rows not appended.
    #[error("no space for array {name:?}: {bytes} bytes are needed")]
    NoSpace {
        /// The array.
        name: String,
        /// How much it needs.
        bytes: u64,
    },
    /// A table cannot have so many rows: none of those given was appended.
    #[error("table {name:?} has {len} of at most {max_len} rows, and no room for those given")]
    TableFull {
        /// The table.
        name: String,
        /// How many rows it has.
        len: usize,
        /// How many it can have.
        max_len: usize,
    },
    /// The shape describes more bytes than a process can address.
    #[error("shape {shape:?} with items of {itemsize} bytes is too large")]
    ShapeOverflow {
        /// The shape.
        shape: Vec<usize>,
        /// Bytes per item.
        itemsize: usize,
    },
    /// The shape has more dimensions than an array can have.
    #[error("shape has {ndim} dimensions, the most is {limit}")]
    TooManyDimensions {
        /// How many it has.
        ndim: usize,
        /// How many it could have.
        limit: usize,
    },
    /// An array, an option or a shape that this call cannot take.
    #[error("array {name:?} cannot be used so: {reason}")]
    InvalidArgument {
        /// The array.
        name: String,
        /// What was given and what is possible.
        reason: String,
    },
    /// A dtype that cannot be shared.
    #[error("dtype {dtype} cannot be shared: {reason}")]
    UnsupportedDtype {
        /// The dtype as it was given.
        dtype: String,
        /// Why not.
        reason: String,
    },
    /// The text before the payload is not a .npy header.
    #[error("invalid .npy header: {reason}")]
    InvalidPreamble {
        /// What was found.
        reason: String,
    },
    /// The time given was over first.
    #[error("timed out waiting for array {name:?}")]
    TimedOut {
        /// The array.
        name: String,
    },
    /// The array was unlinked: nothing new will come under this handle.
    #[error("array {name:?} was unlinked")]
    Retired {
        /// The array.
        name: String,
    },
    /// The stream has a producer, and it is alive.
    #[error("stream {name:?} has a producer: process {pid}")]
    ProducerPresent {
        /// The stream.
        name: String,
        /// The producer's process id, as it sees itself.
        pid: u32,
    },
    /// The producer ended without closing the stream. Said once; waiting again waits for a successor.
    #[error("the producer of stream {name:?} died")]
    ProducerDied {
        /// The stream.
        name: String,
    },
    /// A rank of the team died, left, or gave the round up. Said to every other rank, and again until they
    /// [reset](crate::Team::reset) the team.
    #[error("rank {rank} of team {name:?} died or left")]
    PeerDied {
        /// The team.
        name: String,
        /// The rank.
        rank: u32,
    },
    /// Somebody is this rank of the team already, and is alive.
    #[error("rank {rank} of team {name:?} is taken by process {pid}")]
    RankTaken {
        /// The team.
        name: String,
        /// The rank.
        rank: u32,
        /// Its process id, as it sees itself.
        pid: u32,
    },
    /// A rank that a [`Launcher`](crate::Launcher) had started did not end well.
    #[error("rank {rank} of team {name:?} failed: {status}")]
    RankFailed {
        /// The run.
        name: String,
        /// The first rank that failed. Others may have failed because it did.
        rank: u32,
        /// How it ended.
        status: ExitStatus,
    },
    /// Somebody pressed Ctrl-C, or ended a [`Launcher`](crate::Launcher) by another signal. All ranks have ended.
    #[error("team {name:?} was interrupted by signal {signal}")]
    Interrupted {
        /// The run.
        name: String,
        /// Which signal: 2 for Ctrl-C. By custom a program then exits with 128 more than that.
        signal: i32,
    },
    /// A lossless subscriber was evicted and lost frames. Said once; it goes on with the oldest frame still there.
    #[error("subscriber of stream {name:?} was evicted and lost {missed} frames")]
    Lagged {
        /// The stream.
        name: String,
        /// How many frames it will never see.
        missed: u64,
    },
    /// Every slot is pinned, or a lossless subscriber has not read on.
    #[error("no free slot in stream {name:?} of {slots} slots: it has to wait for processes {holders:?}")]
    NoFreeSlot {
        /// The stream.
        name: String,
        /// How many slots it has.
        slots: u32,
        /// The processes that pin slots, or that the stream waits for.
        holders: Vec<u32>,
    },
    /// This handle holds as many frames, or parts of an array, as one handle can.
    #[error("a handle of array {name:?} holds {limit} leases already: drop one, or attach another handle")]
    TooManyPins {
        /// The array.
        name: String,
        /// How many it can hold.
        limit: u32,
    },
    /// Somebody uses the blocks, and the call was not to wait.
    #[error("array {name:?} is in use: it has to wait for processes {holders:?}")]
    Locked {
        /// The array.
        name: String,
        /// The processes that write it, or, for a writer, that read it.
        holders: Vec<u32>,
    },
    /// A process died, or panicked, while it was writing: the bytes may be half old and half new. A writer can put them
    /// right and say so.
    #[error("block {block} of array {name:?} is poisoned: whoever wrote it last did not come to the end")]
    Poisoned {
        /// The array.
        name: String,
        /// The first of its blocks that is.
        block: u32,
    },
    /// The table of participants is full.
    #[error("array {name:?} has room for {limit} participants, and all of them are here")]
    TooManyParticipants {
        /// The array.
        name: String,
        /// How many it was created for.
        limit: u32,
    },
    /// Waiting would be waiting for oneself.
    #[error("waiting on array {name:?} is waiting for oneself: {reason}")]
    WouldDeadlock {
        /// The array.
        name: String,
        /// What is held already.
        reason: &'static str,
    },
    /// The handle was inherited over fork: the parent's leases are not the child's.
    #[error("array {name:?} was attached before fork: attach it again in the child")]
    Forked {
        /// The array.
        name: String,
    },
    /// The handle may only read.
    #[error("array {name:?} is attached read-only")]
    ReadOnly {
        /// The array.
        name: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// Wraps what the system said about `path`.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        Self::Io { action, path: path.into(), source: source.into() }
    }

    pub(crate) fn corrupt(name: &str, reason: impl Into<String>) -> Self {
        Self::Corrupt { name: name.to_owned(), reason: reason.into() }
    }

    pub(crate) fn invalid(name: &str, reason: impl Into<String>) -> Self {
        Self::InvalidArgument { name: name.to_owned(), reason: reason.into() }
    }
}
