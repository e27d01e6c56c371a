//! The supervisor: starts workers, kills them, stops them, watches that they get on, and looks at what is left.

mod finale;
mod in_place;
mod life;
mod place;
mod report;
mod totals;
mod watch;

use crate::Outcome;
use crate::namespace;
use crate::options::{Duty, Plan};
use indicatif::{ProgressBar, ProgressStyle};
use life::{End, Life};
use place::Place;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use totals::Totals;
use watch::Watch;

/// How long the supervisor sleeps at most.
const TICK: Duration = Duration::from_micros(700);

/// How long a process and those that it forked may take to end.
const ENDING: Duration = Duration::from_secs(30);

/// What a shell says of a program that was interrupted.
const INTERRUPTED: u8 = 130;

/// What went wrong, and in whose life.
#[derive(Debug)]
pub(crate) struct Trouble {
    text: String,
    /// What that worker, and the others, did last.
    history: Vec<String>,
}

impl From<String> for Trouble {
    fn from(text: String) -> Self {
        Self { text, history: Vec::new() }
    }
}

/// The supervisor's `main`.
pub(crate) fn run(plan: Plan) -> Outcome<ExitCode> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted)).map_err(|error| error.to_string())?;
    }
    let mut run = Run::new(plan, interrupted)?;
    let outcome = run.play();
    run.bar.finish_and_clear();
    run.kill_all();
    match outcome {
        Ok(()) if run.is_interrupted() => Ok(ExitCode::from(INTERRUPTED)),
        Ok(()) => {
            print!("{}", report::totals(&run.totals, run.started.elapsed()));
            Ok(ExitCode::SUCCESS)
        }
        Err(trouble) => {
            let folder = run.place.keep();
            print!("{}", report::trouble(&trouble, plan, &folder));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// One run of the supervisor.
#[derive(Debug)]
struct Run {
    plan: Plan,
    rng: fastrand::Rng,
    place: Place,
    /// Why no worker has a namespace of its own, if none can.
    no_namespaces: Option<String>,
    lives: Vec<Life>,
    /// Workers that are dead, while processes that they have forked live.
    survived: Vec<Life>,
    /// How many lives there were.
    count: u64,
    watch: Watch,
    totals: Totals,
    started: Instant,
    bar: ProgressBar,
    interrupted: Arc<AtomicBool>,
}

impl Run {
    fn new(plan: Plan, interrupted: Arc<AtomicBool>) -> Outcome<Self> {
        let place = Place::new()?;
        let folder = place.folder().display();
        println!("seed {}: {} workers for {} seconds in {folder}", plan.seed, plan.workers, plan.seconds);
        let duty = Duty { folder: place.arrays(), journal: place.journal(0), seed: 0, sabotage: None };
        let no_namespaces = namespace::is_possible(&duty).err();
        if let Some(reason) = &no_namespaces {
            println!("no worker has a PID namespace of its own: {reason}");
        }
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} s, {msg}").map_err(|error| error.to_string())?;
        Ok(Self {
            plan,
            rng: fastrand::Rng::with_seed(plan.seed),
            watch: Watch::new(),
            place,
            no_namespaces,
            lives: Vec::new(),
            survived: Vec::new(),
            count: 0,
            totals: Totals::default(),
            started: Instant::now(),
            bar: ProgressBar::new(plan.seconds).with_style(style),
            interrupted,
        })
    }

    /// From the first worker to the last look.
    fn play(&mut self) -> Result<(), Trouble> {
        let end = self.started + Duration::from_secs(self.plan.seconds);
        while Instant::now() < end && !self.is_interrupted() {
            self.fill_up()?;
            self.tick()?;
            self.bar.set_position(self.started.elapsed().as_secs());
            self.bar.set_message(format!("{} lives", self.count));
        }
        if self.is_interrupted() {
            return Ok(());
        }
        self.end_all()?;
        Ok(finale::look(&mut self.place, &mut self.totals)?)
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Relaxed)
    }

    /// Starts as many workers as are missing.
    fn fill_up(&mut self) -> Outcome {
        while self.lives.len() < self.plan.workers {
            self.count += 1;
            let duty = Duty {
                folder: self.place.arrays(),
                journal: self.place.journal(self.count),
                seed: self.rng.u64(..),
                sabotage: self.plan.sabotage,
            };
            let in_namespace = self.rng.u32(..6) == 0 && self.no_namespaces.is_none();
            self.totals.namespaces += u64::from(in_namespace);
            self.lives.push(Life::start(self.count, duty, in_namespace, &mut self.rng)?);
        }
        Ok(())
    }

    /// Does what is due, and sleeps a little.
    fn tick(&mut self) -> Result<(), Trouble> {
        let now = Instant::now();
        for life in &mut self.lives {
            life.act(now, &mut self.rng, &mut self.totals)?;
        }
        self.bury()?;
        self.watch.tick(&mut self.lives, &mut self.place, &mut self.totals)?;
        let due = self.lives.iter().map(Life::due).min().unwrap_or(now);
        std::thread::sleep(due.saturating_duration_since(Instant::now()).min(TICK));
        Ok(())
    }

    /// Looks which workers have ended, and how.
    fn bury(&mut self) -> Result<(), Trouble> {
        for at in (0..self.lives.len()).rev() {
            if self.lives[at].has_ended()? {
                self.judge(at)?;
                self.survived.push(self.lives.swap_remove(at));
            }
        }
        for at in (0..self.survived.len()).rev() {
            if self.survived[at].is_gone() {
                let gone = self.survived.swap_remove(at);
                if let Some(text) = gone.failure() {
                    return Err(self.trouble(&text, &gone));
                }
                gone.forget();
            } else if self.survived[at].is_late(ENDING) {
                let late = self.survived.swap_remove(at);
                return Err(self.trouble("a process that it forked does not end", &late));
            }
        }
        Ok(())
    }

    fn judge(&mut self, at: usize) -> Result<(), Trouble> {
        let life = &self.lives[at];
        self.totals.add(&life.reading());
        match life.verdict(&mut self.totals) {
            Ok(()) => Ok(()),
            Err(text) => Err(self.trouble(&text, &self.lives[at])),
        }
    }

    fn trouble(&self, text: &str, life: &Life) -> Trouble {
        Trouble { text: format!("worker {}: {text}", life.number), history: report::history(life, &self.lives) }
    }

    /// Ends all workers: some in good order, the others not.
    fn end_all(&mut self) -> Result<(), Trouble> {
        for life in &mut self.lives {
            let end = if self.rng.bool() { End::Ask } else { End::Kill };
            life.end_now(end);
        }
        let deadline = Instant::now() + ENDING;
        while !(self.lives.is_empty() && self.survived.is_empty()) {
            self.tick()?;
            if let Some(life) = self.lives.first().filter(|_| Instant::now() > deadline) {
                return Err(self.trouble("it does not end", life));
            }
        }
        Ok(())
    }

    /// Kills whoever is left, whatever the reason, and waits until they are gone.
    fn kill_all(&mut self) {
        for life in self.lives.iter_mut().chain(&mut self.survived) {
            life.kill_group();
        }
        let deadline = Instant::now() + ENDING;
        let mut left: Vec<Life> = self.lives.drain(..).chain(self.survived.drain(..)).collect();
        while !left.is_empty() && Instant::now() < deadline {
            left.retain_mut(|life| !(life.has_ended().unwrap_or(true) && life.is_gone()));
            std::thread::sleep(TICK);
        }
    }
}
