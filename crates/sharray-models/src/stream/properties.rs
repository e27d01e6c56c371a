//! What must hold in every reachable state (section 14).
//!
//! Some properties speak of a state and are functions of it; others speak of one access (a store under somebody's
//! pin, a torn read) and are recorded as a `Fault` when it happens. After a fault a state has no successors.

use stateright::Property;

use super::process::{Role, Step};
use super::{Fault, Mutant, Policy, State, Stream};

/// A1, A2: who believes to be attached holds its byte, and its record is its own. So a free byte proves death.
pub const REGISTERED: &str = "A1 A2: a live process holds its byte and its record";
/// A3.
pub const ONE_PRODUCER: &str = "A3: one live producer";
/// A4.
pub const NO_STORE_UNDER_PIN: &str = "A4: no store under a validated pin";
/// A5.
pub const HEAD_COMPLETE: &str = "A5: head names a complete slot";
/// A6, for one reader and for all of them together, before and after a takeover.
pub const ONE_PAYLOAD: &str = "A6: one sequence, one payload, whole";
/// A8.
pub const NOTHING_LEFT: &str = "A8: nothing names a free record";
/// A9.
pub const RECOVER_REPEATS: &str = "A9: recovery can start again anywhere";
/// A10: the last H-1 frames are intact, and the one before them is intact or says that it is not.
pub const RING_INTACT: &str = "A10: the ring is intact or says so";
/// A11.
pub const NOTHING_SKIPPED: &str = "A11: lossless sees every frame or is evicted";
/// A12.
pub const SLOT_FREE: &str = "A12: with nothing pinned a slot is free";
/// N = H + P suffices: a loan that finds no slot has somebody's death to thank for it.
///
/// Not so where cursors are taken away: an evicted consumer may drop one frame and then pin, in vain, the very next
/// slot that a loan tries. The loan looks again at once, so this is a second look and never a wait.
pub const SLOTS_SUFFICE: &str = "N = H + P: a loan never waits for the living";
/// No hole, no step back.
pub const HEAD_BY_ONE: &str = "head increases by one";
/// Received and missed add up.
pub const ALL_TOLD: &str = "lossy: received + missed = passed";
/// No deadlock, no dead process waited for, no index lost.
pub const NO_STANDSTILL: &str = "nobody waits for ever";

const READ: &str = "somebody reads a frame";
const RECOVERED: &str = "somebody is recovered";
const FINISHED: &str = "a takeover finishes a publish";
const LAGGED: &str = "a consumer learns that it lagged";

impl Stream {
    /// All properties, in the order of section 14.
    ///
    /// The last ones must happen somewhere: a model in which nobody ever reads a frame holds, and says nothing.
    pub(super) fn all_properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always(REGISTERED, registered),
            Property::always(ONE_PRODUCER, one_producer),
            Property::always(NO_STORE_UNDER_PIN, |_, s: &State| !s.failed(Fault::StoreUnderPin)),
            Property::always(HEAD_COMPLETE, head_complete),
            Property::always(ONE_PAYLOAD, |_, s: &State| !s.failed(Fault::Payload)),
            Property::always(NOTHING_LEFT, nothing_left),
            Property::always(RECOVER_REPEATS, Self::repeats),
            Property::always(RING_INTACT, ring_intact),
            Property::always(NOTHING_SKIPPED, |_, s: &State| !s.failed(Fault::LosslessMissed)),
            Property::always(SLOT_FREE, slot_free),
            Property::always(SLOTS_SUFFICE, slots_suffice),
            Property::always(HEAD_BY_ONE, |_, s: &State| !s.failed(Fault::HeadJumps)),
            Property::always(ALL_TOLD, all_told),
            Property::always(NO_STANDSTILL, no_standstill),
            Property::sometimes(READ, |_, s: &State| some_step(s, |step| matches!(step, Step::Read { half: 1 }))),
        ];
        let successor = self.roles.iter().filter(|role| **role == Role::Producer).count() > 1;
        if self.crashes > 0 && (successor || self.respawns > 0) {
            all.push(Property::sometimes(RECOVERED, |_, s: &State| {
                some_step(s, |step| matches!(step, Step::Recover { stage: 4, .. }))
            }));
        }
        if self.crashes > 0 && successor && self.mutant != Mutant::TakeoverBare {
            all.push(Property::sometimes(FINISHED, |_, s: &State| some_step(s, |step| step == Step::Finish)));
        }
        if self.policy == Policy::Evict {
            all.push(Property::sometimes(LAGGED, |_, s: &State| some_step(s, |step| step == Step::AmEvicted)));
        }
        all
    }
}

fn some_step(s: &State, is: fn(Step) -> bool) -> bool {
    s.procs.iter().any(|me| is(me.step))
}

fn registered(_: &Stream, s: &State) -> bool {
    s.procs.iter().enumerate().all(|(p, process)| match (process.index, process.step) {
        (None, _) | (_, Step::Free | Step::Release) => true,
        (Some(i), Step::Unregister) => owns(s, p, i),
        (Some(i), _) => owns(s, p, i) && s.mem.occupied & 1 << i != 0,
    })
}

fn owns(s: &State, p: usize, index: u8) -> bool {
    usize::from(s.mem.bytes[usize::from(index)]) == p + 1 && s.mem.record(index).live
}

fn one_producer(_: &Stream, s: &State) -> bool {
    s.procs.iter().filter(|process| process.produces()).count() <= 1
}

fn head_complete(_: &Stream, s: &State) -> bool {
    s.mem.head.seq == 0 || s.mem.version(s.mem.head.slot) == 2 * s.mem.head.seq
}

fn nothing_left(_: &Stream, s: &State) -> bool {
    s.mem.records.iter().zip(0..).all(|(record, index)| {
        record.live || (record.pin == 0 && record.cursor == 0 && super::memory::owner(s.mem.prod) != Some(index))
    })
}

fn ring_intact(model: &Stream, s: &State) -> bool {
    let newest = s.mem.head.seq;
    let oldest = (newest + 1).saturating_sub(model.ring).max(1);
    (oldest..=newest).all(|seq| {
        let entry = s.mem.entry(seq, model.ring);
        let named = entry.seq == seq && s.mem.version(entry.slot) == 2 * seq;
        if named {
            s.mem.payload[usize::from(entry.slot)] == [s.ghost.truth[usize::from(seq)]; 2]
        } else {
            seq + model.ring == newest + 1
        }
    })
}

fn slot_free(model: &Stream, s: &State) -> bool {
    let pinned = s.mem.records.iter().any(|record| record.pin != 0);
    pinned || s.procs.iter().all(|me| me.step != Step::Starved || model.outside_ring(s, me.seq + 1) != 0)
}

fn slots_suffice(model: &Stream, s: &State) -> bool {
    let readers = model.roles.iter().filter(|role| **role != Role::Producer).count();
    let enough = usize::from(model.slots) >= usize::from(model.ring) + readers;
    !enough || model.policy == Policy::Evict || s.ghost.crashes > 0 || s.procs.iter().all(|me| me.step != Step::Starved)
}

fn all_told(model: &Stream, s: &State) -> bool {
    model
        .roles
        .iter()
        .zip(&s.procs)
        .all(|(role, me)| *role != Role::Lossy || me.step != Step::Await || me.told == me.seq)
}

/// A state without a next step is an end only if everyone is dead, gone, or waiting for a frame that nobody will publish.
fn no_standstill(model: &Stream, s: &State) -> bool {
    let waits = |(p, me): (usize, &super::process::Process)| me.runs() && !model.wakes(s, p);
    if s.fault.is_some() || s.procs.iter().enumerate().any(|(p, me)| me.runs() && model.wakes(s, p)) {
        return true;
    }
    s.procs.iter().enumerate().filter(|&(p, me)| waits((p, me))).all(|(_, me)| me.step == Step::Await)
}
