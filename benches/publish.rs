//! Publishing a frame of 64 bytes, with nobody attached and with four subscribers, against bare stores.
//!
//! `stores_by_hand`: a version made odd, the 64 bytes, the version made even, a count of news: two stores that order
//! memory and one read-modify-write. It loans nothing, looks for no pins and tells no time; `two_clocks` is what the
//! two times cost that each frame carries. The subscribers are attached and look at nothing.

mod support;

use ndarray::Ix1;
use sharray::{Directory, Publisher, Subscriber};
use std::hint::black_box;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, SeqCst};
use std::time::{Duration, Instant, SystemTime};
use support::{Figures, Options, Outcome, SharedPage, per_call_ns};

const SUBSCRIBERS: usize = 4;

fn main() -> Outcome {
    let options = Options::from_args();
    let (rounds, turn) = (options.rounds(51), options.turn(Duration::from_millis(10)));
    support::run_on(support::cpus()?[0])?;

    let folder = support::folder()?;
    let place = Directory::open(folder.path())?;
    let create = |name| Publisher::<u64, Ix1>::builder().directory(&place).create(name, [8]);
    let attach = |_| Subscriber::<u64, Ix1>::builder().directory(&place).attach("crowded");
    let (mut alone, mut crowded) = (create("alone")?, create("crowded")?);
    let crowd = (0..SUBSCRIBERS).map(attach).collect::<Result<Vec<_>, _>>()?;

    let page = SharedPage::open(&folder.path().join("by-hand"))?;
    let (ver, news) = (page.word64(0), page.word32(64));
    let payload: Vec<_> = (16..24).map(|at| page.word64(at)).collect();

    let mut figures = Figures::default();
    for _ in 0..rounds {
        let stores_by_hand = || {
            let even = ver.load(Relaxed);
            ver.store(even + 1, SeqCst);
            for word in &payload {
                word.store(even, Relaxed);
            }
            ver.store(even + 2, SeqCst);
            news.fetch_add(2, AcqRel);
        };
        figures.add("stores_by_hand", per_call_ns(turn, stores_by_hand));
        let two_clocks = || {
            black_box((Instant::now(), SystemTime::now()));
        };
        figures.add("two_clocks", per_call_ns(turn, two_clocks));
        figures.add("publish_0", per_call_ns(turn, || publish(&mut alone)));
        figures.add("publish_4", per_call_ns(turn, || publish(&mut crowded)));
    }
    drop(crowd);
    figures.print("ns");
    figures.print_ratio("publish_0", "stores_by_hand");
    figures.print_ratio("publish_4", "stores_by_hand");
    figures.print_ratio("publish_4", "publish_0");
    Ok(())
}

fn publish(publisher: &mut Publisher<u64, Ix1>) {
    let mut loan = publisher.loan().expect("slots are free");
    let next = loan.sequence();
    loan.as_mut_slice().fill(next);
    loan.publish();
}
