//! The producer: fills frames in place and publishes them.

use crate::crew::say;
use crate::original::Original;
use crate::{Outcome, PATIENCE};
use serde_json::json;
use sharray::{AnyLoan, AnyPublisher, Directory};

/// Publishes frames until the stream has `frames` of them. Stops in the middle of frame `stop_in`, if there is one.
pub(crate) fn produce(name: &str, original: &Original, frames: u64, stop_in: Option<u64>) -> Outcome {
    // Creates the stream; or, if it is there and its producer died or closed it, takes it over.
    let mut camera = AnyPublisher::builder().order(original.order).open(name, &original.dtype, &original.shape)?;

    say(&json!({ "event": "ready", "next": camera.sequence() + 1 }))?;
    wait_for_enter()?;

    while camera.sequence() < frames {
        let mut frame = camera.loan_timeout(PATIENCE)?; // a free slot of shared memory, mine alone
        let number = frame.sequence();
        if stop_in == Some(number) {
            return stop_half_way(frame, original);
        }
        original.pattern(number).fill(&original.bytes, frame.bytes_mut());
        frame.publish(); // every subscriber sees it now
    }

    say(&json!({ "event": "closed", "published": camera.sequence() }))?;
    drop(camera); // closes the stream: subscribers get what is left, and then see its end
    Directory::default_place()?.unlink(name)?;
    Ok(())
}

/// Leaves the frame half old and half new, and waits to be killed.
fn stop_half_way(mut frame: AnyLoan<'_>, original: &Original) -> Outcome {
    let number = frame.sequence();
    let half = original.bytes.len().div_ceil(2);
    original.pattern(number).fill(&original.bytes[..half], &mut frame.bytes_mut()[..half]);
    say(&json!({ "event": "half", "frame": number }))?;
    std::thread::sleep(PATIENCE);
    Err("nobody killed the producer".into())
}

fn wait_for_enter() -> Outcome {
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}
