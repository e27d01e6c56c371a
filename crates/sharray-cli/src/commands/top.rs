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
    in_terminal(|terminal| live(&mut app, terminal, args.every, &interrupt))
}

/// Takes the terminal for as long as `use_it` goes on, and gives it back as it was.
fn in_terminal(use_it: impl FnOnce(&mut DefaultTerminal) -> Outcome) -> Outcome {
    // If it panics, a hook that this sets gives the terminal back, before the message is printed there.
    let mut terminal = ratatui::try_init().map_err(|error| told(&error))?;
    let ended = use_it(&mut terminal);
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

#[cfg(test)]
mod tests {
    use super::*;
    use portable_pty::{CommandBuilder, PtySize, native_pty_system};
    use std::io::Read;

    const IN_TERMINAL: &str = "SHARRAY_TEST_IN_TERMINAL";

    /// What the test below runs in a terminal.
    #[test]
    fn panics_in_a_terminal() {
        if std::env::var_os(IN_TERMINAL).is_some() {
            _ = in_terminal(|_| panic!("on purpose"));
        }
    }

    /// A terminal that stays raw and on its other screen is of no use to the shell, and hides why.
    #[test]
    fn a_panic_gives_the_terminal_back() -> Result<(), Box<dyn std::error::Error>> {
        let pair = native_pty_system().openpty(PtySize { rows: 24, cols: 200, pixel_width: 0, pixel_height: 0 })?;
        let mut command = CommandBuilder::new(std::env::current_exe()?);
        command.args(["--exact", "--nocapture", "commands::top::tests::panics_in_a_terminal"]);
        command.env(IN_TERMINAL, "1");
        command.env("RUST_BACKTRACE", "0");
        let before = pair.master.get_termios().ok_or("it is no terminal")?;
        let mut child = pair.slave.spawn_command(command)?;
        let mut output = pair.master.try_clone_reader()?;
        // Until the terminal ends, which it does with an error when nobody has it any more.
        drop(pair.slave);
        let mut said = Vec::new();
        _ = output.read_to_end(&mut said);
        assert!(!child.wait()?.success());
        let said = String::from_utf8_lossy(&said);
        let place = |text: &str| said.rfind(text).ok_or_else(|| format!("there is no {text:?} in {said:?}"));
        let (taken, given_back) = (place("\x1b[?1049h")?, place("\x1b[?1049l")?);
        assert!(taken < given_back && given_back < place("on purpose")?, "{said:?}");
        assert_eq!(pair.master.get_termios().ok_or("it is no terminal")?.local_flags, before.local_flags);
        Ok(())
    }
}
