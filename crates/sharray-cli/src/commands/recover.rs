//! `sharray recover`: what the dead held, and what they left half done.

use crate::args::Recover;
use crate::failure::Outcome;
use crate::screen::Out;
use crate::{json, text, who};
use serde_json::json;
use sharray::{AnyArray, Directory, Info, ParticipantInfo};
use std::io::Write;

pub(crate) fn run(args: &Recover, place: &Directory, out: &mut Out) -> Outcome {
    let before = place.inspect(&args.name)?;
    let dead = place.recover(&args.name)?;
    // Only now is it known which blocks the dead were writing.
    let info = place.inspect(&args.name)?;
    if args.repair {
        repair(place, &info)?;
    }
    if args.json.json {
        let dead = who::json(&dead);
        let found = json!({ "recovered": dead, "poisoned": info.poisoned, "repaired": args.repair });
        return json::print(out, &found);
    }
    tell(args, &before, &dead, &info, out)
}

/// Says that the blocks are whole again.
fn repair(place: &Directory, info: &Info) -> Outcome {
    if info.poisoned.is_empty() {
        return Ok(());
    }
    let array = AnyArray::builder().directory(place).attach(&info.name)?;
    for block in info.poisoned.iter().map(|block| *block as usize) {
        array.write_blocks(block..block + 1, None)?.clear_poison();
    }
    Ok(())
}

fn tell(args: &Recover, before: &Info, dead: &[ParticipantInfo], info: &Info, out: &mut Out) -> Outcome {
    for one in dead {
        writeln!(out, "recovered process {}: {}", one.pid, who::role(one, before))?;
    }
    if dead.is_empty() {
        writeln!(out, "nobody died with {}", args.name)?;
    }
    if info.poisoned.is_empty() {
        return Ok(());
    }
    let blocks =
        format!("{} {}", if info.poisoned.len() == 1 { "block" } else { "blocks" }, text::list(&info.poisoned));
    if args.repair {
        writeln!(out, "{blocks}: poison cleared, readers see what is there")?;
    } else {
        writeln!(out, "{blocks}: poisoned, the writer did not come to the end; `--repair` lets readers in again")?;
    }
    Ok(())
}
