//! Streams: one process publishes frames, any number of others read the newest, or all of them.

mod any_publisher;
mod any_subscriber;
mod frame;
mod owned_loan;
mod publisher;
mod subscriber;
mod wait;

pub use any_publisher::{AnyLoan, AnyPublisher};
pub use any_subscriber::{AnyFrames, AnySubscriber};
pub use frame::{AnyFrame, Frame};
pub use owned_loan::OwnedLoan;
pub use publisher::{Backpressure, Loan, Publisher, PublisherBuilder};
pub use subscriber::{Frames, Subscriber, SubscriberBuilder};
pub use wait::{Source, wait_any};
