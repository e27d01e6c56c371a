//! The cell.

use super::{AnyModel, Refutation, Scenario};
use crate::cell::{Cell, NEVER_BACK, Slip, WHOLE};

pub(super) fn scenarios() -> Vec<Scenario> {
    let with = |name, model| Scenario { name, model: AnyModel::Cell(model) };
    vec![
        with("cell", Cell::default()),
        // Two readers.
        with("cell-readers", Cell { writers: vec![2, 1], readers: vec![1, 1], ..Cell::default() }),
        // Three writers one after another, two of whom die, and one reader who goes on through it all.
        with("cell-succession", Cell { writers: vec![2, 2, 1], readers: vec![3], ..Cell::default() }),
    ]
}

pub(super) fn mutants() -> Vec<Refutation> {
    let slip = |slip, property| Refutation {
        scenario: "cell",
        mutant: format!("{slip:?}"),
        property,
        model: AnyModel::Cell(Cell { slip, ..Cell::default() }),
    };
    vec![
        slip(Slip::OneCopy, WHOLE),
        slip(Slip::CountFirst, WHOLE),
        slip(Slip::CountInBetween, WHOLE),
        slip(Slip::FillCurrent, WHOLE),
        slip(Slip::NoSecondLook, WHOLE),
        slip(Slip::RecoverCounts, WHOLE),
        slip(Slip::FalseDeath, WHOLE),
        slip(Slip::FalseDeath, NEVER_BACK),
    ]
}
