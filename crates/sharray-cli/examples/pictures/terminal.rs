//! A terminal that nobody sees.

use crate::{COMMAND, Outcome};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};
use vt100::{Parser, Screen};

/// Far more than any of them takes.
const SOON: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) rows: u16,
    pub(crate) columns: u16,
}

/// The command in a terminal. Dropping it kills the command.
pub(crate) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    parser: Arc<Mutex<Parser>>,
    keys: Box<dyn Write + Send>,
    /// The terminal lives as long as this.
    _master: Box<dyn MasterPty + Send>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Terminal {
    /// Types a line, of which the first word is the command.
    pub(crate) fn start(size: Size, line: &str, place: &Path) -> Outcome<Self> {
        let Size { rows, columns } = size;
        let pair = native_pty_system().openpty(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 })?;
        let mut command = CommandBuilder::new(std::env::current_exe()?);
        command.arg(COMMAND);
        command.args(line.split(' ').skip(1));
        command.env("SHARRAY_DIR", place);
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env_remove("NO_COLOR");
        let child = pair.slave.spawn_command(command)?;
        // The end of the command is the end of the terminal, if nobody else has it.
        drop(pair.slave);
        let (mut output, keys) = (pair.master.try_clone_reader()?, pair.master.take_writer()?);
        let parser = Arc::new(Mutex::new(Parser::new(rows, columns, 0)));
        let shown = Arc::clone(&parser);
        let reader = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap_or_else(PoisonError::into_inner).process(&bytes[..read]);
            }
        });
        Ok(Self { child, parser, keys, _master: pair.master, reader: Some(reader) })
    }

    pub(crate) fn screen(&self) -> Screen {
        self.parser.lock().unwrap_or_else(PoisonError::into_inner).screen().clone()
    }

    pub(crate) fn press(&mut self, keys: &str) -> Outcome {
        self.keys.write_all(keys.as_bytes())?;
        Ok(self.keys.flush()?)
    }

    /// Waits until a text stands on the screen.
    pub(crate) fn expect(&self, text: &str) -> Outcome {
        let deadline = Instant::now() + SOON;
        while !self.screen().contents().contains(text) {
            if Instant::now() > deadline {
                return Err(format!("{text:?} is not to be seen:\n{}", self.screen().contents()).into());
            }
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Waits until nothing is being drawn, and returns what stands there.
    pub(crate) fn still(&self) -> Outcome<Screen> {
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            let before = self.screen();
            sleep(Duration::from_millis(100));
            let now = self.screen();
            if now.contents_formatted() == before.contents_formatted() {
                return Ok(now);
            }
        }
        Err("it is drawn all the time".into())
    }

    /// Waits for the end of the command, and returns what stands there then.
    pub(crate) fn end(&mut self) -> Outcome<Screen> {
        let status = self.child.wait()?;
        if let Some(reader) = self.reader.take() {
            reader.join().map_err(|_| "the reader died")?;
        }
        let screen = self.screen();
        if status.success() { Ok(screen) } else { Err(screen.contents().into()) }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
