//! The whole play: a producer, two consumers, and with `--kill` a second producer.

use crate::crew::{Crew, Event};
use crate::original::Original;
use crate::report::Report;
use crate::{Arguments, Outcome};
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use sharray::{AnySubscriber, Directory};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The stream's name.
const NAME: &str = "camera";

/// How often the progress bar looks at the stream.
const GLANCE: Duration = Duration::from_millis(50);

/// Runs it to its end, and fails if anything was torn or lost count of.
pub(crate) fn run(arguments: &Arguments, original: &Original, frames: u64) -> Outcome {
    if frames < 2 {
        return Err(format!("--frames is {frames}, expected at least 2").into());
    }
    let size = original.bytes.len() as u64;
    println!("{} frames of {original}, {} each\n", HumanCount(frames), HumanBytes(size));

    let program = std::env::current_exe()?;
    let png = arguments.png.clone().unwrap_or_else(|| program.with_extension("png"));
    let folder = fresh_folder()?; // goes, with all that is in it, when this function ends
    let mut play = Play {
        crew: Crew::new(folder.path().to_owned())?,
        program,
        file: arguments.file.clone(),
        frames,
        start: Instant::now(),
        bar: bar(frames),
        obituaries: 0,
        report: Report::default(),
    };
    let kill_in = arguments.with_kill.then_some(frames / 2 + 1);
    play.start(arguments.with_kill, kill_in, &png)?;
    play.watch(&Directory::open(folder.path())?)?;

    let Play { mut report, .. } = play;
    report.consumers.sort_by(|(one, _), (other, _)| one.cmp(other));
    println!("{}{report}", if arguments.with_kill { "\n" } else { "" });
    if report.consumers.iter().any(|(_, seen)| seen["drawn"] == true) {
        println!("last frame: {}", png.display());
    } else {
        println!("last frame: not a picture, so none was drawn");
    }
    report.check()
}

struct Play {
    crew: Crew,
    program: PathBuf,
    file: Option<PathBuf>,
    frames: u64,
    start: Instant,
    bar: ProgressBar,
    /// How many consumers were told that the producer died.
    obituaries: usize,
    report: Report,
}

impl Play {
    /// Starts everybody, and the producer only when both consumers are there.
    fn start(&mut self, tells: bool, kill_in: Option<u64>, png: &Path) -> Outcome {
        let producer = self.start_producer("producer", kill_in)?;
        let mut recorder = self.role("consume");
        let recorder = self.crew.start("recorder", recorder.arg("--lossless"))?;
        let mut viewer = self.role("consume");
        let viewer = self.crew.start("viewer", viewer.arg("--png").arg(png))?;
        self.crew.wait_until_ready(3)?;
        self.start = Instant::now();
        if tells {
            self.tell(&format!("process {producer} publishes, recorder {recorder} and viewer {viewer} receive"));
        }
        self.crew.press_enter("producer")
    }

    /// Looks on until everybody has ended.
    fn watch(&mut self, place: &Directory) -> Outcome {
        // A read-only subscriber takes no part in the stream: it costs the others nothing.
        let stream = AnySubscriber::builder().directory(place).read_only().attach(NAME).ok();
        while !self.crew.is_empty() {
            if let Some(event) = self.crew.next(GLANCE)? {
                self.hear(event)?;
            }
            if let Some(stream) = &stream {
                self.bar.set_position(stream.sequence());
            }
        }
        self.bar.finish_and_clear();
        Ok(())
    }

    fn hear(&mut self, Event { who, what }: Event) -> Outcome {
        let Some(what) = what else { return Ok(()) };
        let frame = &what["frame"];
        match what["event"].as_str() {
            Some("half") => {
                self.tell(&format!("the producer has written half of frame {frame}"));
                self.crew.kill(&who)?;
                self.tell("the producer was killed with SIGKILL");
            }
            Some("died") => {
                let is_whole = if what["whole"] == true { "whole" } else { "NOT WHOLE" };
                self.tell(&format!("{who} is told that the producer died; its last frame is {frame}, {is_whole}"));
                if what["whole"] != true {
                    return Err(format!("{who} has not kept its last frame").into());
                }
                self.obituaries += 1;
                if self.obituaries == 2 {
                    self.start_producer("successor", None)?;
                }
            }
            Some("ready") => {
                self.tell(&format!("a new producer has taken over and goes on with frame {}", what["next"]));
                self.crew.press_enter(&who)?;
            }
            Some("back") => self.tell(&format!("{who} has received frame {frame}")),
            Some("closed") => {
                self.report.published = what["published"].as_u64().unwrap_or_default();
                if self.obituaries > 0 {
                    self.tell("the new producer has closed the stream");
                }
            }
            Some("done") => self.report.consumers.push((who, what)),
            _ => return Err(format!("{who} said {what}").into()),
        }
        Ok(())
    }

    fn start_producer(&mut self, who: &str, stop_in: Option<u64>) -> Outcome<u32> {
        let mut role = self.role("produce");
        role.args(["--frames", &self.frames.to_string()]);
        if let Some(frame) = stop_in {
            role.args(["--stop-in", &frame.to_string()]);
        }
        self.crew.start(who, &mut role)
    }

    /// This program in another role.
    fn role(&self, role: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args([role, NAME]).args(&self.file);
        command
    }

    /// Prints a line of the timeline.
    fn tell(&self, line: &str) {
        let ms = self.start.elapsed().as_secs_f64() * 1e3;
        self.bar.suspend(|| println!("{ms:>8.1} ms  {line}"));
    }
}

/// A folder of its own in memory, or wherever temporary files go.
fn fresh_folder() -> Outcome<TempDir> {
    let mut folder = tempfile::Builder::new();
    let prefix = format!("sharray-example-{}-", std::process::id());
    folder.prefix(&prefix).permissions(Permissions::from_mode(0o700));
    Ok(folder.tempdir_in("/dev/shm").or_else(|_| folder.tempdir())?)
}

/// Drawn on a terminal only.
fn bar(frames: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} frames, {per_sec}");
    ProgressBar::new(frames).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
