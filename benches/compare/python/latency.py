"""What 64 bytes take from one process to another: half of a round trip, each process on a processor of its own.

- ``spin``: both look without pause.
- ``asleep``: the message comes when the other sleeps for sure; what its sender waited for that is taken off.

``spin_p99`` and ``asleep_p99`` are what 99 of 100 round trips stay under. The answer is what was received, and the
first process looks at it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from statistics import median
from typing import Any

import iceoryx
import numpy as np
import zmq
from common import SPAWN, Contender, Line, compare, folder, now, options, percentile, play, shared_words

import sharray

#: How one side sends an array of eight words, and how it receives one.
Ends = tuple[Callable[[np.ndarray], Any], Callable[[], np.ndarray]]
Meet = Callable[[], None]
#: What opens them, for the side 0 or 1, in a folder, with what both processes were given.
Open = Callable[[int, str, Any], AbstractContextManager[Ends]]

#: What the last message says.
STOP = 2**63
#: Round trips before the first that counts.
WARM_UP = 200
#: Long enough for the other to fall asleep.
PAUSE_NS = 200_000
#: Long enough for the last message.
LAST_S = 0.05


@contextmanager
def memoryview_spin(side: int, place: str, _: Any) -> Iterator[Ends]:
    """A counter and 64 bytes each way, in cache lines of their own; whoever reads looks at the counter."""
    shared = shared_words(place)
    counters, items = memoryview(shared).cast("Q"), np.frombuffer(shared, np.uint64)
    mine, theirs = side * 512, (1 - side) * 512
    inbox, outbox = items[mine + 8 : mine + 16], items[theirs + 8 : theirs + 16]
    sent = seen = 0

    def send(message: np.ndarray) -> None:
        nonlocal sent
        outbox[:] = message
        sent += 1
        counters[theirs] = sent

    def receive() -> np.ndarray:
        nonlocal seen
        while counters[mine] == seen:
            pass
        seen += 1
        return inbox.copy()

    yield send, receive


@contextmanager
def np_memmap(side: int, place: str, _: Any) -> Iterator[Ends]:
    """The same, as it is first written."""
    shared_words(place).close()
    items = np.memmap(os.path.join(place, "words"), np.uint64, "r+")
    mine, theirs = side * 512, (1 - side) * 512
    sent = seen = 0

    def send(message: np.ndarray) -> None:
        nonlocal sent
        items[theirs + 8 : theirs + 16] = message
        sent += 1
        items[theirs] = sent

    def receive() -> np.ndarray:
        nonlocal seen
        while items[mine] == seen:
            pass
        seen += 1
        return items[mine + 8 : mine + 16].copy()

    yield send, receive


@contextmanager
def semaphore(side: int, place: str, semaphores: Any) -> Iterator[Ends]:
    """64 bytes each way, and a semaphore to wait for."""
    items = np.frombuffer(shared_words(place), np.uint64)
    mine, theirs = side * 512, (1 - side) * 512
    inbox, outbox = items[mine : mine + 8], items[theirs : theirs + 8]
    tell, wait = semaphores[1 - side].release, semaphores[side].acquire

    def send(message: np.ndarray) -> None:
        outbox[:] = message
        tell()

    def receive() -> np.ndarray:
        wait()
        return inbox.copy()

    yield send, receive


@contextmanager
def pipe(side: int, _place: str, ends: Any) -> Iterator[Ends]:
    """Bytes through a pipe of two directions."""
    send_bytes, recv_bytes = ends[side].send_bytes, ends[side].recv_bytes
    yield lambda message: send_bytes(message.data), lambda: np.frombuffer(recv_bytes(), np.uint64)


@contextmanager
def queue(side: int, _place: str, queues: Any) -> Iterator[Ends]:
    """Arrays through two queues."""
    # The queue pickles later what it was given: a copy, or the next message would go twice.
    put, get = queues[1 - side].put, queues[side].get
    yield lambda message: put(message.copy()), get


@contextmanager
def pyzmq(side: int, place: str, _: Any) -> Iterator[Ends]:
    """Bytes through a pair of sockets."""
    address = f"ipc://{place}/socket"
    with zmq.Context() as context, context.socket(zmq.PAIR) as socket:
        if side:
            socket.bind(address)
        else:
            socket.connect(address)
        yield lambda message: socket.send(message.data), lambda: np.frombuffer(socket.recv(), np.uint64)


@contextmanager
def iceoryx2(side: int, place: str, _: Any, sleeps: bool = False) -> Iterator[Ends]:
    """Samples, and events to wait for them."""
    node = iceoryx.node(place)

    def stream(of: int) -> Any:
        return iceoryx.service(node, f"stream{of}").publish_subscribe(iceoryx.Message).open_or_create()

    def event(of: int) -> Any:
        return iceoryx.service(node, f"event{of}").event().open_or_create()

    subscriber, publisher = stream(side).subscriber_builder().create(), stream(1 - side).publisher_builder().create()
    listener, notifier = event(side).listener_builder().create(), event(1 - side).notifier_builder().create()

    def send(message: np.ndarray) -> None:
        publisher.send_copy(iceoryx.Message.from_buffer(message))
        if sleeps:
            notifier.notify()

    def receive() -> np.ndarray:
        while (sample := subscriber.receive()) is None:
            if sleeps:
                listener.blocking_wait()
        items = iceoryx.items_of(sample, 8).copy()
        sample.delete()
        return items

    yield send, receive


@contextmanager
def iceoryx2_blackboard(side: int, place: str, _: Any) -> Iterator[Ends]:
    """A value each way; whoever reads asks whether it has the newest."""
    node = iceoryx.node(place)
    key, nothing = iceoryx.ctypes.c_uint64(0), iceoryx.Message()
    mine = iceoryx.service(node, f"value{side}").blackboard_creator(iceoryx.ctypes.c_uint64).add(key, nothing).create()
    theirs = until(lambda: iceoryx.service(node, f"value{1 - side}").blackboard_opener(iceoryx.ctypes.c_uint64).open())
    writer, reader = mine.writer_builder().create(), theirs.reader_builder().create()
    outbox, inbox = writer.entry(key, iceoryx.Message), reader.entry(key, iceoryx.Message)
    value = inbox.get()

    def send(message: np.ndarray) -> None:
        outbox.update_with_copy(iceoryx.Message.from_buffer(message))

    def receive() -> np.ndarray:
        nonlocal value
        while inbox.is_up_to_date(value):
            pass
        value = inbox.get()
        return np.frombuffer(bytearray(value.data), np.uint64)

    yield send, receive


def until(act: Callable[[], Any]) -> Any:
    """What an action gives once the other process is so far."""
    end = time.monotonic() + 10
    while True:
        try:
            return act()
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(0.001)


@contextmanager
def sharray_cell(side: int, place: str, _: Any, sleeps: bool = False) -> Iterator[Ends]:
    """A cell each way, whose writer keeps its role."""
    inbox, outbox = (sharray.cell(f"value{of}", np.zeros(8, np.uint64), dir=place) for of in (side, 1 - side))
    seen = inbox.sequence

    with outbox.writer() as writer:

        def receive() -> np.ndarray:
            nonlocal seen
            if sleeps:
                inbox.wait_changed(seen)
            while inbox.sequence == seen:
                pass
            seen += 1
            return inbox.load()

        yield writer.store, receive


@contextmanager
def sharray_stream(side: int, place: str, _: Any, sleeps: bool = False) -> Iterator[Ends]:
    """A stream each way."""
    with sharray.publish(f"stream{1 - side}", 8, np.uint64, dir=place) as publisher:
        subscriber = sharray.subscribe(f"stream{side}", wait=10, dir=place)
        seen = 0

        def send(message: np.ndarray) -> None:
            with publisher.loan() as outbox:
                outbox[:] = message

        def spin() -> np.ndarray:
            nonlocal seen
            while subscriber.sequence == seen:
                pass
            seen += 1
            return subscriber.latest().array

        def wait() -> np.ndarray:
            return subscriber.recv().array

        yield send, wait if sleeps else spin


def nothing() -> None:
    """What most contenders give to both processes."""


def one_each_way(make: Callable[[], Any]) -> Callable[[], Any]:
    """What is there once for each direction."""
    return lambda: (make(), make())


#: Contender, how it is opened, and what both processes are given.
SPIN: list[tuple[str, Open, Callable[[], Any]]] = [
    ("memoryview", memoryview_spin, nothing),
    ("np_memmap", np_memmap, nothing),
    ("iceoryx2", iceoryx2, nothing),
    ("iceoryx2_blackboard", iceoryx2_blackboard, nothing),
    ("sharray_cell", sharray_cell, nothing),
    ("sharray_stream", sharray_stream, nothing),
]
ASLEEP: list[tuple[str, Open, Callable[[], Any]]] = [
    ("semaphore", semaphore, one_each_way(partial(SPAWN.Semaphore, 0))),
    ("pipe", pipe, SPAWN.Pipe),
    ("queue", queue, one_each_way(SPAWN.Queue)),
    ("pyzmq", pyzmq, nothing),
    ("iceoryx2", partial(iceoryx2, sleeps=True), nothing),
    ("sharray_cell", partial(sharray_cell, sleeps=True), nothing),
    ("sharray_stream", partial(sharray_stream, sleeps=True), nothing),
]


def pause(nanoseconds: int) -> int:
    """Waits without sleeping, and returns for how long."""
    start = now()
    while (waited := now() - start) < nanoseconds:
        pass
    return waited


def ask(
    meet: Meet, _name: str, opens: Open, place: str, shared: Any, pause_ns: int, seconds: float
) -> tuple[float, float]:
    """The first process: nanoseconds for one way, the median and what 99 of 100 stay under."""
    message, trips, number = np.zeros(8, np.uint64), [], 0
    with opens(0, place, shared) as (send, receive):
        meet()
        end = now() + 10_000_000_000
        while now() < end:
            number += 1
            if pause_ns:
                pause(pause_ns)
            message[0] = number
            start = now()
            send(message)
            answer = receive()
            if answer.item(0) != number:
                raise RuntimeError(f"the answer is {answer[0]}, expected {number}")
            trips.append(now() - start - answer.item(1))
            if number == WARM_UP:
                end = now() + int(seconds * 1e9)
        message[0] = STOP
        send(message)
        receive()
    counted = trips[WARM_UP:]
    return median(counted) / 2, percentile(counted, 99) / 2


def answer(meet: Meet, _name: str, opens: Open, place: str, shared: Any, pause_ns: int, _seconds: float) -> None:
    """The second process."""
    with opens(1, place, shared) as (send, receive):
        meet()
        is_over = False
        while not is_over:
            question = receive()
            is_over = question.item(0) == STOP
            if pause_ns:
                question = question.copy()
                question[1] = pause(pause_ns)
            send(question)
        # What is on its way would go with the process.
        time.sleep(LAST_S)


def main() -> None:
    """Measures."""
    chosen = options(__doc__, rounds=7)
    seconds = 0.02 if chosen.quick else 0.3

    def take(way: str, name: str, opens: Open, share: Callable[[], Any], pause_ns: int) -> list[Line]:
        with folder() as place:
            typical, slow = play(ask, answer, name, opens, place, share(), pause_ns, seconds)
        return [
            (f"python.latency64.{way}.{name}", typical, "ns"),
            (f"python.latency64.{way}.{name}.p99", slow, "ns"),
        ]

    def contenders() -> Iterator[Contender]:
        for way, those, pause_ns in [("spin", SPIN, 0), ("asleep", ASLEEP, PAUSE_NS)]:
            for name, opens, share in those:
                yield f"python.latency64.{way}.{name}", partial(take, way, name, opens, share, pause_ns)

    compare(chosen, contenders())
    iceoryx.clean_up()


if __name__ == "__main__":
    main()
