"""Every dtype that the format knows goes through every door, byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import sharray

NUMBERS = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"]
TIMES = [f"{kind}8[{unit}]" for kind in "mM" for unit in [*UNITS, "25s", "7D"]] + ["m8", "M8"]
TEXTS = ["S1", "S7", "U1", "U5", "V1", "V16", "V3"]
SMALL_FLOATS = [
    "bfloat16",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
]

STRUCTURED = {
    "packed": [("id", "u2"), ("position", "<f8"), ("flag", "?")],
    "aligned": np.dtype([("id", "u1"), ("position", "f8"), ("flag", "?")], align=True),
    "nested": [("pose", [("x", ">f4"), ("y", "<f4")]), ("tag", "S5"), ("when", "M8[us]")],
    "sub-arrays": [("matrix", "f4", (3, 2)), ("row", "u1", 5), ("deep", [("a", "c8", (2,))], (2, 2))],
    "titles": [(("the first", "a"), "i4"), (("the second", "b"), "U3")],
    "gaps": {"names": ["a", "b"], "formats": ["u1", "i4"], "offsets": [3, 12], "itemsize": 24},
    "small floats": [("weight", ml_dtypes.bfloat16), ("rest", ml_dtypes.float8_e4m3fn, (3,))],
    "one": [("only", "V4")],
    "names": [("größe", "f8"), ("a b", "i1"), ("it's", "i2")],
}

ALL: list[Any] = [
    *(np.dtype(code) for code in [*NUMBERS, *TIMES, *TEXTS]),
    *(np.dtype(code).newbyteorder(">") for code in [*NUMBERS, "U5", "M8[ns]", "m8[25s]"]),
    *(np.dtype(getattr(ml_dtypes, name)) for name in SMALL_FLOATS),
    *(np.dtype(told) for told in STRUCTURED.values()),
]
SHAPES: list[tuple[int, ...]] = [(), (5,), (3, 4), (0,), (2, 0, 3), (2, 3, 4)]


def items(dtype: np.dtype[Any], shape: tuple[int, ...], seed: int = 0) -> np.ndarray[Any, Any]:
    """Arbitrary bytes of a dtype: also those that are no value that anybody would write, as a NaN with a payload."""
    count = int(np.prod(shape)) * dtype.itemsize
    random = np.random.default_rng(seed).integers(0, 256, count, dtype="u1")
    if dtype.kind in "bU" or dtype.names is not None:
        # A truth is one of two bytes, and a letter one of some.
        random &= 1
    if dtype.kind == "U":
        # A letter has four bytes, the first or the last of which are the low ones.
        random[:] = np.frombuffer((random[: count // 4].astype(dtype.byteorder + "u4") + 0x391).tobytes(), "u1")
    return np.frombuffer(random.tobytes(), dtype).reshape(shape) if count else np.zeros(shape, dtype)


def assert_same(found: Any, expected: np.ndarray[Any, Any]) -> None:
    found = np.asanyarray(found)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    if expected.dtype.names is None:
        assert found.tobytes() == expected.tobytes()
        return
    # What stands between fields is nobody's.
    for name in expected.dtype.names:
        assert_same(found[name], expected[name])


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_in_place(folder: Path, dtype: np.dtype[Any]) -> None:
    """What is created, attached, read, written and copied is the same dtype and the same bytes, in either order, without
    dimensions, and without items."""
    for at, (shape, order) in enumerate((shape, order) for shape in SHAPES for order in "CF"):
        name, first, second = f"array-{at}", items(dtype, shape), items(dtype, shape, seed=1)
        created = sharray.create(name, data=first, order=order, dir=folder)
        attached = sharray.attach(name, dir=folder)
        for handle in (created, attached, sharray.attach(name, mode="r", dir=folder)):
            assert (handle.dtype, handle.shape, handle.order, handle.ndim) == (dtype, shape, order, len(shape))
            assert_same(handle.snapshot(), first)
            assert_same(np.asarray(handle), first)
            with handle.read() as array:
                assert_same(array, first)
                expected = np.zeros(shape, dtype, order=order)
                assert array.strides == expected.strides or array.size == 0
        with attached.write() as array:
            array[...] = second
        assert_same(created.snapshot(), second)
        attached[...] = first
        assert_same(created[...].snapshot(), first)
        assert_same(created.as_memmap() if first.size else first, first)
        info = sharray.inspect(name, dir=folder)
        assert (info.dtype, info.shape, info.order) == (dtype, shape, order)
        empty = sharray.create(f"empty-{at}", shape, dtype, order=order, dir=folder)
        assert_same(empty.snapshot(), np.zeros(shape, dtype))


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_in_streams(folder: Path, dtype: np.dtype[Any]) -> None:
    """Frames of every dtype arrive as they were published."""
    for at, (shape, order) in enumerate((shape, order) for shape in SHAPES for order in "CF"):
        first, second = items(dtype, shape), items(dtype, shape, seed=1)
        name = f"stream-{at}"
        with (
            sharray.publish(name, shape, dtype, order=order, dir=folder) as publisher,
            sharray.subscribe(name, dir=folder) as subscriber,
        ):
            assert (subscriber.dtype, subscriber.shape, subscriber.order) == (dtype, shape, order)
            assert publisher.publish(first) == 1
            with publisher.loan() as array:
                assert array.dtype == dtype and array.shape == shape
                array[...] = second
            assert_same(array, second)
            one, two = subscriber.recv(timeout=0), subscriber.recv(timeout=0)
            assert one is not None and two is not None
            assert_same(one.array, first)
            assert_same(two.array, second)
            assert_same(np.asarray(one), first)
            copying = sharray.subscribe(name, mode="r", dir=folder)
            assert_same(copying.latest().array, second)  # type: ignore[union-attr]


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_in_cells(folder: Path, dtype: np.dtype[Any]) -> None:
    """Cells of every dtype load what was stored."""
    for at, shape in enumerate([(), (5,), (2, 3)]):
        first, second = items(dtype, shape), items(dtype, shape, seed=1)
        cell = sharray.cell(f"cell-{at}", first, dir=folder)
        other = sharray.cell(f"cell-{at}", dir=folder)
        assert (other.dtype, other.shape) == (dtype, shape)
        # Without dimensions a scalar comes, which knows of no byte order and no titles.
        assert_same(np.asarray(other.load(), dtype), first)
        assert isinstance(other.load(), np.ndarray if shape else dtype.type)
        cell.store(second)
        assert_same(np.asarray(other.load(), dtype), second)
        with other.writer() as writer:
            writer.store(first)
        if shape:
            assert_same(cell.load(), first)


@pytest.mark.parametrize(
    "dtype",
    [
        object,
        "O",
        np.dtypes.StringDType(),
        np.dtypes.StringDType(na_object=None),
        [("a", "i4"), ("b", object)],
        [("a", "O", (2,))],
        "S0",
        "U0",
        "V0",
        [],
        [("a", "S0")],
        # A .npy header tells fields one after the other.
        np.dtype({"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [4, 0]}),
        np.dtype({"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [0, 2]}),
        [("outer", {"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [4, 0]})],
        np.longdouble,
        np.clongdouble,
        ml_dtypes.int4,
        str,
        bytes,
    ],
    ids=str,
)
def test_what_cannot_be_shared(folder: Path, dtype: Any) -> None:
    """References mean nothing to another process, and items without a width or with one that differs between machines
    cannot be told: refused, by every door, as a TypeError, and nothing is left behind."""
    for make in (
        lambda: sharray.create("refused", (3,), dtype, dir=folder),
        lambda: sharray.open("refused", (3,), dtype, dir=folder),
        lambda: sharray.publish("refused", (3,), dtype, dir=folder),
        # NumPy makes text without a width as wide as it has to be.
        *([lambda: sharray.cell("refused", np.zeros(3, dtype), dir=folder)] if np.zeros(1, dtype).dtype == dtype else []),
    ):
        with pytest.raises(sharray.UnsupportedDtype) as raised:
            make()
        assert isinstance(raised.value, TypeError) and isinstance(raised.value, sharray.Error)
    assert sharray.list(dir=folder) == []


def test_no_dtype_at_all(folder: Path) -> None:
    """What NumPy does not take for a dtype, nobody does."""
    with pytest.raises(TypeError):
        sharray.create("refused", (3,), "no such", dir=folder)
    with pytest.raises(sharray.UnsupportedDtype):
        sharray.create("refused", data=["a", object()], dir=folder)
    with pytest.raises(TypeError):
        sharray.create("refused", dir=folder)  # type: ignore[call-overload]


def test_the_default_is_float64(folder: Path) -> None:
    """As everywhere in NumPy."""
    assert sharray.create("array", 3, dir=folder).dtype == np.float64
    assert sharray.create("from-data", data=[1, 2], dir=folder).dtype == np.int64
    assert sharray.create("cast", dtype="f4", data=[1, 2], dir=folder).dtype == np.float32
    assert sharray.publish("stream", 3, dir=folder).dtype == np.float64


def test_spellings(folder: Path) -> None:
    """A dtype may be told in every way that NumPy knows."""
    spellings = [float, "float64", "d", "=f8", np.float64, np.dtype("f8"), "<f8"]
    for at, spelling in enumerate(spellings):
        assert sharray.create(f"array-{at}", (2,), spelling, dir=folder).dtype == np.dtype("f8")
    # Native and little-endian are one thing here.
    assert sharray.open("array-0", (2,), "<f8", dir=folder).dtype.isnative
    with pytest.raises(sharray.Mismatch):
        sharray.open("array-0", (2,), ">f8", dir=folder)


def test_32_dimensions(folder: Path) -> None:
    """As many as the format has; NumPy has 64, which are refused."""
    shape = (1,) * 30 + (2, 3)
    field = sharray.create("field", data=np.arange(6, dtype="u1").reshape(shape), dir=folder)
    assert sharray.attach("field", dir=folder).snapshot().shape == shape
    assert field[..., 1, :].shape == (1,) * 30 + (3,)
    with pytest.raises(sharray.TooManyDimensions) as raised:
        sharray.create("more", (1,) * 33, "u1", dir=folder)
    assert isinstance(raised.value, ValueError)


def test_numpy_alone_reads_the_file(folder: Path) -> None:
    """The end of the file is a .npy file: np.load reads it, and np.memmap maps it, with what inspect() tells."""
    for at, dtype in enumerate(ALL):
        expected = items(np.dtype(dtype), (3, 4))
        sharray.create(f"array-{at}", data=expected, order="F", dir=folder)
        info = sharray.inspect(f"array-{at}", dir=folder)
        with open(info.path, "rb") as file:
            file.seek(info.npy_offset)
            loaded = np.load(file)
        mapped = np.memmap(info.path, info.dtype, "r", info.data_offset, info.shape, info.order)
        assert_same(mapped, expected)
        if loaded.dtype == expected.dtype:
            assert_same(loaded, expected)
        else:
            # To NumPy alone, a bfloat16 is two bytes.
            assert loaded.view(dtype).tobytes() == expected.tobytes()
