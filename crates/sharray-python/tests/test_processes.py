"""Handles go to other processes by name: every way that Python has to start them."""

from __future__ import annotations

import concurrent.futures
import gc
import multiprocessing
import os
import shutil
import signal
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sharray
from helpers import Child, in_fork, resident_kib, running, until

METHODS = ["fork", "spawn", "forkserver"]

pytestmark = [
    # From CPython 3.12 on, forking a process with threads says that it is a risk.
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


# What the workers run: of this module, since spawned ones import it.


def total(handle: Any) -> float:
    with handle.read() as array:
        return float(array.sum())


def fill(handle: Any, value: float) -> int:
    with handle.write() as array:
        array[...] = value
    return os.getpid()


def frames(subscriber: Any, ready: Any = None) -> list[int]:
    if ready is not None:
        ready.set()
    return [int(frame.array[0]) for frame in subscriber]


def store(cell: Any, value: float) -> float:
    before = float(cell.load()[0])
    cell.store(value)
    return before


def write_through(handle: Any, value: float, queue: Any) -> None:
    fill(handle, value)
    queue.put(total(handle))


def collect(subscriber: Any, ready: Any, queue: Any) -> None:
    queue.put(frames(subscriber, ready))


def raise_not_found(path: str) -> None:
    sharray.attach("nothing", dir=path)


def own_memory_kib(handle: Any, index: int) -> tuple[int, float, int]:
    """How much memory a worker has of its own after it has looked at all of an array."""
    before = resident_kib(what="RssAnon")
    with handle.read() as array:
        found = float(array[index]) + float(array[:: 4096 // array.itemsize].max())
        grown = resident_kib(what="RssAnon") - before
    return grown, found, os.getpid()


@pytest.mark.parametrize("method", METHODS)
def test_multiprocessing(folder: Path, method: str) -> None:
    """A process gets a handle, or a lazy part of one, as an argument, and what it writes is here."""
    context: Any = multiprocessing.get_context(method)
    field = sharray.create("field", data=np.ones((100, 100)), dir=folder)
    queue = context.Queue()
    workers = [context.Process(target=write_through, args=(field[at * 10 : at * 10 + 10], at, queue)) for at in range(2)]
    for worker in workers:
        worker.start()
    assert sorted(queue.get(timeout=30) for _ in workers) == [0, 1000]
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    assert field.snapshot()[:30].sum() == 0 + 1000 + 1000
    until(lambda: sum(it.is_alive for it in sharray.inspect("field", dir=folder).participants) == 1)


@pytest.mark.parametrize("method", METHODS)
def test_multiprocessing_subscribers(folder: Path, method: str) -> None:
    """A lossless subscriber that was handed over gets everything, in the other process."""
    context: Any = multiprocessing.get_context(method)
    publisher = sharray.publish("stream", 3, "i8", history=8, dir=folder)
    subscriber = sharray.subscribe("stream", lossless=True, dir=folder)
    queue, ready = context.Queue(), context.Event()
    worker = context.Process(target=collect, args=(subscriber, ready, queue))
    worker.start()
    assert ready.wait(30)
    if method == "fork":
        # An inherited one subscribes anew when it is used first.
        until(lambda: sum(it.is_lossless for it in sharray.inspect("stream", dir=folder).participants) == 2)
    # This one does not read on, and would be waited for.
    subscriber.close()
    for value in range(100):
        publisher.publish(np.full(3, value), timeout=20)
    publisher.close()
    assert queue.get(timeout=30) == list(range(100))
    worker.join(30)


@pytest.mark.parametrize("method", METHODS)
def test_pools(folder: Path, method: str) -> None:
    """concurrent.futures: handles, parts and cells as arguments, errors as exceptions of their class."""
    context: Any = multiprocessing.get_context(method)
    field = sharray.create("field", data=np.arange(100.0).reshape(10, 10), dir=folder)
    cell = sharray.cell("cell", np.zeros(1), dir=folder)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(total, [field[row] for row in range(10)])) == [row * 100 + 45.0 for row in range(10)]
        assert pool.submit(total, field[::-1, 3]).result(30) == 480
        assert pool.submit(fill, field[9], 0).result(30) != os.getpid()
        assert pool.submit(store, cell, 5.0).result(30) == 0
        with pytest.raises(sharray.NotFound) as raised:
            pool.submit(raise_not_found, str(folder)).result(30)
        assert raised.value.name == "nothing"
    assert field.snapshot()[9].sum() == 0 and cell.load()[0] == 5
    sharray.unlink("field", dir=folder)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        with pytest.raises((FileNotFoundError, concurrent.futures.process.BrokenProcessPool)):
            pool.submit(total, field).result(30)


def test_the_result_of_a_worker(folder: Path) -> None:
    """A worker may return a handle."""
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        made = pool.submit(sharray.create, "field", (3,), "i4", dir=str(folder)).result(30)
        part = pool.submit(made.__getitem__, slice(1, 3)).result(30)
    assert made.shape == (3,) and part.shape == (2,) and made.snapshot().tolist() == [0, 0, 0]


# --- no payload is copied ---

GIB = 1 << 30


@pytest.fixture
def large(folder: Path) -> Any:
    """A GiB in which every page is there; a quarter, if there is no room."""
    free = shutil.disk_usage(folder).free
    with open("/proc/meminfo") as meminfo:
        available = next(int(line.split()[1]) * 1024 for line in meminfo if line.startswith("MemAvailable"))
    size = GIB if min(free, available) > 3 * GIB else GIB // 4
    field = sharray.create("large", size // 8, dir=folder)
    with field.write() as array:
        array[::512] = 1
        array[size // 16] = 5
    del array
    return field


def test_joblib_gets_no_copy(large: Any) -> None:
    """loky's workers look at a GiB, and have none of it in memory of their own."""
    joblib = pytest.importorskip("joblib")
    middle = large.shape[0] // 2
    jobs = [joblib.delayed(own_memory_kib)(large, middle) for _ in range(4)]
    jobs.append(joblib.delayed(own_memory_kib)(large[512:], middle - 512))
    for grown, found, pid in joblib.Parallel(2, backend="loky")(jobs):
        assert found == 10 and pid != os.getpid()
        assert grown < 16 * 1024, f"{grown} KiB"


def memmap_facts(array: Any, middle: int) -> tuple[str, float, int]:
    before = resident_kib(what="RssAnon")
    found = float(array[middle]) + float(array[::512].max())
    return type(array).__name__, found, resident_kib(what="RssAnon") - before


def test_joblib_hands_memmaps_over_by_file(large: Any) -> None:
    """as_memmap() is what joblib knows: it passes the file and the offset, and no copy."""
    joblib = pytest.importorskip("joblib")
    middle = large.shape[0] // 2
    jobs = [joblib.delayed(memmap_facts)(large.as_memmap(), middle), joblib.delayed(memmap_facts)(large[512:].as_memmap(), middle - 512)]
    before = resident_kib(what="RssAnon")
    for name, found, grown in joblib.Parallel(2, backend="loky")(jobs):
        assert (name, found) == ("memmap", 10.0)
        assert grown < 16 * 1024, f"{grown} KiB"
    assert resident_kib(what="RssAnon") - before < 64 * 1024


def test_dask_gets_no_copy(large: Any) -> None:
    """dask's processes as well: the handle goes by name, in a graph and in its result."""
    dask = pytest.importorskip("dask")
    middle = large.shape[0] // 2
    tasks = [dask.delayed(own_memory_kib)(large, middle), dask.delayed(own_memory_kib)(large[512:], middle - 512)]
    context: Any = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for grown, found, pid in dask.compute(*tasks, scheduler="processes", pool=pool):
            assert found == 10 and pid != os.getpid()
            assert grown < 16 * 1024, f"{grown} KiB"


# --- fork ---


def test_an_inherited_handle_works(folder: Path) -> None:
    """The child attaches again at first use: it is a participant of its own, and so are its parts."""
    field = sharray.create("field", data=np.ones(10), dir=folder)
    part, cell = field[5:], sharray.cell("cell", 1, dir=folder)
    reader = sharray.attach("field", mode="r", dir=folder)

    def child() -> None:
        assert total(field) == 10 and total(part) == 5 and reader.snapshot().sum() == 10
        pids = [it.pid for it in sharray.inspect("field", dir=folder).participants]
        assert sorted(pids) == sorted([os.getpid(), os.getppid()])
        fill(part, 3)
        cell.store(2)
        assert field.sequence % 2 == 0

    in_fork(child)
    assert field.snapshot().sum() == 20 and cell.load() == 2
    until(lambda: sum(it.is_alive for it in sharray.inspect("field", dir=folder).participants) == 1)


def test_an_inherited_lease_is_the_parents(folder: Path) -> None:
    """What the parent writes or reads stays leased to it, whatever the child does with its copy: it may leave the block,
    drop it, or end."""
    field, other = sharray.create("field", data=np.ones(10), dir=folder), sharray.attach("field", dir=folder)
    lease = field.write()
    with lease as array:

        def child() -> None:
            with pytest.raises(sharray.Locked):
                field.read(timeout=0)
            with pytest.raises(ZeroDivisionError):
                with lease:
                    1 // 0
            lease.__exit__(None, None, None)
            gc.collect()

        in_fork(child)
        in_fork(lambda: lease.__exit__(ValueError, ValueError(), None))

        def elsewhere() -> None:
            with pytest.raises(sharray.Locked):
                other.read(timeout=0)

        with running(elsewhere):
            pass
        array[...] = 2
    assert other.snapshot(timeout=0).sum() == 20
    with field.read() as array:

        def drop() -> None:
            nonlocal array
            del array
            gc.collect()

        in_fork(drop)
        with pytest.raises(sharray.Locked):
            other.write(timeout=0)
    fill(other, 3)


def test_inherited_frames(folder: Path) -> None:
    """A frame whose array a child asks for raises Forked: it is the parent's, which may let go of it at any time. What
    the child does to it unpins nothing."""
    publisher = sharray.publish("stream", 4, "i8", history=2, slots=4, dir=folder)
    subscriber = sharray.subscribe("stream", dir=folder)
    publisher.publish(np.full(4, 1))
    frame, shown = subscriber.latest(), subscriber.latest()
    assert frame is not None and shown is not None
    array = shown.array

    def child() -> None:
        for touch in (lambda: frame.array, lambda: shown.array, lambda: np.asarray(frame), lambda: memoryview(shown)):
            with pytest.raises(sharray.Forked) as raised:
                touch()
            assert isinstance(raised.value, RuntimeError)
        assert (frame.sequence, shown.shape) == (1, (4,))
        frame.close()
        shown.close()
        gc.collect()

    in_fork(child)
    pins = sum(it.pins for it in sharray.inspect("stream", dir=folder).participants)
    assert pins == 2
    for value in range(20):
        publisher.publish(np.full(4, -value), timeout=20)
    assert (array == 1).all() and (frame.array == 1).all()


def test_inherited_publishers_and_loans(folder: Path) -> None:
    """The parent stays the producer: a child can neither publish nor take the loan that the parent fills, and its end is
    no end of the stream."""
    publisher = sharray.publish("stream", 4, "i8", dir=folder)
    subscriber = sharray.subscribe("stream", dir=folder)
    with publisher.loan() as image:

        def child() -> None:
            for touch in (lambda: publisher.publish(np.zeros(4), timeout=0), lambda: publisher.loan(timeout=0)):
                with pytest.raises((sharray.Forked, sharray.ProducerPresent)):
                    touch()
            publisher.close()
            gc.collect()

        in_fork(child)
        image[...] = 7

    loan = publisher.loan()
    with loan as image:
        image[...] = 8

        def leave() -> None:
            with pytest.raises(sharray.Forked):
                loan.__exit__(None, None, None)
            assert (image == 8).all()

        in_fork(leave)
        in_fork(lambda: loan.abort())
    assert [subscriber.recv(timeout=10).array[0] for _ in range(2)] == [7, 8]  # type: ignore[union-attr]
    with pytest.raises(sharray.TimedOut):
        subscriber.recv(timeout=0.05)
    for value in range(20):
        publisher.publish(np.full(4, value), timeout=0)


def test_an_inherited_subscriber(folder: Path) -> None:
    """It subscribes anew in the child, from then on; the parent's goes on."""
    publisher = sharray.publish("stream", 4, "i8", history=8, dir=folder)
    subscriber = sharray.subscribe("stream", lossless=True, dir=folder)
    publisher.publish(1)

    def child() -> None:
        assert subscriber.latest().array[0] == 1  # type: ignore[union-attr]
        with pytest.raises(sharray.TimedOut):
            subscriber.recv(timeout=0)

    in_fork(child)
    assert subscriber.recv(timeout=0).array[0] == 1  # type: ignore[union-attr]
    for value in range(30):
        publisher.publish(value, timeout=20)
        assert subscriber.recv(timeout=20).array[0] == value  # type: ignore[union-attr]


def test_inherited_views(folder: Path) -> None:
    """Plain ndarrays that were inherited do not crash, whatever becomes of what lent them."""
    publisher = sharray.publish("stream", 4, "i8", dir=folder)
    subscriber = sharray.subscribe("stream", dir=folder)
    publisher.publish(1)
    field = sharray.create("field", data=np.ones(10), dir=folder)
    views = [subscriber.latest().array, np.asarray(field), field.read().__enter__(), field[3:].read().__enter__()]  # type: ignore[union-attr]

    def child() -> None:
        field.close()
        subscriber.close()
        publisher.close()
        gc.collect()
        assert [float(view.max()) for view in views] == [1, 1, 1, 1]
        views.clear()
        gc.collect()

    in_fork(child)
    assert [float(view.max()) for view in views] == [1, 1, 1, 1]
    with pytest.raises(sharray.Locked):
        sharray.attach("field", dir=folder).write(timeout=0)


def test_fork_of_what_is_gone(folder: Path) -> None:
    """An inherited handle whose name is gone, or another's, says so in the child; the parent goes on."""
    field = sharray.create("field", data=np.ones(10), dir=folder)
    sharray.unlink("field", dir=folder)

    def gone() -> None:
        with pytest.raises(FileNotFoundError):
            field.snapshot()

    in_fork(gone)
    sharray.create("field", 10, dir=folder)

    def replaced() -> None:
        with pytest.raises(sharray.Replaced):
            field.snapshot()

    in_fork(replaced)
    assert field.snapshot().sum() == 10


def test_fork_while_threads_wait(folder: Path) -> None:
    """A child that is forked while other threads wait with the parent's handles can use them, and drop them: no lock is
    inherited held by a thread that is not there."""
    publisher = sharray.publish("stream", 4, "i8", history=2, slots=8, dir=folder)
    full = sharray.publish("full", 4, "i8", history=2, dir=folder)
    behind = sharray.subscribe("full", lossless=True, dir=folder)
    full.publish(1)
    full.publish(2)
    subscriber = sharray.subscribe("stream", dir=folder)
    field = sharray.create("field", 4, dir=folder)
    cell = sharray.cell("cell", 1, dir=folder)
    writing, role = field.write(), cell.writer()

    def child() -> None:
        nonlocal subscriber, full, field, cell
        assert subscriber.latest() is None and not subscriber.is_closed
        for wait in (subscriber.recv, lambda timeout: sharray.wait_any([subscriber], timeout), field.wait_changed):
            with pytest.raises(sharray.TimedOut):
                wait(timeout=0.01)
        for wait in (lambda: full.loan(timeout=0), lambda: full.publish(3, timeout=0)):
            with pytest.raises(sharray.Forked):
                wait()
        with pytest.raises(sharray.Locked):
            field.read(timeout=0)
        with pytest.raises(sharray.Locked):
            cell.store(1, timeout=0)
        assert cell.load() == 1
        subscriber.close()
        full.close()
        del subscriber, full, field, cell
        gc.collect()

    def act(wait: Any) -> None:
        with wait():
            pass

    with (
        running(lambda: subscriber.recv(timeout=20)),
        running(lambda: full.publish(3, timeout=20)),
        running(lambda: act(field.read)),
        running(lambda: act(cell.writer)),
        running(lambda: field[1:].wait_changed(timeout=20)),
    ):
        for _ in range(8):
            in_fork(child)
        assert behind.recv(timeout=0).sequence == 1  # type: ignore[union-attr]
        publisher.publish(1)
        writing.__exit__(None, None, None)
        role.close()


# --- SIGKILL ---


def test_a_successor_in_another_process(folder: Path) -> None:
    """A publisher is killed inside its loan; a successor, another process, takes over; and so on. A lossless subscriber
    sees every frame of each, and every death."""
    code = """
        publisher = sharray.publish("stream", 1000, "i8", history=8, dir=folder)
        first = publisher.sequence
        tell(first); hear()
        for value in range(first + 1, first + 21):
            with publisher.loan() as image:
                image[...] = value
        with publisher.loan() as image:
            image[...] = -1
            tell("inside"); hear()
        """
    sequence = 0
    subscriber = None
    for _ in range(3):
        child = Child(code, folder)
        child.expect(str(sequence))
        subscriber = subscriber or sharray.subscribe("stream", lossless=True, dir=folder)
        child.tell("go")
        for _ in range(20):
            sequence += 1
            frame = subscriber.recv(timeout=20)
            assert frame is not None and frame.sequence == sequence and frame.missed == 0
            assert (frame.array == sequence).all()
        child.expect("inside")
        child.signal(signal.SIGKILL)
        child.kill()
        with pytest.raises(sharray.ProducerDied):
            subscriber.recv(timeout=20)
