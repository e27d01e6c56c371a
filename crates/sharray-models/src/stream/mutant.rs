//! Ways to get the protocol wrong. Each is a small change that a reasonable person might make.

/// What is changed. [`Mutant::None`] is the protocol as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Nothing: the protocol.
    None,
    /// Attach sets its bit and its state before it has the byte.
    RegisterBeforeLock,
    /// Attach looks at clear bits of `occupied` only.
    AttachClearBitsOnly,
    /// A busy byte is taken for a dead owner's (a pid that was not seen, a heartbeat that was late).
    FalseDeath,
    /// Recovery clears the bit and the state first, the words after.
    RecordBeforeWords,
    /// A reader trusts its pin without loading `ver` again.
    PinWithoutRecheck,
    /// Only the lossy reader does so.
    LossyWithoutRecheck,
    /// A loan does not look at pins.
    LoanIgnoresPins,
    /// A loan takes any slot but the newest, the ring's other entries too.
    PoolIgnoresRing,
    /// Takeover zeroes the versions above `head` and finishes nothing.
    TakeoverWithoutFinish,
    /// Takeover finishes and zeroes nothing.
    TakeoverWithoutReset,
    /// Takeover does neither.
    TakeoverBare,
    /// A lossless join does not load `intent`.
    JoinWithoutIntent,
    /// The producer scans the cursors, then stores `intent`.
    IntentAfterScan,
    /// The gate lets the producer one frame too far.
    GateOffByOne,
    /// The gate remembers the least cursor, if there was one, and scans again only when that one stands in the way.
    LeastCursorKept,
    /// The gate waits for a cursor without asking whether its owner lives.
    GateIgnoresDeath,
    /// A lossless consumer uses its frame without a pin; the cursor alone is to protect it.
    UseWithoutPin,
    /// A lossless consumer moves its cursor on before it has pinned.
    AdvanceBeforePin,
    /// A lossy reader jumps to head-H+1, the entry that a loan may be overwriting.
    LossyJumpShort,
}
