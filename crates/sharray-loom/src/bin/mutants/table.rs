//! The mutants: what is changed, why that matters, and which models must notice.

mod barrier;
mod commit;
mod consumer;
mod growable;
mod lock;
mod notify;
mod participant;
mod producer;
mod seqlock;
mod share;
mod write;

/// A change of the protocol's source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    /// Under `src/protocol`.
    pub(crate) file: &'static str,
    /// Each text, found exactly once, and what takes its place.
    pub(crate) edits: &'static [(&'static str, &'static str)],
    /// What goes wrong then; of one that is spared, why nothing does.
    pub(crate) why: &'static str,
    pub(crate) expect: Expect,
}

/// What becomes of a mutant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expect {
    /// Each of these models fails.
    Caught(&'static [&'static str]),
    /// Each of these models passes: the change is harmless, as far as anyone knows.
    Spared(&'static [&'static str]),
}

impl Expect {
    pub(crate) fn models(&self) -> &'static [&'static str] {
        match self {
            Self::Caught(models) | Self::Spared(models) => models,
        }
    }
}

/// All of them, in the order of the protocol's files.
pub(crate) fn all() -> impl Iterator<Item = &'static Mutant> {
    let tables = [
        participant::MUTANTS,
        producer::MUTANTS,
        consumer::MUTANTS,
        commit::MUTANTS,
        lock::MUTANTS,
        write::MUTANTS,
        share::MUTANTS,
        seqlock::MUTANTS,
        growable::MUTANTS,
        notify::MUTANTS,
        barrier::MUTANTS,
    ];
    tables.into_iter().flatten()
}
