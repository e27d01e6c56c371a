//! mmap-sync. It keeps the newest value alone, so two counts tell its writer which frames were taken: without them most
//! would be lost.

use crate::work::{Consumer, Producer};
use mmap_sync::instance::InstanceVersion;
use mmap_sync::synchronizer::Synchronizer;
use sharray_compare::memory::Shared;
use sharray_compare::{Outcome, Part, peers};
use std::hint;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

/// The counts of frames that were begun and of those that were let go, each in a line of its own.
const BEGUN: usize = 0;
const LET_GO: usize = 16;

struct End {
    synchronizer: Synchronizer,
    counts: Shared,
    /// Frames that this side has put or taken.
    done: u64,
}

impl End {
    fn open(part: &Part) -> Outcome<Self> {
        let synchronizer = Synchronizer::new(part.folder.join("frames").as_os_str());
        Ok(Self { synchronizer, counts: Shared::open(&part.folder.join("counts"), 4096)?, done: 0 })
    }

    fn count(&self, at: usize) -> &AtomicU64 {
        self.counts.word64(at)
    }
}

struct Out<const WORDS: usize> {
    end: End,
    own: Vec<u64>,
}

impl<const WORDS: usize> Producer for Out<WORDS> {
    fn put(&mut self, fill: &mut dyn FnMut(&mut [u64])) -> Outcome {
        fill(&mut self.own);
        let end = &mut self.end;
        let done = end.done;
        while end.count(BEGUN).load(Acquire) < done || end.count(LET_GO).load(Acquire) + 1 < done {
            hint::spin_loop();
        }
        end.synchronizer.write_raw::<[u64; WORDS]>(bytemuck::cast_slice(&self.own), peers::GRACE)?;
        end.done += 1;
        Ok(())
    }
}

struct Back<const WORDS: usize> {
    end: End,
    last: Option<InstanceVersion>,
}

impl<const WORDS: usize> Consumer for Back<WORDS> {
    fn take(&mut self, look: &mut dyn FnMut(&[u64]) -> Outcome) -> Outcome {
        let end = &mut self.end;
        // An error: nothing was ever written.
        let newest = loop {
            match end.synchronizer.version() {
                Ok(version) if self.last != Some(version) => break version,
                _ => hint::spin_loop(),
            }
        };
        self.last = Some(newest);
        end.done += 1;
        // SAFETY: its writer waits for longer than the frame is looked at.
        let frame = unsafe { end.synchronizer.read::<[u64; WORDS]>(false) }?;
        end.counts.word64(BEGUN).store(end.done, Release);
        look(&frame[..])?;
        drop(frame);
        end.count(LET_GO).store(end.done, Release);
        Ok(())
    }
}

pub(crate) fn producer(part: &Part, words: usize) -> Outcome<Box<dyn Producer>> {
    fn out<const WORDS: usize>(end: End) -> Box<dyn Producer> {
        Box::new(Out::<WORDS> { end, own: vec![0; WORDS] })
    }
    let end = End::open(part)?;
    // The length stands in the type.
    Ok(match words {
        0x2000 => out::<0x2000>(end),
        0x2_0000 => out::<0x2_0000>(end),
        0x10_0000 => out::<0x10_0000>(end),
        0x80_0000 => out::<0x80_0000>(end),
        _ => return Err(format!("there are no frames of {words} words").into()),
    })
}

pub(crate) fn consumer(part: &Part, words: usize) -> Outcome<Box<dyn Consumer>> {
    fn back<const WORDS: usize>(end: End) -> Box<dyn Consumer> {
        Box::new(Back::<WORDS> { end, last: None })
    }
    let end = End::open(part)?;
    Ok(match words {
        0x2000 => back::<0x2000>(end),
        0x2_0000 => back::<0x2_0000>(end),
        0x10_0000 => back::<0x10_0000>(end),
        0x80_0000 => back::<0x80_0000>(end),
        _ => return Err(format!("there are no frames of {words} words").into()),
    })
}
