//! Arrays in place: the lock over blocks, poison, copies.

use super::{AnyModel, Refutation, Scenario};
use crate::lock::properties as lock_properties;
use crate::lock::{Lock, Member, Mutant, Role};

/// Both blocks of two.
const BOTH: u8 = 3;
/// The first and the second block.
const LOW: u8 = 1;
const HIGH: u8 = 2;

/// One process for each.
fn apart(roles: &[(Role, u8)]) -> Lock {
    let members = roles.iter().zip(0..).map(|(&(role, todo), process)| Member { process, role, todo });
    Lock { threads: members.collect(), ..Lock::default() }
}

/// So many threads of process 0, and one process for each of the others.
fn together(threads: &[(Role, u8)], others: &[(Role, u8)]) -> Lock {
    let own = threads.iter().map(|&(role, todo)| Member { process: 0, role, todo });
    let others = others.iter().zip(1..).map(|(&(role, todo), process)| Member { process, role, todo });
    Lock { threads: own.chain(others).collect(), ..Lock::default() }
}

/// One block, two writers and a reader; two of them are killed, one comes back.
fn one_block() -> Lock {
    Lock { crashes: 2, respawns: 1, ..apart(&[(Role::Write(1), 1), (Role::Write(1), 1), (Role::ReadWhole, 1)]) }
}

/// One block, one writer and two readers.
fn one_block_readers() -> Lock {
    Lock { crashes: 2, respawns: 1, ..apart(&[(Role::Write(1), 1), (Role::ReadWhole, 1), (Role::Read(1), 1)]) }
}

/// Nobody is killed, so no slice goes by: whoever sleeps must be woken.
fn no_slices() -> Lock {
    Lock { crashes: 0, ..apart(&[(Role::Write(1), 2), (Role::Write(1), 2), (Role::ReadWhole, 2)]) }
}

/// The same with more readers than writers.
fn no_slices_readers() -> Lock {
    Lock { crashes: 0, ..apart(&[(Role::Write(1), 2), (Role::ReadWhole, 2), (Role::Read(1), 2)]) }
}

/// Any waiter may starve, a deadline passes, and two are killed.
fn turns() -> Lock {
    let model = apart(&[(Role::Write(1), 1), (Role::Write(1), 1), (Role::ReadWhole, 1)]);
    Lock { turns: true, deadlines: 1, crashes: 2, ..model }
}

/// The same without a death: TURN loses no wake-up, and nobody is stuck behind one who has gone.
fn turns_no_slices() -> Lock {
    let model = apart(&[(Role::Write(1), 2), (Role::Write(1), 1), (Role::ReadWhole, 2)]);
    Lock { turns: true, deadlines: 1, crashes: 0, ..model }
}

/// Slices go by at any time, and deadlines.
fn impatient() -> Lock {
    let model = apart(&[(Role::Write(BOTH), 1), (Role::Write(HIGH), 1), (Role::Read(BOTH), 1)]);
    Lock { blocks: 2, slices: true, deadlines: 2, crashes: 2, ..model }
}

/// Nobody is attached at first: who is not in the bitmap yet when a writer looks must see the writer.
fn newcomers() -> Lock {
    let model = apart(&[(Role::Write(1), 1), (Role::ReadWhole, 1), (Role::Write(1), 1)]);
    Lock { late: 2, crashes: 1, respawns: 1, records: 2, leaves: true, ..model }
}

/// The whole, and each block by itself, are written and read.
fn blocks() -> Lock {
    let model = apart(&[(Role::Write(BOTH), 1), (Role::Write(HIGH), 1), (Role::Read(BOTH), 1)]);
    Lock { blocks: 2, crashes: 2, ..model }
}

/// A reader of the whole and one of a block.
fn blocks_readers() -> Lock {
    let model = apart(&[(Role::Write(BOTH), 1), (Role::ReadWhole, 1), (Role::Read(HIGH), 1)]);
    Lock { blocks: 2, crashes: 1, respawns: 1, ..model }
}

/// Nobody is killed.
fn blocks_no_slices() -> Lock {
    let model = apart(&[(Role::Write(BOTH), 2), (Role::Write(HIGH), 1), (Role::Read(BOTH), 2)]);
    Lock { blocks: 2, crashes: 0, ..model }
}

/// Two writers of different blocks, and a reader of the whole that both wait for.
fn blocks_apart() -> Lock {
    let model = apart(&[(Role::Write(LOW), 1), (Role::Write(HIGH), 1), (Role::ReadWhole, 2)]);
    Lock { blocks: 2, crashes: 0, ..model }
}

/// Two threads that read one span through one pin, against a writer.
fn shared_pin() -> Lock {
    together(&[(Role::Read(1), 2), (Role::Read(1), 2)], &[(Role::Write(1), 2)])
}

/// Two threads that read different spans, and two pins; the blocks are written one by one.
fn two_pins() -> Lock {
    let model = together(&[(Role::Read(BOTH), 1), (Role::Read(HIGH), 1)], &[(Role::Write(HIGH), 2)]);
    Lock { blocks: 2, pins: 2, ..model }
}

/// Two threads of one record that hold the whole, and a third that writes.
fn shared_record() -> Lock {
    together(&[(Role::ReadWhole, 1), (Role::ReadWhole, 1), (Role::Write(1), 1)], &[(Role::Write(1), 1)])
}

/// Two threads that may both find the same dead, who comes back.
fn reapers() -> Lock {
    let model = together(&[(Role::Write(1), 1), (Role::Write(1), 1)], &[(Role::ReadWhole, 2)]);
    Lock { crashes: 1, respawns: 1, ..model }
}

/// A writer of the whole is killed anywhere, and whoever recovers it too.
fn poison() -> Lock {
    let model = apart(&[(Role::Write(BOTH), 1), (Role::Write(LOW), 1), (Role::ReadWhole, 1)]);
    Lock { blocks: 2, crashes: 2, respawns: 1, ..model }
}

/// A writer of one block is killed, and the other block goes on.
fn poison_beside() -> Lock {
    let model = apart(&[(Role::Write(LOW), 1), (Role::ReadWhole, 2), (Role::Write(HIGH), 2)]);
    Lock { blocks: 2, crashes: 2, ..model }
}

/// What was cut short is written over, and whole again.
fn mend() -> Lock {
    let model = apart(&[(Role::Write(1), 1), (Role::Mend(1), 1), (Role::ReadWhole, 2)]);
    Lock { crashes: 2, respawns: 1, ..model }
}

/// A writer panics, another mends.
fn panic() -> Lock {
    Lock { crashes: 1, ..apart(&[(Role::Panic(1), 1), (Role::Mend(1), 1), (Role::ReadWhole, 2)]) }
}

/// A write is cut short; somebody finds what is left good enough, while another write may be cut short.
fn clear() -> Lock {
    let model = apart(&[(Role::Write(1), 1), (Role::Clear(1), 1), (Role::ReadWhole, 1)]);
    Lock { crashes: 2, respawns: 1, ..model }
}

/// A guard is forgotten, and its process detaches.
fn forget() -> Lock {
    Lock { blocks: 2, ..apart(&[(Role::Forget(BOTH), 1), (Role::Write(HIGH), 1), (Role::ReadWhole, 1)]) }
}

/// Copies of two blocks, which are written together and apart.
fn copies() -> Lock {
    let model = apart(&[(Role::Write(BOTH), 1), (Role::Write(HIGH), 1), (Role::Copy(BOTH), 1)]);
    Lock { blocks: 2, crashes: 2, ..model }
}

/// Copies of two blocks, of which a panic leaves half a write.
fn copies_panic() -> Lock {
    let model = apart(&[(Role::Panic(BOTH), 1), (Role::Mend(BOTH), 1), (Role::Copy(BOTH), 1)]);
    Lock { blocks: 2, ..model }
}

/// Copies of one block that is cut short and mended.
fn copies_mended() -> Lock {
    let model = apart(&[(Role::Write(1), 1), (Role::Mend(1), 1), (Role::Copy(1), 2)]);
    Lock { crashes: 2, respawns: 1, leaves: true, ..model }
}

/// Somebody waits until something is written.
fn watch() -> Lock {
    Lock { crashes: 2, ..apart(&[(Role::Write(1), 1), (Role::Write(1), 1), (Role::Watch, 1)]) }
}

/// The same, and nobody is killed.
fn watch_no_slices() -> Lock {
    Lock { crashes: 0, ..watch() }
}

/// Two who wait for one writer.
fn watch_two() -> Lock {
    Lock { crashes: 0, ..apart(&[(Role::Write(1), 2), (Role::Watch, 1), (Role::Watch, 1)]) }
}

/// One writer, whose end is the last that anybody hears of.
fn watch_one() -> Lock {
    Lock { crashes: 0, ..apart(&[(Role::Write(1), 1), (Role::Watch, 1)]) }
}

/// Everything that must hold.
pub(super) fn scenarios() -> Vec<Scenario> {
    let with = |name, model| Scenario { name, model: AnyModel::Lock(model) };
    vec![
        with("lock", one_block()),
        with("lock-readers", one_block_readers()),
        with("lock-no-slices", no_slices()),
        with("lock-no-slices-readers", no_slices_readers()),
        with("lock-turns", turns()),
        with("lock-turns-no-slices", turns_no_slices()),
        with("lock-impatient", impatient()),
        with("lock-newcomers", newcomers()),
        with("blocks", blocks()),
        with("blocks-readers", blocks_readers()),
        with("blocks-no-slices", blocks_no_slices()),
        with("blocks-apart", blocks_apart()),
        with("threads-pin", shared_pin()),
        with("threads-pins", two_pins()),
        with("threads-record", shared_record()),
        with("threads-reap", reapers()),
        with("poison", poison()),
        with("poison-beside", poison_beside()),
        with("poison-mend", mend()),
        with("poison-panic", panic()),
        with("poison-clear", clear()),
        with("poison-forget", forget()),
        with("copies", copies()),
        with("copies-mended", copies_mended()),
        with("copies-panic", copies_panic()),
        with("watch", watch()),
        with("watch-no-slices", watch_no_slices()),
        with("watch-two", watch_two()),
    ]
}

/// Every mutant with what refutes it.
pub(super) fn mutants() -> Vec<Refutation> {
    [readers(), writers(), waiters(), recoveries(), copiers()].concat()
}

fn with(scenario: &'static str, mutant: Mutant, property: &'static str, model: Lock) -> Refutation {
    Refutation { scenario, mutant: format!("{mutant:?}"), property, model: AnyModel::Lock(Lock { mutant, ..model }) }
}

fn readers() -> Vec<Refutation> {
    use lock_properties::{NO_LOST_WAKE_UP, NO_WRITER_UNDER_HOLD, WHOLE};
    vec![
        with("lock", Mutant::NoRecheck, NO_WRITER_UNDER_HOLD, one_block()),
        with("lock", Mutant::NoRecheck, WHOLE, one_block()),
        with("blocks", Mutant::CheckFirstOnly, NO_WRITER_UNDER_HOLD, blocks()),
        with("threads", Mutant::HoldStored, NO_WRITER_UNDER_HOLD, shared_record()),
        with("poison", Mutant::PoisonBeforeIn, WHOLE, poison()),
        with("no-slices", Mutant::KeepAnnounced, NO_LOST_WAKE_UP, no_slices()),
        with("no-slices", Mutant::NoDrainWake, NO_LOST_WAKE_UP, no_slices()),
        with("no-slices", Mutant::NoDrainWakeOnRetreat, NO_LOST_WAKE_UP, no_slices()),
        with("no-slices", Mutant::LookBeforeLeave, NO_LOST_WAKE_UP, no_slices()),
        with("blocks-apart", Mutant::LookFirstOnly, NO_LOST_WAKE_UP, blocks_apart()),
        with("threads-pin", Mutant::ClearSharedPin, NO_WRITER_UNDER_HOLD, shared_pin()),
        with("threads-pin", Mutant::JoinClosing, NO_WRITER_UNDER_HOLD, shared_pin()),
        with("threads-pin", Mutant::JoinWithoutStore, NO_WRITER_UNDER_HOLD, shared_pin()),
        with("threads-pin", Mutant::FreeEntryFirst, NO_WRITER_UNDER_HOLD, shared_pin()),
    ]
}

fn writers() -> Vec<Refutation> {
    use lock_properties::{NO_LOST_WAKE_UP, NO_STANDSTILL, NO_WRITER_UNDER_HOLD, POISONED, WHOLE};
    vec![
        with("lock", Mutant::NoDrain, NO_WRITER_UNDER_HOLD, one_block()),
        with("threads", Mutant::DrainSkipsOwn, NO_WRITER_UNDER_HOLD, shared_record()),
        with("threads-pins", Mutant::DrainIgnoresPins, NO_WRITER_UNDER_HOLD, two_pins()),
        with("newcomers", Mutant::BitsBeforeTake, NO_WRITER_UNDER_HOLD, newcomers()),
        with("no-slices", Mutant::DrainWithoutRescan, NO_LOST_WAKE_UP, no_slices()),
        with("no-slices", Mutant::CounterAfterScan, NO_LOST_WAKE_UP, no_slices()),
        with("lock", Mutant::DrainIgnoresDeath, NO_STANDSTILL, one_block()),
        with("blocks", Mutant::FallingOrder, NO_LOST_WAKE_UP, falling()),
        with("impatient", Mutant::OddEarly, POISONED, impatient()),
        with("no-slices", Mutant::UnmarkByStore, NO_LOST_WAKE_UP, no_slices()),
        with("turns", Mutant::QuitKeeps, NO_LOST_WAKE_UP, turns_no_slices()),
        with("blocks", Mutant::ReleaseBeforeEven, POISONED, blocks()),
        with("blocks", Mutant::ReleaseBeforeEven, WHOLE, blocks()),
        with("panic", Mutant::PanicPoisonsLate, POISONED, panic()),
        with("panic", Mutant::PanicWithoutPoison, WHOLE, panic()),
        with("clear", Mutant::ClearUnlocked, POISONED, clear()),
        with("mend", Mutant::CleanseAfterRelease, POISONED, mend()),
    ]
}

/// Two writers of the whole.
fn falling() -> Lock {
    Lock { blocks: 2, crashes: 0, ..apart(&[(Role::Write(BOTH), 1), (Role::Write(BOTH), 1)]) }
}

fn waiters() -> Vec<Refutation> {
    use lock_properties::{NO_LOST_WAKE_UP, NO_STANDSTILL, ONE_WRITER, POISONED};
    vec![
        with("no-slices", Mutant::IgnoreWaiters, NO_LOST_WAKE_UP, no_slices()),
        with("no-slices", Mutant::WakeOne, NO_LOST_WAKE_UP, no_slices()),
        with("no-slices", Mutant::SleepWithoutCompare, NO_LOST_WAKE_UP, no_slices()),
        with("no-slices", Mutant::MarkByOr, NO_LOST_WAKE_UP, no_slices()),
        with("lock", Mutant::WaitIgnoresDeath, NO_STANDSTILL, one_block()),
        with("turns", Mutant::TurnIsOwner, NO_LOST_WAKE_UP, turns_no_slices()),
        with("turns", Mutant::GiveWayForEver, NO_LOST_WAKE_UP, turns_no_slices()),
        with("turns", Mutant::GiveWayForEver, NO_STANDSTILL, turns()),
        with("turns", Mutant::TurnStored, POISONED, turns()),
        with("turns", Mutant::TurnClearedByStore, ONE_WRITER, turns_no_slices()),
        with("watch", Mutant::ArmAfterCheck, NO_LOST_WAKE_UP, watch_one()),
        with("watch", Mutant::NotifyBeforeEven, NO_LOST_WAKE_UP, watch_one()),
    ]
}

fn recoveries() -> Vec<Refutation> {
    use lock_properties::{
        NO_LOST_WAKE_UP, NO_STANDSTILL, NO_WRITER_UNDER_HOLD, NOTHING_LEFT, ONE_WRITER, POISON_TRUE, POISONED,
        RECOVER_REPEATS, REGISTERED, WHOLE,
    };
    vec![
        with("lock", Mutant::FalseDeath, REGISTERED, one_block()),
        with("lock", Mutant::FalseDeath, ONE_WRITER, one_block()),
        with("lock", Mutant::FalseDeath, NO_WRITER_UNDER_HOLD, one_block()),
        with("threads", Mutant::ProbeOwn, ONE_WRITER, shared_record()),
        with("reap", Mutant::NoReapMutex, NO_WRITER_UNDER_HOLD, reapers()),
        with("poison", Mutant::FreeBeforePoison, POISONED, poison()),
        with("lock", Mutant::FreeBeforePoison, WHOLE, one_block()),
        with("poison", Mutant::EvenBeforePoison, RECOVER_REPEATS, poison()),
        with("lock", Mutant::EvenBeforePoison, WHOLE, one_block()),
        with("copies", Mutant::EvenBeforePoison, WHOLE, copies_mended()),
        with("poison", Mutant::NoPoison, POISONED, poison()),
        with("poison", Mutant::NoPoison, WHOLE, poison()),
        with("poison", Mutant::PoisonAlways, POISON_TRUE, poison()),
        with("poison", Mutant::NeverEven, POISONED, poison()),
        with("lock", Mutant::RecordFirst, NOTHING_LEFT, one_block()),
        with("lock", Mutant::RecordFirst, RECOVER_REPEATS, one_block()),
        with("lock", Mutant::RecordFirst, NO_STANDSTILL, one_block()),
        with("lock", Mutant::KeepHolds, NOTHING_LEFT, one_block()),
        with("forget", Mutant::Silent, NO_LOST_WAKE_UP, forget()),
        with("forget", Mutant::ForgottenKept, NOTHING_LEFT, forget()),
    ]
}

fn copiers() -> Vec<Refutation> {
    use lock_properties::{NO_FALSE_ALARM, WHOLE};
    vec![
        with("copies", Mutant::CopyWithoutSecondLook, WHOLE, copies()),
        with("copies", Mutant::CopyOdd, WHOLE, copies()),
        with("copies", Mutant::CopyFirstOnly, WHOLE, copies()),
        with("copies", Mutant::CopyPoisonFirst, WHOLE, copies_mended()),
        with("copies", Mutant::CopyIgnoresPoison, WHOLE, copies_mended()),
        with("copies", Mutant::AlarmAtOnce, NO_FALSE_ALARM, copies_mended()),
    ]
}

/// Omissions that no property refutes, each with the reason.
pub(super) fn harmless() -> Vec<Scenario> {
    let with = |name, mutant, model| Scenario { name, model: AnyModel::Lock(Lock { mutant, ..model }) };
    vec![
        // A wake that recovery owes is made up for by the slices in which everyone sleeps.
        with("silent recovery: lock", Mutant::Silent, one_block()),
        with("silent recovery: watch", Mutant::Silent, watch()),
        // Readers that leave wake somebody who does not sleep.
        with("keep DRAIN: readers", Mutant::KeepDrain, no_slices_readers()),
        with("keep DRAIN: blocks", Mutant::KeepDrain, blocks_apart()),
    ]
}
