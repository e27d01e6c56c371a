//! What must hold after any death: the same checks whoever died, and wherever.

use super::stream::{self, HISTORY, NAME, PARTICIPANTS, Picture, Reader, SLOTS, Writer};
use super::{Outcome, SOON, ensure, ensure_eq};
use sharray::{Directory, Error};
use tempfile::TempDir;

/// Who meets a dead producer first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finder {
    /// A subscriber that waits for the next frame.
    Waiter,
    /// The producer's successor.
    Successor,
}

pub(crate) const FINDERS: [Finder; 2] = [Finder::Waiter, Finder::Successor];

/// Those who were attached before the death, and check that nothing is lost but what the dead never finished.
pub(crate) struct Survivors {
    folder: TempDir,
    place: Directory,
    /// Must see every number once.
    lossless: Reader,
    /// The number it sees next.
    next: u64,
    /// Whether the producer may evict it: then what it loses must be counted.
    pub(crate) may_lag: bool,
    /// Must count what it loses.
    lossy: Reader,
    /// The first number that it can see or lose.
    lossy_from: u64,
    /// Looked at all the time, so it must not change.
    held: Option<Picture>,
}

impl Survivors {
    /// A stream that nobody publishes to, four frames old, and two readers of it that are up to date.
    pub(crate) fn new() -> Outcome<Self> {
        let folder = stream::fresh_folder()?;
        let place = Directory::open(folder.path())?;
        let mut writer = stream::writer(&place).create(NAME, [stream::WORDS])?;
        for _ in 0..4 {
            stream::publish(&mut writer)?;
        }
        drop(writer);
        let lossless = stream::reader(&place).lossless().from_oldest().attach(NAME)?;
        let lossy = stream::reader(&place).attach(NAME)?;
        let held = lossless.latest()?;
        let mut all = Self { folder, place, lossless, next: 3, may_lag: false, lossy, lossy_from: 5, held };
        all.read_all()?;
        ensure_eq!(all.next, 5, "the next frame of a reader that is up to date");
        Ok(all)
    }

    pub(crate) fn place(&self) -> &Directory {
        &self.place
    }

    /// The folder's path, for children.
    pub(crate) fn path(&self) -> Outcome<&str> {
        self.folder.path().to_str().ok_or_else(|| "the folder's path is not text".into())
    }

    pub(crate) fn writer(&self) -> Outcome<Writer> {
        Ok(stream::writer(&self.place).attach(NAME)?)
    }

    /// Lets go of the frame that is looked at.
    pub(crate) fn let_go(&mut self) {
        self.held = None;
    }

    /// Reads what is there.
    pub(crate) fn read_all(&mut self) -> Outcome {
        loop {
            match self.lossless.try_recv() {
                Ok(Some(frame)) => self.see(&frame)?,
                Ok(None) => return Ok(()),
                Err(error) => self.lag(error)?,
            }
        }
    }

    /// Waits for a frame that does not come.
    pub(crate) fn wait_on(&mut self) -> sharray::Result<()> {
        self.lossless.recv_timeout(SOON).map(drop)
    }

    fn see(&mut self, frame: &Picture) -> Outcome {
        stream::check(frame)?;
        ensure_eq!(frame.sequence(), self.next, "the number of a lossless reader's frame");
        self.next += 1;
        Ok(())
    }

    fn lag(&mut self, error: Error) -> Outcome {
        match error {
            Error::Lagged { missed, .. } if self.may_lag => {
                self.next += missed;
                Ok(())
            }
            error => Err(error.into()),
        }
    }

    /// The producer died, having published at least up to `least` and at most up to `most`: a successor goes on.
    pub(crate) fn producer_died(mut self, finder: Finder, least: u64, most: u64) -> Outcome {
        if finder == Finder::Waiter {
            self.learn_of_death()?;
            ensure!((least..=most).contains(&(self.next - 1)), "the dead published up to {}", self.next - 1);
        }
        let writer = self.writer()?;
        let newest = writer.sequence();
        ensure!((least.max(self.next - 1)..=most).contains(&newest), "the successor goes on after {newest}");
        self.go_on(writer)
    }

    /// Waits until the stream has no producer; reads what there is before.
    pub(crate) fn learn_of_death(&mut self) -> Outcome {
        loop {
            match self.lossless.recv_timeout(SOON) {
                Ok(Some(frame)) => self.see(&frame)?,
                Ok(None) | Err(Error::ProducerDied { .. }) => return Ok(()),
                Err(error) => self.lag(error)?,
            }
        }
    }

    /// Publishes on, and checks that the dead left nothing behind: no hole, no slot, no record, no file.
    pub(crate) fn go_on(mut self, mut writer: Writer) -> Outcome {
        self.read_all()?;
        ensure!(self.may_lag || self.next == writer.sequence() + 1, "the newest frame cannot be read");
        for _ in 0..2 * SLOTS {
            self.publish(&mut writer)?;
        }
        if let Some(held) = self.held.take() {
            stream::check(&held)?;
        }
        self.count_losses(&writer)?;
        self.use_all_slots(&mut writer)?;
        self.meet_the_living(&writer)?;
        self.use_all_records(&mut writer)?;
        drop(writer);
        ensure!(self.lossless.recv_timeout(SOON)?.is_none(), "a closed stream ends");
        self.leave()
    }

    fn publish(&mut self, writer: &mut Writer) -> Outcome {
        stream::publish(writer)?;
        self.read_all()?;
        ensure_eq!(self.next, writer.sequence() + 1, "what a lossless reader sees after a publish");
        Ok(())
    }

    /// Seen and missed make all.
    fn count_losses(&mut self, writer: &Writer) -> Outcome {
        let mut accounted = 0;
        while let Some(frame) = self.lossy.try_recv()? {
            stream::check(&frame)?;
            accounted += frame.missed() + 1;
            ensure_eq!(frame.sequence(), self.lossy_from + accounted - 1, "what a lossy reader saw and missed");
        }
        ensure_eq!(self.lossy_from + accounted - 1, writer.sequence(), "the last frame of a lossy reader");
        self.lossy_from += accounted;
        Ok(())
    }

    /// With as many frames held as there are slots to spare, the publisher never has to wait; with one more it must.
    fn use_all_slots(&mut self, writer: &mut Writer) -> Outcome {
        let mut held = Vec::new();
        for _ in 0..stream::SPARE {
            self.publish(writer)?;
            held.push(self.lossy.latest()?.ok_or("there is no newest frame")?);
        }
        for _ in 0..2 * SLOTS {
            let mut loan = writer.try_loan()?;
            stream::fill(&mut loan);
            loan.publish();
            self.read_all()?;
        }
        held.push(self.lossy.latest()?.ok_or("there is no newest frame")?);
        for _ in 1..HISTORY {
            self.publish(writer)?;
        }
        let full = writer.try_loan().map(drop);
        ensure!(matches!(full, Err(Error::NoFreeSlot { .. })), "one more held than there are spare slots: {full:?}");
        held.iter().try_for_each(stream::check)
    }

    /// The publisher, in need of a slot, has just looked for the dead: they stand in the table no more.
    fn meet_the_living(&self, writer: &Writer) -> Outcome {
        let info = self.place.inspect(NAME)?;
        let dead: Vec<_> = info.participants.iter().filter(|participant| !participant.is_alive).collect();
        ensure!(dead.is_empty(), "the dead still stand in the table: {dead:?}");
        ensure_eq!(info.sequence, writer.sequence(), "the sequence told from outside");
        ensure!(info.producer().is_some_and(|producer| producer.pid == std::process::id()), "the producer is we");
        Ok(())
    }

    /// As many can attach as the table has room for. In their records nothing stands that the dead left there.
    fn use_all_records(&mut self, writer: &mut Writer) -> Outcome {
        let here = self.place.inspect(NAME)?.participants.len();
        let all: Vec<Reader> = (here..PARTICIPANTS as usize)
            .map(|_| stream::reader(&self.place).attach(NAME))
            .collect::<sharray::Result<_>>()?;
        let full = stream::reader(&self.place).attach(NAME).map(drop);
        ensure!(matches!(full, Err(Error::TooManyParticipants { .. })), "the table is full: {full:?}");
        self.use_all_slots(writer)?;
        drop(all);
        ensure_eq!(self.place.inspect(NAME)?.participants.len(), here, "the number of participants");
        Ok(())
    }

    /// Detaches: nobody is left in the table, and after an unlink nothing in the folder.
    fn leave(self) -> Outcome {
        let Self { folder, place, lossless, lossy, held, .. } = self;
        drop((lossless, lossy, held));
        let info = place.inspect(NAME)?;
        ensure!(info.participants.is_empty(), "all are gone, but {:?}", info.participants);
        ensure!(info.is_closed, "the last producer closed the stream");
        place.unlink(NAME)?;
        ensure_eq!(stream::leftovers(folder.path())?, Vec::<String>::new(), "what is left in the folder");
        Ok(())
    }
}
