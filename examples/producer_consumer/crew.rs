//! The processes: this program again, in other roles, which tell what happens in lines of JSON.

use crate::Outcome;
use nix::sys::signal::{SigSet, Signal};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Tells the parent, or whoever looks at the terminal, what happened.
pub(crate) fn say(event: &Value) -> Outcome {
    Ok(writeln!(std::io::stdout(), "{event}")?)
}

/// What a process has said.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) who: String,
    /// `None`: it has closed its output.
    pub(crate) what: Option<Value>,
}

/// The processes that were started. Dropping it kills those that still run.
#[derive(Debug)]
pub(crate) struct Crew {
    folder: PathBuf,
    members: Vec<(String, Child)>,
    events: Receiver<Event>,
    sender: Sender<Event>,
}

impl Crew {
    /// A crew whose default place of arrays is `folder`.
    pub(crate) fn new(folder: PathBuf) -> Outcome<Self> {
        catch_interrupts()?;
        let (sender, events) = channel();
        Ok(Self { folder, members: Vec::new(), events, sender })
    }

    /// Starts this program in another role, and returns its process id.
    pub(crate) fn start(&mut self, who: &str, role: &mut Command) -> Outcome<u32> {
        let mut child = role.env("SHARRAY_DIR", &self.folder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("no pipe")?;
        let (sender, name) = (self.sender.clone(), who.to_owned());
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            let said = lines.map(|line| Some(serde_json::from_str(&line).unwrap_or(Value::String(line))));
            // The receiver is gone only if nobody wants to know any more.
            said.chain([None]).for_each(|what| _ = sender.send(Event { who: name.clone(), what }));
        });
        let pid = child.id();
        self.members.push((who.to_owned(), child));
        Ok(pid)
    }

    /// The next thing that anybody says; `None` if nobody did in so long. Whoever fails ends the run.
    pub(crate) fn next(&mut self, timeout: Duration) -> Outcome<Option<Event>> {
        let event = self.events.recv_timeout(timeout);
        if INTERRUPTED.load(Ordering::Relaxed) {
            return Err("interrupted".into());
        }
        match event {
            Ok(Event { who, what: None }) => {
                let Ok(at) = self.position(&who) else { return Ok(None) }; // killed by us
                let status = self.members.remove(at).1.wait()?;
                if status.success() { Ok(None) } else { Err(format!("{who} failed: {status}").into()) }
            }
            Ok(event) => Ok(Some(event)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err("the sender lives in `self`".into()),
        }
    }

    /// Waits until each of so many has said that it is ready.
    pub(crate) fn wait_until_ready(&mut self, mut count: usize) -> Outcome {
        while count > 0 {
            match self.next(crate::PATIENCE)? {
                Some(Event { what: Some(what), .. }) if what["event"] == "ready" => count -= 1,
                Some(Event { who, what }) => return Err(format!("{who} was to get ready, but said {what:?}").into()),
                None => return Err("not everybody got ready".into()),
            }
        }
        Ok(())
    }

    /// Presses Enter for it.
    pub(crate) fn press_enter(&mut self, who: &str) -> Outcome {
        let stdin = self.child(who)?.stdin.as_mut().ok_or("no pipe")?;
        Ok(stdin.write_all(b"\n")?)
    }

    /// Kills it with SIGKILL, which no process can refuse or prepare for.
    pub(crate) fn kill(&mut self, who: &str) -> Outcome {
        let mut child = self.members.remove(self.position(who)?).1;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn child(&mut self, who: &str) -> Outcome<&mut Child> {
        let at = self.position(who)?;
        Ok(&mut self.members[at].1)
    }

    fn position(&self, who: &str) -> Outcome<usize> {
        Ok(self.members.iter().position(|(name, _)| name == who).ok_or_else(|| format!("there is no {who}"))?)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for (_, child) in &mut self.members {
            // It may have ended by itself.
            _ = child.kill();
            _ = child.wait();
        }
    }
}

/// Turns Ctrl-C and its like into an error, so that nothing is left behind. The children get them as they are.
fn catch_interrupts() -> Outcome {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    signals.thread_block()?;
    std::thread::spawn(move || {
        if signals.wait().is_ok() {
            INTERRUPTED.store(true, Ordering::Relaxed);
        }
    });
    Ok(())
}
