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
    let (write, read) = ("64-byte state in one process: a write", "64-byte state in one process: a read");
    vec![
        compared(write, "state64.write", ["sharray_writer", "seqlock"], AtMost(1.5)),
        compared(read, "state64.read", ["sharray_cell", "seqlock"], AtMost(1.5)),
        faster(write, "state64.write", ["sharray_writer", "iceoryx2_blackboard"], 3.0),
        faster(read, "state64.read", ["sharray_cell", "iceoryx2_blackboard"], 3.0),
        compared(
            "64-byte state in one process: a write that takes the role",
            "state64.write",
            ["sharray_store", "cas_lock"],
            AtMost(1.5),
        ),
    ]
}

fn locks() -> Vec<Goal> {
    vec![
        Goal::new("write lock and unlock", &["lock.sharray"], Against::best(&["lock.pthread_robust"]), AtMost(1.0)),
        Goal::new(
            "two processes contend: time a turn",
            &["contended2.turn.sharray"],
            Against::best(&["contended2.turn.pthread_robust"]),
            AtMost(1.0),
        ),
        Goal::new(
            "two processes contend: share of the slower",
            &["contended2.share.sharray"],
            Against::Alone,
            AtLeast(0.4),
        ),
    ]
}

fn frames() -> Vec<Goal> {
    let peers = ["ring_spin", "ring_2_slots", "iceoryx2", "mmap_sync", "unix_socket", "pipe"];
    let mut goals = Vec::new();
    for way in ["fill", "stamp"] {
        for size in FRAMES {
            let ours = format!("frames.{size}.{way}.sharray");
            let theirs = peers.map(|peer| format!("frames.{size}.{way}.{peer}"));
            let work = format!(
                "frames of {size}, the producer {}",
                if way == "fill" { "fills all" } else { "stamps one word" }
            );
            goals.push(Goal::new(work, &[&ours], Against::Best(theirs.into()), AtLeast(1.0)));
        }
    }
    goals
}

fn others() -> Vec<Goal> {
    let mut goals = vec![
        Goal::new("attach by name", &["attach.sharray"], Against::best(&["attach.open_fstat_mmap"]), AtMost(2.0)),
        Goal::new(
            "lock holder killed: median",
            &["death.sharray"],
            Against::Beyond("death.kernel".to_owned()),
            AtMost(10.0),
        ),
        Goal::new("lock holder killed: worst", &["death.sharray"], Against::Worst, AtMost(100.0)),
        Goal::new("create and fill 1 GiB", &["create.sharray"], Against::best(&["create.fallocate"]), AtMost(1.05)),
        Goal::new(
            "the same with huge pages",
            &["create.huge.sharray"],
            Against::best(&["create.huge.fallocate"]),
            AtMost(1.1),
        ),
    ];
    for size in SNAPSHOTS {
        let (ours, limit) = (format!("snapshot.{size}.sharray"), format!("snapshot.{size}.memcpy"));
        goals.push(Goal::new(format!("snapshot of {size}"), &[&ours], Against::best(&[&limit]), AtLeast(0.9)));
    }
    goals
}

fn python() -> Vec<Goal> {
    Vec::new()
}
