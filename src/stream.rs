//! Streams: one process publishes frames, any number of others read the newest, or all of them.

mod any_publisher;
mod any_subscriber;
mod frame;
mod publisher;
mod subscriber;
mod wait;

pub use any_publisher::{AnyLoan, AnyPublisher};
pub use any_subscriber::{AnyFrames, AnySubscriber};
pub use frame::{AnyFrame, Frame};
pub use publisher::{Backpressure, Loan, Publisher, PublisherBuilder};
pub use subscriber::{Frames, Subscriber, SubscriberBuilder};
pub use wait::{Source, wait_any};

use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::segment::Segment;
use crate::sys::futex;
use std::time::Duration;

/// The end of a wait on the monotonic clock. A span too long to count is no limit.
fn deadline_ns(timeout: Option<Duration>) -> u64 {
    let span = timeout.and_then(|timeout| u64::try_from(timeout.as_nanos()).ok());
    match span {
        Some(0) => 0,
        Some(span) => futex::now_ns().saturating_add(span),
        None => u64::MAX,
    }
}

/// Refuses an array that is not a stream.
fn check_is_stream(segment: &Segment) -> Result<()> {
    if segment.form().kind == Kind::Stream {
        return Ok(());
    }
    Err(Error::Mismatch {
        name: segment.name().to_owned(),
        expected: "a stream".to_owned(),
        found: segment.form().describe(),
    })
}
