//! The kinds of array, and how a file says which it is.

use crate::layout::{Identity, flags, kind};
use std::fmt;

/// What kind of array a name stands for.
///
/// # Examples
/// ```
/// use sharray::{Kind, SharedCell};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// SharedCell::<f64>::builder().directory(&place).create("gain", 1.0)?;
/// let kind = place.inspect("gain")?.kind;
/// assert_eq!((kind, kind.to_string().as_str()), (Kind::Cell, "a cell"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// One array that everyone sees change.
    InPlace,
    /// A small value with one writer at a time that readers never wait for.
    Cell,
    /// Frames, one after the other.
    Stream,
    /// A table that rows are appended to.
    Growable,
    /// Processes that step together.
    Team,
}

impl Kind {
    /// What a file's identity, which was checked, says.
    pub(crate) fn of(identity: &Identity) -> Self {
        match identity.kind {
            kind::IN_PLACE if identity.flags & flags::CELL != 0 => Self::Cell,
            kind::IN_PLACE => Self::InPlace,
            kind::STREAM => Self::Stream,
            kind::GROWABLE => Self::Growable,
            _ => Self::Team,
        }
    }

    /// The number in a file's identity, and the flag beside it.
    pub(crate) fn to_bits(self) -> (u32, u32) {
        match self {
            Self::InPlace => (kind::IN_PLACE, 0),
            Self::Cell => (kind::IN_PLACE, flags::CELL),
            Self::Stream => (kind::STREAM, 0),
            Self::Growable => (kind::GROWABLE, 0),
            Self::Team => (kind::TEAM, 0),
        }
    }
}

/// With its article, as a sentence needs it.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InPlace => "an array in place",
            Self::Cell => "a cell",
            Self::Stream => "a stream",
            Self::Growable => "a growable array",
            Self::Team => "a team",
        })
    }
}
