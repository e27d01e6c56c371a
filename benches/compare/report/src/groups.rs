//! Names taken apart: contenders for the same work form a group, which becomes one table and one set of bars.

use crate::samples::{Figure, Samples};
use crate::units::is_rate;

/// The ends of names that say more about a contender than its figure does: details of single samples, the mean, the first
/// time, the way back, the share of the slower of two.
pub(crate) const DETAILS: [&str; 7] = ["p50", "p99", "p99.9", "mean", "cold", "detach", "share"];

/// A name `SUBJECT.CASE.CONTENDER[.DETAIL]` in its parts.
#[derive(Debug, PartialEq)]
struct Name<'a> {
    group: &'a str,
    contender: &'a str,
    detail: Option<usize>,
}

/// Contenders for the same work, the best first.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    pub(crate) name: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) contenders: Vec<Contender<'a>>,
}

/// One contender, and what was measured of it.
#[derive(Debug)]
pub(crate) struct Contender<'a> {
    pub(crate) who: &'a str,
    /// The name of the samples, or of their median where there are but details.
    pub(crate) name: &'a str,
    pub(crate) figure: Figure,
    /// The names of the details.
    pub(crate) details: [Option<&'a str>; DETAILS.len()],
}

impl Group<'_> {
    /// The contender that is sharray, the best of them where there are several.
    pub(crate) fn sharray(&self) -> Option<&Contender<'_>> {
        self.contenders.iter().find(|it| it.is_sharray())
    }

    /// Which details any contender has.
    pub(crate) fn details(&self) -> Vec<usize> {
        let has = |at: &usize| self.contenders.iter().any(|it| it.details[*at].is_some());
        (0..DETAILS.len()).filter(has).collect()
    }
}

impl Contender<'_> {
    pub(crate) fn is_sharray(&self) -> bool {
        self.who.starts_with("sharray")
    }
}

/// The groups of a subject, in the order in which they were measured.
pub(crate) fn of<'a>(samples: &'a Samples, subject: &str) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for name in samples.names() {
        let Some(parts) = split(name).filter(|parts| is_under(parts.group, subject)) else { continue };
        let Some((figure, unit)) = samples.figure(name).zip(samples.unit(name)) else { continue };
        let at = groups.iter().position(|group| group.name == parts.group && group.unit == unit).unwrap_or_else(|| {
            groups.push(Group { name: parts.group, unit, contenders: Vec::new() });
            groups.len() - 1
        });
        take(&mut groups[at].contenders, name, &parts, figure);
    }
    for group in &mut groups {
        group.contenders.sort_by(|a, b| a.figure.median.total_cmp(&b.figure.median));
        if is_rate(group.unit) {
            group.contenders.reverse();
        }
    }
    groups
}

fn take<'a>(contenders: &mut Vec<Contender<'a>>, name: &'a str, parts: &Name<'a>, figure: Figure) {
    let at = contenders.iter().position(|it| it.who == parts.contender).unwrap_or_else(|| {
        let details = [None; DETAILS.len()];
        contenders.push(Contender { who: parts.contender, name, figure, details });
        contenders.len() - 1
    });
    let contender = &mut contenders[at];
    if let Some(detail) = parts.detail {
        contender.details[detail] = Some(name);
    } else {
        (contender.name, contender.figure) = (name, figure);
    }
}

fn split(name: &str) -> Option<Name<'_>> {
    let without = |(at, end): (usize, &&str)| Some((name.strip_suffix(end)?.strip_suffix('.')?, Some(at)));
    let (rest, detail) = DETAILS.iter().enumerate().find_map(without).unwrap_or((name, None));
    let (group, contender) = rest.rsplit_once('.')?;
    Some(Name { group, contender, detail })
}

/// The contender of a name.
pub(crate) fn contender(name: &str) -> &str {
    split(name).map_or(name, |parts| parts.contender)
}

/// Whether a group is the subject itself, or a case of it.
fn is_under(group: &str, subject: &str) -> bool {
    group.strip_prefix(subject).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_in_the_contender_or_in_a_detail() {
        assert_eq!(
            split("frames.8MiB.fill.iceoryx2"),
            Some(Name { group: "frames.8MiB.fill", contender: "iceoryx2", detail: None })
        );
        assert_eq!(
            split("latency64.spin.pipe.p99.9"),
            Some(Name { group: "latency64.spin", contender: "pipe", detail: Some(2) })
        );
        assert_eq!(split("alone"), None);
        assert_eq!(["locks.contended.flock.share", "alone"].map(contender), ["flock", "alone"]);
    }

    #[test]
    fn contenders_come_best_first() {
        let mut samples = Samples::default();
        let text =
            "lock.free.slow 9 ns\nlock.free.sharray 2 ns\nframes.1MiB.a 3 GB/s\nframes.1MiB.b 5 GB/s\nlocks.x.y 1 ns";
        samples.add(1, text).expect("the lines are samples");
        let order = |subject| {
            let groups = of(&samples, subject);
            assert_eq!(groups.len(), 1);
            groups[0].contenders.iter().map(|it| it.who).collect::<Vec<_>>()
        };
        assert_eq!(order("lock"), ["sharray", "slow"]);
        assert_eq!(order("frames"), ["b", "a"]);
    }

    #[test]
    fn details_belong_to_their_contender() {
        let mut samples = Samples::default();
        let text = "a.b.x.p50 5 ns\na.b.x.p99 7 ns\na.b.x.p99.9 70 ns\na.b.y 6 ns\na.b.y.p50 8 ns";
        samples.add(1, text).expect("the lines are samples");
        let groups = of(&samples, "a");
        let [x, y] = &groups[0].contenders[..] else { panic!("two contenders") };
        let first = [Some("a.b.x.p50"), Some("a.b.x.p99"), Some("a.b.x.p99.9")];
        assert_eq!((x.name, &x.details[..3]), ("a.b.x.p50", &first[..]));
        // The plain name is the figure that counts, where there is one.
        assert_eq!((y.name, &y.details[..2]), ("a.b.y", &[Some("a.b.y.p50"), None][..]));
        assert_eq!(groups[0].details(), [0, 1, 2]);
    }
}
