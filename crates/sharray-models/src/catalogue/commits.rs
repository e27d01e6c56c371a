//! Durable commits.

use super::{AnyModel, Refutation, Scenario};
use crate::durable::{Durable, Slip, WHOLE};

/// The file comes from elsewhere, and nothing of it is on the disk.
fn copied() -> Durable {
    Durable { copied: true, last: 2, commits: [2, 1], crashes: 0, cuts: 1, ..Durable::default() }
}

/// A sync fails.
fn failing() -> Durable {
    Durable { failures: 1, crashes: 0, ..Durable::default() }
}

/// The power goes, and those who come after it commit.
fn cut() -> Durable {
    Durable { cuts: 1, last: 2, commits: [1, 1], crashes: 0, ..Durable::default() }
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let with = |name, model| Scenario { name, model: AnyModel::Durable(model) };
    vec![
        with("commit", Durable::default()),
        // Two die: the one who commits, and the one who finishes that, or the producer.
        with("commit-two-die", Durable { crashes: 2, last: 2, commits: [1, 1], ..Durable::default() }),
        with("commit-cut", cut()),
        with("commit-copied", copied()),
        with("commit-sync-fails", failing()),
    ]
}

pub(super) fn mutants() -> Vec<Refutation> {
    let of = |scenario, model: Durable, slip| Refutation {
        scenario,
        mutant: format!("{slip:?}"),
        property: WHOLE,
        model: AnyModel::Durable(Durable { slip, ..model }),
    };
    let mut mutants: Vec<Refutation> = [
        Slip::Parity,
        Slip::OneSuperblock,
        Slip::OneSync,
        Slip::NoPin,
        Slip::EarlyReuse,
        Slip::OnlyDurable,
        Slip::CachedSuperblock,
        Slip::WordsBeforePins,
        Slip::DurableBeforePending,
        Slip::NoRollForward,
        Slip::RollForwardByVersion,
        Slip::PendingLate,
        Slip::DurableEarly,
        Slip::PendingClearedFirst,
        Slip::OlderAgain,
    ]
    .map(|slip| of("commit", Durable::default(), slip))
    .into();
    mutants.push(of("commit-sync-fails", failing(), Slip::Retry));
    mutants.push(of("commit-copied", copied(), Slip::ColdWithoutSync));
    mutants.push(of("commit-copied", copied(), Slip::ColdWithoutHash));
    mutants
}

pub(super) fn harmless() -> Vec<Scenario> {
    let model = AnyModel::Durable(Durable { slip: Slip::OtherSuperblockStays, ..cut() });
    vec![Scenario { name: "harmless-other-superblock", model }]
}
