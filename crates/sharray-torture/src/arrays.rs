//! The arrays that the workers share.
//!
//! Some are there from the beginning to the end: their sequences must never go back, whoever died. Others come and go,
//! as the workers create and unlink them.

use crate::payload::Key;
use ndarray::Ix1;
use sharray::{Directory, Frame, Publisher, PublisherBuilder, Subscriber, SubscriberBuilder};

pub(crate) type Writer = Publisher<u64, Ix1>;
pub(crate) type Reader = Subscriber<u64, Ix1>;
pub(crate) type Picture = Frame<u64, Ix1>;

/// A stream: how it is made, and what may happen to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    pub(crate) name: &'static str,
    /// The most items of a frame.
    pub(crate) words: usize,
    pub(crate) history: u32,
    pub(crate) slots: u32,
    pub(crate) participants: u32,
    /// Whether publishers may evict lossless subscribers from it.
    pub(crate) may_evict: bool,
    /// Whether it is there from the beginning to the end.
    pub(crate) is_lasting: bool,
}

impl Stream {
    const LASTING: Self =
        Self { name: "calm", words: 64, history: 8, slots: 16, participants: 200, may_evict: false, is_lasting: true };
    const FLEETING: Self = Self { is_lasting: false, may_evict: true, slots: 12, ..Self::LASTING };

    /// Whether its table of participants may be full at times.
    pub(crate) fn may_be_full(&self) -> bool {
        self.participants < 100
    }

    pub(crate) fn key(&self) -> Key {
        Key::of(self.name)
    }

    pub(crate) fn writer(&self, place: &Directory) -> PublisherBuilder<Writer> {
        let builder = Writer::builder().directory(place).history(self.history).slots(self.slots);
        builder.participants(self.participants)
    }

    pub(crate) fn reader(place: &Directory) -> SubscriberBuilder<Reader> {
        Reader::builder().directory(place)
    }
}

/// All streams. Their positions here are those of their marks in a journal.
pub(crate) const STREAMS: [Stream; 7] = [
    Stream::LASTING,
    // As few slots as can be, in a folder of its own, and hardly room for everybody.
    Stream { name: "in/two/tight", history: 2, slots: 4, participants: 10, ..Stream::LASTING },
    Stream { name: "evicting", history: 3, slots: 8, may_evict: true, ..Stream::LASTING },
    // Long enough that most deaths come in the middle of a frame.
    Stream { name: "in/large", words: 40_000, history: 3, slots: 9, may_evict: true, ..Stream::LASTING },
    Stream { name: "fleeting", ..Stream::FLEETING },
    Stream { name: "folder/fleeting", history: 2, ..Stream::FLEETING },
    Stream { name: "folder/of/one", history: 3, words: 1000, ..Stream::FLEETING },
];

/// The positions of the streams that come and go.
pub(crate) fn fleeting() -> Vec<usize> {
    (0..STREAMS.len()).filter(|at| !STREAMS[*at].is_lasting).collect()
}
