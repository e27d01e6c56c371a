//! Leasing an array in place that nobody else uses, and giving it back.
//!
//! `cas`: one word in shared memory taken by compare-and-swap and given back by a swap, the least that a lock costs whose waiters
//! sleep. `pthread_robust`: the C library's mutex that survives its holder. `write` and `read` are the library's whole
//! guards: the lease, the look for readers, `seq`, and the view.

mod support;

use ndarray::Ix1;
use sharray::{Directory, SharedArray};
use std::hint::black_box;
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::time::Duration;
use support::mutex::RobustMutex;
use support::{Figures, Options, Outcome, SharedPage, per_call_ns};

fn main() -> Outcome {
    let options = Options::from_args();
    let (rounds, turn) = (options.rounds(51), options.turn(Duration::from_millis(10)));
    support::run_on(support::cpus()?[0])?;

    let folder = support::folder()?;
    let place = Directory::open(folder.path().join("place"))?;
    let array = SharedArray::<u64, Ix1>::builder().directory(&place).create("array", [512])?;
    let blocks = SharedArray::<u64, Ix1>::builder().directory(&place).blocks(8).create("blocks", [512])?;
    let page = SharedPage::open(&folder.path().join("by-hand"))?;
    let word = page.word32(0);
    let mutex = RobustMutex::create(&folder.path().join("mutex"))?;

    let mut figures = Figures::default();
    for _ in 0..rounds {
        let cas = || {
            assert!(word.compare_exchange(0, 1, Acquire, Relaxed).is_ok());
            assert_eq!(black_box(word).swap(0, SeqCst), 1);
        };
        figures.add("cas", per_call_ns(turn, cas));
        let pthread_robust = || {
            mutex.lock();
            black_box(&mutex).unlock();
        };
        figures.add("pthread_robust", per_call_ns(turn, pthread_robust));
        figures.add("write", per_call_ns(turn, || drop(black_box(array.write()))));
        figures.add("read", per_call_ns(turn, || drop(black_box(array.read()))));
        figures.add("write_block", per_call_ns(turn, || drop(black_box(blocks.write_block(3)))));
        figures.add("read_block", per_call_ns(turn, || drop(black_box(blocks.read_block(3)))));
    }
    figures.print("ns");
    for name in ["write", "read"] {
        figures.print_ratio(name, "cas");
        figures.print_ratio(name, "pthread_robust");
    }
    Ok(())
}
