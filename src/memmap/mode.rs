//! How a plain file is mapped: what may be written, and where it goes.
//!
//! Each way is a type, so that the compiler knows what a map can do: [`Writable`] maps lend mutable views, and what
//! is written through [`Shared`] ones goes into the file. [`AnyMode`] is the same choice at run time.
//!
//! | here | `np.memmap` | the file | what is written |
//! |---|---|---|---|
//! | [`Read`] | `r` | has to be there, long enough | nothing |
//! | [`ReadWrite`] | `r+` | has to be there; grows if the shape needs more | goes into the file |
//! | [`Write`] | `w+` | a new one, all zero, takes the place of any that is there | goes into the file |
//! | [`CopyOnWrite`] | `c` | has to be there, long enough | stays in this process |

use std::fmt;

/// `r`: to look at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Read;

/// `r+`: to change in place.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadWrite;

/// `w+`: a new file, which takes the place of the old one when it is whole.
///
/// Unlike `np.memmap`, it does not shorten the old file, whose other users would die of SIGBUS: they keep the old file, and
/// whoever opens the path from now on has the new one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Write;

/// `c`: to change what this process alone sees.
#[derive(Clone, Copy, Debug, Default)]
pub struct CopyOnWrite;

/// One of the ways to map a file.
pub trait Access: sealed::Sealed + Copy + fmt::Debug + Send + Sync + 'static {
    /// The same at run time.
    const MODE: AnyMode;
}

/// The ways that lend a mutable view.
pub trait Writable: Access {}

/// The ways in which what is written goes into the file.
pub trait Shared: Writable {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! modes {
    ($($mode:ident),*) => {$(
        impl sealed::Sealed for $mode {}
        impl Access for $mode {
            const MODE: AnyMode = AnyMode::$mode;
        }
        impl From<$mode> for AnyMode {
            fn from(_: $mode) -> Self {
                Self::$mode
            }
        }
    )*};
}
modes!(Read, ReadWrite, Write, CopyOnWrite);

impl Writable for ReadWrite {}
impl Writable for Write {}
impl Writable for CopyOnWrite {}
impl Shared for ReadWrite {}
impl Shared for Write {}

/// How a plain file is mapped, chosen at run time. See [`Mode`](crate::Mode) for what each means.
///
/// It is displayed as NumPy's letters, and made of them, or of its other words for them.
///
/// # Examples
/// ```
/// use sharray::{AnyMode, Mode};
///
/// assert_eq!(AnyMode::from_letters("w+"), Some(AnyMode::Write));
/// assert_eq!(AnyMode::from(Mode::CopyOnWrite).to_string(), "c");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AnyMode {
    /// `r`: to look at.
    #[default]
    Read,
    /// `r+`: to change in place.
    ReadWrite,
    /// `w+`: a new file in the place of the old one.
    Write,
    /// `c`: to change what this process alone sees.
    CopyOnWrite,
}

impl AnyMode {
    /// The mode that NumPy's letters, or its other words, mean; `None` if there is none.
    pub fn from_letters(text: &str) -> Option<Self> {
        match text {
            "r" | "readonly" => Some(Self::Read),
            "r+" | "readwrite" => Some(Self::ReadWrite),
            "w+" | "write" => Some(Self::Write),
            "c" | "copyonwrite" => Some(Self::CopyOnWrite),
            _ => None,
        }
    }

    /// NumPy's letters for it.
    pub fn letters(self) -> &'static str {
        match self {
            Self::Read => "r",
            Self::ReadWrite => "r+",
            Self::Write => "w+",
            Self::CopyOnWrite => "c",
        }
    }

    /// Whether a map of this mode may be written.
    pub fn is_writable(self) -> bool {
        self != Self::Read
    }
}

impl fmt::Display for AnyMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.letters())
    }
}
