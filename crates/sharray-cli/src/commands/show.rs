//! `sharray show`: an array as a picture.

use crate::args::Show;
use crate::failure::{Failure, Outcome};
use crate::interrupt::{Interrupt, SLICE};
use crate::items::Items;
use crate::kinds::{Access, LARGE, Source, Value, words};
use crate::picture::{Canvas, Picture, Slice, png};
use crate::screen::{Out, Screen};
use crate::table::cut;
use crate::text;
use sharray::{Directory, Error, Info};
use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long it waits for whoever writes in place.
const PATIENCE: Duration = Duration::from_secs(2);
/// More pictures a second than this nobody sees.
const PAUSE: Duration = Duration::from_millis(40);

pub(crate) fn run(args: &Show, place: &Directory, out: &mut Out) -> Outcome {
    let info = place.inspect(&args.name)?;
    let mut source = Source::open(place, &info, Access::Look)?;
    // What is wrong is said before anything is waited for.
    Slice::new(Items::new(&info.dtype, &info.shape, info.order, args.field.field.as_deref())?, &args.index)?;
    let repeats = args.follow || args.every.is_some();
    let interrupt = repeats.then(Interrupt::expect).transpose()?;
    let Some(value) = source.newest(PATIENCE)? else {
        return Err(Failure::new(format!(
            "stream {:?} has no frame yet; `sharray watch {0}` waits for one",
            info.name
        )));
    };
    if let Some(path) = &args.png {
        let slice = slice(args, &value)?;
        png::write(&Picture::new(&slice, &value.bytes, range(args)), path)?;
        writeln!(out, "{}", title(&info, &value, &slice))?;
        return Ok(());
    }
    let mut drawn = draw(args, &info, &value, out, 0)?;
    let Some(interrupt) = interrupt else { return Ok(()) };
    while let Some(value) = next(args, &mut source, &interrupt)? {
        drawn = draw(args, &info, &value, out, drawn)?;
    }
    Ok(())
}

/// The next value to show; `None` at the end of a stream.
fn next(args: &Show, source: &mut Source, interrupt: &Interrupt) -> Outcome<Option<Value>> {
    let Some(every) = args.every else {
        pause(PAUSE, interrupt)?;
        loop {
            interrupt.check()?;
            match source.next(SLICE) {
                Err(Error::TimedOut { .. }) => {}
                // What has come meanwhile is the newest.
                Ok(Some(_)) => return Ok(source.newest(PATIENCE)?),
                done => return Ok(done?),
            }
        }
    };
    pause(every, interrupt)?;
    Ok(source.newest(PATIENCE)?)
}

fn pause(span: Duration, interrupt: &Interrupt) -> Outcome {
    let end = Instant::now() + span;
    loop {
        interrupt.check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        sleep(left.min(SLICE));
    }
}

fn slice(args: &Show, value: &Value) -> Outcome<Slice> {
    let items = Items::new(&value.dtype, &value.shape, value.order, args.field.field.as_deref())?;
    let slice = Slice::new(items, &args.index)?;
    Ok(if value.bytes.len() > LARGE { slice.sampled() } else { slice })
}

fn range(args: &Show) -> Option<(f64, f64)> {
    args.range.as_deref().and_then(|ends| Some((*ends.first()?, *ends.get(1)?)))
}

/// Draws over the lines that were drawn before, on a terminal. Returns how many there are now.
fn draw(args: &Show, info: &Info, value: &Value, out: &mut Out, before: usize) -> Outcome<usize> {
    let screen = Screen::of_stdout();
    let slice = slice(args, value)?;
    // A line for the title, and one for what the shell asks next.
    let canvas =
        Canvas { columns: screen.columns, rows: screen.rows.saturating_sub(2).max(3), colours: screen.colours };
    let mut lines = vec![cut(&title(info, value, &slice), screen.columns)];
    lines.extend(Picture::new(&slice, &value.bytes, range(args)).lines(canvas));
    if before > 0 && screen.is_terminal {
        // Not by way of `out`, which takes everything away that is not text where colours are not wanted.
        write!(std::io::stdout(), "\x1b[{before}A\x1b[J")?;
    }
    writeln!(out, "{}", lines.join("\n"))?;
    out.flush()?;
    Ok(lines.len())
}

/// What is shown.
fn title(info: &Info, value: &Value, slice: &Slice) -> String {
    let (change, place) = (words(info.kind).change, slice.place.as_deref().unwrap_or(""));
    let what = format!("{}{place} {} {}", info.name, value.dtype, text::shape(&value.shape));
    text::safe(&format!("{what}, {change} {}", value.sequence / u64::from(words(info.kind).step))).into_owned()
}
