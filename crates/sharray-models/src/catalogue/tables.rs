//! Tables that grow.

use super::{AnyModel, Refutation, Scenario};
use crate::table::{FIXED, ROOM, Slip, Table, WHOLE};

/// The power goes, and those who come after it append and commit.
fn cut() -> Table {
    Table { appends: vec![vec![1, 1], vec![1]], commits: vec![1, 1], crashes: 0, cuts: 1, ..Table::default() }
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let with = |name, model| Scenario { name, model: AnyModel::Table(model) };
    vec![
        with("table", Table::default()),
        // Two die: of those who append, of those who commit, or one of each.
        with("table-two-die", Table { appends: vec![vec![1], vec![1], vec![1]], crashes: 2, ..Table::default() }),
        with("table-cut", cut()),
    ]
}

pub(super) fn mutants() -> Vec<Refutation> {
    let of = |scenario, model: Table, slip, property| Refutation {
        scenario,
        mutant: format!("{slip:?}"),
        property,
        model: AnyModel::Table(Table { slip, ..model }),
    };
    let plain = |slip, property| of("table", Table::default(), slip, property);
    let twice = Table { commits: vec![2, 1], ..Table::default() };
    vec![
        plain(Slip::LenFirst, FIXED),
        plain(Slip::RoleBeforeLen, FIXED),
        plain(Slip::FalseDeath, FIXED),
        plain(Slip::CapFirst, ROOM),
        plain(Slip::SuperblockFirst, WHOLE),
        plain(Slip::OneSync, WHOLE),
        of("table-twice", twice.clone(), Slip::OneSuperblock, WHOLE),
        of("table-twice", twice.clone(), Slip::Parity, WHOLE),
        of("table-twice", twice.clone(), Slip::DurableEarly, WHOLE),
        of("table-twice", twice, Slip::FewerAgain, WHOLE),
        of("table-cut", cut(), Slip::ColdBelievesLen, FIXED),
    ]
}

pub(super) fn harmless() -> Vec<Scenario> {
    let with = |name, slip| Scenario { name, model: AnyModel::Table(Table { slip, ..Table::default() }) };
    vec![with("harmless-table-cap-last", Slip::CapLast), with("harmless-table-pending", Slip::NoRollForward)]
}
