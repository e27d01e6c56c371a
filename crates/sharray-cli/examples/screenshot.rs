//! What a command shows in a terminal, as an SVG: the pictures in the documentation.
//!
//! `cargo run -p sharray-cli --example screenshot -- SECONDS KEYS COMMAND ARGUMENT...` starts the command in a terminal of 100 by 30,
//! types the keys (an empty word for none), and prints the screen as it is after so many seconds, or at the end.

#![allow(clippy::print_stdout, reason = "it is a program: what it prints is what it is for")]

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use vt100::{Cell, Color, Parser, Screen};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

const ROWS: u16 = 30;
const COLUMNS: u16 = 100;
/// One character, in the units of the SVG.
const WIDTH: u16 = 8;
const HEIGHT: u16 = 16;
const FRONT: [u8; 3] = [216, 216, 216];
const BACK: [u8; 3] = [24, 24, 24];

fn main() -> Outcome {
    let mut words = std::env::args().skip(1);
    let mut word = |what: &str| words.next().ok_or_else(|| format!("{what} is missing"));
    let seconds: f64 = word("the number of seconds")?.parse()?;
    let (keys, mut command) = (word("the keys")?, CommandBuilder::new(word("the command")?));
    command.args(words);
    command.cwd(std::env::current_dir()?);
    command.env("TERM", "xterm-256color");
    command.env("COLORTERM", "truecolor");
    print!("{}", svg(&show(command, &keys, Duration::try_from_secs_f64(seconds)?)?));
    Ok(())
}

/// Runs the command in a terminal, and returns what stands there in the end.
fn show(command: CommandBuilder, keys: &str, span: Duration) -> Outcome<Screen> {
    let pair = native_pty_system().openpty(PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 })?;
    let mut child = pair.slave.spawn_command(command)?;
    // The end of the command is the end of the terminal, if nobody else has it.
    drop(pair.slave);
    let (mut output, mut input) = (pair.master.try_clone_reader()?, pair.master.take_writer()?);
    let parser = Arc::new(Mutex::new(Parser::new(ROWS, COLUMNS, 0)));
    let shown = Arc::clone(&parser);
    let reader = thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = output.read(&mut bytes) {
            shown.lock().unwrap_or_else(PoisonError::into_inner).process(&bytes[..read]);
        }
    });
    let end = Instant::now() + span;
    thread::sleep(span / 2);
    // The command may have ended.
    _ = input.write_all(keys.as_bytes()).and_then(|()| input.flush());
    while Instant::now() < end && child.try_wait()?.is_none() {
        thread::sleep(Duration::from_millis(10));
    }
    if child.try_wait()?.is_some() {
        reader.join().map_err(|_| "the reader died")?;
    }
    let screen = parser.lock().unwrap_or_else(PoisonError::into_inner).screen().clone();
    _ = child.kill();
    child.wait()?;
    Ok(screen)
}

fn svg(screen: &Screen) -> String {
    let rows = last_row(screen) + 1;
    let (width, height) = (COLUMNS * WIDTH, rows * HEIGHT);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"monospace\" \
         font-size=\"13\" xml:space=\"preserve\" shape-rendering=\"crispEdges\">\n"
    );
    rect(&mut svg, 0, 0, width, height, BACK);
    for row in 0..rows {
        for column in 0..COLUMNS {
            if let Some(cell) = screen.cell(row, column) {
                character(&mut svg, cell, column * WIDTH, row * HEIGHT);
            }
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn last_row(screen: &Screen) -> u16 {
    let is_used = |row: &u16| (0..COLUMNS).any(|column| screen.cell(*row, column).is_some_and(Cell::has_contents));
    (0..ROWS).rev().find(is_used).unwrap_or(0)
}

fn character(svg: &mut String, cell: &Cell, x: u16, y: u16) {
    let (mut front, mut back) = (rgb(cell.fgcolor(), FRONT), rgb(cell.bgcolor(), BACK));
    if cell.inverse() {
        std::mem::swap(&mut front, &mut back);
    }
    if back != BACK {
        rect(svg, x, y, WIDTH, HEIGHT, back);
    }
    // Fonts leave gaps around these.
    match cell.contents().as_str() {
        "" | " " => {}
        "▀" => rect(svg, x, y, WIDTH, HEIGHT / 2, front),
        "█" => rect(svg, x, y, WIDTH, HEIGHT, front),
        text => {
            let weight = if cell.bold() { " font-weight=\"bold\"" } else { "" };
            let text = text.replace('&', "&amp;").replace('<', "&lt;");
            // Writing to a string cannot fail.
            _ = writeln!(svg, "<text x=\"{x}\" y=\"{}\" fill=\"{}\"{weight}>{text}</text>", y + 12, hex(front));
        }
    }
}

fn rect(svg: &mut String, x: u16, y: u16, width: u16, height: u16, colour: [u8; 3]) {
    // Writing to a string cannot fail.
    _ = writeln!(svg, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{}\"/>", hex(colour));
}

fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// The colours that the command uses: all, and the few that have names.
fn rgb(colour: Color, default: [u8; 3]) -> [u8; 3] {
    match colour {
        Color::Rgb(red, green, blue) => [red, green, blue],
        Color::Idx(1) => [224, 96, 96],
        Color::Idx(2) => [96, 200, 112],
        Color::Idx(3) => [216, 184, 80],
        Color::Idx(_) | Color::Default => default,
    }
}
