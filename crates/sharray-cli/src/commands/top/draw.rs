//! How `top` looks.

use super::app::{App, Page, Row, Sort};
use crate::table::Table;
use crate::{kinds, text};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

/// The columns that go first where there is no room, by number.
const GIVE_WAY: [usize; 11] = [1, 5, 8, 9, 2, 7, 3, 4, 6, 10, 11];

/// The columns: the heading, flush right if it starts with `>`, and what sorts by it.
const COLUMNS: [(&str, Option<Sort>); 12] = [
    ("NAME", Some(Sort::Name)),
    ("KIND", Some(Sort::Kind)),
    ("DTYPE", None),
    ("SHAPE", None),
    (">SIZE", Some(Sort::Size)),
    (">SEQUENCE", Some(Sort::Sequence)),
    (">RATE", Some(Sort::Rate)),
    (">READERS", Some(Sort::Readers)),
    (">PINS", None),
    (">LAG", Some(Sort::Lag)),
    (">DEAD", None),
    ("STATE", None),
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

pub(super) fn draw(frame: &mut Frame<'_>, app: &mut App) {
    let [above, middle, below] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
    let bar = Style::new().add_modifier(Modifier::REVERSED);
    frame.render_widget(Paragraph::new(title(app)).style(bar), above);
    let colours = app.colours;
    match &mut app.page {
        Page::Details(details) => details.draw(frame, middle, colours),
        Page::Keys => frame.render_widget(Paragraph::new(KEYS.map(Line::from).to_vec()), middle),
        Page::Table | Page::Filter => table(frame, middle, app),
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
    let (rows, selected) = (app.visible(), app.selected());
    let headings = COLUMNS.map(|(name, sort)| format!("{name}{}", mark(app, sort)));
    let mut table = Table::new(&headings.each_ref().map(String::as_str)).giving_way(&GIVE_WAY);
    for row in &rows {
        table.row(cells(row));
    }
    let mut lines = table.lines(Some(area.width.into())).into_iter();
    let heading = lines.next().map(|line| Line::styled(line, Modifier::BOLD));
    let body = lines.zip(&rows).enumerate().map(|(at, (line, row))| {
        let style = style(row);
        Line::styled(line, if at == selected { style.add_modifier(Modifier::REVERSED) } else { style })
    });
    // The selected row is on the screen.
    let passed_over = (selected + 2).saturating_sub(area.height.into());
    let shown: Vec<Line<'_>> = heading.into_iter().chain(body.skip(passed_over)).collect();
    frame.render_widget(Paragraph::new(shown), area);
}

/// What says that the table is sorted by a column.
fn mark(app: &App, sort: Option<Sort>) -> &'static str {
    match (sort == Some(app.sort), app.is_reversed) {
        (true, false) => "▾",
        (true, true) => "▴",
        (false, _) => "",
    }
}

fn cells(row @ Row { info, rate, counts }: &Row) -> [String; COLUMNS.len()] {
    [
        info.name.clone(),
        kinds::words(info.kind).kind.to_owned(),
        info.dtype.to_string(),
        text::shape(&info.shape),
        text::bytes(kinds::size(info)),
        kinds::sequence(info).to_string(),
        text::rate(*rate),
        counts.readers.to_string(),
        counts.pins.to_string(),
        counts.lag.to_string(),
        counts.dead.to_string(),
        state(row).to_owned(),
    ]
}

/// Whether somebody is there to write it, or has just done so: a lease is too short to be seen.
fn is_written(row: &Row) -> bool {
    row.counts.writers > 0 || row.rate > 0.0
}

fn style(row: &Row) -> Style {
    match (row.counts.dead > 0 || !row.info.poisoned.is_empty(), is_written(row)) {
        (true, _) => Style::new().fg(Color::Red),
        (false, true) => Style::new().fg(Color::Green),
        (false, false) => Style::new(),
    }
}

fn state(row: &Row) -> &'static str {
    let Row { info, counts, .. } = row;
    match () {
        () if !info.poisoned.is_empty() => "poisoned",
        () if info.is_broken => "broken",
        () if counts.dead > 0 => "dead",
        () if info.is_closed => "closed",
        () if is_written(row) => "writing",
        () => "idle",
    }
}
