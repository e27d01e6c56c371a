//! `sharray gc`: what nobody will ever need again goes.

use crate::args::Gc;
use crate::failure::Outcome;
use crate::interrupt::Interrupt;
use crate::progress::Bar;
use crate::screen::Out;
use crate::{json, text};
use serde_json::json;
use sharray::Directory;
use std::io::Write;

pub(crate) fn run(args: &Gc, place: &Directory, out: &mut Out) -> Outcome {
    let interrupt = Interrupt::expect()?;
    let bar = Bar::of_files("looking");
    let removed = interrupt.guard(|| place.collect_garbage_with(bar.follow(&interrupt)))??;
    drop(bar);
    if args.json.json {
        return json::print(out, &json!({ "removed": removed }));
    }
    for name in &removed {
        writeln!(out, "removed {}", text::safe(name))?;
    }
    if removed.is_empty() {
        writeln!(out, "there is no garbage in {}", text::safe(&place.path().to_string_lossy()))?;
    }
    Ok(())
}
