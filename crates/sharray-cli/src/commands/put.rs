//! `sharray put`: from a file to a named array.

use crate::args::Put;
use crate::failure::Outcome;
use crate::interrupt::Interrupt;
use crate::progress::Bar;
use crate::spool::Input;
use sharray::{AnyArray, AnyMemmap, Directory, Error};

pub(crate) fn run(args: &Put, place: &Directory) -> Outcome {
    // Until then nothing is held that an end would leave behind.
    let input = Input::new(&args.file)?;
    let interrupt = Interrupt::expect()?;
    if args.replace {
        check(args, &input)?;
        match place.unlink(&args.name) {
            Err(Error::NotFound { .. }) => {}
            done => done?,
        }
    }
    let bar = Bar::of_bytes(&args.name);
    let (builder, progress) = (AnyArray::builder().directory(place), bar.follow(&interrupt));
    interrupt.guard(|| match (&args.dtype, &args.shape) {
        (Some(dtype), Some(shape)) => builder.import_raw(&args.name, &input.path, 0, dtype, &shape.0, progress),
        _ => builder.import_npy_with(&args.name, &input.path, progress),
    })??;
    Ok(())
}

/// Looks whether the file is what it should be, before what it shall replace is gone.
fn check(args: &Put, input: &Input) -> Outcome {
    let builder = AnyMemmap::builder(&input.path);
    match (&args.dtype, &args.shape) {
        (Some(dtype), Some(shape)) => builder.dtype(dtype.clone()).shape(&shape.0).open()?,
        _ => builder.open_npy()?,
    };
    Ok(())
}
