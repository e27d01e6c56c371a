//! The reading side of a stream.

use super::Expect::{Caught, Spared};
use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "pin-store-not-seqcst",
        file: "consumer.rs",
        edits: &[("pin.store(frame.slot + 1, SeqCst);", "pin.store(frame.slot + 1, Release);")],
        why: "the producer may not see the pin while the reader sees the old version",
        expect: Caught(&["pin::a_slot_is_pinned_or_overwritten"]),
    },
    Mutant {
        name: "pin-ver-load-not-seqcst",
        file: "consumer.rs",
        edits: &[("if ver.load(SeqCst) == complete(frame.seq) {", "if ver.load(Acquire) == complete(frame.seq) {")],
        why: "the reader may see the old version while the producer sees no pin",
        expect: Caught(&["pin::a_slot_is_pinned_or_overwritten"]),
    },
    Mutant {
        name: "pin-not-checked-again",
        file: "consumer.rs",
        edits: &[("if ver.load(SeqCst) == complete(frame.seq) {", "if ver.load(SeqCst) > 0 {")],
        why: "the slot was given out before the pin",
        expect: Caught(&["pin::a_slot_is_pinned_or_overwritten"]),
    },
    Mutant {
        name: "pin-checked-before-it-is-set",
        file: "consumer.rs",
        edits: &[(
            "pin.store(frame.slot + 1, SeqCst);\n    if ver.load(SeqCst) == complete(frame.seq) {\n",
            "let is_there = ver.load(SeqCst) == complete(frame.seq);\n    pin.store(frame.slot + 1, SeqCst);\n    if is_there {\n",
        )],
        why: "the slot may be given out between the check and the pin",
        expect: Caught(&["pin::a_slot_is_pinned_or_overwritten"]),
    },
    Mutant {
        name: "unpin-relaxed",
        file: "consumer.rs",
        edits: &[("pin.store(0, Release);\n    if world.room()", "pin.store(0, Relaxed);\n    if world.room()")],
        why: "new bytes may be written before the reader's last look",
        expect: Caught(&["pin::a_slot_is_pinned_or_overwritten"]),
    },
    Mutant {
        name: "copy-first-fence-dropped",
        file: "consumer.rs",
        edits: &[("W::fence(Acquire);\n    let copied = copy", "let copied = copy")],
        why: "the copy may be of bytes from before the publish",
        expect: Caught(&["pin::a_copy_by_number_has_its_bytes"]),
    },
    Mutant {
        name: "copy-second-fence-dropped",
        file: "consumer.rs",
        edits: &[(
            "let copied = copy(frame.slot, &|| ver.load(Relaxed) == complete(seq));\n    W::fence(Acquire);",
            "let copied = copy(frame.slot, &|| ver.load(Relaxed) == complete(seq));",
        )],
        why: "the second look at the version may come before the copy",
        expect: Caught(&["pin::a_copy_is_whole_or_none"]),
    },
    Mutant {
        name: "copy-not-checked-again",
        file: "consumer.rs",
        edits: &[("Ok((ver.load(Relaxed) == complete(seq)).then_some(copied))", "Ok(Some(copied))")],
        why: "the slot was overwritten during the copy",
        expect: Caught(&["pin::a_copy_is_whole_or_none"]),
    },
    Mutant {
        name: "newest-fence-dropped",
        file: "consumer.rs",
        edits: &[("world.head().load(Relaxed));\n    W::fence(Acquire);", "world.head().load(Relaxed));")],
        why: "head is seen, and what it names is not",
        expect: Caught(&["order::what_is_announced_is_there"]),
    },
    Mutant {
        name: "ring-load-relaxed",
        file: "consumer.rs",
        edits: &[(
            "world.desc(seq).load(Acquire));\n    let pinned",
            "world.desc(seq).load(Relaxed));\n    let pinned",
        )],
        why: "pin goes on to read ver by acquire",
        expect: Spared(&[
            "pin::a_frame_comes_with_its_bytes",
            "pin::a_slot_is_pinned_or_overwritten",
            "order::what_is_announced_is_there",
        ]),
    },
    Mutant {
        name: "join-cursor-store-not-seqcst",
        file: "consumer.rs",
        edits: &[(
            "record.cursor.store(cursor::active(next), SeqCst);",
            "record.cursor.store(cursor::active(next), Release);",
        )],
        why: "the gate may not see the cursor while the consumer sees the old intent",
        expect: Caught(&["order::the_gate_sees_the_consumer_or_it_sees_the_gate"]),
    },
    Mutant {
        name: "join-intent-load-not-seqcst",
        file: "consumer.rs",
        edits: &[("world.intent().load(SeqCst)", "world.intent().load(Acquire)")],
        why: "the consumer may see the old intent while the gate sees no cursor",
        expect: Caught(&["order::the_gate_sees_the_consumer_or_it_sees_the_gate"]),
    },
    Mutant {
        name: "join-without-intent",
        file: "consumer.rs",
        edits: &[("let intent = world.intent().load(SeqCst);", "let intent = 0_u64;")],
        why: "the consumer joins at a frame that is already being overwritten",
        expect: Caught(&["order::the_gate_sees_the_consumer_or_it_sees_the_gate"]),
    },
    Mutant {
        name: "cursor-moved-before-the-pin",
        file: "consumer.rs",
        edits: &[(
            "        let pinned = pin_at(world, me, entry, self.next)?;\n        let moved = pinned.is_some()\n            && record\n                .cursor\n                .compare_exchange(cursor::active(self.next), cursor::active(self.next + 1), SeqCst, SeqCst)\n                .is_ok();\n",
            "        let moved = record\n            .cursor\n            .compare_exchange(cursor::active(self.next), cursor::active(self.next + 1), SeqCst, SeqCst)\n            .is_ok();\n        let pinned = pin_at(world, me, entry, self.next)?;\n",
        )],
        why: "between the two nothing protects the frame",
        expect: Caught(&["order::a_consumer_moves_on_under_the_producers_eyes"]),
    },
    Mutant {
        name: "advance-reads-without-pin",
        file: "consumer.rs",
        edits: &[(
            "let pinned = pin_at(world, me, entry, self.next)?;",
            "let pinned = Some(Descriptor::from_bits(world.desc(self.next).load(Acquire)));",
        )],
        why: "an evicted consumer reads a frame that is being overwritten",
        expect: Caught(&["order::an_evicted_consumer_is_told"]),
    },
    Mutant {
        name: "lossy-jumps-too-far",
        file: "consumer.rs",
        edits: &[("(head + 2).saturating_sub", "(head + 3).saturating_sub")],
        why: "a frame that is still there is counted as missed",
        expect: Caught(&["order::a_lossy_consumer_has_what_is_there"]),
    },
    Mutant {
        name: "lossy-forgets-a-lost-frame",
        file: "consumer.rs",
        edits: &[("            self.missed += 1;\n", "")],
        why: "a frame lost while it was pinned is not counted",
        expect: Caught(&["order::a_lossy_consumer_counts_what_it_missed"]),
    },
    Mutant {
        name: "consumer-leaves-after-notify",
        file: "consumer.rs",
        edits: &[(
            "        me.record(world)?.cursor.store(0, Release);\n        notify::notify(world, world.room());",
            "        notify::notify(world, world.room());\n        me.record(world)?.cursor.store(0, Release);",
        )],
        why: "the producer looks while the cursor still stands, and sleeps",
        expect: Caught(&["wake::leaving_wakes_the_producer"]),
    },
    Mutant {
        name: "unpin-tests-first",
        file: "consumer.rs",
        edits: &[(
            "    pin.store(0, Release);\n    if world.room().load(Relaxed) & notify::WAITING != 0 {\n        notify::notify(world, world.room());\n    }",
            "    if world.room().load(Relaxed) & notify::WAITING != 0 {\n        notify::notify(world, world.room());\n    }\n    pin.store(0, Release);",
        )],
        why: "the wake may come before the slot is free; a slice makes up for that as it does for the missing barrier",
        expect: Spared(&["wake::a_slice_makes_up_for_an_overlooked_producer"]),
    },
];
