//! sharray's streams, with a subscriber that loses nothing.

use crate::work::{Consumer, Producer};
use ndarray::Ix1;
use sharray::{Directory, Error, Publisher, Subscriber};
use sharray_compare::{Outcome, Part};
use std::hint;
use std::time::Duration;

const NAME: &str = "frames";

/// Waits for free slots as the library does.
pub(crate) struct Out(Publisher<u64, Ix1>);

impl Out {
    pub(crate) fn create(part: &Part, words: usize) -> Outcome<Self> {
        let place = Directory::open(&part.folder)?;
        Ok(Self(Publisher::builder().directory(&place).create(NAME, [words])?))
    }
}

impl Producer for Out {
    fn put(&mut self, fill: &mut dyn FnMut(&mut [u64])) -> Outcome {
        let mut loan = self.0.loan()?;
        fill(loan.as_mut_slice());
        loan.publish();
        Ok(())
    }
}

/// Waits for frames as the library does.
pub(crate) struct Back(Subscriber<u64, Ix1>);

impl Back {
    pub(crate) fn attach(part: &Part) -> Outcome<Self> {
        let place = Directory::open(&part.folder)?;
        let builder = Subscriber::builder().directory(&place).lossless().wait(Duration::from_secs(30));
        Ok(Self(builder.attach(NAME)?))
    }
}

impl Consumer for Back {
    fn take(&mut self, look: &mut dyn FnMut(&[u64]) -> Outcome) -> Outcome {
        look(self.0.recv()?.ok_or("the producer closed the stream")?.as_slice())
    }
}

/// Never sleeps.
pub(crate) struct SpinningOut(pub(crate) Out);

impl Producer for SpinningOut {
    fn put(&mut self, fill: &mut dyn FnMut(&mut [u64])) -> Outcome {
        loop {
            match self.0.0.try_loan() {
                Ok(mut loan) => {
                    fill(loan.as_mut_slice());
                    loan.publish();
                    return Ok(());
                }
                Err(Error::NoFreeSlot { .. }) => hint::spin_loop(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Never sleeps.
pub(crate) struct SpinningBack(pub(crate) Back);

impl Consumer for SpinningBack {
    fn take(&mut self, look: &mut dyn FnMut(&[u64]) -> Outcome) -> Outcome {
        loop {
            if let Some(frame) = self.0.0.try_recv()? {
                return look(frame.as_slice());
            }
            hint::spin_loop();
        }
    }
}
