//! Of the place of the arrays: its file system, its locks, what is stale there, what cannot be read.

use super::machine::{kind_of, room};
use super::{Finding, State};
use crate::args::Place;
use crate::text;
use sharray::{AnyPublisher, AnySubscriber, DType, Directory, Info, Kind};
use std::fs::read_to_string;
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) fn look(chosen: &Place) -> Vec<Finding> {
    let place = match chosen.open(false) {
        Ok(place) => place,
        Err(failure) => return vec![Finding::new("place", State::Unfit, failure.into_message())],
    };
    let mut findings = vec![file_system(place.path())];
    findings.extend(trials(&place));
    match place.list() {
        Ok(infos) => {
            let has_garbage = chosen.dir.is_none() && kind_of(place.path()).as_deref() == Some("tmpfs");
            findings.push(stale(&infos, has_garbage));
        }
        Err(error) => findings.push(Finding::new("arrays", State::Unfit, error.to_string())),
    }
    unreadable(&place, place.path(), &mut findings);
    findings
}

fn file_system(path: &Path) -> Finding {
    let kind = kind_of(path).unwrap_or_else(|| "an unknown file system".to_owned());
    let room = room(path).map_or_else(|error| error.to_string(), |(free, _)| format!("{} free", text::bytes(free)));
    Finding::new("place", State::Fit, format!("{} is on {kind}, {room}", path.display()))
}

/// Attaches there, which tries the locks, and sends a frame through a stream that nobody else can find.
fn trials(place: &Directory) -> Vec<Finding> {
    match trial(place) {
        Ok(waiting) => {
            let locks = "they tell the living from the dead, and a frame went through";
            vec![Finding::new("locks", State::Fit, locks), waiting]
        }
        Err(error) => {
            vec![Finding::new("locks", State::Unfit, format!("{error}; choose another place by SHARRAY_DIR"))]
        }
    }
}

fn trial(place: &Directory) -> Result<Finding, Box<dyn std::error::Error>> {
    // Names do not start with a dot: whoever lists the arrays passes it over.
    let folder = tempfile::Builder::new().prefix(".sharray-doctor-").tempdir_in(place.path())?;
    let inside = Directory::open(folder.path())?;
    let create = |name| AnyPublisher::builder().directory(&inside).create(name, &DType::U8, &[1]);
    let attach = |name| AnySubscriber::builder().directory(&inside).attach(name);
    let (mut one, _other) = (create("one")?, create("other")?);
    let mut eyes = [attach("one")?, attach("other")?];
    one.try_loan()?.publish();
    let frame = eyes[0].recv_timeout(Duration::from_secs(1))?;
    frame.ok_or("a frame that was published did not come")?;
    Ok(waiting(&eyes))
}

/// Waits for several streams at once, of which none has news: where the system call for it is forbidden that keeps a processor busy.
fn waiting(eyes: &[AnySubscriber; 2]) -> Finding {
    let (before, start) = (busy(), Instant::now());
    // It ends with `TimedOut`.
    _ = sharray::wait_any(&[&eyes[0], &eyes[1]], Some(Duration::from_millis(20)));
    let (took, worked) = (start.elapsed(), busy().zip(before).map(|(now, before)| now.saturating_sub(before)));
    match worked {
        Some(worked) if worked > took / 2 => {
            let said = "futex_waitv is forbidden or missing: waiting for several streams at once keeps a processor busy; \
                        allow it where system calls are filtered";
            Finding::new("waiting", State::Note, said)
        }
        _ => Finding::new("waiting", State::Fit, "futex_waitv: waiting for several streams at once costs nothing"),
    }
}

/// How long this thread has had a processor.
fn busy() -> Option<Duration> {
    let times = read_to_string("/proc/thread-self/schedstat").ok()?;
    times.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// What wants looking after: the dead, the poisoned; and the deserted, where they are garbage.
fn stale(infos: &[Info], has_garbage: bool) -> Finding {
    let of = |is_so: &dyn Fn(&Info) -> bool| {
        let names: Vec<&str> = infos.iter().filter(|info| is_so(info)).map(|info| info.name.as_str()).collect();
        (!names.is_empty()).then(|| text::list(names))
    };
    let parts = [
        (
            "the dead are in",
            of(&|info| info.kind != Kind::Team && info.participants.iter().any(|one| !one.is_alive)),
            "sharray recover NAME",
        ),
        ("blocks are poisoned in", of(&|info| !info.poisoned.is_empty()), "sharray recover --repair NAME"),
        (
            "nobody is with the streams",
            of(&|info| has_garbage && info.kind == Kind::Stream && info.participants.is_empty()),
            "sharray gc",
        ),
    ];
    let said: Vec<String> = parts
        .into_iter()
        .filter_map(|(what, names, verb)| names.map(|names| format!("{what} {names}: `{verb}`")))
        .collect();
    if said.is_empty() {
        return Finding::new("arrays", State::Fit, format!("{}, nothing stale", text::count(infos.len(), "array")));
    }
    Finding::new("arrays", State::Note, said.join("; "))
}

/// A line for each file that could be an array and is none that can be used, with the reason.
fn unreadable(place: &Directory, folder: &Path, findings: &mut Vec<Finding>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Some(name) = path.strip_prefix(place.path()).ok().and_then(Path::to_str) else { continue };
        // What is half made or on trial is passed over.
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => unreadable(place, &path, findings),
            Ok(_) => {
                if let Err(error) = place.inspect(name) {
                    findings.push(Finding::new("file", State::Note, error.to_string()));
                }
            }
            Err(_) => {}
        }
    }
}
