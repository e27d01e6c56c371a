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
///
/// # Examples
/// ```
/// use sharray::{Error, Mode, memmap};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data.dat");
/// assert!(matches!(memmap::<u8>(&path).mode(Mode::Read).open(), Err(Error::Io { .. })), "there is no such file");
/// std::fs::write(&path, [1, 2, 3])?;
/// assert_eq!(memmap::<u8>(&path).mode(Mode::Read).open()?.view().sum(), 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Read;

/// `r+`: to change in place.
///
/// # Examples
/// ```
/// use sharray::{Mode, memmap};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data.dat");
/// std::fs::write(&path, [1, 2, 3])?;
/// memmap::<u8>(&path).mode(Mode::ReadWrite).shape([4]).open()?.view_mut()[0] = 7;
/// assert_eq!(std::fs::read(&path)?, [7, 2, 3, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadWrite;

/// `w+`: a new file, which takes the place of the old one when it is whole.
///
/// Unlike `np.memmap`, it does not shorten the old file, whose other users would die of SIGBUS: they keep the old file, and
/// whoever opens the path from now on has the new one.
///
/// # Examples
/// ```
/// use sharray::{Mode, memmap};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data.dat");
/// std::fs::write(&path, [1, 2, 3])?;
/// let old = memmap::<u8>(&path).open()?;
/// memmap::<u8>(&path).mode(Mode::Write).shape([2]).open()?.view_mut().fill(7);
/// assert_eq!(std::fs::read(&path)?, [7, 7]);
/// assert_eq!(old.view().to_vec(), [1, 2, 3], "whoever has the old file keeps it");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Write;

/// `c`: to change what this process alone sees.
///
/// # Examples
/// ```
/// use sharray::{Mode, memmap};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data.dat");
/// std::fs::write(&path, [1, 2, 3])?;
/// let mut m = memmap::<u8>(&path).mode(Mode::CopyOnWrite).open()?;
/// m.view_mut().fill(7);
/// assert_eq!((m.view().sum(), std::fs::read(&path)?), (21, vec![1, 2, 3]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CopyOnWrite;

/// One of the ways to map a file.
///
/// # Examples
/// ```
/// use ndarray::Ix1;
/// use sharray::{AnyMode, Memmap, Mode, memmap};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data.dat");
/// # std::fs::write(&path, [1, 2, 3])?;
/// fn sum<M: Mode::Access>(m: &Memmap<u8, Ix1, M>) -> u8 {
///     m.view().sum()
/// }
/// assert_eq!(sum(&memmap(&path).open()?), sum(&memmap(&path).mode(Mode::ReadWrite).open()?));
/// assert_eq!(<Mode::ReadWrite as Mode::Access>::MODE, AnyMode::ReadWrite);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Access: sealed::Sealed + Copy + fmt::Debug + Send + Sync + 'static {
    /// The same at run time.
    const MODE: AnyMode;
}

/// The ways that lend a mutable view.
///
/// # Examples
/// ```
/// use ndarray::Ix1;
/// use sharray::{Memmap, Mode, memmap};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data.dat");
/// # std::fs::write(&path, [1, 2, 3])?;
/// fn clear<M: Mode::Writable>(m: &mut Memmap<u8, Ix1, M>) {
///     m.view_mut().fill(0);
/// }
/// clear(&mut memmap(&path).mode(Mode::CopyOnWrite).open()?);
/// assert_eq!(std::fs::read(&path)?, [1, 2, 3]);
/// clear(&mut memmap(&path).mode(Mode::ReadWrite).open()?);
/// assert_eq!(std::fs::read(&path)?, [0, 0, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Writable: Access {}

/// The ways in which what is written goes into the file.
///
/// # Examples
/// ```
/// use ndarray::Ix1;
/// use sharray::{Memmap, Mode, memmap};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data.dat");
/// fn save<M: Mode::Shared>(m: &mut Memmap<u8, Ix1, M>) -> sharray::Result<()> {
///     m.view_mut().fill(1);
///     m.flush()
/// }
/// save(&mut memmap(&path).mode(Mode::Write).shape([3]).open()?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    ///
    /// # Examples
    /// ```
    /// use sharray::AnyMode;
    ///
    /// let mode = AnyMode::from_letters("readwrite").expect("it is one of NumPy's");
    /// assert_eq!((mode.letters(), mode.is_writable()), ("r+", true));
    /// assert_eq!(AnyMode::from_letters("rw"), None);
    /// ```
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
