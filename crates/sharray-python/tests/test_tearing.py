"""One process rewrites a frame without pause, another reads it. Plain shared memory tears; this does not.

The naive version runs beside each, so that it is known that the test can see tearing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sharray
from helpers import Child

#: 256 KiB
SHAPE = (256, 128)
TIME_S = 2.0

NAIVE_WRITER = """
from multiprocessing import shared_memory
memory = shared_memory.SharedMemory(sys.argv[2])
frame = np.ndarray((256, 128), "i8", memory.buf)
tell("writing")
value = 0
while os.getppid() != 1:
    value += 1
    frame[...] = value
"""

WRITERS = {
    "stream": """
        publisher = sharray.publish("stream", (256, 128), "i8", dir=folder)
        tell("writing")
        value = 0
        while os.getppid() != 1:
            value += 1
            with publisher.loan() as frame:
                frame[...] = value
        """,
    "array": """
        field = sharray.attach("array", dir=folder)
        tell("writing")
        value = 0
        while os.getppid() != 1:
            value += 1
            with field.write() as frame:
                frame[...] = value
        """,
    "read-only": """
        field = sharray.attach("array", dir=folder)
        tell("writing")
        value = 0
        while os.getppid() != 1:
            value += 1
            with field.write() as frame:
                frame[...] = value
            # Who copies needs a moment without a writer.
            time.sleep(0.0005)
        """,
}


def is_torn(frame: np.ndarray[Any, Any]) -> bool:
    """Whether a frame is of more than one moment. Looked at from its end, against the direction of the writer."""
    return bool((frame[::-1, ::-1] != frame[0, 0]).any())


def count(look: Callable[[], tuple[bool, int]], seconds: float, enough: int = 10**9) -> tuple[int, int, int]:
    """How many of how many frames were torn, and how many different ones were seen."""
    torn, total, seen = 0, 0, set()
    end = time.monotonic() + seconds
    while time.monotonic() < end and torn < enough:
        is_bad, value = look()
        torn += is_bad
        total += 1
        seen.add(value)
    return torn, total, len(seen)


def naive(folder: Path) -> tuple[int, int, int]:
    from multiprocessing import shared_memory

    memory = shared_memory.SharedMemory(create=True, size=256 * 1024)
    try:
        child = Child(NAIVE_WRITER, folder, memory.name)
        child.expect("writing")
        frame = np.ndarray(SHAPE, "i8", memory.buf)
        found = count(lambda: (is_torn(frame), int(frame[0, 0])), 20.0, enough=50)
        child.kill()
        del frame
        return found
    finally:
        memory.close()
        try:
            memory.unlink()
        except FileNotFoundError:
            # The tracker of the writer that was killed was faster.
            pass


def test_plain_shared_memory_tears(folder: Path) -> None:
    """Without a protocol a good part of what is read is of two moments: the test sees that."""
    torn, total, _ = naive(folder)
    assert torn >= 50, f"{torn} of {total} were torn"


@pytest.mark.parametrize("how", ["latest", "recv", "copy", "read", "snapshot", "read-only"])
def test_nothing_is_torn(folder: Path, how: str) -> None:
    """Every frame that is read is of one moment, whichever way; many different ones are seen, and time goes forward."""
    kind = "stream" if how in ("latest", "recv", "copy") else "read-only" if how == "read-only" else "array"
    field = sharray.create("array", SHAPE, "i8", dir=folder)
    child = Child(WRITERS[kind], folder)
    child.expect("writing")
    reader = sharray.attach("array", mode="r", dir=folder)
    subscriber: Any = sharray.subscribe("stream", mode="r" if how == "copy" else "r+", dir=folder) if kind == "stream" else None
    last = 0

    def look() -> tuple[bool, int]:
        nonlocal last
        if how == "read":
            with field.read(timeout=20) as frame:
                torn, value = is_torn(frame), int(frame[-1, -1])
        else:
            if how in ("latest", "copy"):
                taken = subscriber.latest()
                frame = np.zeros(SHAPE, "i8") if taken is None else taken.array
            elif how == "recv":
                frame = subscriber.recv(timeout=20).array
            else:
                frame = (field if how == "snapshot" else reader).snapshot(timeout=20)
            torn, value = is_torn(frame), int(frame[-1, -1])
        assert value >= last
        last = value
        return torn, value

    torn, total, seen = count(look, TIME_S)
    child.kill()
    assert torn == 0, f"{torn} of {total} were torn"
    assert seen >= 20, f"only {seen} different frames were seen, of {total}"
