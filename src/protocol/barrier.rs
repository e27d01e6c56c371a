//! Rounds: the ranks of a team wait for each other, and learn together if one of them will not come.
//!
//! One word decides: it counts the rounds that have passed, and names who broke the one that is under way. So each round has
//! one outcome, whoever asks. A rank arrives by writing the round's mark into its own record; whoever then finds the
//! marks of all counts the word up. A rank that dies, or leaves, breaks the round, before its record says that it is no
//! member any more. Going on after that is collective as well: all meet in a reset, which is a round of its own.
//!
//! Rank `r` is participant `r`. Whoever joins holds a kernel lock that no other joiner has, so that a set of ranks that
//! starts together after all others were killed finds, together, a team as good as new.

use super::participant::{self, Participant, record};
use super::word::Word;
use super::{Fault, Result, World};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};

/// Who or what broke the round: a participant plus one, or [`TIMED_OUT`]; zero: nothing yet.
const BREACH: u32 = (1 << 10) - 1;
const TIMED_OUT: u32 = BREACH;
/// Somebody sleeps on the word.
const WAITING: u32 = 1 << 10;
const GENERATION_SHIFT: u32 = 11;

/// In the record of a rank that is here and has not arrived. No round's mark is so large.
const MEMBER: u32 = u32::MAX;

/// The team's word.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State(u32);

impl State {
    fn generation(self) -> u32 {
        self.0 >> GENERATION_SHIFT
    }

    /// The round after this one, with nothing wrong and nobody asleep.
    fn next(self) -> Self {
        Self((self.generation() + 1) << GENERATION_SHIFT)
    }

    fn broken(self, breach: u32) -> Self {
        Self(self.generation() << GENERATION_SHIFT | breach)
    }

    fn breach<W: World>(self, world: &W) -> Option<Fault> {
        match self.0 & BREACH {
            0 => None,
            TIMED_OUT => Some(Fault::TimedOut),
            dead if dead <= world.participants() => Some(Fault::PeerDied(dead - 1)),
            _ => Some(Fault::Corrupt("a round was broken by a participant that cannot be")),
        }
    }
}

/// Whom a round that is given up is blamed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// Nobody: the time was over.
    Time,
    /// This rank, which does not go on.
    Rank(u32),
}

/// One meeting of all ranks: a barrier, or a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Round {
    generation: u32,
    is_reset: bool,
}

impl Round {
    /// The number of rounds before it, modulo two to the power of 21.
    pub(crate) fn generation(self) -> u32 {
        self.generation
    }

    /// What a record says whose owner has arrived: unlike that of any other round that a living rank can have been in.
    fn mark(self) -> u32 {
        (self.generation << 1 | u32::from(self.is_reset)) + 1
    }

    /// How it came out, if it is over.
    fn outcome<W: World>(self, world: &W, state: State) -> Option<Result<()>> {
        if state.generation() != self.generation {
            // Nobody can begin the next one before this rank has left this one.
            return Some(Ok(()));
        }
        if self.is_reset { None } else { state.breach(world).map(Err) }
    }
}

fn state<W: World>(world: &W) -> State {
    State(world.bar().load(Acquire))
}

/// What broke the team, if it is broken. It may be asked of a file that was mapped read-only.
pub(crate) fn breach<W: World>(world: &W) -> Option<Fault> {
    State(world.bar().load(Relaxed)).breach(world)
}

/// How many rounds have passed, modulo two to the power of 21. It may be asked of a file that was mapped read-only.
pub(crate) fn passed<W: World>(world: &W) -> u32 {
    State(world.bar().load(Relaxed)).generation()
}

/// Makes a registered participant a member. The caller holds the lock of those who join.
///
/// Where everybody else is gone, the team begins anew. Otherwise who joins a broken team finds it broken, as those do
/// who are there, and meets them in the reset.
pub(crate) fn join<W: World>(world: &W, me: Participant) -> Result<()> {
    participant::recover_dead(world, me)?;
    let seen = state(world);
    let is_member = |index: u32| world.record(index).is_some_and(|record| record.arrived.load(SeqCst) != 0);
    if seen.breach(world).is_some() && !(0..world.participants()).any(is_member) {
        // It fails if one who is not here breaks what is broken already, and that cannot be.
        _ = world.bar().compare_exchange(seen.0, seen.next().0, AcqRel, Relaxed);
    }
    me.record(world)?.arrived.store(MEMBER, SeqCst);
    Ok(())
}

/// Takes a rank out of the team: it leaves, or it is dead and the caller holds its kernel lock. Can be repeated.
///
/// First the rank takes back that it arrived: whoever completes a reset meanwhile looks once more, and sees it. Then it
/// breaks the round, for those who wait. Its record says last that it is no member: until then, whoever cleans up after
/// one that was killed in between does it all again.
pub(crate) fn leave<W: World>(world: &W, index: u32) -> Result<()> {
    let arrived = record(world, index)?.arrived;
    if arrived.load(Acquire) != 0 {
        arrived.store(MEMBER, SeqCst);
        break_round(world, index + 1);
        arrived.store(0, SeqCst);
    }
    Ok(())
}

/// Breaks the round that is under way, unless it is broken.
fn break_round<W: World>(world: &W, breach: u32) {
    let mut seen = State(world.bar().load(SeqCst));
    while seen.breach(world).is_none() {
        match change(world, seen, seen.broken(breach)) {
            Ok(()) => return,
            Err(now) => seen = now,
        }
    }
}

/// Changes the team's word, and wakes who sleeps on it.
///
/// # Ordering
/// Whoever finds all marks has acquired what every rank did before it arrived, and releases it here to those who wait.
/// `SeqCst`, since two looks at the marks stand around it: see [`confirm`].
fn change<W: World>(world: &W, seen: State, new: State) -> std::result::Result<(), State> {
    world.bar().compare_exchange(seen.0, new.0, SeqCst, Acquire).map_err(State)?;
    if seen.0 & WAITING != 0 {
        world.wake_all(world.bar());
    }
    Ok(())
}

/// The barrier that is to come.
///
/// # Errors
/// What broke the team.
pub(crate) fn coming<W: World>(world: &W) -> Result<Round> {
    let state = state(world);
    match state.breach(world) {
        None => Ok(Round { generation: state.generation(), is_reset: false }),
        Some(fault) => Err(fault),
    }
}

/// The reset that is to come; `None` if the team is not broken.
pub(crate) fn reset<W: World>(world: &W) -> Option<Round> {
    let state = state(world);
    state.breach(world)?;
    Some(Round { generation: state.generation(), is_reset: true })
}

/// Arrives in a round.
///
/// # Ordering
/// The mark releases all that this rank did before. It and the looks at all marks are `SeqCst`: of two ranks that arrive
/// at once, one at least sees both.
pub(crate) fn arrive<W: World>(world: &W, me: Participant, round: Round) -> Result<()> {
    me.record(world)?.arrived.store(round.mark(), SeqCst);
    complete(world, round);
    Ok(())
}

/// How a round came out, if it is over.
pub(crate) fn outcome<W: World>(world: &W, round: Round) -> Option<Result<()>> {
    round.outcome(world, state(world))
}

/// Sleeps until a round is over in which this rank arrived; `false` if `until_ns` passes first. Then it looks who died.
///
/// # Errors
/// What broke the round, which is the same for all ranks.
pub(crate) fn wait<W: World>(world: &W, me: Participant, round: Round, until_ns: u64) -> Result<bool> {
    let bar = world.bar();
    loop {
        let seen = state(world);
        if let Some(outcome) = round.outcome(world, seen) {
            return outcome.map(|()| true);
        }
        if world.now_ns() >= until_ns {
            break;
        }
        let armed = seen.0 | WAITING;
        if seen.0 == armed || bar.compare_exchange(seen.0, armed, Relaxed, Relaxed).is_ok() {
            world.sleep(bar, armed, until_ns);
        }
    }
    look_around(world, me, round)?;
    // The last one to arrive may have died before it could count the round.
    complete(world, round);
    outcome(world, round).transpose().map(|passed| passed.is_some())
}

/// Recovers those of whom the round waits and who are dead. It is broken by that, or, if it is a reset, waits for who
/// joins in their place.
fn look_around<W: World>(world: &W, me: Participant, round: Round) -> Result<()> {
    for index in (0..world.participants()).filter(|&index| index != me.index) {
        let arrived = record(world, index)?.arrived.load(SeqCst);
        if arrived != round.mark() && arrived != 0 {
            world.prove_dead(index, || participant::recover(world, index)).unwrap_or(Ok(()))?;
        }
    }
    Ok(())
}

/// Gives up a round in which this rank arrived. `true`: it has passed meanwhile.
///
/// # Errors
/// What broke the round; from now on, that.
pub(crate) fn give_up<W: World>(world: &W, me: Participant, round: Round, blame: Blame) -> Result<bool> {
    if round.is_reset {
        me.record(world)?.arrived.store(MEMBER, SeqCst);
    } else {
        let breach = match blame {
            Blame::Time => TIMED_OUT,
            Blame::Rank(rank) => rank + 1,
        };
        let mut seen = state(world);
        while round.outcome(world, seen).is_none() {
            match change(world, seen, seen.broken(breach)) {
                Ok(()) => seen = seen.broken(breach),
                Err(now) => seen = now,
            }
        }
    }
    let outcome = round.outcome(world, State(world.bar().load(SeqCst)));
    outcome.transpose().map(|passed| passed.is_some())
}

/// Counts the round as passed, if all have arrived.
fn complete<W: World>(world: &W, round: Round) {
    let members = if round.is_reset { living(world) } else { Some(Vec::new()) };
    let Some(members) = members.filter(|_| all_arrived(world, round)) else { return };
    let mut seen = state(world);
    while round.outcome(world, seen).is_none() {
        match change(world, seen, seen.next()) {
            Ok(()) if round.is_reset => return confirm(world, &members),
            Ok(()) => return,
            Err(now) => seen = now,
        }
    }
}

fn all_arrived<W: World>(world: &W, round: Round) -> bool {
    let mark = round.mark();
    (0..world.participants()).all(|index| world.record(index).is_some_and(|record| record.arrived.load(SeqCst) == mark))
}

/// The states of all records, another one of which tells of another owner; `None` if one has none. Whoever comes after
/// this look finds the marks of all, and completes the round.
fn living<W: World>(world: &W) -> Option<Vec<u64>> {
    let state = |index| world.record(index).map(|record| record.state.load(Acquire));
    (0..world.participants()).map(|index| state(index).filter(|&state| participant::is_live(state))).collect()
}

/// Looks, after a reset, whether one who was counted had died or given up by then, and breaks the first round after it
/// if so: whoever cleaned up found the team broken, and had nothing to break.
///
/// # Ordering
/// That one took the mark back, and then saw the word as it was before the reset, which this rank has changed since; all
/// that in the one order of `SeqCst`. So the mark is seen to be gone.
fn confirm<W: World>(world: &W, members: &[u64]) {
    for (index, &member) in (0..).zip(members) {
        let Some(record) = world.record(index) else { return };
        let arrived = record.arrived.load(SeqCst);
        if arrived == MEMBER || arrived == 0 || record.state.load(Acquire) != member {
            break_round(world, index + 1);
        }
    }
}
