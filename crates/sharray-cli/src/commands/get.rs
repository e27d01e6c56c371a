//! `sharray get`: from an array, or a frame of a stream, to a file.

use crate::args::Get;
use crate::failure::{Code, Failure, Outcome};
use crate::interrupt::{Interrupt, SLICE};
use crate::kinds::{Access, Source, Value};
use crate::progress::Bar;
use crate::save;
use crate::spool::{self, STANDARD};
use sharray::{AnyArray, AnyMemmap, AnyMode, Directory, Error, Info};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) fn run(args: &Get, place: &Directory) -> Outcome {
    let info = place.inspect(&args.name)?;
    let to_stdout = args.file == Path::new(STANDARD);
    if !to_stdout && !args.replace && args.file.symlink_metadata().is_ok() {
        let message = format!("{} exists already; `--replace` takes its place", args.file.display());
        return Err(Failure::Said { code: Code::Error, message });
    }
    let interrupt = Interrupt::expect()?;
    let mut source = Source::open(place, &info, Access::TakePart)?;
    if !to_stdout {
        return write(args, &info, &mut source, &args.file, &interrupt);
    }
    let mut file = spool::send(|path| write(args, &info, &mut source, path, &interrupt))?;
    drop(source);
    // Whoever reads may take their time, and a signal may end that.
    interrupt.no_longer()?;
    io::copy(&mut file, &mut io::stdout().lock())?;
    Ok(())
}

fn write(args: &Get, info: &Info, source: &mut Source, path: &Path, interrupt: &Interrupt) -> Outcome {
    if let Source::Array(array, ..) = source {
        return export(args, array, path, interrupt);
    }
    let value = if args.latest { source.newest(Duration::ZERO)? } else { next(args, source, interrupt)? };
    match value {
        Some(value) if args.raw => save::whole(path, |mut file| file.write_all(&value.bytes)),
        Some(value) => write_npy(&value, path),
        None if args.latest => {
            Err(Failure::new(format!("stream {:?} has no frame yet; without `--latest` it waits for one", info.name)))
        }
        None => Err(Failure::new(format!("stream {:?} was closed; `--latest` gets its last frame", info.name))),
    }
}

/// The kernel copies, under a lease.
fn export(args: &Get, array: &AnyArray, path: &Path, interrupt: &Interrupt) -> Outcome {
    let bar = Bar::of_bytes(&args.name);
    let progress = bar.follow(interrupt);
    interrupt
        .guard(|| if args.raw { array.export_raw(path, progress) } else { array.export_npy_with(path, progress) })??;
    Ok(())
}

/// The next frame of a stream; of all else, what is there.
fn next(args: &Get, source: &mut Source, interrupt: &Interrupt) -> Outcome<Option<Value>> {
    if !matches!(source, Source::Stream(_)) {
        return Ok(source.newest(Duration::ZERO)?);
    }
    let start = Instant::now();
    loop {
        interrupt.check()?;
        let left = args.timeout.map(|timeout| timeout.saturating_sub(start.elapsed()));
        match source.next(left.map_or(SLICE, |left| left.min(SLICE))) {
            Err(Error::TimedOut { .. }) if left.is_none_or(|left| !left.is_zero()) => {}
            Err(Error::TimedOut { name }) => {
                return Err(Failure::timed_out(format!(
                    "no frame of {name:?} came in time; `--latest` gets the newest"
                )));
            }
            done => return Ok(done?),
        }
    }
}

fn write_npy(value: &Value, path: &Path) -> Outcome {
    let builder = AnyMemmap::builder(path).mode(AnyMode::Write).dtype(value.dtype.clone()).shape(&value.shape);
    builder
        .order(value.order)
        .create_npy_with(|map| map.bytes_mut().map(|bytes| bytes.copy_from_slice(&value.bytes)))?;
    Ok(())
}
