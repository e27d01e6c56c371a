"""Plain files as arrays: what ``numpy.memmap`` does, and what it leaves out."""

from __future__ import annotations

import gc
import os
import pickle
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sharray
from helpers import Child, descriptors, resident_kib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MODES = ("r", "r+", "w+", "c")


def numbers(path: Path, count: int = 6, dtype: str = "f8") -> np.ndarray[Any, Any]:
    """Writes a file of numbers."""
    items = np.arange(count).astype(dtype)
    items.tofile(path)
    return items


def mappings() -> str:
    return Path("/proc/self/maps").read_text(encoding="utf-8")


# What a drop-in has to be


def test_it_is_a_memmap_with_its_attributes(tmp_path: Path) -> None:
    path = tmp_path / "data.dat"
    numbers(path)
    for told in (path, str(path)):
        ours, theirs = sharray.memmap(told, "f8", "r", 8), np.memmap(told, "f8", "r", 8)
        assert isinstance(ours, np.memmap)
        for name in ("filename", "offset", "mode", "dtype", "shape", "strides", "nbytes"):
            assert getattr(ours, name) == getattr(theirs, name), name
            assert type(getattr(ours, name)) is type(getattr(theirs, name)), name
        assert ours.flags.writeable == theirs.flags.writeable
        assert repr(ours) == repr(theirs)
        assert (ours == theirs).all()
    assert (sharray.memmap(bytes(path), "f8") == np.memmap(bytes(path), "f8")).all()


def test_a_relative_path_is_told_as_an_absolute_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    numbers(Path("data.dat"))
    assert sharray.memmap("data.dat").filename == str(tmp_path / "data.dat")


@pytest.mark.parametrize("word", ["readonly", "readwrite", "copyonwrite", "write"])
def test_modes_have_words_too(tmp_path: Path, word: Any) -> None:
    numbers(tmp_path / "data.dat")
    ours = sharray.memmap(tmp_path / "data.dat", "f8", word, shape=3)
    theirs = np.memmap(tmp_path / "data.dat", "f8", word, shape=3)
    assert ours.mode == theirs.mode
    assert ours.flags.writeable == theirs.flags.writeable


def test_the_default_is_bytes_to_be_changed(tmp_path: Path) -> None:
    numbers(tmp_path / "data.dat", 4, "u1")
    m = sharray.memmap(tmp_path / "data.dat")
    m[2] = 9
    assert (m.dtype, m.mode) == (np.uint8, "r+")
    assert (tmp_path / "data.dat").read_bytes() == bytes([0, 1, 9, 3])


def test_writing_goes_where_the_mode_says(tmp_path: Path) -> None:
    path = tmp_path / "data.dat"
    numbers(path, 4, "u1")
    private = sharray.memmap(path, mode="c")
    private[0] = 7
    assert path.read_bytes()[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        sharray.memmap(path, mode="r")[0] = 7
    for way in ("flags", "view"):
        m = sharray.memmap(path, mode="r")
        with pytest.raises(ValueError, match="WRITEABLE"):
            (m if way == "flags" else m.view(np.ndarray)).flags.writeable = True


def test_a_file_object_keeps_its_file(tmp_path: Path) -> None:
    path = tmp_path / "data.dat"
    with path.open("wb+") as file:
        file.write(b"abcdefgh")
        m = sharray.memmap(file, mode="w+", shape=16)
        assert bytes(m[:8]) == b"abcdefgh", "what was written is seen, and nothing is replaced"
        assert m.filename == str(path)
    m[15] = 1
    assert path.stat().st_size == 16
    with path.open("rb") as file, pytest.raises(PermissionError):
        sharray.memmap(file, mode="r+")


def test_it_pickles_its_items(tmp_path: Path) -> None:
    numbers(tmp_path / "data.dat")
    m = sharray.memmap(tmp_path / "data.dat", "f8")
    again = pickle.loads(pickle.dumps(m))
    assert (again == m).all()
    assert type(again) is sharray.memmap
    assert again.filename is None


def test_what_is_computed_is_no_map(tmp_path: Path) -> None:
    numbers(tmp_path / "data.dat")
    m = sharray.memmap(tmp_path / "data.dat", "f8")
    assert type(m + 1) is np.ndarray
    assert type(m[[0, 1]]) is np.ndarray
    assert type(m.sum()) is np.float64
    assert type(m[1:]) is sharray.memmap
    assert type(m.reshape(2, 3).T) is sharray.memmap


def test_each_view_knows_its_file_as_numpy_s_do(tmp_path: Path) -> None:
    numbers(tmp_path / "data.dat", 60)
    ours, theirs = (each(tmp_path / "data.dat", "f8", shape=(3, 4, 5)) for each in (sharray.memmap, np.memmap))
    makes: list[Any] = [
        lambda m: m[1:],
        lambda m: m[1:][1:],
        lambda m: m[:0],
        lambda m: m[[0, 1]],
        lambda m: m[m > 5],
        lambda m: m.T.reshape(-1),
        lambda m: m.reshape(-1)[::7],
        lambda m: m.view("i8"),
        lambda m: m.copy(),
        lambda m: m + 1,
        lambda m: np.diagonal(m),
        lambda m: np.broadcast_to(m, (2, 3, 4, 5), subok=True),
        lambda m: np.lib.stride_tricks.as_strided(m, (2,), (8,), subok=True),
        lambda m: m.view([("x", "f4"), ("y", "f4")])["y"],
        lambda m: np.array(m, subok=True),
        lambda m: np.empty_like(m),
        lambda m: np.concatenate([m, m]),
        lambda m: m.sum(axis=0),
    ]
    for number, make in enumerate(makes):
        mine, yours = make(ours), make(theirs)
        assert isinstance(mine, sharray.memmap) == isinstance(yours, np.memmap), number
        for name in ("filename", "offset", "mode"):
            assert getattr(mine, name, 0) == getattr(yours, name, 0), (number, name)
        assert (getattr(mine, "_mmap", None) is None) == (getattr(yours, "_mmap", None) is None), number
        assert getattr(mine, "_mmap", None) in (None, ours._mmap)


def test_numpy_s_own_map_can_be_seen_as_one(tmp_path: Path) -> None:
    numbers(tmp_path / "data.dat")
    m = np.memmap(tmp_path / "data.dat", "f8").view(sharray.memmap)
    m[0] = 5
    m.flush()
    m.flush(wait=False)
    m.advise("random")
    assert [len(block) for block in m.blocks(4)] == [4, 2]
    m.close()
    assert m[0] == 5


def test_subarrays_become_dimensions(tmp_path: Path) -> None:
    numbers(tmp_path / "data.dat", 12)
    for order in ("C", "F"):
        ours = sharray.memmap(tmp_path / "data.dat", ("f8", (3,)), "r", shape=(2, 2), order=order)
        theirs = np.memmap(tmp_path / "data.dat", ("f8", (3,)), "r", shape=(2, 2), order=order)
        assert (ours.shape, ours.strides) == (theirs.shape, theirs.strides)
        assert (ours == theirs).all()


def test_small_floats_are_mapped(tmp_path: Path) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    m = sharray.memmap(tmp_path / "data.dat", ml_dtypes.bfloat16, "w+", shape=3)
    m[:] = [1, 2, 3]
    assert sharray.memmap(tmp_path / "data.dat", ml_dtypes.bfloat16).sum() == 6


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["O", [("a", "i4"), ("b", "O")], np.dtypes.StringDType()], ids=str)
def test_items_that_are_elsewhere_are_refused(tmp_path: Path, dtype: Any, mode: Any) -> None:
    path = tmp_path / "data.dat"
    path.write_bytes(b"x" * 64)
    with pytest.raises(sharray.UnsupportedDtype):
        sharray.memmap(path, dtype, mode, shape=2)
    assert path.read_bytes() == b"x" * 64


# Errors are those that NumPy's users catch

CASES: dict[str, tuple[int | None, dict[str, Any]]] = {
    "no file": (None, {"shape": 3}),
    "no file, no shape": (None, {}),
    "too short": (8, {"shape": 3}),
    "as long as it says": (24, {"shape": 3}),
    "longer": (48, {"shape": 3}),
    "no multiple": (20, {}),
    "no shape": (24, {}),
    "an offset": (48, {"offset": 16}),
    "an offset of no alignment": (48, {"offset": 3, "shape": 2}),
    "an offset at the end": (48, {"offset": 48}),
    "an offset behind the end": (48, {"offset": 64}),
    "an offset behind the end and a shape": (48, {"offset": 64, "shape": 1}),
    "two dimensions": (48, {"shape": (2, 3)}),
    "order F": (48, {"shape": (2, 3), "order": "F"}),
    "no dimensions": (48, {"shape": ()}),
    "no items": (48, {"shape": (0, 4)}),
    "a shape that is too large": (48, {"shape": (2**62, 4)}),
    "a shape that no integer can tell": (48, {"shape": 2**70}),
    "a length below zero": (48, {"shape": (-2, 4)}),
    "a mode that is none": (48, {"mode": "a"}),
}


def tried(call: Any, path: Path, length: int | None, options: dict[str, Any]) -> Any:
    """What came of a call: the array and the length of the file, or the kind of error."""
    path.unlink(missing_ok=True)
    if length is not None:
        path.write_bytes(bytes(range(length)))
    try:
        with np.errstate(over="ignore"):
            m = call(path, **({"dtype": "f8"} | options))
    except (FileNotFoundError, ValueError, TypeError, OverflowError) as error:
        return FileNotFoundError if isinstance(error, FileNotFoundError) else ValueError
    return m.shape, m.strides, m.tobytes()


#: Whether NumPy maps an array without items of a file that is to be written.
MAPS_NOTHING = np.lib.NumpyVersion(np.__version__) >= "2.3.0"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES)
def test_it_answers_as_numpy_does(tmp_path: Path, case: str, mode: str) -> None:
    length, options = CASES[case]
    if case == "no items" and not MAPS_NOTHING:
        pytest.skip("NumPy maps no empty file before 2.3")
    options = {"mode": mode} | options
    ours = tried(sharray.memmap, tmp_path / "ours", length, options)
    theirs = tried(np.memmap, tmp_path / "theirs", length, options)
    assert ours == theirs
    if isinstance(ours, tuple) and 0 not in ours[0]:
        assert (tmp_path / "ours").stat().st_size == (tmp_path / "theirs").stat().st_size
    if ours is ValueError:
        found = (tmp_path / "ours").stat().st_size if length is not None else None
        assert found == length, "an error changes nothing"


def test_errors_say_what_was_found(tmp_path: Path) -> None:
    path = tmp_path / "data.dat"
    with pytest.raises(sharray.MissingFile) as missing:
        sharray.memmap(path, "f8", "r+", shape=3)
    assert (missing.value.filename, missing.value.errno) == (str(path), 2)
    assert isinstance(missing.value, sharray.IoError)
    assert str(missing.value).startswith(f"cannot open {path}: No such file")
    assert "No such file" in missing.value.strerror
    assert str(pickle.loads(pickle.dumps(missing.value))) == str(missing.value)
    path.write_bytes(b"12345678")
    with pytest.raises(sharray.Truncated) as truncated:
        sharray.memmap(path, "f8", "r", shape=3)
    assert (truncated.value.found, truncated.value.expected) == (8, 24)


@pytest.mark.parametrize("mode", MODES)
def test_only_regular_files_are_mapped(tmp_path: Path, mode: Any) -> None:
    """Not folders, whose error says so; no device, and no pipe, which nobody waits for."""
    with pytest.raises(IsADirectoryError) as folder:
        sharray.memmap(tmp_path, mode=mode, shape=3)
    assert folder.value.errno == 21
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(OSError, match="not a regular file|No such device or address"):
            sharray.memmap(path, mode=mode, shape=3)
    assert [entry.name for entry in tmp_path.iterdir()] == ["pipe"]


def test_a_full_disk_is_an_error_and_no_signal(tmp_path: Path) -> None:
    path = tmp_path / "data.dat"
    numbers(path)
    with pytest.raises((sharray.NoSpace, sharray.IoError)):
        sharray.memmap(path, mode="w+", shape=1 << 60)
    assert path.stat().st_size == 48
    sparse = sharray.memmap(tmp_path / "sparse.dat", mode="w+", shape=1 << 36, sparse=True)
    sparse[-1] = 1
    assert (tmp_path / "sparse.dat").stat().st_blocks < 1000


# What NumPy leaves out


def test_closing_ends_the_use_and_no_view_dies(tmp_path: Path) -> None:
    numbers(tmp_path / "data.dat")
    with sharray.memmap(tmp_path / "data.dat", "f8", "r+") as m:
        m[0] = 5
        m.flush()
        m.flush(wait=False)
        part = m[:2]
    assert not m.flags.writeable
    with pytest.raises(ValueError, match="WRITEABLE"):
        m.flags.writeable = True
    with pytest.raises(sharray.Closed):
        m.flush()
    assert part.tolist() == [5, 1]
    m.close()
    assert "data.dat" in mappings()
    del m
    assert part.tolist() == [5, 1]
    del part
    gc.collect()
    assert "data.dat" not in mappings()


def test_maps_leave_no_descriptor_and_no_mapping_behind(tmp_path: Path) -> None:
    numbers(tmp_path / "data.dat")
    before = descriptors()
    for _ in range(100):
        with sharray.memmap(tmp_path / "data.dat", "f8") as m:
            m[1:].sum()
    del m
    assert descriptors() == before
    assert "data.dat" not in mappings()


MAPPER = """
    library = {"numpy": np.memmap, "sharray": sharray.memmap}[sys.argv[2]]
    m = library(folder, "f8", "r", shape=100_000)
    tell("mapped")
    hear()
    tell(m[-1])
"""


@pytest.mark.parametrize("library", ["numpy", "sharray"])
def test_a_new_file_kills_nobody_who_has_the_old_one_mapped(tmp_path: Path, library: str) -> None:
    """The one who maps dies of SIGBUS when the other shortens the file; ours never does."""
    path = tmp_path / "data.dat"
    numbers(path, 100_000)
    mapper = Child(MAPPER, path, library)
    mapper.expect("mapped")
    opener = {"numpy": np.memmap, "sharray": sharray.memmap}[library]
    opener(path, "f8", "w+", shape=10)[:] = 1
    mapper.tell("go on")
    if library == "numpy":
        assert mapper.end()[0] == -signal.SIGBUS
    else:
        mapper.expect("99999.0")
        mapper.succeed()
    assert np.fromfile(path).tolist() == [1.0] * 10


def test_another_process_sees_what_is_written(tmp_path: Path) -> None:
    m = sharray.memmap(tmp_path / "data.dat", "i4", "w+", shape=(2, 3))
    child = Child(
        'm = sharray.memmap(folder, "i4", shape=(2, 3)); m[1, 2] = 42; tell(m[0, 0])', tmp_path / "data.dat"
    )
    child.expect("0")
    child.succeed()
    assert m[1, 2] == 42


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_joblib_passes_it_without_a_copy(tmp_path: Path, mode: Any) -> None:
    reduction = pytest.importorskip("joblib._memmapping_reducer")
    numbers(tmp_path / "data.dat", 1000)
    m = sharray.memmap(tmp_path / "data.dat", "f8", mode, offset=80)
    part = np.asarray(m)[10:20]
    assert reduction.has_shareable_memory(part)
    assert reduction._get_backing_memmap(part) is m
    rebuild, arguments = reduction._reduce_memmap_backed(part, m)
    again = rebuild(*arguments)
    assert isinstance(again, np.memmap)
    assert (again == part).all()


# Larger than memory


class Bar:
    """What tqdm's bars have, as far as it matters."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.told: list[int] = []

    def update(self, n: int) -> None:
        self.told.append(n)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_blocks_are_all_rows_in_turn(tmp_path: Path, mode: Any, order: Any) -> None:
    expected = numbers(tmp_path / "data.dat", 70).reshape((10, 7), order=order)
    m = sharray.memmap(tmp_path / "data.dat", "f8", mode, shape=(10, 7), order=order)
    bar = Bar()
    blocks = list(m.blocks(4, progress=bar, uncached=True))
    assert [len(block) for block in blocks] == [4, 4, 2]
    assert all(type(block) is sharray.memmap and block.base is m for block in blocks)
    assert (np.concatenate(blocks) == expected).all()
    assert (bar.total, bar.told) == (10, [4, 4, 2])
    parts = list(m[1:, ::2].blocks(5))
    assert (np.concatenate(parts) == expected[1:, ::2]).all()


def test_blocks_are_written_too(tmp_path: Path) -> None:
    m = sharray.memmap(tmp_path / "data.dat", "i8", "w+", shape=(1000, 100))
    for number, block in enumerate(m.blocks(10)):
        block[...] = number
    assert np.fromfile(tmp_path / "data.dat", "i8").sum() == 1000 * sum(range(100))


def test_blocks_have_rows(tmp_path: Path) -> None:
    m = sharray.memmap(tmp_path / "data.dat", "i8", "w+", shape=(2, 3))
    with pytest.raises(ValueError, match="at least one"):
        m.blocks(0)
    with pytest.raises(ValueError, match="dimensions"):
        m[0, :1].reshape(()).blocks(1)
    m.close()
    with pytest.raises(sharray.Closed):
        next(m.blocks(1))


def test_a_scan_keeps_little_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.dat"
    path.write_bytes(b"\1" * (128 << 20))
    m = sharray.memmap(path, mode="r", shape=(128, 1 << 20))
    sum_of_it, most = 0, 0
    before = resident_kib()
    for block in m.blocks(1):
        sum_of_it += int(block.sum(dtype="u8"))
        most = max(most, resident_kib())
    assert sum_of_it == 128 << 20
    assert most - before < 32 << 10


def test_tqdm_draws_it(tmp_path: Path) -> None:
    tqdm = pytest.importorskip("tqdm")
    m = sharray.memmap(tmp_path / "data.dat", "i8", "w+", shape=(10, 3))
    with (tmp_path / "shown").open("w") as shown, tqdm.tqdm(file=shown) as bar:
        for _ in m.blocks(4, progress=bar):
            pass
        assert (bar.n, bar.total) == (10, 10)


def test_advice_changes_nothing(tmp_path: Path) -> None:
    expected = numbers(tmp_path / "data.dat", 1000)
    m = sharray.memmap(tmp_path / "data.dat", "f8")
    for advice in ("sequential", "random", "will-need", "normal"):
        m.advise(advice)
    assert (m == expected).all()
    with pytest.raises(ValueError, match="advice"):
        m.advise("sometimes")  # type: ignore[arg-type]


# The same answers as NumPy's, whatever is asked

DTYPES = st.sampled_from(
    ["u1", "i2", ">i4", "f4", "f8", "c16", "M8[ns]", "S3", "U2", "?", "V5", [("a", "u1"), ("b", ">f8")]]
)
ANY_INDEX = st.one_of(
    st.integers(-4, 4),
    st.slices(4),
    st.just(Ellipsis),
    st.none(),
    st.lists(st.integers(0, 2), max_size=3),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dtype=DTYPES,
    shape=st.one_of(st.none(), st.lists(st.integers(0, 4), max_size=4).map(tuple), st.integers(0, 9)),
    order=st.sampled_from("CF"),
    offset=st.one_of(st.integers(0, 40), st.sampled_from([4095, 4096, 4097])),
    length=st.one_of(st.integers(1, 300), st.integers(4000, 5000)),
    mode=st.sampled_from(MODES),
    index=st.one_of(ANY_INDEX, st.lists(ANY_INDEX, max_size=3).map(tuple)),
)
def test_any_file_is_the_same_array(
    tmp_path: Path,
    dtype: Any,
    shape: Any,
    order: str,
    offset: int,
    length: int,
    mode: str,
    index: Any,
) -> None:
    if not MAPS_NOTHING and (shape == 0 or isinstance(shape, tuple) and 0 in shape):
        return
    contents = bytes((i * 7 + 1) % 251 for i in range(length))
    if dtype == "U2":
        contents = bytes(length)  # not any four bytes are a character
    answers = []
    for call, name in ((sharray.memmap, "ours"), (np.memmap, "theirs")):
        path = tmp_path / name
        path.unlink(missing_ok=True)
        path.write_bytes(contents)
        answer: list[Any] = []
        try:
            m = call(path, dtype, mode, offset, shape, order)  # type: ignore[operator]
        except (ValueError, OverflowError):
            answer.append("an error")
        else:
            answer += [m.shape, m.strides, m.dtype, m.flags.writeable, m.flags.aligned, m.tobytes()]
            try:
                part = m[index]
            except (IndexError, ValueError) as error:
                answer.append(type(error))
            else:
                answer += [np.shape(part), np.asarray(part).tobytes(), isinstance(part, np.memmap)]
                if mode != "r" and isinstance(part, np.memmap):
                    part[...] = np.zeros((), m.dtype)
                    answer.append(m.tobytes())
                m.flush()
            if m.size > 0:
                # NumPy writes a byte to have something to map; here nothing is mapped.
                answer.append(path.read_bytes())
        answers.append(answer)
    assert answers[0] == answers[1]
