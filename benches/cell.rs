//! Storing and loading a value of 64 bytes in one process, against a sequence lock written by hand.
//!
//! `seqlock_store`, `seqlock_load`: an odd number, the words, an even number; the reader looks again. It has one copy
//! of the value, so its readers wait for its writer. `store_kept` has taken the writer's role before; `store` takes it
//! for each store, and stands against a lock by compare-and-swap around the same words.

mod support;

use sharray::{Directory, SharedCell};
use std::hint::black_box;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::fence;
use std::time::Duration;
use support::{Figures, Options, Outcome, SharedPage, per_call_ns};

/// Words of 64 bits to a pair of cache lines.
const APART: usize = 16;

/// A sequence lock over eight words of a shared page.
struct ByHand<'p>(&'p SharedPage);

impl ByHand<'_> {
    fn store(&self, value: [u64; 8]) {
        let seq = self.0.word64(0);
        let before = seq.load(Relaxed);
        seq.store(before + 1, Relaxed);
        fence(Release);
        for (at, word) in value.into_iter().enumerate() {
            self.0.word64(APART + at).store(word, Relaxed);
        }
        seq.store(before + 2, Release);
    }

    fn load(&self) -> [u64; 8] {
        let seq = self.0.word64(0);
        loop {
            let before = seq.load(Acquire);
            let value = std::array::from_fn(|at| self.0.word64(APART + at).load(Relaxed));
            fence(Acquire);
            if before % 2 == 0 && seq.load(Relaxed) == before {
                return value;
            }
        }
    }
}

fn main() -> Outcome {
    let options = Options::from_args();
    let (rounds, turn) = (options.rounds(51), options.turn(Duration::from_millis(10)));
    support::run_on(support::cpus()?[0])?;

    let folder = support::folder()?;
    let place = Directory::open(folder.path().join("place"))?;
    let cell = SharedCell::<[u64; 8]>::builder().directory(&place).create("cell", [0; 8])?;
    let page = SharedPage::open(&folder.path().join("by-hand"))?;
    let by_hand = ByHand(&page);
    let word = page.word32(4 * APART);

    let mut figures = Figures::default();
    for round in 0..rounds {
        let value = black_box([u64::from(round); 8]);
        figures.add("seqlock_store", per_call_ns(turn, || by_hand.store(black_box(value))));
        figures.add("seqlock_load", per_call_ns(turn, || _ = black_box(by_hand.load())));
        let cas_store = || {
            assert!(word.compare_exchange(0, 1, Acquire, Relaxed).is_ok());
            by_hand.store(black_box(value));
            assert_eq!(black_box(word).swap(0, SeqCst), 1);
        };
        figures.add("cas_store", per_call_ns(turn, cas_store));
        let mut writer = cell.writer()?;
        figures.add("store_kept", per_call_ns(turn, || writer.store(black_box(value))));
        drop(writer);
        figures.add("store", per_call_ns(turn, || assert!(cell.store(black_box(value)).is_ok())));
        figures.add("load", per_call_ns(turn, || _ = black_box(cell.load())));
    }
    figures.print("ns");
    figures.print_ratio("store_kept", "seqlock_store");
    figures.print_ratio("load", "seqlock_load");
    figures.print_ratio("store", "cas_store");
    Ok(())
}
