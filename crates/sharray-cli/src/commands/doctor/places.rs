//! Of the place of the arrays: its file system, its locks, what is stale there, what cannot be read.

use super::machine::room;
use super::{Finding, State};
use crate::args::Place;
use crate::text;
use nix::sys::stat::{major, minor};
use sharray::{AnyPublisher, AnySubscriber, DType, Directory, Info, Kind};
use std::fs::read_to_string;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

pub(super) fn look(chosen: &Place) -> Vec<Finding> {
    let place = match chosen.open(false) {
        Ok(place) => place,
        Err(failure) => return vec![Finding::new("place", State::Unfit, failure.into_message())],
    };
    let mut findings = vec![file_system(place.path()), locks(&place)];
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

/// What the kernel calls the file system that a file is on.
fn kind_of(path: &Path) -> Option<String> {
    let device = path.metadata().ok()?.dev();
    let device = format!("{}:{}", major(device), minor(device));
    let mounts = read_to_string("/proc/self/mountinfo").ok()?;
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some(device.as_str()))?;
    mount.split_once(" - ")?.1.split(' ').next().map(str::to_owned)
}

/// Attaches there, which tries the locks, and sends a frame through a stream that nobody else can find.
fn locks(place: &Directory) -> Finding {
    let trial = || -> Result<(), Box<dyn std::error::Error>> {
        // Names do not start with a dot: whoever lists the arrays passes it over.
        let folder = tempfile::Builder::new().prefix(".sharray-doctor-").tempdir_in(place.path())?;
        let inside = Directory::open(folder.path())?;
        let mut publisher = AnyPublisher::builder().directory(&inside).create("trial", &DType::U8, &[1])?;
        let mut subscriber = AnySubscriber::builder().directory(&inside).attach("trial")?;
        publisher.try_loan()?.publish();
        let frame = subscriber.recv_timeout(Duration::from_secs(1))?;
        frame.map(drop).ok_or_else(|| "a frame that was published did not come".into())
    };
    match trial() {
        Ok(()) => Finding::new("locks", State::Fit, "they tell the living from the dead, and a frame went through"),
        Err(error) => Finding::new("locks", State::Unfit, format!("{error}; choose another place by SHARRAY_DIR")),
    }
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
