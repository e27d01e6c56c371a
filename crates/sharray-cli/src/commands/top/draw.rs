//! How `top` looks.

use super::app::{App, Page, Row, Sort};
use crate::{kinds, text};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Paragraph, Row as TableRow, Table, TableState};

/// The columns: heading, width, what sorts by it.
const COLUMNS: [(&str, Constraint, Option<Sort>); 12] = [
    ("NAME", Constraint::Min(12), Some(Sort::Name)),
    ("KIND", Constraint::Length(6), Some(Sort::Kind)),
    ("DTYPE", Constraint::Max(12), None),
    ("SHAPE", Constraint::Max(16), None),
    ("SIZE", Constraint::Length(11), Some(Sort::Size)),
    ("SEQUENCE", Constraint::Length(9), Some(Sort::Sequence)),
    ("RATE", Constraint::Length(9), Some(Sort::Rate)),
    ("READERS", Constraint::Length(8), Some(Sort::Readers)),
    ("PINS", Constraint::Length(4), None),
    ("LAG", Constraint::Length(5), Some(Sort::Lag)),
    ("DEAD", Constraint::Length(4), None),
    ("STATE", Constraint::Length(8), None),
];

const KEYS: [&str; 9] = [
    "up, down, k, j   another row",
    "home, end, g, G  the first row, the last",
    "enter            details of the row, with a picture",
    "esc              back; in the table: no filter",
    "/                filter by a part of the name",
    "s                sort by the next column",
    "r                the other way round",
    "?                these keys",
    "q, ctrl-c        leave",
];

pub(super) fn draw(frame: &mut Frame<'_>, app: &App) {
    let [above, middle, below] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
    let bar = Style::new().add_modifier(Modifier::REVERSED);
    frame.render_widget(Paragraph::new(title(app)).style(bar), above);
    match &app.page {
        Page::Table | Page::Filter => table(frame, middle, app),
        Page::Keys => frame.render_widget(Paragraph::new(KEYS.map(Line::from).to_vec()), middle),
        Page::Details(details) => details.draw(frame, middle, app.colours),
    }
    frame.render_widget(Paragraph::new(footer(app)).style(bar), below);
}

fn title(app: &App) -> String {
    let rows = app.visible();
    let dead: usize = rows.iter().map(|row| row.counts.dead).sum();
    let dead = if dead > 0 { format!(", {dead} dead") } else { String::new() };
    format!(" sharray  {}  {}{dead}", text::safe(&app.path()), text::count(rows.len(), "array"))
}

fn footer(app: &App) -> String {
    match app.page {
        Page::Table if app.filter.is_empty() => {
            " q leave  enter details  / filter  s sort  r reverse  ? keys".to_owned()
        }
        Page::Table => format!(" names with {:?}  esc all  q leave  enter details  s sort  r reverse", app.filter),
        Page::Filter => format!(" names with: {}_  enter done  esc all", app.filter),
        Page::Keys => " any key: back  q leave".to_owned(),
        Page::Details(_) => " esc back  q leave".to_owned(),
    }
}

fn table(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let heading = |(name, _, sort): (&str, Constraint, Option<Sort>)| {
        let mark = match (sort == Some(app.sort), app.is_reversed) {
            (true, false) => "▾",
            (true, true) => "▴",
            (false, _) => "",
        };
        format!("{name}{mark}")
    };
    let headings = TableRow::new(COLUMNS.map(heading)).style(Style::new().add_modifier(Modifier::BOLD));
    let rows = app.visible().into_iter().map(row);
    let table = Table::new(rows, COLUMNS.map(|(_, width, _)| width))
        .header(headings)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::new().with_selected(app.selected());
    frame.render_stateful_widget(table, area, &mut state);
}

fn row(Row { info, rate, counts }: &Row) -> TableRow<'static> {
    let cells = [
        info.name.clone(),
        kinds::words(info.kind).kind.to_owned(),
        info.dtype.to_string(),
        text::shape(&info.shape),
        text::bytes(info.file_len),
        info.sequence.to_string(),
        text::rate(*rate),
        counts.readers.to_string(),
        counts.pins.to_string(),
        counts.lag.to_string(),
        counts.dead.to_string(),
        state(info.is_closed, !info.poisoned.is_empty(), counts.writers, counts.dead).to_owned(),
    ];
    let style = match (counts.dead > 0 || !info.poisoned.is_empty(), counts.writers > 0) {
        (true, _) => Style::new().fg(Color::Red),
        (false, true) => Style::new().fg(Color::Green),
        (false, false) => Style::new(),
    };
    TableRow::new(cells.map(|cell| Cell::from(text::safe(&cell).into_owned()))).style(style)
}

fn state(is_closed: bool, is_poisoned: bool, writers: usize, dead: usize) -> &'static str {
    match () {
        () if is_poisoned => "poisoned",
        () if dead > 0 => "dead",
        () if is_closed => "closed",
        () if writers > 0 => "writing",
        () => "idle",
    }
}
