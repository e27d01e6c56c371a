"""What NumPy, dask, joblib and notebooks ask of an array, a handle answers."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sharray

ITEMS = np.arange(12.0).reshape(3, 4)


@pytest.fixture(params=["array", "part", "frame"])
def source(request: pytest.FixtureRequest, folder: Path) -> Any:
    """Something that shows ITEMS."""
    if request.param == "array":
        return sharray.create("field", data=ITEMS, dir=folder)
    if request.param == "part":
        return sharray.create("field", data=np.pad(ITEMS, 1), dir=folder)[1:-1, 1:-1]
    publisher = sharray.publish("stream", (3, 4), dir=folder)
    publisher.publish(ITEMS)
    return sharray.subscribe("stream", dir=folder).latest()


def address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def test_asarray_is_a_view(source: Any) -> None:
    """Nothing is copied: twice asked, the same bytes, read-only, a plain ndarray."""
    one, two = np.asarray(source), np.asarray(source)
    np.testing.assert_array_equal(one, ITEMS)
    assert type(one) is np.ndarray and not one.flags.writeable
    assert address(one) == address(two) and np.shares_memory(one, two)
    assert address(np.array(source, copy=None)) == address(np.array(source, copy=False)) == address(one)
    assert address(np.asanyarray(source)) == address(one)
    assert np.asarray(source, dtype="f8").strides == one.strides


def test_array_copies_when_told(source: Any) -> None:
    """copy=True is a copy of one's own; another dtype is one as well; copy=False refuses to make any."""
    copied = np.array(source)
    assert copied.flags.writeable and not np.shares_memory(copied, np.asarray(source))
    for other in (np.asarray(source, dtype="f4"), np.array(source, dtype="f4"), np.asarray(source, "f4", copy=True)):
        assert other.dtype == np.float32
        np.testing.assert_array_equal(other, ITEMS)
    with pytest.raises(ValueError):
        np.asarray(source, dtype="f4", copy=False)
    with pytest.raises(ValueError):
        np.array(source, dtype="f4", copy=False)


def test_dunder_array(source: Any) -> None:
    """Called as NumPy calls it."""
    view = source.__array__()
    assert np.shares_memory(view, np.asarray(source)) and not view.flags.writeable
    assert np.shares_memory(source.__array__(copy=False), view)
    assert np.shares_memory(source.__array__(np.dtype("f8"), copy=None), view)
    assert np.shares_memory(source.__array__("f8"), view)
    for copied in (source.__array__(copy=True), source.__array__("f8", copy=True), source.__array__(dtype="i8")):
        assert not np.shares_memory(copied, view)
        assert copied.flags.writeable
        np.testing.assert_array_equal(copied, ITEMS)
    assert source.__array__("i8").dtype == np.int64
    with pytest.raises(ValueError):
        source.__array__("f4", copy=False)
    with pytest.raises(TypeError):
        source.__array__("no such")


def test_a_copy_is_of_one_moment(folder: Path) -> None:
    """`__array__(copy=True)` takes a lease, as snapshot() does: not while somebody writes."""
    field = sharray.create("field", data=ITEMS, dir=folder)
    with field.write():
        with pytest.raises(sharray.WouldDeadlock):
            field.__array__(copy=True)
        np.asarray(field)


def test_functions_take_handles(source: Any) -> None:
    """Every function of NumPy does."""
    assert np.sum(source) == 66 and np.mean(source) == 5.5
    np.testing.assert_array_equal(np.concatenate([source, source]), np.concatenate([ITEMS, ITEMS]))
    np.testing.assert_array_equal(np.stack([source] * 2)[1], ITEMS)
    np.testing.assert_array_equal(np.add(source, 1), ITEMS + 1)
    out = np.zeros((3, 4))
    np.copyto(out, source)
    out[...] = source
    np.testing.assert_array_equal(out, ITEMS)


def test_memoryview(source: Any) -> None:
    """A read-only buffer with shape, strides and format, over the same bytes."""
    view = memoryview(source)
    assert view.readonly and view.shape == (3, 4) and view.format == "d" and view.itemsize == 8
    assert view.strides == np.asarray(source).strides
    assert view.tolist() == ITEMS.tolist()
    assert address(np.asarray(view)) == address(np.asarray(source))
    with pytest.raises(TypeError):
        view[0, 0] = 1
    view.release()
    if np.asarray(source).flags.c_contiguous:
        assert bytes(source) == ITEMS.tobytes()


def test_what_wants_to_write(folder: Path) -> None:
    """Nobody gets a writeable buffer of a handle, and read-only ones live on beside a write."""
    import io

    field = sharray.create("field", data=ITEMS, dir=folder)
    with pytest.raises((TypeError, BufferError)):
        io.BytesIO(b"x" * 96).readinto(field)  # type: ignore[arg-type]
    view = memoryview(field)
    field[0, 0] = 42
    assert view[0, 0] == 42


@pytest.mark.parametrize("dtype", ["V3", [(("title", "a"), "i4")], "bfloat16", "M8[s]", "U3", "S3", ">i4", "c16", "f2", "?"])
def test_asarray_of_every_dtype(folder: Path, dtype: Any) -> None:
    """NumPy asks for a buffer first and believes its format: what that cannot tell must come another way, as a view."""
    import ml_dtypes

    dtype = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    for shape in ((), (3,), (2, 3)):
        field = sharray.create(f"field-{len(shape)}", shape, dtype, dir=folder)
        live = np.asarray(field)
        assert live.dtype == dtype and live.shape == shape
        assert address(live) == address(np.asarray(field))


def test_dlpack(source: Any) -> None:
    """A view for another library, read-only where that can be said, refused where it cannot."""
    view = np.from_dlpack(source)
    np.testing.assert_array_equal(view, ITEMS)
    assert address(view) == address(np.asarray(source)) and not view.flags.writeable
    device, number = source.__dlpack_device__()
    assert (int(device), number) == (1, 0)
    with pytest.raises(BufferError):
        source.__dlpack__()
    copied = np.from_dlpack(source, copy=True)
    assert not np.shares_memory(copied, view)


def test_dlpack_of_what_it_does_not_know(folder: Path) -> None:
    """A BufferError, as of an ndarray."""
    for at, dtype in enumerate(["M8[s]", "S3", ">f8", [("a", "i4")]]):
        with pytest.raises(BufferError):
            np.from_dlpack(sharray.create(f"field-{at}", 3, dtype, dir=folder))


def test_as_memmap(folder: Path) -> None:
    """A true np.memmap on the payload: of the whole, and of a part, in each mode."""
    for order in "CF":
        field = sharray.create(f"field-{order}", data=ITEMS, order=order, dir=folder)
        whole = field.as_memmap()
        assert type(whole) is np.memmap and whole.mode == "r" and not whole.flags.writeable
        np.testing.assert_array_equal(whole, ITEMS)
        info = sharray.inspect(f"field-{order}", dir=folder)
        assert Path(whole.filename) == info.path and whole.offset == info.data_offset
        part = field[1:, ::-2].as_memmap()
        assert type(part) is np.memmap
        np.testing.assert_array_equal(part, ITEMS[1:, ::-2])
        shared = field.as_memmap("r+")
        shared[0, 0] = 99
        private = field.as_memmap(mode="c")
        private[0, 1] = -1
        assert field.snapshot()[0, :2].tolist() == [99, 1] == whole[0, :2].tolist()
        field[1, 1] = 50
        assert whole[1, 1] == 50 == field[1].as_memmap()[1]
        field.close()
        sharray.unlink(f"field-{order}", dir=folder)
        assert whole[0, 0] == 99
        shared.flush()
    field = sharray.create("field", data=ITEMS, dir=folder)
    for mode in ("w+", "w", "x"):
        with pytest.raises(ValueError):
            field.as_memmap(mode)
    assert isinstance(sharray.create("scalar", data=3.0, dir=folder).as_memmap(), np.ndarray)
    assert sharray.create("small", data=np.arange(3, dtype="u1"), dir=folder)[1:].as_memmap().tolist() == [1, 2]


def test_as_memmap_of_nothing(folder: Path) -> None:
    """An array without items has nothing to map: it is told, or it is an array without items."""
    field = sharray.create("field", (3, 0), dir=folder)
    try:
        assert field.as_memmap().shape == (3, 0)
    except ValueError:
        pass
    part = sharray.create("other", (3, 4), dir=folder)[3:]
    assert part.as_memmap().shape == (0, 4)


def test_dask_tokens(folder: Path) -> None:
    """The same for the same items, another one after a write, for another part and for another array; and the items are
    not read: a token can be had while somebody writes."""
    from dask.base import tokenize

    field, other = sharray.create("field", data=ITEMS, dir=folder), sharray.attach("field", dir=folder)
    before = tokenize(field)
    assert before == tokenize(field) == tokenize(other)
    assert tokenize(field[1:]) == tokenize(other[1:3]) != before
    assert tokenize(field[...]) == before
    field[0, 0] = 5
    after = tokenize(field)
    assert after != before and after == tokenize(other)
    with field.write():
        assert tokenize(field) != after
    copied = sharray.create("copied", data=ITEMS, dir=folder)
    assert tokenize(copied) != tokenize(sharray.create("again", data=ITEMS, dir=folder))


def test_repr(folder: Path) -> None:
    """One line that tells what it is."""
    field = sharray.create("sim/field", (3, 4), "f4", dir=folder)
    assert repr(field) == '<sharray.Array "sim/field": float32 (3, 4)>'
    assert repr(field[1:]) == '<sharray.Array part of "sim/field": float32 (2, 4)>'
    publisher = sharray.publish("stream", 3, "i2", dir=folder)
    subscriber = sharray.subscribe("stream", dir=folder)
    publisher.publish(1)
    for it, words in [
        (publisher, ["Publisher", "stream", "int16", "(3,)"]),
        (subscriber, ["Subscriber", "stream", "int16", "(3,)"]),
        (subscriber.latest(), ["Frame", "1", "stream"]),
        (publisher.loan(), ["Loan", "stream"]),
        (field.read(), ["Read", "sim/field"]),
        (sharray.cell("pose", np.zeros(3), dir=folder), ["Cell", "pose", "float64", "(3,)"]),
        (sharray.cell("pose", dir=folder).writer(), ["CellWriter", "pose"]),
        (sharray.create("other", 3, dir=folder).write(), ["Write", "other"]),
    ]:
        assert all(word in repr(it) for word in words) and "\n" not in repr(it), repr(it)


def test_generic_aliases(folder: Path) -> None:
    """Annotations are evaluated: Array[...] is one."""
    for it in (sharray.Array, sharray.Publisher, sharray.Subscriber, sharray.Frame, sharray.Cell):
        assert it[np.float64] is not None


def test_signatures() -> None:
    """help() shows the arguments of everything."""
    for name in ("create", "attach", "open", "publish", "subscribe", "cell", "list", "inspect", "unlink", "wait_any"):
        assert inspect.signature(getattr(sharray, name)).parameters
    assert "timeout" in inspect.signature(sharray.Array.read).parameters


def test_weak_references(folder: Path) -> None:
    """Handles can be referred to weakly, as caches do."""
    import weakref

    field = sharray.create("field", 3, dir=folder)
    reference = weakref.ref(field)
    assert reference() is field
    del field
    assert reference() is None
