//! Arrays of every kind, in use: a photograph as a camera sends it, hills that wear down, a pose, a log.

use crate::{Outcome, VICTIM};
use ndarray::{Array2, ArrayRef2, Ix1, Ix2, Ix3, arr1};
use sharray::{Directory, Error, GrowableArray, Publisher, SharedArray, SharedCell, Subscriber, Team, open_npy};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;
use tempfile::TempDir;

/// The arrays, and who uses them. They go with this value.
pub(crate) struct Scene {
    place: TempDir,
    is_over: Arc<AtomicBool>,
    players: Vec<JoinHandle<Outcome>>,
}

impl Scene {
    pub(crate) fn start(root: &Path) -> Outcome<Self> {
        let memory = Path::new("/dev/shm");
        let place = tempfile::Builder::new().prefix("sharray-").rand_bytes(4).tempdir_in(memory)?;
        let mut scene = Self { is_over: Arc::default(), players: Vec::new(), place };
        let arrays = Directory::open(scene.place())?;
        scene.camera(root, &arrays)?;
        scene.hills(root, &arrays)?;
        scene.pose(&arrays)?;
        scene.log(&arrays)?;
        scene.team(&arrays);
        Ok(scene)
    }

    pub(crate) fn place(&self) -> &Path {
        self.place.path()
    }

    /// Does something again and again, until the scene is over.
    fn play(&mut self, pause: Duration, mut act: impl FnMut() -> Outcome + Send + 'static) {
        let is_over = Arc::clone(&self.is_over);
        self.players.push(thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                act()?;
                sleep(pause);
            }
            Ok(())
        }));
    }

    fn camera(&mut self, root: &Path, arrays: &Directory) -> Outcome {
        let portrait = open_npy::<u8, Ix3>(root.join("examples/producer_consumer/portrait.npy"))?;
        let mut camera = Publisher::<u8, Ix3>::builder().directory(arrays).create("camera", portrait.view().dim())?;
        let attach = || Subscriber::<u8, Ix3>::builder().directory(arrays).attach("camera");
        let (viewer, recorder) = (attach()?, attach()?);
        self.play(Duration::from_millis(33), move || {
            let mut frame = camera.loan()?;
            frame.view_mut().assign(&portrait.view());
            frame.publish();
            Ok(())
        });
        self.play(Duration::from_millis(5), move || {
            let newest = viewer.latest()?;
            sleep(Duration::from_millis(40));
            drop(newest);
            Ok(())
        });
        self.play(Duration::from_millis(5), move || Ok(recorder.latest().map(drop)?));
        Ok(())
    }

    fn hills(&mut self, root: &Path, arrays: &Directory) -> Outcome {
        let metres = open_npy::<i16, Ix2>(root.join("tests/data/elevation.npy"))?;
        let mut field = metres.view().mapv(f64::from);
        let hills = SharedArray::builder().directory(arrays).create_from("sim/hills", &field)?;
        self.play(Duration::from_millis(100), move || {
            wear_down(&mut field);
            hills.write()?.assign(&field);
            Ok(())
        });
        Ok(())
    }

    /// With a reader that was killed.
    fn pose(&mut self, arrays: &Directory) -> Outcome {
        let pose = SharedCell::builder().directory(arrays).create("robot/pose", [0.0_f64; 6])?;
        let mut victim = Victim::start(self.place())?;
        victim.kill()?;
        let mut angle = 0.0_f64;
        self.play(Duration::from_millis(2), move || {
            angle += 0.01;
            Ok(pose.store([angle.sin(), angle.cos(), 0.0, 0.0, 0.0, angle])?)
        });
        Ok(())
    }

    fn log(&mut self, arrays: &Directory) -> Outcome {
        let log = GrowableArray::<f32, Ix1>::builder().directory(arrays).create("robot/log", [0])?;
        self.play(Duration::from_millis(20), move || Ok(log.append(&arr1(&[0.5, 1.5])).map(drop)?));
        Ok(())
    }

    fn team(&mut self, arrays: &Directory) {
        for rank in 0..2 {
            let arrays = arrays.clone();
            let mut team = None;
            self.play(Duration::from_millis(50), move || {
                let team = match &mut team {
                    Some(team) => team,
                    none => none.insert(Team::builder().directory(&arrays).join("sim/team", rank, 2)?),
                };
                match team.barrier(Duration::from_secs(5)) {
                    // The scene is over for the other one.
                    Err(Error::PeerDied { .. }) => Ok(()),
                    met => Ok(met?),
                }
            });
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for player in self.players.drain(..) {
            if let Ok(Err(error)) = player.join() {
                eprintln!("the scene: {error}");
            }
        }
    }
}

/// Each item becomes the mean of itself and its neighbours, a little.
fn wear_down(field: &mut Array2<f64>) {
    let old = field.clone();
    let neighbours = |old: &ArrayRef2<f64>, row: usize, column: usize| {
        old[[row - 1, column]] + old[[row + 1, column]] + old[[row, column - 1]] + old[[row, column + 1]]
    };
    for row in 1..old.nrows() - 1 {
        for column in 1..old.ncols() - 1 {
            field[[row, column]] += 0.05 * (neighbours(&old, row, column) / 4.0 - old[[row, column]]);
        }
    }
}

/// A process that attaches to the pose, and lives until it is killed.
struct Victim(Child);

impl Victim {
    fn start(place: &Path) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let child =
            command.arg(VICTIM).env("SHARRAY_DIR", place).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        Ok(Self(child))
    }

    /// Kills it, once it has said that it is attached.
    fn kill(&mut self) -> Outcome {
        let mut said = self.0.stdout.take().ok_or("it has no standard output")?;
        let told = std::io::Read::read_exact(&mut said, &mut [0]);
        self.0.kill()?;
        self.0.wait()?;
        Ok(told?)
    }
}

/// What a victim does.
pub(crate) fn wait_for_death() -> ExitCode {
    let attached = SharedCell::<[f64; 6]>::attach("robot/pose");
    _ = std::io::Write::write_all(&mut std::io::stdout(), b".")
        .and_then(|()| std::io::Write::flush(&mut std::io::stdout()));
    // It is told by nobody: it is killed.
    _ = std::io::stdin().read_line(&mut String::new());
    drop(attached);
    ExitCode::FAILURE
}
