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
    subject("state64", "A state of 64 bytes, in one process", "What one write and one read take."),
    subject(
        "lock",
        "Taking a write lock and letting it go",
        "Nobody else wants the lock. Those that do not survive the death of their holder are there for comparison.",
    ),
    subject(
        "contended2",
        "Two processes that want one lock",
        "Time for each turn of either, over a second, and the share of the turns that the slower one had.",
    ),
    subject(
        "frames",
        "Frames handed over and summed",
        "`fill`: the producer writes every word; `stamp`: one word. The consumer sums all of them.",
    ),
    subject("attach", "Attaching by name", "From the call to the first word that was read."),
    subject(
        "death",
        "The holder of a lock is killed",
        "Until the next one, who waits for it, has it. What did not come within the limit is shown as for ever.",
    ),
    subject("create", "Creating and filling 1 GiB", "In shared memory; with huge pages where they are to be had."),
    subject("snapshot", "A consistent copy", "While nobody writes. The limit is a plain copy between private arrays."),
    subject("limits", "What the machine allows", "The bare operations that the other figures are held against."),
    subject(
        "python.latency64",
        "Python: 64 bytes from one process to another",
        "One way, which is half of a round trip; as above, in Python on both sides.",
    ),
    subject(
        "python.frames",
        "Python: frames handed over and summed",
        "Written with NumPy on one side, summed on the other.",
    ),
    subject("python.attach", "Python: attaching by name", "From the call to an array of which one element was read."),
    subject("python.lock", "Python: a lock in a `with`", "Nobody else wants it."),
    subject("python.access", "Python: what an array's views cost", "An element, a row and a slice, in nanoseconds."),
];

/// The bare operations that groups are held against, by the beginnings of the groups' names.
const LIMITS: &[(&str, &str)] = &[
    ("latency64.spin_then_sleep", "limits.ping_pong.spin"),
    ("latency64.spin", "limits.ping_pong.spin"),
    ("latency64.sleep.other_core", "limits.futex.other_core"),
    ("latency64.sleep.same_core", "limits.futex.same_core"),
    ("python.latency64.spin", "limits.ping_pong.spin"),
    ("frames.64KiB", "limits.memcpy.64KiB"),
    ("frames.1MiB", "limits.memcpy.1MiB"),
    ("frames.8MiB", "limits.memcpy.8MiB"),
    ("frames.64MiB", "limits.memcpy.64MiB"),
    ("snapshot.64KiB", "limits.memcpy.64KiB"),
    ("snapshot.1MiB", "limits.memcpy.1MiB"),
    ("snapshot.64MiB", "limits.memcpy.64MiB"),
];

/// What the machine itself takes for the work of a group.
pub(crate) fn limit(group: &str) -> Option<&'static str> {
    LIMITS.iter().find(|(start, _)| group.starts_with(start)).map(|(_, limit)| *limit)
}
