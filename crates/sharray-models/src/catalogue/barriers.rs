//! The barrier of a team.

use super::{AnyModel, Refutation, Scenario};
use crate::barrier::{ALL, Barrier, FRESH, ONE, RESET, RIGHT, STUCK, Slip};

/// Nobody is killed, so no slice goes by: whoever sleeps must be woken.
fn no_slices() -> Barrier {
    Barrier { ranks: 3, crashes: 0, ..Barrier::default() }
}

/// Nobody comes for those who are killed, and the others leave when they are told.
fn deaths() -> Barrier {
    Barrier { ranks: 3, seated: true, respawns: false, ..Barrier::default() }
}

/// Waits that run out of time.
fn impatient() -> Barrier {
    Barrier { crashes: 1, timeouts: 2, ..Barrier::default() }
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let with = |name, model| Scenario { name, model: AnyModel::Barrier(model) };
    vec![
        with("barrier", Barrier::default()),
        with("barrier-no-slices", no_slices()),
        with("barrier-deaths", deaths()),
        with("barrier-impatient", impatient()),
    ]
}

pub(super) fn mutants() -> Vec<Refutation> {
    let slip = |scenario, model: Barrier, slip, property| Refutation {
        scenario,
        mutant: format!("{slip:?}"),
        property,
        model: AnyModel::Barrier(Barrier { slip, ..model }),
    };
    let two = |it, property| slip("barrier", Barrier::default(), it, property);
    vec![
        slip("barrier-deaths", deaths(), Slip::NoRescan, STUCK),
        slip("barrier-deaths", deaths(), Slip::NoLookAround, STUCK),
        slip("barrier-no-slices", no_slices(), Slip::ScanFirst, STUCK),
        two(Slip::OneMark, ALL),
        two(Slip::ResetMark, ALL),
        two(Slip::BlindCount, ONE),
        slip("barrier-impatient", impatient(), Slip::BlindBreak, ONE),
        slip("barrier-deaths", deaths(), Slip::GoneBeforeBreak, STUCK),
        slip("barrier-deaths", deaths(), Slip::NoBreak, STUCK),
        two(Slip::NoWithdrawal, RESET),
        two(Slip::NoConfirm, RESET),
        two(Slip::ConfirmMarks, RESET),
        slip("barrier-impatient", impatient(), Slip::AnyState, RIGHT),
        two(Slip::NoJoinLock, FRESH),
        two(Slip::JoinBesideDead, FRESH),
        two(Slip::AlwaysRenew, ALL),
        slip("barrier-no-slices", no_slices(), Slip::NoWake, STUCK),
        slip("barrier-no-slices", no_slices(), Slip::BlindArm, STUCK),
        two(Slip::FalseDeath, RIGHT),
    ]
}
