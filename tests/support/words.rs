//! The shared words of an array in place, read from its file: who holds what, as anybody could see it.
//!
//! They are read one after the other, so they tell the truth only while nobody changes them.

use super::bytes::{get64, offset, region};
use super::{Outcome, ensure, ensure_eq};
use std::path::Path;

/// The table of participants stands here in every file.
const PARTICIPANTS_OFF: usize = 16_384;
/// The distance of its entries, and of those of the table of blocks.
const LINE: usize = 128;
/// The bits of a role word that name a participant.
const OWNER: u32 = 0x3ff;

/// The words of a block's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockWords {
    pub(crate) wr: u32,
    pub(crate) seq: u64,
    pub(crate) poison: u32,
}

impl BlockWords {
    /// The record of whoever has it.
    pub(crate) fn owner(self) -> Option<u32> {
        (self.wr & OWNER).checked_sub(1)
    }

    /// Whether its next writer has to be told that it is not whole, if whoever has it is dead.
    pub(crate) fn is_half_written(self) -> bool {
        self.seq % 2 == 1 || self.poison != 0
    }
}

/// What a participant's record says of its leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordWords {
    pub(crate) is_here: bool,
    pub(crate) pid: u64,
    pub(crate) holds: u32,
    pub(crate) pins: [u32; 8],
}

impl RecordWords {
    pub(crate) fn reads(&self) -> bool {
        self.holds != 0 || self.pins != [0; 8]
    }
}

/// All of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) blocks: Vec<BlockWords>,
    pub(crate) records: Vec<RecordWords>,
}

impl Words {
    pub(crate) fn of(file: &Path, participants: u32) -> Outcome<Self> {
        let bytes = std::fs::read(file)?;
        let get32 = |at: usize| (get64(&bytes, at) & 0xffff_ffff) as u32;
        let [wr, seq, poison] = ["wr", "seq", "poison"].map(|field| offset("Block", field));
        let [state, pid, holds, pins] = ["state", "pid", "rd", "pin"].map(|field| offset("Participant", field));
        let blocks = region(&bytes, "blocks").step_by(LINE).map(|base| BlockWords {
            wr: get32(base + wr),
            seq: get64(&bytes, base + seq),
            poison: get32(base + poison),
        });
        let records = (0..participants as usize).map(|index| PARTICIPANTS_OFF + index * LINE).map(|base| RecordWords {
            is_here: get64(&bytes, base + state) & 0xff == 1,
            pid: get64(&bytes, base + pid),
            holds: get32(base + holds),
            pins: std::array::from_fn(|pin| get32(base + pins + 4 * pin)),
        });
        Ok(Self { blocks: blocks.collect(), records: records.collect() })
    }

    /// Checks that nobody has or reads anything, and that no write is under way.
    pub(crate) fn ensure_idle(&self) -> Outcome {
        for (number, block) in self.blocks.iter().enumerate() {
            ensure_eq!(block.owner(), None, "the owner of block {number}");
            ensure!(block.seq % 2 == 0, "block {number} is written by nobody: {block:?}");
        }
        let readers: Vec<_> = self.records.iter().filter(|record| record.reads()).collect();
        ensure!(readers.is_empty(), "somebody reads what nobody reads: {readers:?}");
        Ok(())
    }
}
