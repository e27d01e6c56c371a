//! Words of shared memory: for each direction one that counts messages, and the last message in lines of its own.

use crate::talk::{Channel, Message, Side};
use sharray_compare::memory::Shared;
use sharray_compare::{Outcome, Part, futex};
use std::hint;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// Words of 64 bits between the two directions, and between a direction's count and its message.
const APART: usize = 64;
const BEFORE: usize = 16;

struct Lines {
    page: Shared,
    inward: usize,
    outward: usize,
    sent: u32,
    received: u32,
}

impl Lines {
    fn open(part: &Part, side: Side) -> Outcome<Self> {
        let page = Shared::open(&part.folder.join("lines"), 4096)?;
        let (inward, outward) = if side == Side::Ask { (0, APART) } else { (APART, 0) };
        Ok(Self { page, inward, outward, sent: 0, received: 0 })
    }

    fn count(&self, direction: usize) -> &AtomicU32 {
        self.page.word32(direction * 2)
    }

    /// Writes the message and returns its number.
    fn write(&mut self, message: &Message) -> u32 {
        self.page.write(self.outward + BEFORE, *message);
        self.sent += 1;
        self.sent
    }

    /// Reads the message whose number has been seen.
    fn read(&mut self) -> Message {
        self.received += 1;
        self.page.read(self.inward + BEFORE)
    }
}

/// Looks all the time.
pub(crate) struct Spin(Lines);

impl Spin {
    pub(crate) fn open(part: &Part, side: Side) -> Outcome<Self> {
        Ok(Self(Lines::open(part, side)?))
    }
}

impl Channel for Spin {
    fn send(&mut self, message: &Message) -> Outcome {
        let number = self.0.write(message);
        self.0.count(self.0.outward).store(number, Release);
        Ok(())
    }

    fn receive(&mut self) -> Outcome<Message> {
        while self.0.count(self.0.inward).load(Acquire) == self.0.received {
            hint::spin_loop();
        }
        Ok(self.0.read())
    }
}

/// Looks for a while, or not at all, and then sleeps. The count stands above a bit that says whether the other sleeps.
pub(crate) struct Sleep {
    lines: Lines,
    looks: u32,
}

impl Sleep {
    pub(crate) fn open(part: &Part, side: Side, looks: u32) -> Outcome<Self> {
        Ok(Self { lines: Lines::open(part, side)?, looks })
    }
}

impl Channel for Sleep {
    fn send(&mut self, message: &Message) -> Outcome {
        let number = self.lines.write(message);
        let count = self.lines.count(self.lines.outward);
        if count.swap(number << 1, AcqRel) & 1 == 1 {
            futex::wake(count);
        }
        Ok(())
    }

    fn receive(&mut self) -> Outcome<Message> {
        let (count, seen) = (self.lines.count(self.lines.inward), self.lines.received << 1);
        let mut looks = 0;
        while count.load(Acquire) & !1 == seen {
            if looks < self.looks {
                looks += 1;
                hint::spin_loop();
            } else {
                // Fails if a message has come, and after a sleep that ended for no reason: looking again tells.
                _ = count.compare_exchange(seen, seen | 1, AcqRel, Relaxed);
                futex::wait(count, seen | 1);
            }
        }
        Ok(self.lines.read())
    }
}
