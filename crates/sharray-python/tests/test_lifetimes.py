"""Views outlive what lent them. Take one, delete everything else, collect, publish many frames, compare."""

from __future__ import annotations

import gc
import sys
import tracemalloc
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sharray
from helpers import descriptors, resident_kib

SHAPE = (64, 33)


def filled(value: int) -> np.ndarray[Any, Any]:
    return np.arange(np.prod(SHAPE), dtype="i8").reshape(SHAPE) + 10_000 * value


def publish_many(publisher: sharray.Publisher[Any], count: int = 50) -> None:
    for value in range(count):
        publisher.publish(np.full(SHAPE, -value - 1, "i8"), timeout=0)


@pytest.fixture
def stream(folder: Path) -> sharray.Publisher[Any]:
    return sharray.publish("stream", SHAPE, "i8", history=2, slots=8, dir=folder)


# --- frames of a subscriber ---


@pytest.mark.parametrize(
    "take",
    [
        lambda frame: frame.array,
        lambda frame: frame.array[3:60:7, ::-2],
        lambda frame: frame.array.T,
        lambda frame: frame.array.reshape(-1)[5:],
        lambda frame: frame.array.view("u1"),
        lambda frame: frame.array.view(np.recarray),
        lambda frame: np.lib.stride_tricks.sliding_window_view(frame.array, 5, axis=0),
        lambda frame: np.asarray(frame),
        lambda frame: np.asarray(memoryview(frame)),
        lambda frame: np.asarray(memoryview(frame.array)),
        lambda frame: np.from_dlpack(frame),
        lambda frame: np.from_dlpack(frame.array),
        lambda frame: np.ma.array(frame.array, copy=False),
        lambda frame: next(iter(frame.array[4:])),
    ],
)
def test_a_view_keeps_its_frame(
    folder: Path, stream: sharray.Publisher[Any], take: Callable[[sharray.Frame[Any]], Any]
) -> None:
    """A frame stays as it is while any view of it lives, however that was made, though all that lent it is gone: the
    publisher may not put another one into its slot."""
    subscriber = sharray.subscribe("stream", dir=folder)
    stream.publish(filled(1))
    frame = subscriber.latest()
    expected = np.array(take(frame))
    view = take(frame)
    subscriber.close()
    del frame, subscriber
    gc.collect()
    publish_many(stream)
    np.testing.assert_array_equal(view, expected)
    stream.close()
    sharray.unlink("stream", dir=folder)
    gc.collect()
    np.testing.assert_array_equal(view, expected)


def test_a_frame_object_keeps_its_frame(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """A frame whose array nobody has asked for yet is pinned as well."""
    subscriber = sharray.subscribe("stream", dir=folder)
    stream.publish(filled(1))
    frame = subscriber.latest()
    subscriber.close()
    del subscriber
    publish_many(stream)
    np.testing.assert_array_equal(frame.array, filled(1))


def test_a_frame_is_pinned_no_longer_than_its_views(folder: Path) -> None:
    """With as many frames looked at as there are slots, nothing can be published; with one view less, it can."""
    publisher = sharray.publish("stream", SHAPE, "i8", history=2, slots=3, dir=folder)
    subscriber = sharray.subscribe("stream", dir=folder)
    views = []
    for value in range(3):
        publisher.publish(filled(value), timeout=0)
        views.append(subscriber.latest().array[1:])
    with pytest.raises(sharray.NoFreeSlot) as raised:
        publisher.loan(timeout=0)
    assert raised.value.holders and isinstance(raised.value, BlockingIOError)
    part_of_first = views[0][:2]
    del views[0]
    with pytest.raises(sharray.NoFreeSlot):
        publisher.loan(timeout=0)
    np.testing.assert_array_equal(part_of_first, filled(0)[1:3])
    del part_of_first
    publisher.publish(filled(9), timeout=0)
    for value, view in enumerate(views, start=1):
        np.testing.assert_array_equal(view, filled(value)[1:])


def test_eight_frames_at_a_time(folder: Path) -> None:
    """A subscriber holds eight frames. The ninth is refused, and given once a view is dropped."""
    publisher = sharray.publish("stream", SHAPE, "i8", history=2, slots=16, dir=folder)
    subscriber = sharray.subscribe("stream", dir=folder)
    views = []
    for value in range(8):
        publisher.publish(filled(value))
        views.append(subscriber.latest().array)
    publisher.publish(filled(8))
    with pytest.raises(sharray.TooManyPins) as raised:
        subscriber.latest()
    assert raised.value.name == "stream"
    views.pop(3)
    np.testing.assert_array_equal(subscriber.latest().array, filled(8))
    # The frame just looked at is gone again, so there is room for one more, again and again.
    for _ in range(20):
        subscriber.latest().close()


def test_closing_a_frame_leaves_its_views(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """close() and the end of a `with` block let go of the frame, and only of that."""
    subscriber = sharray.subscribe("stream", dir=folder)
    stream.publish(filled(1))
    with subscriber.latest() as frame:
        view = frame.array
    with pytest.raises(sharray.Closed):
        frame.array
    with pytest.raises(sharray.Closed):
        np.asarray(frame)
    publish_many(stream)
    np.testing.assert_array_equal(view, filled(1))
    assert frame.sequence == 1


def test_exports_keep_the_memory(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """A memoryview and a DLPack capsule of a frame, and of a handle, keep the bytes where they are."""
    subscriber = sharray.subscribe("stream", dir=folder)
    stream.publish(filled(1))
    frame = subscriber.latest()
    view, capsule = memoryview(frame), frame.__dlpack__(max_version=(1, 0))
    field = sharray.create("field", data=filled(2), dir=folder)
    live, live_capsule = memoryview(field), field.__dlpack__(max_version=(1, 0))
    field.close()
    subscriber.close()
    del frame, subscriber, field
    sharray.unlink("field", dir=folder)
    gc.collect()
    publish_many(stream)
    assert view.readonly and live.readonly
    assert view.tolist() == filled(1).tolist()
    assert live.tolist() == filled(2).tolist()
    del view, live, capsule, live_capsule
    gc.collect()


# --- read-only ---


def test_a_frame_is_read_only(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """Others look at the same frame: nobody writes to it, and nobody makes its array writeable."""
    subscriber = sharray.subscribe("stream", dir=folder)
    stream.publish(filled(1))
    array = subscriber.latest().array
    for view in (array, array[1:], np.asarray(subscriber.latest()), np.asarray(memoryview(array))):
        with pytest.raises(ValueError, match="read-only"):
            view[...] = 0
        with pytest.raises(ValueError, match="WRITEABLE"):
            view.flags.writeable = True
        with pytest.raises(ValueError):
            view.setflags(write=True)
    with pytest.raises((ValueError, BufferError, TypeError)):
        memoryview(subscriber.latest())[0, 0] = 1
    assert np.from_dlpack(subscriber.latest()).flags.writeable is False


def test_arrays_of_blocks_are_read_only_afterwards(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """The arrays of `read`, `write` and `loan` blocks cannot be written to after their blocks, nor be made writeable."""
    field = sharray.create("field", SHAPE, "i8", dir=folder)
    with field.read() as read:
        with pytest.raises(ValueError, match="WRITEABLE"):
            read.flags.writeable = True
    with field.write() as written:
        written[...] = 1
        assert written.flags.writeable
    with stream.loan() as loaned:
        loaned[...] = 2
        assert loaned.flags.writeable
    for array in (read, written, loaned):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 3
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True
        with pytest.raises(ValueError, match="WRITEABLE"):
            array[1:].flags.writeable = True
    # Live views: they show what is there.
    with field.write() as again:
        again[...] = 4
    assert read[0, 0] == written[0, 0] == np.asarray(field)[0, 0] == 4


def reshape_in_place(array: Any) -> None:
    array.shape = (-1,)


def recast_in_place(array: Any) -> None:
    array.dtype = "f8"


def restride_in_place(array: Any) -> None:
    array.strides = (0, 0)


def restore_in_place(array: Any) -> None:
    array.__setstate__(np.zeros(100_000).__reduce__()[2])


@pytest.mark.parametrize("change", [reshape_in_place, recast_in_place, restride_in_place, restore_in_place])
@pytest.mark.parametrize("which", ["array", "base"])
@pytest.mark.parametrize("kind", ["read", "write", "loan"])
def test_what_a_block_did_to_its_array_stays_there(
    folder: Path, stream: sharray.Publisher[Any], kind: str, which: str, change: Callable[[Any], None]
) -> None:
    """NumPy lets whoever has an array change its shape, dtype and memory in place. The next block lends an array as the
    first did, over the shared items."""
    field = sharray.create("field", SHAPE, "i8", dir=folder)
    lend: Any = {"read": field.read, "write": field.write, "loan": stream.loan}[kind]
    for _ in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with lend() as array:
                changed = array if which == "array" else array.base
                if isinstance(changed, np.ndarray):
                    change(changed)
            del array, changed
        with lend() as array:
            assert (array.shape, array.dtype, array.strides) == (SHAPE, np.dtype("i8"), (SHAPE[1] * 8, 8))
            assert not array.flags.owndata and array.flags.writeable == (kind != "read")
            if array.flags.writeable:
                array[...] = filled(1)
        del array
    if kind == "write":
        np.testing.assert_array_equal(field.snapshot(), filled(1))
    if kind == "loan":
        stream.publish(filled(2))
        np.testing.assert_array_equal(sharray.subscribe("stream", dir=folder).latest().array, filled(2))


def test_the_collector_may_ask_anything(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """Python collects garbage where it makes an object, and what it runs then may use the very object that is in use."""
    subscriber = sharray.subscribe("stream", dir=folder)
    field, cell = sharray.create("field", SHAPE, "i8", dir=folder), sharray.cell("cell", 1.0, dir=folder)
    stream.publish(filled(1))
    frame = subscriber.latest()
    asked = 0

    def ask(_phase: str, _facts: dict[str, int]) -> None:
        nonlocal asked
        asked += 1
        _ = field.is_closed, cell.is_closed, subscriber.is_closed, stream.is_closed
        try:
            _ = frame.shape
        except sharray.Closed:
            pass

    before = gc.get_threshold()
    gc.callbacks.append(ask)
    gc.set_threshold(1)
    try:
        for _ in range(20):
            frame = subscriber.latest()
            assert frame.shape == SHAPE and frame.array[0, 0] == filled(1)[0, 0]
            frame.close()
            with pytest.raises(sharray.Closed):
                _ = frame.shape
        for handle in (field, cell, subscriber, stream):
            handle.close()
            for _ in range(20):
                with pytest.raises(sharray.Closed):
                    _ = handle.sequence
    finally:
        gc.callbacks.remove(ask)
        gc.set_threshold(*before)
    assert asked


# --- loans ---


def test_the_array_of_a_loan_shows_what_was_published(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """It pins its frame: the publisher does not put another frame under it."""
    with stream.loan() as image:
        image[...] = filled(1)
    gc.collect()
    publish_many(stream)
    np.testing.assert_array_equal(image, filled(1))
    stream.close()
    np.testing.assert_array_equal(image, filled(1))


def test_arrays_of_loans_are_pins(folder: Path) -> None:
    """As many as there are slots leave none for the next frame; one less does."""
    publisher = sharray.publish("stream", SHAPE, "i8", history=2, slots=3, dir=folder)
    kept = []
    for value in range(3):
        with publisher.loan(timeout=0) as image:
            image[...] = filled(value)
        kept.append(image)
    del image
    with pytest.raises(sharray.NoFreeSlot):
        publisher.loan(timeout=0)
    for value, image in enumerate(kept):
        np.testing.assert_array_equal(image, filled(value))
    del image, kept[0]
    publisher.publish(filled(9), timeout=0)


@pytest.mark.parametrize(
    "take",
    [
        lambda image: image[2:],
        lambda image: [row for row in image][-1],
        lambda image: image.T,
        lambda image: image.view("u8"),
        lambda image: image[1:][1:],
        lambda image: np.nditer(image[1:], op_flags=[["readwrite"]]),
    ],
)
def test_a_stale_view_makes_a_copy_be_published(
    folder: Path, stream: sharray.Publisher[Any], take: Callable[[Any], Any]
) -> None:
    """A view that outlives its loan could still be written through, and nobody can find it. So what is published is a
    copy, and a warning says so, with the file and the line of whoever left the block."""
    subscriber = sharray.subscribe("stream", dir=folder)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with stream.loan(tags=(3, 4), time=5.0) as image:
            image[...] = filled(1)
            view = take(image)
    assert [warning.category for warning in caught] == [sharray.StaleViewWarning]
    assert caught[0].filename == __file__ and "stream" in str(caught[0].message)
    frame = subscriber.latest()
    if isinstance(view, np.ndarray):
        view[...] = 0
    np.testing.assert_array_equal(frame.array, filled(1))
    assert (frame.sequence, frame.tags, frame.time) == (1, (3, 4), 5.0)
    publish_many(stream)
    np.testing.assert_array_equal(frame.array, filled(1))


def test_a_stale_view_tells_the_line(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """The line that the warning names is in the statement that left the block."""
    import inspect

    with pytest.warns(sharray.StaleViewWarning) as caught:
        first = inspect.currentframe().f_lineno + 1  # type: ignore[union-attr]
        with stream.loan() as image:
            row = image[0]
        last = inspect.currentframe().f_lineno  # type: ignore[union-attr]
    assert first <= caught[0].lineno <= last
    row[...] = 1


def test_a_record_is_a_view(folder: Path) -> None:
    """An item of a dtype with fields is written through, too: the loop variable that outlives its loop. What subscribers
    have does not change, and whoever writes without a lease is told."""
    dtype = [("x", "f8"), ("y", "i4", (2,))]
    publisher = sharray.publish("stream", 4, dtype, dir=folder)
    subscriber = sharray.subscribe("stream", dir=folder)
    with pytest.warns(sharray.StaleViewWarning):
        with publisher.loan() as image:
            for record in image:
                record["x"] = 1
    record["x"] = 2
    assert subscriber.latest().array["x"].tolist() == [1, 1, 1, 1]
    field = sharray.create("field", 4, dtype, dir=folder)
    with pytest.warns(sharray.StaleViewWarning):
        with field.write() as array:
            inner = array[0]["y"]
    assert inner.base is not None
    # Those that are gone are none, and neither is the block's own name.
    del record, inner
    for _ in range(3):
        with publisher.loan() as image, field.write() as array:
            image[0]["x"] = array[0]["x"] = 3
            array[1:]["x"] = image["x"][1:] = 3
    assert subscriber.latest().array["x"].tolist() == field.snapshot()["x"].tolist() == [3, 3, 3, 3]


def test_a_stale_slot_comes_back(folder: Path) -> None:
    """The slot that a stale view shows is nobody else's while the view lives, and free when it is gone."""
    publisher = sharray.publish("stream", SHAPE, "i8", history=2, slots=4, dir=folder)
    subscriber = sharray.subscribe("stream", dir=folder)
    for _ in range(50):
        with pytest.warns(sharray.StaleViewWarning):
            with publisher.loan(timeout=0) as image:
                image[...] = filled(1)
                row = image[0]
        np.testing.assert_array_equal(subscriber.latest().array, filled(1))
        row[...] = 0
        publish_many(publisher, 5)
        assert not row.any()


def test_an_alias_of_a_loan_is_not_stale(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """Another name for the array itself turns read-only with it: no copy, no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with stream.loan() as image:
            other = image
            keep = [image, {"image": image}]
            image[...] = filled(1)
        assert other is image is keep[0] and not other.flags.writeable
        publish_many(stream)
    np.testing.assert_array_equal(other, filled(1))


def test_views_that_are_gone_are_not_stale(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """Slices that come and go inside the block leave no trace: also of reductions, copies and in-place operators."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with stream.loan() as image:
            image[1:3] = 4
            image[:, 2] += image[:, 1].sum()
            for row in image:
                row *= 2
            del row
            copy = image[2:].copy()
            total = image.sum()
            np.add(image[1:], 1, out=image[1:])
    assert copy.flags.writeable and total


def test_a_loan_nobody_looks_at_is_no_pin(folder: Path) -> None:
    """Once the array of the block is gone, so is its pin."""
    publisher = sharray.publish("stream", SHAPE, "i8", history=2, slots=3, dir=folder)
    for value in range(30):
        with publisher.loan(timeout=0) as image:
            image[...] = filled(value)
        del image


def test_an_exception_in_a_loan_publishes_nothing(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """Half a frame is no frame. The stream goes on, and the array can no longer be written through."""
    subscriber = sharray.subscribe("stream", dir=folder)
    for error in (ZeroDivisionError, KeyboardInterrupt, GeneratorExit):
        with pytest.raises(error):
            with stream.loan() as image:
                image[:5] = 1
                row = image[1]
                raise error
        assert stream.sequence == 0 and subscriber.latest() is None
        assert not image.flags.writeable
        # The slot is still this view's alone.
        row[...] = 2
        del row
    for value in range(20):
        stream.publish(filled(value), timeout=0)
    np.testing.assert_array_equal(subscriber.latest().array, filled(19))


def test_abort_inside_the_block(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """abort() gives the slot back; leaving the block publishes nothing then."""
    loan = stream.loan()
    with loan as image:
        image[...] = 1
        loan.abort()
        assert not image.flags.writeable
    assert stream.sequence == 0 and loan.sequence is None


def test_a_loan_can_be_published_once(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """The end of its block is the end of a loan."""
    loan = stream.loan()
    with loan as image:
        image[...] = 1
    assert loan.sequence == 1
    with pytest.raises(sharray.Closed):
        loan.__enter__()
    assert stream.sequence == 1


def test_a_loan_of_a_closed_publisher(folder: Path, stream: sharray.Publisher[Any]) -> None:
    """Publishing through a publisher that was closed meanwhile is refused, and the array stays valid."""
    loan = stream.loan()
    with pytest.raises(sharray.Closed):
        with loan as image:
            image[...] = filled(3)
            stream.close()
    np.testing.assert_array_equal(image, filled(3))


@pytest.mark.parametrize("view", [lambda image: image.view(np.recarray), memoryview], ids=["subclass", "memoryview"])
@pytest.mark.xfail(strict=True, reason="NumPy tells nobody of views of another class, nor of exports of its arrays")
def test_a_view_of_another_class_is_stale(stream: sharray.Publisher[Any], view: Callable[[Any], Any]) -> None:
    """What NumPy hangs on the array itself, not on its base, looks like one more name for it."""
    with pytest.warns(sharray.StaleViewWarning):
        with stream.loan() as image:
            other = view(image)
    assert other is not None


def test_a_publish_that_fails_leaves_the_views(folder: Path) -> None:
    """If leaving the block cannot publish, here because a lossless subscriber has not read on, the slot is still that of
    the array: nothing else comes into it, and it does not crash."""
    publisher = sharray.publish("stream", SHAPE, "i8", history=2, slots=8, backpressure="error", dir=folder)
    subscriber = sharray.subscribe("stream", lossless=True, dir=folder)
    loan = publisher.loan(timeout=0)
    with pytest.raises(sharray.NoFreeSlot):
        with loan as image:
            image[...] = filled(7)
            publisher.publish(filled(1))
            publisher.publish(filled(2))
    assert loan.sequence is None and not image.flags.writeable
    for value in range(1, 40):
        frame = subscriber.recv(timeout=0)
        assert frame is not None and (frame.array == filled(value)).all()
        publisher.publish(filled(value + 2), timeout=0)
    np.testing.assert_array_equal(image, filled(7))


# --- leases on arrays in place ---


def test_views_after_the_handle_was_closed(folder: Path) -> None:
    """close() with live views crashes nobody: they keep the mapping."""
    field = sharray.create("field", data=filled(1), dir=folder)
    live, part = np.asarray(field), np.asarray(field[3:7])
    with field.read() as read:
        field.close()
    np.testing.assert_array_equal(read, filled(1))
    assert field.is_closed
    sharray.unlink("field", dir=folder)
    del field
    gc.collect()
    np.testing.assert_array_equal(live, filled(1))
    np.testing.assert_array_equal(part, filled(1)[3:7])
    np.testing.assert_array_equal(read, filled(1))


def test_a_closed_handle_says_so(folder: Path) -> None:
    """Everything that needs the array raises Closed, a ValueError as of a closed file; what it knows, it still tells."""
    field = sharray.create("field", data=filled(1), dir=folder)
    part = field[2]
    with field:
        pass
    for use in (
        field.read, field.write, field.snapshot, field.flush, field.as_memmap, field.wait_changed, part.read,
        lambda: field.sequence, lambda: np.asarray(field), lambda: memoryview(field), lambda: field.block(0),
    ):  # fmt: skip
        with pytest.raises(sharray.Closed) as raised:
            use()
        assert isinstance(raised.value, ValueError) and raised.value.name == "field"
    assert (field.name, field.shape, field.dtype) == ("field", SHAPE, np.dtype("i8"))
    assert "closed" in repr(field)
    field.close()


def test_a_write_goes_on_after_close(folder: Path) -> None:
    """A lease that was taken before the handle was closed ends with its block."""
    field, other = sharray.create("field", SHAPE, "i8", dir=folder), sharray.attach("field", dir=folder)
    with field.write() as array:
        field.close()
        array[...] = filled(5)
        with pytest.raises(sharray.Locked):
            other.read(timeout=0)
    np.testing.assert_array_equal(other.snapshot(timeout=0), filled(5))


def test_a_lease_that_is_dropped(folder: Path) -> None:
    """Without a `with` block, a lease ends by garbage collection: when the last view is gone, and not before."""
    field, other = sharray.create("field", SHAPE, "i8", dir=folder), sharray.attach("field", dir=folder)
    lease = field.read()
    row = lease.__enter__()[2, 1:]
    del lease
    gc.collect()
    with pytest.raises(sharray.Locked):
        other.write(timeout=0)
    del row
    with other.write(timeout=0) as array:
        array[...] = 1
    lease = field.write()
    column = lease.__enter__()[:, 0]
    del lease, array
    gc.collect()
    column[...] = 7
    with pytest.raises(sharray.Locked):
        other.read(timeout=0)
    del column
    np.testing.assert_array_equal(other.snapshot(timeout=0)[:, 0], 7)


def test_a_lease_that_nobody_looked_at(folder: Path) -> None:
    """A lease whose array nobody asked for ends when it is dropped."""
    field, other = sharray.create("field", SHAPE, "i8", dir=folder), sharray.attach("field", dir=folder)
    lease = field.write()
    with pytest.raises(sharray.Locked):
        other.read(timeout=0)
    del lease
    with other.read(timeout=0):
        pass


def test_leases_in_cycles(folder: Path) -> None:
    """An array that is part of a cycle of references is released by the collector."""
    field, other = sharray.create("field", SHAPE, "i8", dir=folder), sharray.attach("field", dir=folder)

    class Node:
        pass

    node = Node()
    node.itself, node.array = node, field.write().__enter__()  # type: ignore[attr-defined]
    gone = weakref.ref(node)
    del node
    gc.collect()
    assert gone() is None
    with other.write(timeout=0):
        pass


def test_a_stale_view_of_a_write(folder: Path) -> None:
    """A view of a write() block that outlives it writes without a lease: a warning says so, with the user's file."""
    field = sharray.create("field", SHAPE, "i8", dir=folder)
    with pytest.warns(sharray.StaleViewWarning) as caught:
        with field.write() as array:
            row = array[0]
    assert caught[0].filename == __file__ and "field" in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with field.write() as again:
            other = again
            again[1:3] = 1
        with field.read() as read:
            part = read[1:]
    assert other is again
    row[...] = 3
    assert part.sum() == 2 * SHAPE[1]


def test_an_exception_in_a_write_poisons(folder: Path) -> None:
    """What is half written is not whole: readers are told until a writer has repaired it."""
    field, other = sharray.create("field", SHAPE, "i8", dir=folder), sharray.attach("field", dir=folder)
    with pytest.raises(ZeroDivisionError):
        with field.write() as array:
            array[:10] = 1
            1 // 0
    assert not array.flags.writeable
    for reader in (field, other):
        with pytest.raises(sharray.Poisoned) as raised:
            reader.read()
        assert isinstance(raised.value, RuntimeError) and raised.value.block == 0
        with pytest.raises(sharray.Poisoned):
            reader.snapshot(timeout=0)
    assert sharray.inspect("field", dir=folder).poisoned == [0]
    lease = other.write()
    with lease as array:
        assert lease.is_poisoned
        array[...] = 2
        lease.clear_poison()
        assert not lease.is_poisoned
    assert (field.snapshot() == 2).all()
    assert sharray.inspect("field", dir=folder).poisoned == []


def test_a_write_that_does_not_repair_leaves_the_poison(folder: Path) -> None:
    """Only the writer knows whether all is whole again."""
    field = sharray.create("field", SHAPE, "i8", dir=folder)
    with pytest.raises(KeyError):
        with field.write():
            raise KeyError
    with field.write() as array:
        array[0] = 1
    with pytest.raises(sharray.Poisoned):
        field.read()


def test_an_assignment_that_does_not_fit_changes_nothing(folder: Path) -> None:
    """A value of the wrong shape or kind is found out before anything is written: the array is as it was, not poisoned."""
    field = sharray.create("field", data=filled(1), dir=folder)
    for index, value in [(..., np.zeros(5)), (slice(2, 4), "text"), (0, [1, 2]), ((0, 0), object()), (1, [1, "x"] * 16)]:
        with pytest.raises((ValueError, TypeError)):
            field[index] = value
    np.testing.assert_array_equal(field.snapshot(), filled(1))
    field[2:4] = [[1]]
    field[0, 0] = 9.0
    field[5] = np.ones((1, 1, SHAPE[1]))
    assert field.snapshot()[2:4].sum() == 2 * SHAPE[1] and field.snapshot()[0, 0] == 9


def test_a_copy_that_is_lent(folder: Path) -> None:
    """Of an array that may only be read, read() lends a copy: it stays as it is, for as long as somebody has it."""
    field = sharray.create("field", data=filled(1), dir=folder)
    reader = sharray.attach("field", mode="r", dir=folder)
    lease = reader.read()
    with lease as array:
        assert lease.is_copy
        with field.write(timeout=0) as written:
            written[...] = 0
        part = array[3]
        np.testing.assert_array_equal(array, filled(1))
    reader.close()
    del lease, array, reader
    gc.collect()
    np.testing.assert_array_equal(part, filled(1)[3])


def test_unlink_with_live_views(folder: Path) -> None:
    """Unlinked, an array lives on for those who are attached; a new one under its name is another."""
    field = sharray.create("field", data=filled(1), dir=folder)
    live = np.asarray(field)
    sharray.unlink("field", dir=folder)
    assert field.is_retired
    again = sharray.create("field", data=filled(2), dir=folder)
    with field.write() as array:
        array[0, 0] = 77
    assert live[0, 0] == 77 and again.snapshot()[0, 0] == filled(2)[0, 0]
    assert field.generation != again.generation


# --- nothing leaks ---


def operations(folder: Path) -> dict[str, Callable[[], object]]:
    field = sharray.create("field", (4, 8), "f8", dir=folder)
    reader = sharray.attach("field", mode="r", dir=folder)
    publisher = sharray.publish("stream", (4, 8), "f8", dir=folder)
    subscriber = sharray.subscribe("stream", dir=folder)
    cell = sharray.cell("cell", np.zeros(3), dir=folder)
    writer = sharray.cell("other", np.zeros(3), dir=folder).writer()
    items, one = np.ones((4, 8)), np.ones(3)

    def read() -> None:
        with field.read() as array:
            array[1:]

    def write() -> None:
        with field.write() as array:
            array[1:] = 1

    def fail() -> None:
        try:
            with field[1].write() as array:
                array[...] = 1
                raise KeyError
        except KeyError:
            pass
        lease = field.write()
        lease.clear_poison()

    def loan() -> None:
        with publisher.loan() as array:
            array[...] = 1

    def stale() -> None:
        with publisher.loan() as array:
            row = array[1]
        row[...] = 1

    def abort() -> None:
        publisher.loan().abort()

    def latest() -> None:
        frame = subscriber.latest()
        assert frame is not None
        frame.array[1:]

    def recv() -> None:
        publisher.publish(items)
        frame = subscriber.recv(timeout=0)
        np.asarray(frame)

    def refused() -> None:
        try:
            subscriber.recv(timeout=0)
            subscriber.recv(timeout=0)
        except sharray.TimedOut:
            pass

    def missing() -> None:
        try:
            sharray.attach("nothing", dir=folder)
        except FileNotFoundError:
            pass

    def export() -> None:
        memoryview(field)[1, 2]
        np.from_dlpack(field)
        memoryview(subscriber.latest())  # type: ignore[arg-type]

    def part() -> None:
        field[1:3, ::2][0]
        field[..., 0] = 1

    publisher.publish(items)
    return {
        "read": read,
        "write": write,
        "fail": fail,
        "snapshot": field.snapshot,
        "part snapshot": field[1:].snapshot,
        "copy": lambda: reader.read().__enter__(),
        "live": lambda: np.asarray(field),
        "export": export,
        "part": part,
        "loan": loan,
        "stale": stale,
        "abort": abort,
        "publish": lambda: publisher.publish(items),
        "latest": latest,
        "recv": recv,
        "refused": refused,
        "missing": missing,
        "load": cell.load,
        "store": lambda: cell.store(one),
        "writer": lambda: writer.store(one),
        "repr": lambda: (repr(field), field.attributes, field.shape, publisher.dtype),
    }


@pytest.mark.filterwarnings("ignore::sharray.StaleViewWarning")
def test_nothing_leaks(folder: Path) -> None:
    """Every operation, many times over, leaves the process as it was: no memory of Python's, none of the library's, no
    files, no references to what all of them share."""
    leaks = {}
    shared = [None, np.dtype("f8"), sharray.StaleViewWarning, np.ndarray, np.dtype("f8").type]
    for name, operation in operations(folder).items():
        rounds = 1000 if name in ("missing", "stale", "refused", "repr") else 4000
        for _ in range(200):
            operation()
        gc.collect()
        tracemalloc.start()
        files, references = descriptors(), [sys.getrefcount(it) for it in shared]
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(2000):
            operation()
        gc.collect()
        traced = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        resident = resident_kib(what="RssAnon")
        for _ in range(rounds):
            operation()
        gc.collect()
        grown = resident_kib(what="RssAnon") - resident
        more = [sys.getrefcount(it) - had for it, had in zip(shared, references, strict=True)]
        # A leak of one object a round would be twice as much. What is less, the interpreter keeps for the next ones.
        if descriptors() != files or max(more) > 100 or traced > 24 * 1024 or grown > rounds * 16 // 1024 + 256:
            leaks[name] = {"files": descriptors() - files, "references": more, "traced": traced, "KiB": grown}
    assert not leaks


def test_handles_leave_nothing(folder: Path) -> None:
    """Attaching and detaching, hundreds of times over, leaves no file, no mapping and no participant."""
    sharray.create("field", (1000, 1000), "f8", dir=folder)
    publisher = sharray.publish("stream", (1000,), "f8", dir=folder)
    publisher.publish(np.zeros(1000))
    sharray.cell("cell", 1.0, dir=folder)

    def once() -> None:
        field = sharray.attach("field", dir=folder)
        live = np.asarray(field)
        subscriber = sharray.subscribe("stream", dir=folder)
        view = subscriber.latest().array  # type: ignore[union-attr]
        cell = sharray.cell("cell", dir=folder)
        assert cell.load() + live[0, 0] + view[0] == 1.0

    # What other tests have left is none of this one's.
    gc.collect()

    def mappings() -> int:
        with open("/proc/self/maps") as maps:
            return sum("/sharray-test-" in line for line in maps)

    for _ in range(20):
        once()
    files, mapped = descriptors(), mappings()
    resident = resident_kib(what="RssAnon")
    for _ in range(500):
        once()
    gc.collect()
    assert (descriptors(), mappings()) == (files, mapped)
    assert resident_kib(what="RssAnon") - resident < 1024
    for name in ("field", "stream", "cell"):
        assert len(sharray.inspect(name, dir=folder).participants) <= 1
