//! Trouble on purpose: who cannot see it does not look.

use std::str::FromStr;

/// What a worker does wrong now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// Publishes a frame of which one word is another's.
    Torn,
    /// Forgets a subscriber, with its descriptors and its mapping.
    Leak,
    /// Waits for ever.
    Hang,
    /// Receives a frame and does not count it.
    Skip,
    /// Panics.
    Panic,
}

const ALL: [Sabotage; 5] = [Sabotage::Torn, Sabotage::Leak, Sabotage::Hang, Sabotage::Skip, Sabotage::Panic];

impl Sabotage {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Torn => "torn",
            Self::Leak => "leak",
            Self::Hang => "hang",
            Self::Skip => "skip",
            Self::Panic => "panic",
        }
    }
}

impl FromStr for Sabotage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        ALL.into_iter().find(|sabotage| sabotage.name() == text).ok_or_else(|| format!("nobody knows {text:?}"))
    }
}
