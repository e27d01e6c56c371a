//! Tables that grow.

use super::Expect::{Caught, Spared};
use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "len-relaxed",
        file: "growable.rs",
        edits: &[("world.len().store(len, Release);", "world.len().store(len, Relaxed);")],
        why: "the length is seen, and the rows below it are not",
        expect: Caught(&["growable::rows_below_the_length_are_there"]),
    },
    Mutant {
        name: "len-fence-dropped",
        file: "growable.rs",
        edits: &[("    W::fence(Acquire);\n    if len <= extent", "    if len <= extent")],
        why: "the length is seen, and the rows below it are not",
        expect: Caught(&["growable::rows_below_the_length_are_there"]),
    },
    Mutant {
        name: "len-after-the-role",
        file: "growable.rs",
        edits: &[(
            "    world.len().store(len, Release);\n    local.release(world, 0)?;",
            "    local.release(world, 0)?;\n    world.len().store(len, Release);",
        )],
        why: "the next one to append overwrites the rows, and the length falls",
        expect: Caught(&["growable::two_append_in_turn"]),
    },
    Mutant {
        name: "len-told-before-the-role",
        file: "growable.rs",
        edits: &[(
            "    local.release(world, 0)?;\n    lock::changed(world);",
            "    lock::changed(world);\n    local.release(world, 0)?;",
        )],
        why: "nothing stands between the length and the look for those who wait: one of them sleeps on",
        expect: Caught(&["growable::an_append_wakes_who_waits_for_it"]),
    },
    Mutant {
        name: "len-not-told",
        file: "growable.rs",
        edits: &[("    lock::changed(world);\n", "")],
        why: "whoever waits for rows sleeps on",
        expect: Caught(&["growable::an_append_wakes_who_waits_for_it"]),
    },
    Mutant {
        name: "len-waited-for-by-itself",
        file: "growable.rs",
        edits: &[("    lock::words(world, 0)?.wr.load(SeqCst);\n", "    _ = SeqCst;\n")],
        why: "the look at the length may come before it is said that somebody waits",
        expect: Caught(&["growable::an_append_wakes_who_waits_for_it"]),
    },
    Mutant {
        name: "len-not-checked",
        file: "growable.rs",
        edits: &[("if len <= extent.max_len { Ok(len)", "if true || len <= extent.max_len { Ok(len)")],
        why: "rows past the payload are read",
        expect: Caught(&["growable::lengths_that_cannot_be_are_refused"]),
    },
    Mutant {
        name: "rows-past-the-room",
        file: "growable.rs",
        edits: &[(".filter(|end| *end <= extent.max_len)", "")],
        why: "rows past the payload are written",
        expect: Caught(&["growable::lengths_that_cannot_be_are_refused"]),
    },
    Mutant {
        name: "room-not-checked",
        file: "growable.rs",
        edits: &[("if reserved > extent.bytes(extent.max_len) {", "if false {")],
        why: "rows are written where no space is reserved",
        expect: Caught(&["growable::lengths_that_cannot_be_are_refused"]),
    },
    Mutant {
        name: "room-taken-for-granted",
        file: "growable.rs",
        edits: &[("lacking: (from < to).then_some(from..to)", "lacking: (from < to && false).then_some(from..to)")],
        why: "rows are written where no space is reserved",
        expect: Caught(&["growable::rows_below_the_length_are_there"]),
    },
    Mutant {
        name: "room-relaxed",
        file: "growable.rs",
        edits: &[("world.cap_bytes().store(end, Release);", "world.cap_bytes().store(end, Relaxed);")],
        why: "only the owner of the role reads it, and the role orders that",
        expect: Spared(&["growable::two_append_in_turn", "growable::an_appender_is_killed"]),
    },
];
