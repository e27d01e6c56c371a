//! A rank that is killed at a random moment: every other rank is told of it, by its number, soon after the kernel has
//! ended it; and one that is stopped is not taken for dead.
//!
//! `SHARRAY_ROUNDS` says how often; a few times otherwise. `SHARRAY_DELAYS` asks for the distribution of how long it took.

mod support;

use nix::sys::signal::Signal;
use sharray::{Directory, Error, Team};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::child::{Child, Task};
use support::{Outcome, Roles, SOON, Test, ensure, ensure_eq, main as run};

const ROLES: Roles = &[("rank", rank)];
const SIZE: u32 = 4;
/// How long after the end of a process the others may be told, on a machine that has little else to do.
const PROMPT: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    run(
        ROLES,
        vec![
            Test::new("a_rank_killed_at_a_random_moment_is_named_to_all", killed).within(600),
            Test::new("a_stopped_rank_is_not_dead", stopped),
        ],
    )
}

/// Child: goes through rounds until one fails, and says why. It waits for long: nobody's patience ends.
fn rank(task: &Task) -> Outcome {
    let place = Directory::open(task.arg(0)?)?;
    let patience = Duration::from_millis(task.number(2)?);
    let team = Team::builder().directory(&place).join("team", task.number(1)? as u32, SIZE)?;
    task.say("ready")?;
    let mut work = u64::from(team.rank()) + 1;
    let told = loop {
        // Ranks come at different times, so that one may be killed while it works and while it waits.
        work = work.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (0..work >> 50).for_each(|_| std::hint::spin_loop());
        if let Err(error) = team.barrier(patience) {
            break error;
        }
    };
    task.say(&match told {
        Error::PeerDied { rank, .. } => format!("rank {rank} died"),
        Error::TimedOut { .. } => "timed out".to_owned(),
        other => other.to_string(),
    })?;
    task.await_line("end")
}

fn team(folder: &tempfile::TempDir, patience: Duration) -> Outcome<Vec<Child>> {
    let path = folder.path().to_str().ok_or("the folder's name is no text")?;
    let patience = patience.as_millis().to_string();
    let ranks: Vec<Child> =
        (0..SIZE).map(|rank| Child::start("rank", [path, &rank.to_string(), &patience])).collect::<Outcome<_>>()?;
    ranks.iter().try_for_each(|rank| rank.expect("ready"))?;
    Ok(ranks)
}

/// Numbers that differ from run to run, which a failure tells.
fn chance(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

fn killed() -> Outcome {
    let rounds = std::env::var("SHARRAY_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let mut seed = Instant::now().elapsed().as_nanos() as u64 ^ u64::from(std::process::id());
    let mut delays = Vec::new();
    for round in 0..rounds {
        let (mortal, moment) = (chance(&mut seed) % u64::from(SIZE), Duration::from_micros(chance(&mut seed) % 20_000));
        let delay = once(mortal as usize, moment)
            .map_err(|error| format!("round {round}, rank {mortal} killed after {moment:?}: {error}"))?;
        delays.push(delay);
    }
    delays.sort();
    if std::env::var_os("SHARRAY_DELAYS").is_some() {
        let of = |percent: usize| delays[(delays.len() - 1) * percent / 100];
        eprintln!("from its end to the last one told: median {:?}, 99 % {:?}, most {:?}", of(50), of(99), of(100));
        ensure!(of(99) < PROMPT, "one in a hundred waits for {:?}", of(99));
    }
    Ok(())
}

/// How long after the end of the mortal rank the last of the others was told.
fn once(mortal: usize, moment: Duration) -> Outcome<Duration> {
    let folder = tempfile::tempdir()?;
    let mut ranks = team(&folder, SOON)?;
    std::thread::sleep(moment);
    let mut dead = ranks.remove(mortal);
    dead.kill()?;
    let end = Instant::now();
    for rank in &ranks {
        rank.expect(&format!("rank {mortal} died"))?;
    }
    let delay = end.elapsed();
    for rank in &mut ranks {
        rank.tell("end")?;
        rank.succeed()?;
    }
    Ok(delay)
}

/// The others' time is over, and that is all they are told; when it goes on, so is it.
fn stopped() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut ranks = team(&folder, Duration::from_millis(1500))?;
    ranks[2].stop()?;
    for rank in [0, 1, 3] {
        ranks[rank].expect("timed out")?;
    }
    let info = Directory::open(folder.path())?.inspect("team")?;
    ensure_eq!(info.participants.iter().filter(|rank| rank.is_alive).count(), SIZE as usize, "how many live");
    ranks[2].signal(Signal::SIGCONT)?;
    ranks[2].expect("timed out")?;
    for rank in &mut ranks {
        rank.tell("end")?;
        rank.succeed()?;
    }
    Ok(())
}
