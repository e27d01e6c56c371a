//! The lock of blocks: who comes in, who waits, who gives up.

use super::Expect::Caught;
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
            "wr.compare_exchange(free, me.tag().to_bits(), SeqCst, Relaxed)",
            "wr.compare_exchange(free, me.tag().to_bits(), AcqRel, Relaxed)",
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
            "wr.compare_exchange(free, me.tag().to_bits(), SeqCst, Relaxed)",
            "wr.compare_exchange(free, me.tag().to_bits(), Acquire, Relaxed)",
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
            "wr.compare_exchange(free, me.tag().to_bits(), SeqCst, Relaxed)",
            "{\n            let seen = wr.load(Relaxed);\n            if seen == free { wr.store(me.tag().to_bits(), SeqCst) }\n            if seen == free { Ok(seen) } else { Err(seen) }\n        }",
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
        edits: &[("{ 0 } else { seen }))", "{ 0 } else { 0 }))")],
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
        name: "turn-by-plain-store",
        file: "lock.rs",
        edits: &[("_ = wr.compare_exchange(0, TURN, Relaxed, Relaxed);", "wr.store(TURN, Relaxed);")],
        why: "who took the word meanwhile is wiped away",
        expect: Caught(&["lock::turn::a_newcomer_and_a_writer_that_starves"]),
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
            ("    }\n    world.wake_all(wr);\n}", "    }\n}"),
        ],
        why: "the woken find the word still taken, and sleep",
        expect: Caught(&["lock::wake::a_writer_that_leaves_wakes_the_reader"]),
    },
    Mutant {
        name: "release-wakes-nobody",
        file: "lock.rs",
        edits: &[(
            "        if old & WAITERS != 0 {\n            wake_waiters",
            "        if false {\n            wake_waiters",
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
];
