//! Every scenario holds, every mutant is refuted by the property that names it.
//!
//! The searches use two threads each and are run one after another, so that memory and time stay those of the largest.

#![allow(clippy::print_stdout, reason = "the counts of states are what a reader wants to see")]

use sharray_models::catalogue::{harmless, mutants, scenarios};

#[test]
fn protocol_holds_and_every_mutant_falls() {
    for scenario in scenarios().into_iter().chain(harmless()) {
        let outcome = scenario.explore();
        println!("{:<28} {:>9} states {:>6.1} s", scenario.name, outcome.states, outcome.elapsed.as_secs_f32());
        assert!(outcome.holds(), "{}: {outcome:#?}", scenario.name);
    }
    let mut survivors = Vec::new();
    for mutant in mutants() {
        let report = mutant.explore();
        println!("{report}");
        if !report.refuted() {
            survivors.push(report.to_string());
        }
    }
    assert!(survivors.is_empty(), "{survivors:#?}");
}
