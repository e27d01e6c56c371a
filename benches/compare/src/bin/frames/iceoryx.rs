//! iceoryx2's publish-subscribe: slices are loaned and filled in place. The publisher would wait for its subscriber
//! (`RetryUntilDelivered`), but version 0.10 now and then lost a sample when the buffer was full, and both waited for ever: a count of
//! the frames that were taken keeps the buffer from getting full.

use crate::work::{Consumer, Producer};
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::BackpressureStrategy;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;
use sharray_compare::memory::Shared;
use sharray_compare::peers::{self, Iceoryx, Node};
use sharray_compare::{Outcome, Part};
use std::hint;
use std::slice;
use std::sync::atomic::Ordering::{Acquire, Release};

/// How many frames the subscriber may have before it.
const BUFFER: usize = 3;
/// Where the count of frames stands that were taken.
const TAKEN: usize = 0;

fn service(node: &Node) -> Outcome<PortFactory<Iceoryx, [u64], ()>> {
    let builder = node.service_builder(&peers::service("frames")?).publish_subscribe::<[u64]>();
    let builder = builder.max_publishers(1).max_subscribers(1).history_size(0).enable_safe_overflow(false);
    Ok(builder.subscriber_max_buffer_size(BUFFER).subscriber_max_borrowed_samples(1).open_or_create()?)
}

fn counts(part: &Part) -> Outcome<Shared> {
    Ok(Shared::open(&part.folder.join("counts"), 4096)?)
}

pub(crate) struct Out {
    publisher: Publisher<Iceoryx, [u64], ()>,
    words: usize,
    counts: Shared,
    put: u64,
    _node: Node,
}

impl Out {
    pub(crate) fn open(part: &Part, words: usize) -> Outcome<Self> {
        let node = peers::node(&part.folder)?;
        let service = service(&node)?;
        let builder = service.publisher_builder().initial_max_slice_len(words).max_loaned_samples(1);
        let publisher = builder.backpressure_strategy(BackpressureStrategy::RetryUntilDelivered).create()?;
        Ok(Self { publisher, words, counts: counts(part)?, put: 0, _node: node })
    }
}

impl Producer for Out {
    fn put(&mut self, fill: &mut dyn FnMut(&mut [u64])) -> Outcome {
        while self.counts.word64(TAKEN).load(Acquire) + BUFFER as u64 <= self.put {
            hint::spin_loop();
        }
        self.put += 1;
        let mut loan = self.publisher.loan_slice_uninit(self.words)?;
        let frame = loan.payload_mut();
        // SAFETY: the words are in shared memory, where they have some value or other from the start.
        fill(unsafe { slice::from_raw_parts_mut(frame.as_mut_ptr().cast(), frame.len()) });
        // SAFETY: as above.
        let sent = unsafe { loan.assume_init() }.send()?;
        if sent == 1 { Ok(()) } else { Err(format!("{sent} subscribers got a frame").into()) }
    }
}

pub(crate) struct Back {
    subscriber: Subscriber<Iceoryx, [u64], ()>,
    counts: Shared,
    taken: u64,
    _node: Node,
}

impl Back {
    pub(crate) fn open(part: &Part) -> Outcome<Self> {
        let node = peers::node(&part.folder)?;
        let subscriber = service(&node)?.subscriber_builder().create()?;
        Ok(Self { subscriber, counts: counts(part)?, taken: 0, _node: node })
    }
}

impl Consumer for Back {
    fn take(&mut self, look: &mut dyn FnMut(&[u64]) -> Outcome) -> Outcome {
        let sample = loop {
            match self.subscriber.receive()? {
                Some(sample) => break sample,
                None => hint::spin_loop(),
            }
        };
        look(sample.payload())?;
        drop(sample);
        self.taken += 1;
        self.counts.word64(TAKEN).store(self.taken, Release);
        Ok(())
    }
}
