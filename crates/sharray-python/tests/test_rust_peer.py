"""A Rust process and a Python process hand each other every dtype, order and kind, and take over each other's streams."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sharray
from helpers import Child, until
from test_dtypes import ALL, assert_same, items

Start = Callable[[], Child]


@pytest.fixture(scope="module")
def program() -> Path:
    """The Rust program of peer/, built."""
    cargo = shutil.which("cargo")
    manifest = Path(__file__).parent / "peer" / "Cargo.toml"
    if cargo is None or not manifest.exists():
        pytest.skip("there is no cargo here")
    built = subprocess.run(
        [cargo, "build", "--manifest-path", manifest, "--message-format", "json-render-diagnostics"],
        stdout=subprocess.PIPE,
        check=True,
    )
    told = [json.loads(line) for line in built.stdout.splitlines()]
    return Path(next(it["executable"] for it in told if it.get("executable")))


@pytest.fixture
def start(program: Path, folder: Path) -> Start:
    def start() -> Child:
        peer = Child([str(program), str(folder)])
        peer.expect("ready")
        return peer

    return start


def test_every_dtype(folder: Path, start: Start) -> None:
    """Python makes an array, a cell, a stream and a table of each dtype in each order; Rust makes the same of what it sees; Python
    finds its own dtypes, shapes, orders and bytes again."""
    peer = start()
    for at, dtype in enumerate(ALL):
        for order in "CF":
            name, given = f"{order}-{at}", items(dtype, (3, 4, 2))
            array = sharray.create(f"array/{name}", data=given, order=order, dir=folder)
            peer.tell(f"array array/{name}")
            peer.expect("done")
            back = sharray.attach(f"array/{name}-back", dir=folder)
            assert back.order == order and back.strides == array.strides
            assert_same(back.snapshot(), given)
            assert bytes_of(back) == bytes_of(array)

            frames = [items(dtype, shape, seed) for seed, shape in enumerate([(3, 4, 2), (1, 2, 3), (3, 0, 2)])]
            publisher = sharray.publish(f"stream/{name}", (3, 4, 2), dtype, order=order, history=8, dir=folder)
            for tag, frame in enumerate(frames):
                publisher.publish(frame, tags=(tag, 7), time=1.5 + tag)
            publisher.close()
            peer.tell(f"stream stream/{name}")
            peer.expect("done")
            subscriber = sharray.subscribe(f"stream/{name}-back", from_oldest=True, dir=folder)
            assert (subscriber.dtype, subscriber.shape, subscriber.order) == (dtype, (3, 4, 2), order)
            for tag, frame in enumerate(frames):
                found = subscriber.recv(timeout=10)
                assert found is not None and (found.tags, found.time) == ((tag, 7), 1.5 + tag)
                assert_same(found.array, frame)
            assert subscriber.recv(timeout=10) is None
            if order == "C":
                table = sharray.grow(f"table/{name}", (0, 4, 2), dtype, max_len=10, dir=folder)
                table.append(given)
                peer.tell(f"table table/{name}")
                peer.expect("done")
                rows = sharray.attach(f"table/{name}-back", dir=folder)
                assert_same(rows[...], given)
            for it in ("array", "stream", "table")[: 3 if order == "C" else 2]:
                sharray.unlink(f"{it}/{name}", dir=folder)
                sharray.unlink(f"{it}/{name}-back", dir=folder)
        for shape in ((), (5,)):
            name, given = f"cell/{len(shape)}-{at}", items(dtype, shape)
            sharray.cell(name, given, dir=folder)
            peer.tell(f"cell {name}")
            peer.expect("done")
            back_cell = sharray.cell(f"{name}-back", dir=folder)
            assert (back_cell.dtype, back_cell.shape) == (dtype, shape)
            assert_same(np.asarray(back_cell.load(), dtype), given)


def bytes_of(array: sharray.Array[Any, Any]) -> bytes:
    """The bytes as they stand in the file."""
    info = sharray.inspect(array.name, dir=array.__reduce__()[1][0])
    return info.path.read_bytes()[info.data_offset :]


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)], ids=str)
def test_without_dimensions_or_items(folder: Path, start: Start, shape: tuple[int, ...]) -> None:
    """These as well."""
    peer = start()
    given = items(np.dtype("f8"), shape)
    sharray.create("array", data=given, dir=folder)
    publisher = sharray.publish("stream", shape, dir=folder)
    publisher.publish(given)
    publisher.close()
    for kind in ("array", "stream"):
        peer.tell(f"{kind} {kind}")
        peer.expect("done")
    assert_same(sharray.attach("array-back", dir=folder).snapshot(), given)
    assert_same(sharray.subscribe("stream-back", from_oldest=True, dir=folder).recv(timeout=10).array, given)  # type: ignore[union-attr]


def check(subscriber: sharray.Subscriber[Any], start: int, count: int) -> None:
    for sequence in range(start, start + count):
        frame = subscriber.recv(timeout=20)
        assert frame is not None and frame.sequence == sequence and frame.missed == 0
        assert (frame.array == sequence).all()


def test_succession(folder: Path, start: Start) -> None:
    """A Python publisher is killed inside its loan, and a Rust one takes over; that is killed inside its loan, and a
    Python one takes over. A lossless subscriber sees every frame whole, and is told of each death."""
    python = Child(
        """
        publisher = sharray.publish("stream", (64, 64), "i8", history=8, dir=folder)
        tell("ready"); hear()
        for value in range(1, 21):
            with publisher.loan() as image:
                image[...] = value
        with publisher.loan() as image:
            image[:32] = -1
            tell("inside"); hear()
        """,
        folder,
    )
    python.expect("ready")
    subscriber = sharray.subscribe("stream", lossless=True, dir=folder)
    python.tell("go")
    check(subscriber, 1, 20)
    python.expect("inside")
    python.kill()
    with pytest.raises(sharray.ProducerDied):
        subscriber.recv(timeout=20)
    for round_ in range(2):
        first = 21 + 40 * round_
        rust = start()
        rust.tell("produce stream 20")
        check(subscriber, first, 20)
        rust.expect("inside")
        with pytest.raises(sharray.ProducerPresent) as raised:
            sharray.publish("stream", dir=folder)
        assert raised.value.pid == rust.pid
        rust.kill()
        with pytest.raises(sharray.ProducerDied):
            subscriber.recv(timeout=20)
        publisher = sharray.publish("stream", (64, 64), "i8", dir=folder)
        assert publisher.sequence == first + 19
        for value in range(first + 20, first + 40):
            publisher.publish(np.full((64, 64), value), timeout=20)
            check(subscriber, value, 1)
        publisher.close()
        assert subscriber.recv(timeout=20) is None


def test_a_rust_loan_that_ends(folder: Path, start: Start) -> None:
    """A Rust producer that drops its loan and closes is a clean end."""
    sharray.publish("stream", 8, "i8", dir=folder).close()
    subscriber = sharray.subscribe("stream", dir=folder)
    rust = start()
    rust.tell("loan stream")
    rust.expect("inside")
    rust.tell("go on")
    rust.expect("done")
    assert subscriber.latest() is None
    until(lambda: sharray.inspect("stream", dir=folder).is_closed)
