//! The exchange of messages, and its times.

use crate::ours::Streams;
use sharray_compare::clock::{busy, median, nanoseconds, quantile};
use sharray_compare::{Outcome, role};
use std::mem;
use std::time::{Duration, Instant};

pub(crate) type Message = [u64; 8];

/// What the last message says.
const STOP: u64 = u64::MAX;
/// Round trips before the first that counts.
const WARM_UP: u32 = 200;
/// Round trips that are timed together.
const CHUNK: u32 = 32;
/// Fewer say nothing about one in a thousand.
const MANY: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Side {
    Ask,
    Answer,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        if self == Self::Ask { Self::Answer } else { Self::Ask }
    }

    /// What the messages that come to this side are called.
    pub(crate) fn inward(self) -> &'static str {
        if self == Self::Ask { "answers" } else { "questions" }
    }

    /// What the messages that go from this side are called.
    pub(crate) fn outward(self) -> &'static str {
        self.other().inward()
    }
}

/// One way to send 64 bytes and to get some.
pub(crate) trait Channel {
    fn send(&mut self, message: &Message) -> Outcome;
    fn receive(&mut self) -> Outcome<Message>;

    /// What can be done for the next message before it is known.
    fn prepare(&mut self) -> Outcome {
        Ok(())
    }
}

/// One side of the exchange.
#[derive(Debug)]
pub(crate) struct Talk {
    side: Side,
    trips: Trips,
}

impl Talk {
    /// `pause`: how long each side keeps the CPU busy before it sends.
    pub(crate) fn new(side: Side, pause: Duration, turn: Duration) -> Self {
        Self { side, trips: Trips::new(pause, turn) }
    }

    /// Exchanges messages, and says what they took.
    pub(crate) fn over(mut self, mut channel: impl Channel) -> Outcome {
        role::ready()?;
        match self.side {
            Side::Ask => ask(&mut self.trips, &mut channel)?,
            Side::Answer => answer(self.trips.pause, &mut channel)?,
        }
        self.end();
        Ok(())
    }

    /// The same through streams whose next slot is loaned beforehand: a loan borrows its publisher, so no channel can hold both.
    pub(crate) fn over_loans(mut self, mut streams: Streams) -> Outcome {
        role::ready()?;
        match self.side {
            Side::Ask => ask_with_loans(&mut self.trips, &mut streams)?,
            Side::Answer => answer_with_loans(&mut streams)?,
        }
        self.end();
        Ok(())
    }

    /// Whoever answers lets the last answer arrive before the channel goes.
    fn end(mut self) {
        if self.side == Side::Ask { self.trips.tell() } else { role::hold() }
    }
}

fn ask(trips: &mut Trips, channel: &mut impl Channel) -> Outcome {
    channel.prepare()?;
    while let Some(message) = trips.depart() {
        channel.send(&message)?;
        channel.prepare()?;
        trips.arrive(&channel.receive()?)?;
    }
    channel.send(&[STOP; 8])?;
    channel.receive().map(drop)
}

fn answer(pause: Duration, channel: &mut impl Channel) -> Outcome {
    loop {
        channel.prepare()?;
        let message = channel.receive()?;
        busy(pause);
        channel.send(&message)?;
        if message[0] == STOP {
            return Ok(());
        }
    }
}

fn ask_with_loans(trips: &mut Trips, streams: &mut Streams) -> Outcome {
    let mut loan = streams.publisher.loan()?;
    while let Some(message) = trips.depart() {
        loan.as_mut_slice().copy_from_slice(&message);
        loan.publish();
        loan = streams.publisher.loan()?;
        trips.arrive(&Streams::spin(&mut streams.subscriber)?)?;
    }
    loan.as_mut_slice().fill(STOP);
    loan.publish();
    Streams::spin(&mut streams.subscriber).map(drop)
}

fn answer_with_loans(streams: &mut Streams) -> Outcome {
    loop {
        let mut loan = streams.publisher.loan()?;
        let message = Streams::spin(&mut streams.subscriber)?;
        loan.as_mut_slice().copy_from_slice(&message);
        loan.publish();
        if message[0] == STOP {
            return Ok(());
        }
    }
}

/// The asker's round trips: what to send next, and what they took.
#[derive(Debug)]
struct Trips {
    pause: Duration,
    turn: Duration,
    sent: u64,
    phase: Phase,
    /// Trips of the chunk that are still to be made.
    left: u32,
    start: Instant,
    end: Instant,
    chunks: Vec<f64>,
    singles: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    WarmUp,
    Chunks,
    Singles,
    Over,
}

impl Trips {
    fn new(pause: Duration, turn: Duration) -> Self {
        let now = Instant::now();
        let (chunks, singles) = (Vec::new(), Vec::new());
        Self { pause, turn, sent: 0, phase: Phase::WarmUp, left: 0, start: now, end: now, chunks, singles }
    }

    /// The next message; from its sending on the trip is timed.
    fn depart(&mut self) -> Option<Message> {
        busy(self.pause);
        if self.left == 0 {
            self.left = match self.phase {
                Phase::WarmUp => WARM_UP,
                Phase::Chunks => CHUNK,
                Phase::Singles => 1,
                Phase::Over => return None,
            };
            self.start = Instant::now();
        }
        self.sent += 1;
        Some([self.sent; 8])
    }

    fn arrive(&mut self, message: &Message) -> Outcome {
        if *message != [self.sent; 8] {
            return Err(format!("message {} came back as {message:?}", self.sent).into());
        }
        self.left -= 1;
        if self.left == 0 {
            self.write_down();
        }
        Ok(())
    }

    /// Of a chunk that is over: half of what a round trip took.
    fn write_down(&mut self) {
        let now = Instant::now();
        let took = nanoseconds((now - self.start).saturating_sub(self.pause)) / 2.0;
        match self.phase {
            Phase::WarmUp => {}
            Phase::Chunks => self.chunks.push(took / f64::from(CHUNK)),
            Phase::Singles => self.singles.push(took),
            Phase::Over => return,
        }
        if self.phase == Phase::WarmUp || now >= self.end {
            self.phase = match self.phase {
                // The pauses between the trips of a chunk could not be told from the trips.
                Phase::WarmUp if self.pause.is_zero() => Phase::Chunks,
                Phase::WarmUp | Phase::Chunks => Phase::Singles,
                Phase::Singles | Phase::Over => Phase::Over,
            };
            self.end = now + self.turn;
        }
    }

    /// Says the median, and the percentiles 50, 99 and 99.9.
    fn tell(&mut self) {
        let mut singles = mem::take(&mut self.singles);
        let middle = if self.pause.is_zero() { median(&mut self.chunks) } else { median(&mut singles) };
        print!("{middle} {} {}", quantile(&mut singles, 0.5), quantile(&mut singles, 0.99));
        if singles.len() >= MANY {
            print!(" {}", quantile(&mut singles, 0.999));
        }
        println!();
    }
}
