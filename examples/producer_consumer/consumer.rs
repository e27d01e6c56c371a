//! A consumer: receives frames where they stand, without a copy, and checks each of them byte for byte.

use crate::crew::say;
use crate::original::Original;
use crate::report::Tally;
use crate::{Outcome, PATIENCE, picture};
use serde_json::json;
use sharray::{AnyFrame, AnySubscriber, Error};
use std::path::Path;

/// Receives frames until the producer closes the stream. Draws the last one, if there is a place for it.
pub(crate) fn consume(name: &str, original: &Original, is_lossless: bool, png: Option<&Path>) -> Outcome {
    let mut subscriber = AnySubscriber::builder().wait(PATIENCE);
    if is_lossless {
        subscriber = subscriber.lossless(); // the producer waits for this one
    }
    let mut camera = subscriber.attach(name)?;
    original.check_stream(&camera)?;
    say(&json!({ "event": "ready" }))?;

    let is_whole = |frame: &AnyFrame| original.pattern(frame.sequence()).is_in(&original.bytes, frame.bytes());
    let mut tally = Tally::default();
    let mut last: Option<AnyFrame> = None; // stays pinned, so stays as it is, until the next one replaces it
    let mut producer_died = false;

    for frame in camera.frames().timeout(PATIENCE) {
        match frame {
            Ok(frame) => {
                let latency = frame.age();
                tally.add(&frame, latency, is_whole(&frame))?;
                if std::mem::take(&mut producer_died) {
                    say(&json!({ "event": "back", "frame": frame.sequence() }))?;
                }
                last = Some(frame);
            }
            // Said once. Whoever goes on waiting gets the frames of a successor.
            Err(Error::ProducerDied { .. }) => {
                producer_died = true;
                let kept = last.as_ref();
                say(&json!({
                    "event": "died",
                    "frame": kept.map(AnyFrame::sequence),
                    "whole": kept.map(is_whole),
                }))?;
            }
            Err(error) => return Err(error.into()),
        }
    }

    let drawn = png.zip(last.as_ref()).map(|(path, frame)| picture::draw(frame, path)).transpose()?;
    say(&tally.finish(drawn.as_ref()))?;
    if tally.torn > 0 { Err(format!("{} frames were torn", tally.torn).into()) } else { Ok(()) }
}
