//! mmap-sync, and `raw_sync`'s events beside memory written by hand.

use crate::talk::{Channel, Message, Side};
use mmap_sync::instance::InstanceVersion;
use mmap_sync::synchronizer::Synchronizer;
use raw_sync::Timeout;
use raw_sync::events::{BusyEvent, Event, EventImpl, EventInit, EventState};
use sharray_compare::memory::Shared;
use sharray_compare::{Outcome, Part, peers, role};
use std::fs::{self, File};
use std::hint;

/// A synchronizer to write and one to read.
pub(crate) struct MmapSync {
    out: Synchronizer,
    back: Synchronizer,
    last: Option<InstanceVersion>,
}

impl MmapSync {
    pub(crate) fn open(part: &Part, side: Side) -> Self {
        let synchronizer = |what| Synchronizer::new(part.folder.join(what).as_os_str());
        Self { out: synchronizer(side.outward()), back: synchronizer(side.inward()), last: None }
    }
}

impl Channel for MmapSync {
    fn send(&mut self, message: &Message) -> Outcome {
        self.out.write_raw::<Message>(bytemuck::cast_slice(message), peers::GRACE)?;
        Ok(())
    }

    fn receive(&mut self) -> Outcome<Message> {
        loop {
            // An error: nothing was ever written.
            let version = self.back.version().ok();
            if version != self.last {
                self.last = version;
                // SAFETY: the value is read at once, and its writer waits for longer than that.
                return Ok(*unsafe { self.back.read::<Message>(false) }?);
            }
            hint::spin_loop();
        }
    }
}

/// An event for each direction, and the last message in lines of its own.
pub(crate) struct RawSync {
    page: Shared,
    side: Side,
    out: Box<dyn EventImpl>,
    back: Box<dyn EventImpl>,
}

/// Words of 64 bits from one event to the next, and from the first event to the first message.
const APART: usize = 64;
const MESSAGES: usize = 256;

impl RawSync {
    /// With events that sleep, or with ones that look without pause.
    pub(crate) fn open(part: &Part, side: Side, sleeps: bool) -> Outcome<Self> {
        let (page, made) = (Shared::open(&part.folder.join("page"), 4096)?, part.folder.join("made"));
        if side == Side::Answer {
            event(&page, 0, sleeps, true)?;
            event(&page, APART, sleeps, true)?;
            File::create_new(&made)?;
        }
        role::retry(|| fs::metadata(&made))?;
        let of = |to| event(&page, if to == Side::Ask { 0 } else { APART }, sleeps, false);
        let (out, back) = (of(side.other())?, of(side)?);
        Ok(Self { page, side, out, back })
    }

    fn message(to: Side) -> usize {
        MESSAGES + if to == Side::Ask { 0 } else { APART }
    }
}

/// The event at a word of the page; makes it, if it `is_new`.
fn event(page: &Shared, at: usize, sleeps: bool, is_new: bool) -> Outcome<Box<dyn EventImpl>> {
    let memory = page.as_mut_ptr().wrapping_add(at * 8);
    let event = match (sleeps, is_new) {
        // SAFETY: here and below: the page has room for it there, and whoever shares it makes an event there first.
        (true, true) => unsafe { Event::new(memory, true) },
        // SAFETY: as above.
        (true, false) => unsafe { Event::from_existing(memory) },
        // SAFETY: as above.
        (false, true) => unsafe { BusyEvent::new(memory, true) },
        // SAFETY: as above.
        (false, false) => unsafe { BusyEvent::from_existing(memory) },
    };
    // Its errors cannot be sent to other threads, so they are told as text.
    Ok(event.map_err(|error| error.to_string())?.0)
}

impl Channel for RawSync {
    fn send(&mut self, message: &Message) -> Outcome {
        self.page.write(Self::message(self.side.other()), *message);
        self.out.set(EventState::Signaled)
    }

    fn receive(&mut self) -> Outcome<Message> {
        self.back.wait(Timeout::Infinite)?;
        Ok(self.page.read(Self::message(self.side)))
    }
}
