//! Tables that fit the terminal: what does not fit is cut, longest column first, and never wrapped.

use crate::text;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// No column is cut below this.
const NARROWEST: usize = 6;
const GAP: usize = 2;

/// A table in the making: a line of headings, and rows of as many cells.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    is_right: Vec<bool>,
}

impl Table {
    /// The headings; one that starts with `>` has its column flush right.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let is_right = headings.iter().map(|heading| heading.starts_with('>')).collect();
        let first = headings.iter().map(|heading| heading.trim_start_matches('>').to_owned()).collect();
        Self { rows: vec![first], is_right }
    }

    /// Adds a row, with everything escaped that is not for the reader.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| text::safe(&cell).into_owned()).collect());
    }

    /// The lines, none of them wider than `width`, if one is given.
    pub(crate) fn lines(&self, width: Option<usize>) -> Vec<String> {
        let widths = self.widths(width);
        self.rows.iter().map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, &width), &is_right) in row.iter().zip(widths).zip(&self.is_right) {
            let cell = cut(cell, width);
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

    fn widths(&self, width: Option<usize>) -> Vec<usize> {
        let widest = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
        let mut widths: Vec<usize> = (0..self.is_right.len()).map(|column| widest(column).unwrap_or(0)).collect();
        let gaps = GAP * widths.len().saturating_sub(1);
        let room = width.map_or(usize::MAX, |width| width.saturating_sub(gaps));
        while widths.iter().sum::<usize>() > room {
            match widths.iter_mut().max() {
                Some(longest) if *longest > NARROWEST => *longest -= 1,
                _ => break,
            }
        }
        widths
    }
}

/// The text in no more than so many columns; where something is missing stands an ellipsis.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
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

    /// A cut counts columns of the terminal, not characters.
    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(cut("漢字漢字", 5), "漢字…");
        assert_eq!(cut("漢字漢字", 4), "漢…");
        assert_eq!(cut("abc", 3), "abc");
    }
}
