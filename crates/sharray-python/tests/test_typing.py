"""What type checkers make of programs that use the package.

mypy and pyright read this file, and fail if a type is not the one that is asserted. pytest only runs what can be run: it
sees that the types are told truly.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import sharray

if TYPE_CHECKING:
    from typing_extensions import assert_type

    def arrays(place: Path, name: str) -> None:
        assert_type(sharray.create("a", 3), sharray.Array[np.float64])
        assert_type(sharray.create("a", (2, 3), np.uint8), sharray.Array[np.uint8])
        assert_type(sharray.create("a", (2, 3), np.dtype(np.int16)), sharray.Array[np.int16])
        assert_type(sharray.create("a", [2, 3], "f4"), sharray.Array[Any])
        assert_type(sharray.create("a", [2, 3], [("x", "f4")]), sharray.Array[Any])
        assert_type(sharray.create("a", data=np.zeros(3, np.complex64)), sharray.Array[np.complex64])
        assert_type(sharray.create("a", dtype=np.int8, data=[1, 2]), sharray.Array[np.int8])
        assert_type(sharray.create("a", data=[1.0, 2.0]), sharray.Array[Any])
        assert_type(sharray.open("a", (2, 3)), sharray.Array[np.float64])
        assert_type(sharray.open("a", (2, 3), np.int32, dir=place), sharray.Array[np.int32])
        assert_type(sharray.open("a", (2, 3), "i4"), sharray.Array[Any])
        # A table would be one, too: neither has to be told apart by those who know what they attach to.
        assert_type(sharray.attach("a", mode="r", wait=1.0), sharray.Array[Any] | Any)

        field = sharray.create(name, (4, 5), np.float32, dir=sharray.Directory(place))
        assert_type(field[1:3, ..., None], sharray.Array[np.float32])
        assert_type(field.snapshot(), npt.NDArray[np.float32])
        assert_type(field.dtype, np.dtype[np.float32])
        assert_type(np.asarray(field), npt.NDArray[np.float32])
        for rows in field.chunks(10):
            assert_type(rows, npt.NDArray[np.float32])
        assert_type(field.as_memmap(), np.memmap[Any, np.dtype[np.float32]])
        field[1] = [1, 2, 3, 4, 5]
        with field.read(timeout=1) as a:
            assert_type(a, npt.NDArray[np.float32])
        with field[0].write() as a:
            assert_type(a, npt.NDArray[np.float32])
        with sharray.attach(name) as whatever:
            assert_type(whatever, sharray.Array[Any] | Any)

    def streams() -> None:
        with sharray.publish("camera", (480, 640), np.uint16) as camera:
            assert_type(camera, sharray.Publisher[np.uint16])
            loan = camera.loan(timeout=0.5, tags=(1, 2))
            with loan as image:
                assert_type(image, npt.NDArray[np.uint16])
            assert_type(loan.sequence, int | None)
            assert_type(camera.publish(np.zeros((480, 640))), int)
        assert_type(sharray.publish("camera"), sharray.Publisher[Any])
        assert_type(sharray.publish("camera", 3), sharray.Publisher[np.float64])
        viewer: sharray.Subscriber[np.uint16] = sharray.subscribe("camera", wait=10)
        for frame in viewer:
            assert_type(frame, sharray.Frame[np.uint16])
            assert_type(frame.array, npt.NDArray[np.uint16])
            assert_type(frame.tags, tuple[int, int])
        for frame in viewer.frames(timeout=1):
            assert_type(frame, sharray.Frame[np.uint16])
        newest = viewer.latest()
        assert_type(newest, sharray.Frame[np.uint16] | None)
        assert_type(sharray.wait_any([viewer]), list[sharray.Subscriber[np.uint16]])

    def plain_files(path: Path) -> None:
        assert_type(sharray.memmap(path), sharray.memmap[Any, np.dtype[np.uint8]])
        assert_type(sharray.memmap(path, np.float32, "r"), sharray.memmap[Any, np.dtype[np.float32]])
        assert_type(sharray.memmap(path, "f4", "w+", shape=(2, 3)), sharray.memmap[Any, np.dtype[Any]])
        assert_type(sharray.open_npy(path, "r+"), sharray.memmap[Any, np.dtype[Any]])
        assert_type(sharray.open_npy(path, dtype=np.int8), sharray.memmap[Any, np.dtype[np.int8]])
        with sharray.memmap(path, np.float32) as m:
            assert_type(m, sharray.memmap[Any, np.dtype[np.float32]])
            for block in m.blocks(10):
                assert_type(block, sharray.memmap[Any, np.dtype[np.float32]])
        as_numpy_calls_it: np.memmap[Any, np.dtype[np.float32]] = m
        sharray.save_npy(path, as_numpy_calls_it)
        assert_type(sharray.import_npy(path, "a"), sharray.Array[Any])
        assert_type(sharray.import_raw(path, "a", 3), sharray.Array[np.float64])
        assert_type(sharray.import_raw(path, "a", 3, np.int8), sharray.Array[np.int8])

    async def asynchronous() -> None:
        async for frame in sharray.subscribe("camera"):
            assert_type(frame, sharray.Frame[Any])

    def cells() -> None:
        assert_type(sharray.cell("c", np.zeros(3)).load(), npt.NDArray[np.float64])
        assert_type(sharray.cell("c", 1.5).load(), np.float64)
        assert_type(sharray.cell("c", 1).load(), np.int64)
        assert_type(sharray.cell("c", np.uint8(1)).load(), np.uint8)
        assert_type(sharray.cell("c"), sharray.Cell[Any])
        gain: sharray.Cell[np.float64] = sharray.cell("gain", wait=1)
        with gain.writer() as writer:
            writer.store(2.0)

    def places(place: Path) -> None:
        assert_type(sharray.list(dir=place), list[sharray.Info])
        assert_type(sharray.inspect("a").participants, list[sharray.Participant])
        assert_type(sharray.Directory(place).list(), list[sharray.Info])
        assert_type(sharray.collect_garbage(), list[str])
        try:
            sharray.unlink("a")
        except sharray.NotFound as error:
            assert_type(error.directory, Path)
        except sharray.Poisoned as error:
            assert_type(error.block, int)


def test_classes_take_parameters() -> None:
    """Annotations are evaluated when somebody asks for them."""
    generics: list[Any] = [
        sharray.Array,
        sharray.Cell,
        sharray.Frame,
        sharray.Loan,
        sharray.Publisher,
        sharray.Read,
        sharray.Subscriber,
        sharray.Write,
        sharray.memmap,
    ]
    for generic in generics:
        assert generic[Any].__origin__ is generic


def test_a_cell_loads_what_its_type_says(tmp_path: Path) -> None:
    assert type(sharray.cell("float", 1.5, dir=tmp_path).load()) is np.float64
    assert type(sharray.cell("int", 1, dir=tmp_path).load()) is np.int64
    assert type(sharray.cell("bool", True, dir=tmp_path).load()) is np.bool
    assert type(sharray.cell("scalar", np.uint8(1), dir=tmp_path).load()) is np.uint8
    assert type(sharray.cell("array", np.zeros(3), dir=tmp_path).load()) is np.ndarray


def test_errors_have_the_attributes_that_their_classes_declare(tmp_path: Path) -> None:
    try:
        sharray.attach("nothing", dir=tmp_path)
    except sharray.NotFound as error:
        assert (error.name, error.directory) == ("nothing", tmp_path)
    sharray.create("field", 3, dir=tmp_path)
    try:
        sharray.open("field", 4, dir=tmp_path)
    except sharray.Mismatch as error:
        assert isinstance(error.expected, str)
        assert isinstance(error.found, str)


def test_errors_of_the_binding_itself_have_their_name(tmp_path: Path) -> None:
    field = sharray.create("field", 3, dir=tmp_path)
    told = pickle.dumps(field)
    sharray.unlink("field", dir=tmp_path)
    sharray.create("field", 3, dir=tmp_path)
    for error, ask in ((sharray.Replaced, lambda: pickle.loads(told)), (sharray.Closed, field.snapshot)):
        field.close()
        try:
            ask()
        except (sharray.Replaced, sharray.Closed) as raised:
            assert (type(raised), raised.name) == (error, "field")
        else:
            raise AssertionError(f"no {error.__name__}")
