//! Attach, detach, recover.

use super::Expect::{Caught, Spared};
use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "register-bit-not-seqcst",
        file: "participant.rs",
        edits: &[(".fetch_or(bit(index), SeqCst);", ".fetch_or(bit(index), Release);")],
        why: "the scan may pass over a newcomer that sees the old version",
        expect: Caught(&["pin::who_attaches_and_pins_is_seen"]),
    },
    Mutant {
        name: "scan-bits-load-not-seqcst",
        file: "participant.rs",
        edits: &[("world.occupied(word).load(SeqCst)", "world.occupied(word).load(Acquire)")],
        why: "the scan may pass over a newcomer that sees the old version",
        expect: Caught(&["pin::who_attaches_and_pins_is_seen"]),
    },
    Mutant {
        name: "register-without-bit",
        file: "participant.rs",
        edits: &[("    world.occupied(index / 64).fetch_or(bit(index), SeqCst);\n", "")],
        why: "the scans pass over the newcomer",
        expect: Caught(&["pin::who_attaches_and_pins_is_seen"]),
    },
    Mutant {
        name: "live-before-bit",
        file: "participant.rs",
        edits: &[(
            "    world.occupied(index / 64).fetch_or(bit(index), SeqCst);\n    record.state.store(generation << 8 | LIVE, Release);\n",
            "    record.state.store(generation << 8 | LIVE, Release);\n    world.occupied(index / 64).fetch_or(bit(index), SeqCst);\n",
        )],
        why: "who dies between the two is LIVE and listed nowhere, so no survivor looks for it",
        expect: Caught(&["life::attaching_can_be_cut_off_at_any_point"]),
    },
    Mutant {
        name: "register-before-lock",
        file: "participant.rs",
        edits: &[(
            "            if world.lock(index) {\n                return register(world, index).inspect_err(|_| world.unlock(index));\n            }",
            "            let registered = register(world, index);\n            if world.lock(index) {\n                return registered;\n            }",
        )],
        why: "a survivor meets a LIVE record whose lock is free, and buries the living",
        expect: Caught(&["life::who_attaches_is_not_buried", "life::two_attach_at_once"]),
    },
    Mutant {
        name: "attach-without-recovery",
        file: "participant.rs",
        edits: &[(
            "    recover(world, index)?;\n    let record = record(world, index)?;\n    // Whatever it says that is not LIVE, and whoever wrote that.\n    release_words(&record);\n",
            "    let record = record(world, index)?;\n",
        )],
        why: "the newcomer inherits what the dead held",
        expect: Caught(&["life::two_attach_over_one_corpse"]),
    },
    Mutant {
        name: "recover-leaves-the-bit",
        file: "participant.rs",
        edits: &[(
            "        world.occupied(index / 64).fetch_and(!bit(index), SeqCst);\n        return Ok(());",
            "        return Ok(());",
        )],
        why: "who died on the way in is listed until somebody attaches in the same record",
        expect: Caught(&["life::attaching_can_be_cut_off_at_any_point"]),
    },
    Mutant {
        name: "recover-frees-first",
        file: "participant.rs",
        edits: &[(
            "    release_words(&record);\n    lock::wake_all_writers(world)?;\n    notify::notify(world, world.room());\n    notify::notify(world, world.notify());\n    free(world, index, &record);\n",
            "    free(world, index, &record);\n    release_words(&record);\n    lock::wake_all_writers(world)?;\n    notify::notify(world, world.room());\n    notify::notify(world, world.notify());\n",
        )],
        why: "who dies between the two leaves pins that no scan comes to, and whoever attaches there wipes them first",
        expect: Spared(&["life::burying_can_be_repeated_from_any_point"]),
    },
    Mutant {
        name: "recover-frees-first-and-nobody-wipes",
        file: "participant.rs",
        edits: &[
            (
                "    release_words(&record);\n    lock::wake_all_writers(world)?;\n    notify::notify(world, world.room());\n    notify::notify(world, world.notify());\n    free(world, index, &record);\n",
                "    free(world, index, &record);\n    release_words(&record);\n    lock::wake_all_writers(world)?;\n    notify::notify(world, world.room());\n    notify::notify(world, world.notify());\n",
            ),
            ("    // Whatever it says that is not LIVE, and whoever wrote that.\n    release_words(&record);\n", ""),
        ],
        why: "who dies between the two leaves pins to whoever attaches there",
        expect: Caught(&["life::burying_can_be_repeated_from_any_point"]),
    },
    Mutant {
        name: "recover-frees-before-role",
        file: "participant.rs",
        edits: &[(
            "    let dead = Tag::new(index, state >> 8);\n",
            "    let dead = Tag::new(index, state >> 8);\n    free(world, index, &record);\n",
        )],
        why: "who dies between the two leaves a role that nobody will ever have",
        expect: Caught(&["life::burying_can_be_repeated_from_any_point"]),
    },
    Mutant {
        name: "free-state-before-bit",
        file: "participant.rs",
        edits: &[(
            "    world.occupied(index / 64).fetch_and(!bit(index), SeqCst);\n    let generation = record.state.load(Relaxed) & !KIND;\n    record.state.store(generation, Release);\n",
            "    let generation = record.state.load(Relaxed) & !KIND;\n    record.state.store(generation, Release);\n    world.occupied(index / 64).fetch_and(!bit(index), SeqCst);\n",
        )],
        why: "a free record with a bit has nothing that a scan could find, and its lock can be had",
        expect: Spared(&[
            "life::burying_can_be_repeated_from_any_point",
            "life::two_survivors_bury_once",
            "life::a_newcomer_in_a_dead_mans_record_is_not_buried",
        ]),
    },
    Mutant {
        name: "recover-pins-relaxed",
        file: "participant.rs",
        edits: &[("pin.store(0, SeqCst);", "pin.store(0, Relaxed);")],
        why: "new bytes may be written before the dead reader's last look",
        expect: Caught(&["pin::the_slot_of_a_dead_reader_is_written_after_its_last_look"]),
    },
    Mutant {
        name: "recover-role-relaxed",
        file: "participant.rs",
        edits: &[("Tag::FREE.to_bits(), AcqRel, Relaxed)", "Tag::FREE.to_bits(), Relaxed, Relaxed)")],
        why: "the death is seen, and the last frame is not",
        expect: Caught(&["role::death_comes_with_the_last_frame"]),
    },
    Mutant {
        name: "recover-takes-any-role",
        file: "participant.rs",
        edits: &[("if prod.same_owner(dead) {", "if prod.participant().is_some() {")],
        why: "the role is taken from a living producer",
        expect: Caught(&["pin::the_slot_of_a_dead_reader_is_written_after_its_last_look"]),
    },
    Mutant {
        name: "recover-without-proof",
        file: "participant.rs",
        edits: &[("world.prove_dead(index, || recover(world, index)).unwrap_or(Ok(()))", "recover(world, index)")],
        why: "the living are buried",
        expect: Caught(&["life::who_attaches_is_not_buried"]),
    },
    Mutant {
        name: "recover-owner-not-read-again",
        file: "participant.rs",
        edits: &[("if word.load(Acquire) != tag.to_bits() {", "if false {")],
        why: "who left in good order is called corrupt",
        expect: Caught(&["life::who_left_in_good_order_is_not_called_corrupt"]),
    },
    Mutant {
        name: "recover-without-room",
        file: "participant.rs",
        edits: &[(
            "    notify::notify(world, world.room());\n    notify::notify(world, world.notify());\n",
            "    notify::notify(world, world.notify());\n",
        )],
        why: "a producer sleeps on though the dead reader's slot is free",
        expect: Caught(&["wake::burying_a_reader_wakes_the_producer"]),
    },
    Mutant {
        name: "recover-without-notify",
        file: "participant.rs",
        edits: &[(
            "    notify::notify(world, world.room());\n    notify::notify(world, world.notify());\n",
            "    notify::notify(world, world.room());\n",
        )],
        why: "a consumer sleeps on though its producer is dead",
        expect: Caught(&["wake::burying_a_producer_wakes_the_consumer"]),
    },
    Mutant {
        name: "detach-unlocks-first",
        file: "participant.rs",
        edits: &[
            (
                "    lock::abandon(world, me.tag());\n",
                "    world.unlock(me.index);\n    lock::abandon(world, me.tag());\n",
            ),
            (
                "    notify::notify(world, world.room());\n    world.unlock(me.index);\n",
                "    notify::notify(world, world.room());\n",
            ),
        ],
        why: "who leaves wipes the record of a newcomer",
        expect: Caught(&["life::who_takes_over_a_record_keeps_it"]),
    },
    Mutant {
        name: "detach-without-wake",
        file: "participant.rs",
        edits: &[("    notify::notify(world, world.room());\n    world.unlock", "    world.unlock")],
        why: "a producer sleeps on though a slot is free",
        expect: Caught(&["wake::detaching_wakes_the_producer"]),
    },
    Mutant {
        name: "attach-without-wiping",
        file: "participant.rs",
        edits: &[(
            "    // Whatever it says that is not LIVE, and whoever wrote that.\n    release_words(&record);\n",
            "",
        )],
        why: "recovery wipes the record of the dead, and a free one is clean. It is for files that others damaged",
        expect: Spared(&[
            "life::two_attach_over_one_corpse",
            "life::attaching_can_be_cut_off_at_any_point",
            "life::burying_can_be_repeated_from_any_point",
        ]),
    },
    Mutant {
        name: "wipe-holds-not-seqcst",
        file: "participant.rs",
        edits: &[("record.holds.store(0, SeqCst);", "record.holds.store(0, Release);")],
        why: "who buries may see nobody wait while the writer still sees the dead reader",
        expect: Caught(&["lock::wake::burying_a_reader_wakes_the_writer", "lock::wake::detaching_wakes_the_writer"]),
    },
    Mutant {
        name: "wipe-pins-not-seqcst",
        file: "participant.rs",
        edits: &[("pin.store(0, SeqCst);", "pin.store(0, Release);")],
        why: "who buries may see nobody wait while the writer still sees the dead reader's pin",
        expect: Caught(&["lock::wake::burying_a_reader_of_a_block_wakes_the_writer"]),
    },
    Mutant {
        name: "recover-keeps-the-blocks",
        file: "participant.rs",
        edits: &[("    lock::abandon(world, dead);\n", "")],
        why: "a dead writer keeps its block",
        expect: Caught(&[
            "lock::doom::a_writer_is_killed_and_a_reader_comes",
            "lock::doom::survivors_are_killed_while_they_bury_a_writer",
        ]),
    },
    Mutant {
        name: "recover-without-writers",
        file: "participant.rs",
        edits: &[("    lock::wake_all_writers(world)?;\n    notify::notify", "    notify::notify")],
        why: "a writer sleeps on though the dead reader is gone",
        expect: Caught(&["lock::wake::burying_a_reader_wakes_the_writer"]),
    },
    Mutant {
        name: "recover-wakes-writers-first",
        file: "participant.rs",
        edits: &[(
            "    release_words(&record);\n    lock::wake_all_writers(world)?;\n    notify",
            "    lock::wake_all_writers(world)?;\n    release_words(&record);\n    notify",
        )],
        why: "the woken writer finds the dead reader still there, and sleeps",
        expect: Caught(&["lock::wake::burying_a_reader_wakes_the_writer"]),
    },
    Mutant {
        name: "recover-frees-before-the-blocks",
        file: "participant.rs",
        edits: &[(
            "    lock::abandon(world, dead);\n",
            "    free(world, index, &record);\n    lock::abandon(world, dead);\n",
        )],
        why: "who is killed between the two leaves a block that nobody will ever have",
        expect: Caught(&["lock::doom::survivors_are_killed_while_they_bury_a_writer"]),
    },
    Mutant {
        name: "detach-keeps-the-blocks",
        file: "participant.rs",
        edits: &[("    lock::abandon(world, me.tag());\n", "")],
        why: "a block is held by somebody who is not here any more",
        expect: Caught(&["lock::doom::who_detaches_in_the_middle_of_a_write_leaves_poison"]),
    },
    Mutant {
        name: "detach-without-writers",
        file: "participant.rs",
        edits: &[("    lock::wake_all_writers(world)?;\n    free", "    free")],
        why: "a writer sleeps on though the reader is gone",
        expect: Caught(&["lock::wake::detaching_wakes_the_writer"]),
    },
    Mutant {
        name: "living-looked-at-once",
        file: "participant.rs",
        edits: &[(
            "names_it(Acquire) && !tag.is_of(index, record.state.load(Acquire)) && names_it(Relaxed)",
            "names_it(Acquire) && !tag.is_of(index, record.state.load(Acquire))",
        )],
        why: "who asks while the owner leaves takes an honest word for a forged one",
        expect: Caught(&["life::who_left_in_good_order_is_not_called_corrupt"]),
    },
    Mutant {
        name: "living-state-relaxed",
        file: "participant.rs",
        edits: &[(
            "names_it(Acquire) && !tag.is_of(index, record.state.load(Acquire)) && names_it(Relaxed)",
            "names_it(Acquire) && !tag.is_of(index, record.state.load(Relaxed)) && names_it(Relaxed)",
        )],
        why: "the later state does not bring the word that was given up before",
        expect: Caught(&["life::who_left_in_good_order_is_not_called_corrupt"]),
    },
    Mutant {
        name: "living-word-relaxed",
        file: "participant.rs",
        edits: &[(
            "names_it(Acquire) && !tag.is_of(index, record.state.load(Acquire)) && names_it(Relaxed)",
            "names_it(Relaxed) && !tag.is_of(index, record.state.load(Acquire)) && names_it(Relaxed)",
        )],
        why: "the word does not bring its owner's record",
        expect: Caught(&["lock::meet::a_newcomer_that_writes_is_not_called_corrupt"]),
    },
];
