//! iceoryx2's publish-subscribe: slices are loaned and filled in place, and the publisher waits for its subscriber.

use crate::work::{Consumer, Producer};
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::BackpressureStrategy;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;
use sharray_compare::peers::{self, Iceoryx, Node};
use sharray_compare::{Outcome, Part};
use std::hint;
use std::slice;

fn service(node: &Node) -> Outcome<PortFactory<Iceoryx, [u64], ()>> {
    let builder = node.service_builder(&peers::service("frames")?).publish_subscribe::<[u64]>();
    let builder = builder.max_publishers(1).max_subscribers(1).history_size(0).enable_safe_overflow(false);
    Ok(builder.subscriber_max_buffer_size(3).subscriber_max_borrowed_samples(1).open_or_create()?)
}

pub(crate) struct Out {
    publisher: Publisher<Iceoryx, [u64], ()>,
    words: usize,
    _node: Node,
}

impl Out {
    pub(crate) fn open(part: &Part, words: usize) -> Outcome<Self> {
        let node = peers::node(&part.folder)?;
        let service = service(&node)?;
        let builder = service.publisher_builder().initial_max_slice_len(words).max_loaned_samples(1);
        let publisher = builder.backpressure_strategy(BackpressureStrategy::RetryUntilDelivered).create()?;
        Ok(Self { publisher, words, _node: node })
    }
}

impl Producer for Out {
    fn put(&mut self, fill: &mut dyn FnMut(&mut [u64])) -> Outcome {
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
    _node: Node,
}

impl Back {
    pub(crate) fn open(part: &Part) -> Outcome<Self> {
        let node = peers::node(&part.folder)?;
        Ok(Self { subscriber: service(&node)?.subscriber_builder().create()?, _node: node })
    }
}

impl Consumer for Back {
    fn take(&mut self, look: &mut dyn FnMut(&[u64]) -> Outcome) -> Outcome {
        loop {
            if let Some(sample) = self.subscriber.receive()? {
                return look(sample.payload());
            }
            hint::spin_loop();
        }
    }
}
