//! `sharray watch`: a line for each frame, or change.

use crate::args::Watch;
use crate::failure::{Failure, Outcome};
use crate::interrupt::{Interrupt, SLICE};
use crate::items::{Items, Summary};
use crate::json;
use crate::kinds::{Access, Source, Value, words};
use crate::screen::Out;
use crate::text;
use serde_json::json;
use sharray::{Directory, Error};
use std::io::Write;
use std::time::Instant;

pub(crate) fn run(args: &Watch, place: &Directory, out: &mut Out) -> Outcome {
    let info = place.inspect(&args.name)?;
    // Said before the first frame comes, which may take long.
    if args.field.field.is_some() {
        Items::new(&info.dtype, &info.shape, info.order, args.field.field.as_deref())?;
    }
    let interrupt = Interrupt::expect()?;
    let mut source = Source::open(place, &info, Access::TakePart)?;
    let mut printed = 0;
    if !args.json.json {
        writeln!(
            out,
            "{:>10}  {:<24}  {:>6}  {:>12}  {:>12}  {:>12}",
            "SEQUENCE", "TIME", "MISSED", "MIN", "MEAN", "MAX"
        )?;
    }
    while args.count != Some(printed) {
        let Some(value) = next(args, &mut source, &interrupt, words(info.kind).change)? else { return Ok(()) };
        print(args, &value, out)?;
        // A line that waits in a buffer is not there for who looks.
        out.flush()?;
        printed += 1;
    }
    Ok(())
}

/// Waits for the next value, and looks now and then whether somebody has had enough.
fn next(args: &Watch, source: &mut Source, interrupt: &Interrupt, change: &str) -> Outcome<Option<Value>> {
    let start = Instant::now();
    loop {
        interrupt.check()?;
        let left = args.timeout.map(|timeout| timeout.saturating_sub(start.elapsed()));
        match source.next(left.map_or(SLICE, |left| left.min(SLICE))) {
            // Zero says: do not wait. Then the answer may be that it would have to.
            Err(Error::TimedOut { .. } | Error::Locked { .. }) if left.is_none_or(|left| !left.is_zero()) => {}
            Err(Error::TimedOut { name } | Error::Locked { name, .. }) => {
                return Err(Failure::timed_out(format!(
                    "no {change} of {name:?} came in time; `sharray info {name}` says who is there"
                )));
            }
            done => return Ok(done?),
        }
    }
}

fn print(args: &Watch, value: &Value, out: &mut Out) -> Outcome {
    let Value { sequence, missed, time, .. } = value;
    let summary = summary(args, value)?;
    if args.json.json {
        let mut line =
            json!({ "sequence": sequence, "time": json::time(*time), "missed": missed, "shape": value.shape });
        if let Some(Summary { min, mean, max, nans, infinities }) = summary {
            line["min"] = json::number(min);
            line["mean"] = json::number(mean);
            line["max"] = json::number(max);
            line["nans"] = nans.into();
            line["infinities"] = infinities.into();
        }
        return json::print(out, &line);
    }
    let [min, mean, max] = match summary {
        Some(Summary { min, mean, max, .. }) => [min, mean, max].map(text::number),
        None => ["-"; 3].map(str::to_owned),
    };
    let odd = summary.map_or(0, |summary| summary.nans + summary.infinities);
    let odd = if odd > 0 { format!("  {odd} not finite") } else { String::new() };
    writeln!(out, "{sequence:>10}  {:<24}  {missed:>6}  {min:>12}  {mean:>12}  {max:>12}{odd}", text::time(*time))?;
    Ok(())
}

/// Of what has no numbers there is none.
fn summary(args: &Watch, value: &Value) -> Outcome<Option<Summary>> {
    let field = args.field.field.as_deref();
    match Items::new(&value.dtype, &value.shape, value.order, field) {
        Ok(items) => Ok(Some(Summary::of(&items, &value.bytes))),
        Err(_) if field.is_none() => Ok(None),
        Err(failure) => Err(failure),
    }
}
