//! The lock of blocks: what a write leaves behind, finished, failed or cut off, and who is told.

use super::Expect::{Caught, Spared};
use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "end-write-before-even",
        file: "lock.rs",
        edits: &[(
            "            seq.store(seq.load(Relaxed).wrapping_add(1), Release);\n            self.release(world, block)?;",
            "            self.release(world, block)?;\n            seq.store(seq.load(Relaxed).wrapping_add(1), Release);",
        )],
        why: "who is killed between the two leaves a block that is free and odd",
        expect: Caught(&["lock::doom::a_writer_is_killed_and_a_reader_comes"]),
    },
    Mutant {
        name: "end-write-even-relaxed",
        file: "lock.rs",
        edits: &[(
            "seq.store(seq.load(Relaxed).wrapping_add(1), Release);",
            "seq.store(seq.load(Relaxed).wrapping_add(1), Relaxed);",
        )],
        why: "the end of the write is seen, and its bytes are not",
        expect: Caught(&["copy::a_copy_is_of_one_moment"]),
    },
    Mutant {
        name: "end-write-poison-after-even",
        file: "lock.rs",
        edits: &[(
            "            if has_failed {\n                poison.store(1, Relaxed);\n            }\n            seq.store(seq.load(Relaxed).wrapping_add(1), Release);\n",
            "            seq.store(seq.load(Relaxed).wrapping_add(1), Release);\n            if has_failed {\n                poison.store(1, Relaxed);\n            }\n",
        )],
        why: "who copies sees the end of the write and no poison; who is killed in between leaves none",
        expect: Caught(&[
            "copy::a_copy_of_a_failed_write_is_poisoned",
            "lock::doom::a_writer_is_killed_while_it_fails",
        ]),
    },
    Mutant {
        name: "end-write-poison-after-release",
        file: "lock.rs",
        edits: &[
            ("            if has_failed {\n                poison.store(1, Relaxed);\n            }\n", ""),
            (
                "            self.release(world, block)?;\n        }\n        changed(world);",
                "            self.release(world, block)?;\n            if has_failed {\n                poison.store(1, Relaxed);\n            }\n        }\n        changed(world);",
            ),
        ],
        why: "the next comes in and sees no poison",
        expect: Caught(&["lock::meet::a_failed_write_is_poisoned_for_the_next"]),
    },
    Mutant {
        name: "end-write-says-nothing",
        file: "lock.rs",
        edits: &[("        changed(world);\n        Ok(())", "        Ok(())")],
        why: "who waits for a change sleeps on",
        expect: Caught(&["lock::wake::a_write_wakes_who_waits_for_a_change"]),
    },
    Mutant {
        name: "abandon-poisons-nothing",
        file: "lock.rs",
        edits: &[(
            "            block.poison.store(1, Relaxed);\n            block.seq.store(seq.wrapping_add(1), Release);",
            "            block.seq.store(seq.wrapping_add(1), Release);",
        )],
        why: "what a dead writer left half done is read as whole",
        expect: Caught(&[
            "lock::doom::a_writer_is_killed_and_a_reader_comes",
            "lock::doom::survivors_are_killed_while_they_bury_a_writer",
        ]),
    },
    Mutant {
        name: "abandon-even-before-poison",
        file: "lock.rs",
        edits: &[(
            "            block.poison.store(1, Relaxed);\n            block.seq.store(seq.wrapping_add(1), Release);",
            "            block.seq.store(seq.wrapping_add(1), Release);\n            block.poison.store(1, Relaxed);",
        )],
        why: "who is killed between the two leaves no poison; who copies sees none",
        expect: Caught(&[
            "lock::doom::survivors_are_killed_while_they_bury_a_writer",
            "copy::a_copy_of_a_dead_writers_block_is_poisoned",
        ]),
    },
    Mutant {
        name: "abandon-even-relaxed",
        file: "lock.rs",
        edits: &[("block.seq.store(seq.wrapping_add(1), Release);", "block.seq.store(seq.wrapping_add(1), Relaxed);")],
        why: "who copies sees an even number and no poison",
        expect: Caught(&["copy::a_copy_of_a_dead_writers_block_is_poisoned"]),
    },
    Mutant {
        name: "abandon-leaves-it-odd",
        file: "lock.rs",
        edits: &[("            block.seq.store(seq.wrapping_add(1), Release);\n", "")],
        why: "nobody can copy any more until somebody writes",
        expect: Caught(&["lock::doom::a_writer_is_killed_and_a_reader_comes"]),
    },
    Mutant {
        name: "abandon-frees-first",
        file: "lock.rs",
        edits: &[(
            "        let seq = block.seq.load(Relaxed);\n        if seq % 2 == 1 && !world.is_cell() {",
            "        block.wr.swap(0, Release);\n        let seq = block.seq.load(Relaxed);\n        if seq % 2 == 1 && !world.is_cell() {",
        )],
        why: "who is killed then leaves half a write that no survivor finds",
        expect: Caught(&["lock::doom::survivors_are_killed_while_they_bury_a_writer"]),
    },
    Mutant {
        name: "abandon-word-relaxed",
        file: "lock.rs",
        edits: &[("block.wr.swap(0, Release);", "block.wr.swap(0, Relaxed);")],
        why: "the block is found free, and its poison is not found",
        expect: Caught(&["lock::wake::burying_a_writer_wakes_the_reader"]),
    },
    Mutant {
        name: "abandon-wakes-nobody",
        file: "lock.rs",
        edits: &[(
            "        block.wr.swap(0, Release);\n        world.wake_all(block.wr);",
            "        block.wr.swap(0, Release);",
        )],
        why: "who waits for the dead writer sleeps on",
        expect: Caught(&["lock::wake::burying_a_writer_wakes_the_reader"]),
    },
    Mutant {
        name: "abandon-frees-what-is-not-its-own",
        file: "lock.rs",
        edits: &[(
            "if !Tag::from_bits(block.wr.load(Acquire)).same_owner(owner) {",
            "if is_free(block.wr.load(Acquire)) {",
        )],
        why: "the living lose their blocks",
        expect: Caught(&["lock::doom::burying_one_leaves_the_others_their_blocks"]),
    },
    Mutant {
        name: "abandon-poisons-a-cell",
        file: "lock.rs",
        edits: &[("if seq % 2 == 1 && !world.is_cell() {", "if seq % 2 == 1 {")],
        why: "a cell that is whole is called poisoned",
        expect: Caught(&["cell::a_writer_is_killed_and_the_value_stays_whole"]),
    },
    Mutant {
        name: "begin-forgives-an-odd-number",
        file: "lock.rs",
        edits: &[(
            "    if seq % 2 == 1 {\n        block.poison.store(1, Relaxed);\n    }\n    block.seq.store(seq | 1, Relaxed);",
            "    block.seq.store(seq | 1, Relaxed);",
        )],
        why: "no free word has an odd number: whoever frees it makes it even first. It is for files that others damaged",
        expect: Spared(&[
            "lock::doom::a_writer_is_killed_and_a_reader_comes",
            "lock::doom::a_writer_is_killed_and_a_writer_comes",
            "lock::doom::survivors_are_killed_while_they_bury_a_writer",
        ]),
    },
    Mutant {
        name: "begin-leaves-it-even",
        file: "lock.rs",
        edits: &[("block.seq.store(seq | 1, Relaxed);", "block.seq.store(seq, Relaxed);")],
        why: "half a write is taken for whole",
        expect: Caught(&["lock::doom::a_writer_is_killed_and_a_reader_comes", "copy::a_copy_is_of_one_moment"]),
    },
    Mutant {
        name: "begin-fence-dropped",
        file: "lock.rs",
        edits: &[("        W::fence(Release);\n        Ok(true)", "        Ok(true)")],
        why: "who copies may see a new byte and both times the old number",
        expect: Caught(&["copy::a_copy_is_of_one_moment"]),
    },
    Mutant {
        name: "begin-block-by-block",
        file: "lock.rs",
        edits: &[
            (
                "        for block in span.blocks() {\n            begin(&words(world, block)?);\n        }\n        //",
                "        for block in span.blocks().take(1) {\n            begin(&words(world, block)?);\n        }\n        //",
            ),
            (
                "seq.store(seq.load(Relaxed).wrapping_add(1), Release);",
                "seq.store((seq.load(Relaxed) | 1) + 1, Release);",
            ),
        ],
        why: "a write of several blocks is overlooked by who copies one of them",
        expect: Caught(&["copy::a_copy_of_one_block_of_a_write_of_two"]),
    },
    Mutant {
        name: "changed-look-not-seqcst",
        file: "lock.rs",
        edits: &[(
            "if world.notify().load(SeqCst) & notify::WAITING != 0 {",
            "if world.notify().load(Acquire) & notify::WAITING != 0 {",
        )],
        why: "the writer may see nobody wait while the waiter sees the old number",
        expect: Caught(&["lock::wake::a_write_wakes_who_waits_for_a_change"]),
    },
    Mutant {
        name: "latest-without-words",
        file: "lock.rs",
        edits: &[("        block.wr.load(SeqCst);\n", "        _ = block.wr;\n")],
        why: "the waiter may see the old number while the writer sees nobody wait",
        expect: Caught(&["lock::wake::a_write_wakes_who_waits_for_a_change"]),
    },
    Mutant {
        name: "latest-words-not-seqcst",
        file: "lock.rs",
        edits: &[("        block.wr.load(SeqCst);\n", "        block.wr.load(Acquire);\n")],
        why: "the waiter may see the old number while the writer sees nobody wait",
        expect: Caught(&["lock::wake::a_write_wakes_who_waits_for_a_change"]),
    },
    Mutant {
        name: "sequence-fence-dropped",
        file: "lock.rs",
        edits: &[("    W::fence(Acquire);\n    ended | is_odd", "    ended | is_odd")],
        why: "who knows the number goes on to take a lease or to copy, and both acquire what they read",
        expect: Spared(&[
            "cell::a_slice_makes_up_for_an_overlooked_waiter",
            "lock::wake::a_write_wakes_who_waits_for_a_change",
        ]),
    },
    Mutant {
        name: "abandon-word-load-relaxed",
        file: "lock.rs",
        edits: &[("block.wr.load(Acquire)).same_owner(owner)", "block.wr.load(Relaxed)).same_owner(owner)")],
        why: "the proof of death comes after everything that the dead one wrote",
        expect: Spared(&[
            "lock::doom::survivors_are_killed_while_they_bury_a_writer",
            "copy::a_copy_of_a_dead_writers_block_is_poisoned",
            "lock::wake::burying_a_writer_wakes_the_reader",
        ]),
    },
];
