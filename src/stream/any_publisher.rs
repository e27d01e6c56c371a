//! The publishing side, dtype known at run time; the typed one is a thin cover over it.

use super::frame::AnyFrame;
use super::owned_loan::OwnedLoan;
use super::publisher::{Backpressure, PublisherBuilder};
use crate::attachment::{Attachment, OwnPins};
use crate::commit;
use crate::directory::{Creation, Directory};
use crate::dtype::DType;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::expect::{check_dtype, check_kind};
use crate::guard::{LoanedSlot, Pin};
use crate::kind::Kind;
use crate::protocol::notify::{self, Slices};
use crate::protocol::participant::{self, Participant, Tag};
use crate::protocol::producer::Producer;
use crate::protocol::{self, Descriptor, Fault, World as _, consumer};
use crate::segment::{Form, FrameHeader, Segment};
use crate::shape::Order;
use crate::sys::futex::{self, deadline_ns};
use crate::view;
use ndarray::{ArrayView, ArrayViewMut, Dimension};
use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often whoever wants the producer's role looks whether the one who has it lives, and how long it waits between.
const LOOKS: u32 = 10;
const PAUSE: Duration = Duration::from_micros(200);

/// Fills the first frame of a new stream.
pub(super) type Fill<'f> = &'f dyn Fn(&mut AnyLoan<'_>) -> Result<()>;

/// The one process that fills a stream, with a dtype chosen at run time. See [`Publisher`](crate::Publisher).
///
/// # Examples
/// ```
/// use sharray::{AnyPublisher, AnySubscriber, DType};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let mut camera = AnyPublisher::builder().directory(&place).create("camera", &DType::parse("<u2")?, &[2, 3])?;
/// assert_eq!((camera.name(), camera.dtype(), camera.shape()), ("camera", &DType::U16, &[2, 3][..]));
///
/// let mut frame = camera.loan()?;
/// frame.bytes_mut().fill(0xff);
/// assert_eq!(frame.publish(), 1);
///
/// let viewer = AnySubscriber::builder().directory(&place).attach("camera")?;
/// assert_eq!(viewer.latest()?.expect("one was published").bytes(), [0xff; 12]);
/// assert_eq!((camera.order(), camera.sequence()), (viewer.order(), viewer.sequence()));
/// assert_eq!(camera.generation(), viewer.generation());
/// assert!(!camera.is_retired() && !camera.is_inherited());
/// assert_eq!(camera.commit()?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AnyPublisher {
    attachment: Arc<Attachment>,
    producer: Producer,
    backpressure: Backpressure,
    has_failed: bool,
}

impl AnyPublisher {
    /// Options for a new stream, or for taking one over.
    pub fn builder() -> PublisherBuilder<Self> {
        PublisherBuilder::new()
    }

    /// Creates the stream, and publishes its first frame, if one is given, before the name appears.
    pub(super) fn create(
        directory: &Directory,
        name: &str,
        creation: &Creation<'_>,
        backpressure: Backpressure,
        first: Option<Fill<'_>>,
    ) -> Result<Self> {
        check_dtype(&creation.spec.form.dtype)?;
        directory.create(name, creation, |attachment| {
            let mut publisher = Self::attach(attachment, backpressure, |_| Ok(()))?;
            if let Some(fill) = first {
                let mut loan = publisher.try_loan()?;
                fill(&mut loan)?;
                loan.publish();
            }
            Ok(publisher)
        })
    }

    /// Takes over a stream that is there, if `check` lets it pass: once the role is taken, the stream has changed.
    pub(super) fn attach(
        attachment: Attachment,
        backpressure: Backpressure,
        check: impl FnOnce(&Form) -> Result<()>,
    ) -> Result<Self> {
        check_kind(attachment.name(), attachment.segment().form(), Kind::Stream)?;
        check(attachment.segment().form())?;
        let me = attachment.writer()?;
        let producer = claim(attachment.segment(), me).map_err(|fault| attachment.explain(fault))?;
        Ok(Self { attachment: Arc::new(attachment), producer, backpressure, has_failed: false })
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
        self.producer.newest()
    }

    /// Whether this process inherited the handle over fork: then it has to attach anew.
    pub fn is_inherited(&self) -> bool {
        self.attachment.segment().is_inherited()
    }

    /// Which incarnation of the name this is: unlinked and created again, an array has another one.
    pub fn generation(&self) -> [u8; 16] {
        self.attachment.segment().identity().uuid
    }

    /// Whether the stream was unlinked: those who are attached still get frames, nobody else can attach.
    pub fn is_retired(&self) -> bool {
        self.attachment.segment().is_retired()
    }

    pub(super) fn form(&self) -> &Form {
        self.attachment.segment().form()
    }

    /// Goes without closing the stream, as a panic does: subscribers are told that their producer died.
    ///
    /// # Examples
    /// ```
    /// use ndarray::Ix1;
    /// use sharray::{AnyPublisher, DType, Error, Subscriber};
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let camera = AnyPublisher::builder().directory(&place).create("camera", &DType::U8, &[4])?;
    /// let mut viewer = Subscriber::<u8, Ix1>::builder().directory(&place).attach("camera")?;
    /// camera.fail();
    /// assert!(matches!(viewer.recv(), Err(Error::ProducerDied { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fail(mut self) {
        self.has_failed = true;
    }

    /// Takes a free slot; waits without limit until there is one.
    ///
    /// # Errors
    /// As [`Publisher::loan`](crate::Publisher::loan).
    pub fn loan(&mut self) -> Result<AnyLoan<'_>> {
        self.loan_until(None)
    }

    /// Takes a free slot; does not wait.
    ///
    /// # Errors
    /// As [`Publisher::try_loan`](crate::Publisher::try_loan).
    pub fn try_loan(&mut self) -> Result<AnyLoan<'_>> {
        self.loan_until(Some(Duration::ZERO))
    }

    /// Takes a free slot; waits for one at most `timeout`.
    ///
    /// # Errors
    /// As [`Publisher::loan_timeout`](crate::Publisher::loan_timeout).
    pub fn loan_timeout(&mut self, timeout: Duration) -> Result<AnyLoan<'_>> {
        self.loan_until(Some(timeout))
    }

    fn loan_until(&mut self, timeout: Option<Duration>) -> Result<AnyLoan<'_>> {
        let slot = self.within(timeout, Producer::loan)?;
        let Self { attachment, producer, .. } = self;
        let slot = LoanedSlot::new(attachment.segment(), slot);
        Ok(AnyLoan { attachment, producer, slot, header: FrameHeader::default(), is_published: false })
    }

    /// Takes a free slot with a loan that does not borrow the publisher: for those who cannot, as bindings to other
    /// languages and futures cannot. `timeout` bounds the wait; of zero, it does not wait.
    ///
    /// There may be several; the publisher takes part with one of its pins for each. What was loaned is published by
    /// [`publish_owned`](Self::publish_owned), in any order, or dropped, on any thread, before or after the publisher.
    ///
    /// # Errors
    /// As [`Publisher::loan`](crate::Publisher::loan); [`Error::TooManyPins`] with eight loans and frames of them.
    ///
    /// # Examples
    /// ```
    /// use sharray::{AnyPublisher, DType};
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let mut camera = AnyPublisher::builder().directory(&place).create("camera", &DType::U8, &[4])?;
    /// let at_once = Some(Duration::ZERO);
    /// let (first, second) = (camera.loan_owned(at_once)?, camera.loan_owned(at_once)?);
    /// assert_eq!(camera.publish_owned(second, at_once)?.sequence(), 1);
    /// let mut kept = Some(first);
    /// assert_eq!(camera.publish_from(&mut kept, at_once)?.sequence(), 2);
    /// assert!(kept.is_none(), "it was published, so it is gone");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn loan_owned(&mut self, timeout: Option<Duration>) -> Result<OwnedLoan> {
        let entry = self.attachment.take_pin()?;
        let loaned = self.within(timeout, Producer::loan).and_then(|slot| {
            let kept = self.producer.keep(self.attachment.segment(), slot, entry);
            kept.map(|()| slot).map_err(|fault| self.attachment.explain(fault))
        });
        match loaned {
            Ok(slot) => Ok(OwnedLoan::new(Pin::of_kept(&self.attachment, slot, entry), self.producer.newest() + 1)),
            Err(error) => {
                self.attachment.return_pin(entry);
                Err(error)
            }
        }
    }

    /// Publishes such a loan, and returns the frame: the slot stays as it is while that lives.
    ///
    /// It waits, at most `timeout`, only if something else was published since the slot was loaned: for lossless
    /// subscribers, as [`Backpressure`] says.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a loan of another publisher; [`Error::Forked`]; and those of a loan that has to
    /// wait. Nothing is published then.
    pub fn publish_owned(&mut self, loan: OwnedLoan, timeout: Option<Duration>) -> Result<AnyFrame> {
        self.publish_from(&mut Some(loan), timeout)
    }

    /// As [`publish_owned`](Self::publish_owned), but takes the loan only if it is published: refused, it is still there,
    /// and so are its bytes, for those who have pointers to them.
    ///
    /// # Errors
    /// As [`publish_owned`](Self::publish_owned); [`Error::InvalidArgument`] if there is no loan.
    pub fn publish_from(&mut self, loan: &mut Option<OwnedLoan>, timeout: Option<Duration>) -> Result<AnyFrame> {
        let Some(mut kept) = loan.take() else {
            return Err(Error::invalid(self.name(), "there is no loan to publish"));
        };
        match self.publish_kept(&mut kept, timeout) {
            Ok(sequence) => {
                let (pin, header) = kept.into_parts();
                Ok(AnyFrame::of_publisher(pin, sequence, header))
            }
            Err(error) => {
                *loan = Some(kept);
                Err(error)
            }
        }
    }

    /// Makes the newest frame durable, and returns its sequence; 0 if there is none yet.
    ///
    /// # Errors
    /// As [`Publisher::commit`](crate::Publisher::commit).
    pub fn commit(&mut self) -> Result<u64> {
        self.attachment.enter()?;
        let me = self.attachment.writer()?;
        let segment = self.attachment.segment();
        let pinned = Pin::acquire(&self.attachment, |entry| consumer::pin_newest(segment, me, entry))?;
        let Some((pin, seq)) = pinned else { return Ok(0) };
        commit::commit(segment, Descriptor { seq, slot: pin.slot() })?;
        Ok(seq)
    }

    fn publish_kept(&mut self, loan: &mut OwnedLoan, timeout: Option<Duration>) -> Result<u64> {
        if !Arc::ptr_eq(loan.pin().attachment(), &self.attachment) {
            return Err(Error::invalid(self.name(), "the loan is of another publisher"));
        }
        self.attachment.enter()?;
        if loan.sequence() != self.producer.newest() + 1 {
            self.within(timeout, Producer::make_way)?;
        }
        stamp(loan.header_mut());
        let (segment, slot) = (self.attachment.segment(), loan.pin().slot());
        // Cannot fail: the slot was checked when it was loaned.
        _ = segment.write_header(slot, loan.header());
        // What was filled in may be nowhere.
        segment.check_whole()?;
        let published = self.producer.publish_kept(segment, slot).map_err(|fault| self.attachment.explain(fault));
        self.attachment.believe(published)
    }

    /// Asks the producer for what needs room: `ask` is told whether to evict. At once, if there is room.
    fn within<R>(
        &mut self,
        timeout: Option<Duration>,
        ask: impl Fn(&mut Producer, &Segment, bool) -> protocol::Result<R>,
    ) -> Result<R> {
        self.attachment.enter()?;
        let evict = self.backpressure == Backpressure::Evict;
        let done = match ask(&mut self.producer, self.attachment.segment(), evict) {
            Err(Fault::AllPinned | Fault::Behind(_)) => self.wait_for_room(timeout, ask),
            done => done.map_err(|fault| self.attachment.explain(fault)),
        };
        self.attachment.believe(done)
    }

    /// The slow path: looks for dead holders first, then waits until someone gives something back.
    fn wait_for_room<R>(
        &mut self,
        timeout: Option<Duration>,
        ask: impl Fn(&mut Producer, &Segment, bool) -> protocol::Result<R>,
    ) -> Result<R> {
        let Self { attachment, producer, backpressure, .. } = self;
        let segment = attachment.segment();
        let me = attachment.writer()?;
        let evict = *backpressure == Backpressure::Evict;
        let last = Cell::new(Fault::AllPinned);
        let mut own = OwnPins::default();
        let mut attempt = |look: bool| {
            let recovered = if look { participant::recover_dead(segment, me) } else { Ok(()) };
            if let Err(fault) = recovered {
                return ControlFlow::Break(Err(attachment.explain(fault)));
            }
            match ask(producer, segment, evict) {
                Ok(done) => ControlFlow::Break(Ok(done)),
                Err(Fault::AllPinned) if look && timeout.is_none() && own.are_stuck(segment, producer.candidates()) => {
                    let reason = "for a second this process has held the frames in all slots";
                    ControlFlow::Break(Err(Error::WouldDeadlock { name: attachment.name().to_owned(), reason }))
                }
                Err(fault @ (Fault::AllPinned | Fault::Behind(_))) => {
                    if let Err(error) = segment.check_whole() {
                        return ControlFlow::Break(Err(error));
                    }
                    last.set(fault);
                    if look && segment.is_retired() {
                        return ControlFlow::Break(Err(Error::Retired { name: attachment.name().to_owned() }));
                    }
                    ControlFlow::Continue(())
                }
                Err(fault) => ControlFlow::Break(Err(attachment.explain(fault))),
            }
        };
        let until_ns = deadline_ns(timeout);
        if let ControlFlow::Break(done) = attempt(true) {
            return match done {
                // Gone but for those attached: that is no reason to refuse what need not wait.
                Err(Error::Retired { .. }) if until_ns == 0 => Err(no_free_slot(attachment, last.get())),
                done => done,
            };
        }
        let may_wait =
            until_ns > 0 && !(*backpressure == Backpressure::Error && matches!(last.get(), Fault::Behind(_)));
        if !may_wait {
            return Err(no_free_slot(attachment, last.get()));
        }
        notify::wait(segment, segment.room(), until_ns, Slices::ROOM, attempt)
            .unwrap_or_else(|| Err(Error::TimedOut { name: attachment.name().to_owned() }))
    }
}

/// Takes the producer's role. Looks several times before it believes that the producer lives: while somebody else makes
/// sure that it is dead, its kernel lock is taken too.
fn claim(segment: &Segment, me: Participant) -> protocol::Result<Producer> {
    for _ in 1..LOOKS {
        match Producer::claim(segment, me) {
            Err(Fault::ProducerPresent(_)) => std::thread::sleep(PAUSE),
            done => return done,
        }
    }
    Producer::claim(segment, me)
}

fn no_free_slot(attachment: &Attachment, fault: Fault) -> Error {
    let holders = attachment.holders(fault).iter().map(|holder| holder.pid).collect();
    Error::NoFreeSlot { name: attachment.name().to_owned(), slots: attachment.segment().slots(), holders }
}

impl Drop for AnyPublisher {
    fn drop(&mut self) {
        if !self.attachment.segment().is_inherited() {
            let has_failed = self.has_failed || std::thread::panicking();
            let last_word = if has_failed { Tag::FREE } else { Tag::CLOSED };
            self.producer.leave(self.attachment.segment(), last_word);
        }
    }
}

/// A slot that is the publisher's alone, until it is published or dropped. See [`Loan`](crate::Loan).
///
/// # Examples
/// ```
/// use ndarray::Ix2;
/// use sharray::{AnyPublisher, AnySubscriber, DType};
/// use std::time::SystemTime;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let mut camera = AnyPublisher::builder().directory(&place).create("camera", &DType::F32, &[480, 640])?;
/// let mut loan = camera.try_loan()?;
/// assert_eq!((loan.dtype(), loan.shape(), loan.sequence()), (&DType::F32, &[480, 640][..], 1));
/// loan.set_shape(&[2, 3])?;                           // this frame is smaller than declared
/// loan.set_time(SystemTime::now());
/// loan.set_tags([17, 0]);
/// loan.view_mut::<f32, Ix2>().expect("it is one of f32").fill(0.5);
/// assert_eq!(loan.view::<f32, Ix2>().expect("it is one of f32").sum(), 3.0);
/// assert_eq!(loan.bytes().len(), 2 * 3 * 4);
/// loan.publish();
///
/// let viewer = AnySubscriber::builder().directory(&place).attach("camera")?;
/// let frame = viewer.latest()?.expect("one was published");
/// assert_eq!((frame.shape(), frame.tags()), (&[2, 3][..], [17, 0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AnyLoan<'p> {
    attachment: &'p Attachment,
    producer: &'p mut Producer,
    slot: LoanedSlot<'p>,
    header: FrameHeader,
    is_published: bool,
}

impl AnyLoan<'_> {
    fn form(&self) -> &Form {
        self.attachment.segment().form()
    }

    /// The items' dtype.
    pub fn dtype(&self) -> &DType {
        &self.form().dtype
    }

    /// The frame's shape: the declared one, until [`set_shape`](Self::set_shape).
    pub fn shape(&self) -> &[usize] {
        self.header.shape.as_deref().unwrap_or(&self.form().shape)
    }

    /// The number that the frame will have.
    pub fn sequence(&self) -> u64 {
        self.producer.newest() + 1
    }

    /// Makes the frame smaller than declared. It is packed: the items stand without gaps at the slot's start.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the number of dimensions differs, or if it would need more bytes than declared.
    pub fn set_shape(&mut self, shape: &[usize]) -> Result<()> {
        set_shape(&mut self.header, self.attachment.segment(), shape)
    }

    /// Says when the frame was acquired: what [`Frame::time`](crate::AnyFrame::time) answers. Times before 1970 are 1970.
    pub fn set_time(&mut self, time: SystemTime) {
        set_time(&mut self.header, time);
    }

    /// Attaches two numbers to the frame: a position, an exposure, an index; their meaning is the caller's.
    pub fn set_tags(&mut self, tags: [u64; 2]) {
        self.header.tags = tags;
    }

    /// The frame's bytes. At first they are whatever an earlier frame left in the slot.
    pub fn bytes(&self) -> &[u8] {
        self.slot.bytes(self.len())
    }

    /// The frame's bytes, to fill.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let len = self.len();
        self.slot.bytes_mut(len)
    }

    fn len(&self) -> usize {
        // No more than the declared size: `set_shape` checked.
        self.shape().iter().product::<usize>() * self.dtype().itemsize()
    }

    /// The array, if it is one of `T` with the dimensions of `D`.
    pub fn view<T: Element, D: Dimension>(&self) -> Option<ArrayView<'_, T, D>> {
        if *self.dtype() != T::dtype() {
            return None;
        }
        view::view(self.bytes(), self.shape(), self.form().order)
    }

    /// The array to fill, if it is one of `T` with the dimensions of `D`.
    pub fn view_mut<T: Element, D: Dimension>(&mut self) -> Option<ArrayViewMut<'_, T, D>> {
        if *self.dtype() != T::dtype() {
            return None;
        }
        let (shape, order) = (self.shape().to_vec(), self.form().order);
        view::view_mut(self.bytes_mut(), &shape, order)
    }

    /// Makes the frame the stream's newest, wakes whoever waits for it, and returns its sequence.
    ///
    /// In a forked child it publishes nothing and returns 0: the stream is its parent's. So it does if somebody cut the file
    /// short: the next loan says so.
    pub fn publish(mut self) -> u64 {
        let segment = self.attachment.segment();
        if segment.is_inherited() || segment.check_whole().is_err() {
            return 0;
        }
        self.is_published = true;
        stamp(&mut self.header);
        // Neither can fail: the slot was checked when it was loaned.
        _ = segment.write_header(self.slot.slot(), &self.header);
        self.producer.publish(segment, self.slot.slot()).unwrap_or(0)
    }
}

pub(super) fn set_shape(header: &mut FrameHeader, segment: &Segment, shape: &[usize]) -> Result<()> {
    if !segment.fits(shape) {
        let declared = &segment.form().shape;
        let reason = format!("a frame of shape {shape:?} does not fit the declared shape {declared:?}");
        return Err(Error::invalid(segment.name(), reason));
    }
    header.shape = (shape != segment.form().shape).then(|| shape.into());
    Ok(())
}

pub(super) fn set_time(header: &mut FrameHeader, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    // Zero says that nothing was said.
    header.acquired_ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX).max(1);
}

/// Says when the frame is published: now.
fn stamp(header: &mut FrameHeader) {
    header.monotonic_ns = futex::now_ns();
    header.time_ns = futex::wall_ns();
}

impl Drop for AnyLoan<'_> {
    fn drop(&mut self) {
        let segment = self.attachment.segment();
        if !self.is_published && !segment.is_inherited() {
            // Cannot fail: the slot was checked when it was loaned.
            _ = self.producer.abort(segment, self.slot.slot());
        }
    }
}
