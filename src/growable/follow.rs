//! Rows as they come.

use super::AnyGrowable;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::guard::Items;
use crate::sys::futex::deadline_ns;
use ndarray::{ArrayView, Dimension, IxDyn};
use std::iter::FusedIterator;
use std::ops::Range;
use std::time::Duration;

/// Which rows of a table are new, as they come. Made by [`AnyGrowable::follow`].
///
/// It ends when the table was unlinked and all its rows were told. After an error, a time-out for one, it may be asked
/// again, and goes on where it was.
///
/// # Examples
/// ```
/// use ndarray::{Ix1, arr1};
/// use sharray::{AnyGrowable, Error, GrowableArray};
/// use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let log = GrowableArray::<f64, Ix1>::builder().directory(&place).create_from("log", &arr1(&[1.0, 2.0]))?;
/// let any = AnyGrowable::builder().directory(&place).attach("log")?;
/// let mut rows = any.follow().from_row(0).timeout(Duration::from_millis(2));
/// assert_eq!(rows.next().expect("it is not unlinked")?, 0..2);
/// assert!(matches!(rows.next(), Some(Err(Error::TimedOut { .. }))));
/// log.append(&arr1(&[3.0]))?;
/// assert_eq!(rows.next().expect("it is not unlinked")?, 2..3);
/// assert_eq!(rows.next_row(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AnyFollow<'g> {
    table: &'g AnyGrowable,
    next: usize,
    timeout: Option<Duration>,
    has_ended: bool,
}

impl<'g> AnyFollow<'g> {
    pub(super) fn new(table: &'g AnyGrowable) -> Self {
        Self { table, next: table.len(), timeout: None, has_ended: false }
    }

    /// Begins with this row; with 0, at the beginning. Default: with the first one to come.
    #[must_use]
    pub fn from_row(mut self, row: usize) -> Self {
        self.next = row;
        self
    }

    /// Waits for new rows at most so long.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The row that comes next: where to begin again, after a restart.
    pub fn next_row(&self) -> usize {
        self.next
    }
}

impl Iterator for AnyFollow<'_> {
    type Item = Result<Range<usize>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended || self.next == self.table.max_len() {
            return None;
        }
        match self.table.wait_until(self.next.saturating_add(1), deadline_ns(self.timeout)) {
            Ok(len) => {
                let rows = self.next..len;
                self.next = len;
                Some(Ok(rows))
            }
            Err(Error::Retired { .. }) => {
                self.has_ended = true;
                None
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// The rows of a table as they come. Made by [`GrowableArray::follow`](crate::GrowableArray::follow).
///
/// It ends when the table was unlinked and all its rows were given. After an error, a time-out for one, it may be asked
/// again, and goes on where it was.
///
/// # Examples
/// ```
/// use ndarray::{Ix1, arr1};
/// use sharray::GrowableArray;
/// use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let log = GrowableArray::<f64, Ix1>::builder().directory(&place).create_from("log", &arr1(&[1.0, 2.0]))?;
/// let mut new = log.follow().timeout(Duration::from_secs(1));
/// log.append(&arr1(&[3.0, 4.0]))?;
/// assert_eq!(new.next().expect("it is not unlinked")?, arr1(&[3.0, 4.0]));
///
/// // After a restart, from where one was:
/// assert_eq!(log.follow().from_row(new.next_row() - 1).next().expect("it is not unlinked")?, arr1(&[4.0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Follow<'g, T, D = IxDyn> {
    any: AnyFollow<'g>,
    items: &'g Items<T, D>,
}

impl<'g, T: Element, D: Dimension> Follow<'g, T, D> {
    pub(super) fn new(any: AnyFollow<'g>, items: &'g Items<T, D>) -> Self {
        Self { any, items }
    }

    /// Begins with this row; with 0, at the beginning. Default: with the first one to come.
    #[must_use]
    pub fn from_row(mut self, row: usize) -> Self {
        self.any = self.any.from_row(row);
        self
    }

    /// Waits for new rows at most so long.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.any = self.any.timeout(timeout);
        self
    }

    /// The row that comes next: where to begin again, after a restart.
    pub fn next_row(&self) -> usize {
        self.any.next_row()
    }
}

impl<'g, T: Element, D: Dimension> Iterator for Follow<'g, T, D> {
    type Item = Result<ArrayView<'g, T, D>>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.any.next()?;
        let table = self.any.table;
        Some(rows.and_then(|rows| Ok(table.there()?.part(rows)?.view(self.items))))
    }
}

// Once the table is full or gone, nothing comes any more.
impl FusedIterator for AnyFollow<'_> {}
impl<T: Element, D: Dimension> FusedIterator for Follow<'_, T, D> {}
