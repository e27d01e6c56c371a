//! The lock of an array in place: who may be inside at the same time, who wakes whom, and what the dead leave behind.

mod doom;
mod meet;
mod share;
mod turn;
mod wake;

use super::Process;
use crate::protocol::lock::{self, Local, Place, Span};
use crate::protocol::word::Block;
use crate::protocol::{Fault, World};
use crate::world::{Geometry, IN_PLACE, LoomWorld};
use std::sync::Arc;

/// Two blocks, so that a reader of one of them says so with a pin.
pub(super) const TWO_BLOCKS: Geometry = Geometry { blocks: 2, ..IN_PLACE };
pub(super) const FIRST: Span = Span { first: 0, count: 1 };
pub(super) const SECOND: Span = Span { first: 1, count: 1 };
pub(super) const BOTH: Span = Span { first: 0, count: 2 };

/// No end to the wait.
pub(super) const FOREVER: u64 = u64::MAX;

/// One attach of an array in place. Its threads share it.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) process: Process,
    pub(super) local: Arc<Local<LoomWorld>>,
}

impl Member {
    /// The `n`th process of a world attaches.
    pub(super) fn attach(world: &LoomWorld, n: u32) -> Self {
        Self::of(Process::attach(world, n))
    }

    /// A process that has attached.
    #[allow(clippy::arc_with_non_send_sync, reason = "loom's threads take turns on one real thread")]
    pub(super) fn of(process: Process) -> Self {
        let pins = process.me.record(&process.world).expect("the index is good").pins.len();
        let local = Arc::new(Local::new(pins, process.world.blocks()));
        Self { process, local }
    }

    pub(super) fn world(&self) -> &LoomWorld {
        &self.process.world
    }

    /// The same attach where sleeps end by themselves, and take so long.
    pub(super) fn sliced(&self, sleep_ns: u64) -> Self {
        let process = Process { world: self.world().sliced().aging(sleep_ns), me: self.process.me };
        Self { process, local: self.local.clone() }
    }

    /// Takes a write lease; `false` if the time passes, or if the process is dead.
    pub(super) fn begin_write(&self, span: Span, until_ns: u64) -> bool {
        self.local.write(self.world(), self.process.me, span, until_ns).expect("the words are sound")
    }

    pub(super) fn end_write(&self, span: Span) {
        self.local.end_write(self.world(), span, false).expect("the words are sound");
    }

    pub(super) fn fill(&self, span: Span, number: u64) {
        span.blocks().for_each(|block| self.world().fill_block(block, number));
    }

    /// Writes a number into each block of a span, however long it takes to get there.
    pub(super) fn write(&self, span: Span, number: u64) {
        if self.begin_write(span, FOREVER) {
            self.fill(span, number);
            self.end_write(span);
        }
    }

    /// Takes a read lease; `None` if the time passes, or if the process is dead.
    pub(super) fn begin_read(&self, span: Span, until_ns: u64) -> Option<Place> {
        self.local.read(self.world(), self.process.me, span, until_ns).expect("the words are sound")
    }

    pub(super) fn end_read(&self, span: Span, place: Place) {
        self.local.end_read(self.world(), self.process.me, span, place).expect("the words are sound");
    }

    /// What stands in the blocks of a span that is held: one number, or that it is poisoned.
    pub(super) fn look(&self, span: Span) -> Result<Vec<u64>, Fault> {
        if let Some(block) = lock::poisoned(self.world(), span)? {
            return Err(Fault::Poisoned(block));
        }
        let look = |block| {
            let [first, second] = self.world().look_at_block(block);
            assert_eq!(first, second, "a block that is half written can be read");
            first
        };
        Ok(span.blocks().map(look).collect())
    }

    /// Reads the blocks of a span under a lease, however long it takes to have one.
    pub(super) fn read(&self, span: Span) -> Result<Vec<u64>, Fault> {
        let place = self.begin_read(span, FOREVER).expect("the process lives");
        let seen = self.look(span);
        self.end_read(span, place);
        seen
    }

    /// Reads one block.
    pub(super) fn read_one(&self, span: Span) -> u64 {
        self.read(span).expect("nobody died")[0]
    }
}

/// An array in place, and so many processes that have attached it.
pub(super) fn array<const N: usize>(geometry: Geometry) -> [Member; N] {
    let world = LoomWorld::new(Geometry { participants: N as u32, ..geometry });
    std::array::from_fn(|n| Member::attach(&world, n as u32))
}

pub(super) fn block(world: &LoomWorld, block: u32) -> Block<'_, LoomWorld> {
    world.block(block).expect("there is such a block")
}
