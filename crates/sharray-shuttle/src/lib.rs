//! Many processes at once, in schedules drawn at random, over the protocol's own source.
//!
//! Loom goes through every order of two or three threads that take a few steps each. Here four to eight processes take
//! hundreds of steps, some of them die at a step drawn at random, and thousands of schedules are tried: nothing is proved,
//! but much is met that needs more than three to come about. Shuttle lets one task run at a time, so every access is
//! sequentially consistent; what weaker orderings allow is loom's business.
//!
//! Half of the schedules are drawn evenly, half by PCT, which gives each task a priority and changes that at a few points:
//! it finds what comes about only if somebody is held up for long.
#![cfg(test)]

/// Where the library's tests may kill the process; here the words do that.
macro_rules! step {
    () => {};
}

#[allow(dead_code, reason = "the models use most of the protocol, the library all of it")]
#[path = "../../../src/protocol/mod.rs"]
mod protocol;

mod models;
mod world;
