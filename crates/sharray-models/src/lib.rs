//! Exhaustive models of sharray's coordination protocol.
//!
//! A process may be killed at any instruction, by anyone, and the others must go on with nothing lost but what it was
//! doing. No test that runs the library can show that for every instruction and every interleaving; a search through
//! all states of a small world can. The world here is the protocol's own shared words, step by step as docs/protocol.md
//! has them, two to four processes, and a death allowed before every step.
//!
//! - [`stream`]: participant records, the pool of slots, the ring and its consumers.
//! - [`wait`]: the wait word and its futex.
//! - [`lock`]: arrays in place: the reader-writer lock over blocks, poison, copies without a hold.
//! - [`cell`]: two copies of one value.
//! - [`barrier`]: the rounds of a team.
//! - [`durable`]: durable commits, and losses of power.
//! - [`table`]: rows that are appended and committed.
//! - [`catalogue`]: the scenarios that are searched to their end, and the mutants: the protocol with one rule broken,
//!   each with the property that then fails. A mutant that nothing refutes is a rule that nobody needs, or a property
//!   that is missing.
//!
//! Memory is sequentially consistent here. What the fences are for is shown by loom, on the real source.

pub mod barrier;
pub mod catalogue;
pub mod cell;
pub mod durable;
pub mod lock;
pub mod stream;
pub mod table;
pub mod wait;
