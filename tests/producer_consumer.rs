//! Runs the README's first command as a user would, with few frames, and a consumer of it before a dishonest producer.

#[path = "../examples/producer_consumer/pattern.rs"]
mod pattern;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pattern::{Pattern, low_bits};
use sharray::{AnyPublisher, DType, Directory};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::time::Duration;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Far more than any run here takes.
const DEADLINE: Duration = Duration::from_secs(90);

/// The example, built as this test was. `cargo test --test ...` alone would not build it, or leave an old one.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--example", "producer_consumer"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        build.args(["--features", "step"].iter().take(if cfg!(feature = "step") { 2 } else { 0 }));
        build.args((!cfg!(debug_assertions)).then_some("--release"));
        assert!(build.status().is_ok_and(|status| status.success()), "{build:?}");
        let this = std::env::current_exe().expect("a test has a path");
        let profile = this.ancestors().nth(2).expect("it stands in target/PROFILE/deps");
        profile.join("examples/producer_consumer")
    })
}

fn spawn(arguments: &[&str]) -> Outcome<Child> {
    let mut command = Command::new(program());
    Ok(command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

/// Waits for its end, and for that of all processes it started: they share its standard error.
fn finish(child: Child) -> Outcome<Output> {
    let pid = child.id();
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(DEADLINE) else {
        kill(Pid::from_raw(pid.try_into()?), Signal::SIGKILL)?;
        return Err("it did not end in time".into());
    };
    let prefix = format!("sharray-example-{pid}-");
    for folder in [Path::new("/dev/shm"), &std::env::temp_dir()] {
        for entry in std::fs::read_dir(folder)? {
            let name = entry?.file_name();
            assert!(!name.to_string_lossy().starts_with(&prefix), "{name:?} was left behind");
        }
    }
    Ok(output?)
}

/// Runs it to its end, which must be a success, and returns what it printed.
fn run(arguments: &[&str]) -> Outcome<String> {
    let output = finish(spawn(arguments)?)?;
    let printed = String::from_utf8(output.stdout)?;
    let complaints = String::from_utf8(output.stderr)?;
    assert!(output.status.success(), "{arguments:?}: {}\n{printed}\n{complaints}", output.status);
    // No progress bar in a pipe.
    assert_eq!(complaints, "");
    check_report(&printed)?;
    Ok(printed)
}

/// Nothing is torn, and each consumer has received or counted every frame.
fn check_report(printed: &str) -> Outcome {
    assert!(printed.lines().any(|line| line == "torn 0"), "{printed}");
    let frames: u64 = printed.split(' ').next().ok_or("nothing was printed")?.replace(',', "").parse()?;
    for who in ["recorder: ", "viewer: "] {
        let sum = printed.lines().find_map(|line| line.strip_prefix(who)).ok_or("a consumer is missing")?;
        let words: Vec<&str> = sum.split(' ').collect();
        let [received, "received", "+", missed, "missed", "=", published, "published"] = words[..] else {
            return Err(format!("not a sum: {sum}").into());
        };
        assert_eq!(received.parse::<u64>()? + missed.parse::<u64>()?, frames, "{printed}");
        assert_eq!(published.parse::<u64>()?, frames, "{printed}");
        if who == "recorder: " {
            assert_eq!(missed, "0", "the producer waits for this one: {printed}");
        }
    }
    Ok(())
}

/// A .npy file as NumPy writes it.
fn write_npy(path: &Path, descr: &str, fortran_order: &str, shape: &str, bytes: &[u8]) -> Outcome {
    let header = format!("{{'descr': {descr}, 'fortran_order': {fortran_order}, 'shape': {shape}, }}");
    let header = format!("{header:<117}\n");
    let len = u16::try_from(header.len())?.to_le_bytes();
    Ok(std::fs::write(path, [&b"\x93NUMPY\x01\x00"[..], &len, header.as_bytes(), bytes].concat())?)
}

fn some_bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 % 251) as u8).collect()
}

#[test]
fn the_photograph_arrives_whole_and_the_last_frame_is_drawn() -> Outcome {
    let folder = tempfile::tempdir()?;
    let png = folder.path().join("last.png");
    let printed = run(&["--frames", "60", "--png", &png.to_string_lossy()])?;
    assert!(printed.ends_with(&format!("torn 0\nlast frame: {}\n", png.display())), "{printed}");

    let mut picture = png::Decoder::new(BufReader::new(std::fs::File::open(png)?)).read_info()?;
    let mut pixels = vec![0; picture.output_buffer_size().ok_or("too large")?];
    let info = picture.next_frame(&mut pixels)?;
    assert_eq!((info.width, info.height, info.color_type), (512, 600, png::ColorType::Rgb));
    let npy = std::fs::read("examples/producer_consumer/portrait.npy")?;
    let original = &npy[npy.len() - 600 * 512 * 3..];
    assert!(Pattern::new(60, low_bits(&DType::U8)).is_in(original, &pixels), "it is not the last frame");
    Ok(())
}

#[test]
fn a_producer_that_is_killed_in_the_middle_of_a_frame_is_succeeded() -> Outcome {
    let folder = tempfile::tempdir()?;
    let png = folder.path().join("last.png");
    let printed = run(&["--kill", "--frames", "40", "--png", &png.to_string_lossy()])?;
    let at = |line: &str| printed.find(line).ok_or_else(|| format!("{line:?} is missing from:\n{printed}"));
    let told = |who: &str| at(&format!("{who} is told that the producer died; its last frame is 20, whole"));
    let times = [
        at("the producer has written half of frame 21")?,
        at("the producer was killed with SIGKILL")?,
        told("recorder")?.min(told("viewer")?),
        told("recorder")?.max(told("viewer")?),
        at("a new producer has taken over and goes on with frame 21")?,
        at("recorder has received frame 21")?,
    ];
    assert!(times.is_sorted(), "{printed}");
    Ok(())
}

#[test]
fn every_kind_of_array_can_be_shared() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (npy, png) = (folder.path().join("array.npy"), folder.path().join("last.png"));
    let record = "[('date', '<M8[D]'), ('price', '<f8'), ('', '|V3'), ('depth', '>i2', (2, 2))]";
    let cases = [
        ("'|u1'", "False", "()", 1, false),
        ("'<f8'", "False", "()", 8, false),
        ("'<f4'", "False", "(0, 3)", 0, false),
        ("'|u1'", "False", "(7,)", 7, false),
        ("'|u1'", "True", "(20, 30, 3)", 1800, true),
        ("'|u1'", "False", "(20, 30, 4)", 2400, true),
        ("'|u1'", "False", "(20, 30, 5)", 3000, false),
        ("'|i1'", "False", "(5, 13)", 65, true),
        ("'<i2'", "True", "(30, 20)", 1200, true),
        ("'<f2'", "False", "(33, 44)", 2904, true),
        ("'<u4'", "False", "(9, 9)", 324, true),
        ("'<i8'", "False", "(9, 9)", 648, true),
        ("'<f8'", "False", "(9, 9)", 648, true),
        ("'>f8'", "False", "(20, 30)", 4800, false),
        ("'<c16'", "False", "(2, 2, 2, 2)", 256, false),
        ("'|S3'", "False", "(5,)", 15, false),
        ("'<U2'", "False", "(3, 1)", 24, false),
        ("'<M8[ns]'", "False", "(6,)", 48, false),
        (record, "False", "(11,)", 297, false),
    ];
    for (descr, fortran_order, shape, len, is_picture) in cases {
        write_npy(&npy, descr, fortran_order, shape, &some_bytes(len))?;
        let printed = run(&[&npy.to_string_lossy(), "--frames", "12", "--png", &png.to_string_lossy()])?;
        let drawn = !printed.ends_with("last frame: not a picture, so none was drawn\n");
        assert_eq!((drawn, png.exists()), (is_picture, is_picture), "{descr} {shape}: {printed}");
        if is_picture {
            std::fs::remove_file(&png)?;
        }
    }
    write_npy(&npy, "'|b1'", "False", "(5, 13)", &some_bytes(65).iter().map(|byte| byte % 2).collect::<Vec<_>>())?;
    run(&[&npy.to_string_lossy(), "--kill", "--frames", "12", "--png", &png.to_string_lossy()])?;
    Ok(())
}

#[test]
fn what_is_no_array_is_refused_in_one_line() -> Outcome {
    let folder = tempfile::tempdir()?;
    let npy = folder.path().join("array.npy");
    let refused = |arguments: &[&str], reason: &str| -> Outcome {
        let output = finish(spawn(arguments)?)?;
        let complaint = String::from_utf8(output.stderr)?;
        assert!(!output.status.success() && complaint.contains(reason), "{arguments:?}: {complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        Ok(())
    };
    let path = &*npy.to_string_lossy();
    refused(&[path], "cannot read")?;
    std::fs::write(&npy, "a letter")?;
    refused(&[path], "not a .npy file")?;
    write_npy(&npy, "'<f8'", "False", "(3,)", &some_bytes(23))?;
    refused(&[path], "ends early")?;
    write_npy(&npy, "'|O'", "False", "(3,)", &some_bytes(24))?;
    refused(&[path], "cannot be shared")?;
    refused(&["--frames", "1"], "expected at least 2")?;
    refused(&["--haste"], "--haste")
}

#[test]
fn an_interrupt_leaves_nothing_behind() -> Outcome {
    let mut child = spawn(&["--frames", "1000000000"])?;
    let mut stdout = BufReader::new(child.stdout.take().ok_or("no pipe")?);
    stdout.read_line(&mut String::new())?;
    std::thread::sleep(Duration::from_millis(300));
    kill(Pid::from_raw(child.id().try_into()?), Signal::SIGINT)?;
    let output = finish(child)?;
    assert!(!output.status.success(), "{output:?}");
    Ok(())
}

#[test]
fn a_consumer_sees_a_frame_that_is_half_another() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (npy, arrays) = (folder.path().join("array.npy"), folder.path().join("arrays"));
    let original = some_bytes(1000);
    write_npy(&npy, "'|u1'", "False", "(1000,)", &original)?;

    let mut camera =
        AnyPublisher::builder().directory(&Directory::open(&arrays)?).create("camera", &DType::U8, &[1000])?;
    let mut consumer = Command::new(program());
    consumer.args(["consume", "camera", "--lossless"]).arg(&npy).env("SHARRAY_DIR", &arrays);
    let mut consumer = consumer.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut said = BufReader::new(consumer.stdout.take().ok_or("no pipe")?).lines();
    assert_eq!(said.next().ok_or("it is not ready")??, r#"{"event":"ready"}"#);

    for (head, tail) in [(1, 1), (1, 2), (3, 3)] {
        let mut frame = camera.loan()?;
        let (first, second) = frame.bytes_mut().split_at_mut(512);
        Pattern::new(head, low_bits(&DType::U8)).fill(&original[..512], first);
        Pattern::new(tail, low_bits(&DType::U8)).fill(&original[512..], second);
        frame.publish();
    }
    drop(camera);
    let tally: serde_json::Value = serde_json::from_str(&said.next().ok_or("it counted nothing")??)?;
    assert_eq!((tally["received"].as_u64(), tally["torn"].as_u64()), (Some(3), Some(1)), "{tally}");
    let output = finish(consumer)?;
    assert!(!output.status.success());
    assert_eq!(String::from_utf8(output.stderr)?, "producer_consumer: 1 frames were torn\n");
    Ok(())
}

#[test]
fn a_mixture_of_any_two_frames_is_neither() {
    let bits = [DType::BOOL, DType::U8, DType::F16, DType::F32, DType::F64].map(|dtype| low_bits(&dtype));
    let original = some_bytes(200);
    for bits in bits {
        // Among bools only eight bits of eight bytes may change, so frame 257 would be frame 1 again.
        for (one, other) in [(1, 2), (7, 8), (100, 228), (1, 256)] {
            let patterns = [one, other].map(|number| Pattern::new(number, bits));
            let [mut frame, mut rest] = [[0; 200]; 2];
            patterns[0].fill(&original, &mut frame);
            patterns[1].fill(&original, &mut rest);
            assert!(patterns[0].is_in(&original, &frame) && patterns[1].is_in(&original, &rest));
            for at in (8..200).step_by(8) {
                let mixture = [&frame[..at], &rest[at..]].concat();
                assert!(!patterns.iter().any(|pattern| pattern.is_in(&original, &mixture)), "{one} {other} {at}");
            }
            for at in 0..200 {
                let mut changed = frame;
                changed[at] ^= 1;
                assert!(!patterns[0].is_in(&original, &changed), "byte {at}");
            }
            assert!(!patterns[0].is_in(&original, &frame[..199]), "a frame that ends early");
        }
    }
}
