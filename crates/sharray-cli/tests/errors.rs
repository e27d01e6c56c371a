//! What scripts rely on: exit codes, one line for an error, pipes that close, signals, nothing left behind, no codes of a
//! terminal where there is none.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sharray::{AnyArray, DType, Directory, Publisher};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::time::Duration;
use support::{Outcome, Place, end, finish, publish, wait_until};

fn signal(child: &Child, signal: Signal) -> Outcome {
    Ok(kill(Pid::from_raw(i32::try_from(child.id())?), signal)?)
}

/// The codes that the help explains.
#[test]
fn exit_codes_are_as_documented() -> Outcome {
    let place = Place::new()?;
    drop(place.field()?);
    let camera = place.camera()?;
    for (arguments, code) in [
        (&["ls"] as &[&str], 0),
        (&["--help"], 0),
        (&["--version"], 0),
        (&["get", "sim/field", "/nowhere/at/all.npy"], 3),
        (&["put", "nothing.npy", "name"], 3),
        (&["info", "nothing"], 3),
        (&["info", "not a name"], 2),
        (&["nonsense"], 2),
        (&[], 2),
        (&["top"], 2),
        (&["show", "camera", "--every", "0"], 2),
        (&["watch", "camera", "--timeout", "0"], 4),
        (&["watch", "camera", "--timeout", "0.05"], 4),
        (&["watch", "sim/field", "--timeout", "0.05"], 4),
        (&["show", "camera"], 1),
    ] {
        let output = place.run(arguments)?;
        let said = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        // What was typed wrongly is explained at more length.
        if !matches!(code, 0 | 2) {
            assert!(said.starts_with("error: ") && said.lines().count() == 1, "{arguments:?}: {said}");
        }
    }
    drop(camera);
    Ok(())
}

/// `head` has read enough: that is not an error, and nothing is said of it.
#[test]
fn a_closed_pipe_is_no_error() -> Outcome {
    let place = Place::new()?;
    let big = AnyArray::builder().directory(&place.arrays).create("big", &DType::U8, &[8 << 20])?;
    let mut camera = place.camera()?;
    publish(&mut camera, 1)?;
    for arguments in [
        &["ls"] as &[&str],
        &["info", "camera", "--layout"],
        &["show", "camera"],
        &["get", "big", "-"],
        &["doctor"],
        &["man"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let mut child = place.command(arguments).spawn()?;
        drop(child.stdout.take());
        let output = finish(child)?;
        let said = String::from_utf8(output.stderr)?;
        assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{arguments:?}");
    }
    let mut watch = place.command(["watch", "camera"]).spawn()?;
    drop(watch.stdout.take());
    wait_until("it notices", || {
        publish(&mut camera, 2).is_err() || watch.try_wait().is_ok_and(|status| status.is_some())
    })?;
    assert_eq!(finish(watch)?.status.code(), Some(0));
    drop(big);
    Ok(())
}

/// Who runs it in a loop sees that it was interrupted; nobody sees that it was there.
#[test]
fn ctrl_c_leaves_nothing_behind() -> Outcome {
    let place = Place::new()?;
    let mut camera = place.camera()?;
    publish(&mut camera, 1)?;
    for (sent, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        for arguments in [
            &["watch", "camera"] as &[&str],
            &["show", "camera", "--follow"],
            &["show", "camera", "--every", "100"],
            &["get", "camera", "frame.npy"],
        ] {
            let mut child = place.command(arguments).spawn()?;
            let pid = Pid::from_raw(i32::try_from(child.id())?);
            wait_until("it waits for signals", || catches(pid.as_raw()))?;
            signal(&child, sent)?;
            let status = end(&mut child)?;
            assert_eq!(status.code(), Some(code), "{arguments:?}: {status}");
        }
    }
    let here = place.arrays.inspect("camera")?.participants;
    assert_eq!(here.len(), 1, "{here:?}");
    let left: Vec<_> = std::fs::read_dir(place.path())?.flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["arrays"], "it left something");
    Ok(())
}

/// Whether a process has a handler of its own for SIGHUP, the last of those that are expected.
fn catches(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).is_some_and(|bits| bits & 1 != 0)
}

/// A copy of much is interrupted in the middle: the half of it goes, and so does what it held.
#[test]
fn ctrl_c_ends_a_copy() -> Outcome {
    let place = Place::new()?;
    let len: usize = 256 << 20;
    // A file of zeros that takes no room, and takes a while to copy.
    std::fs::File::create(place.file("big"))?.set_len(len as u64)?;
    let shape = len.to_string();
    let put = ["put", "big", "big", "--dtype", "u1", "--shape", &shape];
    interrupt_in_the_middle(&place, &put, || Ok(place.arrays.unlink("big")?))?;
    let among = std::fs::read_dir(place.arrays.path())?.count();
    assert_eq!(among, 0, "half an array is there");

    assert!(place.run(put)?.status.success());
    let old = std::cell::Cell::new(place.arrays.inspect("big")?.generation);
    let replace = [&put as &[&str], &["--replace"]].concat();
    interrupt_in_the_middle(&place, &replace, || {
        old.set(place.arrays.inspect("big")?.generation);
        Ok(())
    })?;
    assert_eq!(place.arrays.inspect("big")?.generation, old.get(), "the old one went before the new one was whole");
    assert_eq!(std::fs::read_dir(place.arrays.path())?.count(), 1, "half an array is there");

    let copy = place.file("copy.npy");
    interrupt_in_the_middle(&place, &["get", "big", "copy.npy"], || Ok(std::fs::remove_file(&copy)?))?;
    let mut left: Vec<_> = std::fs::read_dir(place.path())?.flatten().map(|entry| entry.file_name()).collect();
    left.sort();
    assert_eq!(left, ["arrays", "big"], "half a file is there");
    assert!(place.arrays.inspect("big")?.participants.is_empty());
    Ok(())
}

/// Interrupts it as soon as it would notice; if it was done before, undoes that and tries again.
fn interrupt_in_the_middle(place: &Place, arguments: &[&str], undo: impl Fn() -> Outcome) -> Outcome {
    for _ in 0..50 {
        let mut child = place.command(arguments).spawn()?;
        let pid = i32::try_from(child.id())?;
        let is_ready = || catches(pid) || child.try_wait().is_ok_and(|status| status.is_some());
        wait_until("it waits for signals, or has ended", is_ready)?;
        // A process that was waited for has no number any more.
        if child.try_wait()?.is_none() {
            signal(&child, Signal::SIGINT)?;
        }
        match end(&mut child)?.code() {
            Some(130) => return Ok(()),
            Some(0) => undo()?,
            other => return Err(format!("it ended with {other:?}").into()),
        }
    }
    Err("it is always done before it can be interrupted".into())
}

/// While it waits for what is typed it holds nothing, and ends at once.
#[test]
fn ctrl_c_ends_a_wait_for_input() -> Outcome {
    let place = Place::new()?;
    let mut child = place.command(["put", "-", "name"]).stdin(Stdio::piped()).spawn()?;
    let stat = format!("/proc/{}/stat", child.id());
    wait_until("it sleeps", || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") S ")))?;
    signal(&child, Signal::SIGINT)?;
    assert!(!end(&mut child)?.success());
    assert!(place.arrays.list()?.is_empty());
    Ok(())
}

/// In a pipe nothing speaks to a terminal, whatever the verb is.
#[test]
fn pipes_get_no_codes() -> Outcome {
    let place = Place::new()?;
    let mut camera = place.camera()?;
    publish(&mut camera, 1)?;
    drop(place.line()?);
    for arguments in [
        &["ls"] as &[&str],
        &["info", "camera"],
        &["show", "camera"],
        &["show", "line"],
        &["doctor"],
        &["watch", "camera", "--timeout", "0"],
        &["nonsense"],
        &["--help"],
    ] {
        let output = place.run(arguments)?;
        for stream in [output.stdout, output.stderr] {
            assert!(!stream.contains(&0x1b), "{arguments:?}: {}", String::from_utf8_lossy(&stream));
        }
    }
    Ok(())
}

/// Names are harmless, but attributes and the names of fields are whatever somebody wrote.
#[test]
fn hostile_texts_do_not_reach_the_terminal() -> Outcome {
    let place = Place::new()?;
    let evil = "\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\n";
    let dtype = DType::structured([(format!("x{evil}"), DType::U8)])?;
    let array = AnyArray::builder().directory(&place.arrays).attribute(evil, evil).create("evil", &dtype, &[2])?;
    for arguments in [
        &["ls"] as &[&str],
        &["ls", "--json"],
        &["info", "evil"],
        &["info", "evil", "--json"],
        &["show", "evil"],
        &["show", "evil", "--field", evil],
        &["show", evil],
        &["rm", evil],
    ] {
        let output = place.run(arguments)?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said)?;
        let is_bad = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!said.contains(is_bad), "{arguments:?}: {said:?}");
        assert!(!said.is_empty(), "{arguments:?}");
        // Escaped, it is still the same to programs.
        if let [_, .., "--json"] = arguments {
            let found: serde_json::Value = serde_json::from_str(&said)?;
            let found = found.get(0).unwrap_or(&found);
            assert_eq!(found["attributes"][evil], evil, "{said}");
        }
    }
    drop(array);
    Ok(())
}

/// A producer that dies is an error of `watch`; one that closes the stream is its end.
#[test]
fn watch_ends_with_the_stream() -> Outcome {
    let place = Place::new()?;
    for (dies, code) in [(false, 0), (true, 1)] {
        let mut camera: Publisher<u8, ndarray::Ix2> = place.camera()?;
        let mut child = place.command(["watch", "camera"]).spawn()?;
        let mut out = BufReader::new(child.stdout.take().ok_or("it has no output")?);
        let mut line = String::new();
        out.read_line(&mut line)?;
        let is_there = |arrays: &Directory| arrays.inspect("camera").is_ok_and(|info| info.participants.len() == 2);
        wait_until("it watches", || is_there(&place.arrays))?;
        let camera_end = || -> Outcome {
            publish(&mut camera, 3)?;
            if dies {
                camera_fail(camera);
            }
            Ok(())
        };
        camera_end()?;
        out.read_to_string(&mut line)?;
        let output = finish(child)?;
        assert_eq!(output.status.code(), Some(code), "{line}{}", String::from_utf8_lossy(&output.stderr));
        place.arrays.unlink("camera")?;
    }
    Ok(())
}

/// Drops the publisher as a panic does, which counts as a death.
fn camera_fail(camera: Publisher<u8, ndarray::Ix2>) {
    let thread = std::thread::spawn(move || {
        let _camera = camera;
        std::panic::resume_unwind(Box::new("on purpose"));
    });
    _ = thread.join();
}

/// What is waited for may come late, and is then there.
#[test]
fn get_waits_for_a_frame() -> Outcome {
    let place = Place::new()?;
    let mut camera = place.camera()?;
    let mut child = place.command(["get", "camera", "frame.raw", "--raw"]).spawn()?;
    wait_until("it has one", || {
        std::thread::sleep(Duration::from_millis(1));
        publish(&mut camera, 9).is_err() || child.try_wait().is_ok_and(|status| status.is_some())
    })?;
    assert!(end(&mut child)?.success());
    assert_eq!(std::fs::read(place.file("frame.raw"))?, [9; 24]);
    Ok(())
}
