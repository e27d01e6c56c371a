//! The same verbs for the default place.

use super::{Directory, Info};
use crate::error::Result;

/// Tells about every array of the default place. See [`Directory::list`].
///
/// # Errors
/// As [`Directory::list`] and [`Directory::default_place`].
pub fn list() -> Result<Vec<Info>> {
    Directory::default_place()?.list()
}

/// Tells about one array of the default place. See [`Directory::inspect`].
///
/// # Errors
/// As [`Directory::inspect`] and [`Directory::default_place`].
pub fn inspect(name: &str) -> Result<Info> {
    Directory::default_place()?.inspect(name)
}

/// Removes a name of the default place. See [`Directory::unlink`].
///
/// # Errors
/// As [`Directory::unlink`] and [`Directory::default_place`].
pub fn unlink(name: &str) -> Result<()> {
    Directory::default_place()?.unlink(name)
}

/// Removes what nobody will ever need again from the default place. See [`Directory::collect_garbage`].
///
/// # Errors
/// As [`Directory::collect_garbage`] and [`Directory::default_place`].
pub fn collect_garbage() -> Result<Vec<String>> {
    Directory::default_place()?.collect_garbage()
}
