//! Sanitizers: the same tests, built so that each access to memory is looked at.

use crate::command::{Outcome, Step, cargo, names_in, root, target};

/// They need to be told a target, or what runs while building would be built with them, too.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Tests whose subject the sanitizer would be: how many mappings there are. And those of programs that they build themselves.
const NOT_ADDRESS: [&str; 3] = ["leaks", "producer_consumer", "tutorial"];

/// The tests of the library under `AddressSanitizer`: no access past the end of what is owned or mapped.
pub(crate) fn address() -> Outcome {
    let names: Vec<String> = names_in("tests")?.into_iter().filter(|name| !NOT_ADDRESS.contains(&&**name)).collect();
    let mut tests = vec!["--all-features", "--lib", "--no-fail-fast"];
    tests.extend(names.iter().flat_map(|name| ["--test", name]));
    // One test asks for more memory than there is, and wants to be told so. SIGBUS is the library's own business. And what
    // is forgotten on purpose, leases and handlers of signals, is no finding.
    let options = "allocator_may_return_null=1:handle_sigbus=0:detect_leaks=0";
    test("address", "-Zsanitizer=address", &tests).env("ASAN_OPTIONS", options).run()
}

/// Threads over one attach under `ThreadSanitizer`, which knows of no other process, takes two mappings of a file for two
/// memories, and overlooks fences: one file of tests is made for it.
pub(crate) fn thread() -> Outcome {
    // The standard library is not instrumented, and is linked in spite of it.
    let suppressions = root().join("crates/xtask/thread_sanitizer.supp");
    // So its `Once` is seen by nobody: what is made once in the process is made by the first test, before the next begins.
    let tests = ["--test", "one_mapping", "--", "--test-threads=1"];
    test("thread", "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer", &tests)
        .env("TSAN_OPTIONS", format!("suppressions={}", suppressions.display()))
        .env("SHARRAY_ROUNDS", "20000")
        .run()
}

fn test(name: &str, flags: &str, tests: &[&str]) -> Step {
    let mut arguments = vec!["test", "--package", "sharray", "--target", TARGET];
    arguments.extend(tests);
    cargo(&arguments)
        .env("CARGO_TARGET_DIR", target().join("sanitize").join(name))
        // Sanitizers are in every compiler, but for the time being behind a door.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", flags)
        // Read where the tests are compiled: their deadlines are longer.
        .env("SHARRAY_SANITIZED", "1")
}
