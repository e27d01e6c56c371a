//! Who fills slots, and which ones it leaves alone.

use super::{Durable, FLUSHERS, Frame, NONE, Slip, State, payload};

/// Where the producer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Producer {
    Idle,
    /// The version is odd; now it looks at everything that may name the slot, one after another.
    Look {
        slot: u8,
        old: u8,
        at: u8,
        cached: [u8; 2],
    },
    Tear {
        slot: u8,
    },
    Fill {
        slot: u8,
    },
    Complete {
        slot: u8,
    },
    Announce {
        slot: u8,
    },
}

/// What it looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Pin(usize),
    Pending,
    Durable,
}

impl Durable {
    /// In which order it looks.
    fn looks(&self) -> Vec<Look> {
        let pins = (0..FLUSHERS).map(Look::Pin);
        match self.slip {
            Slip::EarlyReuse | Slip::CachedSuperblock => pins.collect(),
            Slip::OnlyDurable => pins.chain([Look::Durable]).collect(),
            Slip::WordsBeforePins => [Look::Durable, Look::Pending].into_iter().chain(pins).collect(),
            Slip::DurableBeforePending => pins.chain([Look::Durable, Look::Pending]).collect(),
            _ => pins.chain([Look::Pending, Look::Durable]).collect(),
        }
    }

    pub(super) fn produce(&self, s: &mut State, chosen: u8) {
        s.producer = match s.producer {
            Producer::Idle => {
                let old = s.versions[usize::from(chosen)];
                s.versions[usize::from(chosen)] = 2 * s.head.seq + 1;
                let cached = s.memory.superblocks.map(|it| if it.number > 0 { it.frame.slot + 1 } else { 0 });
                Producer::Look { slot: chosen, old, at: 0, cached }
            }
            Producer::Look { slot, old, at, cached } => self.look(s, slot, old, at, cached),
            Producer::Tear { slot } => {
                let durable = s.memory.superblocks.iter().any(|it| it.number > 0 && it.frame.slot == slot);
                s.happened.reused |= durable && s.confirmed > 0;
                s.memory.payloads[usize::from(slot)] = 0;
                s.dirty |= payload(slot);
                Producer::Fill { slot }
            }
            Producer::Fill { slot } => {
                s.fillings += 1;
                s.memory.payloads[usize::from(slot)] = s.fillings;
                s.dirty |= payload(slot);
                Producer::Complete { slot }
            }
            Producer::Complete { slot } => {
                s.versions[usize::from(slot)] = 2 * (s.head.seq + 1);
                Producer::Announce { slot }
            }
            Producer::Announce { slot } => {
                s.head = Frame { seq: s.head.seq + 1, slot, filling: s.memory.payloads[usize::from(slot)] };
                Producer::Idle
            }
        };
    }

    fn look(&self, s: &mut State, slot: u8, old: u8, at: u8, cached: [u8; 2]) -> Producer {
        let looks = self.looks();
        let names = |frame: Frame| frame != NONE && frame.slot == slot;
        let is_held = match looks[usize::from(at)] {
            Look::Pin(f) => s.pins[f] == slot + 1,
            Look::Pending => names(s.pending),
            Look::Durable => names(s.durable),
        };
        let is_cached = self.slip == Slip::CachedSuperblock && cached.contains(&(slot + 1));
        if is_held || is_cached {
            s.versions[usize::from(slot)] = if old % 2 == 0 { old } else { 0 };
            return Producer::Idle;
        }
        if usize::from(at) + 1 == looks.len() {
            Producer::Tear { slot }
        } else {
            Producer::Look { slot, old, at: at + 1, cached }
        }
    }
}

/// The producer dies, and a successor has the role: what was not announced never was.
pub(super) fn crash(s: &mut State) {
    s.producer = Producer::Idle;
    for version in &mut s.versions {
        if *version > 2 * s.head.seq && *version % 2 == 0 {
            *version = 0;
        }
    }
}
