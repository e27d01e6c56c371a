""".npy files: mapped, written whole, and made named arrays and back."""

from __future__ import annotations

import io
import signal
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sharray
from helpers import Child, resident_kib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ARRAYS = {
    "complex": np.linspace(0, 1, 1001).astype("c16"),
    "big-endian": np.arange(12.0).reshape(3, 4).astype(">f8"),
    "fortran": np.asfortranarray(np.arange(60, dtype="u2").reshape(3, 4, 5)),
    "strided": np.arange(100)[::7],
    "transposed": np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
    "bool": np.zeros((5, 7), "?"),
    "dates": np.arange("2000-01-01", "2000-02-01", dtype="M8[D]"),
    "struct": np.zeros(3, [("name", "S5"), ("at", ">f4", (3,)), ("inner", [("x", "u1"), ("y", "i8")])]),
    "padded": np.zeros(3, np.dtype([("x", "u1"), ("y", "f8")], align=True)),
    "no dimensions": np.array(1.5, "f4"),
    "no items": np.zeros((0, 3)),
    "text": np.array(["two", "words"]),
    "bytes": np.array([b"two", b"words"]),
    "opaque": np.array([b"abc"], "V3"),
}


def saved(array: Any) -> bytes:
    """What `numpy.save` writes."""
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


@pytest.mark.parametrize("name", ARRAYS)
def test_what_is_saved_is_what_numpy_saves(tmp_path: Path, name: str) -> None:
    path = tmp_path / "array.npy"
    sharray.save_npy(path, ARRAYS[name])
    assert path.read_bytes() == saved(ARRAYS[name])


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("name", ARRAYS)
def test_it_is_mapped_as_numpy_maps_it(tmp_path: Path, name: str, mode: Any) -> None:
    path = tmp_path / "array.npy"
    np.save(path, ARRAYS[name])
    ours, theirs = sharray.open_npy(path, mode), np.load(path, mmap_mode=mode)
    for told in ("shape", "dtype", "strides", "offset", "mode", "filename"):
        if not (told == "offset" and ours.size == 0):
            assert getattr(ours, told) == getattr(theirs, told), told
    assert ours.flags.writeable == theirs.flags.writeable
    assert ours.tobytes() == theirs.tobytes()
    assert path.read_bytes() == saved(ARRAYS[name])


def test_the_default_is_to_look_at(tmp_path: Path) -> None:
    sharray.save_npy(tmp_path / "array.npy", [1, 2, 3])
    assert sharray.open_npy(tmp_path / "array.npy").mode == "r"


def test_a_new_file_has_a_header(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    m = sharray.open_npy(path, "w+", dtype="i4", shape=(2, 3), order="F")
    m[...] = [[1, 2, 3], [4, 5, 6]]
    m.flush()
    assert path.read_bytes() == saved(np.array([[1, 2, 3], [4, 5, 6]], "i4", order="F"))
    assert sharray.open_npy(tmp_path / "other.npy", "w+", shape=3).dtype == np.float64


def test_w_plus_without_a_shape_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    """`numpy.load(mmap_mode="w+")` empties it, and then raises."""
    path = tmp_path / "array.npy"
    sharray.save_npy(path, [1, 2, 3])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="shape"):
        sharray.open_npy(path, "w+")
    assert path.read_bytes() == before
    with pytest.raises(TypeError):
        np.load(path, mmap_mode="w+")
    assert path.read_bytes() == b""


def test_what_is_asked_for_has_to_be_there(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    sharray.save_npy(path, np.zeros((2, 3), "f4"))
    assert sharray.open_npy(path, dtype="f4", shape=(2, 3), order="C").shape == (2, 3)
    wrong: list[dict[str, Any]] = [{"dtype": "f8"}, {"shape": (3, 2)}, {"order": "F"}]
    for options in wrong:
        with pytest.raises(sharray.Mismatch):
            sharray.open_npy(path, **options)


def test_small_floats_are_what_one_says_they_are(tmp_path: Path) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    path = tmp_path / "array.npy"
    sharray.save_npy(path, np.ones(3, ml_dtypes.bfloat16))
    assert sharray.open_npy(path, dtype=ml_dtypes.bfloat16).sum() == 3


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_a_file_that_lost_something_is_refused(tmp_path: Path, mode: Any) -> None:
    path = tmp_path / "array.npy"
    whole = saved(np.arange(6.0))
    for length in (len(whole) - 1, len(whole) - 48):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError) as raised:
            sharray.open_npy(path, mode)
        assert isinstance(raised.value, sharray.Truncated)
        assert path.read_bytes() == whole[:length]
    with pytest.raises(sharray.MissingFile):
        sharray.open_npy(tmp_path / "nothing.npy", mode)


def header(text: str, version: int = 1) -> bytes:
    """The start of a file whose header says this."""
    data = text.encode("latin1")
    length = len(data).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + data


HOSTILE = {
    "nothing": b"",
    "no magic": b"x" * 200,
    "half a magic": b"\x93NUM",
    "half a header": saved(np.zeros(3))[:60],
    "a version to come": b"\x93NUMPY\x09\x00" + bytes(200),
    "four gigabytes of header": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b" " * 1000,
    "objects": saved(np.array([None])),
    "objects in a field": header("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,)}") + bytes(8),
    "a huge shape": header("{'descr': '<f8', 'fortran_order': False, 'shape': (%d, %d)}" % (1 << 62, 1 << 62)),
    "a shape of many digits": header("{'descr': '<f8', 'fortran_order': False, 'shape': (%s,)}" % ("9" * 5000)),
    "a length below zero": header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"),
    "many dimensions": header("{'descr': '<f8', 'fortran_order': False, 'shape': (%s)}" % ("1," * 1000)),
    "many lists": header("{'descr': %s, 'fortran_order': False, 'shape': (1,)}" % ("[" * 20_000), 2),
    "many powers": header("{'descr': '<f8', 'fortran_order': False, 'shape': (9**9**9**9,)}"),
    "code": header("{'descr': __import__('os').abort(), 'fortran_order': False, 'shape': (1,)}"),
    "many fields": header(
        "{'descr': [%s], 'fortran_order': False, 'shape': (1,)}" % "".join(f"('a{i}', '|u1')," for i in range(50_000)),
        2,
    ),
    "wide items": header("{'descr': '|V%d', 'fortran_order': False, 'shape': (1,)}" % (1 << 62)),
    "zero-width items": header("{'descr': '|V0', 'fortran_order': False, 'shape': (10,)}"),
    "a missing key": header("{'descr': '<f8', 'shape': (1,)}"),
    "a key too many": header("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'x': 1}"),
    "zeros": bytes(5000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_is_a_value_error_soon_and_in_little_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / "hostile.npy"
    path.write_bytes(HOSTILE[name])
    before, start = resident_kib(what="VmHWM"), time.monotonic()
    for mode in ("r", "r+", "c"):
        with pytest.raises(ValueError):
            sharray.open_npy(path, mode)  # type: ignore[call-overload]
    with pytest.raises(ValueError):
        sharray.import_npy(path, "hostile", dir=tmp_path / "arrays")
    assert time.monotonic() - start < 2
    assert resident_kib(what="VmHWM") - before < 32 << 10
    assert path.read_bytes() == HOSTILE[name]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 127), st.integers(0, 255)), min_size=1, max_size=8))
def test_any_damage_of_a_header_is_an_error_or_what_numpy_reads(
    tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    path = tmp_path / "damaged.npy"
    damaged = bytearray(saved(np.arange(6.0).reshape(2, 3)))
    for place, byte in changes:
        damaged[place] = byte
    path.write_bytes(damaged)
    try:
        ours = sharray.open_npy(path)
    except ValueError:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = np.load(path, mmap_mode="r")
    assert (ours.shape, ours.dtype, ours.tobytes()) == (theirs.shape, theirs.dtype, theirs.tobytes())


DTYPES = st.sampled_from(["u1", ">i2", "f4", "c8", "M8[s]", "S3", "U2", "V5", [("a", "u1"), ("b", ">f8", (2,))]])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dtype=DTYPES,
    shape=st.lists(st.integers(0, 4), max_size=5).map(tuple),
    axes=st.randoms(use_true_random=False),
    step=st.sampled_from([1, 2, -1]),
)
def test_any_array_is_saved_as_numpy_saves_it(
    tmp_path: Path, dtype: Any, shape: tuple[int, ...], axes: Any, step: int
) -> None:
    order = list(range(len(shape)))
    axes.shuffle(order)
    items = np.zeros(shape, dtype)
    if dtype != "U2":  # not any four bytes are a character
        contents = bytes(i * 7 % 251 for i in range(items.nbytes))
        items = np.ndarray(items.shape, items.dtype, bytearray(contents) or None)
    array = items.transpose(order)
    if array.ndim:
        array = array[::step]
    path = tmp_path / "any.npy"
    sharray.save_npy(path, array)
    assert path.read_bytes() == saved(array)
    again = sharray.open_npy(path)
    assert (again.shape, again.dtype) == (array.shape, array.dtype)


def test_objects_are_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    sharray.save_npy(path, [1, 2, 3])
    before = path.read_bytes()
    things: list[Any] = [np.array([None]), np.array(["a"], np.dtypes.StringDType())]
    for thing in things:
        with pytest.raises(sharray.UnsupportedDtype):
            sharray.save_npy(path, thing)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["array.npy"], "nothing is left beside it"


def test_saving_kills_nobody_who_has_the_old_file_mapped(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    sharray.save_npy(path, np.arange(100_000.0))
    mapper = Child('m = np.load(folder, mmap_mode="r"); tell("mapped"); hear(); tell(m[-1])', path)
    mapper.expect("mapped")
    sharray.save_npy(path, np.zeros(3))
    mapper.tell("go on")
    mapper.expect("99999.0")
    mapper.succeed()
    assert np.load(path).shape == (3,)


# Named arrays


class Bar:
    """What tqdm's bars have, as far as it matters."""

    def __init__(self, total: int | None = None) -> None:
        self.total = total
        self.n = 0

    def update(self, n: int) -> None:
        assert n > 0
        self.n += n


@pytest.mark.parametrize("name", ARRAYS)
def test_a_file_becomes_a_named_array_and_back(folder: Path, name: str) -> None:
    array = ARRAYS[name]
    (folder / "in.npy").write_bytes(saved(array))
    field = sharray.import_npy(folder / "in.npy", "field", dir=folder / "arrays")
    assert (field.shape, field.dtype) == (array.shape, array.dtype)
    assert field.snapshot().tobytes() == array.tobytes()
    assert sharray.attach("field", dir=folder / "arrays").shape == array.shape
    field.export_npy(folder / "out.npy")
    assert (folder / "out.npy").read_bytes() == saved(array)


def test_raw_files_too(folder: Path) -> None:
    items = np.arange(12, dtype=">i4").reshape((3, 4), order="F")
    (folder / "in.dat").write_bytes(b"head" + items.tobytes(order="F"))
    field = sharray.import_raw(folder / "in.dat", "field", (3, 4), ">i4", offset=4, order="F", dir=folder / "arrays")
    assert (field.snapshot() == items).all()
    assert field.order == "F"
    field.export_raw(folder / "out.dat")
    assert (folder / "out.dat").read_bytes() == items.tobytes(order="F")
    with pytest.raises(sharray.Truncated):
        sharray.import_raw(folder / "in.dat", "other", (4, 4), ">i4", dir=folder / "arrays")
    assert [info.name for info in sharray.list(dir=folder / "arrays")] == ["field"]


@pytest.mark.parametrize("total", [None, 7])
def test_progress_is_told_in_bytes(folder: Path, total: int | None) -> None:
    path = folder / "in.npy"
    np.save(path, np.zeros(1 << 20))
    bars = [Bar(total) for _ in range(3)]
    field = sharray.import_npy(path, "field", progress=bars[0], dir=folder / "arrays")
    field.export_npy(folder / "out.npy", progress=bars[1])
    field.export_raw(folder / "out.dat", progress=bars[2])
    for bar in bars:
        assert (bar.n, bar.total) == (8 << 20, total or 8 << 20)


def test_what_progress_raises_is_raised(folder: Path) -> None:
    class Broken:
        def update(self, n: int) -> None:
            raise KeyError("broken")

    field = sharray.create("field", data=np.zeros(1000), dir=folder)
    with pytest.raises(KeyError, match="broken"):
        field.export_npy(folder / "out.npy", progress=Broken())
    assert np.load(folder / "out.npy").shape == (1000,)


def test_errors_of_files_and_of_names(folder: Path) -> None:
    np.save(folder / "in.npy", np.zeros(3))
    place = folder / "arrays"
    with pytest.raises(FileNotFoundError):
        sharray.import_npy(folder / "nothing.npy", "field", dir=place)
    field = sharray.import_npy(folder / "in.npy", "field", attributes={"unit": "m"}, dir=place)
    assert field.attributes == {"unit": "m"}
    with pytest.raises(sharray.AlreadyExists):
        sharray.import_npy(folder / "in.npy", "field", dir=place)
    with pytest.raises(TypeError, match="part"):
        field[:2].export_npy(folder / "part.npy")
    with pytest.raises(FileNotFoundError):
        field.export_npy(folder / "no folder" / "out.npy")


def test_a_named_array_on_a_disk_is_scanned_as_a_file(tmp_path: Path) -> None:
    field = sharray.create("field", data=np.ones((100, 10)), dir=tmp_path)
    info = sharray.inspect("field", dir=tmp_path)
    m = sharray.memmap(info.path, info.dtype, "r", info.data_offset, info.shape, "C")
    assert sum(block.sum() for block in m.blocks(7)) == 1000
    assert field.shape == m.shape


def test_a_killed_saver_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    sharray.save_npy(path, [1, 2, 3])
    before = path.read_bytes()
    saver = Child(
        """
        a = np.zeros(1 << 24)
        tell("ready")
        while True:
            sharray.save_npy(folder, a)
        """,
        path,
    )
    saver.expect("ready")
    time.sleep(0.005)
    saver.signal(signal.SIGKILL)
    saver.end()
    found = path.read_bytes()
    assert found == before or len(found) == 128 + (8 << 24)
