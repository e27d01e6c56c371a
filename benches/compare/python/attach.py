"""Attaching by name to 1 MiB that is there: until the first item is read (``attach``), and letting go (``detach``)."""

from __future__ import annotations

import gc
import mmap
import os
from collections.abc import Callable
from functools import partial
from multiprocessing import shared_memory
from statistics import median
from typing import Any

import iceoryx
import numpy as np
import SharedArray
from common import Line, compare, folder, now, options, run_on

import sharray

ITEMS = (1 << 20) // 8
#: What was attached, what shows its items, and what lets go of the former if that needs a call.
Attached = tuple[Any, Any, Callable[[], Any] | None]


def of_mmap(path: str) -> Attached:
    """What the kernel takes, as far as Python lets it."""
    file = os.open(path, os.O_RDWR)
    shared = mmap.mmap(file, 0)
    os.close(file)
    return shared, np.frombuffer(shared), None


def of_np_memmap(path: str) -> Attached:
    """The length is the file's."""
    items = np.memmap(path, "f8", "r+")
    return items, items, None


def of_np_load(path: str) -> Attached:
    """The dtype and the shape are the file's."""
    items = np.load(path, mmap_mode="r+")
    return items, items, None


def of_shared_memory(name: str) -> Attached:
    """Registered with the process that cleans up."""
    segment = shared_memory.SharedMemory(name)
    return segment, np.ndarray(ITEMS, "f8", segment.buf), segment.close


def of_shared_array(url: str) -> Attached:
    """The dtype and the shape are the file's."""
    items = SharedArray.attach(url)
    return items, items, None


def of_array(place: sharray.Directory | None) -> Attached:
    """Live items, without a lease."""
    field = sharray.attach("field", dir=place)
    return field, np.asarray(field), field.close


def of_stream(place: sharray.Directory) -> Attached:
    """The newest frame."""
    viewer = sharray.subscribe("stream", dir=place)
    return viewer, viewer.latest().array, viewer.close


def of_cell(place: sharray.Directory) -> Attached:
    """A copy of the value."""
    cell = sharray.cell("cell", dir=place)
    return cell, cell.load(), cell.close


class Iceoryx2:
    """A service with one sample, which a subscriber that comes late is given."""

    def __init__(self, place: str) -> None:
        self.node = iceoryx.node(place)
        self.service = self.open()
        self.publisher = self.service.publisher_builder().initial_max_slice_len(ITEMS).create()
        sample = self.publisher.loan_slice_uninit(ITEMS)
        iceoryx.items_of(sample, ITEMS).fill(7)
        sample.assume_init().send()

    def open(self) -> Any:
        """The service, opened again by each who attaches."""
        slices = iceoryx.iox2.Slice[iceoryx.ctypes.c_uint64]
        builder = iceoryx.service(self.node, "attach").publish_subscribe(slices)
        return builder.history_size(1).subscriber_max_buffer_size(1).open_or_create()

    def attach(self) -> Attached:
        """A subscriber: the publisher has to see it before it gives it anything."""
        service = self.open()
        subscriber = service.subscriber_builder().create()
        self.publisher.update_connections()
        while (sample := subscriber.receive()) is None:
            pass
        return (service, subscriber, sample), iceoryx.items_of(sample, ITEMS), None


def sample(name: str, attach: Callable[[], Attached], seconds: float) -> list[Line]:
    """Medians of single attaches."""
    times: tuple[list[int], list[int]] = [], []
    gc.disable()
    end = now() + int(seconds * 1e9)
    while now() < end or len(times[0]) < 3:
        start = now()
        attached, items, close = attach()
        items[0]
        found = now()
        del items
        if close:
            close()
        del attached, close
        times[0].append(found - start)
        times[1].append(now() - found)
    gc.enable()
    what = zip((name, f"{name}.detach"), times, strict=True)
    return [(f"python.attach.{which}", median(taken) / 1e3, "us") for which, taken in what]


def main() -> None:
    """Measures."""
    chosen = options(__doc__, rounds=11)
    run_on(0)
    values = np.full(ITEMS, 7.0)
    with folder() as path:
        plain, npy = os.path.join(path, "plain"), os.path.join(path, "npy")
        values.tofile(plain)
        with open(npy, "wb") as file:
            np.save(file, values)
        segment = shared_memory.SharedMemory(create=True, size=values.nbytes)
        url = f"shm://{os.path.basename(path)}-SharedArray"
        SharedArray.create(url, ITEMS)
        place = sharray.Directory(os.path.join(path, "sharray"))
        os.environ["SHARRAY_DIR"] = os.path.join(path, "sharray")
        kept = [sharray.create("field", data=values, dir=place), sharray.cell("cell", values[:8], dir=place)]
        stream = sharray.publish("stream", values.shape, dir=place)
        stream.publish(values)
        contenders: dict[str, Callable[[], Attached]] = {
            "mmap": partial(of_mmap, plain),
            "np_memmap": partial(of_np_memmap, plain),
            "np_load": partial(of_np_load, npy),
            "shared_memory": partial(of_shared_memory, segment.name),
            "SharedArray": partial(of_shared_array, url),
            "iceoryx2": Iceoryx2(path).attach,
            "sharray": partial(of_array, place),
            # The folder is looked for, and looked at, each time.
            "sharray_default_place": partial(of_array, None),
            "sharray_stream": partial(of_stream, place),
            # Of 64 bytes.
            "sharray_cell": partial(of_cell, place),
        }
        seconds = 0.01 if chosen.quick else 0.1
        names = {name: f"python.attach.{name}" for name in contenders}
        compare(chosen, [(names[name], partial(sample, name, attach, seconds)) for name, attach in contenders.items()])
        stream.close()
        del kept, contenders
        SharedArray.delete(url)
        segment.close()
        segment.unlink()
    iceoryx.clean_up()


if __name__ == "__main__":
    main()
