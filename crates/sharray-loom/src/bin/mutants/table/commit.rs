//! Durable commits, and what the producer leaves alone for them.

use super::Expect::{Caught, Spared};
use super::Mutant;

const BOTH: &[&str] = &["commit::what_is_committed_stays", "commit::what_was_pending_stays"];

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "commit-held-by-nothing-but-pins",
        file: "producer.rs",
        edits: &[("    held || [world.pending(), world.durable()]", "    held || [world.pending(); 0]")],
        why: "the producer overwrites what the disk names",
        expect: Caught(BOTH),
    },
    Mutant {
        name: "commit-held-words-before-pins",
        file: "producer.rs",
        edits: &[
            (
                "    let held = participant::find(",
                "    let held = [world.pending(), world.durable()].into_iter().any(|word| {\n        let commit = \
                 Descriptor::from_bits(word.load(SeqCst));\n        commit.seq != 0 && commit.slot == slot\n    }) || \
                 participant::find(",
            ),
            ("    held || [world.pending(), world.durable()]", "    held || [world.pending(); 0]"),
        ],
        why: "the frame is not durable yet when the producer looks, and not pinned any more when it looks there",
        expect: Caught(&["commit::what_is_committed_stays"]),
    },
    Mutant {
        name: "commit-held-durable-before-pending",
        file: "producer.rs",
        edits: &[("[world.pending(), world.durable()]", "[world.durable(), world.pending()]")],
        why: "the frame is not durable yet when the producer looks, and not pending any more when it looks there",
        expect: Caught(&["commit::what_was_pending_stays"]),
    },
    Mutant {
        name: "commit-held-pending-relaxed",
        file: "producer.rs",
        edits: &[(
            "let commit = Descriptor::from_bits(word.load(Acquire));",
            "let commit = Descriptor::from_bits(word.load(Relaxed));",
        )],
        why: "the frame is seen to be pending no more, and not seen to be durable",
        expect: Caught(&["commit::what_was_pending_stays"]),
    },
    Mutant {
        name: "commit-pending-cleared-first",
        file: "commit.rs",
        edits: &[(
            "    world.durable().store(frame.to_bits(), Release);\n    world.pending().store(0, Release);",
            "    world.pending().store(0, Release);\n    world.durable().store(frame.to_bits(), Release);",
        )],
        why: "for a moment neither word names the frame that the disk names",
        expect: Caught(&["commit::what_was_pending_stays"]),
    },
    Mutant {
        name: "commit-pending-cleared-relaxed",
        file: "commit.rs",
        edits: &[(
            "world.durable().store(frame.to_bits(), Release);\n    world.pending().store(0, Release);",
            "world.durable().store(frame.to_bits(), Release);\n    world.pending().store(0, Relaxed);",
        )],
        why: "the frame is seen to be pending no more, and not seen to be durable",
        expect: Caught(&["commit::what_was_pending_stays"]),
    },
    Mutant {
        name: "commit-durable-relaxed",
        file: "commit.rs",
        edits: &[(
            "world.durable().store(frame.to_bits(), Release);",
            "world.durable().store(frame.to_bits(), Relaxed);",
        )],
        why: "what comes after it, pending cleared or the pin, is stored by release: whoever sees that sees it",
        expect: Spared(BOTH),
    },
    Mutant {
        name: "commit-not-durable",
        file: "commit.rs",
        edits: &[("    world.durable().store(frame.to_bits(), Release);\n", "")],
        why: "the word does not name what the disk names",
        expect: Caught(BOTH),
    },
    Mutant {
        name: "commit-older-after-newer",
        file: "commit.rs",
        edits: &[("if durable(world).seq >= frame.seq {", "if durable(world) == frame {")],
        why: "the disk has an older frame than the one that was confirmed",
        expect: Caught(&["commit::what_was_begun_is_finished_first"]),
    },
    Mutant {
        name: "commit-left-unfinished",
        file: "commit.rs",
        edits: &[("    finish(world, disk)?;\n", "")],
        why: "what a dead process began stays pending for ever",
        expect: Caught(&["commit::what_was_begun_is_finished_first"]),
    },
];
