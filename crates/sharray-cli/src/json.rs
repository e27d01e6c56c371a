//! What programs read.

use crate::failure::Outcome;
use crate::kinds;
use crate::text::{self, is_hostile};
use crate::who;
use serde_json::{Value, json};
use sharray::Info;
use std::fmt::Write as _;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// Prints a value on one line, whole or not at all.
pub(crate) fn print(out: &mut impl Write, value: &Value) -> Outcome {
    let mut line = String::new();
    for c in value.to_string().chars() {
        // Such a character stands inside a string, where both ways of writing it mean the same. All are of the basic plane.
        if is_hostile(c) {
            _ = write!(line, "\\u{:04x}", u32::from(c));
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    out.write_all(line.as_bytes())?;
    Ok(())
}

/// Seconds since 1970.
pub(crate) fn time(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// A number, or what JSON has in its place for one that is none.
pub(crate) fn number(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { json!(value.to_string()) }
}

/// Everything that is known about one array.
pub(crate) fn info(info: &Info) -> Value {
    json!({
        "name": info.name,
        "path": info.path.to_string_lossy(),
        "kind": kinds::words(info.kind).kind,
        "dtype": info.dtype.to_string(),
        "descr": info.dtype.descr(),
        "shape": info.shape,
        "order": text::order(info.order),
        "file_bytes": info.file_len,
        "taken_bytes": kinds::size(info),
        "slots": info.slots,
        "history": info.history,
        "blocks": info.blocks,
        "sequence": kinds::sequence(info),
        "committed": info.committed,
        "max_len": info.max_len,
        "poisoned": info.poisoned,
        "created": time(info.created),
        "is_closed": info.is_closed,
        "is_retired": info.is_retired,
        "is_broken": info.is_broken,
        "data_offset": info.data_offset,
        "npy_offset": info.npy_offset,
        "generation": generation(info),
        "attributes": info.attributes,
        "participants": who::json(&info.participants),
    })
}

/// The incarnation in hexadecimal digits.
pub(crate) fn generation(info: &Info) -> String {
    info.generation.iter().fold(String::new(), |mut digits, byte| {
        // Writing to a string cannot fail.
        _ = write!(digits, "{byte:02x}");
        digits
    })
}
