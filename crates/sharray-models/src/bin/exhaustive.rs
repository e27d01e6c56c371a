//! Runs the models and prints what was found: `exhaustive [--mutants] [--trace] [NAME]`.
//!
//! Without `--mutants`, every scenario to its end; with it, every mutant until it is refuted. `--trace` prints the
//! counterexamples. Exits with 1 if a property fails or a mutant survives.

#![allow(clippy::print_stdout, reason = "it is a command")]

use std::process::ExitCode;

use sharray_models::catalogue::{Outcome, Scenario, harmless, mutants, scenarios};

fn main() -> ExitCode {
    let (options, names): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let has = |option: &str| options.iter().any(|given| given == option);
    let wanted = |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part.as_str()));
    let good = if has("--mutants") {
        mutants().iter().filter(|mutant| wanted(&mutant.mutant)).fold(true, |good, mutant| {
            let report = mutant.explore();
            println!("{report}");
            if has("--trace") {
                print_traces(&report.outcome);
            }
            good & report.refuted()
        })
    } else {
        let explored = scenarios().into_iter().chain(harmless());
        explored.filter(|scenario| wanted(scenario.name)).fold(true, |good, scenario| good & holds(&scenario))
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn holds(scenario: &Scenario) -> bool {
    let outcome = scenario.explore();
    println!("{:<28} {:>9} states {:>6.1} s", scenario.name, outcome.states, outcome.elapsed.as_secs_f32());
    print_traces(&outcome);
    for never in &outcome.vacuous {
        println!("  never happens: {never}");
    }
    outcome.holds()
}

fn print_traces(outcome: &Outcome) {
    for (property, trace) in &outcome.violated {
        println!("  violates {property}:");
        for line in trace {
            println!("    {line}");
        }
    }
}
