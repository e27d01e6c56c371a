//! Text that was made by others, numbers and times, as people read them.

use indicatif::BinaryBytes;
use sharray::Order;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

/// The text with everything escaped that could speak to the terminal instead of the reader: control characters, and those
/// that turn the direction of writing or cannot be seen.
pub(crate) fn safe(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hostile(c) {
            escaped.extend(c.escape_unicode());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

pub(crate) fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A number of bytes, such as `1.00 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    BinaryBytes(count).to_string()
}

/// A shape as NumPy writes it: `(480, 640)`, `(3,)`, `()`.
pub(crate) fn shape(shape: &[usize]) -> String {
    let list = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    if shape.len() == 1 { format!("({list},)") } else { format!("({list})") }
}

/// NumPy's letter for an order.
pub(crate) fn order(order: Order) -> &'static str {
    match order {
        Order::C => "C",
        Order::Fortran => "F",
    }
}

/// A point in time, in UTC.
pub(crate) fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// How long ago, to the second: `3m 5s`.
pub(crate) fn ago(time: SystemTime) -> String {
    let passed = SystemTime::now().duration_since(time).unwrap_or_default();
    humantime::format_duration(Duration::from_secs(passed.as_secs())).to_string()
}

/// A number with as many digits as tell it apart at a glance.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if value.fract() == 0.0 && size < 1e15 {
        format!("{value:.0}")
    } else if !value.is_finite() || (1e-3..1e6).contains(&size) {
        trimmed(&format!("{value:.4}"))
    } else {
        format!("{value:.4e}")
    }
}

/// Without the zeros behind the last digit that says something.
fn trimmed(digits: &str) -> String {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.').to_owned() } else { digits.to_owned() }
}

/// A rate per second; nothing for what stands still.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second > 0.0 { format!("{}/s", number((per_second * 10.0).round() / 10.0)) } else { "-".to_owned() }
}

/// A list of words, with commas.
pub(crate) fn list<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut text = String::new();
    for item in items {
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        _ = write!(text, "{separator}{item}");
    }
    text
}

/// `1 block`, `2 blocks`.
pub(crate) fn count(many: usize, what: &str) -> String {
    format!("{many} {what}{}", if many == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal obeys what it is sent, whoever wrote it.
    #[test]
    fn nothing_speaks_to_the_terminal() {
        assert_eq!(safe("a\u{1b}[2Jb\u{9b}c\nd\u{202e}e"), "a\\u{1b}[2Jb\\u{9b}c\\u{a}d\\u{202e}e");
        assert!(matches!(safe("Größe µm 漢字"), Cow::Borrowed(_)));
    }

    #[test]
    fn numbers_are_short_and_right() {
        for (value, text) in [
            (0.0, "0"),
            (-3.0, "-3"),
            (0.1, "0.1"),
            (2.0 / 3.0, "0.6667"),
            (1e20, "1.0000e20"),
            (1.5e-7, "1.5000e-7"),
            (1e6 + 0.5, "1.0000e6"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn shapes_are_those_of_numpy() {
        assert_eq!([shape(&[]), shape(&[3]), shape(&[2, 3])], ["()", "(3,)", "(2, 3)"]);
    }
}
