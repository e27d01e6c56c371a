//! Threads over one attach: arrays in place, cells, and frames that a publisher gave out. `cargo xtask sanitize thread`
//! runs this file under `ThreadSanitizer`, which sees one mapping of one process and no fences: each access to a payload
//! has to be ordered by an acquire and a release on the words of the protocol, or it reports a race.
#![allow(unsafe_code, reason = "loans that outlive a borrow are filled through pointers")]

#[path = "support/place.rs"]
mod place;

use place::{Outcome, Place};
use sharray::{AnyFrame, AnyPublisher, DType, Error, SharedArray, SharedCell};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

const ROWS: usize = 8;
const BLOCKS: usize = 4;
const THREADS: u64 = 4;
/// The bytes of a frame.
const LEN: usize = 4096;

/// How often each thread does what it does.
fn rounds() -> u64 {
    std::env::var("SHARRAY_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

/// Writers of one block and of all, and readers of both: whoever reads sees one writer's number in all of a block.
#[test]
fn threads_share_an_array() -> Outcome {
    let place = Place::new()?;
    let array = SharedArray::<u64, ndarray::Ix2>::builder().directory(&place).blocks(BLOCKS).create("a", [ROWS, 64])?;
    let work = |thread: u64| -> sharray::Result<()> {
        for round in 0..rounds() {
            let block = (thread + round) as usize % BLOCKS;
            match (thread + round) % 5 {
                0 => array.write()?.fill(round),
                1 | 2 => array.write_block(block)?.fill(thread << 32 | round),
                3 => {
                    let guard = array.read_block(block)?;
                    let first = guard[[0, 0]];
                    assert!(guard.iter().all(|item| *item == first), "block {block} is torn");
                }
                _ => {
                    let guard = array.read()?;
                    for rows in guard.exact_chunks([ROWS / BLOCKS, 64]) {
                        assert!(rows.iter().all(|item| *item == rows[[0, 0]]), "torn");
                    }
                }
            }
        }
        Ok(())
    };
    run(&work)
}

/// Storing and loading through one handle: a value is whole, and one that a writer stored.
#[test]
fn threads_share_a_cell() -> Outcome {
    let place = Place::new()?;
    let cell = SharedCell::<[u64; 40]>::builder().directory(&place).create("a", [0; 40])?;
    let work = |thread: u64| -> sharray::Result<()> {
        for round in 0..rounds() {
            if thread % 2 == 0 {
                cell.store([thread << 32 | round; 40])?;
            }
            let value = cell.load();
            assert!(value.iter().all(|item| *item == value[0]), "torn: {value:?}");
        }
        Ok(())
    };
    run(&work)
}

/// A publisher fills slots in place, gives the frames to readers, and fills the slots again that they let go of.
#[test]
fn a_slot_is_filled_again_after_its_readers() -> Outcome {
    let place = Place::new()?;
    let builder = AnyPublisher::builder().directory(&place).history(2).slots(6);
    let mut publisher = builder.create("a", &DType::U8, &[LEN])?;
    let (given, seen): (Mutex<Vec<AnyFrame>>, _) = (Mutex::default(), AtomicU64::new(0));
    let frames = rounds();
    let look = || {
        while seen.load(Relaxed) < frames {
            let Some(frame) = given.try_lock().ok().and_then(|mut given| given.pop()) else {
                thread::yield_now();
                continue;
            };
            assert!(frame.bytes().iter().all(|byte| *byte == frame.sequence() as u8), "frame {}", frame.sequence());
            // The slot first, the count second: who sees the count finds the slot free.
            drop(frame);
            seen.fetch_add(1, Relaxed);
        }
    };
    thread::scope(|scope| -> Outcome {
        let readers: Vec<_> = (0..THREADS).map(|_| scope.spawn(look)).collect();
        while publisher.sequence() < frames {
            let mut loan = match publisher.loan_owned(Some(Duration::from_millis(1))) {
                // All are being looked at, or wait for it.
                Err(Error::NoFreeSlot { .. } | Error::TooManyPins { .. } | Error::TimedOut { .. }) => {
                    thread::yield_now();
                    continue;
                }
                loan => loan?,
            };
            let number = (publisher.sequence() + 1) as u8;
            // SAFETY: the slot has so many bytes, and nobody else has it until it is published.
            unsafe { loan.as_mut_ptr().write_bytes(number, LEN) };
            let frame = publisher.publish_owned(loan, None)?;
            // Never waited for: what orders those who wait is in the standard library, where the sanitizer does not look.
            let mut place = loop {
                match given.try_lock() {
                    Ok(place) => break place,
                    Err(_) => thread::yield_now(),
                }
            };
            place.push(frame);
        }
        readers.into_iter().try_for_each(|reader| reader.join().map_err(|_| "a reader panicked"))?;
        Ok(())
    })
}

/// Runs it in each thread, told its number.
fn run(work: &(impl Fn(u64) -> sharray::Result<()> + Sync)) -> Outcome {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|number| scope.spawn(move || work(number))).collect();
        threads.into_iter().try_for_each(|thread| Ok(thread.join().map_err(|_| "a thread panicked")??))
    })
}
