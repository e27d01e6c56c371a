//! A screen as an SVG that looks the same whichever fonts there are: each character stands where its cell is, and blocks and braille are
//! drawn instead of written.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use vt100::{Cell, Color, Screen};

type Rgb = [u8; 3];

/// One character, in the units of the SVG.
const WIDTH: u16 = 8;
const HEIGHT: u16 = 16;
/// Around the screen, so that the page is not touched.
const MARGIN: u16 = 12;
const FRONT: Rgb = [216, 216, 216];
const BACK: Rgb = [24, 24, 28];
/// A border that is seen on dark pages, too.
const BORDER: Rgb = [96, 96, 104];
/// Characters are placed one by one: whichever of these there is, they stand where they should.
const FONT: &str = "font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"13\"";
const PROMPT: Rgb = [96, 200, 112];

/// The screen, below the line that was typed.
pub(crate) fn draw(screen: &Screen, typed: &str) -> String {
    let (rows, columns) = (last_row(screen) + 1, screen.size().1);
    let mut drawing = Drawing::default();
    drawing.text(0, 0, PROMPT, true, "$");
    for (column, c) in (2..).zip(typed.chars()) {
        drawing.text(column, 0, FRONT, true, c.encode_utf8(&mut [0; 4]));
    }
    for row in 0..rows {
        for column in 0..columns {
            if let Some(cell) = screen.cell(row, column) {
                // The first row is what was typed.
                drawing.cell(cell, column, row + 1);
            }
        }
    }
    drawing.svg(columns * WIDTH + 2 * MARGIN, (rows + 1) * HEIGHT + 2 * MARGIN, typed)
}

fn last_row(screen: &Screen) -> u16 {
    let (rows, columns) = screen.size();
    let is_used = |row: &u16| (0..columns).any(|column| screen.cell(*row, column).is_some_and(Cell::has_contents));
    (0..rows).rev().find(is_used).unwrap_or(0)
}

/// What there is to see, in the units of the SVG.
#[derive(Debug, Default)]
struct Drawing {
    /// What is filled with each colour, as a path.
    areas: BTreeMap<Rgb, String>,
    texts: String,
}

// Writing to a string cannot fail.
impl Drawing {
    fn cell(&mut self, cell: &Cell, column: u16, row: u16) {
        let (mut front, mut back) = (rgb(cell.fgcolor(), FRONT), rgb(cell.bgcolor(), BACK));
        if cell.inverse() {
            std::mem::swap(&mut front, &mut back);
        }
        let (x, y) = (column * WIDTH, row * HEIGHT);
        if back != BACK {
            self.area(back, x, y, HEIGHT);
        }
        let text = cell.contents();
        match text.chars().next() {
            None | Some(' ') => {}
            Some('▀') => self.area(front, x, y, HEIGHT / 2),
            Some('█') => self.area(front, x, y, HEIGHT),
            Some(c @ '\u{2800}'..='\u{28ff}') => self.braille(u32::from(c) - 0x2800, x, y, front),
            Some(_) => self.text(column, row, front, cell.bold(), &text),
        }
    }

    /// A part of a cell, as wide as that.
    fn area(&mut self, colour: Rgb, x: u16, y: u16, height: u16) {
        let d = self.areas.entry(colour).or_default();
        // Cells come from left to right: the last one may be what stands at the left of this one.
        let (left, width) = match longer(d, x, y, height) {
            Some((start, left, width)) => {
                d.truncate(start);
                (left, width)
            }
            None => (x, WIDTH),
        };
        _ = write!(d, "M{left} {y}h{width}v{height}h-{width}z");
    }

    /// The dots of a braille character.
    fn braille(&mut self, bits: u32, x: u16, y: u16, colour: Rgb) {
        const PLACES: [(u16, u16); 8] = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
        let is_set = |bit: &usize| bits >> bit & 1 == 1;
        for (right, down) in (0..8).filter(is_set).map(|bit| PLACES[bit]) {
            let (x, y) = (x + 2 + 4 * right, y + 2 + 4 * down);
            _ = writeln!(self.texts, "<circle cx=\"{x}\" cy=\"{y}\" r=\"1.5\" fill=\"{}\"/>", hex(colour));
        }
    }

    fn text(&mut self, column: u16, row: u16, colour: Rgb, is_bold: bool, text: &str) {
        let (x, y) = (column * WIDTH, row * HEIGHT + 12);
        let weight = if is_bold { " font-weight=\"bold\"" } else { "" };
        let (fill, text) = (hex(colour), escaped(text));
        _ = writeln!(self.texts, "<text x=\"{x}\" y=\"{y}\" fill=\"{fill}\"{weight}>{text}</text>");
    }

    fn svg(&self, width: u16, height: u16, label: &str) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" aria-label=\"{}\">\n<rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" \
             rx=\"8\" fill=\"{}\" stroke=\"{}\"/>\n<g transform=\"translate({MARGIN} {MARGIN})\" {FONT}>\n<g shape-rendering=\"crispEdges\">\n",
            escaped(label),
            width - 1,
            height - 1,
            hex(BACK),
            hex(BORDER),
        );
        for (colour, d) in &self.areas {
            _ = writeln!(svg, "<path fill=\"{}\" d=\"{d}\"/>", hex(*colour));
        }
        svg + "</g>\n" + &self.texts + "</g>\n</svg>\n"
    }
}

/// Where the last area of a path begins in its text, its left edge and its width with another cell, if that stands at its right.
fn longer(d: &str, x: u16, y: u16, height: u16) -> Option<(usize, u16, u16)> {
    let start = d.rfind('M')?;
    let (left, rest) = d[start + 1..].split_once(' ')?;
    let (top, rest) = rest.split_once('h')?;
    let (width, rest) = rest.split_once('v')?;
    let (left, width): (u16, u16) = (left.parse().ok()?, width.parse().ok()?);
    let is_beside = top.parse() == Ok(y) && left + width == x && rest.starts_with(&format!("{height}h"));
    is_beside.then_some((start, left, width + WIDTH))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// The colours that the command uses: all, and the few that have names.
fn rgb(colour: Color, default: Rgb) -> Rgb {
    match colour {
        Color::Rgb(red, green, blue) => [red, green, blue],
        Color::Idx(1) => [240, 112, 112],
        Color::Idx(2) => [96, 200, 112],
        Color::Idx(3) => [216, 184, 80],
        Color::Idx(_) | Color::Default => default,
    }
}
