//! Rounds of a team.

use super::Expect::Caught;
use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "barrier-arrive-not-seqcst",
        file: "barrier.rs",
        edits: &[(
            "arrived.store(round.mark(), SeqCst);",
            "arrived.store(round.mark(), std::sync::atomic::Ordering::Release);",
        )],
        why: "two that arrive at once may both miss the other's mark, and both sleep",
        expect: Caught(&["barrier::what_was_done_before_is_seen_after"]),
    },
    Mutant {
        name: "barrier-scan-not-seqcst",
        file: "barrier.rs",
        edits: &[("record.arrived.load(SeqCst) == mark", "record.arrived.load(Acquire) == mark")],
        why: "two that arrive at once may both miss the other's mark, and both sleep",
        expect: Caught(&["barrier::what_was_done_before_is_seen_after"]),
    },
    Mutant {
        name: "barrier-scan-before-arriving",
        file: "barrier.rs",
        edits: &[(
            "    me.record(world)?.arrived.store(round.mark(), SeqCst);\n    complete(world, round);",
            "    complete(world, round);\n    me.record(world)?.arrived.store(round.mark(), SeqCst);",
        )],
        why: "nobody finds all marks",
        expect: Caught(&["barrier::what_was_done_before_is_seen_after"]),
    },
    Mutant {
        name: "barrier-count-relaxed",
        file: "barrier.rs",
        edits: &[(
            "compare_exchange(seen.0, new.0, SeqCst, Acquire)",
            "compare_exchange(seen.0, new.0, Relaxed, Relaxed)",
        )],
        why: "who passes does not see what was done before",
        expect: Caught(&["barrier::what_was_done_before_is_seen_after"]),
    },
    Mutant {
        name: "barrier-outcome-relaxed",
        file: "barrier.rs",
        edits: &[("    State(world.bar().load(Acquire))", "    State(world.bar().load(Relaxed))")],
        why: "who passes does not see what was done before",
        expect: Caught(&["barrier::what_was_done_before_is_seen_after"]),
    },
    Mutant {
        name: "barrier-without-wake",
        file: "barrier.rs",
        edits: &[("if seen.0 & WAITING != 0 {", "if false {")],
        why: "nobody is woken",
        expect: Caught(&["barrier::what_was_done_before_is_seen_after", "barrier::who_leaves_wakes_who_waits"]),
    },
    Mutant {
        name: "barrier-arms-blindly",
        file: "barrier.rs",
        edits: &[(
            "bar.compare_exchange(seen.0, armed, Relaxed, Relaxed).is_ok()",
            "{ bar.store(armed, Relaxed); true }",
        )],
        why: "the round that has passed meanwhile is wiped away",
        expect: Caught(&["barrier::what_was_done_before_is_seen_after"]),
    },
    Mutant {
        name: "barrier-leave-breaks-nothing",
        file: "barrier.rs",
        edits: &[(
            "        break_round(world, index + 1);\n        arrived.store(0, SeqCst);",
            "        arrived.store(0, SeqCst);",
        )],
        why: "who waits is told of no death",
        expect: Caught(&["barrier::who_leaves_wakes_who_waits"]),
    },
    Mutant {
        name: "barrier-leave-gone-first",
        file: "barrier.rs",
        edits: &[(
            "        arrived.store(MEMBER, SeqCst);\n        break_round(world, index + 1);\n        arrived.store(0, SeqCst);",
            "        arrived.store(0, SeqCst);\n        break_round(world, index + 1);",
        )],
        why: "one that is killed in between has broken nothing, and nobody knows that it was here",
        expect: Caught(&["barrier::a_rank_is_killed_while_it_leaves"]),
    },
    Mutant {
        name: "barrier-no-look-around",
        file: "barrier.rs",
        edits: &[("    look_around(world, me, round)?;\n", "")],
        why: "who waits for the dead waits for ever",
        expect: Caught(&["barrier::a_rank_is_killed_in_a_barrier"]),
    },
    Mutant {
        name: "barrier-no-rescan",
        file: "barrier.rs",
        edits: &[(
            "    // The last one to arrive may have died before it could count the round.\n    complete(world, round);\n",
            "",
        )],
        why: "the last one to arrive was killed before it could count: nobody does",
        expect: Caught(&["barrier::a_rank_is_killed_in_a_barrier"]),
    },
    Mutant {
        name: "barrier-withdraws-nothing",
        file: "barrier.rs",
        edits: &[("        arrived.store(MEMBER, SeqCst);\n        break_round", "        break_round")],
        why: "a dead rank is counted in a reset, and nobody is told",
        expect: Caught(&["barrier::who_died_in_a_reset_is_told_of"]),
    },
    Mutant {
        name: "barrier-withdraws-late",
        file: "barrier.rs",
        edits: &[(
            "        arrived.store(MEMBER, SeqCst);\n        break_round",
            "        arrived.store(MEMBER, Relaxed);\n        break_round",
        )],
        why: "a dead rank is counted in a reset, and nobody is told",
        expect: Caught(&["barrier::who_died_in_a_reset_is_told_of"]),
    },
    Mutant {
        name: "barrier-breaks-what-it-saw-before",
        file: "barrier.rs",
        edits: &[(
            "    let mut seen = State(world.bar().load(SeqCst));",
            "    let mut seen = State(world.bar().load(Relaxed));",
        )],
        why: "a dead rank is counted in a reset, and nobody is told",
        expect: Caught(&["barrier::who_died_in_a_reset_is_told_of"]),
    },
    Mutant {
        name: "barrier-no-confirm",
        file: "barrier.rs",
        edits: &[("Ok(()) if round.is_reset => return confirm(world, &members),\n", "")],
        why: "a dead rank is counted in a reset, and nobody is told",
        expect: Caught(&["barrier::who_died_in_a_reset_is_told_of"]),
    },
    Mutant {
        name: "barrier-confirm-not-seqcst",
        file: "barrier.rs",
        edits: &[(
            "let arrived = record.arrived.load(SeqCst);\n        if arrived == MEMBER",
            "let arrived = record.arrived.load(Relaxed);\n        if arrived == MEMBER",
        )],
        why: "a dead rank is counted in a reset, and nobody is told",
        expect: Caught(&["barrier::who_died_in_a_reset_is_told_of"]),
    },
    Mutant {
        name: "barrier-gives-up-blindly",
        file: "barrier.rs",
        edits: &[(
            "            match change(world, seen, seen.broken(breach)) {\n                Ok(()) => seen = seen.broken(breach),\n                Err(now) => seen = now,\n            }\n",
            "            world.bar().store(seen.broken(breach).0, SeqCst);\n            world.wake_all(world.bar());\n            seen = seen.broken(breach);\n",
        )],
        why: "one passes, and the other one is told that the time was over",
        expect: Caught(&["barrier::a_time_that_is_over_is_over_for_both"]),
    },
];
