//! What the kernel can be told about how a map will be used.

/// How a map, or a part of one, will be used. It changes how fast things are, and nothing else.
///
/// # Examples
/// ```
/// use sharray::{Advice, Mode, memmap};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data.dat");
/// # memmap::<u8>(&path).mode(Mode::Write).shape([1 << 16]).open()?;
/// let m = memmap::<u8>(&path).open()?;
/// m.advise(Advice::Random)?;
/// m.advise_range(Advice::WillNeed, 0..4096)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Advice {
    /// As the kernel sees fit: it reads ahead a little.
    Normal,
    /// From the start to the end: it reads ahead more.
    Sequential,
    /// Here and there: it reads what is touched, and nothing ahead.
    Random,
    /// Soon: it starts to read now.
    WillNeed,
    /// In pages of 2 MiB, where the file system has such; an error where the kernel knows of none.
    HugePages,
    /// In pages of the usual size.
    SmallPages,
}

impl Advice {
    pub(super) fn to_kernel(self) -> memmap2::Advice {
        match self {
            Self::Normal => memmap2::Advice::Normal,
            Self::Sequential => memmap2::Advice::Sequential,
            Self::Random => memmap2::Advice::Random,
            Self::WillNeed => memmap2::Advice::WillNeed,
            Self::HugePages => memmap2::Advice::HugePage,
            Self::SmallPages => memmap2::Advice::NoHugePage,
        }
    }
}
