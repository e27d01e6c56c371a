//! The same verbs for the default place.

use super::{Directory, Info};
use crate::error::Result;

/// Tells about every array of the default place. See [`Directory::list`].
///
/// # Errors
/// As [`Directory::list`] and [`Directory::default_place`].
///
/// # Examples
/// ```
/// # let folder = tempfile::tempdir()?;
/// # // SAFETY: each example is a process of its own, and this is its only thread.
/// # unsafe { std::env::set_var("SHARRAY_DIR", folder.path()) };
/// let camera = sharray::Publisher::<u8, ndarray::Ix2>::create("camera", [480, 640])?;
/// for info in sharray::list()? {
///     println!("{}: {} of {} {:?}", info.name, info.kind, info.dtype, info.shape);
/// }
/// # assert_eq!(sharray::list()?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn list() -> Result<Vec<Info>> {
    Directory::default_place()?.list()
}

/// Tells about one array of the default place. See [`Directory::inspect`].
///
/// # Errors
/// As [`Directory::inspect`] and [`Directory::default_place`].
///
/// # Examples
/// ```
/// # let folder = tempfile::tempdir()?;
/// # // SAFETY: each example is a process of its own, and this is its only thread.
/// # unsafe { std::env::set_var("SHARRAY_DIR", folder.path()) };
/// let field = sharray::SharedArray::<f64, ndarray::Ix2>::create("field", [100, 100])?;
/// let info = sharray::inspect("field")?;
/// assert_eq!((info.shape, info.blocks, info.participants.len()), (vec![100, 100], 1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn inspect(name: &str) -> Result<Info> {
    Directory::default_place()?.inspect(name)
}

/// Removes a name of the default place. See [`Directory::unlink`].
///
/// # Errors
/// As [`Directory::unlink`] and [`Directory::default_place`].
///
/// # Examples
/// ```
/// use sharray::{Error, SharedCell};
/// # let folder = tempfile::tempdir()?;
/// # // SAFETY: each example is a process of its own, and this is its only thread.
/// # unsafe { std::env::set_var("SHARRAY_DIR", folder.path()) };
/// let gain = SharedCell::create("gain", 1.0)?;
/// sharray::unlink("gain")?;
/// assert!(gain.is_retired() && gain.load() == 1.0, "who has it attached goes on");
/// assert!(matches!(SharedCell::<f64>::attach("gain"), Err(Error::NotFound { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn unlink(name: &str) -> Result<()> {
    Directory::default_place()?.unlink(name)
}

/// Removes what nobody will ever need again from the default place. See [`Directory::collect_garbage`].
///
/// # Errors
/// As [`Directory::collect_garbage`] and [`Directory::default_place`].
///
/// # Examples
/// ```
/// # let folder = tempfile::tempdir()?;
/// # // SAFETY: each example is a process of its own, and this is its only thread.
/// # unsafe { std::env::set_var("SHARRAY_DIR", folder.path()) };
/// let field = sharray::SharedArray::<f64, ndarray::Ix1>::create("field", [100])?;
/// drop(field);
/// assert!(sharray::collect_garbage()?.is_empty(), "an array in place is never garbage");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn collect_garbage() -> Result<Vec<String>> {
    Directory::default_place()?.collect_garbage()
}
