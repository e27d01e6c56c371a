//! What sharray is to reach, work by work.

use crate::goals::Bound::{AtLeast, AtMost};
use crate::goals::{Against, Bound, Goal};

/// Sizes of frames, and of snapshots.
const FRAMES: [&str; 4] = ["64KiB", "1MiB", "8MiB", "64MiB"];
const SNAPSHOTS: [&str; 3] = ["64KiB", "1MiB", "64MiB"];

/// All goals, in the order in which the subjects are shown.
pub(crate) fn goals() -> Vec<Goal> {
    [latency(), state(), locks(), frames(), others(), python()].concat()
}

/// Two contenders of one group, by the ratio of their figures.
fn compared(work: &str, group: &str, names: [&str; 2], bound: Bound) -> Goal {
    let [ours, theirs] = names.map(|who| format!("{group}.{who}"));
    Goal::new(work, &[&ours], Against::Best(vec![theirs]), bound)
}

/// The same, by how many times as fast the first is.
fn faster(work: &str, group: &str, names: [&str; 2], times: f64) -> Goal {
    let [ours, theirs] = names.map(|who| format!("{group}.{who}"));
    Goal::new(work, &[&ours], Against::Faster(vec![theirs]), AtLeast(times))
}

fn latency() -> Vec<Goal> {
    let one_way = "64 bytes, one way";
    let spin = |ours: &str, theirs: &str, bound| {
        compared(&format!("{one_way}, spinning"), "latency64.spin", [ours, theirs], bound)
    };
    let mut goals = vec![spin("sharray_cell", "by_hand", AtMost(1.15)), spin("sharray_stream", "by_hand", AtMost(1.5))];
    for ours in ["sharray_cell", "sharray_stream"] {
        goals.push(faster(
            &format!("{one_way}, spinning"),
            "latency64.spin",
            [ours, "iceoryx2_publish_subscribe"],
            2.8,
        ));
    }
    for (case, place) in [("other_core", "another core"), ("same_core", "the same core")] {
        let ours =
            ["sharray_stream", "sharray_cell", "sharray_array"].map(|who| format!("latency64.sleep.{case}.{who}"));
        let ours = ours.each_ref().map(String::as_str);
        for (peer, bound) in [("futex", 1.1), ("pipe", 1.0)] {
            let theirs = format!("latency64.sleep.{case}.{peer}");
            goals.push(Goal::new(
                format!("{one_way}, asleep on {place}"),
                &ours,
                Against::best(&[&theirs]),
                AtMost(bound),
            ));
        }
    }
    let work = format!("{one_way}, a short spin before sleeping");
    goals.push(compared(&work, "latency64.spin_then_sleep", ["sharray_stream", "futex"], AtMost(1.2)));
    goals
}

fn state() -> Vec<Goal> {
    let [write, read] = ["write", "read"].map(|way| format!("64-byte state in one process: a {way}"));
    let [kept, cell] = ["sharray_cell_kept", "sharray_cell"];
    vec![
        compared(&write, "state64.write", [kept, "seqlock"], AtMost(1.5)),
        compared(&read, "state64.read", [cell, "seqlock"], AtMost(1.5)),
        faster(&write, "state64.write", [kept, "iceoryx2_blackboard"], 3.0),
        faster(&read, "state64.read", [cell, "iceoryx2_blackboard"], 3.0),
        compared(&format!("{write} that takes the role"), "state64.write", [cell, "cas_lock"], AtMost(1.5)),
    ]
}

fn locks() -> Vec<Goal> {
    let names = ["sharray_write", "pthread_robust"];
    let share = "locks.contended.sharray_write.share";
    vec![
        compared("write lock and unlock", "locks.uncontended", names, AtMost(1.0)),
        compared("two processes contend: turns a second", "locks.contended", names, AtLeast(1.0)),
        Goal::new("two processes contend: share of the slower", &[share], Against::Alone, AtLeast(0.4)),
    ]
}

fn frames() -> Vec<Goal> {
    let mut goals = Vec::new();
    for (way, does) in [("fill", "fills all"), ("stamp", "stamps one word")] {
        for size in FRAMES {
            let of = |who: &str| format!("frames.{size}.{way}.{who}");
            let ours = ["sharray_stream", "sharray_stream_spin"].map(of);
            let theirs = ["ring_of_4", "ring_of_2", "iceoryx2", "mmap_sync", "unix_socket", "pipe"].map(of);
            let work = format!("frames of {size}, the producer {does}");
            goals.push(Goal::new(
                work,
                &ours.each_ref().map(String::as_str),
                Against::Best(theirs.into()),
                AtLeast(1.0),
            ));
        }
    }
    let [large, small] = ["1073741824", "64"].map(|size| format!("growth.frames.hand_over.x={size}"));
    goals.push(Goal::new("handing over 1 GiB against 64 B", &[&large], Against::Best(vec![small]), AtMost(1.2)));
    goals
}

fn others() -> Vec<Goal> {
    let death = ["death.sharray_write"];
    let mut goals = vec![
        compared("attach by name: an array", "attach", ["sharray_array", "open_fstat_mmap"], AtMost(2.0)),
        compared("attach by name: a stream", "attach", ["sharray_stream", "open_fstat_mmap"], AtMost(2.0)),
        Goal::new("lock holder killed: median", &death, Against::Beyond("death.process_gone".to_owned()), AtMost(10.0)),
        Goal::new("lock holder killed: worst", &death, Against::Worst, AtMost(100.0)),
        compared("create and fill 1 GiB", "create.1GiB.memory", ["sharray", "by_hand"], AtMost(1.05)),
        compared("the same with huge pages", "create.1GiB.huge_pages", ["sharray", "by_hand"], AtMost(1.1)),
    ];
    for size in SNAPSHOTS {
        let (work, group) = (format!("snapshot of {size}"), format!("snapshot.{size}"));
        goals.push(compared(&work, &group, ["sharray_read_into", "memcpy"], AtLeast(0.9)));
        goals.push(compared(
            &format!("{work} into new memory"),
            &group,
            ["sharray_snapshot", "memcpy_new"],
            AtLeast(0.9),
        ));
    }
    goals
}

fn python() -> Vec<Goal> {
    let ours = ["sharray_cell", "sharray_stream"];
    let of = |way: &str| ours.map(|who| format!("python.latency64.{way}.{who}"));
    let latency = |way: &str, peer: &str, bound| {
        let peer = format!("python.latency64.{way}.{peer}");
        Goal::new(
            format!("Python: 64 bytes, one way, {way}"),
            &of(way).each_ref().map(String::as_str),
            Against::Best(vec![peer]),
            bound,
        )
    };
    let mut goals = vec![latency("spin", "memoryview", AtMost(1.5)), latency("asleep", "semaphore", AtMost(1.0))];
    for size in ["1MiB", "8MiB"] {
        let (work, group) = (format!("Python: frames of {size}"), format!("python.frames.{size}"));
        let theirs =
            ["ring", "ring_semaphore", "iceoryx2", "pyzmq", "pipe", "queue"].map(|who| format!("{group}.{who}"));
        let mine = format!("{group}.sharray");
        goals.push(Goal::new(&work, &[&mine], Against::Best(theirs.into()), AtLeast(1.0)));
        goals.push(compared(&work, &group, ["sharray", "queue"], AtLeast(25.0)));
    }
    goals.push(compared("Python: attach", "python.attach", ["sharray", "np_memmap"], AtMost(1.0)));
    for way in ["sharray_write", "sharray_read"] {
        goals.push(compared("Python: a lock in a `with`", "python.lock", [way, "multiprocessing_lock"], AtMost(1.0)));
    }
    for way in ["slice", "row", "element"] {
        let (work, group) = (format!("Python: {way} of a view"), format!("python.access.{way}"));
        // The same cost, as near as it can be told.
        goals.push(compared(&work, &group, ["sharray", "ndarray"], AtMost(1.1)));
    }
    goals
}
