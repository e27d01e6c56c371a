"""Frames from one process to another, each on a processor of its own: GB/s.

The producer fills every frame with its number, and the consumer sums it and checks the sum. `private` hands nothing over:
one process sums an array that it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import shared_memory
from statistics import median
from typing import Any

import iceoryx
import numpy as np
import zmq
from common import SPAWN, Contender, Line, compare, folder, now, options, play, shared_words

import sharray

SIZES = {"64KiB": 64 << 10, "1MiB": 1 << 20, "8MiB": 8 << 20, "64MiB": 64 << 20}
#: How many frames a ring has.
SLOTS = 4

Meet = Callable[[], None]
Use = Callable[[np.ndarray], None]
#: How a frame of a number is sent, and how one is received and used.
Put, Take = Callable[[int], Any], Callable[[Use], Any]
#: What opens an end, in a folder, for frames of so many words, with what both processes were given.
Open = Callable[[str, int, Any], AbstractContextManager[Any]]


@contextmanager
def sharray_out(place: str, words: int, _: Any) -> Iterator[Put]:
    """Fills what it is lent."""
    with sharray.publish("frames", words, np.uint64, history=2, dir=place) as publisher:

        def put(number: int) -> None:
            with publisher.loan() as frame:
                frame.fill(number)

        yield put


@contextmanager
def sharray_in(place: str, _words: int, _: Any) -> Iterator[Take]:
    """Loses nothing."""
    with sharray.subscribe("frames", wait=10, lossless=True, dir=place) as subscriber:

        def take(use: Use) -> None:
            with subscriber.recv() as frame:
                use(frame.array)

        yield take


@contextmanager
def ring(name: str, words: int) -> Iterator[tuple[memoryview, list[np.ndarray]]]:
    """Two counters in cache lines of their own, and slots behind them: arrays over `multiprocessing.shared_memory`."""
    segment = shared_memory.SharedMemory(name)
    counters = segment.buf[:4096].cast("Q")
    slots = np.ndarray((SLOTS, words), np.uint64, segment.buf, 4096)
    parts = counters, [slots[at] for at in range(SLOTS)]
    del slots
    yield parts
    parts[1].clear()
    counters.release()
    segment.close()


@contextmanager
def ring_out(_place: str, words: int, name: str) -> Iterator[Put]:
    """Looks without pause whether there is room."""
    with ring(name, words) as (counters, slots):

        def put(number: int) -> None:
            while counters[64] + SLOTS < number:
                pass
            slots[number % SLOTS].fill(number)
            counters[0] = number

        yield put


@contextmanager
def ring_in(_place: str, words: int, name: str) -> Iterator[Take]:
    """Looks without pause whether there is a frame."""
    with ring(name, words) as (counters, slots):

        def take(use: Use) -> None:
            number = counters[64] + 1
            while counters[0] < number:
                pass
            use(slots[number % SLOTS])
            counters[64] = number

        yield take


@contextmanager
def ring_semaphore_out(_place: str, words: int, shared: Any) -> Iterator[Put]:
    """Sleeps until there is room."""
    name, free, full = shared
    with ring(name, words) as (_, slots):

        def put(number: int) -> None:
            free.acquire()
            slots[number % SLOTS].fill(number)
            full.release()

        yield put


@contextmanager
def ring_semaphore_in(_place: str, words: int, shared: Any) -> Iterator[Take]:
    """Sleeps until there is a frame."""
    name, free, full = shared
    with ring(name, words) as (_, slots):
        number = 0

        def take(use: Use) -> None:
            nonlocal number
            number += 1
            full.acquire()
            use(slots[number % SLOTS])
            free.release()

        yield take


def iceoryx2_service(node: Any) -> Any:
    """One publisher and one subscriber."""
    slices = iceoryx.iox2.Slice[iceoryx.ctypes.c_uint64]
    service = iceoryx.service(node, "frames").publish_subscribe(slices)
    service = service.max_publishers(1).max_subscribers(1).history_size(0).enable_safe_overflow(False)
    return service.subscriber_max_buffer_size(SLOTS - 1).subscriber_max_borrowed_samples(1).open_or_create()


@contextmanager
def iceoryx2_out(place: str, words: int, _: Any) -> Iterator[Put]:
    """Fills what it is lent."""
    # The node lives as long as what was made through it.
    service = iceoryx2_service(node := iceoryx.node(place))
    builder = service.publisher_builder().initial_max_slice_len(words).max_loaned_samples(1)
    publisher, taken = builder.create(), memoryview(shared_words(place)).cast("Q")

    def put(number: int) -> None:
        # Told to wait, its publisher waits in most runs, and in others discards what does not fit.
        while taken[0] + SLOTS <= number:
            pass
        sample = publisher.loan_slice_uninit(words)
        iceoryx.items_of(sample, words).fill(number)
        sample.assume_init().send()

    yield put
    del node


@contextmanager
def iceoryx2_in(place: str, words: int, _: Any) -> Iterator[Take]:
    """Looks without pause whether there is a sample."""
    # The node lives as long as what was made through it.
    service = iceoryx2_service(node := iceoryx.node(place))
    subscriber, taken = service.subscriber_builder().create(), memoryview(shared_words(place)).cast("Q")

    def take(use: Use) -> None:
        while (sample := subscriber.receive()) is None:
            pass
        use(iceoryx.items_of(sample, words))
        sample.delete()
        taken[0] += 1

    yield take
    del node


@contextmanager
def pyzmq_out(place: str, words: int, _: Any) -> Iterator[Put]:
    """Hands arrays over without a copy of its own: each is new, since it is sent later."""
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
        socket.setsockopt(zmq.SNDHWM, 2)
        socket.bind(f"ipc://{place}/socket")
        yield lambda number: socket.send(np.full(words, number, np.uint64).data, copy=False)


@contextmanager
def pyzmq_in(place: str, _words: int, _: Any) -> Iterator[Take]:
    """Looks at what came without a copy of its own."""
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        socket.setsockopt(zmq.RCVHWM, 2)
        socket.connect(f"ipc://{place}/socket")
        yield lambda use: use(np.frombuffer(socket.recv(copy=False).buffer, np.uint64))


@contextmanager
def pipe_out(_place: str, words: int, ends: Any) -> Iterator[Put]:
    """Bytes of one array."""
    frame = np.empty(words, np.uint64)

    def put(number: int) -> None:
        frame.fill(number)
        ends[1].send_bytes(frame.data)

    yield put


@contextmanager
def pipe_in(_place: str, words: int, ends: Any) -> Iterator[Take]:
    """Bytes into one array."""
    frame = np.empty(words, np.uint64)

    def take(use: Use) -> None:
        ends[0].recv_bytes_into(frame.data)
        use(frame)

    yield take


@contextmanager
def queue_out(_place: str, words: int, queue: Any) -> Iterator[Put]:
    """Arrays: each is new, since it is pickled later."""
    yield lambda number: queue.put(np.full(words, number, np.uint64))


@contextmanager
def queue_in(_place: str, _words: int, queue: Any) -> Iterator[Take]:
    """Arrays that were unpickled."""
    yield lambda use: use(queue.get())


CONTENDERS: dict[str, tuple[Open, Open]] = {
    "sharray": (sharray_out, sharray_in),
    "ring": (ring_out, ring_in),
    "ring_semaphore": (ring_semaphore_out, ring_semaphore_in),
    "iceoryx2": (iceoryx2_out, iceoryx2_in),
    "pyzmq": (pyzmq_out, pyzmq_in),
    "pipe": (pipe_out, pipe_in),
    "queue": (queue_out, queue_in),
}


@contextmanager
def given(name: str, words: int) -> Iterator[Any]:
    """What both processes are given."""
    if name == "pipe":
        yield SPAWN.Pipe(duplex=False)
    elif name == "queue":
        yield SPAWN.Queue(2)
    elif name.startswith("ring"):
        segment = shared_memory.SharedMemory(create=True, size=4096 + SLOTS * words * 8)
        with closing(segment):
            semaphores = SPAWN.Semaphore(SLOTS), SPAWN.Semaphore(0)
            yield segment.name if name == "ring" else (segment.name, *semaphores)
        segment.unlink()
    else:
        yield None


@dataclass(frozen=True)
class Length:
    """How many frames go before those that are measured, how many between two looks at the clock, and how often."""

    warm_up: int
    chunk: int
    chunks: int

    @property
    def frames(self) -> int:
        """All of them."""
        return self.warm_up + self.chunk * self.chunks

    @classmethod
    def of(cls, size: int, is_quick: bool) -> Length:
        """Chunks in which whatever is on its way is little beside what has arrived."""
        if is_quick:
            return cls(2, 4, 1)
        return cls(2 * SLOTS, max(3 * SLOTS, (4 << 20) // size), 8 if size <= 8 << 20 else 2)


def consume(meet: Meet, name: str, place: str, words: int, shared: Any, length: Length) -> float:
    """The first process: bytes per nanosecond."""
    times, number = [], 0
    with CONTENDERS[name][1](place, words, shared) as take:

        def use(frame: np.ndarray) -> None:
            if int(frame.sum()) != number * words:
                raise RuntimeError(f"the sum of frame {number} is wrong")

        meet()
        start = now()
        for number in range(1, length.frames + 1):
            take(use)
            if (number - length.warm_up) % length.chunk == 0:
                start, last = now(), start
                times.append(start - last)
        meet()
    return length.chunk * words * 8 / median(times[-length.chunks :])


def produce(meet: Meet, name: str, place: str, words: int, shared: Any, length: Length) -> None:
    """The second process."""
    with CONTENDERS[name][0](place, words, shared) as put:
        meet()
        for number in range(1, length.frames + 1):
            put(number)
        meet()


def private(_meet: Meet, words: int, length: Length) -> float:
    """Bytes per nanosecond of an array that the process has."""
    array, times = np.ones(words, np.uint64), []
    for _ in range(length.frames):
        start = now()
        array.sum()
        times.append(now() - start)
    return words * 8 / median(times)


def nobody(*_: Any) -> None:
    """A second process that leaves its processor alone."""


def main() -> None:
    """Measures."""
    chosen = options(__doc__, rounds=5)

    def take(title: str, name: str, size: int) -> list[Line]:
        words, length = size // 8, Length.of(size, chosen.quick)
        if name == "private":
            return [(title, play(private, nobody, words, length), "GB/s")]
        with folder() as place, given(name, words) as shared:
            return [(title, play(consume, produce, name, place, words, shared, length), "GB/s")]

    def contenders() -> Iterator[Contender]:
        for size, in_bytes in SIZES.items():
            for name in [*CONTENDERS, "private"]:
                title = f"python.frames.{size}.{name}"
                yield title, partial(take, title, name, in_bytes)

    try:
        compare(chosen, contenders())
    finally:
        iceoryx.clean_up()


if __name__ == "__main__":
    main()
