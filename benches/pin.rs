//! Pinning the newest frame and letting it go, against a bare compare-and-swap.
//!
//! `cas`: one word in shared memory taken by compare-and-swap and given back by a store, the least that a lock costs.
//! `pin_by_hand`: the protocol's own loads and stores on bare words, so the rest is the library's: the guard, the count
//! of its handle, the frame's header. `pin_read_unpin` also sums the 64 bytes.

mod support;

use ndarray::Ix1;
use sharray::{Directory, Publisher, Subscriber};
use std::hint::black_box;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::time::Duration;
use support::{Figures, Options, Outcome, SharedPage, per_call_ns};

/// Words of 64 bits to a pair of cache lines, which the processor fetches together.
const APART: usize = 16;

fn main() -> Outcome {
    let options = Options::from_args();
    let (rounds, turn) = (options.rounds(51), options.turn(Duration::from_millis(10)));
    support::run_on(support::cpus()?[0])?;

    let folder = support::folder()?;
    let place = Directory::open(folder.path())?;
    let mut publisher = Publisher::<u64, Ix1>::builder().directory(&place).create("frames", [8])?;
    publisher.loan()?.publish();
    let subscriber = Subscriber::<u64, Ix1>::builder().directory(&place).attach("frames")?;

    let page = SharedPage::open(&folder.path().join("by-hand"))?;
    let [lock, head, pin, ver, room] = [0, 1, 2, 3, 4].map(|line| page.word64(line * APART));
    head.store(1, Relaxed);
    ver.store(2, Relaxed);

    let mut figures = Figures::default();
    for _ in 0..rounds {
        let cas = || {
            assert!(lock.compare_exchange(0, 1, Acquire, Relaxed).is_ok());
            black_box(lock).store(0, Release);
        };
        figures.add("cas", per_call_ns(turn, cas));
        let pin_by_hand = || {
            let newest = head.load(Acquire);
            pin.store(newest, SeqCst);
            assert!(ver.load(SeqCst) == 2 * newest);
            black_box(pin).store(0, Release);
            assert!(room.load(Relaxed) == 0);
        };
        figures.add("pin_by_hand", per_call_ns(turn, pin_by_hand));
        let pin_unpin = || drop(black_box(subscriber.latest()));
        figures.add("pin_unpin", per_call_ns(turn, pin_unpin));
        let pin_read_unpin = || {
            let frame = subscriber.latest().expect("it may pin").expect("it is there");
            black_box(frame.as_slice().iter().sum::<u64>());
        };
        figures.add("pin_read_unpin", per_call_ns(turn, pin_read_unpin));
    }
    figures.print("ns");
    figures.print_ratio("pin_unpin", "cas");
    figures.print_ratio("pin_unpin", "pin_by_hand");
    figures.print_ratio("pin_read_unpin", "cas");
    Ok(())
}
