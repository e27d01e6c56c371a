//! A team's file whose words say anything: every call comes back soon, with an answer or with an error of its own kind.

#[path = "support/bytes.rs"]
mod bytes;
#[path = "support/place.rs"]
mod place;

use bytes::{Dice, forge, get64, offset};
use ndarray::{arr0, array};
use place::{Outcome, Place, Watchdog};
use sharray::{Error, Result, Team};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Duration;

const SIZE: u32 = 3;
/// What a call may wait.
const MOMENT: Duration = Duration::from_micros(200);
/// When a call is said to hang.
const LIMIT: Duration = Duration::from_secs(20);

fn rounds(default: usize) -> usize {
    std::env::var("SHARRAY_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn join(place: &Place, rank: u32) -> Result<Team> {
    Team::builder().directory(place).join("team", rank, SIZE)
}

/// The file as it is left when all ranks are killed in the middle of a team that was broken, or was not.
fn deserted(is_broken: bool) -> std::result::Result<Vec<u8>, Box<dyn std::error::Error>> {
    let place = Place::new()?;
    let teams = [join(&place, 0)?, join(&place, 2)?];
    if is_broken {
        drop(join(&place, 1)?);
    }
    _ = teams[0].sum(&arr0(1.0), MOMENT);
    Ok(fs::read(place.file("team"))?)
}

/// The words that change while a team is used: of the control page, of the records, and the heads of the slots' halves.
fn words(whole: &[u8]) -> Vec<(usize, usize)> {
    let control = ["bar", "notify", "room", "retired", "prod"].map(|name| (offset("Control", name), 4));
    let wide = ["occupied", "intent", "head"].map(|name| (offset("Control", name), 8));
    let record = |rank: usize| {
        let base = 16_384 + 128 * rank;
        let narrow = [("bar_arr", 4), ("rd", 4), ("state", 8), ("cursor", 8), ("pin", 8)];
        narrow.map(|(name, len)| (base + offset("Participant", name), len))
    };
    let slots = bytes::data_off(whole);
    let half = |half: usize| [0, 8, 16].map(|at| (slots + half * 16_384 + at, 8));
    let records = (0..SIZE as usize).flat_map(record);
    // The round's word is the one that matters most.
    let bar = [control[0]; 8];
    bar.into_iter().chain(control).chain(wide).chain(records).chain((0..6).flat_map(half)).collect()
}

fn change(words: &[(usize, usize)], dice: &mut Dice, whole: &[u8]) -> (usize, Vec<u8>) {
    let (at, len) = words[dice.below(words.len())];
    let low = dice.roll() % 8;
    let value = match dice.below(9) {
        0 => 0,
        1 => u64::MAX - low,
        2 => dice.roll(),
        3 => low,
        // A round that is well, or broken by one who can be or cannot; its waiting bit.
        4 => low << 11 | (dice.roll() % 5) | (dice.roll() % 2) << 10,
        5 => ((1 << 21) - 1) << 11 | (dice.roll() % 1024),
        6 => low << 8 | 1,
        7 => 1023,
        _ => get64(whole, at & !7) ^ 1 << dice.below(64),
    };
    (at, value.to_le_bytes()[..len].to_vec())
}

fn check<T>(dog: &Watchdog, what: &str, call: impl FnOnce() -> Result<T>) -> Option<T> {
    let answer = dog.call(|| what.to_owned(), call);
    if let Err(error) = &answer {
        let text = error.to_string();
        let is_own = !matches!(error, Error::Io { .. } | Error::AlreadyExists { .. } | Error::UnsupportedDtype { .. });
        assert!(is_own && !text.contains('\n'), "{what}: {text}");
    }
    answer.ok()
}

/// Everything that a rank can do.
fn exercise(dog: &Watchdog, team: &Team, label: &str) {
    let call = |what: &str| format!("{what}, {label}");
    for _ in 0..2 {
        check(dog, &call("barrier"), || team.barrier(MOMENT));
        check(dog, &call("sum"), || team.sum(&array![1.0, 2.0], MOMENT));
        check(dog, &call("gather"), || team.gather(&arr0(7_u8), MOMENT));
        check(dog, &call("broadcast"), || team.broadcast(1, &mut arr0(7_u8), MOMENT));
        check(dog, &call("reset"), || team.reset(MOMENT));
        _ = team.is_broken();
    }
}

#[test]
fn random_words_before_joining_are_survived() -> Outcome {
    let (place, dog) = (Place::new()?, Watchdog::new(LIMIT));
    for is_broken in [false, true] {
        let whole = deserted(is_broken)?;
        let words = words(&whole);
        for seed in 0..rounds(150) {
            let dice = &mut Dice(seed as u64 * 2 + u64::from(is_broken));
            let mut bytes = whole.clone();
            for _ in 0..if seed % 16 == 0 { 300 } else { 1 + dice.below(6) } {
                let (at, value) = change(&words, dice, &whole);
                bytes[at..at + value.len()].copy_from_slice(&value);
            }
            forge(&place.file("team"), &bytes)?;
            let label = format!("broken: {is_broken}, seed {seed}");
            check(&dog, &label, || place.inspect("team"));
            for rank in [1, 0] {
                if let Some(team) = check(&dog, &format!("join, {label}"), || join(&place, rank)) {
                    exercise(&dog, &team, &label);
                }
            }
            check(&dog, &format!("unlink, {label}"), || place.unlink("team"));
        }
    }
    Ok(())
}

#[test]
fn random_words_while_ranks_are_here_are_survived() -> Outcome {
    let dog = Watchdog::new(LIMIT);
    for seed in 0..rounds(100) {
        let place = Place::new()?;
        let dice = &mut Dice(5000 + seed as u64);
        let label = format!("joined, seed {seed}");
        let teams = (0..SIZE).map(|rank| join(&place, rank)).collect::<Result<Vec<_>>>()?;
        let whole = fs::read(place.file("team"))?;
        let words = words(&whole);
        let file = File::options().write(true).open(place.file("team"))?;
        std::thread::scope(|scope| {
            for team in &teams {
                let (dog, label) = (Watchdog::new(LIMIT), label.clone());
                scope.spawn(move || exercise(&dog, team, &label));
            }
            for _ in 0..8 {
                let (at, value) = change(&words, dice, &whole);
                _ = file.write_all_at(&value, at as u64);
                std::thread::yield_now();
            }
        });
        dog.call(|| format!("drop, {label}"), || drop(teams));
        check(&dog, &format!("join again, {label}"), || join(&place, 1));
    }
    Ok(())
}
