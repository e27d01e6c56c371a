"""Waiting: other threads run, Ctrl-C ends it, timeouts are seconds, and asyncio can do it."""

from __future__ import annotations

import asyncio
import gc
import math
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sharray
from helpers import Child, descriptors, is_asleep, running, until

#: What each wait needs to wait for ever, and the call. The other side of it is in this process.
WAITS = {
    "read": "sharray.attach('field', dir=folder).read",
    "write": "sharray.attach('field', dir=folder).write",
    "snapshot": "sharray.attach('field', dir=folder).snapshot",
    "part snapshot": "sharray.attach('field', dir=folder)[1:].snapshot",
    "recv": "sharray.subscribe('stream', dir=folder).recv",
    "loan": "sharray.publish('full', 4, dir=folder).loan",
    "publish": "lambda timeout=None, it=sharray.publish('full', 4, dir=folder): it.publish(np.zeros(4), timeout)",
    "wait_changed": "lambda timeout=None, it=sharray.attach('field', dir=folder): it.wait_changed(timeout=timeout)",
    "wait_any": "lambda timeout=None, it=sharray.subscribe('stream', dir=folder): sharray.wait_any([it], timeout)",
    "iterate": "lambda timeout=None, it=sharray.subscribe('stream', dir=folder): next(it if timeout is None else it.frames(timeout))",
    "read-only recv": "sharray.subscribe('stream', mode='r', dir=folder).recv",
    "cell store": "lambda timeout=None, it=sharray.cell('cell', dir=folder): it.store(1, timeout)",
    "cell writer": "sharray.cell('cell', dir=folder).writer",
    "cell wait_changed": "lambda timeout=None, it=sharray.cell('cell', dir=folder): it.wait_changed(timeout=timeout)",
    "attach": "lambda timeout=3600: sharray.attach('nothing', wait=timeout, dir=folder)",
    "subscribe": "lambda timeout=3600: sharray.subscribe('nothing', wait=timeout, dir=folder)",
    "cell": "lambda timeout=3600: sharray.cell('nothing', wait=timeout, dir=folder)",
}


class Obstacles:
    """Whatever one can wait for, and never comes."""

    def __init__(self, folder: Path) -> None:
        self.field = sharray.create("field", (4, 4), dir=folder)
        self.writing = self.field.write()
        self.stream = sharray.publish("stream", 4, dir=folder)
        full = sharray.publish("full", 4, history=2, slots=4, dir=folder)
        self.lossless = sharray.subscribe("full", lossless=True, dir=folder)
        full.publish(np.zeros(4))
        full.publish(np.zeros(4))
        full.close()
        self.cell = sharray.cell("cell", 1, dir=folder)
        self.role = self.cell.writer()


@pytest.fixture
def obstacles(folder: Path) -> Obstacles:
    return Obstacles(folder)


@pytest.mark.parametrize("what", WAITS)
def test_ctrl_c(folder: Path, obstacles: Obstacles, what: str) -> None:
    """A process that waits ends within a fraction of a second after Ctrl-C, by a KeyboardInterrupt, and is still sound
    then: it waits again, with a timeout."""
    child = Child(
        f"""
        wait = {WAITS[what]}
        tell("waiting")
        try:
            wait()
        except KeyboardInterrupt:
            told = time.monotonic()
        try:
            wait(timeout=0.01)
        except (sharray.TimedOut, sharray.NoFreeSlot):
            tell(told)
        """,
        folder,
    )
    child.expect("waiting")
    # It waits in the kernel, and not for the first time only.
    for _ in range(5):
        until(lambda: is_asleep(child.pid))
        time.sleep(0.02)
    start = time.monotonic()
    child.signal(signal.SIGINT)
    assert float(child.hear()) - start < 0.5
    child.succeed()


@pytest.mark.parametrize("what", WAITS)
def test_other_threads_run(folder: Path, obstacles: Obstacles, what: str) -> None:
    """While one thread waits, another counts."""
    wait: Callable[..., Any] = eval(WAITS[what], {"sharray": sharray, "folder": folder, "np": np})
    is_over = threading.Event()
    counted = 0

    def waiting() -> None:
        try:
            with pytest.raises((sharray.TimedOut, sharray.NoFreeSlot)):
                wait(timeout=0.15)
        finally:
            is_over.set()

    with running(waiting):
        while not is_over.is_set():
            counted += 1
    # With the lock held, it would have been let in between slices only.
    assert counted > 1000


@pytest.mark.parametrize("what", WAITS)
def test_timeouts(folder: Path, obstacles: Obstacles, what: str) -> None:
    """They are seconds; 0 does not wait; what is negative or not a number is refused before anything is waited for."""

    def check() -> None:
        wait: Callable[..., Any] = eval(WAITS[what], {"sharray": sharray, "folder": folder, "np": np})
        refusals = (sharray.TimedOut, sharray.Locked, sharray.NoFreeSlot, sharray.NotFound)
        start = time.monotonic()
        with pytest.raises(refusals) as raised:
            wait(timeout=0)
        at_once = time.monotonic() - start
        assert isinstance(raised.value, (TimeoutError, BlockingIOError, FileNotFoundError))
        for seconds in (0.02, 0.13, 1e-9):
            start = time.monotonic()
            with pytest.raises((sharray.TimedOut, sharray.NoFreeSlot)):
                wait(timeout=seconds)
            taken = time.monotonic() - start
            assert seconds <= taken + 0.001 and taken < seconds + 5
        assert at_once < 5
        for wrong in (-1, -0.001, math.nan, -math.inf):
            with pytest.raises(ValueError):
                wait(timeout=wrong)
        for wrong in ("1", [], object()):
            with pytest.raises(TypeError):
                wait(timeout=wrong)

    # A thread does not wait for itself: that is another error.
    with running(check):
        pass


def test_endless_timeouts(folder: Path) -> None:
    """More seconds than fit anywhere are without limit, as None is."""
    publisher = sharray.publish("stream", 3, dir=folder)
    for timeout in (None, math.inf, 1e300, 1e18, 10**9):
        subscriber = sharray.subscribe("stream", dir=folder)
        with running(lambda: publisher.publish(np.zeros(3))):
            assert subscriber.recv(timeout=timeout) is not None
    subscriber = sharray.subscribe("stream", dir=folder)
    publisher.publish(np.zeros(3))
    assert subscriber.recv(True).sequence == 6  # type: ignore[union-attr]


def test_what_is_waited_for_comes_at_once(folder: Path) -> None:
    """A waiting thread is woken: it does not look now and then only."""
    field, other = sharray.create("field", 4, dir=folder), sharray.attach("field", dir=folder)
    delays = []
    for _ in range(10):
        ended = 0.0

        def write() -> None:
            nonlocal ended
            with other.write() as array:
                array += 1
            ended = time.monotonic()

        before = field.sequence
        with running(write):
            field.wait_changed(before, timeout=20)
            delays.append(time.monotonic() - ended)
    assert min(delays) < 0.02


def test_a_publisher_that_waits_for_itself(folder: Path) -> None:
    """With every slot pinned by this process, a loan waits until another thread gives one back that may be used again:
    not the newest."""
    publisher = sharray.publish("stream", 4, history=2, slots=3, dir=folder)
    kept = []
    for _ in range(3):
        with publisher.loan() as image:
            image[...] = 1
        kept.append(image)
    del image
    caught = threading.Event()

    def free() -> None:
        caught.wait(10)
        del kept[0]

    with running(free):
        threading.Timer(0.1, caught.set).start()
        publisher.loan().abort()


# --- asyncio ---


def waiting_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("sharray")]


def run(act: Callable[[], Any]) -> Any:
    """Runs a coroutine to its end; no thread that it made may stay."""
    result = asyncio.run(asyncio.wait_for(act(), 30))
    until(lambda: not waiting_threads(), "the end of the waiting threads")
    return result


def test_async_for(folder: Path) -> None:
    """It gives the frames from now on, until the clean end; the loop runs meanwhile."""
    publisher = sharray.publish("stream", 3, "i8", history=8, dir=folder)
    subscriber = sharray.subscribe("stream", lossless=True, dir=folder)
    ticks = 0

    async def main() -> list[int]:
        async def publish() -> None:
            for value in range(30):
                await asyncio.sleep(0.002)
                while True:
                    try:
                        publisher.publish(np.full(3, value), timeout=0)
                        break
                    except sharray.NoFreeSlot:
                        await asyncio.sleep(0.002)
            publisher.close()

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.001)

        tasks = [asyncio.create_task(publish()), asyncio.create_task(tick())]
        found = [int(frame.array[0]) async for frame in subscriber]
        tasks[1].cancel()
        await tasks[0]
        return found

    assert run(main) == list(range(30))
    assert ticks > 10


def test_async_frames_that_are_there(folder: Path) -> None:
    """They come without a thread, and let others have a turn."""
    publisher = sharray.publish("stream", 3, "i8", history=8, dir=folder)
    subscriber = sharray.subscribe("stream", dir=folder)
    for value in range(5):
        publisher.publish(np.full(3, value))
    publisher.close()

    async def main() -> list[int]:
        return [int(frame.array[0]) async for frame in subscriber]

    assert run(main) == list(range(5))


def test_async_cancellation(folder: Path) -> None:
    """A wait that is cancelled, or times out, ends at once; its thread ends soon after; the next wait gets the frames."""
    publisher = sharray.publish("stream", 3, "i8", dir=folder)
    subscriber = sharray.subscribe("stream", dir=folder)

    async def main() -> int:
        for _ in range(10):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(subscriber), 0.005)
        task = asyncio.create_task(anext(subscriber))  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        start = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - start < 1
        publisher.publish(np.full(3, 5))
        return int((await anext(subscriber)).array[0])

    assert run(main) == 5
    gc.collect()
    files = descriptors()
    for _ in range(3):
        run(main)
    assert descriptors() == files


def test_async_cancellation_loses_no_frame(folder: Path) -> None:
    """A lossless subscriber gets every frame though its waits are cancelled over and over."""
    publisher = sharray.publish("stream", 3, "i8", history=8, dir=folder)
    subscriber = sharray.subscribe("stream", lossless=True, dir=folder)

    async def main() -> list[int]:
        found: list[int] = []
        while True:
            try:
                frame = await asyncio.wait_for(anext(subscriber), 0.003)
                found.append(int(frame.array[0]))
            except TimeoutError:
                pass
            except StopAsyncIteration:
                return found

    def publish() -> None:
        for value in range(100):
            time.sleep(0.002)
            publisher.publish(np.full(3, value))
        publisher.close()

    with running(publish):
        assert run(main) == list(range(100))


def test_async_two_subscribers(folder: Path) -> None:
    """Two streams in one loop, each at its own pace."""
    publishers = [sharray.publish(f"stream-{at}", 3, "i8", history=8, dir=folder) for at in range(2)]
    subscribers = [sharray.subscribe(f"stream-{at}", lossless=True, dir=folder) for at in range(2)]

    async def collect(subscriber: Any) -> list[int]:
        return [int(frame.array[0]) async for frame in subscriber]

    async def main() -> Any:
        return await asyncio.gather(*map(collect, subscribers))

    def publish(at: int) -> None:
        for value in range(40):
            publishers[at].publish(np.full(3, value))
            time.sleep(0.001 * (at + 1))
        publishers[at].close()

    with running(lambda: publish(0)), running(lambda: publish(1)):
        assert run(main) == [list(range(40))] * 2


def test_async_exceptions(folder: Path) -> None:
    """What goes wrong is raised where it is awaited: a closed subscriber, a producer that dies."""
    sharray.publish("stream", 3, dir=folder).close()
    closed = sharray.subscribe("stream", dir=folder)
    closed.close()
    child = Child(
        """
        publisher = sharray.publish("dying", 3, dir=folder)
        tell("ready"); hear()
        """,
        folder,
    )
    child.expect("ready")
    dying = sharray.subscribe("dying", dir=folder)

    async def main() -> None:
        with pytest.raises(sharray.Closed):
            await anext(closed)
        task = asyncio.create_task(anext(dying))  # type: ignore[arg-type]
        await asyncio.sleep(0.02)
        child.kill()
        with pytest.raises(sharray.ProducerDied):
            await task

    run(main)


@pytest.mark.parametrize(
    ("name", "wait"),
    [
        ("field", lambda field: field.read()),
        ("field", lambda field: field[1:].write()),
        ("field", lambda field: field.snapshot()),
        ("field", lambda field: field[0].snapshot()),
        ("field", lambda field: field.wait_changed()),
        ("field", lambda field: field.__setitem__(0, 1)),
        ("cell", lambda cell: cell.store(1)),
        ("cell", lambda cell: cell.writer()),
        ("cell", lambda cell: cell.wait_changed()),
        ("stream", lambda stream: stream.recv()),
        ("stream", lambda stream: sharray.wait_any([stream])),
    ],
)
def test_closing_ends_a_wait(folder: Path, obstacles: Obstacles, name: str, wait: Callable[[Any], Any]) -> None:
    """Another thread that closes the handle ends the wait, of whatever kind the handle is, though what is waited for never
    comes."""
    attach: Any = {"field": sharray.attach, "cell": sharray.cell, "stream": sharray.subscribe}[name]
    handle = attach(name, dir=folder)

    def waiting() -> None:
        with pytest.raises(sharray.Closed) as raised:
            wait(handle)
        assert raised.value.name == name

    with running(waiting) as thread:
        until(lambda: is_asleep(thread.native_id or 0), "the wait")
        handle.close()


def test_async_close_meanwhile(folder: Path) -> None:
    """Closed while it is waited for, it says so."""
    publisher = sharray.publish("stream", 3, dir=folder)
    subscriber = sharray.subscribe("stream", dir=folder)

    async def main() -> None:
        task = asyncio.create_task(anext(subscriber))  # type: ignore[arg-type]
        await asyncio.sleep(0.02)
        subscriber.close()
        with pytest.raises(sharray.Closed):
            await task

    run(main)
    publisher.close()


def test_async_loop_that_ends(folder: Path) -> None:
    """A loop that ends while a task waits leaves nothing behind."""
    publisher = sharray.publish("stream", 3, dir=folder)
    subscriber = sharray.subscribe("stream", dir=folder)

    async def main() -> None:
        task = asyncio.create_task(anext(subscriber))  # type: ignore[arg-type]
        await asyncio.sleep(0.02)
        assert not task.done()

    run(main)
    publisher.publish(np.zeros(3))
    assert subscriber.recv(timeout=10) is not None


def test_async_ctrl_c(folder: Path) -> None:
    """asyncio.run() ends by Ctrl-C while a task waits, at once."""
    publisher = sharray.publish("stream", 3, dir=folder)
    child = Child(
        """
        import asyncio
        async def main():
            tell("waiting")
            async for frame in sharray.subscribe("stream", dir=folder):
                pass
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            tell("over")
        """,
        folder,
    )
    child.expect("waiting")
    until(lambda: is_asleep(child.pid))
    time.sleep(0.05)
    start = time.monotonic()
    child.signal(signal.SIGINT)
    child.expect("over")
    assert time.monotonic() - start < 1
    child.succeed()
    publisher.close()
