//! What is explored, and what each way to get it wrong runs into.
//!
//! Three lists: the scenarios in which the protocol must hold, the mutants with the property that refutes each, and
//! the omissions that turned out to be harmless, which are kept so that nobody takes them for load-bearing.

mod barriers;
mod cells;
mod commits;
mod locks;
mod streams;
mod tables;

use std::fmt;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model};

use crate::barrier::Barrier;
use crate::cell::Cell;
use crate::durable::Durable;
use crate::lock::Lock;
use crate::stream::Stream;
use crate::table::Table;
use crate::wait::Wait;

/// The exploration of one model to its end, or to the first counterexample.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Unique states seen.
    pub states: usize,
    /// Time taken.
    pub elapsed: Duration,
    /// Properties violated, each with the shortest way there that was found.
    pub violated: Vec<(&'static str, Vec<String>)>,
    /// What should happen somewhere and never did: the model would hold for want of anything happening.
    pub vacuous: Vec<&'static str>,
}

impl Outcome {
    /// Whether every property holds and none does so for want of anything happening.
    pub fn holds(&self) -> bool {
        self.violated.is_empty() && self.vacuous.is_empty()
    }
}

/// A scenario in which the protocol holds.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What the report calls it.
    pub name: &'static str,
    model: AnyModel,
}

/// A mutant, the scenario that refutes it and the property by which it does.
#[derive(Clone, Debug)]
pub struct Refutation {
    /// What the report calls the scenario.
    pub scenario: &'static str,
    /// What was changed.
    pub mutant: String,
    /// What then fails.
    pub property: &'static str,
    model: AnyModel,
}

/// One line of the report on mutants.
#[derive(Clone, Debug)]
pub struct MutantReport {
    /// The scenario.
    pub scenario: &'static str,
    /// The mutant.
    pub mutant: String,
    /// The property that should refute it.
    pub property: &'static str,
    /// What the checker found.
    pub outcome: Outcome,
}

impl MutantReport {
    /// Whether the named property has a counterexample.
    pub fn refuted(&self) -> bool {
        self.outcome.violated.iter().any(|(property, _)| *property == self.property)
    }
}

impl fmt::Display for MutantReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.refuted() { "refuted" } else { "SURVIVED" };
        write!(
            f,
            "{:<12} {:<24} {verdict:<8} by {:<48} {:>8} states",
            self.scenario, self.mutant, self.property, self.outcome.states
        )
    }
}

#[derive(Clone, Debug)]
enum AnyModel {
    Stream(Stream),
    Wait(Wait),
    Lock(Lock),
    Cell(Cell),
    Durable(Durable),
    Barrier(Barrier),
    Table(Table),
}

impl AnyModel {
    fn explore(&self, until: Option<&'static str>) -> Outcome {
        match self {
            Self::Stream(model) => explore(model.clone(), until),
            Self::Wait(model) => explore(model.clone(), until),
            Self::Lock(model) => explore(model.clone(), until),
            Self::Cell(model) => explore(model.clone(), until),
            Self::Durable(model) => explore(model.clone(), until),
            Self::Barrier(model) => explore(model.clone(), until),
            Self::Table(model) => explore(model.clone(), until),
        }
    }
}

impl Scenario {
    /// Explores all of it.
    pub fn explore(&self) -> Outcome {
        self.model.explore(None)
    }
}

impl Refutation {
    /// Explores until the named property fails.
    pub fn explore(&self) -> MutantReport {
        MutantReport {
            scenario: self.scenario,
            mutant: self.mutant.clone(),
            property: self.property,
            outcome: self.model.explore(Some(self.property)),
        }
    }
}

/// Depth first keeps little in memory, breadth first finds the shortest counterexample.
fn explore<M>(model: M, until: Option<&'static str>) -> Outcome
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + PartialEq + std::fmt::Debug + std::hash::Hash + Send + Sync + 'static,
    M::Action: Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static,
{
    let begin = Instant::now();
    let builder = model.checker().threads(2);
    match until {
        None => outcome(&builder.finish_when(HasDiscoveries::AnyFailures).spawn_dfs().join(), begin),
        Some(property) => {
            let named = HasDiscoveries::AllOf([property].into());
            outcome(&builder.finish_when(named).spawn_bfs().join(), begin)
        }
    }
}

fn outcome<M>(checker: &impl Checker<M>, begin: Instant) -> Outcome
where
    M: Model,
    M::State: Clone + PartialEq + std::fmt::Debug + std::hash::Hash,
    M::Action: Clone + PartialEq + std::fmt::Debug,
{
    let discoveries = checker.discoveries();
    let mut violated = Vec::new();
    let mut vacuous = Vec::new();
    for property in checker.model().properties() {
        let found = discoveries.get(property.name);
        if property.expectation.discovery_is_failure() {
            violated.extend(found.map(|path| (property.name, trace(checker.model(), path.clone().into_vec()))));
        } else if found.is_none() {
            vacuous.push(property.name);
        }
    }
    Outcome { states: checker.unique_state_count(), elapsed: begin.elapsed(), violated, vacuous }
}

/// One line for each action of a counterexample.
fn trace<M>(model: &M, path: Vec<(M::State, Option<M::Action>)>) -> Vec<String>
where
    M: Model,
    M::State: std::fmt::Debug,
    M::Action: std::fmt::Debug,
{
    path.into_iter().filter_map(|(state, action)| model.format_step(&state, action?)).collect()
}

/// Everything that must hold.
pub fn scenarios() -> Vec<Scenario> {
    [
        streams::scenarios(),
        locks::scenarios(),
        cells::scenarios(),
        commits::scenarios(),
        barriers::scenarios(),
        tables::scenarios(),
    ]
    .concat()
}

/// Every mutant with what refutes it.
pub fn mutants() -> Vec<Refutation> {
    [streams::mutants(), locks::mutants(), cells::mutants(), commits::mutants(), barriers::mutants(), tables::mutants()]
        .concat()
}

/// Omissions that no property refutes, each with the reason.
pub fn harmless() -> Vec<Scenario> {
    [streams::harmless(), locks::harmless(), commits::harmless(), tables::harmless()].concat()
}
