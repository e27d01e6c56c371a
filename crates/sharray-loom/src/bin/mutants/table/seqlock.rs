//! Copies without a lease, and cells.

use super::Expect::{Caught, Spared};
use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "copy-begins-while-odd",
        file: "seqlock.rs",
        edits: &[("        if seq % 2 == 1 {\n            return Ok(None);\n        }\n", "")],
        why: "half a write is believed",
        expect: Caught(&["copy::a_copy_is_of_one_moment"]),
    },
    Mutant {
        name: "copy-of-blocks-first-fence-dropped",
        file: "seqlock.rs",
        edits: &[("    W::fence(Acquire);\n    let copied = copy(&||", "    let copied = copy(&||")],
        why: "the copy may be of bytes from before the write that has ended",
        expect: Caught(&["copy::a_copy_is_of_one_moment"]),
    },
    Mutant {
        name: "copy-of-blocks-second-fence-dropped",
        file: "seqlock.rs",
        edits: &[(
            "    let poisoned = poisoned(world, span)?;\n    W::fence(Acquire);",
            "    let poisoned = poisoned(world, span)?;",
        )],
        why: "the second look at the number may come before the copy",
        expect: Caught(&["copy::a_copy_is_of_one_moment"]),
    },
    Mutant {
        name: "copy-of-blocks-not-checked-again",
        file: "seqlock.rs",
        edits: &[("    if total(world, span) != before {\n        return Ok(None);\n    }\n", "    _ = before;\n")],
        why: "half a write is believed",
        expect: Caught(&["copy::a_copy_is_of_one_moment", "copy::a_copy_that_is_broken_off_is_not_believed"]),
    },
    Mutant {
        name: "copy-checks-one-block",
        file: "seqlock.rs",
        edits: &[("let numbers = span.blocks().map_while", "let numbers = span.blocks().take(1).map_while")],
        why: "the write of another block is overlooked",
        expect: Caught(&["copy::a_copy_of_two_blocks_and_a_write_of_one"]),
    },
    Mutant {
        name: "copy-ignores-poison",
        file: "seqlock.rs",
        edits: &[(
            "poisoned.map_or(Ok(Some(copied)), |block| Err(Fault::Poisoned(block)))",
            "_ = poisoned.map(Fault::Poisoned);\n    Ok(Some(copied))",
        )],
        why: "what a failed or dead writer left is believed",
        expect: Caught(&[
            "copy::a_copy_of_a_failed_write_is_poisoned",
            "copy::a_copy_of_a_dead_writers_block_is_poisoned",
        ]),
    },
    Mutant {
        name: "cell-fence-dropped",
        file: "seqlock.rs",
        edits: &[("    W::fence(Release);\n    fill(", "    fill(")],
        why: "who loads may see a byte of the value after the next and both times the old number",
        expect: Caught(&["cell::a_value_is_loaded_whole"]),
    },
    Mutant {
        name: "cell-number-relaxed",
        file: "seqlock.rs",
        edits: &[("seq.store(next, Release);", "seq.store(next, Relaxed);")],
        why: "the number is seen, and the value that it sends to is not",
        expect: Caught(&["cell::a_value_is_loaded_whole"]),
    },
    Mutant {
        name: "cell-number-first",
        file: "seqlock.rs",
        edits: &[(
            "    fill((next % 2) as u32);\n    seq.store(next, Release);",
            "    seq.store(next, Release);\n    fill((next % 2) as u32);",
        )],
        why: "whoever is sent to the copy finds half of it",
        expect: Caught(&["cell::a_value_is_loaded_whole", "cell::a_writer_is_killed_and_the_value_stays_whole"]),
    },
    Mutant {
        name: "cell-fills-the-current-copy",
        file: "seqlock.rs",
        edits: &[("fill((next % 2) as u32);", "fill(((next + 1) % 2) as u32);")],
        why: "the value that everyone is sent to is overwritten",
        expect: Caught(&["cell::a_value_is_loaded_whole"]),
    },
    Mutant {
        name: "cell-first-fence-dropped",
        file: "seqlock.rs",
        edits: &[(
            "        W::fence(Acquire);\n        let copied = copy((before",
            "        let copied = copy((before",
        )],
        why: "the number is seen, and the value that it sends to is not",
        expect: Caught(&["cell::a_value_is_loaded_whole"]),
    },
    Mutant {
        name: "cell-second-fence-dropped",
        file: "seqlock.rs",
        edits: &[("        W::fence(Acquire);\n        if seq.load", "        if seq.load")],
        why: "the second look at the number may come before the copy",
        expect: Caught(&["cell::a_value_is_loaded_whole"]),
    },
    Mutant {
        name: "cell-not-checked-again",
        file: "seqlock.rs",
        edits: &[("        if seq.load(Relaxed) == before {", "        if seq.load(Relaxed) >= before {")],
        why: "a value that was overwritten meanwhile is believed",
        expect: Caught(&["cell::a_value_is_loaded_whole"]),
    },
    Mutant {
        name: "cell-says-nothing",
        file: "seqlock.rs",
        edits: &[("    changed(world);\n", "")],
        why: "a waiter learns of the change at the end of its slice, as it does for the missing barrier",
        expect: Spared(&["cell::a_slice_makes_up_for_an_overlooked_waiter"]),
    },
];
