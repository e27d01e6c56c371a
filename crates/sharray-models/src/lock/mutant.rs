//! Ways to get the lock wrong. Each is a small change that a reasonable person might make.

/// What is changed. [`Mutant::None`] is the protocol as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Nothing: the protocol.
    None,

    /// A reader looks at `wr`, then announces itself.
    NoRecheck,
    /// A reader of several blocks looks at the first one's `wr` only.
    CheckFirstOnly,
    /// A hold of the whole is a flag that is stored, not a count.
    HoldStored,
    /// A reader looks for poison before it announces itself.
    PoisonBeforeIn,
    /// A reader that finds a writer waits for it without taking its announcement back.
    KeepAnnounced,
    /// A reader that leaves does not wake the writer that waits for it.
    NoDrainWake,
    /// A reader wakes that writer when it leaves, but not when it takes back an announcement.
    NoDrainWakeOnRetreat,
    /// A reader looks at DRAIN, then takes its announcement back.
    LookBeforeLeave,
    /// A reader of several blocks looks at the first one's DRAIN only.
    LookFirstOnly,
    /// Whoever leaves a shared pin clears it.
    ClearSharedPin,
    /// A thread joins a pin that its last user is clearing.
    JoinClosing,
    /// A thread that joins a pin leaves it to the first user to store it.
    JoinWithoutStore,
    /// The last user of a pin frees its entry, then clears the pin.
    FreeEntryFirst,

    /// A writer does not look for readers.
    NoDrain,
    /// A writer does not look at the holds of other threads of its own attach.
    DrainSkipsOwn,
    /// A writer looks for holds of the whole only.
    DrainIgnoresPins,
    /// A writer loads `occupied` before it takes `wr`.
    BitsBeforeTake,
    /// A writer sleeps after setting DRAIN without looking again.
    DrainWithoutRescan,
    /// A writer loads the counter it sleeps on after it has looked again.
    CounterAfterScan,
    /// A writer waits for readers without asking whether they live.
    DrainIgnoresDeath,
    /// A writer of several blocks takes the higher one first.
    FallingOrder,
    /// A writer makes each block odd as soon as that one's readers are gone.
    OddEarly,
    /// DRAIN is not cleared until the block is free.
    KeepDrain,
    /// DRAIN is cleared by storing the own tag.
    UnmarkByStore,
    /// A writer that gives up waiting keeps the blocks it had.
    QuitKeeps,
    /// A writer frees its blocks, then makes their sequences even.
    ReleaseBeforeEven,
    /// A writer that panics poisons after it has freed the block.
    PanicPoisonsLate,
    /// A writer that panics poisons nothing.
    PanicWithoutPoison,
    /// Poison is cleared by whoever saw it, without taking the block.
    ClearUnlocked,
    /// Poison is cleared after the block was freed.
    CleanseAfterRelease,

    /// A release does not look at WAITERS.
    IgnoreWaiters,
    /// A release wakes one of those who sleep.
    WakeOne,
    /// A waiter sleeps whatever the word is by then.
    SleepWithoutCompare,
    /// A waiter sets WAITERS whatever the word is by then.
    MarkByOr,
    /// A waiter does not ask whether the owner lives.
    WaitIgnoresDeath,
    /// A word with TURN counts as taken.
    TurnIsOwner,
    /// Newcomers give way to the starving until one of them has been in.
    GiveWayForEver,
    /// A release gives TURN back by a store.
    TurnStored,
    /// A starving reader that is in clears TURN by a store.
    TurnClearedByStore,
    /// Who waits for a change checks, then says that it sleeps, as is right where every change is counted.
    ArmAfterCheck,
    /// A writer looks whether anybody waits for a change before it has made one.
    NotifyBeforeEven,

    /// A busy byte is taken for a dead owner's.
    FalseDeath,
    /// A thread asks for its own attach's byte, which it gets.
    ProbeOwn,
    /// Two threads of one attach may recover at the same time.
    NoReapMutex,
    /// Recovery frees the block, then poisons it.
    FreeBeforePoison,
    /// Recovery makes the sequence even, then poisons the block.
    EvenBeforePoison,
    /// Recovery does not poison.
    NoPoison,
    /// Recovery poisons whatever the dead one owned.
    PoisonAlways,
    /// Recovery does not look at the sequence: the block is poisoned and freed, and stays odd.
    NeverEven,
    /// Recovery clears the bit and the state first, the words after.
    RecordFirst,
    /// Recovery wakes nobody.
    Silent,
    /// Recovery leaves the holds of the dead.
    KeepHolds,
    /// A detach leaves the block whose guard was forgotten.
    ForgottenKept,

    /// A copier does not look at the sequences again.
    CopyWithoutSecondLook,
    /// A copier does not mind an odd sequence.
    CopyOdd,
    /// A copier looks at the first block's sequence only.
    CopyFirstOnly,
    /// A copier looks for poison before it begins.
    CopyPoisonFirst,
    /// A copier does not look for poison.
    CopyIgnoresPoison,
    /// A copier that found the owner dead does not look at the sequence again.
    AlarmAtOnce,
}
