//! `sharray top`: a live table of all arrays.

mod app;
mod details;
mod draw;

use crate::args::Top;
use crate::failure::{Code, Failure, Outcome};
use crate::interrupt::{Interrupt, SLICE};
use crate::screen::Screen;
use app::{App, Next};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use sharray::Directory;
use std::io;
use std::time::{Duration, Instant};

pub(crate) fn run(args: &Top, place: &Directory) -> Outcome {
    if !Screen::of_stdout().is_terminal {
        return Err(Failure::usage("`sharray top` needs a terminal; `sharray ls` prints the same once"));
    }
    let interrupt = Interrupt::expect()?;
    let mut app = App::new(place.clone(), Screen::of_stdout().colours);
    app.look()?;
    let mut terminal = ratatui::try_init().map_err(|error| told(&error))?;
    let ended = live(&mut app, &mut terminal, args.every, &interrupt);
    // A panic does this by itself: it was told to when the terminal was taken.
    ratatui::restore();
    ended
}

/// Looks, draws and listens until somebody has had enough.
fn live(app: &mut App, terminal: &mut DefaultTerminal, every: Duration, interrupt: &Interrupt) -> Outcome {
    let mut last = Instant::now();
    loop {
        interrupt.check()?;
        if last.elapsed() >= every {
            app.look()?;
            last = Instant::now();
        }
        terminal.draw(|frame| draw::draw(frame, app)).map_err(|error| told(&error))?;
        let wait = every.saturating_sub(last.elapsed()).min(SLICE);
        let Some(key) = key(wait)? else { continue };
        match app.key(key) {
            Next::GoOn => {}
            Next::End => return Ok(()),
            Next::Interrupt => return Err(Failure::Silent(Code::Interrupted)),
        }
    }
}

/// The key that is pressed within a while.
fn key(wait: Duration) -> Outcome<Option<event::KeyEvent>> {
    let read = || -> io::Result<Option<Event>> { if event::poll(wait)? { event::read().map(Some) } else { Ok(None) } };
    match read() {
        Ok(Some(Event::Key(key))) if key.kind != KeyEventKind::Release => Ok(Some(key)),
        Ok(_) => Ok(None),
        // A signal: the loop sees which.
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(told(&error)),
    }
}

fn told(error: &io::Error) -> Failure {
    Failure::new(format!("cannot use the terminal: {error}"))
}
