//! Wait and wake.

use super::Expect::{Caught, Spared};
use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "notify-relaxed",
        file: "notify.rs",
        edits: &[("counted(seen), AcqRel, Relaxed)", "counted(seen), Relaxed, Relaxed)")],
        why: "the count is seen, and the change is not: the waiter sleeps on",
        expect: Caught(&["wake::a_change_wakes_who_waits_for_it"]),
    },
    Mutant {
        name: "notify-acquires-nothing",
        file: "notify.rs",
        edits: &[("counted(seen), AcqRel, Relaxed)", "counted(seen), std::sync::atomic::Ordering::Release, Relaxed)")],
        why: "the notifier reads nothing that others wrote",
        expect: Spared(&[
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
        expect: Caught(&["wake::a_change_wakes_who_waits_for_it"]),
    },
    Mutant {
        name: "notify-counts-for-sleepers-only",
        file: "notify.rs",
        edits: &[(
            "    let mut seen = word.load(Relaxed);\n    while",
            "    let mut seen = word.load(Relaxed);\n    if seen & WAITING == 0 {\n        return;\n    }\n    while",
        )],
        why: "a change between the check and the bit goes unseen",
        expect: Caught(&["wake::a_change_wakes_who_waits_for_it"]),
    },
    Mutant {
        name: "notify-without-wake",
        file: "notify.rs",
        edits: &[("if seen & WAITING != 0 {", "if false {")],
        why: "nobody is woken",
        expect: Caught(&["wake::a_change_wakes_who_waits_for_it"]),
    },
    Mutant {
        name: "wait-fence-dropped",
        file: "notify.rs",
        edits: &[("let seen = word.load(Relaxed);\n        W::fence(Acquire);", "let seen = word.load(Relaxed);")],
        why: "the count is seen, and the change is not: the waiter sleeps on",
        expect: Caught(&["wake::a_change_wakes_who_waits_for_it"]),
    },
    Mutant {
        name: "wait-does-not-arm",
        file: "notify.rs",
        edits: &[("if slices.arms { arm::<W>(word, seen) } else { Some(seen) }", "Some(seen)")],
        why: "nobody knows that somebody sleeps",
        expect: Caught(&["wake::a_change_wakes_who_waits_for_it"]),
    },
    Mutant {
        name: "wait-checks-before-it-reads",
        file: "notify.rs",
        edits: &[(
            "        let seen = word.load(Relaxed);\n        W::fence(Acquire);\n        if let ControlFlow::Break(answer) = check(look_around) {\n            return Some(answer);\n        }\n",
            "        if let ControlFlow::Break(answer) = check(look_around) {\n            return Some(answer);\n        }\n        let seen = word.load(Relaxed);\n        W::fence(Acquire);\n",
        )],
        why: "a change between the check and the reading goes unseen",
        expect: Caught(&["wake::a_change_wakes_who_waits_for_it"]),
    },
    Mutant {
        name: "arm-relaxed",
        file: "notify.rs",
        edits: &[(
            "word.compare_exchange(seen, armed, SeqCst, Relaxed)",
            "word.compare_exchange(seen, armed, Relaxed, Relaxed)",
        )],
        why: "where every change is counted, the bit carries nothing, and an exchange continues the release that it follows",
        expect: Spared(&[
            "wake::a_change_wakes_who_waits_for_it",
            "wake::a_change_wakes_everyone",
            "wake::two_changes_at_once_wake_who_waits_for_both",
            "wake::the_second_change_wakes_as_well",
        ]),
    },
    Mutant {
        name: "arm-not-seqcst",
        file: "notify.rs",
        edits: &[(
            "word.compare_exchange(seen, armed, SeqCst, Relaxed)",
            "word.compare_exchange(seen, armed, AcqRel, Relaxed)",
        )],
        why: "the writer of an array may see nobody wait while the waiter sees the old number",
        expect: Caught(&["lock::wake::a_write_wakes_who_waits_for_a_change"]),
    },
    Mutant {
        name: "wait-does-not-look-again",
        file: "notify.rs",
        edits: &[("if slices.looks_again {", "if false {")],
        why: "a write that ended before anybody said that he waits goes unseen",
        expect: Caught(&["lock::wake::a_write_wakes_who_waits_for_a_change"]),
    },
];
