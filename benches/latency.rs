//! What a frame of 64 bytes takes from one process to another: half of a round trip.
//!
//! Each way of waiting stands beside one written by hand, in which a word in its own cache line counts messages and the
//! 64 bytes stand in another. All but the last have a CPU for each process.
//!
//! - `ping_pong`: one word and nothing else, what the machine itself takes.
//! - `spin`: both look without pause. With `spin_loaned` the slot for the next frame was loaned beforehand.
//! - `recv`: the answer comes at once, but a side that has looked for a while sleeps. By hand: looks for as long as two
//!   sleepers take to wake each other. With less, a pair that once fell asleep never finds the other awake again.
//! - `asleep`: as `recv`, but the frame comes when the other sleeps for sure. What its sender waited for that is taken
//!   off. By hand: sleeps at once.
//! - `same_cpu`: both processes share one CPU, so that one of them always sleeps. By hand: sleeps at once.

mod support;

use ndarray::Ix1;
use sharray::{Directory, Frame, Publisher, Subscriber};
use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::time::{Duration, Instant};
use support::{Figures, Options, Outcome, Partner, SharedPage, nanoseconds, percentile};

type Message = [u64; 8];

/// What the last message says.
const STOP: u64 = u64::MAX;
/// Round trips before the first that counts.
const WARM_UP: u64 = 100;
/// Long enough for the other to fall asleep.
const PAUSE: Duration = Duration::from_micros(200);
/// Looks before a sleep, where `recv` is written by hand.
const LOOKS: u32 = 2000;

/// How the two processes wait for each other.
#[derive(Clone, Copy)]
enum Way {
    PingPong,
    SpinByHand,
    Spin,
    SpinLoaned,
    /// After so many looks.
    SleepByHand(u32),
    Recv,
}

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    way: Way,
    peer: Option<&'static str>,
    pause: Duration,
    shares_cpu: bool,
}

const fn case(name: &'static str, way: Way, peer: Option<&'static str>) -> Case {
    Case { name, way, peer, pause: Duration::ZERO, shares_cpu: false }
}

const CASES: [Case; 10] = [
    case("ping_pong", Way::PingPong, None),
    case("spin_by_hand", Way::SpinByHand, Some("ping_pong")),
    case("spin", Way::Spin, Some("spin_by_hand")),
    case("spin_loaned", Way::SpinLoaned, Some("spin_by_hand")),
    case("recv_by_hand", Way::SleepByHand(LOOKS), None),
    case("recv", Way::Recv, Some("recv_by_hand")),
    Case { pause: PAUSE, ..case("asleep_by_hand", Way::SleepByHand(0), None) },
    Case { pause: PAUSE, ..case("asleep", Way::Recv, Some("asleep_by_hand")) },
    Case { shares_cpu: true, ..case("same_cpu_by_hand", Way::SleepByHand(0), None) },
    Case { shares_cpu: true, ..case("same_cpu", Way::Recv, Some("same_cpu_by_hand")) },
];

fn main() -> Outcome {
    let options = Options::from_args();
    if let Some(name) = options.value("--answer") {
        let case = CASES.iter().find(|case| case.name == name).ok_or("there is no such case")?;
        return answer(case, Path::new(options.value("--folder").ok_or("there is no folder")?));
    }
    let (rounds, turn) = (options.rounds(41), options.turn(Duration::from_millis(40)));
    let cpus = support::cpus()?;
    let two = [cpus[0], *cpus.get(1).unwrap_or(&cpus[0])];
    let cases: Vec<&Case> = CASES.iter().filter(|case| case.shares_cpu || cpus.len() > 1).collect();
    let mut figures = Figures::default();
    for _ in 0..rounds {
        for case in &cases {
            let mut times = ask(case, two, turn)?;
            figures.add(case.name, percentile(&mut times, 50));
            figures.add(format!("{}_p99", case.name), percentile(&mut times, 99));
        }
    }
    figures.print("ns");
    for case in cases {
        if let Some(peer) = case.peer {
            figures.print_ratio(case.name, peer);
        }
    }
    Ok(())
}

/// The first process: asks, and times the answers.
fn ask(case: &Case, cpus: [usize; 2], turn: Duration) -> Outcome<Vec<f64>> {
    let folder = support::folder()?;
    support::die_after(60);
    // The partner begins on the CPU on which it is started.
    support::run_on(cpus[usize::from(!case.shares_cpu)])?;
    let path = folder.path().to_str().ok_or("the folder has no printable name")?;
    let mut partner = Partner::start(&[("--answer", case.name), ("--folder", path)])?;
    support::run_on(cpus[0])?;

    let mut trips = Trips::new(case.pause, turn);
    match case.way {
        Way::PingPong => ask_over(&mut partner, PingPong::new(folder.path(), Side::Ask)?, &mut trips)?,
        Way::SpinByHand => ask_over(&mut partner, SpinByHand(Lines::new(folder.path(), Side::Ask)?), &mut trips)?,
        Way::SleepByHand(looks) => {
            let lines = Lines::new(folder.path(), Side::Ask)?;
            ask_over(&mut partner, SleepByHand { lines, looks }, &mut trips)?;
        }
        Way::Spin => ask_over(&mut partner, Spin(Ends::new(folder.path(), Side::Ask)?), &mut trips)?,
        Way::Recv => ask_over(&mut partner, Recv(Ends::new(folder.path(), Side::Ask)?), &mut trips)?,
        Way::SpinLoaned => ask_loaned(&mut partner, Ends::new(folder.path(), Side::Ask)?, &mut trips)?,
    }
    partner.finish()?;
    Ok(trips.one_ways)
}

/// The second process: answers.
fn answer(case: &Case, folder: &Path) -> Outcome {
    support::die_after(60);
    match case.way {
        Way::PingPong => answer_over(PingPong::new(folder, Side::Answer)?, case.pause),
        Way::SpinByHand => answer_over(SpinByHand(Lines::new(folder, Side::Answer)?), case.pause),
        Way::SleepByHand(looks) => {
            answer_over(SleepByHand { lines: Lines::new(folder, Side::Answer)?, looks }, case.pause)
        }
        Way::Spin => answer_over(Spin(Ends::new(folder, Side::Answer)?), case.pause),
        Way::Recv => answer_over(Recv(Ends::new(folder, Side::Answer)?), case.pause),
        Way::SpinLoaned => answer_loaned(Ends::new(folder, Side::Answer)?),
    }
}

/// The asker's round trips: what to send next, and what each took.
struct Trips {
    turn: Duration,
    pause: Duration,
    sent: u64,
    first: Instant,
    start: Instant,
    one_ways: Vec<f64>,
}

impl Trips {
    fn new(pause: Duration, turn: Duration) -> Self {
        let now = Instant::now();
        Self { turn, pause, sent: 0, first: now, start: now, one_ways: Vec::new() }
    }

    /// The next message, from whose sending on the trip is timed; the last one says to stop.
    fn depart(&mut self) -> Message {
        pause(self.pause);
        self.start = Instant::now();
        if self.sent == WARM_UP {
            self.first = self.start;
        }
        let goes_on = self.sent <= WARM_UP || self.start < self.first + self.turn;
        self.sent += 1;
        [if goes_on { self.sent } else { STOP }; 8]
    }

    fn arrive(&mut self, message: Message) {
        let took = self.start.elapsed();
        assert_eq!(message, [self.sent; 8], "the answer is what was asked");
        if self.sent > WARM_UP {
            self.one_ways.push(nanoseconds(took.saturating_sub(self.pause)) / 2.0);
        }
    }
}

/// Keeps the CPU busy: going idle and waking up would be measured too.
fn pause(span: Duration) {
    let start = Instant::now();
    while start.elapsed() < span {
        std::hint::spin_loop();
    }
}

/// A way to send 64 bytes and to get some.
trait Channel {
    fn send(&mut self, message: &Message);
    fn receive(&mut self) -> Message;
}

fn ask_over(partner: &mut Partner, mut channel: impl Channel, trips: &mut Trips) -> Outcome {
    partner.wait_until_ready()?;
    loop {
        let message = trips.depart();
        channel.send(&message);
        if message[0] == STOP {
            return Ok(());
        }
        trips.arrive(channel.receive());
    }
}

fn answer_over(mut channel: impl Channel, span: Duration) -> Outcome {
    support::say_ready();
    loop {
        let message = channel.receive();
        if message[0] == STOP {
            return Ok(());
        }
        pause(span);
        channel.send(&message);
    }
}

/// The slot of the next frame is loaned while the last one is on its way.
fn ask_loaned(partner: &mut Partner, mut ends: Ends, trips: &mut Trips) -> Outcome {
    partner.wait_until_ready()?;
    let mut loan = ends.publisher.loan()?;
    loop {
        let message = trips.depart();
        loan.as_mut_slice().copy_from_slice(&message);
        loan.publish();
        if message[0] == STOP {
            return Ok(());
        }
        loan = ends.publisher.loan()?;
        trips.arrive(spin(&mut ends.subscriber));
    }
}

fn answer_loaned(mut ends: Ends) -> Outcome {
    support::say_ready();
    loop {
        let mut loan = ends.publisher.loan()?;
        let message = spin(&mut ends.subscriber);
        if message[0] == STOP {
            return Ok(());
        }
        loan.as_mut_slice().copy_from_slice(&message);
        loan.publish();
    }
}

#[derive(Clone, Copy)]
enum Side {
    Ask,
    Answer,
}

/// One stream to send through and one to receive from.
struct Ends {
    publisher: Publisher<u64, Ix1>,
    subscriber: Subscriber<u64, Ix1>,
}

impl Ends {
    fn new(folder: &Path, side: Side) -> Outcome<Self> {
        let place = Directory::open(folder)?;
        let (mine, theirs) = match side {
            Side::Ask => ("questions", "answers"),
            Side::Answer => ("answers", "questions"),
        };
        let publisher = Publisher::builder().directory(&place).create(mine, [8])?;
        let subscriber = Subscriber::builder().directory(&place).wait(Duration::from_secs(10)).attach(theirs)?;
        Ok(Self { publisher, subscriber })
    }

    fn send(&mut self, message: &Message) {
        let mut loan = self.publisher.loan().expect("slots are free");
        loan.as_mut_slice().copy_from_slice(message);
        loan.publish();
    }
}

fn spin(subscriber: &mut Subscriber<u64, Ix1>) -> Message {
    loop {
        if let Some(frame) = subscriber.try_recv().expect("the stream is whole") {
            return read(&frame);
        }
    }
}

fn read(frame: &Frame<u64, Ix1>) -> Message {
    frame.as_slice().try_into().expect("eight words")
}

struct Spin(Ends);

impl Channel for Spin {
    fn send(&mut self, message: &Message) {
        self.0.send(message);
    }

    fn receive(&mut self) -> Message {
        spin(&mut self.0.subscriber)
    }
}

struct Recv(Ends);

impl Channel for Recv {
    fn send(&mut self, message: &Message) {
        self.0.send(message);
    }

    fn receive(&mut self) -> Message {
        read(&self.0.subscriber.recv().expect("the stream is whole").expect("it goes on"))
    }
}

/// For each direction a word that counts messages, and the last message in lines of its own.
struct Lines {
    page: SharedPage,
    side: Side,
    sent: u32,
    received: u32,
}

impl Lines {
    fn new(folder: &Path, side: Side) -> Outcome<Self> {
        Ok(Self { page: SharedPage::open(&folder.join("by-hand"))?, side, sent: 0, received: 0 })
    }

    /// The count of messages that this side sends.
    fn outward(&self) -> &AtomicU32 {
        self.page.word32(512 * self.side as usize)
    }

    /// The count of messages that it receives.
    fn inward(&self) -> &AtomicU32 {
        self.page.word32(512 - 512 * self.side as usize)
    }

    /// Writes the message and returns its number.
    fn write(&mut self, message: &Message) -> u32 {
        let start = 256 * self.side as usize + 16;
        for (at, word) in message.iter().enumerate() {
            self.page.word64(start + at).store(*word, Relaxed);
        }
        self.sent += 1;
        self.sent
    }

    /// Reads the message whose number has been seen.
    fn read(&mut self) -> Message {
        self.received += 1;
        let start = 256 - 256 * self.side as usize + 16;
        std::array::from_fn(|at| self.page.word64(start + at).load(Relaxed))
    }
}

struct SpinByHand(Lines);

impl Channel for SpinByHand {
    fn send(&mut self, message: &Message) {
        let number = self.0.write(message);
        self.0.outward().store(number, Release);
    }

    fn receive(&mut self) -> Message {
        while self.0.inward().load(Acquire) == self.0.received {}
        self.0.read()
    }
}

/// The count stands above a bit that says whether the other sleeps.
struct SleepByHand {
    lines: Lines,
    looks: u32,
}

impl Channel for SleepByHand {
    fn send(&mut self, message: &Message) {
        let number = self.lines.write(message);
        let count = self.lines.outward();
        if count.swap(number << 1, AcqRel) & 1 == 1 {
            support::futex_wake(count);
        }
    }

    fn receive(&mut self) -> Message {
        let (count, seen) = (self.lines.inward(), self.lines.received << 1);
        let mut looks = 0;
        while count.load(Acquire) & !1 == seen {
            if looks < self.looks {
                looks += 1;
                std::hint::spin_loop();
            } else {
                // Fails if a message has come, and after a sleep that ended for no reason: looking again tells.
                _ = count.compare_exchange(seen, seen | 1, AcqRel, Relaxed);
                support::futex_wait(count, seen | 1);
            }
        }
        self.lines.read()
    }
}

/// The message is a single word.
struct PingPong {
    page: SharedPage,
    side: Side,
    received: u64,
}

impl PingPong {
    fn new(folder: &Path, side: Side) -> Outcome<Self> {
        Ok(Self { page: SharedPage::open(&folder.join("by-hand"))?, side, received: 0 })
    }
}

impl Channel for PingPong {
    fn send(&mut self, message: &Message) {
        self.page.word64(256 * self.side as usize).store(message[0], Release);
    }

    fn receive(&mut self) -> Message {
        let word = self.page.word64(256 - 256 * self.side as usize);
        while word.load(Acquire) == self.received {}
        self.received = word.load(Acquire);
        [self.received; 8]
    }
}
