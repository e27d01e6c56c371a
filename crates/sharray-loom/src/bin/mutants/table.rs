//! The mutants: what is changed, why that matters, and which models must notice.

/// A change of the protocol's source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    /// Under `src/protocol`.
    pub(crate) file: &'static str,
    /// Each text, found exactly once, and what takes its place.
    pub(crate) edits: &'static [(&'static str, &'static str)],
    /// What goes wrong then; of one that is spared, why nothing does.
    pub(crate) why: &'static str,
    pub(crate) expect: Expect,
}

/// What becomes of a mutant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expect {
    /// Each of these models fails.
    Caught(&'static [&'static str]),
    /// Each of these models passes: the change is harmless, as far as anyone knows.
    Spared(&'static [&'static str]),
}

impl Expect {
    pub(crate) fn models(&self) -> &'static [&'static str] {
        match self {
            Self::Caught(models) | Self::Spared(models) => models,
        }
    }
}

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "pin-store-not-seqcst",
        file: "consumer.rs",
        edits: &[("pin.store(frame.slot + 1, SeqCst);", "pin.store(frame.slot + 1, Release);")],
        why: "the producer may not see the pin while the reader sees the old version",
        expect: Expect::Caught(&["pin::a_slot_is_pinned_or_overwritten"]),
    },
    Mutant {
        name: "pin-ver-load-not-seqcst",
        file: "consumer.rs",
        edits: &[("if ver.load(SeqCst) == complete(frame.seq) {", "if ver.load(Acquire) == complete(frame.seq) {")],
        why: "the reader may see the old version while the producer sees no pin",
        expect: Expect::Caught(&["pin::a_slot_is_pinned_or_overwritten"]),
    },
    Mutant {
        name: "take-ver-store-not-seqcst",
        file: "producer.rs",
        edits: &[("ver.store(writing(seq), SeqCst);", "ver.store(writing(seq), Release);")],
        why: "the reader may not see the odd version while the producer sees no pin",
        expect: Expect::Caught(&["pin::a_slot_is_pinned_or_overwritten"]),
    },
    Mutant {
        name: "held-pins-load-not-seqcst",
        file: "producer.rs",
        edits: &[("pin.load(SeqCst) == slot + 1", "pin.load(Acquire) == slot + 1")],
        why: "the producer may see no pin while the reader sees the old version",
        expect: Expect::Caught(&["pin::a_slot_is_pinned_or_overwritten"]),
    },
    Mutant {
        name: "held-pins-load-relaxed",
        file: "producer.rs",
        edits: &[("pin.load(SeqCst) == slot + 1", "pin.load(Relaxed) == slot + 1")],
        why: "the same, and the reader's last look is not before the first new byte",
        expect: Expect::Caught(&["pin::a_slot_is_pinned_or_overwritten"]),
    },
    Mutant {
        name: "pin-not-checked-again",
        file: "consumer.rs",
        edits: &[("if ver.load(SeqCst) == complete(frame.seq) {", "if ver.load(SeqCst) > 0 {")],
        why: "the slot was given out before the pin",
        expect: Expect::Caught(&["pin::a_slot_is_pinned_or_overwritten"]),
    },
    Mutant {
        name: "pin-checked-before-it-is-set",
        file: "consumer.rs",
        edits: &[(
            "pin.store(frame.slot + 1, SeqCst);\n    if ver.load(SeqCst) == complete(frame.seq) {\n",
            "let is_there = ver.load(SeqCst) == complete(frame.seq);\n    pin.store(frame.slot + 1, SeqCst);\n    if is_there {\n",
        )],
        why: "the slot may be given out between the check and the pin",
        expect: Expect::Caught(&["pin::a_slot_is_pinned_or_overwritten"]),
    },
    Mutant {
        name: "take-pins-not-checked-again",
        file: "producer.rs",
        edits: &[("if is_held(world, slot) {\n        // A dead", "if false {\n        // A dead")],
        why: "a pin set between the first scan and the odd version goes unseen",
        expect: Expect::Caught(&["pin::a_slot_is_pinned_or_overwritten"]),
    },
    Mutant {
        name: "take-pins-checked-before-odd",
        file: "producer.rs",
        edits: &[(
            "    ver.store(writing(seq), SeqCst);\n    if is_held(world, slot) {",
            "    let is_held = is_held(world, slot);\n    ver.store(writing(seq), SeqCst);\n    if is_held {",
        )],
        why: "a pin set between the scan and the odd version goes unseen",
        expect: Expect::Caught(&["pin::a_slot_is_pinned_or_overwritten"]),
    },
    Mutant {
        name: "unpin-relaxed",
        file: "consumer.rs",
        edits: &[("pin.store(0, Release);\n    if world.room()", "pin.store(0, Relaxed);\n    if world.room()")],
        why: "new bytes may be written before the reader's last look",
        expect: Expect::Caught(&["pin::a_slot_is_pinned_or_overwritten"]),
    },
    Mutant {
        name: "take-restores-nothing",
        file: "producer.rs",
        edits: &[("ver.store(if old % 2 == 0 { old } else { 0 }, Release);", "_ = old;")],
        why: "a frame that is pinned, and passed over, is lost to everyone else",
        expect: Expect::Caught(&["pin::a_slot_passed_over_keeps_its_frame"]),
    },
    Mutant {
        name: "take-without-first-scan",
        file: "producer.rs",
        edits: &[("    if is_held(world, slot) {\n        return Ok(false);\n    }\n", "")],
        why: "the first scan only spares the second one: nothing depends on it",
        expect: Expect::Spared(&["pin::a_slot_is_pinned_or_overwritten", "pin::a_slot_passed_over_keeps_its_frame"]),
    },
    Mutant {
        name: "take-fence-dropped",
        file: "producer.rs",
        edits: &[("W::fence(Release);\n    Ok(true)", "Ok(true)")],
        why: "who copies may see a new byte and both times the old version",
        expect: Expect::Caught(&["pin::a_copy_is_whole_or_none"]),
    },
    Mutant {
        name: "copy-first-fence-dropped",
        file: "consumer.rs",
        edits: &[("W::fence(Acquire);\n    let copied = copy", "let copied = copy")],
        why: "the copy may be of bytes from before the publish",
        expect: Expect::Caught(&["pin::a_copy_by_number_has_its_bytes"]),
    },
    Mutant {
        name: "copy-second-fence-dropped",
        file: "consumer.rs",
        edits: &[(
            "let copied = copy(frame.slot, &|| ver.load(Relaxed) == complete(seq));\n    W::fence(Acquire);",
            "let copied = copy(frame.slot, &|| ver.load(Relaxed) == complete(seq));",
        )],
        why: "the second look at the version may come before the copy",
        expect: Expect::Caught(&["pin::a_copy_is_whole_or_none"]),
    },
    Mutant {
        name: "copy-not-checked-again",
        file: "consumer.rs",
        edits: &[("Ok((ver.load(Relaxed) == complete(seq)).then_some(copied))", "Ok(Some(copied))")],
        why: "the slot was overwritten during the copy",
        expect: Expect::Caught(&["pin::a_copy_is_whole_or_none"]),
    },
    Mutant {
        name: "newest-fence-dropped",
        file: "consumer.rs",
        edits: &[("world.head().load(Relaxed));\n    W::fence(Acquire);", "world.head().load(Relaxed));")],
        why: "head is seen, and what it names is not",
        expect: Expect::Caught(&["order::what_is_announced_is_there"]),
    },
    Mutant {
        name: "head-relaxed",
        file: "producer.rs",
        edits: &[("world.head().store(frame, Release);", "world.head().store(frame, Relaxed);")],
        why: "head is seen, and what it names is not",
        expect: Expect::Caught(&["order::what_is_announced_is_there"]),
    },
    Mutant {
        name: "head-before-ring",
        file: "producer.rs",
        edits: &[(
            "        world.desc(seq).store(frame, Release);\n        world.head().store(frame, Release);",
            "        world.head().store(frame, Release);\n        world.desc(seq).store(frame, Release);",
        )],
        why: "head is seen, and the ring has no such frame",
        expect: Expect::Caught(&["order::what_is_announced_is_there", "role::a_publish_is_finished_or_never_was"]),
    },
    Mutant {
        name: "ring-before-ver",
        file: "producer.rs",
        edits: &[(
            "        ver(world, slot)?.store(complete(seq), Release);\n        world.desc(seq).store(frame, Release);\n        world.head().store(frame, Release);",
            "        world.desc(seq).store(frame, Release);\n        world.head().store(frame, Release);\n        ver(world, slot)?.store(complete(seq), Release);",
        )],
        why: "head is seen, and its frame is not complete",
        expect: Expect::Caught(&["order::what_is_announced_is_there"]),
    },
    Mutant {
        name: "ver-and-ring-relaxed",
        file: "producer.rs",
        edits: &[
            (".store(complete(seq), Release);", ".store(complete(seq), Relaxed);"),
            ("world.desc(seq).store(frame, Release);", "world.desc(seq).store(frame, Relaxed);"),
        ],
        why: "the frame is seen by number, and its bytes are not",
        expect: Expect::Caught(&["pin::a_frame_comes_with_its_bytes", "pin::a_copy_by_number_has_its_bytes"]),
    },
    Mutant {
        name: "ver-relaxed",
        file: "producer.rs",
        edits: &[(".store(complete(seq), Release);", ".store(complete(seq), Relaxed);")],
        why: "whoever reads ver has read the ring or head by acquire before, and their stores come after it",
        expect: Expect::Spared(&[
            "pin::a_frame_comes_with_its_bytes",
            "pin::a_copy_by_number_has_its_bytes",
            "pin::a_copy_of_the_newest_has_its_bytes",
            "pin::the_newest_frame_is_always_there",
            "order::what_is_announced_is_there",
        ]),
    },
    Mutant {
        name: "ring-relaxed",
        file: "producer.rs",
        edits: &[("world.desc(seq).store(frame, Release);", "world.desc(seq).store(frame, Relaxed);")],
        why: "whoever reads the ring goes on to read ver by acquire",
        expect: Expect::Spared(&[
            "pin::a_frame_comes_with_its_bytes",
            "pin::a_copy_by_number_has_its_bytes",
            "order::what_is_announced_is_there",
        ]),
    },
    Mutant {
        name: "ring-load-relaxed",
        file: "consumer.rs",
        edits: &[(
            "world.desc(seq).load(Acquire));\n    let pinned",
            "world.desc(seq).load(Relaxed));\n    let pinned",
        )],
        why: "pin goes on to read ver by acquire",
        expect: Expect::Spared(&[
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
        expect: Expect::Caught(&["order::the_gate_sees_the_consumer_or_it_sees_the_gate"]),
    },
    Mutant {
        name: "join-intent-load-not-seqcst",
        file: "consumer.rs",
        edits: &[("world.intent().load(SeqCst)", "world.intent().load(Acquire)")],
        why: "the consumer may see the old intent while the gate sees no cursor",
        expect: Expect::Caught(&["order::the_gate_sees_the_consumer_or_it_sees_the_gate"]),
    },
    Mutant {
        name: "join-without-intent",
        file: "consumer.rs",
        edits: &[("let intent = world.intent().load(SeqCst);", "let intent = 0_u64;")],
        why: "the consumer joins at a frame that is already being overwritten",
        expect: Expect::Caught(&["order::the_gate_sees_the_consumer_or_it_sees_the_gate"]),
    },
    Mutant {
        name: "intent-store-not-seqcst",
        file: "producer.rs",
        edits: &[("world.intent().store(seq, SeqCst);", "world.intent().store(seq, Release);")],
        why: "the consumer may not see the intent while the gate sees no cursor",
        expect: Expect::Caught(&["order::the_gate_sees_the_consumer_or_it_sees_the_gate"]),
    },
    Mutant {
        name: "gate-cursor-load-not-seqcst",
        file: "producer.rs",
        edits: &[("let seen = record.cursor.load(SeqCst);", "let seen = record.cursor.load(Acquire);")],
        why: "the gate may see no cursor while the consumer sees the old intent",
        expect: Expect::Caught(&["order::the_gate_sees_the_consumer_or_it_sees_the_gate"]),
    },
    Mutant {
        name: "gate-before-intent",
        file: "producer.rs",
        edits: &[(
            "        world.intent().store(seq, SeqCst);\n        pass_gate(world, seq, evict)?;",
            "        pass_gate(world, seq, evict)?;\n        world.intent().store(seq, SeqCst);",
        )],
        why: "a consumer joins between the gate and the intent, and neither sees the other",
        expect: Expect::Caught(&["order::the_gate_sees_the_consumer_or_it_sees_the_gate"]),
    },
    Mutant {
        name: "gate-dropped",
        file: "producer.rs",
        edits: &[("        pass_gate(world, seq, evict)?;\n", "        _ = pass_gate(world, seq, evict);\n")],
        why: "the producer waits for nobody",
        expect: Expect::Caught(&["order::the_gate_sees_the_consumer_or_it_sees_the_gate"]),
    },
    Mutant {
        name: "cursor-moved-before-the-pin",
        file: "consumer.rs",
        edits: &[(
            "        let pinned = pin_at(world, me, entry, self.next)?;\n        let moved = pinned.is_some()\n            && record\n                .cursor\n                .compare_exchange(cursor::active(self.next), cursor::active(self.next + 1), SeqCst, SeqCst)\n                .is_ok();\n",
            "        let moved = record\n            .cursor\n            .compare_exchange(cursor::active(self.next), cursor::active(self.next + 1), SeqCst, SeqCst)\n            .is_ok();\n        let pinned = pin_at(world, me, entry, self.next)?;\n",
        )],
        why: "between the two nothing protects the frame",
        expect: Expect::Caught(&["order::a_consumer_moves_on_under_the_producers_eyes"]),
    },
    Mutant {
        name: "advance-reads-without-pin",
        file: "consumer.rs",
        edits: &[(
            "let pinned = pin_at(world, me, entry, self.next)?;",
            "let pinned = Some(Descriptor::from_bits(world.desc(self.next).load(Acquire)));",
        )],
        why: "an evicted consumer reads a frame that is being overwritten",
        expect: Expect::Caught(&["order::an_evicted_consumer_is_told"]),
    },
    Mutant {
        name: "eviction-is-not-told",
        file: "producer.rs",
        edits: &[("seen & !cursor::ACTIVE | cursor::EVICTED", "seen & !cursor::ACTIVE")],
        why: "the consumer cannot tell an eviction from a broken stream",
        expect: Expect::Caught(&["order::an_evicted_consumer_is_told"]),
    },
    Mutant {
        name: "lossy-jumps-too-far",
        file: "consumer.rs",
        edits: &[("(head + 2).saturating_sub", "(head + 3).saturating_sub")],
        why: "a frame that is still there is counted as missed",
        expect: Expect::Caught(&["order::a_lossy_consumer_has_what_is_there"]),
    },
    Mutant {
        name: "lossy-forgets-a-lost-frame",
        file: "consumer.rs",
        edits: &[("            self.missed += 1;\n", "")],
        why: "a frame lost while it was pinned is not counted",
        expect: Expect::Caught(&["order::a_lossy_consumer_counts_what_it_missed"]),
    },
    Mutant {
        name: "register-bit-not-seqcst",
        file: "participant.rs",
        edits: &[(".fetch_or(bit(index), SeqCst);", ".fetch_or(bit(index), Release);")],
        why: "the scan may pass over a newcomer that sees the old version",
        expect: Expect::Caught(&["pin::who_attaches_and_pins_is_seen"]),
    },
    Mutant {
        name: "scan-bits-load-not-seqcst",
        file: "participant.rs",
        edits: &[("world.occupied(word).load(SeqCst)", "world.occupied(word).load(Acquire)")],
        why: "the scan may pass over a newcomer that sees the old version",
        expect: Expect::Caught(&["pin::who_attaches_and_pins_is_seen"]),
    },
    Mutant {
        name: "register-without-bit",
        file: "participant.rs",
        edits: &[("    world.occupied(index / 64).fetch_or(bit(index), SeqCst);\n", "")],
        why: "the scans pass over the newcomer",
        expect: Expect::Caught(&["pin::who_attaches_and_pins_is_seen"]),
    },
    Mutant {
        name: "live-before-bit",
        file: "participant.rs",
        edits: &[(
            "    world.occupied(index / 64).fetch_or(bit(index), SeqCst);\n    record.state.store(generation << 8 | LIVE, Release);\n",
            "    record.state.store(generation << 8 | LIVE, Release);\n    world.occupied(index / 64).fetch_or(bit(index), SeqCst);\n",
        )],
        why: "who dies between the two is LIVE and listed nowhere, so no survivor looks for it",
        expect: Expect::Caught(&["life::attaching_can_be_cut_off_at_any_point"]),
    },
    Mutant {
        name: "register-before-lock",
        file: "participant.rs",
        edits: &[(
            "            if world.lock(index) {\n                return register(world, index).inspect_err(|_| world.unlock(index));\n            }",
            "            let registered = register(world, index);\n            if world.lock(index) {\n                return registered;\n            }",
        )],
        why: "a survivor meets a LIVE record whose lock is free, and buries the living",
        expect: Expect::Caught(&["life::who_attaches_is_not_buried", "life::two_attach_at_once"]),
    },
    Mutant {
        name: "attach-without-recovery",
        file: "participant.rs",
        edits: &[(
            "    recover(world, index)?;\n    let record = record(world, index)?;\n    let generation",
            "    let record = record(world, index)?;\n    let generation",
        )],
        why: "the newcomer inherits what the dead held",
        expect: Expect::Caught(&["life::two_attach_over_one_corpse"]),
    },
    Mutant {
        name: "recover-leaves-the-bit",
        file: "participant.rs",
        edits: &[(
            "        world.occupied(index / 64).fetch_and(!bit(index), SeqCst);\n        return Ok(());",
            "        return Ok(());",
        )],
        why: "who died on the way in is listed until somebody attaches in the same record",
        expect: Expect::Caught(&["life::attaching_can_be_cut_off_at_any_point"]),
    },
    Mutant {
        name: "recover-frees-first",
        file: "participant.rs",
        edits: &[(
            "    release_words(&record);\n    notify::notify(world, world.room());\n    notify::notify(world, world.notify());\n    free(world, index, &record);\n",
            "    free(world, index, &record);\n    release_words(&record);\n    notify::notify(world, world.room());\n    notify::notify(world, world.notify());\n",
        )],
        why: "who dies between the two leaves pins that nobody will ever undo",
        expect: Expect::Caught(&["life::burying_can_be_repeated_from_any_point"]),
    },
    Mutant {
        name: "recover-frees-before-role",
        file: "participant.rs",
        edits: &[(
            "    let dead = Tag::new(index, state >> 8);\n",
            "    let dead = Tag::new(index, state >> 8);\n    free(world, index, &record);\n",
        )],
        why: "who dies between the two leaves a role that nobody will ever have",
        expect: Expect::Caught(&["life::burying_can_be_repeated_from_any_point"]),
    },
    Mutant {
        name: "free-state-before-bit",
        file: "participant.rs",
        edits: &[(
            "    world.occupied(index / 64).fetch_and(!bit(index), SeqCst);\n    let generation = record.state.load(Relaxed) & !KIND;\n    record.state.store(generation, Release);\n",
            "    let generation = record.state.load(Relaxed) & !KIND;\n    record.state.store(generation, Release);\n    world.occupied(index / 64).fetch_and(!bit(index), SeqCst);\n",
        )],
        why: "a free record with a bit has nothing that a scan could find, and its lock can be had",
        expect: Expect::Spared(&[
            "life::burying_can_be_repeated_from_any_point",
            "life::two_survivors_bury_once",
            "life::a_newcomer_in_a_dead_mans_record_is_not_buried",
        ]),
    },
    Mutant {
        name: "recover-pins-relaxed",
        file: "participant.rs",
        edits: &[("pin.store(0, Release);", "pin.store(0, Relaxed);")],
        why: "new bytes may be written before the dead reader's last look",
        expect: Expect::Caught(&["pin::the_slot_of_a_dead_reader_is_written_after_its_last_look"]),
    },
    Mutant {
        name: "recover-role-relaxed",
        file: "participant.rs",
        edits: &[("Tag::FREE.to_bits(), AcqRel, Relaxed)", "Tag::FREE.to_bits(), Relaxed, Relaxed)")],
        why: "the death is seen, and the last frame is not",
        expect: Expect::Caught(&["role::death_comes_with_the_last_frame"]),
    },
    Mutant {
        name: "recover-takes-any-role",
        file: "participant.rs",
        edits: &[("if prod.same_owner(dead) {", "if prod.participant().is_some() {")],
        why: "the role is taken from a living producer",
        expect: Expect::Caught(&["pin::the_slot_of_a_dead_reader_is_written_after_its_last_look"]),
    },
    Mutant {
        name: "recover-without-proof",
        file: "participant.rs",
        edits: &[("world.prove_dead(index, || recover(world, index)).unwrap_or(Ok(()))", "recover(world, index)")],
        why: "the living are buried",
        expect: Expect::Caught(&["life::who_attaches_is_not_buried"]),
    },
    Mutant {
        name: "recover-owner-not-read-again",
        file: "participant.rs",
        edits: &[("if word.load(Acquire) != tag.to_bits() {", "if false {")],
        why: "who left in good order is called corrupt",
        expect: Expect::Caught(&["life::who_left_in_good_order_is_not_called_corrupt"]),
    },
    Mutant {
        name: "recover-without-room",
        file: "participant.rs",
        edits: &[(
            "    notify::notify(world, world.room());\n    notify::notify(world, world.notify());\n",
            "    notify::notify(world, world.notify());\n",
        )],
        why: "a producer sleeps on though the dead reader's slot is free",
        expect: Expect::Caught(&["wake::burying_a_reader_wakes_the_producer"]),
    },
    Mutant {
        name: "recover-without-notify",
        file: "participant.rs",
        edits: &[(
            "    notify::notify(world, world.room());\n    notify::notify(world, world.notify());\n",
            "    notify::notify(world, world.room());\n",
        )],
        why: "a consumer sleeps on though its producer is dead",
        expect: Expect::Caught(&["wake::burying_a_producer_wakes_the_consumer"]),
    },
    Mutant {
        name: "detach-unlocks-first",
        file: "participant.rs",
        edits: &[
            (
                "    let record = me.record(world)?;\n    release_words(&record);",
                "    let record = me.record(world)?;\n    world.unlock(me.index);\n    release_words(&record);",
            ),
            (
                "    notify::notify(world, world.room());\n    world.unlock(me.index);\n",
                "    notify::notify(world, world.room());\n",
            ),
        ],
        why: "who leaves wipes the record of a newcomer",
        expect: Expect::Caught(&["life::who_takes_over_a_record_keeps_it"]),
    },
    Mutant {
        name: "detach-without-wake",
        file: "participant.rs",
        edits: &[("    notify::notify(world, world.room());\n    world.unlock", "    world.unlock")],
        why: "a producer sleeps on though a slot is free",
        expect: Expect::Caught(&["wake::detaching_wakes_the_producer"]),
    },
    Mutant {
        name: "claim-relaxed",
        file: "producer.rs",
        edits: &[("me.tag().to_bits(), AcqRel, Relaxed).is_ok()", "me.tag().to_bits(), Relaxed, Relaxed).is_ok()")],
        why: "closed again looks like closed before: the successor misses its predecessor's frames",
        expect: Expect::Caught(&["role::closed_again_is_not_closed_before"]),
    },
    Mutant {
        name: "claim-load-relaxed",
        file: "producer.rs",
        edits: &[(
            "world.prod().load(Acquire));\n            if let Some(index)",
            "world.prod().load(Relaxed));\n            if let Some(index)",
        )],
        why: "the exchange that follows acquires, and so does whoever proves the owner dead",
        expect: Expect::Spared(&[
            "role::closed_again_is_not_closed_before",
            "role::the_successor_knows_what_came_before",
            "life::a_dead_producers_role_goes_to_one_survivor",
            "life::who_left_in_good_order_is_not_called_corrupt",
        ]),
    },
    Mutant {
        name: "claim-by-plain-store",
        file: "producer.rs",
        edits: &[(
            "} else if world.prod().compare_exchange(owner.to_bits(), me.tag().to_bits(), AcqRel, Relaxed).is_ok() {",
            "} else {\n                world.prod().store(me.tag().to_bits(), Release);",
        )],
        why: "two have the role",
        expect: Expect::Caught(&["role::one_of_two_has_the_role"]),
    },
    Mutant {
        name: "leave-relaxed",
        file: "producer.rs",
        edits: &[("last_word.to_bits(), AcqRel, Relaxed)", "last_word.to_bits(), Relaxed, Relaxed)")],
        why: "the end is seen, and the last frame is not",
        expect: Expect::Caught(&[
            "role::the_end_comes_with_the_last_frame",
            "role::the_successor_knows_what_came_before",
        ]),
    },
    Mutant {
        name: "state-fence-dropped",
        file: "producer.rs",
        edits: &[("world.prod().load(Relaxed));\n    W::fence(Acquire);", "world.prod().load(Relaxed));")],
        why: "the end is seen, and the last frame is not",
        expect: Expect::Caught(&["role::the_end_comes_with_the_last_frame", "role::death_comes_with_the_last_frame"]),
    },
    Mutant {
        name: "takeover-leaves-publish-unfinished",
        file: "producer.rs",
        edits: &[("if next.seq == newest + 1 && ver", "if false && ver")],
        why: "a frame that somebody has read already is replaced by another of the same number",
        expect: Expect::Caught(&["role::a_publish_is_finished_or_never_was"]),
    },
    Mutant {
        name: "takeover-forgets-the-ring",
        file: "producer.rs",
        edits: &[(".filter(|slot| !is_in_ring[*slot as usize])", ".filter(|_| true)")],
        why: "the successor overwrites a frame that is in the ring",
        expect: Expect::Caught(&["role::a_publish_is_finished_or_never_was"]),
    },
    Mutant {
        name: "takeover-keeps-unannounced-ver",
        file: "producer.rs",
        edits: &[("if seen > complete(newest) {", "if false {")],
        why: "nobody comes to a slot but by head or the ring, and neither names this one",
        expect: Expect::Spared(&["role::a_publish_is_finished_or_never_was"]),
    },
    Mutant {
        name: "publish-notifies-first",
        file: "producer.rs",
        edits: &[(
            "    world.head().store(frame, Release);\n        notify::notify(world, world.notify());",
            "    notify::notify(world, world.notify());\n        world.head().store(frame, Release);",
        )],
        why: "a consumer looks before there is anything to see, and sleeps",
        expect: Expect::Caught(&["wake::a_frame_wakes_its_consumer"]),
    },
    Mutant {
        name: "leave-notifies-first",
        file: "producer.rs",
        edits: &[(
            "        _ = world.prod().compare_exchange(mine, last_word.to_bits(), AcqRel, Relaxed);\n        notify::notify(world, world.notify());\n",
            "        notify::notify(world, world.notify());\n        _ = world.prod().compare_exchange(mine, last_word.to_bits(), AcqRel, Relaxed);\n",
        )],
        why: "a consumer looks before the end, and sleeps",
        expect: Expect::Caught(&["wake::the_end_wakes_the_consumer"]),
    },
    Mutant {
        name: "consumer-leaves-after-notify",
        file: "consumer.rs",
        edits: &[(
            "        me.record(world)?.cursor.store(0, Release);\n        notify::notify(world, world.room());",
            "        notify::notify(world, world.room());\n        me.record(world)?.cursor.store(0, Release);",
        )],
        why: "the producer looks while the cursor still stands, and sleeps",
        expect: Expect::Caught(&["wake::leaving_wakes_the_producer"]),
    },
    Mutant {
        name: "unpin-tests-first",
        file: "consumer.rs",
        edits: &[(
            "    pin.store(0, Release);\n    if world.room().load(Relaxed) & notify::WAITING != 0 {\n        notify::notify(world, world.room());\n    }",
            "    if world.room().load(Relaxed) & notify::WAITING != 0 {\n        notify::notify(world, world.room());\n    }\n    pin.store(0, Release);",
        )],
        why: "the wake may come before the slot is free; a slice makes up for that as it does for the missing barrier",
        expect: Expect::Spared(&["wake::a_slice_makes_up_for_an_overlooked_producer"]),
    },
    Mutant {
        name: "notify-relaxed",
        file: "notify.rs",
        edits: &[("counted(seen), AcqRel, Relaxed)", "counted(seen), Relaxed, Relaxed)")],
        why: "the count is seen, and the change is not: the waiter sleeps on",
        expect: Expect::Caught(&["wake::a_change_wakes_who_waits_for_it"]),
    },
    Mutant {
        name: "notify-acquires-nothing",
        file: "notify.rs",
        edits: &[("counted(seen), AcqRel, Relaxed)", "counted(seen), std::sync::atomic::Ordering::Release, Relaxed)")],
        why: "the notifier reads nothing that others wrote",
        expect: Expect::Spared(&[
            "wake::a_change_wakes_who_waits_for_it",
            "wake::two_changes_at_once_wake_who_waits_for_both",
            "wake::a_change_wakes_everyone",
        ]),
    },
    Mutant {
        name: "notify-by-plain-store",
        file: "notify.rs",
        edits: &[(
            "    let mut seen = word.load(Relaxed);\n    while let Err(now) = word.compare_exchange(seen, counted(seen), AcqRel, Relaxed) {\n        seen = now;\n    }\n",
            "    let seen = word.load(Relaxed);\n    word.store(counted(seen), std::sync::atomic::Ordering::Release);\n",
        )],
        why: "the waiting bit is wiped away unseen",
        expect: Expect::Caught(&["wake::a_change_wakes_who_waits_for_it"]),
    },
    Mutant {
        name: "notify-counts-for-sleepers-only",
        file: "notify.rs",
        edits: &[(
            "    let mut seen = word.load(Relaxed);\n    while",
            "    let mut seen = word.load(Relaxed);\n    if seen & WAITING == 0 {\n        return;\n    }\n    while",
        )],
        why: "a change between the check and the bit goes unseen",
        expect: Expect::Caught(&["wake::a_change_wakes_who_waits_for_it"]),
    },
    Mutant {
        name: "notify-without-wake",
        file: "notify.rs",
        edits: &[("if seen & WAITING != 0 {", "if false {")],
        why: "nobody is woken",
        expect: Expect::Caught(&["wake::a_change_wakes_who_waits_for_it"]),
    },
    Mutant {
        name: "wait-fence-dropped",
        file: "notify.rs",
        edits: &[("let seen = word.load(Relaxed);\n        W::fence(Acquire);", "let seen = word.load(Relaxed);")],
        why: "the count is seen, and the change is not: the waiter sleeps on",
        expect: Expect::Caught(&["wake::a_change_wakes_who_waits_for_it"]),
    },
    Mutant {
        name: "wait-does-not-arm",
        file: "notify.rs",
        edits: &[("if slices.arms { arm::<W>(word, seen) } else { Some(seen) }", "Some(seen)")],
        why: "nobody knows that somebody sleeps",
        expect: Expect::Caught(&["wake::a_change_wakes_who_waits_for_it"]),
    },
    Mutant {
        name: "wait-checks-before-it-reads",
        file: "notify.rs",
        edits: &[(
            "        let seen = word.load(Relaxed);\n        W::fence(Acquire);\n        if let ControlFlow::Break(answer) = check(look_around) {\n            return Some(answer);\n        }\n",
            "        if let ControlFlow::Break(answer) = check(look_around) {\n            return Some(answer);\n        }\n        let seen = word.load(Relaxed);\n        W::fence(Acquire);\n",
        )],
        why: "a change between the check and the reading goes unseen",
        expect: Expect::Caught(&["wake::a_change_wakes_who_waits_for_it"]),
    },
    Mutant {
        name: "arm-relaxed",
        file: "notify.rs",
        edits: &[(
            "word.compare_exchange(seen, armed, AcqRel, Relaxed)",
            "word.compare_exchange(seen, armed, Relaxed, Relaxed)",
        )],
        why: "the bit carries nothing, and an exchange continues the release that it follows",
        expect: Expect::Spared(&[
            "wake::a_change_wakes_who_waits_for_it",
            "wake::a_change_wakes_everyone",
            "wake::two_changes_at_once_wake_who_waits_for_both",
            "wake::the_second_change_wakes_as_well",
        ]),
    },
];
