//! What writing and reading 64 bytes of state costs in one process, while nobody else looks.
//!
//! `seqlock`: an odd number, the words, an even number; the reader looks again. It has one copy of the state, so its readers
//! wait for its writer, and nothing survives a writer that dies. `sharray_cell_kept` has taken the writer's role before;
//! `sharray_cell` takes it for each write, and stands beside `cas_lock`, a lock over a futex around the sequence lock's write.

use mmap_sync::synchronizer::Synchronizer;
use sharray::{Directory, SharedCell};
use sharray_compare::clock::per_call_ns;
use sharray_compare::memory::{Folder, Shared};
use sharray_compare::{Figure, Outcome, Part, Plan, cpu, futex, peers};
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::fence;
use std::time::Duration;

type State = [u64; 8];

fn main() -> Outcome {
    sharray_compare::main(compare, play)
}

fn compare(plan: &mut Plan) -> Outcome {
    cpu::keep(plan.cpus()[0])?;
    let turn = plan.turn(Duration::from_millis(100));
    let contenders: [(&str, Measure); 4] =
        [("seqlock", seqlock), ("sharray_cell", cell), ("iceoryx2_blackboard", blackboard), ("mmap_sync", mmap_sync)];
    for _ in plan.rounds() {
        for (contender, measure) in contenders {
            plan.sample(&format!("state64.{contender}"), || {
                let folder = Folder::new()?;
                let took = measure(folder.path(), turn)?;
                Ok(took.into_iter().map(|(what, took)| Figure::new(format!("state64.{what}"), took, "ns")).collect())
            })?;
        }
    }
    Ok(())
}

fn play(part: &Part) -> Outcome {
    Err(format!("nobody plays {:?} here", part.role).into())
}

/// What each operation took.
type Took = Vec<(&'static str, f64)>;

/// Measures all operations of one contender, each for a turn.
type Measure = fn(&Path, Duration) -> Outcome<Took>;

/// Words of 64 bits to a pair of cache lines.
const APART: usize = 16;

/// A sequence lock over eight words of a page.
struct Seqlock(Shared);

impl Seqlock {
    fn write(&self, state: State) {
        let sequence = self.0.word64(0);
        let before = sequence.load(Relaxed);
        sequence.store(before + 1, Relaxed);
        fence(Release);
        self.0.write(APART, state);
        sequence.store(before + 2, Release);
    }

    fn read(&self) -> State {
        let sequence = self.0.word64(0);
        loop {
            let before = sequence.load(Acquire);
            let state = self.0.read(APART);
            fence(Acquire);
            if before.is_multiple_of(2) && sequence.load(Relaxed) == before {
                return state;
            }
        }
    }
}

fn seqlock(folder: &Path, turn: Duration) -> Outcome<Took> {
    let lock = Seqlock(Shared::open(&folder.join("seqlock"), 4096)?);
    let word = lock.0.word32(8 * APART);
    let state = black_box([7; 8]);
    let write = per_call_ns(turn, || lock.write(black_box(state)));
    let read = per_call_ns(turn, || _ = black_box(lock.read()));
    let cas = per_call_ns(turn, || {
        futex::lock(word);
        lock.write(black_box(state));
        futex::unlock(black_box(word));
    });
    Ok(vec![("write.seqlock", write), ("read.seqlock", read), ("write.cas_lock", cas)])
}

fn cell(folder: &Path, turn: Duration) -> Outcome<Took> {
    let cell = SharedCell::<State>::builder().directory(&Directory::open(folder)?).create("cell", [0; 8])?;
    let state = black_box([7; 8]);
    let mut writer = cell.writer()?;
    let kept = per_call_ns(turn, || writer.store(black_box(state)));
    drop(writer);
    let mut outcome = Ok(());
    let taken = per_call_ns(turn, || {
        if let Err(error) = cell.store(black_box(state)) {
            outcome = Err(error);
        }
    });
    outcome?;
    let read = per_call_ns(turn, || _ = black_box(cell.load()));
    Ok(vec![("write.sharray_cell_kept", kept), ("write.sharray_cell", taken), ("read.sharray_cell", read)])
}

fn blackboard(folder: &Path, turn: Duration) -> Outcome<Took> {
    let node = peers::node(folder)?;
    let builder = node.service_builder(&peers::service("board")?).blackboard_creator::<u64>();
    let board = builder.add::<State>(0, [0; 8]).create()?;
    let writer = board.writer_builder().create()?.entry::<State>(&0)?;
    let reader = board.reader_builder().create()?.entry::<State>(&0)?;
    let state = black_box([7; 8]);
    let write = per_call_ns(turn, || writer.update_with_copy(black_box(state)));
    let read = per_call_ns(turn, || _ = black_box(*reader.get()));
    Ok(vec![("write.iceoryx2_blackboard", write), ("read.iceoryx2_blackboard", read)])
}

fn mmap_sync(folder: &Path, turn: Duration) -> Outcome<Took> {
    let prefix = folder.join("state");
    let (mut writer, mut reader) = (Synchronizer::new(prefix.as_os_str()), Synchronizer::new(prefix.as_os_str()));
    let state: State = black_box([7; 8]);
    let mut outcome = Ok(());
    let write = per_call_ns(turn, || {
        if let Err(error) = writer.write_raw::<State>(bytemuck::cast_slice(black_box(&state)), peers::GRACE) {
            outcome = Err(error);
        }
    });
    outcome?;
    let mut outcome = Ok(());
    let read = per_call_ns(turn, || {
        // SAFETY: the state is read at once, and its writer is not at work.
        match unsafe { reader.read::<State>(false) } {
            Ok(state) => _ = black_box(*state),
            Err(error) => outcome = Err(error),
        }
    });
    outcome?;
    Ok(vec![("write.mmap_sync", write), ("read.mmap_sync", read)])
}
