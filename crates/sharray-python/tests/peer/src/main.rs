//! The Rust side of the Python package's tests.
//!
//! `sharray-peer DIRECTORY` answers lines: `array NAME`, `cell NAME`, `stream NAME` and `table NAME` make `NAME-back` of what NAME has,
//! byte for byte; `produce NAME COUNT` takes a stream over, and publishes frames of 64-bit integers, each the frame's
//! sequence; `loan NAME` does not end, but waits inside a loan that is half filled.
#![allow(clippy::print_stdout, reason = "it talks to whoever started it")]

use sharray::{AnyArray, AnyCell, AnyGrowable, AnyLoan, AnyPublisher, AnySubscriber, Directory};
use std::error::Error;
use std::time::Duration;

type Outcome = Result<(), Box<dyn Error>>;

const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Outcome {
    let place = Directory::open(std::env::args().nth(1).ok_or("no directory")?)?;
    println!("ready");
    loop {
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line)? == 0 {
            return Ok(());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["array", name] => array(&place, name)?,
            ["cell", name] => cell(&place, name)?,
            ["table", name] => table(&place, name)?,
            ["stream", name] => stream(&place, name)?,
            ["produce", name, count] => produce(&place, name, count.parse()?)?,
            ["loan", name] => loan(&place, name)?,
            _ => return Err(format!("what is {line:?}?").into()),
        }
        println!("done");
    }
}

fn array(place: &Directory, name: &str) -> Outcome {
    let array = AnyArray::builder().directory(place).attach(name)?;
    let mut bytes = vec![0; array.size_bytes()];
    array.read_into(&mut bytes)?;
    let back = AnyArray::builder().directory(place).order(array.order());
    back.create_with(&format!("{name}-back"), array.dtype(), array.shape(), |guard| {
        // SAFETY: the guard lends the whole array, which stands without gaps and has as many bytes as the other; nobody
        // else has either.
        #[allow(unsafe_code, reason = "there is no safe way to the bytes of an array whose dtype is not known")]
        unsafe {
            guard.as_mut_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        Ok(())
    })?;
    Ok(())
}

fn cell(place: &Directory, name: &str) -> Outcome {
    let cell = AnyCell::builder().directory(place).attach(name)?;
    let mut bytes = vec![0; cell.size_bytes()];
    cell.load_into(&mut bytes)?;
    AnyCell::builder().directory(place).create(&format!("{name}-back"), cell.dtype(), cell.shape(), &bytes)?;
    Ok(())
}

fn table(place: &Directory, name: &str) -> Outcome {
    let table = AnyGrowable::builder().directory(place).attach(name)?;
    let (shape, len) = ([&[0], table.row_shape()].concat(), table.len());
    let back = AnyGrowable::builder().directory(place).max_len(table.max_len());
    let back = back.create(&format!("{name}-back"), table.dtype(), &shape)?;
    for row in 0..len {
        back.append_with(1, None, |bytes| -> Outcome {
            bytes.copy_from_slice(table.bytes(row..row + 1)?);
            Ok(())
        })?;
    }
    Ok(())
}

fn stream(place: &Directory, name: &str) -> Outcome {
    let mut given = AnySubscriber::builder().directory(place).from_oldest().attach(name)?;
    let back = AnyPublisher::builder().directory(place).order(given.order()).history(8);
    let mut back = back.create(&format!("{name}-back"), given.dtype(), given.shape())?;
    while let Some(frame) = given.recv_timeout(PATIENCE)? {
        let mut loan = back.loan()?;
        loan.set_shape(frame.shape())?;
        loan.set_time(frame.time());
        loan.set_tags(frame.tags());
        loan.bytes_mut().copy_from_slice(frame.bytes());
        loan.publish();
    }
    Ok(())
}

fn fill(loan: &mut AnyLoan<'_>, value: u64, share: usize) {
    let len = loan.bytes().len() / share;
    for item in loan.bytes_mut()[..len].chunks_exact_mut(8) {
        item.copy_from_slice(&value.to_le_bytes());
    }
}

fn produce(place: &Directory, name: &str, count: u64) -> Outcome {
    let mut publisher = AnyPublisher::builder().directory(place).attach(name)?;
    for _ in 0..count {
        let value = publisher.sequence() + 1;
        let mut loan = publisher.loan_timeout(PATIENCE)?;
        fill(&mut loan, value, 1);
        loan.publish();
    }
    loan_of(&mut publisher)
}

fn loan(place: &Directory, name: &str) -> Outcome {
    loan_of(&mut AnyPublisher::builder().directory(place).attach(name)?)
}

fn loan_of(publisher: &mut AnyPublisher) -> Outcome {
    let mut loan = publisher.loan_timeout(PATIENCE)?;
    fill(&mut loan, u64::MAX, 2);
    println!("inside");
    // Killed here, or told to go on: then nothing is published, and the stream is closed.
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(())
}
