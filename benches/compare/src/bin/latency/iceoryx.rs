//! iceoryx2: blackboards, publish-subscribe, and publish-subscribe with events.

use crate::talk::{Channel, Message, Side};
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::reader::EntryHandle;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::port::writer::EntryHandleMut;
use iceoryx2::sample_mut_uninit::SampleMutUninit;
use sharray_compare::peers::{self, Iceoryx, Node};
use sharray_compare::{Outcome, Part, role};
use std::hint;
use std::mem::MaybeUninit;

type Loan = SampleMutUninit<Iceoryx, MaybeUninit<Message>, ()>;

/// Publish-subscribe as in iceoryx2's own benchmark: the next sample is loaned while the last one is on its way.
pub(crate) struct Messages {
    loan: Option<Loan>,
    publisher: Publisher<Iceoryx, Message, ()>,
    subscriber: Subscriber<Iceoryx, Message, ()>,
    node: Node,
}

impl Messages {
    pub(crate) fn open(part: &Part, side: Side) -> Outcome<Self> {
        let node = peers::node(&part.folder)?;
        let subscriber = peers::messages(&node, side.inward())?.subscriber_builder().create()?;
        let publisher = peers::messages(&node, side.outward())?.publisher_builder().create()?;
        Ok(Self { loan: None, publisher, subscriber, node })
    }

    fn look(&mut self) -> Outcome<Option<Message>> {
        Ok(self.subscriber.receive()?.map(|sample| *sample))
    }
}

impl Channel for Messages {
    fn prepare(&mut self) -> Outcome {
        self.loan = Some(self.publisher.loan_uninit()?);
        Ok(())
    }

    fn send(&mut self, message: &Message) -> Outcome {
        // There is none for the very last message.
        let loan = self.loan.take().map_or_else(|| self.publisher.loan_uninit(), Ok)?;
        loan.write_payload(*message).send()?;
        Ok(())
    }

    fn receive(&mut self) -> Outcome<Message> {
        loop {
            if let Some(message) = self.look()? {
                return Ok(message);
            }
        }
    }
}

/// Publish-subscribe, and an event that tells of each message.
pub(crate) struct Events {
    messages: Messages,
    notifier: Notifier<Iceoryx>,
    listener: Listener<Iceoryx>,
}

impl Events {
    pub(crate) fn open(part: &Part, side: Side) -> Outcome<Self> {
        let messages = Messages::open(part, side)?;
        let service = |what| -> Outcome<_> {
            let name = peers::service(&format!("{what}-event"))?;
            Ok(messages.node.service_builder(&name).event().open_or_create()?)
        };
        let listener = service(side.inward())?.listener_builder().create()?;
        let notifier = service(side.outward())?.notifier_builder().create()?;
        Ok(Self { messages, notifier, listener })
    }
}

impl Channel for Events {
    fn prepare(&mut self) -> Outcome {
        self.messages.prepare()
    }

    fn send(&mut self, message: &Message) -> Outcome {
        self.messages.send(message)?;
        self.notifier.notify()?;
        Ok(())
    }

    fn receive(&mut self) -> Outcome<Message> {
        loop {
            self.listener.blocking_wait(|_| ())?;
            if let Some(message) = self.messages.look()? {
                return Ok(message);
            }
        }
    }
}

/// A blackboard to write and one to read.
pub(crate) struct Blackboards {
    out: EntryHandleMut<Iceoryx, u64, Message>,
    back: EntryHandle<Iceoryx, u64, Message>,
    last: u64,
    _node: Node,
}

impl Blackboards {
    pub(crate) fn open(part: &Part, side: Side) -> Outcome<Self> {
        let node = peers::node(&part.folder)?;
        let name = peers::service(side.outward())?;
        let out = node.service_builder(&name).blackboard_creator::<u64>().add::<Message>(0, [0; 8]).create()?;
        let name = peers::service(side.inward())?;
        let back = role::retry(|| node.service_builder(&name).blackboard_opener::<u64>().open())?;
        let out = out.writer_builder().create()?.entry(&0)?;
        let back = back.reader_builder().create()?.entry(&0)?;
        Ok(Self { out, back, last: 0, _node: node })
    }
}

impl Channel for Blackboards {
    fn send(&mut self, message: &Message) -> Outcome {
        self.out.update_with_copy(*message);
        Ok(())
    }

    fn receive(&mut self) -> Outcome<Message> {
        loop {
            let message = self.back.get();
            if message[0] != self.last {
                self.last = message[0];
                return Ok(*message);
            }
            while self.back.is_up_to_date(&message) {
                hint::spin_loop();
            }
        }
    }
}
