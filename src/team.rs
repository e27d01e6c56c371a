//! Teams: processes that step together, and survive each other.

mod array;
mod builder;
mod collective;
mod exchange;
mod launcher;
mod patience;
mod reduce;
mod run;
mod signals;
mod steps;

pub use array::{AnyTeamArray, Block, TeamArray};
pub use builder::TeamBuilder;
pub use launcher::Launcher;
pub use patience::Patience;
pub use reduce::Reduction;

use crate::attachment::Attachment;
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::protocol::barrier::{self, Blame, Round};
use crate::protocol::participant::Participant;
use crate::protocol::word::Word;
use crate::protocol::{Fault, World};
use crate::segment::Segment;
use crate::sys::futex;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The bytes through which a rank tells the others something: two halves, for rounds of odd and of even number.
const SLOT_BYTES: usize = 32 << 10;

/// How long one sleep may take before the sleeper looks who died.
const SLICE_NS: u64 = 10_000_000;

/// How long a rank looks at the word without giving its processor away, where there is one for each rank: a barrier costs a tenth
/// of a microsecond then, and the twentyfold of that as soon as one of them gives way.
const SPIN_NS: u64 = 20_000;
/// The least of that: ranks that were moved to one processor, or that come at different times, learn not to.
const LEAST_SPIN_NS: u64 = 500;
/// How long it then looks and gives way to others in between, before it sleeps. Where there are more ranks than
/// processors, those that it waits for may be waiting for this one: that is far cheaper than to sleep and be woken.
const YIELD_NS: u64 = 50_000;
/// Looks between two looks at the clock.
const LOOKS: u32 = 16;

/// One rank of a team: so many processes, or threads, that step together.
///
/// A team is a file with a name, and each of its ranks is joined by one process at a time. A [`barrier`](Self::barrier) lets
/// nobody pass before all have arrived, and all that a rank did before it is visible to every rank after it.
///
/// # When a rank dies
/// The barrier that the others wait in, or their next one, answers [`Error::PeerDied`] with its rank, in each of them. They
/// learn it from the kernel, not from a clock: within some ten milliseconds of its end, and never of a rank that is only slow.
/// So does a rank that leaves, by dropping its `Team`.
///
/// The team is broken then: each collective call answers the same, until all ranks meet in [`reset`](Self::reset), with
/// another process that has joined as the rank that is gone. Where all ranks are gone, those who join begin anew.
///
/// # Cost
/// Where each rank has a processor, a barrier that all come to at once costs a few tenths of a microsecond and no system call. Where
/// there are more ranks than processors they give way to each other, and a rank that has to wait for long sleeps.
/// docs/simulations.md has figures.
///
/// A handle can be shared by threads: the collective calls of one rank come one after the other. Every rank has to make the
/// same calls in the same order.
///
/// # Examples
/// ```
/// use sharray::Team;
/// use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// # let (a, b) = (place.clone(), place.clone());
/// let patience = Duration::from_secs(5);
/// let other = std::thread::spawn(move || {
///     let team = Team::builder().directory(&a).join("sim", 1, 2)?;
///     team.barrier(patience)
/// });
/// let team = Team::builder().directory(&b).join("sim", 0, 2)?;
/// team.barrier(patience)?;
/// other.join().unwrap()?;
///
/// // The other rank has left:
/// assert!(matches!(team.barrier(patience), Err(sharray::Error::PeerDied { rank: 1, .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Team {
    attachment: Attachment,
    me: Participant,
    /// Held through a collective call: those of one rank come one after the other.
    turn: Mutex<()>,
    place: Directory,
    steps: steps::Steps,
    /// How long a wait looks without giving way: longer after one where that was enough, shorter after one where it was not.
    spin_ns: AtomicU64,
}

impl Team {
    /// Options for joining a team.
    pub fn builder() -> TeamBuilder {
        TeamBuilder::default()
    }

    /// Joins the team of this name in the default place as rank `rank` of `size`, and creates it if it is not there.
    ///
    /// Waits for nobody: the first barrier does. Whoever joins a broken team finds it broken, and goes on by
    /// [`reset`](Self::reset), as the others do.
    ///
    /// # Errors
    /// [`Error::RankTaken`] if another process is this rank, and alive; [`Error::Mismatch`] if the team has another size, or if
    /// the name is an array's; [`Error::InvalidArgument`] if there is no such rank; [`Error::TimedOut`] if another rank
    /// is stopped while it joins; and those of [`SharedArray::open`](crate::SharedArray::open).
    pub fn join(name: &str, rank: u32, size: u32) -> Result<Self> {
        Self::builder().join(name, rank, size)
    }

    fn new(attachment: Attachment, place: Directory) -> Result<Self> {
        let me = attachment.writer()?;
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let has_processors = attachment.segment().participants() as usize <= processors;
        let spin_ns = AtomicU64::new(if has_processors { SPIN_NS } else { 0 });
        Ok(Self { attachment, me, turn: Mutex::new(()), spin_ns, place, steps: steps::Steps::default() })
    }

    /// Which rank this is, from zero.
    pub fn rank(&self) -> u32 {
        self.me.index
    }

    /// How many ranks the team has.
    pub fn size(&self) -> u32 {
        self.segment().participants()
    }

    /// The team's name.
    pub fn name(&self) -> &str {
        self.attachment.name()
    }

    /// Whether a rank died or left, or a time was over, and the team has not been [reset](Self::reset) since.
    pub fn is_broken(&self) -> bool {
        barrier::breach(self.segment()).is_some()
    }

    /// Whether it was unlinked: then its collective calls answer [`Error::Retired`].
    pub fn is_retired(&self) -> bool {
        self.segment().is_retired()
    }

    /// Waits until all ranks are here.
    ///
    /// # Errors
    /// [`Error::PeerDied`] if a rank died or left; [`Error::TimedOut`] if one waited for so long, be it this or another. All
    /// ranks get the same answer, now and until they [reset](Self::reset) the team. [`Error::Retired`];
    /// [`Error::Forked`]; [`Error::Truncated`].
    ///
    /// # Ordering
    /// What any rank did before it happens before what any rank does after it.
    pub fn barrier<'p>(&self, patience: impl Into<Patience<'p>>) -> Result<()> {
        let _turn = self.enter()?;
        self.meet(self.coming()?, &mut patience.into())
    }

    /// Goes on after a break: waits until all ranks are here, and in this call. Does nothing if the team is not broken.
    ///
    /// A rank that is gone has to be joined anew before. What the ranks had done in the round that broke is for them to put
    /// right, between this and the next barrier: mostly they all go back to what they last saved.
    ///
    /// # Errors
    /// [`Error::TimedOut`] if they are not here in time; the team stays broken, and `reset` can be called again.
    /// [`Error::Retired`]; [`Error::Forked`]; [`Error::Truncated`].
    ///
    /// # Examples
    /// ```
    /// use sharray::{Error, Team};
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let patience = Duration::from_secs(5);
    /// let builder = Team::builder().directory(&place);
    /// let (team, other) = (builder.join("sim", 0, 2)?, builder.join("sim", 1, 2)?);
    /// assert_eq!((team.rank(), team.size(), team.name()), (0, 2, "sim"));
    ///
    /// drop(other);
    /// assert!(matches!(team.barrier(patience), Err(Error::PeerDied { rank: 1, .. })));
    /// assert!(team.is_broken() && !team.is_retired());
    ///
    /// // Another one joins in its place, and they go on together:
    /// let successor = builder.join("sim", 1, 2)?;
    /// std::thread::scope(|scope| {
    ///     let theirs = scope.spawn(|| successor.reset(patience).and_then(|()| successor.barrier(patience)));
    ///     team.reset(patience)?;
    ///     team.barrier(patience)?;
    ///     theirs.join().unwrap()
    /// })?;
    /// assert!(!team.is_broken());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reset<'p>(&self, patience: impl Into<Patience<'p>>) -> Result<()> {
        // In this order, as a swap does in another thread.
        let mut steps = self.lock_steps()?;
        let _turn = self.enter()?;
        match barrier::reset(self.segment()) {
            Some(round) => {
                // Nobody knows any more at which array the others are: all are opened anew.
                *steps = None;
                self.meet(round, &mut patience.into())
            }
            None => Ok(()),
        }
    }

    fn segment(&self) -> &Segment {
        self.attachment.segment()
    }

    /// Begins a collective call.
    fn enter(&self) -> Result<MutexGuard<'_, ()>> {
        self.attachment.enter()?;
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if Word::load(self.segment().retired(), Relaxed) == 0 { Ok(turn) } else { Err(self.retired()) }
    }

    /// What is open. A child of fork might wait for ever for a lock that a thread of its parent has.
    fn lock_steps(&self) -> Result<MutexGuard<'_, Option<steps::Open>>> {
        self.attachment.enter()?;
        Ok(self.steps.lock())
    }

    fn retired(&self) -> Error {
        Error::Retired { name: self.name().to_owned() }
    }

    fn coming(&self) -> Result<Round> {
        barrier::coming(self.segment()).map_err(|fault| self.explain(fault))
    }

    /// Arrives, and waits for the others.
    fn meet(&self, round: Round, patience: &mut Patience<'_>) -> Result<()> {
        let fault = |fault| self.explain(fault);
        barrier::arrive(self.segment(), self.me, round).map_err(fault)?;
        if let Some(outcome) = self.watch(round) {
            self.segment().check_whole()?;
            return outcome.map_err(fault);
        }
        let until_ns = patience.deadline_ns();
        loop {
            let now_ns = futex::now_ns();
            let slice_end_ns = now_ns.saturating_add(SLICE_NS).min(until_ns);
            let passed = barrier::wait(self.segment(), self.me, round, slice_end_ns).map_err(fault)?;
            self.segment().check_whole()?;
            if passed {
                return Ok(());
            }
            let (blame, error) = if self.is_retired() {
                (Blame::Rank(self.rank()), self.retired())
            } else if !patience.goes_on() {
                (Blame::Rank(self.rank()), self.explain(Fault::TimedOut))
            } else if slice_end_ns == until_ns {
                (Blame::Time, self.explain(Fault::TimedOut))
            } else {
                continue;
            };
            let passed = barrier::give_up(self.segment(), self.me, round, blame);
            return match passed {
                Ok(true) => Ok(()),
                Ok(false) => Err(error),
                Err(Fault::PeerDied(rank)) if rank == self.rank() => Err(error),
                Err(other) => Err(self.explain(other)),
            };
        }
    }

    /// Looks for a while whether the round is over.
    fn watch(&self, round: Round) -> Option<std::result::Result<(), Fault>> {
        let spin_ns = self.spin_ns.load(Relaxed);
        let mut looks = if spin_ns == 0 { 1 } else { LOOKS };
        let mut start_ns = None;
        loop {
            for _ in 0..looks {
                if let Some(outcome) = barrier::outcome(self.segment(), round) {
                    if looks == LOOKS && spin_ns < SPIN_NS {
                        self.spin_ns.store((spin_ns * 2).min(SPIN_NS), Relaxed);
                    }
                    return Some(outcome);
                }
                std::hint::spin_loop();
            }
            let now_ns = futex::now_ns();
            let spent_ns = now_ns - *start_ns.get_or_insert(now_ns);
            if spent_ns >= spin_ns + YIELD_NS {
                return None;
            }
            if spent_ns >= spin_ns {
                if looks == LOOKS {
                    self.spin_ns.store((spin_ns / 2).max(LEAST_SPIN_NS), Relaxed);
                }
                looks = 1;
                std::thread::yield_now();
            }
        }
    }

    /// A team that was unlinked is broken by the first to see it, and all are told why.
    fn explain(&self, fault: Fault) -> Error {
        if Word::load(self.segment().retired(), Relaxed) == 0 { self.attachment.explain(fault) } else { self.retired() }
    }
}
