//! The simulations, run as a user would: what a team comes to is what one process comes to, bit for bit, however many ranks it
//! has and whoever of them is killed; and a run leaves nothing behind, however it ends.

#[path = "support/place.rs"]
mod place;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use place::{Outcome, PATIENCE, Place, eventually};
use sharray::{Directory, Error, SharedArray};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const HEAT: &[&str] = &["heat", "--size", "70", "--steps", "60"];
const GRAY_SCOTT: &[&str] = &["gray_scott", "--size", "40", "--steps", "90"];
const NBODY: &[&str] = &["nbody", "--size", "60", "--steps", "40"];

/// So many steps that nobody sees the end of them.
const ENDLESS: &str = "1000000000";

/// How often ranks are killed in a run. Set `SHARRAY_KILLS` for more.
const KILLS: u32 = 12;

/// How many steps a run has for each of them: far more than are made between two, unless this process has to wait for a CPU.
const STEPS_PER_KILL: u32 = 500;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The examples, built as this test was. `cargo test --test ...` alone would not build them, or leave old ones.
fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--example", "heat", "--example", "gray_scott", "--example", "nbody"]);
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        build.args(["--features", "step"].iter().take(if cfg!(feature = "step") { 2 } else { 0 }));
        build.args((!cfg!(debug_assertions)).then_some("--release"));
        assert!(build.status().is_ok_and(|status| status.success()), "{build:?}");
        let this = std::env::current_exe().expect("a test has a path");
        this.ancestors().nth(2).expect("it stands in target/PROFILE/deps").join("examples")
    });
    folder.join(name)
}

/// A run whose default place of arrays is `place`, in a process group of its own, as a shell's jobs are.
struct Run {
    child: Child,
}

impl Run {
    fn start(place: &Place, words: &[&str]) -> Result<Self> {
        let mut command = Command::new(program(words[0]));
        command.args(&words[1..]).env("SHARRAY_DIR", place.path()).stdin(Stdio::null());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Ok(Self { child: command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()? })
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().expect("it is a process id"))
    }

    /// The ranks that run now.
    fn ranks(&self) -> Vec<Pid> {
        let is_rank = |pid: &Pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // Behind the name, which may hold anything: the state and the parent.
            let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
            fields.next() != Some("Z") && fields.next() == Some(&self.child.id().to_string())
        };
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw));
        pids.filter(is_rank).collect()
    }

    /// Waits for its end, and for that of all its ranks, who share its output; how it ended, and what it said.
    fn finish(mut self) -> Result<(ExitStatus, String)> {
        let mut status = None;
        eventually("the run ends", || {
            status = self.child.try_wait().expect("it is a child");
            status.is_some()
        });
        let mut said = String::new();
        self.child.stdout.take().ok_or("it has an output")?.read_to_string(&mut said)?;
        self.child.stderr.take().ok_or("it has an output")?.read_to_string(&mut said)?;
        Ok((status.ok_or("it has ended")?, said))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // The launcher's ranks are told by the kernel. It may have ended long ago.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Runs it to its end, which must be a success that leaves nothing; the result that it printed.
fn result_of(words: &[&str]) -> Result<String> {
    let place = Place::new()?;
    let run = Run::start(&place, words)?;
    result(run, &place)
}

fn result(run: Run, place: &Place) -> Result<String> {
    let (status, said) = run.finish()?;
    assert!(status.success(), "{status}\n{said}");
    check_empty(place)?;
    let line = said.lines().find(|line| line.starts_with("result: ")).ok_or("it printed no result")?;
    Ok(line.to_owned())
}

fn check_empty(place: &Place) -> Outcome {
    let left: Vec<_> = std::fs::read_dir(place.path())?.flatten().map(|entry| entry.file_name()).collect();
    assert!(left.is_empty(), "{left:?} was left behind");
    Ok(())
}

fn with<'w>(words: &[&'w str], more: &[&'w str]) -> Vec<&'w str> {
    [words, more].concat()
}

/// The order in which ranks come and go, and how many rows each of them has, is not seen in the result.
fn any_number_of_ranks(words: &[&str]) -> Outcome {
    let alone = result_of(&with(words, &["--serial"]))?;
    for ranks in ["1", "2", "3", "4", "5", "6", "7", "8"] {
        assert_eq!(result_of(&with(words, &["--ranks", ranks]))?, alone, "{words:?} with {ranks} ranks");
    }
    Ok(())
}

#[test]
fn heat_is_the_same_with_any_number_of_ranks() -> Outcome {
    any_number_of_ranks(HEAT)
}

#[test]
fn gray_scott_is_the_same_with_any_number_of_ranks() -> Outcome {
    any_number_of_ranks(GRAY_SCOTT)
}

#[test]
fn nbody_is_the_same_with_any_number_of_ranks() -> Outcome {
    any_number_of_ranks(NBODY)
}

/// How many steps the run has made; zero before there is a record.
fn step_of(place: &Directory, run: &str) -> u64 {
    let record = SharedArray::<u64>::builder().directory(place).read_only().attach(&format!("{run}/team.steps"));
    let Ok(record) = record else { return 0 };
    // A rank that dies while it writes leaves its own item poisoned; the others tell.
    let steps = (0..record.blocks()).filter_map(|block| match record.try_read_block(block) {
        Ok(step) => step.first().copied(),
        Err(_) => None,
    });
    steps.max().unwrap_or(0)
}

/// Kills ranks at any moment of a run, one after the other. What comes out is what comes out if nobody dies.
fn ranks_are_killed(words: &[&str]) -> Outcome {
    let kills: u32 = std::env::var("SHARRAY_KILLS").map_or(Ok(KILLS), |kills| kills.parse())?;
    let steps = u64::from(kills) * u64::from(STEPS_PER_KILL);
    let count = steps.to_string();
    let words = &with(words, &["--steps", &count])[..];
    let alone = result_of(&with(words, &["--serial"]))?;
    let place = Place::new()?;
    let mut run = Run::start(&place, &with(words, &["--ranks", "3", "--restarts", "1000000"]))?;
    let (mut killed, mut seen) = (0, 0);
    // Any numbers would do; these are not in step with the simulation.
    let mut chance = 1_u64;
    'kills: while killed < kills {
        let deadline = Instant::now() + PATIENCE;
        while step_of(&place, words[0]) <= seen && seen > 0 || run.ranks().is_empty() {
            if run.child.try_wait()?.is_some() {
                break 'kills;
            }
            assert!(Instant::now() < deadline, "it does not go on after {killed} deaths, at step {seen}");
            std::thread::sleep(Duration::from_micros(200));
        }
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros(chance >> 52));
        let ranks = run.ranks();
        let Some(victim) = ranks.get((chance >> 32) as usize % ranks.len().max(1)) else { continue };
        // While one of them stands still no step ends: a rank that is killed when all is done has nobody to go on with.
        if kill(*victim, Signal::SIGSTOP).is_err() {
            continue;
        }
        seen = step_of(&place, words[0]);
        if seen + 2 >= steps {
            kill(*victim, Signal::SIGCONT)?;
            break;
        }
        kill(*victim, Signal::SIGKILL)?;
        killed += 1;
    }
    assert_eq!(result(run, &place)?, alone, "{killed} ranks were killed");
    assert!(killed > 0, "it came to its end before anybody was killed");
    eprintln!("{}: {killed} ranks were killed, the last one after step {seen}", words[0]);
    Ok(())
}

#[test]
fn heat_is_the_same_when_ranks_are_killed() -> Outcome {
    ranks_are_killed(&["heat", "--size", "64"])
}

#[test]
fn gray_scott_is_the_same_when_ranks_are_killed() -> Outcome {
    ranks_are_killed(&["gray_scott", "--size", "48"])
}

#[test]
fn nbody_is_the_same_when_ranks_are_killed() -> Outcome {
    ranks_are_killed(&["nbody", "--size", "40"])
}

/// A run that has begun, and goes on until somebody ends it.
fn endless(place: &Place, more: &[&str]) -> Result<Run> {
    let run = Run::start(place, &with(&["heat", "--size", "64", "--steps", ENDLESS, "--ranks", "3"], more))?;
    eventually("it begins", || step_of(place, "heat") > 0);
    assert_eq!(run.ranks().len(), 3);
    Ok(run)
}

/// Ctrl-C reaches all processes of a job. The launcher is the last to end, says so as programs do, and leaves nothing.
#[test]
fn ctrl_c_ends_a_run_clean() -> Outcome {
    let place = Place::new()?;
    let run = endless(&place, &[])?;
    let ranks = run.ranks();
    kill(Pid::from_raw(-run.pid().as_raw()), Signal::SIGINT)?;
    let (status, said) = run.finish()?;
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(said.contains("team \"heat\" was interrupted by signal 2"), "{said}");
    assert!(ranks.iter().all(|rank| kill(*rank, None).is_err()), "a rank is left");
    check_empty(&place)
}

/// A signal for the launcher alone is passed on to its ranks.
#[test]
fn a_signal_for_the_launcher_is_passed_on() -> Outcome {
    let place = Place::new()?;
    let run = endless(&place, &["--restarts", "10"])?;
    let start = Instant::now();
    kill(run.pid(), Signal::SIGTERM)?;
    let (status, said) = run.finish()?;
    assert_eq!(status.code(), Some(143), "{said}");
    assert!(start.elapsed() < Duration::from_secs(4), "it waited until it could kill them");
    check_empty(&place)
}

/// The kernel ends the ranks of a launcher that was killed; the next run of that name removes what they left.
#[test]
fn ranks_end_with_their_launcher() -> Outcome {
    let place = Place::new()?;
    let run = endless(&place, &[])?;
    let ranks = run.ranks();
    kill(run.pid(), Signal::SIGKILL)?;
    eventually("the ranks end", || ranks.iter().all(|rank| kill(*rank, None).is_err() || is_zombie(*rank)));
    assert!(place.list()?.iter().any(|info| info.name == "heat/team"), "a killed launcher removes nothing");
    drop(run);
    let next = Run::start(&place, HEAT)?;
    result(next, &place)?;
    Ok(())
}

/// Where nobody reaps orphans, one that has ended stays in the list.
fn is_zombie(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z')
}

/// The launcher names the rank that failed, and how, and the others end by themselves: they are told.
#[test]
fn the_rank_that_failed_is_named() -> Outcome {
    let place = Place::new()?;
    let run = endless(&place, &[])?;
    let start = Instant::now();
    kill(run.ranks()[0], Signal::SIGKILL)?;
    let (status, said) = run.finish()?;
    assert_eq!(status.code(), Some(1), "{said}");
    assert_eq!(status.signal(), None);
    let named = said.lines().find(|line| line.contains("failed: signal: 9"));
    assert!(named.is_some_and(|line| line.contains("of team \"heat\"")), "{said}");
    assert_eq!(said.lines().filter(|line| line.contains("died or left")).count(), 2, "{said}");
    assert!(start.elapsed() < Duration::from_secs(4), "it waited until it could kill them");
    check_empty(&place)
}

/// Two runs of one name would be one team: the second is refused, and the first goes on.
#[test]
fn a_second_run_of_a_name_is_refused() -> Outcome {
    let place = Place::new()?;
    let first = endless(&place, &[])?;
    let (status, said) = Run::start(&place, HEAT)?.finish()?;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("an array named \"heat\" exists already"), "{said}");
    let other = Run::start(&place, &with(HEAT, &["--name", "other"]))?.finish()?;
    assert!(other.0.success(), "{}", other.1);
    let seen = step_of(&place, "heat");
    eventually("the first goes on", || step_of(&place, "heat") > seen);
    kill(first.pid(), Signal::SIGINT)?;
    first.finish()?;
    check_empty(&place)
}

/// What a launcher says to its ranks is checked as what anybody else says.
#[test]
fn a_rank_that_is_told_nonsense_says_so() -> Outcome {
    for (rank, size, complaint) in [
        ("one", "2", "SHARRAY_RANK is \"one\", expected a number"),
        ("2", "2", "rank 2 of 2 cannot be"),
        ("0", "", "SHARRAY_SIZE is \"\", expected a number"),
    ] {
        let place = Place::new()?;
        let mut command = Command::new(program("heat"));
        command.env("SHARRAY_DIR", place.path()).env("SHARRAY_TEAM", "team").env("SHARRAY_RANK", rank);
        let launcher = std::process::id().to_string();
        let output = command.env("SHARRAY_SIZE", size).env("SHARRAY_LAUNCHER", launcher).output()?;
        let said = String::from_utf8(output.stderr)?;
        assert!(!output.status.success() && said.contains(complaint), "{said}");
    }
    Ok(())
}

/// No ranks are no team.
#[test]
fn a_run_of_no_ranks_is_refused() -> Outcome {
    let place = Place::new()?;
    let (status, said) = Run::start(&place, &with(HEAT, &["--ranks", "0"]))?.finish()?;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("it has 0 ranks, expected 1 to 1022"), "{said}");
    check_empty(&place)
}

/// A folder with other arrays in it is nobody's run: nothing there is touched.
#[test]
fn other_arrays_are_left_alone() -> Outcome {
    let place = Place::new()?;
    let mine = SharedArray::<u8, ndarray::Ix1>::builder().directory(&place).create("heat/mine", [5])?;
    let (status, said) = Run::start(&place, HEAT)?.finish()?;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(!mine.is_retired());
    let found = SharedArray::<u8>::builder().directory(&place).attach("heat/mine");
    assert!(!matches!(found, Err(Error::NotFound { .. })));
    Ok(())
}
