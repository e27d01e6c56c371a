//! What `top` shows, and what keys do to it. Nothing here draws, and nothing listens.

use super::details::Details;
use crate::failure::Outcome;
use crate::kinds;
use crate::rates::Rates;
use crate::screen::Colours;
use crate::who::Counts;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use sharray::{Directory, Info};
use std::cmp::Ordering;
use std::time::Instant;

/// One array, as it was at the last look.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) info: Info,
    pub(super) rate: f64,
    pub(super) counts: Counts,
}

/// What the table is sorted by, which is one of its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Name,
    Kind,
    Size,
    Sequence,
    Rate,
    Readers,
    Lag,
}

impl Sort {
    const ALL: [Self; 7] = [Self::Name, Self::Kind, Self::Size, Self::Sequence, Self::Rate, Self::Readers, Self::Lag];

    fn next(self) -> Self {
        let at = Self::ALL.iter().position(|one| *one == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    /// Names from the first, numbers from the greatest.
    fn compare(self, one: &Row, other: &Row) -> Ordering {
        match self {
            Self::Name => Ordering::Equal,
            Self::Kind => kinds::words(one.info.kind).kind.cmp(kinds::words(other.info.kind).kind),
            Self::Size => kinds::size(&other.info).cmp(&kinds::size(&one.info)),
            Self::Sequence => kinds::sequence(&other.info).cmp(&kinds::sequence(&one.info)),
            Self::Rate => other.rate.total_cmp(&one.rate),
            Self::Readers => other.counts.readers.cmp(&one.counts.readers),
            Self::Lag => other.counts.lag.cmp(&one.counts.lag),
        }
        .then_with(|| one.info.name.cmp(&other.info.name))
    }
}

/// What keys mean at the moment.
#[derive(Debug)]
pub(super) enum Page {
    Table,
    /// The filter is being typed.
    Filter,
    Keys,
    Details(Box<Details>),
}

/// What comes after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    End,
    Interrupt,
}

#[derive(Debug)]
pub(super) struct App {
    place: Directory,
    rates: Rates,
    rows: Vec<Row>,
    pub(super) colours: Colours,
    pub(super) page: Page,
    pub(super) sort: Sort,
    pub(super) is_reversed: bool,
    pub(super) filter: String,
    /// By name, since rows come and go.
    selected: Option<String>,
}

impl App {
    pub(super) fn new(place: Directory, colours: Colours) -> Self {
        Self {
            place,
            rates: Rates::default(),
            rows: Vec::new(),
            colours,
            page: Page::Table,
            sort: Sort::Name,
            is_reversed: false,
            filter: String::new(),
            selected: None,
        }
    }

    /// Looks how everything is now.
    pub(super) fn look(&mut self) -> Outcome {
        let infos = self.place.list()?;
        let rates = self.rates.look(&infos, Instant::now());
        let row = |(info, rate): (Info, f64)| Row { counts: Counts::of(&info), info, rate };
        self.rows = infos.into_iter().zip(rates).map(row).collect();
        if let Page::Details(details) = &mut self.page {
            details.look(&self.place, self.rows.iter().find(|row| row.info.name == details.name));
        }
        Ok(())
    }

    pub(super) fn path(&self) -> String {
        self.place.path().display().to_string()
    }

    /// The rows that pass the filter, in order.
    pub(super) fn visible(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.iter().filter(|row| row.info.name.contains(&self.filter)).collect();
        rows.sort_by(|one, other| self.sort.compare(one, other));
        if self.is_reversed {
            rows.reverse();
        }
        rows
    }

    /// Where the selected row is among those that are visible.
    pub(super) fn selected(&self) -> usize {
        let rows = self.visible();
        let selected = self.selected.as_deref();
        rows.iter().position(|row| Some(row.info.name.as_str()) == selected).unwrap_or(0)
    }

    fn select(&mut self, at: usize) {
        let rows = self.visible();
        self.selected = rows.get(at.min(rows.len().saturating_sub(1))).map(|row| row.info.name.clone());
    }

    /// Does what a key says.
    pub(super) fn key(&mut self, key: KeyEvent) -> Next {
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Next::Interrupt;
        }
        match self.page {
            Page::Table => return self.key_of_table(key.code),
            Page::Filter => self.key_of_filter(key.code),
            Page::Keys | Page::Details(_) if key.code == KeyCode::Char('q') => return Next::End,
            Page::Keys => self.page = Page::Table,
            Page::Details(_) if matches!(key.code, KeyCode::Esc | KeyCode::Enter | KeyCode::Left) => {
                self.page = Page::Table;
            }
            Page::Details(_) => {}
        }
        Next::GoOn
    }

    fn key_of_table(&mut self, key: KeyCode) -> Next {
        let at = self.selected();
        match key {
            KeyCode::Char('q') => return Next::End,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char('?' | 'h') => self.page = Page::Keys,
            KeyCode::Char('/') => self.page = Page::Filter,
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('r') => self.is_reversed = !self.is_reversed,
            KeyCode::Up | KeyCode::Char('k') => self.select(at.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.select(at + 1),
            KeyCode::Home | KeyCode::Char('g') => self.select(0),
            KeyCode::End | KeyCode::Char('G') => self.select(usize::MAX),
            KeyCode::Enter | KeyCode::Right => self.open(at),
            _ => {}
        }
        Next::GoOn
    }

    fn key_of_filter(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.page = Page::Table,
            KeyCode::Esc => {
                self.filter.clear();
                self.page = Page::Table;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) => self.filter.push(c),
            _ => {}
        }
    }

    fn open(&mut self, at: usize) {
        let Some(row) = self.visible().get(at).map(|row| (*row).clone()) else { return };
        self.selected = Some(row.info.name.clone());
        let mut details = Details::new(&row.info.name);
        details.look(&self.place, Some(&row));
        self.page = Page::Details(Box::new(details));
    }
}
