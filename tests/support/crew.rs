//! A team whose rank 1 is a child that dies, and what must hold for the others after any death of it.

use super::{Outcome, SOON, ensure, ensure_eq};
use ndarray::arr1;
use sharray::{Directory, Error, Team};
use std::thread;

pub(crate) const NAME: &str = "crew";
pub(crate) const SIZE: u32 = 3;
/// The rank that dies.
pub(crate) const MORTAL: u32 = 1;

pub(crate) fn join(place: &Directory, rank: u32) -> sharray::Result<Team> {
    Team::builder().directory(place).join(NAME, rank, SIZE)
}

/// What a rank does in a sum.
pub(crate) fn sum(team: &Team) -> sharray::Result<u32> {
    team.sum(&arr1(&[team.rank() + 1]), SOON).map(|sum| sum[0])
}

/// The sum of all ranks.
pub(crate) const SUM: u32 = 6;

/// What a round has come to, for all who live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Passed,
    Died,
    TimedOut,
}

impl Told {
    /// What they all were told: the same.
    pub(crate) fn by<R>(told: &[sharray::Result<R>]) -> Outcome<Self> {
        let mut told = told.iter().map(|told| match told {
            Ok(_) => Ok(Self::Passed),
            Err(Error::PeerDied { rank: MORTAL, .. }) => Ok(Self::Died),
            Err(Error::TimedOut { .. }) => Ok(Self::TimedOut),
            Err(error) => Err(format!("a living rank is told {error}")),
        });
        let first = told.next().ok_or("nobody lives")??;
        for other in told {
            ensure_eq!(other?, first, "what another rank is told");
        }
        Ok(first)
    }
}

/// The ranks that live.
pub(crate) struct Crew {
    folder: tempfile::TempDir,
    place: Directory,
    living: Vec<Team>,
}

impl Crew {
    pub(crate) fn new() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let place = Directory::open(folder.path())?;
        let living = [0, 2].into_iter().map(|rank| join(&place, rank)).collect::<sharray::Result<_>>()?;
        Ok(Self { folder, place, living })
    }

    pub(crate) fn path(&self) -> Outcome<&str> {
        self.folder.path().to_str().ok_or_else(|| "the folder's name is no text".into())
    }

    /// A member that leaves, so that the team is broken.
    pub(crate) fn break_team(&self) -> Outcome {
        drop(join(&self.place, MORTAL)?);
        ensure!(self.living[0].is_broken(), "a rank has left");
        Ok(())
    }

    /// Makes the same call in each living rank while `other` goes on, and returns what they say.
    pub(crate) fn all<R: Send>(
        &self,
        call: impl Fn(&Team) -> sharray::Result<R> + Sync,
        other: impl FnOnce() -> Outcome,
    ) -> Outcome<Vec<sharray::Result<R>>> {
        thread::scope(|scope| {
            let calls: Vec<_> = self.living.iter().map(|team| scope.spawn(|| call(team))).collect();
            let done = other();
            let said = calls.into_iter().map(|call| call.join().map_err(|_| "it panicked".into())).collect();
            done.and(said)
        })
    }

    pub(crate) fn join(&self) -> Outcome<Team> {
        Ok(join(&self.place, MORTAL)?)
    }

    /// What a barrier of those who live tells them.
    pub(crate) fn barrier(&self) -> Outcome<Told> {
        Told::by(&self.all(|team| team.barrier(SOON), || Ok(()))?)
    }

    /// The next barrier of those who live tells them of the death.
    pub(crate) fn are_told(&self) -> Outcome {
        ensure_eq!(self.barrier()?, Told::Died, "what the living are told");
        Ok(())
    }

    /// Another one joins in the place of the dead, and all go on, after a reset where one is due.
    pub(crate) fn go_on(mut self) -> Outcome {
        self.living.push(join(&self.place, MORTAL)?);
        let info = self.place.inspect(NAME)?;
        ensure!(info.participants.iter().all(|participant| participant.is_alive), "the dead are gone: {info:?}");
        for _ in 0..2 {
            if self.barrier()? == Told::Passed {
                break;
            }
            let reset = Told::by(&self.all(|team| team.reset(SOON), || Ok(()))?)?;
            ensure_eq!(reset, Told::Passed, "what a reset in which all are tells them");
        }
        for _ in 0..3 {
            for told in self.all(sum, || Ok(()))? {
                ensure_eq!(told?, SUM, "the sum of all ranks");
            }
        }
        let Self { folder, place, living } = self;
        drop(living);
        ensure!(place.inspect(NAME)?.participants.is_empty(), "all have left");
        place.unlink(NAME)?;
        ensure_eq!(super::stream::leftovers(folder.path())?, Vec::<String>::new(), "what is left in the folder");
        Ok(())
    }
}
