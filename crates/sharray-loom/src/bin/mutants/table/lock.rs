//! The lock of blocks: who comes in, who gives up, who died.

use super::Expect::{Caught, Spared};
use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "announce-whole-not-seqcst",
        file: "lock.rs",
        edits: &[("record.holds.fetch_add(1, SeqCst);", "record.holds.fetch_add(1, AcqRel);")],
        why: "the writer may not see the reader while the reader sees a free word",
        expect: Caught(&["lock::meet::a_reader_of_the_whole_or_a_writer"]),
    },
    Mutant {
        name: "announce-block-not-seqcst",
        file: "lock.rs",
        edits: &[(".store(span.to_bits(), SeqCst);", ".store(span.to_bits(), Release);")],
        why: "the writer may not see the pin while the reader sees a free word",
        expect: Caught(&["lock::meet::a_reader_of_a_block_or_a_writer"]),
    },
    Mutant {
        name: "reader-look-not-seqcst",
        file: "lock.rs",
        edits: &[(
            "if !is_free(words(world, block)?.wr.load(SeqCst)) {",
            "if !is_free(words(world, block)?.wr.load(Acquire)) {",
        )],
        why: "the reader may see a free word while the writer sees no reader",
        expect: Caught(&[
            "lock::meet::a_reader_of_the_whole_or_a_writer",
            "lock::meet::a_reader_of_a_block_or_a_writer",
        ]),
    },
    Mutant {
        name: "take-word-not-seqcst",
        file: "lock.rs",
        edits: &[(
            "wr.compare_exchange(free, mine, SeqCst, Relaxed)",
            "wr.compare_exchange(free, mine, AcqRel, Relaxed)",
        )],
        why: "the reader may not see the writer while the writer sees no reader",
        expect: Caught(&[
            "lock::meet::a_reader_of_the_whole_or_a_writer",
            "lock::meet::a_reader_of_a_block_or_a_writer",
        ]),
    },
    Mutant {
        name: "take-word-releases-nothing",
        file: "lock.rs",
        edits: &[(
            "wr.compare_exchange(free, mine, SeqCst, Relaxed)",
            "wr.compare_exchange(free, mine, Acquire, Relaxed)",
        )],
        why: "the same",
        expect: Caught(&["lock::meet::a_reader_of_the_whole_or_a_writer"]),
    },
    Mutant {
        name: "writer-look-at-holds-not-seqcst",
        file: "lock.rs",
        edits: &[("record.holds.load(SeqCst) != 0", "record.holds.load(Acquire) != 0")],
        why: "the writer may see no reader while the reader sees a free word",
        expect: Caught(&["lock::meet::a_reader_of_the_whole_or_a_writer"]),
    },
    Mutant {
        name: "writer-look-at-pins-not-seqcst",
        file: "lock.rs",
        edits: &[("Span::bits_cover(pin.load(SeqCst), block)", "Span::bits_cover(pin.load(Acquire), block)")],
        why: "the writer may see no pin while the reader sees a free word",
        expect: Caught(&["lock::meet::a_reader_of_a_block_or_a_writer"]),
    },
    Mutant {
        name: "read-without-look",
        file: "lock.rs",
        edits: &[(
            "let Some(busy) = first_writer(world, span)? else {",
            "let Some(busy) = first_writer(world, span)?.filter(|_| false) else {",
        )],
        why: "the reader comes in beside the writer",
        expect: Caught(&["lock::meet::a_reader_of_the_whole_or_a_writer"]),
    },
    Mutant {
        name: "read-looks-before-it-announces",
        file: "lock.rs",
        edits: &[(
            "            let place = self.announce(world, &record, span)?;\n            let Some(busy) = first_writer(world, span)? else {",
            "            let busy = first_writer(world, span)?;\n            let place = self.announce(world, &record, span)?;\n            let Some(busy) = busy else {",
        )],
        why: "a writer comes in between the look and the announcement",
        expect: Caught(&["lock::meet::a_reader_of_the_whole_or_a_writer"]),
    },
    Mutant {
        name: "read-looks-at-one-block",
        file: "lock.rs",
        edits: &[(
            "for block in span.blocks() {\n        if !is_free(",
            "for block in span.blocks().take(1) {\n        if !is_free(",
        )],
        why: "the reader comes in beside the writer of another block",
        expect: Caught(&["lock::meet::a_reader_of_the_whole_and_a_writer_of_a_block"]),
    },
    Mutant {
        name: "write-without-drain",
        file: "lock.rs",
        edits: &[(
            "let drained = drain(world, me, block, patience.until_ns);",
            "let drained: Result<bool> = Ok(true);",
        )],
        why: "the writer comes in beside the readers",
        expect: Caught(&["lock::meet::a_reader_of_the_whole_or_a_writer"]),
    },
    Mutant {
        name: "write-drains-before-it-takes",
        file: "lock.rs",
        edits: &[(
            "        if !self.take_word(world, me, block, patience)? {\n            return Ok(false);\n        }\n        let drained = drain(world, me, block, patience.until_ns);",
            "        let drained = drain(world, me, block, patience.until_ns);\n        if !self.take_word(world, me, block, patience)? {\n            return Ok(false);\n        }",
        )],
        why: "a reader comes in between the two",
        expect: Caught(&["lock::meet::a_reader_of_the_whole_or_a_writer"]),
    },
    Mutant {
        name: "write-by-plain-store",
        file: "lock.rs",
        edits: &[(
            "wr.compare_exchange(free, mine, SeqCst, Relaxed)",
            "{\n            let seen = wr.load(Relaxed);\n            if seen == free { wr.store(mine, SeqCst) }\n            if seen == free { Ok(seen) } else { Err(seen) }\n        }",
        )],
        why: "two have the block",
        expect: Caught(&["lock::meet::two_writers_come_one_after_the_other"]),
    },
    Mutant {
        name: "drain-gives-up-and-keeps-the-word",
        file: "lock.rs",
        edits: &[(
            "        if !matches!(drained, Ok(true)) {\n            self.release(world, block)?;\n        }\n",
            "",
        )],
        why: "a writer that gave up is never found to be gone",
        expect: Caught(&["lock::meet::a_writer_that_gives_up_leaves_nothing"]),
    },
    Mutant {
        name: "write-gives-up-and-keeps-the-first",
        file: "lock.rs",
        edits: &[("                (span.first..block).try_for_each(|block| self.release(world, block))?;\n", "")],
        why: "a block that was taken before the one that could not be had is never free again",
        expect: Caught(&["lock::meet::a_writer_that_gives_up_leaves_nothing"]),
    },
    Mutant {
        name: "odd-before-the-drain",
        file: "lock.rs",
        edits: &[(
            "        let drained = drain(world, me, block, patience.until_ns);",
            "        begin(&words(world, block)?);\n        let drained = drain(world, me, block, patience.until_ns);",
        )],
        why: "a writer that gave up, and one that was killed while it waited, leaves poison where nothing was touched",
        expect: Caught(&["lock::meet::a_writer_that_gives_up_leaves_nothing"]),
    },
    Mutant {
        name: "turn-counts-as-an-owner",
        file: "lock.rs",
        edits: &[("Tag::from_bits(bits).participant().is_none()", "bits == 0")],
        why: "a turn that nobody takes keeps everyone out",
        expect: Caught(&["lock::turn::a_turn_left_behind_keeps_nobody_out"]),
    },
    Mutant {
        name: "turn-is-obeyed-for-ever",
        file: "lock.rs",
        edits: &[("                free = seen;\n", "")],
        why: "a turn that nobody takes keeps writers out",
        expect: Caught(&["lock::turn::a_turn_left_behind_keeps_nobody_out"]),
    },
    Mutant {
        name: "turn-is-not-passed-on",
        file: "lock.rs",
        edits: &[("if old & TURN != 0 {", "if false {")],
        why: "who starved has no turn",
        expect: Caught(&["lock::turn::a_turn_left_behind_keeps_nobody_out"]),
    },
    Mutant {
        name: "turn-is-not-taken-back",
        file: "lock.rs",
        edits: &[("                    had_turn(world, span)?;", "                    _ = had_turn::<W>;")],
        why: "newcomers give way to somebody who is in",
        expect: Caught(&["lock::turn::a_reader_takes_its_turn_back"]),
    },
    Mutant {
        name: "turn-forgets-what-was-written",
        file: "lock.rs",
        edits: &[("_ = wr.compare_exchange(0, TURN, Relaxed, Relaxed);", "wr.store(TURN, Relaxed);")],
        why: "whoever finds the turn does not find what was written, or the next owner is wiped away",
        expect: Caught(&[
            "lock::turn::a_reader_takes_its_turn_back",
            "lock::turn::a_newcomer_and_a_writer_that_starves",
        ]),
    },
    Mutant {
        name: "end-write-before-even",
        file: "lock.rs",
        edits: &[(
            "            seq.store(seq.load(Relaxed) + 1, Release);\n            self.release(world, block)?;",
            "            self.release(world, block)?;\n            seq.store(seq.load(Relaxed) + 1, Release);",
        )],
        why: "who is killed between the two leaves a block that is free and odd",
        expect: Caught(&["lock::doom::a_writer_is_killed_and_a_reader_comes"]),
    },
    Mutant {
        name: "end-write-even-relaxed",
        file: "lock.rs",
        edits: &[("seq.store(seq.load(Relaxed) + 1, Release);", "seq.store(seq.load(Relaxed) + 1, Relaxed);")],
        why: "the end of the write is seen, and its bytes are not",
        expect: Caught(&["copy::a_copy_is_of_one_moment"]),
    },
    Mutant {
        name: "end-write-poison-after-even",
        file: "lock.rs",
        edits: &[(
            "            if has_failed {\n                poison.store(1, Relaxed);\n            }\n            seq.store(seq.load(Relaxed) + 1, Release);\n",
            "            seq.store(seq.load(Relaxed) + 1, Release);\n            if has_failed {\n                poison.store(1, Relaxed);\n            }\n",
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
        name: "release-relaxed",
        file: "lock.rs",
        edits: &[("let old = wr.swap(0, SeqCst);", "let old = wr.swap(0, Relaxed);")],
        why: "the word is found free, and what was written is not found",
        expect: Caught(&[
            "lock::meet::a_reader_of_the_whole_or_a_writer",
            "lock::meet::two_writers_come_one_after_the_other",
        ]),
    },
    Mutant {
        name: "release-not-seqcst",
        file: "lock.rs",
        edits: &[("let old = wr.swap(0, SeqCst);", "let old = wr.swap(0, AcqRel);")],
        why: "the writer may see nobody wait while the waiter sees the old number",
        expect: Caught(&["lock::wake::a_write_wakes_who_waits_for_a_change"]),
    },
    Mutant {
        name: "release-by-load-and-store",
        file: "lock.rs",
        edits: &[("let old = wr.swap(0, SeqCst);", "let old = wr.load(Relaxed);\n        wr.store(0, SeqCst);")],
        why: "who begins to wait between the two is wiped away unseen",
        expect: Caught(&["lock::wake::a_writer_that_leaves_wakes_the_reader"]),
    },
    Mutant {
        name: "release-wakes-first",
        file: "lock.rs",
        edits: &[
            (
                "let old = wr.swap(0, SeqCst);",
                "let old = wr.load(SeqCst);\n        if old & WAITERS != 0 {\n            world.wake_all(wr);\n        }\n        wr.swap(0, SeqCst);",
            ),
            (
                "            world.wake_all(wr);\n        }\n        Ok(())\n    }\n\n    fn set_writes",
                "        }\n        Ok(())\n    }\n\n    fn set_writes",
            ),
        ],
        why: "the woken find the word still taken, and sleep",
        expect: Caught(&["lock::wake::a_writer_that_leaves_wakes_the_reader"]),
    },
    Mutant {
        name: "release-wakes-nobody",
        file: "lock.rs",
        edits: &[(
            "        if old & WAITERS != 0 {\n            if old & TURN",
            "        if false {\n            if old & TURN",
        )],
        why: "who waits for the writer sleeps on",
        expect: Caught(&["lock::wake::a_writer_that_leaves_wakes_the_reader"]),
    },
    Mutant {
        name: "wait-does-not-say-so",
        file: "lock.rs",
        edits: &[("let armed = seen | WAITERS | if", "let armed = seen | if")],
        why: "nobody knows that somebody waits for the writer",
        expect: Caught(&[
            "lock::wake::a_writer_that_leaves_wakes_the_reader",
            "lock::wake::a_writer_that_leaves_wakes_everyone",
        ]),
    },
    Mutant {
        name: "wait-never-recovers",
        file: "lock.rs",
        edits: &[("if participant::recover_owner(world, wr, owner)? {", "if false {")],
        why: "a dead writer keeps its block",
        expect: Caught(&["lock::doom::a_writer_is_killed_and_a_reader_comes"]),
    },
    Mutant {
        name: "drain-never-recovers",
        file: "lock.rs",
        edits: &[("let is_dead = reader != me.index &&", "let is_dead = false && reader != me.index &&")],
        why: "a dead reader keeps its block",
        expect: Caught(&["lock::doom::a_reader_is_killed_and_a_writer_comes"]),
    },
    Mutant {
        name: "abandon-poisons-nothing",
        file: "lock.rs",
        edits: &[(
            "            block.poison.store(1, Relaxed);\n            block.seq.store(seq + 1, Release);",
            "            block.seq.store(seq + 1, Release);",
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
            "            block.poison.store(1, Relaxed);\n            block.seq.store(seq + 1, Release);",
            "            block.seq.store(seq + 1, Release);\n            block.poison.store(1, Relaxed);",
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
        edits: &[("block.seq.store(seq + 1, Release);", "block.seq.store(seq + 1, Relaxed);")],
        why: "who copies sees an even number and no poison",
        expect: Caught(&["copy::a_copy_of_a_dead_writers_block_is_poisoned"]),
    },
    Mutant {
        name: "abandon-leaves-it-odd",
        file: "lock.rs",
        edits: &[("            block.seq.store(seq + 1, Release);\n", "")],
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
            ("seq.store(seq.load(Relaxed) + 1, Release);", "seq.store((seq.load(Relaxed) | 1) + 1, Release);"),
        ],
        why: "who copies two blocks takes one of them from another moment",
        expect: Caught(&["copy::a_copy_of_two_blocks_is_of_one_moment"]),
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
