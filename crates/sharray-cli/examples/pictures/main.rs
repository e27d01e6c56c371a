//! The pictures of the documentation: what the command shows in a terminal, as SVG files.
//!
//! `cargo xtask pictures` makes them all anew. `scene.rs` has the arrays that are shown, which are real ones and in use;
//! `terminal.rs` is the terminal that nobody sees, and `svg.rs` draws what stands in it.

mod scene;
mod svg;
mod terminal;

use scene::Scene;
use std::path::Path;
use std::process::ExitCode;
use terminal::{Size, Terminal};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What this program is when it is started by itself: the command, or one of those whom `top` shows.
const COMMAND: &str = "sharray";
const VICTIM: &str = "victim";

/// A picture: its name, the size of the terminal, what is typed there, and the keys that are pressed then, each with what stands on the
/// screen when they have done their work.
type Shot = (&'static str, Size, &'static str, &'static [(&'static str, &'static str)]);

const SHOTS: [Shot; 5] = [
    ("top", Size { rows: 9, columns: 112 }, "sharray top --every 0.5", &[RATES, HILLS, ("\x1b", "NAME")]),
    ("details", Size { rows: 28, columns: 80 }, "sharray top --every 0.5", &[RATES, HILLS, ("", "esc back")]),
    ("show", Size { rows: 32, columns: 80 }, "sharray show sim/hills", &[]),
    ("image", Size { rows: 32, columns: 80 }, "sharray show camera", &[]),
    ("line", Size { rows: 18, columns: 80 }, "sharray show sim/hills --index 100", &[]),
];
/// Rates are there after the second look.
const RATES: (&str, &str) = ("", "/s  ");
/// The details of the fourth array.
const HILLS: (&str, &str) = ("jjj\r", "array sim/hills");

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    match words.first().and_then(|word| word.to_str()) {
        Some(COMMAND) => return ExitCode::from(sharray_cli::run(words)),
        Some(VICTIM) => return scene::wait_for_death(),
        _ => {}
    }
    match draw(Path::new(env!("CARGO_MANIFEST_DIR"))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn draw(package: &Path) -> Outcome {
    let root = package.ancestors().nth(2).ok_or("the package is not where it was")?;
    let scene = Scene::start(root)?;
    for (name, size, line, keys) in SHOTS {
        let mut terminal = Terminal::start(size, line, scene.place())?;
        for (keys, expected) in keys {
            terminal.press(keys)?;
            terminal.expect(expected)?;
        }
        let screen = if keys.is_empty() { terminal.end()? } else { terminal.still()? };
        let file = root.join(format!("docs/pictures/{name}.svg"));
        std::fs::write(&file, svg::draw(&screen, line))?;
        eprintln!("{}", file.display());
    }
    Ok(())
}
