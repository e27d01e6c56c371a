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
