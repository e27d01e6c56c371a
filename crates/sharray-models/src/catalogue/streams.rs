//! Streams, and the wait word.

use super::{AnyModel, Refutation, Scenario};
use crate::stream::properties as stream_properties;
use crate::stream::{Advance, Mutant, Policy, Role, Stream};
use crate::wait::{self, Slip, Wait};

fn stream(roles: &[Role], todo: &[u8]) -> Stream {
    Stream { roles: roles.to_vec(), todo: todo.to_vec(), ..Stream::default() }
}

/// Two processes for two records, none attached at first; both may die and come back, in a record that needs recovery.
fn records() -> Stream {
    let model = stream(&[Role::Producer, Role::Newest], &[2, 1]);
    Stream { attached: false, records: 2, last: 2, crashes: 2, respawns: 2, ..model }
}

/// Three for three: a claim, an attach and a loan may all want to recover the same one.
fn crowd() -> Stream {
    let model = stream(&[Role::Producer, Role::Producer, Role::Newest], &[1, 1, 1]);
    Stream { attached: false, last: 1, crashes: 1, respawns: 1, ..model }
}

/// A producer and its successor, and a reader of the newest frame; N = H + P.
fn pool() -> Stream {
    Stream { last: 3, crashes: 2, ..stream(&[Role::Producer, Role::Producer, Role::Newest], &[2, 2, 2]) }
}

/// The same with somebody coming back, in a record that must be recovered first.
fn pool_respawn() -> Stream {
    Stream { last: 2, crashes: 1, respawns: 1, ..stream(&[Role::Producer, Role::Producer, Role::Newest], &[2, 2, 1]) }
}

/// Two readers, with as many slots as that takes.
fn pool_two() -> Stream {
    let model = stream(&[Role::Producer, Role::Newest, Role::Newest], &[3, 2, 1]);
    Stream { slots: 4, last: 3, ..model }
}

/// Fewer slots than N = H + P: the producer starves while frames are held, and no longer.
fn pool_tight() -> Stream {
    Stream { slots: 2, last: 3, crashes: 2, respawns: 1, ..stream(&[Role::Producer, Role::Newest], &[3, 2]) }
}

/// Three producers one after another, and a reader that goes through the ring.
fn succession(reader: Role) -> Stream {
    let model = stream(&[Role::Producer, Role::Producer, Role::Producer, reader], &[1, 2, 1, 2]);
    Stream { records: 4, last: 2, crashes: 2, ..model }
}

/// One producer and its successor, and a lossy reader.
fn lossy() -> Stream {
    Stream { last: 4, crashes: 2, ..stream(&[Role::Producer, Role::Producer, Role::Lossy], &[3, 3, 3]) }
}

/// The same with a ring of three.
fn lossy_wide() -> Stream {
    Stream { ring: 3, slots: 4, last: 5, ..stream(&[Role::Producer, Role::Lossy], &[5, 3]) }
}

/// One producer and its successor, and a lossless consumer.
fn lossless() -> Stream {
    Stream { crashes: 2, ..stream(&[Role::Producer, Role::Producer, Role::Lossless], &[3, 3, 3]) }
}

/// Two consumers with cursors.
fn lossless_two() -> Stream {
    let model = stream(&[Role::Producer, Role::Lossless, Role::Lossless], &[3, 2, 2]);
    Stream { last: 3, slots: 4, from_oldest: false, ..model }
}

/// Long enough for one consumer to join behind the other; nobody dies, but the producer remembers the least cursor.
fn join_behind() -> Stream {
    let model = stream(&[Role::Producer, Role::Lossless, Role::Lossless], &[3, 2, 2]);
    Stream { last: 3, crashes: 0, ..model }
}

/// A lossless consumer beside a lossy one.
fn mixed() -> Stream {
    Stream { slots: 4, last: 3, ..stream(&[Role::Producer, Role::Lossless, Role::Lossy], &[3, 2, 2]) }
}

/// Cursors are taken away from consumers that are slow; they join again.
fn evict() -> Stream {
    let model = stream(&[Role::Producer, Role::Producer, Role::Lossless], &[4, 4, 3]);
    Stream { policy: Policy::Evict, last: 4, crashes: 2, ..model }
}

/// Everything that must hold.
pub(super) fn scenarios() -> Vec<Scenario> {
    let with = |name, model| Scenario { name, model: AnyModel::Stream(model) };
    let advance = |advance, model| Stream { advance, ..model };
    vec![
        with("records", records()),
        with("crowd", crowd()),
        with("pool", pool()),
        with("pool-respawn", pool_respawn()),
        with("pool-two", pool_two()),
        with("pool-tight", pool_tight()),
        with("eager", succession(Role::Eager)),
        with("copier", succession(Role::Copier)),
        with("lossy", lossy()),
        with("lossy-wide", lossy_wide()),
        with("lossless", lossless()),
        with("lossless-after-use", advance(Advance::AfterUse, lossless())),
        with("lossless-for-validation", advance(Advance::ForValidation, lossless())),
        with("lossless-two", lossless_two()),
        with("join-behind", Stream { count_joins: true, ..join_behind() }),
        with("lossless-least-kept", Stream { count_joins: true, crashes: 1, ..lossless() }),
        with("mixed", mixed()),
        with("evict", evict()),
        with("evict-for-validation", advance(Advance::ForValidation, evict())),
        Scenario { name: "wait", model: AnyModel::Wait(Wait::default()) },
    ]
}

/// Every mutant with what refutes it.
pub(super) fn mutants() -> Vec<Refutation> {
    use stream_properties::{
        NO_STANDSTILL, NO_STORE_UNDER_PIN, NOTHING_LEFT, NOTHING_SKIPPED, ONE_PAYLOAD, ONE_PRODUCER, RECOVER_REPEATS,
        REGISTERED, RING_INTACT, SLOTS_SUFFICE,
    };
    let with = |scenario, mutant, property, model: Stream| Refutation {
        scenario,
        mutant: format!("{mutant:?}"),
        property,
        model: AnyModel::Stream(Stream { mutant, ..model }),
    };
    let slip = |slip, property| Refutation {
        scenario: "wait",
        mutant: format!("{slip:?}"),
        property,
        model: AnyModel::Wait(Wait { slip, waiters: vec![1, 2], notifiers: 2, ..Wait::default() }),
    };
    vec![
        with("crowd", Mutant::RegisterBeforeLock, REGISTERED, crowd()),
        with("records", Mutant::AttachClearBitsOnly, NO_STANDSTILL, records()),
        with("pool", Mutant::FalseDeath, REGISTERED, pool()),
        with("pool", Mutant::FalseDeath, ONE_PRODUCER, pool()),
        with("pool-tight", Mutant::FalseDeath, NO_STORE_UNDER_PIN, pool_tight()),
        with("records", Mutant::RecordBeforeWords, NOTHING_LEFT, records()),
        with("records", Mutant::RecordBeforeWords, RECOVER_REPEATS, records()),
        with("pool", Mutant::PinWithoutRecheck, NO_STORE_UNDER_PIN, pool()),
        with("pool", Mutant::PinWithoutRecheck, ONE_PAYLOAD, pool()),
        with("pool", Mutant::LoanIgnoresPins, NO_STORE_UNDER_PIN, pool()),
        with("lossy-wide", Mutant::PoolIgnoresRing, RING_INTACT, lossy_wide()),
        with("lossless", Mutant::PoolIgnoresRing, NOTHING_SKIPPED, Stream { ring: 3, slots: 4, ..lossless() }),
        with("eager", Mutant::TakeoverWithoutFinish, ONE_PAYLOAD, succession(Role::Eager)),
        with("copier", Mutant::TakeoverWithoutFinish, ONE_PAYLOAD, succession(Role::Copier)),
        with("eager", Mutant::TakeoverBare, ONE_PAYLOAD, succession(Role::Eager)),
        with("lossy", Mutant::LossyWithoutRecheck, ONE_PAYLOAD, lossy()),
        with("lossy", Mutant::LossyJumpShort, SLOTS_SUFFICE, lossy()),
        with("lossless", Mutant::JoinWithoutIntent, NOTHING_SKIPPED, lossless()),
        with("lossless", Mutant::IntentAfterScan, NOTHING_SKIPPED, lossless()),
        with("lossless", Mutant::GateOffByOne, NOTHING_SKIPPED, lossless()),
        with("join-behind", Mutant::LeastCursorKept, NOTHING_SKIPPED, join_behind()),
        with("lossless", Mutant::GateIgnoresDeath, NO_STANDSTILL, lossless()),
        with("lossless", Mutant::AdvanceBeforePin, NOTHING_SKIPPED, lossless()),
        with("evict", Mutant::UseWithoutPin, NO_STORE_UNDER_PIN, evict()),
        slip(Slip::NotifyBeforeStore, wait::NO_LOST_WAKE_UP),
        slip(Slip::CheckBeforeLoad, wait::NO_LOST_WAKE_UP),
        slip(Slip::SleepWithoutCompare, wait::NO_LOST_WAKE_UP),
    ]
}

/// Omissions that no property refutes, each with the reason.
pub(super) fn harmless() -> Vec<Scenario> {
    let with = |name, mutant, model| Scenario { name, model: AnyModel::Stream(Stream { mutant, ..model }) };
    vec![
        // Once every described frame is finished, no ring entry can name a version that takeover would have zeroed.
        with("no-reset: eager", Mutant::TakeoverWithoutReset, succession(Role::Eager)),
        with("no-reset: copier", Mutant::TakeoverWithoutReset, succession(Role::Copier)),
        with("no-reset: newest", Mutant::TakeoverWithoutReset, pool()),
        // Who waits for `head` before it looks at the ring never meets what takeover cleans up.
        with("bare: newest", Mutant::TakeoverBare, succession(Role::Newest)),
        with("bare: lossy", Mutant::TakeoverBare, succession(Role::Lossy)),
        with("bare: lossless", Mutant::TakeoverBare, succession(Role::Lossless)),
    ]
}
