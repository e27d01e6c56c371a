//! The library's errors by kind, to be counted.

use sharray::Error;

macro_rules! kinds {
    ($($kind:ident)*) => {
        /// The kind of an error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind {
            $($kind,)*
            /// One that is newer than this list.
            Other,
        }

        impl Kind {
            /// Their names, in order.
            pub(crate) const NAMES: &[&str] = &[$(stringify!($kind),)* "Other"];

            pub(crate) fn of(error: &Error) -> Self {
                match error {
                    $(Error::$kind { .. } => Self::$kind,)*
                    _ => Self::Other,
                }
            }
        }
    };
}

kinds! {
    NotFound AlreadyExists InvalidName Mismatch NotAnArray UnsupportedFormat Truncated Corrupt NeedsRecovery
    UnsupportedFilesystem Untrusted NoSpace ShapeOverflow TooManyDimensions InvalidArgument UnsupportedDtype
    InvalidPreamble TimedOut Retired ProducerPresent ProducerDied Lagged NoFreeSlot TooManyPins TooManyParticipants
    WouldDeadlock Locked Poisoned Forked ReadOnly DurabilityLost TableFull Io
}
