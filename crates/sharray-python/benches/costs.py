"""What the Python package costs, beside what a user would have in its place: `name value unit`, and ratios.

All are measured in turn, in rounds of one run, so that what disturbs the machine disturbs all of them. Figures are medians
of the rounds; a ratio is the median of the rounds' ratios. `--quick` only shows that everything runs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import timeit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import shared_memory
from typing import Any

import numpy as np

import sharray

#: Name, what is measured, how often in a round.
Operation = tuple[str, Callable[[], Any], int]


def measure(operations: list[Operation], ratios: list[tuple[str, str]], rounds: int) -> None:
    """Runs all operations in turn, and prints medians and ratios."""
    figures: dict[str, list[float]] = {name: [] for name, _, _ in operations}
    for _ in range(rounds):
        for name, operation, number in operations:
            figures[name].append(timeit.timeit(operation, number=number) / number)
    for name, seconds in figures.items():
        print(f"{name} {statistics.median(seconds) * 1e9:.0f} ns")
    for ours, theirs in ratios:
        ratio = statistics.median(one / two for one, two in zip(figures[ours], figures[theirs], strict=True))
        print(f"{ours}/{theirs} {ratio:.2f} x")


@contextmanager
def place() -> Iterator[str]:
    """A fresh folder in memory."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield folder


def calls(rounds: int, scale: int) -> None:
    """Single calls of one process."""
    with place() as folder:
        directory = sharray.Directory(folder)
        field = sharray.create("field", (128,), "f8", dir=directory)
        camera = sharray.publish("camera", (128,), "f8", dir=directory)
        camera.publish(np.zeros(128))
        viewer = sharray.subscribe("camera", dir=directory)
        pose = sharray.cell("pose", np.zeros(3), dir=directory)
        plain_file = os.path.join(folder, "plain")
        np.zeros(128).tofile(plain_file)
        segment = shared_memory.SharedMemory(create=True, size=1024)
        lock = multiprocessing.Lock()
        live, plain, mapped = np.asarray(field), np.zeros(128), np.memmap(plain_file, "f8", "r+")

        def with_lock() -> None:
            with lock:
                pass

        def with_read() -> None:
            with field.read():
                pass

        def with_write() -> None:
            with field.write():
                pass

        def with_loan() -> None:
            with camera.loan():
                pass

        def attach_segment() -> None:
            shared_memory.SharedMemory(segment.name, track=False).close() if sys.version_info >= (
                3,
                13,
            ) else shared_memory.SharedMemory(segment.name).close()

        few, many = max(1, scale // 40), scale
        operations: list[Operation] = [
            ("lock", with_lock, many),
            ("read", with_read, many),
            ("write", with_write, many),
            ("latest", viewer.latest, many),
            ("loan_publish", with_loan, many),
            ("cell_load", pose.load, many),
            ("slice_view", lambda: live[3:5], many),
            ("slice_ndarray", lambda: plain[3:5], many),
            ("slice_memmap", lambda: mapped[3:5], many),
            ("attach", lambda: sharray.attach("field", dir=directory).close(), few),
            ("open_memmap", lambda: np.memmap(plain_file, "f8", "r+"), few),
            ("attach_shared_memory", attach_segment, few),
        ]
        ratios = [
            ("read", "lock"),
            ("write", "lock"),
            ("latest", "lock"),
            ("loan_publish", "lock"),
            ("slice_view", "slice_ndarray"),
            ("slice_view", "slice_memmap"),
            ("attach", "open_memmap"),
            ("attach", "attach_shared_memory"),
        ]
        measure(operations, ratios, rounds)
        segment.close()
        segment.unlink()


def maps(rounds: int, scale: int) -> None:
    """Maps of a plain file, and their views, beside numpy.memmap's."""
    with place() as folder:
        path = os.path.join(folder, "plain")
        np.zeros((32, 32)).tofile(path)
        few, many = max(1, scale // 40), scale
        operations: list[Operation] = []

        def of(library: str, memmap: Any) -> list[Operation]:
            m = memmap(path, "f8", "r+", shape=(32, 32))
            return [
                (f"{library}_item", lambda: m[3, 4], many),
                (f"{library}_row", lambda: m[3], many),
                (f"{library}_slice", lambda: m[3:5, ::2], many),
                (f"{library}_transpose", lambda: m.T, many),
                (f"{library}_reshape", lambda: m.reshape(-1), many),
                (f"{library}_open_r", lambda: memmap(path, "f8", "r", shape=(32, 32)), few),
                (f"{library}_open_r+", lambda: memmap(path, "f8", "r+"), few),
                (f"{library}_open_c", lambda: memmap(path, "f8", "c"), few),
                (f"{library}_open_w+", lambda: memmap(f"{path}.{library}", "f8", "w+", shape=(32, 32)), few),
            ]

        ours, theirs = of("map", sharray.memmap), of("numpy_map", np.memmap)
        measure(ours + theirs, [(one[0], two[0]) for one, two in zip(ours, theirs, strict=True)], rounds)


# ---------------------------------------------------------------- frames from process to process

#: Frames that go before those that are measured: every slot has been touched then, by both.
WARM = 10


def timed(send: Callable[[], Any], frames: int) -> float:
    """Seconds for each of the last so many frames."""
    timeit.timeit(send, number=WARM)
    return timeit.timeit(send, number=frames - WARM) / (frames - WARM)


def echo_sharray(folder: str, size: int, frames: int) -> None:
    """Child: looks at each frame, and answers with a frame of its own."""
    with sharray.subscribe("there", wait=10, dir=folder) as there:
        with sharray.publish("back", (1,), "u1", dir=folder) as back:
            for _ in range(frames):
                frame = there.recv(timeout=10)
                assert frame is not None
                total = frame.array[::4096].sum(dtype="u8")
                with back.loan() as answer:
                    answer[0] = total % 251


def through_sharray(size: int, frames: int) -> float:
    """Seconds for a frame there and an answer back."""
    with place() as folder, sharray.publish("there", (size,), "u1", dir=folder) as there:
        child = multiprocessing.get_context("fork").Process(target=echo_sharray, args=(folder, size, frames))
        child.start()
        back = sharray.subscribe("back", wait=10, dir=folder)

        def send() -> None:
            with there.loan() as image:
                image.fill(7)
            back.recv(timeout=10)

        took = timed(send, frames)
        child.join()
        return took


def echo_queue(there: Any, back: Any, frames: int) -> None:
    """Child: the same through two queues."""
    for _ in range(frames):
        back.put(int(there.get()[::4096].sum(dtype="u8")) % 251)


def through_queue(size: int, frames: int) -> float:
    """Seconds for a frame there and an answer back."""
    context = multiprocessing.get_context("fork")
    there, back = context.Queue(), context.Queue()
    child = context.Process(target=echo_queue, args=(there, back, frames))
    child.start()
    image = np.empty(size, "u1")

    def send() -> None:
        image.fill(7)
        there.put(image)
        back.get()

    took = timed(send, frames)
    child.join()
    return took


def echo_pipe(pipe: Any, frames: int) -> None:
    """Child: the same through a pipe, bytes without pickling."""
    for _ in range(frames):
        pipe.send(int(np.frombuffer(pipe.recv_bytes(), "u1")[::4096].sum(dtype="u8")) % 251)


def through_pipe(size: int, frames: int) -> float:
    """Seconds for a frame there and an answer back."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=echo_pipe, args=(theirs, frames))
    child.start()
    image = np.empty(size, "u1")

    def send() -> None:
        image.fill(7)
        ours.send_bytes(image.data)
        ours.recv()

    took = timed(send, frames)
    child.join()
    return took


def echo_flag(name: str, size: int, frames: int) -> None:
    """Child: the same through shared memory with a flag that both sides look at all the time."""
    segment = shared_memory.SharedMemory(name)
    flags, image = np.ndarray(8, "u8", segment.buf), np.ndarray(size, "u1", segment.buf, 64)
    for turn in range(1, frames + 1):
        while flags[0] != turn:
            os.sched_yield()
        flags[1] = int(image[::4096].sum(dtype="u8")) % 251
        flags[2] = turn
    del flags, image
    segment.close()


def through_flag(size: int, frames: int) -> float:
    """Seconds for a frame there and an answer back."""
    segment = shared_memory.SharedMemory(create=True, size=64 + size)
    flags, image = np.ndarray(8, "u8", segment.buf), np.ndarray(size, "u1", segment.buf, 64)
    flags[:] = 0
    child = multiprocessing.get_context("fork").Process(target=echo_flag, args=(segment.name, size, frames))
    child.start()
    turn = 0

    def send() -> None:
        nonlocal turn
        turn += 1
        image.fill(7)
        flags[0] = turn
        while flags[2] != turn:
            os.sched_yield()

    took = timed(send, frames)
    child.join()
    del flags, image
    segment.close()
    segment.unlink()
    return took


def frames(rounds: int, sizes: list[int]) -> None:
    """A frame there, filled and looked at, and an answer back, in turn through each."""
    ways = {"sharray": through_sharray, "queue": through_queue, "pipe": through_pipe, "flag": through_flag}
    for size in sizes:
        number = WARM + max(5, min(300, (256 << 20) // size))
        took: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                took[name].append(way(size, number))
        for name, seconds in took.items():
            print(f"frame_{size >> 10}KiB_{name} {statistics.median(seconds) * 1e6:.1f} us")
        for name in ("queue", "pipe", "flag"):
            ratio = statistics.median(one / two for one, two in zip(took["sharray"], took[name], strict=True))
            print(f"frame_{size >> 10}KiB_sharray/{name} {ratio:.2f} x")


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    is_quick = parser.parse_args().quick
    calls(rounds=2 if is_quick else 25, scale=100 if is_quick else 20_000)
    maps(rounds=2 if is_quick else 25, scale=100 if is_quick else 20_000)
    frames(rounds=1 if is_quick else 5, sizes=[64 << 10] if is_quick else [64 << 10, 1 << 20, 16 << 20, 64 << 20])


if __name__ == "__main__":
    main()
