//! Frames of any size, from 64 B to 1 GiB.
//!
//! `hand_over`: a slot is loaned, one word of it written, the frame published, received, looked at and let go, all by one
//! process, so that nobody waits. `copy`: the same, with every word written.

use crate::{Place, places};
use ndarray::Ix1;
use sharray::{Directory, Publisher, Subscriber};
use sharray_compare::clock::per_call_ns;
use sharray_compare::memory::Folder;
use sharray_compare::{Figure, Outcome, Plan, cpu};
use std::time::Duration;

const SIZES: [usize; 13] =
    [64, 256, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26, 1 << 28, 1 << 30];

/// A history of two, the one that is looked at, and the one that is written.
const SLOTS: u32 = 4;

pub(crate) fn grow(plan: &mut Plan) -> Outcome {
    let turn = plan.turn(Duration::from_millis(30));
    cpu::keep(plan.cpus()[0])?;
    for &x in places(plan, &SIZES) {
        let place = Place::new("frames", x);
        plan.sample(&place.name(), || measure(&place, turn))?;
    }
    Ok(())
}

fn measure(place: &Place, turn: Duration) -> Outcome<Vec<Figure>> {
    let folder = Folder::new()?;
    let mut ends = Ends::new(&Directory::open(folder.path())?, place.x / 8)?;
    // The pages of the slots that are used are there before anything is timed.
    for _ in 0..SLOTS {
        ends.pass_on(|words, value| words.fill(value));
    }
    let copy = per_call_ns(turn, || ends.pass_on(|words, value| words.fill(value)));
    let hand_over = per_call_ns(turn, || ends.pass_on(|words, value| words[0] = value));
    Ok(vec![place.figure("hand_over", hand_over, "ns"), place.figure("copy", copy, "ns")])
}

struct Ends {
    publisher: Publisher<u64, Ix1>,
    subscriber: Subscriber<u64, Ix1>,
    value: u64,
}

impl Ends {
    fn new(directory: &Directory, words: usize) -> Outcome<Self> {
        let publisher =
            Publisher::<u64, Ix1>::builder().directory(directory).history(2).slots(SLOTS).create("frames", [words])?;
        let subscriber = Subscriber::builder().directory(directory).attach("frames")?;
        Ok(Self { publisher, subscriber, value: 0 })
    }

    fn pass_on(&mut self, write: impl Fn(&mut [u64], u64)) {
        self.value += 1;
        let mut loan = self.publisher.loan().expect("slots are free");
        write(loan.as_mut_slice(), self.value);
        loan.publish();
        let frame = self.subscriber.latest().expect("the stream is whole").expect("a frame was published");
        assert_eq!(frame.as_slice()[0], self.value, "the newest frame is the last one");
    }
}
