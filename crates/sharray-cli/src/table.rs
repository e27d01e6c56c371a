//! Tables that fit the terminal: long columns are cut, then those go that can be done without. Nothing is wrapped.

use crate::text;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Before columns are cut below this, others go.
const NARROW: usize = 16;
const GAP: usize = 2;

/// A table in the making: a line of headings, and rows of as many cells.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    is_right: Vec<bool>,
    gives_way: Vec<usize>,
}

impl Table {
    /// The headings; one that starts with `>` has its column flush right.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let is_right = headings.iter().map(|heading| heading.starts_with('>')).collect();
        let first = headings.iter().map(|heading| heading.trim_start_matches('>').to_owned()).collect();
        Self { rows: vec![first], is_right, gives_way: Vec::new() }
    }

    /// The columns that can be done without where there is no room, by number, the first to go first.
    pub(crate) fn giving_way(mut self, columns: &[usize]) -> Self {
        self.gives_way = columns.to_vec();
        self
    }

    /// Adds a row, with everything escaped that is not for the reader.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| text::safe(&cell).into_owned()).collect());
    }

    /// The lines, none of them wider than `width`, if one is given.
    pub(crate) fn lines(&self, width: Option<usize>) -> Vec<String> {
        let width = width.unwrap_or(usize::MAX);
        let columns = self.columns(width);
        self.rows.iter().map(|row| cut(&self.line(row, &columns), width)).collect()
    }

    fn line(&self, row: &[String], columns: &[(usize, usize)]) -> String {
        let mut line = String::new();
        for &(column, width) in columns {
            let (cell, is_right) = (cut(&row[column], width), self.is_right[column]);
            let padding = " ".repeat(width - cell.width());
            let (before, after) = if is_right { (padding, String::new()) } else { (String::new(), padding) };
            line.push_str(&before);
            line.push_str(&cell);
            line.push_str(&after);
            line.push_str(&" ".repeat(GAP));
        }
        line.truncate(line.trim_end().len());
        line
    }

    /// The columns that are shown, each with its width.
    fn columns(&self, width: usize) -> Vec<(usize, usize)> {
        let widest = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
        let all = (0..self.is_right.len()).map(|column| (column, widest(column).unwrap_or(0)));
        let mut columns: Vec<(usize, usize)> = all.collect();
        for goes in &self.gives_way {
            if let Some(fit) = squeezed(columns.clone(), width, NARROW) {
                return fit;
            }
            columns.retain(|(column, _)| column != goes);
        }
        squeezed(columns, width, 0).unwrap_or_default()
    }
}

/// With the longest columns cut until all fit, none of them below `narrowest`; nothing, if they do not.
fn squeezed(mut columns: Vec<(usize, usize)>, width: usize, narrowest: usize) -> Option<Vec<(usize, usize)>> {
    let room = width.saturating_sub(GAP * columns.len().saturating_sub(1));
    while columns.iter().map(|(_, width)| width).sum::<usize>() > room {
        let longest = columns.iter_mut().map(|(_, width)| width).max().filter(|longest| **longest > narrowest)?;
        *longest -= 1;
    }
    Some(columns)
}

/// The text in no more than so many columns; where something is missing stands an ellipsis.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    if width == 0 {
        return String::new();
    }
    let (mut short, mut used) = (String::new(), 1);
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        short.push(c);
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_column_gives_way() {
        let mut table = Table::new(&["NAME", ">N", "WHAT"]);
        table.row(["camera".to_owned(), "1".to_owned(), "a very long text".to_owned()]);
        assert_eq!(table.lines(None), ["NAME    N  WHAT", "camera  1  a very long text"]);
        assert_eq!(table.lines(Some(20)), ["NAME    N  WHAT", "camera  1  a very l…"]);
    }

    /// What can be done without goes before what is left would say nothing; and however narrow it is, nothing is wrapped.
    #[test]
    fn columns_give_way() {
        let table = || {
            let mut table = Table::new(&["NAME", ">N", "WHAT"]).giving_way(&[1, 2]);
            table.row(["a name of some length".to_owned(), "1".to_owned(), "a very long text".to_owned()]);
            table
        };
        assert_eq!(table().lines(Some(37))[1], "a name of some …  1  a very long text");
        assert_eq!(table().lines(Some(36))[1], "a name of some le…  a very long text");
        assert_eq!(table().lines(Some(33)), ["NAME", "a name of some length"]);
        for width in 0..60 {
            assert!(table().lines(Some(width)).iter().all(|line| line.width() <= width), "{width}");
        }
    }

    /// A cut counts columns of the terminal, not characters.
    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(cut("漢字漢字", 5), "漢字…");
        assert_eq!(cut("漢字漢字", 4), "漢…");
        assert_eq!(cut("abc", 3), "abc");
    }
}
