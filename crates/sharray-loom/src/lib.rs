//! Loom models that run the protocol's own source.
//!
//! Processes share words, and a processor may show them each other's stores late and out of order. A barrier that is
//! missing fails once in a million runs, on a machine that one does not have. Loom goes through every order in which
//! two or three threads can meet, and through every value that a load may return under the C11 rules, and so finds it
//! at once.
//!
//! What runs here is `src/protocol`, included by path and unchanged: `world` gives it words made of loom's atomics, a
//! kernel of byte locks and sleeping queues, and payloads that say so when two touch them at the same time.
//!
//! | module | what is in question |
//! |---|---|
//! | `models::pin` | a frame that somebody pins or copies while the producer looks for a slot |
//! | `models::order` | consumers that go through the frames one by one, and the producer's gate |
//! | `models::commit` | the slot of a frame that is made durable, which the producer must leave alone |
//! | `models::wake` | wake-ups that must not be lost |
//! | `models::life` | attach, detach, and recovering the dead |
//! | `models::growable` | rows that are appended, and those who read below them |
//! | `models::role` | the producer's role: taken, given up, taken over |
//!
//! A model that passes says little until one knows what makes it fail. `cargo run --release -p sharray-loom --bin mutants`
//! breaks the protocol in one place after another and shows which model notices.
#![cfg(test)]

/// Where the library's tests may kill the process; here the world counts accesses itself.
macro_rules! step {
    () => {};
}

#[allow(dead_code, reason = "the models use most of the protocol, the library all of it")]
#[path = "../../../src/protocol/mod.rs"]
mod protocol;

mod models;
mod world;
