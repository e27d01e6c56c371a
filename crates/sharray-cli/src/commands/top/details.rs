//! The page about one array, with its newest value as a picture.

use super::app::Row;
use crate::items::Items;
use crate::kinds::{Access, LARGE, Source, Value};
use crate::picture::{Canvas, Picture, Rgb, Slice, nearest};
use crate::screen::Colours;
use crate::{kinds, text, who};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};
use sharray::Directory;
use std::time::Duration;

/// How long a picture may wait for whoever writes in place: keys wait as long.
const PATIENCE: Duration = Duration::from_millis(50);

/// The newest value, and what of it is drawn.
#[derive(Debug)]
struct Newest {
    value: Value,
    slice: Slice,
    /// Which field, if it has several.
    field: Option<String>,
}

#[derive(Debug)]
pub(super) struct Details {
    pub(super) name: String,
    /// `None`: it is gone.
    row: Option<Row>,
    source: Option<([u8; 16], Source)>,
    /// The newest value, or why there is none.
    value: Result<Newest, String>,
    /// Its picture, once it was drawn, and where.
    picture: Option<(Rect, Vec<Line<'static>>)>,
}

impl Details {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), row: None, source: None, value: Err(String::new()), picture: None }
    }

    /// Looks how it is now.
    pub(super) fn look(&mut self, place: &Directory, row: Option<&Row>) {
        self.row = row.cloned();
        // A large array takes a while to read and to draw: as long as nothing has changed it is not done again.
        if !self.is_up_to_date() {
            self.value = self.read(place);
            self.picture = None;
        }
    }

    fn is_up_to_date(&self) -> bool {
        let info = self.row.as_ref().map(|row| &row.info);
        let is_same = |(generation, _): &([u8; 16], Source)| info.is_some_and(|info| info.generation == *generation);
        let sequence = self.value.as_ref().ok().map(|newest| newest.value.sequence);
        self.source.as_ref().is_some_and(is_same) && sequence == info.map(kinds::sequence)
    }

    fn read(&mut self, place: &Directory) -> Result<Newest, String> {
        let Some(info) = self.row.as_ref().map(|row| &row.info) else { return Err("it is gone".to_owned()) };
        let source = match &mut self.source {
            Some((generation, source)) if *generation == info.generation => source,
            old => {
                let source = Source::open(place, info, Access::Look).map_err(crate::failure::Failure::into_message)?;
                &mut old.insert((info.generation, source)).1
            }
        };
        let value = source.newest(PATIENCE).map_err(|error| error.to_string())?;
        let value = value.ok_or_else(|| "there is no frame yet".to_owned())?;
        let found = Items::of_any(&value.dtype, &value.shape, value.order)
            .and_then(|(items, field)| Slice::new(items, &[]).map(|slice| (slice, field)));
        let (slice, field) = found.map_err(crate::failure::Failure::into_message)?;
        let slice = if value.bytes.len() > LARGE { slice.sampled() } else { slice };
        Ok(Newest { value, slice, field })
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, colours: Colours) {
        let facts = self.facts();
        let height = u16::try_from(facts.len()).unwrap_or(u16::MAX);
        let [above, below] = Layout::vertical([Constraint::Length(height), Constraint::Min(0)]).areas(area);
        frame.render_widget(Paragraph::new(facts), above);
        let block = Block::bordered().title(self.title());
        let inside = block.inner(below);
        frame.render_widget(block, below);
        match &self.value {
            Err(reason) => frame.render_widget(Paragraph::new(text::safe(reason).into_owned()), inside),
            Ok(Newest { value, slice, .. }) => {
                if self.picture.as_ref().is_none_or(|(place, _)| *place != inside) {
                    self.picture = Some((inside, picture(slice, value, inside, colours)));
                }
                let lines = self.picture.as_ref().map(|(_, lines)| lines.clone()).unwrap_or_default();
                frame.render_widget(Paragraph::new(lines), inside);
            }
        }
    }

    /// What the picture is of.
    fn title(&self) -> String {
        let Ok(Newest { slice, field, .. }) = &self.value else { return " newest ".to_owned() };
        let field = field.as_ref().map_or(String::new(), |field| format!(", field {}", text::safe(field)));
        let place = slice.place.as_ref().map_or(String::new(), |place| format!(" {place}"));
        format!(" newest{place}{field} ")
    }

    fn facts(&self) -> Vec<Line<'static>> {
        let Some(Row { info, rate, .. }) = &self.row else { return vec![Line::from("it was removed")] };
        let words = kinds::words(info.kind);
        let lines = [
            format!("{} {}, {} {}", words.kind, info.name, info.dtype, text::shape(&info.shape)),
            format!("file      {}, {}", info.path.display(), text::bytes(kinds::size(info))),
            format!("sequence  {}, {}", kinds::sequence(info), text::rate(*rate)),
            format!("slots     {}, poisoned blocks {}", info.slots, info.poisoned.len()),
        ];
        let one = |one: &sharray::ParticipantInfo| {
            let state = if one.is_alive { "alive" } else { "dead" };
            format!("process   {} {state}: {}", one.pid, who::role(one, info))
        };
        let lines = lines.into_iter().chain(info.participants.iter().map(one));
        lines.map(|line| Line::from(text::safe(&line).into_owned())).collect()
    }
}

fn picture(slice: &Slice, value: &Value, area: Rect, colours: Colours) -> Vec<Line<'static>> {
    let (columns, rows) = (usize::from(area.width), usize::from(area.height));
    let picture = Picture::new(slice, &value.bytes, None);
    if colours == Colours::None || picture.is_text() {
        let canvas = Canvas { columns, rows, colours: Colours::None };
        return picture.lines(canvas).into_iter().map(Line::from).collect();
    }
    let Some(pixels) = picture.pixels(columns, 2 * rows) else { return vec![Line::from("there are no items")] };
    let cell = |(above, below): (Rgb, Option<Rgb>)| {
        let style = Style::new().fg(colour(above, colours));
        Span::styled("▀", below.map_or(style, |below| style.bg(colour(below, colours))))
    };
    pixels.pairs().map(|pairs| pairs.map(cell).collect()).collect()
}

fn colour([red, green, blue]: Rgb, colours: Colours) -> Color {
    match colours {
        Colours::True => Color::Rgb(red, green, blue),
        _ => Color::Indexed(nearest([red, green, blue])),
    }
}
