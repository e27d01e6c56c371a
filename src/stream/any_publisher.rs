//! The publishing side, dtype known at run time; the typed one is a thin cover over it.

use super::publisher::{Backpressure, PublisherBuilder};
use crate::attachment::{Attachment, OwnPins};
use crate::directory::{Creation, Directory};
use crate::dtype::DType;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::expect::{check_dtype, check_kind};
use crate::guard::LoanedSlot;
use crate::kind::Kind;
use crate::protocol::notify::{self, Slices};
use crate::protocol::participant::{self, Participant, Tag};
use crate::protocol::producer::Producer;
use crate::protocol::{self, Fault, World as _};
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
#[derive(Debug)]
pub struct AnyPublisher {
    attachment: Arc<Attachment>,
    producer: Producer,
    backpressure: Backpressure,
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
        Ok(Self { attachment: Arc::new(attachment), producer, backpressure })
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

    /// Whether the stream was unlinked: those who are attached still get frames, nobody else can attach.
    pub fn is_retired(&self) -> bool {
        self.attachment.segment().is_retired()
    }

    pub(super) fn form(&self) -> &Form {
        self.attachment.segment().form()
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
        self.attachment.enter()?;
        let segment = self.attachment.segment();
        let evict = self.backpressure == Backpressure::Evict;
        let slot = match self.producer.loan(segment, evict) {
            Ok(slot) => slot,
            Err(Fault::AllPinned | Fault::Behind(_)) => self.wait_for_slot(timeout)?,
            Err(fault) => return Err(self.attachment.explain(fault)),
        };
        let Self { attachment, producer, .. } = self;
        let slot = LoanedSlot::new(attachment.segment(), slot);
        Ok(AnyLoan { attachment, producer, slot, header: FrameHeader::default(), is_published: false })
    }

    /// The slow path: looks for dead holders first, then waits until someone gives something back.
    fn wait_for_slot(&mut self, timeout: Option<Duration>) -> Result<u32> {
        let Self { attachment, producer, backpressure } = self;
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
            match producer.loan(segment, evict) {
                Ok(slot) => ControlFlow::Break(Ok(slot)),
                Err(Fault::AllPinned) if look && timeout.is_none() && own.are_stuck(segment, producer.candidates()) => {
                    let reason = "for a second this process has held the frames in all slots";
                    ControlFlow::Break(Err(Error::WouldDeadlock { name: attachment.name().to_owned(), reason }))
                }
                Err(fault @ (Fault::AllPinned | Fault::Behind(_))) => {
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
            let last_word = if std::thread::panicking() { Tag::FREE } else { Tag::CLOSED };
            self.producer.leave(self.attachment.segment(), last_word);
        }
    }
}

/// A slot that is the publisher's alone, until it is published or dropped. See [`Loan`](crate::Loan).
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
        let segment = self.attachment.segment();
        if !segment.fits(shape) {
            let declared = &segment.form().shape;
            let reason = format!("a frame of shape {shape:?} does not fit the declared shape {declared:?}");
            return Err(Error::invalid(segment.name(), reason));
        }
        self.header.shape = (shape != segment.form().shape).then(|| shape.into());
        Ok(())
    }

    /// Says when the frame was acquired: what [`Frame::time`](crate::AnyFrame::time) answers. Times before 1970 are 1970.
    pub fn set_time(&mut self, time: SystemTime) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Zero says that nothing was said.
        self.header.acquired_ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX).max(1);
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
    /// In a forked child it publishes nothing and returns 0: the stream is its parent's.
    pub fn publish(mut self) -> u64 {
        self.is_published = true;
        let segment = self.attachment.segment();
        if segment.is_inherited() {
            return 0;
        }
        self.header.monotonic_ns = futex::now_ns();
        self.header.time_ns = futex::wall_ns();
        // Neither can fail: the slot was checked when it was loaned.
        _ = segment.write_header(self.slot.slot(), &self.header);
        self.producer.publish(segment, self.slot.slot()).unwrap_or(0)
    }
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
