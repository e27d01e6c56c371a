//! What can be told of an array without attaching to it.

use super::{Access, Directory, Name};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::layout::LOCK_PARTICIPANTS;
use crate::protocol::participant::{self, Tag};
use crate::protocol::producer::cursor;
use crate::protocol::word::Word;
use crate::protocol::{World, barrier, commit, consumer, lock};
use crate::segment::Segment;
use crate::shape::Order;
use crate::sys::byte_lock;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Who takes part in an array, as its table of participants says.
///
/// # Examples
/// ```
/// use ndarray::Ix1;
/// use sharray::{Publisher, Subscriber};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let mut camera = Publisher::<u8, Ix1>::builder().directory(&place).create("camera", [4])?;
/// let viewer = Subscriber::<u8, Ix1>::builder().directory(&place).lossless().attach("camera")?;
/// camera.loan()?.publish();
/// let frame = viewer.latest()?;
///
/// let who = place.inspect("camera")?.participants;
/// let slow: Vec<_> = who.iter().filter(|who| who.is_alive && who.behind > 0).collect();
/// assert_eq!((slow.len(), slow[0].pid, slow[0].pins), (1, std::process::id(), 1));
/// assert_eq!(who.iter().filter(|who| who.is_producer).count(), 1);
/// # drop(frame);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ParticipantInfo {
    /// Its process id, as it sees itself: in a PID namespace of its own that is another than ours.
    pub pid: u32,
    /// Whether it lives. The dead stand here until somebody recovers what they held.
    pub is_alive: bool,
    /// Which rank of a team it is; `None` in all else.
    pub rank: Option<u32>,
    /// Whether it holds the producer's role.
    pub is_producer: bool,
    /// Whether the producer waits for it.
    pub is_lossless: bool,
    /// How many published frames a lossless subscriber has not received yet; zero for everyone else.
    pub behind: u64,
    /// How many frames it looks at; of an array in place, how many parts it reads that are not the whole.
    pub pins: usize,
    /// How many leases it has for reading all of an array in place, or waits for.
    pub holds: usize,
    /// How many blocks of an array in place it writes, or has while it waits for their readers. For a cell, or a
    /// growable array, one: the role of whoever stores or appends.
    pub writes: usize,
}

/// An array seen from outside: a snapshot that attaches nothing and disturbs nobody.
///
/// # Examples
/// ```
/// use ndarray::Ix2;
/// use sharray::{DType, Kind, Publisher};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let mut camera = Publisher::<f32, Ix2>::builder().directory(&place).history(4).create("camera", [480, 640])?;
/// camera.loan()?.publish();
///
/// let info = place.inspect("camera")?;
/// assert_eq!((info.kind, &info.dtype, &info.shape[..]), (Kind::Stream, &DType::F32, &[480, 640][..]));
/// assert_eq!((info.sequence, info.history, info.is_closed), (1, 4, false));
/// assert_eq!(info.producer().map(|producer| producer.pid), Some(std::process::id()));
/// println!("np.memmap({:?}, {:?}, \"r\", {}, ...)", info.path, info.dtype.descr(), info.data_offset);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Info {
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// Its kind.
    pub kind: Kind,
    /// Its dtype.
    pub dtype: DType,
    /// Its shape; for a stream, the largest that a frame may have; for a growable array, with as many rows as there are.
    pub shape: Vec<usize>,
    /// How it stands in memory.
    pub order: Order,
    /// The length of its file in bytes.
    pub file_len: u64,
    /// How many slots it has; of a team, its size.
    pub slots: u32,
    /// How many of the newest frames a stream names.
    pub history: u32,
    /// The newest frame of a stream, zero before the first; of an array in place or a cell, what its handles call the
    /// [`sequence`](crate::AnyArray::sequence); of a team, how many rounds have passed, modulo two to the power of 21.
    pub sequence: u64,
    /// How many blocks it has, each with a lock of its own. A cell has one, a stream none.
    pub blocks: u32,
    /// The blocks whose last write did not come to the end, in rising order: nobody can read them until somebody has
    /// put them right. A block whose writer has died is among them from when this is found out.
    pub poisoned: Vec<u32>,
    /// How many rows a growable array can have.
    pub max_len: Option<usize>,
    /// The newest frame of a stream that was committed, or how many rows of a growable array were; zero if there are none, or if
    /// nobody has used it since the machine started.
    pub committed: u64,
    /// When it was created.
    pub created: SystemTime,
    /// Who takes part.
    pub participants: Vec<ParticipantInfo>,
    /// Whether the stream's last producer closed it.
    pub is_closed: bool,
    /// Whether a rank of the team died or left, or a time was over, and it has not been reset since.
    pub is_broken: bool,
    /// Whether it was unlinked.
    pub is_retired: bool,
    /// Where its payload starts in the file.
    pub data_offset: u64,
    /// Where the .npy stream starts that ends the file: NumPy alone can read the payload from here.
    pub npy_offset: u64,
    /// Which incarnation of the name this is.
    pub generation: [u8; 16],
    /// The attributes it was created with, as JSON.
    pub attributes: serde_json::Map<String, serde_json::Value>,
}

impl Info {
    /// The living producer of a stream.
    pub fn producer(&self) -> Option<&ParticipantInfo> {
        self.participants.iter().find(|participant| participant.is_producer && participant.is_alive)
    }
}

impl Directory {
    /// Tells about one array. Attaches nothing, and needs no more than permission to read.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotAnArray`], [`Error::Corrupt`], [`Error::Truncated`] and
    /// [`Error::UnsupportedFormat`] for files that cannot be attached either; [`Error::Io`].
    pub fn inspect(&self, name: &str) -> Result<Info> {
        let name = Name::parse(name)?;
        let file = self.open_file(&name, Access::ReadOnly)?.file;
        let segment = Segment::open(name.as_str(), &file, false)?;
        let info = look(&segment, self.path().join(name.as_str()));
        segment.check_whole()?;
        Ok(info)
    }

    /// Tells about every array here, in the order of their names. What is not an array is passed over.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder itself cannot be read.
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let builder = sharray::SharedArray::<f64, Ix1>::builder().directory(&place);
    /// let (b, a) = (builder.create("b", [1])?, builder.create("a", [1])?);
    /// let names: Vec<String> = place.list()?.into_iter().map(|info| info.name).collect();
    /// assert_eq!(names, ["a", "b"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn list(&self) -> Result<Vec<Info>> {
        let mut found = Vec::new();
        self.visit(self.path(), &mut |path| {
            let name = path.strip_prefix(self.path()).ok().and_then(Path::to_str);
            found.extend(name.and_then(|name| self.inspect(name).ok()));
        })?;
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// Calls `visit` with every file below `folder`.
    pub(super) fn visit(&self, folder: &Path, visit: &mut impl FnMut(&Path)) -> Result<()> {
        let entries = match std::fs::read_dir(folder) {
            // It went with its last array, or it is somebody else's.
            Err(_) if folder != self.path() => return Ok(()),
            other => other.map_err(|error| Error::io("read the folder", folder, error))?,
        };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.visit(&entry.path(), visit)?,
                Ok(kind) if kind.is_file() => visit(&entry.path()),
                _ => {}
            }
        }
        Ok(())
    }
}

fn look(segment: &Segment, path: PathBuf) -> Info {
    let (identity, form) = (segment.identity(), segment.form());
    let (is_stream, is_table) = (form.kind == Kind::Stream, form.kind == Kind::Growable);
    // What a reboot or a copy has made worthless is not shown.
    let is_current = segment.is_current();
    let prod = Tag::from_bits(if is_stream && is_current { Word::load(segment.prod(), Relaxed) } else { 0 });
    let sequence = match form.kind {
        Kind::Stream if is_current => consumer::newest(segment).map_or(0, |frame| frame.seq),
        Kind::Team if is_current => u64::from(barrier::passed(segment)),
        Kind::Stream | Kind::Team => 0,
        // The numbers of blocks stay with their bytes.
        _ => lock::sequence(segment),
    };
    // Before the rows are counted, of which no more can be durable than there are.
    let committed = if (is_stream || is_table) && is_current { commit::durable(segment).seq } else { 0 };
    let mut shape = form.shape.clone();
    if let (true, Some(rows)) = (is_table, shape.first_mut()) {
        *rows = if is_current { segment.rows().unwrap_or(0) as usize } else { 0 };
    }
    Info {
        name: segment.name().to_owned(),
        path,
        kind: form.kind,
        dtype: form.dtype.clone(),
        shape,
        order: form.order,
        file_len: identity.file_len,
        slots: identity.nslots,
        history: identity.ring,
        sequence,
        blocks: segment.blocks(),
        poisoned: poisoned(segment),
        max_len: is_table.then(|| segment.extent().max_len as usize),
        committed,
        created: UNIX_EPOCH + Duration::from_nanos(identity.created_ns),
        participants: if is_current { participants(segment, prod, sequence) } else { Vec::new() },
        is_closed: prod == Tag::CLOSED,
        is_broken: form.kind == Kind::Team && is_current && barrier::breach(segment).is_some(),
        is_retired: is_current && segment.is_retired(),
        data_offset: identity.data_off,
        npy_offset: identity.preamble.off,
        generation: identity.uuid,
        attributes: segment.attributes().clone(),
    }
}

fn poisoned(segment: &Segment) -> Vec<u32> {
    let is_poisoned = |at: &u32| segment.block(*at).is_some_and(|block| Word::load(block.poison, Relaxed) != 0);
    (0..segment.blocks()).filter(is_poisoned).collect()
}

fn participants(segment: &Segment, prod: Tag, newest: u64) -> Vec<ParticipantInfo> {
    let mut found = Vec::new();
    let writers = || (0..segment.blocks()).map_while(|block| segment.block(block)).map(|block| block.wr);
    let owners: Vec<_> = writers().filter_map(|wr| Tag::from_bits(Word::load(wr, Relaxed)).participant()).collect();
    participant::scan(segment, |index, record| {
        let byte = LOCK_PARTICIPANTS + i64::from(index);
        let cursor = record.cursor.load(Relaxed);
        let is_lossless = cursor & cursor::ACTIVE != 0;
        found.push(ParticipantInfo {
            pid: segment.process(index).pid,
            is_alive: byte_lock::is_held(segment.lock_file(), byte).unwrap_or(true),
            rank: (segment.form().kind == Kind::Team).then_some(index),
            is_producer: prod.participant() == Some(index),
            is_lossless,
            behind: if is_lossless { (newest + 1).saturating_sub(cursor::next(cursor)) } else { 0 },
            pins: record.pins.iter().filter(|pin| Word::load(*pin, Relaxed) != 0).count(),
            holds: Word::load(record.holds, Relaxed) as usize,
            writes: owners.iter().filter(|owner| **owner == index).count(),
        });
    });
    found
}
