//! The lock of blocks: readers that leave, writers that wait for them, threads that share a pin.

use super::Expect::{Caught, Spared};
use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "end-read-whole-not-seqcst",
        file: "lock.rs",
        edits: &[("record.holds.fetch_sub(1, SeqCst);", "record.holds.fetch_sub(1, AcqRel);")],
        why: "the reader may see nobody wait while the writer still sees the reader",
        expect: Caught(&["lock::wake::a_reader_that_leaves_wakes_the_writer"]),
    },
    Mutant {
        name: "end-read-whole-relaxed",
        file: "lock.rs",
        edits: &[("record.holds.fetch_sub(1, SeqCst);", "record.holds.fetch_sub(1, Relaxed);")],
        why: "the writer may write before the last look of the reader",
        expect: Caught(&["lock::meet::a_reader_of_the_whole_or_a_writer"]),
    },
    Mutant {
        name: "end-read-block-not-seqcst",
        file: "lock.rs",
        edits: &[(
            ".store(0, SeqCst);\n            word.store(0, Release);",
            ".store(0, Release);\n            word.store(0, Release);",
        )],
        why: "the reader may see nobody wait while the writer still sees the pin",
        expect: Caught(&["lock::wake::a_reader_of_a_block_that_leaves_wakes_the_writer"]),
    },
    Mutant {
        name: "end-read-block-relaxed",
        file: "lock.rs",
        edits: &[(
            ".store(0, SeqCst);\n            word.store(0, Release);",
            ".store(0, Relaxed);\n            word.store(0, Release);",
        )],
        why: "the writer may write before the last look of the reader",
        expect: Caught(&["lock::meet::a_reader_of_a_block_or_a_writer"]),
    },
    Mutant {
        name: "end-read-look-not-seqcst",
        file: "lock.rs",
        edits: &[("if block.wr.load(SeqCst) & DRAIN != 0 {", "if block.wr.load(Acquire) & DRAIN != 0 {")],
        why: "the reader may see nobody wait while the writer still sees the reader",
        expect: Caught(&["lock::wake::a_reader_that_leaves_wakes_the_writer"]),
    },
    Mutant {
        name: "end-read-looks-first",
        file: "lock.rs",
        edits: &[
            (
                "        let is_gone = match place {",
                "        wake_writers(world, span)?;\n        let is_gone = match place {",
            ),
            ("if is_gone { wake_writers(world, span) } else { Ok(()) }", "_ = is_gone;\n        Ok(())"),
        ],
        why: "the woken writer finds the reader still there, and sleeps",
        expect: Caught(&["lock::wake::a_reader_that_leaves_wakes_the_writer"]),
    },
    Mutant {
        name: "end-read-wakes-nobody",
        file: "lock.rs",
        edits: &[("if is_gone { wake_writers(world, span) } else { Ok(()) }", "_ = is_gone;\n        Ok(())")],
        why: "a writer sleeps on though its readers are gone",
        expect: Caught(&[
            "lock::wake::a_reader_that_leaves_wakes_the_writer",
            "lock::wake::a_reader_of_a_block_that_leaves_wakes_the_writer",
        ]),
    },
    Mutant {
        name: "end-read-counts-nothing",
        file: "lock.rs",
        edits: &[("    block.drain.fetch_add(1, Release);\n", "")],
        why: "the writer falls asleep after the wake",
        expect: Caught(&["lock::wake::a_reader_that_leaves_wakes_the_writer"]),
    },
    Mutant {
        name: "end-read-counts-after-the-wake",
        file: "lock.rs",
        edits: &[(
            "    block.drain.fetch_add(1, Release);\n    world.wake_all(block.drain);",
            "    world.wake_all(block.drain);\n    block.drain.fetch_add(1, Release);",
        )],
        why: "the writer falls asleep between the two",
        expect: Caught(&["lock::wake::a_reader_that_leaves_wakes_the_writer"]),
    },
    Mutant {
        name: "end-read-calls-nobody",
        file: "lock.rs",
        edits: &[(
            "    block.drain.fetch_add(1, Release);\n    world.wake_all(block.drain);",
            "    block.drain.fetch_add(1, Release);",
        )],
        why: "a writer sleeps on though its readers are gone",
        expect: Caught(&["lock::wake::a_reader_that_leaves_wakes_the_writer"]),
    },
    Mutant {
        name: "end-read-count-relaxed",
        file: "lock.rs",
        edits: &[("drain.fetch_add(1, Release);", "drain.fetch_add(1, Relaxed);")],
        why: "it keeps the announcement before the count for a writer that reads the two in turn; loom lets no load see what is stored later, so it cannot show the harm",
        expect: Spared(&[
            "lock::wake::a_reader_that_leaves_wakes_the_writer",
            "lock::wake::a_reader_of_a_block_that_leaves_wakes_the_writer",
        ]),
    },
    Mutant {
        name: "drain-does-not-say-so",
        file: "lock.rs",
        edits: &[("        wr.fetch_or(DRAIN, SeqCst);\n", "")],
        why: "nobody knows that the writer waits",
        expect: Caught(&[
            "lock::wake::a_reader_that_leaves_wakes_the_writer",
            "lock::wake::a_reader_of_a_block_that_leaves_wakes_the_writer",
        ]),
    },
    Mutant {
        name: "drain-says-so-not-seqcst",
        file: "lock.rs",
        edits: &[("wr.fetch_or(DRAIN, SeqCst);", "wr.fetch_or(DRAIN, AcqRel);")],
        why: "the writer may see the reader while the reader sees nobody wait",
        expect: Caught(&["lock::wake::a_reader_that_leaves_wakes_the_writer"]),
    },
    Mutant {
        name: "drain-does-not-look-again",
        file: "lock.rs",
        edits: &[(
            "        if reader_of(world, block).is_some() {\n            world.sleep(drain",
            "        if true {\n            world.sleep(drain",
        )],
        why: "a reader that left before it could see the flag wakes nobody",
        expect: Caught(&["lock::wake::a_reader_that_leaves_wakes_the_writer"]),
    },
    Mutant {
        name: "drain-reads-the-count-last",
        file: "lock.rs",
        edits: &[("world.sleep(drain, seen, ", "_ = seen;\n            world.sleep(drain, drain.load(Relaxed), ")],
        why: "the count is of after the wake that the writer waits for",
        expect: Caught(&["lock::wake::a_reader_that_leaves_wakes_the_writer"]),
    },
    Mutant {
        name: "drain-count-load-relaxed",
        file: "lock.rs",
        edits: &[("let seen = drain.load(Acquire);", "let seen = drain.load(Relaxed);")],
        why: "it keeps the count before the second look, as drain-reads-the-count-last shows; loom lets no load see what is stored later, so it cannot show the harm",
        expect: Spared(&[
            "lock::wake::a_reader_that_leaves_wakes_the_writer",
            "lock::wake::a_reader_of_a_block_that_leaves_wakes_the_writer",
        ]),
    },
    Mutant {
        name: "drain-keeps-its-flag",
        file: "lock.rs",
        edits: &[("        wr.fetch_and(!DRAIN, Relaxed);\n", "")],
        why: "giving up the word clears it as well: readers that step back meanwhile wake a writer that is awake",
        expect: Spared(&[
            "lock::wake::a_reader_that_leaves_wakes_the_writer",
            "lock::wake::a_reader_of_a_block_that_leaves_wakes_the_writer",
            "lock::meet::a_reader_and_a_writer_both_get_in",
            "lock::meet::a_writer_that_gives_up_leaves_nothing",
        ]),
    },
    Mutant {
        name: "drain-passes-over-its-own-attach",
        file: "lock.rs",
        edits: &[(
            "let Some(reader) = reader_of(world, block) else",
            "let Some(reader) = reader_of(world, block).filter(|reader| *reader != me.index) else",
        )],
        why: "a writer comes in beside a reader of its own process",
        expect: Caught(&["lock::share::a_writer_waits_for_a_reader_of_the_same_attach"]),
    },
    Mutant {
        name: "join-stores-no-pin",
        file: "lock.rs",
        edits: &[(
            "        record.pins.get(entry).ok_or(NO_ENTRY)?.store(span.to_bits(), SeqCst);",
            "        if self.entry(entry)?.load(Relaxed) & 0xffff_ffff == 1 {\n            record.pins.get(entry).ok_or(NO_ENTRY)?.store(span.to_bits(), SeqCst);\n        }",
        )],
        why: "the thread that joins is in before the one that has the entry has said so",
        expect: Caught(&["lock::share::two_threads_announce_themselves_at_once"]),
    },
    Mutant {
        name: "join-what-is-closing",
        file: "lock.rs",
        edits: &[("while seen > told &&", "while seen >= told &&")],
        why: "the pin is cleared under the feet of the thread that joined",
        expect: Caught(&["lock::share::a_thread_joins_an_entry_that_another_leaves"]),
    },
    Mutant {
        name: "join-any-span",
        file: "lock.rs",
        edits: &[("while seen > told && seen >> 32 == told >> 32 {", "while seen > 0 {")],
        why: "a guard stands on the pin of another block",
        expect: Caught(&["lock::share::a_thread_takes_an_entry_that_another_leaves"]),
    },
    Mutant {
        name: "leave-frees-the-entry-first",
        file: "lock.rs",
        edits: &[(
            "            record.pins.get(entry).ok_or(NO_ENTRY)?.store(0, SeqCst);\n            word.store(0, Release);",
            "            word.store(0, Release);\n            record.pins.get(entry).ok_or(NO_ENTRY)?.store(0, SeqCst);",
        )],
        why: "it clears the pin of the thread that took the entry next",
        expect: Caught(&["lock::share::a_thread_takes_an_entry_that_another_leaves"]),
    },
    Mutant {
        name: "leave-clears-for-everyone",
        file: "lock.rs",
        edits: &[("let is_last = seen & 0xffff_ffff == 1;", "let is_last = true;")],
        why: "the pin is cleared while another guard stands on it",
        expect: Caught(&[
            "lock::share::a_thread_joins_an_entry_that_another_leaves",
            "lock::share::a_nested_guard_of_a_block_is_waited_for",
        ]),
    },
    Mutant {
        name: "leave-entry-relaxed",
        file: "lock.rs",
        edits: &[(
            "word.compare_exchange(seen, seen - 1, AcqRel, Relaxed)",
            "word.compare_exchange(seen, seen - 1, Relaxed, Relaxed)",
        )],
        why: "the last of two threads lets the writer in before the last look of the other",
        expect: Caught(&["lock::share::a_thread_joins_an_entry_that_another_leaves"]),
    },
    Mutant {
        name: "join-relaxed",
        file: "lock.rs",
        edits: &[(
            "word.compare_exchange(seen, seen + 1, AcqRel, Relaxed)",
            "word.compare_exchange(seen, seen + 1, Relaxed, Relaxed)",
        )],
        why: "who joins stores the pin and looks for the writer itself",
        expect: Spared(&[
            "lock::share::a_thread_joins_an_entry_that_another_leaves",
            "lock::share::two_threads_announce_themselves_at_once",
        ]),
    },
    Mutant {
        name: "take-entry-relaxed",
        file: "lock.rs",
        edits: &[(
            "word.compare_exchange(0, told + 1, AcqRel, Relaxed)",
            "word.compare_exchange(0, told + 1, Relaxed, Relaxed)",
        )],
        why: "the own pin may come before the zero of the thread that had the entry, and be lost",
        expect: Caught(&[
            "lock::share::a_thread_takes_an_entry_that_another_leaves",
            "lock::share::two_threads_announce_themselves_at_once",
        ]),
    },
    Mutant {
        name: "free-entry-relaxed",
        file: "lock.rs",
        edits: &[(
            "            word.store(0, Release);\n        }\n        Ok(is_last)",
            "            word.store(0, Relaxed);\n        }\n        Ok(is_last)",
        )],
        why: "the same from the other side",
        expect: Caught(&[
            "lock::share::a_thread_takes_an_entry_that_another_leaves",
            "lock::share::two_threads_announce_themselves_at_once",
        ]),
    },
    Mutant {
        name: "nest-of-the-whole-counts-nothing",
        file: "lock.rs",
        edits: &[("Place::Whole => _ = me.record(world)?.holds.fetch_add(1, Relaxed),", "Place::Whole => {}")],
        why: "the writer comes in when the first of two guards is dropped",
        expect: Caught(&["lock::share::a_nested_guard_of_the_whole_is_waited_for"]),
    },
    Mutant {
        name: "nest-of-a-block-counts-nothing",
        file: "lock.rs",
        edits: &[(
            "Place::Entry(entry) => _ = self.entry(entry.into())?.fetch_add(1, Relaxed),",
            "Place::Entry(_) => {}",
        )],
        why: "the writer comes in when the first of two guards is dropped",
        expect: Caught(&["lock::share::a_nested_guard_of_a_block_is_waited_for"]),
    },
];
