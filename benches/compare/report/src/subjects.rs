//! What is compared: the sections of the page, and what the machine itself takes for the same work.

/// A subject of comparison: one section, one picture, a table for each of its cases.
#[derive(Debug)]
pub(crate) struct Subject {
    /// What the names of its samples begin with.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
}

const fn subject(name: &'static str, title: &'static str, text: &'static str) -> Subject {
    Subject { name, title, text }
}

pub(crate) const SUBJECTS: &[Subject] = &[
    subject(
        "latency64",
        "64 bytes from one process to another",
        "One way, which is half of a round trip. `spin`: both sides look without pause. `sleep`: the other side sleeps when \
         the message comes, on a core of its own or on the same one. `spin_then_sleep`: the answer comes at once, but a side \
         that has looked for a while sleeps.",
    ),
    subject(
        "state64",
        "A state of 64 bytes, in one process",
        "What one write and one read take. `sharray_cell_kept` is a writer that is kept, `sharray_cell` one that takes the role \
         for each write, as `cas_lock` does by hand.",
    ),
    subject(
        "locks",
        "Write locks",
        "`uncontended`: one process takes the lock and lets it go. `contended`: two processes do, without pause; `share` is \
         that of the slower one, 0.5 is even.",
    ),
    subject(
        "frames",
        "Frames handed over and summed",
        "`fill`: the producer writes every word; `stamp`: one word. The consumer sums all of them. `hand_over`: nobody sums.",
    ),
    subject(
        "attach",
        "Attaching by name",
        "To an array of 1 MiB, or to a value of 64 bytes, that another process made: from the call to the first word that \
         was read. `detach` is the way back.",
    ),
    subject(
        "death",
        "The holder of a lock is killed",
        "Until the next one, who waits for it, has it; `process_gone` is until the kernel says that the holder is gone. What \
         did not come within the patience of the program is shown as for ever.",
    ),
    subject(
        "create",
        "Creating and filling a GiB",
        "In shared memory, and where they are to be had with huge pages. `cold` is the first time, in which a hypervisor may \
         have to find the memory.",
    ),
    subject(
        "snapshot",
        "A consistent copy",
        "Of an array that nobody writes, into memory that is there and into new memory.",
    ),
    subject("limits", "What the machine allows", "The bare operations that the other figures are held against."),
    subject(
        "python.latency64",
        "Python: 64 bytes from one process to another",
        "One way, which is half of a round trip; in Python on both sides.",
    ),
    subject(
        "python.frames",
        "Python: frames handed over and summed",
        "Filled with NumPy on one side, summed on the other. `private` fills and sums an array of its own.",
    ),
    subject("python.attach", "Python: attaching by name", "From the call to an array of which one element was read."),
    subject("python.lock", "Python: entering and leaving a lock", "Nobody else wants it."),
    subject("python.access", "Python: what views cost", "An element, a slice, a row and its sum."),
    subject("python.call", "Python: single calls", "Of one process, on 64 bytes; `ndarray` is a plain copy."),
];

/// What groups are held against, by the beginnings of their names: a bare operation, or a contender of the group itself.
const LIMITS: &[(&str, &str)] = &[
    ("latency64.sleep.other_core", "limits.futex.other_core"),
    ("latency64.sleep.same_core", "limits.futex.same_core"),
    ("latency64", "limits.ping_pong"),
    ("python.latency64.spin", "limits.ping_pong"),
    ("python.latency64.asleep", "limits.futex.other_core"),
    ("state64", ".seqlock"),
    ("attach", ".open_fstat_mmap"),
    ("death", ".process_gone"),
    ("create", ".by_hand"),
    ("snapshot", ".memcpy"),
    ("python.frames", ".private"),
    ("python.attach", ".mmap"),
    ("python.access", ".ndarray"),
];

/// What the machine itself takes for the work of a group.
pub(crate) fn limit(group: &str) -> Option<String> {
    // Who sums frames can be no faster than a sum over private memory.
    if let Some((size, "fill" | "stamp")) = group.strip_prefix("frames.").and_then(|rest| rest.split_once('.')) {
        return Some(format!("limits.sum.{size}"));
    }
    let (_, limit) = LIMITS.iter().find(|(start, _)| group.starts_with(start))?;
    Some(if limit.starts_with('.') { format!("{group}{limit}") } else { (*limit).to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_held_against_the_nearest_limit() {
        for (group, expected) in [
            ("latency64.sleep.same_core", Some("limits.futex.same_core")),
            ("latency64.spin", Some("limits.ping_pong")),
            ("frames.8MiB.fill", Some("limits.sum.8MiB")),
            ("frames.8MiB.hand_over", None),
            ("snapshot.1MiB", Some("snapshot.1MiB.memcpy")),
            ("locks.contended", None),
        ] {
            assert_eq!(limit(group).as_deref(), expected);
        }
    }
}
