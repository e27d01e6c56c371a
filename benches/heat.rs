//! The diffusion of `examples/heat` on 2048 x 2048 items: one process, a team of two, and the same over MPI, with messages and with
//! windows of shared memory.
//!
//! All contenders make the same steps from the same field, and must come to the same one, bit for bit; what is timed lies between
//! two barriers. Each rank has a CPU of its own. Where there is no MPI compiler its lines are left out, and that is said.

#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]
#![allow(clippy::cast_precision_loss, reason = "figures are for people to look at")]

mod support;

#[path = "../examples/heat/kernel.rs"]
mod kernel;

use ndarray::{Array2, Ix2};
use sharray::Team;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use support::{Figures, Options, Outcome};

const RANKS: usize = 2;
const PATIENCE: Duration = Duration::from_secs(60);

/// So many steps a team makes before the clock runs: this rank's pages of both arrays are there then, as the others' are.
const WARM: u64 = 2;

/// What all contenders are given.
struct Task {
    size: usize,
    steps: u64,
    initial: PathBuf,
    result: PathBuf,
}

impl Task {
    /// As arguments of another process.
    fn words(&self) -> Vec<String> {
        let numbers = [self.size.to_string(), self.steps.to_string()];
        let files = [&self.initial, &self.result].map(|file| file.display().to_string());
        numbers.into_iter().chain(files).collect()
    }

    fn from_words(words: &[String]) -> Outcome<Self> {
        let [size, steps, initial, result] = words else { return Err("not the words of a rank".into()) };
        Ok(Self { size: size.parse()?, steps: steps.parse()?, initial: initial.into(), result: result.into() })
    }

    fn read(&self) -> Outcome<Vec<f64>> {
        Ok(bytemuck::pod_collect_to_vec(&std::fs::read(&self.initial)?))
    }

    fn write(&self, items: &[f64]) -> Outcome {
        Ok(std::fs::write(&self.result, bytemuck::cast_slice(items))?)
    }
}

fn main() -> Outcome {
    if let Some(team) = Team::spawned()? {
        let words: Vec<String> = std::env::args().skip(1).collect();
        return rank(&team, &Task::from_words(&words)?);
    }
    let options = Options::from_args();
    let (size, steps) = if options.is_quick() { (128, 4) } else { (2048, 100) };
    let folder = support::folder()?;
    let file = |name: &str| folder.path().join(name);
    let task = Task { size, steps, initial: file("initial"), result: file("result") };
    let hills: Vec<f64> = (0..size * size).map(|at| ((at * 7919) % 10007) as f64 / 100.0).collect();
    std::fs::write(&task.initial, bytemuck::cast_slice(&hills))?;
    let mpi = build_mpi(&file("heat_mpi"));
    if let Err(reason) = &mpi {
        println!("# no figures of MPI: {reason}");
    }

    let cpus = support::cpus()?;
    if cpus.len() < RANKS {
        println!("# there are fewer CPUs than ranks");
    }
    let mut figures = Figures::default();
    for _ in 0..options.rounds(5) {
        // In a thread of its own, which alone stays on that CPU.
        let ran =
            std::thread::scope(|scope| scope.spawn(|| alone(&task, cpus[0]).map_err(|error| error.to_string())).join());
        let (seconds, expected) = ran.map_err(|_| "the serial program panicked")??;
        figures.add("serial", seconds * 1e3 / steps as f64);
        let mut check = |name: &str, seconds: f64| -> Outcome {
            figures.add(name, seconds * 1e3 / steps as f64);
            let same = std::fs::read(&task.result)? == expected;
            if same { Ok(()) } else { Err(format!("{name} comes to another result").into()) }
        };
        check("team", in_team(&task, &folder.path().join("arrays"))?)?;
        if let Ok(program) = &mpi {
            for mode in ["messages", "windows"] {
                check(&format!("mpi_{mode}"), over_mpi(program, mode, &task)?)?;
            }
        }
    }
    figures.print_exactly("ms");
    figures.print_ratio("serial", "team");
    if mpi.is_ok() {
        figures.print_ratio("team", "mpi_messages");
        figures.print_ratio("team", "mpi_windows");
    }
    Ok(())
}

/// One process makes the same steps with the same lines; in how many seconds, and what it comes to.
fn alone(task: &Task, cpu: usize) -> Outcome<(f64, Vec<u8>)> {
    support::run_on(cpu)?;
    let shape = (task.size, task.size);
    let (mut old, mut new) = (Array2::from_shape_vec(shape, task.read()?)?, Array2::zeros(shape));
    new.fill(1.0); // its pages are there before the clock runs
    let start = Instant::now();
    for step in 0..task.steps {
        kernel::step(step, &old, 0..task.size, &mut new);
        std::mem::swap(&mut old, &mut new);
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok((seconds, bytemuck::cast_slice(old.as_slice().ok_or("it is contiguous")?).to_vec()))
}

/// Ranks of a launcher, each this program again.
fn in_team(task: &Task, place: &Path) -> Outcome<f64> {
    let place = sharray::Directory::open(place)?;
    let mut launcher = Team::spawn(RANKS as u32).name("heat").directory(&place);
    for rank in 0..RANKS as u32 {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(task.words());
        launcher = launcher.command(rank, command);
    }
    launcher.run()?;
    Ok(std::fs::read_to_string(task.result.with_extension("seconds"))?.parse()?)
}

fn rank(team: &Team, task: &Task) -> Outcome {
    let cpus = support::cpus()?;
    support::run_on(cpus[team.rank() as usize % cpus.len()])?;
    let heat = team.array::<f64, Ix2>("heat", [task.size, task.size], PATIENCE, |heat| {
        let hills = task.read().expect("the initial field can be read");
        heat.assign(&ndarray::ArrayView1::from(&hills).into_shape_with_order(heat.raw_dim()).expect("it has the size"));
    })?;
    let mut start = Instant::now();
    while team.step() < task.steps {
        if team.step() == WARM {
            team.barrier(PATIENCE)?;
            start = Instant::now();
        }
        let mut block = team.block(&heat)?;
        let rows = block.rows();
        let (old, new) = block.views();
        kernel::step(team.step(), old, rows, new);
        block.finish();
        team.swap(PATIENCE)?;
    }
    let seconds = start.elapsed().as_secs_f64() * task.steps as f64 / (task.steps - WARM) as f64;
    if team.rank() == 0 {
        task.write(heat.current().read()?.as_slice().ok_or("it is contiguous")?)?;
        std::fs::write(task.result.with_extension("seconds"), seconds.to_string())?;
    }
    Ok(team.barrier(PATIENCE)?)
}

/// Compiles the C program, as fast as the compiler can make it without changing results.
fn build_mpi(program: &Path) -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/mpi/heat.c");
    let mut compiler = Command::new("mpicc");
    compiler.args(["-std=c11", "-O3", "-march=native", "-ffp-contract=off", "-o"]).arg(program).arg(source);
    match compiler.status() {
        Ok(status) if status.success() => Ok(program.to_owned()),
        Ok(status) => Err(format!("mpicc: {status}")),
        Err(error) => Err(format!("mpicc: {error}")),
    }
}

fn over_mpi(program: &Path, mode: &str, task: &Task) -> Outcome<f64> {
    std::fs::write(&task.result, vec![0; task.size * task.size * 8])?;
    let mut run = Command::new("mpirun");
    run.args(["--allow-run-as-root", "--bind-to", "core", "-np", &RANKS.to_string()]);
    let output = run.arg(program).arg(mode).args(task.words()).output()?;
    if !output.status.success() {
        return Err(format!("mpirun: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
