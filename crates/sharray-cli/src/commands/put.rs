//! `sharray put`: from a file to a named array.

use crate::args::Put;
use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::progress::Bar;
use crate::spool::Input;
use sharray::{AnyArray, Directory, Error};
use std::fs::{File, rename};

/// What a folder is called whose contents are garbage once nobody works on them.
const BESIDE: &str = ".sharray-put-";

pub(crate) fn run(args: &Put, place: &Directory) -> Outcome {
    // Until then nothing is held that an end would leave behind.
    let input = Input::new(&args.file)?;
    let interrupt = Interrupt::expect()?;
    if args.replace && is_there(args, place)? {
        return replace(args, &input, place, &interrupt);
    }
    import(args, &input, place, &interrupt).map(drop)
}

fn import(args: &Put, input: &Input, place: &Directory, interrupt: &Interrupt) -> Outcome<AnyArray> {
    let bar = Bar::of_bytes(&args.name);
    let (builder, progress) = (AnyArray::builder().directory(place), bar.follow(interrupt));
    let imported = interrupt.guard(|| match (&args.dtype, &args.shape) {
        (Some(dtype), Some(shape)) => builder.import_raw(&args.name, &input.path, 0, dtype, &shape.0, progress),
        _ => builder.import_npy_with(&args.name, &input.path, progress),
    })?;
    imported.map_err(|error| match error {
        // It is the file that is meant: what to do about such an array is no help.
        Error::Truncated { .. } => Failure::new(error.to_string()),
        error => error.into(),
    })
}

/// Whether there is an array to replace. What is none stays.
fn is_there(args: &Put, place: &Directory) -> Outcome<bool> {
    match place.inspect(&args.name) {
        Err(Error::NotFound { .. }) => Ok(false),
        // `rm` would remove them, too.
        Ok(_) | Err(Error::Corrupt { .. } | Error::Truncated { .. }) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Makes the new array beside the old one, whose name it takes in one step: at each moment there is one or the other.
fn replace(args: &Put, input: &Input, place: &Directory, interrupt: &Interrupt) -> Outcome {
    let failed = |action: &'static str| move |error| Failure::io(action, place.path(), &error);
    let folder =
        tempfile::Builder::new().prefix(BESIDE).tempdir_in(place.path()).map_err(failed("make a folder in"))?;
    // As long as it is attached, a collector of garbage leaves it alone.
    let _array = import(args, input, &Directory::open(folder.path())?, interrupt)?;
    let new_name = place.path().join(&args.name);
    rename(folder.path().join(&args.name), &new_name).map_err(failed("replace an array in"))?;
    // On a disk a name is as durable as the array.
    let parent = new_name.parent().unwrap_or(place.path());
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(failed("commit a name in"))
}
