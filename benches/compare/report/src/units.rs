//! Figures as a person reads them: three digits, and the unit that fits.

/// A value with its unit; times in the unit that gives the shortest number.
pub(crate) fn shown(value: f64, unit: &str) -> String {
    match nanoseconds(unit) {
        _ if value.is_infinite() => "for ever".to_owned(),
        Some(factor) => time(value * factor),
        None if unit == "of 1" => digits(value),
        None => format!("{} {unit}", digits(value)),
    }
}

/// How many times something else it is.
pub(crate) fn times(ratio: f64) -> String {
    if ratio.is_infinite() { "for ever".to_owned() } else { format!("{}×", digits(ratio)) }
}

/// Whether more of it is better.
pub(crate) fn is_rate(unit: &str) -> bool {
    unit.ends_with("/s") || unit == "of 1"
}

/// How many nanoseconds the unit has, if it is one of time.
pub(crate) fn nanoseconds(unit: &str) -> Option<f64> {
    match unit {
        "ns" => Some(1.0),
        "us" => Some(1e3),
        "ms" => Some(1e6),
        "s" => Some(1e9),
        _ => None,
    }
}

/// So many bytes, as short as can be: `64 KiB`.
pub(crate) fn bytes(count: f64) -> String {
    let (mut count, mut unit) = (count, 0);
    while count >= 1024.0 && unit < 4 {
        count /= 1024.0;
        unit += 1;
    }
    format!("{count} {}", ["B", "KiB", "MiB", "GiB", "TiB"][unit])
}

fn time(nanoseconds: f64) -> String {
    let (factor, unit) = match nanoseconds.abs() {
        it if it < 999.5 => (1.0, "ns"),
        it if it < 999.5e3 => (1e3, "µs"),
        it if it < 999.5e6 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    format!("{} {unit}", digits(nanoseconds / factor))
}

/// Three digits, of which the last is after the hundredths only if there is hardly anything.
fn digits(value: f64) -> String {
    match value.abs() {
        it if it > 0.0 && it < 0.0995 => format!("{value:.4}"),
        it if it < 9.995 => format!("{value:.2}"),
        it if it < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_get_the_unit_that_fits() {
        for (value, unit, text) in [
            (3.7, "ns", "3.70 ns"),
            (195.0, "ns", "195 ns"),
            (38_123.0, "ns", "38.1 µs"),
            (999.7, "us", "1.00 ms"),
            (0.19, "ms", "190 µs"),
            (2.0, "s", "2.00 s"),
            (f64::INFINITY, "s", "for ever"),
            (15.5, "GB/s", "15.5 GB/s"),
            (0.45, "of 1", "0.45"),
        ] {
            assert_eq!(shown(value, unit), text);
        }
        assert_eq!([0.0075, 0.0].map(digits), ["0.0075", "0.00"]);
        assert_eq!((times(1.146), times(f64::INFINITY)), ("1.15×".to_owned(), "for ever".to_owned()));
    }

    #[test]
    fn sizes_are_whole() {
        assert_eq!([64.0, 65536.0, 1_073_741_824.0].map(bytes), ["64 B", "64 KiB", "1 GiB"]);
    }
}
