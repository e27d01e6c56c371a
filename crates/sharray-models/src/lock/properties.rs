//! What must hold in every reachable state (section 14).
//!
//! Some properties speak of a state and are functions of it; others speak of one access (something torn that was read)
//! and are recorded as a `Fault` when it happens. After a fault a state has no successors.

use stateright::Property;

use super::memory::{bits, owner};
use super::process::{End, Resume, Role, Step};
use super::{Fault, Lock, State};

/// A1, A2: who believes to be attached holds its byte, and its record is its own. So a free byte proves death.
pub const REGISTERED: &str = "A1 A2: a live process holds its byte and its record";
/// A3.
pub const ONE_WRITER: &str = "A3: one live writer of a block";
/// A4: from the moment a writer has seen the last reader off, not just while it writes.
pub const NO_WRITER_UNDER_HOLD: &str = "A4: no writer in a block that is read";
/// A6: under a hold, the last write, whole; in a copy, writes that stood beside each other, whole.
pub const WHOLE: &str = "A6: what is read is one version, whole";
/// A7: who is in finds the block as its last write left it, or poison.
pub const POISONED: &str = "A7: a write cut short is poison before anyone is in";
/// Poison stays where a write was cut short, and comes nowhere else.
pub const POISON_TRUE: &str = "poison: no block that was not cut short";
/// A read-only attachment that asks the kernel is right.
pub const NO_FALSE_ALARM: &str = "poison: nobody asks the kernel and is wrong";
/// A8.
pub const NOTHING_LEFT: &str = "A8: nothing names a free record";
/// A9.
pub const RECOVER_REPEATS: &str = "A9: recovery can start again anywhere";
/// A13, among the living: without it a sleeper would have to wait for its slice.
pub const NO_LOST_WAKE_UP: &str = "A13: no wake-up is lost";
/// No deadlock, no dead process waited for: whoever lives can finish.
pub const NO_STANDSTILL: &str = "nobody waits for ever";

const WRITES: &str = "a writer gets in";
const READS: &str = "a reader gets in";
const TOLD: &str = "a reader is told of poison";
const DRAINS: &str = "a writer sleeps until a reader goes";
const SLEEPS: &str = "somebody sleeps until a writer goes";
const RECOVERED: &str = "somebody is recovered";
const RECOVERED_AGAIN: &str = "a recoverer dies and another finishes";
const CLEARED: &str = "poison is cleared";
const BESIDE: &str = "a block is written while another is poisoned";
const COPIES: &str = "a copy is accepted";
const ALARMS: &str = "a copier finds a dead writer";
const SHARED: &str = "two threads use one pin";
const STARVES: &str = "somebody starves";
const WATCHES: &str = "somebody sleeps until something changes";

impl Lock {
    /// All properties, in the order of section 14, and then what must happen somewhere for them to mean anything.
    pub(super) fn all_properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always(REGISTERED, registered),
            Property::always(ONE_WRITER, one_writer),
            Property::always(NO_WRITER_UNDER_HOLD, no_writer_under_hold),
            Property::always(WHOLE, |_, s: &State| s.fault != Some(Fault::Torn)),
            Property::always(POISONED, poisoned),
            Property::always(POISON_TRUE, |_, s: &State| s.mem.poison & !s.ghost.broken == 0),
            Property::always(NO_FALSE_ALARM, |_, s: &State| s.fault != Some(Fault::FalseAlarm)),
            Property::always(NOTHING_LEFT, nothing_left),
            Property::always(RECOVER_REPEATS, Self::repeats),
            Property::always(NO_LOST_WAKE_UP, |model, s: &State| s.ghost.crashes > 0 || goes_on(model, s)),
            Property::always(NO_STANDSTILL, |model, s: &State| s.ghost.crashes == 0 || goes_on(model, s)),
        ];
        self.must_happen(&mut all);
        all
    }

    fn must_happen(&self, all: &mut Vec<Property<Self>>) {
        let any = |is: fn(Role) -> bool| self.threads.iter().any(|thread| is(thread.role));
        let reads = any(|role| matches!(role, Role::ReadWhole | Role::Read(_)));
        let writes = any(|role| matches!(role, Role::Write(_) | Role::Mend(_) | Role::Panic(_) | Role::Forget(_)));
        let copies = any(|role| matches!(role, Role::Copy(_)));
        let writers = self.threads.iter().filter(|t| matches!(t.role, Role::Write(_))).count();
        let participants = (0..3).filter(|process| self.threads.iter().any(|t| t.process == *process)).count();
        let participants = participants - self.threads.iter().filter(|t| matches!(t.role, Role::Copy(_))).count();
        let recovered = self.crashes > 0 && (participants > 1 || self.respawns > 0);
        let mut add = |when: bool, name: &'static str, is: fn(&Self, &State) -> bool| {
            if when {
                all.push(Property::sometimes(name, is));
            }
        };
        add(writes, WRITES, |_, s| some_step(s, |step| matches!(step, Step::Store { .. })));
        add(writers + usize::from(reads) > 1, SLEEPS, |_, s| some_step(s, |step| matches!(step, Step::Asleep { .. })));
        add(reads, READS, |_, s| some_step(s, |step| matches!(step, Step::Load { half: 1, .. })));
        add(reads && writes, DRAINS, |_, s| some_step(s, |step| matches!(step, Step::Drained { .. })));
        add(reads && writes && recovered, TOLD, |_, s| some_step(s, |step| step == Step::Leave { end: End::Told }));
        add(recovered, RECOVERED, |_, s| some_step(s, |step| matches!(step, Step::Recover { stage: 9, .. })));
        add(recovered && self.crashes > 1 && (participants > 2 || self.respawns > 0), RECOVERED_AGAIN, |_, s| {
            let again = |step| matches!(step, Step::Unlock { index, .. } if s.ghost.interrupted & 1 << index != 0);
            s.threads.iter().any(|thread| again(thread.step))
        });
        add(recovered && self.blocks > 1 && writers > 1, BESIDE, |_, s| {
            s.threads
                .iter()
                .any(|me| matches!(me.step, Step::Store { block, .. } if s.mem.poison & 1 << (block ^ 1) != 0))
        });
        let clears = any(|role| matches!(role, Role::Mend(_) | Role::Clear(_)));
        add(clears, CLEARED, |_, s| {
            s.threads.iter().any(|me| matches!(me.step, Step::Cleanse { block } if s.mem.poison & 1 << block != 0))
        });
        add(copies, COPIES, |_, s| s.ghost.copies);
        add(copies && self.crashes > 0, ALARMS, |_, s| s.ghost.alarms);
        add(self.turns, STARVES, |_, s| s.threads.iter().any(|thread| thread.starving));
        add(self.watched(), WATCHES, |_, s| some_step(s, |step| step == Step::Watching));
        let shares = |span| self.threads.iter().filter(|t| t.process == 0 && t.role == Role::Read(span)).count() > 1;
        add(shares(1) || shares(3), SHARED, |_, s| {
            s.processes[0].entries.iter().any(|e| matches!(e, super::process::Entry::Used { guards: 2.., .. }))
        });
    }
}

fn some_step(s: &State, is: fn(Step) -> bool) -> bool {
    s.threads.iter().any(|me| is(me.step))
}

fn registered(model: &Lock, s: &State) -> bool {
    (0..model.threads.len()).all(|p| {
        let process = model.process(p);
        let leaves = matches!(
            s.threads[p].step,
            Step::Free
                | Step::ReleaseByte
                | Step::Recover { resume: Resume::Detach, .. }
                | Step::Unlock { resume: Resume::Detach, .. }
        );
        let Some(i) = s.processes[process].index.filter(|_| !leaves) else {
            return true;
        };
        let bit = s.mem.occupied & 1 << i != 0;
        usize::from(s.mem.bytes[usize::from(i)]) == process + 1 && s.mem.record(i).live && bit
    })
}

fn one_writer(model: &Lock, s: &State) -> bool {
    bits((1 << model.blocks) - 1).all(|b| s.threads.iter().filter(|me| me.owns & 1 << b != 0).count() <= 1)
}

fn no_writer_under_hold(_: &Lock, s: &State) -> bool {
    let held = s.threads.iter().fold(0, |held, me| held | me.holds);
    s.threads.iter().all(|me| me.drained & held == 0)
}

/// A whole write counts as made from its first even sequence on; its other blocks are still its own then.
fn poisoned(model: &Lock, s: &State) -> bool {
    let inside = s.threads.iter().fold(0, |all, me| all | me.holds | (me.drained & !me.begun));
    bits(inside & ((1 << model.blocks) - 1)).all(|b| {
        let block = usize::from(b);
        let as_left = s.mem.data[block] == s.ghost.truth[block];
        !s.mem.odd(b) && (as_left || s.mem.poison & 1 << b != 0)
    })
}

fn nothing_left(model: &Lock, s: &State) -> bool {
    let owners = s.mem.wr.iter().filter_map(|word| owner(*word));
    let owned = owners.fold(0, |all, (i, generation)| {
        let current = s.mem.record(i).live && s.mem.record(i).generation == generation;
        if current { all } else { all | 1 << i }
    });
    (0..model.records).all(|i| {
        let record = s.mem.record(i);
        owned & 1 << i == 0 && (record.live || (record.rd == 0 && record.pins == [0; 2]))
    })
}

/// Whether somebody has something to do, or everybody who runs has a good reason to wait.
fn goes_on(model: &Lock, s: &State) -> bool {
    let mut running = (0..model.threads.len()).filter(|p| s.threads[*p].runs()).peekable();
    running.peek().is_none()
        || s.fault.is_some()
        || running.clone().any(|p| model.wakes(s, p))
        || running.all(|p| model.waits_rightly(s, p))
}
