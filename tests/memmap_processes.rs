//! Two processes and one plain file: what one writes the other sees, and a file that is replaced is still there for those
//! who have it, who would die of SIGBUS if it were made shorter.

#[path = "support/place.rs"]
mod place;

use place::{Outcome, Place, in_child, is_child};
use sharray::{Mode, memmap, save_npy};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};

const BYTES: usize = 1 << 20;

/// The other process: maps the file, and sums it up each time it is told to.
#[test]
#[ignore = "a part of the other tests"]
fn holder() -> Outcome {
    if !is_child() {
        return Ok(());
    }
    let path = std::env::var("HELD_FILE")?;
    let map = memmap::<u8>(&path).open()?;
    eprintln!("mapped");
    for line in std::io::stdin().lines() {
        line?;
        eprintln!("sum {}", map.view().iter().map(|byte| usize::from(*byte)).sum::<usize>());
    }
    Ok(())
}

struct Holder {
    process: Child,
    lines: std::io::Lines<BufReader<ChildStderr>>,
}

impl Holder {
    fn of(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let mut command = in_child("holder")?;
        command.env("HELD_FILE", path).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let lines = BufReader::new(process.stderr.take().ok_or("no stderr")?).lines();
        let mut holder = Self { process, lines };
        assert_eq!(holder.lines.next().ok_or("it said nothing")??, "mapped");
        Ok(holder)
    }

    fn sum(&mut self) -> Result<String, Box<dyn std::error::Error>> {
        writeln!(self.process.stdin.as_mut().ok_or("no stdin")?)?;
        Ok(self.lines.next().ok_or("it died")??)
    }

    fn end(mut self) -> Outcome {
        drop(self.process.stdin.take());
        let status = self.process.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the holder ended with {status}").into()) }
    }
}

#[test]
fn what_one_writes_the_other_sees() -> Outcome {
    let place = Place::new()?;
    let path = place.file("data.dat");
    let mut map = memmap::<u8>(&path).mode(Mode::Write).shape([BYTES]).open()?;
    let mut holder = Holder::of(&path)?;
    assert_eq!(holder.sum()?, "sum 0");
    map.view_mut().fill(1);
    assert_eq!(holder.sum()?, format!("sum {BYTES}"));
    let mut copy = memmap::<u8>(&path).mode(Mode::CopyOnWrite).open()?;
    copy.view_mut().fill(2);
    assert_eq!(holder.sum()?, format!("sum {BYTES}"));
    holder.end()
}

/// By a map, by a .npy file that is made to be filled, by one that is saved.
#[test]
fn who_has_the_old_file_keeps_it() -> Outcome {
    let place = Place::new()?;
    let path = place.file("data.dat");
    let replace: [fn(&Path) -> sharray::Result<()>; 3] = [
        |path| memmap::<u8>(path).mode(Mode::Write).shape([10]).open().map(drop),
        |path| memmap::<u8>(path).mode(Mode::Write).shape([10]).open_npy::<ndarray::Ix1>().map(drop),
        |path| save_npy(path, &ndarray::arr1(&[0_u8; 10])),
    ];
    for replace in replace {
        fs::write(&path, vec![1; BYTES])?;
        let mut holder = Holder::of(&path)?;
        replace(&path)?;
        assert!(fs::metadata(&path)?.len() < 200);
        assert_eq!(holder.sum()?, format!("sum {BYTES}"));
        holder.end()?;
    }
    Ok(())
}
