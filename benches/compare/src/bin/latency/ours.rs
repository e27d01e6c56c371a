//! sharray: cells, arrays and streams.

use crate::talk::{Channel, Message, Side};
use ndarray::Ix1;
use sharray::{CellWriter, Directory, Publisher, SharedArray, SharedCell, Subscriber};
use sharray_compare::{Outcome, Part};
use std::hint;
use std::time::Duration;

/// How long the other side's part of a channel may take to appear, and a message to come.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) type Cell = SharedCell<Message>;

/// Creates the cell that this side writes, attaches to the other one, and calls `talk` with both.
pub(crate) fn with_cells(part: &Part, side: Side, talk: impl FnOnce(&Cell, &Cell) -> Outcome) -> Outcome {
    let place = Directory::open(&part.folder)?;
    let out = Cell::builder().directory(&place).create(side.outward(), [0; 8])?;
    let back = Cell::builder().directory(&place).wait(PATIENCE).attach(side.inward())?;
    talk(&out, &back)
}

/// A cell whose writer is kept, and one that is loaded until another value is there.
pub(crate) struct Cells<'c> {
    out: CellWriter<'c, Message>,
    back: &'c Cell,
    last: u64,
}

impl<'c> Cells<'c> {
    pub(crate) fn new(out: &'c Cell, back: &'c Cell) -> Outcome<Self> {
        Ok(Self { out: out.writer()?, back, last: 0 })
    }
}

impl Channel for Cells<'_> {
    fn send(&mut self, message: &Message) -> Outcome {
        self.out.store(*message);
        Ok(())
    }

    fn receive(&mut self) -> Outcome<Message> {
        loop {
            let message = self.back.load();
            if message[0] != self.last {
                self.last = message[0];
                return Ok(message);
            }
            hint::spin_loop();
        }
    }
}

/// The same, with a reader that is woken.
pub(crate) struct SleepingCells<'c> {
    out: CellWriter<'c, Message>,
    back: &'c Cell,
    since: u64,
}

impl<'c> SleepingCells<'c> {
    pub(crate) fn new(out: &'c Cell, back: &'c Cell) -> Outcome<Self> {
        Ok(Self { out: out.writer()?, back, since: back.sequence() })
    }
}

impl Channel for SleepingCells<'_> {
    fn send(&mut self, message: &Message) -> Outcome {
        self.out.store(*message);
        Ok(())
    }

    fn receive(&mut self) -> Outcome<Message> {
        self.since = self.back.wait_changed(self.since, PATIENCE)?;
        Ok(self.back.load())
    }
}

/// An array in place, written under its lock, and one whose reader is woken.
pub(crate) struct Arrays {
    out: SharedArray<u64, Ix1>,
    back: SharedArray<u64, Ix1>,
    since: u64,
}

impl Arrays {
    pub(crate) fn open(part: &Part, side: Side) -> Outcome<Self> {
        let place = Directory::open(&part.folder)?;
        let builder = SharedArray::<u64, Ix1>::builder().directory(&place).wait(PATIENCE);
        let out = builder.create(side.outward(), [8])?;
        let back = builder.attach(side.inward())?;
        Ok(Self { since: back.sequence(), out, back })
    }
}

impl Channel for Arrays {
    fn send(&mut self, message: &Message) -> Outcome {
        self.out.write()?.as_slice_mut().ok_or("it is contiguous")?.copy_from_slice(message);
        Ok(())
    }

    fn receive(&mut self) -> Outcome<Message> {
        self.since = self.back.wait_changed(self.since, PATIENCE)?;
        Ok(self.back.read()?.as_slice().ok_or("it is contiguous")?.try_into()?)
    }
}

/// A stream to publish into and one to receive from.
pub(crate) struct Streams {
    pub(crate) publisher: Publisher<u64, Ix1>,
    pub(crate) subscriber: Subscriber<u64, Ix1>,
}

impl Streams {
    pub(crate) fn open(part: &Part, side: Side) -> Outcome<Self> {
        let place = Directory::open(&part.folder)?;
        let publisher = Publisher::builder().directory(&place).create(side.outward(), [8])?;
        let subscriber = Subscriber::builder().directory(&place).wait(PATIENCE).attach(side.inward())?;
        Ok(Self { publisher, subscriber })
    }

    /// Looks for the next message without pause.
    pub(crate) fn spin(subscriber: &mut Subscriber<u64, Ix1>) -> Outcome<Message> {
        loop {
            if let Some(frame) = subscriber.try_recv()? {
                return Ok(frame.as_slice().try_into()?);
            }
        }
    }
}

impl Channel for Streams {
    fn send(&mut self, message: &Message) -> Outcome {
        let mut loan = self.publisher.loan()?;
        loan.as_mut_slice().copy_from_slice(message);
        loan.publish();
        Ok(())
    }

    fn receive(&mut self) -> Outcome<Message> {
        let frame = self.subscriber.recv()?.ok_or("the other side closed the stream")?;
        Ok(frame.as_slice().try_into()?)
    }
}
