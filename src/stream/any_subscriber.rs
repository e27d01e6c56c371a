//! The reading side, dtype known at run time; the typed one is a thin cover over it.

use super::frame::{AnyFrame, Lease};
use super::subscriber::SubscriberBuilder;
use crate::attachment::Attachment;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::guard::Pin;
use crate::layout::LOCK_PARTICIPANTS;
use crate::protocol::consumer::{self, Lossless, Lossy};
use crate::protocol::notify::{self, Slices};
use crate::protocol::participant::{self, Participant, Tag};
use crate::protocol::producer::{self, State};
use crate::protocol::{self, World as _};
use crate::segment::{Form, FrameHeader, Segment};
use crate::shape::Order;
use crate::sys::byte_lock;
use crate::sys::copy::AlignedBytes;
use crate::sys::futex::deadline_ns;
use std::iter::FusedIterator;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How often an onlooker tries to copy the newest frame before a producer that laps it each time.
const COPIES: u32 = 100;

/// A reader of a stream whose dtype is known at run time. See [`Subscriber`](crate::Subscriber).
///
/// # Examples
/// ```
/// use sharray::{AnyPublisher, AnySubscriber, DType};
/// use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let mut camera = AnyPublisher::builder()
///     .directory(&place)
///     .attribute("exposure_ms", 20)
///     .create("camera", &DType::U8, &[480, 640])?;
/// let mut viewer = AnySubscriber::builder().directory(&place).attach("camera")?;
/// assert_eq!((viewer.name(), viewer.dtype(), viewer.shape()), ("camera", &DType::U8, &[480, 640][..]));
/// assert_eq!((viewer.attributes()["exposure_ms"].as_i64(), viewer.sequence()), (Some(20), 0));
/// assert_eq!((viewer.order(), viewer.generation()), (camera.order(), camera.generation()));
/// assert!(!viewer.is_read_only() && !viewer.is_retired() && !viewer.is_inherited());
///
/// assert!(viewer.latest()?.is_none() && viewer.try_recv()?.is_none(), "nothing was published yet");
/// camera.loan()?.publish();
/// camera.loan()?.publish();
/// assert_eq!(viewer.recv_timeout(Duration::from_secs(1))?.expect("it is not closed").sequence(), 1);
/// assert_eq!(viewer.recv()?.expect("it is not closed").sequence(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AnySubscriber {
    attachment: Arc<Attachment>,
    mode: Mode,
    /// The end of the stream, or its producer's death, was said: what comes next is a successor.
    end_was_said: bool,
    /// The dead producer of whom that was said, where its tag is still in the role's word: an onlooker cannot take it out.
    buried: Option<Tag>,
}

/// How the frames are gone through.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Pinned in place; what came too late for is counted.
    Lossy(Participant, Lossy),
    /// Pinned in place; the publisher waits, or evicts.
    Lossless(Participant, Lossless),
    /// Copied without a lease, because the file may only be read.
    Onlooker(Lossy),
}

impl AnySubscriber {
    /// Options for a subscriber.
    pub fn builder() -> SubscriberBuilder<Self> {
        SubscriberBuilder::new()
    }

    pub(super) fn join(attachment: Attachment, is_lossless: bool, from_oldest: bool) -> Result<Self> {
        let segment = attachment.segment();
        let start = consumer::start(segment, from_oldest);
        let lossy = Lossy { next: start, missed: 0 };
        let mode = match attachment.participant() {
            Some(me) if is_lossless => {
                let joined = Lossless::join(segment, me, start).map_err(|fault| attachment.explain(fault))?;
                Mode::Lossless(me, joined)
            }
            None if is_lossless => return Err(Error::ReadOnly { name: attachment.name().to_owned() }),
            Some(me) => Mode::Lossy(me, lossy),
            None => Mode::Onlooker(lossy),
        };
        Ok(Self { attachment: Arc::new(attachment), mode, end_was_said: false, buried: None })
    }

    /// The stream's name.
    pub fn name(&self) -> &str {
        self.attachment.name()
    }

    /// The items' dtype.
    pub fn dtype(&self) -> &DType {
        &self.form().dtype
    }

    /// The declared shape: the largest that a frame may have.
    pub fn shape(&self) -> &[usize] {
        &self.form().shape
    }

    /// How the items stand in memory.
    pub fn order(&self) -> Order {
        self.form().order
    }

    /// The newest frame's sequence; 0 before the first.
    pub fn sequence(&self) -> u64 {
        consumer::newest(self.segment()).map_or(0, |frame| frame.seq)
    }

    /// The attributes that the stream was created with.
    pub fn attributes(&self) -> &serde_json::Map<String, serde_json::Value> {
        self.segment().attributes()
    }

    /// Whether frames are copied instead of pinned, because the file may only be read.
    pub fn is_read_only(&self) -> bool {
        !self.segment().is_writable()
    }

    /// Whether this process inherited the handle over fork: then it has to attach anew.
    pub fn is_inherited(&self) -> bool {
        self.segment().is_inherited()
    }

    /// Which incarnation of the name this is: unlinked and created again, an array has another one.
    pub fn generation(&self) -> [u8; 16] {
        self.attachment.segment().identity().uuid
    }

    /// Whether the stream was unlinked.
    pub fn is_retired(&self) -> bool {
        self.segment().is_retired()
    }

    pub(super) fn form(&self) -> &Form {
        self.segment().form()
    }

    pub(super) fn segment(&self) -> &Segment {
        self.attachment.segment()
    }

    /// The newest frame, whatever was received before; `None` if there is none yet. Does not wait.
    ///
    /// # Errors
    /// As [`Subscriber::latest`](crate::Subscriber::latest).
    #[inline]
    pub fn latest(&self) -> Result<Option<AnyFrame>> {
        self.attachment.enter()?;
        let segment = self.segment();
        if let Some(me) = self.attachment.participant() {
            let pin = Pin::acquire(&self.attachment, |entry| consumer::pin_newest(segment, me, entry))?;
            return self.attachment.believe(pin.map(|pin| self.frame(pin, 0)).transpose());
        }
        for _ in 0..COPIES {
            let Some(newest) = consumer::newest(segment) else { return self.attachment.believe(Ok(None)) };
            if let Some(copy) = self.copy(newest.seq).map_err(|fault| self.attachment.explain(fault))? {
                return self.attachment.believe(self.frame_of(copy, 0).map(Some));
            }
        }
        self.attachment.believe(Err(Error::TimedOut { name: self.name().to_owned() }))
    }

    /// The next frame; waits for it without limit. `None`: the producer closed the stream.
    ///
    /// # Errors
    /// As [`Subscriber::recv`](crate::Subscriber::recv).
    pub fn recv(&mut self) -> Result<Option<AnyFrame>> {
        self.recv_until(u64::MAX)
    }

    /// The next frame, if it is there; does not wait.
    ///
    /// # Errors
    /// As [`Subscriber::try_recv`](crate::Subscriber::try_recv).
    pub fn try_recv(&mut self) -> Result<Option<AnyFrame>> {
        self.attachment.enter()?;
        self.advance()
    }

    /// The next frame; waits for it at most `timeout`. `None`: the producer closed the stream.
    ///
    /// # Errors
    /// As [`Subscriber::recv_timeout`](crate::Subscriber::recv_timeout).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<AnyFrame>> {
        self.recv_until(deadline_ns(Some(timeout)))
    }

    /// The frames from now on, one after the other, until the producer closes the stream.
    pub fn frames(&mut self) -> AnyFrames<'_> {
        AnyFrames { subscriber: self, timeout: None, has_ended: false }
    }

    fn recv_until(&mut self, until_ns: u64) -> Result<Option<AnyFrame>> {
        self.attachment.enter()?;
        let attachment = Arc::clone(&self.attachment);
        let segment = attachment.segment();
        let slices = if self.is_read_only() { Slices::LOOK } else { Slices::NEWS };
        let check = |look| match self.receive_or_end(look) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(done)) => ControlFlow::Break(Ok(done)),
            Err(error) => ControlFlow::Break(Err(error)),
        };
        notify::wait(segment, segment.notify(), until_ns, slices, check)
            .unwrap_or_else(|| Err(Error::TimedOut { name: attachment.name().to_owned() }))
    }

    /// The next frame, or the end of the stream as `Some(None)`; `None` if neither came yet.
    #[allow(clippy::option_option, reason = "three answers: a frame, the end, and not yet")]
    fn receive_or_end(&mut self, look: bool) -> Result<Option<Option<AnyFrame>>> {
        if let Some(frame) = self.advance()? {
            return Ok(Some(Some(frame)));
        }
        let state = self.producer(look)?;
        if let State::Present(owner) = state {
            self.end_was_said &= self.buried == Some(owner);
        } else if !self.end_was_said {
            // What it published before it went comes first.
            if let Some(frame) = self.advance()? {
                return Ok(Some(Some(frame)));
            }
            self.end_was_said = true;
            self.buried = match producer::state(self.segment()) {
                State::Present(dead) => Some(dead),
                State::Closed | State::Dead => None,
            };
            return if state == State::Closed {
                Ok(Some(None))
            } else {
                Err(Error::ProducerDied { name: self.name().to_owned() })
            };
        }
        let is_retired = self.segment().retired().load(Relaxed) != 0 || (look && self.is_retired());
        if is_retired { Err(Error::Retired { name: self.name().to_owned() }) } else { Ok(None) }
    }

    /// What became of the producer; asks the kernel if `look` says so.
    fn producer(&self, look: bool) -> Result<State> {
        let segment = self.segment();
        let state = producer::state(segment);
        let State::Present(owner) = state else { return Ok(state) };
        if !look {
            return Ok(state);
        }
        let is_gone = if segment.is_writable() {
            participant::recover_owner(segment, segment.prod(), owner)
                .map_err(|fault| self.attachment.explain(fault))?
        } else {
            // An onlooker may not recover, but it may ask.
            let byte = owner.participant().map(|index| LOCK_PARTICIPANTS + i64::from(index));
            let is_held = byte.map(|byte| byte_lock::is_held(segment.lock_file(), byte).unwrap_or(true));
            is_held == Some(false) && producer::state(segment) == state
        };
        let now = producer::state(segment);
        Ok(if is_gone && now == state { State::Dead } else { now })
    }

    /// The sequence that comes next.
    fn next(&self) -> u64 {
        match self.mode {
            Mode::Lossy(_, lossy) | Mode::Onlooker(lossy) => lossy.next,
            Mode::Lossless(_, lossless) => lossless.next,
        }
    }

    /// Whether [`recv`](Self::recv) would return at once.
    pub(super) fn is_ready(&self, look: bool) -> Result<bool> {
        self.attachment.enter()?;
        if self.sequence() >= self.next() || self.segment().retired().load(Relaxed) != 0 {
            return Ok(true);
        }
        let has_ended = !matches!(self.producer(look)?, State::Present(_)) && !self.end_was_said;
        Ok(has_ended || (look && self.is_retired()))
    }

    /// Gets the next frame that is there.
    fn advance(&mut self) -> Result<Option<AnyFrame>> {
        // Two loads, and the common answer while waiting.
        if self.sequence() < self.next() {
            return self.attachment.believe(Ok(None));
        }
        // A copy, so that the handle can be read meanwhile; put back whatever the outcome.
        let mut mode = self.mode;
        let segment = self.segment();
        let received = match &mut mode {
            Mode::Lossy(me, lossy) => {
                let pin_at = |entry, seq| consumer::pin_at(segment, *me, entry, seq);
                Pin::acquire(&self.attachment, |entry| lossy.advance(segment, |seq| pin_at(entry, seq)))
                    .and_then(|pin| pin.map(|pin| self.frame(pin, std::mem::take(&mut lossy.missed))).transpose())
            }
            Mode::Lossless(me, lossless) => {
                Pin::acquire(&self.attachment, |entry| lossless.advance(segment, *me, entry))
                    .and_then(|pin| pin.map(|pin| self.frame(pin, 0)).transpose())
            }
            Mode::Onlooker(lossy) => lossy
                .advance(segment, |seq| self.copy(seq))
                .map_err(|fault| self.attachment.explain(fault))
                .and_then(|copy| copy.map(|copy| self.frame_of(copy, std::mem::take(&mut lossy.missed))).transpose()),
        };
        self.mode = mode;
        if matches!(received, Ok(Some(_))) {
            // Only a successor can have published it: its own end has yet to be said.
            self.end_was_said = false;
        }
        self.attachment.believe(received)
    }

    #[inline]
    fn frame(&self, (pin, seq): (Pin, u64), missed: u64) -> Result<AnyFrame> {
        let header = self.segment().read_header(pin.slot())?;
        Ok(AnyFrame::new(Lease::Pin(pin), seq, missed, header))
    }

    /// Copies frame `seq` without a lease. Its header is believed only once the whole copy is.
    fn copy(&self, seq: u64) -> protocol::Result<Option<Copied>> {
        let segment = self.segment();
        consumer::copy_at(segment, seq, |slot, is_there| {
            let header = segment.read_header(slot);
            let len = header.as_ref().map_or(0, |header| segment.frame_len(header));
            Copied { seq, header, bytes: segment.copy_payload(slot, len, is_there) }
        })
    }

    fn frame_of(&self, copy: Copied, missed: u64) -> Result<AnyFrame> {
        let header = copy.header?;
        let no_memory = || Error::io("copy a frame of", self.name(), std::io::ErrorKind::OutOfMemory);
        let bytes = copy.bytes.ok_or_else(no_memory)?;
        let lease = Lease::Copy { attachment: Arc::clone(&self.attachment), bytes };
        Ok(AnyFrame::new(lease, copy.seq, missed, header))
    }
}

impl Drop for AnySubscriber {
    fn drop(&mut self) {
        // Frames may outlive the subscriber and keep its record, but the publisher need not wait for it any more.
        if let (Mode::Lossless(me, _), false) = (self.mode, self.segment().is_inherited()) {
            // Fails only for a record that cannot be.
            _ = Lossless::leave(self.segment(), me);
        }
    }
}

/// A frame copied without a lease.
struct Copied {
    seq: u64,
    header: Result<FrameHeader>,
    /// `None` if there was no memory for it.
    bytes: Option<AlignedBytes>,
}

/// The frames of a stream, one after the other. Made by [`AnySubscriber::frames`].
///
/// It ends when the producer closes the stream. After an error it may be asked again: after a time-out for the same
/// frame, after [`Error::ProducerDied`] for a successor's.
///
/// # Examples
/// ```
/// use sharray::{AnyPublisher, AnySubscriber, DType};
/// use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let mut log = AnyPublisher::builder().directory(&place).create("log", &DType::U8, &[4])?;
/// let mut reader = AnySubscriber::builder().directory(&place).attach("log")?;
/// log.loan()?.publish();
/// log.loan()?.publish();
/// drop(log);
/// let frames: sharray::Result<Vec<_>> = reader.frames().timeout(Duration::from_secs(1)).collect();
/// assert_eq!(frames?.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AnyFrames<'s> {
    subscriber: &'s mut AnySubscriber,
    timeout: Option<Duration>,
    has_ended: bool,
}

impl AnyFrames<'_> {
    /// Waits for each frame at most so long.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl Iterator for AnyFrames<'_> {
    type Item = Result<AnyFrame>;

    fn next(&mut self) -> Option<Result<AnyFrame>> {
        if self.has_ended {
            return None;
        }
        let received = self.subscriber.recv_until(deadline_ns(self.timeout));
        self.has_ended = matches!(received, Ok(None));
        received.transpose()
    }
}

impl FusedIterator for AnyFrames<'_> {}
