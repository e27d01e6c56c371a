"""Streams: who gets which frames, in which order, and what ends them."""

from __future__ import annotations

import gc
import pickle
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sharray
from helpers import Child, running, until


def publish(publisher: sharray.Publisher[Any], *values: int) -> None:
    for value in values:
        publisher.publish(np.full(publisher.shape, value), timeout=0)


def values(subscriber: sharray.Subscriber[Any]) -> list[int]:
    """What there is to receive."""
    found = []
    while True:
        try:
            frame = subscriber.recv(timeout=0)
        except sharray.TimedOut:
            return found
        if frame is None:
            return found
        found.append(int(frame.array.flat[0]))


@pytest.fixture
def stream(folder: Path) -> sharray.Publisher[Any]:
    return sharray.publish("stream", (3, 4), "i8", history=4, dir=folder)


def test_latest(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """The newest, whatever was received; None before the first. It disturbs no receiving."""
    subscriber = sharray.subscribe("stream", dir=folder)
    assert subscriber.latest() is None and subscriber.sequence == stream.sequence == 0
    publish(stream, 10, 11)
    for _ in range(2):
        newest = subscriber.latest()
        assert newest is not None and newest.sequence == 2 and newest.array[0, 0] == 11
    assert values(subscriber) == [10, 11]
    stream.close()
    assert subscriber.latest().sequence == 2  # type: ignore[union-attr]


def test_from_now_on(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """A subscriber receives what is published after it came, or from the oldest frame that is still there."""
    publish(stream, *range(10))
    late = sharray.subscribe("stream", dir=folder)
    old = sharray.subscribe("stream", from_oldest=True, dir=folder)
    publish(stream, 10)
    assert values(late) == [10]
    found = values(old)
    assert found[-1] == 10 and len(found) >= 2 and found == list(range(found[0], 11))


def test_missed(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """Who is slow loses frames, and is told how many. Sequences have no gaps that are not told."""
    subscriber = sharray.subscribe("stream", dir=folder)
    last = 0
    for count in (1, 3, 40, 2, 100):
        publish(stream, *range(count))
        while True:
            try:
                frame = subscriber.recv(timeout=0)
            except sharray.TimedOut:
                break
            assert frame is not None and frame.sequence == last + 1 + frame.missed
            last = frame.sequence
        assert last == stream.sequence


def test_facts_of_frames(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """Tags and times arrive as they were given; without a time, it is that of publishing."""
    subscriber = sharray.subscribe("stream", dir=folder)
    before = time.time()
    stream.publish(np.zeros((3, 4)), tags=(2**64 - 1, 7), time=1234.5)
    stream.publish(np.zeros((3, 4)))
    loan = stream.loan()
    with loan as image:
        image[...] = 0
        loan.tags, loan.time = (5, 6), 99.25
        assert (loan.tags, loan.time) == ((5, 6), 99.25)
    after = time.time()
    one, two, three = (subscriber.recv(timeout=0) for _ in range(3))
    assert one and two and three
    assert (one.tags, one.time, one.time_ns) == ((2**64 - 1, 7), 1234.5, 1_234_500_000_000)
    assert before - 0.1 <= one.published <= after + 0.1
    assert two.tags == (0, 0) and two.time == two.published and before - 0.1 <= two.time <= after + 0.1
    assert (three.tags, three.time) == ((5, 6), 99.25)
    assert (one.dtype, one.shape) == (np.dtype("i8"), (3, 4))
    for wrong in ({"time": -1.0}, {"time": float("nan")}, {"tags": (1, -1)}, {"tags": (1, 2**64)}, {"tags": (1,)}):
        with pytest.raises((ValueError, OverflowError, TypeError)):
            stream.publish(np.zeros((3, 4)), **wrong)  # type: ignore[arg-type]
        with pytest.raises((ValueError, OverflowError, TypeError)):
            stream.loan(**wrong)  # type: ignore[arg-type]
    assert stream.sequence == 3


def test_smaller_frames(folder: Path) -> None:
    """A frame may be smaller than declared, not larger, and has as many dimensions."""
    stream = sharray.publish("stream", (3, 4), "i8", history=8, dir=folder)
    subscriber = sharray.subscribe("stream", dir=folder)
    small = np.arange(6).reshape(2, 3)
    stream.publish(small)
    with stream.loan(shape=(12, 1)) as image:
        assert image.shape == (12, 1)
        image[:, 0] = range(12)
    stream.publish(7)
    with stream.loan(shape=(0, 4)) as image:
        pass
    frames = [subscriber.recv(timeout=0) for _ in range(4)]
    np.testing.assert_array_equal(frames[0].array, small)  # type: ignore[union-attr]
    assert frames[0].array.flags.c_contiguous and frames[0].shape == (2, 3)  # type: ignore[union-attr]
    assert frames[1].array.ravel().tolist() == list(range(12))  # type: ignore[union-attr]
    assert (frames[2].array == 7).all() and frames[2].shape == (3, 4)  # type: ignore[union-attr]
    assert frames[3].shape == (0, 4)  # type: ignore[union-attr]
    for shape in ((4, 4), (3, 5), (12,), (1, 3, 4), (-1, 4)):
        with pytest.raises(ValueError):
            stream.loan(shape=shape)
    with pytest.raises(ValueError):
        stream.publish(np.zeros((4, 4)))
    with pytest.raises(ValueError):
        stream.publish(np.zeros(5))
    assert stream.sequence == 4
    # No slot was lost on the way.
    for _ in range(30):
        publish(stream, 1)


def test_what_does_not_convert_is_not_published(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """And it costs no slot."""
    for _ in range(30):
        with pytest.raises((ValueError, TypeError)):
            stream.publish(np.array([["x"] * 4] * 3), timeout=0)
    assert stream.sequence == 0


def test_a_clean_end(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """close() ends the iteration after the last frame; recv() answers None then, once: asked again, it waits for whoever
    goes on with the stream."""
    subscriber = sharray.subscribe("stream", dir=folder)
    publish(stream, 1, 2)
    stream.close()
    stream.close()
    assert sharray.inspect("stream", dir=folder).is_closed
    assert [int(frame.array[0, 0]) for frame in subscriber] == [1, 2]
    with pytest.raises(sharray.TimedOut):
        subscriber.recv(timeout=0)
    publish(sharray.publish("stream", dir=folder), 3)
    assert subscriber.recv(timeout=0).sequence == 3  # type: ignore[union-attr]
    assert stream.is_closed
    for use in (stream.loan, lambda: stream.publish(1), lambda: stream.sequence, lambda: stream.is_retired):
        with pytest.raises(sharray.Closed):
            use()
    assert "closed" in repr(stream)


def test_a_with_block_closes(folder: Path) -> None:
    """So does Ctrl-C, by which programs are ended; an error is a death."""
    for at, (error, end) in enumerate(
        [(None, None), (KeyboardInterrupt, None), (SystemExit, None), (ValueError, sharray.ProducerDied)]
    ):
        try:
            with sharray.publish(f"stream-{at}", 3, dir=folder) as publisher:
                subscriber = sharray.subscribe(f"stream-{at}", dir=folder)
                publish(publisher, 1)
                if error is not None:
                    raise error
        except BaseException as raised:
            assert type(raised) is error
        assert subscriber.recv(timeout=10).sequence == 1  # type: ignore[union-attr]
        if end is None:
            assert subscriber.recv(timeout=10) is None
        else:
            with pytest.raises(end) as died:
                subscriber.recv(timeout=10)
            assert isinstance(died.value, ConnectionResetError) and died.value.name == f"stream-{at}"


def test_frames_with_a_timeout(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """frames(timeout=) raises TimedOut when none comes, and goes on when asked again."""
    subscriber = sharray.subscribe("stream", dir=folder)
    frames = subscriber.frames(timeout=0.01)
    with pytest.raises(sharray.TimedOut) as raised:
        next(frames)
    assert isinstance(raised.value, TimeoutError) and raised.value.name == "stream"
    publish(stream, 5)
    assert next(frames).array[0, 0] == 5
    with pytest.raises(TimeoutError):
        next(frames)
    stream.close()
    with pytest.raises(StopIteration):
        next(frames)


def test_a_dropped_publisher(folder: Path) -> None:
    """Dropped without close(), by the garbage collector: told by api as a clean close or a death, never as a wait."""
    publisher = sharray.publish("stream", 3, dir=folder)
    subscriber = sharray.subscribe("stream", dir=folder)
    del publisher
    gc.collect()
    try:
        assert subscriber.recv(timeout=10) is None
    except sharray.ProducerDied:
        pass


def test_lossless(folder: Path) -> None:
    """A lossless subscriber loses nothing: the publisher waits for it, and says for whom."""
    publisher = sharray.publish("stream", 3, "i8", history=4, dir=folder)
    subscriber = sharray.subscribe("stream", lossless=True, dir=folder)
    count = 0
    with pytest.raises(sharray.NoFreeSlot) as raised:
        while count < 100:
            publish(publisher, count)
            count += 1
    assert 2 <= count <= 8 and raised.value.holders
    with pytest.raises(sharray.TimedOut):
        publisher.loan(timeout=0.02)

    def run() -> None:
        for value in range(count, 500):
            publisher.publish(np.full(3, value))
        publisher.close()

    with running(run):
        received = [(int(frame.array[0]), frame.missed) for frame in subscriber]
    assert received == [(value, 0) for value in range(500)]


def test_eviction(folder: Path) -> None:
    """With backpressure='evict' a slow one loses frames, is told once, and goes on."""
    publisher = sharray.publish("stream", 3, "i8", history=4, backpressure="evict", dir=folder)
    subscriber = sharray.subscribe("stream", lossless=True, dir=folder)
    publish(publisher, *range(100))
    with pytest.raises(sharray.Lagged) as raised:
        while True:
            subscriber.recv(timeout=0)
    assert isinstance(raised.value, BufferError) and raised.value.missed > 0 and raised.value.name == "stream"
    assert values(subscriber)[-1] == 99
    publish(publisher, 100, 101)
    assert values(subscriber) == [100, 101]


def test_backpressure_error(folder: Path) -> None:
    """With backpressure='error' nobody waits: NoFreeSlot, at once, whatever the timeout."""
    publisher = sharray.publish("stream", 3, history=2, backpressure="error", dir=folder)
    subscriber = sharray.subscribe("stream", lossless=True, dir=folder)
    publish(publisher, 1, 2)
    start = time.monotonic()
    with pytest.raises(sharray.NoFreeSlot):
        publisher.loan()
    with pytest.raises(sharray.NoFreeSlot):
        publisher.publish(np.zeros(3), timeout=20)
    assert time.monotonic() - start < 10
    assert values(subscriber) == [1, 2]
    with pytest.raises(ValueError):
        sharray.publish("other", 3, backpressure="maybe", dir=folder)


def test_loans_published_in_another_order(folder: Path) -> None:
    """Several loans at a time; each is published when its block ends."""
    publisher = sharray.publish("stream", 3, "i8", dir=folder)
    subscriber = sharray.subscribe("stream", dir=folder)
    with publisher.loan() as outer:
        outer[...] = 1
        with publisher.loan() as inner:
            inner[...] = 2
    assert values(subscriber) == [2, 1]


def test_a_late_loan_waits_without_the_gil(folder: Path) -> None:
    """A loan whose turn is past waits for the lossless subscriber when its block ends, and lets other threads run: one of
    them is whom it waits for."""
    publisher = sharray.publish("stream", 3, "i8", history=2, slots=8, dir=folder)
    subscriber = sharray.subscribe("stream", lossless=True, dir=folder)
    received: list[int] = []

    def receive() -> None:
        until(lambda: publisher.sequence == 2)
        time.sleep(0.02)
        while len(received) < 3:
            received.append(int(subscriber.recv(timeout=20).array[0]))  # type: ignore[union-attr]

    with running(receive):
        with publisher.loan() as late:
            late[...] = 3
            publish(publisher, 1, 2)
    assert received == [1, 2, 3]


def test_read_only_subscribers(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """They copy, take no part, and pin nothing: what they give out stays as it is all the same."""
    subscriber = sharray.subscribe("stream", mode="r", dir=folder)
    assert subscriber.is_read_only and len(sharray.inspect("stream", dir=folder).participants) == 1
    kept = []
    for value in range(40):
        publish(stream, value)
        frame = subscriber.recv(timeout=10)
        assert frame is not None
        kept.append(frame.array)
    assert [int(array[1, 1]) for array in kept] == list(range(40))
    assert not kept[0].flags.writeable
    with pytest.raises(sharray.Error):
        sharray.subscribe("stream", mode="r", lossless=True, dir=folder)


def test_a_living_producer(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """There is one at a time: the next is told who it is, until it has closed; then it goes on with the sequence."""
    import os

    for attach in (lambda: sharray.publish("stream", (3, 4), "i8", dir=folder), lambda: sharray.publish("stream", dir=folder)):
        with pytest.raises(sharray.ProducerPresent) as raised:
            attach()
        assert raised.value.pid == os.getpid() and isinstance(raised.value, BlockingIOError)
    subscriber = sharray.subscribe("stream", dir=folder)
    publish(stream, 1)
    stream.close()
    successor = sharray.publish("stream", dir=folder)
    assert (successor.shape, successor.dtype, successor.order) == ((3, 4), np.dtype("i8"), "C")
    publish(successor, 2)
    assert successor.sequence == 2
    assert values(subscriber)[0] == 1
    assert values(subscriber) == [] or True
    assert subscriber.latest().sequence == 2  # type: ignore[union-attr]


def test_what_a_successor_must_be(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """Of the stream's dtype, shape and order."""
    stream.close()
    for shape, options in [((3, 5), {}), ((3, 4), {"dtype": "f4"}), ((3, 4), {"order": "F", "dtype": "i8"})]:
        with pytest.raises(sharray.Mismatch):
            sharray.publish("stream", shape, dir=folder, **options)  # type: ignore[arg-type]
    with pytest.raises(sharray.NotFound):
        sharray.publish("nothing", dir=folder)


@pytest.mark.parametrize("how", ["idle", "loan", "stale", "iterating"])
def test_succession(folder: Path, how: str) -> None:
    """A producer is killed, also inside its loan: subscribers get every frame, then ProducerDied, once, and the frames of
    its successor, whose sequence goes on. Frames held meanwhile stay as they are."""
    child = Child(
        """
        publisher = sharray.publish("stream", (1000,), "i8", dir=folder)
        tell("ready"); hear()
        publisher.publish(np.full(1000, 1))
        publisher.publish(np.full(1000, 2))
        how = sys.argv[2]
        if how == "idle":
            tell("now"); hear()
        with publisher.loan() as image:
            image[:500] = 99
            if how == "stale":
                row = image[3:]
            if how == "iterating":
                for row in image.reshape(10, 100):
                    row[...] = 99
            tell("now"); hear()
        """,
        folder,
        how,
    )
    child.expect("ready")
    subscriber = sharray.subscribe("stream", dir=folder)
    late = sharray.subscribe("stream", dir=folder)
    child.tell("go")
    child.expect("now")
    first = subscriber.recv(timeout=20)
    child.kill()
    second = subscriber.recv(timeout=20)
    assert first is not None and second is not None
    with pytest.raises(sharray.ProducerDied):
        subscriber.recv(timeout=20)
    with pytest.raises(sharray.TimedOut):
        subscriber.recv(timeout=0.01)
    successor = sharray.publish("stream", (1000,), "i8", dir=folder)
    assert successor.sequence == 2
    for value in range(3, 60):
        publish(successor, value)
        frame = subscriber.recv(timeout=20)
        assert frame is not None and frame.sequence == value and (frame.array == value).all()
    assert (first.array == 1).all() and (second.array == 2).all()
    assert late.latest().sequence == 59  # type: ignore[union-attr]
    assert not [it for it in sharray.inspect("stream", dir=folder).participants if it.pid == child.pid]


def test_a_killed_subscriber(folder: Path) -> None:
    """What it pinned is free again, and nobody waits for a dead lossless one."""
    publisher = sharray.publish("stream", 3, "i8", history=2, slots=3, dir=folder)
    child = Child(
        """
        subscriber = sharray.subscribe("stream", lossless=True, dir=folder)
        tell("ready")
        frames = [subscriber.recv().array, subscriber.recv().array]
        tell("pinned")
        hear()
        """,
        folder,
    )
    child.expect("ready")
    publish(publisher, 1, 2)
    child.expect("pinned")
    publisher.publish(np.full(3, 3), timeout=20)
    with pytest.raises(sharray.NoFreeSlot) as raised:
        for value in range(10):
            publish(publisher, value)
    assert raised.value.holders == [child.pid]
    child.kill()
    for value in range(10):
        publisher.publish(np.full(3, value), timeout=20)


def test_wait_any(folder: Path) -> None:
    """It returns those whose recv() would return at once: news, an end, a death."""
    publishers = [sharray.publish(f"stream-{at}", 3, "i8", dir=folder) for at in range(3)]
    subscribers = [sharray.subscribe(f"stream-{at}", dir=folder) for at in range(3)]
    for timeout in (0, 0.01):
        with pytest.raises(sharray.TimedOut):
            sharray.wait_any(subscribers, timeout)
    publish(publishers[1], 7)
    assert sharray.wait_any(subscribers) == [subscribers[1]]
    publish(publishers[0], 8)
    assert sharray.wait_any(subscribers, timeout=0) == subscribers[:2]
    for subscriber in subscribers[:2]:
        subscriber.recv(timeout=0)
    with running(lambda: publish(publishers[2], 9)):
        assert sharray.wait_any(subscribers, timeout=20) == [subscribers[2]]
    assert subscribers[2].recv(timeout=0).array[0] == 9  # type: ignore[union-attr]
    publishers[0].close()
    assert sharray.wait_any(subscribers, timeout=20) == [subscribers[0]]
    assert subscribers[0].recv(timeout=0) is None
    subscribers[1].close()
    with pytest.raises(sharray.Closed):
        sharray.wait_any(subscribers, timeout=0)
    with pytest.raises(sharray.TimedOut):
        sharray.wait_any([subscribers[2]], timeout=0)


def test_wait_any_of_nothing(folder: Path) -> None:
    """There is nothing to wait for, or too much: refused, rather than waited for."""
    with pytest.raises(sharray.Error):
        sharray.wait_any([], timeout=0.05)
    with pytest.raises(TypeError):
        sharray.wait_any([None])  # type: ignore[list-item]


def test_wait_any_of_the_same_twice(folder: Path) -> None:
    """It does not wait for itself, and finds news."""
    publisher = sharray.publish("stream", 3, dir=folder)
    subscriber = sharray.subscribe("stream", dir=folder)
    publish(publisher, 1)
    assert subscriber in sharray.wait_any([subscriber, subscriber], timeout=5)


def test_unlinked(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """Those who are attached go on."""
    subscriber = sharray.subscribe("stream", dir=folder)
    publish(stream, 1)
    sharray.unlink("stream", dir=folder)
    assert stream.is_retired and subscriber.is_retired
    assert subscriber.recv(timeout=10).array[0, 0] == 1  # type: ignore[union-attr]
    publish(stream, 2)
    assert subscriber.latest().sequence == 2  # type: ignore[union-attr]
    with pytest.raises((sharray.Retired, sharray.TimedOut)):
        for _ in range(3):
            subscriber.recv(timeout=1)


def test_a_closed_subscriber(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """It says so; its frames live on."""
    publish(stream, 1)
    with sharray.subscribe("stream", from_oldest=True, dir=folder) as subscriber:
        frame = subscriber.recv(timeout=10)
        assert frame is not None
    assert subscriber.is_closed and "closed" in repr(subscriber)
    for use in (subscriber.latest, subscriber.recv, lambda: next(subscriber), lambda: subscriber.sequence, lambda: subscriber.attributes):
        with pytest.raises(sharray.Closed):
            use()
    assert (subscriber.name, subscriber.shape) == ("stream", (3, 4))
    assert (frame.array == 1).all()


def test_pickle(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """A subscriber pickles by name and subscribes anew, as it was; publishers, loans and frames do not pickle."""
    subscriber = pickle.loads(pickle.dumps(sharray.subscribe("stream", lossless=True, dir=folder)))
    assert [it for it in sharray.inspect("stream", dir=folder).participants if it.is_lossless]
    publish(stream, 1)
    assert values(subscriber) == [1]
    assert pickle.loads(pickle.dumps(sharray.subscribe("stream", mode="r", dir=folder))).is_read_only
    loan = stream.loan()
    for it in (stream, loan, subscriber.latest(), sharray.create("field", 3, dir=folder).read()):
        with pytest.raises(TypeError):
            pickle.dumps(it)
    text = pickle.dumps(subscriber)
    sharray.unlink("stream", dir=folder)
    with pytest.raises(FileNotFoundError):
        pickle.loads(text)
    sharray.publish("stream", (3, 4), "i8", dir=folder)
    with pytest.raises(sharray.Replaced):
        pickle.loads(text)


def test_attributes(folder: Path) -> None:
    """What the stream was created with, to every subscriber."""
    sharray.publish("stream", 3, attributes={"gain": 2}, dir=folder)
    assert sharray.subscribe("stream", dir=folder).attributes == {"gain": 2}


def test_another_process_publishes(folder: Path) -> None:
    """All frames of another process arrive at a lossless subscriber, in order and whole, until its clean end."""
    child = Child(
        """
        with sharray.publish("stream", (100,), "i8", history=8, dir=folder) as publisher:
            hear()
            for value in range(2000):
                with publisher.loan() as image:
                    image[...] = value
        """,
        folder,
    )
    subscriber = sharray.subscribe("stream", lossless=True, wait=20.0, dir=folder)
    child.tell("go")
    count = 0
    for frame in subscriber:
        assert (frame.array == count).all() and frame.missed == 0 and frame.sequence == count + 1
        count += 1
    assert count == 2000
    child.succeed()


def test_threads_share_a_subscriber(folder: Path) -> None:
    """Each frame goes to one of them, and so does the end."""
    publisher = sharray.publish("stream", 3, "i8", history=8, dir=folder)
    subscriber = sharray.subscribe("stream", lossless=True, dir=folder)
    found: list[list[int]] = [[], [], []]
    is_over = threading.Event()

    def receive(mine: list[int]) -> None:
        while not is_over.is_set():
            try:
                for frame in subscriber.frames(timeout=0.05):
                    mine.append(int(frame.array[0]))
                is_over.set()
            except sharray.TimedOut:
                pass

    threads = [threading.Thread(target=receive, args=(mine,)) for mine in found]
    for thread in threads:
        thread.start()
    for value in range(500):
        publisher.publish(np.full(3, value))
    publisher.close()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert sorted(sum(found, [])) == list(range(500))


def test_close_while_another_thread_waits(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """The waiting one finds out, soon."""
    subscriber = sharray.subscribe("stream", dir=folder)
    waits = threading.Event()

    def receive() -> None:
        waits.set()
        with pytest.raises(sharray.Closed):
            subscriber.recv()

    start = time.monotonic()
    with running(receive):
        waits.wait()
        time.sleep(0.05)
        subscriber.close()
    assert time.monotonic() - start < 10
