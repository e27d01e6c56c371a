//! The lesson of every introduction to `np.memmap`, and what comes after it: the same array shared by name.
//!
//! `cargo run --example tutorial` runs it in a fresh folder, and says what it does.

#![allow(clippy::print_stdout, reason = "it is a program: what it prints is what it is for")]

use ndarray::{Ix2, s};
use sharray::{AnyMemmap, Directory, Error, Mode, SharedArray, memmap};
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        // The second process of the last step.
        [role, folder] if role == "read" => read_by_name(Path::new(folder)),
        _ => lesson(),
    }
}

fn lesson() -> Outcome {
    let folder = tempfile::Builder::new().prefix("sharray-tutorial-").tempdir()?;
    create_and_open(folder.path())?;
    missing_file(folder.path())?;
    one_element(folder.path())?;
    sample_program(folder.path())?;
    share_by_name(folder.path())
}

/// A file of zeros, and the same file to look at.
fn create_and_open(folder: &Path) -> Outcome {
    let path = folder.join("zeros.dat");
    let zeros = memmap::<f64>(&path).mode(Mode::Write).shape([1000, 1000]).open()?;
    zeros.flush()?;
    println!("created: {} {:?}, {} bytes", zeros.dtype(), zeros.shape(), std::fs::metadata(&path)?.len());

    let to_look_at = memmap::<f64>(&path).shape([1000, 1000]).open()?;
    println!("opened to look at: sum {:.1}, mode {}", to_look_at.view().sum(), to_look_at.mode());
    // `to_look_at.view_mut()` does not compile: a map to look at has no such method.
    Ok(())
}

/// What is to be changed has to be there.
fn missing_file(folder: &Path) -> Outcome {
    match memmap::<f64>(folder.join("missing.dat")).mode(Mode::ReadWrite).shape([10]).open() {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            println!("missing.dat: file not found");
            Ok(())
        }
        other => Err(format!("expected that there is no such file: {other:?}").into()),
    }
}

/// One number is an array, too.
fn one_element(folder: &Path) -> Outcome {
    let path = folder.join("answer.dat");
    let mut answer = memmap::<i32>(&path).mode(Mode::Write).shape([1]).open()?;
    answer.view_mut()[0] = 42;
    answer.close();
    println!("one element: {}", memmap::<i32>(&path).open()?.view());
    println!("its bytes: {:?}", AnyMemmap::builder(&path).open()?.bytes());
    Ok(())
}

/// Create, change a part, close, and open again.
fn sample_program(folder: &Path) -> Outcome {
    let path = folder.join("sample.dat");
    let mut sample = memmap::<f64>(&path).mode(Mode::Write).shape([100, 100]).open()?;
    println!("sum of zeros: {:.1}", sample.view().sum());
    sample.view_mut().slice_mut(s![10..15, 10..15]).fill(5.5);
    println!("sum with a square of 5.5: {:.1}", sample.view().sum());
    sample.flush()?;
    sample.close();

    let sample = memmap::<f64>(&path).shape([100, 100]).open()?;
    println!("reopened: value at (12, 12) {:.1}, sum {:.1}", sample.view()[[12, 12]], sample.view().sum());
    Ok(())
}

/// A plain file has no lock. An array with a name has one: readers never see half a write.
fn share_by_name(folder: &Path) -> Outcome {
    let sample = memmap::<f64>(folder.join("sample.dat")).shape([100, 100]).open()?;
    let place = Directory::open(folder.join("arrays"))?;
    let shared = SharedArray::<f64, Ix2>::builder().directory(&place).create_from("sample", &sample.view())?;
    println!("shared by name: {:?}", shared.name());

    let status = Command::new(std::env::current_exe()?).arg("read").arg(folder.join("arrays")).status()?;
    if !status.success() {
        return Err(format!("the other process failed: {status}").into());
    }
    println!("what it wrote: value at (0, 0) {:.1}", shared.read()?[[0, 0]]);
    Ok(())
}

/// The other process: it knows the name, and nothing else.
fn read_by_name(folder: &Path) -> Outcome {
    let place = Directory::open(folder)?;
    let shared = SharedArray::<f64, Ix2>::builder().directory(&place).attach("sample")?;
    println!("another process: value at (12, 12) {:.1}, sum {:.1}", shared.read()?[[12, 12]], shared.read()?.sum());
    shared.write()?[[0, 0]] = 1.0;
    Ok(())
}
