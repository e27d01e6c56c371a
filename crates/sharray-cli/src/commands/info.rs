//! `sharray info`: everything about one array.

use crate::args;
use crate::failure::Outcome;
use crate::screen::{Out, Screen};
use crate::table::Table;
use crate::{json, kinds, text, who};
use sharray::{Directory, Info, Order};
use std::fmt::Write as _;
use std::io::Write;

pub(crate) fn run(args: &args::Info, place: &Directory, out: &mut Out) -> Outcome {
    let info = place.inspect(&args.name)?;
    if args.json.json {
        let mut value = json::info(&info);
        value["memmap"] = memmap(&info).into();
        return json::print(out, &value);
    }
    if args.layout {
        return layout(&info, out);
    }
    for (what, value) in facts(&info) {
        writeln!(out, "{what:<14} {}", text::safe(&value))?;
    }
    participants(&info, out)?;
    writeln!(out, "\nwithout this library:\n{}", text::safe(&memmap(&info)))?;
    Ok(())
}

/// What there is to say of it, in the order in which it is asked.
fn facts(info: &Info) -> Vec<(&'static str, String)> {
    let words = kinds::words(info.kind);
    let mut facts = vec![
        ("name", info.name.clone()),
        ("kind", words.kind.to_owned()),
        ("dtype", format!("{}, {}", info.dtype, info.dtype.descr())),
        ("shape", format!("{}, {}-contiguous", text::shape(&info.shape), text::order(info.order))),
        ("file", info.path.display().to_string()),
        ("size", size(info)),
        ("created", format!("{}, {} ago", text::time(info.created), text::ago(info.created))),
        ("generation", json::generation(info)),
        ("sequence", kinds::sequence(info).to_string()),
        ("slots", info.slots.to_string()),
    ];
    if info.history > 0 {
        facts.push(("history", text::count(info.history as usize, words.change)));
    }
    facts.extend(info.max_len.map(|len| ("room", text::count(len, words.change))));
    if info.history > 0 || info.max_len.is_some() {
        facts.push(("committed", info.committed.to_string()));
    }
    if info.blocks > 0 {
        facts.push(("blocks", info.blocks.to_string()));
        let poisoned = if info.poisoned.is_empty() { "none".to_owned() } else { text::list(&info.poisoned) };
        facts.push(("poisoned", poisoned));
    }
    let state = [
        (info.is_closed, "closed by its producer"),
        (info.is_broken, "broken: a rank died or left"),
        (info.is_retired, "unlinked"),
    ];
    facts.extend(state.iter().filter(|(is_so, _)| *is_so).map(|(_, what)| ("state", (*what).to_owned())));
    facts.push(("data", format!("from byte {}", info.data_offset)));
    facts.push((".npy", format!("from byte {}", info.npy_offset)));
    facts.extend(info.attributes.iter().map(|(key, value)| ("attribute", format!("{key} = {value}"))));
    facts
}

/// How long the file is, and how much of it there is so far.
fn size(info: &Info) -> String {
    let (all, taken) = (format!("{} ({} bytes)", text::bytes(info.file_len), info.file_len), kinds::size(info));
    if taken < info.file_len { format!("{all}, of which it takes {}", text::bytes(taken)) } else { all }
}

fn participants(info: &Info, out: &mut Out) -> Outcome {
    if info.participants.is_empty() {
        writeln!(out, "{:<14} nobody", "who is here")?;
        return Ok(());
    }
    let mut table = Table::new(&["PROCESS", "STATE", "WHAT IT DOES"]);
    for one in &info.participants {
        let state = if one.is_alive { "alive" } else { "dead" };
        table.row([one.pid.to_string(), state.to_owned(), who::role(one, info)]);
    }
    writeln!(out)?;
    Ok(crate::screen::table(out, &table.lines(Screen::of_stdout().table_width()))?)
}

/// Where everything stands in the file: this one's parts, and the tables of the format.
fn layout(info: &Info, out: &mut Out) -> Outcome {
    writeln!(out, "{}: format {}, {} bytes", info.name, sharray::FORMAT_VERSION, info.file_len)?;
    writeln!(out, ".npy header at {}, data at {}", info.npy_offset, info.data_offset)?;
    let (slots, len) = (text::count(info.slots as usize, "slot"), frame_len(info));
    let apart = if info.slots > 1 { format!(", {} apart", stride(info)) } else { String::new() };
    writeln!(out, "{slots} of {len} bytes{apart}\n")?;
    write!(out, "{}", sharray::format_table())?;
    Ok(())
}

/// The bytes of one frame.
fn frame_len(info: &Info) -> u64 {
    info.shape.iter().product::<usize>() as u64 * info.dtype.itemsize() as u64
}

/// The bytes from one slot to the next.
fn stride(info: &Info) -> u64 {
    (info.file_len - info.data_offset) / u64::from(info.slots)
}

/// The line of NumPy that opens the file as it is.
fn memmap(info: &Info) -> String {
    let path = python_string(&info.path.to_string_lossy());
    let map = |dtype: &str, shape: &str, order: &str, rest: &str| {
        let offset = info.data_offset;
        format!("np.memmap({path}, dtype={dtype}, mode=\"r\", offset={offset}, shape={shape}, order=\"{order}\"){rest}")
    };
    let (dtype, order) = (info.dtype.descr(), text::order(info.order));
    let slots = info.slots as usize;
    if slots == 1 {
        return map(&dtype, &text::shape(&info.shape), order, "");
    }
    if stride(info) == frame_len(info) {
        let shape = match info.order {
            Order::C => [&[slots], &info.shape[..]].concat(),
            Order::Fortran => [&info.shape[..], &[slots]].concat(),
        };
        return map(&dtype, &text::shape(&shape), order, "");
    }
    let frame = padded(info, &dtype);
    // In Fortran order a frame is seen the other way round, and turned.
    let turn = if info.order == Order::Fortran { ".T" } else { "" };
    map(&frame, &text::shape(&[slots]), "C", &format!("[\"frame\"]{turn}"))
}

/// Slots that have bytes behind their frame, as a dtype.
fn padded(info: &Info, dtype: &str) -> String {
    let mut shape = info.shape.clone();
    if info.order == Order::Fortran {
        shape.reverse();
    }
    let (shape, size) = (text::shape(&shape), stride(info));
    format!("{{'names': ['frame'], 'formats': [({dtype}, {shape})], 'offsets': [0], 'itemsize': {size}}}")
}

/// A text as Python writes it. What would speak to a terminal is escaped as Python does.
fn python_string(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            // Writing to a string cannot fail.
            c if text::is_hostile(c) => _ = write!(quoted, "\\U{:08x}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}
