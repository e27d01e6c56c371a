//! What is printed on: a terminal of some size and some colours, or a pipe.

use anstream::{AutoStream, ColorChoice};
use std::io::{IsTerminal, Write};
use terminal_size::{Height, Width, terminal_size_of};

/// Where there is no terminal, pictures are made for the smallest that is usual.
const USUAL: (usize, usize) = (80, 24);

/// Standard output.
pub(crate) type Out = AutoStream<std::io::Stdout>;

/// Which colours may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    /// None: a pipe, or a user who said so.
    None,
    /// The palette of 256.
    Palette,
    /// All.
    True,
}

/// What standard output is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) is_terminal: bool,
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    pub(crate) colours: Colours,
}

impl Screen {
    pub(crate) fn of_stdout() -> Self {
        let stdout = std::io::stdout();
        let size = terminal_size_of(&stdout).map(|(Width(columns), Height(rows))| (columns.into(), rows.into()));
        let (columns, rows) = size.filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or(USUAL);
        let has_all = std::env::var("COLORTERM").is_ok_and(|it| it.contains("truecolor") || it.contains("24bit"));
        let colours = match (AutoStream::choice(&stdout), has_all) {
            (ColorChoice::Never, _) => Colours::None,
            (_, true) => Colours::True,
            (_, false) => Colours::Palette,
        };
        Self { is_terminal: stdout.is_terminal(), columns, rows, colours }
    }

    /// How wide a table may be; in a pipe, as wide as it is.
    pub(crate) fn table_width(&self) -> Option<usize> {
        self.is_terminal.then_some(self.columns)
    }
}

/// Prints lines, the first of them as headings.
pub(crate) fn table(out: &mut Out, lines: &[String]) -> std::io::Result<()> {
    let bold = anstyle::Style::new().bold();
    let mut lines = lines.iter();
    if let Some(headings) = lines.next() {
        writeln!(out, "{bold}{headings}{bold:#}")?;
    }
    lines.try_for_each(|line| writeln!(out, "{line}"))
}
