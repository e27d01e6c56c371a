//! A terminal that nobody sees: what the command shows in it is read from its screen, and keys are typed into it.

use super::{Outcome, Place, SOON};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

pub(crate) const ROWS: u16 = 24;
pub(crate) const COLUMNS: u16 = 100;

/// The command in a terminal. Dropping it kills the command.
pub(crate) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    screen: Arc<Mutex<vt100::Parser>>,
    /// Everything that came, also what has gone from the screen.
    said: Arc<Mutex<Vec<u8>>>,
    keys: Box<dyn Write + Send>,
    /// The terminal lives as long as this.
    _master: Box<dyn MasterPty + Send>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Terminal {
    /// Starts the command in a terminal of all colours; `wishes` are variables of its environment.
    pub(crate) fn start(place: &Place, arguments: &[&str], wishes: &[(&str, &str)]) -> Outcome<Self> {
        Self::start_in(place, arguments, wishes, (ROWS, COLUMNS))
    }

    /// The same in a terminal of so many rows and columns.
    pub(crate) fn start_in(
        place: &Place,
        arguments: &[&str],
        wishes: &[(&str, &str)],
        (rows, columns): (u16, u16),
    ) -> Outcome<Self> {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size)?;
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_sharray"));
        command.args(arguments);
        command.cwd(place.path());
        command.env("SHARRAY_DIR", place.arrays.path());
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env_remove("NO_COLOR");
        for (name, value) in wishes {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command)?;
        let mut output = pair.master.try_clone_reader()?;
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 1000)));
        let said = Arc::new(Mutex::new(Vec::new()));
        let (shown, all) = (Arc::clone(&screen), Arc::clone(&said));
        let reader = thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The terminal ends, with an error or without, when the command has.
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                all.lock().unwrap_or_else(PoisonError::into_inner).extend(&bytes[..read]);
                shown.lock().unwrap_or_else(PoisonError::into_inner).process(&bytes[..read]);
            }
        });
        let keys = pair.master.take_writer()?;
        Ok(Self { child, screen, said, keys, _master: pair.master, reader: Some(reader) })
    }

    /// Looks at the screen.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&vt100::Screen) -> R) -> R {
        look(self.screen.lock().unwrap_or_else(PoisonError::into_inner).screen())
    }

    /// What stands on the screen.
    pub(crate) fn text(&self) -> String {
        self.look(vt100::Screen::contents)
    }

    /// Everything that came, with its codes.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Waits until a text stands on the screen.
    pub(crate) fn expect(&self, text: &str) -> Outcome {
        self.wait_until(text, |screen| screen.contents().contains(text))
    }

    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn(&vt100::Screen) -> bool) -> Outcome {
        let deadline = Instant::now() + SOON;
        while !self.look(&is_so) {
            if Instant::now() > deadline {
                return Err(format!("{what:?} is not to be seen on the screen:\n{}", self.text()).into());
            }
            sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Types.
    pub(crate) fn press(&mut self, keys: &str) -> Outcome {
        self.keys.write_all(keys.as_bytes())?;
        Ok(self.keys.flush()?)
    }

    pub(crate) fn pid(&self) -> Outcome<i32> {
        Ok(i32::try_from(self.child.process_id().ok_or("it has no process id")?)?)
    }

    /// Waits for the end of the command and of what it shows, and returns its exit code.
    pub(crate) fn end(&mut self) -> Outcome<u32> {
        let deadline = Instant::now() + SOON;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                return Err(format!("it has not ended:\n{}", self.text()).into());
            }
            sleep(Duration::from_millis(2));
        };
        if let Some(reader) = self.reader.take() {
            reader.join().map_err(|_| "the reader died")?;
        }
        Ok(status.exit_code())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
