//! Waiting for news on several streams at once.

use crate::error::{Error, Result};
use crate::protocol::World as _;
use crate::protocol::notify::{self, Slices};
use crate::segment::Segment;
use crate::stream::{AnySubscriber, Subscriber};
use crate::sys::futex::{self, MAX_WORDS, deadline_ns};
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::{AtomicU32, fence};
use std::time::Duration;

/// Something that [`wait_any`] can wait for.
///
/// Implemented by the subscribers; it cannot be implemented elsewhere.
///
/// # Examples
/// ```
/// use ndarray::Ix1;
/// use sharray::{AnySubscriber, Publisher, Source, Subscriber, wait_any};
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let mut camera = Publisher::<u8, Ix1>::builder().directory(&place).create("camera", [4])?;
/// let typed = Subscriber::<u8, Ix1>::builder().directory(&place).attach("camera")?;
/// let untyped = AnySubscriber::builder().directory(&place).attach("camera")?;
/// let sources: [&dyn Source; 2] = [&typed, &untyped];
/// camera.loan()?.publish();
/// assert_eq!(wait_any(&sources, None)?, [0, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Source: sealed::Sealed {
    /// The subscriber to wait for.
    #[doc(hidden)]
    fn subscriber(&self) -> &AnySubscriber;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::AnySubscriber {}
    impl<T, D> Sealed for super::Subscriber<T, D> {}
}

impl Source for AnySubscriber {
    fn subscriber(&self) -> &AnySubscriber {
        self
    }
}

impl<T, D> Source for Subscriber<T, D> {
    fn subscriber(&self) -> &AnySubscriber {
        self
    }
}

/// Waits until at least one of several subscribers has news, and returns the positions of those that have.
///
/// News is whatever makes `recv` return at once: a frame, the end of the stream, a producer's death, an unlinked name.
/// Nothing is received yet. All of them sleep in one system call (`futex_waitv`, Linux 5.16), which takes at most 128.
///
/// # Errors
/// [`Error::TimedOut`]; [`Error::InvalidArgument`] for none or for more than 128; [`Error::Forked`]; [`Error::Corrupt`].
///
/// # Examples
/// ```
/// use ndarray::Ix1;
/// use sharray::{Publisher, Subscriber, wait_any};
/// use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// # let publish = |name: &str| Publisher::<u8, Ix1>::builder().directory(&place).create(name, [4]);
/// # let subscribe = |name: &str| Subscriber::<u8, Ix1>::builder().directory(&place).attach(name);
/// let (mut left, right) = (publish("left")?, publish("right")?);
/// let eyes = [subscribe("left")?, subscribe("right")?];
/// left.loan()?.publish();
/// assert_eq!(wait_any(&[&eyes[0], &eyes[1]], Some(Duration::from_secs(1)))?, [0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait_any(sources: &[&dyn Source], timeout: Option<Duration>) -> Result<Vec<usize>> {
    let name = || sources.first().map_or_else(String::new, |source| source.subscriber().name().to_owned());
    if sources.is_empty() || sources.len() > MAX_WORDS {
        let reason = format!("{} arrays cannot be waited for at once, expected 1 to {MAX_WORDS}", sources.len());
        return Err(Error::invalid(&name(), reason));
    }
    let until_ns = deadline_ns(timeout);
    let has_onlooker = sources.iter().any(|source| source.subscriber().is_read_only());
    let slices = if has_onlooker { Slices::LOOK } else { Slices::NEWS };
    let mut slice_ns = slices.first_ns;
    let mut look_around = false;
    loop {
        // Words first, conditions second: news that comes in between changes a word, and the sleep returns at once.
        let seen: Vec<u32> = sources.iter().map(|source| word(source).load(Relaxed)).collect();
        fence(Acquire);
        let now_ns = futex::now_ns();
        // At the end of the wait, however short it was, it is time to see who died.
        let is_over = now_ns >= until_ns;
        let mut ready = Vec::new();
        for (at, source) in sources.iter().enumerate() {
            if source.subscriber().is_ready(look_around || is_over)? {
                ready.push(at);
            }
        }
        if !ready.is_empty() {
            return Ok(ready);
        }
        if is_over {
            return Err(Error::TimedOut { name: name() });
        }
        let slice_end_ns = now_ns.saturating_add(slice_ns);
        let armed: Option<Vec<(&AtomicU32, u32)>> =
            sources.iter().zip(seen).map(|(source, seen)| Some((word(source), arm(source, seen)?))).collect();
        if let Some(words) = armed {
            futex::sleep_any(&words, slice_end_ns.min(until_ns));
        }
        look_around = futex::now_ns() >= slice_end_ns;
        if look_around {
            slice_ns = (slice_ns * 2).min(slices.longest_ns);
        }
    }
}

fn word<'s>(source: &&'s dyn Source) -> &'s AtomicU32 {
    source.subscriber().segment().notify()
}

/// What to sleep on; an onlooker cannot say that it sleeps.
fn arm(source: &&dyn Source, seen: u32) -> Option<u32> {
    let subscriber = source.subscriber();
    if subscriber.is_read_only() { Some(seen) } else { notify::arm::<Segment>(word(source), seen) }
}
