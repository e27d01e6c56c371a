//! What every verb says: a transcript for each, as a person would see it in a pipe.
//!
//! `SNAPSHOTS=overwrite cargo test -p sharray-cli` writes them anew; what changed is then for a person to look at.

mod support;

use ndarray::{Array1, Ix1, Ix2};
use sharray::{AnyArray, DType, Directory, SharedArray, SharedCell, save_npy};
use snapbox::{Data, assert_data_eq, file};
use support::{Outcome, Place, publish};

/// The transcript with what differs from run to run taken out, line by line.
fn stable(transcript: &str) -> String {
    let stable = |line: &str| match line.split_once(' ') {
        Some(("created", _)) => "created        TIME".to_owned(),
        Some(("generation", _)) => "generation     GENERATION".to_owned(),
        _ => line.to_owned(),
    };
    transcript.lines().map(|line| stable(line) + "\n").collect()
}

/// A guard that a panic drops leaves poison, as a death does.
fn poison<T: sharray::Element + Send + Sync>(field: &SharedArray<T, Ix2>, block: usize) {
    std::thread::scope(|scope| {
        let write = || {
            let _guard = field.write_block(block);
            // No message of it shall stand in the output of the tests.
            std::panic::resume_unwind(Box::new("on purpose"));
        };
        assert!(scope.spawn(write).join().is_err());
    });
}

fn check(transcript: &str, expected: Data) {
    assert_data_eq!(stable(transcript), expected.raw());
}

#[test]
fn ls_lists() -> Outcome {
    let place = Place::new()?;
    let empty = place.transcript("sharray ls")?;
    let (mut camera, _field) = (place.camera()?, place.field()?);
    publish(&mut camera, 7)?;
    drop(place.line()?);
    SharedCell::builder().directory(&place.arrays).create("answer", 42_u32)?;
    let full = place.transcript("sharray ls")?;
    check(&[empty, full].join("\n"), file!["snapshots/ls.txt"]);
    Ok(())
}

#[test]
fn info_tells_everything() -> Outcome {
    let place = Place::new()?;
    let mut camera = place.camera()?;
    publish(&mut camera, 7)?;
    drop(place.field()?);
    let lines = ["sharray info camera", "sharray info sim/field", "sharray info nothing"];
    check(&place.transcripts(&lines)?, file!["snapshots/info.txt"]);
    Ok(())
}

/// The tables are the format's own, which another test compares with its page.
#[test]
fn a_layout_is_the_formats() -> Outcome {
    let place = Place::new()?;
    drop(place.field()?);
    let layout = place.transcript("sharray info sim/field --layout")?;
    let tables = sharray::format_table();
    assert!(layout.ends_with(&tables), "{layout}");
    check(layout.strip_suffix(&tables).unwrap_or(&layout), file!["snapshots/layout.txt"]);
    Ok(())
}

#[test]
fn watch_prints_a_line_for_each_change() -> Outcome {
    let place = Place::new()?;
    let (mut camera, field) = (place.camera()?, place.field()?);
    let cell = SharedCell::builder().directory(&place.arrays).create("answer", 42_u32)?;
    for (name, change) in [
        ("camera", &mut (|| publish(&mut camera, 7)) as &mut dyn FnMut() -> Outcome),
        ("sim/field", &mut || {
            field.write()?.row_mut(0).fill(f64::NAN);
            Ok(())
        }),
        ("answer", &mut || Ok(cell.store(43)?)),
    ] {
        let mut watch = place.command(["watch", name, "--count", "2"]).spawn()?;
        // How many changes come before it watches is not known.
        let mut changed = Ok(());
        support::wait_until("it has seen two", || {
            if changed.is_ok() {
                changed = change();
            }
            changed.is_err() || watch.try_wait().is_ok_and(|status| status.is_some())
        })?;
        changed?;
        let output = support::finish(watch)?;
        let text = String::from_utf8(output.stdout)?;
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["SEQUENCE", "TIME", "MISSED", "MIN", "MEAN", "MAX"]);
        match name {
            "answer" => assert_eq!(lines[2][3..], ["43", "43", "43"], "{text}"),
            "camera" => assert_eq!(lines[2][3..], ["7", "7", "7"], "{text}"),
            _ => assert_eq!(lines[2][3..], ["4", "7.5", "11", "4", "not", "finite"], "{text}"),
        }
    }
    Ok(())
}

#[test]
fn show_draws() -> Outcome {
    let place = Place::new()?;
    let mut camera = place.camera()?;
    publish(&mut camera, 7)?;
    drop((place.field()?, place.line()?));
    let lines = [
        "sharray show camera",
        "sharray show sim/field",
        "sharray show sim/field --index 1",
        "sharray show sim/field --index 1,2",
        "sharray show sim/field --range 0 22",
        "sharray show line",
        "sharray show sim/field --index 3",
        "sharray show sim/field --field x",
    ];
    check(&place.transcripts(&lines)?, file!["snapshots/show.txt"]);
    Ok(())
}

/// Nothing is divided by a dimension of zero, and a shape of many times nothing is not gone through.
#[test]
fn what_has_no_items_is_no_trouble() -> Outcome {
    let place = Place::new()?;
    for (at, shape) in
        [vec![0], vec![3, 0], vec![0, 3], vec![0, 4, 3], vec![5, 0, 7], vec![1 << 40, 0]].iter().enumerate()
    {
        let name = format!("empty-{at}");
        drop(AnyArray::builder().directory(&place.arrays).create(&name, &DType::F64, shape)?);
        let text = place.transcript(&format!("sharray show {name}"))?;
        assert!(text.ends_with("\nthere are no items\n"), "{shape:?}: {text}");
        let text = place.transcript(&format!("sharray show {name} --png no.png"))?;
        assert!(text.contains("error: there are no items to draw\n[exit code 1]"), "{shape:?}: {text}");
        let text = place.transcript(&format!("sharray info {name}"))?;
        assert!(text.contains("np.memmap("), "{shape:?}: {text}");
    }
    assert!(place.run(["ls"])?.status.success());
    Ok(())
}

#[test]
fn put_and_get_are_inverse() -> Outcome {
    let place = Place::new()?;
    save_npy(place.file("one.npy"), &Array1::linspace(0.0, 1.0, 5))?;
    save_npy(place.file("two.npy"), &Array1::from(vec![1_u8, 2, 3]))?;
    let lines = [
        "sharray put one.npy numbers",
        "sharray put two.npy numbers",
        "sharray put none.npy numbers --replace",
        "sharray get numbers back.npy",
        "sharray get numbers back.npy",
        "sharray put two.npy numbers --replace",
        "sharray get numbers back.npy --replace",
        "sharray get numbers back.raw --raw",
        "sharray put back.raw same --dtype u1 --shape 3",
        "sharray put back.raw more --dtype u1 --shape 4",
        "sharray put back.raw half --dtype u1",
        "sharray put back.raw odd --dtype object --shape 3",
        "sharray ls",
    ];
    check(&place.transcripts(&lines)?, file!["snapshots/put_get.txt"]);
    assert_eq!(std::fs::read(place.file("back.npy"))?, std::fs::read(place.file("two.npy"))?);
    Ok(())
}

#[test]
fn put_and_get_use_pipes() -> Outcome {
    let place = Place::new()?;
    save_npy(place.file("one.npy"), &Array1::linspace(0.0, 1.0, 5))?;
    let bytes = std::fs::read(place.file("one.npy"))?;
    assert!(support::feed(place.command(["put", "-", "numbers"]), &bytes)?.status.success());
    assert_eq!(place.run(["get", "numbers", "-"])?.stdout, bytes);
    assert_eq!(place.run(["get", "numbers", "-", "--raw"])?.stdout, bytes[128..]);
    let raw = place.command(["put", "-", "raw", "--dtype", "f8", "--shape", "5"]);
    assert!(support::feed(raw, &bytes[128..])?.status.success());
    let whole = SharedArray::<f64, Ix1>::builder().directory(&place.arrays).attach("raw")?;
    assert_eq!(whole.snapshot()?, Array1::linspace(0.0, 1.0, 5));
    Ok(())
}

#[test]
fn a_frame_is_got_from_a_stream() -> Outcome {
    let place = Place::new()?;
    let mut camera = place.camera()?;
    let none = place.transcript("sharray get camera frame.npy --latest")?;
    let late = place.transcript("sharray get camera frame.npy --timeout 0.01")?;
    publish(&mut camera, 7)?;
    let lines = ["sharray get camera frame.npy --latest", "sharray get camera frame.raw --latest --raw"];
    let got = place.transcripts(&lines)?;
    drop(camera);
    let ended = place.transcript("sharray get camera other.npy")?;
    check(&[none, late, got, ended].join("\n"), file!["snapshots/get_stream.txt"]);
    assert_eq!(
        sharray::open_npy::<u8, ndarray::Ix2>(place.file("frame.npy"))?.view(),
        ndarray::Array2::from_elem((4, 6), 7)
    );
    assert_eq!(std::fs::read(place.file("frame.raw"))?, [7; 24]);
    Ok(())
}

#[test]
fn rm_removes() -> Outcome {
    let place = Place::new()?;
    let camera = place.camera()?;
    drop(place.line()?);
    let lines = ["sharray rm camera line nothing", "sharray rm nothing", "sharray rm", "sharray ls"];
    check(&place.transcripts(&lines)?, file!["snapshots/rm.txt"]);
    assert!(camera.is_retired());
    Ok(())
}

/// The place is the default one, in which deserted streams are garbage; but on a disk nothing is.
#[test]
fn gc_collects() -> Outcome {
    let place = Place::new()?;
    drop(place.camera()?);
    std::fs::create_dir(place.arrays.path().join("empty"))?;
    check(&place.transcripts(&["sharray gc", "sharray gc", "sharray gc --json"])?, file!["snapshots/gc.txt"]);
    Ok(())
}

/// What stands in a folder that names nothing goes once nobody works on it, and the folder with it.
#[test]
fn gc_collects_what_was_never_named() -> Outcome {
    let place = Place::new()?;
    let beside = |name: &str| -> Outcome<SharedCell<u8>> {
        let folder = Directory::open(place.arrays.path().join(name))?;
        Ok(SharedCell::builder().directory(&folder).create("new", 1_u8)?)
    };
    drop(beside(".sharray-put-dead")?);
    let _alive = beside(".sharray-put-alive")?;
    let text = place.transcript("sharray gc")?;
    assert_eq!(text, "$ sharray gc\nremoved .sharray-put-dead/new\n");
    let left: Vec<_> = std::fs::read_dir(place.arrays.path())?.flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, [".sharray-put-alive"]);
    Ok(())
}

#[test]
fn recover_repairs() -> Outcome {
    let place = Place::new()?;
    let field = place.field()?;
    poison(&field, 1);
    let lines = [
        "sharray show sim/field",
        "sharray recover sim/field",
        "sharray recover sim/field --repair",
        "sharray recover sim/field --repair --json",
        "sharray recover nothing",
    ];
    check(&place.transcripts(&lines)?, file!["snapshots/recover.txt"]);
    assert!(field.read().is_ok());
    Ok(())
}

/// What it finds depends on the machine; that it finds what is wrong with the place does not.
#[test]
fn doctor_looks() -> Outcome {
    let place = Place::new()?;
    std::fs::write(place.arrays.path().join("foreign"), "no array")?;
    let field = place.field()?;
    poison(&field, 1);
    let text = place.transcript("sharray doctor")?;
    assert!(text.contains("fit    locks"), "{text}");
    assert!(text.contains("note   file           foreign is not a shared array"), "{text}");
    assert!(
        text.contains("note   arrays         blocks are poisoned in sim/field: `sharray recover --repair"),
        "{text}"
    );
    assert_eq!(std::fs::read_dir(place.arrays.path())?.count(), 2, "it left something");
    let found: serde_json::Value = serde_json::from_slice(&place.run(["doctor", "--json"])?.stdout)?;
    assert!(found.as_array().is_some_and(|lines| lines.iter().all(|line| line["state"].is_string())), "{found}");

    let place = place.transcript("sharray doctor --dir FOLDER/nowhere")?;
    assert!(place.contains("unfit  place") && place.ends_with("[exit code 1]\n"), "{place}");
    Ok(())
}

#[test]
fn shells_and_manuals_are_told() -> Outcome {
    let place = Place::new()?;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.transcript(&format!("sharray completions {shell}"))?;
        assert!(script.contains("recover") && !script.contains("exit code"), "{script}");
    }
    let manual = place.transcript("sharray man")?;
    assert!(manual.contains(".TH sharray 1"), "{manual}");
    let manual = place.transcript("sharray man show")?;
    assert!(manual.contains("heat map"), "{manual}");
    assert!(place.transcript("sharray man nothing")?.ends_with("[exit code 2]\n"));
    Ok(())
}

/// Programs find the same as people.
#[test]
fn programs_can_read_it() -> Outcome {
    let place = Place::new()?;
    let mut camera = place.camera()?;
    publish(&mut camera, 7)?;
    let listed: serde_json::Value = serde_json::from_slice(&place.run(["ls", "--json"])?.stdout)?;
    assert_eq!((&listed[0]["name"], &listed[0]["sequence"]), (&"camera".into(), &1.into()), "{listed}");
    assert_eq!(listed[0]["participants"][0]["is_producer"], true, "{listed}");
    let info: serde_json::Value = serde_json::from_slice(&place.run(["info", "camera", "--json"])?.stdout)?;
    assert_eq!(info["shape"], serde_json::json!([4, 6]), "{info}");
    assert!(info["memmap"].as_str().is_some_and(|line| line.starts_with("np.memmap(")), "{info}");
    Ok(())
}

/// Another place than the one that the environment names.
#[test]
fn a_place_can_be_chosen() -> Outcome {
    let place = Place::new()?;
    let other = Directory::open(place.file("other"))?;
    SharedCell::builder().directory(&other).create("answer", 42_u32)?;
    let lines = ["sharray ls --dir other", "sharray --dir other info answer --layout", "sharray ls --dir none"];
    let text = place.transcripts(&lines)?;
    assert!(text.contains("answer  cell"), "{text}");
    assert!(text.contains("cannot open the folder none") && text.ends_with("[exit code 3]\n"), "{text}");
    assert!(!place.file("none").exists(), "looking made a folder");
    Ok(())
}

/// A table is shown whole, watched by its new rows, and got as what is there.
#[test]
fn tables_are_arrays_that_grow() -> Outcome {
    let place = Place::new()?;
    let builder = sharray::GrowableArray::<f32, Ix1>::builder().directory(&place.arrays).max_len(1 << 20);
    let log = builder.create_from("log", &Array1::from(vec![1.0, 2.0, 3.0]))?;
    let text = place.transcripts(&["sharray info log", "sharray get log log.npy", "sharray show log --index 2"])?;
    assert!(text.contains("shape          (3,)") && text.contains("row 3\n3\n"), "{text}");
    // It grows: how far it has come is its rows, and it takes no more than they need.
    assert!(text.contains("sequence       3") && text.contains(", of which it takes "), "{text}");
    assert_eq!(sharray::open_npy::<f32, Ix1>(place.file("log.npy"))?.view().to_vec(), [1.0, 2.0, 3.0]);
    let mut watch = place.command(["watch", "log", "--count", "1"]).spawn()?;
    let mut appended = true;
    support::wait_until("it has seen one", || {
        appended = appended && log.append(&Array1::from(vec![7.0])).is_ok();
        !appended || watch.try_wait().is_ok_and(|status| status.is_some())
    })?;
    assert!(appended);
    let text = String::from_utf8(support::finish(watch)?.stdout)?;
    let last: Vec<&str> = text.lines().last().unwrap_or_default().split_whitespace().collect();
    assert_eq!(last[2..], ["0", "7", "7", "7"], "{text}");
    Ok(())
}

/// After the last row that a table has room for no other comes: that is its end, and no error.
#[test]
fn watching_ends_with_a_full_table() -> Outcome {
    let place = Place::new()?;
    let builder = sharray::GrowableArray::<f32, Ix1>::builder().directory(&place.arrays).max_len(2);
    builder.create_from("log", &Array1::from(vec![1.0, 2.0]))?;
    let end = support::finish(place.command(["watch", "log"]).spawn()?)?;
    assert!(end.status.success() && end.stderr.is_empty(), "{end:?}");
    Ok(())
}

/// Looking at a team takes no rank's place, and breaks nothing.
#[test]
fn teams_are_only_looked_at() -> Outcome {
    let place = Place::new()?;
    let _first = sharray::Team::builder().directory(&place.arrays).join("team", 0, 2)?;
    let text = place.transcripts(&["sharray ls", "sharray info team", "sharray show team", "sharray recover team"])?;
    assert!(text.contains("rank 0") && text.contains("is a team, which has no values"), "{text}");
    assert!(text.contains("is put right by its ranks"), "{text}");
    let info = place.arrays.inspect("team")?;
    assert!(!info.is_broken && info.participants.len() == 1, "{info:?}");
    Ok(())
}

/// Whoever looks finds the old array or the new one, whole; who has the old one keeps it, and is told.
#[test]
fn replacing_is_one_step() -> Outcome {
    let place = Place::new()?;
    let field = place.field()?;
    save_npy(place.file("one.npy"), &Array1::linspace(0.0, 1.0, 5))?;
    assert!(!place.run(["put", "none.npy", "sim/field", "--replace"])?.status.success());
    assert!(
        !place.run(["put", "one.npy", "sim/field", "--replace", "--dtype", "f8", "--shape", "1000"])?.status.success()
    );
    assert!(!field.is_retired(), "a file that is no good took the old one away");
    assert!(place.run(["put", "one.npy", "sim/field", "--replace"])?.status.success());
    assert!(field.is_retired() && field.read()?[[2, 3]] > 10.0);
    let new = SharedArray::<f64, Ix1>::builder().directory(&place.arrays).attach("sim/field")?;
    assert_eq!(new.snapshot()?, Array1::linspace(0.0, 1.0, 5));
    let left: Vec<_> = std::fs::read_dir(place.arrays.path())?.flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["sim"], "it left something");
    // What is no array is nobody's to replace.
    std::fs::write(place.arrays.path().join("foreign"), "no array")?;
    assert!(!place.run(["put", "one.npy", "foreign", "--replace"])?.status.success());
    assert_eq!(std::fs::read(place.arrays.path().join("foreign"))?, b"no array");
    Ok(())
}

/// Of more than can be copied at a glance a sample is drawn, where it stands; and a spike in the sample is seen.
#[test]
fn a_large_array_is_sampled() -> Outcome {
    let place = Place::new()?;
    let large = SharedArray::<u8, Ix2>::builder().directory(&place.arrays).create("large", [1 << 15, 10_000])?;
    large.write()?[[0, 0]] = 7;
    let text = place.transcript("sharray show large")?;
    assert!(text.contains("7   ") && text.contains("of every 32 x 10") && text.contains("\n@"), "{text}");
    assert!(place.run(["show", "large", "--png", "large.png"])?.status.success());
    poison(&large, 0);
    assert!(place.transcript("sharray show large")?.contains("is poisoned"));
    Ok(())
}
